/**
 * Backups by schedule: each is taken by a process of its own, restored elsewhere, verified, and only then counts. One
 * that fails or is overdue raises an alarm, and is tried again.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cron } from 'croner';
import type { BackupConfig } from '../config-store.ts';
import type { Hub } from '../sync/hub.ts';
import type { Backup } from './backup.ts';
import type { Where } from './open.ts';
import type { Store } from './store.ts';
import type { Trial } from './trial.ts';

export interface BackupJob {
  readonly where: Where;
  readonly file: string;
  /** UTC ms. */
  readonly now: number;
}

export interface BackupResult {
  readonly backup: Backup;
  readonly trial: Trial;
}

/** The last backup that counts, as the store keeps it. */
export interface LastBackup {
  /** UTC ms. */
  readonly at: number;
  readonly file: string;
  readonly size: number;
  readonly records: number;
  readonly differences: number;
}

const setting = 'backup';
/** ms after which one that is due counts as overdue. */
const grace = 3_600_000;
const retry = 10 * 60_000;
/** ms; a process that takes longer is ended. */
const mostTime = 12 * 3_600_000;

const here = fileURLToPath(import.meta.url);
const program = path.join(
  path.dirname(here),
  here.endsWith('.ts') ? 'backup-process.ts' : 'backup-process.js',
);

export const lastBackup = async (store: Store): Promise<LastBackup | undefined> =>
  (await store.get('setting', { name: setting }))?.['value'] as LastBackup | undefined;

/** UTC ms of the next one; at once where there is none yet. */
export const nextBackup = ({ at }: Pick<BackupConfig, 'at'>, last: LastBackup | undefined): number => {
  if (last === undefined) return 0;
  if ('every' in at) return last.at + at.every;
  return new Cron(at.cron).nextRun(new Date(last.at))?.getTime() ?? Number.POSITIVE_INFINITY;
};

/** True if one should have been made an hour ago. */
export const isOverdue = (next: number, now: number): boolean => next > 0 && now - next > grace;

export class Backups {
  readonly #config: BackupConfig;
  readonly #where: Where;
  readonly #hub: Hub;
  #process: ChildProcess | undefined;
  #stopped = false;

  constructor(config: BackupConfig, where: Where, hub: Hub) {
    this.#config = config;
    this.#where = where;
    this.#hub = hub;
  }

  /** Makes one if it is due; ms until the next look. */
  async pass(): Promise<number | null> {
    const { store, now } = this.#hub;
    const next = nextBackup(this.#config, await lastBackup(store));
    if (this.#stopped) return null;
    if (now() < next) return Math.min(next - now(), 60_000);
    if (isOverdue(next, now()))
      this.#hub.alarm(
        'backup',
        `a backup has been due since ${new Date(next).toISOString()}: it is made now`,
      );
    try {
      await this.#make(now());
      return 0;
    } catch (error) {
      if (!this.#stopped)
        this.#hub.alarm(
          'backup',
          `no backup was made: ${error instanceof Error ? error.message : String(error)} It is tried again in ten minutes.`,
        );
      return retry;
    }
  }

  /** Ends one that is under way. */
  stop(): void {
    this.#stopped = true;
    this.#process?.kill('SIGKILL');
  }

  async #make(now: number): Promise<void> {
    const { to } = this.#config;
    const stamp = new Date(now).toISOString().replaceAll(/[-:]|\.\d+/gu, '');
    const file = path.join(to, `crosswalk-${stamp}.backup.gz`);
    const { backup, trial } = await this.#run({ where: this.#where, file, now });
    const value: LastBackup = {
      at: now,
      file: backup.file,
      size: backup.size,
      records: trial.records,
      differences: trial.differences,
    };
    await this.#hub.store.commit([
      {
        when: [],
        write: [{ op: 'put', table: 'setting', row: { name: setting, value, at: now, by: 'crosswalk' } }],
      },
    ]);
    this.#forget();
    if (trial.differences === 0) this.#hub.clear?.('backup');
    else
      this.#hub.alarm(
        'backup',
        `a backup was made, and in it ${trial.differences} things are not what lineage tells, first: ${trial.first[0]?.record}: ${trial.first[0]?.text}. crosswalk store verify tells each`,
      );
  }

  /** All but the newest go, and what a process that was ended left behind. */
  #forget(): void {
    const names = readdirSync(this.#config.to);
    for (const name of names.filter((one) => /^\.restore-|\.backup\.gz\.\w+\.part$/u.test(one)))
      rmSync(path.join(this.#config.to, name), { recursive: true, force: true });
    const own = names.filter((name) => /^crosswalk-\d{8}T\d{6}Z\.backup\.gz$/u.test(name));
    for (const name of own.sort().slice(0, -this.#config.keep)) rmSync(path.join(this.#config.to, name));
  }

  /** The job travels by message: an address holds a password, and arguments are seen by everybody. */
  #run(job: BackupJob): Promise<BackupResult> {
    return new Promise((resolve, reject) => {
      const made = fork(program, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], execArgv: [] });
      this.#process = made;
      const timer = setTimeout(() => made.kill('SIGKILL'), mostTime);
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#process = undefined;
        settle();
      };
      made.on('message', (said: { readonly result?: BackupResult; readonly fault?: string }) => {
        if (said.result !== undefined) end(() => resolve(said.result as BackupResult));
        else end(() => reject(new Error(said.fault)));
      });
      made.on('error', (error) => end(() => reject(error)));
      made.on('exit', (code, signal) =>
        end(() => reject(new Error(`its process ended by itself (${signal ?? code}).`))),
      );
      made.send(job, (error) => error !== null && end(() => reject(error)));
    });
  }
}
