/** P9: no edit by a person vanishes, judged against the truth that the toy systems keep. */
import type { LineageRow } from '../merge/lineage.ts';
import { same, type Entry, type LinkState } from '../merge/record.ts';
import type { Json } from '../connector.ts';
import type { Snapshot } from './checks.ts';
import { normalised, toyFields, type FieldEvent, type ToyObject, type ToySystem } from './toy.ts';
import { isListField } from './toy-lists.ts';
import type { World } from './world.ts';

interface Told {
  readonly row: LineageRow;
  readonly entry: Entry;
}

/** P9: no edit by a person vanishes. */
export const lostEdits = (world: World, state: Snapshot): string[] => {
  const lost: string[] = [];
  const bySource = new Map<string, Told[]>();
  for (const rows of state.lineage.values()) {
    for (const row of rows) {
      for (const entry of row.entries) {
        const key = `${row.sync}/${row.object}/${entry.field}`;
        const list = bySource.get(key);
        if (list === undefined) bySource.set(key, [{ row, entry }]);
        else list.push({ row, entry });
      }
    }
  }
  for (const system of world.systems) {
    for (const object of system.objects.values()) {
      for (const field of toyFields) {
        const log = object.log[field] ?? [];
        log.forEach((event, i) => {
          // What a person did to the whole object afterwards is that person's own doing: deleted it, or merged it there.
          if (object.movedTo !== undefined) return;
          if (event.by !== 'person' || (object.deleted && object.lives.at(-1)?.by === 'person')) return;
          const told = bySource.get(`${system.traits.name}/${object.id}/${field}`) ?? [];
          const why = fateOf(world, state, system, object, { field, event, log, i, told });
          if (why !== undefined)
            lost.push(`P9: ${object.id}.${field} = ${JSON.stringify(event.given)}: ${why}`);
        });
      }
    }
  }
  for (const [record, rows] of state.lineage) {
    const objects = new Set(state.links.filter((link) => link.record === record).map((link) => link.object));
    lost.push(...supersededUnseen(world, rows), ...wronglyNewest(world, rows, objects));
  }
  return lost;
};

interface EditCase {
  readonly field: string;
  readonly event: FieldEvent;
  readonly log: readonly FieldEvent[];
  readonly i: number;
  readonly told: readonly Told[];
}

/** A removal of ours, as the last that happened to each field. */
const removed = ({ lives }: ToyObject): FieldEvent | undefined => {
  const last = lives.at(-1);
  return last?.by === 'gateway' && last.deleted
    ? { ...last, by: 'gateway', value: null, given: 'removed' }
    : undefined;
};

/** Undefined if the edit's fate is accounted for. */
const fateOf = (
  world: World,
  state: Snapshot,
  system: ToySystem,
  object: ToyObject,
  edit: EditCase,
): string | undefined => {
  const { event, log, i, told, field } = edit;
  // A place that was filed empty holds nothing that could vanish.
  if (i === 0 && event.value === null) return undefined;
  const forms = [event.value, normalised(system.traits, field, event.value)];
  const named = told.some(({ entry }) =>
    [entry.theirs ?? null, entry.after ?? null].some((value) =>
      forms.some((form) => same(value, form) || same(normalised(system.traits, field, value), form)),
    ),
  );
  if (named) return undefined;
  const next = log.slice(i + 1).find((later) => later.by !== 'self') ?? removed(object);
  if (next?.by === 'person' || (next?.given === 'removed' && event.value === null)) return undefined;
  const link = state.links.find((one) => one.sync === system.traits.name && one.object === object.id);
  const record = link === undefined ? undefined : state.records.get(link.record);
  const ours = record?.fields[field]?.value ?? null;
  if (next === undefined) {
    // Still there: agreement is checked by P10.
    return undefined;
  }
  const lastSeen = event.lastLooked;
  if (
    lastSeen !== undefined &&
    forms.some((form) => same(form, lastSeen) || same(form, normalised(system.traits, field, lastSeen)))
  )
    return undefined;
  if (forms.some((form) => same(form, ours)) || equalToOurs(state, system, link, field, forms))
    return undefined;
  if (!system.traits.readable && !system.traits.guarded) {
    world.options.tally.exception('kind without read or guard');
    return undefined;
  }
  // What a page showed while a call was under way, that call could not know.
  const sentAt = world.calls.get(next.call ?? '')?.sentAt ?? Number.POSITIVE_INFINITY;
  if (next.lastLookTick >= event.tick && sentAt > event.at)
    return `it was seen, no lineage names it, and ${next.call} wrote ${JSON.stringify(next.given)} over it`;
  if (system.traits.guarded)
    return `${next.call} wrote ${JSON.stringify(next.given)} over it on a guarded remote`;
  world.options.tally.exception('unguarded window');
  return undefined;
};

