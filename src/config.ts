import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import configSchema from './config.schema.json' with { type: 'json' };
import type { ErrorObject } from 'ajv/dist/2020.js';
import { isMap, isScalar, isSeq, isAlias, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { budgetOf } from './config-budget.ts';
import { findFaults, scheduleOf, spanOf } from './config-check.ts';
import type { Known, Schedule, Source, SourceEntity, SourceSync, Tell } from './config-check.ts';
import { transitionRules } from './config-transitions.ts';
import { checkDatabase, storeSettings, type StoreSettings } from './config-store.ts';
import { lookupTimes, type LookupTimes } from './config-lookups.ts';
import type { Json, JsonObject } from './connector.ts';
import { CrosswalkError } from './errors.ts';
import type { Place } from './errors.ts';
import { dedupeSettings, type DedupeSettings } from './identity/settings.ts';
import { segmentsOf } from './mapping/place.ts';
import { faultWords, schemaChecker } from './mapping/schema.ts';
import type { Budget, ClearPolicy, ConflictPolicy, DeletePolicy, Role } from './merge/policy.ts';
import type { TransitionRules } from './merge/transition.ts';

export type { Known, Schedule } from './config-check.ts';
export type { ClearPolicy, ConflictPolicy, DeletePolicy, Role } from './merge/policy.ts';

/** crosswalk.yaml and the environment, as one frozen and checked object. Holds references, never secrets. */

/** By name. Has no prototype, so that a name such as `constructor` finds nothing. */
export type Named<Value> = Readonly<Record<string, Value>>;
/** By field; `*` stands for the fields that are not named. */
export type ByField<Value> = Named<Value>;

export interface ConnectionConfig {
  readonly name: string;
  readonly connector: string;
  /** As in the file: references are not resolved. */
  readonly settings: JsonObject;
  /** By setting: the day on which it ends (`2027-03-01`). */
  readonly expires?: Named<string>;
  /** By name of the connector's lookups: other times than it declares, ms. */
  readonly lookups: Named<Partial<LookupTimes>>;
}

export interface EntityConfig {
  readonly name: string;
  /** Strong keys, strongest first. */
  readonly keys: readonly (readonly string[])[];
  /** Protected fields, and the connections or persons that may change them nevertheless. */
  readonly protect: ByField<readonly string[]>;
  /** Flags that at most one record has of those that name the same: by flag, the field that names it. */
  readonly one: ByField<string>;
  /** The owning connection of a field. */
  readonly owners: ByField<string>;
  readonly conflict: ByField<ConflictPolicy>;
  readonly clear: ByField<ClearPolicy>;
  readonly placeholders: readonly string[];
  readonly dedupe: DedupeSettings;
  /** What steps of fields with an order of values need. */
  readonly transitions: TransitionRules;
}

export interface SyncConfig {
  readonly name: string;
  readonly connection: string;
  readonly mapping: string;
  /** Told by the mapping. */
  readonly entity: string;
  readonly kind: string;
  readonly direction: 'in' | 'out' | 'both';
  readonly create: boolean;
  readonly deletes: DeletePolicy;
  /** True: a later edit elsewhere makes anew what somebody deleted there. */
  readonly resurrect: boolean;
  readonly conflict: ByField<ConflictPolicy>;
  readonly roles: ByField<Role>;
  readonly budget: Budget;
  /** In `plan` nothing is written to the remote. */
  readonly mode: 'live' | 'plan';
  /** True if the file says the mode; only else may `crosswalk publish` make the sync live. */
  readonly modeGiven: boolean;
  readonly poll: Schedule;
  readonly sweep: Schedule;
  /** ms that an item of its lanes may wait before people are told. */
  readonly promise: number;
}

export interface NoticeConfig {
  readonly name: string;
  readonly entity: string;
  readonly when: { readonly changed: string };
  readonly to: string;
  readonly text: string;
  /** What stands in for a place of the text that is empty. */
  readonly fallback: Named<string>;
  /** Told too: the first value of a record that is new. Default false. */
  readonly firstSeen?: boolean;
  /** Time zone of {{at}} and of times in fields; default Asia/Shanghai. */
  readonly zone?: string;
}

export interface ServerConfig {
  readonly host: string;
  readonly port: number;
  /** Without a slash at its end. */
  readonly publicUrl?: string;
  /** A reference (`${env:…}`, `${file:…}`) to the API's token. */
  readonly tokenRef?: string;
}

export interface Config extends StoreSettings {
  /** Path as it was given, for messages. */
  readonly file: string;
  /** Absolute folder of the file; relative paths count from here. */
  readonly folder: string;
  readonly connections: Named<ConnectionConfig>;
  /** One for every known entity, also for those that the file does not name. */
  readonly entities: Named<EntityConfig>;
  readonly syncs: Named<SyncConfig>;
  readonly notices: Named<NoticeConfig>;
  /** `to`: the connection through which alarms are sent to people, besides the log. */
  readonly alarms: { readonly to?: string };
  /** `idChanges`: so many in 24 hours stop all writing; 0 for never. */
  readonly guards: { readonly idChanges: number };
  readonly server: ServerConfig;
  readonly allowInlineSecrets: boolean;
  /** A reference to the master keys, where it is not CROSSWALK_KEY. */
  readonly keyRef?: string;
  /** File and line of what a JSON pointer into the file names; of its nearest parent where it is absent. */
  place(pointer: string): Place;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const MOST_BYTES = 1024 * 1024;

// ---------------------------------------------------------------- reading

const named = <Value>(entries: Iterable<readonly [string, Value]>): Record<string, Value> => {
  const made = Object.create(null) as Record<string, Value>;
  for (const [name, value] of entries) made[name] = value;
  return made;
};

const frozen = <Value>(value: Value): Value => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) frozen(inner);
  }
  return value;
};

