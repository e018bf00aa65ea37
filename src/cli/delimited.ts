/** Tables as people keep them: CSV in, in the encodings of spreadsheets; CSV out that a spreadsheet shows and does not run. */
import { isUtf8 } from 'node:buffer';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parse, type CsvError } from 'csv-parse';
import { stringify } from 'csv-stringify/sync';
import { CrosswalkError } from '../errors.ts';

export interface Reading {
  readonly encoding: 'UTF-8' | 'UTF-16' | 'GBK';
  readonly delimiter: string;
  readonly header: readonly string[];
}

/** Longest row, in bytes, and most columns. */
const mostBytes = 8 * 1024 * 1024;
const mostColumns = 1000;

const unreadable = (file: string, error: unknown): CrosswalkError => {
  const detail = error instanceof Error ? error.message.replace(/[.\s]+$/u, '') : String(error);
  return new CrosswalkError('input-unreadable', { file, detail }, {}, error);
};

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) yield chunk as Buffer;
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** How many bytes at the end begin a letter of UTF-8 that goes on after them. */
const unfinished = (bytes: Buffer): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? back : 0;
  }
  return 0;
};

/** A byte order mark tells; else what is valid UTF-8 throughout is that; else it is GBK, which Chinese spreadsheets write. */
const encodingOf = async (file: string): Promise<Reading['encoding']> => {
  let rest: Buffer | undefined;
  for await (const chunk of chunksOf(file)) {
    if (rest === undefined && chunk[0] === 0xff && chunk[1] === 0xfe) return 'UTF-16';
    const all: Buffer = rest === undefined || rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = all.length - unfinished(all);
    // A tenth of the time of a decoder, which makes the text.
    if (!isUtf8(all.subarray(0, end))) return 'GBK';
    rest = all.subarray(end);
  }
  return 'UTF-8';
};

/** GB 18030 holds all of GBK. */
const labels = { 'UTF-8': 'utf-8', 'UTF-16': 'utf-16le', GBK: 'gb18030' } as const;

/** The file as UTF-8; `seen` is told how many bytes of it were read. */
async function* textOf(
  file: string,
  encoding: Reading['encoding'],
  seen: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(labels[encoding], { fatal: true });
  let bytes = 0;
  let line = 1;
  const decode = (chunk?: Buffer): Buffer => {
    try {
      const text = decoder.decode(chunk, { stream: chunk !== undefined });
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) line += 1;
      return Buffer.from(text);
    } catch {
      const detail = 'its text is neither UTF-8 nor GBK';
      throw new CrosswalkError('table-unreadable', { detail }, { file, line });
    }
  };
  for await (const chunk of chunksOf(file)) {
    bytes += chunk.length;
    seen(bytes);
    yield encoding === 'UTF-8' ? chunk : decode(chunk);
  }
  if (encoding !== 'UTF-8') yield decode();
}

/** Commas, or what stands more often in the first line: semicolons or tabs. */
const delimiterOf = async (file: string, encoding: Reading['encoding']): Promise<string> => {
  for await (const chunk of textOf(file, encoding, () => undefined)) {
    const end = chunk.indexOf(0x0a);
    const line = chunk.toString('utf8', 0, end < 0 ? chunk.length : end).replaceAll(/"[^"]*"/gu, '');
    const count = (mark: string): number => line.split(mark).length;
    return [',', ';', '\t'].reduce((best, mark) => (count(mark) > count(best) ? mark : best));
  }
  return ',';
};

/** What is wrong, without the values that the parser would quote. */
const faultOf = (error: CsvError): string => {
  const column = typeof error['column'] === 'number' ? error['column'] + 1 : undefined;
  const where = column === undefined ? '' : `, column ${column}`;
  if (error.code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH')
    return `the row has ${(error['record'] as unknown[] | undefined)?.length ?? 'other'} cells, and the first has another number`;
  if (error.code === 'CSV_QUOTE_NOT_CLOSED') return `a quotation mark is opened${where} and never closed`;
  if (error.code === 'CSV_INVALID_CLOSING_QUOTE') return `text follows a closing quotation mark${where}`;
  if (error.code === 'INVALID_OPENING_QUOTE') return `a quotation mark stands within a cell${where}`;
  if (error.code === 'CSV_MAX_RECORD_SIZE')
    return 'the row is longer than 8 MiB; a quotation mark may be missing';
  return `the row does not fit${where}`;
};

const isCsvError = (error: unknown): error is CsvError =>
  error instanceof Error && 'code' in error && /^(?:CSV_|INVALID_)/u.test(String(error.code));

/**
 * Reads a table with a header row by row; holds none of them. Throws CrosswalkError `input-unreadable` (the file) or
 * `table-unreadable` (what stands in it, with its line).
 */
export const readDelimited = async (
  file: string,
  each: { header(header: readonly string[]): void; row(cells: readonly string[], line: number): void },
  progress: (done: number, of: number) => void,
): Promise<Reading> => {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const encoding = await encodingOf(file);
  const delimiter = await delimiterOf(file, encoding);
  let header: string[] | undefined;
  const parser = parse({
    delimiter,
    bom: true,
    skip_empty_lines: true,
    relax_column_count: false,
    max_record_size: mostBytes,
    on_record: (cells: string[], { lines }) => {
      if (header === undefined) {
        header = cells.map((cell) => cell.trim());
        if (header.length > mostColumns)
          throw new CrosswalkError(
            'table-unreadable',
            { detail: `it has ${header.length} columns, and ${mostColumns} are taken at most` },
            { file, line: 1 },
          );
        each.header(header);
      } else each.row(cells, lines);
      return null;
    },
  });
  parser.resume();
  try {
    await pipeline(Readable.from(textOf(file, encoding, (bytes) => progress(bytes, size))), parser);
  } catch (error) {
    if (!isCsvError(error)) throw error;
    const line = typeof error['lines'] === 'number' ? error['lines'] : undefined;
    throw new CrosswalkError(
      'table-unreadable',
      { detail: faultOf(error) },
      { file, ...(line === undefined ? {} : { line }) },
    );
  }
  if (header === undefined) throw new CrosswalkError('table-unreadable', { detail: 'it is empty' }, { file });
  return { encoding, delimiter, header };
};

/** Rows that are made into text at once: row by row the package takes three times as long. */
const mostAtOnce = 1000;

function* linesOf(
  header: readonly string[],
  rows: Iterable<readonly (string | number)[]>,
): Generator<string> {
  yield stringify([[...header]], { bom: true, escape_formulas: true });
  let batch: (readonly (string | number)[])[] = [];
  for (const row of rows) {
    batch.push(row);
    if (batch.length < mostAtOnce) continue;
    yield stringify(batch, { escape_formulas: true });
    batch = [];
  }
  if (batch.length > 0) yield stringify(batch, { escape_formulas: true });
}

/**
 * Writes a table as UTF-8 with a byte order mark, without which spreadsheets in China read it as GBK. Text that a
 * spreadsheet would run as a formula (=, +, -, @, tab and carriage return at its start) gets an apostrophe before it.
 */
export const writeDelimited = async (
  file: string,
  header: readonly string[],
  rows: Iterable<readonly (string | number)[]>,
): Promise<void> => {
  try {
    await pipeline(Readable.from(linesOf(header, rows)), createWriteStream(file));
  } catch (error) {
    if (error instanceof CrosswalkError || !(error instanceof Error) || !('code' in error)) throw error;
    const detail = error.message.replace(/[.\s]+$/u, '');
    throw new CrosswalkError('output-unwritable', { file, detail }, {}, error);
  }
};
