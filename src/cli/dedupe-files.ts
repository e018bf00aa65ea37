/** The records of one file, or of two, to be searched for duplicates. */
import { CrosswalkError } from '../errors.ts';
import type { Progress } from '../identity/evidence.ts';
import type { Standing } from '../identity/survivor.ts';
import { TableBuilder, Texts } from '../identity/table.ts';
import type { Asked, DedupeOptions, Source, Subject, SurvivorRule } from './dedupe.ts';
import { chooseFields, guessFrom, requireColumn, type Chosen } from './dedupe-fields.ts';
import { readDelimited } from './delimited.ts';

/** Rows that sorts are guessed from. */
const sampleRows = 500;
const idNames = /^(?:id|编号|序号)$/iu;

/** Where the columns stand in one file. */
interface Places {
  readonly fields: readonly number[];
  readonly id: number;
  readonly rule: number;
}

/** Records as they are read: the first rows wait until it is known what they hold. */
class Reader {
  readonly #options: DedupeOptions;
  readonly #asked: readonly Asked[] | null;
  readonly #rule: SurvivorRule | null;
  #chosen: Chosen | undefined;
  #builder: TableBuilder | undefined;
  #places: Places | undefined;
  #waiting: [string[], number][] = [];
  #header: readonly string[] = [];
  #file = '';
  /** By record; null once a column of ids that nobody asked for turned out to repeat itself. */
  #ids: Texts | null = new Texts();
  readonly #firstOf: number[] = [];
  readonly #ruled: string[] = [];
  readonly sources: Source[] = [];

  constructor(options: DedupeOptions, asked: readonly Asked[] | null, rule: SurvivorRule | null) {
    this.#options = options;
    this.#asked = asked;
    this.#rule = rule;
  }

  async read(file: string, progress: Progress): Promise<void> {
    this.#file = file;
    this.#places = undefined;
    const from = this.#builder?.size ?? 0;
    this.#firstOf.push(from);
    this.#builder?.second();
    const reading = await readDelimited(
      file,
      {
        header: (header) => (this.#header = header),
        row: (cells, line) => this.#row([...cells], line),
      },
      (done, of) => progress('reading', done, of),
    );
    this.#settle();
    const records = (this.#builder?.size ?? 0) - from;
    if (records === 0) throw new CrosswalkError('table-unreadable', { detail: 'it has no rows' }, { file });
    this.sources.push({ what: file, records, encoding: reading.encoding, delimiter: reading.delimiter });
  }

  #row(cells: string[], line: number): void {
    if (this.#places !== undefined) return this.#add(cells, line);
    this.#waiting.push([cells, line]);
    if (this.#waiting.length >= sampleRows) this.#settle();
  }

  /** Decides what the columns are; then the rows that waited for it are taken. */
  #settle(): void {
    const header = this.#header;
    if (this.#places === undefined) {
      const { id, fields } = this.#columns(header);
      const column = this.#rule?.column ?? null;
      const rule = column === null ? -1 : requireColumn(column, header, this.#file);
      this.#places = { fields, id, rule };
    }
    for (const [cells, line] of this.#waiting.splice(0)) this.#add(cells, line);
  }

  #columns(header: readonly string[]): { id: number; fields: number[] } {
    const { id: named } = this.#options;
    const id =
      named === undefined
        ? header.findIndex((name) => idNames.test(name))
        : requireColumn(named, header, this.#file);
    if (this.#chosen === undefined) {
      const rows = this.#waiting.map(([cells]) => cells);
      const guess = guessFrom(rows);
      const own = this.#rule?.column;
      this.#chosen = chooseFields(this.#asked, header, this.#file, (name, at) =>
        this.#asked === null && (at === id || name === own) ? null : guess(name, at),
      );
      this.#builder = new TableBuilder(this.#chosen.fields);
    }
    const fields = this.#chosen.fields.map(({ name }) => requireColumn(name, header, this.#file));
    const twice = fields.find((at) => header.lastIndexOf(header[at] ?? '') !== at);
    if (twice !== undefined) {
      const detail = `two columns are called ${header[twice] ?? ''}`;
      throw new CrosswalkError('table-unreadable', { detail }, { file: this.#file, line: 1 });
    }
    return { id, fields };
  }

  #add(cells: readonly string[], line: number): void {
    const { fields, id, rule } = this.#places ?? { fields: [], id: -1, rule: -1 };
    const record = this.#builder?.size ?? 0;
    if (this.#ids !== null && id >= 0) {
      // Two files may count from 1 each.
      const text = cells[id] ?? '';
      const known = this.#ids.id(`${this.#firstOf.length} ${text}`);
      if (known !== record) this.#repeated(line);
    }
    if (rule >= 0) this.#ruled.push(cells[rule] ?? '');
    this.#builder?.add(fields.map((at) => cells[at] ?? ''));
  }

  #repeated(line: number): void {
    if (this.#options.id === undefined) {
      this.#ids = null;
      return;
    }
    const detail = `column ${this.#options.id} is to name each row, and names this one as an earlier one`;
    throw new CrosswalkError('table-unreadable', { detail }, { file: this.#file, line });
  }

  subject(): Subject {
    if (this.#builder === undefined || this.#chosen === undefined)
      throw new CrosswalkError('internal', { detail: 'no file was read' });
    const table = this.#builder.end();
    const ids = this.#ids?.list.length === table.size ? this.#ids.list : null;
    const id = (record: number): string => {
      const known = ids?.[record];
      if (known !== undefined) return known.slice(known.indexOf(' ') + 1);
      // The number of the row in its file.
      const first = this.#firstOf.findLast((from) => from <= record) ?? 0;
      return String(record - first + 1);
    };
    return {
      table,
      sources: this.sources,
      ...this.#chosen,
      id,
      standing: (record) => this.#standing(table.columns, record, id),
    };
  }

  #standing(
    columns: readonly { form: Uint32Array }[],
    record: number,
    id: (record: number) => string,
  ): Standing {
    const text = this.#ruled[record] ?? '';
    const time = Date.parse(text);
    return {
      created: time,
      updated: time,
      filled: columns.reduce((sum, { form }) => sum + (form[record] === 0 ? 0 : 1), 0),
      systems: [text.trim()],
      id: id(record),
    };
  }
}

/** Reads --file, and --against beside it. Throws CrosswalkError with file and line. */
export const readFiles = async (
  options: DedupeOptions,
  asked: readonly Asked[] | null,
  rule: SurvivorRule | null,
  progress: Progress,
): Promise<Subject> => {
  if (rule !== null && rule.rule !== 'complete' && rule.column === null)
    throw new CrosswalkError('usage', {
      detail: '--survivor needs the column that it reads, for instance newest:created_at',
    });
  const reader = new Reader(options, asked, rule);
  await reader.read(options.file ?? '', progress);
  if (options.against !== undefined) await reader.read(options.against, progress);
  return reader.subject();
};
