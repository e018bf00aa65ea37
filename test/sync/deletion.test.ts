/** Deletions over the real engine: what is removed, what stays and why, what comes back, and what a person decides. */
import { describe, expect, it } from 'vitest';
import type { DeletePolicy } from '../../src/merge/policy.ts';
import { deletedField, reachOf } from '../../src/merge/deletion.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import type { ToyObject, ToySystem } from '../../src/simulate/toy.ts';
import { catchUp } from '../../src/sync/catch-up.ts';
import { recordOf, type Sync } from '../../src/sync/hub.ts';
import { replayEffect, resolveConflict } from '../../src/sync/resolve.ts';
import { closeRuns, runOf } from '../../src/sync/runs.ts';
import { Pair, type PairOptions } from './pair.ts';

interface Rules {
  readonly a?: DeletePolicy;
  readonly b?: DeletePolicy;
  /** Systems that bring back. */
  readonly resurrect?: string;
  readonly sync?: (sync: Sync) => Sync;
}

/** One person in both systems, at rest. Deletions propagate unless something else is said. */
const filed = async (
  { a = 'propagate', b = 'propagate', resurrect = '', sync }: Rules = {},
  options: PairOptions = {},
): Promise<{ pair: Pair; a: ToyObject; b: ToyObject }> => {
  const pair = new Pair({
    a: { removes: 'telling' },
    b: { removes: 'telling' },
    ...options,
    sync: (one) => {
      const deletes = one.name === 'A' ? a : b;
      const made = { ...one, deletes, resurrect: resurrect.includes(one.name) };
      return sync?.(made) ?? made;
    },
  });
  const object = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null });
  await pair.sync();
  const [other] = pair.b.objects.values();
  if (other === undefined) throw new Error('nothing was created');
  return { pair, a: object, b: other };
};

const ids = (system: ToySystem): string[] =>
  [...system.objects.values()].filter((object) => !object.deleted).map(({ id }) => id);

const reach = async (pair: Pair, nth = 0): Promise<unknown> => {
  const row = (await pair.records())[nth];
  return row === undefined ? undefined : reachOf(recordOf(row));
};

/** What lineage tells of the deletion: `sync/object verdict: rule`. */
const told = async (pair: Pair, nth = 0): Promise<string[]> => {
  const id = String((await pair.records())[nth]?.['id']);
  const rows = await pair.store.list('lineage', 'record', { where: { record: id }, limit: 1000 });
  return rows
    .map((row) => row['body'] as LineageRow)
    .flatMap(({ sync, object, event, entries }) => [
      ...(event === 'gone' || event === 'revived' ? [`${sync}/${object} ${event}`] : []),
      ...entries
        .filter((entry) => entry.field === deletedField)
        .map(({ verdict, rule = '' }) => `${sync}/${object} ${verdict}${rule === '' ? '' : `: ${rule}`}`),
    ]);
};

/** Books balance, lineage replays, nothing waits. */
const sound = async (pair: Pair): Promise<void> => {
  for (const state of ['open', 'unsettled'])
    expect(await pair.store.count('effect', 'state', { state }), state).toBe(0);
  pair.time += 7_200_000;
  await closeRuns(pair.hub);
  const runs = await pair.store.list('run', 'at', { where: {}, limit: 1000 });
  expect(runs.map(runOf).filter(({ state }) => state === 'failed')).toEqual([]);
  for (const row of await pair.records()) {
    const where = { record: String(row['id']) };
    const rows = await pair.store.list('lineage', 'record', { where, limit: 1000 });
    expect(
      replayDifferences(
        recordOf(row),
        rows.map((one) => one['body'] as LineageRow),
      ),
    ).toEqual([]);
  }
};

const conflict = async (
  pair: Pair,
): Promise<{ record: string; field: string; sync: string; object: string }> => {
  const [row, ...more] = await pair.store.list('conflict', 'open', { where: { open: 1 }, limit: 10 });
  expect(more).toEqual([]);
  const of = (name: string): string => String(row?.[name]);
  return { record: of('record'), field: of('field'), sync: of('sync'), object: of('object') };
};

const decide = async (pair: Pair, choice: 'ours' | 'theirs'): Promise<void> => {
  const key = await conflict(pair);
  expect(key.field).toBe(deletedField);
  const run = String((await pair.store.list('run', 'at', { where: {}, limit: 1 }))[0]?.['id']);
  expect(await resolveConflict(pair.hub, key, choice, 'lin', run)).toBe(true);
  await pair.work();
};

