/**
 * What stops by itself until somebody has looked: a connection whose credentials are refused, a sync whose budget
 * would be exceeded, all writing where too many ids change. In production the lanes do this; here the engine's
 * passes ask the same switches.
 */
import { Trouble } from '../connector.ts';
import { grantOpen, overText } from '../sync/budget.ts';
import type { Sync } from '../sync/hub.ts';
import { forgiveIds, tooManyIds } from '../sync/ids.ts';
import { allWrites, readSwitches, Switches } from '../sync/switches.ts';
import type { World } from './world.ts';

export class Pauses {
  readonly #world: World;
  #switches: Switches;

  constructor(world: World) {
    this.#world = world;
    this.#switches = new Switches(world.store);
  }

  /** As a process that begins finds them. */
  async read(): Promise<void> {
    this.#switches = await readSwitches(this.#world.store);
  }

  get any(): boolean {
    return this.#switches.pauses().length > 0;
  }

  /** True if this pass is not to be made now. */
  holds(what: string, name: string): boolean {
    if (this.#switches.paused(name) !== undefined) return true;
    return what === 'out' && this.#switches.paused(allWrites) !== undefined;
  }

  /** After a trouble: credentials that are refused pause the connection. */
  async after(sync: Sync, error: unknown): Promise<void> {
    if (!(error instanceof Trouble) || error.kind !== 'forbidden' || error.detail.scoped === true) return;
    await this.#pause(sync.connection, error.message, 'crosswalk');
  }

  async over(sync: Sync, why: string): Promise<void> {
    this.#world.options.tally.guard('budget');
    await this.#pause(sync.name, overText(sync.name, why), 'budget');
  }

  /** After an intake that took something. */
  async checkIds(): Promise<void> {
    const world = this.#world;
    if (this.#switches.paused(allWrites) !== undefined) return;
    const text = await tooManyIds(world.hub, new Set(world.hub.syncs.keys()), world.idChanges);
    if (text === null) return;
    world.options.tally.guard('id changes');
    await this.#pause(allWrites, text, 'guard');
  }

  async #pause(name: string, why: string, by: string): Promise<void> {
    this.#world.say(`paused ${name}: ${why}`);
    await this.#switches.pause(name, why, by, this.#world.time);
  }

  /** Somebody looks at one of the pauses, does what it asks for, and lets it go on. */
  async resume(): Promise<void> {
    const world = this.#world;
    const pause = world.pick(this.#switches.pauses());
    if (pause === undefined) return;
    world.say(`person resumes ${pause.name}`);
    await world.guarded(async () => {
      const { name, by } = pause;
      world.outages.renew(name);
      if (by === 'budget')
        await grantOpen(world.hub, name, world.deletes.get(name)?.deletes === 'propagate', 'sim');
      await this.#switches.resume(name);
      if (name === allWrites) await forgiveIds(world.hub, world.hub.syncs.keys());
    });
  }

  async resumeAll(): Promise<void> {
    while (this.any) await this.resume();
  }
}
