/** Quotas of a day: who may still call, what is kept for whom, when a backfill ends, and that nothing is counted twice or lost. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DayQuota } from '../src/connector.ts';
import {
  DayQuotas,
  dayAround,
  forecastWords,
  HOUR_MS,
  QuotaPlan,
  worthOf,
  worths,
  type HourCalls,
  type Worth,
} from '../src/quotas.ts';
import { callBook, toldQuotas } from '../src/call-book.ts';
import { SqliteStore } from '../src/store/sqlite.ts';
import { pipe, start, troubleOf } from './pipe.ts';
import { along } from '../src/trace.ts';

const quota: DayQuota = { name: 'calls', count: 1000, zone: 'Asia/Shanghai' };
/** 10:00 on a Wednesday in Shanghai. */
const now = Date.UTC(2026, 10, 25, 2);
const midnight = Date.UTC(2026, 10, 25, 16);

/** The same calls in each hour of the week before. */
const week = (worth: Worth, calls: number, days = 7): HourCalls[] =>
  Array.from({ length: days * 24 }, (_, i) => ({ worth, hour: now - (i + 1) * HOUR_MS, calls }));

const today = (worth: Worth, calls: number): HourCalls => ({ worth, hour: now, calls });

describe('a day', () => {
  it('begins at the midnight of its zone, also where clocks change', () => {
    expect(dayAround(now, quota.zone)).toEqual({ from: midnight - 24 * HOUR_MS, to: midnight });
    const autumn = dayAround(Date.UTC(2026, 9, 25, 12), 'Europe/Berlin');
    expect((autumn.to - autumn.from) / HOUR_MS).toBe(25);
  });

  it('counts from there, and what was yesterday no more', () => {
    const hours = [
      { worth: 'change' as const, hour: midnight - 25 * HOUR_MS, calls: 400 },
      { worth: 'change' as const, hour: midnight - 24 * HOUR_MS, calls: 30 },
      today('backfill', 7),
    ];
    const use = new QuotaPlan(quota, hours).use(now);
    expect(use).toMatchObject({ count: 1000, used: 37, left: 963, resetsAt: midnight });
    expect(use.byWorth).toMatchObject({ change: 30, backfill: 7, person: 0 });
  });
});

describe('what is kept', () => {
  it('is what the others made in the same hours of the week before, and a fifth more', () => {
    const plan = new QuotaPlan(quota, [...week('change', 20), ...week('payment', 5)]);
    // 14 hours until midnight, of 25 calls each.
    expect(plan.kept('backfill', now)).toBe(Math.ceil(14 * 25 * 1.2));
    expect(plan.kept('change', now)).toBe(Math.ceil(14 * 5 * 1.2));
    expect(plan.kept('payment', now)).toBe(0);
  });

  it('goes down as the day goes on, an hour’s part by part', () => {
    const plan = new QuotaPlan(quota, week('change', 20));
    expect(plan.kept('backfill', midnight - HOUR_MS / 2)).toBe(12);
    expect(plan.kept('backfill', midnight - 1)).toBeLessThanOrEqual(1);
  });

  it('is a usual share while nobody knows', () => {
    const plan = new QuotaPlan(quota, []);
    expect(plan.kept('backfill', midnight - 24 * HOUR_MS)).toBe(300);
    expect(plan.kept('person', now)).toBe(0);
  });

  it('stops what is worth less, lets the rest go on, and says so', () => {
    const plan = new QuotaPlan(quota, [...week('change', 20), today('backfill', 700)]);
    const against = (worth: Worth): string => plan.against(worth, now)?.detail.message ?? 'goes';
    expect(worths.map((worth) => against(worth) === 'goes')).toEqual([true, true, true, true, false, false]);
    expect(against('backfill')).toMatch(
      /are left and kept for what is worth more than a backfill, until 2026-11-26T00:00/u,
    );
    expect(plan.against('backfill', now)?.detail.retryAfter).toBe(600_000);
    const empty = new QuotaPlan(quota, [today('change', 1000)]);
    expect(empty.against('person', now)?.detail).toMatchObject({ retryAfter: midnight - now });
  });

  it('never lets go what is worth less where what is worth more must wait', () => {
    const hour = fc.record({
      worth: fc.constantFrom(...worths),
      hour: fc.integer({ min: 0, max: 190 }).map((n) => now - n * HOUR_MS),
      calls: fc.integer({ min: 0, max: 60 }),
    });
    fc.assert(
      fc.property(fc.array(hour, { maxLength: 60 }), fc.integer({ min: 0, max: 13 }), (hours, later) => {
        const plan = new QuotaPlan(quota, hours);
        const may = worths.map((worth) => plan.against(worth, now + later * HOUR_MS) === undefined);
        expect(may).toEqual(may.toSorted((a, b) => Number(b) - Number(a)));
      }),
    );
  });
});

