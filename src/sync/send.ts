/** Sending: calls that are on disk go out in batches, and every item is settled by its own result. */
import { Trouble, type ItemResult } from '../connector.ts';
import { follow, lastTrace } from '../trace.ts';
import type { CallRow, Hub, Sync } from './hub.ts';
import { settleItem, settleTrouble } from './settle.ts';
import { together } from './together.ts';

/** A call on disk, and the most items that may share its batch (0: no limit of its own). */
export interface Prepared {
  readonly call: CallRow;
  readonly most: number;
}

export const batchesOf = (sync: Sync, calls: readonly Prepared[]): CallRow[][] => {
  const batches: CallRow[][] = [];
  for (const op of ['update', 'create', 'remove'] as const) {
    const writer = sync.kind[op];
    let batch: CallRow[] = [];
    for (const { call, most } of calls.filter((one) => one.call.op === op)) {
      const limit = Math.max(1, Math.min(writer?.most ?? 1, most === 0 ? Infinity : most));
      if (batch.length >= limit || (most > 0 && batch.length > 0)) {
        batches.push(batch);
        batch = [];
      }
      batch.push(call);
    }
    if (batch.length > 0) batches.push(batch);
  }
  return batches;
};

/** Sends one batch of calls that are on disk, and settles each item. */
export const send = async (
  hub: Hub,
  sync: Sync,
  batch: readonly CallRow[],
  run: string,
): Promise<Trouble | undefined> => {
  const first = batch[0];
  if (first === undefined) return undefined;
  // (Seats given when the calls are prepared would save this mark: tried, within the noise of w1, rejected.)
  if (batch.length > 1) {
    const marked = batch.map((one, pos) => ({
      op: 'set' as const,
      table: 'call' as const,
      key: { id: one.id },
      row: { call: first.id, pos },
    }));
    await hub.store.commit([{ when: [], write: marked }]);
  }
  let results: readonly ItemResult[];
  follow(lastTrace(batch));
  try {
    results = await (hub.mutation === 'call-not-on-disk'
      ? callUnwritten(hub, sync, batch)
      : call(sync, batch));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    await together(batch, (one) => settleTrouble(hub, sync, one, error, batch.length, run));
    return error;
  } finally {
    follow(null);
  }
  await together([...batch.entries()], ([i, one]) => {
    const result = results[i] ?? {
      is: 'unknown' as const,
      message: 'the answer has fewer items than were sent',
    };
    return settleItem(hub, sync, one, result, run);
  });
  return undefined;
};

const call = async (sync: Sync, batch: readonly CallRow[]): Promise<readonly ItemResult[]> => {
  const key = batch[0]?.id ?? '';
  if (batch[0]?.op === 'remove') {
    const gone = batch.map((one) => ({
      key: one.id,
      id: one.item.object,
      ...(one.item.guard === null ? {} : { version: one.item.guard }),
    }));
    return (await sync.kind.remove?.send(gone, { key })) ?? [];
  }
  if (batch[0]?.op === 'create') {
    const items = batch.map((one) => ({ key: one.id, value: one.item.value }));
    return (await sync.kind.create?.send(items, { key })) ?? [];
  }
  const items = batch.map((one) => ({
    key: one.id,
    id: one.item.object,
    value: one.item.value,
    ...(one.item.guard === null ? {} : { version: one.item.guard }),
  }));
  return (await sync.kind.update?.send(items, { key })) ?? [];
};

/** The mutation that writes a call to disk only after it was sent. */
const callUnwritten = async (
  hub: Hub,
  sync: Sync,
  batch: readonly CallRow[],
): Promise<readonly ItemResult[]> => {
  const taken = batch.map(({ id }) => ({ op: 'delete' as const, table: 'call' as const, key: { id } }));
  await hub.store.commit([{ when: [], write: taken }]);
  const back = batch.map((one) => ({ op: 'put' as const, table: 'call' as const, row: { ...one } }));
  try {
    return await call(sync, batch);
  } finally {
    await hub.store.commit([{ when: [], write: back }]);
  }
};
