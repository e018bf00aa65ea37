/** check, map: what can be known before anything runs. */
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { loadConnector, openConnections, closeConnections, findConnectors } from '../connections.ts';
import { readConfig } from '../config.ts';
import type { JsonObject, JsonSchema, Kind } from '../connector.ts';
import { CrosswalkError, placeText } from '../errors.ts';
import { knownOf, loadEntities, loadInstallation, loadMappings } from '../installation.ts';
import { check as checkMapping } from '../mapping/check.ts';
import { bind } from '../mapping/bind.ts';
import { nearest } from '../mapping/nearest.ts';
import { readFileSync, statSync } from 'node:fs';
import { clean, exits, json, say } from './output.ts';
import type { Common } from './program.ts';

interface Found {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly place: string;
  readonly message: string;
  readonly remedy: string;
}

const faultOf = (error: unknown): Found => {
  if (!(error instanceof CrosswalkError)) throw error;
  return {
    severity: 'error',
    code: error.code,
    place: placeText(error.place),
    message: error.message,
    remedy: error.remedy,
  };
};

const attempt = async (found: Found[], work: () => Promise<void> | void): Promise<void> => {
  try {
    await work();
  } catch (error) {
    found.push(faultOf(error));
  }
};

/** Kind schemas by `connector/kind`, from the connections if they open, else unknown. */
const checkAll = async (dir: string): Promise<Found[]> => {
  const found: Found[] = [];
  const folder = path.resolve(
    statSync(dir, { throwIfNoEntry: false })?.isFile() === true ? path.dirname(dir) : dir,
  );
  const schemas = new Map<string, JsonSchema>();
  await attempt(found, async () => {
    const entities = loadEntities(folder);
    const mappings = loadMappings(folder);
    await attempt(found, async () => {
      const file = path.join(folder, 'crosswalk.yaml');
      const known = knownOf(mappings, entities);
      let text: string;
      try {
        text = readFileSync(file, 'utf8');
      } catch (error) {
        throw new CrosswalkError('config-missing', { file }, {}, error);
      }
      const { config, faults } = readConfig(text, file, known, process.env);
      found.push(...faults.map(faultOf));
      if (config === undefined) return;
      const connectors = findConnectors(folder);
      for (const { connector, name } of Object.values(config.connections)) {
        await attempt(
          found,
          async () =>
            void (await loadConnector(connector, connectors, config.place(`/connections/${name}/connector`))),
        );
      }
      await attempt(found, async () => {
        const opened = await openConnections(config, connectors, {
          environment: process.env,
          now: Date.now,
          random: Math.random,
          log: () => undefined,
        });
        for (const { connector, session } of opened.values()) {
          for (const [kind, { schema }] of Object.entries<Kind>(session.kinds))
            schemas.set(`${connector.name}/${kind}`, schema);
        }
        await closeConnections(opened);
      });
    });
    for (const document of mappings.values()) {
      const entity = entities.get(document.entity);
      if (entity === undefined) continue;
      const kind = schemas.get(`${document.remote.connector}/${document.remote.kind}`) ?? null;
      for (const one of checkMapping(document, { entity, kind })) {
        const place = placeText({
          file: one.document,
          pointer: one.pointer,
          ...(one.line === undefined ? {} : { line: one.line }),
        });
        found.push({
          severity: one.severity,
          code: one.code,
          place,
          message: one.message,
          remedy: one.remedy,
        });
      }
    }
  });
  return found;
};

export const check = async (options: Common): Promise<number> => {
  const findings = await checkAll(options.dir);
  const errors = findings.filter((one) => one.severity === 'error');
  if (options.json) json({ ok: errors.length === 0, findings });
  else {
    for (const one of findings)
      say(
        `${one.severity} ${one.code}: ${clean(one.message.includes(one.place) ? one.message : `${one.place}: ${one.message}`)}\n  ${clean(one.remedy)}`,
      );
    say(
      errors.length === 0
        ? `all is well${findings.length > 0 ? ` (${findings.length} warnings)` : ''}`
        : `${errors.length} errors`,
    );
  }
  const config = errors.some((one) => one.code === 'config-missing');
  return errors.length === 0 ? exits.ok : config ? exits.config : exits.wrong;
};

/** One record a line; a bad line is told with its number and the rest goes on. */
export const map = async (
  options: Common & { file?: string; reverse?: boolean },
  name: string,
): Promise<number> => {
  const folder =
    statSync(path.join(options.dir, 'crosswalk.yaml'), { throwIfNoEntry: false }) === undefined
      ? undefined
      : loadInstallation(options.dir, process.env).folder;
  const mappings = loadMappings(folder);
  const document = mappings.get(name);
  if (document === undefined) {
    const near = nearest(name, mappings.keys());
    throw new CrosswalkError('map-unknown', {
      name,
      hint: near === undefined ? '' : ` Did you mean ${near}?`,
      known: [...mappings.keys()].join(', '),
    });
  }
  const entity = loadEntities(folder).get(document.entity);
  if (entity === undefined)
    throw new CrosswalkError('map-unknown', { name: document.entity, hint: '', known: '' });
  const lens = bind(document, entity.schema, null);
  const input = options.file === undefined ? process.stdin : createReadStream(options.file);
  let row = 0;
  let bad = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    row += 1;
    if (line.trim() === '') continue;
    const result = mapLine(line, (value) =>
      options.reverse === true ? lens.write(value, null) : lens.read(value),
    );
    if (result.problems.length > 0) bad += 1;
    if (options.json) json({ line: row, ...result });
    else {
      for (const problem of result.problems) process.stderr.write(`line ${row} ${clean(problem)}\n`);
      if (result.value !== undefined) json(result.value);
    }
  }
  return bad > 0 ? exits.wrong : exits.ok;
};

const mapLine = (
  line: string,
  work: (value: JsonObject) => {
    fields?: unknown;
    value?: unknown;
    problems: readonly { pointer: string; message: string }[];
  },
): { value?: unknown; problems: string[] } => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return { problems: ['is not JSON'] };
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    return { problems: ['is not a JSON object'] };
  const { fields, value, problems } = work(parsed as JsonObject);
  return {
    value: fields ?? value,
    problems: problems.map((problem) => `${problem.pointer}: ${problem.message}`),
  };
};
