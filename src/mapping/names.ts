import type { Json } from '../connector.ts';
import { member } from './place.ts';
import { wrongType } from './step.ts';
import type { Step } from './step.ts';

/** Names of people: one text here, a place for each part of the name there. */

/** Scripts that are written without blanks between the parts of a name. */
const EAST = /^[\p{Script=Han}\p{Script=Hangul}·\s]+$/u;
/** Japanese names with kana in them: nothing but a blank tells their parts. */
const KANA =
  /^(?=.*[\p{Script=Hiragana}\p{Script=Katakana}])[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー々・\s]+$/u;

/** Family names of two characters: those of 百家姓 and others in use, traditional forms, Korean ones. All others have one. */
const DOUBLE_SURNAMES: ReadonlySet<string> = new Set(
  (
    '欧阳 司马 上官 诸葛 夏侯 东方 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 司徒 司空 端木 独孤 南宫 轩辕 百里 东郭 西门 呼延 ' +
    '公冶 太史 申屠 公羊 澹台 濮阳 淳于 单于 仲孙 钟离 闻人 赫连 宗政 太叔 鲜于 闾丘 亓官 司寇 子车 颛孙 巫马 公西 漆雕 ' +
    '乐正 壤驷 公良 拓跋 夹谷 宰父 谷梁 段干 南门 东门 羊舌 微生 梁丘 左丘 第五 万俟 纳兰 完颜 叶赫 ' +
    '歐陽 司馬 諸葛 東方 尉遲 公孫 長孫 獨孤 南宮 軒轅 東郭 西門 澹臺 濮陽 單于 仲孫 鍾離 聞人 赫連 鮮于 閭丘 子車 顓孫 ' +
    '巫馬 樂正 壤駟 夾谷 穀梁 南門 東門 梁丘 万俟 萬俟 納蘭 完顏 葉赫 ' +
    '남궁 황보 제갈 선우 독고 사공 서문'
  ).split(' '),
);
const LONG_SURNAMES: readonly string[] = ['爱新觉罗', '愛新覺羅', '叶赫那拉', '葉赫那拉'];

/** Words that belong to the family name behind them, as they are written: in small letters. */
const PARTICLES: ReadonlySet<string> = new Set(
  'af al ap ben bin bint da dal de degli dei del della den der des di do dos du e el ibn la las le lo los ten ter van vom von y zu zum zur'.split(
    ' ',
  ),
);
/** Words behind the family name that are part of it. */
const SUFFIX = /^(?:jr|sr|ii|iii|iv|phd|md)\.?$/iu;

const PARTS = ['family', 'given', 'middle'] as const;
type Part = (typeof PARTS)[number];
type Name = Readonly<Record<Part, string>>;

const tidy = (text: string): string => {
  const single = text.trim().replace(/\s+/gu, ' ');
  return EAST.test(single) ? single.replaceAll(' ', '') : single;
};

/** 王 + 小明 → 王小明; Smith + Ann → Ann Smith; 山田 + たろう → 山田 たろう. */
const joined = ({ family, given, middle }: Name, familyFirst: boolean): string => {
  const all = [family, middle, given].map((part) => part.trim()).filter((part) => part !== '');
  if (all.every((part) => EAST.test(part))) return tidy(all.join(''));
  const eastern = familyFirst || KANA.test(all.join(' '));
  return tidy((eastern ? [family, given, middle] : [given, middle, family]).join(' '));
};

const ofOne = (family: string): Name => ({ family, given: '', middle: '' });

/** A name in Chinese or Korean letters, parted at its blank or by the list of family names. */
const partedEast = (name: string): Name => {
  const spaced = /^(\S+)\s+(.+)$/u.exec(name);
  if (spaced !== null)
    return { family: spaced[1] ?? '', given: (spaced[2] ?? '').replace(/\s+/gu, ''), middle: '' };
  const letters = [...name];
  // A dotted name (买买提·艾力) has no family name to cut off.
  if (name.includes('·') || letters.length < 2) return ofOne(name);
  const long = LONG_SURNAMES.find((one) => name.startsWith(one) && name !== one);
  const size = letters.length > 2 && DOUBLE_SURNAMES.has(letters.slice(0, 2).join('')) ? 2 : 1;
  const cut = long === undefined ? size : 4;
  return { family: letters.slice(0, cut).join(''), given: letters.slice(cut).join(''), middle: '' };
};

/** Where the family name begins: at the last word, with the particles before it and a Jr. behind it. */
const familyFrom = (words: readonly string[]): number => {
  let at = words.length - 1;
  if (at > 1 && SUFFIX.test(words[at] ?? '')) at -= 1;
  while (at > 1 && PARTICLES.has(words[at - 1] ?? '')) at -= 1;
  return at;
};

