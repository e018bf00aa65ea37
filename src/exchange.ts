import { create } from 'axios';
import type { AxiosRequestConfig, AxiosResponse, InternalAxiosRequestConfig } from 'axios';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { Agent } from 'undici';
import type { Dispatcher } from 'undici';
import { Trouble } from './connector.ts';
import type { HttpRequest, HttpResponse, Json } from './connector.ts';

/** One exchange with a remote: a request goes out once, and comes back as bytes or as a trouble. */

/** Largest answer that is taken, in bytes, packed or unpacked. */
export const MOST_ANSWER_BYTES = 20 * 1024 * 1024;
const CONNECT_MS = 10_000;
const CONNECTIONS = 32;

// ---------------------------------------------------------------- where a request may go

const origins = (entry: string): readonly string[] =>
  (entry.includes('://') ? [entry] : [`https://${entry}`, `http://${entry}`]).flatMap((text) =>
    URL.canParse(text) ? [new URL(text).origin] : [],
  );

/**
 * Checks an address against the hosts that the connection allows, so that neither a hostile "next page"
 * link nor a slip sends credentials elsewhere. Throws Trouble `refused`; nothing was sent then.
 */
export const checkedTarget = (url: string, hosts: readonly string[]): URL => {
  const refuse = (why: string): Trouble =>
    new Trouble('refused', { message: `${why}; nothing was sent`, code: 'host-not-allowed' });
  if (!URL.canParse(url)) throw refuse('The address to be called is not a whole URL');
  const target = new URL(url);
  if (target.protocol !== 'https:' && target.protocol !== 'http:') {
    throw refuse(`The address uses ${target.protocol.slice(0, -1)}, and only http and https are called`);
  }
  if (target.username !== '' || target.password !== '') {
    throw refuse('The address carries a user name or password');
  }
  if (!hosts.some((entry) => origins(entry).includes(target.origin))) {
    throw refuse(`${target.origin} is none of the addresses that this connection may call`);
  }
  return target;
};

// ---------------------------------------------------------------- sending

/** What one attempt found out: whether anything had gone out when it ended. */
interface Attempt {
  readonly signal: AbortSignal;
  sent: boolean;
}

class Interrupted extends Error {
  readonly why: 'deadline' | 'too-large' | 'broken';
  constructor(why: 'deadline' | 'too-large' | 'broken', cause?: unknown) {
    super(why, { cause });
    this.why = why;
  }
}

const flat = (
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), typeof value === 'string' ? value : value.join(', ')]],
    ),
  );

interface Received {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Record<string, string>;
  readonly bytes: Buffer;
}

/** Sends over undici and notes when the first byte may have gone out. */
const receive = (
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  attempt: Attempt,
): Promise<Received> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let head = { status: 0, statusText: '', headers: {} as Record<string, string> };
    let stop: ((reason: Error) => void) | undefined;
    const onAbort = (): void => fail(new Interrupted('deadline'));
    const fail = (error: Interrupted): void => {
      attempt.signal.removeEventListener('abort', onAbort);
      reject(error);
      stop?.(error);
    };
    if (attempt.signal.aborted) return fail(new Interrupted('deadline'));
    attempt.signal.addEventListener('abort', onAbort, { once: true });
    dispatcher.dispatch(options, {
      onRequestStart: (controller) => {
        // Still unsent: a request whose deadline passed while it waited for a socket must not go out.
        if (attempt.signal.aborted) return controller.abort(new Interrupted('deadline'));
        attempt.sent = true;
        stop = (reason) => controller.abort(reason);
      },
      onResponseStart: (_, status, headers, statusText) => {
        if (status >= 200) head = { status, statusText: statusText ?? '', headers: flat(headers) };
      },
      onResponseData: (_, chunk) => {
        size += chunk.length;
        if (size > MOST_ANSWER_BYTES) fail(new Interrupted('too-large'));
        else chunks.push(chunk);
      },
      onResponseEnd: () => {
        attempt.signal.removeEventListener('abort', onAbort);
        resolve({ ...head, bytes: Buffer.concat(chunks, size) });
      },
      onResponseError: (_, error) => fail(new Interrupted('broken', error)),
    });
  });

const unpackers: Readonly<Record<string, (bytes: Uint8Array) => Promise<Buffer>>> = {
  gzip: (bytes) => promisify(zlib.gunzip)(bytes, { maxOutputLength: MOST_ANSWER_BYTES }),
  deflate: (bytes) => promisify(zlib.inflate)(bytes, { maxOutputLength: MOST_ANSWER_BYTES }),
  br: (bytes) => promisify(zlib.brotliDecompress)(bytes, { maxOutputLength: MOST_ANSWER_BYTES }),
};

