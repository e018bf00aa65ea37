import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { canonical, valueAt } from '../../src/mapping/place.ts';
import { bind } from '../../src/mapping/bind.ts';
import { lensOf, sample, sampleText } from './sample.ts';

const lens = lensOf();
const whole: JsonObject = {
  last: '王',
  first: '小明',
  mail: 'A@X.cn ',
  size: '12',
  stage: '老客户',
  open: true,
  more: { tags: 'a;b', seen: 1_772_328_600 },
  crosswalk_id: 'r1',
  id: '77',
  beside: { x: 1 },
};

test('a lens says what it is', () => {
  expect(lens).toMatchObject({
    name: 'sample',
    entity: 'thing',
    connector: 'shop',
    kind: 'thing',
    anchor: '/crosswalk_id',
  });
  expect(lens.hash).toMatch(/^[0-9a-f]{16}$/u);
  expect(lens.history).toEqual(new Set(['stage']));
  expect(lens.pointers('name')).toEqual(['/last', '/first']);
  expect(lens.pointers('toString')).toEqual([]);
});

describe('read', () => {
  test('gives every field and the anchor', () => {
    expect(lens.read(whole)).toEqual({
      fields: {
        name: '王小明',
        email: 'a@x.cn',
        size: 12,
        stage: 'customer',
        open: true,
        tags: ['a', 'b'],
        seenAt: '2026-03-01T01:30:00.000Z',
      },
      problems: [],
      anchor: 'r1',
    });
  });

  test('tells unseen from empty', () => {
    const { fields } = lens.read({ mail: null, size: '', last: null, first: null, stage: null });
    expect(fields).toEqual({ email: null, size: null, name: null, stage: null });
    expect(lens.read({ last: '王' }).fields).toEqual({});
    expect(lens.read({ more: null }).fields).toEqual({ tags: null, seenAt: null });
    expect(lens.read({ mail: '   ' }).fields).toEqual({ email: null });
    expect(lens.read({ more: { tags: ' ; ' } }).fields).toEqual({ tags: null });
    expect(lens.write({ tags: [] }, null).value).toEqual({ more: { tags: null } });
  });

  test('a field that fails does not take the others with it', () => {
    const { fields, problems } = lens.read({
      ...whole,
      size: 'many',
      stage: '新',
      open: 'yes',
      mail: 'no mail',
    });
    expect(Object.keys(fields).sort()).toEqual(['name', 'seenAt', 'tags']);
    expect(problems.map(({ field, pointer, code }) => [field, pointer, code])).toEqual([
      ['email', '/mail', 'format'],
      ['size', '/size', 'format'],
      ['stage', '/stage', 'not-covered'],
      ['open', '/open', 'type'],
    ]);
    expect(problems[2]?.message).toBe('"新" is not in the table ("线索", "客户", "老客户") (step table).');
    expect(lens.read({ last: 7, first: null }).problems[0]).toMatchObject({
      pointer: '/last + /first',
      code: 'type',
    });
  });

  test('what is required parks the whole object', () => {
    const strict = lensOf({ email: { at: '/mail', required: true } });
    const bare: readonly JsonObject[] = [{}, { mail: null }, { mail: '' }];
    for (const value of bare) {
      expect(strict.read(value).problems).toEqual([
        { pointer: '/mail', code: 'required', message: expect.stringContaining('/mail') },
      ]);
    }
    expect(strict.read({ mail: 'a@x.cn' }).problems).toEqual([]);
  });

  test('a default stands in for empty and missing, a constant for everything', () => {
    const filled = lensOf({
      email: { at: '/mail', steps: [{ default: 'a@x.cn' }] },
      source: { steps: [{ constant: 'shop' }], flow: 'in' },
    });
    expect(filled.read({}).fields).toEqual({ email: 'a@x.cn', source: 'shop' });
    expect(filled.read({ mail: null }).fields['email']).toBe('a@x.cn');
    expect(filled.outward.has('source')).toBe(false);
    expect(filled.settle('email', null)).toBe('a@x.cn');
  });

  test('never throws, and keeps nothing that JSON cannot hold', () => {
    const open = lensOf({ source: { at: '/first', steps: [] }, name: { at: '/last' } });
    fc.assert(
      fc.property(
        fc.record(
          {
            last: fc.anything(),
            mail: fc.anything(),
            size: fc.anything(),
            stage: fc.anything(),
            more: fc.anything(),
            crosswalk_id: fc.anything(),
          },
          { requiredKeys: [] },
        ),
        (value) => {
          const { fields } = open.read(value as JsonObject);
          expect(JSON.parse(JSON.stringify(fields))).toEqual(fields);
          expect(JSON.parse(JSON.stringify(open.shadow(value as JsonObject)))).toBeDefined();
        },
      ),
    );
    let deep: Json = [];
    for (let level = 0; level < 100_000; level += 1) deep = [deep];
    expect(open.read({ mail: deep }).problems).toHaveLength(1);
    expect(open.shadow({ mail: deep, last: 'a' })).toEqual({ last: 'a' });
  });
});

