/**
 * What two records that look like one thing may be instead. Fellegi and Sunter know one rival, two strangers who
 * agree by chance, field by field. But some agree in several fields for one reason: Winkler's third class (1993,
 * "Improved Decision Rules in the Fellegi–Sunter Model of Record Linkage"; Larsen and Rubin 2001). Here there are two
 * such: kin, who share an address, a telephone, a family name, because they are near each other (a household,
 * branches, shops in one house); and namesakes, who share a name and what is made of it, an e-mail address for
 * instance. Without them each household and each common name would look like a match, since what is shared for one
 * reason would count as often as it is written down.
 */
import { CLOSE, DIFFERS, EXACT, FAMILY, levels, MISSING, PARTIAL, SWAPPED, type Sort } from './sort.ts';
import { sortOf, type Field } from './sorts.ts';

export const levelCount = levels.length;
export const rivalNames = ['stranger', 'kin', 'namesake'] as const;
export type RivalName = (typeof rivalNames)[number];

/** Rows by field, entries by level; entry MISSING is unused. */
export type Rates = readonly Float64Array[];

export const normalised = (rates: Float64Array): Float64Array => {
  const sum = rates.reduce((total, one) => total + one, 0);
  return sum > 0 ? rates.map((one) => one / sum) : rates;
};

/** What is usual of matches in a sort of field, before anything was learnt. */
export const usualOfMatches = ({ sort }: Field): Float64Array => {
  const { expected } = sortOf(sort);
  const made = Float64Array.from(levels, (level) => expected[level] ?? 0.002);
  made[MISSING] = 0;
  made[EXACT] = 0;
  made[EXACT] = Math.max(0.05, 1 - made.reduce((sum, one) => sum + one, 0));
  return normalised(made);
};

/** A company has a name of its own; in a table of people it is something that they share. */
export const rolesOf = (fields: readonly Field[]): readonly Sort['role'][] => {
  const people = fields.some(({ sort }) => sort === 'person' || sort === 'given' || sort === 'family');
  return fields.map(({ sort }) => (sort === 'company' && people ? 'near' : sortOf(sort).role));
};

const rates = (exact: number, close: number, partial: number, family = 0.002): Float64Array => {
  const made = new Float64Array(levelCount).fill(0.002);
  made[MISSING] = 0;
  made[EXACT] = exact;
  made[CLOSE] = close;
  made[PARTIAL] = partial;
  made[FAMILY] = family;
  made[DIFFERS] = 1 - exact - close - partial - family;
  return normalised(made);
};

/** A rival that agrees for a reason: what is usual of it, and how far it may be learnt. */
export interface Rival {
  readonly is: RivalName;
  readonly usual: Rates;
  /** By field: most pairs that may agree, exactly or nearly; more would be matches. */
  readonly most: readonly number[];
  /** By field: agreement is chance here, so that a rare value weighs more than a common one. */
  readonly byChance: readonly boolean[];
}

const kinOf = (roles: readonly Sort['role'][]): Rival => ({
  is: 'kin',
  usual: roles.map((role) =>
    role === 'name'
      ? rates(0.005, 0.01, 0.05, 0.4)
      : role === 'own'
        ? rates(0.03, 0.02, 0.05)
        : rates(0.6, 0.1, 0.1),
  ),
  most: roles.map((role) => (role === 'name' ? 0.05 : role === 'own' ? 0.2 : 1)),
  byChance: roles.map((role) => role === 'name'),
});

/** As pairs are that were drawn by chance; what none of them showed is rare, not impossible. */
const asRandom = (random: Float64Array): Float64Array =>
  normalised(random.map((rate, level) => (level === MISSING ? 0 : Math.max(rate, 1e-4))));

const namesakeOf = (fields: readonly Field[], roles: readonly Sort['role'][], random: Rates): Rival => {
  const named = fields.map(({ sort }, i) => roles[i] === 'name' || sort === 'family');
  return {
    is: 'namesake',
    usual: fields.map((_, i) =>
      named[i] === true ? rates(0.8, 0.06, 0.06) : asRandom(random[i] ?? new Float64Array(levelCount)),
    ),
    most: fields.map((_, i) => {
      if (named[i] === true) return 1;
      const chance = (random[i] ?? new Float64Array(levelCount)).reduce(
        (sum, rate, level) => sum + (level >= SWAPPED ? rate : 0),
        0,
      );
      return Math.max(0.05, Math.min(1, 2 * chance));
    }),
    byChance: fields.map(() => true),
  };
};

/** The rivals besides strangers that the fields can tell from matches; `random`: rates among random pairs. */
export const rivalsOf = (fields: readonly Field[], random: Rates): Rival[] => {
  const roles = rolesOf(fields);
  if (!roles.includes('name') || roles.every((role) => role === 'name')) return [];
  return [...(roles.includes('near') ? [kinOf(roles)] : []), namesakeOf(fields, roles, random)];
};

/** Holds the sum of some rates down to `most`; true if it had to. */
export const hold = (row: Float64Array, held: (level: number) => boolean, most: number): boolean => {
  const sum = row.reduce((total, rate, level) => total + (held(level) ? rate : 0), 0);
  if (sum <= most) return false;
  for (let level = 0; level < levelCount; level += 1)
    row[level] = (row[level] ?? 0) * (held(level) ? most / sum : (1 - most) / (1 - sum));
  return true;
};
