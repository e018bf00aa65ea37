import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { bind } from '../../src/mapping/bind.ts';
import type { FieldRule } from '../../src/mapping/document.ts';
import { stepNamed, stepNames } from '../../src/mapping/steps.ts';
import { sample, thing } from './sample.ts';

/** The generated reader says what the long way says, whatever is read. */

const odd: fc.Arbitrary<Json | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constant(null),
  fc.constantFrom(
    '',
    ' ',
    '12',
    'A@X.cn ',
    '线索',
    '老客户',
    'a;b',
    '2026-03-01T00:00:00Z',
    'toString',
    '__proto__',
    '小明\ud83d',
    'a\u0000\u202e',
  ),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(0, -0, 1.5, Number.NaN, Infinity, 1_772_328_600),
  fc.boolean(),
  fc.constantFrom<Json>(
    [],
    [null],
    ['a', ''],
    {},
    { a: Number.NaN },
    { tags: ['x'], seen: 3 },
    [[1]],
    ['\udc00'],
    { a: '\ud800' },
  ),
);

const objectOf = (places: readonly string[]): fc.Arbitrary<JsonObject> =>
  fc.record(Object.fromEntries(places.map((place) => [place, odd]))).map((made) => {
    const kept = Object.entries(made).filter(([, value]) => value !== undefined);
    return Object.fromEntries(kept) as JsonObject;
  });

const bothWays = (document: ReturnType<typeof sample>): void => {
  const fast = bind(document, thing.schema, null);
  const slow = bind(document, thing.schema, null, { generated: false });
  const flat = objectOf(['last', 'first', 'mail', 'size', 'stage', 'open', 'crosswalk_id', 'x', 'y']);
  const object = fc
    .tuple(flat, fc.oneof(objectOf(['tags', 'seen']), odd))
    .map(([own, more]) => (more === undefined ? own : { ...own, more })) as fc.Arbitrary<JsonObject>;
  fc.assert(
    fc.property(object, (value) => {
      expect(fast.read(value)).toEqual(slow.read(value));
    }),
    { numRuns: 300 },
  );
};

describe('the generated reader', () => {
  test('reads the sample as the long way does', () => {
    bothWays(sample());
    bothWays(sample({ email: { at: '/mail', steps: ['trim'], required: true } }));
  });

  test('is one, and not the long way by another name', () => {
    const document = sample();
    const { read } = bind(document, thing.schema, null);
    const example = document.examples[0]?.remote ?? {};
    expect(String(read)).toContain('return slow(o)');
    expect(read(example).fields).toEqual(document.examples[0]?.entity);
  });

  test.each(stepNames.filter((name) => name !== 'expression'))(
    'reads step %s as the long way does',
    (name) => {
      const step = stepNamed(name);
      for (const { arg } of step?.examples ?? []) {
        const use = arg === undefined ? name : { [name]: arg };
        const places = typeof step?.places === 'function' ? step.places(arg) : step?.places;
        const many = places === 'any' ? 2 : (places ?? 1);
        const at = many === 1 ? '/x' : ['/x', '/y', '/mail', '/first'].slice(0, many);
        for (const rule of [
          { at, steps: [use] },
          { at, steps: [use, 'trim'] },
          { at, steps: [use], required: true },
        ])
          bothWays(sample({ source: { ...rule, flow: 'in' } as FieldRule }));
      }
    },
  );
});
