import type { Json, JsonObject } from '../connector.ts';
import { segmentsOf, type Segments } from '../mapping/place.ts';

/** A span of UTC ms in which something certainly happened; `from` is exclusive. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** One field of a record. */
export interface FieldState {
  readonly value: Json;
  /** Version of the record at which the field got this value. */
  readonly version: number;
  /** When the change was made, as far as it is known. */
  readonly at: Span;
  /** `<sync>/<object>` of the link that brought it, or `person:<name>`. */
  readonly source: string;
  /** Hashes of the last eight values before this one, newest last: for damping. */
  readonly recent: readonly string[];
  /** How often the value came back, and how many answers in a row to our own writes were taken. */
  readonly returns: number;
  readonly chain: number;
  /** A list: when its members were changed, by path; absent until the first of them is. */
  readonly spans?: Readonly<Record<string, Span>>;
}

/** The hub's own version of one real thing. */
export interface RecordState {
  readonly id: string;
  readonly entity: string;
  /** Grows by one with each commit that changes fields or links. */
  readonly version: number;
  /** UTC ms of creation. */
  readonly at: number;
  readonly fields: Readonly<Record<string, FieldState>>;
}

/** What people know a record by: a name, an address, a number; its id if it has none of them. */
export const labelOf = (id: string, fields: Readonly<Record<string, { readonly value: Json }>>): string => {
  const known = ['name', 'email', 'mobile', 'creditCode']
    .map((name) => fields[name]?.value)
    .find((value) => typeof value === 'string');
  return typeof known === 'string' ? known : id;
};

/** A value of ours that was written to a link and may still have to show. */
export interface Written {
  readonly asked: Json;
  /** What the remote is known to make of it. */
  readonly settled: Json;
  /** Version of the field that was written. */
  readonly version: number;
  /** The remote said that it took it. */
  readonly acked: boolean;
  /** A later look showed it. */
  readonly confirmed: boolean;
  /** The guard before the write, to tell a write that was ignored from one that was undone. */
  readonly guard: string | null;
  readonly tries: number;
}

/** "This remote object is that record", with the remote as last seen. */
export interface LinkState {
  readonly sync: string;
  readonly object: string;
  readonly record: string;
  readonly state: 'live' | 'gone' | 'detached';
  /** Grows with each commit that touches the link; conditions test it. */
  readonly gen: number;
  /** The call under way, or null. */
  readonly call: string | null;
  readonly shadow: JsonObject;
  /** The remote's guard when last seen. */
  readonly guard: string | null;
  /** When the request of the last look was sent and answered. */
  readonly lookedFrom: number;
  readonly lookedUntil: number;
  /** Per field: the newest record version that the remote has shown it knows. */
  readonly seen: Readonly<Record<string, number>>;
  readonly written: Readonly<Record<string, Written>>;
  /** Per field: how often ours was restored at one version. */
  readonly restored: Readonly<Record<string, { readonly version: number; readonly count: number }>>;
  /**
   * Per field: what the remote showed last, where the mapping cannot read it, or says that the record keeps what it
   * has rather than take it. Absent where there is none.
   */
  readonly left?: Readonly<Record<string, Json>>;
  /** Hash of the mapping under which it was last merged; absent where that was not kept. */
  readonly mapping?: string;
  /** First direct read that found nothing; believed after a grace interval. */
  readonly missingSince: number | null;
  /** A create of ours made the object. */
  readonly made?: true | undefined;
  /** A removal of ours: under way or without an answer, or acknowledged and not seen yet. */
  readonly removal?: 'sent' | 'done' | undefined;
  /** Of a link that is gone: who removed the object, and when. */
  readonly gone?: Gone | undefined;
  /** The records that it came from by merges, the first one first. Absent while it is with its own. */
  readonly from?: readonly Origin[] | undefined;
}

/** What a link was to a record that was merged into another: given back as it was if nothing has touched it since. */
export interface Origin {
  readonly record: string;
  /** The link's generation right after the merge. */
  readonly gen: number;
  readonly seen: LinkState['seen'];
  readonly written: LinkState['written'];
  readonly restored: LinkState['restored'];
  readonly held: readonly Hold[];
}

/** No link has this generation. */
const never = -1;

/** Where an object came to a record after the merge: what it was to the record that was merged was never known. */
export const neverKnown = (record: string): Origin => ({
  record,
  gen: never,
  seen: {},
  written: {},
  restored: {},
  held: [],
});

/** `us`: the gateway removed it, because its record was deleted. `them`: somebody there did. */
export interface Gone {
  readonly by: 'us' | 'them';
  readonly at: Span;
  /** What was held on the link: held again if the object comes back. */
  readonly held?: readonly Hold[];
}

