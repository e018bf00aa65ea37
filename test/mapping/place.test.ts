import { get, pointerSegments, set } from '@hyperjump/json-pointer';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { getterOf, isHostile, pointerOf, putAt, segmentsOf, valueAt } from '../../src/mapping/place.ts';

/** Places against RFC 6901 as its library has it, and what is meant otherwise. */

/** Names as people and attackers write them: empty, with both escapes, digits, inherited ones. */
const name = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom('a', 'b', '', '~', '/', '~1', '~0', '~01', '0', '-', 'toString', 'ａ b', '"', '\u0000'),
);
const names = fc.array(name, { maxLength: 4 });
const text = fc.oneof(
  fc
    .array(fc.constantFrom('/', '~', '~0', '~1', 'a', '', '0', ' '), { maxLength: 8 })
    .map((all) => all.join('')),
  names.map((all) => pointerOf(all)),
  fc.string(),
);
const library = (pointer: string): readonly string[] | null => {
  try {
    return [...pointerSegments(pointer)];
  } catch {
    return null;
  }
};

test('a pointer has the names that the library reads, unless it is the whole document or has an empty name', () => {
  fc.assert(
    fc.property(text, (pointer) => {
      const wanted = library(pointer);
      const meant = wanted === null || wanted.length === 0 || wanted.includes('') ? null : wanted;
      expect(segmentsOf(pointer)).toEqual(meant);
    }),
    { numRuns: 2000 },
  );
  for (const pointer of ['', '/', '/a/', '//a', 'a', '/~', '/~2', '#/a'])
    expect(segmentsOf(pointer)).toBe(null);
  expect(segmentsOf('/~01/~10')).toEqual(['~1', '/0']);
});

test('names become a pointer that leads back to them', () => {
  fc.assert(
    fc.property(names, (all) => {
      expect(library(pointerOf(all))).toEqual(all);
    }),
  );
});

/** Objects in objects; a list or a text may stand anywhere. */
const { tree } = fc.letrec<{ tree: JsonObject; value: Json }>((tie) => ({
  tree: fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  value: fc.oneof({ maxDepth: 3 }, fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json>, tie('tree')),
}));

/** A pointer that often leads somewhere. */
const looked = tree.chain((value) => {
  const paths: string[][] = [];
  const walk = (at: Json, path: string[]): void => {
    if (path.length > 0) paths.push(path);
    if (typeof at === 'object' && at !== null && !Array.isArray(at))
      for (const [key, inner] of Object.entries(at)) walk(inner, [...path, key]);
  };
  walk(value, []);
  const some = paths.length === 0 ? names : fc.oneof(fc.constantFrom(...paths), names);
  return fc.tuple(
    fc.constant(value),
    some.filter((path) => path.length > 0 && !path.includes('') && !isHostile(path)),
  );
});

const isPlain = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

test('a place holds what the library finds there, except below empty and in lists', () => {
  fc.assert(
    fc.property(looked, ([value, path]) => {
      const got = valueAt(value, path);
      expect(getterOf(path)(value)).toEqual(got);
      const above = path.map((_, index) => valueAt(value, path.slice(0, index)));
      if (above.includes(null)) expect(got).toBe(null);
      else if (above.every(isPlain)) {
        const holds = Object.hasOwn(above.at(-1) ?? {}, path.at(-1) ?? '');
        // The library asks objects for what they inherit too.
        expect(got).toEqual(holds ? get(pointerOf(path), value) : undefined);
      } else expect(got).toBe(undefined);
    }),
    { numRuns: 2000 },
  );
  expect(valueAt({ a: [1] }, ['a', '0'])).toBe(undefined);
  expect(valueAt({ a: null }, ['a', 'b'])).toBe(null);
});

test('what is put at a place stands where the library would put it', () => {
  fc.assert(
    fc.property(looked, fc.integer(), ([value, path], put) => {
      const above = path.map((_, index) => valueAt(value, path.slice(0, index)));
      if (!above.every(isPlain)) return;
      const made = structuredClone(value);
      putAt(made, path, put);
      expect(made).toEqual(set(pointerOf(path), value, put));
    }),
  );
});
