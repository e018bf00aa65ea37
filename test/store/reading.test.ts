import Database from 'better-sqlite3';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { oldestSchema } from '../../src/store/schema.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const candidate = { entity: 'contact', a: 'a', b: 'b', why: 'same email', at: 1 };
const put = (
  row: object,
): { when: []; write: [{ op: 'put'; table: 'candidate'; row: Record<string, unknown> }] } => ({
  when: [],
  write: [{ op: 'put', table: 'candidate', row: { ...row } }],
});

describe('a store of the release before', () => {
  const older = async (file: string): Promise<void> => {
    const store = new SqliteStore({ file });
    await store.commit([put(candidate)]);
    await store.close();
    const db = new Database(file);
    db.exec('ALTER TABLE candidate DROP COLUMN score; ALTER TABLE candidate DROP COLUMN explanation');
    db.close();
  };

  it('gets the columns that were added since, keeps its rows, and its version', async () => {
    const file = path.join(folder, 'older.db');
    await older(file);
    const store = new SqliteStore({ file });
    expect(await store.get('candidate', { entity: 'contact', a: 'a', b: 'b' })).toEqual({
      ...candidate,
      score: null,
      explanation: null,
    });
    await store.commit([put({ ...candidate, b: 'c', score: 950_000, explanation: { bits: 4 } })]);
    expect(await store.get('candidate', { entity: 'contact', a: 'a', b: 'c' })).toMatchObject({
      score: 950_000,
      explanation: { bits: 4 },
    });
    await store.close();
    const db = new Database(file);
    expect(db.pragma('user_version', { simple: true })).toBe(oldestSchema);
    // As the release before writes it.
    db.exec(
      "INSERT OR REPLACE INTO candidate (entity, a, b, why, at) VALUES ('contact', 'x', 'y', 'same email', 2)",
    );
    db.close();
  });

  it('also where several processes open it at once', { timeout: 60_000 }, async () => {
    const file = path.join(folder, 'older.db');
    await older(file);
    const code = `const { SqliteStore } = await import(${JSON.stringify(new URL('../../src/store/sqlite.ts', import.meta.url).href)}); await new SqliteStore({ file: ${JSON.stringify(file)} }).close();`;
    const codes = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<number | null>((resolve) => {
            spawn(process.execPath, ['--input-type=module', '-e', code]).on('close', resolve);
          }),
      ),
    );
    expect(codes).toEqual([0, 0, 0]);
  });
});

describe('a store that is only read', () => {
  it('answers, also beside one that writes, and writes nothing', async () => {
    const file = path.join(folder, 'store.db');
    const writing = new SqliteStore({ file });
    await writing.commit([put(candidate)]);
    const reading = new SqliteStore({ file, readOnly: true });
    expect(
      await reading.list('candidate', 'entity', { where: { entity: 'contact' }, limit: 9 }),
    ).toHaveLength(1);
    await writing.commit([put({ ...candidate, b: 'c' })]);
    expect(
      await reading.list('candidate', 'entity', { where: { entity: 'contact' }, limit: 9 }),
    ).toHaveLength(2);
    await expect(reading.commit([put({ ...candidate, b: 'd' })])).rejects.toThrow('readonly');
    await reading.close();
    await writing.close();
    const again = new SqliteStore({ file, readOnly: true });
    expect(await again.get('candidate', { entity: 'contact', a: 'a', b: 'c' })).toBeDefined();
    await again.close();
  });

  it('is not made', () => {
    expect(() => new SqliteStore({ file: path.join(folder, 'none.db'), readOnly: true })).toThrow();
  });
});
