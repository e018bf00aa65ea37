/**
 * `npm run bench -- commit [--rounds R]`: groups that each store makes durable in a second, by how many commits are
 * under way at once. A group is what one hook comes to: a raw body, a touch, two counters.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { PostgresStore } from '../../src/store/postgres.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Group, Store } from '../../src/store/store.ts';
import { lacksPostgres, Postgres } from '../postgres.ts';

const { values } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: { rounds: { type: 'string', default: '3' } },
});
const rounds = Number(values['rounds']);
const body = Buffer.alloc(800, 'x');
let made = 0;
const group = (): Group => {
  const id = `h${(made += 1)}`;
  return {
    when: [],
    write: [
      { op: 'put', table: 'hook', row: { id, connection: 'c', at: made, url: '/', headers: {}, body } },
      {
        op: 'append',
        table: 'touch',
        row: { lane: 'c/k', object: id, due: made, at: made, run: 'r', hint: { cause: `hook ${id}` } },
      },
      { op: 'add', table: 'run', key: { id: 'r' }, row: { read: 1, open: 1 } },
    ],
  };
};

/** Groups a second with so many commits under way, for two seconds. */
const rate = async (store: Store, width: number): Promise<number> => {
  const end = performance.now() + 2000;
  const began = performance.now();
  let done = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      await store.commit([group()]);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return (done * 1000) / (performance.now() - began);
};

const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-bench-'));
const server = lacksPostgres ? undefined : await Postgres.start();
const stores: [string, Store][] = [['SQLite', new SqliteStore({ file: path.join(folder, 'bench.db') })]];
if (server !== undefined)
  stores.push(['PostgreSQL', await PostgresStore.open({ url: await server.database() })]);
const run = { id: 'r', kind: 'hooks', state: 'open', at: 1, read: 0, open: 0 };
for (const [, store] of stores)
  await store.commit([{ when: [], write: [{ op: 'put', table: 'run', row: run }] }]);
const widths = [1, 10, 100, 400];
const found = new Map<string, number[]>();
for (let round = 0; round < rounds; round += 1)
  for (const width of widths)
    for (const [name, store] of stores) {
      const key = `${name} ${width}`;
      found.set(key, [...(found.get(key) ?? []), await rate(store, width)]);
    }
process.stdout.write(`commit: groups of a hook a second, medians of ${rounds} rounds of 2 s\n`);
for (const width of widths) {
  const cells = stores.map(([name]) => `${name} ${median(found.get(`${name} ${width}`) ?? []).toFixed(0)}`);
  const [one = 1, other = 0] = stores.map(([name]) => median(found.get(`${name} ${width}`) ?? []));
  process.stdout.write(
    `${String(width).padStart(4)} under way: ${cells.join(', ')} (${(other / one).toFixed(2)} x)\n`,
  );
}
for (const [, store] of stores) await store.close();
await server?.end();
rmSync(folder, { recursive: true, force: true });
