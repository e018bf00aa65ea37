import * as fc from 'fast-check';
import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { partsOf } from './document.ts';
import type { FieldRule } from './document.ts';
import type { BoundField } from './field.ts';
import type { Check } from './finding.ts';
import { putAt, sameValue, valueAt } from './place.ts';
import { enumOf, schemaAt, shown, typesOf } from './schema.ts';
import { Misfit } from './step.ts';
import { stepNamed } from './steps.ts';

/**
 * Round trips on generated values: what a field reads it must be able to write and read again as the same. Values come
 * from the schemas, from the examples of the steps and of the document, and from how people spell. A counter-example
 * is shrunk to the smallest value that shows the fault.
 */

/** Enough to find what any value finds, and little enough for every start: 100 runs of a field take about 2 ms. */
const RUNS = 100;
/** The same values each time: a mapping must not pass today and fail tomorrow. */
const SEED = 20_260_301;

const SPELLINGS = [
  '王小明',
  '欧阳 修',
  'Ann Marie Smith',
  ' A@X.cn ',
  '13800138001',
  '010-62345678 转 8',
  '＋８６',
  '2026-03-01T00:00:00Z',
  '2026-03-01 09:30:00',
  '0',
  '-1.50',
  'true',
  '否',
  ' ',
  'a;b; c',
];

const spelled = (text: string): readonly string[] => [
  text,
  ` ${text}`,
  text.toUpperCase(),
  text.toLowerCase(),
];

/** Values that the field's steps are known by. */
const known = (rule: FieldRule): readonly Json[] =>
  (rule.steps ?? []).flatMap((use) => stepNamed(partsOf(use).name)?.examples.map((one) => one.remote) ?? []);

const arbitraryOf = (schema: JsonSchema | undefined, some: readonly Json[]): fc.Arbitrary<Json> => {
  const choices = schema === undefined ? null : enumOf(schema);
  if (choices !== null && choices.length > 0) return fc.constantFrom(...choices);
  const types = schema === undefined ? [] : typesOf(schema);
  const takes = (type: (typeof types)[number]): boolean => types.length === 0 || types.includes(type);
  const all: fc.Arbitrary<Json>[] = [];
  const fit = some.filter((value) => value !== null && typeof value !== 'object');
  const texts = fit.flatMap((value): readonly Json[] =>
    typeof value === 'string' ? spelled(value) : [value],
  );
  if (texts.length > 0) all.push(fc.constantFrom<Json>(...texts));
  const lists = some.filter((value) => Array.isArray(value) || (typeof value === 'object' && value !== null));
  if (lists.length > 0) all.push(fc.constantFrom<Json>(...lists));
  if (takes('string'))
    all.push(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.constantFrom(...SPELLINGS));
  if (takes('integer') || takes('number')) all.push(fc.integer());
  if (takes('number')) all.push(fc.integer({ min: -100_000, max: 100_000 }).map((n) => n / 100));
  if (takes('boolean')) all.push(fc.boolean());
  return all.length === 0 ? fc.constant(null) : fc.oneof(...all);
};

const objectOf = (field: BoundField, values: readonly Json[]): JsonObject => {
  const made: JsonObject = {};
  field.segments.forEach((place, index) => putAt(made, place, values[index] ?? null));
  return made;
};

/** What the document's examples hold in the places of a field. */
const shownIn = (check: Check, field: BoundField): readonly Json[] =>
  check.document.examples.flatMap(({ remote }) =>
    field.segments.flatMap((place) => valueAt(remote, place) ?? []),
  );

/** Null if the value comes back; else what was written and what was read. */
const lost = (field: BoundField, value: Json): { readonly wrote: Json; readonly read: Json } | null => {
  const made = field.write(value, null);
  if (made instanceof Misfit) {
    // A place that is too short is for the limits; a step that cannot undo its own work is a fault.
    return made.code === 'step' ? { wrote: value, read: made.sentence(false) } : null;
  }
  const again = field.read(objectOf(field, made));
  if (again instanceof Misfit) return { wrote: value, read: again.sentence(false) };
  return again !== undefined && sameValue(again, value) ? null : { wrote: value, read: again ?? null };
};

/** Tries values on a field that is read and written. */
export const checkRounds = (check: Check, name: string, rule: FieldRule, field: BoundField): void => {
  // Rows are tried by their fields; what an expression makes has no way back.
  if (!field.inward || !field.outward || rule.rows !== undefined) return;
  const some = [...known(rule), ...shownIn(check, field)];
  const places = field.segments.map((place) =>
    arbitraryOf(check.kind === null ? undefined : schemaAt(check.kind, place), some),
  );
  const run = fc.check(
    fc.property(fc.tuple(...places), (values) => {
      const value = field.read(objectOf(field, values));
      return value === undefined || value === null || value instanceof Misfit || lost(field, value) === null;
    }),
    { numRuns: RUNS, seed: SEED },
  );
  const [values] = run.counterexample ?? [];
  if (values === undefined) return;
  const value = field.read(objectOf(field, values));
  const fault = value === undefined || value instanceof Misfit ? null : lost(field, value);
  check.tell('mapping-round-trip', `/fields/${name}`, {
    field: name,
    wrote: `${shown(fault?.wrote ?? null)} (which ${shown(values.length === 1 ? values[0] : values)} there reads as)`,
    read: shown(fault?.read ?? null),
  });
};
