/** Copying a whole store into an empty one, all or nothing: the copy is read back before it counts. */
import { createHash } from 'node:crypto';
import { CrosswalkError } from '../errors.ts';
import { keyOf, tables, type Row, type Table, type TableName } from './schema.ts';
import type { Loading, Snapshot, WholeStore } from './store.ts';

/** What a table holds: how many rows, and the SHA-256 of all of them in the order of their keys. */
export interface TableSum {
  readonly rows: number;
  readonly sha256: string;
}
export type Sums = Readonly<Record<string, TableSum>>;

export const tableNames = Object.keys(tables) as TableName[];

/** The columns of a table, in the order of the schema; `seq` first where it has one. */
export const columnNames = (name: TableName): string[] => [
  ...(keyOf(tables[name])[0] === 'seq' ? ['seq'] : []),
  ...Object.keys(tables[name].columns),
];

/** Who works a store belongs to the store, not to what it holds. */
const isOwn = (name: TableName, row: Row): boolean => name === 'setting' && row['name'] === 'gateway';

/** Pages of a table, without what is not copied. */
export async function* pagesOf(
  from: Pick<Snapshot, 'rows'>,
  name: TableName,
): AsyncGenerator<readonly Row[]> {
  for await (const rows of from.rows(name))
    yield name === 'setting' ? rows.filter((row) => !isOwn(name, row)) : rows;
}

/** A row as one line, the same whichever store it comes from. */
export const lineOf = (name: TableName, columns: readonly string[], row: Row): string => {
  const kinds = (tables[name] as Table).columns;
  return JSON.stringify(
    columns.map((column) => {
      const value = row[column] ?? null;
      return kinds[column] === 'blob' && value !== null
        ? Buffer.from(value as Uint8Array).toString('base64')
        : value;
    }),
  );
};

export class Summing {
  rows = 0;
  readonly #hash = createHash('sha256');

  take(line: string): void {
    this.rows += 1;
    this.#hash.update(line).update('\n');
  }

  sum(): TableSum {
    return { rows: this.rows, sha256: this.#hash.digest('hex') };
  }
}

/** What a store holds of these columns (of all, if none are named), table by table. */
export const sumsOf = async (
  from: Pick<Snapshot, 'rows'>,
  columns: Readonly<Record<string, readonly string[]>> = {},
): Promise<Sums> => {
  const sums: Record<string, TableSum> = {};
  for (const name of tableNames) {
    const summing = new Summing();
    const own = columns[name] ?? columnNames(name);
    for await (const rows of pagesOf(from, name))
      for (const row of rows) summing.take(lineOf(name, own, row));
    sums[name] = summing.sum();
  }
  return sums;
};

/** Tables whose counts or hashes differ. */
export const differing = (a: Sums, b: Sums): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (name) => a[name]?.rows !== b[name]?.rows || a[name]?.sha256 !== b[name]?.sha256,
  );

/** Loads, reads back, and only then makes it durable. Throws CrosswalkError `store-filled`, `copy-differs`. */
export const loadVerified = async (
  to: WholeStore,
  fill: (loading: Loading) => Promise<{
    readonly sums: Sums;
    readonly sequences: Readonly<Record<string, number>>;
    readonly columns?: Readonly<Record<string, readonly string[]>>;
  }>,
): Promise<Sums> => {
  const loading = await to.load();
  try {
    const { sums, sequences, columns } = await fill(loading);
    const [wrong] = differing(sums, await sumsOf(loading, columns));
    if (wrong !== undefined) throw new CrosswalkError('copy-differs', { table: wrong, store: to.place });
    await loading.commit(sequences);
    return sums;
  } catch (error) {
    await loading.abandon();
    throw error;
  }
};

/** Everything that `from` holds at this moment, into the empty store `to`; what was copied. */
export const copyInto = async (from: WholeStore, to: WholeStore): Promise<Sums> => {
  const snapshot = await from.snapshot();
  try {
    return await loadVerified(to, async (loading) => {
      const sums: Record<string, TableSum> = {};
      for (const name of tableNames) {
        const summing = new Summing();
        const columns = columnNames(name);
        for await (const rows of pagesOf(snapshot, name)) {
          for (const row of rows) summing.take(lineOf(name, columns, row));
          await loading.write(name, rows);
        }
        sums[name] = summing.sum();
      }
      return { sums, sequences: await snapshot.sequences() };
    });
  } finally {
    await snapshot.close();
  }
};
