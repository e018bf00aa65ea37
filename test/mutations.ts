import type { Mutation } from '../src/sync/hub.ts';

/**
 * The ways in which the engine was broken on purpose, by the promise of the design that each breaks, with a seed from
 * which on one is known to catch it. A seed goes stale when the simulator's course changes: look for another with
 * `npm run simulate -- --mutation M --seeds 100 --steps 300 --no-shrink`.
 */
export const knownMutations: readonly {
  readonly mutation: Mutation;
  /** `P1` … of the design's promises; `identity`, `deletion` and `undo` are of its section 2. */
  readonly promise: string;
  readonly seed: number;
  readonly steps: number;
  readonly systems?: number;
}[] = [
  { mutation: 'ack-before-commit', promise: 'P1', seed: 2, steps: 300 },
  { mutation: 'call-not-on-disk', promise: 'P2', seed: 1, steps: 60 },
  { mutation: 'commit-unconditionally', promise: 'P3', seed: 3, steps: 300 },
  { mutation: 'shadow-as-asked', promise: 'P4', seed: 112, steps: 300 },
  { mutation: 'silent-polls', promise: 'P5', seed: 2, steps: 120 },
  { mutation: 'uncounted-echoes', promise: 'P6', seed: 1, steps: 120 },
  { mutation: 'drop-refused', promise: 'P7', seed: 13, steps: 300 },
  { mutation: 'cursor-early', promise: 'P8', seed: 58, steps: 300 },
  { mutation: 'one-shadow', promise: 'P9', seed: 4, steps: 120 },
  { mutation: 'no-look-before-write', promise: 'P9', seed: 33, steps: 120 },
  { mutation: 'newest-by-stamp', promise: 'P9', seed: 11, steps: 300 },
  { mutation: 'read-back-wholesale', promise: 'P10', seed: 21, steps: 300 },
  { mutation: 'no-damping', promise: 'P10', seed: 2, steps: 120 },
  { mutation: 'close-without-equal', promise: 'P10', seed: 2, steps: 120 },
  { mutation: 'no-catch-up', promise: 'P10', seed: 2, steps: 120 },
  { mutation: 'blind-create-retry', promise: 'identity', seed: 3, steps: 300 },
  { mutation: 'forget-crashed-calls', promise: 'identity', seed: 696, steps: 400, systems: 2 },
  { mutation: 'create-unread', promise: 'identity', seed: 47, steps: 120 },
  { mutation: 'absent-is-gone', promise: 'deletion', seed: 16, steps: 300 },
  { mutation: 'no-grace', promise: 'deletion', seed: 19, steps: 300 },
  { mutation: 'remove-unlooked', promise: 'deletion', seed: 57, steps: 300 },
  { mutation: 'remove-contested', promise: 'deletion', seed: 100, steps: 300 },
  { mutation: 'create-deleted', promise: 'deletion', seed: 1, steps: 300 },
  { mutation: 'keys-of-deleted', promise: 'deletion', seed: 2, steps: 300 },
  { mutation: 'undo-later-edits', promise: 'undo', seed: 3, steps: 120 },
  { mutation: 'whole-lists', promise: 'P9', seed: 19, steps: 300 },
  { mutation: 'merge-under-way', promise: 'identity', seed: 20, steps: 300 },
  { mutation: 'unmerge-later-edits', promise: 'identity', seed: 13, steps: 300 },
  { mutation: 'apart-ignored', promise: 'identity', seed: 41, steps: 300 },
];
