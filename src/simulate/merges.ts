/** Records become one and two again: people merge, unmerge and reject at the hub, and merge objects inside a system. */
import { isStanding } from '../merge/deletion.ts';
import { intoOf } from '../merge/redirect.ts';
import type { Json } from '../connector.ts';
import { recordOf } from '../sync/hub.ts';
import { ordered, tellApart, tryMerge, tryUnmerge } from '../sync/identity.ts';
import { standingRun } from '../sync/runs.ts';
import { toyFields, type ToyObject, type ToySystem } from './toy.ts';
import type { World } from './world.ts';

const all = 1_000_000;
const by = 'person:sim';

export class Merges {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Merges, unmerges or rejects something, if chance wants it and there is something. */
  async decide(): Promise<boolean> {
    const world = this.#world;
    const rows = await world.store.list('record', 'entity', { where: { entity: 'person' }, limit: all });
    const records = rows.map(recordOf);
    const standing = records.filter(isStanding);
    const merged = records.filter((record) => intoOf(record) !== null);
    const candidates = await world.store.list('candidate', 'at', { where: {}, limit: 20 });
    const candidate = world.pick(candidates);
    const told = candidate === undefined ? undefined : ([candidate['a'], candidate['b']] as [string, string]);
    if (told !== undefined && world.fault('rejected', 0.75)) return this.#reject(told);
    const gone = world.pick(merged);
    if (gone !== undefined && world.fault('unmerged', 0.35)) return this.#unmerge(gone.id);
    const [one, other] = [world.pick(standing), world.pick(standing)];
    // Who forgets what has been said of two records asks for them again.
    const apart = world.chance(0.3)
      ? world.pick(await world.store.list('apart', 'a', { where: {}, limit: 20 }))
      : undefined;
    const asked = apart ??
      (world.chance(0.5) ? candidate : undefined) ?? { a: one?.id ?? '', b: other?.id ?? '' };
    const pair: [string, string] = [String(asked['a']), String(asked['b'])];
    if (pair[0] === pair[1] || !world.fault('merged', 0.5)) return false;
    return this.#merge(pair);
  }

  async #run(): Promise<string> {
    return standingRun(this.#world.hub, 'upkeep', 'people', new Set());
  }

  async #merge([a, b]: [string, string]): Promise<boolean> {
    const world = this.#world;
    await world.guarded(async () => {
      const pick = (): ReturnType<typeof ordered> => ordered(world.hub, a, b);
      const outcome = await tryMerge(world.hub, pick, { by, cause: by }, await this.#run());
      world.say(`person merges ${a} and ${b}: ${JSON.stringify(outcome)}`);
      world.options.tally.row(`merge: ${'is' in outcome ? outcome.is : 'done'}`);
    });
    return true;
  }

  async #unmerge(id: string): Promise<boolean> {
    const world = this.#world;
    await world.guarded(async () => {
      const bar = await tryUnmerge(world.hub, id, by, await this.#run());
      world.say(`person unmerges ${id}: ${JSON.stringify(bar)}`);
      world.options.tally.row(`unmerge: ${bar === null ? 'done' : bar.is}`);
    });
    return true;
  }

  async #reject([a, b]: [string, string]): Promise<boolean> {
    const world = this.#world;
    world.say(`person says that ${a} and ${b} are not the same`);
    await world.guarded(async () => {
      const [one, other] = await ordered(world.hub, a, b);
      if (one.id !== other.id) await tellApart(world.hub, a, b, 'sim', await this.#run());
    });
    return true;
  }

  /** A person merges two objects inside a system: one goes, and the other takes what it has not. */
  there(): boolean {
    const world = this.#world;
    const system = world.pick(world.systems.filter(({ traits }) => traits.readable));
    const objects = [...(system?.objects.values() ?? [])].filter(({ deleted }) => !deleted);
    const [stays, goes] = [world.pick(objects), world.pick(objects)];
    if (system === undefined || stays === undefined || goes === undefined || stays === goes) return false;
    if (!world.fault('merged there', 0.25)) return false;
    world.say(`person merges ${goes.id} into ${stays.id}`);
    absorb(system, stays, goes, world.time);
    world.send(system);
    return true;
  }
}

const absorb = (system: ToySystem, stays: ToyObject, goes: ToyObject, now: number): void => {
  const empty = toyFields.filter((field) => (stays.value[field] ?? null) === null);
  const patch = empty.flatMap((field): [string, Json][] => {
    const value = goes.value[field] ?? null;
    return value === null ? [] : [[field, value]];
  });
  system.change(goes, {}, 'person', now, null);
  goes.deleted = true;
  goes.movedTo = stays.id;
  goes.movedAt = now;
  system.change(stays, Object.fromEntries(patch), 'person', now, null);
};
