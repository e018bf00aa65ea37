/**
 * The desk of one connection that speaks to people: when its last messages went out, and until when it
 * waits. On disk, so that a restart neither exceeds the limit nor forgets to wait.
 */
import type { Notifier } from '../connector.ts';
import type { Condition, Operation, Store } from '../store/store.ts';

/** What a pass over notices needs; a `Hub` is one. */
export interface NoticeHub {
  readonly store: Store;
  /** UTC ms. */
  now(): number;
  /** A new unique id. */
  newId(prefix: string): string;
  alarm(subject: string, text: string): void;
  /** What an alarm of this subject was about is well again. */
  clear?(subject: string): void;
}

export interface Desk {
  readonly connection: string;
  /** UTC ms of the messages of the last window; of each the latest moment at which it may have arrived. */
  readonly times: readonly number[];
  /** UTC ms before which nothing is sent. */
  readonly until: number;
  /** Troubles in a row. */
  readonly failures: number;
  /** Changes with each commit: two holders cannot both go on. Null while there is no row. */
  readonly token: string | null;
}

const nameOf = (connection: string): string => `say:${connection}`;

export const readDesk = async (hub: NoticeHub, connection: string): Promise<Desk> => {
  const row = await hub.store.get('setting', { name: nameOf(connection) });
  const kept = (row?.['value'] ?? {}) as Partial<Desk>;
  const { times = [], until = 0, failures = 0 } = kept;
  return { connection, times, until, failures, token: row === undefined ? null : String(row['by']) };
};

/** The desk as it was read must still stand. */
export const deskStands = ({ connection, token }: Desk): Condition => ({
  table: 'setting',
  key: { name: nameOf(connection) },
  is: token === null ? null : { by: token },
});

/** The write of a changed desk, and the desk as it is then. */
export const keepDesk = (
  hub: NoticeHub,
  desk: Desk,
  change: Partial<Omit<Desk, 'connection' | 'token'>>,
): { readonly desk: Desk; readonly write: Operation } => {
  const kept = { ...desk, ...change, token: hub.newId('say') };
  const { connection, times, until, failures, token } = kept;
  const row = { name: nameOf(connection), value: { times, until, failures }, at: hub.now(), by: token };
  return { desk: kept, write: { op: 'put', table: 'setting', row } };
};

/** The times that still count. One far in the future comes from a clock that was wrong, and would block for ever. */
export const recent = ({ times }: Desk, rate: Notifier['rate'], now: number): number[] =>
  rate === undefined ? [] : times.filter((at) => now - at <= rate.per && at <= now + rate.per);

/** How many messages may go out now. */
export const freeOf = (desk: Desk, rate: Notifier['rate'], now: number): number =>
  rate === undefined ? Number.POSITIVE_INFINITY : Math.max(0, rate.count - recent(desk, rate, now).length);
