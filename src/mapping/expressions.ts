import jsonata from 'jsonata';
import type { Json, JsonObject } from '../connector.ts';
import { partsOf, placesOf } from './document.ts';
import type { FieldRule, MappingDocument } from './document.ts';
import { canonical, member, putAt, segmentsOf, valueAt } from './place.ts';
import type { Segments } from './place.ts';
import { Misfit } from './step.ts';
import type { Outcome, Step } from './step.ts';

/**
 * Fields that a JSONata expression computes. JSONata is asynchronous, so that expressions run in a pass before the
 * mapping: their results are put beside the object, where the mapping reads them like any other place, and where a
 * shadow keeps them. An expression sees the places that its field names and nothing else.
 */

/** Beside what a remote sends, under a name that is taken out of it first. */
const COMPUTED = 'crosswalk computed';

/** The pointer of a field's result. */
export const computedAt = (mapping: string, field: string): string => `/${COMPUTED}/${mapping}/${field}`;

const MOST_CHARACTERS = 4000;

/** Functions that give another value each time, or hide what is run. */
const FICKLE: ReadonlySet<string> = new Set(['now', 'millis', 'random', 'shuffle', 'eval']);

/** The first function of that sort in a parsed expression. */
const fickleIn = (node: unknown): string | undefined => {
  if (Array.isArray(node)) return node.map(fickleIn).find((name) => name !== undefined);
  if (typeof node !== 'object' || node === null) return undefined;
  const { type, value, ...rest } = node as { type?: unknown; value?: unknown };
  if (type === 'variable' && typeof value === 'string' && FICKLE.has(value)) return value;
  return fickleIn(Object.values(rest));
};

/** What is wrong with an expression; null if it can be run. */
const expressionFault = (text: Json): string | null => {
  try {
    const fickle = fickleIn(jsonata(String(text)).ast());
    return fickle === undefined
      ? null
      : `uses $${fickle}, and the same object must always give the same value`;
  } catch (error) {
    const { message, position } = error as { message?: string; position?: number };
    return `is no JSONata: ${message ?? 'unknown fault'} (character ${position ?? 1})`;
  }
};

/** A result stands as {value}, a failure as {fault}. */
const resultOf = (value: Json): Outcome => {
  const fault = member(value, 'fault');
  if (typeof fault === 'string') return new Misfit('step', fault);
  return member(value, 'value') ?? null;
};

export const expression: Step = {
  doc:
    'Computes the value with a JSONata expression over the places that "at" names: {"expression": "$uppercase(lastname)"}. ' +
    'It is the first step; with one place, that place is what $ stands for. Only for reading, and hundreds of times slower ' +
    'than other steps: use it where no other step does.',
  class: 'lossy',
  arg: { type: 'string', minLength: 1, maxLength: MOST_CHARACTERS },
  fault: expressionFault,
  takes: ['object'],
  gives: () => ['string', 'number', 'integer', 'boolean', 'array', 'object'],
  places: 'any',
  bind: () => ({ forward: resultOf }),
  // These are of the step within the mapping; what expressions compute is shown in the examples of a mapping.
  examples: [
    { arg: 'a & b', remote: { value: 'ab' }, entity: 'ab' },
    { arg: 'a / 0', remote: { fault: 'the expression fails' } },
  ],
};

/** Runs an expression over an input: `{value}`, or `{fault}`, the rest of a sentence. Never rejects. */
export type Evaluate = (text: string, input: Json) => Promise<JsonObject>;

interface Computed {
  readonly field: string;
  readonly places: readonly Segments[];
  readonly text: string;
}

const inputOf = ({ places }: Computed, object: JsonObject): Json | undefined => {
  const [only] = places;
  if (places.length === 1 && only !== undefined) return valueAt(object, only);
  const made: JsonObject = {};
  let seen = false;
  for (const place of places) {
    const value = valueAt(object, place);
    if (value === undefined) continue;
    seen = true;
    putAt(made, place, value);
  }
  return seen ? made : undefined;
};

const expressionOf = (rule: FieldRule): string | null => {
  const first = rule.steps?.[0];
  if (first === undefined) return null;
  const { name, arg } = partsOf(first);
  return name === 'expression' && typeof arg === 'string' ? arg : null;
};

/** The fields of a mapping that expressions compute. */
export const computedFields = ({ fields }: Pick<MappingDocument, 'fields'>): readonly string[] =>
  Object.entries(fields)
    .filter(([, rule]) => expressionOf(rule) !== null)
    .map(([field]) => field);

/** The remote objects of a mapping's examples with their expressions computed; undefined where it has none. */
export const preparedExamples = async (
  document: Pick<MappingDocument, 'name' | 'fields' | 'examples'>,
  evaluate: Evaluate,
): Promise<readonly JsonObject[] | undefined> => {
  const prepare = preparing([document], evaluate);
  if (prepare === undefined) return undefined;
  return Promise.all(document.examples.map(({ remote }) => prepare(remote)));
};

/** The expressions of one mapping. */
const computedIn = ({ fields }: Pick<MappingDocument, 'fields'>): readonly Computed[] =>
  Object.entries(fields).flatMap(([field, rule]) => {
    const text = expressionOf(rule);
    if (text === null) return [];
    const places = placesOf(rule).map((pointer) => segmentsOf(pointer) ?? []);
    return [{ field, places, text }];
  });

/** Puts what the expressions of some mappings make of an object beside it. */
export type Preparing = (object: JsonObject) => Promise<JsonObject>;

/** Computes the expressions of all mappings of one kind; undefined where none of them has any. */
export const preparing = (
  documents: readonly Pick<MappingDocument, 'name' | 'fields'>[],
  evaluate: Evaluate,
): Preparing | undefined => {
  const mappings = documents
    .map((document) => ({ name: document.name, all: computedIn(document) }))
    .filter(({ all }) => all.length > 0);
  if (mappings.length === 0) return undefined;
  return async (object) => {
    const results: JsonObject = {};
    for (const { name, all } of mappings) {
      const own: JsonObject = {};
      for (const one of all) {
        const input = inputOf(one, object);
        const clean = input === undefined ? undefined : canonical(input);
        if (clean === undefined) continue;
        own[one.field] = clean === null ? { value: null } : await evaluate(one.text, clean);
      }
      results[name] = own;
    }
    // Whatever the remote sent under that name is no result of ours.
    return { ...object, [COMPUTED]: results };
  };
};
