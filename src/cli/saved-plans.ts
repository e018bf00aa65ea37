/** plan apply of a plan that `sync --plan --save` has kept: planned once more, and what is still so is written. */
import pino from 'pino';
import { CrosswalkError } from '../errors.ts';
import { Gateway } from '../gateway.ts';
import { whereIs } from '../store/open.ts';
import { deliver } from '../sync/deliver.ts';
import { isRead } from '../sync/first-reading.ts';
import type { Hub, Sync } from '../sync/hub.ts';
import { intake } from '../sync/intake.ts';
import type { Outcome } from '../sync/planned.ts';
import { overText } from '../sync/budget.ts';
import { closeRuns, standingRun } from '../sync/runs.ts';
import {
  headOf,
  matched,
  promiseSaved,
  sameWrites,
  settleSaved,
  takeSources,
  waitingItems,
  type SavedItem,
  type SavedRecord,
} from '../sync/saved.ts';
import { sweep } from '../sync/sweep.ts';
import { withView } from './asking.ts';
import { me } from './deciding.ts';
import { hold } from './holder.ts';
import { headFor, inOverlay } from './planning.ts';
import type { Common } from './program.ts';
import { patiently, refusePaused } from './reading.ts';

interface Options extends Common {
  readonly item?: string;
  readonly by?: string;
}

/** What became of a plan's items, and the first thing that kept writes from being made. */
export interface Applied {
  readonly outcomes: readonly Outcome[];
  readonly stopped: unknown;
}

const count = (records: readonly Pick<SavedRecord, 'writes'>[]): number =>
  records.reduce((sum, { writes }) => sum + writes.length, 0);

/**
 * Applies a saved plan. Throws CrosswalkError: `plan-outdated` if mappings or configuration have changed, or if more would
 * be written of its records by now than was approved; `store-held` while another process works the store.
 */
export const applySaved = async (options: Options, plan: string): Promise<Applied> => {
  const { head, asked } = await withView(options, async (view) => ({
    head: await headOf(view, plan),
    asked: (await waitingItems(view, plan)).filter(({ item }) => (options.item ?? item) === item),
  }));
  if (head === undefined) throw new CrosswalkError('not-there', { what: 'plan', id: plan });
  const refuse = (detail: string): CrosswalkError =>
    new CrosswalkError('plan-outdated', { plan, detail, sync: head.sync });
  if (asked.length === 0) return { outcomes: [], stopped: undefined };
  const gateway = await Gateway.open(options.dir, {
    environment: process.env,
    log: pino({ level: process.env['LOG_LEVEL'] ?? 'warn' }, pino.destination(2)),
  });
  let lost = false;
  try {
    const where = whereIs(gateway.installation.config, process.env);
    const held = await hold(where, 'sync', () => (lost = true), gateway.store);
    try {
      if (headFor(gateway, head.sync, head.full).base !== head.base)
        throw refuse('a mapping or the configuration of its entity has changed since it was made');
      const { records } = await inOverlay({ ...options, full: head.full, json: true }, head.sync);
      const now = matched(asked, records);
      const [wanted, approved] = [[...now.values()].filter((one) => one !== undefined), asked].map(count);
      if ((wanted ?? 0) > (approved ?? 0))
        throw refuse(
          `${wanted} writes are needed by now for what was asked for, and ${approved} were approved`,
        );
      return await make(gateway, now, plan, me(options), () => lost);
    } finally {
      await held.release();
    }
  } finally {
    await gateway.stop();
  }
};

const make = async (
  gateway: Gateway,
  now: ReadonlyMap<SavedItem, SavedRecord | undefined>,
  plan: string,
  by: string,
  isLost: () => boolean,
): Promise<Applied> => {
  const { hub } = gateway;
  const isStanding = ([item, one]: readonly [SavedItem, SavedRecord | undefined]): boolean =>
    one !== undefined && sameWrites(one.writes, item.writes);
  const standing = [...now].filter(isStanding).map(([item]) => item);
  const outcomes: Outcome[] = [];
  for (const [item, one] of now) {
    if (standing.includes(item)) continue;
    const is = !(await settleSaved(hub, item, one)) ? 'overtaken' : one === undefined ? 'dropped' : 'moved';
    outcomes.push({ item: item.item, is });
  }
  const run = await standingRun(hub, 'upkeep', 'plan', new Set());
  const targets = new Set(standing.flatMap(({ writes }) => writes.map(({ sync }) => sync)));
  const writing = approving(hub, targets);
  await begin(gateway, standing, targets, run);
  await takeSources(hub, standing, run, by);
  const records = new Set<string>();
  for (const item of standing) {
    const record = await promiseSaved(writing, item, run, by);
    if (record !== undefined) records.add(record);
    outcomes.push({ item: item.item, is: record === undefined ? 'overtaken' : 'applied' });
  }
  const stopped = isLost() ? undefined : await writeAll(writing, targets, records, run);
  await endPlan(hub, plan);
  return { outcomes: outcomes.toSorted((a, b) => (a.item < b.item ? -1 : 1)), stopped };
};

/** The hub of an approval: what it names is written, also where a sync only plans as long as nobody approves. */
const approving = (hub: Hub, targets: ReadonlySet<string>): Hub => {
  const approved = (sync: Sync): Sync => (targets.has(sync.name) ? { ...sync, outward: true } : sync);
  return { ...hub, syncs: new Map([...hub.syncs].map(([name, sync]) => [name, approved(sync)])) };
};

/** Creates wait until all that their system held before has been read: it is read now if nobody ever has. */
const begin = async (
  gateway: Gateway,
  items: readonly SavedItem[],
  targets: ReadonlySet<string>,
  run: string,
): Promise<void> => {
  const { hub, switches, installation } = gateway;
  await gateway.schemas.begin();
  await gateway.lanes.recover();
  const creates = new Set(
    items.flatMap(({ writes }) => writes.filter(({ op }) => op === 'create').map(({ sync }) => sync)),
  );
  for (const name of targets) {
    const [config, sync] = [installation.config.syncs[name], hub.syncs.get(name)];
    if (config === undefined || sync === undefined) continue;
    refusePaused(config, switches);
    if (!creates.has(name) || (await isRead(hub, sync))) continue;
    await patiently(() => sweep(hub, sync.lane));
    while ((await patiently(() => intake(hub, sync.lane, run))).taken > 0);
  }
};

/** Writes what was promised to these records, and looks at what came of it. */
const writeAll = async (
  hub: Hub,
  targets: ReadonlySet<string>,
  records: ReadonlySet<string>,
  run: string,
): Promise<unknown> => {
  if (records.size === 0) return undefined;
  let stopped: unknown;
  for (const name of targets) {
    const sync = hub.syncs.get(name);
    if (sync === undefined) continue;
    for (;;) {
      const { taken, trouble, over } = await patiently(() => deliver(hub, sync, run, 256, records));
      stopped ??= trouble;
      if (over !== undefined)
        stopped ??= new CrosswalkError('budget-exceeded', { sync: name, why: overText(name, over) });
      const seen = (await patiently(() => intake(hub, sync.lane, run))).taken;
      if (trouble !== undefined || over !== undefined || taken + seen === 0) break;
    }
  }
  return stopped;
};

const endPlan = async (hub: Hub, plan: string): Promise<void> => {
  const left = await hub.store.count('plan_item', 'state', { plan, state: 'proposed' });
  const row = { state: 'open', ...(left === 0 ? { ended: hub.now() } : {}) };
  await hub.store.commit([{ when: [], write: [{ op: 'set', table: 'run', key: { id: plan }, row }] }]);
  await closeRuns(hub);
};
