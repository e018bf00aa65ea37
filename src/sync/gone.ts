import type { ItemVerdict } from '../merge/books.ts';
import { deletedField } from '../merge/deletion.ts';
import type { Entry, LinkState, RecordState } from '../merge/record.ts';
import { forgetAwaited } from './awaited.ts';
import { drawFollowing, judgeLoss, promiseMissing, tellStaying } from './deletion.ts';
import type { Draft } from './draft.ts';
import { effectOf, goneGrace, holdOf, loadRecord, type Sync } from './hub.ts';

/**
 * An object that a direct read did not find. It is believed gone only when a second read, one grace interval later,
 * does not find it either; at once where the remote has said that it did what we asked, to remove it.
 */
export const drawGone = async (draft: Draft, sync: Sync, link: LinkState): Promise<ItemVerdict> => {
  const { hub } = draft;
  if (link.state !== 'live') return 'unchanged';
  const now = hub.now();
  const isTold = link.removal === 'done' || hub.mutation === 'no-grace';
  if (!isTold && (link.missingSince === null || now - link.missingSince < goneGrace)) {
    draft.link(link, { ...link, call: null, missingSince: link.missingSince ?? now });
    touchAgain(draft, sync, link.object, goneGrace, 'not found');
    return 'waiting';
  }
  await drawLost(draft, sync, link);
  return 'applied';
};

/** The object of this link is gone for certain: what that means for its record and for the other systems. */
export const drawLost = async (draft: Draft, sync: Sync, link: LinkState): Promise<void> => {
  const { hub } = draft;
  const before = await loadRecord(hub, link.record);
  const to = link.missingSince ?? hub.now();
  const at = { from: Math.min(link.lookedFrom, to - 1), to };
  const gone = { by: link.removal === undefined ? ('them' as const) : ('us' as const), at };
  const none = { record: before, changed: [], entries: [], held: [] };
  const lost = gone.by === 'us' ? none : await judgeLoss(hub, sync, link, before, at);
  const { changed, entries, held } = lost;
  // Always a new version: two objects that are gone at once must not each count on the other.
  const record = { ...lost.record, version: before.version + 1 };
  await draft.record(before, record, changed.length > 0 ? 'claim' : 'held');
  const { removal: _, ...rest } = link;
  const after: LinkState = { ...rest, state: 'gone', gone };
  await endLink(draft, link, after, record, entries);
  draft.holds(record.id, after, held, []);
  if (changed.length === 0) return promiseMissing(draft, sync, record, after);
  await drawFollowing(draft, record, changed, after);
  await tellStaying(draft, record, after);
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
  const { removal: _, made: _made, ...rest } = link;
  const record = await loadRecord(draft.hub, link.record);
  if (other === undefined) {
    draft.link(null, { ...rest, object: to, gen: 0, written: {} });
    const at = { cause: 'moved', sync: sync.name, object: to };
    draft.lineage(link.record, { ...at, version: record.version, event: 'linked', entries: [] });
  }
  draft.expect('record', { id: record.id }, { version: record.version });
  await endLink(draft, link, { ...rest, state: 'detached' }, record, []);
  return 'applied';
};

/** Ends a link, with its effect and what was held on it. */
const endLink = async (
  draft: Draft,
  before: LinkState,
  link: LinkState,
  record: RecordState,
  entries: readonly Entry[],
): Promise<void> => {
  const { hub } = draft;
  const row = await hub.store.get('effect', { sync: link.sync, record: link.record, object: link.object });
  const effect = row === undefined ? undefined : effectOf(row);
  if (effect !== undefined && !draft.ended(effect)) draft.close(effect, 'superseded');
  const holds = await hub.store.list('conflict', 'record', { where: { record: link.record }, limit: 1000 });
  const own = holds.filter((one) => one['sync'] === link.sync && one['object'] === link.object).map(holdOf);
  for (const { field } of own) {
    const { sync, object } = link;
    draft.delete('conflict', { record: link.record, field, sync, object });
  }
  const held = own.filter(({ field }) => field !== deletedField);
  const gone = link.gone === undefined || held.length === 0 ? link.gone : { ...link.gone, held };
  draft.link(before, { ...link, call: null, written: {}, gone });
  const sync = hub.syncs.get(link.sync);
  if (sync !== undefined) await forgetAwaited(draft, sync, link);
  draft.lineage(link.record, {
    cause: 'look',
    sync: link.sync,
    object: link.object,
    version: record.version,
    event: link.state,
    entries,
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
