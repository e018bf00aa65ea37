/** Syncs that only plan: they read and merge, and write nothing to their remote. Said wherever people may wonder why. */
import type { Config, SyncConfig } from '../config.ts';
import type { Switches } from '../sync/switches.ts';

export interface Planning {
  readonly sync: string;
  /** In words, with what to do. */
  readonly text: string;
}

const planningOf = ({ name, connection, kind, modeGiven }: SyncConfig): Planning => ({
  sync: name,
  text:
    `ONLY PLANNING: sync ${name} reads and merges, and writes nothing to ${connection}/${kind}. See what it would write: crosswalk sync ${name} --plan; ` +
    (modeGiven
      ? 'its file says "mode: plan": say "mode: live" there'
      : `let it write: crosswalk publish ${name}`),
});

/** Those of an entity, or all. Without `switches` (a file alone): those that write only once they are published. */
export const planningSyncs = (
  { syncs }: Pick<Config, 'syncs'>,
  switches?: Pick<Switches, 'isLive'>,
  entity?: string,
): Planning[] =>
  Object.values(syncs)
    .filter((sync) => sync.direction !== 'in' && (entity === undefined || sync.entity === entity))
    .filter((sync) => (switches === undefined ? sync.mode !== 'live' : !switches.isLive(sync)))
    .map(planningOf);
