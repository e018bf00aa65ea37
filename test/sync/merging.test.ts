/** Records that become one and two again, over the real engine: what is written, what waits, what stands against it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import type { LinkState } from '../../src/merge/record.ts';
import { intoOf } from '../../src/merge/redirect.ts';
import type { ToyObject, ToySystem } from '../../src/simulate/toy.ts';
import type { Group } from '../../src/store/store.ts';
import { Draft } from '../../src/sync/draft.ts';
import { leadsTo, linkOf, linkRow, recordOf, type Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { ordered, tellApart, tryMerge, tryUnmerge } from '../../src/sync/identity.ts';
import { resolveConflict } from '../../src/sync/resolve.ts';
import { standingRun } from '../../src/sync/runs.ts';
import { Pair, type PairOptions } from './pair.ts';

const ann = { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null };
const anna = { email: 'anna@x.cn', name: 'Anna', stage: null, note: 'met in May' };

/** Two people, each in both systems, at rest. */
const filed = async (
  options: PairOptions = {},
): Promise<{ pair: Pair; ids: [string, string]; a: [ToyObject, ToyObject]; b: [ToyObject, ToyObject] }> => {
  const pair = new Pair(options);
  const a: [ToyObject, ToyObject] = [pair.file(pair.a, ann), pair.file(pair.a, anna)];
  await pair.sync();
  const ids = (await pair.records()).map((row) => String(row['id'])) as [string, string];
  const b = [...pair.b.objects.values()] as [ToyObject, ToyObject];
  return { pair, ids, a, b };
};

const people = (pair: Pair): Promise<string> => standingRun(pair.hub, 'upkeep', 'people', new Set());

const merge = async (pair: Pair, survivor: string, loser: string): Promise<unknown> =>
  tryMerge(
    pair.hub,
    () => ordered(pair.hub, survivor, loser, { record: survivor }),
    { by: 'person:lin', cause: 'person:lin' },
    await people(pair),
  );

const unmerge = async (pair: Pair, loser: string): Promise<unknown> =>
  tryUnmerge(pair.hub, loser, 'person:lin', await people(pair));

const fieldsOf = async (pair: Pair, id: string): Promise<Record<string, unknown>> => {
  const record = recordOf((await pair.store.get('record', { id })) ?? {});
  return Object.fromEntries(Object.entries(record.fields).map(([field, { value }]) => [field, value]));
};

const replays = async (pair: Pair): Promise<string[]> => {
  const wrong: string[] = [];
  for (const record of (await pair.records()).map(recordOf)) {
    const rows = await pair.store.list('lineage', 'record', { where: { record: record.id }, limit: 1000 });
    wrong.push(
      ...replayDifferences(
        record,
        rows.map((row) => row['body'] as LineageRow),
      ),
    );
  }
  return wrong;
};

const recordFor = async (pair: Pair, sync: string, { id }: ToyObject): Promise<unknown> =>
  (await pair.store.get('link', { sync, object: id }))?.['record'];

const candidates = async (pair: Pair): Promise<unknown[]> =>
  (await pair.store.list('candidate', 'at', { where: {}, limit: 100 })).map(({ a, b, why }) => [a, b, why]);

/** The system merges one object into another: reads say so from then on. */
const mergesThere = async (
  pair: Pair,
  system: ToySystem,
  goes: ToyObject,
  stays: ToyObject,
): Promise<void> => {
  system.change(goes, {}, 'person', pair.now(), null);
  goes.deleted = true;
  goes.movedTo = stays.id;
  await pair.hear(system, goes);
};

