/** Undo, checked against lineage: every field that was written has one result, and no later change is lost. */
import { deletedField } from '../merge/deletion.ts';
import { isSetting, type LineageRow, type ToldRow } from '../merge/lineage.ts';
import type { Scope } from '../merge/layers.ts';
import { same } from '../merge/record.ts';
import type { Row } from '../store/schema.ts';
import { scopeOf, toldOf, type UndoScope } from '../sync/scope.ts';
import type { UndoItem } from '../sync/undo-plan.ts';
import { beginningOf } from '../sync/undo.ts';
import type { World } from './world.ts';

const all = 1_000_000;

interface Undo {
  readonly run: string;
  readonly scope: Scope;
  readonly items: Map<string, UndoItem>;
}

/** Sentences on what is wrong with the undos of this world; it must have come to rest. */
export const wrongUndos = async (world: World): Promise<string[]> => {
  const runs = await world.store.list('run', 'state', { where: {}, limit: all });
  const rows = await world.store.list('lineage', 'at', { where: {}, limit: all });
  const lineage = new Map<string, ToldRow[]>();
  for (const row of [...rows].sort((a, b) => Number(a['seq']) - Number(b['seq']))) {
    const record = String(row['record']);
    lineage.set(record, [...(lineage.get(record) ?? []), toldOf(row)]);
  }
  const wrong: string[] = [];
  for (const row of runs.filter((run) => run['kind'] === 'undo')) {
    const undo = await undoAt(world, row, wrong);
    for (const [record, told] of lineage) wrong.push(...judge(world, undo, record, told));
    wrong.push(...(await owedWithout(world, undo)));
  }
  for (const [record, told] of lineage) wrong.push(...emptied(world, record, told));
  return wrong;
};

const undoAt = async (world: World, row: Row, wrong: string[]): Promise<Undo> => {
  const run = String(row['id']);
  const rows = await world.store.list('plan_item', 'plan', { where: { plan: run }, limit: all });
  const [head] = rows;
  if (head?.['state'] !== 'walked') wrong.push(`undo ${run} was not carried out`);
  const { scope } = (head?.['body'] ?? { scope: {} }) as { scope: UndoScope };
  const items = new Map<string, UndoItem>();
  for (const one of rows) {
    const item = one['body'] as UndoItem;
    if (one['item'] === '' || item.kind !== 'field') continue;
    const key = `${item.record}.${item.field}`;
    if (items.has(key)) wrong.push(`undo ${run}: ${key} has two results`);
    if (one['state'] !== item.result) wrong.push(`undo ${run}: ${key} is ${item.result} and ${one['state']}`);
    items.set(key, item);
    world.options.tally.row(`undo${item.field === deletedField ? ' of a deletion' : ''}: ${item.result}`);
    for (const { target, result } of item.targets)
      if (target !== 'record')
        world.options.tally.row(`undo, ${target === 'history' ? target : 'object'}: ${result}`);
  }
  const { mutation: _, ...hub } = world.hub;
  return { run, scope: scopeOf(hub, scope, await beginningOf(world.store, run)), items };
};

