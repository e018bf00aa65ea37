/**
 * Port to durable state. An adapter implements five methods over the tables of `schema.ts`; the engine
 * above it knows nothing of SQL.
 *
 * A transaction is a list of values: `commit(groups)`, never a callback held open across an await. A
 * group is one record's changes with its conditions. Groups share a transaction; a group whose condition
 * fails is left out whole and reported stale, the others stand. Groups are applied in order, so a later
 * group's conditions see an earlier group's rows. `commit` resolves only when the rows are durable.
 */
import type { Key, Row, TableName } from './schema.ts';

export interface Condition {
  readonly table: TableName;
  readonly key: Key;
  /** Columns that must hold these values; `null` means that the row must be absent. */
  readonly is: Row | null;
}

export type Operation =
  /** Writes the whole row, replacing one with the same key. */
  | { readonly op: 'put'; readonly table: TableName; readonly row: Row }
  /** Adds a row to a table with an automatic `seq`. */
  | { readonly op: 'append'; readonly table: TableName; readonly row: Row }
  /** Sets some columns of an existing row; nothing happens if it is absent. */
  | { readonly op: 'set'; readonly table: TableName; readonly key: Key; readonly row: Row }
  /** Adds to numeric columns of an existing row. */
  | {
      readonly op: 'add';
      readonly table: TableName;
      readonly key: Key;
      readonly row: Readonly<Record<string, number>>;
    }
  | { readonly op: 'delete'; readonly table: TableName; readonly key: Key };

export interface Group {
  readonly when: readonly Condition[];
  readonly write: readonly Operation[];
}

export interface ListOptions {
  /** Equality on columns of one declared index, in its order. */
  readonly where: Row;
  /** Upper bound (inclusive) of the index's next column after those in `where`. */
  readonly upTo?: number | string;
  /** Rows after this value of the table's first key column (for paging in key order). */
  readonly after?: string | number;
  readonly limit: number;
  /** Descending instead of ascending order. */
  readonly newest?: boolean;
}

export interface Store {
  /** One answer per group: true if it was committed, false if a condition failed. */
  commit(groups: readonly Group[]): Promise<boolean[]>;
  get(table: TableName, key: Key): Promise<Row | undefined>;
  /** Rows in the order of the keys; undefined where there is none. */
  many(table: TableName, keys: readonly Key[]): Promise<(Row | undefined)[]>;
  /** Rows of one index, in its order. */
  list(table: TableName, index: string, options: ListOptions): Promise<Row[]>;
  /** `most`: counting ends there. */
  count(table: TableName, index: string, where: Row, most?: number): Promise<number>;
  close(): Promise<void>;
}

/** A store as a whole: what copies, backups and verification work with, and how it is. */
export interface WholeStore extends Store {
  /** Where it is, without user and password. */
  readonly place: string;
  /** One moment of the whole store, while others work on it. */
  snapshot(): Promise<Snapshot>;
  /** Fills an empty store, all or nothing. Throws CrosswalkError `store-filled` if it holds anything. */
  load(): Promise<Loading>;
  health(): Promise<Health>;
  /**
   * From now on nothing is committed unless the condition holds: who has lost the store cannot write to it,
   * whatever was still under way. Throws CrosswalkError `store-lost` from `commit`. Where it is missing, nobody can
   * be cut off from the store and come back to it.
   */
  fence?(condition: Condition | undefined): void;
}

export interface Snapshot {
  /** All rows, a page at a time, in the order of the key or of an index; `seq` among them. */
  rows(table: TableName, index?: string): AsyncIterable<readonly Row[]>;
  /** The greatest number that each table with a `seq` has given. */
  sequences(): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

export interface Loading extends Omit<Snapshot, 'close'> {
  write(table: TableName, rows: readonly Row[]): Promise<void>;
  /** Makes everything durable; without it nothing was written. */
  commit(sequences: Readonly<Record<string, number>>): Promise<void>;
  abandon(): Promise<void>;
}

export interface Health {
  /** Such as `PostgreSQL 15.4`. */
  readonly engine: string;
  readonly schema: number;
  /** Bytes. */
  readonly size: number;
  readonly faults: readonly { readonly text: string; readonly remedy: string; readonly grave: boolean }[];
}
