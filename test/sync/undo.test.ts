/** Undo over the real engine: what goes back, what stays and why, and what is owed until its effect closes. */
import { expect, it, describe } from 'vitest';
import type { NoticeConfig } from '../../src/config.ts';
import { undoPlan, undoStatus, type UndoReport } from '../../src/health/undo.ts';
import { collectNotices, sendNotices } from '../../src/notify/notices.ts';
import type { ToyObject, ToySystem } from '../../src/simulate/toy.ts';
import { replayEffect, resolveConflict } from '../../src/sync/resolve.ts';
import type { UndoScope } from '../../src/sync/scope.ts';
import { openUndo } from '../../src/sync/undo.ts';
import { Pair, type PairOptions } from './pair.ts';

/** The one object of a system. */
const only = (system: ToySystem): ToyObject => {
  const [object] = system.objects.values();
  if (object === undefined) throw new Error('there is none');
  return object;
};

/** One person in both systems, at rest. */
const filed = async (options: PairOptions = {}): Promise<{ pair: Pair; a: ToyObject; b: ToyObject }> => {
  const pair = new Pair(options);
  const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null });
  await pair.sync();
  return { pair, a, b: only(pair.b) };
};

const undo = async (pair: Pair, scope: UndoScope, by = 'lin'): Promise<UndoReport> => {
  const id = await openUndo(pair.hub, scope, by);
  await pair.work();
  return status(pair, id);
};

const status = async (pair: Pair, id: string | null): Promise<UndoReport> => {
  await pair.work();
  return undoStatus(pair.store, id ?? '', 1000);
};

/** Field, result and the result of each target. */
const results = (report: UndoReport): unknown[] =>
  report.items.map(({ kind, field = kind, result, targets }) => [
    field,
    result,
    Object.fromEntries(targets.map((one) => [one.target, one.result])),
  ]);

const whys = (report: UndoReport): string =>
  report.items.flatMap((item) => [item.why, ...item.targets.map((target) => target.why)]).join('\n');

