/**
 * Saved plans of a sync: the writes that `sync --plan` found in its overlay, kept as items, one a record, and made one by
 * one once somebody has approved them.
 *
 *   saved ──apply──► planned once more in a fresh overlay
 *                      ├─► the same writes ─► what the record was seen in is looked at for real ─► still the same? ─► made
 *                      ├─► others           ─► shown anew, and not made                                   └─► shown anew
 *                      └─► none             ─► dropped
 *
 * The base of an item is what it was planned from: the values that were shown there, those that were to be written, and
 * the mappings. What was planned in an overlay is in no store, so that a record is known by the objects it was seen in.
 */
import { createHash } from 'node:crypto';
import { lacksObject } from '../merge/deletion.ts';
import { delta } from '../merge/delta.ts';
import { hashOf, type RecordState } from '../merge/record.ts';
import type { Operation } from '../store/store.ts';
import { isDoomed } from './deletion.ts';
import { Draft } from './draft.ts';
import { leadsTo, linkOf, linksOf, loadHolds, loadRecord, type Hub, type Sync } from './hub.ts';
import { intake } from './intake.ts';
import type { Planned } from './plan.ts';
import { itemId, itemOf, putItem, type Change, type ItemState, type PlanItem } from './planned.ts';
import { related } from './relations.ts';
import { openRun } from './runs.ts';

export const savedKind = 'sync';

export type SavedWrite = Pick<Planned, 'sync' | 'op' | 'object' | 'fields'>;

interface Source {
  readonly sync: string;
  readonly object: string;
}

/** All writes of one record. */
export interface SavedRecord {
  readonly label: string;
  readonly writes: readonly SavedWrite[];
  /** The objects that it was seen in. */
  readonly sources: readonly Source[];
}

/** What a whole plan was made under. */
export interface SavedHead {
  readonly sync: string;
  readonly full: boolean;
  /** Hash of the mappings and of what the configuration says about the entity. */
  readonly base: string;
}

export type SavedItem = PlanItem & Pick<SavedRecord, 'writes' | 'sources'>;

/** Hash of all that decides what is written, besides the data. */
export const baseOf = (syncs: Iterable<Pick<Sync, 'name' | 'lens'>>, settings: unknown): string => {
  const mappings = [...syncs].map(({ name, lens }) => `${name} ${lens.hash}`).sort();
  return createHash('sha256')
    .update(JSON.stringify([mappings, settings]))
    .digest('hex');
};

/** The writes of an overlay, by record, in the order in which they were found. */
export const byRecord = async (overlay: Hub, writes: readonly Planned[]): Promise<SavedRecord[]> => {
  const found: SavedRecord[] = [];
  for (const [record, own] of Map.groupBy(writes, (one) => one.record)) {
    const links = await linksOf(overlay, record);
    const sources = links
      .filter(({ sync, state }) => state === 'live' && overlay.syncs.get(sync)?.inward === true)
      .map(({ sync, object }) => ({ sync, object }));
    const label = own[0]?.label ?? record;
    const made = own.map(({ sync, op, object, fields }) => ({ sync, op, object, fields }));
    found.push({ label, writes: made, sources });
  }
  return found;
};

const changesOf = (writes: readonly SavedWrite[]): Change[] =>
  writes.flatMap(({ sync, op, object, fields }): Change[] => {
    const why = op === 'create' ? `create in ${sync}` : `${op} ${sync} ${object}`;
    if (op === 'remove') return [{ field: '', before: object, after: null, why }];
    return fields.map(({ field, before, after }) => ({ field, before, after, why }));
  });

const putSaved = (
  plan: string,
  item: string,
  { label, writes, sources }: SavedRecord,
  state: ItemState,
  at: number,
  more: { readonly moved: boolean; readonly by: string | null },
): Operation => {
  const [first] = sources;
  const subject = first === undefined ? '' : `${first.sync}/${first.object}`;
  const body = { label, changes: changesOf(writes), ...more, writes, sources };
  return putItem(plan, item, savedKind, subject, state, at, body);
};

/** Keeps a plan; answers its id. Nothing else of the store changes. */
export const savePlan = async (
  hub: Pick<Hub, 'store' | 'newId' | 'now'>,
  head: SavedHead,
  records: readonly SavedRecord[],
): Promise<string> => {
  const plan = hub.newId('plan');
  const now = hub.now();
  const run = openRun(plan, savedKind, head.sync, now);
  const write: Operation[] = [
    run.op === 'put'
      ? { ...run, row: { ...run.row, state: 'planned', read: records.length, open: records.length } }
      : run,
    {
      op: 'put',
      table: 'plan_item',
      row: { plan, item: '', kind: savedKind, subject: head.sync, state: 'head', body: head, at: now },
    },
    ...records.map((one, index) =>
      putSaved(plan, itemId(index + 1), one, 'proposed', now, { moved: false, by: null }),
    ),
  ];
  await hub.store.commit([{ when: [], write }]);
  return plan;
};

export const headOf = async ({ store }: Pick<Hub, 'store'>, plan: string): Promise<SavedHead | undefined> =>
  (await store.get('plan_item', { plan, item: '' }))?.['body'] as SavedHead | undefined;

/** The items of a saved plan that wait for approval. */
export const waitingItems = async ({ store }: Pick<Hub, 'store'>, plan: string): Promise<SavedItem[]> => {
  const where = { plan, state: 'proposed' };
  const rows = await store.list('plan_item', 'state', { where, limit: 1_000_000 });
  return rows.map((row) => itemOf(row) as SavedItem);
};

const textOf = (writes: readonly SavedWrite[]): string =>
  JSON.stringify(writes.map((one) => hashOf(JSON.parse(JSON.stringify(one)))).sort());

