/** What counts as the same, and how nearly, sort by sort. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparisonsOf, levelOf } from '../../src/identity/compare.ts';
import { anagram, fold, pinyinOf, soundex } from '../../src/identity/folding.ts';
import { levels, type Facets, type LevelName } from '../../src/identity/sort.ts';
import { sortNames, sortOf, type Field, type SortName } from '../../src/identity/sorts.ts';

/** The level of two records of some fields, in the first of them. */
const levelIn = (fields: readonly SortName[], a: readonly string[], b: readonly string[]): LevelName => {
  const all = fields.map((sort, i): Field => ({ name: `f${i}`, sort }));
  const values = (texts: readonly string[]): { facets: Facets[]; forms: number[] } => {
    const made = texts.map((text, i) => (text === '' ? null : sortOf(fields[i] ?? 'text').facets(text)));
    return {
      facets: made.map((one) => (one ?? []).map((facet) => ['', facet])),
      forms: made.map((one) => (one === null ? 0 : 1)),
    };
  };
  const [one, other] = [values(a), values(b)];
  const comparison = comparisonsOf(all)[0];
  if (comparison === undefined) throw new Error('no field');
  const partner = Math.max(0, comparison.partner);
  const [i = 0, j = 0] = [one.forms[0], other.forms[0]];
  const [k = 0, l = 0] = [one.forms[partner], other.forms[partner]];
  return levels[levelOf(comparison, 0, one.facets, other.facets, i, j, k, l)];
};

const level = (sort: SortName, a: string, b: string): LevelName => levelIn([sort], [a], [b]);

