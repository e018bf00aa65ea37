/** `npm run docs`: writes the tables of error codes and of steps into the READMEs, between their markers, and the steps into the schema. */
import { readFileSync, writeFileSync } from 'node:fs';
import { catalogue, type CatalogueEntry } from '../src/errors.ts';
import { classOf, stepNamed, stepNames } from '../src/mapping/steps.ts';
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