describe('a run is undone', () => {
  it('in the hub and in every system, and its books stay open while anything is owed', async () => {
    const { pair, a, b } = await filed();
    pair.edit(pair.a, a, { name: 'Anna', note: 'x' });
    const { a: run } = await pair.sync();
    expect(b.value).toMatchObject({ name: 'Anna', note: 'x' });
    const plan = await undoPlan(pair.hub, { run }, '', 10);
    expect(plan).toMatchObject({
      state: 'planned',
      fields: { owed: 2 },
      targets: { A: { owed: 2 }, B: { owed: 2 } },
    });
    expect(b.value).toMatchObject({ name: 'Anna' });
    pair.cut.add(pair.b);
    const half = await undo(pair, { run });
    const to = (result: string): unknown => ({ record: 'restored', 'A/A101': 'restored', 'B/B101': result });
    expect(results(half)).toEqual([
      ['name', 'owed', to('owed')],
      ['note', 'owed', to('owed')],
    ]);
    expect(half.state).toBe('open');
    expect(await pair.run(half.run ?? '')).toMatchObject({
      state: 'open',
      read: 2,
      effects: { opened: 2, open: 1 },
    });
    pair.cut.clear();
    const done = await status(pair, half.run);
    expect(results(done)).toEqual([
      ['name', 'restored', to('restored')],
      ['note', 'restored', to('restored')],
    ]);
    expect(await pair.run(half.run ?? '')).toMatchObject({
      state: 'closed',
      effects: { delivered: 2, open: 0 },
    });
    for (const object of [a, b])
      expect(object.value).toMatchObject({ email: 'ann@x.cn', name: 'Ann', stage: 'lead', note: null });
  });

  it('as one change, where it made several', async () => {
    const { pair, a, b } = await filed();
    const from = pair.now();
    for (const name of ['Anna', 'Anne', 'Annie']) {
      pair.edit(pair.a, a, { name });
      await pair.sync();
    }
    const report = await undo(pair, { from, to: pair.now() });
    expect(results(report)).toEqual([
      ['name', 'restored', { record: 'restored', 'A/A101': 'restored', 'B/B101': 'restored' }],
    ]);
    expect([a.value['name'], b.value['name']]).toEqual(['Ann', 'Ann']);
    const back = await undo(pair, { from, to: pair.now() });
    expect(whys(back)).toContain('it has its former value already');
  });

  it('only where nobody has changed the value since, told with who did', async () => {
    const { pair, a, b } = await filed();
    pair.edit(pair.a, a, { name: 'Anna', note: 'x' });
    const { a: run } = await pair.sync();
    pair.edit(pair.b, b, { name: 'Antonia' });
    await pair.sync();
    const report = await undo(pair, { run });
    expect(results(report)).toMatchObject([
      ['name', 'kept', { record: 'kept' }],
      ['note', 'restored', { record: 'restored' }],
    ]);
    expect(whys(report)).toContain('changed since by B/B101');
    expect(a.value).toMatchObject({ name: 'Antonia', note: null });
    expect(report.state).toBe('closed');
  });

  it('and what another gave in between comes back, not what stood before that', async () => {
    const { pair, a, b } = await filed();
    pair.edit(pair.a, a, { name: 'Anna' });
    await pair.sync();
    pair.edit(pair.b, b, { name: 'Antonia' });
    await pair.sync();
    pair.edit(pair.a, a, { name: 'Annie' });
    await pair.sync();
    await undo(pair, { connection: 'A' });
    expect([a.value['name'], b.value['name']]).toEqual(['Antonia', 'Antonia']);
  });

  it('and then the run before it, and an undo can be undone', async () => {
    const { pair, a, b } = await filed();
    pair.edit(pair.a, a, { name: 'Anna' });
    const first = await pair.sync();
    pair.edit(pair.b, b, { name: 'Annie' });
    const second = await pair.sync();
    const names = (): unknown[] => [a.value['name'], b.value['name']];
    const undone = await undo(pair, { run: second.b });
    expect(names()).toEqual(['Anna', 'Anna']);
    expect(results(await undo(pair, { run: second.b }))).toEqual([['name', 'kept', { record: 'kept' }]]);
    const before = await undo(pair, { run: first.a });
    expect(names()).toEqual(['Ann', 'Ann']);
    expect(results(await undo(pair, { run: undone.run ?? '' }))).toEqual([
      ['name', 'kept', { record: 'kept' }],
    ]);
    await undo(pair, { run: before.run ?? '' });
    expect(names()).toEqual(['Anna', 'Anna']);
    await undo(pair, { run: undone.run ?? '' });
    expect(names()).toEqual(['Annie', 'Annie']);
  });
});

describe('a change that comes while an undo is on its way is not lost', () => {
  it('where nobody can tell which is newer: a person decides, and the target is kept', async () => {
    const { pair, a, b } = await filed({ rule: { conflict: 'ask' } });
    pair.edit(pair.a, a, { name: 'Anna' });
    const { a: run } = await pair.sync();
    pair.edit(pair.b, b, { name: 'Antonia' });
    const report = await undo(pair, { run });
    expect(results(report)).toEqual([
      ['name', 'restored', { record: 'restored', 'A/A101': 'restored', 'B/B101': 'kept' }],
    ]);
    expect(b.value['name']).toBe('Antonia');
    const [conflict] = await pair.store.list('conflict', 'open', { where: { open: 1 }, limit: 9 });
    const key = { record: String(conflict?.['record']), field: 'name', sync: 'B', object: b.id };
    await resolveConflict(pair.hub, key, 'theirs', 'lin', 'upkeep');
    await pair.sync();
    expect([a.value['name'], b.value['name']]).toEqual(['Antonia', 'Antonia']);
    expect(results(await status(pair, report.run))).toEqual(results(report));
  });

  it('a record that moves between plan and commit is planned again, and told', async () => {
    const { pair, a } = await filed();
    pair.edit(pair.a, a, { name: 'Anna', note: 'x' });
    const { a: run } = await pair.sync();
    const { commit } = pair.store;
    let isMoved = false;
    // Just before the undo's commit somebody else's gets through.
    pair.store.commit = async (groups) => {
      if (
        !isMoved &&
        groups.some((group) => group.write.some((one) => one.op === 'put' && one.row['kind'] === 'field'))
      ) {
        isMoved = true;
        pair.edit(pair.a, a, { name: 'Antonia' });
        await pair.read(pair.a);
        await pair.takeIn();
      }
      return commit.call(pair.store, groups);
    };
    const report = await undo(pair, { run });
    expect(isMoved).toBe(true);
    expect(results(report)).toMatchObject([
      ['name', 'kept', {}],
      ['note', 'restored', {}],
    ]);
    expect(report.again).toBe(2);
    expect(a.value).toMatchObject({ name: 'Antonia', note: null });
  });
});

