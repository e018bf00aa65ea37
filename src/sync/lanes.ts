/** The lanes of a gateway, by their names (`lane.ts`), and what a pass of each does. */
import type { Logger } from 'pino';
import type { NoticeConfig, SyncConfig } from '../config.ts';
import type { Connection } from '../connections.ts';
import { Trouble } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { along } from '../trace.ts';
import { collectNotices, recoverNotices, sendNotices } from '../notify/notices.ts';
import { alikeLane, passAlike } from './alike.ts';
import { passArrived } from './awaited.ts';
import { overText } from './budget.ts';
import { catchUp } from './catch-up.ts';
import { deliver } from './deliver.ts';
import { tooManyIds } from './ids.ts';
import { isRead } from './first-reading.ts';
import { lanesBehind, madeUp } from './held.ts';
import type { Hub } from './hub.ts';
import { intake } from './intake.ts';
import { laneNames, movesData, nextTime, ofSync, split } from './lane.ts';
import { prune, type Keep, type Round } from './prune.ts';
import { arrivedLane } from './relations.ts';
import { passUnclaimed } from './route.ts';
import { workUndos } from './owed.ts';
import { closeRuns, standingRun } from './runs.ts';
import { poll, sweep } from './sweep.ts';
import { allWrites, settingsUnder, type Switches } from './switches.ts';
import { recover } from './unsettled.ts';

export interface LanesOptions {
  readonly hub: Hub;
  readonly connections: ReadonlyMap<string, Connection>;
  readonly notices: readonly NoticeConfig[];
  /** The connection that alarms are sent through, if one is. */
  readonly alarmsTo?: string | undefined;
  readonly syncs: readonly SyncConfig[];
  readonly switches: Switches;
  readonly keep: Keep;
  /** So many ids changed in 24 hours stop all writing; 0 for never. */
  readonly idChanges: number;
  readonly log: Logger;
  /** True while disk or memory is short: what is there is worked, and nothing new is read. */
  isShort?(): boolean;
  /** Lanes that concern no sync, such as backups; each gives ms until its next pass. */
  readonly chores?: Readonly<Record<string, () => Promise<number | null>>> | undefined;
  /**
   * What must have been done before data of a connection moves; may pause a sync. `anew`: the lane is about to be
   * swept because a person asked for it, `soon`: because it is time.
   */
  before?(connection: string, when?: 'anew' | 'soon'): Promise<void>;
}

const mostBackoff = 5 * 60_000;

