/**
 * Notices: every transition that a notice listens to becomes one message, and each message is sent once.
 *
 *   transition ──collect──► open ──on disk before the call──► sending ──► sent
 *                            ▲  ▲                                │ │
 *                            │  └─ busy, unreachable, forbidden ─┘ │ refused, or unknown for the second time
 *                            └──── unknown: repeated once ◄────────┴──► parked
 */
import type { NoticeConfig } from '../config.ts';
import type { Json } from '../connector.ts';
import type { Row } from '../store/schema.ts';
import type { Operation } from '../store/store.ts';
import { recordOf } from '../sync/hub.ts';
import type { NoticeHub } from './desk.ts';
import { noticeOf, parkedId, type NoticeRow } from './outcome.ts';
import { render, type Change } from './text.ts';

export type { NoticeHub } from './desk.ts';
export { noticeOf, recoverNotices, replayNotice, type NoticeReason, type NoticeRow } from './outcome.ts';
export { sendNotices, type Said } from './send.ts';

/** A notice that is new tells of what happened since this many ms, not of years. */
const lookBack = 10 * 60_000;
/** ms that messages which are out, or were dropped, are kept. */
const keepSent = 30 * 86_400_000;
const page = 200;
const mostPages = 50;

/** The transition after which a new notice begins: what is recent is told, the past is not. */
const beginning = async (hub: NoticeHub, entity: string): Promise<number> => {
  const newest = await hub.store.list('transition', 'entity', {
    where: { entity },
    newest: true,
    limit: 500,
  });
  const fresh = newest
    .filter((row) => Number(row['at']) >= hub.now() - lookBack)
    .map((row) => Number(row['seq']));
  return fresh.length > 0 ? Math.min(...fresh) - 1 : Number(newest[0]?.['seq'] ?? 0);
};

const changeOf = (row: Row): Change => ({
  record: String(row['record']),
  entity: String(row['entity']),
  field: String(row['field']),
  before: (row['before'] ?? null) as Json,
  after: (row['after'] ?? null) as Json,
  at: Number(row['at']),
  by: String(row['by'] ?? ''),
});

/** Messages of these transitions, in their order. */
const messages = async (hub: NoticeHub, notice: NoticeConfig, rows: readonly Row[]): Promise<Operation[]> => {
  const told = rows.filter(
    (row) =>
      row['field'] === notice.when.changed && (notice.firstSeen === true || row['how'] !== 'first seen'),
  );
  const records = await hub.store.many(
    'record',
    told.map((row) => ({ id: String(row['record']) })),
  );
  const now = hub.now();
  return told.map((row, i) => {
    const found = records[i];
    const made: NoticeRow = {
      // Padded, so that messages of one moment sort as their transitions do.
      id: `${String(row['seq']).padStart(15, '0')}/${notice.name}`,
      notice: notice.name,
      connection: notice.to,
      state: 'open',
      due: now,
      at: now,
      attempts: 0,
      text: render(notice, changeOf(row), found === undefined ? {} : recordOf(found).fields),
      record: String(row['record']),
      reason: null,
    };
    return { op: 'put', table: 'notice', row: { ...made } };
  });
};

/** One page of one notice: its cursor moves in the commit that holds the messages (promise 8). */
const collectPage = async (
  hub: NoticeHub,
  notice: NoticeConfig,
): Promise<{ made: number; more: boolean }> => {
  const key = { lane: `notice/${notice.name}` };
  const cursor = await hub.store.get('cursor', key);
  const since = cursor === undefined ? await beginning(hub, notice.entity) : Number(cursor['since']);
  const where = { entity: notice.entity };
  const rows = await hub.store.list('transition', 'entity', { where, after: since, limit: page });
  if (rows.length === 0 && cursor !== undefined) return { made: 0, more: false };
  const then = await messages(hub, notice, rows);
  const row = { ...key, since: Number(rows.at(-1)?.['seq'] ?? since), until: null, page: null, run: null };
  const [done] = await hub.store.commit([
    {
      when: [{ table: 'cursor', key, is: cursor === undefined ? null : { since } }],
      write: [...then, { op: 'put', table: 'cursor', row }],
    },
  ]);
  // Overtaken by another holder: what there is, is told by that one.
  return { made: done === true ? then.length : 0, more: rows.length === page };
};

/**
 * Turns the transitions that came since the last pass into messages; how many. A notice without a place to
 * go on from begins ten minutes back.
 */
export const collectNotices = async (hub: NoticeHub, notices: readonly NoticeConfig[]): Promise<number> => {
  let made = 0;
  for (const notice of notices) {
    for (let pages = 0; pages < mostPages; pages += 1) {
      const step = await collectPage(hub, notice);
      made += step.made;
      if (!step.more) break;
    }
  }
  if (made === 0) await prune(hub);
  return made;
};

/** Texts hold what people should not find in a store for ever. */
const prune = async (hub: NoticeHub): Promise<void> => {
  const upTo = hub.now() - keepSent;
  const sent = await hub.store.list('notice', 'state', { where: { state: 'sent' }, upTo, limit: 500 });
  const parked = await hub.store.list('notice', 'state', { where: { state: 'parked' }, upTo, limit: 100 });
  const waiting = await hub.store.many(
    'parked',
    parked.map((row) => ({ id: parkedId(noticeOf(row)) })),
  );
  const old = [...sent, ...parked.filter((_, i) => waiting[i] === undefined)];
  if (old.length === 0) return;
  const then = old.map((row): Operation => ({
    op: 'delete',
    table: 'notice',
    key: { id: String(row['id']) },
  }));
  await hub.store.commit([{ when: [], write: then }]);
};
