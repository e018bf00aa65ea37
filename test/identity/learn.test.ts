/** What is learnt, and what it is used for. */
import { describe, expect, it } from 'vitest';
import { mostInBlock } from '../../src/identity/blocks.ts';
import { clustersOf, decide, usualThresholds } from '../../src/identity/clusters.ts';
import { guessSort } from '../../src/identity/guess.ts';
import { readModel } from '../../src/identity/kept.ts';
import { learn, use } from '../../src/identity/learn.ts';
import { bitsOf, explain, prepare, probabilityOf } from '../../src/identity/model.ts';
import { findPairs } from '../../src/identity/score.ts';
import { dedupeSettings, thresholdFault } from '../../src/identity/settings.ts';
import { survivorOf } from '../../src/identity/survivor.ts';
import { madeUpCompanies, madeUpPeople } from '../bench/doubles.ts';
import { fieldsOf, pairList, quality, search, tableOf } from './sample.ts';

const people = madeUpPeople(3000, 21);
const { learnt } = search(tableOf(people.fields, people.rows));
const { model } = learnt;

const person = (name: string, more: Record<string, string> = {}): Record<string, string> => ({
  name,
  ...more,
});
const likely = (a: Record<string, string>, b: Record<string, string>): number =>
  explain(model, prepare(model, a), prepare(model, b)).probability;

describe('the weights', () => {
  it('came to rest, with a prior that is the share of matches there really are', () => {
    expect(learnt.fit).toMatchObject({ settled: true, held: [] });
    const pairs = (3000 * 2999) / 2;
    const sizes = new Map<number, number>();
    for (const one of people.truth) sizes.set(one, (sizes.get(one) ?? 0) + 1);
    const there = [...sizes.values()].reduce((sum, size) => sum + (size * (size - 1)) / 2, 0);
    expect(Math.abs((model.share * pairs) / there - 1)).toBeLessThan(0.05);
  });

  it('agreeing on a common name says less than on a rare one', () => {
    const counts = new Map<string, number>();
    for (const [name = ''] of people.rows) counts.set(name, (counts.get(name) ?? 0) + 1);
    const [often = ''] = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    expect(counts.get(often)).toBeGreaterThan(4);
    const itself = (name: string): number =>
      explain(model, prepare(model, person(name)), prepare(model, person(name))).fields[0]?.bits[0] ?? 0;
    expect(itself(often)).toBeLessThan(itself('谌桓') - 1);
  });

  it('pinyin is weaker evidence than the name itself, and stronger than none', () => {
    const bits = (a: string, b: string): number =>
      explain(model, prepare(model, person(a)), prepare(model, person(b))).fields[0]?.bits[0] ?? 0;
    expect(bits('谌桓', 'Chen Huan')).toBeLessThan(bits('谌桓', '谌桓'));
    expect(bits('谌桓', 'Chen Huan')).toBeGreaterThan(bits('谌桓', 'Ann Smith'));
  });

  it('twins, who share all but a name, are no match', () => {
    const own = {
      mobile: '',
      email: '',
      company: '',
      address: '上海市浦东区世纪路100号',
      birth: '1980-02-29',
    };
    expect(likely(person('王建国', own), person('王丽', own))).toBeLessThan(usualThresholds.review);
    expect(likely(person('王建国', own), person('王建国', own))).toBeGreaterThan(0.99);
  });

  it('namesakes, who share nothing else, are no match, also where their addresses are made of the name', () => {
    const one = { mobile: '13912340001', email: 'wang.wei@163.com', birth: '1980-02-29' };
    const other = { mobile: '13700005678', email: 'wang.wei@qq.com', birth: '1992-11-03' };
    expect(likely(person('王伟', one), person('王伟', other))).toBeLessThan(0.05);
  });

  it('says what stands against a match: strangers, kin, namesakes', () => {
    const told = explain(model, prepare(model, person('王伟')), prepare(model, person('王伟')));
    expect(told.against.map(({ is }) => is)).toEqual(['stranger', 'kin', 'namesake']);
    expect(told.fields.map(({ level }) => level)).toEqual([
      'exact',
      'missing',
      'missing',
      'missing',
      'missing',
      'missing',
    ]);
  });
});