/** Line of what a pointer names, or of the nearest parent that there is. */
const lineFinder = (document: Document, lines: LineCounter) => (pointer: string) => {
  let node: unknown = document.contents;
  let line = 1;
  for (const segment of segmentsOf(pointer) ?? []) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === segment);
      if (pair === undefined) break;
      if (isScalar(pair.key) && pair.key.range) line = lines.linePos(pair.key.range[0]).line;
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(segment)];
      if (isScalar(item) || isMap(item) || isSeq(item)) {
        if (item.range) line = lines.linePos(item.range[0]).line;
      }
      node = item;
    } else break;
  }
  return line;
};

interface Text {
  readonly value: Json;
  lineOf(pointer: string): number;
}

const readYaml = (text: string, file: string): Text => {
  const lines = new LineCounter();
  const refuse = (detail: string, line = 1): CrosswalkError =>
    new CrosswalkError('config-unreadable', { detail }, { file, line });
  if (Buffer.byteLength(text) > MOST_BYTES) throw refuse('it is larger than 1 MiB');
  // Without pretty errors, because those quote the lines around, which may hold what nobody should see.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) {
    throw refuse(fault.message.split('\n', 1)[0] ?? '', lines.linePos(fault.pos[0]).line);
  }
  try {
    const value = document.toJS({ maxAliasCount: 100 }) as Json;
    return { value: value ?? {}, lineOf: lineFinder(document, lines) };
  } catch {
    throw refuse('its aliases lead nowhere, in circles, or to too much');
  }
};

const checkShape = schemaChecker(configSchema as JsonObject, true);
/** Keywords whose errors only say that another one failed. */
const SECOND_HAND: ReadonlySet<string> = new Set(['if', 'propertyNames']);

/** Where a value may be a secret that somebody put in the wrong place. */
const MAY_BE_SECRET = /^\/(?:server\/tokenRef|keyRef|connections\/[^/]+\/settings)$/u;