describe('a decision is undone', () => {
  const decide = async (pair: Pair): Promise<void> => {
    const [conflict] = await pair.store.list('conflict', 'open', { where: { open: 1 }, limit: 9 });
    const [record, field, sync, object] = ['record', 'field', 'sync', 'object'].map((name) =>
      String(conflict?.[name]),
    );
    const key = { record: record ?? '', field: field ?? '', sync: sync ?? '', object: object ?? '' };
    expect(await resolveConflict(pair.hub, key, 'theirs', 'wang', 'upkeep')).toBe(true);
    await pair.sync();
  };

  it('without taking from the object what it said before', async () => {
    const { pair, a, b } = await filed({ rule: { conflict: 'ask' } });
    pair.edit(pair.a, a, { name: 'Anna' });
    pair.edit(pair.b, b, { name: 'Antonia' });
    await pair.sync();
    const from = pair.now();
    await decide(pair);
    expect([a.value['name'], b.value['name']]).toEqual(['Antonia', 'Antonia']);
    const report = await undo(pair, { from, to: pair.now() });
    expect(results(report)).toEqual([
      ['name', 'restored', { record: 'restored', 'A/A101': 'restored', 'B/B101': 'kept' }],
    ]);
    await pair.sync();
    expect([a.value['name'], b.value['name']]).toEqual(['Anna', 'Antonia']);
  });

  it('and with the edit that it was about, that too', async () => {
    const { pair, a, b } = await filed({ rule: { conflict: 'ask' } });
    pair.edit(pair.a, a, { name: 'Anna' });
    await pair.read(pair.a);
    await pair.takeIn();
    const from = pair.now();
    pair.edit(pair.b, b, { name: 'Antonia' });
    pair.edit(pair.a, a, { name: 'Annie' });
    await pair.sync();
    await decide(pair);
    await undo(pair, { from, to: pair.now() });
    await pair.sync();
    expect([a.value['name'], b.value['name']]).toEqual(['Anna', 'Anna']);
  });
});

describe('above roles, below protection', () => {
  it('writes to what may not change the record', async () => {
    const { pair, a, b } = await filed({
      sync: (sync) => ({
        ...sync,
        rules: () => ({ ...sync.rules('name'), role: sync.name === 'B' ? 'reader' : 'writer' }),
      }),
    });
    pair.edit(pair.a, a, { name: 'Anna' });
    const { a: run } = await pair.sync();
    await undo(pair, { run });
    expect(b.value['name']).toBe('Ann');
  });

  it('keeps a protected field, unless the approver is named for it', async () => {
    const { pair, a } = await filed({ entity: { protect: { name: ['wang'] } } });
    pair.edit(pair.a, a, { name: 'Anna' });
    const { a: run } = await pair.sync();
    const kept = await undo(pair, { run });
    expect(results(kept)).toEqual([['name', 'kept', { record: 'kept' }]]);
    expect(whys(kept)).toContain('only wang may change it');
    expect(a.value['name']).toBe('Anna');
    await undo(pair, { run }, 'wang');
    expect(a.value['name']).toBe('Ann');
  });

  it('brings no placeholder back into a key field', async () => {
    const { pair, a } = await filed();
    pair.edit(pair.a, a, { email: '0' });
    await pair.sync();
    pair.edit(pair.a, a, { email: 'ann@y.cn' });
    const { a: run } = await pair.sync();
    const report = await undo(pair, { run });
    expect(results(report)).toEqual([['email', 'kept', { record: 'kept' }]]);
    expect(whys(report)).toContain('refused in a key field');
  });
});

