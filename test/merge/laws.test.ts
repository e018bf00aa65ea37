/** What holds for every merge, whatever the values. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { meaningless } from './meaningless.ts';
import { imbalances, verdicts, worst, type Books } from '../../src/merge/books.ts';
import { keysOf, strongKeys } from '../../src/merge/identify.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import { merge } from '../../src/merge/merge.ts';
import type { FieldRule } from '../../src/merge/policy.ts';
import { same, type LinkState, type RecordState } from '../../src/merge/record.ts';
import { linkWith, look, lowering, plain, recordWith, writer, type Situation } from './sample.ts';

const value: fc.Arbitrary<Json> = fc.constantFrom<Json>(null, 'a', 'b', 'A', ' b', 'C', 7, true, ['x'], {
  k: 1,
});
const rule: fc.Arbitrary<FieldRule> = fc.record({
  role: fc.constantFrom('owner', 'writer', 'filler', 'reader'),
  conflict: fc.constantFrom('owner', 'newest', 'keep', 'ask'),
  clear: fc.constantFrom('restore', 'take', 'ask'),
  protected: fc.boolean(),
  key: fc.boolean(),
});
const situation: fc.Arbitrary<Situation> = fc
  .record(
    {
      ours: value,
      shadow: value,
      theirs: value,
      moved: fc.boolean(),
      rule,
      at: fc.tuple(fc.nat(300), fc.nat(50)),
    },
    { requiredKeys: ['rule', 'at', 'moved'] },
  )
  .map(({ at: [from, more], ...rest }) => ({ ...rest, at: { from, to: from + more + 1 } }));

describe('merge', () => {
  it('the same look a second time changes nothing and says nothing new', () => {
    fc.assert(
      fc.property(situation, fc.constantFrom(plain, lowering), (given, lens) => {
        const first = look({ ...given, lens }).merged;
        const sight = {
          object: {
            id: 'a1',
            value: (given.theirs === undefined ? {} : { name: given.theirs }) as JsonObject,
          },
          from: 200,
          until: 210,
        };
        const second = merge({
          record: first.record,
          link: first.link,
          sight,
          lens,
          rules: () => ({ ...writer, ...given.rule }),
          holds: first.held,
          now: 210,
        });
        expect(second.changed).toEqual([]);
        expect(second.entries).toEqual([]);
        expect(second.record).toBe(first.record);
      }),
      { numRuns: 2000 },
    );
  });

  it('no value that a person typed there vanishes: it is in the record, in the lineage, or in a question', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const { theirs } = given;
        const { merged, value: now } = look(given);
        // Nobody typed what is unchanged, nor the emptiness of a place that is seen for the first time.
        if (theirs === undefined || same(theirs, given.shadow ?? null)) return;
        const told = merged.entries.some(
          (entry) => same(entry.theirs ?? null, theirs) || same(entry.after ?? null, theirs),
        );
        expect(told || same(now ?? null, theirs)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('what the record held before a taking is in the lineage', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const { merged } = look(given);
        for (const entry of merged.entries)
          if (entry.verdict === 'took') expect(entry.before ?? null).toEqual(given.ours ?? null);
      }),
      { numRuns: 1000 },
    );
  });

  it('a reader never changes the record, a filler never a filled field, nobody a protected one', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const filled = given.ours !== undefined && given.ours !== null;
        const barred =
          given.rule?.role === 'reader' ||
          (filled && (given.rule?.role === 'filler' || given.rule?.protected === true));
        if (barred) expect(look(given).merged.changed).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  it('empty is never written over filled unless the emptiness is newer', () => {
    fc.assert(
      fc.property(situation, (given) => {
        const { wants, merged } = look(given);
        if (wants !== null) return;
        const { version = 0 } = merged.record.fields['name'] ?? {};
        expect(version).toBeGreaterThan(merged.link.seen['name'] ?? 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('two remotes that each spell it their own way come to rest, with a question', () => {
    fc.assert(
      fc.property(fc.constantFrom('ann', 'Ann', ' Bob '), (start) => {
        // The remote makes something else of each write: an edit that answers ours, again and again.
        let record: RecordState = recordWith(start);
        let link: LinkState = linkWith({ ours: start, shadow: start });
        let writes = 0;
        for (let n = 0; n < 50; n += 1) {
          const told = merge({
            record,
            link: { ...link, written: writtenTo(record) },
            sight: {
              object: { id: 'a1', value: { name: n % 2 === 0 ? `${start}!` : start } },
              from: 200 + n,
              until: 200 + n,
            },
            lens: plain,
            rules: () => ({ ...writer, conflict: 'newest', role: 'owner' }),
            holds: [],
            now: 200 + n,
          });
          ({ record, link } = told);
          writes += told.changed.length;
          if (told.held.some((hold) => hold.why === 'oscillation')) break;
        }
        expect(writes).toBeLessThanOrEqual(8);
      }),
    );
  });
});

const writtenTo = (record: RecordState): LinkState['written'] => {
  const field = record.fields['name'];
  if (field === undefined) return {};
  const { value: asked, version } = field;
  return {
    name: { asked, settled: asked, version, acked: true, confirmed: true, guard: null, tries: 0 },
  };
};

describe('lineage', () => {
  it('replays to the record, and names what was written past it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(value, rule), { maxLength: 12 }), (course) => {
        let record: RecordState = { id: 'r1', entity: 'person', version: 0, at: 0, fields: {} };
        let link: LinkState = linkWith({});
        const rows: LineageRow[] = [];
        course.forEach(([theirs, each], n) => {
          const told = merge({
            record,
            link,
            sight: { object: { id: 'a1', value: { name: theirs } }, from: 100 + n, until: 101 + n },
            lens: plain,
            rules: () => each,
            holds: [],
            now: 101 + n,
          });
          ({ record, link } = told);
          rows.push({ cause: 'test', version: record.version, entries: told.entries });
        });
        expect(replayDifferences(record, rows)).toEqual([]);
        const field = record.fields['name'];
        if (field === undefined) return;
        for (const change of [{ value: 'tampered' }, { version: 99 }, { source: 'C/c1' }]) {
          const tampered = { ...record, fields: { name: { ...field, ...change } } };
          expect(replayDifferences(tampered, rows)[0]).toContain('r1.name');
        }
      }),
      { numRuns: 500 },
    );
  });
});

const noBooks: Books = {
  read: 0,
  total: null,
  open: 0,
  items: { failed: 0, parked: 0, waiting: 0, applied: 0, echo: 0, unchanged: 0, filtered: 0 },
  effects: { opened: 0, open: 0, delivered: 0, already: 0, superseded: 0, parked: 0 },
};

describe('books', () => {
  const verdict = fc.constantFrom(...verdicts);
  const end = fc.constantFrom('delivered', 'already', 'superseded', 'parked', 'open' as const);

  it('balance after any course of legal moves, and after no other', () => {
    fc.assert(
      fc.property(fc.array(verdict), fc.array(end), fc.nat(3), (items, effects, open) => {
        const books = structuredClone(noBooks) as { -readonly [Name in keyof Books]: Books[Name] };
        const counted = { ...books.items };
        for (const one of items) counted[one] += 1;
        const ended = { ...books.effects, opened: effects.length };
        for (const one of effects) ended[one] += 1;
        const good = { ...books, read: items.length + open, open, items: counted, effects: ended };
        expect(imbalances(good)).toEqual([]);
        expect(imbalances({ ...good, read: good.read + 1 })).toHaveLength(1);
        for (const one of verdicts)
          expect(imbalances({ ...good, items: { ...counted, [one]: counted[one] + 1 } })).toHaveLength(1);
        for (const one of Object.keys(ended))
          expect(
            imbalances({ ...good, effects: { ...ended, [one]: ended[one as keyof typeof ended] + 1 } }),
          ).toHaveLength(1);
      }),
    );
  });

  it('an item counts by its worst verdict, in whatever order they come', () => {
    fc.assert(
      fc.property(verdict, verdict, verdict, (a, b, c) => {
        expect(worst(a, b)).toBe(worst(b, a));
        expect(worst(worst(a, b), c)).toBe(worst(a, worst(b, c)));
        expect(worst(a, a)).toBe(a);
        expect(verdicts.indexOf(worst(a, b))).toBeLessThanOrEqual(verdicts.indexOf(a));
      }),
    );
  });
});

describe('strong keys', () => {
  it('are the same for the same text in another case, width or with space around it', () => {
    const keys = [['mobile', 'name'], ['email']];
    const one = strongKeys(keys, { mobile: '+8613912345678', name: 'Ａｎｎ', email: ' Ann@Huaxia.CN ' });
    expect(one).toEqual(strongKeys(keys, { mobile: '+8613912345678', name: 'ann', email: 'ann@huaxia.cn' }));
    expect(one).toHaveLength(2);
  });

  it('need all their parts, and no part that means nothing or that many share', () => {
    for (const nothing of meaningless) {
      expect(strongKeys([['email']], { email: nothing }), JSON.stringify(nothing)).toEqual([]);
      expect(strongKeys([['email', 'name']], { email: nothing, name: 'Ann' })).toEqual([]);
    }
    expect(strongKeys([['email', 'name']], { email: 'ann@huaxia.cn' })).toEqual([]);
    expect(keysOf([['name']], recordWith('Ann'))).toHaveLength(1);
  });

  it('of different values never meet', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 3 }), fc.string({ minLength: 3 }), (a, b) => {
        const key = (text: string): string[] => strongKeys([['name']], { name: text });
        const plainOf = (text: string): string => text.normalize('NFKC').trim().toLowerCase();
        if (plainOf(a) !== plainOf(b) && key(a).length > 0) expect(key(a)).not.toEqual(key(b));
      }),
    );
  });
});
