/** Guards of transitions: the whole table, then what holds for every rule and every course of looks. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/connector.ts';
import { replayDifferences } from '../../src/merge/lineage.ts';
import { merge, type Merged } from '../../src/merge/merge.ts';
import type { FieldRule } from '../../src/merge/policy.ts';
import type { Hold, LinkState, RecordState } from '../../src/merge/record.ts';
import {
  byEvidence,
  stepVerdict,
  type StepPolicy,
  type TransitionRule,
  type TransitionRules,
} from '../../src/merge/transition.ts';
import { linkWith, look, plain, recordWith, writer } from './sample.ts';

const order = ['lead', 'qualified', 'proposal', 'won'];
/** Empty, each of the order, and one outside of it. */
const values: readonly Json[] = [null, ...order, 'lost'];
const skips: readonly StepPolicy[] = ['restore', 'take', 'ask'];
const backs: readonly TransitionRule['back'][] = [...skips, 'alarm'];
const withEvidence = { won: ['note'], lost: ['note'] };

/** What is to happen, said in another way than the code does: by distance. */
const expected = (
  { skip, back, evidence }: TransitionRule,
  from: Json,
  to: Json,
  filled: boolean,
): StepPolicy | 'alarm' => {
  if (to === null || from === to) return 'take';
  if (Object.keys(evidence).includes(String(to)) && !filled) return 'ask';
  const distance = order.indexOf(String(to)) - order.indexOf(String(from));
  if (from === null || from === 'lost' || to === 'lost' || distance === 1) return 'take';
  return distance > 1 ? skip : back;
};

const rulesOf = (): TransitionRule[] =>
  skips.flatMap((skip) =>
    backs.flatMap((back) => [{}, withEvidence].map((evidence) => ({ order, skip, back, evidence }))),
  );

describe('every rule, from every value to every value, with evidence and without', () => {
  for (const rule of rulesOf()) {
    const { skip, back, evidence } = rule;
    const needs = Object.keys(evidence).length > 0;
    it(`skip ${skip}, back ${back}${needs ? ', with evidence' : ''}`, () => {
      for (const from of values) {
        for (const to of values) {
          for (const filled of [true, false]) {
            const verdict = stepVerdict(rule, from, to, () => (filled ? 'C-1' : null));
            const wanted = expected(rule, from, to, filled);
            expect([from, to, filled, verdict.does]).toEqual([from, to, filled, wanted]);
            if (verdict.does !== 'take') expect(verdict.why).not.toBe('');
          }
        }
      }
    });
  }

  it('the merge does as the table says: takes, restores, or parks the field and keeps both values', () => {
    for (const rule of rulesOf()) {
      for (const from of values) {
        for (const to of values.filter((one) => one !== null && one !== from)) {
          for (const filled of [true, false]) {
            const { verdict, value, hold, wants } = steps(rule, from, to, filled);
            const told = [from, to, filled, verdict, value, hold, wants];
            const does = expected(rule, from, to, filled);
            const same = [from, to, filled];
            if (does === 'ask') expect(told).toEqual([...same, 'asked', from, 'transition', undefined]);
            else if (does === 'restore') expect(told).toEqual([...same, 'overruled', from, '-', from]);
            else expect(told).toEqual([...same, 'took', to, '-', undefined]);
          }
        }
      }
    }
  });
});

