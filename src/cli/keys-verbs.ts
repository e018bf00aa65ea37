/** The verbs of master keys: key new, status, rotate, forget. */
import type { Command } from 'commander';
import type { Verb } from './program.ts';

const help = `
Put the new key before the others: CROSSWALK_KEY="<new>,<old>", or as the first line of the file that keyRef names. With
several processes restart each of them once it has both. Then \`crosswalk key rotate\`, while they work: every row is sealed
anew, counted by key and opened with the new key alone. Only if it ends with 0 rows under the old key take that away.`;

export const keys = (program: Command, verb: Verb): void => {
  const key = program.command('key').description('master keys, and what is sealed with them');
  verb('new', 'print a new one', async () => (await import('./keys.ts')).keyNew, key);
  verb('status', 'which are used, by how many rows', async () => (await import('./keys.ts')).keyStatus, key);
  verb('rotate', 'seal everything with the first one', async () => (await import('./keys.ts')).keyRotate, key)
    .option('--by <name>', 'who decides')
    .addHelpText('after', help);
  verb(
    'forget <connection>',
    'drop what is sealed for it, where its key is lost',
    async () => (await import('./keys.ts')).keyForget,
    key,
  ).option('--yes', 'really', false);
};
