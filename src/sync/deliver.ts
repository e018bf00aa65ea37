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
import type { Look, Trouble } from '../connector.ts';
import { isContested } from '../merge/deletion.ts';
import { delta } from '../merge/delta.ts';
import type { LinkState } from '../merge/record.ts';
import { follow, lastTrace, spanning } from '../trace.ts';
import { purseOf, spendWrite, stopOf } from './budget.ts';
import { prepareCreates } from './create.ts';
import { isDoomed } from './deletion.ts';
import { commit, Draft } from './draft.ts';
import {
  effectOf,
  linkOf,
  loadHolds,
  loadRecord,
  mostAttempts,
  type EffectRow,
  type Hub,
  type Sync,
} from './hub.ts';
import { writtenBy } from './identify.ts';
import { callRow, tryAnew, writable } from './item.ts';
import { drawLook } from './look.ts';
import { moneyIn, type Purse } from './money.ts';
import { drawUnnamed } from './awaited.ts';
import { isTakenIn } from './first-reading.ts';
import { drawGone, touchAgain } from './gone.ts';
import { drawRemoval } from './removal.ts';
import { batchesOf, send, type Prepared } from './send.ts';
import { related } from './relations.ts';
import { parkEffect } from './settle.ts';
import { together } from './together.ts';
import { settleUnsettled } from './unsettled.ts';

/** What a pass found, so that its caller can pause a connection or wait. */
export interface Delivered {
  readonly taken: number;
  readonly trouble?: Trouble;
  /** The budget that would be exceeded: nothing was written, and nothing is before a person has decided. */
  readonly over?: string;
}

/** One pass over a sync's effects that are due, of the records in `only` if that is given. */
export const deliver = async (
  hub: Hub,
  sync: Sync,
  upkeepRun: string,
  most = 256,
  only?: ReadonlySet<string>,
): Promise<Delivered> => {
  const settled = await settleUnsettled(hub, sync, upkeepRun);
  const stop = await stopOf(hub, sync);
  if (stop !== null) return { taken: settled, ...(stop.is === 'over' ? { over: stop.why } : {}) };
  const due = await hub.store.list('effect', 'due', {
    where: { sync: sync.name, state: 'open' },
    upTo: hub.now(),
    limit: only === undefined ? most : 1_000_000,
  });
  const rows = only === undefined ? due : due.filter((row) => only.has(String(row['record']))).slice(0, most);
  const sendAll = async (calls: readonly Prepared[]): Promise<Trouble | undefined> => {
    let last: Trouble | undefined;
    for (const batch of batchesOf(sync, calls)) last = (await send(hub, sync, batch, upkeepRun)) ?? last;
    return last;
  };
  let trouble: Trouble | undefined;
  const effects = rows.map(effectOf);
  const purse = await purseOf(hub, sync);
  const writeAll = async (): Promise<void> => {
    for await (const part of prepare(hub, sync, effects, upkeepRun, purse))
      trouble = (await sendAll(part.calls)) ?? part.trouble ?? trouble;
  };
  if (effects.length > 0) await spanning('delivery', { sync: sync.name }, writeAll);
  const over = purse?.over;
  return {
    taken: settled + rows.length,
    ...(trouble === undefined ? {} : { trouble }),
    ...(over === undefined ? {} : { over }),
  };
};

/**
 * Effects become calls on disk, in two parts: updates are on their way before creates are prepared, or a
 * search that fails would strand their calls.
 */
export async function* prepare(
  hub: Hub,
  sync: Sync,
  effects: readonly EffectRow[],
  run: string,
  purse?: Purse,
): AsyncGenerator<{ readonly calls: readonly Prepared[]; readonly trouble?: Trouble }> {
  const updates = effects.filter((effect) => effect.object !== '');
  yield { calls: await prepareUpdates(hub, sync, updates, run, purse) };
  const creates = effects.filter((effect) => effect.object === '');
  if (creates.length === 0) return;
  if (await isTakenIn(hub, sync)) yield await prepareCreates(hub, sync, creates, run, purse);
  else await together(creates, (effect) => awaitFirst(hub, sync, effect, run));
}

/** As long again as it has waited, half a minute at most. */
const awaitFirst = async (hub: Hub, sync: Sync, effect: EffectRow, run: string): Promise<void> => {
  const wait = Math.min(30_000, Math.max(500, hub.now() - effect.at));
  const message = `waits until what ${sync.lane} held before has been read in: it may be there already`;
  const reason = { code: 'first-reading', message };
  await commit(new Draft(hub, run).effect(effect, { ...effect, due: hub.now() + wait, reason }));
};

// ---------------------------------------------------------------- updates

