/** Candidates: the pairs that agree in all keys of a pass, each once, in one order. */
import { hashesOf, joined, type Pass, type Piece } from './passes.ts';
import type { Table } from './table.ts';

/** Most records in one block: pairs in it grow with the square. */
export const mostInBlock = 100;

export interface PassReport {
  /** Names of the fields whose keys the pass combines. */
  readonly fields: readonly string[];
  /** Pairs that no earlier pass brings; known once they were counted. */
  pairs: number;
  readonly blocks: number;
  /** Blocks with more than `mostInBlock` records: parted by further fields, or left out with so many records. */
  readonly split: number;
  readonly dropped: number;
  readonly droppedRecords: number;
}

export interface Blocks {
  readonly reports: readonly PassReport[];
  /** Calls for each candidate pair, once, always in the same order; the lower record first. */
  each(visit: (a: number, b: number) => void): void;
  /** How many candidates there are. */
  count(): number;
}

/** By record: a block's number from 1; 0 where the record is in none. */
type BlockOf = Uint32Array;

/** Numbers the distinct hashes; hash 0 is block 0. Returns how many there are. */
const numbered = (hashes: Uint32Array, blockOf: BlockOf, records: Uint32Array, from: number): number => {
  let bits = 10;
  while (1 << bits < records.length * 2) bits += 1;
  const mask = (1 << bits) - 1;
  const keys = new Uint32Array(mask + 1);
  const numbers = new Uint32Array(mask + 1);
  let next = from;
  for (const record of records) {
    const hash = hashes[record] ?? 0;
    if (hash === 0) {
      blockOf[record] = 0;
      continue;
    }
    let at = Math.imul(hash, 0x9e3779b1) >>> (32 - bits);
    while (keys[at] !== 0 && keys[at] !== hash) at = (at + 1) & mask;
    if (keys[at] === 0) {
      keys[at] = hash;
      next += 1;
      numbers[at] = next;
    }
    blockOf[record] = numbers[at] ?? 0;
  }
  return next;
};

const sizesOf = (blockOf: BlockOf, count: number): Uint32Array => {
  const sizes = new Uint32Array(count + 1);
  for (const block of blockOf) sizes[block] = (sizes[block] ?? 0) + 1;
  sizes[0] = 0;
  return sizes;
};

const recordHashes = (table: Table, pieces: readonly Piece[]): Uint32Array => {
  const hashes = new Uint32Array(table.size);
  for (const [i, piece] of pieces.entries()) {
    const own = hashesOf(table, piece);
    const form = table.columns[piece.field]?.form ?? new Uint32Array(table.size);
    for (let record = 0; record < hashes.length; record += 1) {
      const hash = own[form[record] ?? 0] ?? 0;
      hashes[record] = i === 0 ? hash : joined(hashes[record] ?? 0, hash);
    }
  }
  return hashes;
};

interface Made {
  readonly blockOf: BlockOf;
  readonly report: PassReport;
}

/** Whole keys of the other fields, the most telling first: by these a block that is too large is parted. */
const partingPieces = (table: Table, pass: Pass): Piece[] =>
  table.fields
    .map((_, field): Piece => ({ field, key: 0 }))
    .filter(({ field }) => !pass.some((piece) => piece.field === field))
    .sort(
      (a, b) => (table.columns[b.field]?.counts.length ?? 0) - (table.columns[a.field]?.counts.length ?? 0),
    )
    .slice(0, 3);

const makePass = (table: Table, pass: Pass): Made => {
  const hashes = recordHashes(table, pass);
  const blockOf = new Uint32Array(table.size);
  const everyone = Uint32Array.from({ length: table.size }, (_, i) => i);
  let blocks = numbered(hashes, blockOf, everyone, 0);
  let sizes = sizesOf(blockOf, blocks);
  const tooLarge = sizes.reduce((sum, size) => sum + (size > mostInBlock ? 1 : 0), 0);
  let crowd = everyone.filter((record) => (sizes[blockOf[record] ?? 0] ?? 0) > mostInBlock);
  for (const piece of partingPieces(table, pass)) {
    if (crowd.length === 0) break;
    const own = hashesOf(table, piece);
    const form = table.columns[piece.field]?.form ?? new Uint32Array(table.size);
    for (const record of crowd) {
      const hash = own[form[record] ?? 0] ?? 0;
      // Whoever has nothing to be told apart by stays with the others of the kind.
      hashes[record] = joined(hashes[record] ?? 0, hash === 0 ? 1 : hash);
    }
    blocks = numbered(hashes, blockOf, crowd, blocks);
    sizes = sizesOf(blockOf, blocks);
    crowd = crowd.filter((record) => (sizes[blockOf[record] ?? 0] ?? 0) > mostInBlock);
  }
  const dropped = new Set<number>();
  for (const record of crowd) {
    dropped.add(blockOf[record] ?? 0);
    blockOf[record] = 0;
  }
  const report = {
    fields: pass.map(({ field }) => table.fields[field]?.name ?? ''),
    pairs: 0,
    blocks: sizes.reduce((sum, size) => sum + (size > 1 ? 1 : 0), 0) - dropped.size,
    split: tooLarge,
    dropped: dropped.size,
    droppedRecords: crowd.length,
  };
  return { blockOf, report };
};

/** Records in the order of their blocks, and where each block begins. */
const inOrder = (blockOf: BlockOf): { order: Uint32Array; starts: Uint32Array } => {
  let count = 0;
  for (const block of blockOf) if (block > count) count = block;
  const starts = new Uint32Array(count + 2);
  for (const block of blockOf) starts[block + 1] = (starts[block + 1] ?? 0) + 1;
  for (let block = 1; block < starts.length; block += 1)
    starts[block] = (starts[block] ?? 0) + (starts[block - 1] ?? 0);
  const next = starts.slice();
  const order = new Uint32Array(blockOf.length);
  for (let record = 0; record < blockOf.length; record += 1) {
    const block = blockOf[record] ?? 0;
    const at = next[block] ?? 0;
    order[at] = record;
    next[block] = at + 1;
  }
  return { order, starts };
};

/** Finds the blocks of every pass. What an oversized block leaves out stands in the pass's report. */
export const blocksOf = (table: Table, passes: readonly Pass[]): Blocks => {
  const made = passes.map((pass) => makePass(table, pass));
  const { split, size } = table;
  const linking = split < size;
  const each = (visit: (a: number, b: number) => void): void => {
    for (const [i, { blockOf, report }] of made.entries()) {
      const earlier = made.slice(0, i).map((pass) => pass.blockOf);
      const met = (a: number, b: number): boolean => {
        for (const blocks of earlier) {
          const block = blocks[a] ?? 0;
          if (block !== 0 && block === blocks[b]) return true;
        }
        return false;
      };
      const { order, starts } = inOrder(blockOf);
      let pairs = 0;
      for (let block = 1; block + 1 < starts.length; block += 1) {
        const [from, to] = [starts[block] ?? 0, starts[block + 1] ?? 0];
        for (let x = from; x < to; x += 1) {
          const a = order[x] ?? 0;
          for (let y = x + 1; y < to; y += 1) {
            const b = order[y] ?? 0;
            if ((linking && a < split === b < split) || met(a, b)) continue;
            pairs += 1;
            visit(a, b);
          }
        }
      }
      report.pairs = pairs;
    }
  };
  let counted = -1;
  const count = (): number => {
    if (counted < 0) {
      counted = 0;
      each(() => (counted += 1));
    }
    return counted;
  };
  return { reports: made.map(({ report }) => report), each, count };
};
