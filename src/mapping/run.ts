import type { Json } from '../connector.ts';
import { fallbacksOf, partsOf } from './document.ts';
import type { StepUse } from './document.ts';
import { canonical } from './place.ts';
import type { Validator } from './schema.ts';
import { Misfit } from './step.ts';
import type { BoundStep, Outcome } from './step.ts';
import { stepNamed } from './steps.ts';

/** Runs the steps of a field, there and back. */

export interface Link {
  readonly name: string;
  readonly bound: BoundStep;
  readonly fills: boolean;
}

export interface Chain {
  readonly steps: readonly Link[];
  /** True if an empty or missing place may still give a value. */
  readonly fills: boolean;
  /** True if a step may have something to tell of a value that it takes. */
  readonly notes: boolean;
}

/** Binds steps once; `last` are steps that a rule has besides those that it lists. */
export const chainOf = (
  uses: readonly StepUse[],
  otherwise: Json | undefined,
  places: number,
  last: readonly Link[] = [],
): Chain => {
  const { inward, outward } = fallbacksOf(otherwise);
  const own = uses.flatMap((use): Link[] => {
    const { name, arg } = partsOf(use);
    const step = stepNamed(name);
    if (step === undefined) return [];
    return [{ name, bound: step.bind(arg, { inward, outward, places }), fills: step.fills === true }];
  });
  const steps = [...own, ...last];
  return {
    steps,
    fills: steps.some((step) => step.fills),
    notes: steps.some(({ bound }) => bound.note !== undefined),
  };
};

/** An empty text and an empty list hold nothing: most systems cannot tell them from an empty place. */
export const emptied = (value: Json): Json =>
  value === '' || (Array.isArray(value) && value.length === 0) ? null : value;

export const forward = (chain: Chain, start: Json): Outcome => {
  let value = start;
  const { steps } = chain;
  for (let i = 0; i < steps.length; i += 1) {
    const step = steps[i];
    if (step === undefined || (value === null && !step.fills)) continue;
    const next = step.bound.forward(value);
    // Most values are text, which needs no more than this.
    if (typeof next === 'string') value = next === '' ? null : next;
    else if (next instanceof Misfit) return next.from(step.name);
    else value = emptied(next);
  }
  return value;
};

export const backward = (chain: Chain, start: Json): Outcome => {
  let value = start;
  for (const { bound, name } of chain.steps.toReversed()) {
    if (value === null) return null;
    if (bound.backward === undefined) return new Misfit('step', 'a step of this field has no way back');
    const next = bound.backward(value);
    if (next instanceof Misfit) return next.from(name);
    value = emptied(next);
  }
  return value;
};

/** What the steps have to tell of a value on its way, as sentences without their full stop. */
export const notesOf = (chain: Chain, start: Json, way: 'forward' | 'backward'): readonly string[] => {
  if (!chain.notes) return [];
  const told: string[] = [];
  let value = start;
  for (const { bound } of way === 'forward' ? chain.steps : chain.steps.toReversed()) {
    if (value === null) break;
    const note = bound.note?.(value) ?? null;
    if (note !== null) told.push(note);
    const next = bound[way]?.(value);
    if (next === undefined || next instanceof Misfit) break;
    value = emptied(next);
  }
  return told;
};

const UNFIT = new Misfit('type', 'The value holds a number that is none, or is nested more than 64 deep');

/** True for text that can be stored and sent on: UTF-8 knows no half characters. */
export const isClean = (text: string): boolean => text.isWellFormed();

const UNCLEAN = 'holds half of a character, as a cut emoji leaves it behind; the step clean takes it out';

/** The first text within a value that is not clean. */
const uncleanIn = (value: Json): string | undefined => {
  if (typeof value === 'string') return isClean(value) ? undefined : value;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const inner of Object.values(value)) {
    const found = uncleanIn(inner);
    if (found !== undefined) return found;
  }
  return undefined;
};

export const isUnclean = (value: Json): boolean => uncleanIn(value) !== undefined;

/** The value in one form, or a Misfit if it is none that a record can hold. */
export const cleaned = (value: Json): Json | Misfit => {
  const clean = canonical(value);
  return clean === undefined ? UNFIT : clean;
};

export const checked = (value: Outcome, validate: Validator): Outcome => {
  if (value === null || (typeof value === 'object' && value instanceof Misfit)) return value;
  const clean = typeof value === 'string' ? value : canonical(value);
  if (clean === undefined) return UNFIT;
  const unclean = uncleanIn(clean);
  if (unclean !== undefined) return new Misfit('format', UNCLEAN, unclean);
  const wrong = validate(clean);
  return wrong === null ? clean : new Misfit(wrong.code, wrong.expected, clean);
};
