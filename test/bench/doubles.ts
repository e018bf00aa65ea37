/**
 * Made-up people and companies, Chinese and Western, of whom some stand in the table more than once: with typing
 * errors, in full width, in traditional characters, in pinyin, family name first, moved, with a new mobile.
 * Twins, colleagues and namesakes are there to be mistaken for one another. The same seed gives the same table.
 */
import { Converter } from 'opencc-js/cn2t';
import { pinyin } from 'pinyin-pro';
import { randomFrom, type Random } from '../../src/identity/random.ts';

export interface MadeUp {
  readonly header: readonly string[];
  /** The fields with their sorts, as `crosswalk dedupe --fields` takes them. */
  readonly fields: string;
  readonly rows: readonly (readonly string[])[];
  /** By row: which person or company it is. */
  readonly truth: Uint32Array;
}

const traditional = Converter({ from: 'cn', to: 't' });

/** 60 family names, the most frequent first; they cover some 75 % of the population. */
const surnames = [
  ...'王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓韩冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖',
  '欧阳',
  '司马',
  '诸葛',
];
const givenLetters = [
  ...('伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华文玉兰红梅建国志鹏飞俊宇浩然子轩梓涵欣怡雨晨思佳雪婷琳慧颖博睿泽瑞嘉诚' +
    '凯旋晓东海波云龙凤翔春夏秋冬松柏青山石玲珍珠宝金银铜铁福禄寿喜德仁义礼智信忠孝贤良淑惠'),
];
const firstNames = (
  'james mary robert patricia john jennifer michael linda david elizabeth william barbara richard susan joseph jessica thomas sarah ' +
  'charles karen christopher lisa daniel nancy matthew betty anthony sandra mark margaret donald ashley steven kimberly andrew emily ' +
  'paul donna joshua michelle kenneth carol kevin amanda brian melissa george deborah timothy stephanie ronald rebecca jason sharon ' +
  'edward laura jeffrey cynthia ryan dorothy jacob amy nicholas kathleen gary angela eric shirley jonathan emma stephen brenda larry ' +
  'pamela justin nicole scott anna brandon samantha benjamin katherine samuel christine gregory debra alexander rachel patrick carolyn ' +
  'frank janet raymond maria jack olivia dennis heather jerry helen tyler catherine aaron diane jose julie adam victoria nathan joyce'
).split(' ');
const nameStarts =
  'ash bar ben bran cal car chal dal dar ed el far fen gar gil had ham hol hart ken kir lan lin mar mel nor nel os pal pen ral ros san sel tal ton wal wes wil win'.split(
    ' ',
  );
const nameEnds =
  'ley son ton man field ford well wood worth ham er ing den more by land stone ward berg ner sen ski mont dale burn croft'.split(
    ' ',
  );
const cities =
  '上海 北京 广州 深圳 杭州 南京 苏州 武汉 成都 重庆 西安 天津 青岛 大连 宁波 厦门 长沙 郑州 济南 合肥'.split(
    ' ',
  );
const districts = '东城 西城 南山 北湖 江干 滨江 高新 新城 海淀 朝阳 浦东 宝山 天河 福田 雨花 武昌'.split(
  ' ',
);
const roadLetters = [
  ...'中山人民解放建设和平文化世纪长江黄河东风新华光明友谊胜利复兴延安南京北京科技创业金桥银城学院花园',
];
const towns =
  'ashford barton camden dalton easton fairview glenwood harlow irving kingston linden milford newton oakdale preston quincy ridley stafford trenton weston'.split(
    ' ',
  );
const trades =
  '科技 贸易 医疗器械 信息技术 电子 物流 食品 建筑工程 化工 文化传媒 生物科技 机械设备 国际贸易 软件 教育咨询'.split(
    ' ',
  );
