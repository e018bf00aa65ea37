import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, request as send } from 'undici';
import type { Sandbox, SandboxHook, SandboxRequest, SandboxResponse } from '../connector.ts';

/**
 * Puts a sandbox behind a real HTTP port on 127.0.0.1 and delivers the hooks that it sends, with
 * repeats, as real systems do: for the demo, for end-to-end tests, and for trying out a connector.
 */

/** What a test may answer in place of the system: a response, or a socket that is cut without one. */
export type Fault = SandboxResponse | 'cut';

export interface ServeOptions<Options> {
  /** Default: any free port. */
  readonly port?: number;
  /** The sandbox's options, or how to make them from the URL at which it will be served. */
  readonly options: Options | ((url: string) => Options);
  /** Seed of the sandbox's randomness. Default 1. */
  readonly seed?: number;
  /** UTC ms. Default: the real time. */
  now?(): number;
  /**
   * Stands in the way of each request. `next()` lets it take effect and gives the true response; what is
   * returned is what the caller sees, so a fault may come before the effect or after it.
   */
  intercept?(request: SandboxRequest, next: () => SandboxResponse): Fault | Promise<Fault>;
  /** A last look at a hook before each attempt; undefined loses this attempt without an error. */
  hook?(request: SandboxHook['request'], attempt: number): SandboxHook['request'] | undefined;
  /** ms before the next attempt after `attempt` failed ones. Default: 250 ms, doubling, at most a minute. */
  backoff?(attempt: number): number;
}

export interface Served<State> {
  /** Without a slash at its end. */
  readonly url: string;
  state(): State;
  /** Hooks that are still to be sent, or to be sent again. */
  pending(): number;
  /** Hooks that were given up after the last attempt. */
  lost(): readonly SandboxHook['request'][];
  /** Errors that the sandbox itself threw; each was answered with a 500. */
  faults(): readonly unknown[];
  /** Stops listening, cuts all sockets and drops hooks that are still to be sent. */
  close(): Promise<void>;
}

const MOST_BODY_BYTES = 10 * 1024 * 1024;
const HOOK_ATTEMPTS = 10;
const HOOK_MS = 10_000;

/** A stream of numbers in [0, 1) that is the same for the same seed (mulberry32). */
const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** The whole body, or null if it is larger than is taken. */
const bodyOf = async (request: IncomingMessage): Promise<Uint8Array | null> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MOST_BODY_BYTES) chunks.push(chunk);
  }
  return size > MOST_BODY_BYTES ? null : Buffer.concat(chunks);
};

const headersOf = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]),
  );

/** Sends hooks until they are taken; knows those on their way. */
class Hooks {
  readonly lost: SandboxHook['request'][] = [];
  readonly #agent = new Agent();
  readonly #closing = new AbortController();
  readonly #look: NonNullable<ServeOptions<unknown>['hook']>;
  readonly #backoff: (attempt: number) => number;
  #pending = 0;

  constructor({ hook, backoff }: Pick<ServeOptions<unknown>, 'hook' | 'backoff'>) {
    this.#look = hook ?? ((request) => request);
    this.#backoff = backoff ?? ((attempt) => Math.min(60_000, 250 * 2 ** (attempt - 1)));
  }

  get pending(): number {
    return this.#pending;
  }

  async deliver({ after, request }: SandboxHook): Promise<void> {
    this.#pending += 1;
    await this.#wait(after);
    for (let attempt = 1; !this.#closing.signal.aborted; attempt += 1) {
      if (await this.#taken(request, attempt)) break;
      if (attempt === HOOK_ATTEMPTS) {
        this.lost.push(request);
        break;
      }
      await this.#wait(this.#backoff(attempt));
    }
    this.#pending -= 1;
  }

  async #taken(request: SandboxHook['request'], attempt: number): Promise<boolean> {
    try {
      const seen = this.#look(request, attempt);
      if (seen === undefined) return true;
      const answer = await send(seen.url, {
        method: seen.method,
        headers: { ...seen.headers },
        body: seen.body,
        dispatcher: this.#agent,
        signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(HOOK_MS)]),
      });
      await answer.body.dump();
      return answer.statusCode >= 200 && answer.statusCode < 300;
    } catch {
      return false;
    }
  }

  #wait(ms: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done, { once: true });
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#agent.destroy();
  }
}

const reply = (response: ServerResponse, answer: Fault): void => {
  if (answer === 'cut') {
    response.destroy();
    return;
  }
  response.writeHead(answer.status, { ...answer.headers });
  response.end(answer.body);
};

/** Serves a sandbox. The port is open when this resolves. */
export const serve = async <State, Options>(
  sandbox: Sandbox<State, Options>,
  options: ServeOptions<Options>,
): Promise<Served<State>> => {
  const hooks = new Hooks(options);
  const faults: unknown[] = [];
  const random = seeded(options.seed ?? 1);
  const now = options.now ?? Date.now;
  let state: State | undefined;

  const handle = (request: SandboxRequest): SandboxResponse => {
    try {
      const done = sandbox.handle(request, state as State, now(), random);
      state = done.state;
      for (const hook of done.hooks) void hooks.deliver(hook);
      return done.response;
    } catch (error) {
      faults.push(error);
      return { status: 500, body: `the sandbox ${sandbox.name} failed: ${String(error)}` };
    }
  };

  const answer = async (request: IncomingMessage): Promise<Fault> => {
    const body = await bodyOf(request);
    if (body === null) return { status: 413, body: 'the body is larger than 10 MiB' };
    const { method = 'GET', url: path = '/' } = request;
    const seen: SandboxRequest = { method, path, headers: headersOf(request), body };
    const next = (): SandboxResponse => handle(seen);
    return options.intercept === undefined ? next() : options.intercept(seen, next);
  };

  const server = createServer((request, response) => {
    answer(request).then(
      (fault) => reply(response, fault),
      (error: unknown) => {
        // A caller that hung up is no fault of the sandbox; anything else is the test's own mistake.
        if (!request.destroyed || request.complete) faults.push(error);
        response.destroy();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const given = options.options;
  state = sandbox.initial(typeof given === 'function' ? (given as (url: string) => Options)(url) : given);

  return {
    url,
    state: () => state as State,
    pending: () => hooks.pending,
    lost: () => hooks.lost,
    faults: () => faults,
    async close() {
      await hooks.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};
