/**
 * The network between the gateway and the toy systems: it cuts, delays and doubles what travels, and lets
 * other things happen meanwhile.
 */
import { Trouble, type ItemResult, type Look } from '../connector.ts';
import { accept } from '../sync/accept.ts';
import type { Fault } from './faults.ts';
import type { Outages } from './outages.ts';
import { sentWrongly } from './sent.ts';
import type { ToyHook, ToySystem, Wire } from './toy.ts';
import type { World } from './world.ts';

const troubleOf = ({ kind, detail }: Trouble): string =>
  kind === 'forbidden' && detail.scoped === true ? 'forbidden, one object' : kind;

/** The troubles that single items of an answer speak of. */
const troublesIn = (result: unknown): string[] => {
  if (result instanceof Map)
    return [...(result as ReadonlyMap<string, Look>).values()].flatMap(({ is }) =>
      is === 'gone'
        ? 'gone, at a look'
        : is === 'moved'
          ? 'moved to'
          : is === 'denied'
            ? 'forbidden, one object'
            : [],
    );
  if (!Array.isArray(result)) return [];
  return (result as readonly (ItemResult | string)[]).flatMap((one) =>
    typeof one === 'string' || one.is === 'done' ? [] : `${one.is}, one item`,
  );
};

const shown = (result: unknown): string =>
  (result instanceof Map ? JSON.stringify([...result]) : JSON.stringify(result)).slice(0, 2000);

/** The effect of a request whose answer gets lost: nobody has seen what it shows. */
const unheard = (system: ToySystem, effect: () => unknown): (() => void) => {
  return () => {
    system.unheard = true;
    try {
      effect();
    } finally {
      system.unheard = false;
    }
  };
};

export class Network implements Wire {
  readonly #world: World;
  /** Requests that asked to read. */
  reads = 0;
  /** Writes that have reached a system. */
  #sent = 0;
  /** Hooks on their way. */
  #hooks: { hook: ToyHook; at: number }[] = [];
  /** Writes that the gateway has given up, and that still take effect. */
  readonly #landing: { at: number; effect: () => void }[] = [];
  #late = false;

  constructor(world: World) {
    this.#world = world;
  }

  now(): number {
    return this.#world.time;
  }

  fault(name: Fault, p: number): boolean {
    return this.#world.fault(name, p);
  }

  get outages(): Outages {
    return this.#world.outages;
  }

  ignores(): boolean {
    return this.fault('write ignored', 0.02);
  }

  refuses(): boolean {
    return this.fault('item refused', 0.015);
  }

  async request<T>(system: ToySystem, what: 'read' | 'write', effect: () => T): Promise<T> {
    if (what === 'read') this.reads += 1;
    try {
      const result = await this.#travel(system, what, effect);
      troublesIn(result).forEach((name) => this.#note(name));
      return result;
    } catch (error) {
      if (error instanceof Trouble) this.#note(troubleOf(error));
      throw error;
    }
  }

  #note(trouble: string): void {
    const { tally } = this.#world.options;
    tally.trouble(trouble);
    if (trouble.startsWith('stale')) tally.guard('version guard');
  }