const brands = [
  ...'华盛隆泰鑫源恒达瑞丰宏远天成百川汇通安信嘉禾金鼎明德博雅佳合顺正中联东方卓越凯创新维立诺科思迈',
];
const domains =
  'qq.com 163.com 126.com gmail.com outlook.com foxmail.com sina.com yahoo.com hotmail.com'.split(' ');

class Dice {
  /** Addresses that are given out: no two people have the same. */
  readonly emails = new Set<string>();
  readonly #random: Random;
  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }
  below = (n: number): number => this.#random.below(n);
  chance = (p: number): boolean => this.#random.share() < p;
  /** The first of a list are picked far more often than the last. */
  early = <T>(list: readonly T[]): T => this.pick(list, Math.floor(list.length * this.#random.share() ** 2));
  pick = <T>(list: readonly T[], at = this.below(list.length)): T => list[at] as T;
  digits = (n: number): string => Array.from({ length: n }, () => String(this.below(10))).join('');
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const mobile = (dice: Dice): string => `1${dice.pick([...'356789'])}${dice.digits(9)}`;
const letters = (text: string): string[] => pinyin(text, { toneType: 'none', type: 'array', v: true });
const chineseAddress = (dice: Dice): string =>
  `${dice.early(cities)}市${dice.pick(districts)}区${dice.pick(roadLetters)}${dice.pick(roadLetters)}路${1 + dice.below(900)}号${
    dice.chance(0.5) ? `${1 + dice.below(30)}幢${1 + dice.below(20)}0${1 + dice.below(9)}室` : ''
  }`;
const westernAddress = (dice: Dice): string =>
  `${1 + dice.below(400)} ${capital(dice.pick(nameStarts) + dice.pick(nameEnds))} ${dice.pick(['Street', 'Road', 'Avenue', 'Lane', 'Drive'])}, ${capital(dice.early(towns))}`;

// ---------------------------------------------------------------- errors

const insertOrDrop = (dice: Dice, text: string): string => {
  const at = dice.below(Math.max(1, text.length));
  const kind = dice.below(4);
  if (text.length < 3) return text;
  if (kind === 0) return text.slice(0, at) + text.slice(at + 1);
  if (kind === 1) return text.slice(0, at) + text.charAt(at) + text.slice(at);
  if (kind === 2 && at + 1 < text.length)
    return text.slice(0, at) + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2);
  const letter = /\d/u.test(text.charAt(at))
    ? String(dice.below(10))
    : String.fromCodePoint(97 + dice.below(26));
  return text.slice(0, at) + letter + text.slice(at + 1);
};

const fullWidth = (text: string): string =>
  text.replace(/[!-~]/gu, (letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) + 0xfee0));

/** Another character that sounds the same, if the list has one. */
const homophone = (dice: Dice, name: string): string => {
  const last = name.slice(-1);
  const sound = letters(last)[0];
  const others = givenLetters.filter((letter) => letter !== last && letters(letter)[0] === sound);
  return others.length === 0 ? name : name.slice(0, -1) + dice.pick(others);
};

// ---------------------------------------------------------------- people

interface Person {
  readonly chinese: boolean;
  readonly family: string;
  readonly given: string;
  readonly mobile: string;
  readonly email: string;
  readonly company: string;
  readonly address: string;
  readonly birth: string;
}

const birthOf = (dice: Dice): string =>
  `${1950 + dice.below(55)}-${String(1 + dice.below(12)).padStart(2, '0')}-${String(1 + dice.below(28)).padStart(2, '0')}`;

const companyOf = (dice: Dice, chinese: boolean): string =>
  chinese
    ? `${dice.early(cities)}${dice.pick(brands)}${dice.pick(brands)}${dice.pick(trades)}有限公司`
    : `${capital(dice.pick(nameStarts) + dice.pick(nameEnds))} ${dice.pick(['Systems', 'Trading', 'Foods', 'Logistics', 'Medical'])} ${dice.pick(['Ltd', 'Inc', 'GmbH', 'LLC'])}`;

