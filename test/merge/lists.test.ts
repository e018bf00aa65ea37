/** Sets and tables: every case of an element, of a row and of a cell, under every policy. */
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/connector.ts';
import type { ConflictPolicy } from '../../src/merge/policy.ts';
import { again, lensOf, look, type ListSituation } from './list-sample.ts';

const policies: readonly ConflictPolicy[] = ['owner', 'newest', 'keep', 'ask'];

/** Values, in whatever order. */
const bag = (value: Json | undefined): string[] | null | undefined =>
  Array.isArray(value) ? value.map((one) => JSON.stringify(one)).sort() : (value as null | undefined);

describe('an element of a set', () => {
  const list = (has: boolean): Json => (has ? ['kept', 'x'] : ['kept']);
  for (const base of [false, true]) {
    for (const theirs of [false, true]) {
      for (const ours of [false, true]) {
        const expected = theirs === base ? ours : theirs;
        for (const conflict of policies) {
          it(`${base ? 'shown' : 'not shown'} before, ${theirs ? 'shown' : 'not shown'} now, ${ours ? 'ours' : 'not ours'}, ${conflict}: ${expected ? 'in' : 'out'}, and nobody is asked`, () => {
            const { value, hold, wants, verdicts } = look({
              field: 'tags',
              shadow: list(base),
              theirs: list(theirs),
              ours: list(ours),
              rule: { conflict },
            });
            expect(bag(value)).toEqual(bag(list(expected)));
            expect(hold).toBe('-');
            expect(bag(wants)).toEqual(expected === theirs ? undefined : bag(list(expected)));
            expect(verdicts).toEqual(expected === ours ? [] : ['took']);
          });
        }
      }
    }
  }

  it('different ones on two sides: both edits stand, and the remote is behind by ours', () => {
    const { value, wants, merged } = look({
      field: 'tags',
      shadow: ['a', 'b', 'c'],
      theirs: ['a', 'c', 't'],
      ours: ['a', 'b', 'o'],
    });
    expect(value).toEqual(['a', 'o', 't']);
    expect(wants).toEqual(['a', 'o', 't']);
    expect(merged.entries).toMatchObject([
      {
        verdict: 'took',
        before: ['a', 'b', 'o'],
        after: ['a', 'o', 't'],
        theirs: ['a', 'c', 't'],
        change: '−"b", +"t"',
        rule: 'merged',
      },
    ]);
    expect(merged.link.seen['tags']).toBe(2);
  });

  it('in another order nothing is edited, nor written', () => {
    const order = look({ field: 'tags', shadow: ['a', 'b'], theirs: ['b', 'a'], ours: ['a', 'b'], seen: 5 });
    expect([order.verdicts, order.value, order.wants]).toEqual([[], ['a', 'b'], undefined]);
  });

  it('as the remote is known to store it, it is the same', () => {
    const lens = lensOf({ remote: 'lower' });
    const given: ListSituation = {
      field: 'tags',
      shadow: ['vip'],
      theirs: ['vip', 'new'],
      ours: ['VIP'],
      lens,
    };
    expect([look(given).value, look(given).wants]).toEqual([['VIP', 'new'], undefined]);
    expect(look({ ...given, theirs: [], rule: { clear: 'take' } }).value).toBe(null);
  });

  it('where none was seen before, both sides have added theirs', () => {
    const { value, wants } = look({ field: 'tags', theirs: ['b', 't'], ours: ['a', 'b'] });
    expect([value, wants]).toEqual([
      ['a', 'b', 't'],
      ['a', 'b', 't'],
    ]);
    expect(look({ field: 'tags', theirs: ['b', 't'] }).value).toEqual(['b', 't']);
    expect(look({ field: 'tags', theirs: null, ours: ['a'] }).wants).toEqual(['a']);
  });

  it('the last one that goes on both sides leaves an empty field, and empties the remote', () => {
    const { value, wants } = look({ field: 'tags', shadow: ['a', 'b'], theirs: ['b'], ours: ['a'] });
    expect([value, wants]).toEqual([null, null]);
  });
});

