/** sync --plan: what would be written, from a copy of the store; nothing is sent, and nothing is kept unless --save says so. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { CrosswalkError } from '../errors.ts';
import { Gateway, newId } from '../gateway.ts';
import { loadInstallation } from '../installation.ts';
import type { Row } from '../store/schema.ts';
import { copyInto } from '../store/copy.ts';
import { findStore, openStore, whereIs, type Where } from '../store/open.ts';
import { copyFile } from '../store/sqlite-whole.ts';
import type { Store } from '../store/store.ts';
import type { Sync } from '../sync/hub.ts';
import { intake } from '../sync/intake.ts';
import { planOf, type Planned } from '../sync/plan.ts';
import { standingRun, type Run } from '../sync/runs.ts';
import { baseOf, byRecord, savePlan, type SavedHead, type SavedRecord } from '../sync/saved.ts';
import { patiently, readAll, ReadingBar, refusePaused, runAt, spokesOf } from './reading.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

/** Most writes that are told one by one; all are counted. */
const mostTold = 10_000;
const mostShown = 50;

interface Totals {
  create: number;
  update: number;
  remove: number;
  already: number;
  parked: number;
  waiting: number;
}

export interface Plan {
  readonly run: Run | null;
  readonly totals: Readonly<Record<string, Totals>>;
  /** Syncs that would write nothing yet: they are not live. */
  readonly planning: readonly string[];
  readonly writes: readonly Planned[];
  /** Writes that are counted but not told. */
  readonly more: number;
  /** Calls whose outcome is still unknown: they are settled before anything else is written. */
  readonly unsettled: number;
  readonly parkedItems: readonly { readonly where: string; readonly why: string }[];
  readonly conflicts: number;
}

interface Options extends Common {
  readonly full?: boolean;
  readonly save?: boolean;
}

export const plan = async (options: Options, name: string): Promise<number> => {
  const { made, head, records } = await inOverlay(options, name);
  if (options.save !== true) return tell(made, null, options.json);
  if (made.more > 0) {
    const detail = `${made.writes.length + made.more} writes are too many to approve; a plan keeps ${mostTold} at most`;
    throw new CrosswalkError('usage', { detail });
  }
  return tell(made, records.length === 0 ? null : await keep(options, head, records), options.json);
};

/** Writes the plan into the store itself: its items, and nothing else. */
const keep = async (options: Options, head: SavedHead, records: readonly SavedRecord[]): Promise<string> => {
  const { config } = loadInstallation(options.dir, process.env);
  const store = await openStore(whereIs(config, process.env));
  try {
    return await savePlan({ store, newId, now: Date.now }, head, records);
  } finally {
    await store.close();
  }
};

export interface Overlaid {
  readonly made: Plan;
  readonly head: SavedHead;
  readonly records: readonly SavedRecord[];
}

/** Plans in a copy of the store, which is thrown away. */
export const inOverlay = async (options: Options, name: string): Promise<Overlaid> => {
  const { config } = loadInstallation(options.dir, process.env);
  const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-plan-'));
  const clean = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clean);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    process.once(signal, () => process.exit(code));
  try {
    const overlay = path.join(folder, 'overlay.db');
    const where = whereIs(config, process.env);
    await copyFor(where, overlay);
    const gateway = await Gateway.open(options.dir, {
      environment: process.env,
      log: pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination(2)),
      overlay,
    });
    try {
      const made = await make(gateway, name, options);
      const records = await byRecord(gateway.hub, made.writes);
      return { made, head: headFor(gateway, name, options.full === true), records };
    } finally {
      await gateway.stop();
    }
  } finally {
    clean();
  }
};

/** Whether a sync is live, and when it reads, changes nothing of what is to be written. */
const aside: ReadonlySet<string> = new Set(['mode', 'modeGiven', 'poll', 'sweep']);

/** What a plan of a sync is made under, as it is now. */
export const headFor = (
  { hub, installation: { config } }: Pick<Gateway, 'hub' | 'installation'>,
  name: string,
  full: boolean,
): SavedHead => {
  const entity = config.syncs[name]?.entity ?? '';
  const syncs = [...hub.syncs.values()].filter((one) => one.entity === entity);
  const settings = Object.values(config.syncs)
    .filter((one) => one.entity === entity)
    .map((one) => Object.entries(one).filter(([name]) => !aside.has(name)));
  return { sync: name, full, base: baseOf(syncs, [config.entities[entity] ?? null, settings]) };
};

/** The store as it is now, in a file of its own; nothing where there is none yet. */
const copyFor = async (where: Where, overlay: string): Promise<void> => {
  const store = await findStore(where);
  if (store === undefined) return;
  try {
    if ('file' in where) return copyFile(where.file, overlay);
    const copy = await openStore({ file: overlay });
    await copyInto(store, copy).finally(() => copy.close());
  } finally {
    await store.close();
  }
};

const count = async (store: Store): Promise<{ conflicts: number; parked: Set<string> }> => ({
  conflicts: await store.count('conflict', 'open', { open: 1 }),
  parked: new Set((await parkedRows(store)).map((row) => String(row['id']))),
});

