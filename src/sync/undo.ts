/**
 * Undo: planned from lineage, carried out record by record, each in one commit under the condition that the
 * record still is as it was planned; one that has moved is planned again.
 *
 *   openUndo ─► head on disk ─► walk: a page of records ─► plan ─► commit: record, lineage, effects, items
 *                                 ▲          │                       │ overtaken: plan again
 *                                 └── place ◄┘                       ▼
 *                                                    owed items ─► settle as their effects close (owed.ts)
 *
 * The head holds the place, so that whoever works the store goes on where a process died.
 */
import { isEmpty, type Entry, type FieldState, type LinkState, type RecordState } from '../merge/record.ts';
import { deletedField, lacksObject } from '../merge/deletion.ts';
import type { Scope } from '../merge/layers.ts';
import type { LineageRow } from '../merge/lineage.ts';
import { hashIn } from '../merge/lists.ts';
import { spansAfter } from '../merge/spans.ts';
import type { FieldUndo, RecordUndo } from '../merge/undo.ts';
import type { Row } from '../store/schema.ts';
import { releaseAgreed } from './deletion.ts';
import { Draft } from './draft.ts';
import { effectOf, listedOf, syncsOfEntity, type Hub } from './hub.ts';
import { openRun } from './runs.ts';
import { candidates, checkScope, scopeOf, scopeWords, type Candidate, type UndoScope } from './scope.ts';
import { together } from './together.ts';
import { itemsOf, planOne, type Planned, type UndoItem } from './undo-plan.ts';

/** The head of an undo: what was asked for, by whom, and how far it has come. */
interface Head {
  readonly scope: UndoScope;
  readonly by: string;
  readonly place: string;
}

/** Makes an undo durable; whoever works the store carries it out. The id of its run. Throws as `checkScope` does. */
export const openUndo = async (hub: Hub, scope: UndoScope, by: string): Promise<string> => {
  await checkScope(hub, scope);
  const id = hub.newId('undo');
  const now = hub.now();
  const head: Head = { scope, by, place: '' };
  const body: LineageRow = { cause: `person:${by}`, version: 0, event: 'undo', entries: [] };
  await hub.store.commit([
    {
      when: [],
      write: [
        openRun(id, 'undo', scopeWords(scope), now),
        { op: 'put', table: 'plan_item', row: headRow(id, head, 'walking', now) },
        { op: 'append', table: 'lineage', row: { record: `undo:${id}`, at: now, run: id, body } },
      ],
    },
  ]);
  hub.nudge('undo');
  return id;
};

/** Where an undo began, as a `seq` of lineage: what was committed later is not undone. */
export const beginningOf = async (store: Hub['store'], run: string): Promise<number> => {
  const [first] = await store.list('lineage', 'run', { where: { run }, limit: 1 });
  return Number(first?.['seq'] ?? 0);
};

/** What an undo was asked for, by whom, and whether all of it has been carried out; undefined if it is none. */
export const headOf = async (
  store: Hub['store'],
  run: string,
): Promise<(Pick<Head, 'scope' | 'by'> & { readonly walked: boolean }) | undefined> => {
  const row = await store.get('plan_item', { plan: run, item: '' });
  if (row?.['kind'] !== 'undo') return undefined;
  const { scope, by } = row['body'] as Head;
  return { scope, by, walked: row['state'] === 'walked' };
};

const headRow = (plan: string, head: Head, state: 'walking' | 'walked', at: number): Row => ({
  plan,
  item: '',
  kind: 'undo',
  subject: scopeWords(head.scope),
  state,
  body: head,
  at,
});

/** One page of an undo that is under way; true if there may be more to do at once. */
export const walkUndo = async (hub: Hub, run: string): Promise<boolean> => {
  const key = { plan: run, item: '' };
  const row = await hub.store.get('plan_item', key);
  if (row?.['state'] !== 'walking') return false;
  const head = row['body'] as Head;
  const scope = scopeOf(hub, head.scope, await beginningOf(hub.store, run));
  const page = await candidates(hub, head.scope, scope, head.place);
  const done = await together(page.list, (candidate) => undoRecord(hub, run, head, candidate, scope));
  if (done.includes(false)) return true;
  const now = hub.now();
  const next = { ...head, place: page.next ?? '' };
  const state = page.next === null ? 'walked' : 'walking';
  await hub.store.commit([
    {
      when: [{ table: 'plan_item', key, is: { state: 'walking' } }],
      write: [
        { op: 'put', table: 'plan_item', row: headRow(run, next, state, now) },
        ...(page.next === null
          ? [{ op: 'set' as const, table: 'run' as const, key: { id: run }, row: { ended: now } }]
          : []),
      ],
    },
  ]);
  return true;
};

const mostAttempts = 5;

/** Plans and commits one record; false if it was overtaken five times in a row. */
const undoRecord = async (
  hub: Hub,
  run: string,
  { by, scope: asked }: Head,
  candidate: Candidate,
  scope: Scope,
): Promise<boolean> => {
  for (let again = 0; again < mostAttempts; again += 1) {
    const planned = await planOne(hub, candidate, scope, by);
    if (planned === undefined) return true;
    const items = itemsOf(planned, again === 0 ? {} : { again });
    const [first] = items.keys();
    if (first === undefined) return true;
    // Done before a crash, or by another process.
    if ((await hub.store.get('plan_item', { plan: run, item: first })) !== undefined) return true;
    const draft = await drawUndo(hub, run, planned, by, scopeWords(asked));
    drawItems(draft, run, planned.record, items);
    const [done] = await hub.store.commit([draft.group()]);
    if (done !== true) continue;
    draft.nudgeAll();
    return true;
  }
  return false;
};

