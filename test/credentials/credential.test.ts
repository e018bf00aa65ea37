/** Rows of `credential`, their leases and fences, and the rotation of keys: the same on both stores. */
import { array, assert, asyncProperty, constantFrom, integer, tuple } from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  Credential,
  leaseMs,
  openKept,
  sealingOf,
  type CredentialRow,
  type Kept,
} from '../../src/credentials/credential.ts';
import { newKey, readKeys, seal, type MasterKey } from '../../src/credentials/keys.ts';
import { forgetCredential, keyUse, rotateKeys } from '../../src/credentials/rotation.ts';
import { PostgresStore } from '../../src/store/postgres.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { lacksPostgres, Postgres } from '../postgres.ts';

const at = { connection: 'crm', name: 'login' };
const now = 1_800_000_000_000;
const kept = (access: string): Kept => ({ grant: { access, refresh: `r-${access}` }, at: now, seed: 's' });
const keysOf = (text = newKey()): MasterKey[] => readKeys(text, 'test');

/** One process as the row sees it. */
class Process {
  readonly row: Credential;
  readonly store: Store;
  readonly keys: readonly MasterKey[];
  constructor(store: Store, keys: readonly MasterKey[], name: string) {
    this.store = store;
    this.keys = keys;
    this.row = new Credential(store, at, name);
  }

  async take(time = now): Promise<boolean> {
    const seen = await this.row.read();
    return this.row.take(seen, await sealingOf(this.store, this.keys, at.connection, time), time);
  }

  /** As the holder does: over the grant that it has seen. */
  async keep(access: string, seen?: CredentialRow): Promise<boolean> {
    const sealing = await sealingOf(this.store, this.keys, at.connection, now);
    return this.row.keep(seen ?? (await this.row.read()), kept(access), sealing);
  }

  async held(): Promise<string | undefined> {
    const row = await this.row.read();
    return row === undefined ? undefined : openKept(row, this.keys)?.grant.access;
  }
}