const shapeWords = (error: ErrorObject): string => {
  const name = error.propertyName;
  if (name !== undefined) {
    return `has the name ${JSON.stringify(name)}, which is not allowed: letters, digits, - and _, a letter first`;
  }
  return MAY_BE_SECRET.test(error.instancePath) ? (error.message ?? 'does not fit') : faultWords(error);
};

const tellShape = (value: Json, tell: Tell): boolean => {
  if (checkShape(value)) return true;
  for (const error of checkShape.errors ?? []) {
    if (SECOND_HAND.has(error.keyword)) continue;
    const extra = error.keyword === 'additionalProperties' ? String(error.params['additionalProperty']) : '';
    const deeper = extra === '' ? '' : `/${extra.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const detail = shapeWords(error);
    tell('config-shape', error.instancePath + deeper, { detail });
  }
  return false;
};

// ---------------------------------------------------------------- making the config

const byField = <Value extends string>(given: Value | Record<string, Value> | undefined): ByField<Value> =>
  typeof given === 'string' ? named([['*', given]]) : named(Object.entries(given ?? {}));

export const entityConfig = (name: string, source: SourceEntity): EntityConfig => {
  const { protect = [] } = source;
  return {
    name,
    keys: source.keys ?? [],
    protect: named(Array.isArray(protect) ? protect.map((field) => [field, []]) : Object.entries(protect)),
    one: named(Object.entries(source.one ?? {})),
    owners: named(Object.entries(source.owners ?? {})),
    conflict: byField(source.conflict),
    clear: byField(source.clear),
    placeholders: source.placeholders ?? [],
    dedupe: dedupeSettings(source.dedupe),
    transitions: transitionRules(source.transitions),
  };
};

const shortestPromise = 5 * 60_000;
const longestPromise = 60 * 60_000;

/** As the file says; else twice the time between polls, from five minutes to an hour. */
const promiseOf = ({ promise, poll = '1m' }: SourceSync): number => {
  const given = promise === undefined ? undefined : scheduleOf(promise);
  if (given !== undefined && 'every' in given) return given.every;
  const polls = scheduleOf(poll);
  const twice = 2 * (polls === undefined ? 0 : spanOf(polls));
  return Math.min(longestPromise, Math.max(shortestPromise, twice));
};

const syncConfig = (name: string, source: SourceSync, known: Known): SyncConfig => {
  const mapping = known.mappings.get(source.mapping);
  return {
    name,
    connection: source.connection,
    mapping: source.mapping,
    entity: mapping?.entity ?? '',
    kind: mapping?.kind ?? '',
    direction: source.direction,
    create: source.create ?? false,
    deletes: source.deletes ?? 'ignore',
    resurrect: source.resurrect ?? false,
    conflict: byField(source.conflict),
    roles: named(Object.entries(source.roles ?? {})),
    budget: budgetOf(source),
    mode: source.mode ?? 'plan',
    modeGiven: source.mode !== undefined,
    poll: scheduleOf(source.poll ?? '1m') ?? { every: 60_000 },
    sweep: scheduleOf(source.sweep ?? '1d') ?? { every: 86_400_000 },
    promise: promiseOf(source),
  };
};

const withoutSlash = (url: string): string => url.replace(/\/+$/u, '');

const serverConfig = (source: NonNullable<Source['server']>): ServerConfig => ({
  host: source.host ?? '127.0.0.1',
  port: source.port ?? 8080,
  ...(source.publicUrl === undefined ? {} : { publicUrl: withoutSlash(source.publicUrl) }),
  ...(source.tokenRef === undefined ? {} : { tokenRef: source.tokenRef }),
});

/** The environment's say: it stands above the file. */
const withEnvironment = (source: Source, environment: Environment): Source => {
  const server: Record<string, Json> = { ...source.server };
  const { CROSSWALK_HOST: host, CROSSWALK_PORT: port, CROSSWALK_PUBLIC_URL: url } = environment;
  if (host) server['host'] = host;
  if (url) server['publicUrl'] = url;
  if (port) {
    if (!/^\d{1,5}$/u.test(port) || Number(port) > 65_535) {
      throw new CrosswalkError('config-environment', {
        name: 'CROSSWALK_PORT',
        detail: 'is not a port from 0 to 65535',
      });
    }
    server['port'] = Number(port);
  }
  const { CROSSWALK_STORE: store, DATABASE_URL: database } = environment;
  checkDatabase(database);
  return { ...source, server, ...(store ? { store: { ...source.store, path: store } } : {}) };
};

const build = (source: Source, file: string, known: Known, place: Config['place']): Config => {
  const folder = path.dirname(path.resolve(file));
  const each = <From, To>(all: Record<string, From> | undefined, make: (name: string, from: From) => To) =>
    named(Object.entries(all ?? {}).map(([name, from]) => [name, make(name, from)] as const));
  const entities = new Set([...known.entities.keys(), ...Object.keys(source.entities ?? {})]);
  const { entities: given = {} } = source;
  return frozen({
    file,
    folder,
    connections: each(source.connections, (name, from) => ({
      settings: {},
      ...from,
      name,
      lookups: named(lookupTimes(from.lookups)),
    })),
    entities: named(
      [...entities].map((name) => [
        name,
        entityConfig(name, Object.hasOwn(given, name) ? (given[name] ?? {}) : {}),
      ]),
    ),
    syncs: each(source.syncs, (name, from) => syncConfig(name, from, known)),
    notices: each(source.notices, (name, from) => ({
      ...from,
      name,
      fallback: named(Object.entries(from.fallback ?? {})),
    })),
    alarms: { ...source.alarms },
    guards: { idChanges: source.guards?.idChanges ?? 1000 },
    server: serverConfig(source.server ?? {}),
    ...storeSettings(source, folder),
    allowInlineSecrets: source.allowInlineSecrets ?? false,
    ...(source.keyRef === undefined ? {} : { keyRef: source.keyRef }),
    place,
  });
};

export type ConfigReading =
  | { readonly config: Config; readonly faults: readonly [] }
  | { readonly config: undefined; readonly faults: readonly CrosswalkError[] };

/** Reads a configuration from text. `file` is its path, for messages and relative paths; tells every fault. */
export const readConfig = (
  text: string,
  file: string,
  known: Known,
  environment: Environment,
): ConfigReading => {
  const faults: CrosswalkError[] = [];
  try {
    const { value, lineOf } = readYaml(text, file);
    const place = (pointer: string): Place => ({ file, line: lineOf(pointer), pointer });
    const tell: Tell = (code, pointer, params) =>
      faults.push(new CrosswalkError(code, params, place(pointer)));
    if (tellShape(value, tell)) {
      const source = withEnvironment(value as Source, environment);
      findFaults(source, known, tell);
      if (faults.length === 0) return { config: build(source, file, known, place), faults: [] };
    }
  } catch (error) {
    if (!(error instanceof CrosswalkError)) throw error;
    faults.push(error);
  }
  return { config: undefined, faults: faults.sort((a, b) => (a.place.line ?? 0) - (b.place.line ?? 0)) };
};

/**
 * Loads crosswalk.yaml; `where` is the file or its folder. Throws CrosswalkError: the fault itself if there is
 * one, `config-invalid` that lists them if there are more, `config-missing` if there is no file.
 */
export const loadConfig = (where: string, known: Known, environment: Environment): Config => {
  const stat = statSync(where, { throwIfNoEntry: false });
  const file = stat?.isDirectory() === true ? path.join(where, 'crosswalk.yaml') : where;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CrosswalkError('config-missing', { file }, {}, error);
  }
  const { config, faults } = readConfig(text, file, known, environment);
  if (config !== undefined) return config;
  const [first] = faults;
  if (first !== undefined && faults.length === 1) throw first;
  const list = faults.map((fault) => `\n  ${fault.message}`).join('');
  throw new CrosswalkError('config-invalid', { count: faults.length, list }, {});
};
