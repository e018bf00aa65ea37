/** The law of undo over random histories: each field one result, nothing owed at rest, no later edit lost. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { finish } from '../../src/simulate/checks.ts';
import { type Fault } from '../../src/simulate/faults.ts';
import { Tally } from '../../src/simulate/tally.ts';
import { World } from '../../src/simulate/world.ts';

/** What may happen next, and how often; each draws what it needs from the world's own seed. */
const moves: Readonly<Record<string, readonly [number, (world: World) => unknown]>> = {
  file: [3, (world) => world.people.file()],
  edit: [8, (world) => world.people.edit()],
  remove: [1, (world) => world.people.remove()],
  decide: [1, (world) => world.people.resolve()],
  undo: [4, (world) => world.people.undo()],
  // What has come to rest has been written everywhere: then an undo has most to take back.
  undoAtRest: [
    3,
    async (world) => {
      await world.settle(['poll', 'in', 'out'], 3);
      await world.people.undo();
    },
  ],
  hook: [6, (world) => world.network.hook()],
  work: [8, (world) => world.engine.work()],
  settle: [4, (world) => world.settle(['poll', 'in', 'out'], 3)],
  wait: [1, (world) => world.advance(60_000)],
};

const history = fc.array(
  fc.oneof(...Object.entries(moves).map(([name, [weight]]) => ({ weight, arbitrary: fc.constant(name) }))),
  { minLength: 5, maxLength: 80, size: 'max' },
);

const kinds: readonly (readonly [string, readonly Fault[]])[] = [
  ['of runs and edits alone', []],
  [
    'with edits, hooks and other work while a request is under way, and crashes',
    ['meanwhile', 'crash before commit', 'crash after commit', 'item refused'],
  ],
];

it.each(kinds)('holds over histories %s', { timeout: 300_000 }, async (_, faults) => {
  const tally = new Tally();
  const law = fc.asyncProperty(fc.nat(1_000_000), history, async (seed, steps) => {
    const world = new World({ seed, steps: 0, faults: new Set(faults), tally });
    for (const step of steps) await moves[step]?.[1](world);
    await finish(world);
    await world.store.close();
    expect(world.violations).toEqual([]);
  });
  await fc.assert(law, { numRuns: 60, seed: 20_261_127 });
  for (const row of ['undo: restored', 'undo: kept', 'undo, object: restored', 'undo, object: kept'])
    expect(tally.undos[row] ?? 0, row).toBeGreaterThan(0);
});
