/** What goes on after somebody has looked, and after a remote has lost our place. */
import { expect, it } from 'vitest';
import type { Budget } from '../../src/merge/policy.ts';
import type { Store } from '../../src/store/store.ts';
import { Draft, commit } from '../../src/sync/draft.ts';
import { catchUp } from '../../src/sync/catch-up.ts';
import { intake } from '../../src/sync/intake.ts';
import { deliver } from '../../src/sync/deliver.ts';
import { grantOpen } from '../../src/sync/budget.ts';
import type { Hub } from '../../src/sync/hub.ts';
import { forgive, spend, spent } from '../../src/sync/quota.ts';
import { closeRuns, standingRun } from '../../src/sync/runs.ts';
import { poll, sweep } from '../../src/sync/sweep.ts';
import { Pair } from './pair.ts';

const budget: Budget = { creates: [{ text: '2/day', per: 'day', most: 2 }], updates: [], removes: [] };

it('lets what waits go on each time that somebody allows it above the budget', async () => {
  const pair = new Pair({ sync: (sync) => (sync.name === 'B' ? { ...sync, budget } : sync) });
  const b = pair.hub.syncs.get('B');
  if (b === undefined) throw new Error('no B');
  const over = async (): Promise<string | undefined> => {
    pair.time += 100_000;
    return (await deliver(pair.hub, b, await standingRun(pair.hub, 'upkeep', 'test', new Set()))).over;
  };
  await pair.sync();
  for (let round = 1; round <= 3; round += 1) {
    for (let n = 0; n < 5; n += 1) pair.file(pair.a, { email: `m${round}-${n}@x.cn` });
    await pair.read(pair.a);
    await pair.takeIn();
    expect(pair.b.objects.size, `round ${round}`).toBe((round - 1) * 5);
    expect(await over(), `round ${round}`).toContain('the budget is 2/day');
    const { creates } = await grantOpen(pair.hub, 'B', false, 'test');
    expect(creates, `round ${round}`).toBe(5);
    await pair.takeIn();
    expect(pair.b.objects.size, `round ${round}`).toBe(round * 5);
  }
  // A day later nothing of that is left: neither what was used nor what was allowed.
  pair.time += 25 * 3_600_000;
  for (let n = 0; n < 3; n += 1) pair.file(pair.a, { email: `later-${n}@x.cn` });
  await pair.read(pair.a);
  await pair.takeIn();
  expect(pair.b.objects.size).toBe(15);
  expect(await over()).toContain('3 creates are wanted, 0 were made');
});

it('lets what waits go on each time where the budget is by the run', async () => {
  const perRun: Budget = { creates: [], updates: [{ text: '2/run', per: 'run', most: 2 }], removes: [] };
  const pair = new Pair({ sync: (sync) => (sync.name === 'B' ? { ...sync, budget: perRun } : sync) });
  const b = pair.hub.syncs.get('B');
  if (b === undefined) throw new Error('no B');
  const files = Array.from({ length: 5 }, (_, n) => pair.file(pair.a, { email: `m${n}@x.cn` }));
  await pair.sync();
  const run = await standingRun(pair.hub, 'upkeep', 'A/person', new Set());
  const deliverNow = async (): Promise<string | undefined> => {
    pair.time += 100_000;
    return (await deliver(pair.hub, b, await standingRun(pair.hub, 'upkeep', 'test', new Set()))).over;
  };
  for (let round = 1; round <= 3; round += 1) {
    // One run opens all that is to be written.
    for (const file of files) {
      pair.edit(pair.a, file, { note: `round ${round}` });
      await pair.hear(pair.a, file);
    }
    pair.time += 1000;
    await intake(pair.hub, 'A/person', run);
    expect(await deliverNow(), `round ${round}`).toContain('the budget is 2/run');
    await grantOpen(pair.hub, 'B', false, 'test');
    await pair.takeIn();
    expect(await deliverNow(), `round ${round}`).toBeUndefined();
    expect([...pair.b.objects.values()].every(({ value }) => value['note'] === `round ${round}`)).toBe(true);
  }
});

/** A process that dies when it wants to make one more commit than so many. */
const dyingAfter = (most: number, hub: Hub): Hub => {
  let commits = 0;
  const { store } = hub;
  const commit: Store['commit'] = async (groups) => {
    commits += 1;
    if (commits > most) throw new Error('dead');
    return store.commit(groups);
  };
  return {
    ...hub,
    store: {
      commit,
      get: (table, key) => store.get(table, key),
      many: (table, keys) => store.many(table, keys),
      list: (table, index, options) => store.list(table, index, options),
      count: (table, index, where) => store.count(table, index, where),
      close: () => store.close(),
    },
  };
};

it.each([
  ['poll', poll],
  ['sweep', sweep],
])('leaves no run open, wherever a %s died', async (_, read) => {
  for (let most = 0, died = true; died; most += 1) {
    died = false;
    const pair = new Pair();
    await pair.sync();
    for (let n = 0; n < 6; n += 1) pair.file(pair.a, { email: `m${n}@x.cn` });
    pair.time += 1000;
    await read(dyingAfter(most, pair.hub), 'A/person').catch(() => (died = true));
    await read(pair.hub, 'A/person');
    await pair.work();
    pair.time += 7_200_000;
    await closeRuns(pair.hub);
    const open = await pair.store.list('run', 'state', { where: { state: 'open' }, limit: 10 });
    expect(
      open.map(({ id, ended }) => ({ id, ended })),
      `dead after ${most} commits`,
    ).toEqual([]);
    expect(pair.b.objects.size).toBe(6);
  }
});

it('leaves no run open, wherever a catching up died', async () => {
  for (let most = 0, died = true; died; most += 1) {
    died = false;
    const pair = new Pair();
    const b = pair.hub.syncs.get('B');
    if (b === undefined) throw new Error('no B');
    for (let n = 0; n < 3; n += 1) pair.file(pair.a, { email: `m${n}@x.cn` });
    await pair.read(pair.a);
    const run = await standingRun(pair.hub, 'upkeep', 'test', new Set());
    const planning = { ...pair.hub, syncs: new Map([...pair.hub.syncs, ['B', { ...b, outward: false }]]) };
    await intake(planning, 'A/person', run);
    await catchUp(dyingAfter(most, pair.hub), b).catch(() => (died = true));
    while (await catchUp(pair.hub, b));
    await pair.sync();
    pair.time += 7_200_000;
    await closeRuns(pair.hub);
    const open = await pair.store.list('run', 'state', { where: { state: 'open' }, limit: 10 });
    expect(
      open.map(({ id }) => id),
      `dead after ${most} commits`,
    ).toEqual([]);
    expect(pair.b.objects.size).toBe(3);
  }
});

it('counts on when a count was forgotten', async () => {
  const pair = new Pair();
  const count = async (n: number): Promise<number> => {
    const draft = new Draft(pair.hub, 'test');
    await spend(draft, 'ids:A', n);
    await commit(draft);
    return spent(pair.hub, 'ids:A');
  };
  expect(await count(3)).toBe(3);
  // Another process forgets, over the same store: this one does not hear of it.
  await forgive({ store: dyingAfter(1, pair.hub).store }, 'ids:A');
  expect(await spent(pair.hub, 'ids:A')).toBe(0);
  expect(await count(2)).toBe(2);
});
