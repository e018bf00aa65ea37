/** Names of companies and other organisations. */
import { isPlaceholder } from '../merge/guard.ts';
import { anagram, fold, hasHan, latin, pinyinOf, wordsOf } from './folding.ts';
import { dice, jaroWinkler } from './similar.ts';
import {
  CLOSE,
  DIFFERS,
  facetAt,
  PARTIAL,
  PINYIN,
  wholeKey,
  type Facets,
  type Level,
  type Sort,
} from './sort.ts';

/** Legal forms at the end of a Chinese name. 分公司 is none of them: a branch is another than its head office. */
const FORMS =
  /(?:集团)?(?:股份有限公司|有限责任公司|有限公司|责任公司|股份公司|集团公司|控股公司|总公司|公司|集团|控股|合伙企业|有限合伙|个体工商户)$/u;
const LATIN_FORMS = new Set(
  (
    'inc incorporated corp corporation co company ltd limited llc llp lp plc pty pte gmbh ag kg ohg ug mbh se ' +
    'sa sas sarl srl spa bv nv oy oyj ab as asa aps kk sdn bhd holding holdings group'
  ).split(' '),
);
const LITTLE = new Set(['the', 'and', 'of']);

/** The 34 divisions of the first level (GB/T 2260) and the cities of 10 million or whose province is not named with them. */
const REGIONS =
  '北京 天津 上海 重庆 河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 青海 台湾 ' +
  '内蒙古 广西 西藏 宁夏 新疆 香港 澳门 中国 广州 深圳 东莞 佛山 珠海 杭州 宁波 温州 嘉兴 绍兴 金华 南京 苏州 无锡 常州 南通 徐州 合肥 福州 厦门 泉州 南昌 济南 ' +
  '青岛 烟台 潍坊 郑州 洛阳 武汉 长沙 成都 贵阳 昆明 西安 兰州 西宁 海口 石家庄 保定 唐山 太原 沈阳 大连 长春 哈尔滨 呼和浩特 南宁 拉萨 银川 乌鲁木齐';
const REGION = new RegExp(`^(?:${REGIONS.replaceAll(' ', '|')})(?:省|市|自治区|特别行政区)?`, 'u');
const BRACKETS = /[([【（]([^)\]】）]*)[)\]】）]/gu;

interface Parts {
  /** What tells it from others: without region, legal form, brackets. */
  readonly core: string;
  readonly region: string;
}

const chineseParts = (folded: string): Parts => {
  let region = '';
  const bare = folded
    .replace(BRACKETS, (_, inner: string) => {
      // A former name or a remark is no region.
      if (REGION.test(inner)) region += inner;
      return '';
    })
    .replace(/[^\p{L}\p{N}]/gu, '');
  let core = bare.replace(FORMS, '');
  for (let place = REGION.exec(core)?.[0]; place !== undefined; place = REGION.exec(core)?.[0]) {
    if (core.length - place.length < 2) break;
    region += place;
    core = core.slice(place.length);
  }
  return { core: core === '' ? bare : core, region: region.replace(/省|市|自治区|特别行政区/gu, '') };
};

const latinParts = (folded: string): Parts => {
  let region = '';
  const bare = folded.replace(BRACKETS, (_, inner: string) => {
    region += inner;
    return ' ';
  });
  const words = wordsOf(bare.replaceAll('&', ' and ').replaceAll(/['’.]/gu, ''));
  let end = words.length;
  while (
    end > 1 &&
    (LATIN_FORMS.has(words[end - 1] ?? '') || (end < words.length && words[end - 1] === 'and'))
  )
    end -= 1;
  const kept = words.slice(0, end).filter((word) => !LITTLE.has(word));
  return { core: (kept.length === 0 ? words : kept).join(' '), region: wordsOf(region).join(' ') };
};

/** Name without marks; what tells it from others; its region; that in alphabetical order, or read aloud. */
const companyFacets = (text: string): readonly string[] | null => {
  const folded = fold(text);
  if (isPlaceholder(folded)) return null;
  const chinese = hasHan(folded);
  const { core, region } = chinese ? chineseParts(folded) : latinParts(folded);
  if (core === '') return null;
  const whole = wordsOf(folded).join(chinese ? '' : ' ');
  const order = chinese ? core : core.split(' ').toSorted().join(' ');
  const sound = anagram(latin(chinese ? pinyinOf(core, false).join('') : core));
  return [whole, core, region, order, sound];
};

/** 上海华夏 and 北京华夏 are two; 华夏 and 上海华夏 may be one. */
const regionsAgree = (a: string, b: string): boolean =>
  a === '' || b === '' || a.includes(b) || b.includes(a);

/** The first two characters are the name proper; the rest, the trade, is shared by thousands. */
const compareChinese = (short: string, long: string): Level => {
  const within = short.length > 1 && long.includes(short);
  const agree =
    short.length > 1 &&
    short.charCodeAt(0) === long.charCodeAt(0) &&
    short.charCodeAt(1) === long.charCodeAt(1);
  if (!agree) return within ? PARTIAL : DIFFERS;
  const like = dice(short, long);
  if (like >= 0.78) return CLOSE;
  return within || like >= 0.35 ? PARTIAL : DIFFERS;
};

const compareCores = (a: string, b: string): Level => {
  const short = a.length < b.length ? a : b;
  const long = short === a ? b : a;
  const chinese = hasHan(short);
  if (chinese !== hasHan(long)) return DIFFERS;
  if (chinese) return compareChinese(short, long);
  const pairs = dice(short, long);
  const letters = jaroWinkler(short, long, 0.84);
  if (Math.max(letters, pairs) >= 0.92) return CLOSE;
  const within = short.length >= 4 && long.includes(short);
  return within || letters > 0 || pairs >= 0.6 ? PARTIAL : DIFFERS;
};

const compareCompanies = (a: Facets, i: number, b: Facets, j: number): Level => {
  const agree = regionsAgree(facetAt(a, 2, i), facetAt(b, 2, j));
  const order = facetAt(a, 3, i);
  const other = facetAt(b, 3, j);
  if (order === other) return agree ? CLOSE : PARTIAL;
  const sound = facetAt(a, 4, i);
  if (agree && sound.length > 3 && sound === facetAt(b, 4, j))
    return hasHan(order) || hasHan(other) ? PINYIN : CLOSE;
  const level = compareCores(order, other);
  return level === CLOSE && !agree ? PARTIAL : level;
};

export const company: Sort = {
  doc: "A company's name with or without its legal form, region, brackets.",
  facets: companyFacets,
  compare: compareCompanies,
  keys: [
    wholeKey,
    { of: 'part', from: (facets, i) => facetAt(facets, 3, i) },
    { of: 'part', from: (facets, i) => facetAt(facets, 4, i) },
    {
      of: 'part',
      from: (facets, i) => {
        const core = facetAt(facets, 1, i);
        return hasHan(core) ? core.slice(0, 2) : (core.split(' ', 1)[0] ?? '');
      },
    },
  ],
  expected: { close: 0.15, pinyin: 0.01, partial: 0.1, differs: 0.06 },
  role: 'name',
  mostDiffering: 0.3,
};
