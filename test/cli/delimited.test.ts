import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'csv-parse/sync';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readDelimited, writeDelimited, type Reading } from '../../src/cli/delimited.ts';
import { CrosswalkError } from '../../src/errors.ts';
import { gbk } from './gbk.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-table-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = path.join(folder, 'table.csv');

interface Read extends Reading {
  readonly rows: (readonly string[])[];
  readonly lines: number[];
}

const read = async (bytes: Buffer | string): Promise<Read> => {
  writeFileSync(file, bytes);
  const rows: (readonly string[])[] = [];
  const lines: number[] = [];
  let [seen, size] = [0, 0];
  const reading = await readDelimited(
    file,
    {
      header: () => undefined,
      row: (cells, line) => {
        rows.push([...cells]);
        lines.push(line);
      },
    },
    (done, of) => ([seen, size] = [done, of]),
  );
  expect(seen).toBe(size);
  return { ...reading, rows, lines };
};

const refused = async (bytes: Buffer | string): Promise<CrosswalkError> => {
  try {
    await read(bytes);
  } catch (error) {
    if (error instanceof CrosswalkError) return error;
    throw error;
  }
  throw new Error('it was read');
};

const table = '姓名,手机\n王小明,13912340001\n"李, 娜",13912340002\n';
const rows = [
  ['王小明', '13912340001'],
  ['李, 娜', '13912340002'],
];

describe('reading a table', () => {
  it.each<[string, Buffer, Reading['encoding']]>([
    ['UTF-8', Buffer.from(table), 'UTF-8'],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${table}`), 'UTF-8'],
    ['GBK', gbk(table), 'GBK'],
    ['UTF-16', Buffer.from(`\ufeff${table}`, 'utf16le'), 'UTF-16'],
    ['Windows lines', gbk(table.replaceAll('\n', '\r\n')), 'GBK'],
    ['no end of line', Buffer.from(table.trimEnd()), 'UTF-8'],
    ['empty lines', Buffer.from(`${table}\n\n`), 'UTF-8'],
  ])('%s', async (_, bytes, encoding) => {
    expect(await read(bytes)).toMatchObject({
      encoding,
      delimiter: ',',
      header: ['姓名', '手机'],
      rows,
      lines: [2, 3],
    });
  });

  it.each([
    [';', 'name;mobile\na;b\n'],
    ['\t', 'name\tmobile\na\tb\n'],
    [',', 'name,"a;b;c"\na,b\n'],
  ])('with %j between its cells', async (delimiter, text) => {
    expect(await read(text)).toMatchObject({ delimiter, rows: [['a', 'b']] });
  });

  it('a long one, cut into chunks in the middle of a character', async () => {
    const many = Array.from({ length: 40_000 }, (_, i) => `王小明${i},上海市浦东新区世纪大道${i}号`);
    const text = `name,address\n${many.join('\n')}\n`;
    // The first chunk ends at each of the three bytes of a character.
    const shifted = ['', 'x', 'xx'].map((more) => Buffer.from(`${more}${text}`));
    for (const bytes of [...shifted, gbk(text)]) {
      const { rows: made } = await read(bytes);
      expect(made).toHaveLength(40_000);
      expect(made[39_999]).toEqual(['王小明39999', '上海市浦东新区世纪大道39999号']);
    }
    for (const bytes of shifted) expect((await read(bytes)).encoding).toBe('UTF-8');
  });

  it.each([
    ['another number of cells', 'a,b\n1,2\n1,2,3\n', 'table-unreadable', `${file}:3`, '3 cells'],
    ['a quotation mark within a cell', 'a,b\n1,x"secret\n', 'table-unreadable', `${file}:2`, 'column 2'],
    ['text behind a quotation mark', 'a,b\n"1"x,2\n', 'table-unreadable', `${file}:2`, 'column 1'],
    ['an open quotation mark', 'a,b\n1,2\n"1,2\n', 'table-unreadable', file, 'never closed'],
    ['nothing', '', 'table-unreadable', file, 'empty'],
    [
      'no text',
      Buffer.from([0x61, 0x2c, 0x62, 0x0a, 0xff, 0xff, 0x0a]),
      'table-unreadable',
      file,
      'neither UTF-8 nor GBK',
    ],
    ['too many columns', `${'a,'.repeat(1001)}b\n`, 'table-unreadable', `${file}:1`, '1002 columns'],
  ])('refuses %s, with its place and without its values', async (_, bytes, code, place, words) => {
    const error = await refused(bytes);
    expect(error.code).toBe(code);
    expect(error.message).toContain(place);
    expect(error.message).toContain(words);
    expect(error.message).not.toContain('secret');
  });

  it('refuses a file that is not there, and a folder', async () => {
    for (const one of [path.join(folder, 'none.csv'), folder])
      await expect(
        readDelimited(one, { header: () => undefined, row: () => undefined }, () => undefined),
      ).rejects.toMatchObject({
        code: 'input-unreadable',
      });
  });
});

describe('writing a table', () => {
  const out = path.join(folder, 'out.csv');

  it('shows formulas and does not run them', async () => {
    const hostile = ['=cmd|calc!A0', '+1', '-2+3', '@SUM(A1)', '\tx', '\rx', '＝1', 'a=b', '', 'x, "y"\nz'];
    await writeDelimited(
      out,
      ['cell', 'n'],
      hostile.map((cell) => [cell, -1.5]),
    );
    const text = readFileSync(out, 'utf8');
    expect(text.startsWith('\ufeffcell,n\n')).toBe(true);
    const cells = (parse(text, { columns: true, bom: true }) as { cell: string; n: string }[]).map(
      (row) => row.cell,
    );
    expect(cells).toEqual([
      "'=cmd|calc!A0",
      "'+1",
      "'-2+3",
      "'@SUM(A1)",
      "'\tx",
      "'\rx",
      "'＝1",
      'a=b',
      '',
      'x, "y"\nz',
    ]);
    // Numbers are numbers.
    expect(text).toContain(',-1.5');
  });

  it('any text comes back, but for the apostrophe', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.string(), fc.string()), { minLength: 1, maxLength: 5 }),
        async (list) => {
          await writeDelimited(out, ['a', 'b'], list);
          const back = parse(readFileSync(out), {
            bom: true,
            from_line: 2,
            skip_empty_lines: false,
            relax_column_count: true,
          }) as string[][];
          const plain = (text: string): string => text.replace(/^'(?=[=+\-@\t\r＝＋－＠])/u, '');
          expect(back.map((row) => row.map(plain))).toEqual(
            list.map((row) => row.map((cell) => plain(cell))),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it('says where it cannot write', async () => {
    const where = path.join(folder, 'no', 'such', 'folder.csv');
    await expect(writeDelimited(where, ['a'], [['1']])).rejects.toMatchObject({ code: 'output-unwritable' });
  });
});