/** The record with its former values, and everything that follows from that. */
const drawUndo = async (
  hub: Hub,
  run: string,
  { record, undo, links }: Planned,
  by: string,
  words: string,
): Promise<Draft> => {
  const draft = new Draft(hub, run);
  const changes = undo.fields.filter((field) => field.changes);
  if (changes.length === 0) return draft.expect('record', { id: record.id }, { version: record.version });
  const now = hub.now();
  const version = record.version + 1;
  const source = `person:${by}`;
  const at = { from: now - 1, to: now };
  const cause = `undo ${run}`;
  const fields: Record<string, FieldState> = { ...record.fields };
  for (const { field, now: old, back } of changes) {
    const listed = listedOf(hub, record.entity, field);
    const recent = [hashIn(listed, old)];
    const spans = spansAfter(listed, record.fields[field], back, at);
    fields[field] = { value: back, version, at, source, recent, returns: 0, chain: 0, ...spans };
  }
  const after = { ...record, version, fields };
  await draft.record(record, after, 'claim');
  const entries = changes.map(({ field, now: before, back, stands }): Entry => ({
    field,
    verdict: 'undone',
    before,
    after: back,
    rule: `undo of ${words}`,
    version,
    at,
    source,
    stands,
  }));
  draft.lineage(record.id, { cause, version, entries });
  drawOwn(draft, cause, after, undo, links);
  if (changes.some(({ field }) => field === deletedField)) await releaseAgreed(draft, after);
  drawLines(draft, record, changes, by);
  await promiseOwed(draft, after, undo.fields, links);
  return draft;
};

/**
 * Objects that keep what they held by themselves: a declared divergence from the version that the undo made,
 * so that a later edit there is an edit like any other.
 */
const drawOwn = (
  draft: Draft,
  cause: string,
  { id, version }: RecordState,
  { held }: RecordUndo,
  links: readonly LinkState[],
): void => {
  const rule = 'undo takes nothing that it did not give';
  for (const link of links) {
    const { sync, object } = link;
    const own = held.filter((one) => one.sync === sync && one.object === object).map(({ hold }) => hold);
    if (own.length === 0) continue;
    const seen = { ...link.seen, ...Object.fromEntries(own.map(({ field }) => [field, version])) };
    draft.link(link, { ...link, seen }).holds(id, link, own, []);
    const entries = own.map(({ field, theirs, why }) => ({
      field,
      verdict: 'kept' as const,
      theirs,
      rule,
      held: why,
    }));
    draft.lineage(id, { cause, sync, object, version, entries });
  }
};

/** The undo's own lines in the history of fields that have one. */
const drawLines = (
  draft: Draft,
  { id, entity }: RecordState,
  changes: readonly FieldUndo[],
  by: string,
): void => {
  const syncs = syncsOfEntity(draft.hub, entity);
  for (const { field, now: before, back: after } of changes) {
    if (!syncs.some((sync) => sync.lens.history.has(field))) continue;
    const row = { record: id, entity, field, before, after, at: draft.hub.now(), by, how: 'undo' };
    draft.append('transition', row);
  }
};

/** Effects towards every linked object that owes a value, and towards objects that are still to be created. */
const promiseOwed = async (
  draft: Draft,
  after: RecordState,
  undone: readonly FieldUndo[],
  links: readonly LinkState[],
): Promise<void> => {
  const owing = new Set(
    undone.flatMap(({ targets }) =>
      targets.filter(({ result }) => result === 'owed').map(({ target }) => target),
    ),
  );
  const changesIn = (fields: ReadonlySet<string>): boolean =>
    undone.some(({ field, changes }) => changes && fields.has(field));
  const revives = changesIn(new Set([deletedField]));
  for (const sync of syncsOfEntity(draft.hub, after.entity)) {
    const own = links.filter((link) => link.sync === sync.name);
    const isEmptied = [...sync.lens.outward].every((field) => isEmpty(after.fields[field]?.value));
    if (own.length === 0 && isEmptied) {
      await endCreate(draft, sync.name, after.id);
      continue;
    }
    for (const object of own.length === 0 ? [''] : own.map((link) => link.object))
      if (owing.has(`${sync.name}/${object}`)) await draft.promise(sync.name, after, object);
    // By a person's authority, like an edit of theirs: what a system deleted comes back where it may.
    const mayLack = changesIn(sync.lens.outward) && own.length > 0;
    if ((revives || mayLack) && sync.outward && lacksObject(after, own, sync))
      await draft.promise(sync.name, after, '');
  }
};

/** Nothing is left to create: the promise of it ends, unless it is on its way or nobody can tell. */
const endCreate = async (draft: Draft, sync: string, record: string): Promise<void> => {
  const row = await draft.hub.store.get('effect', { sync, record, object: '' });
  const effect = row === undefined ? undefined : effectOf(row);
  if (effect === undefined || effect.call !== null || effect.state === 'unsettled') return;
  if (effect.reason?.code !== 'unknown-outcome') draft.close(effect, 'superseded');
};

const counted = { restored: 'applied', owed: 'applied', kept: 'unchanged', impossible: 'filtered' } as const;

/** The items of a record, and their place in the books, in the record's own commit. */
const drawItems = (
  draft: Draft,
  plan: string,
  { id }: RecordState,
  items: ReadonlyMap<string, UndoItem>,
): void => {
  const at = draft.hub.now();
  for (const [item, body] of items) {
    draft.expect('plan_item', { plan, item }, null);
    const row = { plan, item, kind: body.kind, subject: id, state: body.result, body, at };
    draft.put('plan_item', row).count(plan, { read: 1, [counted[body.result]]: 1 });
  }
};
