/**
 * Polls and sweeps: pages of objects become touches. A page's touches and the cursor behind it are one
 * commit, so that a crash repeats a page and never skips one. A row that equals its shadow is counted as
 * unchanged at once; every other row carries its state, which intake uses if it is surely newer.
 */
import { Trouble, type Kind, type Page } from '../connector.ts';
import { same } from '../merge/record.ts';
import type { Group, Operation } from '../store/store.ts';
import { firstRead } from './first-reading.ts';
import { linkOf, syncsOfLane, type Hub, type Sync } from './hub.ts';
import type { StoredHint } from './intake.ts';
import { clearMet, isShrunken, linksMet, metOn } from './met.ts';
import { beginPace, nextPace, waiting, type Pace } from './pace.ts';
import { openRun, runOf } from './runs.ts';

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
  /** How fast it goes; null where nothing is under way. */
  readonly pace: Pace | null;
}

const readCursor = async (hub: Hub, lane: string): Promise<Cursor | undefined> =>
  (await hub.store.get('cursor', { lane })) as unknown as Cursor | undefined;

const kindOf = (hub: Hub, lane: string): Kind | undefined => syncsOfLane(hub, lane)[0]?.kind;

/** Objects changed since the last poll, page by page, until the window is read. */
export const poll = async (hub: Hub, lane: string): Promise<Swept> => {
  const kind = kindOf(hub, lane);
  if (kind?.changes === undefined) return { run: null, read: 0 };
  const { resolution = 0, lateness = 0, skew = 0 } = kind.stamps ?? {};
  const stored = (await readCursor(hub, lane)) ?? unread(lane, 0);
  let cursor: Cursor = stored.page === null ? { ...stored, until: hub.now(), run: null } : stored;
  cursor = await paced(hub, cursor);
  let read = 0;
  let losses = 0;
  for (;;) {
    const since = Math.max(0, cursor.since - lateness - resolution - skew);
    const from = hub.now();
    if (hub.mutation === 'cursor-early') await saveEarly(hub, cursor);
    // The window's end is open towards the remote's clock, which may run ahead of ours.
    const window = { since, until: cursor.until + skew + 1 };
    const page = await patient(hub, cursor, async () => kind.changes?.(window, cursor.page) ?? ending);
    if (page === 'lost') {
      losses += 1;
      if (cursor.page === null || losses > mostLosses)
        return { ...(await readAnew(hub, lane, cursor)), read };
      // The window is known: only the place in it is lost.
      hub.alarm(
        `source ${lane}`,
        'the remote lost our place among its changes: they are read from the first page again',
      );
      cursor = { ...cursor, page: null };
      continue;
    }
    const done = page.next === null;
    const next: Cursor = done
      ? { lane, since: cursor.until, until: cursor.until, page: null, run: cursor.run, pace: null }
      : { ...cursor, page: page.next };
    cursor = await savePage(hub, lane, 'poll', page, next, from, []);
    read += page.objects.length;
    if (done) {
      if (kind.scan === undefined) await keepFirst(hub, lane, cursor.run);
      return { run: cursor.run, read };
    }
  }
};

/** A place that is lost as often in one reading is not looked for again. */
const mostLosses = 3;

const ending: Page = { objects: [], next: null };

/** The place of a reading that has not begun. */
const unread = (lane: string, since: number): Cursor => ({
  lane,
  since,
  until: 0,
  page: null,
  run: null,
  pace: null,
});

/** The remote knows the place that a poll had come to no more: everything is read afresh, and nothing counts as deleted for it. */
const readAnew = async (hub: Hub, lane: string, cursor: Cursor): Promise<Swept> => {
  const hasScan = kindOf(hub, lane)?.scan !== undefined;
  hub.alarm(
    `source ${lane}`,
    `the remote has lost our place among its changes: ${hasScan ? 'everything is read once more, by a full scan' : 'its changes are read once more from the beginning'}`,
  );
  // On disk, so that a crash does not forget it: without a place of polls, the next thing is a scan.
  const write: Operation[] = [
    { op: 'delete', table: 'cursor', key: { lane } },
    ...ended(hub, cursor.run, lostNote),
  ];
  if (hasScan && (await readCursor(hub, `scan:${lane}`)) === undefined) {
    await clearMet(hub, lane);
    write.push({ op: 'put', table: 'cursor', row: { ...unread(`scan:${lane}`, hub.now()) } });
  }
  await hub.store.commit([{ when: [], write }]);
  return hasScan ? sweep(hub, lane) : poll(hub, lane);
};

/**
 * Everything once; then whatever is linked and was not met is read directly. A scan that shows less than half of what is
 * linked says more about the scan than about the objects: they are left alone, loudly, unless `absent` asks for them.
 */
