/**
 * An installation under test: the production engine with its own syncs, mappings, entities, keys and roles, over
 * models of the kinds that they name. People file and edit on all sides, the network fails, the process dies;
 * everything follows from one seed, and nothing leaves this process.
 */
import { Trouble, type JsonObject, type Kind, type Session } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { compileSync, hubEntities, type Installation } from '../installation.ts';
import { putAt, segmentsOf } from '../mapping/place.ts';
import { SqliteStore } from '../store/sqlite.ts';
import type { Group, Store } from '../store/store.ts';
import { accept } from '../sync/accept.ts';
import { catchUp } from '../sync/catch-up.ts';
import { deliver } from '../sync/deliver.ts';
import type { CallItem, Hub, Mutation, Sync } from '../sync/hub.ts';
import { intake } from '../sync/intake.ts';
import { closeRuns, standingRun } from '../sync/runs.ts';
import { poll, sweep } from '../sync/sweep.ts';
import { recover } from '../sync/unsettled.ts';
import { generator, type Dice } from './draw.ts';
import { Model, type Habit, type ModelObject, type Passage } from './model.ts';
import { samplesOf, type Sample } from './samples.ts';
import { Staff } from './staff.ts';

export interface InstalledOptions {
  readonly seed: number;
  readonly sessions: ReadonlyMap<string, Session>;
  /** What a remote does to text though no mapping says so, by sync. */
  readonly habits: ReadonlyMap<string, Habit>;
  /** An engine that is broken on purpose: what finds fault must find this. */
  readonly mutation?: Mutation | undefined;
}

/** The process dies here. */
class Crash extends Error {}

/** One sync, the model on its other side, and what people do there. */
export interface Side {
  readonly sync: Sync;
  readonly model: Model;
  readonly samples: readonly Sample[];
  /** What all objects of the mapping have in common: the value that its `when` asks for. */
  readonly own: JsonObject;
  /** Edits of people by field, and writes of the gateway by field; `''` counts writes as such. */
  readonly edits: Map<string, number>;
  readonly writes: Map<string, number>;
}

interface Hook {
  readonly model: Model;
  readonly id: string;
  readonly at: number;
}

const bump = (counts: Map<string, number>, name: string): void =>
  void counts.set(name, (counts.get(name) ?? 0) + 1);

export class Installed implements Dice, Passage {
  readonly random: () => number;
  readonly sides: Side[] = [];
  readonly staff = new Staff(this);
  readonly models = new Map<string, Model>();
  readonly store: Store = new SqliteStore({ file: ':memory:', immediate: true });
  /** The record of each create that was put on disk, by its call. */
  readonly creates = new Map<string, string>();
  readonly installation: Installation;
  readonly #mutation: Mutation | undefined;
  hub: Hub;
  /** True while nothing fails. */
  quiet = true;
  /** True while writes are counted by field: each act has come to rest before the next. */
  isCounting = false;
  /** UTC ms until which each act came to rest before the next. */
  calmUntil = 0;
  time = Date.UTC(2026, 0, 5);
  /** Items of writes that have reached a model. */
  written = 0;
  #hooks: Hook[] = [];
  #runs = new Set<string>();
  #life = 0;
  #ids = 0;
  #depth = 0;

  constructor(installation: Installation, options: InstalledOptions) {
    this.installation = installation;
    this.#mutation = options.mutation;
    this.random = generator(options.seed * 2654435761);
    for (const name of Object.keys(installation.config.syncs)) this.#side(name, options);
    this.hub = this.#start();
  }

  chance(p: number): boolean {
    return this.random() < p;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  now(): number {
    return this.time;
  }

  // -------------------------------------------------------------- set-up

  #model(lane: string, kind: Kind, habits: InstalledOptions['habits']): Model {
    const known = this.models.get(lane);
    if (known !== undefined) return known;
    const { config, mappings } = this.installation;
    const syncs = Object.values(config.syncs).filter((one) => `${one.connection}/${one.kind}` === lane);
    const documents = syncs.flatMap((one) => mappings.get(one.mapping) ?? []);
    const habit = syncs.map(({ name }) => habits.get(name)).find((one) => one !== undefined);
    const model = new Model(lane, kind, documents, this, { answers: this.chance(0.5), habit });
    this.models.set(lane, model);
    return model;
  }

