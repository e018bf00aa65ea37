/** What a person decides: conflicts, parked items, parked effects. Each decision is a commit with lineage. */
import { CrosswalkError } from '../errors.ts';
import { deletedField, marked, reachOf, type Reach } from '../merge/deletion.ts';
import { applied, changeText, hashIn, listedBy, shows, type Listed } from '../merge/lists.ts';
import { isEmpty, type Entry, type FieldState, type Hold, type LinkState } from '../merge/record.ts';
import type { RecordState } from '../merge/record.ts';
import { spansAfter } from '../merge/spans.ts';
import type { Row } from '../store/schema.ts';
import { drawFollowing, isUnwanted } from './deletion.ts';
import { commit, Draft } from './draft.ts';
import { protectedFrom } from './protection.ts';
import { effectOf, holdOf, leadsTo, linkOf, loadRecord, type Hub } from './hub.ts';

export interface ConflictKey {
  readonly record: string;
  readonly field: string;
  readonly sync: string;
  readonly object: string;
}

/** `ours` is written to the remote; `theirs` becomes the record's value and goes everywhere else. */
export type Choice = 'ours' | 'theirs';

/** A deletion that was in doubt: what the person says is a fact about the record from now on, either way. */
const drawDecided = async (
  draft: Draft,
  key: ConflictKey,
  link: LinkState,
  before: RecordState,
  value: Reach | null,
  by: string,
): Promise<void> => {
  const now = draft.hub.now();
  const source = `person:${by}`;
  const at = { from: now - 1, to: now };
  const said = { version: before.version + 1, at, source, rule: `decided by ${by}` };
  const mark = draft.hub.entities.get(before.entity)?.mark;
  const { record, entries } = marked(before, value, said, mark, 'resolved');
  await draft.record(before, record, 'claim');
  const { [deletedField]: _, ...restored } = link.restored;
  draft.link(link, { ...link, restored });
  const { sync, object } = key;
  draft.lineage(record.id, { cause: source, sync, object, version: record.version, entries });
  await drawFollowing(
    draft,
    record,
    entries.map(({ field }) => field),
    link,
  );
  const own = draft.hub.syncs.get(sync);
  if (own !== undefined && link.state === 'live' && isUnwanted(own, record, link))
    await draft.promise(sync, record, object);
};

const calm = { recent: [], returns: 0, chain: 0 };

/** What a decision makes of a field, and how lineage tells it; `listed` if it is a list. */
const decided = (
  listed: Listed | null,
  choice: Choice,
  { field, ours, theirs }: Pick<Hold, 'field' | 'ours' | 'theirs'>,
  old: FieldState | undefined,
  by: Pick<FieldState, 'version' | 'at' | 'source'>,
): { state: FieldState | undefined; entry: Entry } => {
  const before = old?.value ?? null;
  if (choice === 'ours') {
    const state = old === undefined ? undefined : { ...old, ...calm };
    return { state, entry: { field, verdict: 'overruled', at: by.at, theirs, after: before } };
  }
  // Of a list only what was in question is theirs.
  const value = listed === null ? theirs : applied(listed, ours, theirs, before);
  const recent = old === undefined ? [] : [hashIn(listed, before)];
  const change = listed === null ? {} : { change: changeText(listed.shape, before, value) };
  return {
    state: { value, ...by, ...calm, recent, ...spansAfter(listed, old, value, by.at) },
    entry: { field, verdict: 'resolved', ...change, before, after: value, ...by },
  };
};

/** A protected field takes no other value by somebody's decision who could not give it that. */
const checkProtection = (
  hub: Hub,
  record: RecordState,
  { field, sync }: ConflictKey,
  person: string,
): void => {
  const connection = hub.syncs.get(sync)?.connection;
  const who = protectedFrom(hub, record.entity, field, { person, connection });
  if (who !== undefined && !isEmpty(record.fields[field]?.value))
    throw new CrosswalkError('protected', { field, record: record.id, who });
};

/**
 * False if the conflict is no longer there or was overtaken: look again. Throws CrosswalkError `protected` where neither
 * the person nor the system may change the field.
 */
