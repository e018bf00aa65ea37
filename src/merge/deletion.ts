/**
 * Deletion and resurrection, judged. Pure.
 *
 * That a record is deleted is a field of it, `$deleted`, with a value, a version, a source and a time like any other:
 * it replays, is undone and is told as they are. Its value says how far the deletion reaches.
 *
 *   an object is gone, and the record
 *     has nothing that was not shown there            deleted, if the sync says so
 *     was changed elsewhere, unseen there             conflict, by the policy of `$deleted` (default `newest`)
 *     has another object there                        stays
 *   an object is there, and its record is deleted
 *     it was gone, and the deletion came from it      revived
 *     it was gone, and the deletion came from another removed again, or asked
 *     it is to be removed, and was changed            conflict, as above
 *     it was removed, and the remote said yes         asked: the removal was not taken
 *     it was changed, in a system that keeps it       stays deleted, unless a system resurrects
 *     it was changed later, and an undo withdrew it   revived
 */
import type { RemoteObject, Stamps } from '../connector.ts';
import type { DeletePolicy, FieldRule } from './policy.ts';
import { hashOf, type Entry, type FieldState, type Gone, type Hold, type LinkState } from './record.ts';
import type { RecordState, Span } from './record.ts';
import { intoOf, mergedField } from './redirect.ts';

/** No field of an entity can have this name. */
export const deletedField = '$deleted';

/**
 * How far a deletion reaches: `archive` marks the record, `propagate` removes its objects as well, `withdraw` removes
 * those that the gateway made: the undo of what had brought the record.
 */
export type Reach = Exclude<DeletePolicy, 'ignore'> | 'withdraw';

/** How far the deletion of a record reaches; null while it is not deleted. */
export const reachOf = ({ fields }: Pick<RecordState, 'fields'>): Reach | null => {
  const value = fields[deletedField]?.value;
  return value === 'archive' || value === 'propagate' || value === 'withdraw' ? value : null;
};

/** True if the record stands for something: neither deleted nor merged into another. */
export const isStanding = (record: Pick<RecordState, 'fields'>): boolean =>
  reachOf(record) === null && intoOf(record) === null;

/** How the object of a gone link went. */
export const goneOf = ({ gone, missingSince, lookedUntil }: LinkState): Gone =>
  gone ?? { by: 'them', at: { from: 0, to: missingSince ?? lookedUntil } };

const nameOf = ({ sync, object }: Pick<LinkState, 'sync' | 'object'>): string => `${sync}/${object}`;

const bare = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '');

/** True for a value that only a person can have given: no other spelling of what we wrote, and the first answer to it. */
const isTyped = ({ value, chain, recent }: FieldState): boolean =>
  chain === 0 || (chain === 1 && bare(recent.at(-1) ?? '') !== bare(hashOf(value)));

/** True for a value that somebody gave: no table decided it, and no remote made it of a write of ours. */
const isEdit = (state: FieldState): boolean => !state.source.startsWith('route:') && isTyped(state);

// ---------------------------------------------------------------- an object is gone

export interface Absence {
  readonly record: RecordState;
  /** The link as it was while the object was there. */
  readonly link: LinkState;
  /** When the object was deleted. */
  readonly span: Span;
  readonly deletes: DeletePolicy;
  /** Of `$deleted`, in this sync. */
  readonly rule: FieldRule;
  /** Fields that this remote is shown when they change. */
  readonly shown: ReadonlySet<string>;
  /** True if the record has another live object in this system. */
  readonly sibling: boolean;
}

export interface Judged {
  /** `stays`: nothing is to be said. */
  readonly is: 'takes' | 'overruled' | 'ask' | 'kept' | 'stays';
  readonly rule: string;
}

/** What others have changed and this remote was never shown; where it never could be, only what is not surely older. */
const unseen = ({ record, link, span, shown }: Absence): FieldState[] =>
  Object.entries(record.fields).flatMap(([field, state]) => {
    if (field === mergedField || state.source.startsWith('route:') || state.source === nameOf(link))
      return [];
    if (!shown.has(field)) return state.at.to > span.from ? [state] : [];
    const writing = link.written[field];
    const known = Math.max(link.seen[field] ?? 0, writing?.acked === true ? writing.version : 0);
    return state.version > known ? [state] : [];
  });

