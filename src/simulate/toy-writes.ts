/** What a toy system makes of the writes that reach it: creates, updates, removals. */
import {
  Trouble,
  type CreateItem,
  type ItemResult,
  type Json,
  type RemoveItem,
  type UpdateItem,
  type Writer,
} from '../connector.ts';
import type { ToyObject, ToySystem, Wire } from './toy.ts';

const refusal = (system: ToySystem, wire: Wire, n: number): boolean[] => {
  const refused = Array.from({ length: n }, () => wire.refuses(system));
  if (system.traits.atomic && refused.includes(true))
    throw new Trouble('refused', { message: 'one of the items is not valid', code: 'BATCH' });
  return refused;
};

/** A right that one object lacks: 403 for the call, where a call is of one item. */
const forbids = (wire: Wire, n: number): void => {
  if (n === 1 && wire.fault('item forbidden', 0.015))
    throw new Trouble('forbidden', { message: 'you may not change this', status: 403, scoped: true });
};

/** Where a call is of one item, its result is that of the call: 404, 409, 422. */
const answered = (system: ToySystem, results: ItemResult[]): ItemResult[] => {
  const [only] = results;
  if (system.traits.batch === 1 && results.length === 1 && only !== undefined) {
    if (only.is === 'gone' || only.is === 'stale') throw new Trouble(only.is, { message: 'not as it was' });
    if (only.is === 'refused')
      throw new Trouble('refused', { message: only.message, ...(only.code ? { code: only.code } : {}) });
  }
  return results;
};

/** Writes without anybody hearing of what it shows then. */
const unheard = <T>(system: ToySystem, is: boolean, write: () => T): T => {
  const before = system.unheard;
  system.unheard = before || is;
  try {
    return write();
  } finally {
    system.unheard = before;
  }
};

const unknown = { is: 'unknown' as const, message: 'the deadline of this item has passed' };

/** Item after item of a call; the answer may not tell the outcome of one, whether it took effect or not. */
const each = <Item>(
  system: ToySystem,
  wire: Wire,
  items: readonly Item[],
  write: (item: Item, i: number) => ItemResult,
): ItemResult[] => {
  // Expiry inside a 200: the call went well, and one of its items was given up.
  const most = items.length > 1 && wire.fault('answer cut short', 0.03) ? items.length - 1 : items.length;
  const isMany = system.traits.batch > 1;
  const results = items.map((item, i): ItemResult => {
    if (isMany && wire.fault('item unknown before effect', 0.015)) return unknown;
    const isLost = isMany && wire.fault('item unknown after effect', 0.015);
    const result = unheard(system, isLost || i >= most, () => write(item, i));
    return isLost ? unknown : result;
  });
  return answered(system, results.slice(0, most));
};

export const createAll = (system: ToySystem, wire: Wire, items: readonly CreateItem[]): ItemResult[] => {
  const knownOf = (item: CreateItem): string | undefined =>
    system.traits.keyed ? system.keys.get(item.key) : undefined;
  const isRepeat = items.every((item) => knownOf(item) !== undefined);
  if (!isRepeat) forbids(wire, items.length);
  const refused = isRepeat ? [] : refusal(system, wire, items.length);
  const create = (item: CreateItem, i: number): ItemResult => {
    const known = knownOf(item);
    if (refused[i] === true && known === undefined)
      return { is: 'refused', message: 'not valid', code: 'INVALID' };
    const old = known === undefined ? undefined : system.objects.get(known);
    wire.written(system, item.key, '');
    const object = old ?? system.create(item.value as Record<string, Json>, 'gateway', wire.now(), item.key);
    system.keys.set(item.key, object.id);
    return {
      is: 'done',
      id: object.id,
      ...(system.traits.answers ? { object: system.deliverLook(object) } : {}),
    };
  };
  return each(system, wire, items, create);
};

const isStale = (
  { traits, objects }: ToySystem,
  { id, version }: { readonly id: string; readonly version?: string },
): boolean => {
  const object = objects.get(id);
  return (
    traits.guarded && object !== undefined && version !== undefined && version !== String(object.version)
  );
};

export const updateAll = (system: ToySystem, wire: Wire, items: readonly UpdateItem[]): ItemResult[] => {
  forbids(wire, items.length);
  const refused = refusal(system, wire, items.length);
  if (system.traits.atomic && items.length > 1 && items.some((item) => isStale(system, item)))
    throw new Trouble('stale', { message: 'one of the items is not as it was', status: 409 });
  const update = (item: UpdateItem, i: number): ItemResult => {
    if (refused[i] === true) return { is: 'refused', message: 'not valid', code: 'INVALID' };
    const object = system.objects.get(item.id);
    wire.written(system, item.key, item.id);
    if (object === undefined || object.deleted) return goneThere(object);
    if (isStale(system, item)) return { is: 'stale' };
    if (!wire.ignores(system))
      system.change(object, item.value as Record<string, Json>, 'gateway', wire.now(), item.key);
    return {
      is: 'done',
      id: object.id,
      ...(system.traits.answers ? { object: system.deliverLook(object) } : {}),
    };
  };
  return each(system, wire, items, update);
};

/** What a system says of an object that is not there, or was merged into another. */
const goneThere = (object: ToyObject | undefined): ItemResult =>
  object?.movedTo === undefined ? { is: 'gone' } : { is: 'gone', movedTo: object.movedTo };

const removeOne = (system: ToySystem, wire: Wire, item: RemoveItem): ItemResult => {
  wire.written(system, item.key, item.id);
  if (wire.refuses(system)) return { is: 'refused', message: 'not allowed', code: 'LOCKED' };
  const object = system.objects.get(item.id);
  if (object === undefined || object.deleted)
    return system.traits.removes === 'silent' ? { is: 'done', id: item.id } : goneThere(object);
  if (isStale(system, item)) return { is: 'stale' };
  if (!wire.ignores(system)) system.live(object, true, 'gateway', wire.now(), item.key);
  return { is: 'done', id: item.id };
};

export const toyRemover = (system: ToySystem, wire: Wire): Writer<RemoveItem> => ({
  most: system.traits.batch,
  atomic: false,
  keyed: system.traits.removes === 'silent',
  send: (items) =>
    wire.request(system, 'write', () => {
      const cut = (): Trouble => new Trouble('unknown', { message: 'timed out' });
      forbids(wire, items.length);
      if (wire.fault('remove cut before effect', 0.25)) throw cut();
      const results = each(system, wire, items, (item) => removeOne(system, wire, item));
      if (wire.fault('remove cut after effect', 0.5)) throw cut();
      return results;
    }),
});
