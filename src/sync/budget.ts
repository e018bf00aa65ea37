/**
 * Budgets: how much a sync may write before a person is asked. Where more is wanted than is left nothing is written at
 * all: the sync stops before the first of the writes, not in their midst. What a reading brings is judged as a whole, so
 * writes wait until the run that opened them has been taken in.
 */
import { reachOf } from '../merge/deletion.ts';
import type { Fields } from '../mapping/lens.ts';
import type { Amount, Budget } from '../merge/policy.ts';
import type { LinkState, RecordState } from '../merge/record.ts';
import { isDoomed } from './deletion.ts';
import type { Draft } from './draft.ts';
import { effectOf, linkOf, recordOf, type EffectRow, type Hub, type Sync } from './hub.ts';
import {
  addMoney,
  hasMoneyBudget,
  moneyExceeded,
  moneySpent,
  moneyWanted,
  Purse,
  spendMoney,
  type Money,
} from './money.ts';
import { spend, spent } from './quota.ts';
import { runOf } from './runs.ts';

type Sort = 'creates' | 'updates' | 'removes';
const sorts: readonly Sort[] = ['creates', 'updates', 'removes'];

/** An effect and what it comes to, as its record is now. */
interface Sorted {
  readonly run: string;
  readonly sort: Sort;
  /** Counted only where the budget is of money too. */
  readonly money: Money;
}

const sortOf = ({ object }: Pick<EffectRow, 'object'>, isRemoved: boolean): Sort =>
  object === '' ? 'creates' : isRemoved ? 'removes' : 'updates';

const counter = (sync: string, sort: Sort, run?: string): string =>
  `${run === undefined ? 'day' : `run ${run}`}:${sync}:${sort}`;

export const hasBudget = ({ budget }: Sync): boolean =>
  budget !== undefined && (hasMoneyBudget(budget) || sorts.some((sort) => budget[sort].length > 0));

/** What has been written in the last 24 hours. */
export const spentToday = (hub: Pick<Hub, 'store' | 'now'>, sync: string, sort: Sort): Promise<number> =>
  spent(hub, counter(sync, sort));

/** The sorts that have a budget of a day; its limit is null where that is a share of what is linked. */
export const dayBudgets = (
  budget: Budget | undefined,
): { readonly sort: Sort; readonly limit: number | null }[] =>
  sorts.flatMap((sort) => {
    const days = (budget?.[sort] ?? []).filter(({ per }) => per === 'day');
    const fixed = days.flatMap(({ most: limit }) => (limit === undefined ? [] : [limit]));
    return days.length === 0 ? [] : [{ sort, limit: fixed.length === 0 ? null : Math.min(...fixed) }];
  });

/** Counts one write in the commit that puts its call on disk. */
export const spendWrite = async (
  draft: Draft,
  sync: Sync,
  effect: EffectRow,
  fields: Fields | 'removed',
): Promise<void> => {
  if (!hasBudget(sync)) return;
  const sort = sortOf(effect, fields === 'removed');
  if (fields !== 'removed') await spendMoney(draft, sync, effect.run, fields);
  await spend(draft, counter(sync.name, sort), 1);
  await spend(draft, counter(sync.name, sort, effect.run), 1);
};

/** What a person has allowed above the budget. */
export interface Grant {
  readonly creates: number;
  readonly updates: number;
  readonly removes: number;
  /** Absent in grants from before there were budgets of money. */
  readonly amount?: Money;
  /** UTC ms. */
  readonly until: number;
}

const grantKey = (sync: string): { name: string } => ({ name: `grant:${sync}` });

const granted = async (
  { store, now }: Pick<Hub, 'store' | 'now'>,
  sync: string,
): Promise<Grant | undefined> => {
  const grant = (await store.get('setting', grantKey(sync)))?.['value'] as Grant | undefined;
  return grant !== undefined && grant.until > now() ? grant : undefined;
};

