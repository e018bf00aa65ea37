/** The demo's scenarios as people start them: every step is seen in the systems themselves, or the exit code says so. */
import { expect, it } from 'vitest';
import { Commands } from './command.ts';

it('the old incident: refused with the guard, undone without', { timeout: 240_000 }, async () => {
  const { code, out } = await new Commands('.').run('demo', '--scenario', 'incident', '--once', '--json');
  const { ok, steps } = JSON.parse(out) as { ok: boolean; steps: { step: string; seen: boolean }[] };
  expect(steps.map(({ step, seen }) => [step, seen])).toEqual(
    ['load', 'refused', 'paused', 'load', 'overwritten', 'undone'].map((step) => [step, true]),
  );
  expect([ok, code]).toEqual([true, 0]);
});

it('knows no other scenario', async () => {
  const { code, out } = await new Commands('.').run('demo', '--scenario', 'flood', '--json');
  expect(code).toBe(2);
  expect(out).toContain('takes usual or incident');
});
