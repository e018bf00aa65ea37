/** What references wait for (see `relations.ts`): written down, forgotten, and woken when it has arrived. */
import type { LinkState } from '../merge/record.ts';
import type { Row } from '../store/schema.ts';
import { commit, Draft } from './draft.ts';
import { loadRecord, type Hub, type Sync } from './hub.ts';
import { arrivedLane, type Wanted } from './relations.ts';

/** Writes down what an object's or a record's references wait for, and forgets what they wait for no more. */
export const drawAwaited = async (
  draft: Draft,
  at: { readonly lane: string; readonly object: string; readonly record: string },
  wanted: ReadonlyMap<string, Wanted>,
): Promise<void> => {
  const { hub } = draft;
  const rows = await hub.store.list('awaited', 'object', {
    where: { lane: at.lane, object: at.object },
    limit: 100,
  });
  for (const row of rows) {
    const field = String(row['field']);
    if (row['record'] === at.record && wanted.get(field)?.want !== row['want'])
      draft.delete('awaited', { ...at, field });
  }
  for (const [field, { want, when }] of wanted) {
    for (const { table, key, is } of when) draft.expect(table, key, is);
    if (rows.some((row) => row['field'] === field && row['want'] === want)) continue;
    draft.put('awaited', { ...at, field, want, at: hub.now() });
  }
};

/** References that cannot be named in a system: written down, and left out of what is written there. */
export const drawUnnamed = async (
  draft: Draft,
  sync: Sync,
  object: string,
  record: string,
  outward: ReadonlyMap<string, Wanted>,
): Promise<void> => {
  if (sync.lens.references.size === 0) return;
  const wanted = new Map([...outward].filter(([field]) => sync.lens.outward.has(field)));
  await drawAwaited(draft, { lane: `out:${sync.name}`, object, record }, wanted);
};

/** Forgets what a link's references wait for: it has ended. */
export const forgetAwaited = async (draft: Draft, sync: Sync, link: LinkState): Promise<void> => {
  for (const [lane, record] of [
    [`in:${sync.lane}`, ''],
    [`out:${sync.name}`, link.record],
  ] as const)
    await drawAwaited(draft, { lane, object: link.object, record }, new Map());
};

const most = 500;

/** Wakes whoever waits for what has arrived. Resolves with how many notes it took. */
export const passArrived = async (hub: Hub, run: string): Promise<number> => {
  const notes = await hub.store.list('touch', 'due', {
    where: { lane: arrivedLane },
    upTo: hub.now(),
    limit: 200,
  });
  for (const note of notes) {
    const want = String(note['object']);
    const rows = await hub.store.list('awaited', 'want', { where: { want }, limit: most });
    const draft = new Draft(hub, run);
    for (const row of rows) await wake(draft, row);
    // The note stays while there may be more.
    if (rows.length < most) draft.delete('touch', { seq: Number(note['seq']) });
    await commit(draft);
  }
  return notes.length;
};

const wake = async (draft: Draft, row: Row): Promise<void> => {
  const { hub } = draft;
  const [lane, object, record, field] = ['lane', 'object', 'record', 'field'].map((name) =>
    String(row[name]),
  ) as [string, string, string, string];
  draft.delete('awaited', { lane, object, record, field });
  if (lane.startsWith('in:')) {
    const at = hub.now();
    const hint = { cause: 'what it names has arrived', uncounted: true };
    draft.append('touch', { lane: lane.slice(3), object, due: at, at, run: draft.run, hint });
    draft.nudge(lane);
    return;
  }
  const sync = lane.slice('out:'.length);
  if (hub.syncs.get(sync)?.outward === true) await draft.promise(sync, await loadRecord(hub, record), object);
};
