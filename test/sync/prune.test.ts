/** Pruning by age: latest snapshot and lineage after it are the record, and whoever asks for more is told. */
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { CrosswalkError } from '../../src/errors.ts';
import { recordReport } from '../../src/health/record.ts';
import type { View } from '../../src/health/reports.ts';
import { recordThen } from '../../src/merge/history.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { lineageOf, prune, snapshotOf, type Round } from '../../src/sync/prune.ts';
import { ordered, tryMerge, tryUnmerge } from '../../src/sync/identity.ts';
import { recordOf } from '../../src/sync/hub.ts';
import { standingRun } from '../../src/sync/runs.ts';
import { planUndo, type UndoItem } from '../../src/sync/undo-plan.ts';
import type { UndoScope } from '../../src/sync/scope.ts';
import { Pair } from './pair.ts';

const day = 86_400_000;
const stores: SqliteStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});
const begin = (): Pair => {
  const store = new SqliteStore({ file: ':memory:', immediate: true });
  stores.push(store);
  return new Pair({ store, rule: { conflict: 'keep' } });
};

/** Prunes until nothing is left to prune; how many passes it took. */
const pruneAll = async (pair: Pair, keep: number): Promise<number> => {
  const round: Round = { after: undefined };
  for (let passes = 1; ; passes += 1)
    if (!(await prune(pair.hub, { hooks: keep, lineage: keep }, round))) return passes;
};

const faults = async (pair: Pair): Promise<string[]> => {
  const found: string[] = [];
  const snapshot = await (pair.store as SqliteStore).snapshot();
  await verifyStore(snapshot, ({ record, text }) => found.push(`${record}: ${text}`));
  await snapshot.close();
  return found;
};

const viewOf = (pair: Pair): View =>
  ({ store: pair.store, config: { syncs: {} }, now: () => pair.time }) as unknown as View;

const undoItems = async (pair: Pair, scope: UndoScope): Promise<UndoItem[]> => {
  const items: UndoItem[] = [];
  for await (const page of planUndo(pair.hub, scope, 'Lin')) items.push(...page);
  return items;
};

/** Two people, each in both systems, at rest. */
const two = async (pair: Pair): Promise<[string, string]> => {
  pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn', stage: 'lead', note: null });
  pair.file(pair.a, { name: 'Anna', email: 'anna@example.cn', stage: null, note: 'met in May' });
  await pair.sync();
  return (await pair.records()).map((row) => String(row['id'])) as [string, string];
};

const people = (pair: Pair): Promise<string> => standingRun(pair.hub, 'upkeep', 'people', new Set());

const merge = async (pair: Pair, [survivor, loser]: [string, string], keep = survivor): Promise<unknown> =>
  tryMerge(
    pair.hub,
    () => ordered(pair.hub, survivor, loser, { record: keep }),
    { by: 'person:lin', cause: 'person:lin' },
    await people(pair),
  );

const unmerge = async (pair: Pair, loser: string): Promise<unknown> =>
  tryUnmerge(pair.hub, loser, 'person:lin', await people(pair));

/** Values of all records, and of all objects. */
const everything = async (pair: Pair): Promise<unknown> => [
  (await pair.records())
    .map(recordOf)
    .map(({ fields }) => Object.entries(fields).map(([field, { value }]) => [field, value])),
  pair.shown(pair.a),
  pair.shown(pair.b),
];

const lineageRows = (pair: Pair): Promise<number> => pair.store.count('lineage', 'at', {});

