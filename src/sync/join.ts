/**
 * Two records become one: what `merge/join` makes of their fields and links, drawn as one group, with all that follows.
 *
 *   both at rest? ─► links, keys, what is held, what waits, candidates go to the survivor ─► effects to whoever is behind
 *        └─► a call of the loser, or a create of either, is under way: not now
 */
import { CrosswalkError } from '../errors.ts';
import { lacksObject, reachOf } from '../merge/deletion.ts';
import { join, type Joined, type LinkView, type Relinked } from '../merge/join.ts';
import { same, type LinkState, type RecordState } from '../merge/record.ts';
import { intoOf } from '../merge/redirect.ts';
import { drawAwaited } from './awaited.ts';
import { apartBy, candidatesOf, pairOf } from './candidates.ts';
import type { Draft } from './draft.ts';
import {
  effectOf,
  linksOf,
  listedOf,
  loadHolds,
  syncsOfEntity,
  type EffectRow,
  type Hub,
  type Sync,
} from './hub.ts';
import { moveKeys } from './keys.ts';
import { mergedAway, related } from './relations.ts';

/** Why a merge or an unmerge cannot be now, or not at all. */
export interface Bar {
  /** `busy`: it can be tried again in a while. */
  readonly is: 'busy' | 'refused' | 'apart' | 'protected';
  readonly why: string;
}

export interface MergeHow {
  /** `person:<name>`, `merge:automatic`, `<sync>/<object>` of an object that was merged into another there. */
  readonly by: string;
  readonly cause: string;
  /** True if a person says so although somebody has said that the two are not the same. */
  readonly overrules?: boolean;
  /** A link of the loser as this group leaves it, with nothing held on it any more. */
  readonly ended?: { readonly before: LinkState; readonly after: LinkState };
}

/** A merge as it would be. */
export interface MergePlan {
  readonly survivor: RecordState;
  readonly loser: RecordState;
  readonly joined: Joined;
  /** The loser's links as they are stored, in the order of `joined.links`. */
  readonly links: readonly LinkState[];
  readonly stays: readonly LinkState[];
}

/** The views of some links of a record. */
export const viewsOf = async (
  hub: Hub,
  record: RecordState,
  links: readonly LinkState[],
): Promise<LinkView[]> => {
  const views: LinkView[] = [];
  for (const link of links) {
    const sync = hub.syncs.get(link.sync);
    const holds = await loadHolds(hub, record.id, link.sync, link.object);
    const lens = sync === undefined ? null : (await related(hub, sync, [link.shadow], record)).sync.lens;
    views.push({ link, lens, holds });
  }
  return views;
};

/** What stands against it for good; null if nothing does. */
const barOf = async (
  hub: Hub,
  survivor: RecordState,
  loser: RecordState,
  how: MergeHow,
): Promise<Bar | null> => {
  if (survivor.entity !== loser.entity)
    return { is: 'refused', why: `one is a ${survivor.entity}, the other a ${loser.entity}` };
  if (survivor.id === loser.id) return { is: 'refused', why: 'the two are one already' };
  for (const one of [survivor, loser]) {
    if (intoOf(one) !== null) return { is: 'refused', why: `${one.id} was merged into ${intoOf(one)}` };
    if (reachOf(one) !== null) return { is: 'refused', why: `${one.id} is deleted` };
  }
  if (how.overrules !== true && hub.mutation !== 'apart-ignored') {
    const apart = await apartBy(hub, survivor.id, loser.id);
    if (apart !== undefined)
      return { is: 'apart', why: `${String(apart['by'])} has said that they are not the same` };
  }
  if (how.by.startsWith('person:')) return null;
  const differs = Object.keys(hub.entities.get(loser.entity)?.protect ?? {}).find((field) => {
    const [mine = null, theirs = null] = [survivor.fields[field]?.value, loser.fields[field]?.value];
    return mine !== null && theirs !== null && !same(mine, theirs);
  });
  return differs === undefined
    ? null
    : { is: 'protected', why: `the protected field ${differs} has two values` };
};

