/**
 * Two records that may be one: raised, and told apart for good. What a person has said of two records holds for all that
 * was ever merged into either.
 */
import { keysOf } from '../merge/identify.ts';
import type { RecordState } from '../merge/record.ts';
import type { Row } from '../store/schema.ts';
import type { Draft } from './draft.ts';
import { leadsTo, membersOf, recordOf, type Hub } from './hub.ts';

export interface Pair {
  readonly entity: string;
  readonly a: string;
  readonly b: string;
}

/** The key of a pair, whichever way round it is named. */
export const pairOf = (entity: string, one: string, other: string): Pair => {
  const [a = '', b = ''] = [one, other].sort();
  return { entity, a, b };
};

type Reading = Pick<Hub, 'store'>;

/** All records of which a person has said that they are not this one. */
const apartFrom = async ({ store }: Reading, id: string): Promise<string[]> => {
  const limit = 1000;
  const a = await store.list('apart', 'a', { where: { a: id }, limit });
  const b = await store.list('apart', 'b', { where: { b: id }, limit });
  return [...a.map((row) => String(row['b'])), ...b.map((row) => String(row['a']))];
};

/** The mark by which two records, or what was merged into them, are not the same; undefined if there is none. */
export const apartBy = async (hub: Reading, one: string, other: string): Promise<Row | undefined> => {
  const others = new Set(await membersOf(hub, other));
  for (const member of await membersOf(hub, one)) {
    const known = (await apartFrom(hub, member)).find((id) => others.has(id));
    if (known === undefined) continue;
    const { a, b } = pairOf('', member, known);
    return hub.store.get('apart', { a, b });
  }
  return undefined;
};

/** Records that are not the same as this one, and hold the key all the same. */
export const sharingKey = async (hub: Hub, record: RecordState, key: string): Promise<RecordState[]> => {
  const keys = hub.entities.get(record.entity)?.keys ?? [];
  const found: RecordState[] = [];
  for (const member of await membersOf(hub, record.id))
    for (const id of await apartFrom(hub, member)) {
      const other = await leadsTo(hub, id);
      if (other !== undefined && keysOf(keys, other).includes(key)) found.push(other);
    }
  return found;
};

/** Raises a candidate, unless the two are one by now, or a person has said that they are not the same. */
export const raise = async (
  draft: Draft,
  entity: string,
  one: string,
  other: string,
  why: string,
): Promise<void> => {
  const { hub } = draft;
  const [a, b] = [await leadsTo(hub, one), await leadsTo(hub, other)];
  // One that is not in the store yet is new in this very group.
  const pair = pairOf(entity, a?.id ?? one, b?.id ?? other);
  if (pair.a === pair.b) return;
  if (hub.mutation !== 'apart-ignored' && (await apartBy(hub, pair.a, pair.b)) !== undefined) return;
  draft.expect('apart', { a: pair.a, b: pair.b }, null);
  draft.put('candidate', { ...pair, why, at: hub.now() });
};

/** Keeps two records apart from now on; what had made them a candidate is forgotten. */
export const drawApart = (draft: Draft, pair: Pair, by: string, why: string): void => {
  const { entity, a, b } = pair;
  draft.put('apart', { a, b, entity, at: draft.hub.now(), by, why });
  draft.delete('candidate', { entity, a, b });
};

/** Every candidate that a record is one of. */
export const candidatesOf = async ({ store }: Reading, entity: string, id: string): Promise<Row[]> => {
  const limit = 10_000;
  return [
    ...(await store.list('candidate', 'entity', { where: { entity, a: id }, limit })),
    ...(await store.list('candidate', 'b', { where: { entity, b: id }, limit })),
  ];
};

/** The record of a row; of another that it was merged into, if it was. */
export const standingOf = async (hub: Reading, row: Row): Promise<RecordState | undefined> =>
  leadsTo(hub, recordOf(row).id);
