/** Two records become one and two again, whatever their values: what holds for every merge and every unmerge. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { delta } from '../../src/merge/delta.ts';
import { join, shownOf, type Joined, type LinkView, type Relinked } from '../../src/merge/join.ts';
import { replayDifferences, type LineageRow, type ToldRow } from '../../src/merge/lineage.ts';
import { shows } from '../../src/merge/lists.ts';
import { merge } from '../../src/merge/merge.ts';
import { part, type Parted } from '../../src/merge/part.ts';
import { same, type FieldState, type RecordState } from '../../src/merge/record.ts';
import { intoOf, isReserved } from '../../src/merge/redirect.ts';
import { toyFields } from '../../src/simulate/toy.ts';
import { plain, writer } from './sample.ts';

type Fields = Readonly<Record<string, Json>>;

/** A record with one object in each of two systems, `A` and another, which show what it says. */
interface Side {
  readonly fields: Fields;
  /** The system of the second object. */
  readonly second: string;
}

const stateOf = (value: Json, source: string, version: number, at: number): FieldState => ({
  value,
  version,
  at: { from: at, to: at + 1 },
  source,
  recent: [],
  returns: 0,
  chain: 0,
});

const linkOf = (sync: string, object: string, record: RecordState): LinkView => ({
  link: {
    sync,
    object,
    record: record.id,
    state: 'live',
    gen: 3,
    call: null,
    shadow: Object.fromEntries(toyFields.map((field) => [field, record.fields[field]?.value ?? null])),
    guard: null,
    lookedFrom: 10,
    lookedUntil: 11,
    seen: Object.fromEntries(Object.entries(record.fields).map(([field, { version }]) => [field, version])),
    written: {},
    restored: {},
    missingSince: null,
  },
  lens: plain,
  holds: [],
});

/** All that there is: two records, their links, and what lineage has told of each. */
interface State {
  readonly records: Record<'s' | 'l', RecordState>;
  readonly views: readonly LinkView[];
  readonly rows: Record<'s' | 'l', ToldRow[]>;
}

const tell = (state: State, who: 's' | 'l', body: LineageRow): void => {
  state.rows[who].push({ seq: state.rows[who].length, at: 0, run: 'run', body });
};

const begin = (survivor: Side, loser: Side): State => {
  const made = (id: 's' | 'l', { fields }: Side): RecordState => ({
    id,
    entity: 'person',
    version: 2,
    at: 0,
    fields: Object.fromEntries(
      Object.entries(fields).map(([field, value]) => [field, stateOf(value, `A/${id}a`, 2, 5)]),
    ),
  });
  const records = { s: made('s', survivor), l: made('l', loser) };
  const views = [
    linkOf('A', 'sa', records.s),
    linkOf(survivor.second, 's2', records.s),
    linkOf('A', 'la', records.l),
    linkOf(loser.second, 'l2', records.l),
  ];
  const state = { records, views, rows: { s: [], l: [] } };
  for (const who of ['s', 'l'] as const)
    tell(state, who, {
      cause: 'poll',
      sync: 'A',
      object: `${who}a`,
      version: 2,
      event: 'created',
      entries: Object.entries(records[who].fields).map(([field, { value, version, source, at }]) => ({
        field,
        verdict: 'took',
        before: null,
        after: value,
        version,
        source,
        at,
      })),
    });
  return state;
};

const viewsOf = ({ views }: State, record: string): LinkView[] =>
  views.filter(({ link }) => link.record === record);

const relinked = (state: State, changes: readonly Relinked[]): LinkView[] =>
  state.views.map((view) => {
    const one = changes.find(({ link }) => link.object === view.link.object);
    return one === undefined
      ? view
      : { ...view, link: { ...one.link, gen: view.link.gen + 1 }, holds: one.holds };
  });

const merged = (
  state: State,
  conflict: 'newest' | 'ask' | 'keep' = 'newest',
): { state: State; joined: Joined } => {
  const joined = join({
    survivor: state.records.s,
    loser: state.records.l,
    links: viewsOf(state, 'l'),
    rules: () => ({ ...writer, conflict }),
    keys: new Set(['email']),
    protects: new Set(['note']),
    lists: new Set(),
    taken: new Set(viewsOf(state, 's').map(({ link }) => link.sync)),
    by: 'person:ann',
    now: 100,
  });
  const next: State = {
    records: { s: joined.survivor, l: joined.loser },
    views: relinked(state, joined.links),
    rows: { s: [...state.rows.s], l: [...state.rows.l] },
  };
  const row = { cause: 'person:ann', event: 'merged' };
  tell(next, 's', { ...row, version: joined.survivor.version, other: 'l', entries: joined.entries });
  tell(next, 'l', { ...row, version: joined.loser.version, other: 's', entries: joined.loserEntries });
  return { state: next, joined };
};

