/**
 * One record becomes two again: both as they would be, had they never been one. Pure.
 *
 * Each change since the merge goes to the record whose link brought it; what was changed at the hub stays with the
 * survivor. A value of the survivor that came from the other gives way to the one that stood before it.
 */
import type { Json } from '../connector.ts';
import { carriedHolds, expectedOf, renumbered, shownOf, type LinkView, type Relinked } from './join.ts';
import { isSetting, type Setting, type ToldRow } from './lineage.ts';
import { isEmpty, same, type Entry, type FieldState, type Hold, type RecordState } from './record.ts';
import { isReserved, mergedField } from './redirect.ts';

export interface PartInput {
  readonly survivor: RecordState;
  /** The record that was merged into it, as it was left. */
  readonly loser: RecordState;
  /** All lineage of the survivor, in order. */
  readonly rows: readonly ToldRow[];
  /** The links that go back to the loser, and those that stay. */
  readonly own: readonly LinkView[];
  readonly rest: readonly LinkView[];
  /** Other records that are still merged into the survivor: what becomes empty is filled from them. */
  readonly others: readonly RecordState[];
  readonly by: string;
  readonly now: number;
}

export interface Parted {
  readonly survivor: RecordState;
  readonly loser: RecordState;
  /** Fields of either that changed. */
  readonly changed: readonly string[];
  readonly loserChanged: readonly string[];
  readonly entries: readonly Entry[];
  readonly loserEntries: readonly Entry[];
  readonly own: readonly Relinked[];
  /** Only the links that change. */
  readonly rest: readonly Relinked[];
}

interface Told {
  readonly setting: Setting;
  /** Whose it was: the loser's, the survivor's (or of what is still merged into it), or of a record that was taken out before. */
  readonly of: 'loser' | 'survivor' | 'nobody';
  /** True if it was made while they were one. */
  readonly isLater: boolean;
}

const nameOf = ({ link: { sync, object } }: LinkView): string => `${sync}/${object}`;

const isMergeWith =
  (loser: string) =>
  ({ body }: ToldRow): boolean =>
    body.event === 'merged' && body.other === loser;

/** False once lineage is pruned so far that nobody can tell what either was without the other. */
export const tellsMerge = (rows: readonly ToldRow[], loser: string): boolean => rows.some(isMergeWith(loser));

/** Every value that the survivor got, by field, and whose it was. */
const historyOf = ({ loser, rows, own, rest, others }: PartInput): Map<string, Told[]> => {
  const [losers, mine] = [new Set(own.map(nameOf)), new Set(rest.map(nameOf))];
  const members = new Set(others.map(({ id }) => id));
  const begin = rows.findLastIndex(isMergeWith(loser.id));
  const all = new Map<string, Told[]>();
  for (const [i, { body, condensed }] of rows.entries()) {
    const place = `${body.sync}/${body.object}`;
    for (const entry of body.entries.filter(isSetting)) {
      const { verdict, source, of: brought } = entry;
      const isLinks = (verdict === 'took' || verdict === 'resolved') && condensed !== true;
      // (A condensed row names no object: it would say something of its link.)
      const by = isLinks ? place : source;
      const isHub = verdict === 'undone' || verdict === 'routed';
      const isLater = i >= begin;
      const isLosers = isLater && (brought === loser.id || (!isHub && losers.has(by)));
      const isOut =
        brought === undefined ? !isHub && by.includes('/') && !mine.has(by) : !members.has(brought);
      const list = all.get(entry.field) ?? [];
      all.set(entry.field, list);
      list.push({ setting: entry, of: isLosers ? 'loser' : isOut ? 'nobody' : 'survivor', isLater });
    }
  }
  return all;
};

interface Change {
  readonly field: string;
  readonly state: FieldState;
  readonly entry: Entry;
}

const changeOf = (
  record: RecordState,
  field: string,
  to: { readonly value: Json } & Pick<FieldState, 'at' | 'source'>,
  rule: string,
  of?: string,
): Change => {
  const version = record.version + 1;
  const { value, at, source } = to;
  const before = record.fields[field]?.value ?? null;
  const entry: Entry = { field, verdict: 'unmerged', before, after: value, rule, version, at, source };
  return {
    field,
    state: { value, version, at, source, recent: [], returns: 0, chain: 0 },
    entry: of === undefined ? entry : { ...entry, of },
  };
};

