/** PostgreSQL goes away under a store that works: killed, restarted, cut off. */
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PostgresStore } from '../../src/store/postgres.ts';
import type { Group } from '../../src/store/store.ts';
import { lacksPostgres, Postgres } from '../postgres.ts';
import { lacksVolume, Volume } from '../volume.ts';

const row = (lane: string): Group => ({
  when: [{ table: 'cursor', key: { lane }, is: null }],
  write: [
    { op: 'put', table: 'cursor', row: { lane } },
    { op: 'add', table: 'run', key: { id: 'sum' }, row: { read: 1 } },
  ],
});
const sum: Group = {
  when: [],
  write: [{ op: 'put', table: 'run', row: { id: 'sum', kind: 'poll', state: 'open', at: 1, read: 0 } }],
};

/** Passes bytes on; swallows what the server says from the moment it is told to, and can cut all connections. */
class Proxy {
  readonly #target: number;
  readonly #pairs = new Set<Socket>();
  #server: Server | undefined;
  port = 0;
  /** Called with what a client sends; true: it is passed on, and nothing comes back any more. */
  mute: (sent: Buffer) => boolean = () => false;

  constructor(target: number) {
    this.#target = target;
  }

  async open(): Promise<void> {
    this.#server = createServer((client) => {
      const server = connect(this.#target, '127.0.0.1');
      let isMute = false;
      this.#pairs.add(client).add(server);
      client.on('data', (chunk) => {
        isMute ||= this.mute(chunk);
        server.write(chunk);
      });
      server.on('data', (chunk) => void (isMute || client.write(chunk)));
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on('error', () => undefined);
        one.on('close', () => {
          this.#pairs.delete(one);
          other.destroy();
        });
      }
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as { port: number }).port;
  }

  cut(): void {
    for (const socket of this.#pairs) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

describe.skipIf(lacksPostgres)('PostgreSQL that goes away', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await Postgres.start();
  });
  afterAll(() => server.end());

  it.each(['SIGKILL', 'SIGINT'] as const)(
    'by %s and comes back: what was acknowledged is there, nothing is there twice, and work goes on',
    { timeout: 120_000 },
    async (signal) => {
      const store = await PostgresStore.open({ url: await server.database() });
      await store.commit([sum]);
      const acknowledged: string[] = [];
      const state = { done: false, failed: 0 };
      const worker = async (name: number): Promise<void> => {
        for (let i = 0; !state.done; i += 1) {
          try {
            const lane = `${name}.${i}`;
            const [made] = await store.commit([row(lane)]);
            expect(made, `${lane} was made before`).toBe(true);
            acknowledged.push(lane);
          } catch (error) {
            expect(error).toMatchObject({ code: 'store-away' });
            state.failed += 1;
          }
        }
      };
      const workers = Array.from({ length: 8 }, (_, i) => worker(i));
      for (let i = 0; i < 3; i += 1) {
        await sleep(300);
        await server.stop(signal);
        await sleep(200);
        await server.begin();
      }
      await sleep(500);
      state.done = true;
      await Promise.all(workers);
      const rows = await store.many(
        'cursor',
        acknowledged.map((lane) => ({ lane })),
      );
      expect(acknowledged.filter((_, i) => rows[i] === undefined)).toEqual([]);
      expect(acknowledged.length).toBeGreaterThan(20);
      // Every row was counted once: no transaction was half done, and none was done twice.
      const total = (await store.get('run', { id: 'sum' }))?.['read'];
      const all = await store.list('run', 'at', { where: {}, limit: 1 });
      expect(all).toHaveLength(1);
      expect(total).toBe(
        (
          await server.query(
            `test${signal === 'SIGKILL' ? 1 : 2}`,
            'SELECT count(*)::int AS n FROM crosswalk.cursor',
          )
        )[0]?.['n'],
      );
      await store.close();
    },
  );

  it(
    'is answered with what became of it where the answer to COMMIT is lost',
    { timeout: 60_000 },
    async () => {
      const proxy = new Proxy(server.port);
      await proxy.open();
      const url = await server.database();
      const store = await PostgresStore.open({ url: url.replace(`:${server.port}/`, `:${proxy.port}/`) });
      await store.commit([sum]);
      for (let i = 0; i < 5; i += 1) {
        // The server gets the COMMIT, and we never hear of it.
        const armed = { on: true };
        proxy.mute = (sent) => {
          if (!armed.on || !sent.includes('COMMIT')) return false;
          armed.on = false;
          setTimeout(() => proxy.cut(), 100);
          return true;
        };
        expect(await store.commit([row(`lost ${i}`)])).toEqual([true]);
        expect(armed.on).toBe(false);
      }
      // The server does not get it.
      for (let i = 0; i < 5; i += 1) {
        const armed = { on: true };
        proxy.mute = (sent) => {
          if (armed.on && sent.includes('pg_current_xact_id')) {
            armed.on = false;
            proxy.cut();
          }
          return false;
        };
        expect(await store.commit([row(`cut ${i}`)])).toEqual([true]);
      }
      proxy.mute = () => false;
      expect((await store.get('run', { id: 'sum' }))?.['read']).toBe(10);
      await store.close();
      await proxy.close();
    },
  );

  it('says that it is away, to who asks and who commits, and lets go', { timeout: 60_000 }, async () => {
    const store = await PostgresStore.open({ url: await server.database() });
    await store.commit([sum]);
    await server.stop();
    const answers = await Promise.allSettled([
      store.get('run', { id: 'sum' }),
      store.commit([row('late')]),
      PostgresStore.open({ url: server.urlOf('test4') }),
    ]);
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'store-away', status: 503 } });
    await server.begin();
    expect(await store.commit([row('late')])).toEqual([true]);
    expect((await store.get('run', { id: 'sum' }))?.['read']).toBe(1);
    await store.close();
  });

  it.skipIf(lacksVolume)(
    'says that its disk is full, and writes on once there is room',
    { timeout: 120_000 },
    async () => {
      const volume = new Volume(48);
      const url = await server.database();
      try {
        const place = path.join(volume.folder, 'tables');
        mkdirSync(place);
        const { uid, gid } = statSync(path.join(server.folder, 'data'));
        chownSync(place, uid, gid);
        await server.query('postgres', `CREATE TABLESPACE small LOCATION '${place}'`);
        const name = new URL(url).pathname.slice(1);
        await server.query('postgres', `ALTER DATABASE ${name} SET default_tablespace = small`);
        const store = await PostgresStore.open({ url });
        await store.commit([sum]);
        volume.fill();
        const write = (i: number): Promise<boolean[]> => {
          const value = randomBytes(50_000).toString('base64');
          const put = {
            op: 'put' as const,
            table: 'setting' as const,
            row: { name: `s${i}`, value, at: i, by: 't' },
          };
          return store.commit([{ when: [], write: [put] }]);
        };
        let taken = 0;
        const refused = await (async () => {
          for (;;) {
            try {
              await write(taken);
              taken += 1;
            } catch (error) {
              return error;
            }
          }
        })();
        expect(refused).toMatchObject({ code: 'store-full', status: 503 });
        expect(await store.count('setting', 'name', {})).toBe(taken);
        volume.empty();
        expect(await write(taken)).toEqual([true]);
        await store.close();
      } finally {
        // The server lets go of the files before the disk goes.
        await server.query('postgres', `DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
        await server.query('postgres', 'DROP TABLESPACE IF EXISTS small');
        volume.end();
      }
    },
  );

  it('tells who is not let in, without the password', async () => {
    const url = server.urlOf('no_such_database').replace('crosswalk@', 'crosswalk:secret-word@');
    const opened = PostgresStore.open({ url });
    await expect(opened).rejects.toMatchObject({ code: 'store-unusable' });
    await expect(opened).rejects.not.toThrow('secret-word');
  });
});
