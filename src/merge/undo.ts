/**
 * Undo: from a record's lineage, what the inverse of some of its changes is. Pure.
 *
 * A field goes back to the value that stood before the scope's changes, only where the value is still the
 * one that the scope wrote; any later change stays. Each target (the record, and every object that is
 * linked to it) has its own result.
 */
import type { Json } from '../connector.ts';
import { deletedField, isStanding, reachOf } from './deletion.ts';
import { isPlaceholder } from './guard.ts';
import { chainOf, layersOf, type Layers, type Scope } from './layers.ts';
import type { ToldRow } from './lineage.ts';
import { isEmpty, same, type Hold, type RecordState } from './record.ts';
import { anewIn, isWithdrawable, lifeTargets, withdrawTargets } from './undo-life.ts';
import { intoOf } from './redirect.ts';
import {
  firstRow,
  isOurs,
  isUnsure,
  ownValue,
  targetOf,
  toCreate,
  type Change,
  type Creating,
  type TargetUndo,
  type TargetView,
  type UndoResult,
} from './undo-target.ts';

export interface FieldUndo extends Change {
  readonly result: 'restored' | 'kept';
  readonly why?: string;
  /** Who changed it since, where that is why it is kept. */
  readonly since?: { readonly source: string; readonly at: number; readonly run: string };
  /** The version of the change whose outcome stands again; 0: none. */
  readonly stands: number;
  readonly targets: readonly TargetUndo[];
}

/** A line of a field's history. */
export interface LedgerLine {
  readonly seq: number;
  readonly field: string;
  readonly after: Json;
}

export interface UndoInput {
  readonly record: RecordState;
  /** All lineage of the record, in order. */
  readonly rows: readonly ToldRow[];
  readonly scope: Scope;
  readonly targets: readonly TargetView[];
  readonly creates: readonly Creating[];
  readonly ledger: readonly LedgerLine[];
  /** Why the approver may not change a field; undefined if they may. */
  readonly barred: (field: string) => string | undefined;
  /** Fields in which placeholders are refused. */
  readonly isKey: (field: string) => boolean;
}

export interface RecordUndo {
  readonly fields: readonly FieldUndo[];
  /** Objects that the scope made there: they stay. */
  readonly objects: readonly { readonly sync: string; readonly object: string }[];
  /** Messages that told people of what the scope changed. */
  readonly messages: readonly { readonly notice: string; readonly at: number }[];
  /** Fields that an object keeps, because it held their values by itself. */
  readonly held: readonly { readonly sync: string; readonly object: string; readonly hold: Hold }[];
}

const nothing: RecordUndo = { fields: [], objects: [], messages: [], held: [] };

const iso = (at: number): string => new Date(at).toISOString();

/** The plan of one record. Nothing where the scope changed none of its fields. */
export const undoOf = (input: UndoInput, now: number): RecordUndo => {
  const layers = layersOf(input.rows, input.scope);
  const touched = [...layers].filter(([, one]) => one.touched);
  if (touched.length === 0) return nothing;
  const others = workedOn(input, layers);
  const held: { sync: string; object: string; hold: Hold }[] = [];
  if (others === undefined && isWithdrawn(input))
    return withdrawn(
      input,
      touched.map(([field]) => field),
    );
  const lines = ledgerOf(input);
  const life = layers.get(deletedField);
  const revives = life?.touched === true && planLife(input, life).changes;
  const made = revives ? anewIn(input.targets) : new Set<string>();
  const fields = touched.map(([field, one]) => {
    const plan =
      field === deletedField
        ? planLife(input, one)
        : surely(input, planField(input, field, one, { others, revives }));
    if (plan.result === 'kept') return { ...plan, targets: [{ target: 'record', ...resultOf(plan) }] };
    const record: TargetUndo = { target: 'record', result: 'restored' };
    if (field === deletedField)
      return { ...plan, targets: [record, ...lifeTargets(input.targets, input.creates)] };
    const chain = chainOf(one);
    const found = input.targets.flatMap((target) => {
      // What is made anew has the value from the beginning.
      if (target.link.state !== 'live' && made.has(target.link.sync)) return [];
      const own = ownValue(input.rows, input.scope, target, plan, chain);
      if (own !== undefined) {
        const { sync, object } = target.link;
        held.push({ sync, object, hold: { field, why: 'own', theirs: own, ours: plan.back, at: now } });
      }
      return targetOf(input.record, target, plan, own !== undefined) ?? [];
    });
    const told = lines.filter((line) => line.field === field).length;
    const why = `${told} ${told === 1 ? 'line' : 'lines'} of its history cannot be unwritten; the undo adds one of its own`;
    const history: TargetUndo[] = told === 0 ? [] : [{ target: 'history', result: 'impossible', why }];
    return { ...plan, targets: [record, ...found, ...toCreate(input.creates, plan), ...history] };
  });
  const seqs = new Set(lines.map(({ seq }) => seq));
  return {
    fields,
    objects: others === undefined ? madeBy(input, layers) : [],
    messages: messagesOf(input.rows, seqs),
    held,
  };
};