describe('roles, protection and emptiness come first', () => {
  const edited: ListSituation = { field: 'tags', shadow: ['a'], theirs: ['a', 't'], ours: ['a', 'o'] };
  for (const rule of [{ role: 'reader' }, { role: 'filler' }, { protected: true }] as const) {
    it(`${JSON.stringify(rule)}: ours goes back there, and what was tried is in lineage`, () => {
      const { value, wants, merged } = look({ ...edited, rule });
      expect([value, wants]).toEqual([
        ['a', 'o'],
        ['a', 'o'],
      ]);
      expect(merged.entries).toMatchObject([{ verdict: 'overruled', theirs: ['a', 't'] }]);
    });
  }

  it('a filler and a protected field may be filled once', () => {
    for (const rule of [{ role: 'filler' }, { protected: true }] as const)
      expect(look({ ...edited, ours: null, shadow: null, rule }).value).toEqual(['a', 't']);
    const reader = look({ ...edited, ours: null, shadow: null, rule: { role: 'reader' } });
    expect([reader.value, reader.hold, reader.wants]).toEqual([null, 'empty', undefined]);
  });

  for (const [clear, value, hold] of [
    ['restore', ['a', 'o'], '-'],
    ['ask', ['a', 'o'], 'ask'],
    ['take', ['o'], '-'],
  ] as const) {
    it(`emptied there: clear ${clear}`, () => {
      const done = look({ ...edited, theirs: null, rule: { clear } });
      expect([done.value, done.hold]).toEqual([value, hold]);
      expect(done.wants).toEqual(hold === 'ask' ? undefined : value);
    });
  }
});

const row = (line: string, product: string, quantity: number | null = 1): Json =>
  quantity === null ? { line, product } : { line, product, quantity };

describe('a row', () => {
  type State = 'absent' | 'same' | 'changed';
  const other = row('L0', 'other');
  const list = (state: State, product: string): Json =>
    state === 'absent' ? [other] : [other, row('L1', state === 'same' ? 'S' : product)];
  const given = (base: State, theirs: State, ours: State): ListSituation => ({
    field: 'lines',
    shadow: list(base, 'S'),
    theirs: list(theirs, 'T'),
    ours: list(ours, 'O'),
  });
  const clashes = (base: State, theirs: State, ours: State): boolean =>
    (base === 'absent' &&
      theirs !== 'absent' &&
      ours !== 'absent' &&
      !(theirs === 'same' && ours === 'same')) ||
    (base === 'same' && theirs === 'changed' && ours !== 'same') ||
    (base === 'same' && theirs === 'absent' && ours === 'changed');

  for (const base of ['absent', 'same'] as const) {
    for (const theirs of ['absent', 'same', 'changed'] as const) {
      for (const ours of ['absent', 'same', 'changed'] as const) {
        const name = `${base} before, ${theirs} there, ${ours} here`;
        const situation = given(base, theirs, ours);
        if (!clashes(base, theirs, ours)) {
          const expected = theirs === base ? situation.ours : situation.theirs;
          it(`${name}: nobody is asked, whatever the policy`, () => {
            for (const conflict of policies) {
              const done = look({ ...situation, rule: { conflict } });
              expect([bag(done.value), done.hold]).toEqual([bag(expected), '-']);
              const alike = JSON.stringify(done.value) === JSON.stringify(situation.theirs);
              expect(done.wants).toEqual(alike ? undefined : done.value);
            }
          });
          continue;
        }
        it(`${name}: a clash, by the field's policy`, () => {
          const owner = look({ ...situation, rule: { conflict: 'owner', role: 'owner' } });
          expect([bag(owner.value), owner.wants]).toEqual([bag(situation.theirs), undefined]);
          const writing = look({ ...situation, rule: { conflict: 'owner' } });
          expect([writing.value, writing.wants]).toEqual([situation.ours, situation.ours]);
          expect(writing.merged.entries).toMatchObject([{ verdict: 'overruled', theirs: situation.theirs }]);
          for (const conflict of ['keep', 'ask'] as const) {
            const held = look({ ...situation, rule: { conflict } });
            expect([held.value, held.wants]).toEqual([situation.ours, undefined]);
            expect(held.holds).toMatchObject([
              { field: 'lines', why: conflict === 'keep' ? 'kept' : 'ask', ours: situation.ours },
            ]);
            expect(bag(held.holds[0]?.theirs)).toEqual(bag(situation.theirs));
          }
          const newest = { conflict: 'newest' } as const;
          const old = look({ ...situation, rule: newest, state: { at: { from: 50, to: 60 } } });
          expect(bag(old.value)).toEqual(bag(situation.theirs));
          const late = look({ ...situation, rule: newest, state: { at: { from: 120, to: 130 } } });
          expect([late.value, late.wants]).toEqual([situation.ours, situation.ours]);
          const near = look({ ...situation, rule: newest, state: { at: { from: 80, to: 95 } } });
          expect([near.value, near.hold]).toEqual([situation.ours, 'ask']);
        });
      }
    }
  }

  it('keeps the order of ours, and new ones come after in theirs', () => {
    const { value } = look({
      field: 'lines',
      shadow: [row('1', 'a'), row('2', 'b')],
      theirs: [row('9', 'n'), row('2', 'b'), row('1', 'a'), row('8', 'm')],
      ours: [row('2', 'b'), row('1', 'a'), row('5', 'o')],
    });
    expect(Array.isArray(value) && value.map((one) => (one as { line: string }).line)).toEqual([
      '2',
      '1',
      '5',
      '9',
      '8',
    ]);
  });

  it('different rows and cells on two sides: all edits stand, and columns of its own too', () => {
    const done = look({
      field: 'lines',
      shadow: [{ line: '1', product: 'a', quantity: 1, colour: 'red' }, row('2', 'b')],
      theirs: [{ line: '1', product: 'T', quantity: 1, colour: 'blue' }, row('2', 'b'), row('3', 'n')],
      ours: [row('1', 'a', 7), row('4', 'o')],
    });
    expect(done.value).toEqual([row('1', 'T', 7), row('4', 'o'), row('3', 'n')]);
    expect(done.wants).toEqual(done.value);
    expect(done.merged.entries[0]?.change).toBe('"1" product: "a" → "T", +"3"');
    const { value } = lensOf().write({ lines: done.wants ?? null }, done.link.shadow);
    expect(value['lines']).toMatchObject([
      { no: '1', sku: 'T', qty: 7, colour: 'blue' },
      { no: '4' },
      { no: '3' },
    ]);
  });
});

