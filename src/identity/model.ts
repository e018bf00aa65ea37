/** What was learnt, as a value that can be kept: it scores any two records and says why. */
import { comparisonsOf, levelOf, type Comparison, type Values } from './compare.ts';
import type { Fit } from './fit.ts';
import type { RivalName } from './rivals.ts';
import { DIFFERS, EXACT, facetAt, FAMILY, levels, MISSING, type Level, type LevelName } from './sort.ts';
import type { Pass } from './passes.ts';
import { sortOf, type Field } from './sorts.ts';
import { hashOf, type Table } from './table.ts';

/** What speaks for a match against one rival. */
export interface Against {
  readonly is: RivalName;
  /** Bits for a pair of which nothing is known: log2 of the share of matches by the rival's. */
  readonly prior: number;
  /** By field and level, in the order of `levels`: bits for (or against) a match, log2 of the two rates. */
  readonly bits: readonly (readonly number[])[];
  /** By field: what a common or rare value adds to exact agreement counts against this rival. */
  readonly byChance: readonly boolean[];
}

/** As JSON. Holds no value of any record: common values stand in it as hashes. */
export interface Model {
  readonly version: 1;
  readonly fields: readonly Field[];
  /** Records that it was learnt from, and the share of matches among their pairs. */
  readonly records: number;
  readonly share: number;
  /** The combinations of keys by which candidates are found. */
  readonly passes: readonly Pass[];
  /** By field and level: how often matches show it. */
  readonly rates: readonly (readonly number[])[];
  /** Strangers first. */
  readonly against: readonly Against[];
  /** By field: of values that many records have, hash and bits that they add to exact agreement; of others `rare`. */
  readonly common: readonly Readonly<Record<string, number>>[];
  readonly rare: readonly number[];
}

/** Values by field whose frequency is kept. */
const mostCommon = 5000;

/**
 * Bits that a value adds to exact agreement: log2 c/f, where c is the share of strangers that agree in the field and
 * f the share that has this value (term frequency adjustment: Newcombe 1959, Winkler 2000, as in Splink). Two of
 * the records with the value are the pair itself. Of the others some are further records of the same thing: the
 * part that is not is guessed from the whole field, by c against the matches that agree.
 */
const rarity = (count: number, records: number, coincidence: number, agreeing: number): number => {
  const strange = coincidence / (coincidence + agreeing);
  const others = (Math.max(0, count - 2) * strange) / records;
  return Math.log2(coincidence / Math.max(others, Math.min(coincidence, 0.5 / records)));
};

const rarityIn = (table: Table, fitted: Fit, field: number): ((count: number) => number) => {
  const { counts } = table.columns[field] ?? { counts: new Uint32Array(1) };
  const filled = Math.max(1, table.size - (counts[0] ?? 0));
  const agreeing = fitted.matches.share * (fitted.matches.rates[field]?.[EXACT] ?? 0);
  const coincidence = fitted.coincidence[field] ?? 0.5;
  const known = new Map<number, number>();
  return (count) => {
    let bits = known.get(count);
    if (bits === undefined) {
      bits = rarity(count, filled, coincidence, agreeing);
      known.set(count, bits);
    }
    return bits;
  };
};

/** By field and form of a table: the bits that the value adds to exact agreement. */
export const rarities = (table: Table, fitted: Fit): Float32Array[] =>
  table.columns.map(({ counts }, field) => {
    const of = rarityIn(table, fitted, field);
    const bits = new Float32Array(counts.length);
    for (let form = 0; form < bits.length; form += 1) bits[form] = of(counts[form] ?? 0);
    return bits;
  });

/**
 * Bits of one level with the rarity of the values: for exact agreement what the value adds or takes; for a weaker
 * one what the commoner of the two values takes, since a common name has more that are close to it. Agreeing
 * exactly is never against a match; so no record is likelier to be another than itself.
 */
export const weigh = (bits: number, level: Level, rarity: number): number => {
  if (level === EXACT) return Math.max(0, bits + rarity);
  return level > FAMILY ? bits + Math.min(0, rarity) : bits;
};

/** Log2 of two rates, level by level. Weaker levels say no more than exact agreement, and differing never speaks for a match. */
const bitsBetween = (mine: Float64Array, theirs: Float64Array): number[] => {
  const bits = [...mine].map((rate, level) =>
    level === MISSING ? 0 : Math.log2(rate / (theirs[level] ?? 1)),
  );
  const exact = Math.max(0, bits[EXACT] ?? 0);
  return bits.map((one, level) => (level === EXACT ? exact : Math.min(one, level === DIFFERS ? 0 : exact)));
};

/** Bits that a value adds to exact agreement, by the hash of its first facet. */
const rarityOf = (model: Model, field: number, main: string): number => {
  const known = model.common[field] ?? {};
  const hash = hashOf(main).toString(36);
  return Object.hasOwn(known, hash) ? (known[hash] ?? 0) : (model.rare[field] ?? 0);
};

/** The same for another table than the one that the model was learnt from. */
export const raritiesFrom = (table: Table, model: Model): Float32Array[] =>
  table.columns.map(({ counts, facets }, field) =>
    Float32Array.from(counts, (_, form) =>
      form === 0 ? 0 : rarityOf(model, field, facetAt(facets, 0, form)),
    ),
  );

