/**
 * The world around the engine: toy systems, people who edit them, a network that fails, a process that dies
 * at any commit. Everything follows from one seed; time passes only when the world says.
 */
import type { FieldRule } from '../merge/policy.ts';
import type { TransitionRules } from '../merge/transition.ts';
import { SqliteStore } from '../store/sqlite.ts';
import type { Store } from '../store/store.ts';
import type { CallItem, Hub, Sync } from '../sync/hub.ts';
import { closeRuns } from '../sync/runs.ts';
import { drawDeletes, drawRules, drawTraits, drawTransitions, generator, type Dice } from './draw.ts';
import { drawBounds, drawIdChanges, type Bounds } from './bounds.ts';
import { Engine } from './engine.ts';
import type { Fault } from './faults.ts';
import { Joining } from './joining.ts';
import { Merges } from './merges.ts';
import { Network } from './network.ts';
import type { Setup } from './options.ts';
import { Outages } from './outages.ts';
import { Pauses } from './pauses.ts';
import { People } from './people.ts';
import type { Tally } from './tally.ts';
import { scenarios } from './scenarios.ts';
import { ToySystem } from './toy.ts';

export interface WorldOptions extends Setup {
  readonly seed: number;
  readonly tally: Tally;
  /** In memory by default. Over any other a seed's course depends on the order of its answers too. */
  readonly store?: Store;
  /** Prints every action, for replaying a failure. */
  readonly say?: (text: string) => void;
}

