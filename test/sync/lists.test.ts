/** Sets and tables over the real engine: two systems at one order, questions, undo, repair and changed mappings. */
import { expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import type { Lens } from '../../src/mapping/lens.ts';
import { recordThen } from '../../src/merge/history.ts';
import { replayDifferences, type LineageRow, type ToldRow } from '../../src/merge/lineage.ts';
import type { ToyObject, ToySystem } from '../../src/simulate/toy.ts';
import { recordOf } from '../../src/sync/hub.ts';
import { applyPlan, makePlan } from '../../src/sync/planned.ts';
import { remapPlanner } from '../../src/sync/remap.ts';
import { repairPlanner } from '../../src/sync/repair.ts';
import { resolveConflict, type Choice } from '../../src/sync/resolve.ts';
import { openUndo } from '../../src/sync/undo.ts';
import { entityOf } from '../mapping/sample.ts';
import { Pair, type PairOptions } from './pair.ts';

const line = (no: string, sku: string, qty: number): JsonObject => ({ no, sku, qty });

/** One order in both systems, at rest: three lines and two tags. */
const filed = async (options: PairOptions = {}): Promise<{ pair: Pair; a: ToyObject; b: ToyObject }> => {
  const pair = new Pair(options);
  const lines = [line('1', 'pen', 1), line('2', 'ink', 2), line('3', 'pad', 3)];
  const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Order', lines, tags: ['new', 'web'] });
  await pair.sync();
  const [b] = pair.b.objects.values();
  if (b === undefined) throw new Error('there is none');
  return { pair, a, b };
};

const rowsOf = (object: ToyObject): JsonObject[] => (object.value['lines'] ?? []) as JsonObject[];

/** What a system shows, without its own column. */
const shown = (object: ToyObject): unknown[] => rowsOf(object).map(({ no, sku, qty }) => [no, sku, qty]);

/** Somebody edits one row there, adds one, or takes one away. */
const edit = (
  pair: Pair,
  system: ToySystem,
  object: ToyObject,
  no: string,
  patch: JsonObject | null,
): void => {
  const rest = rowsOf(object).filter((row) => row['no'] !== no);
  const own = rowsOf(object).find((row) => row['no'] === no) ?? { no };
  const at = rowsOf(object).indexOf(own);
  const lines = patch === null ? rest : rest.toSpliced(at < 0 ? rest.length : at, 0, { ...own, ...patch });
  pair.edit(system, object, { lines });
};

/** Lineage tells the store: values, and every hold with its reason. */
const told = async (pair: Pair): Promise<void> => {
  for (const row of await pair.records()) {
    const where = { record: String(row['id']) };
    const rows = await pair.store.list('lineage', 'record', { where, limit: 1000 });
    const bodies = rows.map((one) => one['body'] as LineageRow);
    expect(replayDifferences(recordOf(row), bodies)).toEqual([]);
    const all = bodies.map((body, seq): ToldRow => ({ seq, at: 0, run: '', body }));
    const then = recordThen(all).holds.map(({ sync, field, why, theirs = null }) => ({
      sync,
      field,
      why,
      theirs,
    }));
    const held = (await pair.store.list('conflict', 'record', { where, limit: 100 })).map(
      ({ sync, field, why, theirs }) => ({ sync, field, why, theirs }),
    );
    expect(then).toEqual(held);
  }
};

const decide = async (pair: Pair, choice: Choice): Promise<void> => {
  const [row] = await pair.store.list('conflict', 'open', { where: { open: 1 }, limit: 10 });
  const key = {
    record: String(row?.['record']),
    field: String(row?.['field']),
    sync: String(row?.['sync']),
    object: String(row?.['object']),
  };
  expect(await resolveConflict(pair.hub, key, choice, 'lin', 'run')).toBe(true);
  await told(pair);
  await pair.sync();
};

it('two systems edit different rows and cells of one order, and both keep what they did', async () => {
  const { pair, a, b } = await filed();
  edit(pair, pair.a, a, '1', { qty: 10 });
  edit(pair, pair.a, a, '3', null);
  edit(pair, pair.b, b, '1', { sku: 'pen, blue' });
  edit(pair, pair.b, b, '4', { sku: 'glue', qty: 4 });
  pair.edit(pair.a, a, { tags: ['new', 'web', 'vip'] });
  pair.edit(pair.b, b, { tags: ['web'] });
  await pair.sync();
  const both = [
    ['1', 'pen, blue', 10],
    ['2', 'ink', 2],
    ['4', 'glue', 4],
  ];
  expect([shown(a), shown(b)]).toEqual([both, both]);
  expect([a.value['tags'], b.value['tags']]).toEqual([
    ['web', 'vip'],
    ['web', 'vip'],
  ]);
  expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(0);
  await told(pair);
});

it.each([
  ['theirs', 20],
  ['ours', 10],
] as const)(
  'one cell edited on both sides waits, the other rows go on; decided for %s',
  async (choice, quantity) => {
    const { pair, a, b } = await filed({ rule: { conflict: 'ask' } });
    edit(pair, pair.a, a, '1', { qty: 10 });
    edit(pair, pair.b, b, '1', { qty: 20 });
    edit(pair, pair.b, b, '4', { sku: 'glue', qty: 4 });
    await pair.sync();
    // The row that nobody disputes is in A; B keeps its own until somebody says.
    expect(shown(a)).toContainEqual(['4', 'glue', 4]);
    expect([shown(a)[0], shown(b)[0]]).toEqual([
      ['1', 'pen', 10],
      ['1', 'pen', 20],
    ]);
    await told(pair);
    edit(pair, pair.a, a, '2', { qty: 22 });
    await pair.sync();
    await decide(pair, choice);
    const all = [
      ['1', 'pen', quantity],
      ['2', 'ink', 22],
      ['3', 'pad', 3],
      ['4', 'glue', 4],
    ];
    expect([shown(a), shown(b)]).toEqual([all, all]);
    expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(0);
    await told(pair);
  },
);

it('an undo brings a list back, and not where it has changed since', async () => {
  const { pair, a, b } = await filed();
  edit(pair, pair.a, a, '1', { qty: 10 });
  pair.edit(pair.a, a, { tags: ['new'] });
  const { a: run } = await pair.sync();
  edit(pair, pair.b, b, '2', { qty: 20 });
  await pair.sync();
  await openUndo(pair.hub, { run }, 'lin');
  await pair.sync();
  expect([a.value['tags'], b.value['tags']]).toEqual([
    ['new', 'web'],
    ['new', 'web'],
  ]);
  // The table was edited since: nothing of it is taken back.
  expect([shown(a)[0], shown(b)[1]]).toEqual([
    ['1', 'pen', 10],
    ['2', 'ink', 20],
  ]);
  await told(pair);
});

it('a cell is as old as its own edit, whatever was undone beside it', async () => {
  const { pair, a, b } = await filed();
  edit(pair, pair.a, a, '1', { qty: 10 });
  const { a: run } = await pair.sync();
  pair.cut.add(pair.b);
  await openUndo(pair.hub, { run }, 'lin');
  await pair.work();
  // B edits another cell before it is shown the undo: nobody has touched that one, so that nothing clashes.
  edit(pair, pair.b, b, '2', { sku: 'ink, red' });
  await pair.sync();
  pair.cut.clear();
  await pair.sync();
  const all = [
    ['1', 'pen', 1],
    ['2', 'ink, red', 2],
    ['3', 'pad', 3],
  ];
  expect([shown(a), shown(b)]).toEqual([all, all]);
  const [row] = await pair.records();
  const spans = recordOf(row ?? {}).fields['lines']?.spans ?? {};
  const [undone, edited] = [spans['"1" quantity'], spans['"2" product']];
  expect(undone?.from).toBeGreaterThan(0);
  expect(edited).not.toEqual(undone);
  await told(pair);
});

it('a repair sets a list, and both systems get it', async () => {
  const { pair, a, b } = await filed();
  const schema = { type: 'array', uniqueItems: true, items: { type: 'string' } };
  const entity = { ...entityOf('contact'), name: 'person', fields: new Map([['tags', schema]]) };
  const repair = { entity: 'person', field: 'tags', expression: 'x', where: {} };
  const planner = repairPlanner(pair.hub, entity, repair, false, async (_text, input) => ({
    value: [...((input as JsonObject)['tags'] as Json[]), 'checked'],
  }));
  const { plan } = await makePlan(pair.hub, planner);
  expect((await applyPlan(pair.hub, planner, plan ?? '', 'lin')).map(({ is }) => is)).toEqual(['applied']);
  await pair.sync();
  expect([a.value['tags'], b.value['tags']]).toEqual([
    ['new', 'web', 'checked'],
    ['new', 'web', 'checked'],
  ]);
  await told(pair);
});

it('a changed mapping of a table is held, and made once it is approved', async () => {
  const { pair, a, b } = await filed();
  const sync = pair.hub.syncs.get('A');
  if (sync === undefined) throw new Error('no sync');
  const louder = (list: Json): Json =>
    Array.isArray(list)
      ? list.map((row) => ({
          ...(row as JsonObject),
          product: String((row as JsonObject)['product']).toUpperCase(),
        }))
      : list;
  const lens: Lens = {
    ...sync.lens,
    hash: 'louder',
    read: (value) => {
      const reading = sync.lens.read(value);
      const { lines } = reading.fields;
      return {
        ...reading,
        fields: { ...reading.fields, ...(lines === undefined ? {} : { lines: louder(lines) }) },
      };
    },
  };
  (pair.hub.syncs as Map<string, unknown>).set('A', { ...sync, lens });
  await pair.sync();
  expect(shown(b)[0]).toEqual(['1', 'pen', 1]);
  await told(pair);
  const planner = remapPlanner(pair.hub, { ...sync, lens });
  const { plan, items } = await makePlan(pair.hub, planner);
  expect(items).toBe(1);
  await applyPlan(pair.hub, planner, plan ?? '', 'lin');
  await pair.sync();
  expect(shown(b).slice(0, 2)).toEqual([
    ['1', 'PEN', 1],
    ['2', 'INK', 2],
  ]);
  expect(shown(a)[0]).toEqual(['1', 'pen', 1]);
  await told(pair);
});

it('what could not be written is settled once another value is shown there', async () => {
  const fussy = (lens: Lens): Lens => ({
    ...lens,
    write: ({ note, ...fields }, base, anchor) => {
      const bad = note === 'too long';
      const writing = lens.write(bad || note === undefined ? fields : { ...fields, note }, base, anchor);
      const problem = { field: 'note', pointer: '/note', code: 'step', message: 'it does not fit' };
      return { ...writing, problems: bad ? [problem] : [] };
    },
  });
  const { pair, a, b } = await filed({
    sync: (sync) => (sync.name === 'B' ? { ...sync, lens: fussy(sync.lens) } : sync),
  });
  pair.edit(pair.a, a, { note: 'too long' });
  await pair.sync();
  expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(1);
  await told(pair);
  pair.refusing = true;
  pair.edit(pair.a, a, { note: 'fits' });
  await pair.sync();
  // The mapping can write it now; that the system refuses it is another matter.
  expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(0);
  await told(pair);
  pair.refusing = false;
  pair.edit(pair.a, a, { note: 'fits too' });
  await pair.sync();
  expect(b.value['note']).toBe('fits too');
  expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(0);
  await told(pair);
});
