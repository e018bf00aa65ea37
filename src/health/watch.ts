/**
 * Watches over a running gateway from outside of what does its work: by a timer of its own, it asks the store how old
 * the front of each lane is, and the lanes when they last had a pass. A dispatcher that stands still, a lane that is
 * never run, a store that does not answer: each becomes an alarm, once, until it is well again.
 *
 *   each second: room on the disk and in memory
 *   each look:   age of every lane, last pass of every lane, breakers ──► alarms, and a pulse that others can read
 */
import type { RemoteState } from '../remote.ts';
import { settingsUnder } from '../sync/switches.ts';
import { laneAges, lateRemedy, lateWords, type AgesView, type LaneAge } from './ages.ts';
import type { Room } from './room.ts';

export interface Watched extends AgesView {
  readonly lanes: {
    names(): readonly string[];
    worked(lane: string): { readonly at: number; readonly underWay: boolean } | undefined;
    dueAt(lane: string): number | undefined;
  };
  readonly remotes: ReadonlyMap<string, { state(): RemoteState }>;
  readonly room: Room;
  alarm(subject: string, text: string): void;
  clear(subject: string): void;
}

/** What a gateway says of itself beside its alarms, for commands in other processes. */
export interface Pulse {
  readonly at: number;
  readonly remotes: Readonly<Record<string, RemoteState>>;
}

const everyRoom = 1000;
const everyLook = 5000;
const everyPulse = 15_000;
/** ms without a pass after which a lane stands still: each is called once a second at least. */
const still = 60_000;
/** ms after which a look that has not ended counts as failed. */
const slowLook = 30_000;

export const pulseName = 'pulse';
export const lateSubject = (lane: string): string => `late ${lane}`;
/** Of an alarm that a watch raises, and clears while it runs. */
export const isWatched = (subject: string): boolean =>
  subject.startsWith('late ') || ['disk', 'memory', 'watch'].includes(subject);

export class Watch {
  readonly #watched: Watched;
  readonly #timers: NodeJS.Timeout[] = [];
  /** Alarms that are raised: subject and text. */
  readonly #raised = new Map<string, string>();
  #ages: readonly LaneAge[] = [];
  #begunAt = 0;
  #lookedAt = 0;
  #looking: Promise<void> | undefined;
  #pulsedAt = 0;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  async start(): Promise<void> {
    const { store, config, room, now } = this.#watched;
    this.#begunAt = now();
    this.#lookedAt = now();
    await room.look();
    // What a former process raised and did not live to clear.
    for (const row of await settingsUnder(store, 'alarm:')) {
      const subject = String(row['name']).slice('alarm:'.length);
      const { text } = row['value'] as { text: string };
      if (isWatched(subject)) this.#raised.set(subject, text);
    }
    const promises = Object.values(config.syncs).map(({ promise }) => promise);
    const every = Math.max(everyRoom, Math.min(everyLook, ...promises));
    this.#timers.push(
      setInterval(() => void this.#lookAtRoom(), everyRoom),
      setInterval(() => this.#tick(), every),
    );
    for (const timer of this.#timers) timer.unref();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#looking;
  }

  /** The lanes as last looked at. */
  get ages(): readonly LaneAge[] {
    return this.#ages;
  }

  /** What is late, stands still or is short, each in words. */
  get troubles(): readonly string[] {
    return [...this.#raised].map(([subject, text]) => `${subject}: ${text}`);
  }

  /** ms since the lanes were last looked at to the end. */
  get staleness(): number {
    return this.#lookedAt === 0 ? 0 : Math.max(0, this.#watched.now() - this.#lookedAt);
  }

  async #lookAtRoom(): Promise<void> {
    const { room } = this.#watched;
    await room.look();
    const { short } = room;
    for (const what of ['disk', 'memory'] as const)
      this.#set(what, short === what ? room.words(what) : undefined);
  }

  #tick(): void {
    if (this.#looking !== undefined) {
      if (this.staleness > slowLook)
        this.#set(
          'watch',
          `the store has not answered for ${Math.round(this.staleness / 1000)} s. Look at the database and the disk: crosswalk doctor`,
        );
      return;
    }
    this.#looking = this.#look()
      .then(
        () => this.#set('watch', undefined),
        (error: unknown) =>
          this.#set(
            'watch',
            `the lanes cannot be looked at: ${error instanceof Error ? error.message : String(error)}`,
          ),
      )
      .finally(() => (this.#looking = undefined));
  }

  async #look(): Promise<void> {
    const watched = this.#watched;
    const ages = await laneAges(watched);
    for (const age of [...ages, ...this.#readings()])
      this.#set(lateSubject(age.lane), age.state === 'late' ? lateWords(age) : undefined);
    this.#set(lateSubject('dispatcher'), this.#standstill());
    this.#ages = ages;
    this.#lookedAt = watched.now();
    // Where it cannot be left, its absence tells.
    await this.#pulse().catch(() => undefined);
  }

  /** Polls that should have begun, or ended, long ago. */
  #readings(): LaneAge[] {
    const { lanes, config, switches, now } = this.#watched;
    return Object.values(config.syncs).map((sync) => {
      const lane = `poll:${sync.connection}/${sync.kind}`;
      const due = lanes.dueAt(lane);
      const worked = lanes.worked(lane);
      // While one is under way it is due since it began.
      const since = worked?.underWay === true ? worked.at : due;
      const pause = switches.paused(sync.connection) ?? switches.paused(sync.name);
      const oldest = since === undefined ? null : Math.max(0, now() - since);
      const isLate = oldest !== null && oldest > sync.promise && pause === undefined;
      return {
        lane,
        oldest,
        promised: sync.promise,
        state: isLate ? 'late' : 'well',
        why: pause?.why ?? null,
      };
    });
  }

  /** Lanes that nobody calls any more, in words. */
  #standstill(): string | undefined {
    const { lanes, now } = this.#watched;
    const stopped = lanes.names().filter((lane) => {
      const worked = lanes.worked(lane);
      return worked?.underWay !== true && now() - (worked?.at ?? this.#begunAt) > still;
    });
    if (stopped.length === 0) return undefined;
    const some = stopped.slice(0, 5).join(', ');
    return `${stopped.length} of ${lanes.names().length} lanes have had no pass for a minute: ${some}${stopped.length > 5 ? ' …' : ''}. ${lateRemedy('dispatcher')}; restarting it is safe`;
  }

  /** Raised once, and cleared once. */
  #set(subject: string, text: string | undefined): void {
    const { alarm, clear } = this.#watched;
    if (text === undefined) {
      if (this.#raised.delete(subject)) clear(subject);
    } else if (!this.#raised.has(subject)) {
      this.#raised.set(subject, text);
      alarm(subject, text);
    }
  }

  async #pulse(): Promise<void> {
    const { store, remotes, now } = this.#watched;
    if (now() - this.#pulsedAt < everyPulse) return;
    this.#pulsedAt = now();
    const states = [...remotes].map(([name, remote]) => [name, remote.state()] as const);
    const pulse: Pulse = { at: now(), remotes: Object.fromEntries(states) };
    const row = { name: pulseName, value: pulse, at: now(), by: 'crosswalk' };
    await store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
  }
}