const contract = (name: string, runs: number, open: () => Promise<Store>): void => {
  describe(`${name}: credentials`, () => {
    let store: Store;
    let keys: MasterKey[];
    beforeEach(async () => {
      store = await open();
      keys = keysOf();
    });
    afterEach(() => store.close());

    const process = (of: string, with_ = keys): Process => new Process(store, with_, of);

    it('of many that want to renew one does', async () => {
      const all = Array.from({ length: 20 }, (_, i) => process(`p${i}`));
      const won = await Promise.all(all.map((one) => one.take()));
      expect(won.filter(Boolean)).toHaveLength(1);
      const winner = all[won.indexOf(true)];
      expect(await winner?.keep('first')).toBe(true);
      expect(await Promise.all(all.slice(0, 3).map((one) => one.held()))).toEqual([
        'first',
        'first',
        'first',
      ]);
      expect(await winner?.row.read()).toMatchObject({ fence: 1, holder: null, until: null, begun: null });
    });

    it('a holder whose lease has passed cannot overwrite what another has stored since', async () => {
      const [slow, quick] = [process('slow'), process('quick')];
      await slow.take();
      const seen = await slow.row.read();
      expect(await quick.row.take(seen, await sealingOf(store, keys, 'crm', now), now + leaseMs + 1)).toBe(
        true,
      );
      expect(await quick.keep('newer')).toBe(true);
      expect(await slow.keep('older', seen)).toBe(false);
      expect(await slow.row.prolong(0, now)).toBe(false);
      expect(await slow.row.release(0, null)).toBe(false);
      expect(await quick.held()).toBe('newer');
    });

    it('a holder whose lease was taken over stores nothing while the other renews, and what it has once that gave up', async () => {
      const [slow, quick] = [process('slow'), process('quick')];
      await slow.take();
      const seen = await slow.row.read();
      await quick.row.take(seen, await sealingOf(store, keys, 'crm', now), now + leaseMs + 1);
      expect(await slow.keep('late', seen)).toBe(false);
      expect(await quick.row.release(0, now)).toBe(true);
      expect(await slow.keep('late')).toBe(true);
      expect(await quick.held()).toBe('late');
    });

    it('remembers since when nobody knows how a renewal ended, until one is stored', async () => {
      const [one, two] = [process('one'), process('two')];
      await one.take(now);
      expect((await one.row.read())?.begun).toBe(now);
      await two.row.take(await two.row.read(), await sealingOf(store, keys, 'crm', now), now + 20_000);
      expect((await one.row.read())?.begun).toBe(now);
      await two.keep('known');
      expect((await one.row.read())?.begun).toBeNull();
    });

    it('whatever order processes take, keep, hang and die in, each token renews the one stored before it', async () => {
      const what = constantFrom('take', 'take', 'take', 'keep', 'keep', 'release', 'die');
      const step = tuple(what, integer({ min: 0, max: 2 }), constantFrom(0, 100, leaseMs + 1));
      let course = 0;
      await assert(
        asyncProperty(array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
          course += 1;
          const key = { connection: `c${course}`, name: 'login' };
          let clock = now;
          const running = [0, 1, 2].map((i) => ({
            credential: new Credential(store, key, `p${i}`),
            seen: undefined as CredentialRow | undefined,
            isHolding: false,
          }));
          let stored = 0;
          for (const [deed, which, ms] of steps) {
            clock += ms;
            const one = running[which];
            if (one === undefined) continue;
            const sealing = await sealingOf(store, keys, key.connection, clock);
            if (deed === 'die') {
              running[which] = {
                ...one,
                credential: new Credential(store, key, `p${which}-${clock}`),
                isHolding: false,
              };
            } else if (deed === 'take' && !one.isHolding) {
              const seen = await one.credential.read();
              if (seen !== undefined && seen.holder !== null && (seen.until ?? 0) > clock) continue;
              one.isHolding = await one.credential.take(seen, sealing, clock);
              one.seen = one.isHolding ? await one.credential.read() : undefined;
            } else if (deed === 'release' && one.isHolding) {
              await one.credential.release(one.seen?.fence ?? 0, null);
              one.isHolding = false;
            } else if (deed === 'keep' && one.isHolding) {
              const from = one.seen?.fence ?? 0;
              const before = await one.credential.read();
              if (await one.credential.keep(one.seen, kept(`${from + 1}`), sealing)) {
                expect(before?.fence).toBe(from);
                expect(stored).toBe(from);
                stored = from + 1;
              } else expect(before?.fence !== from || before.holder !== one.seen?.holder).toBe(true);
              one.isHolding = false;
            }
          }
          const last = await running[0]?.credential.read();
          expect(last?.fence ?? 0).toBe(stored);
        }),
        { numRuns: runs },
      );
    });

    it('a row that is copied to another connection does not open there', async () => {
      const one = process('one');
      await one.take();
      await one.keep('mine');
      const row = await store.get('credential', at);
      await store.commit([
        { when: [], write: [{ op: 'put', table: 'credential', row: { ...row, connection: 'other' } }] },
      ]);
      const moved = await new Credential(store, { connection: 'other', name: 'login' }, 'x').read();
      expect(() => moved && openKept(moved, keys)).toThrow(
        'What is stored for connection other does not open',
      );
    });

    describe('rotating keys', () => {
      const fill = async (n: number, with_: MasterKey[]): Promise<void> => {
        const [key] = with_;
        if (key === undefined) return;
        const rows = Array.from({ length: n }, (_, i) => ({ connection: `c${i}`, name: 'login' }));
        await store.commit(
          rows.map((row, i) => ({
            when: [],
            write: [
              {
                op: 'put' as const,
                table: 'credential' as const,
                row: {
                  ...row,
                  sealed: seal(key, row, `{"grant":{"access":"a${i}"},"seed":"s","at":1}`),
                  key: key.id,
                  fence: i,
                  at: now,
                },
              },
            ],
          })),
        );
      };
      const asked = (with_: readonly MasterKey[], patience = 2000) =>
        rotateKeys({ store, keys: with_, now: Date.now, by: 'test', patience });

      it('moves every row, leaves its fence, and proves it: none under the old key, all open with the new alone', async () => {
        await fill(120, keys);
        const next = keysOf();
        const done = await asked([...next, ...keys]);
        expect(done).toMatchObject({ to: next[0]?.id, resealed: 120, opened: 120, left: [] });
        expect(done.keys.map(({ rows }) => rows)).toEqual([120, 0]);
        const rows = await store.list('credential', 'key', { where: { key: keys[0]?.id }, limit: 1 });
        expect(rows).toEqual([]);
        expect((await store.get('credential', { connection: 'c7', name: 'login' }))?.['fence']).toBe(7);
        expect(await asked([...next, ...keys])).toMatchObject({ resealed: 0, opened: 120 });
      });

      it('from then on nobody seals with keys that lack the new one', async () => {
        const [old, fresh] = [process('old'), keysOf()];
        await old.take();
        await old.keep('first');
        await asked([...fresh, ...keys]);
        await expect(old.take()).rejects.toMatchObject({ code: 'key-unknown' });
        // Whatever order the keys of a process stand in, the store says which seals.
        const both = process('both', [...keys, ...fresh]);
        expect(await both.take()).toBe(true);
        expect(await both.keep('second')).toBe(true);
        expect((await both.row.read())?.key).toBe(fresh[0]?.id);
      });

      it('waits for a renewal under way, and seals what that has stored under the old key', async () => {
        const [old, fresh] = [process('old'), keysOf()];
        const sealing = await sealingOf(store, keys, 'crm', Date.now());
        await old.row.take(undefined, sealing, Date.now());
        const rotating = asked([...fresh, ...keys], 60_000);
        setTimeout(() => void old.row.read().then((seen) => old.row.keep(seen, kept('late'), sealing)), 300);
        expect(await rotating).toMatchObject({ resealed: 1, opened: 1, left: [] });
        expect(await process('new', fresh).held()).toBe('late');
      });

      it('a holder that hung through it stores nothing under the old key when it wakes', async () => {
        const [old, fresh] = [process('old'), keysOf()];
        const sealing = await sealingOf(store, keys, 'crm', now);
        await old.row.take(undefined, sealing, Date.now() - leaseMs - 1);
        const seen = await old.row.read();
        expect(await asked([...fresh, ...keys])).toMatchObject({ resealed: 0, opened: 0, left: [] });
        expect(await old.row.keep(seen, kept('old'), sealing)).toBe(false);
        expect(await old.row.keep(await old.row.read(), kept('old'), sealing)).toBe(false);
        expect((await keyUse(store, keys)).find(({ id }) => id === keys[0]?.id)?.rows).toBe(0);
      });

      it('tells a row whose key is not here, moves the others, and lets it be forgotten', async () => {
        await fill(3, keys);
        const [lost, fresh] = [keysOf(), keysOf()];
        const row = { connection: 'lost', name: 'login', fence: 1, at: now };
        const sealed = seal(lost[0] as MasterKey, row, '{}');
        await store.commit([
          {
            when: [],
            write: [{ op: 'put', table: 'credential', row: { ...row, sealed, key: lost[0]?.id } }],
          },
        ]);
        const done = await asked([...fresh, ...keys]);
        expect(done).toMatchObject({ resealed: 3, opened: 3 });
        expect(done.left).toEqual([
          { connection: 'lost', why: expect.stringContaining('not among the keys here') },
        ]);
        expect(done.keys.filter(({ known }) => !known)).toMatchObject([{ id: lost[0]?.id, rows: 1 }]);
        expect(await forgetCredential(store, 'lost')).toBe(true);
        expect(await forgetCredential(store, 'lost')).toBe(false);
        expect(await asked([...fresh, ...keys])).toMatchObject({ left: [], opened: 3 });
      });

      it('without a key there is nothing to rotate to', async () => {
        await expect(asked([])).rejects.toMatchObject({ code: 'key-missing' });
      });
    });
  });
};

contract('SQLite', 150, async () => new SqliteStore({ file: ':memory:' }));

describe.skipIf(lacksPostgres)('on a server', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await Postgres.start(['fsync=off']);
  });
  afterAll(() => server.end());
  contract('PostgreSQL', 15, async () => PostgresStore.open({ url: await server.database() }));
});
