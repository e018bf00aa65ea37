/** What a merge or an unmerge would do, or has done, as people read it: field by field, and what each system is written. */
import type { Json } from '../connector.ts';
import { delta } from '../merge/delta.ts';
import type { Relinked } from '../merge/join.ts';
import { labelOf, type Hold, type LinkState, type RecordState } from '../merge/record.ts';
import { isReserved } from '../merge/redirect.ts';
import { loadHolds, type Hub } from '../sync/hub.ts';
import type { MergePlan } from '../sync/join.ts';
import type { UnmergePlan } from '../sync/part.ts';
import { related } from '../sync/relations.ts';

/** A field that one of the two records has. */
export interface MergeField {
  readonly field: string;
  readonly survivor: Json;
  readonly loser: Json;
  /** What each has afterwards; after a merge the loser has nothing of its own. */
  readonly after: Json;
  readonly loserAfter: Json;
  /** Why. */
  readonly rule: string;
}

/** A value that an object is to be given. */
export interface MergeWrite {
  readonly sync: string;
  readonly object: string;
  readonly field: string;
  readonly now: Json;
  readonly after: Json;
}

/** A value that an object keeps, although its record has another. */
export interface MergeKept {
  readonly sync: string;
  readonly object: string;
  readonly field: string;
  readonly theirs: Json;
  /** `ask`: a person must decide. */
  readonly why: string;
}

export interface MergeReport {
  readonly what: 'merge' | 'unmerge';
  readonly state: 'planned' | 'done';
  readonly survivor: string;
  readonly loser: string;
  readonly labels: readonly [string, string];
  readonly fields: readonly MergeField[];
  readonly writes: readonly MergeWrite[];
  readonly kept: readonly MergeKept[];
  /** Objects that go from one record to the other. */
  readonly links: readonly { readonly sync: string; readonly object: string }[];
}

interface Side {
  readonly record: RecordState;
  readonly link: LinkState;
  readonly holds: readonly Hold[];
}

const writesOf = async (hub: Hub, { record, link, holds }: Side): Promise<MergeWrite[]> => {
  const sync = hub.syncs.get(link.sync);
  if (sync === undefined || !sync.outward || link.state !== 'live') return [];
  const { sync: named } = await related(hub, sync, [link.shadow], record);
  const shown = named.lens.read(link.shadow).fields;
  return Object.entries(delta(record, link, named.lens, holds)).map(([field, after]) => ({
    sync: link.sync,
    object: link.object,
    field,
    now: shown[field] ?? null,
    after,
  }));
};

const told = async (hub: Hub, sides: readonly Side[]): Promise<Pick<MergeReport, 'writes' | 'kept'>> => {
  const writes: MergeWrite[] = [];
  const kept: MergeKept[] = [];
  for (const side of sides) {
    writes.push(...(await writesOf(hub, side)));
    const { sync, object } = side.link;
    for (const { field, theirs, why } of side.holds)
      if (!isReserved(field)) kept.push({ sync, object, field, theirs, why });
  }
  return { writes, kept };
};

const sidesOf = (record: RecordState, links: readonly Relinked[]): Side[] =>
  links.map(({ link, holds }) => ({ record, link, holds }));

const standing = async (hub: Hub, record: RecordState, links: readonly LinkState[]): Promise<Side[]> => {
  const sides: Side[] = [];
  for (const link of links)
    sides.push({ record, link, holds: await loadHolds(hub, record.id, link.sync, link.object) });
  return sides;
};

const valueIn = ({ fields }: RecordState, field: string): Json => fields[field]?.value ?? null;

const fieldsOf = (...records: readonly RecordState[]): string[] =>
  [...new Set(records.flatMap(({ fields }) => Object.keys(fields)))].filter((field) => !isReserved(field));

const linkNames = (links: readonly Relinked[]): { sync: string; object: string }[] =>
  links.map(({ link: { sync, object } }) => ({ sync, object }));

/** A merge, from its plan. */
export const mergeReport = async (
  hub: Hub,
  { survivor, loser, joined, stays }: MergePlan,
  state: MergeReport['state'],
): Promise<MergeReport> => {
  const sides = [...(await standing(hub, joined.survivor, stays)), ...sidesOf(joined.survivor, joined.links)];
  return {
    what: 'merge',
    state,
    survivor: survivor.id,
    loser: loser.id,
    labels: [labelOf(survivor.id, survivor.fields), labelOf(loser.id, loser.fields)],
    fields: fieldsOf(survivor, loser).map((field) => ({
      field,
      survivor: valueIn(survivor, field),
      loser: valueIn(loser, field),
      after: valueIn(joined.survivor, field),
      loserAfter: null,
      rule: joined.entries.find((entry) => entry.field === field)?.rule ?? '',
    })),
    links: linkNames(joined.links),
    ...(await told(hub, sides)),
  };
};

/** An unmerge, from its plan. */
export const unmergeReport = async (
  hub: Hub,
  { survivor, loser, parted, rest }: UnmergePlan,
  state: MergeReport['state'],
): Promise<MergeReport> => {
  const isChanged = ({ sync, object }: LinkState): boolean =>
    parted.rest.some(({ link }) => link.sync === sync && link.object === object);
  const still = await standing(
    hub,
    parted.survivor,
    rest.filter((link) => !isChanged(link)),
  );
  const sides = [...still, ...sidesOf(parted.survivor, parted.rest), ...sidesOf(parted.loser, parted.own)];
  const entries = [...parted.entries, ...parted.loserEntries];
  return {
    what: 'unmerge',
    state,
    survivor: survivor.id,
    loser: loser.id,
    labels: [labelOf(survivor.id, survivor.fields), labelOf(loser.id, parted.loser.fields)],
    fields: fieldsOf(survivor, parted.loser).map((field) => ({
      field,
      survivor: valueIn(survivor, field),
      loser: valueIn(loser, field),
      after: valueIn(parted.survivor, field),
      loserAfter: valueIn(parted.loser, field),
      rule: entries.find((entry) => entry.field === field)?.rule ?? '',
    })),
    links: linkNames(parted.own),
    ...(await told(hub, sides)),
  };
};
