import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import type { ErrorCode, ErrorParams } from '../errors.ts';
import { fallbacksOf, partsOf, placesOf } from './document.ts';
import type { FieldRule, StepUse } from './document.ts';
import { nearest } from './nearest.ts';
import { isObject, segmentsOf } from './place.ts';
import {
  ALL_TYPES,
  faultWords,
  schemaAt,
  schemaChecker,
  shown,
  typeFits,
  typesOf,
  typeWords,
} from './schema.ts';
import type { JsonType } from './schema.ts';
import type { Step } from './step.ts';
import { classOf, stepNamed, stepNames } from './steps.ts';

/** Checks the chain of steps of one field: that they exist, take their arguments, and fit each other. */

/** Takes a finding; `below` is the pointer below the field's rule. */
export type Tell = (code: ErrorCode, below: string, params: ErrorParams) => void;

/** True if the step exists and takes its argument. */
const checkStep = (use: StepUse, at: string, tell: Tell): boolean => {
  const { name, arg } = partsOf(use);
  const step = stepNamed(name);
  if (step === undefined) {
    const near = nearest(name, stepNames);
    const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
    tell('mapping-step-unknown', at, { step: name, hint, known: stepNames.join(', ') });
    return false;
  }
  const wrong = argumentFault(step, arg);
  if (wrong !== null) tell('mapping-step-argument', at, { step: name, detail: wrong, doc: step.doc });
  return wrong === null;
};

const argumentFault = (step: Step, arg: Json | undefined): string | null => {
  if (arg === undefined) return step.arg === undefined || step.bare === true ? null : 'is missing';
  if (step.arg === undefined) return `is ${shown(arg)}, and the step takes none`;
  const check = schemaChecker(step.arg, false);
  if (check(arg)) return step.fault?.(arg) ?? null;
  const error = check.errors?.find((one) => one.keyword !== 'oneOf') ?? check.errors?.[0];
  return error === undefined ? 'does not fit' : faultWords(error);
};

/** True if the place may name objects of several kinds. */
const isPolymorphic = ({ reference }: FieldRule): boolean => typeof reference?.to === 'object';

const checkPlaces = (name: string, rule: FieldRule, tell: Tell): boolean => {
  const uses = (rule.steps ?? []).map((use) => {
    const { name: id, arg } = partsOf(use);
    const places = stepNamed(id)?.places;
    return { name: id, places: typeof places === 'function' ? places(arg) : places };
  });
  const count = placesOf(rule).length;
  const wrong = (detail: string): boolean => {
    tell('mapping-places', '/at', { field: name, detail });
    return false;
  };
  const first = uses[0];
  const many = placesOf(rule).length > 1;
  if (rule.rows !== undefined && (rule.reference !== undefined || rule.otherwise !== undefined || many))
    return wrong('is a table ("rows"): it lives in one place, and is neither a reference nor a pick-list');
  if (isPolymorphic(rule) !== many && rule.reference !== undefined)
    return wrong(
      'is a reference; two places, the id and the kind’s name, go with "to" naming an entity for each kind',
    );
  if (isPolymorphic(rule)) return count === 2 || wrong('needs two places, the id and the kind’s name');
  if (rule.at === undefined) {
    const free = rule.flow === 'in' && first?.name === 'constant';
    return free || wrong('says no place ("at"), which only a constant with "flow": "in" may leave out');
  }
  const late = uses
    .slice(1)
    .find(({ name: id, places }) => typeof places === 'number' || id === 'expression');
  if (late !== undefined) return wrong(`has step ${late.name} after others, and it must be the first`);
  const wanted = first?.places;
  if (typeof wanted === 'number' && count !== wanted) {
    return wrong(
      `lives in ${count} ${count === 1 ? 'place' : 'places'}, and step ${first?.name} composes ${wanted}`,
    );
  }
  if (Array.isArray(rule.at) && wanted === undefined)
    return wrong(`lives in ${count} places that no step composes`);
  return true;
};

/** Checks that steps exist, take their arguments, have as many places as they need, and a way back where asked. */
export const checkSteps = (name: string, rule: FieldRule, tell: Tell): boolean => {
  const own = (rule.steps ?? []).map((use, index) => checkStep(use, `/steps/${index}`, tell));
  const habits = (rule.remote ?? []).map((use, index) => checkStep(use, `/remote/${index}`, tell));
  if (![...own, ...habits].every(Boolean)) return false;
  if (!checkPlaces(name, rule, tell)) return false;
  if ((rule.flow ?? 'both') === 'in') return true;
  for (const [index, use] of (rule.steps ?? []).entries()) {
    const { name: id, arg } = partsOf(use);
    const step = stepNamed(id);
    if (step === undefined || classOf(step, arg) !== 'lossy') continue;
    // A constant that is only written needs no way back.
    if (rule.flow === 'out' && id === 'constant') continue;
    tell('mapping-lossy', `/steps/${index}`, { field: name, step: id });
    return false;
  }
  return true;
};

