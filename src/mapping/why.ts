import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { bind, boundFields, isLeft, LEFT, partDocument, partKind } from './bind.ts';
import type { Entity, FieldRule, MappingDocument } from './document.ts';
import type { BoundField } from './field.ts';
import type { FieldProblem, Part } from './lens.ts';
import { isObject, segmentsOf, valueAt } from './place.ts';
import { referenceOf } from './reference.ts';
import type { Reference } from './reference.ts';
import { cleaned, emptied } from './run.ts';
import { Misfit } from './step.ts';
import type { Outcome } from './step.ts';

/** For one record, which value came from where and through what. */

export interface Hop {
  /** The step, as the document names it; `reference` for a key that names another record. */
  readonly step: string;
  /** What it made of the value before. */
  readonly value: Json;
  /** What a person should know of what became of the value there: that it was cut, for instance. */
  readonly note?: string;
  /** For `reference`: which record it names, and by what. */
  readonly reference?: Reference;
}

/** One row of a table or of a part. */
export interface WhyRow {
  /** From 1, in the remote's order. */
  readonly row: number;
  /** What tells it from the others, where it has that. */
  readonly key?: Json;
  readonly fields: readonly WhyField[];
}

export interface WhyField {
  readonly field: string;
  /** The places and what they hold; `undefined` where a place was not sent. */
  readonly from: readonly { readonly pointer: string; readonly value?: Json }[];
  readonly through: readonly Hop[];
  /** The rows of a table, each field by field. */
  readonly rows?: readonly WhyRow[];
  /** The field's value; missing where it was not seen or does not fit. */
  readonly value?: Json;
  /** Why there is no value. */
  readonly problem?: string;
}

export interface WhyPart {
  readonly part: string;
  readonly entity: string;
  /** The list whose rows are the records. */
  readonly at: string;
  readonly rows: readonly WhyRow[];
  /** Rows that are none, in words. */
  readonly problems: readonly string[];
}

/** The story of one object. */
export interface Why {
  readonly fields: readonly WhyField[];
  readonly parts: readonly WhyPart[];
}

/** A field with what the document says of it. */
interface Told {
  readonly bound: BoundField;
  readonly rule: FieldRule;
}

const toldIn = (document: MappingDocument, entity: JsonSchema, kind: JsonSchema | null): readonly Told[] =>
  boundFields(document, entity, kind)
    .filter((bound) => bound.inward)
    .map((bound) => ({ bound, rule: document.fields[bound.name] ?? {} }));

/** The values after each step, up to the first that does not fit. */
const hopsOf = ({ bound: { reading, segments }, rule }: Told, object: JsonObject): readonly Hop[] => {
  const { chain, listed } = reading;
  const seen: Json[] = [];
  for (const place of segments) {
    const clean = cleaned(valueAt(object, place) ?? null);
    if (clean instanceof Misfit) return [];
    seen.push(emptied(clean));
  }
  let value: Json = seen.every((one) => one === null) ? null : listed ? seen : (seen[0] ?? null);
  const hops: Hop[] = [];
  for (const { name, bound, fills } of chain.steps) {
    if (value === null && !fills) continue;
    const note: string | null = bound.note?.(value) ?? null;
    const next: Outcome = bound.forward(value);
    if (next instanceof Misfit) break;
    value = emptied(next);
    const { reference } = rule;
    hops.push({
      step: name,
      value,
      ...(note === null ? {} : { note: `the value ${note}` }),
      ...(name !== 'reference' || reference === undefined ? {} : { reference: referenceOf(reference) }),
    });
  }
  return hops;
};

/** The rows of a table, as they are before anything is said of the table as a whole. */
const rowsOf = ({ bound: { rows, segments }, rule }: Told, object: JsonObject): readonly WhyRow[] => {
  const list = valueAt(object, segments[0] ?? []);
  if (rows === null || !Array.isArray(list)) return [];
  const rules = rule.rows?.fields ?? {};
  const inner = rows.fields
    .filter((bound) => bound.inward)
    .map((bound) => ({ bound, rule: rules[bound.name] ?? {} }));
  return list.map((row, index): WhyRow => {
    const fields = isObject(row) ? inner.map((field) => whyField(field, row)) : [];
    const key = fields.find((one) => one.field === rows.table.key)?.value;
    return { row: index + 1, ...(key === undefined || key === null ? {} : { key }), fields };
  });
};

const whyField = (told: Told, object: JsonObject): WhyField => {
  const { bound: field } = told;
  const from = field.pointers.map((pointer) => {
    const value = valueAt(object, segmentsOf(pointer) ?? []);
    return value === undefined ? { pointer } : { pointer, value };
  });
  const made = field.read(object);
  const story = {
    field: field.name,
    from,
    ...(field.rows === null
      ? { through: hopsOf(told, object) }
      : { through: [], rows: rowsOf(told, object) }),
  };
  if (made instanceof Misfit) {
    const step = made.step === undefined ? '' : ` (step ${made.step})`;
    return { ...story, problem: `${made.sentence(false)}${step}.${isLeft(field, made) ? ` ${LEFT}` : ''}` };
  }
  if (made !== undefined) return { ...story, value: made };
  const missing = from.filter((one) => one.value === undefined).map((one) => one.pointer);
  return { ...story, problem: `The record does not show ${missing.join(' and ')}.` };
};

const wordsOf = ({ pointer, message }: FieldProblem): string => `${pointer}: ${message}`;

/** Tells the rows of a part; each is read as an object of its own. */
const whyPart = (
  part: string,
  at: string,
  { entity, rows }: Part,
  fields: readonly Told[],
): ((object: JsonObject) => WhyPart) => {
  const list = segmentsOf(at) ?? [];
  return (object) => {
    const found = rows(object);
    const all = valueAt(object, list);
    return {
      part,
      entity,
      at,
      rows: found.rows.map(({ key, value }) => ({
        row: (Array.isArray(all) ? all.indexOf(value) : 0) + 1,
        key,
        fields: fields.map((field) => whyField(field, value)),
      })),
      problems: found.problems.map(wordsOf),
    };
  };
};

/**
 * The story of every field that is read, and of the records that an object carries. `object` has its expressions
 * computed, if the mapping has any.
 */
export const why = (
  document: MappingDocument,
  entity: Entity,
  kind: JsonSchema | null,
  entities: ReadonlyMap<string, Entity>,
): ((object: JsonObject) => Why) => {
  const fields = toldIn(document, entity.schema, kind);
  const schemas = new Map([...entities].map(([name, one]) => [name, one.schema]));
  const lens = bind(document, entity.schema, kind, { entities: schemas });
  const parts = Object.entries(document.parts ?? {}).flatMap(([name, rule]) => {
    const part = lens.parts.get(name);
    if (part === undefined) return [];
    const own = partDocument(document, name, rule);
    const told = toldIn(own, schemas.get(rule.entity) ?? {}, partKind(rule, kind));
    return [whyPart(name, rule.at, part, told)];
  });
  return (object) => ({
    fields: fields.map((field) => whyField(field, object)),
    parts: parts.map((part) => part(object)),
  });
};
