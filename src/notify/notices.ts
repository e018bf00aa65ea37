/**
 * Notices: transitions become messages to people. Collecting turns every new transition into a row, in the
 * same commit as the cursor behind it; sending takes rows in order, one message each, or a digest where more
 * wait than the group's limit lets out. A message is on disk as `sending` before it goes; one whose outcome
 * is unknown is repeated once, marked, and then parks.
 *
 *   open ──► sending ──► (gone: said)            unknown, or found after a crash
 *    ▲          │ busy, unreachable: back                 │ first time
 *    └──────────┴───────────────────────── open, `may be a repeat` ◄─┘ second time: parked
 */
import { Trouble, type Json, type Notifier } from '../connector.ts';
import type { NoticeConfig } from '../config.ts';
import type { Row } from '../store/schema.ts';
import type { Operation } from '../store/store.ts';
import type { Hub } from '../sync/hub.ts';
import { recordOf } from '../sync/hub.ts';
import { clipped, fill } from './message.ts';

type Deps = Pick<Hub, 'store' | 'now' | 'alarm'>;

const batch = 200;

/** Rows of new transitions; returns how many transitions were looked at. */
export const collectNotices = async (hub: Deps, notices: readonly NoticeConfig[]): Promise<number> => {
  let looked = 0;
  for (const notice of notices) looked += await collect(hub, notice);
  return looked;
};

const collect = async ({ store, now }: Deps, notice: NoticeConfig): Promise<number> => {
  const lane = `notice/${notice.name}`;
  const cursor = await store.get('cursor', { lane });
  const since = Number(cursor?.['since'] ?? 0);
  const rows = await store.list('transition', 'entity', { where: { entity: notice.entity }, after: since, limit: batch });
  if (rows.length === 0) return 0;
  const then: Operation[] = [];
  let last = since;
  for (const row of rows) {
    last = Number(row['seq']);
    // Where a value is seen for the first time nothing has moved yet.
    if (row['field'] !== notice.when.changed || row['how'] === 'first seen') continue;
    const stored = await store.get('record', { id: String(row['record']) });
    const text = fill(notice, row, stored === undefined ? undefined : recordOf(stored));
    const id = `${notice.name}:${last}`;
    const at = now();
    then.push({ op: 'put', table: 'notice', row: { id, notice: notice.name, connection: notice.to, state: 'open', due: at, at, attempts: 0, text, reason: { record: row['record'] } } });
  }
  then.push({ op: 'put', table: 'cursor', row: { lane, since: last, until: 0, page: null, run: null } });
  await store.commit([{ when: [{ table: 'cursor', key: { lane }, is: cursor === undefined ? null : { since } }], then }]);
  return rows.length;
};

/** Messages that a dead process was sending may have been said: each goes once more, marked. */
export const recoverNotices = async (hub: Deps): Promise<number> => {
  const rows = await hub.store.list('notice', 'state', { where: { state: 'sending' }, limit: 10_000 });
  if (rows.length > 0) await hub.store.commit([{ when: [], then: rows.map((row) => afterUnknown(row, hub.now())) }]);
  return rows.length;
};

const afterUnknown = (row: Row, now: number): Operation => {
  const reason = row['reason'] as Record<string, Json>;
  const again = reason['repeat'] === true;
  const next = again
    ? { state: 'parked', reason: { ...reason, code: 'unknown-outcome', message: 'sent twice without an answer' } }
    : { state: 'open', due: now, reason: { ...reason, repeat: true, message: 'may be a repeat' } };
  return { op: 'set', table: 'notice', key: { id: String(row['id']) }, row: next };
};

export interface Said {
  /** Messages sent. */
  readonly sent: number;
  readonly trouble?: Trouble;
}

/** Sends what is due to one connection: one message a notice, or digests if more wait than may go out. */
export const sendNotices = async (hub: Deps, connection: string, notifier: Notifier): Promise<Said> => {
  let sent = 0;
  for (;;) {
    const free = await freePlaces(hub, connection, notifier);
    if (free === 0) return { sent };
    const where = { connection, state: 'open' };
    const open = await hub.store.list('notice', 'due', { where, upTo: hub.now(), limit: 500 });
    if (open.length === 0) return { sent };
    const message = open.length <= free ? single(open, notifier) : digest(open, notifier);
    const trouble = await say(hub, connection, notifier, message);
    if (trouble !== undefined) return { sent, trouble };
    sent += 1;
  }
};

