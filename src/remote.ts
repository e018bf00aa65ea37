import Bottleneck from 'bottleneck';
import CircuitBreaker from 'opossum';
import { Trouble } from './connector.ts';
import type {
  Host,
  HttpRequest,
  HttpResponse,
  JsonObject,
  Limit,
  Session,
  TroubleKind,
} from './connector.ts';
import type { Safe } from './credentials/credential.ts';
import { Tokens, type Held } from './credentials/tokens.ts';
import { CrosswalkError } from './errors.ts';
import { checkedTarget, createExchange, statusTrouble } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { createGates, sleep } from './limits.ts';
import type { Gates, LimitUse } from './limits.ts';
import { worthOf, type DayQuotas, type QuotaUse, type Worth } from './quotas.ts';
import { repeat, SHORT_WAIT_MS, speaksAgainst } from './repeat.ts';
import { carried, cleanTrouble, guarded, redactJson, redactor, type Redact } from './secrecy.ts';
import { childOf, pathNow, recordsSpans, spanning } from './trace.ts';
import type { Path } from './trace.ts';

/**
 * The pipe through which every outbound call of one connection passes: declared limits, breaker,
 * repeats, and the exchange itself. Everything that it throws is a Trouble without secrets.
 */

export interface RemoteOptions {
  /** The connection's name, for messages and metrics. */
  readonly connection: string;
  readonly connector: string;
  /** What may be called: `https://host[:port]`, or `host[:port]` for either scheme. */
  readonly hosts: readonly string[];
  readonly limits: readonly Limit[];
  readonly quotas?: DayQuotas;
  /** Values that no text may show. */
  readonly secrets: readonly string[];
  now(): number;
  random(): number;
  log: Host['log'];
  /** False: the remote takes no header that it does not know, so that no trace is passed on. */
  readonly traced?: boolean;
  /** Where what the remote issues is kept; absent: only in memory. */
  readonly safe?: Safe | undefined;
  /** Told once per call, when it has ended. */
  onCall?(call: CallReport): void;
  /** For tests. */
  readonly exchange?: Exchange;
  readonly breaker?: { readonly failures?: number; readonly resetMs?: number };
}

export interface CallReport {
  readonly connection: string;
  /** The kind of objects that it was about; absent for calls outside of any lane. */
  readonly kind?: string;
  readonly outcome: 'ok' | TroubleKind | 'fault';
  /** From the call's arrival in the pipe, waiting for its turn included. */
  readonly ms: number;
  /** How often it was sent or tried; 0 if it never got that far. */
  readonly attempts: number;
}

export interface RemoteState {
  /** `open`: the remote failed too often, and calls end at once as `unreachable`; `half-open`: one is let through. */
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** UTC ms at which the breaker lets a call through again. */
  readonly retryAt?: number;
  /** UTC ms until which the remote asked to be left alone. */
  readonly quietUntil?: number;
  /** Why a person or the engine paused the connection. */
  readonly paused?: string;
  /** Calls that wait for their turn under a limit. */
  readonly waiting: number;
}

/** What of a session has a say in its calls. */
export type Calling = Pick<Session, 'authorize' | 'trouble' | 'login' | 'left'> &
  Partial<Pick<Session, 'kinds'>>;

export interface Remote {
  readonly host: Omit<Host, 'lookup'>;
  /** Hands over the opened session, whose `authorize` and `trouble` the pipe uses from then on. */
  bind(session: Calling): void;
  state(): RemoteState;
  /** How far each declared limit is used up now. */
  limits(): Promise<LimitUse[]>;
  /** How each quota of a day stands. */
  quotas(): Promise<QuotaUse[]>;
  /** Ends every further call as `unreachable`, until `resume`. */
  pause(why: string): void;
  /** Ends a pause, closes the breaker and forgets what the remote asked to wait. */
  resume(): void;
  /** Ends waiting and running calls and all sockets. */
  close(): Promise<void>;
}

const DEADLINE_MS = 30_000;
/** However long a remote asks to wait, it is asked again after this. */
const LONGEST_QUIET_MS = 3_600_000;
const BREAKER_FAILURES = 5;
const BREAKER_RESET_MS = 30_000;
const BREAKER_WINDOW_MS = 60_000;

// ---------------------------------------------------------------- the pipe

export const createRemote = (options: RemoteOptions): Remote => new Pipe(options);

/** One call on its way through the pipe. */
interface Passage {
  readonly request: HttpRequest;
  readonly signal: AbortSignal;
  /** What it is done for: taken down where the call arrives, for queues have a context of their own. */
  readonly path: Path;
  readonly worth: Worth;
  attempts: number;
}

class Pipe implements Remote {
  readonly host: Remote['host'];
  readonly #options: RemoteOptions;
  readonly #exchange: Exchange;
  readonly #gates: Gates;
  /** Grows by what the remote issues. */
  #redact: Redact;
  readonly #breaker: CircuitBreaker<[Passage], HttpResponse>;
  readonly #resetMs: number;
  readonly #closing = new AbortController();
  #session: Calling = {};
  #tokens: Tokens | undefined;
  #openedAt = 0;
  #quietUntil = 0;
  #paused: string | undefined;
  #waiting = 0;

