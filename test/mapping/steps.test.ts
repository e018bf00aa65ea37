import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../src/connector.ts';
import { schemaChecker, typeFits, typeOfValue } from '../../src/mapping/schema.ts';
import { Misfit } from '../../src/mapping/step.ts';
import type { BoundStep } from '../../src/mapping/step.ts';
import { classOf, stepNamed, stepNames } from '../../src/mapping/steps.ts';
import { textOf } from './sample.ts';

const bound = (name: string, arg?: Json): BoundStep => {
  const step = stepNamed(name);
  if (step === undefined) throw new Error(`no step ${name}`);
  return step.bind(arg, { inward: 'park', outward: 'park', places: step.places === 2 ? 2 : 1 });
};

describe.each(stepNames)('step %s', (name) => {
  const step = stepNamed(name);
  test('is named in kebab-case, told in a sentence, and shown by examples', () => {
    expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/u);
    expect(step?.doc).toMatch(/\w.*[.\]]$/u);
    expect(step?.examples.length).toBeGreaterThan(0);
  });

  test.each(step?.examples ?? [])('holds for $remote', (example) => {
    const { forward, backward } = bound(name, example.arg);
    if (example.arg !== undefined) expect(schemaChecker(step?.arg ?? {}, false)(example.arg)).toBe(true);
    const read = forward(example.remote);
    if (example.entity === undefined) {
      expect(read).toBeInstanceOf(Misfit);
      expect((read as Misfit).message.length).toBeGreaterThan(10);
      return;
    }
    expect(read).toEqual(example.entity);
    if (read !== null && !(read instanceof Misfit)) {
      const types = step?.gives(example.arg, step.takes) ?? [];
      expect(typeFits(typeOfValue(read), types)).toBe(true);
      if (example.entity !== null && step !== undefined && classOf(step, example.arg) !== 'lossy') {
        expect(backward?.(read)).toEqual(example.back === undefined ? example.remote : example.back);
      }
    }
  });
});

test('the published schema offers every step in the editor', () => {
  const schema = JSON.parse(textOf('mappings/mapping.schema.json')) as {
    $defs: { step: { examples: (string | Record<string, unknown>)[] } };
  };
  const offered = schema.$defs.step.examples.map((use) =>
    typeof use === 'string' ? use : Object.keys(use)[0],
  );
  expect([...offered].sort()).toEqual([...stepNames].sort());
});

const NAME_ALPHABET = [...'王李欧阳司马小明修文김민수 ·AbcDé-\u3000'];
const nameText = fc
  .array(fc.constantFrom(...NAME_ALPHABET), { maxLength: 8 })
  .map((letters) => letters.join(''));

test('person-name comes back for any two places', () => {
  const { forward, backward } = bound('person-name');
  fc.assert(
    fc.property(nameText, nameText, (last, first) => {
      const name = forward([last, first]);
      if (name === null) return;
      const again = backward?.(name as Json);
      expect(forward(again as Json)).toEqual(name);
    }),
    { numRuns: 2000 },
  );
});

test('settling steps are at rest after one turn', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    nameText,
    fc.constantFrom('１２', 'ＡＢ', 'İ', 'ß', ' a  b '),
  );
  for (const name of ['trim', 'lower', 'upper', 'collapse-space', 'half-width']) {
    const { forward } = bound(name);
    fc.assert(
      fc.property(texts, (text) => {
        expect(forward(forward(text) as Json)).toBe(forward(text));
      }),
    );
  }
});

test('phone numbers and times come back', () => {
  const phone = bound('phone', 'CN');
  fc.assert(
    fc.property(fc.integer({ min: 13_000_000_000, max: 19_999_999_999 }), (digits) => {
      const read = phone.forward(` ${digits} `);
      expect(read).toBe(`+86${digits}`);
      expect(phone.forward(phone.backward?.(read as Json) as Json)).toBe(read);
    }),
  );
  for (const unit of ['iso', 'epoch-ms', 'epoch-s']) {
    const time = bound('time', unit);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        const iso = new Date(seconds * 1000).toISOString();
        expect(time.forward(time.backward?.(iso) as Json)).toBe(iso);
      }),
    );
  }
});

test('numbers never lose digits in silence', () => {
  const { forward } = bound('number');
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789.-+eE '), maxLength: 25 }), (text) => {
      const read = forward(text);
      if (read === null || read instanceof Misfit) return;
      expect(Math.abs(Number(read))).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
      expect(Object.is(read, -0)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

test('a table falls back as it is told', () => {
  const step = stepNamed('table');
  const arg = { lead: 'lead' };
  const kept = step?.bind(arg, { inward: 'keep', outward: { value: 'other' }, places: 1 });
  expect(kept?.forward('x')).toBe('x');
  expect(kept?.backward?.('gone')).toBe('other');
  const dropped = step?.bind(arg, { inward: 'null', outward: 'null', places: 1 });
  expect(dropped?.forward('x')).toBe(null);
});
