/** key new, status, rotate, forget; what doctor and status tell of keys and of what ends; a gateway's alarm ahead. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import pino from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gateway } from '../../src/gateway.ts';
import { statedIn } from '../../src/store/sqlite-schema.ts';
import { installation, Issuer } from '../credentials/issuer.ts';
import { Commands, type Ran } from './command.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-keys-'));
const day = 86_400_000;
const dateIn = (days: number): string => new Date(Date.now() + days * day).toISOString().slice(0, 10);
const said: string[] = [];
let issuer: Issuer;

const run = async (keys: string, ...args: string[]): Promise<Ran> => {
  const environment = { PARTNER_REFRESH: issuer.first, ...(keys === '' ? {} : { CROSSWALK_KEY: keys }) };
  const ran = await new Commands(folder, environment).run(...args);
  if (args[1] !== 'new') said.push(ran.out, ran.err);
  return ran;
};

interface Finding {
  readonly what: string;
  readonly state: string;
  readonly text: string;
  readonly remedy: string;
}

const doctor = async (keys: string): Promise<(what: string) => Finding[]> => {
  const { out } = await run(keys, 'doctor', '--json');
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  return (what) => findings.filter((one) => one.what === what);
};

const made = async (): Promise<{ key: string; id: string }> => {
  const { out } = await run('', 'key', 'new', '--json');
  return JSON.parse(out) as { key: string; id: string };
};

beforeAll(async () => {
  issuer = await Issuer.start();
  installation(folder, issuer, `    expires: { refreshToken: ${dateIn(3)} }\n`);
});
afterAll(() => {
  issuer.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('keys, from the first to the next', () => {
  let old = { key: '', id: '' };
  let next = { key: '', id: '' };

  it('a new one is 32 random bytes in Base64, alone on its line', async () => {
    old = await made();
    next = await made();
    expect(old.key).not.toBe(next.key);
    const { out } = await run('', 'key', 'new');
    expect(out).toMatch(/^[A-Za-z0-9+/]{43}=\n$/u);
  });

  it('without one the connection is not opened, and check and doctor say how to make one', async () => {
    const found = await doctor('');
    expect(found('keys')).toMatchObject([{ state: 'ok', text: 'none, and nothing is sealed' }]);
    expect(found('connection partner')).toMatchObject([
      { state: 'fail', remedy: expect.stringContaining('crosswalk key new') },
    ]);
    const checked = await run('', 'check', '--json');
    expect(checked.out).toContain('key-missing');
    expect(checked.code).not.toBe(0);
    expect(issuer.renewals).toBe(0);
  });

  it('what is no key is told by its place in the list', async () => {
    const { code, err } = await run(`${old.key},nonsense`, 'key', 'status');
    expect(err).toContain('CROSSWALK_KEY: key 2 is not 32 bytes in Base64');
    expect(err).not.toContain('nonsense');
    expect(code).toBe(3);
  });

  it('commands share what is kept', async () => {
    const found = await doctor(old.key);
    expect(found('connection partner')).toMatchObject([{ state: 'ok', text: 'me' }]);
    await doctor(old.key);
    expect(issuer.renewals).toBe(1);
    const { out } = await run(old.key, 'key', 'status', '--json');
    expect(JSON.parse(out)).toEqual({ keys: [{ id: old.id, known: true, seals: true, rows: 1 }] });
  });

  it('doctor tells what ends, and what to do', async () => {
    const found = await doctor(old.key);
    const lines = found('expiry').map(({ state, text }) => `${state} ${text}`);
    expect(lines).toEqual([
      expect.stringMatching(/^ok refresh token of connection partner ends on .*, in 90 days$/u),
      expect.stringMatching(/^warn setting refreshToken of connection partner ends on .*, in 3 days$/u),
      'ok API version v1 of connection partner ends on 2030-07-01, in '.concat(
        `${Math.ceil((Date.parse('2030-07-01') - Date.now()) / day)} days`,
      ),
    ]);
    expect(found('expiry')[1]?.remedy).toContain('correct "expires"');
  });

  it('a gateway raises the alarm once, keeps it, and status tells what ends when', async () => {
    const environment = { PARTNER_REFRESH: issuer.first, CROSSWALK_KEY: old.key };
    const alarms: string[] = [];
    for (let turn = 0; turn < 2; turn += 1) {
      const gateway = await Gateway.open(folder, {
        environment,
        log: pino({ level: 'silent' }),
        onAlarm: (subject) => alarms.push(subject),
      });
      await gateway.start();
      await expect
        .poll(async () => (await gateway.store.get('setting', { name: 'expiries' })) !== undefined)
        .toBe(true);
      await gateway.lanes.work('expiry');
      await gateway.stop();
    }
    expect(alarms).toEqual(['expiry partner setting refreshToken']);
    const { out } = await run(old.key, 'status');
    expect(out).toContain(
      'ALARM expiry partner setting refreshToken: setting refreshToken of connection partner ends',
    );
    expect(out).toMatch(/ENDS setting refreshToken of connection partner: \d{4}-\d\d-\d\d, in 3 days/u);
    expect(out).toContain(`KEY ${old.id}: 1 row, seals`);
    const { expiries, keys } = JSON.parse((await run(old.key, 'status', '--json')).out) as {
      expiries: { what: string; days: number }[];
      keys: object[];
    };
    expect(expiries.map(({ what }) => what)).toEqual([
      'setting refreshToken',
      'refresh token',
      'API version v1',
    ]);
    expect(keys).toEqual([{ id: old.id, known: true, seals: true, rows: 1 }]);
    // Doctor tells it once: as what ends, not as an alarm besides.
    const found = await doctor(old.key);
    expect(found('expiry')).toHaveLength(3);
    expect(found('alarm expiry partner setting refreshToken')).toEqual([]);
  });

  it('rotating seals everything with the first key and proves it', async () => {
    const both = `${next.key},${old.key}`;
    expect((await doctor(both))('keys')).toMatchObject([
      { state: 'warn', text: `${next.id}: 0 rows; ${old.id}: 1 row, seals` },
    ]);
    const { code, out } = await run(both, 'key', 'rotate', '--json', '--by', 'anna');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ to: next.id, resealed: 1, opened: 1, old: 0, left: [] });
    const again = await run(both, 'key', 'rotate');
    expect(again.out).toContain(
      `0 rows sealed anew; 1 open with key ${next.id} alone; 0 rows under other keys`,
    );
    expect((await doctor(next.key))('keys')).toMatchObject([
      { state: 'ok', text: `${next.id}: 1 row, seals` },
    ]);
    expect((await doctor(next.key))('connection partner')).toMatchObject([{ state: 'ok' }]);
    expect(issuer.renewals).toBe(1);
  });

  it('with the old key alone nothing opens, and all say which is missing', async () => {
    const found = await doctor(old.key);
    expect(found('keys')).toMatchObject([
      { state: 'fail', text: `${old.id}: 0 rows; ${next.id}: 1 row, seals, MISSING here` },
    ]);
    expect(found('connection partner')).toMatchObject([
      {
        state: 'fail',
        text: expect.stringContaining(`with key ${next.id}, which is not among the keys here`),
      },
    ]);
    expect((await run(old.key, 'key', 'status')).code).toBe(1);
    expect((await run(old.key, 'status')).out).toContain(`KEY MISSING ${next.id}`);
  });

  it('what a lost key sealed is forgotten only on request', async () => {
    expect((await run(next.key, 'key', 'forget', 'partner')).code).toBe(2);
    expect((await run(next.key, 'key', 'forget', 'nobody', '--yes')).err).toContain('nobody');
    expect((await run(next.key, 'key', 'forget', 'partner', '--yes')).code).toBe(0);
    const { out } = await run(next.key, 'key', 'status', '--json');
    expect(JSON.parse(out)).toEqual({ keys: [{ id: next.id, known: true, seals: true, rows: 0 }] });
  });

  it('nothing that was said, and nothing in the store’s files, shows a secret', () => {
    const files = ['crosswalk.db', 'crosswalk.db-wal'].map((name) => {
      try {
        return readFileSync(path.join(folder, '.crosswalk', name), 'latin1');
      } catch {
        return '';
      }
    });
    const text = [...said, ...files].join('\n');
    expect([...issuer.secrets, old.key, next.key].filter((secret) => text.includes(secret))).toEqual([]);
  });
});

it('doctor leaves a store of an older release as it is: what is issued could only be kept in a newer one', async () => {
  const older = mkdtempSync(path.join(tmpdir(), 'crosswalk-older-'));
  installation(older, issuer);
  mkdirSync(path.join(older, '.crosswalk'));
  const db = new Database(path.join(older, '.crosswalk/crosswalk.db'));
  db.exec(readFileSync(new URL('../store/schema-1.sql', import.meta.url), 'utf8'));
  const { renewals } = issuer;
  const { key } = await made();
  const environment = { PARTNER_REFRESH: issuer.first, CROSSWALK_KEY: key };
  const { out } = await new Commands(older, environment).run('doctor', '--json');
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  expect(findings.find(({ what }) => what === 'connection partner')).toMatchObject({
    state: 'warn',
    text: expect.stringContaining('not tried'),
  });
  expect(issuer.renewals).toBe(renewals);
  expect(statedIn(db).version).toBe(1);
  db.close();
  rmSync(older, { recursive: true });
});
