/** What an undo would do: each record of its scope planned from lineage, and told item by item. Writes nothing. */
import type { Json } from '../connector.ts';
import type { Scope } from '../merge/layers.ts';
import { goneOf } from '../merge/deletion.ts';
import { labelOf, type LinkState, type RecordState } from '../merge/record.ts';
import type { TargetUndo, TargetView } from '../merge/undo-target.ts';
import { undoOf, type RecordUndo } from '../merge/undo.ts';
import { idOf } from './decide.ts';
import { holdOf, linkOf, recordOf, syncsOfEntity, type Hub, type Sync } from './hub.ts';
import { protectedFrom } from './protection.ts';
import { related } from './relations.ts';
import { lineageOf } from './prune.ts';
import { candidates, checkScope, scopeOf, type Candidate, type UndoScope } from './scope.ts';

/** What an undo found for one field, or for one thing that it cannot undo. */
export interface UndoItem {
  readonly kind: 'field' | 'object' | 'message';
  readonly record: string;
  /** A name, a number, an address: whatever the record is known by. */
  readonly label: string;
  readonly result: 'restored' | 'kept' | 'impossible' | 'owed';
  readonly why?: string;
  readonly field?: string;
  readonly now?: Json;
  readonly back?: Json;
  /** Version of the field with which its targets are owed the value. */
  readonly version?: number;
  readonly targets: readonly TargetUndo[];
  /** How often the record moved between plan and commit, and was planned again. */
  readonly again?: number;
}

const all = 1_000_000;

/** A record and what an undo would do to it. */
export interface Planned {
  readonly record: RecordState;
  readonly undo: RecordUndo;
  /** Its links as the plan saw them. */
  readonly links: readonly LinkState[];
}

/** Why nothing is written to any object of a sync. */
const silentOf = (hub: Hub, sync: string): string | undefined =>
  hub.syncs.get(sync)?.outward === true ? undefined : `sync ${sync} writes nothing there`;

/** Why nothing is made anew in a system for an object of a link that is gone; undefined if something is. */
const lostOf = (sync: Sync, link: LinkState): string | undefined => {
  if (!sync.create) return `sync ${sync.name} creates nothing there`;
  if (goneOf(link).by === 'us' || sync.resurrect === true) return undefined;
  return `somebody deleted it there, and sync ${sync.name} makes nothing anew that was deleted there ("resurrect: true" would)`;
};

/** The linked objects of a record, as undo sees them; those of a sync that is not configured any more stay out. */
export const targetsOf = async (hub: Hub, record: RecordState): Promise<TargetView[]> => {
  const where = { record: record.id };
  const held = await hub.store.list('conflict', 'record', { where, limit: all });
  const targets: TargetView[] = [];
  for (const row of await hub.store.list('link', 'record', { where, limit: all })) {
    const link = linkOf(row);
    const sync = hub.syncs.get(link.sync);
    if (sync === undefined) continue;
    const own = held.filter((one) => one['sync'] === link.sync && one['object'] === link.object);
    const { sync: named, outward } = await related(hub, sync, [link.shadow], record);
    // A field that waits for a name there is one that the mapping writes.
    const lens = outward.size === 0 ? named.lens : { ...named.lens, outward: sync.lens.outward };
    const waits = new Map([...outward].map(([field, { what }]) => [field, what]));
    const silent = silentOf(hub, link.sync);
    const unable = sync.kind.remove === undefined ? 'objects of this kind cannot be removed' : undefined;
    const life = { lost: lostOf(sync, link), stuck: silent ?? unable };
    targets.push({ link, lens, waits, silent, ...life, holds: own.map(holdOf) });
  }
  return targets;
};

const barOf =
  (hub: Hub, entity: string, by: string) =>
  (field: string): string | undefined => {
    const who = protectedFrom(hub, entity, field, { person: by });
    return who === undefined ? undefined : `the field is protected: ${who} may change it`;
  };

