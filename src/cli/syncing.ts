/**
 * sync: reads what changed (or everything) and delivers, now. Where a gateway works the store it is asked,
 * through the store; else this process takes the store for as long as the work lasts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import type { SyncConfig } from '../config.ts';
import { Trouble } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { Gateway } from '../gateway.ts';
import type { View } from '../health/reports.ts';
import { loadInstallation } from '../installation.ts';
import type { Store } from '../store/store.ts';
import { deliver } from '../sync/deliver.ts';
import type { Sync } from '../sync/hub.ts';
import { intake } from '../sync/intake.ts';
import { closeRuns, runOf, standingRun, type Run } from '../sync/runs.ts';
import { poll, sweep } from '../sync/sweep.ts';
import { withView } from './asking.ts';
import { hold, holderOf } from './holder.ts';
import { errorJson, exits, fail, json, say, table, wordsOf } from './output.ts';
import type { Common } from './program.ts';
import { existsSync } from 'node:fs';

interface Options extends Common {
  readonly full?: boolean;
  readonly plan?: boolean;
  readonly wait?: string;
}

export const sync = async (options: Options, name: string): Promise<number> => {
  if (options.plan === true) throw new CrosswalkError('not-yet', { what: 'The plan overlay (sync --plan)' });
  const seconds = Number(options.wait);
  if (!Number.isFinite(seconds) || seconds <= 0)
    throw new CrosswalkError('usage', { detail: '--wait takes a number of seconds' });
  const { config } = loadInstallation(options.dir, process.env);
  const one = Object.hasOwn(config.syncs, name) ? config.syncs[name] : undefined;
  if (one === undefined) throw new CrosswalkError('not-there', { what: 'sync', id: name });
  const { path } = config.store;
  const served =
    path !== ':memory:' &&
    existsSync(path) &&
    (await withView(options, async ({ store }) => (await holderOf(store))?.what === 'serve'));
  if (served) return withView(options, (view) => ask(view, one, options, seconds));
  return work(options, name);
};

// ---------------------------------------------------------------- in a running gateway

/** Waits for what `look` finds, while `progress` shows that something happens. */
const until = async (look: () => Promise<boolean>, end: number, progress: Progress): Promise<boolean> => {
  for (;;) {
    if (await look()) return true;
    if (Date.now() > end) return false;
    await progress.show();
    await sleep(250);
  }
};

const ask = async (view: View, one: SyncConfig, options: Options, seconds: number): Promise<number> => {
  const { store, switches } = view;
  refusePaused(one, switches);
  const lane = `${one.connection}/${one.kind}`;
  const asked = Date.now();
  const end = asked + seconds * 1000;
  const key = { name: `due:${one.name}` };
  const row = { ...key, value: { full: options.full === true }, at: asked, by: 'crosswalk sync' };
  await store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
  const progress = new Progress(store, lane, options.json);
  let run: string | null = null;
  const isRead = async (): Promise<boolean> => {
    if ((await store.get('setting', key)) !== undefined) return false;
    const cursor = await store.get('cursor', { lane });
    const latest = (await store.list('run', 'at', { where: {}, newest: true, limit: 50 }))
      .map(runOf)
      .find((each) => each.kind === 'scan' && each.subject === lane && (each.ended ?? 0) >= asked);
    if (latest !== undefined) run = latest.id;
    else if (options.full !== true && cursor?.['page'] === null && Number(cursor['since']) >= asked)
      run = (cursor['run'] as string | null) ?? null;
    else return false;
    return true;
  };
  const read = await until(isRead, end, progress);
  if (!read) {
    progress.end();
    throw new CrosswalkError('sync-unfinished', { sync: one.name, seconds });
  }
  const isSettled = async (): Promise<boolean> =>
    run === null || (await store.get('run', { id: run }))?.['state'] !== 'open';
  await until(isSettled, end, progress);
  progress.end();
  return report(await runAt(store, run), options.json);
};

const refusePaused = (one: SyncConfig, switches: View['switches']): void => {
  const pause = switches.paused(one.connection);
  if (pause !== undefined) throw new CrosswalkError('paused', { name: pause.name, why: pause.why });
};

// ---------------------------------------------------------------- in this process

const work = async (options: Options, name: string): Promise<number> => {
  const gateway = await Gateway.open(options.dir, {
    environment: process.env,
    log: pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination(2)),
  });
  const { path } = gateway.installation.config.store;
  let lost = false;
  try {
    const held = await hold(path, 'sync', () => (lost = true));
    try {
      const config = gateway.installation.config.syncs[name];
      const one = gateway.hub.syncs.get(name);
      if (config === undefined || one === undefined)
        throw new CrosswalkError('not-there', { what: 'sync', id: name });
      refusePaused(config, gateway.switches);
      const stillHeld = (): void => {
        if (lost) throw new CrosswalkError('store-lost', { file: path });
      };
      return await readAndDeliver(gateway, one, options, stillHeld);
    } finally {
      await held.release();
    }
  } finally {
    await gateway.stop();
  }
};

