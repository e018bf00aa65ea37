import type { JsonSchema } from '../connector.ts';
import { partsOf, placesOf } from './document.ts';
import type { FieldRule } from './document.ts';
import type { Check } from './finding.ts';
import { member, segmentsOf } from './place.ts';
import { enumOf, lengthOf, schemaAt, typesOf } from './schema.ts';

/** Limits: where one side takes less than the other may hold, the mapping says in words what becomes of the rest. */

/** Steps that make values of at most so many characters, whatever they are given. */
const BOUNDED: Readonly<Record<string, number>> = {
  'credit-code': 18,
  'e-mail': 254,
  'hash-key': 64,
  'tax-id': 30,
  phone: 40,
  'phone-area': 20,
  time: 40,
  date: 20,
};

/** The longest text that a field's steps may make of one of `most` characters. */
const lengthAfter = (rule: FieldRule, most: number): number => {
  let longest = most;
  for (const use of rule.steps ?? []) {
    const { name, arg } = partsOf(use);
    if (name === 'truncate') longest = Math.min(longest, Number(arg));
    else if (name === 'table') longest = 0;
    else longest = Math.min(longest, BOUNDED[name] ?? Infinity);
  }
  return longest;
};

const isText = (schema: JsonSchema): boolean => typesOf(schema).includes('string');

/** Keywords about size, and when a source that says so much fits a target that says so much. */
const SIZES: Readonly<Record<string, (source: number, target: number) => boolean>> = {
  multipleOf: (source, target) => Number.isInteger(source / target),
  maximum: (source, target) => source <= target,
  minimum: (source, target) => source >= target,
  exclusiveMaximum: (source, target) => source <= target,
  exclusiveMinimum: (source, target) => source >= target,
  maxItems: (source, target) => source <= target,
};

const isWithin = (word: string, source: JsonSchema, target: JsonSchema): boolean => {
  const [own, most] = [member(source, word), member(target, word)];
  return typeof own === 'number' && typeof most === 'number' && SIZES[word]?.(own, most) === true;
};

const isCut = (rule: FieldRule): boolean =>
  (rule.steps ?? []).some((use) => partsOf(use).name === 'truncate');

/** How the target is narrower than the source; null if it takes all. */
const narrower = (rule: FieldRule, source: JsonSchema, target: JsonSchema): string | null => {
  if (enumOf(source) !== null || enumOf(target) !== null) return null;
  const most = lengthOf(target);
  if (isText(target) && lengthAfter(rule, lengthOf(source)) > most)
    return `at most ${most} characters, and ${lengthOf(source) === Infinity ? 'any number' : lengthOf(source)} may come`;
  const own = Object.keys(SIZES).find(
    (word) => member(target, word) !== undefined && !isWithin(word, source, target),
  );
  if (own === undefined) return null;
  return `${own === 'maxItems' ? 'lists' : 'numbers'} with ${own} ${JSON.stringify(target[own])}, and others may come`;
};

/** Tells every field whose values may be too long or too large for the other side, with nothing said about it. */
export const checkLimits = (check: Check, name: string, rule: FieldRule, field: JsonSchema): void => {
  const { kind, document } = check;
  if (kind === null || rule.rows !== undefined || rule.overflow !== undefined) return;
  // What is cut is meant to fit: what the document says for all other fields is no answer then.
  if (document.overflow !== undefined && !isCut(rule)) return;
  for (const pointer of placesOf(rule)) {
    const place = schemaAt(kind, segmentsOf(pointer) ?? []);
    if (place === undefined) continue;
    const inward = rule.flow === 'out' ? null : narrower(rule, place, field);
    const outward = rule.flow === 'in' ? null : narrower(rule, field, place);
    const said = inward === null ? outward : inward;
    if (said === null) continue;
    const side = inward === null ? pointer : `the entity's ${name}`;
    check.tell('mapping-limit', `/fields/${name}`, { field: name, side, takes: said });
    return;
  }
};
