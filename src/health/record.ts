/** A record, now or as it was: every value with who gave it and why, its objects, and what is held on them. */
import type { Json } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { recordThen, type FieldThen, type RecordThen } from '../merge/history.ts';
import { labelOf, type Span } from '../merge/record.ts';
import { mergedField } from '../merge/redirect.ts';
import { holdOf, leadsTo, linkOf, membersOf, recordOf } from '../sync/hub.ts';
import { lineageOf } from '../sync/prune.ts';
import { planningSyncs, type Planning } from './planning.ts';
import type { View } from './reports.ts';

/** Times are ISO 8601 with offset. */
export interface RecordReport {
  readonly record: {
    readonly id: string;
    /** The id that was asked for, where that was merged into this record; else null. */
    readonly asked: string | null;
    /** Records that were merged into this one. */
    readonly merged: readonly string[];
    readonly entity: string;
    /** A name, a number, an address: whatever it was known by. */
    readonly label: string;
    readonly version: number;
    readonly made: string;
    /** The time that was asked for; null: now. */
    readonly at: string | null;
    /** Nothing is known of how it was before; null: its history goes back to its making. */
    readonly reaches: string | null;
  };
  readonly fields: readonly RecordField[];
  readonly links: readonly {
    readonly sync: string;
    readonly connection: string;
    readonly kind: string;
    readonly object: string;
    readonly state: string;
    readonly since: string | null;
  }[];
  /** Fields that differ on an object: a decision waits, or the difference is declared. */
  readonly holds: readonly {
    readonly field: string;
    readonly sync: string;
    readonly object: string;
    readonly why: string;
    readonly theirs: Json;
    readonly since: string;
  }[];
  /** Syncs of the entity that write nothing yet. */
  readonly planning: readonly Planning[];
}

export interface RecordField {
  readonly field: string;
  readonly value: Json;
  /** Of a value that names a record which was merged: where it leads. */
  readonly leadsTo?: string;
  readonly version: number;
  /** When the record got the value. */
  readonly since: string | null;
  /** Between which times the change was made there, as far as it is known. */
  readonly changed: { readonly from: string; readonly to: string } | null;
  /** `connection/kind/object`, or `person:<name>`. */
  readonly from: string;
  /** What made it come: `poll …`, `hook …`, `person:…`, `undo …`. */
  readonly because: string | null;
  readonly rule: string | null;
  readonly mapping: string | null;
  readonly run: string | null;
}

const iso = (at: number): string => new Date(at).toISOString();
const all = 1_000_000;

/** `connection/kind/object` of a source `<sync>/<object>`; a person, and a sync that is gone, as they are. */
const placeOf = ({ config }: Pick<View, 'config'>, source: string): string => {
  const at = source.indexOf('/');
  const sync = at < 0 ? undefined : config.syncs[source.slice(0, at)];
  return sync === undefined ? source : `${sync.connection}/${sync.kind}/${source.slice(at + 1)}`;
};

/** A record's own id, or `connection/kind/object` of an object that is linked to it. */
export const findId = async ({ store, config }: View, id: string): Promise<string> => {
  const [connection = '', kind = '', ...rest] = id.split('/');
  if (rest.length === 0) return id;
  for (const sync of Object.values(config.syncs)) {
    if (sync.connection !== connection || sync.kind !== kind) continue;
    const link = await store.get('link', { sync: sync.name, object: rest.join('/') });
    if (link !== undefined) return String(link['record']);
  }
  throw new CrosswalkError('trace-nothing', { object: id });
};

/** The record that an id led to at some time, or leads to now. */
const standingAt = async (view: View, id: string, at: number | undefined): Promise<string> => {
  const { store } = view;
  if (at === undefined) return (await leadsTo({ store }, id))?.id ?? id;
  for (let record = id; ;) {
    const { rows } = await lineageOf(store, record);
    const into = recordThen(rows, { at }).fields[mergedField]?.value;
    if (typeof into !== 'string') return record;
    record = into;
  }
};

/** Where a value leads that is the id of a record which was merged into another. */
const leading = async ({ store }: View, value: Json): Promise<string | undefined> => {
  if (typeof value !== 'string' || (await store.get('record', { id: value })) === undefined) return undefined;
  const end = await leadsTo({ store }, value);
  return end?.id === value ? undefined : end?.id;
};

