/** Deletion and resurrection, judged against the truth that the toy systems keep. Each check returns sentences; none is good. */
import { deletedField, reachOf } from '../merge/deletion.ts';
import type { Json } from '../connector.ts';
import type { LineageRow } from '../merge/lineage.ts';
import { same, type Entry } from '../merge/record.ts';
import { goneGrace } from '../sync/hub.ts';
import type { Snapshot } from './checks.ts';
import { normalised, toyFields, type LifeEvent, type ToyObject, type ToySystem } from './toy.ts';
import type { World } from './world.ts';

export const wrongDeletions = (world: World, state: Snapshot): string[] => [
  ...unasked(world, state),
  ...standing(world, state),
  ...untrue(world, state),
  ...untaken(world, state),
  ...overriding(world, state),
  ...unlooked(world, state),
  ...anew(world, state),
];

const systemOf = (world: World, name: string): ToySystem | undefined =>
  world.systems.find(({ traits }) => traits.name === name);

/** The objects that were ever linked to a record. */
const objectsOf = (
  world: World,
  state: Snapshot,
  record: string,
): { system: ToySystem; object: ToyObject }[] =>
  world.systems.flatMap((system) =>
    [...system.objects.values()]
      .filter(({ id }) => (state.lineage.get(record) ?? []).some(({ object }) => object === id))
      .map((object) => ({ system, object })),
  );

const byPerson = ({ lives }: ToyObject, until: number): LifeEvent | undefined =>
  lives.findLast(({ by, deleted, at }) => by === 'person' && deleted && at <= until);

interface Removal {
  readonly system: ToySystem;
  readonly object: ToyObject;
  readonly event: LifeEvent;
  readonly record: string;
  /** When its call was put on disk; null of one that landed late. */
  readonly sentAt: number | null;
}

/** The removals that the gateway made. */
const removals = (world: World, state: Snapshot): Removal[] =>
  world.systems.flatMap((system) =>
    [...system.objects.values()].flatMap((object) =>
      object.lives
        .filter(({ by, deleted }) => by === 'gateway' && deleted)
        .map((event): Removal => {
          const item = world.sent.get(event.call ?? '');
          const link = state.links.find((one) => one.object === object.id);
          const record = item?.record ?? link?.record ?? '';
          return { system, object, event, record, sentAt: item?.sentAt ?? null };
        }),
    ),
  );

/** Nothing is removed whose deletion nobody asked for: a person deleted another object of the record, where that reaches. */
const unasked = (world: World, state: Snapshot): string[] =>
  removals(world, state).flatMap(({ system, object, event, record, sentAt }) => {
    // Of what landed late nobody knows whose it was: of a record that the object was with at some time.
    const records =
      sentAt === null
        ? [...state.lineage].flatMap(([id, rows]) =>
            rows.some((row) => row.sync === system.traits.name && row.object === object.id) ? [id] : [],
          )
        : [record];
    const asked = records
      .flatMap((id) => objectsOf(world, state, id))
      .some(
        (one) =>
          one.object !== object &&
          world.deletes.get(one.system.traits.name)?.deletes === 'propagate' &&
          byPerson(one.object, event.at) !== undefined,
      );
    const takesPart = world.deletes.get(system.traits.name)?.deletes === 'propagate';
    const isOurs = object.createdBy !== null && records.some((id) => isWithdrawn(state, id));
    return (asked && takesPart) || isOurs
      ? []
      : [`deletion: ${object.id} was removed by ${event.call}, and nobody had deleted ${record}`];
  });

/** True if an undo withdrew the record at some time. */
const isWithdrawn = (state: Snapshot, record: string): boolean =>
  (state.lineage.get(record) ?? []).some(({ entries }) =>
    entries.some(({ verdict, after }) => verdict === 'undone' && after === 'withdraw'),
  );

/** At rest, a deletion that reaches others has reached all that can, or waits for a person in sight. */
const standing = (world: World, state: Snapshot): string[] =>
  state.links.flatMap((link) => {
    const record = state.records.get(link.record);
    const system = systemOf(world, link.sync);
    const object = system?.objects.get(link.object);
    const reach = record === undefined ? null : reachOf(record);
    if (record === undefined || object?.deleted !== false) return [];
    const isAsked = reach === 'propagate' && world.deletes.get(link.sync)?.deletes === 'propagate';
    // (What landed late, and was found again by its values, nobody can tell from what people file.)
    const isOurs = reach === 'withdraw' && link.made === true;
    const removes = (isAsked || isOurs) && system?.traits.removes !== undefined;
    const waits =
      state.held.has(`${link.sync}/${link.object}/${deletedField}/${link.record}`) ||
      state.parked.has(`${link.sync}/${link.record}/${link.object}`);
    return removes && !waits ? [`deletion: ${link.object} stands, and ${record.id} is deleted`] : [];
  });

/** A record counts as deleted because somebody deleted an object of it, and only while that one is not back. */
const untrue = (world: World, state: Snapshot): string[] =>
  [...state.records.values()].flatMap((record) => {
    const deletion = record.fields[deletedField];
    if (deletion === undefined || reachOf(record) === null || reachOf(record) === 'withdraw') return [];
    const objects = objectsOf(world, state, record.id);
    if (!objects.some(({ object }) => byPerson(object, world.time) !== undefined))
      return [`deletion: ${record.id} is deleted, and nobody has deleted anything of it`];
    const source = objects.find(
      ({ system, object }) => deletion.source === `${system.traits.name}/${object.id}`,
    );
    return source?.object.deleted === false
      ? [`deletion: ${record.id} is deleted, and ${source.object.id}, from where it came, is there`]
      : [];
  });

