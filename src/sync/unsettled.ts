/**
 * Calls whose outcome is unknown: cut after sending, or sent by a process that died. They are settled only
 * once they can no longer land: by a look (updates), by repeating the very same call where the remote
 * knows its key, or by searching for what a create made. What stays undecided parks: nothing is repeated
 * blindly.
 */
import { Trouble, type Json } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { reachOf } from '../merge/deletion.ts';
import { isEmpty, placeAt } from '../merge/record.ts';
import { backThere } from './create.ts';
import { commit, Draft } from './draft.ts';
import { drawGone, touchAgain } from './gone.ts';
import {
  callOf,
  effectOf,
  landing,
  linkOf,
  linksOf,
  loadRecord,
  mostAttempts,
  unsettledMost,
  type CallRow,
  type EffectRow,
  type Hub,
  type Sync,
} from './hub.ts';
import { foundAfter, likenessOf } from './likeness.ts';
import { drawLook } from './look.ts';
import { drawUnknown, parkEffect } from './settle.ts';
import { send } from './send.ts';

const pause = 10_000;

/** Settles what is due; returns how many effects it looked at. */
export const settleUnsettled = async (hub: Hub, sync: Sync, run: string): Promise<number> => {
  const where = { sync: sync.name, state: 'unsettled' };
  const rows = await hub.store.list('effect', 'due', { where, upTo: hub.now(), limit: 100 });
  for (const effect of rows.map(effectOf)) {
    const row = effect.call === null ? undefined : await hub.store.get('call', { id: effect.call });
    try {
      if (row === undefined) await reopen(hub, sync, effect, undefined, run);
      else if (effect.object === '') await settleCreate(hub, sync, effect, callOf(row), run);
      else await settleUpdate(hub, sync, effect, callOf(row), run);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      await later(hub, effect, error.detail.retryAfter ?? pause, run);
    }
  }
  return rows.length;
};

/** Rounds over what was left behind; in each, whatever else is committed may come in between. */
const mostRounds = 50;

/**
 * Calls that a dead process left behind, or a pass of one sync that could not write down their answers, become
 * unknown; how many. Run before anything is delivered, while no pass has calls under way: one that stayed behind would be
 * sent once more. Throws CrosswalkError `store-contended` rather than leave one.
 */
export const recover = async (hub: Hub, run: string, only?: string): Promise<number> => {
  const where = { state: 'sent', ...(only === undefined ? {} : { sync: only }) };
  let found = 0;
  for (let round = 0; round < mostRounds; round += 1) {
    const rows = await hub.store.list('call', 'state', { where, limit: 100_000 });
    const calls = rows.map(callOf).filter((call) => hub.syncs.has(call.sync));
    if (calls.length === 0) return found;
    for (const call of calls) {
      const sync = hub.syncs.get(call.sync);
      if (sync === undefined) continue;
      const draft = new Draft(hub, run);
      await drawUnknown(draft, sync, call);
      if (await commit(draft)) found += 1;
    }
  }
  throw new CrosswalkError('store-contended', { object: 'a call without an answer' });
};

const later = async (hub: Hub, effect: EffectRow, by: number, run: string): Promise<void> => {
  await commit(new Draft(hub, run).effect(effect, { ...effect, due: hub.now() + by }));
};

/** It certainly did not happen: the effect is open again and decides anew. */
const reopen = async (
  hub: Hub,
  sync: Sync,
  effect: EffectRow,
  call: CallRow | undefined,
  run: string,
): Promise<void> => {
  const draft = new Draft(hub, run);
  if (call !== undefined) draft.expect('call', { id: call.id }, {}).delete('call', { id: call.id });
  if (effect.attempts >= mostAttempts)
    parkEffect(draft, effect, 'too-many-attempts', `not settled after ${effect.attempts} attempts`);
  else draft.effect(effect, { ...effect, state: 'open', call: null, due: hub.now() });
  draft.nudge(`out:${sync.name}`);
  await commit(draft);
};

