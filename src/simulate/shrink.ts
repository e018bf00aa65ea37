/**
 * Makes a failing course smaller, as long as it breaks the same promise in the same way: fewer systems, steps and
 * faults. What is left is what somebody has to read.
 */
import { faultNames, type Fault } from './faults.ts';
import { Tally } from './tally.ts';
import type { Setup } from './options.ts';
import { runSeed } from './seeds.ts';

/** What a violation says, without the objects, numbers and values of one course: `P10: _ has no object in _`. */
export const shapeOf = (violation: string): string =>
  violation.replace(/"(?:[^"\\]|\\.)*"|\{.*|\b[A-Za-z]*\d{2,}\b(?:\.\w+)?|\b[A-D]\b|\b\d+\b/g, '_');

export interface Shrunk {
  readonly setup: Setup;
  /** The first violation of the smallest course. */
  readonly violation: string;
  /** How many courses were tried. */
  readonly tried: number;
}

/** Tries courses of one seed, at most so many and until some moment, and keeps the smallest that fails alike. */
class Shrinking {
  readonly #seed: number;
  readonly #shape: string;
  readonly #until: number;
  smallest: Setup;
  violation: string;
  tried = 0;

  constructor(seed: number, setup: Setup, violation: string, seconds: number) {
    this.#seed = seed;
    this.#shape = shapeOf(violation);
    this.#until = performance.now() + seconds * 1000;
    this.smallest = setup;
    this.violation = violation;
  }

  get isOver(): boolean {
    return performance.now() > this.#until;
  }

  /** True if this course fails alike; it is the smallest then. */
  async fails(setup: Setup): Promise<boolean> {
    if (this.isOver) return false;
    this.tried += 1;
    const { violations } = await runSeed(this.#seed, { ...setup, tally: new Tally() });
    const alike = violations.find((text) => shapeOf(text) === this.#shape);
    if (alike === undefined) return false;
    this.smallest = setup;
    this.violation = alike;
    return true;
  }
}

/** The fewest steps, by halving: what fails after more steps may not after fewer, so this is a small number, not always the least. */
const fewerSteps = async (shrinking: Shrinking): Promise<void> => {
  let [low, high] = [0, shrinking.smallest.steps];
  while (high - low > 1 && !shrinking.isOver) {
    const steps = Math.floor((low + high) / 2);
    if (await shrinking.fails({ ...shrinking.smallest, steps })) high = steps;
    else low = steps;
  }
};

/** Those that never took effect go at once, the others one by one. */
const fewerFaults = async (seed: number, shrinking: Shrinking): Promise<void> => {
  const tally = new Tally();
  await runSeed(seed, { ...shrinking.smallest, tally });
  const met = new Set(faultNames.filter((name) => (tally.faults[name] ?? 0) > 0));
  if (met.size < shrinking.smallest.faults.size)
    await shrinking.fails({ ...shrinking.smallest, faults: met });
  for (const name of shrinking.smallest.faults) {
    const faults = new Set<Fault>(shrinking.smallest.faults);
    faults.delete(name);
    await shrinking.fails({ ...shrinking.smallest, faults });
  }
};

/** A smaller course of this seed that fails alike, looked for during so many seconds at most. */
export const shrink = async (
  seed: number,
  setup: Setup,
  violation: string,
  seconds = 60,
): Promise<Shrunk> => {
  const shrinking = new Shrinking(seed, setup, violation, seconds);
  for (const systems of [2, 3])
    if (systems < (setup.systems ?? 4) && (await shrinking.fails({ ...setup, systems }))) break;
  await fewerSteps(shrinking);
  await fewerFaults(seed, shrinking);
  await fewerSteps(shrinking);
  return { setup: shrinking.smallest, violation: shrinking.violation, tried: shrinking.tried };
};
