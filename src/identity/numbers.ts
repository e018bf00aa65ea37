/** Numbers and codes: telephone, identifiers, postcodes, dates. */
import { identifierSteps } from '../mapping/identifiers.ts';
import { isPlaceholder, isShared } from '../merge/guard.ts';
import { fold } from './folding.ts';
import { differingPlaces, isOneSlip } from './similar.ts';
import {
  CLOSE,
  DIFFERS,
  facetAt,
  PARTIAL,
  wholeKey,
  type Compare,
  type Facets,
  type Key,
  type Level,
  type Sort,
} from './sort.ts';

const MOBILE = /^1[3-9]\d{9}$/u;

/** The digits that are dialled inside of a country: without +86, a leading 0, an extension. */
const dialled = (text: string): string | null => {
  const folded = fold(text).replace(/\s*(?:转|分机|ext\.?|x|#|;ext=)\s*\d{1,7}\s*.*$/u, '');
  if (isShared(folded)) return null;
  let digits = folded.replace(/[^0-9]/gu, '');
  if (digits.length > 10 && digits.startsWith('00')) digits = digits.slice(2);
  if (
    digits.startsWith('86') &&
    (MOBILE.test(digits.slice(2)) || folded.startsWith('+') || digits.length > 12)
  )
    digits = digits.slice(2);
  digits = digits.replace(/^0+/u, '');
  return digits.length < 5 || isShared(digits) ? null : digits;
};

const comparePhones = (a: Facets, i: number, b: Facets, j: number): Level => {
  const one = facetAt(a, 0, i);
  const other = facetAt(b, 0, j);
  const short = one.length < other.length ? one : other;
  const long = short === one ? other : one;
  // One without its area, or with its country.
  if (short.length >= 7 && long.endsWith(short)) return CLOSE;
  if (isOneSlip(one, other)) return CLOSE;
  return one.length === other.length && one.length >= 7 && differingPlaces(one, other) <= 2
    ? PARTIAL
    : DIFFERS;
};

/** The last digits, and the first of a number of usual length. */
const ends = (last: number, first: number): Key[] => [
  {
    of: 'part',
    from: (facets, i) => (facetAt(facets, 0, i).length >= last ? facetAt(facets, 0, i).slice(-last) : ''),
  },
  {
    of: 'part',
    from: (facets, i) => (facetAt(facets, 0, i).length > first ? facetAt(facets, 0, i).slice(0, first) : ''),
  },
];

export const phone: Sort = {
  doc: 'A telephone number, mobile or not, in any spelling.',
  facets: (text) => {
    const digits = dialled(text);
    return digits === null ? null : [digits];
  },
  compare: comparePhones,
  keys: [wholeKey, ...ends(7, 7)],
  expected: { close: 0.04, partial: 0.01, differs: 0.25 },
  role: 'near',
  mostDiffering: 0.7,
};

const codeOf = (text: string): string | null => {
  const folded = fold(text);
  if (isPlaceholder(folded)) return null;
  const code = folded.replace(/[^\p{L}\p{N}]/gu, '').toUpperCase();
  return code === '' || isPlaceholder(code.toLowerCase()) ? null : code;
};

const compareCodes = (a: Facets, i: number, b: Facets, j: number): Level => {
  const one = facetAt(a, 0, i);
  const other = facetAt(b, 0, j);
  if (Math.min(one.length, other.length) < 4)
    return one.length > 1 && other.length > 1 && isOneSlip(one, other) ? PARTIAL : DIFFERS;
  if (isOneSlip(one, other) || one.replace(/^0+/u, '') === other.replace(/^0+/u, '')) return CLOSE;
  return one.length === other.length && one.length >= 6 && differingPlaces(one, other) <= 2
    ? PARTIAL
    : DIFFERS;
};

const half = (text: string): number => Math.ceil(text.length / 2);
const halves: readonly Key[] = [
  { of: 'part', from: (facets, i) => facetAt(facets, 0, i).slice(0, half(facetAt(facets, 0, i))) },
  { of: 'part', from: (facets, i) => facetAt(facets, 0, i).slice(half(facetAt(facets, 0, i))) },
];

export const code: Sort = {
  doc: 'A number or code that was given out: a customer number, a social security number, a house number.',
  facets: (text) => {
    const made = codeOf(text);
    return made === null ? null : [made];
  },
  compare: compareCodes,
  keys: [wholeKey, ...halves],
  expected: { close: 0.05, partial: 0.02, differs: 0.08 },
  role: 'own',
  mostDiffering: 0.5,
};

/** The step that mappings check such codes with. */
const checked = identifierSteps['credit-code']?.bind(undefined, {
  inward: 'park',
  outward: 'park',
  places: 1,
}).forward;

const bothValid: Compare<boolean> = (a, i, b, j) =>
  facetAt(a, 1, i) === 'valid' && facetAt(b, 1, j) === 'valid';

export const creditCode: Sort = {
  ...code,
  doc: 'A 统一社会信用代码. Two that are both valid and differ are two companies, whatever else agrees.',
  // An invalid one is no evidence that two are different, but may still be one slip from the right one.
  facets: (text) => {
    const made = codeOf(text);
    return made === null ? null : [made, checked?.(made) === made ? 'valid' : ''];
  },
  compare: (a, i, b, j) => (bothValid(a, i, b, j) ? DIFFERS : compareCodes(a, i, b, j)),
  expected: { close: 0.03, differs: 0.02 },
  mostDiffering: 0.1,
  proves: bothValid,
};

export const id: Sort = {
  ...code,
  doc: 'A number that one thing alone has and keeps: two different ones are two things, whatever else agrees.',
  compare: () => DIFFERS,
  keys: [wholeKey],
  expected: { differs: 0.01 },
  mostDiffering: 0.1,
  proves: () => true,
};

export const postcode: Sort = {
  doc: 'A postal code.',
  facets: code.facets,
  compare: (a, i, b, j) => {
    const one = facetAt(a, 0, i);
    const other = facetAt(b, 0, j);
    if (isOneSlip(one, other)) return CLOSE;
    const isLong = Math.min(one.length, other.length) > 2;
    return isLong && one.slice(0, 2) === other.slice(0, 2) ? PARTIAL : DIFFERS;
  },
  keys: [wholeKey],
  expected: { close: 0.05, partial: 0.05, differs: 0.12 },
  role: 'near',
  mostDiffering: 0.6,
};

// ---------------------------------------------------------------- dates

const pad = (year: string, month: string, day: string): string =>
  `${year}${month.padStart(2, '0')}${day.padStart(2, '0')}`;

/** `19800229`; of what is no date its digits. Where day and month cannot be told apart the day comes first. */
const dateOf = (text: string): string | null => {
  const folded = fold(text);
  if (isPlaceholder(folded)) return null;
  const [, y, m, d] = /^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})/u.exec(folded) ?? [];
  if (y !== undefined && m !== undefined && d !== undefined) return pad(y, m, d);
  const [, first, second, year] = /^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})/u.exec(folded) ?? [];
  if (first !== undefined && second !== undefined && year !== undefined)
    return Number(second) > 12 ? pad(year, first, second) : pad(year, second, first);
  const digits = folded.replace(/[^0-9]/gu, '').slice(0, 8);
  return digits.length < 4 ? null : digits;
};

