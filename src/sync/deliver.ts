/**
 * Delivery: from effects to confirmed writes, in batches per sync.
 *
 *   effect open ─► look (unguarded kinds: in the same step) ─► delta ─► empty? already true
 *        ▲                                                      │
 *        │                                             call on disk: the link's generation moves, so any
 *        │                                             look begun before is void, and intake leaves the
 *        │                                             object alone until the call is settled
 *        │                                                      │
 *   unsettled ◄── outcome unknown ◄── send ──► done: the response, or a read, is the confirming look
 *
 * An effect holds what is wanted and what was sent, and ends only when they are equal.
 */
import { Trouble, type Look } from '../connector.ts';
import { delta } from '../merge/delta.ts';
import { isEmpty, placeAt, type LinkState, type RecordState } from '../merge/record.ts';
import type { Fields } from '../mapping/lens.ts';
import { commit, Draft } from './draft.ts';
import {
  effectOf,
  linkOf,
  linksOf,
  loadHolds,
  loadRecord,
  mostAttempts,
  type CallItem,
  type CallRow,
  type EffectRow,
  type Hub,
  type Sync,
} from './hub.ts';
import { writtenBy } from './identify.ts';
import { drawLook } from './look.ts';
import { drawGone, touchAgain } from './gone.ts';
import { batchesOf, send, type Prepared } from './send.ts';
import { parkEffect } from './settle.ts';
import { together } from './together.ts';
import { settleUnsettled } from './unsettled.ts';

/** What a pass found, so that its caller can pause a connection or wait. */
export interface Delivered {
  readonly taken: number;
  readonly trouble?: Trouble;
}

/** One pass over a sync's effects that are due. */
export const deliver = async (hub: Hub, sync: Sync, upkeepRun: string, most = 100): Promise<Delivered> => {
  const settled = await settleUnsettled(hub, sync, upkeepRun);
  const rows = await hub.store.list('effect', 'due', {
    where: { sync: sync.name, state: 'open' },
    upTo: hub.now(),
    limit: most,
  });
  const effects = rows.map(effectOf);
  const updates = effects.filter((effect) => effect.object !== '');
  const creates = effects.filter((effect) => effect.object === '');
  // Updates are on their way before creates are prepared: a search that fails must not strand a call on disk.
  const sendAll = async (calls: readonly Prepared[]): Promise<Trouble | undefined> => {
    let last: Trouble | undefined;
    for (const batch of batchesOf(sync, calls)) last = (await send(hub, sync, batch, upkeepRun)) ?? last;
    return last;
  };
  let trouble = await sendAll(await prepareUpdates(hub, sync, updates, upkeepRun));
  const prepared = await prepareCreates(hub, sync, creates, upkeepRun);
  trouble = (await sendAll(prepared.calls)) ?? prepared.trouble ?? trouble;
  return { taken: settled + effects.length, ...(trouble === undefined ? {} : { trouble }) };
};

// ---------------------------------------------------------------- updates

/** Effects of linked objects become calls on disk, or end as already true. */
const prepareUpdates = async (hub: Hub, sync: Sync, effects: readonly EffectRow[], run: string): Promise<Prepared[]> => {
  const links = new Map<EffectRow, LinkState>();
  for (const effect of effects) {
    const row = await hub.store.get('link', { sync: sync.name, object: effect.object });
    const link = row === undefined ? undefined : linkOf(row);
    if (link === undefined || link.state !== 'live' || sync.kind.update === undefined) await supersede(hub, effect, run);
    else if (link.call !== null || (await unheard(hub, sync, effect))) await postpone(hub, effect, 1000, run);
    else if (guardless(sync, link)) await awaitGuard(hub, effect, run);
    else links.set(effect, link);
  }
  const looked = await lookBefore(hub, sync, links, run);
  const prepared = await together(looked, (effect) => prepareUpdate(hub, sync, effect, run));
  return prepared.filter((one) => one !== undefined);
};

