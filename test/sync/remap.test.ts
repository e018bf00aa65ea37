/** A changed mapping moves nothing by itself: what it reads otherwise is held, shown as a plan, and made once approved. */
import { expect, it } from 'vitest';
import type { JsonObject, Kind } from '../../src/connector.ts';
import { compile } from '../../src/mapping/compile.ts';
import { readMapping } from '../../src/mapping/document.ts';
import type { Lens } from '../../src/mapping/lens.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { deliver } from '../../src/sync/deliver.ts';
import { recordOf, type Hub, type Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { applyPlan, itemsOf, makePlan } from '../../src/sync/planned.ts';
import { remapPlanner } from '../../src/sync/remap.ts';
import { standingRun } from '../../src/sync/runs.ts';
import { entityOf } from '../mapping/sample.ts';
import { writer } from '../merge/sample.ts';

const contact = entityOf('contact');

const lensOf = (connector: string, table: JsonObject): Lens => {
  const [[there = '', here = '']] = Object.entries(table) as [[string, string]];
  return compile(
    readMapping(
      JSON.stringify({
        name: `${connector}-contact`,
        remote: { connector, kind: 'contact' },
        entity: 'contact',
        fields: { name: { at: '/name' }, stage: { at: '/level', steps: [{ table }], otherwise: 'park' } },
        examples: [
          { remote: { name: 'Ann', level: there }, entity: { name: 'Ann', stage: here } },
          ...Object.entries(table).map(([level, stage]) => ({ remote: { level }, entity: { stage } })),
        ],
      }),
      'x.json',
    ),
    {
      ...contact,
      // Only the stages that these tables speak of.
      ...entityWith(['lead', 'qualified', 'opportunity']),
    },
    null,
  );
};

const entityWith = (stages: readonly string[]) => {
  const schema = structuredClone(contact.schema);
  (schema['properties'] as Record<string, JsonObject>)['stage'] = {
    type: 'string',
    enum: [...stages],
    history: 'every',
  };
  const fields = new Map(contact.fields);
  fields.set('stage', (schema['properties'] as Record<string, JsonObject>)['stage'] ?? {});
  return { schema, fields };
};

const remote = (rows: Map<string, JsonObject>): Kind => {
  const update: Kind['update'] = {
    most: 10,
    atomic: false,
    keyed: true,
    send: async (items) =>
      items.map(({ id, value }) => {
        rows.set(id, { ...rows.get(id), ...value });
        return { is: 'done' as const, id };
      }),
  };
  return {
    schema: {},
    read: async (ids) =>
      new Map(
        ids.map((id) => {
          const value = rows.get(id);
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
          const id = `c${rows.size + 1}`;
          rows.set(id, value);
          return { is: 'done' as const, id };
        }),
    },
    update,
  };
};

it('holds what a changed mapping reads otherwise, and makes it in both directions once it is approved', async () => {
  const store = new SqliteStore({ file: ':memory:', immediate: true });
  const shop = new Map<string, JsonObject>();
  const crm = new Map<string, JsonObject>();
  const syncOf = (connection: string, rows: Map<string, JsonObject>, lens: Lens): Sync => ({
    name: connection,
    connection,
    lane: `${connection}/contact`,
    kindName: 'contact',
    kind: remote(rows),
    entity: 'contact',
    lens,
    rules: () => writer,
    inward: true,
    outward: true,
    create: connection === 'crm',
    required: [],
  });
  const crmLens = lensOf('crm', { lead: 'lead', qualified: 'qualified', opportunity: 'opportunity' });
  const before = lensOf('shop', { hot: 'opportunity', cold: 'lead', warm: 'qualified' });
  const after = lensOf('shop', { hot: 'qualified', cold: 'opportunity', icy: 'lead' });
  let time = 1_000_000;
  let ids = 0;
  const hub: Hub = {
    store,
    syncs: new Map([
      ['shop', syncOf('shop', shop, before)],
      ['crm', syncOf('crm', crm, crmLens)],
    ]),
    entities: new Map([['contact', { name: 'contact', keys: [] }]]),
    now: () => (time += 1),
    newId: (prefix) => `${prefix}${(ids += 1)}`,
    random: () => 0.5,
    nudge: () => undefined,
    alarm: (subject, text) => expect.fail(`${subject}: ${text}`),
  };
  const run = await standingRun(hub, 'upkeep', 'test', new Set());
  const settle = async (): Promise<void> => {
    for (let pass = 0; pass < 6; pass += 1) {
      for (const sync of hub.syncs.values()) {
        await intake(hub, sync.lane, run);
        await deliver(hub, sync, run);
      }
      time += 2000;
    }
  };
  const touch = async (lane: string, ...objects: string[]): Promise<void> => {
    const at = hub.now();
    const hint = { cause: 'hook h1', uncounted: true };
    const write = objects.map((object) => ({
      op: 'append' as const,
      table: 'touch' as const,
      row: { lane, object, due: at, at, run, hint },
    }));
    await store.commit([{ when: [], write }]);
    await settle();
  };
  const levels = () => [...shop.values()].map((row) => row['level']);
  const stages = () => [...crm.values()].map((row) => row['level']);
  shop.set('1', { name: 'Ann', level: 'hot' });
  shop.set('2', { name: 'Bob', level: 'hot' });
  shop.set('3', { name: 'Cai', level: 'hot' });
  await touch('shop/contact', '1', '2', '3');
  // The CRM decides Bob's stage: it is written to the shop as the mapping writes it then.
  crm.set('c2', { ...crm.get('c2'), level: 'lead' });
  await touch('crm/contact', 'c2');
  expect([levels(), stages()]).toEqual([
    ['hot', 'cold', 'hot'],
    ['opportunity', 'lead', 'opportunity'],
  ]);
  // The mapping changes, and everything is looked at again: nothing moves, either way.
  (hub.syncs as Map<string, Sync>).set('shop', syncOf('shop', shop, after));
  await touch('shop/contact', '1', '2', '3');
  await touch('crm/contact', 'c1', 'c2', 'c3');
  expect([levels(), stages()]).toEqual([
    ['hot', 'cold', 'hot'],
    ['opportunity', 'lead', 'opportunity'],
  ]);
  const held = await store.list('conflict', 'open', { where: { open: 0 }, limit: 10 });
  expect(held.map((row) => row['why'])).toEqual(['remapped', 'remapped', 'remapped']);
  // Somebody changes Cai there afterwards: that is an edit, and is taken.
  shop.set('3', { name: 'Cai', level: 'cold' });
  await touch('shop/contact', '3');
  expect(stages()[2]).toBe('opportunity');
  shop.set('3', { name: 'Cai', level: 'icy' });
  await touch('shop/contact', '3');
  expect(stages()[2]).toBe('lead');
  const shopSync = hub.syncs.get('shop');
  if (shopSync === undefined) throw new Error('no sync');
  const { plan, items } = await makePlan(hub, remapPlanner(hub, shopSync));
  expect(items).toBe(2);
  const shown = [];
  for await (const one of itemsOf(hub, plan ?? '')) shown.push(one.changes[0]);
  expect(shown).toMatchObject([
    { field: 'stage', before: 'opportunity', after: 'qualified', why: 'as shop/contact 1 reads now' },
    {
      field: 'stage',
      before: 'opportunity',
      after: 'lead',
      why: expect.stringContaining('written to shop/contact 2'),
    },
  ]);
  const outcomes = await applyPlan(hub, remapPlanner(hub, shopSync), plan ?? '', 'Lin');
  expect(outcomes.map((one) => one.is)).toEqual(['applied', 'applied']);
  await settle();
  expect([levels(), stages()]).toEqual([
    ['hot', 'icy', 'icy'],
    ['qualified', 'lead', 'lead'],
  ]);
  expect(await store.count('conflict', 'open', { open: 0 })).toBe(0);
  expect((await makePlan(hub, remapPlanner(hub, shopSync))).plan).toBeNull();
  for (const row of await store.list('record', 'entity', { where: { entity: 'contact' }, limit: 10 })) {
    const where = { record: String(row['id']) };
    const lineage = (await store.list('lineage', 'record', { where, limit: 100 })).map(
      (each) => each['body'] as LineageRow,
    );
    expect(replayDifferences(recordOf(row), lineage)).toEqual([]);
  }
  await store.close();
});
