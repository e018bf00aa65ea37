/**
 * The first reading of a lane: what a system held before it was connected. Creates wait for its end, or the
 * same person filed on both sides long ago would be doubled on both.
 */
import type { Operation } from '../store/store.ts';
import type { Hub, Sync } from './hub.ts';

const keyOf = (lane: string): { lane: string } => ({ lane: `first:${lane}` });

/** The write that remembers the first reading, and the run that counts its items; null if it is known already. */
export const firstRead = async (hub: Hub, lane: string, run: string | null): Promise<Operation | null> => {
  const key = keyOf(lane);
  if ((await hub.store.get('cursor', key)) !== undefined) return null;
  const now = hub.now();
  return { op: 'put', table: 'cursor', row: { ...key, since: now, until: now, page: null, run } };
};

/** True once everything that the system held at first has been read; it may still wait to be taken in. */
export const isRead = async (hub: Hub, { lane, kind }: Sync): Promise<boolean> =>
  (kind.scan === undefined && kind.changes === undefined) ||
  (await hub.store.get('cursor', keyOf(lane))) !== undefined;

/** True once everything that the system held at first has been read and taken in; for good. */
export const isTakenIn = async (hub: Hub, { lane, kind }: Sync): Promise<boolean> => {
  if (hub.mutation === 'create-unread') return true;
  if (kind.scan === undefined && kind.changes === undefined) return true;
  const first = await hub.store.get('cursor', keyOf(lane));
  if (first === undefined) return false;
  if (first['run'] === null) return true;
  const run = await hub.store.get('run', { id: String(first['run']) });
  if (run !== undefined && run['open'] !== 0) return false;
  // Later passes need not ask for the run any more.
  await hub.store.commit([
    { when: [], write: [{ op: 'put', table: 'cursor', row: { ...first, run: null } }] },
  ]);
  return true;
};
