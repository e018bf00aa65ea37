/**
 * One installation: the folder with `crosswalk.yaml`, its mappings and entities (those that come with the
 * program, overridden by the folder's own of the same name), and what the syncs in it compile to.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findConnectors, type Connection, type ConnectorFolders } from './connections.ts';
import { loadConfig, type Config, type Environment, type SyncConfig } from './config.ts';
import { rulesOf } from './config-rules.ts';
import type { Known } from './config-check.ts';
import type { ItemResult, JsonSchema, Kind, Look, Page, RemoteObject, Writer } from './connector.ts';
import { Trouble } from './connector.ts';
import { CrosswalkError } from './errors.ts';
import { dedupeSettings } from './identity/settings.ts';
import { compile } from './mapping/compile.ts';
import { readEntity, readMapping, type Entity, type MappingDocument } from './mapping/document.ts';
import { preparing, type Preparing } from './mapping/expressions.ts';
import type { Lens } from './mapping/lens.ts';
import { referenceOf } from './mapping/reference.ts';
import { clashOf } from './mapping/when.ts';
import type { Entity as HubEntity, Sync } from './sync/hub.ts';
import { evaluate } from './evaluator.ts';

export interface Installation {
  /** Absolute path of the folder. */
  readonly folder: string;
  readonly config: Config;
  readonly mappings: ReadonlyMap<string, MappingDocument>;
  readonly entities: ReadonlyMap<string, Entity>;
  readonly connectors: ConnectorFolders;
}

const here = path.dirname(fileURLToPath(import.meta.url));
/** The mappings that come with the program: beside `src/`, in sources and in a build alike. */
const shipped = path.resolve(here, '../mappings');

const jsonFiles = (folder: string): string[] => {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => path.join(folder, name));
};

