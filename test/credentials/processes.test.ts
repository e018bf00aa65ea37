/** Several processes renew one connection's tokens: over HTTP, with a store that they share. */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newKey, readKeys } from '../../src/credentials/keys.ts';
import { keyUse, rotateKeys } from '../../src/credentials/rotation.ts';
import { openStore, type Where } from '../../src/store/open.ts';
import { lacksPostgres, Postgres } from '../postgres.ts';
import type { CallResult } from './child.ts';
import { installation, Issuer, type IssuerOptions } from './issuer.ts';

const program = fileURLToPath(new URL('./child.ts', import.meta.url));

/** Of a test's context: tests that run at the same time have each their own. */
type Finished = (end: () => void) => void;

class Caller {
  readonly child: ChildProcess;
  readonly #text: string[] = [];

  constructor(folder: string, env: Record<string, string>) {
    this.child = fork(program, [folder], {
      execArgv: [],
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk: Buffer) => this.#text.push(chunk.toString()));
  }

  heard<Message>(): Promise<Message> {
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error(`the process ended: ${this.#text.join('')}`));
      this.child.once('exit', gone);
      this.child.once('message', (message) => {
        this.child.off('exit', gone);
        resolve(message as Message);
      });
    });
  }

  async call(calls: number): Promise<CallResult> {
    const answer = this.heard<CallResult>();
    this.child.send({ calls });
    const result = await answer;
    this.#text.push(...result.errors, ...result.log);
    return result;
  }

  /** Everything that it has ever said. */
  get said(): string {
    return this.#text.join('\n');
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}

/** One installation with its token server and any number of processes. */
class Scene {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-credentials-'));
  readonly callers: Caller[] = [];
  readonly key = newKey();
  readonly issuer: Issuer;
  readonly where: Where;
  readonly #env: Record<string, string>;

  private constructor(issuer: Issuer, url: string | undefined) {
    this.issuer = issuer;
    this.where =
      url === undefined
        ? { file: path.join(this.folder, '.crosswalk/crosswalk.db') }
        : { url, schema: 'crosswalk' };
    this.#env = url === undefined ? {} : { DATABASE_URL: url };
    installation(this.folder, issuer, 'keyRef: "${file:keys}"\n');
    this.useKeys(this.key);
  }

  static async begin(options: IssuerOptions, finished: Finished, url?: string): Promise<Scene> {
    const scene = new Scene(await Issuer.start(options), url);
    finished(() => scene.end());
    return scene;
  }

  useKeys(...keys: string[]): void {
    writeFileSync(path.join(this.folder, 'keys'), keys.join('\n'));
  }