/** Who may not decide at all whether a record is deleted. */
const barred = ({ role }: FieldRule): string | undefined =>
  role === 'reader' || role === 'filler' ? `role ${role}` : undefined;

/** What the role and the policy of `$deleted` say; `decide` where the newest wins. */
const byPolicy = (rule: FieldRule, decide: () => Judged): Judged => {
  const bar = barred(rule);
  if (bar !== undefined) return { is: 'overruled', rule: bar };
  switch (rule.conflict) {
    case 'owner':
      return { is: rule.role === 'owner' ? 'takes' : 'overruled', rule: 'owner' };
    case 'keep':
      return { is: 'kept', rule: 'keep' };
    case 'ask':
      return { is: 'ask', rule: 'ask' };
    case 'newest':
      return decide();
  }
};

/** Newest: the deletion stands if everything unseen is surely older, falls if a person's edit is surely later. */
const newest = (edits: readonly FieldState[], span: Span): Judged => {
  if (edits.every(({ at }) => at.to <= span.from)) return { is: 'takes', rule: 'newest' };
  if (edits.some((state) => isEdit(state) && state.at.from >= span.to))
    return { is: 'overruled', rule: 'newest' };
  return { is: 'ask', rule: 'newest cannot tell' };
};

/** What it means for the record that its object is gone from a remote. */
export const judgeAbsence = (absence: Absence): Judged => {
  const { record, deletes, rule, span, sibling } = absence;
  const reach = reachOf(record);
  const reaches =
    reach === 'propagate' || reach === deletes || (reach === 'withdraw' && deletes === 'archive');
  if (deletes === 'ignore' || reaches) return { is: 'stays', rule: '' };
  if (sibling) return { is: 'overruled', rule: 'another object of it is there' };
  const edits = unseen(absence);
  if (barred(rule) === undefined && edits.length === 0) return { is: 'takes', rule: 'deleted there' };
  return byPolicy(rule, () => newest(edits, span));
};

// ---------------------------------------------------------------- an object is there

/** A change that a look has found. */
export interface Edit {
  readonly span: Span;
  /** False where it may be the remote's own answer to a write of ours. */
  readonly certain: boolean;
}

const telling: ReadonlySet<Entry['verdict']> = new Set(['took', 'asked', 'held', 'kept', 'oscillation']);

/** What this look found changed on the remote; undefined if nothing that its role lets it change. */
export const editOf = (
  entries: readonly Entry[],
  fields: RecordState['fields'],
  link: LinkState,
  object: RemoteObject,
  stamps: Stamps | undefined,
): Edit | undefined => {
  const changes = entries.filter(({ verdict, at }) => telling.has(verdict) && at !== undefined);
  const wide = changes[0]?.at;
  if (wide === undefined) return undefined;
  const isCertain = (state: FieldState | undefined): boolean => state !== undefined && isTyped(state);
  const certain = changes.some(({ field, verdict }) => verdict !== 'took' || isCertain(fields[field]));
  const { modifiedAt } = object;
  const mixed = Object.values(link.written).some((one) => !one.confirmed);
  // Whatever else was changed since the last look, the last change is as late as the stamp, unless a write of ours made it.
  const from = modifiedAt === undefined || mixed ? wide.from : modifiedAt - (stamps?.skew ?? 0) - 1;
  return { span: { from: Math.max(wide.from, Math.min(from, wide.to - 1)), to: wide.to }, certain };
};

export interface Presence {
  /** After its fields were merged; deleted. */
  readonly record: RecordState;
  /** As stored before this look. */
  readonly link: LinkState;
  /** True if the object is to be removed. */
  readonly doomed: boolean;
  readonly edit: Edit | undefined;
  readonly rule: FieldRule;
  /** True if this look took back the field that shows the deletion to people. */
  readonly unmarked: boolean;
  /** True if this edit brings back what was deleted in another system. */
  readonly resurrects: boolean;
}

const judgeReturn = ({ record, link, doomed, rule }: Presence): Judged => {
  const source = record.fields[deletedField]?.source ?? '';
  const own = source === nameOf(link) || (source.startsWith('person:') && goneOf(link).by === 'them');
  if (own) return { is: 'takes', rule: 'restored there' };
  if (!doomed) return { is: 'stays', rule: '' };
  return byPolicy(rule, () => ({ is: 'ask', rule: `restored there; deleted in ${source}` }));
};

