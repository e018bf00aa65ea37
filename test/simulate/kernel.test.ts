import { describe, expect, it } from 'vitest';
import { lists } from '../../src/simulate/coverage.ts';
import { faultNames } from '../../src/simulate/faults.ts';
import { Tally } from '../../src/simulate/tally.ts';
import { runSeed, runSeeds, type SeedResult } from '../../src/simulate/seeds.ts';
import { knownMutations } from '../mutations.ts';
import { onceFailed } from './once-failed.ts';

const faults = new Set(faultNames);

describe('the kernel over toy systems', () => {
  it('keeps every promise over 200 seeds of 300 steps', { timeout: 180_000 }, async () => {
    const tally = new Tally();
    const failed: SeedResult[] = [];
    await runSeeds({
      from: 10_001,
      seeds: 200,
      steps: 300,
      faults,
      tally,
      onSeed: (result) => {
        if (result.violations.length > 0) failed.push(result);
      },
    });
    expect(failed).toEqual([]);
    const unreached = [...lists.faults, ...lists.rows].filter(
      (name) => (tally.faults[name] ?? tally.rows[name] ?? 0) === 0,
    );
    expect(unreached, 'faults and rows of the merge that never took effect').toEqual([]);
    expect(tally.unlisted(), 'reached, and in no list').toEqual([]);
  });

  it.each(onceFailed)('keeps them over seed $seed: $what', { timeout: 60_000 }, async ({ seed, steps }) => {
    const { violations } = await runSeed(seed, { steps, faults, tally: new Tally() });
    expect(violations).toEqual([]);
  });

  it('is deterministic: one seed gives one course', { timeout: 60_000 }, async () => {
    const course = async (): Promise<string> => {
      const lines: string[] = [];
      await runSeed(77, { steps: 150, faults, tally: new Tally(), say: (text) => lines.push(text) });
      return lines.join('\n');
    };
    const first = await course();
    expect(first.length).toBeGreaterThan(10_000);
    expect(await course()).toBe(first);
  });

  it.each(knownMutations)(
    'catches the mutation $mutation',
    { timeout: 120_000 },
    async ({ mutation, seed, steps, systems }) => {
      // The known seed comes first; a change of the engine's course may call for one of its neighbours.
      for (let next = seed; next < seed + 60; next += 1) {
        const only = systems === undefined ? {} : { systems };
        const { violations } = await runSeed(next, { steps, faults, tally: new Tally(), mutation, ...only });
        if (violations.length > 0) return;
      }
      expect.fail(`no seed from ${seed} to ${seed + 59} catches ${mutation}`);
    },
  );
});
