/**
 * A real PostgreSQL for tests: a server of the test file's own in a temporary folder, on a free loopback port, ended
 * afterwards. Where there is none the tests are skipped by name; with CI=true that is a failure.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';

const folders = (): string[] => {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return [
    ...(process.env['POSTGRES_BIN'] === undefined ? [] : [process.env['POSTGRES_BIN']]),
    '/usr/local/bin',
    ...versions.map((version) => path.join(debian, version, 'bin')),
    '/usr/bin',
  ];
};

/** The folder with initdb and postgres; undefined where there is none. */
export const postgresBin = folders().find((folder) =>
  ['initdb', 'postgres'].every((name) => existsSync(path.join(folder, name))),
);

/** True where the tests that need a PostgreSQL must be skipped. */
export const lacksPostgres = postgresBin === undefined;
if (lacksPostgres && process.env['CI'] === 'true')
  throw new Error('CI=true, and there is no PostgreSQL: apt-get install postgresql, or POSTGRES_BIN=…');

/** initdb refuses root: another user then runs the server. */
const user = (): { uid: number; gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) =>
      Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout.trim()),
    );
    if (uid !== undefined && gid !== undefined && uid > 0) return { uid, gid };
  }
  throw new Error('there is no user postgres or nobody to run PostgreSQL as');
};

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

export class Postgres {
  readonly folder: string;
  readonly port: number;
  #server: ChildProcess | undefined;
  #databases = 0;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
  }

  /** A new server with an empty cluster; `settings` such as `max_connections=20`. */
  static async start(settings: readonly string[] = []): Promise<Postgres> {
    const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-pg-'));
    const as = user();
    chmodSync(folder, 0o755);
    if (as !== undefined) chownSync(folder, as.uid, as.gid);
    const data = path.join(folder, 'data');
    const made = spawnSync(
      path.join(postgresBin ?? '', 'initdb'),
      ['-D', data, '-U', 'crosswalk', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N'],
      { ...as, cwd: folder, encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
    const server = new Postgres(folder, await freePort());
    await server.begin(settings);
    return server;
  }

  /** Starts the server (again) and waits until it answers. */
  async begin(settings: readonly string[] = []): Promise<void> {
    const data = path.join(this.folder, 'data');
    const given = [
      'listen_addresses=127.0.0.1',
      `port=${this.port}`,
      `unix_socket_directories=${this.folder}`,
    ];
    const args = ['-D', data, ...[...given, ...settings].flatMap((one) => ['-c', one])];
    this.#server = spawn(path.join(postgresBin ?? '', 'postgres'), args, {
      ...user(),
      cwd: this.folder,
      stdio: 'ignore',
    });
    const end = Date.now() + 30_000;
    for (;;) {
      try {
        await this.query('postgres', 'SELECT 1');
        return;
      } catch (error) {
        if (Date.now() > end) throw error;
        await sleep(50);
      }
    }
  }

  /** Ends it: at once and without a goodbye, or `fast` as an administrator would. */
  async stop(signal: 'SIGKILL' | 'SIGINT' | 'SIGQUIT' = 'SIGINT'): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const gone = new Promise((resolve) => server.once('exit', resolve));
    if (server.exitCode === null && server.signalCode === null) {
      server.kill(signal);
      await gone;
    }
    // The children of a killed server go by themselves once they see it; a new one must not start before.
    if (signal === 'SIGKILL') await sleep(300);
  }

  async end(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  urlOf(database: string): string {
    return `postgres://crosswalk@127.0.0.1:${this.port}/${database}`;
  }

  /** A new empty database; its URL. */
  async database(): Promise<string> {
    this.#databases += 1;
    const name = `test${this.#databases}`;
    await this.query('postgres', `CREATE DATABASE ${name}`);
    return this.urlOf(name);
  }

  async query(database: string, sql: string): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: this.urlOf(database), connectionTimeoutMillis: 2000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }
}
