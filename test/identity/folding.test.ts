/** Folding reads the dictionaries of two packages by itself: it says what the packages say. */
import * as fc from 'fast-check';
import { Converter } from 'opencc-js/t2cn';
import { pinyin } from 'pinyin-pro';
import { expect, it } from 'vitest';
import { latin, simplified, syllableOf } from '../../src/identity/folding.ts';
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);
const convert = Converter({ from: 't', to: 'cn' });
const entriesOf = (file: string): string[][] =>
  (load(file) as { default: string }).default.split('|').map((entry) => entry.split(' '));
const words = entriesOf('opencc-js/dict/TSPhrases').map(([word = '']) => word);
const letters = entriesOf('opencc-js/dict/TSCharacters').map(([letter = '']) => letter);

/** Every Han character of the blocks that names are written in, and of the first extensions. */
const everyHan = [
  [0x2e80, 0x9fff],
  [0x20000, 0x2a6df],
].flatMap(([from = 0, to = 0]) =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i)).filter((letter) =>
    /\p{Script=Han}/u.test(letter),
  ),
);

it('simplifies each character and each word of the tables as OpenCC does', () => {
  const wrong = [...everyHan, ...letters, ...words].filter((text) => simplified(text) !== convert(text));
  expect(wrong).toEqual([]);
  expect(simplified('藉口乾隆乾淨')).toBe('借口乾隆干净');
});

it('simplifies texts as OpenCC does', () => {
  const piece = fc.oneof(
    fc.constantFrom(...words),
    // A word that breaks off.
    fc.constantFrom(...words).map((word) => word.slice(0, -1)),
    fc.constantFrom(...letters),
    fc.constantFrom('王', '小', '1', 'a', ' ', '𠀀', '公司'),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const text = pieces.join('');
      expect(simplified(text)).toBe(convert(text));
    }),
    { numRuns: 2000 },
  );
});

it('reads each character aloud as pinyin-pro does', () => {
  const wrong = everyHan.flatMap((letter) =>
    ([true, false] as const).flatMap((person) => {
      const read = pinyin(letter, {
        toneType: 'none',
        type: 'array',
        surname: person ? 'head' : 'off',
        v: true,
      });
      const [own, theirs] = [syllableOf(letter, person), latin(read.join(''))];
      return own === theirs ? [] : [`${letter}: ${own}, not ${theirs}`];
    }),
  );
  expect(wrong).toEqual([]);
});
