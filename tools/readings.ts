/** Writes how Chinese characters are read aloud, as pinyin-pro says, in the form that is loaded in a millisecond. */
import { writeFileSync } from 'node:fs';
import { pinyin } from 'pinyin-pro';
import { latin } from '../src/identity/folding.ts';

const readingOf = (letter: string, surname: 'head' | 'off'): string =>
  latin(pinyin(letter, { toneType: 'none', type: 'array', surname, v: true }).join(''));

/** Blocks below U+10000; of others folding asks the package. */
const blocks = [
  [0x2e80, 0x9fff],
  [0xf900, 0xfaff],
] as const;

export const writeReadings = (file: string): void => {
  const usual: Record<string, string> = {};
  const surnames: Record<string, string> = {};
  for (const [from, to] of blocks) {
    for (let unit = from; unit <= to; unit += 1) {
      const letter = String.fromCharCode(unit);
      if (!/\p{Script=Han}/u.test(letter)) continue;
      const [own, head] = [readingOf(letter, 'off'), readingOf(letter, 'head')];
      if (own !== '') usual[own] = (usual[own] ?? '') + letter;
      if (head !== own) surnames[letter] = head;
    }
  }
  const about =
    'Pinyin without tones: characters by their usual reading, and family names that are read otherwise. Made by npm run docs from pinyin-pro (MIT).';
  writeFileSync(file, `${JSON.stringify({ about, usual, surnames }, null, 2)}\n`);
};