/** One look at a remote whose `name` went from `from` to `to`; `note` is the evidence. */
const steps = (rule: TransitionRule, from: Json, to: Json, filled: boolean, extra: object = {}) => {
  const record = recordWith(from ?? undefined);
  const note = {
    value: 'C-1',
    version: 4,
    at: { from: 0, to: 5 },
    source: 'B/b1',
    recent: [],
    returns: 0,
    chain: 0,
  };
  const merged = merge({
    record: { ...record, fields: { ...record.fields, ...(filled ? { note } : {}) } },
    link: linkWith({ shadow: from }),
    sight: { object: { id: 'a1', value: { name: to } }, from: 100, until: 110 },
    lens: plain,
    rules: () => writer,
    holds: [],
    now: 110,
    transitions: { name: rule },
    ...extra,
  });
  const shown = look({ shadow: from, theirs: from, ...(from === null ? {} : { ours: from }) });
  expect(shown.verdict).toBe('-');
  return {
    merged,
    verdict: merged.entries.find(({ field }) => field === 'name')?.verdict ?? '-',
    value: merged.record.fields['name']?.value ?? null,
    hold: merged.held.find(({ field }) => field === 'name')?.why ?? '-',
    wants: Object.hasOwn(merged.link.restored, 'name') ? merged.record.fields['name']?.value : undefined,
  };
};

const strict: TransitionRule = { order, skip: 'ask', back: 'ask', evidence: withEvidence };

describe('evidence', () => {
  it('is nothing that says nothing', () => {
    for (const nothing of [null, '', '0', 0, false, '暂无', []])
      expect(stepVerdict(strict, 'proposal', 'won', () => nothing).does, JSON.stringify(nothing)).toBe('ask');
    for (const something of ['C-1', 7, true, { amount: 1, currency: 'CNY' }, ['x']])
      expect(stepVerdict(strict, 'proposal', 'won', () => something).does).toBe('take');
  });

  it('counts when the same look brings it, whichever field comes first', () => {
    const { verdict, value } = steps(strict, 'proposal', 'won', false, {
      sight: { object: { id: 'a1', value: { name: 'won', note: 'C-1' } }, from: 100, until: 110 },
    });
    expect([verdict, value]).toEqual(['took', 'won']);
  });

  it('does not count where its own role keeps it from the record', () => {
    const rules = (field: string): FieldRule => ({ ...writer, role: field === 'note' ? 'reader' : 'writer' });
    const { verdict, value } = steps(strict, 'proposal', 'won', false, {
      sight: { object: { id: 'a1', value: { name: 'won', note: 'C-1' } }, from: 100, until: 110 },
      rules,
    });
    expect([verdict, value]).toEqual(['asked', 'proposal']);
  });

  it('comes before what needs it, and a ring of needs is no trap', () => {
    const needing = (field: string): TransitionRule => ({ ...strict, evidence: { x: [field] } });
    expect(byEvidence(['a', 'b', 'c'], { a: needing('b'), b: needing('c') })).toEqual(['c', 'b', 'a']);
    expect(byEvidence(['a', 'b'], { a: needing('b'), b: needing('a') }).toSorted()).toEqual(['a', 'b']);
  });
});

describe('values that the remote has named between two looks', () => {
  const named = (...passed: Json[]) =>
    steps(strict, 'lead', 'proposal', true, { steps: new Map([['name', passed]]) });

  it('are steps: a fast remote skips nothing', () => {
    expect(named('qualified').verdict).toBe('took');
    expect(named().verdict).toBe('asked');
  });

  it('never make a step worse than it is by itself', () => {
    const rule = { ...strict, skip: 'take' as const };
    const back = steps(rule, 'lead', 'won', true, { steps: new Map([['name', ['qualified', 'lead']]]) });
    expect(back.verdict).toBe('took');
  });
});

/** A course of looks at one object, as the store would keep it. */
class Course {
  record: RecordState = { ...recordWith('lead'), version: 5 };
  link: LinkState = linkWith({ shadow: 'lead' });
  holds: Hold[] = [];
  readonly rows: Merged['entries'][number][] = [
    { field: 'name', verdict: 'took', after: 'lead', version: 5, source: 'B/b1' },
  ];
  time = 200;
  readonly #rules: TransitionRules;
  constructor(rule: TransitionRule) {
    this.#rules = { name: rule };
  }

