/** What every adapter of the store must do, whatever it stands on. An adapter's own test file calls it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CrosswalkError } from '../../src/errors.ts';
import { tables, type Key, type Row, type Table, type TableName } from '../../src/store/schema.ts';
import type { Group, ListOptions, Operation, Store } from '../../src/store/store.ts';

const put = (table: TableName, row: Row): Operation => ({ op: 'put', table, row });
const group = (...write: Operation[]): Group => ({ when: [], write });
const run = (id: string, more: Row = {}): Operation =>
  put('run', { id, kind: 'poll', state: 'open', at: 1, read: 0, open: 0, ...more });
const touch = (lane: string, object: string, due: number, hint: unknown = {}): Operation => ({
  op: 'append',
  table: 'touch',
  row: { lane, object, due, at: due, run: 'r', hint },
});

const keyColumns = (name: TableName): readonly string[] => (tables[name] as Table).key ?? ['seq'];

const columnsOf = (name: TableName): Table['columns'] => tables[name].columns;

/** Rows with few different values per column, so that every index has ties; keys are kept unique. */
const sampleRows = (name: TableName, n: number): Row[] => {
  const rows = new Map<string, Row>();
  const key = keyColumns(name);
  for (let i = 0; i < n; i += 1) {
    const row = Object.fromEntries(
      Object.entries(columnsOf(name)).map(([column, kind], at) => {
        const spin = (i * (7 + 2 * at) + at) % (at === 0 ? 2 : 5);
        if (kind === 'int') return [column, spin * 10];
        if (kind === 'json') return [column, { spin }];
        if (kind === 'blob') return [column, Buffer.from([spin])];
        const text = ['b', 'A', 'a', '_', '中'][spin];
        // The last column of a key tells the rows apart; the others have ties.
        return [column, column === key.at(-1) ? `${text}${i}` : text];
      }),
    );
    rows.set(key[0] === 'seq' ? String(i) : JSON.stringify(key.map((column) => row[column])), row);
  }
  return [...rows.values()];
};

/** Bytes decide the order of text, not a locale. */
const compare = (a: unknown, b: unknown): number => {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
};

/** What `list` must answer, said in plain JavaScript over all rows of the table. */
const expected = (
  name: TableName,
  index: readonly string[],
  all: readonly Row[],
  options: ListOptions,
): Row[] => {
  const where = Object.entries(options.where);
  const next = index[where.length];
  const order = [...index.slice(where.length), ...keyColumns(name).filter((one) => !index.includes(one))];
  const sign = options.newest === true ? -1 : 1;
  const { upTo, after } = options;
  const from = next ?? keyColumns(name)[0] ?? 'seq';
  return all
    .filter((row) => where.every(([column, value]) => row[column] === value))
    .filter((row) => upTo === undefined || compare(row[next ?? ''], upTo) <= 0)
    .filter((row) => after === undefined || sign * compare(row[from], after) > 0)
    .sort((a, b) => {
      for (const column of order) {
        const decided = compare(a[column], b[column]);
        if (decided !== 0) return sign * decided;
      }
      return 0;
    })
    .slice(0, options.limit);
};

const indexes = Object.entries<Table>(tables).flatMap(([name, table]) =>
  Object.entries(table.indexes).map(([index, columns]) => ({ table: name as TableName, index, columns })),
);

