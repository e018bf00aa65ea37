import { describe, expect, it } from 'vitest';
import { faultNames } from '../../src/simulate/faults.ts';
import { Tally } from '../../src/simulate/tally.ts';
import { faultsOf, NotAsked, readOptions, replayOf } from '../../src/simulate/options.ts';
import { runSeed } from '../../src/simulate/seeds.ts';
import { shapeOf, shrink } from '../../src/simulate/shrink.ts';

const all = new Set(faultNames);

describe('a failing seed', () => {
  it('is shrunk to fewer steps and faults that fail alike', { timeout: 120_000 }, async () => {
    const setup = { steps: 200, faults: all, mutation: 'no-damping' as const };
    // The course moves when the simulator changes: the first seed that fails.
    let seed = 0;
    let violation: string | undefined;
    while (violation === undefined) {
      seed += 1;
      [violation] = (await runSeed(seed, { ...setup, tally: new Tally() })).violations;
    }
    const small = await shrink(seed, setup, violation);
    expect(small.setup.steps).toBeLessThan(200);
    expect(small.setup.faults.size).toBeLessThan(all.size);
    expect(shapeOf(small.violation)).toBe(shapeOf(violation));

    // The line that is printed runs that very course.
    const line = replayOf(seed, small.setup).split(' -- ')[1] ?? '';
    const { from, seeds, ...asked } = readOptions(line.split(' '));
    expect([from, seeds]).toEqual([seed, 1]);
    const again = await runSeed(from, { ...asked, tally: new Tally() });
    expect(again.violations).toContain(small.violation);
    // It is the mutation that breaks it.
    const { mutation: _, ...sound } = asked;
    expect((await runSeed(from, { ...sound, tally: new Tally() })).violations).toEqual([]);
  });

  it('stays as it is where no time is left', async () => {
    const setup = { steps: 100, faults: all };
    const { setup: same, tried } = await shrink(2, setup, 'P10: not at rest: 0 touches, effects []', 0);
    expect(same).toBe(setup);
    expect(tried).toBe(0);
  });

  it('is known by what it says, not by its objects and values', () => {
    expect(shapeOf('P10: B102.name is "N 1", the record says "n\\"1"')).toBe(
      shapeOf('P10: A7.name is null, the record says "x"'.replace('A7', 'C110').replace('null', '"q"')),
    );
    expect(shapeOf('P10: r000002 has no object in B')).toBe(shapeOf('P10: r000017 has no object in D'));
    expect(shapeOf('P10: r000002 has no object in B')).not.toBe(shapeOf('P9: r000002 has no object in B'));
  });
});

describe('the command line', () => {
  it('switches faults singly, with spaces or dashes, and off', () => {
    expect(faultsOf('busy, hook-lost,hook doubled', undefined)).toEqual(
      new Set(['busy', 'hook lost', 'hook doubled']),
    );
    expect(faultsOf(undefined, 'busy,hook-lost')).toEqual(
      new Set(faultNames.filter((name) => name !== 'busy' && name !== 'hook lost')),
    );
    expect(faultsOf('none', undefined)).toEqual(new Set());
  });

  it.each([
    [['--faults', 'bussy'], 'unknown fault bussy'],
    [['--without', 'x'], 'unknown fault x'],
    [['--systems', '5'], '--systems takes'],
    [['--seeds', '0'], '--seeds takes'],
    [['--steps', 'many'], '--steps takes'],
    [['--mutation', 'gamma'], 'unknown mutation gamma'],
  ])('refuses %j', (args, text) => {
    expect(() => readOptions(args)).toThrow(NotAsked);
    expect(() => readOptions(args)).toThrow(text);
  });

  it('replays what was asked for', () => {
    const few = new Set(['busy', 'hook lost'] as const);
    expect(replayOf(7, { steps: 20, faults: few, systems: 3 })).toBe(
      'npm run simulate -- --seed 7 --steps 20 --systems 3 --faults busy,hook-lost',
    );
    expect(replayOf(7, { steps: 20, faults: faultsOf(undefined, 'busy') })).toContain('--without busy');
    expect(replayOf(7, { steps: 20, faults: all })).toBe('npm run simulate -- --seed 7 --steps 20');
  });
});