/** What was learnt from a table, to be kept. */
export const modelOf = (table: Table, passes: readonly Pass[], fitted: Fit): Model => {
  const { matches, rivals } = fitted;
  const common = table.columns.map(({ counts, facets }, field) => {
    const of = rarityIn(table, fitted, field);
    const forms = [...counts.keys()].filter((form) => form > 0 && (counts[form] ?? 0) > 2);
    const top = forms.sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0)).slice(0, mostCommon);
    return Object.fromEntries(
      top.map((form) => [hashOf(facetAt(facets, 0, form)).toString(36), of(counts[form] ?? 0)]),
    );
  });
  return {
    version: 1,
    fields: table.fields,
    records: table.size,
    share: matches.share,
    passes,
    rates: matches.rates.map((row) => [...row]),
    against: rivals.map(({ is, share, rates, byChance }) => ({
      is,
      prior: Math.log2(matches.share / share),
      byChance,
      bits: matches.rates.map((row, field) => bitsBetween(row, rates[field] ?? row)),
    })),
    common,
    rare: table.columns.map((_, field) => rarityIn(table, fitted, field)(2)),
  };
};

export const probabilityOf = (bits: number): number => 1 / (1 + 2 ** -bits);
/** The bits at which a probability is reached. */
export const bitsOf = (probability: number): number => Math.log2(probability / (1 - probability));

/** Bits against all rivals together, from those against each. */
export const joinedBits = (sums: readonly number[]): number => {
  const least = Math.min(...sums);
  return least - Math.log2(sums.reduce((total, sum) => total + 2 ** (least - sum), 0));
};

/** One record made ready to be compared. */
export interface Prepared {
  readonly texts: readonly string[];
  readonly values: Values;
  /** By field: 1 if it is filled. */
  readonly forms: readonly number[];
}

export interface FieldExplanation {
  readonly field: string;
  readonly sort: string;
  readonly a: string;
  readonly b: string;
  readonly level: LevelName;
  /** Bits for a match, by rival in the order of the explanation. */
  readonly bits: readonly number[];
}

export interface Explanation {
  readonly probability: number;
  /** Against all rivals together. */
  readonly bits: number;
  /** Against each: what is known before the fields, and with them. */
  readonly against: readonly { readonly is: RivalName; readonly prior: number; readonly bits: number }[];
  readonly fields: readonly FieldExplanation[];
  /** The field whose values prove the two to be different, whatever the probability; null if none does. */
  readonly proof: string | null;
}

/** `texts` by field name, as the record has them. */
export const prepare = (
  model: Model,
  texts: Readonly<Record<string, string | null | undefined>>,
): Prepared => {
  const given = model.fields.map(({ name }) => (Object.hasOwn(texts, name) ? (texts[name] ?? '') : ''));
  const facets = model.fields.map(({ sort }, i) =>
    given[i] === '' ? null : sortOf(sort).facets(given[i] ?? ''),
  );
  return {
    texts: given,
    values: facets.map((one) => (one ?? []).map((facet) => ['', facet])),
    forms: facets.map((one) => ((one?.[0] ?? '') === '' ? 0 : 1)),
  };
};

const compared = new WeakMap<Model, readonly Comparison[]>();
const comparisonsIn = (model: Model): readonly Comparison[] => {
  const made = compared.get(model) ?? comparisonsOf(model.fields);
  compared.set(model, made);
  return made;
};

/** How two prepared records agree, and how likely they are one. The same either way round. */
export const explain = (model: Model, a: Prepared, b: Prepared): Explanation => {
  const fields = comparisonsIn(model).map((comparison, i): FieldExplanation => {
    const { name, sort } = model.fields[i] ?? { name: '', sort: 'text' };
    const { partner } = comparison;
    const [k, l] = partner < 0 ? [0, 0] : [a.forms[partner] ?? 0, b.forms[partner] ?? 0];
    const level = levelOf(comparison, i, a.values, b.values, a.forms[i] ?? 0, b.forms[i] ?? 0, k, l);
    const rarity = Math.min(
      rarityOf(model, i, facetAt(a.values[i] ?? [], 0, 1)),
      rarityOf(model, i, facetAt(b.values[i] ?? [], 0, 1)),
    );
    const bits = model.against.map((one) =>
      weigh(one.bits[i]?.[level] ?? 0, level, one.byChance[i] === true ? rarity : 0),
    );
    return { field: name, sort, a: a.texts[i] ?? '', b: b.texts[i] ?? '', level: levels[level], bits };
  });
  const against = model.against.map(({ is, prior }, i) => ({
    is,
    prior,
    bits: fields.reduce((sum, one) => sum + (one.bits[i] ?? 0), prior),
  }));
  const bits = joinedBits(against.map((one) => one.bits));
  const proof = comparisonsIn(model).findIndex(({ sort }, i) => {
    const [one, other] = [a.values[i] ?? [], b.values[i] ?? []];
    const differ = fields[i]?.level !== 'missing' && fields[i]?.level !== 'exact';
    return differ && sort.proves?.(one, 1, other, 1) === true;
  });
  return {
    probability: probabilityOf(bits),
    bits,
    against,
    fields,
    proof: model.fields[proof]?.name ?? null,
  };
};
