import { describe, expect, test } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { bind } from '../../src/mapping/bind.ts';
import { preparing } from '../../src/mapping/expressions.ts';
import { evaluate } from '../../src/evaluator.ts';
import { clashOf } from '../../src/mapping/when.ts';
import { stepNamed } from '../../src/mapping/steps.ts';
import { sample, thing } from './sample.ts';

/** What real systems hold: tables, parts, links to other records, one kind for several entities, computed values. */

const rowsEntity = {
  ...thing.schema,
  properties: {
    lines: {
      type: 'array',
      items: {
        type: 'object',
        properties: { id: { type: 'string' }, sku: { type: 'string' }, qty: { type: 'number' } },
      },
    },
  },
};

const table = (missing: 'keep' | 'remove') =>
  bind(
    sample(
      {
        name: undefined,
        lines: {
          at: '/lines',
          rows: {
            key: 'id',
            missing,
            fields: {
              id: { at: '/no' },
              sku: { at: '/item/code', steps: ['trim'] },
              qty: { at: '/qty', steps: ['number'] },
            },
          },
        },
      },
      { examples: [] },
    ),
    rowsEntity,
    null,
  );

const there: Json = [
  { no: 'a', item: { code: ' W-1', unit: 'kg' }, qty: '2', note: 'theirs' },
  { no: 'b', item: { code: 'W-2' }, qty: '0.5' },
];

describe('rows', () => {
  test('are read with their own fields, and written over what else a row holds', () => {
    const lens = table('keep');
    const { fields, problems } = lens.read({ lines: there });
    expect(problems).toEqual([]);
    expect(fields['lines']).toEqual([
      { id: 'a', sku: 'W-1', qty: 2 },
      { id: 'b', sku: 'W-2', qty: 0.5 },
    ]);
    const { value } = lens.write({ lines: [{ id: 'a', sku: 'W-9', qty: 2 }] }, { lines: there });
    expect(value['lines']).toEqual([
      { no: 'a', item: { code: 'W-9', unit: 'kg' }, qty: '2', note: 'theirs' },
      { no: 'b', item: { code: 'W-2' }, qty: '0.5' },
    ]);
  });

  test('that the record has not are taken away only where the mapping says so, and new ones are added', () => {
    const wanted: JsonObject = { lines: [{ id: 'c', sku: 'W-3', qty: 1 }, { id: 'a' }] };
    const { value } = table('remove').write(wanted, { lines: there });
    expect(value['lines']).toEqual([
      { no: 'c', item: { code: 'W-3' }, qty: '1' },
      { no: 'a', item: { code: null, unit: 'kg' }, qty: null, note: 'theirs' },
    ]);
    expect(table('keep').write(wanted, { lines: there }).value['lines']).toHaveLength(3);
  });

  test('name the row, the field and the step that do not fit', () => {
    const { problems } = table('keep').read({ lines: [{ no: 'a' }, { no: 'b', qty: 'many' }] });
    expect(problems[0]?.message).toBe('row 2: qty: "many" is not a number (step number).');
    expect(table('keep').read({ lines: [{ no: 'a' }, { no: 'a' }] }).problems[0]?.message).toContain(
      'stands in two rows',
    );
    expect(table('keep').read({ lines: [{ qty: '1' }] }).problems[0]?.message).toContain('has no id');
    expect(table('keep').read({ lines: ['x'] }).problems[0]?.message).toContain('row 1');
  });
});

describe('what a field is made of', () => {
  const lists = {
    ...thing.schema,
    properties: {
      name: { type: 'array', uniqueItems: true, items: { type: 'string' } },
      email: { type: 'array', items: { type: 'string' } },
      source: { type: 'array', uniqueItems: true, items: { type: 'object' } },
      size: { type: 'string', uniqueItems: true },
    },
  };
  const fields = {
    name: { at: '/name', steps: [{ list: 'trim' }] },
    email: { at: '/email' },
    source: { at: '/source' },
    size: { at: '/size' },
  };
  const lens = bind(sample(fields, { examples: [] }), lists, null);

  test('single values, each once, are a set; rows are a table; all else is one value', () => {
    expect(['name', 'email', 'source', 'size', 'nothing'].map((field) => lens.shape(field))).toEqual([
      'set',
      'value',
      'value',
      'value',
      'value',
    ]);
    expect(table('keep').shape('lines')).toEqual({
      key: 'id',
      missing: 'keep',
      inward: new Set(['id', 'sku', 'qty']),
      outward: new Set(['id', 'sku', 'qty']),
    });
  });

  test('an element that stands there twice is in a set once, and is no fault', () => {
    const { fields: read, problems } = lens.read({ name: ['b', ' a', 'b', 'a'], email: ['x', 'x'] });
    expect([read, problems]).toEqual([{ name: ['b', 'a'], email: ['x', 'x'] }, []]);
  });

  test('rows settle by their cells, what the remote is known to do to each included', () => {
    const known = bind(
      sample(
        {
          name: undefined,
          lines: {
            at: '/lines',
            rows: {
              key: 'id',
              missing: 'keep',
              fields: {
                id: { at: '/no' },
                sku: { at: '/code', remote: ['lower'] },
                qty: { at: '/qty', flow: 'in' },
              },
            },
          },
        },
        { examples: [] },
      ),
      rowsEntity,
      null,
    );
    expect(known.settle('lines', [{ id: 'a', sku: 'W', qty: 2, more: 'x' }])).toEqual([
      { id: 'a', sku: 'w' },
    ]);
  });
});

