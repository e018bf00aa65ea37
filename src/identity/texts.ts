/** E-mail, addresses, places, words from a list, free text. */
import { isPlaceholder, isShared } from '../merge/guard.ts';
import { fold, hasHan, soundex, wordsOf } from './folding.ts';
import { dice, isOneSlip, jaroWinkler } from './similar.ts';
import { CLOSE, DIFFERS, facetAt, PARTIAL, wholeKey, type Facets, type Level, type Sort } from './sort.ts';

const known = (text: string): string | null => {
  const folded = fold(text);
  return isPlaceholder(folded) ? null : folded;
};

/** Address; what stands before the @, without what is behind a +. */
const emailFacets = (text: string): readonly string[] | null => {
  const folded = fold(text).replaceAll(' ', '');
  if (isShared(folded)) return null;
  const at = folded.lastIndexOf('@');
  if (at < 1) return [folded, ''];
  const local = folded.slice(0, at).replace(/\+.*$/u, '');
  return [`${local}${folded.slice(at)}`, local];
};

const equalOrSlip = (a: string, b: string): boolean => a === b || isOneSlip(a, b);

const domainOf = (email: string): string => email.slice(email.lastIndexOf('@'));

/** wangwei at 163.com and wangwei at qq.com are often two people: the same before the @ is partial only. */
const compareEmails = (a: Facets, i: number, b: Facets, j: number): Level => {
  const one = facetAt(a, 0, i);
  const other = facetAt(b, 0, j);
  const local = facetAt(a, 1, i);
  const too = facetAt(b, 1, j);
  if (isOneSlip(one, other)) return CLOSE;
  if (local.length >= 4 && equalOrSlip(local, too) && equalOrSlip(domainOf(one), domainOf(other)))
    return CLOSE;
  return (local.length >= 4 && local === too) || jaroWinkler(one, other, 0.86) > 0 ? PARTIAL : DIFFERS;
};

export const email: Sort = {
  doc: 'An e-mail address.',
  facets: emailFacets,
  compare: compareEmails,
  keys: [
    wholeKey,
    { of: 'part', from: (facets, i) => facetAt(facets, 1, i) },
    {
      of: 'part',
      from: (facets, i) => facetAt(facets, 0, i).slice(facetAt(facets, 0, i).lastIndexOf('@') + 1),
    },
  ],
  expected: { close: 0.06, partial: 0.06, differs: 0.15 },
  role: 'own',
  mostDiffering: 0.7,
};