const isUnderWay = ({ call, state }: EffectRow): boolean => call !== null || state === 'unsettled';

/** Every effect towards the objects of a record, and towards those that it has not got yet. */
export const effectsOf = async ({ store }: Hub, record: string): Promise<EffectRow[]> =>
  (await store.list('effect', 'record', { where: { record }, limit: 10_000 })).map(effectOf);

/** What is under way and must end before the loser's links can go; creates of the survivor too, or there would be two. */
export const busyWith = (
  links: readonly LinkState[],
  effects: readonly EffectRow[],
  creates: readonly EffectRow[],
): Bar | null => {
  const link = links.find((one) => one.call !== null);
  const effect = [...effects, ...creates].find(isUnderWay);
  const [sync, object] = link === undefined ? [effect?.sync, effect?.object] : [link.sync, link.object];
  if (sync === undefined) return null;
  return { is: 'busy', why: `a write to ${sync}${object === '' ? '' : `/${object}`} is under way` };
};

/** What a merge would make of two records, which are as given; or why it cannot be. */
export const planMerge = async (
  hub: Hub,
  survivor: RecordState,
  loser: RecordState,
  how: MergeHow,
): Promise<MergePlan | Bar> => {
  const bar = await barOf(hub, survivor, loser, how);
  if (bar !== null) return bar;
  const stays = await linksOf(hub, survivor.id);
  const links = await linksOf(hub, loser.id);
  const { ended } = how;
  const isEnded = (view: LinkView): boolean =>
    view.link.sync === ended?.after.sync && view.link.object === ended.after.object;
  const views = (await viewsOf(hub, loser, links)).map((view) =>
    ended !== undefined && isEnded(view) ? { ...view, link: ended.after, holds: [] } : view,
  );
  const entity = hub.entities.get(loser.entity);
  const joined = join({
    survivor,
    loser,
    links: views,
    rules: (field, source) => hub.syncs.get(source.slice(0, source.indexOf('/')))?.rules(field),
    keys: new Set(entity?.keys.flat()),
    protects: new Set(Object.keys(entity?.protect ?? {})),
    lists: new Set(
      Object.keys(loser.fields).filter((field) => listedOf(hub, survivor.entity, field) !== null),
    ),
    taken: new Set(stays.filter(({ state }) => state === 'live').map(({ sync }) => sync)),
    by: how.by,
    now: hub.now(),
  });
  return { survivor, loser, joined, links, stays };
};

/** Draws a merge of two records as they are read now; the bar that stands against it, or null if it is drawn. */
export const drawMerge = async (
  draft: Draft,
  survivor: RecordState,
  loser: RecordState,
  how: MergeHow,
): Promise<Bar | null> => {
  const { hub } = draft;
  const plan = await planMerge(hub, survivor, loser, how);
  if ('is' in plan) return plan;
  const effects = await effectsOf(hub, loser.id);
  const creates = (await effectsOf(hub, survivor.id)).filter(({ object }) => object === '');
  const busy = busyWith(plan.links, effects, creates);
  if (busy !== null && hub.mutation !== 'merge-under-way') return busy;
  const { joined } = plan;
  await draft.record(survivor, joined.survivor, 'held');
  await draft.record(loser, joined.loser, 'held');
  expectCreates(draft, survivor, loser, [...effects, ...creates]);
  for (const [i, relinked] of joined.links.entries()) {
    const stored = plan.links[i];
    if (stored !== undefined) await drawRelinked(draft, stored, relinked, how.cause, joined.survivor.version);
  }
  tellBoth(draft, plan, how.cause);
  await moveKeys(draft, survivor, joined.survivor, loser);
  for (const effect of effects) if (!draft.ended(effect)) draft.close(effect, 'superseded');
  await moveWaiting(draft, loser, how.cause);
  await moveCandidates(draft, survivor, loser);
  drawLines(draft, survivor, joined);
  await promiseMerged(draft, plan, { effects, creates });
  return null;
};

