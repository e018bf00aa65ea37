/**
 * What a running scan has met, so that absence can be seen. One row a page, not one an object: a scan that finds nothing
 * new writes next to nothing. Asked at the end, in shares, so that memory does not grow with the system.
 */
import type { LinkState } from '../merge/record.ts';
import type { Operation } from '../store/store.ts';
import { linkOf, syncsOfLane, type Hub, type Sync } from './hub.ts';

/** Most ids that are held in memory at a time. */
const share = 100_000;

/** The objects of one page. A page that is read again replaces itself. */
export const metOn = (lane: string, page: string | null, ids: readonly string[]): Operation => ({
  op: 'put',
  table: 'swept',
  row: { lane, object: page ?? '', ids },
});

export const clearMet = async (hub: Hub, lane: string): Promise<void> => {
  for (;;) {
    const rows = await hub.store.list('swept', 'lane', { where: { lane }, limit: 1000 });
    if (rows.length === 0) return;
    const then = rows.map((row): Operation => ({
      op: 'delete',
      table: 'swept',
      key: { lane, object: String(row['object']) },
    }));
    await hub.store.commit([{ when: [], write: then }]);
  }
};

/** One of `shares`, the same for an id each time. */
const shareOf = (id: string, shares: number): number => {
  if (shares === 1) return 0;
  let hash = 0;
  for (let i = 0; i < id.length; i += 1) hash = (Math.imul(hash, 31) + id.charCodeAt(i)) | 0;
  return (hash >>> 0) % shares;
};

async function* metIds(hub: Hub, lane: string): AsyncGenerator<string> {
  for (let after: string | undefined; ;) {
    const rows = await hub.store.list('swept', 'lane', {
      where: { lane },
      ...(after === undefined ? {} : { after }),
      limit: 100,
    });
    for (const row of rows) {
      // A release before this one kept a row an object.
      for (const id of (row['ids'] as readonly string[] | null) ?? [String(row['object'])]) yield id;
      after = String(row['object']);
    }
    if (rows.length < 100) return;
  }
}

async function* liveLinks(hub: Hub, sync: Sync): AsyncGenerator<LinkState> {
  let after = '';
  for (;;) {
    const rows = await hub.store.list('link', 'sync', { where: { sync: sync.name }, after, limit: 500 });
    if (rows.length === 0) return;
    for (const link of rows.map(linkOf)) {
      after = link.object;
      if (link.state === 'live') yield link;
    }
  }
}

/** The live links of a sync, and whether the scan has met their objects. `read` objects were read. */
export async function* linksMet(
  hub: Hub,
  sync: Sync,
  read: number,
): AsyncGenerator<{ readonly object: string; readonly met: boolean }> {
  const linked = await hub.store.count('link', 'sync', { sync: sync.name });
  const shares = Math.max(1, Math.ceil(Math.max(linked, read) / share));
  for (let turn = 0; turn < shares; turn += 1) {
    const met = new Set<string>();
    for await (const id of metIds(hub, sync.lane)) if (shareOf(id, shares) === turn) met.add(id);
    for await (const { object } of liveLinks(hub, sync))
      if (shareOf(object, shares) === turn) yield { object, met: met.has(object) };
  }
}

/** Fewer linked objects than this prove nothing. */
const few = 20;

/** True, with an alarm, if most of what is linked was not met. */
export const isShrunken = async (hub: Hub, lane: string, read: number): Promise<boolean> => {
  for (const sync of syncsOfLane(hub, lane)) {
    let live = 0;
    let found = 0;
    for await (const { met } of linksMet(hub, sync, read)) {
      live += 1;
      if (met) found += 1;
    }
    if (live < few || found * 2 >= live) continue;
    const text = `a scan showed ${found} of ${live} objects that are linked: nothing is taken for deleted. If it is true, crosswalk sync ${sync.name} --full --absent looks at each of the others`;
    hub.alarm(`source ${lane}`, text);
    return true;
  }
  return false;
};