describe('a merge', () => {
  it('makes all objects alike, but for the keys of second objects in a system', async () => {
    const { pair, ids } = await filed();
    expect(await merge(pair, ids[0], ids[1])).toEqual({ survivor: ids[0], loser: ids[1] });
    await pair.work();
    const one = { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: 'met in May' };
    for (const system of [pair.a, pair.b])
      expect(Object.values(pair.shown(system))).toMatchObject([one, { ...one, email: 'anna@x.cn' }]);
    expect(await replays(pair)).toEqual([]);
  });

  it('leads from the loser to the survivor: ids, keys, decisions', async () => {
    const { pair, ids } = await filed({ rule: { conflict: 'ask' } });
    await merge(pair, ids[0], ids[1]);
    expect((await leadsTo(pair.hub, ids[1]))?.id).toBe(ids[0]);
    const [open] = await pair.store.list('conflict', 'open', { where: { open: 1 }, limit: 10 });
    expect(open).toMatchObject({ record: ids[0], field: 'name', theirs: 'Anna' });
    const key = {
      record: ids[1],
      field: 'name',
      sync: String(open?.['sync']),
      object: String(open?.['object']),
    };
    expect(await resolveConflict(pair.hub, key, 'theirs', 'lin', await people(pair))).toBe(true);
    expect((await fieldsOf(pair, ids[0]))['name']).toBe('Anna');
    const again = pair.file(pair.b, { ...anna, name: 'Anna again' });
    await pair.sync();
    expect(await recordFor(pair, 'B', again)).toBe(ids[0]);
  });

  it('leaves alone what an object held that was gone meanwhile, and says so when it is back', async () => {
    const { pair, ids, a, b } = await filed({ rule: { clear: 'take' } });
    pair.edit(pair.a, a[1], { tags: ['vip', 'new'] });
    await pair.sync();
    await pair.live(pair.b, b[1], true);
    await pair.sync();
    await pair.sync();
    pair.edit(pair.a, a[1], { note: null, tags: null });
    await pair.sync();
    await merge(pair, ids[0], ids[1]);
    await pair.sync();
    await pair.live(pair.b, b[1], false);
    await pair.sync();
    expect(await recordFor(pair, 'B', b[1])).toBe(ids[0]);
    expect(pair.shown(pair.b)[b[1].id]).toMatchObject({
      name: 'Ann',
      note: 'met in May',
      tags: ['vip', 'new'],
    });
    const held = async (): Promise<unknown[]> =>
      (await pair.store.list('conflict', 'record', { where: { record: ids[0] }, limit: 10 }))
        .filter((row) => row['object'] === b[1].id && row['field'] !== 'email')
        .map(({ field, why }) => `${field} ${why}`)
        .sort();
    expect(await held()).toEqual(['note empty', 'tags kept']);
    // Somebody takes one of them away there: the other stays, and stays apart.
    pair.edit(pair.b, b[1], { tags: ['vip'] });
    await pair.sync();
    expect(pair.shown(pair.b)[b[1].id]).toMatchObject({ tags: ['vip'] });
    expect(await held()).toEqual(['note empty', 'tags kept']);
    expect(await replays(pair)).toEqual([]);
  });

  it('waits for a create that is under way, and leaves one object', async () => {
    const outcomes: unknown[] = [];
    const pair: Pair = new Pair({
      sync: (sync: Sync): Sync => {
        const { create } = sync.kind;
        if (sync.name !== 'B' || create === undefined) return sync;
        const send: typeof create.send = async (items, ...rest) => {
          const [one, other] = (await pair.records()).map((row) => String(row['id']));
          outcomes.push(await merge(pair, one ?? '', other ?? ''));
          return create.send(items, ...rest);
        };
        return { ...sync, kind: { ...sync.kind, create: { ...create, send } } };
      },
    });
    pair.file(pair.a, ann);
    pair.file(pair.a, anna);
    await pair.sync();
    expect(outcomes[0]).toMatchObject({ is: 'busy' });
    expect(pair.b.objects.size).toBe(2);
  });

  it('is refused between what cannot be one', async () => {
    const { pair, ids, a } = await filed({ sync: (sync) => ({ ...sync, deletes: 'archive' }) });
    expect(await merge(pair, ids[0], ids[0])).toMatchObject({ is: 'refused' });
    await merge(pair, ids[0], ids[1]);
    expect(await merge(pair, ids[0], ids[1]), 'they are one').toMatchObject({ is: 'refused' });
    expect((await pair.records()).map((row) => intoOf(recordOf(row)))).toEqual([null, ids[0]]);
    await unmerge(pair, ids[1]);
    expect(await merge(pair, ids[0], ids[1])).toMatchObject({ is: 'apart' });
    await pair.work();
    await pair.live(pair.a, a[0], true);
    await pair.sync();
    const third = pair.file(pair.a, { ...ann, email: 'x@x.cn' });
    await pair.sync();
    expect(await merge(pair, ids[0], String(await recordFor(pair, 'A', third)))).toMatchObject({
      is: 'refused',
      why: `${ids[0]} is deleted`,
    });
  });

  it('keeps the survivor by the rule of the entity, or the one that is named', async () => {
    const { pair, ids } = await filed();
    pair.edit(pair.a, [...pair.a.objects.values()][0] as ToyObject, { name: 'Ann Li' });
    await pair.sync();
    const survivor = async (rule?: Parameters<typeof ordered>[3]): Promise<string> =>
      (await ordered(pair.hub, ids[0], ids[1], rule))[0].id;
    expect(await survivor('newest')).toBe(ids[1]);
    expect(await survivor('updated')).toBe(ids[0]);
    expect(await survivor({ record: ids[1] })).toBe(ids[1]);
    expect(await survivor({ system: 'A' }), 'both are there: the next rules decide').toBe(ids[0]);
    await expect(survivor({ record: 'r9' })).rejects.toThrow(/not-there|r9/u);
  });
});

