/**
 * Intake: from touches to committed records, in batches per lane.
 *
 *   touch ─► link read ─► look (the hint's state if it is surely newer than the shadow, else one batch
 *   read) ─► unlinked? identify ─► merge ─► one group per object, which also ends its touches.
 *
 * A touch stays, and is tried later, while a call is under way on its link (what the remote shows then
 * may be before or after the write) and while an unlinked object may be the one that an unsettled create
 * made. A group that was overtaken leaves its touches: the next pass looks again with fresh eyes.
 */
import type { HistoryEntry, Look, RemoteObject } from '../connector.ts';
import { worst, type ItemVerdict } from '../merge/books.ts';
import { isOpen, same, type LinkState, type RecordState } from '../merge/record.ts';
import type { Sight } from '../merge/merge.ts';
import type { Row } from '../store/schema.ts';
import { along, follow, lastTrace, spanning } from '../trace.ts';
import { Draft, type Origin } from './draft.ts';
import { drawGone, drawLost, drawMoved } from './gone.ts';
import { takingIn } from './held.ts';
import { linkOf, loadRecord, type Hub, type Sync } from './hub.ts';
import { identify } from './identify.ts';
import { drawLook } from './look.ts';
import { together } from './together.ts';

/** A hint as it waits in the store. */
export interface StoredHint {
  readonly cause: string;
  readonly object?: RemoteObject;
  /** When the request that brought `object` was sent and answered; for a hook, 0 and its arrival. */
  readonly from?: number;
  readonly until?: number;
  readonly history?: readonly HistoryEntry[];
  /** True for looks of the engine's own making: they are in nobody's books. */
  readonly uncounted?: boolean;
  /** W3C traceparent of the hook. */
  readonly trace?: string;
}

interface Touch {
  readonly seq: number;
  /** UTC ms of its arrival. */
  readonly at: number;
  readonly run: string;
  readonly hint: StoredHint;
}

/** One object's work: all its touches of this pass, and what each sync knows of it. */
interface Job {
  readonly object: string;
  readonly touches: readonly Touch[];
  readonly links: ReadonlyMap<string, LinkState | null>;
  sight?: Sight;
  look?: Look;
}

export interface PassResult {
  readonly taken: number;
  readonly stale: number;
}

const deferral = 1000;

/** One pass over a lane: up to `most` touches, of the objects in `only` if that is given. Resolves with how many it took. */
export const intake = async (
  hub: Hub,
  lane: string,
  upkeepRun: string,
  most = 300,
  only?: ReadonlySet<string>,
): Promise<PassResult> => {
  const limit = only === undefined ? most : 1_000_000;
  const due = await hub.store.list('touch', 'due', { where: { lane }, upTo: hub.now(), limit });
  const rows = only === undefined ? due : due.filter((row) => only.has(String(row['object']))).slice(0, most);
  const syncs = rows.length === 0 ? [] : await takingIn(hub, lane);
  if (syncs.length === 0) return { taken: 0, stale: 0 };
  return spanning('intake', { lane }, () => takeIn(hub, lane, syncs, rows, upkeepRun));
};

const takeIn = async (
  hub: Hub,
  lane: string,
  syncs: readonly Sync[],
  rows: readonly Row[],
  upkeepRun: string,
): Promise<PassResult> => {
  const jobs = await gather(hub, syncs, rows);
  const isWaiting = (job: Job): boolean =>
    [...job.links.values()].some((link) => link !== null && link.call !== null);
  await together(jobs.filter(isWaiting), (job) => defer(hub, job, deferral));
  const ready = jobs.filter((job) => !isWaiting(job));
  await lookAll(hub, syncs, ready);
  const parked = await hub.store.list('parked', 'lane', { where: { lane }, limit: 1 });
  const hasParked = parked.length > 0;
  const done = await together(ready, (job) =>
    along({ trace: lastTrace(hintsOf(job)) }, () =>
      spanning('merge', { lane }, () => process(hub, lane, syncs, job, { upkeepRun, hasParked })),
    ),
  );
  return { taken: rows.length, stale: done.filter((one) => !one).length };
};

