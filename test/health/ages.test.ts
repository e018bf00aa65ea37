/** How old the front of a lane is: told by the store alone, whatever moves in it or stands still. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Config, SyncConfig } from '../../src/config.ts';
import { laneAges, lateWords, type AgesView } from '../../src/health/ages.ts';
import { Room } from '../../src/health/room.ts';
import { pulseName, Watch, type Watched } from '../../src/health/watch.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { readSwitches } from '../../src/sync/switches.ts';

const minute = 60_000;
let store: SqliteStore;
let now = 1_800_000_000_000;
beforeEach(() => {
  store = new SqliteStore({ file: ':memory:', immediate: true });
  now = 1_800_000_000_000;
});
afterEach(() => store.close());

const sync = (name: string, more: Partial<SyncConfig> = {}): SyncConfig =>
  ({
    name,
    connection: 'crm',
    kind: 'contact',
    direction: 'both',
    mode: 'live',
    modeGiven: true,
    promise: 5 * minute,
    ...more,
  }) as SyncConfig;

const config = (syncs: readonly SyncConfig[]): Config =>
  ({
    syncs: Object.fromEntries(syncs.map((one) => [one.name, one])),
    notices: { told: { to: 'sales' } },
    alarms: {},
  }) as unknown as Config;

const viewOf = async (syncs: readonly SyncConfig[]): Promise<AgesView> => ({
  store,
  config: config(syncs),
  switches: await readSwitches(store),
  now: () => now,
});

const touch = async (lane: string, at: number, due = at): Promise<void> => {
  const row = { lane, object: `o${at}`, due, at, run: 'r', hint: { cause: 'hook h' } };
  await store.commit([{ when: [], write: [{ op: 'append', table: 'touch', row }] }]);
};

const effect = async (
  of: string,
  row: { readonly at: number; readonly due?: number; readonly state?: string; readonly reason?: unknown },
): Promise<void> => {
  const whole = {
    sync: of,
    record: `r${row.at}`,
    object: '',
    rev: 1,
    wanted: 1,
    sent: 0,
    attempts: 0,
    most: 0,
  };
  const rest = { due: row.due ?? row.at, state: row.state ?? 'open', call: null, run: 'r', reason: null };
  await store.commit([
    { when: [], write: [{ op: 'put', table: 'effect', row: { ...whole, ...rest, ...row } }] },
  ]);
};

const ageOf = async (lane: string, syncs: readonly SyncConfig[]) =>
  (await laneAges(await viewOf(syncs))).find((one) => one.lane === lane);

describe('ages', () => {
  it('are those of what waits longest, and late beyond the promise', async () => {
    const syncs = [sync('a')];
    expect(await ageOf('in:crm/contact', syncs)).toMatchObject({ oldest: null, state: 'well' });
    await touch('crm/contact', now - 2 * minute);
    await touch('crm/contact', now - minute);
    await effect('a', { at: now - 6 * minute, reason: { code: 'x', message: 'the remote is busy' } });
    expect(await ageOf('in:crm/contact', syncs)).toMatchObject({ oldest: 2 * minute, state: 'well' });
    const out = await ageOf('out:a', syncs);
    expect(out).toMatchObject({ oldest: 6 * minute, state: 'late', promised: 5 * minute });
    expect(lateWords(out as NonNullable<typeof out>)).toContain('the remote is busy');
    now += 4 * minute;
    expect(await ageOf('in:crm/contact', syncs)).toMatchObject({ state: 'late' });
  });

  it('see through what is put off again and again', async () => {
    await touch('crm/contact', now - 10 * minute, now + 1000);
    await effect('a', { at: now - 10 * minute, due: now + 4 * minute });
    await effect('a', { at: now - 9 * minute, state: 'unsettled', due: now + minute });
    const syncs = [sync('a')];
    expect(await ageOf('in:crm/contact', syncs)).toMatchObject({ oldest: 10 * minute, state: 'late' });
    expect(await ageOf('out:a', syncs)).toMatchObject({ oldest: 10 * minute, state: 'late' });
  });

  it('do not count what waits on purpose, until it is overdue', async () => {
    const reason = { code: 'first-reading', message: 'waits for the first reading' };
    await effect('a', { at: now - 60 * minute, due: now + 20_000, reason });
    expect(await ageOf('out:a', [sync('a')])).toMatchObject({ oldest: 0, state: 'well' });
    now += 6 * minute;
    expect(await ageOf('out:a', [sync('a')])).toMatchObject({ state: 'late' });
  });

  it('leave parked effects to people', async () => {
    await effect('a', { at: now - 60 * minute, state: 'parked' });
    expect(await ageOf('out:a', [sync('a')])).toMatchObject({ oldest: null, state: 'well' });
  });

  it('call a paused lane paused and a planning one planning, however old', async () => {
    await touch('crm/contact', now - 60 * minute);
    await effect('a', { at: now - 60 * minute });
    await effect('b', { at: now - 60 * minute });
    const syncs = [sync('a'), sync('b', { mode: 'plan' })];
    expect(await ageOf('out:b', syncs)).toMatchObject({ state: 'planning' });
    const switches = await readSwitches(store);
    await switches.pause('a', 'over budget', 'budget', now);
    expect(await ageOf('out:a', syncs)).toMatchObject({ state: 'paused', why: 'over budget' });
    expect(await ageOf('in:crm/contact', syncs)).toMatchObject({ state: 'late' });
    await switches.pause('crm', 'by hand', 'lin', now);
    expect(await ageOf('in:crm/contact', syncs)).toMatchObject({ state: 'paused', why: 'by hand' });
    expect(await ageOf('out:b', syncs)).toMatchObject({ state: 'paused', why: 'by hand' });
  });

  it('hold a lane of several syncs to the shortest promise', async () => {
    await touch('crm/contact', now - 2 * minute);
    const syncs = [sync('a'), sync('b', { promise: minute })];
    expect(await ageOf('in:crm/contact', syncs)).toMatchObject({ promised: minute, state: 'late' });
  });

  it('count messages', async () => {
    const row = {
      id: 'n',
      notice: 'told',
      connection: 'sales',
      state: 'open',
      due: now,
      at: now - 20 * minute,
    };
    await store.commit([{ when: [], write: [{ op: 'put', table: 'notice', row }] }]);
    expect(await ageOf('say:sales', [sync('a')])).toMatchObject({ oldest: 20 * minute, state: 'late' });
  });
});

// ---------------------------------------------------------------- the watch

interface Seen {
  readonly alarms: string[];
  readonly cleared: string[];
}

const watching = async (
  worked: (lane: string) => { at: number; underWay: boolean } | undefined,
  more: Partial<Watched> = {},
): Promise<{ watch: Watch } & Seen> => {
  const seen: Seen = { alarms: [], cleared: [] };
  const watch = new Watch({
    ...(await viewOf([sync('a')])),
    lanes: { names: () => ['in:crm/contact', 'out:a', 'poll:crm/contact'], worked, dueAt: () => undefined },
    remotes: new Map(),
    room: new Room({ file: null, reserve: 0 }),
    alarm: (subject, text) => void seen.alarms.push(`${subject}: ${text}`),
    clear: (subject) => void seen.cleared.push(subject),
    ...more,
  });
  return { watch, ...seen };
};

describe('the watch', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const pass = async (ms: number): Promise<void> => {
    for (let gone = 0; gone < ms; gone += 1000) {
      now += 1000;
      vi.advanceTimersByTime(1000);
      for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  };

  it('tells once that nobody runs the lanes, although nothing waits in them, and once that it is over', async () => {
    let last: number | undefined;
    const { watch, alarms, cleared } = await watching(() =>
      last === undefined ? undefined : { at: last, underWay: false },
    );
    await watch.start();
    await pass(50_000);
    expect(alarms).toEqual([]);
    await pass(5 * minute);
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toContain('3 of 3 lanes have had no pass for a minute: in:crm/contact');
    expect(watch.troubles[0]).toContain('late dispatcher');
    last = now;
    await pass(10_000);
    expect(cleared).toEqual(['late dispatcher']);
    expect(watch.troubles).toEqual([]);
    await watch.stop();
  });

  it('tells once that a lane is late, again only after it was well, also across a restart', async () => {
    const worked = (): { at: number; underWay: boolean } => ({ at: now, underWay: false });
    const first = await watching(worked);
    const switches = await readSwitches(store);
    await touch('crm/contact', now);
    await first.watch.start();
    await pass(8 * minute);
    expect(first.alarms).toHaveLength(1);
    expect(first.alarms[0]).toMatch(
      /^late in:crm\/contact: its oldest item has waited \d+ \w+, and 5 min is promised/u,
    );
    await switches.alarm('late in:crm/contact', 'as above', now);
    await first.watch.stop();
    const next = await watching(worked);
    await next.watch.start();
    await pass(minute);
    expect(next.alarms).toEqual([]);
    const [row] = await store.list('touch', 'due', { where: { lane: 'crm/contact' }, limit: 1 });
    const key = { seq: Number(row?.['seq']) };
    await store.commit([{ when: [], write: [{ op: 'delete', table: 'touch', key }] }]);
    await pass(minute);
    expect(next.cleared).toEqual(['late in:crm/contact']);
    await next.watch.stop();
  });

  it('tells of a poll that should have begun long ago, and of one that does not end', async () => {
    const due = now;
    const state = { underWay: false, at: now };
    const { watch, alarms, cleared } = await watching(
      (lane) => (lane.startsWith('poll') ? state : { at: now, underWay: false }),
      {
        lanes: {
          names: () => ['poll:crm/contact'],
          worked: () => ({ at: state.underWay ? state.at : now, underWay: state.underWay }),
          dueAt: () => (state.underWay ? undefined : due),
        },
      },
    );
    await watch.start();
    await pass(6 * minute);
    expect(alarms[0]).toContain('late poll:crm/contact');
    Object.assign(state, { underWay: true, at: now });
    await pass(10_000);
    expect(cleared).toEqual(['late poll:crm/contact']);
    await pass(6 * minute);
    expect(alarms).toHaveLength(2);
    await watch.stop();
  });

  it('tells that the store does not answer, while it waits for it', async () => {
    let answers = true;
    const silent: Store = {
      commit: (groups) => store.commit(groups),
      get: (table, key) => store.get(table, key),
      many: (table, keys) => store.many(table, keys),
      count: (table, index, where) => store.count(table, index, where),
      list: (table, index, options) =>
        answers ? store.list(table, index, options) : new Promise((resolve) => (release = () => resolve([]))),
      close: async () => undefined,
    };
    let release = (): void => undefined;
    const { watch, alarms, cleared } = await watching(() => ({ at: now, underWay: false }), {
      store: silent,
    });
    await watch.start();
    answers = false;
    await pass(minute);
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toMatch(/^watch: the store has not answered for \d+ s/u);
    answers = true;
    release();
    await pass(10_000);
    expect(cleared).toEqual(['watch']);
    await watch.stop();
  });

  it('leaves a pulse in the store', async () => {
    const state = { breaker: 'open' as const, retryAt: now + 1000, waiting: 3 };
    const remotes = new Map([['crm', { state: () => state }]]);
    const { watch } = await watching(() => ({ at: now, underWay: false }), { remotes });
    await watch.start();
    await pass(20_000);
    const row = await store.get('setting', { name: pulseName });
    expect(row?.['value']).toMatchObject({ remotes: { crm: state } });
    await watch.stop();
  });
});
