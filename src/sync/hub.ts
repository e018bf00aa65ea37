/**
 * What every pass of the engine works with: the syncs and entities of one installation, the store, the
 * clock; and the translation between rows and the states that the pure middle takes.
 */
import type { JsonObject, Json, Kind } from '../connector.ts';
import { invariant } from '../errors.ts';
import type { DedupeSettings } from '../identity/settings.ts';
import type { Preparing } from '../mapping/expressions.ts';
import type { Lens } from '../mapping/lens.ts';
import type { KeyFields } from '../merge/identify.ts';
import { listedBy, type Listed } from '../merge/lists.ts';
import type { OneRule } from '../merge/one.ts';
import type { Budget, DeletePolicy, Rules } from '../merge/policy.ts';
import type { Hold, HoldReason, LinkState, RecordState } from '../merge/record.ts';
import type { TransitionRules } from '../merge/transition.ts';
import { intoOf } from '../merge/redirect.ts';
import type { Row } from '../store/schema.ts';
import type { Store } from '../store/store.ts';

/** One sync as the engine sees it: everything resolved, nothing to look up. */
export interface Sync {
  readonly name: string;
  readonly connection: string;
  /** `<connection>/<kind>`: the lane on which its hints arrive. */
  readonly lane: string;
  readonly kindName: string;
  readonly kind: Kind;
  readonly entity: string;
  readonly lens: Lens;
  readonly rules: Rules;
  /** Reads from the remote. */
  readonly inward: boolean;
  /** Writes to the remote. False too while the sync is only planning. */
  readonly outward: boolean;
  /** Creates objects for records that have none there. */
  readonly create: boolean;
  /** Fields that must be filled before a create goes out. */
  readonly required: readonly string[];
  /** How much it may write before a person is asked; absent for no limit. */
  readonly budget?: Budget;
  /** What a deletion there does, and whether deletions elsewhere reach it; absent: `ignore`. */
  readonly deletes?: DeletePolicy;
  /** A later edit elsewhere makes anew what somebody has deleted there. */
  readonly resurrect?: boolean;
  /** Computes the expressions of every mapping of the lane for an object that a hook brought; `kind` does it for the rest. */
  readonly prepare?: Preparing;
}

export interface Entity {
  readonly name: string;
  readonly keys: readonly KeyFields[];
  /** Protected fields, and the connections or persons that may change them nevertheless. */
  readonly protect?: Readonly<Record<string, readonly string[]>>;
  /** Flags that at most one of the records has that name the same in a field: by flag, that field. */
  readonly one?: OneRule;
  /** What the steps of fields with an order of values need; absent: nothing. */
  readonly transitions?: TransitionRules;
  /** The field that shows people a deletion, true or false; absent where the entity has none. */
  readonly mark?: string;
  /** How duplicates are searched for and merged; absent: as usual. */
  readonly dedupe?: DedupeSettings;
}

/** The ways in which the proof breaks the engine on purpose. None in production. */
export const mutationNames = [
  'one-shadow',
  'read-back-wholesale',
  'blind-create-retry',
  'no-damping',
  'cursor-early',
  'close-without-equal',
  'no-look-before-write',
  'ack-before-commit',
  'drop-refused',
  'newest-by-stamp',
  'forget-crashed-calls',
  'create-unread',
  'no-catch-up',
  'undo-later-edits',
  'absent-is-gone',
  'remove-unlooked',
  'remove-contested',
  'create-deleted',
  'no-grace',
  'keys-of-deleted',
  'whole-lists',
  'merge-under-way',
  'unmerge-later-edits',
  'apart-ignored',
  'call-not-on-disk',
  'commit-unconditionally',
  'shadow-as-asked',
  'silent-polls',
  'uncounted-echoes',
] as const;

export type Mutation = (typeof mutationNames)[number];

export interface Hub {
  readonly store: Store;
  readonly syncs: ReadonlyMap<string, Sync>;
  readonly entities: ReadonlyMap<string, Entity>;
  /** UTC ms. */
  now(): number;
  /** A new unique id. */
  newId(prefix: string): string;
  /** In [0, 1). */
  random(): number;
  /** Something in this lane may be due. Saves time; nothing depends on it. */
  nudge(lane: string): void;
  /** An alarm for people: loud, counted, never the only trace. */
  alarm(subject: string, text: string): void;
  /** What an alarm of this subject was about is well again. */
  clear?(subject: string): void;
  /** True if a sync's mapping does not fit its remote: it takes nothing in and writes nothing. */
  isHeld?(sync: string): boolean;
  /** Something names this object of a lane: what is kept of it may be old. */
  touched?(lane: string, object: string): void;
  /** An effect was confirmed, so many ms after what it answers arrived. */
  delivered?(sync: string, ms: number): void;
  /** Coverage of the merge table, for the simulator. */
  reached?(row: string): void;
  readonly mutation?: Mutation | undefined;
}

/** ms after which a call whose outcome is unknown can no longer take effect on the remote. */
export const landing = 30_000;
/** ms that a create with an unknown outcome waits for its object, beyond `find`'s own lag. */
export const unsettledMost = 15 * 60_000;
/** ms between two direct reads that must both find nothing before an object counts as gone. */
export const goneGrace = 60_000;
/** Most attempts of one effect before it parks. */
export const mostAttempts = 12;

/** The syncs that take in what arrives on a lane: those that are not held. */
export const syncsOfLane = (hub: Hub, lane: string): Sync[] =>
  [...hub.syncs.values()].filter((sync) => sync.lane === lane && hub.isHeld?.(sync.name) !== true);

