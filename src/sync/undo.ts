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
import type { Json } from '../connector.ts';
import { isEmpty, hashOf, labelOf, type Entry, type FieldState, type RecordState } from '../merge/record.ts';
import type { Scope } from '../merge/layers.ts';
import type { TargetUndo, TargetView } from '../merge/undo-target.ts';
import { undoOf, type FieldUndo, type RecordUndo } from '../merge/undo.ts';
import type { Row } from '../store/schema.ts';
import { idOf } from './decide.ts';
import { Draft } from './draft.ts';
import { effectOf, holdOf, linkOf, recordOf, syncsOfEntity, type Hub } from './hub.ts';
import { openRun } from './runs.ts';
import {
  candidates,
  checkScope,
  scopeOf,
  scopeWords,
  toldOf,
  type Candidate,
  type UndoScope,
} from './scope.ts';
import { together } from './together.ts';

/** The head of an undo: what was asked for, by whom, and how far it has come. */
interface Head {
  readonly scope: UndoScope;
  readonly by: string;
  /** UTC ms: what was committed later is not undone. */
  readonly until: number;
  readonly place: string;
}

/** What an undo found for one field, or for one thing that it cannot undo. */
export interface UndoItem {
  readonly kind: 'field' | 'object' | 'message';
  readonly record: string;
  /** A name, a number, an address: whatever the record is known by. */
  readonly label: string;
  readonly result: 'restored' | 'kept' | 'impossible' | 'owed';
  readonly why?: string;
  readonly field?: string;
  readonly now?: Json;
  readonly back?: Json;
  /** Version of the field with which its targets are owed the value. */
  readonly version?: number;
  readonly targets: readonly TargetUndo[];
  /** How often the record moved between plan and commit, and was planned again. */
  readonly again?: number;
}

const all = 1_000_000;

// ---------------------------------------------------------------- planning

interface Planned {
  readonly record: RecordState;
  readonly undo: RecordUndo;
}

/** Why nothing is written to any object of a sync. */
const silentOf = (hub: Hub, sync: string): string | undefined =>
  hub.syncs.get(sync)?.outward === true ? undefined : `sync ${sync} writes nothing there`;

/** The linked objects of a record, as undo sees them; those of a sync that is not configured any more stay out. */
export const targetsOf = async (hub: Hub, record: string): Promise<TargetView[]> => {
  const links = (await hub.store.list('link', 'record', { where: { record }, limit: all })).map(linkOf);
  const held = await hub.store.list('conflict', 'record', { where: { record }, limit: all });
  return links.flatMap((link) => {
    const lens = hub.syncs.get(link.sync)?.lens;
    if (lens === undefined) return [];
    const own = held.filter((row) => row['sync'] === link.sync && row['object'] === link.object);
    return [{ link, lens, silent: silentOf(hub, link.sync), holds: own.map(holdOf) }];
  });
};

const barOf =
  (hub: Hub, entity: string, by: string) =>
  (field: string): string | undefined => {
    const protect = hub.entities.get(entity)?.protect ?? {};
    const allowed = Object.hasOwn(protect, field) ? protect[field] : undefined;
    if (allowed === undefined || allowed.includes(by)) return undefined;
    return `the field is protected: ${allowed.length === 0 ? 'nobody' : `only ${allowed.join(', ')}`} may change it`;
  };

/** The plan of one record; undefined if it is not its turn, or if it is no record. */
const planOne = async (
  hub: Hub,
  { record: id, isTurn }: Candidate,
  scope: Scope,
  by: string,
): Promise<Planned | undefined> => {
  const row = await hub.store.get('record', { id });
  if (row === undefined) return undefined;
  const record = recordOf(row);
  const rows = (await hub.store.list('lineage', 'record', { where: { record: id }, limit: all })).map(toldOf);
  if (!isTurn(rows)) return undefined;
  const syncs = syncsOfEntity(hub, record.entity);
  const keeps = syncs.some((sync) => sync.lens.history.size > 0);
  const ledger = keeps
    ? await hub.store.list('transition', 'record', { where: { record: id }, limit: all })
    : [];
  const keys = new Set(hub.entities.get(record.entity)?.keys.flat());
  const protect = hub.entities.get(record.entity)?.protect ?? {};
  const targets = await targetsOf(hub, id);
  const isLinked = (name: string): boolean => targets.some(({ link }) => link.sync === name);
  const input = {
    record,
    rows,
    scope,
    targets,
    creates: syncs
      .filter(({ name, outward, create }) => outward && create && !isLinked(name))
      .map(({ name, lens }) => ({ sync: name, lens })),
    ledger: ledger.map((line) => ({
      seq: Number(line['seq']),
      field: String(line['field']),
      after: (line['after'] ?? null) as Json,
    })),
    barred: barOf(hub, record.entity, by),
    isKey: (field: string) => keys.has(field) || Object.hasOwn(protect, field),
  };
  return { record, undo: undoOf(input, hub.now()) };
};

