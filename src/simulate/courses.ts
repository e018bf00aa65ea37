/** Courses of events over an installation, one a seed: acts that come to rest one by one, then everything at once. */
import type { Session } from '../connector.ts';
import type { Installation } from '../installation.ts';
import type { Mutation } from '../sync/hub.ts';
import { countChange, noFindings, tellInstalled, type Findings } from './findings.ts';
import { Installed } from './installation.ts';
import type { Habit } from './model.ts';

export interface Courses {
  readonly installation: Installation;
  /** The sessions of its connections: only the kinds in them are looked at. */
  readonly sessions: ReadonlyMap<string, Session>;
  /** What a remote does to text though no mapping says so, by sync. */
  readonly habits?: ReadonlyMap<string, Habit>;
  readonly mutation?: Mutation;
  /** The first seed, and how many. */
  readonly from: number;
  readonly seeds: number;
  /** Steps of a course. */
  readonly steps: number;
}

const afterAct = ['poll', 'in', 'out'] as const;
const everything = ['sweep', 'in', 'out'] as const;

/** Each act comes to rest before the next: what an edit costs, and whether it settles at all. */
const calm = async (world: Installed, findings: Findings, seed: number, steps: number): Promise<boolean> => {
  world.quiet = true;
  world.isCounting = true;
  let rested = await world.settle(everything, 10);
  // Every field gets its turn, seed by seed.
  const turns = world.staff.turns();
  let next = seed * steps;
  for (let i = 0; i < steps && rested; i += 1) {
    if (i < 3 || world.chance(0.1)) {
      const filed = world.staff.file();
      if (filed !== undefined) countChange(findings, world, filed, '');
    } else {
      const turn = turns[next % turns.length];
      next += 1;
      if (turn !== undefined && world.staff.editOnce(turn))
        countChange(findings, world, turn.side, turn.sample.field);
    }
    rested = await world.settle(afterAct, 40);
  }
  world.isCounting = false;
  world.calmUntil = world.time;
  return rested;
};

/** People, hooks and passes in any order, while the network fails and the process dies. */
const rough = async (world: Installed, steps: number): Promise<void> => {
  world.quiet = false;
  for (let i = 0; i < steps; i += 1) {
    const roll = world.random();
    if (roll < 0.06) world.staff.file();
    else if (roll < 0.24) world.staff.edit();
    else if (roll < 0.26) world.staff.remove();
    else if (roll < 0.44) await world.hook();
    else if (roll < 0.9) await world.work();
    else world.time += world.chance(0.2) ? 20 * 60_000 : Math.floor(world.random() * 20_000);
  }
  world.quiet = true;
};

/** Lets everything come to rest; a further look must not write anything. */
const rest = async (world: Installed): Promise<boolean> => {
  await world.settle(afterAct, 40);
  await world.settle(everything, 2);
  if (!(await world.settle(everything, 40))) return false;
  const writes = world.written;
  await world.settle(['sweep', 'poll', 'in', 'out'], 2);
  return world.written === writes;
};

/** What is on its way for ever, as far as it can be told: syncs and fields. */
const stirring = async (world: Installed): Promise<string> => {
  world.sides.forEach(({ writes }) => writes.clear());
  world.isCounting = true;
  await world.settle(everything, 5);
  world.isCounting = false;
  const told = world.sides.flatMap(({ sync, writes }) => {
    const fields = [...writes.keys()].filter((field) => field !== '');
    return fields.length === 0 ? [] : [`${fields.join(', ')} in ${sync.name}`];
  });
  return told.length === 0 ? `${await world.open()} things stay open` : `still written: ${told.join('; ')}`;
};

/** Runs the courses, one after the other. Nothing leaves the process; equal arguments give equal findings. */
export const runCourses = async (courses: Courses): Promise<Findings> => {
  const findings = noFindings();
  const { installation, sessions, habits = new Map(), mutation, from, seeds, steps } = courses;
  const hooked = [...sessions].filter(([, session]) => session.hooks !== undefined).map(([name]) => name);
  for (let seed = from; seed < from + seeds; seed += 1) {
    const world = new Installed(installation, { seed, sessions, habits, mutation });
    world.hooksFrom(hooked);
    let rested = await calm(world, findings, seed, Math.ceil(steps / 10));
    await rough(world, steps - Math.ceil(steps / 10));
    rested = (await rest(world)) && rested;
    await world.closeBooks();
    await tellInstalled(findings, world, rested);
    if (!rested) findings.wrong.add(`seed ${seed} did not come to rest: ${await stirring(world)}`);
    await world.store.close();
  }
  return findings;
};
