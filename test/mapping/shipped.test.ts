import * as fc from 'fast-check';
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Json, JsonObject, JsonSchema } from '../../src/connector.ts';
import { evaluate } from '../../src/evaluator.ts';
import { check } from '../../src/mapping/check.ts';
import { preparedExamples } from '../../src/mapping/expressions.ts';
import { compile } from '../../src/mapping/compile.ts';
import { placesOf, readMapping } from '../../src/mapping/document.ts';
import { explain } from '../../src/mapping/explain.ts';
import { putAt, segmentsOf, valueAt } from '../../src/mapping/place.ts';
import { enumOf, schemaAt, schemaChecker, typesOf } from '../../src/mapping/schema.ts';
import { entityOf, root, textOf } from './sample.ts';

/** Every mapping in `mappings/<system>/`, found by listing the folders, against its kind's schema. */
const shipped = readdirSync(new URL('mappings/', root), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'entities')
  .flatMap((entry) =>
    readdirSync(new URL(`mappings/${entry.name}/`, root))
      .filter((file) => !file.endsWith('.schema.json'))
      .map((file) => `mappings/${entry.name}/${file}`),
  );
const entities = new Map(
  readdirSync(new URL('mappings/entities/', root)).map((file) => {
    const entity = entityOf(file.replace('.schema.json', ''));
    return [entity.name, entity] as const;
  }),
);

const open = (path: string) => {
  const document = readMapping(textOf(path), path);
  const { connector, kind: name } = document.remote;
  const own = `connectors/${connector}/schema/${name}.json`;
  const beside = `mappings/${connector}/${name}.schema.json`;
  const kind = JSON.parse(textOf(existsSync(new URL(own, root)) ? own : beside)) as JsonSchema;
  const entity = entities.get(document.entity);
  if (entity === undefined) throw new Error(`no entity ${document.entity}`);
  return { document, entity, kind, lens: () => compile(document, entity, kind, entities) };
};

const TEXTS = [
  '王小明',
  '欧阳 修',
  'Ann Marie Smith',
  ' A@X.cn ',
  '13800138001',
  '010-62345678 转 8',
  '＋８６',
  '2026-03-01T00:00:00Z',
  '12',
  'true',
  ' ',
];
const valueOf = (schema: JsonSchema): fc.Arbitrary<Json> => {
  const choices = enumOf(schema);
  if (choices !== null && choices.length > 0) return fc.constantFrom(null, ...choices);
  const types = typesOf(schema);
  const some: fc.Arbitrary<Json>[] = [fc.constant(null)];
  if (types.includes('string')) some.push(fc.string({ unit: 'grapheme' }), fc.constantFrom('', ...TEXTS));
  if (types.includes('number') || types.includes('integer')) some.push(fc.integer());
  if (types.includes('boolean')) some.push(fc.boolean());
  return fc.oneof(...some);
};

test('there are mappings to look at, and editors find no fault in them', () => {
  expect(shipped.length).toBeGreaterThan(0);
  const published = schemaChecker(JSON.parse(textOf('mappings/mapping.schema.json')) as JsonSchema, true);
  for (const path of shipped) {
    published(JSON.parse(textOf(path)));
    expect(published.errors ?? [], path).toEqual([]);
  }
});

describe.each(shipped)('%s', (path) => {
  const { document, entity, kind, lens: made } = open(path);
  const lens = made();
  const places = [
    ...Object.keys(document.fields).flatMap((field) => lens.pointers(field)),
    document.anchor ?? [],
  ].flat();
  const object = fc
    .tuple(
      ...places.map((pointer) =>
        fc.option(valueOf(schemaAt(kind, segmentsOf(pointer) ?? []) ?? {}), { nil: undefined }),
      ),
    )
    .map((values) => {
      const made: JsonObject = {};
      values.forEach((value, index) => {
        const pointer = places[index];
        if (value !== undefined && pointer !== undefined) putAt(made, segmentsOf(pointer) ?? [], value);
      });
      return made;
    });

  test('has nothing to say about: no errors, no warnings', async () => {
    const prepared = await preparedExamples(document, evaluate);
    const against = { entity, kind, entities, ...(prepared === undefined ? {} : { prepared }) };
    expect(check(document, against)).toEqual([]);
  });

  test('put after get writes back what stood there', () => {
    fc.assert(
      fc.property(object, (value) => {
        const { fields } = lens.read(value);
        const put = lens.write(fields, value);
        for (const field of Object.keys(fields).filter((name) => lens.outward.has(name))) {
          if (fields[field] === null || put.problems.some((one) => one.field === field)) continue;
          for (const pointer of lens.pointers(field)) {
            const place = segmentsOf(pointer) ?? [];
            expect(valueAt(put.value, place)).toEqual(valueAt(value, place));
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  test('get after put gives what was put, and is what settle foretells', () => {
    fc.assert(
      fc.property(object, object, (value, base) => {
        const { fields } = lens.read(value);
        for (const there of [null, base]) {
          const put = lens.write(fields, there);
          const again = lens.read(put.value).fields;
          for (const field of Object.keys(fields).filter((name) => lens.outward.has(name))) {
            if (put.problems.some((one) => one.field === field)) continue;
            expect(again[field]).toEqual(fields[field]);
            if ((document.fields[field]?.remote ?? []).length === 0) {
              expect(lens.settle(field, fields[field] ?? null)).toEqual(fields[field]);
            }
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  test('a shadow reads as the object', () => {
    fc.assert(
      fc.property(object, (value) => {
        expect(lens.read(lens.shadow(value))).toEqual(lens.read(value));
      }),
      { numRuns: 200 },
    );
  });

  test('every value of an enum goes out and comes back', () => {
    for (const field of lens.outward) {
      for (const value of enumOf(entity.fields.get(field) ?? {}) ?? []) {
        const put = lens.write({ [field]: value }, null);
        expect(put.problems).toEqual([]);
        expect(lens.read(put.value).fields[field]).toBe(value);
      }
    }
  });
});

test.each(shipped)(
  '%s explains itself: every field, its places, its class, and an example that comes back',
  async (path) => {
    const { document, entity, kind, lens: made } = open(path);
    const lens = made();
    const prepared = await preparedExamples(document, evaluate);
    const against = { entity, kind, entities, lens, ...(prepared === undefined ? {} : { prepared }) };
    const story = explain(document, against);
    expect(story.fields.map((one) => one.field)).toEqual(Object.keys(document.fields));
    const told = [...story.fields, ...story.routes].map((one) => one.field);
    expect([...new Set([...told, ...story.absent])].sort()).toEqual([...entity.fields.keys()].sort());
    for (const { field, at, flow, steps, example } of story.fields) {
      expect(at, field).toEqual(placesOf(document.fields[field] ?? {}));
      for (const step of steps) expect(step.doc, field).not.toBe('');
      if (example === undefined) throw new Error(`${field} has no example`);
      if (flow === 'in') expect(example.back, field).toBe(undefined);
      if (flow !== 'both' || example.back === undefined) continue;
      const places = at.length === 1 ? [example.back] : (example.back as Json[]);
      const remote: JsonObject = {};
      at.forEach((pointer, index) => putAt(remote, segmentsOf(pointer) ?? [], places[index] ?? null));
      expect(lens.read(remote).fields[field], field).toEqual(example.entity);
    }
  },
);
