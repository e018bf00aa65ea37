/**
 * Quotas of a day, planned across what the calls are for: what is worth more goes first, and what is worth less gets what
 * the others will leave. How much they will need until the day ends is taken from the same hours of the days before.
 */
import { DateTime } from 'luxon';
import { Trouble, type DayQuota, type Session } from './connector.ts';
import { CrosswalkError } from './errors.ts';
import type { Path } from './trace.ts';

/**
 * What calls are for, the most worth first: what others use of the account, a person who waits, money, changes, polls, the
 * reading of everything.
 */
export const worths = ['others', 'person', 'payment', 'change', 'poll', 'backfill'] as const;
export type Worth = (typeof worths)[number];

/** What a call is for: of a lane by what it does, of a kind that is about money, or of somebody who waits. */
export const worthOf = ({ lane, kind }: Path, kinds: Session['kinds'] = {}): Worth => {
  if (lane === undefined) return 'person';
  if (lane.startsWith('sweep:') || lane.startsWith('catch-up:')) return 'backfill';
  if (kind !== undefined && Object.hasOwn(kinds, kind) && kinds[kind]?.money === true) return 'payment';
  return lane.startsWith('poll:') ? 'poll' : 'change';
};

/** Calls of one worth in one hour; `hour` is its beginning, UTC ms. */
export interface HourCalls {
  readonly worth: Worth;
  readonly hour: number;
  readonly calls: number;
}

/** Where calls are counted by the hour for all processes, and beyond them. */
export interface CallBook {
  /** Of a quota, since that hour. */
  read(quota: string, since: number): Promise<readonly HourCalls[]>;
  add(quota: string, counted: readonly HourCalls[]): Promise<void>;
  /** Which quotas there are, for those who only read. */
  tell(quotas: readonly DayQuota[]): Promise<void>;
}

export interface QuotaUse {
  readonly name: string;
  readonly count: number;
  readonly used: number;
  readonly left: number;
  /** UTC ms at which it begins anew. */
  readonly resetsAt: number;
  /** What of that is kept for what is worth more than a backfill. */
  readonly kept: number;
  readonly byWorth: Readonly<Record<Worth, number>>;
}

export interface Forecast {
  /** UTC ms. */
  readonly endsAt: number;
  /** Share of that day's quota that is left in the end, what the others will need taken off. */
  readonly leaves: number;
}

export const HOUR_MS = 3_600_000;
const DAYS = 7;
/** How far back calls are of use: the week that tells what is to be expected, and the present day. */
export const KNOWN_MS = (DAYS + 1) * 24 * HOUR_MS;
/** Others may need more than they did. */
const MARGIN = 1.2;
/** Of a day's calls, kept for each while nobody knows what it needs. */
const usual: Readonly<Record<Worth, number>> = {
  others: 0,
  person: 0.02,
  payment: 0.05,
  change: 0.15,
  poll: 0.08,
  backfill: 0,
};
/** Who gives way asks again after this: what others were kept for may not have come. */
const AGAIN_MS = 600_000;
const LONGEST_DAYS = 366;

const hourOf = (now: number): number => Math.floor(now / HOUR_MS) * HOUR_MS;

/** When the day of this zone began that `now` is in, and when the next one does; UTC ms. */
export const dayAround = (now: number, zone: string): { readonly from: number; readonly to: number } => {
  const day = DateTime.fromMillis(now, { zone }).startOf('day');
  return { from: day.toMillis(), to: day.plus({ days: 1 }).toMillis() };
};

const sum = (calls: readonly HourCalls[]): number => calls.reduce((n, one) => n + one.calls, 0);

/** One quota, and what is known of its calls: the present day's, and those of the week before. Pure. */
export class QuotaPlan {
  readonly quota: DayQuota;
  readonly #hours: readonly HourCalls[];

  constructor(quota: DayQuota, hours: readonly HourCalls[]) {
    this.quota = quota;
    this.#hours = hours;
  }

