/** The dispatcher of one process: what it leaves behind when it stops. */
import { expect, it } from 'vitest';
import { InProcessDispatcher } from '../../src/dispatch/in-process.ts';

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

it('leaves no timer behind, also where a pass ends after the stop and names its next turn', async () => {
  const before = timers();
  const dispatcher = new InProcessDispatcher();
  let end: (next: number) => void = () => undefined;
  let begun: () => void = () => undefined;
  const isBegun = new Promise<void>((resolve) => (begun = resolve));
  dispatcher.start(
    () =>
      new Promise((resolve) => {
        end = resolve;
        begun();
      }),
    ['sweep:crm/contact'],
  );
  await isBegun;
  const stopped = dispatcher.stop();
  end(86_400_000);
  await stopped;
  expect(timers()).toBe(before);
});
