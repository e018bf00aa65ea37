import { createRequire } from 'node:module';
import type { Ajv2020, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { nearest } from './nearest.ts';
import { isObject, member, segmentsOf } from './place.ts';
import type { Segments } from './place.ts';

/** What a JSON Schema (draft 2020-12) says about places, and the checking of values against it. */

export type JsonType = 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object';
export const ALL_TYPES: readonly JsonType[] = ['string', 'number', 'integer', 'boolean', 'array', 'object'];

/** What is wrong with a value: a short code and the rest of a sentence that starts with the value. */
export interface Wrong {
  readonly code: 'type' | 'not-covered' | 'format' | 'overflow';
  readonly expected: string;
}
export interface Validator {
  (value: Json): Wrong | null;
  /** Set if text of at most so many units needs no further look. */
  readonly text?: number;
}

const load = createRequire(import.meta.url);

const compilers = new Map<boolean, Ajv2020>();
/**
 * Building a compiler takes far longer than compiling a schema, so there is one of each sort, loaded by the first
 * schema: half a second of processor time, and many commands have none to check.
 */
const compiler = (allErrors: boolean): Ajv2020 => {
  const known = compilers.get(allErrors);
  if (known !== undefined) return known;
  const { Ajv2020: Compiler } = load('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');
  const formats = load('ajv-formats') as typeof import('ajv-formats');
  const ajv = new Compiler({ strict: false, allErrors, verbose: true, addUsedSchema: false });
  formats.default(ajv);
  compilers.set(allErrors, ajv);
  return ajv;
};

/**
 * Checks values against a whole schema; `allErrors` lists every fault instead of the first.
 * Throws an Error if the schema is none.
 */
export const schemaChecker = (schema: JsonSchema, allErrors: boolean): ValidateFunction => {
  const ajv = compiler(allErrors);
  const check = ajv.compile(schema);
  // The compiler would keep every schema that it ever saw.
  ajv.removeSchema(schema);
  return check;
};

/** What is wrong with a schema as a schema, and where in it; null if it is one. */
export const schemaFault = (
  schema: JsonSchema,
): { readonly pointer: string; readonly detail: string } | null => {
  const ajv = compiler(false);
  if (ajv.validateSchema(schema) !== true) {
    const error = ajv.errors?.find((one) => one.keyword !== 'anyOf') ?? ajv.errors?.[0];
    return {
      pointer: error?.instancePath ?? '',
      detail: error === undefined ? 'it does not fit' : faultWords(error),
    };
  }
  try {
    schemaChecker(schema, false);
    return null;
  } catch (error) {
    return { pointer: '', detail: error instanceof Error ? error.message : String(error) };
  }
};

/** What a local reference (`#/$defs/x`) points to. */
const targetOf = (ref: string, root: JsonSchema): Json | undefined => {
  if (ref === '#') return root;
  const segments = ref.startsWith('#') ? segmentsOf(unescaped(ref.slice(1))) : null;
  return segments?.reduce<Json | undefined>((at, part) => member(at, part), root);
};

/** The fragment of a URI as it is meant (RFC 3986). */
const unescaped = (fragment: string): string => {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
};

/** The one branch of a choice that is not null: `anyOf: [x, null]` is another way to write "x or empty". */
const onlyBranch = (choices: Json | undefined): Json | undefined => {
  if (!Array.isArray(choices)) return undefined;
  const real = choices.filter(
    (choice) => member(choice, 'type') !== 'null' && member(choice, 'const') !== null,
  );
  return real.length === 1 ? real[0] : undefined;
};

/** The schema with references followed, and a choice between one thing and null taken as that thing. */
export const resolved = (schema: Json | undefined, root: JsonSchema, depth = 0): JsonSchema | undefined => {
  let here = schema;
  // Sixteen hops are more than any honest schema makes; a circle of references ends here.
  for (let hop = 0; hop < 16 && isObject(here); hop += 1) {
    const { $ref, anyOf, oneOf, ...own } = here;
    const next: Json | undefined =
      typeof $ref === 'string' ? targetOf($ref, root) : onlyBranch(anyOf ?? oneOf);
    if (next === undefined) return together(here, root, depth);
    here = isObject(next) ? { ...next, ...own } : next;
  }
  return isObject(here) ? together(here, root, depth) : undefined;
};

/**
 * A schema with the branches of `allOf` laid into it, as far as they say what a place is: the schema's own word stands
 * before that of a branch, and a later branch before an earlier one.
 */
const together = (schema: JsonSchema, root: JsonSchema, depth = 0): JsonSchema => {
  const { allOf, ...own } = schema;
  if (!Array.isArray(allOf) || depth > 8) return schema;
  const all: JsonSchema[] = [];
  for (const branch of allOf) {
    const made = resolved(branch, root, depth + 1);
    if (made !== undefined) all.push(made);
  }
  all.push(own);
  const properties = Object.assign({}, ...all.map((one) => member(one, 'properties'))) as JsonObject;
  const required = all.flatMap((one) => (Array.isArray(one['required']) ? one['required'] : []));
  return {
    ...Object.assign({}, ...all),
    allOf,
    ...(Object.keys(properties).length === 0 ? {} : { properties }),
    ...(required.length === 0 ? {} : { required: [...new Set(required)] }),
  } as JsonSchema;
};

/** The members that an object schema names, with references followed. */
export const propertiesOf = (given: JsonSchema, root: JsonSchema): ReadonlyMap<string, JsonSchema> => {
  const properties = member(together(given, root), 'properties');
  const found = new Map<string, JsonSchema>();
  if (!isObject(properties)) return found;
  for (const [name, inner] of Object.entries(properties)) {
    const made = resolved(inner, root);
    if (made !== undefined) found.set(name, made);
  }
  return found;
};

/** The schema of a place; `{}` where the schema allows members that it does not name; else undefined. */
export const schemaAt = (root: JsonSchema, segments: Segments): JsonSchema | undefined => {
  let here = resolved(root, root);
  for (const segment of segments) {
    if (here === undefined) return undefined;
    const named = propertiesOf(here, root).get(segment);
    if (named !== undefined) {
      here = named;
      continue;
    }
    const more = member(here, 'additionalProperties');
    // Only a schema that says so is open: silence about a member is far more often a slip of the pen.
    here = more === true ? {} : isObject(more) ? resolved(more, root) : undefined;
  }
  return here;
};

const SCALARS: readonly JsonType[] = ['string', 'number', 'integer', 'boolean'];

/** True for a list in which each value stands once and order says nothing: `uniqueItems`, of single values. */
export const isSet = (schema: JsonSchema, root: JsonSchema): boolean => {
  if (member(schema, 'uniqueItems') !== true || !typesOf(schema).every((type) => type === 'array'))
    return false;
  const items = resolved(member(schema, 'items'), root);
  return items !== undefined && typesOf(items).every((type) => SCALARS.includes(type));
};

/** The types that a schema lets through, null aside; all of them if it does not say. */
export const typesOf = (schema: JsonSchema): readonly JsonType[] => {
  const said = member(schema, 'type');
  const list = Array.isArray(said) ? said : [said];
  const known = ALL_TYPES.filter((type) => list.includes(type));
  if (known.length > 0) return known;
  const values = enumOf(schema);
  if (values === null) return ALL_TYPES;
  return [...new Set(values.map(typeOfValue))];
};

/** The values of an enum (also one written as `oneOf` of `const`), null aside; null if there is none. */
export const enumOf = (schema: JsonSchema): readonly Json[] | null => {
  const listed = member(schema, 'enum');
  if (Array.isArray(listed)) return listed.filter((value) => value !== null);
  const only = member(schema, 'const');
  if (only !== undefined && only !== null) return [only];
  const choices = member(schema, 'oneOf');
  if (!Array.isArray(choices)) return null;
  const values = choices.map((choice) => member(choice, 'const'));
  return values.every((value) => value !== undefined) ? values.filter((value) => value !== null) : null;
};

export const typeOfValue = (value: Json): JsonType => {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value === 'string' ? 'string' : typeof value === 'boolean' ? 'boolean' : 'object';
};

/** True if a value of type `type` is one of `wanted` (a whole number is a number). */
export const typeFits = (type: JsonType, wanted: readonly JsonType[]): boolean =>
  wanted.includes(type) || (type === 'integer' && wanted.includes('number'));

const TYPE_WORDS: Readonly<Record<JsonType, string>> = {
  string: 'text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};
export const typeWords = (types: readonly JsonType[]): string =>
  types.map((type) => TYPE_WORDS[type]).join(' or ');

/** The value for a sentence: quoted, and cut short. */
export const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

/** A personal value for a sentence: how long it is and how it begins and ends, nothing more. */
export const masked = (value: unknown): string => {
  if (typeof value !== 'string' && typeof value !== 'number')
    return Array.isArray(value) ? '[•••]' : typeof value === 'boolean' ? '•••' : '{•••}';
  const letters = [...String(value)];
  const size = letters.length;
  const [head, tail] = size >= 8 ? [3, 2] : size >= 3 ? [1, 0] : [0, 0];
  const hidden = '•'.repeat(Math.min(size - head - tail, 12));
  return JSON.stringify(`${letters.slice(0, head).join('')}${hidden}${letters.slice(size - tail).join('')}`);
};

const PLAIN_KEYWORDS: ReadonlySet<string> = new Set([
  'type',
  'enum',
  'title',
  'description',
  'examples',
  'history',
  'personal',
  'readOnly',
  'maxLength',
  '$comment',
]);

/** Keywords that say how long or how large a value may be, besides maxLength. */
const SIZES: ReadonlySet<string> = new Set([
  'maximum',
  'minimum',
  'exclusiveMaximum',
  'exclusiveMinimum',
  'multipleOf',
  'maxItems',
]);

/** JSON Schema counts code points; a text has at most as many of them as units. */
const isLonger = (text: string, most: number): boolean => text.length > most && [...text].length > most;

/** A check of one place or field. A value that may always be empty (null) is never given to it. */
export const validatorOf = (schema: JsonSchema, root: JsonSchema): Validator => {
  const types = typesOf(schema);
  const values = member(schema, 'enum');
  const listed = Array.isArray(values) ? new Set(values) : null;
  const most = lengthOf(schema);
  const rest = Object.keys(schema).some((key) => !PLAIN_KEYWORDS.has(key) && !key.startsWith('x-'))
    ? deepValidator(schema, root)
    : null;
  const isText = types !== ALL_TYPES && types.includes('string') && listed === null && rest === null;
  const validate = (value: Json): Wrong | null => {
    if (typeof value === 'string' && isLonger(value, most))
      return { code: 'overflow', expected: `has ${[...value].length} characters, and at most ${most} fit` };
    if (isText && typeof value === 'string') return null;
    if (types !== ALL_TYPES && !typeFits(typeOfValue(value), types)) {
      return { code: 'type', expected: `is not ${typeWords(types)}` };
    }
    if (listed !== null && !listed.has(value)) {
      return { code: 'not-covered', expected: `is not one of ${[...listed].map(shown).join(', ')}` };
    }
    return rest === null ? null : rest(value);
  };
  return isText ? Object.assign(validate, { text: most }) : validate;
};

/** The longest text that a schema lets through, in code points; Infinity if it does not say. */
export const lengthOf = (schema: JsonSchema): number => {
  const said = member(schema, 'maxLength');
  return typeof said === 'number' ? said : Infinity;
};

const deepValidator = (schema: JsonSchema, root: JsonSchema): Validator => {
  // A nullable type stays as it is; the place's own $defs are those of the whole schema.
  const { $id: _, ...own } = schema;
  const defs = member(root, '$defs');
  const check = schemaChecker(defs === undefined ? own : { ...own, $defs: defs }, false);
  return (value) => {
    if (check(value)) return null;
    const error = check.errors?.[0];
    const choice = error?.keyword === 'oneOf' || error?.keyword === 'const' || error?.keyword === 'enum';
    const size = SIZES.has(error?.keyword ?? '');
    return {
      code: choice ? 'not-covered' : size ? 'overflow' : 'format',
      expected: error?.message ?? 'does not fit its schema',
    };
  };
};

const listed = (value: unknown): string =>
  Array.isArray(value) ? value.map(shown).join(', ') : shown(value);

/** A fault that a schema found in a document, as the rest of a sentence. */
export const faultWords = (error: ErrorObject): string => {
  const params: JsonObject = error.params;
  switch (error.keyword) {
    case 'required':
      return `lacks ${shown(params['missingProperty'])}`;
    case 'additionalProperties': {
      const name = String(params['additionalProperty']);
      const hint = nearest(name, Object.keys(error.parentSchema?.['properties'] ?? {}));
      return `has ${shown(name)}, which means nothing here${hint === undefined ? '' : ` (did you mean ${shown(hint)}?)`}`;
    }
    case 'type': {
      const wanted = [params['type']].flat().map(String);
      const known = ALL_TYPES.filter((type) => wanted.includes(type));
      return `is ${shown(error.data)}, and must be ${known.length > 0 ? typeWords(known) : wanted.join(' or ')}`;
    }
    case 'enum':
      return `is ${shown(error.data)}, and must be one of ${listed(params['allowedValues'])}`;
    case 'maxProperties':
    case 'minProperties':
      return `is ${shown(error.data)}, and must have ${error.keyword === 'maxProperties' ? 'at most' : 'at least'} ${String(params['limit'])} name in it`;
    case 'pattern':
      if (error.propertyName !== undefined)
        return `has the name ${shown(error.propertyName)}, which is not written as it must be (${String(params['pattern'])})`;
      if (String(params['pattern']).startsWith('^(/')) {
        return `is ${shown(error.data)}, and must be a pointer such as /properties/email`;
      }
      return `is ${shown(error.data)}, which is not written as it must be (${String(params['pattern'])})`;
    default:
      return `is ${shown(error.data)}, and ${error.message ?? 'does not fit'}`;
  }
};
