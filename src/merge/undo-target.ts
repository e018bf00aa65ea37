/**
 * What undo does to one linked object and one field, planned and afterwards. An object is given nothing that
 * it did not lose to the scope: what it held by itself, before it was linked or without our writing, it keeps.
 */
import type { Json } from '../connector.ts';
import type { Fields, Lens } from '../mapping/lens.ts';
import { deletedField } from './deletion.ts';
import { delta, holdOn } from './delta.ts';
import type { Layer, Scope } from './layers.ts';
import type { ToldRow } from './lineage.ts';
import { shows } from './lists.ts';
import { isEmpty, same, type Entry, type Hold, type LinkState, type RecordState } from './record.ts';
import { lifeOutcome, withdrawOutcome } from './undo-life.ts';

/** `owed`: the record has the value back, and the target gets it once its effect closes. */
export type UndoResult = 'restored' | 'kept' | 'impossible' | 'owed';

export interface TargetUndo {
  /** `record`, `history`, or `<sync>/<object>`. */
  readonly target: string;
  readonly sync?: string;
  readonly object?: string;
  readonly result: UndoResult;
  readonly why?: string;
}

/** A linked object, as undo sees it. */
export interface TargetView {
  readonly link: LinkState;
  /** Speaks of records where the mapping's own speaks of the remote's ids. */
  readonly lens: Lens;
  /** Fields whose value cannot be named there yet, and what each waits for. */
  readonly waits: ReadonlyMap<string, string>;
  /** Why nothing is written to it at all; undefined if it is written. */
  readonly silent?: string | undefined;
  /** Why no other object is made there if this one is gone; undefined if one is. */
  readonly lost?: string | undefined;
  /** Why this object cannot be removed; undefined if it can. */
  readonly stuck?: string | undefined;
  readonly holds: readonly Hold[];
}

/** A sync that creates an object for the record, which has none there yet. */
export interface Creating {
  readonly sync: string;
  readonly lens: Lens;
}

/** A change of one field back, as far as its targets must know. */
export interface Change {
  readonly field: string;
  /** The value that stands now, and the one that stood before the scope. */
  readonly now: Json;
  readonly back: Json;
  /** True if the record's value changes by it. */
  readonly changes: boolean;
}

/** The first row that names an object. */
export const firstRow = (
  rows: readonly ToldRow[],
  { sync, object }: Pick<LinkState, 'sync' | 'object'>,
): ToldRow | undefined => rows.find(({ body }) => body.sync === sync && body.object === object);

/** An object that a create of ours made is first named by what was written to it. */
export const isOurs = ({ body }: ToldRow): boolean =>
  body.event === undefined && body.entries.some(({ verdict }) => verdict === 'wrote');

const shownBy = ({ link, lens }: TargetView): Fields => lens.read(link.shadow).fields;

/**
 * The value that an object shows and did not get from the scope: it had it when it was first seen, or came
 * to it without our writing. Undefined if it shows another value, or has it from the scope.
 */
export const ownValue = (
  rows: readonly ToldRow[],
  scope: Scope,
  target: TargetView,
  change: Change,
  chain: readonly Layer[],
): Json | undefined => {
  const { field, now, back, changes } = change;
  const { link, lens } = target;
  const shown = shownBy(target)[field];
  if (!changes || link.state !== 'live' || isPending(link, field)) return undefined;
  // What the mapping cannot read there is somebody's, and nobody can tell whose.
  if (link.left?.[field] !== undefined) return null;
  if (shown === undefined || isEmpty(shown)) return undefined;
  const isGiven = [now, ...chain.map(({ entry }) => entry.after ?? null)].some(
    (value) => !differsFrom(lens, field, shown, value),
  );
  if (!isEmpty(back) && !isGiven) return undefined;
  const first = firstRow(rows, link);
  const since = chain.at(-1)?.told.seq ?? 0;
  const isOlder = first !== undefined && first.seq < since && !wasFilled(rows, target, field, since);
  // To be emptied it must be ours, or have been empty before: linked by then, it would have filled the record.
  const mayEmpty = !isEmpty(back) || (first !== undefined && (isOurs(first) || (isOlder && isGiven)));
  return mayEmpty && hasFromScope(rows, scope, target, change, chain) ? undefined : shown;
};

