/** Opens connections only to learn what they offer: missing secrets get stand-ins, and nothing is sent. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Config, ConnectionConfig, Environment } from '../config.ts';
import { closeConnections, loadConnector, openConnections, type ConnectorFolders } from '../connections.ts';
import { resolveText } from '../settings.ts';
import type { Json, JsonObject, JsonSchema, Session } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { readKind, type MappingDocument } from '../mapping/document.ts';
import { openSafe } from '../store/safe.ts';

export interface Opened {
  /** By connection; those that do not open are missing. */
  readonly sessions: ReadonlyMap<string, Session>;
  readonly faults: readonly CrosswalkError[];
}

const standIn = 'CROSSWALK_STAND_IN';
const reference = /\$\{(?:env|file):[^{}]*\}/gu;

/** The settings with stand-ins for references that lead nowhere, each of which is told. */
const filled = (value: Json, pointer: string, tell: (text: string, pointer: string) => boolean): Json => {
  if (typeof value === 'string')
    return value.replace(reference, (text) => (tell(text, pointer) ? `\${env:${standIn}}` : text));
  if (typeof value !== 'object' || value === null) return value;
  const below = Object.entries(value).map(([name, inner]): [string, Json] => [
    name,
    filled(inner, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, tell),
  ]);
  return Array.isArray(value) ? below.map(([, inner]) => inner) : Object.fromEntries(below);
};

const openOne = async (
  config: Config,
  source: ConnectionConfig,
  connectors: ConnectorFolders,
  environment: Environment,
  faults: CrosswalkError[],
): Promise<Session | undefined> => {
  const { name } = source;
  let missing = 0;
  const settings = filled(source.settings, `/connections/${name}/settings`, (text, pointer) => {
    try {
      const setting = pointer.split('/').slice(4).join('.');
      const what = `Connection ${name}, setting ${setting}`;
      resolveText(text, what, { environment, folder: config.folder }, config.place(pointer));
      return false;
    } catch (error) {
      if (!(error instanceof CrosswalkError)) throw error;
      missing += 1;
      faults.push(error);
      return true;
    }
  }) as JsonObject;
  try {
    const place = config.place(`/connections/${name}/connector`);
    await loadConnector(source.connector, connectors, place);
    const only = { ...config, connections: { [name]: { ...source, settings } } };
    const opened = await openConnections(only, connectors, {
      environment: { ...environment, [standIn]: 'stand-in' },
      now: Date.now,
      random: Math.random,
      log: () => undefined,
      safe: openSafe(config, environment),
    });
    await closeConnections(opened);
    return opened.get(name)?.session;
  } catch (error) {
    if (!(error instanceof CrosswalkError)) throw error;
    // A stand-in has not the shape of the true value: what is wrong then is that it is missing.
    const shape = error.code === 'settings-shape' || error.code === 'connector-refused';
    if (missing === 0 || !shape) faults.push(error);
    return undefined;
  }
};

/** Opens each connection by itself, so that one fault hides no other. */
export const openAll = async (
  config: Config,
  connectors: ConnectorFolders,
  environment: Environment,
): Promise<Opened> => {
  const faults: CrosswalkError[] = [];
  const sessions = new Map<string, Session>();
  for (const source of Object.values(config.connections)) {
    const session = await openOne(config, source, connectors, environment, faults);
    if (session !== undefined) sessions.set(source.name, session);
  }
  return { sessions, faults };
};

const schemaIn = (file: string): JsonSchema | null => {
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return null;
  return readKind(readFileSync(file), file);
};

const namesIn = (folder: string, ending: string): readonly string[] =>
  statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true
    ? readdirSync(folder).flatMap((name) => (name.endsWith(ending) ? [name.slice(0, -ending.length)] : []))
    : [];

/** Kinds that have a schema, as `connector/kind`: those of connectors, and those beside this mapping. */
export const knownKinds = (connectors: ConnectorFolders, document: MappingDocument): readonly string[] => {
  const beside = path.dirname(document.file);
  return [
    ...[...connectors].flatMap(([connector, folder]) =>
      namesIn(path.join(folder, 'schema'), '.json').map((kind) => `${connector}/${kind}`),
    ),
    ...namesIn(beside, '.schema.json').map((kind) => `${path.basename(beside)}/${kind}`),
  ];
};

/**
 * The schema of a mapping's kind where no connection shows it: the connector's file, else `<kind>.schema.json` beside
 * the mapping, for systems that have no connector yet; null where there is neither. Throws CrosswalkError where there
 * is one that cannot be used.
 */
export const schemaFile = (connectors: ConnectorFolders, document: MappingDocument): JsonSchema | null => {
  const { connector, kind } = document.remote;
  if (!/^[\w-]+$/u.test(kind)) return null;
  const folder = connectors.get(connector);
  const own = folder === undefined ? null : schemaIn(path.join(folder, 'schema', `${kind}.json`));
  return own ?? schemaIn(path.join(path.dirname(document.file), `${kind}.schema.json`));
};