describe('what was made is not unmade', () => {
  it('a record goes back to nothing; the object we made is emptied and stays, the one that brought it keeps what it had', async () => {
    const pair = new Pair();
    const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: 'lead' });
    const { a: run } = await pair.sync();
    const b = only(pair.b);
    const report = await undo(pair, { run });
    expect(results(report)).toEqual([
      ['email', 'restored', { record: 'restored', 'A/A101': 'kept', 'B/B101': 'restored' }],
      ['name', 'restored', { record: 'restored', 'A/A101': 'kept', 'B/B101': 'restored' }],
      [
        'stage',
        'restored',
        { record: 'restored', 'A/A101': 'kept', 'B/B101': 'restored', history: 'impossible' },
      ],
      ['object', 'impossible', { 'B/B101': 'impossible' }],
    ]);
    expect(a.value).toMatchObject({ email: 'ann@x.cn', name: 'Ann', stage: 'lead' });
    expect(b.value).toMatchObject({ email: null, name: null, stage: null });
    await pair.sync();
    expect(a.value).toMatchObject({ email: 'ann@x.cn' });
    expect(pair.b.objects.size).toBe(1);
    // The next edit there is an edit like any other.
    pair.edit(pair.a, a, { name: 'Anna' });
    await pair.sync();
    expect(b.value['name']).toBe('Anna');
    const again = await undo(pair, { run: report.run ?? '' });
    expect(results(again)).toMatchObject([
      ['email', 'restored', {}],
      ['name', 'kept', {}],
      ['stage', 'restored', {}],
    ]);
    expect(b.value).toMatchObject({ email: 'ann@x.cn', name: 'Anna', stage: 'lead' });
  });

  it('a record that somebody has worked on since stays whole', async () => {
    const pair = new Pair();
    pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann' });
    const { a: run } = await pair.sync();
    const b = only(pair.b);
    pair.edit(pair.b, b, { note: 'called her' });
    await pair.sync();
    const report = await undo(pair, { run });
    expect(report.fields).toMatchObject({ kept: 2, restored: 0 });
    expect(whys(report)).toContain('B/B101 has worked on it since');
    expect(b.value).toMatchObject({ email: 'ann@x.cn', note: 'called her' });
  });

  it('two objects that were there before they were linked keep what they hold', async () => {
    const pair = new Pair();
    const from = pair.now();
    const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann' });
    const b = pair.file(pair.b, { email: 'ann@x.cn', name: 'Ann' });
    const { a: run } = await pair.sync();
    expect((await pair.records()).length).toBe(1);
    const report = await undo(pair, { run });
    expect(whys(report)).toContain('was linked to it since');
    await undo(pair, { from, to: pair.now() });
    await pair.sync();
    expect(a.value).toMatchObject({ email: 'ann@x.cn', name: 'Ann' });
    expect(b.value).toMatchObject({ email: 'ann@x.cn', name: 'Ann' });
  });

  it('a create that has not gone out is not made any more', async () => {
    const pair = new Pair();
    pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann' });
    pair.file(pair.b, { email: 'bob@x.cn', name: 'Bob' });
    await pair.sync();
    const carol = pair.file(pair.a, { email: 'carol@x.cn', name: 'Carol' });
    pair.cut.add(pair.b);
    const { a: run } = await pair.sync();
    const first = await undo(pair, { run });
    pair.cut.clear();
    await pair.sync();
    expect(pair.b.objects.size).toBe(2);
    expect(carol.value['name']).toBe('Carol');
    expect(first.fields.owed).toBe(0);
    const redo = await undo(pair, { run: first.run ?? '' });
    expect(pair.b.objects.size).toBe(3);
    expect(redo.targets['B']).toMatchObject({ restored: 2, owed: 0 });
  });

  it('lines of history stay, and the undo adds its own', async () => {
    const { pair, a } = await filed();
    pair.edit(pair.a, a, { stage: 'customer' });
    const { a: run } = await pair.sync();
    const report = await undo(pair, { run });
    expect(results(report)).toMatchObject([['stage', 'restored', { history: 'impossible' }]]);
    expect(whys(report)).toContain('1 line of its history cannot be unwritten');
    const [record] = await pair.records();
    const lines = await pair.store.list('transition', 'record', {
      where: { record: String(record?.['id']) },
      limit: 9,
    });
    expect(lines.map((row) => [row['after'], row['by'], row['how']])).toEqual([
      ['lead', '', 'first seen'],
      ['customer', '', 'between looks'],
      ['lead', 'lin', 'undo'],
    ]);
  });
});

