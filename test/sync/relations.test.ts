/** Contacts name customers: by each system's own id, in whatever order they arrive, and never by another system's. */
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject, Kind, RemoteObject } from '../../src/connector.ts';
import { compile } from '../../src/mapping/compile.ts';
import { readMapping } from '../../src/mapping/document.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import { undoStatus } from '../../src/health/undo.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { passArrived } from '../../src/sync/awaited.ts';
import { deliver } from '../../src/sync/deliver.ts';
import { leadsTo, recordOf, type Hub, type Sync } from '../../src/sync/hub.ts';
import { ordered, tryMerge, tryUnmerge } from '../../src/sync/identity.ts';
import { intake } from '../../src/sync/intake.ts';
import { finishUndos } from '../../src/sync/owed.ts';
import { runOf, standingRun } from '../../src/sync/runs.ts';
import { openUndo } from '../../src/sync/undo.ts';
import { generator } from '../../src/simulate/draw.ts';
import { entityOf } from '../mapping/sample.ts';
import { writer } from '../merge/sample.ts';

const entities = new Map(['contact', 'customer'].map((name) => [name, entityOf(name)]));

const lensOf = (connector: string, entity: 'contact' | 'customer', fields: JsonObject) => {
  const remote: JsonObject = {};
  const here: JsonObject = {};
  for (const [name, rule] of Object.entries(fields)) {
    const { at } = rule as { at: string };
    remote[at.slice(1)] = `${name}1`;
    here[name] = `${name}1`;
  }
  const document = {
    name: `${connector}-${entity}`,
    remote: { connector, kind: entity },
    entity,
    fields,
    examples: [{ remote, entity: here }],
  };
  const entityDocument = entities.get(entity);
  if (entityDocument === undefined) throw new Error(entity);
  return compile(readMapping(JSON.stringify(document), 'x.json'), entityDocument, null, entities);
};

/** A system that keeps what it is given, under ids of its own. */
class Remote {
  readonly rows = new Map<string, JsonObject>();
  readonly #prefix: string;
  refuse = false;
  constructor(prefix: string) {
    this.#prefix = prefix;
  }
  kind(): Kind {
    return {
      schema: {},
      read: async (ids) =>
        new Map(
          ids.map((id) => {
            const value = this.rows.get(id);
            return [
              id,
              value === undefined ? { is: 'gone' } : { is: 'object', object: { id, value } },
            ] as const;
          }),
        ),
      create: {
        most: 10,
        atomic: false,
        keyed: true,
        send: async (items) =>
          items.map(({ value }) => {
            const id = `${this.#prefix}${this.rows.size + 1}`;
            this.rows.set(id, value);
            return { is: 'done' as const, id };
          }),
      },
      update: {
        most: 10,
        atomic: false,
        keyed: true,
        send: async (items) =>
          items.map(({ id, value }) => {
            this.rows.set(id, { ...this.rows.get(id), ...value });
            return { is: 'done' as const, id };
          }),
      },
    };
  }
}

let store: SqliteStore;
let hub: Hub;
let run: string;
let time: number;
let crmCustomers: Remote;
let crmContacts: Remote;
let erpContacts: Remote;
let shopRows: Map<string, RemoteObject>;

const syncOf = (connection: string, entity: string, part: Pick<Sync, 'lens' | 'kind' | 'create'>): Sync => ({
  name: `${connection}-${entity}`,
  connection,
  lane: `${connection}/${entity}`,
  kindName: entity,
  entity,
  rules: () => writer,
  inward: true,
  outward: connection !== 'shop',
  required: [],
  ...part,
});

