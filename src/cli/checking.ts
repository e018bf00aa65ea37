/** check: everything that can be known before anything runs, each fault with its place and remedy. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { readConfig, type Config, type SyncConfig } from '../config.ts';
import { findConnectors } from '../connections.ts';
import { resolveText } from '../settings.ts';
import type { JsonSchema, Kind } from '../connector.ts';
import { evaluate } from '../evaluator.ts';
import { CrosswalkError, placeText, type Place } from '../errors.ts';
import { usesOf } from '../live-schemas.ts';
import { knownOf, loadEntities, loadMappings, markOf, voiceless } from '../installation.ts';
import { check as checkMapping } from '../mapping/check.ts';
import { driftOf, touchWords, type DriftFinding } from '../mapping/drift.ts';
import { preparedExamples } from '../mapping/expressions.ts';
import { parseMapping, readEntity, type Entity, type MappingDocument } from '../mapping/document.ts';
import { openAll, knownKinds, schemaFile, type Opened } from './kinds.ts';
import { askLive, type LiveKind } from './live.ts';
import { hinted } from '../mapping/finding.ts';
import { nearest } from '../mapping/nearest.ts';
import { clashOf } from '../mapping/when.ts';
import { planningSyncs, type Planning } from '../health/planning.ts';
import { exits, json, say } from './output.ts';
import type { Common } from './program.ts';

interface Found extends Place {
  readonly severity: 'error' | 'warning' | 'information';
  readonly code: string;
  /** `file:line pointer`. */
  readonly place: string;
  /** Without the place. */
  readonly message: string;
  readonly remedy: string;
  /** For what the remote changed: where, from what to what, and what that touches. */
  readonly drift?: Pick<DriftFinding, 'pointer' | 'was' | 'is' | 'touches'> & { readonly kind: string };
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
    const read = (): Buffer => readFileSync(whole);
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
    const former = own.find((one) => one.name === document.name);
    if (former !== undefined) found.push(foundOf('error', twice(document, former)));
    own.push(document);
    mappings.set(document.name, document);
  }
  return { entities, mappings, own, broken: found.length > before };
};

const twice = ({ name, file, lineOf }: MappingDocument, former: MappingDocument): CrosswalkError =>
  new CrosswalkError(
    'mapping-twice',
    { name, other: former.file },
    { file, pointer: '/name', line: lineOf('/name') },
  );

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

const ofDrift = (kind: string, one: DriftFinding): Found => {
  const { severity, code, remedy, pointer, was, is, touches } = one;
  const [touched] = touches;
  const [field] = touched?.fields ?? [];
  const place =
    touched === undefined || field === undefined
      ? {}
      : { file: touched.file, pointer: field.pointer, line: field.line };
  const message = touches.length === 0 ? one.message : `${one.message} It touches ${touchWords(one)}.`;
  const drift = { kind, pointer, was, is, touches };
  return { severity, code, ...place, place: placeText(place), message, remedy, drift };
};

/** How what the remotes say differs from what is known of them, and what could not be asked. */
const checkDrift = (
  config: Config,
  { mappings, entities }: Documents,
  live: readonly LiveKind[],
  found: Found[],
): void => {
  for (const one of live) {
    const uses = usesOf({ config, mappings, entities }, one.lane);
    if (one.live !== null)
      found.push(
        ...driftOf(one.lane, one.shipped, one.live, uses).findings.map((each) => ofDrift(one.lane, each)),
      );
    else if (one.trouble !== null) {
      const said = `${one.trouble.kind}: ${one.trouble.detail.message}`;
      found.push(foundOf('error', new CrosswalkError('drift-unasked', { kind: one.lane, said })));
    }
  }
};

interface Checked {
  readonly findings: Found[];
  readonly live: readonly LiveKind[];
  readonly planning: readonly Planning[];
}

interface CheckOptions {
  /** A folder of documents that is checked by itself, with the installation's connectors. */
  readonly mappings?: string;
  /** Asks the remotes what their kinds are like; else nothing is sent. */
  readonly live?: boolean;
}