  used(now: number): number {
    const { from } = dayAround(now, this.quota.zone);
    return sum(this.#hours.filter(({ hour }) => hour >= hourOf(from)));
  }

  /** Calls that backfills have made since then, by whole hours. */
  backfilled(since: number): number {
    return sum(this.#hours.filter(({ worth, hour }) => worth === 'backfill' && hour >= hourOf(since)));
  }

  /** Calls of this worth that are to be expected from one moment to another. */
  expected(worth: Worth, from: number, to: number, now: number): number {
    const own = this.#hours.filter((one) => one.worth === worth && one.hour < hourOf(now));
    const first = Math.min(...this.#hours.map(({ hour }) => hour));
    const days = Math.min(DAYS, Math.floor((hourOf(now) - first) / (24 * HOUR_MS)));
    const share = Math.max(0, to - from) / (24 * HOUR_MS);
    if (!Number.isFinite(first) || days < 1) return usual[worth] * this.quota.count * share;
    const since = hourOf(now) - days * 24 * HOUR_MS;
    const before = own.filter(({ hour }) => hour >= since);
    let calls = 0;
    for (let at = from; at < to; at = hourOf(at) + HOUR_MS) {
      const part = (Math.min(to, hourOf(at) + HOUR_MS) - at) / HOUR_MS;
      const same = before.filter(({ hour }) => (hourOf(at) - hour) % (24 * HOUR_MS) === 0);
      calls += (sum(same) / days) * part;
    }
    return calls * MARGIN;
  }

  /** What is kept until the day ends for all that is worth more than this. */
  kept(worth: Worth, now: number): number {
    const { to } = dayAround(now, this.quota.zone);
    const above = worths.slice(0, worths.indexOf(worth));
    return Math.ceil(above.reduce((calls, one) => calls + this.expected(one, now, to, now), 0));
  }

  use(now: number): QuotaUse {
    const { from, to } = dayAround(now, this.quota.zone);
    const used = this.used(now);
    const today = this.#hours.filter(({ hour }) => hour >= hourOf(from));
    const byWorth = Object.fromEntries(
      worths.map((worth) => [worth, sum(today.filter((one) => one.worth === worth))]),
    ) as Record<Worth, number>;
    const { name, count } = this.quota;
    return {
      name,
      count,
      used,
      left: Math.max(0, count - used),
      resetsAt: to,
      kept: this.kept('backfill', now),
      byWorth,
    };
  }

  /** Why a call of this worth is not made now; undefined if it may be. */
  against(worth: Worth, now: number, kept = this.kept(worth, now)): Trouble | undefined {
    const { name, count, zone } = this.quota;
    const { to } = dayAround(now, zone);
    const left = count - this.used(now);
    const words = `the day's ${count} calls (${name})`;
    const anew = DateTime.fromMillis(to, { zone }).toISO() ?? '';
    if (left < 1)
      return new Trouble('busy', {
        message: `${words} are used up; they begin anew at ${anew}. Nothing was sent`,
        retryAfter: to - now,
      });
    if (left - kept >= 1) return undefined;
    return new Trouble('busy', {
      message: `${Math.floor(left)} of ${words} are left and kept for what is worth more than a ${worth}, until ${anew}. Nothing was sent`,
      retryAfter: Math.min(AGAIN_MS, to - now),
    });
  }

  /**
   * When a backfill of so many more calls ends that makes at most `perHour` of them, or as many as there are (null); null
   * if it does not within a year.
   */
  forecast(calls: number, perHour: number | null, now: number): Forecast | null {
    const { count, zone } = this.quota;
    let [left, at, used] = [calls, now, this.used(now)];
    for (let day = 0; day < LONGEST_DAYS; day += 1) {
      const { to } = dayAround(at, zone);
      const others = worths
        .slice(0, -1)
        .reduce((needs, worth) => needs + this.expected(worth, at, to, now), 0);
      const free = Math.max(0, count - used - others);
      const makes = Math.min(free, perHour === null ? free : ((to - at) / HOUR_MS) * perHour);
      if (left <= makes) {
        const endsAt = perHour === null || perHour === 0 ? at : at + (left / perHour) * HOUR_MS;
        return { endsAt: Math.round(endsAt), leaves: Math.max(0, (free - left) / count) };
      }
      left -= makes;
      at = to;
      used = 0;
    }
    return null;
  }
}

/** A forecast in words: `this backfill ends Thursday 14:00 and leaves 30 % of the day's quota`. */
export const forecastWords = (forecast: Forecast | null, { zone }: DayQuota, now: number): string => {
  if (forecast === null) return 'at this pace it does not end within a year under the quota of a day';
  const at = DateTime.fromMillis(forecast.endsAt, { zone, locale: 'en' });
  const isSoon = forecast.endsAt - now < 6 * 24 * HOUR_MS;
  const when = at.toFormat(isSoon ? 'cccc HH:mm' : 'yyyy-MM-dd HH:mm');
  return `this backfill ends ${when} (${zone}) and leaves ${Math.floor(forecast.leaves * 100)} % of the day's quota`;
};

// ---------------------------------------------------------------- as calls are made

export interface DayQuotasOptions {
  readonly connector: string;
  readonly quotas: readonly DayQuota[];
  now(): number;
  /** Absent: what is counted is forgotten with the process. */
  readonly book?: CallBook | undefined;
  /** Told when the book could not be read or written: counting goes on. */
  onFailed?(error: unknown): void;
}

/** ms between two readings of what other processes have counted. */
const RENEWAL_MS = 30_000;
const KEPT_MS = 10_000;

interface Counting {
  readonly quota: DayQuota;
  /** What was kept for others when it was last computed: it changes slowly, and costs. */
  readonly kept: Map<Worth, { readonly at: number; readonly calls: number }>;
  /** As the book had them when it was last read. */
  known: readonly HourCalls[];
  /** Counted here since, and not in the book yet. */
  fresh: HourCalls[];
}

/** The day quotas of one connection, counted as its calls go out. */
export class DayQuotas {
  readonly #options: DayQuotasOptions;
  readonly #counting: readonly Counting[];
  #renewedAt = Number.NEGATIVE_INFINITY;
  #renewing: Promise<void> | undefined;
  #told = false;

  constructor(options: DayQuotasOptions) {
    const { connector, quotas } = options;
    for (const { name, count, zone } of quotas) {
      const isSound = Number.isInteger(count) && count > 0 && DateTime.local({ zone }).isValid;
      if (!isSound)
        throw new CrosswalkError('connector-contract', {
          connector,
          detail: `it declares day quota ${name} without a whole count above 0 or a zone that exists`,
        });
    }
    this.#options = options;
    this.#counting = quotas.map((quota) => ({
      quota,
      kept: new Map(),
      known: [],
      fresh: [],
    }));
  }

