/** The first load of two systems that know the same people, and the full scans after it. */
import { expect, it } from 'vitest';
import { imbalances } from '../../src/merge/books.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import { Trouble, type Kind, type RemoteObject } from '../../src/connector.ts';
import type { Group, Store } from '../../src/store/store.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { linkOf, recordOf, type Sync } from '../../src/sync/hub.ts';
import { closeRuns, runOf } from '../../src/sync/runs.ts';
import { poll, sweep } from '../../src/sync/sweep.ts';
import { Pair } from './pair.ts';

/** A store that counts the rows that are written, by table. */
const counting = (): { store: Store; rows: Map<string, number>; sum: () => number } => {
  const inner = new SqliteStore({ file: ':memory:', immediate: true });
  const rows = new Map<string, number>();
  const store: Store = {
    commit: (groups: readonly Group[]) => {
      for (const { table } of groups.flatMap(({ write }) => write))
        rows.set(table, (rows.get(table) ?? 0) + 1);
      return inner.commit(groups);
    },
    get: inner.get.bind(inner),
    many: inner.many.bind(inner),
    list: inner.list.bind(inner),
    count: inner.count.bind(inner),
    close: inner.close.bind(inner),
  };
  return { store, rows, sum: () => [...rows.values()].reduce((all, n) => all + n, 0) };
};

const surnames = ['王', '李', '张', '刘', '陈', '欧阳', '赵', '黄'];
const given = ['小明', '伟', '芳', '秀英', '娜', '建国', '静', '丽'];
const nameOf = (n: number): string => `${surnames[n % 8]}${given[Math.floor(n / 8) % 8]}${n}`;

const everything = async (
  store: Store,
  table: 'record' | 'link' | 'lineage',
  where = {},
): Promise<string> => {
  const index = { record: 'entity', link: 'sync', lineage: 'at' }[table];
  return JSON.stringify(await store.list(table, index, { where, limit: 1_000_000 }));
};

/** 2,000 people in each of two systems, 1,600 of them in both; every tenth of those is called otherwise in the second. */
const overlapping = (pair: Pair): void => {
  for (let n = 0; n < 2000; n += 1)
    pair.file(pair.a, { email: `p${n}@huaxia.cn`, name: nameOf(n), stage: 'lead', note: '老客户' });
  for (let n = 400; n < 2400; n += 1) {
    const name = n < 2000 && n % 10 === 0 ? `${nameOf(n)}（华夏医疗）` : nameOf(n);
    // Every seventh has the mark of an installation that is no more.
    const anchor: Record<string, string> = n % 7 === 0 ? { anchor: `r-former-${n}` } : {};
    pair.file(pair.b, { email: `p${n}@huaxia.cn`, name, stage: 'lead', note: '老客户', ...anchor });
  }
};

const judge = async (pair: Pair): Promise<void> => {
  const { store } = pair;
  await closeRuns(pair.hub);
  const runs = (await store.list('run', 'at', { where: {}, limit: 1000 })).map(runOf);
  for (const run of runs) {
    const standing = run.kind === 'hooks' || run.kind === 'upkeep';
    expect(imbalances(run), run.id).toEqual([]);
    expect([run.open, run.effects.open], run.id).toEqual([0, 0]);
    if (!standing) expect(run.state, run.id).toBe('closed');
  }
  for (const row of await pair.records()) {
    const record = recordOf(row);
    const rows = await store.list('lineage', 'record', { where: { record: record.id }, limit: 1000 });
    expect(
      replayDifferences(
        record,
        rows.map((one) => one['body'] as LineageRow),
      ),
    ).toEqual([]);
  }
};

