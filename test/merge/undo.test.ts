/** Undo, planned: what an object that brought a record keeps, whatever else goes on there. */
import { expect, it } from 'vitest';
import type { ToldRow } from '../../src/merge/lineage.ts';
import type { FieldState, LinkState, RecordState, Written } from '../../src/merge/record.ts';
import { undoOf } from '../../src/merge/undo.ts';
import { newLink } from '../../src/sync/hub.ts';
import { plain as lens } from './sample.ts';

const at = { from: 0, to: 10 };
const state = (value: string): FieldState => {
  const source = 'A/A1';
  return { value, version: 1, at, source, recent: [], returns: 0, chain: 0 };
};
const record: RecordState = {
  id: 'r1',
  entity: 'person',
  version: 1,
  at: 10,
  fields: { email: state('ann@x.cn'), name: state('Ann') },
};
const told: ToldRow = {
  seq: 1,
  at: 10,
  run: 'poll1',
  body: {
    cause: 'poll poll1',
    sync: 'A',
    object: 'A1',
    version: 1,
    event: 'created',
    entries: Object.entries(record.fields).map(([field, { value, source }]) => ({
      field,
      verdict: 'took',
      before: null,
      after: value,
      rule: 'changed there only',
      version: 1,
      at,
      source,
      first: true,
    })),
  },
};

const plan = (link: Partial<LinkState>) =>
  undoOf(
    {
      record,
      rows: [told],
      scope: { row: ({ run }) => run === 'poll1', entry: ({ run }) => run === 'poll1' },
      targets: [
        {
          link: {
            ...newLink('A', 'A1', 'r1'),
            shadow: { email: 'ann@x.cn', name: 'Ann' },
            seen: { email: 1, name: 1 },
            ...link,
          },
          lens,
          waits: new Map(),
          holds: [],
        },
      ],
      creates: [],
      ledger: [],
      barred: () => undefined,
      isKey: () => false,
    },
    100,
  );

it.each([
  ['nothing else goes on', {}],
  ['a call of something else is under way there', { call: 'c1' }],
])('an object keeps the values that it was filed with while %s', (_, link) => {
  const { held, fields } = plan(link);
  expect(held.map(({ hold }) => [hold.field, hold.theirs, hold.why])).toEqual([
    ['email', 'ann@x.cn', 'own'],
    ['name', 'Ann', 'own'],
  ]);
  expect(fields.map(({ targets }) => targets.at(-1)?.result)).toEqual(['kept', 'kept']);
});

it('a value that is being written there is kept for now, for nobody knows yet whose it is', () => {
  const writing: Written = {
    asked: 'Ann',
    settled: 'Ann',
    version: 1,
    acked: false,
    confirmed: false,
    guard: null,
    tries: 0,
  };
  const { held, fields } = plan({ call: 'c1', written: { name: writing } });
  expect(held.map(({ hold }) => hold.field)).toEqual(['email']);
  expect(fields.map(({ result }) => result)).toEqual(['restored', 'kept']);
  expect(fields.at(-1)?.why).toContain('a write to A/A1 is under way');
});
