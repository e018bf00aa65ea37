/** Colleagues and teams, as the store knows them: whom routing tables may name. */
import type { Fields } from '../mapping/lens.ts';
import { isStanding } from '../merge/deletion.ts';
import type { Roster, Router } from '../mapping/routing.ts';
import type { Store } from '../store/store.ts';
import type { Hub } from './hub.ts';
import { recordOf } from './hub.ts';

/** A directory is read anew after so many ms: another process may have decided something in it. */
const fresh = 5000;

interface Known {
  readonly at: number;
  readonly all: readonly Fields[];
}

const directories = new WeakMap<Store, Map<string, Known>>();

const knownOf = (store: Store): Map<string, Known> => {
  const known = directories.get(store) ?? new Map<string, Known>();
  directories.set(store, known);
  return known;
};

/** Fields and values of every record of an entity. */
const readAll = async (store: Store, entity: string): Promise<readonly Fields[]> => {
  const all: Fields[] = [];
  let after = '';
  for (;;) {
    const rows = await store.list('record', 'entity', { where: { entity }, after, limit: 1000 });
    for (const record of rows.map(recordOf)) {
      const { id, fields } = record;
      after = id;
      if (!isStanding(record)) continue;
      all.push(Object.fromEntries(Object.entries(fields).map(([name, { value }]) => [name, value])));
    }
    if (rows.length < 1000) return all;
  }
};

/** Something in the directory has changed: the next decision reads it anew. */
export const forgetRoster = (store: Store, entity: string): void => {
  directories.get(store)?.delete(entity);
};

/** Everybody whom the tables of a router may ask for. An entity of which no record exists is not known. */
export const rosterOf = async (
  { store, now }: Pick<Hub, 'store' | 'now'>,
  router: Router,
): Promise<Roster> => {
  const known = knownOf(store);
  const entities = new Set(router.fields.flatMap((field) => router.rule(field).among?.entity ?? []));
  for (const entity of entities) {
    const held = known.get(entity);
    if (held !== undefined && Math.abs(now() - held.at) < fresh) continue;
    known.set(entity, { at: now(), all: await readAll(store, entity) });
  }
  const found = new Map([...entities].map((entity) => [entity, known.get(entity)?.all ?? []]));
  return {
    now,
    of: (entity) => {
      const all = found.get(entity);
      return all === undefined || all.length === 0 ? undefined : all;
    },
  };
};
