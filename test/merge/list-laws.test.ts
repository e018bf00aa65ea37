/** What holds for every merge of sets and tables. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { delta } from '../../src/merge/delta.ts';
import { recordThen } from '../../src/merge/history.ts';
import { replayDifferences, type LineageRow, type ToldRow } from '../../src/merge/lineage.ts';
import { merge } from '../../src/merge/merge.ts';
import type { FieldRule } from '../../src/merge/policy.ts';
import type { Entry, Hold, HoldReason, LinkState, RecordState } from '../../src/merge/record.ts';
import { again, lensOf, linkOf, look, type LensOptions, type ListSituation } from './list-sample.ts';
import { writer } from './sample.ts';

const tag = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const tags: fc.Arbitrary<Json> = fc
  .uniqueArray(tag, { maxLength: 5 })
  .map((all) => (all.length === 0 ? null : all));
const row: fc.Arbitrary<JsonObject> = fc.record(
  {
    line: fc.constantFrom('1', '2', '3', '4'),
    product: fc.constantFrom('p', 'q', 'r'),
    quantity: fc.nat(2),
  },
  { requiredKeys: ['line'] },
);
const lines: fc.Arbitrary<Json> = fc
  .uniqueArray(row, { maxLength: 4, selector: ({ line }) => line })
  .map((all) => (all.length === 0 ? null : all));
const rule: fc.Arbitrary<FieldRule> = fc.record({
  role: fc.constantFrom('owner', 'writer', 'filler', 'reader'),
  conflict: fc.constantFrom('owner', 'newest', 'keep', 'ask'),
  clear: fc.constantFrom('restore', 'take', 'ask'),
  protected: fc.boolean(),
  key: fc.constant(false),
});
const mapping = fc.constantFrom<LensOptions>(
  {},
  { missing: 'keep' },
  { remote: 'lower' },
  { missing: 'keep', remote: 'lower' },
);
const sides = fc.oneof(
  fc.record({ field: fc.constant('tags' as const), shadow: tags, theirs: tags, ours: tags, asked: tags }),
  fc.record({
    field: fc.constant('lines' as const),
    shadow: lines,
    theirs: lines,
    ours: lines,
    asked: lines,
  }),
);
const situation: fc.Arbitrary<ListSituation & { readonly mapping: LensOptions }> = fc
  .record({
    sides,
    rule,
    mapping,
    state: fc.record({
      at: fc.constantFrom({ from: 0, to: 10 }, { from: 95, to: 99 }, { from: 120, to: 130 }),
    }),
    how: fc.constantFrom('seen', 'unseen', 'written', 'unanswered'),
    seen: fc.constantFrom(2, 5),
  })
  .map(({ sides: { asked, shadow, ...both }, how, ...rest }) => ({
    ...rest,
    ...both,
    ...(how === 'unseen' ? {} : { shadow }),
    ...(how === 'written' || how === 'unanswered' ? { written: { asked, acked: how === 'written' } } : {}),
  }));

/** The look with the lens that the counter-example names. */
const seenIn = (given: ListSituation & { readonly mapping: LensOptions }) =>
  look({ ...given, lens: lensOf(given.mapping) });

const itemsOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
const keyOf = (item: Json): string =>
  typeof item === 'object' && item !== null && !Array.isArray(item) ? String(item['line']) : String(item);
const keysOf = (value: Json | undefined): string[] => itemsOf(value).map(keyOf);