/** Effects that wait to be written, as many as are asked for. */
const openEffects = async (
  { store }: Pick<Hub, 'store'>,
  sync: string,
  limit: number,
): Promise<EffectRow[]> =>
  (await store.list('effect', 'due', { where: { sync, state: 'open' }, limit })).map(effectOf);

/** Most effects that a person is told of, and that one grant covers. */
const most = 1_000_000;

/** The effects with what each comes to. */
const sorted = async (
  hub: Pick<Hub, 'store'>,
  effects: readonly EffectRow[],
  isRemoved: (record: RecordState, link: LinkState) => boolean,
  sync: Pick<Sync, 'name' | 'lens' | 'budget'> | undefined,
): Promise<Sorted[]> => {
  const { store } = hub;
  const rows = await store.many(
    'record',
    effects.map(({ record }) => ({ id: record })),
  );
  const links = await store.many(
    'link',
    effects.map(({ sync, object }) => ({ sync, object })),
  );
  const found: Sorted[] = [];
  for (const [index, effect] of effects.entries()) {
    const [row, stored] = [rows[index], links[index]];
    const record = row === undefined ? undefined : recordOf(row);
    const link = stored === undefined ? null : linkOf(stored);
    const removed = record !== undefined && link !== null && isRemoved(record, link);
    const counts = record !== undefined && !removed && sync !== undefined && hasMoneyBudget(sync.budget);
    const money = counts ? await moneyWanted(hub, sync, effect, record, link) : {};
    found.push({ run: effect.run, sort: sortOf(effect, removed), money });
  }
  return found;
};

/**
 * Allows all that waits now, for a day. `propagates`: deletions are removed there. Answers with how much that is; what was
 * allowed before, and used, stays allowed: it still counts in the 24 hours. `own`: the sync, for what it writes of money.
 */
export const grantOpen = async (
  hub: Pick<Hub, 'store' | 'now'>,
  sync: string,
  propagates: boolean,
  by: string,
  own?: Pick<Sync, 'name' | 'lens' | 'budget'>,
): Promise<Required<Omit<Grant, 'until'>>> => {
  const effects = await openEffects(hub, sync, most);
  const isRemoved = (record: RecordState, { made }: LinkState): boolean =>
    reachOf(record) === 'withdraw' ? made === true : propagates && reachOf(record) === 'propagate';
  const open = await sorted(hub, effects, isRemoved, own);
  const before = await granted(hub, sync);
  const waiting = { creates: 0, updates: 0, removes: 0 };
  let amount: Money = {};
  for (const { sort, money } of open) {
    waiting[sort] += 1;
    amount = addMoney(amount, money);
  }
  const at = hub.now();
  // As long as what was spent on a former one still counts: counters go by whole hours.
  const value: { -readonly [K in keyof Grant]: Grant[K] } = { ...waiting, until: at + 25 * 3_600_000 };
  // Where objects cannot be removed, what is left to write of a deleted record is an update.
  value.updates += waiting.removes;
  for (const sort of sorts)
    value[sort] += Math.min(before?.[sort] ?? 0, await spent(hub, counter(sync, sort)));
  const allowed = before?.amount ?? {};
  const used = await moneySpent(hub, sync, Object.keys(allowed));
  const still = Object.entries(allowed).map(([currency, most]) => [
    currency,
    Math.min(most, used[currency] ?? 0),
  ]);
  value.amount = addMoney(amount, Object.fromEntries(still) as Money);
  const row = { ...grantKey(sync), value, at, by };
  await hub.store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
  return { ...waiting, amount };
};

const limitOf = async ({ store }: Hub, sync: Sync, { most: fixed, share = 0 }: Amount): Promise<number> =>
  fixed ?? Math.floor(share * (await store.count('link', 'sync', { sync: sync.name })));

/** What stands against writing: text to wait for a reading, or a budget that would be exceeded. */
export type Stop = { readonly is: 'reading' } | { readonly is: 'over'; readonly why: string };

