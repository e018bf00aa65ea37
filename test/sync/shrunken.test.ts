/** A scan that shows little of what is linked deletes nothing, and says so. */
import { expect, it } from 'vitest';
import type { Kind, RemoteObject } from '../../src/connector.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Hub, Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { runOf, standingRun } from '../../src/sync/runs.ts';
import { sweep } from '../../src/sync/sweep.ts';
import { plain, writer } from '../merge/sample.ts';

const objects = (count: number): RemoteObject[] =>
  Array.from({ length: count }, (_, n) => ({ id: `a${n}`, value: { name: `P ${n}` } }));

it('looks at nobody who is missing from a scan that shows less than half, unless it is asked to', async () => {
  const store = new SqliteStore({ file: ':memory:', immediate: true });
  let there = objects(30);
  const asked: string[] = [];
  const kind: Kind = {
    schema: {},
    scan: async () => ({ objects: there, next: null }),
    read: async (ids) => {
      asked.push(...ids);
      return new Map(ids.map((id) => [id, { is: 'gone' as const }]));
    },
  };
  const sync: Sync = {
    name: 'A',
    connection: 'A',
    lane: 'A/person',
    kindName: 'person',
    kind,
    entity: 'person',
    lens: plain,
    rules: () => writer,
    inward: true,
    outward: false,
    create: false,
    required: [],
  };
  let time = 1_000_000;
  let ids = 0;
  const alarms: string[] = [];
  const cleared: string[] = [];
  const hub: Hub = {
    store,
    syncs: new Map([['A', sync]]),
    entities: new Map([['person', { name: 'person', keys: [] }]]),
    now: () => (time += 10),
    newId: (prefix) => `${prefix}${(ids += 1)}`,
    random: () => 0.5,
    nudge: () => undefined,
    alarm: (subject, text) => alarms.push(`${subject}: ${text}`),
    clear: (subject) => cleared.push(subject),
  };
  const run = await standingRun(hub, 'upkeep', 'test', new Set());
  const scan = async (absent = false): Promise<void> => {
    await sweep(hub, sync.lane, absent);
    for (let pass = 0; pass < 3; pass += 1) await intake(hub, sync.lane, run);
  };
  const gone = async (): Promise<number> =>
    (await store.list('link', 'sync', { where: { sync: 'A' }, limit: 100 })).filter(
      (row) => row['state'] === 'gone',
    ).length;
  await scan();
  expect(await store.count('link', 'sync', { sync: 'A' })).toBe(30);
  there = objects(10);
  await scan();
  expect(alarms).toEqual([
    expect.stringContaining('source A/person: a scan showed 10 of 30 objects that are linked'),
  ]);
  expect([asked.length, await gone()]).toEqual([0, 0]);
  there = [];
  await scan();
  expect(alarms).toHaveLength(2);
  // Half of them is believable: each of the others is looked at, twice, before it counts as gone.
  there = objects(20);
  await scan();
  expect(cleared).toContain('source A/person');
  expect(asked.length).toBe(10);
  expect(await gone()).toBe(0);
  there = objects(5);
  time += 120_000;
  await scan(true);
  time += 120_000;
  await scan(true);
  expect(await gone()).toBe(25);
  const runs = (await store.list('run', 'at', { where: {}, limit: 50 })).map(runOf);
  expect(runs.every((one) => one.open === 0)).toBe(true);
  await store.close();
});
