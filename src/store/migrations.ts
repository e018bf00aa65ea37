/**
 * How a store follows its tables from release to release. Tables, columns and indexes that are new are added by
 * themselves, and the release before goes on working beside them (*expand*). What a release takes away is listed
 * here, and only in the release after the last that used it (*contract*); then `oldestSchema` says so, and older
 * programs refuse the store.
 */
import { CrosswalkError } from '../errors.ts';
import { oldestSchema, schemaVersion, tables, type Table } from './schema.ts';

export type Step =
  | { readonly drop: 'table'; readonly table: string }
  | { readonly drop: 'column'; readonly table: string; readonly column: string }
  | { readonly drop: 'index'; readonly table: string; readonly index: string }
  /** Gives a new column its values: SQL that both SQLite and PostgreSQL take. */
  | { readonly fill: string; readonly table: string; readonly column: string };

export interface Migration {
  /** The schema that it leads to. */
  readonly version: number;
  readonly steps: readonly Step[];
}

export interface Schema {
  readonly tables: Readonly<Record<string, Table>>;
  readonly version: number;
  readonly oldest: number;
  /** Only those that do more than add, in order. */
  readonly migrations: readonly Migration[];
}

export const presentSchema: Schema = {
  tables,
  version: schemaVersion,
  oldest: oldestSchema,
  migrations: [],
};

/** What a store says of itself. */
export interface Stated {
  readonly version: number;
  readonly oldest: number;
}

/** Throws CrosswalkError `store-newer` where this program is too old for the store. */
export const checkStated = (file: string, stated: Stated, { version }: Schema): void => {
  if (stated.oldest > version)
    throw new CrosswalkError('store-newer', { file, found: stated.version, known: version });
};

/** True if the store is of a newer release that ours may still work: it is left as it is. */
export const isAhead = (stated: Stated, { version }: Schema): boolean => stated.version > version;

/** Steps from what the store states to the schema. A new store needs none. */
export const stepsFrom = (stated: Stated, { migrations }: Schema): Step[] =>
  migrations.filter(({ version }) => version > stated.version).flatMap(({ steps }) => steps);

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A step as SQL; `at` gives a table or an index its full name. */
export const stepSql = (step: Step, at: (name: string) => string = quoted): string => {
  if ('fill' in step) return `UPDATE ${at(step.table)} SET ${quoted(step.column)} = ${step.fill}`;
  if (step.drop === 'table') return `DROP TABLE IF EXISTS ${at(step.table)}`;
  if (step.drop === 'index') return `DROP INDEX IF EXISTS ${at(`${step.table}_${step.index}`)}`;
  return `ALTER TABLE ${at(step.table)} DROP COLUMN ${quoted(step.column)}`;
};
