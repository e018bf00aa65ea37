/**
 * Strong keys, where records become one and two again. A key leads to one record; where that took in another which had
 * brought it, `origin` tells which, so that it can go back.
 */
import { isStanding } from '../merge/deletion.ts';
import { keysOf } from '../merge/identify.ts';
import type { Parted } from '../merge/part.ts';
import type { RecordState } from '../merge/record.ts';
import { mergedField } from '../merge/redirect.ts';
import type { Row } from '../store/schema.ts';
import { candidatesOf, raise, sharingKey } from './candidates.ts';
import type { Draft } from './draft.ts';
import { leadsTo, membersOf, recordOf } from './hub.ts';
import { keyArrived } from './relations.ts';

/** The loser's keys lead to the survivor, which remembers whose they were. */
export const moveKeys = async (
  draft: Draft,
  before: RecordState,
  after: RecordState,
  loser: RecordState,
): Promise<void> => {
  const { store } = draft.hub;
  const { entity } = after;
  const keys = draft.hub.entities.get(entity)?.keys ?? [];
  const moved = new Set<string>();
  for (const row of await store.list('strong_key', 'record', {
    where: { record: loser.id },
    limit: 10_000,
  })) {
    const at = { entity, key: String(row['key']) };
    const origin = row['origin'] ?? loser.id;
    draft.expect('strong_key', at, { record: loser.id });
    draft.put('strong_key', { ...at, record: after.id, origin });
    moved.add(at.key);
  }
  const [old, now] = [keysOf(keys, before), keysOf(keys, after)];
  for (const key of now.filter((one) => !old.includes(one) && !moved.has(one))) {
    const holder = await store.get('strong_key', { entity, key });
    if (holder === undefined) {
      draft.expect('strong_key', { entity, key }, null);
      draft.put('strong_key', { entity, key, record: after.id, origin: null });
      draft.arrived(keyArrived(draft.hub, entity, key, after.id));
    } else if (holder['record'] !== after.id) await contend(draft, holder, after.id);
  }
  for (const key of old.filter((one) => !now.includes(one))) await releaseKey(draft, after, key);
};

/** Keys go back to whom they came from; what one of the two holds by its fields alone is that one's. */
export const giveKeysBack = async (
  draft: Draft,
  before: RecordState,
  { survivor, loser }: Pick<Parted, 'survivor' | 'loser'>,
): Promise<void> => {
  const { hub } = draft;
  const { entity } = loser;
  const keys = hub.entities.get(entity)?.keys ?? [];
  const [mine, theirs] = [keysOf(keys, survivor), keysOf(keys, loser)];
  const members = new Set(await membersOf(hub, loser.id));
  const where = { record: before.id };
  const held = new Set<string>();
  for (const row of await hub.store.list('strong_key', 'record', { where, limit: 10_000 })) {
    const at = { entity, key: String(row['key']) };
    const origin = row['origin'] === null ? null : String(row['origin']);
    const isBack = origin === null ? theirs.includes(at.key) && !mine.includes(at.key) : members.has(origin);
    held.add(at.key);
    if (!isBack) {
      const isFormer = origin === null && !mine.includes(at.key);
      if (isFormer) draft.expect('strong_key', at, where).delete('strong_key', at);
      continue;
    }
    draft.expect('strong_key', at, where);
    const isLosers = origin === null || origin === loser.id;
    if (isLosers && !theirs.includes(at.key)) {
      draft.delete('strong_key', at);
      held.delete(at.key);
    } else draft.put('strong_key', { ...at, record: loser.id, origin: isLosers ? null : origin });
  }
  for (const [record, own] of [
    [survivor.id, mine],
    [loser.id, theirs],
  ] as const)
    for (const key of own.filter((one) => !held.has(one))) {
      held.add(key);
      const holder = await hub.store.get('strong_key', { entity, key });
      if (holder === undefined || holder['record'] === survivor.id) {
        draft.expect('strong_key', { entity, key }, holder === undefined ? null : where);
        draft.put('strong_key', { entity, key, record, origin: null });
        draft.arrived(keyArrived(hub, entity, key, record));
      } else if (holder['record'] !== record) await contend(draft, holder, record);
    }
};

const contend = async (draft: Draft, holder: Row, record: string): Promise<void> => {
  const { entity, key } = holder;
  await raise(draft, String(entity), String(holder['record']), record, `same ${String(key)}`);
  noteClaim(draft, holder);
};

/** Another wants the key that is held: its holder may not give it up unseen. */
export const noteClaim = (draft: Draft, holder: Row): void => {
  const { entity, key, record, claims } = holder;
  const at = { entity: String(entity), key: String(key) };
  draft.expect('strong_key', at, { record, claims });
  draft.put('strong_key', { ...holder, claims: Number(claims ?? 0) + 1 });
};

/**
 * A record has a key no more. If it held it, it goes to another that has it too and stood back, so that what is filed under
 * it is found; if another did, that one must not have handed it over meanwhile.
 */
export const releaseKey = async (draft: Draft, record: RecordState, key: string): Promise<void> => {
  const { hub } = draft;
  const { entity, id } = record;
  const at = { entity, key };
  const held = await hub.store.get('strong_key', at);
  if (held?.['record'] !== id) {
    draft.expect('strong_key', at, held === undefined ? null : { record: held['record'] });
    return;
  }
  const rivals = (await candidatesOf(hub, entity, id)).map((row) =>
    String(row['a'] === id ? row['b'] : row['a']),
  );
  const heirs = [...(await sharingKey(hub, record, key))];
  for (const rival of rivals) {
    const other = await leadsTo(hub, rival);
    if (other !== undefined && keysOf(hub.entities.get(entity)?.keys ?? [], other).includes(key))
      heirs.push(other);
  }
  draft.expect('strong_key', at, { record: id, claims: held['claims'] ?? null });
  const heir = heirs.find((one) => one.id !== id);
  if (heir === undefined) draft.delete('strong_key', at);
  else {
    draft.expect('record', { id: heir.id }, { version: heir.version });
    draft.put('strong_key', { ...at, record: heir.id, origin: null });
    // Who wanted it besides meets its new holder.
    for (const other of heirs)
      if (other.id !== id) await raise(draft, entity, heir.id, other.id, `same ${key}`);
  }
};

/**
 * A record that is deleted has no keys, not those of records that were merged into it either; once it is there again they
 * lead to it again, if nobody else has them by then.
 */
export const aliasKeys = async (draft: Draft, record: RecordState): Promise<void> => {
  const { hub } = draft;
  const { entity, id } = record;
  if (!isStanding(record)) {
    for (const row of await hub.store.list('strong_key', 'record', { where: { record: id }, limit: 10_000 }))
      if (row['origin'] !== null) {
        const at = { entity, key: String(row['key']) };
        draft.expect('strong_key', at, { record: id }).delete('strong_key', at);
      }
    return;
  }
  const keys = hub.entities.get(entity)?.keys ?? [];
  const own = new Set(keysOf(keys, record));
  for (const origin of await membersOf(hub, id)) {
    const row = origin === id ? undefined : await hub.store.get('record', { id: origin });
    if (row === undefined) continue;
    const {
      fields: { [mergedField]: _, ...fields },
      ...member
    } = recordOf(row);
    for (const key of keysOf(keys, { ...member, fields })) {
      if (own.has(key) || (await hub.store.get('strong_key', { entity, key })) !== undefined) continue;
      own.add(key);
      draft
        .expect('strong_key', { entity, key }, null)
        .put('strong_key', { entity, key, record: id, origin });
    }
  }
};
