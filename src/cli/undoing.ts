/**
 * undo: shows what would be taken back; with --apply does it and waits until every object has its former value.
 * Where a gateway works the store, it carries the undo out; else this process takes the store for as long.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { CrosswalkError } from '../errors.ts';
import { Gateway } from '../gateway.ts';
import type { View } from '../health/reports.ts';
import { undoPlan, undoStatus, type Counts, type UndoReport } from '../health/undo.ts';
import { deletedField } from '../merge/deletion.ts';
import { same } from '../merge/record.ts';
import { placeWords, whereIs } from '../store/open.ts';
import { finishUndos } from '../sync/owed.ts';
import { runOf } from '../sync/runs.ts';
import type { UndoScope } from '../sync/scope.ts';
import type { UndoItem } from '../sync/undo-plan.ts';
import type { Sync } from '../sync/hub.ts';
import { allWrites, type Pause } from '../sync/switches.ts';
import { headOf, openUndo, walkUndo } from '../sync/undo.ts';
import { timeOption, withView } from './asking.ts';
import { me } from './deciding.ts';
import { hubOf } from './hub.ts';
import { hold, holderOf } from './holder.ts';
import { errorJson, exits, fail, json, say, table, wordsOf } from './output.ts';
import type { Common } from './program.ts';
import { drain } from './syncing.ts';

interface Options extends Common {
  readonly connection?: string;
  readonly from?: string;
  readonly to?: string;
  readonly apply?: boolean;
  readonly by?: string;
  readonly wait?: string;
}

const scopeOf = ({ connection, from, to }: Options, run: string | undefined): UndoScope => ({
  ...(run === undefined ? {} : { run }),
  ...(connection === undefined ? {} : { connection }),
  ...(from === undefined ? {} : { from: timeOption(from, '--from') }),
  ...(to === undefined ? {} : { to: timeOption(to, '--to') }),
});

/** Items that are told: to programs all of them, to people the first. */
const told = ({ json: asJson }: Common): number => (asJson ? Number.POSITIVE_INFINITY : 50);

export const undo = async (options: Options, run?: string): Promise<number> => {
  const scope = scopeOf(options, run);
  const seconds = Number(options.wait);
  if (!Number.isFinite(seconds) || seconds <= 0)
    throw new CrosswalkError('usage', { detail: '--wait takes a number of seconds' });
  if (options.apply !== true)
    return withView(options, async (view, installation) => {
      const hub = hubOf(view, installation);
      return tell(await undoPlan(hub, scope, options.by ?? '', told(options)), options);
    });
  const served = await withView(options, async ({ store }) => (await holderOf(store))?.what === 'serve');
  if (!served) return work(options, scope);
  return withView(options, async (view, installation) => {
    const id = await openUndo(hubOf(view, installation), scope, me(options));
    await until(view, id, Date.now() + seconds * 1000);
    return tell(await undoStatus(view.store, id, told(options)), options);
  });
};

export const undoStatusOf = (options: Common, run: string): Promise<number> =>
  withView(options, async ({ store }) => tell(await undoStatus(store, run, told(options)), options));

/** Until the undo is closed, or what it still owes waits for a person, or the time is over. */
const until = async ({ store, switches }: View, id: string, end: number): Promise<void> => {
  for (let calm = 0; Date.now() < end && calm < 8;) {
    const row = await store.get('run', { id });
    const run = row === undefined ? undefined : runOf(row);
    if (run?.state !== 'open') return;
    const isWaiting = run.effects.open === 0 || switches.paused(allWrites) !== undefined;
    const waits = isWaiting && (await headOf(store, id))?.walked === true;
    calm = waits ? calm + 1 : 0;
    await sleep(250);
  }
};

// ---------------------------------------------------------------- in this process

const work = async (options: Options, scope: UndoScope): Promise<number> => {
  const gateway = await Gateway.open(options.dir, {
    environment: process.env,
    log: pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination(2)),
  });
  const where = whereIs(gateway.installation.config, process.env);
  let lost = false;
  try {
    const held = await hold(where, 'undo', () => (lost = true), gateway.store);
    try {
      await gateway.schemas.begin();
      await gateway.lanes.recover();
      const id = await openUndo(gateway.hub, scope, me(options));
      return await carryOut(gateway, id, options, () => {
        if (lost) throw new CrosswalkError('store-lost', { file: placeWords(where) });
      });
    } finally {
      await held.release();
    }
  } finally {
    await gateway.stop();
  }
};

