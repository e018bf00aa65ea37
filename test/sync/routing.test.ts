/** Routing in the engine: decided once, kept, passed on when nobody claims it, and never to nowhere in silence. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject, Kind, RemoteObject } from '../../src/connector.ts';
import { compile } from '../../src/mapping/compile.ts';
import { readMapping } from '../../src/mapping/document.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import { undoStatus } from '../../src/health/undo.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { deliver } from '../../src/sync/deliver.ts';
import { recordOf, type Hub, type Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { replay } from '../../src/sync/decide.ts';
import { finishUndos } from '../../src/sync/owed.ts';
import { openUndo } from '../../src/sync/undo.ts';
import { applyPlan, itemsOf, makePlan } from '../../src/sync/planned.ts';
import { reroutePlanner } from '../../src/sync/reroute.ts';
import { passUnclaimed } from '../../src/sync/route.ts';
import { closeRuns, runOf, standingRun } from '../../src/sync/runs.ts';
import { entityOf, textOf } from '../mapping/sample.ts';
import { writer } from '../merge/sample.ts';

const lead = entityOf('lead');
const entities = new Map([lead, entityOf('employee'), entityOf('department')].map((one) => [one.name, one]));
const form = compile(
  readMapping(textOf('mappings/webform/lead.json'), 'lead.json'),
  lead,
  JSON.parse(textOf('mappings/webform/lead.schema.json')) as JsonObject,
  entities,
);
const crm = compile(
  readMapping(
    JSON.stringify({
      name: 'crm-lead',
      remote: { connector: 'crm', kind: 'lead' },
      entity: 'lead',
      fields: {
        name: { at: '/name' },
        team: { at: '/team' },
        owner: { at: '/owner' },
        stage: { at: '/stage' },
      },
      examples: [
        {
          remote: { name: 'a', team: 'b', owner: 'c', stage: 'new' },
          entity: { name: 'a', team: 'b', owner: 'c', stage: 'new' },
        },
      ],
    }),
    'crm.json',
  ),
  lead,
  null,
  entities,
);

const hour = 3_600_000;
let store: SqliteStore;
let time: number;
let hub: Hub;
let run: string;
let alarms: string[];
let rows: Map<string, JsonObject>;

const crmKind: Kind = {
  schema: {},
  read: async (ids) =>
    new Map(
      ids.map((id) => {
        const value = rows.get(id);
        return [id, value === undefined ? { is: 'gone' } : { is: 'object', object: { id, value } }] as const;
      }),
    ),
  create: {
    most: 10,
    atomic: false,
    keyed: true,
    send: async (items) =>
      items.map((item) => {
        const id = `c${rows.size + 1}`;
        rows.set(id, item.value);
        return { is: 'done' as const, id };
      }),
  },
  update: {
    most: 10,
    atomic: false,
    keyed: true,
    send: async (items) =>
      items.map(({ id, value }) => {
        rows.set(id, { ...rows.get(id), ...value });
        return { is: 'done' as const, id };
      }),
  },
};

const syncOf = (name: string, part: Pick<Sync, 'lens' | 'kind' | 'outward' | 'create'>): Sync => ({
  name,
  connection: name,
  lane: `${name}/lead`,
  kindName: 'lead',
  entity: 'lead',
  rules: () => writer,
  inward: true,
  required: [],
  ...part,
});
const a = syncOf('form', { lens: form, kind: { schema: {} }, outward: false, create: false });
const b = syncOf('crm', { lens: crm, kind: crmKind, outward: true, create: true });

beforeEach(async () => {
  store = new SqliteStore({ file: ':memory:', immediate: true });
  time = Date.parse('2026-06-01T01:00:00Z');
  alarms = [];
  rows = new Map();
  let ids = 0;
  hub = {
    store,
    syncs: new Map([a, b].map((one) => [one.name, one])),
    entities: new Map([['lead', { name: 'lead', keys: [] }]]),
    now: () => (time += 1),
    newId: (prefix) => `${prefix}${(ids += 1)}`,
    random: () => 0.5,
    nudge: () => undefined,
    alarm: (subject, text) => alarms.push(`${subject}: ${text}`),
  };
  run = await standingRun(hub, 'upkeep', 'test', new Set());
});
afterEach(() => store.close());

/** Somebody in the directory, as a sync of it would have filed them. */
const known = async (entity: string, id: string, values: JsonObject): Promise<void> => {
  const fields = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
  const row = { id, entity, version: 1, at: 0, fields };
  await store.commit([{ when: [], write: [{ op: 'put', table: 'record', row }] }]);
  // The directory is kept in memory for some seconds.
  time += 10_000;
};

