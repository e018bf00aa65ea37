/** The candidates of a table that are likely to be one thing. */
import type { Blocks } from './blocks.ts';
import { Comparer } from './compare.ts';
import type { Progress } from './evidence.ts';
import {
  joinedBits,
  probabilityOf,
  weigh,
  type Explanation,
  type FieldExplanation,
  type Model,
} from './model.ts';
import type { RivalName } from './rivals.ts';
import { DIFFERS, EXACT, levels, MISSING, type Level } from './sort.ts';
import { Numbers, textAt, type Table } from './table.ts';

/** Scores pairs of records of one table. `rarities`: by field and form, what the value adds to exact agreement. */
export class Scorer {
  readonly comparer: Comparer;
  /** Fields of a record. */
  readonly width: number;
  readonly #table: Table;
  readonly #names: readonly RivalName[];
  readonly #rarities: readonly Float32Array[];
  /** By rival, field and level. */
  readonly #bits: readonly (readonly Float64Array[])[];
  readonly #byChance: readonly (readonly boolean[])[];
  readonly #priors: readonly number[];
  /** By field: the most that it may say for a match without agreeing exactly, against strangers. */
  readonly #best: Float64Array;
  readonly #order: readonly number[];
  readonly #levels: Uint8Array;

  constructor(table: Table, model: Model, rarities: readonly Float32Array[]) {
    this.comparer = new Comparer(table);
    this.#table = table;
    this.#names = model.against.map(({ is }) => is);
    this.#rarities = rarities;
    this.#bits = model.against.map(({ bits }) => bits.map((row) => Float64Array.from(row)));
    this.#byChance = model.against.map(({ byChance }) => byChance);
    this.#priors = model.against.map(({ prior }) => prior);
    this.#best = Float64Array.from(this.#bits[0] ?? [], (row) => Math.max(...row.slice(DIFFERS, EXACT)));
    this.width = this.#best.length;
    this.#levels = new Uint8Array(this.width);
    // Where the most hangs on the comparison first.
    this.#order = [...this.#best.keys()].sort((a, b) => (this.#best[b] ?? 0) - (this.#best[a] ?? 0));
  }

  /**
   * Bits for the two being one, against all rivals; -Infinity as soon as `least` is out of reach. `known`: the levels
   * of the pair from `at` on, if they are.
   */
  bits(
    a: number,
    b: number,
    least = Number.NEGATIVE_INFINITY,
    known: Uint8Array | null = null,
    at = 0,
  ): number {
    const strangers = this.#bits[0] ?? [];
    const found = this.#levels;
    let sum = this.#priors[0] ?? 0;
    let hope = 0;
    for (let field = 0; field < found.length; field += 1) {
      const i = this.comparer.form(field, a);
      const j = this.comparer.form(field, b);
      if (i === 0 || j === 0) found[field] = MISSING;
      else if (i === j) {
        found[field] = EXACT;
        sum += weigh(strangers[field]?.[EXACT] ?? 0, EXACT, this.#rarities[field]?.[i] ?? 0);
      } else {
        found[field] = DIFFERS;
        hope += this.#best[field] ?? 0;
      }
    }
    // The other rivals only take away.
    if (sum + hope < least) return Number.NEGATIVE_INFINITY;
    for (const field of this.#order) {
      if (found[field] !== DIFFERS) continue;
      const level =
        known === null ? this.comparer.level(field, a, b) : ((known[at + field] ?? MISSING) as Level);
      found[field] = level;
      hope -= this.#best[field] ?? 0;
      sum += weigh(strangers[field]?.[level] ?? 0, level, this.#rarity(field, a, b));
      if (sum + hope < least) return Number.NEGATIVE_INFINITY;
    }
    return joinedBits(
      this.#priors.map((prior, rival) => (rival === 0 ? sum : prior + this.#sum(rival, a, b))),
    );
  }

  /** What the commoner of two values adds to exact agreement. */
  #rarity(field: number, a: number, b: number): number {
    const known = this.#rarities[field];
    return Math.min(known?.[this.comparer.form(field, a)] ?? 0, known?.[this.comparer.form(field, b)] ?? 0);
  }

  /** The bits against one rival in a field, once the levels are known. */
  #one(rival: number, field: number, a: number, b: number): number {
    const level = this.#levels[field] ?? MISSING;
    const byChance = this.#byChance[rival]?.[field] === true;
    return weigh(
      this.#bits[rival]?.[field]?.[level] ?? 0,
      level as Level,
      byChance ? this.#rarity(field, a, b) : 0,
    );
  }

  #sum(rival: number, a: number, b: number): number {
    let sum = 0;
    for (let field = 0; field < this.#levels.length; field += 1) sum += this.#one(rival, field, a, b);
    return sum;
  }

  /** How likely two records are one, and why. */
  explain(a: number, b: number): Explanation {
    const bits = this.bits(a, b);
    const against = this.#names.map((is, rival) => {
      const prior = this.#priors[rival] ?? 0;
      return { is, prior, bits: prior + this.#sum(rival, a, b) };
    });
    const fields = this.#table.fields.map(({ name, sort }, field): FieldExplanation => ({
      field: name,
      sort,
      a: textAt(this.#table, field, a),
      b: textAt(this.#table, field, b),
      level: levels[this.#levels[field] ?? MISSING] ?? 'missing',
      bits: this.#names.map((_, rival) => this.#one(rival, field, a, b)),
    }));
    const proof = this.comparer.proof(a, b);
    return {
      probability: probabilityOf(bits),
      bits,
      against,
      fields,
      proof: this.#table.fields[proof]?.name ?? null,
    };
  }
}

/** Candidates, what scores them, and their levels where they were compared already. */
interface Found {
  readonly blocks: Blocks;
  readonly scorer: Scorer;
  readonly levels: Uint8Array | null;
}

/** Pairs by number: the records `a[i]` and `b[i]` have `bits[i]`. In no particular order. */
export interface Pairs {
  readonly a: Uint32Array;
  readonly b: Uint32Array;
  readonly bits: Float64Array;
}

/** The candidates with at least so many bits. `levels`: of all of them, one after the other, if they are known. */
export const findPairs = (
  { blocks, scorer, levels }: Found,
  least: number,
  tell: Progress = () => undefined,
): Pairs => {
  const [a, b] = [new Numbers(Uint32Array), new Numbers(Uint32Array)];
  const bits = new Numbers(Float64Array);
  const total = blocks.count();
  let done = 0;
  const { width } = scorer;
  blocks.each((one, other) => {
    const at = done * width;
    done += 1;
    if ((done & 0xffff) === 0) tell('comparing', done, total);
    const sum = scorer.bits(one, other, least, levels, at);
    if (sum < least) return;
    a.push(one);
    b.push(other);
    bits.push(sum);
  });
  return { a: a.end(), b: b.end(), bits: bits.end() };
};
