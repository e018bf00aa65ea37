/**
 * `npm run simulate`: runs seeds of the kernel over toy systems and checks every promise. Exit code 1 on a
 * violation. A failure prints its seed, a smaller course that fails alike, and the one command that replays it.
 */
import { Client } from 'pg';
import { PostgresStore } from '../store/postgres.ts';
import { Tally } from './tally.ts';
import { sections } from './coverage.ts';
import { NotAsked, readOptions, replayOf, usage, type Asked } from './options.ts';
import { runSeeds, type SeedResult } from './seeds.ts';
import { shrink } from './shrink.ts';

const read = (): Asked => {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options.store !== undefined && !process.env['DATABASE_URL'])
      throw new NotAsked('--store takes postgres, whose address is in DATABASE_URL');
    return options;
  } catch (error) {
    const isOurs = error instanceof NotAsked || (error instanceof TypeError && 'code' in error);
    if (!isOurs) throw error;
    process.stderr.write(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
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

const asked = read();
const print = (text: string): void => void (asked.json || process.stdout.write(`${text}\n`));

/** What failed, and the smallest course that fails alike. */
const tell = async (result: SeedResult): Promise<string> => {
  const { seed, violations } = result;
  print(`seed ${seed}: ${violations.length} violations\n  ${violations.slice(0, 5).join('\n  ')}`);
  print(`  replay: ${replayOf(seed, asked)}`);
  if (!asked.shrink) return replayOf(seed, asked);
  const small = await shrink(seed, asked, violations[0] ?? '');
  const replay = replayOf(seed, small.setup);
  print(`  smaller: ${replay} --say\n    ${small.violation}`);
  return replay;
};

/** So many failing seeds are shrunk; the others are only named. */
const mostShrunk = 3;

const tally = new Tally();
const started = performance.now();
const failed: SeedResult[] = [];
const replays: string[] = [];
const systems: Record<string, { seeds: number; violations: number }> = {};
let telling = 0;
await runSeeds({
  ...asked,
  tally,
  ...(asked.store === undefined ? {} : { open: openPostgres }),
  // (With --json the line at the end must be the only one.)
  ...(asked.loud ? { say: print } : {}),
  async onSeed(result) {
    const own = (systems[result.systems] ??= { seeds: 0, violations: 0 });
    own.seeds += 1;
    own.violations += result.violations.length;
    if (result.violations.length === 0) return;
    failed.push(result);
    const from = performance.now();
    if (replays.length < mostShrunk) replays.push(await tell(result));
    else print(`seed ${result.seed}: ${result.violations.length} violations`);
    telling += performance.now() - from;
  },
});
const seconds = (performance.now() - started - telling) / 1000;
const violations = failed.reduce((sum, result) => sum + result.violations.length, 0);
const summary = {
  seeds: asked.seeds,
  steps: asked.steps,
  violations,
  failedSeeds: failed.map(({ seed }) => seed).slice(0, 50),
  replays,
  seconds: Math.round(seconds * 10) / 10,
  seedsPerMinute: Math.round((asked.seeds / seconds) * 60),
  systems,
  ...Object.fromEntries(sections.map((section) => [section, tally[section]])),
  unlisted: tally.unlisted(),
};
process.stdout.write(`${JSON.stringify(summary, null, asked.json ? 0 : 1)}\n`);
process.exitCode = violations > 0 ? 1 : 0;
