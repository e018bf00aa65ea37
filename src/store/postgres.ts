/**
 * The store on PostgreSQL.
 *
 * Group commit: what is handed in while a transaction is under way goes into the next one together, in two round
 * trips: locks and the rows that conditions ask for; then everything that is written, table by table, and COMMIT.
 *
 *   commit() ─► next transaction ─► BEGIN, locks, rows ─► decide here ─► writes, COMMIT ─► answers
 *                                                                          │ connection lost
 *                                        again, if it was not ◄── ask which, once it is back
 *
 * Locks are advisory, one for each row that is named, there or not, taken in one order: no two transactions wait for
 * each other in a circle, and a row that is to be absent stays so. A connection that breaks during COMMIT leaves
 * nobody in doubt: the transaction's own number tells later whether it was made.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { CrosswalkError } from '../errors.ts';
import { Transaction } from './postgres-groups.ts';
import { faultOf, isAway, isClash, openClient, patience, patiently, pauseBefore } from './postgres-link.ts';
import { PostgresReader } from './postgres-read.ts';
import { migrate, statedIn } from './postgres-schema.ts';
import { Statements } from './postgres-sql.ts';
import { placeOf, type WireRow } from './postgres-values.ts';
import { healthOf, loadingOf, snapshotOf } from './postgres-whole.ts';
import { checkStated, presentSchema } from './migrations.ts';
import type { Key, Row, TableName } from './schema.ts';
import type { Condition, Group, Health, ListOptions, Loading, Snapshot, WholeStore } from './store.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly schema?: string;
  /** Throws `store-missing` if there is no store in the schema, instead of making one. */
  readonly mustExist?: boolean;
  /** Nothing is written, not even what a release adds. */
  readonly readOnly?: boolean;
  /** Most connections for questions at once; one more is for commits. */
  readonly readers?: number;
}

interface Pending {
  readonly groups: readonly Group[];
  readonly at: number;
  resolve(outcome: boolean[]): void;
  reject(error: unknown): void;
}

interface Batch {
  readonly transaction: Transaction;
  readonly commits: Pending[];
}

/** Rows and operations after which a transaction takes in no further commit. */
const fullAt = 4000;
/** Locks after which a transaction takes the whole store instead: the server's table of locks is shared by all. */
const mostLocks = 1500;
const mostAttempts = 8;

export class PostgresStore implements WholeStore {
  readonly place: string;
  readonly #options: PostgresOptions;
  readonly #schema: string;
  readonly #statements: Statements;
  readonly #reader: PostgresReader;
  readonly #batches: Batch[] = [];
  #writer: Promise<pg.Client> | undefined;
  #working: Promise<void> | undefined;
  #fence: Condition | undefined;
  #closed = false;

