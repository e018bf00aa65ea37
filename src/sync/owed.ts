/** What an undo owes to linked objects: settled as the effects towards them close. */
import type { RecordState } from '../merge/record.ts';
import { standingOf } from '../merge/undo-life.ts';
import { owedOutcome, type TargetUndo, type TargetView } from '../merge/undo-target.ts';
import type { Group } from '../store/store.ts';
import { effectOf, recordOf, type EffectRow, type Hub } from './hub.ts';
import { closeRuns, runOf } from './runs.ts';
import { targetsOf, type UndoItem } from './undo-plan.ts';
import { walkUndo } from './undo.ts';

const page = 500;

/**
 * One pass over the undos that are not finished: a page of records each, and a page of what they owe, after
 * the place in `places` (by run). True if there may be more to do at once.
 */
export const workUndos = async (hub: Hub, places: Map<string, string>): Promise<boolean> => {
  const rows = await hub.store.list('run', 'state', { where: { state: 'open', kind: 'undo' }, limit: 1000 });
  let busy = false;
  for (const { id } of rows.map(runOf)) {
    busy = (await walkUndo(hub, id)) || busy;
    busy = (await settleOwed(hub, id, places)) || busy;
  }
  return busy;
};

/** Works until nothing is left that could be done now, and closes the books of what is finished. */
export const finishUndos = async (hub: Hub): Promise<void> => {
  const places = new Map<string, string>();
  while ((await workUndos(hub, places)) || places.size > 0);
  await closeRuns(hub);
};

const settleOwed = async (hub: Hub, plan: string, places: Map<string, string>): Promise<boolean> => {
  const after = places.get(plan) ?? '';
  const where = { plan, state: 'owed' };
  const rows = await hub.store.list('plan_item', 'state', { where, after, limit: page });
  if (rows.length < page) places.delete(plan);
  else places.set(plan, String(rows.at(-1)?.['item']));
  const groups: Group[] = [];
  for (const row of rows) {
    const settled = await settle(hub, row['body'] as UndoItem);
    if (settled === undefined) continue;
    const key = { plan, item: String(row['item']) };
    const after = { state: settled.result, body: settled, at: hub.now() };
    groups.push({
      when: [{ table: 'plan_item', key, is: { state: 'owed' } }],
      write: [{ op: 'set', table: 'plan_item', key, row: after }],
    });
  }
  if (groups.length > 0) await hub.store.commit(groups);
  return groups.length > 0;
};

/** The item as its targets stand now; undefined if none of them has changed. */
const settle = async (hub: Hub, item: UndoItem): Promise<UndoItem | undefined> => {
  const owed = item.targets.filter(({ result }) => result === 'owed');
  const keys = owed.map(({ sync = '', object = '' }) => ({ sync, record: item.record, object }));
  const effects = (await hub.store.many('effect', keys)).map((row) =>
    row === undefined ? null : effectOf(row),
  );
  if (effects.every((effect) => effect !== null && effect.state !== 'parked')) return undefined;
  const outcomes = new Map<TargetUndo, TargetUndo>();
  const row = await hub.store.get('record', { id: item.record });
  const record = row === undefined ? undefined : recordOf(row);
  const views = record === undefined ? [] : await targetsOf(hub, record);
  for (const [i, target] of owed.entries()) {
    const effect = effects[i] ?? null;
    if (effect !== null && effect.state !== 'parked') continue;
    const outcome = outcomeOf(hub, { record, views }, item, target, effect);
    const { why: _, ...rest } = target;
    const next = { ...rest, ...outcome };
    if (next.result !== target.result || next.why !== target.why) outcomes.set(target, next);
  }
  if (outcomes.size === 0) return undefined;
  const targets = item.targets.map((target) => outcomes.get(target) ?? target);
  const left = targets.some(({ result }) => result === 'owed');
  return { ...item, targets, result: left ? 'owed' : 'restored' };
};

/** A record and its objects as they are now; undefined if it is not there. */
interface Now {
  readonly record: RecordState | undefined;
  readonly views: readonly TargetView[];
}

const outcomeOf = (
  hub: Hub,
  { record, views }: Now,
  { field = '', version = 0 }: UndoItem,
  { sync = '', object = '' }: TargetUndo,
  effect: EffectRow | null,
): Pick<TargetUndo, 'result' | 'why'> => {
  const there = views.filter(({ link }) => link.sync === sync);
  return owedOutcome({
    record,
    field,
    version,
    // What was to be created is the link that there is now.
    target: object === '' ? standingOf(there) : there.find(({ link }) => link.object === object),
    readable: hub.syncs.get(sync)?.kind.read !== undefined,
    parked:
      effect === null
        ? undefined
        : `${effect.reason?.message ?? effect.reason?.code ?? ''} (crosswalk parked list)`,
  });
};
