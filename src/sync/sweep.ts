/**
 * Polls and sweeps: pages of objects become touches. A page's touches and the cursor behind it are one
 * commit, so that a crash repeats a page and never skips one. A row that equals its shadow is counted as
 * unchanged at once; every other row carries its state, which intake uses if it is surely newer.
 */
import { Trouble, type Kind, type Page } from '../connector.ts';
import { same, type LinkState } from '../merge/record.ts';
import type { Group, Operation } from '../store/store.ts';
import { firstRead } from './first-reading.ts';
import { linkOf, syncsOfLane, type Hub, type Sync } from './hub.ts';
import type { StoredHint } from './intake.ts';
import { openRun } from './runs.ts';

export interface Swept {
  readonly run: string | null;
  readonly read: number;
}

interface Cursor {
  readonly lane: string;
  readonly since: number;
  readonly until: number;
  readonly page: string | null;
  readonly run: string | null;
}

const readCursor = async (hub: Hub, lane: string): Promise<Cursor | undefined> =>
  (await hub.store.get('cursor', { lane })) as unknown as Cursor | undefined;

const kindOf = (hub: Hub, lane: string): Kind | undefined => syncsOfLane(hub, lane)[0]?.kind;

/** Objects changed since the last poll, page by page, until the window is read. */
export const poll = async (hub: Hub, lane: string): Promise<Swept> => {
  const kind = kindOf(hub, lane);
  if (kind?.changes === undefined) return { run: null, read: 0 };
  const changes = kind.changes.bind(kind);
  const { resolution = 0, lateness = 0, skew = 0 } = kind.stamps ?? {};
  const stored = (await readCursor(hub, lane)) ?? { lane, since: 0, until: 0, page: null, run: null };
  let cursor: Cursor = stored.page === null ? { ...stored, until: hub.now(), run: null } : stored;
  let read = 0;
  for (;;) {
    const since = Math.max(0, cursor.since - lateness - resolution - skew);
    const from = hub.now();
    if (hub.mutation === 'cursor-early') await saveEarly(hub, cursor);
    // The window's end is open towards the remote's clock, which may run ahead of ours.
    const window = { since, until: cursor.until + skew + 1 };
    const page = await pageAgain(hub, lane, cursor.page, 'its list of changes', (at) => changes(window, at));
    const done = page.next === null;
    const next: Cursor = done
      ? { lane, since: cursor.until, until: cursor.until, page: null, run: cursor.run }
      : { ...cursor, page: page.next };
    cursor = await savePage(hub, lane, 'poll', page, next, from, []);
    read += page.objects.length;
    if (done) {
      if (kind.scan === undefined) await keepFirst(hub, lane, cursor.run);
      return { run: cursor.run, read };
    }
  }
};

/**
 * Everything once; then whatever is linked and was not met is read directly. A scan that shows less than half of what is
 * linked says more about the scan than about the objects: they are left alone, loudly, unless `absent` asks for them.
 */
export const sweep = async (hub: Hub, lane: string, absent = false): Promise<Swept> => {
  const kind = kindOf(hub, lane);
  if (kind?.scan === undefined) return { run: null, read: 0 };
  const scan = kind.scan.bind(kind);
  const name = `scan:${lane}`;
  const stored = await readCursor(hub, name);
  const start = hub.now();
  let cursor: Cursor = stored ?? { lane: name, since: start, until: 0, page: null, run: null };
  if (stored === undefined) await clearSwept(hub, lane);
  let read = 0;
  for (;;) {
    const from = hub.now();
    const page = await pageAgain(hub, name, cursor.page, 'a scan', scan);
    const met: Operation[] = page.objects.map(({ id }) => ({
      op: 'put',
      table: 'swept',
      row: { lane, object: id },
    }));
    cursor = await savePage(hub, lane, 'scan', page, { ...cursor, page: page.next }, from, met);
    read += page.objects.length;
    if (page.next === null) break;
  }
  if (absent || !(await isShrunken(hub, lane))) {
    await touchAbsent(hub, lane, cursor);
    hub.clear?.(`source ${lane}`);
  }
  await clearSwept(hub, lane);
  const finish: Operation[] = [{ op: 'delete', table: 'cursor', key: { lane: name } }];
  if ((await readCursor(hub, lane)) === undefined) {
    finish.push({
      op: 'put',
      table: 'cursor',
      row: { lane, since: cursor.since, until: 0, page: null, run: null },
    });
  }
  const first = await firstRead(hub, lane, cursor.run);
  if (first !== null) finish.push(first);
  if (cursor.run !== null) finish.push(ended(hub, cursor.run));
  await hub.store.commit([{ when: [], write: finish }]);
  return { run: cursor.run, read };
};

/** A place that the remote no longer knows means from the start again: announced, and counted once more. */
const pageAgain = async (
  hub: Hub,
  lane: string,
  page: string | null,
  what: string,
  read: (page: string | null) => Promise<Page>,
): Promise<Page> => {
  try {
    return await read(page);
  } catch (error) {
    if (!(error instanceof Trouble) || error.kind !== 'cursor-lost' || page === null) throw error;
    hub.alarm(lane, `the remote lost our place in ${what}: it starts again from the first page`);
    return read(null);
  }
};

