/** An undo, planned or carried out, as people read it: counts by result and target, and the items themselves. */
import { setImmediate as turn } from 'node:timers/promises';
import { CrosswalkError } from '../errors.ts';
import type { UndoResult } from '../merge/undo-target.ts';
import type { Store } from '../store/store.ts';
import type { Hub } from '../sync/hub.ts';
import { runOf } from '../sync/runs.ts';
import { scopeWords, type UndoScope } from '../sync/scope.ts';
import { planUndo, type UndoItem } from '../sync/undo-plan.ts';
import { headOf } from '../sync/undo.ts';

export type Counts = Readonly<Record<UndoResult, number>>;

export interface UndoReport {
  /** Null while it is only planned. */
  readonly run: string | null;
  /** What is undone, in words. */
  readonly scope: string;
  readonly by: string;
  /** `planned`: nothing was changed. `open`: under way, or something is still owed. */
  readonly state: 'planned' | 'open' | 'closed' | 'failed';
  /** Fields by their result. In a plan, `owed` are to be restored and written. */
  readonly fields: Counts;
  /** By target (`record`, a sync, `history`, `objects`, `messages`) and result. */
  readonly targets: Readonly<Record<string, Counts>>;
  /** Fields that moved while the undo went on, and were planned again. */
  readonly again: number;
  /** What people should know besides. */
  readonly notes: readonly string[];
  readonly items: readonly UndoItem[];
  /** Items that are counted but not told. */
  readonly more: number;
}

const none = (): Record<UndoResult, number> => ({ restored: 0, kept: 0, impossible: 0, owed: 0 });

class Tally {
  readonly fields = none();
  readonly targets: Record<string, Record<UndoResult, number>> = {};
  readonly items: UndoItem[] = [];
  readonly most: number;
  again = 0;
  more = 0;

  constructor(most: number) {
    this.most = most;
  }

  add(item: UndoItem): void {
    if (item.kind === 'field') this.fields[item.result] += 1;
    if (item.again !== undefined) this.again += 1;
    for (const { sync, target, result } of item.targets) {
      const group = item.kind === 'field' ? (sync ?? target) : `${item.kind}s`;
      (this.targets[group] ??= none())[result] += 1;
    }
    if (this.items.length < this.most) this.items.push(item);
    else this.more += 1;
  }

  report(about: Pick<UndoReport, 'run' | 'scope' | 'by' | 'state' | 'notes'>): UndoReport {
    const { fields, targets, again, items, more } = this;
    return { ...about, fields, targets, again, items, more };
  }
}

/** What an undo would do; tells `most` items, counts all. Throws as `checkScope` does. */
export const undoPlan = async (hub: Hub, scope: UndoScope, by: string, most: number): Promise<UndoReport> => {
  const tally = new Tally(most);
  for await (const items of planUndo(hub, scope, by)) {
    for (const item of items) tally.add(item);
    // A plan is nothing but reads: what arrives meanwhile must have its turn.
    await turn();
  }
  const notes: string[] = [];
  if (tally.items.length === 0) notes.push('no record was changed by it');
  const row = scope.run === undefined ? undefined : await hub.store.get('run', { id: scope.run });
  if (row !== undefined && runOf(row).state === 'open')
    notes.push('the run is not finished: what it does after the undo has begun stays');
  return tally.report({ run: null, scope: scopeWords(scope), by, state: 'planned', notes });
};

const page = 1000;

/** What has become of an undo by now. Throws CrosswalkError `not-there`. */
export const undoStatus = async (store: Store, run: string, most: number): Promise<UndoReport> => {
  const row = await store.get('run', { id: run });
  const head = await headOf(store, run);
  if (row === undefined || head === undefined)
    throw new CrosswalkError('not-there', { what: 'undo', id: run });
  const tally = new Tally(most);
  for (let after = ''; ;) {
    const rows = await store.list('plan_item', 'plan', { where: { plan: run }, after, limit: page });
    for (const one of rows) tally.add(one['body'] as UndoItem);
    if (rows.length < page) break;
    await turn();
    after = String(rows.at(-1)?.['item']);
  }
  const notes = head.walked ? [] : ['not all of it has been carried out yet'];
  return tally.report({ run, scope: scopeWords(head.scope), by: head.by, state: runOf(row).state, notes });
};
