/**
 * P9 for lists, member by member: no element, row or cell that a person edited vanishes, none comes back by itself,
 * and no policy is asked where nothing was disputed. Judged against the truth that the toy systems keep, without the
 * engine's own idea of what a list is made of.
 */
import type { Json, JsonObject } from '../connector.ts';
import type { LineageRow } from '../merge/lineage.ts';
import { isObject, type Entry } from '../merge/record.ts';
import type { Snapshot } from './checks.ts';
import type { FieldEvent, ToyObject, ToySystem } from './toy.ts';
import { listFields, strangeRows, type ListField } from './toy-lists.ts';
import type { World } from './world.ts';

/** What a list is made of: each element, each row, each filled cell, whatever the spelling. */
type Atoms = ReadonlyMap<string, string>;

/** How a text is told from others: `plain` whatever the spelling, for people; `spelled`, for what a system makes of it. */
type Reading = (value: Json | undefined) => string;
const plain: Reading = (value) =>
  typeof value === 'string' ? value.trim().toLowerCase() : JSON.stringify(value ?? null);
const spelled: Reading = (value) => JSON.stringify(value ?? null);

const cells: readonly (readonly [string, string])[] = [
  ['sku', 'product'],
  ['qty', 'quantity'],
];

/** Of a list as a system keeps it, or as a record does. */
const atomsOf = (field: ListField, list: Json | undefined, text = plain): Atoms => {
  const items = Array.isArray(list) ? list : [];
  if (field === 'tags') return new Map(items.map((tag) => [text(tag), 'there']));
  return new Map(
    items.filter(isObject).flatMap((row): [string, string][] => {
      const name = plain(row['no'] ?? row['line']);
      const filled = cells.flatMap(([wire, own]): [string, string][] => {
        const value = row[wire] ?? row[own] ?? null;
        return value === null ? [] : [[`${name} ${wire}`, text(value)]];
      });
      return [[name, 'there'], ...filled];
    }),
  );
};

