/** doctor finds what is wrong and says what to do: one case for each finding. */
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pulseName, type Pulse } from '../../src/health/watch.ts';
import { schemaVersion, type Row, type TableName } from '../../src/store/schema.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { statedIn } from '../../src/store/sqlite-schema.ts';
import { readSwitches } from '../../src/sync/switches.ts';
import { Story, type StoryOptions } from '../story.ts';
import { Commands } from './command.ts';

interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly remedy: string;
}

let story: Story;
let commands: Commands;
const begin = async (options: StoryOptions = {}): Promise<void> => {
  story = await Story.begin(options);
  commands = new Commands(story.folder);
};
beforeEach(() => begin());
afterEach(async () => {
  commands.killAll();
  await story.end();
});

const file = (): string => path.join(story.folder, '.crosswalk/crosswalk.db');

const withStore = async <Result>(work: (store: SqliteStore) => Promise<Result>): Promise<Result> => {
  mkdirSync(path.dirname(file()), { recursive: true });
  const store = new SqliteStore({ file: file() });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
};

const put = (table: TableName, row: Row): Promise<unknown> =>
  withStore((store) => store.commit([{ when: [], write: [{ op: 'put', table, row }] }]));

const configure = (text: string): void => {
  const config = path.join(story.folder, 'crosswalk.yaml');
  writeFileSync(config, `${readFileSync(config, 'utf8')}\n${text}\n`);
};

const doctor = async (): Promise<{
  code: number | null;
  findings: readonly Finding[];
  of(what: string): Finding[];
}> => {
  const { code, out } = await commands.run('doctor', '--json');
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  // Whatever is wrong says what to do; an alarm's text does itself.
  for (const { state, remedy, what } of findings) if (state === 'fail') expect(remedy, what).not.toBe('');
  return { code, findings, of: (what) => findings.filter((one) => one.what === what) };
};

/** A gateway that runs: this process, as far as anybody can tell. */
const held = (): Promise<unknown> => {
  const value = { what: 'serve', pid: process.pid, host: hostname() };
  return put('setting', { name: 'gateway', value, at: Date.now(), by: 'test' });
};

const pulse = (of: Partial<Pulse>): Promise<unknown> => {
  const value: Pulse = { at: Date.now(), remotes: {}, ...of };
  return put('setting', { name: pulseName, value, at: value.at, by: 'crosswalk' });
};

