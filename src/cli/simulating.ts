/** simulate: the engine over models of an installation's own systems, to see what its configuration leads to. */
import { CrosswalkError } from '../errors.ts';
import { loadInstallation } from '../installation.ts';
import { runCourses } from '../simulate/courses.ts';
import type { FieldFigures, Findings } from '../simulate/findings.ts';
import { habits, type Habit } from '../simulate/model.ts';
import { openAll } from './kinds.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

interface Options extends Common {
  readonly seed?: string;
  readonly seeds?: string;
  readonly steps?: string;
  readonly habit?: readonly string[];
}

const whole = (text: string | undefined, name: string, most: number): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new CrosswalkError('usage', { detail: `--${name} takes a whole number from 1 to ${most}` });
  return value;
};

const isHabit = (text: string | undefined): text is Habit =>
  text !== undefined && Object.hasOwn(habits, text);

const habitsOf = (given: readonly string[], syncs: object): Map<string, Habit> =>
  new Map(
    given.map((text) => {
      const [sync = '', habit] = text.split('=');
      if (!Object.hasOwn(syncs, sync) || !isHabit(habit))
        throw new CrosswalkError('usage', {
          detail: `--habit takes <sync>=<${Object.keys(habits).join('|')}>, with a sync of the configuration`,
        });
      return [sync, habit];
    }),
  );

const per = (count: number, all: number, times = 1): string =>
  all === 0 ? '-' : ((times * count) / all).toFixed(times === 1 ? 2 : 1);

const rowOf = (field: string, one: FieldFigures): string[] => [
  field,
  String(one.edits),
  per(one.asked, one.edits, 100),
  String(one.restored),
  String(one.refused),
  String(one.notTaken),
  String(one.oscillated),
  per(one.writes, one.changes),
];

const tell = ({ syncs, wrong, rested }: Findings, seeds: number): void => {
  for (const [name, { fields, parked, writes, changes, doubled }] of Object.entries(syncs)) {
    say(`${name}: ${per(writes, changes)} writes per change elsewhere, ${doubled} objects made twice`);
    const rows = Object.entries(fields).map(([field, one]) => rowOf(field, one));
    const head = [
      'field',
      'edits',
      'asked/100',
      'put back',
      'refused',
      'not taken',
      'oscillated',
      'writes/change',
    ];
    if (rows.length > 0) say(table(head, rows));
    for (const [field, { refusal }] of Object.entries(fields))
      if (refusal !== undefined) say(`${field} refused: ${refusal}`);
    for (const [code, { count, message }] of Object.entries(parked))
      say(`parked ${count} × ${code}: ${message}`);
  }
  say(`${rested} of ${seeds} seeds came to rest`);
  for (const text of wrong) say(`wrong: ${text}`);
};

export const simulate = async (options: Options): Promise<number> => {
  const seeds = whole(options.seeds, 'seeds', 100_000);
  const steps = whole(options.steps, 'steps', 1_000_000);
  const from = whole(options.seed, 'seed', 4_000_000_000);
  const installation = loadInstallation(options.dir, process.env);
  const { config, connectors } = installation;
  const own = habitsOf(options.habit ?? [], config.syncs);
  const { sessions, faults } = await openAll(config, connectors, process.env);
  const closed = Object.values(config.syncs).some(({ connection }) => !sessions.has(connection));
  const [fault] = faults;
  if (closed && fault !== undefined) throw fault;
  const findings = await runCourses({ installation, sessions, habits: own, from, seeds, steps });
  const { syncs, fights, wrong, rested } = findings;
  const rest = rested === seeds;
  if (options.json)
    json({ seeds, steps, seed: from, violations: wrong.size, rest, wrong: [...wrong], fights, syncs });
  else tell(findings, seeds);
  return wrong.size > 0 || !rest ? exits.wrong : exits.ok;
};
