/**
 * Syncs that are held: their mapping does not fit the remote, so they take nothing in and write nothing. Where all of a
 * lane are, its touches wait. Where others go on, their passes end touches that the held ones need too; that is
 * remembered on disk, and once they are free a sweep makes up for it.
 */
import type { Row } from '../store/schema.ts';
import { syncsOfLane, type Hub, type Sync } from './hub.ts';
import { settingsUnder } from './switches.ts';

const prefix = 'missed:';
const nameOf = (row: Row): string => String(row['name']).slice(prefix.length);

const heldOf = (hub: Hub, lane: string): Sync[] =>
  [...hub.syncs.values()].filter((sync) => sync.lane === lane && hub.isHeld?.(sync.name) === true);

/** The syncs for which a pass over a lane's touches is made; what the others miss by it is remembered before. */
export const takingIn = async (hub: Hub, lane: string): Promise<Sync[]> => {
  const free = syncsOfLane(hub, lane);
  const held = heldOf(hub, lane);
  if (held.length === 0 || free.length === 0) return free;
  // A kind that cannot be read whole has no way to make up for a touch that is gone: they wait together.
  if (free[0]?.kind.scan === undefined) return [];
  for (const { name } of held) {
    const key = { name: prefix + name };
    if ((await hub.store.get('setting', key)) !== undefined) continue;
    const row = { ...key, value: {}, at: hub.now(), by: 'crosswalk' };
    await hub.store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
  }
  return free;
};

/** Lanes that are to be swept because a sync of theirs missed something, and is free again. */
export const lanesBehind = async (hub: Hub): Promise<ReadonlySet<string>> => {
  const names = (await settingsUnder(hub.store, prefix)).map(nameOf);
  const free = names.filter((name) => hub.isHeld?.(name) !== true);
  return new Set(free.flatMap((name) => hub.syncs.get(name)?.lane ?? []));
};

/** A lane was swept: its syncs that are free have caught up. */
export const madeUp = async (hub: Hub, lane: string): Promise<void> => {
  const free = new Set(syncsOfLane(hub, lane).map((sync) => sync.name));
  const rows = (await settingsUnder(hub.store, prefix)).filter((row) => free.has(nameOf(row)));
  if (rows.length === 0) return;
  await hub.store.commit([
    {
      when: [],
      write: rows.map((row) => ({ op: 'delete', table: 'setting', key: { name: String(row['name']) } })),
    },
  ]);
};