describe('deleted in one system', () => {
  it('propagate: removed in the other, after a look, and lineage says because of what', async () => {
    const { pair, a, b } = await filed();
    await pair.live(pair.a, a, true);
    await pair.work();
    expect([ids(pair.a), ids(pair.b), await reach(pair)]).toEqual([[], [], 'propagate']);
    expect(await told(pair)).toEqual([
      `A/${a.id} gone`,
      `A/${a.id} took: deleted there`,
      `B/${b.id} removed`,
      `B/${b.id} gone`,
    ]);
    const [event] = b.lives;
    expect(event?.lastLookTick).toBe((event?.tick ?? 0) - 1);
    await pair.sync();
    expect([ids(pair.a), ids(pair.b)]).toEqual([[], []]);
    await sound(pair);
  });

  it('propagate towards a system that cannot remove, or does not: it stays there, and lineage says why', async () => {
    const unable = await filed({}, { b: {} });
    await unable.pair.live(unable.pair.a, unable.a, true);
    await unable.pair.work();
    expect([ids(unable.pair.b), await reach(unable.pair)]).toEqual([[unable.b.id], 'propagate']);
    expect((await told(unable.pair)).at(-1)).toBe(
      `B/${unable.b.id} noted: it stays there: objects of this kind cannot be removed`,
    );
    for (const b of ['ignore', 'archive'] as const) {
      const keeps = await filed({ b });
      await keeps.pair.live(keeps.pair.a, keeps.a, true);
      await keeps.pair.work();
      expect([ids(keeps.pair.b), await reach(keeps.pair)]).toEqual([[keeps.b.id], 'propagate']);
      expect((await told(keeps.pair)).at(-1)).toBe(
        `B/${keeps.b.id} noted: it stays there: nothing is removed there by this deletion`,
      );
      await sound(keeps.pair);
    }
  });

  it('archive: the record is marked, and the field that shows it is written where the mapping writes it', async () => {
    const { pair, a, b } = await filed({ a: 'archive' }, { entity: { mark: 'note' } });
    await pair.live(pair.a, a, true);
    await pair.work();
    expect([ids(pair.b), b.value['note'], await reach(pair)]).toEqual([[b.id], true, 'archive']);
    // Edits go on to be merged, and bring nothing back by themselves.
    pair.edit(pair.b, b, { name: 'Anna' });
    await pair.sync();
    expect([ids(pair.a), await reach(pair)]).toEqual([[], 'archive']);
    // Whoever takes the mark back takes the deletion back.
    pair.edit(pair.b, b, { note: false });
    await pair.sync();
    expect([ids(pair.a), await reach(pair), (await told(pair)).at(-1)]).toEqual([
      [],
      null,
      `B/${b.id} took: unmarked there`,
    ]);
    await sound(pair);
  });

  it('ignore: nothing follows', async () => {
    const { pair, a, b } = await filed({ a: 'ignore' });
    await pair.live(pair.a, a, true);
    await pair.work();
    expect([ids(pair.b), await reach(pair), await told(pair)]).toEqual([[b.id], null, [`A/${a.id} gone`]]);
    pair.edit(pair.b, b, { name: 'Anna' });
    await pair.sync();
    expect(ids(pair.a)).toEqual([]);
    await sound(pair);
  });

  it('a reader’s deletions delete no record, but the records’ deletions reach it', async () => {
    const sync = (one: Sync): Sync =>
      one.name === 'B' ? { ...one, rules: (field) => ({ ...one.rules(field), role: 'reader' }) } : one;
    const { pair, a, b } = await filed({ sync });
    await pair.live(pair.b, b, true);
    await pair.work();
    expect([ids(pair.a), await reach(pair), (await told(pair)).at(-1)]).toEqual([
      [a.id],
      null,
      `B/${b.id} overruled: role reader`,
    ]);
    const other = await filed({ sync });
    await other.pair.live(other.pair.a, other.a, true);
    await other.pair.work();
    expect(ids(other.pair.b)).toEqual([]);
  });

  it('nothing is made for a deleted record that had no object yet', async () => {
    const { pair } = await filed();
    const bob = pair.file(pair.a, { email: 'bob@x.cn', name: 'Bob', stage: null, note: null });
    pair.cut.add(pair.b);
    await pair.sync();
    await pair.live(pair.a, bob, true);
    await pair.work();
    pair.cut.clear();
    await pair.sync();
    expect([ids(pair.b).length, await reach(pair, 1)]).toEqual([1, 'propagate']);
    await sound(pair);
  });

  it('one of two objects of a record there: the record stays until both are gone', async () => {
    const { pair, a, b } = await filed();
    const twin = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null });
    await pair.sync();
    await pair.live(pair.a, a, true);
    await pair.work();
    expect([ids(pair.b), await reach(pair)]).toEqual([[b.id], null]);
    await pair.live(pair.a, twin, true);
    await pair.work();
    expect([ids(pair.b), await reach(pair)]).toEqual([[], 'propagate']);
    // Both at once: neither counts on the other.
    const both = await filed();
    const other = both.pair.file(both.pair.a, { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null });
    await both.pair.sync();
    for (const one of [both.a, other]) await both.pair.live(both.pair.a, one, true);
    await both.pair.work();
    expect([ids(both.pair.b), await reach(both.pair)]).toEqual([[], 'propagate']);
    await sound(both.pair);
  });

  it('what only plans to write removes nothing, and does so once it writes', async () => {
    const { pair, a, b } = await filed();
    const live = pair.hub.syncs.get('B');
    if (live === undefined) throw new Error('no sync');
    const syncs = pair.hub.syncs as Map<string, Sync>;
    syncs.set('B', { ...live, outward: false });
    await pair.live(pair.a, a, true);
    await pair.work();
    expect([ids(pair.b), (await told(pair)).at(-1)]).toEqual([
      [b.id],
      `B/${b.id} noted: it stays there: the sync writes nothing`,
    ]);
    syncs.set('B', live);
    while (await catchUp(pair.hub, live));
    await pair.work();
    expect(ids(pair.b)).toEqual([]);
    await sound(pair);
  });
});