  constructor(options: RemoteOptions) {
    this.#options = options;
    this.#exchange = options.exchange ?? createExchange();
    this.#gates = createGates(options.limits, options.connector);
    this.#redact = redactor(options.secrets);
    this.#resetMs = options.breaker?.resetMs ?? BREAKER_RESET_MS;
    this.#breaker = new CircuitBreaker((passage: Passage) => this.#repeat(passage), {
      name: options.connection,
      // The call's own deadline is the clock.
      timeout: false,
      errorFilter: (error: unknown) => !speaksAgainst(error),
      volumeThreshold: options.breaker?.failures ?? BREAKER_FAILURES,
      errorThresholdPercentage: 50,
      resetTimeout: this.#resetMs,
      rollingCountTimeout: BREAKER_WINDOW_MS,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
    });
    this.#breaker.on('open', () => {
      this.#openedAt = options.now();
    });
    this.host = {
      request: (request) =>
        spanning(
          'call',
          { connection: options.connection, kind: pathNow()?.kind, method: request.method },
          () => this.#call(request),
        ),
      now: () => options.now(),
      random: () => options.random(),
      log: (level, text, fields) =>
        options.log(
          level,
          this.#redact(text),
          fields === undefined ? undefined : (redactJson(fields, this.#redact) as JsonObject),
        ),
    };
  }

  bind(session: Calling): void {
    this.#session = session;
    const { login } = session;
    if (login === undefined) return;
    const { log } = this.host;
    const hide = (issued: readonly string[]): Redact =>
      (this.#redact = redactor([...this.#options.secrets, ...issued]));
    this.#tokens = new Tokens({ ...this.#options, login, log, hide });
  }

  state(): RemoteState {
    const breaker = this.#breaker.opened ? 'open' : this.#breaker.halfOpen ? 'half-open' : 'closed';
    return {
      breaker,
      ...(breaker === 'open' ? { retryAt: this.#openedAt + this.#resetMs } : {}),
      ...(this.#quietUntil > this.#options.now() ? { quietUntil: this.#quietUntil } : {}),
      ...(this.#paused === undefined ? {} : { paused: this.#paused }),
      waiting: this.#waiting,
    };
  }

  limits(): Promise<LimitUse[]> {
    return this.#gates.used();
  }

  async quotas(): Promise<QuotaUse[]> {
    return (await this.#options.quotas?.use()) ?? [];
  }

  pause(why: string): void {
    this.#paused = this.#redact(why);
  }

  resume(): void {
    this.#paused = undefined;
    this.#quietUntil = 0;
    this.#breaker.close();
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    await this.#tokens?.settle();
    this.#closing.abort();
    this.#breaker.shutdown();
    await this.#options.quotas?.settle();
    await this.#gates.close();
    await this.#exchange.close();
  }

  async #call(request: HttpRequest): Promise<HttpResponse> {
    const began = this.#options.now();
    const deadline = request.deadline ?? DEADLINE_MS;
    const timer = new AbortController();
    const clock = setTimeout(() => timer.abort(), deadline);
    const signal = AbortSignal.any([timer.signal, this.#closing.signal]);
    const path = { ...pathNow() };
    const worth = worthOf(path, this.#session.kinds);
    const passage: Passage = { request, signal, path, worth, attempts: 0 };
    const { quotas } = this.#options;
    let isAdmitted = false;
    const report = (outcome: CallReport['outcome']): void => {
      const { connection, onCall, now } = this.#options;
      const ms = now() - began;
      const kind = path.kind === undefined ? {} : { kind: path.kind };
      onCall?.({ connection, ...kind, outcome, ms, attempts: passage.attempts });
      // Neither path nor query: they may hold ids and what a person typed.
      const { method } = request;
      this.#options.log('debug', 'called', { method, outcome, ms, attempts: passage.attempts });
    };
    try {
      await this.#quiet(signal);
      this.#assertOpen();
      await quotas?.admit(request.limits, worth);
      isAdmitted = true;
      await this.#turn(passage);
      // Within a call that the breaker has let through already.
      const isLogin = request.login === true;
      const response = await (isLogin ? this.#repeat(passage) : this.#breaker.fire(passage));
      report('ok');
      return response;
    } catch (error) {
      const made = this.#explained(error);
      report(made instanceof Trouble ? made.kind : 'fault');
      throw made;
    } finally {
      clearTimeout(clock);
      if (isAdmitted && passage.attempts === 0) quotas?.count(request.limits, worth, -1);
    }
  }

  #unreachable(message: string, retryAfter?: number): Trouble {
    return new Trouble('unreachable', retryAfter === undefined ? { message } : { message, retryAfter });
  }

  #breakerOpen(): Trouble {
    const wait = Math.max(1000, this.#openedAt + this.#resetMs - this.#options.now());
    const message = `${this.#options.connection} failed too often and its breaker is open; the next try is in ${Math.ceil(wait / 1000)} s`;
    return this.#unreachable(message, wait);
  }

  #assertOpen(): void {
    const { connection } = this.#options;
    if (this.#closing.signal.aborted) throw this.#unreachable(`${connection} is being closed here`);
    if (this.#paused !== undefined) throw this.#unreachable(`${connection} is paused: ${this.#paused}`);
    // Asked before waiting in line: an outage must not use up the account's limit.
    if (this.#breaker.opened) throw this.#breakerOpen();
  }

  /** Honours what the remote asked of the whole connection. */
  async #quiet(signal: AbortSignal): Promise<void> {
    const wait = this.#quietUntil - this.#options.now();
    if (wait <= 0) return;
    if (wait > SHORT_WAIT_MS) {
      const message = `${this.#options.connection} asked to be left alone for another ${Math.ceil(wait / 1000)} s; nothing was sent`;
      throw new Trouble('busy', { message, retryAfter: wait });
    }
    await sleep(wait, signal);
  }

  /** Waits for the call's turn under every limit that it counts against. */
  async #turn({ request, signal }: Passage): Promise<void> {
    this.#waiting += 1;
    try {
      const late = await this.#gates.pass(request, signal);
      if (late.length === 0) return;
      this.#assertOpen();
      const names = late.map((limit) => limit.name).join(', ');
      const message = `The call waited too long for its turn under the limit ${names}; nothing was sent`;
      throw new Trouble('busy', { message, retryAfter: Math.max(...late.map((limit) => limit.per)) });
    } finally {
      this.#waiting -= 1;
    }
  }

  #repeat(passage: Passage): Promise<HttpResponse> {
    return repeat(() => this.#attempt(passage), passage.request, passage.signal, this.#options.random);
  }

  /** With a grant where the session needs one; once more with a newer one if that is refused. */
  async #attempt(passage: Passage): Promise<HttpResponse> {
    const tokens = passage.request.login === true ? undefined : this.#tokens;
    if (tokens === undefined) return this.#send(passage);
    const held = await tokens.current(passage.signal);
    try {
      return await this.#send(passage, held);
    } catch (error) {
      const isRefused =
        error instanceof Trouble && error.kind === 'forbidden' && error.detail.scoped !== true;
      if (!isRefused) throw error;
      const newer = await tokens.after(held, passage.signal);
      return this.#send(passage, newer);
    }
  }

  async #send(passage: Passage, held?: Held): Promise<HttpResponse> {
    const request = this.#traced(this.#authorized(passage.request, held), passage.path);
    const redact: Redact = (text) => redactor(carried(request))(this.#redact(text));
    checkedTarget(request.url, this.#options.hosts);
    passage.attempts += 1;
    if (passage.attempts > 1) this.#options.quotas?.count(request.limits, passage.worth, 1);
    try {
      const response = await this.#exchange.send(request, passage.signal);
      if (request.login === true) this.#tokens?.heard(response);
      const told = this.#session.left?.(response);
      if (told !== undefined) this.#options.quotas?.learn(told.name, told.left);
      const trouble = this.#troubleOf(response, request);
      if (trouble === undefined) return guarded(response, redact);
      throw trouble;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (error.kind === 'busy' && error.detail.retryAfter !== undefined) {
        const wait = Math.min(error.detail.retryAfter, LONGEST_QUIET_MS);
        this.#quietUntil = Math.max(this.#quietUntil, this.#options.now() + wait);
      }
      throw cleanTrouble(error, redact);
    }
  }

  #authorized(request: HttpRequest, held: Held | undefined): HttpRequest {
    try {
      return this.#session.authorize?.(request, held?.grant) ?? request;
    } catch (error) {
      if (error instanceof Trouble) throw error;
      throw this.#fault('authorize', error);
    }
  }

  /** After the signature: not every remote lets a header that it does not know be signed. */
  #traced(request: HttpRequest, { trace }: Path): HttpRequest {
    if (trace == null || this.#options.traced === false) return request;
    // Where spans are recorded the call is one by now.
    const traceparent = recordsSpans() ? trace : childOf(trace);
    return { ...request, headers: { ...request.headers, traceparent } };
  }

  #troubleOf(response: HttpResponse, request: HttpRequest): Trouble | undefined {
    const common = statusTrouble(response, this.#options.now());
    try {
      return this.#session.trouble?.(response, request) ?? common;
    } catch (error) {
      // A proxy's page instead of JSON: what its status says is more than "not JSON".
      if (error instanceof Trouble) return common ?? error;
      return common ?? new Trouble('unknown', { message: this.#fault('trouble', error).message });
    }
  }

  #fault(member: string, error: unknown): CrosswalkError {
    const said = error instanceof Error ? error.message : 'something that is no error was thrown';
    return new CrosswalkError('connector-contract', {
      connector: this.#options.connector,
      detail: `its ${member} failed: ${this.#redact(said)}`,
    });
  }

  #explained(error: unknown): unknown {
    if (error instanceof Trouble) return cleanTrouble(error, this.#redact);
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EOPENBREAKER') return this.#breakerOpen();
    if (code === 'ESHUTDOWN' || error instanceof Bottleneck.BottleneckError) {
      return this.#unreachable(`${this.#options.connection} is being closed here`);
    }
    return error;
  }
}