  async caller(first = this.issuer.first): Promise<Caller> {
    const made = new Caller(this.folder, { ...this.#env, PARTNER_REFRESH: first });
    this.callers.push(made);
    await made.heard();
    return made;
  }

  /** The bytes of the store's files, where it has any, and everything that was said. */
  text(): string {
    const files = 'file' in this.where ? path.dirname(this.where.file) : undefined;
    const bytes =
      files === undefined
        ? []
        : readdirSync(files).map((name) => readFileSync(path.join(files, name), 'latin1'));
    return [...bytes, ...this.callers.map(({ said }) => said)].join('\n');
  }

  end(): void {
    for (const caller of this.callers) caller.end();
    this.issuer.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const leaked = (scene: Scene): string[] =>
  [...scene.issuer.secrets, scene.key].filter((secret) => scene.text().includes(secret));

const story = (name: string, begin: (options: IssuerOptions, finished: Finished) => Promise<Scene>): void => {
  // Mostly waits for leases to pass.
  describe.concurrent(name, { timeout: 120_000 }, () => {
    it('a hundred calls in two processes lead to one renewal, again when the token is refused', async ({
      onTestFinished,
    }) => {
      const scene = await begin({ slow: 300 }, onTestFinished);
      const [one, two] = await Promise.all([scene.caller(), scene.caller()]);
      const first = await Promise.all([one.call(50), two.call(50)]);
      expect(first.map(({ good, errors }) => ({ good, errors }))).toEqual([
        { good: 50, errors: [] },
        { good: 50, errors: [] },
      ]);
      expect(scene.issuer.renewals).toBe(1);
      scene.issuer.revoke();
      const second = await Promise.all([one.call(50), two.call(50)]);
      expect(second.map(({ good }) => good)).toEqual([50, 50]);
      expect(scene.issuer.renewals).toBe(2);
      // Who starts later finds what is kept.
      expect((await (await scene.caller()).call(3)).good).toBe(3);
      expect(scene.issuer.renewals).toBe(2);
      expect(scene.issuer.refused).toBe(0);
      expect(leaked(scene)).toEqual([]);
    });

    it('kill -9 after it: the error says that both are gone, and a new authorisation goes on', async ({
      onTestFinished,
    }) => {
      const scene = await begin({}, onTestFinished);
      let arrived = (): void => undefined;
      const held = new Promise<void>((resolve) => (arrived = resolve));
      scene.issuer.after = async () => {
        scene.issuer.after = async () => undefined;
        arrived();
        await new Promise(() => undefined);
      };
      const [one, two] = await Promise.all([scene.caller(), scene.caller()]);
      void one.call(1).catch(() => undefined);
      await held;
      one.end();
      const { errors } = await two.call(1);
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatch(
        /forbidden: The remote has dropped the refresh token of connection partner .*nobody knows how it ended/u,
      );
      const anew = await scene.caller(scene.issuer.authorise());
      expect((await anew.call(5)).errors).toEqual([]);
      expect(leaked(scene)).toEqual([]);
    });

    it('keys rotate while two processes renew all the time; afterwards the old key seals nothing', async ({
      onTestFinished,
    }) => {
      const scene = await begin({ life: 1 }, onTestFinished);
      const [one, two] = await Promise.all([scene.caller(), scene.caller()]);
      expect((await one.call(1)).errors).toEqual([]);
      const next = newKey();
      const results: CallResult[] = [];
      const over = new AbortController();
      const busy = [one, two].map(async (caller) => {
        while (!over.signal.aborted) {
          results.push(await caller.call(5));
          await sleep(50);
        }
      });
      await sleep(1500);
      scene.useKeys(next, scene.key);
      const store = await openStore(scene.where);
      const keys = readKeys(`${next},${scene.key}`, 'test');
      const old = readKeys(scene.key, 'test');
      const done = await rotateKeys({ store, keys, now: Date.now, by: 'test' });
      expect(done).toMatchObject({ to: keys[0]?.id, opened: 1, left: [] });
      const before = scene.issuer.renewals;
      while (scene.issuer.renewals < before + 3) await sleep(100);
      over.abort();
      await Promise.all(busy);
      expect(results.flatMap(({ errors }) => errors)).toEqual([]);
      const use = await keyUse(store, keys);
      expect(use.map(({ rows, seals }) => ({ rows, seals }))).toEqual([
        { rows: 1, seals: true },
        { rows: 0, seals: false },
      ]);
      // Who knows only the old key can neither open nor seal.
      scene.useKeys(scene.key);
      await sleep(1200);
      const { errors } = await one.call(1);
      expect(errors.join()).toContain(`with key ${keys[0]?.id}, which is not among the keys here`);
      expect((await keyUse(store, old)).find(({ id }) => id === old[0]?.id)?.rows).toBe(0);
      await store.close();
      expect(leaked(scene)).toEqual([]);
    });
  });
};

describe.concurrent('whatever the store', { timeout: 120_000 }, () => {
  const begin = Scene.begin;

  it('kill -9 before the remote has worked a renewal: another takes it up with the token that is still good', async ({
    onTestFinished,
  }) => {
    const scene = await begin({}, onTestFinished);
    let arrived = (): void => undefined;
    const held = new Promise<void>((resolve) => (arrived = resolve));
    scene.issuer.before = async () => {
      scene.issuer.before = async () => undefined;
      arrived();
      await new Promise(() => undefined);
    };
    const [one, two] = await Promise.all([scene.caller(), scene.caller()]);
    void one.call(1).catch(() => undefined);
    await held;
    one.end();
    expect((await two.call(20)).errors).toEqual([]);
    expect(scene.issuer.renewals).toBe(1);
    expect(leaked(scene)).toEqual([]);
  });

  it('a holder that hung past its lease brings its token in, where nobody has stored a newer one', async ({
    onTestFinished,
  }) => {
    const scene = await begin({}, onTestFinished);
    let arrived = (): void => undefined;
    let answer = (): void => undefined;
    const held = new Promise<void>((resolve) => (arrived = resolve));
    scene.issuer.after = async () => {
      scene.issuer.after = async () => undefined;
      arrived();
      await new Promise<void>((resolve) => (answer = resolve));
    };
    const [one, two] = await Promise.all([scene.caller(), scene.caller()]);
    const late = one.call(1);
    await held;
    one.child.kill('SIGSTOP');
    // The lease passes; the other is refused what the first has used up.
    expect((await two.call(1)).errors).toHaveLength(1);
    answer();
    one.child.kill('SIGCONT');
    expect((await late).errors).toEqual([]);
    expect((await two.call(10)).errors).toEqual([]);
    expect(scene.issuer.renewals).toBe(1);
    expect(leaked(scene)).toEqual([]);
  });

  it('an answer that is cut off leaves the old token, and the error tells both are gone', async ({
    onTestFinished,
  }) => {
    const scene = await begin({}, onTestFinished);
    scene.issuer.cut = 1;
    const one = await scene.caller();
    const { errors } = await one.call(1);
    // The first try is cut off; the second is refused what the first has used up.
    expect(errors.join()).toContain('nobody knows how it ended');
    expect(leaked(scene)).toEqual([]);
  });
});

story('SQLite', (options, finished) => Scene.begin(options, finished));

describe.skipIf(lacksPostgres)('on a server', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await Postgres.start(['fsync=off']);
  });
  afterAll(() => server.end());
  story('PostgreSQL', async (options, finished) => {
    const scene = await Scene.begin(options, finished, await server.database());
    await (await openStore(scene.where)).close();
    return scene;
  });
});

describe('without a key', () => {
  it('nothing is opened, sent or stored', async ({ onTestFinished }) => {
    const scene = await Scene.begin({}, onTestFinished);
    scene.useKeys('');
    rmSync(path.join(scene.folder, 'keys'));
    installation(scene.folder, scene.issuer);
    await expect(scene.caller()).rejects.toThrow('there is no master key to seal them with');
    expect(scene.issuer.renewals).toBe(0);
    expect(readdirSync(scene.folder)).not.toContain('.crosswalk');
  });
});
