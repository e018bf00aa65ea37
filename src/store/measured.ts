/** A store that tells of each commit: how long it took, and how it moved the books of runs. */
import type { Key, Row, TableName } from './schema.ts';
import type { Group, ListOptions, WholeStore } from './store.ts';

export interface CommitReport {
  /**
   * From handing in until durable, waiting for the transaction included; null for one that was handed in while another
   * was timed: it shares that one's transaction, or the next.
   */
  readonly ms: number | null;
  readonly committed: number;
  /** Groups whose conditions failed. */
  readonly stale: number;
  /** What the committed groups added to the columns of `run`. */
  readonly books: ReadonlyMap<string, number>;
}

const nothing: ReadonlyMap<string, number> = new Map();

const booksOf = (groups: readonly Group[], outcomes: readonly boolean[]): ReadonlyMap<string, number> => {
  let books: Map<string, number> | undefined;
  for (const [i, { write }] of groups.entries()) {
    if (outcomes[i] !== true) continue;
    for (const operation of write) {
      if (operation.op !== 'add' || operation.table !== 'run') continue;
      books ??= new Map();
      for (const [column, n] of Object.entries(operation.row))
        books.set(column, (books.get(column) ?? 0) + n);
    }
  }
  return books ?? nothing;
};

export const measured = (store: WholeStore, onCommit: (commit: CommitReport) => void): WholeStore => {
  let isTiming = false;
  const timed = async (groups: readonly Group[]): Promise<{ outcomes: boolean[]; ms: number | null }> => {
    if (isTiming) return { outcomes: await store.commit(groups), ms: null };
    isTiming = true;
    const began = performance.now();
    try {
      return { outcomes: await store.commit(groups), ms: performance.now() - began };
    } finally {
      isTiming = false;
    }
  };
  return {
    place: store.place,
    async commit(groups) {
      const { outcomes, ms } = await timed(groups);
      const committed = outcomes.reduce((n, done) => n + (done ? 1 : 0), 0);
      const stale = outcomes.length - committed;
      onCommit({ ms, committed, stale, books: booksOf(groups, outcomes) });
      return outcomes;
    },
    get: (table: TableName, key: Key) => store.get(table, key),
    many: (table: TableName, keys: readonly Key[]) => store.many(table, keys),
    list: (table: TableName, index: string, options: ListOptions) => store.list(table, index, options),
    count: (table: TableName, index: string, where: Row, most?: number) =>
      store.count(table, index, where, most),
    snapshot: () => store.snapshot(),
    load: () => store.load(),
    health: () => store.health(),
    close: () => store.close(),
    ...(store.fence === undefined ? {} : { fence: store.fence.bind(store) }),
  };
};
