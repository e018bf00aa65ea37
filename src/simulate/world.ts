/**
 * The world around the engine: two or three toy systems, people who edit them, a network that fails, a
 * process that dies at any commit. Everything follows from one seed; time passes only when the world says.
 */
import { Trouble } from '../connector.ts';
import type { FieldRule } from '../merge/policy.ts';
import { SqliteStore } from '../store/sqlite.ts';
import type { Group, Store } from '../store/store.ts';
import { accept } from '../sync/accept.ts';
import { catchUp } from '../sync/catch-up.ts';
import { deliver } from '../sync/deliver.ts';
import type { CallItem, Hub, Mutation, Sync } from '../sync/hub.ts';
import { intake } from '../sync/intake.ts';
import { workUndos } from '../sync/owed.ts';
import { closeRuns, standingRun } from '../sync/runs.ts';
import { poll, sweep } from '../sync/sweep.ts';
import { recover } from '../sync/unsettled.ts';
import { drawDeletes, drawRules, drawTraits, generator, type Dice } from './draw.ts';
import type { Fault, Tally } from './faults.ts';
import { forgetCalls } from './forgetting.ts';
import { Joining } from './joining.ts';
import { Merges } from './merges.ts';
import { People } from './people.ts';
import { sentWrongly } from './sent.ts';
import { toyKind, toyLens, ToySystem, type ToyHook, type Wire } from './toy.ts';

/** The process dies here: nothing may catch it but the world. */
class Crash extends Error {}

const shown = (result: unknown): string =>
  (result instanceof Map ? JSON.stringify([...result]) : JSON.stringify(result)).slice(0, 2000);

export interface WorldOptions {
  readonly seed: number;
  readonly steps: number;
  readonly faults: ReadonlySet<Fault>;
  readonly mutation?: Mutation;
  readonly tally: Tally;
  /** Prints every action, for replaying a failure. */
  readonly say?: (text: string) => void;
}

