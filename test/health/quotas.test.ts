/** What people are told of the quotas of a day: from the store alone, whoever counts. */
import { expect, it } from 'vitest';
import { backfillForecast, quotasOf, quotaWords } from '../../src/health/quotas.ts';
import { HOUR_MS } from '../../src/quotas.ts';
import { callBook } from '../../src/call-book.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';

/** 10:00 in Shanghai. */
const now = Date.UTC(2026, 10, 25, 2);

it('tells what is used, left and kept, and when a backfill ends that comes up against it', async () => {
  const store = new SqliteStore({ file: ':memory:', immediate: true });
  expect(await quotasOf(store, ['crm'], now)).toEqual([]);
  const book = callBook(() => store, 'crm');
  await book.tell([{ name: 'calls', count: 1000, zone: 'Asia/Shanghai' }]);
  await book.add('calls', [
    ...Array.from({ length: 7 * 24 }, (_, i) => ({
      worth: 'change' as const,
      hour: now - (i + 1) * HOUR_MS,
      calls: 10,
    })),
    { worth: 'backfill', hour: now - HOUR_MS, calls: 40 },
    { worth: 'backfill', hour: now, calls: 10 },
  ]);
  const [report, ...more] = await quotasOf(store, ['crm', 'other'], now);
  expect(more).toEqual([]);
  // Ten hours of changes, 50 calls of the backfill; 14 hours to go.
  expect(report).toMatchObject({ connection: 'crm', used: 150, left: 850, kept: 168 });
  expect(report === undefined ? '' : quotaWords(report)).toBe(
    "crm: 150 of the day's 1,000 calls used (calls), 850 left, 168 of them kept for what goes before a backfill; anew at 2026-11-25T16:00:00.000Z (midnight in Asia/Shanghai)",
  );
  // A quarter is read in an hour: 150 calls more, at 50 an hour.
  expect(await backfillForecast(store, 'crm', now - HOUR_MS, 0.25, now)).toBe(
    "this backfill ends Wednesday 13:00 (Asia/Shanghai) and leaves 53 % of the day's quota",
  );
  expect(await backfillForecast(store, 'crm', now - HOUR_MS, 0, now), 'nothing tells yet').toBeNull();
  expect(await backfillForecast(store, 'other', now - HOUR_MS, 0.25, now)).toBeNull();
  await store.close();
});
