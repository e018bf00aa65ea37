/**
 * A toy system for the kernel's proof: a few fields, every bad habit of real systems as a switch, and a
 * complete truth of what happened to each field, which no real system would show.
 */
import type { Json, Kind, Look, Page, RemoteObject } from '../connector.ts';
import { same } from '../merge/record.ts';
import type { Fault } from './faults.ts';
import { isListField, keptList, listFields, turnedList } from './toy-lists.ts';
import type { Outages } from './outages.ts';
import { createAll, toyRemover, updateAll } from './toy-writes.ts';

export const toyFields = ['email', 'name', 'stage', 'note'] as const;
export const allFields: readonly string[] = [...toyFields, ...listFields];

export interface ToyTraits {
  readonly name: string;
  /** Honours versions on update. */
  readonly guarded: boolean;
  /** Answers a write with the whole object. */
  readonly answers: boolean;
  readonly readable: boolean;
  /** Can be searched; a new object shows up after `lag` ms. */
  readonly find: { readonly lag: number } | null;
  /** Repeats with the same key are harmless. */
  readonly keyed: boolean;
  /** Has room for our record id. */
  readonly anchored: boolean;
  /** Can be asked for changes. */
  readonly polled: boolean;
  /** Hooks carry the whole object. */
  readonly fullHooks: boolean;
  readonly normalise: {
    readonly how: 'lower' | 'upper' | 'trim';
    readonly when: 'at once' | 'late';
    readonly declared: boolean;
  } | null;
  readonly stamps: { readonly resolution: number; readonly lateness: number; readonly skew: number };
  /** Its clock minus ours; within the declared skew. */
  readonly clock: number;
  readonly atomic: boolean;
  readonly batch: number;
  /** Its mapping writes no long notes. */
  readonly narrow?: boolean;
  /** Removes objects; of one that is not there it says so, or nothing. Absent: it cannot. */
  readonly removes?: 'telling' | 'silent';
  /** Keeps tags in its own order. */
  readonly sorts: boolean;
  /** What its mapping does with rows that only one side has. */
  readonly missing: 'keep' | 'remove';
}

export interface FieldEvent {
  readonly tick: number;
  readonly at: number;
  readonly by: 'person' | 'gateway' | 'self';
  readonly value: Json;
  /** The value as it was typed or sent, before normalising at once. */
  readonly given: Json;
  /** What the last delivered look had shown then; undefined if none had. */
  readonly lastLooked?: Json;
  /** When the object was last delivered in a look before this. */
  readonly lastLookTick: number;
  /** The gateway's call. */
  readonly call?: string;
}

/** A deletion or a restore, as it really happened. */
export interface LifeEvent {
  readonly tick: number;
  readonly at: number;
  readonly by: 'person' | 'gateway';
  readonly deleted: boolean;
  /** When the object was last delivered in a look before this. */
  readonly lastLookTick: number;
  /** The gateway's call. */
  readonly call?: string;
}

export interface ToyObject {
  readonly id: string;
  value: Record<string, Json>;
  version: number;
  modifiedAt: number;
  visibleAt: number;
  createdAt: number;
  deleted: boolean;
  /** The object that it was merged into there. */
  movedTo?: string;
  movedAt?: number;
  readonly createdBy: string | null;
  readonly log: Record<string, FieldEvent[]>;
  readonly looked: Record<string, Json>;
  lastLookTick: number;
  /** Its deletions and restores, in order. */
  readonly lives: LifeEvent[];
  /** When a read last missed it. */
  missedAt: number;
  /** True if the last read of it did. */
  missed: boolean;
}

export interface ToyHook {
  readonly system: string;
  readonly id: string;
  readonly object: RemoteObject;
}

export const normalised = (traits: ToyTraits, field: string, value: Json): Json => {
  const how = traits.normalise?.how;
  if (how === undefined || field === 'stage' || field === 'anchor') return value;
  const turn = (text: string): string =>
    how === 'lower' ? text.toLowerCase() : how === 'upper' ? text.toUpperCase() : text.trim();
  if (isListField(field)) return turnedList(field, value, turn);
  return typeof value === 'string' ? turn(value) : value;
};

/** The model of one system: state and truth. Every method is what happens inside the remote. */
export class ToySystem {
  readonly traits: ToyTraits;
  readonly objects = new Map<string, ToyObject>();
  readonly keys = new Map<string, string>();
  readonly hooks: ToyHook[] = [];
  /** Objects whose late normalising is due. */
  readonly late: { id: string; at: number }[] = [];
  tick = 0;
  gatewayWrites = 0;
  /** What it answers now gets lost on the way. */
  unheard = false;
  #next = 100;

