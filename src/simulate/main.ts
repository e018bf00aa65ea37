/**
 * `npm run simulate -- [--from S] [--seeds N] [--steps M] [--seed S] [--faults a,b] [--mutation m] [--json] [--say] [--store postgres]`
 *
 * Runs seeds S to S+N−1 of the kernel over toy systems and checks every promise. Exit code 1 on a violation.
 * A failure prints its seed and the one command that replays it.
 */
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { PostgresStore } from '../store/postgres.ts';
import type { Mutation } from '../sync/hub.ts';
import { faultNames, Tally, type Fault } from './faults.ts';
import { runSeeds, type SeedResult } from './seeds.ts';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '100' },
    steps: { type: 'string', default: '500' },
    seed: { type: 'string' },
    faults: { type: 'string' },
    mutation: { type: 'string' },
    json: { type: 'boolean', default: false },
    say: { type: 'boolean', default: false },
    store: { type: 'string' },
  },
});

const whole = (name: string, text: string): number => {
  const n = Number(text);
  if (Number.isInteger(n) && n >= 0) return n;
  process.stderr.write(`--${name} takes a whole number, not "${text}"\n`);
  process.exit(2);
};

const faultsOf = (text: string | undefined): Set<Fault> => {
  if (text === undefined) return new Set(faultNames);
  const asked = text
    .split(',')
    .map((name) => name.trim().replaceAll('-', ' '))
    .filter((name) => name !== '');
  const unknown = asked.filter((name) => !(faultNames as readonly string[]).includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`unknown fault ${unknown.join(', ')}; there are: ${faultNames.join(', ')}\n`);
    process.exit(2);
  }
  return new Set(asked as Fault[]);
};

/** A schema of its own for each seed, in the database of DATABASE_URL. */
const openPostgres = async (seed: number): Promise<PostgresStore> => {
  const { DATABASE_URL: url = '' } = process.env;
  const schema = `simulate_${seed}`;
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await client.end();
  return PostgresStore.open({ url, schema });
};
if (values.store !== undefined && (values.store !== 'postgres' || !process.env['DATABASE_URL'])) {
  process.stderr.write('--store takes postgres, whose address is in DATABASE_URL\n');
  process.exit(2);
}

const one = values.seed !== undefined;
const from = whole('from', values.seed ?? values.from);
const seeds = one ? 1 : whole('seeds', values.seeds);
const steps = whole('steps', values.steps);
const tally = new Tally();
const started = performance.now();
const failed: SeedResult[] = [];
await runSeeds({
  from,
  seeds,
  steps,
  faults: faultsOf(values.faults),
  tally,
  ...(values.mutation === undefined ? {} : { mutation: values.mutation as Mutation }),
  ...(values.store === undefined ? {} : { open: openPostgres }),
  ...(values.say ? { say: (text: string) => process.stdout.write(`${text}\n`) } : {}),
  onSeed: (result) => {
    if (result.violations.length === 0) return;
    failed.push(result);
    if (values.json) return;
    process.stdout.write(
      `seed ${result.seed}: ${result.violations.length} violations\n  ${result.violations.slice(0, 5).join('\n  ')}\n`,
    );
    process.stdout.write(`  replay: npm run simulate -- --seed ${result.seed} --steps ${steps}\n`);
  },
});
const violations = failed.reduce((sum, result) => sum + result.violations.length, 0);
const summary = {
  seeds,
  steps,
  violations,
  failedSeeds: failed.map((result) => result.seed).slice(0, 50),
  seconds: Math.round((performance.now() - started) / 100) / 10,
  faults: tally.faults,
  rows: tally.rows,
  exceptions: tally.exceptions,
};
process.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : `${JSON.stringify(summary, null, 1)}\n`);
process.exitCode = violations > 0 ? 1 : 0;
