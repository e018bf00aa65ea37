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

export const createAll = (system: ToySystem, wire: Wire, items: readonly CreateItem[]): ItemResult[] => {
  const knownOf = (item: CreateItem): string | undefined =>
    system.traits.keyed ? system.keys.get(item.key) : undefined;
  const refused = items.every((item) => knownOf(item) !== undefined)
    ? []
    : refusal(system, wire, items.length);
  return items.map((item, i): ItemResult => {
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
  });
};

export const updateAll = (system: ToySystem, wire: Wire, items: readonly UpdateItem[]): ItemResult[] => {
  const refused = refusal(system, wire, items.length);
  return items.map((item, i): ItemResult => {
    if (refused[i] === true) return { is: 'refused', message: 'not valid', code: 'INVALID' };
    const object = system.objects.get(item.id);
    wire.written(system, item.key, item.id);
    if (object === undefined || object.deleted) return goneThere(object);
    if (system.traits.guarded && item.version !== undefined && item.version !== String(object.version))
      return { is: 'stale' };
    if (!wire.ignores(system))
      system.change(object, item.value as Record<string, Json>, 'gateway', wire.now(), item.key);
    return {
      is: 'done',
      id: object.id,
      ...(system.traits.answers ? { object: system.deliverLook(object) } : {}),
    };
  });
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
  if (system.traits.guarded && item.version !== undefined && item.version !== String(object.version))
    return { is: 'stale' };
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
      if (wire.fault('remove cut before effect', 0.25)) throw cut();
      const results = items.map((item) => removeOne(system, wire, item));
      if (wire.fault('remove cut after effect', 0.3)) throw cut();
      return results;
    }),
});
