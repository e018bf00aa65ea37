/**
 * `npm run prove -- kernel [--seeds N] [--steps M] [--jobs J]`, `npm run prove -- crash [--seeds N] [--jobs J]`: the long proofs, their results kept in
 * `test/proof/`. Too long for every test run; run before a release and after a change of the kernel.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { knownMutations } from './mutations.ts';
import { crashStory } from './stories/crash.ts';

interface Summary {
  readonly seeds: number;
  readonly steps: number;
  readonly violations: number;
  readonly failedSeeds: readonly number[];
  readonly faults: Readonly<Record<string, number>>;
  readonly rows: Readonly<Record<string, number>>;
  readonly exceptions: Readonly<Record<string, number>>;
}

const simulate = async (args: readonly string[]): Promise<Summary> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['src/simulate/main.ts', '--json', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on('error', reject);
    child.on('close', () => {
      const line = text.trim().split('\n').at(-1) ?? '';
      if (line.startsWith('{')) resolve(JSON.parse(line) as Summary);
      else reject(new Error(`the simulator ended without a summary: ${text.slice(-500)}`));
    });
  });

const sum = (parts: readonly Readonly<Record<string, number>>[]): Record<string, number> => {
  const total: Record<string, number> = {};
  for (const part of parts)
    for (const [name, n] of Object.entries(part)) total[name] = (total[name] ?? 0) + n;
  return total;
};

const least = 1000;

const kernel = async (seeds: number, steps: number, jobs: number): Promise<boolean> => {
  const started = Date.now();
  const chunk = 50;
  const starts = Array.from({ length: Math.ceil(seeds / chunk) }, (_, i) => 1 + i * chunk);
  const parts: Summary[] = [];
  const work = async (): Promise<void> => {
    for (let from = starts.shift(); from !== undefined; from = starts.shift()) {
      const n = Math.min(chunk, seeds - from + 1);
      const part = await simulate(['--from', String(from), '--seeds', String(n), '--steps', String(steps)]);
      parts.push(part);
      const done = parts.reduce((total, one) => total + one.seeds, 0);
      process.stderr.write(
        `\r${done}/${seeds} seeds, ${parts.reduce((total, one) => total + one.violations, 0)} violations `,
      );
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  process.stderr.write('\n');
  const mutations: Record<string, { seed: number; violations: number }> = {};
  for (const { mutation, seed, steps: most } of knownMutations) {
    const found = await simulate([
      '--from',
      String(seed),
      '--seeds',
      '20',
      '--steps',
      String(most),
      '--mutation',
      mutation,
    ]);
    mutations[mutation] = { seed: found.failedSeeds[0] ?? seed, violations: found.violations };
  }
  const faults = sum(parts.map((part) => part.faults));
  const rows = sum(parts.map((part) => part.rows));
  const problems = [
    ...parts
      .filter((part) => part.violations > 0)
      .map((part) => `violations in seeds ${part.failedSeeds.join(', ')}`),
    ...Object.entries({ ...faults, ...rows })
      .filter(([, n]) => n < least)
      .map(([name, n]) => `${name}: only ${n} times`),
    ...Object.entries(mutations)
      .filter(([, { violations }]) => violations === 0)
      .map(([name]) => `mutation ${name} was not caught`),
  ];
  const result = {
    proof: 'kernel',
    date: new Date().toISOString().slice(0, 10),
    seeds,
    steps,
    violations: parts.reduce((total, part) => total + part.violations, 0),
    minutes: Math.round((Date.now() - started) / 6000) / 10,
    faults,
    rows,
    exceptions: sum(parts.map((part) => part.exceptions)),
    mutations,
    problems,
  };
  writeFileSync('test/proof/kernel.json', `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  return problems.length === 0;
};

/** kill -9 at random moments of a real gateway between two real HTTP sandboxes. */
const crash = async (seeds: number, jobs: number): Promise<boolean> => {
  const started = Date.now();
  const hooks = 1000;
  const failed: Record<string, readonly string[]> = {};
  let kills = 0;
  let next = 1;
  const work = async (): Promise<void> => {
    for (let seed = next++; seed <= seeds; seed = next++) {
      const told = await crashStory(seed, hooks, 80, 6);
      kills += told.kills;
      if (told.problems.length > 0) failed[seed] = told.problems;
      process.stderr.write(`\rseed ${seed} of ${seeds}, ${Object.keys(failed).length} with problems `);
    }
  };
  // Most of a seed's time goes by while unknown outcomes may still land.
  await Promise.all(Array.from({ length: jobs * 2 }, work));
  process.stderr.write('\n');
  const result = {
    proof: 'crash',
    date: new Date().toISOString().slice(0, 10),
    seeds,
    hooks: seeds * hooks,
    kills,
    minutes: Math.round((Date.now() - started) / 6000) / 10,
    failed,
  };
  writeFileSync('test/proof/crash.json', `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  return Object.keys(failed).length === 0;
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string' },
    steps: { type: 'string', default: '500' },
    jobs: { type: 'string', default: String(Math.min(4, availableParallelism())) },
  },
});
const [proof] = positionals;
if (proof !== 'kernel' && proof !== 'crash') {
  process.stderr.write(
    'usage: npm run prove -- kernel [--seeds N] [--steps M] [--jobs J]\n       npm run prove -- crash [--seeds N] [--jobs J]\n',
  );
  process.exit(2);
}
const good =
  proof === 'crash'
    ? await crash(Number(values.seeds ?? 30), Number(values.jobs))
    : await kernel(Number(values.seeds ?? 2000), Number(values.steps), Number(values.jobs));
process.exitCode = good ? 0 : 1;