describe('rows that are not to be taken away', () => {
  const lens = lensOf({ missing: 'keep' });
  const two = [row('1', 'a'), row('2', 'b')];

  it('gone there they stay here, and go back; the list may even be empty there', () => {
    for (const theirs of [[row('1', 'a')], null]) {
      const done = look({ field: 'lines', shadow: two, theirs, ours: two, rule: { clear: 'take' }, lens });
      expect([done.value, done.wants]).toEqual([two, two]);
      expect(done.merged.entries).toMatchObject([{ verdict: 'overruled', rule: 'missing keep' }]);
    }
  });

  it('gone here they stay there, and nothing is written for that', () => {
    const given: ListSituation = { field: 'lines', shadow: two, theirs: two, ours: [row('1', 'a')], lens };
    expect([look(given).value, look(given).wants]).toEqual([[row('1', 'a')], undefined]);
    const edited = look({ ...given, ours: [row('1', 'x')] });
    expect(edited.wants).toEqual([row('1', 'x'), row('2', 'b')]);
    const emptied = look({ ...given, ours: null });
    expect([emptied.value, emptied.wants]).toEqual([null, undefined]);
  });
});

describe('a cell', () => {
  const given = (theirs: Json, ours: Json, rule: ListSituation['rule'] = {}): ListSituation => ({
    field: 'lines',
    shadow: [row('1', 'a', 1)],
    theirs: [theirs],
    ours: [ours],
    rule,
  });

  it('emptied there goes by the clear policy', () => {
    const emptied = row('1', 'a', null);
    const restored = look(given(emptied, row('1', 'a', 1)));
    expect([restored.value, restored.wants]).toEqual([[row('1', 'a', 1)], [row('1', 'a', 1)]]);
    const taken = look(given(emptied, row('1', 'a', 1), { clear: 'take' }));
    expect([taken.value, taken.wants]).toEqual([[emptied], undefined]);
    const asked = look(given(emptied, row('1', 'a', 1), { clear: 'ask' }));
    expect([asked.value, asked.hold, asked.holds[0]?.theirs]).toEqual([[row('1', 'a', 1)], 'ask', [emptied]]);
    const both = look(given(emptied, row('1', 'a', 5), { clear: 'take', conflict: 'keep' }));
    expect([both.value, both.hold]).toEqual([[row('1', 'a', 5)], 'kept']);
  });

  it('that is empty here is not written over one that is filled there, unless the emptiness is newer', () => {
    const filled = given(row('1', 'a', 9), row('1', 'a', null), { role: 'reader' });
    const barred = look({ ...filled, shadow: [row('1', 'a', null)], seen: 5 });
    expect([barred.value, barred.hold, barred.wants]).toEqual([[row('1', 'a', null)], 'empty', undefined]);
    const other = look({ ...filled, shadow: [row('1', 'z', null)], seen: 5 });
    expect([other.hold, other.wants]).toEqual(['empty', undefined]);
    const behind = look({ ...given(row('1', 'a', 1), row('1', 'b', null)), seen: 5 });
    expect(behind.wants).toEqual([row('1', 'b', 1)]);
    const newer = look({ ...given(row('1', 'a', 1), row('1', 'b', null)), seen: 4 });
    expect(newer.wants).toEqual([row('1', 'b', null)]);
  });

  it('newest compares when this cell was changed, not the list', () => {
    const spans = { '': { from: 0, to: 10 }, '"1" product': { from: 120, to: 130 } };
    const state = { at: { from: 120, to: 130 }, spans };
    const clash = given(row('1', 'a', 2), row('1', 'x', 3), { conflict: 'newest' });
    const taken = look({ ...clash, state });
    expect([taken.value, taken.wants]).toEqual([[row('1', 'x', 2)], [row('1', 'x', 2)]]);
    expect(taken.merged.record.fields['lines']?.spans).toEqual({
      ...spans,
      '"1" quantity': { from: 90, to: 110 },
    });
    const swapped = look({ ...given(row('1', 't', 1), row('1', 'x', 3), clash.rule), state });
    expect([swapped.value, swapped.rules]).toEqual([[row('1', 'x', 3)], ['newest']]);
  });

  it('that is only read is taken, and never written', () => {
    const lens = lensOf({ price: true });
    const priced = (price: number): Json => [{ line: '1', product: 'a', quantity: 1, price }];
    const done = look({
      field: 'lines',
      shadow: priced(5),
      theirs: priced(6),
      ours: priced(5),
      seen: 5,
      lens,
    });
    expect([done.value, done.wants]).toEqual([priced(6), undefined]);
    const away = look({ field: 'lines', shadow: priced(5), theirs: priced(5), ours: priced(7), lens });
    expect([away.value, away.wants]).toEqual([priced(7), undefined]);
  });
});

