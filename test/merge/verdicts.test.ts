/** The merge table of the design, row by row, under every role and policy. */
import { describe, expect, it } from 'vitest';
import { delta } from '../../src/merge/delta.ts';
import type { ClearPolicy, ConflictPolicy, Role } from '../../src/merge/policy.ts';
import { linkWith, look, lowering, plain, recordWith, type Situation } from './sample.ts';

const roles: readonly Role[] = ['owner', 'writer', 'filler', 'reader'];
const policies: readonly ConflictPolicy[] = ['owner', 'newest', 'keep', 'ask'];
const clears: readonly ClearPolicy[] = ['restore', 'take', 'ask'];

/** verdict, the record's value, the hold, what the remote is then sent. */
type Expected = readonly [string, unknown, string, unknown];

const outcome = (situation: Situation): Expected => {
  const { verdict, value, hold, wants } = look(situation);
  return [verdict, value, hold, wants];
};

describe('nothing changed there', () => {
  for (const role of roles) {
    it(`${role}: same where the record has not moved, behind where it has`, () => {
      expect(outcome({ ours: 'S', shadow: 'S', theirs: 'S', rule: { role } })).toEqual([
        '-',
        'S',
        '-',
        undefined,
      ]);
      expect(outcome({ ours: 'O', shadow: 'S', theirs: 'S', moved: true, rule: { role } })).toEqual([
        '-',
        'O',
        '-',
        'O',
      ]);
    });
  }
});

describe('another spelling of what was written', () => {
  const asked = (theirs: string, situation: Situation = {}): ReturnType<typeof look> =>
    look({
      ours: 'Ann-Li',
      at: { from: 10, to: 20 },
      theirs,
      rule: { conflict: 'newest' },
      written: { asked: 'Ann-Li', settled: 'Ann-Li', version: 5 },
      ...situation,
    });

  it('is taken, and is as old as what was written: what was typed elsewhere since is not older', () => {
    for (const theirs of ['ANN-LI', ' Ann-Li', 'ＡＮＮ－ＬＩ', 'ann li']) {
      for (const shadow of [undefined, 'Bob']) {
        const { merged, verdict } = asked(theirs, shadow === undefined ? {} : { shadow });
        expect([verdict, merged.record.fields['name']?.value]).toEqual(['took', theirs]);
        expect(merged.record.fields['name']?.at).toEqual({ from: 10, to: 110 });
      }
    }
  });

  it('wins over nothing that the record came to meanwhile', () => {
    const { verdict, value, hold } = asked('ANN-LI', {
      ours: 'Bea',
      written: { asked: 'Ann-Li', settled: 'Ann-Li', version: 4 },
      shadow: 'Ann',
      moved: true,
    });
    expect([verdict, value, hold]).toEqual(['asked', 'Bea', 'ask']);
  });

  it('is not what somebody typed: that is of the look that showed it', () => {
    expect(asked('Anna-Li', { shadow: 'Bob' }).merged.record.fields['name']?.at).toEqual({
      from: 90,
      to: 110,
    });
  });
});

describe('a hook that comes late', () => {
  // As it was at the last look, with the guard that our write was made on.
  const late = { from: 90, until: 95, version: 'g1' };
  const written = { asked: 'N', settled: 'N', version: 5, guard: 'g1' };

  it.each([true, false])('proves nothing of a write: acknowledged %s', (acked) => {
    const { merged } = look({
      ours: 'N',
      shadow: 'S',
      theirs: 'S',
      moved: true,
      written: { ...written, acked },
      ...late,
    });
    expect(merged.entries).toEqual([]);
    expect(merged.link.written).toMatchObject({ name: { acked, confirmed: false, tries: 0 } });
  });

  it('nor does it where the record has come back to what was there: what was written may show yet', () => {
    const { merged } = look({
      ours: 'S',
      shadow: 'S',
      theirs: 'S',
      moved: true,
      written: { ...written, version: 4 },
      ...late,
    });
    expect(merged.entries).toEqual([]);
    expect(merged.link.written).toMatchObject({ name: { confirmed: false } });
  });

  it('a look after it tells, though the guard is the same: nothing has happened there', () => {
    const seen = { ...late, until: 110 };
    const { merged } = look({ ours: 'N', shadow: 'S', theirs: 'S', moved: true, written, ...seen });
    expect(merged.entries.map(({ verdict }) => verdict)).toEqual(['retry']);
  });
});