const emailOf = (dice: Dice, chinese: boolean, family: string, given: string): string => {
  const [f, g] = chinese
    ? [letters(family).join(''), letters(given).join('')]
    : [family, given].map((one) => one.toLowerCase());
  const local = dice.pick([`${g}.${f}`, `${f}${g}`, `${g?.charAt(0)}${f}`, `${f}_${g}`]);
  const domain = dice.early(domains);
  let made = `${local}${dice.chance(0.7) ? dice.digits(2 + dice.below(3)) : ''}@${domain}`;
  while (dice.emails.has(made)) made = `${local}${dice.digits(5)}@${domain}`;
  dice.emails.add(made);
  return made;
};

const personOf = (dice: Dice, employers: readonly string[][]): Person => {
  const chinese = dice.chance(0.6);
  const family = chinese ? dice.early(surnames) : capital(dice.pick(nameStarts) + dice.pick(nameEnds));
  const one = dice.pick(givenLetters);
  const given = chinese
    ? dice.chance(0.25)
      ? one
      : one + dice.pick(givenLetters)
    : capital(dice.early(firstNames));
  return {
    chinese,
    family,
    given,
    mobile: dice.chance(0.9) ? (chinese ? mobile(dice) : `+44 7${dice.digits(3)} ${dice.digits(6)}`) : '',
    email: dice.chance(0.75) ? emailOf(dice, chinese, family, given) : '',
    company: dice.chance(0.85) ? dice.pick(employers[chinese ? 0 : 1] ?? []) : '',
    address: dice.chance(0.8) ? (chinese ? chineseAddress(dice) : westernAddress(dice)) : '',
    birth: dice.chance(0.7) ? birthOf(dice) : '',
  };
};

/** Somebody else: a twin at the same address, a colleague, a relative, a namesake. */
const mistakable = (dice: Dice, person: Person, employers: readonly string[][]): Person => {
  const other = { ...personOf(dice, employers), chinese: person.chinese };
  const letter = dice.pick(givenLetters);
  const given = person.chinese
    ? dice.chance(0.5)
      ? letter
      : letter + dice.pick(givenLetters)
    : capital(dice.pick(firstNames));
  const own = {
    ...other,
    given,
    family: person.family,
    mobile: person.chinese ? mobile(dice) : `+44 7${dice.digits(3)} ${dice.digits(6)}`,
    email: emailOf(dice, person.chinese, person.family, given),
  };
  const kind = dice.below(4);
  if (kind === 0)
    // A twin, now and then with the parents' telephone.
    return {
      ...own,
      company: '',
      address: person.address,
      birth: person.birth,
      mobile: dice.chance(0.3) ? person.mobile : own.mobile,
    };
  if (kind === 1) return { ...own, address: person.address, birth: birthOf(dice) };
  if (kind === 2)
    // A colleague under the same switchboard.
    return {
      ...own,
      family: other.chinese ? dice.early(surnames) : own.family,
      company: person.company,
      address: person.address,
      birth: birthOf(dice),
    };
  return {
    ...own,
    given: person.given,
    company: other.company,
    address: person.chinese ? chineseAddress(dice) : westernAddress(dice),
    birth: birthOf(dice),
  };
};

const nameOf = (dice: Dice, { chinese, family, given }: Person): string => {
  if (!chinese) return dice.chance(0.8) ? `${given} ${family}` : `${family}, ${given}`;
  return dice.chance(0.95) ? family + given : `${family} ${given}`;
};

const plainRow = (dice: Dice, person: Person): string[] => [
  nameOf(dice, person),
  person.mobile,
  person.email,
  person.company,
  person.address,
  person.birth,
];

