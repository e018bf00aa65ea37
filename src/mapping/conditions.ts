import type { Json, JsonObject } from '../connector.ts';
import type { Fields } from './lens.ts';
import { isObject, sameValue } from './place.ts';
import { shown } from './schema.ts';

/** Conditions over the fields of an entity, as the rows of a routing table ask them. Pure. */

/** What one field must be. All that is said must hold; an empty field is no value, so that only `not` and `empty` can hold for it. */
export interface Test {
  /** One of these. */
  readonly is?: readonly Json[];
  /** None of these. */
  readonly not?: readonly Json[];
  /** A number, a day or time as text, or money of one currency: this or more, and less than that. */
  readonly atLeast?: Json;
  readonly below?: Json;
  /** Text that begins with, or holds, one of these. */
  readonly startsWith?: readonly string[];
  readonly contains?: readonly string[];
  readonly empty?: boolean;
}

/** By field. A bare list is short for `is`. */
export type Conditions = Readonly<Record<string, Test | readonly Json[]>>;

/** What is wrong with something that is to be conditions, as the rest of a sentence; null if nothing is. */
export const conditionsFault = (given: unknown): string | null => {
  if (!isObject(given)) return 'takes conditions by field, such as {"customerId": {"empty": true}}';
  const known = new Set(['is', 'not', 'atLeast', 'below', 'startsWith', 'contains', 'empty']);
  const lists = new Set(['is', 'not', 'startsWith', 'contains']);
  for (const [field, test] of Object.entries(given)) {
    if (Array.isArray(test) && test.length > 0) continue;
    if (!isObject(test) || Object.keys(test).length === 0)
      return `says of ${field} neither a list of values nor a test`;
    const strange = Object.keys(test).find((name) => !known.has(name));
    if (strange !== undefined)
      return `has the test ${shown(strange)} for ${field}; there are ${[...known].join(', ')}`;
    const bare = Object.entries(test).find(([name, value]) => lists.has(name) !== Array.isArray(value));
    if (bare !== undefined) return `says ${bare[0]} for ${field} with ${shown(bare[1])}`;
  }
  return null;
};

export const testOf = (given: Test | readonly Json[]): Test =>
  Array.isArray(given) ? { is: given as readonly Json[] } : (given as Test);

/** Text is compared without width, case and outer blanks, as keys are: ＣＲＭ is crm. */
const plain = (value: Json): Json =>
  typeof value === 'string' ? value.normalize('NFKC').trim().toLowerCase() : value;

const equal = (a: Json, b: Json): boolean => sameValue(plain(a), plain(b));

/** Below zero, zero or above, or null where two values have no order: other types, other currencies. */
export const order = (a: Json, b: Json): number | null => {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  // Days and times of ISO 8601 in one form sort as text.
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (!isObject(a) || !isObject(b) || a['currency'] !== b['currency']) return null;
  const [x, y] = [a['amount'], b['amount']];
  return typeof x === 'number' && typeof y === 'number' ? x - y : null;
};

const listed = (values: readonly Json[]): string => values.map(shown).join(' or ');

/** Which values a test of text looks at: the items of a list, or the one value. */
const textsOf = (value: Json): readonly string[] =>
  [value].flat().flatMap((one) => (typeof one === 'string' ? [String(plain(one))] : []));

const holdsText = (value: Json, parts: readonly string[], how: 'startsWith' | 'includes'): boolean =>
  textsOf(value).some((text) => parts.some((part) => text[how](String(plain(part)))));

/** Why a value does not pass, as the rest of a sentence about the field; null if it does. `hidden` leaves the value itself out. */
const failure = (value: Json, test: Test, hidden: boolean): string | null => {
  const own = hidden ? 'another value' : shown(value);
  const isOneOf = (among: readonly Json[]): boolean =>
    [value].flat().some((one) => among.some((other) => equal(one, other))) ||
    among.some((other) => equal(value, other));
  if (test.empty !== undefined && (value === null) !== test.empty)
    return test.empty ? 'is not empty' : 'is empty';
  if (value === null) {
    const asks = Object.keys(test).some((name) => name !== 'not' && name !== 'empty');
    return asks ? 'is empty' : null;
  }
  if (test.is !== undefined && !isOneOf(test.is)) return `is ${own}, not ${listed(test.is)}`;
  if (test.not !== undefined && isOneOf(test.not)) return `is ${own}`;
  const least = test.atLeast === undefined ? 0 : order(value, test.atLeast);
  if (least === null) return `is ${own}, which cannot be compared with ${shown(test.atLeast)}`;
  if (least < 0) return `is ${own}, below ${shown(test.atLeast)}`;
  const most = test.below === undefined ? -1 : order(value, test.below);
  if (most === null) return `is ${own}, which cannot be compared with ${shown(test.below)}`;
  if (most >= 0) return `is ${own}, not below ${shown(test.below)}`;
  if (test.startsWith !== undefined && !holdsText(value, test.startsWith, 'startsWith'))
    return `is ${own}, which does not begin with ${listed(test.startsWith)}`;
  if (test.contains !== undefined && !holdsText(value, test.contains, 'includes'))
    return `is ${own}, which does not hold ${listed(test.contains)}`;
  return null;
};

