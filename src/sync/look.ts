/**
 * What one look at one object does to the hub: merge, then everything that follows in the same group:
 * record, link, held fields, strong keys, lineage, transitions, and effects towards whoever is behind.
 * Intake, the look before a write and the confirming look all end here.
 */
import type { HistoryEntry } from '../connector.ts';
import { deletedField, isContested } from '../merge/deletion.ts';
import { delta } from '../merge/delta.ts';
import { merge, type Merged, type Sight } from '../merge/merge.ts';
import { overlay, type Hold, type LinkState, type RecordState } from '../merge/record.ts';
import type { FieldProblem, Lens } from '../mapping/lens.ts';
import { drawAwaited } from './awaited.ts';
import { heldAgain, keptFilled, heldBefore, isDoomed, judgeLife, releaseAgreed } from './deletion.ts';
import type { Draft } from './draft.ts';
import { effectOf, loadHolds, type Hub, type Sync } from './hub.ts';
import { spendIds } from './ids.ts';
import { giveWay, rivalsOf } from './one.ts';
import { related, type Wanted } from './relations.ts';
import { routeLook } from './route.ts';
import { stepsSeen, transitionsOf } from './transitions.ts';
import { tellSteps } from './evidence.ts';

export interface LookInput {
  readonly sync: Sync;
  /** As stored; null while the object is not linked yet. */
  readonly linkBefore: LinkState | null;
  /** As to be merged with: differs from `linkBefore` when the same group settles a call. */
  readonly link: LinkState;
  /** As stored; null for a new record. */
  readonly recordBefore: RecordState | null;
  readonly record: RecordState;
  readonly sight: Sight;
  readonly cause: string;
  readonly event?: 'created' | 'linked';
  readonly history?: readonly HistoryEntry[];
}

export interface Looked {
  readonly merged: Merged;
  readonly record: RecordState;
  /** True if the record changed or the object was linked, for the first time or again. */
  readonly applied: boolean;
  /** True if the looked-at remote still lacks something of ours. */
  readonly behind: boolean;
  /** True if a reference waits for what it names. */
  readonly waits: boolean;
}

/** Draws the group of one look. */
export const drawLook = async (draft: Draft, input: LookInput): Promise<Looked> => {
  const { linkBefore, recordBefore } = input;
  const { hub } = draft;
  const { sync, inward } = await related(
    hub,
    input.sync,
    [input.sight.object.value, input.link.shadow],
    input.record,
  );
  const isNew = recordBefore === null;
  const standing = isNew ? [] : await loadHolds(hub, input.record.id, sync.name, input.link.object);
  const returned = heldBefore(linkBefore, standing);
  const holds = [...standing, ...returned];
  const transitions = hub.entities.get(sync.entity)?.transitions;
  const seen = merge({
    record: mutateRecord(hub, input.record),
    link: mutateLink(hub, sync, input),
    sight: input.sight,
    lens: mutateLens(hub, sync),
    rules: sync.rules,
    holds,
    stamps: sync.kind.stamps,
    now: hub.now(),
    transitions,
    steps: stepsSeen({ ...input, sync }, transitions),
    ones: await rivalsOf(draft, sync, input.record, sync.lens.read(input.sight.object.value).fields),
  });
  if (hub.reached !== undefined) for (const row of seen.rows) hub.reached(row);
  const waiting = new Set(holdsAfter(holds, seen).map(({ field }) => field));
  const routed = await routeLook(draft, sync, seen, waiting, input.record.version + 1);
  const waited = await waitFor(draft, sync, input.link.object, routed, inward);
  const again = heldAgain(returned, await judgeLife(hub, { ...input, holds }, waited));
  const isBack = linkBefore !== null && linkBefore.state !== 'live';
  const lived = isBack ? keptFilled(sync.lens, hub.now(), again) : again;
  const merged = await giveWay(draft, sync, input.link, lived, input.record.version + 1);
  // A link that is back counts like a new one: whoever changes the record meanwhile must not overlook it.
  const event = input.event ?? (linkBefore !== null && linkBefore.state !== 'live' ? 'revived' : undefined);
  const applied = merged.changed.length > 0 || event !== undefined;
  const record = applied ? { ...merged.record, version: input.record.version + 1 } : input.record;
  if (applied) await draft.record(recordBefore, record, 'claim');
  else draft.expect('record', { id: record.id }, { version: record.version });
  await spendIds(draft, sync, merged.entries);
  tellSteps(hub, sync, record, merged.entries);
  draft.link(linkBefore, merged.link);
  if ((linkBefore === null && !isNew) || isBack)
    await draft.bornHolds(record.id, sync.name, merged.link.object);
  draft.holds(record.id, merged.link, merged.held, merged.released);
  if (merged.entries.length > 0 || event !== undefined) {
    draft.lineage(record.id, {
      cause: input.cause,
      sync: sync.name,
      object: input.link.object,
      mapping: `${sync.lens.name}@${sync.lens.hash}`,
      version: record.version,
      ...(event === undefined ? {} : { event, entity: record.entity }),
      entries: merged.entries,
    });
  }
  for (const row of transitionsOf({ ...input, sync }, merged, hub.now())) draft.append('transition', row);
  if (applied) {
    const changed = input.event === 'created' ? [...sync.lens.inward, ...merged.changed] : merged.changed;
    await draft.promiseAll(record, changed, merged.link, isNew);
    if (changed.includes(deletedField)) await releaseAgreed(draft, record, merged.link);
  }
  const behind = await promiseOwn(draft, sync, record, merged, holdsAfter(holds, merged));
  return { merged, record, applied, behind, waits: merged.problems.length < routed.problems.length };
};

