import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import type { Entity, MappingDocument } from './document.ts';
import { bindField } from './field.ts';
import type { BoundField } from './field.ts';
import { segmentsOf, valueAt } from './place.ts';
import { emptied } from './run.ts';
import { Misfit } from './step.ts';
import type { Outcome } from './step.ts';

/** For one record, which value came from where and through what. */

export interface Hop {
  /** The step, as the document names it. */
  readonly step: string;
  /** What it made of the value before. */
  readonly value: Json;
}

export interface WhyField {
  readonly field: string;
  /** The places and what they hold; `undefined` where a place was not sent. */
  readonly from: readonly { readonly pointer: string; readonly value?: Json }[];
  readonly through: readonly Hop[];
  /** The field's value; missing where it was not seen or does not fit. */
  readonly value?: Json;
  /** Why there is no value. */
  readonly problem?: string;
}

/** The values after each step, up to the first that does not fit. */
const hopsOf = (field: BoundField, object: JsonObject): readonly Hop[] => {
  const { chain, listed } = field.reading;
  const seen = field.segments.map((place) => emptied(valueAt(object, place) ?? null));
  let value: Json = seen.every((one) => one === null) ? null : listed ? seen : (seen[0] ?? null);
  const hops: Hop[] = [];
  for (const { name, bound, fills } of chain.steps) {
    if (value === null && !fills) continue;
    const next: Outcome = bound.forward(value);
    if (next instanceof Misfit) break;
    value = emptied(next);
    hops.push({ step: name, value });
  }
  return hops;
};

const whyField = (field: BoundField, object: JsonObject): WhyField => {
  const from = field.pointers.map((pointer) => {
    const value = valueAt(object, segmentsOf(pointer) ?? []);
    return value === undefined ? { pointer } : { pointer, value };
  });
  const made = field.read(object);
  const story = { field: field.name, from, through: hopsOf(field, object) };
  if (made instanceof Misfit) return { ...story, problem: `${made.sentence(false)}.` };
  if (made !== undefined) return { ...story, value: made };
  const missing = from.filter((one) => one.value === undefined).map((one) => one.pointer);
  return { ...story, problem: `The record does not show ${missing.join(' and ')}.` };
};

/** The story of every field that is read. `object` has its expressions computed, if the mapping has any. */
export const why = (
  document: MappingDocument,
  { fields, schema }: Entity,
  kind: JsonSchema | null,
): ((object: JsonObject) => readonly WhyField[]) => {
  const bound = Object.entries(document.fields)
    .map(([name, rule]) =>
      bindField(name, rule, { field: fields.get(name) ?? {}, entity: schema, kind, mapping: document.name }),
    )
    .filter((field) => field.inward);
  return (object) => bound.map((field) => whyField(field, object));
};