/** The hint with its object's expressions computed: a hook's object did not come through the kind. */
const prepared = async ([sync]: readonly Sync[], hint: StoredHint): Promise<StoredHint> => {
  if (sync?.prepare === undefined || hint.object === undefined) return hint;
  return { ...hint, object: { ...hint.object, value: await sync.prepare(hint.object.value) } };
};

const gather = async (hub: Hub, syncs: readonly Sync[], rows: readonly Row[]): Promise<Job[]> => {
  const byObject = new Map<string, Touch[]>();
  for (const row of rows) {
    const object = String(row['object']);
    const hint = await prepared(syncs, row['hint'] as StoredHint);
    const touch = { seq: Number(row['seq']), at: Number(row['at']), run: String(row['run']), hint };
    const list = byObject.get(object);
    if (list === undefined) byObject.set(object, [touch]);
    else list.push(touch);
  }
  const jobs: Job[] = [];
  // All syncs here are of one lane.
  const [first] = syncs;
  for (const [object, touches] of byObject) {
    if (first !== undefined) hub.touched?.(first.lane, object);
    const links = new Map<string, LinkState | null>();
    for (const sync of syncs) {
      const row = await hub.store.get('link', { sync: sync.name, object });
      links.set(sync.name, row === undefined ? null : linkOf(row));
    }
    jobs.push({ object, touches, links });
  }
  return jobs;
};

const defer = async (hub: Hub, job: Job, by: number): Promise<void> => {
  const due = hub.now() + by;
  await hub.store.commit([
    {
      when: [],
      write: job.touches.map(({ seq }) => ({ op: 'set', table: 'touch', key: { seq }, row: { due } })),
    },
  ]);
};

/**
 * Gives every job its sight. A hint's own state serves only if it was certainly made after the shadow; a
 * state equal to the shadow says that nothing happened by then, which needs no look either.
 */
const lookAll = async (hub: Hub, syncs: readonly Sync[], jobs: readonly Job[]): Promise<void> => {
  const kind = syncs[0]?.kind;
  if (kind === undefined) return;
  const unread: Job[] = [];
  for (const job of jobs) {
    const sight = stateOf(syncs, job);
    if (sight !== undefined) job.sight = sight;
    else if (kind.read !== undefined) unread.push(job);
  }
  const most = kind.readMost ?? 100;
  for (let i = 0; i < unread.length; i += most) {
    const batch = unread.slice(i, i + most);
    const from = hub.now();
    follow(lastTrace(batch.flatMap((job) => hintsOf(job))));
    const looks = await kind.read?.(batch.map((job) => job.object));
    follow(null);
    const until = hub.now();
    for (const job of batch) {
      const look = looks?.get(job.object) ?? { is: 'gone' };
      job.look = look;
      if (look.is === 'object') job.sight = { object: look.object, from, until };
    }
  }
};

const hintsOf = (job: Job): readonly StoredHint[] => job.touches.map(({ hint }) => hint);

const stateOf = (syncs: readonly Sync[], job: Job): Sight | undefined => {
  const linked = [...job.links.values()].filter((link) => link !== null);
  const blind = syncs[0]?.kind.read === undefined;
  // What is surely newer than the shadow goes before what only says that nothing happened by then.
  let newest: Sight | undefined;
  let other: Sight | undefined;
  for (const { hint } of job.touches) {
    if (hint.object === undefined) continue;
    const from = hint.from ?? 0;
    const until = hint.until ?? 0;
    // What is gone is believed to be back on a direct read only, where there is one.
    const newer = linked.every((link) => from > link.lookedUntil && (blind || link.state === 'live'));
    const told = from === 0 && linked.length === 0;
    const equal = linked.length > 0 && linked.every((link) => equalsShadow(syncs, link, hint.object));
    const { object } = hint;
    if (newer) newest = newest === undefined || until >= newest.until ? { object, from, until } : newest;
    else if (told) other = other === undefined || until >= other.until ? { object, from, until } : other;
    // A state that was seen before may have been sent before, too: it makes no later look of the one that showed it.
    else if (equal && (blind || linked.every(isCalm))) other ??= { object, ...lastLook(linked) };
    else if (!blind) return undefined;
  }
  return newest ?? other;
};

