import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { fallbacksOf, partsOf, placesOf } from './document.ts';
import type { FieldRule, StepUse } from './document.ts';
import { canonical, getterOf, sameValue, segmentsOf } from './place.ts';
import type { Segments } from './place.ts';
import { schemaAt, shown, validatorOf } from './schema.ts';
import type { Validator } from './schema.ts';
import { Misfit } from './step.ts';
import type { BoundStep, Outcome } from './step.ts';
import { classOf, stepNamed } from './steps.ts';

/** One field of a mapping with its steps bound: from places to a value and back. */
export interface BoundField {
  readonly name: string;
  readonly pointers: readonly string[];
  readonly segments: readonly Segments[];
  readonly inward: boolean;
  readonly outward: boolean;
  readonly required: boolean;
  /** The field's value, undefined where a place of it was not seen. */
  read(object: JsonObject): Outcome | undefined;
  /** What the places are to hold, in order. `base` is the remote as last seen. */
  write(value: Json, base: JsonObject | null): readonly Json[] | Misfit;
  /** The value that is read after `value` was written and the remote did to it what it is known to do. */
  settle(value: Json): Json;
}

interface Chain {
  readonly steps: readonly { readonly bound: BoundStep; readonly fills: boolean }[];
  /** True if an empty or missing place may still give a value. */
  readonly fills: boolean;
}

const chainOf = (uses: readonly StepUse[], otherwise: Json | undefined, places: number): Chain => {
  const { inward, outward } = fallbacksOf(otherwise);
  const steps = uses.flatMap((use) => {
    const { name, arg } = partsOf(use);
    const step = stepNamed(name);
    return step === undefined
      ? []
      : [{ bound: step.bind(arg, { inward, outward, places }), fills: step.fills === true }];
  });
  return { steps, fills: steps.some((step) => step.fills) };
};

/** An empty text and an empty list hold nothing: most systems cannot tell them from an empty place. */
const emptied = (value: Json): Json =>
  value === '' || (Array.isArray(value) && value.length === 0) ? null : value;

const forward = (chain: Chain, start: Json): Outcome => {
  let value = start;
  const { steps } = chain;
  for (let i = 0; i < steps.length; i += 1) {
    const step = steps[i];
    if (step === undefined || (value === null && !step.fills)) continue;
    const next = step.bound.forward(value);
    // Most values are text, which needs no more than this.
    if (typeof next === 'string') value = next === '' ? null : next;
    else if (next instanceof Misfit) return next;
    else value = emptied(next);
  }
  return value;
};

const backward = (chain: Chain, start: Json): Outcome => {
  let value = start;
  for (const { bound } of chain.steps.toReversed()) {
    if (value === null) return null;
    if (bound.backward === undefined) return new Misfit('step', 'a step of this field has no way back');
    const next = bound.backward(value);
    if (next instanceof Misfit) return next;
    value = emptied(next);
  }
  return value;
};

const UNFIT = new Misfit('type', 'The value holds a number that is none, or is nested more than 64 deep');

const checked = (value: Outcome, validate: Validator): Outcome => {
  if (value === null || (typeof value === 'object' && value instanceof Misfit)) return value;
  const clean = typeof value === 'string' ? value : canonical(value);
  if (clean === undefined) return UNFIT;
  const wrong = validate(clean);
  return wrong === null ? clean : new Misfit(wrong.code, `${shown(clean)} ${wrong.expected}`);
};

/** The schema of a place for checking what is written there. */
const placeValidator = (kind: JsonSchema | null, segments: Segments): Validator => {
  const schema = kind === null ? undefined : schemaAt(kind, segments);
  return kind === null || schema === undefined ? () => null : validatorOf(schema, kind);
};

export interface FieldSchemas {
  readonly field: JsonSchema;
  readonly entity: JsonSchema;
  readonly kind: JsonSchema | null;
}

/** The places of a field and what turns their values into the field's. */
interface Reader {
  readonly segments: readonly Segments[];
  /** The value at each of the places. */
  readonly getters: readonly ((value: Json) => Json | undefined)[];
  /** True if the steps take the places as a list. */
  readonly listed: boolean;
  readonly chain: Chain;
  readonly validate: Validator;
}

const fromPlaces = (reader: Reader, values: readonly Json[]): Outcome => {
  const seen: Json[] = [];
  for (const value of values) {
    // Before any step sees it: what a remote sends may be nested beyond what JSON.stringify survives.
    const clean = canonical(value);
    if (clean === undefined) return UNFIT;
    seen.push(emptied(clean));
  }
  const empty = seen.every((value) => value === null);
  const start = empty ? null : reader.listed ? seen : (seen[0] ?? null);
  return checked(forward(reader.chain, start), reader.validate);
};

/** Most fields live in one place and hold text: nothing is allocated for them. */
const readPlace = (
  reader: Reader,
  get: (value: Json) => Json | undefined,
  object: JsonObject,
): Outcome | undefined => {
  const value = get(object);
  if (value === undefined && !reader.chain.fills) return undefined;
  const clean = typeof value === 'string' ? value : canonical(value ?? null);
  if (clean === undefined) return UNFIT;
  return checked(forward(reader.chain, emptied(clean)), reader.validate);
};

const readPlaces = (reader: Reader, object: JsonObject): Outcome | undefined => {
  const values: Json[] = [];
  for (const get of reader.getters) {
    const value = get(object);
    // A default stands in for what was not sent; without one the field was simply not seen.
    if (value === undefined && !reader.chain.fills) return undefined;
    values.push(value ?? null);
  }
  return fromPlaces(reader, values);
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

/** Binds a field's steps once. What cannot be bound is for `check` to name; here it is left out. */
export const bindField = (name: string, rule: FieldRule, schemas: FieldSchemas): BoundField => {
  const pointers = placesOf(rule);
  const segments = pointers.map((pointer) => segmentsOf(pointer) ?? []);
  const reader: Reader = {
    segments,
    getters: segments.map(getterOf),
    listed: Array.isArray(rule.at),
    chain: chainOf(rule.steps ?? [], rule.otherwise, segments.length),
    validate: validatorOf(schemas.field, schemas.entity),
  };
  const get = segments.length === 1 && !reader.listed ? (reader.getters[0] ?? null) : null;
  const habits = chainOf(rule.remote ?? [], undefined, 1);
  const validators = segments.map((place) => placeValidator(schemas.kind, place));
  const lossy = isLossy(rule);
  const flow = rule.flow ?? 'both';
  return {
    name,
    pointers,
    segments,
    inward: flow !== 'out',
    outward: flow !== 'in' && segments.length > 0,
    required: rule.required === true,
    read: get === null ? (object) => readPlaces(reader, object) : (object) => readPlace(reader, get, object),
    write: (value, base) => {
      const made = toPlaces(reader, validators, value);
      if (base === null || lossy || made instanceof Misfit || value === null) return made;
      return alreadyThere(reader, base, made) ?? made;
    },
    settle: (value) => {
      const made = toPlaces(reader, validators, value);
      if (made instanceof Misfit) return value;
      const kept = made.map((place) => {
        const after = place === null ? null : forward(habits, place);
        return after instanceof Misfit ? place : after;
      });
      const seen = fromPlaces(reader, kept);
      return seen instanceof Misfit ? value : seen;
    },
  };
};