const checkAll = async (folder: string, { mappings, live: ask }: CheckOptions): Promise<Checked> => {
  const found: Found[] = [];
  if (mappings !== undefined && statSync(mappings, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CrosswalkError('input-unreadable', { file: mappings, detail: 'it is no folder' });
  const documents = readDocuments(mappings ?? path.join(folder, 'mappings'), found);
  const connectors = findConnectors(folder);
  const config = mappings === undefined ? readConfigOf(folder, documents, found) : undefined;
  const used = new Set<string>();
  /** Mappings whose kind has a schema that cannot be used. */
  const broken = new Set<string>();
  let live: readonly LiveKind[] = [];
  const checkOne = async (document: MappingDocument, kind: JsonSchema | null): Promise<void> => {
    used.add(document.name);
    const { entities } = documents;
    const entity = entities.get(document.entity);
    if (entity !== undefined) {
      const prepared = await preparedExamples(document, evaluate);
      const kinds = kind === null ? knownKinds(connectors, document) : [];
      const against = { entity, kind, kinds, entities, ...(prepared === undefined ? {} : { prepared }) };
      // One by one: a call takes no 100,000 findings.
      for (const one of checkMapping(document, against))
        if (one.code !== 'mapping-kind-unknown' || !broken.has(document.name)) found.push(ofMapping(one));
    } else {
      const place = { file: document.file, line: document.lineOf('/entity'), pointer: '/entity' };
      const hint = hinted(nearest(document.entity, entities.keys()));
      const params = { what: 'entity', name: JSON.stringify(document.entity), where: '', hint };
      found.push(foundOf('error', new CrosswalkError('config-unknown', params, place)));
    }
  };
  const fileOf = (document: MappingDocument): JsonSchema | null => {
    try {
      return schemaFile(connectors, document);
    } catch (error) {
      if (!(error instanceof CrosswalkError)) throw error;
      found.push(foundOf('error', error));
      broken.add(document.name);
      return null;
    }
  };
  if (config !== undefined) {
    const opened = await openAll(config, connectors, process.env);
    found.push(...opened.faults.map((fault) => foundOf('error', fault)));
    checkOffers(config, documents, opened, found);
    checkToken(config, found);
    if (ask === true) live = await askLive(config, connectors);
    checkDrift(config, documents, live, found);
    for (const { connection, mapping, kind } of Object.values(config.syncs)) {
      const document = documents.mappings.get(mapping);
      if (document === undefined) continue;
      const told = live.find((one) => one.lane === `${connection}/${kind}`)?.live;
      const offered = opened.sessions.get(connection)?.kinds[kind]?.schema;
      await checkOne(document, told ?? offered ?? fileOf(document));
    }
  }
  checkTogether(config, documents, found);
  for (const document of documents.own)
    if (!used.has(document.name)) await checkOne(document, fileOf(document));
  const told = new Set<string>();
  const findings = found.filter(({ code, place, message }) => {
    const key = `${code}\n${place}\n${message}`;
    return !told.has(key) && told.add(key) !== undefined;
  });
  return { findings, live, planning: config === undefined ? [] : planningSyncs(config) };
};

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

const liveJson = ({ connection, kind, live, trouble }: LiveKind): object => ({
  connection,
  kind,
  asked: live !== null ? 'told' : trouble === null ? 'not offered' : trouble.kind,
});

export const check = async (options: Common & CheckOptions): Promise<number> => {
  if (options.live === true && options.mappings !== undefined)
    throw new CrosswalkError('usage', {
      detail: '--live asks the connections of a configuration, and --mappings has none',
    });
  const isFile = statSync(options.dir, { throwIfNoEntry: false })?.isFile() === true;
  const folder = path.resolve(isFile ? path.dirname(options.dir) : options.dir);
  const { findings, live, planning } = await checkAll(folder, options);
  const wrong = findings.filter((one) => one.severity === 'error');
  const errors = wrong.length;
  const warnings = findings.filter((one) => one.severity === 'warning').length;
  if (options.json)
    json({
      ok: errors === 0,
      findings,
      planning,
      ...(options.live === true ? { live: live.map(liveJson) } : {}),
    });
  else {
    const told = live.filter((one) => one.live !== null).map((one) => one.lane);
    if (told.length > 0) say(`the remotes told what they are like now: ${told.join(', ')}`);
    for (const { severity, code, place, message, remedy } of findings)
      say(`${severity} ${code}: ${place === '' ? '' : `${place}: `}${message}\n  ${remedy}`);
    for (const { text } of planning) say(text);
    const also = warnings === 0 ? '' : `, ${plural(warnings, 'warning')}`;
    say(errors === 0 ? `all is well${also}` : `${plural(errors, 'error')}${also}`);
  }
  if (errors === 0) return exits.ok;
  return wrong.every((one) => one.code === 'drift-unasked') ? exits.remote : exits.wrong;
};
