/**
 * What the engine does about deletions: a record is marked when its object is believed gone, revived when it is back,
 * and its objects are promised to be removed or made again. `merge/deletion` decides; here it is drawn.
 */
import type { Json } from '../connector.ts';
import type { Lens } from '../mapping/lens.ts';
import type { Merged, Sight } from '../merge/merge.ts';
import {
  deletedField,
  editOf,
  goneOf,
  isContested,
  isResurrecting,
  judgeAbsence,
  judgePresence,
  lacksObject,
  marked,
  reachOf,
  type Edit,
  type Judged,
  type Reach,
} from '../merge/deletion.ts';
import { listedBy } from '../merge/lists.ts';
import { isEmpty, type Entry, type Hold, type LinkState } from '../merge/record.ts';
import type { HoldReason, RecordState, Span } from '../merge/record.ts';
import type { Draft } from './draft.ts';
import { linksOf, syncsOfEntity, type Hub, type Sync } from './hub.ts';

/** True if this object of the record is to be removed, as far as configuration goes. */
export const isUnwanted = (sync: Sync, record: RecordState, { made }: Pick<LinkState, 'made'>): boolean => {
  const reach = reachOf(record);
  const isOurs = reach === 'withdraw' && made === true;
  return sync.outward && (isOurs || (reach === 'propagate' && sync.deletes === 'propagate'));
};

/** True if it is to be removed, and can be. */
export const isDoomed = (sync: Sync, record: RecordState, link: Pick<LinkState, 'made'>): boolean =>
  sync.kind.remove !== undefined && isUnwanted(sync, record, link);

const markOf = (hub: Hub, record: RecordState): string | undefined => hub.entities.get(record.entity)?.mark;

const holdOn = (judged: Judged, theirs: Reach | null, ours: Reach | null, at: number): Hold[] =>
  judged.is === 'ask' || judged.is === 'kept'
    ? [{ field: deletedField, why: judged.is, theirs, ours, at }]
    : [];

const verdictOf = ({ is }: Judged): Entry['verdict'] =>
  is === 'ask' ? 'asked' : is === 'kept' ? 'kept' : 'overruled';

// ---------------------------------------------------------------- an object is gone

/** The record as the loss of one of its objects leaves it. */
export interface Lost {
  readonly record: RecordState;
  /** Fields of the record that changed. */
  readonly changed: readonly string[];
  readonly entries: readonly Entry[];
  readonly held: readonly Hold[];
}

/** `link` as it was while the object was there; gone within `span`, by nobody of ours. */
export const judgeLoss = async (
  hub: Hub,
  sync: Sync,
  link: LinkState,
  record: RecordState,
  span: Span,
): Promise<Lost> => {
  const deletes = sync.deletes ?? 'ignore';
  const none = { record, changed: [], entries: [], held: [] };
  if (deletes === 'ignore') return none;
  const own = (await linksOf(hub, record.id)).filter((one) => one.sync === sync.name);
  const judged = judgeAbsence({
    record,
    link,
    span,
    deletes,
    rule: sync.rules(deletedField),
    shown: sync.outward ? sync.lens.outward : new Set(),
    sibling: own.some((one) => one.state === 'live' && one.object !== link.object),
  });
  hub.reached?.(`gone: ${judged.is}`);
  if (judged.is === 'stays') return none;
  const source = `${link.sync}/${link.object}`;
  if (judged.is === 'takes') {
    const by = { version: record.version + 1, at: span, source, rule: judged.rule };
    const { record: after, entries } = marked(record, deletes, by, markOf(hub, record));
    return { record: after, changed: entries.map(({ field }) => field), entries, held: [] };
  }
  const ours = reachOf(record);
  const { rule } = judged;
  const entry = {
    field: deletedField,
    verdict: verdictOf(judged),
    theirs: deletes,
    after: ours,
    rule,
    at: span,
    ...(judged.is === 'ask' || judged.is === 'kept' ? { held: judged.is } : {}),
  };
  return { ...none, entries: [entry], held: holdOn(judged, deletes, ours, hub.now()) };
};

