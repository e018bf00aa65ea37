/**
 * Values as PostgreSQL takes them. JSON columns are of type `json`, which keeps the text as it was written: numbers,
 * the order of keys, `\u0000` and half characters (`jsonb` refuses or changes all four). Text cannot hold a NUL
 * there, so it is written as two characters, in a way that keeps texts apart and in their order. Half a character in
 * a text becomes U+FFFD, as in SQLite. Whole numbers are int8, read as numbers.
 */
import type { CustomTypesConfig } from 'pg';
import { keyOf, tables, type Column, type Row, type Table, type TableName } from './schema.ts';

/** A value on the wire; `null` is NULL. */
export type Wire = string | number | Uint8Array | null;
export type WireRow = Record<string, Wire>;

export const textOut = (text: string): string => {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  if (!whole.includes('\u0000') && !whole.includes('\u0001')) return whole;
  return whole.replaceAll('\u0001', '\u0001\u0002').replaceAll('\u0000', '\u0001\u0001');
};

/** Each \u0001 begins a pair, so reading from the left takes no two halves for one. */
export const textIn = (text: string): string =>
  text.includes('\u0001')
    ? text.replaceAll('\u0001\u0001', '\u0000').replaceAll('\u0001\u0002', '\u0001')
    : text;

const refuse = (column: Column, value: unknown): never => {
  throw new TypeError(`a column of kind ${column} cannot hold a value of type ${typeof value}`);
};

/** Throws TypeError for a value that the column cannot hold. */
export const wireOf = (column: Column, value: unknown): Wire => {
  if (value === undefined || (value === null && column !== 'json')) return null;
  switch (column) {
    case 'json':
      return JSON.stringify(value);
    case 'text':
      if (typeof value === 'string') return textOut(value);
      return typeof value === 'number' ? String(value) : refuse(column, value);
    case 'int': {
      const whole = Math.floor(Number(value));
      return typeof value !== 'number' || !Number.isFinite(whole) ? refuse(column, value) : whole;
    }
    default:
      return value instanceof Uint8Array ? value : refuse(column, value);
  }
};

/** Columns of a table as they are read and written, `seq` first where it has one. */
export const columnsOf = (name: TableName): readonly (readonly [string, Column])[] => listed.get(name) ?? [];

const listed: ReadonlyMap<TableName, readonly (readonly [string, Column])[]> = new Map(
  Object.entries<Table>(tables).map(([name, table]) => [
    name as TableName,
    [
      ...(keyOf(table)[0] === 'seq' ? [['seq', 'int'] as const] : []),
      ...Object.entries<Column>(table.columns),
    ],
  ]),
);

export const kindOf = (name: TableName, column: string): Column =>
  column === 'seq' ? 'int' : ((tables[name] as Table).columns[column] ?? 'text');

/** A row as the engine knows it. */
export const rowOf = (name: TableName, wire: Readonly<Record<string, unknown>>): Row => {
  const row: Record<string, unknown> = {};
  for (const [column, kind] of columnsOf(name)) {
    const value = wire[column];
    if (typeof value !== 'string') row[column] = value;
    else row[column] = kind === 'json' ? JSON.parse(value) : textIn(value);
  }
  return row;
};

export const sqlTypes: Readonly<Record<Column, string>> = {
  text: 'text COLLATE "C"',
  int: 'bigint',
  json: 'json',
  blob: 'bytea',
};

/** Element types of arrays that carry a column; JSON travels as text. */
export const arrayTypes: Readonly<Record<Column, string>> = {
  text: 'text',
  int: 'bigint',
  json: 'text',
  blob: 'bytea',
};

const oids = { bytea: 17, int8: 20 };

/** Everything arrives as text but numbers and bytes. */
export const types: CustomTypesConfig = {
  getTypeParser: (oid: number) => {
    if (oid === oids.int8) return Number;
    if (oid === oids.bytea) return (text: string) => Buffer.from(text.slice(2), 'hex');
    return (text: string) => text;
  },
};

/** Where a database is, without user and password. */
export const placeOf = (url: string, schema: string): string => {
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get('host') ?? hostname;
  return `postgresql://${host}${port === '' ? '' : `:${port}`}${pathname}${schema === 'crosswalk' ? '' : ` (schema ${schema})`}`;
};