/** The way back. A name of one word is a family name; `middle` is empty unless it is asked for. */
const parted = (text: string, familyFirst: boolean, withMiddle: boolean): Name => {
  const name = text.trim();
  if (EAST.test(name)) return partedEast(name);
  const words = tidy(name).split(' ');
  if (words.length === 1) return ofOne(words[0] ?? '');
  const eastern = familyFirst || KANA.test(name);
  const from = eastern ? 1 : familyFrom(words);
  const family = (eastern ? words.slice(0, 1) : words.slice(from)).join(' ');
  const others = eastern ? words.slice(1) : words.slice(0, from);
  if (!withMiddle) return { family, given: others.join(' '), middle: '' };
  return { family, given: others[0] ?? '', middle: others.slice(1).join(' ') };
};

const placesIn = (arg: Json | undefined): readonly Part[] => {
  const said = member(arg, 'places');
  if (!Array.isArray(said)) return ['family', 'given'];
  return said.flatMap((name) => PARTS.find((part) => part === name) ?? []);
};

const personName: Step = {
  doc:
    'Makes one name of two places, family name first, and parts it again: 王 + 小明 is 王小明, Smith + Ann is Ann Smith. ' +
    'Which part each place holds may be said: {"person-name": {"places": ["given", "middle", "family"]}}; with "order": ' +
    '"family-first" names in Latin letters are Wang Xiaoming too. 欧阳 and its like, van der Berg and Smith Jr. stay ' +
    'together; a name of one word is kept as a family name.',
  class: 'settling',
  arg: {
    type: 'object',
    minProperties: 1,
    additionalProperties: false,
    properties: {
      places: {
        description: 'Which part of the name each place holds, in their order.',
        type: 'array',
        minItems: 2,
        maxItems: 3,
        uniqueItems: true,
        items: { enum: [...PARTS] },
      },
      order: {
        description: 'family-first: in Latin letters too the family name stands first, as in Wang Xiaoming.',
        enum: ['family-first'],
      },
    },
  },
  fault: (arg) => {
    const places = placesIn(arg);
    const lacking = (['family', 'given'] as const).find((part) => !places.includes(part));
    return lacking === undefined ? null : `names no place for the ${lacking} name`;
  },
  bare: true,
  takes: ['array'],
  gives: () => ['string'],
  places: (arg) => placesIn(arg).length,
  bind: (arg) => {
    const places = placesIn(arg);
    const familyFirst = member(arg, 'order') === 'family-first';
    return {
      forward: (value) => {
        if (!Array.isArray(value)) return wrongType(value, ['array']);
        const name = { family: '', given: '', middle: '' };
        for (const [index, part] of places.entries()) {
          const text = value[index] ?? null;
          if (text === null) continue;
          if (typeof text !== 'string') return wrongType(text, ['string']);
          name[part] = text;
        }
        const made = joined(name, familyFirst);
        return made === '' ? null : made;
      },
      backward: (value) => {
        if (typeof value !== 'string') return wrongType(value, ['string']);
        const name = parted(value, familyFirst, places.includes('middle'));
        return places.map((part) => (name[part] === '' ? null : name[part]));
      },
    };
  },
  examples: [
    { remote: ['王', '小明'], entity: '王小明' },
    { remote: ['欧阳', '修'], entity: '欧阳修' },
    { remote: ['司馬', '相如'], entity: '司馬相如' },
    { remote: ['爱新觉罗', '溥仪'], entity: '爱新觉罗溥仪' },
    { remote: ['欧', '阳'], entity: '欧阳' },
    { remote: ['Smith', 'Ann Marie'], entity: 'Ann Marie Smith' },
    { remote: ['van der Berg', 'Jan'], entity: 'Jan van der Berg' },
    { remote: ['King Jr.', 'Martin Luther'], entity: 'Martin Luther King Jr.' },
    { remote: ['Madonna', null], entity: 'Madonna' },
    { remote: [null, 'Cher'], entity: 'Cher', back: ['Cher', null] },
    { remote: ['王', 'David'], entity: 'David 王' },
    { remote: ['山田', 'たろう'], entity: '山田 たろう' },
    { remote: ['买买提·艾力', null], entity: '买买提·艾力' },
    { remote: ['王 小明', null], entity: '王小明', back: ['王', '小明'] },
    { arg: { places: ['given', 'family'] }, remote: ['Ann', 'Smith'], entity: 'Ann Smith' },
    {
      arg: { places: ['given', 'middle', 'family'] },
      remote: ['Ann', 'Marie Jane', 'Smith'],
      entity: 'Ann Marie Jane Smith',
    },
    { arg: { places: ['given', 'middle', 'family'] }, remote: ['小明', null, '王'], entity: '王小明' },
    { arg: { places: ['given', 'middle', 'family'] }, remote: ['Ann', null, 'Smith'], entity: 'Ann Smith' },
    { arg: { order: 'family-first' }, remote: ['Wang', 'Xiaoming'], entity: 'Wang Xiaoming' },
    { remote: [null, null], entity: null },
    { remote: [7, null] },
  ],
};

export const nameSteps: Readonly<Record<string, Step>> = { 'person-name': personName };
