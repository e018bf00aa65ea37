/** Some seeds of the simulator over PostgreSQL: the same engine and the same promises, another store. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultNames } from '../../src/simulate/faults.ts';
import { Tally } from '../../src/simulate/tally.ts';
import { runSeed } from '../../src/simulate/seeds.ts';
import { PostgresStore } from '../../src/store/postgres.ts';
import { lacksPostgres, Postgres } from '../postgres.ts';

describe.skipIf(lacksPostgres)('the kernel over PostgreSQL', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await Postgres.start(['fsync=off']);
  });
  afterAll(() => server.end());

  it.each([1, 2, 3])('keeps every promise with seed %i', { timeout: 600_000 }, async (seed) => {
    const tally = new Tally();
    const url = await server.database();
    const { violations } = await runSeed(seed, {
      steps: 150,
      faults: new Set(faultNames),
      tally,
      open: () => PostgresStore.open({ url }),
    });
    expect(violations).toEqual([]);
    expect(Object.keys(tally.faults).length).toBeGreaterThan(3);
  });
});
