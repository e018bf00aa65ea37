import { finish } from './checks.ts';
import type { Store } from '../store/store.ts';
import type { Tally } from './tally.ts';
import { figuresOf, type Figures } from './figures.ts';
import type { Setup } from './options.ts';
import { World } from './world.ts';

export interface SeedResult {
  readonly seed: number;
  /** How many systems shared the entity. */
  readonly systems: number;
  readonly violations: readonly string[];
  readonly figures: Figures;
}

export interface SeedOptions extends Setup {
  readonly tally: Tally;
  readonly say?: (text: string) => void;
  /** An empty store for a seed, instead of one in memory. */
  readonly open?: (seed: number) => Promise<Store>;
}

export interface SeedsOptions extends SeedOptions {
  readonly from: number;
  readonly seeds: number;
  onSeed(result: SeedResult): void | Promise<void>;
}

/** One seed, start to rest. */
export const runSeed = async (seed: number, options: SeedOptions): Promise<SeedResult> => {
  const store = await options.open?.(seed);
  const world = new World({ ...options, seed, ...(store === undefined ? {} : { store }) });
  for (let i = 0; i < options.steps; i += 1) await world.step();
  await finish(world);
  await world.store.close();
  return { seed, systems: world.systems.length, violations: world.violations, figures: figuresOf(world) };
};

/** Seeds one after the other. */
export const runSeeds = async ({ from, seeds, onSeed, ...options }: SeedsOptions): Promise<void> => {
  for (let seed = from; seed < from + seeds; seed += 1) await onSeed(await runSeed(seed, options));
};
