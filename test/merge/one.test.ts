/** A flag that at most one has, set on a remote while another record has it: every role, policy and time. */
import { describe, expect, it } from 'vitest';
import { deletedField } from '../../src/merge/deletion.ts';
import { delta } from '../../src/merge/delta.ts';
import { merge } from '../../src/merge/merge.ts';
import { oneKey, onesOf, type Rival } from '../../src/merge/one.ts';
import type { ConflictPolicy, FieldRule, Role } from '../../src/merge/policy.ts';
import type { FieldState, Span } from '../../src/merge/record.ts';
import { linkWith, plain, recordWith, writer } from './sample.ts';

// `name` is the flag here, and `stage` says whose it is.
const rule = { name: 'stage' };
const roles: readonly Role[] = ['owner', 'writer', 'filler', 'reader'];
const policies: readonly ConflictPolicy[] = ['owner', 'newest', 'keep', 'ask'];
const whose: FieldState = {
  value: 'Acme',
  version: 4,
  at: { from: 0, to: 5 },
  source: 'B/b1',
  recent: [],
  returns: 0,
  chain: 0,
};

interface Given {
  /** The record's own flag, and what the remote showed last; undefined: never. */
  readonly ours?: boolean;
  readonly shadow?: boolean;
  readonly rival?: Partial<Rival> | null;
  readonly rule?: Partial<FieldRule>;
  readonly stage?: string;
}

/** Verdicts, the record's flag, the hold, what the remote is sent. */
const outcome = (given: Given): unknown[] => {
  const { ours, shadow, rival = {}, stage = 'Acme' } = given;
  const record = recordWith(ours);
  const rivals = new Map<string, Rival>();
  if (rival !== null)
    rivals.set(oneKey('name', 'Acme'), { record: 'r2', at: { from: 0, to: 10 }, moved: true, ...rival });
  const link = linkWith(shadow === undefined ? {} : { shadow });
  const merged = merge({
    record: { ...record, fields: { ...record.fields, stage: whose } },
    link: { ...link, shadow: { ...link.shadow, stage: 'Acme' }, seen: { ...link.seen, stage: 4 } },
    sight: { object: { id: 'a1', value: { name: true, stage } }, from: 100, until: 110 },
    lens: plain,
    rules: (field) => ({ ...writer, ...(field === 'name' ? given.rule : {}) }),
    holds: [],
    now: 110,
    ones: { rule, rivals },
  });
  return [
    merged.entries.filter(({ field }) => field === 'name').map(({ verdict }) => verdict),
    merged.record.fields['name']?.value ?? null,
    merged.held.find(({ field }) => field === 'name')?.why ?? '-',
    delta(merged.record, merged.link, plain, merged.held)['name'],
  ];
};

const taken = [['took'], true, '-', undefined];
const restored = (verdict: string): unknown[] => [[verdict], false, '-', false];

describe('the remote had been shown who has it', () => {
  for (const role of roles)
    for (const conflict of policies)
      it(`${role}, ${conflict}: the role decides, no policy is asked`, () => {
        const done = outcome({
          ours: false,
          shadow: false,
          rival: { moved: false },
          rule: { role, conflict },
        });
        expect(done).toEqual(role === 'owner' || role === 'writer' ? taken : restored('restored'));
      });

  it('a protected flag is not taken from who has it', () => {
    const protect = { rule: { protected: true } };
    expect(outcome({ shadow: false, rival: { moved: false }, ...protect })).toEqual(restored('took'));
    expect(outcome({ shadow: false, rival: null, ...protect })).toEqual(taken);
  });
});

describe('the remote had not been shown who has it', () => {
  const times: Readonly<Record<string, readonly [Span, ConflictPolicy | 'theirs' | 'ours']>> = {
    'surely before': [{ from: 50, to: 60 }, 'theirs'],
    'surely after': [{ from: 120, to: 130 }, 'ours'],
    meanwhile: [{ from: 95, to: 105 }, 'ask'],
  };
  for (const shadow of [false, undefined])
    for (const role of ['owner', 'writer'] as const)
      for (const conflict of policies)
        for (const [when, [at, newest]] of Object.entries(times))
          it(`${shadow === undefined ? 'first sight' : 'edited'}, ${role}, ${conflict}, the other ${when}`, () => {
            const ours = shadow === undefined ? {} : { ours: false, shadow };
            const done = outcome({ ...ours, rival: { at }, rule: { role, conflict } });
            const owner = role === 'owner' ? 'theirs' : 'ours';
            const winner = conflict === 'owner' ? owner : conflict === 'newest' ? newest : conflict;
            if (winner === 'theirs') expect(done).toEqual(taken);
            // A record that never had the flag has it not from then on, and the remote is told.
            else if (winner === 'ours')
              expect(done).toEqual(restored(shadow === undefined ? 'took' : 'overruled'));
            else {
              const [first, then] = [
                shadow === undefined ? ['took'] : [],
                winner === 'keep' ? 'kept' : 'asked',
              ];
              const hold = winner === 'keep' ? 'kept' : 'ask';
              expect(done).toEqual([[...first, then], false, hold, undefined]);
            }
          });

  it('what only equals what the record has is no claim, and nobody else’s flag is in the way', () => {
    expect(outcome({ ours: true, shadow: true })).toEqual([[], true, '-', undefined]);
    expect(outcome({ ours: false, shadow: false, rival: null, rule: { conflict: 'ask' } })).toEqual(taken);
  });

  it('it is judged by whom the record belongs to after this look', () => {
    const given = { ours: false, shadow: false, rule: { conflict: 'ask' as const } };
    expect(outcome({ ...given, stage: 'Other' })).toEqual(taken);
    expect(outcome(given)).toEqual([['asked'], false, 'ask', undefined]);
  });
});

describe('what a record claims', () => {
  const of = (flag: unknown, stage: unknown, deleted: string | null = null): string[] =>
    onesOf(rule, {
      ...recordWith(undefined),
      fields: {
        name: { ...whose, value: flag as boolean },
        stage: { ...whose, value: stage as string },
        [deletedField]: { ...whose, value: deleted },
      },
    }).map(({ key }) => key);

  it('is nothing without the flag, without whose it is, or once it is deleted', () => {
    expect(of(true, 'Acme')).toEqual([oneKey('name', 'Acme')]);
    for (const [flag, stage, deleted] of [
      [false, 'Acme', null],
      [null, 'Acme', null],
      ['true', 'Acme', null],
      [true, null, null],
      [true, 'Acme', 'archive'],
      [true, 'Acme', 'propagate'],
    ] as const)
      expect(of(flag, stage, deleted)).toEqual([]);
  });
});
