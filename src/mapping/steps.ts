import type { Json } from '../connector.ts';
import { amountSteps } from './amounts.ts';
import { composedSteps } from './composed.ts';
import { formatSteps } from './formats.ts';
import { identifierSteps } from './identifiers.ts';
import { listSteps } from './lists.ts';
import { isObject, member } from './place.ts';
import { ALL_TYPES, shown, typeOfValue } from './schema.ts';
import type { JsonType } from './schema.ts';
import { Misfit, textStep, wrongType } from './step.ts';
import type { Fallback, Outcome, Step, StepClass } from './step.ts';

/** The one table of steps. `forward` reads the remote's value, `backward` writes it. */

/** Grows when a step comes to mean something else: it is part of every mapping's hash. */
export const STEPS_REVISION = 1;

// ---------------------------------------------------------------- numbers and truth

const NUMERIC = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/u;

/** The number that a text writes, or a Misfit if it is none or would lose digits. */
const numberOf = (value: Json, whole: boolean): Outcome => {
  const wanted = whole ? 'a whole number' : 'a number';
  if (typeof value !== 'number' && typeof value !== 'string') {
    return wrongType(value, [whole ? 'integer' : 'number', 'string']);
  }
  if (typeof value === 'string' && value.trim() === '') return null;
  if (typeof value === 'string' && !NUMERIC.test(value.trim())) {
    return new Misfit('format', `${shown(value)} is not ${wanted}`);
  }
  const made = Number(value) + 0;
  if (!Number.isFinite(made) || (whole && !Number.isInteger(made))) {
    return new Misfit('format', `${shown(value)} is not ${wanted}`);
  }
  if (Math.abs(made) > Number.MAX_SAFE_INTEGER) {
    return new Misfit('format', `${shown(value)} has more digits than a number keeps; read it as text`);
  }
  return made;
};

const numberStep = (whole: boolean): Step => ({
  doc: `Reads text as a ${whole ? 'whole ' : ''}number and writes it as text.`,
  class: 'settling',
  takes: ['string', 'number'],
  gives: () => [whole ? 'integer' : 'number'],
  writes: () => ['string'],
  bind: () => ({
    forward: (value) => numberOf(value, whole),
    backward: (value) => {
      const made = numberOf(value, whole);
      return typeof made === 'number' ? String(made) : made;
    },
  }),
  examples: [
    { remote: '12', entity: 12 },
    { remote: ' 012 ', entity: 12, back: '12' },
    { remote: '-0', entity: 0, back: '0' },
    { remote: '12345678901234567890' },
    { remote: '1e999' },
    { remote: 'twelve' },
    ...(whole ? [{ remote: '1.5' }] : [{ remote: '1.50', entity: 1.5, back: '1.5' }]),
  ],
});

const TEXT_OF: readonly string[] = ['number', 'boolean'];
const stringStep: Step = {
  doc: 'Reads a number (or with `{"string": "boolean"}` true and false) as text and writes it as it was.',
  class: 'settling',
  arg: { enum: [...TEXT_OF] },
  bare: true,
  takes: ['number', 'boolean', 'string'],
  gives: () => ['string'],
  writes: (arg) => [arg === 'boolean' ? 'boolean' : 'number'],
  bind: (arg) => ({
    forward: (value) =>
      typeof value === 'object' ? wrongType(value, ['number', 'boolean', 'string']) : String(value),
    backward: (value) => {
      if (arg === 'boolean') {
        if (value === 'true' || value === 'false') return value === 'true';
        return new Misfit('format', `${shown(value)} is neither "true" nor "false"`);
      }
      const made = numberOf(value, false);
      if (made instanceof Misfit || String(made) === value) return made;
      return new Misfit('format', `${shown(value)} cannot be written as a number without loss`);
    },
  }),
  examples: [
    { remote: 12, entity: '12' },
    { arg: 'boolean', remote: true, entity: 'true' },
    { remote: { a: 1 } },
  ],
};

const booleanStep: Step = {
  doc: 'Reads "true" and "false" as truth; `{"boolean": {"true": "是", "false": "否"}}` for other words.',
  class: 'settling',
  arg: {
    type: 'object',
    required: ['true', 'false'],
    additionalProperties: false,
    properties: { true: { type: 'string', minLength: 1 }, false: { type: 'string', minLength: 1 } },
  },
  bare: true,
  takes: ['string', 'boolean'],
  gives: () => ['boolean'],
  writes: () => ['string'],
  bind: (arg) => {
    const yes = String(member(arg, 'true') ?? 'true');
    const no = String(member(arg, 'false') ?? 'false');
    return {
      forward: (value) => {
        if (typeof value === 'boolean') return value;
        if (typeof value !== 'string') return wrongType(value, ['string', 'boolean']);
        const word = value.trim().toLowerCase();
        if (word === yes.toLowerCase()) return true;
        if (word === no.toLowerCase()) return false;
        return new Misfit('not-covered', `${shown(value)} is neither ${shown(yes)} nor ${shown(no)}`);
      },
      backward: (value) => (typeof value === 'boolean' ? (value ? yes : no) : wrongType(value, ['boolean'])),
    };
  },
  examples: [
    { remote: 'true', entity: true },
    { remote: 'FALSE', entity: false, back: 'false' },
    { arg: { true: '是', false: '否' }, remote: '是', entity: true },
    { remote: 'maybe' },
  ],
};

const wordList = {
  type: 'array',
  minItems: 1,
  maxItems: 50,
  uniqueItems: true,
  items: { type: 'string', minLength: 1, maxLength: 50 },
};

const plain = (text: string): string => text.normalize('NFKC').trim().toLowerCase();

