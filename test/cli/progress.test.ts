/** Progress is honest: the pace is of late, a total that nobody told is not made up, a wait counts. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Bar } from '../../src/cli/progress.ts';
import { beginPace, nextPace, rateOf, remainingOf, waiting, type Pace } from '../../src/sync/pace.ts';

const pages = (gaps: readonly number[], rows: number): { pace: Pace; at: number; read: number } => {
  let at = 1_000_000;
  let read = 0;
  let pace = beginPace(null, at, 0);
  for (const gap of gaps) {
    at += gap;
    read += rows;
    pace = nextPace(pace, at, read);
  }
  return { pace, at, read };
};

it('tells the pace of late, whatever was before', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 60_000 }), { maxLength: 60 }),
      fc.integer({ min: 20, max: 5000 }),
      (before, gap) => {
        const { pace, at } = pages([...before, ...Array.from({ length: 800 }, () => gap)], 100);
        // Steady pages of 100 every `gap` ms, long enough that the samples hold nothing else.
        const rate = rateOf(pace, at) ?? 0;
        expect(Math.abs(rate / (100_000 / gap) - 1)).toBeLessThan(0.02);
        expect(pace.samples.length).toBeLessThanOrEqual(12);
        expect(pace.pages).toBe(before.length + 800);
      },
    ),
    { numRuns: 200 },
  );
});

it('knows no end where there is no total or no pace, and slows down while nothing comes', () => {
  const { pace, at, read } = pages([1000, 1000, 1000, 1000], 100);
  expect(remainingOf(pace, read, null, at)).toBeNull();
  expect(remainingOf(beginPace(null, at, 0), 0, 1000, at)).toBeNull();
  expect(remainingOf(pace, read, 1000, at)).toBe(6000);
  // Less than nothing is never left.
  expect(remainingOf(pace, read, 300, at)).toBe(0);
  const later = [0, 10_000, 60_000].map((ms) => remainingOf(pace, read, 1000, at + ms) ?? 0);
  expect(later).toEqual([...later].sort((a, b) => a - b));
  expect(later[2]).toBeGreaterThan(60_000);
});

it('a wait that the remote asks for comes on top, and does not spoil the pace', () => {
  const { pace, at, read } = pages([1000, 1000, 1000, 1000], 100);
  const asked = waiting(pace, at + 30_000, 'too many');
  expect(remainingOf(asked, read, 1000, at)).toBe(36_000);
  expect(remainingOf(asked, read, 1000, at + 10_000)).toBe(26_000);
  // Who comes again when told to has the pace of before; who was away for long has none.
  expect(remainingOf(beginPace(asked, at + 31_000, read), read, 1000, at + 31_000)).toBe(6000);
  expect(rateOf(beginPace(asked, at + 600_000, read), at + 600_000)).toBeNull();
  // With the next page it is over.
  expect(nextPace(asked, at + 31_000, read + 100).waits).toBeUndefined();
});

it('a reading that goes on after it was cut off begins its pace anew, and keeps its pages', () => {
  const { pace, at, read } = pages([1000, 1000], 100);
  const again = beginPace(pace, at + 3_600_000, read);
  expect(rateOf(again, at + 3_600_000)).toBeNull();
  expect(again.pages).toBe(2);
  expect(rateOf(nextPace(again, at + 3_601_000, read + 100), at + 3_601_000)).toBe(100);
});

it('draws on a terminal, says a line every ten seconds where there is none, and nothing to programs', () => {
  const shown = (isTTY: boolean, quiet: boolean): string[] => {
    let now = 0;
    const lines: string[] = [];
    const bar = new Bar(quiet, { isTTY, columns: 60, write: (text) => lines.push(text) }, () => now);
    for (; now <= 35_000; now += 50) bar.show(now, 70_000, 'x'.repeat(100));
    bar.end();
    return lines;
  };
  const drawn = shown(true, false);
  expect(drawn.length).toBeGreaterThan(300);
  expect(drawn[0]?.startsWith(`\r\u001b[K${'░'.repeat(24)}   0 %`)).toBe(true);
  expect(Math.max(...drawn.map((line) => line.length))).toBeLessThan(66);
  expect(drawn.at(-1)).toBe('\r\u001b[K');
  const lines = shown(false, false);
  expect(lines).toHaveLength(3);
  for (const line of lines) expect(line).toMatch(/^ *\d+ % {2}x{100}\n$/u);
  expect(shown(true, true)).toEqual([]);
  expect(shown(false, true)).toEqual([]);
});
