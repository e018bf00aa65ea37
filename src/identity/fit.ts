/**
 * Learning without labels how much each agreement says: the model of Fellegi and Sunter (1969, "A Theory for
 * Record Linkage"), its parameters by expectation maximisation as in Winkler (1988) and Jaro (1989).
 *
 * m(field, level) is how often two records of one thing show the level in a field, u(field, level) how often
 * those of two strangers do, both of pairs where both are filled; λ is the share of matches among all pairs. The
 * other rivals (see `rivals.ts`) have rates and a share of their own.
 *
 * As in Splink, rates among random pairs stand at the start of u. But random pairs of a small table hold matches
 * too, which would make u of an identifier as large as λ: u is what is left of the rates when all others are
 * taken out, again in each round. The expectation runs over the candidates of all passes together, with shares of
 * *all* pairs: the pairs beside agree in nothing and add next to nothing to the matches. So no field is fixed by
 * the key that brought a pair, which Splink cures by one training for each blocking rule.
 */
import { DIFFERS, EXACT, MISSING, SWAPPED } from './sort.ts';
import {
  hold,
  levelCount,
  normalised,
  rivalsOf,
  usualOfMatches,
  type Rates,
  type Rival,
  type RivalName,
} from './rivals.ts';
import { sortOf, type Field } from './sorts.ts';

export interface Evidence {
  /** Level of each field, pattern after pattern, `fields.length` at a time. */
  readonly patterns: Uint8Array;
  /** How many candidate pairs show the pattern. */
  readonly counts: Float64Array;
  /** Rates of the levels among random pairs. */
  readonly random: Rates;
  /** How many random pairs were seen, by field; of level EXACT all pairs were counted. */
  readonly seen: readonly number[];
  /** Pairs there are in all. */
  readonly pairs: number;
  readonly records: number;
}

/** Matches, or a rival of them: rates, and the share of all pairs. */
export interface Class {
  readonly rates: Rates;
  readonly share: number;
}

export interface FittedRival extends Class {
  readonly is: RivalName;
  readonly byChance: readonly boolean[];
}

export interface Fit {
  readonly matches: Class;
  /** Strangers first. */
  readonly rivals: readonly FittedRival[];
  /** By field: how often two different things agree exactly, for whatever reason. */
  readonly coincidence: readonly number[];
  readonly rounds: number;
  /** The rounds came to rest before the limit. */
  readonly settled: boolean;
  /** Fields whose differing had to be held down, by `mostDiffering`. */
  readonly held: readonly string[];
}

const mostRounds = 200;
/** Rest: no probability of matches moves more than this in a round, and none of their rivals, who creep, ten times as much. */
const rest = 1e-4;
/** Made-up pairs that say what is usual, beside those found: they decide where there are none. */
const pseudoPairs = 8;

/** Random rates without the classes among them; never below what was not seen once. */
const strangersOf = (evidence: Evidence, classes: readonly Class[]): Float64Array[] => {
  const others = classes.reduce((sum, { share }) => sum + share, 0);
  return evidence.random.map((random, field) =>
    normalised(
      random.map((rate, level) => {
        if (level === MISSING) return 0;
        const seen = level === EXACT ? evidence.pairs : (evidence.seen[field] ?? 1);
        const least = Math.max(0.5 / Math.max(1, seen), rate / 64);
        const theirs = classes.reduce(
          (sum, { rates, share }) => sum + share * (rates[field]?.[level] ?? 0),
          0,
        );
        return Math.max((rate - theirs) / (1 - others), least);
      }),
    ),
  );
};

interface Found {
  readonly rows: readonly Float64Array[];
  readonly pairs: number;
}

/** Logarithms of the rates of all classes in one list: by class, field and level. */
const logsOf = (classes: readonly Class[], width: number): Float64Array => {
  const logs = new Float64Array(classes.length * width * levelCount);
  for (let i = 0; i < classes.length; i += 1)
    for (let field = 0; field < width; field += 1)
      for (let level = MISSING + 1; level < levelCount; level += 1)
        logs[(i * width + field) * levelCount + level] = Math.log(classes[i]?.rates[field]?.[level] ?? 0);
  return logs;
};

