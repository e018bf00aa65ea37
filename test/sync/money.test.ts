/** Budgets of money: never more is written than they leave before the stop, however the writes are split, and whatever restarts. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/connector.ts';
import { isObject } from '../../src/merge/record.ts';
import type { Budget, MoneyAmount } from '../../src/merge/policy.ts';
import type { ToyObject } from '../../src/simulate/toy.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { grantOpen } from '../../src/sync/budget.ts';
import { deliver } from '../../src/sync/deliver.ts';
import type { Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { moneyIn, moneySpent, Purse, type Money } from '../../src/sync/money.ts';
import { standingRun } from '../../src/sync/runs.ts';
import { Pair } from './pair.ts';

const money = (amount: number, currency = 'CNY'): Json => ({ amount, currency });
const limit = (most: number, per: 'run' | 'day' = 'day', currency = 'CNY'): MoneyAmount => ({
  text: `${(most / 100).toFixed(2)} ${currency}/${per}`,
  per,
  currency,
  most,
});
const budgetOf = (...amount: MoneyAmount[]): Budget => ({ creates: [], updates: [], removes: [], amount });

/** `note` holds the money; B has the budget. */
const pairWith = (budget: Budget): { pair: Pair; b: Sync } => {
  const pair = new Pair({ sync: (sync) => (sync.name === 'B' ? { ...sync, budget } : sync) });
  const b = pair.hub.syncs.get('B');
  if (b === undefined) throw new Error('no B');
  return { pair, b };
};

/** One pass of the process that is alive now; another one each time. */
const pass = async (pair: Pair, b: Sync, most = 256): Promise<string | undefined> => {
  pair.time += 100_000;
  const hub = { ...pair.hub };
  return (await deliver(hub, b, await standingRun(hub, 'upkeep', 'test', new Set()), most)).over;
};

/** All money that the gateway has written in B, by currency. */
const writtenIn = (pair: Pair): Money => {
  const sums: Record<string, number> = {};
  for (const { log } of pair.b.objects.values()) {
    for (const { by, value } of log['note'] ?? []) {
      if (by !== 'gateway' || !isObject(value)) continue;
      const currency = String(value['currency']);
      sums[currency] = (sums[currency] ?? 0) + Math.abs(Number(value['amount']));
    }
  }
  return sums;
};

const takeIn = async (pair: Pair): Promise<void> => {
  await pair.read(pair.a);
  pair.time += 100_000;
  const run = await standingRun(pair.hub, 'upkeep', 'A/person', new Set());
  while ((await intake(pair.hub, 'A/person', run)).taken > 0);
};

describe('what counts', () => {
  it('is the absolute amount of each field that holds money, by currency', () => {
    const fields = {
      total: money(-1250),
      paid: money(250),
      fee: money(3, 'JPY'),
      name: 'x',
      broken: { amount: 1.5, currency: 'CNY' },
      other: { amount: 7 },
      none: null,
    };
    expect(moneyIn(fields)).toEqual({ CNY: 1500, JPY: 3 });
  });

  it('is nothing where a write touches no money', async () => {
    const { pair, b } = pairWith(budgetOf(limit(1000)));
    const [a] = [pair.file(pair.a, { email: 'ann@x.cn', note: money(900) })];
    await pair.sync();
    expect(writtenIn(pair)).toEqual({ CNY: 900 });
    pair.edit(pair.a, a, { name: 'Ann' });
    await takeIn(pair);
    expect(await pass(pair, b)).toBeUndefined();
    expect([...pair.b.objects.values()][0]?.value['name']).toBe('Ann');
    expect(await moneySpent(pair.hub, 'B', ['CNY'])).toEqual({ CNY: 900 });
  });
});