describe('a forecast', () => {
  it('spreads over the days, by what the others leave of each', () => {
    const plan = new QuotaPlan(quota, week('change', 20));
    // 464 today, of which 200 calls are made; 424 a day from then on.
    const forecast = plan.forecast(800, null, now);
    expect(forecast).toEqual({ endsAt: midnight, leaves: (424 - 336) / 1000 });
    expect(forecastWords(forecast, quota, now)).toBe(
      "this backfill ends Thursday 00:00 (Asia/Shanghai) and leaves 8 % of the day's quota",
    );
    expect(plan.forecast(100, 50, now)).toEqual({ endsAt: now + 2 * HOUR_MS, leaves: 0.364 });
  });

  it('that is out of reach says so', () => {
    const plan = new QuotaPlan(quota, week('change', 40));
    expect(plan.forecast(10_000, null, now)).toBeNull();
    expect(forecastWords(null, quota, now)).toContain('does not end within a year');
  });

  it('comes true: made hour by hour under the plan, so many calls end within that hour', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 0, max: 30 }),
        (calls, perHour, others) => {
          const plan = new QuotaPlan(quota, week('change', others));
          const forecast = plan.forecast(calls, perHour, now);
          if (forecast === null) return;
          let [left, at, used] = [calls, now, plan.used(now)];
          while (left > 0) {
            const { to } = dayAround(at, quota.zone);
            let free = Math.max(0, quota.count - used - plan.expected('change', at, to, now));
            for (; at < to && left > 0; at += HOUR_MS) {
              const step = Math.min(left, perHour, free);
              left -= step;
              free -= step;
            }
            used = 0;
          }
          expect(Math.abs(at - forecast.endsAt)).toBeLessThanOrEqual(HOUR_MS);
        },
      ),
    );
  });
});

describe('what a call is for', () => {
  it('is told by its lane and its kind', () => {
    const kinds = { payment: { schema: {}, money: true }, contact: { schema: {} } };
    const worth = (lane?: string, kind?: string): Worth => worthOf({ lane, kind }, kinds);
    expect(worth()).toBe('person');
    expect(worth('in:stripe/payment', 'payment')).toBe('payment');
    expect(worth('poll:stripe/payment', 'payment')).toBe('payment');
    expect(worth('sweep:stripe/payment', 'payment'), 'all of them, from years ago').toBe('backfill');
    expect(worth('catch-up:crm', 'contact')).toBe('backfill');
    expect(worth('poll:crm/contact', 'contact')).toBe('poll');
    expect(worth('out:crm', 'contact')).toBe('change');
    expect(worth('in:crm/constructor', 'constructor')).toBe('change');
  });
});

