/** The gateway's process in the simulator: the production engine over a store that may die at any commit. */
import { Trouble } from '../connector.ts';
import type { FieldRule } from '../merge/policy.ts';
import type { Group, Store } from '../store/store.ts';
import { catchUp } from '../sync/catch-up.ts';
import { deliver } from '../sync/deliver.ts';
import type { CallItem, Hub, Sync } from '../sync/hub.ts';
import { intake } from '../sync/intake.ts';
import { workUndos } from '../sync/owed.ts';
import { standingRun } from '../sync/runs.ts';
import { poll, sweep } from '../sync/sweep.ts';
import { recover } from '../sync/unsettled.ts';
import { guardsIn } from './coverage.ts';
import { forgetCalls } from './forgetting.ts';
import { plainRule } from './draw.ts';
import { toyLens } from './toy-lens.ts';
import { toyKind } from './toy.ts';
import type { World } from './world.ts';

/** The process dies here: nothing may catch it but the engine's own frame. */
class Crash extends Error {}

/** Where a scenario draws no rules. */
const paced: FieldRule = { ...plainRule, conflict: 'newest', clear: 'take' };

export class Engine {
  readonly #world: World;
  hub: Hub;
  /** The runs that this process has open. */
  runs = new Set<string>();
  /** How many calls of the engine are within each other. */
  depth = 0;
  /** Which process is alive: grows with each crash. */
  #life = 0;
  #ids = 0;
  readonly #busy = new Set<string>();
  #owed = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
    this.hub = this.#start();
  }

  isBusy(lock: string): boolean {
    return this.#busy.has(lock);
  }

  // -------------------------------------------------------------- set-up

  #start(): Hub {
    const world = this.#world;
    const { mutation, tally } = world.options;
    const { transitions } = world;
    return {
      store: this.#crashing(world.store),
      syncs: this.#syncs(),
      entities: new Map([
        [
          'person',
          { name: 'person', keys: [['email']], ...(transitions === undefined ? {} : { transitions }) },
        ],
      ]),
      now: () => world.time,
      newId: (prefix) => {
        this.#ids += 1;
        return `${prefix}${String(this.#ids).padStart(6, '0')}`;
      },
      random: () => world.random(),
      nudge: () => undefined,
      alarm: (subject, text) => {
        world.say(`alarm ${subject}: ${text}`);
        if (subject.startsWith('source ')) tally.guard('shrunken source');
      },
      reached: (row) => tally.row(row),
      ...(mutation === undefined ? {} : { mutation }),
    };
  }

  #syncs(): Map<string, Sync> {
    const world = this.#world;
    const syncs = new Map<string, Sync>();
    for (const system of world.systems) {
      const { name } = system.traits;
      const standing = world.joining.standing(name);
      if (standing === 'absent') continue;
      const rules = world.rules.get(name) ?? {};
      syncs.set(name, {
        name,
        connection: name,
        lane: `${name}/person`,
        kindName: 'person',
        kind: toyKind(system, world.network),
        entity: 'person',
        lens: toyLens(system.traits),
        rules: (field) => rules[field] ?? (world.isPaced ? { ...paced, key: field === 'email' } : plainRule),
        inward: true,
        outward: standing === 'in',
        create: true,
        required: [],
        ...world.bounds.get(name),
        ...world.deletes.get(name),
      });
    }
    return syncs;
  }

  /** The store of one process, which may die before or after any commit, and commits nothing once it is dead. */
  #crashing(store: Store): Store {
    const world = this.#world;
    const life = this.#life;
    return {
      commit: async (groups: readonly Group[]) => {
        if (life !== this.#life) throw new Crash('dead');
        if (this.depth > 0 && world.fault('crash before commit', 0.004)) throw this.#die('before');
        const outcome = await store.commit(groups);
        this.#watch(groups, outcome);
        if (this.depth > 0 && world.fault('crash after commit', 0.004)) throw this.#die('after');
        return outcome;
      },
      get: (table, key) => store.get(table, key),
      many: (table, keys) => store.many(table, keys),
      list: (table, index, options) => store.list(table, index, options),
      count: (table, index, where) => store.count(table, index, where),
      close: () => store.close(),
    };
  }

  /** Tallies the guards that a commit shows, and notes its calls. */
  #watch(groups: readonly Group[], outcome: readonly boolean[]): void {
    const { tally } = this.#world.options;
    for (const [i, group] of groups.entries()) {
      if (outcome[i] === false) tally.guard('group overtaken');
      else {
        for (const name of guardsIn(group)) tally.guard(name);
        for (const one of group.write)
          if (one.op === 'put' && one.table === 'call')
            this.#world.calls.set(String(one.row['id']), one.row['item'] as CallItem);
      }
    }
  }

  // -------------------------------------------------------------- work

  /** One pass somewhere. */
  async work(): Promise<void> {
    const world = this.#world;
    const system = world.pick(world.systems);
    if (system === undefined) return;
    const { name } = system.traits;
    const roll = world.random();
    if (roll < 0.03) await this.pass('undo');
    else if (roll < 0.45) await this.pass(`in:${name}`);
    else if (roll < 0.85) await this.pass(`out:${name}`);
    else if (roll < 0.97) await this.pass(`poll:${name}`);
    else await this.pass(`sweep:${name}`);
  }

  /** A lane has one holder: a pass that is under way is not begun again inside itself. */
  async pass(lock: string): Promise<number> {
    if (this.#busy.has(lock)) return 0;
    const [what = '', name = ''] = lock.split(':');
    const sync = this.hub.syncs.get(name);
    if (sync === undefined && what !== 'undo') return 0;
    if (this.#world.pauses.holds(what, name)) return 0;
    this.#busy.add(lock);
    this.#world.say(`pass ${lock}`);
    const done = await this.guarded(async () => {
      if (sync === undefined) return (await workUndos(this.hub, this.#owed)) ? 1 : 0;
      return this.#passOf(what, sync).catch(async (error: unknown) => {
        await this.#world.pauses.after(sync, error);
        throw error;
      });
    });
    this.#busy.delete(lock);
    return done ?? 0;
  }

  async #passOf(what: string, sync: Sync): Promise<number> {
    const run = await standingRun(this.hub, 'upkeep', sync.lane, this.runs);
    const { pauses } = this.#world;
    if (what === 'in') {
      const { taken } = await intake(this.hub, sync.lane, run, 4);
      if (taken > 0) await pauses.checkIds();
      return taken;
    }
    if (what === 'out') {
      const more = this.#world.options.mutation !== 'no-catch-up' && (await catchUp(this.hub, sync));
      if (!sync.outward) return 0;
      const { taken, trouble, over } = await deliver(this.hub, sync, run, 4);
      if (over !== undefined) await pauses.over(sync, over);
      await pauses.after(sync, trouble);
      return taken + (more ? 1 : 0);
    }
    if (what === 'poll') return (await poll(this.hub, sync.lane)).read;
    return (await sweep(this.hub, sync.lane)).read;
  }

  // -------------------------------------------------------------- life and death

  /** Runs engine code; a trouble ends the pass, a crash ends the process and all passes in it. */
  async guarded<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.depth += 1;
    try {
      return await work();
    } catch (error) {
      if (error instanceof Trouble) return undefined;
      if (error instanceof Crash && this.depth === 1) {
        await this.restart();
        return undefined;
      }
      throw error;
    } finally {
      this.depth -= 1;
    }
  }

  /** From this moment nothing of this process commits any more, whatever else it had under way. */
  #die(moment: string): Crash {
    this.#life += 1;
    return new Crash(moment);
  }

  async restart(): Promise<void> {
    this.#life += 1;
    this.#busy.clear();
    this.runs = new Set();
    this.#owed = new Map();
    this.hub = this.#start();
    const depth = this.depth;
    this.depth = 0;
    const { store, options, pauses } = this.#world;
    await pauses.read();
    if (options.mutation === 'forget-crashed-calls') await forgetCalls(store);
    else await recover(this.hub, await standingRun(this.hub, 'upkeep', 'recovery', this.runs));
    this.depth = depth;
  }
}