/** Everything that a deletion, or its end, is followed by elsewhere. */
export const drawFollowing = async (
  draft: Draft,
  record: RecordState,
  changed: readonly string[],
  link: LinkState,
): Promise<void> => {
  await releaseAgreed(draft, record, link);
  await draft.promiseAll(record, changed, link);
};

/** Objects that stay although their record is deleted: lineage says why, each once. */
export const tellStaying = async (draft: Draft, record: RecordState, except: LinkState): Promise<void> => {
  for (const link of await linksOf(draft.hub, record.id)) {
    const sync = draft.hub.syncs.get(link.sync);
    const same = link.sync === except.sync && link.object === except.object;
    if (sync === undefined || link.state !== 'live' || same || isDoomed(sync, record, link)) continue;
    const rule = !sync.outward
      ? 'it stays there: the sync writes nothing'
      : isUnwanted(sync, record, link)
        ? 'it stays there: objects of this kind cannot be removed'
        : 'it stays there: nothing is removed there by this deletion';
    const { object, sync: name } = link;
    draft.lineage(record.id, {
      cause: 'deletion',
      sync: name,
      object,
      version: record.version,
      entries: [{ field: deletedField, verdict: 'noted', rule }],
    });
  }
};

/** What people were asked about the deletion on other links is settled where the record now agrees with them. */
export const releaseAgreed = async (
  draft: Draft,
  record: RecordState,
  except: LinkState | null = null,
): Promise<void> => {
  const where = { record: record.id, field: deletedField };
  const rows = await draft.hub.store.list('conflict', 'record', {
    where: { record: record.id },
    limit: 1000,
  });
  const reach = reachOf(record);
  for (const row of rows) {
    const [sync, object] = [String(row['sync']), String(row['object'])];
    if (row['field'] !== deletedField || (sync === except?.sync && object === except.object)) continue;
    if ((row['theirs'] === null) !== (reach === null)) continue;
    draft.delete('conflict', { ...where, sync, object });
    const entry = { field: deletedField, verdict: 'met' as const, theirs: reach };
    draft.lineage(record.id, { cause: 'deletion', sync, object, version: record.version, entries: [entry] });
  }
};

/** Promises a new object to a record that has lost its last one in a system, where it is to have one again. */
export const promiseMissing = async (
  draft: Draft,
  sync: Sync,
  record: RecordState,
  lost: LinkState,
): Promise<void> => {
  const own = (await linksOf(draft.hub, record.id)).filter((link) => link.sync === sync.name);
  const links = [...own.filter((link) => link.object !== lost.object), lost];
  if (sync.outward && lacksObject(record, links, sync)) await draft.promise(sync.name, record, '');
};

// ---------------------------------------------------------------- an object is there

export interface LifeInput {
  readonly sync: Sync;
  /** As stored; null while the object is not linked yet. */
  readonly linkBefore: LinkState | null;
  /** Before this look. */
  readonly record: RecordState;
  readonly sight: Sight;
  readonly holds: readonly Hold[];
}

/** Removed as often, an object that comes back by itself stops: a person must look. */
const mostRemovals = 2;

/** What a look at an object that is there says of its record's deletion, added to what it said of the fields. */
export const judgeLife = async (hub: Hub, input: LifeInput, merged: Merged): Promise<Merged> => {
  const { sync, linkBefore, holds, sight } = input;
  const { removal, gone: _, ...link } = merged.link;
  const before = linkBefore ?? link;
  const resurrecting = syncsOfEntity(hub, merged.record.entity).filter((one) => one.resurrect === true);
  const isPlain = removal === undefined && before.state === 'live' && !isContested(holds);
  if (isPlain && reachOf(merged.record) === null && resurrecting.length === 0) return merged;
  const life = new Life(input, { ...merged, link }, before, markOf(hub, merged.record));
  const edit = editOf(merged.entries, merged.record.fields, before, sight.object, sync.kind.stamps);
  const links = edit === undefined || resurrecting.length === 0 ? [] : await linksOf(hub, merged.record.id);
  const own = resurrecting
    .filter((one) => one.outward && one.name !== sync.name)
    .map((one) => ({ one, links: links.filter((each) => each.sync === one.name) }));
  const brings = own.filter(({ one, links: of }) => edit !== undefined && isResurrecting(edit, of, one));
  if (reachOf(merged.record) === null) {
    const late = brings.filter(({ one, links: of }) => !lacksObject(merged.record, of, one));
    return life.alive(late.length > 0 ? edit : undefined);
  }
  const doomed = isDoomed(sync, merged.record, link);
  const judged =
    doomed && removal === 'done'
      ? life.notTaken(hub.now())
      : life.deleted(doomed, edit, brings.length > 0, hub.now());
  const verdict = judged.entries.findLast(({ field }) => field === deletedField)?.verdict ?? 'stays';
  hub.reached?.(
    `there, ${before.state === 'live' ? 'live' : 'back'}${doomed ? ', unwanted' : ''}: ${verdict}`,
  );
  return judged;
};