const folders = (root: string): string[] =>
  statSync(root, { throwIfNoEntry: false })?.isDirectory() === true
    ? readdirSync(root, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .sort()
    : [];

/** Where documents lie: with the program, then in the folder; one place only where the program's own folder is it. */
const rootsOf = (folder?: string): ReadonlySet<string> =>
  new Set([shipped, ...(folder === undefined ? [] : [path.resolve(folder, 'mappings')])]);

/** Entities of the program and of a folder, the folder's own standing in for one of the same name. */
export const loadEntities = (folder?: string): Map<string, Entity> => {
  const found = new Map<string, Entity>();
  for (const root of rootsOf(folder)) {
    for (const file of jsonFiles(path.join(root, 'entities'))) {
      const entity = readEntity(readFileSync(file), file);
      found.set(entity.name, entity);
    }
  }
  return found;
};

/** Mapping documents of the program and of a folder, by name. */
export const loadMappings = (folder?: string): Map<string, MappingDocument> => {
  const found = new Map<string, MappingDocument>();
  for (const root of rootsOf(folder)) {
    const below = folders(root).filter((name) => name !== 'entities' && name !== 'reconciliation');
    const files = [...jsonFiles(root), ...below.flatMap((name) => jsonFiles(path.join(root, name)))];
    for (const file of files.filter((one) => !one.endsWith('.schema.json'))) {
      const document = readMapping(readFileSync(file), file);
      const former = found.get(document.name);
      if (former !== undefined && former.file.startsWith(`${root}${path.sep}`)) {
        const place = { file, pointer: '/name', line: document.lineOf('/name') };
        throw new CrosswalkError('mapping-twice', { name: document.name, other: former.file }, place);
      }
      found.set(document.name, document);
    }
  }
  return found;
};

const moneyFields = (fields: Entity['fields']): string[] =>
  [...fields].flatMap(([field, { properties }]) => {
    const places = typeof properties === 'object' ? Object.keys(properties ?? {}) : [];
    return places.includes('amount') && places.includes('currency') ? [field] : [];
  });

export const knownOf = (
  mappings: ReadonlyMap<string, MappingDocument>,
  entities: ReadonlyMap<string, Entity>,
): Known => ({
  mappings: new Map(
    [...mappings].map(([name, { entity, remote, fields }]) => [
      name,
      {
        entity,
        connector: remote.connector,
        kind: remote.kind,
        rowKeys: new Map(Object.entries(fields).map(([field, { rows }]) => [field, rows?.key ?? null])),
        references: Object.entries(fields).flatMap(([field, { reference }]) =>
          reference === undefined ? [] : [{ field, ...referenceOf(reference) }],
        ),
      },
    ]),
  ),
  entities: new Map([...entities].map(([name, entity]) => [name, [...entity.fields.keys()]])),
  flags: new Map(
    [...entities].map(([name, { fields }]) => [
      name,
      [...fields].filter(([, schema]) => schema['type'] === 'boolean').map(([field]) => field),
    ]),
  ),
  options: new Map(
    [...entities].map(([name, { fields }]) => [
      name,
      new Map(
        [...fields].flatMap(([field, schema]): [string, string[]][] => {
          const { type = 'string', enum: options } = schema;
          const values = Array.isArray(options) ? options.filter((one) => typeof one === 'string') : [];
          return [type].flat().includes('string') ? [[field, values]] : [];
        }),
      ),
    ]),
  ),
  money: new Map([...entities].map(([name, { fields }]) => [name, moneyFields(fields)])),
  required: new Map(
    [...entities].map(
      ([
        name,
        {
          schema: { required },
        },
      ]) => [name, Array.isArray(required) ? required.map(String) : []],
    ),
  ),
});

/** Reads an installation; sends nothing and opens nothing. Throws CrosswalkError with the place of the fault. */
export const loadInstallation = (where: string, environment: Environment): Installation => {
  const stat = statSync(where, { throwIfNoEntry: false });
  const folder = path.resolve(stat?.isFile() === true ? path.dirname(where) : where);
  const entities = loadEntities(folder);
  const mappings = loadMappings(folder);
  const config = loadConfig(where, knownOf(mappings, entities), environment);
  return { folder, config, mappings, entities, connectors: findConnectors(folder) };
};

/** The kind with the results of expressions beside every object that it shows. */
const preparedKind = (kind: Kind, prepare: Preparing): Kind => {
  const whole = async (object: RemoteObject): Promise<RemoteObject> => ({
    ...object,
    value: await prepare(object.value),
  });
  const page = async ({ objects, ...rest }: Page): Promise<Page> => ({
    ...rest,
    objects: await Promise.all(objects.map(whole)),
  });
  const look = async (one: Look): Promise<Look> =>
    one.is === 'object' ? { is: 'object', object: await whole(one.object) } : one;
  const result = async (one: ItemResult): Promise<ItemResult> =>
    'object' in one && one.object !== undefined ? { ...one, object: await whole(one.object) } : one;
  const writer = <Item>(own: Writer<Item>): Writer<Item> => ({
    ...own,
    send: async (...call) => Promise.all((await own.send(...call)).map(result)),
  });
  const { read, scan, changes, create, update } = kind;
  return {
    ...kind,
    ...(read === undefined
      ? {}
      : {
          read: async (ids) => {
            const looks = [...(await read.call(kind, ids))].map(
              async ([id, one]): Promise<[string, Look]> => [id, await look(one)],
            );
            return new Map(await Promise.all(looks));
          },
        }),
    ...(scan === undefined ? {} : { scan: async (at) => page(await scan.call(kind, at)) }),
    ...(changes === undefined
      ? {}
      : { changes: async (window, at) => page(await changes.call(kind, window, at)) }),
    ...(create === undefined ? {} : { create: writer(create) }),
    ...(update === undefined ? {} : { update: writer(update) }),
  };
};

/** What a mapping has that the engine does not follow yet; null if there is nothing. */
const beyondSyncs = ({ parts }: Lens): string | null => {
  const [part] = parts.keys();
  return part === undefined ? null : `part ${part}`;
};

/** A connector that throws anything but a Trouble has broken its contract; for the engine the outcome is unknown. */
const guardKind = (kind: Kind, connection: string, name: string, prepare: Preparing | undefined): Kind => {
  const guard =
    <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      try {
        return await work(...args);
      } catch (error) {
        if (error instanceof Trouble) throw error;
        const detail = error instanceof Error ? error.message : String(error);
        const fault = new CrosswalkError('connector-contract', {
          connector: `${connection}/${name}`,
          detail,
        });
        throw new Trouble('unknown', { message: fault.message });
      }
    };
  const own = prepare === undefined ? kind : preparedKind(kind, prepare);
  const { read, scan, changes, create, update, remove, find } = own;
  return {
    ...own,
    ...(read === undefined ? {} : { read: guard(read.bind(own)) }),
    ...(scan === undefined ? {} : { scan: guard(scan.bind(own)) }),
    ...(changes === undefined ? {} : { changes: guard(changes.bind(own)) }),
    ...(create === undefined ? {} : { create: { ...create, send: guard(create.send.bind(create)) } }),
    ...(update === undefined ? {} : { update: { ...update, send: guard(update.send.bind(update)) } }),
    ...(remove === undefined ? {} : { remove: { ...remove, send: guard(remove.send.bind(remove)) } }),
    ...(find === undefined ? {} : { find: { ...find, by: guard(find.by.bind(find)) } }),
  };
};

