/** Quotas of a day: how far each is used up, what is kept for whom, and when a backfill that comes up against one ends. */
import { forecastWords, HOUR_MS, KNOWN_MS, QuotaPlan, type QuotaUse } from '../quotas.ts';
import { callBook, toldQuotas } from '../call-book.ts';
import type { Store } from '../store/store.ts';

export interface QuotaReport extends Omit<QuotaUse, 'resetsAt'> {
  readonly connection: string;
  readonly zone: string;
  readonly resetsAt: string;
}

const plansOf = async (store: Store, connection: string, now: number): Promise<QuotaPlan[]> => {
  const book = callBook(() => store, connection);
  return Promise.all(
    (await toldQuotas(store, connection)).map(
      async (quota) => new QuotaPlan(quota, await book.read(quota.name, now - KNOWN_MS)),
    ),
  );
};

export const quotasOf = async (
  store: Store,
  connections: Iterable<string>,
  now: number,
): Promise<QuotaReport[]> => {
  const found: QuotaReport[] = [];
  for (const connection of connections)
    for (const plan of await plansOf(store, connection, now)) {
      const { resetsAt, ...use } = plan.use(now);
      found.push({ connection, zone: plan.quota.zone, ...use, resetsAt: new Date(resetsAt).toISOString() });
    }
  return found;
};

const number = (n: number): string => Math.round(n).toLocaleString('en');

export const quotaWords = ({
  connection,
  name,
  count,
  used,
  left,
  kept,
  resetsAt,
  zone,
}: QuotaReport): string =>
  `${connection}: ${number(used)} of the day's ${number(count)} calls used (${name}), ${number(left)} left, ${number(Math.min(left, kept))} of them kept for what goes before a backfill; anew at ${resetsAt} (midnight in ${zone})`;

/**
 * When the reading of everything in this connection ends under its tightest quota, in words; null without a quota, or while
 * nothing tells how many calls are to come. `done`: share that is read, 0 to 1.
 */
export const backfillForecast = async (
  store: Store,
  connection: string,
  since: number,
  done: number,
  now: number,
): Promise<string | null> => {
  if (done <= 0) return null;
  let latest: { readonly endsAt: number; readonly words: string } | undefined;
  for (const plan of await plansOf(store, connection, now)) {
    const made = plan.backfilled(since);
    if (made === 0) continue;
    const perHour = made / Math.max(1 / 60, (now - since) / HOUR_MS);
    const forecast = plan.forecast((made * (1 - done)) / done, perHour, now);
    const endsAt = forecast?.endsAt ?? Number.POSITIVE_INFINITY;
    if (latest === undefined || endsAt > latest.endsAt)
      latest = { endsAt, words: forecastWords(forecast, plan.quota, now) };
  }
  return latest?.words ?? null;
};