test('parts are records of their own, each with its row’s id; a row without one is told and the others go on', () => {
  const part = {
    at: '/visits',
    key: '/_id',
    entity: 'thing',
    fields: { name: { at: '/who', steps: ['trim'] } },
  };
  const lens = bind(sample({}, { parts: { visits: part } as unknown as JsonObject }), thing.schema, null, {
    entities: new Map([['thing', thing.schema]]),
  });
  const visits = lens.parts.get('visits');
  const { rows, problems } = visits?.rows({ visits: [{ _id: 7, who: ' 王五' }, { who: 'x' }, 3] }) ?? {
    rows: [],
    problems: [],
  };
  expect(rows.map(({ key, value }) => [key, visits?.lens.read(value).fields])).toEqual([
    ['7', { name: '王五' }],
  ]);
  expect(problems.map((one) => one.pointer)).toEqual(['/visits/1/_id', '/visits/2']);
  // The shadow keeps the list, so that a change of a part is a change of the object.
  expect(lens.shadow({ visits: [{ _id: 7 }], other: 1 })).toEqual({ visits: [{ _id: 7 }] });
});

test('a reference speaks in the remote’s terms, and says which entity it means', () => {
  const fields = {
    name: { at: '/last', reference: { to: 'customer', by: 'id' } },
    source: {
      at: ['/res_id', '/res_model'],
      reference: { to: { 'res.partner': 'customer', 'crm.lead': 'lead' }, by: 'id' },
    },
  };
  const lens = bind(sample(fields), thing.schema, {
    type: 'object',
    properties: { last: { type: 'integer' }, res_id: { type: 'integer' }, res_model: { type: 'string' } },
  });
  expect(lens.references.get('name')).toEqual({ to: ['customer'], by: 'id' });
  expect(lens.references.get('source')).toEqual({ to: ['customer', 'lead'], by: 'id' });
  const object = { last: 57, res_id: 9, res_model: 'crm.lead' };
  const { fields: read } = lens.read(object);
  expect(read).toMatchObject({ name: '57', source: 'lead/9' });
  expect(lens.write({ name: '57', source: 'customer/8' }, null).value).toEqual({
    last: 57,
    res_id: 8,
    res_model: 'res.partner',
  });
  expect(lens.write({ name: 'C-1' }, null).problems[0]?.message).toContain('is no number');
  expect(lens.read({ res_id: 1, res_model: 'x.y' }).problems[0]?.message).toContain('none of the kinds');
});

test('a value that does not fit is left where it is, with a note, where the mapping says refuse', () => {
  const schema = { ...thing.schema, properties: { name: { type: 'string', maxLength: 3 } } };
  const lens = (overflow: string) => bind(sample({ name: { at: '/last', overflow } }), schema, null);
  expect(lens('park').read({ last: '王小明先生' }).problems[0]).toMatchObject({
    code: 'overflow',
    field: 'name',
  });
  const refused = lens('refuse').read({ last: '王小明先生' });
  expect(refused.problems).toEqual([]);
  expect(refused.fields).not.toHaveProperty('name');
  expect(refused.notes?.[0]?.message).toContain('has 5 characters, and at most 3 fit');
  const cut = bind(sample({ name: { at: '/last', steps: [{ truncate: 3 }] } }), schema, null);
  expect(cut.read({ last: '王小明先生' })).toMatchObject({
    fields: { name: '王小明' },
    notes: [{ field: 'name', message: 'The value was cut from 5 to 3 characters.' }],
  });
  expect(cut.write({ name: '王小明先生' }, null).notes).toHaveLength(1);
  expect(cut.settle('name', '王小明先生')).toBe('王小明');
});