it('messages that are out stay out: they are named, and people are told of the undo', async () => {
  const { pair, a } = await filed();
  const notice: NoticeConfig = {
    name: 'stage-moved',
    entity: 'person',
    when: { changed: 'stage' },
    to: 'sales',
    text: '{{name}}: {{before.stage}} → {{after.stage}}',
    fallback: {},
  };
  const said: string[] = [];
  const tell = async (): Promise<void> => {
    await collectNotices(pair.hub, [notice]);
    await sendNotices(pair.hub, 'sales', { mostBytes: 1000, send: async (text) => void said.push(text) });
  };
  await tell();
  pair.edit(pair.a, a, { stage: 'customer', name: 'Anna' });
  const { a: run } = await pair.sync();
  await tell();
  pair.edit(pair.a, a, { stage: 'lost' });
  const { a: second } = await pair.sync();
  await tell();
  const report = await undo(pair, { run: second });
  expect(results(report)).toMatchObject([
    ['stage', 'restored', { history: 'impossible' }],
    ['message', 'impossible', {}],
  ]);
  expect(whys(report)).toContain('people were told by stage-moved');
  expect(results(await undo(pair, { run }))).toMatchObject([
    ['name', 'restored', {}],
    ['stage', 'restored', { history: 'impossible' }],
    ['message', 'impossible', {}],
  ]);
  await tell();
  expect(said).toEqual([
    'Anna: lead → customer',
    'Anna: customer → lost',
    'Ann: lost → customer',
    'Ann: customer → lead',
  ]);
});

describe('what cannot be written', () => {
  it('is owed while its write waits for a person, and restored once it is tried again', async () => {
    const { pair, a, b } = await filed();
    pair.edit(pair.a, a, { name: 'Anna' });
    const { a: run } = await pair.sync();
    pair.refusing = true;
    const report = await undo(pair, { run });
    expect(report).toMatchObject({ state: 'open', fields: { owed: 1 } });
    expect(whys(report)).toContain('parked: not valid');
    pair.refusing = false;
    for (const [sync, object] of [
      ['A', a.id],
      ['B', b.id],
    ] as const)
      await replayEffect(pair.hub, { sync, record: report.items[0]?.record ?? '', object }, 'upkeep');
    expect(await status(pair, report.run)).toMatchObject({
      state: 'closed',
      fields: { restored: 1, owed: 0 },
    });
    expect([a.value['name'], b.value['name']]).toEqual(['Ann', 'Ann']);
  });

  it('is impossible where a sync only reads, or the object is gone', async () => {
    const reading = await filed({ sync: (sync) => (sync.name === 'A' ? { ...sync, outward: false } : sync) });
    reading.pair.edit(reading.pair.a, reading.a, { name: 'Anna' });
    const { a: run } = await reading.pair.sync();
    const report = await undo(reading.pair, { run });
    expect(results(report)).toEqual([
      ['name', 'restored', { record: 'restored', 'A/A101': 'impossible', 'B/B101': 'restored' }],
    ]);
    const { pair, a, b } = await filed();
    pair.edit(pair.a, a, { name: 'Anna' });
    const second = await pair.sync();
    pair.cut.add(pair.b);
    const id = await openUndo(pair.hub, { run: second.a }, 'lin');
    await pair.work();
    pair.b.live(b, true, 'person', pair.now());
    pair.cut.clear();
    for (let i = 0; i < 3; i += 1) await pair.sync();
    expect(results(await status(pair, id))).toEqual([
      ['name', 'restored', { record: 'restored', 'A/A101': 'restored', 'B/B101': 'impossible' }],
    ]);
  });
});

it('says what is not clear', async () => {
  const { pair } = await filed();
  for (const scope of [{}, { run: 'x', connection: 'A' }, { from: 1 }, { from: 2, to: 1 }])
    await expect(openUndo(pair.hub, scope, 'lin')).rejects.toMatchObject({ code: 'undo-scope' });
  for (const scope of [{ run: 'x' }, { connection: 'x' }])
    await expect(openUndo(pair.hub, scope, 'lin')).rejects.toMatchObject({ code: 'not-there' });
  await expect(undoStatus(pair.store, 'x', 1)).rejects.toMatchObject({ code: 'not-there' });
});
