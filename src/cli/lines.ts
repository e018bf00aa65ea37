/** Records as lines: NDJSON in, each through a mapping, with what is wrong with it. */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import type { JsonObject } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { parseExactly } from '../exchange.ts';
import type { WhenRule } from '../mapping/document.ts';
import type { FieldNote, FieldProblem, Lens } from '../mapping/lens.ts';
import { segmentsOf, valueAt } from '../mapping/place.ts';
import { shown } from '../mapping/schema.ts';
import { textOf } from '../mapping/text.ts';
import type { Roster } from '../mapping/routing.ts';
import type { Mapping } from './one-mapping.ts';

const NOT_UTF8 = 'is not UTF-8 text (GBK or UTF-16, perhaps)';

/** Longest line that is taken, in bytes. */
const mostBytes = 8 * 1024 * 1024;

interface Line {
  readonly number: number;
  /** Null if it cannot be taken. */
  readonly text: string | null;
  /** Why not, as the rest of a sentence. */
  readonly fault?: string;
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
    const whole = size > mostBytes ? null : textOf(Buffer.concat(parts));
    if (whole === null)
      return { number, text: null, fault: size > mostBytes ? 'is longer than 8 MiB' : NOT_UTF8 };
    const text = whole.replace(/\r$/u, '');
    return { number, text: number === 1 ? text.replace(/^\ufeff/u, '') : text };
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
  const told: FieldNote[] = [...notes];
  for (const one of roster === undefined ? [] : (lens.router?.route(fields, roster) ?? [])) {
    if (one.row !== null) value[one.field] = one.value;
    else all.push({ pointer: `/${one.field}`, code: 'route', message: `nobody gets it: ${one.path}` });
  }
  for (const [name, part] of lens.parts) {
    const found = part.rows(object);
    all.push(...found.problems);
    value[`/${name}`] = found.rows.map(({ key, value: row }) => {
      const own = part.lens.read(row);
      const within = <T extends { readonly pointer: string }>(one: T): T => ({
        ...one,
        pointer: `/${name}/${key}${one.pointer}`,
      });
      all.push(...own.problems.map(within));
      told.push(...(own.notes ?? []).map(within));
      return { key, ...own.fields };
    });
  }
  return { value, problems: all, notes: told };
};

/** Why an object is another mapping's, as the rest of a sentence. */
const strayOf = (when: WhenRule | undefined, object: JsonObject): string => {
  const held = when === undefined ? null : (valueAt(object, segmentsOf(when.at) ?? []) ?? null);
  return `${when?.at ?? ''} holds ${shown(held)}, and it is for ${(when?.is ?? []).map(shown).join(' or ')} there`;
};

/** A line as the mapping takes it; with a `roster` its tables decide too. */
export const mapLine = async (
  { text, fault = '' }: Line,
  { document, lens, prepare }: Pick<Mapping, 'document' | 'lens' | 'prepare'>,
  reverse: boolean,
  roster?: Roster,
): Promise<Mapped> => {
  const whole = (message: string): Mapped => ({ problems: [{ pointer: '', code: 'line', message }] });
  if (text === null) return whole(fault);
  let given: unknown;
  try {
    given = parseExactly(text);
  } catch {
    return whole('is not JSON');
  }
  if (given === null || typeof given !== 'object' || Array.isArray(given))
    return whole('is not a JSON object');
  if (reverse) return lens.write(given as JsonObject, null);
  const object = (await prepare?.(given as JsonObject)) ?? (given as JsonObject);
  if (!lens.applies(object))
    return whole(`is not what the mapping is for: ${strayOf(document.when, object)}`);
  return readWhole(lens, object, roster);
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
export const write = async (text: string): Promise<void> => {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
};