/** One thing that goes wrong, or changes, between two records of a person. */
const worsePerson = (dice: Dice, row: string[], person: Person): void => {
  const { chinese, family, given } = person;
  const at = dice.below(12);
  const slip = (column: number): void => {
    row[column] = insertOrDrop(dice, row[column] ?? '');
  };
  if (at === 0)
    row[1] = chinese
      ? `+86 ${person.mobile.slice(0, 3)}-${person.mobile.slice(3, 7)}-${person.mobile.slice(7)}`
      : person.mobile.replace('+44 ', '0');
  else if (at === 1) row[1] = fullWidth(row[1] ?? '');
  else if (at === 2 && chinese) row[0] = traditional(row[0] ?? '');
  else if (at === 3 && chinese)
    row[0] = dice.chance(0.5)
      ? `${capital(letters(given).join(''))} ${capital(letters(family).join(''))}`
      : homophone(dice, family + given);
  else if (at === 4) row[0] = chinese ? given + family : `${given.charAt(0)}. ${family}`;
  else if (at === 5) row[1] = chinese ? mobile(dice) : `+44 7${dice.digits(3)} ${dice.digits(6)}`;
  else if (at === 6) row[4] = chinese ? chineseAddress(dice) : westernAddress(dice);
  else if (at === 7)
    row[3] = dice.chance(0.5) ? '' : (row[3] ?? '').replace(/有限公司$| (?:Ltd|Inc|GmbH|LLC)$/u, '');
  else if (at === 8)
    row[2] = dice.chance(0.5) ? '' : (row[2] ?? '').replace(/@.*$/u, `@${dice.pick(domains)}`);
  else if (at === 9) row[5] = dice.chance(0.5) ? '' : (row[5] ?? '').replaceAll('-', '/');
  else if (at === 10) slip(dice.pick([1, 2, 5]));
  else slip(chinese ? dice.pick([1, 2, 4]) : dice.pick([0, 0, 2, 4]));
};

// ---------------------------------------------------------------- companies

const codeLetters = '0123456789ABCDEFGHJKLMNPQRTUWXY';
/** A valid 统一社会信用代码 (GB 32100-2015). */
const creditCodeOf = (dice: Dice): string => {
  const code = `91${dice.digits(6)}MA${Array.from({ length: 7 }, () => dice.pick([...codeLetters])).join('')}`;
  let sum = 0;
  let weight = 1;
  for (const letter of code) {
    sum += codeLetters.indexOf(letter) * weight;
    weight = (weight * 3) % 31;
  }
  return code + (codeLetters[(31 - (sum % 31)) % 31] ?? '');
};

const firmOf = (dice: Dice): string[] => {
  const chinese = dice.chance(0.7);
  return [
    companyOf(dice, chinese),
    chinese && dice.chance(0.7) ? creditCodeOf(dice) : '',
    dice.chance(0.85)
      ? chinese
        ? `0${dice.pick(['21', '10', '571', '755'])}-${dice.digits(8)}`
        : `+44 20 ${dice.digits(4)} ${dice.digits(4)}`
      : '',
    dice.chance(0.85) ? (chinese ? chineseAddress(dice) : westernAddress(dice)) : '',
    dice.chance(0.6)
      ? `www.${dice.pick(nameStarts)}${dice.pick(nameEnds)}${dice.digits(3)}.${chinese ? 'cn' : 'com'}`
      : '',
  ];
};

const worseFirm = (dice: Dice, row: string[]): void => {
  const name = row[0] ?? '';
  const at = dice.below(9);
  const city = cities.find((one) => name.startsWith(one));
  if (at === 0) row[0] = city === undefined ? name.replace(/ \w+$/u, '') : name.replace(/有限公司$/u, '');
  else if (at === 1 && city !== undefined)
    row[0] = name.slice(city.length).replace(/有限公司$/u, `（${city}）有限公司`);
  else if (at === 2) row[0] = city === undefined ? name.toUpperCase() : traditional(name);
  else if (at === 3) row[0] = city === undefined ? insertOrDrop(dice, name) : name.slice(city.length);
  else if (at === 4) row[1] = dice.chance(0.6) ? '' : fullWidth(row[1] ?? '');
  else if (at === 5) row[2] = city === undefined ? '' : (row[2] ?? '').replace(/^0/u, '+86 ');
  else if (at === 6) row[3] = city === undefined ? westernAddress(dice) : chineseAddress(dice);
  else if (at === 7) row[2] = insertOrDrop(dice, row[2] ?? '');
  else row[4] = dice.chance(0.5) ? '' : `https://${row[4] ?? ''}/`;
};

