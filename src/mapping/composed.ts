import type { Json } from '../connector.ts';
import { shown } from './schema.ts';
import { Misfit, wrongType } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Steps that make one value of several, or several of one. */

const EAST = /^[\p{Script=Han}\p{Script=Hangul}·\s]+$/u;
/** Family names of two characters; all others have one. */
const DOUBLE_SURNAMES: ReadonlySet<string> = new Set(
  (
    '欧阳 司马 上官 诸葛 夏侯 东方 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 司徒 司空 端木 独孤 南宫 轩辕 百里 ' +
    '东郭 西门 呼延 公冶 太史 申屠 公羊 澹台 濮阳 淳于 单于 仲孙 钟离 闻人 歐陽 司馬 上官 諸葛 東方 ' +
    '남궁 황보 제갈 선우 독고 사공 서문'
  ).split(' '),
);

const tidy = (text: string): string => {
  const single = text.trim().replace(/\s+/gu, ' ');
  return EAST.test(single) ? single.replaceAll(' ', '') : single;
};

/** 王 + 小明 → 王小明; Smith + Ann → Ann Smith. */
const joinName = (last: string, first: string): string => {
  const eastern = EAST.test(last) && EAST.test(first);
  return tidy(eastern ? last + first : `${first} ${last}`);
};

/** The way back: [family name, given name]; a name of one word is a family name. */
const splitName = (name: string): readonly [string, string] => {
  const given = name.trim();
  if (EAST.test(given)) {
    const spaced = /^(\S+)\s+(.+)$/u.exec(given);
    if (spaced !== null) return [spaced[1] ?? '', (spaced[2] ?? '').replace(/\s+/gu, '')];
    // A dotted name (买买提·艾力) has no family name to cut off.
    const letters = [...given];
    if (given.includes('·') || letters.length < 2) return [given, ''];
    const cut = letters.length > 2 && DOUBLE_SURNAMES.has(letters.slice(0, 2).join('')) ? 2 : 1;
    return [letters.slice(0, cut).join(''), letters.slice(cut).join('')];
  }
  const words = tidy(given).split(' ');
  return [words.at(-1) ?? '', words.slice(0, -1).join(' ')];
};

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

const personName: Step = {
  doc:
    'Makes one name of two places, family name first, and parts it again: 王 + 小明 is 王小明, ' +
    'Smith + Ann is Ann Smith. A name of one word is kept as a family name.',
  class: 'settling',
  takes: ['array'],
  gives: () => ['string'],
  places: 2,
  bind: () => ({
    forward: (value) => {
      const texts = textsOf(value);
      if (texts === null) return wrongType(value, ['string']);
      return orEmpty(joinName(texts[0] ?? '', texts[1] ?? ''));
    },
    backward: (value) =>
      typeof value === 'string' ? splitName(value).map(orEmpty) : wrongType(value, ['string']),
  }),
  examples: [
    { remote: ['王', '小明'], entity: '王小明' },
    { remote: ['欧阳', '修文'], entity: '欧阳修文' },
    { remote: ['Smith', 'Ann Marie'], entity: 'Ann Marie Smith' },
    { remote: ['Madonna', null], entity: 'Madonna' },
    { remote: [null, 'Cher'], entity: 'Cher', back: ['Cher', null] },
    { remote: ['王', 'David'], entity: 'David 王' },
    { remote: ['买买提·艾力', null], entity: '买买提·艾力' },
    { remote: ['王 小明', null], entity: '王小明', back: ['王', '小明'] },
    { remote: [null, null], entity: null },
    { remote: [7, null] },
  ],
};

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

export const composedSteps: Readonly<Record<string, Step>> = { 'person-name': personName, split, join };
