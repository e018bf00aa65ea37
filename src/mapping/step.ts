import type { Json, JsonSchema } from '../connector.ts';
import { shown, typeOfValue, typeWords } from './schema.ts';
import type { JsonType } from './schema.ts';

/** What a step of a mapping is. The steps themselves are in `steps.ts`. */

/**
 * `exact`: has an inverse. `settling`: different remote values may read alike, but reading, writing and
 * reading again changes nothing more. `lossy`: there is no way back.
 */
export type StepClass = 'exact' | 'settling' | 'lossy';

/** A value that a step cannot take: handed back, not thrown, because bad input is everyday. */
export class Misfit {
  readonly code: 'type' | 'not-covered' | 'format' | 'step';
  readonly message: string;
  constructor(code: Misfit['code'], message: string) {
    this.code = code;
    this.message = message;
  }
}

export type Outcome = Json | Misfit;

/** What becomes of a value that a table does not name, in one direction. */
export type Fallback = 'park' | 'null' | 'keep' | { readonly value: Json };

/** What a step is bound to, besides its argument. */
export interface StepPlace {
  readonly inward: Fallback;
  readonly outward: Fallback;
  /** How many places the field lives in; steps that compose get a list of that length. */
  readonly places: number;
}

export interface BoundStep {
  forward(value: Json): Outcome;
  backward?(value: Json): Outcome;
}

export interface StepExample {
  readonly arg?: Json;
  /** The remote's value. */
  readonly remote: Json;
  /** The entity's value; undefined if the step refuses the remote's. */
  readonly entity?: Json;
  /** What is written for the entity's value, where it is not the remote's value above. */
  readonly back?: Json;
}

export interface Step {
  /** One sentence for people who write mappings. */
  readonly doc: string;
  readonly class: StepClass | ((arg: Json | undefined) => StepClass);
  /** Schema of the argument; absent if the step takes none. */
  readonly arg?: JsonSchema;
  /** What is wrong with an argument that fits the schema, as the rest of a sentence. */
  fault?(arg: Json): string | null;
  /** True if the step may also be written without its argument. */
  readonly bare?: boolean;
  /** Types that it reads. */
  readonly takes: readonly JsonType[];
  /** Types that it makes of those that reach it. */
  gives(arg: Json | undefined, taken: readonly JsonType[]): readonly JsonType[];
  /** Types that it writes back; absent where it writes what it takes. */
  writes?(arg: Json | undefined): readonly JsonType[];
  /** Set for a step that composes places: exactly so many, or any number. */
  readonly places?: number | 'any';
  /** True if it has a say about an empty place. */
  readonly fills?: boolean;
  bind(arg: Json | undefined, place: StepPlace): BoundStep;
  readonly examples: readonly StepExample[];
}

/** A value of the wrong type, in words. */
export const wrongType = (value: Json, wanted: readonly JsonType[]): Misfit =>
  new Misfit(
    'type',
    `${shown(value)} is ${typeWords([typeOfValue(value)])}, and ${typeWords(wanted)} is needed`,
  );

/** A step from text to text that is its own way back: twice is once. */
export const textStep = (
  doc: string,
  change: (text: string) => string,
  examples: readonly StepExample[],
): Step => {
  const turn = (value: Json): Outcome =>
    typeof value === 'string' ? change(value) : wrongType(value, ['string']);
  return {
    doc,
    class: 'settling',
    takes: ['string'],
    gives: () => ['string'],
    bind: () => ({ forward: turn, backward: turn }),
    examples,
  };
};