describe('a sync that would write too much money', () => {
  it('stops before the first write, says what is wanted, and goes on once a person has allowed it', async () => {
    const { pair, b } = pairWith(budgetOf(limit(100_000)));
    for (let n = 0; n < 3; n += 1) pair.file(pair.a, { email: `m${n}@x.cn`, note: money(40_000) });
    await pair.sync();
    expect(writtenIn(pair)).toEqual({});
    expect(await pass(pair, b)).toBe(
      '1200.00 CNY are wanted, 0.00 CNY were written in the last 24 hours, and the budget is 1000.00 CNY/day. Most of them were opened by run ' +
        String(
          (await pair.store.list('effect', 'due', { where: { sync: 'B', state: 'open' }, limit: 1 }))[0]?.[
            'run'
          ],
        ),
    );
    const granted = await grantOpen(pair.hub, 'B', false, 'lin', b);
    expect(granted).toEqual({ creates: 3, updates: 0, removes: 0, amount: { CNY: 120_000 } });
    await pair.takeIn();
    expect(writtenIn(pair)).toEqual({ CNY: 120_000 });
    // What was allowed is used up, and the budget is still whole.
    pair.file(pair.a, { email: 'm9@x.cn', note: money(100_000) });
    await takeIn(pair);
    expect(await pass(pair, b)).toBeUndefined();
    pair.file(pair.a, { email: 'm10@x.cn', note: money(1) });
    await takeIn(pair);
    expect(await pass(pair, b)).toContain('0.01 CNY are wanted, 2200.00 CNY were written');
    // A day later nothing of it is left.
    pair.time += 25 * 3_600_000;
    expect(await pass(pair, b)).toBeUndefined();
    expect(writtenIn(pair)).toEqual({ CNY: 220_001 });
  });

  it('does not go around its budget in another currency', async () => {
    const { pair, b } = pairWith(budgetOf(limit(100_000), limit(500, 'run', 'JPY')));
    pair.file(pair.a, { email: 'a@x.cn', note: money(1, 'EUR') });
    await pair.sync();
    expect(await pass(pair, b)).toContain('0.01 EUR are wanted');
    expect(await pass(pair, b)).toContain('it names no EUR');
    expect(writtenIn(pair)).toEqual({});
    await grantOpen(pair.hub, 'B', false, 'lin', b);
    pair.file(pair.a, { email: 'b@x.cn', note: money(501, 'JPY') });
    await takeIn(pair);
    expect(await pass(pair, b)).toMatch(
      /^501 JPY are wanted, 0 JPY were written in run \S+, and the budget is 5\.00/u,
    );
  });
});

const currencies = ['CNY', 'JPY'] as const;

it('never writes more than the budget and what was allowed, under any split into passes, restarts and days', async () => {
  const act = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        is: fc.constant('file' as const),
        amount: fc.integer({ min: -60, max: 60 }),
        currency: fc.constantFrom(...currencies),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        is: fc.constant('edit' as const),
        which: fc.nat(20),
        amount: fc.integer({ min: -60, max: 60 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ is: fc.constant('pass' as const), most: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('allow' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 150 }),
      fc.array(act, { maxLength: 25 }),
      async (most, acts) => {
        const { pair, b } = pairWith(budgetOf(limit(most), limit(most, 'day', 'JPY')));
        await pair.sync();
        const files: ToyObject[] = [];
        const allowed: Record<string, number> = {};
        let wasOver = false;
        for (const [n, one] of acts.entries()) {
          if (one.is === 'file') {
            files.push(pair.file(pair.a, { email: `m${n}@x.cn`, note: money(one.amount, one.currency) }));
            await takeIn(pair);
          } else if (one.is === 'edit') {
            const file = files[one.which % Math.max(files.length, 1)];
            if (file === undefined) continue;
            pair.edit(pair.a, file, { note: money(one.amount) });
            await takeIn(pair);
          } else if (one.is === 'allow') {
            // People allow what has stopped.
            if (!wasOver) continue;
            const { amount } = await grantOpen(pair.hub, 'B', false, 'lin', b);
            for (const [currency, units] of Object.entries(amount))
              allowed[currency] = (allowed[currency] ?? 0) + units;
            wasOver = false;
          } else {
            const before = writtenIn(pair);
            const over = await pass(pair, b, one.most);
            wasOver = over !== undefined;
            if (wasOver) expect(writtenIn(pair)).toEqual(before);
          }
          const written = writtenIn(pair);
          for (const currency of currencies)
            expect(written[currency] ?? 0).toBeLessThanOrEqual(most + (allowed[currency] ?? 0));
          expect(await moneySpent(pair.hub, 'B', Object.keys(written))).toEqual(written);
        }
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);

it('a purse gives no more than there is, however many reach into it at once', async () => {
  const store = new SqliteStore({ file: ':memory:', immediate: true });
  const sync = { ...pairWith(budgetOf(limit(100), limit(60, 'run'))).b };
  const wants = fc.array(fc.record({ run: fc.constantFrom('r1', 'r2'), amount: fc.nat(50) }), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(wants, fc.nat(30), async (given, grant) => {
      const purse = new Purse({ store, now: () => 0 }, sync, { CNY: grant });
      const taken = await Promise.all(given.map(({ run, amount }) => purse.take(run, { CNY: amount })));
      const sum = (wanted: (run: string) => boolean): number =>
        given.reduce(
          (total, { run, amount }, i) => total + (taken[i] === true && wanted(run) ? amount : 0),
          0,
        );
      expect(sum(() => true)).toBeLessThanOrEqual(100 + grant);
      for (const run of ['r1', 'r2']) expect(sum((one) => one === run)).toBeLessThanOrEqual(60 + grant);
      expect(purse.over === undefined).toBe(taken.every(Boolean));
    }),
  );
  await store.close();
});