/** True while a run that opened some of these effects is still being read or taken in. */
const isReading = async ({ store }: Hub, effects: readonly EffectRow[]): Promise<boolean> => {
  for (const id of new Set(effects.map((one) => one.run))) {
    const row = await store.get('run', { id });
    if (row === undefined) continue;
    const { kind, ended, open } = runOf(row);
    const standing = kind === 'hooks' || kind === 'upkeep';
    if (!standing && (ended === null || open > 0)) return true;
  }
  return false;
};

const number = (n: number): string => n.toLocaleString('en');

/** The limit that is exceeded if all of these are written; null if none is. */
const exceeded = async (
  hub: Hub,
  sync: Sync,
  sort: Sort,
  effects: readonly Sorted[],
  grant: number,
): Promise<string | null> => {
  const own = effects.filter((one) => one.sort === sort);
  if (own.length === 0) return null;
  for (const amount of sync.budget?.[sort] ?? []) {
    const limit = (await limitOf(hub, sync, amount)) + grant;
    const groups =
      amount.per === 'day'
        ? [{ wanted: own.length, name: counter(sync.name, sort), run: null }]
        : [...Map.groupBy(own, (one) => one.run)].map(([run, all]) => ({
            wanted: all.length,
            name: counter(sync.name, sort, run),
            run,
          }));
    for (const { wanted, name, run } of groups) {
      const used = await spent(hub, name);
      if (used + wanted <= limit) continue;
      const of = run === null ? 'the last 24 hours' : `run ${run}`;
      return `${number(wanted)} ${sort} are wanted, ${number(used)} were made in ${of}, and the budget is ${amount.text}`;
    }
  }
  return null;
};

/** True if even all that waits, of whatever sort and run, would stay within each limit: the usual case, and cheap to tell. */
const isFarBelow = async (hub: Hub, sync: Sync): Promise<boolean> => {
  const wanted = await hub.store.count('effect', 'due', { sync: sync.name, state: 'open' });
  for (const sort of sorts) {
    const used = await spent(hub, counter(sync.name, sort));
    for (const amount of sync.budget?.[sort] ?? [])
      if (used + wanted > (await limitOf(hub, sync, amount))) return false;
  }
  return true;
};

/** What stands against writing now; null if nothing does. */
export const stopOf = async (hub: Hub, sync: Sync): Promise<Stop | null> => {
  if (!hasBudget(sync)) return null;
  const next = await openEffects(hub, sync.name, 100);
  if (next.length === 0) return null;
  if (await isReading(hub, next)) return { is: 'reading' };
  // What a write comes to in money its count does not tell.
  if (!hasMoneyBudget(sync.budget) && (await isFarBelow(hub, sync))) return null;
  const open = await openEffects(hub, sync.name, most);
  const effects = await sorted(hub, open, (record, link) => isDoomed(sync, record, link), sync);
  const grant = await granted(hub, sync.name);
  const money = (): Promise<string | null> => moneyExceeded(hub, sync, grant?.amount ?? {}, effects);
  for (const sort of [...sorts, 'amount'] as const) {
    const why =
      sort === 'amount' ? await money() : await exceeded(hub, sync, sort, effects, grant?.[sort] ?? 0);
    if (why === null) continue;
    const [run = ''] = [...Map.groupBy(effects, (one) => one.run)]
      .toSorted(([, a], [, b]) => b.length - a.length)
      .map(([id]) => id);
    return { is: 'over', why: `${why}. Most of them were opened by run ${run}` };
  }
  return null;
};

/** What may be spent of money in one pass; undefined where no budget speaks of it. */
export const purseOf = async (hub: Hub, sync: Sync): Promise<Purse | undefined> =>
  hasMoneyBudget(sync.budget)
    ? new Purse(hub, sync, (await granted(hub, sync.name))?.amount ?? {})
    : undefined;

export const overText = (sync: string, why: string): string =>
  `stopped before writing: ${why}. Allow what waits now: crosswalk resume ${sync} --over-budget; or undo what brought it: crosswalk undo <run>`;
