/** What `sync` and `sync --plan` do in their own process: read, take in, until nothing waits. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SyncConfig } from '../config.ts';
import { Trouble } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { lastScan, leftWords, readingOf, readingWords } from '../health/reading.ts';
import type { Store } from '../store/store.ts';
import { catchUp } from '../sync/catch-up.ts';
import { isRead } from '../sync/first-reading.ts';
import type { Hub, Sync } from '../sync/hub.ts';
import { beginPace, nextPace, rateOf, remainingOf, type Pace } from '../sync/pace.ts';
import { runOf, type Run } from '../sync/runs.ts';
import { poll, sweep } from '../sync/sweep.ts';
import { allWrites, type Switches } from '../sync/switches.ts';
import { Bar, type Screen } from './progress.ts';

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

/** How far the reading of lanes has come, and then what they still take in and write. */
export class ReadingBar {
  readonly #store: Store;
  readonly #lanes: readonly string[];
  readonly #bar: Bar;
  readonly #now: () => number;
  /** Runs that were seen under way, with how fast each is taken in and written. */
  readonly #runs = new Map<string, { taking: Pace; writing: Pace }>();
  readonly #last = new Map<string, number | null>();

  constructor(
    store: Store,
    lanes: readonly string[],
    quiet: boolean,
    screen?: Screen,
    now: () => number = Date.now,
  ) {
    this.#store = store;
    this.#lanes = lanes;
    this.#now = now;
    this.#bar = new Bar(quiet, screen, now);
  }

  async show(): Promise<void> {
    if (!this.#bar.isDue) return;
    const now = this.#now();
    for (const lane of this.#lanes) {
      const reading = await readingOf(this.#store, lane, await this.#lastOf(lane), now);
      if (reading === undefined) continue;
      if (reading.run !== null) this.#watch(reading.run);
      return this.#bar.show(reading.read, reading.total, readingWords(reading, now));
    }
    for (const [id, paces] of this.#runs) {
      const run = await runAt(this.#store, id);
      if (run === null || run.state !== 'open') continue;
      const { read, open, effects, subject } = run;
      paces.taking = nextPace(paces.taking, now, read - open);
      paces.writing = nextPace(paces.writing, now, effects.opened - effects.open);
      if (open > 0) return this.#tell(subject, 'taken in', paces.taking, read - open, read);
      if (effects.open > 0)
        return this.#tell(
          subject,
          'writes done',
          paces.writing,
          effects.opened - effects.open,
          effects.opened,
        );
    }
    this.#bar.show(0, null, this.#runs.size === 0 ? 'reading: the first page is on its way' : 'finishing');
  }

  end(): void {
    this.#bar.end();
  }

  #watch(run: string): void {
    if (this.#runs.has(run)) return;
    const pace = beginPace(null, this.#now(), 0);
    this.#runs.set(run, { taking: pace, writing: pace });
  }

  async #lastOf(lane: string): Promise<number | null> {
    const known = this.#last.get(lane);
    if (known !== undefined) return known;
    const last = await lastScan(this.#store, lane);
    this.#last.set(lane, last);
    return last;
  }

  #tell(lane: string, what: string, pace: Pace, done: number, total: number): void {
    const now = this.#now();
    const left = remainingOf(pace, done, total, now);
    const words = leftWords(rateOf(pace, now), left === null ? null : Math.ceil(left / 1000));
    const numbers = `${done.toLocaleString('en')} of ${total.toLocaleString('en')}`;
    this.#bar.show(done, total, `${lane}: ${numbers} ${what}, ${words}`);
  }
}