describe('doctor', () => {
  it('finds nothing where nothing is wrong', async () => {
    const { code, of } = await doctor();
    expect(of('lanes')).toMatchObject([{ state: 'ok' }]);
    expect(of('connection crm')).toMatchObject([{ state: 'ok' }]);
    expect(of('migration')).toEqual([]);
    expect(code).toBe(0);
  });

  it('a lane that is late, with or without a gateway', async () => {
    const at = Date.now() - 3_600_000;
    const row = { lane: 'crm/contact', object: 'o', due: at, at, run: 'r', hint: { cause: 'hook h' } };
    await withStore((store) => store.commit([{ when: [], write: [{ op: 'append', table: 'touch', row }] }]));
    const alone = await doctor();
    expect(alone.code).toBe(1);
    expect(alone.of('lane in:crm/contact')).toMatchObject([
      { state: 'fail', remedy: expect.stringContaining('crosswalk serve') },
    ]);
    await held();
    const running = (await doctor()).of('lane in:crm/contact');
    expect(running[0]?.text).toContain('60 min, and 5 min is promised');
    expect(running[0]?.remedy).toContain('what crm answers');
  });

  it('an open breaker and a spent quota, as the running gateway told them', async () => {
    const breaker = 'open' as const;
    const now = Date.now();
    const remotes: Pulse['remotes'] = {
      crm: { breaker, retryAt: now + 30_000, waiting: 0 },
      hubspot: { breaker: 'closed', quietUntil: now + 3_600_000, waiting: 7 },
    };
    await pulse({ remotes });
    // Without a gateway that is old news.
    expect((await doctor()).of('breaker of crm')).toEqual([]);
    await held();
    const { of } = await doctor();
    expect(of('breaker of crm')).toMatchObject([
      { state: 'fail', remedy: expect.stringContaining('crosswalk resume crm') },
    ]);
    expect(of('quota of hubspot')).toMatchObject([
      { state: 'warn', text: expect.stringContaining('7 calls wait') },
    ]);
    expect(of('breaker of hubspot')).toEqual([]);
  });

  it('a gateway that holds its store and tells nothing of itself', async () => {
    await pulse({ at: Date.now() - 300_000 });
    await held();
    expect((await doctor()).of('gateway')).toMatchObject([
      {
        state: 'fail',
        text: expect.stringContaining('told nothing'),
        remedy: expect.stringContaining('Restart'),
      },
    ]);
  });

  it('a dispatcher that stands still, as the watch of the running gateway has told', async () => {
    await withStore(async (store) => {
      const switches = await readSwitches(store);
      await switches.alarm('late dispatcher', '3 of 9 lanes have had no pass for a minute', 1);
    });
    // Without a gateway that is old news.
    expect((await doctor()).of('alarm late dispatcher')).toEqual([]);
    await held();
    const { of, code } = await doctor();
    expect(code).toBe(1);
    expect(of('alarm late dispatcher')).toMatchObject([
      { state: 'fail', text: expect.stringContaining('no pass for a minute') },
    ]);
  });

  it('what is paused, and how each goes on', async () => {
    await withStore(async (store) => {
      const switches = await readSwitches(store);
      await switches.pause('crm', 'forbidden: token expired', 'crosswalk', 1);
      await switches.pause('crm-contacts', 'stopped before writing', 'budget', 1);
      await switches.pause('*', 'many ids changed', 'guard', 1);
      await switches.alarm('ids', 'many ids changed', 1);
    });
    const { of } = await doctor();
    expect(of('pause of crm')[0]?.remedy).toBe('Renew the credentials, then: crosswalk resume crm');
    expect(of('pause of crm-contacts')[0]?.remedy).toContain('crosswalk resume crm-contacts --over-budget');
    expect(of('pause of all writing')[0]?.remedy).toContain('crosswalk resume all');
    expect(of('alarm ids')[0]?.text).toContain('many ids changed');
  });

  it('what waits for a person', async () => {
    const row = {
      id: 'crm/contact/o',
      lane: 'crm/contact',
      object: 'o',
      at: 1,
      code: 'x',
      message: 'm',
      input: {},
      run: 'r',
    };
    await put('parked', row);
    const of = { record: 'r', field: 'f', sync: 's', object: 'o' };
    await put('conflict', { ...of, why: 'ask', open: 1, at: 1, theirs: 1, ours: 2 });
    const { of: found } = await doctor();
    expect(found('parked')).toMatchObject([{ text: '1 wait for a person', remedy: 'crosswalk parked list' }]);
    expect(found('conflicts')).toMatchObject([{ remedy: 'crosswalk conflicts list' }]);
  });

  it('a disk with less than the reserve', async () => {
    configure('store: { reserve: 999999GB }');
    const { of, code } = await doctor();
    expect(code).toBe(1);
    expect(of('disk')).toMatchObject([
      {
        state: 'fail',
        text: expect.stringContaining('less than store.reserve'),
        remedy: expect.stringContaining('Make room'),
      },
    ]);
  });

  it('a write-ahead log that has grown long', async () => {
    await withStore(async () => undefined);
    writeFileSync(`${file()}-wal`, '');
    truncateSync(`${file()}-wal`, 300 * 1024 ** 2);
    expect((await doctor()).of('store')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ state: 'warn', text: expect.stringContaining('300.0 MB') }),
      ]),
    );
  });

  it('a store of an older release, and leaves it alone', async () => {
    mkdirSync(path.dirname(file()), { recursive: true });
    const db = new Database(file());
    db.exec(readFileSync(new URL('../store/schema-1.sql', import.meta.url), 'utf8'));
    db.close();
    const { of } = await doctor();
    expect(of('migration')).toMatchObject([
      { state: 'warn', text: expect.stringContaining(`this release brings ${schemaVersion}`) },
    ]);
    // It has no table yet of what remotes issue.
    expect(of('keys')).toEqual([]);
    const after = new Database(file());
    expect(statedIn(after).version).toBe(1);
    after.close();
  });

  it('a backup that is overdue', async () => {
    configure('backup: { at: 6h, to: ./backups }');
    const value = { at: Date.now() - 10 * 3_600_000, file: 'x', size: 1, records: 0, differences: 0 };
    await put('setting', { name: 'backup', value, at: value.at, by: 'crosswalk' });
    expect((await doctor()).of('backup')).toMatchObject([
      { state: 'warn', text: expect.stringContaining('one is due') },
    ]);
  });

  it('credentials that are refused', async () => {
    const config = path.join(story.folder, 'crosswalk.yaml');
    writeFileSync(config, readFileSync(config, 'utf8').replace('token: pat-story', 'token: pat-wrong'));
    const { of, code } = await doctor();
    expect(code).toBe(1);
    expect(of('connection hubspot')).toMatchObject([
      {
        state: 'fail',
        text: expect.stringContaining('forbidden'),
        remedy: expect.stringContaining('Renew the credentials'),
      },
    ]);
  });

  it('a clock that is not that of the remotes', async () => {
    await story.end();
    const skewed: NonNullable<NonNullable<StoryOptions['crm']>['intercept']> = (_request, next) => {
      const response = next();
      return {
        ...response,
        headers: { ...response.headers, date: new Date(Date.now() - 600_000).toUTCString() },
      };
    };
    await begin({ crm: { intercept: skewed }, hubspot: { intercept: skewed } });
    expect((await doctor()).of('clock')).toMatchObject([
      {
        state: 'fail',
        text: expect.stringMatching(/^(?:599|600|601) s from the remotes/u),
        remedy: expect.stringContaining('NTP'),
      },
    ]);
  });
});
