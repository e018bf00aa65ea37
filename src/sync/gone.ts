import type { ItemVerdict } from '../merge/books.ts';
import type { LinkState } from '../merge/record.ts';
import { forgetAwaited } from './awaited.ts';
import type { Draft } from './draft.ts';
import { effectOf, goneGrace, loadRecord, type Sync } from './hub.ts';

/**
 * An object that a direct read did not find. It is believed gone only when a second read, one grace
 * interval later, does not find it either. The record stays; nothing is removed elsewhere.
 */
export const drawGone = async (draft: Draft, sync: Sync, link: LinkState): Promise<ItemVerdict> => {
  const { hub } = draft;
  if (link.state === 'gone') return 'unchanged';
  const now = hub.now();
  if (link.missingSince === null || now - link.missingSince < goneGrace) {
    draft.link(link, { ...link, call: null, missingSince: link.missingSince ?? now });
    touchAgain(draft, sync, link.object, goneGrace, 'not found');
    return 'waiting';
  }
  await endLink(draft, link, 'gone');
  return 'applied';
};

/** The remote merged this object into another: its link follows, unless the other is linked already. */
export const drawMoved = async (
  draft: Draft,
  sync: Sync,
  link: LinkState | null,
  to: string,
): Promise<ItemVerdict> => {
  touchAgain(draft, sync, to, 0, 'moved');
  if (link === null) return 'filtered';
  const other = await draft.hub.store.get('link', { sync: sync.name, object: to });
  if (other !== undefined && other['record'] !== link.record) {
    const record = await loadRecord(draft.hub, link.record);
    const [a, b] = [link.record, String(other['record'])].sort();
    draft.put('candidate', {
      entity: record.entity,
      a,
      b,
      why: `merged in ${sync.connection}`,
      at: draft.hub.now(),
    });
  }
  if (other === undefined) {
    draft.link(null, { ...link, object: to, gen: 0, written: {} });
    const { version } = await loadRecord(draft.hub, link.record);
    const at = { cause: 'moved', sync: sync.name, object: to };
    draft.lineage(link.record, { ...at, version, event: 'linked', entries: [] });
  }
  await endLink(draft, link, 'detached');
  return 'applied';
};

const endLink = async (draft: Draft, link: LinkState, state: 'gone' | 'detached'): Promise<void> => {
  const { hub } = draft;
  const record = await loadRecord(hub, link.record);
  draft.expect('record', { id: record.id }, { version: record.version });
  draft.link(link, { ...link, state, call: null, written: {} });
  const row = await hub.store.get('effect', { sync: link.sync, record: link.record, object: link.object });
  if (row !== undefined) draft.close(effectOf(row), 'superseded');
  const holds = await hub.store.list('conflict', 'record', { where: { record: link.record }, limit: 1000 });
  for (const hold of holds.filter((one) => one['sync'] === link.sync && one['object'] === link.object)) {
    const { sync, object } = link;
    draft.delete('conflict', { record: link.record, field: String(hold['field']), sync, object });
  }
  const sync = hub.syncs.get(link.sync);
  if (sync !== undefined) await forgetAwaited(draft, sync, link);
  draft.lineage(link.record, {
    cause: 'look',
    sync: link.sync,
    object: link.object,
    version: record.version,
    event: state,
    entries: [],
  });
};

/** A touch of the engine's own making. */
export const touchAgain = (draft: Draft, sync: Sync, object: string, after: number, cause: string): void => {
  const now = draft.hub.now();
  draft.append('touch', {
    lane: sync.lane,
    object,
    due: now + after,
    at: now,
    run: draft.run,
    hint: { cause, uncounted: true },
  });
  draft.nudge(`in:${sync.lane}`);
};