/** The number that so many digits of a date are. */
const digitsAt = (date: string, from: number, to: number): number => {
  let number = 0;
  for (let i = from; i < to; i += 1) number = number * 10 + date.charCodeAt(i) - 48;
  return number;
};

/** Days since 1970 as a calendar counts them, of eight digits. */
const dayOf = (date: string): number =>
  Date.UTC(digitsAt(date, 0, 4), digitsAt(date, 4, 6) - 1, digitsAt(date, 6, 8)) / 86_400_000;

/** The steps of closeness are those of Splink's date-of-birth comparison: a slip, a month, a year. */
const compareDates = (a: Facets, i: number, b: Facets, j: number): Level => {
  const one = facetAt(a, 0, i);
  const other = facetAt(b, 0, j);
  if (isOneSlip(one, other)) return CLOSE;
  if (one.length !== 8 || other.length !== 8) return DIFFERS;
  // Most are decades apart: no month or day that two digits can write makes up for that.
  const years = Math.abs(digitsAt(one, 0, 4) - digitsAt(other, 0, 4));
  if (years > 12 && years < 1000) return differingPlaces(one, other) <= 2 ? PARTIAL : DIFFERS;
  if (
    years === 0 &&
    digitsAt(one, 4, 6) === digitsAt(other, 6, 8) &&
    digitsAt(one, 6, 8) === digitsAt(other, 4, 6)
  )
    return CLOSE;
  const apart = Math.abs(dayOf(one) - dayOf(other));
  if (apart <= 31) return CLOSE;
  return apart <= 400 || differingPlaces(one, other) <= 2 ? PARTIAL : DIFFERS;
};

export const date: Sort = {
  doc: 'A date, such as a date of birth.',
  facets: (text) => {
    const made = dateOf(text);
    return made === null ? null : [made];
  },
  compare: compareDates,
  keys: [
    wholeKey,
    { of: 'part', from: (facets, i) => facetAt(facets, 0, i).slice(0, 6) },
    { of: 'part', from: (facets, i) => facetAt(facets, 0, i).slice(4) },
  ],
  expected: { close: 0.06, partial: 0.02, differs: 0.05 },
  role: 'own',
  mostDiffering: 0.3,
};
