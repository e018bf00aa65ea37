import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dice, isOneSlip, jaroWinkler } from '../../src/identity/similar.ts';

describe('Jaro–Winkler', () => {
  // The strings and values of Winkler's own tables (1990, 1994), as they are quoted everywhere.
  it.each([
    ['martha', 'marhta', 0.961],
    ['dwayne', 'duane', 0.84],
    ['dixon', 'dicksonx', 0.813],
    ['shackleford', 'shackelford', 0.982],
    ['nichleson', 'nichulson', 0.956],
    ['jones', 'johnson', 0.832],
    ['massey', 'massie', 0.933],
    ['abroms', 'abrams', 0.922],
    ['hardin', 'martinez', 0.722],
    ['itman', 'smith', 0.467],
    ['jeraldine', 'geraldine', 0.926],
    ['michelle', 'michael', 0.921],
    ['王小明', '王晓明', 0.8],
    ['abc', 'xyz', 0],
    ['', 'a', 0],
  ])('%s and %s: %f', (a, b, like) => {
    expect(jaroWinkler(a, b)).toBeCloseTo(like, 3);
  });

  const word = fc.string({ unit: fc.constantFrom(...'abcdeaz0129 王小明'), maxLength: 40 });
  it('is symmetric, within 0 and 1, and 1 only of equal texts', () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const like = jaroWinkler(a, b);
        expect(jaroWinkler(b, a)).toBe(like);
        expect(like).toBeGreaterThanOrEqual(0);
        expect(like).toBeLessThanOrEqual(1);
        if (like === 1 && a.length <= 32 && b.length <= 32) expect(a).toBe(b);
      }),
    );
  });

  it('answers 0 below a threshold, and the same as without one from there on', () => {
    fc.assert(
      fc.property(word, word, fc.double({ min: 0.01, max: 1, noNaN: true }), (a, b, least) => {
        const like = jaroWinkler(a, b);
        expect(jaroWinkler(a, b, least)).toBe(like >= least ? like : 0);
      }),
    );
  });
});

describe('Dice', () => {
  it.each([
    ['night', 'nacht', 0.25],
    ['aaaa', 'aa', 0.5],
    ['世纪大道100号', '世纪大道100号', 1],
    ['ab', 'cd', 0],
    ['a', 'a', 1],
    ['a', 'b', 0],
  ])('%s and %s: %f', (a, b, like) => {
    expect(dice(a, b)).toBeCloseTo(like, 5);
    expect(dice(b, a)).toBeCloseTo(like, 5);
  });

  it('keeps nothing of one call for the next', () => {
    expect([dice('abab', 'abcd'), dice('xyz', 'xyy'), dice('abab', 'abcd')]).toEqual([1 / 3, 0.5, 1 / 3]);
  });
});

describe('one slip', () => {
  it.each([
    ['13800138001', '13800138002'],
    ['1380013800', '13800138001'],
    ['13800138010', '13800138001'],
    ['ab', 'ba'],
    ['', 'a'],
  ])('%s and %s', (a, b) => {
    expect([isOneSlip(a, b), isOneSlip(b, a)]).toEqual([true, true]);
  });

  it.each([
    ['abc', 'abc'],
    ['abcd', 'badc'],
    ['abc', 'cba'],
    ['abc', 'abcde'],
  ])('not %s and %s', (a, b) => {
    expect([isOneSlip(a, b), isOneSlip(b, a)]).toEqual([false, false]);
  });

  it('is any one letter left out, added, changed or swapped with its neighbour', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 2, maxLength: 12 }), fc.nat(), fc.nat(3), (text, n, kind) => {
        const at = n % (text.length - 1);
        const [before, one, two, after] = [
          text.slice(0, at),
          text.charAt(at),
          text.charAt(at + 1),
          text.slice(at + 2),
        ];
        const changed =
          [
            before + two + after,
            `${before}${one}#${two}${after}`,
            `${before}#${two}${after}`,
            before + two + one + after,
          ][kind] ?? '';
        expect(isOneSlip(text, changed)).toBe(changed !== text);
      }),
    );
  });
});