const lastLook = (links: readonly LinkState[]): Pick<Sight, 'from' | 'until'> => ({
  from: Math.min(...links.map(({ lookedFrom }) => lookedFrom)),
  until: Math.min(...links.map(({ lookedUntil }) => lookedUntil)),
});

/** No write of ours has still to show: what was seen before it says nothing of it, though the record has come back to that. */
const isCalm = ({ written }: LinkState): boolean =>
  Object.values(written).every(({ confirmed }) => confirmed);

const equalsShadow = (syncs: readonly Sync[], link: LinkState, object: RemoteObject | undefined): boolean => {
  const sync = syncs.find((one) => one.name === link.sync);
  return (
    sync !== undefined &&
    object !== undefined &&
    link.state === 'live' &&
    // What was sent before a removal, or before a read that found nothing, says nothing about after it.
    link.removal === undefined &&
    link.missingSince === null &&
    same(sync.lens.shadow(object.value), link.shadow)
  );
};

/** Commits one object's group. False if it was overtaken. */
const process = async (
  hub: Hub,
  lane: string,
  syncs: readonly Sync[],
  job: Job,
  { upkeepRun, hasParked }: { readonly upkeepRun: string; readonly hasParked: boolean },
): Promise<boolean> => {
  const first = job.touches[0];
  const run = first?.hint.uncounted === true || first === undefined ? upkeepRun : first.run;
  const draft = new Draft(hub, run, originOf(job));
  let verdict: ItemVerdict = 'filtered';
  for (const sync of syncs) {
    const outcome = await processSync(draft, sync, job);
    if (outcome === 'wait') {
      await defer(hub, job, deferral * 5);
      return true;
    }
    verdict = worst(verdict, outcome);
  }
  for (const { seq, run, hint } of job.touches) {
    draft.expect('touch', { seq }, {}).delete('touch', { seq });
    if (hint.uncounted !== true) draft.settleItems(run, verdict, 1);
  }
  if (hasParked && verdict !== 'parked') await clearParked(draft, lane, job.object);
  const [done] = await hub.store.commit([draft.group()]);
  if (done === true) draft.nudgeAll();
  return done === true;
};

/** The first of the touches says since when, the last what for: lineage names them all. */
const originOf = (job: Job): Origin => ({
  at: Math.min(...job.touches.map(({ at }) => at)),
  trace: lastTrace(hintsOf(job)),
});

const clearParked = async (draft: Draft, lane: string, object: string): Promise<void> => {
  const rows = await draft.hub.store.list('parked', 'lane', { where: { lane, object }, limit: 100 });
  for (const row of rows) draft.delete('parked', { id: String(row['id']) });
};

const processSync = async (draft: Draft, sync: Sync, job: Job): Promise<ItemVerdict | 'wait'> => {
  const link = job.links.get(sync.name) ?? null;
  if (job.look?.is === 'denied') {
    draft.park(
      sync.lane,
      job.object,
      { pointer: '', code: 'denied', message: job.look.why },
      { look: job.look },
    );
    return 'parked';
  }
  if (draft.hub.mutation === 'absent-is-gone' && link?.state === 'live' && isAbsent(job)) {
    await drawLost(draft, sync, link);
    return 'applied';
  }
  if (job.look?.is === 'gone') return link === null ? 'filtered' : drawGone(draft, sync, link);
  if (job.look?.is === 'moved') return drawMoved(draft, sync, link, job.look.to);
  // A kind that cannot be read, and a state that may be older than the shadow: nothing to learn.
  if (job.sight === undefined) return 'unchanged';
  if (!sync.lens.applies(job.sight.object.value)) return notOurs(draft, sync, link, job.sight);
  const reading = sync.lens.read(job.sight.object.value);
  const whole = reading.problems.filter((problem) => problem.field === undefined);
  if (whole.length > 0) {
    for (const problem of whole) draft.park(sync.lane, job.object, problem, { object: job.sight.object });
    return 'parked';
  }
  return mergeObject(draft, sync, link, job);
};

