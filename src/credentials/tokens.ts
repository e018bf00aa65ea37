/**
 * The grants with which one connection calls: kept in memory, and sealed in the store where there is a master key.
 *
 *   current ─► held and good? ─► use it (near its end: renewed beside)
 *                 │ no
 *                 ▼
 *   one flight a process ─► stored by another meanwhile? ─► use that
 *                              │ no
 *                              ▼
 *                    lease ─► renew at the remote ─► on disk ─► use it
 *
 * What renews the next time is on disk before the token that came with it is used, and the one before stays until then.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  textOf,
  Trouble,
  type Grant,
  type Host,
  type HttpResponse,
  type Json,
  type Login,
} from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { sleep } from '../limits.ts';
import { secretsIn } from '../secrecy.ts';
import {
  Credential,
  isLeased,
  keyMissing,
  leaseMs,
  loginName,
  openKept,
  sealingOf,
  type CredentialRow,
  type Kept,
  type Safe,
  type Sealing,
} from './credential.ts';

export interface TokensOptions {
  readonly connection: string;
  readonly connector: string;
  readonly login: Login;
  /** Absent: nothing is kept. */
  readonly safe?: Safe | undefined;
  now(): number;
  random(): number;
  log: Host['log'];
  /** Told what was issued, newest first, before anything is done with it: no text may show it. */
  hide(issued: readonly string[]): void;
}

export interface Held {
  readonly grant: Grant;
  /** Grows with each grant; says which one is meant. */
  readonly fence: number;
  /** UTC ms at which it was issued. */
  readonly at: number;
}

const longestAhead = 300_000;
/** ms without another try after a renewal ahead of time has failed. */
const calm = 30_000;
/** ms for which a grant that cannot be stored is tried again. */
const patience = 300_000;
/** ms that closing waits for a renewal under way. */
const lastWait = 35_000;

const lifeOf = ({ grant, at }: Pick<Held, 'grant' | 'at'>): number =>
  Math.max(0, (grant.expiresAt ?? Number.POSITIVE_INFINITY) - at);

/** True if a call that starts now may arrive too late. */
const isOver = (held: Pick<Held, 'grant' | 'at'>, now: number): boolean =>
  now >= held.at + lifeOf(held) - Math.min(10_000, lifeOf(held) / 10);

const isDue = (held: Held, now: number): boolean =>
  now >= held.at + lifeOf(held) - Math.min(longestAhead, lifeOf(held) / 5);

/** The remote has said no to the secrets, in whatever words. */
const isRefusal = (error: unknown): error is Trouble =>
  error instanceof Trouble && !['unreachable', 'unknown', 'busy'].includes(error.kind);

const never = new AbortController().signal;

export class Tokens {
  readonly #options: TokensOptions;
  readonly #holder = randomUUID();
  readonly #seed: string;
  #held: Held | undefined;
  #flight: Promise<Held> | undefined;
  #calmUntil = 0;
  #issued: readonly string[] = [];

  constructor(options: TokensOptions) {
    this.#options = options;
    this.#seed = createHash('sha256').update(options.login.seed).digest('base64');
  }