const wordsOf = (arg: Json | undefined, which: 'true' | 'false'): readonly string[] => {
  const list = member(arg, which);
  return Array.isArray(list) ? list.map(String) : [];
};

const boolWords: Step = {
  doc: 'Reads any of these words as true or false, whatever their case and width, and writes the first of them.',
  class: 'settling',
  arg: {
    type: 'object',
    required: ['true', 'false'],
    additionalProperties: false,
    properties: { true: wordList, false: wordList },
  },
  fault: (arg) => {
    const yes = new Set(wordsOf(arg, 'true').map(plain));
    const both = wordsOf(arg, 'false').find((word) => yes.has(plain(word)));
    return both === undefined ? null : `has ${shown(both)} for true and for false`;
  },
  takes: ['string', 'boolean'],
  gives: () => ['boolean'],
  writes: () => ['string'],
  bind: (arg) => {
    const known = new Map<string, boolean>();
    for (const word of wordsOf(arg, 'true')) known.set(plain(word), true);
    for (const word of wordsOf(arg, 'false')) known.set(plain(word), false);
    const [yes = 'true'] = wordsOf(arg, 'true');
    const [no = 'false'] = wordsOf(arg, 'false');
    return {
      forward: (value) => {
        if (typeof value === 'boolean') return value;
        if (typeof value !== 'string') return wrongType(value, ['string', 'boolean']);
        if (value.trim() === '') return null;
        return (
          known.get(plain(value)) ??
          new Misfit(
            'not-covered',
            `${shown(value)} is none of the words for yes and no (${[...known.keys()].join(', ')})`,
          )
        );
      },
      backward: (value) => (typeof value === 'boolean' ? (value ? yes : no) : wrongType(value, ['boolean'])),
    };
  },
  examples: [
    { arg: { true: ['是', 'yes', 'Y'], false: ['否', 'no', 'N'] }, remote: '是', entity: true },
    { arg: { true: ['是', 'yes', 'Y'], false: ['否', 'no', 'N'] }, remote: ' Ｙ ', entity: true, back: '是' },
    { arg: { true: ['是', 'yes', 'Y'], false: ['否', 'no', 'N'] }, remote: 'NO', entity: false, back: '否' },
    { arg: { true: ['是'], false: ['否'] }, remote: '', entity: null },
    { arg: { true: ['是'], false: ['否'] }, remote: '也许' },
  ],
};

// ---------------------------------------------------------------- tables and fixed values

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
    if (fallback === 'keep') return value;
    if (fallback === 'null') return null;
    if (fallback !== 'park') return fallback.value;
    const names = [...known.keys()].map(shown);
    const list = names.length > 12 ? `${names.slice(0, 12).join(', ')}, …` : names.join(', ');
    return new Misfit('not-covered', `${shown(value)} is not in the table (${list})`);
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

const prefix: Step = {
  doc: 'Puts this text before the remote value, and takes it off again.',
  class: 'exact',
  arg: { type: 'string', minLength: 1, maxLength: 100 },
  takes: ['string'],
  gives: () => ['string'],
  bind: (arg) => {
    const mark = String(arg);
    return {
      forward: (value) => (typeof value === 'string' ? mark + value : wrongType(value, ['string'])),
      backward: (value) => {
        if (typeof value !== 'string') return wrongType(value, ['string']);
        if (value.startsWith(mark) && value !== mark) return value.slice(mark.length);
        return new Misfit('step', `${shown(value)} does not start with ${shown(mark)}`);
      },
    };
  },
  examples: [
    { arg: 'HS-', remote: '42', entity: 'HS-42' },
    { arg: 'HS-', remote: 42 },
  ],
};

// ---------------------------------------------------------------- the table

const halfWidth = (text: string): string =>
  text
    .replace(/[\uFF01-\uFF5E]/gu, (letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) - 0xfee0))
    .replaceAll('\u3000', ' ');

const STEPS: Readonly<Record<string, Step>> = {
  trim: textStep('Takes blanks off both ends.', (text) => text.trim(), [
    { remote: ' a ', entity: 'a', back: 'a' },
    { remote: 7 },
  ]),
  lower: textStep('Makes all letters small.', (text) => text.toLowerCase(), [
    { remote: 'A@X.CN', entity: 'a@x.cn', back: 'a@x.cn' },
  ]),
  upper: textStep('Makes all letters capital.', (text) => text.toUpperCase(), [
    { remote: 'nsw', entity: 'NSW', back: 'NSW' },
  ]),
  'collapse-space': textStep(
    'Makes one blank of several, and takes them off both ends.',
    (text) => text.trim().replace(/\s+/gu, ' '),
    [{ remote: ' a  b ', entity: 'a b', back: 'a b' }],
  ),
  'half-width': textStep(
    'Turns full-width letters, digits and blanks into ordinary ones: ＡＢ１ is AB1.',
    halfWidth,
    [{ remote: 'ＡＢ１　甲', entity: 'AB1 甲', back: 'AB1 甲' }],
  ),
  string: stringStep,
  number: numberStep(false),
  integer: numberStep(true),
  boolean: booleanStep,
  'bool-words': boolWords,
  table,
  default: fallbackValue,
  constant,
  prefix,
  ...formatSteps,
  ...amountSteps,
  ...identifierSteps,
  ...composedSteps,
  ...listSteps((name) => stepNamed(name)),
};

export const stepNames: readonly string[] = Object.keys(STEPS);

/** The step of this name, or undefined. */
export const stepNamed = (name: string): Step | undefined =>
  Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;

/** The class of a step with its argument. */
export const classOf = (step: Step, arg: Json | undefined): StepClass =>
  typeof step.class === 'function' ? step.class(arg) : step.class;