/** What the survivor goes back to in a field that it had from the other; undefined if nothing changes. */
const survivorsChange = (input: PartInput, field: string, told: readonly Told[]): Change | undefined => {
  const { survivor, others, by, now } = input;
  if (told.at(-1)?.of !== 'loser') return undefined;
  const back = told.findLast(({ of }) => of === 'survivor')?.setting;
  const value = back?.after ?? null;
  const filler = isEmpty(value) ? others.find((one) => !isEmpty(one.fields[field]?.value)) : undefined;
  const filled = filler?.fields[field];
  if (filler !== undefined && filled !== undefined)
    return changeOf(
      survivor,
      field,
      filled,
      'unmerged: another record that is merged here fills it',
      filler.id,
    );
  const at = back?.at ?? { from: now - 1, to: now };
  const source = back?.source ?? by;
  return changeOf(survivor, field, { value, at, source }, 'unmerged: as it was without', back?.of);
};

/** True if an object shows something there, or may come to by a write of ours. */
const mayShow = (view: LinkView, field: string): boolean => {
  const writing = view.link.written[field];
  const isOpen = writing !== undefined && !writing.confirmed;
  return !isEmpty(expectedOf(view, field)) || (isOpen && !isEmpty(writing.asked));
};

/**
 * What the loser never had, and what its objects may have been given meanwhile: it is empty from now on, so that what is
 * ours is taken back there.
 */
const emptied = ({ loser, own, now, by }: PartInput, fields: Iterable<string>): Change[] =>
  [...fields].flatMap((field): Change[] => {
    const isShown = own.some((view) => view.link.state !== 'detached' && mayShow(view, field));
    if (loser.fields[field] !== undefined || !isShown) return [];
    const to = { value: null, at: { from: now - 1, to: now }, source: by };
    return [changeOf(loser, field, to, 'unmerged: it never had it')];
  });

/** What the loser's links brought while it was merged. */
const losersChange = (input: PartInput, field: string, told: readonly Told[]): Change | undefined => {
  const { loser, now } = input;
  const last = told.findLast(
    ({ of, isLater, setting }) =>
      isLater && of === 'loser' && setting.verdict !== 'merged' && setting.of !== loser.id,
  )?.setting;
  const value = last?.after ?? null;
  if (last === undefined || same(value, loser.fields[field]?.value ?? null)) return undefined;
  const at = last.at ?? { from: now - 1, to: now };
  return changeOf(loser, field, { value, at, source: last.source }, 'unmerged: its own object brought it');
};

const changed = (record: RecordState, changes: readonly Change[]): RecordState => ({
  ...record,
  version: record.version + 1,
  fields: { ...record.fields, ...Object.fromEntries(changes.map(({ field, state }) => [field, state])) },
});

/** What one record becomes when another that was merged into it is taken out again. */
export const part = (input: PartInput): Parted => {
  const { survivor, loser, by, now } = input;
  const history = [...historyOf(input)].filter(([field]) => !isReserved(field));
  const mine = history.flatMap(([field, told]) => survivorsChange(input, field, told) ?? []);
  const brought = history.flatMap(([field, told]) => losersChange(input, field, told) ?? []);
  const had = new Set(brought.map(({ field }) => field));
  const never = history.map(([field]) => field).filter((field) => !had.has(field));
  const theirs = [...brought, ...emptied(input, never)];
  const at = { from: now - 1, to: now };
  const version = loser.version + 1;
  const apart: FieldState = { value: null, version, at, source: by, recent: [], returns: 0, chain: 0 };
  const back: Entry = { field: mergedField, verdict: 'unmerged', before: survivor.id, after: null };
  const one = changed(survivor, mine);
  const two = changed(loser, [
    ...theirs,
    { field: mergedField, state: apart, entry: { ...back, version, at, source: by } },
  ]);
  const fields = mine.map(({ field }) => field);
  return {
    survivor: one,
    loser: two,
    changed: fields,
    loserChanged: theirs.map(({ field }) => field),
    entries: mine.map(({ entry }) => entry),
    loserEntries: [{ ...back, version, at, source: by }, ...theirs.map(({ entry }) => entry)],
    own: input.own.map((view) => giveBack(input, view, two)),
    rest: fields.length === 0 ? [] : input.rest.map((view) => stay(input, view, one, fields)),
  };
};

