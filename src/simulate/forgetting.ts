import type { Store } from '../store/store.ts';

/** The mutation that takes a call without an answer for one that was never sent. */
export const forgetCalls = async (store: Store): Promise<void> => {
  for (const row of await store.list('call', 'state', { where: { state: 'sent' }, limit: 1000 })) {
    const item = row['item'] as { record: string; object: string };
    const sync = String(row['sync']);
    const effect = { sync, record: item.record, object: item.object };
    await store.commit([
      {
        when: [],
        write: [
          { op: 'delete', table: 'call', key: { id: String(row['id']) } },
          { op: 'set', table: 'effect', key: effect, row: { call: null, state: 'open' } },
          { op: 'set', table: 'link', key: { sync, object: item.object }, row: { call: null } },
        ],
      },
    ]);
  }
};