describe('an unmerge', () => {
  it('gives back both records and what each system showed, where nothing happened between', async () => {
    const { pair, ids } = await filed();
    const before = { a: pair.shown(pair.a), b: pair.shown(pair.b) };
    const values = [await fieldsOf(pair, ids[0]), await fieldsOf(pair, ids[1])];
    await merge(pair, ids[0], ids[1]);
    await pair.work();
    expect(await unmerge(pair, ids[1])).toBeNull();
    await pair.work();
    await pair.sync();
    expect({ a: pair.shown(pair.a), b: pair.shown(pair.b) }).toEqual(before);
    const after = [await fieldsOf(pair, ids[0]), await fieldsOf(pair, ids[1])];
    const filled = (one: Record<string, unknown> | undefined): unknown =>
      Object.fromEntries(
        Object.entries(one ?? {}).filter(([field, value]) => value !== null && !field.startsWith('$')),
      );
    expect(after.map(filled)).toEqual(values.map(filled));
    expect(await replays(pair)).toEqual([]);
  });

  it('gives each edit to the record whose object brought it', async () => {
    const { pair, ids, a, b } = await filed();
    await merge(pair, ids[0], ids[1]);
    await pair.sync();
    pair.edit(pair.a, a[0], { name: 'Ann Li' });
    await pair.sync();
    pair.edit(pair.b, b[1], { stage: 'won' });
    await pair.sync();
    expect(pair.shown(pair.a)[a[0].id]).toMatchObject({ name: 'Ann Li', stage: 'won' });
    await unmerge(pair, ids[1]);
    await pair.sync();
    expect(await fieldsOf(pair, ids[0])).toMatchObject({ name: 'Ann Li', stage: 'lead', note: null });
    expect(await fieldsOf(pair, ids[1])).toMatchObject({ name: 'Anna', stage: 'won', note: 'met in May' });
    expect(pair.shown(pair.b)[b[0].id]).toMatchObject({ name: 'Ann Li', stage: 'lead' });
    expect(pair.shown(pair.b)[b[1].id]).toMatchObject({ name: 'Anna', stage: 'won' });
  });

  it('stores that the two are not the same, which outranks a key that both hold', async () => {
    const pair = new Pair();
    const one = pair.file(pair.a, { ...ann, email: 'shared@x.cn' });
    const other = pair.file(pair.b, { ...anna, email: 'other@x.cn' });
    await pair.sync();
    const ids = [String(await recordFor(pair, 'A', one)), String(await recordFor(pair, 'B', other))];
    await merge(pair, ids[0] ?? '', ids[1] ?? '');
    await pair.work();
    await unmerge(pair, ids[1] ?? '');
    await pair.work();
    pair.edit(pair.b, other, { email: 'shared@x.cn' });
    await pair.sync();
    expect(await candidates(pair), 'no key raises them again').toEqual([]);
    // Nobody can tell whose it is: it is neither’s, and people see that.
    const third = pair.file(pair.a, { ...ann, email: 'shared@x.cn', name: 'Third' });
    await pair.sync();
    const made = await recordFor(pair, 'A', third);
    expect(ids).not.toContain(made);
    expect((await candidates(pair)).length).toBeGreaterThan(0);
  });

  it('takes two losers out of one record in any order', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { pair, ids } = await filed();
      const bob = pair.file(pair.a, { email: 'bob@x.cn', name: 'Bob', stage: null, note: 'met in June' });
      await pair.sync();
      const third = String(await recordFor(pair, 'A', bob));
      await merge(pair, ids[0], ids[1]);
      await merge(pair, ids[0], third);
      await pair.sync();
      const losers = [ids[1], third];
      for (const i of order) {
        expect(await unmerge(pair, losers[i] ?? '')).toBeNull();
        await pair.sync();
      }
      expect(await fieldsOf(pair, ids[0])).toMatchObject({ name: 'Ann', note: null });
      expect(await fieldsOf(pair, ids[1])).toMatchObject({ name: 'Anna', note: 'met in May' });
      expect(await fieldsOf(pair, third)).toMatchObject({ name: 'Bob', note: 'met in June' });
    }
  });

  it('gives back what was linked by a key of the loser meanwhile: it is not made once more there', async () => {
    for (const isFurther of [false, true]) {
      const { pair, ids, b } = await filed();
      const bob = pair.file(pair.a, { email: 'bob@x.cn', name: 'Bob', stage: null, note: null });
      await pair.sync();
      const third = String(await recordFor(pair, 'A', bob));
      await merge(pair, ids[0], ids[1]);
      if (isFurther) await merge(pair, third, ids[0]);
      await pair.sync();
      // Somebody there files the loser’s person anew: its key leads to the record that took it in.
      const again = pair.file(pair.b, { ...anna, note: 'met in July' });
      await pair.sync();
      expect(await recordFor(pair, 'B', again)).toBe(isFurther ? third : ids[0]);
      if (isFurther) expect(await unmerge(pair, ids[0])).toBeNull();
      expect(await unmerge(pair, ids[1])).toBeNull();
      await pair.sync();
      expect(await recordFor(pair, 'B', again)).toBe(ids[1]);
      expect(await fieldsOf(pair, ids[0])).toMatchObject({ name: 'Ann', note: null });
      expect(await fieldsOf(pair, ids[1])).toMatchObject({ name: 'Anna' });
      expect(await recordFor(pair, 'B', b[0])).toBe(ids[0]);
      expect(pair.shown(pair.b)[again.id]).toMatchObject({ name: 'Anna' });
      expect(pair.b.objects.size).toBe(4);
      expect(await replays(pair)).toEqual([]);
    }
  });

  it('knows nothing of an object that came in the place of one: what differs there is in question still', async () => {
    const { pair, ids, b } = await filed({ rule: { conflict: 'ask' } });
    await merge(pair, ids[0], ids[1]);
    await pair.work();
    const other = pair.file(pair.b, { ...anna, note: 'met in June' });
    await mergesThere(pair, pair.b, b[1], other);
    await pair.work();
    const link = async (): Promise<LinkState> =>
      linkOf((await pair.store.get('link', { sync: 'B', object: other.id })) ?? {});
    const open = async (): Promise<unknown[]> =>
      (await pair.store.list('conflict', 'open', { where: { open: 1 }, limit: 10 }))
        .map(({ record, object, field, theirs }) => [record, object, field, theirs])
        .filter(([, object, field]) => object === other.id && field === 'note');
    expect(await open()).toEqual([[ids[0], other.id, 'note', 'met in June']]);
    // As many looks as the other had had when the records became one: what it was then is not what this one is.
    const { from, ...rest } = await link();
    const alike = {
      ...rest,
      from: from?.map((origin) => ({ ...origin, gen: origin.gen < 0 ? origin.gen : rest.gen })),
    };
    await pair.store.commit([{ when: [], write: [{ op: 'put', table: 'link', row: linkRow(alike) }] }]);
    await unmerge(pair, ids[1]);
    await pair.work();
    expect(await open()).toEqual([[ids[1], other.id, 'note', 'met in June']]);
    pair.edit(pair.b, other, { note: 'met in July' });
    await pair.sync();
    expect((await fieldsOf(pair, ids[1]))['note']).toBe('met in May');
    expect(await open()).toEqual([[ids[1], other.id, 'note', 'met in July']]);
    expect(await replays(pair)).toEqual([]);
  });

  it('is refused for what was merged further, until that is taken apart', async () => {
    const { pair, ids } = await filed();
    const bob = pair.file(pair.a, { email: 'bob@x.cn', name: 'Bob', stage: null, note: null });
    await pair.sync();
    const third = String(await recordFor(pair, 'A', bob));
    await merge(pair, ids[0], ids[1]);
    await merge(pair, third, ids[0]);
    await pair.sync();
    expect((await leadsTo(pair.hub, ids[1]))?.id).toBe(third);
    expect(await unmerge(pair, ids[1])).toMatchObject({ is: 'refused' });
    expect(await unmerge(pair, ids[0])).toBeNull();
    expect((await leadsTo(pair.hub, ids[1]))?.id).toBe(ids[0]);
    expect(await unmerge(pair, ids[1])).toBeNull();
    await pair.sync();
    expect(await fieldsOf(pair, ids[1])).toMatchObject({ name: 'Anna', note: 'met in May' });
    expect(await replays(pair)).toEqual([]);
  });
});