const carryOut = async (
  gateway: Gateway,
  id: string,
  options: Options,
  stillHeld: () => void,
): Promise<number> => {
  const { hub, store, switches } = gateway;
  while (await walkUndo(hub, id)) stillHeld();
  const owing = await undoStatus(store, id, 0);
  const entities = new Set(Object.keys(owing.targets).map((name) => hub.syncs.get(name)?.entity));
  const stops = (sync: Sync): Pause | undefined =>
    switches.paused(allWrites) ?? switches.paused(sync.connection) ?? switches.paused(sync.name);
  const own = [...hub.syncs.values()].filter((sync) => entities.has(sync.entity));
  const spokes = own.filter((sync) => stops(sync) === undefined);
  const stopped = own
    .filter((sync) => sync.name in owing.targets)
    .map(stops)
    .find((pause) => pause !== undefined);
  const trouble = (await drain(gateway, spokes, stillHeld)) ?? pausedBy(stopped);
  await finishUndos(hub);
  const report = await undoStatus(store, id, told(options));
  if (trouble === undefined) return tell(report, options);
  if (options.json) {
    json({ undo: report, error: errorJson(wordsOf(trouble)) });
    return exits.remote;
  }
  tell(report, options);
  return fail(trouble, false);
};

const pausedBy = (pause: Pause | undefined): CrosswalkError | undefined => {
  if (pause === undefined) return undefined;
  const name = pause.name === allWrites ? 'all' : pause.name;
  return new CrosswalkError('paused', { name, why: pause.why });
};

// ---------------------------------------------------------------- telling

const value = (given: unknown): string => {
  const text = JSON.stringify(given ?? null);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
};

const whatWords = ({ kind, field, now, back, result }: UndoItem): string => {
  if (kind !== 'field') return kind;
  if (field === deletedField && result === 'kept') return 'its deletion';
  if (field === deletedField) return back === null ? 'its deletion taken back' : 'withdrawn';
  return result === 'kept' || same(now ?? null, back ?? null)
    ? `${field} ${value(now)}`
    : `${field} ${value(now)} → ${value(back)}`;
};

const cells = (item: UndoItem, isPlan: boolean): string[] => {
  const { label, result, targets } = item;
  const words = result === 'owed' && isPlan ? 'to restore' : result;
  const whys = new Set([item.why, ...targets.map((one) => one.why)].filter((why) => why !== undefined));
  const where = targets
    .filter(({ sync }) => sync !== undefined)
    .map((one) => `${one.target} ${one.result === 'owed' && isPlan ? 'to write' : one.result}`);
  return [label, whatWords(item), words, where.join(', '), [...whys].join('; ')];
};

const countWords = (counts: Counts, owed: string): string =>
  Object.entries(counts)
    .filter(([, n]) => n > 0)
    .map(([result, n]) => `${result === 'owed' ? owed : result} ${n}`)
    .join(', ') || 'nothing';

const tell = (report: UndoReport, options: Common): number => {
  const { fields, targets, items, more, notes, again, run, scope, state } = report;
  const isPlan = state === 'planned';
  const done = isPlan || state === 'closed' ? exits.ok : exits.wrong;
  if (options.json) {
    json({ undo: report });
    return done;
  }
  if (isPlan) say(`PLAN to undo ${scope}: nothing was changed; add --apply to do it`);
  else say(`undo ${run} of ${scope}, approved by ${report.by}: ${state}`);
  for (const note of notes) say(note);
  if (items.length > 0) {
    const head = ['record', 'what', 'result', 'where', 'why'];
    say(
      table(
        head,
        items.map((item) => cells(item, isPlan)),
      ),
    );
  }
  if (more > 0) say(`… and ${more} more (--json tells all)`);
  say(`fields: ${countWords(fields, isPlan ? 'to restore and write' : 'owed')}`);
  for (const [target, counts] of Object.entries(targets))
    say(`  ${target}: ${countWords(counts, isPlan ? 'to write' : 'owed')}`);
  if (again > 0) say(`${again} moved meanwhile and were planned again`);
  if (!isPlan && fields.owed > 0)
    say(`what is owed comes as its writes end; see it with: crosswalk undo status ${run}`);
  return done;
};
