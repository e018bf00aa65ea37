/** The first load as real processes: cut off at any page it goes on there; people see how far it has come. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { readingsOf, type Reading } from '../../src/health/reading.ts';
import { imbalances } from '../../src/merge/books.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import { generator } from '../../src/simulate/draw.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { linkOf, recordOf } from '../../src/sync/hub.ts';
import { runOf } from '../../src/sync/runs.ts';
import { Commands } from '../cli/command.ts';
import { eventually, freePort } from '../story.ts';
import { installTables, removeFolder, Table, type TableOptions } from './tables.ts';

let tables: Table[] = [];
let folder = '';
let commands: Commands;
afterEach(async () => {
  commands.killAll();
  await Promise.all(tables.map((table) => table.close()));
  removeFolder(folder);
});

/** `shared` people in both systems, `own` more in each. */
const begin = async (shared: number, own: number, options: TableOptions): Promise<[Table, Table]> => {
  const [crm, erp] = [new Table(options), new Table(options)];
  tables = [crm, erp];
  await Promise.all([crm.open(), erp.open()]);
  const put = (table: Table, side: string, n: number): void => {
    const id = String(n).padStart(5, '0');
    table.put(`${side}${id}`, {
      name: `欧阳小明${id}`,
      email: `p${id}@huaxia-med.cn`,
      customer_id: `KH-${id}`,
    });
  };
  for (let n = 0; n < shared + own; n += 1) put(crm, 'c', n);
  for (let n = 0; n < shared; n += 1) put(erp, 'e', n);
  for (let n = 0; n < own; n += 1) put(erp, 'e', 50_000 + n);
  folder = installTables(crm, erp, '{ keys: [[email]], conflict: newest }');
  commands = new Commands(folder);
  return [crm, erp];
};

/** How often each page of a table was asked for. */
const pagesOf = (table: Table): Map<string, number> => {
  const asked = new Map<string, number>();
  const { before } = table;
  table.before = async (url, body) => {
    if (url === '/scan') {
      const page = String(body['after'] ?? '');
      asked.set(page, (asked.get(page) ?? 0) + 1);
    }
    return before(url, body);
  };
  return asked;
};

const open = (): SqliteStore => new SqliteStore({ file: path.join(folder, '.crosswalk', 'crosswalk.db') });

/** Everybody is there once on both sides, linked once, and the books are closed. */
const judge = async ([crm, erp]: readonly Table[], people: number): Promise<void> => {
  for (const table of [crm, erp]) {
    const emails = [...(table?.rows.values() ?? [])].map(({ value }) => value['email']);
    expect([emails.length, new Set(emails).size]).toEqual([people, people]);
  }
  const store = open();
  try {
    for (const sync of ['crm-contacts', 'erp-contacts']) {
      const links = (await store.list('link', 'sync', { where: { sync }, limit: 100_000 })).map(linkOf);
      expect([links.length, new Set(links.map(({ record }) => record)).size]).toEqual([people, people]);
    }
    const runs = (await store.list('run', 'at', { where: {}, limit: 1000 })).map(runOf);
    for (const run of runs) {
      expect(imbalances(run), run.id).toEqual([]);
      expect([run.open, run.effects.open], run.id).toEqual([0, 0]);
    }
    for (const run of runs.filter(({ kind }) => kind === 'scan')) expect(run.state).toBe('closed');
    const records = await store.list('record', 'entity', { where: { entity: 'contact' }, limit: 100_000 });
    expect(records).toHaveLength(people);
    for (const record of records.map(recordOf)) {
      const rows = await store.list('lineage', 'record', { where: { record: record.id }, limit: 1000 });
      expect(
        replayDifferences(
          record,
          rows.map((row) => row['body'] as LineageRow),
        ),
      ).toEqual([]);
    }
  } finally {
    await store.close();
  }
};

