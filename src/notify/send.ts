/** Sending: messages of one connection, in order, within its limit; what is too much for it becomes a digest. */
import { Trouble, type Notifier } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import type { LineageRow } from '../merge/lineage.ts';
import type { Group, Operation } from '../store/store.ts';
import { deskStands, freeOf, keepDesk, readDesk, recent, type Desk, type NoticeHub } from './desk.ts';
import {
  noticeOf,
  parkNotice,
  settleForsaken,
  unknownNotice,
  type NoticeReason,
  type NoticeRow,
} from './outcome.ts';
import { bytesOf, pieceOf } from './text.ts';

/** What a pass did: notices that are out, and what kept it from going on. */
export interface Said {
  readonly sent: number;
  readonly trouble?: Trouble;
}

/** Most notices read in one pass, and most messages sent: a pass stays short, and its memory flat. */
const mostRows = 500;
const mostMessages = 50;
/** ms after which nobody waits for the answer to a call any more. */
const forsakenAfter = 120_000;
const forbiddenWait = 60_000;
const unknownWait = 5_000;
const mostWait = 5 * 60_000;
/** ms that a message may wait before people are told by an alarm. */
const lateAfter = 3_600_000;

/** One message: the notices that it tells, and where the rest of a long one begins. */
interface Message {
  readonly text: string;
  readonly rows: readonly NoticeRow[];
  /** Bytes of the only notice that are out after this; undefined if it is out whole. */
  readonly next?: number;
}

const alone = (row: NoticeRow, most: number): Message => {
  const { piece, next } = pieceOf(row.text, row.reason?.from ?? 0, most);
  return next < bytesOf(row.text) ? { text: piece, rows: [row], next } : { text: piece, rows: [row] };
};

/** As many of the first notices as one message may hold; a notice that does not fit with others goes alone. */
const digest = (rows: readonly [NoticeRow, ...NoticeRow[]], most: number): Message => {
  const lines: string[] = [];
  let room = most - bytesOf(`${rows.length} changes`);
  let limit = rows.length;
  for (const row of rows) {
    const line = `\n• ${row.text}`;
    limit = Math.min(limit, row.reason?.most ?? limit);
    if (row.reason?.from !== undefined || bytesOf(line) > room || lines.length >= limit) break;
    lines.push(line);
    room -= bytesOf(line);
  }
  if (lines.length < 2) return alone(rows[0], most);
  return { text: `${lines.length} changes${lines.join('')}`, rows: rows.slice(0, lines.length) };
};

const set = (row: NoticeRow, change: Partial<NoticeRow>): Operation => ({
  op: 'set',
  table: 'notice',
  key: { id: row.id },
  row: { ...change },
});

/** The row as it lies in `sending`; everything that follows a call is written only over that. */
const whileSending = (row: NoticeRow, then: readonly Operation[]): Group => ({
  when: [{ table: 'notice', key: { id: row.id }, is: { state: 'sending', attempts: row.attempts } }],
  write: then,
});

class Pass {
  readonly hub: NoticeHub;
  readonly notifier: Notifier;
  readonly most: number;
  desk: Desk;
  sent = 0;

  constructor(hub: NoticeHub, notifier: Notifier, desk: Desk) {
    this.hub = hub;
    this.notifier = notifier;
    this.most = Math.max(notifier.mostBytes, 64);
    this.desk = desk;
  }

  get free(): number {
    return freeOf(this.desk, this.notifier.rate, this.hub.now());
  }

  /** On disk before the call; undefined if somebody else holds these rows or this connection. */
  async claim(message: Message): Promise<Message | undefined> {
    const now = this.hub.now();
    const rows = message.rows.map((row) => ({
      ...row,
      state: 'sending' as const,
      attempts: row.attempts + 1,
      at: now,
    }));
    const times = [...recent(this.desk, this.notifier.rate, now), now];
    const { desk, write } = keepDesk(this.hub, this.desk, { times });
    const [done] = await this.hub.store.commit([
      {
        when: [
          deskStands(this.desk),
          ...message.rows.map(({ id, attempts }) => ({
            table: 'notice' as const,
            key: { id },
            is: { state: 'open', attempts },
          })),
        ],
        write: [...rows.map((row) => set(row, { state: 'sending', attempts: row.attempts, at: now })), write],
      },
    ]);
    if (done !== true) return undefined;
    this.desk = desk;
    return { ...message, rows };
  }

