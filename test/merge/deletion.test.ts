/** Deletion and resurrection, case by case: who deleted, what the other side had changed and shown, and the policy. */
import { describe, expect, it } from 'vitest';
import {
  deletedField,
  editOf,
  isResurrecting,
  judgeAbsence,
  judgePresence,
  lacksObject,
  marked,
  reachOf,
  type Absence,
  type Edit,
  type Presence,
} from '../../src/merge/deletion.ts';
import { keysOf } from '../../src/merge/identify.ts';
import { replayDifferences } from '../../src/merge/lineage.ts';
import type { ConflictPolicy, DeletePolicy, Role } from '../../src/merge/policy.ts';
import type { FieldState, LinkState, RecordState, Span } from '../../src/merge/record.ts';
import { linkWith, recordWith, writer } from './sample.ts';

const policies: readonly ConflictPolicy[] = ['owner', 'newest', 'keep', 'ask'];

/** When the object of A/a1 was deleted. */
const span: Span = { from: 100, to: 110 };
const before: Span = { from: 80, to: 95 };
const meanwhile: Span = { from: 95, to: 105 };
const after: Span = { from: 110, to: 120 };

const field = (also: Partial<FieldState> = {}): FieldState => ({
  value: 'Ann',
  version: 5,
  at: before,
  source: 'B/b1',
  recent: [],
  returns: 0,
  chain: 0,
  ...also,
});

const recordOf = (fields: Record<string, FieldState>): RecordState => ({ ...recordWith(undefined), fields });

const deletion = (also: Partial<FieldState> = {}): FieldState =>
  field({ value: 'propagate', version: 7, at: span, source: 'A/a1', ...also });

const link = (also: Partial<LinkState> = {}): LinkState => ({ ...linkWith({ shadow: 'Ann' }), ...also });

// ---------------------------------------------------------------- gone

const gone = (also: Partial<Absence> = {}, edit: Partial<FieldState> = {}, seen = 0): string => {
  const { is, rule } = judgeAbsence({
    record: recordOf({ name: field(edit) }),
    link: link({ seen: { name: seen } }),
    span,
    deletes: 'propagate',
    rule: { ...writer, conflict: 'newest' },
    shown: new Set(['name']),
    sibling: false,
    ...also,
  });
  return rule === '' ? is : `${is}: ${rule}`;
};

