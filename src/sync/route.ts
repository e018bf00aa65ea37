/**
 * Routing: fields that a mapping's tables decide. A field is decided once, by the look that finds it empty, and the
 * decision is a change of the record like any other: with a version, a source and its whole path in lineage.
 *
 *   look ─► field empty? ─► decided ─► unclaimed after a time? ─► passed on, each to a colleague who had it not ─► parked
 *                     └─► nobody can take it ─► parked
 */
import type { FieldProblem, Fields } from '../mapping/lens.ts';
import { durationOf, type Routed, type Router } from '../mapping/routing.ts';
import { firstFailure } from '../mapping/conditions.ts';
import { isStanding } from '../merge/deletion.ts';
import type { Merged } from '../merge/merge.ts';
import { hashOf, isEmpty, type Entry, type FieldState, type RecordState } from '../merge/record.ts';
import type { Json } from '../connector.ts';
import { commit, Draft } from './draft.ts';
import { recordOf, type Hub, type Sync } from './hub.ts';
import { rosterOf } from './roster.ts';

export const routeLane = (sync: string): string => `route:${sync}`;

/** What waits until a record counts as unclaimed. Of a parked one that is tried again only the cause is known. */
interface Waiting {
  readonly cause: 'unclaimed' | 'replay';
  readonly field: string;
  /** The decision that it waits for a claim of. */
  readonly version: number;
  readonly former: readonly Json[];
}

export const valuesOf = ({ fields }: RecordState): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, { value }]) => [name, value]));

const problemOf = (sync: Sync, { field, path }: Routed): FieldProblem => ({
  field,
  pointer: `/${field}`,
  code: 'route',
  message: `Nobody gets it by the table of mapping ${sync.lens.name}: ${path}.`,
});

/** The record with one decision in it. */
const decided = (
  record: RecordState,
  sync: Sync,
  one: Routed,
  version: number,
  now: number,
): { state: FieldState; entry: Entry } => {
  const old = record.fields[one.field];
  const at = { from: now - 1, to: now };
  const source = `route:${sync.lens.name}/${one.row}`;
  const state: FieldState = {
    value: one.value,
    version,
    at,
    source,
    recent: old === undefined ? [] : [...old.recent, hashOf(old.value)].slice(-8),
    returns: 0,
    chain: 0,
  };
  const before = old?.value ?? null;
  const rule = one.path;
  return {
    state,
    entry: { field: one.field, verdict: 'routed', before, after: one.value, rule, version, at, source },
  };
};

/** Arms the clock of an unclaimed record. */
const arm = (draft: Draft, sync: Sync, record: RecordState, one: Routed, former: readonly Json[]): void => {
  const rule = sync.lens.router?.rule(one.field);
  if (rule?.unclaimed === undefined) return;
  const now = draft.hub.now();
  const lane = routeLane(sync.name);
  const hint: Waiting = {
    cause: 'unclaimed',
    field: one.field,
    version: record.fields[one.field]?.version ?? 0,
    former: [...former, one.value],
  };
  const due = now + durationOf(rule.unclaimed.after);
  draft.append('touch', { lane, object: record.id, due, at: now, run: draft.run, hint });
};

/** Transitions that decisions make, in fields with history. */
const tell = (draft: Draft, sync: Sync, record: RecordState, entries: readonly Entry[]): void => {
  for (const { field, before = null, after = null, source = '' } of entries) {
    if (!sync.lens.history.has(field)) continue;
    const how = 'routed';
    draft.append('transition', {
      record: record.id,
      entity: record.entity,
      field,
      before,
      after,
      at: draft.hub.now(),
      by: source,
      how,
    });
  }
};

/** What a look leaves empty is decided in the same commit. `held` are fields that wait for a person. */
export const routeLook = async (
  draft: Draft,
  sync: Sync,
  merged: Merged,
  held: ReadonlySet<string>,
  version: number,
): Promise<Merged> => {
  const { router } = sync.lens;
  if (router === undefined || !sync.inward || !isStanding(merged.record)) return merged;
  const values = valuesOf(merged.record);
  // What a person has emptied, or undone, stays empty.
  const byPerson = (field: string): boolean =>
    merged.record.fields[field]?.source.startsWith('person:') === true;
  const open = router.fields.filter(
    (field) => isEmpty(values[field]) && !held.has(field) && !byPerson(field),
  );
  if (open.length === 0) return merged;
  const { hub } = draft;
  const fields = { ...merged.record.fields };
  const entries: Entry[] = [];
  const problems: FieldProblem[] = [];
  const made: Routed[] = [];
  for (const one of router.route(values, await rosterOf(hub, router))) {
    if (!open.includes(one.field)) continue;
    if (one.row === null) {
      problems.push(problemOf(sync, one));
      continue;
    }
    const { state, entry } = decided(merged.record, sync, one, version, hub.now());
    fields[one.field] = state;
    entries.push(entry);
    made.push(one);
  }
  const record = entries.length === 0 ? merged.record : { ...merged.record, version, fields };
  for (const one of made) arm(draft, sync, record, one, []);
  tell(draft, sync, record, entries);
  return {
    ...merged,
    record,
    entries: [...merged.entries, ...entries],
    changed: [...merged.changed, ...made.map(({ field }) => field)],
    problems: [...merged.problems, ...problems],
    echo: merged.echo && entries.length === 0 && problems.length === 0,
  };
};