/** What it means for a deleted record that an object of it is there: `takes` revives it. */
export const judgePresence = (presence: Presence): Judged => {
  const { record, link, doomed, edit, rule, unmarked, resurrects } = presence;
  if (link.state !== 'live') return judgeReturn(presence);
  if (unmarked) return { is: 'takes', rule: 'unmarked there' };
  if (edit === undefined) return { is: 'stays', rule: '' };
  const deleted = record.fields[deletedField]?.at ?? { from: 0, to: 0 };
  const later = edit.certain && edit.span.from >= deleted.to;
  if (!doomed && later && reachOf(record) === 'withdraw')
    return { is: 'takes', rule: 'edited there since it was withdrawn' };
  if (!doomed) return later && resurrects ? { is: 'takes', rule: 'resurrect' } : { is: 'stays', rule: '' };
  return byPolicy(rule, () => {
    if (later) return { is: 'takes', rule: 'newest' };
    if (edit.span.to <= deleted.from) return { is: 'overruled', rule: 'newest' };
    return { is: 'ask', rule: 'newest cannot tell' };
  });
};

// ---------------------------------------------------------------- what follows

/** True if `$deleted` waits on this link for a person: nothing is removed there meanwhile. */
export const isContested = (holds: readonly Hold[]): boolean =>
  holds.some(({ field }) => field === deletedField);

/** How the last of a record's objects in one system went; undefined while it has one there, or never had. */
const lastGone = (own: readonly LinkState[]): Gone | undefined => {
  if (own.some(({ state }) => state === 'live')) return undefined;
  const went = own.filter(({ state }) => state === 'gone').map(goneOf);
  return went.sort((a, b) => b.at.to - a.at.to)[0];
};

interface Creating {
  readonly create: boolean;
  readonly resurrect?: boolean | undefined;
}

/**
 * True if a record has no object in a system, and is to get one. What we removed there is made again once the record
 * is no longer deleted; what somebody there deleted only where the sync resurrects, by a later edit.
 */
export const lacksObject = (record: RecordState, own: readonly LinkState[], sync: Creating): boolean => {
  if (!sync.create || !isStanding(record)) return false;
  if (own.length === 0) return true;
  const last = lastGone(own);
  if (last === undefined) return false;
  // Its object there was merged into that of another record: whoever did that wants no second one.
  if (own.some(({ state, lookedUntil }) => state === 'detached' && lookedUntil >= last.at.to)) return false;
  if (last.by === 'us') return true;
  const edits = Object.entries(record.fields).filter(([field, one]) => field !== mergedField && isEdit(one));
  return sync.resurrect === true && edits.some(([, one]) => isLater(one.at, last));
};

/** True if this edit, in another system, brings back what was deleted in the sync's own. */
export const isResurrecting = (edit: Edit, own: readonly LinkState[], sync: Creating): boolean => {
  const last = lastGone(own);
  if (sync.resurrect !== true || !sync.create || last === undefined) return false;
  return edit.certain && isLater(edit.span, last);
};

const isLater = (span: Span, { at }: Gone): boolean => span.from >= at.to;

/** The record with its deletion set or taken back, and what lineage is told of that. */
export const marked = (
  record: RecordState,
  value: Reach | null,
  by: { readonly version: number; readonly at: Span; readonly source: string; readonly rule: string },
  mark: string | undefined,
  verdict: 'took' | 'resolved' = 'took',
): { readonly record: RecordState; readonly entries: readonly Entry[] } => {
  const { version, at, source, rule } = by;
  const isMarked = mark !== undefined && record.fields[mark]?.value === true;
  const shows = mark !== undefined && value !== 'withdraw' && (value !== null || isMarked);
  const values = { [deletedField]: value, ...(shows ? { [mark]: value !== null } : {}) };
  const fields = { ...record.fields };
  const entries = Object.entries(values).map(([field, after]): Entry => {
    const old = fields[field];
    const recent = old === undefined ? [] : [hashOf(old.value)];
    fields[field] = { value: after, version, at, source, recent, returns: 0, chain: 0 };
    return { field, verdict, before: old?.value ?? null, after, rule, version, at, source };
  });
  return { record: { ...record, version, fields }, entries };
};