/** `shop` only shows; `crm` takes customers and contacts by id; `erp` takes contacts, with the customer's number. */
const build = (required: readonly string[] = []): void => {
  const shop: Kind = {
    schema: {},
    read: async (ids) =>
      new Map(
        ids.map((id) => {
          const object = shopRows.get(id);
          return [id, object === undefined ? { is: 'gone' } : { is: 'object', object }] as const;
        }),
      ),
  };
  const byId = { at: '/company', reference: { to: 'customer', by: 'id' } };
  const all = [
    syncOf('shop', 'customer', {
      lens: lensOf('shop', 'customer', { name: { at: '/name' }, customerId: { at: '/no' } }),
      kind: shop,
      create: false,
    }),
    syncOf('shop', 'contact', {
      lens: lensOf('shop', 'contact', { name: { at: '/name' }, customer: byId }),
      kind: shop,
      create: false,
    }),
    syncOf('crm', 'customer', {
      lens: lensOf('crm', 'customer', { name: { at: '/name' } }),
      kind: crmCustomers.kind(),
      create: true,
    }),
    syncOf('crm', 'contact', {
      lens: lensOf('crm', 'contact', { name: { at: '/name' }, customer: byId }),
      kind: crmContacts.kind(),
      create: true,
    }),
    syncOf('erp', 'contact', {
      lens: lensOf('erp', 'contact', {
        name: { at: '/name' },
        customer: { at: '/customerNo', reference: { to: 'customer', by: 'customerId' } },
      }),
      kind: erpContacts.kind(),
      create: true,
    }),
  ].map((one) => (one.connection === 'crm' && one.entity === 'contact' ? { ...one, required } : one));
  let ids = 0;
  hub = {
    store,
    syncs: new Map(all.map((one) => [one.name, one])),
    entities: new Map([
      ['customer', { name: 'customer', keys: [['customerId']] }],
      ['contact', { name: 'contact', keys: [] }],
    ]),
    now: () => (time += 1),
    newId: (prefix) => `${prefix}${(ids += 1)}`,
    random: () => 0.5,
    nudge: () => undefined,
    alarm: (subject, text) => expect.fail(`${subject}: ${text}`),
  };
};

beforeEach(async () => {
  store = new SqliteStore({ file: ':memory:', immediate: true });
  time = 1_000_000;
  crmCustomers = new Remote('cu');
  crmContacts = new Remote('co');
  erpContacts = new Remote('e');
  shopRows = new Map();
  build();
  run = await standingRun(hub, 'upkeep', 'test', new Set());
});
afterEach(() => store.close());

const files = async (entity: 'contact' | 'customer', id: string, value: JsonObject): Promise<void> => {
  const at = hub.now();
  const object = { id: `${id}`, value };
  shopRows.set(id, object);
  const row = {
    lane: `shop/${entity}`,
    object: id,
    due: at,
    at,
    run,
    hint: { cause: 'hook h1', uncounted: true },
  };
  await store.commit([{ when: [], write: [{ op: 'append', table: 'touch', row }] }]);
};

const settle = async (): Promise<void> => {
  for (let pass = 0; pass < 8; pass += 1) {
    for (const sync of hub.syncs.values()) {
      await intake(hub, sync.lane, run);
      if (sync.outward) await deliver(hub, sync, run);
      await passArrived(hub, run);
    }
    time += 2000;
  }
};
const waiting = async (): Promise<unknown[]> =>
  (await store.list('awaited', 'at', { where: {}, limit: 100 })).map((row) => [row['lane'], row['field']]);
const linked = async (sync: string, object: string) =>
  (await store.get('link', { sync, object }))?.['record'];