/** A kind that cannot be read is written only when what was heard of the object is taken in, and its guard is known. */
const unheard = async (hub: Hub, sync: Sync, effect: EffectRow): Promise<boolean> => {
  if (sync.kind.read !== undefined) return false;
  return (await hub.store.count('touch', 'object', { lane: sync.lane, object: effect.object })) > 0;
};

const guardless = (sync: Sync, link: LinkState): boolean =>
  sync.kind.read === undefined && sync.kind.guarded === true && link.guard === null;

/** Parks in the end; a look that brings the guard opens the effect again. */
const awaitGuard = async (hub: Hub, effect: EffectRow, run: string): Promise<void> => {
  const draft = new Draft(hub, run);
  const waiting = { ...effect, attempts: effect.attempts + 1, due: hub.now() + 60_000 };
  if (waiting.attempts < mostAttempts) draft.effect(effect, waiting);
  else parkEffect(draft, effect, 'no-guard', 'the remote has not shown this object since it was created, and it cannot be read');
  await commit(draft);
};

/**
 * The look before an unguarded write: without it, whatever a person changed since the last look would be
 * overwritten unseen. What it finds is merged and committed before the delta is taken.
 */
const lookBefore = async (
  hub: Hub,
  sync: Sync,
  links: ReadonlyMap<EffectRow, LinkState>,
  run: string,
): Promise<EffectRow[]> => {
  const ready: EffectRow[] = [];
  const toRead = new Map<EffectRow, LinkState>();
  for (const [effect, link] of links) {
    const guarded = sync.kind.guarded === true && link.guard !== null;
    const pending = Object.values(link.written).some((one) => !one.confirmed);
    const skip = hub.mutation === 'no-look-before-write' || sync.kind.read === undefined || (guarded && !pending);
    if (skip) ready.push(effect);
    else toRead.set(effect, link);
  }
  const entries = [...toRead];
  const most = sync.kind.readMost ?? 100;
  for (let i = 0; i < entries.length; i += most) {
    const batch = entries.slice(i, i + most);
    const from = hub.now();
    const looks = await sync.kind.read?.(batch.map(([effect]) => effect.object));
    const until = hub.now();
    const passed = await together(batch, async ([effect, link]) => {
      const look = looks?.get(effect.object) ?? { is: 'gone' as const };
      return (await mergeBefore(hub, sync, effect, link, look, { from, until }, run)) ? [effect] : [];
    });
    ready.push(...passed.flat());
  }
  return ready;
};

/** Commits what the look before a write found; true if the write may be prepared on it. */
const mergeBefore = async (
  hub: Hub,
  sync: Sync,
  effect: EffectRow,
  link: LinkState,
  look: Look,
  time: { readonly from: number; readonly until: number },
  run: string,
): Promise<boolean> => {
  const draft = new Draft(hub, run);
  if (look.is === 'object') {
    const record = await loadRecord(hub, link.record);
    const sight = { object: look.object, ...time };
    await drawLook(draft, { sync, linkBefore: link, link, recordBefore: record, record, sight, cause: 'look before write' });
    return commit(draft);
  }
  if (look.is === 'gone') await drawGone(draft, sync, link);
  else touchAgain(draft, sync, effect.object, 0, 'look before write');
  await commit(draft);
  await postpone(hub, effect, 5000, run);
  return false;
};

