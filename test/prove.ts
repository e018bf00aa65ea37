/**
 * `npm run prove -- scenarios`, `npm run prove -- simulate [--seeds N] [--steps M] [--jobs J]`,
 * `npm run prove -- crash [--seeds N] [--jobs J]`, `npm run prove -- memory`: the long proofs, their results kept in
 * `test/proof/`. Too long for every test run; run before a release and after a change of the kernel.
 */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { JsonObject } from '../src/connector.ts';
import {
  beyondGuards,
  beyondRows,
  beyondTroubles,
  sections,
  type Section,
} from '../src/simulate/coverage.ts';
import { faultNames } from '../src/simulate/faults.ts';
import type { Figures } from '../src/simulate/figures.ts';
import { readOptions, replayOf } from '../src/simulate/options.ts';
import { scenarios } from '../src/simulate/scenarios.ts';
import { runSeed, runSeeds } from '../src/simulate/seeds.ts';
import { shapeOf } from '../src/simulate/shrink.ts';
import { Tally, type Counted } from '../src/simulate/tally.ts';
import { knownMutations } from './mutations.ts';
import { crashStory } from './stories/crash.ts';
import { memoryStory } from './stories/memory.ts';

interface Summary extends Counted {
  readonly seeds: number;
  readonly violations: number;
  readonly failedSeeds: readonly number[];
  readonly replays: readonly string[];
  readonly systems: Readonly<Record<string, { readonly seeds: number; readonly violations: number }>>;
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

/** What of these sections must be reached so often. Verdicts on deletions and undos are told, and must be reached at all. */
const least: Readonly<Partial<Record<Section, number>>> = {
  faults: 1000,
  rows: 1000,
  guards: 1000,
  troubles: 1000,
  deletions: 1,
  undos: 1,
};

/** What was reached less often than a proof of 10,000 seeds demands; in proportion for fewer. */
const missed = (tally: Tally, seeds: number): string[] =>
  Object.entries(least).flatMap(([section, n]) => {
    const most = Math.max(1, Math.floor((n * seeds) / 10_000));
    return Object.entries(tally[section as Section])
      .filter(([, times]) => times < most)
      .map(([name, times]) => `${section}: ${name}: ${times} times, and ${most} are demanded`);
  });

/** Each engine that was broken on purpose, and which promises it was caught by. */
const caughtMutations = async (): Promise<Record<string, JsonObject>> => {
  const found: Record<string, JsonObject> = {};
  const faults = new Set(faultNames);
  for (const { mutation, promise, seed, steps, systems } of knownMutations) {
    found[mutation] = { promise, seed: null, by: [] };
    const only = systems === undefined ? {} : { systems };
    for (let next = seed; next < seed + 60; next += 1) {
      const { violations } = await runSeed(next, { steps, faults, tally: new Tally(), mutation, ...only });
      if (violations.length === 0) continue;
      found[mutation] = { promise, seed: next, by: [...new Set(violations.map(shapeOf))].slice(0, 3) };
      break;
    }
  }
  return found;
};

/** What was proved: the commit, and a plus sign where files had been changed since; undefined outside a repository. */
const proved = ((): string | undefined => {
  const git = (...args: string[]): string =>
    spawnSync('git', args, { encoding: 'utf8' }).stdout?.trim() ?? '';
  const commit = git('rev-parse', '--short', 'HEAD');
  return commit === '' ? undefined : `${commit}${git('status', '--porcelain', '-uno') === '' ? '' : '+'}`;
})();

const keep = (proof: string, result: object): void => {
  const date = new Date().toISOString().slice(0, 10);
  const text = `${JSON.stringify({ proof, date, commit: proved, ...result }, null, 2)}\n`;
  writeFileSync(`test/proof/${proof}.json`, text);
  process.stdout.write(text);
};

const simulated = async (seeds: number, steps: number, jobs: number): Promise<boolean> => {
  const started = performance.now();
  const chunk = 50;
  const starts = Array.from({ length: Math.ceil(seeds / chunk) }, (_, i) => 1 + i * chunk);
  const parts: Summary[] = [];
  const sum = (of: (part: Summary) => number): number => parts.reduce((total, part) => total + of(part), 0);
  const work = async (): Promise<void> => {
    for (let from = starts.shift(); from !== undefined; from = starts.shift()) {
      const n = Math.min(chunk, seeds - from + 1);
      const size = ['--seeds', String(n), '--steps', String(steps)];
      const part = await simulate(['--from', String(from), ...size, '--no-shrink']);
      parts.push(part);
      for (const replay of part.replays) process.stderr.write(`\nviolated: ${replay}\n`);
      process.stderr.write(
        `\r${sum((part) => part.seeds)}/${seeds} seeds, ${sum((part) => part.violations)} violations `,
      );
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  process.stderr.write('\n');
  const minutes = (performance.now() - started) / 60_000;
  const tally = new Tally();
  for (const part of parts) tally.add(part);
  const systems = Object.fromEntries(
    ['2', '3', '4'].map((n) => [
      n,
      {
        seeds: sum((part) => part.systems[n]?.seeds ?? 0),
        violations: sum((part) => part.systems[n]?.violations ?? 0),
      },
    ]),
  );
  const mutations = await caughtMutations();
  const problems = [
    ...parts.flatMap(({ replays }) => replays.map((replay) => `violated: ${replay}`)),
    ...missed(tally, seeds),
    ...tally.unlisted().map((name) => `${name} is in no list`),
    ...Object.entries(mutations)
      .filter(([, { seed }]) => seed === null)
      .map(([name]) => `mutation ${name} was not caught`),
  ];
  keep('simulate', {
    seeds,
    steps,
    violations: sum((part) => part.violations),
    minutes: Math.round(minutes * 10) / 10,
    jobs,
    seedsPerMinute: Math.round(seeds / minutes),
    systems,
    ...Object.fromEntries(sections.map((section) => [section, tally[section]])),
    beyond: { rows: beyondRows, guards: beyondGuards, troubles: beyondTroubles },
    mutations,
    problems,
  });
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
  keep('crash', {
    seeds,
    hooks: seeds * hooks,
    kills,
    minutes: Math.round((Date.now() - started) / 6000) / 10,
    failed,
  });
  return Object.keys(failed).length === 0;
};

/** Memory is flat: the same bound holds ten times as much of everything. */
const memory = async (): Promise<boolean> => {
  const heap = 70;
  const told: Record<string, JsonObject> = {};
  const problems: string[] = [];
  for (const people of [2000, 20_000]) {
    const { problems: own, ...held } = await memoryStory(people, heap);
    told[people] = { ...held } as unknown as JsonObject;
    problems.push(...own.map((text) => `${people} people: ${text}`));
    process.stderr.write(`${people} people: ${JSON.stringify(held)}\n`);
  }
  keep('memory', { heapMegabytes: heap, people: told, problems });
  return problems.length === 0;
};

const twoPlaces = (n: number): number => Math.round(n * 100) / 100;

/** What each scenario costs per real change, and what goes wrong in it: see `Figures` for each measure. */
const scenarioFigures = async (seeds: number, steps: number): Promise<boolean> => {
  const told: Record<string, JsonObject> = {};
  const problems: string[] = [];
  for (const scenario of Object.keys(scenarios)) {
    const asked = readOptions(['--scenario', scenario, '--steps', String(steps)]);
    const parts: Figures[] = [];
    let violations = 0;
    await runSeeds({
      ...asked,
      from: 1,
      seeds,
      tally: new Tally(),
      onSeed(result) {
        parts.push(result.figures);
        violations += result.violations.length;
        if (result.violations.length > 0) problems.push(`violated: ${replayOf(result.seed, asked)}`);
      },
    });
    const sum = (of: (part: Figures) => number): number => parts.reduce((total, part) => total + of(part), 0);
    const changes = sum((part) => part.changes);
    const rests = parts.flatMap((part) => part.rests).toSorted((a, b) => a - b);
    told[scenario] = {
      changes,
      writesPerChange: twoPlaces(sum((part) => part.writes) / changes),
      readsPerChange: twoPlaces(sum((part) => part.reads) / changes),
      echoes: sum((part) => part.echoes),
      lost: sum((part) => part.lost),
      duplicates: sum((part) => part.duplicates),
      passes:
        rests.length === 0
          ? null
          : {
              mean: twoPlaces(rests.reduce((total, n) => total + n, 0) / rests.length),
              p99: rests[Math.floor(rests.length * 0.99)] ?? 0,
              most: rests.at(-1) ?? 0,
            },
      violations,
    };
    process.stderr.write(`${scenario}: ${JSON.stringify(told[scenario])}\n`);
  }
  keep('scenarios', { seeds, steps, scenarios: told, problems });
  return problems.length === 0;
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string' },
    steps: { type: 'string', default: '500' },
    jobs: { type: 'string', default: String(Math.min(4, availableParallelism())) },
  },
});
const [proof = ''] = positionals;
const jobs = Number(values.jobs);
const steps = Number(values.steps);
const proofs: Readonly<Record<string, () => Promise<boolean>>> = {
  simulate: () => simulated(Number(values.seeds ?? 10_000), steps, jobs),
  scenarios: () => scenarioFigures(Number(values.seeds ?? 50), steps),
  memory,
  crash: () => crash(Number(values.seeds ?? 30), jobs),
};
const prove = Object.hasOwn(proofs, proof) ? proofs[proof] : undefined;
if (prove === undefined) {
  process.stderr.write(
    `usage: npm run prove -- ${Object.keys(proofs).join('|')} [--seeds N] [--steps M] [--jobs J]\n`,
  );
  process.exit(2);
}
process.exitCode = (await prove()) ? 0 : 1;