const park = async (
  hub: Hub,
  effect: EffectRow,
  call: CallRow,
  message: string,
  run: string,
): Promise<void> => {
  const draft = new Draft(hub, run);
  draft.expect('call', { id: call.id }, {}).delete('call', { id: call.id });
  parkEffect(draft, effect, 'unknown-outcome', message);
  const row =
    effect.object === ''
      ? undefined
      : await hub.store.get('link', { sync: effect.sync, object: effect.object });
  const link = row === undefined ? undefined : linkOf(row);
  if (link?.call === call.id) draft.link(link, { ...link, call: null, removal: undefined });
  await commit(draft);
};

/** The same calls again, in the batch that they were in; none if one of them has been settled in another way meanwhile. */
const repeat = async (hub: Hub, sync: Sync, effect: EffectRow, call: CallRow, run: string): Promise<void> => {
  if (effect.attempts >= mostAttempts) return park(hub, effect, call, 'repeated without an answer', run);
  const rows = await hub.store.list('call', 'call', { where: { call: call.call }, limit: 1000 });
  const draft = new Draft(hub, run).effect(effect, { ...effect, due: hub.now() + landing });
  // While they are under way no look that comes in may take an object for theirs, and end them.
  for (const { id } of rows.map(callOf))
    draft.expect('call', { id }, { state: 'unknown' }).set('call', { id }, { state: 'sent' });
  if (await commit(draft)) await send(hub, sync, rows.map(callOf), run);
};

// ---------------------------------------------------------------- updates

const settleUpdate = async (
  hub: Hub,
  sync: Sync,
  effect: EffectRow,
  call: CallRow,
  run: string,
): Promise<void> => {
  if (sync.kind.read === undefined) {
    if (sync.kind[call.op]?.keyed === true) return repeat(hub, sync, effect, call, run);
    return park(hub, effect, call, 'the outcome is unknown and this kind cannot be read', run);
  }
  const row = await hub.store.get('link', { sync: sync.name, object: effect.object });
  if (row === undefined) return park(hub, effect, call, 'the link has gone', run);
  const link = linkOf(row);
  const from = hub.now();
  const look = (await sync.kind.read([effect.object])).get(effect.object) ?? { is: 'gone' as const };
  const draft = new Draft(hub, run);
  draft.expect('call', { id: call.id }, {}).delete('call', { id: call.id });
  const { removal: _, ...rest } = link;
  const free = { ...rest, call: null };
  if (look.is === 'object') {
    const record = await loadRecord(hub, link.record);
    const { merged, behind } = await drawLook(draft, {
      sync,
      linkBefore: link,
      link: free,
      recordBefore: record,
      record,
      sight: { object: look.object, from, until: hub.now() },
      cause: `look after call ${call.id}`,
    });
    const confirmed = Object.keys(call.item.fields).every(
      (field) => merged.link.written[field]?.confirmed === true,
    );
    const settled = !behind && effect.wanted <= call.item.version;
    // It is still there, and nobody wants it removed any more.
    if (settled && call.op === 'remove') draft.close(effect, 'superseded');
    else if (settled && confirmed) draft.close(effect, 'delivered');
    else draft.effect(effect, { ...effect, state: 'open', call: null, due: hub.now() });
  } else {
    if (look.is === 'gone') await drawGone(draft, sync, { ...link });
    else {
      draft.link(link, free);
      touchAgain(draft, sync, effect.object, 0, 'look after call');
    }
    if (!draft.ended(effect))
      draft.effect(effect, { ...effect, state: 'open', call: null, due: hub.now() + 5000 });
  }
  draft.nudge(`out:${sync.name}`);
  await commit(draft);
};

// ---------------------------------------------------------------- creates