const unpacked = async (bytes: Buffer, coding: string): Promise<Buffer> => {
  const unpack = Object.hasOwn(unpackers, coding) ? unpackers[coding] : undefined;
  if (unpack === undefined || bytes.length === 0) return bytes;
  try {
    return await unpack(bytes);
  } catch (error) {
    const large = error instanceof RangeError;
    throw new Interrupted(large ? 'too-large' : 'broken', error);
  }
};

/** An axios adapter over undici: about half the cost of axios' own, and it knows what has been sent. */
const adapter =
  (dispatcher: Dispatcher, attempt: Attempt) =>
  async (config: InternalAxiosRequestConfig): Promise<AxiosResponse<Buffer>> => {
    const target = new URL(config.url ?? '');
    const headers = flat(config.headers.toJSON() as Record<string, string>);
    if (config.data === undefined) delete headers['content-type'];
    const method = (config.method ?? 'GET').toUpperCase() as Dispatcher.HttpMethod;
    const options: Dispatcher.DispatchOptions = {
      origin: target.origin,
      path: target.pathname + target.search,
      method,
      headers,
      body: (config.data as string | undefined) ?? null,
      // The attempt's signal is the one deadline.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    const got = await receive(dispatcher, options, attempt);
    const data = await unpacked(got.bytes, got.headers['content-encoding'] ?? '');
    return { data, status: got.status, statusText: got.statusText, headers: got.headers, config };
  };

const client = create({
  transformRequest: [(data: unknown) => data],
  transformResponse: [(data: unknown) => data],
  validateStatus: () => true,
  maxRedirects: 0,
  proxy: false,
});

const axiosConfig = (request: HttpRequest): AxiosRequestConfig => {
  const headers: Record<string, string> = { 'user-agent': 'crosswalk', 'accept-encoding': 'gzip, br' };
  const { body } = request;
  if (body !== undefined) {
    headers['content-type'] = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
  }
  Object.assign(headers, flat(request.headers ?? {}));
  const data = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  return { method: request.method, url: request.url, headers, data };
};

export interface Exchange {
  /**
   * Sends once; resolves with any status. Throws Trouble: `unreachable` if nothing went out, `unknown`
   * if something did and no whole answer came back, `refused` if the request cannot be sent at all.
   */
  send(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  /** Ends all sockets, also those in use. */
  close(): Promise<void>;
}

export const createExchange = (): Exchange => {
  const agent = new Agent({
    connections: CONNECTIONS,
    pipelining: 1,
    // HTTP/2 would put many calls on one socket: one reset would leave the outcome of all of them unknown.
    allowH2: false,
    connect: { timeout: CONNECT_MS },
  });
  return {
    async send(request, signal) {
      const attempt: Attempt = { signal, sent: false };
      try {
        const answer = await client.request<Buffer>({
          ...axiosConfig(request),
          adapter: adapter(agent, attempt),
        });
        return httpResponse(answer.status, answer.headers as Record<string, string>, answer.data);
      } catch (error) {
        throw interruption(error, attempt.sent, request);
      }
    },
    close: () => agent.destroy(),
  };
};

// ---------------------------------------------------------------- what went wrong on the way

const CODE_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing accepts connections there',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name could not be looked up just now',
  EHOSTUNREACH: 'there is no way to it from here',
  ENETUNREACH: 'there is no way to it from here',
  ETIMEDOUT: 'it did not accept a connection in time',
  UND_ERR_CONNECT_TIMEOUT: 'it did not accept a connection in time',
  ECONNRESET: 'it broke the connection off',
  EPIPE: 'it broke the connection off',
  UND_ERR_SOCKET: 'it broke the connection off',
  UND_ERR_CLOSED: 'the connection is being closed here',
  UND_ERR_DESTROYED: 'the connection was closed here',
};

const codeOf = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
};

const reasonWords = (cause: unknown): string => {
  const code = codeOf(cause);
  const words = Object.hasOwn(CODE_WORDS, code) ? CODE_WORDS[code] : undefined;
  if (words !== undefined) return `${words} (${code})`;
  if (/CERT|TLS|SSL|SIGNATURE/u.test(code))
    return `its TLS certificate or handshake was not accepted (${code})`;
  if (code.startsWith('HPE_') || code.startsWith('Z_')) return `its answer is not readable as HTTP (${code})`;
  return code === '' ? 'the connection failed' : `the connection failed (${code})`;
};