  async #travel<T>(system: ToySystem, what: 'read' | 'write', effect: () => T): Promise<T> {
    const world = this.#world;
    world.time += 1 + Math.floor(world.random() * 40);
    if (this.fault('unreachable', 0.02)) throw new Trouble('unreachable', { message: 'connection refused' });
    if (this.fault('busy', 0.02))
      throw new Trouble('busy', { message: 'too many requests', retryAfter: 5000 });
    this.outages.meet(system);
    await this.#meanwhile();
    if (what === 'read' && this.fault('read cut', 0.01))
      throw new Trouble('unknown', { message: 'connection reset' });
    if (what === 'write') this.#cut(unheard(system, effect));
    const result = effect();
    world.say(`${system.traits.name} ${what} ${shown(result)}`);
    world.time += 1 + Math.floor(world.random() * 40);
    await this.#meanwhile();
    return result;
  }

  /** Cuts a write, if it is to be cut: before it takes effect, after, or long before. */
  #cut(effect: () => void): void {
    const cut = (): Trouble => new Trouble('unknown', { message: 'timed out' });
    if (this.fault('write cut before effect', 0.02)) throw cut();
    if (this.fault('write lands late', 0.015)) {
      const world = this.#world;
      this.#landing.push({ at: world.time + Math.floor(world.random() * 20_000), effect });
      throw cut();
    }
    if (this.fault('write cut after effect', 0.02)) {
      effect();
      throw cut();
    }
  }

  written(system: ToySystem, call: string): void {
    const world = this.#world;
    this.#sent += 1;
    if (this.#late) return;
    void sentWrongly(world, world.joining, system, call).then((wrong) => world.violations.push(...wrong));
  }

  /** While a request is under way, people edit, hooks arrive, other lanes work. */
  async #meanwhile(): Promise<void> {
    const world = this.#world;
    if (world.quiet || world.engine.depth > 2) return;
    if (!world.options.faults.has('meanwhile') || !world.chance(0.15)) return;
    world.options.tally.fault('meanwhile');
    const roll = world.random();
    if (roll < 0.4) world.people.edit();
    else if (roll < 0.7) await this.hook();
    else if (roll < 0.85) await world.engine.work();
    else world.time += Math.floor(world.random() * 3000);
  }

  /** Hooks that a system has sent get under way: lost, doubled, or later. */
  send(system: ToySystem): void {
    for (const hook of system.hooks.splice(0)) {
      if (this.fault('hook lost', 0.1)) continue;
      this.#hooks.push({ hook, at: this.#world.time });
      if (this.fault('hook doubled', 0.05)) this.#hooks.push({ hook, at: this.#world.time });
    }
  }

  /** One hook arrives, not always the oldest. */
  async hook(): Promise<void> {
    const world = this.#world;
    for (const system of world.systems) this.send(system);
    const shuffled = this.#hooks.length > 1 && this.fault('hook out of order', 0.3);
    const [next] = this.#hooks.splice(shuffled ? Math.floor(world.random() * this.#hooks.length) : 0, 1);
    if (next === undefined) return;
    const { system: name, id, object } = next.hook;
    const sender = world.systems.find((one) => one.traits.name === name);
    const { hub } = world;
    if (!hub.syncs.has(name)) return;
    if (this.#sent > 0 && world.engine.isBusy(`out:${name}`))
      world.options.tally.fault('hook before response');
    const hookId = hub.newId('h');
    world.say(`hook ${hookId} ${id}`);
    const gone = sender?.objects.get(id)?.deleted === true;
    const hint = { kind: 'person', id, ...(sender?.traits.fullHooks === true && !gone ? { object } : {}) };
    const hook = { id: hookId, connection: name, url: '', headers: {}, body: Buffer.from(id) };
    const acked = await world.guarded(async () => {
      await accept(world.hub, hook, [hint], world.engine.runs);
      return true;
    });
    if (acked === true && (await world.store.get('hook', { id: hookId })) === undefined) {
      world.violations.push(`P1: hook ${hookId} was acknowledged but is not on disk`);
    }
  }

  /** Writes that were given up and are due now take effect. */
  land(): void {
    const world = this.#world;
    for (const one of this.#landing.filter((entry) => entry.at <= world.time)) {
      this.#landing.splice(this.#landing.indexOf(one), 1);
      world.say('a late write lands');
      try {
        this.#late = true;
        one.effect();
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
      } finally {
        this.#late = false;
      }
    }
  }

  /** Hooks that are under way or about to be. */
  hasHooks(): boolean {
    return this.#hooks.length > 0 || this.#world.systems.some((system) => system.hooks.length > 0);
  }

  isUnderWay(): boolean {
    return this.hasHooks() || this.#landing.length > 0;
  }

  /** Hooks that have not arrived yet never will. */
  drop(): void {
    this.#hooks = [];
    for (const system of this.#world.systems) system.hooks.splice(0);
  }
}
