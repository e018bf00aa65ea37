/** At most one main contact for each customer, whoever sets it where, and however much at once. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/connector.ts';
import { recordThen } from '../../src/merge/history.ts';
import { replayDifferences, type LineageRow, type ToldRow } from '../../src/merge/lineage.ts';
import type { ToyObject, ToySystem } from '../../src/simulate/toy.ts';
import { Draft } from '../../src/sync/draft.ts';
import { recordOf, type Entity } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { claimFormer } from '../../src/sync/one.ts';
import { resolveConflict, type Choice } from '../../src/sync/resolve.ts';
import { standingRun } from '../../src/sync/runs.ts';
import { openUndo } from '../../src/sync/undo.ts';
import { Pair, type PairOptions } from './pair.ts';

// In a toy system `name` stands for the customer and `note` for the flag.
const one = { note: 'name' };

interface Filed {
  readonly pair: Pair;
  readonly a: readonly ToyObject[];
  readonly b: readonly ToyObject[];
}

/** Two contacts of one customer in both systems; the first is the main one. */
const filed = async (options: PairOptions = {}): Promise<Filed> => {
  const pair = new Pair({ ...options, entity: { one, ...options.entity } });
  const a = ['ann', 'bob'].map((who, i) =>
    pair.file(pair.a, { email: `${who}@x.cn`, name: 'Acme', stage: 'lead', note: i === 0 }),
  );
  await pair.sync();
  const b = a.map(({ value }) => only(pair.b, value['email'] ?? null));
  return { pair, a, b };
};

const only = (system: ToySystem, email: Json): ToyObject => {
  const object = [...system.objects.values()].find(({ value }) => value['email'] === email);
  if (object === undefined) throw new Error(`no ${String(email)}`);
  return object;
};

const flags = (objects: readonly ToyObject[]): unknown[] => objects.map(({ value }) => value['note']);

/** Records with the flag, by customer; never two. */
const mains = async (pair: Pair): Promise<Map<Json, string>> => {
  const found = new Map<Json, string>();
  for (const row of await pair.records()) {
    const { id, fields } = recordOf(row);
    if (fields['note']?.value !== true || (fields['$deleted']?.value ?? null) !== null) continue;
    const customer = fields['name']?.value ?? null;
    if (customer === null) continue;
    expect(found.get(customer), `two are main of ${String(customer)}`).toBeUndefined();
    found.set(customer, id);
  }
  return found;
};

const bodies = async (pair: Pair, record: string): Promise<LineageRow[]> =>
  (await pair.store.list('lineage', 'record', { where: { record }, limit: 1000 })).map(
    (row) => row['body'] as LineageRow,
  );