it.each([
  [1, 'SIGKILL'],
  [3, 'SIGTERM'],
] as const)(
  'goes on at the page where it was: seed %i, five times %s',
  { timeout: 400_000 },
  async (seed, signal) => {
    const random = generator(seed);
    const both = await begin(200, 40, { page: 16 });
    let due = 0;
    let kill = (): void => undefined;
    const requests: string[] = [];
    for (const table of both)
      table.before = async (url) => {
        requests.push(url);
        due -= 1;
        if (due !== 0) return;
        kill();
        // The answer comes too late for anybody.
        await sleep(200);
      };
    const asked = both.map(pagesOf);
    let kills = 0;
    for (let turn = 0; turn < 5; turn += 1) {
      const one = commands.start('sync', 'crm-contacts', '--full', '--json');
      due = 1 + Math.floor(random() * 12);
      kill = () => void one.child.kill(signal);
      const { code } = await one.ended;
      if (code === null) kills += 1;
      due = 0;
    }
    expect(kills).toBeGreaterThanOrEqual(4);
    kill = () => undefined;
    const last = await commands.run('sync', 'crm-contacts', '--full', '--json');
    expect(last, last.out).toMatchObject({ code: 0 });
    // Whoever asks for a full scan again after one has ended gets another; within one, only the page under way is read again.
    const store = open();
    const runs = (await store.list('run', 'at', { where: {}, limit: 1000 })).map(runOf);
    await store.close();
    const repeats = ['crm', 'erp'].map((side, index) => {
      const scans = runs.filter(
        ({ kind, subject }) => kind === 'scan' && subject === `${side}/contact`,
      ).length;
      return [...(asked[index]?.values() ?? [])].reduce((sum, n) => sum + n - scans, 0);
    });
    expect(repeats.filter((n) => n < 0)).toEqual([]);
    expect(repeats.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(kills);
    expect(asked.map((pages) => pages.size)).toEqual([15, 15]);
    await judge(both, 280);
  },
);

it('is the same in a gateway that is told to end in its midst', { timeout: 400_000 }, async () => {
  const both = await begin(120, 20, { page: 10 });
  const asked = both.map(pagesOf);
  const serve = async (): Promise<ReturnType<Commands['start']>> =>
    commands.start('serve', '--port', String(await freePort()), '--json');
  for (let turn = 0; turn < 2; turn += 1) {
    const before = asked.reduce((sum, pages) => sum + pages.size, 0);
    const one = await serve();
    await one.said;
    for (
      let wait = 0;
      wait < 400 && asked.reduce((sum, pages) => sum + pages.size, 0) < before + 3;
      wait += 1
    )
      await sleep(10);
    one.child.kill('SIGTERM');
    expect((await one.ended).code).toBe(0);
  }
  const one = await serve();
  await one.said;
  const isDone = async (): Promise<boolean> => {
    const store = open();
    const waiting =
      (await store.count('touch', 'due', {})) + (await store.count('effect', 'state', { state: 'open' }));
    await store.close();
    return waiting === 0 && both.every((table) => table.rows.size === 160);
  };
  for (let wait = 0; wait < 1500 && !(await isDone()); wait += 1) await sleep(100);
  one.child.kill('SIGTERM');
  await one.ended;
  expect(asked.map((pages) => [...pages.values()].every((n) => n === 1))).toEqual([true, true]);
  const closing = await commands.run('sync', 'crm-contacts', '--full', '--json');
  expect(closing.code).toBe(0);
  await judge(both, 160);
});

/** A command on a terminal of its own; all that it showed. */
const onTerminal = (args: readonly string[]): Promise<string> =>
  new Promise((resolve) => {
    const command = [process.execPath, 'src/main.ts', ...args, '--dir', folder]
      .map((part) => `'${part}'`)
      .join(' ');
    const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.on('close', () => resolve(out));
  });

it(
  'shows a bar on a terminal: what is read of how many, how fast, and when it ends',
  { timeout: 300_000 },
  async () => {
    const [crm, erp] = await begin(600, 0, { page: 30, total: true });
    crm.before = async (url) => (url === '/scan' ? sleep(150) : undefined);
    const shown = await onTerminal(['sync', 'crm-contacts', '--full']);
    expect(shown).toMatch(
      /[█░]{24} +\d+ % {2}crm\/contact: \d+ of 600 read in \d+ pages?, [\d.]+\/s, time left about \d+ s/u,
    );
    expect(shown).toContain('closed');
    // Where the remote does not tell, the last scan says about how many; and before there was one, nobody knows.
    await Promise.all(tables.map((table) => table.close()));
    removeFolder(folder);
    const [other] = await begin(300, 0, { page: 20 });
    other.before = async (url) => (url === '/scan' ? sleep(150) : undefined);
    const first = await onTerminal(['sync', 'crm-contacts', '--full']);
    expect(first).toMatch(/crm\/contact: \d+ read in \d+ pages?, [\d.]+\/s, time left unknown/u);
    expect(first).not.toMatch(/crm\/contact: \d+ of [^\r]* read/u);
    const second = await onTerminal(['sync', 'crm-contacts', '--full']);
    expect(second).toMatch(
      /of about 300 \(the last scan\) read in \d+ pages?, [\d.]+\/s, time left about \d+ s/u,
    );
    expect(erp.rows.size).toBe(600);
  },
);

it(
  'status shows a load under way, with its estimate and what the remote asks to wait',
  { timeout: 300_000 },
  async () => {
    const [crm] = await begin(400, 0, { page: 20, total: true });
    let scans = 0;
    let isBusy = true;
    crm.before = async (url) => {
      if (url !== '/scan') return undefined;
      scans += 1;
      if (scans > 10 && isBusy) return { status: 429, retryAfter: 2 };
      await sleep(150);
      return undefined;
    };
    const load = commands.start('sync', 'crm-contacts', '--full', '--json');
    const reading = async (): Promise<Reading | undefined> => {
      const store = open();
      const [one] = await readingsOf(store, ['crm/contact'], Date.now());
      await store.close();
      return one;
    };
    await eventually(async () => scans > 10, 120_000);
    const one = await eventually(async () => {
      const now = await reading();
      return now !== undefined && now.waits !== null && now;
    }, 120_000);
    expect(one).toMatchObject({ kind: 'scan', pages: 10, read: 200, total: 400, from: 'remote' });
    expect(one.perSecond).toBeGreaterThan(0);
    expect(one.left).toBeGreaterThan(0);
    const text = (await commands.run('status')).out;
    expect(text).toMatch(/READING crm\/contact: 200 of 400 read in 10 pages, [\d.]+\/s, time left about/u);
    isBusy = false;
    const ended = await load.ended;
    // Programs are shown no bar.
    expect(ended).toMatchObject({ code: 0, err: '' });
    expect(await reading()).toBeUndefined();
    expect(crm.rows.size).toBe(400);
  },
);