// ---------------------------------------------------------------- unclaimed

/** Passes on what nobody has claimed in time. Resolves with the ms until the next is due; null if none waits. */
export const passUnclaimed = async (hub: Hub, sync: Sync, run: string): Promise<number | null> => {
  const lane = routeLane(sync.name);
  const { router } = sync.lens;
  const due = await hub.store.list('touch', 'due', { where: { lane }, upTo: hub.now(), limit: 200 });
  for (const row of due) {
    const draft = new Draft(hub, run);
    draft.delete('touch', { seq: Number(row['seq']) });
    const hint = row['hint'] as Waiting;
    // Asked for by a person, it stands in the books of its run.
    if (hint.cause === 'replay') draft.settleItems(String(row['run']), 'applied', 1);
    if (router !== undefined) await drawUnclaimed(draft, sync, router, String(row['object']), hint);
    // Overtaken: the record has just changed, and the next pass looks at it again.
    await commit(draft);
  }
  if (due.length > 0) return 0;
  const [next] = await hub.store.list('touch', 'due', { where: { lane }, limit: 1 });
  return next === undefined ? null : Math.min(Math.max(Number(next['due']) - hub.now(), 1), 60_000);
};

const isUnclaimed = (router: Router, field: string, record: RecordState): boolean => {
  const rule = router.fields.includes(field) ? router.rule(field).unclaimed : undefined;
  return rule !== undefined && firstFailure(rule.while, valuesOf(record)) === null;
};

const drawUnclaimed = async (
  draft: Draft,
  sync: Sync,
  router: Router,
  id: string,
  hint: Waiting,
): Promise<void> => {
  const { hub } = draft;
  const row = await hub.store.get('record', { id });
  const before = row === undefined ? undefined : recordOf(row);
  if (before === undefined || !isStanding(before)) return;
  const values = valuesOf(before);
  const again = hint.cause === 'replay';
  // A second round, after somebody has looked at it, may go to whoever does not have it now.
  const field = again ? router.fields.find((name) => isUnclaimed(router, name, before)) : hint.field;
  if (field === undefined || !isUnclaimed(router, field, before)) return;
  const held = before.fields[field];
  // Whoever has changed it since has taken care of it.
  if (!again && held?.version !== hint.version) return;
  const former = again ? [held?.value ?? null] : hint.former;
  const one = router.pass(field, values, former, await rosterOf(hub, router));
  draft.expect('record', { id }, { version: before.version });
  if (one.row === null) {
    const problem = problemOf(sync, one);
    const message = `Nobody has claimed it, and there is nobody left to pass it on to: ${one.path}.`;
    draft.park(routeLane(sync.name), id, { ...problem, code: 'unclaimed', message }, { record: id, field });
    hub.alarm(`unclaimed ${sync.name}`, `record ${id}: ${message}`);
    return;
  }
  await drawDecisions(draft, sync, before, [one], 'unclaimed', former);
};

/** Decisions about a record, outside of any look: its own commit group. */
export const drawDecisions = async (
  draft: Draft,
  sync: Sync,
  before: RecordState,
  made: readonly Routed[],
  cause: string,
  former: readonly Json[],
): Promise<void> => {
  const version = before.version + 1;
  const fields = { ...before.fields };
  const entries = made.map((one) => {
    const { state, entry } = decided(before, sync, one, version, draft.hub.now());
    fields[one.field] = state;
    return entry;
  });
  const record = { ...before, version, fields };
  await draft.record(before, record, 'claim');
  const mapping = `${sync.lens.name}@${sync.lens.hash}`;
  draft.lineage(record.id, { cause, sync: sync.name, mapping, version, entries });
  tell(draft, sync, record, entries);
  for (const one of made) arm(draft, sync, record, one, former);
  await draft.promiseAll(
    record,
    made.map(({ field }) => field),
    null,
  );
};

/** True if a person waits on this field, or a system disagrees about it: nobody decides it over their heads. */
export const isContested = async (hub: Hub, record: string, field: string): Promise<boolean> => {
  const rows = await hub.store.list('conflict', 'record', { where: { record }, limit: 1000 });
  return rows.some((row) => row['field'] === field && Number(row['open']) === 1);
};
