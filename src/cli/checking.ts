/** check: everything that can be known before anything runs, each fault with its place and remedy. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { readConfig, type Config, type SyncConfig } from '../config.ts';
import { findConnectors, resolveText } from '../connections.ts';
import type { JsonSchema, Kind } from '../connector.ts';
import { CrosswalkError, placeText, type Place } from '../errors.ts';
import { knownOf, loadEntities, loadMappings, markOf, voiceless } from '../installation.ts';
import { check as checkMapping } from '../mapping/check.ts';
import { preparedExamples } from '../mapping/expressions.ts';
import { parseMapping, readEntity, type Entity, type MappingDocument } from '../mapping/document.ts';
import { openAll, schemaFile, type Opened } from './kinds.ts';
import { clashOf } from '../mapping/when.ts';
import { exits, json, say } from './output.ts';
import type { Common } from './program.ts';

interface Found extends Place {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  /** `file:line pointer`. */
  readonly place: string;
  /** Without the place. */
  readonly message: string;
  readonly remedy: string;
}

const foundOf = (severity: Found['severity'], error: CrosswalkError): Found => ({
  severity,
  code: error.code,
  ...error.place,
  place: placeText(error.place),
  message: new CrosswalkError(error.code, error.params).message,
  remedy: error.remedy,
});

interface Documents {
  readonly entities: Map<string, Entity>;
  readonly mappings: Map<string, MappingDocument>;
  /** Mappings of the installation itself. */
  readonly own: readonly MappingDocument[];
  /** True if some could not be read, so that names may be missing. */
  readonly broken: boolean;
}

const jsonFiles = (root: string): string[] => {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(root, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.json'))
    .sort();
};

/** Reads each document by itself, so that one fault hides no other. */
const readDocuments = (root: string, found: Found[]): Documents => {
  const entities = loadEntities();
  const mappings = loadMappings();
  const own: MappingDocument[] = [];
  const before = found.length;
  for (const file of jsonFiles(root)) {
    const [first, ...rest] = file.split(path.sep);
    const whole = path.join(root, file);
    const read = (): string => readFileSync(whole, 'utf8');
    if (first === 'entities' && rest.length === 1) {
      try {
        const entity = readEntity(read(), whole);
        entities.set(entity.name, entity);
      } catch (error) {
        if (!(error instanceof CrosswalkError)) throw error;
        found.push(foundOf('error', error));
      }
      continue;
    }
    const isMapping = rest.length <= 1 && !file.endsWith('.schema.json');
    if (!isMapping || first === 'entities' || first === 'reconciliation') continue;
    const { document, findings } = parseMapping(read(), whole);
    for (const one of findings) found.push(ofMapping(one));
    if (document === undefined) continue;
    own.push(document);
    mappings.set(document.name, document);
  }
  return { entities, mappings, own, broken: found.length > before };
};

const ofMapping = (one: ReturnType<typeof checkMapping>[number]): Found => {
  const { severity, code, document: file, pointer, message, remedy } = one;
  const place = { file, pointer, ...(one.line === undefined ? {} : { line: one.line }) };
  return { severity, code, ...place, place: placeText(place), message, remedy };
};

const readConfigOf = (folder: string, documents: Documents, found: Found[]): Config | undefined => {
  const file = path.join(folder, 'crosswalk.yaml');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CrosswalkError('config-missing', { file }, {}, error);
  }
  const known = knownOf(documents.mappings, documents.entities);
  const { config, faults } = readConfig(text, file, known, process.env);
  // Behind a document that cannot be read every mention of its name would be told as unknown.
  const isEcho = ({ code, params }: CrosswalkError): boolean =>
    documents.broken && code === 'config-unknown' && ['mapping', 'entity'].includes(String(params['what']));
  found.push(...faults.filter((fault) => !isEcho(fault)).map((fault) => foundOf('error', fault)));
  return config;
};

/** What a sync does about deletions, and what of it can never come to pass. */
const checkDeletes = (sync: SyncConfig, kind: Kind, shows: boolean, place: Place, found: Found[]): void => {
  const { name, deletes, direction, connection } = sync;
  if (deletes === 'ignore') return;
  const hears = direction !== 'out' && kind.read !== undefined;
  const removes = direction !== 'in' && deletes === 'propagate' && kind.remove !== undefined;
  const tell = (severity: Found['severity'], detail: string): void => {
    const params = { sync: name, deletes, kind: sync.kind, connection, detail };
    found.push(foundOf(severity, new CrosswalkError('sync-deletes', params, place)));
  };
  if (!hears && !removes && !(direction !== 'in' && shows))
    tell('error', 'can neither tell us of a deletion nor be deleted or marked there');
  else if (direction !== 'in' && deletes === 'propagate' && kind.remove === undefined)
    tell(
      'warning',
      `cannot be removed: it stays there${shows ? ', marked,' : ''} when it is deleted elsewhere`,
    );
  else if (direction !== 'out' && kind.read === undefined)
    tell('warning', 'cannot be read by its id: that it was deleted there is never known');
};

