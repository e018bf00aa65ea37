import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const secrets = {
  HUBSPOT_TOKEN: 't-1',
  HUBSPOT_SECRET: 's-2',
  JDY_KEY: 'k-3',
  JDY_HOOK_SECRET: 'h-4',
  WECOM_ROBOT: 'r-5',
};

const crosswalk = (
  args: readonly string[],
  { input = '', env = secrets as Record<string, string> } = {},
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['src/main.ts', ...args], {
      env: { PATH: process.env['PATH'] ?? '', USER: 'tester', ...env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
    child.stdin.end(input);
  });

const init = async (): Promise<void> => {
  expect((await crosswalk(['init', folder])).code).toBe(0);
};

describe('crosswalk', () => {
  it('scaffolds what checks clean, and overwrites nothing', async () => {
    await init();
    const check = await crosswalk(['check', '--dir', folder, '--json']);
    expect(JSON.parse(check.out)).toMatchObject({ ok: true });
    expect(check.code).toBe(0);
    const again = await crosswalk(['init', folder]);
    expect(again.code).toBe(1);
    expect(again.err).toContain('--force');
  });

  it('finds a misspelt name with its line, and suggests the right one', async () => {
    await init();
    const file = path.join(folder, 'crosswalk.yaml');
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace('mapping: hubspot-contact,', 'mapping: hubspot-contcat,'),
    );
    const { code, out } = await crosswalk(['check', '--dir', folder]);
    expect(code).toBe(1);
    expect(out).toMatch(/crosswalk\.yaml:\d+/);
    expect(out).toMatch(/did you mean "?hubspot-contact/);
  });

  it('names a missing secret by its reference, never by value', async () => {
    await init();
    const { code, out } = await crosswalk(['check', '--dir', folder, '--json'], {
      env: { ...secrets, JDY_KEY: '' },
    });
    expect(code).toBe(1);
    expect(out).toContain('JDY_KEY');
    expect(out).not.toContain('t-1');
  });

  it('maps forwards and back, and tells a bad line by its number', async () => {
    await init();
    const good = await crosswalk(['map', 'hubspot-contact', '--file', path.join(folder, 'sample.ndjson')]);
    expect(good.code).toBe(0);
    expect(
      good.out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { name: string }).name),
    ).toEqual(['王小明', 'Ada Lovelace']);
    const back = await crosswalk(['map', 'hubspot-contact', '--reverse'], {
      input: '{"name":"王小明","stage":"lead"}\n',
    });
    expect(JSON.parse(back.out)).toEqual({
      properties: { lastname: '王', firstname: '小明', lifecyclestage: 'lead' },
    });
    const bad = await crosswalk(['map', 'hubspot-contact'], {
      input: '{"properties":{"email":"a@b.cn"}}\nrubbish\n{"properties":{"lifecyclestage":"galactic"}}\n',
    });
    expect(bad.code).toBe(1);
    expect(bad.err).toContain('line 2');
    expect(bad.err).toMatch(/line 3 .*galactic/);
    expect(bad.out.split('\n')[0]).toContain('a@b.cn');
  });

  it('has documented exit codes', async () => {
    expect((await crosswalk(['nonsense'])).code).toBe(2);
    expect((await crosswalk(['status', '--dir', path.join(folder, 'nowhere')])).code).toBe(3);
    await init();
    expect((await crosswalk(['status', '--dir', folder])).code).toBe(5);
    expect((await crosswalk(['sync', 'nobody', '--plan', '--dir', folder])).code).toBe(1);
    const help = await crosswalk(['--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('Exit codes');
  });

  it('answers with one JSON document, errors too', async () => {
    await init();
    const { out, code } = await crosswalk(['trace', 'hubspot/contact/1', '--dir', folder, '--json']);
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'store-missing', remedy: expect.any(String) } });
  });

  it('doctor says what fails and what to do, without secrets', async () => {
    await init();
    const file = path.join(folder, 'crosswalk.yaml');
    writeFileSync(
      file,
      readFileSync(file, 'utf8')
        .replace(
          'token: "${env:HUBSPOT_TOKEN}"',
          'token: "${env:HUBSPOT_TOKEN}", baseUrl: "http://127.0.0.1:9"',
        )
        .replace('apiKey:', 'baseUrl: "http://127.0.0.1:9/api"\n      apiKey:'),
    );
    const { out, code } = await crosswalk(['doctor', '--dir', folder, '--json']);
    expect(code).toBe(1);
    const { findings } = JSON.parse(out) as { findings: { what: string; state: string }[] };
    expect(findings.find((one) => one.what === 'connection hubspot')?.state).toBe('fail');
    expect(out).not.toMatch(/t-1|k-3|r-5/);
    for (const verb of [['status'], ['runs'], ['parked', 'list'], ['conflicts', 'list']]) {
      const ran = await crosswalk([...verb, '--dir', folder, '--json']);
      expect(ran.code, verb.join(' ')).toBe(0);
      JSON.parse(ran.out);
    }
    const missing = await crosswalk(['parked', 'show', 'item:x', '--dir', folder]);
    expect(missing.code).toBe(1);
    expect((await crosswalk(['pause', 'hubspot', '--dir', folder])).code).toBe(0);
    expect((await crosswalk(['status', '--dir', folder])).out).toContain('PAUSED hubspot');
    expect((await crosswalk(['resume', 'hubspot', '--dir', folder])).code).toBe(0);
    expect((await crosswalk(['pause', 'nobody', '--dir', folder])).code).toBe(1);
  });
});
