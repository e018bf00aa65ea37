/** The verbs of duplicates: candidates, merge, unmerge. */
import type { Command } from 'commander';
import type { Verb } from './program.ts';

const deciding = (command: Command): Command =>
  command
    .option('--apply', 'do it; without, the plan is shown', false)
    .option('--by <name>', 'who decides')
    .option('--wait <seconds>', 'how long to wait for writes that are under way', '10');

const merging = (command: Command): Command =>
  deciding(command)
    .option(
      '--survivor <rule>',
      'newest, updated, complete, a connection, or one of the two; else by the entity',
    )
    .option('--overrule', 'although somebody has said that they are not the same', false);

export const deduplicating = (program: Command, verb: Verb): void => {
  const candidates = program.command('candidates').description('records that may be one');
  verb('list', 'all of them', async () => (await import('./merging.ts')).candidatesList, candidates)
    .option('--entity <entity>')
    .option('--score <p>', 'at least so likely')
    .option('--sort <order>', 'score, newest, oldest', 'score')
    .option('--limit <n>', 'how many', '50');
  verb(
    'show <one> <other>',
    'two records field by field, and why they may be one',
    async () => (await import('./merging.ts')).candidatesShow,
    candidates,
  );
  merging(
    verb(
      'merge <one> <other>',
      'make them one; the same as merge',
      async () => (await import('./merging.ts')).merge,
      candidates,
    ),
  );
  verb(
    'reject <one> <other>',
    'say that they are not the same, for good',
    async () => (await import('./merging.ts')).candidatesReject,
    candidates,
  ).option('--by <name>', 'who decides');
  merging(
    verb(
      'merge <one> <other>',
      'make two records one; by their ids or connection/kind/id',
      async () => (await import('./merging.ts')).merge,
    ),
  );
  deciding(
    verb(
      'unmerge <record>',
      'take a record out again that was merged into another',
      async () => (await import('./merging.ts')).unmerge,
    ),
  );
};