describe('removal', () => {
  it('a remote that says yes and does nothing is caught; a person lets it be tried again, or keeps it', async () => {
    for (const choice of ['ours', 'theirs'] as const) {
      const { pair, a, b } = await filed();
      await pair.live(pair.a, a, true);
      pair.ignoring = true;
      await pair.work();
      expect([ids(pair.b), (await told(pair)).at(-1)]).toEqual([
        [b.id],
        `B/${b.id} not-taken: the remote said yes, and it is still there`,
      ]);
      pair.ignoring = false;
      await decide(pair, choice);
      expect([ids(pair.b), await reach(pair)]).toEqual(
        choice === 'ours' ? [[], 'propagate'] : [[b.id], null],
      );
      await sound(pair);
    }
  });

  it('one that is refused parks with the remote’s words, and goes through once it is tried again', async () => {
    const { pair, a, b } = await filed();
    pair.refusing = true;
    await pair.live(pair.a, a, true);
    await pair.work();
    const [parked] = await pair.store.list('effect', 'state', { where: { state: 'parked' }, limit: 10 });
    expect(parked?.['reason']).toEqual({ code: 'LOCKED', message: 'not allowed' });
    expect((await told(pair)).at(-1)).toBe(`B/${b.id} refused: not allowed`);
    pair.refusing = false;
    const run = String(parked?.['run']);
    const key = { sync: 'B', record: String(parked?.['record']), object: b.id };
    expect(await replayEffect(pair.hub, key, run)).toBe(true);
    await pair.work();
    expect(ids(pair.b)).toEqual([]);
    await sound(pair);
  });

  it('an object that has gone there by itself meanwhile is no trouble', async () => {
    const { pair, a, b } = await filed();
    pair.cut.add(pair.b);
    await pair.live(pair.a, a, true);
    await pair.work();
    pair.b.live(b, true, 'person', pair.now());
    pair.cut.clear();
    await pair.work();
    expect([ids(pair.b), b.lives.length]).toEqual([[], 1]);
    await sound(pair);
  });
});