const parted = (state: State): { state: State; out: Parted } => {
  const own = viewsOf(state, 's').filter(({ link }) => link.from !== undefined);
  const out = part({
    survivor: state.records.s,
    loser: state.records.l,
    rows: state.rows.s,
    own,
    rest: viewsOf(state, 's').filter(({ link }) => link.from === undefined),
    others: [],
    by: 'person:bob',
    now: 200,
  });
  const next: State = {
    records: { s: out.survivor, l: out.loser },
    views: relinked(state, [...out.own, ...out.rest]),
    rows: { s: [...state.rows.s], l: [...state.rows.l] },
  };
  const row = { cause: 'person:bob', event: 'unmerged' };
  tell(next, 's', { ...row, version: out.survivor.version, other: 'l', entries: out.entries });
  tell(next, 'l', { ...row, version: out.loser.version, other: 's', entries: out.loserEntries });
  return { state: next, out };
};

/** A person edits one object, and it is looked at. */
const edited = (state: State, object: string, field: string, value: Json, now: number): State => {
  const view = state.views.find(({ link }) => link.object === object);
  if (view === undefined) throw new Error(`there is no ${object}`);
  const shown = { ...view.link.shadow, [field]: value } as JsonObject;
  const who = view.link.record as 's' | 'l';
  const look = merge({
    record: state.records[who],
    link: view.link,
    sight: { object: { id: object, value: shown }, from: now, until: now + 1 },
    lens: plain,
    rules: () => ({ ...writer, clear: 'take' }),
    holds: view.holds,
    now,
  });
  const holds = [
    ...view.holds.filter(
      (one) => !look.released.includes(one.field) && !look.held.some(({ field: name }) => name === one.field),
    ),
    ...look.held,
  ];
  const next: State = {
    records: { ...state.records, [who]: look.record },
    views: state.views.map((one) =>
      one === view ? { ...one, link: { ...look.link, gen: view.link.gen + 1 }, holds } : one,
    ),
    rows: { s: [...state.rows.s], l: [...state.rows.l] },
  };
  tell(next, who, {
    cause: 'hook',
    sync: view.link.sync,
    object,
    version: look.record.version,
    entries: look.entries,
  });
  return next;
};

const valuesOf = (record: RecordState): Fields =>
  Object.fromEntries(
    Object.entries(record.fields)
      .filter(([field, { value }]) => !isReserved(field) && value !== null)
      .map(([field, { value }]) => [field, value]),
  );

const text = fc.constantFrom<Json>('a', 'b', 'c');
const fields = fc.dictionary(fc.constantFrom(...toyFields), text, {
  maxKeys: toyFields.length,
  noNullPrototype: true,
});
const side: fc.Arbitrary<Side> = fc.record({ fields, second: fc.constantFrom('A', 'B', 'C') });
const policy = fc.constantFrom('newest' as const, 'ask' as const, 'keep' as const);
const edit = fc.record({
  object: fc.constantFrom('sa', 's2', 'la', 'l2'),
  field: fc.constantFrom(...toyFields),
  value: fc.constantFrom<Json>('x', 'y', 'z', null),
});

/** What a link is behind by, and which of its fields have moved since it was shown them. */
const standing = (state: State): Record<string, Json> =>
  Object.fromEntries(
    state.views.map(({ link, holds }): [string, Json] => {
      const record = state.records[link.record as 's' | 'l'];
      const moved = toyFields.filter((field) => {
        const version = record.fields[field]?.version ?? 0;
        return record.fields[field]?.value !== undefined && version > (link.seen[field] ?? 0);
      });
      const held = holds.map(({ field, why }) => `${field} ${why}`);
      return [
        link.object,
        { record: link.record, behind: delta(record, link, plain, holds), moved, held } as unknown as Json,
      ];
    }),
  );

