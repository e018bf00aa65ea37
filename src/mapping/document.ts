import mappingSchema from '../../mappings/mapping.schema.json' with { type: 'json' };
import type { ErrorObject } from 'ajv';
import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import type { ErrorCode, ErrorParams } from '../errors.ts';
import { isHostile, isObject, member, pointerOf, segmentsOf } from './place.ts';
import { faultWords, propertiesOf, schemaChecker, schemaFault } from './schema.ts';
import type { Fallback } from './step.ts';
import type { RouteRule } from './routing.ts';
import { readJson } from './text.ts';

/** Mapping documents and entities as read from text, checked for their shape; every fault has its line. */

export type StepUse = string | { readonly [step: string]: Json };

/**
 * A field that names another record. The lens speaks in the remote's terms: the key of the other object there, as
 * text, `customer/57` where the place may name objects of several kinds. Which record that is, the engine knows from
 * its links (`by: id`) or from a field of the other entity (`by: customerId`).
 */
export interface ReferenceRule {
  /** The other entity; or for a polymorphic place, by the kind's name there: {"res.partner": "customer"}. */
  readonly to: string | Readonly<Record<string, string>>;
  /** `id`: the place holds the other object's id. Else the field of the other entity whose value it holds. */
  readonly by: string;
}

/** A field that is a table: a list of rows there, a list of rows here, told apart by a key. */
export interface RowsRule {
  /** The row's field that tells it from the others. */
  readonly key: string;
  readonly fields: Readonly<Record<string, FieldRule>>;
  /** What becomes of the remote's rows that the record has not: `keep` leaves them, `remove` takes them away. */
  readonly missing: 'keep' | 'remove';
  /** Places of a row that are left alone on purpose. */
  readonly ignored?: readonly string[];
}

/** What becomes of a value that is too long or too large for the other side. */
export type Overflow = 'park' | 'refuse';

/** How one field of the entity is read and written. */
export interface FieldRule {
  /** JSON pointer(s) of the place(s). Absent only where a constant needs none. */
  readonly at?: string | readonly string[];
  readonly steps?: readonly StepUse[];
  /** Default `both`. */
  readonly flow?: 'in' | 'out' | 'both';
  /** True: an object without it parks. */
  readonly required?: boolean;
  /** What becomes of a value that the table does not name. Default `park`. */
  readonly otherwise?: Json;
  /** Steps that the remote itself applies to what is written. */
  readonly remote?: readonly StepUse[];
  readonly reference?: ReferenceRule;
  readonly rows?: RowsRule;
  readonly overflow?: Overflow;
}

/** Which objects of the kind a mapping is for: those that hold one of these values there. */
export interface WhenRule {
  readonly at: string;
  readonly is: readonly Json[];
}

/** Records of their own that one object carries: the rows of a sub-form. */
export interface PartRule {
  /** The list. */
  readonly at: string;
  /** The place in a row that holds its id. */
  readonly key: string;
  readonly entity: string;
  readonly fields: Readonly<Record<string, FieldRule>>;
  readonly ignored?: readonly string[];
}

export interface MappingExample {
  readonly remote: JsonObject;
  readonly entity: JsonObject;
  /** By part: the fields that its rows give, in order. */
  readonly parts?: Readonly<Record<string, readonly JsonObject[]>>;
  /** Colleagues and teams that its routing tables may find, by entity; without them names are taken on trust. */
  readonly roster?: Readonly<Record<string, readonly JsonObject[]>>;
}

export interface MappingDocument {
  /** Path for people, as given to `readMapping`. */
  readonly file: string;
  readonly name: string;
  readonly remote: { readonly connector: string; readonly kind: string };
  readonly entity: string;
  readonly anchor?: string;
  readonly when?: WhenRule;
  /** For fields that do not say it themselves. */
  readonly overflow?: Overflow;
  readonly fields: Readonly<Record<string, FieldRule>>;
  readonly parts?: Readonly<Record<string, PartRule>>;
  /** Fields that a table decides where they are empty, in order. */
  readonly routes?: Readonly<Record<string, RouteRule>>;
  readonly ignored: readonly string[];
  readonly examples: readonly MappingExample[];
  /** Line (from 1) in the file of what a JSON pointer into the document names. */
  lineOf(pointer: string): number;
}

export interface Entity {
  readonly file: string;
  /** The schema's `$id`. */
  readonly name: string;
  readonly schema: JsonSchema;
  /** Schema of each field. */
  readonly fields: ReadonlyMap<string, JsonSchema>;
  /** Fields whose every change is a transition. */
  readonly history: ReadonlySet<string>;
}

/** Something wrong, or worth a look, in a document. */
export interface Finding {
  readonly code: ErrorCode;
  readonly severity: 'error' | 'warning';
  /** The document's file. */
  readonly document: string;
  /** JSON pointer into the document. */
  readonly pointer: string;
  readonly line?: number;
  readonly message: string;
  readonly remedy: string;
  readonly params: ErrorParams;
}

