/** Names of people: whole, or given and family name apart. */
import { isPlaceholder } from '../merge/guard.ts';
import { anagram, fold, hasHan, latin, pinyinOf, soundex, startsHan, wordsOf } from './folding.ts';
import { jaroWinkler } from './similar.ts';
import {
  CLOSE,
  DIFFERS,
  facetAt,
  FAMILY,
  PARTIAL,
  PINYIN,
  SWAPPED,
  wholeKey,
  type Facets,
  type Level,
  type Sort,
} from './sort.ts';

const TITLES = /^(?:(?:mr|mrs|ms|miss|dr|prof|sir)\b\.?\s*)+|(?:先生|女士|小姐)$/gu;
/** What stands in brackets after a name is a remark: a nickname, a firm. */
const REMARK = /[([【（][^)\]】）]*[)\]】）]/gu;
/** Given names that are also words for nothing. */
const NAMES = new Set(['na', 'nil']);

/** A folded name without titles and remarks, or null. */
const nameOf = (text: string): string | null => {
  const folded = fold(text);
  if (isPlaceholder(folded) && !NAMES.has(folded)) return null;
  const bare = folded.replace(REMARK, ' ').replace(TITLES, '').trim();
  return bare === '' ? folded : bare;
};

/** Its Chinese characters, if it is a Chinese name. */
const hanOf = (name: string): string => {
  if (!hasHan(name)) return '';
  const letters = name.replace(/[^\p{Script=Han}]/gu, '');
  return letters.length >= 2 || letters.length === wordsOf(name).join('').length ? letters : '';
};

/** `smith, ann` is ann smith. */
const inOrder = (name: string): string[] => {
  const [family = '', given] = name.split(',');
  return given === undefined || given.trim() === '' ? wordsOf(name) : [...wordsOf(given), ...wordsOf(family)];
};

/** Whole name; its words in alphabetical order (a Chinese name: as it is); its letters read aloud, sorted. */
const personFacets = (text: string): readonly string[] | null => {
  const name = nameOf(text);
  if (name === null) return null;
  const chinese = hanOf(name);
  if (chinese !== '') return [chinese, chinese, anagram(latin(pinyinOf(chinese, true).join('')))];
  const words = inOrder(name);
  if (words.length === 0) return null;
  return [words.join(' '), words.toSorted().join(' '), anagram(latin(words.join('')))];
};

/** Two Chinese names that are neither equal nor sound alike. */
const compareChinese = (a: string, b: string): Level => {
  if (a.length === b.length && a.length > 1 && (a + a).includes(b)) return SWAPPED;
  const short = a.length < b.length ? a : b;
  const long = short === a ? b : a;
  // 小明 is said of 王小明; 王小明 and 王晓明 share two characters of three.
  if (long.endsWith(short) && short.length > 1) return PARTIAL;
  if (a.charAt(0) !== b.charAt(0)) return DIFFERS;
  let same = 0;
  for (const letter of short) if (long.includes(letter)) same += 1;
  return same > 1 && same >= long.length - 1 ? PARTIAL : FAMILY;
};

/** ann smith, a smith; ann smith, ann marie smith: each word of the shorter is, or begins, one of the longer, in order. */
const isShortened = (one: string, other: string): boolean => {
  if (one.length >= other.length) return false;
  const short = one.split(' ');
  const long = other.split(' ');
  let at = 0;
  let whole = 0;
  for (const word of short) {
    while (
      at < long.length &&
      !(long[at] === word || (word.length === 1 && long[at]?.startsWith(word) === true))
    )
      at += 1;
    if (at === long.length) return false;
    if (word.length > 1) whole += 1;
    at += 1;
  }
  return whole > 0;
};

/** Two Western names with a word in common: the family name, of relatives; or the others are alike, too. */
const compareSharing = (a: string, b: string): Level => {
  const one = a.split(' ');
  const other = b.split(' ');
  const left = one.filter((word) => !other.includes(word));
  const right = other.filter((word) => !one.includes(word));
  if (left.length === one.length) return DIFFERS;
  return jaroWinkler(left.join(' '), right.join(' '), 0.8) > 0 ? PARTIAL : FAMILY;
};

const lastWord = (name: string): string => name.slice(name.lastIndexOf(' ') + 1);

const BLANK = 0x20;
const firstWordIs = (name: string, word: string): boolean =>
  name.charCodeAt(word.length) === BLANK && name.startsWith(word);

