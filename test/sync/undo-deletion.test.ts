/** A deletion that is taken back: the record lives again, what the gateway removed is made anew, and what cannot come back says why. */
import { describe, expect, it } from 'vitest';
import { undoStatus, type UndoReport } from '../../src/health/undo.ts';
import { deletedField, reachOf } from '../../src/merge/deletion.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import type { DeletePolicy } from '../../src/merge/policy.ts';
import type { ToyObject, ToySystem } from '../../src/simulate/toy.ts';
import { recordOf, type Sync } from '../../src/sync/hub.ts';
import type { UndoScope } from '../../src/sync/scope.ts';
import { openUndo } from '../../src/sync/undo.ts';
import { Pair } from './pair.ts';

const filed = async (also: Partial<Sync> = {}, deletes: DeletePolicy = 'propagate') => {
  const pair = new Pair({
    a: { removes: 'telling' },
    b: { removes: 'telling' },
    sync: (sync) => ({ ...sync, deletes, ...(sync.name === 'A' ? also : {}) }),
  });
  const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null });
  await pair.sync();
  const [b] = pair.b.objects.values();
  if (b === undefined) throw new Error('nothing was created');
  return { pair, a, b };
};

const live = (system: ToySystem): ToyObject[] =>
  [...system.objects.values()].filter((object) => !object.deleted);

const undo = async (pair: Pair, scope: UndoScope): Promise<UndoReport> => {
  const id = await openUndo(pair.hub, scope, 'lin');
  await pair.work();
  await pair.work();
  const report = await undoStatus(pair.store, id, 1000);
  const state = (await pair.records()).map(recordOf);
  for (const record of state) {
    const rows = await pair.store.list('lineage', 'record', { where: { record: record.id }, limit: 1000 });
    const told = rows.map((row) => row['body'] as LineageRow);
    expect(replayDifferences(record, told)).toEqual([]);
  }
  return report;
};

const resultOf = (report: UndoReport, field: string): unknown => {
  const item = report.items.find((one) => one.field === field);
  return item === undefined
    ? undefined
    : [item.result, Object.fromEntries(item.targets.map((one) => [one.target, one.result]))];
};

const whys = (report: UndoReport): string =>
  report.items.flatMap((item) => [item.why, ...item.targets.map((target) => target.why)]).join('\n');

const reach = async (pair: Pair, nth = 0): Promise<unknown> => {
  const row = (await pair.records())[nth];
  return row === undefined ? undefined : reachOf(recordOf(row));
};

/** Deletes it in A, and all that follows from it; when that began and ended. */
const deleted = async (pair: Pair, a: ToyObject): Promise<UndoScope> => {
  const from = pair.now();
  await pair.live(pair.a, a, true);
  await pair.work();
  return { from, to: pair.now() };
};

