/** What an undo is about: a run, a connection, a span of time; and the records that it concerns, page by page. */
import { CrosswalkError } from '../errors.ts';
import type { Scope } from '../merge/layers.ts';
import type { LineageRow, ToldRow } from '../merge/lineage.ts';
import type { Entry } from '../merge/record.ts';
import type { Row } from '../store/schema.ts';
import type { Hub } from './hub.ts';

/** One run; or what came from a connection, what happened in a span of time, or both. Times are UTC ms, inclusive. */
export interface UndoScope {
  readonly run?: string;
  readonly connection?: string;
  readonly from?: number;
  readonly to?: number;
}

/** The scope in words: `run poll_…`, `connection crm`, `connection crm from … to …`. */
export const scopeWords = ({ run, connection, from, to }: UndoScope): string =>
  [
    ...(run === undefined ? [] : [`run ${run}`]),
    ...(connection === undefined ? [] : [`connection ${connection}`]),
    ...(from === undefined ? [] : [`from ${new Date(from).toISOString()}`]),
    ...(to === undefined ? [] : [`to ${new Date(to).toISOString()}`]),
  ].join(' ');

/** UTC ms up to which lineage has been pruned; 0 if it never was. */
export const prunedUntil = async (store: Hub['store']): Promise<number> => {
  const row = await store.get('setting', { name: 'pruned:lineage' });
  return Number((row?.['value'] as { until?: number } | undefined)?.until ?? 0);
};

/** Throws CrosswalkError `undo-scope` if the scope does not make sense, `not-there` if it names what is not there. */
export const checkScope = async (hub: Hub, scope: UndoScope): Promise<void> => {
  const { run, connection, from, to } = scope;
  const refuse = (detail: string): never => {
    throw new CrosswalkError('undo-scope', { detail });
  };
  const span = from !== undefined || to !== undefined;
  if (run === undefined && connection === undefined && !span) refuse('it names nothing to undo');
  if (run !== undefined && (connection !== undefined || span))
    refuse('it names a run and something else besides');
  if (span && (from === undefined || to === undefined)) refuse('it names one end of a span of time');
  if (from !== undefined && to !== undefined && from > to) refuse('its span of time ends before it begins');
  const named = run === undefined ? undefined : await hub.store.get('run', { id: run });
  if (run !== undefined && named === undefined)
    throw new CrosswalkError('not-there', { what: 'run', id: run });
  if (connection !== undefined && syncsOf(hub, connection).length === 0)
    throw new CrosswalkError('not-there', { what: 'connection with syncs', id: connection });
  const pruned = await prunedUntil(hub.store);
  if (Number(named?.['at'] ?? from ?? 0) < pruned)
    refuse(
      `it begins before ${new Date(pruned).toISOString()}, and what happened until then is not known any more: keep.lineage says how long it is kept`,
    );
};

const syncsOf = (hub: Hub, connection: string): string[] =>
  [...hub.syncs.values()]
    .filter((sync) => sync.connection === connection)
    .map((sync) => sync.name)
    .sort();

export const toldOf = (row: Row): ToldRow => ({
  seq: Number(row['seq']),
  at: Number(row['at']),
  run: String(row['run']),
  body: row['body'] as LineageRow,
});

/** The scope as the pure middle takes it. `before` leaves out rows of lineage from that `seq` on: an undo, and what came after it. */
export const scopeOf = (hub: Hub, { run, connection, from, to }: UndoScope, before: number): Scope => {
  const syncs = connection === undefined ? undefined : new Set(syncsOf(hub, connection));
  const row = (told: ToldRow): boolean =>
    told.condensed !== true &&
    told.seq < before &&
    (run === undefined || told.run === run) &&
    (from === undefined || told.at >= from) &&
    (to === undefined || told.at <= to) &&
    (syncs === undefined || syncs.has(told.body.sync ?? ''));
  // What a person decided did not come from the connection, whosever value it was; what a table decided followed from it.
  // A merge is no change that an undo takes back: it is taken apart as a whole.
  const entry = (told: ToldRow, { source, verdict }: Entry): boolean =>
    hub.mutation === 'undo-later-edits' ||
    (row(told) &&
      verdict !== 'merged' &&
      verdict !== 'unmerged' &&
      (syncs === undefined || verdict === 'routed' || source === `${told.body.sync}/${told.body.object}`));
  return { row, entry };
};

/** A record that may be concerned. A record turns up more than once; it has its turn at the first of its rows. */
export interface Candidate {
  readonly record: string;
  isTurn(rows: readonly ToldRow[]): boolean;
}

export interface Candidates {
  readonly list: readonly Candidate[];
  /** Where to go on; null at the end. */
  readonly next: string | null;
}

const page = 256;

/** A page of the records that a scope concerns, after `place` (empty: from the beginning). */
export const candidates = async (
  hub: Hub,
  asked: UndoScope,
  scope: Scope,
  place: string,
): Promise<Candidates> => {
  if (asked.run !== undefined) return ofRun(hub, asked.run, scope, Number(place));
  const { from = 0, to = hub.now() } = asked;
  return ofSpan(hub, to, scope, place === '' ? from - 1 : Number(place));
};

type Before = (a: ToldRow, b: ToldRow) => boolean;

/** One candidate per record of these rows; its turn is at the first row of all that are in the scope. */
const ofRows = (rows: readonly Row[], scope: Scope, isBefore: Before): Candidate[] => {
  const found = new Map<string, Candidate>();
  for (const row of rows) {
    const record = String(row['record']);
    const told = toldOf(row);
    if (found.has(record) || !scope.row(told)) continue;
    const isTurn = (all: readonly ToldRow[]): boolean =>
      !all.some((one) => scope.row(one) && isBefore(one, told));
    found.set(record, { record, isTurn });
  }
  return [...found.values()];
};

const ofRun = async (hub: Hub, run: string, scope: Scope, after: number): Promise<Candidates> => {
  const rows = await hub.store.list('lineage', 'run', { where: { run }, after, limit: page });
  const list = ofRows(rows, scope, (a, b) => a.seq < b.seq);
  return { list, next: rows.length < page ? null : String(rows.at(-1)?.['seq']) };
};

/** Times repeat: a full page gives up the rows of its last moment, which begin the next. */
const ofSpan = async (hub: Hub, to: number, scope: Scope, after: number): Promise<Candidates> => {
  const isBefore: Before = (a, b) => a.at < b.at || (a.at === b.at && a.seq < b.seq);
  for (let limit = page; ; limit *= 2) {
    const rows = await hub.store.list('lineage', 'at', { where: {}, after, upTo: to, limit });
    if (rows.length < limit) return { list: ofRows(rows, scope, isBefore), next: null };
    const whole = rows.filter((row) => row['at'] !== rows.at(-1)?.['at']);
    if (whole.length > 0) return { list: ofRows(whole, scope, isBefore), next: String(whole.at(-1)?.['at']) };
  }
};