describe('one look at a list', () => {
  it('a second time changes nothing and says nothing new', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const first = seenIn(given);
        const second = again(first.record, first.link, {
          ...given,
          lens: lensOf(given.mapping),
          holds: first.holds,
        });
        // A write that was not taken, and is not wanted any more: the question ends at the next look.
        const isOver = first.hold === 'not-taken' && second.hold === '-';
        expect(second.verdicts).toEqual(isOver ? ['met'] : []);
        expect(second.record).toBe(first.record);
        expect(second.wants).toEqual(first.wants);
      }),
      { numRuns: 3000 },
    );
  });

  it('tells of every hold, and of its end: replayed, the two looks hold what is held', () => {
    const hold = fc.option(
      fc.record({
        why: fc.constantFrom<HoldReason>(
          'ask',
          'oscillation',
          'not-taken',
          'kept',
          'empty',
          'placeholder',
          'own',
          'remapped',
        ),
        theirs: sides,
      }),
    );
    fc.assert(
      fc.property(situation, hold, sides, (given, standing, next) => {
        const { field } = given;
        const of = (side: { readonly field: string; readonly theirs: Json }): Json =>
          side.field === field ? side.theirs : null;
        const holds: Hold[] =
          standing === null
            ? []
            : [{ field, why: standing.why, theirs: of(standing.theirs), ours: given.ours ?? null, at: 50 }];
        const before: Entry[] = holds.map(({ why, theirs }) => ({
          field,
          verdict: 'kept',
          theirs,
          held: why,
        }));
        const lens = lensOf(given.mapping);
        const first = look({ ...given, lens, holds });
        const second = again(first.record, first.link, {
          ...given,
          theirs: of(next),
          lens,
          holds: first.holds,
        });
        const rows = [before, first.merged.entries, second.merged.entries].map((entries, seq): ToldRow => ({
          seq,
          at: 100,
          run: '',
          body: { cause: 'test', sync: 'A', object: 'a1', version: 8 + seq, entries },
        }));
        for (const [count, held] of [
          [2, first.holds],
          [3, second.holds],
        ] as const) {
          const told = recordThen(rows.slice(0, count)).holds.map(({ why, theirs }) => [why, theirs]);
          expect(told).toEqual(held.map(({ why, theirs }) => [why, theirs]));
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('keeps the order of ours, and adds what is new in the order of theirs', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const now = keysOf(seenIn(given).value);
        const ours = keysOf(given.ours).filter((key) => now.includes(key));
        const added = keysOf(given.theirs).filter((key) => now.includes(key) && !ours.includes(key));
        expect(now).toEqual([...ours, ...added]);
      }),
      { numRuns: 3000 },
    );
  });

  it('keeps every member that neither side took away, and names whatever else was there', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const done = seenIn(given);
        const before = keysOf(given.shadow);
        const [theirs, ours] = [keysOf(given.theirs), keysOf(given.ours)];
        const told = done.merged.entries.flatMap(({ theirs: one, after, before: old }) =>
          [one, after, old].flatMap((list) => (list === undefined ? [] : keysOf(list))),
        );
        const kept = [...keysOf(done.value), ...keysOf(done.holds[0]?.theirs), ...told];
        // What ours added and theirs has never shown.
        for (const key of ours) if (!before.includes(key)) expect(kept).toContain(key);
        // What theirs added: what we wrote there ourselves is nobody's.
        const asked = keysOf(given.written?.asked);
        for (const key of theirs)
          if (!before.includes(key) && !asked.includes(key)) expect(kept).toContain(key);
      }),
      { numRuns: 3000 },
    );
  });

  it('a reader never changes the record, a filler never a filled field, nobody a protected one', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const filled = (given.ours ?? null) !== null;
        const barred =
          given.rule?.role === 'reader' ||
          (filled && (given.rule?.role === 'filler' || given.rule?.protected === true));
        if (barred) expect(seenIn(given).merged.changed).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no row away through a mapping that says keep, neither here nor there', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const keeping = lensOf({ missing: 'keep' });
        if (given.field !== 'lines' || given.written !== undefined) return;
        const done = look({ ...given, lens: keeping });
        expect(keysOf(done.value)).toEqual(expect.arrayContaining(keysOf(given.ours)));
        if (done.wants !== undefined && given.theirs !== null)
          expect(keysOf(done.wants)).toEqual(expect.arrayContaining(keysOf(given.theirs)));
      }),
      { numRuns: 2000 },
    );
  });

  it('writes no empty cell over a filled one unless the emptiness is newer', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const done = seenIn(given);
        const version = done.record.fields[given.field]?.version ?? 0;
        if (given.field !== 'lines' || version > (done.link.seen['lines'] ?? 0)) return;
        const shown = new Map(itemsOf(given.theirs).map((one) => [keyOf(one), one as JsonObject]));
        for (const wanted of itemsOf(done.wants) as JsonObject[])
          for (const cell of Object.keys(shown.get(keyOf(wanted)) ?? {}))
            expect(wanted[cell] ?? null, `${keyOf(wanted)} ${cell}`).not.toBe(null);
      }),
      { numRuns: 3000 },
    );
  });
});

// ---------------------------------------------------------------- edits

/** What somebody does to one member or cell; people who touch different ones never disturb each other. */
type Edit =
  | { readonly do: 'add' | 'remove'; readonly key: string }
  | { readonly do: 'set'; readonly key: string; readonly cell: string; readonly to: number };

