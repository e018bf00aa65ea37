/**
 * Which records are one thing: connected components of the pairs at the threshold. A chain is not believed, A like
 * B and B like C say nothing of A and C: every pair within a cluster is scored, and one that holds a pair below the
 * review threshold, or two values that prove two things, is for a person.
 */
import { bitsOf, probabilityOf } from './model.ts';
import type { Pairs, Scorer } from './score.ts';

/** Probabilities. From `review` on a pair is shown, from `propose` on it is proposed; null: nothing merges by itself. */
export interface Thresholds {
  readonly review: number;
  readonly propose: number;
  readonly automatic: number | null;
}

export const usualThresholds: Thresholds = { review: 0.85, propose: 0.92, automatic: null };

export type Decision = 'automatic' | 'propose' | 'review';

/** What may be done with a pair of so many bits; `proof`: a field proves the two to be different. */
export const decide = (bits: number, proof: boolean, thresholds: Thresholds): Decision | 'apart' => {
  const probability = probabilityOf(bits);
  if (probability < thresholds.review) return 'apart';
  if (proof || probability < thresholds.propose) return 'review';
  return thresholds.automatic !== null && probability >= thresholds.automatic ? 'automatic' : 'propose';
};

export interface Cluster {
  /** Records by number, in ascending order. */
  readonly members: Uint32Array;
  readonly decision: Decision;
  /** Why it is for a person: `chain`, `proof` (two values that prove two things), or `large`; null if it is not. */
  readonly why: 'chain' | 'proof' | 'large' | null;
  /** The pair that decided: the weakest, or the one with the proof; null in one that is too large to be looked through. */
  readonly pair: { readonly a: number; readonly b: number; readonly bits: number } | null;
}

/** Members of a cluster whose pairs are all scored: 100 have 4,950 pairs. */
const mostMembers = 100;

/** By record: the root of its component (union by the lower number, with path halving: Tarjan and van Leeuwen 1984). */
const componentsOf = (size: number, { a, b, bits }: Pairs, least: number): Uint32Array => {
  const parent = Uint32Array.from({ length: size }, (_, i) => i);
  const root = (record: number): number => {
    let at = record;
    for (let up = parent[at] ?? at; up !== at; up = parent[at] ?? at) {
      parent[at] = parent[up] ?? up;
      at = parent[at] ?? at;
    }
    return at;
  };
  for (let i = 0; i < a.length; i += 1) {
    if ((bits[i] ?? 0) < least) continue;
    const [one, other] = [root(a[i] ?? 0), root(b[i] ?? 0)];
    parent[Math.max(one, other)] = Math.min(one, other);
  }
  return parent.map((_, record) => root(record));
};

const judge = (members: Uint32Array, scorer: Scorer, thresholds: Thresholds): Omit<Cluster, 'members'> => {
  if (members.length > mostMembers) return { decision: 'review', why: 'large', pair: null };
  let weakest: Cluster['pair'] = null;
  for (const [i, a] of members.entries()) {
    for (const b of members.subarray(i + 1)) {
      const bits = scorer.bits(a, b);
      if (scorer.comparer.proof(a, b) >= 0) return { decision: 'review', why: 'proof', pair: { a, b, bits } };
      if (weakest === null || bits < weakest.bits) weakest = { a, b, bits };
    }
  }
  const bits = weakest?.bits ?? 0;
  if (bits < bitsOf(thresholds.review)) return { decision: 'review', why: 'chain', pair: weakest };
  const { automatic } = thresholds;
  const isCertain = automatic !== null && bits >= bitsOf(automatic);
  return { decision: isCertain ? 'automatic' : 'propose', why: null, pair: weakest };
};

/** Clusters of two and more among `size` records, in the order of their first records. */
export const clustersOf = (size: number, pairs: Pairs, scorer: Scorer, thresholds: Thresholds): Cluster[] => {
  const roots = componentsOf(size, pairs, bitsOf(thresholds.propose));
  const sizes = new Uint32Array(size);
  for (const root of roots) sizes[root] = (sizes[root] ?? 0) + 1;
  const members = new Map<number, Uint32Array>();
  const filled = new Uint32Array(size);
  for (let record = 0; record < size; record += 1) {
    const root = roots[record] ?? 0;
    const count = sizes[root] ?? 0;
    if (count < 2) continue;
    const list = members.get(root) ?? new Uint32Array(count);
    const at = filled[root] ?? 0;
    list[at] = record;
    filled[root] = at + 1;
    if (at === 0) members.set(root, list);
  }
  return [...members.values()].map((list) => ({ members: list, ...judge(list, scorer, thresholds) }));
};
