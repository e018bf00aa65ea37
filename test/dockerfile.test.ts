/** No Docker engine runs in the tests: the Dockerfile is parsed, and everything that it names must exist. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

const instructions: Instruction[] = readFileSync('Dockerfile', 'utf8')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#'))
  .map((line) => {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    return { name, rest };
  });

const known = new Set([
  'FROM',
  'WORKDIR',
  'COPY',
  'RUN',
  'ENV',
  'USER',
  'VOLUME',
  'EXPOSE',
  'HEALTHCHECK',
  'CMD',
]);
const stageOf = (n: number): Instruction[] => {
  const starts = instructions.flatMap(({ name }, i) => (name === 'FROM' ? [i] : []));
  return instructions.slice(starts[n], starts[n + 1]);
};

it('has only instructions that exist, in two stages', () => {
  expect(instructions.filter(({ name }) => !known.has(name))).toEqual([]);
  expect(instructions.filter(({ name }) => name === 'FROM')).toHaveLength(2);
});

it('copies only what is in the repository or what the first stage makes', () => {
  const made = new Set(['/app/package.json', '/app/node_modules', '/app/dist']);
  for (const { name, rest } of instructions) {
    if (name !== 'COPY') continue;
    const words = rest.split(/\s+/);
    const fromBuild = words[0] === '--from=build';
    for (const source of words.slice(fromBuild ? 1 : 0, -1)) {
      expect(fromBuild ? made.has(source) : existsSync(source), source).toBe(true);
    }
  }
});

it('builds with scripts that package.json has, and runs a file that the build makes', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
  const runs = instructions
    .filter(({ name }) => name === 'RUN')
    .flatMap(({ rest }) => [...rest.matchAll(/npm run (\w+)/g)].map((match) => match[1] ?? ''));
  expect(runs.length).toBeGreaterThan(0);
  for (const script of runs) expect(Object.keys(scripts)).toContain(script);
  const command = JSON.parse(instructions.find(({ name }) => name === 'CMD')?.rest ?? '[]') as string[];
  expect(command[0]).toBe('node');
  expect(existsSync((command[1] ?? '').replace(/^dist\//, '').replace(/\.js$/, '.ts')), command[1]).toBe(
    true,
  );
});

it('runs as nobody special, with a health check and a volume for the store', () => {
  const last = stageOf(1).map(({ name }) => name);
  expect(last.indexOf('USER')).toBeGreaterThan(0);
  expect(last.indexOf('USER')).toBeLessThan(last.indexOf('CMD'));
  expect(stageOf(1).find(({ name }) => name === 'USER')?.rest).not.toMatch(/root|^0/);
  expect(last).toContain('HEALTHCHECK');
  const store =
    /CROSSWALK_STORE=(\S+)/.exec(stageOf(1).find(({ name }) => name === 'ENV')?.rest ?? '')?.[1] ?? '';
  const volume = (JSON.parse(stageOf(1).find(({ name }) => name === 'VOLUME')?.rest ?? '[]') as string[])[0];
  expect(store.startsWith(`${volume}/`)).toBe(true);
});
