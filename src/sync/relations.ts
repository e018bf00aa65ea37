/**
 * Relations: fields that name another record. A record holds the other record's id; each system is shown its own id (or
 * number) of it, through the links. What cannot be followed yet waits, in sight, and goes on by itself:
 *
 *   read:  the place names an object that nobody has seen  ─► the field is not merged, its shadow does not move ─┐
 *   write: the record has no object (or number) there yet  ─► the field is left out of what is written ──────────┤
 *                                                                                                             awaited
 *   arrived: a link or key is new ─► whoever waits for it is looked at, or written, again ◄──────────────────────┘
 *
 * An id never crosses systems: it is looked up in the connection that it came from, for the kind that it names.
 */
import type { Json, JsonObject } from '../connector.ts';
import type { FieldProblem, Fields, Lens } from '../mapping/lens.ts';
import type { Reference } from '../mapping/reference.ts';
import { strongKeys } from '../merge/identify.ts';
import { isEmpty, type LinkState, type RecordState } from '../merge/record.ts';
import type { Condition } from '../store/store.ts';
import { leadsTo, linkOf, linksOf, type Hub, type Sync } from './hub.ts';

/** Where it is noted that something has come that somebody may have waited for. */
export const arrivedLane = 'arrived';

/** What a reference waits for, and what must still be so when that is written down. */
export interface Wanted {
  readonly want: string;
  readonly when: readonly Condition[];
  /** The rest of a sentence: `customer 57 of hubspot`. */
  readonly what: string;
}

/** A sync whose lens speaks of records where the mapping's speaks of the remote's ids. */
export interface Related {
  readonly sync: Sync;
  /** Fields of the sights that name something unknown, and of the record that cannot be named there. */
  readonly inward: ReadonlyMap<string, Wanted>;
  readonly outward: ReadonlyMap<string, Wanted>;
}

const wants = {
  /** An object of a connection that is to be an entity's. */
  object: (connection: string, entity: string, object: string): string =>
    JSON.stringify(['object', connection, entity, object]),
  /** Any object of a record in a connection. */
  record: (connection: string, record: string): string => JSON.stringify(['record', connection, record]),
  key: (entity: string, key: string): string => JSON.stringify(['key', entity, key]),
  /** Any value in the field by which a record is named. */
  named: (record: string): string => JSON.stringify(['named', record]),
};

const spokes = (hub: Hub, connection: string, entity: string): Sync[] =>
  [...hub.syncs.values()].filter((one) => one.connection === connection && one.entity === entity);

/** Entity and key of a reference's value as the mapping reads it: `57`, or `customer/57` where it may be several. */
const parted = (reference: Reference, value: string): { entity: string; key: string } => {
  const [only = ''] = reference.to;
  if (reference.to.length === 1 && !value.startsWith(`${only}/`)) return { entity: only, key: value };
  const at = value.indexOf('/');
  return { entity: value.slice(0, at), key: value.slice(at + 1) };
};

type Found = { readonly record: string } | { readonly wanted: Wanted } | { readonly problem: string };

/** The record that a link was first with: a reference to its object follows it when a merge is taken apart. */
const originOf = ({ record, from }: LinkState): string => from?.[0]?.record ?? record;

/** The record that a remote's value names, as it was known before any merge; `leadsTo` says where that leads. */
const follow = async (hub: Hub, sync: Sync, reference: Reference, value: string): Promise<Found> => {
  const { entity, key } = parted(reference, value);
  if (reference.by === 'id') {
    const when: Condition[] = [];
    for (const spoke of spokes(hub, sync.connection, entity)) {
      const at = { sync: spoke.name, object: key };
      const row = await hub.store.get('link', at);
      if (row !== undefined) return { record: originOf(linkOf(row)) };
      when.push({ table: 'link', key: at, is: null });
    }
    const what = `${entity} ${key} of ${sync.connection}`;
    return { wanted: { want: wants.object(sync.connection, entity, key), when, what } };
  }
  const [strong] = strongKeys([[reference.by]], { [reference.by]: key });
  if (strong === undefined) return { problem: `is a value that many share, and names no ${entity}` };
  const at = { entity, key: strong };
  const row = await hub.store.get('strong_key', at);
  if (row !== undefined) return { record: String(row['origin'] ?? row['record']) };
  const what = `the ${entity} whose ${reference.by} is ${key}`;
  return {
    wanted: { want: wants.key(entity, strong), when: [{ table: 'strong_key', key: at, is: null }], what },
  };
};

