import type { Json } from '../connector.ts';
import { member } from './place.ts';
import { shown } from './schema.ts';
import { Misfit, wrongType, normal } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Numbers and truth. */

const NUMERIC = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*$/u;

/** The number that a text writes, or a Misfit if it is none or would lose digits. */
const numberOf = (value: Json, whole: boolean): Outcome => {
  const wanted = whole ? 'a whole number' : 'a number';
  if (typeof value !== 'number' && typeof value !== 'string') {
    return wrongType(value, [whole ? 'integer' : 'number', 'string']);
  }
  if (typeof value === 'string' && !NUMERIC.test(value)) {
    return value.trim() === '' ? null : new Misfit('format', `is not ${wanted}`, value);
  }
  const made = Number(value) + 0;
  if (!Number.isFinite(made) || (whole && !Number.isInteger(made))) {
    return new Misfit('format', `is not ${wanted}`, value);
  }
  if (Math.abs(made) > Number.MAX_SAFE_INTEGER) {
    return new Misfit('format', `has more digits than a number keeps; read it as text`, value);
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
        return new Misfit('format', `is neither "true" nor "false"`, value);
      }
      const made = numberOf(value, false);
      if (made instanceof Misfit || String(made) === value) return made;
      return new Misfit('format', `cannot be written as a number without loss`, value);
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
    properties: {
      true: { description: 'The word for true.', type: 'string', minLength: 1 },
      false: { description: 'The word for false.', type: 'string', minLength: 1 },
    },
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
        return new Misfit('not-covered', `is neither ${shown(yes)} nor ${shown(no)}`, value);
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

const plain = (text: string): string => normal(text).trim().toLowerCase();

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
    properties: {
      true: { description: 'The words for true; the first is written.', ...wordList },
      false: { description: 'The words for false; the first is written.', ...wordList },
    },
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
            `is none of the words for yes and no (${[...known.keys()].join(', ')})`,
            value,
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

export const scalarSteps: Readonly<Record<string, Step>> = {
  string: stringStep,
  number: numberStep(false),
  integer: numberStep(true),
  boolean: booleanStep,
  'bool-words': boolWords,
};