const prepareUpdate = async (hub: Hub, sync: Sync, before: EffectRow, run: string): Promise<Prepared | undefined> => {
  const row = await hub.store.get('effect', { sync: sync.name, record: before.record, object: before.object });
  const linkStored = await hub.store.get('link', { sync: sync.name, object: before.object });
  if (row === undefined || linkStored === undefined) return undefined;
  const effect = effectOf(row);
  const link = linkOf(linkStored);
  if (effect.state !== 'open' || link.call !== null || link.state !== 'live') return undefined;
  const record = await loadRecord(hub, link.record);
  const holds = await loadHolds(hub, record.id, sync.name, link.object);
  const fields = delta(record, link, sync.lens, holds);
  const draft = new Draft(hub, run);
  draft.expect('record', { id: record.id }, { version: record.version });
  if (Object.keys(fields).length === 0) {
    draft.expect('link', { sync: sync.name, object: link.object }, { gen: link.gen });
    draft.close(effect, 'already');
    await commit(draft);
    return undefined;
  }
  const item = writable(draft, sync, record, link, fields);
  if (item === undefined) {
    await commit(draft);
    return undefined;
  }
  const call = callRow(hub, sync, item);
  draft.link(link, { ...link, call: call.id, written: { ...link.written, ...carry(link, writtenBy(sync.lens, item, false)) } });
  draft.effect(effect, { ...effect, call: call.id, attempts: effect.attempts + 1 });
  draft.put('call', { ...call });
  return (await commit(draft)) ? { call, most: effect.most } : undefined;
};

/** A second try keeps its count, so that a remote that ignores writes is not asked for ever. */
const carry = (link: LinkState, written: LinkState['written']): LinkState['written'] =>
  Object.fromEntries(
    Object.entries(written).map(([field, one]) => {
      const before = link.written[field];
      return [field, before?.version === one.version ? { ...one, tries: before.tries } : one];
    }),
  );

/** The item of a call; fields that the mapping cannot write are held, with the reason, and the rest goes. */
const writable = (
  draft: Draft,
  sync: Sync,
  record: RecordState,
  link: LinkState | null,
  wanted: Fields,
): CallItem | undefined => {
  const fields = { ...wanted };
  let writing = sync.lens.write(fields, link?.shadow ?? null, link === null ? record.id : undefined);
  const bad = new Set(writing.problems.map((problem) => problem.field ?? ''));
  if (bad.size > 0) {
    const now = draft.hub.now();
    const held = [...bad].filter((field) => field !== '').map((field) => ({
      field,
      why: 'refused' as const,
      theirs: link === null ? null : (sync.lens.read(link.shadow).fields[field] ?? null),
      ours: record.fields[field]?.value ?? null,
      at: now,
    }));
    const at = link ?? { sync: sync.name, object: '' };
    for (const hold of held) {
      draft.put('conflict', { ...hold, record: record.id, sync: at.sync, object: at.object, open: 1 });
      delete fields[hold.field];
    }
    const entries = writing.problems.map((problem) => ({ field: problem.field ?? '', verdict: 'problem' as const, rule: problem.message }));
    draft.lineage(record.id, { cause: 'delivery', sync: sync.name, object: at.object, version: record.version, entries });
    writing = sync.lens.write(fields, link?.shadow ?? null, link === null ? record.id : undefined);
  }
  if (Object.keys(fields).length === 0) return undefined;
  const versions = Object.fromEntries(Object.keys(fields).map((field) => [field, record.fields[field]?.version ?? 0]));
  return {
    op: link === null ? 'create' : 'update',
    record: record.id,
    object: link?.object ?? '',
    version: record.version,
    fields,
    versions,
    value: writing.value,
    guard: link?.guard ?? null,
    sentAt: draft.hub.now(),
  };
};

const callRow = (hub: Hub, sync: Sync, item: CallItem): CallRow => {
  const id = hub.newId('c');
  return { id, call: id, pos: 0, sync: sync.name, op: item.op, state: 'sent', at: hub.now(), item };
};

// ---------------------------------------------------------------- creates

const prepareCreates = async (
  hub: Hub,
  sync: Sync,
  effects: readonly EffectRow[],
  run: string,
): Promise<{ calls: Prepared[]; trouble?: Trouble }> => {
  // Searches before a create wait for the remote: a few at a time.
  const width = sync.kind.find === undefined ? 64 : 4;
  const prepared = await together(
    effects,
    async (effect): Promise<Prepared | Trouble | undefined> => {
      try {
        return await prepareCreate(hub, sync, effect, run);
      } catch (error) {
        if (error instanceof Trouble) return error;
        throw error;
      }
    },
    width,
  );
  const trouble = prepared.find((one) => one instanceof Trouble);
  const calls = prepared.filter((one) => one !== undefined && !(one instanceof Trouble)) as Prepared[];
  return { calls, ...(trouble === undefined ? {} : { trouble }) };
};