const fieldReport = async (
  view: View,
  field: string,
  { value, version, source, at }: Pick<FieldThen, 'value' | 'version' | 'source' | 'at'>,
  then: FieldThen | undefined,
): Promise<RecordField> =>
  fieldOf(view, field, { value, version, source, at }, then, await leading(view, value));

const fieldOf = (
  view: View,
  field: string,
  {
    value,
    version,
    source,
    at,
  }: Pick<FieldThen, 'value' | 'version' | 'source'> & { readonly at: Span | undefined },
  then: FieldThen | undefined,
  end: string | undefined,
): RecordField => ({
  field,
  value,
  ...(end === undefined ? {} : { leadsTo: end }),
  version,
  since: then === undefined ? null : iso(then.since),
  changed: at === undefined ? null : { from: iso(Math.max(0, at.from)), to: iso(Math.max(0, at.to)) },
  from: placeOf(view, source),
  because: then?.cause ?? null,
  rule: then?.rule ?? null,
  mapping: then?.mapping ?? null,
  run: then?.run ?? null,
});

/**
/**
 * A record by its own id, by that of one that was merged into it, or by that of a linked object. With `at` (UTC ms): as
 * it was then, which is the other itself as long as it was not merged. Throws
 * CrosswalkError `not-there`, `trace-nothing` (an object that no record knows), `record-unborn`, `record-pruned`.
 */
export const recordReport = async (view: View, id: string, at?: number): Promise<RecordReport> => {
  const { store, config } = view;
  const asked = await findId(view, id);
  const record = await standingAt(view, asked, at);
  const row = await store.get('record', { id: record });
  if (row === undefined) throw new CrosswalkError('not-there', { what: 'record', id });
  const { rows, reaches } = await lineageOf(store, record);
  const then = recordThen(rows, at === undefined ? {} : { at });
  const stored = recordOf(row);
  const made = then.made ?? recordThen(rows).made ?? stored.at;
  if (at !== undefined && at < made)
    throw new CrosswalkError('record-unborn', { id, at: iso(at), made: iso(made) });
  if (at !== undefined && reaches !== null && at < reaches)
    throw new CrosswalkError('record-pruned', { id, at: iso(at), since: iso(reaches) });
  const fields = at === undefined ? stored.fields : then.fields;
  const since = new Map(then.links.map((link) => [`${link.sync}/${link.object}`, link.since]));
  const links = at === undefined ? await storedLinks(view, record) : then.links;
  const holds = at === undefined ? await storedHolds(view, record) : then.holds;
  return {
    record: {
      id: record,
      asked: asked === record ? null : asked,
      merged: at === undefined ? (await membersOf({ store }, record)).slice(1) : [],
      entity: stored.entity,
      label: labelOf(record, fields),
      version: at === undefined ? stored.version : then.version,
      made: iso(made),
      at: at === undefined ? null : iso(at),
      reaches: reaches === null ? null : iso(reaches),
    },
    fields: await Promise.all(
      Object.entries(fields)
        .filter(([field]) => field !== mergedField)
        .map(([field, one]) => fieldReport(view, field, one, then.fields[field])),
    ),
    links: links.map(({ sync, object, state }) => {
      const known = since.get(`${sync}/${object}`);
      const { connection = '', kind = '' } = config.syncs[sync] ?? {};
      return { sync, connection, kind, object, state, since: known === undefined ? null : iso(known) };
    }),
    holds: holds.map(({ field, sync, object, why, theirs = null, since: from }) => ({
      field,
      sync,
      object,
      why,
      theirs,
      since: iso(from),
    })),
    planning: planningSyncs(config, view.switches, stored.entity),
  };
};

const storedLinks = async (
  { store }: View,
  record: string,
): Promise<{ sync: string; object: string; state: string }[]> =>
  (await store.list('link', 'record', { where: { record }, limit: all })).map(linkOf);

const storedHolds = async ({ store }: View, record: string): Promise<RecordThen['holds']> =>
  (await store.list('conflict', 'record', { where: { record }, limit: all })).map((row) => {
    const { field, why, theirs, at } = holdOf(row);
    return { field, why, theirs, sync: String(row['sync']), object: String(row['object']), since: at };
  });
