/** What remotes issue for a time, how it is renewed, and what they have announced to end. */
import type { JsonObject } from '../connector.ts';

/** What a remote issues for a time: an access token, a session. */
export interface Grant {
  /** What `authorize` puts into requests. */
  readonly access: string;
  /** UTC ms of its end; absent where the remote does not say. */
  readonly expiresAt?: number;
  /** What the next renewal needs, such as an OAuth refresh token. Absent: the one before stays good. */
  readonly refresh?: string;
  /** UTC ms of the end of `refresh`; absent where the remote does not say. */
  readonly refreshUntil?: number;
  /** What else the remote says with it, such as the address to call. */
  readonly about?: JsonObject;
}

/**
 * How a connection gets what it calls with. Renewed ahead of its end, and once when the remote refuses it; by one
 * process at a time, also where several share the store.
 */
export interface Login {
  /** The secrets of the settings that it starts from; when they change, what was issued before is void. */
  readonly seed: string;
  /** True if a grant brings a `refresh`: it is kept, sealed; without a master key such a connection is not opened. */
  readonly keeps: boolean;
  /**
   * Asks for a grant, by requests that say `login: true`. `refresh` is the last that came; undefined before the first.
   * `refused` and `forbidden` mean that the remote does not take the secrets.
   */
  renew(refresh: string | undefined): Promise<Grant>;
}

export interface Sunset {
  /** Such as `API version v3`. */
  readonly what: string;
  /** The last day on which it works: `2027-09-30`. */
  readonly last: string;
  /** What to do instead, as a sentence. */
  readonly instead: string;
}
