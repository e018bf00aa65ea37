/** What a mapping leaves as it is, looked at again and again: neither side's value is lost, and both come to rest. */
import { expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { bind } from '../../src/mapping/bind.ts';
import { readMapping, type FieldRule } from '../../src/mapping/document.ts';
import type { Lens } from '../../src/mapping/lens.ts';
import { delta } from '../../src/merge/delta.ts';
import { merge, type Merged } from '../../src/merge/merge.ts';
import type { LinkState, RecordState } from '../../src/merge/record.ts';
import { linkWith, recordWith, writer } from './sample.ts';

const lensOf = (rule: FieldRule, field: JsonObject): Lens =>
  bind(
    readMapping(
      JSON.stringify({
        name: 'm',
        remote: { connector: 'c', kind: 'k' },
        entity: 'e',
        fields: { name: rule },
      }),
      'm.json',
    ),
    { $id: 'e', type: 'object', properties: { name: field } },
    { type: 'object', properties: { name: { type: 'string' } } },
  );

const table: FieldRule = { at: '/name', steps: [{ table: { 线索: 'lead', 客户: 'customer' } }] };
const keeping = lensOf({ ...table, otherwise: 'keep' }, { enum: ['lead', 'customer', 'lost'] });
const parking = lensOf(table, { enum: ['lead', 'customer', 'lost'] });
const refusing = lensOf({ at: '/name', overflow: 'refuse' }, { type: 'string', maxLength: 3 });

interface Spoke {
  readonly record: RecordState;
  readonly link: LinkState;
}

const lookAt = ({ record, link }: Spoke, lens: Lens, theirs: Json, from = 100): Merged =>
  merge({
    record,
    link,
    sight: { object: { id: 'a1', value: { name: theirs } }, from, until: from + 10 },
    lens,
    rules: () => writer,
    holds: [],
    now: from + 10,
  });

const wants = ({ record, link }: Spoke, lens: Lens): Json | undefined =>
  delta(record, link, lens, [])['name'];
const notes = (merged: Merged): readonly (string | undefined)[] =>
  merged.entries.filter((entry) => entry.verdict === 'noted').map((entry) => entry.rule);
const withOurs = (spoke: Spoke, value: Json): Spoke => ({
  ...spoke,
  record: {
    ...recordWith(value),
    version: spoke.record.version + 1,
    fields: { name: { ...recordWith(value).fields['name']!, version: spoke.record.version + 1 } },
  },
});

for (const [what, lens, known, strange, ours, theirs] of [
  ['a value that the table does not name', keeping, '线索', '其他', 'lead', 'customer'],
  ['a value that nobody has a word for', parking, '线索', '其他', 'lead', 'customer'],
  ['a value that is too long', refusing, 'abc', 'abcdef', 'abc', 'xyz'],
] as const) {
  const there = known === '线索' ? '客户' : 'xyz';
  const linked = (): Spoke => ({
    record: recordWith(ours),
    link: linkWith({ ours, shadow: known, theirs: known }),
  });

  it(`${what} changes neither the record nor the shadow, is told once, and is not written over`, () => {
    const first = lookAt(linked(), lens, strange);
    expect([first.changed, first.link.shadow]).toEqual([[], { name: known }]);
    expect(first.problems.length).toBe(lens === parking ? 1 : 0);
    if (lens !== parking) {
      expect(notes(first)).toEqual([expect.stringContaining('It was not taken, as the mapping says.')]);
      expect(first.entries[0]?.theirs).toBe(strange);
    }
    expect(wants(first, lens)).toBe(undefined);
    const again = lookAt(first, lens, strange);
    expect([notes(again), wants(again, lens)]).toEqual([[], undefined]);
  });

  it(`${what} is written over by a later change of ours, and a remote that ignores it is found out`, () => {
    const later = withOurs(lookAt(linked(), lens, strange), theirs);
    expect(wants(later, lens)).toBe(theirs);
    const written = {
      name: {
        asked: theirs,
        settled: theirs,
        version: later.record.version,
        acked: true,
        confirmed: false,
        guard: null,
        tries: 0,
      },
    };
    const confirmed = lookAt({ ...later, link: { ...later.link, written } }, lens, there, 200);
    expect([confirmed.link.left, wants(confirmed, lens)]).toEqual([undefined, undefined]);
    // A remote that says yes and does nothing is told to people, as it is for any other value.
    const ignored = lookAt({ ...later, link: { ...later.link, written } }, lens, strange, 200);
    expect(ignored.held.map(({ field, why, theirs: held }) => [field, why, held])).toEqual([
      ['name', 'not-taken', ours],
    ]);
    // A write that nobody knows of is tried again; one that another edit has followed is not.
    const unheard = { name: { ...written.name, acked: false } };
    const lost = lookAt({ ...later, link: { ...later.link, written: unheard } }, lens, strange, 200);
    expect([lost.held, lost.link.written, wants(lost, lens)]).toEqual([[], {}, theirs]);
    const followed = lookAt({ ...later, link: { ...later.link, written } }, lens, `${strange}!`, 200);
    expect([followed.held, followed.link.written, wants(followed, lens)]).toEqual([[], {}, undefined]);
  });

  it(`${what} at the first look is not written over by what the record held before`, () => {
    const fresh = lookAt({ record: recordWith(theirs), link: linkWith({}) }, lens, strange);
    expect([fresh.changed, wants(fresh, lens), fresh.link.shadow]).toEqual([[], undefined, {}]);
    expect(wants(withOurs(fresh, ours), lens)).toBe(ours);
  });

  it(`${what}, edited while a change of ours was on its way, stays`, () => {
    const moved = withOurs(linked(), theirs);
    expect(wants(moved, lens)).toBe(theirs);
    expect(wants(lookAt(moved, lens, strange), lens)).toBe(undefined);
  });

  it(`after ${what} a value that is known is taken like any other`, () => {
    const left = lookAt(linked(), lens, strange);
    const known = lookAt(left, lens, there, 200);
    expect([known.changed, known.record.fields['name']?.value]).toEqual([['name'], theirs]);
    expect(known.link.left).toBe(undefined);
    // Back to what it was: nothing ever happened.
    const back = lookAt(left, lens, linked().link.shadow['name'] ?? null, 200);
    expect([back.changed, wants(back, lens)]).toEqual([[], undefined]);
  });
}

it('a value of ours that the mapping keeps from a remote is never wanted there', () => {
  const spoke = { record: recordWith('lost'), link: linkWith({ ours: 'lost', shadow: '线索', moved: true }) };
  expect(wants(spoke, keeping)).toBe(undefined);
  expect(keeping.leaves?.('name', 'lost')).toContain('"lost" is not in the table');
  expect(keeping.write({ name: 'lost' }, null)).toMatchObject({ value: {}, problems: [], left: ['name'] });
  expect(delta(spoke.record, null, keeping, [])).toEqual({});
});

it('an empty value of ours clears what the mapping cannot read, if it is newer', () => {
  const left = lookAt(
    { record: recordWith('lead'), link: linkWith({ ours: 'lead', shadow: '线索' }) },
    keeping,
    '其他',
  );
  expect(wants(withOurs(left, null), keeping)).toBe(null);
});