/**
 * What a sync of the configuration is to the engine. `live` says whether it may write, at any time. `schema` is what the kind is
 * taken to be like (the connector's own if absent); null takes the mapping's word for it.
 */
export const compileSync = (
  { config, mappings, entities }: Installation,
  sync: SyncConfig,
  connection: { readonly session: Pick<Connection['session'], 'kinds'> },
  live: () => boolean,
  schema?: JsonSchema | null,
): Sync => {
  const document = mappings.get(sync.mapping);
  const entity = entities.get(sync.entity);
  const kind = connection.session.kinds[sync.kind];
  const place = config.place(`/syncs/${sync.name}`);
  if (document === undefined || entity === undefined) {
    throw new CrosswalkError('internal', { detail: `sync ${sync.name} has no mapping or entity` }, place);
  }
  if (kind === undefined) {
    throw new CrosswalkError(
      'sync-kind-closed',
      { sync: sync.name, kind: sync.kind, connection: sync.connection },
      place,
    );
  }
  const rules = rulesOf(config, sync);
  const inward = sync.direction !== 'out';
  const serving = schema === undefined ? kind.schema : schema;
  const lens = compile(document, entity, serving, entities);
  const beyond = beyondSyncs(lens);
  if (beyond !== null)
    throw new CrosswalkError(
      'sync-mapping-beyond',
      { sync: sync.name, mapping: document.name, what: beyond },
      place,
    );
  const ofKind = Object.values(config.syncs)
    .filter((one) => one.connection === sync.connection && one.kind === sync.kind)
    .flatMap((one) => mappings.get(one.mapping) ?? []);
  for (const other of ofKind) {
    const detail = other === document ? null : clashOf(document, other);
    if (detail !== null)
      throw new CrosswalkError('mapping-when', { detail }, { file: document.file, pointer: '/when' });
  }
  const prepare = preparing(ofKind, evaluate);
  const required = entity.schema['required'];
  return {
    name: sync.name,
    connection: sync.connection,
    lane: `${sync.connection}/${sync.kind}`,
    kindName: sync.kind,
    kind: {
      ...guardKind(kind, sync.connection, sync.kind, prepare),
      schema: serving ?? kind.schema,
    },
    ...(prepare === undefined ? {} : { prepare }),
    entity: sync.entity,
    lens,
    rules: inward ? rules : (field) => ({ ...rules(field), role: 'reader' }),
    inward,
    get outward() {
      return sync.direction !== 'in' && live();
    },
    budget: sync.budget,
    create: sync.create,
    deletes: sync.deletes,
    resurrect: sync.resurrect,
    required: Array.isArray(required) ? required.map(String) : [],
  };
};

/** The field that shows people a deletion: `deleted` or `archived`, where the entity has one that is true or false. */
export const markOf = ({ fields }: Entity): string | undefined =>
  ['deleted', 'archived'].find((name) => fields.get(name)?.['type'] === 'boolean');

/** The entities as the engine sees them. */
export const hubEntities = (
  { entities: configured }: Config,
  entities: ReadonlyMap<string, Entity>,
): Map<string, HubEntity> =>
  new Map(
    [...entities].map(([name, entity]) => {
      const mark = markOf(entity);
      const {
        keys = [],
        protect = {},
        one = {},
        dedupe = dedupeSettings(),
        transitions = {},
      } = configured[name] ?? {};
      const more = {
        ...(Object.keys(one).length === 0 ? {} : { one }),
        ...(Object.keys(transitions).length === 0 ? {} : { transitions }),
      };
      return [name, { name, keys, protect, dedupe, ...more, ...(mark === undefined ? {} : { mark }) }];
    }),
  );

/** What is to be said through a connection that has no voice: it would wait for ever. */
export const voiceless = (config: Config, canSpeak: (connection: string) => boolean): CrosswalkError[] => {
  const said = Object.values(config.notices).map(({ name, to }) => ({
    notice: name,
    connection: to,
    pointer: `/notices/${name}/to`,
  }));
  const { to } = config.alarms;
  if (to !== undefined) said.push({ notice: 'alarms', connection: to, pointer: '/alarms/to' });
  return said
    .filter(({ connection }) => !canSpeak(connection))
    .map(
      ({ notice, connection, pointer }) =>
        new CrosswalkError('notice-no-voice', { notice, connection }, config.place(pointer)),
    );
};