const overlap = (a: readonly JsonType[], b: readonly JsonType[]): boolean =>
  a.some((type) => typeFits(type, b)) || b.some((type) => typeFits(type, a));

const known = (
  uses: readonly StepUse[],
): readonly { step: Step; name: string; arg: Json | undefined; index: number }[] =>
  uses.flatMap((use, index) => {
    const { name, arg } = partsOf(use);
    const step = stepNamed(name);
    return step === undefined ? [] : [{ step, name, arg, index }];
  });

/** What a rule does besides its steps: reads rows, or names another record. */
const ownTypes = (
  rule: FieldRule,
): { what: string; at: string; takes: readonly JsonType[]; gives: readonly JsonType[] } | null => {
  if (rule.rows !== undefined) return { what: 'a table', at: '/rows', takes: ['array'], gives: ['array'] };
  if (rule.reference === undefined) return null;
  const takes: readonly JsonType[] = isPolymorphic(rule) ? ['array'] : ['string', 'integer'];
  return { what: 'a reference', at: '/reference', takes, gives: ['string'] };
};

/** The first of a table's names as a pair: digits as a number, since that is what they stand for then. */
const pairsText = (arg: JsonObject): string => {
  const [first = '', value] = Object.entries(arg)[0] ?? [];
  const key: Json = /^-?\d{1,15}$/u.test(first)
    ? Number(first)
    : first === 'true'
      ? true
      : first === 'false'
        ? false
        : first;
  return `[[${JSON.stringify(key)}, ${JSON.stringify(value)}], …]`;
};

/** Follows the types along the steps, from the place to the field and back. */
export const checkTypes = (
  name: string,
  rule: FieldRule,
  field: JsonSchema,
  kind: JsonSchema | null,
  tell: Tell,
): void => {
  const pointers = placesOf(rule);
  const only = pointers.length === 1 && !Array.isArray(rule.at) ? segmentsOf(pointers[0] ?? '') : null;
  const schema = kind === null || only === null ? undefined : schemaAt(kind, only);
  const steps = known(rule.steps ?? []);
  // An expression reads its own result, whatever its places hold.
  const isComputed = steps[0]?.name === 'expression';
  const places: readonly JsonType[] = isComputed
    ? ['object']
    : Array.isArray(rule.at)
      ? ['array']
      : schema === undefined
        ? ALL_TYPES
        : typesOf(schema);
  const wanted = typesOf(field);
  const { inward, outward } = fallbacksOf(rule.otherwise);
  const where = pointers.length === 0 ? 'nothing' : pointers.join(' + ');

  let types = places;
  let from = `${where} holds`;
  for (const { step, name: id, arg, index } of steps) {
    // A table takes what stands on its remote side, unless the rest passes it by.
    const takes = id === 'table' && inward !== 'pass' ? (step.writes?.(arg) ?? step.takes) : step.takes;
    if (!overlap(types, takes)) {
      const pairs =
        id === 'table' && isObject(arg) ? `; its names are text, so write pairs: ${pairsText(arg)}` : '';
      const detail = `${from} ${typeWords(types)}, and step ${id} needs ${typeWords(takes)}${pairs}`;
      tell('mapping-types', `/steps/${index}`, { field: name, detail });
      return;
    }
    const made = step.gives(arg, types);
    types = id === 'table' && inward === 'pass' ? [...new Set([...made, ...types])] : made;
    from = `step ${id} gives`;
  }
  const own = ownTypes(rule);
  if (own !== null) {
    if (!overlap(types, own.takes)) {
      const detail = `${from} ${typeWords(types)}, and ${own.what} needs ${typeWords(own.takes)}`;
      tell('mapping-types', own.at, { field: name, detail });
      return;
    }
    [types, from] = [own.gives, `${own.what} gives`];
  }
  if (rule.flow !== 'out' && !overlap(types, wanted)) {
    const detail = `${from} ${typeWords(types)}, and the entity's field is ${typeWords(wanted)}`;
    tell('mapping-types', steps.length === 0 ? '/at' : '/steps', { field: name, detail });
    return;
  }
  if (rule.flow === 'in') return;
  let back = own === null ? wanted : own.takes;
  for (const { step, name: id, arg } of steps.toReversed()) {
    const made = step.writes?.(arg) ?? (step.takes === ALL_TYPES ? back : step.takes);
    back = id === 'table' && outward === 'pass' ? [...new Set([...made, ...back])] : made;
  }
  if (!overlap(back, places)) {
    const detail = `what is written is ${typeWords(back)}, and ${where} holds ${typeWords(places)}`;
    tell('mapping-types', '/at', { field: name, detail });
  }
};
