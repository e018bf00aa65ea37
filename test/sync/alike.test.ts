/** Records that are like one another, found as they arrive: raised and explained, merged by themselves where that is asked for. */
import { describe, expect, it } from 'vitest';
import { learn } from '../../src/identity/learn.ts';
import { dedupeSettings, type DedupeSettings } from '../../src/identity/settings.ts';
import { TableBuilder } from '../../src/identity/table.ts';
import type { Field } from '../../src/identity/sorts.ts';
import { pairReport } from '../../src/health/candidates.ts';
import { generator } from '../../src/simulate/draw.ts';
import type { ToyObject } from '../../src/simulate/toy.ts';
import { endOfLineage, keepModel, passAlike } from '../../src/sync/alike.ts';
import { leadsTo } from '../../src/sync/hub.ts';
import { tellApart, tryUnmerge } from '../../src/sync/identity.ts';
import { standingRun } from '../../src/sync/runs.ts';
import { Pair } from './pair.ts';

/** The toy’s fields hold a name, an address to write to, and a number to call. */
const fields: Field[] = [
  { name: 'name', sort: 'person' },
  { name: 'email', sort: 'email' },
  { name: 'note', sort: 'phone' },
];
const surnames = [
  '王',
  '李',
  '张',
  '刘',
  '陈',
  '杨',
  '赵',
  '黄',
  '周',
  '吴',
  '徐',
  '孙',
  '胡',
  '朱',
  '高',
  '林',
];
const given = [
  '伟',
  '芳',
  '娜',
  '敏',
  '静',
  '丽',
  '强',
  '磊',
  '洋',
  '艳',
  '勇',
  '军',
  '杰',
  '娟',
  '涛',
  '明',
  '超',
  '霞',
  '平',
  '刚',
];

type Row = [name: string, email: string, phone: string];

/** 600 people, of whom every tenth stands there twice, with a slip in the name or without the address. */
const people = (): Row[] => {
  const random = generator(7);
  const pick = (list: readonly string[]): string => list[Math.floor(random() * list.length)] ?? '';
  const rows: Row[] = [];
  for (let i = 0; i < 600; i += 1) {
    const phone = `13${String(100_000_000 + Math.floor(random() * 899_999_999))}`;
    const row: Row = [`${pick(surnames)}${pick(given)}${pick(given)}`, `p${i}@mail${i % 40}.cn`, phone];
    rows.push(row);
    if (i % 10 === 0) rows.push([row[0], i % 20 === 0 ? '' : row[1], row[2]]);
  }
  return rows;
};

const modelOf = (rows: readonly Row[]): ReturnType<typeof learn>['model'] => {
  const builder = new TableBuilder(fields);
  for (const row of rows) builder.add(row);
  return learn(builder.end()).model;
};

const model = modelOf(people());

const filing = (pair: Pair, [name, email, note]: Row): ToyObject =>
  pair.file(pair.a, { name, email: email === '' ? null : email, note, stage: null });

/** A store with some people in it, and the model; no strong keys, so that only likeness speaks. */
const begun = async (
  dedupe: Partial<DedupeSettings> = {},
): Promise<{ pair: Pair; pass: () => Promise<void> }> => {
  const entity = { keys: [], dedupe: { ...dedupeSettings(), ...dedupe } };
  const pair = new Pair({ entity });
  for (const row of people()
    .filter((_, i) => i % 11 !== 1)
    .slice(0, 60))
    filing(pair, row);
  await pair.sync();
  await keepModel(
    pair.store,
    { entity: 'person', model, at: pair.now() },
    await endOfLineage(pair.store),
    'lin',
  );
  const run = await standingRun(pair.hub, 'upkeep', '', new Set());
  const pass = async (): Promise<void> => {
    while ((await passAlike(pair.hub, run)) === 0);
  };
  await pass();
  return { pair, pass };
};

const recordOf = async (pair: Pair, { id }: ToyObject): Promise<string> =>
  String((await pair.store.get('link', { sync: 'A', object: id }))?.['record']);

const candidates = async (pair: Pair): Promise<Record<string, unknown>[]> =>
  pair.store.list('candidate', 'at', { where: {}, limit: 100 });

