/** One spelling for what people write in many: widths, cases, accents, traditional characters, blanks; and how it is read aloud. */
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

const han = /\p{Script=Han}/u;
const accents = /\p{M}/gu;
/** Letters that Unicode does not take apart. */
const special: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ł: 'l',
  ı: 'i',
};

export const hasHan = (text: string): boolean => {
  // No letter below U+2E80 is Chinese, and most texts hold none beyond: a tenth of the time of the pattern.
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    // All 20,992 of the block are.
    if (unit >= 0x4e00 && unit <= 0x9fff) return true;
    if (unit >= 0x2e80) return han.test(text);
  }
  return false;
};

/** The same of a text that is Chinese from its first letter on, or not at all. */
export const startsHan = (text: string): boolean => text.charCodeAt(0) >= 0x2e80 && hasHan(text);

/** OpenCC's tables for simplified characters: of single ones, and of words in which they stand for others, the longest first. */
interface Simplified {
  readonly letters: ReadonlyMap<string, string>;
  /** By first character. */
  readonly words: ReadonlyMap<string, readonly (readonly [string, string])[]>;
  /** By UTF-16 unit: 1 if an entry may begin with it. */
  readonly begins: Uint8Array;
}

const entries = (file: string): [string, string][] =>
  (load(file) as { default: string }).default
    .split('|')
    .map((entry) => entry.split(' ', 2) as [string, string]);

let tables: Simplified | undefined;

/** They are loaded by the first Chinese text; the tries of the package itself take five times as long to build. */
const simplifiedTables = (): Simplified => {
  const words = new Map<string, [string, string][]>();
  for (const entry of entries('opencc-js/dict/TSPhrases')) {
    const [first = ''] = entry[0];
    const list = words.get(first);
    if (list === undefined) words.set(first, [entry]);
    else list.push(entry);
  }
  for (const list of words.values()) list.sort(([a], [b]) => b.length - a.length);
  const letters = new Map(entries('opencc-js/dict/TSCharacters'));
  const begins = new Uint8Array(0x10000);
  for (const letter of [...letters.keys(), ...words.keys()]) begins[letter.charCodeAt(0)] = 1;
  return { letters, words, begins };
};

/** Traditional characters as simplified ones, as OpenCC's `t2s` has them: from left to right, the longest entry wins. */
export const simplified = (text: string): string => {
  tables ??= simplifiedTables();
  const { letters, words, begins } = tables;
  let at = 0;
  while (at < text.length && begins[text.charCodeAt(at)] === 0) at += 1;
  if (at === text.length) return text;
  let made = text.slice(0, at);
  while (at < text.length) {
    const code = text.codePointAt(at) ?? 0;
    const letter = String.fromCodePoint(code);
    const start = at;
    const word =
      code < 0x2e80 ? undefined : words.get(letter)?.find(([from]) => text.startsWith(from, start));
    at += word === undefined ? letter.length : word[0].length;
    made += word === undefined ? (letters.get(letter) ?? letter) : word[1];
  }
  return made;
};

const [PLAIN, CHINESE, OTHER] = [0, 1, 2];
/** What the units of a text are: of ASCII; that and the 20,992 characters that NFKC leaves alone; others. */
const kindOf = (text: string): number => {
  let kind = PLAIN;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x20 && unit <= 0x7e) continue;
    if (unit < 0x4e00 || unit > 0x9fff) return OTHER;
    kind = CHINESE;
  }
  return kind;
};

/**
 * The text in small, half-width letters without accents (NFKC; of others, the letters stay), in simplified
 * characters, with single blanks.
 */
export const fold = (text: string): string => {
  const kind = kindOf(text);
  if (kind !== OTHER) {
    const small = kind === CHINESE ? simplified(text) : text;
    return small.toLowerCase().trim().replace(/ {2,}/gu, ' ');
  }
  let made = text.normalize('NFKC').toLowerCase();
  if (/[\u00c0-\u024f]/u.test(made)) {
    made = made.replace(/[ßæœøđðþłı]/gu, (letter) => special[letter] ?? letter);
    made = made.normalize('NFD').replace(accents, '').normalize('NFC');
  }
  if (hasHan(made)) made = simplified(made);
  return made
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .replace(/\s+/gu, ' ')
    .trim();
};

/** Words of letters and digits, of any script. */
export const wordsOf = (folded: string): string[] => folded.match(/[\p{L}\p{N}]+/gu) ?? [];

