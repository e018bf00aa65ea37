/** The story of an object: where each value came from, what was decided, what was written, one line per hop. */
import { CrosswalkError } from '../errors.ts';
import type { Json } from '../connector.ts';
import { deletedField } from '../merge/deletion.ts';
import { mergedField } from '../merge/redirect.ts';
import type { LineageRow, ToldRow } from '../merge/lineage.ts';
import type { Entry, LinkState } from '../merge/record.ts';
import { linkOf, membersOf, recordOf } from '../sync/hub.ts';
import { lineageOf } from '../sync/prune.ts';
import { planningSyncs, type Planning } from './planning.ts';
import type { View } from './reports.ts';

export interface TraceLine {
  /** ISO 8601 with offset. */
  readonly at: string;
  readonly text: string;
}

export interface Trace {
  readonly record: {
    readonly id: string;
    readonly entity: string;
    readonly version: number;
    readonly fields: Record<string, Json>;
  } | null;
  readonly links: readonly {
    readonly sync: string;
    readonly connection: string;
    readonly kind: string;
    readonly object: string;
    readonly state: string;
  }[];
  readonly lines: readonly TraceLine[];
  /** Syncs of the entity that write nothing yet. */
  readonly planning: readonly Planning[];
}

export interface TraceQuery {
  readonly connection: string;
  readonly kind: string;
  readonly id: string;
  readonly field?: string;
}

const shown = (value: Json | undefined): string => {
  const text = JSON.stringify(value ?? null);
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
};

/** `connection/kind object` of a sync, for people. */
const placeOf = (view: View, sync: string | undefined, object: string | undefined): string => {
  const config = sync === undefined ? undefined : view.config.syncs[sync];
  return config === undefined
    ? `${sync ?? '?'} ${object ?? ''}`
    : `${config.connection}/${config.kind} ${object ?? ''}`.trim();
};

/** The deletion of a record is a field of it; people are told of it in other words. */
const deletionWords = (place: string, row: LineageRow, entry: Entry): string => {
  const why = entry.rule === undefined ? '' : ` (${entry.rule})`;
  const isDeleted = (entry.after ?? null) !== null;
  switch (entry.verdict) {
    case 'took':
      return isDeleted
        ? `the record is deleted (${entry.after}): its object in ${place} is${why}`
        : `the record is no longer deleted: because of ${place}${why}`;
    case 'removed':
      return `removed from ${place} (${row.cause})`;
    case 'overruled':
    case 'restored':
      return isDeleted
        ? `the record stays deleted, whatever ${place} says${why}`
        : `the record is not deleted, although its object in ${place} is${why}`;
    case 'asked':
    case 'oscillation':
    case 'not-taken':
      return isDeleted
        ? `${place} is still there, and the record is deleted: a person must decide${why}`
        : `${place} was deleted, and the record may have to stay: a person must decide${why}`;
    case 'kept':
    case 'held':
      return `${place} and the record differ about being deleted: left as it is${why}`;
    case 'met':
      return `${place} and the record agree again about being deleted`;
    case 'refused':
      return `not removed from ${place}${why}`;
    case 'noted':
    case 'seen':
      return `${place}: ${entry.rule}`;
    default:
      return isDeleted ? `the record is deleted${why}` : `the record is not deleted${why}`;
  }
};

/** A field's new value; of a list also what came and went. */
const becameWords = ({ field, change, before, after }: Entry): string =>
  change === undefined
    ? `${field} = ${shown(after)}, was ${shown(before)}`
    : `${field}: ${change === '' ? 'nothing new' : change}; now ${shown(after)}`;