describe('a merge inside a system', () => {
  it('is followed: the records become one, and the id that went leads to it', async () => {
    const { pair, ids, a } = await filed();
    await mergesThere(pair, pair.a, a[1], a[0]);
    await pair.work();
    expect((await leadsTo(pair.hub, ids[1]))?.id).toBe(ids[0]);
    expect(await pair.store.get('link', { sync: 'A', object: a[1].id })).toMatchObject({
      record: ids[0],
      state: 'detached',
    });
    const rows = await pair.store.list('lineage', 'record', { where: { record: ids[0] }, limit: 100 });
    const told = rows.map((row) => row['body'] as LineageRow).find(({ event }) => event === 'merged');
    expect(told?.cause).toBe(`${a[1].id} was merged into ${a[0].id} in A`);
    expect(await unmerge(pair, ids[1]), 'and can be taken apart').toBeNull();
    await pair.sync();
    expect(await fieldsOf(pair, ids[1])).toMatchObject({ name: 'Anna' });
  });

  it.each([
    [
      'a person has said that they are not the same',
      async (pair: Pair, ids: [string, string]) =>
        tellApart(pair.hub, ids[0], ids[1], 'lin', await people(pair)),
    ],
    [
      'a protected field has two values',
      async (pair: Pair) => {
        const entity = pair.hub.entities.get('person');
        (pair.hub.entities as Map<string, unknown>).set('person', { ...entity, protect: { name: [] } });
      },
    ],
  ])('raises a candidate and an alarm instead where %s', async (_, prepare) => {
    const { pair, ids, a } = await filed();
    const alarms: string[] = [];
    pair.hub.alarm = (subject) => void alarms.push(subject);
    await prepare(pair, ids);
    await mergesThere(pair, pair.a, a[1], a[0]);
    await pair.work();
    expect((await leadsTo(pair.hub, ids[1]))?.id).toBe(ids[1]);
    expect(alarms).toEqual(['merged in A']);
    expect(await candidates(pair)).toEqual([[ids[0], ids[1], expect.stringContaining('merged in A')]]);
  });

  it('counts from when it was seen: what of the record was deleted there before is not made once more for that', async () => {
    const { pair, ids, a, b } = await filed({
      sync: (sync) => ({ ...sync, deletes: 'ignore', resurrect: true }),
    });
    const bob = pair.file(pair.a, { email: 'bob@x.cn', name: 'Bob', stage: null, note: null });
    await pair.sync();
    const third = String(await recordFor(pair, 'A', bob));
    const bobThere = [...pair.b.objects.values()].at(-1) as ToyObject;
    await merge(pair, ids[0], ids[1]);
    await pair.sync();
    await tellApart(pair.hub, ids[0], third, 'lin', await people(pair));
    await pair.live(pair.b, b[1], true);
    await pair.sync();
    pair.time += 60_000;
    pair.hub.alarm = () => undefined;
    await mergesThere(pair, pair.b, b[0], bobThere);
    await pair.work();
    pair.edit(pair.a, a[0], { name: 'Ann Li' });
    await pair.sync();
    expect((await fieldsOf(pair, ids[0]))['name']).toBe('Ann Li');
    expect(pair.b.objects.size).toBe(3);
  });
});

