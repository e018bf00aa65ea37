/**
 * What lasts for a while in a toy system: credentials that have expired, a storm of "too many requests", a place in
 * its pages that it has forgotten, a right that was taken away.
 */
import { Trouble } from '../connector.ts';
import type { ToyObject, ToySystem } from './toy.ts';
import type { World } from './world.ts';

const stormMost = 60_000;
const deniedFor = 120_000;

export class Outages {
  readonly #world: World;
  readonly #expired = new Set<string>();
  /** By system: UTC ms until which it answers 429. */
  readonly #storms = new Map<string, number>();
  /** By system: how often it has forgotten where everybody was. */
  readonly #ages = new Map<string, number>();
  readonly #hidden = new Set<string>();
  /** Systems that have begun to show a scan whole. */
  readonly #whole = new Set<string>();
  /** By object: the tick at which a scan hid it from who had never seen the system whole. */
  readonly unshown = new Map<string, number>();
  /** By object: when somebody last took away the right to read it. */
  readonly #denied = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Throws if this system answers nobody now. */
  meet({ traits: { name } }: ToySystem): void {
    const world = this.#world;
    if (world.fault('credentials expired', 0.002)) this.#expired.add(name);
    if (this.#expired.has(name))
      throw new Trouble('forbidden', { message: 'the token has expired', status: 401 });
    if (world.fault('busy for a while', 0.002))
      this.#storms.set(name, world.time + 5000 + Math.floor(world.random() * stormMost));
    const wait = world.quiet ? 0 : (this.#storms.get(name) ?? 0) - world.time;
    if (wait > 0) throw new Trouble('busy', { message: 'too many requests', status: 429, retryAfter: wait });
  }

  /** Somebody has renewed the credentials. */
  renew(system: string): void {
    this.#expired.delete(system);
  }

  /** The token of a page behind this object. */
  pageAfter({ traits: { name } }: ToySystem, id: string): string {
    return `${this.#ages.get(name) ?? 0}:${id}`;
  }

  /** The object behind which a page begins. Throws if the system has forgotten. */
  placeOf({ traits: { name } }: ToySystem, page: string): string {
    const age = this.#ages.get(name) ?? 0;
    if (this.#world.fault('cursor lost', 0.04)) this.#ages.set(name, age + 1);
    const [told, id = ''] = page.split(':');
    if (told !== String(this.#ages.get(name) ?? 0))
      throw new Trouble('cursor-lost', { message: 'the page token is not known' });
    return id;
  }

  /** What a whole scan shows: nearly nothing, if a filter of the account hides the rest. */
  shown({ traits: { name }, tick }: ToySystem, objects: ToyObject[], isFirst: boolean): ToyObject[] {
    if (isFirst) {
      this.#hidden.delete(name);
      const isMany = objects.length >= 20;
      if (objects.length >= 6 && this.#world.fault('scan nearly empty', isMany ? 0.4 : 0.05))
        this.#hidden.add(name);
    }
    if (!this.#hidden.has(name) || this.#world.quiet) {
      this.#whole.add(name);
      return objects;
    }
    const isSeen = (_: ToyObject, i: number): boolean => i % 5 === 1;
    if (!this.#whole.has(name))
      for (const { id } of objects.filter((one, i) => !isSeen(one, i))) this.unshown.set(id, tick);
    return objects.filter(isSeen);
  }

  /** True if this object may not be read now. */
  denies({ id }: ToyObject): boolean {
    const world = this.#world;
    const since = world.time - (this.#denied.get(id) ?? Number.NEGATIVE_INFINITY);
    if (since < deniedFor) return !world.quiet;
    // Not the same one at once again.
    if (since < 10 * deniedFor || !world.fault('read denied', 0.01)) return false;
    this.#denied.set(id, world.time);
    return true;
  }
}
