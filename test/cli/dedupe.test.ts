/** `crosswalk dedupe` as people run it: over files in the encodings of spreadsheets, and over a store. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'csv-parse/sync';
import { stringify } from 'csv-stringify/sync';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dedupe as search, type DedupeOptions } from '../../src/cli/dedupe.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { madeUpPeople, type MadeUp } from '../bench/doubles.ts';
import { quality } from '../identity/sample.ts';
import { Commands, type Ran } from './command.ts';
import { gbk } from './gbk.ts';

let folder = '';
let commands = new Commands('');
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-dedupe-'));
  commands = new Commands(folder);
});
afterEach(() => {
  commands.killAll();
  rmSync(folder, { recursive: true, force: true });
});

const at = (name: string): string => path.join(folder, name);
const tableOf = (name: string): Record<string, string>[] =>
  parse(readFileSync(at(name)), { columns: true, bom: true });
const dedupe = (...args: string[]): Promise<Ran> => commands.run('dedupe', ...args);
const patience = { timeout: 120_000 };

const csv = (
  { header, rows }: Pick<MadeUp, 'header' | 'rows'>,
  more: readonly (readonly string[])[] = [],
): string => stringify([['编号', ...header], ...rows.map((row, i) => [`n${i}`, ...row]), ...more]);

interface Report {
  readonly sources: readonly { readonly encoding: string; readonly records: number }[];
  readonly fields: readonly { readonly field: string; readonly sort: string; readonly guessed: boolean }[];
  readonly leftOut: readonly string[];
  readonly pairs: Record<string, number>;
  readonly clusters: Record<string, number>;
  readonly peakMb: number;
  readonly explained: {
    readonly strongest: readonly { readonly a: string; readonly bits: number }[];
    readonly doubtful: readonly unknown[];
  };
  readonly learning: unknown;
}

const told = ({ out, err, code }: Ran): Report => {
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out) as Report;
};

describe('over a file', () => {
  const people = madeUpPeople(800, 41);

  it('in GBK, with cells that a spreadsheet would run', patience, async () => {
    const formula = '=HYPERLINK("http://x.cn";"王小明")';
    const twice = ['', '+8613912349999', 'wang.xm@huaxia.cn', '', '', '1980-02-29'];
    const more = [
      ['-evil', formula, ...twice.slice(1)],
      ['@evil', formula, ...twice.slice(1)],
    ];
    // What GBK has not, a spreadsheet would not have written.
    writeFileSync(at('in.csv'), gbk(csv(people, more)));
    const run = await dedupe(
      '--file',
      at('in.csv'),
      '--pairs',
      at('pairs.csv'),
      '--clusters',
      at('clusters.csv'),
      '--json',
      '--explain',
      '3',
    );
    const report = told(run);
    expect(report.sources).toEqual([{ what: at('in.csv'), records: 802, encoding: 'GBK', delimiter: ',' }]);
    expect(report.fields.map(({ field, sort, guessed }) => [field, sort, guessed])).toEqual([
      ['name', 'person', true],
      ['mobile', 'phone', true],
      ['email', 'email', true],
      ['company', 'company', true],
      ['address', 'address', true],
      ['birth', 'date', true],
    ]);
    expect(report.leftOut).toEqual(['编号']);
    const pairs = tableOf('pairs.csv');
    const pair = pairs.find((row) => row['id_a'] === "'-evil");
    expect(pair).toMatchObject({
      id_b: "'@evil",
      decision: 'propose',
      name_a: `'${formula}`,
      name_how: 'exact',
      mobile_a: "'+8613912349999",
    });
    for (const row of pairs)
      for (const cell of Object.values(row)) expect(cell).not.toMatch(/^(?:[=@\t\r]|[+-][^0-9.])/u);
    expect(Number(pair?.['name_bits'])).toBeGreaterThan(0);
    const scored = pairs
      .filter((row) => row['decision'] !== 'review' && row['id_a']?.startsWith('n'))
      .map((row): [number, number] => [Number(row['id_a']?.slice(1)), Number(row['id_b']?.slice(1))]);
    expect(quality(scored, [...people.truth]).f1).toBeGreaterThan(0.97);
    const clusters = tableOf('clusters.csv');
    expect(new Set(clusters.map((row) => row['id'])).size).toBe(clusters.length);
    for (const number of new Set(clusters.map((row) => row['cluster'])))
      expect(clusters.filter((row) => row['cluster'] === number && row['survivor'] === 'yes')).toHaveLength(
        1,
      );
    expect(report.explained.strongest).toHaveLength(3);
    expect(report.explained.doubtful).toHaveLength(3);
    expect(report.clusters['records']).toBe(clusters.length);
    expect(report.pairs['count']).toBe(pairs.length);
  });

  it('tells people what it found and why, in words', patience, async () => {
    writeFileSync(at('in.csv'), csv(people));
    const { out, code } = await dedupe(
      '--file',
      at('in.csv'),
      '--explain',
      '2',
      '--fields',
      'name:person,mobile,birth:date',
      '--automatic',
      '0.99',
    );
    expect(code).toBe(0);
    expect(out).toContain('800 records, UTF-8, separated by commas');
    expect(out).toMatch(/name +person +exact \+/u);
    expect(out).toMatch(/mobile +phone \(guessed\) +exact \+/u);
    expect(out).toContain('thresholds: shown from 0.85, proposed from 0.92, automatic from 0.99');
    expect(out).toMatch(/pairs: \d+ \(automatic [1-9]\d*, proposed \d+, for a person \d+\)/u);
    expect(out).toContain('the strongest pairs');
    expect(out).toContain('the doubtful pairs');
    expect(out).toContain('against strangers');
  });

  it(
    'against another file, with what an earlier search has learnt, and a survivor by a column',
    patience,
    async () => {
      const half = people.rows.length / 2;
      const made = people.rows.map((row, i) => [...row, `2026-01-${String((i % 28) + 1).padStart(2, '0')}`]);
      const header = [...people.header, 'created_at'];
      writeFileSync(at('a.csv'), csv({ header, rows: made.slice(0, half) }));
      writeFileSync(
        at('b.csv'),
        csv({ header: header.toReversed(), rows: made.slice(half).map((row) => row.toReversed()) }),
      );
      const args = [
        '--file',
        at('a.csv'),
        '--against',
        at('b.csv'),
        '--clusters',
        at('c.csv'),
        '--model',
        at('model.json'),
        '--survivor',
        'newest:created_at',
      ];
      const first = told(await dedupe(...args, '--json'));
      expect(first.sources.map(({ records }) => records)).toEqual([half, half]);
      expect(first.learning).not.toBeNull();
      const text = readFileSync(at('model.json'), 'utf8');
      const clusters = tableOf('c.csv');
      const born = (row: Record<string, string>): string =>
        made[Number(row['id']?.slice(1)) + (row['file'] === '2' ? half : 0)]?.[6] ?? '';
      for (const number of new Set(clusters.map((row) => row['cluster']))) {
        const members = clusters.filter((row) => row['cluster'] === number);
        // Pairs are between the files only.
        expect(new Set(members.map((row) => row['file']))).toEqual(new Set(['1', '2']));
        const newest = members.map(born).sort().at(-1);
        expect(born(members.find((row) => row['survivor'] === 'yes') ?? {})).toBe(newest);
      }
      const again = told(await dedupe(...args, '--json'));
      expect(again.learning).toBeNull();
      expect(readFileSync(at('model.json'), 'utf8')).toBe(text);
      expect(again.pairs['count']).toBeGreaterThanOrEqual(first.pairs['count'] ?? 0);
      const other = await dedupe(
        '--file',
        at('a.csv'),
        '--fields',
        'name:person',
        '--model',
        at('model.json'),
        '--json',
      );
      expect(other.code).toBe(2);
      expect(other.out).toContain('model-shape');
    },
  );

  it('of 10,000 records, in bounded memory', patience, async () => {
    const many = madeUpPeople(10_000, 5);
    writeFileSync(at('in.csv'), csv(many));
    const report = told(
      await dedupe('--file', at('in.csv'), '--fields', many.fields, '--pairs', at('pairs.csv'), '--json'),
    );
    // The program itself takes some 130 MB.
    expect(report.peakMb).toBeLessThan(450);
    const pairs = tableOf('pairs.csv')
      .filter((row) => row['decision'] !== 'review')
      .map((row): [number, number] => [Number(row['id_a']?.slice(1)), Number(row['id_b']?.slice(1))]);
    expect(quality(pairs, [...many.truth]).f1).toBeGreaterThan(0.98);
  });

  it('says what is wrong, where, and what to do', patience, async () => {
    writeFileSync(at('in.csv'), 'id,name,mobile\n1,王小明,13912340001\n1,王小明,13912340001\n');
    writeFileSync(at('bad.csv'), 'id,name\n1,王小明\n2,李娜,13912340001\n');
    writeFileSync(at('twice.csv'), 'id,name,name\n1,王小明,李娜\n');
    writeFileSync(at('head.csv'), 'id,name,mobile\n');
    const wrong = (options: Partial<DedupeOptions>, entity?: string): Promise<number> =>
      search({ dir: folder, json: true, ...options }, entity);
    const file = at('in.csv');
    const cases: [Partial<DedupeOptions>, string, string][] = [
      [{ file: at('twice.csv') }, 'table-unreadable', 'two columns are called name'],
      [{ file: at('head.csv'), against: file }, 'table-unreadable', 'it has no rows'],
      [{ file: at('bad.csv') }, 'table-unreadable', 'bad.csv:3'],
      [{ file: at('none.csv') }, 'input-unreadable', 'none.csv'],
      [{ file, fields: 'nmae:person' }, 'table-column', 'did you mean name?'],
      [{ file, fields: 'name:persn' }, 'field-sort', 'did you mean person?'],
      [{ file, fields: 'name:person,name:text' }, 'usage', 'name twice'],
      [{ file, fields: ',' }, 'dedupe-nothing', '--fields names none'],
      [{ file, fields: 'name:person', id: 'id' }, 'table-unreadable', 'in.csv:3'],
      [{ file, threshold: 'high' }, 'usage', '--threshold'],
      [{ file, threshold: '0.9', automatic: '0.8' }, 'usage', 'below what is proposed'],
      [{ file, survivor: 'oldest' }, 'usage', '--survivor'],
      [{ file, survivor: 'newest' }, 'usage', 'the column that it reads'],
      [{ file, explain: 'all' }, 'usage', '--explain'],
      [{ file, save: true }, 'usage', '--save'],
      [{ file, pairs: at('no/such.csv') }, 'output-unwritable', 'such.csv'],
      [{}, 'usage', 'name an entity, or a file'],
    ];
    for (const [options, code, words] of cases) {
      const error: unknown = await wrong(options).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code });
      expect((error as Error).message).toContain(words);
      expect((error as Error).message).not.toContain('王小明');
    }
    await expect(wrong({ file }, 'contact')).rejects.toMatchObject({ code: 'usage' });
    await expect(wrong({ against: file }, 'contact')).rejects.toMatchObject({ code: 'usage' });
    const { out, code } = await dedupe('--file', at('bad.csv'), '--json');
    expect([code, JSON.parse(out)]).toMatchObject([2, { error: { code: 'table-unreadable' } }]);
  });

  it('names rows by their number where a column of ids repeats itself', patience, async () => {
    writeFileSync(at('in.csv'), 'id,name,mobile\n7,王小明,13912340001\n7,王小明,13912340001\n');
    const report = told(
      await dedupe('--file', at('in.csv'), '--threshold', '0.0001', '--pairs', at('pairs.csv'), '--json'),
    );
    expect(report.pairs['count']).toBe(1);
    expect(tableOf('pairs.csv')[0]).toMatchObject({ id_a: '1', id_b: '2' });
  });
});

describe('over a store', () => {
  const people = madeUpPeople(600, 43);
  const file = (): string => at('store.db');

  const begin = async (config = ''): Promise<void> => {
    writeFileSync(at('crosswalk.yaml'), `store: { path: ./store.db }\n${config}`);
    const store = new SqliteStore({ file: file() });
    const span = (i: number): { from: number; to: number } => ({ from: 0, to: 1_800_000_000_000 + i });
    const field = (value: string | undefined, i: number): object => ({
      value: value === '' ? null : value,
      version: 1,
      at: span(i),
      source: 'x',
      recent: [],
      returns: 0,
      chain: 0,
    });
    await store.commit(
      people.rows.map(([name, mobile, email, company, street, dateOfBirth], i) => ({
        when: [],
        write: [
          {
            op: 'put' as const,
            table: 'record' as const,
            row: {
              id: `r${String(i).padStart(4, '0')}`,
              entity: 'contact',
              version: 1,
              at: 1_700_000_000_000 + i,
              fields: Object.fromEntries(
                Object.entries({ name, mobile, email, company, street, dateOfBirth }).map(([one, value]) => [
                  one,
                  field(value, i),
                ]),
              ),
            },
          },
        ],
      })),
    );
    await store.close();
  };
  const candidates = async (): Promise<Record<string, unknown>[]> => {
    const store = new SqliteStore({ file: file(), readOnly: true });
    const rows = await store.list('candidate', 'entity', { where: { entity: 'contact' }, limit: 100_000 });
    await store.close();
    return rows;
  };

  it('reads it, and writes candidates only when told to', patience, async () => {
    await begin();
    const report = told(await dedupe('contact', '--json'));
    expect(report.sources).toEqual([{ what: 'contact', records: 600 }]);
    expect(report.fields.map(({ field, sort }) => `${field}:${sort}`)).toEqual(
      expect.arrayContaining([
        'name:person',
        'email:email',
        'mobile:phone',
        'company:company',
        'street:address',
        'dateOfBirth:date',
      ]),
    );
    expect(report.leftOut).toEqual(expect.arrayContaining(['stage', 'customerId', 'notes']));
    expect(await candidates()).toEqual([]);

    // One that the engine has raised, and one of an earlier search that nothing speaks for any more.
    const store = new SqliteStore({ file: file() });
    const strong = people.truth.findIndex((one, i) => people.truth.indexOf(one) !== i);
    const [a, b] = [people.truth.indexOf(people.truth[strong] ?? 0), strong].map(
      (i) => `r${String(i).padStart(4, '0')}`,
    );
    const put = (row: Record<string, unknown>): Promise<boolean[]> =>
      store.commit([
        { when: [], write: [{ op: 'put', table: 'candidate', row: { entity: 'contact', at: 1, ...row } }] },
      ]);
    await put({ a, b, why: 'same email' });
    await put({ a: 'r0000', b: 'x', why: 'alike', score: 900_000, explanation: {} });
    await store.close();

    const saved = told(await dedupe('contact', '--save', '--json'));
    const rows = await candidates();
    expect(rows.some((row) => row['b'] === 'x')).toBe(false);
    expect(rows.find((row) => row['a'] === a && row['b'] === b)).toMatchObject({ why: 'same email', at: 1 });
    const scores = rows.filter((row) => row['why'] === 'alike');
    expect(Math.abs(scores.length - (saved.pairs['count'] ?? 0))).toBeLessThanOrEqual(1);
    for (const row of scores) {
      expect(Number(row['score'])).toBeGreaterThanOrEqual(850_000);
      expect(Number(row['score'])).toBeLessThanOrEqual(1_000_000);
      expect(String(row['a']) < String(row['b'])).toBe(true);
    }
    const [first = ''] = people.rows[0] ?? [];
    expect(JSON.stringify(rows)).not.toContain(first);
    const said = JSON.stringify(scores[0]?.['explanation']);
    expect(said).toContain('"level"');
    const found = rows
      .filter((row) => Number(row['score']) >= 920_000)
      .map((row): [number, number] => [Number(String(row['a']).slice(1)), Number(String(row['b']).slice(1))]);
    expect(quality(found, [...people.truth]).f1).toBeGreaterThan(0.95);

    await dedupe('contact', '--save', '--json');
    expect((await candidates()).length).toBe(rows.length);
  });

  it('by what the configuration says', patience, async () => {
    await begin(
      'entities:\n  contact:\n    dedupe: { fields: { name: person, mobile: phone }, thresholds: { propose: 0.97, automatic: 0.99 }, survivor: updated }\n',
    );
    const { out, code } = await dedupe('contact', '--clusters', at('clusters.csv'));
    expect(code).toBe(0);
    expect(out).toContain('proposed from 0.97, automatic from 0.99');
    expect(out).toMatch(/^mobile +phone +exact/mu);
    expect(out).not.toMatch(/^email/mu);
    const clusters = tableOf('clusters.csv');
    expect(clusters.length).toBeGreaterThan(20);
    for (const number of new Set(clusters.map((row) => row['cluster']))) {
      const members = clusters.filter((row) => row['cluster'] === number);
      // Later records were changed later here.
      expect(members.find((row) => row['survivor'] === 'yes')?.['id']).toBe(
        members
          .map((row) => row['id'] ?? '')
          .sort()
          .at(-1),
      );
    }
  });

  it('says what is wrong', patience, async () => {
    writeFileSync(at('crosswalk.yaml'), 'store: { path: ./store.db }\n');
    const missing = await dedupe('contact', '--json');
    expect([missing.code, JSON.parse(missing.out)]).toMatchObject([5, { error: { code: 'store-missing' } }]);
    expect(existsSync(file())).toBe(false);
    const unknown = await dedupe('contakt', '--json');
    expect(unknown.out).toContain('did you mean contact?');
  });
});