/** What an undo of the scope would do, item by item; nothing is written. Throws as `checkScope` does. */
export async function* planUndo(hub: Hub, asked: UndoScope, by: string): AsyncGenerator<UndoItem> {
  await checkScope(hub, asked);
  const scope = scopeOf(hub, asked, hub.now(), null);
  for (let place: string | null = ''; place !== null;) {
    const page = await candidates(hub, asked, scope, place);
    for (const candidate of page.list) {
      const planned = await planOne(hub, candidate, scope, by);
      if (planned !== undefined) for (const [, item] of itemsOf(planned, {})) yield item;
    }
    place = page.next;
  }
}

const noRemove =
  'the object stays there: Crosswalk does not remove objects yet, so remove it by hand if it should go';

/** The items of a record, by their ids. */
const itemsOf = ({ record, undo }: Planned, also: Pick<UndoItem, 'again'>): Map<string, UndoItem> => {
  const label = labelOf(record.id, record.fields);
  const of = { record: record.id, label, ...also };
  const items = new Map<string, UndoItem>();
  for (const one of undo.fields) {
    const { field, now, back, changes, targets, why } = one;
    const owed = targets.some(({ result }) => result === 'owed');
    items.set(idOf(record.id, 'field', field), {
      kind: 'field',
      ...of,
      result: owed ? 'owed' : one.result,
      ...(why === undefined ? {} : { why }),
      field,
      now,
      back,
      version: changes ? record.version + 1 : (record.fields[field]?.version ?? 0),
      targets,
    });
  }
  for (const { sync, object } of undo.objects) {
    const result = 'impossible' as const;
    const targets = [{ target: `${sync}/${object}`, sync, object, result, why: noRemove }];
    items.set(idOf(record.id, 'object', sync, object), {
      kind: 'object',
      ...of,
      result,
      why: noRemove,
      targets,
    });
  }
  for (const { notice, at } of undo.messages) {
    const why = `people were told by ${notice.split('/').slice(1).join('/')} (${new Date(at).toISOString()}): a message that is out stays out`;
    const targets = [{ target: `message ${notice}`, result: 'impossible' as const, why }];
    items.set(idOf(record.id, 'message', notice), {
      kind: 'message',
      ...of,
      result: 'impossible',
      why,
      targets,
    });
  }
  return items;
};

// ---------------------------------------------------------------- carrying out

/** Makes an undo durable; whoever works the store carries it out. The id of its run. Throws as `checkScope` does. */
export const openUndo = async (hub: Hub, scope: UndoScope, by: string): Promise<string> => {
  await checkScope(hub, scope);
  const id = hub.newId('undo');
  const now = hub.now();
  const head: Head = { scope, by, until: now, place: '' };
  await hub.store.commit([
    {
      when: [],
      write: [
        openRun(id, 'undo', scopeWords(scope), now),
        { op: 'put', table: 'plan_item', row: headRow(id, head, 'walking', now) },
      ],
    },
  ]);
  hub.nudge('undo');
  return id;
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
  const scope = scopeOf(hub, head.scope, head.until, run);
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
  { record, undo }: Planned,
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
  for (const { field, now: old, back } of changes)
    fields[field] = { value: back, version, at, source, recent: [hashOf(old)], returns: 0, chain: 0 };
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
  for (const { sync, object, hold } of undo.held) {
    const row = await hub.store.get('link', { sync, object });
    draft.expect('link', { sync, object }, { gen: Number(row?.['gen'] ?? 0), record: record.id });
    draft.holds(record.id, { sync, object }, [hold], []);
    const { field, theirs } = hold;
    const rule = 'own: undo takes nothing that it did not give';
    draft.lineage(record.id, {
      cause,
      sync,
      object,
      version,
      entries: [{ field, verdict: 'kept', theirs, rule }],
    });
  }
  drawLines(draft, record, changes, by);
  await promiseOwed(draft, after, undo.fields);
  return draft;
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
const promiseOwed = async (draft: Draft, after: RecordState, undone: readonly FieldUndo[]): Promise<void> => {
  const owing = new Set(
    undone.flatMap(({ targets }) =>
      targets.filter(({ result }) => result === 'owed').map(({ target }) => target),
    ),
  );
  const links = (
    await draft.hub.store.list('link', 'record', { where: { record: after.id }, limit: all })
  ).map(linkOf);
  for (const sync of syncsOfEntity(draft.hub, after.entity)) {
    const own = links.filter((link) => link.sync === sync.name);
    for (const object of own.length === 0 ? [''] : own.map((link) => link.object))
      if (owing.has(`${sync.name}/${object}`)) await draft.promise(sync.name, after, object);
    const isEmptied = [...sync.lens.outward].every((field) => isEmpty(after.fields[field]?.value));
    if (own.length === 0 && isEmptied) await endCreate(draft, sync.name, after.id);
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
