/**
 * One id from a hook to the remote call: a trace as W3C Trace Context has it (https://www.w3.org/TR/trace-context/).
 * A hook brings its own or is given one; touch, effect and call keep it in the store; between them it goes along with
 * the work, so that log lines and requests of that work name it without being told.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { Trouble } from './connector.ts';

/** A `traceparent`: `00-<trace id>-<span id>-<flags>`. */
export type Traceparent = string;

const shape = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/u;
const nothing = /^0+$/u;

/** What a sender gave, as version 00; undefined unless it is valid. */
export const takenOver = (given: string | undefined): Traceparent | undefined => {
  const [, version, id = '', span = '', flags = '', more] = shape.exec(given?.trim() ?? '') ?? [];
  if (version === undefined || version === 'ff' || nothing.test(id) || nothing.test(span)) return undefined;
  if (version === '00' && more !== undefined) return undefined;
  return `00-${id}-${span}-${flags}`;
};

/** Random bytes drawn in one go: a few at a time cost more than they are worth. */
let pool = '';
const randomHex = (digits: number): string => {
  if (pool.length < digits) pool = randomBytes(4096).toString('hex');
  const drawn = pool.slice(0, digits);
  pool = pool.slice(digits);
  return nothing.test(drawn) ? `${drawn.slice(1)}1` : drawn;
};

/** One that nobody records: its flags say so. */
export const newTrace = (): Traceparent => `00-${randomHex(32)}-${randomHex(16)}-00`;

/** The same trace, from a span of our own. */
export const childOf = (trace: Traceparent): Traceparent =>
  `${trace.slice(0, 36)}${randomHex(16)}${trace.slice(52)}`;

export const traceIdOf = (trace: Traceparent): string => trace.slice(3, 35);
export const spanIdOf = (trace: Traceparent): string => trace.slice(36, 52);

// ---------------------------------------------------------------- along with the work

/** What work is done for. */
export interface Path {
  /** The lane whose pass this is. */
  readonly lane?: string | undefined;
  /** The kind of remote objects that it is about. */
  readonly kind?: string | undefined;
  /** Of several, the last. */
  trace?: Traceparent | null | undefined;
}

const paths = new AsyncLocalStorage<Path>();

/** The path of the work under way; undefined outside of any. */
export const pathNow = (): Path | undefined => paths.getStore();

/** Does work on a path of its own; what it does not say is as before. */
export const along = <Result>(path: Path, work: () => Result): Result =>
  paths.run({ ...paths.getStore(), ...path }, work);

/** From here on the work under way is done for this trace. */
export const follow = (trace: Traceparent | null | undefined): void => {
  const path = paths.getStore();
  if (path !== undefined) path.trace = trace;
};

/** The last of several that have one. */
export const lastTrace = (
  all: readonly { readonly trace?: Traceparent | null | undefined }[],
): Traceparent | undefined => all.findLast(({ trace }) => trace != null)?.trace ?? undefined;

/** What a log line of the work under way says besides: for pino's `mixin`. */
export const traceFields = (): { readonly traceId?: string; readonly lane?: string } => {
  const { trace, lane } = paths.getStore() ?? {};
  return {
    ...(trace == null ? {} : { traceId: traceIdOf(trace) }),
    ...(lane === undefined ? {} : { lane }),
  };
};

// ---------------------------------------------------------------- spans

/** A piece of work that somebody records. */
export interface Span {
  /** The trace, from this span. */
  readonly trace: Traceparent;
  /** `trouble`: what it ended in; absent where all went well. */
  end(trouble?: string): void;
}

/** Names of the configuration and words of ours; never ids, never what a person wrote. */
export type SpanAttributes = Readonly<Record<string, string | undefined>>;
export type BeginSpan = (name: string, parent: Traceparent | undefined, attributes: SpanAttributes) => Span;

let begin: BeginSpan | undefined;

/** From now on spans are recorded so; undefined: no more. */
export const recordSpans = (by: BeginSpan | undefined): void => {
  begin = by;
};

export const recordsSpans = (): boolean => begin !== undefined;

/** Does work as a span of the trace under way, where somebody records spans; else just does it. */
export const spanning = async <Result>(
  name: string,
  attributes: SpanAttributes,
  work: () => Promise<Result>,
): Promise<Result> => {
  if (begin === undefined) return work();
  const span = begin(name, pathNow()?.trace ?? undefined, attributes);
  try {
    const result = await along({ trace: span.trace }, work);
    span.end();
    return result;
  } catch (error) {
    span.end(error instanceof Trouble ? error.kind : 'fault');
    throw error;
  }
};
