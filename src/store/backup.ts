/**
 * Backups: one moment of a store in one file that both adapters restore. Gzip over lines of JSON:
 *
 *   {"crosswalk":"backup","format":1,"schema":2,"oldest":1,"at":"2026-…","from":"PostgreSQL 15.4"}
 *   {"table":"record","columns":["id","entity",…]}
 *   ["r_1","contact",…]                       one line a row; bytes in base64
 *   {"rows":1,"sha256":"…"}                   of the lines above, in the order of the table's key
 *   …
 *   {"sequences":{"touch":17,…},"sha256":"…"} the hash of the tables' hashes; a file without it is cut off
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { constants, createGunzip, createGzip } from 'node:zlib';
import { CrosswalkError } from '../errors.ts';
import {
  columnNames,
  lineOf,
  loadVerified,
  pagesOf,
  Summing,
  tableNames,
  type Sums,
  type TableSum,
} from './copy.ts';
import { oldestSchema, schemaVersion, tables, type Row, type Table, type TableName } from './schema.ts';
import type { Loading, WholeStore } from './store.ts';

const format = 1;

export interface Backup {
  readonly file: string;
  /** ISO 8601. */
  readonly at: string;
  /** Bytes. */
  readonly size: number;
  readonly tables: Sums;
  readonly sha256: string;
}

const hashOfSums = (sums: Sums): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(sums).map(([name, { rows, sha256 }]) => [name, rows, sha256])))
    .digest('hex');

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Writes one moment of a store, while others work on it. The file appears when it is whole. */
export const writeBackup = async (store: WholeStore, file: string, now: number): Promise<Backup> => {
  const at = new Date(now).toISOString();
  const part = `${file}.${randomUUID().slice(0, 8)}.part`;
  const zip = createGzip({ level: constants.Z_BEST_SPEED });
  const out = createWriteStream(part, { flags: 'wx', mode: 0o600 });
  // Whoever waits for room below hears of it; nobody else would.
  const written = finished(zip.pipe(out));
  written.catch(() => zip.destroy());
  let buffer = '';
  const flush = async (): Promise<void> => {
    const text = buffer;
    buffer = '';
    if (!zip.write(text)) await Promise.race([once(zip, 'drain'), written]);
  };
  const put = async (line: string): Promise<void> => {
    buffer += `${line}\n`;
    if (buffer.length > 65_536) await flush();
  };
  try {
    const snapshot = await store.snapshot();
    try {
      const { engine } = await store.health();
      const head = {
        crosswalk: 'backup',
        format,
        schema: schemaVersion,
        oldest: oldestSchema,
        at,
        from: engine,
      };
      await put(JSON.stringify(head));
      const sums: Record<string, TableSum> = {};
      for (const name of tableNames) {
        const columns = columnNames(name);
        const summing = new Summing();
        await put(JSON.stringify({ table: name, columns }));
        for await (const rows of pagesOf(snapshot, name))
          for (const row of rows) {
            const line = lineOf(name, columns, row);
            summing.take(line);
            await put(line);
          }
        const sum = summing.sum();
        sums[name] = sum;
        await put(JSON.stringify(sum));
      }
      const sha256 = hashOfSums(sums);
      await put(JSON.stringify({ sequences: await snapshot.sequences(), sha256 }));
      await flush();
      zip.end();
      await written;
      await toDisk(part);
      await rename(part, file);
      await toDisk(path.dirname(file));
      return { file, at, size: (await stat(file)).size, tables: sums, sha256 };
    } finally {
      await snapshot.close();
    }
  } catch (error) {
    zip.destroy();
    out.destroy();
    await rm(part, { force: true });
    if (error instanceof CrosswalkError) throw error;
    const { code } = (error ?? {}) as NodeJS.ErrnoException;
    if (code === undefined || code.startsWith('SQLITE_')) throw error;
    throw new CrosswalkError('output-unwritable', { file, detail: words(error) }, {}, error);
  }
};

const toDisk = async (file: string): Promise<void> => {
  const handle = await open(file, 'r');
  await handle.sync();
  await handle.close();
};

/** Lines of a backup. Throws CrosswalkError `backup-broken`, `input-unreadable`. */
async function* linesOf(file: string): AsyncGenerator<string> {
  const source = createReadStream(file);
  const unzip = source.pipe(createGunzip());
  source.on('error', (error) => unzip.destroy(error));
  unzip.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of unzip as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code.startsWith('Z_'))
      throw new CrosswalkError('backup-broken', { file, detail: words(error) }, {}, error);
    throw new CrosswalkError('input-unreadable', { file, detail: words(error) }, {}, error);
  } finally {
    source.destroy();
  }
  if (rest !== '') throw new CrosswalkError('backup-broken', { file, detail: 'its last line is cut off' });
}

