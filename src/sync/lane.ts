/**
 * What the lanes of a gateway are called: `in:<connection>/<kind>` (touches),
 * `out:<sync>` (effects), `catch-up:<sync>` (what it missed before it wrote), `route:<sync>` (what nobody has claimed), `poll:` and `sweep:<connection>/<kind>` (on their schedules),
 * `arrived` (what references
 * waited for), `alike` (which records are like those that changed), `notices` (transitions to messages), `say:<connection>` (messages out), `undo` (undos that are
 * under way), `backup`, `expiry` (what ends soon), `upkeep` (books, pruning).
 */
import { Cron } from 'croner';
import type { NoticeConfig, SyncConfig } from '../config.ts';
import type { Schedule } from '../config-check.ts';
import { alikeLane } from './alike.ts';
import type { Hub, Sync } from './hub.ts';
import { arrivedLane } from './relations.ts';
import { routeLane } from './route.ts';

/** What decides which lanes there are. */
export interface LaneSources {
  readonly hub: Pick<Hub, 'syncs'>;
  readonly notices: readonly NoticeConfig[];
  readonly alarmsTo?: string | undefined;
  readonly syncs: readonly SyncConfig[];
  /** By their names: lanes that concern no sync. */
  readonly chores?: Readonly<Record<string, unknown>> | undefined;
}

export const laneNames = ({ hub, notices, alarmsTo, syncs, chores }: LaneSources): string[] => {
  const lanes = [...new Set(syncs.map((sync) => `${sync.connection}/${sync.kind}`))];
  const alarms = alarmsTo === undefined ? [] : [alarmsTo];
  const speakers = [...new Set([...notices.map((notice) => notice.to), ...alarms])];
  return [
    ...lanes.map((lane) => `in:${lane}`),
    ...syncs.flatMap((sync) => [`out:${sync.name}`, `catch-up:${sync.name}`]),
    ...syncs.filter((sync) => routesLater(hub.syncs.get(sync.name))).map((sync) => routeLane(sync.name)),
    ...lanes.flatMap((lane) => [`sweep:${lane}`, `poll:${lane}`]),
    ...(notices.length > 0 ? ['notices'] : []),
    ...speakers.map((name) => `say:${name}`),
    ...([...hub.syncs.values()].some((sync) => sync.lens.references.size > 0) ? [arrivedLane] : []),
    ...Object.keys(chores ?? {}),
    alikeLane,
    'undo',
    'upkeep',
  ];
};

/** Lanes whose passes read from or write to a remote's objects, or decide what is to be written. */
export const movesData: ReadonlySet<string> = new Set(['in', 'out', 'catch-up', 'route', 'poll', 'sweep']);

/** Lanes that are named for a sync; the others for a connection. */
export const ofSync: ReadonlySet<string> = new Set(['out', 'catch-up', 'route']);

const routesLater = (sync: Sync | undefined): boolean => {
  const router = sync?.lens.router;
  return router?.fields.some((field) => router.rule(field).unclaimed !== undefined) ?? false;
};

export const split = (lane: string): [string, string?] => {
  const at = lane.indexOf(':');
  return at < 0 ? [lane] : [lane.slice(0, at), lane.slice(at + 1)];
};

export const nextTime = (schedule: Schedule, now: number): number => {
  if ('every' in schedule) return now + schedule.every;
  return new Cron(schedule.cron).nextRun(new Date(now))?.getTime() ?? now + 86_400_000;
};
