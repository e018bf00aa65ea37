/**
 * Two records become one. Pure.
 *
 *   a field that the survivor has not     the loser's value fills it
 *   the same on both                      stays
 *   differs, and is protected or a key    the survivor's stands; the loser's objects keep theirs, as declared
 *   differs, and one side owns it         the owner's
 *   differs, and is a list                the survivor's stands; the loser's objects keep theirs, as declared, until either
 *                                         changes: then its members are merged like those of any list
 *   differs, otherwise                    by the policy of the sync that brought the loser's value: `newest` where it can
 *                                         tell, `ask` (a person), `keep` (both, as declared); else the survivor's stands
 *
 * No value of the loser is lost: it stands in the record, or waits in a conflict, or stays on its object as a declared
 * divergence, or lineage has it as overruled; and the loser's own record keeps all its fields as they were.
 */
import type { Json } from '../connector.ts';
import type { Fields, Lens } from '../mapping/lens.ts';
import { shows } from './lists.ts';
import type { FieldRule } from './policy.ts';
import { isEmpty, same, type Entry, type FieldState, type Hold, type LinkState } from './record.ts';
import type { RecordState } from './record.ts';
import { isReserved, mergedField } from './redirect.ts';

/** A link, as it is seen when records become one or two. */
export interface LinkView {
  readonly link: LinkState;
  /** Speaks of records where the mapping's own speaks of the remote's ids; null where the sync is not there any more. */
  readonly lens: Lens | null;
  readonly holds: readonly Hold[];
}

/** A link as the merge or the unmerge leaves it, all that is held on it then, and what lineage tells of it. */
export interface Relinked {
  readonly link: LinkState;
  readonly holds: readonly Hold[];
  readonly entries: readonly Entry[];
}

export interface JoinInput {
  readonly survivor: RecordState;
  readonly loser: RecordState;
  /** The loser's. */
  readonly links: readonly LinkView[];
  /** The rule of a field in the sync that a source names; undefined for a person's, or a sync that is not there. */
  rules(field: string, source: string): FieldRule | undefined;
  /** Fields of strong keys, and protected ones. */
  readonly keys: ReadonlySet<string>;
  readonly protects: ReadonlySet<string>;
  /** Fields that are sets or tables. */
  readonly lists: ReadonlySet<string>;
  /** Syncs in which the survivor has an object that is there: the loser's is not the first one. */
  readonly taken: ReadonlySet<string>;
  /** `person:<name>`, or what merged them. */
  readonly by: string;
  readonly now: number;
}

export interface Joined {
  readonly survivor: RecordState;
  readonly loser: RecordState;
  /** Fields of the survivor that changed. */
  readonly changed: readonly string[];
  /** What lineage tells of the survivor and of the loser. */
  readonly entries: readonly Entry[];
  readonly loserEntries: readonly Entry[];
  readonly links: readonly Relinked[];
}

interface Verdict {
  readonly take: boolean;
  readonly rule: string;
  /** The loser's objects are held at their own value. */
  readonly hold?: 'ask' | 'kept';
}

const stands = 'merged: the survivor has another value';

const byPolicy = (rule: FieldRule | undefined, mine: FieldState, theirs: FieldState): Verdict => {
  switch (rule?.conflict) {
    case 'newest':
      if (theirs.at.from >= mine.at.to) return { take: true, rule: 'merged: newest' };
      if (mine.at.from >= theirs.at.to) return { take: false, rule: 'merged: newest' };
      return { take: false, rule: `${stands}; newest cannot tell` };
    case 'keep':
      return { take: false, rule: 'merged: keep', hold: 'kept' };
    case 'ask':
      return { take: false, rule: 'merged: ask', hold: 'ask' };
    default:
      return { take: false, rule: stands };
  }
};

