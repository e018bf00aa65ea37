/** Readings that are under way: how far each has come, at what pace, and how long the rest takes. */
import type { Store } from '../store/store.ts';
import { backfillForecast } from './quotas.ts';
import { rateOf, remainingOf, type Pace } from '../sync/pace.ts';
import { runOf, type Run } from '../sync/runs.ts';

export interface Reading {
  readonly lane: string;
  readonly kind: 'scan' | 'poll';
  /** Null until the first page has come. */
  readonly run: string | null;
  readonly since: string | null;
  readonly pages: number;
  readonly read: number;
  /** How many objects there are; null where nobody knows. */
  readonly total: number | null;
  /** `remote`: its own count. `last scan`: as many as there were then. */
  readonly from: 'remote' | 'last scan' | null;
  /** Objects a second of late; null before that says something. */
  readonly perSecond: number | null;
  /** Seconds until all is read, waits that the remote has asked for included; null where nobody knows. */
  readonly left: number | null;
  /** Of a scan under a quota of a day: when it ends, and what it leaves of that; null otherwise. */
  readonly forecast: string | null;
  /** Set while the remote has asked to wait. */
  readonly waits: { readonly until: string; readonly why: string } | null;
  /** Seconds since the last page. */
  readonly quiet: number | null;
}

/** How many objects the last whole scan of a lane has shown; null if none is remembered. */
export const lastScan = async (store: Store, lane: string): Promise<number | null> => {
  const rows = await store.list('run', 'at', { where: {}, newest: true, limit: 1000 });
  const isWhole = ({ kind, subject, state, ended }: Run): boolean =>
    kind === 'scan' && subject === lane && state === 'closed' && ended !== null;
  return rows.map(runOf).find(isWhole)?.read ?? null;
};

interface Place {
  readonly page: string | null;
  readonly run: string | null;
  readonly pace: Pace | null;
}

/** The reading of a lane that is under way; undefined if none is. `last`: see `lastScan`. */
export const readingOf = async (
  store: Store,
  lane: string,
  last: number | null,
  now: number,
): Promise<Reading | undefined> => {
  const scan = (await store.get('cursor', { lane: `scan:${lane}` })) as unknown as Place | undefined;
  const poll = (await store.get('cursor', { lane })) as unknown as Place | undefined;
  const place = scan ?? (poll?.page == null ? undefined : poll);
  if (place === undefined) return undefined;
  const row = place.run === null ? undefined : await store.get('run', { id: place.run });
  const run = row === undefined ? null : runOf(row);
  const kind = scan === undefined ? 'poll' : 'scan';
  const { pace } = place;
  const read = run?.read ?? 0;
  // What was there last time says nothing any more once more than that has been read.
  const likely = kind === 'scan' && last !== null && last >= read ? last : null;
  const total = run?.total ?? likely;
  const rate = pace === null ? null : rateOf(pace, now);
  const left = pace === null ? null : remainingOf(pace, read, total, now);
  const latest = pace?.samples.at(-1)?.[0];
  return {
    lane,
    kind,
    run: place.run,
    since: run === null ? null : new Date(run.at).toISOString(),
    pages: pace?.pages ?? 0,
    read,
    total,
    from: total === null ? null : run?.total == null ? 'last scan' : 'remote',
    perSecond: rate === null ? null : Math.round(rate * 10) / 10,
    left: left === null ? null : Math.ceil(left / 1000),
    forecast:
      kind === 'poll' || run === null || total === null
        ? null
        : await backfillForecast(
            store,
            lane.split('/')[0] ?? '',
            run.at,
            total === 0 ? 1 : read / total,
            now,
          ),
    waits:
      pace?.waits === undefined
        ? null
        : { until: new Date(pace.waits.until).toISOString(), why: pace.waits.why },
    quiet: latest === undefined ? null : Math.max(0, Math.round((now - latest) / 1000)),
  };
};

const span = (seconds: number): string =>
  seconds < 120
    ? `${seconds} s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;

const number = (n: number): string => n.toLocaleString('en');

/** The rest of a sentence: what comes when, or that nobody knows. */
export const leftWords = (perSecond: number | null, left: number | null): string => {
  const rate = perSecond === null ? '' : `${number(perSecond >= 10 ? Math.round(perSecond) : perSecond)}/s, `;
  return `${rate}time left ${left === null ? 'unknown' : `about ${span(left)}`}`;
};

/** A reading in one line. */
export const readingWords = (
  { lane, pages, read, total, from, perSecond, left, waits, forecast }: Reading,
  now: number,
): string => {
  const of =
    total === null
      ? ''
      : from === 'remote'
        ? ` of ${number(total)}`
        : ` of about ${number(total)} (the last scan)`;
  const wait = waits === null ? 0 : Math.ceil((Date.parse(waits.until) - now) / 1000);
  const asked = wait > 0 ? `, the remote asks to wait ${span(wait)} more (${waits?.why ?? ''})` : '';
  return `${lane}: ${number(read)}${of} read in ${number(pages)} ${pages === 1 ? 'page' : 'pages'}, ${leftWords(perSecond, left)}${asked}${forecast === null ? '' : `; ${forecast}`}`;
};

/** The readings of these lanes that are under way. */
export const readingsOf = async (store: Store, lanes: Iterable<string>, now: number): Promise<Reading[]> => {
  const found: Reading[] = [];
  for (const lane of new Set(lanes)) {
    const one = await readingOf(store, lane, null, now);
    if (one === undefined) continue;
    const likely = one.total === null ? await readingOf(store, lane, await lastScan(store, lane), now) : one;
    found.push(likely ?? one);
  }
  return found;
};
