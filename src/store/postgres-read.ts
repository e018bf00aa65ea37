/**
 * Questions to PostgreSQL. Those of one turn of the event loop go together: rows by key of one table, and lists that
 * differ only in the values asked for, are one statement each, so that the network is crossed once for all of them.
 */
import type pg from 'pg';
import { CrosswalkError } from '../errors.ts';
import { faultOf, openPool, patience, patiently } from './postgres-link.ts';
import type { Statements } from './postgres-sql.ts';
import { rowOf, type WireRow } from './postgres-values.ts';
import { tables, type Key, type Row, type TableName } from './schema.ts';
import type { ListOptions } from './store.ts';

/** Questions that wait for the end of the turn, and their answers in the same order. */
interface Together<Question, Answer> {
  readonly questions: Question[];
  readonly answers: Promise<readonly Answer[]>;
}

const ask = async <Question, Answer>(
  waiting: Map<string, Together<Question, Answer>>,
  what: string,
  question: Question,
  all: (questions: readonly Question[]) => Promise<readonly Answer[]>,
): Promise<Answer | undefined> => {
  let one = waiting.get(what);
  if (one === undefined) {
    const questions: Question[] = [];
    const answers = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      waiting.delete(what);
      return all(questions);
    });
    one = { questions, answers };
    waiting.set(what, one);
  }
  const at = one.questions.push(question) - 1;
  return (await one.answers)[at];
};

export class PostgresReader {
  readonly #place: string;
  readonly #statements: Statements;
  readonly #pool: pg.Pool;
  readonly #gets = new Map<string, Together<Key, Row | undefined>>();
  readonly #lists = new Map<string, Together<ListOptions, Row[]>>();

  constructor(url: string, place: string, statements: Statements, most: number) {
    this.#place = place;
    this.#statements = statements;
    this.#pool = openPool(url, most);
  }

  get(table: TableName, key: Key): Promise<Row | undefined> {
    return ask(this.#gets, table, key, (keys) => this.many(table, keys));
  }

  async many(table: TableName, keys: readonly Key[]): Promise<(Row | undefined)[]> {
    const found: (Row | undefined)[] = keys.map(() => undefined);
    if (keys.length === 0) return found;
    for (const row of await this.#ask<WireRow>(this.#statements.many(table, keys)))
      found[Number(row['n']) - 1] = rowOf(table, row);
    return found;
  }

  async list(table: TableName, index: string, options: ListOptions): Promise<Row[]> {
    const columns = this.#indexColumns(table, index);
    const { where, upTo, after, limit, newest } = options;
    const values = Object.values(where);
    const isPlain =
      upTo === undefined &&
      after === undefined &&
      newest !== true &&
      values.length > 0 &&
      values.every((value) => typeof value === 'string' || typeof value === 'number');
    if (!isPlain) return this.#list(table, columns, options);
    const what = `${table} ${index} ${Object.keys(where).join()} ${limit}`;
    const rows = await ask(this.#lists, what, options, (all) => this.#listAll(table, columns, all));
    return rows ?? [];
  }

  async count(table: TableName, index: string, where: Row, most?: number): Promise<number> {
    this.#indexColumns(table, index);
    const [row] = await this.#ask<{ n: number }>(this.#statements.count(table, where, most));
    return row?.n ?? 0;
  }

  /** What became of a transaction: `committed`, `aborted`, `in progress`; null if that is forgotten. */
  async statusOf(id: string): Promise<string | null> {
    const { rows } = await this.#pool.query<{ status: string | null }>(
      'SELECT pg_xact_status($1::text::xid8) AS status',
      [id],
    );
    return rows[0]?.status ?? null;
  }

  end(): Promise<void> {
    return this.#pool.end();
  }

  async #list(table: TableName, columns: readonly string[], options: ListOptions): Promise<Row[]> {
    const rows = await this.#ask<WireRow>(this.#statements.list(table, columns, options));
    return rows.map((row) => rowOf(table, row));
  }

  async #listAll(
    table: TableName,
    columns: readonly string[],
    all: readonly ListOptions[],
  ): Promise<Row[][]> {
    const [first] = all;
    if (first === undefined) return [];
    if (all.length === 1) return [await this.#list(table, columns, first)];
    const found: Row[][] = all.map(() => []);
    for (const row of await this.#ask<WireRow>(this.#statements.lists(table, columns, all)))
      found[Number(row['n']) - 1]?.push(rowOf(table, row));
    return found;
  }

  async #ask<Found extends object>(query: pg.QueryConfig): Promise<Found[]> {
    try {
      const { rows } = await patiently(() => this.#pool.query<Found>(query), Date.now() + patience);
      return rows;
    } catch (error) {
      throw faultOf(this.#place, error);
    }
  }

  #indexColumns(table: TableName, index: string): readonly string[] {
    const columns = (tables[table].indexes as Record<string, readonly string[]>)[index];
    if (columns === undefined)
      throw new CrosswalkError('internal', { detail: `no index ${index} on ${table}` });
    return columns;
  }
}
