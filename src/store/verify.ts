/**
 * Whether a store is what its lineage tells: every record replayed from its snapshot and the lineage after it, and
 * compared, with its links and with what is held on them. All four tables are walked side by side in the order of
 * records, from one moment of the store, so that memory holds one record at a time.
 */
import { recordThen, type RecordThen } from '../merge/history.ts';
import { replayDifferences, type ToldRow } from '../merge/lineage.ts';
import { linkOf, recordOf } from '../sync/hub.ts';
import { snapshotHash, snapshotOf } from '../sync/prune.ts';
import { toldOf } from '../sync/scope.ts';
import type { Row, TableName } from './schema.ts';
import type { Snapshot } from './store.ts';

export interface Difference {
  readonly record: string;
  /** What differs, and how, without values of fields. */
  readonly text: string;
}

export interface Verified {
  readonly records: number;
  readonly rows: number;
  readonly differences: number;
}

const less = (a: string, b: string): boolean => Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;

/** Rows of one table in the order of records, taken a record at a time. */
class ByRecord {
  readonly #pages: AsyncIterator<readonly Row[]>;
  readonly #column: string;
  #page: readonly Row[] = [];
  #at = 0;
  #ended = false;
  rows = 0;

  constructor(from: Pick<Snapshot, 'rows'>, table: TableName, column: string, index?: string) {
    this.#pages = from.rows(table, index)[Symbol.asyncIterator]();
    this.#column = column;
  }

  /** The record of the next row; undefined at the end. */
  async next(): Promise<string | undefined> {
    while (this.#at >= this.#page.length && !this.#ended) {
      const { done = false, value } = await this.#pages.next();
      this.#ended = done;
      this.#page = done ? [] : (value as readonly Row[]);
      this.#at = 0;
    }
    const row = this.#page[this.#at];
    return row === undefined ? undefined : String(row[this.#column]);
  }

  async take(record: string): Promise<Row[]> {
    const rows: Row[] = [];
    while ((await this.next()) === record) {
      const row = this.#page[this.#at];
      if (row !== undefined) rows.push(row);
      this.#at += 1;
    }
    this.rows += rows.length;
    return rows;
  }
}

interface Stored {
  readonly record: Row | undefined;
  readonly snapshot: Row | undefined;
  readonly lineage: readonly Row[];
  readonly links: readonly Row[];
  readonly holds: readonly Row[];
}

/** Compares one moment of a store; `tell` hears of every difference. */
export const verifyStore = async (
  from: Pick<Snapshot, 'rows'>,
  tell: (difference: Difference) => void,
): Promise<Verified> => {
  const streams = {
    record: new ByRecord(from, 'record', 'id'),
    snapshot: new ByRecord(from, 'snapshot', 'record'),
    lineage: new ByRecord(from, 'lineage', 'record', 'record'),
    links: new ByRecord(from, 'link', 'record', 'record'),
    holds: new ByRecord(from, 'conflict', 'record', 'record'),
  };
  let records = 0;
  let differences = 0;
  for (;;) {
    let id: string | undefined;
    for (const stream of Object.values(streams)) {
      const next = await stream.next();
      if (next !== undefined && (id === undefined || less(next, id))) id = next;
    }
    if (id === undefined) break;
    const record = id;
    const [row] = await streams.record.take(record);
    const [snapshot] = await streams.snapshot.take(record);
    const stored = {
      record: row,
      snapshot,
      lineage: await streams.lineage.take(record),
      links: await streams.links.take(record),
      holds: await streams.holds.take(record),
    };
    if (row !== undefined) records += 1;
    for (const text of compare(record, stored)) {
      differences += 1;
      tell({ record, text });
    }
  }
  const rows = Object.values(streams).reduce((sum, stream) => sum + stream.rows, 0);
  return { records, rows, differences };
};

const compare = (id: string, { record, snapshot, lineage, links, holds }: Stored): string[] => {
  const kept = snapshot === undefined ? undefined : snapshotOf(snapshot);
  const wrong: string[] = [];
  if (kept !== undefined && snapshotHash(id, kept) !== kept.hash)
    wrong.push('its snapshot is not what was written: the hash differs');
  const rows: ToldRow[] = [
    ...(kept?.rows ?? []),
    ...lineage.map(toldOf).filter(({ seq }) => seq > (kept?.seq ?? -1)),
  ];
  const then = recordThen(rows);
  if (record === undefined) {
    if (then.made !== null) wrong.push('lineage tells of its making, and there is no such record');
    if (links.length > 0) wrong.push(`${links.length} links lead to it, and there is no such record`);
    return wrong;
  }
  const bodies = rows.map(({ body }) => body);
  const state = recordOf(record);
  const fields = replayDifferences(state, bodies).map(
    (text) => text.slice(id.length + 1).split(':')[0] ?? '',
  );
  wrong.push(
    ...fields.map((field) => {
      const told = then.fields[field];
      const is = state.fields[field];
      if (told === undefined) return `field ${field}: lineage does not tell where its value came from`;
      if (is === undefined) return `field ${field}: lineage tells of a value, and the record has none`;
      return told.version === is.version && told.source === is.source
        ? `field ${field}: its value (version ${is.version}, from ${is.source}) is not the one that lineage tells`
        : `field ${field}: the record has version ${is.version} from ${is.source}, lineage tells version ${told.version} from ${told.source}`;
    }),
  );
  return [...wrong, ...relations(then, links, holds)];
};

const relations = (then: RecordThen, links: readonly Row[], holds: readonly Row[]): string[] => {
  const link = ({ sync, object, state }: RecordThen['links'][number]): string =>
    `link ${sync}/${object} (${state})`;
  const hold = (field: string, where: string, why: string): string => `${field} held on ${where} (${why})`;
  const told = new Set([
    ...then.links.map(link),
    ...then.holds.map(({ field, sync, object, why }) => hold(field, `${sync}/${object}`, why)),
  ]);
  const stored = new Set([
    ...links.map((row) => link({ ...linkOf(row), since: 0 })),
    ...holds.map((row) => hold(String(row['field']), `${row['sync']}/${row['object']}`, String(row['why']))),
  ]);
  return [
    ...[...told.difference(stored)].map((one) => `${one}: lineage tells of it, the store has it not`),
    ...[...stored.difference(told)].map((one) => `${one}: the store has it, lineage does not tell of it`),
  ];
};