const shows = async (lane: string, object: RemoteObject): Promise<void> => {
  const at = hub.now();
  const hint = { cause: 'hook h1', object, from: at, until: at, uncounted: true };
  const row = { lane, object: object.id, due: at, at, run, hint };
  await store.commit([{ when: [], write: [{ op: 'append', table: 'touch', row }] }]);
  await settle();
};

const settle = async (): Promise<void> => {
  for (let pass = 0; pass < 6; pass += 1) {
    await intake(hub, a.lane, run);
    await intake(hub, b.lane, run);
    await deliver(hub, b, run);
    time += 2000;
  }
};

const records = async () =>
  (await store.list('record', 'entity', { where: { entity: 'lead' }, limit: 100 })).map(recordOf);
const lineageOf = async (record: string): Promise<LineageRow[]> =>
  (await store.list('lineage', 'record', { where: { record }, limit: 1000 })).map(
    (row) => row['body'] as LineageRow,
  );
const parked = async () =>
  (await store.list('parked', 'at', { where: {}, limit: 10 })).map(
    (row) => `${row['code']} ${row['message']}`,
  );
const filed = (id: string, more: JsonObject = {}): RemoteObject => ({
  id,
  value: { name: 'Ann', mobile: '13800138001', email: 'a@corp.cn', province: '浙江省', ...more },
});

describe('a routed record', () => {
  it('gets team and owner in its first commit, goes on to the CRM with them, and keeps them', async () => {
    await known('department', 'd1', { name: '华东销售部' });
    await known('employee', 'e1', { email: 'sun.li@example.cn', department: '华东销售部' });
    await shows(a.lane, filed('f1'));
    expect([...rows.values()]).toEqual([
      { name: 'Ann', team: '华东销售部', owner: 'sun.li@example.cn', stage: 'new' },
    ]);
    const [record] = await records();
    expect(record?.fields['owner']).toMatchObject({ source: 'route:webform-lead/east' });
    const lineage = await lineageOf(record?.id ?? '');
    expect(lineage[0]?.entries.filter((one) => one.verdict === 'routed').map((one) => one.rule)).toEqual([
      expect.stringContaining('team: east (province is "上海市" or "浙江省" or "江苏省") gives "华东销售部"'),
      expect.stringContaining('owner: east'),
    ]);
    if (record === undefined) throw new Error('no record');
    expect(replayDifferences(record, lineage)).toEqual([]);
    const moved = await store.list('transition', 'record', { where: { record: record.id }, limit: 10 });
    expect(moved.map((row) => [row['field'], row['after'], row['how']])).toContainEqual([
      'owner',
      'sun.li@example.cn',
      'routed',
    ]);
    // Somebody else joins, the province changes: what is decided is decided.
    await known('employee', 'e2', { email: 'zhou@example.cn', department: '华东销售部', weight: 1000 });
    await shows(a.lane, filed('f1', { province: '广东省' }));
    expect((await records())[0]?.fields['owner']?.value).toBe('sun.li@example.cn');
    expect(await parked()).toEqual([]);
    expect(alarms).toEqual([]);
  });

  it('is left alone where somebody in the CRM gave it away already, and follows them', async () => {
    await shows(a.lane, filed('f1'));
    rows.set('c1', { ...rows.get('c1'), owner: 'boss@example.cn' });
    await shows(b.lane, { id: 'c1', value: rows.get('c1') ?? {} });
    await shows(a.lane, filed('f1', { product: 'CRM' }));
    expect((await records())[0]?.fields['owner']?.value).toBe('boss@example.cn');
  });

  it('waits in sight where nobody can take it, while its other fields go on, and is routed when tried again', async () => {
    await known('employee', 'e1', { email: 'lead.desk@example.cn', active: false });
    await shows(a.lane, filed('f1', { province: '西藏' }));
    expect([...rows.values()]).toEqual([{ name: 'Ann', team: '电话销售部', stage: 'new' }]);
    expect(await parked()).toEqual([expect.stringContaining('route /owner: Nobody gets it by the table')]);
    await known('employee', 'e1', { email: 'lead.desk@example.cn', active: true });
    const [row] = await store.list('parked', 'at', { where: {}, limit: 1 });
    await shows(a.lane, filed('f1', { province: '西藏', product: 'CRM' }));
    expect(row?.['lane']).toBe(a.lane);
    expect(await parked()).toEqual([]);
    expect([...rows.values()][0]).toMatchObject({ owner: 'lead.desk@example.cn' });
  });
});

