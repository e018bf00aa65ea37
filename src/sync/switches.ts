import type { Row } from '../store/schema.ts';
import type { Store } from '../store/store.ts';

/** A switch that a person, or the engine itself, has thrown at run time. */
export interface Pause {
  /** Name of a connection or a sync. */
  readonly name: string;
  readonly why: string;
  readonly by: string;
  readonly at: number;
}

/** The name under which all writing is paused. */
export const allWrites = '*';

/**
 * What is switched at run time: paused connections and syncs, published syncs. Kept in the store, so that a
 * command in another process reaches a running gateway within a second and a restart forgets nothing.
 */
export class Switches {
  readonly #store: Store;
  #pauses = new Map<string, Pause>();
  #published = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  async refresh(): Promise<void> {
    const rows = await this.#store.list('setting', 'name', { where: {}, limit: 10_000 });
    const pauses = new Map<string, Pause>();
    const published = new Set<string>();
    for (const row of rows) {
      const [kind, ...rest] = String(row['name']).split(':');
      const name = rest.join(':');
      if (kind === 'pause') pauses.set(name, pauseOf(name, row));
      if (kind === 'publish') published.add(name);
    }
    this.#pauses = pauses;
    this.#published = published;
  }

  pauses(): Pause[] {
    return [...this.#pauses.values()];
  }

  paused(name: string): Pause | undefined {
    return this.#pauses.get(name);
  }

  /** True if a sync may write: its file says `live`, or it was published and the file does not say `plan`. */
  isLive(sync: {
    readonly name: string;
    readonly mode: 'live' | 'plan';
    readonly modeGiven: boolean;
  }): boolean {
    return sync.mode === 'live' || (!sync.modeGiven && this.#published.has(sync.name));
  }

  async pause(name: string, why: string, by: string, at: number): Promise<void> {
    await this.#put(`pause:${name}`, { why }, by, at);
  }

  async resume(name: string): Promise<void> {
    await this.#store.commit([
      {
        when: [],
        write: [
          { op: 'delete', table: 'setting', key: { name: `pause:${name}` } },
          // Whatever the alarm asked for has been done, or it will come again.
          { op: 'delete', table: 'setting', key: { name: `alarm:connection ${name}` } },
          { op: 'delete', table: 'setting', key: { name: `alarm:sync ${name}` } },
        ],
      },
    ]);
    await this.refresh();
  }

  /** From now on the sync writes (or, withdrawn, only plans again), where its file does not say otherwise. */
  async publish(name: string, by: string, at: number): Promise<void> {
    await this.#put(`publish:${name}`, {}, by, at);
  }

  async withdraw(name: string): Promise<void> {
    const key = { name: `publish:${name}` };
    await this.#store.commit([{ when: [], write: [{ op: 'delete', table: 'setting', key }] }]);
    await this.refresh();
  }

  /** What an alarm was about is well again. */
  async clear(subject: string): Promise<void> {
    const key = { name: `alarm:${subject}` };
    if ((await this.#store.get('setting', key)) === undefined) return;
    await this.#store.commit([{ when: [], write: [{ op: 'delete', table: 'setting', key }] }]);
  }

  /** Keeps an alarm until the next of the same subject: with how often and since when. */
  async alarm(subject: string, text: string, at: number): Promise<void> {
    const name = `alarm:${subject}`;
    const before = (await this.#store.get('setting', { name }))?.['value'] as
      | { count: number; first: number }
      | undefined;
    await this.#put(
      name,
      { text, count: (before?.count ?? 0) + 1, first: before?.first ?? at },
      'crosswalk',
      at,
    );
  }

  async #put(name: string, value: unknown, by: string, at: number): Promise<void> {
    await this.#store.commit([
      { when: [], write: [{ op: 'put', table: 'setting', row: { name, value, at, by } }] },
    ]);
    await this.refresh();
  }
}

const pauseOf = (name: string, row: Row): Pause => ({
  name,
  why: (row['value'] as { why: string }).why,
  by: String(row['by']),
  at: Number(row['at']),
});

export const readSwitches = async (store: Store): Promise<Switches> => {
  const switches = new Switches(store);
  await switches.refresh();
  return switches;
};