describe('what was just written', () => {
  const wrote: ListSituation = {
    field: 'tags',
    shadow: ['a', 'old'],
    ours: ['a', 'new'],
    theirs: [],
    written: { asked: ['a', 'new'] },
  };

  it('shown as asked, in whatever order, is confirmed', () => {
    const done = look({ ...wrote, theirs: ['new', 'a'] });
    expect([done.verdicts, done.value, done.wants]).toEqual([['confirmed'], ['a', 'new'], undefined]);
    expect(done.merged.echo).toBe(true);
  });

  it('shown with something more is confirmed, and what is more is taken', () => {
    const done = look({ ...wrote, theirs: ['a', 'new', 't'] });
    expect([done.verdicts, done.value, done.wants]).toEqual([
      ['confirmed', 'took'],
      ['a', 'new', 't'],
      undefined,
    ]);
  });

  it('not shown, with nothing else: as for a value, it was not taken', () => {
    const done = look({ ...wrote, theirs: ['old', 'a'] });
    expect([done.verdicts, done.hold, done.wants]).toEqual([['not-taken'], 'not-taken', undefined]);
  });

  it('not shown while something else does: the remote may have made that of it, and the policy decides', () => {
    const other = { ...wrote, theirs: ['a', 'NEW'] };
    const asked = look(other);
    expect([asked.value, asked.hold, asked.holds[0]?.theirs]).toEqual([['a', 'new'], 'ask', ['a', 'NEW']]);
    expect(look({ ...other, rule: { conflict: 'owner', role: 'owner' } }).value).toEqual(['a', 'NEW']);
    const owner = look({ ...other, rule: { conflict: 'owner' } });
    expect([owner.value, owner.wants]).toEqual([
      ['a', 'new'],
      ['a', 'new'],
    ]);
    const newest = look({ ...other, rule: { conflict: 'newest' } });
    expect([newest.value, newest.record.fields['tags']?.chain]).toEqual([['a', 'NEW'], 1]);
  });

  it('without an answer it counts only by what shows: the rest is written again', () => {
    const unknown = { asked: ['a', 'new'], acked: false };
    const landed = look({ ...wrote, theirs: ['a', 'new', 't'], written: unknown });
    expect([landed.value, landed.wants]).toEqual([['a', 'new', 't'], undefined]);
    const not = look({ ...wrote, theirs: ['a', 'old', 't'], written: unknown });
    expect([not.value, not.wants]).toEqual([
      ['a', 'new', 't'],
      ['a', 'new', 't'],
    ]);
  });

  it('a row under another key than it was given: not doubled for ever', () => {
    const given: ListSituation = {
      field: 'lines',
      shadow: [row('1', 'a')],
      ours: [row('1', 'a'), row('2', 'b')],
      written: { asked: [row('1', 'a'), row('2', 'b')] },
      theirs: [row('1', 'a'), row('77', 'b')],
    };
    expect(look(given).hold).toBe('ask');
    const newest = look({ ...given, rule: { conflict: 'newest' } });
    expect([newest.value, newest.wants]).toEqual([[row('1', 'a'), row('77', 'b')], undefined]);
  });

  it('a cell that shows otherwise clashes, its neighbours do not', () => {
    const done = look({
      field: 'lines',
      shadow: [row('1', 'a', 1)],
      ours: [row('1', 'b', 1)],
      written: { asked: [row('1', 'b', 1)] },
      theirs: [row('1', 'B', 4)],
    });
    expect([done.value, done.hold, done.holds[0]?.theirs]).toEqual([
      [row('1', 'b', 4)],
      'ask',
      [row('1', 'B', 4)],
    ]);
  });
});

