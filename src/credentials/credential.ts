/**
 * A row of `credential`: what a remote has issued to a connection, sealed, and who is renewing it. Two rules keep it
 * right whatever fails:
 *
 * - The *lease* (`holder`, `until`) makes one process of many renew. It is only a courtesy: a holder that hung may wake.
 * - The *fence* grows with each grant that is stored, and a grant is stored only over the one that it renews. So a
 *   holder that wakes cannot overwrite what another has stored since; where nobody has, what it brings is the only good one.
 */
import { CrosswalkError, type Place } from '../errors.ts';
import type { Key, Row } from '../store/schema.ts';
import type { Condition, Operation, Store } from '../store/store.ts';
import { seal, unseal, type Belonging, type MasterKey } from './keys.ts';
import type { Grant } from '../connector.ts';

/** Where grants are kept, and what they are sealed with. */
export interface Safe {
  /** Not cut off from the store by others' leases on it: what a remote has issued must reach the disk. */
  store(): Promise<Store>;
  /** Read anew each time, so that a key that is put into a file is known at once. None: nothing is stored. */
  keys(): readonly MasterKey[];
}

/** The one name in use; a connection with several logins would have several. */
export const loginName = 'login';

/** ms; a holder that is alive prolongs its lease. */
export const leaseMs = 10_000;

export interface CredentialRow extends Belonging {
  readonly sealed: string | null;
  readonly key: string | null;
  readonly fence: number;
  /** UTC ms of the token's end. */
  readonly expires: number | null;
  /** UTC ms of the end of what renews it. */
  readonly ends: number | null;
  readonly holder: string | null;
  readonly until: number | null;
  /** UTC ms of the start of a renewal whose outcome is not known. */
  readonly begun: number | null;
  readonly at: number;
}

/** What is sealed. */
export interface Kept {
  readonly grant: Grant;
  /** UTC ms. */
  readonly at: number;
  /** SHA-256 of the secrets in the settings that it goes back to. */
  readonly seed: string;
}

const textIn = (row: Row, column: string): string | null => (row[column] ?? null) as string | null;
const numberIn = (row: Row, column: string): number | null =>
  row[column] === null || row[column] === undefined ? null : Number(row[column]);

export const credentialOf = (row: Row): CredentialRow => ({
  connection: String(row['connection']),
  name: String(row['name']),
  sealed: textIn(row, 'sealed'),
  key: textIn(row, 'key'),
  fence: Number(row['fence']),
  expires: numberIn(row, 'expires'),
  ends: numberIn(row, 'ends'),
  holder: textIn(row, 'holder'),
  until: numberIn(row, 'until'),
  begun: numberIn(row, 'begun'),
  at: Number(row['at']),
});

export const isLeased = (row: Pick<CredentialRow, 'holder' | 'until'>, now: number): boolean =>
  row.holder !== null && (row.until ?? 0) > now;

/** Throws CrosswalkError `key-unknown` or `seal-broken`. */
export const openKept = (row: CredentialRow, keys: readonly MasterKey[]): Kept | undefined =>
  row.sealed === null ? undefined : (JSON.parse(unseal(keys, row, row.sealed)) as Kept);

// ---------------------------------------------------------------- which key seals

export const keyMissing = (connection: string, place: Place = {}): CrosswalkError => {
  const what = `Connection ${connection} is issued secrets that must be kept`;
  return new CrosswalkError('key-missing', { what }, place);
};

/** The setting that says it: the first key of who sealed first, then what `crosswalk key rotate` made it. */
const setting: Key = { name: 'sealing' };

export const sealingId = async (store: Pick<Store, 'get'>): Promise<string | undefined> => {
  const row = await store.get('setting', setting);
  return (row?.['value'] as { readonly seals: string } | undefined)?.seals;
};

/** The key that seals, with the condition that it still does, and what makes it so where none did yet. */
export interface Sealing {
  readonly key: MasterKey;
  readonly when: Condition;
  readonly write: readonly Operation[];
}

export const sealBy = (id: string, now: number, by: string): Operation => ({
  op: 'put',
  table: 'setting',
  row: { ...setting, value: { seals: id }, at: now, by },
});

