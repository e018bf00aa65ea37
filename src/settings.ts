/** The settings of a connection: references resolved, secrets held apart, checked against its connector's schema. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { isReference } from './config-secrets.ts';
import type { Environment } from './config.ts';
import type { Connector, Json, JsonObject, JsonSchema } from './connector.ts';
import { CrosswalkError } from './errors.ts';
import type { Place } from './errors.ts';
import { nearest } from './mapping/nearest.ts';
import { isObject, member, pointerOf, segmentsOf } from './mapping/place.ts';

// ---------------------------------------------------------------- references

const REFERENCE = /\$\{(env|file):([^{}]*)\}/gu;
const MOST_FILE_BYTES = 1024 * 1024;

export interface ReferenceSource {
  readonly environment: Environment;
  /** Absolute folder from which paths count. */
  readonly folder: string;
}

const referenced = (
  kind: string,
  name: string,
  source: ReferenceSource,
): string | { readonly fault: string } => {
  if (kind === 'env') {
    const value = Object.hasOwn(source.environment, name) ? source.environment[name] : undefined;
    return value === undefined || value === '' ? { fault: 'is not set' } : value;
  }
  const file = path.resolve(source.folder, name);
  try {
    if (statSync(file).size > MOST_FILE_BYTES) return { fault: 'is larger than 1 MiB' };
    const text = readFileSync(file, 'utf8').replace(/\r?\n$/u, '');
    return text === '' ? { fault: 'is empty' } : text;
  } catch {
    return { fault: 'cannot be read' };
  }
};

/**
 * Replaces `${env:NAME}` and `${file:path}` in a text; a file's last line break is left out. What a reference
 * brings in is not read again. Throws CrosswalkError `setting-reference`; `what` names the setting there.
 */
export const resolveText = (text: string, what: string, source: ReferenceSource, place: Place = {}): string =>
  text.replace(REFERENCE, (reference, kind: string, name: string) => {
    const value = referenced(kind, name, source);
    if (typeof value === 'string') return value;
    throw new CrosswalkError('setting-reference', { what, reference, detail: value.fault }, place);
  });

// ---------------------------------------------------------------- settings

export interface Settings {
  /** With references resolved and defaults filled in: for the connector only. */
  readonly values: JsonObject;
  /** As written, references unresolved, inline secrets blotted out: may be shown. */
  readonly masked: JsonObject;
  /** The values of everything that the schema marks as secret. */
  readonly secrets: readonly string[];
}

export interface SettingsContext extends ReferenceSource {
  readonly connection: string;
  readonly allowInlineSecrets: boolean;
  /** Where a setting stands, by its JSON pointer. */
  place(pointer: string): Place;
}

const MASK = '•••';
const MOST_DEPTH = 32;

/** The schemas that speak about a member of an object or an item of a list. */
const within = (schemas: readonly JsonSchema[], segment: string, root: JsonSchema): JsonSchema[] =>
  schemas
    .flatMap((schema) => {
      const named = member(member(schema, 'properties'), segment);
      return [named ?? member(schema, 'additionalProperties'), member(schema, 'items')];
    })
    .flatMap((schema) => spread(schema, root));

/** A schema and all that it is composed of. */
const spread = (schema: Json | undefined, root: JsonSchema, seen = new Set<JsonSchema>()): JsonSchema[] => {
  if (!isObject(schema) || seen.has(schema)) return [];
  seen.add(schema);
  const ref = member(schema, '$ref');
  const target =
    typeof ref === 'string' && ref.startsWith('#/')
      ? (segmentsOf(ref.slice(1)) ?? []).reduce<Json | undefined>((at, part) => member(at, part), root)
      : undefined;
  const choices = ['anyOf', 'oneOf', 'allOf'].flatMap((word) => member(schema, word) ?? []);
  const branches = ['if', 'then', 'else'].map((word) => member(schema, word));
  return [schema, ...[target, ...choices, ...branches].flatMap((inner) => spread(inner, root, seen))];
};

class SettingsReader {
  readonly secrets: string[] = [];
  readonly #root: JsonSchema;
  readonly #context: SettingsContext;

  constructor(root: JsonSchema, context: SettingsContext) {
    this.#root = root;
    this.#context = context;
  }

  read(given: JsonObject): Settings {
    const [values, masked] = this.#value(given, spread(this.#root, this.#root), [], false);
    return { values: values as JsonObject, masked: masked as JsonObject, secrets: this.secrets };
  }