const readAndDeliver = async (
  gateway: Gateway,
  one: Sync,
  options: Options,
  stillHeld: () => void,
): Promise<number> => {
  const { hub, store } = gateway;
  const progress = new Progress(store, one.lane, options.json);
  const timer = setInterval(() => void progress.show(), 250);
  let read: string | null = null;
  let trouble: unknown;
  try {
    await gateway.lanes.recover();
    const full = options.full === true || one.kind.changes === undefined;
    ({ run: read } = await patiently(() => (full ? sweep(hub, one.lane) : poll(hub, one.lane))));
    trouble = await drain(gateway, one, stillHeld);
    await closeRuns(hub);
  } finally {
    clearInterval(timer);
    progress.end();
  }
  const run = await runAt(store, read);
  if (trouble === undefined) return report(run, options.json);
  if (options.json) {
    json({ run, error: errorJson(wordsOf(trouble)) });
    return exits.remote;
  }
  report(run, false);
  return fail(trouble, false);
};

/** What is asked to wait waits, a minute at most at a time and twenty times. */
const patiently = async <Result>(send: () => Promise<Result>): Promise<Result> => {
  for (let turn = 1; ; turn += 1) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof Trouble) || error.kind !== 'busy' || turn === 20) throw error;
      await sleep(Math.min(60_000, error.detail.retryAfter ?? 1000));
    }
  }
};

/** ms without progress after which what still waits is left to the gateway. */
const rest = 20_000;

/** Takes in and delivers, for all syncs of the entity, until nothing waits; answers what stopped a sync. */
const drain = async (gateway: Gateway, one: Sync, stillHeld: () => void): Promise<unknown> => {
  const { hub, switches, store } = gateway;
  const run = await standingRun(hub, 'upkeep', 'command', new Set());
  const isPaused = ({ name, connection }: Sync): boolean =>
    switches.paused(name) !== undefined || switches.paused(connection) !== undefined;
  const spokes = [...hub.syncs.values()].filter((each) => each.entity === one.entity && !isPaused(each));
  const stopped = new Map<string, unknown>();
  const pass = async (spoke: Sync): Promise<number> => {
    let taken = 0;
    try {
      taken += (await patiently(() => intake(hub, spoke.lane, run))).taken;
      if (!spoke.outward) return taken;
      const delivered = await patiently(async () => {
        const result = await deliver(hub, spoke, run);
        if (result.trouble?.kind === 'busy') throw result.trouble;
        return result;
      });
      if (delivered.trouble !== undefined) stopped.set(spoke.name, delivered.trouble);
      return taken + delivered.taken;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      stopped.set(spoke.name, error);
      return taken;
    }
  };
  const waiting = async (spoke: Sync): Promise<number> =>
    (await store.count('touch', 'due', { lane: spoke.lane })) +
    (spoke.outward ? await store.count('effect', 'due', { sync: spoke.name, state: 'open' }) : 0);
  let moved = Date.now();
  for (;;) {
    let taken = 0;
    let left = 0;
    for (const spoke of spokes) {
      if (stopped.has(spoke.name)) continue;
      stillHeld();
      taken += await pass(spoke);
      left += await waiting(spoke);
    }
    if (taken > 0) moved = Date.now();
    else if (left === 0 || Date.now() - moved > rest) return [...stopped.values()][0];
    else await sleep(250);
  }
};

// ---------------------------------------------------------------- telling

const runAt = async (store: Store, id: string | null): Promise<Run | null> => {
  const row = id === null ? undefined : await store.get('run', { id });
  return row === undefined ? null : runOf(row);
};

/** One line on a terminal, written over and over. */
class Progress {
  readonly #store: Store;
  readonly #lane: string;
  readonly #on: boolean;
  #shown = false;

  constructor(store: Store, lane: string, quiet: boolean) {
    this.#store = store;
    this.#lane = lane;
    this.#on = !quiet && process.stderr.isTTY;
  }

  async show(): Promise<void> {
    if (!this.#on) return;
    const place = { lane: `scan:${this.#lane}` };
    const cursor =
      (await this.#store.get('cursor', place)) ?? (await this.#store.get('cursor', { lane: this.#lane }));
    const run = await runAt(this.#store, (cursor?.['run'] as string | null | undefined) ?? null);
    const of = run?.total === null || run?.total === undefined ? '' : ` of ${run.total}`;
    const text =
      run === null
        ? 'reading'
        : `${run.read}${of} read, ${run.open} to take in, ${run.effects.open} to write`;
    this.#shown = true;
    process.stderr.write(`\r\u001b[K${text}`);
  }

  end(): void {
    if (this.#shown) process.stderr.write('\r\u001b[K');
  }
}

const report = (run: Run | null, asJson: boolean): number => {
  if (asJson) json({ run });
  else if (run === null) say('nothing has changed there');
  else {
    const { read, open, items, effects } = run;
    const head = ['state', 'read', 'applied', 'echo', 'unchanged', 'filtered', 'parked', 'failed', 'open'];
    const { applied, echo, unchanged, filtered, parked, failed } = items;
    const cells = [
      read,
      applied,
      echo,
      unchanged,
      filtered,
      parked,
      failed,
      open,
      effects.opened,
      effects.delivered,
    ];
    say(table([...head, 'effects', 'delivered'], [[run.state, ...cells.map(String)]]));
    if (parked + effects.parked > 0)
      say('something waits for a person: crosswalk parked list, conflicts list');
    if (run.note !== null) say(run.note);
    if (open + effects.open > 0) say('what is still open goes on when the gateway runs');
  }
  const wrong = run !== null && (run.state === 'failed' || run.items.parked + run.items.failed > 0);
  return wrong ? exits.wrong : exits.ok;
};