describe('strong keys', () => {
  it('are one record’s each, however many workers claim them at once, and every other holder is a candidate', async () => {
    const person = fc.record({
      system: fc.constantFrom('a' as const, 'b' as const),
      email: fc.constantFrom('one@x.cn', 'two@x.cn', 'three@x.cn'),
      later: fc.constantFrom('one@x.cn', 'two@x.cn', 'three@x.cn', null),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(person, { minLength: 2, maxLength: 10 }), async (all) => {
        const pair = new Pair({ rule: { conflict: 'newest', clear: 'take' } });
        const run = await people(pair);
        const objects = all.map(({ system, email }) => {
          const object = pair.file(pair[system], { email, name: null, stage: null, note: null });
          return [pair[system], object] as const;
        });
        const work = async (): Promise<void> => {
          for (const [system, object] of objects) await pair.hear(system, object);
          pair.time += 10_000;
          // As many workers as there are, on both lanes at once.
          await Promise.all(['A', 'B', 'A', 'B'].map((lane) => intake(pair.hub, `${lane}/person`, run)));
        };
        await work();
        for (const [i, { later }] of all.entries()) {
          const [system, object] = objects[i] ?? [];
          if (system !== undefined && object !== undefined && later !== null)
            pair.edit(system, object, { email: later });
        }
        for (let round = 0; round < 6; round += 1) await work();
        const records = (await pair.records()).map(recordOf);
        const told = (await candidates(pair)).map((one) => (one as string[]).slice(0, 2).join());
        const holders = new Map(
          (await pair.store.list('strong_key', 'record', { where: {}, limit: 100 })).map((row) => [
            row['key'],
            row['record'],
          ]),
        );
        for (const { id, fields } of records) {
          const email = fields['email']?.value;
          if (typeof email !== 'string') continue;
          const holder = String(holders.get(`email=["${email}"]`));
          if (holder !== id) expect(told).toContain([holder, id].sort().join());
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are not handed to a record that gives one up in the same moment', async () => {
    const { pair, ids, a } = await filed();
    pair.edit(pair.a, a[1], { email: 'ann@x.cn' });
    await pair.sync();
    expect(await candidates(pair)).toHaveLength(1);
    const run = await people(pair);
    const gives = async (id: string): Promise<Group> => {
      const record = recordOf((await pair.store.get('record', { id })) ?? {});
      const { email } = record.fields;
      const version = record.version + 1;
      if (email === undefined) throw new Error('it has no key');
      const after = {
        ...record,
        version,
        fields: { ...record.fields, email: { ...email, value: `${id}@x.cn`, version } },
      };
      return (await new Draft(pair.hub, run).record(record, after, 'claim')).group();
    };
    // Both were drawn before either is committed: the holder hands it to the other, which does not know.
    const groups = [await gives(ids[0]), await gives(ids[1])];
    expect(await pair.store.commit(groups)).toEqual([true, false]);
    expect(await pair.store.commit([await gives(ids[1])])).toEqual([true]);
    expect(
      await pair.store.get('strong_key', { entity: 'person', key: 'email=["ann@x.cn"]' }),
    ).toBeUndefined();
  });

  it('match what two systems held before they were connected: nothing is made twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(30), { maxLength: 12 }),
        fc.uniqueArray(fc.nat(30), { maxLength: 12 }),
        async (inA, inB) => {
          const pair = new Pair();
          const value = (n: number) => ({ email: `m${n}@x.cn`, name: `N${n}`, stage: null, note: null });
          for (const n of inA) pair.file(pair.a, value(n));
          for (const n of inB) pair.file(pair.b, value(n));
          await pair.sync();
          const union = new Set([...inA, ...inB]).size;
          expect([pair.a.objects.size, pair.b.objects.size, (await pair.records()).length]).toEqual([
            union,
            union,
            union,
          ]);
        },
      ),
      { numRuns: 30 },
    );
  });
});
