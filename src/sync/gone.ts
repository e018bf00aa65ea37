import type { ItemVerdict } from '../merge/books.ts';
import { deletedField, reachOf } from '../merge/deletion.ts';
import { neverKnown, type Entry, type LinkState, type RecordState } from '../merge/record.ts';
import { forgetAwaited } from './awaited.ts';
import { pairOf } from './candidates.ts';
import { drawFollowing, judgeLoss, promiseMissing, tellStaying } from './deletion.ts';
import type { Draft } from './draft.ts';
import { effectOf, goneGrace, holdOf, loadRecord, newLink, type Sync } from './hub.ts';
import { drawMerge, type Bar } from './join.ts';

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

/**
 * The remote merged this object into another. Where both are linked, to two records, the records become one as well, and
 * the one whose object stayed survives; unless protection, a person or a deletion speaks against it: then people see a
 * candidate. The object's link stays as an alias: whatever names it leads to the record.
 */
export const drawMoved = async (
  draft: Draft,
  sync: Sync,
  link: LinkState | null,
  to: string,
): Promise<ItemVerdict | 'wait'> => {
  const { hub } = draft;
  if (link === null || link.state === 'detached') {
    touchAgain(draft, sync, to, 0, 'moved');
    return link === null ? 'filtered' : 'unchanged';
  }
  const other = await hub.store.get('link', { sync: sync.name, object: to });
  const { removal: _, gone: __, made: _made, ...rest } = link;
  const record = await loadRecord(hub, link.record);
  if (other === undefined && reachOf(record) === null) {
    const creates = { sync: sync.name, op: 'create' };
    // What a create of ours may have made is identified first.
    if ((await hub.store.count('call', 'sync', creates)) > 0) return 'wait';
    const fresh = newLink(sync.name, to, link.record);
    const from = link.from?.map(({ record: origin }) => neverKnown(origin));
    draft.link(null, from === undefined ? fresh : { ...fresh, from });
    const at = { cause: 'moved', sync: sync.name, object: to };
    draft.lineage(link.record, { ...at, version: record.version, event: 'linked', entries: [] });
  }
  touchAgain(draft, sync, to, 0, 'moved');
  // What was deleted there before that was deleted before the merge, whichever look told of it.
  const left: LinkState = { ...rest, state: 'detached', lookedUntil: hub.now() };
  const ended = await drawEnd(draft, left, record, []);
  if (other !== undefined && other['record'] !== link.record) {
    const survivor = await loadRecord(hub, String(other['record']));
    const source = `${sync.name}/${link.object}`;
    const cause = `${link.object} was merged into ${to} in ${sync.connection}`;
    const bar = await drawMerge(draft, survivor, record, {
      by: source,
      cause,
      ended: { before: link, after: ended },
    });
    if (bar === null) return 'applied';
    if (bar.is === 'busy') return 'wait';
    raiseMoved(draft, sync, [record, survivor], bar, cause);
  }
  draft.link(link, ended);
  draft.expect('record', { id: record.id }, { version: record.version });
  return 'applied';
};

/** People see what the remote took for one, and why it is not taken for one here. */
const raiseMoved = (
  draft: Draft,
  { connection }: Sync,
  [one, other]: readonly [RecordState, RecordState],
  { is, why }: Bar,
  cause: string,
): void => {
  const { hub } = draft;
  const pair = pairOf(one.entity, one.id, other.id);
  draft.put('candidate', { ...pair, why: `merged in ${connection}; ${why}`, at: hub.now() });
  if (is !== 'refused')
    hub.alarm(
      `merged in ${connection}`,
      `${cause}, and records ${one.id} and ${other.id} stay two: ${why}. Decide it: crosswalk candidates show ${one.id} ${other.id}`,
    );
};

/** Ends a link, with its effect and what was held on it. */
const endLink = async (
  draft: Draft,
  before: LinkState,
  link: LinkState,
  record: RecordState,
  entries: readonly Entry[],
): Promise<void> => {
  draft.link(before, await drawEnd(draft, link, record, entries));
};

/** All that the end of a link comes to but the link itself, which is the answer. */
const drawEnd = async (
  draft: Draft,
  link: LinkState,
  record: RecordState,
  entries: readonly Entry[],
): Promise<LinkState> => {
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
  return { ...link, call: null, written: {}, gone };
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