  async call(text: string): Promise<Trouble | undefined> {
    try {
      await this.notifier.send(text);
      return undefined;
    } catch (error) {
      if (error instanceof Trouble) return error;
      // Only its name: what a connector throws by mistake may carry the message, or a key.
      const detail = `sending a message ended in ${error instanceof Error ? error.name : 'what is no error'}`;
      return new Trouble('unknown', {
        message: new CrosswalkError('connector-contract', { connector: this.desk.connection, detail })
          .message,
      });
    }
  }

  /** Writes what became of a message; the rows that are to be tried again in this pass. */
  async settle(message: Message, trouble: Trouble | undefined): Promise<NoticeRow[]> {
    const { groups, again } =
      trouble === undefined ? await this.#done(message) : this.#troubled(message, trouble);
    const { desk, write } = keepDesk(this.hub, this.desk, this.#deskAfter(trouble));
    const outcomes = await this.hub.store.commit([
      ...groups,
      { when: [deskStands(this.desk)], write: [write] },
    ]);
    if (outcomes.at(-1) === true) this.desk = desk;
    if (trouble === undefined && again.length === 0) this.sent += message.rows.length;
    return again;
  }

  async #done({ rows, next }: Message): Promise<{ groups: Group[]; again: NoticeRow[] }> {
    const now = this.hub.now();
    const [row] = rows;
    if (row !== undefined && next !== undefined) {
      const change = { state: 'open' as const, attempts: 0, reason: { ...row.reason, from: next } };
      return { groups: [whileSending(row, [set(row, change)])], again: [{ ...row, ...change }] };
    }
    const versions = await this.#versions(rows);
    const id = rows.length > 1 ? this.hub.newId('digest') : undefined;
    const groups = rows.map((each, i) => {
      const reason: NoticeReason | null = id === undefined ? each.reason : { ...each.reason, digest: id };
      return whileSending(each, [
        set(each, { state: 'sent', at: now, reason }),
        ...this.#lineage(each, versions[i] ?? 0),
      ]);
    });
    return { groups, again: [] };
  }

  async #versions(rows: readonly NoticeRow[]): Promise<number[]> {
    const keys = rows.map((row) => ({ id: row.record ?? '' }));
    return (await this.hub.store.many('record', keys)).map((record) => Number(record?.['version'] ?? 0));
  }

  #lineage(row: NoticeRow, version: number): Operation[] {
    if (row.record === null) return [];
    const event = row.reason?.repeat === true ? 'notified, may be a repeat' : 'notified';
    const body: LineageRow = { cause: `notice ${row.notice}`, version, event, entries: [], notice: row.id };
    return [
      { op: 'append', table: 'lineage', row: { record: row.record, at: this.hub.now(), run: '', body } },
    ];
  }

  #troubled({ rows }: Message, trouble: Trouble): { groups: Group[]; again: NoticeRow[] } {
    if (trouble.kind === 'unknown') {
      return {
        groups: rows.map((row) => whileSending(row, unknownNotice(this.hub, row, trouble.detail.message))),
        again: [],
      };
    }
    const isRefused = refuses(trouble);
    const [only] = rows;
    if (isRefused && only !== undefined && rows.length === 1) {
      return {
        groups: [whileSending(only, parkNotice(this.hub, only, 'refused', trouble.detail.message))],
        again: [],
      };
    }
    const most = Math.ceil(rows.length / 2);
    const back = rows.map((row): NoticeRow => ({
      ...row,
      state: 'open',
      attempts: row.attempts - 1,
      reason: isRefused ? { ...row.reason, most } : row.reason,
    }));
    const groups = rows.map((row, i) => {
      const { state = 'open', attempts = 0, reason = null } = back[i] ?? {};
      return whileSending(row, [set(row, { state, attempts, reason })]);
    });
    return { groups, again: isRefused ? back : [] };
  }

  #deskAfter(trouble: Trouble | undefined): Partial<Desk> {
    const now = this.hub.now();
    const before = this.desk.times.slice(0, -1);
    // It may have arrived as late as now. What was never sent takes no place.
    const times = trouble?.kind === 'unreachable' ? before : [...before, now];
    if (trouble === undefined || refuses(trouble)) return { times, failures: 0, until: 0 };
    const failures = this.desk.failures + 1;
    const asked = trouble.detail.retryAfter;
    const backoff = Math.min(mostWait, 1000 * 2 ** Math.min(failures - 1, 9));
    const wait = trouble.kind === 'unknown' ? unknownWait : refusesUs(trouble) ? forbiddenWait : backoff;
    return { times, failures, until: now + Math.max(asked ?? wait, 0) };
  }
}

