import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { fallbacksOf, partsOf, placesOf } from './document.ts';
import type { FieldRule, Overflow } from './document.ts';
import { computedAt } from './expressions.ts';
import type { Shape } from './lens.ts';
import { canonical, canonicalText, getterOf, sameValue, segmentsOf, valueAt } from './place.ts';
import type { Segments } from './place.ts';
import { referenceStep } from './reference.ts';
import { bindRows } from './rows.ts';
import type { BoundRows } from './rows.ts';
import { backward, chainOf, checked, cleaned, emptied, forward, notesOf } from './run.ts';
import type { Chain, Link } from './run.ts';
import { isSet, schemaAt, validatorOf } from './schema.ts';
import type { Validator } from './schema.ts';
import { Misfit } from './step.ts';
import type { Outcome } from './step.ts';
import { classOf, stepNamed } from './steps.ts';

/** One field of a mapping with its steps bound: from places to a value and back. */
export interface BoundField {
  readonly name: string;
  /** The places that the document names. */
  readonly pointers: readonly string[];
  /** The places that hold what is read and written; for an expression the one that holds its result. */
  readonly segments: readonly Segments[];
  readonly inward: boolean;
  readonly outward: boolean;
  readonly required: boolean;
  /** True if no sentence may show its values. */
  readonly personal: boolean;
  /** True if a value that is too long or too large is left where it is instead of parking the field. */
  readonly refuses: boolean;
  /** What the mapping says of such values, for the field or for all. */
  readonly overflow?: Overflow;
  /** True if there are values that are not written, because the place is to stay as it is then. */
  readonly keeps: boolean;
  /** The fields of its rows, if it is a table. */
  readonly rows: BoundRows | null;
  readonly shape: Shape;
  /** How its places are read, for the generated reader. */
  readonly reading: Reading;
  /** The field's value, undefined where a place of it was not seen. */
  read(object: JsonObject): Outcome | undefined;
  /** What the places are to hold, in order. `base` is the remote as last seen. */
  write(value: Json, base: JsonObject | null): readonly Json[] | Misfit;
  /** The value that is read after `value` was written and the remote did to it what it is known to do. */
  settle(value: Json): Json;
  /** What a person should know of what became of the value on its way; empty for most. */
  notes(way: 'read' | 'write', given: JsonObject | Json): readonly string[];
}

export interface Reading {
  readonly chain: Chain;
  readonly validate: Validator;
  /** True if the steps take the places as a list. */
  readonly listed: boolean;
}

export interface FieldSchemas {
  readonly field: JsonSchema;
  readonly entity: JsonSchema;
  readonly kind: JsonSchema | null;
  /** The mapping's name, under which the results of its expressions stand. */
  readonly mapping?: string;
}

/** The schema of a place for checking what is written there. */
const placeValidator = (kind: JsonSchema | null, segments: Segments): Validator => {
  const schema = kind === null ? undefined : schemaAt(kind, segments);
  return kind === null || schema === undefined ? () => null : validatorOf(schema, kind);
};

/** The places of a field and what turns their values into the field's. */
interface Reader extends Reading {
  readonly segments: readonly Segments[];
  /** The value at each of the places. */
  readonly getters: readonly ((value: Json) => Json | undefined)[];
}

const startOf = (reader: Reader, values: readonly Json[]): Outcome => {
  const seen: Json[] = [];
  for (const value of values) {
    // Before any step sees it: what a remote sends may be nested beyond what JSON.stringify survives.
    const clean = cleaned(value);
    if (clean instanceof Misfit) return clean;
    seen.push(emptied(clean));
  }
  const empty = seen.every((value) => value === null);
  return empty ? null : reader.listed ? seen : (seen[0] ?? null);
};

const fromPlaces = (reader: Reader, values: readonly Json[]): Outcome => {
  const start = startOf(reader, values);
  return start instanceof Misfit ? start : checked(forward(reader.chain, start), reader.validate);
};