/** True if the object held a value of its own before that row: the record, which had none, had not taken it. */
const wasFilled = (
  rows: readonly ToldRow[],
  { link }: TargetView,
  field: string,
  before: number,
): boolean => {
  const last = rows
    .filter(({ seq, body }) => seq < before && body.sync === link.sync && body.object === link.object)
    .flatMap(({ body }) => body.entries)
    .findLast((entry) => entry.field === field);
  return last !== undefined && !isEmpty(last.theirs ?? last.after ?? null);
};

/** True if the object changed to the value within the scope, or was given it because of that. */
const hasFromScope = (
  rows: readonly ToldRow[],
  scope: Scope,
  { link }: TargetView,
  { field, now }: Change,
  chain: readonly Layer[],
): boolean => {
  const versions = new Set(chain.map(({ entry }) => entry.version));
  const about = rows
    .filter(({ body }) => body.sync === link.sync && body.object === link.object)
    .flatMap((told) =>
      told.body.entries.filter((entry) => entry.field === field).map((entry) => ({ told, entry })),
    );
  const isOf = ({ verdict, version = 0 }: Entry, wanted: readonly Entry['verdict'][]): boolean =>
    wanted.includes(verdict) && versions.has(version);
  // What it was filed with may have been in question before it was taken.
  const isFiled = (value: Json): boolean =>
    about.some(({ entry }) => entry.first === true && same(entry.theirs ?? entry.after ?? null, value));
  if (about.some(({ entry }) => isOf(entry, ['took']) && isFiled(entry.after ?? null))) return false;
  if (about.some(({ entry }) => isOf(entry, ['took', 'wrote', 'confirmed']))) return true;
  // A person decided for what it shows: whether it came to show it within the scope, the question tells.
  const decided = about.some(({ entry }) => isOf(entry, ['resolved']));
  return (
    decided &&
    about.some(
      ({ told, entry }) => scope.row(told) && entry.first !== true && same(entry.theirs ?? null, now),
    )
  );
};

/** A write of ours may still change what it shows. (A call under way changes what it writes, and nothing else.) */
const isPending = (link: LinkState, field: string): boolean => link.written[field]?.confirmed === false;

/** True if nobody can tell yet whether what it shows is its own: a write of ours may still reach it. */
export const isUnsure = (target: TargetView, field: string): boolean => {
  const { state, written } = target.link;
  const writing = written[field];
  const isOpen = writing !== undefined && !writing.acked && !writing.confirmed;
  return state === 'live' && isOpen && !isEmpty(shownBy(target)[field]);
};

const differsFrom = (lens: Lens, field: string, shown: Json, value: Json): boolean =>
  !shows(lens, field, shown, value);

/** Why a value is not written, though the remote shows another. */
const leftWhy = (lens: Lens, field: string, value: Json): string =>
  lens.leaves?.(field, value) ?? `mapping ${lens.name} leaves what stands there`;

export const targetOf = (
  record: RecordState,
  target: TargetView,
  { field, back, changes }: Change,
  own: boolean,
): TargetUndo | undefined => {
  const { link, lens, silent, holds } = target;
  const { sync, object } = link;
  const shown = shownBy(target)[field];
  const at = { target: `${sync}/${object}`, sync, object };
  if (!lens.inward.has(field) && !lens.outward.has(field)) return undefined;
  const differs = shown !== undefined && differsFrom(lens, field, shown, back);
  if (link.state !== 'live')
    return differs ? { ...at, result: 'impossible', why: 'the object is not there any more' } : undefined;
  const mute = silent ?? (lens.outward.has(field) ? undefined : `mapping ${lens.name} only reads ${field}`);
  if (mute !== undefined) return differs ? { ...at, result: 'impossible', why: mute } : undefined;
  if (own)
    return {
      ...at,
      result: 'kept',
      why: 'it held this value by itself; undo takes nothing that it did not give',
    };
  const pending = isPending(link, field);
  if (!pending && shown !== undefined && !differs) return { ...at, result: 'restored' };
  const hold = holdOn(holds, field, back);
  if (hold !== undefined) return { ...at, result: 'kept', why: heldWords(hold) };
  const version = record.version + 1;
  const old = record.fields[field];
  const after =
    changes && old !== undefined
      ? { ...record, version, fields: { ...record.fields, [field]: { ...old, value: back, version } } }
      : record;
  if (!pending && delta(after, link, lens, holds)[field] === undefined) {
    if (differs) return { ...at, result: 'impossible', why: leftWhy(lens, field, back) };
    return shown === undefined && isEmpty(back) ? undefined : { ...at, result: 'restored' };
  }
  return { ...at, result: 'owed' };
};

