/** The style guide, executable: ranks of imports, cycles, dead files, names, calls, lengths, the catalogue. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { catalogue } from '../src/errors.ts';

const walk = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    return entry.isDirectory() ? walk(file) : [file];
  });

const sources = walk('src').filter((file) => file.endsWith('.ts'));
const connectors = walk('connectors').filter((file) => file.endsWith('.ts'));
const tests = walk('test').filter((file) => file.endsWith('.ts'));
const text = new Map([...sources, ...connectors, ...tests].map((file) => [file, readFileSync(file, 'utf8')]));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly line: number;
  readonly typeOnly: boolean;
}

const importsOf = (file: string): Import[] => {
  const found: Import[] = [];
  const code = text.get(file) ?? '';
  for (const match of code.matchAll(
    /^(?:import|export)\s+(type\s+)?[^;'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm,
  )) {
    const to = match[2] ?? match[3] ?? match[4] ?? '';
    found.push({
      from: file,
      to: to.startsWith('.') ? path.posix.join(path.posix.dirname(file), to) : to,
      line: code.slice(0, match.index).split('\n').length,
      typeOnly: match[1] !== undefined,
    });
  }
  return found;
};

const imports = [...sources, ...connectors].flatMap(importsOf);

/** Low to high. A file belongs to the first entry that it starts with. */
const ranks: readonly (readonly string[])[] = [
  ['src/errors.ts'],
  ['src/wire/', 'src/connector.ts'],
  ['src/mapping/', 'src/merge/', 'src/identity/'],
  ['src/store/store.ts', 'src/store/schema.ts', 'src/dispatch/dispatcher.ts'],
  [
    'src/config.ts',
    'src/config-budget.ts',
    'src/config-check.ts',
    'src/config-dedupe.ts',
    'src/config-notices.ts',
    'src/config-rules.ts',
    'src/config-lookups.ts',
    'src/config-secrets.ts',
    'src/config-store.ts',
    'src/config-transitions.ts',
    'src/secrecy.ts',
    'src/trace.ts',
    'src/telemetry.ts',
    'src/exchange.ts',
    'src/limits.ts',
    'src/remote.ts',
    'src/repeat.ts',
    'src/call-book.ts',
    'src/connections.ts',
    'src/lookups.ts',
    'src/quotas.ts',
    'src/settings.ts',
    'src/credentials/',
    'src/evaluator.ts',
    'src/evaluator-process.ts',
  ],
  // An installation compiles its syncs, so it knows the engine's noun for one.
  ['src/sync/', 'src/notify/', 'src/health/', 'src/installation.ts', 'src/live-schemas.ts'],
  ['src/store/', 'src/dispatch/', 'src/simulate/'],
  ['src/gateway.ts'],
  // The HTTP server is given a gateway, so it stands above it; the commands start both.
  ['src/http/'],
  ['src/cli/'],
  ['src/main.ts'],
];
const rankOf = (file: string): number =>
  ranks.findIndex((rank) => rank.some((start) => file.startsWith(start)));

it('every source file has a rank, and imports go down or sideways', () => {
  expect(
    sources.filter((file) => rankOf(file) < 0),
    'give the file a place in `ranks`',
  ).toEqual([]);
  const up = imports.filter(
    ({ from, to }) =>
      from.startsWith('src/') && to.startsWith('src/') && to.endsWith('.ts') && rankOf(to) > rankOf(from),
  );
  expect(up.map(({ from, line, to }) => `${from}:${line} imports ${to}, which ranks above it`)).toEqual([]);
});

it('connectors import only the contract, their own files and pure built-ins', () => {
  const pure = new Set(['node:crypto', 'node:zlib', 'node:url', 'node:buffer']);
  const wrong = imports.filter(({ from, to }) => {
    if (!from.startsWith('connectors/')) return false;
    const own = from.split('/').slice(0, 2).join('/');
    return !(to === 'src/connector.ts' || to.startsWith(`${own}/`) || pure.has(to));
  });
  expect(wrong.map(({ from, line, to }) => `${from}:${line} imports ${to}`)).toEqual([]);
});

it('has no cycles', () => {
  const graph = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports)
    if (!typeOnly && to.endsWith('.ts')) graph.set(from, [...(graph.get(from) ?? []), to]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  expect(cycles).toEqual([]);
});

it('has no dead files', () => {
  const entries = [
    'src/main.ts',
    'src/simulate/main.ts',
    'src/evaluator-process.ts',
    'src/store/backup-process.ts',
    'src/connector.ts',
    ...connectors.filter((file) => /\/(?:index|sandbox)\.ts$/.test(file)),
  ];
  const alive = new Set<string>();
  const reach = (file: string): void => {
    if (alive.has(file)) return;
    alive.add(file);
    for (const { to } of importsOf(file)) if (text.has(to)) reach(to);
  };
  entries.forEach(reach);
  expect(
    [...sources, ...connectors].filter((file) => !alive.has(file)),
    'import it, or remove it',
  ).toEqual([]);
});

