/**
 * Guards of a transition: what a step of a field with an order of values (a stage, an approval, the status of a payment)
 * needs before a look may bring it. Pure.
 *
 *   evidence for the new value is missing        ask: the field parks until it is there
 *   both in the order, one or more between       as `skip` says
 *   both in the order, and against it            as `back` says
 *   the next one, or a value outside the order   take
 *
 * Nothing is skipped from an empty field: where a thing was before it was first seen, nobody knows. That a value is
 * taken away is no step; `clear` is about that.
 */
import type { Json } from '../connector.ts';
import { isPlaceholder } from './guard.ts';
import { isEmpty, same } from './record.ts';

/** What a step does that is out of order: `restore` (ours is written back), `take`, or `ask`, as for an emptied field. */
export type StepPolicy = 'restore' | 'take' | 'ask';

/** What the configuration says about the steps of one field. */
export interface TransitionRule {
  /** Values in their order; values of the field that are not among them may be reached, and left, from anywhere. */
  readonly order: readonly string[];
  /** What a step over values between does. */
  readonly skip: StepPolicy;
  /** What a step against the order does; `alarm`: it is taken, and an alarm raised. */
  readonly back: StepPolicy | 'alarm';
  /** By value: the fields that must be filled in the record before it has this value. */
  readonly evidence: Readonly<Record<string, readonly string[]>>;
}

export type TransitionRules = Readonly<Record<string, TransitionRule>>;

/** What becomes of a step, and why: the rest of a sentence, empty where no rule speaks of it. */
export interface StepVerdict {
  readonly does: StepPolicy | 'alarm';
  readonly why: string;
}

const free: StepVerdict = { does: 'take', why: '' };

/** False for what says nothing: empty, a placeholder, `false`, a list of none. */
const isFilled = (value: Json): boolean =>
  !isEmpty(value) &&
  value !== false &&
  !isPlaceholder(value) &&
  !(Array.isArray(value) && value.length === 0);

const single = (
  { order, skip, back, evidence }: TransitionRule,
  from: Json,
  to: Json,
  valueOf: (field: string) => Json,
): StepVerdict => {
  if (isEmpty(to) || same(from, to)) return free;
  const needs = typeof to === 'string' && Object.hasOwn(evidence, to) ? (evidence[to] ?? []) : [];
  const missing = needs.filter((field) => !isFilled(valueOf(field)));
  if (missing.length > 0) return { does: 'ask', why: `${String(to)} needs ${missing.join(', ')}` };
  const [here, there] = [from, to].map((value) => order.indexOf(String(value))) as [number, number];
  if (isEmpty(from) || here < 0 || there < 0) return free;
  if (there < here) return { does: back, why: `a step back from ${String(from)} to ${String(to)}` };
  if (there === here + 1) return free;
  const skipped = order.slice(here + 1, there).join(', ');
  return { does: skip, why: `from ${String(from)} to ${String(to)} skips ${skipped}` };
};

const isTaken = ({ does }: StepVerdict): boolean => does === 'take' || does === 'alarm';

/**
 * What becomes of a field that goes from one value to another. `passed`: values between the two that the remote has
 * named one by one, so that a fast remote is not taken for one that skips. `valueOf`: the record's other fields.
 */
export const stepVerdict = (
  rule: TransitionRule,
  from: Json,
  to: Json,
  valueOf: (field: string) => Json,
  passed: readonly Json[] = [],
): StepVerdict => {
  const direct = single(rule, from, to, valueOf);
  if (isTaken(direct) || passed.length === 0) return direct;
  const way = [from, ...passed, to];
  const steps = way.slice(1).map((value, index) => single(rule, way[index] ?? null, value, valueOf));
  if (!steps.every(isTaken)) return direct;
  return steps.find(({ does }) => does === 'alarm') ?? free;
};

const neededBy = (rules: TransitionRules, field: string): string[] =>
  Object.hasOwn(rules, field) ? Object.values(rules[field]?.evidence ?? {}).flat() : [];

/** The fields in an order in which each comes after those that its steps need; what needs one another, as it comes. */
export const byEvidence = (fields: readonly string[], rules: TransitionRules): string[] => {
  const all = new Set(fields);
  const ordered = new Set<string>();
  const visit = (field: string, trail: ReadonlySet<string>): void => {
    if (ordered.has(field) || trail.has(field) || !all.has(field)) return;
    for (const each of neededBy(rules, field)) visit(each, new Set([...trail, field]));
    ordered.add(field);
  };
  // Those without rules first: they need nothing.
  for (const field of all) if (!Object.hasOwn(rules, field)) ordered.add(field);
  for (const field of all) visit(field, new Set());
  return [...ordered];
};

/** True if a change of these fields may let a step of this one go on that waits. */
export const mayGoOn = (rules: TransitionRules, field: string, changed: readonly string[]): boolean =>
  Object.hasOwn(rules, field) && [field, ...neededBy(rules, field)].some((one) => changed.includes(one));
