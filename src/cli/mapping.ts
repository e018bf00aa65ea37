/** map: records through one mapping, a line at a time; a bad line is told with its number and the rest goes on. */
import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import path from 'node:path';
import { readConfig } from '../config.ts';
import { findConnectors } from '../connections.ts';
import type { JsonObject, JsonSchema } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { evaluate } from '../evaluator.ts';
import { knownOf, loadEntities, loadMappings } from '../installation.ts';
import { compile } from '../mapping/compile.ts';
import type { Entity, MappingDocument } from '../mapping/document.ts';
import { preparing, type Preparing } from '../mapping/expressions.ts';
import type { FieldNote, FieldProblem, Lens } from '../mapping/lens.ts';
import { nearest } from '../mapping/nearest.ts';
import { trusting, type Roster, type Routed } from '../mapping/routing.ts';
import { why, type WhyField } from '../mapping/why.ts';
import { readFileSync } from 'node:fs';
import { knownRoster, type DirectoryOptions } from './directory.ts';
import { openAll, schemaFile } from './kinds.ts';
import { exits, jsonLine, warn } from './output.ts';
import { Bar } from './progress.ts';
import type { Common } from './program.ts';

/** Longest line that is taken, in bytes. */
const mostBytes = 8 * 1024 * 1024;

interface Line {
  readonly number: number;
  /** Null if it is too long. */
  readonly text: string | null;
}

/** The lines of a stream. Holds at most one of them. */
export async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let number = 1;
  let size = 0;
  let parts: Buffer[] = [];
  const take = (part: Buffer): void => {
    size += part.length;
    if (size <= mostBytes) parts.push(part);
    else parts = [];
  };
  const line = (): Line => {
    const text = size > mostBytes ? null : Buffer.concat(parts).toString('utf8').replace(/\r$/u, '');
    return { number, text: number === 1 && text !== null ? text.replace(/^\ufeff/u, '') : text };
  };
  for await (const chunk of input) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      take(chunk.subarray(from, at));
      yield line();
      [number, size, parts, from] = [number + 1, 0, [], at + 1];
    }
    take(chunk.subarray(from));
  }
  if (size > 0) yield line();
}

type Problem = Pick<FieldProblem, 'pointer' | 'code' | 'message'>;

interface Mapped {
  readonly value?: JsonObject;
  readonly problems: readonly Problem[];
  readonly notes?: readonly FieldNote[];
}

/** The fields of an object, with the records that it carries besides under their part's name. */
const readWhole = (lens: Lens, object: JsonObject, roster: Roster | undefined): Mapped => {
  const { fields, problems, notes = [] } = lens.read(object);
  const value: JsonObject = { ...fields };
  const all: Problem[] = [...problems];
  for (const one of roster === undefined ? [] : (lens.router?.route(fields, roster) ?? [])) {
    if (one.row !== null) value[one.field] = one.value;
    else all.push({ pointer: `/${one.field}`, code: 'route', message: `nobody gets it: ${one.path}` });
  }
  for (const [name, part] of lens.parts) {
    const found = part.rows(object);
    all.push(...found.problems);
    value[`/${name}`] = found.rows.map(({ key, value: row }) => {
      const own = part.lens.read(row);
      all.push(...own.problems.map((one) => ({ ...one, pointer: `/${name}/${key}${one.pointer}` })));
      return { key, ...own.fields };
    });
  }
  return { value, problems: all, notes };
};

/** A line as the mapping takes it; with a `roster` its tables decide too. */
export const mapLine = async (
  { text }: Line,
  { lens, prepare }: Pick<Mapping, 'lens' | 'prepare'>,
  reverse: boolean,
  roster?: Roster,
): Promise<Mapped> => {
  const whole = (message: string): Mapped => ({ problems: [{ pointer: '', code: 'line', message }] });
  if (text === null) return whole('is longer than 8 MiB');
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return whole('is not JSON');
  }
  if (given === null || typeof given !== 'object' || Array.isArray(given))
    return whole('is not a JSON object');
  if (reverse) return lens.write(given as JsonObject, null);
  const object = (await prepare?.(given as JsonObject)) ?? (given as JsonObject);
  if (!lens.applies(object)) return whole('is not what the mapping is for (its "when" does not hold)');
  return readWhole(lens, object, roster);
};

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
    const params = { what: 'entity', name: JSON.stringify(document.entity), where: '', hint: '' };
    throw new CrosswalkError('config-unknown', params, place);
  }
  const kind = await kindOf(folder, document, mappings, entities);
  const prepare = preparing([document], evaluate);
  const made = { document, entity, kind, lens: compile(document, entity, kind, entities) };
  return prepare === undefined ? made : { ...made, prepare };
};