describe('an edit against a deletion', () => {
  it('a later edit, found by the look before the removal, saves the object', async () => {
    for (const resurrect of ['', 'A']) {
      const { pair, a, b } = await filed({ resurrect });
      pair.cut.add(pair.b);
      await pair.live(pair.a, a, true);
      await pair.work();
      pair.edit(pair.b, b, { name: 'Anna' });
      pair.cut.clear();
      await pair.work();
      expect([ids(pair.b), await reach(pair)]).toEqual([[b.id], null]);
      expect((await told(pair)).filter((text) => text.startsWith('B/'))).toEqual([`B/${b.id} took: newest`]);
      const there = Object.values(pair.shown(pair.a)).map((value) => value['name']);
      expect(there).toEqual(resurrect === '' ? [] : ['Anna']);
      await sound(pair);
    }
  });

  it('one that cannot be told from earlier or later waits for a person, and is not removed meanwhile', async () => {
    for (const choice of ['ours', 'theirs'] as const) {
      const { pair, a, b } = await filed();
      pair.cut.add(pair.a);
      pair.edit(pair.b, b, { name: 'Anna' });
      await pair.sync();
      await pair.live(pair.a, a, true);
      await pair.work();
      expect([ids(pair.b), await reach(pair)]).toEqual([[b.id], null]);
      expect(await conflict(pair)).toMatchObject({ field: deletedField, sync: 'A', object: a.id });
      await decide(pair, choice);
      expect([ids(pair.b), await reach(pair)]).toEqual(
        choice === 'ours' ? [[b.id], null] : [[], 'propagate'],
      );
      // Where a person said that it is deleted, taking it out of the bin says that it is not.
      await pair.live(pair.a, a, false);
      pair.cut.clear();
      await pair.sync();
      expect([ids(pair.a), ids(pair.b).length, await reach(pair)]).toEqual([[a.id], 1, null]);
      expect(a.value['name']).toBe('Anna');
      await sound(pair);
    }
  });

  it('keep: what was deleted there stays deleted, the record stays, nobody is asked', async () => {
    const { pair, a, b } = await filed({}, { rule: { conflict: 'keep' } });
    pair.cut.add(pair.a);
    pair.edit(pair.b, b, { name: 'Anna' });
    await pair.sync();
    await pair.live(pair.a, a, true);
    await pair.work();
    expect([ids(pair.b), await reach(pair)]).toEqual([[b.id], null]);
    expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(0);
    expect((await told(pair)).at(-1)).toBe(`A/${a.id} kept: keep`);
  });
});

describe('restored', () => {
  it('where it was deleted: the record is revived, and made anew where we had removed it', async () => {
    const { pair, a, b } = await filed();
    await pair.live(pair.a, a, true);
    await pair.work();
    await pair.live(pair.a, a, false);
    await pair.work();
    const [anew] = ids(pair.b);
    expect([ids(pair.a), await reach(pair), anew === b.id]).toEqual([[a.id], null, false]);
    expect(pair.shown(pair.b)[anew ?? '']).toMatchObject({ email: 'ann@x.cn', name: 'Ann' });
    expect((await told(pair)).slice(-2)).toEqual([`A/${a.id} revived`, `A/${a.id} took: restored there`]);
    pair.edit(pair.a, a, { name: 'Anna' });
    await pair.sync();
    expect(Object.values(pair.shown(pair.b)).map((value) => value['name'])).toEqual(['Anna']);
    await sound(pair);
  });

  it('where we had removed it: a person is asked whether it stays', async () => {
    for (const choice of ['ours', 'theirs'] as const) {
      const { pair, a, b } = await filed();
      await pair.live(pair.a, a, true);
      await pair.work();
      await pair.live(pair.b, b, false);
      await pair.work();
      expect(await conflict(pair)).toMatchObject({ sync: 'B', object: b.id });
      await decide(pair, choice);
      expect([ids(pair.b), await reach(pair)]).toEqual(
        choice === 'ours' ? [[], 'propagate'] : [[b.id], null],
      );
      // What a person there deleted is not made anew by that.
      expect(ids(pair.a)).toEqual([]);
      await sound(pair);
    }
  });

  it('again and again where its deletion is upheld: removed twice, then a person must look', async () => {
    const sync = (one: Sync): Sync =>
      one.name === 'B' ? { ...one, rules: (field) => ({ ...one.rules(field), role: 'reader' }) } : one;
    const { pair, a, b } = await filed({ sync });
    await pair.live(pair.a, a, true);
    await pair.work();
    for (const left of [[], [], [b.id]]) {
      await pair.live(pair.b, b, false);
      await pair.work();
      expect(ids(pair.b)).toEqual(left);
    }
    expect((await told(pair)).at(-1)).toBe(`B/${b.id} oscillation: it came back 3 times`);
    await sound(pair);
  });

  it('just before it would have been made anew: then it is not', async () => {
    const { pair, a, b } = await filed({ a: 'ignore', resurrect: 'A' });
    await pair.live(pair.a, a, true);
    await pair.work();
    pair.cut.add(pair.a);
    pair.edit(pair.b, b, { name: 'Anna' });
    await pair.sync();
    pair.a.live(a, false, 'person', pair.now());
    pair.cut.clear();
    await pair.work();
    expect([ids(pair.a), a.value['name']]).toEqual([[a.id], 'Anna']);
    await sound(pair);
  });

  it('what waited for a person before it was gone waits again', async () => {
    const { pair, a, b } = await filed({ a: 'ignore' }, { rule: { conflict: 'ask' } });
    pair.edit(pair.a, a, { name: 'Anna' });
    pair.edit(pair.b, b, { name: 'Anne' });
    await pair.sync();
    const asked = await conflict(pair);
    const system = asked.sync === 'A' ? pair.a : pair.b;
    const object = asked.sync === 'A' ? a : b;
    await pair.live(system, object, true);
    await pair.work();
    if (asked.sync === 'A') expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(0);
    await pair.live(system, object, false);
    await pair.work();
    expect(await conflict(pair)).toEqual(asked);
  });
});

