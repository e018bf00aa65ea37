import type { Json, JsonSchema } from '../connector.ts';
import { masked, shown, typeOfValue, typeWords } from './schema.ts';
import type { JsonType } from './schema.ts';

/** What a step of a mapping is. The steps themselves are in `steps.ts`. */

/**
 * `exact`: has an inverse. `settling`: different remote values may read alike, but reading, writing and
 * reading again changes nothing more. `lossy`: there is no way back.
 */
export type StepClass = 'exact' | 'settling' | 'lossy';

/** A value that a step cannot take: handed back, not thrown, because bad input is everyday. */
export class Misfit {
  /** `kept`: the mapping says that the other side keeps what it has. */
  readonly code: 'type' | 'not-covered' | 'format' | 'step' | 'overflow' | 'reference' | 'kept';
  /** The rest of a sentence that starts with the value; the whole sentence where none is given. */
  readonly said: string;
  readonly value: Json | undefined;
  /** Where in a list or a row the value stands: `item 2: `. */
  readonly where: string;
  /** The step that could not take it. */
  step?: string;
  constructor(code: Misfit['code'], said: string, value?: Json, where = '') {
    this.code = code;
    this.said = said;
    this.value = value;
    this.where = where;
  }

  /** The sentence without its full stop; `hidden` leaves only the shape of the value to be seen. */
  sentence(hidden: boolean): string {
    if (this.value === undefined) return this.where + this.said;
    return `${this.where}${(hidden ? masked : shown)(this.value)} ${this.said}`;
  }

  /** The same inside of something. */
  inside(where: string): Misfit {
    const made = new Misfit(this.code, this.said, this.value, `${where}: ${this.where}`);
    return this.step === undefined ? made : made.from(this.step);
  }

  /** The same, from this step unless a step inside of it is known. */
  from(step: string): this {
    this.step ??= step;
    return this;
  }
}

export type Outcome = Json | Misfit;

/**
 * What becomes of a value that a table does not name, in one direction: a person is asked, it counts as empty, the
 * other side keeps what it has, it passes as it is, or another value stands for it.
 */
export type Fallback = 'park' | 'null' | 'keep' | 'pass' | { readonly value: Json };

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
  /** The same as `forward`, for a step that makes text of every text. */
  readonly text?: (text: string) => string;
  /** What a person should know of what the step does to this value, as the rest of a sentence; null for most. */
  note?(value: Json): string | null;
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
  readonly places?: number | 'any' | ((arg: Json | undefined) => number);
  /** True if it has a say about an empty place. */
  readonly fills?: boolean;
  bind(arg: Json | undefined, place: StepPlace): BoundStep;
  readonly examples: readonly StepExample[];
}

/** Longer text is none of the short things that steps read from text in any width. */
const MOST_NORMAL = 10_000;

/**
 * Text in ordinary width and form (Unicode NFKC): １２ is 12. Text beyond 10,000 units stays as it is, for one letter may
 * become eighteen, and what a stranger sends must not take seconds.
 */
export const normal = (text: string): string => (text.length > MOST_NORMAL ? text : text.normalize('NFKC'));

/** A value of the wrong type, in words. */
export const wrongType = (value: Json, wanted: readonly JsonType[]): Misfit =>
  new Misfit('type', `is ${typeWords([typeOfValue(value)])}, and ${typeWords(wanted)} is needed`, value);

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
    bind: () => ({ forward: turn, backward: turn, text: change }),
    examples,
  };
};
