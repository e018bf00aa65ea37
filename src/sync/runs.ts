import { imbalances, verdicts, type Books, type ItemVerdict } from '../merge/books.ts';
import type { Row } from '../store/schema.ts';
import type { Operation } from '../store/store.ts';
import type { Hub } from './hub.ts';

/** A run: a bounded piece of work with its own books. */
export interface Run extends Books {
  readonly id: string;
  readonly kind: string;
  readonly subject: string;
  /** `planned`: proposed, and not begun before somebody approves it. */
  readonly state: 'planned' | 'open' | 'closed' | 'failed';
  readonly at: number;
  readonly ended: number | null;
  readonly note: string | null;
}

const zero = {
  read: 0,
  total: null,
  open: 0,
  failed: 0,
  parked: 0,
  waiting: 0,
  applied: 0,
  echo: 0,
  unchanged: 0,
  filtered: 0,
  e_opened: 0,
  e_open: 0,
  e_delivered: 0,
  e_already: 0,
  e_superseded: 0,
  e_parked: 0,
  note: null,
};

/** The row of a run that starts now. */
export const openRun = (id: string, kind: string, subject: string, at: number): Operation => ({
  op: 'put',
  table: 'run',
  row: { ...zero, id, kind, subject, state: 'open', at, ended: null },
});

export const runOf = (row: Row): Run => ({
  id: String(row['id']),
  kind: String(row['kind']),
  subject: String(row['subject']),
  state: row['state'] as Run['state'],
  at: Number(row['at']),
  ended: row['ended'] === null ? null : Number(row['ended']),
  note: row['note'] === null ? null : String(row['note']),
  read: Number(row['read']),
  total: row['total'] === null ? null : Number(row['total']),
  open: Number(row['open']),
  items: Object.fromEntries(verdicts.map((name) => [name, Number(row[name])])) as Record<ItemVerdict, number>,
  effects: {
    opened: Number(row['e_opened']),
    open: Number(row['e_open']),
    delivered: Number(row['e_delivered']),
    already: Number(row['e_already']),
    superseded: Number(row['e_superseded']),
    parked: Number(row['e_parked']),
  },
});

const hour = 3_600_000;

/**
 * The run that hooks of this hour, confirming looks and repairs of a lane are booked under; opened when it
 * is first needed. Known ids are kept so that the hot path asks the store once an hour.
 */
export const standingRun = async (
  hub: Hub,
  kind: 'hooks' | 'upkeep',
  lane: string,
  known: Set<string>,
): Promise<string> => {
  const start = Math.floor(hub.now() / hour) * hour;
  const id = `${kind}:${lane}:${new Date(start).toISOString().slice(0, 13)}`;
  if (known.has(id)) return id;
  const open = openRun(id, kind, lane, start);
  await hub.store.commit([{ when: [{ table: 'run', key: { id }, is: null }], write: [open] }]);
  if (known.size > 1000) known.clear();
  known.add(id);
  return id;
};

/** An undo is not done while an object has still to get its former value, whichever run's effect brings it. */
const isOwed = async (hub: Hub, plan: string): Promise<boolean> =>
  (await hub.store.count('plan_item', 'state', { plan, state: 'owed' })) > 0;

/** Closes what has nothing open any more; books that do not balance make the run failed, loudly. */
export const closeRuns = async (hub: Hub): Promise<void> => {
  const rows = await hub.store.list('run', 'state', { where: { state: 'open' }, limit: 500 });
  for (const run of rows.map(runOf)) {
    const standing = run.kind === 'hooks' || run.kind === 'upkeep';
    if (run.open !== 0 || run.effects.open !== 0 || (standing && hub.now() < run.at + hour)) continue;
    if (run.ended === null && !standing) continue;
    if (run.kind === 'undo' && (await isOwed(hub, run.id))) continue;
    const wrong = imbalances(run);
    if (wrong.length > 0) hub.alarm(`run ${run.id}`, wrong.join('; '));
    const row = {
      state: wrong.length > 0 ? 'failed' : 'closed',
      ended: run.ended ?? hub.now(),
      note: wrong.join('; ') || run.note,
    };
    const is = { open: 0, e_open: 0 };
    await hub.store.commit([
      {
        when: [{ table: 'run', key: { id: run.id }, is }],
        write: [{ op: 'set', table: 'run', key: { id: run.id }, row }],
      },
    ]);
  }
};
