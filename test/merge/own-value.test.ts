/** An undo empties nothing that an object was filed with, also while a write of ours to it has still to show. */
import { expect, it } from 'vitest';
import type { ToldRow } from '../../src/merge/lineage.ts';
import type { Written } from '../../src/merge/record.ts';
import { undoOf } from '../../src/merge/undo.ts';
import { linkWith, plain, recordWith } from './sample.ts';

const field = { version: 1, at: { from: 0, to: 1 }, source: 'A/a1', recent: [], returns: 0, chain: 0 };
const rows: ToldRow[] = [
  {
    seq: 1,
    at: 1,
    run: 'poll',
    body: {
      cause: 'poll',
      sync: 'A',
      object: 'a1',
      version: 1,
      event: 'created',
      entries: [
        {
          field: 'name',
          verdict: 'took',
          before: null,
          after: 'Ann',
          version: 1,
          source: 'A/a1',
          first: true,
        },
      ],
    },
  },
];
const planned = (acked: boolean | null, call: string | null = null): unknown => {
  const writing = {
    asked: 'ann',
    settled: 'ann',
    version: 1,
    acked: false,
    confirmed: false,
    guard: null,
    tries: 0,
  };
  const written: Record<string, Written> = acked === null ? {} : { name: { ...writing, acked } };
  const link = { ...linkWith({ shadow: 'Ann' }), written, call, sync: 'A', object: 'a1' };
  const { fields } = undoOf(
    {
      record: { ...recordWith('Ann'), version: 1, fields: { name: { ...field, value: 'Ann' } } },
      rows,
      scope: { row: () => true, entry: () => true },
      targets: [{ link, lens: plain, waits: new Map(), holds: [] }],
      creates: [],
      ledger: [],
      barred: () => undefined,
      isKey: () => false,
    },
    10,
  );
  return fields.map(({ result, targets }) => [result, targets.map((one) => `${one.target} ${one.result}`)]);
};

it('keeps what the object was filed with', () => {
  expect(planned(null)).toEqual([['restored', ['record restored', 'A/a1 kept']]]);
});

it('keeps it also while a write to other fields is under way', () => {
  expect(planned(null, 'c1')).toEqual([['restored', ['record restored', 'A/a1 kept']]]);
});

it('waits while nobody can tell whose value it is, and no longer', () => {
  expect(planned(false)).toEqual([['kept', ['record kept']]]);
  expect(planned(true)).toEqual([['restored', ['record restored', 'A/a1 owed']]]);
});

it('keeps what came of a value that was held there already: the place was not empty before', () => {
  const told = (seq: number, entries: ToldRow['body']['entries'], event?: 'linked'): ToldRow => ({
    seq,
    at: seq,
    run: 'poll',
    body: {
      cause: 'poll',
      sync: 'A',
      object: 'a1',
      version: seq,
      ...(event === undefined ? {} : { event }),
      entries,
    },
  });
  const took = {
    field: 'name',
    verdict: 'took' as const,
    before: null,
    after: 'ANN',
    version: 3,
    source: 'A/a1',
  };
  const history = (held: ToldRow[]): unknown =>
    undoOf(
      {
        record: {
          ...recordWith('ANN'),
          version: 3,
          fields: { name: { ...field, value: 'ANN', version: 3 } },
        },
        rows: [told(1, [], 'linked'), ...held, told(3, [took])],
        scope: { row: ({ seq }) => seq === 3, entry: (row) => row.seq === 3 },
        targets: [
          {
            link: { ...linkWith({ shadow: 'ANN' }), sync: 'A', object: 'a1', seen: { name: 3 } },
            lens: plain,
            waits: new Map(),
            holds: [],
          },
        ],
        creates: [],
        ledger: [],
        barred: () => undefined,
        isKey: () => false,
      },
      10,
    ).fields.map(({ targets }) => targets.map((one) => `${one.target} ${one.result}`));
  const held = told(2, [{ field: 'name', verdict: 'kept', theirs: 'Ann', held: 'own' }]);
  expect(history([held])).toEqual([['record restored', 'A/a1 kept']]);
  // What was typed into an empty place is taken back.
  expect(history([])).toEqual([['record restored', 'A/a1 owed']]);
});
