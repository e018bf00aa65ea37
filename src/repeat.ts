import pRetry from 'p-retry';
import { Trouble } from './connector.ts';
import type { HttpRequest, HttpResponse, TroubleDetail } from './connector.ts';
import { sleep } from './limits.ts';

/** What a failed attempt says: whether it counts against the remote, and whether and when there may be another. */

const ATTEMPTS = 3;

/** Longer waits are the engine's, which puts the lane aside instead of holding a call open. */
export const SHORT_WAIT_MS = 5_000;

/** Only what speaks against the remote as a whole counts: not an answer that it gave in good health. */
export const speaksAgainst = (error: unknown): boolean =>
  error instanceof Trouble &&
  (error.kind === 'unreachable' || (error.kind === 'unknown' && !isAnswer(error.detail)));

const isAnswer = ({ status }: TroubleDetail): boolean =>
  status !== undefined && status !== 408 && status < 500;

/** How long to wait before another attempt, in ms; undefined if there must be none. */
const waitBefore = (
  error: Error,
  attempt: number,
  request: HttpRequest,
  random: () => number,
): number | undefined => {
  if (!(error instanceof Trouble)) return undefined;
  const { kind, detail } = error;
  const asked = detail.retryAfter ?? 0;
  const jittered = 200 * 2 ** (attempt - 1) * (0.5 + random() / 2);
  if (kind === 'unreachable') return Math.max(asked, jittered);
  if (!request.repeatable || asked > SHORT_WAIT_MS) return undefined;
  if (kind === 'busy') return detail.retryAfter === undefined ? undefined : asked + jittered;
  return kind === 'unknown' ? Math.max(asked, jittered) : undefined;
};

/** Attempts until one succeeds, or none may follow. */
export const repeat = (
  attempt: () => Promise<HttpResponse>,
  request: HttpRequest,
  signal: AbortSignal,
  random: () => number,
): Promise<HttpResponse> =>
  pRetry(attempt, {
    retries: ATTEMPTS - 1,
    // Its own waiting is off, so that the jitter is the pipe's and a deadline cuts it short.
    minTimeout: 0,
    shouldRetry: async ({ error, attemptNumber }) => {
      const wait = waitBefore(error, attemptNumber, request, random);
      if (wait === undefined || signal.aborted) return false;
      await sleep(wait, signal);
      return !signal.aborted;
    },
  });