/** Most fields live in one place and hold text: nothing is allocated for them. */
const readPlace = (
  reader: Reader,
  get: (value: Json) => Json | undefined,
  object: JsonObject,
): Outcome | undefined => {
  const value = get(object);
  if (value === undefined && !reader.chain.fills) return undefined;
  const clean = typeof value === 'string' ? value : cleaned(value ?? null);
  if (clean instanceof Misfit) return clean;
  return checked(forward(reader.chain, emptied(clean)), reader.validate);
};

/** The values of the places; undefined where one was not seen. */
const seenAt = (reader: Reader, object: JsonObject): readonly Json[] | undefined => {
  const values: Json[] = [];
  for (const get of reader.getters) {
    const value = get(object);
    // A default stands in for what was not sent; without one the field was simply not seen.
    if (value === undefined && !reader.chain.fills) return undefined;
    values.push(value ?? null);
  }
  return values;
};

const readPlaces = (reader: Reader, object: JsonObject): Outcome | undefined => {
  const values = seenAt(reader, object);
  return values === undefined ? undefined : fromPlaces(reader, values);
};

const toPlaces = (
  reader: Reader,
  validators: readonly Validator[],
  value: Json,
): readonly Json[] | Misfit => {
  const made = backward(reader.chain, value);
  if (made instanceof Misfit) return made;
  if (made === null) return reader.segments.map(() => null);
  const values = reader.listed && Array.isArray(made) ? made : [made];
  for (const [index, place] of values.entries()) {
    const fit = checked(place, validators[index] ?? (() => null));
    if (fit instanceof Misfit) return fit;
  }
  return values;
};

/**
 * The remote's own spelling, if it already reads as what is to be written: 欧阳 + 修 is not cut anew,
 * nor a label swapped for its synonym.
 */
const alreadyThere = (
  reader: Reader,
  base: JsonObject,
  made: readonly Json[],
): readonly Json[] | undefined => {
  const there: Json[] = [];
  for (const get of reader.getters) {
    const value = get(base);
    if (value === undefined) return undefined;
    there.push(value);
  }
  const now = fromPlaces(reader, there);
  const then = fromPlaces(reader, made);
  return !(now instanceof Misfit) && !(then instanceof Misfit) && sameValue(now, then) ? there : undefined;
};

const isLossy = (rule: FieldRule): boolean =>
  (rule.steps ?? []).some((use) => {
    const { name, arg } = partsOf(use);
    const step = stepNamed(name);
    return step !== undefined && classOf(step, arg) === 'lossy';
  });

/** True if the field's first step is an expression, whose result stands in a place of its own. */
const isComputed = (rule: FieldRule): boolean =>
  rule.steps?.[0] !== undefined && partsOf(rule.steps[0]).name === 'expression';

/** An element that a remote shows twice is in a set once. */
const once = (list: Json): Json =>
  Array.isArray(list) ? [...new Map(list.map((one) => [canonicalText(one), one])).values()] : list;

const SET: Link = { name: 'set', fills: false, bound: { forward: once, backward: once } };

/** The step that a rule has besides those that it lists. */
const ownStep = (rule: FieldRule, rows: BoundRows | null, place: JsonSchema | undefined): readonly Link[] => {
  if (rows !== null)
    return [
      {
        name: 'rows',
        fills: false,
        bound: { forward: (list) => rows.read(list), backward: (list) => rows.write(list, undefined) },
      },
    ];
  if (rule.reference === undefined) return [];
  return [{ name: 'reference', fills: false, bound: referenceStep(rule.reference, place) }];
};

/** True if the rule, or one of its rows, says that some values leave the place as it is. */
const mayKeep = (rule: FieldRule): boolean =>
  rule.overflow === 'refuse' ||
  fallbacksOf(rule.otherwise).outward === 'keep' ||
  Object.values(rule.rows?.fields ?? {}).some(mayKeep);