type Case = readonly [a: string, b: string, level: LevelName];
const cases: Readonly<Partial<Record<SortName, readonly Case[]>>> = {
  person: [
    ['王小明', '王小明', 'exact'],
    ['王小明', ' 王 小明 ', 'exact'],
    ['張偉', '张伟', 'exact'],
    ['葉聖陶', '叶圣陶', 'exact'],
    ['王小明先生', '王小明', 'exact'],
    ['王小明（采购）', '王小明', 'exact'],
    ['小明王', '王小明', 'swapped'],
    ['张伟', '章伟', 'pinyin'],
    ['王小明', '王晓明', 'pinyin'],
    ['张伟', 'Zhang Wei', 'pinyin'],
    ['张伟', 'Wei ZHANG', 'pinyin'],
    ['張偉', 'zhangwei', 'pinyin'],
    ['吕布', 'Lyu Bu', 'pinyin'],
    ['吕布', 'Lü Bu', 'pinyin'],
    ['单雄信', 'Shan Xiongxin', 'pinyin'],
    ['小明', '王小明', 'partial'],
    ['王小明', '王小刚', 'partial'],
    ['张伟', '张强', 'family'],
    ['王建国', '王丽', 'family'],
    ['张伟', '李娜', 'differs'],
    ['张伟', 'Ann Smith', 'differs'],
    ['Ann Smith', 'ANN  SMITH', 'exact'],
    ['Ann Smith', 'Ａｎｎ　Ｓｍｉｔｈ', 'exact'],
    ['Dr. Ann Smith', 'Ann Smith', 'exact'],
    ['Smith, Ann', 'Ann Smith', 'exact'],
    ['José Müller', 'Jose Muller', 'exact'],
    ['Strauß, Jörg', 'Jorg Strauss', 'exact'],
    ['Smith Ann', 'Ann Smith', 'swapped'],
    ['Ann Smyth', 'Ann Smith', 'close'],
    ['Anna Smith', 'Ann Smith', 'close'],
    ['A. Smith', 'Ann Smith', 'partial'],
    ['Ann Marie Smith', 'Ann Smith', 'partial'],
    ['Linda Dalham', 'Jacob Dalham', 'family'],
    ['Ann Smith', 'Bob Jones', 'differs'],
    ['Ann Smith', '', 'missing'],
    ['Ann Smith', '无', 'missing'],
    ['Ann Smith', '暂无', 'missing'],
    ['Na Li', 'na li', 'exact'],
  ],
  given: [
    ['Sophie', 'sophie', 'exact'],
    ['Sophie', 'Sophei', 'close'],
    ['S', 'Sophie', 'partial'],
    ['晓明', '小明', 'pinyin'],
    ['Sophie', 'Emma', 'differs'],
    ['Na', 'na', 'exact'],
  ],
  company: [
    ['上海华夏医疗器械有限公司', '上海华夏医疗器械有限公司 ', 'exact'],
    ['華夏醫療器械（上海）有限公司', '华夏医疗器械(上海)有限公司', 'exact'],
    ['上海华夏医疗器械有限公司', '华夏医疗器械（上海）有限公司', 'close'],
    ['上海华夏医疗器械有限公司', '上海市华夏医疗器械股份有限公司', 'close'],
    ['华夏医疗器械有限公司', '上海华夏医疗器械', 'close'],
    ['华夏医疗集团', '华夏医疗', 'close'],
    ['上海华夏医疗器械有限公司', '北京华夏医疗器械有限公司', 'partial'],
    ['上海华夏医疗器械有限公司', '上海华夏医疗', 'partial'],
    ['上海宏达医疗器械有限公司', '上海红达医疗器械有限公司', 'pinyin'],
    ['上海华夏医疗器械有限公司', '上海东方医疗器械有限公司', 'differs'],
    ['华夏医疗有限公司上海分公司', '华夏医疗有限公司', 'partial'],
    ['ACME Trading Ltd.', 'Acme Trading Limited', 'close'],
    ['ACME Trading GmbH & Co. KG', 'Acme Trading', 'close'],
    ['The Palm', 'Palm The', 'close'],
    ['Acme Tradng Inc', 'Acme Trading Inc', 'close'],
    ['Four Seasons', 'Four Seasons Grill Room', 'partial'],
    ['Acme Trading (Berlin)', 'Acme Trading (Paris)', 'partial'],
    ['Acme Trading', 'Zenith Foods', 'differs'],
  ],
  phone: [
    ['13800138001', '+86 138 0013 8001', 'exact'],
    ['13800138001', '１３８００１３８００１', 'exact'],
    ['13800138001', '008613800138001', 'exact'],
    ['13800138001', '86-138-0013-8001', 'exact'],
    ['021-62345678 转 801', '+86 21 6234 5678', 'exact'],
    ['415/392-3505', '(415) 392 3505', 'exact'],
    ['+1 415 392 3505', '415-392-3505', 'close'],
    ['62345678', '021-62345678', 'close'],
    ['13800138001', '13800138010', 'close'],
    ['13800138001', '13800183010', 'differs'],
    ['13800138001', '13800138045', 'partial'],
    ['13800138001', '13912345678', 'differs'],
    ['13800138001', '13800138000', 'missing'],
    ['13800138001', '00000000', 'missing'],
    ['13800138001', '12', 'missing'],
  ],
  email: [
    ['Ann@X.cn', 'ann@x.cn', 'exact'],
    ['ann+news@x.cn', 'ann@x.cn', 'exact'],
    ['ann.smith@gmial.com', 'ann.smith@gmail.com', 'close'],
    ['wangwei@163.com', 'wangwei@qq.com', 'partial'],
    ['ann@x.cn', 'bob@y.cn', 'differs'],
    ['ann@huaxia.cn', 'info@huaxia.cn', 'missing'],
  ],
  website: [
    ['https://www.Huaxia.cn/about', 'huaxia.cn', 'exact'],
    ['huaxia.cn', 'huaxai.cn', 'close'],
    ['huaxia.cn', 'huaxia.com', 'partial'],
    ['shop.huaxia.cn', 'huaxia.cn', 'partial'],
    ['huaxia.cn', 'dongfang.cn', 'differs'],
  ],
  address: [
    ['12 High Street', '12 high st.', 'exact'],
    ['上海市浦东新区世纪大道１００号', '上海浦东新世纪大道100号', 'exact'],
    ['上海市浦东新区世纪大道100号', '浦东新区世纪大道100号', 'close'],
    ['60 w. 55th st.', '60 West 55th Street between 5th and 6th Ave', 'close'],
    ['12 High Street', '14 High Street', 'partial'],
    ['12 High Street', '300 Elm Avenue', 'differs'],
  ],
  place: [
    ['上海市', '上海', 'exact'],
    ['浙江省', '浙江', 'exact'],
    ['Liverpool', 'Liverpol', 'close'],
    ['new york', 'new york city', 'close'],
    ['杭州市西湖区', '杭州', 'partial'],
    ['上海', '北京', 'differs'],
  ],
  postcode: [
    ['200 120', '200120', 'exact'],
    ['3163', '3136', 'close'],
    ['3163', '3199', 'partial'],
    ['3163', '4810', 'differs'],
    ['31', '3163', 'differs'],
  ],
  date: [
    ['1980-02-29', '1980年2月29日', 'exact'],
    ['19800229', '29/02/1980', 'exact'],
    ['1980-02-29T00:00:00Z', '1980/2/29', 'exact'],
    ['1980-02-03', '1980-03-02', 'close'],
    ['1980-02-29', '1980-02-28', 'close'],
    ['1980-02-29', '1981-02-28', 'partial'],
    ['1980-02-29', '1951-11-03', 'differs'],
  ],
  code: [
    ['ab-123 45', 'AB12345', 'exact'],
    ['0012345', '12345', 'close'],
    ['6636386', '6636368', 'close'],
    ['6636386', '6636999', 'differs'],
    ['12', '13', 'partial'],
    ['12', '12', 'exact'],
    ['12', 'n/a', 'missing'],
  ],
  'credit-code': [
    ['91110000600037341L', '９１１１００００６０００３７３４１ｌ', 'exact'],
    ['91110000600037341L', '9144030071526726XG', 'differs'],
    ['91110000600037341L', '91110000600037341N', 'close'],
  ],
  id: [
    ['a-1', 'A1', 'exact'],
    ['A1001', 'A1002', 'differs'],
  ],
  category: [
    ['Retail', 'retail', 'exact'],
    ['retail', 'retain', 'differs'],
  ],
  text: [
    ['annual tender in march', 'Annual tender, in March', 'exact'],
    ['annual tender in march', 'annual tenders in march', 'close'],
    ['annual tender in march', 'tender in march', 'partial'],
    ['annual tender', 'weekly shop', 'differs'],
  ],
};