  constructor(traits: ToyTraits) {
    this.traits = traits;
  }

  create(value: Record<string, Json>, by: 'person' | 'gateway', now: number, call: string | null): ToyObject {
    this.#next += 1;
    const object: ToyObject = {
      id: `${this.traits.name}${this.#next}`,
      value: {},
      version: 0,
      modifiedAt: 0,
      visibleAt: 0,
      createdAt: now,
      deleted: false,
      createdBy: call,
      log: {},
      looked: {},
      lastLookTick: -1,
      lives: [],
      missedAt: 0,
      missed: false,
    };
    this.objects.set(object.id, object);
    const all = Object.fromEntries(allFields.map((field) => [field, value[field] ?? null]));
    if (value['anchor'] !== undefined) all['anchor'] = value['anchor'];
    this.change(object, all, by, now, call);
    return object;
  }

  change(
    object: ToyObject,
    patch: Record<string, Json>,
    by: FieldEvent['by'],
    now: number,
    call: string | null,
  ): void {
    this.tick += 1;
    const atOnce = this.traits.normalise?.when === 'at once';
    for (const [field, given] of Object.entries(patch)) {
      const made = atOnce ? normalised(this.traits, field, given) : given;
      const value = isListField(field) ? keptList(field, this.traits, made, object.value[field]) : made;
      const log = (object.log[field] ??= []);
      const lastLooked = object.looked[field];
      log.push({
        tick: this.tick,
        at: now,
        by,
        value,
        given,
        lastLookTick: object.lastLookTick,
        ...(lastLooked === undefined ? {} : { lastLooked }),
        ...(call === null ? {} : { call }),
      });
      object.value[field] = value;
    }
    this.#stamp(object, now);
    if (this.traits.normalise?.when === 'late' && by !== 'self')
      this.late.push({ id: object.id, at: now + 40_000 });
    if (by === 'gateway') this.gatewayWrites += 1;
    this.hooks.push({ system: this.traits.name, id: object.id, object: this.show(object) });
  }

  #stamp(object: ToyObject, now: number): void {
    object.version += 1;
    const { resolution, lateness } = this.traits.stamps;
    object.modifiedAt = Math.floor((now + this.traits.clock) / resolution) * resolution;
    object.visibleAt = now + (lateness === 0 ? 0 : (object.version * 7919) % lateness);
  }

  /** Late normalising that is due. */
  settle(now: number): void {
    const due = this.late.filter((one) => one.at <= now);
    for (const one of due) {
      this.late.splice(this.late.indexOf(one), 1);
      const object = this.objects.get(one.id);
      if (object === undefined || object.deleted) continue;
      const patch = Object.fromEntries(
        Object.entries(object.value).flatMap(([field, value]) => {
          const next = normalised(this.traits, field, value);
          return same(next, value) ? [] : [[field, next]];
        }),
      );
      if (Object.keys(patch).length > 0) this.change(object, patch, 'self', now, null);
    }
  }

  /** Deletes it, or brings it back from the bin. */
  live(object: ToyObject, deleted: boolean, by: 'person' | 'gateway', now: number, call?: string): void {
    this.tick += 1;
    object.deleted = deleted;
    this.#stamp(object, now);
    const { lastLookTick } = object;
    const event = { tick: this.tick, at: now, by, deleted, lastLookTick };
    object.lives.push(call === undefined ? event : { ...event, call });
    if (by === 'gateway') this.gatewayWrites += 1;
    this.hooks.push({ system: this.traits.name, id: object.id, object: this.show(object) });
  }

  show(object: ToyObject): RemoteObject {
    return {
      id: object.id,
      value: { ...object.value },
      modifiedAt: object.modifiedAt,
      ...(this.traits.guarded ? { version: String(object.version) } : {}),
    };
  }

  /** As `show`, and remembered as delivered to the gateway. */
  deliverLook(object: ToyObject): RemoteObject {
    if (!this.unheard) {
      Object.assign(object.looked, object.value);
      object.lastLookTick = this.tick;
    }
    return this.show(object);
  }
}

/** How a request travels: the world may cut it, delay it, or let other things happen meanwhile. */
export interface Wire {
  request<T>(system: ToySystem, what: 'read' | 'write', effect: () => T): Promise<T>;
  /** True if this write is to be dropped in silence. */
  ignores(system: ToySystem): boolean;
  /** True if this item is to be refused. */
  refuses(system: ToySystem): boolean;
  written(system: ToySystem, call: string, record: string): void;
  /** True if this is to go wrong now. */
  fault(name: Fault, p: number): boolean;
  /** What has gone wrong for a while. */
  readonly outages: Pick<Outages, 'pageAfter' | 'placeOf' | 'denies' | 'shown'>;
  now(): number;
}