  see(value: { name: Json; note: Json }): Merged {
    this.time += 100;
    const merged = merge({
      record: this.record,
      link: this.link,
      sight: { object: { id: 'a1', value }, from: this.time, until: this.time + 10 },
      lens: plain,
      rules: () => writer,
      holds: this.holds,
      now: this.time + 10,
      transitions: this.#rules,
    });
    this.record = merged.record;
    this.link = merged.link;
    const isOld = (one: Hold): boolean =>
      !merged.released.includes(one.field) && !merged.held.some(({ field }) => field === one.field);
    this.holds = [...this.holds.filter(isOld), ...merged.held];
    this.rows.push(...merged.entries);
    return merged;
  }

  get hold(): Hold | undefined {
    return this.holds.find(({ field }) => field === 'name');
  }
}

describe('a step that waits', () => {
  it('is taken by itself once its evidence is there, with the time at which it was held', () => {
    const course = new Course(strict);
    course.see({ name: 'qualified', note: null });
    course.see({ name: 'proposal', note: null });
    course.see({ name: 'won', note: null });
    expect(course.hold).toMatchObject({ why: 'transition', theirs: 'won', ours: 'proposal' });
    const since = course.hold?.at;
    expect(course.see({ name: 'won', note: null }).entries).toEqual([]);
    course.see({ name: 'won', note: 'C-1' });
    expect(course.hold).toBeUndefined();
    expect(course.record.fields['name']).toMatchObject({ value: 'won', at: { to: since } });
  });

  it('follows later edits there, and ends when they go back', () => {
    const course = new Course(strict);
    course.see({ name: 'won', note: null });
    course.see({ name: 'proposal', note: null });
    expect(course.hold).toMatchObject({ why: 'transition', theirs: 'proposal' });
    expect(course.rows.at(-1)).toMatchObject({ verdict: 'held', held: 'transition', theirs: 'proposal' });
    course.see({ name: 'lead', note: null });
    expect(course.hold).toBeUndefined();
    expect(course.rows.at(-1)).toMatchObject({ verdict: 'met' });
  });

  it('is a conflict if the record has gone on elsewhere meanwhile: nothing is written over it in silence', () => {
    const course = new Course(strict);
    course.see({ name: 'won', note: 'C-1' });
    const state = course.record.fields['name'];
    if (state === undefined) throw new Error('no state');
    const version = course.record.version + 1;
    const moved = { ...state, value: 'proposal', version, at: { from: 900, to: 901 }, source: 'B/b1' };
    course.record = { ...course.record, version, fields: { ...course.record.fields, name: moved } };
    course.time = 1000;
    course.see({ name: 'won', note: 'C-1' });
    expect(course.record.fields['name']?.value).toBe('proposal');
    expect(course.hold).toMatchObject({ why: 'ask', theirs: 'won' });
  });

  it('whatever is seen in whatever order: no forbidden step is in the record, every one is in a hold or in lineage, and lineage replays', () => {
    const rule = fc.record<TransitionRule>({
      order: fc.constant(order),
      skip: fc.constantFrom(...skips),
      back: fc.constantFrom(...backs),
      evidence: fc.constantFrom({}, withEvidence),
    });
    const sights = fc.array(
      fc.record({ name: fc.constantFrom<Json>(...values), note: fc.constantFrom<Json>(null, 'C-1') }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(rule, sights, (given, seen) => {
        const course = new Course(given);
        for (const value of seen) {
          const before = course.record.fields['name']?.value ?? null;
          course.see(value);
          const after = course.record.fields['name']?.value ?? null;
          const note = course.record.fields['note']?.value ?? null;
          if (after !== before)
            expect(['take', 'alarm']).toContain(expected(given, before, after, note !== null));
          else if (value.name !== null && value.name !== before) {
            const isTold = course.rows.some(({ theirs }) => theirs === value.name);
            expect(isTold || course.hold?.theirs === value.name).toBe(true);
          }
        }
        const row = { cause: 'poll', version: 1, entries: course.rows };
        expect(replayDifferences(course.record, [row])).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });
});
