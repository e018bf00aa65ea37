import Database from 'better-sqlite3';
import { CrosswalkError } from '../errors.ts';
import { checkStated, presentSchema, quoted as q } from './migrations.ts';
import { keyOf, tables, type Column, type Key, type Row, type Table, type TableName } from './schema.ts';
import { migrate, statedIn } from './sqlite-schema.ts';
import { healthOf, loadingOf, snapshotOf } from './sqlite-whole.ts';
import type {
  Condition,
  Group,
  Health,
  ListOptions,
  Loading,
  Operation,
  Snapshot,
  WholeStore,
} from './store.ts';

/**
 * The default store: SQLite through better-sqlite3, WAL, synchronous=FULL.
 *
 * Group commit: all groups handed in during one turn of the event loop share one transaction and one
 * fsync. A 1 ms timer instead of the turn's end was measured and rejected (accept 0.84 of bare express
 * against 0.96). `immediate` commits at once, without a turn: for the simulator, which must be deterministic.
 */
export interface SqliteOptions {
  /** `:memory:` or a path. */
  readonly file: string;
  readonly immediate?: boolean;
  /** Nothing is written, not even what a release adds: for questions. `commit` fails. */
  readonly readOnly?: boolean;
  /** Most pages of 4 KB that the file may have: for tests of a full disk. */
  readonly mostPages?: number;
}

interface Put {
  readonly statement: Database.Statement;
  readonly columns: readonly (readonly [string, Column])[];
}

interface Sum {
  readonly table: TableName;
  readonly key: Key;
  readonly row: Record<string, number>;
}

interface Pending {
  readonly groups: readonly Group[];
  resolve(outcome: boolean[]): void;
  reject(error: unknown): void;
}

const listSql = (table: TableName, index: string, options: ListOptions): string => {
  const columns = (tables[table].indexes as Record<string, readonly string[]>)[index] ?? [];
  const where = Object.keys(options.where);
  const next = columns[where.length];
  const first = keyOf(tables[table])[0] ?? 'seq';
  const after = options.after === undefined ? undefined : (next ?? first);
  const tests = [
    ...where.map((column) => `${q(column)} IS ?`),
    ...(options.upTo === undefined || next === undefined ? [] : [`${q(next)} <= ?`]),
    ...(after === undefined ? [] : [`${q(after)} ${options.newest === true ? '<' : '>'} ?`]),
  ];
  const order = [
    ...columns.slice(where.length),
    ...keyOf(tables[table]).filter((name) => !columns.includes(name)),
  ];
  const direction = options.newest === true ? ' DESC' : '';
  return (
    `SELECT * FROM ${q(table)}${tests.length > 0 ? ` WHERE ${tests.join(' AND ')}` : ''}` +
    `${order.length === 0 ? '' : ` ORDER BY ${order.map((name) => q(name) + direction).join(', ')}`} LIMIT ?`
  );
};

const encode = (column: Column | undefined, value: unknown): unknown => {
  if (column === 'json') return value === undefined ? null : JSON.stringify(value);
  // Columns of whole numbers hold whole numbers, whatever a waiting time was computed to.
  if (column === 'int' && typeof value === 'number') return Math.floor(value);
  return value === undefined ? null : value;
};

/** What SQLite says where there is no room: on the disk, or of a quota. */
const full: ReadonlySet<string> = new Set(['SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_SHMSIZE']);

const faultOf = (place: string, error: unknown): unknown => {
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string };
  if (!full.has(code)) return error;
  return new CrosswalkError('store-full', { store: place, detail: `${message} (${code})` }, {}, error);
};

export class SqliteStore implements WholeStore {
  readonly place: string;
  readonly #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();
  /** By table, index and shape of the question. */
  readonly #lists = new Map<string, Database.Statement>();
  readonly #gets = new Map<TableName, Database.Statement>();
  readonly #puts = new Map<TableName, Put>();
  /** `add` operations of this transaction that are not written yet: many groups count in one run. */
  readonly #sums = new Map<string, Sum>();
  readonly #decoders = new Map<TableName, [string, Column][]>();
  readonly #immediate: boolean;
  #fence: Condition | undefined;
  #pending: Pending[] = [];