describe('a contact’s customer', () => {
  it('is undone to the former one, as each system’s own id or number', async () => {
    await files('customer', '71', { name: 'ACME', no: 'C-1' });
    await files('customer', '72', { name: 'Zenith', no: 'C-2' });
    await settle();
    await files('contact', '9', { name: 'Ann', company: '71' });
    await settle();
    const from = hub.now();
    await files('contact', '9', { name: 'Ann', company: '72' });
    await settle();
    const shown = (): unknown[] => [
      crmContacts.rows.get('co1')?.['company'],
      erpContacts.rows.get('e1')?.['customerNo'],
    ];
    expect(shown()).toEqual(['cu2', 'C-2']);
    const undo = await openUndo(hub, { from, to: hub.now() }, 'lin');
    await finishUndos(hub);
    await settle();
    await finishUndos(hub);
    expect(shown()).toEqual(['cu1', 'C-1']);
    const { state, items } = await undoStatus(store, undo, 10);
    expect(state).toBe('closed');
    expect(
      items.map(({ field, targets }) => [field, targets.map((one) => [one.target, one.result])]),
    ).toEqual([
      [
        'customer',
        [
          ['record', 'restored'],
          ['crm-contact/co1', 'restored'],
          ['erp-contact/e1', 'restored'],
          ['shop-contact/9', 'impossible'],
        ],
      ],
    ]);
    expect(await waiting()).toEqual([]);
  });

  it('is owed by an undo while it cannot be named there, and comes by itself', async () => {
    await files('customer', '71', { name: 'ACME' });
    await files('customer', '72', { name: 'Zenith', no: 'C-2' });
    await settle();
    await files('contact', '9', { name: 'Ann', company: '71' });
    await settle();
    const from = hub.now();
    await files('contact', '9', { name: 'Ann', company: '72' });
    await settle();
    const to = hub.now();
    const undo = await openUndo(hub, { from, to }, 'lin');
    const status = async (): Promise<unknown> => {
      await finishUndos(hub);
      await settle();
      await finishUndos(hub);
      const { state, targets } = await undoStatus(store, undo, 10);
      return [state, targets['crm-contact'], targets['erp-contact']];
    };
    const one = (result: string): object => ({ restored: 0, kept: 0, impossible: 0, owed: 0, [result]: 1 });
    expect(await status()).toEqual(['open', one('restored'), one('owed')]);
    expect(erpContacts.rows.get('e1')?.['customerNo']).toBe('C-2');
    await files('customer', '71', { name: 'ACME', no: 'C-1' });
    await settle();
    expect(await status()).toEqual(['closed', one('restored'), one('restored')]);
    expect(erpContacts.rows.get('e1')?.['customerNo']).toBe('C-1');
  });

  it('is written as each system’s own id or number', async () => {
    await files('customer', '71', { name: 'ACME', no: 'C-1' });
    await settle();
    await files('contact', '9', { name: 'Ann', company: '71' });
    await settle();
    expect([...crmCustomers.rows]).toEqual([['cu1', { name: 'ACME' }]]);
    expect([...crmContacts.rows]).toEqual([['co1', { name: 'Ann', company: 'cu1' }]]);
    expect([...erpContacts.rows]).toEqual([['e1', { name: 'Ann', customerNo: 'C-1' }]]);
    expect(await waiting()).toEqual([]);
    expect(await store.count('parked', 'at', {})).toBe(0);
  });

  it('waits, in sight, where the customer comes later, and follows by itself', async () => {
    await files('contact', '9', { name: 'Ann', company: '71' });
    await settle();
    expect([...crmContacts.rows]).toEqual([['co1', { name: 'Ann' }]]);
    expect(await waiting()).toEqual([['in:shop/contact', 'customer']]);
    expect(await store.count('parked', 'at', {})).toBe(0);
    await files('customer', '71', { name: 'ACME', no: 'C-1' });
    await settle();
    expect(crmContacts.rows.get('co1')).toEqual({ name: 'Ann', company: 'cu1' });
    expect(erpContacts.rows.get('e1')).toEqual({ name: 'Ann', customerNo: 'C-1' });
    expect(await waiting()).toEqual([]);
    expect(await store.count('effect', 'state', { state: 'open' })).toBe(0);
  });

  it('is not named where it has no object yet, and the create waits where it must be named', async () => {
    build(['customer']);
    const customers = hub.syncs.get('crm-customer');
    if (customers === undefined) throw new Error('no sync');
    (hub.syncs as Map<string, Sync>).set('crm-customer', { ...customers, create: false });
    await files('customer', '71', { name: 'ACME' });
    await files('contact', '9', { name: 'Ann', company: '71' });
    await settle();
    expect(crmContacts.rows.size).toBe(0);
    expect(erpContacts.rows.get('e1')).toEqual({ name: 'Ann' });
    expect((await waiting()).toSorted()).toEqual([
      ['out:crm-contact', 'customer'],
      ['out:erp-contact', 'customer'],
    ]);
    const [effect] = await store.list('effect', 'state', { where: { state: 'open' }, limit: 10 });
    expect(effect?.['reason']).toMatchObject({
      code: 'reference',
      message: expect.stringContaining('customer waits for an object of customer'),
    });
    // The customer goes to the CRM after all, and gets its number in the shop.
    (hub.syncs as Map<string, Sync>).set('crm-customer', customers);
    await files('customer', '71', { name: 'ACME Ltd', no: 'C-7' });
    await settle();
    expect(erpContacts.rows.get('e1')).toEqual({ name: 'Ann', customerNo: 'C-7' });
    expect([...crmContacts.rows.values()]).toEqual([{ name: 'Ann', company: expect.stringMatching(/^cu/u) }]);
    expect(await waiting()).toEqual([]);
  });

  it('follows a change there, and never takes an id of another system', async () => {
    await files('customer', '71', { name: 'ACME', no: 'C-1' });
    await files('customer', '72', { name: 'Bolt', no: 'C-2' });
    await settle();
    await files('contact', '9', { name: 'Ann', company: '71' });
    await settle();
    const [crmBolt] = [...crmCustomers.rows].find(([, row]) => row['name'] === 'Bolt') ?? [];
    crmContacts.rows.set('co1', { name: 'Ann', company: crmBolt ?? '' });
    const at = hub.now();
    const row = {
      lane: 'crm/contact',
      object: 'co1',
      due: at,
      at,
      run,
      hint: { cause: 'hook h2', uncounted: true },
    };
    await store.commit([{ when: [], write: [{ op: 'append', table: 'touch', row }] }]);
    await settle();
    expect(erpContacts.rows.get('e1')).toEqual({ name: 'Ann', customerNo: 'C-2' });
    const record = await store.get('record', { id: String(await linked('crm-contact', 'co1')) });
    expect(recordOf(record ?? {}).fields['customer']?.value).toBe(await linked('shop-customer', '72'));
    // Somebody types the shop's number where the CRM's own id belongs: it names nothing there.
    crmContacts.rows.set('co1', { name: 'Ann', company: '71' });
    await store.commit([
      { when: [], write: [{ op: 'append', table: 'touch', row: { ...row, due: hub.now() } }] },
    ]);
    await settle();
    expect(erpContacts.rows.get('e1')).toEqual({ name: 'Ann', customerNo: 'C-2' });
    expect(await waiting()).toEqual([['in:crm/contact', 'customer']]);
  });

  it('ends the same in whatever order customers and contacts arrive, and lineage replays', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1_000_000 }), async (seed) => {
        await store.close();
        store = new SqliteStore({ file: ':memory:', immediate: true });
        crmCustomers = new Remote('cu');
        crmContacts = new Remote('co');
        erpContacts = new Remote('e');
        shopRows = new Map();
        build();
        run = await standingRun(hub, 'upkeep', 'test', new Set());
        const random = generator(seed);
        const work: (() => Promise<void>)[] = [];
        for (let n = 1; n <= 3; n += 1)
          work.push(() => files('customer', `7${n}`, { name: `Firm ${n}`, no: `C-${n}` }));
        for (let n = 1; n <= 6; n += 1)
          work.push(() => files('contact', `9${n}`, { name: `P ${n}`, company: `7${1 + (n % 3)}` }));
        work.sort(() => random() - 0.5);
        for (const one of work) {
          await one();
          if (random() < 0.5) await settle();
        }
        await settle();
        const idOf = new Map([...crmCustomers.rows].map(([id, row]) => [row['name'], id]));
        for (const row of crmContacts.rows.values()) {
          const n = Number(String(row['name']).slice(2));
          expect(row['company']).toBe(idOf.get(`Firm ${1 + (n % 3)}`));
        }
        expect(
          [...erpContacts.rows.values()].map((row) => [row['name'], row['customerNo']]).toSorted(),
        ).toEqual([1, 2, 3, 4, 5, 6].map((n) => [`P ${n}`, `C-${1 + (n % 3)}`]));
        expect([crmContacts.rows.size, erpContacts.rows.size]).toEqual([6, 6]);
        expect(await waiting()).toEqual([]);
        for (const row of await store.list('record', 'entity', { where: { entity: 'contact' }, limit: 50 })) {
          const where = { record: String(row['id']) };
          const lineage = (await store.list('lineage', 'record', { where, limit: 1000 })).map(
            (each) => each['body'] as LineageRow,
          );
          expect(replayDifferences(recordOf(row), lineage)).toEqual([]);
        }
        const runs = (await store.list('run', 'at', { where: {}, limit: 50 })).map(runOf);
        expect(runs.every((one) => one.effects.open === 0)).toBe(true);
      }),
      { numRuns: 12, seed: 5 },
    );
  });
});

