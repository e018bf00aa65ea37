/** Backups by schedule: taken by a process of their own, tried out, kept in number, loud where they fail. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { restoreBackup } from '../../src/store/backup.ts';
import { Backups, isOverdue, lastBackup, nextBackup } from '../../src/store/backups.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Hub } from '../../src/sync/hub.ts';
import { Pair } from '../sync/pair.ts';

let folder = '';
let file = '';
let store: SqliteStore;
let pair: Pair;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-backups-'));
  file = path.join(folder, 'store.db');
  store = new SqliteStore({ file });
  pair = new Pair({ store });
  pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn' });
  await pair.sync();
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const day = 86_400_000;
const making = (to: string, keep = 2): { backups: Backups; alarms: string[]; cleared: string[] } => {
  const alarms: string[] = [];
  const cleared: string[] = [];
  const hub: Hub = {
    ...pair.hub,
    now: () => pair.time,
    alarm: (subject, text) => void alarms.push(`${subject}: ${text}`),
    clear: (subject) => void cleared.push(subject),
  };
  return { backups: new Backups({ at: { cron: '0 3 * * *' }, keep, to }, { file }, hub), alarms, cleared };
};

describe('scheduled backups', { timeout: 120_000 }, () => {
  it('the first is made at once, each after its time, and only so many are kept', async () => {
    const to = path.join(folder, 'backups', 'here');
    const { backups, alarms, cleared } = making(to);
    expect(await backups.pass()).toBe(0);
    expect(readdirSync(to)).toHaveLength(1);
    expect(await backups.pass()).toBeGreaterThan(0);
    expect(readdirSync(to)).toHaveLength(1);
    for (let i = 0; i < 2; i += 1) {
      const last = await lastBackup(store);
      pair.time = nextBackup({ at: { cron: '0 3 * * *' } }, last) + 1;
      mkdirSync(path.join(to, '.restore-left'), { recursive: true });
      writeFileSync(path.join(to, 'notes.txt'), 'mine');
      expect(await backups.pass()).toBe(0);
    }
    expect(readdirSync(to).sort()).toEqual([
      expect.stringMatching(/^crosswalk-\d{8}T\d{6}Z\.backup\.gz$/u),
      expect.stringMatching(/^crosswalk-\d{8}T\d{6}Z\.backup\.gz$/u),
      'notes.txt',
    ]);
    expect(alarms).toEqual([]);
    expect(cleared).toContain('backup');
    const last = await lastBackup(store);
    expect(last).toMatchObject({ records: 1, differences: 0 });
    const target = new SqliteStore({ file: ':memory:' });
    await restoreBackup(last?.file ?? '', target);
    expect(await target.count('record', 'entity', {})).toBe(1);
    await target.close();
  });

  it('one that fails is told, with why, and tried again', async () => {
    const blocked = path.join(folder, 'a-file');
    writeFileSync(blocked, '');
    const { backups, alarms } = making(blocked);
    expect(await backups.pass()).toBe(10 * 60_000);
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toMatch(
      /^backup: no backup was made: .*(?:EEXIST|ENOTDIR).* tried again in ten minutes\.$/u,
    );
    expect(await lastBackup(store)).toBeUndefined();
    rmSync(blocked);
    expect(await backups.pass()).toBe(0);
    expect(alarms).toHaveLength(1);
  });

  it('one that is overdue is told, and made', async () => {
    const { backups, alarms } = making(path.join(folder, 'backups'));
    await backups.pass();
    pair.time += 3 * day;
    expect(isOverdue(nextBackup({ at: { every: day } }, await lastBackup(store)), pair.time)).toBe(true);
    expect(await backups.pass()).toBe(0);
    expect(alarms).toEqual([expect.stringMatching(/^backup: a backup has been due since 2026-/u)]);
  });

  it('one whose store is not what lineage tells is kept, and told', async () => {
    const [record] = await pair.records();
    const key = { id: String(record?.['id']) };
    await store.commit([{ when: [], write: [{ op: 'set', table: 'record', key, row: { fields: {} } }] }]);
    const { backups, alarms } = making(path.join(folder, 'backups'));
    expect(await backups.pass()).toBe(0);
    expect(alarms.join()).toContain('are not what lineage tells');
    expect(existsSync((await lastBackup(store))?.file ?? '')).toBe(true);
  });

  it('one under way is ended with the gateway, and says nothing', async () => {
    const { backups, alarms } = making(path.join(folder, 'backups'));
    const pass = backups.pass();
    await new Promise((resolve) => setTimeout(resolve, 300));
    backups.stop();
    await pass;
    expect(alarms).toEqual([]);
    expect(await backups.pass()).toBeNull();
  });
});