/** Lineage of every record that the object was ever linked to. */
const lineageAbout = ({ lineage }: Snapshot, link: LinkState | undefined): LineageRow[] =>
  [...lineage.values()]
    .filter((rows) => rows.some(({ sync, object }) => sync === link?.sync && object === link?.object))
    .flat();

/** The edit typed what the record held already at some time: nothing to take. */
const equalToOurs = (
  state: Snapshot,
  { traits }: ToySystem,
  link: LinkState | undefined,
  field: string,
  forms: readonly Json[],
): boolean =>
  lineageAbout(state, link).some((row) =>
    row.entries.some((entry) => {
      const after = entry.after ?? null;
      return (
        entry.field === field &&
        forms.some((form) => same(after, form) || same(normalised(traits, field, after), form))
      );
    }),
  );

/**
 * A value that was taken as "changed there only" must have replaced something that its author could see. The one exception:
 * an undo left that object what it held by itself, so that what is changed there next is taken, whichever came first.
 */
const supersededUnseen = (world: World, rows: readonly LineageRow[]): string[] => {
  const undone = new Set<string>();
  return rows.flatMap((row) =>
    row.entries.flatMap((entry) => {
      const own = `${entry.field} ${row.sync}/${row.object}`;
      if (entry.held === 'own') undone.add(own);
      if (
        isListField(entry.field) ||
        entry.verdict !== 'took' ||
        entry.rule !== 'changed there only' ||
        entry.before === null ||
        entry.before === undefined
      )
        return [];
      const system = world.systems.find((one) => one.traits.name === row.sync);
      const log = system?.objects.get(row.object ?? '')?.log[entry.field] ?? [];
      if (system === undefined || !byPerson(world, entry.field, entry.before)) return [];
      const forms = [entry.before, normalised(system.traits, entry.field, entry.before)];
      const shown = log.some((event) =>
        forms.some((form) => same(event.value, form) || same(event.given, form)),
      );
      if (shown) return [];
      if (undone.delete(own)) {
        world.options.tally.exception('edit of what an undo left');
        return [];
      }
      return [
        `P9: ${row.object}.${entry.field} = ${JSON.stringify(entry.after)} replaced ${JSON.stringify(entry.before)}, which it had never shown`,
      ];
    }),
  );
};

const byPerson = (world: World, field: string, value: Json): boolean =>
  world.systems.some((system) =>
    [...system.objects.values()].some((object) =>
      (object.log[field] ?? []).some((event) => event.by === 'person' && same(event.value, value)),
    ),
  );

/** What brings a value without anybody typing it then. */
const without: ReadonlySet<Entry['verdict']> = new Set(['undone', 'merged', 'unmerged']);

/** Where `newest` decided, the value that won was really typed later. */
const wronglyNewest = (world: World, rows: readonly LineageRow[], objects: ReadonlySet<string>): string[] =>
  rows.flatMap((row) =>
    row.entries.flatMap((entry) => {
      if (entry.rule !== 'newest' || isListField(entry.field)) return [];
      const theirs = entry.verdict === 'took' ? entry.after : entry.theirs;
      const ours = entry.verdict === 'took' ? entry.before : entry.after;
      const log = world.systems.find((one) => one.traits.name === row.sync)?.objects.get(row.object ?? '')
        ?.log[entry.field];
      const there = log?.findLast((event) => same(event.value, theirs ?? null));
      // A value that somebody decided for, or brought back, counts from then, not from when it was typed.
      const decided = rows.some(({ entries }) =>
        entries.some(
          (one) =>
            one.field === entry.field &&
            (one.rule?.startsWith('decided') === true || without.has(one.verdict)) &&
            same(one.after ?? null, ours ?? null),
        ),
      );
      const here = decided
        ? undefined
        : typedAt(world, objects, entry.field, ours ?? null, entry.at?.to ?? 0);
      if (there?.by !== 'person' || here === undefined) return [];
      const right = entry.verdict === 'took' ? there.at >= here : there.at <= here;
      return right
        ? []
        : [
            `P9: newest chose wrongly for ${row.object}.${entry.field}: ${JSON.stringify(theirs)} against ${JSON.stringify(ours)}`,
          ];
    }),
  );

/** When a person typed a value into one of these objects, if exactly one ever did, and before some time. */
const typedAt = (
  world: World,
  objects: ReadonlySet<string>,
  field: string,
  value: Json,
  before: number,
): number | undefined => {
  const events = world.systems.flatMap((system) =>
    [...system.objects.values()]
      .filter(({ id }) => objects.has(id))
      .flatMap((object) =>
        (object.log[field] ?? []).filter(
          (event) => event.by === 'person' && same(bare(event.value), bare(value)),
        ),
      ),
  );
  // What was typed in another case may have become this value by a remote's own doing.
  const [only, ...more] = events;
  const isIt = only !== undefined && more.length === 0 && same(only.value, value);
  return !isIt || only.at > before ? undefined : only.at;
};

const bare = (value: Json): Json => (typeof value === 'string' ? value.trim().toLowerCase() : value);