describe('tables with little in them', () => {
  const fields = 'name:person,mobile:phone';
  it.each([
    ['one record', [['王小明', '13912340001']]],
    ['the same record everywhere', Array.from({ length: 300 }, () => ['王小明', '13912340001'])],
    ['nothing but empty cells', Array.from({ length: 50 }, () => ['', ''])],
    [
      'no duplicates',
      Array.from({ length: 400 }, (_, i) => [
        `Name${String.fromCodePoint(97 + (i % 26), 97 + ((i * 7) % 26), 97 + ((i * 11) % 26))}`,
        `139${10_000_000 + i * 7919}`,
      ]),
    ],
  ])('%s', (_, rows) => {
    const { learnt: made, pairs } = search(tableOf(fields, rows), 0.5);
    expect(Number.isFinite(made.model.share)).toBe(true);
    for (const { bits } of made.model.against)
      for (const row of bits) for (const one of row) expect(Number.isFinite(one)).toBe(true);
    for (const one of pairs.bits) expect(Number.isNaN(one)).toBe(false);
  });

  it('households alone do not pass for duplicates', () => {
    const rows = Array.from({ length: 1200 }, (_, i) => {
      const house = Math.floor(i / 2);
      const given = ['Anna', 'Robert', 'Linda', 'James', 'Karen', 'Peter'][(house + (i % 2) * 3) % 6] ?? '';
      return [
        given,
        `Family${house}x`,
        `${(house % 97) + 1} ${'abcdefghij'.charAt(house % 10)}street ${house}`,
        `0${200_000_000 + house * 77}`,
      ];
    });
    const { pairs } = search(tableOf('given:given,family:family,address:address,phone:phone', rows));
    expect(pairList(pairs, usualThresholds.propose)).toEqual([]);
  });
});

describe('blocks', () => {
  it('parts what is too large by further fields, leaves out what cannot be parted, and says so', () => {
    const rows = Array.from({ length: 3000 }, (_, i) => [
      i % 2 === 0 ? '张伟' : `张伟${i}`,
      i % 4 === 0 ? '上海' : '',
    ]);
    const { blocks } = learn(tableOf('name:text,city:place', rows));
    const total = blocks.reports.reduce((sum, one) => sum + one.droppedRecords, 0);
    expect(blocks.reports.some((one) => one.split > 0)).toBe(true);
    expect(total).toBeGreaterThan(mostInBlock);
    expect(blocks.count()).toBeLessThan(3000 * mostInBlock);
  });

  it('grows with the records and not with their square', () => {
    const count = (size: number): number => {
      const { fields, rows } = madeUpPeople(size, 9);
      return learn(tableOf(fields, rows)).blocks.count();
    };
    expect(count(20_000) / count(5000)).toBeLessThan(8);
  });
});

describe('two files', () => {
  const half = people.rows.length / 2;
  const table = tableOf(people.fields, people.rows.slice(0, half), people.rows.slice(half));
  const { pairs, learnt: made } = search(table);

  it('are compared with each other only', () => {
    made.blocks.each((a, b) => expect([a < half, b >= half]).toEqual([true, true]));
    expect(pairs.a.length).toBeGreaterThan(50);
  });

  it('and as well as one', () => {
    const truth = [...people.truth];
    const across = truth.map((one, i) => ({ one, side: i < half }));
    const there = across.reduce(
      (sum, { one }, i) =>
        sum + (i < half ? across.slice(half).filter((other) => other.one === one).length : 0),
      0,
    );
    const right = pairList(pairs, usualThresholds.propose).filter(([a, b]) => truth[a] === truth[b]).length;
    expect(right / there).toBeGreaterThan(0.95);
    expect(right / pairList(pairs, usualThresholds.propose).length).toBeGreaterThan(0.98);
  });
});

