/** What a dead process left without an answer, found while other lanes go on committing. */
import { afterEach, expect, it } from 'vitest';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { deliver } from '../../src/sync/deliver.ts';
import { intake } from '../../src/sync/intake.ts';
import { recover } from '../../src/sync/unsettled.ts';
import { Pair } from './pair.ts';

const inner = new SqliteStore({ file: ':memory:', immediate: true });
afterEach(() => inner.close());

it('leaves no call behind, though its effect moves in between: it would be sent once more', async () => {
  const state = { dies: true, moves: 0 };
  const store: Store = {
    commit: async (groups) => {
      if (state.moves > 0) {
        state.moves -= 1;
        const [effect] = await inner.list('effect', 'due', { where: { sync: 'B' }, limit: 1 });
        const key = { sync: 'B', record: String(effect?.['record']), object: String(effect?.['object']) };
        await inner.commit([{ when: [], write: [{ op: 'add', table: 'effect', key, row: { rev: 1 } }] }]);
      }
      return inner.commit(groups);
    },
    get: (table, key) => inner.get(table, key),
    many: (table, keys) => inner.many(table, keys),
    list: (table, index, options) => inner.list(table, index, options),
    count: (table, index, where) => inner.count(table, index, where),
    close: async () => undefined,
  };
  const pair = new Pair({
    store,
    sync: (sync) => {
      const { create } = sync.kind;
      if (sync.name !== 'B' || create === undefined) return sync;
      const send: typeof create.send = async (...call) => {
        const results = await create.send(...call);
        if (state.dies) throw new Error('the process dies here');
        return results;
      };
      return { ...sync, kind: { ...sync.kind, create: { ...create, send } } };
    },
    b: { find: { lag: 0 } },
  });
  const sync = pair.hub.syncs.get('B');
  if (sync === undefined) throw new Error('there is no sync B');
  pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn' });
  await pair.read(pair.a);
  await pair.read(pair.b);
  while ((await intake(pair.hub, 'A/person', 'r')).taken > 0);
  await expect(deliver(pair.hub, sync, 'r')).rejects.toThrow('dies');
  state.dies = false;
  expect(pair.b.objects.size).toBe(1);

  state.moves = 3;
  expect(await recover(pair.hub, 'r', 'B')).toBe(1);
  expect(await inner.count('call', 'state', { state: 'sent' })).toBe(0);
  const [effect] = await inner.list('effect', 'due', { where: { sync: 'B' }, limit: 9 });
  expect(effect).toMatchObject({ state: 'unsettled' });
  for (let i = 0; i < 20; i += 1) {
    pair.time += 60_000;
    await deliver(pair.hub, sync, 'r');
    await pair.read(pair.b);
    await intake(pair.hub, 'B/person', 'r');
  }
  expect(pair.b.objects.size).toBe(1);
});