export const sweep = async (hub: Hub, lane: string, absent = false): Promise<Swept> => {
  const kind = kindOf(hub, lane);
  if (kind?.scan === undefined) return { run: null, read: 0 };
  const name = `scan:${lane}`;
  const stored = await readCursor(hub, name);
  let cursor = await paced(hub, stored ?? unread(name, hub.now()));
  if (stored === undefined) await clearMet(hub, lane);
  let read = 0;
  let losses = 0;
  for (;;) {
    const from = hub.now();
    const page = await patient(
      hub,
      cursor,
      async () => kind.scan?.(cursor.page) ?? ending,
      losses < mostLosses,
    );
    if (page === 'lost') {
      losses += 1;
      cursor = await scanAgain(hub, lane, cursor);
      continue;
    }
    const ids = page.objects.map(({ id }) => id);
    const met = metOn(lane, cursor.page, ids);
    cursor = await savePage(hub, lane, 'scan', page, { ...cursor, page: page.next }, from, [met]);
    read += page.objects.length;
    if (page.next === null) break;
  }
  const row = cursor.run === null ? undefined : await hub.store.get('run', { id: cursor.run });
  const { read: all, total } = row === undefined ? { read, total: null } : runOf(row);
  if (absent || !(await isShrunken(hub, lane, all))) {
    await touchAbsent(hub, lane, cursor, all);
    hub.clear?.(`source ${lane}`);
  }
  await clearMet(hub, lane);
  const finish: Operation[] = [{ op: 'delete', table: 'cursor', key: { lane: name } }];
  if ((await readCursor(hub, lane)) === undefined)
    finish.push({ op: 'put', table: 'cursor', row: { ...unread(lane, cursor.since) } });
  const first = await firstRead(hub, lane, cursor.run);
  if (first !== null) finish.push(first);
  const differs = total !== null && total !== all;
  finish.push(
    ...ended(hub, cursor.run, differs ? `the remote says that it has ${total}, and showed ${all}` : null),
  );
  await hub.store.commit([{ when: [], write: finish }]);
  return { run: cursor.run, read };
};

/** A place in a scan that the remote no longer knows means from the start again: announced, with books of its own. */
const scanAgain = async (hub: Hub, lane: string, cursor: Cursor): Promise<Cursor> => {
  hub.alarm(`source ${lane}`, 'the remote lost our place in a scan: it starts again from the first page');
  await clearMet(hub, lane);
  const next = unread(cursor.lane, cursor.since);
  const place: Operation = { op: 'put', table: 'cursor', row: { ...next } };
  await hub.store.commit([{ when: [], write: [place, ...ended(hub, cursor.run, lostNote)] }]);
  return paced(hub, next);
};

/** The cursor with the pace of a reading that begins or goes on now. */
const paced = async (hub: Hub, cursor: Cursor): Promise<Cursor> => {
  const run = cursor.run === null ? undefined : await hub.store.get('run', { id: cursor.run });
  return {
    ...cursor,
    pace: beginPace(cursor.pace, hub.now(), run === undefined ? 0 : runOf(run).read),
  };
};

/** Asks for a page; `lost` if the remote knows the place no more, and that is to be tried `again`. Where it asks to wait, the cursor says so to whoever watches. */
const patient = async (
  hub: Hub,
  cursor: Cursor,
  ask: () => Promise<Page>,
  again = true,
): Promise<Page | 'lost'> => {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (error.kind === 'cursor-lost' && again && isPlaced(cursor)) return 'lost';
    if (error.kind === 'busy' && cursor.pace !== null) {
      const until = hub.now() + (error.detail.retryAfter ?? 1000);
      const pace = waiting(cursor.pace, until, error.detail.message);
      const key = { lane: cursor.lane };
      await hub.store.commit([{ when: [], write: [{ op: 'set', table: 'cursor', key, row: { pace } }] }]);
    }
    throw error;
  }
};

/** True for a place that can be lost: a page, or a moment from which changes are asked for. */
const isPlaced = ({ lane, page, since }: Cursor): boolean =>
  page !== null || (!lane.startsWith('scan:') && since > 0);

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
  if (kind === 'poll' && page.next === null) then.push(...ended(hub, run));
  const pace = next.pace === null ? null : nextPace(next.pace, until, readBefore(next.pace) + read);
  const cursor = { ...next, run, pace };
  if (hub.mutation !== 'cursor-early') then.push({ op: 'put', table: 'cursor', row: { ...cursor } });
  await hub.store.commit([{ when: [], write: then } satisfies Group]);
  hub.nudge(`in:${lane}`);
  return cursor;
};

const readBefore = ({ samples }: Pace): number => samples.at(-1)?.[1] ?? 0;

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

/** Absence from a scan only touches: a direct read decides. */
const touchAbsent = async (hub: Hub, lane: string, cursor: Cursor, read: number): Promise<void> => {
  if (kindOf(hub, lane)?.read === undefined) return;
  for (const sync of syncsOfLane(hub, lane)) {
    let then: Operation[] = [];
    const keep = async (): Promise<void> => {
      if (then.length > 0) await hub.store.commit([{ when: [], write: then }]);
      then = [];
    };
    for await (const { object, met } of linksMet(hub, sync, read)) {
      if (met) continue;
      const hint: StoredHint = { cause: 'absent from scan', uncounted: true };
      const at = hub.now();
      then.push({
        op: 'append',
        table: 'touch',
        row: { lane, object, due: at, at, run: cursor.run, hint },
      });
      if (then.length >= 500) await keep();
    }
    await keep();
  }
};

const keepFirst = async (hub: Hub, lane: string, run: string | null): Promise<void> => {
  const first = await firstRead(hub, lane, run);
  if (first !== null) await hub.store.commit([{ when: [], write: [first] }]);
};

const lostNote = 'cut off: the remote lost our place, and everything is read afresh';

/** In the commit that ends the reading, or a crash would leave the run open for good, and its writes waiting for it. */
const ended = (hub: Hub, run: string | null, note: string | null = null): Operation[] =>
  run === null
    ? []
    : [
        {
          op: 'set',
          table: 'run',
          key: { id: run },
          row: { ended: hub.now(), ...(note === null ? {} : { note }) },
        },
      ];
