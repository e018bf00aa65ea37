import jsonata from 'jsonata';
import type { JsonObject } from '../connector.ts';
import { canonical } from './place.ts';

/** One evaluation of a JSONata expression, with the limits that the library itself can hold. */

/** An expression is written by the owner, but runs over what strangers send. */
const LIMITS = { timeout: 250, stack: 200, sequence: 10_000 };
const MOST_RESULT = 65_536;
/** More expressions than any installation has: a thread forgets none of those that it is asked for. */
const MOST_COMPILED = 1000;

const compiled = new Map<string, jsonata.Expression>();

const expressionOf = (text: string): jsonata.Expression => {
  const known = compiled.get(text);
  if (known !== undefined) return known;
  const made = jsonata(text, LIMITS);
  if (compiled.size < MOST_COMPILED) compiled.set(text, made);
  return made;
};

/** `{value}`, or `{fault}` with the rest of a sentence that shows nothing of the input. */
export const evaluated = async (text: string, input: unknown): Promise<JsonObject> => {
  try {
    const made: unknown = await expressionOf(text).evaluate(input);
    if (made === undefined || made === null) return { value: null };
    // The library hands out functions, and lists with marks of its own.
    const clean = typeof made === 'function' ? undefined : canonical(JSON.parse(JSON.stringify(made)));
    if (clean === undefined) return { fault: 'the expression gives something that is no value' };
    return JSON.stringify(clean).length > MOST_RESULT
      ? { fault: `the expression gives more than ${MOST_RESULT} characters` }
      : { value: clean };
  } catch (error) {
    const detail = (error as { code?: string }).code ?? 'unknown';
    const says = detail === 'D1012' ? `took longer than ${LIMITS.timeout} ms` : `fails (JSONata ${detail})`;
    // The library's own message may quote the value.
    return { fault: `the expression ${says}` };
  }
};
