/**
 * Planned runs: changes of records that are proposed first, kept on disk, shown, and made item by item once somebody
 * has approved them.
 *
 *   proposed ──apply──► still what is needed? ─► made, with lineage and effects            (applied)
 *                             ├─► nothing is needed any more                              (dropped)
 *                             └─► something else is: shown anew, and not made              (proposed, moved)
 *
 * What an item is about may move between the proposal and its approval; so each is proposed once more from the record
 * as it is, and made under the condition that this record still stands.
 */
import type { Json } from '../connector.ts';
import { labelOf, same, type RecordState } from '../merge/record.ts';
import { intoOf } from '../merge/redirect.ts';
import type { Row } from '../store/schema.ts';
import type { Operation } from '../store/store.ts';
import { Draft } from './draft.ts';
import { leadsTo, recordOf, type Hub } from './hub.ts';
import { openRun } from './runs.ts';
import { together } from './together.ts';

export interface Change {
  readonly field: string;
  readonly before: Json;
  readonly after: Json;
  /** The rest of a sentence: by which row, which expression, which rule. */
  readonly why: string;
}

/** What a sort of planned run does to one record. */
export interface Planner {
  /** `reroute`, `repair`: the run's kind. */
  readonly kind: string;
  /** What the run is about: a sync, an entity, an expression. */
  readonly subject: string;
  readonly entity: string;
  /** What the record needs now; empty if nothing. */
  propose(record: RecordState): Promise<readonly Change[]>;
  /** Draws these changes: record, lineage, effects. */
  draw(draft: Draft, record: RecordState, changes: readonly Change[], cause: string): Promise<void>;
}

/** `proposed`: waits for approval. `applied`: made. `dropped`: not needed any more. */
export type ItemState = 'proposed' | 'applied' | 'dropped';

export interface PlanItem {
  readonly plan: string;
  readonly item: string;
  readonly kind: string;
  readonly record: string;
  readonly label: string;
  readonly state: ItemState;
  readonly changes: readonly Change[];
  /** True if what is shown is not what was proposed at first. */
  readonly moved: boolean;
  readonly by: string | null;
  readonly at: number;
}

interface Body {
  readonly label: string;
  readonly changes: readonly Change[];
  readonly moved: boolean;
  readonly by: string | null;
}

export const itemOf = (row: Row): PlanItem => ({
  plan: String(row['plan']),
  item: String(row['item']),
  kind: String(row['kind']),
  record: String(row['subject']),
  state: row['state'] as ItemState,
  at: Number(row['at']),
  ...(row['body'] as Body),
});

const page = 200;

/** Items are numbered so that they sort as they were found. */
export const itemId = (number: number): string => String(number).padStart(7, '0');

export const putItem = (
  plan: string,
  item: string,
  kind: string,
  record: string,
  state: ItemState,
  at: number,
  body: Body,
): Operation => ({
  op: 'put',
  table: 'plan_item',
  row: { plan, item, kind, subject: record, state, body, at },
});

/** Goes through all records of the planner's entity and keeps what it proposes. Answers the plan's id; null if nothing is needed. */
export const makePlan = async (
  hub: Hub,
  planner: Planner,
  wanted: (record: RecordState) => boolean = () => true,
): Promise<{ readonly plan: string | null; readonly items: number; readonly looked: number }> => {
  const plan = hub.newId('plan');
  let items = 0;
  let looked = 0;
  let after = '';
  for (;;) {
    const where = { entity: planner.entity };
    const rows = await hub.store.list('record', 'entity', { where, after, limit: page });
    const records = rows.map(recordOf).filter((record) => intoOf(record) === null);
    const proposed = await together(records.filter(wanted), async (record) => ({
      record,
      changes: await planner.propose(record),
    }));
    const needed = proposed.filter(({ changes }) => changes.length > 0);
    const now = hub.now();
    const write: Operation[] = needed.map(({ record, changes }, index) =>
      putItem(plan, itemId(items + index + 1), planner.kind, record.id, 'proposed', now, {
        label: labelOf(record.id, record.fields),
        changes,
        moved: false,
        by: null,
      }),
    );
    if (items === 0 && needed.length > 0) {
      const run = openRun(plan, planner.kind, planner.subject, now);
      write.unshift(run.op === 'put' ? { ...run, row: { ...run.row, state: 'planned' } } : run);
    }
    const count = { read: needed.length, open: needed.length };
    if (needed.length > 0) write.push({ op: 'add', table: 'run', key: { id: plan }, row: count });
    if (write.length > 0) await hub.store.commit([{ when: [], write }]);
    items += needed.length;
    looked += records.length;
    after = String(rows.at(-1)?.['id'] ?? after);
    if (rows.length < page) return { plan: items === 0 ? null : plan, items, looked };
  }
};