export const finding = (
  code: ErrorCode,
  severity: Finding['severity'],
  place: { readonly file: string; readonly pointer: string; readonly line?: number },
  params: ErrorParams,
): Finding => {
  const { message, remedy } = new CrosswalkError(code, params);
  const line = place.line === undefined ? {} : { line: place.line };
  return { code, severity, document: place.file, pointer: place.pointer, ...line, message, remedy, params };
};

/** The error that a finding is when somebody insists on using the document. */
export const errorOf = ({ code, params, document, pointer, line }: Finding): CrosswalkError =>
  new CrosswalkError(code, params, { file: document, pointer, ...(line === undefined ? {} : { line }) });

interface ReadText {
  readonly value: Json;
  lineOf(pointer: string): number;
  readonly findings: readonly Finding[];
}

const UNREAD: ReadText = { value: null, lineOf: () => 1, findings: [] };

const readChecked = (
  text: string | Uint8Array,
  file: string,
  code: 'mapping-shape' | 'entity-shape' | 'kind-shape',
  check: (value: Json) => readonly ErrorObject[],
): ReadText => {
  const read = readJson(text);
  if (!('value' in read)) {
    const { line, detail } = read;
    return {
      ...UNREAD,
      findings: [finding('mapping-unreadable', 'error', { file, pointer: '', line }, { detail })],
    };
  }
  const findings = check(read.value).map((error) => {
    const extra = error.params['additionalProperty'] as string | undefined;
    const pointer = error.instancePath;
    const named = pointer + pointerOf(extra === undefined ? [] : [extra]);
    const detail = `${pointer === '' ? '' : `at ${pointer} `}${faultWords(error)}`;
    return finding(code, 'error', { file, pointer: named, line: read.lineOf(named) }, { detail });
  });
  return { ...read, findings };
};

/**
 * As published, but for the steps, which `check` judges one by one, with their documentation as the remedy: the
 * published schema tells them all, so that editors complete them.
 */
const shape: JsonObject = {
  ...mappingSchema,
  $defs: {
    ...mappingSchema.$defs,
    step: {
      type: ['string', 'object'],
      pattern: '^[a-z][a-z0-9-]*$',
      minProperties: 1,
      maxProperties: 1,
      propertyNames: { pattern: '^[a-z][a-z0-9-]*$' },
    },
  },
} as unknown as JsonObject;
const checkMapping = schemaChecker(shape, true);
/** Errors that only say that some branch failed add nothing to the branch's own error. */
const SHELL: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf', 'if', 'not']);

const mappingFaults = (value: Json): readonly ErrorObject[] => {
  if (checkMapping(value)) return [];
  const errors = checkMapping.errors ?? [];
  const own = errors.filter((error) => !SHELL.has(error.keyword));
  const paths = new Map<string, ErrorObject>();
  // One fault a place: the branches of a choice all complain about the same value.
  for (const error of own.length > 0 ? own : errors) {
    const key = `${error.instancePath} ${String(error.params['additionalProperty'] ?? error.params['missingProperty'] ?? '')}`;
    if (!paths.has(key)) paths.set(key, error);
  }
  return [...paths.values()];
};

/** Every pointer that a document names, with where it stands. */
const pointersIn = (value: Json): readonly (readonly [string, string])[] => {
  const found: [string, string][] = [];
  const add = (at: string, pointer: Json | undefined): void => {
    if (typeof pointer === 'string') found.push([at, pointer]);
    if (Array.isArray(pointer)) pointer.forEach((inner, index) => add(`${at}/${index}`, inner));
  };
  const inFields = (at: string, fields: Json | undefined): void => {
    if (!isObject(fields)) return;
    for (const [name, rule] of Object.entries(fields)) {
      add(`${at}/${name}/at`, member(rule, 'at'));
      add(`${at}/${name}/rows/ignored`, member(member(rule, 'rows'), 'ignored'));
      inFields(`${at}/${name}/rows/fields`, member(member(rule, 'rows'), 'fields'));
    }
  };
  add('/anchor', member(value, 'anchor'));
  add('/when/at', member(member(value, 'when'), 'at'));
  add('/ignored', member(value, 'ignored'));
  inFields('/fields', member(value, 'fields'));
  const parts = member(value, 'parts');
  for (const [name, part] of isObject(parts) ? Object.entries(parts) : []) {
    add(`/parts/${name}/at`, member(part, 'at'));
    add(`/parts/${name}/key`, member(part, 'key'));
    add(`/parts/${name}/ignored`, member(part, 'ignored'));
    inFields(`/parts/${name}/fields`, member(part, 'fields'));
  }
  return found;
};