export const sameWrites = (a: readonly SavedWrite[], b: readonly SavedWrite[]): boolean =>
  textOf(a) === textOf(b);

/** What each item comes to in a plan that was made now; undefined where nothing is needed any more. */
export const matched = (
  items: readonly SavedItem[],
  now: readonly SavedRecord[],
): Map<SavedItem, SavedRecord | undefined> => {
  const keyOf = ({ sync, object }: Source): string => `${sync}\n${object}`;
  const bySource = new Map(now.flatMap((one) => one.sources.map((source) => [keyOf(source), one] as const)));
  return new Map(
    items.map((item) => [
      item,
      item.sources.map((source) => bySource.get(keyOf(source))).find((one) => one !== undefined),
    ]),
  );
};

/** Ends an item that nobody needs any more, or shows it as it is now. */
export const settleSaved = async (
  hub: Hub,
  { plan, item, ...saved }: SavedItem,
  now: SavedRecord | undefined,
): Promise<boolean> => {
  const draft = new Draft(hub, plan);
  draft.expect('plan_item', { plan, item }, { state: 'proposed' });
  const isDropped = now === undefined;
  const more = { moved: !isDropped || saved.moved, by: null };
  const put = putSaved(plan, item, now ?? saved, isDropped ? 'dropped' : 'proposed', hub.now(), more);
  if (put.op === 'put') draft.put(put.table, put.row);
  if (isDropped) draft.settleItems(plan, 'unchanged', 1);
  const [done] = await hub.store.commit([draft.group()]);
  return done === true;
};

/** Looks, for real, at the objects that these records were seen in, and at nothing else. */
export const takeSources = async (
  hub: Hub,
  items: readonly SavedItem[],
  run: string,
  by: string,
): Promise<void> => {
  const byLane = new Map<string, Map<string, string>>();
  for (const { plan, sources } of items) {
    for (const { sync, object } of sources) {
      const lane = hub.syncs.get(sync)?.lane;
      if (lane === undefined) continue;
      const objects = byLane.get(lane) ?? new Map<string, string>();
      byLane.set(lane, objects.set(object, plan));
    }
  }
  for (const [lane, objects] of byLane) {
    const at = hub.now();
    const write = [...objects].map(([object, plan]): Operation => {
      const hint = { cause: `plan ${plan}, approved by ${by}`, uncounted: true };
      return { op: 'append', table: 'touch', row: { lane, object, due: at, at, run, hint } };
    });
    await hub.store.commit([{ when: [], write }]);
    const only = new Set(objects.keys());
    // Each pass takes so many; what was overtaken is looked at again.
    const most = 5 + Math.ceil(only.size / 100);
    for (let n = 0; n < most && (await intake(hub, lane, run, 300, only)).taken > 0; n += 1);
  }
};

/** The record that an item has come to be, after its sources were taken in. */
const recordFor = async (hub: Hub, { sources }: SavedItem): Promise<RecordState | undefined> => {
  for (const { sync, object } of sources) {
    const row = await hub.store.get('link', { sync, object });
    if (row !== undefined) return leadsTo(hub, linkOf(row).record);
  }
  return undefined;
};

/** What would be written of a record to one of its objects now, as a plan tells it; undefined if nothing. */
const writeNow = async (
  hub: Hub,
  record: RecordState,
  { sync: name, op, object }: SavedWrite,
): Promise<SavedWrite | undefined> => {
  const sync = hub.syncs.get(name);
  if (sync === undefined) return undefined;
  const own = (await linksOf(hub, record.id)).filter((link) => link.sync === name);
  const link = own.find((one) => one.object === object && one.state === 'live') ?? null;
  if ((op === 'create') !== (link === null)) return undefined;
  if (link === null && !lacksObject(record, own, sync)) return undefined;
  if (link !== null && isDoomed(sync, record, link)) return { sync: name, op: 'remove', object, fields: [] };
  const shadow = link?.shadow ?? {};
  const { sync: lensed } = await related(hub, sync, [shadow], record);
  const holds = await loadHolds(hub, record.id, name, object);
  const shown = link === null ? {} : lensed.lens.read(shadow).fields;
  const fields = Object.entries(delta(record, link, lensed.lens, holds)).map(([field, after]) => ({
    field,
    before: shown[field] ?? null,
    after,
  }));
  return fields.length === 0 ? undefined : { sync: name, op, object, fields };
};

/**
 * Approves one item whose sources have been taken in: its writes are promised, where they still are what was approved.
 * Answers the record; undefined if something else would be written by now, and then nothing is promised.
 */
export const promiseSaved = async (
  hub: Hub,
  item: SavedItem,
  run: string,
  by: string,
): Promise<string | undefined> => {
  const found = await recordFor(hub, item);
  if (found === undefined) return undefined;
  const record = await loadRecord(hub, found.id);
  const now: SavedWrite[] = [];
  for (const write of item.writes) {
    const one = await writeNow(hub, record, write);
    if (one !== undefined) now.push(one);
  }
  if (!sameWrites(now, item.writes)) return undefined;
  const draft = new Draft(hub, run);
  draft.expect('plan_item', { plan: item.plan, item: item.item }, { state: 'proposed' });
  draft.expect('record', { id: record.id }, { version: record.version });
  for (const { sync, op, object } of item.writes)
    await draft.promise(sync, record, op === 'create' ? '' : object);
  const put = putSaved(item.plan, item.item, item, 'applied', hub.now(), { moved: item.moved, by });
  if (put.op === 'put') draft.put(put.table, put.row);
  draft.settleItems(item.plan, 'applied', 1);
  const [done] = await hub.store.commit([draft.group()]);
  return done === true ? record.id : undefined;
};