interface Message {
  readonly text: string;
  readonly rows: readonly Row[];
}

const single = ([row]: readonly Row[], { mostBytes }: Notifier): Message => ({
  text: clipped(marked(row), mostBytes),
  rows: row === undefined ? [] : [row],
});

const marked = (row: Row | undefined): string => {
  const repeat = (row?.['reason'] as Record<string, Json> | undefined)?.['repeat'] === true;
  return `${String(row?.['text'])}${repeat ? ' (may be a repeat)' : ''}`;
};

/** As many lines as fit; the rest goes with the next message. */
const digest = (open: readonly Row[], { mostBytes }: Notifier): Message => {
  const head = (n: number): string => `${n} changes:`;
  const rows: Row[] = [];
  let text = '';
  for (const row of open) {
    const line = clipped(`- ${marked(row)}`, Math.floor(mostBytes / 4));
    if (Buffer.byteLength(`${head(open.length)}\n${text}${line}\n`) > mostBytes) break;
    text += `${line}\n`;
    rows.push(row);
  }
  return { text: `${head(rows.length)}\n${text.trimEnd()}`, rows };
};

// ---------------------------------------------------------------- the group's limit

const sentName = (connection: string): string => `said:${connection}`;

const sentTimes = async ({ store, now }: Deps, connection: string, per: number): Promise<number[]> => {
  const row = await store.get('setting', { name: sentName(connection) });
  return ((row?.['value'] as number[] | undefined) ?? []).filter((at) => at > now() - per);
};

/** The times of sending are kept in the store: a restart does not forget them. */
const freePlaces = async (hub: Deps, connection: string, { rate }: Notifier): Promise<number> => {
  if (rate === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, rate.count - (await sentTimes(hub, connection, rate.per)).length);
};

// ---------------------------------------------------------------- sending

const say = async (hub: Deps, connection: string, notifier: Notifier, { text, rows }: Message): Promise<Trouble | undefined> => {
  const { store } = hub;
  const keys = rows.map((row) => ({ id: String(row['id']) }));
  const times = [...(await sentTimes(hub, connection, notifier.rate?.per ?? 0)), hub.now()];
  const value: Operation = { op: 'put', table: 'setting', row: { name: sentName(connection), value: times, at: hub.now(), by: 'crosswalk' } };
  const sending = keys.map((key): Operation => ({ op: 'set', table: 'notice', key, row: { state: 'sending' } }));
  await store.commit([{ when: keys.map((key) => ({ table: 'notice', key, is: { state: 'open' } })), then: [value, ...sending] }]);
  try {
    await notifier.send(text);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    await store.commit([{ when: [], then: rows.map((row) => afterTrouble(row, error, hub.now())) }]);
    if (error.kind === 'refused' || error.kind === 'unknown') return undefined;
    return error;
  }
  const said = rows.flatMap((row, i): Operation[] => [
    { op: 'delete', table: 'notice', key: keys[i] ?? { id: '' } },
    { op: 'append', table: 'lineage', row: saidRow(row, connection, hub.now()) },
  ]);
  await store.commit([{ when: [], then: said }]);
  return undefined;
};

const saidRow = (row: Row, connection: string, at: number): Row => {
  const { record = '', repeat = false } = row['reason'] as { record?: string; repeat?: boolean };
  const cause = `notice ${String(row['notice'])} to ${connection}${repeat ? ' (may be a repeat)' : ''}`;
  return { record, at, run: '', body: { cause, version: 0, event: 'said', entries: [], text: row['text'] } };
};

const afterTrouble = (row: Row, trouble: Trouble, now: number): Operation => {
  const key = { id: String(row['id']) };
  const reason = row['reason'] as Record<string, Json>;
  switch (trouble.kind) {
    case 'unknown':
      return afterUnknown(row, now);
    case 'refused':
    case 'gone':
    case 'stale':
    case 'cursor-lost': {
      const why = { ...reason, code: trouble.detail.code ?? trouble.kind, message: trouble.detail.message };
      return { op: 'set', table: 'notice', key, row: { state: 'parked', reason: why } };
    }
    default:
      return { op: 'set', table: 'notice', key, row: { state: 'open', due: now + (trouble.detail.retryAfter ?? 5000) } };
  }
};