/**
 * The first condition that does not hold, as a sentence; null if all do. Values of `personal` fields are left out of
 * the sentence.
 */
export const firstFailure = (
  conditions: Conditions,
  fields: Fields,
  personal: ReadonlySet<string> = new Set(),
): string | null => {
  for (const [field, given] of Object.entries(conditions)) {
    const value = Object.hasOwn(fields, field) ? (fields[field] ?? null) : null;
    const why = failure(value, testOf(given), personal.has(field));
    if (why !== null) return `${field} ${why}`;
  }
  return null;
};

/** What the conditions ask, in words. */
export const conditionWords = (conditions: Conditions): string =>
  Object.entries(conditions)
    .map(([field, given]) => {
      const test = testOf(given);
      const said = [
        ...(test.is === undefined ? [] : [`is ${listed(test.is)}`]),
        ...(test.not === undefined ? [] : [`is not ${listed(test.not)}`]),
        ...(test.atLeast === undefined ? [] : [`is at least ${shown(test.atLeast)}`]),
        ...(test.below === undefined ? [] : [`is below ${shown(test.below)}`]),
        ...(test.startsWith === undefined ? [] : [`begins with ${listed(test.startsWith)}`]),
        ...(test.contains === undefined ? [] : [`holds ${listed(test.contains)}`]),
        ...(test.empty === undefined ? [] : [test.empty ? 'is empty' : 'is filled']),
      ];
      return `${field} ${said.join(' and ')}`;
    })
    .join(', ');

/** Every value that a test names, with the member that names it: for checking them, and for making values that pass. */
export const namedIn = (test: Test): readonly (readonly [keyof Test, Json])[] => [
  ...(test.is ?? []).map((value) => ['is', value] as const),
  ...(test.not ?? []).map((value) => ['not', value] as const),
  ...(test.atLeast === undefined ? [] : [['atLeast', test.atLeast] as const]),
  ...(test.below === undefined ? [] : [['below', test.below] as const]),
  ...(test.startsWith ?? []).map((value) => ['startsWith', value] as const),
  ...(test.contains ?? []).map((value) => ['contains', value] as const),
];

/**
 * True if whatever passes `narrow` passes `wide` as well, so that `narrow` after `wide` is never asked. It says true
 * only where it can show it: for tests of values by list and of emptiness; a range inside of a range.
 */
export const covers = (wide: Conditions, narrow: Conditions): boolean =>
  Object.entries(wide).every(([field, given]) => {
    const asked = Object.hasOwn(narrow, field) ? narrow[field] : undefined;
    return asked !== undefined && coversTest(testOf(given), testOf(asked));
  });

const coversTest = (wide: Test, narrow: Test): boolean => {
  const within = (value: Json): boolean => failure(value, wide, false) === null;
  // All that can pass are these few values: try them.
  if (narrow.is !== undefined)
    return narrow.is.filter((value) => failure(value, narrow, false) === null).every(within);
  if (wide.is !== undefined) return false;
  const sameOrMore = (a: Json | undefined, b: Json | undefined, sign: 1 | -1): boolean => {
    if (a === undefined) return true;
    const by = b === undefined ? null : order(b, a);
    return by !== null && by * sign >= 0;
  };
  const subset = (few: readonly Json[] = [], all: readonly Json[] = []): boolean =>
    few.every((one) => all.some((other) => equal(one, other)));
  const textsWithin = (a: readonly string[] | undefined, b: readonly string[] | undefined): boolean =>
    a === undefined || (b !== undefined && subset(b, a));
  // What is asked of the narrow one alone may shut empty fields out.
  const narrowFilled =
    narrow.empty === false ||
    [narrow.atLeast, narrow.below, narrow.startsWith, narrow.contains].some((one) => one !== undefined);
  const emptyFits =
    wide.empty === undefined || wide.empty === narrow.empty || (wide.empty === false && narrowFilled);
  return (
    emptyFits &&
    subset(wide.not, narrow.not) &&
    sameOrMore(wide.atLeast, narrow.atLeast, 1) &&
    sameOrMore(wide.below, narrow.below, -1) &&
    textsWithin(wide.startsWith, narrow.startsWith) &&
    textsWithin(wide.contains, narrow.contains)
  );
};

/** A value for each field that passes its test, as far as one is easily found: for generated records. */
export const passing = (conditions: Conditions, seed: number): Fields => {
  const made: JsonObject = {};
  for (const [field, given] of Object.entries(conditions)) {
    const test = testOf(given);
    const { is = [], startsWith = [], contains = [], atLeast, below, empty } = test;
    if (empty === true) made[field] = null;
    else if (is.length > 0) made[field] = is[seed % is.length] ?? null;
    else if (startsWith.length > 0) made[field] = `${startsWith[seed % startsWith.length]}…`;
    else if (contains.length > 0) made[field] = contains[seed % contains.length] ?? null;
    else if (atLeast !== undefined) made[field] = atLeast;
    else if (typeof below === 'number') made[field] = below - 1;
    else if (isObject(below)) made[field] = { ...below, amount: Number(below['amount']) - 1 };
  }
  return made;
};
