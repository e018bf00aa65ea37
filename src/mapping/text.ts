import type { Json } from '../connector.ts';
import { pointerOf } from './place.ts';

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

const lineAt = (text: string, position: number): number => {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < position; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
};

interface Level {
  readonly list: boolean;
  /** The member or item that is being read. */
  key: string | number;
  /** True where an object's next text is a name. */
  naming: boolean;
  readonly names: Set<string>;
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+|\n/gu;

/** Walks text that is known to be JSON; fills `lines` and tells a name that an object has twice. */
const walk = (text: string, lines: Map<string, number>): TextFault | null => {
  const levels: Level[] = [];
  let line = 1;
  const mark = (): void => {
    const pointer = pointerOf(levels.map((level) => String(level.key)));
    if (!lines.has(pointer)) lines.set(pointer, line);
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
      if (top.names.has(name)) return { detail: `${token} stands twice in one object`, line };
      top.names.add(name);
      top.key = name;
      top.naming = false;
      mark();
    } else if (token !== ':') {
      mark();
      if (token === '{') levels.push({ list: false, key: '', naming: true, names: new Set() });
      if (token === '[') levels.push({ list: true, key: 0, naming: false, names: new Set() });
    }
  }
  return null;
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
  const detail = message.replace(/ in JSON at position.*$/u, '').replace(/, ?(?:\.{3})?"[\s\S]*$/u, '');
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
export const readJson = (text: string): JsonText | TextFault => {
  if (text.length > MOST_CHARACTERS) return { detail: 'it is larger than 4 million characters', line: 1 };
  let value: Json;
  const plain = text.replace(/^\uFEFF/u, '');
  try {
    value = JSON.parse(plain) as Json;
  } catch (error) {
    const { detail, position } = faultOf(error, plain);
    return { detail, line: lineAt(plain, position) };
  }
  const lines = new Map<string, number>();
  const fault = walk(plain, lines);
  if (fault !== null) return fault;
  return {
    value,
    lineOf: (pointer) => {
      for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
        const line = lines.get(at);
        if (line !== undefined) return line;
      }
      return lines.get('') ?? 1;
    },
  };
};
