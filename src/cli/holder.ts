/**
 * Who works a store: one gateway, one `sync` or one `undo`, at a time. Told in the store itself, by a setting that its
 * holder renews; a holder that died or hung for ten seconds is succeeded, and finds out when it wakes.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { CrosswalkError } from '../errors.ts';
import type { Row } from '../store/schema.ts';
import { isFleeting, openStore, placeWords, type Where } from '../store/open.ts';
import type { Condition, Store, WholeStore } from '../store/store.ts';

export interface Holder {
  readonly what: 'serve' | 'sync' | 'undo' | 'store copy' | 'store restore';
  readonly pid: number;
  readonly host: string;
}

const name = 'gateway';
const renewal = 2000;
/** ms without renewal after which a holder counts as gone. */
const patience = 10_000;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const liveHolder = (row: Row | undefined): Holder | undefined => {
  if (row === undefined || Math.abs(Date.now() - Number(row['at'])) > patience) return undefined;
  const holder = row['value'] as Holder;
  if (holder.host !== hostname()) return holder;
  // The own number under another token was left by a former process: containers number from 1 again.
  return holder.pid !== process.pid && isAlive(holder.pid) ? holder : undefined;
};

/** Who works the store now. */
export const holderOf = async (store: Store): Promise<Holder | undefined> =>
  liveHolder(await store.get('setting', { name }));

export interface Hold {
  /** Lets the store go; after the last work on it. */
  release(): Promise<void>;
}

/**
 * Takes the store (one in memory is nobody else's). Throws CrosswalkError `store-held`. `lost` is called once if
 * another has succeeded us. `worker` is the store as it is worked: where it can be fenced, nothing is written through
 * it from the moment another has succeeded us, and a store that is away is waited for; else ten seconds without a
 * renewal count as lost, because what is under way then could not be stopped.
 */
export const hold = async (
  where: Where,
  what: Holder['what'],
  lost: () => void,
  worker?: WholeStore,
): Promise<Hold> => {
  if (isFleeting(where)) return { release: async () => undefined };
  const file = placeWords(where);
  const store = await openStore(where);
  const by = randomUUID();
  const put = async (when: Condition['is']): Promise<boolean> => {
    const value = { what, pid: process.pid, host: hostname() } satisfies Holder;
    const row = { name, value, at: Date.now(), by };
    const [done] = await store.commit([
      {
        when: [{ table: 'setting', key: { name }, is: when }],
        write: [{ op: 'put', table: 'setting', row }],
      },
    ]);
    return done === true;
  };
  const before = await store.get('setting', { name });
  const other = liveHolder(before);
  if (
    other !== undefined ||
    !(await put(before === undefined ? null : { by: before['by'], at: before['at'] }))
  ) {
    await store.close();
    const { what: how = 'another', pid = 0, host = '' } = other ?? {};
    throw new CrosswalkError('store-held', { file, holder: `crosswalk ${how} (process ${pid} on ${host})` });
  }
  worker?.fence?.({ table: 'setting', key: { name }, is: { by } });
  let renewed = Date.now();
  let gone = false;
  const timer = setInterval(() => {
    const isFenced = worker?.fence !== undefined;
    const late = (): boolean => !isFenced && Date.now() - renewed > patience;
    put({ by })
      .then(
        (done) => {
          if (done) renewed = Date.now();
          return !done;
        },
        () => late(),
      )
      .then((over) => {
        if (!over || gone) return;
        gone = true;
        clearInterval(timer);
        lost();
      });
  }, renewal);
  timer.unref();
  return {
    release: async () => {
      gone = true;
      clearInterval(timer);
      try {
        await store.commit([
          {
            when: [{ table: 'setting', key: { name }, is: { by } }],
            write: [{ op: 'delete', table: 'setting', key: { name } }],
          },
        ]);
      } finally {
        await store.close();
      }
    },
  };
};