/** The host without www, by which a site is known. */
const websiteFacets = (text: string): readonly string[] | null => {
  const folded = known(text);
  if (folded === null) return null;
  const host = folded
    .replace(/^[a-z][a-z0-9+.-]*:\/*/u, '')
    .replace(/^www\d?\./u, '')
    .replace(/[/?#:].*$/u, '');
  return host === '' ? null : [host, host.replace(/\.[^.]*$|\.(?:com|net|org|co|gov|edu)\.[^.]*$/u, '')];
};

export const website: Sort = {
  doc: 'A website or internet domain.',
  facets: websiteFacets,
  compare: (a, i, b, j) => {
    const one = facetAt(a, 0, i);
    const other = facetAt(b, 0, j);
    if (one.length > 6 && isOneSlip(one, other)) return CLOSE;
    // huaxia.cn and huaxia.com, shop.huaxia.cn.
    const name = facetAt(a, 1, i);
    const within = one.endsWith(`.${other}`) || other.endsWith(`.${one}`);
    return within || (name.length > 3 && name === facetAt(b, 1, j)) ? PARTIAL : DIFFERS;
  },
  keys: [wholeKey, { of: 'part', from: (facets, i) => facetAt(facets, 1, i) }],
  expected: { close: 0.02, partial: 0.06, differs: 0.12 },
  mostDiffering: 0.6,
  role: 'own',
};

// ---------------------------------------------------------------- places and addresses

const SHORT: ReadonlyMap<string, string> = new Map(
  (
    'street st;str st;avenue ave;av ave;road rd;boulevard blvd;drive dr;lane ln;la ln;place pl;court ct;crescent cres;circuit cct;' +
    'square sq;highway hwy;parkway pkwy;terrace tce;north n;south s;east e;west w;northeast ne;northwest nw;southeast se;southwest sw;' +
    'first 1st;second 2nd;third 3rd;fourth 4th;fifth 5th;sixth 6th;seventh 7th;eighth 8th;ninth 9th;tenth 10th;' +
    'apartment apt;suite ste;floor fl;building bldg;saint st;mount mt;fort ft'
  )
    .split(';')
    .map((pair) => pair.split(' ') as [string, string]),
);

/** Words in their short forms, Chinese ones without what joins their numbers; then the numbers in it. */
const addressFacets = (text: string): readonly string[] | null => {
  const folded = known(text);
  if (folded === null) return null;
  const words = wordsOf(folded.replaceAll(/['’]/gu, '')).map((word) => SHORT.get(word) ?? word);
  const whole = hasHan(folded) ? words.join('').replaceAll(/[省市区县]/gu, '') : words.join(' ');
  if (whole === '') return null;
  return [whole, (whole.match(/\d+/gu) ?? []).join(' ')];
};

const BLANK = 0x20;

/** House numbers say more than the words around them. */
const numbersAgree = (a: string, b: string): boolean => {
  const short = a.length < b.length ? a : b;
  const long = short === a ? b : a;
  if (short === '' || long === short) return true;
  const rest = long.length - short.length;
  return (
    (long.charCodeAt(short.length) === BLANK && long.startsWith(short)) ||
    (long.charCodeAt(rest - 1) === BLANK && long.endsWith(short))
  );
};

const compareAddresses = (a: Facets, i: number, b: Facets, j: number): Level => {
  const one = facetAt(a, 0, i);
  const other = facetAt(b, 0, j);
  const numbers = facetAt(a, 1, i);
  const others = facetAt(b, 1, j);
  const like = dice(one, other);
  const agree = numbersAgree(numbers, others);
  const short = one.length < other.length ? one : other;
  const long = short === one ? other : one;
  const within = short.length >= 6 && (long.startsWith(short) || long.endsWith(short));
  if (agree && (like >= 0.75 || within || isOneSlip(one, other))) return CLOSE;
  if (like >= 0.6 || within) return PARTIAL;
  return numbers !== '' && numbers === others && like >= 0.35 ? PARTIAL : DIFFERS;
};

export const address: Sort = {
  doc: 'An address on one line, or its street.',
  facets: addressFacets,
  compare: compareAddresses,
  keys: [
    wholeKey,
    {
      of: 'part',
      from: (facets, i) => {
        const numbers = facetAt(facets, 1, i);
        const word = facetAt(facets, 0, i).match(/\p{L}{3}/u)?.[0] ?? '';
        return numbers === '' ? word : `${numbers.split(' ', 1)[0] ?? ''} ${word}`;
      },
    },
  ],
  expected: { close: 0.2, partial: 0.1, differs: 0.2 },
  role: 'near',
  mostDiffering: 0.7,
};

/** 上海市 is 上海. */
const placeFacets = (text: string): readonly string[] | null => {
  const folded = known(text);
  if (folded === null) return null;
  if (!hasHan(folded)) {
    const words = wordsOf(folded).map((word) => SHORT.get(word) ?? word);
    return words.length === 0 ? null : [words.join(' ')];
  }
  const whole = wordsOf(folded).join('');
  const short = whole.replace(/(?:特别行政区|自治区|自治州|省|市|区|县)$/u, '');
  return [short.length >= 2 ? short : whole];
};

const comparePlaces = (a: Facets, i: number, b: Facets, j: number): Level => {
  const one = facetAt(a, 0, i);
  const other = facetAt(b, 0, j);
  const short = one.length < other.length ? one : other;
  const long = short === one ? other : one;
  if (hasHan(one) || hasHan(other)) return short.length >= 2 && long.includes(short) ? PARTIAL : DIFFERS;
  const like = jaroWinkler(one, other, 0.8);
  if (short.length >= 4 && (isOneSlip(one, other) || like >= 0.9)) return CLOSE;
  return short.length >= 3 && (like > 0 || long.split(' ').includes(short) || long.startsWith(short))
    ? PARTIAL
    : DIFFERS;
};

export const place: Sort = {
  doc: 'A city, suburb, district, state or country.',
  facets: placeFacets,
  compare: comparePlaces,
  keys: [
    wholeKey,
    {
      of: 'part',
      from: (facets, i) => {
        const text = facetAt(facets, 0, i);
        return hasHan(text) ? text.slice(0, 2) : soundex(text);
      },
    },
  ],
  expected: { close: 0.08, partial: 0.04, differs: 0.13 },
  role: 'near',
  mostDiffering: 0.6,
};

// ---------------------------------------------------------------- words

const wordFacets = (text: string): readonly string[] | null => {
  const folded = known(text);
  if (folded === null) return null;
  const words = wordsOf(folded).join(' ');
  return words === '' ? null : [words];
};

export const category: Sort = {
  doc: 'A word from a short list: a sex, a stage, an industry.',
  facets: wordFacets,
  compare: () => DIFFERS,
  keys: [wholeKey],
  expected: { differs: 0.1 },
  role: 'near',
  mostDiffering: 0.6,
};

export const freeText: Sort = {
  doc: 'Any other text.',
  facets: wordFacets,
  compare: (a, i, b, j) => {
    const one = facetAt(a, 0, i);
    const other = facetAt(b, 0, j);
    const like = Math.max(
      dice(one, other),
      one.length < 12 && other.length < 12 ? jaroWinkler(one, other) : 0,
    );
    if (like >= 0.85 || (one.length > 3 && isOneSlip(one, other))) return CLOSE;
    return like >= 0.6 ? PARTIAL : DIFFERS;
  },
  keys: [wholeKey, { of: 'part', from: (facets, i) => facetAt(facets, 0, i).slice(0, 4) }],
  expected: { close: 0.12, partial: 0.08, differs: 0.2 },
  role: 'near',
  mostDiffering: 0.7,
};
