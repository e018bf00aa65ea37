/**
 * Budgets of money: how much a sync may write into fields that hold money, by currency, before a person is asked. What
 * counts is the absolute amount of each such field at each write, in whole minor units. Money in a currency that no entry
 * of the budget names has none: it would be a way around the others.
 */
import type { Json } from '../connector.ts';
import { amountText } from '../mapping/amounts.ts';
import type { Fields } from '../mapping/lens.ts';
import { delta } from '../merge/delta.ts';
import type { Budget, MoneyAmount } from '../merge/policy.ts';
import { isObject, type LinkState, type RecordState } from '../merge/record.ts';
import type { Draft } from './draft.ts';
import { loadHolds, type EffectRow, type Hub, type Sync } from './hub.ts';
import { spend, spent } from './quota.ts';

/** Minor units by currency. */
export type Money = Readonly<Record<string, number>>;

/** The absolute amounts of the fields that hold money. */
export const moneyIn = (fields: Fields): Money => {
  const sums: Record<string, number> = {};
  for (const value of Object.values<Json>(fields)) {
    if (!isObject(value)) continue;
    const { amount, currency } = value;
    if (typeof amount !== 'number' || !Number.isSafeInteger(amount) || typeof currency !== 'string') continue;
    sums[currency] = (sums[currency] ?? 0) + Math.abs(amount);
  }
  return sums;
};

export const addMoney = (a: Money, b: Money): Money => {
  const sums = { ...a };
  for (const [currency, amount] of Object.entries(b)) sums[currency] = (sums[currency] ?? 0) + amount;
  return sums;
};

export const hasMoneyBudget = (budget: Budget | undefined): boolean => (budget?.amount ?? []).length > 0;

/** What a write of this record to its object would count, as both are now. */
export const moneyWanted = async (
  hub: Pick<Hub, 'store'>,
  { name, lens }: Pick<Sync, 'name' | 'lens'>,
  { object }: Pick<EffectRow, 'object'>,
  record: RecordState,
  link: LinkState | null,
): Promise<Money> => {
  const holds = await loadHolds(hub, record.id, name, object);
  return moneyIn(delta(record, link, lens, holds));
};

const counter = (sync: string, currency: string, run?: string): string =>
  `${run === undefined ? 'day' : `run ${run}`}:${sync}:amount ${currency}`;

/** What was written of each of these currencies in any 24 hours. */
export const moneySpent = async (
  hub: Pick<Hub, 'store' | 'now'>,
  sync: string,
  currencies: Iterable<string>,
): Promise<Money> => {
  const sums: Record<string, number> = {};
  for (const currency of new Set(currencies)) sums[currency] = await spent(hub, counter(sync, currency));
  return sums;
};

/** Counts the money of one write in the commit that puts its call on disk. */
export const spendMoney = async (draft: Draft, sync: Sync, run: string, fields: Fields): Promise<void> => {
  if (!hasMoneyBudget(sync.budget)) return;
  for (const [currency, amount] of Object.entries(moneyIn(fields))) {
    await spend(draft, counter(sync.name, currency), amount);
    await spend(draft, counter(sync.name, currency, run), amount);
  }
};

/** The limits of a currency. */
const limitsOf = (budget: Budget | undefined, currency: string): readonly MoneyAmount[] => {
  const own = (budget?.amount ?? []).filter((one) => one.currency === currency);
  return own.length > 0 ? own : [{ text: `none: it names no ${currency}`, per: 'day', currency, most: 0 }];
};

/** One limit, what was written under it, and what may still be. */
interface Limit {
  readonly amount: MoneyAmount;
  readonly name: string;
  readonly run: string | null;
  readonly used: number;
  left: number;
}

const overWords = ({ amount: { currency, text }, run, used }: Limit, wanted: number): string => {
  const of = run === null ? 'the last 24 hours' : `run ${run}`;
  return `${amountText(wanted, currency)} are wanted, ${amountText(used, currency)} were written in ${of}, and the budget is ${text}`;
};

/** What may still be written, kept while one pass writes: whoever holds the lane is the only one who spends from it. */
export class Purse {
  readonly #hub: Pick<Hub, 'store' | 'now'>;
  readonly #sync: Sync;
  readonly #grant: Money;
  readonly #limits = new Map<string, Promise<Limit>>();
  /** Why something was not written; undefined while all was. */
  over: string | undefined;

  /** `grant`: what a person has allowed above the budget. */
  constructor(hub: Pick<Hub, 'store' | 'now'>, sync: Sync, grant: Money) {
    this.#hub = hub;
    this.#sync = sync;
    this.#grant = grant;
  }

  /** What has been spent is read when it is first asked for: before any of it is spent from here. */
  #of(currency: string, run: string): Promise<Limit>[] {
    return limitsOf(this.#sync.budget, currency).map((amount) => {
      const own = amount.per === 'run' ? run : null;
      const name = counter(this.#sync.name, currency, own ?? undefined);
      const key = `${name}\n${amount.text}`;
      const limit = this.#limits.get(key) ?? this.#read(amount, name, own);
      this.#limits.set(key, limit);
      return limit;
    });
  }

  async #read(amount: MoneyAmount, name: string, run: string | null): Promise<Limit> {
    const used = await spent(this.#hub, name);
    const left = amount.most + (this.#grant[amount.currency] ?? 0) - used;
    return { amount, name, run, used, left };
  }

  /** Takes it out if it is all there; false, and nothing is taken, if one limit does not allow it. */
  async take(run: string, money: Money): Promise<boolean> {
    const wanted: { readonly limit: Limit; readonly amount: number }[] = [];
    for (const [currency, amount] of Object.entries(money))
      if (amount > 0)
        for (const limit of await Promise.all(this.#of(currency, run))) wanted.push({ limit, amount });
    // From here on nothing else runs until it is taken.
    const short = wanted.find(({ limit, amount }) => amount > limit.left);
    if (short !== undefined) {
      const { amount, left } = short.limit;
      const before = amount.most + (this.#grant[amount.currency] ?? 0) - short.limit.used - left;
      this.over ??= overWords(short.limit, before + short.amount);
      return false;
    }
    for (const { limit, amount } of wanted) limit.left -= amount;
    return true;
  }
}

/** The limit that is exceeded if all of this is written, in words; null if none is. */
export const moneyExceeded = async (
  hub: Pick<Hub, 'store' | 'now'>,
  sync: Sync,
  grant: Money,
  wanted: readonly { readonly run: string; readonly money: Money }[],
): Promise<string | null> => {
  const byRun = new Map<string, Money>();
  for (const { run, money } of wanted) byRun.set(run, addMoney(byRun.get(run) ?? {}, money));
  const purse = new Purse(hub, sync, grant);
  for (const [run, money] of byRun) if (!(await purse.take(run, money))) return purse.over ?? null;
  return null;
};
