/** The row of a message to people, and what becomes of it where sending it did not simply end well. */
import type { Row } from '../store/schema.ts';
import type { Group, Operation } from '../store/store.ts';
import { deskStands, keepDesk, readDesk, type NoticeHub } from './desk.ts';

/** Why a message stands as it does, and how far it has come. */
export interface NoticeReason {
  readonly code?: 'may-be-a-repeat' | 'refused' | 'unknown-outcome';
  readonly message?: string;
  /** True once its outcome was unknown: people may get it twice. */
  readonly repeat?: boolean;
  /** Bytes of the text that are out, of a text that is longer than one message. */
  readonly from?: number;
  /** Most notices of its next digest: a refused digest is halved until the bad one is found. */
  readonly most?: number;
  /** The digest that it went out with. */
  readonly digest?: string;
}

export interface NoticeRow {
  readonly id: string;
  /** Name of the notice; `alarm` for an alarm. */
  readonly notice: string;
  readonly connection: string;
  readonly state: 'open' | 'sending' | 'sent' | 'parked';
  /** UTC ms of its making: the order of sending. */
  readonly due: number;
  /** UTC ms of its last change of state. */
  readonly at: number;
  /** Calls that may have reached people. */
  readonly attempts: number;
  readonly text: string;
  /** The record that it tells of; null for an alarm. */
  readonly record: string | null;
  readonly reason: NoticeReason | null;
}

export const noticeOf = (row: Row): NoticeRow => row as unknown as NoticeRow;

/** The id of a message in the list of what waits for a person. */
export const parkedId = ({ connection, id }: Pick<NoticeRow, 'connection' | 'id'>): string =>
  `say:${connection}/${id}`;

/** The writes that park a message: on its own row, and where people look for what waits for them. */
export const parkNotice = (
  hub: NoticeHub,
  row: NoticeRow,
  code: 'refused' | 'unknown-outcome',
  message: string,
): Operation[] => {
  const at = hub.now();
  const reason: NoticeReason = { ...row.reason, code, message };
  const input = { notice: row.notice, record: row.record };
  const lane = `say:${row.connection}`;
  return [
    { op: 'set', table: 'notice', key: { id: row.id }, row: { state: 'parked', at, reason } },
    {
      op: 'put',
      table: 'parked',
      row: { id: parkedId(row), lane, object: row.id, at, code, message, input, run: '' },
    },
  ];
};

/** What becomes of a message whose call may or may not have reached people: repeated once, then parked. */
export const unknownNotice = (hub: NoticeHub, row: NoticeRow, words: string): Operation[] => {
  if (row.attempts >= 2) {
    const message = `nobody can tell whether this message arrived, and it was repeated once already: ${words}`;
    return parkNotice(hub, row, 'unknown-outcome', message);
  }
  const message = `may be a repeat: ${words}`;
  const reason: NoticeReason = { ...row.reason, code: 'may-be-a-repeat', message, repeat: true };
  return [{ op: 'set', table: 'notice', key: { id: row.id }, row: { state: 'open', at: hub.now(), reason } }];
};

/** Settles rows in `sending` whose answer nobody waits for any more. */
export const settleForsaken = async (hub: NoticeHub, rows: readonly NoticeRow[]): Promise<void> => {
  const groups: Group[] = rows.map((row) => ({
    when: [{ table: 'notice', key: { id: row.id }, is: { state: 'sending', attempts: row.attempts } }],
    write: unknownNotice(hub, row, 'Crosswalk stopped before it had the answer'),
  }));
  for (const connection of new Set(rows.map((row) => row.connection))) {
    const desk = await readDesk(hub, connection);
    if (desk.times.length === 0) continue;
    // The call may have arrived at any moment until now: its place in the window counts from here.
    const { write } = keepDesk(hub, desk, { times: [...desk.times.slice(0, -1), hub.now()] });
    groups.push({ when: [deskStands(desk)], write: [write] });
  }
  await hub.store.commit(groups);
};

/** Settles messages that were being sent when their process ended; how many. For the start, before anything is sent. */
export const recoverNotices = async (hub: NoticeHub): Promise<number> => {
  let found = 0;
  for (;;) {
    const rows = await hub.store.list('notice', 'state', { where: { state: 'sending' }, limit: 500 });
    if (rows.length === 0) return found;
    await settleForsaken(hub, rows.map(noticeOf));
    found += rows.length;
  }
};

/** A person has a parked message sent again, as if it were new. False if it is not parked. */
export const replayNotice = async (hub: NoticeHub, id: string): Promise<boolean> => {
  const found = await hub.store.get('notice', { id });
  if (found?.['state'] !== 'parked') return false;
  const row = noticeOf(found);
  const change = { state: 'open', at: hub.now(), attempts: 0, reason: { ...row.reason, most: 1 } };
  const [done] = await hub.store.commit([
    {
      when: [{ table: 'notice', key: { id }, is: { state: 'parked' } }],
      write: [
        { op: 'set', table: 'notice', key: { id }, row: change },
        { op: 'delete', table: 'parked', key: { id: parkedId(row) } },
      ],
    },
  ]);
  return done === true;
};