describe('changed there only', () => {
  const expected: Record<Role, Expected> = {
    owner: ['took', 'T', '-', undefined],
    writer: ['took', 'T', '-', undefined],
    filler: ['restored', 'S', '-', 'S'],
    reader: ['restored', 'S', '-', 'S'],
  };
  for (const role of roles) {
    for (const conflict of policies) {
      it(`${role}, ${conflict}: the role decides, no policy is asked`, () => {
        const rule = { role, conflict };
        expect(outcome({ ours: 'S', shadow: 'S', theirs: 'T', rule })).toEqual(expected[role]);
      });
    }
  }

  it('a filler fills what is empty; a reader does not, and its value is a declared divergence', () => {
    expect(outcome({ ours: null, shadow: null, theirs: 'T', rule: { role: 'filler' } })).toEqual([
      'took',
      'T',
      '-',
      undefined,
    ]);
    expect(outcome({ ours: null, shadow: null, theirs: 'T', rule: { role: 'reader' } })).toEqual([
      'kept',
      null,
      'empty',
      undefined,
    ]);
  });

  it('a protected field is filled once and never changed', () => {
    const rule = { protected: true };
    expect(outcome({ shadow: null, theirs: 'T', rule })).toEqual(['took', 'T', '-', undefined]);
    expect(outcome({ ours: 'S', shadow: 'S', theirs: 'T', rule })).toEqual(['restored', 'S', '-', 'S']);
  });

  it('a placeholder in a key field is refused: restored over, or kept apart where there is nothing to restore', () => {
    const rule = { key: true };
    for (const theirs of ['0', 'N/A', '', '无', 0]) {
      expect(outcome({ ours: 'C-1', shadow: 'C-1', theirs, rule })).toEqual(['restored', 'C-1', '-', 'C-1']);
      expect(outcome({ ours: null, shadow: null, theirs, rule })).toEqual([
        'kept',
        null,
        'placeholder',
        undefined,
      ]);
    }
    expect(outcome({ ours: 'C-1', shadow: 'C-1', theirs: '0' })[0]).toBe('took');
  });
});

describe('cleared there', () => {
  const expected: Record<ClearPolicy, Expected> = {
    restore: ['overruled', 'S', '-', 'S'],
    take: ['took', null, '-', undefined],
    ask: ['asked', 'S', 'ask', undefined],
  };
  for (const clear of clears) {
    it(clear, () => {
      expect(outcome({ ours: 'S', shadow: 'S', theirs: null, rule: { clear } })).toEqual(expected[clear]);
    });
  }

  it('while ours moved: what was cleared is still decided by the field, before any conflict', () => {
    const cleared = { ours: 'O', shadow: 'S', theirs: null, moved: true };
    expect(outcome({ ...cleared, rule: { clear: 'restore', conflict: 'keep' } })).toEqual([
      'overruled',
      'O',
      '-',
      'O',
    ]);
    expect(outcome({ ...cleared, rule: { clear: 'ask', conflict: 'keep' } })).toEqual([
      'asked',
      'O',
      'ask',
      undefined,
    ]);
    expect(outcome({ ...cleared, rule: { clear: 'take', conflict: 'keep' } })).toEqual([
      'kept',
      'O',
      'kept',
      undefined,
    ]);
  });
});

describe('both changed', () => {
  const both = { ours: 'O', shadow: 'S', theirs: 'T', moved: true };

  it('to the same: nothing is left to do, and the shadow moves', () => {
    const { merged, wants } = look({ ...both, theirs: 'O' });
    expect([merged.entries, merged.changed, wants, merged.link.shadow]).toEqual([
      [],
      [],
      undefined,
      { name: 'O' },
    ]);
  });

  for (const role of ['filler', 'reader'] as const) {
    for (const conflict of policies) {
      it(`${role}, ${conflict}: the role comes before the policy`, () => {
        expect(outcome({ ...both, rule: { role, conflict } })).toEqual(['overruled', 'O', '-', 'O']);
      });
    }
  }

  it('owner wins; keep is a divergence that nobody is asked about; ask waits for a person', () => {
    expect(outcome({ ...both, rule: { role: 'owner', conflict: 'owner' } })).toEqual([
      'took',
      'T',
      '-',
      undefined,
    ]);
    expect(outcome({ ...both, rule: { role: 'writer', conflict: 'owner' } })).toEqual([
      'overruled',
      'O',
      '-',
      'O',
    ]);
    expect(outcome({ ...both, rule: { conflict: 'keep' } })).toEqual(['kept', 'O', 'kept', undefined]);
    expect(outcome({ ...both, rule: { conflict: 'ask' } })).toEqual(['asked', 'O', 'ask', undefined]);
  });

  it('newest decides only where the two spans are certainly apart', () => {
    const rule = { conflict: 'newest' as const };
    // Theirs changed after 90, the last look, and by 110.
    expect(outcome({ ...both, rule, at: { from: 50, to: 60 } })).toEqual(['took', 'T', '-', undefined]);
    expect(outcome({ ...both, rule, at: { from: 120, to: 130 } })).toEqual(['overruled', 'O', '-', 'O']);
    for (const at of [
      { from: 80, to: 95 },
      { from: 95, to: 105 },
      { from: 100, to: 200 },
      { from: 0, to: 300 },
    ])
      expect(outcome({ ...both, rule, at })).toEqual(['asked', 'O', 'ask', undefined]);
  });
});