const words = (view: View, row: LineageRow, entry: Entry): string => {
  const place =
    row.sync === undefined && entry.of !== undefined
      ? `record ${entry.of}`
      : placeOf(view, row.sync, row.object);
  if (entry.field === deletedField) return deletionWords(place, row, entry);
  if (entry.field === mergedField)
    return (entry.after ?? null) === null
      ? 'the record stands for itself again'
      : `the record leads to record ${String(entry.after)} from now on`;
  const { field, rule } = entry;
  const why = rule === undefined ? '' : ` (${rule})`;
  switch (entry.verdict) {
    case 'took':
      return `${becameWords(entry)}: came from ${place}${why}, through ${row.mapping ?? 'no mapping'}, because of ${row.cause}`;
    case 'resolved':
      return `${becameWords(entry)}: ${rule}; it came from ${place}`;
    case 'routed':
      return `${field} = ${shown(entry.after)}, was ${shown(entry.before)}: decided by the table of ${row.mapping ?? 'no mapping'} (${rule})`;
    case 'yielded':
      return `${field} = ${shown(entry.after)}, was ${shown(entry.before)}: ${rule}, which came from ${entry.source}`;
    case 'merged':
      return `${field} = ${shown(entry.after)}, was ${shown(entry.before)}: came with record ${entry.of ?? '?'}${why}`;
    case 'unmerged':
      return `${field} = ${shown(entry.after)}, was ${shown(entry.before)}${why}`;
    case 'undone':
      return `${field} = ${shown(entry.after)}, was ${shown(entry.before)}: undone by ${entry.source}${why} in ${row.cause}`;
    case 'wrote':
      return `${field} = ${shown(entry.after)} was written to ${place} (${row.cause}, through ${row.mapping ?? 'no mapping'})`;
    case 'confirmed':
      return `${field} = ${shown(entry.theirs)} was seen in ${place} as written`;
    case 'restored':
    case 'overruled':
      return `${field}: ${place} said ${shown(entry.theirs)}; ours, ${shown(entry.after)}, stays${why}`;
    case 'asked':
      return `${field}: ${place} says ${shown(entry.theirs)} and ours differs: a person must decide${why}`;
    case 'held':
    case 'kept':
      return `${field}: ${place} says ${shown(entry.theirs)} and ours differs: left as it is${why}`;
    case 'oscillation':
      return `${field}: ${place} changed it to ${shown(entry.theirs)} again: stopped${why}`;
    case 'not-taken':
    case 'retry':
      return `${field}: ${place} shows ${shown(entry.theirs)}${why}`;
    case 'refused':
    case 'problem':
      return `${field}: not written to ${place}${why}`;
    case 'removed':
    case 'seen':
      return `${field}: ${shown(entry.theirs)} was seen in ${place}${why}`;
    case 'noted':
      return `${field}: ${place}: ${rule}`;
    case 'met':
      return `${field}: ${place} now shows the same, ${shown(entry.theirs)}`;
  }
};

const eventWords = (view: View, row: LineageRow): string | undefined => {
  const place = placeOf(view, row.sync, row.object);
  switch (row.event) {
    case 'created':
      return `record created from ${place} (${row.cause})`;
    case 'linked':
      return `linked to ${place} (${row.cause})`;
    case 'gone':
      return `${place} is gone there`;
    case 'detached':
      return `${place} was merged into another there`;
    case 'revived':
      return `${place} is there again (${row.cause})`;
    case 'merged':
      return `merged with record ${row.other ?? '?'} (${row.cause})`;
    case 'unmerged':
      return `taken apart from record ${row.other ?? '?'} (${row.cause})`;
    case 'apart':
      return `said to be another than record ${row.other ?? '?'} (${row.cause})`;
    case 'joined':
      return `${place} came with record ${row.other ?? '?'}`;
    case 'parted':
      return `${place} went to record ${row.other ?? '?'}`;
    case 'notified':
    case 'notified, may be a repeat':
      return `told: ${row.cause}${row.event === 'notified' ? '' : ', perhaps twice'}`;
    default:
      return undefined;
  }
};

