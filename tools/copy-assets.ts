import { copyFileSync, globSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Puts what the compiler leaves out beside the compiled program, under the same relative paths. */

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const target = path.join(root, 'dist');

const ASSETS = [
  'package.json',
  'connectors/**/*.json',
  'connectors/**/README.md',
  'mappings/**/*.json',
  'mappings/**/README.md',
  'src/**/*.json',
  'src/http/**/*.html',
];

const skipped = (name: string): boolean => name.split(path.sep).includes('node_modules');

for (const file of new Set(ASSETS.flatMap((pattern) => globSync(pattern, { cwd: root })))) {
  if (skipped(file)) continue;
  const to = path.join(target, file);
  mkdirSync(path.dirname(to), { recursive: true });
  copyFileSync(path.join(root, file), to);
}