describe('counting', () => {
  const small = { ...quota, count: 10 };
  const counting = (
    more: Partial<ConstructorParameters<typeof DayQuotas>[0]> = {},
  ): { quotas: DayQuotas; clock: { now: number } } => {
    const clock = { now };
    return {
      clock,
      quotas: new DayQuotas({ connector: 'toy', quotas: [small], now: () => clock.now, ...more }),
    };
  };
  const call = async (quotas: DayQuotas, worth: Worth = 'person'): Promise<boolean> => {
    try {
      await quotas.admit(undefined, worth);
      return true;
    } catch {
      return false;
    }
  };

  it('stops at the end of the quota and begins anew at midnight', async () => {
    const { quotas, clock } = counting();
    const made: boolean[] = [];
    for (let i = 0; i < 12; i += 1) made.push(await call(quotas));
    expect(made.filter(Boolean)).toHaveLength(10);
    clock.now = midnight - 1;
    expect(await call(quotas)).toBe(false);
    clock.now = midnight;
    expect(await call(quotas)).toBe(true);
  });

  it('lets no more go than there are, however many ask at once and while the book is written', async () => {
    const store = new SqliteStore({ file: ':memory:', immediate: true });
    const book = callBook(() => store, 'crm');
    const { quotas, clock } = counting({ book });
    for (let i = 0; i < 4; i += 1) await call(quotas);
    clock.now += 60_000;
    const all = await Promise.all(Array.from({ length: 50 }, () => call(quotas)));
    expect(all.filter(Boolean)).toHaveLength(6);
    await quotas.settle();
    expect(await quotas.use()).toMatchObject([{ used: 10, left: 0 }]);
    await store.close();
  });

  it('goes by what the remote tells is left: others use the account too, and may be expected to again', async () => {
    const { quotas } = counting();
    await call(quotas);
    quotas.learn('calls', 2);
    quotas.learn('calls', 2);
    quotas.learn('nothing', 0);
    expect(await quotas.use()).toMatchObject([{ used: 8, left: 2, byWorth: { others: 7, person: 1 } }]);
    quotas.learn('calls', 9);
    expect(await quotas.use(), 'we know of more').toMatchObject([{ used: 8 }]);
  });

  it('goes on in another process and after a restart, and loses nothing while the book cannot be written', async () => {
    const store = new SqliteStore({ file: ':memory:', immediate: true });
    const book = callBook(() => store, 'crm');
    const failed: unknown[] = [];
    let broken = false;
    const shaky: typeof book = {
      ...book,
      add: async (...args) => {
        if (broken) throw new Error('no store');
        return book.add(...args);
      },
    };
    const one = counting({ book: shaky, onFailed: (error) => failed.push(error) });
    for (let i = 0; i < 4; i += 1) await call(one.quotas);
    await one.quotas.settle();
    expect(await toldQuotas(store, 'crm')).toEqual([small]);
    const two = counting({ book });
    for (let i = 0; i < 3; i += 1) await call(two.quotas, 'payment');
    await two.quotas.settle();
    broken = true;
    expect(await call(one.quotas)).toBe(true);
    await one.quotas.settle();
    expect(failed).toEqual([new Error('no store')]);
    broken = false;
    await one.quotas.settle();
    expect(await one.quotas.use()).toMatchObject([{ used: 8, byWorth: { person: 5, payment: 3 } }]);
    expect(await counting({ book }).quotas.use()).toMatchObject([{ used: 8 }]);
    // Once the connector declares none any more nobody is told of one.
    await counting({ book, quotas: [] }).quotas.admit(undefined, 'person');
    expect(await toldQuotas(store, 'crm')).toEqual([]);
    await store.close();
  });

  it('takes no quota that makes no sense', () => {
    for (const wrong of [
      { ...small, count: 0 },
      { ...small, count: 1.5 },
      { ...small, zone: 'Mars/Base' },
    ])
      expect(() => counting({ quotas: [wrong] })).toThrow(/day quota calls/u);
  });

  it('a call that names another group does not count, unless there is only one quota', async () => {
    const { quotas } = counting({ quotas: [small, { ...small, name: 'search' }] });
    await quotas.admit(['search'], 'person');
    expect((await quotas.use()).map(({ used }) => used)).toEqual([0, 1]);
  });
});

describe('the pipe', () => {
  it('sends nothing that the day does not allow, counts repeats, and keeps the last calls for people', async () => {
    let asked = 0;
    const base = await start((_, response) => {
      asked += 1;
      // The first answer is lost on the way.
      if (asked === 1) response.destroy();
      else response.writeHead(200, { 'x-left': '7' }).end('{}');
    });
    const clock = { now };
    const quotas = new DayQuotas({
      connector: 'toy',
      quotas: [{ ...quota, count: 10 }],
      now: () => clock.now,
    });
    const { get, remote } = pipe(
      base,
      { quotas, now: () => clock.now },
      { left: ({ headers }) => ({ name: 'calls', left: Number(headers['x-left']) }) },
    );
    await get('/a');
    expect([asked, (await remote.quotas())[0]]).toMatchObject([
      2,
      { used: 3, byWorth: { person: 2, others: 1 } },
    ]);
    const scan = (): Promise<unknown> =>
      along({ lane: 'sweep:crm/contact', kind: 'contact' }, () => get('/all'));
    const stops: unknown[] = [];
    for (let made = 0; made < 20 && stops.length === 0; made += 1)
      await scan().catch((error: unknown) => stops.push(error));
    expect(stops).toMatchObject([{ kind: 'busy' }]);
    const before = asked;
    await troubleOf(scan());
    expect(asked).toBe(before);
    await get('/b');
    expect(asked).toBe(before + 1);
  });

  it('counts no call that never went out', async () => {
    const base = await start((_, response) => response.end('{}'));
    const quotas = new DayQuotas({ connector: 'toy', quotas: [quota], now: () => now });
    const { get, remote } = pipe(base, {
      quotas,
      limits: [{ name: 'calls', count: 1, per: 60_000 }],
      now: () => now,
    });
    await get('/a');
    expect((await troubleOf(get('/b', { deadline: 50 }))).kind).toBe('busy');
    expect(await remote.quotas()).toMatchObject([{ used: 1 }]);
  });
});
