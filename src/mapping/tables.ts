import type { Json } from '../connector.ts';
import { isObject, sameValue } from './place.ts';
import { ALL_TYPES, shown, typeOfValue } from './schema.ts';
import type { JsonType } from './schema.ts';
import { Misfit } from './step.ts';
import type { Fallback, Outcome, Step } from './step.ts';

/** Values that stand for others: tables, defaults, constants and what means nothing. */

const SCALAR = { type: ['string', 'number', 'boolean'] };

/** The pairs of a table's argument: remote value, entity value. */
const pairsOf = (arg: Json | undefined): readonly (readonly [Json, Json])[] => {
  if (Array.isArray(arg)) {
    return arg.map((pair): [Json, Json] =>
      Array.isArray(pair) ? [pair[0] ?? null, pair[1] ?? null] : [null, null],
    );
  }
  return isObject(arg) ? Object.entries(arg) : [];
};

const typesIn = (values: readonly Json[]): readonly JsonType[] => [...new Set(values.map(typeOfValue))];

const lookUp = (known: ReadonlyMap<Json, Json>, fallback: Fallback): ((value: Json) => Outcome) => {
  return (value) => {
    const found = known.get(value);
    if (found !== undefined) return found;
    if (fallback === 'pass') return value;
    if (fallback === 'null') return null;
    if (typeof fallback === 'object') return fallback.value;
    const names = [...known.keys()].map(shown);
    const list = names.length > 12 ? `${names.slice(0, 12).join(', ')}, …` : names.join(', ');
    return new Misfit(fallback === 'keep' ? 'kept' : 'not-covered', `is not in the table (${list})`, value);
  };
};

const table: Step = {
  doc:
    'Turns each remote value into the entity value beside it, and back. Of several remote values that mean the ' +
    'same the first is written; where they are digits, or no text, write pairs: [[1, "new"], [2, "won"]].',
  class: (arg) => {
    const pairs = pairsOf(arg);
    return new Set(pairs.map(([, value]) => value)).size === pairs.length ? 'exact' : 'settling';
  },
  arg: {
    oneOf: [
      { type: 'object', minProperties: 1, additionalProperties: SCALAR },
      {
        type: 'array',
        minItems: 1,
        items: { type: 'array', prefixItems: [SCALAR, SCALAR], minItems: 2, items: false },
      },
    ],
  },
  takes: ALL_TYPES,
  fault: (arg) => {
    const remotes = pairsOf(arg).map(([remote]) => remote);
    const twice = remotes.find((remote, index) => remotes.indexOf(remote) !== index);
    return twice === undefined ? null : `has ${shown(twice)} twice on the remote's side`;
  },
  gives: (arg) => typesIn(pairsOf(arg).map(([, value]) => value)),
  writes: (arg) => typesIn(pairsOf(arg).map(([remote]) => remote)),
  bind: (arg, place) => {
    const pairs = pairsOf(arg);
    const back = new Map<Json, Json>();
    for (const [remote, value] of pairs) if (!back.has(value)) back.set(value, remote);
    return { forward: lookUp(new Map(pairs), place.inward), backward: lookUp(back, place.outward) };
  },
  examples: [
    { arg: { 线索: 'lead', 客户: 'customer' }, remote: '线索', entity: 'lead' },
    {
      arg: { customer: 'customer', evangelist: 'customer' },
      remote: 'evangelist',
      entity: 'customer',
      back: 'customer',
    },
    {
      arg: [
        [2, 'won'],
        [1, 'new'],
      ],
      remote: 1,
      entity: 'new',
    },
    { arg: { lead: 'lead' }, remote: 'other' },
    { arg: { lead: 'lead' }, remote: '__proto__' },
  ],
};

const fallbackValue: Step = {
  doc: 'Gives this value where the place is empty or missing.',
  class: 'settling',
  arg: SCALAR,
  takes: ALL_TYPES,
  gives: (_, taken) => taken,
  fills: true,
  bind: (arg) => ({ forward: (value) => value ?? arg ?? null, backward: (value) => value }),
  examples: [
    { arg: 'CN', remote: null, entity: 'CN', back: 'CN' },
    { arg: 'CN', remote: 'AU', entity: 'AU' },
  ],
};

const constant: Step = {
  doc: 'Always gives this value, whatever the place holds. With `"flow": "in"` no place is needed.',
  class: 'lossy',
  arg: SCALAR,
  takes: ALL_TYPES,
  gives: (arg) => (arg === undefined ? ALL_TYPES : typesIn([arg])),
  fills: true,
  bind: (arg) => ({ forward: () => arg ?? null, backward: () => arg ?? null }),
  examples: [
    { arg: 'hubspot', remote: null, entity: 'hubspot', back: 'hubspot' },
    { arg: 'hubspot', remote: 'x', entity: 'hubspot', back: 'hubspot' },
  ],
};

const empty: Step = {
  doc:
    'Reads these values as an empty place: {"empty": ["1900-01-01T00:00:00", false, "-"]}. An emptied field is written ' +
    'as an empty place, which the connector says in its own way.',
  class: 'settling',
  arg: { type: 'array', minItems: 1, maxItems: 20, items: SCALAR },
  takes: ALL_TYPES,
  gives: (arg, taken) =>
    // false alone is how some systems say nothing: what is left is then not true or false.
    Array.isArray(arg) && arg.includes(false) && taken.length > 1
      ? taken.filter((type) => type !== 'boolean')
      : taken,
  writes: (arg) =>
    Array.isArray(arg) && arg.includes(false) ? ALL_TYPES.filter((type) => type !== 'boolean') : ALL_TYPES,
  bind: (arg) => {
    const nothing = Array.isArray(arg) ? arg : [];
    return {
      forward: (value) => (nothing.some((one) => sameValue(one, value)) ? null : value),
      // A value that means nothing there cannot be written as a value: it would read as empty.
      backward: (value) =>
        nothing.some((one) => sameValue(one, value))
          ? new Misfit('step', 'means an empty place there, and cannot be written as a value', value)
          : value,
    };
  },
  examples: [
    { arg: [false], remote: false, entity: null },
    { arg: [false, '-'], remote: 'Berlin', entity: 'Berlin' },
    { arg: ['1900-01-01T00:00:00'], remote: '1900-01-01T00:00:00', entity: null },
  ],
};

export const tableSteps: Readonly<Record<string, Step>> = { table, default: fallbackValue, constant, empty };