  /** A grant to call with. Throws Trouble, as which nothing has been sent, or CrosswalkError. */
  async current(signal: AbortSignal): Promise<Held> {
    const held = this.#held;
    const now = this.#options.now();
    if (held === undefined || isOver(held, now)) return this.#within(this.#renew(held?.fence ?? -1), signal);
    if (isDue(held, now) && now >= this.#calmUntil) this.#renewBeside(held.fence);
    return held;
  }

  /** A newer grant than the one that the remote has refused. */
  async after(refused: Held, signal: AbortSignal): Promise<Held> {
    for (;;) {
      const held = this.#held;
      if (held !== undefined && held.fence > refused.fence) return held;
      await this.#within(this.#renew(refused.fence), signal);
    }
  }

  /** Waits for a renewal under way: what the remote issues now must not be lost. */
  async settle(): Promise<void> {
    const late = new AbortController();
    const flight = this.#flight?.catch(() => undefined);
    if (flight !== undefined) await Promise.race([flight, sleep(lastWait, late.signal)]);
    late.abort();
  }

  // ---------------------------------------------------------------- renewing

  #renewBeside(fence: number): void {
    this.#renew(fence).catch((error: unknown) => {
      this.#calmUntil = this.#options.now() + calm;
      const why = error instanceof Error ? error.message : String(error);
      this.#options.log('warn', 'the token could not be renewed ahead of its end', { why });
    });
  }

  /** One at a time in this process. `than`: the fence of the grant that is no good any more. */
  #renew(than: number): Promise<Held> {
    this.#flight ??= this.#work(than)
      .then((held) => (this.#held = held))
      .finally(() => (this.#flight = undefined));
    return this.#flight;
  }

  async #work(than: number): Promise<Held> {
    const { safe, login } = this.#options;
    const keys = safe?.keys() ?? [];
    if (safe === undefined || keys.length === 0) {
      if (login.keeps) throw keyMissing(this.#options.connection);
      return this.#unkept(than);
    }
    const { connection, now } = this.#options;
    const store = await safe.store();
    const credential = new Credential(store, { connection, name: loginName }, this.#holder);
    for (;;) {
      const row = await credential.read();
      const kept = this.#open(row);
      if (row !== undefined && kept !== undefined && row.fence > than && !isOver(kept, now()))
        return heldOf(kept, row.fence);
      if (row !== undefined && isLeased(row, now())) {
        await this.#pause();
        continue;
      }
      const sealing = await sealingOf(store, safe.keys(), connection, now());
      if (!(await credential.take(row, sealing, now()))) continue;
      return this.#lead(credential, row, kept, sealing);
    }
  }

  async #unkept(than: number): Promise<Held> {
    try {
      const grant = this.#checked(await this.#options.login.renew(undefined), undefined);
      return { grant, fence: than + 1, at: this.#options.now() };
    } catch (error) {
      throw this.#outcome(error, null);
    }
  }

  /** Renews under a lease, which is prolonged for as long as this process lives. */
  async #lead(
    credential: Credential,
    seen: CredentialRow | undefined,
    kept: Kept | undefined,
    sealing: Sealing,
  ): Promise<Held> {
    const { login, now } = this.#options;
    const began = now();
    const fence = seen?.fence ?? 0;
    // What a renewal from former settings has come to is nobody's concern any more.
    const doubt = seen === undefined || (seen.sealed !== null && kept === undefined) ? null : seen.begun;
    const pulse = setInterval(() => {
      credential.prolong(fence, now()).catch(() => undefined);
    }, leaseMs / 3);
    try {
      let grant: Grant;
      try {
        grant = this.#checked(await login.renew(kept?.grant.refresh), kept?.grant);
      } catch (error) {
        const isOpen = !(error instanceof Trouble) || error.kind === 'unknown';
        await credential.release(fence, isOpen ? (doubt ?? began) : doubt).catch(() => undefined);
        const after = isRefusal(error) ? await credential.read() : undefined;
        // Who held the lease before has come back with what we were refused.
        const theirs = after !== undefined && after.fence > fence ? this.#open(after) : undefined;
        if (after !== undefined && theirs !== undefined) return heldOf(theirs, after.fence);
        throw this.#outcome(error, doubt);
      }
      return await this.#keep(credential, fence, { grant, at: now(), seed: this.#seed }, sealing);
    } finally {
      clearInterval(pulse);
    }
  }

  /** Until it is on disk: what the remote has dropped for it cannot be had again. */
  async #keep(credential: Credential, fence: number, kept: Kept, sealing: Sealing): Promise<Held> {
    const { now, log } = this.#options;
    const until = now() + patience;
    for (let failures = 0; ;) {
      try {
        const row = await credential.read();
        if (row !== undefined && row.fence !== fence) return this.#overtaken(row);
        if (row !== undefined && !credential.isMine(row) && isLeased(row, now())) await this.#pause();
        else {
          const isOurs = row !== undefined && credential.isMine(row);
          const by = isOurs ? sealing : await this.#sealingNow();
          if (await credential.keep(row, kept, by)) return heldOf(kept, (row?.fence ?? 0) + 1);
        }
      } catch (error) {
        if (now() > until) throw error;
        failures += 1;
        const why = error instanceof Error ? error.message : String(error);
        if (failures === 1) log('error', 'a renewed token cannot be stored yet; it is tried again', { why });
        await this.#pause(5);
      }
    }
  }

  async #sealingNow(): Promise<Sealing> {
    const { safe, connection, now } = this.#options;
    if (safe === undefined) throw keyMissing(connection);
    return sealingOf(await safe.store(), safe.keys(), connection, now());
  }

  #overtaken(row: CredentialRow): Held {
    const theirs = this.#open(row);
    if (theirs === undefined)
      throw new Trouble('unreachable', { message: 'the token is being renewed anew' });
    this.#options.log('warn', 'another process has renewed the token meanwhile; ours is dropped');
    return heldOf(theirs, row.fence);
  }

  // ---------------------------------------------------------------- what came

  /** Undefined where nothing is kept that goes back to the present settings. */
  #open(row: CredentialRow | undefined): Kept | undefined {
    const kept = row === undefined ? undefined : openKept(row, this.#options.safe?.keys() ?? []);
    if (kept?.seed !== this.#seed) return undefined;
    this.#note(kept.grant);
    return kept;
  }

  /** An answer to a login: what it brings is hidden before the connector can speak of it. */
  heard(response: Pick<HttpResponse, 'bytes'>): void {
    try {
      this.#hide(secretsIn(JSON.parse(textOf(response.bytes)) as Json));
    } catch {
      // No JSON; the grant tells what is secret in it.
    }
  }

  #note({ access, refresh }: Grant): void {
    this.#hide(refresh === undefined ? [access] : [access, refresh]);
  }

  #hide(found: readonly string[]): void {
    this.#issued = [...new Set([...found, ...this.#issued])].slice(0, 16);
    this.#options.hide(this.#issued);
  }

  #checked(given: Grant, before: Grant | undefined): Grant {
    const { connector, login } = this.#options;
    const fault = (detail: string): CrosswalkError =>
      new CrosswalkError('connector-contract', { connector, detail });
    if (typeof given.access !== 'string' || given.access === '') throw fault('its login gives no token');
    if (given.refresh !== undefined && !login.keeps)
      throw fault('its login gives what renews it, and does not say that it must be kept');
    this.#note(given);
    if (given.refresh !== undefined || before?.refresh === undefined) return given;
    const { refresh, refreshUntil } = before;
    return { ...given, refresh, ...(refreshUntil === undefined ? {} : { refreshUntil }) };
  }

  /** What a failed renewal is to the call that waits for it: nothing of that has been sent. */
  #outcome(error: unknown, doubt: number | null): unknown {
    if (!(error instanceof Trouble)) return error;
    const { detail, kind } = error;
    if (kind === 'busy') return error;
    if (!isRefusal(error))
      return new Trouble('unreachable', { ...detail, message: `no token was issued: ${detail.message}` });
    const { connection, login } = this.#options;
    const said = detail.message.replace(/[.\s]+$/u, '');
    const { message } =
      doubt !== null && login.keeps
        ? new CrosswalkError('credential-lost', { connection, said, begun: new Date(doubt).toISOString() })
        : new CrosswalkError('credential-refused', { connection, said });
    return new Trouble('forbidden', { ...detail, message, scoped: false });
  }

  // ---------------------------------------------------------------- waiting

  #pause(times = 1): Promise<void> {
    return sleep(times * (50 + this.#options.random() * 100), never);
  }

  async #within(flight: Promise<Held>, signal: AbortSignal): Promise<Held> {
    const over = new AbortController();
    const late = sleep(2 ** 31 - 1, AbortSignal.any([signal, over.signal]), true).then((): never => {
      throw new Trouble('unreachable', { message: 'no token came in time; nothing was sent' });
    });
    late.catch(() => undefined);
    flight.catch(() => undefined);
    try {
      return await Promise.race([flight, late]);
    } finally {
      over.abort();
    }
  }
}

const heldOf = ({ grant, at }: Kept, fence: number): Held => ({ grant, fence, at });