/** Throws CrosswalkError `key-missing`, or `key-unknown` where the store is ahead of the keys of this process. */
export const sealingOf = async (
  store: Store,
  keys: readonly MasterKey[],
  connection: string,
  now: number,
): Promise<Sealing> => {
  const [first] = keys;
  if (first === undefined) throw keyMissing(connection);
  const row = await store.get('setting', setting);
  const condition = (is: Row | null): Condition => ({ table: 'setting', key: setting, is });
  if (row === undefined)
    return { key: first, when: condition(null), write: [sealBy(first.id, now, 'crosswalk')] };
  const { seals } = row['value'] as { readonly seals: string };
  const key = keys.find(({ id }) => id === seals);
  if (key === undefined)
    throw new CrosswalkError('key-unknown', { what: 'The store seals', key: seals, connection });
  return { key, when: condition({ at: row['at'], by: row['by'] }), write: [] };
};

// ---------------------------------------------------------------- one row, as one process works it

export class Credential {
  readonly #store: Store;
  readonly #key: Belonging;
  readonly #holder: string;

  constructor(store: Store, key: Belonging, holder: string) {
    this.#store = store;
    this.#key = key;
    this.#holder = holder;
  }

  async read(): Promise<CredentialRow | undefined> {
    const row = await this.#store.get('credential', { ...this.#key });
    return row === undefined ? undefined : credentialOf(row);
  }

  isMine({ holder }: CredentialRow): boolean {
    return holder === this.#holder;
  }

  /** Takes the lease, if the row is still as it was seen and the same key still seals. */
  take(seen: CredentialRow | undefined, sealing: Sealing, now: number): Promise<boolean> {
    const lease = { holder: this.#holder, until: now + leaseMs, begun: seen?.begun ?? now };
    const row = { ...this.#key, sealed: null, key: null, fence: 0, expires: null, ends: null, at: now };
    return this.#commit(
      [this.#as(seen), sealing.when],
      [
        ...sealing.write,
        seen === undefined
          ? { op: 'put', table: 'credential', row: { ...row, ...lease } }
          : this.#set({ ...lease }),
      ],
    );
  }

  prolong(fence: number, now: number): Promise<boolean> {
    return this.#commit([this.#mine(fence)], [this.#set({ until: now + leaseMs })]);
  }

  /** Gives the lease back without a grant. */
  release(fence: number, begun: number | null): Promise<boolean> {
    return this.#commit([this.#mine(fence)], [this.#set({ holder: null, until: null, begun })]);
  }

  /**
   * Stores the grant that renews the one seen. Who has lost the lease meanwhile stores only where nobody renews now,
   * and only under the key that seals now.
   */
  keep(seen: CredentialRow | undefined, kept: Kept, sealing: Sealing): Promise<boolean> {
    const { grant, at } = kept;
    const row = {
      sealed: seal(sealing.key, this.#key, JSON.stringify(kept)),
      key: sealing.key.id,
      fence: (seen?.fence ?? 0) + 1,
      expires: grant.expiresAt ?? null,
      ends: grant.refreshUntil ?? null,
      holder: null,
      until: null,
      begun: null,
      at,
    };
    if (seen !== undefined && this.isMine(seen))
      return this.#commit([this.#mine(seen.fence)], [this.#set(row)]);
    const write: Operation =
      seen === undefined ? { op: 'put', table: 'credential', row: { ...this.#key, ...row } } : this.#set(row);
    return this.#commit([this.#as(seen), sealing.when], [...sealing.write, write]);
  }

  #as(seen: CredentialRow | undefined): Condition {
    const is = seen === undefined ? null : { fence: seen.fence, holder: seen.holder, until: seen.until };
    return { table: 'credential', key: { ...this.#key }, is };
  }

  #mine(fence: number): Condition {
    return { table: 'credential', key: { ...this.#key }, is: { fence, holder: this.#holder } };
  }

  #set(row: Row): Operation {
    return { op: 'set', table: 'credential', key: { ...this.#key }, row };
  }

  async #commit(when: readonly Condition[], write: readonly Operation[]): Promise<boolean> {
    const [done] = await this.#store.commit([{ when, write }]);
    return done === true;
  }
}
