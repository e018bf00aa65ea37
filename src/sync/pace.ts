/** How fast a reading goes: a few samples of how far it had come and when, kept with its cursor. Pure. */

export interface Pace {
  /** Pages read so far. */
  readonly pages: number;
  /** UTC ms and objects read by then, oldest first. */
  readonly samples: readonly (readonly [at: number, read: number])[];
  /** The remote has asked to wait; gone with the next page. */
  readonly waits?: { readonly until: number; readonly why: string };
}

const most = 12;
/** ms between two samples, and after which one tells nothing of the present any more. */
const apart = 1000;
const stale = 120_000;

/**
 * A reading that begins, or goes on after it was cut off: the time between is nobody's pace. One that the remote has
 * asked to wait, and that comes again when it was told to, goes on with its own.
 */
export const beginPace = (before: Pace | null, at: number, read: number): Pace => {
  const isBack = before?.waits !== undefined && at - before.waits.until < stale;
  return isBack ? before : { pages: before?.pages ?? 0, samples: [[at, read]] };
};

/** The pace after one more page. */
export const nextPace = ({ pages, samples }: Pace, at: number, read: number): Pace => {
  const [before] = samples.slice(-2);
  const last = samples.at(-1);
  // The newest sample moves on until it is worth one of its own.
  const isClose = samples.length > 1 && before !== undefined && last !== undefined && at - before[0] < apart;
  const kept = (isClose ? samples.slice(0, -1) : samples).filter(
    ([when], index, all) => at - when < stale || index === all.length - 1,
  );
  return { pages: pages + 1, samples: [...kept.slice(1 - most), [at, read]] };
};

export const waiting = ({ waits: _, ...pace }: Pace, until: number, why: string): Pace => ({
  ...pace,
  waits: { until, why },
});

/** Objects a second over the samples, and over the time since the last of them; null until that says something. */
export const rateOf = ({ samples }: Pace, now: number): number | null => {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return null;
  const ms = Math.max(now, last[0]) - first[0];
  return ms < 500 || last[1] === first[1] ? null : ((last[1] - first[1]) * 1000) / ms;
};

/** ms until all is read; null where there is no total, or no pace yet. Waits that the remote has asked for come on top. */
export const remainingOf = (pace: Pace, read: number, total: number | null, now: number): number | null => {
  const wait = Math.max(0, (pace.waits?.until ?? 0) - now);
  // A wait that goes on says nothing of how fast pages come.
  const rate = rateOf(pace, pace.waits === undefined ? now : (pace.samples.at(-1)?.[0] ?? now));
  if (total === null || rate === null) return null;
  return (Math.max(0, total - read) / rate) * 1000 + wait;
};
