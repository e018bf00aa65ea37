import type { Json } from '../connector.ts';
import { shown } from './schema.ts';
import { Misfit, wrongType } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Steps that make one value of several, or several of one. */

const textsOf = (value: Json): readonly string[] | null => {
  if (!Array.isArray(value)) return null;
  const texts: string[] = [];
  for (const item of value) {
    if (item === null) texts.push('');
    else if (typeof item === 'string') texts.push(item);
    else return null;
  }
  return texts;
};

const orEmpty = (text: string): Json => (text === '' ? null : text);

const separator = { type: 'string', minLength: 1, maxLength: 20 };

const split: Step = {
  doc: 'Makes a list of one text at each separator, and one text of the list again: "a;b" is ["a", "b"].',
  class: 'settling',
  arg: separator,
  takes: ['string'],
  gives: () => ['array'],
  bind: (arg) => {
    const mark = String(arg);
    const parts = (text: string): string[] =>
      text
        .split(mark)
        .map((part) => part.trim())
        .filter((part) => part !== '');
    return {
      forward: (value) => (typeof value === 'string' ? parts(value) : wrongType(value, ['string'])),
      backward: (value) => {
        const texts = textsOf(value);
        if (texts === null) return wrongType(value, ['array']);
        const bad = texts.find((text) => text.includes(mark));
        if (bad !== undefined) {
          return new Misfit('step', `contains the separator ${shown(mark)}`, bad);
        }
        return texts.filter((text) => text !== '').join(mark);
      },
    };
  },
  examples: [
    { arg: ';', remote: 'a;b', entity: ['a', 'b'] },
    { arg: ';', remote: ';a; b', entity: ['a', 'b'], back: 'a;b' },
    { arg: ';', remote: 5 },
  ],
};

const join: Step = {
  doc: 'Makes one text of several places or of a list, leaving out what is empty. There is no way back.',
  class: 'lossy',
  arg: { type: 'string', maxLength: 20 },
  takes: ['array'],
  gives: () => ['string'],
  places: 'any',
  bind: (arg) => {
    const between = String(arg);
    return {
      forward: (value): Outcome => {
        const texts = textsOf(value);
        if (texts === null) return wrongType(value, ['string']);
        let made = '';
        let first = true;
        for (const text of texts) {
          if (text === '' || text.trim() === '') continue;
          made = first ? text : made + between + text;
          first = false;
        }
        return orEmpty(made);
      },
    };
  },
  examples: [
    { arg: ' ', remote: ['浦东新区', null, '世纪大道 1 号'], entity: '浦东新区 世纪大道 1 号' },
    { arg: '', remote: ['上海', '浦东'], entity: '上海浦东' },
    { arg: ', ', remote: [1] },
  ],
};

export const composedSteps: Readonly<Record<string, Step>> = { split, join };
