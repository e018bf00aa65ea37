import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Json, JsonObject, JsonSchema } from '../../src/connector.ts';
import { bind } from '../../src/mapping/bind.ts';
import { check } from '../../src/mapping/check.ts';
import { readEntity, readMapping, type StepUse } from '../../src/mapping/document.ts';
import { putAt, segmentsOf } from '../../src/mapping/place.ts';
import { stepNamed, stepNames } from '../../src/mapping/steps.ts';

/**
 * Laws over generated schemas and mappings: one that passes the check never throws, reads what it wrote, and writes
 * nothing new over what it read.
 */

/** Every step with each of its own arguments. */
const uses: readonly { readonly use: StepUse; readonly samples: readonly Json[] }[] = stepNames
  .filter((name) => name !== 'expression')
  .flatMap((name) => {
    const step = stepNamed(name);
    if (step === undefined || step.places !== undefined) return [];
    const samples = step.examples.map((one) => one.remote);
    const args = [...new Set(step.examples.map((one) => JSON.stringify(one.arg ?? null)))];
    return args.map((arg) => ({ use: arg === 'null' ? name : { [name]: JSON.parse(arg) as Json }, samples }));
  });

const typed: fc.Arbitrary<JsonSchema> = fc.oneof(
  fc.record({ type: fc.constant('string'), maxLength: fc.integer({ min: 1, max: 40 }) }),
  fc.constantFrom<JsonSchema>(
    { type: 'string' },
    { type: 'number' },
    { type: 'integer' },
    { type: 'boolean' },
  ),
  fc.constantFrom<JsonSchema>({ type: 'array' }, { type: 'object' }, { type: ['string', 'boolean', 'null'] }),
  fc.constantFrom<JsonSchema>({ type: 'string', enum: ['lead', 'customer', '线索'] }),
);

interface FieldDraw {
  readonly place: JsonSchema;
  readonly field: JsonSchema;
  readonly steps: readonly (typeof uses)[number][];
  readonly flow: 'in' | 'both';
}
const value: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(...uses.flatMap(({ samples }) => samples)),
  fc.constantFrom<Json>(null, '', ' ', 'lead', '13800138000', '2026-03-01', '12', true, 0, -1.5, [], {}, [
    ['x'],
  ]),
  fc.string({ unit: 'grapheme' }),
  fc.integer(),
  fc.double({ noNaN: true }),
);

/** A field, and a value that has a chance to be one of its place. */
const drawn: fc.Arbitrary<FieldDraw & { readonly values: readonly Json[] }> = fc
  .record({
    place: typed,
    field: typed,
    steps: fc.array(fc.constantFrom(...uses), { maxLength: 2 }),
    flow: fc.constantFrom('in' as const, 'both' as const, 'both' as const, 'both' as const),
  })
  .chain((own) => {
    const samples = own.steps[0]?.samples ?? [];
    const one = samples.length === 0 ? value : fc.oneof(fc.constantFrom<Json>(...samples), value);
    return fc.array(one, { minLength: 12, maxLength: 12 }).map((values) => ({ ...own, values }));
  });

const built = (fields: readonly (FieldDraw & { readonly values: readonly Json[] })[]) => {
  const named = fields.map((one, index) => ({ ...one, name: `f${index}`, at: `/p${index % 2}/v${index}` }));
  const kind: JsonSchema = { type: 'object', properties: {} };
  for (const { at, place } of named) {
    const [above = '', own = ''] = segmentsOf(at) ?? [];
    putAt(kind, ['properties', above, 'type'], 'object');
    putAt(kind, ['properties', above, 'properties', own], place);
  }
  const entity = readEntity(
    JSON.stringify({
      $id: 'thing',
      type: 'object',
      properties: Object.fromEntries(named.map((one) => [one.name, one.field])),
    }),
    'thing.schema.json',
  );
  const rules = named.map(({ name, at, steps, flow }) => [
    name,
    { at, steps: steps.map((one) => one.use), flow },
  ]);
  const document = readMapping(
    JSON.stringify({
      name: 'drawn',
      remote: { connector: 'drawn', kind: 'thing' },
      entity: 'thing',
      overflow: 'park',
      fields: Object.fromEntries(rules),
    }),
    'drawn.json',
  );
  return { document, entity, kind, named };
};

type Tried = ReturnType<typeof built> & { readonly lens: ReturnType<typeof bind> };

/** Without examples, which a generated mapping cannot have. */
const passes = ({ document, entity, kind }: ReturnType<typeof built>): boolean =>
  check(document, { entity, kind }).every(
    ({ severity, code }) =>
      severity === 'warning' || code === 'mapping-no-examples' || code === 'mapping-unmapped',
  );

test('what passes the check never throws, and comes to rest after one turn', () => {
  let passed = 0;
  let wrote = 0;
  const tryOne = ({ lens, document, named }: Tried, round: number): void => {
    const object: JsonObject = {};
    for (const { at, values } of named) putAt(object, segmentsOf(at) ?? [], values[round] ?? null);
    const { fields: read } = lens.read(object);
    const put = lens.write(read, null);
    for (const { name, flow } of named) {
      const one = read[name];
      if (flow !== 'both' || one === undefined || one === null) continue;
      if (put.problems.some(({ field }) => field === name)) continue;
      wrote += 1;
      const rule = JSON.stringify(document.fields[name]);
      // get after put: what was written reads as what was put, and settle foretells it.
      expect(lens.read(lens.write({ [name]: one }, null).value).fields[name], rule).toEqual(one);
      expect(lens.settle(name, one), rule).toEqual(one);
      // put after get: over the object that it came from it stays as it is.
      expect(lens.read(lens.write({ [name]: one }, object).value).fields[name], rule).toEqual(one);
    }
  };
  fc.assert(
    fc.property(fc.array(drawn, { minLength: 1, maxLength: 2 }), (fields) => {
      const made = built(fields);
      const lens = bind(made.document, made.entity.schema, made.kind);
      // Nothing throws, whether it passes or not.
      for (const { at, values } of made.named) {
        const object: JsonObject = {};
        putAt(object, segmentsOf(at) ?? [], values[0] ?? null);
        lens.write(lens.read(object).fields, object);
      }
      if (!passes(made)) return;
      passed += 1;
      for (let round = 0; round < 12; round += 1) tryOne({ ...made, lens }, round);
    }),
    { numRuns: 4000, seed: 7 },
  );
  // The law is about many mappings, not about a few that happened to pass.
  expect(passed).toBeGreaterThan(300);
  expect(wrote).toBeGreaterThan(150);
}, 400_000);