/** What a sync or notice asks of its connection, and whether that can be had. */
const checkOffers = (
  config: Config,
  { mappings, entities }: Documents,
  { sessions }: Opened,
  found: Found[],
): void => {
  const tell = (error: CrosswalkError): void => void found.push(foundOf('error', error));
  for (const sync of Object.values(config.syncs)) {
    const session = sessions.get(sync.connection);
    const place = config.place(`/syncs/${sync.name}`);
    const { connection, kind: name } = sync;
    if (session === undefined) continue;
    const kind = session.kinds[name];
    if (kind === undefined) {
      tell(new CrosswalkError('sync-kind-closed', { sync: sync.name, kind: name, connection }, place));
      continue;
    }
    const params = { sync: sync.name, kind: name, connection };
    if (sync.direction !== 'in' && kind.update === undefined && kind.create === undefined)
      tell(new CrosswalkError('sync-cannot', { ...params, detail: `direction ${sync.direction}` }, place));
    else if (sync.direction !== 'in' && sync.create && kind.create === undefined)
      tell(new CrosswalkError('sync-cannot', { ...params, detail: 'create: true' }, place));
    const entity = entities.get(sync.entity);
    const mark = entity === undefined ? undefined : markOf(entity);
    const rule = mark === undefined ? undefined : mappings.get(sync.mapping)?.fields[mark];
    const at = config.place(`/syncs/${sync.name}/deletes`);
    checkDeletes(sync, kind, rule !== undefined && rule.flow !== 'in', at, found);
  }
  for (const fault of voiceless(config, (to) => {
    const session = sessions.get(to);
    return session === undefined || session.notify !== undefined;
  }))
    tell(fault);
};

const checkToken = ({ server, folder, place }: Config, found: Found[]): void => {
  if (server.tokenRef === undefined) return;
  try {
    const source = { environment: process.env, folder };
    resolveText(server.tokenRef, 'server.tokenRef', source, place('/server/tokenRef'));
  } catch (error) {
    if (!(error instanceof CrosswalkError)) throw error;
    found.push(foundOf('error', error));
  }
};

/** That no object can be two mappings' of one connection. */
const checkTogether = (config: Config | undefined, { mappings }: Documents, found: Found[]): void => {
  const syncs = Object.values(config?.syncs ?? {});
  for (const one of syncs) {
    const document = mappings.get(one.mapping);
    for (const other of syncs) {
      const second = mappings.get(other.mapping);
      if (document === undefined || second === undefined || second === document) continue;
      if (one.connection !== other.connection || one.kind !== other.kind) continue;
      const detail = clashOf(document, second);
      const place = { file: document.file, pointer: '/when', line: document.lineOf('/when') };
      if (detail !== null)
        found.push(foundOf('error', new CrosswalkError('mapping-when', { detail }, place)));
    }
  }
};

/** `mappings` names a folder of documents that is checked by itself, with the installation's connectors. */
const checkAll = async (folder: string, mappings: string | undefined): Promise<Found[]> => {
  const found: Found[] = [];
  if (mappings !== undefined && statSync(mappings, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CrosswalkError('input-unreadable', { file: mappings, detail: 'it is no folder' });
  const documents = readDocuments(mappings ?? path.join(folder, 'mappings'), found);
  const connectors = findConnectors(folder);
  const config = mappings === undefined ? readConfigOf(folder, documents, found) : undefined;
  const used = new Set<string>();
  const checkOne = async (document: MappingDocument, kind: JsonSchema | null): Promise<void> => {
    used.add(document.name);
    const { entities } = documents;
    const entity = entities.get(document.entity);
    if (entity !== undefined) {
      const prepared = await preparedExamples(document);
      const against = { entity, kind, entities, ...(prepared === undefined ? {} : { prepared }) };
      found.push(...checkMapping(document, against).map(ofMapping));
    } else {
      const place = { file: document.file, line: document.lineOf('/entity'), pointer: '/entity' };
      const params = { what: 'entity', name: JSON.stringify(document.entity), where: '', hint: '' };
      found.push(foundOf('error', new CrosswalkError('config-unknown', params, place)));
    }
  };
  const fileOf = (document: MappingDocument): JsonSchema | null => schemaFile(connectors, document);
  if (config !== undefined) {
    const opened = await openAll(config, connectors, process.env);
    found.push(...opened.faults.map((fault) => foundOf('error', fault)));
    checkOffers(config, documents, opened, found);
    checkToken(config, found);
    for (const { connection, mapping, kind } of Object.values(config.syncs)) {
      const document = documents.mappings.get(mapping);
      if (document === undefined) continue;
      await checkOne(document, opened.sessions.get(connection)?.kinds[kind]?.schema ?? fileOf(document));
    }
  }
  checkTogether(config, documents, found);
  for (const document of documents.own)
    if (!used.has(document.name)) await checkOne(document, fileOf(document));
  const told = new Set<string>();
  return found.filter(({ code, place, message }) => {
    const key = `${code}\n${place}\n${message}`;
    return !told.has(key) && told.add(key) !== undefined;
  });
};

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

export const check = async (options: Common & { mappings?: string }): Promise<number> => {
  const isFile = statSync(options.dir, { throwIfNoEntry: false })?.isFile() === true;
  const folder = path.resolve(isFile ? path.dirname(options.dir) : options.dir);
  const findings = await checkAll(folder, options.mappings);
  const errors = findings.filter((one) => one.severity === 'error').length;
  const warnings = findings.length - errors;
  if (options.json) json({ ok: errors === 0, findings });
  else {
    for (const { severity, code, place, message, remedy } of findings)
      say(`${severity} ${code}: ${place === '' ? '' : `${place}: `}${message}\n  ${remedy}`);
    const also = warnings === 0 ? '' : `, ${plural(warnings, 'warning')}`;
    say(errors === 0 ? `all is well${also}` : `${plural(errors, 'error')}${also}`);
  }
  return errors === 0 ? exits.ok : exits.wrong;
};
