/** Calls of day quotas, counted by the hour in the store's `quota` table: for all processes, and beyond them. */
import type { DayQuota, Json } from './connector.ts';
import { HOUR_MS, KNOWN_MS, worths, type CallBook, type HourCalls } from './quotas.ts';
import type { Store } from './store/store.ts';

/** Hours of a worth that are read; the running one is the last. */
const hours = KNOWN_MS / HOUR_MS + 1;

const counterOf = (connection: string, quota: string, worth: string): string =>
  `calls:${connection}:${quota}:${worth}`;

const settingOf = (connection: string): string => `quotas:${connection}`;

/** `store`: asked for when it is needed, since connections are opened before it. */
export const callBook = (store: () => Store, connection: string): CallBook => ({
  async read(quota, since) {
    const found: HourCalls[] = [];
    for (const worth of worths) {
      const where = { name: counterOf(connection, quota, worth) };
      for (const row of await store().list('quota', 'name', { where, newest: true, limit: hours })) {
        const hour = Number(row['hour']);
        if (hour >= since) found.push({ worth, hour, calls: Number(row['used']) });
      }
    }
    return found;
  },
  async add(quota, counted) {
    const keys = counted.map(({ worth, hour }) => ({ name: counterOf(connection, quota, worth), hour }));
    // A counter begins once; whoever comes second finds it there.
    await store().commit(
      keys.map((key) => ({
        when: [{ table: 'quota', key, is: null }],
        write: [{ op: 'put', table: 'quota', row: { ...key, used: 0 } }],
      })),
    );
    await store().commit([
      {
        when: [],
        write: counted.map(({ calls }, i) => ({
          op: 'add',
          table: 'quota',
          key: keys[i] ?? {},
          row: { used: calls },
        })),
      },
    ]);
  },
  async tell(quotas) {
    // Most connections have none, and never had.
    if (quotas.length === 0 && (await toldQuotas(store(), connection)).length === 0) return;
    const row = { name: settingOf(connection), value: quotas as unknown as Json, at: 0, by: '' };
    await store().commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
  },
});

/** The day quotas of a connection, as whoever works it has told them; none if it has none, or has never been worked. */
export const toldQuotas = async (store: Store, connection: string): Promise<readonly DayQuota[]> =>
  ((await store.get('setting', { name: settingOf(connection) }))?.['value'] as DayQuota[] | undefined) ?? [];