export const storeContract = (name: string, open: () => Store | Promise<Store>): void => {
  describe(`${name}: the contract of a store`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    describe('values', () => {
      it('keeps every kind of column', async () => {
        const headers = { 'x-a': 'ß "quoted" 中', list: [1, null, { deep: true }], none: null, '': 0.1 };
        const body = Buffer.from([0, 255, 10, 39, 0]);
        const row = {
          id: 'h1',
          connection: 'crm',
          at: Number.MAX_SAFE_INTEGER,
          url: "o'clock",
          headers,
          body,
        };
        await store.commit([group(put('hook', row))]);
        const found = await store.get('hook', { id: 'h1' });
        expect({ ...found, body: null }).toEqual({ ...row, body: null });
        expect(Buffer.from(found?.['body'] as Uint8Array).equals(body)).toBe(true);
      });

      it.each([null, 0, -1, false, '', 'null', [], {}, [[]], 1e21, '\u0000'])(
        'keeps the JSON value %j as it is',
        async (value) => {
          await store.commit([group(put('setting', { name: 's', value, at: 1, by: 'Lin' }))]);
          expect((await store.get('setting', { name: 's' }))?.['value']).toEqual(value);
        },
      );

      it.each([
        'a\u0000b',
        '\u0000',
        '\u0001\u0001',
        'a\u0001\u0002b',
        '\u{10ffff}',
        '',
        "'",
        '\\x41',
        '{"a",NULL}',
      ])('keeps the text %j as it is, in keys too', async (text) => {
        const row = { sync: text, object: text, record: text, body: { text } };
        await store.commit([group(put('link', row))]);
        expect(await store.get('link', { sync: text, object: text })).toMatchObject(row);
        expect(await store.list('link', 'record', { where: { record: text }, limit: 2 })).toHaveLength(1);
        expect(
          await store.commit([
            { when: [{ table: 'link', key: { sync: text, object: text }, is: { record: text } }], write: [] },
          ]),
        ).toEqual([true]);
      });

      it('keeps texts apart that differ only in what a terminal does not show, in the order of their bytes', async () => {
        const texts = [
          '',
          '\u0000',
          '\u0000\u0000',
          '\u0000\u0001',
          '\u0000a',
          '\u0001',
          '\u0001\u0000',
          '\u0002',
          'a',
        ];
        await store.commit([
          group(...texts.toReversed().map((object) => put('swept', { lane: 'l', object }))),
        ]);
        const rows = await store.list('swept', 'lane', { where: { lane: 'l' }, limit: 99 });
        expect(rows.map((row) => row['object'])).toEqual(texts);
      });

      it('keeps half a character in JSON, and shows it in a text as what stands for it', async () => {
        const half = 'a\ud800b\udc00';
        await store.commit([group(put('setting', { name: half, value: [half], at: 1, by: 'Lin' }))]);
        const found = await store.get('setting', { name: half });
        expect(found?.['value']).toEqual([half]);
        expect(found?.['name']).toBe('a\ufffdb\ufffd');
      });

      it('keeps numbers and the order of keys in JSON exactly', async () => {
        const text = '{"b":1e-7,"a":0.1,"é":9007199254740993,"z":1.7976931348623157e+308,"10":[5e-324,-0.5]}';
        const value: unknown = JSON.parse(text);
        await store.commit([group(put('setting', { name: 's', value, at: 1, by: 'Lin' }))]);
        const found = (await store.get('setting', { name: 's' }))?.['value'];
        expect(JSON.stringify(found)).toBe(JSON.stringify(value));
      });

      it('keeps whole numbers, and of others the whole part', async () => {
        const row = { lane: 'l', since: -5, until: 1_767_225_600_000.75 };
        await store.commit([group(put('cursor', row))]);
        expect(await store.get('cursor', { lane: 'l' })).toMatchObject({
          since: -5,
          until: 1_767_225_600_000,
        });
      });

      it('keeps hostile keys inside JSON, and they reach nothing', async () => {
        const value: unknown = JSON.parse('{"__proto__":{"owned":true},"constructor":{"prototype":1}}');
        await store.commit([group(put('setting', { name: 's', value, at: 1, by: 'Lin' }))]);
        const found = (await store.get('setting', { name: 's' }))?.['value'];
        expect(JSON.stringify(found)).toBe(JSON.stringify(value));
        expect(({} as Record<string, unknown>)['owned']).toBeUndefined();
      });

      it('reads columns that were not given as null', async () => {
        await store.commit([group(put('cursor', { lane: 'l' }))]);
        expect(await store.get('cursor', { lane: 'l' })).toEqual({
          lane: 'l',
          since: null,
          until: null,
          page: null,
          run: null,
          pace: null,
        });
      });

      it('hands out rows that nobody else holds', async () => {
        const row = { name: 's', value: { list: [1] }, at: 1, by: 'Lin' };
        await store.commit([group(put('setting', row))]);
        row.value.list.push(2);
        const found = (await store.get('setting', { name: 's' }))?.['value'] as { list: number[] };
        found.list.push(3);
        expect((await store.get('setting', { name: 's' }))?.['value']).toEqual({ list: [1] });
      });
    });

    describe('reading by key', () => {
      it('finds nothing where nothing is', async () => {
        expect(await store.get('record', { id: 'r0' })).toBeUndefined();
        expect(await store.get('touch', { seq: 1 })).toBeUndefined();
      });

      it('gives many rows in the order of their keys, with holes and repeats', async () => {
        await store.commit([group(run('a'), run('b'))]);
        const rows = await store.many('run', [{ id: 'b' }, { id: 'x' }, { id: 'a' }, { id: 'b' }]);
        expect(rows.map((row) => row?.['id'])).toEqual(['b', undefined, 'a', 'b']);
        expect(await store.many('run', [])).toEqual([]);
      });

      it('tells keys of several columns apart', async () => {
        const link = (sync: string, object: string): Operation =>
          put('link', { sync, object, record: sync + object });
        await store.commit([group(link('a', 'bc'), link('ab', 'c'))]);
        expect((await store.get('link', { object: 'bc', sync: 'a' }))?.['record']).toBe('abc');
        expect(await store.get('link', { sync: 'a', object: 'c' })).toBeUndefined();
      });
    });

    describe('writing', () => {
      it('put replaces the whole row', async () => {
        await store.commit([group(run('a', { note: 'old', failed: 3 }))]);
        await store.commit([group(put('run', { id: 'a', kind: 'scan' }))]);
        expect(await store.get('run', { id: 'a' })).toMatchObject({ kind: 'scan', note: null, failed: null });
        expect(await store.count('run', 'at', {})).toBe(1);
      });

      it('set changes only what it names', async () => {
        await store.commit([group(run('a', { note: 'old', failed: 3 }))]);
        const set: Operation = {
          op: 'set',
          table: 'run',
          key: { id: 'a' },
          row: { note: null, state: 'closed' },
        };
        await store.commit([group(set)]);
        expect(await store.get('run', { id: 'a' })).toMatchObject({ note: null, state: 'closed', failed: 3 });
      });

      it('set writes JSON columns too', async () => {
        await store.commit([group(touch('l', 'o', 1))]);
        const [row] = await store.list('touch', 'due', { where: { lane: 'l' }, limit: 1 });
        const key = { seq: Number(row?.['seq']) };
        await store.commit([group({ op: 'set', table: 'touch', key, row: { hint: { cause: 'poll' } } })]);
        expect((await store.get('touch', key))?.['hint']).toEqual({ cause: 'poll' });
      });

      it('add counts up and down, several times in a group', async () => {
        await store.commit([group(run('a', { read: 5, open: 5, applied: 0 }))]);
        const add = (row: Record<string, number>): Operation => ({
          op: 'add',
          table: 'run',
          key: { id: 'a' },
          row,
        });
        await store.commit([group(add({ open: -1, applied: 1 }), add({ open: -2, applied: 2 }))]);
        expect(await store.get('run', { id: 'a' })).toMatchObject({ read: 5, open: 2, applied: 3 });
      });

      it('set, add and delete of an absent row do nothing, and the group stands', async () => {
        const key: Key = { id: 'absent' };
        const done = await store.commit([
          group({ op: 'set', table: 'run', key, row: { note: 'x' } }),
          group({ op: 'add', table: 'run', key, row: { open: 1 } }),
          group({ op: 'delete', table: 'run', key }, run('b')),
        ]);
        expect(done).toEqual([true, true, true]);
        expect(await store.get('run', key)).toBeUndefined();
        expect(await store.count('run', 'at', {})).toBe(1);
      });

      it('set and add see what the groups before made, and leave what is empty empty', async () => {
        await store.commit([group(run('a', { read: 5, failed: null }))]);
        const key = { id: 'a' };
        await store.commit([
          group({ op: 'add', table: 'run', key, row: { read: 1, failed: 1 } }),
          group({ op: 'set', table: 'run', key, row: { read: 10 } }),
          group({ op: 'add', table: 'run', key, row: { read: 2 } }, run('b', { read: 1, open: 0 })),
          group({ op: 'add', table: 'run', key: { id: 'b' }, row: { read: 4, total: 1 } }),
          group(
            { op: 'set', table: 'run', key: { id: 'b' }, row: { open: 7 } },
            { op: 'delete', table: 'run', key: { id: 'c' } },
            { op: 'set', table: 'run', key: { id: 'c' }, row: { open: 7 } },
          ),
        ]);
        const rows = await store.many('run', [{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
        expect(rows).toMatchObject([
          { read: 12, failed: null },
          { read: 5, open: 7, total: null },
          undefined,
        ]);
      });

      it('shows a condition what was added before it', async () => {
        await store.commit([group(run('a', { read: 5 }))]);
        const key = { id: 'a' };
        const done = await store.commit([
          group({ op: 'add', table: 'run', key, row: { read: 1 } }),
          { when: [{ table: 'run', key, is: { read: 6, state: 'open' } }], write: [run('b')] },
          group({ op: 'delete', table: 'run', key }),
          { when: [{ table: 'run', key, is: {} }], write: [run('c')] },
        ]);
        expect(done).toEqual([true, true, true, false]);
        expect(await store.get('run', { id: 'b' })).toBeDefined();
      });

      it('delete removes one row', async () => {
        await store.commit([group(run('a'), run('b'))]);
        await store.commit([group({ op: 'delete', table: 'run', key: { id: 'a' } })]);
        expect(await store.many('run', [{ id: 'a' }, { id: 'b' }])).toMatchObject([undefined, { id: 'b' }]);
      });

      it('append numbers rows upwards and never gives a number twice', async () => {
        const seqs = async (): Promise<number[]> =>
          (await store.list('touch', 'due', { where: { lane: 'l' }, limit: 99 })).map((row) =>
            Number(row['seq']),
          );
        await store.commit([group(touch('l', 'a', 1), touch('l', 'b', 1), touch('l', 'c', 1))]);
        const [a = 0, b = 0, c = 0] = await seqs();
        expect(a < b && b < c).toBe(true);
        await store.commit([group({ op: 'delete', table: 'touch', key: { seq: c } })]);
        await store.commit([group(touch('l', 'd', 1))]);
        expect((await seqs()).at(-1)).toBeGreaterThan(c);
      });
    });

    describe('groups', () => {
      const absent = (id: string): Group['when'] => [{ table: 'run', key: { id }, is: null }];
      const version = (n: number): Group['when'] => [
        { table: 'record', key: { id: 'r' }, is: { version: n } },
      ];
      const record = (n: number): Operation =>
        put('record', { id: 'r', entity: 'person', version: n, at: 1, fields: {} });

      it('answers nothing for nothing', async () => {
        expect(await store.commit([])).toEqual([]);
        expect(await store.commit([{ when: [], write: [] }])).toEqual([true]);
      });

      it('leaves a stale group out whole, while the others stand', async () => {
        await store.commit([group(record(1))]);
        const done = await store.commit([
          group(run('first')),
          { when: version(7), write: [run('stale'), record(8), touch('l', 'o', 1)] },
          group(run('last')),
        ]);
        expect(done).toEqual([true, false, true]);
        const found = await store.many('run', [{ id: 'first' }, { id: 'stale' }, { id: 'last' }]);
        expect(found.map((row) => row !== undefined)).toEqual([true, false, true]);
        expect((await store.get('record', { id: 'r' }))?.['version']).toBe(1);
        expect(await store.count('touch', 'due', { lane: 'l' })).toBe(0);
      });

      it('leaves a group out if any one of its conditions fails', async () => {
        await store.commit([group(record(1))]);
        const done = await store.commit([
          { when: [...version(1), ...absent('x'), ...version(2)], write: [run('x')] },
        ]);
        expect(done).toEqual([false]);
        expect(await store.get('run', { id: 'x' })).toBeUndefined();
      });

      it('shows later groups what earlier ones wrote', async () => {
        await store.commit([group(record(1))]);
        const done = await store.commit([
          { when: version(1), write: [record(2)] },
          { when: version(1), write: [record(3)] },
          { when: version(2), write: [record(4)] },
          { when: version(4), write: [{ op: 'delete', table: 'record', key: { id: 'r' } }] },
          { when: [{ table: 'record', key: { id: 'r' }, is: null }], write: [record(9)] },
        ]);
        expect(done).toEqual([true, false, true, true, true]);
        expect((await store.get('record', { id: 'r' }))?.['version']).toBe(9);
      });

      it('tests the conditions of a group before its own writes', async () => {
        expect(await store.commit([{ when: absent('a'), write: [run('a'), run('b')] }])).toEqual([true]);
        expect(
          await store.commit([
            { when: absent('a'), write: [{ op: 'delete', table: 'run', key: { id: 'a' } }] },
          ]),
        ).toEqual([false]);
      });

      it.each<[string, Row | null, boolean]>([
        ['that it is there', {}, true],
        ['a value', { state: 'live' }, true],
        ['several values', { state: 'live', gen: 3, record: 'r1' }, true],
        ['one value of several wrong', { state: 'live', gen: 4 }, false],
        ['an empty column to be empty', { call: null }, true],
        ['a filled column to be empty', { record: null }, false],
        ['an empty column to be filled', { call: 'c1' }, false],
        ['a number to be the same text', { gen: '3' }, false],
        ['that it is absent', null, false],
      ])('of a row that is there, asks %s', async (_, is, holds) => {
        await store.commit([
          group(put('link', { sync: 's', object: 'o', record: 'r1', state: 'live', gen: 3, body: {} })),
        ]);
        expect(
          await store.commit([{ when: [{ table: 'link', key: { sync: 's', object: 'o' }, is }], write: [] }]),
        ).toEqual([holds]);
      });

      it.each<[string, Row | null, boolean]>([
        ['that it is there', {}, false],
        ['that a column is empty', { call: null }, false],
        ['that it is absent', null, true],
      ])('of a row that is absent, asks %s', async (_, is, holds) => {
        expect(
          await store.commit([{ when: [{ table: 'link', key: { sync: 's', object: 'o' }, is }], write: [] }]),
        ).toEqual([holds]);
      });

      it('lets one of many rivals win, whoever commits in the same turn', async () => {
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, i) =>
            store.commit([{ when: absent('one'), write: [run('one', { note: `by ${i}` })] }]),
          ),
        );
        expect(outcomes.flat().filter(Boolean)).toHaveLength(1);
        const winner = outcomes.findIndex(([done]) => done === true);
        expect((await store.get('run', { id: 'one' }))?.['note']).toBe(`by ${winner}`);
      });

      it('answers each commit of a turn with its own outcomes', async () => {
        await store.commit([group(record(1))]);
        const [a, b, c] = await Promise.all([
          store.commit([group(run('a')), { when: version(5), write: [] }]),
          store.commit([]),
          store.commit([{ when: version(5), write: [] }, group(run('c'), touch('l', 'o', 1))]),
        ]);
        expect([a, b, c]).toEqual([[true, false], [], [false, true]]);
      });

      it('keeps nothing of a commit that cannot be written, and goes on', async () => {
        const impossible = group(run('half'), put('run', { id: { not: 'a text' } }));
        await expect(store.commit([impossible])).rejects.toThrow();
        expect(await store.get('run', { id: 'half' })).toBeUndefined();
        expect(await store.commit([group(run('next'))])).toEqual([true]);
      });
    });

    describe('lists', () => {
      it.each(indexes)('answers from $table by $index: $columns', async ({ table, index, columns }) => {
        const append = keyColumns(table)[0] === 'seq';
        await store.commit([
          group(
            ...sampleRows(table, 40).map((row): Operation => ({ op: append ? 'append' : 'put', table, row })),
          ),
        ]);
        const all = await store.list(table, index, { where: {}, limit: 1000 });
        expect(all.length).toBeGreaterThan(4);
        for (let depth = 0; depth <= columns.length; depth += 1) {
          const named = columns.slice(0, depth);
          const row = all[Math.floor(all.length / 2)] ?? {};
          const where = Object.fromEntries(named.map((column) => [column, row[column]]));
          const next = columns[depth];
          const bounds: Partial<ListOptions>[] = [{}, { newest: true }];
          if (next !== undefined && columnsOf(table)[next] === 'int')
            bounds.push({ upTo: 20 }, { upTo: 20, newest: true });
          // Paging is in key order: by the column of the key that follows, or by the key where it is one column.
          const paged =
            next === undefined ? keyColumns(table).length === 1 : keyColumns(table).includes(next);
          const after = row[next ?? keyColumns(table)[0] ?? 'seq'] as string | number;
          if (paged) bounds.push({ after }, { after, newest: true });
          for (const limit of [1, 3, 1000]) {
            for (const bound of bounds) {
              const options = { where, limit, ...bound };
              const found = await store.list(table, index, options);
              expect(found, JSON.stringify(options)).toEqual(expected(table, columns, all, options));
            }
          }
          expect(await store.count(table, index, where)).toBe(
            expected(table, columns, all, { where, limit: 1000 }).length,
          );
        }
      });

      it('answers many at once as it answers each', async () => {
        await store.commit([
          group(...['a', 'b', 'a', 'c', 'b', 'a'].map((lane, i) => touch(lane, `o${i % 2}`, 9 - i))),
        ]);
        const asked = ['a', 'none', 'b', 'a', 'c'].flatMap((lane) => [
          { where: { lane }, limit: 2 },
          { where: { lane, object: 'o0' }, limit: 9 },
        ]);
        const together = await Promise.all(
          asked.map(async (options, i) => [
            await store.list('touch', 'object' in options.where ? 'object' : 'due', options),
            await store.get('touch', { seq: i }),
          ]),
        );
        for (const [i, options] of asked.entries()) {
          const index = 'object' in options.where ? 'object' : 'due';
          expect(together[i]).toEqual([
            await store.list('touch', index, options),
            await store.get('touch', { seq: i }),
          ]);
        }
      });

      it('finds nothing for values that no row has', async () => {
        await store.commit([group(touch('l', 'o', 1))]);
        expect(await store.list('touch', 'due', { where: { lane: 'other' }, limit: 9 })).toEqual([]);
        expect(await store.list('touch', 'due', { where: { lane: 'l' }, upTo: 0, limit: 9 })).toEqual([]);
        expect(await store.count('touch', 'object', { lane: 'l', object: 'other' })).toBe(0);
      });

      it('includes the bound of upTo and leaves out the bound of after', async () => {
        await store.commit([group(touch('l', 'a', 1), touch('l', 'b', 2), touch('l', 'c', 3))]);
        const due = await store.list('touch', 'due', { where: { lane: 'l' }, upTo: 2, limit: 9 });
        expect(due.map((row) => row['object'])).toEqual(['a', 'b']);
        await store.commit([
          group(put('swept', { lane: 'l', object: 'a' }), put('swept', { lane: 'l', object: 'b' })),
        ]);
        const rest = await store.list('swept', 'lane', { where: { lane: 'l' }, after: 'a', limit: 9 });
        expect(rest.map((row) => row['object'])).toEqual(['b']);
      });

      it('takes a range of texts, Chinese ones too', async () => {
        const names = ['alarm:a', 'pause', 'pause:', 'pause:hub', 'pause:客户', 'paused:x', 'schema:a'];
        await store.commit([
          group(...names.map((name) => put('setting', { name, value: {}, at: 1, by: 'x' }))),
        ]);
        const range = { where: {}, after: 'pause:', upTo: 'pause:\u{10ffff}', limit: 9 };
        const found = await store.list('setting', 'name', range);
        expect(found.map((row) => row['name'])).toEqual(['pause:hub', 'pause:客户']);
      });

      it('pages through everything once by its last key', async () => {
        const ids = Array.from({ length: 25 }, (_, i) => `o${String((i * 7) % 25).padStart(2, '0')}`);
        await store.commit([
          group(
            ...ids.map((object) => put('link', { sync: 's', object, record: object, body: {} })),
            put('link', { sync: 't', object: 'o99', body: {} }),
          ),
        ]);
        const seen: string[] = [];
        let after = '';
        for (;;) {
          const rows = await store.list('link', 'sync', { where: { sync: 's' }, after, limit: 4 });
          if (rows.length === 0) break;
          seen.push(...rows.map((row) => String(row['object'])));
          after = seen.at(-1) ?? '';
        }
        expect(seen).toEqual([...ids].sort());
      });

      it('refuses an index that is not declared', async () => {
        const asked = store.list('run', 'note', { where: {}, limit: 1 });
        await expect(asked).rejects.toBeInstanceOf(CrosswalkError);
        await expect(store.count('run', 'note', {})).rejects.toMatchObject({ code: 'internal' });
      });
    });
  });
};
