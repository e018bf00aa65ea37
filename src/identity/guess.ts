/** Which sort a column is of, by its name and what stands in it. */
import { sorts, type SortName } from './sorts.ts';

/** Names of columns, in the order in which they are tried. Of a sort that is null nothing is compared: it tells no likeness. */
const byName: readonly (readonly [RegExp, SortName | null])[] = [
  [/统一社会信用代码|社会信用代码|信用代码|credit.?code|uscc/u, 'credit-code'],
  [
    /soc.?sec|ssn|passport|licen[cs]e|tax.?(?:id|no|number)|身份证|护照|税号|(?:street|house|door).?(?:no|number)|门牌/u,
    'code',
  ],
  [
    /^(?:id|编号|序号|主键|uuid|guid|key|row|no)$|_id$|id$|编码$|created|updated|modified|创建|更新|修改|时间$|备注|^notes?$|remark|comment|描述|description/u,
    null,
  ],
  [/e-?mail|邮箱|邮件|电邮/u, 'email'],
  [/phone|mobile|tel\b|telephone|手机|电话|联系方式|fax|传真/u, 'phone'],
  [/given|first.?name|forename|^名$|名字/u, 'given'],
  [/surname|family.?name|last.?name|^姓$|姓氏/u, 'family'],
  [/birth|^dob$|出生|生日/u, 'date'],
  [/postcode|post.?code|postal|zip|邮编|邮政编码/u, 'postcode'],
  [/company|organi[sz]ation|employer|firm|公司|企业|单位|客户名称|机构/u, 'company'],
  [/city|suburb|town|district|province|^state$|country|region|城市|省份?$|区县|地区|国家/u, 'place'],
  [/address|addr|street|road|地址|住址/u, 'address'],
  [/website|homepage|url|domain|网址|网站|主页|域名/u, 'website'],
  [/number$|号码?$/u, 'code'],
  [/^sex$|gender|性别|type|industry|行业|类型|类别|category|level|等级/u, 'category'],
  [/name|姓名|联系人|客户|contact/u, 'person'],
];

const looks: readonly (readonly [RegExp, SortName])[] = [
  [/^[^\s@]+@[^\s@]+\.[^\s@]+$/u, 'email'],
  [/^(?:\+?86[\s-]?)?1[3-9]\d[\s-]?\d{4}[\s-]?\d{4}$/u, 'phone'],
  [
    /^\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?$|^(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/u,
    'date',
  ],
  [/^[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}$/u, 'credit-code'],
  [/^(?:https?:\/\/|www\.)\S+$/iu, 'website'],
];

const firm = /公司|集团|\b(?:inc|ltd|llc|gmbh|corp|plc|pty|co)\b\.?/iu;

/** True if most of the texts look so; empty ones do not count. */
const most = (texts: readonly string[], pattern: RegExp, share: number): boolean => {
  const filled = texts.map((text) => text.normalize('NFKC').trim()).filter((text) => text !== '');
  return filled.length > 0 && filled.filter((text) => pattern.test(text)).length >= share * filled.length;
};

/**
 * The sort of a column called `name` in which these texts stand (some hundred are enough); null if it is better
 * left out, as ids and dates of change are, and columns of which nothing is known.
 */
export const guessSort = (name: string, texts: readonly string[]): SortName | null => {
  const plain = name
    .normalize('NFKC')
    .replace(/([a-z])([A-Z])/gu, '$1_$2')
    .toLowerCase()
    .trim();
  const looked = looks.find(([pattern]) => most(texts, pattern, 0.8))?.[1];
  const named = byName.find(([pattern]) => pattern.test(plain));
  if (named === undefined) return looked ?? null;
  const [, sort] = named;
  if (sort === null)
    return looked === 'email' || looked === 'phone' || looked === 'credit-code' ? looked : null;
  if (sort === 'person' && most(texts, firm, 0.2)) return 'company';
  return sort;
};

/** Every sort with its sentence, for people. */
export const sortDocs = (): readonly (readonly [SortName, string])[] =>
  Object.entries(sorts).map(([name, { doc }]): [SortName, string] => [name as SortName, doc]);