// ---------------------------------------------------------------- tables

/** Mixes rows and their truth in one seeded order. */
const shuffled = (dice: Dice, rows: string[][], truth: number[]): Pick<MadeUp, 'rows' | 'truth'> => {
  for (let i = rows.length - 1; i > 0; i -= 1) {
    const j = dice.below(i + 1);
    [rows[i], rows[j]] = [rows[j] as string[], rows[i] as string[]];
    [truth[i], truth[j]] = [truth[j] as number, truth[i] as number];
  }
  return { rows, truth: Uint32Array.from(truth) };
};

/** Further records of one in six: one, seldom two or three, each with one to three things changed. */
const again = (dice: Dice): number => (dice.chance(1 / 6) ? (dice.chance(0.8) ? 1 : 2 + dice.below(2)) : 0);

export const madeUpPeople = (size: number, seed: number): MadeUp => {
  const dice = new Dice(seed);
  const employers = [true, false].map((chinese) =>
    Array.from({ length: Math.max(20, Math.floor(size / 12)) }, () => companyOf(dice, chinese)),
  );
  const rows: string[][] = [];
  const truth: number[] = [];
  let entity = 0;
  const file = (person: Person): void => {
    entity += 1;
    const own = plainRow(dice, person);
    rows.push(own);
    truth.push(entity);
    for (let n = again(dice); n > 0; n -= 1) {
      const row = plainRow(dice, person);
      for (let changes = 1 + dice.below(3); changes > 0; changes -= 1) worsePerson(dice, row, person);
      rows.push(row);
      truth.push(entity);
    }
  };
  while (rows.length < size) {
    const person = personOf(dice, employers);
    file(person);
    if (dice.chance(0.08)) file(mistakable(dice, person, employers));
  }
  return {
    header: ['name', 'mobile', 'email', 'company', 'address', 'birth'],
    fields: 'name:person,mobile:phone,email:email,company:company,address:address,birth:date',
    ...shuffled(dice, rows.slice(0, size), truth.slice(0, size)),
  };
};

export const madeUpCompanies = (size: number, seed: number): MadeUp => {
  const dice = new Dice(seed);
  const rows: string[][] = [];
  const truth: number[] = [];
  let entity = 0;
  const file = (firm: readonly string[]): void => {
    entity += 1;
    rows.push([...firm]);
    truth.push(entity);
    for (let n = again(dice); n > 0; n -= 1) {
      const row = [...firm];
      for (let changes = 1 + dice.below(3); changes > 0; changes -= 1) worseFirm(dice, row);
      rows.push(row);
      truth.push(entity);
    }
  };
  while (rows.length < size) {
    const firm = firmOf(dice);
    file(firm);
    // Another of the same name in another city, or another in the same house.
    const [other, neighbour] = [firmOf(dice), firmOf(dice)];
    const city = cities.find((one) => firm[0]?.startsWith(one));
    if (dice.chance(0.04) && city !== undefined)
      file([
        (firm[0] ?? '').replace(city, dice.pick(cities.filter((one) => one !== city))),
        ...other.slice(1),
      ]);
    if (dice.chance(0.04)) file(neighbour.with(3, firm[3] ?? ''));
  }
  return {
    header: ['name', 'creditCode', 'phone', 'address', 'website'],
    fields: 'name:company,creditCode:credit-code,phone:phone,address:address,website:website',
    ...shuffled(dice, rows.slice(0, size), truth.slice(0, size)),
  };
};