/** What somebody deleted, where that means something, was judged: lineage says how. */
const untaken = (world: World, state: Snapshot): string[] =>
  state.links.flatMap((link) => {
    const object = systemOf(world, link.sync)?.objects.get(link.object);
    const last = object?.lives.at(-1);
    const means = (world.deletes.get(link.sync)?.deletes ?? 'ignore') !== 'ignore';
    if (link.state !== 'gone' || !means || last?.by !== 'person' || !last.deleted) return [];
    // A record that it belonged to before may have judged it.
    const told = [...state.lineage.values()]
      .filter((rows) => rows.some((row) => row.sync === link.sync && row.object === link.object))
      .some((rows) => rows.some(({ entries }) => entries.some(({ field }) => field === deletedField)));
    return told
      ? []
      : [`deletion: ${link.object} was deleted, and lineage of ${link.record} does not say so`];
  });

interface Taken {
  readonly row: LineageRow;
  readonly entry: Entry;
  readonly index: number;
}

const entriesOf = (rows: readonly LineageRow[]): Taken[] =>
  rows.flatMap((row, index) => row.entries.map((entry) => ({ row, entry, index })));

/** When the person who typed this value did so, if exactly one had typed it there by the time it was taken. */
const typedAt = (world: World, { row, entry }: Taken): number | undefined => {
  const system = systemOf(world, row.sync ?? '');
  const after = entry.after ?? null;
  if (system === undefined) return undefined;
  const events = (system.objects.get(row.object ?? '')?.log[entry.field] ?? []).filter(
    // What the system makes of it later counts too: whoever types that has typed nothing new.
    ({ by, value, at }) =>
      by === 'person' &&
      at <= (entry.at?.to ?? Number.POSITIVE_INFINITY) &&
      (same(value, after) || same(normalised(system.traits, entry.field, value), after)),
  );
  return events.length === 1 ? events[0]?.at : undefined;
};

/** No deletion overrides an edit that was made later and that the gateway knew of, unless by owner, role or a person. */
const overriding = (world: World, state: Snapshot): string[] =>
  [...state.lineage].flatMap(([record, rows]) => {
    const all = entriesOf(rows);
    return all.flatMap(({ row, entry, index }) => {
      if (entry.field !== deletedField || entry.verdict !== 'took' || (entry.after ?? null) === null)
        return [];
      const object = systemOf(world, row.sync ?? '')?.objects.get(row.object ?? '');
      // A read that missed it just before puts the end of the span a little too early.
      const deleted = object === undefined ? undefined : byPerson(object, (entry.at?.to ?? 0) + goneGrace);
      if (deleted === undefined || entry.rule === 'owner') return [];
      // What stood in each field then, if another object had brought it.
      const over = toyFields
        .map((field) =>
          all.findLast(
            (one) =>
              one.index < index &&
              one.entry.field === field &&
              // What another record had brought, and took with it again, stands no more.
              ['took', 'resolved', 'undone', 'merged', 'unmerged'].includes(one.entry.verdict),
          ),
        )
        .find(
          (one) =>
            one?.entry.verdict === 'took' &&
            `${one.row.sync}/${one.row.object}` !== `${row.sync}/${row.object}` &&
            (typedAt(world, one) ?? 0) > deleted.at &&
            // Who typed what the deleted object had shown already told nothing new.
            folded(object?.value[one.entry.field]) !== folded(one.entry.after),
        );
      return over === undefined
        ? []
        : [
            `deletion: ${row.object} was deleted before ${over.row.object}.${over.entry.field} = ${JSON.stringify(over.entry.after)} was typed, and ${record} is deleted`,
          ];
    });
  });

/** Whatever the spelling. */
const folded = (value: Json | undefined): string =>
  typeof value === 'string' ? value.trim().toLowerCase() : JSON.stringify(value ?? null);

/** Longest time between the look before a removal and the call, with all that happens meanwhile in one pass. */
const patience = 30_000;

/** Nothing is removed without a look at it just before, where it can be read: an edit would go unseen. */
const unlooked = (world: World, state: Snapshot): string[] =>
  removals(world, state).flatMap(({ system, object, event, sentAt }) => {
    if (!system.traits.readable || sentAt === null) return [];
    const unseen = toyFields.find((field) =>
      (object.log[field] ?? []).some(
        ({ by, tick, at }) => by === 'person' && tick > event.lastLookTick && at < sentAt - patience,
      ),
    );
    return unseen === undefined
      ? []
      : [
          `deletion: ${object.id} was removed by ${event.call}, and an edit of ${unseen} had not been looked at`,
        ];
  });

/** What is filed anew under the key of something deleted is something else. */
const anew = (world: World, state: Snapshot): string[] =>
  [...state.lineage].flatMap(([record, rows]) => {
    let deleted = false;
    return rows.flatMap((row) => {
      const was = deleted;
      for (const { field, verdict, after } of row.entries)
        if (field === deletedField && (verdict === 'took' || verdict === 'resolved' || verdict === 'undone'))
          deleted = (after ?? null) !== null;
      // An object that a create of ours had made is its record's all the same.
      const made = systemOf(world, row.sync ?? '')?.objects.get(row.object ?? '')?.createdBy;
      // (A call that lands late is not noted.)
      const own = typeof made === 'string' && (world.sent.get(made)?.record ?? record) === record;
      return was && row.event === 'linked' && !own
        ? [`deletion: ${row.object} was linked to ${record}, which was deleted (${row.cause})`]
        : [];
    });
  });