describe('the deletion of a record is undone', () => {
  it('makes anew what the gateway removed, and says why the object that somebody deleted does not come back', async () => {
    const { pair, a, b } = await filed();
    const scope = await deleted(pair, a);
    expect([live(pair.a), live(pair.b), await reach(pair)]).toEqual([[], [], 'propagate']);
    const report = await undo(pair, scope);
    expect(await reach(pair)).toBeNull();
    const [anew, ...more] = live(pair.b);
    expect(more).toEqual([]);
    expect(anew?.id).not.toBe(b.id);
    expect(anew?.value).toMatchObject({ email: 'ann@x.cn', name: 'Ann', stage: 'lead' });
    expect(live(pair.a)).toEqual([]);
    expect(resultOf(report, deletedField)).toEqual([
      'restored',
      { record: 'restored', [`A/${a.id}`]: 'impossible', 'B/': 'restored' },
    ]);
    expect(whys(report)).toContain('somebody deleted it there');
    expect(report.state).toBe('closed');
    // Nothing more happens by itself, and what is edited in B is an edit like any other.
    await pair.sync();
    expect(live(pair.b)).toHaveLength(1);
  });

  it('makes it anew in the system where it was deleted, where its sync resurrects', async () => {
    const { pair, a } = await filed({ resurrect: true });
    const report = await undo(pair, await deleted(pair, a));
    expect(resultOf(report, deletedField)).toEqual([
      'restored',
      { record: 'restored', 'A/': 'restored', 'B/': 'restored' },
    ]);
    expect(live(pair.a).map(({ value }) => value['name'])).toEqual(['Ann']);
    expect(live(pair.b)).toHaveLength(1);
    await pair.sync();
    expect([live(pair.a).length, live(pair.b).length]).toEqual([1, 1]);
  });

  it('is told as owed until the new object is there', async () => {
    const { pair, a } = await filed();
    const scope = await deleted(pair, a);
    pair.cut.add(pair.b);
    const half = await undo(pair, scope);
    expect(resultOf(half, deletedField)).toEqual([
      'owed',
      { record: 'restored', [`A/${a.id}`]: 'impossible', 'B/': 'owed' },
    ]);
    expect(half.state).toBe('open');
    pair.cut.clear();
    await pair.work();
    const done = await undoStatus(pair.store, half.run ?? '', 10);
    expect(resultOf(done, deletedField)).toEqual([
      'restored',
      { record: 'restored', [`A/${a.id}`]: 'impossible', 'B/': 'restored' },
    ]);
  });

  it('in time, removes nothing at all', async () => {
    const { pair, a, b } = await filed();
    pair.cut.add(pair.b);
    const scope = await deleted(pair, a);
    const report = await undo(pair, scope);
    expect(resultOf(report, deletedField)).toMatchObject(['restored', { [`B/${b.id}`]: 'restored' }]);
    pair.cut.clear();
    await pair.sync();
    expect(live(pair.b)).toEqual([b]);
  });

  it('of an archived record, which others kept, unmarks it and writes nothing', async () => {
    const { pair, a, b } = await filed({}, 'archive');
    const report = await undo(pair, await deleted(pair, a));
    expect(await reach(pair)).toBeNull();
    expect(resultOf(report, deletedField)).toMatchObject(['restored', { [`B/${b.id}`]: 'restored' }]);
    expect([live(pair.b), pair.b.gatewayWrites]).toEqual([[b], 1]);
  });

  it('with what else the scope changed, which the new object has from the beginning', async () => {
    const { pair, a } = await filed();
    const from = pair.now();
    pair.edit(pair.a, a, { name: 'Nobody' });
    await pair.sync();
    await pair.live(pair.a, a, true);
    await pair.work();
    const report = await undo(pair, { from, to: pair.now() });
    expect(resultOf(report, 'name')).toMatchObject(['restored', { record: 'restored' }]);
    expect(live(pair.b).map(({ value }) => value['name'])).toEqual(['Ann']);
  });

  it('and what was edited alone stays as it is while the record stays deleted', async () => {
    const { pair, a } = await filed();
    pair.edit(pair.a, a, { name: 'Nobody' });
    const { a: run } = await pair.sync();
    await deleted(pair, a);
    const report = await undo(pair, { run });
    expect(resultOf(report, 'name')).toMatchObject(['kept', { record: 'kept' }]);
    expect(whys(report)).toContain('the record is deleted');
    expect(await reach(pair)).toBe('propagate');
  });
});

describe('what undo leaves as it is', () => {
  it('a record that was restored meanwhile', async () => {
    const { pair, a } = await filed();
    const scope = await deleted(pair, a);
    await pair.live(pair.a, a, false);
    await pair.work();
    expect(await reach(pair)).toBeNull();
    const report = await undo(pair, scope);
    expect(resultOf(report, deletedField)).toMatchObject(['kept', { record: 'kept' }]);
    expect(whys(report)).toContain('changed since by A/');
    expect([live(pair.a).length, live(pair.b).length]).toEqual([1, 1]);
  });

  it('a restored record: undo deletes nothing', async () => {
    const { pair, a } = await filed();
    await deleted(pair, a);
    const from = pair.now();
    await pair.live(pair.a, a, false);
    await pair.work();
    const report = await undo(pair, { from, to: pair.now() });
    expect(whys(report)).toContain('undo deletes nothing');
    expect([live(pair.a).length, live(pair.b).length, await reach(pair)]).toEqual([1, 1, null]);
  });

  it('a record that the scope itself had made', async () => {
    const pair = new Pair({
      a: { removes: 'telling' },
      b: { removes: 'telling' },
      sync: (sync) => ({ ...sync, deletes: 'propagate' }),
    });
    const from = pair.now();
    const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null });
    await pair.sync();
    await deleted(pair, a);
    const report = await undo(pair, { from, to: pair.now() });
    expect(whys(report)).toContain('made and deleted by this');
    expect([live(pair.b), await reach(pair)]).toEqual([[], 'propagate']);
  });

  it('its keys, where something else was filed under them: it lives without, and both are shown as candidates', async () => {
    const { pair, a } = await filed();
    const scope = await deleted(pair, a);
    pair.file(pair.b, { email: 'ann@x.cn', name: 'Ann again', stage: null, note: null });
    await pair.sync();
    const [, other] = await pair.records();
    const where = { record: String(other?.['id']) };
    const keys = await pair.store.list('strong_key', 'record', { where, limit: 10 });
    expect(keys).toHaveLength(1);
    await undo(pair, scope);
    const after = await pair.store.list('strong_key', 'record', { where, limit: 10 });
    // Held as before, and claimed by the other as well.
    expect(after).toEqual(keys.map((row) => ({ ...row, claims: 1 })));
    const [candidate] = await pair.store.list('candidate', 'at', { where: {}, limit: 10 });
    expect(candidate?.['why']).toContain('email');
  });
});