/** The kind that a toy system offers to the engine. */
export const toyKind = (system: ToySystem, wire: Wire): Kind => {
  const { traits } = system;
  const live = (): ToyObject[] => [...system.objects.values()].filter((object) => !object.deleted);
  const pageOf = (objects: ToyObject[], page: string | null): Page => {
    const after = page === null ? '' : wire.outages.placeOf(system, page);
    const rest = objects.filter((object) => object.id > after);
    const rows = rest.slice(0, 4);
    return {
      objects: rows.map((one) => system.deliverLook(one)),
      next: rest.length > 4 ? wire.outages.pageAfter(system, rows.at(-1)?.id ?? '') : null,
    };
  };
  const byId = (a: ToyObject, b: ToyObject): number => (a.id < b.id ? -1 : 1);
  return {
    schema: {},
    stamps: traits.stamps,
    guarded: traits.guarded,
    readMost: 3,
    ...(traits.readable
      ? { read: (ids) => wire.request(system, 'read', () => readAll(system, wire, ids)) }
      : {}),
    scan: (page) =>
      wire.request(system, 'read', () => {
        const objects = wire.outages.shown(system, live().sort(byId), page === null);
        return pageOf(scanned(wire, objects), page);
      }),
    ...(traits.polled
      ? {
          changes: ({ since, until }, page) =>
            wire.request(system, 'read', () =>
              pageOf(
                live()
                  .filter((o) => o.modifiedAt >= since && o.modifiedAt < until && o.visibleAt <= wire.now())
                  .sort(byId),
                page,
              ),
            ),
        }
      : {}),
    create: {
      most: traits.batch,
      atomic: traits.atomic,
      keyed: traits.keyed,
      send: (items) => wire.request(system, 'write', () => createAll(system, wire, items)),
    },
    update: {
      most: traits.batch,
      atomic: traits.atomic,
      keyed: false,
      send: (items) => wire.request(system, 'write', () => updateAll(system, wire, items)),
    },
    ...(traits.removes === undefined ? {} : { remove: toyRemover(system, wire) }),
    ...(traits.find === null
      ? {}
      : {
          find: {
            lag: traits.find.lag,
            pointers: traits.anchored ? ['/anchor', '/email'] : ['/email', '/name'],
            by: (equals) => wire.request(system, 'read', () => findAll(system, equals, wire.now())),
          },
        }),
  };
};

/** A scan that does not show all that is there: a broken filter, a right that was taken away, a page that drifted. */
const scanned = (wire: Wire, objects: ToyObject[]): ToyObject[] =>
  objects.length > 2 && wire.fault('scan shrunk', 0.08) ? objects.filter((_, i) => i % 3 !== 1) : objects;

/** A read that does not find what is there, for a moment: a copy that lags behind. Not twice in a row, however far apart. */
const misses = (wire: Wire, object: ToyObject): boolean => {
  const isAfter = object.missed;
  object.missed = false;
  if (isAfter || wire.now() - object.missedAt < 600_000 || !wire.fault('read misses', 0.01)) return false;
  object.missedAt = wire.now();
  object.missed = true;
  return true;
};

const readAll = (system: ToySystem, wire: Wire, ids: readonly string[]): ReadonlyMap<string, Look> =>
  new Map(
    ids.map((id): [string, Look] => {
      const object = system.objects.get(id);
      if (object?.movedTo !== undefined) return [id, { is: 'moved', to: object.movedTo }];
      if (object === undefined || object.deleted || misses(wire, object)) return [id, { is: 'gone' }];
      if (wire.outages.denies(object)) return [id, { is: 'denied', why: 'you may not see this object' }];
      return [id, { is: 'object', object: system.deliverLook(object) }];
    }),
  );

const findAll = (system: ToySystem, equals: ReadonlyMap<string, Json>, now: number): string[] =>
  [...system.objects.values()]
    .filter((object) => !object.deleted && object.createdAt + (system.traits.find?.lag ?? 0) <= now)
    .filter((object) =>
      [...equals].every(
        ([pointer, value]) =>
          object.value[pointer.slice(1)] === normalised(system.traits, pointer.slice(1), value) ||
          object.value[pointer.slice(1)] === value,
      ),
    )
    .map((object) => object.id);