const readerOf = (name: string, rule: FieldRule, schemas: FieldSchemas, rows: BoundRows | null): Reader => {
  const pointers = isComputed(rule) ? [computedAt(schemas.mapping ?? '', name)] : placesOf(rule);
  const segments = pointers.map((pointer) => segmentsOf(pointer) ?? []);
  const place = schemas.kind === null ? undefined : schemaAt(schemas.kind, segments[0] ?? []);
  return {
    segments,
    getters: segments.map(getterOf),
    listed: Array.isArray(rule.at) && !isComputed(rule),
    chain: chainOf(rule.steps ?? [], rule.otherwise, segments.length, [
      ...ownStep(rule, rows, place),
      ...(rows === null && isSet(schemas.field, schemas.entity) ? [SET] : []),
    ]),
    validate: validatorOf(schemas.field, schemas.entity),
  };
};

const rowsOf = (rule: FieldRule, schemas: FieldSchemas): BoundRows | null => {
  if (rule.rows === undefined) return null;
  const at = segmentsOf(placesOf(rule)[0] ?? '') ?? [];
  const place = schemas.kind === null ? undefined : schemaAt(schemas.kind, at);
  return bindRows(rule.rows, { ...schemas, place }, bindField);
};

/** Binds a field's steps once. What cannot be bound is for `check` to name; here it is left out. */
export const bindField = (name: string, rule: FieldRule, schemas: FieldSchemas): BoundField => {
  const rows = rowsOf(rule, schemas);
  const reader = readerOf(name, rule, schemas, rows);
  const { segments, chain } = reader;
  const get = segments.length === 1 && !reader.listed ? (reader.getters[0] ?? null) : null;
  const habits = chainOf(rule.remote ?? [], undefined, 1);
  const validators = segments.map((place) => placeValidator(schemas.kind, place));
  const lossy = isLossy(rule);
  const flow = rule.flow ?? 'both';
  return {
    name,
    pointers: placesOf(rule),
    segments,
    inward: flow !== 'out',
    outward: flow !== 'in' && segments.length > 0,
    required: rule.required === true,
    personal: schemas.field['personal'] === true || (rows?.fields ?? []).some((inner) => inner.personal),
    refuses: rule.overflow === 'refuse',
    ...(rule.overflow === undefined ? {} : { overflow: rule.overflow }),
    keeps: mayKeep(rule),
    rows,
    shape: rows !== null ? rows.table : isSet(schemas.field, schemas.entity) ? 'set' : 'value',
    reading: reader,
    read: get === null ? (object) => readPlaces(reader, object) : (object) => readPlace(reader, get, object),
    write: (value, base) => {
      if (rows !== null && base !== null && value !== null) {
        const made = rows.write(value, valueAt(base, segments[0] ?? []));
        const fit = checked(made, validators[0] ?? (() => null));
        return fit instanceof Misfit ? fit : [fit];
      }
      const made = toPlaces(reader, validators, value);
      if (base === null || lossy || made instanceof Misfit || value === null) return made;
      return alreadyThere(reader, base, made) ?? made;
    },
    settle: (value) => {
      if (rows !== null) return rows.settle(value);
      const made = toPlaces(reader, validators, value);
      if (made instanceof Misfit) return value;
      const kept = made.map((place) => {
        const after = place === null ? null : forward(habits, place);
        return after instanceof Misfit ? place : after;
      });
      const seen = fromPlaces(reader, kept);
      return seen instanceof Misfit ? value : seen;
    },
    notes: (way, given) => {
      if (!chain.notes) return [];
      if (way === 'write') return notesOf(chain, canonical(given) ?? null, 'backward');
      const values = seenAt(reader, given as JsonObject);
      const start = values === undefined ? null : startOf(reader, values);
      return start instanceof Misfit ? [] : notesOf(chain, start, 'forward');
    },
  };
};
