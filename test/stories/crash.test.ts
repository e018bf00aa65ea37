import { expect, it } from 'vitest';
import { crashStory } from './crash.ts';

it('loses and doubles nothing over 5,000 signed hooks and four kill -9', { timeout: 300_000 }, async () => {
  const result = await crashStory(1, 5000, 250, 4);
  expect(result.problems).toEqual([]);
  expect(result.kills).toBeGreaterThanOrEqual(4);
});

it.each([2, 3])(
  'the same with seed %i, smaller and killed more often',
  { timeout: 200_000 },
  async (seed) => {
    const result = await crashStory(seed, 800, 60, 6);
    expect(result.problems).toEqual([]);
  },
);