describe('an object is gone', () => {
  it('ignore: the record is untouched, whatever else is so', () => {
    for (const conflict of policies)
      for (const at of [before, meanwhile, after])
        expect(gone({ deletes: 'ignore', rule: { ...writer, conflict } }, { at })).toBe('stays');
  });

  const reaches: readonly DeletePolicy[] = ['archive', 'propagate'];
  for (const deletes of reaches) {
    it(`${deletes}: what was shown there, or came from there, is no conflict for any policy`, () => {
      for (const conflict of policies) {
        const rule = { ...writer, conflict };
        expect(gone({ deletes, rule }, { at: after }, 5)).toBe('takes: deleted there');
        expect(gone({ deletes, rule }, { at: after, source: 'A/a1' })).toBe('takes: deleted there');
        // A value that a routing table gave is nobody's edit.
        expect(gone({ deletes, rule }, { at: after, source: 'route:m/1' })).toBe('takes: deleted there');
      }
    });

    it(`${deletes}: what others changed, unseen there, is a conflict`, () => {
      const unseen = (conflict: ConflictPolicy, at: Span, role: Role = 'writer'): string =>
        gone({ deletes, rule: { ...writer, conflict, role } }, { at });
      expect(policies.map((conflict) => unseen(conflict, before))).toEqual([
        'overruled: owner',
        'takes: newest',
        'kept: keep',
        'ask: ask',
      ]);
      expect(policies.map((conflict) => unseen(conflict, meanwhile))).toEqual([
        'overruled: owner',
        'ask: newest cannot tell',
        'kept: keep',
        'ask: ask',
      ]);
      expect(policies.map((conflict) => unseen(conflict, after))).toEqual([
        'overruled: owner',
        'overruled: newest',
        'kept: keep',
        'ask: ask',
      ]);
      for (const at of [before, meanwhile, after]) expect(unseen('owner', at, 'owner')).toBe('takes: owner');
    });
  }

  it('a later value that may be a remote’s own answer to our write decides nothing: a person does', () => {
    const answer = { at: after, recent: ['" ANN"'] };
    expect(gone({}, { ...answer, chain: 1 })).toBe('ask: newest cannot tell');
    expect(gone({}, { ...answer, chain: 2, recent: ['"Bob"'] })).toBe('ask: newest cannot tell');
    expect(gone({}, { ...answer, chain: 1, recent: ['"Bob"'] })).toBe('overruled: newest');
  });

  it('a field that the remote could never show counts only if it may be later', () => {
    const rule = { ...writer, conflict: 'ask' as const };
    expect(gone({ shown: new Set(), rule }, { at: before })).toBe('takes: deleted there');
    expect(gone({ shown: new Set(), rule }, { at: meanwhile })).toBe('ask: ask');
  });

  it('what was written there and taken counts as shown, before any look', () => {
    const writing = { version: 5, asked: 'Ann', settled: 'Ann', confirmed: false, guard: null, tries: 0 };
    for (const acked of [true, false]) {
      const own = link({ seen: {}, written: { name: { ...writing, acked } } });
      expect(gone({ link: own }, { at: after })).toBe(acked ? 'takes: deleted there' : 'overruled: newest');
    }
  });

  it('a reader and a filler delete no record', () => {
    for (const role of ['reader', 'filler'] as const)
      for (const conflict of policies)
        expect(gone({ rule: { ...writer, role, conflict } }, {}, 5)).toBe(`overruled: role ${role}`);
  });

  it('a record that has another object there stays', () => {
    expect(gone({ sibling: true }, {}, 5)).toBe('overruled: another object of it is there');
  });

  it('a record that is deleted already stays so; one that is only archived may go further', () => {
    const of = (value: string, deletes: DeletePolicy): string => {
      const state = deletion({ value, source: 'B/b1', at: before });
      return gone({ deletes, record: recordOf({ [deletedField]: state }) });
    };
    expect(of('propagate', 'propagate')).toBe('stays');
    expect(of('propagate', 'archive')).toBe('stays');
    expect(of('archive', 'archive')).toBe('stays');
    expect(of('archive', 'propagate')).toBe('takes: deleted there');
  });

  it('a restore elsewhere that is later than this deletion outlives it', () => {
    const state = deletion({ value: null, source: 'B/b1', at: after });
    expect(gone({ record: recordOf({ [deletedField]: state }) })).toBe('overruled: newest');
  });
});

// ---------------------------------------------------------------- there

const there = (also: Partial<Presence> = {}, state: Partial<FieldState> = {}): string => {
  const { is, rule } = judgePresence({
    record: recordOf({ [deletedField]: deletion({ source: 'B/b1', ...state }) }),
    link: link(),
    doomed: true,
    edit: undefined,
    rule: { ...writer, conflict: 'newest' },
    unmarked: false,
    resurrects: false,
    ...also,
  });
  return rule === '' ? is : `${is}: ${rule}`;
};

const edit = (at: Span, certain = true): Edit => ({ span: at, certain });

