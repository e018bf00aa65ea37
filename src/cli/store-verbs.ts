/** The verbs of the store as a whole: store copy, backup, restore, verify. */
import type { Command } from 'commander';
import type { Verb } from './program.ts';

export const wholeStore = (program: Command, verb: Verb): void => {
  const store = program.command('store').description('the store as a whole');
  verb(
    'copy',
    'move a stopped installation to another store, verified',
    async () => (await import('./store.ts')).storeCopy,
    store,
  ).requiredOption('--to <place>', 'postgres://…, or a file; it must be empty');
  verb(
    'backup <file>',
    'one moment of the store in a file, while the gateway works on',
    async () => (await import('./store.ts')).storeBackup,
    store,
  ).option('--verify', 'restore it elsewhere and replay its lineage', false);
  verb(
    'restore <file>',
    'fill an empty store from a backup, whichever store it came from',
    async () => (await import('./store.ts')).storeRestore,
    store,
  );
  verb(
    'verify',
    'replay the lineage of every record and compare',
    async () => (await import('./store.ts')).storeVerify,
    store,
  );
};