export const inputOf = async (file: string | undefined): Promise<AsyncIterable<Buffer>> => {
  if (file === undefined) return process.stdin as AsyncIterable<Buffer>;
  const stream = createReadStream(file);
  try {
    await once(stream, 'open');
  } catch (error) {
    const detail = String((error as NodeJS.ErrnoException).code ?? 'unknown');
    throw new CrosswalkError('input-unreadable', { file, detail }, {}, error);
  }
  return stream as AsyncIterable<Buffer>;
};

/** Waits where the reader is slower than we are, so that nothing piles up. */
const write = async (text: string): Promise<void> => {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
};

const shortly = (value: unknown): string => {
  const text = value === undefined ? 'not sent' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
};

/** One line a field: the value, from where, through what. */
const whyLine = ({ field, from, through, value, problem }: WhyField): string => {
  const places = from.map((one) => `${one.pointer} ${shortly(one.value)}`).join(' + ');
  const hops = through.map((hop) => ` → ${hop.step} ${shortly(hop.value)}`).join('');
  const end = problem === undefined ? shortly(value) : `nothing: ${problem}`;
  return `  ${field} = ${end}  ← ${places === '' ? 'no place' : places}${hops}`;
};

const routedLine = ({ field, value, path: way }: Routed): string =>
  `  ${field} = ${shortly(value)}  ← by the table: ${way}`;

/** The path of each decision that a record's tables make. */
const routedOf = (lens: Lens, fields: readonly WhyField[], roster: Roster): readonly Routed[] => {
  const read = fields.flatMap(({ field, value }) => (value === undefined ? [] : [[field, value] as const]));
  return lens.router?.route(Object.fromEntries(read), roster) ?? [];
};

/** Says of each field of each record where its value came from. */
const explainLines = async (
  options: DirectoryOptions & Common & { file?: string },
  mapping: Mapping,
): Promise<number> => {
  const { lens, prepare } = mapping;
  const roster = lens.router === undefined ? trusting(Date.now) : await knownRoster(options, lens.router);
  const storyOf = why(mapping.document, mapping.entity, mapping.kind);
  let bad = 0;
  for await (const line of linesOf(await inputOf(options.file))) {
    if (line.text?.trim() === '') continue;
    const { problems } = await mapLine(line, mapping, false, roster);
    const whole = problems.find((one) => one.code === 'line');
    if (problems.length > 0) bad += 1;
    if (whole !== undefined) {
      warn(`line ${line.number} ${whole.message}`);
      continue;
    }
    const given = JSON.parse(line.text ?? '{}') as JsonObject;
    const fields = storyOf((await prepare?.(given)) ?? given);
    const routed = routedOf(lens, fields, roster);
    if (options.json)
      await write(jsonLine({ line: line.number, fields, ...(routed.length === 0 ? {} : { routed }) }));
    else
      await write(`line ${line.number}\n${[...fields.map(whyLine), ...routed.map(routedLine)].join('\n')}\n`);
  }
  return bad > 0 ? exits.wrong : exits.ok;
};

export const map = async (
  options: DirectoryOptions & Common & { file?: string; reverse?: boolean; why?: boolean },
  name: string,
): Promise<number> => {
  const mapping = await mappingOf(options.dir, name);
  if (options.why === true) {
    if (options.reverse === true)
      throw new CrosswalkError('usage', { detail: '--why goes with reading, not with --reverse' });
    return explainLines(options, mapping);
  }
  const { router } = mapping.lens;
  const roster = router === undefined ? undefined : await knownRoster(options, router);
  let bad = 0;
  let bytes = 0;
  const size =
    options.file === undefined ? null : (statSync(options.file, { throwIfNoEntry: false })?.size ?? null);
  // On a terminal that also shows the output, a bar would be in its way.
  const bar = new Bar(process.stdout.isTTY === true);
  for await (const line of linesOf(await inputOf(options.file))) {
    bytes += (line.text?.length ?? 0) + 1;
    bar.show(bytes, size, `line ${line.number}, ${bad} with problems`);
    if (line.text?.trim() === '') continue;
    const { value, problems, notes = [] } = await mapLine(line, mapping, options.reverse === true, roster);
    if (problems.length > 0) bad += 1;
    if (options.json)
      await write(
        jsonLine({
          line: line.number,
          ...(value === undefined ? {} : { value }),
          problems,
          ...(notes.length === 0 ? {} : { notes }),
        }),
      );
    else {
      for (const { pointer, message } of problems)
        warn(`line ${line.number} ${pointer === '' ? '' : `${pointer}: `}${message}`);
      for (const { pointer, message } of notes) warn(`line ${line.number} ${pointer}: note: ${message}`);
      if (value !== undefined) await write(jsonLine(value));
    }
  }
  bar.end();
  return bad > 0 ? exits.wrong : exits.ok;
};