/** What is to be created there is created with the former value. */
export const toCreate = (creates: readonly Creating[], { field, back, changes }: Change): TargetUndo[] =>
  creates
    .filter(({ lens }) => changes && lens.outward.has(field) && !isEmpty(back))
    .map(({ sync }) => ({
      target: `${sync}/`,
      sync,
      object: '',
      result: 'owed',
      why: 'it is to be created there',
    }));

/** A field that is held on a link, in words. */
const heldWords = ({ why }: Hold): string => {
  switch (why) {
    case 'own':
      return 'it held this value by itself; undo takes nothing that it did not give';
    case 'refused':
      return 'its mapping cannot write the value there';
    case 'ask':
    case 'transition':
    case 'oscillation':
    case 'not-taken':
      return `a decision about it waits there (${why}); crosswalk conflicts list`;
    case 'remapped':
      return 'its mapping has changed and reads it otherwise; crosswalk remap plans it';
    case 'kept':
    case 'empty':
    case 'placeholder':
      return `it differs there as declared (${why})`;
  }
};

// ---------------------------------------------------------------- what was owed

export interface OwedInput {
  /** Undefined: the record is not there any more. */
  readonly record: RecordState | undefined;
  readonly field: string;
  /** Version of the field that the undo gave it. */
  readonly version: number;
  /** The link that owes it; undefined if there is none. */
  readonly target: TargetView | undefined;
  /** True if the remote can be asked whether it took a value. */
  readonly readable: boolean;
  /** Why its effect waits for a person; undefined if there is none any more. */
  readonly parked: string | undefined;
}

/** What has become of an owed target whose effect has closed or parked; owed while its remote has still to show the value. */
export const owedOutcome = ({
  record,
  field,
  version,
  target,
  readable,
  parked,
}: OwedInput): Pick<TargetUndo, 'result' | 'why'> => {
  const state = record?.fields[field];
  if (record === undefined || state === undefined)
    return { result: 'kept', why: 'the record is not there any more' };
  if (state.version !== version) return { result: 'kept', why: `changed since the undo by ${state.source}` };
  const owed = { result: 'owed' as const, ...(parked === undefined ? {} : { why: `parked: ${parked}` }) };
  if (target === undefined && parked !== undefined) return owed;
  if (field === deletedField)
    return isEmpty(state.value) ? lifeOutcome(target, parked) : withdrawOutcome(target, parked);
  if (target === undefined || target.link.state !== 'live')
    return { result: 'impossible', why: 'the object is not there any more' };
  const { link, lens, silent, holds, waits } = target;
  if (silent !== undefined) return { result: 'impossible', why: silent };
  const hold = holdOn(holds, field, state.value);
  if (hold !== undefined)
    return { result: hold.why === 'refused' ? 'impossible' : 'kept', why: heldWords(hold) };
  const wait = waits.get(field);
  if (wait !== undefined) return { result: 'owed', why: `it waits for ${wait}` };
  const writing = link.written[field];
  if (readable && writing !== undefined && writing.version === version && !writing.confirmed) return owed;
  if (delta(record, link, lens, holds)[field] !== undefined)
    return parked === undefined ? { result: 'impossible', why: 'the write was given up' } : owed;
  const shown = shownBy(target)[field];
  const isAsked = writing?.acked === true && !writing.confirmed;
  if (!isAsked && shown !== undefined && differsFrom(lens, field, shown, state.value))
    return { result: 'impossible', why: leftWhy(lens, field, state.value) };
  return { result: 'restored' };
};