const interruption = (error: unknown, sent: boolean, request: HttpRequest): Trouble => {
  const host = new URL(request.url).host;
  const why = error instanceof Interrupted ? error.why : 'broken';
  const cause = error instanceof Interrupted ? error.cause : error;
  if (codeOf(cause) === 'UND_ERR_INVALID_ARG' || cause instanceof TypeError) {
    return new Trouble('refused', {
      message: `The request to ${host} cannot be written as HTTP; nothing was sent`,
    });
  }
  if (why === 'too-large') {
    const message = `${host} answered with more than ${MOST_ANSWER_BYTES / 1024 / 1024} MiB, which is not taken`;
    // A repeat of a harmless request would bring the same flood; a write may well have happened.
    return new Trouble(request.repeatable ? 'refused' : 'unknown', { message, code: 'answer-too-large' });
  }
  if (!sent) {
    const reason = why === 'deadline' ? 'it did not accept a connection in time' : reasonWords(cause);
    return new Trouble('unreachable', { message: `${host} cannot be reached: ${reason}` });
  }
  const reason = why === 'deadline' ? 'no whole answer came in time' : reasonWords(cause);
  return new Trouble('unknown', { message: `The request went to ${host}, and ${reason}` });
};

// ---------------------------------------------------------------- what came back

/** Where a number may lose something, or a name may reach into JavaScript's own objects. */
const DELICATE = /\d[\d.]{15}|\d[eE]|__proto__|\\u005[fF]/u;

const digitsAndPower = (text: string): string => {
  const [, whole = '', fraction = '', power = '0'] = /^-?(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/u.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/u, '');
  const significant = digits.replace(/0+$/u, '');
  const exponent = Number(power) - fraction.length + (digits.length - significant.length);
  return significant === '' ? '0' : `${significant}e${exponent}`;
};

const exactly = (value: number, source: string): Json => {
  if (Number.isSafeInteger(value) && digitsAndPower(source) === digitsAndPower(String(value))) return value;
  if (Number.isInteger(value) || !Number.isFinite(value)) return source;
  return digitsAndPower(source) === digitsAndPower(String(value)) ? value : source;
};

type Reviver = (this: unknown, name: string, value: Json, context?: { readonly source?: string }) => unknown;

const revive: Reviver = (name, value, context) => {
  if (name === '__proto__') return undefined;
  return typeof value === 'number' ? exactly(value, context?.source ?? String(value)) : value;
};

/**
 * Parses JSON without losing digits: a number that JavaScript cannot hold exactly (integers beyond
 * 2^53, long decimals) comes as its own text. `__proto__` members are dropped. Throws SyntaxError.
 */
export const parseExactly = (text: string): Json => {
  const plain = text.startsWith('\uFEFF') ? text.slice(1) : text;
  return DELICATE.test(plain)
    ? (JSON.parse(plain, revive as (name: string, value: Json) => Json) as Json)
    : (JSON.parse(plain) as Json);
};

const words = (bytes: Uint8Array, most: number): string =>
  new TextDecoder()
    .decode(bytes.subarray(0, most * 8))
    .replace(/<(script|style)[\s\S]*?<\/\1>|<[^>]*>/giu, ' ')
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, most);

/** A response as connectors see it; header names must be in lower case. */
export const httpResponse = (
  status: number,
  headers: Readonly<Record<string, string>>,
  bytes: Uint8Array,
): HttpResponse => {
  let parsed: { readonly value: Json } | undefined;
  return {
    status,
    headers,
    bytes,
    json() {
      try {
        parsed ??= { value: parseExactly(new TextDecoder().decode(bytes)) };
        return parsed.value;
      } catch {
        const type = headers['content-type'] ?? 'no content type';
        const start = words(bytes, 100);
        const message = `The answer (${status}, ${type}) is not JSON${start === '' ? '; it is empty' : `; it starts: ${start}`}`;
        throw new Trouble('unknown', { message, status });
      }
    },
  };
};

/** `Retry-After` in ms from `now`: seconds or an HTTP date (RFC 9110, 10.2.3). */
export const retryAfterOf = (header: string | undefined, now: number): number | undefined => {
  const text = header?.trim() ?? '';
  if (/^\d+(\.\d+)?$/u.test(text)) return Math.ceil(Number(text) * 1000);
  const at = /[A-Za-z]/u.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
};

/** The trouble that a status means where the connector knows no better; undefined for 2xx. */
export const statusTrouble = (response: HttpResponse, now: number): Trouble | undefined => {
  const { status } = response;
  if (status >= 200 && status < 300) return undefined;
  const said = words(response.bytes, 200);
  const detail = { message: said === '' ? `status ${status}` : `status ${status}: ${said}`, status };
  if (status >= 300 && status < 400) {
    return new Trouble('refused', {
      ...detail,
      message: `status ${status}: a redirect, which is not followed`,
    });
  }
  if (status === 401 || status === 403) return new Trouble('forbidden', detail);
  if (status === 404 || status === 410) return new Trouble('gone', detail);
  if (status === 409 || status === 412) return new Trouble('stale', detail);
  if (status === 429 || status === 503) {
    const retryAfter = retryAfterOf(response.headers['retry-after'], now);
    return new Trouble('busy', retryAfter === undefined ? detail : { ...detail, retryAfter });
  }
  if (status === 408 || status >= 500) return new Trouble('unknown', detail);
  return new Trouble('refused', detail);
};