describe('what brought a record is undone', () => {
  const brought = async (b: { removes?: 'telling' } = { removes: 'telling' }) => {
    const pair = new Pair({ a: { removes: 'telling' }, b });
    const from = pair.now();
    const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null });
    const { a: run } = await pair.sync();
    const [made] = live(pair.b);
    if (made === undefined) throw new Error('nothing was created');
    return { pair, a, b: made, run, from };
  };

  it('withdraws it: what the gateway made is removed, what a person filed stays as it is', async () => {
    const { pair, a, b, run } = await brought();
    const before = { ...a.value };
    const report = await undo(pair, { run });
    expect(await reach(pair)).toBe('withdraw');
    expect([b.deleted, a.deleted, a.value]).toEqual([true, false, before]);
    expect(resultOf(report, deletedField)).toEqual([
      'restored',
      { record: 'restored', [`A/${a.id}`]: 'kept', [`B/${b.id}`]: 'restored' },
    ]);
    expect(resultOf(report, 'name')).toEqual(['restored', { record: 'restored' }]);
    expect(report.state).toBe('closed');
    await pair.sync();
    expect([live(pair.a).length, live(pair.b).length]).toEqual([1, 0]);
  });

  it('and the undo of that makes it anew, with all its values', async () => {
    const { pair, run } = await brought();
    const first = await undo(pair, { run });
    const report = await undo(pair, { run: first.run ?? '' });
    expect(await reach(pair)).toBeNull();
    expect(live(pair.b).map(({ value }) => value)).toMatchObject([{ email: 'ann@x.cn', name: 'Ann' }]);
    expect(resultOf(report, deletedField)).toMatchObject(['restored', { 'B/': 'restored' }]);
  });

  it('until somebody edits what they filed: then it is a record like any other, and is made there anew', async () => {
    const { pair, a, run } = await brought();
    await undo(pair, { run });
    pair.time += 100_000;
    pair.edit(pair.a, a, { name: 'Anna' });
    await pair.sync();
    expect(await reach(pair)).toBeNull();
    expect(live(pair.b).map(({ value }) => value)).toMatchObject([{ email: 'ann@x.cn', name: 'Anna' }]);
  });

  it('but removes nothing that somebody changed meanwhile, unseen', async () => {
    const { pair, b, run } = await brought();
    pair.time += 100_000;
    const id = await openUndo(pair.hub, { run }, 'lin');
    pair.time += 100_000;
    pair.cut.add(pair.b);
    await pair.work();
    pair.edit(pair.b, b, { note: 'called her' });
    pair.cut.clear();
    await pair.work();
    expect(b.deleted).toBe(false);
    expect(await reach(pair)).toBeNull();
    const report = await undoStatus(pair.store, id, 100);
    expect(resultOf(report, deletedField)).toMatchObject(['restored', { [`B/${b.id}`]: 'kept' }]);
    expect(whys(report)).toContain('changed since the undo by B/');
  });

  it('removes nothing where the kind cannot: then the object is emptied and named, as far as it goes', async () => {
    const { pair, b, run } = await brought({});
    const report = await undo(pair, { run });
    expect([b.deleted, b.value['name']]).toEqual([false, null]);
    expect(whys(report)).toContain('remove it by hand');
    expect(await reach(pair)).toBeNull();
  });

  it('counts what it removes towards the budget of the sync', async () => {
    const { pair, b, run } = await brought();
    const sync = pair.hub.syncs.get('B');
    if (sync === undefined) throw new Error('there is none');
    const none = { creates: [], updates: [], removes: [{ text: '0/day', most: 0, per: 'day' as const }] };
    const syncs = new Map([...pair.hub.syncs, ['B', { ...sync, budget: none }]]);
    const { stopOf } = await import('../../src/sync/budget.ts');
    await openUndo(pair.hub, { run }, 'lin');
    pair.cut.add(pair.b);
    await pair.work();
    const own = syncs.get('B') ?? sync;
    expect(await stopOf({ ...pair.hub, syncs }, own)).toMatchObject({ is: 'over' });
    expect(b.deleted).toBe(false);
  });
});
