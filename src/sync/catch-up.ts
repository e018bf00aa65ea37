/**
 * Catching up: a sync that begins to write (it was added, or went from plan to live) is behind in everything
 * that was merged before. Effects open by themselves only for what changes from now on; this opens the rest.
 */
import { isContested, lacksObject } from '../merge/deletion.ts';
import { delta } from '../merge/delta.ts';
import type { RecordState } from '../merge/record.ts';
import { isDoomed } from './deletion.ts';
import { commit, Draft } from './draft.ts';
import { linksOf, loadHolds, recordOf, type Hub, type Sync } from './hub.ts';
import { related } from './relations.ts';
import { openRun } from './runs.ts';
import { together } from './together.ts';

const keyOf = (sync: string): { lane: string } => ({ lane: `catch-up:${sync}` });
const page = 200;

/** One page of records; true while there are more. Remembered on disk: a restart goes on, and a sync catches up once. */
export const catchUp = async (hub: Hub, sync: Sync): Promise<boolean> => {
  const key = keyOf(sync.name);
  const stored = await hub.store.get('cursor', key);
  if (!sync.outward) {
    // What it misses from now on is made up for when it writes again.
    if (stored !== undefined)
      await hub.store.commit([{ when: [], write: [{ op: 'delete', table: 'cursor', key }] }]);
    return false;
  }
  if (stored !== undefined && stored['page'] === null) return false;
  const after = String(stored?.['page'] ?? '');
  const rows = await hub.store.list('record', 'entity', {
    where: { entity: sync.entity },
    after,
    limit: page,
  });
  const begun = stored?.['run'] ?? null;
  const run = begun === null && rows.length > 0 ? hub.newId('catchup') : begun;
  // With its place, or a crash behind this would leave the run open for good, and what it promises waiting for it.
  if (begun === null && run !== null) {
    const now = hub.now();
    const place = { ...key, since: now, until: now, page: after, run };
    const open = openRun(String(run), 'catch-up', sync.name, now);
    await hub.store.commit([{ when: [], write: [open, { op: 'put', table: 'cursor', row: place }] }]);
  }
  const overtaken = await together(rows.map(recordOf), (record) =>
    promiseBehind(hub, sync, record, String(run)),
  );
  // Somebody else had a hand on one of them: this page again.
  if (overtaken.includes(true)) return true;
  const last = rows.length === page ? String(rows.at(-1)?.['id']) : null;
  const now = hub.now();
  const place = { ...key, since: now, until: now, page: last, run };
  await hub.store.commit([
    {
      when: [],
      write: [
        { op: 'put', table: 'cursor', row: place },
        ...(last === null && run !== null
          ? [{ op: 'set' as const, table: 'run' as const, key: { id: String(run) }, row: { ended: now } }]
          : []),
      ],
    },
  ]);
  return last !== null;
};

/** Opens the effects that a record lacks towards a sync; true if it was overtaken. */
const promiseBehind = async (hub: Hub, sync: Sync, record: RecordState, run: string): Promise<boolean> => {
  const draft = new Draft(hub, run).expect('record', { id: record.id }, { version: record.version });
  const links = (await linksOf(hub, record.id)).filter((link) => link.sync === sync.name);
  const behind = lacksObject(record, links, sync) ? [''] : [];
  for (const link of links) {
    if (link.state !== 'live') continue;
    const holds = await loadHolds(hub, record.id, sync.name, link.object);
    const { sync: own } = await related(hub, sync, [link.shadow], record);
    const isRemoved = isDoomed(sync, record, link) && !isContested(holds);
    if (isRemoved || Object.keys(delta(record, link, own.lens, holds)).length > 0) behind.push(link.object);
  }
  let opened = 0;
  for (const object of behind) {
    const known = await hub.store.get('effect', { sync: sync.name, record: record.id, object });
    if (known !== undefined) continue;
    await draft.promise(sync.name, record, object);
    opened += 1;
  }
  return opened > 0 && !(await commit(draft));
};