/** True if the record would not be there but for the scope, and what was made of it elsewhere can be removed. */
const isWithdrawn = ({ record, rows, scope, targets }: UndoInput): boolean =>
  isStanding(record) && isMadeBy(rows, scope) && isWithdrawable(targets);

const isMadeBy = (rows: readonly ToldRow[], scope: Scope): boolean =>
  rows.some((told) => told.body.event === 'created' && scope.row(told));

const withdrawn = (input: UndoInput, touched: readonly string[]): RecordUndo => {
  const why = 'withdrawn with its record, which was made by this';
  const { record, ledger, rows, targets } = input;
  const fields = touched.map((field): FieldUndo => {
    const now = record.fields[field]?.value ?? null;
    const own: TargetUndo = { target: 'record', result: 'restored', why };
    return { field, now, back: now, changes: false, stands: 0, result: 'restored', why, targets: [own] };
  });
  const life: FieldUndo = {
    field: deletedField,
    now: null,
    back: 'withdraw',
    changes: true,
    stands: 0,
    result: 'restored',
    targets: [{ target: 'record', result: 'restored' }, ...withdrawTargets(targets)],
  };
  const seqs = new Set(ledger.map(({ seq }) => seq));
  return { ...nothing, fields: [...fields, life], messages: messagesOf(rows, seqs) };
};

/** The messages that told people of these lines of history. */
const messagesOf = (rows: readonly ToldRow[], seqs: ReadonlySet<number>): RecordUndo['messages'] =>
  rows.flatMap(({ at, body }) =>
    body.notice !== undefined && seqs.has(Number(body.notice.split('/')[0]))
      ? [{ notice: body.notice, at }]
      : [],
  );

const resultOf = ({ result, why }: FieldUndo): { result: UndoResult; why?: string } => ({
  result,
  ...(why === undefined ? {} : { why }),
});

// ---------------------------------------------------------------- the record

const sinceOf = ({ told, entry }: Layers['last']): NonNullable<FieldUndo['since']> => ({
  source: entry.source,
  at: told.at,
  run: told.run,
});

/** A record that the scope made, and that others have changed or linked since, stays as it is: what they have would lose its ground. */
const workedOn = (
  { rows, scope, targets }: UndoInput,
  layers: ReadonlyMap<string, Layers>,
): string | undefined => {
  if (!isMadeBy(rows, scope)) return undefined;
  for (const { top } of layers.values()) {
    if (top !== null && !top.scoped)
      return `the record was made by this, and ${top.entry.source} has worked on it since (${top.entry.field}, ${iso(top.told.at)})`;
  }
  for (const { link } of targets) {
    if (link.from !== undefined) return 'the record was made by this, and another was merged into it';
    const first = firstRow(rows, link);
    if (first === undefined || link.state !== 'live' || scope.row(first) || isOurs(first)) continue;
    return `the record was made by this, and ${link.sync}/${link.object} was linked to it since (${iso(first.at)})`;
  }
  return undefined;
};

/** Nothing is emptied while nobody can tell whose value it is: undone once more, after the write has ended, it is told. */
const surely = ({ targets }: UndoInput, plan: FieldUndo): FieldUndo => {
  if (!plan.changes || !isEmpty(plan.back)) return plan;
  const unsure = targets.find((target) => isUnsure(target, plan.field));
  if (unsure === undefined) return plan;
  const { sync, object } = unsure.link;
  const why = `a write to ${sync}/${object} is under way: undo it once more when it has ended`;
  return {
    field: plan.field,
    now: plan.now,
    back: plan.now,
    changes: false,
    stands: 0,
    targets: [],
    result: 'kept',
    why,
  };
};