describe('a routed record that is undone', () => {
  it('goes back to nothing, who it fell to included, and is not routed again by the next look', async () => {
    await known('department', 'd1', { name: '华东销售部' });
    await known('employee', 'e1', { email: 'sun.li@example.cn', department: '华东销售部' });
    await shows(a.lane, filed('f1'));
    const id = await openUndo(hub, { connection: 'form' }, 'lin');
    await finishUndos(hub);
    await settle();
    await finishUndos(hub);
    const { state, fields, targets } = await undoStatus(store, id, 10);
    expect(state).toBe('closed');
    expect(fields).toMatchObject({ kept: 0, owed: 0 });
    expect(targets['crm']).toMatchObject({ restored: 4, owed: 0 });
    expect([...rows.values()]).toEqual([{ name: null, team: null, owner: null, stage: null }]);
    await shows(a.lane, filed('f1', { product: 'CRM' }));
    const [record] = await records();
    expect(record?.fields['product']?.value).toBe('CRM');
    expect(record?.fields['owner']?.value).toBeNull();
  });
});

describe('an unclaimed record', () => {
  const ownerOf = async () => (await records())[0]?.fields['owner']?.value;
  beforeEach(async () => {
    await known('department', 'd1', { name: '华东销售部' });
    await known('employee', 'e1', { email: 'sun.li@example.cn', department: '华东销售部' });
    await known('employee', 'e2', { email: 'lead.desk@example.cn' });
    await known('employee', 'e3', { email: 'tel@example.cn', department: '电话销售部' });
    await shows(a.lane, filed('f1'));
  });

  it('goes to each of the others once, then waits for a person, loudly', async () => {
    expect(await ownerOf()).toBe('sun.li@example.cn');
    expect(await passUnclaimed(hub, a, run)).toBeGreaterThan(0);
    const had = new Set<unknown>(['sun.li@example.cn']);
    for (let round = 0; round < 2; round += 1) {
      time += 2 * hour;
      expect(await passUnclaimed(hub, a, run)).toBe(0);
      await settle();
      const owner = await ownerOf();
      expect(had.has(owner)).toBe(false);
      had.add(owner);
      expect([...rows.values()][0]?.['owner']).toBe(owner);
    }
    time += 2 * hour;
    await passUnclaimed(hub, a, run);
    expect(await parked()).toEqual([expect.stringContaining('unclaimed /owner: Nobody has claimed it')]);
    expect(alarms).toEqual([expect.stringContaining('unclaimed form')]);
    expect(await passUnclaimed(hub, a, run)).toBeNull();
    // A person has it tried again: it may go round once more, and the books of that run close.
    const id = String((await store.list('parked', 'at', { where: {}, limit: 1 }))[0]?.['id']);
    const former = await ownerOf();
    await replay(hub, `item:${id}`);
    await passUnclaimed(hub, a, run);
    expect(await ownerOf()).not.toBe(former);
    const people = (await store.list('run', 'at', { where: {}, limit: 50 })).map(runOf);
    expect(people.map((one) => one.open)).toEqual(people.map(() => 0));
    const [record] = await records();
    if (record === undefined) throw new Error('no record');
    expect(replayDifferences(record, await lineageOf(record.id))).toEqual([]);
  });

  it('stays once somebody has taken it up, or given it away', async () => {
    rows.set('c1', { ...rows.get('c1'), stage: 'contacted' });
    await shows(b.lane, { id: 'c1', value: rows.get('c1') ?? {} });
    time += 3 * hour;
    await passUnclaimed(hub, a, run);
    expect(await ownerOf()).toBe('sun.li@example.cn');
    expect(await passUnclaimed(hub, a, run)).toBeNull();
  });
});

