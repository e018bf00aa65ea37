import type { Json, JsonSchema } from '../connector.ts';
import { canonicalText, isObject, member, pointerOf, sameValue } from './place.ts';
import type { Segments } from './place.ts';
import { rowSchema } from './rows.ts';
import { enumOf, propertiesOf, resolved, typesOf, typeWords } from './schema.ts';

/** How one schema of a kind differs from another, place by place. */

export type ChangeSort =
  | 'gone'
  | 'new'
  | 'type'
  | 'option-gone'
  | 'option-new'
  | 'read-only'
  | 'writable'
  | 'required'
  | 'optional'
  | 'narrower'
  | 'wider';

export interface Change {
  readonly sort: ChangeSort;
  /** The place, as mappings name it; a segment `*` stands for each row of a list. */
  readonly pointer: string;
  /** What the first schema says, and what the second does: types in words, options, rules with their keyword; null is nothing. */
  readonly was: Json;
  readonly is: Json;
}

/** They describe and do not limit. */
const DESCRIBING: ReadonlySet<string> = new Set([
  'title',
  'description',
  'examples',
  'default',
  'deprecated',
  'history',
  'personal',
  '$comment',
  '$schema',
  '$id',
  '$anchor',
]);
/** They are compared by themselves. */
const APART: ReadonlySet<string> = new Set([
  'type',
  'enum',
  'oneOf',
  'properties',
  'items',
  'required',
  'readOnly',
  'additionalProperties',
  '$defs',
  'definitions',
]);
const MOST: ReadonlySet<string> = new Set([
  'maxLength',
  'maximum',
  'exclusiveMaximum',
  'maxItems',
  'maxProperties',
]);
const LEAST: ReadonlySet<string> = new Set([
  'minLength',
  'minimum',
  'exclusiveMinimum',
  'minItems',
  'minProperties',
]);
/** A schema may refer to itself: eight levels are more than any real object has. */
const MOST_DEPTH = 8;

/** A schema, its root (where its references lead), and what is written there before any reference is followed. */
interface Side {
  readonly schema: JsonSchema;
  readonly root: JsonSchema;
  readonly raw: Json | undefined;
}

type Tell = (sort: ChangeSort, at: Segments, was: Json, is: Json) => void;

const sideOf = (raw: Json | undefined, root: JsonSchema): Side => ({
  raw,
  root,
  schema: resolved(raw, root) ?? {},
});

/** True if a place may be empty. */
const takesNull = (raw: Json | undefined, root: JsonSchema, hops = 0): boolean => {
  const plain = isObject(raw) ? raw : {};
  const branches = member(plain, 'anyOf') ?? member(plain, 'oneOf');
  if (Array.isArray(branches)) return branches.some((branch) => takesNull(branch, root, hops + 1));
  if (typeof plain['$ref'] === 'string' && hops < MOST_DEPTH)
    return takesNull(resolved({ $ref: plain['$ref'] }, root), root, hops + 1);
  if (member(plain, 'const') !== undefined) return plain['const'] === null;
  const { type, enum: values } = plain;
  const typed = type === undefined || type === 'null' || (Array.isArray(type) && type.includes('null'));
  return typed && (!Array.isArray(values) || values.includes(null));
};

const requiredOf = (schema: JsonSchema): readonly string[] => {
  const said = member(schema, 'required');
  return Array.isArray(said) ? said.map(String) : [];
};

/** What members that the schema does not name must be like; undefined where there may be none. */
const openOf = (schema: JsonSchema): Json | undefined => {
  const more = member(schema, 'additionalProperties');
  return more === true ? {} : isObject(more) ? more : undefined;
};

const wordsOf = (side: Side): string => typeWords(typesOf(side.schema));

const compareOptions = (was: Side, is: Side, at: Segments, tell: Tell): void => {
  const before = enumOf(was.schema);
  const after = enumOf(is.schema);
  if (before === null && after === null) return;
  if (before === null) tell('narrower', at, null, { enum: [...(after ?? [])] });
  else if (after === null) tell('wider', at, { enum: [...before] }, null);
  else {
    const has = (list: readonly Json[], value: Json): boolean => list.some((one) => sameValue(one, value));
    for (const value of before) if (!has(after, value)) tell('option-gone', at, value, null);
    for (const value of after) if (!has(before, value)) tell('option-new', at, null, value);
  }
};

/** Which way a rule moved. A rule that is another, with no more or less to it, may refuse what was taken. */
const wayOf = (word: string, was: Json | undefined, is: Json | undefined): 'narrower' | 'wider' => {
  if (was === undefined || is === undefined) return was === undefined ? 'narrower' : 'wider';
  if (typeof was !== 'number' || typeof is !== 'number') return 'narrower';
  if (MOST.has(word)) return is < was ? 'narrower' : 'wider';
  return LEAST.has(word) && is < was ? 'wider' : 'narrower';
};