describe('write', () => {
  test('changes only the places of the fields given', () => {
    expect(lens.write({ email: 'B@x.cn', tags: ['c'] }, null, 'r9')).toEqual({
      value: { mail: 'b@x.cn', more: { tags: 'c' }, crosswalk_id: 'r9' },
      problems: [],
    });
    expect(lens.write({ name: null, seenAt: null }, whole).value).toEqual({
      last: null,
      first: null,
      more: { seen: null },
    });
    expect(lens.write({ unknown: 1 }, null)).toEqual({ value: {}, problems: [] });
  });

  test('keeps the remote’s spelling of the same value', () => {
    expect(lens.write({ stage: 'customer' }, null).value).toEqual({ stage: '客户' });
    expect(lens.write({ stage: 'customer' }, whole).value).toEqual({ stage: '老客户' });
    expect(lens.write({ stage: 'lead' }, whole).value).toEqual({ stage: '线索' });
    expect(lens.write({ name: '王小明' }, { last: '王小', first: '明' }).value).toEqual({
      last: '王小',
      first: '明',
    });
  });

  test('tells what the remote would not take', () => {
    const { value, problems } = lens.write({ size: 'x', email: `${'a'.repeat(40)}@x.cn`, open: true }, null);
    expect(value).toEqual({ open: true });
    expect(problems.map(({ field, pointer }) => [field, pointer])).toEqual([
      ['email', '/mail'],
      ['size', '/size'],
    ]);
  });

  test('never writes what is only read, nor reads what is only written', () => {
    const ways = lensOf({
      email: { at: '/mail', flow: 'in' },
      size: { at: '/size', steps: ['integer'], flow: 'out' },
    });
    expect(ways.write({ email: 'a@x.cn', size: 1 }, null).value).toEqual({ size: '1' });
    expect(Object.keys(ways.read(whole).fields)).not.toContain('size');
    expect([ways.inward.has('size'), ways.outward.has('email')]).toEqual([false, false]);
  });
});

test('settle foresees what the remote makes of a value', () => {
  const shouting = lensOf({ source: { at: '/first', remote: ['upper', 'trim'] }, name: { at: '/last' } });
  expect(shouting.settle('source', ' abc ')).toBe('ABC');
  expect(lens.settle('email', ' A@X.cn')).toBe('a@x.cn');
  expect(lens.settle('email', null)).toBe(null);
  expect(lens.settle('nothing', 5)).toBe(5);
});

