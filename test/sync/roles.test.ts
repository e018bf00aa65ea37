/** Roles, protection and emptiness over the real engine: what a system may not change is restored there, and nothing is emptied. */
import { describe, expect, it } from 'vitest';
import type { FieldRule } from '../../src/merge/policy.ts';
import type { ToyObject } from '../../src/simulate/toy.ts';
import { idOf, resolve } from '../../src/sync/decide.ts';
import { recordOf } from '../../src/sync/hub.ts';
import type { Choice } from '../../src/sync/resolve.ts';
import { Pair } from './pair.ts';

/** One person in A and B; B is under `rule` for its note. */
const filed = async (
  rule: Partial<FieldRule>,
  note: string | null,
  create = true,
): Promise<{ pair: Pair; a: ToyObject; b: ToyObject | undefined }> => {
  const pair = new Pair({
    sync: (sync) =>
      sync.name === 'A'
        ? sync
        : {
            ...sync,
            create,
            rules: (field) => ({ ...sync.rules(field), ...(field === 'note' ? rule : {}) }),
          },
  });
  const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: null, note });
  await pair.sync();
  const [b] = pair.b.objects.values();
  return { pair, a, b };
};

const notes = ({ a, b }: { a: ToyObject; b: ToyObject | undefined }): unknown[] => [
  a.value['note'],
  b?.value['note'] ?? null,
];

const edit = async (pair: Pair, which: 'a' | 'b', object: ToyObject | undefined, note: string | null) => {
  if (object === undefined) throw new Error('there is none');
  pair.edit(pair[which], object, { note });
  await pair.sync();
};

describe('what a system may not change', () => {
  it.each([
    ['a reader', { role: 'reader' as const }],
    ['a filler of a filled field', { role: 'filler' as const }],
    ['one that a protected field does not name', { protected: true }],
  ])('%s: the edit is restored there, and the value that was tried is in lineage', async (_, rule) => {
    const all = await filed(rule, 'ours');
    await edit(all.pair, 'b', all.b, 'theirs');
    expect(notes(all)).toEqual(['ours', 'ours']);
    const rows = await all.pair.store.list('lineage', 'record', {
      where: { record: String((await all.pair.records())[0]?.['id']) },
      limit: 100,
    });
    expect(JSON.stringify(rows)).toContain('"theirs":"theirs"');
    // Whoever may change it does, and that goes there.
    await edit(all.pair, 'a', all.a, 'newer');
    expect(notes(all)).toEqual(['newer', 'newer']);
  });

  it('a reader that fills what is empty keeps it there until the record has a value of its own', async () => {
    const all = await filed({ role: 'reader' }, null);
    await edit(all.pair, 'b', all.b, 'theirs');
    expect(notes(all)).toEqual([null, 'theirs']);
    expect(await all.pair.store.count('conflict', 'open', { open: 0 })).toBe(1);
    await edit(all.pair, 'a', all.a, 'ours');
    expect(notes(all)).toEqual(['ours', 'ours']);
    expect(await all.pair.store.count('conflict', 'open', { open: 0 })).toBe(0);
  });

  it('what a protected field was filled with first stays, whoever filled it', async () => {
    const all = await filed({ protected: true }, null);
    await edit(all.pair, 'b', all.b, 'first');
    await edit(all.pair, 'b', all.b, 'second');
    expect(notes(all)).toEqual(['first', 'first']);
  });
});

describe('a protected field in question', () => {
  const asked = async (protect: readonly string[]): Promise<Pair> => {
    const pair = new Pair({ rule: { conflict: 'ask' }, entity: { protect: { note: protect } } });
    const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: null, note: 'first' });
    await pair.sync();
    const [b] = pair.b.objects.values();
    pair.cut.add(pair.b);
    await edit(pair, 'a', a, 'a');
    await edit(pair, 'b', b, 'b');
    pair.cut.clear();
    return pair;
  };
  const decide = async (pair: Pair, choice: Choice, by: string): Promise<unknown> => {
    const [row] = await pair.store.list('conflict', 'open', { where: { open: 1 }, limit: 2 });
    const [record, field, sync, object] = ['record', 'field', 'sync', 'object'].map((one) =>
      String(row?.[one]),
    );
    await resolve(pair.hub, idOf(record ?? '', field ?? '', sync ?? '', object ?? ''), choice, by);
    await pair.sync();
    return recordOf((await pair.records())[0] ?? {}).fields['note']?.value;
  };

  it('takes no other value by the decision of one who may not change it', async () => {
    for (const protect of [[], ['A'], ['boss@x.cn']]) {
      const pair = await asked(protect);
      await expect(decide(pair, 'theirs', 'lin')).rejects.toMatchObject({ code: 'protected' });
      expect(await decide(pair, 'ours', 'lin')).toBe('a');
    }
  });

  it('takes what the system that is named says, and what a person that is named decides', async () => {
    for (const protect of [['B'], ['person:lin'], ['lin']])
      expect(await decide(await asked(protect), 'theirs', 'lin')).toBe('b');
  });
});

it('what is emptied in one system is filled again, and empty is written over filled only where it is told to', async () => {
  const restored = await filed({}, 'ours');
  await edit(restored.pair, 'b', restored.b, null);
  expect(notes(restored)).toEqual(['ours', 'ours']);
  const taken = await filed({ clear: 'take' }, 'ours');
  await edit(taken.pair, 'b', taken.b, null);
  expect(notes(taken)).toEqual([null, null]);
});

it('update-only: nothing is created there; what is there already is linked, and kept up to date', async () => {
  const all = await filed({}, 'ours', false);
  expect(all.b).toBeUndefined();
  const b = all.pair.file(all.pair.b, { email: 'ann@x.cn', name: 'Ann', stage: null, note: null });
  await all.pair.sync();
  expect(await all.pair.records()).toHaveLength(1);
  expect(notes({ ...all, b })).toEqual(['ours', 'ours']);
  await edit(all.pair, 'a', all.a, 'newer');
  expect(notes({ ...all, b })).toEqual(['newer', 'newer']);
  expect(all.pair.b.objects.size).toBe(1);
  // What is new there is a record like any other, and is made in the other system.
  all.pair.file(all.pair.b, { email: 'bob@x.cn', name: 'Bob', stage: null, note: null });
  await all.pair.sync();
  expect([all.pair.a.objects.size, all.pair.b.objects.size]).toEqual([2, 2]);
});
