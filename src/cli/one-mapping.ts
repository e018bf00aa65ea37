/** One mapping of an installation, compiled against its kind. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { readConfig } from '../config.ts';
import { findConnectors } from '../connections.ts';
import type { JsonSchema } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { evaluate } from '../evaluator.ts';
import { knownOf, loadEntities, loadMappings } from '../installation.ts';
import { compile } from '../mapping/compile.ts';
import type { Entity, MappingDocument } from '../mapping/document.ts';
import { preparing, type Preparing } from '../mapping/expressions.ts';
import type { Lens } from '../mapping/lens.ts';
import { hinted } from '../mapping/finding.ts';
import { nearest } from '../mapping/nearest.ts';
import { openAll, schemaFile } from './kinds.ts';

/** The kind's schema: from a connection that opens, since its settings may add places; else the connector's file. */
const kindOf = async (
  folder: string,
  document: MappingDocument,
  mappings: ReadonlyMap<string, MappingDocument>,
  entities: ReadonlyMap<string, Entity>,
): Promise<JsonSchema | null> => {
  const { connector, kind } = document.remote;
  const connectors = findConnectors(folder);
  const file = path.join(folder, 'crosswalk.yaml');
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) {
    const { config } = readConfig(readFileSync(file, 'utf8'), file, knownOf(mappings, entities), process.env);
    for (const source of Object.values(config?.connections ?? {})) {
      if (config === undefined || source.connector !== connector) continue;
      const only = { ...config, connections: { [source.name]: source } };
      const { sessions } = await openAll(only, connectors, process.env);
      const schema = sessions.get(source.name)?.kinds[kind]?.schema;
      if (schema !== undefined) return schema;
    }
  }
  return schemaFile(connectors, document);
};

/** A mapping with all that it was compiled from. */
export interface Mapping {
  readonly document: MappingDocument;
  readonly entity: Entity;
  readonly entities: ReadonlyMap<string, Entity>;
  readonly kind: JsonSchema | null;
  readonly lens: Lens;
  /** Computes its expressions; absent where it has none. */
  readonly prepare?: Preparing;
}

/** A mapping of the installation at `dir`, compiled against its kind. Throws CrosswalkError. */
export const mappingOf = async (dir: string, name: string): Promise<Mapping> => {
  const isFile = statSync(dir, { throwIfNoEntry: false })?.isFile() === true;
  const folder = path.resolve(isFile ? path.dirname(dir) : dir);
  const mappings = loadMappings(folder);
  const entities = loadEntities(folder);
  const document = mappings.get(name);
  if (document === undefined) {
    const near = nearest(name, mappings.keys());
    const hint = near === undefined ? '' : ` Did you mean ${near}?`;
    throw new CrosswalkError('map-unknown', { name, hint, known: [...mappings.keys()].join(', ') });
  }
  const entity = entities.get(document.entity);
  if (entity === undefined) {
    const place = { file: document.file, line: document.lineOf('/entity'), pointer: '/entity' };
    const params = {
      what: 'entity',
      name: JSON.stringify(document.entity),
      where: '',
      hint: hinted(nearest(document.entity, entities.keys())),
    };
    throw new CrosswalkError('config-unknown', params, place);
  }
  const kind = await kindOf(folder, document, mappings, entities);
  const prepare = preparing([document], evaluate);
  const made = { document, entity, entities, kind, lens: compile(document, entity, kind, entities) };
  return prepare === undefined ? made : { ...made, prepare };
};
