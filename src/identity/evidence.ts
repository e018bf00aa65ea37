/** What a table shows before anything is learnt: how its candidates agree, and how pairs do that were drawn by chance. */
import type { Blocks } from './blocks.ts';
import { Comparer } from './compare.ts';
import type { Evidence } from './fit.ts';
import { randomFrom } from './random.ts';
import { levelCount } from './rivals.ts';
import { EXACT, MISSING } from './sort.ts';
import { allPairs, type Table } from './table.ts';

/** Told now and then: what is being done, and how far it is. */
export type Progress = (what: string, done: number, of: number) => void;

/**
 * Random pairs that are looked at for the levels below exact. 8,000 would save a twentieth of the time of 10,000
 * records, and cost some recall among people (0.05 of 99.5 %).
 */
const randomPairs = 20_000;
/** Candidates that are compared to learn from; of more, a part is drawn. */
const mostToLearn = 250_000;

/** The share of all pairs, both filled, that agree exactly: counted, since it is far too small to be drawn. */
const exactRate = ({ columns, size, split }: Table, field: number): number => {
  const column = columns[field];
  if (column === undefined) return 0;
  const { counts, form } = column;
  let agreeing = 0;
  if (split === size) {
    const filled = size - (counts[0] ?? 0);
    for (const count of counts.subarray(1)) agreeing += (count * (count - 1)) / 2;
    return filled > 1 ? agreeing / ((filled * (filled - 1)) / 2) : 0;
  }
  const first = new Uint32Array(counts.length);
  for (const id of form.subarray(0, split)) first[id] = (first[id] ?? 0) + 1;
  for (let id = 1; id < counts.length; id += 1)
    agreeing += (first[id] ?? 0) * ((counts[id] ?? 0) - (first[id] ?? 0));
  const [here, there] = [split - (first[0] ?? 0), size - split - ((counts[0] ?? 0) - (first[0] ?? 0))];
  return here > 0 && there > 0 ? agreeing / (here * there) : 0;
};

/** Rates of levels among random pairs, drawn from `order` so that they do not depend on where records stand. */
const randomRates = (
  table: Table,
  order: Uint32Array,
  comparer: Comparer,
): Pick<Evidence, 'random' | 'seen'> => {
  const { size, split } = table;
  const random = table.fields.map(() => new Float64Array(levelCount));
  const pick = randomFrom(20_260_102);
  const wanted = Math.min(randomPairs, allPairs(table) * 2);
  for (let n = 0; n < wanted; n += 1) {
    const x = pick.below(split);
    const y = split < size ? split + pick.below(size - split) : pick.below(size);
    if (x === y) continue;
    const a = order[x] ?? 0;
    const b = order[y] ?? 0;
    for (let field = 0; field < random.length; field += 1) {
      const row = random[field];
      const level = comparer.level(field, a, b);
      if (row !== undefined) row[level] = (row[level] ?? 0) + 1;
    }
  }
  const seen = random.map((row) => row.reduce((sum, one, level) => sum + (level === MISSING ? 0 : one), 0));
  for (const [field, row] of random.entries()) {
    const exact = exactRate(table, field);
    const below = row.reduce((sum, one, level) => sum + (level === MISSING || level === EXACT ? 0 : one), 0);
    for (let level = MISSING + 1; level < EXACT; level += 1)
      row[level] = ((row[level] ?? 0) / Math.max(1, below)) * (1 - exact);
    row[MISSING] = 0;
    row[EXACT] = exact;
  }
  return { random, seen };
};

/** Most fields: the levels of a pair are one number of base `levelCount`, and exact up to 2^53. */
export const mostFields = 16;

const unpacked = (
  found: ReadonlyMap<number, number>,
  width: number,
): Pick<Evidence, 'patterns' | 'counts'> => {
  const patterns = new Uint8Array(found.size * width);
  const counts = new Float64Array(found.size);
  // In one order whatever the order of the records was: sums of floating point depend on it.
  for (const [at, [pattern, count]] of [...found].sort(([a], [b]) => a - b).entries()) {
    counts[at] = count;
    let rest = pattern;
    for (let field = width - 1; field >= 0; field -= 1) {
      patterns[at * width + field] = rest % levelCount;
      rest = Math.floor(rest / levelCount);
    }
  }
  return { patterns, counts };
};

/** What was seen, and by candidate in the order of the blocks the levels of its fields; null where a part was drawn. */
export interface Seen {
  readonly evidence: Evidence;
  readonly levels: Uint8Array | null;
}

/** Compares candidates, or a drawn part of them, and random pairs. */
export const evidenceOf = (table: Table, order: Uint32Array, blocks: Blocks, tell: Progress): Seen => {
  const comparer = new Comparer(table);
  const width = table.fields.length;
  const total = blocks.count();
  const every = Math.max(1, Math.ceil(total / mostToLearn));
  const rank = new Uint32Array(every === 1 ? 0 : table.size);
  for (let at = 0; at < rank.length; at += 1) rank[order[at] ?? 0] = at;
  const isDrawn = (a: number, b: number): boolean => {
    if (every === 1) return true;
    const [one, other] = [rank[a] ?? 0, rank[b] ?? 0];
    const hash = Math.imul(Math.min(one, other), 0x9e3779b1) ^ Math.imul(Math.max(one, other), 0x85ebca6b);
    return (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 8) % every === 0;
  };
  const found = new Map<number, number>();
  const levels = every === 1 ? new Uint8Array(total * width) : null;
  let done = 0;
  blocks.each((a, b) => {
    const at = done * width;
    done += 1;
    if ((done & 0xffff) === 0) tell('learning', done, total);
    if (!isDrawn(a, b)) return;
    let pattern = 0;
    for (let field = 0; field < width; field += 1) {
      const level = comparer.level(field, a, b);
      pattern = pattern * levelCount + level;
      if (levels !== null) levels[at + field] = level;
    }
    found.set(pattern, (found.get(pattern) ?? 0) + every);
  });
  const random = randomRates(table, order, comparer);
  const evidence = { ...unpacked(found, width), ...random, pairs: allPairs(table), records: table.size };
  return { evidence, levels };
};
