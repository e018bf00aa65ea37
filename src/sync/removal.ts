/**
 * Removing an object whose record is deleted: a call like any other, on disk before it is sent.
 *
 *   deleted ─► look ─► edited there meanwhile? judged ─► call on disk ─► done ─► a read finds nothing: gone
 *                                                          └─► unknown ─► a look: gone is done; there, once more
 */
import { deletedField, reachOf } from '../merge/deletion.ts';
import type { LinkState, RecordState } from '../merge/record.ts';
import type { Draft } from './draft.ts';
import { drawLost, touchAgain } from './gone.ts';
import { linkOf, loadRecord, type CallItem, type CallRow, type EffectRow, type Sync } from './hub.ts';
import { callRow } from './item.ts';

/** The call that removes an object, on disk with this draft. */
export const drawRemoval = (
  draft: Draft,
  sync: Sync,
  record: RecordState,
  link: LinkState,
  effect: EffectRow,
): CallRow => {
  const item: CallItem = {
    op: 'remove',
    record: record.id,
    object: link.object,
    version: record.version,
    fields: {},
    versions: {},
    value: {},
    guard: link.guard,
    sentAt: draft.hub.now(),
  };
  const call = callRow(draft.hub, sync, item, effect);
  draft.link(link, { ...link, call: call.id, removal: 'sent' });
  draft.effect(effect, { ...effect, call: call.id, attempts: effect.attempts + 1 });
  draft.put('call', { ...call });
  return call;
};

/** The remote has said that it removed the object: a read that finds nothing confirms it. */
export const drawRemoved = async (draft: Draft, sync: Sync, call: CallRow): Promise<void> => {
  const { hub } = draft;
  const { record: id, object, version } = call.item;
  const row = await hub.store.get('link', { sync: sync.name, object });
  const link = row === undefined ? undefined : linkOf(row);
  const record = await loadRecord(hub, id);
  const at = { cause: `call ${call.id}`, sync: sync.name, object, version: record.version };
  const entry = { field: deletedField, verdict: 'removed' as const, after: reachOf(record), version };
  draft.lineage(id, { ...at, entries: [entry] });
  if (link?.call !== call.id) return;
  const told: LinkState = { ...link, call: null, removal: 'done', lookedUntil: hub.now() };
  if (sync.kind.read === undefined) return drawLost(draft, sync, told);
  draft.link(link, told);
  touchAgain(draft, sync, object, 0, 'confirm');
};
