/**
 * What of a connection ends when: what renews its tokens, certificates, keys whose end is stated, what a vendor has
 * announced to end. Told ahead: 30, 7 and 1 days before, and when it is over, once each. A token that is renewed by
 * itself is no news.
 */
import { X509Certificate } from 'node:crypto';
import type { Connector, Json, JsonObject } from '../connector.ts';
import type { Store } from '../store/store.ts';
import { credentialOf } from './credential.ts';

export interface Expiry {
  readonly connection: string;
  /** Such as `setting apiKey`, `certificate in setting cert`, `refresh token`, `API version v3`. */
  readonly what: string;
  /** UTC ms. */
  readonly at: number;
  /** What to do, as a sentence. */
  readonly remedy: string;
}

const day = 86_400_000;
/** Days ahead, farthest first; 0: it is over. */
const levels = [30, 7, 1, 0] as const;

const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/gu;

/** The end of the first certificate in a text that ends; undefined if there is none that can be read. */
const endOfCertificates = (text: string): number | undefined => {
  const ends = [...text.matchAll(certificate)].flatMap(([pem]) => {
    try {
      return [new X509Certificate(pem).validToDate.getTime()];
    } catch {
      // The connector says what is wrong with it.
      return [];
    }
  });
  return ends.length === 0 ? undefined : Math.min(...ends);
};

const certificatesIn = (
  value: Json | undefined,
  at: readonly string[],
): { setting: string; end: number }[] => {
  if (typeof value === 'string') {
    const end = endOfCertificates(value);
    return end === undefined ? [] : [{ setting: at.join('.'), end }];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => certificatesIn(inner, [...at, name]));
};

/** What the settings of a connection tell. */
export const expiriesOf = (
  source: { readonly name: string; readonly expires?: Readonly<Record<string, string>> },
  connector: Connector,
  values: JsonObject,
): Expiry[] => {
  const connection = source.name;
  const stated = Object.entries(source.expires ?? {}).map(([setting, last]) => ({
    connection,
    what: `setting ${setting}`,
    at: Date.parse(last),
    remedy: 'Get a new one, put it where the setting reads it, and correct "expires".',
  }));
  const certificates = certificatesIn(values, []).map(({ setting, end }) => ({
    connection,
    what: `certificate in setting ${setting}`,
    at: end,
    remedy: 'Have a new one issued and put it where the setting reads it.',
  }));
  const sunsets = (connector.sunset?.(values) ?? []).map(({ what, last, instead }) => ({
    connection,
    what,
    at: Date.parse(last) + day,
    remedy: instead,
  }));
  return [...stated, ...certificates, ...sunsets];
};

/** What renews tokens, as far as remotes have said when it ends. Needs no key. */
export const storedExpiries = async (store: Store, connections: ReadonlySet<string>): Promise<Expiry[]> => {
  const rows = await store.list('credential', 'connection', { where: {}, limit: 10_000 });
  return rows.map(credentialOf).flatMap(({ connection, ends }) =>
    ends === null || !connections.has(connection)
      ? []
      : [
          {
            connection,
            what: 'refresh token',
            at: ends,
            remedy: 'Authorise the connection anew and put what you get into its settings.',
          },
        ],
  );
};

/** Days until then, rounded up; 0 and less: it is over. */
export const daysLeft = ({ at }: Pick<Expiry, 'at'>, now: number): number => Math.ceil((at - now) / day);

export const expiryWords = (one: Expiry, now: number): string => {
  const left = daysLeft(one, now);
  const on = new Date(one.at).toISOString().slice(0, 10);
  const when = left <= 0 ? `ended on ${on}` : `ends on ${on}, in ${left} ${left === 1 ? 'day' : 'days'}`;
  return `${one.what} of connection ${one.connection} ${when}`;
};

/** How near it is: the level that it has reached, or undefined. */
export const levelOf = (one: Pick<Expiry, 'at'>, now: number): number | undefined =>
  levels.findLast((level) => daysLeft(one, now) <= level);

// ---------------------------------------------------------------- watching

const setting = 'expiries';

interface Told {
  readonly at: number;
  readonly level: number;
}

/** As the store keeps it, for `status`: what was found, and by subject what has been told of it. */
export interface Forecast {
  readonly items: readonly Expiry[];
  readonly told: Readonly<Record<string, Told>>;
}

export const forecastOf = async (store: Store): Promise<Forecast> =>
  ((await store.get('setting', { name: setting }))?.['value'] as Forecast | undefined) ?? {
    items: [],
    told: {},
  };

export interface Watching {
  readonly store: Store;
  now(): number;
  alarm(subject: string, text: string): void;
  clear?(subject: string): void;
}

/** Raises the alarms that are due, ends those that are over, and keeps the forecast. */
export const watchExpiries = async (hub: Watching, items: readonly Expiry[]): Promise<void> => {
  const now = hub.now();
  const before = await forecastOf(hub.store);
  const told: Record<string, Told> = {};
  for (const one of items) {
    const level = levelOf(one, now);
    if (level === undefined) continue;
    const subject = `expiry ${one.connection} ${one.what}`;
    const last = Object.hasOwn(before.told, subject) ? before.told[subject] : undefined;
    const isTold = last !== undefined && last.at === one.at && last.level <= level;
    if (!isTold) hub.alarm(subject, `${expiryWords(one, now)}. ${one.remedy}`);
    told[subject] = { at: one.at, level };
  }
  for (const subject of Object.keys(before.told)) if (!Object.hasOwn(told, subject)) hub.clear?.(subject);
  const value: Forecast = { items: [...items].sort((a, b) => a.at - b.at), told };
  if (JSON.stringify(value) === JSON.stringify(before)) return;
  const row = { name: setting, value, at: now, by: 'crosswalk' };
  await hub.store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
};
