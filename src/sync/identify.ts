/**
 * Which record is an unlinked object? In order of evidence: a create of ours that may have made it, our
 * anchor on it, a strong key; else it is a new record.
 */
import { reachOf } from '../merge/deletion.ts';
import { strongKeys } from '../merge/identify.ts';
import type { LineageRow } from '../merge/lineage.ts';
import { neverKnown, type LinkState, type Origin, type RecordState, type Written } from '../merge/record.ts';
import { intoOf } from '../merge/redirect.ts';
import type { Sight } from '../merge/merge.ts';
import type { Fields, Lens, Reading } from '../mapping/lens.ts';
import type { Row } from '../store/schema.ts';
import { raise, sharingKey } from './candidates.ts';
import type { Draft } from './draft.ts';
import {
  callOf,
  effectOf,
  leadsTo,
  linksOf,
  loadRecord,
  newLink,
  recordOf,
  type CallItem,
  type CallRow,
  type EffectRow,
  type Hub,
  type Sync,
} from './hub.ts';
import type { Target } from './intake.ts';
import { foundAfter, likenessOf } from './likeness.ts';

/**
 * `wait`: undecidable while a create is under way or unsettled; the touch stays. `none`: no record's, and the
 * sync makes none.
 */
export const identify = async (
  draft: Draft,
  sync: Sync,
  sight: Sight,
  causes: readonly string[],
): Promise<Target | 'wait' | 'none'> => {
  const reading = sync.lens.read(sight.object.value);
  // A kind without create has no creates under way.
  const rows =
    sync.kind.create === undefined
      ? []
      : await draft.hub.store.list('call', 'sync', {
          where: { sync: sync.name, op: 'create' },
          limit: 1000,
        });
  for (const call of rows.map(callOf)) {
    let likeness = likenessOf(sync.lens, reading, call.item);
    // The remote's own search took it for equal, whatever it has made of the values since.
    if (likeness === 'none' && sync.lens.anchor === undefined && causes.includes(foundAfter(call)))
      likeness = 'some';
    if (likeness === 'none') continue;
    if (call.state === 'sent') return 'wait';
    if (likeness === 'some') {
      await markRival(draft, call);
      return 'wait';
    }
    return adopt(draft, sync, sight, call);
  }
  const anchored = await byAnchor(draft, sync, reading);
  const isDeleted = anchored !== undefined && reachOf(anchored) !== null;
  const rivals: string[] = [];
  const keyed =
    anchored === undefined || isDeleted ? await byKeys(draft, sync, reading.fields, rivals) : undefined;
  const record = keyed?.record ?? (isDeleted ? undefined : anchored);
  if (record === undefined) {
    if (!sync.inward) return 'none';
    const created = createRecord(draft, sync, sight);
    if (isDeleted) await drawNamesDeleted(draft, created.record, anchored);
    for (const rival of rivals)
      await raise(
        draft,
        sync.entity,
        created.record.id,
        rival,
        'its key is held by two that are not the same',
      );
    return created;
  }
  if (isDeleted) await drawNamesDeleted(draft, record, anchored);
  const effect = await createEffect(draft, sync, record.id);
  if (effect !== undefined) {
    if (effect.call !== null || effect.state === 'unsettled') return 'wait';
    draft.close(effect, 'superseded');
  }
  draft.expect(
    'effect',
    { sync: sync.name, record: record.id, object: '' },
    effect === undefined ? null : { rev: effect.rev },
  );
  const named = keyed === undefined ? reading.anchor : keyed.origin;
  const from = await originsOf(draft.hub, named, record.id);
  const link = { ...newLink(sync.name, sight.object.id, record.id), ...(from.length > 0 && { from }) };
  return { link, before: record, record, event: 'linked' };
};

/**
 * What speaks for a record that was merged into this one goes with it when it is taken out again, or it would be made once
 * more there: as if the object had been linked to it before the merge.
 */
const originsOf = async (hub: Hub, named: string | null | undefined, record: string): Promise<Origin[]> => {
  const from: Origin[] = [];
  for (let id = named ?? record; id !== record;) {
    const row = await hub.store.get('record', { id });
    const into = row === undefined ? null : intoOf(recordOf(row));
    if (into === null) return [];
    from.push(neverKnown(id));
    id = into;
  }
  return from;
};

/** An object waits that may be the create's: while it does, absence in a search proves nothing. */
const markRival = async (draft: Draft, { sync, item }: CallRow): Promise<void> => {
  const row = { reason: { code: 'rival', message: 'an object there may be what the create made' } };
  const key = { sync, record: item.record, object: '' };
  await draft.hub.store.commit([{ when: [], write: [{ op: 'set', table: 'effect', key, row }] }]);
};

