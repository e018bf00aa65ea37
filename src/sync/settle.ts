/**
 * What follows from the outcome of a call: the one switch of the design ("Deliver, honestly"). Every case
 * ends the call row or marks it unknown, frees or keeps the link, and moves the effect in its books.
 */
import type { ItemResult, Trouble } from '../connector.ts';
import { deletedField, reachOf } from '../merge/deletion.ts';
import { overlay, type LinkState, type RecordState, type Written } from '../merge/record.ts';
import { CrosswalkError } from '../errors.ts';
import { raise } from './candidates.ts';
import { commit, Draft } from './draft.ts';
import { touchAgain } from './gone.ts';
import {
  effectOf,
  landing,
  linkOf,
  loadRecord,
  mostAttempts,
  newLink,
  type CallRow,
  type EffectRow,
  type Hub,
  type Sync,
} from './hub.ts';
import { writtenBy, wroteRow } from './identify.ts';
import { drawLook } from './look.ts';
import { drawRemoved } from './removal.ts';

/** The rows that a call holds, freshly read. */
interface Held {
  readonly effect: EffectRow | undefined;
  readonly link: LinkState | undefined;
  readonly record: RecordState;
}

const load = async (hub: Hub, sync: Sync, { item }: CallRow, object: string): Promise<Held> => {
  const effect = await hub.store.get('effect', { sync: sync.name, record: item.record, object: item.object });
  const link = object === '' ? undefined : await hub.store.get('link', { sync: sync.name, object });
  return {
    effect: effect === undefined ? undefined : effectOf(effect),
    link: link === undefined ? undefined : linkOf(link),
    record: await loadRecord(hub, item.record),
  };
};

/** Draws and commits, again from fresh reads if it was overtaken: at most five times (a settled call must be recorded). */
const insist = async (hub: Hub, run: string, draw: (draft: Draft) => Promise<void>): Promise<boolean> => {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const draft = new Draft(hub, run);
    await draw(draft);
    if (await commit(draft)) return true;
  }
  hub.alarm('delivery', new CrosswalkError('store-contended', { object: 'the outcome of a call' }).message);
  return false;
};

/** Settles one item by its own result. */
export const settleItem = async (
  hub: Hub,
  sync: Sync,
  call: CallRow,
  result: ItemResult,
  run: string,
): Promise<void> => {
  switch (result.is) {
    case 'done':
      await insist(hub, run, (draft) => drawDone(draft, sync, call, result));
      return;
    case 'refused':
      await insist(hub, run, (draft) => drawRefused(draft, sync, call, result));
      return;
    case 'stale':
      await insist(hub, run, (draft) => drawFree(draft, sync, call, { due: 0, counts: true, look: true }));
      return;
    case 'gone':
      // Where nothing can be read, what was to be removed and is not there counts as removed.
      if (call.op === 'remove' && sync.kind.read === undefined && result.movedTo === undefined)
        return settleItem(hub, sync, call, { is: 'done', id: call.item.object }, run);
      await insist(hub, run, async (draft) => {
        await drawFree(draft, sync, call, { due: 5000, counts: true, look: true });
        touchAgain(draft, sync, call.item.object, 0, 'gone at write');
        if (result.movedTo !== undefined) touchAgain(draft, sync, result.movedTo, 0, 'moved at write');
      });
      return;
    case 'unknown':
      await insist(hub, run, (draft) => drawUnknown(draft, sync, call));
  }
};

/** Settles one item of a call that failed as a whole. */
export const settleTrouble = async (
  hub: Hub,
  sync: Sync,
  call: CallRow,
  trouble: Trouble,
  items: number,
  run: string,
): Promise<void> => {
  const { message, code, retryAfter } = trouble.detail;
  const refused = { is: 'refused' as const, message, ...(code === undefined ? {} : { code }) };
  // A repeat that did not get through says nothing about the first attempt: that one stays unknown.
  const repeated = call.state === 'unknown';
  const free = (due: number): Promise<boolean> =>
    insist(hub, run, (draft) =>
      repeated
        ? drawUnknown(draft, sync, call)
        : drawFree(draft, sync, call, { due, counts: false, look: false }),
    );
  switch (trouble.kind) {
    case 'unknown':
      return settleItem(hub, sync, call, { is: 'unknown', message }, run);
    case 'stale':
      return settleItem(hub, sync, call, { is: 'stale' }, run);
    case 'gone':
      return settleItem(hub, sync, call, call.op === 'create' ? refused : { is: 'gone' }, run);
    case 'refused':
    case 'cursor-lost':
      if (items === 1) return settleItem(hub, sync, call, refused, run);
      if (repeated) await free(0);
      else {
        await insist(hub, run, (draft) =>
          drawFree(draft, sync, call, { due: 0, counts: false, look: false, most: Math.ceil(items / 2) }),
        );
      }
      return;
    case 'forbidden':
      if (trouble.detail.scoped === true) return settleItem(hub, sync, call, refused, run);
      await free(60_000);
      return;
    case 'busy':
      await free(retryAfter ?? 10_000);
      return;
    case 'unreachable':
      await free(retryAfter ?? 5000);
  }
};