const judge = (input: JoinInput, field: string, mine: FieldState, theirs: FieldState): Verdict => {
  if (isEmpty(mine.value)) return { take: true, rule: 'merged: it was empty' };
  if (input.protects.has(field)) return { take: false, rule: 'merged: protected', hold: 'kept' };
  const [own, other] = [input.rules(field, mine.source), input.rules(field, theirs.source)];
  if (own?.role === 'owner') return { take: false, rule: 'merged: owner' };
  if (other?.role === 'owner') return { take: true, rule: 'merged: owner' };
  if (input.keys.has(field)) return { take: false, rule: stands };
  if (input.lists.has(field)) return { take: false, rule: 'merged: a list stays as it is', hold: 'kept' };
  return byPolicy(other, mine, theirs);
};

const nothing: FieldState = {
  value: null,
  version: 0,
  at: { from: 0, to: 0 },
  source: '',
  recent: [],
  returns: 0,
  chain: 0,
};

/** What two records become. Both must stand, and be two. */
export const join = (input: JoinInput): Joined => {
  const { survivor, loser, by, now } = input;
  const version = survivor.version + 1;
  const fields = { ...survivor.fields };
  const entries: Entry[] = [];
  const changed: string[] = [];
  const verdicts = new Map<string, Verdict>();
  for (const [field, theirs] of Object.entries(loser.fields)) {
    if (isReserved(field) || isEmpty(theirs.value)) continue;
    const mine = survivor.fields[field] ?? nothing;
    if (same(mine.value, theirs.value)) continue;
    const verdict = judge(input, field, mine, theirs);
    verdicts.set(field, verdict);
    const { rule } = verdict;
    const { at, source, value } = theirs;
    if (verdict.take) {
      fields[field] = { ...theirs, version };
      changed.push(field);
      const before = mine.value;
      entries.push({
        field,
        verdict: 'merged',
        before,
        after: value,
        rule,
        version,
        at,
        source,
        of: loser.id,
      });
    } else
      entries.push({ field, verdict: 'overruled', theirs: value, after: mine.value, rule, of: loser.id });
  }
  const record: RecordState = { ...survivor, version, fields };
  const at = { from: now - 1, to: now };
  const gone = { value: survivor.id, version: loser.version + 1, at, source: by };
  const into: FieldState = { ...gone, recent: [], returns: 0, chain: 0 };
  const { value: after, ...told } = gone;
  return {
    survivor: record,
    loser: { ...loser, version: loser.version + 1, fields: { ...loser.fields, [mergedField]: into } },
    changed,
    entries,
    loserEntries: [{ field: mergedField, verdict: 'merged', before: null, after, ...told }],
    links: input.links.map((view) => joinLink(input, view, record, verdicts)),
  };
};

const joinLink = (
  input: JoinInput,
  view: LinkView,
  record: RecordState,
  verdicts: ReadonlyMap<string, Verdict>,
): Relinked => {
  const { link, holds } = view;
  const { loser, now } = input;
  const { seen, written, restored } = link;
  const origin = { record: loser.id, gen: link.gen + 1, seen, written, restored, held: holds };
  const moved = {
    ...link,
    record: record.id,
    ...renumbered(view, loser, record),
    from: [...(link.from ?? []), origin],
  };
  const carried = carriedHolds(view, record);
  const held = new Map(carried.holds.map((hold) => [hold.field, hold]));
  const entries = [...carried.entries];
  const isSecond = input.taken.has(link.sync);
  const own: Record<string, LinkState['written'][string]> = { ...moved.written };
  if (link.state === 'live' && view.lens !== null)
    for (const field of view.lens.outward) {
      const ours = record.fields[field]?.value ?? null;
      const theirs = expectedOf(view, field);
      if (theirs === undefined || held.has(field) || shows(view.lens, field, theirs, ours)) continue;
      const verdict = verdicts.get(field);
      const isKey = isSecond && input.keys.has(field);
      // What its own record had not taken either: nothing empty is written over it.
      const isLeft = isEmpty(ours) && !isEmpty(theirs);
      const left = input.lists.has(field) ? 'kept' : 'empty';
      const why = isLeft ? left : isKey ? 'kept' : isEmpty(theirs) ? undefined : verdict?.hold;
      const rule = isLeft
        ? 'merged: empty is not written over filled'
        : isKey
          ? 'merged: a second object keeps its own keys'
          : (verdict?.rule ?? stands);
      if (why === undefined) {
        if (!isEmpty(theirs)) entries.push({ field, verdict: 'overruled', theirs, after: ours, rule });
        continue;
      }
      delete own[field];
      held.set(field, { field, why, theirs, ours, at: now });
      entries.push({ field, verdict: why === 'ask' ? 'asked' : 'kept', theirs, rule, held: why });
    }
  return { link: { ...moved, written: own }, holds: [...held.values()], entries };
};