  private constructor(options: PostgresOptions) {
    this.#options = options;
    this.#schema = options.schema ?? 'crosswalk';
    this.place = placeOf(options.url, this.#schema);
    this.#statements = new Statements(this.#schema);
    this.#reader = new PostgresReader(options.url, this.place, this.#statements, options.readers ?? 8);
  }

  static async open(options: PostgresOptions): Promise<PostgresStore> {
    const store = new PostgresStore(options);
    try {
      await patiently(() => store.#prepare(), Date.now() + patience);
      return store;
    } catch (error) {
      await store.#reader.end();
      throw faultOf(store.place, error);
    }
  }

  async commit(groups: readonly Group[]): Promise<boolean[]> {
    if (this.#closed) throw new CrosswalkError('store-unusable', { detail: 'it has been closed' });
    if (this.#options.readOnly === true)
      throw new CrosswalkError('store-unusable', { detail: 'it was opened readonly' });
    if (groups.length === 0) return [];
    let batch = this.#batches.at(-1);
    if (batch === undefined || batch.transaction.size >= fullAt) {
      batch = { transaction: new Transaction(this.#fence), commits: [] };
      this.#batches.push(batch);
    }
    batch.transaction.add(groups);
    const { commits } = batch;
    const outcome = new Promise<boolean[]>((resolve, reject) => {
      commits.push({ groups, at: Date.now(), resolve, reject });
    });
    this.#working ??= this.#work();
    return outcome;
  }

  async get(table: TableName, key: Key): Promise<Row | undefined> {
    return this.#reader.get(table, key);
  }

  async many(table: TableName, keys: readonly Key[]): Promise<(Row | undefined)[]> {
    return this.#reader.many(table, keys);
  }

  async list(table: TableName, index: string, options: ListOptions): Promise<Row[]> {
    return this.#reader.list(table, index, options);
  }

  async count(table: TableName, index: string, where: Row, most?: number): Promise<number> {
    return this.#reader.count(table, index, where, most);
  }

  fence(condition: Condition | undefined): void {
    this.#fence = condition;
  }

  async snapshot(): Promise<Snapshot> {
    return this.#whole((client) => snapshotOf(client, this.#statements, () => client.end()));
  }

  async load(): Promise<Loading> {
    return this.#whole((client) => loadingOf(client, this.#statements, this.place, () => client.end()));
  }

  async health(): Promise<Health> {
    return this.#whole(async (client) => {
      try {
        return await healthOf(client, this.#schema);
      } finally {
        await client.end();
      }
    });
  }

  /** Writes what was handed in before, for as long as the store is not away longer than anyone waits. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#working;
    const writer = this.#writer;
    await Promise.allSettled([this.#reader.end(), writer?.then((client) => client.end())]);
  }

  async #prepare(): Promise<void> {
    const client = await openClient(this.#options.url);
    try {
      const { rows } = await client.query<{ encoding: string; version: string }>(
        "SELECT current_setting('server_encoding') AS encoding, current_setting('server_version_num') AS version",
      );
      const { encoding = '', version = '0' } = rows[0] ?? {};
      if (encoding !== 'UTF8')
        throw new CrosswalkError('store-unusable', {
          detail: `its database is in ${encoding}, and must be in UTF8`,
        });
      if (Number(version) < 130_000)
        throw new CrosswalkError('store-unusable', { detail: 'PostgreSQL 13 or later is needed' });
      const stated = await statedIn(client, this.#schema);
      if (stated === undefined && (this.#options.mustExist === true || this.#options.readOnly === true))
        throw new CrosswalkError('store-missing', { file: this.place });
      if (this.#options.readOnly === true && stated !== undefined)
        checkStated(this.place, stated, presentSchema);
      else await migrate(client, this.#schema, this.place);
    } finally {
      await client.end();
    }
  }

  async #whole<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    try {
      const client = await patiently(() => openClient(this.#options.url), Date.now() + patience);
      return await work(client);
    } catch (error) {
      throw faultOf(this.place, error);
    }
  }

  // ---------------------------------------------------------------- committing

  async #work(): Promise<void> {
    // What is handed in during this turn of the event loop goes along.
    await new Promise((resolve) => setImmediate(resolve));
    for (let batch = this.#batches.shift(); batch !== undefined; batch = this.#batches.shift())
      await this.#write(batch);
    this.#working = undefined;
  }

  /** Never rejects: every commit gets its answer. */
  async #write({ transaction, commits }: Batch): Promise<void> {
    const until = (commits[0]?.at ?? 0) + patience;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const outcomes = await this.#transact(transaction);
        commits.forEach((entry, i) => entry.resolve(outcomes[i] ?? []));
        return;
      } catch (error) {
        const wait = pauseBefore(attempt);
        const again = isAway(error) ? Date.now() + wait < until : isClash(error) && attempt < mostAttempts;
        if (again) await sleep(wait);
        else if (commits.length > 1 && !isAway(error) && !(error instanceof CrosswalkError))
          return this.#apart(commits);
        else {
          for (const entry of commits) entry.reject(faultOf(this.place, error));
          return;
        }
      }
    }
  }

  /** One of several cannot be written: each by itself, so that only that one fails. */
  async #apart(commits: readonly Pending[]): Promise<void> {
    for (const entry of commits) {
      const transaction = new Transaction(this.#fence);
      transaction.add(entry.groups);
      await this.#write({ transaction, commits: [entry] });
    }
  }

  async #transact(transaction: Transaction): Promise<boolean[][]> {
    this.#writer ??= openClient(this.#options.url, true);
    let client: pg.Client;
    try {
      client = await this.#writer;
    } catch (error) {
      this.#writer = undefined;
      throw error;
    }
    const ended = { sent: false, id: '' };
    try {
      return await this.#converse(client, transaction, ended);
    } catch (error) {
      if (!isAway(error)) {
        const back = client.query('ROLLBACK').catch(() => this.#drop(client));
        await back;
        throw error;
      }
      this.#drop(client);
      const outcomes = ended.sent && (await this.#wasMade(ended.id)) ? transaction.decide() : undefined;
      if (outcomes === undefined) throw error;
      return outcomes;
    }
  }

  #drop(client: pg.Client): void {
    this.#writer = undefined;
    client.end().catch(() => undefined);
  }

  async #converse(
    client: pg.Client,
    transaction: Transaction,
    ended: { sent: boolean; id: string },
  ): Promise<boolean[][]> {
    const locks = transaction.locks(this.#schema);
    const whole = locks.keys.length > mostLocks;
    const asked = [...transaction.asked()];
    const [, , , id, ...found] = await all([
      client.query('BEGIN'),
      client.query(this.#statements.lock({ keys: [this.#statements.whole], alone: [whole] })),
      client.query(whole ? 'SELECT' : this.#statements.lock(locks)),
      client.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id'),
      ...asked.map(([table, slots]) =>
        client.query<WireRow>(
          this.#statements.find(
            table,
            slots.map(({ key }) => key),
            [...new Set(slots.flatMap((slot) => [...slot.asked]))].sort(),
          ),
        ),
      ),
    ]);
    asked.forEach(([, slots], i) => {
      for (const slot of slots) slot.found = undefined;
      for (const row of (found[i] as pg.QueryResult<WireRow> | undefined)?.rows ?? []) {
        const slot = slots[Number(row['n']) - 1];
        if (slot !== undefined) slot.found = row;
      }
    });
    const outcomes = transaction.decide();
    if (outcomes === undefined) throw new CrosswalkError('store-lost', { file: this.place });
    const writes = [...transaction.writes()].flatMap(([table, one]) => [
      ...this.#statements.write(table, one),
    ]);
    ended.id = String((id as pg.QueryResult<{ id: string }>).rows[0]?.id);
    ended.sent = writes.length > 0;
    const done = await all([...writes.map((write) => client.query(write)), client.query('COMMIT')]);
    if (done.at(-1)?.command !== 'COMMIT')
      throw new CrosswalkError('store-unusable', { detail: 'a transaction was taken back' });
    return outcomes;
  }

  /**
   * Whether a transaction was made whose COMMIT was sent and never answered. Waits as long as it takes: any other
   * answer would be a guess. Meanwhile what waits behind it is turned away.
   */
  async #wasMade(id: string): Promise<boolean> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const status = await this.#reader.statusOf(id);
        if (status !== 'in progress') return status === 'committed';
      } catch (error) {
        if (!isAway(error)) throw error;
        if (this.#closed) throw error;
        this.#turnAway(error);
      }
      await sleep(pauseBefore(attempt));
    }
  }

  #turnAway(error: unknown): void {
    const isLate = ({ commits }: Batch): boolean => Date.now() - (commits[0]?.at ?? 0) > patience;
    for (let [batch] = this.#batches; batch !== undefined && isLate(batch); [batch] = this.#batches) {
      this.#batches.shift();
      for (const entry of batch.commits) entry.reject(faultOf(this.place, error));
    }
  }
}

/** All answers; the first failure is the cause of those after it. */
const all = async (questions: readonly Promise<pg.QueryResult>[]): Promise<pg.QueryResult[]> => {
  const answers = await Promise.allSettled(questions);
  const failed = answers.find((answer) => answer.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
};
