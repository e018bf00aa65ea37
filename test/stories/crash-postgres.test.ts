import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacksPostgres, Postgres } from '../postgres.ts';
import { crashStory } from './crash.ts';

describe.skipIf(lacksPostgres)('a store in PostgreSQL', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await Postgres.start();
  });
  afterAll(() => server.end());

  it(
    'loses and doubles nothing over 200 signed hooks, with the gateway and the database killed in turn',
    { timeout: 600_000 },
    async () => {
      const state = { shakes: 0 };
      const result = await crashStory(4, 200, 25, 2, {
        environment: { DATABASE_URL: await server.database() },
        shake: async () => {
          state.shakes += 1;
          await server.stop(state.shakes % 2 === 0 ? 'SIGINT' : 'SIGKILL');
          await sleep(400);
          await server.begin();
        },
      });
      expect(result.problems).toEqual([]);
      expect(result.kills).toBeGreaterThanOrEqual(2);
      expect(state.shakes).toBe(2);
    },
  );
});