/** No create of either may begin between what was read and the commit. */
const expectCreates = (
  draft: Draft,
  survivor: RecordState,
  loser: RecordState,
  known: readonly EffectRow[],
): void => {
  for (const { name } of syncsOfEntity(draft.hub, loser.entity))
    for (const record of [survivor.id, loser.id]) {
      const effect = known.find((one) => one.record === record && one.sync === name && one.object === '');
      const key = { sync: name, record, object: '' };
      draft.expect('effect', key, effect === undefined ? null : { rev: effect.rev });
    }
};

/** A link goes from one record to another, with what is held on it. */
export const drawRelinked = async (
  draft: Draft,
  before: LinkState,
  { link, holds, entries }: Relinked,
  cause: string,
  version: number,
): Promise<void> => {
  const { hub } = draft;
  const { sync, object, state } = link;
  draft.link(before, link);
  for (const { field } of await loadHolds(hub, before.record, sync, object))
    draft.delete('conflict', { record: before.record, field, sync, object });
  draft.holds(link.record, link, holds, []);
  const own = hub.syncs.get(sync);
  if (own !== undefined)
    await drawAwaited(draft, { lane: `out:${sync}`, object, record: before.record }, new Map());
  const at = { cause, sync, object, version };
  draft.lineage(before.record, { ...at, version: 0, event: 'parted', other: link.record, entries: [] });
  draft.lineage(link.record, { ...at, event: 'joined', other: before.record, state, entries });
};

const tellBoth = (draft: Draft, { joined, survivor, loser }: MergePlan, cause: string): void => {
  const { entries, loserEntries } = joined;
  const event = 'merged';
  const version = joined.survivor.version;
  draft.lineage(survivor.id, { cause, version, event, other: loser.id, entries });
  const left = joined.loser.version;
  draft.lineage(loser.id, { cause, version: left, event, other: survivor.id, entries: loserEntries });
};

/** What waited for an object or a name of the loser waits for the survivor's; what it was to be created for is no more. */
const moveWaiting = async (draft: Draft, loser: RecordState, cause: string): Promise<void> => {
  for (const { name } of syncsOfEntity(draft.hub, loser.entity)) {
    await drawAwaited(draft, { lane: `out:${name}`, object: '', record: loser.id }, new Map());
    const holds = await loadHolds(draft.hub, loser.id, name, '');
    if (holds.length === 0) continue;
    for (const { field } of holds)
      draft.delete('conflict', { record: loser.id, field, sync: name, object: '' });
    const rule = 'merged: nothing is made for it any more';
    const entries = holds.map(({ field }) => ({ field, verdict: 'met' as const, rule }));
    draft.lineage(loser.id, { cause, sync: name, object: '', version: 0, entries });
  }
  draft.arrived(mergedAway(draft.hub, loser));
};

const moveCandidates = async (draft: Draft, survivor: RecordState, loser: RecordState): Promise<void> => {
  const { entity } = loser;
  for (const row of await candidatesOf(draft.hub, entity, loser.id)) {
    const [a, b] = [String(row['a']), String(row['b'])];
    draft.delete('candidate', { entity, a, b });
    const third = a === loser.id ? b : a;
    const pair = pairOf(entity, third, survivor.id);
    if (third === survivor.id || (await apartBy(draft.hub, third, survivor.id)) !== undefined) continue;
    if ((await draft.hub.store.get('candidate', { ...pair })) !== undefined) continue;
    draft.put('candidate', { ...row, ...pair });
  }
};

/** A line of its own in the history of each field that has one and got another value. */
const drawLines = (draft: Draft, before: RecordState, { survivor, changed }: Joined): void => {
  for (const field of changed) linesOf(draft, before, survivor, field, 'merged');
};