// ---------------------------------------------------------------- done

const ackedLink = (link: LinkState, call: CallRow): LinkState => ({
  ...link,
  call: null,
  written: Object.fromEntries(
    Object.entries(link.written).map(([field, one]): [string, Written] => [
      field,
      call.item.versions[field] === one.version && !one.confirmed ? { ...one, acked: true } : one,
    ]),
  ),
});

const drawDone = async (
  draft: Draft,
  sync: Sync,
  call: CallRow,
  done: Extract<ItemResult, { is: 'done' }>,
): Promise<void> => {
  const { hub } = draft;
  const { item } = call;
  if (call.op === 'remove') {
    const { effect } = await load(hub, sync, call, item.object);
    endCall(draft, call);
    closeSent(draft, call, effect);
    return drawRemoved(draft, sync, call);
  }
  const { effect, link: stored, record } = await load(hub, sync, call, done.id);
  if (
    stored !== undefined &&
    (stored.record !== item.record || (call.op === 'update' && stored.call !== call.id))
  ) {
    return await drawStray(draft, call, effect, stored, record);
  }
  endCall(draft, call);
  closeSent(draft, call, effect);
  const cause = `call ${call.id}`;
  draft.lineage(record.id, wroteRow(sync, call, done.id, record.version));
  const created = {
    ...newLink(sync.name, done.id, item.record),
    made: true as const,
    lookedFrom: item.sentAt,
    written: writtenBy(sync.lens, item, true),
  };
  // A create may answer with an object that was gone, and is there again.
  const link = stored === undefined ? created : { ...ackedLink(stored, call), state: 'live' as const };
  const now = hub.now();
  if (done.object !== undefined) {
    const sight = { object: done.object, from: item.sentAt, until: now };
    await drawLook(draft, {
      sync,
      linkBefore: stored ?? null,
      link,
      recordBefore: record,
      record,
      sight,
      cause,
      ...(stored === undefined ? { event: 'linked' as const } : {}),
    });
    return;
  }
  if (stored === undefined) {
    await draft.record(record, { ...record, version: record.version + 1 }, 'held');
    await draft.bornHolds(record.id, sync.name, done.id);
  }
  // Nothing was shown: the shadow stays, and what was asked counts as expected until a look confirms it. A kind
  // that cannot be read waits for its next page or hook. (Taking what was accepted for the shadow, as first
  // designed, made a write that was dropped in silence look like a person's edit back.)
  const shadow =
    hub.mutation === 'shadow-as-asked' ? overlay(link.shadow, sync.lens.shadow(item.value)) : link.shadow;
  draft.link(stored ?? null, { ...link, shadow, lookedUntil: now });
  if (sync.kind.read !== undefined) touchAgain(draft, sync, done.id, 0, 'confirm');
};

const endCall = (draft: Draft, call: CallRow): void => {
  draft.expect('call', { id: call.id }, {}).delete('call', { id: call.id });
};

/** The effect ends only if nothing newer is wanted than what was sent. */
const closeSent = (draft: Draft, call: CallRow, effect: EffectRow | undefined): void => {
  if (effect === undefined || effect.call !== call.id) return;
  const sent = call.item.version;
  if (effect.wanted <= sent || draft.hub.mutation === 'close-without-equal') draft.close(effect, 'delivered');
  else if (effect.object !== '') {
    draft.effect(effect, {
      ...effect,
      state: 'open',
      call: null,
      sent,
      due: draft.hub.now(),
      attempts: 0,
      most: 0,
    });
    draft.nudge(`out:${effect.sync}`);
  } else draft.close(effect, 'delivered');
};

/**
 * The answer names an object that belongs to another record: a person must say whether the two are one.
 * Creating again would double the object.
 */
const drawStray = async (
  draft: Draft,
  call: CallRow,
  effect: EffectRow | undefined,
  stored: LinkState,
  record: RecordState,
): Promise<void> => {
  endCall(draft, call);
  const own = effect !== undefined && effect.call === call.id ? effect : undefined;
  if (stored.record === record.id) {
    if (own !== undefined) draft.close(own, 'delivered');
    return;
  }
  await raise(draft, record.entity, stored.record, record.id, 'one object answered for both');
  const message = `the remote answered with ${stored.object}, which is linked to record ${stored.record}`;
  if (own !== undefined) parkEffect(draft, own, 'unknown-outcome', message);
};