describe('a merge', () => {
  it('keeps every value: it stands in the record, is held on its object, or lineage has it', () => {
    fc.assert(
      fc.property(side, side, policy, (one, other, conflict) => {
        const { state, joined } = merged(begin(one, other), conflict);
        for (const [field, value] of Object.entries(other.fields)) {
          const stands = same(state.records.s.fields[field]?.value ?? null, value);
          const told = joined.entries.some(
            (entry) => entry.field === field && same(entry.theirs ?? null, value),
          );
          expect(stands || told, field).toBe(true);
          expect(state.records.l.fields[field]?.value, 'the loser keeps its own').toEqual(value);
        }
        for (const [field, value] of Object.entries(one.fields))
          expect(state.records.s.fields[field]?.value, 'the survivor stands').toEqual(value);
      }),
    );
  });

  it('leaves no link with the loser, and the loser leads to the survivor', () => {
    fc.assert(
      fc.property(side, side, (one, other) => {
        const { state } = merged(begin(one, other));
        expect(viewsOf(state, 'l')).toEqual([]);
        expect(intoOf(state.records.l)).toBe('s');
        expect(viewsOf(state, 's')).toHaveLength(4);
      }),
    );
  });

  it('makes every object agree, or writes to it, or holds the field with a reason', () => {
    fc.assert(
      fc.property(side, side, policy, (one, other, conflict) => {
        const { state } = merged(begin(one, other), conflict);
        for (const view of state.views) {
          const behind = delta(state.records.s, view.link, plain, view.holds);
          for (const field of toyFields) {
            const ours = state.records.s.fields[field]?.value ?? null;
            const theirs = shownOf(view)[field] ?? null;
            const isHeld = view.holds.some((hold) => hold.field === field);
            expect(shows(plain, field, theirs, ours) || Object.hasOwn(behind, field) || isHeld, field).toBe(
              true,
            );
          }
        }
      }),
    );
  });

  it('writes no key to a second object in a system, and no protected value over another', () => {
    fc.assert(
      fc.property(side, side, policy, (one, other, conflict) => {
        const { state } = merged(begin(one, other), conflict);
        const second = new Set([...viewsOf(begin(one, other), 's')].map(({ link }) => link.sync));
        for (const { link, holds } of state.views.filter((view) => view.link.from !== undefined)) {
          const behind = delta(state.records.s, link, plain, holds);
          if (second.has(link.sync)) expect(Object.keys(behind)).not.toContain('email');
          if (other.fields['note'] !== undefined) expect(Object.keys(behind)).not.toContain('note');
        }
      }),
    );
  });
});

describe('an unmerge', () => {
  it('gives both records back exactly, where nothing has happened between', () => {
    fc.assert(
      fc.property(side, side, policy, (one, other, conflict) => {
        const before = begin(one, other);
        const { state } = parted(merged(before, conflict).state);
        for (const who of ['s', 'l'] as const) {
          expect(valuesOf(state.records[who])).toEqual(valuesOf(before.records[who]));
          for (const [field, { value, at, source }] of Object.entries(before.records[who].fields))
            expect(state.records[who].fields[field]).toMatchObject({ value, at, source });
        }
        expect(intoOf(state.records.l)).toBeNull();
        expect(standing(state)).toEqual(standing(before));
      }),
      { numRuns: 300 },
    );
  });

  it('gives each edit that was made between to the record whose link brought it, and loses none', () => {
    fc.assert(
      fc.property(side, side, fc.array(edit, { maxLength: 8 }), (one, other, edits) => {
        let { state } = merged(begin(one, other));
        const before = state;
        let now = 110;
        for (const { object, field, value } of edits)
          state = edited(state, object, field, value, (now += 10));
        const taken = state.rows.s
          .slice(before.rows.s.length)
          .flatMap(({ body }) =>
            body.entries
              .filter(({ verdict }) => verdict === 'took')
              .map((entry) => ({ ...entry, of: body.object })),
          );
        const { state: after } = parted(state);
        const fate = (who: 's' | 'l', own: Fields): void => {
          for (const field of toyFields) {
            const last = taken.findLast(
              (entry) => entry.field === field && entry.of?.startsWith(who) === true,
            );
            const expected = last === undefined ? (own[field] ?? null) : (last.after ?? null);
            expect(after.records[who].fields[field]?.value ?? null, `${who}.${field}`).toEqual(expected);
          }
        };
        fate('s', one.fields);
        fate('l', other.fields);
      }),
      { numRuns: 500 },
    );
  });

  it('leaves every object with its own record, in agreement, written, or held', () => {
    fc.assert(
      fc.property(side, side, fc.array(edit, { maxLength: 6 }), policy, (one, other, edits, conflict) => {
        let { state } = merged(begin(one, other), conflict);
        let now = 110;
        for (const { object, field, value } of edits)
          state = edited(state, object, field, value, (now += 10));
        ({ state } = parted(state));
        for (const view of state.views) {
          expect(view.link.record).toBe(view.link.object[0]);
          expect(view.link.from).toBeUndefined();
          const record = state.records[view.link.record as 's' | 'l'];
          const behind = delta(record, view.link, plain, view.holds);
          for (const field of toyFields) {
            const ours = record.fields[field]?.value ?? null;
            const theirs = shownOf(view)[field] ?? null;
            const isHeld = view.holds.some((hold) => hold.field === field);
            expect(shows(plain, field, theirs, ours) || Object.hasOwn(behind, field) || isHeld, field).toBe(
              true,
            );
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('replays: lineage gives both records as they are, after any number of merges, edits and unmerges', () => {
    fc.assert(
      fc.property(side, side, fc.array(edit, { maxLength: 6 }), (one, other, edits) => {
        let state = begin(one, other);
        let now = 110;
        for (let round = 0; round < 2; round += 1) {
          ({ state } = merged(state));
          for (const { object, field, value } of edits)
            state = edited(state, object, field, value, (now += 10));
          ({ state } = parted(state));
        }
        for (const who of ['s', 'l'] as const)
          expect(
            replayDifferences(
              state.records[who],
              state.rows[who].map(({ body }) => body),
            ),
          ).toEqual([]);
      }),
    );
  });
});
