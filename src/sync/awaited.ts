/** What references wait for (see `relations.ts`): written down, forgotten, and woken when it has arrived. */
import type { LinkState, RecordState } from '../merge/record.ts';
import type { Row } from '../store/schema.ts';
import { commit, Draft } from './draft.ts';
import { leadsTo, linksOf, recordOf, type Hub, type Sync } from './hub.ts';
import { arrivedLane, partedNote, partedOf, referring, type Wanted } from './relations.ts';

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
    const parted = partedOf(want);
    if (parted !== undefined) {
      await passParted(hub, run, Number(note['seq']), parted);
      continue;
    }
    const rows = await hub.store.list('awaited', 'want', { where: { want }, limit: most });
    const draft = new Draft(hub, run);
    for (const row of rows) await wake(draft, row);
    // The note stays while there may be more.
    if (rows.length < most) draft.delete('touch', { seq: Number(note['seq']) });
    await commit(draft);
  }
  return notes.length;
};

const page = 500;

/** A page of the records that may name one of two that were one: their objects are written again where they are to. */
const passParted = async (
  hub: Hub,
  run: string,
  seq: number,
  { entity, ids, place }: NonNullable<ReturnType<typeof partedOf>>,
): Promise<void> => {
  const [from = '', after = ''] = place.split('/');
  const all = referring(hub, entity);
  const own = [...all.keys()].find((name) => name >= from);
  const draft = new Draft(hub, run);
  draft.expect('touch', { seq }, {}).delete('touch', { seq });
  if (own !== undefined) {
    const where = { entity: own };
    const rows = await hub.store.list('record', 'entity', {
      where,
      after: own === from ? after : '',
      limit: page,
    });
    for (const record of rows.map(recordOf)) await writeNames(draft, all.get(own) ?? [], record, ids);
    const last = String(rows.at(-1)?.['id'] ?? '');
    const isWhole = rows.length === page;
    // The next entity in the order of their names.
    const next = isWhole ? `${own}/${last}` : [...all.keys()].find((name) => name > own);
    if (next !== undefined) draft.arrived(partedNote(hub, entity, ids, isWhole ? next : `${next}/`));
  }
  await commit(draft);
};

/** Promises a record's names anew in every system that takes them. */
const writeNames = async (
  draft: Draft,
  syncs: readonly Sync[],
  record: RecordState,
  ids: readonly string[],
): Promise<void> => {
  const naming = syncs.filter(({ lens, outward }) => {
    return (
      outward &&
      [...lens.references.keys()].some((field) => ids.includes(String(record.fields[field]?.value)))
    );
  });
  if (naming.length === 0) return;
  for (const link of await linksOf(draft.hub, record.id))
    if (link.state === 'live' && naming.some(({ name }) => name === link.sync))
      await draft.promise(link.sync, record, link.object);
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
  const waiting = await leadsTo(hub, record);
  if (hub.syncs.get(sync)?.outward === true && waiting?.id === record)
    await draft.promise(sync, waiting, object);
};
