import type { Mutation } from '../src/sync/hub.ts';

/**
 * The ways in which the engine was broken on purpose, each with a seed that is known to catch it. A seed
 * goes stale when the simulator's course changes: look for another with
 * `npm run simulate -- --mutation M --seeds 100 --steps 300`.
 */
export const knownMutations: readonly {
  readonly mutation: Mutation;
  readonly seed: number;
  readonly steps: number;
}[] = [
  { mutation: 'one-shadow', seed: 2, steps: 120 },
  { mutation: 'read-back-wholesale', seed: 16, steps: 120 },
  { mutation: 'blind-create-retry', seed: 2, steps: 300 },
  { mutation: 'no-damping', seed: 1, steps: 120 },
  { mutation: 'cursor-early', seed: 21, steps: 300 },
  { mutation: 'close-without-equal', seed: 1, steps: 120 },
  { mutation: 'no-look-before-write', seed: 34, steps: 120 },
  { mutation: 'ack-before-commit', seed: 1, steps: 300 },
  { mutation: 'forget-crashed-calls', seed: 62, steps: 300 },
  { mutation: 'drop-refused', seed: 15, steps: 300 },
  { mutation: 'newest-by-stamp', seed: 27, steps: 300 },
  { mutation: 'create-unread', seed: 28, steps: 300 },
  { mutation: 'no-catch-up', seed: 1, steps: 120 },
  { mutation: 'undo-later-edits', seed: 5, steps: 120 },
  { mutation: 'absent-is-gone', seed: 17, steps: 300 },
  { mutation: 'no-grace', seed: 31, steps: 300 },
  { mutation: 'remove-unlooked', seed: 31, steps: 300 },
  { mutation: 'remove-contested', seed: 110, steps: 300 },
  { mutation: 'create-deleted', seed: 3, steps: 300 },
  { mutation: 'keys-of-deleted', seed: 3, steps: 300 },
  { mutation: 'merge-under-way', seed: 8, steps: 300 },
  { mutation: 'unmerge-later-edits', seed: 3, steps: 300 },
  { mutation: 'apart-ignored', seed: 11, steps: 300 },
];