const applied = (field: 'tags' | 'lines', list: Json, edits: readonly Edit[]): Json => {
  let items = [...itemsOf(list)];
  for (const edit of edits) {
    if (edit.do === 'remove') items = items.filter((one) => keyOf(one) !== edit.key);
    else if (edit.do === 'set')
      items = items.map((one) =>
        keyOf(one) === edit.key ? { ...(one as JsonObject), [edit.cell]: edit.to } : one,
      );
    else if (!items.some((one) => keyOf(one) === edit.key))
      items.push(field === 'tags' ? edit.key : { line: edit.key, product: edit.key, quantity: 1 });
  }
  return items.length === 0 ? null : items;
};

const members = ['1', '2', '3', '4', '5', '6'];
/** Edits of two people who share none of their members. */
const apart = fc
  .record({
    field: fc.constantFrom('tags' as const, 'lines' as const),
    base: fc.subarray(members, { minLength: 1 }),
    each: fc.array(fc.constantFrom('none', 'theirs', 'ours'), { minLength: 6, maxLength: 6 }),
    what: fc.array(fc.constantFrom('change', 'cell'), { minLength: 6, maxLength: 6 }),
  })
  .map(({ field, base, each, what }) => {
    const list = applied(
      field,
      null,
      base.map((key) => ({ do: 'add', key }) as const),
    );
    const editOf = (key: string, i: number): Edit => {
      if (!base.includes(key)) return { do: 'add', key };
      if (field === 'lines' && what[i] === 'cell') return { do: 'set', key, cell: 'quantity', to: 7 + i };
      return { do: 'remove', key };
    };
    const of = (who: string): Edit[] =>
      members.flatMap((key, i) => (each[i] === who ? [editOf(key, i)] : []));
    return { field, list, theirs: of('theirs'), ours: of('ours') };
  });

const sorted = (value: Json | undefined): Json[] =>
  [...itemsOf(value)].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));

describe('two people', () => {
  it('who touch different elements, rows or cells both get what they did, and the remote is sent it', () => {
    fc.assert(
      fc.property(apart, rule, ({ field, list, theirs, ours }, { conflict }) => {
        const there = applied(field, list, theirs);
        const here = applied(field, list, ours);
        const both = applied(field, here, theirs);
        const given = { field, shadow: list, theirs: there, ours: here };
        const done = look({ ...given, rule: { conflict, clear: 'take' } });
        expect(sorted(done.value)).toEqual(sorted(both));
        expect(done.hold).toBe('-');
        const wanted = sorted(both);
        const isShown = JSON.stringify(sorted(there)) === JSON.stringify(wanted);
        expect(done.wants === undefined ? 'nothing' : sorted(done.wants)).toEqual(
          isShown ? 'nothing' : wanted,
        );
      }),
      { numRuns: 3000 },
    );
  });

  it('who edit two cells of one row both get what they did', () => {
    const done = look({
      field: 'lines',
      shadow: [{ line: '1', product: 'a', quantity: 1 }],
      theirs: [{ line: '1', product: 'b', quantity: 1 }],
      ours: [{ line: '1', product: 'a', quantity: 2 }],
    });
    expect(done.value).toEqual([{ line: '1', product: 'b', quantity: 2 }]);
  });
});

/** Two remotes and the record between them, without a network. */
class Pair {
  readonly field: 'tags' | 'lines';
  readonly own = lensOf();
  readonly rule: Partial<FieldRule>;
  record: RecordState;
  readonly rows: LineageRow[] = [];
  readonly links = new Map<string, LinkState>();
  readonly remotes = new Map<string, JsonObject>();
  writes = 0;
  #now = 100;

  constructor(field: 'tags' | 'lines', list: Json, rule: Partial<FieldRule>) {
    this.field = field;
    this.rule = rule;
    this.record = { id: 'r1', entity: 'order', version: 0, at: 0, fields: {} };
    for (const name of ['A', 'B']) {
      this.remotes.set(name, this.own.write({ [field]: list }, null).value);
      this.links.set(name, { ...linkOf({ field, theirs: null }), sync: name, lookedUntil: 0 });
      this.look(name);
    }
    this.rest();
  }

  edit(name: string, edits: readonly Edit[]): void {
    const now = this.own.read(this.remotes.get(name) ?? {}).fields[this.field] ?? null;
    const base = this.remotes.get(name) ?? null;
    this.remotes.set(name, this.own.write({ [this.field]: applied(this.field, now, edits) }, base).value);
  }

