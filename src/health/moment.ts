import { DateTime } from 'luxon';

const plain = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)?$/u;
const whole = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:?\d{2})$/u;

const msOf = (text: string): number | undefined => {
  const time = DateTime.fromISO(text.replace(' ', 'T'));
  return time.isValid ? time.toMillis() : undefined;
};

/** UTC ms of a time in ISO 8601 with its offset (`2026-01-05T14:30:00+08:00`); undefined if it is none. */
export const momentOf = (text: string): number | undefined => (whole.test(text) ? msOf(text) : undefined);

/**
 * The same as people type it: without an offset it is this machine's own time, a space may stand for the `T`,
 * and a day alone is its beginning.
 */
export const typedMoment = (text: string): number | undefined =>
  plain.test(text) ? msOf(text) : momentOf(text.replace(' ', 'T'));
