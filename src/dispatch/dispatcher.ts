/**
 * Port: says which lane to work on next. It carries names only, never the news; losing every nudge costs
 * at most one tick of the fallback timer and never a change.
 */
export interface Dispatcher {
  /** This lane may have work. Coalesced; cheap. */
  nudge(lane: string): void;
  /**
   * Begins. `work` does one pass of a lane and answers how long until it should be called again: 0 at once,
   * null only after a nudge or the fallback timer. At most one pass of a lane runs at a time.
   */
  start(work: (lane: string) => Promise<number | null>, lanes: readonly string[]): void;
  /** Waits for passes under way and begins no other. */
  stop(): Promise<void>;
}
