/**
 * `npm run bench -- dedupe [--million] [--rounds N] [--keep]`: the built `crosswalk dedupe --file` over made-up people
 * and companies of which the truth is known, as its own process, beside matching by exact keys in this one. Precision,
 * recall and F1 of its pairs at 0.92, seconds, processor time from the start of the process to its last file, memory,
 * and how they grow with the records. Of several rounds the least time counts: what else runs can only add. `--keep`
 * writes `test/proof/dedupe.json`, from which `npm run docs` makes the README's table.
 */
import { spawnSync } from 'node:child_process';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { parse } from 'csv-parse';
import { stringify } from 'csv-stringify';
import { madeUpCompanies, madeUpPeople, type MadeUp } from './doubles.ts';

const { values } = parseArgs({
  allowPositionals: true,
  options: {
    million: { type: 'boolean', default: false },
    seed: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    keep: { type: 'boolean', default: false },
  },
});
const sizes = [10_000, 100_000, ...(values.million ? [1_000_000] : [])];
/** As it is installed: compiled. */
const program = 'dist/src/main.js';
if (!existsSync(program)) throw new Error(`there is no ${program}; npm run build makes it`);
const kept = 'test/proof/dedupe.json';
const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-dedupe-'));

interface Quality {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

const quality = (right: number, found: number, there: number): Quality => {
  const [precision, recall] = [found === 0 ? 1 : right / found, there === 0 ? 1 : right / there];
  return {
    precision,
    recall,
    f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
  };
};

const truePairs = (truth: Uint32Array): number => {
  const sizes = new Map<number, number>();
  for (const entity of truth) sizes.set(entity, (sizes.get(entity) ?? 0) + 1);
  return [...sizes.values()].reduce((sum, size) => sum + (size * (size - 1)) / 2, 0);
};

const write = (file: string, { header, rows }: MadeUp): Promise<void> =>
  pipeline(
    Readable.from(rows.map((row, i) => [String(i), ...row])),
    stringify({ header: true, columns: ['id', ...header] }),
    createWriteStream(file),
  );

interface Report {
  readonly seconds: {
    readonly reading: number;
    readonly searching: number;
    readonly cpu: number;
    readonly whole: number;
  };
  readonly peakMb: number;
  readonly candidates: number;
}

const once = (file: string, fields: string, pairs: string): Report => {
  const args = [
    '--max-old-space-size=6000',
    program,
    'dedupe',
    '--file',
    file,
    '--fields',
    fields,
    '--pairs',
    pairs,
    '--clusters',
    `${pairs}.clusters`,
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args, '--json'], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`dedupe ended with ${status}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Report;
};

/** Seconds from the first byte that is read to the last pair that is judged. */
const lasted = ({ seconds: { reading, searching } }: Report): number => reading + searching;

/**
 * Of some rounds the one that took the least processor time, and how long the shortest lasted (`own`). A million records are
 * searched once.
 */
const search = (
  file: string,
  fields: string,
  pairs: string,
  size: number,
): Report & { readonly own: number } => {
  const rounds = size > 100_000 ? 1 : Math.max(1, Number(values.rounds));
  const all = Array.from({ length: rounds }, () => once(file, fields, pairs));
  const best = all.reduce((least, one) => (one.seconds.whole < least.seconds.whole ? one : least));
  return { ...best, own: Math.min(...all.map(lasted)) };
};

const score = async (pairs: string, truth: Uint32Array): Promise<Quality> => {
  let [right, found] = [0, 0];
  const rows = createReadStream(pairs).pipe(parse({ columns: true, bom: true })) as AsyncIterable<
    Record<string, string>
  >;
  for await (const { id_a: a, id_b: b, decision } of rows) {
    if (decision === 'review') continue;
    found += 1;
    if (truth[Number(a)] === truth[Number(b)]) right += 1;
  }
  return quality(right, found, truePairs(truth));
};

/** Two records are one if they have the same telephone, e-mail or credit code, or the same name and birthday or address. */
const byKeys = ({ header, rows, truth }: MadeUp): Quality & { readonly seconds: number } => {
  const began = performance.now();
  const at = (name: string): number => header.indexOf(name);
  const plain = (text: string | undefined): string =>
    (text ?? '').normalize('NFKC').toLowerCase().replace(/[\s-]/gu, '');
  const keys = [
    ['mobile'],
    ['email'],
    ['creditCode'],
    ['phone', 'name'],
    ['name', 'birth'],
    ['name', 'address'],
  ].filter((key) => key.every((name) => at(name) >= 0));
  const found = new Set<number>();
  for (const key of keys) {
    const groups = new Map<string, number[]>();
    for (const [i, row] of rows.entries()) {
      const parts = key.map((name) => plain(row[at(name)]));
      if (parts.includes('')) continue;
      const text = parts.join('|');
      const group = groups.get(text);
      if (group === undefined) groups.set(text, [i]);
      else if (group.length < 100) group.push(i);
    }
    for (const group of groups.values())
      for (const [n, a] of group.entries())
        for (const b of group.slice(n + 1)) found.add(a * rows.length + b);
  }
  const seconds = (performance.now() - began) / 1000;
  let right = 0;
  for (const pair of found) {
    const b = pair % rows.length;
    if (truth[(pair - b) / rows.length] === truth[b]) right += 1;
  }
  return { ...quality(right, found.size, truePairs(truth)), seconds };
};

/** What is kept of one table. Shares are per cent. */
interface Kept {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Reading and searching. */
  readonly seconds: number;
  /** Of the processor, from the start of the process to its last file. */
  readonly cpuSeconds: number;
  readonly peakMb: number;
  readonly candidates: number;
  readonly f1ByKeys: number;
}
const tables: Record<string, Record<string, Kept>> = existsSync(kept)
  ? (JSON.parse(readFileSync(kept, 'utf8')) as { tables: Record<string, Record<string, Kept>> }).tables
  : {};
const hundredths = (share: number): number => Math.round(share * 10_000) / 100;

const percent = (share: number): string => (share * 100).toFixed(2).padStart(6);
const words = ({ precision, recall, f1 }: Quality): string =>
  `precision ${percent(precision)} recall ${percent(recall)} F1 ${percent(f1)}`;

try {
  for (const [what, make] of [
    ['people', madeUpPeople],
    ['companies', madeUpCompanies],
  ] as const) {
    let before:
      | { readonly size: number; readonly own: number; readonly cpu: number; readonly peak: number }
      | undefined;
    for (const size of sizes) {
      const table = make(size, Number(values.seed));
      const [file, pairs] = [path.join(folder, `${what}.csv`), path.join(folder, 'pairs.csv')];
      await write(file, table);
      const { seconds, peakMb, candidates, own } = search(file, table.fields, pairs, size);
      const found = await score(pairs, table.truth);
      const keys = byKeys(table);
      process.stdout.write(
        `${what} ${size}: ${words(found)} | ${own.toFixed(2)} s, ${seconds.cpu.toFixed(2)} s CPU, ${seconds.whole.toFixed(2)} s CPU with start and files, ` +
          `${peakMb} MB at most, ${candidates} candidates\n` +
          `${' '.repeat(what.length + 1)}exact keys: ${words(keys)} | ${keys.seconds.toFixed(2)} s\n`,
      );
      (tables[what] ??= {})[size] = {
        precision: hundredths(found.precision),
        recall: hundredths(found.recall),
        f1: hundredths(found.f1),
        seconds: Math.round(own * 100) / 100,
        cpuSeconds: seconds.whole,
        peakMb,
        candidates,
        f1ByKeys: hundredths(keys.f1),
      };
      if (before !== undefined)
        process.stdout.write(
          `${' '.repeat(what.length + 1)}${size / before.size} x the records: ${(own / before.own).toFixed(1)} x the time, ` +
            `${(seconds.whole / before.cpu).toFixed(1)} x the CPU, ${(peakMb / before.peak).toFixed(1)} x the memory\n`,
        );
      before = { size, own, cpu: seconds.whole, peak: peakMb };
    }
  }
  if (values.keep) writeFileSync(kept, `${JSON.stringify({ seed: Number(values.seed), tables }, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