interface AtomChange {
  readonly atom: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

const changes = (before: Atoms, after: Atoms): AtomChange[] =>
  [...new Set([...before.keys(), ...after.keys()])]
    .map((atom) => ({ atom, before: before.get(atom), after: after.get(atom) }))
    .filter((one) => one.before !== one.after);

/** What one event did to a list. */
const doneBy = (field: ListField, log: readonly FieldEvent[], i: number): AtomChange[] =>
  log[i]?.by === 'self'
    ? respelledBy(field, log, i)
    : changes(atomsOf(field, log[i - 1]?.value), atomsOf(field, log[i]?.value));

/** The same, where an element in two spellings is two: one of them may go, and the other elsewhere. */
const respelledBy = (field: ListField, log: readonly FieldEvent[], i: number): AtomChange[] => {
  const [before, after] = [log[i - 1]?.value, log[i]?.value];
  // Another spelling is all that a system's own edit is, and to the engine it is an edit.
  const read = (text: string | undefined): string | undefined =>
    text?.startsWith('"') === true ? plain(JSON.parse(text) as Json) : text;
  return changes(atomsOf(field, before, spelled), atomsOf(field, after, spelled)).map((one) => ({
    atom: field === 'tags' ? (read(one.atom) ?? '') : one.atom,
    before: read(one.before),
    after: read(one.after),
  }));
};

const rowOf = (atom: string): string => atom.split(' ')[0] ?? atom;

/** One object's list, with what lineage tells of it. */
interface Case {
  readonly world: World;
  readonly system: ToySystem;
  readonly object: ToyObject;
  readonly field: ListField;
  readonly log: readonly FieldEvent[];
  readonly told: readonly Told[];
  /** The calls of which lineage says what they wrote; of others the outcome was never told. */
  readonly answered: ReadonlySet<string>;
  /** True if an undo changed the list, or a merge: whoever edited it before is in dispute with that. */
  readonly isUndone: boolean;
  /** True if a record of the object was merged into another, or taken out again. */
  readonly isMerged: boolean;
  /** What any entry of the record made of what. */
  readonly course: readonly { readonly before: Atoms; readonly after: Atoms }[];
  /** The same list of the record's other objects, and whether it may be nobody's doing: a system's own, or a create's. */
  readonly others: readonly { readonly log: readonly FieldEvent[]; readonly strange: boolean }[];
}

interface Told {
  readonly entry: Entry;
  /** True if a write of ours had not shown yet: the remote may have made something else of it. */
  readonly answers: boolean;
}

const toldOf = (rows: readonly LineageRow[], sync: string, object: string, field: string): Told[] => {
  let answers = false;
  const told: Told[] = [];
  for (const row of rows) {
    if (row.sync !== sync || row.object !== object) continue;
    // What a create was asked for is written nowhere when its object is found instead of answered.
    if (row.event === 'linked') answers = true;
    const own = row.entries.filter((entry) => entry.field === field);
    if (own.some(({ verdict }) => verdict === 'wrote')) answers = true;
    told.push(...own.map((entry) => ({ entry, answers })));
    if (row.event === 'linked' || own.some(({ verdict }) => verdict !== 'wrote')) answers = false;
  }
  return told;
};

// ---------------------------------------------------------------- each edit has a fate

const names = (field: ListField, { entry }: Told, { atom, after }: AtomChange): boolean =>
  [entry.theirs, entry.after].some((list) => {
    if (list === undefined) return false;
    const atoms = atomsOf(field, list);
    if (after !== undefined) return atoms.get(atom) === after;
    // That something was seen to be gone can only be told by an entry that knew of it.
    const known = [entry.before, entry.after].some((one) => atomsOf(field, one).has(atom));
    // A row that is new to the record was seen whole: the cell was gone by then.
    const isNew = atoms.has(rowOf(atom)) && !atomsOf(field, entry.before).has(rowOf(atom));
    return !atoms.has(atom) && (known || isNew || entry.verdict !== 'took');
  });

/** The record came to the same by another way: it held that, or had lost it. */
const hadAlready = ({ course }: Case, { atom, after: value }: AtomChange): boolean =>
  course.some(({ before, after }) =>
    value === undefined ? before.has(atom) && !after.has(atom) : after.get(atom) === value,
  );

/** Undefined if what became of one edit of one atom is accounted for. */
const fateOf = (one: Case, i: number, change: AtomChange): string | undefined => {
  const { world, system, field, log, told } = one;
  const event = log[i];
  if (event === undefined || told.some((entry) => names(field, entry, change))) return undefined;
  const next = log.findIndex(
    (later, n) =>
      n > i && doneBy(field, log, n).some(({ atom }) => atom === change.atom) && later.by !== 'self',
  );
  const over = log[next];
  // Still there: agreement is checked by P10.
  if (over === undefined || over.by === 'person') return undefined;
  if (atomsOf(field, event.lastLooked).get(change.atom) === change.after) return undefined;
  if (hadAlready(one, change)) return undefined;
  if (!system.traits.readable && !system.traits.guarded) {
    world.options.tally.exception('list: kind without read or guard');
    return undefined;
  }
  // Whoever puts back what stood before a write without an answer cannot be told from one that did not happen.
  const [write, earlier] = log
    .slice(0, i)
    .filter(({ by }) => by !== 'self')
    .toReversed();
  const isUntold = write?.call !== undefined && !one.answered.has(write.call);
  if (isUntold && atomsOf(field, earlier?.value).get(change.atom) === change.after) {
    world.options.tally.exception('list: put back after a write without an answer');
    return undefined;
  }
  // Of an object whose create had no answer nobody knew until it was linked: then it is one that somebody had filed.
  const { createdBy } = one.object;
  const isFound = createdBy !== null && !one.answered.has(createdBy);
  if (isFound && !log.slice(1, next).some(({ by }) => by === 'gateway')) {
    world.options.tally.exception('list: made by a create without an answer');
    return undefined;
  }
  const sentAt = world.calls.get(over.call ?? '')?.sentAt ?? Number.POSITIVE_INFINITY;
  if (over.lastLookTick >= event.tick && sentAt > event.at)
    return `it was seen, no lineage names it, and ${over.call} wrote over it`;
  if (system.traits.guarded) return `${over.call} wrote over it on a guarded remote`;
  world.options.tally.exception('list: unguarded window');
  return undefined;
};

const fates = (one: Case): string[] =>
  one.log.flatMap((event, i) => {
    if (event.by !== 'person') return [];
    return doneBy(one.field, one.log, i).flatMap((change) => {
      const why = fateOf(one, i, change);
      return why === undefined ? [] : [`${change.atom} = ${change.after ?? 'removed'}: ${why}`];
    });
  });

// ---------------------------------------------------------------- each change has an author

/** What became of the lists of two records that were made one, was decided with that. */
const isDecided = ({ rule = '' }: Entry): boolean =>
  /newest|owner/u.test(rule) && !/^(?:un)?merged: /u.test(rule);

/** What a look changed in the record was done there by somebody, as often as it was taken. */
const unauthored = ({ world, field, log, told, answered, isMerged }: Case): string[] => {
  const acts = new Map<string, number>();
  const keyOf = ({ atom, after }: AtomChange): string => `${atom} = ${after ?? 'removed'}`;
  // A write that was given up as not taken may have been taken after all, and so may a create.
  const isGivenUp = told.some(({ entry: { verdict } }) => verdict === 'not-taken' || verdict === 'retry');
  log.forEach((event, i) => {
    // A write without an answer is known by what the remote made of it, which may look like somebody's edit.
    const isUntold = event.call !== undefined && !answered.has(event.call);
    if (event.by === 'gateway' && !isGivenUp && !isUntold && i > 0) return;
    if (isUntold) world.options.tally.exception('list: write without an answer');
    const done = doneBy(field, log, i);
    const twice = event.by === 'person' && field === 'tags' ? respelledBy(field, log, i) : [];
    const known = new Set(done.map(keyOf));
    for (const change of [...done, ...twice.filter((one) => !known.has(keyOf(one)))])
      acts.set(keyOf(change), (acts.get(keyOf(change)) ?? 0) + 1);
  });
  return told.flatMap(({ entry, answers }) => {
    // What was disputed went by a rule, and a remote may make of our write what it likes.
    if (entry.verdict !== 'took' || answers || (field === 'lines' && isDecided(entry))) return [];
    return changes(atomsOf(field, entry.before), atomsOf(field, entry.after)).flatMap((change) => {
      const left = (acts.get(keyOf(change)) ?? 0) - 1;
      acts.set(keyOf(change), left);
      if (left >= 0) return [];
      // What each object held by itself when they became one comes in with the next change there; nothing goes so.
      const { atom, after } = change;
      const isHeld =
        after !== undefined && log.some(({ value }) => atomsOf(field, value).get(atom) === after);
      if (isMerged && isHeld) world.options.tally.exception('list: of merged records');
      return isMerged && isHeld
        ? []
        : [`${keyOf(change)} was taken (${entry.rule}), and nobody did it there`];
    });
  });
};

/** Where a policy overruled somebody, somebody (or a system by itself) had edited the same row elsewhere, or a write of ours had not shown. */
const undisputed = ({ field, log, told, others, isUndone, isMerged }: Case): string[] =>
  told.flatMap(({ entry, answers }) => {
    if (entry.verdict !== 'overruled' || answers || isUndone || isMerged || !isDecided(entry)) return [];
    const lost = changes(atomsOf(field, entry.after), atomsOf(field, entry.theirs));
    return lost.flatMap(({ atom, after }) => {
      const isEdit = log.some(
        (event, i) =>
          event.by === 'person' &&
          doneBy(field, log, i).some((change) => change.atom === atom && change.after === after),
      );
      const isDisputed =
        field === 'lines' &&
        others.some((other) =>
          other.log.some(
            (event, i) =>
              (event.by === 'person' || other.strange) &&
              doneBy(field, other.log, i).some((change) => rowOf(change.atom) === rowOf(atom)),
          ),
        );
      return !isEdit || isDisputed
        ? []
        : [`${atom} = ${after ?? 'removed'} was overruled (${entry.rule}) undisputed`];
    });
  });

/** What no mapping names stays as it is. */
const ownColumn = (one: Case): string[] => {
  const { world, system, object, field } = one;
  const { traits } = system;
  const strange = field === 'lines' ? strangeRows(traits, object.value['lines']) : [];
  if (strange.length > 0 && !traits.readable && !traits.guarded) {
    world.options.tally.exception('list: kind without read or guard');
    return [];
  }
  return strange.flatMap((row) => {
    if (!traits.guarded && isUnseen(one, row)) {
      world.options.tally.exception('list: unguarded window');
      return [];
    }
    return [`row ${JSON.stringify(row)} lost what its own column held`];
  });
};

/** True if a row was filed after the last look that our write was made from: no guard is there to say so. */
const isUnseen = ({ log, system: { traits } }: Case, { no }: JsonObject): boolean => {
  const own = (event: FieldEvent | undefined): boolean =>
    Array.isArray(event?.value) &&
    event.value.some((row) => isObject(row) && row['no'] === no && !strangeRows(traits, [row]).includes(row));
  const lost = log.findLastIndex((event, i) => event.by === 'gateway' && !own(event) && own(log[i - 1]));
  const filed = log.findLastIndex((event, i) => i < lost && own(event) && !own(log[i - 1]));
  const [write, person] = [log[lost], log[filed]];
  return write !== undefined && person !== undefined && write.lastLookTick < person.tick;
};

const caseOf = (
  world: World,
  state: Snapshot,
  system: ToySystem,
  object: ToyObject,
  field: ListField,
): Case => {
  const { name } = system.traits;
  // Of every record that it was ever linked to.
  const rows = [...state.lineage.values()]
    .filter((all) => all.some((row) => row.sync === name && row.object === object.id))
    .flat();
  const ids = new Set(rows.map((row) => row.object));
  const entries = rows.flatMap((row) => row.entries.filter((entry) => entry.field === field));
  const answered = new Set(
    rows.flatMap(({ cause, entries: all }) =>
      all.some(({ verdict }) => verdict === 'wrote') ? [cause.replace(/^call /u, '')] : [],
    ),
  );
  return {
    world,
    system,
    object,
    field,
    answered,
    log: object.log[field] ?? [],
    told: toldOf(rows, name, object.id, field),
    isUndone: entries.some(({ verdict }) => verdict === 'undone'),
    isMerged: rows.some(({ event }) => event === 'merged' || event === 'unmerged'),
    course: entries
      .filter(({ after }) => after !== undefined)
      .map(({ before, after }) => ({ before: atomsOf(field, before), after: atomsOf(field, after) })),
    others: world.systems.flatMap(({ traits, objects }) =>
      [...objects.values()]
        .filter(({ id }) => ids.has(id) && id !== object.id)
        .map(({ log, createdBy }) => ({
          log: log[field] ?? [],
          // What a create without an answer had made is found as if somebody had filed it.
          strange: traits.normalise?.declared === false || (createdBy !== null && !answered.has(createdBy)),
        })),
    ),
  };
};

export const lostMembers = (world: World, state: Snapshot): string[] =>
  world.systems.flatMap((system) =>
    [...system.objects.values()]
      .filter(({ deleted }) => !deleted)
      .flatMap((object) =>
        listFields.flatMap((field) => {
          const one = caseOf(world, state, system, object, field);
          return [...fates(one), ...unauthored(one), ...undisputed(one), ...ownColumn(one)].map(
            (text) => `P9: ${object.id}.${field}: ${text}`,
          );
        }),
      ),
  );
