import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isReference } from './config-secrets.ts';
import type { Config, ConnectionConfig, Environment } from './config.ts';
import type { Connector, Host, Json, JsonObject, JsonSchema, Sandbox, Session } from './connector.ts';
import { keyMissing } from './credentials/credential.ts';
import { expiriesOf, type Expiry } from './credentials/expiry.ts';
import { CrosswalkError } from './errors.ts';
import type { Place } from './errors.ts';
import { nearest } from './mapping/nearest.ts';
import { isObject, member, pointerOf, segmentsOf } from './mapping/place.ts';
import { createRemote } from './remote.ts';
import type { Remote, RemoteOptions } from './remote.ts';
import { redactor } from './secrecy.ts';

/** Finds and loads connectors, checks settings, holds secrets, and opens connections. */

// ---------------------------------------------------------------- connectors

/** Connector folders by name: the program's own, and those of an installation, which come first. */
export type ConnectorFolders = ReadonlyMap<string, string>;

const here = fileURLToPath(import.meta.url);
const builtIn = path.resolve(path.dirname(here), '../connectors');
/** The program's own form first: sources run from sources, a build from its build. */
const ENTRIES = here.endsWith('.ts') ? ['index.ts', 'index.js'] : ['index.js', 'index.ts'];

const entryOf = (folder: string): string | undefined =>
  ENTRIES.map((name) => path.join(folder, name)).find((file) => statSync(file, { throwIfNoEntry: false }));

/**
 * The connectors that there are, without loading any. `installation` is the folder of crosswalk.yaml; a
 * connector in its `connectors/` stands in for one of the same name that comes with the program.
 */
export const findConnectors = (installation?: string, own: string = builtIn): ConnectorFolders => {
  const found = new Map<string, string>();
  const folders = installation === undefined ? [own] : [own, path.resolve(installation, 'connectors')];
  for (const folder of folders) {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    for (const name of readdirSync(folder)) {
      if (entryOf(path.join(folder, name)) !== undefined) found.set(name, path.join(folder, name));
    }
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
};

const contractFault = (value: unknown, name: string): string | null => {
  if (typeof value !== 'object' || value === null) return 'it has no default export made by defineConnector';
  const made = value as Partial<Record<keyof Connector, unknown>>;
  if (made.name !== name) return `its name is ${String(made.name)}, and its folder is ${name}`;
  if (typeof made.title !== 'string') return 'it has no title';
  if (!isObject(made.settings)) return 'its settings are not a JSON Schema';
  if (typeof made.hosts !== 'function' || typeof made.open !== 'function') return 'it lacks hosts or open';
  return null;
};

/** Loads one connector. Throws CrosswalkError `connector-unknown` or `connector-broken`. */
export const loadConnector = async (
  name: string,
  folders: ConnectorFolders,
  place: Place = {},
): Promise<Connector> => {
  const folder = folders.get(name);
  const entry = folder === undefined ? undefined : entryOf(folder);
  if (entry === undefined) {
    const near = nearest(name, folders.keys());
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw new CrosswalkError(
      'connector-unknown',
      { name, hint, known: [...folders.keys()].join(', ') },
      place,
    );
  }
  let loaded: unknown;
  try {
    const module = (await import(pathToFileURL(entry).href)) as { readonly default?: unknown };
    loaded = module.default;
  } catch (error) {
    const detail =
      error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : 'it threw what is no error';
    throw new CrosswalkError('connector-broken', { name, detail }, { file: entry }, error);
  }
  const fault = contractFault(loaded, name);
  if (fault !== null) throw new CrosswalkError('connector-broken', { name, detail: fault }, { file: entry });
  return loaded as Connector;
};

/** Loads the sandbox that comes with a connector of the program. Throws CrosswalkError `connector-broken`. */
export const loadSandbox = async (name: string): Promise<Sandbox<unknown, JsonObject>> => {
  const file = path.join(builtIn, name, here.endsWith('.ts') ? 'sandbox.ts' : 'sandbox.js');
  try {
    const module = (await import(pathToFileURL(file).href)) as {
      readonly default: Sandbox<unknown, JsonObject>;
    };
    return module.default;
  } catch (error) {
    const detail =
      error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : 'it threw what is no error';
    throw new CrosswalkError('connector-broken', { name, detail }, { file }, error);
  }
};

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

// ---------------------------------------------------------------- connections

/** An opened account in a remote system. */
export interface Connection {
  readonly name: string;
  readonly connector: Connector;
  readonly session: Session;
  /** Values that no text may show. */
  readonly secrets: readonly string[];
  /** May be shown: references instead of secrets. */
  readonly settings: JsonObject;
  /** What of its settings, and of what they use, is known to end. */
  readonly expiries: readonly Expiry[];
  /** The pipe: its state, pause and close. */
  readonly remote: Remote;
}

/** What connections reach the world with. */
export interface World extends Pick<RemoteOptions, 'now' | 'random' | 'onCall' | 'exchange' | 'safe'> {
  readonly environment: Environment;
  log(connection: string, ...line: Parameters<Host['log']>): void;
}

const openConnection = (
  connector: Connector,
  source: ConnectionConfig,
  config: Config,
  world: World,
): Connection => {
  const { name } = source;
  const base = `/connections/${name}/settings`;
  const settings = readSettings(connector, source.settings, {
    connection: name,
    environment: world.environment,
    folder: config.folder,
    allowInlineSecrets: config.allowInlineSecrets,
    place: (pointer) => config.place(base + pointer),
  });
  const { values, masked, secrets } = settings;
  let remote: Remote | undefined;
  try {
    remote = createRemote({
      ...world,
      connection: name,
      connector: connector.name,
      hosts: connector.hosts(values),
      limits: connector.limits?.(values) ?? [],
      secrets,
      traced: connector.traced !== false,
      log: (...line) => world.log(name, ...line),
    });
    const session = connector.open(values, remote.host);
    if (session.login?.keeps === true && (world.safe?.keys() ?? []).length === 0)
      throw keyMissing(name, config.place(base));
    remote.bind(session);
    const expiries = expiriesOf(source, connector, values);
    return { name, connector, session, secrets, settings: masked, expiries, remote };
  } catch (error) {
    void remote?.close();
    if (error instanceof CrosswalkError) throw error;
    const said = redactor(secrets)(error instanceof Error ? error.message : 'it threw what is no error');
    throw new CrosswalkError('connector-refused', { connection: name, said }, config.place(base));
  }
};

/**
 * Opens every connection of a configuration; nothing is sent. Throws the first CrosswalkError, with all
 * that had been opened closed again.
 */
export const openConnections = async (
  config: Config,
  folders: ConnectorFolders,
  world: World,
): Promise<ReadonlyMap<string, Connection>> => {
  const opened = new Map<string, Connection>();
  try {
    for (const source of Object.values(config.connections)) {
      const place = config.place(`/connections/${source.name}/connector`);
      const connector = await loadConnector(source.connector, folders, place);
      opened.set(source.name, openConnection(connector, source, config, world));
    }
    return opened;
  } catch (error) {
    await closeConnections(opened);
    throw error;
  }
};

export const closeConnections = async (connections: ReadonlyMap<string, Connection>): Promise<void> => {
  await Promise.allSettled([...connections.values()].map((connection) => connection.remote.close()));
};
