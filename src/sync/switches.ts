import type { Row } from '../store/schema.ts';
import type { Store } from '../store/store.ts';

/** A switch that a person, or the engine itself, has thrown at run time. */
export interface Pause {
  /** Name of a connection or a sync. */
  readonly name: string;
  readonly why: string;
  readonly by: string;
  readonly at: number;
  /** Why the engine did it, where it may end the pause by itself: `drift`, once the mapping fits again. */
  readonly cause?: 'drift';
}

/** The name under which all writing is paused. */
export const allWrites = '*';

/** The settings whose names begin with `prefix`, by name. Only these are read: a setting may be large. */
export const settingsUnder = async (store: Store, prefix: string): Promise<Row[]> => {
  const rows: Row[] = [];
  for (let after = prefix; ; after = String(rows.at(-1)?.['name'])) {
    const page = await store.list('setting', 'name', {
      where: {},
      after,
      upTo: `${prefix}\u{10ffff}`,
      limit: 1000,
    });
    rows.push(...page);
    if (page.length < 1000) return rows;
  }
};

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
    const paused = await settingsUnder(this.#store, 'pause:');
    const published = await settingsUnder(this.#store, 'publish:');
    this.#pauses = new Map(paused.map((row) => [nameIn(row), pauseOf(row)]));
    this.#published = new Set(published.map(nameIn));
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

  async pause(name: string, why: string, by: string, at: number, cause?: Pause['cause']): Promise<void> {
    await this.#put(`pause:${name}`, cause === undefined ? { why } : { why, cause }, by, at);
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

const nameIn = (row: Row): string => String(row['name']).split(':').slice(1).join(':');

const pauseOf = (row: Row): Pause => {
  const { why, cause } = row['value'] as Pick<Pause, 'why' | 'cause'>;
  const pause = { name: nameIn(row), why, by: String(row['by']), at: Number(row['at']) };
  return cause === undefined ? pause : { ...pause, cause };
};

export const readSwitches = async (store: Store): Promise<Switches> => {
  const switches = new Switches(store);
  await switches.refresh();
  return switches;
};