/** A reference to what nobody has seen yet is no problem for a person: it waits, and comes back by itself. */
const waitFor = async (
  draft: Draft,
  sync: Sync,
  object: string,
  merged: Merged,
  inward: ReadonlyMap<string, Wanted>,
): Promise<Merged> => {
  if (sync.lens.references.size === 0) return merged;
  const waits = (one: FieldProblem): boolean => one.code === 'reference' && inward.has(one.field ?? '');
  const fields = new Set(merged.problems.filter(waits).map((one) => one.field ?? ''));
  const wanted = new Map([...inward].filter(([field]) => fields.has(field)));
  await drawAwaited(draft, { lane: `in:${sync.lane}`, object, record: '' }, wanted);
  return { ...merged, problems: merged.problems.filter((one) => !waits(one)) };
};

const holdsAfter = (before: readonly Hold[], merged: Merged): Hold[] => [
  ...before.filter(
    (hold) => !merged.released.includes(hold.field) && !merged.held.some((one) => one.field === hold.field),
  ),
  ...merged.held,
];

/** The looked-at link itself may be behind: an older change, a value to be restored. */
const promiseOwn = async (
  draft: Draft,
  sync: Sync,
  record: RecordState,
  merged: Merged,
  holds: readonly Hold[],
): Promise<boolean> => {
  if (!sync.outward || merged.link.state !== 'live') return false;
  if (draft.hub.mutation === 'close-without-equal') return false;
  const isRemoved = isDoomed(sync, record, merged.link) && !isContested(holds);
  if (!isRemoved && Object.keys(delta(record, merged.link, sync.lens, holds)).length === 0) return false;
  const key = { sync: sync.name, record: record.id, object: merged.link.object };
  const row = await draft.hub.store.get('effect', key);
  const effect = row === undefined ? undefined : effectOf(row);
  const fresh = merged.entries.some(
    ({ verdict }) => verdict === 'restored' || verdict === 'overruled' || verdict === 'retry',
  );
  if (
    effect === undefined ||
    draft.ended(effect) ||
    (effect.state === 'parked' && (fresh || effect.reason?.code === 'no-guard'))
  ) {
    await draft.promise(sync.name, record, merged.link.object);
  } else {
    draft.expect('effect', key, { rev: effect.rev });
  }
  return true;
};

/** The proof's mutations of this step; without one, the link as it is. */
const mutateLink = (hub: Hub, sync: Sync, { link, record, cause, sight }: LookInput): LinkState => {
  if (hub.mutation === 'one-shadow') {
    const values = Object.fromEntries(
      Object.entries(record.fields).map(([name, field]) => [name, field.value]),
    );
    const seen = Object.fromEntries(
      Object.entries(record.fields).map(([name, field]) => [name, field.version]),
    );
    return { ...link, shadow: overlay(link.shadow, sync.lens.write(values, null).value), seen };
  }
  if (hub.mutation === 'read-back-wholesale' && cause.startsWith('call ')) {
    const seen = Object.fromEntries(
      Object.entries(record.fields).map(([name, field]) => [name, field.version]),
    );
    return { ...link, seen, written: {} };
  }
  if (hub.mutation === 'newest-by-stamp')
    return { ...link, lookedFrom: sight.object.modifiedAt ?? link.lookedFrom };
  if (hub.mutation === 'no-damping') return { ...link, restored: {} };
  return link;
};

const mutateLens = (hub: Hub, { lens }: Sync): Lens =>
  hub.mutation === 'whole-lists' ? { ...lens, shape: () => 'value' } : lens;

const mutateRecord = (hub: Hub, record: RecordState): RecordState => {
  if (hub.mutation !== 'no-damping') return record;
  const fields = Object.entries(record.fields).map(([name, field]) => [
    name,
    { ...field, recent: [], returns: 0, chain: 0 },
  ]);
  return { ...record, fields: Object.fromEntries(fields) };
};
