import { pointerSegments } from '@hyperjump/json-pointer';
import { isUtf8 } from 'node:buffer';
import type { Json } from '../connector.ts';
import { shown } from './schema.ts';

/** Reads JSON text so that every value can be named by its line. */

export interface JsonText {
  readonly value: Json;
  /** Line (from 1) of the value at a pointer; of its nearest parent where the pointer leads nowhere. */
  lineOf(pointer: string): number;
}

/** What is wrong with the text, and where. */
export interface TextFault {
  readonly detail: string;
  readonly line: number;
}

const MOST_CHARACTERS = 4_000_000;
/** No mapping or schema needs more, and what walks one may recurse. */
const MOST_DEPTH = 100;

const lineAt = (text: string, position: number): number => {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < position; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
};

/** Where a value stands, and those inside of it. A tree, since a pointer for each would grow with their depth. */
interface Place {
  readonly line: number;
  readonly inner: Map<string, Place>;
}

interface Level {
  readonly list: boolean;
  /** The member or item that is being read. */
  key: string | number;
  /** True where an object's next text is a name. */
  naming: boolean;
  readonly place: Place;
  readonly names: Set<string>;
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+|\n/gu;

/** Walks text that is known to be JSON; gives the place of the whole, or tells a name that stands twice, or too deep a nest. */
const walk = (text: string): Place | TextFault => {
  const levels: Level[] = [];
  let line = 1;
  const root = new Map<string, Place>();
  const mark = (): Place => {
    const top = levels.at(-1);
    const inner = top?.place.inner ?? root;
    const key = String(top?.key ?? '');
    const known = inner.get(key);
    if (known !== undefined) return known;
    const made = { line, inner: new Map() };
    inner.set(key, made);
    return made;
  };
  for (const [token] of text.matchAll(TOKEN)) {
    const top = levels.at(-1);
    if (token === '\n') line += 1;
    else if (token === '}' || token === ']') levels.pop();
    else if (token === ',' && top !== undefined) {
      if (top.list) top.key = Number(top.key) + 1;
      else top.naming = true;
    } else if (top?.naming === true) {
      const name = String(JSON.parse(token));
      if (top.names.has(name)) return { detail: `${shown(name)} stands twice in one object`, line };
      top.names.add(name);
      top.key = name;
      top.naming = false;
      mark();
    } else if (token !== ':') {
      const place = mark();
      if (token !== '{' && token !== '[') continue;
      if (levels.length === MOST_DEPTH) return { detail: `it is nested more than ${MOST_DEPTH} deep`, line };
      const list = token === '[';
      levels.push({ list, key: list ? 0 : '', naming: !list, place, names: new Set() });
    }
  }
  return root.get('') ?? { line: 1, inner: new Map() };
};

const parseFault = (text: string): string => {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

/** What the parser says, without its own quotation of the text, and where the fault is. */
const faultOf = (error: unknown, text: string): { readonly detail: string; readonly position: number } => {
  const message = error instanceof Error ? error.message : String(error);
  const detail = message
    .replace(/(?: in JSON)? at position \d+.*$/u, '')
    .replace(/, ?(?:\.{3})?"[\s\S]*$/u, '');
  const said = /position (\d+)/u.exec(message)?.[1];
  if (said !== undefined) return { detail, position: Number(said) };
  const strange = 'Unexpected token';
  if (!message.startsWith(strange)) return { detail, position: text.length };
  // Of an unexpected token no position is told: it is the end of the shortest start that has this fault.
  let [good, bad] = [0, text.length];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (parseFault(text.slice(0, middle)).startsWith(strange)) bad = middle;
    else good = middle;
  }
  return { detail, position: bad - 1 };
};

/** Parses JSON text; hands back what is wrong with it instead of throwing. */
export const readJson = (given: string | Uint8Array): JsonText | TextFault => {
  const text = typeof given === 'string' ? given : textOf(given);
  if (text === null)
    return { detail: 'its bytes are not UTF-8 (save it as UTF-8, not as GBK or UTF-16)', line: 1 };
  if (text.length > MOST_CHARACTERS) return { detail: 'it is larger than 4 million characters', line: 1 };
  let value: Json;
  const plain = text.replace(/^\uFEFF/u, '');
  try {
    value = JSON.parse(plain) as Json;
  } catch (error) {
    const { detail, position } = faultOf(error, plain);
    return { detail, line: lineAt(plain, position) };
  }
  const whole = walk(plain);
  if ('detail' in whole) return whole;
  return {
    value,
    lineOf: (pointer) => {
      let here = whole;
      for (const name of namesIn(pointer)) {
        const next = here.inner.get(name);
        if (next === undefined) break;
        here = next;
      }
      return here.line;
    },
  };
};

/** The names along a pointer into a document, where a name may be empty; none if it is no pointer. */
const namesIn = (pointer: string): readonly string[] => {
  try {
    return [...pointerSegments(pointer)];
  } catch {
    return [];
  }
};

/** Text from bytes; null if they are not UTF-8, as GBK and UTF-16 are not. */
export const textOf = (bytes: Uint8Array): string | null =>
  isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8') : null;