export class World implements Wire, Dice {
  readonly options: WorldOptions;
  readonly random: () => number;
  readonly systems: ToySystem[] = [];
  readonly people = new People(this);
  readonly merges = new Merges(this);
  readonly store: Store;
  readonly violations: string[] = [];
  /** The item of each call, noted when it reaches the remote. */
  readonly sent = new Map<string, CallItem>();
  #sent = 0;
  hub: Hub;
  time = Date.UTC(2026, 0, 5);
  /** True once edits and faults have stopped. */
  quiet = false;
  /** Which process is alive: grows with each crash. */
  #life = 0;
  #ids = 0;
  #hooks: { hook: ToyHook; at: number }[] = [];
  #landing: { at: number; effect: () => void }[] = [];
  #busy = new Set<string>();
  #depth = 0;
  #late = false;
  #runs = new Set<string>();
  #owed = new Map<string, string>();
  #step = 0;
  readonly #joining: Joining;
  readonly rules: ReadonlyMap<string, Record<string, FieldRule>>;
  readonly deletes: ReadonlyMap<string, Pick<Sync, 'deletes' | 'resurrect'>>;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = generator(options.seed * 2654435761);
    this.store = new SqliteStore({ file: ':memory:', immediate: true });
    const count = this.random() < 0.5 ? 2 : 3;
    for (let i = 0; i < count; i += 1) this.systems.push(new ToySystem(drawTraits(this, 'ABC'[i] ?? 'A')));
    this.rules = drawRules(
      this,
      this.systems.map((system) => system.traits.name),
    );
    this.deletes = drawDeletes(this, [...this.rules.keys()]);
    this.#joining = new Joining(this, options.faults.has('joined late') ? this.systems : []);
    this.hub = this.#start();
  }

  now(): number {
    return this.time;
  }

  chance(p: number): boolean {
    return this.random() < p;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  say(text: string): void {
    this.options.say?.(
      `${new Date(this.time).toISOString().slice(11, 23)} ${'  '.repeat(this.#depth)}${text}`,
    );
  }

  fault(name: Fault, p: number): boolean {
    if (this.quiet || !this.options.faults.has(name) || !this.chance(p)) return false;
    this.options.tally.fault(name);
    this.say(`! ${name}`);
    return true;
  }

  // -------------------------------------------------------------- set-up

  #start(): Hub {
    const syncs = new Map<string, Sync>();
    for (const system of this.systems) {
      const { name } = system.traits;
      const standing = this.#joining.standing(name);
      if (standing === 'absent') continue;
      const rules = this.rules.get(name) ?? {};
      const fallback: FieldRule = {
        role: 'writer',
        conflict: 'ask',
        clear: 'restore',
        protected: false,
        key: false,
      };
      syncs.set(name, {
        name,
        connection: name,
        lane: `${name}/person`,
        kindName: 'person',
        kind: toyKind(system, this),
        entity: 'person',
        lens: toyLens(system.traits),
        rules: (field) => rules[field] ?? fallback,
        inward: true,
        outward: standing === 'in',
        create: true,
        required: [],
        ...this.deletes.get(name),
      });
    }
    const { mutation, tally } = this.options;
    return {
      store: this.#crashing(this.store),
      syncs,
      entities: new Map([['person', { name: 'person', keys: [['email']] }]]),
      now: () => this.time,
      newId: (prefix) => {
        this.#ids += 1;
        return `${prefix}${String(this.#ids).padStart(6, '0')}`;
      },
      random: () => this.random(),
      nudge: () => undefined,
      alarm: (subject, text) => this.say(`alarm ${subject}: ${text}`),
      reached: (row) => tally.row(row),
      ...(mutation === undefined ? {} : { mutation }),
    };
  }

  /** The store of one process, which may die before or after any commit, and commits nothing once it is dead. */
  #crashing(store: Store): Store {
    const life = this.#life;
    return {
      commit: async (groups: readonly Group[]) => {
        if (life !== this.#life) throw new Crash('dead');
        if (this.#depth > 0 && this.fault('crash before commit', 0.004)) throw this.#die('before');
        const outcome = await store.commit(groups);
        if (outcome.includes(false)) this.options.tally.row('group overtaken');
        if (this.#depth > 0 && this.fault('crash after commit', 0.004)) throw this.#die('after');
        return outcome;
      },
      get: (table, key) => store.get(table, key),
      many: (table, keys) => store.many(table, keys),
      list: (table, index, options) => store.list(table, index, options),
      count: (table, index, where) => store.count(table, index, where),
      close: () => store.close(),
    };
  }

  /** From this moment nothing of this process commits any more, whatever else it had under way. */
  #die(moment: string): Crash {
    this.#life += 1;
    return new Crash(moment);
  }

  // -------------------------------------------------------------- the wire

  async request<T>(system: ToySystem, what: 'read' | 'write', effect: () => T): Promise<T> {
    this.time += 1 + Math.floor(this.random() * 40);
    if (this.fault('unreachable', 0.02)) throw new Trouble('unreachable', { message: 'connection refused' });
    if (this.fault('busy', 0.02))
      throw new Trouble('busy', { message: 'too many requests', retryAfter: 5000 });
    await this.#meanwhile();
    if (what === 'read' && this.fault('read cut', 0.01))
      throw new Trouble('unknown', { message: 'connection reset' });
    if (what === 'write') {
      const cut = (): Trouble => new Trouble('unknown', { message: 'timed out' });
      if (this.fault('write cut before effect', 0.02)) throw cut();
      if (this.fault('write lands late', 0.015)) {
        this.#landing.push({ at: this.time + Math.floor(this.random() * 20_000), effect });
        throw cut();
      }
      if (this.fault('write cut after effect', 0.02)) {
        effect();
        throw cut();
      }
    }
    const result = effect();
    this.say(`${system.traits.name} ${what} ${shown(result)}`);
    this.time += 1 + Math.floor(this.random() * 40);
    await this.#meanwhile();
    return result;
  }

  ignores(): boolean {
    return this.fault('write ignored', 0.02);
  }

  refuses(): boolean {
    return this.fault('item refused', 0.015);
  }

  written(system: ToySystem, call: string): void {
    this.#sent += 1;
    if (this.#late) return;
    void sentWrongly(this, this.#joining, system, call).then((wrong) => this.violations.push(...wrong));
  }

  /** While a request is under way, people edit, hooks arrive, other lanes work. */
  async #meanwhile(): Promise<void> {
    if (this.quiet || this.#depth > 2 || !this.options.faults.has('meanwhile') || !this.chance(0.15)) return;
    this.options.tally.fault('meanwhile');
    const roll = this.random();
    if (roll < 0.4) this.people.edit();
    else if (roll < 0.7) await this.hook();
    else if (roll < 0.85) await this.work();
    else this.time += Math.floor(this.random() * 3000);
  }

  /** Hooks that the systems have sent get under way: lost, doubled, or later. */
  send(system: ToySystem): void {
    for (const hook of system.hooks.splice(0)) {
      if (this.fault('hook lost', 0.1)) continue;
      this.#hooks.push({ hook, at: this.time });
      if (this.fault('hook doubled', 0.05)) this.#hooks.push({ hook, at: this.time });
    }
  }

  /** One hook arrives, not always the oldest. */
  async hook(): Promise<void> {
    for (const system of this.systems) this.send(system);
    const shuffled = this.#hooks.length > 1 && this.fault('hook out of order', 0.3);
    const [next] = this.#hooks.splice(shuffled ? Math.floor(this.random() * this.#hooks.length) : 0, 1);
    if (next === undefined) return;
    const { system: name, id, object } = next.hook;
    const traits = this.systems.find((one) => one.traits.name === name)?.traits;
    if (!this.hub.syncs.has(name)) return;
    if (this.#sent > 0 && [...this.#busy].some((lock) => lock === `out:${name}`))
      this.options.tally.fault('hook before response');
    const hookId = this.hub.newId('h');
    this.say(`hook ${hookId} ${id}`);
    const gone = this.systems.find((one) => one.traits.name === name)?.objects.get(id)?.deleted === true;
    const hint = { kind: 'person', id, ...(traits?.fullHooks === true && !gone ? { object } : {}) };
    const hook = { id: hookId, connection: name, url: '', headers: {}, body: Buffer.from(id) };
    const acked = await this.guarded(async () => {
      await accept(this.hub, hook, [hint], this.#runs);
      return true;
    });
    if (acked === true && (await this.store.get('hook', { id: hookId })) === undefined) {
      this.violations.push(`P1: hook ${hookId} was acknowledged but is not on disk`);
    }
  }

  // -------------------------------------------------------------- the engine's work

  /** One pass somewhere. */
  async work(): Promise<void> {
    const system = this.pick(this.systems);
    if (system === undefined) return;
    const { name } = system.traits;
    const roll = this.random();
    if (roll < 0.03) await this.pass('undo');
    else if (roll < 0.45) await this.pass(`in:${name}`);
    else if (roll < 0.85) await this.pass(`out:${name}`);
    else if (roll < 0.97) await this.pass(`poll:${name}`);
    else await this.pass(`sweep:${name}`);
  }

  /** A lane has one holder: a pass that is under way is not begun again inside itself. */
  async pass(lock: string): Promise<number> {
    if (this.#busy.has(lock)) return 0;
    const [what, name = ''] = lock.split(':');
    const sync = this.hub.syncs.get(name);
    if (sync === undefined && what !== 'undo') return 0;
    this.#busy.add(lock);
    this.say(`pass ${lock}`);
    const done = await this.guarded(async () => {
      if (sync === undefined) return (await workUndos(this.hub, this.#owed)) ? 1 : 0;
      const run = await standingRun(this.hub, 'upkeep', sync.lane, this.#runs);
      if (what === 'in') return (await intake(this.hub, sync.lane, run, 4)).taken;
      if (what === 'out') {
        const more = this.options.mutation !== 'no-catch-up' && (await catchUp(this.hub, sync));
        return sync.outward ? (await deliver(this.hub, sync, run, 4)).taken + (more ? 1 : 0) : 0;
      }
      if (what === 'poll') return (await poll(this.hub, sync.lane)).read;
      return (await sweep(this.hub, sync.lane)).read;
    });
    this.#busy.delete(lock);
    return done ?? 0;
  }

  /** Runs engine code; a trouble ends the pass, a crash ends the process and all passes in it. */
  async guarded<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.#depth += 1;
    try {
      return await work();
    } catch (error) {
      if (error instanceof Trouble) return undefined;
      if (error instanceof Crash && this.#depth === 1) {
        await this.#restart();
        return undefined;
      }
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  async #restart(): Promise<void> {
    this.#life += 1;
    this.#busy.clear();
    this.#runs = new Set();
    this.#owed = new Map();
    this.hub = this.#start();
    const depth = this.#depth;
    this.#depth = 0;
    if (this.options.mutation === 'forget-crashed-calls') await forgetCalls(this.store);
    else await recover(this.hub, await standingRun(this.hub, 'upkeep', 'recovery', this.#runs));
    this.#depth = depth;
  }

  advance(ms: number): void {
    this.time += ms;
    for (const one of this.#landing.filter((entry) => entry.at <= this.time)) {
      this.#landing.splice(this.#landing.indexOf(one), 1);
      this.say('a late write lands');
      try {
        this.#late = true;
        one.effect();
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
      } finally {
        this.#late = false;
      }
    }
    for (const system of this.systems) {
      const before = system.tick;
      system.settle(this.time);
      if (system.tick > before) this.options.tally.fault('normalised late');
    }
  }

  // -------------------------------------------------------------- time

  async step(): Promise<void> {
    this.#step += 1;
    for (const name of this.#joining.due(this.#step, this.systems)) {
      this.options.tally.fault('joined late');
      this.say(`${name} joins`);
      await this.#restart();
    }
    const roll = this.random();
    if (roll < 0.06) this.people.file();
    else if (roll < 0.25) this.people.edit();
    else if (roll < 0.29) void (this.merges.there() || this.people.remove());
    else if (roll < 0.46) await this.hook();
    else if (roll < 0.88) await this.work();
    else if (roll < 0.9) await (this.fault('undo', 0.3) ? this.people.undo() : this.#decide());
    else this.advance(this.chance(0.15) ? 20 * 60_000 : Math.floor(this.random() * 20_000));
  }

  /** At the hub: about records, or about a conflict. */
  async #decide(): Promise<void> {
    if (!(await this.merges.decide())) await this.people.resolve();
  }

  pending(): boolean {
    return (
      this.#hooks.length > 0 ||
      this.#landing.length > 0 ||
      this.systems.some((system) => system.late.length > 0 || system.hooks.length > 0)
    );
  }

  async open(): Promise<number> {
    const open = await this.store.count('effect', 'state', { state: 'open' });
    const unsettled = await this.store.count('effect', 'state', { state: 'unsettled' });
    return open + unsettled + (await this.touches());
  }

  async touches(): Promise<number> {
    let n = 0;
    for (const system of this.systems)
      n += await this.store.count('touch', 'due', { lane: `${system.traits.name}/person` });
    return n;
  }

  /** Everything that is due, until nothing is. */
  async settle(passes: readonly string[], rounds: number): Promise<boolean> {
    for (let i = 0; i < rounds; i += 1) {
      this.advance(5 * 60_000);
      while (this.#hooks.length > 0 || this.systems.some((system) => system.hooks.length > 0))
        await this.hook();
      for (const pass of passes) {
        for (const system of this.systems) {
          for (let n = 0; n < 200 && (await this.pass(`${pass}:${system.traits.name}`)) > 0; n += 1) {
            if (pass === 'poll' || pass === 'sweep') break;
          }
        }
      }
      for (let n = 0; n < 200 && (await this.pass('undo')) > 0; n += 1);
      if (!this.pending() && (await this.open()) === 0) return true;
    }
    return false;
  }

  async closeBooks(): Promise<void> {
    this.advance(2 * 3_600_000);
    await closeRuns(this.hub);
  }

  /** Hooks that have not arrived yet never will. */
  dropHooks(): void {
    this.#hooks = [];
    for (const system of this.systems) system.hooks.splice(0);
  }
}