/** Commits one page: touches, verdicts of unchanged rows, and the cursor behind it. */
const savePage = async (
  hub: Hub,
  lane: string,
  kind: 'poll' | 'scan',
  page: Page,
  next: Cursor,
  from: number,
  also: readonly Operation[],
): Promise<Cursor> => {
  const until = hub.now();
  const then: Operation[] = [...also];
  let run = next.run;
  if (run === null && (page.objects.length > 0 || kind === 'scan')) {
    run = hub.newId(kind);
    then.unshift(openRun(run, kind, lane, until));
  }
  const syncs = syncsOfLane(hub, lane);
  let unchanged = 0;
  for (const object of page.objects) {
    if (await equalsShadow(hub, syncs, object)) {
      unchanged += 1;
      continue;
    }
    const hint: StoredHint = { cause: `${kind} ${run}`, object, from, until };
    then.push({
      op: 'append',
      table: 'touch',
      row: { lane, object: object.id, due: until, at: until, run, hint },
    });
  }
  const read = page.objects.length;
  if (run !== null && read > 0) {
    then.push({
      op: 'add',
      table: 'run',
      key: { id: run },
      row: { read, open: read - unchanged, unchanged },
    });
  }
  if (run !== null && page.total !== undefined) {
    then.push({ op: 'set', table: 'run', key: { id: run }, row: { total: page.total } });
  }
  if (kind === 'poll' && page.next === null && run !== null) then.push(ended(hub, run));
  const cursor = { ...next, run };
  if (hub.mutation !== 'cursor-early') then.push({ op: 'put', table: 'cursor', row: { ...cursor } });
  await hub.store.commit([{ when: [], write: then } satisfies Group]);
  hub.nudge(`in:${lane}`);
  return cursor;
};

const saveEarly = async (hub: Hub, cursor: Cursor): Promise<void> => {
  const row = { ...cursor, since: cursor.until, page: null };
  await hub.store.commit([{ when: [], write: [{ op: 'put', table: 'cursor', row }] }]);
};

const equalsShadow = async (
  hub: Hub,
  syncs: readonly Sync[],
  object: Page['objects'][number],
): Promise<boolean> => {
  for (const sync of syncs) {
    const row = await hub.store.get('link', { sync: sync.name, object: object.id });
    if (row === undefined) return false;
    const link = linkOf(row);
    const settled = link.call === null && link.state === 'live' && link.missingSince === null;
    const pending = Object.values(link.written).some((one) => !one.confirmed);
    if (!settled || pending || !same(sync.lens.shadow(object.value), link.shadow)) return false;
    if (sync.kind.guarded === true && link.guard !== (object.version ?? null)) return false;
    if (sync.lens.read(object.value).problems.length > 0) return false;
  }
  return syncs.length > 0;
};

/** Fewer linked objects than this prove nothing. */
const few = 20;

/** True, with an alarm, if most of what is linked was not met. */
const isShrunken = async (hub: Hub, lane: string): Promise<boolean> => {
  for (const sync of syncsOfLane(hub, lane)) {
    let live = 0;
    let met = 0;
    for await (const link of liveLinks(hub, sync)) {
      live += 1;
      if ((await hub.store.get('swept', { lane, object: link.object })) !== undefined) met += 1;
    }
    if (live < few || met * 2 >= live) continue;
    const text = `a scan showed ${met} of ${live} objects that are linked: nothing is taken for deleted. If it is true, crosswalk sync ${sync.name} --full --absent looks at each of the others`;
    hub.alarm(`source ${lane}`, text);
    return true;
  }
  return false;
};

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

/** Absence from a scan only touches: a direct read decides. */
const touchAbsent = async (hub: Hub, lane: string, cursor: Cursor): Promise<void> => {
  if (kindOf(hub, lane)?.read === undefined) return;
  for (const sync of syncsOfLane(hub, lane)) {
    let then: Operation[] = [];
    const keep = async (): Promise<void> => {
      if (then.length > 0) await hub.store.commit([{ when: [], write: then }]);
      then = [];
    };
    for await (const link of liveLinks(hub, sync)) {
      if ((await hub.store.get('swept', { lane, object: link.object })) !== undefined) continue;
      const hint: StoredHint = { cause: 'absent from scan', uncounted: true };
      const at = hub.now();
      then.push({
        op: 'append',
        table: 'touch',
        row: { lane, object: link.object, due: at, at, run: cursor.run, hint },
      });
      if (then.length >= 500) await keep();
    }
    await keep();
  }
};

const clearSwept = async (hub: Hub, lane: string): Promise<void> => {
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

const keepFirst = async (hub: Hub, lane: string, run: string | null): Promise<void> => {
  const first = await firstRead(hub, lane, run);
  if (first !== null) await hub.store.commit([{ when: [], write: [first] }]);
};

/** In the commit that ends the reading, or a crash would leave the run open for good, and its writes waiting for it. */
const ended = (hub: Hub, run: string): Operation => ({
  op: 'set',
  table: 'run',
  key: { id: run },
  row: { ended: hub.now() },
});
