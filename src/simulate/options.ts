/** What a run of the simulator is asked for on its command line, and the line that asks for it again. */
import { parseArgs } from 'node:util';
import { mutationNames, type Mutation } from '../sync/hub.ts';
import { scenarios } from './scenarios.ts';
import { faultNames, type Fault } from './faults.ts';

/** All that decides a seed's course, besides the seed. */
export interface Setup {
  readonly steps: number;
  readonly faults: ReadonlySet<Fault>;
  /** How many systems share the entity; absent: the seed decides, two to four. */
  readonly systems?: number;
  readonly mutation?: Mutation;
  /** Named circumstances; absent: everything is drawn. */
  readonly scenario?: string;
}

export interface Asked extends Setup {
  readonly from: number;
  readonly seeds: number;
  readonly json: boolean;
  /** Prints every action. */
  readonly loud: boolean;
  /** Where the seeds keep what they know: `postgres`, in the database of DATABASE_URL; absent: in memory. */
  readonly store?: 'postgres';
  /** Looks for a smaller course that breaks the same promise. */
  readonly shrink: boolean;
}

/** What was asked for cannot be done; the message says why and what can. */
export class NotAsked extends Error {}

export const usage = `npm run simulate -- [--from S] [--seeds N] [--steps M] [--json]
npm run simulate -- --seed S [--steps M] [--say]

  --from S        first seed (1)
  --seeds N       how many (100)
  --steps M       steps of each (500)
  --seed S        this one only
  --systems K     2, 3 or 4 systems in the entity (default: the seed decides)
  --faults a,b    only these faults; "none" for none
  --without a,b   all but these
  --scenario s    named circumstances: ${Object.keys(scenarios).join(', ')}
  --mutation m    breaks the engine on purpose
  --store postgres  over the database of DATABASE_URL instead of memory; does not shrink
  --no-shrink     does not look for a smaller course that fails alike
  --json          one line with the result
  --say           prints every action
`;

const whole = (name: string, text: string, least = 0, most = Number.MAX_SAFE_INTEGER): number => {
  const n = Number(text);
  if (Number.isInteger(n) && n >= least && n <= most && text.trim() !== '') return n;
  throw new NotAsked(`--${name} takes a whole number${least > 0 ? ` from ${least}` : ''}, not "${text}"`);
};

/** Names with spaces or dashes, parted by commas. */
const named = (text: string): Fault[] => {
  const asked = text
    .split(',')
    .map((name) => name.trim().replaceAll('-', ' '))
    .filter((name) => name !== '');
  const unknown = asked.filter((name) => !(faultNames as readonly string[]).includes(name));
  if (unknown.length > 0)
    throw new NotAsked(`unknown fault ${unknown.join(', ')}; there are: ${faultNames.join(', ')}`);
  return asked as Fault[];
};

/** The faults that are on: all, or only some, without some. */
export const faultsOf = (only: string | undefined, without: string | undefined): Set<Fault> => {
  const on = new Set<Fault>(only === undefined ? faultNames : only === 'none' ? [] : named(only));
  for (const name of without === undefined ? [] : named(without)) on.delete(name);
  return on;
};

/** The faults of a scenario, as they would be asked for. */
const faultsIn = (name: string | undefined): string | undefined => {
  if (name === undefined) return undefined;
  const scenario = Object.hasOwn(scenarios, name) ? scenarios[name] : undefined;
  if (scenario === undefined)
    throw new NotAsked(`unknown scenario ${name}; there are: ${Object.keys(scenarios).join(', ')}`);
  return scenario.faults.join(',') || 'none';
};

const storeOf = (text: string): 'postgres' => {
  if (text === 'postgres') return text;
  throw new NotAsked(`--store takes postgres, not "${text}"`);
};

const mutationOf = (text: string): Mutation => {
  const known = mutationNames.find((name) => name === text);
  if (known === undefined)
    throw new NotAsked(`unknown mutation ${text}; there are: ${mutationNames.join(', ')}`);
  return known;
};

/** Reads the command line. Throws NotAsked where it cannot be meant. */
export const readOptions = (args: readonly string[]): Asked => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      from: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '100' },
      steps: { type: 'string', default: '500' },
      seed: { type: 'string' },
      systems: { type: 'string' },
      faults: { type: 'string' },
      without: { type: 'string' },
      scenario: { type: 'string' },
      mutation: { type: 'string' },
      store: { type: 'string' },
      'no-shrink': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      say: { type: 'boolean', default: false },
    },
  });
  return {
    from: whole(values.seed === undefined ? 'from' : 'seed', values.seed ?? values.from),
    seeds: values.seed === undefined ? whole('seeds', values.seeds, 1) : 1,
    steps: whole('steps', values.steps, 1),
    faults: faultsOf(values.faults ?? faultsIn(values.scenario), values.without),
    ...(values.scenario === undefined ? {} : { scenario: values.scenario }),
    ...(values.systems === undefined ? {} : { systems: whole('systems', values.systems, 2, 4) }),
    ...(values.mutation === undefined ? {} : { mutation: mutationOf(values.mutation) }),
    ...(values.store === undefined ? {} : { store: storeOf(values.store) }),
    json: values.json,
    loud: values.say,
    // Over PostgreSQL a course is slow.
    shrink: !values['no-shrink'] && !values.say && values.store === undefined,
  };
};

const listed = (names: readonly Fault[]): string =>
  names.map((name) => name.replaceAll(' ', '-')).join(',') || 'none';

/** The one command that runs a seed again. */
export const replayOf = (
  seed: number,
  { steps, faults, systems, mutation, scenario, store }: Setup & Pick<Asked, 'store'>,
): string => {
  const on = faultNames.filter((name) => faults.has(name));
  const off = faultNames.filter((name) => !faults.has(name));
  const which =
    off.length === 0 ? '' : on.length < off.length ? ` --faults ${listed(on)}` : ` --without ${listed(off)}`;
  return [
    `npm run simulate -- --seed ${seed} --steps ${steps}`,
    systems === undefined ? '' : ` --systems ${systems}`,
    scenario === undefined ? '' : ` --scenario '${scenario}'`,
    which,
    mutation === undefined ? '' : ` --mutation ${mutation}`,
    store === undefined ? '' : ` --store ${store}`,
  ].join('');
};
