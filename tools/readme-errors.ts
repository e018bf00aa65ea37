/** `npm run docs`: writes the table of error codes into README.md, between its two markers. */
import { readFileSync, writeFileSync } from 'node:fs';
import { catalogue, type CatalogueEntry } from '../src/errors.ts';

const begin = '<!-- errors: begin (npm run docs) -->';
const end = '<!-- errors: end -->';
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const rows = Object.entries<CatalogueEntry>(catalogue).map(
  ([code, entry]) => `| \`${code}\` | ${entry.status} | ${cell(entry.text)} | ${cell(entry.remedy)} |`,
);
const table = ['| Code | HTTP | What happened | What to do |', '| --- | --- | --- | --- |', ...rows].join(
  '\n',
);
const readme = readFileSync('README.md', 'utf8');
const [head, rest] = readme.split(begin);
const tail = rest?.split(end)[1];
if (head === undefined || tail === undefined) throw new Error('README.md lacks the two markers');
writeFileSync('README.md', `${head}${begin}\n${table}\n${end}${tail}`);