const settleCreate = async (
  hub: Hub,
  sync: Sync,
  effect: EffectRow,
  call: CallRow,
  run: string,
): Promise<void> => {
  const { find } = sync.kind;
  if (sync.kind.create?.keyed === true && !(find !== undefined && (await isMoot(hub, sync, effect))))
    return repeat(hub, sync, effect, call, run);
  const patience = call.item.sentAt + landing + (find?.lag ?? 0);
  const deadline = patience + unsettledMost;
  const queries = find === undefined ? [] : queriesOf(sync, call, find.pointers);
  if (find === undefined || queries.length === 0) {
    if (hub.now() < deadline) return later(hub, effect, Math.min(60_000, deadline - hub.now()), run);
    return park(hub, effect, call, 'this kind cannot be searched for what the create may have made', run);
  }
  const { found, rivals } = await search(hub, sync, call, queries);
  if (found.size === 0 && hub.now() >= patience) {
    const sure = sync.lens.anchor !== undefined && queries[0]?.has(sync.lens.anchor) === true;
    // What a search found once may be what the create made, changed since beyond finding: absence proves nothing then.
    const known = effect.reason?.code === 'rival' || effect.reason?.code === 'found';
    if (sure || (rivals === 0 && !known)) return reopen(hub, sync, effect, call, run);
  }
  const searched = effect.reason !== null;
  if (searched && hub.now() >= deadline)
    return park(hub, effect, call, 'more than one object there may be what the create made', run);
  const draft = new Draft(hub, run);
  for (const id of found) touchAgain(draft, sync, id, 0, foundAfter(call));
  const reason =
    effect.reason?.code === 'rival' || effect.reason?.code === 'found'
      ? effect.reason
      : found.size > 0
        ? { code: 'found', message: `found ${[...found].join(', ')}` }
        : { code: 'searched', message: 'found nothing yet' };
  draft.effect(effect, { ...effect, reason, due: hub.now() + pause });
  await commit(draft);
};

/** True if nothing is to be made any more: a create without an answer is then searched for rather than made once more. */
const isMoot = async (hub: Hub, sync: Sync, { record }: EffectRow): Promise<boolean> => {
  if (reachOf(await loadRecord(hub, record)) !== null) return true;
  const own = (await linksOf(hub, record)).filter((link) => link.sync === sync.name);
  return (await backThere(sync, own)).length > 0;
};

/** Unlinked objects that the searches found, and how many were linked only since the create was sent. */
const search = async (
  hub: Hub,
  sync: Sync,
  call: CallRow,
  queries: readonly ReadonlyMap<string, Json>[],
): Promise<{ found: Set<string>; rivals: number }> => {
  const found = new Set<string>();
  let rivals = 0;
  for (const query of queries) {
    for (const id of (await sync.kind.find?.by(query)) ?? []) {
      const row = await hub.store.get('link', { sync: sync.name, object: id });
      if (row === undefined) found.add(id);
      else if ((await loadRecord(hub, String(row['record']))).at >= call.item.sentAt) rivals += 1;
    }
  }
  return { found: found.size > 0 ? found : await changedSince(hub, sync, call), rivals };
};

/**
 * A person may have changed every value that can be searched. Where the kind can be asked for changes, what
 * is new since the call and unlinked is looked at too, if it still has anything that was sent.
 */
const changedSince = async (hub: Hub, sync: Sync, call: CallRow): Promise<Set<string>> => {
  const found = new Set<string>();
  const { changes, stamps } = sync.kind;
  if (changes === undefined || sync.lens.anchor !== undefined) return found;
  const slack = (stamps?.resolution ?? 0) + (stamps?.skew ?? 0) + (stamps?.lateness ?? 0);
  const window = { since: call.item.sentAt - slack, until: hub.now() + slack + 1 };
  let page: string | null = null;
  for (let n = 0; n < 100; n += 1) {
    const { objects, next } = await changes(window, page);
    for (const object of objects) {
      if (likenessOf(sync.lens, sync.lens.read(object.value), call.item) === 'none') continue;
      if ((await hub.store.get('link', { sync: sync.name, object: object.id })) === undefined)
        found.add(object.id);
    }
    if (next === null) break;
    page = next;
  }
  return found;
};

/**
 * What to search for: our anchor if it can be searched, else each sent value that can, one by one: a person
 * may have changed the others since.
 */
const queriesOf = (sync: Sync, call: CallRow, searchable: readonly string[]): Map<string, Json>[] => {
  const { anchor } = sync.lens;
  if (anchor !== undefined && searchable.includes(anchor)) return [new Map([[anchor, call.item.record]])];
  return Object.entries(call.item.fields).flatMap(([field, value]) => {
    const [pointer, ...more] = sync.lens.pointers(field);
    if (isEmpty(value) || more.length > 0 || pointer === undefined || !searchable.includes(pointer))
      return [];
    return [new Map([[pointer, placeAt(call.item.value, pointer)]])];
  });
};
