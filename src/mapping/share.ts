import { createHash } from 'node:crypto';
import { DateTime } from 'luxon';

/** Shares among several: who of them gets a record, by weights, and always the same one for the same record. */

/** One who may get it. Times are UTC ms. */
export interface Share {
  readonly name: string;
  /** As it stands in the table and in the directory, multiplied. */
  readonly weight: number;
  /** Nothing before this moment. */
  readonly from?: number;
  /** Days in which the weight halves, counted from `from`. */
  readonly halvesIn?: number;
}

const DAY = 86_400_000;

/** The weight as it is at `now`: 0 before the start; after it, halved as often as its half-life has passed. */
export const weightAt = ({ weight, from, halvesIn }: Share, now: number): number => {
  if (from !== undefined && now < from) return 0;
  if (halvesIn === undefined || from === undefined) return weight;
  return weight * 2 ** -((now - from) / (halvesIn * DAY));
};

/** In (0, 1), from 52 bits of a hash, so that no two names share a draw. */
const drawOf = (key: string, name: string): number => {
  const bytes = createHash('sha256')
    .update(JSON.stringify([key, name]))
    .digest();
  return (bytes.readUIntBE(0, 6) * 16 + ((bytes[6] ?? 0) >> 4) + 0.5) / 2 ** 52;
};

/**
 * The one who gets it: weighted rendezvous hashing. Each draws a number from the record's key and its own name; the
 * greatest −weight / ln(draw) wins, which falls to each in proportion to the weights (Schindelhauer and Schomaker,
 * "Weighted Distributed Hash Tables", SPAA 2005, the logarithmic method). The same key always falls to the same one;
 * when somebody comes or goes only what falls to them, or did, moves. Null if nobody has any weight.
 */
export const chosen = (shares: readonly Share[], key: string, now: number): Share | null => {
  let best: Share | null = null;
  let most = 0;
  for (const share of shares) {
    const weight = weightAt(share, now);
    const score = weight > 0 ? -weight / Math.log(drawOf(key, share.name)) : 0;
    if (score > most) [best, most] = [share, score];
  }
  return best;
};

/** The moment at which a day begins in a zone; undefined if it is none. */
export const startOfDay = (day: string, zone: string): number | undefined => {
  const at = DateTime.fromISO(day, { zone });
  return at.isValid ? at.toMillis() : undefined;
};
