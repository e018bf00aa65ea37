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

/** Columns that a text takes in a terminal: East Asian wide characters take two. */
const width = (text: string): number => {
  let columns = 0;
  for (const char of text)
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]/u.test(
        char,
      )
        ? 2
        : 1;
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

export const say = (text: string): void =>
  void process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
export const json = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const codeOf = (error: unknown): number => {
  if (error instanceof Trouble) return exits.remote;
  if (!(error instanceof CrosswalkError)) return exits.wrong;
  if (error.code.startsWith('store-')) return exits.store;
  if (/^(?:config|settings|secret|connector|sync|mapping|entity|reference)/u.test(error.code))
    return exits.config;
  return error.code === 'usage' ? exits.usage : exits.wrong;
};

/** Words the error and gives the exit code. */
export const fail = (error: unknown, asJson: boolean): number => {
  const known = error instanceof CrosswalkError;
  const message = error instanceof Error ? error.message : String(error);
  if (asJson)
    json({
      error: known
        ? { code: error.code, message, remedy: error.remedy, place: placeText(error.place) }
        : { code: error instanceof Trouble ? error.kind : 'internal', message },
    });
  else
    process.stderr.write(
      `${clean(message.replaceAll('\n', '\u0001')).replaceAll('\u0001', '\n')}\n${known ? `${error.remedy}\n` : ''}`,
    );
  return codeOf(error);
};
