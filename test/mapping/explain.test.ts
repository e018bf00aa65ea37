import { expect, test } from 'vitest';
import type { JsonObject, JsonSchema } from '../../src/connector.ts';
import { evaluate } from '../../src/evaluator.ts';
import { bind } from '../../src/mapping/bind.ts';
import { compile } from '../../src/mapping/compile.ts';
import { readMapping, type Entity, type MappingDocument } from '../../src/mapping/document.ts';
import { explain, type FieldStory, type MappingStory } from '../../src/mapping/explain.ts';
import { preparedExamples, preparing } from '../../src/mapping/expressions.ts';
import { why, type Why, type WhyField } from '../../src/mapping/why.ts';
import { entityOf, sample, textOf, thing } from './sample.ts';

/** Every part of a mapping is told: what it does, and for a record which value came from where and through what. */

const entities = new Map(
  ['order', 'receipt', 'customer', 'employee', 'contact'].map((name) => [name, entityOf(name)] as const),
);

const opened = (path: string): { document: MappingDocument; entity: Entity; kind: JsonSchema } => {
  const document = readMapping(textOf(`mappings/${path}.json`), path);
  const entity = entities.get(document.entity);
  if (entity === undefined) throw new Error(document.entity);
  return { document, entity, kind: JSON.parse(textOf(`mappings/${path}.schema.json`)) as JsonSchema };
};

const storyOf = async (path: string): Promise<MappingStory> => {
  const { document, entity, kind } = opened(path);
  const lens = compile(document, entity, kind, entities);
  const prepared = await preparedExamples(document, evaluate);
  return explain(document, { entity, kind, entities, lens, ...(prepared === undefined ? {} : { prepared }) });
};

const fieldOf = (fields: readonly FieldStory[] | undefined, name: string): FieldStory => {
  const found = fields?.find((one) => one.field === name);
  if (found === undefined) throw new Error(`no field ${name}`);
  return found;
};

test('rows are told field by field, both ways, with what becomes of those that we lack', async () => {
  const { fields } = await storyOf('kingdee/order');
  const { rows, example, overflow, class: kind } = fieldOf(fields, 'lines');
  expect([rows?.key, rows?.missing, overflow, kind]).toEqual(['line', 'keep', 'park', 'settling']);
  expect(rows?.ignored).toEqual(['/FSeq', '/FUnitID']);
  expect(rows?.absent).toEqual([]);
  expect(example?.entity).toHaveLength(2);
  const line = fieldOf(rows?.fields, 'line');
  expect(line.example).toEqual({ remote: 100_101, entity: '100101', back: 100_101 });
  expect(line.places).toEqual([{ pointer: '/FEntryID', title: 'Row id', type: 'integer' }]);
  expect(fieldOf(rows?.fields, 'quantity').example).toEqual({ remote: '2', entity: 2, back: '2' });
});

test('parts are told with their entity, key and fields', async () => {
  const { parts } = await storyOf('jiandaoyun/order');
  const [receipts] = parts;
  expect(receipts).toMatchObject({
    part: 'receipts',
    at: '/receipts',
    key: '/_id',
    entity: 'receipt',
    ignored: ['/_id'],
    absent: [],
  });
  const payer = fieldOf(receipts?.fields, 'payer');
  expect([payer.personal, payer.example]).toEqual([
    true,
    { remote: ' 杭州示例有限公司', entity: '杭州示例有限公司', back: '杭州示例有限公司' },
  ]);
});

test('references are told by entity and by what, when and anchor as they stand', async () => {
  const { fields, when } = await storyOf('kingdee/order');
  expect(when).toBe(null);
  expect(fieldOf(fields, 'customer').reference).toEqual({ to: [{ entity: 'customer' }], by: 'customerId' });
  const rule = {
    at: ['/last', '/first'],
    reference: { to: { 'res.partner': 'customer', 'hr.employee': 'employee' }, by: 'id' },
  };
  const document = sample({ name: rule }, { when: { at: '/open', is: [true, null] }, overflow: 'refuse' });
  const lens = bind(document, thing.schema, null);
  const story = explain(document, { entity: thing, kind: null, entities, lens });
  expect(story.when).toEqual({ at: '/open', is: [true, null] });
  expect(story.anchor).toBe('/crosswalk_id');
  expect(fieldOf(story.fields, 'name').reference).toEqual({
    to: [
      { kind: 'res.partner', entity: 'customer' },
      { kind: 'hr.employee', entity: 'employee' },
    ],
    by: 'id',
  });
  expect(fieldOf(story.fields, 'email').overflow).toBe('refuse');
});

test('routing tables are told row by row, the fallback and the unclaimed last', async () => {
  const document = readMapping(textOf('mappings/webform/lead.json'), 'lead.json');
  const entity = entityOf('lead');
  const lens = bind(document, entity.schema, null);
  const { routes, absent } = explain(document, { entity, kind: null, entities, lens });
  const [team, owner] = routes;
  expect([team?.field, team?.among, team?.unclaimed]).toEqual([
    'team',
    { entity: 'department', by: 'name' },
    null,
  ]);
  expect(team?.rows.map(({ name, when, to }) => [name, when, to])).toEqual([
    ['key accounts', 'budget is at least {"amount":50000000,"currency":"CNY"}', ['大客户部']],
    ['east', 'province is "上海市" or "浙江省" or "江苏省"', ['华东销售部']],
    ['south', 'province is "广东省" or "福建省"', ['华南销售部']],
    ['otherwise', '', ['电话销售部']],
  ]);
  expect(owner?.rows[0]?.to).toEqual([
    'zhao.lei@example.cn, weight 2',
    'qian.min@example.cn, from 2026-01-01, halved every 90 days',
  ]);
  expect(owner?.unclaimed).toMatchObject({ after: '2h', when: 'stage is "new"' });
  expect(absent).not.toContain('owner');
});

