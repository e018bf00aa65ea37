import type { Setup } from '../../src/simulate/options.ts';

/**
 * Seeds that once failed, with what was wrong. A course moves when the simulator changes: a seed then tests another
 * one, which costs little, and the bug has a test of its own besides.
 */
export const onceFailed: readonly (Pick<Setup, 'steps'> & {
  readonly seed: number;
  readonly what: string;
})[] = [
  { seed: 1, steps: 300, what: 'a sync could not go on above its budget a second time' },
  { seed: 9, steps: 300, what: 'a poll whose place the remote had lost was never finished' },
  { seed: 39, steps: 400, what: 'a crash behind the last page left a run open, and its writes waiting' },
  { seed: 73, steps: 400, what: 'the same in a system that was still to be read' },
  { seed: 98, steps: 400, what: 'the same' },
  {
    seed: 17,
    steps: 400,
    what: 'the oracle took a value that was typed again later for the one taken before',
  },
  {
    seed: 2006,
    steps: 500,
    what: 'the oracle took an edit that was undone for one that a deletion overrode',
  },
  { seed: 2069, steps: 500, what: 'a refused field was tried anew, and lineage did not say so' },
  {
    seed: 2099,
    steps: 500,
    what: 'an undo emptied a place of its own while a write to another was unsettled',
  },
  { seed: 3009, steps: 500, what: 'the same' },
  {
    seed: 120,
    steps: 500,
    what: 'what was being written when records were taken apart was never taken back',
  },
  { seed: 716, steps: 500, what: 'that a person had decided for nothing was not written' },
  { seed: 844, steps: 500, what: 'a sync could not go on above its budget by the run' },
  { seed: 1049, steps: 500, what: 'the oracle took a merge of records for no dispute' },
  {
    seed: 3020,
    steps: 500,
    what: 'an object that was gone when records were taken apart came back with a value of the other',
  },
  { seed: 3042, steps: 500, what: 'an object that showed what neither record had taken was not held' },
  {
    seed: 5243,
    steps: 500,
    what: 'a value that came back after both sides had left it was taken for our own',
  },
  { seed: 6412, steps: 500, what: 'what was held for being empty was written over after a merge' },
  {
    seed: 7416,
    steps: 500,
    what: 'a record whose object was merged into that of another was to be made anew',
  },
  {
    seed: 140,
    steps: 500,
    what: 'the oracle forgot whose object had brought what a record was taken out with before',
  },
  { seed: 2258, steps: 500, what: 'the oracle took two spellings of one element for one' },
  { seed: 2329, steps: 500, what: 'the oracle knew of no unguarded window for a new row' },
  { seed: 7547, steps: 500, what: 'what was linked by the key of a merged record did not go back with it' },
  { seed: 5037, steps: 500, what: 'what a look had met was held because its object had come back' },
  { seed: 5097, steps: 500, what: 'an undo emptied what had been in question since it was filed' },
  { seed: 1767, steps: 500, what: 'a create was repeated though what it stood for had been restored' },
  { seed: 2340, steps: 500, what: 'what was held before there was an object stayed when one came back' },
  { seed: 2933, steps: 500, what: 'the oracle asked only the last of the records of which an object was' },
  { seed: 3635, steps: 500, what: 'that a list was not as a create had asked was told nowhere' },
  {
    seed: 3976,
    steps: 500,
    what: 'another spelling of what was written was newer than what a person had typed',
  },
  { seed: 7093, steps: 500, what: 'an undo emptied a place that had held what it was filed with until then' },
  { seed: 4202, steps: 500, what: 'the oracle took what went to the other of two records for made twice' },
  { seed: 4255, steps: 500, what: 'a late hook was taken for proof that a write had not happened' },
  { seed: 4527, steps: 500, what: 'an object that came in the place of another was taken for known' },
  { seed: 7954, steps: 500, what: 'what was taken for a create was newer than what a person had typed' },
  { seed: 8685, steps: 500, what: 'a record was made anew where its object had been merged away meanwhile' },
  { seed: 9603, steps: 500, what: 'a late state confirmed what was written after it' },
  { seed: 1998, steps: 500, what: 'the oracle took what a person had decided for an undo' },
  { seed: 6650, steps: 500, what: 'a key went to a record that gave it up in the same moment' },
  { seed: 8391, steps: 500, what: 'the oracle missed a cell that was gone when its row was first seen' },
  { seed: 40, steps: 500, what: 'the oracle took a place that was filed empty for an edit' },
  { seed: 671, steps: 500, what: 'the oracle asked polls for what the first scan had hidden' },
];