describe('a place that was never seen before', () => {
  it('equal: same; ours empty: taken; theirs empty: behind; else a conflict', () => {
    expect(outcome({ ours: 'O', theirs: 'O' })).toEqual(['-', 'O', '-', undefined]);
    expect(outcome({ theirs: 'T' })).toEqual(['took', 'T', '-', undefined]);
    expect(outcome({ ours: null, theirs: 'T' })).toEqual(['took', 'T', '-', undefined]);
    expect(outcome({ ours: 'O', theirs: null })).toEqual(['-', 'O', '-', 'O']);
    expect(outcome({ ours: 'O', theirs: 'T' })).toEqual(['asked', 'O', 'ask', undefined]);
    expect(outcome({ ours: 'O', theirs: 'T', rule: { role: 'owner', conflict: 'owner' } })[0]).toBe('took');
  });

  it('unseen in this look: it neither merges nor moves its shadow', () => {
    const { merged } = look({ ours: 'O', shadow: 'S', moved: true });
    expect([merged.entries, merged.link.shadow, merged.changed]).toEqual([[], { name: 'S' }, []]);
  });
});

describe('what was just written', () => {
  const wrote = { ours: 'O', shadow: 'S', moved: true };

  it('seen as asked, or as the remote is known to store it, is confirmed', () => {
    expect(outcome({ ...wrote, theirs: 'O', written: {} })).toEqual(['confirmed', 'O', '-', undefined]);
    const stored = look({ ...wrote, theirs: 'o', written: { settled: 'o' }, lens: lowering });
    expect([stored.verdict, stored.value, stored.wants]).toEqual(['confirmed', 'O', undefined]);
    expect(stored.merged.echo).toBe(true);
  });

  it('seen as before: parked if it was acknowledged, tried again if the guard proves that nothing happened', () => {
    expect(outcome({ ...wrote, theirs: 'S', written: {} })).toEqual([
      'not-taken',
      'O',
      'not-taken',
      undefined,
    ]);
    expect(outcome({ ...wrote, theirs: 'S', version: 'v1', written: { guard: 'v1' } })).toEqual([
      'retry',
      'O',
      '-',
      'O',
    ]);
    expect(outcome({ ...wrote, theirs: 'S', version: 'v1', written: { guard: 'v1', tries: 1 } })[2]).toBe(
      'not-taken',
    );
    expect(outcome({ ...wrote, theirs: 'S', written: { acked: false } })).toEqual(['-', 'O', '-', 'O']);
  });

  it('seen as something else is a change on that side: a conflict, for its author may not have seen ours', () => {
    expect(outcome({ ...wrote, theirs: 'T', written: {} })).toEqual(['asked', 'O', 'ask', undefined]);
  });

  it('where nothing was shown, what was asked counts as expected until a look says otherwise', () => {
    const record = recordWith('O');
    const link = linkWith({ ...wrote, written: { acked: true } });
    expect(delta(record, link, plain, [])).toEqual({});
    for (const written of [{ acked: false }, { confirmed: true }])
      expect(delta(record, linkWith({ ...wrote, written }), plain, [])).toEqual({ name: 'O' });
  });
});

describe('a remote that normalises', () => {
  it('as declared: its form is no edit, now or later', () => {
    expect(outcome({ ours: 'Ann', shadow: 'Ann', theirs: 'ann', lens: lowering })).toEqual([
      '-',
      'Ann',
      '-',
      undefined,
    ]);
  });

  it('undeclared: the first time it is an edit, and the record follows', () => {
    expect(outcome({ ours: 'Ann', shadow: 'Ann', theirs: 'ann' })).toEqual(['took', 'ann', '-', undefined]);
  });
});

describe('a field that is held', () => {
  const held = (why: 'ask' | 'kept' | 'empty' | 'not-taken'): Situation => ({
    ours: 'O',
    shadow: 'T',
    theirs: 'T',
    moved: true,
    holds: [{ field: 'name', why, theirs: 'T', ours: 'O', at: 50 }],
  });

  it('waits while neither side changes, and takes later edits there into the question', () => {
    expect(outcome(held('ask'))).toEqual(['-', 'O', 'ask', undefined]);
    const later = look({ ...held('ask'), theirs: 'U' });
    expect([later.verdict, later.value, later.merged.held[0]?.theirs]).toEqual(['held', 'O', 'U']);
  });

  it('ends where the values meet', () => {
    for (const why of ['ask', 'kept', 'not-taken'] as const) {
      const met = look({ ...held(why), theirs: 'O' });
      expect([met.verdict, met.hold, met.merged.released]).toEqual(['met', '-', ['name']]);
    }
  });
});
