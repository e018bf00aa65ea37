/**
 * Which keys to look for candidates by. A pass is a combination of keys of different fields; two records are
 * candidates if they agree in all keys of one pass. Chosen for the data at hand: passes that together find a
 * match whatever fields of it are wrong or empty, for as few pairs as possible.
 */
import type { Values } from './compare.ts';
import { randomFrom } from './random.ts';
import type { Facets } from './sort.ts';
import { signedHashOf, hashState, type Table } from './table.ts';
import { sortOf, type Field } from './sorts.ts';

/** One key of one field. */
export interface Piece {
  readonly field: number;
  readonly key: number;
}

/** Pieces of different fields. */
export type Pass = readonly Piece[];

/** Partners share their hashes, so that a pass over both finds them also where they are mixed up. */
const saltOf = ({ sort }: Field, i: number): string =>
  sort === 'given' || sort === 'family' ? 'name' : `f${i}`;

/** The state of hashes of a field, before what its value adds. */
const saltState = (field: Field, at: number): number => hashState(`${saltOf(field, at)}:`);

/** A hash of one piece of a value; 0 where it has none. */
const pieceHash = (field: Field, { field: at, key }: Piece, facets: Facets, form: number): number => {
  const text = sortOf(field.sort).keys[key]?.from(facets, form) ?? '';
  return signedHashOf(text, saltState(field, at));
};

/** Hashes of the pieces of a table, by form; each is made once. */
export class Hashes {
  readonly #table: Table;
  readonly #made = new Map<string, Int32Array>();

  constructor(table: Table) {
    this.#table = table;
  }

  of({ field: at, key }: Piece): Int32Array {
    const name = `${at} ${key}`;
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const { counts, facets } = this.#table.columns[at] ?? { counts: new Uint32Array(), facets: [] };
    const hashes = new Int32Array(counts.length);
    const field = this.#table.fields[at];
    const from = field === undefined ? undefined : sortOf(field.sort).keys[key]?.from;
    if (field !== undefined && from !== undefined) {
      const state = saltState(field, at);
      for (let form = 1; form < hashes.length; form += 1)
        hashes[form] = signedHashOf(from(facets, form), state);
    }
    this.#made.set(name, hashes);
    return hashes;
  }
}

/** Two hashes as one, in either order; 0 if one is. Hashes are signed: those that are not are kept as objects until code is compiled. */
export const joined = (a: number, b: number): number => {
  if (a === 0 || b === 0) return 0;
  const sum = (Math.imul(a ^ (a >>> 16), 0x45d9f3b) + Math.imul(b ^ (b >>> 16), 0x45d9f3b)) | 0;
  const hash = sum ^ (sum >>> 15);
  return hash === 0 ? 1 : hash;
};

/** Records that stand for all when costs are guessed. */
const sampleSize = 4096;
/** Matches made up to see which of them a pass would find. */
const trials = 500;
const mostPasses = 12;
/** Pairs a record that one pass, and all of them, may bring. */
const mostOfOne = 6;
const mostOfAll = 16;
/** Small tables can afford more. */
const affordable = 150_000;

/** Open addressing for the hashes of one sample: those that stand there, and how often. */
const slots = { keys: new Int32Array(4 * sampleSize), counts: new Uint32Array(4 * sampleSize) };

/** By size of block: how many hashes of the sample have so many records. */
const blockSizes = (hashes: Int32Array): Uint32Array => {
  const { keys, counts } = slots;
  keys.fill(0);
  counts.fill(0);
  const mask = keys.length - 1;
  const sizes = new Uint32Array(hashes.length + 1);
  for (let i = 0; i < hashes.length; i += 1) {
    const hash = hashes[i] ?? 0;
    if (hash === 0) continue;
    let at = (Math.imul(hash, 0x9e3779b1) >>> 8) & mask;
    while (keys[at] !== hash && keys[at] !== 0) at = (at + 1) & mask;
    keys[at] = hash;
    const count = counts[at] ?? 0;
    counts[at] = count + 1;
    if (count > 0) sizes[count] = (sizes[count] ?? 0) - 1;
    sizes[count + 1] = (sizes[count + 1] ?? 0) + 1;
  }
  return sizes;
};