describe('expressions', () => {
  const lensOf = (text: string, at: string | readonly string[] = '/last') => {
    const document = sample({ name: { at, steps: [{ expression: text }], flow: 'in' } });
    const prepare = preparing([document], evaluate) ?? ((object: JsonObject) => Promise.resolve(object));
    return { ...bind(document, thing.schema, null), prepare };
  };
  const read = async (text: string, object: JsonObject, at?: string | readonly string[]) => {
    const lens = lensOf(text, at);
    return lens.read(await lens.prepare(object));
  };

  test('see the places of their field and nothing else', async () => {
    expect((await read('$uppercase($)', { last: 'ab' })).fields['name']).toBe('AB');
    const two = ['/last', '/first'];
    expect((await read('last & "-" & first', { last: 'a', first: 'b', mail: 'x' }, two)).fields['name']).toBe(
      'a-b',
    );
    expect((await read('mail', { last: 'a', mail: 'x' }, two)).fields['name']).toBe(null);
    expect((await read('$uppercase($)', { first: 'ab' })).fields).not.toHaveProperty('name');
  });

  test('end in time and in size, and say so without showing the value', async () => {
    const forever = await read('($f := function($x) { $f($x + 1) }; $f(1))', { last: 'geheim' });
    expect(forever.problems[0]?.message).toMatch(/took longer than 250 ms|D1011|fails/u);
    const long = await read('$join([1..9000].("0123456789"))', { last: 'a' });
    expect(long.problems[0]?.message).toContain('more than 65536 characters');
    const wrong = await read('$number($)', { last: 'geheim' });
    expect(wrong.problems[0]?.message).toContain('JSONata');
    expect(wrong.problems[0]?.message).not.toContain('geheim');
  });

  test('are stopped from outside where the library cannot: within a step of its own, and for memory', async () => {
    const last = `${'a'.repeat(40)}!`;
    const said = async (text: string): Promise<string> =>
      (await read(text, { last })).problems[0]?.message ?? '';
    expect(await said('$match($, /^(a+)+$/)')).toContain('was stopped after 1000 ms');
    const doubled = '($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $length($f($, 22)))';
    expect(await said(doubled)).toMatch(/was stopped after 1000 ms|needs more than 128 MB/u);
    // Those that wait behind are not harmed, and come in their order.
    const all = await Promise.all(
      ['$match($, /^(a+)+$/)', '$length($)', '$substring($, 40)'].map((text) => read(text, { last })),
    );
    expect(all.map((one) => one.fields['name'] ?? one.problems[0]?.message)).toEqual([
      expect.stringContaining('was stopped'),
      '41 is not text.',
      '!',
    ]);
  });

  test('take nothing that a remote puts where their results stand', async () => {
    const lens = lensOf('$uppercase($)');
    const real = await lens.prepare({ last: 'ab' });
    const forged = { ...real, last: 'cd' };
    expect(lens.read(await lens.prepare(forged)).fields['name']).toBe('CD');
    expect(lens.read(lens.shadow(real)).fields['name']).toBe('AB');
    expect(lens.shadow(real)).not.toHaveProperty('last');
  });

  test('that would give another value each time are refused', () => {
    for (const text of ['$now()', '$random()', '$millis()', '$eval("1")', '$map([1], $shuffle)', 'a +'])
      expect(stepNamed('expression')?.fault?.(text), text).not.toBe(null);
    expect(stepNamed('expression')?.fault?.('$sum(items.(price * quantity))')).toBe(null);
    expect(preparing([sample()], evaluate)).toBe(undefined);
  });
});

test('when tells the objects of one kind apart', () => {
  const lens = bind(sample({}, { when: { at: '/open', is: [true, null] } }), thing.schema, null);
  expect(lens.applies({ open: true })).toBe(true);
  expect(lens.applies({})).toBe(true);
  expect(lens.applies({ open: false })).toBe(false);
});

test('mappings of one kind that may both take an object are told', () => {
  const of = (name: string, when: JsonObject | undefined) =>
    sample({}, { name, ...(when === undefined ? {} : { when }) });
  const open = of('open', { at: '/open', is: [true, null] });
  expect(clashOf(open, of('shut', { at: '/open', is: [false] }))).toBe(null);
  expect(clashOf(open, of('both', { at: '/open', is: [false, true] }))).toContain('takes true too');
  expect(clashOf(open, of('stage', { at: '/stage', is: ['客户'] }))).toContain('decides by /stage');
  expect(clashOf(open, of('all', undefined))).toContain('takes every object');
  expect(clashOf(of('all', undefined), of('other', undefined))).toBe(null);
});
