/** What a seed decides before anything happens: the habits of each system, and the rules between them. */
import type { ClearPolicy, ConflictPolicy, FieldRule, Role } from '../merge/policy.ts';
import { deletedField } from '../merge/deletion.ts';
import type { StepPolicy, TransitionRules } from '../merge/transition.ts';
import type { Sync } from '../sync/hub.ts';
import { allFields, type ToyTraits } from './toy.ts';

export interface Dice {
  random(): number;
  chance(p: number): boolean;
  pick<T>(list: readonly T[]): T | undefined;
}

/** A small seeded generator (mulberry32). */
export const generator = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

/** What holds where nothing was drawn. */
export const plainRule: FieldRule = {
  role: 'writer',
  conflict: 'ask',
  clear: 'restore',
  protected: false,
  key: false,
};

/** The habits of one system. */
export const drawTraits = (dice: Dice, name: string): ToyTraits => {
  const anchored = dice.chance(0.4);
  const normalise = dice.chance(0.5)
    ? {
        how: dice.pick(['lower', 'upper', 'trim'] as const) ?? 'trim',
        when: dice.pick(['at once', 'late'] as const) ?? 'late',
        declared: dice.chance(0.6),
      }
    : null;
  return {
    name,
    guarded: dice.chance(0.4),
    answers: dice.chance(0.6),
    readable: dice.chance(0.92),
    find: dice.chance(0.6) ? { lag: dice.chance(0.5) ? 0 : 20_000 } : null,
    keyed: dice.chance(0.3),
    anchored,
    polled: dice.chance(0.7),
    fullHooks: dice.chance(0.4),
    normalise,
    stamps: {
      resolution: dice.pick([1, 1000, 60_000]) ?? 1,
      lateness: dice.chance(0.4) ? 30_000 : 0,
      skew: 2000,
    },
    clock: Math.floor(dice.random() * 3000) - 1500,
    atomic: dice.chance(0.3),
    batch: dice.pick([1, 2, 5]) ?? 1,
    narrow: dice.chance(0.15),
    ...(dice.chance(0.8) ? { removes: dice.chance(0.5) ? 'telling' : 'silent' } : {}),
    sorts: dice.chance(0.3),
    missing: dice.chance(0.2) ? 'keep' : 'remove',
  };
};

/** What deletions do, by system. */
export const drawDeletes = (
  dice: Dice,
  systems: readonly string[],
): Map<string, Required<Pick<Sync, 'deletes' | 'resurrect'>>> => {
  const isShared = dice.chance(0.6);
  return new Map(
    systems.map((system) => {
      const own = isShared ? 'propagate' : dice.pick(['ignore', 'archive', 'propagate'] as const);
      return [system, { deletes: own ?? 'ignore', resurrect: dice.chance(0.4) }];
    }),
  );
};

/** Most values of `stage` that people type in one course. */
const mostStages = 5000;

const rankOf = (value: string): number => (Number(value.slice(1)) * 1999) % mostStages;

/**
 * What steps of `stage` need, in one course of three; from dice of its own, so that the rest of a course is the same with
 * it and without. Its values are `s1`, `s2` … as people type them: a few are in the order, a few need a note or a name.
 */
export const drawTransitions = (seed: number): TransitionRules | undefined => {
  const random = generator(seed * 40503 + 7);
  const pick = <T>(list: readonly [T, ...T[]]): T => list[Math.floor(random() * list.length)] ?? list[0];
  if (random() >= 0.34) return undefined;
  const policies: readonly [StepPolicy, ...StepPolicy[]] = ['restore', 'ask', 'take'];
  const all = Array.from({ length: mostStages }, (_, n) => `s${n}`);
  const every = 1 + Math.floor(random() * 2);
  const needs = pick([['note'], ['name', 'note'], ['tags']]);
  return {
    stage: {
      // In an order of their own: what is typed later is before as often as after.
      order: all.filter((_, n) => n % every === 0).toSorted((a, b) => rankOf(a) - rankOf(b)),
      skip: pick(policies),
      back: pick<StepPolicy | 'alarm'>(['alarm', 'alarm', 'alarm', 'restore', 'ask']),
      evidence: Object.fromEntries(all.filter((_, n) => n % 3 === 0).map((value) => [value, needs])),
    },
  };
};

/** Role and policy of the deletion of records. */
const drawDeletion = (dice: Dice, system: string): FieldRule => {
  // Nobody but the first system owns it.
  const role = dice.chance(0.15) ? 'reader' : system === 'A' && dice.chance(0.2) ? 'owner' : 'writer';
  const conflict = dice.chance(0.7) ? 'newest' : (dice.pick(['ask', 'keep', 'owner'] as const) ?? 'ask');
  return { role, conflict, clear: 'restore', protected: false, key: false };
};

/** Roles and policies by system and field. */
export const drawRules = (dice: Dice, systems: readonly string[]): Map<string, Record<string, FieldRule>> => {
  const drawn = new Map<string, Record<string, FieldRule>>();
  const owners = Object.fromEntries(
    allFields.map((field) => [field, dice.chance(0.3) ? dice.pick(systems) : undefined]),
  );
  for (const system of systems) {
    const rules = Object.fromEntries(
      allFields.map((field): [string, FieldRule] => {
        const owner = owners[field];
        const role: Role =
          owner === system
            ? 'owner'
            : (dice.pick(['writer', 'writer', 'writer', 'filler', 'reader'] as const) ?? 'writer');
        const policies: ConflictPolicy[] =
          owner === undefined ? ['newest', 'keep', 'ask', 'newest'] : ['owner', 'newest', 'ask'];
        const clear: ClearPolicy = dice.pick(['restore', 'take', 'ask'] as const) ?? 'restore';
        return [
          field,
          {
            role,
            conflict: dice.pick(policies) ?? 'ask',
            clear,
            protected: dice.chance(0.05),
            key: field === 'email',
          },
        ];
      }),
    );
    drawn.set(system, { ...rules, [deletedField]: drawDeletion(dice, system) });
  }
  return drawn;
};