const isAbsent = (job: Job): boolean => job.touches.some(({ hint }) => hint.cause === 'absent from scan');

/** An object that is another mapping's. One that was this one's until now is a person's to decide. */
const notOurs = (draft: Draft, sync: Sync, link: LinkState | null, { object }: Sight): ItemVerdict => {
  if (link === null) return 'filtered';
  const message = `The object is not what mapping ${sync.lens.name} is for any more (its "when" does not hold), and a record is linked to it.`;
  draft.park(sync.lane, object.id, { pointer: '', code: 'when', message }, { object });
  return 'parked';
};

/** The record that an object is merged into, and how it got there. */
export interface Target {
  readonly link: LinkState;
  readonly before: RecordState | null;
  readonly record: RecordState;
  readonly event?: 'created' | 'linked';
}

const mergeObject = async (
  draft: Draft,
  sync: Sync,
  link: LinkState | null,
  job: Job,
): Promise<ItemVerdict | 'wait'> => {
  const { hub } = draft;
  const sight = job.sight;
  if (sight === undefined) return 'filtered';
  let target: Target;
  if (link === null) {
    const found = await identify(
      draft,
      sync,
      sight,
      job.touches.map(({ hint }) => hint.cause),
    );
    if (found === 'wait') return 'wait';
    if (found === 'none') return 'filtered';
    target = found;
  } else {
    const record = await loadRecord(hub, link.record);
    target = { link: { ...link, state: 'live' }, before: record, record };
  }
  const cause = job.touches.map(({ hint }) => hint.cause).find((text) => text !== '') ?? 'look';
  const { merged, applied, waits } = await drawLook(draft, {
    sync,
    linkBefore: link,
    link: target.link,
    recordBefore: target.before,
    record: target.record,
    sight,
    cause,
    ...(target.event === undefined ? {} : { event: target.event }),
    history: job.touches.flatMap(({ hint }) => hint.history ?? []),
  });
  drawPassed(draft, sync, link, job, merged.record.id);
  for (const problem of merged.problems) draft.park(sync.lane, job.object, problem, { object: sight.object });
  if (merged.problems.length > 0) return 'parked';
  if (merged.held.some(({ why }) => isOpen(why) && why !== 'refused')) return 'parked';
  if (waits) return 'waiting';
  if (applied || merged.entries.some((entry) => entry.verdict !== 'confirmed')) return 'applied';
  return merged.echo ? 'echo' : 'unchanged';
};

/**
 * Values that a page showed but that were gone at the look: a person's next edit, or a write of ours that
 * landed late, came between. They decide nothing, but lineage names them.
 */
const drawPassed = (draft: Draft, sync: Sync, link: LinkState | null, job: Job, record: string): void => {
  if (link === null || job.sight === undefined) return;
  const now = sync.lens.read(job.sight.object.value).fields;
  const before = sync.lens.read(link.shadow).fields;
  for (const { hint } of job.touches) {
    if (hint.object === undefined || (hint.from ?? 0) === 0) continue;
    const shown = sync.lens.read(hint.object.value).fields;
    const entries = Object.entries(shown).flatMap(([field, theirs]) => {
      if (same(theirs, now[field] ?? null) || same(theirs, before[field] ?? null)) return [];
      return [{ field, verdict: 'seen' as const, theirs, rule: 'it was gone at the next look' }];
    });
    if (entries.length === 0) continue;
    draft.lineage(record, { cause: hint.cause, sync: sync.name, object: job.object, version: 0, entries });
  }
};