interface Part {
  readonly name: TableName;
  readonly columns: readonly string[];
  readonly summing: Summing;
  rows: Row[];
}

const page = 500;

/** Reads a backup into an empty store, all or nothing; what was restored. Throws `backup-broken`, `store-newer`. */
export const restoreBackup = async (file: string, to: WholeStore): Promise<Backup> => {
  const { size } = await stat(file).catch((error: unknown) => {
    throw new CrosswalkError('input-unreadable', { file, detail: words(error) }, {}, error);
  });
  let at = '';
  const sums = await loadVerified(to, async (loading) => {
    const reading = new Reading(file, loading);
    for await (const line of linesOf(file)) await reading.take(line);
    at = reading.at;
    return reading.end();
  });
  return { file, at, size, tables: sums, sha256: hashOfSums(sums) };
};

class Reading {
  at = '';
  readonly #file: string;
  readonly #loading: Loading;
  readonly #sums: Record<string, TableSum> = {};
  readonly #columns: Record<string, readonly string[]> = {};
  #part: Part | undefined;
  #sequences: Record<string, number> | undefined;
  #line = 0;

  constructor(file: string, loading: Loading) {
    this.#file = file;
    this.#loading = loading;
  }

  async take(line: string): Promise<void> {
    this.#line += 1;
    let given: unknown;
    try {
      given = JSON.parse(line);
    } catch {
      this.#refuse('it is no JSON');
    }
    if (this.#line === 1) this.#head(given as Record<string, unknown>);
    else if (Array.isArray(given)) await this.#row(given, line);
    else await this.#mark((given ?? {}) as Record<string, unknown>);
  }

  end(): { sums: Sums; sequences: Record<string, number>; columns: Record<string, readonly string[]> } {
    if (this.#sequences === undefined) this.#refuse('the file ends too soon');
    // Tables that a release has added since are empty.
    for (const name of tableNames) this.#sums[name] ??= new Summing().sum();
    return { sums: this.#sums, sequences: this.#sequences ?? {}, columns: this.#columns };
  }

  #refuse(detail: string): never {
    throw new CrosswalkError('backup-broken', { file: this.#file, detail: `line ${this.#line}: ${detail}` });
  }

  #head({ crosswalk, format: found, schema, oldest, at }: Record<string, unknown>): void {
    if (crosswalk !== 'backup') this.#refuse('this is no backup of Crosswalk');
    if (found !== format || Number(oldest) > schemaVersion)
      throw new CrosswalkError('store-newer', {
        file: this.#file,
        found: Number(schema),
        known: schemaVersion,
      });
    this.at = String(at);
  }

  async #row(values: readonly unknown[], line: string): Promise<void> {
    const part = this.#part;
    if (part === undefined) return this.#refuse('a row outside of a table');
    part.summing.take(line);
    const kinds = (tables[part.name] as Table).columns;
    const row: Record<string, unknown> = {};
    part.columns.forEach((column, i) => {
      const value = values[i];
      row[column] =
        kinds[column] === 'blob' && typeof value === 'string' ? Buffer.from(value, 'base64') : value;
    });
    if (part.rows.push(row) >= page) await this.#flush(part);
  }

  async #flush(part: Part): Promise<void> {
    const { rows } = part;
    part.rows = [];
    await this.#loading.write(part.name, rows);
  }

  async #mark(given: Record<string, unknown>): Promise<void> {
    const part = this.#part;
    if (typeof given['table'] === 'string') this.#begin(given['table'], given['columns']);
    else if (part !== undefined) {
      await this.#flush(part);
      const sum = part.summing.sum();
      if (sum.rows !== given['rows'] || sum.sha256 !== given['sha256'])
        this.#refuse(`table ${part.name} is not what was written`);
      this.#sums[part.name] = sum;
      this.#part = undefined;
    } else if (given['sequences'] !== undefined) {
      if (hashOfSums(this.#sums) !== given['sha256']) this.#refuse('a table is missing or was put in');
      this.#sequences = given['sequences'] as Record<string, number>;
    } else this.#refuse('it says nothing that is known');
  }

  #begin(name: string, columns: unknown): void {
    if (this.#part !== undefined) this.#refuse('a table within a table');
    if (!Object.hasOwn(tables, name)) this.#refuse(`there is no table ${name} in this release`);
    const known = columnNames(name as TableName);
    const own = Array.isArray(columns) ? columns.map(String) : [];
    const strange = own.find((column) => !known.includes(column));
    if (strange !== undefined) this.#refuse(`there is no column ${strange} in table ${name} in this release`);
    this.#columns[name] = own;
    this.#part = { name: name as TableName, columns: own, summing: new Summing(), rows: [] };
  }
}