// ---------------------------------------------------------------- links between records

/** What a link's remote shows in a field, or was told and has said yes to; undefined where it was never seen. */
export const expectedOf = ({ link, lens }: LinkView, field: string): Json | undefined => {
  const writing = link.written[field];
  if (writing !== undefined && writing.acked && !writing.confirmed) return writing.asked;
  return shownOf({ link, lens })[field];
};

export const shownOf = ({ link, lens }: Pick<LinkView, 'link' | 'lens'>): Fields =>
  lens === null ? {} : lens.read(link.shadow).fields;

const pending = ({ written }: LinkState, field: string): Json | undefined => {
  const writing = written[field];
  return writing === undefined || writing.confirmed ? undefined : writing.asked;
};

/** What a link knows of one record, told in the versions of another that it goes to. */
export const renumbered = (
  view: LinkView,
  before: RecordState,
  after: RecordState,
): Pick<LinkState, 'seen' | 'written' | 'restored'> => {
  const { link, lens } = view;
  const shown = shownOf(view);
  const seen: Record<string, number> = {};
  const written: Record<string, LinkState['written'][string]> = {};
  const restored: Record<string, LinkState['restored'][string]> = {};
  for (const [field, state] of Object.entries(after.fields)) {
    if (isReserved(field)) continue;
    const old = before.fields[field];
    const isSame = old !== undefined && same(old.value, state.value);
    const knew = isSame && (link.seen[field] ?? 0) >= old.version;
    const theirs = shown[field];
    const isShown =
      theirs !== undefined &&
      lens !== null &&
      shows(lens, field, theirs, state.value) &&
      // A write that has still to show may yet make it another.
      shows(lens, field, pending(link, field) ?? theirs, state.value);
    seen[field] = knew || isShown ? state.version : 0;
    const mark = link.restored[field];
    if (isSame && mark?.version === old.version) restored[field] = { ...mark, version: state.version };
  }
  for (const [field, one] of Object.entries(link.written)) {
    const [old, state] = [before.fields[field], after.fields[field]];
    const isSame = old !== undefined && state !== undefined && same(old.value, state.value);
    written[field] = { ...one, version: isSame && one.version === old.version ? state.version : 0 };
  }
  return { seen, written, restored };
};

/** What is held on a link that goes to another record: over where the two agree, else held on against its value. */
export const carriedHolds = (
  { link, lens, holds }: LinkView,
  record: RecordState,
): Pick<Relinked, 'holds' | 'entries'> => {
  const shown = shownOf({ link, lens });
  const kept: Hold[] = [];
  const entries: Entry[] = [];
  for (const hold of holds) {
    const { field, why, theirs } = hold;
    const ours = record.fields[field]?.value ?? null;
    const there = shown[field];
    if (!isReserved(field) && lens !== null && there !== undefined && shows(lens, field, there, ours)) {
      entries.push({ field, verdict: 'met', theirs: there });
      continue;
    }
    // What was refused is tried again once ours is another.
    const isOld = why === 'refused' || why === 'remapped' || isReserved(field);
    kept.push(isOld ? hold : { ...hold, ours });
    entries.push({ field, verdict: 'held', theirs, rule: why, held: why });
  }
  return { holds: kept, entries };
};
