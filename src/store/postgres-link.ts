/** Connections to PostgreSQL: how they are set up, which errors mean that it is away, and waiting until it is back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Pool, type ClientBase, type ClientConfig } from 'pg';
import { CrosswalkError } from '../errors.ts';
import { types } from './postgres-values.ts';

/** ms that a question or a commit waits for a store that is away. */
export const patience = 10_000;

/**
 * The statements know their indexes: a table that grew within a minute must not be read whole because nobody has
 * counted it yet. What the server says of synchronous_commit stands where it promises as much or more.
 */
const settings: Readonly<Record<string, string>> = {
  statement_timeout: '60s',
  lock_timeout: '20s',
  idle_in_transaction_session_timeout: '60s',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  jit: 'off',
};

const setUp = async (client: ClientBase): Promise<void> => {
  const names = Object.keys(settings);
  const each = names.map((_, i) => `set_config($${2 * i + 1}, $${2 * i + 2}, false)`);
  const durable =
    "CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN set_config('synchronous_commit', 'on', false) END";
  await client.query(
    `SELECT ${[...each, durable].join(', ')}`,
    names.flatMap((name) => [name, settings[name]]),
  );
};

const options = (url: string): ClientConfig => ({
  connectionString: url,
  application_name: 'crosswalk',
  connectionTimeoutMillis: 5000,
  // Longer than the server's own: only a network that swallows answers is met by it.
  query_timeout: 75_000,
  keepAlive: true,
  types,
});

/** Readers share these; each question is one statement. */
export const openPool = (url: string, most: number): Pool => {
  const pool = new Pool({ ...options(url), max: most, onConnect: setUp });
  // An idle connection that breaks is replaced when somebody asks.
  pool.on('error', () => undefined);
  return pool;
};

/** A connection that sends without waiting for the answers before. */
export const openClient = async (url: string, pipeline = false): Promise<Client> => {
  const client = new Client({ ...options(url), pipeline });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await setUp(client);
  } catch (error) {
    client.end().catch(() => undefined);
    throw error;
  }
  return client;
};

const away =
  /^(?:08...|57P0[1235]|53300|25006|ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENOTFOUND|EAI_AGAIN|ENOENT)$/u;
const broken =
  /Connection terminated|timeout expired|Query read timeout|not queryable|Connection ended|socket disconnected|Cannot use a pool after/u;

const codeOf = (error: unknown): string => {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
};

/** The server cannot be reached, is starting or stopping, has no connection left, or is only a copy. */
export const isAway = (error: unknown): boolean =>
  away.test(codeOf(error)) || (error instanceof Error && codeOf(error) === '' && broken.test(error.message));

/** Another transaction was in the way: the same again may go through. */
export const isClash = (error: unknown): boolean => /^(?:40001|40P01|55P03|57014)$/u.test(codeOf(error));

/** For people: without addresses, which may hold a password, and without values. */
export const wordsOf = (error: unknown): string => {
  const code = codeOf(error);
  const text = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  return `${text.replaceAll(/postgres(?:ql)?:\/\/\S+/gu, '…').replace(/[.\s]+$/u, '')}${code === '' ? '' : ` (${code})`}`;
};

export const faultOf = (place: string, error: unknown): unknown => {
  if (error instanceof CrosswalkError || error instanceof TypeError) return error;
  const detail = wordsOf(error);
  if (isAway(error)) return new CrosswalkError('store-away', { store: place, detail }, {}, error);
  if (codeOf(error) === '53100' || /No space left on device/u.test(detail))
    return new CrosswalkError('store-full', { store: place, detail }, {}, error);
  if (codeOf(error) === '') return error;
  return new CrosswalkError('store-unusable', { detail: `PostgreSQL says ${detail}` }, {}, error);
};

/** ms before the next attempt: jittered, so that many processes do not come back at once. */
export const pauseBefore = (attempt: number): number =>
  Math.min(1000, 50 * 2 ** attempt) * (0.5 + Math.random());

/** Asks again while the store is away, until the time (UTC ms) is over. */
export const patiently = async <Result>(work: () => Promise<Result>, until: number): Promise<Result> => {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const wait = pauseBefore(attempt);
      if (!isAway(error) || Date.now() + wait > until) throw error;
      await sleep(wait);
    }
  }
};
