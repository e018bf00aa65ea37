/**
 * Moving every sealed row to another master key while gateways work, and the proof that it is done.
 *
 * First the store says that the new key seals: from then on nobody takes a lease with keys that lack it. Then row by
 * row: a renewal under way is waited for, then the row is sealed anew, if it is still the same. At the end all rows are
 * read again, counted by key, and opened with the new key alone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CrosswalkError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { credentialOf, isLeased, sealBy, sealingId, type CredentialRow } from './credential.ts';
import { seal, sealedWith, unseal, type MasterKey } from './keys.ts';

export interface KeyUse {
  readonly id: string;
  /** True if it is among the keys here. */
  readonly known: boolean;
  readonly seals: boolean;
  readonly rows: number;
}

const rowsOf = async (store: Pick<Store, 'list'>): Promise<CredentialRow[]> => {
  const limit = 100_000;
  const rows = await store.list('credential', 'connection', { where: {}, limit });
  return rows.map(credentialOf);
};

/** By key: how many rows are sealed with it. A row counts by its sealed text, not by what stands beside it. */
export const keyUse = async (
  store: Pick<Store, 'list' | 'get'>,
  keys: readonly MasterKey[],
): Promise<KeyUse[]> => {
  const counts = new Map(keys.map(({ id }) => [id, 0]));
  for (const { sealed } of await rowsOf(store)) {
    const id = sealed === null ? undefined : (sealedWith(sealed) ?? '(unreadable)');
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const seals = (await sealingId(store)) ?? keys[0]?.id;
  if (seals !== undefined && !counts.has(seals)) counts.set(seals, 0);
  const known = new Set(keys.map(({ id }) => id));
  return [...counts].map(([id, rows]) => ({ id, known: known.has(id), seals: id === seals, rows }));
};

export interface Rotation {
  /** The key that seals from now on. */
  readonly to: string;
  /** Rows that were sealed anew. */
  readonly resealed: number;
  /** Rows that open with the new key alone: the proof. */
  readonly opened: number;
  readonly keys: readonly KeyUse[];
  /** Rows that are not under the new key, and why. */
  readonly left: readonly { readonly connection: string; readonly why: string }[];
}

export interface Rotating {
  readonly store: Store;
  readonly keys: readonly MasterKey[];
  now(): number;
  /** Who asks for it. */
  readonly by: string;
  /** ms that a renewal under way is waited for. */
  readonly patience?: number;
}

const reseal = async (
  { store, keys, now, patience = 120_000 }: Rotating,
  to: MasterKey,
  first: CredentialRow,
): Promise<'done' | 'was' | string> => {
  const key = { connection: first.connection, name: first.name };
  const until = now() + patience;
  for (;;) {
    const found = await store.get('credential', key);
    if (found === undefined) return 'was';
    const row = credentialOf(found);
    const { sealed, fence, holder } = row;
    if (isLeased(row, now())) {
      if (now() > until) return 'it is being renewed, and that does not end';
      await sleep(100);
      continue;
    }
    const isOld = sealed !== null && sealedWith(sealed) !== to.id;
    if (!isOld && holder === null) return 'was';
    let fresh = {};
    try {
      if (isOld) fresh = { sealed: seal(to, key, unseal(keys, key, sealed)), key: to.id };
    } catch (error) {
      if (error instanceof CrosswalkError) return error.message;
      throw error;
    }
    // Who has let its lease pass may wake: without it, it stores nothing under a key that is gone.
    const [done] = await store.commit([
      {
        when: [{ table: 'credential', key, is: { fence, holder, until: row.until, sealed } }],
        write: [{ op: 'set', table: 'credential', key, row: { ...fresh, holder: null, until: null } }],
      },
    ]);
    if (done === true) return isOld ? 'done' : 'was';
  }
};

/** Makes the first key the one that seals, and moves all rows to it. Throws CrosswalkError `key-missing`. */
export const rotateKeys = async (rotating: Rotating): Promise<Rotation> => {
  const { store, keys, by, now } = rotating;
  const [to] = keys;
  if (to === undefined)
    throw new CrosswalkError('key-missing', { what: 'What is stored is to be sealed anew' });
  await store.commit([{ when: [], write: [sealBy(to.id, now(), by)] }]);
  const left: { connection: string; why: string }[] = [];
  let resealed = 0;
  for (const row of await rowsOf(store)) {
    const outcome = await reseal(rotating, to, row);
    if (outcome === 'done') resealed += 1;
    else if (outcome !== 'was') left.push({ connection: row.connection, why: outcome });
  }
  let opened = 0;
  for (const row of await rowsOf(store)) {
    if (row.sealed === null) continue;
    try {
      unseal([to], row, row.sealed);
      opened += 1;
    } catch (error) {
      if (!left.some(({ connection }) => connection === row.connection))
        left.push({ connection: row.connection, why: error instanceof Error ? error.message : '' });
    }
  }
  return { to: to.id, resealed, opened, keys: await keyUse(store, keys), left };
};

/** Drops what is stored for a connection: it starts again from its settings. True if there was anything. */
export const forgetCredential = async (store: Store, connection: string): Promise<boolean> => {
  const rows = (await rowsOf(store)).filter((row) => row.connection === connection);
  for (const { name } of rows)
    await store.commit([
      { when: [], write: [{ op: 'delete', table: 'credential', key: { connection, name } }] },
    ]);
  return rows.length > 0;
};