/** Why a field is held on a link. `own`: an undo left the remote the value that it had by itself. */
export type HoldReason =
  | 'ask'
  | 'oscillation'
  | 'not-taken'
  | 'refused'
  | 'kept'
  | 'empty'
  | 'placeholder'
  | 'own'
  /** A step that skips, goes back or lacks evidence: a person decides, or the evidence does once it is there. */
  | 'transition'
  /** The mapping has changed, and reads the remote otherwise than the record has it: a planned run decides. */
  | 'remapped';

/** A field that is not written to a link until something changes. */
export interface Hold {
  readonly field: string;
  readonly why: HoldReason;
  readonly theirs: Json;
  readonly ours: Json;
  readonly at: number;
}

/** True if a person must decide; the others are declared divergences. */
export const isOpen = (why: HoldReason): boolean =>
  why === 'ask' || why === 'transition' || why === 'oscillation' || why === 'not-taken' || why === 'refused';

/** What happened to one field in one commit. */
export interface Entry {
  readonly field: string;
  readonly verdict:
    | 'took'
    | 'restored'
    | 'overruled'
    | 'asked'
    | 'kept'
    | 'held'
    | 'met'
    | 'oscillation'
    | 'not-taken'
    | 'retry'
    | 'confirmed'
    | 'wrote'
    | 'removed'
    | 'refused'
    | 'problem'
    | 'seen'
    | 'noted'
    | 'resolved'
    | 'routed'
    /** A flag that at most one has was given up for another record. */
    | 'yielded'
    | 'undone'
    | 'merged'
    | 'unmerged';
  readonly before?: Json;
  readonly after?: Json;
  /** A list: what came, went and changed between the two, in one line. */
  readonly change?: string;
  /** The remote's value, where it was not taken, or not as it is. */
  readonly theirs?: Json;
  /** The rule that decided: `role reader`, `clear restore`, `newest`, `owner` … */
  readonly rule?: string;
  readonly version?: number;
  readonly at?: Span;
  readonly source?: string;
  /** The field is held on the link from then on, for this reason. */
  readonly held?: HoldReason;
  /** The remote had never shown this place before, so what it showed was no change there. */
  readonly first?: true;
  /** `undone`: the version of the change whose outcome stands again; 0 if that is nothing. */
  readonly stands?: number;
  /** `merged`, `unmerged`: the record that the value came from, where that is another. */
  readonly of?: string;
}

const canonical = (value: Json): Json => {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(canonical);
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, canonical(value[key] ?? null)]),
  );
};

/** Text that is equal for equal values, whatever the order of their keys. */
export const hashOf = (value: Json): string => JSON.stringify(canonical(value));

export const same = (a: Json, b: Json): boolean =>
  a === b ||
  (a !== null && b !== null && typeof a === 'object' && typeof b === 'object' && hashOf(a) === hashOf(b));

export const isEmpty = (value: Json | undefined): boolean => value === null || value === undefined;

/** `patch` laid over `base`, place by place; arrays are replaced whole. */
export const overlay = (base: JsonObject, patch: JsonObject): JsonObject => {
  const result: JsonObject = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key];
    result[key] = isObject(value) && isObject(old) ? overlay(old, value) : value;
  }
  return result;
};

export const isObject = (value: Json | undefined): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** The value at a JSON pointer; null where there is none. */
export const placeAt = (value: Json, pointer: string): Json => {
  let at = value;
  for (const part of segmentsOf(pointer) ?? []) {
    at = isObject(at) && Object.hasOwn(at, part) ? (at[part] ?? null) : null;
  }
  return at;
};

/** An object that holds one value at one JSON pointer. */
export const nestAt = (pointer: string, value: Json): JsonObject => {
  let result: Json = value;
  for (const part of (segmentsOf(pointer) ?? []).toReversed()) result = { [part]: result };
  return isObject(result) ? result : {};
};

/** `source` with the place at `pointer` copied from `from`: unseen there, unseen here. */
export const copyPlace = (source: JsonObject, from: JsonObject, pointer: string): JsonObject =>
  copied(source, from, segmentsOf(pointer) ?? []);

const copied = (source: JsonObject, from: JsonObject, [head, ...rest]: Segments): JsonObject => {
  if (head === undefined) return from;
  const result: JsonObject = { ...source };
  if (rest.length === 0) {
    if (Object.hasOwn(from, head)) result[head] = from[head] ?? null;
    else delete result[head];
    return result;
  }
  const inner = result[head];
  const innerFrom = from[head];
  result[head] = copied(isObject(inner) ? inner : {}, isObject(innerFrom) ? innerFrom : {}, rest);
  return result;
};