/** The object is what an unsettled create made: the create is settled by it. */
const adopt = async (draft: Draft, sync: Sync, sight: Sight, call: CallRow): Promise<Target> => {
  const record = await loadRecord(draft.hub, call.item.record);
  const effect = await createEffect(draft, sync, record.id);
  if (effect !== undefined) draft.close(effect, 'delivered');
  draft.expect('call', { id: call.id }, { state: call.state }).delete('call', { id: call.id });
  draft.lineage(record.id, wroteRow(sync, call, sight.object.id, record.version));
  const link: LinkState = {
    ...newLink(sync.name, sight.object.id, record.id),
    made: true,
    // Without an anchor it may be somebody's own that looks the same: when that was typed, nobody knows.
    lookedFrom: sync.lens.anchor === undefined ? 0 : call.item.sentAt,
    written: writtenBy(sync.lens, call.item, true),
  };
  return { link, before: record, record, event: 'linked' };
};

/** What a call has written, as lineage tells it: of an object that a create made, the first row that names it. */
export const wroteRow = (sync: Sync, { id, item }: CallRow, object: string, version: number): LineageRow => ({
  cause: `call ${id}`,
  sync: sync.name,
  object,
  mapping: `${sync.lens.name}@${sync.lens.hash}`,
  version,
  entries: Object.entries(item.fields).map(([field, after]) => ({
    field,
    verdict: 'wrote',
    after,
    version: item.versions[field] ?? 0,
  })),
});

/** What a call has written, as the link remembers it. */
export const writtenBy = (lens: Lens, item: CallItem, acked: boolean): Record<string, Written> =>
  Object.fromEntries(
    Object.entries(item.fields).map(([field, asked]) => [
      field,
      {
        asked,
        settled: lens.settle(field, asked),
        version: item.versions[field] ?? item.version,
        acked,
        confirmed: false,
        guard: item.guard,
        tries: 0,
      },
    ]),
  );

const createEffect = async (draft: Draft, sync: Sync, record: string): Promise<EffectRow | undefined> => {
  const row = await draft.hub.store.get('effect', { sync: sync.name, record, object: '' });
  return row === undefined ? undefined : effectOf(row);
};

/** An anchor counts only for a record that has no object there yet: people copy objects, anchor and all. */
const byAnchor = async (draft: Draft, sync: Sync, reading: Reading): Promise<RecordState | undefined> => {
  if (reading.anchor === undefined) return undefined;
  const record = await leadsTo(draft.hub, reading.anchor);
  if (record?.entity !== sync.entity) return undefined;
  const links = await linksOf(draft.hub, record.id);
  const taken = links.some((link) => link.sync === sync.name && link.state === 'live');
  return taken ? undefined : record;
};

/** A copy of something that was deleted does not bring it back; people see where it came from. */
const drawNamesDeleted = (draft: Draft, { id, entity }: RecordState, deleted: RecordState): Promise<void> =>
  raise(draft, entity, id, deleted.id, 'its anchor names a deleted record');

interface Keyed {
  readonly record: RecordState;
  /** The record, merged into it since, that had brought the key; null if the key is its own. */
  readonly origin: string | null;
}

/** The record that holds its keys. Of a key that two records share of which somebody has said that they are not the same, nobody can tell: `rivals`. */
const byKeys = async (
  draft: Draft,
  sync: Sync,
  fields: Fields,
  rivals: string[],
): Promise<Keyed | undefined> => {
  const { hub } = draft;
  const holders = new Map<string, { readonly key: string; readonly origin: string | null }>();
  for (const key of strongKeys(hub.entities.get(sync.entity)?.keys ?? [], fields)) {
    const at = { entity: sync.entity, key };
    const row = await hub.store.get('strong_key', at);
    if (row !== undefined) holders.set(String(row['record']), { key, origin: originOf(row) });
    draft.expect('strong_key', at, row === undefined ? null : { record: row['record'] });
  }
  const [a, b] = [...holders.keys()].sort();
  if (a !== undefined && b !== undefined) {
    await raise(draft, sync.entity, a, b, 'keys of one object');
    return undefined;
  }
  if (a === undefined) return undefined;
  const record = await loadRecord(hub, a);
  const { key, origin } = holders.get(a) ?? { key: '', origin: null };
  const sharing = await sharingKey(hub, record, key);
  if (sharing.length === 0) return { record, origin };
  rivals.push(a, ...sharing.map(({ id }) => id));
  return undefined;
};

const originOf = (row: Row): string | null => (row['origin'] === null ? null : String(row['origin']));

const createRecord = (draft: Draft, sync: Sync, sight: Sight): Target => {
  const { hub } = draft;
  const record: RecordState = {
    id: hub.newId('r'),
    entity: sync.entity,
    version: 0,
    at: hub.now(),
    fields: {},
  };
  return { link: newLink(sync.name, sight.object.id, record.id), before: null, record, event: 'created' };
};