test('an expression is told with what it makes of the example', async () => {
  const { fields } = await storyOf('odoo/order');
  const amount = fieldOf(fields, 'amount');
  expect([amount.class, amount.flow, amount.example]).toEqual([
    'lossy',
    'in',
    { remote: ['119.00', [1, 'EUR']], entity: { amount: 11_900, currency: 'EUR' } },
  ]);
});

test('of several examples the first with a value is shown, and one that is empty if there is no other', async () => {
  const fields = { size: { at: '/size', steps: ['integer'] }, source: { at: '/first' } };
  const examples: JsonObject[] = [
    { remote: { size: '', first: null }, entity: { size: null, source: null } },
    { remote: { size: '7' }, entity: { size: 7 } },
  ];
  const document = sample(fields, { examples });
  const lens = bind(document, thing.schema, null);
  const story = explain(document, { entity: thing, kind: null, entities, lens });
  expect(fieldOf(story.fields, 'size').example).toEqual({ remote: '7', entity: 7, back: '7' });
  expect(fieldOf(story.fields, 'source').example).toEqual({ remote: null, entity: null, back: null });
  expect(fieldOf(story.fields, 'open').example).toBe(undefined);
});

const whyOf = async (path: string, object: JsonObject): Promise<Why> => {
  const { document, entity, kind } = opened(path);
  const prepare = preparing([document], evaluate);
  return why(document, entity, kind, entities)((await prepare?.(object)) ?? object);
};
const toldOf = (fields: readonly WhyField[] | undefined, name: string): WhyField | undefined =>
  fields?.find((one) => one.field === name);

test('for a record each row and each part says which value came from where and through what', async () => {
  const { fields, parts } = await whyOf('jiandaoyun/order', {
    number: ' DD-1',
    customer_no: 'KH-1',
    remark: '急'.repeat(3),
    lines: [
      { _id: 'a1', sku: ' W-1', qty: 2, sum: 10 },
      { _id: 'a2', sku: 'W-2', qty: 'two' },
    ],
    receipts: [{ _id: 'b1', serial: '1 ', sum: 1.005 }, { serial: 'without an id' }, 7],
  });
  expect(toldOf(fields, 'customer')?.through).toEqual([
    { step: 'reference', value: 'KH-1', reference: { to: ['customer'], by: 'customerId' } },
  ]);
  const lines = toldOf(fields, 'lines');
  expect(lines?.problem).toContain('row 2: quantity: "two" is not a number');
  expect(lines?.rows?.map(({ row, key }) => [row, key])).toEqual([
    [1, 'a1'],
    [2, 'a2'],
  ]);
  expect(toldOf(lines?.rows?.[0]?.fields, 'product')).toEqual({
    field: 'product',
    from: [{ pointer: '/sku', value: ' W-1' }],
    through: [{ step: 'trim', value: 'W-1' }],
    value: 'W-1',
  });
  expect(toldOf(lines?.rows?.[1]?.fields, 'quantity')?.problem).toContain('is not a number');
  expect(toldOf(lines?.rows?.[1]?.fields, 'amount')?.problem).toBe('The record does not show /sum.');
  const [receipts] = parts;
  expect([receipts?.part, receipts?.entity, receipts?.rows.map(({ row, key }) => [row, key])]).toEqual([
    'receipts',
    'receipt',
    [[1, 'b1']],
  ]);
  expect(toldOf(receipts?.rows[0]?.fields, 'number')?.through).toEqual([{ step: 'trim', value: '1' }]);
  expect(toldOf(receipts?.rows[0]?.fields, 'amount')?.problem).toContain('more decimals than the 2 of CNY');
  expect(receipts?.problems).toEqual([
    '/receipts/1/_id: Row 2 has no id at /_id.',
    '/receipts/2: Row 3 is no object.',
  ]);
});

test('what was cut, and what was left where it is, is told at its hop', async () => {
  const { fields } = await whyOf('kingdee/order', { FBillNo: 'X', FNote: ` ${'急'.repeat(300)}` });
  expect(toldOf(fields, 'note')?.through[1]).toMatchObject({
    step: 'truncate',
    note: 'the value was cut from 300 to 255 characters',
  });
  const told = (rules: Record<string, unknown>, object: JsonObject) =>
    why(sample(rules, { overflow: 'refuse' }), thing, null, new Map())(object).fields;
  const table = { at: '/stage', steps: [{ table: { 线索: 'lead' } }], otherwise: 'keep' };
  expect(toldOf(told({ stage: table }, { stage: '其他' }), 'stage')?.problem).toBe(
    '"其他" is not in the table ("线索") (step table). It was not taken, as the mapping says.',
  );
  const size = toldOf(told({ size: { at: '/size', steps: ['integer'] } }, { size: '-1' }), 'size');
  expect(size?.problem).toContain('It was not taken');
});

test('an expression is told with its places and its result', async () => {
  const { fields } = await whyOf('odoo/order', { amount_total: '1.50', currency_id: [1, 'EUR'] });
  expect(toldOf(fields, 'amount')).toEqual({
    field: 'amount',
    from: [
      { pointer: '/amount_total', value: '1.50' },
      { pointer: '/currency_id', value: [1, 'EUR'] },
    ],
    through: [{ step: 'expression', value: { amount: 150, currency: 'EUR' } }],
    value: { amount: 150, currency: 'EUR' },
  });
});