/** Of what was pruned, only how things stood is known. */
const condensedLines = (body: LineageRow, at: string, field: string | undefined): TraceLine[] =>
  body.entries
    .filter((entry) => (field === undefined || entry.field === field) && entry.source !== undefined)
    .map((entry) => ({
      at,
      text:
        entry.field === mergedField
          ? `the record ${(entry.after ?? null) === null ? 'stands for itself' : `leads to record ${String(entry.after)}`}; what was before has been pruned`
          : `${entry.field} = ${shown(entry.after)}, from ${entry.source} (${body.cause}); what was before has been pruned`,
    }));

const linesOf = (view: View, row: ToldRow, field: string | undefined): TraceLine[] => {
  const { body } = row;
  const at = new Date(row.at).toISOString();
  if (row.condensed === true) return condensedLines(body, at, field);
  const event = eventWords(view, body);
  const entries = body.entries.filter((entry) => field === undefined || entry.field === field);
  return [...(event === undefined ? [] : [event]), ...entries.map((entry) => words(view, body, entry))].map(
    (text) => ({ at, text }),
  );
};

/** All lineage of a record, and of what was merged into it, in order. */
const storyOf = async ({ store }: View, id: string): Promise<ToldRow[]> => {
  const rows: ToldRow[] = [];
  for (const record of await membersOf({ store }, id)) rows.push(...(await lineageOf(store, record)).rows);
  return rows.sort((a, b) => a.seq - b.seq);
};

/** Throws CrosswalkError `trace-nothing` if nothing is known of the object. */
export const traceReport = async (view: View, query: TraceQuery): Promise<Trace> => {
  const { store, config } = view;
  const lane = `${query.connection}/${query.kind}`;
  const syncs = Object.values(config.syncs).filter((sync) => `${sync.connection}/${sync.kind}` === lane);
  let link: LinkState | undefined;
  for (const sync of syncs) {
    const row = await store.get('link', { sync: sync.name, object: query.id });
    if (row !== undefined) link ??= linkOf(row);
  }
  if (link === undefined) return waitingTrace(view, lane, query);
  const stored = await store.get('record', { id: link.record });
  const record = stored === undefined ? null : recordOf(stored);
  const links = (await store.list('link', 'record', { where: { record: link.record }, limit: 1000 })).map(
    linkOf,
  );
  const rows = await storyOf(view, link.record);
  const values = Object.entries(record?.fields ?? {}).filter(
    ([name]) => query.field === undefined || name === query.field,
  );
  return {
    record:
      record === null
        ? null
        : {
            id: record.id,
            entity: record.entity,
            version: record.version,
            fields: Object.fromEntries(values.map(([name, { value }]) => [name, value])),
          },
    links: links.map(({ sync, object, state }) => ({
      sync,
      connection: config.syncs[sync]?.connection ?? '',
      kind: config.syncs[sync]?.kind ?? '',
      object,
      state,
    })),
    lines: rows.flatMap((row) => linesOf(view, row, query.field)),
    planning: planningSyncs(config, view.switches, record?.entity ?? syncs[0]?.entity),
  };
};

/** An object that is in no record yet: what waits, and what is parked. */
const waitingTrace = async (
  view: View,
  lane: string,
  { id, connection, kind }: TraceQuery,
): Promise<Trace> => {
  const { store } = view;
  const touches = await store.list('touch', 'object', { where: { lane, object: id }, limit: 10 });
  const parked = await store.list('parked', 'lane', { where: { lane, object: id }, limit: 10 });
  const lines = [
    ...touches.map((row) => ({
      at: new Date(Number(row['at'])).toISOString(),
      text: `heard of; its turn comes ${new Date(Number(row['due'])).toISOString()}`,
    })),
    ...parked.map((row) => ({
      at: new Date(Number(row['at'])).toISOString(),
      text: `parked: ${row['message']}`,
    })),
  ];
  if (lines.length === 0)
    throw new CrosswalkError('trace-nothing', { object: `${connection}/${kind}/${id}` });
  const entity = Object.values(view.config.syncs).find(
    (sync) => `${sync.connection}/${sync.kind}` === lane,
  )?.entity;
  return { record: null, links: [], lines, planning: planningSyncs(view.config, view.switches, entity) };
};