/** The items of a plan, in order. */
export async function* itemsOf(hub: Pick<Hub, 'store'>, plan: string): AsyncGenerator<PlanItem> {
  // Paged by state, whose index is in the order of the items.
  for (const state of ['proposed', 'applied', 'dropped'] as const) {
    const where = { plan, state };
    const rows = await hub.store.list('plan_item', 'state', { where, limit: 1_000_000 });
    for (const row of rows) yield itemOf(row);
  }
}

export interface Outcome {
  readonly item: string;
  readonly is: 'applied' | 'dropped' | 'moved' | 'overtaken';
}

const equal = (a: readonly Change[], b: readonly Change[]): boolean =>
  a.length === b.length &&
  a.every((one, index) => {
    const other = b[index];
    return (
      other !== undefined &&
      one.field === other.field &&
      same(one.before, other.before) &&
      same(one.after, other.after)
    );
  });

/** Makes one item, or shows it anew. `by` is who approves it. */
const applyItem = async (hub: Hub, planner: Planner, one: PlanItem, by: string): Promise<Outcome> => {
  const { plan, item } = one;
  const record = await leadsTo(hub, one.record);
  const changes = record === undefined ? [] : await planner.propose(record);
  const draft = new Draft(hub, plan);
  draft.expect('plan_item', { plan, item }, { state: 'proposed' });
  const keep = (state: ItemState, body: Partial<Body>): void => {
    const { label, moved } = one;
    const whole = { label, moved, changes: one.changes, by, ...body };
    const put = putItem(plan, item, planner.kind, one.record, state, hub.now(), whole);
    if (put.op === 'put') draft.put(put.table, put.row);
  };
  let is: Outcome['is'];
  if (record === undefined || changes.length === 0) {
    is = 'dropped';
    keep('dropped', {});
    draft.settleItems(plan, 'unchanged', 1);
  } else if (!equal(changes, one.changes)) {
    is = 'moved';
    keep('proposed', { changes, moved: true, by: null });
  } else {
    is = 'applied';
    await planner.draw(draft, record, changes, `${planner.kind} ${plan}, approved by ${by}`);
    keep('applied', {});
    draft.settleItems(plan, 'applied', 1);
  }
  const [done] = await hub.store.commit([draft.group()]);
  if (done !== true) return { item, is: 'overtaken' };
  draft.nudgeAll();
  return { item, is };
};

/** Approves all proposed items, or the one that is named. An item that moved is shown anew and waits for another approval. */
export const applyPlan = async (
  hub: Hub,
  planner: Planner,
  plan: string,
  by: string,
  only?: string,
): Promise<readonly Outcome[]> => {
  const key = { id: plan };
  await hub.store.commit([
    {
      when: [{ table: 'run', key, is: { state: 'planned' } }],
      write: [{ op: 'set', table: 'run', key, row: { state: 'open' } }],
    },
  ]);
  const where = { plan, state: 'proposed' };
  const rows = await hub.store.list('plan_item', 'state', { where, limit: 1_000_000 });
  const items = rows.map(itemOf).filter(({ item }) => only === undefined || item === only);
  const outcomes = await together(items, (one) => applyItem(hub, planner, one, by));
  // Who was overtaken is looked at once more; then it is for the next approval.
  const late = items.filter((_, index) => outcomes[index]?.is === 'overtaken');
  const again = await together(late, (one) => applyItem(hub, planner, one, by));
  const latest = new Map(again.map((one) => [one.item, one]));
  const left = await hub.store.count('plan_item', 'state', where);
  if (left === 0)
    await hub.store.commit([
      { when: [], write: [{ op: 'set', table: 'run', key, row: { ended: hub.now() } }] },
    ]);
  return outcomes.map((one) => latest.get(one.item) ?? one);
};