  /**
   * Counts a call that is about to go out; throws Trouble `busy` where none of this worth may be made now. `groups`: the
   * limits that the call names.
   */
  async admit(groups: readonly string[] | undefined, worth: Worth): Promise<void> {
    await this.#renew();
    const own = this.#own(groups);
    for (const one of own) {
      const plan = this.#plan(one);
      const trouble = plan.against(worth, this.#options.now(), this.#kept(one, plan, worth));
      if (trouble !== undefined) throw trouble;
    }
    // Nothing is waited for between the question and the count: of many that ask at once no more go than there are.
    for (const one of own) this.#add(one, worth, 1);
  }

  /** One more request of a call that was admitted (`n` 1): repeats count as well; or it never went out (-1). */
  count(groups: readonly string[] | undefined, worth: Worth, n: 1 | -1): void {
    for (const one of this.#own(groups)) this.#add(one, worth, n);
  }

  /** The remote tells how many are left: what others have used of the account counts as well. */
  learn(name: string, left: number): void {
    const one = this.#counting.find(({ quota }) => quota.name === name);
    if (one === undefined || !Number.isFinite(left)) return;
    const more = one.quota.count - left - this.#plan(one).used(this.#options.now());
    if (more > 0) this.#add(one, 'others', Math.floor(more));
  }

  async use(): Promise<QuotaUse[]> {
    await this.#renew();
    return this.#counting.map((one) => this.#plan(one).use(this.#options.now()));
  }

  /** Writes down what was counted here. */
  async settle(): Promise<void> {
    await this.#renewing;
    this.#renewedAt = Number.NEGATIVE_INFINITY;
    await this.#renew();
  }

  #own(groups: readonly string[] | undefined): readonly Counting[] {
    const named = new Set(groups);
    const isOnly = this.#counting.length === 1;
    return this.#counting.filter(({ quota: { name } }) => isOnly || name === 'default' || named.has(name));
  }

  #kept(one: Counting, plan: QuotaPlan, worth: Worth): number {
    const now = this.#options.now();
    const before = one.kept.get(worth);
    if (before !== undefined && Math.abs(now - before.at) < KEPT_MS) return before.calls;
    const calls = plan.kept(worth, now);
    one.kept.set(worth, { at: now, calls });
    return calls;
  }

  #plan({ quota, known, fresh }: Counting): QuotaPlan {
    return new QuotaPlan(quota, [...known, ...fresh]);
  }

  #add({ fresh }: Counting, worth: Worth, calls: number): void {
    const hour = hourOf(this.#options.now());
    const at = fresh.findIndex((each) => each.hour === hour && each.worth === worth);
    const before = fresh[at];
    if (before === undefined) fresh.push({ worth, hour, calls });
    else fresh[at] = { ...before, calls: before.calls + calls };
  }

  /** One at a time; who comes meanwhile goes on with what is known, but for the first time. */
  async #renew(): Promise<void> {
    const { book, now } = this.#options;
    const isOver = this.#counting.length === 0 && this.#told;
    if (isOver || book === undefined || now() - this.#renewedAt < RENEWAL_MS) return;
    const isFirst = this.#renewedAt === Number.NEGATIVE_INFINITY;
    this.#renewing ??= this.#exchange(book).finally(() => (this.#renewing = undefined));
    if (isFirst) await this.#renewing;
  }

  async #exchange(book: CallBook): Promise<void> {
    const { now, onFailed, quotas } = this.#options;
    try {
      if (!this.#told) await book.tell(quotas);
      this.#told = true;
      for (const one of this.#counting) await this.#write(book, one);
    } catch (error) {
      onFailed?.(error);
    }
    this.#renewedAt = now();
  }

  async #write(book: CallBook, one: Counting): Promise<void> {
    const { fresh, known } = one;
    if (fresh.length > 0) {
      // Counted throughout, wherever it stands.
      one.known = [...known, ...fresh];
      one.fresh = [];
      try {
        await book.add(one.quota.name, fresh);
      } catch (error) {
        // It is written with what comes next.
        one.known = known;
        one.fresh = [...fresh, ...one.fresh];
        throw error;
      }
    }
    one.known = await book.read(one.quota.name, hourOf(this.#options.now()) - KNOWN_MS);
  }
}