  look(name: string): void {
    const link = this.links.get(name);
    if (link === undefined) return;
    this.#now += 10;
    const {
      record,
      link: after,
      entries,
      held,
    } = merge({
      record: this.record,
      link,
      sight: {
        object: { id: name, value: this.remotes.get(name) ?? {} },
        from: this.#now,
        until: this.#now + 5,
      },
      lens: this.own,
      rules: () => ({ ...writer, ...this.rule }),
      holds: [],
      now: this.#now + 5,
    });
    expect(held).toEqual([]);
    this.record = record;
    this.links.set(name, after);
    this.rows.push({ cause: 'test', version: record.version, entries });
  }

  /** True if there was something to write. */
  deliver(name: string): boolean {
    const link = this.links.get(name);
    const wanted = link === undefined ? {} : delta(this.record, link, this.own, []);
    if (link === undefined || Object.keys(wanted).length === 0) return false;
    this.writes += 1;
    const { value } = this.own.write(wanted, this.remotes.get(name) ?? null);
    this.remotes.set(name, value);
    const asked = wanted[this.field] ?? null;
    const version = this.record.fields[this.field]?.version ?? 0;
    const written = { asked, settled: asked, version, acked: true, confirmed: false, guard: null, tries: 0 };
    this.links.set(name, { ...link, written: { [this.field]: written } });
    this.look(name);
    return true;
  }

  rest(): void {
    for (let n = 0; n < 10; n += 1) if (![this.deliver('A'), this.deliver('B')].includes(true)) return;
    throw new Error('no rest');
  }

  shown(name: string): Json[] {
    return sorted(this.own.read(this.remotes.get(name) ?? {}).fields[this.field]);
  }
}

describe('two remotes', () => {
  it('come to the same from whichever side is looked at first, agree, and then write nothing more', () => {
    fc.assert(
      fc.property(apart, ({ field, list, theirs, ours }) => {
        const ends = [
          ['A', 'B'],
          ['B', 'A'],
        ].map((order) => {
          const pair = new Pair(field, list, { clear: 'take' });
          pair.edit('A', theirs);
          pair.edit('B', ours);
          for (const name of order) pair.look(name);
          pair.rest();
          expect(pair.shown('A')).toEqual(pair.shown('B'));
          expect(pair.shown('A')).toEqual(sorted(pair.record.fields[field]?.value));
          expect(replayDifferences(pair.record, pair.rows)).toEqual([]);
          const { writes } = pair;
          for (const name of order) pair.look(name);
          pair.rest();
          expect(pair.writes).toBe(writes);
          return pair.shown('A');
        });
        expect(ends[0]).toEqual(ends[1]);
        expect(ends[0]).toEqual(sorted(applied(field, applied(field, list, ours), theirs)));
      }),
      { numRuns: 500 },
    );
  });

  it('lose nothing that anybody added and nobody removed, whatever the course', () => {
    const step = fc.record({
      at: fc.constantFrom('A', 'B'),
      what: fc.constantFrom('add', 'remove', 'look', 'deliver'),
      n: fc.nat(30),
    });
    fc.assert(
      fc.property(
        fc.constantFrom('tags' as const, 'lines' as const),
        fc.array(step, { maxLength: 25 }),
        (field, course) => {
          const pair = new Pair(field, applied(field, null, [{ do: 'add', key: 'start' }]), {
            clear: 'take',
          });
          const alive = new Set(['start']);
          course.forEach(({ at, what, n }, i) => {
            const known = keysOf(pair.own.read(pair.remotes.get(at) ?? {}).fields[field]);
            const key = known[n % Math.max(known.length, 1)];
            if (what === 'add') {
              pair.edit(at, [{ do: 'add', key: `new${i}` }]);
              alive.add(`new${i}`);
            } else if (what === 'remove' && key !== undefined) {
              pair.edit(at, [{ do: 'remove', key }]);
              alive.delete(key);
            } else if (what === 'look') pair.look(at);
            else if (what === 'deliver') {
              // As the engine does: what was changed there since is seen first.
              pair.look(at);
              pair.deliver(at);
            }
          });
          for (const name of ['A', 'B']) pair.look(name);
          pair.rest();
          const left = keysOf(pair.record.fields[field]?.value);
          expect(left.toSorted()).toEqual([...alive].sort());
          expect(pair.shown('A')).toEqual(pair.shown('B'));
        },
      ),
      { numRuns: 1000 },
    );
  });
});
