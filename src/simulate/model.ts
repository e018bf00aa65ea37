/**
 * A model of one kind of an installation: objects of its shape in memory, and the members that the connector's own
 * kind has; what that cannot do, the model cannot. Of values it makes what the mappings declare (`remote`), and on
 * request what nobody declared.
 */
import type { ItemResult, Json, JsonObject, Kind, Look, Page, RemoteObject, Writer } from '../connector.ts';
import { placesOf, type MappingDocument } from '../mapping/document.ts';
import { putAt, sameValue, segmentsOf, valueAt, type Segments } from '../mapping/place.ts';
import { chainOf, forward } from '../mapping/run.ts';
import { enumOf, schemaAt } from '../mapping/schema.ts';
import { Misfit } from '../mapping/step.ts';
import { overlay } from '../merge/record.ts';
import { hasTable } from './samples.ts';

/** What a remote may do to text without a mapping that says so. */
export const habits = {
  trim: (text: string) => text.trim(),
  lower: (text: string) => text.toLowerCase(),
  upper: (text: string) => text.toUpperCase(),
} as const;
export type Habit = keyof typeof habits;

export interface ModelObject {
  readonly id: string;
  value: JsonObject;
  version: number;
  modifiedAt: number;
  visibleAt: number;
  readonly createdAt: number;
  deleted: boolean;
  /** The call that created it; null for what a person filed. */
  readonly createdBy: string | null;
  /** The gateway has seen it, or was told of it. */
  isKnown: boolean;
}

/** How requests travel to the models. */
export interface Passage {
  now(): number;
  request<T>(model: Model, what: 'read' | 'write', effect: () => T): Promise<T>;
  /** An object has changed: a hook may tell of it. */
  changed(model: Model, object: ModelObject): void;
}

type Turn = readonly [Segments, (value: Json) => Json];

/** What becomes of the value of each place. */
const turnsOf = (documents: readonly MappingDocument[], kind: Kind, habit: Habit | undefined): Turn[] =>
  documents.flatMap((document) =>
    Object.values(document.fields).flatMap((rule) => {
      const declared = chainOf(rule.remote ?? [], undefined, 1);
      return placesOf(rule).flatMap((pointer): Turn[] => {
        const place = segmentsOf(pointer);
        if (place === null) return [];
        const isFree = !hasTable(rule) && enumOf(schemaAt(kind.schema, place) ?? {}) === null;
        const turn = (value: Json): Json => {
          const after = forward(declared, value);
          const known = after instanceof Misfit ? value : after;
          return typeof known === 'string' && isFree && habit !== undefined ? habits[habit](known) : known;
        };
        return [[place, turn]];
      });
    }),
  );

export class Model {
  readonly lane: string;
  readonly kind: Kind;
  readonly objects = new Map<string, ModelObject>();
  /** True if a write is answered with the whole object. */
  readonly answers: boolean;
  /** What it answers now gets lost on the way. */
  unheard = false;
  readonly #turns: readonly Turn[];
  readonly #empty: JsonObject = {};
  readonly #passage: Passage;
  readonly #keys = new Map<string, string>();
  #next = 100;

