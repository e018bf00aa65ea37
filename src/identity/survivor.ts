/** Which record of a cluster the others would be merged into. */

/** By which rule: the one created last, the one changed last, the one with the most fields, or one of a named system. */
export type Survivor = 'newest' | 'updated' | 'complete' | { readonly system: string };

/** What the rules ask about a record; times are UTC ms, NaN where unknown. */
export interface Standing {
  readonly created: number;
  readonly updated: number;
  /** Fields that are filled. */
  readonly filled: number;
  readonly systems: readonly string[];
  readonly id: string;
}

/** Unknown counts as least. */
const number = (value: number): number => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value);

const rank = (one: Standing, rule: Survivor): number => {
  if (rule === 'newest') return number(one.created);
  if (rule === 'updated') return number(one.updated);
  if (rule === 'complete') return one.filled;
  return one.systems.includes(rule.system) ? 1 : 0;
};

/**
 * The index of the survivor: by the rule, then the most complete, the latest change, the last creation, and the
 * lowest id; so that the same records in any order have the same survivor.
 */
export const survivorOf = (standings: readonly Standing[], rule: Survivor): number => {
  const rules: Survivor[] = [rule, 'complete', 'updated', 'newest'];
  let best = 0;
  for (const [i, one] of standings.entries()) {
    const champion = standings[best];
    if (champion === undefined || i === 0) continue;
    const by = rules.find((each) => rank(one, each) !== rank(champion, each));
    if (by === undefined ? one.id < champion.id : rank(one, by) > rank(champion, by)) best = i;
  }
  return best;
};
