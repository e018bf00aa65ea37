/** Named circumstances: which faults, and what kind of systems. For figures that can be compared. */
import { faultNames, type Fault } from './faults.ts';
import type { ToyTraits } from './toy.ts';

export interface Scenario {
  readonly faults: readonly Fault[];
  /** What all its systems have in common. */
  readonly traits: Partial<ToyTraits>;
  /**
   * True: roles, policies, deletions and guards are drawn; else every system is a writer, the newest
   * wins, and each act of a person comes to rest before the next. */
  readonly isDrawn?: boolean;
}

const plain: Partial<ToyTraits> = {
  readable: true,
  answers: true,
  polled: true,
  normalise: null,
  narrow: false,
  removes: 'telling',
  clock: 0,
  stamps: { resolution: 1, lateness: 0, skew: 0 },
};

export const scenarios: Readonly<Record<string, Scenario>> = {
  calm: { faults: [], traits: plain },
  redelivery: { faults: ['hook doubled', 'hook lost', 'deletion hook doubled'], traits: plain },
  shuffled: {
    faults: ['hook out of order', 'hook before response', 'meanwhile', 'deletion hook late'],
    traits: plain,
  },
  flaky: {
    faults: [
      'unreachable',
      'read cut',
      'write cut before effect',
      'write cut after effect',
      'write lands late',
      'item unknown before effect',
      'item unknown after effect',
      'answer cut short',
    ],
    traits: plain,
  },
  '429 storm': { faults: ['busy', 'busy for a while'], traits: plain },
  'bad clocks': {
    faults: [],
    traits: { ...plain, clock: 1500, stamps: { resolution: 60_000, lateness: 30_000, skew: 2000 } },
  },
  'normalising remote': {
    faults: ['normalised late'],
    traits: { ...plain, normalise: { how: 'lower', when: 'late', declared: false } },
  },
  crashes: { faults: ['crash before commit', 'crash after commit'], traits: plain },
  everything: { faults: faultNames, traits: {}, isDrawn: true },
};
