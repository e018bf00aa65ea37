/** A mapping of one's own, as a newcomer meets it: checked by folder, five usual mistakes, and the story of a record. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-mappings-'));
  mkdirSync(path.join(folder, 'mappings/acme'), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const crosswalk = (args: readonly string[], input = '') => {
  const env = { PATH: process.env['PATH'] ?? '' };
  const ran = spawnSync(process.execPath, ['src/main.ts', ...args], { env, input, encoding: 'utf8' });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
};

const kind = {
  type: 'object',
  properties: {
    id: { type: 'integer', readOnly: true },
    mail: { type: ['string', 'null'], maxLength: 60 },
    who: { type: ['string', 'null'] },
    level: { type: ['string', 'null'], enum: ['hot', 'cold', null] },
  },
};

/** The mapping that the README shows: what stands there must work. */
const document = JSON.parse(
  /```json\n([\s\S]*?)```/u.exec(readFileSync('mappings/README.md', 'utf8'))?.[1] ?? '{}',
) as object;

const write = (text: string): void => {
  writeFileSync(path.join(folder, 'mappings/acme/person.schema.json'), JSON.stringify(kind));
  writeFileSync(path.join(folder, 'mappings/acme/person.json'), text);
};
const checked = () => crosswalk(['check', '--mappings', path.join(folder, 'mappings')]);

describe('a mapping of one’s own', () => {
  it('passes without a configuration, against the schema beside it', () => {
    write(JSON.stringify(document));
    expect(checked()).toMatchObject({ code: 0, out: 'all is well\n' });
    expect(crosswalk(['check', '--mappings', path.join(folder, 'none')]).err).toContain('it is no folder');
  });

  it.each([
    ['a pointer that leads nowhere', ['"/mail"', '"/male"'], 'did you mean /mail?'],
    ['a step that is none', ['"lower"', '"lowwer"'], 'did you mean lower?'],
    [
      'a pick-list value that nobody covered',
      ['"hot":"opportunity",', ''],
      '"hot", which acme (/level) may hold',
    ],
    ['a field that the entity does not have', ['"email":', '"mail":'], 'Entity contact has no field mail'],
    ['a length that nobody thought of', ['"overflow":"park",', ''], '/mail takes at most 60 characters'],
  ])('tells %s, where and what to do', (_, [from = '', to = ''], words) => {
    write(JSON.stringify(document).replaceAll(from, to));
    const { code, out } = checked();
    expect(code).toBe(1);
    expect(out).toContain(words);
    expect(out).toContain('person.json');
  });
});

it('map --why says of each value where it came from and through what', () => {
  write(JSON.stringify(document));
  const line = JSON.stringify({ who: 'Ann  Smith', mail: ' ANN@X.cn', level: 'warm' });
  const { code, out } = crosswalk(['map', 'acme-person', '--why', '--dir', folder], `${line}\nrubbish\n`);
  expect(code).toBe(1);
  expect(out).toContain('email = "ann@x.cn"  ← /mail " ANN@X.cn" → trim "ANN@X.cn" → lower "ann@x.cn"');
  expect(out).toContain('stage = nothing: "warm" is not in the table');
  const whole = crosswalk(['map', 'acme-person', '--why', '--json', '--dir', folder], line);
  const { fields } = JSON.parse(whole.out) as {
    fields: { field: string; through: unknown[]; value?: unknown }[];
  };
  expect(fields[0]).toEqual({
    field: 'name',
    from: [{ pointer: '/who', value: 'Ann  Smith' }],
    through: [{ step: 'collapse-space', value: 'Ann Smith' }],
    value: 'Ann Smith',
  });
  expect(crosswalk(['map', 'acme-person', '--why', '--reverse', '--dir', folder]).code).toBe(2);
});

it('explain --html draws every field and place in one page, and nothing of a document becomes markup', () => {
  const evil = '<script>alert(1)</script>';
  const odd = JSON.stringify(document).replaceAll('opportunity', 'customer').replace('"hot":', `"${evil}":`);
  write(odd.replace('"level":"hot"', `"level":"${evil}"`));
  writeFileSync(
    path.join(folder, 'mappings/acme/person.schema.json'),
    JSON.stringify(kind).replace('"hot"', JSON.stringify(evil)),
  );
  const { code, out } = crosswalk(['explain', 'acme-person', '--html', '--dir', folder]);
  expect(code).toBe(0);
  for (const name of ['/who', '/mail', '/level', '>name<', '>email<', '>stage<', 'collapse-space'])
    expect(out).toContain(name);
  expect(out.match(/<div class="row (?:exact|settling|lossy) both"/gu)).toHaveLength(3);
  expect(out).toContain('&#60;script&#62;');
  expect(out).not.toContain('<script');
  expect(out).not.toMatch(/https?:\/\/|src=|@import/u);
});

it('explain tells rows, parts and references as text, and what each step does where asked', () => {
  const { code, out } = crosswalk(['explain', 'jiandaoyun-order', '--docs', '--dir', folder]);
  expect(code).toBe(0);
  const lines = out.split('\n').map((line) => line.replaceAll(/\s+/gu, ' '));
  const line = (start: string): string => lines.find((one) => one.startsWith(start)) ?? '';
  expect(line('/customer_no')).toContain(
    '↔ customer names the customer by customerId exact "KH-2026-0042" →',
  );
  expect(line('/lines')).toContain(
    'rows by line; rows there that we lack stay settling 2 rows → 2 rows → 2 rows',
  );
  expect(line(' /qty')).toContain('↔ quantity as it is exact 2 → 2 → 2');
  expect(out).toContain('part receipts: each row of /receipts is a record of entity receipt, its id at /_id');
  expect(line('/payer')).toContain('personal " 杭州示例有限公司" → "杭州示例有限公司"');
  expect(line('lines.amount: money')).toContain('(settling): Reads an amount as');
  expect(line('receipts: payer: trim')).toContain('Takes blanks off both ends.');
});