/** A link goes back to the record that it came from: exactly as it was, if nothing has touched it since. */
const giveBack = (input: PartInput, view: LinkView, loser: RecordState): Relinked => {
  const { link } = view;
  const from = link.from ?? [];
  const origin = from.at(-1);
  const { from: _, ...bare } = { ...link, record: loser.id };
  const left = from.length > 1 ? { ...bare, from: from.slice(0, -1) } : bare;
  if (origin?.gen === link.gen) {
    const { seen, written, restored, held } = origin;
    const entries = held.map(({ field, why, theirs }): Entry => ({
      field,
      verdict: 'held',
      theirs,
      held: why,
    }));
    return { link: { ...left, seen, written, restored }, holds: held, entries };
  }
  const carried = carriedHolds(view, loser);
  const own = heldByItself(input, { ...view, holds: carried.holds }, loser, Object.keys(loser.fields));
  return {
    link: { ...left, ...renumbered(view, input.survivor, loser) },
    holds: [...carried.holds, ...own.holds],
    entries: [...carried.entries, ...own.entries],
  };
};

/** Fields that are empty now, and that an object had filled without our writing: it keeps what it holds. */
const heldByItself = (
  { loser, rows, now }: PartInput,
  view: LinkView,
  record: RecordState,
  fields: readonly string[],
): Pick<Relinked, 'holds' | 'entries'> => {
  const { link, lens } = view;
  const begin = rows.findLastIndex(isMergeWith(loser.id));
  const about = rows
    .slice(begin)
    .filter(({ body }) => body.sync === link.sync && body.object === link.object)
    .flatMap(({ body }) => body.entries);
  const holds: Hold[] = [];
  const entries: Entry[] = [];
  for (const field of link.state === 'live' && lens !== null ? fields : []) {
    const theirs = shownOf(view)[field];
    const isHeld = view.holds.some((one) => one.field === field);
    if (isReserved(field) || theirs === undefined || isEmpty(theirs) || isHeld) continue;
    if (!isEmpty(record.fields[field]?.value)) continue;
    if (about.some((entry) => entry.field === field && entry.verdict === 'wrote')) continue;
    holds.push({ field, why: 'own', theirs, ours: null, at: now });
    entries.push({
      field,
      verdict: 'kept',
      theirs,
      rule: 'unmerged: it held this value by itself',
      held: 'own',
    });
  }
  return { holds, entries };
};

/** A link stays with the survivor, some of whose fields go back: what we had given to its object is taken back there too. */
const stay = (input: PartInput, view: LinkView, record: RecordState, fields: readonly string[]): Relinked => {
  const { link, holds } = view;
  const all = renumbered(view, input.survivor, record);
  const isBack = (field: string): boolean => fields.includes(field);
  const carried = carriedHolds({ ...view, holds: holds.filter(({ field }) => isBack(field)) }, record);
  const own = heldByItself(input, view, record, fields);
  const pick = <T>(
    before: Readonly<Record<string, T>>,
    after: Readonly<Record<string, T>>,
  ): Record<string, T> => {
    const kept = Object.entries(before).filter(([field]) => !isBack(field));
    return Object.fromEntries([...kept, ...Object.entries(after).filter(([field]) => isBack(field))]);
  };
  return {
    link: {
      ...link,
      seen: pick(link.seen, all.seen),
      written: pick(link.written, all.written),
      restored: pick(link.restored, all.restored),
    },
    holds: [...holds.filter(({ field }) => !isBack(field)), ...carried.holds, ...own.holds],
    entries: [...carried.entries, ...own.entries],
  };
};