describe('resurrect', () => {
  it('a later edit elsewhere makes it anew; without it, and by an earlier edit, it stays gone', async () => {
    for (const resurrect of ['', 'A']) {
      const { pair, a, b } = await filed({ a: 'ignore', resurrect });
      await pair.live(pair.a, a, true);
      await pair.work();
      pair.edit(pair.b, b, { name: 'Anna' });
      await pair.sync();
      expect(ids(pair.a).length).toBe(resurrect === '' ? 0 : 1);
      expect(ids(pair.a)).not.toContain(a.id);
      await sound(pair);
    }
  });

  it('an archived record is revived by it', async () => {
    const { pair, a, b } = await filed({ a: 'archive', b: 'archive', resurrect: 'A' });
    await pair.live(pair.a, a, true);
    await pair.work();
    expect(await reach(pair)).toBe('archive');
    pair.edit(pair.b, b, { name: 'Anna' });
    await pair.sync();
    expect([await reach(pair), (await told(pair)).at(-1)]).toEqual([null, `B/${b.id} took: resurrect`]);
    expect(Object.values(pair.shown(pair.a)).map((value) => value['name'])).toEqual(['Anna']);
    await sound(pair);
  });
});

describe('what is filed anew', () => {
  it('under the key of something deleted is something else; the old one still comes back', async () => {
    const { pair, a } = await filed();
    await pair.live(pair.a, a, true);
    await pair.work();
    const anew = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann II', stage: null, note: null });
    await pair.sync();
    expect([(await pair.records()).length, await reach(pair, 0), await reach(pair, 1)]).toEqual([
      2,
      'propagate',
      null,
    ]);
    await pair.live(pair.a, a, false);
    await pair.work();
    expect([ids(pair.a).sort(), await reach(pair)]).toEqual([[a.id, anew.id].sort(), null]);
    // The key stays with whoever holds it; people see that the two are alike.
    expect(await pair.store.count('candidate', 'at', {})).toBe(1);
    await sound(pair);
  });

  it('with the anchor of something deleted is something else, and people see where it came from', async () => {
    const { pair, a } = await filed({}, { a: { removes: 'telling', anchored: true } });
    await pair.live(pair.a, a, true);
    await pair.work();
    const id = String((await pair.records())[0]?.['id']);
    pair.file(pair.a, { email: 'copy@x.cn', name: 'Copy', stage: null, note: null, anchor: id });
    await pair.sync();
    expect([(await pair.records()).length, await reach(pair, 0), await reach(pair, 1)]).toEqual([
      2,
      'propagate',
      null,
    ]);
    const [candidate] = await pair.store.list('candidate', 'at', { where: {}, limit: 10 });
    expect(candidate?.['why']).toBe('its anchor names a deleted record');
  });
});