it('has no names that say nothing', () => {
  const vague = /(?:^|\/)(?:utils?|helpers?|common|shared|core|manager|service|misc)(?:\.|\/|$)/;
  expect(
    [...sources, ...connectors, ...tests].filter((file) => vague.test(file)),
    'what two files want lives in the file that owns the noun',
  ).toEqual([]);
});

interface Ban {
  readonly pattern: RegExp;
  readonly where: (file: string) => boolean;
  readonly instead: string;
}

const pureParts = (file: string): boolean =>
  /^(?:src\/(?:merge|mapping|identity|sync|notify)|connectors)\//.test(file) &&
  !/\/sandbox(?:\.ts|\/)/.test(file);
const bans: readonly Ban[] = [
  {
    pattern: /\bDate\.now\(|new Date\(\)/,
    where: pureParts,
    instead: 'the clock that is given (hub.now, host.now)',
  },
  { pattern: /\bMath\.random\b/, where: pureParts, instead: 'the randomness that is given' },
  { pattern: /\bset(?:Timeout|Interval|Immediate)\(/, where: pureParts, instead: 'a due time in the store' },
  { pattern: /(?<![.\w])fetch\(/, where: pureParts, instead: 'host.request' },
  {
    pattern: /\bprocess\.env\b/,
    where: (file) => file.startsWith('src/') && !/^src\/(?:cli\/|main\.ts|simulate\/main\.ts)/.test(file),
    instead: 'the environment that is handed in',
  },
  { pattern: /\bconsole\./, where: (file) => !file.startsWith('test/'), instead: 'the log that is given' },
  { pattern: /\bas any\b|@ts-(?:ignore|nocheck)/, where: () => true, instead: 'a type' },
  { pattern: /\b(?:TODO|FIXME|XXX)\b/, where: () => true, instead: 'an issue, or the thing itself' },
];

it('makes no banned calls', () => {
  const found = [...text].flatMap(([file, code]) =>
    file === 'test/tidy.test.ts'
      ? []
      : code
          .split('\n')
          .flatMap((line, i) =>
            bans
              .filter((ban) => ban.where(file) && ban.pattern.test(line))
              .map((ban) => `${file}:${i + 1} use ${ban.instead}: ${line.trim()}`),
          ),
  );
  expect(found).toEqual([]);
});

/** Longer than 400 lines, with the reason; the number may only fall. */
const long: Readonly<Record<string, { readonly lines: number; readonly why: string }>> = {
  'src/simulate/world.ts': {
    lines: 453,
    why: 'one seeded course of events: its random draws must stay in one order',
  },
};

it('keeps files under 400 lines', () => {
  const over = [...sources, ...connectors].flatMap((file) => {
    const lines = (text.get(file) ?? '').split('\n').length - 1;
    const most = file === 'src/errors.ts' ? 800 : (long[file]?.lines ?? 400);
    return lines > most ? [`${file}: ${lines} lines, at most ${most}`] : [];
  });
  expect(over, 'does the file own two nouns?').toEqual([]);
});

it('uses and documents every error of the catalogue', () => {
  const code = [...text]
    .filter(([file]) => file !== 'src/errors.ts' && !file.startsWith('test/'))
    .map(([, one]) => one)
    .join('\n');
  const readme = existsSync('README.md') ? readFileSync('README.md', 'utf8') : '';
  const unused = Object.keys(catalogue).filter((name) => !code.includes(`'${name}'`));
  expect(unused, 'remove it, or make it').toEqual([]);
  expect(
    Object.keys(catalogue).filter((name) => !readme.includes(`\`${name}\``)),
    'run npm run docs',
  ).toEqual([]);
});

it('names no machine and no registry', () => {
  const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
    .split('\n')
    .filter(
      (file) =>
        file !== '' && file !== 'test/tidy.test.ts' && existsSync(file) && statSync(file).size < 2_000_000,
    );
  const found = files.flatMap((file) => {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.flatMap((line, i) =>
      /(?:^|[\s"'(=])\/(?:work|root)\/|registry\.npm|npmmirror|\bresolved":/.test(line)
        ? [`${file}:${i + 1} ${line.trim().slice(0, 100)}`]
        : [],
    );
  });
  expect(found).toEqual([]);
});

it('explains every folder', () => {
  const folders = [
    'connectors',
    'mappings',
    'test',
    'tools',
    ...readdirSync('src', { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `src/${entry.name}`),
  ];
  expect(
    folders.filter((folder) => !existsSync(path.join(folder, 'README.md'))),
    'say in a few lines what lives there',
  ).toEqual([]);
});