it(
  'links what 2,000 people of each side have in common, once, and makes the rest; the next full scan writes nothing',
  { timeout: 300_000 },
  async () => {
    const { store, rows, sum } = counting();
    const pair = new Pair({
      store,
      rule: { conflict: 'newest' },
      b: { anchored: true, stamps: { resolution: 1, lateness: 0, skew: 0 } },
    });
    overlapping(pair);
    const runs = [await pair.read(pair.a), await pair.read(pair.b)];
    await pair.work();
    const first = sum();
    for (const id of runs) expect(await pair.run(id)).toMatchObject({ read: 2000, state: 'closed', open: 0 });

    // Everybody once, here and there.
    expect(await pair.records()).toHaveLength(2400);
    for (const system of [pair.a, pair.b]) {
      const links = (
        await store.list('link', 'sync', { where: { sync: system.traits.name }, limit: 10_000 })
      ).map(linkOf);
      expect(new Set(links.map(({ record }) => record)).size).toBe(2400);
      expect(links).toHaveLength(2400);
      const shown = Object.values(pair.shown(system)).map(({ email }) => email);
      expect([shown.length, new Set(shown).size]).toEqual([2400, 2400]);
    }
    // The 400 and 400 that one side lacked were made, and nobody else.
    const made = [...pair.a.objects.values(), ...pair.b.objects.values()].filter(
      (one) => one.createdBy !== null,
    );
    expect(made).toHaveLength(800);
    // Whoever is called otherwise on the two sides agrees by now, or waits for a person with both names.
    const held = new Set(
      (await store.list('conflict', 'open', { where: { open: 1 }, limit: 1000 })).map((row) => row['record']),
    );
    const names = new Map(Object.values(pair.shown(pair.a)).map(({ email, name }) => [email, name]));
    let differ = 0;
    for (const { email, name } of Object.values(pair.shown(pair.b)))
      if (names.get(email) !== name) differ += 1;
    expect(differ).toBe(held.size);
    await judge(pair);

    // Once more, both whole: only the reading itself is noted.
    // The first scan after the load may still learn of what the load made.
    for (const system of [pair.a, pair.b]) await pair.read(system);
    await pair.work();
    const before = [
      await everything(store, 'record', { entity: 'person' }),
      await everything(store, 'link'),
      await everything(store, 'lineage'),
    ];
    rows.clear();
    const sent = { ...pair.sent };
    const again = [await pair.read(pair.a), await pair.read(pair.b)];
    await pair.work();
    expect([
      await everything(store, 'record', { entity: 'person' }),
      await everything(store, 'link'),
      await everything(store, 'lineage'),
    ]).toEqual(before);
    expect(pair.sent.write).toBe(sent.write);
    // 600 pages of four a side, and nothing is read one by one.
    expect(pair.sent.read - sent.read).toBe(1200);
    for (const table of rows.keys()) expect(['run', 'cursor', 'swept']).toContain(table);
    // Per page: its place, what it met (and that it is forgotten at the end), and the books.
    expect(rows.get('cursor')).toBeLessThan(1210);
    expect(rows.get('swept')).toBe(2400);
    expect(sum()).toBeLessThan(first / 10);
    for (const id of again)
      expect(await pair.run(id)).toMatchObject({
        read: 2400,
        state: 'closed',
        items: { unchanged: 2400, applied: 0, echo: 0 },
        effects: { opened: 0 },
      });
    await judge(pair);
    await store.close();
  },
);

