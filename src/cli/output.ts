/** How commands speak: aligned text for people, one JSON document for programs, errors in the catalogue's words. */
import { stripVTControlCharacters } from 'node:util';
import { Trouble } from '../connector.ts';
import { CrosswalkError, placeText } from '../errors.ts';

/** Exit codes, as documented in the README. */
export const exits = { ok: 0, wrong: 1, usage: 2, config: 3, remote: 4, store: 5 } as const;

/** Text from remotes may carry terminal commands: none get through. */
export const clean = (value: unknown): string =>
  stripVTControlCharacters(typeof value === 'string' ? value : JSON.stringify(value ?? null)).replaceAll(
    /[\p{Cc}\p{Cf}]/gu,
    ' ',
  );

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Columns that a text takes in a terminal: East Asian wide characters take two. */
const width = (text: string): number => {
  let columns = 0;
  for (const char of text) columns += /\p{M}/u.test(char) ? 0 : wide.test(char) ? 2 : 1;
  return columns;
};

export const table = (head: readonly string[], rows: readonly (readonly unknown[])[]): string => {
  const cells = [head, ...rows.map((row) => row.map(clean))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => width(row[i] ?? ''))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - width(cell))))
      .join('  ')
      .trimEnd();
  return `${cells.map(line).join('\n')}\n`;
};

/** Says it to people on stdout: line by line, without what could command their terminal. */
export const say = (text: string): void =>
  void process.stdout.write(`${lines(text.endsWith('\n') ? text.slice(0, -1) : text)}\n`);

/** The same on stderr. */
export const warn = (text: string): void => void process.stderr.write(`${lines(text)}\n`);

const lines = (text: string): string => text.split('\n').map(clean).join('\n');

/** JSON as one line; what a terminal could obey, or an eye misread, is escaped. */
export const jsonLine = (value: unknown): string =>
  `${JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )}\n`;

export const json = (value: unknown): void => void process.stdout.write(jsonLine(value));

/** Every error in the catalogue's words. */
export const wordsOf = (error: unknown): CrosswalkError => {
  if (error instanceof CrosswalkError) return error;
  if (error instanceof Trouble)
    return new CrosswalkError(
      'remote-trouble',
      { kind: error.kind, said: sentence(error.detail.message) },
      {},
      error,
    );
  const detail = sentence(error instanceof Error ? error.message : String(error));
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === 'string' && code.startsWith('SQLITE_'))
    return new CrosswalkError('store-unusable', { detail }, {}, error);
  return new CrosswalkError('internal', { detail }, {}, error);
};

const sentence = (text: string): string => text.replace(/[.\s]+$/u, '');

const codeOf = ({ code }: CrosswalkError): number => {
  if (code === 'remote-trouble' || code === 'sync-unfinished') return exits.remote;
  if (code.startsWith('store-')) return exits.store;
  if (
    /^(?:usage|undo-scope|input-unreadable|output-unwritable|dedupe-nothing|(?:table|model|field)-\w+)$/u.test(
      code,
    )
  )
    return exits.usage;
  if (/^(?:config|key|setting|connector|sync|mapping|entity|listen|node)-/u.test(code)) return exits.config;
  return exits.wrong;
};

/** An error as programs read it. */
export const errorJson = (error: CrosswalkError): object => ({
  code: error.code,
  message: error.message,
  remedy: error.remedy,
  place: placeText(error.place),
});

/** Words the error and gives the exit code. */
export const fail = (error: unknown, asJson: boolean): number => {
  const known = wordsOf(error);
  if (asJson) json({ error: errorJson(known) });
  else warn(`${known.message}\n${known.remedy}`);
  return codeOf(known);
};
