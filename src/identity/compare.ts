/** Two records, field by field. */
import { hasHan } from './folding.ts';
import { jaroWinkler } from './similar.ts';
import { CLOSE, EXACT, facetAt, MISSING, SWAPPED, type Facets, type Level, type Sort } from './sort.ts';
import { sortOf, type Field } from './sorts.ts';
import type { Table } from './table.ts';

/** A field as it is compared. */
export interface Comparison {
  readonly sort: Sort;
  /** The field that people mix it up with: the family name of a given name, and the reverse; -1 if there is none. */
  readonly partner: number;
}

export const comparisonsOf = (fields: readonly Field[]): readonly Comparison[] => {
  const only = (sort: string): number => {
    const [first, ...more] = fields.flatMap((field, i) => (field.sort === sort ? [i] : []));
    return first === undefined || more.length > 0 ? -1 : first;
  };
  const [given, family] = [only('given'), only('family')];
  return fields.map(({ sort }, i) => ({
    sort: sortOf(sort),
    partner: given < 0 || family < 0 ? -1 : i === given ? family : i === family ? given : -1,
  }));
};

/** The values of many records, or of one: facets by field, each under the number of a form; 0 is no value. */
export type Values = readonly Facets[];

const none: Facets = [];

/** The given name here is the family name there, or sounds or is spelt nearly so. */
const across = (a: Facets, i: number, b: Facets, j: number): boolean => {
  const [one, other] = [facetAt(a, 0, i), facetAt(b, 0, j)];
  if (one === '' || one.charCodeAt(0) !== other.charCodeAt(0)) return false;
  return one === other || (!hasHan(one) && jaroWinkler(one, other, 0.9) > 0);
};

/**
 * True if two names stand in each other's field: both, or the one that both records have. `one` and `other`
 * are the two fields; the answer is the same for either, and either way round.
 */
const isSwapped = (a: Values, b: Values, one: number, other: number, [i, k, j, l]: Forms): boolean => {
  const [a1, a2, b1, b2] = [a[one] ?? none, a[other] ?? none, b[one] ?? none, b[other] ?? none];
  const there = across(a1, i, b2, l);
  const back = across(a2, k, b1, j);
  return (there && (back || k === 0 || j === 0)) || (back && (i === 0 || l === 0));
};

/** Forms of a record's field and its partner, then of the other record's. */
type Forms = readonly [number, number, number, number];

/** How two records agree in a field. Forms of the same values have the same number only if `a` is `b`. */
export const levelOf = (
  comparison: Comparison,
  field: number,
  a: Values,
  b: Values,
  i: number,
  j: number,
  k: number,
  l: number,
): Level => {
  if (i === 0 || j === 0) return MISSING;
  const one = a[field] ?? none;
  const other = b[field] ?? none;
  if ((a === b && i === j) || (a !== b && facetAt(one, 0, i) === facetAt(other, 0, j))) return EXACT;
  const level = comparison.sort.compare(one, i, other, j);
  const { partner } = comparison;
  if (level >= CLOSE || partner < 0) return level;
  return isSwapped(a, b, field, partner, [i, k, j, l]) ? SWAPPED : level;
};

/** Compares records of one table by number. */
export class Comparer {
  readonly #comparisons: readonly Comparison[];
  readonly #forms: readonly Uint32Array[];
  readonly #values: readonly Facets[];
  /** Fields whose values may prove two things. */
  readonly #proving: readonly number[];

  constructor({ fields, columns }: Table) {
    this.#comparisons = comparisonsOf(fields);
    this.#forms = columns.map(({ form }) => form);
    this.#values = columns.map(({ facets }) => facets);
    this.#proving = this.#comparisons.flatMap(({ sort }, field) =>
      sort.proves === undefined ? [] : [field],
    );
  }

  /** The form that a record has in a field; 0 is none. */
  form(field: number, record: number): number {
    return this.#forms[field]?.[record] ?? 0;
  }

  level(field: number, a: number, b: number): Level {
    const i = this.form(field, a);
    const j = this.form(field, b);
    // Most pairs are told by the numbers of their forms.
    if (i === 0 || j === 0) return MISSING;
    if (i === j) return EXACT;
    const comparison = this.#comparisons[field];
    if (comparison === undefined) return MISSING;
    const { partner } = comparison;
    const values = this.#values;
    if (partner < 0) return levelOf(comparison, field, values, values, i, j, 0, 0);
    return levelOf(comparison, field, values, values, i, j, this.form(partner, a), this.form(partner, b));
  }

  /** The first field whose values prove the two to be different; -1 if none does. */
  proof(a: number, b: number): number {
    return (
      this.#proving.find((field) => {
        const i = this.form(field, a);
        const j = this.form(field, b);
        const facets = this.#values[field] ?? none;
        if (i === 0 || j === 0 || i === j) return false;
        return this.#comparisons[field]?.sort.proves?.(facets, i, facets, j) === true;
      }) ?? -1
    );
  }
}
