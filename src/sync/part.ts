/**
 * One record becomes two again: what `merge/part` makes of their fields and links, drawn as one group. The two are told
 * apart for good, so that no key and no score joins them once more.
 */
import { isContested, lacksObject, reachOf } from '../merge/deletion.ts';
import { delta } from '../merge/delta.ts';
import type { Relinked } from '../merge/join.ts';
import { part, tellsMerge, type Parted } from '../merge/part.ts';
import type { LinkState, RecordState } from '../merge/record.ts';
import { intoOf } from '../merge/redirect.ts';
import { drawApart, pairOf } from './candidates.ts';
import { isDoomed } from './deletion.ts';
import type { Draft } from './draft.ts';
import { leadsTo, linksOf, loadHolds, membersOf, recordOf, syncsOfEntity, type Hub } from './hub.ts';
import {
  busyWith,
  drawRelinked,
  drawUndecided,
  effectsOf,
  linesOf,
  undecidedOf,
  viewsOf,
  type Bar,
} from './join.ts';
import { giveKeysBack } from './keys.ts';
import { lineageOf } from './prune.ts';
import { partedNote, related } from './relations.ts';

/** An unmerge as it would be. */
export interface UnmergePlan {
  readonly survivor: RecordState;
  readonly loser: RecordState;
  readonly parted: Parted;
  /** The links as they are stored: those that go back, and those that stay. */
  readonly own: readonly LinkState[];
  readonly rest: readonly LinkState[];
}

/** Records that are merged into this one directly, but for one. */
const othersOf = async ({ store }: Hub, survivor: string, loser: string): Promise<RecordState[]> =>
  (await store.list('record', 'merged', { where: { merged: survivor }, limit: 10_000 }))
    .map(recordOf)
    .filter(({ id }) => id !== loser);

/** What an unmerge would make of a record and of the one that it was merged into; or why it cannot be. */
export const planUnmerge = async (hub: Hub, id: string, by: string): Promise<UnmergePlan | Bar> => {
  const row = await hub.store.get('record', { id });
  if (row === undefined) return { is: 'refused', why: 'there is no such record' };
  const loser = recordOf(row);
  const into = intoOf(loser);
  const survivor = await leadsTo(hub, id);
  if (into === null || survivor === undefined)
    return { is: 'refused', why: 'it was not merged into another; name the one that was' };
  if (survivor.id !== into)
    return { is: 'refused', why: `${into} was merged into another since; unmerge ${into} first` };
  if (reachOf(survivor) !== null)
    return {
      is: 'refused',
      why: `${into} is deleted; restore it first, or nobody can tell whose deletion it is`,
    };
  const { rows } = await lineageOf(hub.store, survivor.id);
  if (!tellsMerge(rows, id))
    return {
      is: 'refused',
      why: `what ${into} was before it was merged is not known any more: keep.lineage says how long it is kept`,
    };
  const links = await linksOf(hub, survivor.id);
  const isBack = (link: LinkState): boolean => link.from?.at(-1)?.record === id;
  const [own, rest] = [links.filter(isBack), links.filter((link) => !isBack(link))];
  const parted = part({
    survivor,
    loser,
    rows,
    own: await viewsOf(hub, survivor, own),
    rest: await viewsOf(hub, survivor, rest),
    others: await othersOf(hub, survivor.id, id),
    by,
    now: hub.now(),
  });
  return { survivor, loser, parted, own, rest };
};

/** Draws an unmerge; the bar that stands against it, or null if it is drawn. */
export const drawUnmerge = async (draft: Draft, id: string, by: string): Promise<Bar | null> => {
  const { hub } = draft;
  const plan = await planUnmerge(hub, id, by);
  if ('is' in plan) return plan;
  const { survivor, loser, own } = plan;
  const parted = hub.mutation === 'unmerge-later-edits' ? forgetful(plan) : plan.parted;
  const objects = new Set(own.map((link) => `${link.sync}/${link.object}`));
  const effects = await effectsOf(hub, survivor.id);
  const towards = effects.filter((one) => objects.has(`${one.sync}/${one.object}`));
  const touched = plan.rest.filter((link) => parted.rest.some((one) => isSame(one.link, link)));
  const busy = busyWith([...own, ...touched], towards, []);
  if (busy !== null) return busy;
  await draft.record(survivor, parted.survivor, 'held');
  await draft.record(loser, parted.loser, 'held');
  for (const [i, relinked] of parted.own.entries()) {
    const stored = own[i];
    if (stored !== undefined) await drawRelinked(draft, stored, relinked, by, parted.loser.version);
  }
  for (const relinked of parted.rest) await drawStayed(draft, plan, relinked, by);
  const event = 'unmerged';
  const { entries, loserEntries } = parted;
  const version = parted.survivor.version;
  draft.lineage(survivor.id, { cause: by, version, event, other: id, entries });
  const left = parted.loser.version;
  draft.lineage(id, { cause: by, version: left, event, other: survivor.id, entries: loserEntries });
  for (const effect of towards) draft.close(effect, 'superseded');
  await giveKeysBack(draft, survivor, parted);
  drawApart(draft, pairOf(loser.entity, survivor.id, id), by.replace('person:', ''), 'unmerged');
  for (const field of parted.changed) linesOf(draft, survivor, parted.survivor, field, 'unmerged');
  for (const field of parted.loserChanged) linesOf(draft, loser, parted.loser, field, 'unmerged');
  await promiseParted(draft, plan, parted);
  draft.arrived(partedNote(hub, loser.entity, [survivor.id, id]));
  return null;
};

