import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Config, ConnectionConfig, Environment } from './config.ts';
import type { Connector, Host, JsonObject, LookupRule, Sandbox, Session } from './connector.ts';
import { keyMissing } from './credentials/credential.ts';
import { expiriesOf, type Expiry } from './credentials/expiry.ts';
import { CrosswalkError } from './errors.ts';
import type { Place } from './errors.ts';
import { nearest } from './mapping/nearest.ts';
import { isObject } from './mapping/place.ts';
import { Lookups, type LookupOutcome } from './lookups.ts';
import { DayQuotas, type CallBook } from './quotas.ts';
import { createRemote } from './remote.ts';
import type { Remote, RemoteOptions } from './remote.ts';
import { redactor } from './secrecy.ts';
import { readSettings } from './settings.ts';

/** Finds and loads connectors, and opens connections. */

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
  /** What it has looked up and may keep. */
  readonly lookups: Lookups;
}

/** What connections reach the world with. */
export interface World extends Pick<RemoteOptions, 'now' | 'random' | 'onCall' | 'exchange' | 'safe'> {
  readonly environment: Environment;
  log(connection: string, ...line: Parameters<Host['log']>): void;
  /** Where calls of day quotas are counted; absent: only in memory. */
  book?(connection: string): CallBook;
  /** Told of every lookup. */
  onLookup?(connection: string, name: string, outcome: LookupOutcome): void;
}

/** What the connector declares, with the times that the installation sets. Throws CrosswalkError `settings-shape`. */
const lookupRules = (
  connector: Connector,
  { name: connection, lookups }: ConnectionConfig,
  place: Config['place'],
): Readonly<Record<string, LookupRule>> => {
  const declared = connector.lookups ?? {};
  for (const name of Object.keys(lookups)) {
    if (Object.hasOwn(declared, name)) continue;
    const near = nearest(name, Object.keys(declared));
    const detail = `is nothing that ${connector.name} looks up${near === undefined ? '' : `; did you mean ${near}?`}`;
    const at = place(`/connections/${connection}/lookups/${name}`);
    throw new CrosswalkError('settings-shape', { connection, setting: `lookups.${name}`, detail }, at);
  }
  return Object.fromEntries(
    Object.entries(declared).map(([name, rule]) => [name, { ...rule, ...lookups[name] }]),
  );
};

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
      quotas: new DayQuotas({
        connector: connector.name,
        quotas: connector.quotas?.(values) ?? [],
        now: () => world.now(),
        book: world.book?.(name),
        onFailed: (error) =>
          world.log(name, 'warn', 'calls of the day could not be written down; they are counted on', {
            why: error instanceof Error ? error.message : String(error),
          }),
      }),
      secrets,
      traced: connector.traced !== false,
      log: (...line) => world.log(name, ...line),
    });
    const lookups = new Lookups({
      connector: connector.name,
      rules: lookupRules(connector, source, config.place),
      now: () => world.now(),
      onLookup: (...told) => world.onLookup?.(name, ...told),
      onFailed: (what, error) =>
        remote?.host.log('warn', 'a lookup could not be renewed; the older answer serves', {
          lookup: what,
          why: error instanceof Error ? error.message : String(error),
        }),
    });
    const host: Host = { ...remote.host, lookup: (...asked) => lookups.get(...asked) };
    const session = connector.open(values, host);
    if (session.login?.keeps === true && (world.safe?.keys() ?? []).length === 0)
      throw keyMissing(name, config.place(base));
    remote.bind(session);
    const expiries = expiriesOf(source, connector, values);
    return { name, connector, session, secrets, settings: masked, expiries, remote, lookups };
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