/** Pairs a record, in the whole table, that agree in these hashes of a sample; blocks count up to `most` records. */
const costOf = (hashes: Int32Array, size: number, most: number): number => {
  const scale = size / hashes.length;
  const sizes = blockSizes(hashes);
  let pairs = 0;
  for (let count = 2; count < sizes.length; count += 1) {
    const blocks = sizes[count] ?? 0;
    if (blocks === 0) continue;
    const records = count * scale;
    pairs += blocks * Math.min(((count * (count - 1)) / 2) * scale * scale, (records * most) / 2);
  }
  return pairs / size;
};

interface Candidate {
  readonly pass: Pass;
  /** Pairs a record that it is expected to bring. */
  readonly cost: number;
  /** By trial: 1 if the pass would find that match. */
  readonly finds: Uint8Array;
}

interface Atom {
  readonly piece: Piece;
  readonly hashes: Int32Array;
  /** By trial: 1 if the piece agrees. */
  readonly agrees: Uint8Array;
}

/** What becomes of a field in a made-up match: it agrees; a slip spoils some pieces; it is lost. */
const atomsOf = (table: Table, hashesOf: Hashes, sample: Uint32Array): Atom[] => {
  const random = randomFrom(20_260_101);
  return table.fields.flatMap(({ sort }, field) => {
    const { keys, expected, mostDiffering } = sortOf(sort);
    const column = table.columns[field];
    if (column === undefined) return [];
    const filled = 1 - (column.counts[0] ?? 0) / Math.max(1, table.size);
    const lost = Math.min(mostDiffering, (expected.differs ?? 0) + 0.1);
    const agrees = keys.map(() => new Uint8Array(trials));
    for (let trial = 0; trial < trials; trial += 1) {
      const isFilled = random.share() < filled * filled;
      const state = random.share();
      for (const [key, { of }] of keys.entries()) {
        const survives = of === 'part' && random.share() < 0.5;
        const found = isFilled && state >= lost && (state >= lost + 0.15 || survives);
        const row = agrees[key];
        if (found && row !== undefined) row[trial] = 1;
      }
    }
    return keys.map((_, key) => {
      const piece = { field, key };
      const own = hashesOf.of(piece);
      const hashes = new Int32Array(sample.length);
      for (let i = 0; i < sample.length; i += 1) hashes[i] = own[column.form[sample[i] ?? 0] ?? 0] ?? 0;
      return { piece, hashes, agrees: agrees[key] ?? new Uint8Array(trials) };
    });
  });
};

const both = (one: Atom, other: Atom): Atom => {
  const hashes = new Int32Array(one.hashes.length);
  for (let i = 0; i < hashes.length; i += 1) hashes[i] = joined(one.hashes[i] ?? 0, other.hashes[i] ?? 0);
  const agrees = new Uint8Array(trials);
  for (let i = 0; i < trials; i += 1) agrees[i] = (one.agrees[i] ?? 0) & (other.agrees[i] ?? 0);
  return { piece: one.piece, hashes, agrees };
};

