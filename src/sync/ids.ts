/**
 * The guard of ids: changes of key fields that were filled, and placeholders that were to overwrite them, are counted by
 * sync. More than so many in 24 hours is no day's work but an accident: all writing stops, and the alarm names the source.
 */
import type { Entry } from '../merge/record.ts';
import { isEmpty } from '../merge/record.ts';
import type { Draft } from './draft.ts';
import type { Hub, Sync } from './hub.ts';
import { forgive, spend, spent } from './quota.ts';

const counter = (sync: string): string => `ids:${sync}`;

/** True for a change of an id that was there, and for a placeholder that was kept from taking its place. */
const isIdChange = (sync: Sync, { field, verdict, before, theirs, rule = '' }: Entry): boolean => {
  if (!sync.rules(field).key) return false;
  if (verdict === 'took') return !isEmpty(before);
  // Where nothing stood, nothing would have been overwritten.
  return (
    theirs !== undefined && rule === 'placeholder' && (verdict === 'restored' || verdict === 'overruled')
  );
};

/** Counts what a look did to ids, in its own commit. */
export const spendIds = async (draft: Draft, sync: Sync, entries: readonly Entry[]): Promise<void> => {
  const n = entries.filter((one) => isIdChange(sync, one)).length;
  if (n > 0) await spend(draft, counter(sync.name), n);
};

/** What to tell people if the guard trips; null if it does not. */
export const tooManyIds = async (
  hub: Hub,
  syncs: ReadonlySet<string>,
  most: number,
): Promise<string | null> => {
  if (most === 0) return null;
  const counts: [string, number][] = [];
  for (const sync of syncs) counts.push([sync, await spent(hub, counter(sync))]);
  const sum = counts.reduce((total, [, n]) => total + n, 0);
  if (sum <= most) return null;
  const from = counts
    .filter(([, n]) => n > 0)
    .toSorted(([, a], [, b]) => b - a)
    .map(
      ([sync, n]) =>
        `${n.toLocaleString('en')} from sync ${sync} (connection ${hub.syncs.get(sync)?.connection ?? sync})`,
    );
  return `all writing is stopped: ${sum.toLocaleString('en')} ids were changed, or were to be overwritten with placeholders, in 24 hours, and ${most.toLocaleString('en')} are allowed: ${from.join(', ')}. Look at what came (crosswalk runs, trace), undo it if need be (crosswalk undo), then: crosswalk resume all`;
};

/** A person has looked: the count begins anew. */
export const forgiveIds = async (hub: Pick<Hub, 'store'>, syncs: Iterable<string>): Promise<void> => {
  for (const sync of syncs) await forgive(hub, counter(sync));
};