/** The plan of one record; undefined if it is not its turn, or if it is no record. */
export const planOne = async (
  hub: Hub,
  { record: id, isTurn }: Candidate,
  scope: Scope,
  by: string,
): Promise<Planned | undefined> => {
  const row = await hub.store.get('record', { id });
  if (row === undefined) return undefined;
  const record = recordOf(row);
  const { rows } = await lineageOf(hub.store, id);
  if (!isTurn(rows)) return undefined;
  const syncs = syncsOfEntity(hub, record.entity);
  const keeps = syncs.some((sync) => sync.lens.history.size > 0);
  const ledger = keeps
    ? await hub.store.list('transition', 'record', { where: { record: id }, limit: all })
    : [];
  const keys = new Set(hub.entities.get(record.entity)?.keys.flat());
  const protect = hub.entities.get(record.entity)?.protect ?? {};
  const targets = await targetsOf(hub, record);
  const isLinked = (name: string): boolean => targets.some(({ link }) => link.sync === name);
  const input = {
    record,
    rows,
    scope,
    targets,
    creates: syncs
      .filter(({ name, outward, create }) => outward && create && !isLinked(name))
      .map(({ name, lens }) => ({ sync: name, lens })),
    ledger: ledger.map((line) => ({
      seq: Number(line['seq']),
      field: String(line['field']),
      after: (line['after'] ?? null) as Json,
    })),
    barred: barOf(hub, record.entity, by),
    isKey: (field: string) => keys.has(field) || Object.hasOwn(protect, field),
  };
  return { record, undo: undoOf(input, hub.now()), links: targets.map(({ link }) => link) };
};

/** What an undo of the scope would do, a page of items at a time; nothing is written. Throws as `checkScope` does. */
export async function* planUndo(hub: Hub, asked: UndoScope, by: string): AsyncGenerator<UndoItem[]> {
  await checkScope(hub, asked);
  const scope = scopeOf(hub, asked, Number.POSITIVE_INFINITY);
  for (let place: string | null = ''; place !== null;) {
    const page = await candidates(hub, asked, scope, place);
    const items: UndoItem[] = [];
    for (const candidate of page.list) {
      const planned = await planOne(hub, candidate, scope, by);
      if (planned !== undefined) items.push(...itemsOf(planned, {}).values());
    }
    yield items;
    place = page.next;
  }
}

const noRemove =
  'the object stays there: its record is older, or others have worked on it; remove it by hand if it should go';

/** The items of a record, by their ids. */
export const itemsOf = ({ record, undo }: Planned, also: Pick<UndoItem, 'again'>): Map<string, UndoItem> => {
  const label = labelOf(record.id, record.fields);
  const of = { record: record.id, label, ...also };
  const items = new Map<string, UndoItem>();
  for (const one of undo.fields) {
    const { field, now, back, changes, targets, why } = one;
    const owed = targets.some(({ result }) => result === 'owed');
    items.set(idOf(record.id, 'field', field), {
      kind: 'field',
      ...of,
      result: owed ? 'owed' : one.result,
      ...(why === undefined ? {} : { why }),
      field,
      now,
      back,
      version: changes ? record.version + 1 : (record.fields[field]?.version ?? 0),
      targets,
    });
  }
  for (const { sync, object } of undo.objects) {
    const result = 'impossible' as const;
    const targets = [{ target: `${sync}/${object}`, sync, object, result, why: noRemove }];
    items.set(idOf(record.id, 'object', sync, object), {
      kind: 'object',
      ...of,
      result,
      why: noRemove,
      targets,
    });
  }
  for (const { notice, at } of undo.messages) {
    const why = `people were told by ${notice.split('/').slice(1).join('/')} (${new Date(at).toISOString()}): a message that is out stays out`;
    const targets = [{ target: `message ${notice}`, result: 'impossible' as const, why }];
    items.set(idOf(record.id, 'message', notice), {
      kind: 'message',
      ...of,
      result: 'impossible',
      why,
      targets,
    });
  }
  return items;
};