describe('what may be done with it', () => {
  const code = 'name:company,code:credit-code,phone:phone';
  const firms = madeUpCompanies(1500, 4);
  const rows = firms.rows.map((row) => [row[0] ?? '', row[1] ?? '', row[2] ?? '']);

  it('two valid credit codes prove two companies, whatever else agrees', () => {
    const made = search(
      tableOf(code, [
        ...rows,
        ['上海华夏医疗有限公司', '91110000600037341L', '021-62345678'],
        ['上海华夏医疗有限公司', '9144030071526726XG', '021-62345678'],
      ]),
    );
    const [a, b] = [rows.length, rows.length + 1];
    expect(made.learnt.scorer.explain(a, b).proof).toBe('code');
    const bits = made.learnt.scorer.bits(a, b);
    expect(decide(bits, true, { review: 0.0001, propose: 0.0002, automatic: 0.0003 })).toBe('review');
  });

  it('a cluster that holds them is for a person, as is a chain', () => {
    const made = search(tableOf(people.fields, people.rows), 0.5);
    // A like B and B like C, as if A and C had nothing in common.
    const [far, other] = [0, people.truth.findIndex((one) => one !== people.truth[0])];
    const pairs = { a: Uint32Array.of(far, 1), b: Uint32Array.of(1, other), bits: Float64Array.of(20, 20) };
    const [chain] = clustersOf(people.rows.length, pairs, made.learnt.scorer, usualThresholds);
    expect(chain).toMatchObject({ decision: 'review', why: 'chain' });
    expect(chain?.members.length).toBe(new Set([far, 1, other]).size);
    const firmTable = tableOf(code, [
      ['a', '91110000600037341L', ''],
      ['b', '', ''],
      ['c', '9144030071526726XG', ''],
    ]);
    const [proof] = clustersOf(
      3,
      { a: Uint32Array.of(0, 1), b: Uint32Array.of(1, 2), bits: Float64Array.of(20, 20) },
      learn(firmTable).scorer,
      usualThresholds,
    );
    expect(proof).toMatchObject({ decision: 'review', why: 'proof', pair: { a: 0, b: 2 } });
  });

  it('a cluster of more than a hundred is for a person', () => {
    const many = Array.from({ length: 150 }, (_, i) => [`${i}`, '', '']);
    const chain = {
      a: Uint32Array.from(many, (_, i) => Math.max(0, i - 1)),
      b: Uint32Array.from(many, (_, i) => Math.max(1, i)),
      bits: new Float64Array(150).fill(20),
    };
    const [large] = clustersOf(150, chain, learn(tableOf(code, many)).scorer, usualThresholds);
    expect(large).toMatchObject({ decision: 'review', why: 'large', pair: null });
  });

  it('nothing is automatic unless a threshold says so', () => {
    const sure = bitsOf(0.999);
    expect(decide(sure, false, usualThresholds)).toBe('propose');
    expect(decide(sure, false, { ...usualThresholds, automatic: 0.95 })).toBe('automatic');
    expect(decide(bitsOf(0.93), false, { ...usualThresholds, automatic: 0.95 })).toBe('propose');
    expect(decide(bitsOf(0.9), false, { ...usualThresholds, automatic: 0.95 })).toBe('review');
    expect(decide(bitsOf(0.8), false, usualThresholds)).toBe('apart');
    expect(probabilityOf(bitsOf(0.92))).toBeCloseTo(0.92, 12);
  });

  it('settings: what is silent is as usual', () => {
    expect(dedupeSettings()).toEqual({
      fields: null,
      thresholds: { review: 0.85, propose: 0.92, automatic: null },
      survivor: 'complete',
    });
    expect(dedupeSettings({ thresholds: { automatic: 0.95 } }).thresholds).toEqual({
      review: 0.85,
      propose: 0.92,
      automatic: 0.95,
    });
    expect(thresholdFault(usualThresholds)).toBeNull();
    expect(thresholdFault({ review: 0.95, propose: 0.92, automatic: null })).toContain('below what is shown');
    expect(thresholdFault({ review: 0.5, propose: 0.9, automatic: 0.8 })).toContain('below what is proposed');
    expect(thresholdFault({ review: 0, propose: 0.9, automatic: null })).toContain('between 0 and 1');
  });

  it('the survivor by each rule, and by the next where the rule does not decide', () => {
    const a = { created: 1, updated: 9, filled: 2, systems: ['crm'], id: 'a' };
    const b = { created: 5, updated: 3, filled: 4, systems: ['erp'], id: 'b' };
    const c = { created: 5, updated: 3, filled: 4, systems: ['erp'], id: 'c' };
    expect(survivorOf([a, b], 'newest')).toBe(1);
    expect(survivorOf([a, b], 'updated')).toBe(0);
    expect(survivorOf([a, b], 'complete')).toBe(1);
    expect(survivorOf([b, a], { system: 'crm' })).toBe(1);
    expect(survivorOf([c, b], 'newest')).toBe(1);
  });
});