/** What names a record in this sync's system, as the mapping writes it. */
const nameOf = async (
  hub: Hub,
  sync: Sync,
  reference: Reference,
  named: string,
): Promise<{ readonly key: string } | { readonly wanted: Wanted }> => {
  const other = await leadsTo(hub, named);
  if (other === undefined) return { wanted: { want: wants.named(named), when: [], what: `record ${named}` } };
  const { id } = other;
  const when: Condition[] = [{ table: 'record', key: { id }, is: { version: other.version } }];
  const written = (key: string): { readonly key: string } => ({
    key: reference.to.length === 1 ? key : `${other.entity}/${key}`,
  });
  if (reference.by === 'id') {
    const names = new Set(spokes(hub, sync.connection, other.entity).map((one) => one.name));
    const live = (await linksOf(hub, id)).filter((one) => names.has(one.sync) && one.state === 'live');
    // Of several the one that was its own all along, before one that came by a merge.
    const link = live.find(({ from }) => from === undefined) ?? live[0];
    if (link !== undefined) return written(link.object);
    const what = `an object of ${other.entity} ${id} in ${sync.connection}`;
    return { wanted: { want: wants.record(sync.connection, id), when, what } };
  }
  const value = other.fields[reference.by]?.value ?? null;
  if (!isEmpty(value)) return written(String(value));
  return { wanted: { want: wants.named(id), when, what: `the ${reference.by} of ${other.entity} ${id}` } };
};

/** Both ways between a remote's values and records, for the values that one look or write is about. */
interface Tables {
  /** By field: the remote's value to the record's id. */
  readonly known: Map<string, Map<string, string>>;
  /** By field: the record's id to the remote's value. */
  readonly named: Map<string, Map<string, string>>;
  readonly inward: Map<string, Wanted>;
  readonly outward: Map<string, Wanted>;
  readonly problems: Map<string, string>;
}

const tableOf = (all: Map<string, Map<string, string>>, field: string): Map<string, string> => {
  const one = all.get(field) ?? new Map<string, string>();
  all.set(field, one);
  return one;
};

/** Two ids that lead to one record are the same reference: as long as ours is one of them, theirs is called so too. */
const asHeld = async (hub: Hub, ours: Json | undefined, theirs: string): Promise<string> => {
  if (typeof ours !== 'string' || ours === theirs) return theirs;
  const [one, other] = [await leadsTo(hub, ours), await leadsTo(hub, theirs)];
  return one !== undefined && one.id === other?.id ? ours : theirs;
};

const lookUp = async (
  hub: Hub,
  sync: Sync,
  sights: readonly JsonObject[],
  record: RecordState | null,
): Promise<Tables> => {
  const tables: Tables = {
    known: new Map(),
    named: new Map(),
    inward: new Map(),
    outward: new Map(),
    problems: new Map(),
  };
  const standing: Fields = sync.lens.read(sights.at(-1) ?? {}).fields;
  for (const sight of sights) {
    const { fields } = sync.lens.read(sight);
    for (const [field, reference] of sync.lens.references) {
      const value = fields[field];
      if (typeof value !== 'string' || tableOf(tables.known, field).has(value)) continue;
      const found = await follow(hub, sync, reference, value);
      if ('record' in found) {
        // Somebody who put one name in the place of the other meant it.
        const isMeant = !isEmpty(standing[field]) && standing[field] !== value;
        const known = isMeant ? found.record : await asHeld(hub, record?.fields[field]?.value, found.record);
        tableOf(tables.known, field).set(value, known);
        tableOf(tables.named, field).set(known, value);
      } else if ('wanted' in found) tables.inward.set(field, found.wanted);
      else tables.problems.set(field, found.problem);
    }
  }
  for (const [field, reference] of sync.lens.references) {
    const id = record?.fields[field]?.value;
    if (typeof id !== 'string' || tableOf(tables.named, field).has(id)) continue;
    const name = await nameOf(hub, sync, reference, id);
    if ('key' in name) tableOf(tables.named, field).set(id, name.key);
    else tables.outward.set(field, name.wanted);
  }
  return tables;
};

const problemOf = (lens: Lens, field: string, code: string, message: string): FieldProblem => ({
  field,
  pointer: lens.pointers(field).join(' + '),
  code,
  message,
});

