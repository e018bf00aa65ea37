import type { Dispatcher } from './dispatcher.ts';

/** Passes under way at once. One core does the work; more would only hold more batches in memory. */
const mostAtOnce = 8;
/** Every lane is looked at this often without a nudge, ms. */
const fallback = 1000;

type State = 'idle' | 'queued' | 'running' | 'again';

/**
 * The default dispatcher: lanes of this process.
 *
 *   idle ──nudge──► queued ──a place is free──► running ──nudge──► again
 *    ▲                 ▲                           │ done             │ done
 *    └─────────────────┴──── null ◄────────────────┴───► queued ◄─────┘
 */
export class InProcessDispatcher implements Dispatcher {
  readonly #states = new Map<string, State>();
  readonly #queue: string[] = [];
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  #work: ((lane: string) => Promise<number | null>) | undefined;
  #tick: NodeJS.Timeout | undefined;
  #stopped = false;

  nudge(lane: string): void {
    const state = this.#states.get(lane) ?? 'idle';
    if (state === 'running') this.#states.set(lane, 'again');
    if (state !== 'idle' || this.#stopped) return;
    this.#states.set(lane, 'queued');
    this.#queue.push(lane);
    this.#pump();
  }

  start(work: (lane: string) => Promise<number | null>, lanes: readonly string[]): void {
    this.#work = work;
    this.#tick = setInterval(() => lanes.forEach((lane) => this.nudge(lane)), fallback);
    lanes.forEach((lane) => this.nudge(lane));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#tick);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#queue.length = 0;
    await Promise.allSettled(this.#running);
  }

  #pump(): void {
    while (this.#running.size < mostAtOnce && this.#work !== undefined && !this.#stopped) {
      const lane = this.#queue.shift();
      if (lane === undefined) return;
      this.#states.set(lane, 'running');
      const pass = this.#pass(lane, this.#work).finally(() => {
        this.#running.delete(pass);
        this.#pump();
      });
      this.#running.add(pass);
    }
  }

  async #pass(lane: string, work: (lane: string) => Promise<number | null>): Promise<void> {
    let next: number | null = fallback;
    try {
      next = await work(lane);
    } finally {
      const again = this.#states.get(lane) === 'again';
      this.#states.set(lane, 'idle');
      if (again || next === 0) this.nudge(lane);
      else if (next !== null) this.#later(lane, next);
    }
  }

  #later(lane: string, ms: number): void {
    // A pass that ends after the stop would else keep the process alive until its next turn, a day perhaps.
    if (this.#stopped) return;
    clearTimeout(this.#timers.get(lane));
    const timer = setTimeout(() => this.nudge(lane), ms);
    this.#timers.set(lane, timer);
  }
}