// ---------------------------------------------------------------- not done

const withoutWritten = ({ removal: _, ...link }: LinkState, call: CallRow): LinkState => ({
  ...link,
  call: null,
  written: Object.fromEntries(
    Object.entries(link.written).filter(
      ([field, one]) => one.confirmed || call.item.versions[field] !== one.version,
    ),
  ),
});

interface Free {
  /** ms until the next try. */
  readonly due: number;
  /** True if this attempt counts towards parking. */
  readonly counts: boolean;
  /** True if the next try must look first, guard or not. */
  readonly look: boolean;
  readonly most?: number;
}

/** The write certainly did not happen: the link is free, the effect open again. */
const drawFree = async (
  draft: Draft,
  sync: Sync,
  call: CallRow,
  { due, counts, look, most }: Free,
): Promise<void> => {
  const { effect, link } = await load(draft.hub, sync, call, call.item.object);
  endCall(draft, call);
  // Without a guard the next try looks first; a kind that cannot be read keeps its guard and waits for a page or a hook.
  const blind = sync.kind.read === undefined;
  if (link?.call === call.id)
    draft.link(link, { ...withoutWritten(link, call), ...(look && !blind ? { guard: null } : {}) });
  if (effect === undefined || effect.call !== call.id) return;
  const attempts = counts ? effect.attempts : Math.max(0, effect.attempts - 1);
  if (attempts >= mostAttempts)
    return parkEffect(draft, effect, 'too-many-attempts', `not settled after ${attempts} attempts`);
  const wait = look && blind ? Math.max(due, 60_000) : due;
  const next = { ...effect, state: 'open' as const, call: null, attempts, due: draft.hub.now() + wait };
  draft.effect(effect, most === undefined ? next : { ...next, most });
};

const drawRefused = async (
  draft: Draft,
  sync: Sync,
  call: CallRow,
  refused: Extract<ItemResult, { is: 'refused' }>,
): Promise<void> => {
  const { effect, link, record } = await load(draft.hub, sync, call, call.item.object);
  endCall(draft, call);
  if (link?.call === call.id) draft.link(link, withoutWritten(link, call));
  if (effect === undefined || effect.call !== call.id) return;
  if (refused.existing !== undefined && effect.attempts < 3) {
    touchAgain(draft, sync, refused.existing, 0, 'exists there already');
    draft.effect(effect, { ...effect, state: 'open', call: null, due: draft.hub.now() + 5000 });
    return;
  }
  const entries = Object.entries(call.item.fields).map(([field, after]) => ({
    field,
    verdict: 'refused' as const,
    after,
    rule: refused.message,
  }));
  if (call.op === 'remove')
    entries.push({ field: deletedField, verdict: 'refused', after: reachOf(record), rule: refused.message });
  draft.lineage(record.id, {
    cause: `call ${call.id}`,
    sync: sync.name,
    object: call.item.object,
    version: record.version,
    entries,
  });
  if (effect.wanted > call.item.version) {
    draft.effect(effect, { ...effect, state: 'open', call: null, due: draft.hub.now() });
  } else if (draft.hub.mutation === 'drop-refused') draft.close(effect, 'delivered');
  else parkEffect(draft, effect, refused.code ?? 'refused', refused.message);
};

/** Parks an effect with the remote's own words. */
export const parkEffect = (draft: Draft, effect: EffectRow, code: string, message: string): void => {
  draft.effect(effect, { ...effect, state: 'parked', call: null, reason: { code, message } });
  if (effect.state !== 'parked') draft.count(effect.run, { e_open: -1, e_parked: 1 });
};

/** The outcome is unknown: the link stays taken until a look, a search or a repeat tells. */
export const drawUnknown = async (draft: Draft, sync: Sync, call: CallRow): Promise<void> => {
  const { effect } = await load(draft.hub, sync, call, call.item.object);
  const { hub } = draft;
  draft.expect('call', { id: call.id }, {});
  if (hub.mutation === 'blind-create-retry' && call.op === 'create') {
    return drawFree(draft, sync, call, { due: 0, counts: true, look: false });
  }
  draft.set('call', { id: call.id }, { state: 'unknown' });
  if (effect !== undefined && effect.call === call.id) {
    draft.effect(effect, { ...effect, state: 'unsettled', due: hub.now() + landing });
  }
};
