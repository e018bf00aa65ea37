/** Where the store is, how long it keeps what it need not keep, and when it is backed up. */
import path from 'node:path';
import { scheduleOf, type Schedule, type Source } from './config-check.ts';

export interface StoreConfig {
  /** Absolute, or `:memory:`. Where DATABASE_URL is set, the store is in that database instead. */
  readonly path: string;
  /** The schema in a database. */
  readonly schema: string;
}

/** ms. */
export interface KeepConfig {
  readonly hooks: number;
  /** Null: for ever. */
  readonly lineage: number | null;
}

export interface BackupConfig {
  readonly at: Schedule;
  /** How many are kept. */
  readonly keep: number;
  /** Absolute folder. */
  readonly to: string;
}

const day = 86_400_000;
const days = (text: string): number => Number.parseInt(text, 10) * day;

export const storeConfig = ({ store }: Pick<Source, 'store'>, folder: string): StoreConfig => {
  const { path: given = './.crosswalk/crosswalk.db', schema = 'crosswalk' } = store ?? {};
  return { path: given === ':memory:' ? given : path.resolve(folder, given), schema };
};

export const keepConfig = ({ keep = {} }: Pick<Source, 'keep'>): KeepConfig => ({
  hooks: days(keep.hooks ?? '30d'),
  lineage: keep.lineage === undefined ? null : days(keep.lineage),
});

export const backupConfig = ({ backup }: Pick<Source, 'backup'>, folder: string): BackupConfig | undefined =>
  backup === undefined
    ? undefined
    : {
        at: scheduleOf(backup.at) ?? { every: day },
        keep: backup.keep ?? 7,
        to: path.resolve(folder, backup.to),
      };