export const resolveConflict = async (
  hub: Hub,
  asked: ConflictKey,
  choice: Choice,
  by: string,
  run: string,
): Promise<boolean> => {
  const key = { ...asked, record: (await leadsTo(hub, asked.record))?.id ?? asked.record };
  const row = await hub.store.get('conflict', { ...key });
  const linkStored = await hub.store.get('link', { sync: key.sync, object: key.object });
  if (row === undefined || linkStored === undefined) return false;
  const link = linkOf(linkStored);
  const before = await loadRecord(hub, key.record);
  if (key.field === deletedField) {
    const theirs = row['theirs'] as Reach | null;
    const draft = new Draft(hub, run);
    draft.expect('conflict', { ...key }, { at: row['at'] }).delete('conflict', { ...key });
    await drawDecided(draft, key, link, before, choice === 'theirs' ? theirs : reachOf(before), by);
    return commit(draft);
  }
  if (choice === 'theirs') checkProtection(hub, before, key, by);
  const version = before.version + 1;
  const now = hub.now();
  const decision = { version, at: { from: now - 1, to: now }, source: `person:${by}` };
  const lens = hub.syncs.get(key.sync)?.lens;
  const listed = lens === undefined ? null : listedBy(lens, key.field);
  const { state, entry } = decided(listed, choice, holdOf(row), before.fields[key.field], decision);
  const fields = state === undefined ? before.fields : { ...before.fields, [key.field]: state };
  const record = { ...before, version, fields };
  const draft = new Draft(hub, run);
  await draft.record(before, record, 'claim');
  const { [key.field]: _, ...restored } = link.restored;
  const shown = lens?.read(link.shadow).fields[key.field] ?? null;
  // What theirs has become may be more than it shows, if it is a list.
  const isShown =
    choice === 'theirs' &&
    (lens === undefined || listed === null || shows(lens, key.field, shown, state?.value ?? null));
  const known = link.seen[key.field] ?? 0;
  // That there is to be nothing is written too, by a person's word: also where an undo had left what stands there.
  const until = isShown
    ? version
    : choice === 'ours' && state !== undefined
      ? Math.min(known, state.version - 1)
      : known;
  const seen = { ...link.seen, [key.field]: until };
  const isLeft = choice === 'ours' && state === undefined && !isEmpty(shown);
  const left = { field: key.field, why: 'empty' as const, theirs: shown, ours: null, at: now };
  draft.link(link, { ...link, restored, seen });
  draft.expect('conflict', { ...key }, { at: row['at'] }).delete('conflict', { ...key });
  draft.lineage(record.id, {
    cause: decision.source,
    sync: key.sync,
    object: key.object,
    version,
    entries: [{ ...entry, rule: `decided by ${by}`, ...(isLeft ? { held: left.why } : {}) }],
  });
  if (isLeft) draft.holds(record.id, link, [left], []);
  // Ours stands by a person's word: what somebody deleted before that may come back by it.
  await draft.promiseAll(record, [choice === 'theirs' ? key.field : deletedField], link);
  if (!isShown && link.state === 'live' && hub.syncs.get(key.sync)?.outward === true)
    await draft.promise(key.sync, record, key.object);
  return commit(draft);
};

/** Looks at a parked object again. False if it is not there. */
export const replayParked = async (hub: Hub, id: string, run: string): Promise<boolean> => {
  const row = await hub.store.get('parked', { id });
  if (row === undefined) return false;
  const now = hub.now();
  const lane = String(row['lane']);
  const draft = new Draft(hub, run);
  const hint = { cause: 'replay' };
  draft.append('touch', { lane, object: String(row['object']), due: now, at: now, run, hint });
  draft.count(run, { read: 1, open: 1 });
  draft.delete('parked', { id });
  draft.nudge(`in:${lane}`);
  return commit(draft);
};

/** Tries a parked effect again, as if it were new. */
export const replayEffect = async (
  hub: Hub,
  key: Pick<ConflictKey, 'record' | 'sync' | 'object'>,
  run: string,
): Promise<boolean> => {
  const row = await hub.store.get('effect', { sync: key.sync, record: key.record, object: key.object });
  if (row === undefined || effectOf(row).state !== 'parked') return false;
  const record = await loadRecord(hub, key.record);
  const draft = new Draft(hub, run);
  await draft.promise(key.sync, record, key.object);
  return commit(draft);
};

/** Drops a parked item for good; what it held stays in lineage under the person's name. */
export const dropParked = async (hub: Hub, id: string, by: string, run: string): Promise<Row | undefined> => {
  const row = await hub.store.get('parked', { id });
  if (row === undefined) return undefined;
  const draft = new Draft(hub, run);
  draft.delete('parked', { id });
  draft.lineage(`parked:${id}`, { cause: `person:${by}`, version: 0, event: 'dropped', entries: [] });
  await commit(draft);
  return row;
};