describe('re-routing', () => {
  const owners = async () =>
    Object.fromEntries(
      (await records()).map(({ fields }) => [fields['mobile']?.value, fields['owner']?.value ?? null]),
    );
  const items = async (plan: string | null) => {
    const all = [];
    for await (const one of itemsOf(hub, plan ?? '')) all.push(one);
    return all;
  };
  const leadOf = (number: number, more: JsonObject = {}): RemoteObject =>
    filed(`f${number}`, { mobile: `1380013800${number}`, email: `p${number}@corp.cn`, ...more });

  beforeEach(async () => {
    await known('department', 'd1', { name: '华东销售部' });
    await known('employee', 'e1', { email: 'sun.li@example.cn', department: '华东销售部' });
    await known('employee', 'e2', { email: 'lead.desk@example.cn' });
    for (let number = 1; number <= 4; number += 1) await shows(a.lane, leadOf(number));
  });

  it('plans who would move, changes nothing until it is approved, and closes its books', async () => {
    expect(new Set(Object.values(await owners()))).toEqual(new Set(['sun.li@example.cn']));
    expect((await makePlan(hub, reroutePlanner(hub, a))).plan).toBeNull();
    await known('employee', 'e1', { email: 'sun.li@example.cn', department: '华东销售部', active: false });
    await known('employee', 'e3', { email: 'zhou.wei@example.cn', department: '华东销售部' });
    const { plan, items: count, looked } = await makePlan(hub, reroutePlanner(hub, a));
    expect([count, looked]).toEqual([4, 4]);
    expect(new Set(Object.values(await owners()))).toEqual(new Set(['sun.li@example.cn']));
    const [first] = await items(plan);
    expect(first).toMatchObject({
      state: 'proposed',
      changes: [{ field: 'owner', before: 'sun.li@example.cn', after: 'zhou.wei@example.cn' }],
    });
    const one = await applyPlan(hub, reroutePlanner(hub, a), plan ?? '', 'boss', first?.item);
    expect(one).toEqual([{ item: first?.item, is: 'applied' }]);
    await applyPlan(hub, reroutePlanner(hub, a), plan ?? '', 'boss');
    await settle();
    expect(new Set(Object.values(await owners()))).toEqual(new Set(['zhou.wei@example.cn']));
    expect([...rows.values()].map((row) => row['owner'])).toEqual(Array(4).fill('zhou.wei@example.cn'));
    await closeRuns(hub);
    const stored = runOf((await store.get('run', { id: plan ?? '' })) ?? {});
    expect([stored.state, stored.read, stored.items.applied, stored.effects.delivered]).toEqual([
      'closed',
      4,
      4,
      4,
    ]);
    for (const record of await records()) {
      const lineage = await lineageOf(record.id);
      expect(replayDifferences(record, lineage)).toEqual([]);
      expect(lineage.map((row) => row.cause)).toContain(`reroute ${plan}, approved by boss`);
    }
  });

  it('leaves what a person gave away, and shows anew what has moved since it was proposed', async () => {
    rows.set('c2', { ...rows.get('c2'), owner: 'lead.desk@example.cn' });
    await shows(b.lane, { id: 'c2', value: rows.get('c2') ?? {} });
    await known('employee', 'e1', { email: 'sun.li@example.cn', department: '华东销售部', active: false });
    await known('employee', 'e3', { email: 'zhou.wei@example.cn', department: '华东销售部' });
    const planner = reroutePlanner(hub, a);
    const { plan, items: count } = await makePlan(hub, planner);
    expect(count).toBe(3);
    // One leaves after all, one is taken over by hand, and for one it is proposed to go elsewhere meanwhile.
    rows.set('c1', { ...rows.get('c1'), owner: 'lead.desk@example.cn' });
    await shows(b.lane, { id: 'c1', value: rows.get('c1') ?? {} });
    await known('department', 'd2', { name: '大客户部' });
    rows.set('c3', { ...rows.get('c3'), team: '大客户部' });
    await shows(b.lane, { id: 'c3', value: rows.get('c3') ?? {} });
    await known('employee', 'e4', { email: 'zhao.lei@example.cn' });
    const outcomes = await applyPlan(hub, planner, plan ?? '', 'boss');
    expect(outcomes.map((one) => one.is)).toEqual(['dropped', 'moved', 'applied']);
    const moved = (await items(plan)).find((one) => one.state === 'proposed');
    expect(moved).toMatchObject({ moved: true, changes: [{ after: 'zhao.lei@example.cn' }] });
    expect((await applyPlan(hub, planner, plan ?? '', 'boss')).map((one) => one.is)).toEqual(['applied']);
    expect(await owners()).toEqual({
      '+8613800138001': 'lead.desk@example.cn',
      '+8613800138002': 'lead.desk@example.cn',
      '+8613800138003': 'zhao.lei@example.cn',
      '+8613800138004': 'zhou.wei@example.cn',
    });
    await settle();
    await closeRuns(hub);
    expect((await store.get('run', { id: plan ?? '' }))?.['state']).toBe('closed');
  });
});