/** Every field that the scope wrote has a result, no other has; and the result is what lineage shows. */
const judge = (
  world: World,
  { run, scope, items }: Undo,
  record: string,
  rows: readonly ToldRow[],
): string[] => {
  const wrong: string[] = [];
  const say = (field: string, text: string): void =>
    void wrong.push(`undo ${run}: ${record}.${field} ${text}`);
  const settings = rows.flatMap((told) =>
    told.body.entries.filter(isSetting).map((entry) => ({ told, entry })),
  );
  for (const field of new Set(settings.map(({ entry }) => entry.field))) {
    const own = settings.filter(({ entry }) => entry.field === field);
    const written = own.some(({ told, entry }) => scope.entry(told, entry));
    const item = items.get(`${record}.${field}`);
    // A record that is withdrawn as a whole was made by the scope; its deletion is the undo's own.
    if (field === deletedField && item?.back === 'withdraw') continue;
    if (written !== (item !== undefined))
      say(field, written ? 'has no result' : 'has a result and was not written');
    const at = own.findIndex(({ told }) => told.run === run);
    const undone = own[at];
    if (undone === undefined) {
      const isBack = item?.now !== undefined && same(item.now, item.back ?? null);
      if (item !== undefined && item.result !== 'kept' && !isBack)
        say(field, `is ${item.result}, and nothing was done`);
      continue;
    }
    if (item === undefined || item.result === 'kept') say(field, `is ${item?.result}, and was changed`);
    const { entry } = undone;
    const before = own.slice(0, at);
    const last = before.at(-1);
    // What an undo of something else brought back may stand on anything: those are judged by their own rows.
    if (last === undefined || before.some((one) => one.entry.verdict === 'undone')) continue;
    if (!scope.entry(last.told, last.entry))
      say(field, `lost ${JSON.stringify(last.entry.after)}, a later change`);
    const chain = before.slice(before.findLastIndex((one) => !scope.entry(one.told, one.entry)) + 1);
    const stood = chain[0]?.entry.before ?? null;
    if (!same(entry.after ?? null, stood))
      say(field, `got ${JSON.stringify(entry.after)}, not ${JSON.stringify(stood)}`);
    if (item?.again !== undefined) world.options.tally.row('undo: planned again');
  }
  return wrong;
};

/** At rest nothing is owed but what waits for a person. */
const owedWithout = async (world: World, { run, items }: Undo): Promise<string[]> => {
  const wrong: string[] = [];
  for (const [key, { record, targets }] of items) {
    for (const { sync = '', object = '', result, target } of targets) {
      if (result !== 'owed') continue;
      const effect = await world.store.get('effect', { sync, record, object });
      if (effect?.['state'] !== 'parked') wrong.push(`undo ${run}: ${key} is still owed to ${target}`);
    }
  }
  return wrong;
};

/** A person has decided that what an object holds gives way: that it stands in the record empty is for them to know. */
const isDecided = (rows: readonly ToldRow[], { sync, object }: LineageRow, field: string): boolean =>
  rows.some(
    ({ body }) =>
      body.sync === sync &&
      body.object === object &&
      body.entries.some(
        ({ field: about, rule, after }) =>
          about === field && rule?.startsWith('decided') === true && (after ?? null) === null,
      ),
  );

/** An undo empties no place that an object was filed with: that value was never the hub's to take. */
const emptied = (world: World, record: string, rows: readonly ToldRow[]): string[] => {
  const undone = new Set(
    rows.flatMap(({ body }) =>
      body.entries
        .filter((entry) => entry.verdict === 'undone' && entry.after === null)
        .map(({ field, version }) => `${field} ${version}`),
    ),
  );
  return rows.flatMap(({ body }) =>
    body.entries.flatMap(({ field, verdict, version }) => {
      if (verdict !== 'wrote' || !undone.has(`${field} ${version}`) || isDecided(rows, body, field))
        return [];
      const system = world.systems.find((one) => one.traits.name === body.sync);
      const log = (system?.objects.get(body.object ?? '')?.log[field] ?? []).filter(
        ({ by }) => by !== 'self',
      );
      const at = log.findIndex(({ call }) => call !== undefined && body.cause === `call ${call}`);
      const before = log[at - 1];
      if (at !== 1 || before?.by !== 'person' || before.value === null) return [];
      if (wasUnsettled(world, body.object ?? '', field, log[at]?.call ?? '')) {
        world.options.tally.exception('undone while a write was unsettled');
        return [];
      }
      return [
        `undo: ${record}: ${body.object}.${field} was filed as ${JSON.stringify(before.value)} and emptied`,
      ];
    }),
  );
};

/** True if we had sent this object another value before, and nobody could tell what became of it. */
const wasUnsettled = (world: World, object: string, field: string, call: string): boolean =>
  [...world.calls].some(
    ([id, item]) =>
      id < call && item.object === object && item.op === 'update' && Object.hasOwn(item.fields, field),
  );
