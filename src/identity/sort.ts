/** What a sort of field is: how its values are spelt in one way, compared, and found again. */

/** How two values agree, from no evidence to the most. */
export const levels = [
  'missing',
  'differs',
  'family',
  'partial',
  'pinyin',
  'swapped',
  'close',
  'exact',
] as const;
export type LevelName = (typeof levels)[number];

export const MISSING = 0;
export const DIFFERS = 1;
/** Only the family name agrees. */
export const FAMILY = 2;
export const PARTIAL = 3;
/** Read aloud they sound the same. */
export const PINYIN = 4;
/** The same words in another order, or in each other's field. */
export const SWAPPED = 5;
export const CLOSE = 6;
export const EXACT = 7;
export type Level =
  | typeof MISSING
  | typeof DIFFERS
  | typeof FAMILY
  | typeof PARTIAL
  | typeof PINYIN
  | typeof SWAPPED
  | typeof CLOSE
  | typeof EXACT;

/** Facets of many values, by facet: what a comparison reads, made once a value. */
export type Facets = readonly (readonly string[])[];

/** A comparison of value `i` of some with value `j` of others. */
export type Compare<Result> = (a: Facets, i: number, b: Facets, j: number) => Result;

/** A piece by which equal things are found; the empty text finds nothing. */
export interface Key {
  /** `whole` is lost by any slip; a `part` survives a slip elsewhere in the value. */
  readonly of: 'whole' | 'part';
  readonly from: (facets: Facets, i: number) => string;
}

export interface Sort {
  /** One sentence for people. */
  readonly doc: string;
  /**
   * The value in the one spelling by which it counts as the same, first, and whatever else `compare` reads;
   * always as many. Null where the text stands for no value.
   */
  readonly facets: (text: string) => readonly string[] | null;
  /** Of two values whose first facets differ: never MISSING or EXACT, and the same either way round. */
  readonly compare: Compare<Level>;
  readonly keys: readonly Key[];
  /** How often true matches show each level, before anything was learnt; the rest is `exact`. */
  readonly expected: Readonly<Partial<Record<LevelName, number>>>;
  /**
   * The largest share of true matches that may differ. Who a person is hardly changes; where they live does.
   * It keeps learning from taking households, branches or anything else alike for one and the same.
   */
  readonly mostDiffering: number;
  /**
   * What kin share, things that are near each other and not the same: a household, branches, shops in one
   * building. `name` tells kin apart, `own` mostly, `near` hardly; and only `own` and `near` tell namesakes apart.
   */
  readonly role: 'name' | 'own' | 'near';
  /** True of two different values that prove two different things, whatever else agrees. */
  readonly proves?: Compare<boolean>;
}

export const facetAt = (facets: Facets, facet: number, i: number): string => facets[facet]?.[i] ?? '';

/** The first facet as a whole key. */
export const wholeKey: Key = { of: 'whole', from: (facets, i) => facetAt(facets, 0, i) };
