import type { Mutation } from '../sync/hub.ts';
import { finish } from './checks.ts';
import type { Fault, Tally } from './faults.ts';
import type { Store } from '../store/store.ts';
import { World } from './world.ts';

export interface SeedResult {
  readonly seed: number;
  readonly violations: readonly string[];
}

export interface SeedsOptions {
  readonly from: number;
  readonly seeds: number;
  readonly steps: number;
  readonly faults: ReadonlySet<Fault>;
  readonly tally: Tally;
  readonly mutation?: Mutation;
  readonly say?: (text: string) => void;
  /** An empty store for a seed, instead of one in memory. */
  readonly open?: (seed: number) => Promise<Store>;
  onSeed(result: SeedResult): void;
}

/** One seed, start to rest. */
export const runSeed = async (
  seed: number,
  options: Omit<SeedsOptions, 'from' | 'seeds' | 'onSeed'>,
): Promise<SeedResult> => {
  const store = await options.open?.(seed);
  const world = new World({ ...options, seed, ...(store === undefined ? {} : { store }) });
  for (let i = 0; i < options.steps; i += 1) await world.step();
  await finish(world);
  await world.store.close();
  return { seed, violations: world.violations };
};

/** Seeds one after the other. */
export const runSeeds = async ({ from, seeds, onSeed, ...options }: SeedsOptions): Promise<void> => {
  for (let seed = from; seed < from + seeds; seed += 1) onSeed(await runSeed(seed, options));
};
