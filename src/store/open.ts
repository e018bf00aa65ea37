/** Where an installation's store is, and opening it: the file that it names, or the database of DATABASE_URL. */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Config, Environment } from '../config.ts';
import { CrosswalkError } from '../errors.ts';
import { placeOf } from './postgres-values.ts';
import { SqliteStore } from './sqlite.ts';
import type { WholeStore } from './store.ts';

export type Where = { readonly file: string } | { readonly url: string; readonly schema: string };

/** DATABASE_URL stands above the file, as everything in the environment does. */
export const whereIs = ({ store }: Pick<Config, 'store'>, { DATABASE_URL: url }: Environment): Where =>
  url ? { url, schema: store.schema } : { file: store.path };

/** For people: without user and password. */
export const placeWords = (where: Where): string =>
  'file' in where ? where.file : placeOf(where.url, where.schema);

/** True if it is gone with this process. */
export const isFleeting = (where: Where): boolean => 'file' in where && where.file === ':memory:';

export interface OpenOptions {
  /** Throws CrosswalkError `store-missing` where there is no store yet, instead of making one. */
  readonly mustExist?: boolean;
  /** Nothing is written, not even what a release adds. */
  readonly readOnly?: boolean;
}

export const openStore = async (where: Where, options: OpenOptions = {}): Promise<WholeStore> => {
  if (!('file' in where)) {
    // Only who uses it pays for loading it.
    const { PostgresStore } = await import('./postgres.ts');
    return PostgresStore.open({ ...where, ...options });
  }
  const { file } = where;
  const { readOnly = false, mustExist = readOnly } = options;
  if (file !== ':memory:') {
    if (mustExist && !existsSync(file)) throw new CrosswalkError('store-missing', { file });
    if (!readOnly) mkdirSync(path.dirname(file), { recursive: true });
  }
  return new SqliteStore({ file, readOnly });
};

/** Opened as it is; undefined where there is no store yet. */
export const findStore = async (where: Where, options: OpenOptions = {}): Promise<WholeStore | undefined> => {
  if (isFleeting(where)) return undefined;
  try {
    return await openStore(where, { ...options, mustExist: true });
  } catch (error) {
    if (error instanceof CrosswalkError && error.code === 'store-missing') return undefined;
    throw error;
  }
};