  #side(name: string, { sessions, habits }: InstalledOptions): void {
    const { config, mappings, entities } = this.installation;
    const configured = config.syncs[name];
    const session = configured === undefined ? undefined : sessions.get(configured.connection);
    if (configured === undefined || session === undefined)
      throw new CrosswalkError('internal', { detail: `sync ${name} has no open connection` });
    const document = mappings.get(configured.mapping);
    const kind = session.kinds[configured.kind];
    const edits = new Map<string, number>();
    const writes = new Map<string, number>();
    const own: JsonObject = {};
    if (document?.when !== undefined)
      putAt(own, segmentsOf(document.when.at) ?? [], document.when.is[0] ?? null);
    const lane = `${configured.connection}/${configured.kind}`;
    const model = kind === undefined ? undefined : this.#model(lane, kind, habits);
    const wrote = (value: JsonObject, isNew: boolean): void => {
      this.written += 1;
      if (!this.isCounting) return;
      bump(writes, '');
      if (isNew) return;
      for (const field of fieldsIn(sync, value)) bump(writes, field);
    };
    const kinds = model === undefined ? {} : { [configured.kind]: model.kindFor(wrote, own) };
    const compiled = compileSync(this.installation, configured, { session: { kinds } }, () => true);
    // Tables, budgets: what this does not model.
    const { router: _, ...lens } = compiled.lens;
    const { budget: __, ...rest } = compiled;
    const sync: Sync = { ...rest, lens };
    const entity = entities.get(sync.entity);
    if (model === undefined || document === undefined || entity === undefined) return;
    const samples = samplesOf(document, entity.schema, model.kind.schema);
    this.sides.push({ sync, model, samples, own, edits, writes });
  }

  #start(): Hub {
    const { config, entities } = this.installation;
    return {
      store: this.#crashing(this.store),
      syncs: new Map(this.sides.map(({ sync }) => [sync.name, sync])),
      entities: hubEntities(config, entities),
      now: () => this.time,
      newId: (prefix) => `${prefix}${String((this.#ids += 1)).padStart(7, '0')}`,
      random: () => this.random(),
      nudge: () => undefined,
      alarm: () => undefined,
      mutation: this.#mutation,
    };
  }

  /** The store of one process, which may die before or after any commit, and commits nothing once it is dead. */
  #crashing(store: Store): Store {
    const life = this.#life;
    const die = (): Crash => {
      this.#life += 1;
      return new Crash('dead');
    };
    const isDue = (): boolean => this.#depth > 0 && this.#fails(0.003);
    return {
      commit: async (groups: readonly Group[]) => {
        if (life !== this.#life) throw new Crash('dead');
        if (isDue()) throw die();
        const outcome = await store.commit(groups);
        for (const { write } of groups)
          for (const one of write)
            if (one.op === 'put' && one.table === 'call')
              this.creates.set(String(one.row['id']), (one.row['item'] as CallItem).record);
        if (isDue()) throw die();
        return outcome;
      },
      get: (table, key) => store.get(table, key),
      many: (table, keys) => store.many(table, keys),
      list: (table, index, options) => store.list(table, index, options),
      count: (table, index, where) => store.count(table, index, where),
      close: () => store.close(),
    };
  }

  // -------------------------------------------------------------- network

  #fails(p: number): boolean {
    // The dice fall alike in quiet times.
    return this.chance(p) && !this.quiet;
  }

  async request<T>(model: Model, what: 'read' | 'write', effect: () => T): Promise<T> {
    this.time += 1 + Math.floor(this.random() * 40);
    if (this.#fails(0.02)) throw new Trouble('unreachable', { message: 'connection refused' });
    if (this.#fails(0.03))
      throw new Trouble('busy', { message: 'too many requests', status: 429, retryAfter: 5000 });
    if (!this.quiet && this.chance(0.1)) this.staff.edit();
    const cut = (): Trouble => new Trouble('unknown', { message: 'timed out' });
    if (this.#fails(what === 'write' ? 0.025 : 0.01)) throw cut();
    if (what === 'write' && this.#fails(0.025)) {
      model.unheard = true;
      effect();
      model.unheard = false;
      throw cut();
    }
    const result = effect();
    this.time += 1 + Math.floor(this.random() * 40);
    return result;
  }

  /** A hook gets under way: lost, doubled, or late. */
  changed(model: Model, { id }: ModelObject): void {
    const [connection = ''] = model.lane.split('/');
    if (!this.#hooked.has(connection) || this.#fails(0.1)) return;
    const late = this.#fails(0.15) ? this.random() * 300_000 : 0;
    this.#hooks.push({ model, id, at: this.time + late });
    if (this.#fails(0.05)) this.#hooks.push({ model, id, at: this.time + this.random() * 60_000 });
  }

  readonly #hooked = new Set<string>();

  /** Connections whose systems send hooks. */
  hooksFrom(connections: Iterable<string>): void {
    for (const name of connections) this.#hooked.add(name);
  }

  get isUnderWay(): boolean {
    return this.#hooks.length > 0;
  }

  /** One hook arrives, not always the oldest. */
  async hook(): Promise<void> {
    const due = this.#hooks.filter(({ at }) => at <= this.time);
    const hook = this.pick(due);
    if (hook === undefined) return;
    this.#hooks = this.#hooks.filter((one) => one !== hook);
    const { model, id } = hook;
    const [connection = '', kind = ''] = model.lane.split('/');
    const object = model.objects.get(id);
    const isWhole = model.kind.read === undefined && object !== undefined && !object.deleted;
    const hints = [{ kind, id, ...(isWhole ? { object: model.show(object) } : {}) }];
    const given = { id: this.hub.newId('h'), connection, url: '/', headers: {}, body: new Uint8Array() };
    await this.#guarded(async () => {
      await accept(this.hub, given, hints, this.#runs);
      return 1;
    });
  }

  // -------------------------------------------------------------- engine

  /** One pass somewhere. */
  async work(): Promise<void> {
    const roll = this.random();
    const what = roll < 0.45 ? 'in' : roll < 0.85 ? 'out' : roll < 0.97 ? 'poll' : 'sweep';
    const name = what === 'out' ? this.pick([...this.hub.syncs.keys()]) : this.pick([...this.models.keys()]);
    if (name !== undefined) await this.pass(what, name);
  }

  pass(what: string, name: string): Promise<number> {
    return this.#guarded(async () => {
      if (what === 'poll') return (await poll(this.hub, name)).read;
      if (what === 'sweep') return (await sweep(this.hub, name)).read;
      const sync = this.hub.syncs.get(name);
      const lane = sync?.lane ?? name;
      const run = await standingRun(this.hub, 'upkeep', lane, this.#runs);
      if (what === 'in') return (await intake(this.hub, lane, run, 20)).taken;
      if (sync === undefined) return 0;
      const more = await catchUp(this.hub, sync);
      if (!sync.outward) return 0;
      const { taken } = await deliver(this.hub, sync, run, 20);
      return taken + (more ? 1 : 0);
    });
  }

  /** Runs engine code; a trouble ends the pass, a crash the process: another one starts. */
  async #guarded(work: () => Promise<number>): Promise<number> {
    this.#depth += 1;
    try {
      return await work();
    } catch (error) {
      if (error instanceof Crash) await this.#restart();
      else if (!(error instanceof Trouble)) throw error;
      return 0;
    } finally {
      this.#depth -= 1;
    }
  }

  async #restart(): Promise<void> {
    this.#runs = new Set();
    this.hub = this.#start();
    const depth = this.#depth;
    this.#depth = 0;
    await recover(this.hub, await standingRun(this.hub, 'upkeep', 'recovery', this.#runs));
    this.#depth = depth;
  }

  // -------------------------------------------------------------- rest

  /** Effects that are open or unsettled, and touches. */
  async open(): Promise<number> {
    let open = 0;
    for (const state of ['open', 'unsettled']) open += await this.store.count('effect', 'state', { state });
    for (const lane of this.models.keys()) open += await this.store.count('touch', 'due', { lane });
    return open;
  }

  /** Everything that is due, until nothing is; false if that takes more than so many rounds. */
  async settle(passes: readonly string[], rounds: number): Promise<boolean> {
    for (let i = 0; i < rounds; i += 1) {
      this.time += 5 * 60_000;
      while (this.#hooks.some(({ at }) => at <= this.time)) await this.hook();
      for (const pass of passes)
        for (const name of pass === 'out' ? this.hub.syncs.keys() : this.models.keys())
          for (let n = 0; n < 200 && (await this.pass(pass, name)) > 0; n += 1)
            if (pass === 'poll' || pass === 'sweep') break;
      if (!this.isUnderWay && (await this.open()) === 0) return true;
    }
    return false;
  }

  async closeBooks(): Promise<void> {
    this.time += 2 * 3_600_000;
    await closeRuns(this.hub);
  }
}

/** The fields whose places a write names. */
const fieldsIn = ({ lens }: Sync, value: JsonObject): string[] => {
  const { fields } = lens.read(value);
  return [...lens.outward].filter((field) => field in fields);
};