describe('a model that was kept', () => {
  it('finds the same in the same table, and is of use in another', () => {
    const kept = readModel(JSON.stringify(model), 'm.json');
    const table = tableOf(people.fields, people.rows);
    const used = use(table, kept);
    const list = (one: Parameters<typeof pairList>[0]): string[] =>
      pairList(one, 0.92)
        .map((pair) => pair.join())
        .sort();
    const again = list(findPairs(used, bitsOf(0.85)));
    const before = list(findPairs(learnt, bitsOf(0.85)));
    // Frequencies beyond those that are kept count as rare.
    expect(again.filter((one) => !before.includes(one)).length).toBeLessThan(before.length / 100);
    expect(before.filter((one) => !again.includes(one))).toEqual([]);
    const few = madeUpPeople(200, 33);
    const other = use(tableOf(few.fields, few.rows), kept);
    const found = pairList(findPairs(other, bitsOf(0.85)), 0.92);
    expect(quality(found, [...few.truth]).f1).toBeGreaterThan(0.9);
  });

  it('holds no value of any record', () => {
    const text = JSON.stringify(model);
    for (const row of people.rows.slice(0, 500))
      for (const value of row) if (value.length > 4) expect(text.includes(value)).toBe(false);
  });

  it.each([
    ['{', 'it is not JSON'],
    ['{}', 'lacks "version"'],
    [JSON.stringify({ ...model, version: 2 }), '/version'],
    [JSON.stringify({ ...model, more: 1 }), 'more'],
    [JSON.stringify({ ...model, rare: [] }), 'not as long'],
    [JSON.stringify({ ...model, passes: [[{ field: 99, key: 0 }]] }), 'keys that there are not'],
    [JSON.stringify({ ...model, passes: [[{ field: 0, key: 99 }]] }), 'keys that there are not'],
    [JSON.stringify({ ...model, fields: fieldsOf('name:nothing') }), '/fields/0/sort'],
  ])('is refused if it is none: %.20s', (text, words) => {
    expect(() => readModel(text, 'm.json')).toThrow(words);
    expect(() => readModel(text, 'm.json')).toThrow('m.json');
  });
});

describe('what a column is', () => {
  it.each([
    ['姓名', ['王小明'], 'person'],
    ['联系人姓名', ['王小明'], 'person'],
    ['客户名称', ['上海华夏有限公司'], 'company'],
    ['name', ['上海华夏有限公司', 'ACME Ltd'], 'company'],
    ['name', ['王小明', 'Ann Smith'], 'person'],
    ['手机号', ['13912340001'], 'phone'],
    ['mobilephone', [], 'phone'],
    ['x1', ['13912340001', '+86 139 1234 0002'], 'phone'],
    ['x2', ['a@x.cn', 'b@y.cn'], 'email'],
    ['x3', ['1980-02-29', '1981/3/4'], 'date'],
    ['x4', ['91110000600037341L'], 'credit-code'],
    ['统一社会信用代码', [], 'credit-code'],
    ['creditCode', [], 'credit-code'],
    ['dateOfBirth', [], 'date'],
    ['出生日期', [], 'date'],
    ['详细地址', [], 'address'],
    ['city', [], 'place'],
    ['邮编', [], 'postcode'],
    ['身份证号', [], 'code'],
    ['first_name', [], 'given'],
    ['lastName', [], 'family'],
    ['customerId', ['C1'], null],
    ['created_at', ['2020-01-01'], null],
    ['备注', ['x'], null],
    ['x5', ['abc', 'def'], null],
  ] as const)('%s with %j: %s', (name, texts, sort) => {
    expect(guessSort(name, texts)).toBe(sort);
  });
});