/** A family name in common, whichever of the two has it first. */
const mayShare = (one: string, other: string): boolean => {
  const last = lastWord(one);
  const too = lastWord(other);
  return last === too || firstWordIs(one, too) || firstWordIs(other, last);
};

const compareLatin = (a: Facets, i: number, b: Facets, j: number): Level => {
  const one = facetAt(a, 0, i);
  const other = facetAt(b, 0, j);
  const words = facetAt(a, 1, i);
  const others = facetAt(b, 1, j);
  if (words === others) return SWAPPED;
  const shares = mayShare(one, other);
  // Either may be the shorter.
  if (shares && (isShortened(one, other) || isShortened(other, one))) return PARTIAL;
  const like = Math.max(jaroWinkler(one, other, 0.84), jaroWinkler(words, others, 0.84));
  const level = shares ? compareSharing(one, other) : DIFFERS;
  if (level === FAMILY || (level === PARTIAL && like < 0.92)) return level;
  return like >= 0.92 ? CLOSE : like > 0 ? PARTIAL : level;
};

export const person: Sort = {
  doc: "A person's whole name, Chinese or Western, in any order.",
  facets: personFacets,
  compare: (a, i, b, j) => {
    const one = facetAt(a, 0, i);
    const other = facetAt(b, 0, j);
    const chinese = startsHan(one);
    const too = startsHan(other);
    const sound = facetAt(a, 2, i);
    const alike = sound.length > 2 && sound === facetAt(b, 2, j);
    if (chinese !== too) return alike ? PINYIN : DIFFERS;
    if (!chinese) return alike && facetAt(a, 1, i) !== facetAt(b, 1, j) ? CLOSE : compareLatin(a, i, b, j);
    const level = compareChinese(one, other);
    return level !== SWAPPED && alike ? PINYIN : level;
  },
  keys: [
    { of: 'whole', from: (facets, i) => facetAt(facets, 1, i) },
    { of: 'part', from: (facets, i) => facetAt(facets, 2, i) },
    { of: 'part', from: (facets, i) => roughName(facetAt(facets, 1, i)) },
  ],
  expected: { close: 0.06, swapped: 0.02, pinyin: 0.02, partial: 0.05, differs: 0.04 },
  role: 'name',
  mostDiffering: 0.2,
};

/** The first word's letter and the last one's sound; of a Chinese name the first character and its length. */
const roughName = (words: string): string => {
  if (hasHan(words)) return `${words.charAt(0)}${words.length}`;
  const last = words.slice(words.lastIndexOf(' ') + 1);
  return last === words ? soundex(words) : `${words.charAt(0)}${soundex(last)}`;
};

/** One part of a name; its letters read aloud, sorted, of Chinese ones. */
const partFacets =
  (family: boolean) =>
  (text: string): readonly string[] | null => {
    const name = nameOf(text);
    if (name === null) return null;
    const chinese = hanOf(name);
    if (chinese !== '') return [chinese, anagram(latin(pinyinOf(chinese, family).join('')))];
    const words = wordsOf(name).join(' ');
    return words === '' ? null : [words, anagram(latin(words))];
  };

const comparePart = (a: Facets, i: number, b: Facets, j: number): Level => {
  const one = facetAt(a, 0, i);
  const other = facetAt(b, 0, j);
  const chinese = startsHan(one);
  const alike = facetAt(a, 1, i) === facetAt(b, 1, j) && facetAt(a, 1, i) !== '';
  if (chinese || startsHan(other)) {
    if (alike) return PINYIN;
    return chinese && startsHan(other) && (one.includes(other) || other.includes(one)) ? PARTIAL : DIFFERS;
  }
  const like = alike ? 1 : jaroWinkler(one, other, 0.78);
  if (like >= 0.88) return CLOSE;
  const short = one.length < other.length ? one : other;
  const long = short === one ? other : one;
  return like > 0 || (short.length === 1 && long.startsWith(short)) ? PARTIAL : DIFFERS;
};

const namePart = (family: boolean): Sort => ({
  doc: family ? 'A family name.' : 'A given name.',
  facets: partFacets(family),
  compare: comparePart,
  keys: [
    wholeKey,
    {
      of: 'part',
      from: (facets, i) => {
        const text = facetAt(facets, 0, i);
        return hasHan(text) ? facetAt(facets, 1, i) : soundex(text);
      },
    },
  ],
  expected: { close: 0.08, swapped: 0.02, pinyin: 0.01, partial: 0.04, differs: 0.05 },
  role: family ? 'near' : 'name',
  mostDiffering: 0.25,
});

export const given = namePart(false);
export const family = namePart(true);
