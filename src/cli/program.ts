/** The verbs of `crosswalk`, each in a file of its family. */
import { Command, CommanderError } from 'commander';
import { CrosswalkError } from '../errors.ts';
import { keys } from './keys-verbs.ts';
import { deduplicating } from './merging-verbs.ts';
import { exits, fail } from './output.ts';
import { simulating } from './simulating-verb.ts';
import { wholeStore } from './store-verbs.ts';

export interface Common {
  readonly dir: string;
  readonly json: boolean;
}

export type Action = (options: Common & Record<string, unknown>, ...args: string[]) => Promise<number>;

/** Adds a verb that takes --dir and --json; loaded only when it is called. */
export type Verb = (
  name: string,
  description: string,
  load: () => Promise<Action>,
  parent?: Command,
) => Command;

/** Runs the command line; resolves with the exit code. */
export const run = async (argv: readonly string[]): Promise<number> => {
  let exit = 0;
  // Who reads us may stop reading (`crosswalk map … | head`).
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exits.ok);
    throw error;
  });
  const asJson = argv.includes('--json');
  const program = new Command('crosswalk');
  program.description('Keeps a CRM and the systems around it telling the same story.').version('0.1.0');
  program.addHelpText(
    'after',
    '\nExit codes: 0 done, 1 something was found wrong, 2 usage, 3 configuration, 4 a remote, 5 the store.',
  );
  // `undo` takes options and has a verb below it, which takes the same ones.
  program.enablePositionalOptions();
  program.exitOverride();
  // Usage faults are worded below, where programs are answered too.
  program.configureOutput({ outputError: () => undefined });
  // Loaded only when it is called: all verbs together take a second of processor time.
  const verb: Verb = (name, description, load, parent = program) =>
    parent
      .command(name)
      .description(description)
      .option('--dir <folder>', 'the installation', process.env['CROSSWALK_DIR'] ?? '.')
      .option('--json', 'one JSON document', false)
      .action(async (...given: unknown[]) => {
        const command = given.at(-1) as Command;
        const options = command.opts() as Common & Record<string, unknown>;
        try {
          exit = await (await load())(options, ...(command.processedArgs as string[]));
        } catch (error) {
          exit = fail(error, options.json);
        }
      });
  verb('init [folder]', 'scaffold an installation', async () => (await import('./init.ts')).init).option(
    '--force',
    'overwrite',
    false,
  );
  verb('demo', 'three sandboxes, a gateway and a story', async () => (await import('./running.ts')).demoVerb)
    .option('--once', 'play the story and leave', false)
    .option('--scenario <name>', 'another story: incident, a batch that sets every customer_id to "0"');
  verb('serve', 'run the gateway', async () => (await import('./running.ts')).serve)
    .option('--host <host>')
    .option('--port <port>');
  verb('check', 'check config, mappings and connectors', async () => (await import('./checking.ts')).check)
    .option('--mappings <folder>', 'only the mappings and entities of a folder, without a configuration')
    .option('--live', 'ask the remote systems what has changed there; without it nothing is sent', false);
  verb('map <mapping>', 'map records, NDJSON in and out', async () => (await import('./mapping.ts')).map)
    .option('--file <file>', 'instead of standard input')
    .option('--reverse', 'from entity to remote', false)
    .option('--why', 'for each record, which value came from where and through what', false)
    .option('--roster <file>', 'colleagues and teams for routing tables, instead of those in the store')
    .option('--at <time>', 'tables decide as if it were that time');
  verb(
    'explain <mapping>',
    'what a mapping does, field by field, both ways',
    async () => (await import('./explaining.ts')).explain,
  )
    .option('--docs', 'with what each step that it uses does', false)
    .option('--html', 'as a picture: one page that needs nothing else', false)
    .option('--openlineage', 'its lineage as OpenLineage job events, one JSON a line', false);
  verb(
    'simulate-routing <mapping>',
    'where records would go by the tables of a mapping',
    async () => (await import('./routing.ts')).simulateRouting,
  )
    .option('--file <file>', 'records, one JSON object a line, instead of made-up ones')
    .option('--entity', 'the file holds fields of the entity, not objects of the remote', false)
    .option('--count <n>', 'how many records are made up', '1000')
    .option('--seed <n>', 'the same seed makes the same records', '1')
    .option('--roster <file>', 'colleagues and teams, {"employee": […]}, instead of those in the store')
    .option('--at <time>', 'as if it were that time');
  simulating(verb);
  verb(
    'dedupe [entity]',
    'records that may be one: of the store, of a file, of two files',
    async () => (await import('./dedupe.ts')).dedupe,
  )
    .option('--file <file>', 'a table (CSV) instead of the store')
    .option('--against <file>', 'pairs between the two files only')
    .option('--fields <fields>', 'what is compared, with its sort: name:person,mobile:phone; else guessed')
    .option('--id <column>', 'the column that names each row; else id, or the number of the row')
    .option('--pairs <file>', 'write the pairs, with why')
    .option('--clusters <file>', 'write which records belong together')
    .option('--threshold <p>', 'propose from this probability on (0.92)')
    .option('--review <p>', 'show from this probability on (0.85)')
    .option('--automatic <p>', 'mark as certain from this probability on; without it nothing is')
    .option('--survivor <rule>', 'complete, newest:<column>, updated:<column>, system:<column>=<name>')
    .option('--explain <n>', 'tell field by field the n strongest and the n most doubtful pairs')
    .option('--model <file>', 'what was learnt: used if it is there, else written')
    .option('--save', 'keep candidates in the store', false);
  verb(
    'status',
    'what is connected, waiting, parked, paused',
    async () => (await import('./asking.ts')).status,
  );
  verb('runs', 'runs with their books', async () => (await import('./asking.ts')).runs).option(
    '--limit <n>',
    'how many',
    '20',
  );
  verb('sync <sync>', 'poll and deliver now', async () => (await import('./syncing.ts')).sync)
    .option('--full', 'sweep everything', false)
    .option('--absent', 'with --full: look at what the scan no longer shows, however much it is', false)
    .option('--plan', 'only show what would be written', false)
    .option('--save', 'with --plan: keep it, to be applied item by item (plan apply)', false)
    .option('--wait <seconds>', 'how long to wait where a running gateway does the work', '300');
  verb(
    'trace <object>',
    'the story of connection/kind/id, one line per hop',
    async () => (await import('./asking.ts')).trace,
  ).option('--field <field>');
  verb(
    'record <id>',
    'a record, every value with who gave it; by its id or connection/kind/id',
    async () => (await import('./asking.ts')).record,
  ).option('--at <time>', 'as it was then');
  const undoing = verb(
    'undo [run]',
    'take back what a run, a connection or a span of time changed',
    async () => (await import('./undoing.ts')).undo,
  )
    .option('--connection <name>', 'what came from it')
    .option('--from <time>', 'what happened from then on')
    .option('--to <time>', 'until then')
    .option('--apply', 'do it; without, the plan is shown', false)
    .option('--by <name>', 'who approves it')
    .option('--wait <seconds>', 'how long to wait where a running gateway does the work', '300');
  verb(
    'status <run>',
    'what has become of an undo',
    async () => (await import('./undoing.ts')).undoStatusOf,
    undoing,
  );
  verb(
    'reroute <sync>',
    'plan where its tables would put records now',
    async () => (await import('./plans.ts')).reroute,
  ).option('--field <field>', 'only this one');
  verb(
    'remap <sync>',
    'plan what a changed mapping reads otherwise than the records have it',
    async () => (await import('./plans.ts')).remap,
  );
  verb(
    'repair <entity>',
    'plan a computed value for selected records',
    async () => (await import('./plans.ts')).repair,
  )
    .requiredOption('--field <field>', 'the field that gets it')
    .requiredOption(
      '--expression <jsonata>',
      'over the fields, "id" and "links", such as \'"CUST_" & links.crm\'',
    )
    .option('--where <conditions>', 'which records, such as \'{"customerId": {"empty": true}}\'');
  const plan = program.command('plan').description('changes that wait for approval');
  verb('show <plan>', 'its items', async () => (await import('./plans.ts')).planShow, plan);
  verb(
    'apply <plan>',
    'make them; what has moved since is shown anew instead',
    async () => (await import('./plans.ts')).planApply,
    plan,
  )
    .option('--item <id>', 'only this one')
    .option('--by <name>', 'who approves it');
  verb(
    'pause <name>',
    'stop a connection, the writing of a sync, or all writing',
    async () => (await import('./deciding.ts')).pause,
  ).option('--why <text>');
  verb('resume <name>', 'start it again', async () => (await import('./deciding.ts')).resume)
    .option('--over-budget', 'a sync: allow all that waits to be written now, above its budget', false)
    .option('--by <name>', 'who decides');
  verb(
    'publish <sync>',
    'let a sync write that only planned so far',
    async () => (await import('./deciding.ts')).publish,
  )
    .option('--withdraw', 'let it only plan again', false)
    .option('--by <name>', 'who decides');
  verb(
    'doctor',
    'try credentials, store, disk, clock, public address',
    async () => (await import('./doctor.ts')).doctor,
  );
  wholeStore(program, verb);
  keys(program, verb);
  const parked = program.command('parked').description('items that wait for a person');
  verb('list', 'all of them', async () => (await import('./deciding.ts')).parkedList, parked);
  verb('show <id>', 'one with its input', async () => (await import('./deciding.ts')).parkedShow, parked);
  verb('replay <id>', 'try it again', async () => (await import('./deciding.ts')).parkedReplay, parked);
  verb('drop <id>', 'give it up', async () => (await import('./deciding.ts')).parkedDrop, parked)
    .option('--yes', 'really', false)
    .option('--by <name>');
  const conflicts = program.command('conflicts').description('fields that wait for a decision');
  verb('list', 'all of them', async () => (await import('./deciding.ts')).conflictsList, conflicts).option(
    '--all',
    'declared divergences too',
    false,
  );
  verb('resolve <id>', 'decide', async () => (await import('./deciding.ts')).conflictsResolve, conflicts)
    .option('--ours', 'the record wins', false)
    .option('--theirs', 'the remote wins', false)
    .option('--by <name>');

  deduplicating(program, verb);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return exits.ok;
    if (error.code === 'commander.help' && !asJson) return exits.usage;
    const detail =
      error.code === 'commander.help'
        ? 'name a command'
        : error.message.replace(/^error: /u, '').replaceAll(/\s*\n\s*/gu, ' ');
    return fail(new CrosswalkError('usage', { detail }), asJson);
  }
  return exit;
};