describe('a question about a list', () => {
  const clash = look({
    field: 'lines',
    shadow: [row('1', 'a', 1), row('2', 'b')],
    theirs: [row('1', 'a', 2), row('2', 'b'), row('3', 't')],
    ours: [row('1', 'a', 3), row('2', 'b'), row('4', 'o')],
  });

  it('is about what is disputed, and the rest goes on', () => {
    const undisputed = [row('2', 'b'), row('4', 'o'), row('3', 't')];
    expect(clash.value).toEqual([row('1', 'a', 3), ...undisputed]);
    expect(clash.holds).toMatchObject([
      { ours: [row('1', 'a', 3), ...undisputed], theirs: [row('1', 'a', 2), ...undisputed] },
    ]);
    expect(clash.verdicts).toEqual(['took', 'asked']);
    expect(clash.wants).toBeUndefined();
  });

  it('the same look again says nothing; later edits there move along', () => {
    const theirs = [row('1', 'a', 2), row('2', 'b'), row('3', 't')];
    const still = again(clash.record, clash.link, { field: 'lines', theirs, holds: clash.holds });
    expect([still.verdicts, still.hold, still.value]).toEqual([[], 'ask', clash.value]);
    const later = again(clash.record, clash.link, {
      field: 'lines',
      theirs: [row('1', 'a', 9), row('3', 't'), row('5', 'n')],
      holds: clash.holds,
    });
    expect(later.value).toEqual([row('1', 'a', 3), row('4', 'o'), row('3', 't'), row('5', 'n')]);
    expect(later.holds[0]).toMatchObject({
      ours: later.value,
      theirs: [row('1', 'a', 9), row('4', 'o'), row('3', 't'), row('5', 'n')],
    });
  });

  it('ends where nothing is disputed any more, and what is left goes there', () => {
    const met = again(clash.record, clash.link, {
      field: 'lines',
      theirs: [row('1', 'a', 3), row('2', 'b'), row('3', 't')],
      holds: clash.holds,
    });
    expect([met.hold, met.merged.released, met.wants]).toEqual(['-', ['lines'], clash.value]);
  });
});
