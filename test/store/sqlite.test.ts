import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, it } from 'vitest';
import { CrosswalkError } from '../../src/errors.ts';
import { schemaVersion } from '../../src/store/schema.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Group } from '../../src/store/store.ts';
import { storeContract } from './contract.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const newFile = (): string => {
  files += 1;
  return path.join(folder, `${files}.db`);
};

storeContract('SQLite in memory', () => new SqliteStore({ file: ':memory:' }));
storeContract('SQLite in memory, at once', () => new SqliteStore({ file: ':memory:', immediate: true }));
storeContract('SQLite in a file', () => new SqliteStore({ file: newFile() }));

const row = (id: string): Group => ({
  when: [],
  write: [{ op: 'put', table: 'cursor', row: { lane: id } }],
});

/** How many transactions stand in the write-ahead log: frames whose header names the database's size end one. */
const transactions = (file: string): number => {
  const wal = readFileSync(`${file}-wal`);
  const frame = 24 + wal.readUInt32BE(8);
  let n = 0;
  for (let at = 32; at + frame <= wal.length; at += frame) {
    const current = wal.subarray(at + 8, at + 16).equals(wal.subarray(16, 24));
    if (current && wal.readUInt32BE(at + 4) > 0) n += 1;
  }
  return n;
};

describe('group commit', () => {
  it('puts all commits of one turn into one transaction', async () => {
    const file = newFile();
    const store = new SqliteStore({ file });
    await store.commit([row('first')]);
    const before = transactions(file);
    const later = async (i: number): Promise<boolean[]> => {
      for (let n = 0; n < i % 4; n += 1) await Promise.resolve();
      return store.commit([row(`a${i}`), row(`b${i}`)]);
    };
    const outcomes = await Promise.all(Array.from({ length: 300 }, (_, i) => later(i)));
    expect(outcomes.flat()).toEqual(Array.from({ length: 600 }, () => true));
    expect(transactions(file) - before).toBe(1);
    await store.close();
  });

  it('gives each turn its own transaction', async () => {
    const file = newFile();
    const store = new SqliteStore({ file });
    await store.commit([row('first')]);
    const before = transactions(file);
    for (let i = 0; i < 5; i += 1) await store.commit([row(`a${i}`)]);
    expect(transactions(file) - before).toBe(5);
    await store.close();
  });

  it('acknowledges nothing of a transaction that failed', async () => {
    const store = new SqliteStore({ file: ':memory:' });
    const impossible: Group = {
      when: [],
      write: [{ op: 'put', table: 'run', row: { id: { not: 'a text' } } }],
    };
    const outcomes = await Promise.allSettled([
      store.commit([row('a')]),
      store.commit([impossible]),
      store.commit([row('b')]),
    ]);
    for (const [i, id] of [
      [0, 'a'],
      [2, 'b'],
    ] as const) {
      const found = await store.get('cursor', { lane: id });
      expect(found !== undefined, `${id} was ${outcomes[i]?.status}`).toBe(
        outcomes[i]?.status === 'fulfilled',
      );
    }
    expect(outcomes[1]?.status).toBe('rejected');
    await store.close();
  });

  it('writes what was handed in before it closes, and refuses what comes after', async () => {
    const file = newFile();
    const store = new SqliteStore({ file });
    const last = store.commit([row('last')]);
    await store.close();
    expect(await last).toEqual([true]);
    await expect(store.commit([row('late')])).rejects.toThrow();
    const again = new SqliteStore({ file });
    expect(await again.get('cursor', { lane: 'last' })).toBeDefined();
    expect(await again.get('cursor', { lane: 'late' })).toBeUndefined();
    await again.close();
  });
});

describe('an abrupt end', () => {
  it('keeps every row that was acknowledged before kill -9', { timeout: 30_000 }, async () => {
    const file = newFile();
    const script = fileURLToPath(new URL('child.ts', import.meta.url));
    const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let told = '';
    await new Promise<void>((done) => {
      child.on('close', () => done());
      child.stdout.on('data', (chunk: Buffer) => {
        told += chunk.toString();
        if (told.length > 2000) child.kill('SIGKILL');
      });
    });
    expect(child.signalCode).toBe('SIGKILL');
    const acknowledged = told.split('\n').slice(0, -1);
    expect(acknowledged.length).toBeGreaterThan(100);
    const store = new SqliteStore({ file });
    const rows = await store.many(
      'hook',
      acknowledged.map((id) => ({ id })),
    );
    expect(acknowledged.filter((_, i) => rows[i] === undefined)).toEqual([]);
    expect(rows.every((one) => Buffer.isBuffer(one?.['body']) && one['body'].length === 3000)).toBe(true);
    await store.close();
  });

  it('has everything on disk when it acknowledges: a copy of the files has it too', async () => {
    const file = newFile();
    const copy = newFile();
    const store = new SqliteStore({ file });
    await Promise.all([store.commit([row('a')]), store.commit([row('b')])]);
    copyFileSync(file, copy);
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
    const copied = new SqliteStore({ file: copy });
    expect(await copied.many('cursor', [{ lane: 'a' }, { lane: 'b' }])).toMatchObject([
      { lane: 'a' },
      { lane: 'b' },
    ]);
    await copied.close();
    await store.close();
  });
});

describe('the schema', () => {
  it('is the same when a store is opened again, with its rows', async () => {
    const file = newFile();
    const store = new SqliteStore({ file });
    await store.commit([row('a')]);
    await store.close();
    const again = new SqliteStore({ file });
    expect(await again.get('cursor', { lane: 'a' })).toBeDefined();
    await again.close();
  });

  it('of the release before gets the tables and indexes that were added since, and keeps its rows', async () => {
    const file = newFile();
    const store = new SqliteStore({ file });
    await store.commit([row('a')]);
    await store.close();
    const before = new Database(file);
    before.exec('DROP TABLE plan_item; DROP INDEX lineage_at');
    before.close();
    const [one, other] = [new SqliteStore({ file }), new SqliteStore({ file })];
    const item = { plan: 'p', item: 'i', kind: 'k', subject: 's', state: 'open', body: {}, at: 1 };
    await one.commit([{ when: [], write: [{ op: 'put', table: 'plan_item', row: item }] }]);
    expect(await other.list('plan_item', 'state', { where: { plan: 'p', state: 'open' }, limit: 9 })).toEqual(
      [item],
    );
    expect(await other.get('cursor', { lane: 'a' })).toBeDefined();
    await Promise.all([one.close(), other.close()]);
    const after = new Database(file);
    expect(after.prepare("SELECT 1 FROM sqlite_master WHERE name = 'lineage_at'").get()).toBeDefined();
    after.close();
  });

  it('of a newer release is refused, and the file is left as it is', async () => {
    const file = newFile();
    const db = new Database(file);
    db.exec('CREATE TABLE cursor (future TEXT)');
    db.pragma(`user_version = ${schemaVersion + 1}`);
    db.close();
    let refused: unknown;
    try {
      await new SqliteStore({ file }).close();
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(CrosswalkError);
    expect(refused).toMatchObject({
      code: 'store-newer',
      params: { found: schemaVersion + 1, known: schemaVersion },
    });
    expect((refused as CrosswalkError).message).toContain(file);
    const after = new Database(file);
    expect(after.pragma('user_version', { simple: true })).toBe(schemaVersion + 1);
    expect(after.prepare('SELECT name FROM sqlite_master').all()).toEqual([{ name: 'cursor' }]);
    after.close();
  });
});