  constructor(options: SqliteOptions) {
    const readonly = options.readOnly ?? false;
    this.place = options.file;
    this.#db = new Database(options.file, { readonly });
    this.#immediate = options.immediate ?? false;
    this.#db.pragma('busy_timeout = 5000');
    this.#db.pragma('cache_size = -32768');
    if (readonly) checkStated(options.file, statedIn(this.#db), presentSchema);
    else {
      this.#db.pragma('journal_mode = WAL');
      this.#db.pragma('synchronous = FULL');
      // 16 MB: at SQLite's own 4 MB the pages that every commit touches went into the file 10 % more often than is worth it.
      this.#db.pragma('wal_autocheckpoint = 4000');
      migrate(this.#db, options.file);
      if (options.mostPages !== undefined) this.#db.pragma(`max_page_count = ${options.mostPages}`);
    }
    for (const [name, table] of Object.entries<Table>(tables)) {
      const json = Object.entries(table.columns).filter(([, kind]) => kind === 'json');
      this.#decoders.set(name as TableName, json);
    }
  }

  async commit(groups: readonly Group[]): Promise<boolean[]> {
    if (this.#immediate) return this.#transact([groups])[0] ?? [];
    return new Promise((resolve, reject) => {
      if (this.#pending.push({ groups, resolve, reject }) === 1) setImmediate(() => this.#flush());
    });
  }

  async get(table: TableName, key: Key): Promise<Row | undefined> {
    return this.#get(table, key);
  }

  async many(table: TableName, keys: readonly Key[]): Promise<(Row | undefined)[]> {
    return keys.map((key) => this.#get(table, key));
  }

  async list(table: TableName, index: string, options: ListOptions): Promise<Row[]> {
    const { where, upTo, after, limit } = options;
    const names = Object.keys(where);
    const hasNext = this.#indexColumns(table, index).length > names.length;
    const shape = `${table} ${index} ${names.join()} ${upTo !== undefined} ${after !== undefined} ${options.newest === true}`;
    let statement = this.#lists.get(shape);
    if (statement === undefined) {
      statement = this.#db.prepare(listSql(table, index, options));
      this.#lists.set(shape, statement);
    }
    const values = names.map((name) => where[name]);
    if (upTo !== undefined && hasNext) values.push(upTo);
    if (after !== undefined) values.push(after);
    values.push(limit);
    return statement.all(...values).map((row) => this.#decode(table, row as Record<string, unknown>));
  }

  async count(table: TableName, index: string, where: Row, most?: number): Promise<number> {
    this.#indexColumns(table, index);
    const tests = Object.keys(where).map((column) => `${q(column)} IS ?`);
    const rows = `${q(table)}${tests.length > 0 ? ` WHERE ${tests.join(' AND ')}` : ''}`;
    const from = most === undefined ? rows : `(SELECT 1 FROM ${rows} LIMIT ?)`;
    const values = [...Object.values(where), ...(most === undefined ? [] : [most])];
    return (this.#statement(`SELECT count(*) AS n FROM ${from}`).get(...values) as { n: number }).n;
  }

  fence(condition: Condition | undefined): void {
    this.#fence = condition;
  }

  async snapshot(): Promise<Snapshot> {
    this.#flush();
    return snapshotOf(this.#db);
  }

  async load(): Promise<Loading> {
    this.#flush();
    return loadingOf(this.#db);
  }

  async health(): Promise<Health> {
    return healthOf(this.#db);
  }

  async close(): Promise<void> {
    this.#flush();
    this.#db.close();
  }

  #indexColumns(table: TableName, index: string): readonly string[] {
    const columns = (tables[table].indexes as Record<string, readonly string[]>)[index];
    if (columns === undefined)
      throw new CrosswalkError('internal', { detail: `no index ${index} on ${table}` });
    return columns;
  }

  #flush(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    try {
      const outcomes = this.#transact(pending.map((entry) => entry.groups));
      pending.forEach((entry, i) => entry.resolve(outcomes[i] ?? []));
    } catch (error) {
      for (const entry of pending) entry.reject(error);
    }
  }

  #transact(batches: readonly (readonly Group[])[]): boolean[][] {
    try {
      this.#statement('BEGIN IMMEDIATE').run();
      if (this.#fence !== undefined && !this.#holds(this.#fence))
        throw new CrosswalkError('store-lost', { file: this.place });
      const outcomes = batches.map((groups) => groups.map((group) => this.#apply(group)));
      this.#writeSums();
      this.#statement('COMMIT').run();
      return outcomes;
    } catch (error) {
      this.#sums.clear();
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
      throw faultOf(this.place, error);
    }
  }

  /** Conditions are all tested before the first operation, so a stale group needs no savepoint. */
  #apply(group: Group): boolean {
    if (!group.when.every((condition) => this.#holds(condition))) return false;
    for (const operation of group.write) {
      if (operation.op === 'add') this.#sum(operation);
      else {
        if ('key' in operation || operation.op === 'put') this.#settle(operation.table);
        this.#write(operation);
      }
    }
    return true;
  }

  #sum({ table, key, row }: Extract<Operation, { op: 'add' }>): void {
    const id = `${table} ${JSON.stringify(key)}`;
    const sums = this.#sums.get(id);
    if (sums === undefined) this.#sums.set(id, { table, key, row: { ...row } });
    else for (const [name, n] of Object.entries(row)) sums.row[name] = (sums.row[name] ?? 0) + n;
  }

  /** What is asked or written otherwise sees the sums of the groups before. */
  #settle(table: TableName): void {
    if (this.#sums.size === 0) return;
    for (const sum of this.#sums.values()) if (sum.table === table) return this.#writeSums();
  }

  #writeSums(): void {
    for (const sum of this.#sums.values()) this.#write({ op: 'add', ...sum });
    this.#sums.clear();
  }

  /** Only the columns that are asked for: a record's fields need no decoding to compare its version. */
  #holds({ table, key, is }: Condition): boolean {
    this.#settle(table);
    const names = keyOf(tables[table]);
    const columns = is === null ? [] : Object.keys(is);
    const sql = `SELECT 1 AS "1"${columns.map((name) => `, ${q(name)}`).join('')} FROM ${q(table)} WHERE ${names.map((name) => `${q(name)} = ?`).join(' AND ')}`;
    const row = this.#statement(sql).get(...names.map((name) => key[name])) as Row | undefined;
    if (is === null) return row === undefined;
    return row !== undefined && columns.every((name) => (row[name] ?? null) === is[name]);
  }

  #get(table: TableName, key: Key): Row | undefined {
    const names = keyOf(tables[table]);
    let statement = this.#gets.get(table);
    if (statement === undefined) {
      const sql = `SELECT * FROM ${q(table)} WHERE ${names.map((name) => `${q(name)} = ?`).join(' AND ')}`;
      statement = this.#db.prepare(sql);
      this.#gets.set(table, statement);
    }
    const row = statement.get(...names.map((name) => key[name]));
    return row === undefined ? undefined : this.#decode(table, row as Record<string, unknown>);
  }

  #decode(table: TableName, row: Record<string, unknown>): Row {
    for (const [name] of this.#decoders.get(table) ?? []) {
      const text = row[name];
      if (typeof text === 'string') row[name] = JSON.parse(text);
    }
    return row;
  }

  #write(operation: Operation): void {
    const table: Table = tables[operation.table];
    const name = q(operation.table);
    if (operation.op === 'put' || operation.op === 'append') {
      const { statement, columns } = this.#putOf(operation.table);
      statement.run(...columns.map(([column, type]) => encode(type, operation.row[column])));
      return;
    }
    const key = keyOf(table);
    const where = key.map((column) => `${q(column)} = ?`).join(' AND ');
    const keyValues = key.map((column) => operation.key[column]);
    if (operation.op === 'delete') {
      this.#statement(`DELETE FROM ${name} WHERE ${where}`).run(...keyValues);
      return;
    }
    const columns = Object.keys(operation.row);
    const assign = columns.map((column) =>
      operation.op === 'add' ? `${q(column)} = ${q(column)} + ?` : `${q(column)} = ?`,
    );
    const values = columns.map((column) => encode(table.columns[column], operation.row[column]));
    this.#statement(`UPDATE ${name} SET ${assign.join(', ')} WHERE ${where}`).run(...values, ...keyValues);
  }

  #putOf(name: TableName): Put {
    const known = this.#puts.get(name);
    if (known !== undefined) return known;
    const columns = Object.entries<Column>(tables[name].columns);
    const sql = `INSERT OR REPLACE INTO ${q(name)} (${columns.map(([column]) => q(column)).join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
    const put = { statement: this.#db.prepare(sql), columns };
    this.#puts.set(name, put);
    return put;
  }

  #statement(sql: string): Database.Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