/** Effects of linked objects become calls on disk, or end as already true. */
const prepareUpdates = async (
  hub: Hub,
  sync: Sync,
  effects: readonly EffectRow[],
  run: string,
  purse: Purse | undefined,
): Promise<Prepared[]> => {
  const links = new Map<EffectRow, LinkState>();
  for (const effect of effects) {
    const row = await hub.store.get('link', { sync: sync.name, object: effect.object });
    const link = row === undefined ? undefined : linkOf(row);
    const isAble = sync.kind.update !== undefined || sync.kind.remove !== undefined;
    // Opened while its record was merged into another, or taken out again: whoever moved the link has seen to it.
    const isStray = link?.record !== effect.record;
    if (link === undefined || isStray || link.state !== 'live' || !isAble) await supersede(hub, effect, run);
    else if (link.call !== null || (await unheard(hub, sync, effect))) await postpone(hub, effect, 1000, run);
    else if (guardless(sync, link)) await awaitGuard(hub, effect, run);
    else links.set(effect, link);
  }
  const looked = await lookBefore(hub, sync, links, run);
  const prepared = await together(looked, (effect) => prepareUpdate(hub, sync, effect, run, purse));
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
  else
    parkEffect(
      draft,
      effect,
      'no-guard',
      'the remote has not shown this object since it was created, and it cannot be read',
    );
  await commit(draft);
};

/** Nothing is removed without a look, guard or not: it cannot be taken back everywhere. */
const isToRemove = async (hub: Hub, sync: Sync, link: LinkState): Promise<boolean> =>
  (sync.deletes === 'propagate' || link.made === true) &&
  isDoomed(sync, await loadRecord(hub, link.record), link);

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
    const pending = link.removal !== undefined || Object.values(link.written).some((one) => !one.confirmed);
    const toRemove = await isToRemove(hub, sync, link);
    const blind = hub.mutation === 'no-look-before-write' || sync.kind.read === undefined;
    const isBroken = toRemove && hub.mutation === 'remove-unlooked';
    if (blind || isBroken || (guarded && !pending && !toRemove)) ready.push(effect);
    else toRead.set(effect, link);
  }
  const entries = [...toRead];
  const most = sync.kind.readMost ?? 100;
  for (let i = 0; i < entries.length; i += most) {
    const batch = entries.slice(i, i + most);
    const from = hub.now();
    follow(lastTrace(batch.map(([effect]) => effect)));
    const looks = await sync.kind.read?.(batch.map(([effect]) => effect.object));
    follow(null);
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
    await drawLook(draft, {
      sync,
      linkBefore: link,
      link,
      recordBefore: record,
      record,
      sight,
      cause: 'look before write',
    });
    return commit(draft);
  }
  if (look.is === 'gone') await drawGone(draft, sync, link);
  else touchAgain(draft, sync, effect.object, 0, 'look before write');
  await commit(draft);
  await postpone(hub, effect, 5000, run);
  return false;
};

const prepareUpdate = async (
  hub: Hub,
  sync: Sync,
  before: EffectRow,
  run: string,
  purse: Purse | undefined,
): Promise<Prepared | undefined> => {
  const row = await hub.store.get('effect', {
    sync: sync.name,
    record: before.record,
    object: before.object,
  });
  const linkStored = await hub.store.get('link', { sync: sync.name, object: before.object });
  if (row === undefined || linkStored === undefined) return undefined;
  const effect = effectOf(row);
  const link = linkOf(linkStored);
  if (effect.state !== 'open' || link.call !== null || link.state !== 'live') return undefined;
  if (link.record !== effect.record) return undefined;
  const record = await loadRecord(hub, link.record);
  const holds = await loadHolds(hub, record.id, sync.name, link.object);
  const draft = new Draft(hub, run);
  draft.expect('record', { id: record.id }, { version: record.version });
  if (isDoomed(sync, record, link) && (!isContested(holds) || hub.mutation === 'remove-contested')) {
    const call = drawRemoval(draft, sync, record, link, effect);
    await spendWrite(draft, sync, effect, 'removed');
    return (await commit(draft)) ? { call, most: effect.most } : undefined;
  }
  if (sync.kind.update === undefined) {
    await commit(draft.close(effect, 'superseded'));
    return undefined;
  }
  const { sync: own, outward } = await related(hub, sync, [link.shadow], record);
  const fields = delta(record, link, own.lens, holds);
  await drawUnnamed(draft, sync, link.object, record.id, outward);
  if (Object.keys(fields).length === 0) {
    draft.expect('link', { sync: sync.name, object: link.object }, { gen: link.gen });
    draft.close(effect, 'already');
    await commit(draft);
    return undefined;
  }
  const item = writable(draft, own, record, link, fields);
  if (item === undefined) {
    await commit(draft);
    return undefined;
  }
  tryAnew(draft, link, holds, item);
  const call = callRow(hub, sync, item, effect);
  draft.link(link, {
    ...link,
    call: call.id,
    written: { ...link.written, ...carry(link, writtenBy(sync.lens, item, false)) },
  });
  draft.effect(effect, { ...effect, call: call.id, attempts: effect.attempts + 1 });
  draft.put('call', { ...call });
  if (purse !== undefined && !(await purse.take(effect.run, moneyIn(item.fields)))) return undefined;
  await spendWrite(draft, sync, effect, item.fields);
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

const supersede = async (hub: Hub, effect: EffectRow, run: string): Promise<void> => {
  await commit(new Draft(hub, run).close(effect, 'superseded'));
};

/** Later, without counting an attempt; parks what has been postponed past reason. */
const postpone = async (hub: Hub, effect: EffectRow, by: number, run: string): Promise<void> => {
  await commit(new Draft(hub, run).effect(effect, { ...effect, due: hub.now() + by }));
};