/** The judgement of one look over a record's life. */
class Life {
  readonly #input: LifeInput;
  readonly #merged: Merged;
  readonly #before: LinkState;
  readonly #mark: string | undefined;

  constructor(input: LifeInput, merged: Merged, before: LinkState, mark: string | undefined) {
    this.#input = input;
    this.#merged = merged;
    this.#before = before;
    this.#mark = mark;
  }

  /** The record is not deleted: whoever doubted it sees that it is there. */
  alive(late: Edit | undefined): Merged {
    if (late !== undefined) return this.#revived('resurrect', late);
    if (!isContested(this.#input.holds)) return this.#merged;
    const met = { field: deletedField, verdict: 'met' as const, theirs: null };
    return { ...this.#merged, ...this.#also([met]), released: [...this.#merged.released, deletedField] };
  }

  deleted(doomed: boolean, edit: Edit | undefined, resurrects: boolean, now: number): Merged {
    const { record, changed } = this.#merged;
    const mark = this.#mark;
    const judged = judgePresence({
      record,
      link: this.#before,
      doomed,
      edit,
      rule: this.#input.sync.rules(deletedField),
      unmarked: mark !== undefined && changed.includes(mark) && record.fields[mark]?.value !== true,
      resurrects,
    });
    if (judged.is === 'takes') return this.#revived(judged.rule, edit);
    if (judged.is === 'stays' || isContested(this.#input.holds)) return this.#merged;
    if (judged.is !== 'overruled') return this.#held(judged.is, verdictOf(judged), judged.rule, edit, now);
    return this.#removedAgain(judged.rule, edit, now);
  }

  notTaken(now: number): Merged {
    return this.#held('not-taken', 'not-taken', 'the remote said yes, and it is still there', undefined, now);
  }

  #also(entries: readonly Entry[]): Pick<Merged, 'entries' | 'echo'> {
    return { entries: [...this.#merged.entries, ...entries], echo: false };
  }

  #held(
    why: Hold['why'],
    verdict: Entry['verdict'],
    rule: string,
    edit: Edit | undefined,
    at: number,
  ): Merged {
    const ours = reachOf(this.#merged.record);
    const held = [...this.#merged.held, { field: deletedField, why, theirs: null, ours, at }];
    const told = { field: deletedField, verdict, theirs: null, after: ours, rule, held: why };
    const entry = edit === undefined ? told : { ...told, at: edit.span };
    return { ...this.#merged, ...this.#also([entry]), held };
  }

  /** The deletion stands: the object is removed, again if it has come back. */
  #removedAgain(rule: string, edit: Edit | undefined, now: number): Merged {
    const { record, link } = this.#merged;
    const returned = this.#before.state !== 'live';
    const version = record.fields[deletedField]?.version ?? 0;
    const known = link.restored[deletedField];
    const count = (known?.version === version ? known.count : 0) + (returned ? 1 : 0);
    if (count > mostRemovals)
      return this.#held('oscillation', 'oscillation', `it came back ${count} times`, edit, now);
    const restored = { ...link.restored, [deletedField]: { version, count } };
    const told = { field: deletedField, verdict: 'overruled' as const, theirs: null };
    const entry = { ...told, after: reachOf(record), rule, ...(edit === undefined ? {} : { at: edit.span }) };
    return { ...this.#merged, ...this.#also([entry]), link: { ...link, restored } };
  }

  #revived(rule: string, edit: Edit | undefined): Merged {
    const { sync, sight, record: former, holds } = this.#input;
    const { record, link, changed, released } = this.#merged;
    const since = this.#before.state === 'live' ? sight.from : goneOf(this.#before).at.to;
    const seen: Span = { from: Math.min(since, sight.until - 1), to: sight.until };
    const at = this.#before.state === 'live' && edit !== undefined ? edit.span : seen;
    const by = { version: former.version + 1, at, source: `${sync.name}/${link.object}`, rule };
    const { record: after, entries } = marked(record, null, by, this.#mark);
    const own = entries.map(({ field }) => field);
    return {
      ...this.#merged,
      ...this.#also(entries),
      record: after,
      changed: [...changed.filter((field) => !own.includes(field)), ...own],
      released: isContested(holds) ? [...released, deletedField] : released,
    };
  }
}

// ---------------------------------------------------------------- what was held

/** What was held on a link that was gone, and is to be held again. */
export const heldBefore = (link: LinkState | null, standing: readonly Hold[]): readonly Hold[] =>
  link?.state === 'gone'
    ? (link.gone?.held ?? []).filter(({ field }) => !standing.some((one) => one.field === field))
    : [];

const heldVerdicts: Readonly<Record<Hold['why'], readonly [Entry['verdict'], string]>> = {
  ask: ['asked', ''],
  transition: ['asked', ''],
  oscillation: ['oscillation', ''],
  'not-taken': ['not-taken', ''],
  refused: ['problem', ''],
  kept: ['kept', ''],
  placeholder: ['kept', 'placeholder'],
  empty: ['kept', 'empty is not written over filled'],
  own: ['kept', 'own: held again, its object is back'],
  remapped: ['kept', 'the mapping has changed'],
};

/** Rows of the remote's own are left there anyway. */
const keepsRows = (lens: Lens, field: string): boolean => {
  const shape = listedBy(lens, field)?.shape ?? 'set';
  return shape !== 'set' && shape.missing === 'keep';
};

/** An object that is back keeps what it holds where the record has become empty meanwhile: nobody has seen both. */
export const keptFilled = (lens: Lens, now: number, merged: Merged): Merged => {
  const shown = lens.read(merged.link.shadow).fields;
  const { record, link } = merged;
  const kept = [...lens.outward].filter((field) => {
    const ours = record.fields[field];
    // A record that took its own in while it was gone may never have had the field.
    const isNewer = ours === undefined || ours.version > (link.seen[field] ?? 0);
    const isHeld = merged.held.some((one) => one.field === field);
    const isSettled = isHeld || merged.released.includes(field) || keepsRows(lens, field);
    return isEmpty(ours?.value) && isNewer && !isEmpty(shown[field]) && !isSettled;
  });
  if (kept.length === 0) return merged;
  const theirs = (field: string): Json => shown[field] ?? null;
  // Of a list the members that nobody touches stay apart while others come and go.
  const why = (field: string): HoldReason => (listedBy(lens, field) === null ? 'empty' : 'kept');
  const rule = 'the object came back with it; empty is not written over filled';
  return {
    ...merged,
    held: [
      ...merged.held,
      ...kept.map((field) => ({ field, why: why(field), theirs: theirs(field), ours: null, at: now })),
    ],
    entries: [
      ...merged.entries,
      ...kept.map((field): Entry => ({
        field,
        verdict: 'kept',
        theirs: theirs(field),
        held: why(field),
        rule,
      })),
    ],
    echo: false,
  };
};

/** What this look has not settled of it, held as it was before; told first, so that what this look adds comes after. */
export const heldAgain = (returned: readonly Hold[], merged: Merged): Merged => {
  const left = returned.filter(
    ({ field }) => !merged.released.includes(field) && !merged.changed.includes(field),
  );
  if (left.length === 0) return merged;
  const entries = left.map(({ field, why, theirs }): Entry => {
    const [verdict, rule] = heldVerdicts[why];
    return { field, verdict, theirs, held: why, rule: rule === '' ? 'held before it was gone' : rule };
  });
  const same = left.filter(({ field }) => !merged.held.some((one) => one.field === field));
  return {
    ...merged,
    held: [...merged.held, ...same],
    entries: [...entries, ...merged.entries],
    echo: false,
  };
};
