#!/usr/bin/env node
/** The `crosswalk` command. Checks the Node version before it imports anything that would need a newer one. */
import { enableCompileCache } from 'node:module';
import { CrosswalkError } from './errors.ts';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  const error = new CrosswalkError('node-too-old', { found: process.versions.node });
  process.stderr.write(`${error.message}\n${error.remedy}\n`);
  process.exit(2);
}
// A command that only asks something is over in the time that it takes to read the program: a third of it is saved.
enableCompileCache();
const { run } = await import('./cli/program.ts');
process.exitCode = await run(process.argv);
