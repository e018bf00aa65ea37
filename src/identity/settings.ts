/** What an installation may say about the search for duplicates of an entity, and what holds where it is silent. */
import { usualThresholds, type Thresholds } from './clusters.ts';
import type { SortName } from './sorts.ts';
import type { Survivor } from './survivor.ts';

/** As it stands in the configuration. */
export interface DedupeSource {
  readonly fields?: Readonly<Record<string, SortName>>;
  readonly thresholds?: { readonly review?: number; readonly propose?: number; readonly automatic?: number };
  readonly survivor?: Survivor;
}

export interface DedupeSettings {
  /** Sorts by field; null: guessed from the entity. */
  readonly fields: Readonly<Record<string, SortName>> | null;
  readonly thresholds: Thresholds;
  readonly survivor: Survivor;
}

export const dedupeSettings = (source: DedupeSource = {}): DedupeSettings => ({
  fields: source.fields ?? null,
  thresholds: { ...usualThresholds, ...source.thresholds },
  survivor: source.survivor ?? 'complete',
});

/** What is wrong with thresholds, as the rest of a sentence that starts with them; null if nothing is. */
export const thresholdFault = ({ review, propose, automatic }: Thresholds): string | null => {
  const all = [review, propose, ...(automatic === null ? [] : [automatic])];
  if (!all.every((one) => one > 0 && one < 1)) return 'are not all between 0 and 1';
  if (propose < review) return `propose (${propose}) from below what is shown for review (${review})`;
  if (automatic !== null && automatic < propose)
    return `merge automatically (${automatic}) from below what is proposed (${propose})`;
  return null;
};
