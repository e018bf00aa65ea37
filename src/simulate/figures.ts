/** What one course cost and came to, in numbers that can be compared between scenarios. */
import type { ToySystem } from './toy.ts';
import type { World } from './world.ts';

export interface Figures {
  /**
   * Real changes: acts of a person on one object (filing it, one edit, a deletion, a restore), each counted once for every
   * other system of the entity, which is to be shown it. Where acts do not come to rest one by one, one write may do for
   * several of them.
   */
  readonly changes: number;
  /** Writes that took effect in a system, of one object each: creates, updates, removals. */
  readonly writes: number;
  /** Requests that read: by id, pages, searches; also those of the sweeps and polls that found nothing new. */
  readonly reads: number;
  /** Writes of a further sweep and poll of everything, once all was at rest. */
  readonly echoes: number;
  /** Edits whose fate nothing tells: violations of P9. */
  readonly lost: number;
  /** Objects that were made twice for one record. */
  readonly duplicates: number;
  /** Per act of a person: rounds over all lanes, 5 minutes apart, until nothing was due. */
  readonly rests: readonly number[];
}

/** Acts of people on the objects of a system. */
const actsOf = ({ objects }: ToySystem): number =>
  [...objects.values()].reduce((sum, { log, lives }) => {
    const ticks = new Set(
      Object.values(log).flatMap((events) =>
        events.filter(({ by }) => by === 'person').map(({ tick }) => tick),
      ),
    );
    return sum + ticks.size + lives.filter(({ by }) => by === 'person').length;
  }, 0);

/** The figures of a course that has come to its end. */
export const figuresOf = ({ systems, network, violations, rests, echoes }: World): Figures => ({
  changes: systems.reduce((sum, system) => sum + actsOf(system), 0) * (systems.length - 1),
  writes: systems.reduce((sum, system) => sum + system.gatewayWrites, 0),
  reads: network.reads,
  echoes,
  lost: violations.filter((text) => text.startsWith('P9:')).length,
  duplicates: violations.filter((text) => text.startsWith('double:')).length,
  rests,
});