/** Reads a mapping; `document` is missing if it has errors. */
export const parseMapping = (
  text: string | Uint8Array,
  file: string,
): { readonly document?: MappingDocument; readonly findings: readonly Finding[] } => {
  const read = readChecked(text, file, 'mapping-shape', mappingFaults);
  if (read.findings.length > 0) return { findings: read.findings };
  const hostile = pointersIn(read.value)
    .filter(([, pointer]) => isHostile(segmentsOf(pointer) ?? []))
    .map(([at, pointer]) =>
      finding('mapping-pointer-hostile', 'error', { file, pointer: at, line: read.lineOf(at) }, { pointer }),
    );
  if (hostile.length > 0) return { findings: hostile };
  // The schema has just said that the value is one.
  const made = read.value as unknown as Omit<MappingDocument, 'file' | 'lineOf' | 'ignored' | 'examples'> &
    Partial<Pick<MappingDocument, 'ignored' | 'examples'>>;
  const document = {
    ...made,
    ignored: made.ignored ?? [],
    examples: made.examples ?? [],
    file,
    lineOf: read.lineOf,
  };
  return { document, findings: [] };
};

/**
 * Reads a mapping from the text of its file. Throws `mapping-unreadable`, `mapping-shape` or
 * `mapping-pointer-hostile` with file, line and pointer; `parseMapping` tells all faults at once.
 */
export const readMapping = (text: string | Uint8Array, file: string): MappingDocument => {
  const { document, findings } = parseMapping(text, file);
  const first = findings[0];
  if (first !== undefined) throw errorOf(first);
  return document as MappingDocument;
};

const entitySchema: JsonSchema = {
  type: 'object',
  required: ['$id', 'type', 'properties'],
  properties: {
    $id: { type: 'string', pattern: '^[a-z][a-z0-9-]*$' },
    type: { const: 'object' },
    properties: {
      type: 'object',
      minProperties: 1,
      propertyNames: { pattern: '^[a-zA-Z][a-zA-Z0-9]*$', not: { enum: ['constructor', 'prototype'] } },
      additionalProperties: { type: 'object', properties: { history: { enum: ['every'] } } },
    },
  },
};
const checkEntity = schemaChecker(entitySchema, true);

/** Reads an entity's JSON Schema from the text of its file. Throws `mapping-unreadable` or `entity-shape`. */
export const readEntity = (text: string | Uint8Array, file: string): Entity => {
  const read = readChecked(text, file, 'entity-shape', (value) =>
    checkEntity(value) ? [] : (checkEntity.errors ?? []),
  );
  const first = read.findings[0];
  if (first !== undefined) throw errorOf(first);
  const schema = real(read, 'entity-shape', file);
  const fields = propertiesOf(schema, schema);
  const history = new Set(
    [...fields].filter(([, inner]) => inner['history'] === 'every').map(([name]) => name),
  );
  return { file, name: String(schema['$id']), schema, fields, history };
};

/**
 * Reads the schema of a kind from its file. Throws `mapping-unreadable` or `kind-shape`: what is taken for a schema and
 * is none would check nothing.
 */
export const readKind = (text: string | Uint8Array, file: string): JsonSchema => {
  const read = readChecked(text, file, 'kind-shape', (value) =>
    checkKind(value) ? [] : (checkKind.errors ?? []),
  );
  const first = read.findings[0];
  if (first !== undefined) throw errorOf(first);
  return real(read, 'kind-shape', file);
};
const checkKind = schemaChecker({ type: 'object' }, true);

/** The schema, if it is one. Throws the code given. */
const real = ({ value, lineOf }: ReadText, code: 'entity-shape' | 'kind-shape', file: string): JsonSchema => {
  const schema = value as JsonSchema;
  const wrong = schemaFault(schema);
  if (wrong === null) return schema;
  const { pointer, detail } = wrong;
  const where = pointer === '' ? '' : `at ${pointer} `;
  const words = pointer === '' ? `is no JSON Schema: ${detail}` : `${where}${detail}`;
  throw new CrosswalkError(code, { detail: words }, { file, pointer, line: lineOf(pointer) });
};

/** A step as written, taken apart. */
export const partsOf = (use: StepUse): { readonly name: string; readonly arg: Json | undefined } => {
  if (typeof use === 'string') return { name: use, arg: undefined };
  const [name = '', arg] = Object.entries(use)[0] ?? [];
  return { name, arg };
};

/** The pointers of a rule, in order. */
export const placesOf = (rule: FieldRule): readonly string[] =>
  rule.at === undefined ? [] : typeof rule.at === 'string' ? [rule.at] : rule.at;

/** What `otherwise` says for each direction. A bare value is meant for reading only. */
export const fallbacksOf = (
  otherwise: Json | undefined,
): { readonly inward: Fallback; readonly outward: Fallback } => {
  const one = (said: Json | undefined): Fallback => {
    if (said === undefined) return 'park';
    return said === 'park' || said === 'null' || said === 'keep' || said === 'pass' ? said : { value: said };
  };
  if (isObject(otherwise)) return { inward: one(otherwise['in']), outward: one(otherwise['out']) };
  const inward = one(otherwise);
  return { inward, outward: typeof inward === 'string' ? inward : 'park' };
};
