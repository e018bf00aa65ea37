/** What a seed decides about the guards of an installation: budgets, ids, required fields. */
import type { Amount, Budget } from '../merge/policy.ts';
import type { Dice } from './draw.ts';

export interface Bounds {
  readonly budget?: Budget;
  readonly required: readonly string[];
}

const amount = (dice: Dice, most: number): readonly Amount[] => {
  if (!dice.chance(0.6)) return [];
  const per = dice.chance(0.5) ? ('day' as const) : ('run' as const);
  if (dice.chance(0.2)) return [{ text: `50%/${per}`, per, share: 0.5 }];
  return [{ text: `${most}/${per}`, per, most }];
};

/** How much each system may be written, and what it needs before a create. */
export const drawBounds = (dice: Dice, systems: readonly string[]): Map<string, Bounds> =>
  new Map(
    systems.map((system): [string, Bounds] => {
      const required = dice.chance(0.15) ? ['name'] : [];
      if (!dice.chance(0.2)) return [system, { required }];
      const budget = { creates: amount(dice, 4), updates: amount(dice, 8), removes: amount(dice, 1) };
      return [system, { budget, required }];
    }),
  );

/** So many changes of ids in 24 hours stop all writing; 0 for never. */
export const drawIdChanges = (dice: Dice): number =>
  dice.chance(0.3) ? 2 + Math.floor(dice.random() * 6) : 0;