describe('a record that arrives', () => {
  it('is raised with whoever it is like, explained by field and without values', async () => {
    const { pair, pass } = await begun();
    expect(await candidates(pair)).toEqual([]);
    const [name, email, phone] = people()[5] ?? ['', '', ''];
    const twin = filing(pair, [name, '', phone]);
    filing(pair, ['欧阳锋华', 'nobody@else.cn', '18600001111']);
    await pair.sync();
    await pass();
    const [found, ...more] = await candidates(pair);
    expect(more).toEqual([]);
    expect(found).toMatchObject({ entity: 'person', why: 'alike' });
    expect([found?.['a'], found?.['b']]).toContain(await recordOf(pair, twin));
    expect(Number(found?.['score'])).toBeGreaterThan(850_000);
    expect(JSON.stringify(found?.['explanation'])).not.toContain(name);
    const report = await pairReport(pair.store, String(found?.['a']), String(found?.['b']));
    const said = new Map(report.fields.map((one) => [one.field, one]));
    expect(said.get('name')).toMatchObject({ a: name, b: name, level: 'exact' });
    expect(said.get('note')?.bits).toBeGreaterThan(5);
    expect(said.get('email')).toMatchObject({ level: 'missing' });
    expect([said.get('email')?.a, said.get('email')?.b]).toContain(email);
  });

  it('is no candidate any more once it is changed to be somebody else, nor of whom it is told apart', async () => {
    const { pair, pass } = await begun();
    const [name, , phone] = people()[5] ?? ['', '', ''];
    const twin = filing(pair, [name, '', phone]);
    await pair.sync();
    await pass();
    const [found] = await candidates(pair);
    pair.edit(pair.a, twin, { name: '欧阳锋华', note: '18600001111' });
    await pair.sync();
    await pass();
    expect(await candidates(pair)).toEqual([]);
    await tellApart(
      pair.hub,
      String(found?.['a']),
      String(found?.['b']),
      'lin',
      await standingRun(pair.hub, 'upkeep', 'people', new Set()),
    );
    pair.edit(pair.a, twin, { name, note: phone });
    await pair.sync();
    await pass();
    expect(await candidates(pair)).toEqual([]);
  });

  it('is merged by itself only where the configuration says from when on, and can be taken apart for good', async () => {
    const thresholds = { review: 0.85, propose: 0.92, automatic: 0.95 };
    const { pair, pass } = await begun({ thresholds });
    const alarms: string[] = [];
    pair.hub.alarm = (subject, text) => void alarms.push(`${subject}: ${text}`);
    const [name, email, phone] = people()[5] ?? ['', '', ''];
    const twin = filing(pair, [name, email, phone]);
    await pair.sync();
    const first = [...pair.a.objects.values()].find((one) => one.value['email'] === email);
    const ids = [await recordOf(pair, twin), await recordOf(pair, first ?? twin)];
    await pass();
    const survivor = (await leadsTo(pair.hub, ids[0] ?? ''))?.id ?? '';
    expect((await leadsTo(pair.hub, ids[1] ?? ''))?.id).toBe(survivor);
    const id = ids.find((one) => one !== survivor) ?? '';
    expect(await candidates(pair)).toEqual([]);
    expect(alarms).toHaveLength(1);
    expect(alarms[0]).toContain(`record ${id} was merged into ${survivor} by itself`);
    expect(alarms[0]).not.toContain(name);
    const rows = await pair.store.list('lineage', 'record', { where: { record: id }, limit: 100 });
    expect(rows.map((row) => (row['body'] as { cause: string }).cause)).toContainEqual(
      expect.stringMatching(/^alike with 0\.9\d+: name exact, email exact, note exact$|^alike with 1\.0000/u),
    );
    await tryUnmerge(pair.hub, id, 'person:lin', await standingRun(pair.hub, 'upkeep', 'people', new Set()));
    await pair.sync();
    await pass();
    expect((await leadsTo(pair.hub, id))?.id).toBe(id);
    expect(await candidates(pair)).toEqual([]);
  });
});
