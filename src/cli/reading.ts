/** What `sync` and `sync --plan` do in their own process: read, take in, until nothing waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SyncConfig } from '../config.ts';
import { Trouble } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { catchUp } from '../sync/catch-up.ts';
import { isRead } from '../sync/first-reading.ts';
import type { Hub, Sync } from '../sync/hub.ts';
import { runOf, type Run } from '../sync/runs.ts';
import { poll, sweep } from '../sync/sweep.ts';
import { allWrites, type Switches } from '../sync/switches.ts';
import { Bar } from './progress.ts';

/** What is asked to wait waits, a minute at most at a time and twenty times. */
export const patiently = async <Result>(send: () => Promise<Result>): Promise<Result> => {
  for (let turn = 1; ; turn += 1) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof Trouble) || error.kind !== 'busy' || turn === 20) throw error;
      await sleep(Math.min(60_000, error.detail.retryAfter ?? 1000));
    }
  }
};

export const refusePaused = (one: SyncConfig, switches: Switches): void => {
  const pause = switches.paused(one.connection) ?? switches.paused(one.name) ?? switches.paused(allWrites);
  if (pause === undefined) return;
  const name = pause.name === allWrites ? 'all' : pause.name;
  throw new CrosswalkError('paused', { name, why: pause.why });
};

/** The syncs of one entity that nobody has paused. */
export const spokesOf = (hub: Hub, { entity }: Sync, switches: Switches): Sync[] =>
  [...hub.syncs.values()].filter(
    (each) =>
      each.entity === entity &&
      switches.paused(each.name) === undefined &&
      switches.paused(each.connection) === undefined,
  );

/** Reads the remote of one sync; the others only where nobody has ever read them, since creates wait for that. */
export const readAll = async (
  hub: Hub,
  one: Sync,
  spokes: readonly Sync[],
  full: boolean,
  absent: boolean,
): Promise<string | null> => {
  const whole = full || one.kind.changes === undefined;
  const { run } = await patiently(() => (whole ? sweep(hub, one.lane, absent) : poll(hub, one.lane)));
  for (const spoke of spokes) {
    if (await isRead(hub, spoke)) continue;
    await patiently(() => (spoke.kind.scan === undefined ? poll(hub, spoke.lane) : sweep(hub, spoke.lane)));
  }
  for (const spoke of spokes) while (await catchUp(hub, spoke));
  return run;
};

export const runAt = async (store: Store, id: string | null): Promise<Run | null> => {
  const row = id === null ? undefined : await store.get('run', { id });
  return row === undefined ? null : runOf(row);
};

/** How far the reading of a lane has come. */
export class ReadingBar {
  readonly #store: Store;
  readonly #lane: string;
  readonly #bar: Bar;

  constructor(store: Store, lane: string, quiet: boolean) {
    this.#store = store;
    this.#lane = lane;
    this.#bar = new Bar(quiet);
  }

  async show(): Promise<void> {
    if (!this.#bar.isOn) return;
    const place = { lane: `scan:${this.#lane}` };
    const cursor =
      (await this.#store.get('cursor', place)) ?? (await this.#store.get('cursor', { lane: this.#lane }));
    const run = await runAt(this.#store, (cursor?.['run'] as string | null | undefined) ?? null);
    if (run === null) this.#bar.show(0, null, 'reading');
    else {
      const { read, open, total, effects } = run;
      const text = `${read} read, ${open} to take in, ${effects.open} to write`;
      this.#bar.show(read - open, total, text);
    }
  }

  end(): void {
    this.#bar.end();
  }
}
