/** Saved plans over the real engine: what is kept, what still stands, and that nothing is promised that was not approved. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyInto } from '../../src/store/copy.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { ToyObject } from '../../src/simulate/toy.ts';
import { deliver } from '../../src/sync/deliver.ts';
import type { Hub, Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { planOf, type Planned } from '../../src/sync/plan.ts';
import { standingRun } from '../../src/sync/runs.ts';
import {
  byRecord,
  matched,
  promiseSaved,
  sameWrites,
  savePlan,
  settleSaved,
  takeSources,
  waitingItems,
  type SavedRecord,
} from '../../src/sync/saved.ts';
import { poll } from '../../src/sync/sweep.ts';
import { Pair } from './pair.ts';

/** A and B agree; from then on B only plans. */
const agreed = async (count: number): Promise<{ pair: Pair; a: ToyObject[] }> => {
  let isLive = true;
  const pair = new Pair({
    sync: (sync) =>
      sync.name === 'B'
        ? Object.defineProperty({ ...sync }, 'outward', { enumerable: true, get: () => isLive })
        : sync,
  });
  const a = Array.from({ length: count }, (_, n) =>
    pair.file(pair.a, { email: `m${n}@x.cn`, name: `n${n}` }),
  );
  await pair.sync();
  isLive = false;
  return { pair, a };
};

const writingB = (hub: Hub): Hub => ({
  ...hub,
  syncs: new Map([...hub.syncs].map(([name, sync]): [string, Sync] => [name, { ...sync, outward: true }])),
});

/** What would be written to B now: from a copy of the store, which is thrown away. */
const planned = async (pair: Pair): Promise<SavedRecord[]> => {
  const copy = new SqliteStore({ file: ':memory:', immediate: true });
  await copyInto(pair.store as SqliteStore, copy);
  const overlay = writingB({ ...pair.hub, store: copy });
  pair.time += 1000;
  await poll(overlay, 'A/person');
  const run = await standingRun(overlay, 'upkeep', 'plan', new Set());
  pair.time += 100_000;
  while ((await intake(overlay, 'A/person', run)).taken > 0);
  const writes: Planned[] = [];
  const b = overlay.syncs.get('B');
  if (b === undefined) throw new Error('no B');
  for await (const one of planOf(overlay, b, run)) if (!('why' in one)) writes.push(one);
  const records = await byRecord(overlay, writes);
  await copy.close();
  return records;
};

/** As `plan apply` does it, without the command around it. Answers the records that were promised to. */
const apply = async (pair: Pair, plan: string, between: () => void = () => undefined): Promise<string[]> => {
  const items = await waitingItems(pair.hub, plan);
  const now = matched(items, await planned(pair));
  const standing = items.filter((item) => sameWrites(now.get(item)?.writes ?? [], item.writes));
  for (const item of items.filter((one) => !standing.includes(one)))
    await settleSaved(pair.hub, item, now.get(item));
  between();
  pair.time += 100_000;
  const run = await standingRun(pair.hub, 'upkeep', 'plan', new Set());
  await takeSources(pair.hub, standing, run, 'lin');
  const hub = writingB(pair.hub);
  const records: string[] = [];
  for (const item of standing) {
    const record = await promiseSaved(hub, item, run, 'lin');
    if (record !== undefined) records.push(record);
  }
  const b = hub.syncs.get('B');
  if (b === undefined) throw new Error('no B');
  pair.time += 1000;
  await deliver(hub, b, run, 256, new Set(records));
  return records;
};

const names = (pair: Pair): unknown[] =>
  [...pair.b.objects.values()].map(({ value }) => value['name']).toSorted();

const head = { sync: 'A', full: false, base: '' };

