/** The store goes away between a write and its answer: the lane goes on by itself when it is back, and nothing is doubled. */
import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import type { SyncConfig } from '../../src/config.ts';
import { CrosswalkError } from '../../src/errors.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { Lanes } from '../../src/sync/lanes.ts';
import { readSwitches } from '../../src/sync/switches.ts';
import { Pair } from './pair.ts';

const inner = new SqliteStore({ file: ':memory:', immediate: true });
afterEach(() => inner.close());

it('settles what it could not write down, with one alarm, without a restart', async () => {
  const state = { away: false, armed: false };
  const away = (): CrosswalkError => new CrosswalkError('store-away', { store: 'x', detail: 'refused' });
  const guarded =
    <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      if (state.away) throw away();
      return work(...args);
    };
  const store: Store = {
    commit: guarded((groups) => inner.commit(groups)),
    get: guarded((table, key) => inner.get(table, key)),
    many: guarded((table, keys) => inner.many(table, keys)),
    list: guarded((table, index, options) => inner.list(table, index, options)),
    count: guarded((table, index, where) => inner.count(table, index, where)),
    close: async () => undefined,
  };
  const pair = new Pair({
    store,
    sync: (sync) => {
      const { create } = sync.kind;
      if (sync.name !== 'B' || create === undefined) return sync;
      const send: typeof create.send = async (...call) => {
        const results = await create.send(...call);
        // It is done there, and from here on nothing can be written down.
        if (state.armed) state.away = true;
        state.armed = false;
        return results;
      };
      return { ...sync, kind: { ...sync.kind, create: { ...create, send } } };
    },
    b: { find: { lag: 0 } },
  });
  const alarms: string[] = [];
  const cleared: string[] = [];
  const hub = {
    ...pair.hub,
    alarm: (subject: string) => void alarms.push(subject),
    clear: (subject: string) => void cleared.push(subject),
  };
  const syncs = ['A', 'B'].map((name) => ({ name, connection: name, kind: 'person' }) as SyncConfig);
  const lanes = new Lanes({
    hub,
    connections: new Map(),
    notices: [],
    syncs,
    switches: await readSwitches(store),
    keep: { hooks: 1e12, lineage: null },
    idChanges: 0,
    log: pino({ level: 'silent' }),
  });
  pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn' });
  await pair.read(pair.a);
  await pair.read(pair.b);
  while ((await lanes.work('in:A/person')) === 0);
  state.armed = true;
  const wait = await lanes.work('out:B');
  expect(state.away).toBe(true);
  expect(wait).toBeLessThanOrEqual(10_000);
  expect(pair.b.objects.size).toBe(1);
  expect(alarms).toEqual(['store']);
  pair.time += 20_000;
  await lanes.work('out:B');
  await lanes.work('in:A/person');
  expect(alarms).toEqual(['store']);
  state.away = false;
  for (let i = 0; i < 60; i += 1) {
    pair.time += 60_000;
    await lanes.work('in:A/person');
    await lanes.work('in:B/person');
    await lanes.work('out:B');
  }
  expect(cleared).toContain('store');
  expect(pair.b.objects.size).toBe(1);
  expect(await inner.count('call', 'state', {})).toBe(0);
  expect(await inner.count('effect', 'state', {})).toBe(0);
  const links = await inner.list('link', 'sync', { where: { sync: 'B' }, limit: 9 });
  expect(links.map((row) => row['state'])).toEqual(['live']);
});
