/** One spelling for what people write in many: widths, cases, accents, traditional characters, blanks; and how it is read aloud. */
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

const plain = /^[\x20-\x7e]*$/u;
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
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) >= 0x2e80) return han.test(text);
  return false;
};

type Convert = (text: string) => string;
/** The same of a text that is Chinese from its first letter on, or not at all. */
export const startsHan = (text: string): boolean => text.charCodeAt(0) >= 0x2e80 && hasHan(text);

let converter: Convert | undefined;

/** Traditional characters as simplified ones, with OpenCC's tables. They are loaded by the first text that needs them. */
const simplified = (text: string): string => {
  const convert: Convert =
    converter ?? (load('opencc-js/t2cn') as typeof import('opencc-js')).Converter({ from: 't', to: 'cn' });
  converter = convert;
  return convert(text);
};

/**
 * The text in small, half-width letters without accents (NFKC; of others, the letters stay), in simplified
 * characters, with single blanks.
 */
export const fold = (text: string): string => {
  if (plain.test(text)) return text.toLowerCase().trim().replace(/ {2,}/gu, ' ');
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

const syllables = new Map<string, string>();
const surnames = new Map<string, string>();
type Pinyin = (typeof import('pinyin-pro'))['pinyin'];
let pinyin: Pinyin | undefined;

const read = (text: string, surname: 'head' | 'off'): string => {
  pinyin ??= (load('pinyin-pro') as typeof import('pinyin-pro')).pinyin;
  const made = pinyin(text, { toneType: 'none', type: 'array', surname, v: true });
  return latin(made.join(''));
};

/** ü is written v, u or yu, or lost with other accents, according to the form that was filled in: u in all. */
export const latin = (text: string): string =>
  text
    .replaceAll('ü', 'u')
    .replace(/([ln])(?:v|yu)/gu, '$1u')
    .replace(/[^a-z]/gu, '');

const reading = (known: Map<string, string>, letter: string, surname: 'head' | 'off'): string => {
  let made = known.get(letter);
  if (made === undefined) {
    made = read(letter, surname);
    known.set(letter, made);
  }
  return made;
};

/**
 * The syllables of Chinese text in pinyin without tones, other letters left out. One reading a character, the
 * usual one (of a surname, at the start of a person's name): weak evidence, since many characters sound alike
 * and some have several readings.
 */
export const pinyinOf = (text: string, person: boolean): string[] => {
  const made: string[] = [];
  for (const letter of text) {
    if (!hasHan(letter)) continue;
    const syllable = reading(
      person && made.length === 0 ? surnames : syllables,
      letter,
      person && made.length === 0 ? 'head' : 'off',
    );
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
