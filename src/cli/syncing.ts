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
import { planningSyncs, type Planning } from '../health/planning.ts';
import type { View } from '../health/reports.ts';
import { loadInstallation } from '../installation.ts';
import { findStore, placeWords, whereIs, type Where } from '../store/open.ts';
import { overText } from '../sync/budget.ts';
import { passArrived } from '../sync/awaited.ts';
import { deliver } from '../sync/deliver.ts';
import type { Sync } from '../sync/hub.ts';
import { intake } from '../sync/intake.ts';
import { closeRuns, runOf, standingRun, type Run } from '../sync/runs.ts';
import { withView } from './asking.ts';
import { patiently, readAll, ReadingBar, refusePaused, runAt, spokesOf } from './reading.ts';
import { hold, holderOf } from './holder.ts';
import { errorJson, exits, fail, json, say, table, wordsOf } from './output.ts';
import type { Common } from './program.ts';

interface Options extends Common {
  readonly full?: boolean;
  readonly absent?: boolean;
  readonly plan?: boolean;
  readonly save?: boolean;
  readonly wait?: string;
}

export const sync = async (options: Options, name: string): Promise<number> => {
  if (options.plan === true) return (await import('./planning.ts')).plan(options, name);
  if (options.save === true) throw new CrosswalkError('usage', { detail: '--save goes with --plan' });
  const seconds = Number(options.wait);
  if (!Number.isFinite(seconds) || seconds <= 0)
    throw new CrosswalkError('usage', { detail: '--wait takes a number of seconds' });
  const { config } = loadInstallation(options.dir, process.env);
  const one = Object.hasOwn(config.syncs, name) ? config.syncs[name] : undefined;
  if (one === undefined) throw new CrosswalkError('not-there', { what: 'sync', id: name });
  if (await isServed(whereIs(config, process.env)))
    return withView(options, (view) => ask(view, one, options, seconds));
  return work(options, name);
};

/** True if a gateway works the store. */
const isServed = async (where: Where): Promise<boolean> => {
  const store = await findStore(where);
  if (store === undefined) return false;
  try {
    return (await holderOf(store))?.what === 'serve';
  } finally {
    await store.close();
  }
};

// ---------------------------------------------------------------- in a running gateway

/** Waits for what `look` finds, while `progress` shows that something happens. */
const until = async (look: () => Promise<boolean>, end: number, progress: ReadingBar): Promise<boolean> => {
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
  const row = {
    ...key,
    value: { full: options.full === true, absent: options.absent === true },
    at: asked,
    by: 'crosswalk sync',
  };
  await store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
  const progress = new ReadingBar(store, [lane], options.json);
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
  return report(await runAt(store, run), planningSyncs(view.config, switches, one.entity), options.json);
};

// ---------------------------------------------------------------- in this process

const work = async (options: Options, name: string): Promise<number> => {
  const gateway = await Gateway.open(options.dir, {
    environment: process.env,
    log: pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination(2)),
  });
  const where = whereIs(gateway.installation.config, process.env);
  let lost = false;
  try {
    const held = await hold(where, 'sync', () => (lost = true), gateway.store);
    try {
      const config = gateway.installation.config.syncs[name];
      const one = gateway.hub.syncs.get(name);
      if (config === undefined || one === undefined)
        throw new CrosswalkError('not-there', { what: 'sync', id: name });
      await gateway.schemas.begin();
      refusePaused(config, gateway.switches);
      const stillHeld = (): void => {
        if (lost) throw new CrosswalkError('store-lost', { file: placeWords(where) });
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
  const lanes = spokesOf(hub, one, gateway.switches).map(({ lane }) => lane);
  const progress = new ReadingBar(store, [one.lane, ...lanes], options.json);
  const timer = setInterval(() => void progress.show(), 250);
  let read: string | null = null;
  let trouble: unknown;
  try {
    await gateway.lanes.recover();
    const spokes = spokesOf(hub, one, gateway.switches);
    read = await readAll(hub, one, spokes, options.full === true, options.absent === true);
    trouble = await drain(gateway, spokes, stillHeld);
    await closeRuns(hub);
  } finally {
    clearInterval(timer);
    progress.end();
  }
  const run = await runAt(store, read);
  const planning = planningSyncs(gateway.installation.config, gateway.switches, one.entity);
  if (trouble === undefined) return report(run, planning, options.json);
  if (options.json) {
    json({ run, planning, error: errorJson(wordsOf(trouble)) });
    return exits.remote;
  }
  report(run, planning, false);
  return fail(trouble, false);
};

/** ms without progress after which what still waits is left to the gateway. */
const rest = 20_000;

/** Takes in and delivers, for all syncs of the entity, until nothing waits; answers what stopped a sync. */
export const drain = async (
  { hub, store }: Pick<Gateway, 'hub' | 'store'>,
  spokes: readonly Sync[],
  stillHeld: () => void,
): Promise<unknown> => {
  const run = await standingRun(hub, 'upkeep', 'command', new Set());
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
      if (delivered.over !== undefined) {
        const params = { sync: spoke.name, why: overText(spoke.name, delivered.over) };
        stopped.set(spoke.name, new CrosswalkError('budget-exceeded', params));
      }
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
    let taken = await passArrived(hub, run);
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

const report = (run: Run | null, planning: readonly Planning[], asJson: boolean): number => {
  if (asJson) json({ run, planning });
  else for (const { text } of planning) say(text);
  if (asJson) return codeOf(run);
  if (run === null) say('nothing has changed there');
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
  return codeOf(run);
};

const codeOf = (run: Run | null): number =>
  run !== null && (run.state === 'failed' || run.items.parked + run.items.failed > 0)
    ? exits.wrong
    : exits.ok;