/** The lens with records in the place of the remote's ids. */
const translated = (lens: Lens, tables: Tables): Lens => {
  const references = [...lens.references.keys()];
  const turned = (
    fields: Fields,
    all: Map<string, Map<string, string>>,
    miss: (field: string) => void,
  ): Fields => {
    const made: Fields = { ...fields };
    for (const field of references) {
      const value = made[field];
      if (typeof value !== 'string') continue;
      const other: Json | undefined = all.get(field)?.get(value);
      if (other !== undefined) made[field] = other;
      else {
        delete made[field];
        miss(field);
      }
    }
    return made;
  };
  return {
    ...lens,
    outward: new Set([...lens.outward].filter((field) => !tables.outward.has(field))),
    read: (value) => {
      const reading = lens.read(value);
      const problems = [...reading.problems];
      const fields = turned(reading.fields, tables.known, (field) => {
        const shared = tables.problems.get(field);
        const message =
          shared ??
          `It names ${tables.inward.get(field)?.what ?? 'something unknown'}, which has not been seen yet.`;
        problems.push(problemOf(lens, field, shared === undefined ? 'reference' : 'placeholder', message));
      });
      return { ...reading, fields, problems };
    },
    write: (fields, base, anchor) => {
      const missing: FieldProblem[] = [];
      const named = turned(fields, tables.named, (field) => {
        const what = tables.outward.get(field)?.what ?? 'what names it there';
        missing.push(problemOf(lens, field, 'reference', `It waits for ${what}.`));
      });
      const writing = lens.write(named, base, anchor);
      return { ...writing, problems: [...writing.problems, ...missing] };
    },
    settle: (field, value) => (lens.references.has(field) ? value : lens.settle(field, value)),
  };
};

/** The sync as it is where its mapping has no references; else with a lens for these sights and this record. */
export const related = async (
  hub: Hub,
  sync: Sync,
  sights: readonly JsonObject[],
  record: RecordState | null,
): Promise<Related> => {
  if (sync.lens.references.size === 0) return { sync, inward: new Map(), outward: new Map() };
  const tables = await lookUp(hub, sync, sights, record);
  return {
    sync: { ...sync, lens: translated(sync.lens, tables) },
    inward: tables.inward,
    outward: tables.outward,
  };
};

// ---------------------------------------------------------------- what others may wait for

/** The notes that a record leads to another now: who waits for anything of it may find it there. */
export const mergedAway = (hub: Hub, { id, entity }: RecordState): readonly string[] => {
  if (!isNamed(hub, entity)) return [];
  const connections = new Set([...hub.syncs.values()].map(({ connection }) => connection));
  return [wants.named(id), ...[...connections].map((connection) => wants.record(connection, id))];
};

const entitiesNamed = new WeakMap<Hub['syncs'], ReadonlySet<string>>();

/** True if some mapping names records of this entity: only then is it noted when one arrives. */
export const isNamed = (hub: Hub, entity: string): boolean => {
  const known = entitiesNamed.get(hub.syncs);
  if (known !== undefined) return known.has(entity);
  const all = new Set(
    [...hub.syncs.values()].flatMap((sync) => [...sync.lens.references.values()].flatMap(({ to }) => to)),
  );
  entitiesNamed.set(hub.syncs, all);
  return all.has(entity);
};

const partedMark = 'parted';

/** The note that two records that were one are two again: what names either is written again where it is not right now. */
export const partedNote = (hub: Hub, entity: string, ids: readonly string[], place = ''): readonly string[] =>
  isNamed(hub, entity) ? [JSON.stringify([partedMark, entity, ids, place])] : [];

/** What such a note says: the records, and after which place to go on; undefined of any other note. */
export const partedOf = (
  note: string,
): { readonly entity: string; readonly ids: readonly string[]; readonly place: string } | undefined => {
  const [mark, entity, ids, place] = JSON.parse(note) as [string, string, string[], string];
  return mark === partedMark ? { entity, ids, place } : undefined;
};

/** Entities whose records may name those of another, with the syncs that write the names. */
export const referring = (hub: Hub, entity: string): Map<string, Sync[]> =>
  Map.groupBy(
    [...hub.syncs.values()]
      .filter(({ lens }) => [...lens.references.values()].some(({ to }) => to.includes(entity)))
      .toSorted((a, b) => (a.entity < b.entity ? -1 : 1)),
    (sync) => sync.entity,
  );

/** The note that a link is new. */
export const linkArrived = (hub: Hub, { sync: name, object, record }: LinkState): readonly string[] => {
  const sync = hub.syncs.get(name);
  if (sync === undefined || !isNamed(hub, sync.entity)) return [];
  return [wants.object(sync.connection, sync.entity, object), wants.record(sync.connection, record)];
};

/** The note that a record holds a key that it did not hold. */
export const keyArrived = (hub: Hub, entity: string, key: string, record: string): readonly string[] =>
  isNamed(hub, entity) ? [wants.key(entity, key), wants.named(record)] : [];