const parkedRows = (store: Store): Promise<Row[]> =>
  store.list('parked', 'at', { where: {}, newest: true, limit: mostTold });

const make = async (
  gateway: Gateway,
  name: string,
  { json: quiet, full }: Common & { readonly full?: boolean },
): Promise<Plan> => {
  const { hub, store, switches, installation } = gateway;
  const config = installation.config.syncs[name];
  const one = hub.syncs.get(name);
  if (config === undefined || one === undefined)
    throw new CrosswalkError('not-there', { what: 'sync', id: name });
  await gateway.schemas.begin();
  refusePaused(config, switches);
  const spokes = spokesOf(hub, one, switches);
  const before = await count(store);
  const run = await standingRun(hub, 'upkeep', 'plan', new Set());
  const bar = new ReadingBar(
    store,
    spokes.map(({ lane }) => lane),
    quiet,
  );
  const timer = setInterval(() => void bar.show(), 250);
  try {
    const read = await readAll(hub, one, spokes, full === true, false);
    for (const spoke of spokes) while ((await patiently(() => intake(hub, spoke.lane, run))).taken > 0);
    const writes = await collect(gateway, spokes, run);
    const after = await count(store);
    const parked = (await parkedRows(store)).filter((row) => !before.parked.has(String(row['id'])));
    return {
      run: await runAt(store, read),
      ...writes,
      planning: Object.values(installation.config.syncs)
        .filter((each) => writes.totals[each.name] !== undefined && !switches.isLive(each))
        .map((each) => each.name),
      unsettled: await store.count('effect', 'state', { state: 'unsettled' }),
      parkedItems: parked.map((row) => ({
        where: `${String(row['lane'])}/${String(row['object'])}`,
        why: String(row['message']),
      })),
      conflicts: after.conflicts - before.conflicts,
    };
  } finally {
    clearInterval(timer);
    bar.end();
  }
};

const collect = async (
  { hub }: Gateway,
  spokes: readonly Sync[],
  run: string,
): Promise<Pick<Plan, 'totals' | 'writes' | 'more'>> => {
  const totals: Record<string, Totals> = {};
  const writes: Planned[] = [];
  let more = 0;
  for (const spoke of spokes.filter((each) => each.outward)) {
    const sums = { create: 0, update: 0, remove: 0, already: 0, parked: 0, waiting: 0 };
    totals[spoke.name] = sums;
    for await (const one of planOf(hub, spoke, run)) {
      if ('why' in one) sums[one.why] += 1;
      else {
        sums[one.op] += 1;
        if (writes.length < mostTold) writes.push(one);
        else more += 1;
      }
    }
  }
  return { totals, writes, more };
};

const value = (given: unknown): string => {
  const text = JSON.stringify(given);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
};

/** `saved`: the id under which it is kept. */
const tell = (made: Plan, saved: string | null, asJson: boolean): number => {
  const wrong = made.parkedItems.length + made.conflicts > 0;
  if (asJson) {
    json(saved === null ? { plan: made } : { plan: made, saved });
    return wrong ? exits.wrong : exits.ok;
  }
  const kept =
    saved === null
      ? 'nothing of this is kept'
      : `this is kept as ${saved}: crosswalk plan show ${saved}, crosswalk plan apply ${saved}`;
  say(`PLAN: nothing was written anywhere, and ${kept}`);
  if (made.run === null) say('nothing has changed there since it was last read');
  else
    say(
      `read ${made.run.read}: ${made.run.items.unchanged} unchanged, ${made.run.items.applied} new or changed`,
    );
  const rows = made.writes
    .slice(0, mostShown)
    .map((one) => [
      one.sync,
      one.op === 'create' ? 'create' : `${one.op} ${one.object}`,
      one.label,
      one.fields
        .map(({ field, before, after }) =>
          one.op === 'create' ? `${field} ${value(after)}` : `${field} ${value(before)} → ${value(after)}`,
        )
        .join(', '),
    ]);
  if (rows.length > 0) say(table(['sync', 'would', 'record', 'fields'], rows));
  const rest = made.writes.length + made.more - rows.length;
  if (rest > 0) say(`… and ${rest} more (--json tells up to ${mostTold})`);
  for (const [name, sums] of Object.entries(made.totals)) {
    const parts = Object.entries(sums).filter(([, n]) => n > 0);
    const text = parts.map(([what, n]) => `${what} ${n}`).join(', ') || 'nothing to write';
    const notLive = made.planning.includes(name) ? ' (ONLY PLANNING: needs mode: live to write it)' : '';
    say(`${name}: ${text}${notLive}`);
  }
  for (const one of made.parkedItems.slice(0, mostShown)) say(`would park ${one.where}: ${one.why}`);
  if (made.parkedItems.length > mostShown)
    say(`… and ${made.parkedItems.length - mostShown} more would park`);
  if (made.conflicts > 0)
    say(`${made.conflicts} fields would wait for a decision (crosswalk conflicts list)`);
  if (made.unsettled > 0)
    say(`${made.unsettled} earlier writes have an unknown outcome and are settled first`);
  return wrong ? exits.wrong : exits.ok;
};
