/**
 * What has been kept long enough goes, a little at a pass: raw bodies of hooks, and lineage. Before rows of lineage
 * are deleted a hashed snapshot of the record is written that stands for them, in the same commit: latest snapshot
 * and lineage after it are the record, at any moment.
 */
import { createHash } from 'node:crypto';
import type { Json } from '../connector.ts';
import { condense } from '../merge/condense.ts';
import { recordThen } from '../merge/history.ts';
import type { ToldRow } from '../merge/lineage.ts';
import { hashOf } from '../merge/record.ts';
import type { Row } from '../store/schema.ts';
import type { Group, Store } from '../store/store.ts';
import type { Hub } from './hub.ts';
import { prunedUntil, toldOf } from './scope.ts';

export interface Keep {
  /** ms. */
  readonly hooks: number;
  /** ms; null: for ever. */
  readonly lineage: number | null;
}

const all = 1_000_000;
/** Rows that a pass looks at, and takes from one record. */
const most = 500;

interface Snapshot {
  readonly seq: number;
  readonly at: number;
  readonly hash: string;
  readonly rows: readonly ToldRow[];
}

/** SHA-256 over everything that a snapshot says. */
export const snapshotHash = (record: string, { seq, at, rows }: Omit<Snapshot, 'hash'>): string =>
  createHash('sha256')
    .update(hashOf([record, seq, at, rows] as unknown as Json))
    .digest('hex');

export const snapshotOf = (row: Row): Snapshot => ({
  seq: Number(row['seq']),
  at: Number(row['at']),
  hash: String(row['hash']),
  rows: row['body'] as readonly ToldRow[],
});

export interface Lineage {
  /** In the order of their commits; what was pruned is stood for by condensed rows. */
  readonly rows: readonly ToldRow[];
  /** UTC ms before which nothing is known but what stood then; null: it goes back to the beginning. */
  readonly reaches: number | null;
}

/** All that is told of a record. */
export const lineageOf = async (store: Store, record: string): Promise<Lineage> => {
  // Read before the snapshot: what is pruned in between is then in both, and in the other order in none.
  const rows = (await store.list('lineage', 'record', { where: { record }, limit: all })).map(toldOf);
  const row = await store.get('snapshot', { record });
  if (row === undefined) return { rows, reaches: null };
  const snapshot = snapshotOf(row);
  return {
    rows: [...snapshot.rows, ...rows.filter(({ seq }) => seq > snapshot.seq)],
    reaches: snapshot.at,
  };
};

/** Where a round over what is old has come to. */
export interface Round {
  after: number | undefined;
}

/** One pass; true if there may be more at once. */
export const prune = async (hub: Hub, keep: Keep, round: Round): Promise<boolean> => {
  const hooks = await pruneHooks(hub, hub.now() - keep.hooks);
  const lineage = keep.lineage !== null && (await pruneLineage(hub, hub.now() - keep.lineage, round));
  return hooks || lineage;
};

const pruneHooks = async (hub: Hub, upTo: number): Promise<boolean> => {
  const old = await hub.store.list('hook', 'at', { where: {}, upTo, limit: most });
  if (old.length > 0)
    await hub.store.commit([
      {
        when: [],
        write: old.map((row) => ({ op: 'delete', table: 'hook', key: { id: String(row['id']) } })),
      },
    ]);
  return old.length === most;
};

/** Rows that a clock set back has put out of order stay until those before them are old too: the round passes them. */
const pruneLineage = async (hub: Hub, upTo: number, round: Round): Promise<boolean> => {
  const { store } = hub;
  const after = round.after === undefined ? {} : { after: round.after };
  const rows = await store.list('lineage', 'at', { where: {}, ...after, upTo, limit: most });
  const records = [...new Set(rows.map((row) => String(row['record'])))];
  if (rows.length > 0) await tellHorizon(hub, upTo);
  let pruned = false;
  for (const record of records) {
    const group = await foldOf(store, record, upTo);
    if (group === undefined) continue;
    await store.commit([group]);
    pruned = true;
  }
  if (pruned) return true;
  // Only what must stay was met: on behind it, and from the beginning once the end is reached.
  const last = Number(rows.at(-1)?.['at']);
  round.after = rows.length < most ? undefined : last === round.after ? last + 1 : last;
  return rows.length === most;
};

/** Told before the first row goes, and an hour ahead: who asks how far undo reaches is not told too much. */
const tellHorizon = async ({ store, now }: Hub, until: number): Promise<void> => {
  if ((await prunedUntil(store)) >= until) return;
  const row = { name: 'pruned:lineage', value: { until: until + 3_600_000 }, at: now(), by: 'crosswalk' };
  await store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
};

/** The oldest rows of a record folded into its snapshot; undefined where none can go yet. */
const foldOf = async (store: Store, record: string, upTo: number): Promise<Group | undefined> => {
  const rows = (await store.list('lineage', 'record', { where: { record }, limit: most })).map(toldOf);
  const young = rows.findIndex(({ at }) => at > upTo);
  const old = young < 0 ? rows : rows.slice(0, young);
  const last = old.at(-1);
  if (last === undefined) return undefined;
  const stored = await store.get('snapshot', { record });
  const former = stored === undefined ? undefined : snapshotOf(stored);
  const fresh = old.filter(({ seq }) => seq > (former?.seq ?? -1));
  const seq = fresh.at(-1)?.seq ?? former?.seq ?? last.seq;
  const at = Math.max(former?.at ?? 0, ...old.map((row) => row.at));
  const then = recordThen([...(former?.rows ?? []), ...fresh]);
  const deletes = old.map(({ seq: number }) => ({
    op: 'delete' as const,
    table: 'lineage' as const,
    key: { seq: number },
  }));
  // Of an undo or a run, which is no record, nothing has to stand.
  const isNothing = then.made === null && then.links.length === 0 && Object.keys(then.fields).length === 0;
  if (isNothing && former === undefined) return { when: [], write: deletes };
  const condensed = condense(then, seq, at);
  const row = { record, seq, at, hash: snapshotHash(record, { seq, at, rows: condensed }), body: condensed };
  return {
    when: [{ table: 'snapshot', key: { record }, is: former === undefined ? null : { seq: former.seq } }],
    write: [{ op: 'put', table: 'snapshot', row }, ...deletes],
  };
};
