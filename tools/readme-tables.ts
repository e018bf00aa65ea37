/** `npm run docs`: writes the tables of error codes and of steps into the READMEs, between their markers, and the steps into the schema; and how characters are read. */
import { readFileSync, writeFileSync } from 'node:fs';
import { catalogue, type CatalogueEntry } from '../src/errors.ts';
import { classOf, stepNamed, stepNames } from '../src/mapping/steps.ts';
import { writeReadings } from './readings.ts';
import { writeStepSchema } from './step-schema.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const insert = (file: string, name: string, lines: readonly string[]): void => {
  const begin = `<!-- ${name}: begin (npm run docs) -->`;
  const end = `<!-- ${name}: end -->`;
  const readme = readFileSync(file, 'utf8');
  const [head, rest] = readme.split(begin);
  const tail = rest?.split(end)[1];
  if (head === undefined || tail === undefined) throw new Error(`${file} lacks the two markers of ${name}`);
  writeFileSync(file, `${head}${begin}\n${lines.join('\n')}\n${end}${tail}`);
};

insert('README.md', 'errors', [
  '| Code | HTTP | What happened | What to do |',
  '| --- | --- | --- | --- |',
  ...Object.entries<CatalogueEntry>(catalogue).map(
    ([code, entry]) => `| \`${code}\` | ${entry.status} | ${cell(entry.text)} | ${cell(entry.remedy)} |`,
  ),
]);

interface Scenario {
  readonly writesPerChange: number;
  readonly readsPerChange: number;
  readonly echoes: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly passes: { readonly mean: number; readonly p99: number; readonly most: number } | null;
}

const { scenarios } = JSON.parse(readFileSync('test/proof/scenarios.json', 'utf8')) as {
  scenarios: Readonly<Record<string, Scenario>>;
};
insert('README.md', 'scenarios', [
  '| Scenario | Writes per change | Reads per change | Echo writes | Lost edits | Duplicates | Passes to rest: mean, p99, most |',
  '| --- | --- | --- | --- | --- | --- | --- |',
  ...Object.entries(scenarios).map(
    ([name, { writesPerChange, readsPerChange, echoes, lost, duplicates, passes }]) =>
      `| ${name} | ${writesPerChange} | ${readsPerChange} | ${echoes} | ${lost} | ${duplicates} | ${passes === null ? 'not paced' : `${passes.mean}, ${passes.p99}, ${passes.most}`} |`,
  ),
]);

interface Searched {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMb: number;
  readonly candidates: number;
  readonly f1ByKeys: number;
}

const { tables } = JSON.parse(readFileSync('test/proof/dedupe.json', 'utf8')) as {
  tables: Readonly<Record<string, Readonly<Record<string, Searched>>>>;
};
insert('README.md', 'dedupe', [
  '| Made-up data | Records | Precision | Recall | F1 | F1 by exact keys | Pairs compared | Read and searched in | Processor time, start and files included | Peak memory |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ...Object.entries(tables).flatMap(([what, sizes]) =>
    Object.entries(sizes).map(
      ([size, one]) =>
        `| ${what} | ${Number(size).toLocaleString('en')} | ${one.precision} % | ${one.recall} % | ${one.f1} % | ${one.f1ByKeys} % | ${one.candidates.toLocaleString('en')} | ${one.seconds} s | ${one.cpuSeconds} s | ${one.peakMb} MB |`,
    ),
  ),
]);

insert('mappings/README.md', 'steps', [
  '| Step | Class | What it does |',
  '| --- | --- | --- |',
  ...stepNames.flatMap((name) => {
    const step = stepNamed(name);
    return step === undefined
      ? []
      : [`| \`${name}\` | ${classOf(step, step.examples[0]?.arg)} | ${cell(step.doc)} |`];
  }),
]);

writeStepSchema('mappings/mapping.schema.json');
writeReadings('src/identity/readings.json');