const told = async (pair: Pair): Promise<void> => {
  await mains(pair);
  for (const row of await pair.records()) {
    const record = recordOf(row);
    const rows = await bodies(pair, record.id);
    expect(replayDifferences(record, rows)).toEqual([]);
    const then = recordThen(rows.map((body, seq): ToldRow => ({ seq, at: 0, run: '', body })));
    const where = { record: record.id };
    const held = await pair.store.list('conflict', 'record', { where, limit: 100 });
    expect(then.holds.map(({ sync, field, why }) => `${sync} ${field} ${why}`).toSorted()).toEqual(
      held.map(({ sync, field, why }) => `${String(sync)} ${String(field)} ${String(why)}`).toSorted(),
    );
    const links = await pair.store.list('link', 'record', { where, limit: 100 });
    expect(then.links.length).toBe(links.length);
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
  await pair.sync();
  await told(pair);
};

describe('setting it on another', () => {
  it('takes it from the first, in every system, and lineage tells both', async () => {
    const { pair, a, b } = await filed({ rule: { conflict: 'ask' } });
    pair.edit(pair.b, b[1] as ToyObject, { note: true });
    await pair.sync();
    // The system knew who had it: that is an edit, no dispute.
    expect([flags(a), flags(b)]).toEqual([
      [false, true],
      [false, true],
    ]);
    const found = await mains(pair);
    const first = (await pair.records()).find(({ id }) => id !== found.get('Acme'));
    const entries = (await bodies(pair, String(first?.['id']))).flatMap((row) => row.entries);
    expect(entries.find(({ verdict }) => verdict === 'yielded')).toMatchObject({
      field: 'note',
      before: true,
      after: false,
      rule: `at most one: ${found.get('Acme') ?? ''} has it`,
      source: `B/${b[1]?.id ?? ''}`,
    });
    await told(pair);
  });

  it('in one system also where that system has taken it from the first by itself', async () => {
    const { pair, a, b } = await filed();
    pair.edit(pair.a, a[0] as ToyObject, { note: false });
    pair.edit(pair.a, a[1] as ToyObject, { note: true });
    await pair.sync();
    expect([flags(a), flags(b)]).toEqual([
      [false, true],
      [false, true],
    ]);
    await told(pair);
  });

  it('of another customer is nobody’s concern, and nor is one without a customer', async () => {
    const { pair, a } = await filed();
    pair.edit(pair.a, a[1] as ToyObject, { name: 'Other', note: true });
    pair.file(pair.a, { email: 'c@x.cn', name: null, note: true });
    pair.file(pair.a, { email: 'd@x.cn', name: null, note: true });
    await pair.sync();
    expect((await mains(pair)).size).toBe(2);
    expect(flags(a)).toEqual([true, true]);
    await told(pair);
  });
});

describe('two systems set it on two contacts', () => {
  /** Nobody is main, and B is shown nothing of what comes; a look at both between then and now bounds when it was done. */
  const begun = async (options: PairOptions = {}): Promise<Filed> => {
    const all = await filed(options);
    const { pair, a } = all;
    pair.edit(pair.a, a[0] as ToyObject, { note: false });
    await pair.sync();
    pair.cut.add(pair.b);
    return all;
  };

  const seenBetween = async ({ pair, a, b }: Filed, stage: string): Promise<void> => {
    pair.edit(pair.a, a[0] as ToyObject, { stage });
    pair.edit(pair.b, b[1] as ToyObject, { stage });
    await pair.sync();
  };

  it('newest: the later one has it', async () => {
    const all = await begun();
    const { pair, a, b } = all;
    pair.edit(pair.a, a[0] as ToyObject, { note: true });
    await pair.sync();
    await seenBetween(all, 'later');
    pair.edit(pair.b, b[1] as ToyObject, { note: true });
    await pair.sync();
    pair.cut.clear();
    await pair.sync();
    expect([flags(a), flags(b)]).toEqual([
      [false, true],
      [false, true],
    ]);
    await told(pair);
  });

  it('newest: the earlier one is overruled, and its system is told', async () => {
    const all = await begun();
    const { pair, a, b } = all;
    pair.edit(pair.b, b[1] as ToyObject, { note: true });
    pair.edit(pair.a, a[0] as ToyObject, { stage: 'later' });
    await pair.read(pair.a);
    await pair.takeIn();
    pair.edit(pair.a, a[0] as ToyObject, { note: true });
    await pair.read(pair.a);
    await pair.takeIn();
    pair.cut.clear();
    await pair.sync();
    expect([flags(a), flags(b)]).toEqual([
      [true, false],
      [true, false],
    ]);
    await told(pair);
  });

  it.each([
    ['theirs', [false, true]],
    ['ours', [true, false]],
  ] as const)('ask: somebody says %s', async (choice, expected) => {
    const { pair, a, b } = await begun({ rule: { conflict: 'ask' } });
    pair.edit(pair.a, a[0] as ToyObject, { note: true });
    pair.edit(pair.b, b[1] as ToyObject, { note: true });
    await pair.sync();
    expect((await mains(pair)).size).toBe(1);
    expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(1);
    await told(pair);
    pair.cut.clear();
    await pair.sync();
    await decide(pair, choice);
    expect([flags(a), flags(b)]).toEqual([expected, expected]);
  });

  it('owner: the owner has it, whoever was first', async () => {
    const { pair, a, b } = await begun({
      rule: { conflict: 'owner' },
      sync: (sync) => ({
        ...sync,
        rules: (field) => ({ ...sync.rules(field), role: sync.name === 'A' ? 'owner' : 'writer' }),
      }),
    });
    pair.edit(pair.a, a[0] as ToyObject, { note: true });
    pair.edit(pair.b, b[1] as ToyObject, { note: true });
    await pair.sync();
    pair.cut.clear();
    await pair.sync();
    expect([flags(a), flags(b)]).toEqual([
      [true, false],
      [true, false],
    ]);
    await told(pair);
  });

  it('both had one before they were joined: somebody is asked, and meanwhile there is one', async () => {
    const pair = new Pair({ entity: { one } });
    const ann = pair.file(pair.a, { email: 'ann@x.cn', name: 'Acme', stage: null, note: true });
    const bob = pair.file(pair.b, { email: 'bob@x.cn', name: 'Acme', stage: null, note: true });
    await pair.sync();
    expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(1);
    await told(pair);
    await decide(pair, 'ours');
    expect([ann.value['note'], bob.value['note']]).toEqual([true, false]);
    expect(await pair.store.count('conflict', 'open', { open: 1 })).toBe(0);
  });
});

describe('where it was not asked for before', () => {
  const late = async (flags: readonly boolean[]): Promise<Filed & { alarms: string[] }> => {
    const pair = new Pair();
    const a = flags.map((note, i) =>
      pair.file(pair.a, { email: `n${i}@x.cn`, name: 'Acme', stage: null, note }),
    );
    await pair.sync();
    (pair.hub.entities as Map<string, Entity>).set('person', { name: 'person', keys: [['email']], one });
    const alarms: string[] = [];
    const hub = { ...pair.hub, alarm: (_subject: string, text: string) => void alarms.push(text) };
    await claimFormer(hub);
    await claimFormer(hub);
    const b = a.map(({ value }) => only(pair.b, value['email'] ?? null));
    return { pair, a, b, alarms };
  };

  it('who has it by then gives way like any other', async () => {
    const { pair, a, b, alarms } = await late([true, false]);
    expect(alarms).toEqual([]);
    pair.edit(pair.b, b[1] as ToyObject, { note: true });
    await pair.sync();
    expect([flags(a), flags(b)]).toEqual([
      [false, true],
      [false, true],
    ]);
    await told(pair);
  });

  it('nor does a claim from before, that nobody has kept since, stand in the way', async () => {
    const { pair, a, alarms } = await late([true, false]);
    const without = { name: 'person', keys: [['email']] };
    (pair.hub.entities as Map<string, Entity>).set('person', without);
    await claimFormer(pair.hub);
    pair.edit(pair.a, a[0] as ToyObject, { note: false });
    pair.edit(pair.a, a[1] as ToyObject, { note: true });
    await pair.sync();
    (pair.hub.entities as Map<string, Entity>).set('person', { ...without, one });
    await claimFormer(pair.hub);
    expect(alarms).toEqual([]);
    pair.edit(pair.a, a[1] as ToyObject, { stage: 'edited' });
    await pair.sync();
    expect(flags(a)).toEqual([false, true]);
    await told(pair);
  });

  it('where several have it nothing moves by itself, an alarm says so once, and whoever is edited settles it', async () => {
    const { pair, a, b, alarms } = await late([true, true, true]);
    expect(alarms).toEqual([
      expect.stringMatching(/^2 records of person have note set, and another of the same/u),
    ]);
    await pair.sync();
    expect(flags(a)).toEqual([true, true, true]);
    for (const object of b) pair.edit(pair.b, object, { stage: 'edited' });
    await pair.sync();
    expect(flags(a).filter((flag) => flag === true)).toHaveLength(1);
    expect(flags(b)).toEqual(flags(a));
    await told(pair);
  });
});

describe('who comes to where another has it', () => {
  it('gives way when it moves to that customer', async () => {
    const { pair, a, b } = await filed();
    const other = pair.file(pair.a, { email: 'cai@x.cn', name: 'Other', note: true });
    await pair.sync();
    pair.edit(pair.a, other, { name: 'Acme' });
    await pair.sync();
    expect([flags(a), flags(b), other.value['note']]).toEqual([[true, false], [true, false], false]);
    await told(pair);
  });

  it('gives way when it is restored; while it was deleted the flag was free', async () => {
    const { pair, a } = await filed({ sync: (sync) => ({ ...sync, deletes: 'archive' }) });
    await pair.live(pair.a, a[0] as ToyObject, true);
    await pair.work();
    pair.time += 3_600_000;
    await pair.hear(pair.a, a[0] as ToyObject);
    await pair.work();
    pair.edit(pair.a, a[1] as ToyObject, { note: true });
    await pair.sync();
    expect(a[1]?.value['note']).toBe(true);
    await pair.live(pair.a, a[0] as ToyObject, false);
    await pair.sync();
    expect(flags(a)).toEqual([false, true]);
    await told(pair);
  });

  it('an undo gives it back to the first', async () => {
    const { pair, a, b } = await filed();
    pair.edit(pair.a, a[1] as ToyObject, { note: true });
    const { a: run } = await pair.sync();
    await openUndo(pair.hub, { run }, 'lin');
    await pair.sync();
    expect([flags(a), flags(b)]).toEqual([
      [true, false],
      [true, false],
    ]);
    await told(pair);
  });
});

describe('never two', () => {
  it.each([true, false])(
    'of two that get it at the same time one is committed; taken from a third: %s',
    async (held) => {
      const { pair, a } = await filed();
      pair.file(pair.a, { email: 'cai@x.cn', name: 'Acme', stage: null, note: false });
      if (!held) pair.edit(pair.a, a[0] as ToyObject, { note: false });
      await pair.sync();
      const others = (await pair.records())
        .map(recordOf)
        .filter(({ fields }) => fields['note']?.value !== true);
      const drafts = others.slice(-2).map(async (record, i) => {
        const draft = new Draft(pair.hub, 'run');
        const at = { from: 0, to: i + 1 };
        const field = { value: true, version: record.version + 1, at, source: 'person:lin', recent: [] };
        const fields = { ...record.fields, note: { ...field, returns: 0, chain: 0 } };
        return draft.record(record, { ...record, version: record.version + 1, fields }, 'claim');
      });
      const drawn = await Promise.all(drafts);
      expect(await pair.store.commit(drawn.map((draft) => draft.group()))).toEqual([true, false]);
      expect((await mains(pair)).size).toBe(1);
    },
  );

  const step = fc.record({
    at: fc.constantFrom('a', 'b'),
    who: fc.nat(3),
    what: fc.constantFrom(
      'set',
      'set',
      'set',
      'unset',
      'move',
      'file',
      'delete',
      'restore',
      'look',
      'deliver',
      'both',
    ),
    to: fc.constantFrom('Acme', 'Other'),
  });

  it('whatever is edited where, in whatever order it is seen', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 25 }),
        fc.constantFrom('newest' as const, 'ask' as const, 'keep' as const),
        async (course, conflict) => {
          const pair = new Pair({
            entity: { one },
            rule: { conflict, clear: 'take' },
            sync: (sync) => ({ ...sync, deletes: 'archive' }),
          });
          for (const who of ['ann', 'bob', 'cai'])
            pair.file(pair.a, { email: `${who}@x.cn`, name: 'Acme', stage: null, note: false });
          await pair.sync();
          for (const [i, { at, who, what, to }] of course.entries()) {
            const system = pair[at];
            const all = [...system.objects.values()];
            const object = all[who % all.length] as ToyObject;
            if (what === 'set') pair.edit(system, object, { note: true });
            else if (what === 'unset') pair.edit(system, object, { note: false });
            else if (what === 'move') pair.edit(system, object, { name: to });
            else if (what === 'file')
              pair.file(system, { email: `n${i}@x.cn`, name: to, stage: null, note: true });
            else if (what === 'delete' || what === 'restore')
              await pair.live(system, object, what === 'delete');
            else if (what === 'deliver') await pair.work();
            else {
              await pair.read(pair.a);
              if (what === 'both') await pair.read(pair.b);
              pair.time += 100_000;
              // Both lanes at once: what they draw at the same time must not both be committed.
              await Promise.all(
                [...pair.hub.syncs.values()].map(async ({ lane }) =>
                  intake(pair.hub, lane, await standingRun(pair.hub, 'upkeep', lane, new Set())),
                ),
              );
            }
            await mains(pair);
          }
          await pair.sync();
          await pair.sync();
          await told(pair);
        },
      ),
      { numRuns: 60 },
    );
  });
});