it('keeps what was planned and changes nothing else; a second look at what has moved is shown, not made', async () => {
  const { pair, a } = await agreed(3);
  const [one, two] = a as [ToyObject, ToyObject, ToyObject];
  pair.edit(pair.a, one, { name: 'x1' });
  pair.edit(pair.a, two, { name: 'x2' });
  const versions = async (): Promise<unknown> =>
    (await pair.records()).map(({ id, version }) => [id, version]);
  const before = await versions();
  const plan = await savePlan(pair.hub, head, await planned(pair));
  expect(await versions()).toEqual(before);
  expect(names(pair)).toEqual(['n0', 'n1', 'n2']);
  expect((await waitingItems(pair.hub, plan)).map(({ changes }) => changes[0])).toMatchObject([
    { field: 'name', before: 'n0', after: 'x1' },
    { field: 'name', before: 'n1', after: 'x2' },
  ]);
  pair.edit(pair.a, two, { name: 'y2' });
  expect(await apply(pair, plan)).toHaveLength(1);
  expect(names(pair)).toEqual(['n1', 'n2', 'x1']);
  const [left, ...more] = await waitingItems(pair.hub, plan);
  expect(more).toEqual([]);
  expect(left).toMatchObject({ moved: true, changes: [{ field: 'name', after: 'y2' }] });
  expect(await apply(pair, plan)).toHaveLength(1);
  expect(names(pair)).toEqual(['n2', 'x1', 'y2']);
});

it('promises nothing where somebody edits between the second look and the write', async () => {
  const { pair, a } = await agreed(1);
  const [one] = a as [ToyObject];
  pair.edit(pair.a, one, { name: 'x1' });
  const plan = await savePlan(pair.hub, head, await planned(pair));
  expect(await apply(pair, plan, () => pair.edit(pair.a, one, { name: 'late' }))).toEqual([]);
  expect(names(pair)).toEqual(['n0']);
  expect(await pair.store.count('effect', 'state', { state: 'open' })).toBe(0);
  expect(await waitingItems(pair.hub, plan)).toHaveLength(1);
});

it('drops what is not needed any more, and closes with its books in balance', async () => {
  const { pair, a } = await agreed(2);
  const [one, two] = a as [ToyObject, ToyObject];
  pair.edit(pair.a, one, { name: 'x1' });
  pair.edit(pair.a, two, { name: 'x2' });
  const plan = await savePlan(pair.hub, head, await planned(pair));
  pair.edit(pair.a, one, { name: 'n0' });
  expect(await apply(pair, plan)).toHaveLength(1);
  const run = await pair.run(plan);
  expect([run.read, run.open, run.items.applied, run.items.unchanged]).toEqual([2, 0, 1, 1]);
});

it('whatever is edited and approved in whatever order, B is written nothing that no plan had shown', async () => {
  const act = fc.oneof(
    fc.record({ is: fc.constant('edit' as const), which: fc.nat(2), name: fc.constantFrom('p', 'q', 'r') }),
    fc.record({ is: fc.constant('save' as const) }),
    fc.record({ is: fc.constant('apply' as const), late: fc.option(fc.constantFrom('p', 'q')) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 10 }), async (acts) => {
      const { pair, a } = await agreed(3);
      const shown = new Set<string>();
      let plan: string | undefined;
      const note = async (): Promise<void> => {
        for (const { writes } of plan === undefined ? [] : await waitingItems(pair.hub, plan))
          for (const { object, fields } of writes)
            for (const { field, after } of fields) shown.add(`${object} ${field} ${JSON.stringify(after)}`);
      };
      for (const one of acts) {
        if (one.is === 'edit') pair.edit(pair.a, a[one.which] as ToyObject, { name: one.name });
        else if (one.is === 'save') plan = await savePlan(pair.hub, head, await planned(pair));
        else if (plan !== undefined)
          await apply(pair, plan, () => {
            if (one.late !== null) pair.edit(pair.a, a[0] as ToyObject, { name: one.late });
          });
        await note();
        for (const { id, log } of pair.b.objects.values())
          for (const { by, value, call } of (log['name'] ?? []).slice(1))
            if (by === 'gateway') expect([...shown], call).toContain(`${id} name ${JSON.stringify(value)}`);
      }
    }),
    { numRuns: 40 },
  );
}, 60_000);
