/** Two toy systems and the real engine between them over SQLite in memory: no faults, and time passes at every step. */
import { expect } from 'vitest';
import type { Json } from '../../src/connector.ts';
import type { FieldRule } from '../../src/merge/policy.ts';
import { toyLens } from '../../src/simulate/toy-lens.ts';
import { toyKind, ToySystem, type ToyObject, type ToyTraits, type Wire } from '../../src/simulate/toy.ts';
import type { Row } from '../../src/store/schema.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import { accept } from '../../src/sync/accept.ts';
import { deliver } from '../../src/sync/deliver.ts';
import type { Entity, Hub, Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { finishUndos } from '../../src/sync/owed.ts';
import { closeRuns, runOf, standingRun, type Run } from '../../src/sync/runs.ts';
import { sweep } from '../../src/sync/sweep.ts';
import { writer } from '../merge/sample.ts';

const traits: ToyTraits = {
  name: 'A',
  guarded: false,
  answers: true,
  readable: true,
  find: null,
  keyed: false,
  anchored: false,
  polled: true,
  fullHooks: false,
  normalise: null,
  stamps: { resolution: 1, lateness: 0, skew: 0 },
  clock: 0,
  atomic: false,
  batch: 100,
  sorts: false,
  missing: 'remove',
};

export interface PairOptions {
  readonly rule?: Partial<FieldRule>;
  readonly entity?: Partial<Entity>;
  readonly a?: Partial<ToyTraits>;
  readonly b?: Partial<ToyTraits>;
  readonly store?: Store;
  /** Changes a sync before it is used. */
  readonly sync?: (sync: Sync) => Sync;
}

export class Pair {
  readonly a: ToySystem;
  readonly b: ToySystem;
  readonly store: Store;
  readonly hub: Hub;
  /** Systems whose writes do not get through. */
  readonly cut = new Set<ToySystem>();
  /** Requests that were sent. */
  readonly sent = { read: 0, write: 0 };
  /** True: every write is refused by the remote. */
  refusing = false;
  /** True: every write is answered with yes, and nothing happens. */
  ignoring = false;
  time = Date.UTC(2026, 0, 5);
  #ids = 0;

  constructor(options: PairOptions = {}) {
    this.a = new ToySystem({ ...traits, ...options.a });
    this.b = new ToySystem({ ...traits, name: 'B', ...options.b });
    this.store = options.store ?? new SqliteStore({ file: ':memory:', immediate: true });
    const wire: Wire = {
      request: async (_system, what, effect) => {
        this.sent[what] += 1;
        return effect();
      },
      ignores: () => this.ignoring,
      refuses: () => this.refusing,
      fault: () => false,
      outages: {
        pageAfter: (_system, id) => id,
        placeOf: (_system, page) => page,
        denies: () => false,
        shown: (_system, objects) => objects,
      },
      written: () => undefined,
      now: () => this.now(),
    };
    const syncs = [this.a, this.b].map((system): [string, Sync] => {
      const { name } = system.traits;
      const sync: Sync = {
        name,
        connection: name,
        lane: `${name}/person`,
        kindName: 'person',
        kind: toyKind(system, wire),
        entity: 'person',
        lens: toyLens(system.traits),
        rules: () => ({ ...writer, conflict: 'newest', ...options.rule }),
        inward: true,
        outward: true,
        create: true,
        required: [],
      };
      return [name, options.sync?.(sync) ?? sync];
    });
    this.hub = {
      store: this.store,
      syncs: new Map(syncs),
      entities: new Map([['person', { name: 'person', keys: [['email']], ...options.entity }]]),
      now: () => this.now(),
      newId: (prefix) => `${prefix}${String((this.#ids += 1)).padStart(6, '0')}`,
      random: () => 0.5,
      nudge: () => undefined,
      alarm: (subject, text) => expect.fail(`${subject}: ${text}`),
    };
  }

  now(): number {
    return (this.time += 1);
  }

  file(system: ToySystem, value: Record<string, Json>): ToyObject {
    return system.create(value, 'person', this.now(), null);
  }

  edit(system: ToySystem, object: ToyObject, patch: Record<string, Json>): void {
    system.change(object, patch, 'person', this.now(), null);
  }

  /** Deletes it, or takes it out of the bin; a hook tells. */
  async live(system: ToySystem, object: ToyObject, deleted: boolean): Promise<void> {
    system.live(object, deleted, 'person', this.now());
    await this.hear(system, object);
  }

  /** A hook names an object. */
  async hear(system: ToySystem, { id }: ToyObject): Promise<void> {
    const { name } = system.traits;
    const hook = { id: this.hub.newId('h'), connection: name, url: '', headers: {}, body: new Uint8Array() };
    await accept(this.hub, hook, [{ kind: 'person', id }], new Set());
  }

  /** Reads a system whole; the run. */
  async read(system: ToySystem): Promise<string> {
    this.time += 1000;
    return (await sweep(this.hub, `${system.traits.name}/person`)).run ?? '';
  }

  /** Takes in, delivers where the way is not cut, and undoes, until nothing waits. */
  async work(): Promise<void> {
    await this.takeIn();
    await finishUndos(this.hub);
    await this.takeIn();
    await finishUndos(this.hub);
  }

  async takeIn(): Promise<void> {
    for (let taken = 1; taken > 0;) {
      taken = 0;
      this.time += 100_000;
      for (const sync of this.hub.syncs.values()) {
        const run = await standingRun(this.hub, 'upkeep', sync.lane, new Set());
        taken += (await intake(this.hub, sync.lane, run)).taken;
        const isCut = [...this.cut].some((system) => system.traits.name === sync.name);
        if (!isCut && sync.outward) taken += (await deliver(this.hub, sync, run)).taken;
      }
    }
  }

  /** Reads both whole, twice, and works to rest. The runs of the first reading. */
  async sync(): Promise<{ a: string; b: string }> {
    const a = await this.read(this.a);
    const b = await this.read(this.b);
    await this.work();
    for (const system of [this.a, this.b]) await this.read(system);
    await this.work();
    return { a, b };
  }

  /** Everything that each system shows, by the object's id. */
  shown(system: ToySystem): Record<string, Record<string, Json>> {
    const live = [...system.objects.values()].filter((object) => !object.deleted);
    return Object.fromEntries(live.map((object) => [object.id, { ...object.value }]));
  }

  async records(): Promise<Row[]> {
    return this.store.list('record', 'entity', { where: { entity: 'person' }, limit: 1_000_000 });
  }

  async run(id: string): Promise<Run> {
    await closeRuns(this.hub);
    return runOf((await this.store.get('run', { id })) ?? {});
  }
}