/** The mutation that gives every later edit to the survivor. */
const forgetful = ({ parted, loser }: UnmergePlan): Parted => ({
  ...parted,
  loser: {
    ...parted.loser,
    fields: Object.fromEntries(
      Object.entries(parted.loser.fields).map(([field, state]) => [
        field,
        parted.loserChanged.includes(field) ? (loser.fields[field] ?? state) : state,
      ]),
    ),
  },
  loserEntries: parted.loserEntries.filter(({ field }) => !parted.loserChanged.includes(field)),
  loserChanged: [],
});

const isSame = (a: Pick<LinkState, 'sync' | 'object'>, b: Pick<LinkState, 'sync' | 'object'>): boolean =>
  a.sync === b.sync && a.object === b.object;

/** A link that stays, told in the versions that its record's fields have now. */
const drawStayed = async (
  draft: Draft,
  { rest, survivor }: UnmergePlan,
  { link, holds, entries }: Relinked,
  cause: string,
): Promise<void> => {
  const before = rest.find((one) => isSame(one, link));
  if (before === undefined) return;
  const known = await loadHolds(draft.hub, survivor.id, link.sync, link.object);
  const gone = known.filter(({ field }) => !holds.some((hold) => hold.field === field));
  draft.link(before, link).holds(
    survivor.id,
    link,
    holds,
    gone.map(({ field }) => field),
  );
  if (entries.length === 0) return;
  const { sync, object } = link;
  draft.lineage(survivor.id, { cause, sync, object, version: survivor.version + 1, entries });
};

/** Creates that nobody could tell about go back to whom they were of; `<sync>/<record>` of all that there are then. */
const partUndecided = async (
  draft: Draft,
  { loser }: UnmergePlan,
  parted: Parted,
): Promise<ReadonlySet<string>> => {
  const { hub } = draft;
  const members = await membersOf(hub, loser.id);
  const found = new Set<string>();
  for (const effect of await effectsOf(hub, parted.survivor.id)) {
    const of = undecidedOf(effect);
    if (effect.object !== '' || of.length === 0) continue;
    const { sync } = effect;
    const [theirs, mine] = [
      of.filter((id) => members.includes(id)),
      of.filter((id) => !members.includes(id)),
    ];
    if (mine.length > 0) found.add(`${sync}/${parted.survivor.id}`);
    if (theirs.length === 0) continue;
    found.add(`${sync}/${loser.id}`);
    if (mine.length === 0) draft.close(effect, 'superseded');
    else drawUndecided(draft, { sync, record: parted.survivor, known: effect, like: effect, of: mine });
    drawUndecided(draft, { sync, record: parted.loser, known: undefined, like: effect, of: theirs });
  }
  return found;
};

/** Effects towards whatever is behind now, and what either of the two lacks. */
const promiseParted = async (draft: Draft, plan: UnmergePlan, parted: Parted): Promise<void> => {
  const { hub } = draft;
  const undecided = await partUndecided(draft, plan, parted);
  const stays = plan.rest.map((link) => {
    return parted.rest.find((one) => isSame(one.link, link)) ?? { link, holds: null };
  });
  for (const sync of syncsOfEntity(hub, plan.loser.entity)) {
    if (!sync.outward) continue;
    for (const [record, views] of [
      [parted.survivor, stays],
      [parted.loser, parted.own],
    ] as const) {
      const own = views.filter(({ link }) => link.sync === sync.name);
      for (const { link, holds } of own) {
        if (link.state !== 'live') continue;
        const known = holds ?? (await loadHolds(hub, plan.survivor.id, link.sync, link.object));
        const { sync: named } = await related(hub, sync, [link.shadow], record);
        const isRemoved = isDoomed(sync, record, link) && !isContested(known);
        if (isRemoved || Object.keys(delta(record, link, named.lens, known)).length > 0)
          await draft.promise(sync.name, record, link.object);
      }
      const links = own.map(({ link }) => link);
      const isUndecided = undecided.has(`${sync.name}/${record.id}`);
      if (!isUndecided && lacksObject(record, links, sync)) await draft.promise(sync.name, record, '');
    }
  }
};
