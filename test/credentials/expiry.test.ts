import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Connector, JsonObject } from '../../src/connector.ts';
import {
  daysLeft,
  expiriesOf,
  expiryWords,
  forecastOf,
  levelOf,
  storedExpiries,
  watchExpiries,
  type Expiry,
} from '../../src/credentials/expiry.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';

const day = 86_400_000;
const now = Date.parse('2026-06-01T12:00:00Z');

/** A real certificate that ends in so many days; undefined where there is no openssl. */
const certificate = (days: number): string | undefined => {
  const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-certificate-'));
  try {
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const out = ['-subj', '/CN=test', '-days', String(days), '-keyout', 'key.pem', '-out', 'cert.pem'];
    execFileSync('openssl', [...args, ...out], { cwd: folder, stdio: 'ignore' });
    return readFileSync(path.join(folder, 'cert.pem'), 'utf8');
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const connector = (sunset?: Connector['sunset']): Connector => ({
  name: 'toy',
  title: 'Toy',
  settings: {},
  hosts: () => [],
  open: () => ({ check: async () => 'ok', kinds: {} }),
  ...(sunset === undefined ? {} : { sunset }),
});

describe('what ends', () => {
  it('is stated beside the settings, and announced by the vendor: its last day is whole', () => {
    const found = expiriesOf(
      { name: 'crm', expires: { apiKey: '2027-03-01' } },
      connector(() => [{ what: 'API version v3', last: '2027-09-30', instead: 'Set apiVersion.' }]),
      { apiKey: 'never shown' },
    );
    expect(found.map(({ what, at }) => [what, new Date(at).toISOString()])).toEqual([
      ['setting apiKey', '2027-03-01T00:00:00.000Z'],
      ['API version v3', '2027-10-01T00:00:00.000Z'],
    ]);
    expect(JSON.stringify(found)).not.toContain('never shown');
  });

  const long = certificate(400);
  const short = certificate(20);
  it.skipIf(long === undefined || short === undefined)(
    'certificates anywhere in the settings; of a chain the one that ends first',
    () => {
      const values: JsonObject = { tls: { chain: [`${long}\n${short}`] }, other: 'text', broken: 'x' };
      const [found, ...more] = expiriesOf({ name: 'bank' }, connector(), values);
      expect(more).toEqual([]);
      expect(found).toMatchObject({ what: 'certificate in setting tls.chain.0', connection: 'bank' });
      expect(found?.at).toBe(new X509Certificate(short ?? '').validToDate.getTime());
    },
  );

  it('what looks like a certificate and is none is left to the connector', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    expect(expiriesOf({ name: 'bank' }, connector(), { pem })).toEqual([]);
  });

  it('refresh tokens of connections that there are, without any key', async () => {
    const store = new SqliteStore({ file: ':memory:' });
    const row = { name: 'login', sealed: 'x', key: 'k', fence: 1, expires: now + 1, at: now };
    await store.commit(
      [
        { connection: 'a', ends: now + 20 * day },
        { connection: 'b', ends: null },
        { connection: 'gone', ends: now },
      ].map((one) => ({
        when: [],
        write: [{ op: 'put' as const, table: 'credential' as const, row: { ...row, ...one } }],
      })),
    );
    const found = await storedExpiries(store, new Set(['a', 'b']));
    expect(found.map(({ connection, what, at }) => [connection, what, at])).toEqual([
      ['a', 'refresh token', now + 20 * day],
    ]);
    await store.close();
  });

  it.each([
    [31 * day, undefined, 31],
    [30 * day + 1, undefined, 31],
    [30 * day, 30, 30],
    [8 * day, 30, 8],
    [7 * day, 7, 7],
    [day + 1, 7, 2],
    [day, 1, 1],
    [1, 1, 1],
    [0, 0, 0],
    [-5 * day, 0, -5],
  ])('%d ms ahead is level %s, %d days', (left, level, days) => {
    expect(levelOf({ at: now + left }, now)).toBe(level);
    expect(daysLeft({ at: now + left }, now)).toBe(days);
  });
});

describe('alarms', () => {
  const one = (at: number, what = 'setting apiKey'): Expiry => ({
    connection: 'crm',
    what,
    at,
    remedy: 'Get a new one.',
  });

  const watched = async (course: readonly (readonly [number, readonly Expiry[]])[]) => {
    const store = new SqliteStore({ file: ':memory:' });
    const told: string[] = [];
    let clock = now;
    const hub = {
      store,
      now: () => clock,
      alarm: (subject: string, text: string) => void told.push(`${(clock - now) / day}: ${subject}: ${text}`),
      clear: (subject: string) => void told.push(`${(clock - now) / day}: ${subject} is well`),
    };
    for (const [at, items] of course) {
      clock = now + at * day;
      await watchExpiries(hub, items);
    }
    const forecast = await forecastOf(store);
    await store.close();
    return { told, forecast };
  };

  it('come 30, 7 and 1 days before and at the end, once each, whenever it is looked', async () => {
    const at = now + 40 * day;
    const hours = Array.from({ length: 24 * 45 }, (_, i) => [i / 24, [one(at)]] as const);
    const { told } = await watched(hours);
    expect(told.map((text) => text.split(':')[0])).toEqual(['10', '33', '39', '40']);
    expect(told[1]).toBe(
      '33: expiry crm setting apiKey: setting apiKey of connection crm ends on 2026-07-11, in 7 days. Get a new one.',
    );
    expect(told[3]).toContain('ended on 2026-07-11');
  });

  it('a gateway that was away tells where it is now, once', async () => {
    const at = now + 40 * day;
    const { told } = await watched([
      [0, [one(at)]],
      [36, [one(at)]],
      [36.1, [one(at)]],
    ]);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('in 4 days');
  });

  it('end when it is renewed, or taken away, and begin anew for another end', async () => {
    const { told, forecast } = await watched([
      [0, [one(now + 5 * day), one(now + 6 * day, 'refresh token')]],
      [1, [one(now + 400 * day)]],
      [395, [one(now + 400 * day)]],
    ]);
    expect(told.map((text) => text.slice(0, 40))).toEqual([
      '0: expiry crm setting apiKey: setting ap',
      '0: expiry crm refresh token: refresh tok',
      '1: expiry crm setting apiKey is well',
      '1: expiry crm refresh token is well',
      '395: expiry crm setting apiKey: setting ',
    ]);
    expect(forecast.items.map((item) => expiryWords(item, now + 395 * day))).toEqual([
      'setting apiKey of connection crm ends on 2027-07-06, in 5 days',
    ]);
  });
});