/** The field as it was before the scope, if what the scope gave it still stands. */
const planBack = ({ record }: UndoInput, field: string, layers: Layers): FieldUndo => {
  const { last } = layers;
  const now = record.fields[field]?.value ?? null;
  const bottom = chainOf(layers).at(-1);
  const plan = { field, now, back: now, changes: false, stands: 0, targets: [] };
  if (record.fields[field]?.version !== last.entry.version)
    return { ...plan, result: 'kept', why: 'lineage does not tell how it got its present value' };
  if (bottom === undefined) {
    const since = sinceOf(last);
    const undone = last.entry.verdict === 'undone';
    const why = undone
      ? `undone already by ${since.source} (${last.told.body.cause}, ${iso(since.at)})`
      : `changed since by ${since.source} (${iso(since.at)})`;
    return { ...plan, result: 'kept', why, since };
  }
  const back = bottom.entry.before ?? null;
  const stands = bottom.prior;
  if (same(back, now)) return { ...plan, result: 'restored', stands, why: 'it has its former value already' };
  return { ...plan, back, result: 'restored', changes: true, stands };
};

/** The deletion of a record is taken back like any value. To delete it again is nothing that undo does. */
const planLife = (input: UndoInput, layers: Layers): FieldUndo => {
  const plan = planBack(input, deletedField, layers);
  const kept = (why: string): FieldUndo => ({ ...plan, back: plan.now, result: 'kept', why, changes: false });
  if (!plan.changes) return plan;
  if (!isEmpty(plan.back)) return kept('undo deletes nothing: delete it again where it was restored');
  const into = intoOf(input.record);
  if (into !== null) return kept(`it was merged into ${into}; crosswalk unmerge ${input.record.id} first`);
  if (isMadeBy(input.rows, input.scope))
    return kept('the record was made and deleted by this: it stays deleted');
  return plan;
};

const planField = (
  input: UndoInput,
  field: string,
  layers: Layers,
  { others, revives }: { readonly others: string | undefined; readonly revives: boolean },
): FieldUndo => {
  const { record, barred, isKey } = input;
  const plan = planBack(input, field, layers);
  const { back } = plan;
  const kept = (why: string): FieldUndo => ({ ...plan, back: plan.now, result: 'kept', why, changes: false });
  if (reachOf(record) !== null && !revives) return kept('the record is deleted');
  const into = intoOf(record);
  if (into !== null)
    return kept(`it was merged into ${into}, which has its own value; crosswalk unmerge ${record.id} first`);
  if (!plan.changes) return plan;
  if (others !== undefined) return kept(others);
  const bar = barred(field);
  if (bar !== undefined) return kept(bar);
  if (isKey(field) && !isEmpty(back) && isPlaceholder(back))
    return kept('its former value stands for "none", which is refused in a key field');
  return plan;
};

// ---------------------------------------------------------------- what cannot be undone

/** Objects that would not be there but for the scope. */
const madeBy = (
  { rows, scope, targets }: UndoInput,
  layers: ReadonlyMap<string, Layers>,
): { sync: string; object: string }[] => {
  const created = isMadeBy(rows, scope);
  const versions = new Set(
    [...layers].flatMap(([field, one]) => chainOf(one).map(({ entry }) => `${field} ${entry.version}`)),
  );
  return targets.flatMap(({ link: { sync, object, state } }) => {
    const first = firstRow(rows, { sync, object });
    if (first === undefined || !isOurs(first) || state !== 'live') return [];
    const wrote = first.body.entries.filter(({ verdict }) => verdict === 'wrote');
    const all = wrote.every(({ field, version }) => versions.has(`${field} ${version}`));
    return created || scope.row(first) || all ? [{ sync, object }] : [];
  });
};

/** The lines of history that the scope's changes wrote: each change ends with the line of its own value. */
const ledgerOf = ({ rows, scope, ledger, targets }: UndoInput): LedgerLine[] => {
  const lenses = new Map(targets.map(({ link, lens }) => [link.sync, lens]));
  const changes = new Map<string, { after: Json; scoped: boolean }[]>();
  for (const told of rows) {
    const lens = lenses.get(told.body.sync ?? '');
    for (const entry of told.body.entries) {
      const { field, verdict } = entry;
      // A decision between two values writes no line, and nor does a mapping that keeps no history.
      const isTold = verdict === 'undone' || verdict === 'merged' || verdict === 'unmerged';
      const writes = isTold || (verdict === 'took' && lens?.history.has(field) === true);
      if (!writes) continue;
      const list = changes.get(field) ?? [];
      list.push({ after: entry.after ?? null, scoped: scope.entry(told, entry) });
      changes.set(field, list);
    }
  }
  return ledger.filter((line) => {
    const list = changes.get(line.field) ?? [];
    const current = list[0];
    if (current !== undefined && same(current.after, line.after)) list.shift();
    return current?.scoped === true;
  });
};
