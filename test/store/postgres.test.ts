import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quoted } from '../../src/store/migrations.ts';
import { PostgresStore } from '../../src/store/postgres.ts';
import { tables } from '../../src/store/schema.ts';
import type { Group } from '../../src/store/store.ts';
import { lacksPostgres, Postgres } from '../postgres.ts';
import { storeContract } from './contract.ts';

describe.skipIf(lacksPostgres)('PostgreSQL', () => {
  let server: Postgres;
  let url = '';
  beforeAll(async () => {
    server = await Postgres.start(['fsync=off']);
    url = await server.database();
    await (await PostgresStore.open({ url })).close();
  });
  afterAll(() => server.end());

  const clear = async (): Promise<void> => {
    const names = Object.keys(tables).map((name) => `DELETE FROM crosswalk.${quoted(name)}`);
    await server.query('test1', names.join(';'));
  };
  const empty = async (): Promise<PostgresStore> => {
    await clear();
    return PostgresStore.open({ url });
  };

  describe('one store, emptied', () => {
    let one: PostgresStore;
    beforeAll(async () => {
      one = await PostgresStore.open({ url });
    });
    afterAll(() => one.close());
    storeContract('PostgreSQL', async () => {
      await clear();
      return {
        commit: (groups) => one.commit(groups),
        get: (table, key) => one.get(table, key),
        many: (table, keys) => one.many(table, keys),
        list: (table, index, options) => one.list(table, index, options),
        count: (table, index, where) => one.count(table, index, where),
        close: async () => undefined,
      };
    });
  });

  const row = (lane: string): Group => ({ when: [], write: [{ op: 'put', table: 'cursor', row: { lane } }] });
  const transactions = async (): Promise<number> =>
    Number((await server.query('test1', 'SELECT pg_current_xact_id()::text AS n'))[0]?.['n']);

  it('puts what is handed in while a transaction is under way into the next one', async () => {
    const store = await empty();
    await store.commit([row('first')]);
    const before = await transactions();
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, i) => store.commit([row(`a${i}`), row(`b${i}`)])),
    );
    expect(outcomes.flat().every(Boolean)).toBe(true);
    expect((await transactions()) - before).toBeLessThanOrEqual(3);
    await store.close();
  });

  it('fails only the commit that cannot be written, of those that go together', async () => {
    const store = await empty();
    // Too long for any index there.
    const long = Array.from({ length: 4000 }, () =>
      String.fromCharCode(0x4e00 + Math.floor(Math.random() * 20_000)),
    ).join('');
    const impossible: Group = { when: [], write: [{ op: 'put', table: 'cursor', row: { lane: long } }] };
    const outcomes = await Promise.allSettled([
      store.commit([row('a')]),
      store.commit([impossible]),
      store.commit([row('b')]),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await store.many('cursor', [{ lane: 'a' }, { lane: 'b' }])).toMatchObject([
      { lane: 'a' },
      { lane: 'b' },
    ]);
    await store.close();
  });

  it('lets one of many processes win, and none wait in a circle', async () => {
    const stores = await Promise.all([empty(), empty(), empty(), empty()]);
    const won = new Map<string, number>();
    const sum = { id: 'sum', kind: 'poll', state: 'open', at: 1, read: 0, open: 0 };
    await stores[0]?.commit([{ when: [], write: [{ op: 'put', table: 'run', row: sum }] }]);
    await Promise.all(
      stores.map(async (store, n) => {
        for (let turn = 0; turn < 40; turn += 1) {
          // Each in its own order.
          const ids = Array.from({ length: 12 }, (_, i) => `${turn}.${n % 2 === 0 ? i : 11 - i}`);
          const groups = ids.map((id): Group => ({
            when: [{ table: 'record', key: { id }, is: null }],
            write: [
              { op: 'put', table: 'record', row: { id, entity: `by${n}`, version: 1, at: 1, fields: {} } },
              { op: 'add', table: 'run', key: { id: 'sum' }, row: { read: 1 } },
            ],
          }));
          const outcomes = await store.commit(groups);
          ids.forEach((id, i) => outcomes[i] === true && won.set(id, (won.get(id) ?? 0) + 1));
        }
      }),
    );
    expect(won.size).toBe(40 * 12);
    expect([...won.values()].every((times) => times === 1)).toBe(true);
    expect((await stores[0]?.get('run', { id: 'sum' }))?.['read']).toBe(40 * 12);
    const [deadlocks] = await server.query(
      'test1',
      "SELECT deadlocks FROM pg_stat_database WHERE datname = 'test1'",
    );
    expect(Number(deadlocks?.['deadlocks'])).toBe(0);
    await Promise.all(stores.map((store) => store.close()));
  });

  it('takes the whole store where a commit names more rows than there are locks', async () => {
    const [one, other] = await Promise.all([empty(), empty()]);
    const many = (from: number): Group[] => Array.from({ length: 6000 }, (_, i) => row(`l${from + i}`));
    const outcomes = await Promise.all([
      one.commit(many(0)),
      other.commit(many(3000)),
      other.commit([row('x')]),
    ]);
    expect(outcomes.flat().every(Boolean)).toBe(true);
    await Promise.all([one.close(), other.close()]);
  });

  it.each(['transition', 'lineage'] as const)(
    'numbers rows of %s in the order in which they can be seen',
    async (table) => {
      const stores = await Promise.all([empty(), empty(), empty()]);
      const [index, where] = table === 'lineage' ? ['seq', {}] : ['entity', { entity: 'e' }];
      const line = (record: string): Group => ({
        when: [],
        write: [
          {
            op: 'append',
            table,
            row:
              table === 'lineage'
                ? { record, at: 1, run: 'r', body: {} }
                : { record, entity: 'e', field: 'f', before: 1, after: 2, at: 1, by: 'x', how: 'look' },
          },
        ],
      });
      const state = { writing: true };
      const seen: number[] = [];
      const reader = (async (): Promise<void> => {
        while (state.writing) {
          const after = seen.at(-1) ?? 0;
          const rows = await stores[0]?.list(table, index, { where, after, limit: 1000 });
          seen.push(...(rows ?? []).map((one) => Number(one['seq'])));
        }
      })();
      await Promise.all(
        stores.map(async (store) => {
          for (let i = 0; i < 60; i += 1) await store.commit([line(`r${i}`)]);
        }),
      );
      state.writing = false;
      await reader;
      const all = await stores[0]?.list(table, index, { where, limit: 1000 });
      const rest = (all ?? []).map((one) => Number(one['seq'])).filter((seq) => seq > (seen.at(-1) ?? 0));
      expect([...seen, ...rest]).toEqual((all ?? []).map((one) => Number(one['seq'])));
      expect(all).toHaveLength(180);
      await Promise.all(stores.map((store) => store.close()));
    },
  );

  it('lets nobody write who has lost the store', async () => {
    const store = await empty();
    const key = { name: 'gateway' };
    const lease = (by: string): Group => ({
      when: [],
      write: [{ op: 'put', table: 'setting', row: { ...key, value: {}, at: 1, by } }],
    });
    await store.commit([lease('me')]);
    store.fence({ table: 'setting', key, is: { by: 'me' } });
    expect(await store.commit([row('mine')])).toEqual([true]);
    const other = await PostgresStore.open({ url });
    await other.commit([lease('you')]);
    await expect(store.commit([row('late')])).rejects.toMatchObject({ code: 'store-lost' });
    expect(await other.get('cursor', { lane: 'late' })).toBeUndefined();
    await Promise.all([store.close(), other.close()]);
  });

  it('is not made by who only asks, and says where it would be', async () => {
    const opened = PostgresStore.open({ url, schema: 'elsewhere', mustExist: true });
    await expect(opened).rejects.toMatchObject({ code: 'store-missing' });
    await expect(opened).rejects.toThrow('schema elsewhere');
  });
});