/** Lengths, sizes, patterns, and whatever else a schema may ask of a value. */
const compareRules = (was: Side, is: Side, at: Segments, tell: Tell): void => {
  const words = new Set([...Object.keys(was.schema), ...Object.keys(is.schema)]);
  for (const word of words) {
    const isChoice = word === 'oneOf' && (enumOf(was.schema) ?? enumOf(is.schema)) === null;
    if (DESCRIBING.has(word) || word.startsWith('x-') || (APART.has(word) && !isChoice)) continue;
    const before = member(was.schema, word);
    const after = member(is.schema, word);
    const isOnBoth = before !== undefined && after !== undefined;
    if (isOnBoth && sameValue(before, after)) continue;
    const shown = (value: Json | undefined): Json => (value === undefined ? null : { [word]: value });
    tell(wayOf(word, before, after), at, shown(before), shown(after));
  }
};

const compareMembers = (was: Side, is: Side, at: Segments, tell: Tell, depth: number): void => {
  const before = propertiesOf(was.schema, was.root);
  const after = propertiesOf(is.schema, is.root);
  const openBefore = openOf(was.schema);
  const openAfter = openOf(is.schema);
  const rawOf = (side: Side, name: string): Json | undefined =>
    member(member(side.schema, 'properties'), name);
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    const place = [...at, name];
    const one = before.has(name) ? rawOf(was, name) : openBefore;
    const other = after.has(name) ? rawOf(is, name) : openAfter;
    if (one !== undefined && other !== undefined)
      compare(sideOf(one, was.root), sideOf(other, is.root), place, tell, depth + 1);
    else if (other === undefined) tell('gone', place, wordsOf(sideOf(one, was.root)), null);
    else tell('new', place, null, wordsOf(sideOf(other, is.root)));
  }
  if (canonicalText(openBefore) !== canonicalText(openAfter)) {
    const shown = (more: Json | undefined): Json =>
      more === undefined ? null : { additionalProperties: more };
    tell(
      openAfter === undefined || openBefore !== undefined ? 'narrower' : 'wider',
      at,
      shown(openBefore),
      shown(openAfter),
    );
  }
  const needed = requiredOf(was.schema);
  const needs = requiredOf(is.schema);
  for (const name of needs) if (!needed.includes(name)) tell('required', [...at, name], false, true);
  for (const name of needed)
    if (!needs.includes(name) && after.has(name)) tell('optional', [...at, name], true, false);
};

const compare = (was: Side, is: Side, at: Segments, tell: Tell, depth = 0): void => {
  if (depth > MOST_DEPTH) return;
  const emptyBefore = takesNull(was.raw, was.root);
  const emptyNow = takesNull(is.raw, is.root);
  if (emptyBefore && !emptyNow) tell('required', at, false, true);
  if (!emptyBefore && emptyNow) tell('optional', at, true, false);
  const fixedBefore = was.schema['readOnly'] === true;
  const fixedNow = is.schema['readOnly'] === true;
  if (!fixedBefore && fixedNow) tell('read-only', at, false, true);
  if (fixedBefore && !fixedNow) tell('writable', at, true, false);
  if (wordsOf(was) !== wordsOf(is)) {
    // What else differs follows from it.
    tell('type', at, wordsOf(was), wordsOf(is));
    return;
  }
  compareOptions(was, is, at, tell);
  compareRules(was, is, at, tell);
  compareMembers(was, is, at, tell, depth);
  if (was.schema['items'] === undefined && is.schema['items'] === undefined) return;
  const before = rowSchema(was.schema, was.root) ?? {};
  const after = rowSchema(is.schema, is.root) ?? {};
  compare(sideOf(before, before), sideOf(after, after), [...at, '*'], tell, depth + 1);
};

/**
 * Every difference between two schemas of one kind that may matter to whoever reads or writes it, in the order of
 * the places. Words that only describe (titles, descriptions, `x-…`) make none, and neither does order.
 */
export const changesOf = (was: JsonSchema, is: JsonSchema): readonly Change[] => {
  const found: Change[] = [];
  const seen = new Set<string>();
  const tell: Tell = (sort, at, before, now) => {
    const change = { sort, pointer: pointerOf(at), was: before, is: now };
    // A place may be told as required by its own schema and by the object that it is in.
    const key = canonicalText(change);
    if (!seen.has(key)) found.push(change);
    seen.add(key);
  };
  compare(sideOf(was, was), sideOf(is, is), [], tell);
  return found;
};