describe('shadow', () => {
  test('keeps the places of the mapping, in one order', () => {
    const shadow = lens.shadow(whole);
    expect(Object.keys(shadow)).toEqual([
      'crosswalk_id',
      'first',
      'last',
      'mail',
      'more',
      'open',
      'size',
      'stage',
    ]);
    expect(JSON.stringify(lens.shadow(Object.fromEntries(Object.entries(whole).toReversed())))).toBe(
      JSON.stringify(shadow),
    );
    expect(lens.shadow({ id: '1' })).toEqual({});
    expect(lens.shadow({ more: null, mail: null })).toEqual({ mail: null, more: null });
    expect(lens.shadow(JSON.parse('{"__proto__": {"mail": "x"}}') as JsonObject)).toEqual({});
  });

  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('王', '小明', '线索', '老客户', 'a;b', ' A@x.cn ', '7', ''),
    fc.constant(null),
  );
  const object = fc.record(
    {
      last: text,
      first: text,
      mail: text,
      size: text,
      stage: text,
      open: fc.oneof(fc.boolean(), text),
      more: fc.oneof(
        fc.record({ tags: text, seen: fc.oneof(fc.nat(), text) }, { requiredKeys: [] }),
        fc.constant(null),
      ),
      crosswalk_id: text,
    },
    { requiredKeys: [] },
  );

  test('reads as the object itself', () => {
    fc.assert(
      fc.property(object, (value) => {
        expect(lens.read(lens.shadow(value))).toEqual(lens.read(value));
        expect(lens.shadow(lens.shadow(value))).toEqual(lens.shadow(value));
      }),
      { numRuns: 1000 },
    );
  });

  test('put after get changes nothing; get after put gives what was put', () => {
    fc.assert(
      fc.property(object, object, (value, other) => {
        const { fields } = lens.read(value);
        const same = lens.write(fields, value);
        expect(same.problems.filter((problem) => problem.code !== 'format')).toEqual([]);
        for (const field of Object.keys(fields)) {
          if (fields[field] === null || same.problems.some((problem) => problem.field === field)) continue;
          for (const pointer of lens.pointers(field)) {
            const segments = pointer.slice(1).split('/');
            expect(valueAt(same.value, segments)).toEqual(canonical(valueAt(value, segments)));
          }
        }
        for (const base of [null, other]) {
          const put = lens.write(fields, base);
          const wanted = Object.entries(fields).filter(
            ([name]) => !put.problems.some((one) => one.field === name),
          );
          expect(lens.read(put.value).fields).toEqual(Object.fromEntries(wanted));
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('hash', () => {
  test('moves with what a mapping means, and with nothing else', () => {
    expect(lensOf({}, { title: 'Other words', ignored: [] }).hash).toBe(lens.hash);
    expect(sampleText()).not.toBe('');
    const others = [
      lensOf({ email: { at: '/mail', steps: ['trim'] } }),
      lensOf({ email: { at: '/mail', steps: ['lower', 'trim'] } }),
      lensOf({ email: { at: '/mail', steps: ['trim', 'lower'], required: true } }),
      lensOf({}, { anchor: '/size', fields: { email: { at: '/mail' } } }),
      lensOf({
        stage: { at: '/stage', steps: [{ table: { 线索: 'lead', 老客户: 'customer', 客户: 'customer' } }] },
      }),
    ];
    expect(new Set([lens, ...others].map((one) => one.hash)).size).toBe(others.length + 1);
  });
});

test('half of a character parks the field, wherever it stands, and clean takes it out', () => {
  const cut = '小明\ud83d';
  const lens = lensOf({ source: { at: '/first' } });
  const { fields, problems } = lens.read({ first: cut, last: '王', mail: 'a@x.cn' });
  expect([fields['email'], fields['source']]).toEqual(['a@x.cn', undefined]);
  expect(problems.map(({ field, code }) => [field, code])).toEqual([
    ['name', 'format'],
    ['source', 'format'],
  ]);
  expect(problems[1]?.message).toBe(
    '"小明\\ud83d" holds half of a character, as a cut emoji leaves it behind; the step clean takes it out.',
  );
  expect(lensOf().read({ more: { tags: `a;${cut}` } }).problems[0]?.field).toBe('tags');
  expect(lens.write({ source: cut }, null).problems[0]?.code).toBe('format');
  expect(lensOf({ source: { at: '/first', steps: ['clean'] } }).read({ first: cut }).fields['source']).toBe(
    '小明',
  );
});

test('a table with a personal field in its rows shows no value of theirs', () => {
  const schema = {
    type: 'object',
    properties: {
      lines: {
        type: 'array',
        items: {
          type: 'object',
          properties: { id: { type: 'string' }, phone: { type: 'string', personal: true } },
        },
      },
    },
  };
  const rows = {
    key: 'id',
    missing: 'keep',
    fields: { id: { at: '/id' }, phone: { at: '/tel', steps: [{ phone: 'CN' }] } },
  };
  const lens = bind(sample({ lines: { at: '/lines', rows } }), schema, null);
  const [problem] = lens.read({ lines: [{ id: 'a', tel: 'ask Li at 13800138000' }] }).problems;
  expect(problem?.message).toMatch(/^row 1: phone: "ask•+00" is not a phone number/u);
});
