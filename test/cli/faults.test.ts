/** What check, map and the parser say about what is wrong. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { table } from '../../src/cli/output.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-faults-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const env = { PATH: process.env['PATH'] ?? '' };
const crosswalk = (
  args: readonly string[],
  input = '',
): { code: number | null; out: string; err: string } => {
  const ran = spawnSync(process.execPath, ['src/main.ts', ...args], { env, input, encoding: 'utf8' });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
};

interface Found {
  readonly code: string;
  readonly line?: number;
  readonly pointer?: string;
  readonly file?: string;
  readonly message: string;
  readonly remedy: string;
}

describe('check', () => {
  it('tells every fault at once, secrets missing or not', () => {
    expect(crosswalk(['init', folder]).code).toBe(0);
    const own = path.join(folder, 'mappings', 'own');
    mkdirSync(own);
    const shipped = readFileSync('mappings/hubspot/contact.json', 'utf8');
    writeFileSync(
      path.join(own, 'typo.json'),
      shipped.replace('"at": "/properties/email"', '"at": "/properties/emial"'),
    );
    writeFileSync(path.join(own, 'broken.json'), '{ "name": ');
    const file = path.join(folder, 'crosswalk.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('to: sales', 'to: crm'));
    const { code, out } = crosswalk(['check', '--dir', folder, '--json']);
    expect(code).toBe(1);
    const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Found[] };
    expect(ok).toBe(false);
    const missing = findings.filter((one) => one.code === 'setting-reference');
    expect(missing.map((one) => /\$\{env:\w+\}/.exec(one.message)?.[0])).toEqual([
      '${env:HUBSPOT_TOKEN}',
      '${env:HUBSPOT_SECRET}',
      '${env:JDY_KEY}',
      '${env:JDY_HOOK_SECRET}',
      '${env:WECOM_ROBOT}',
    ]);
    expect(missing[0]).toMatchObject({ file, pointer: '/connections/hubspot/settings/token' });
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'mapping-pointer-unknown',
        file: path.join(own, 'typo.json'),
        line: shipped.slice(0, shipped.indexOf('"/properties/email"')).split('\n').length,
        pointer: '/fields/email/at',
        message: expect.stringContaining('did you mean /properties/email?'),
        remedy: expect.stringContaining('schema/contact.json'),
      }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'mapping-unreadable', file: path.join(own, 'broken.json'), line: 1 }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'notice-no-voice', pointer: '/notices/stage-moved/to' }),
    );
  });

  it('without a configuration ends with 3', () => {
    const { code, out } = crosswalk(['check', '--dir', folder, '--json']);
    expect(code).toBe(3);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'config-missing' } });
  });
});

describe('map', () => {
  it('gives with --json one document for each line, bad ones by their number', () => {
    const input =
      '{"properties":{"email":"A@B.cn"}}\n\nrubbish\n{"properties":{"lifecyclestage":"galactic"}}\n';
    const { code, out, err } = crosswalk(['map', 'hubspot-contact', '--json'], input);
    expect(code).toBe(1);
    expect(err).toBe('');
    const lines = out.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { line: 1, value: { email: 'a@b.cn' }, problems: [] },
      { line: 3, problems: [{ message: 'is not JSON' }] },
      { line: 4, problems: [{ code: 'not-covered', pointer: '/properties/lifecyclestage' }] },
    ]);
  });

  it('keeps nothing: a line without end is turned away, and the next is mapped', () => {
    const long = `{"properties":{"jobtitle":"${'x'.repeat(9 * 1024 * 1024)}"}}`;
    const { code, out, err } = crosswalk(
      ['map', 'hubspot-contact'],
      `${long}\n{"properties":{"jobtitle":"Buyer"}}`,
    );
    expect(code).toBe(1);
    expect(err).toBe('line 1 is longer than 8 MiB\n');
    expect(JSON.parse(out)).toEqual({ title: 'Buyer' });
  });

  it('ends quietly when its reader goes away', async () => {
    const child = spawn(process.execPath, ['src/main.ts', 'map', 'hubspot-contact'], { env });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.stdin.on('error', () => undefined);
    child.stdout.once('data', () => child.stdout.destroy());
    const row = '{"properties":{"lastname":"Smith","firstname":"Ann"}}\n';
    child.stdin.write(row.repeat(40_000));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(err).toBe('');
    expect(code).toBe(0);
  });

  it('names a file that is not there, and a mapping that was meant', () => {
    const file = crosswalk(['map', 'hubspot-contact', '--file', path.join(folder, 'no'), '--json']);
    expect(file.code).toBe(2);
    expect(JSON.parse(file.out)).toMatchObject({ error: { code: 'input-unreadable' } });
    const name = crosswalk(['map', 'hubspot-contct']);
    expect(name.code).toBe(1);
    expect(name.err).toContain('Did you mean hubspot-contact?');
  });
});

describe('the command line', () => {
  it('answers a usage fault in JSON too', () => {
    for (const args of [['nonsense'], ['map'], ['status', '--nonsense'], ['sync', 'x', '--wait', 'soon']]) {
      const { code, out } = crosswalk([...args, '--json']);
      expect(code, args.join(' ')).toBe(2);
      expect(JSON.parse(out), args.join(' ')).toMatchObject({
        error: { code: 'usage', remedy: expect.stringContaining('--help') },
      });
    }
  });

  it('lets nothing of a remote command the terminal', () => {
    const { err } = crosswalk(
      ['map', 'hubspot-contact'],
      '{"properties":{"lifecyclestage":"\\u001b[2J\\u009b5m"}}\n',
    );
    expect(err).toContain('not in the table');
    expect(err.slice(0, -1)).not.toMatch(/\p{Cc}/u);
  });

  it('aligns columns by what they take on the screen', () => {
    const [, first = '', second = ''] = table(
      ['name', 'n'],
      [
        ['王小明', '1'],
        ['Ann', '2'],
      ],
    ).split('\n');
    expect(first).toBe('王小明  1');
    expect(second).toBe('Ann     2');
  });
});