export class World implements Dice {
  readonly options: WorldOptions;
  readonly random: () => number;
  readonly systems: ToySystem[] = [];
  readonly people = new People(this);
  readonly network = new Network(this);
  readonly outages = new Outages(this);
  readonly pauses: Pauses;
  readonly engine: Engine;
  readonly merges = new Merges(this);
  readonly store: Store;
  readonly violations: string[] = [];
  /** The item of each call that was put on disk. */
  readonly calls = new Map<string, CallItem>();
  /** The same, noted when it reaches the remote. */
  readonly sent = new Map<string, CallItem>();
  time = Date.UTC(2026, 0, 5);
  /** True where each act of a person comes to rest before the next, so that costs can be told per change. */
  readonly isPaced: boolean;
  /** Rounds over all lanes so far, and how many of them each act took to rest. */
  rounds = 0;
  readonly rests: number[] = [];
  /** Writes of a further pass at the end: `finish` counts them. */
  echoes = 0;
  /** True once edits and faults have stopped. */
  quiet = false;
  #step = 0;
  #isSwept = false;
  readonly joining: Joining;
  readonly rules: ReadonlyMap<string, Record<string, FieldRule>>;
  readonly deletes: ReadonlyMap<string, Pick<Sync, 'deletes' | 'resurrect'>>;
  readonly bounds: ReadonlyMap<string, Bounds>;
  readonly idChanges: number;
  readonly transitions: TransitionRules | undefined;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = generator(options.seed * 2654435761);
    this.store = options.store ?? new SqliteStore({ file: ':memory:', immediate: true });
    const scenario = options.scenario === undefined ? undefined : scenarios[options.scenario];
    const roll = this.random();
    const count = options.systems ?? (roll < 0.4 ? 2 : roll < 0.75 ? 3 : 4);
    for (const name of 'ABCD'.slice(0, count))
      this.systems.push(new ToySystem({ ...drawTraits(this, name), ...scenario?.traits }));
    this.rules = drawRules(
      this,
      this.systems.map((system) => system.traits.name),
    );
    this.deletes = drawDeletes(this, [...this.rules.keys()]);
    this.bounds = drawBounds(this, [...this.rules.keys()]);
    this.idChanges = drawIdChanges(this);
    this.transitions =
      scenario === undefined || scenario.isDrawn === true ? drawTransitions(options.seed) : undefined;
    this.isPaced = scenario !== undefined && scenario.isDrawn !== true;
    if (this.isPaced) {
      const names = [...this.rules.keys()];
      this.rules = new Map(names.map((name) => [name, {}]));
      this.deletes = new Map(names.map((name) => [name, { deletes: 'propagate', resurrect: false }]));
      this.bounds = new Map();
      this.idChanges = 0;
    }
    this.pauses = new Pauses(this);
    this.joining = new Joining(this, options.faults.has('joined late') ? this.systems : []);
    this.engine = new Engine(this);
  }

  /** The hub of the process that is alive. */
  get hub(): Hub {
    return this.engine.hub;
  }

  chance(p: number): boolean {
    return this.random() < p;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  say(text: string): void {
    this.options.say?.(
      `${new Date(this.time).toISOString().slice(11, 23)} ${'  '.repeat(this.engine.depth)}${text}`,
    );
  }

  fault(name: Fault, p: number): boolean {
    // The dice fall alike whether it is switched on or not: a course without a fault that never came is the same.
    const isDue = this.chance(p);
    if (!isDue || this.quiet || !this.options.faults.has(name)) return false;
    this.options.tally.fault(name);
    this.say(`! ${name}`);
    return true;
  }

  /** Hooks that a system has sent get under way. */
  send(system: ToySystem): void {
    this.network.send(system);
  }

  /** Runs engine code as the process that is alive. */
  guarded<T>(work: () => Promise<T>): Promise<T | undefined> {
    return this.engine.guarded(work);
  }

  // -------------------------------------------------------------- time

  async step(): Promise<void> {
    this.#step += 1;
    await this.#join(this.#step);
    if (this.isPaced) return this.#act();
    const roll = this.random();
    if (roll < 0.06) this.people.file();
    else if (roll < 0.25) this.people.edit();
    else if (roll < 0.29) void (this.merges.there() || this.people.remove());
    else if (roll < 0.46) await this.network.hook();
    else if (roll < 0.88) await this.engine.work();
    else if (roll < 0.9) await (this.fault('undo', 0.3) ? this.people.undo() : this.#decide());
    else if (roll < 0.92 && this.pauses.any) await this.pauses.resume();
    else this.advance(this.chance(0.15) ? 20 * 60_000 : Math.floor(this.random() * 20_000));
  }

  /** At the hub: about records, or about a conflict. */
  async #decide(): Promise<void> {
    if (!(await this.merges.decide())) await this.people.resolve();
  }

  /** One act of a person, and everything that follows from it until nothing is due. */
  async #act(): Promise<void> {
    const roll = this.random();
    if (roll < 0.25) this.people.file();
    else if (roll < 0.93) this.people.edit();
    else this.people.remove();
    const before = this.rounds;
    // As in production, a sweep that was broken off is made again at once: nothing is created before it.
    for (let turn = 0; turn < 10; turn += 1) {
      const isAtRest = !this.#isSwept && (await this.settle(['sweep', 'poll', 'in', 'out'], 1));
      this.#isSwept = isAtRest || (await this.settle(['poll', 'in', 'out'], 3));
      if (this.#isSwept) break;
    }
    this.rests.push(this.rounds - before);
  }

  async #join(step: number): Promise<void> {
    for (const name of this.joining.due(step, this.systems)) {
      this.options.tally.fault('joined late');
      this.say(`${name} joins`);
      await this.engine.restart();
    }
  }

  /** Whoever was to take part later than the steps have gone takes part now. */
  async joinRest(): Promise<void> {
    for (let step = this.#step + 1; this.joining.last > 0; step += 1) await this.#join(step);
  }

  advance(ms: number): void {
    this.time += ms;
    this.network.land();
    for (const system of this.systems) {
      const before = system.tick;
      system.settle(this.time);
      if (system.tick > before) this.options.tally.fault('normalised late');
    }
  }

  // -------------------------------------------------------------- rest

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
    const { engine, network } = this;
    for (let i = 0; i < rounds; i += 1) {
      await this.pauses.resumeAll();
      this.advance(5 * 60_000);
      this.rounds += 1;
      while (network.hasHooks()) await network.hook();
      for (const pass of passes) {
        for (const system of this.systems) {
          for (let n = 0; (await engine.pass(`${pass}:${system.traits.name}`)) > 0; n += 1) {
            if (pass === 'poll' || pass === 'sweep') break;
            // So many passes of one lane are more than there are objects: it goes round in circles.
            if (n === 200) return false;
          }
        }
      }
      for (let n = 0; n < 200 && (await engine.pass('undo')) > 0; n += 1);
      const isPending = network.isUnderWay() || this.systems.some((system) => system.late.length > 0);
      if (!isPending && !this.pauses.any && (await this.open()) === 0) return true;
    }
    return false;
  }

  async closeBooks(): Promise<void> {
    this.advance(2 * 3_600_000);
    await closeRuns(this.hub);
  }

  /** Hooks that have not arrived yet never will. */
  dropHooks(): void {
    this.network.drop();
  }
}