/** Our credentials or the address itself: every message would fare the same, so none is parked for it. */
const refusesUs = ({ kind, detail }: Trouble): boolean =>
  (kind === 'forbidden' && detail.scoped !== true) || kind === 'gone';

/** A no to this message. */
const refuses = (trouble: Trouble): boolean =>
  !refusesUs(trouble) &&
  trouble.kind !== 'unknown' &&
  trouble.kind !== 'busy' &&
  trouble.kind !== 'unreachable';

/** Loud where people must act, or where messages have waited for an hour. */
const tellPeople = async ({ hub, desk }: Pass, oldest: NoticeRow, trouble: Trouble): Promise<void> => {
  const subject = `notices to ${desk.connection}`;
  if (refusesUs(trouble)) {
    const what =
      trouble.kind === 'gone' ? 'the address is not there any more' : 'the remote refuses our credentials';
    hub.alarm(
      subject,
      `messages wait: ${what} (${trouble.detail.message}). Correct the settings of the connection; nothing is lost`,
    );
  } else if (hub.now() - oldest.due > lateAfter) {
    const waiting = await hub.store.count('notice', 'due', { connection: desk.connection, state: 'open' });
    hub.alarm(
      subject,
      `${waiting} messages wait, the oldest since ${new Date(oldest.due).toISOString()}: ${trouble.kind}`,
    );
  }
};

/** Rows whose answer nobody waits for: their holder died, and this process was not started since. */
const settleOld = async (hub: NoticeHub, connection: string): Promise<void> => {
  const upTo = hub.now() - forsakenAfter;
  const rows = (
    await hub.store.list('notice', 'state', { where: { state: 'sending' }, upTo, limit: mostRows })
  ).map(noticeOf);
  const own = rows.filter((row) => row.connection === connection);
  if (own.length > 0) await settleForsaken(hub, own);
};

/**
 * One pass over the open notices of a connection. Each is sent by itself, unless more are open than the
 * notifier's rate lets out now: then they are joined. A trouble ends the pass; nothing is lost by it.
 */
export const sendNotices = async (hub: NoticeHub, connection: string, notifier: Notifier): Promise<Said> => {
  await settleOld(hub, connection);
  const pass = new Pass(hub, notifier, await readDesk(hub, connection));
  if (hub.now() < pass.desk.until) return { sent: 0 };
  const where = { connection, state: 'open' };
  let rows = (await hub.store.list('notice', 'due', { where, limit: mostRows })).map(noticeOf);
  const joined = rows.length > pass.free;
  const hadFailed = pass.desk.failures > 0;
  for (let messages = 0; messages < mostMessages && pass.free > 0; messages += 1) {
    const [first, ...others] = rows;
    if (first === undefined) break;
    const message = await pass.claim(
      joined ? digest([first, ...others], pass.most) : alone(first, pass.most),
    );
    if (message === undefined) break;
    const trouble = await pass.call(message.text);
    const again = await pass.settle(message, trouble);
    if (trouble !== undefined && !refuses(trouble)) {
      await tellPeople(pass, first, trouble);
      return { sent: pass.sent, trouble };
    }
    if (hadFailed && trouble === undefined) hub.clear?.(`notices to ${connection}`);
    rows = [...again, ...rows.slice(message.rows.length)];
  }
  return { sent: pass.sent };
};