/** Single keys, and pairs of keys of different fields, that bring few enough pairs. */
const candidatesOf = (
  atoms: readonly Atom[],
  size: number,
  limit: number,
  mostInBlock: number,
): Candidate[] => {
  const found: Candidate[] = [];
  const take = (pass: Pass, { hashes, agrees }: Atom): boolean => {
    const cost = costOf(hashes, size, mostInBlock);
    if (cost > limit || hashes.every((hash) => hash === 0)) return false;
    found.push({ pass, cost, finds: agrees });
    return true;
  };
  const single = new Set<Atom>();
  for (const atom of atoms) if (take([atom.piece], atom)) single.add(atom);
  const wide: [Piece, Piece, Atom][] = [];
  for (const [i, one] of atoms.entries()) {
    for (const other of atoms.slice(i + 1)) {
      // A key that is fine alone finds all that it would find with another.
      if (other.piece.field === one.piece.field || single.has(one) || single.has(other)) continue;
      const pair = both(one, other);
      if (!take([one.piece, other.piece], pair)) wide.push([one.piece, other.piece, pair]);
    }
  }
  return found.length >= 6 ? found : [...found, ...triples(wide, atoms, size, limit, mostInBlock)];
};

const triples = (
  wide: readonly [Piece, Piece, Atom][],
  atoms: readonly Atom[],
  size: number,
  limit: number,
  mostInBlock: number,
): Candidate[] => {
  const found: Candidate[] = [];
  for (const [one, other, pair] of wide) {
    for (const third of atoms) {
      if (third.piece.field <= Math.max(one.field, other.field)) continue;
      const { hashes, agrees } = both(pair, third);
      const cost = costOf(hashes, size, mostInBlock);
      if (cost <= limit) found.push({ pass: [one, other, third.piece], cost, finds: agrees });
    }
  }
  return found;
};

/**
 * Chooses passes, greedily: always the one that finds the most of what no other has found, for its cost. Cost is
 * what it brings in the whole table, guessed from a sample (drawn from `order`); so the pairs grow with the records,
 * not with their square.
 */
export const choosePasses = (
  table: Table,
  hashes: Hashes,
  order: Uint32Array,
  mostInBlock: number,
): Pass[] => {
  const { size } = table;
  const step = Math.max(1, size / sampleSize);
  const sample = Uint32Array.from(
    { length: Math.min(size, sampleSize) },
    (_, i) => order[Math.floor(i * step)] ?? 0,
  );
  const atoms = atomsOf(table, hashes, sample);
  const plenty = affordable / Math.max(1, size);
  const limit = Math.max(mostOfOne, plenty / 3);
  const candidates = candidatesOf(atoms, size, limit, mostInBlock);
  // What a match found once more is worth: errors are worse than those that were made up.
  const worthOf = [1, 0.35, 0.12, 0.04, 0];
  const times = new Uint8Array(trials);
  const chosen: Candidate[] = [];
  let left = Math.max(mostOfAll, plenty);
  while (chosen.length < mostPasses) {
    let best: Candidate | undefined;
    let most = 0;
    for (const one of candidates) {
      if (one.cost > left || chosen.includes(one)) continue;
      let gain = 0;
      for (let trial = 0; trial < trials; trial += 1)
        if (one.finds[trial] === 1) gain += worthOf[times[trial] ?? 0] ?? 0;
      // A pass costs its own look at every record, too.
      const worth = gain / (0.3 + one.cost);
      if (gain > 0 && worth > most) [best, most] = [one, worth];
    }
    if (best === undefined) break;
    for (let trial = 0; trial < trials; trial += 1)
      times[trial] = (times[trial] ?? 0) + (best.finds[trial] ?? 0);
    left -= best.cost;
    chosen.push(best);
  }
  return chosen.map(({ pass }) => pass);
};

/**
 * The keys of one record, for an index: two records are candidates if they have one in common. `values` are those of a
 * `Prepared` record.
 */
export const keysOf = (fields: readonly Field[], passes: readonly Pass[], values: Values): string[] =>
  passes.flatMap((pass, i) => {
    const hashes = pass.map((piece) => {
      const field = fields[piece.field];
      const facets = values[piece.field] ?? [];
      return field === undefined || facets.length === 0 ? 0 : pieceHash(field, piece, facets, 1);
    });
    const hash = hashes.reduce((all, one, at) => (at === 0 ? one : joined(all, one)));
    return hash === 0 ? [] : [`${i}.${(hash >>> 0).toString(36)}`];
  });
