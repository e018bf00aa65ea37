/**
 * Numbers for metrics. What is asked costs the same however much waits: counts end at `mostCounted`, and the whole is told
 * by the books of the runs that are open.
 */
import type { Config } from '../config.ts';
import type { Store } from '../store/store.ts';
import { dayBudgets, spentToday } from '../sync/budget.ts';

/** A count that reaches this says: as many or more. */
export const mostCounted = 10_000;
/** Open runs that are looked at: one a lane and hour, and what is read or planned. */
const mostRuns = 1000;

export interface SyncFigures {
  readonly touches: number;
  readonly effects: Readonly<Record<'open' | 'unsettled' | 'parked', number>>;
}

export interface BudgetFigures {
  readonly sync: string;
  readonly sort: string;
  readonly used: number;
  /** Null for a share of what is linked. */
  readonly limit: number | null;
}

export interface Figures {
  readonly syncs: ReadonlyMap<string, SyncFigures>;
  readonly parked: number;
  readonly conflicts: number;
  readonly candidates: number;
  readonly awaited: number;
  readonly notices: Readonly<Record<'open' | 'sending' | 'parked', number>>;
  readonly runs: Readonly<Record<'open' | 'failed', number>>;
  /** What the open runs have open: items not taken in, effects not done. */
  readonly open: { readonly items: number; readonly effects: number };
  readonly budgets: readonly BudgetFigures[];
}

const syncFigures = async (store: Store, { name, connection, kind }: Config['syncs'][string]) => {
  const effects = (state: string): Promise<number> =>
    store.count('effect', 'due', { sync: name, state }, mostCounted);
  return {
    touches: await store.count('touch', 'due', { lane: `${connection}/${kind}` }, mostCounted),
    effects: {
      open: await effects('open'),
      unsettled: await effects('unsettled'),
      parked: await effects('parked'),
    },
  };
};

const budgetFigures = async (view: {
  readonly store: Store;
  readonly config: Config;
  now(): number;
}): Promise<BudgetFigures[]> => {
  const figures: BudgetFigures[] = [];
  for (const { name: sync, budget } of Object.values(view.config.syncs))
    for (const { sort, limit } of dayBudgets(budget))
      figures.push({ sync, sort, limit, used: await spentToday(view, sync, sort) });
  return figures;
};

export const figuresOf = async (view: {
  readonly store: Store;
  readonly config: Config;
  now(): number;
}): Promise<Figures> => {
  const { store, config } = view;
  const syncs = new Map<string, SyncFigures>();
  for (const sync of Object.values(config.syncs)) syncs.set(sync.name, await syncFigures(store, sync));
  const notices = (state: string): Promise<number> => store.count('notice', 'state', { state }, mostCounted);
  const runs = (state: string): Promise<number> => store.count('run', 'state', { state }, mostCounted);
  const open = await store.list('run', 'state', { where: { state: 'open' }, limit: mostRuns });
  const sum = (column: string): number => open.reduce((n, row) => n + Number(row[column]), 0);
  return {
    syncs,
    open: { items: sum('open'), effects: sum('e_open') },
    parked:
      (await store.count('parked', 'at', {}, mostCounted)) +
      (await store.count('effect', 'state', { state: 'parked' }, mostCounted)),
    conflicts: await store.count('conflict', 'open', { open: 1 }, mostCounted),
    candidates: await store.count('candidate', 'at', {}, mostCounted),
    awaited: await store.count('awaited', 'at', {}, mostCounted),
    notices: {
      open: await notices('open'),
      sending: await notices('sending'),
      parked: await notices('parked'),
    },
    runs: { open: open.length, failed: await runs('failed') },
    budgets: await budgetFigures(view),
  };
};
