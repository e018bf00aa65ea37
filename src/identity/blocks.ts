/** Candidates: the pairs that agree in all keys of a pass, each once, in one order. */
import { joined, type Hashes, type Pass, type Piece } from './passes.ts';
import { Numbers, type Table } from './table.ts';

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
const numbered = (hashes: Int32Array, blockOf: BlockOf, records: Uint32Array, from: number): number => {
  let bits = 10;
  while (1 << bits < records.length * 2) bits += 1;
  const mask = (1 << bits) - 1;
  const keys = new Int32Array(mask + 1);
  const numbers = new Uint32Array(mask + 1);
  let next = from;
  for (let i = 0; i < records.length; i += 1) {
    const record = records[i] ?? 0;
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
  for (let record = 0; record < blockOf.length; record += 1) {
    const block = blockOf[record] ?? 0;
    sizes[block] = (sizes[block] ?? 0) + 1;
  }
  sizes[0] = 0;
  return sizes;
};

const recordHashes = (table: Table, pieceHashes: Hashes, pieces: readonly Piece[]): Int32Array => {
  const hashes = new Int32Array(table.size);
  for (const [i, piece] of pieces.entries()) {
    const own = pieceHashes.of(piece);
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

/** The records that stand in a block with more than are compared. */
const crowdIn = (records: Uint32Array, blockOf: BlockOf, sizes: Uint32Array): Uint32Array => {
  const crowd = new Numbers(Uint32Array);
  for (let i = 0; i < records.length; i += 1) {
    const record = records[i] ?? 0;
    if ((sizes[blockOf[record] ?? 0] ?? 0) > mostInBlock) crowd.push(record);
  }
  return crowd.end();
};

const countOver = (sizes: Uint32Array, least: number): number => {
  let count = 0;
  for (let block = 0; block < sizes.length; block += 1) if ((sizes[block] ?? 0) > least) count += 1;
  return count;
};

const makePass = (table: Table, everyone: Uint32Array, pieceHashes: Hashes, pass: Pass): Made => {
  const hashes = recordHashes(table, pieceHashes, pass);
  const blockOf = new Uint32Array(table.size);
  let blocks = numbered(hashes, blockOf, everyone, 0);
  let sizes = sizesOf(blockOf, blocks);
  const tooLarge = countOver(sizes, mostInBlock);
  let crowd = crowdIn(everyone, blockOf, sizes);
  for (const piece of partingPieces(table, pass)) {
    if (crowd.length === 0) break;
    const own = pieceHashes.of(piece);
    const form = table.columns[piece.field]?.form ?? new Uint32Array(table.size);
    for (const record of crowd) {
      const hash = own[form[record] ?? 0] ?? 0;
      // Whoever has nothing to be told apart by stays with the others of the kind.
      hashes[record] = joined(hashes[record] ?? 0, hash === 0 ? 1 : hash);
    }
    blocks = numbered(hashes, blockOf, crowd, blocks);
    sizes = sizesOf(blockOf, blocks);
    crowd = crowdIn(crowd, blockOf, sizes);
  }
  const dropped = new Set<number>();
  for (const record of crowd) {
    dropped.add(blockOf[record] ?? 0);
    blockOf[record] = 0;
  }
  const report = {
    fields: pass.map(({ field }) => table.fields[field]?.name ?? ''),
    pairs: 0,
    blocks: countOver(sizes, 1) - dropped.size,
    split: tooLarge,
    dropped: dropped.size,
    droppedRecords: crowd.length,
  };
  return { blockOf, report };
};

/** Records in the order of their blocks, and where each block begins. */
const inOrder = (blockOf: BlockOf): { order: Uint32Array; starts: Uint32Array } => {
  let count = 0;
  for (let record = 0; record < blockOf.length; record += 1) count = Math.max(count, blockOf[record] ?? 0);
  const sizes = sizesOf(blockOf, count);
  const starts = new Uint32Array(count + 2);
  // Block 0 is none, and is left out.
  for (let block = 1; block <= count; block += 1)
    starts[block + 1] = (starts[block] ?? 0) + (sizes[block] ?? 0);
  const next = starts.slice();
  const order = new Uint32Array(starts[count + 1] ?? 0);
  for (let record = 0; record < blockOf.length; record += 1) {
    const block = blockOf[record] ?? 0;
    if (block === 0) continue;
    const at = next[block] ?? 0;
    order[at] = record;
    next[block] = at + 1;
  }
  return { order, starts };
};

/** Calls for each pair of one pass that no earlier one brings. */
const eachOf = (
  { blockOf }: Made,
  earlier: readonly BlockOf[],
  { split, size }: Table,
  visit: (a: number, b: number) => void,
): void => {
  const linking = split < size;
  const met = (a: number, b: number): boolean => {
    for (let i = 0; i < earlier.length; i += 1) {
      const blocks = earlier[i];
      const block = blocks?.[a] ?? 0;
      if (block !== 0 && block === blocks?.[b]) return true;
    }
    return false;
  };
  const { order, starts } = inOrder(blockOf);
  for (let block = 1; block + 1 < starts.length; block += 1) {
    const from = starts[block] ?? 0;
    const to = starts[block + 1] ?? 0;
    for (let x = from; x < to; x += 1) {
      const a = order[x] ?? 0;
      for (let y = x + 1; y < to; y += 1) {
        const b = order[y] ?? 0;
        if (!(linking && a < split === b < split) && !met(a, b)) visit(a, b);
      }
    }
  }
};

/** Pairs that are kept once they were found, 8 bytes each; of more it is worked out again which there are. */
const mostKept = 1_000_000;

/** Finds the blocks of every pass. What an oversized block leaves out stands in the pass's report. */
export const blocksOf = (table: Table, hashes: Hashes, passes: readonly Pass[]): Blocks => {
  const everyone = new Uint32Array(table.size);
  for (let record = 0; record < everyone.length; record += 1) everyone[record] = record;
  const made = passes.map((pass) => makePass(table, everyone, hashes, pass));
  let kept: { readonly a: Numbers<Uint32Array>; readonly b: Numbers<Uint32Array> } | undefined;
  const find = (visit: (a: number, b: number) => void): void => {
    for (const [i, pass] of made.entries()) {
      let pairs = 0;
      eachOf(
        pass,
        made.slice(0, i).map(({ blockOf }) => blockOf),
        table,
        (a, b) => {
          pairs += 1;
          visit(a, b);
        },
      );
      pass.report.pairs = pairs;
    }
  };
  let counted = -1;
  const count = (): number => {
    if (counted >= 0) return counted;
    counted = 0;
    const [first, second] = [new Numbers(Uint32Array), new Numbers(Uint32Array)];
    find((a, b) => {
      counted += 1;
      if (counted > mostKept) return;
      first.push(a);
      second.push(b);
    });
    if (counted <= mostKept) kept = { a: first, b: second };
    return counted;
  };
  const each = (visit: (a: number, b: number) => void): void => {
    const total = count();
    if (kept === undefined) return find(visit);
    for (let i = 0; i < total; i += 1) visit(kept.a.at(i), kept.b.at(i));
  };
  return { reports: made.map(({ report }) => report), each, count };
};