/** The line of one field's history that a merge or an unmerge writes. */
export const linesOf = (
  draft: Draft,
  before: RecordState,
  { id, entity, fields }: RecordState,
  field: string,
  how: 'merged' | 'unmerged',
): void => {
  if (!syncsOfEntity(draft.hub, entity).some((sync) => sync.lens.history.has(field))) return;
  const after = fields[field]?.value ?? null;
  const at = draft.hub.now();
  const old = before.fields[field]?.value ?? null;
  draft.append('transition', { record: id, entity, field, before: old, after, at, by: '', how });
};

interface Effects {
  readonly effects: readonly EffectRow[];
  readonly creates: readonly EffectRow[];
}

/** Effects towards every object that is behind now, and towards what is still to be made. */
const promiseMerged = async (
  draft: Draft,
  { joined, stays }: MergePlan,
  { effects, creates }: Effects,
): Promise<void> => {
  const record = joined.survivor;
  const came = joined.links.map(({ link }) => link);
  for (const sync of syncsOfEntity(draft.hub, record.entity)) {
    if (!sync.outward) continue;
    const isOwn = ({ sync: name, state }: LinkState): boolean => name === sync.name && state === 'live';
    const isChanged = joined.changed.some((field) => sync.lens.outward.has(field));
    for (const { object } of [...(isChanged ? stays.filter(isOwn) : []), ...came.filter(isOwn)])
      await draft.promise(sync.name, record, object);
    await promiseCreate(draft, sync, record, [...stays, ...came], {
      mine: creates.find((one) => one.sync === sync.name),
      theirs: effects.find((one) => one.sync === sync.name && one.object === ''),
      isChanged,
    });
  }
};

/** One create is enough, and none where there is an object now; one that nobody could tell about still waits for a person. */
const promiseCreate = async (
  draft: Draft,
  sync: Sync,
  record: RecordState,
  links: readonly LinkState[],
  {
    mine,
    theirs,
    isChanged,
  }: {
    readonly mine?: EffectRow | undefined;
    readonly theirs?: EffectRow | undefined;
    readonly isChanged: boolean;
  },
): Promise<void> => {
  const own = links.filter((link) => link.sync === sync.name);
  const of = [mine, theirs].flatMap(undecidedOf);
  if (of.length > 0)
    return drawUndecided(draft, { sync: sync.name, record, known: mine, like: mine ?? theirs, of });
  if (!lacksObject(record, own, sync)) {
    if (mine !== undefined) draft.close(mine, 'superseded');
  } else if (isChanged || (mine === undefined && theirs !== undefined))
    await draft.promise(sync.name, record, '');
};

/** The records of whose creates nobody could tell. */
export const undecidedOf = (effect: EffectRow | undefined): readonly string[] =>
  effect?.state === 'parked' && effect.reason?.code === 'unknown-outcome'
    ? (effect.reason.of ?? [effect.record])
    : [];

/** A create that nobody could tell about waits for a person, with whatever record it is. */
export const drawUndecided = (
  draft: Draft,
  {
    sync,
    record,
    known,
    like,
    of,
  }: {
    readonly sync: string;
    readonly record: RecordState;
    readonly known: EffectRow | undefined;
    readonly like: EffectRow | undefined;
    readonly of: readonly string[];
  },
): void => {
  if (like === undefined) return;
  if (known !== undefined) draft.close(known, 'superseded');
  draft.count(draft.run, { e_opened: 1, e_parked: 1 });
  const { message = '' } = like.reason ?? {};
  const reason = { code: 'unknown-outcome', message, of };
  const { run } = draft;
  draft.effect(undefined, {
    ...like,
    sync,
    record: record.id,
    object: '',
    state: 'parked',
    wanted: record.version,
    call: null,
    run,
    reason,
  });
};

/** The error in which a person is told of a bar. */
export const barError = (bar: Bar, what: string): CrosswalkError =>
  bar.is === 'busy'
    ? new CrosswalkError('merge-busy', { what, detail: bar.why })
    : new CrosswalkError('merge-refused', { what, detail: bar.why });
