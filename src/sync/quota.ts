/** Counters by the hour, for budgets and guards: how often something happened in any 24 hours. */
import type { Store } from '../store/store.ts';
import type { Draft } from './draft.ts';
import type { Hub } from './hub.ts';

const hour = 3_600_000;
const hours = 24;

const startOf = (now: number): number => Math.floor(now / hour) * hour;

/** Counters that are known to be there, so that the hot path asks the store once an hour. */
const begun = new WeakMap<Store, Set<string>>();

/** Adds to a counter in the draft's own commit. */
export const spend = async (draft: Draft, name: string, n: number): Promise<void> => {
  const { store, now } = draft.hub;
  const key = { name, hour: startOf(now()) };
  const known = begun.get(store) ?? new Set<string>();
  begun.set(store, known);
  const id = `${name}\n${key.hour}`;
  if (!known.has(id)) {
    await store.commit([
      {
        when: [{ table: 'quota', key, is: null }],
        write: [{ op: 'put', table: 'quota', row: { ...key, used: 0 } }],
      },
    ]);
    if (known.size > 10_000) known.clear();
    known.add(id);
  }
  draft.add('quota', key, { used: n });
};

/** What a counter has come to in the last 24 hours, the running hour among them. */
export const spent = async ({ store, now }: Pick<Hub, 'store' | 'now'>, name: string): Promise<number> => {
  const rows = await store.list('quota', 'name', { where: { name }, newest: true, limit: hours });
  const since = startOf(now()) - (hours - 1) * hour;
  return rows.reduce((sum, row) => sum + (Number(row['hour']) >= since ? Number(row['used']) : 0), 0);
};

/** Forgets what a counter has come to. Its rows stay: other processes count on in them. */
export const forgive = async ({ store }: Pick<Hub, 'store'>, name: string): Promise<void> => {
  const rows = await store.list('quota', 'name', { where: { name }, newest: true, limit: hours + 1 });
  await store.commit([
    {
      when: [],
      write: rows.map((row) => ({
        op: 'put' as const,
        table: 'quota' as const,
        row: { name, hour: Number(row['hour']), used: 0 },
      })),
    },
  ]);
};
