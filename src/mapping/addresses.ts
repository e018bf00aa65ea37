import type { Json } from '../connector.ts';
import { Misfit, wrongType, normal } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** A Chinese address in its four parts and in one line. */

/** GB/T 2260: the 34 divisions of the first level, and the short names that people write. */
const PROVINCES: readonly (readonly [string, string])[] = [
  ...'北京 天津 上海 重庆'.split(' ').map((name): [string, string] => [`${name}市`, name]),
  ...'河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 青海 台湾'
    .split(' ')
    .map((name): [string, string] => [`${name}省`, name]),
  ['内蒙古自治区', '内蒙古'],
  ['广西壮族自治区', '广西'],
  ['西藏自治区', '西藏'],
  ['宁夏回族自治区', '宁夏'],
  ['新疆维吾尔自治区', '新疆'],
  ['香港特别行政区', '香港'],
  ['澳门特别行政区', '澳门'],
];
const CENTRAL: ReadonlySet<string> = new Set(['北京市', '天津市', '上海市', '重庆市']);

/** The shortest text that ends as a division of the second level does, and is more than the ending. */
const CITY = /^[\p{Script=Han}]{2,10}?(?:自治州|地区|盟|市)/u;
const DISTRICT = /^[\p{Script=Han}]{1,12}?(?:自治县|自治旗|林区|特区|区|县|旗|市)/u;

type Parts = readonly [province: string, city: string, district: string, detail: string];

const take = (text: string, pattern: RegExp): readonly [string, string] => {
  const found = pattern.exec(text)?.[0] ?? '';
  return [found, text.slice(found.length)];
};

const splitAddress = (text: string): Parts => {
  const known = PROVINCES.find(([full]) => text.startsWith(full));
  const province = known?.[0] ?? '';
  let rest = text.slice(province.length);
  let city = '';
  if (CENTRAL.has(province)) {
    city = province;
    while (rest.startsWith(province)) rest = rest.slice(province.length);
  } else [city, rest] = take(rest, CITY);
  // Without a city nothing says that 区 is a district and no part of a name.
  if (province === '' && city === '') return ['', '', '', text];
  const [district, detail] = take(rest, DISTRICT);
  return [province, city, district, detail];
};

const joinAddress = ([province, city, district, detail]: Parts): string =>
  `${province}${city === province ? '' : city}${district}${detail}`;

const clean = (value: Json): string | null => {
  if (value === null) return '';
  return typeof value === 'string' ? normal(value).trim().replace(/\s+/gu, ' ') : null;
};

const partsFrom = (value: Json): Parts | Misfit => {
  if (!Array.isArray(value)) return wrongType(value, ['array']);
  const texts = value.map(clean);
  const [province = '', city = '', district = '', detail = ''] = texts.map((text) => text ?? '');
  if (texts.includes(null)) return wrongType(value[texts.indexOf(null)] ?? null, ['string']);
  // 浙江 and 浙江省 are the same; only the full name is split off again.
  const full = PROVINCES.find(([, short]) => short === province)?.[0] ?? province;
  return [full, full !== province && city === province ? full : city, district, detail];
};

/** More turns than any line takes: each takes out a blank between two parts. */
const MOST_TURNS = 8;

/**
 * The line that comes back from its parts as it is: without blanks where it is parted, and with a letter and a mark
 * that stood in two places as the one letter that they are.
 */
const settled = (line: string): string => {
  let now = clean(line) ?? '';
  for (let turn = 0; turn < MOST_TURNS; turn += 1) {
    const next = clean(joinAddress(partsOf(now))) ?? '';
    if (next === now) break;
    now = next;
  }
  return now;
};

const partsOf = (line: string): Parts => {
  const [province, city, district, detail] = splitAddress(line);
  return [province.trim(), city.trim(), district.trim(), detail.trim()];
};

const orEmpty = (text: string): Json => (text === '' ? null : text);

const address: Step = {
  doc:
    'Makes one line of four places, province, city, district and the rest, and parts it again by the names of the ' +
    'divisions (GB/T 2260): 浙江省 + 杭州市 + 西湖区 + 文三路 1 号. What has no such names goes into the last place whole.',
  class: 'settling',
  takes: ['array'],
  gives: () => ['string'],
  places: 4,
  bind: () => ({
    forward: (value): Outcome => {
      const parts = partsFrom(value);
      return parts instanceof Misfit ? parts : orEmpty(settled(joinAddress(parts)));
    },
    backward: (value): Outcome =>
      typeof value === 'string' ? partsOf(settled(value)).map(orEmpty) : wrongType(value, ['string']),
  }),
  examples: [
    { remote: ['浙江省', '杭州市', '西湖区', '文三路 1 号'], entity: '浙江省杭州市西湖区文三路 1 号' },
    { remote: ['上海市', '上海市', '浦东新区', '世纪大道100号'], entity: '上海市浦东新区世纪大道100号' },
    {
      remote: ['上海', '上海', '浦东新区', '世纪大道１００号'],
      entity: '上海市浦东新区世纪大道100号',
      back: ['上海市', '上海市', '浦东新区', '世纪大道100号'],
    },
    {
      remote: ['新疆维吾尔自治区', '伊犁哈萨克自治州', '伊宁市', '解放路'],
      entity: '新疆维吾尔自治区伊犁哈萨克自治州伊宁市解放路',
    },
    { remote: [null, null, null, '12 High Street'], entity: '12 High Street' },
    { remote: [null, null, 'O', '\u0308'], entity: 'Ö', back: [null, null, null, 'Ö'] },
    {
      remote: ['浙江省', '杭州市', null, '西湖区 文三路 1 号'],
      entity: '浙江省杭州市西湖区文三路 1 号',
      back: ['浙江省', '杭州市', '西湖区', '文三路 1 号'],
    },
    { remote: [null, null, null, null], entity: null },
    { remote: [1, null, null, null] },
  ],
};

export const addressSteps: Readonly<Record<string, Step>> = { address };