it('after a long outage, when the remote has lost our place among its changes, everything is read afresh, and said so', async () => {
  let pair: Pair;
  let lost = false;
  const alarms: string[] = [];
  const forgets = (sync: Sync): Sync => {
    const { changes, ...rest } = sync.kind;
    const kind: Kind = {
      ...rest,
      changes: async (window, page) => {
        if (lost && window.since > 0)
          throw new Trouble('cursor-lost', { message: 'history is kept for 30 days' });
        return (await changes?.(window, page)) ?? { objects: [], next: null };
      },
    };
    return sync.name === 'A' ? { ...sync, kind } : sync;
  };
  pair = new Pair({ sync: forgets });
  Object.assign(pair.hub, { alarm: (subject: string, text: string) => alarms.push(`${subject}: ${text}`) });
  const people = Array.from({ length: 30 }, (_, n) =>
    pair.file(pair.a, { email: `p${n}@huaxia.cn`, name: nameOf(n), stage: 'lead', note: '' }),
  );
  await pair.sync();
  await poll(pair.hub, 'A/person');
  await pair.work();
  expect(alarms).toEqual([]);
  // The outage: people work on, one is filed, one is deleted; and the remote forgets.
  pair.edit(pair.a, people[3]!, { name: '赵敏' });
  pair.file(pair.a, { email: 'new@huaxia.cn', name: '新客户', stage: 'lead', note: '' });
  lost = true;
  const swept = await poll(pair.hub, 'A/person');
  await pair.work();
  expect(alarms).toEqual([
    expect.stringMatching(/^source A\/person: the remote has lost our place .* full scan/),
  ]);
  expect(await pair.run(swept.run ?? '')).toMatchObject({
    kind: 'scan',
    read: 31,
    state: 'closed',
    items: { unchanged: 29 },
  });
  const there = Object.values(pair.shown(pair.b)).map(({ name }) => name);
  expect(there).toHaveLength(31);
  expect(there).toContain('赵敏');
  expect(there).toContain('新客户');
  // And polls go on from there.
  lost = false;
  pair.edit(pair.a, people[4]!, { name: '周芷若' });
  pair.time += 1000;
  expect(await poll(pair.hub, 'A/person')).toMatchObject({ read: expect.any(Number) });
  await pair.work();
  expect(Object.values(pair.shown(pair.b)).map(({ name }) => name)).toContain('周芷若');
  await judge(pair);
});

it('a scan whose place is lost begins again with books of its own, and gives up after the third time', async () => {
  const pair = new Pair();
  const alarms: string[] = [];
  Object.assign(pair.hub, { alarm: (subject: string, text: string) => alarms.push(`${subject}: ${text}`) });
  for (let n = 0; n < 12; n += 1)
    pair.file(pair.a, { email: `p${n}@x.cn`, name: nameOf(n), stage: '', note: '' });
  const sync = pair.hub.syncs.get('A');
  let losses = 1;
  const asked: (string | null)[] = [];
  const scan = async (
    page: string | null,
  ): Promise<{ objects: readonly RemoteObject[]; next: string | null }> => {
    asked.push(page);
    if (page !== null && losses > 0) {
      losses -= 1;
      throw new Trouble('cursor-lost', { message: 'no such page' });
    }
    return (await sync?.kind.scan?.(page)) ?? { objects: [], next: null };
  };
  if (sync === undefined) throw new Error('no sync');
  (pair.hub.syncs as Map<string, Sync>).set('A', { ...sync, kind: { ...sync.kind, scan } });
  await pair.read(pair.b);
  const { run, read } = await sweep(pair.hub, 'A/person');
  expect(asked.filter((page) => page === null)).toHaveLength(2);
  expect(read).toBe(16);
  await pair.work();
  expect(alarms).toEqual([
    'source A/person: the remote lost our place in a scan: it starts again from the first page',
  ]);
  expect(await pair.run(run ?? '')).toMatchObject({ read: 12, state: 'closed' });
  await judge(pair);
  losses = 100;
  await expect(sweep(pair.hub, 'A/person')).rejects.toThrow('no such page');
  expect(asked.filter((page) => page === null).length).toBeLessThan(8);
});

it('meets everybody in shares, however many there are', async () => {
  const pair = new Pair();
  for (let n = 0; n < 40; n += 1)
    pair.file(pair.a, { email: `p${n}@x.cn`, name: nameOf(n), stage: '', note: '' });
  await pair.sync();
  const { linksMet, metOn } = await import('../../src/sync/met.ts');
  const sync = pair.hub.syncs.get('A');
  if (sync === undefined) throw new Error('no sync');
  const ids = [...pair.a.objects.keys()];
  await pair.store.commit([
    { when: [], write: [metOn(sync.lane, 'x', ids.slice(0, 30)), metOn(sync.lane, null, ids.slice(30, 35))] },
  ]);
  for (const read of [40, 250_000, 1_000_000]) {
    const found = new Map<string, boolean>();
    for await (const { object, met } of linksMet(pair.hub, sync, read)) {
      expect(found.has(object)).toBe(false);
      found.set(object, met);
    }
    expect(found).toEqual(new Map(ids.map((id, index) => [id, index < 35])));
  }
});