describe('a contact whose customer is merged into another', () => {
  const merge = async (a: string, b: string, survivor: string): Promise<void> => {
    const pick = (): ReturnType<typeof ordered> => ordered(hub, a, b, { record: survivor });
    expect(await tryMerge(hub, pick, { by: 'person:lin', cause: 'person:lin' }, run)).toMatchObject({
      survivor,
    });
  };
  /** Two customers and a contact of the second; the ids of the customers’ records. */
  const filed = async (): Promise<[string, string]> => {
    await files('customer', '71', { name: 'ACME', no: 'C-1' });
    await files('customer', '72', { name: 'Acme Ltd', no: 'C-2' });
    await settle();
    await files('contact', '9', { name: 'Ann', company: '72' });
    await settle();
    return [String(await linked('shop-customer', '71')), String(await linked('shop-customer', '72'))];
  };
  const customerOf = async (contact: string): Promise<string | undefined> => {
    const row = await store.get('record', { id: String(await linked('shop-contact', contact)) });
    const id = row === undefined ? undefined : recordOf(row).fields['customer']?.value;
    return typeof id === 'string' ? (await leadsTo(hub, id))?.id : undefined;
  };

  it('leads to the survivor, and nothing is written for that alone', async () => {
    const [one, other] = await filed();
    const before = structuredClone([...crmContacts.rows, ...erpContacts.rows]);
    await merge(one, other, one);
    await settle();
    expect(await customerOf('9')).toBe(one);
    expect([...crmContacts.rows, ...erpContacts.rows]).toEqual(before);
    // What names it from now on is written with the survivor’s names.
    await files('contact', '10', { name: 'Bo', company: '72' });
    await settle();
    expect(await customerOf('10')).toBe(one);
    expect([crmContacts.rows.get('co2')?.['company'], erpContacts.rows.get('e2')?.['customerNo']]).toEqual([
      'cu1',
      'C-1',
    ]);
  });

  it('is the loser’s again once the two are taken apart, and is written so', async () => {
    const [one, other] = await filed();
    await merge(one, other, one);
    await files('contact', '10', { name: 'Bo', company: '72' });
    await files('contact', '11', { name: 'Cy', company: '71' });
    await settle();
    expect(await tryUnmerge(hub, other, 'person:lin', run)).toBeNull();
    await settle();
    expect([await customerOf('9'), await customerOf('10'), await customerOf('11')]).toEqual([
      other,
      other,
      one,
    ]);
    expect(['co1', 'co2', 'co3'].map((id) => crmContacts.rows.get(id)?.['company'])).toEqual([
      'cu2',
      'cu2',
      'cu1',
    ]);
    expect(['e1', 'e2', 'e3'].map((id) => erpContacts.rows.get(id)?.['customerNo'])).toEqual([
      'C-2',
      'C-2',
      'C-1',
    ]);
    expect(await waiting()).toEqual([]);
  });

  it('keeps what somebody meant who put the survivor in the loser’s place', async () => {
    const [one, other] = await filed();
    await merge(one, other, one);
    await files('contact', '9', { name: 'Ann', company: '71' });
    await settle();
    await tryUnmerge(hub, other, 'person:lin', run);
    await settle();
    expect(await customerOf('9')).toBe(one);
    expect(crmContacts.rows.get('co1')?.['company']).toBe('cu1');
  });

  it('waits for an object of the survivor where the loser had none', async () => {
    await files('customer', '72', { name: 'Acme Ltd' });
    await settle();
    await files('contact', '9', { name: 'Ann', company: '72' });
    await settle();
    expect(erpContacts.rows.get('e1')?.['customerNo']).toBeUndefined();
    expect(await waiting()).toEqual([['out:erp-contact', 'customer']]);
    await files('customer', '71', { name: 'ACME', no: 'C-1' });
    await settle();
    const [one, other] = [
      String(await linked('shop-customer', '71')),
      String(await linked('shop-customer', '72')),
    ];
    await merge(one, other, one);
    await settle();
    expect(erpContacts.rows.get('e1')?.['customerNo']).toBe('C-1');
    expect(await waiting()).toEqual([]);
  });
});