describe('pruning', () => {
  it('folds what is old into one snapshot a record, and the record is told the same', async () => {
    const pair = begin();
    const ann = pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn', note: '1' });
    await pair.sync();
    for (const note of ['2', '3', '4']) {
      pair.edit(pair.a, ann, { note });
      await pair.sync();
    }
    const [row] = await pair.records();
    const id = String(row?.['id']);
    const before = recordThen((await lineageOf(pair.store, id)).rows);
    pair.time += 400 * day;
    await pruneAll(pair, 30 * day);
    expect(await lineageRows(pair)).toBe(0);
    const after = await lineageOf(pair.store, id);
    expect(recordThen(after.rows)).toEqual(before);
    expect(after.reaches).toBeGreaterThan(0);
    expect(await faults(pair)).toEqual([]);
    pair.edit(pair.b, [...pair.b.objects.values()][0] ?? ann, { note: '5' });
    await pair.sync();
    expect(await faults(pair)).toEqual([]);
    pair.time += 400 * day;
    await pruneAll(pair, 30 * day);
    expect(await pair.store.count('snapshot', 'record', {})).toBe(1);
    expect(recordThen((await lineageOf(pair.store, id)).rows).fields['note']).toMatchObject({ value: '5' });
    expect(await faults(pair)).toEqual([]);
  });

  it('takes nothing that is young, and of hooks only what is old', async () => {
    const pair = begin();
    const ann = pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn' });
    await pair.hear(pair.a, ann);
    await pair.sync();
    const rows = await lineageRows(pair);
    await pruneAll(pair, 30 * day);
    expect(await lineageRows(pair)).toBe(rows);
    expect(await pair.store.count('snapshot', 'record', {})).toBe(0);
    expect(await pair.store.count('hook', 'at', {})).toBe(1);
    pair.time += 31 * day;
    pair.edit(pair.a, ann, { note: 'x' });
    await pair.hear(pair.a, ann);
    await pair.sync();
    const young = (await lineageRows(pair)) - rows;
    await pruneAll(pair, 30 * day);
    expect(await lineageRows(pair)).toBe(young);
    expect(await pair.store.count('hook', 'at', {})).toBe(1);
    expect(await faults(pair)).toEqual([]);
  });

  it('says how far back the record is known', async () => {
    const pair = begin();
    const ann = pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn', note: '1' });
    await pair.sync();
    const early = pair.time;
    pair.time += 10 * day;
    pair.edit(pair.a, ann, { note: '2' });
    await pair.sync();
    const middle = pair.time;
    pair.time += 50 * day;
    pair.edit(pair.a, ann, { note: '3' });
    await pair.sync();
    await pruneAll(pair, 30 * day);
    const [row] = await pair.records();
    const id = String(row?.['id']);
    await expect(recordReport(viewOf(pair), id, early)).rejects.toMatchObject({ code: 'record-pruned' });
    await expect(recordReport(viewOf(pair), id, early - 999 * day)).rejects.toMatchObject({
      code: 'record-unborn',
    });
    const then = await recordReport(viewOf(pair), id, middle + 20 * day);
    expect(then.fields.find(({ field }) => field === 'note')?.value).toBe('2');
    expect(then.record.reaches).not.toBeNull();
    expect((await recordReport(viewOf(pair), id)).fields.find(({ field }) => field === 'note')?.value).toBe(
      '3',
    );
  });

  it('undo refuses what begins before, and takes back what came after to values that the snapshot keeps', async () => {
    const pair = begin();
    const ann = pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn', note: '1' });
    const { a: old } = await pair.sync();
    pair.time += 60 * day;
    await pruneAll(pair, 30 * day);
    pair.time += day;
    const from = pair.time;
    pair.edit(pair.a, ann, { note: '2' });
    await pair.sync();
    const refused = async (scope: UndoScope): Promise<void> => {
      const error = await undoItems(pair, scope).then(
        () => undefined,
        (given: unknown) => given,
      );
      expect(error).toBeInstanceOf(CrosswalkError);
      expect(error).toMatchObject({ code: 'undo-scope' });
      expect((error as Error).message).toContain('not known any more');
    };
    await refused({ run: old });
    await refused({ connection: 'A' });
    await refused({ from: from - 90 * day, to: pair.time });
    const items = await undoItems(pair, { from, to: pair.time });
    expect(items.filter(({ field }) => field === 'note')).toMatchObject([{ now: '2', back: '1' }]);
    expect(items.some(({ kind }) => kind === 'object')).toBe(false);
  });

  it('of records before they were merged lets them be taken apart as if nothing were pruned', async () => {
    const outcomes: unknown[] = [];
    for (const keep of [30 * day, 9999 * day]) {
      const pair = begin();
      const ids = await two(pair);
      pair.time += 60 * day;
      await pruneAll(pair, keep);
      expect(await pair.store.count('snapshot', 'record', {})).toBe(keep === 30 * day ? 2 : 0);
      expect(await merge(pair, ids, ids[1])).toEqual({ survivor: ids[1], loser: ids[0] });
      await pair.work();
      await pruneAll(pair, keep);
      expect(await faults(pair)).toEqual([]);
      const joined = await everything(pair);
      expect(await unmerge(pair, ids[0])).toBeNull();
      await pair.work();
      expect(await faults(pair)).toEqual([]);
      outcomes.push([joined, await everything(pair)]);
    }
    expect(outcomes[0]).toEqual(outcomes[1]);
  });

  it('of records that were merged leaves them one: a person is told why', async () => {
    const pair = begin();
    const ids = await two(pair);
    await merge(pair, ids);
    await pair.work();
    const before = recordThen((await lineageOf(pair.store, ids[0])).rows);
    pair.time += 60 * day;
    await pruneAll(pair, 30 * day);
    expect(await lineageRows(pair)).toBe(0);
    expect(await faults(pair)).toEqual([]);
    expect(recordThen((await lineageOf(pair.store, ids[0])).rows)).toEqual(before);
    const refused = await unmerge(pair, ids[1]).catch((error: unknown) => error);
    expect(JSON.stringify(refused) + String(refused)).toContain('is not known any more');
    const report = await recordReport(viewOf(pair), ids[1]);
    expect(report.record).toMatchObject({ id: ids[0], asked: ids[1], merged: [ids[1]] });
    expect((await recordReport(viewOf(pair), ids[1], pair.time)).record.id).toBe(ids[0]);
  });

  it('works a bounded piece a pass, also at records with a long history', async () => {
    const pair = begin();
    const ann = pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn', note: '0' });
    await pair.sync();
    const [row] = await pair.records();
    const record = String(row?.['id']);
    // What is only seen changes nothing, and is told nevertheless.
    const body = { cause: 'poll', sync: 'A', object: ann.id, version: 1, entries: [] };
    const write = Array.from({ length: 1700 }, () => ({
      op: 'append' as const,
      table: 'lineage' as const,
      row: { record, at: pair.time, run: 'r', body },
    }));
    await pair.store.commit([{ when: [], write }]);
    pair.time += 60 * day;
    const round: Round = { after: undefined };
    const left = [await lineageRows(pair)];
    while (await prune(pair.hub, { hooks: day, lineage: 30 * day }, round)) {
      left.push(await lineageRows(pair));
      expect((left.at(-2) ?? 0) - (left.at(-1) ?? 0)).toBeLessThanOrEqual(500);
      expect(await faults(pair)).toEqual([]);
    }
    expect(left.at(-1)).toBe(0);
    expect(left.length).toBeGreaterThan(3);
  });

  it('is not held up by rows that a clock has put out of order, and keeps what is young behind them', async () => {
    const pair = begin();
    pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn' });
    pair.file(pair.a, { name: 'Bo', email: 'bo@example.cn' });
    await pair.sync();
    const [first] = await pair.records();
    const body = { cause: 'poll', version: 1, entries: [] };
    const late = (at: number) => ({
      op: 'append' as const,
      table: 'lineage' as const,
      row: { record: String(first?.['id']), at, run: 'r', body },
    });
    await pair.store.commit([{ when: [], write: [late(pair.time + 90 * day), late(1)] }]);
    pair.time += 60 * day;
    await pruneAll(pair, 30 * day);
    expect(await lineageRows(pair)).toBe(2);
    expect(await pair.store.count('snapshot', 'record', {})).toBe(2);
    expect(await faults(pair)).toEqual([]);
  });

  it('a snapshot that was tampered with is found', async () => {
    const pair = begin();
    pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn' });
    await pair.sync();
    pair.time += 60 * day;
    await pruneAll(pair, 30 * day);
    const [row] = await pair.store.list('snapshot', 'record', { where: {}, limit: 1 });
    const { rows } = snapshotOf(row ?? {});
    const changed = JSON.parse(JSON.stringify(rows).replaceAll('Ann', 'Bob')) as unknown;
    const key = { record: String(row?.['record']) };
    await pair.store.commit([
      { when: [], write: [{ op: 'set', table: 'snapshot', key, row: { body: changed } }] },
    ]);
    expect((await faults(pair)).join()).toContain('hash differs');
  });

  it('law: whatever happened, and wherever it is cut, the store is what is told, and time travel agrees behind the cut', async () => {
    const edit = fc.record({
      side: fc.constantFrom('a' as const, 'b' as const),
      field: fc.constantFrom('name', 'note'),
      value: fc.constantFrom('x', 'y', 'z'),
      days: fc.integer({ min: 0, max: 20 }),
      both: fc.boolean(),
      keep: fc.option(fc.integer({ min: 1, max: 40 })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 8 }), async (edits) => {
        const pair = begin();
        pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn', note: '1' });
        await pair.sync();
        const [row] = await pair.records();
        const id = String(row?.['id']);
        const seen: { at: number; fields: unknown }[] = [];
        for (const { side, field, value, days, both, keep } of edits) {
          pair.time += days * day;
          for (const one of both ? (['a', 'b'] as const) : [side]) {
            const [object] = pair[one].objects.values();
            if (object !== undefined)
              pair.edit(pair[one], object, { [field]: both ? `${value}${one}` : value });
          }
          await pair.sync();
          const { rows } = await lineageOf(pair.store, id);
          seen.push({ at: pair.time, fields: recordThen(rows).fields });
          if (keep !== null) await pruneAll(pair, keep * day);
          expect(await faults(pair)).toEqual([]);
          const told = await lineageOf(pair.store, id);
          for (const { at, fields } of seen)
            if (told.reaches === null || at >= told.reaches)
              expect(recordThen(told.rows, { at }).fields).toEqual(fields);
        }
      }),
      { numRuns: 40 },
    );
  });
});