/** Expectation: how many pairs of each class each pattern is likely to hold, and which levels they show. */
const expectation = (evidence: Evidence, classes: readonly Class[]): Found[] => {
  const { patterns, counts, random } = evidence;
  const width = random.length;
  const strangers: Class = {
    rates: strangersOf(evidence, classes),
    share: 1 - classes.reduce((sum, { share }) => sum + share, 0),
  };
  const all = [...classes, strangers];
  const logs = logsOf(all, width);
  const shares = Float64Array.from(all, ({ share }) => Math.log(share));
  const sums = new Float64Array(all.length * width * levelCount);
  const pairs = new Float64Array(all.length);
  const odds = new Float64Array(all.length);
  for (let pattern = 0; pattern < counts.length; pattern += 1) {
    const at = pattern * width;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < odds.length; i += 1) {
      let sum = shares[i] ?? 0;
      for (let field = 0; field < width; field += 1)
        sum += logs[(i * width + field) * levelCount + (patterns[at + field] ?? 0)] ?? 0;
      odds[i] = sum;
      if (sum > most) most = sum;
    }
    let total = 0;
    for (let i = 0; i < odds.length; i += 1) {
      const one = Math.exp((odds[i] ?? 0) - most);
      odds[i] = one;
      total += one;
    }
    for (let i = 0; i < odds.length; i += 1) {
      const part = ((counts[pattern] ?? 0) * (odds[i] ?? 0)) / total;
      pairs[i] = (pairs[i] ?? 0) + part;
      for (let field = 0; field < width; field += 1) {
        const cell = (i * width + field) * levelCount + (patterns[at + field] ?? 0);
        sums[cell] = (sums[cell] ?? 0) + part;
      }
    }
  }
  return classes.map((_, i) => ({
    rows: random.map((__, field) =>
      sums.slice((i * width + field) * levelCount, (i * width + field + 1) * levelCount),
    ),
    pairs: pairs[i] ?? 0,
  }));
};

const distance = (a: readonly Class[], b: readonly Class[]): number => {
  let most = 0;
  for (const [i, { rates, share }] of a.entries()) {
    const other = b[i];
    most = Math.max(most, Math.abs(share / (other?.share ?? 1) - 1));
    for (let field = 0; field < rates.length; field += 1)
      for (let level = 0; level < levelCount; level += 1)
        most = Math.max(most, Math.abs((rates[field]?.[level] ?? 0) - (other?.rates[field]?.[level] ?? 0)));
  }
  return most;
};

/** Maximisation: the rates that the pairs found speak for, with what is usual beside them. */
const smooth = ({ rows }: Found, usual: Rates): Float64Array[] =>
  rows.map((row, field) =>
    normalised(
      row.map((one, level) => (level === MISSING ? 0 : one + pseudoPairs * (usual[field]?.[level] ?? 0))),
    ),
  );

/** Fits the model; the same evidence gives the same fit. */
export const fit = (fields: readonly Field[], evidence: Evidence): Fit => {
  const reasons = rivalsOf(fields, evidence.random);
  const usual = fields.map(usualOfMatches);
  // One record in ten with a twin, to begin with, and as many rivals of each kind.
  const start = Math.min(0.05, Math.max(1, 0.1 * evidence.records) / Math.max(1, evidence.pairs));
  const shareOf = (found: number): number =>
    Math.min(0.3, Math.max(0.5, found) / Math.max(2, evidence.pairs));
  let classes: Class[] = [usual, ...reasons.map((rival) => rival.usual)].map((rates) => ({
    rates,
    share: start,
  }));
  let held: string[] = [];
  let round = 0;
  let settled = false;
  while (round < mostRounds && !settled) {
    round += 1;
    const [matches, ...others] = expectation(evidence, classes);
    if (matches === undefined) break;
    const m = smooth(matches, usual);
    held = fields.flatMap(({ name, sort }, i) => {
      const row = m[i];
      const is = row !== undefined && hold(row, (level) => level === DIFFERS, sortOf(sort).mostDiffering);
      return is ? [name] : [];
    });
    const next: Class[] = [{ rates: m, share: shareOf(matches.pairs) }];
    for (const [i, found] of others.entries()) next.push(learnRival(found, reasons[i], shareOf(found.pairs)));
    settled = distance(next.slice(0, 1), classes.slice(0, 1)) < rest && distance(next, classes) < 10 * rest;
    classes = next;
  }
  return asFit(evidence, classes, reasons, { rounds: round, settled, held });
};

const learnRival = (found: Found, rival: Rival | undefined, share: number): Class => {
  const rates = smooth(found, rival?.usual ?? []);
  for (const [field, row] of rates.entries()) hold(row, (level) => level >= SWAPPED, rival?.most[field] ?? 1);
  return { rates, share };
};

const asFit = (
  evidence: Evidence,
  classes: readonly Class[],
  reasons: readonly Rival[],
  how: Pick<Fit, 'rounds' | 'settled' | 'held'>,
): Fit => {
  const [matches = { rates: [], share: 0 }, ...others] = classes;
  const strangers: FittedRival = {
    is: 'stranger',
    rates: strangersOf(evidence, classes),
    share: 1 - classes.reduce((sum, { share }) => sum + share, 0),
    byChance: evidence.random.map(() => true),
  };
  const rivals = others.map((one, i): FittedRival => ({
    ...one,
    is: reasons[i]?.is ?? 'stranger',
    byChance: reasons[i]?.byChance ?? [],
  }));
  const coincidence = strangersOf(evidence, [matches]).map((row) => row[EXACT] ?? 0);
  return { matches, rivals: [strangers, ...rivals], coincidence, ...how };
};
