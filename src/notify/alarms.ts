/** Alarms to people: loud once, then at most once an hour for one subject, with how often it came meanwhile. */
import type { Condition } from '../store/store.ts';
import type { NoticeHub } from './desk.ts';
import type { NoticeRow } from './outcome.ts';
import { harmless } from './text.ts';

const quiet = 3_600_000;
const mostText = 800;

interface Told {
  /** UTC ms of the last message. */
  readonly at: number;
  /** Alarms since. */
  readonly since: number;
}

/**
 * Makes an alarm a message through the connection `to`; true if it did. What `to` itself cannot send is not sent
 * through it: that alarm stays in the log, in `status` and in the metrics.
 */
export const tellAlarm = async (
  hub: NoticeHub,
  to: string,
  subject: string,
  text: string,
): Promise<boolean> => {
  if (subject === `notices to ${to}` || subject === `connection ${to}`) return false;
  const key = { name: `alarmed:${subject}` };
  const row = await hub.store.get('setting', key);
  const told = row?.['value'] as Told | undefined;
  const now = hub.now();
  const tell = told === undefined || now - told.at >= quiet;
  const value: Told = tell ? { at: now, since: 0 } : { at: told.at, since: told.since + 1 };
  const again =
    tell && told !== undefined && told.since > 0 ? ` (${told.since + 1} times in the last hour)` : '';
  const message: NoticeRow = {
    id: `alarm/${String(now).padStart(15, '0')}/${subject}`,
    notice: 'alarm',
    connection: to,
    state: 'open',
    due: now,
    at: now,
    attempts: 0,
    text: `ALARM ${harmless(subject)}: ${harmless(text, mostText)}${again}`,
    record: null,
    reason: null,
  };
  const when: Condition = {
    table: 'setting',
    key,
    is: row === undefined ? null : { at: row['at'], by: row['by'] },
  };
  const [done] = await hub.store.commit([
    {
      when: [when],
      write: [
        // `by` changes with each write, so that of two alarms at one moment one makes the message.
        { op: 'put', table: 'setting', row: { ...key, value, at: now, by: hub.newId('alarm') } },
        ...(tell ? [{ op: 'put' as const, table: 'notice' as const, row: { ...message } }] : []),
      ],
    },
  ]);
  return tell && done === true;
};