export const syncsOfEntity = (hub: Hub, entity: string): Sync[] =>
  [...hub.syncs.values()].filter((sync) => sync.entity === entity);

/** What tells the members of a field apart, the same in all syncs; null for a field that is one value. */
export const listedOf = (hub: Hub, entity: string, field: string): Listed | null => {
  const listed = syncsOfEntity(hub, entity).map(({ lens }) => listedBy(lens, field));
  return listed.find((one) => one !== null) ?? null;
};

// ---------------------------------------------------------------- rows and states

export const recordOf = (row: Row): RecordState => ({
  id: String(row['id']),
  entity: String(row['entity']),
  version: Number(row['version']),
  at: Number(row['at']),
  fields: row['fields'] as RecordState['fields'],
});

export const recordRow = (record: RecordState): Row => ({ ...record, merged: intoOf(record) });

type LinkBody = Omit<LinkState, 'sync' | 'object' | 'record' | 'state' | 'gen' | 'call'>;

export const linkOf = (row: Row): LinkState => ({
  ...(row['body'] as LinkBody),
  sync: String(row['sync']),
  object: String(row['object']),
  record: String(row['record']),
  state: row['state'] as LinkState['state'],
  gen: Number(row['gen']),
  call: row['call'] === null ? null : String(row['call']),
});

export const linkRow = ({ sync, object, record, state, gen, call, ...body }: LinkState): Row => ({
  sync,
  object,
  record,
  state,
  gen,
  call,
  body,
});

export const newLink = (sync: string, object: string, record: string): LinkState => ({
  sync,
  object,
  record,
  state: 'live',
  gen: 0,
  call: null,
  shadow: {},
  guard: null,
  lookedFrom: 0,
  lookedUntil: 0,
  seen: {},
  written: {},
  restored: {},
  missingSince: null,
});

export const holdOf = (row: Row): Hold => ({
  field: String(row['field']),
  why: row['why'] as HoldReason,
  theirs: row['theirs'] as Json,
  ours: row['ours'] as Json,
  at: Number(row['at']),
});

/** An item of a call, as it stands on disk before it is sent. */
export interface CallItem {
  readonly op: 'create' | 'update' | 'remove';
  readonly record: string;
  /** Empty for a create. */
  readonly object: string;
  /** The record's version that was written: what `sent` becomes. */
  readonly version: number;
  /** Values of the entity's fields, and the version of each. */
  readonly fields: Record<string, Json>;
  readonly versions: Record<string, number>;
  /** The same on the wire. */
  readonly value: JsonObject;
  readonly guard: string | null;
  readonly sentAt: number;
}

export interface CallRow {
  readonly id: string;
  /** The batch that it was sent in, and its place there: a repeat is the same batch again. */
  readonly call: string;
  readonly pos: number;
  readonly sync: string;
  readonly op: CallItem['op'];
  readonly state: 'sent' | 'unknown';
  readonly at: number;
  readonly item: CallItem;
  /** W3C traceparent of what it is done for. */
  readonly trace?: string | null;
}

export const callOf = (row: Row): CallRow => row as unknown as CallRow;

export interface EffectRow {
  readonly sync: string;
  readonly record: string;
  /** The linked object; empty while the promise is to create one. */
  readonly object: string;
  /** `open`: to be delivered. `unsettled`: a call's outcome is unknown. `parked`: a person must look. */
  readonly state: 'open' | 'unsettled' | 'parked';
  readonly rev: number;
  readonly wanted: number;
  readonly sent: number;
  readonly due: number;
  readonly at: number;
  readonly attempts: number;
  /** Most items in its next call: 1 after a batch that it may have spoilt. */
  readonly most: number;
  readonly call: string | null;
  readonly run: string;
  readonly reason: {
    readonly code: string;
    readonly message: string;
    /** Records, one by now, of whose creates nobody could tell whether they happened. */
    readonly of?: readonly string[];
  } | null;
  /** W3C traceparent of what it was last opened for. */
  readonly trace?: string | null;
}

export const effectOf = (row: Row): EffectRow => row as unknown as EffectRow;

/** The record of a link must exist. */
export const loadRecord = async (hub: Hub, id: string): Promise<RecordState> => {
  const row = await hub.store.get('record', { id });
  invariant(row !== undefined, `record ${id} is linked but not in the store`);
  return recordOf(row);
};

/** The record that an id leads to for ever: itself, or what it was merged into, and that again. Undefined if there is none. */
export const leadsTo = async (hub: Pick<Hub, 'store'>, id: string): Promise<RecordState | undefined> => {
  for (let at: string | null = id; at !== null;) {
    const row = await hub.store.get('record', { id: at });
    if (row === undefined) return undefined;
    const record = recordOf(row);
    at = intoOf(record);
    if (at === null) return record;
  }
  return undefined;
};

/** A record's id, and those of all records that were merged into it, or into one of them. */
export const membersOf = async ({ store }: Pick<Hub, 'store'>, id: string): Promise<string[]> => {
  const members = [id];
  for (const member of members) {
    const rows = await store.list('record', 'merged', { where: { merged: member }, limit: 100_000 });
    members.push(...rows.map((row) => String(row['id'])));
  }
  return members;
};

export const loadHolds = async (
  hub: Pick<Hub, 'store'>,
  record: string,
  sync: string,
  object: string,
): Promise<Hold[]> => {
  const rows = await hub.store.list('conflict', 'record', { where: { record }, limit: 1000 });
  return rows.filter((row) => row['sync'] === sync && row['object'] === object).map(holdOf);
};

export const linksOf = async (hub: Hub, record: string): Promise<LinkState[]> =>
  (await hub.store.list('link', 'record', { where: { record }, limit: 1000 })).map(linkOf);