const prepareCreate = async (hub: Hub, sync: Sync, effect: EffectRow, run: string): Promise<Prepared | undefined> => {
  const links = (await linksOf(hub, effect.record)).filter((link) => link.sync === sync.name);
  const live = links.find((link) => link.state === 'live');
  const record = await loadRecord(hub, effect.record);
  const draft = new Draft(hub, run);
  draft.expect('record', { id: record.id }, { version: record.version });
  if (links.length > 0 || sync.kind.create === undefined) {
    draft.close(effect, 'superseded');
    if (live !== undefined) await draft.promise(sync.name, record, live.object);
    await commit(draft);
    return undefined;
  }
  const holds = await loadHolds(hub, record.id, sync.name, '');
  const fields = delta(record, null, sync.lens, holds);
  const missing = sync.required.filter((field) => isEmpty(record.fields[field]?.value));
  if (missing.length > 0 || Object.keys(fields).length === 0) {
    const message = missing.length > 0 ? `${missing.join(', ')} must be filled first` : 'no field to write';
    draft.effect(effect, { ...effect, state: 'parked', reason: { code: 'incomplete', message } });
    draft.count(effect.run, { e_open: -1, e_parked: 1 });
    await commit(draft);
    return undefined;
  }
  if (await existsThere(hub, sync, record, draft, effect)) return undefined;
  const item = writable(draft, sync, record, null, fields);
  if (item === undefined) {
    await commit(draft);
    return undefined;
  }
  const call = callRow(hub, sync, item);
  draft.effect(effect, { ...effect, call: call.id, attempts: effect.attempts + 1 });
  draft.put('call', { ...call });
  return (await commit(draft)) ? { call, most: effect.most } : undefined;
};

/**
 * Match before create: where the kind can be searched by a strong key, an unlinked object that holds the
 * same key is touched, so that intake links it, and the create waits for that.
 */
const existsThere = async (hub: Hub, sync: Sync, record: RecordState, draft: Draft, effect: EffectRow): Promise<boolean> => {
  const { find } = sync.kind;
  if (find === undefined || effect.attempts > 0) return false;
  for (const key of hub.entities.get(sync.entity)?.keys ?? []) {
    const query = new Map(key.flatMap((field) => {
      const value = record.fields[field]?.value ?? null;
      const pointers = sync.lens.pointers(field);
      const writing = sync.lens.write({ [field]: value }, null);
      if (isEmpty(value) || pointers.length !== 1 || writing.problems.length > 0) return [];
      const wire = sync.lens.shadow(writing.value);
      return pointers.map((pointer) => [pointer, placeAt(wire, pointer)] as const);
    }));
    if (query.size !== key.length || ![...query.keys()].every((pointer) => find.pointers.includes(pointer))) continue;
    for (const id of await find.by(query)) {
      if ((await hub.store.get('link', { sync: sync.name, object: id })) !== undefined) continue;
      touchAgain(draft, sync, id, 0, 'found before create');
      draft.effect(effect, { ...effect, due: hub.now() + 5000, attempts: effect.attempts + 1 });
      return commit(draft);
    }
  }
  return false;
};

const supersede = async (hub: Hub, effect: EffectRow, run: string): Promise<void> => {
  await commit(new Draft(hub, run).close(effect, 'superseded'));
};

/** Later, without counting an attempt; parks what has been postponed past reason. */
const postpone = async (hub: Hub, effect: EffectRow, by: number, run: string): Promise<void> => {
  await commit(new Draft(hub, run).effect(effect, { ...effect, due: hub.now() + by }));
};