describe('an object of a deleted record is there', () => {
  it('unchanged: nothing is said, and it is removed where it is to be', () => {
    for (const doomed of [true, false]) expect(there({ doomed })).toBe('stays');
  });

  it('changed, and to be removed: a conflict, by the policy', () => {
    const changed = (conflict: ConflictPolicy, at: Span, role: Role = 'writer'): string =>
      there({ edit: edit(at), rule: { ...writer, conflict, role } });
    expect(policies.map((conflict) => changed(conflict, before))).toEqual([
      'overruled: owner',
      'overruled: newest',
      'kept: keep',
      'ask: ask',
    ]);
    expect(policies.map((conflict) => changed(conflict, meanwhile))).toEqual([
      'overruled: owner',
      'ask: newest cannot tell',
      'kept: keep',
      'ask: ask',
    ]);
    expect(policies.map((conflict) => changed(conflict, after))).toEqual([
      'overruled: owner',
      'takes: newest',
      'kept: keep',
      'ask: ask',
    ]);
    for (const at of [before, meanwhile, after]) {
      expect(changed('owner', at, 'owner')).toBe('takes: owner');
      for (const role of ['reader', 'filler'] as const)
        expect(changed('newest', at, role)).toBe(`overruled: role ${role}`);
    }
    expect(there({ edit: edit(after, false) })).toBe('ask: newest cannot tell');
  });

  it('changed where it stays: the record stays deleted, unless a later edit resurrects', () => {
    const stays = (at: Span, resurrects: boolean): string =>
      there({ doomed: false, edit: edit(at), resurrects });
    expect([before, meanwhile, after].map((at) => stays(at, false))).toEqual(['stays', 'stays', 'stays']);
    expect([before, meanwhile, after].map((at) => stays(at, true))).toEqual([
      'stays',
      'stays',
      'takes: resurrect',
    ]);
  });

  it('marked as not deleted by a person: it is not', () => {
    expect(there({ doomed: false, edit: edit(after), unmarked: true })).toBe('takes: unmarked there');
  });

  it('back where the deletion came from: revived, whatever the policy', () => {
    const back = link({ state: 'gone', gone: { by: 'them', at: span } });
    for (const conflict of policies)
      expect(there({ link: back, rule: { ...writer, conflict } }, { source: 'A/a1' })).toBe(
        'takes: restored there',
      );
    // A person had decided that it is deleted, because it was gone here.
    expect(there({ link: back }, { source: 'person:lin' })).toBe('takes: restored there');
  });

  it('back where somebody else’s deletion had removed it: asked, or removed again', () => {
    for (const by of ['us', 'them'] as const) {
      const back = link({ state: 'gone', gone: { by, at: span } });
      const of = (conflict: ConflictPolicy, role: Role = 'writer'): string =>
        there({ link: back, rule: { ...writer, conflict, role } });
      expect(policies.map((conflict) => of(conflict))).toEqual([
        'overruled: owner',
        'ask: restored there; deleted in B/b1',
        'kept: keep',
        'ask: ask',
      ]);
      expect(of('owner', 'owner')).toBe('takes: owner');
      expect(of('newest', 'reader')).toBe('overruled: role reader');
      expect(there({ link: back, doomed: false })).toBe('stays');
    }
  });
});

describe('what a look found changed', () => {
  const took = { field: 'name', verdict: 'took' as const, at: { from: 40, to: 200 } };
  const fields = { name: field() };
  const object = { id: 'a1', value: {} };

  it('is as late as the stamp says, where no write of ours may have made it', () => {
    const stamps = { resolution: 10, lateness: 0, skew: 5 };
    const of = (own: LinkState, modifiedAt?: number): unknown =>
      editOf([took], fields, own, { ...object, ...(modifiedAt === undefined ? {} : { modifiedAt }) }, stamps);
    expect(of(link(), 180)).toEqual({ span: { from: 174, to: 200 }, certain: true });
    expect(of(link())).toEqual({ span: { from: 40, to: 200 }, certain: true });
    const writing = linkWith({ shadow: 'Ann', ours: 'Ann', written: {} });
    expect(of(writing, 180)).toEqual({ span: { from: 40, to: 200 }, certain: true });
  });

  it('is nothing where the role let nothing change, and uncertain where it may be an answer to us', () => {
    expect(editOf([{ ...took, verdict: 'restored' }], fields, link(), object, undefined)).toBeUndefined();
    const answered = { name: field({ chain: 1, recent: ['" ANN"'] }) };
    expect(editOf([took], answered, link(), object, undefined)?.certain).toBe(false);
    expect(editOf([{ ...took, verdict: 'asked' }], answered, link(), object, undefined)?.certain).toBe(true);
  });
});

