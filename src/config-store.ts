/** Where the store is, how long it keeps what it need not keep, and when it is backed up. */
import path from 'node:path';
import { CrosswalkError } from './errors.ts';
import { scheduleOf, type Schedule, type Source } from './config-check.ts';

export interface StoreConfig {
  /** Absolute, or `:memory:`. Where DATABASE_URL is set, the store is in that database instead. */
  readonly path: string;
  /** The schema in a database. */
  readonly schema: string;
  /** Bytes of its disk that are left free: with less, nothing new is taken in. */
  readonly reserve: number;
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

export interface StoreSettings {
  readonly store: StoreConfig;
  readonly keep: KeepConfig;
  /** Absent: nothing is backed up by itself. */
  readonly backup?: BackupConfig | undefined;
}

const day = 86_400_000;
const days = (text: string): number => Number.parseInt(text, 10) * day;

const storeConfig = ({ store }: Pick<Source, 'store'>, folder: string): StoreConfig => {
  const { path: given = './.crosswalk/crosswalk.db', schema = 'crosswalk', reserve = '100MB' } = store ?? {};
  const bytes = Number.parseInt(reserve, 10) * (reserve.endsWith('GB') ? 1024 ** 3 : 1024 ** 2);
  return { path: given === ':memory:' ? given : path.resolve(folder, given), schema, reserve: bytes };
};

const keepConfig = ({ keep = {} }: Pick<Source, 'keep'>): KeepConfig => ({
  hooks: days(keep.hooks ?? '30d'),
  lineage: keep.lineage === undefined ? null : days(keep.lineage),
});

const backupConfig = ({ backup }: Pick<Source, 'backup'>, folder: string): BackupConfig | undefined =>
  backup === undefined
    ? undefined
    : {
        at: scheduleOf(backup.at) ?? { every: day },
        keep: backup.keep ?? 7,
        to: path.resolve(folder, backup.to),
      };

export const storeSettings = (source: Source, folder: string): StoreSettings => ({
  store: storeConfig(source, folder),
  keep: keepConfig(source),
  backup: backupConfig(source, folder),
});

/** Throws CrosswalkError `config-environment` for what is no address of a database; it is not shown, for its password. */
export const checkDatabase = (url: string | undefined): void => {
  if (!url || (/^postgres(?:ql)?:\/\//u.test(url) && URL.canParse(url))) return;
  throw new CrosswalkError('config-environment', {
    name: 'DATABASE_URL',
    detail: 'is not an address such as postgres://user:password@host:5432/database',
  });
};