  /** The resolved and the masked form. Everything below a secret is secret. */
  #value(given: Json, schemas: readonly JsonSchema[], at: readonly string[], secret: boolean): [Json, Json] {
    const hidden = secret || schemas.some((schema) => member(schema, 'secret') === true);
    if (typeof given === 'string') return this.#text(given, at, hidden);
    if (typeof given !== 'object' || given === null) return [given, hidden ? MASK : given];
    if (at.length > MOST_DEPTH) throw this.#fault(at, 'is nested too deeply');
    const each = Object.entries(given).map(([name, inner]) => {
      const below = this.#value(inner, within(schemas, name, this.#root), [...at, name], hidden);
      return { name, value: below[0], masked: below[1] };
    });
    if (Array.isArray(given)) return [each.map((one) => one.value), each.map((one) => one.masked)];
    // fromEntries defines members, so that not even one called __proto__ reaches a prototype.
    return [
      Object.fromEntries(each.map((one) => [one.name, one.value])),
      Object.fromEntries(each.map((one) => [one.name, one.masked])),
    ];
  }

  #text(given: string, at: readonly string[], secret: boolean): [Json, Json] {
    const { connection, allowInlineSecrets, place } = this.#context;
    const pointer = pointerOf(at);
    const setting = at.join('.');
    if (secret && !isReference(given) && !allowInlineSecrets) {
      throw new CrosswalkError('setting-inline-secret', { connection, setting }, place(pointer));
    }
    const what = `Connection ${connection}, setting ${setting}`;
    const value = resolveText(given, what, this.#context, place(pointer));
    if (secret) this.secrets.push(value);
    return [value, secret && !isReference(given) ? MASK : given];
  }

  #fault(at: readonly string[], detail: string): CrosswalkError {
    const { connection, place } = this.#context;
    return new CrosswalkError(
      'settings-shape',
      { connection, setting: at.join('.'), detail },
      place(pointerOf(at)),
    );
  }
}

const compiled = new WeakMap<JsonSchema, ValidateFunction>();

const validatorOf = (connector: Connector): ValidateFunction => {
  const known = compiled.get(connector.settings);
  if (known !== undefined) return known;
  const ajv = new Ajv2020({ strictSchema: true, strictTypes: false, useDefaults: true, verbose: true });
  formats.default(ajv);
  ajv.addKeyword({ keyword: 'secret', schemaType: 'boolean' });
  try {
    const made = ajv.compile(connector.settings);
    compiled.set(connector.settings, made);
    return made;
  } catch (error) {
    const detail = `its settings are no schema: ${error instanceof Error ? error.message : ''}`;
    throw new CrosswalkError('connector-contract', { connector: connector.name, detail }, {}, error);
  }
};

/** The rest of a sentence about a setting. Never holds the value, which may be a secret. */
const settingWords = (error: ErrorObject): { readonly below: readonly string[]; readonly detail: string } => {
  const params = error.params as JsonObject;
  if (error.keyword === 'additionalProperties') {
    const name = String(params['additionalProperty']);
    const near = nearest(
      name,
      Object.keys((error.parentSchema?.['properties'] as JsonObject | undefined) ?? {}),
    );
    return {
      below: [name],
      detail: `is no setting of it${near === undefined ? '' : `; did you mean ${near}?`}`,
    };
  }
  if (error.keyword === 'required')
    return { below: [String(params['missingProperty'])], detail: 'is missing' };
  if (error.keyword === 'enum') {
    return {
      below: [],
      detail: `must be one of ${[params['allowedValues']]
        .flat()
        .map((value) => JSON.stringify(value))
        .join(', ')}`,
    };
  }
  return { below: [], detail: error.message ?? 'does not fit' };
};

/**
 * Resolves and checks the settings of a connection. Throws CrosswalkError `settings-shape`,
 * `setting-reference` or `setting-inline-secret`, none of which shows a value.
 */
export const readSettings = (connector: Connector, given: JsonObject, context: SettingsContext): Settings => {
  const validate = validatorOf(connector);
  const settings = new SettingsReader(connector.settings, context).read(given);
  if (validate(settings.values)) return settings;
  const [error] = validate.errors ?? [];
  const { below, detail } = error === undefined ? { below: [], detail: 'do not fit' } : settingWords(error);
  const at = [...(segmentsOf(error?.instancePath ?? '') ?? []), ...below];
  const setting = at.length === 0 ? 'the settings' : at.join('.');
  const { connection, place } = context;
  throw new CrosswalkError('settings-shape', { connection, setting, detail }, place(pointerOf(at)));
};