export class Lanes {
  readonly #options: LanesOptions;
  readonly #runs = new Set<string>();
  /** UTC ms before which a lane is left alone, and how often it failed in a row. */
  readonly #backoff = new Map<string, { until: number; failures: number }>();
  readonly #next = new Map<string, number>();
  /** Lanes whose next sweep a person wants to look at all that a scan does not show. */
  readonly #absent = new Set<string>();
  /** Lanes whose sweep makes up for what a held sync missed. */
  readonly #makingUp = new Set<string>();
  /** Syncs whose last pass the store cut off: it may have left calls whose answers nobody waits for. */
  readonly #cutOff = new Set<string>();
  readonly #round: Round = { after: undefined };
  /** The store was away or full when it was last asked. */
  #isAway = false;
  /** UTC ms until which it counts as full: a pass that only reads does not show that there is room. */
  #fullUntil = 0;
  /** How far the present round over what each undo owes has come. */
  readonly #owed = new Map<string, string>();
  /** When a pass of each lane last began or ended, UTC ms, and whether one is under way. */
  readonly #worked = new Map<string, { readonly at: number; readonly underWay: boolean }>();
  readonly #names: readonly string[];

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#names = laneNames(options);
  }

  names(): readonly string[] {
    return this.#names;
  }

  has(lane: string): boolean {
    return this.#names.includes(lane);
  }

  /** Calls and messages that a former process left behind. Before anything else. */
  async recover(): Promise<void> {
    const { hub, log } = this.#options;
    const run = await standingRun(hub, 'upkeep', 'recovery', this.#runs);
    const calls = await recover(hub, run);
    const messages = await recoverNotices(hub);
    if (calls + messages > 0)
      log.warn(
        { calls, messages },
        'found calls without an answer: each is looked up before anything is repeated',
      );
  }

  /** When a pass of a lane last began or ended, for who watches over it; undefined: never. */
  worked(lane: string): { readonly at: number; readonly underWay: boolean } | undefined {
    return this.#worked.get(lane);
  }

  /** UTC ms at which a poll or sweep is or was to begin; undefined while one is under way, or nobody knows yet. */
  dueAt(lane: string): number | undefined {
    const due = this.#next.get(lane);
    return due === undefined || !Number.isFinite(due) ? undefined : due;
  }

  /** One pass of a lane: ms until the next, null for none before a nudge. */
  async work(lane: string): Promise<number | null> {
    const { hub } = this.#options;
    this.#worked.set(lane, { at: hub.now(), underWay: true });
    try {
      return await along({ lane, kind: this.#kindOf(lane), trace: undefined }, () => this.#work(lane));
    } finally {
      this.#worked.set(lane, { at: hub.now(), underWay: false });
    }
  }

  async #work(lane: string): Promise<number | null> {
    const { hub } = this.#options;
    const wait = (this.#backoff.get(lane)?.until ?? 0) - hub.now();
    if (wait > 0) return Math.min(wait, 60_000);
    if (this.#isPaused(lane)) return null;
    try {
      if (movesData.has(split(lane)[0])) {
        await this.#options.before?.(this.#connectionOf(lane));
        if (this.#isPaused(lane)) return null;
      }
      const next = await this.#pass(lane);
      if (this.#backoff.delete(lane)) hub.clear?.(`lane ${lane}`);
      if (this.#isAway && hub.now() >= this.#fullUntil) {
        hub.clear?.('store');
        this.#isAway = false;
      }
      return next;
    } catch (error) {
      return this.#failed(lane, error);
    }
  }

  /** A person asks for a poll or sweep now. */
  due(lane: string): void {
    this.#next.set(lane, 0);
  }

  /** A connection or sync was resumed: its lanes try at once. */
  forget(name: string): void {
    for (const lane of this.#names) {
      const [what, own] = split(lane);
      if ((ofSync.has(what) && own === name) || this.#connectionOf(lane) === name) this.#backoff.delete(lane);
    }
  }

  #isPaused(lane: string): boolean {
    const { switches, hub } = this.#options;
    const [what, name = ''] = split(lane);
    if (ofSync.has(what) && switches.paused(allWrites) !== undefined) return true;
    if (ofSync.has(what))
      return (
        switches.paused(name) !== undefined ||
        switches.paused(hub.syncs.get(name)?.connection ?? '') !== undefined
      );
    const connection = name.split('/')[0] ?? '';
    if (connection !== '' && switches.paused(connection) !== undefined) return true;
    if (what !== 'in' && what !== 'poll' && what !== 'sweep') return false;
    const syncs = [...hub.syncs.values()].filter((sync) => sync.lane === name);
    return syncs.length > 0 && syncs.every((sync) => hub.isHeld?.(sync.name) === true);
  }

  async #pass(lane: string): Promise<number | null> {
    const { hub, connections, notices } = this.#options;
    const [what, name = ''] = split(lane);
    const upkeep = (): Promise<string> => standingRun(hub, 'upkeep', name, this.#runs);
    switch (what) {
      case 'in': {
        const { taken } = await intake(hub, name, await upkeep());
        if (taken > 0) await this.#checkIds();
        return taken > 0 ? 0 : null;
      }
      case 'out': {
        const sync = hub.syncs.get(name);
        if (sync === undefined || !sync.outward) return null;
        if (this.#cutOff.has(name)) {
          await recover(hub, await upkeep(), name);
          this.#cutOff.delete(name);
        }
        const { taken, trouble, over } = await deliver(hub, sync, await upkeep());
        if (over !== undefined) await this.#stopOver(name, over);
        if (trouble !== undefined) throw trouble;
        return taken > 0 ? 0 : null;
      }
      case 'catch-up': {
        const sync = hub.syncs.get(name);
        return sync !== undefined && (await catchUp(hub, sync)) ? 0 : null;
      }
      case 'route': {
        const sync = hub.syncs.get(name);
        return sync === undefined ? null : passUnclaimed(hub, sync, await upkeep());
      }
      case arrivedLane:
        return (await passArrived(hub, await upkeep())) > 0 ? 0 : null;
      case 'poll':
      case 'sweep':
        return this.#scheduled(lane, what, name);
      case 'notices': {
        const made = await collectNotices(hub, notices);
        if (made > 0) for (const notice of notices) hub.nudge(`say:${notice.to}`);
        return made > 0 ? 0 : null;
      }
      case 'say': {
        const notifier = connections.get(name)?.session.notify;
        if (notifier === undefined) return null;
        const { sent, trouble } = await sendNotices(hub, name, notifier);
        if (trouble !== undefined) throw trouble;
        return sent > 0 ? 0 : null;
      }
      case alikeLane:
        return passAlike(hub, await upkeep());
      case 'undo':
        return (await workUndos(hub, this.#owed)) ? 0 : null;
      default: {
        const chore = this.#options.chores?.[what];
        return chore === undefined ? this.#upkeep() : chore();
      }
    }
  }

  /** Polls wait for the first sweep: only then is there a cursor to go on from. */
  async #scheduled(lane: string, what: 'poll' | 'sweep', name: string): Promise<number | null> {
    const { hub } = this.#options;
    const now = hub.now();
    const due = this.#next.get(lane) ?? (await this.#firstDue(lane, what, name));
    if (now < due) return Math.min(due - now, 60_000);
    if (this.#options.isShort?.() === true) return 1000;
    if (what === 'sweep') {
      await this.#options.before?.(this.#connectionOf(lane), due === 0 ? 'anew' : 'soon');
      if (this.#isPaused(lane)) return null;
    }
    // Who asks while it reads, asks for another reading: what changed behind its back may be what they mean.
    this.#next.set(lane, Number.POSITIVE_INFINITY);
    try {
      if (what === 'sweep') await sweep(hub, name, this.#absent.delete(name));
      else await poll(hub, name);
    } catch (error) {
      this.#next.set(lane, due);
      throw error;
    }
    if (what === 'sweep') {
      await madeUp(hub, name);
      this.#makingUp.delete(name);
    }
    if (this.#next.get(lane) === 0) return 0;
    const next = this.#after(what, name, hub.now());
    this.#next.set(lane, next);
    if (what === 'sweep') this.#next.set(`poll:${name}`, hub.now());
    return Math.min(next - hub.now(), 60_000);
  }

  async #firstDue(lane: string, what: 'poll' | 'sweep', name: string): Promise<number> {
    const { hub } = this.#options;
    const one = [...hub.syncs.values()].find((sync) => sync.lane === name);
    const placed = (await hub.store.get('cursor', { lane: name })) !== undefined;
    const begun = placed && (one === undefined || (await isRead(hub, one)));
    const unfinished = (await hub.store.get('cursor', { lane: `scan:${name}` })) !== undefined;
    const now = hub.now();
    if (what === 'sweep') {
      const due = !begun || unfinished ? now : this.#after('sweep', name, now);
      this.#next.set(lane, due);
      return due;
    }
    // Not remembered while the first sweep is still to come.
    return begun || one?.kind.scan === undefined ? now : now + 1000;
  }

  #after(what: 'poll' | 'sweep', name: string, now: number): number {
    const times = this.#options.syncs
      .filter((sync) => `${sync.connection}/${sync.kind}` === name)
      .map((sync) => nextTime(sync[what], now));
    return Math.min(...times);
  }

  async #upkeep(): Promise<number | null> {
    const { hub, switches } = this.#options;
    await switches.refresh();
    await this.#takeAsked();
    await this.#makeUp();
    // Also where every sync is held: what holds it may be well again. Nobody waits here.
    for (const name of new Set(this.#options.syncs.map((sync) => sync.connection)))
      this.#options.before?.(name).catch((error: unknown) => hub.alarm(`connection ${name}`, String(error)));
    await closeRuns(hub);
    return (await prune(hub, this.#options.keep, this.#round)) ? 100 : null;
  }

  /** A budget would be exceeded: the sync writes nothing more until a person has decided. */
  async #stopOver(sync: string, why: string): Promise<void> {
    const { hub, switches } = this.#options;
    const text = overText(sync, why);
    await switches.pause(sync, text, 'budget', hub.now());
    hub.alarm(`sync ${sync}`, text);
  }

  /** Too many ids changed, or were to be overwritten: nothing is written anywhere until a person has looked. */
  async #checkIds(): Promise<void> {
    const { hub, switches, idChanges, syncs } = this.#options;
    if (switches.paused(allWrites) !== undefined) return;
    const text = await tooManyIds(hub, new Set(syncs.map((sync) => sync.name)), idChanges);
    if (text === null) return;
    await switches.pause(allWrites, text, 'guard', hub.now());
    hub.alarm('ids', text);
  }

  async #makeUp(): Promise<void> {
    for (const lane of await lanesBehind(this.#options.hub)) {
      if (this.#makingUp.has(lane)) continue;
      this.#makingUp.add(lane);
      this.due(`sweep:${lane}`);
      this.#options.hub.nudge(`sweep:${lane}`);
    }
  }

  /** What `crosswalk sync` in another process asks for, by a setting `due:<sync>`. */
  async #takeAsked(): Promise<void> {
    const { hub } = this.#options;
    for (const row of await settingsUnder(hub.store, 'due:')) {
      const name = String(row['name']);
      const sync = hub.syncs.get(name.slice('due:'.length));
      if (sync !== undefined) {
        const { full = false, absent = false } = (row['value'] ?? {}) as { full?: boolean; absent?: boolean };
        if (absent) this.#absent.add(sync.lane);
        const lane = `${full || sync.kind.changes === undefined ? 'sweep' : 'poll'}:${sync.lane}`;
        this.#backoff.delete(lane);
        this.due(lane);
        hub.nudge(lane);
      }
      const when = [{ table: 'setting' as const, key: { name }, is: { at: row['at'] } }];
      await hub.store.commit([{ when, write: [{ op: 'delete', table: 'setting', key: { name } }] }]);
    }
  }

  /** A trouble slows the lane; one that speaks of credentials pauses the connection, with an alarm. */
  async #failed(lane: string, error: unknown): Promise<number> {
    const { hub, log, switches } = this.#options;
    const failures = (this.#backoff.get(lane)?.failures ?? 0) + 1;
    const [what, own = ''] = split(lane);
    if (what === 'out' && !(error instanceof Trouble)) this.#cutOff.add(own);
    if (error instanceof CrosswalkError && (error.code === 'store-away' || error.code === 'store-full')) {
      if (!this.#isAway) hub.alarm('store', error.message);
      if (error.code === 'store-full') this.#fullUntil = hub.now() + 30_000;
      this.#isAway = true;
      const until = hub.now() + Math.min(5000, 250 * 2 ** Math.min(failures, 5)) * (0.75 + hub.random() / 2);
      this.#backoff.set(lane, { until, failures });
      return until - hub.now();
    }
    const asked = error instanceof Trouble ? error.detail.retryAfter : undefined;
    const wait =
      asked ?? Math.min(mostBackoff, 500 * 2 ** Math.min(failures, 10)) * (0.75 + hub.random() / 2);
    this.#backoff.set(lane, { until: hub.now() + wait, failures });
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof Trouble && error.kind === 'forbidden' && error.detail.scoped !== true) {
      const name = this.#connectionOf(lane);
      if (name !== '' && switches.paused(name) === undefined) {
        await switches.pause(name, text, 'crosswalk', hub.now());
        hub.alarm(
          `connection ${name}`,
          `paused: the remote refuses our credentials (${text}). Renew them, then: crosswalk resume ${name}`,
        );
      }
    } else if (error instanceof Trouble) log.warn({ lane, failures, wait: Math.round(wait) }, text);
    else hub.alarm(`lane ${lane}`, text);
    return wait;
  }

  /** The kind of remote objects that a lane is about, for metrics. */
  #kindOf(lane: string): string | undefined {
    const [what, name = ''] = split(lane);
    return ofSync.has(what) ? this.#options.hub.syncs.get(name)?.kindName : name.split('/')[1];
  }

  #connectionOf(lane: string): string {
    const [what, name = ''] = split(lane);
    return ofSync.has(what)
      ? (this.#options.hub.syncs.get(name)?.connection ?? '')
      : (name.split('/')[0] ?? '');
  }
}