  constructor(
    lane: string,
    kind: Kind,
    documents: readonly MappingDocument[],
    passage: Passage,
    manner: { readonly answers: boolean; readonly habit?: Habit | undefined },
  ) {
    this.lane = lane;
    this.kind = kind;
    this.#passage = passage;
    this.answers = manner.answers || kind.read === undefined;
    this.#turns = turnsOf(documents, kind, manner.habit);
    for (const [place] of this.#turns) putAt(this.#empty, place, null);
    for (const { anchor } of documents)
      if (anchor !== undefined) putAt(this.#empty, segmentsOf(anchor) ?? [], null);
  }

  live(): ModelObject[] {
    return [...this.objects.values()].filter((object) => !object.deleted);
  }

  create(value: JsonObject, createdBy: string | null): ModelObject {
    this.#next += 1;
    const id = String(this.#next);
    const createdAt = this.#passage.now();
    const empty = structuredClone(this.#empty);
    const made = { id, value: empty, version: 0, modifiedAt: 0, visibleAt: 0, createdAt, createdBy };
    const object: ModelObject = { ...made, deleted: false, isKnown: createdBy === null };
    this.objects.set(id, object);
    this.change(object, value);
    return object;
  }

  change(object: ModelObject, patch: JsonObject): void {
    const value = structuredClone(overlay(object.value, patch));
    for (const [place, turn] of this.#turns) putAt(value, place, turn(valueAt(value, place) ?? null));
    object.value = value;
    this.#moved(object);
  }

  remove(object: ModelObject): void {
    object.deleted = true;
    this.#moved(object);
  }

  #moved(object: ModelObject): void {
    const { resolution = 1, lateness = 0 } = this.kind.stamps ?? {};
    const now = this.#passage.now();
    object.version += 1;
    object.modifiedAt = Math.floor(now / Math.max(1, resolution)) * Math.max(1, resolution);
    object.visibleAt = now + lateness / 2;
    this.#passage.changed(this, object);
  }

  show(object: ModelObject): RemoteObject {
    if (!this.unheard) object.isKnown = true;
    return {
      id: object.id,
      value: structuredClone(object.value),
      ...(this.kind.stamps === undefined ? {} : { modifiedAt: object.modifiedAt }),
      ...(this.kind.guarded === true ? { version: String(object.version) } : {}),
    };
  }

  // -------------------------------------------------------------- as the engine meets it

  #page(objects: readonly ModelObject[], page: string | null): Page {
    const rest = objects.filter(({ id }) => Number(id) > Number(page ?? 0));
    const rows = rest.slice(0, 20);
    return {
      objects: rows.map((one) => this.show(one)),
      next: rest.length > 20 ? (rows.at(-1)?.id ?? null) : null,
    };
  }

  #look(id: string): Look {
    const object = this.objects.get(id);
    return object === undefined || object.deleted
      ? { is: 'gone' }
      : { is: 'object', object: this.show(object) };
  }

  #done(object: ModelObject): ItemResult {
    if (!this.unheard) object.isKnown = true;
    return { is: 'done', id: object.id, ...(this.answers ? { object: this.show(object) } : {}) };
  }

  #standing(item: { readonly id: string; readonly version?: string }): ModelObject | ItemResult {
    const object = this.objects.get(item.id);
    if (object === undefined || object.deleted) return { is: 'gone' };
    const isStale = item.version !== undefined && item.version !== String(object.version);
    return this.kind.guarded === true && isStale ? { is: 'stale' } : object;
  }

  #found(equals: ReadonlyMap<string, Json>, lag: number): string[] {
    const now = this.#passage.now();
    return this.live()
      .filter(({ createdAt }) => createdAt + lag <= now)
      .filter(({ value }) =>
        [...equals].every(([at, wanted]) => sameValue(valueAt(value, segmentsOf(at) ?? []) ?? null, wanted)),
      )
      .map(({ id }) => id);
  }

  #writer<Item>(own: Writer<Item>, write: (item: Item) => ItemResult): Writer<Item> {
    const { most, atomic, keyed } = own;
    return {
      most,
      atomic,
      keyed,
      send: (items) => this.#passage.request(this, 'write', () => items.map(write)),
    };
  }

  /** The kind over the model, for one sync; `wrote` is told what reaches it, `own` what its objects have in common. */
  kindFor(wrote: (value: JsonObject, isNew: boolean) => void, own: JsonObject): Kind {
    const { kind } = this;
    const { read, scan, changes, create, update, remove, find, describe: _, ...rest } = kind;
    const ask = <T>(effect: () => T): Promise<T> => this.#passage.request(this, 'read', effect);
    const created = (item: { key: string; value: JsonObject }): ItemResult => {
      wrote(item.value, true);
      const known = create?.keyed === true ? this.objects.get(this.#keys.get(item.key) ?? '') : undefined;
      const object = known ?? this.create(overlay(own, item.value), item.key);
      this.#keys.set(item.key, object.id);
      return this.#done(object);
    };
    const updated = (item: { id: string; value: JsonObject; version?: string }): ItemResult => {
      wrote(item.value, false);
      const object = this.#standing(item);
      if ('is' in object) return object;
      this.change(object, item.value);
      return this.#done(object);
    };
    const removed = (item: { id: string; version?: string }): ItemResult => {
      wrote({}, false);
      const object = this.#standing(item);
      if ('is' in object) return object;
      this.remove(object);
      return { is: 'done', id: object.id };
    };
    return {
      ...rest,
      ...(read && { read: (ids) => ask(() => new Map(ids.map((id) => [id, this.#look(id)]))) }),
      ...(scan && { scan: (page) => ask(() => this.#page(this.live(), page)) }),
      ...(changes && {
        changes: ({ since, until }, page) =>
          ask(() =>
            this.#page(
              this.live().filter((one) => this.#isIn(one, since, until)),
              page,
            ),
          ),
      }),
      ...(create && { create: this.#writer(create, created) }),
      ...(update && { update: this.#writer(update, updated) }),
      ...(remove && { remove: this.#writer(remove, removed) }),
      ...(find && { find: { ...find, by: (equals) => ask(() => this.#found(equals, find.lag)) } }),
    };
  }

  #isIn({ modifiedAt, visibleAt }: ModelObject, since: number, until: number): boolean {
    return modifiedAt >= since && modifiedAt < until && visibleAt <= this.#passage.now();
  }
}