/** Readings by UTF-16 unit, as numbers from 1 in a list of syllables; 0 is none. */
interface Readings {
  readonly syllables: readonly string[];
  readonly usual: Uint16Array;
  readonly ofSurname: ReadonlyMap<string, string>;
}

/**
 * As pinyin-pro says of each character. Made from the package beforehand (`tools/readings.ts`): it takes a tenth of a
 * second to load, and this a millisecond.
 */
const loadReadings = (): Readings => {
  const made = load('./readings.json') as Record<'usual' | 'surnames', Readonly<Record<string, string>>>;
  const syllables = ['', ...Object.keys(made.usual)];
  const usual = new Uint16Array(0x10000);
  for (let at = 1; at < syllables.length; at += 1) {
    const letters = made.usual[syllables[at] ?? ''] ?? '';
    for (let i = 0; i < letters.length; i += 1) usual[letters.charCodeAt(i)] = at;
  }
  return { syllables, usual, ofSurname: new Map(Object.entries(made.surnames)) };
};

let readings: Readings | undefined;
const rare = new Map<string, string>();

/** Characters beyond U+FFFF. */
const readRare = (letter: string, surname: 'head' | 'off'): string => {
  const known = rare.get(letter);
  if (known !== undefined) return known;
  const { pinyin } = load('pinyin-pro') as typeof import('pinyin-pro');
  const made = latin(pinyin(letter, { toneType: 'none', type: 'array', surname, v: true }).join(''));
  rare.set(letter, made);
  return made;
};

/** ü is written v, u or yu, or lost with other accents, according to the form that was filled in: u in all. */
export const latin = (text: string): string =>
  text
    .replaceAll('ü', 'u')
    .replace(/([ln])(?:v|yu)/gu, '$1u')
    .replace(/[^a-z]/gu, '');

/** The syllable of one character; empty for what is none. `person`: as the first of a person's name. */
export const syllableOf = (letter: string, person: boolean): string => {
  if (letter.length > 1) return hasHan(letter) ? readRare(letter, person ? 'head' : 'off') : '';
  readings ??= loadReadings();
  const { syllables, usual, ofSurname } = readings;
  const made = person ? ofSurname.get(letter) : undefined;
  return made ?? syllables[usual[letter.charCodeAt(0)] ?? 0] ?? '';
};

/**
 * The syllables of Chinese text in pinyin without tones, other letters left out. One reading a character, the
 * usual one (of a surname, at the start of a person's name): weak evidence, since many characters sound alike
 * and some have several readings.
 */
export const pinyinOf = (text: string, person: boolean): string[] => {
  const made: string[] = [];
  for (const letter of text) {
    const syllable = letter < '\u2e80' ? '' : syllableOf(letter, person && made.length === 0);
    if (syllable !== '') made.push(syllable);
  }
  return made;
};

const counts = new Uint8Array(26);

/** The letters a to z of a text in the order of the alphabet: the same for `zhangwei`, `Zhang Wei` and `Wei Zhang`. */
export const anagram = (text: string): string => {
  counts.fill(0);
  for (let i = 0; i < text.length; i += 1) {
    const letter = text.charCodeAt(i) - 97;
    if (letter >= 0 && letter < 26) counts[letter] = (counts[letter] ?? 0) + 1;
  }
  let made = '';
  for (let letter = 0; letter < 26; letter += 1)
    for (let n = counts[letter] ?? 0; n > 0; n -= 1) made += String.fromCharCode(97 + letter);
  return made;
};

/**
 * Soundex: a letter and three digits for how a Western name sounds (Russell and Odell 1918; as in Knuth, The
 * Art of Computer Programming, volume 3, section 6). Empty for text without Latin letters.
 */
export const soundex = (text: string): string => {
  const letters = text.replace(/[^a-z]/gu, '');
  if (letters === '') return '';
  let made = letters.charAt(0);
  let last = codes[made] ?? '';
  for (let i = 1; i < letters.length && made.length < 4; i += 1) {
    const letter = letters.charAt(i);
    if (letter === 'h' || letter === 'w') continue;
    const code = codes[letter] ?? '';
    if (code !== '' && code !== last) made += code;
    last = code;
  }
  return made;
};

const codes: Readonly<Record<string, string>> = Object.fromEntries(
  ['bfpv', 'cgjkqsxz', 'dt', 'l', 'mn', 'r'].flatMap((letters, i) =>
    [...letters].map((letter) => [letter, String(i + 1)]),
  ),
);