for (const [sort, list] of Object.entries(cases) as [SortName, readonly Case[]][])
  describe(sort, () => {
    it.each(list)('%s and %s: %s', (a, b, wanted) => {
      expect(level(sort, a, b)).toBe(wanted);
      expect(level(sort, b, a)).toBe(wanted);
    });
  });

describe('given and family name', () => {
  it.each<readonly [readonly [string, string], readonly [string, string], LevelName]>([
    [['Sarah', 'Pearson'], ['Pearson', 'Sarah'], 'swapped'],
    [['Sarah', 'Pearson'], ['Pearson', 'Sara'], 'swapped'],
    [['Sarah', ''], ['Pearson', 'Sarah'], 'swapped'],
    [['Sarah', 'Pearson'], ['Smith', 'Sarah'], 'differs'],
    [['小明', '王'], ['王', '小明'], 'swapped'],
  ])('%j and %j: %s', (a, b, wanted) => {
    expect(levelIn(['given', 'family'], a, b)).toBe(wanted);
    expect(levelIn(['given', 'family'], b, a)).toBe(wanted);
  });
});

it('takes no word of an address for a name of the language', () => {
  expect(sortOf('address').facets('12 Constructor Road')?.[0]).toBe('12 constructor rd');
});

describe('every sort', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom(...Object.values(cases).flatMap((list) => list.flatMap(([a, b]) => [a, b]))),
  );
  it.each(sortNames)(
    '%s takes any text, compares either way round alike, and folds what it has folded to itself',
    (sort) => {
      fc.assert(
        fc.property(text, text, (a, b) => {
          expect(level(sort, a, b)).toBe(level(sort, b, a));
          const facets = sortOf(sort).facets(a);
          if (facets === null || facets[0] === '') return;
          expect(level(sort, a, a)).toBe('exact');
          for (const key of sortOf(sort).keys)
            expect(
              typeof key.from(
                facets.map((facet) => ['', facet]),
                1,
              ),
            ).toBe('string');
        }),
        { numRuns: 300 },
      );
    },
  );
});

describe('folding', () => {
  it.each([
    ['ＡＢＣ１２３　（上海）', 'abc123 (上海)'],
    ['  a   b ', 'a b'],
    ['國際貿易有限公司', '国际贸易有限公司'],
    ['Ångström Øre', 'angstrom ore'],
    ['a\u200bb', 'ab'],
    ['ﬁne', 'fine'],
    ['한국', '한국'],
  ])('%s: %s', (text, folded) => {
    expect(fold(text)).toBe(folded);
  });

  it('settles', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(fold(fold(text))).toBe(fold(text));
      }),
    );
  });

  it('reads aloud, and knows how names are read', () => {
    expect(pinyinOf('单雄信', true)).toEqual(['shan', 'xiong', 'xin']);
    expect(pinyinOf('简单', false)).toEqual(['jian', 'dan']);
    expect(anagram('zhangwei')).toBe(anagram('weizhang'));
  });

  // The examples of Knuth, The Art of Computer Programming, volume 3.
  it.each([
    ['euler', 'e460'],
    ['gauss', 'g200'],
    ['hilbert', 'h416'],
    ['knuth', 'k530'],
    ['lloyd', 'l300'],
    ['lukasiewicz', 'l222'],
    ['tymczak', 't522'],
    ['pfister', 'p236'],
    ['张', ''],
  ])('%s sounds as %s', (name, code) => {
    expect(soundex(name).padEnd(code.length, '0')).toBe(code);
  });
});