// ---------------------------------------------------------------- made again

describe('a record without an object in a system', () => {
  const able = { create: true, resurrect: true };
  const lost = (by: 'us' | 'them'): LinkState => link({ state: 'gone', gone: { by, at: span } });
  const alive = recordOf({ name: field({ at: after }) });

  it('gets one where none ever was, and none where it has one or may get none', () => {
    expect(lacksObject(alive, [], { create: true })).toBe(true);
    expect(lacksObject(alive, [], { create: false })).toBe(false);
    expect(lacksObject(alive, [link()], able)).toBe(false);
    expect(lacksObject(alive, [lost('us'), link()], able)).toBe(false);
    expect(lacksObject(alive, [link({ state: 'detached' })], able)).toBe(false);
  });

  it('never while it is deleted', () => {
    const dead = recordOf({ name: field({ at: after }), [deletedField]: deletion() });
    for (const own of [[], [lost('us')], [lost('them')]]) expect(lacksObject(dead, own, able)).toBe(false);
  });

  it('gets again what we removed; what somebody deleted only by `resurrect` and a person’s later edit', () => {
    expect(lacksObject(alive, [lost('us')], { create: true })).toBe(true);
    expect(lacksObject(alive, [lost('them')], { create: true })).toBe(false);
    expect(lacksObject(alive, [lost('them')], able)).toBe(true);
    for (const state of [
      field({ at: meanwhile }),
      field({ at: after, chain: 1, recent: ['"ann"'] }),
      field({ at: after, source: 'route:m/1' }),
    ])
      expect(lacksObject(recordOf({ name: state }), [lost('them')], able)).toBe(false);
  });

  it('an edit resurrects only what was deleted by somebody, before it', () => {
    expect(isResurrecting(edit(after), [lost('them')], able)).toBe(true);
    expect(isResurrecting(edit(after), [lost('them')], { create: true })).toBe(false);
    expect(isResurrecting(edit(meanwhile), [lost('them')], able)).toBe(false);
    expect(isResurrecting(edit(after, false), [lost('them')], able)).toBe(false);
    expect(isResurrecting(edit(after), [lost('them'), link()], able)).toBe(false);
    expect(isResurrecting(edit(after), [], able)).toBe(false);
  });
});

describe('the deletion as a field', () => {
  const by = { version: 8, at: span, source: 'A/a1', rule: 'deleted there' };
  const record = recordOf({ email: field({ value: 'ann@x.cn' }), archived: field({ value: false }) });

  it('replays from lineage, sets the field that shows it, and is taken back whole', () => {
    const dead = marked(record, 'archive', by, 'archived');
    expect(reachOf(dead.record)).toBe('archive');
    expect(dead.record.fields['archived']?.value).toBe(true);
    const back = marked(dead.record, null, { ...by, version: 9 }, 'archived');
    expect([reachOf(back.record), back.record.fields['archived']?.value]).toEqual([null, false]);
    const row = { cause: 'look', version: 9 };
    const first = Object.entries(record.fields).map(([name, { value, version, source }]) => ({
      field: name,
      verdict: 'took' as const,
      after: value,
      version,
      source,
    }));
    const rows = [first, dead.entries, back.entries].map((entries) => ({ ...row, entries }));
    expect(replayDifferences(back.record, rows)).toEqual([]);
    // A mark that somebody has taken back already is left alone.
    const cleared = { ...dead.record.fields, archived: field({ value: false }) };
    const again = marked({ ...dead.record, fields: cleared }, null, by, 'archived');
    expect(again.entries.map((entry) => entry.field)).toEqual([deletedField]);
  });

  it('frees the strong keys, and takes them again', () => {
    const keys = [['email']];
    const dead = marked(record, 'propagate', by, undefined).record;
    expect([keysOf(keys, record).length, keysOf(keys, dead).length]).toEqual([1, 0]);
    expect(keysOf(keys, marked(dead, null, by, undefined).record)).toEqual(keysOf(keys, record));
  });
});
