import { expect, test } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { catalogue } from '../../src/errors.ts';
import { check } from '../../src/mapping/check.ts';
import { compile } from '../../src/mapping/compile.ts';
import { findings, entityOf, kind, sample, sampleText, stageRule, thing } from './sample.ts';

test('a good mapping has nothing to say about', () => {
  expect(findings()).toEqual([]);
});

/** One sample for every code: fields and parts changed, where it is found, and words of the message. */
const bad: [
  code: string,
  fields: Record<string, unknown>,
  rest: JsonObject,
  pointer: string,
  words: string,
][] = [
  ['mapping-pointer-unknown', { email: { at: '/mial' } }, {}, '/fields/email/at', 'did you mean /mail?'],
  ['mapping-pointer-unknown', {}, { anchor: '/cross' }, '/anchor', 'shop has no place /cross in a thing'],
  ['mapping-read-only', { source: { at: '/id' } }, {}, '/fields/source/at', '/id cannot be written'],
  ['mapping-field-unknown', { emial: { at: '/mail' } }, {}, '/fields/emial', 'did you mean email?'],
  [
    'mapping-step-unknown',
    { email: { at: '/mail', steps: ['lowre'] } },
    {},
    '/fields/email/steps/0',
    'did you mean lower?',
  ],
  [
    'mapping-step-argument',
    { email: { at: '/mail', steps: ['phone'] } },
    {},
    '/fields/email/steps/0',
    'is missing',
  ],
  [
    'mapping-step-argument',
    { email: { at: '/mail', steps: [{ phone: 'China' }] } },
    {},
    '/fields/email/steps/0',
    'China',
  ],
  [
    'mapping-step-argument',
    { email: { at: '/mail', steps: [{ trim: 1 }] } },
    {},
    '/fields/email/steps/0',
    'takes none',
  ],
  [
    'mapping-step-argument',
    { email: { at: '/mail', remote: [{ time: 'utc' }] } },
    {},
    '/fields/email/remote/0',
    'utc',
  ],
  ['mapping-places', { name: { at: ['/last', '/first'] } }, {}, '/fields/name/at', 'no step composes'],
  ['mapping-places', { name: { at: '/last', steps: ['person-name'] } }, {}, '/fields/name/at', 'composes 2'],
  [
    'mapping-step-argument',
    {
      source: {
        at: '/first',
        steps: [
          {
            table: [
              ['a', 'x'],
              ['a', 'y'],
            ],
          },
        ],
      },
    },
    {},
    '/fields/source/steps/0',
    '"a" twice',
  ],
  [
    'mapping-places',
    { name: { at: ['/last', '/first'], steps: [{ join: '' }, 'person-name'], flow: 'in' } },
    {},
    '/fields/name/at',
    'must be the first',
  ],
  ['mapping-places', { source: { steps: ['trim'], flow: 'in' } }, {}, '/fields/source/at', 'says no place'],
  ['mapping-types', { size: { at: '/size' } }, {}, '/fields/size/at', "holds text, and the entity's field"],
  [
    'mapping-types',
    { open: { at: '/open', steps: ['trim'] } },
    {},
    '/fields/open/steps/0',
    'step trim needs text',
  ],
  [
    'mapping-types',
    { open: { at: '/open', steps: ['boolean'] } },
    {},
    '/fields/open/at',
    'what is written is text',
  ],
  [
    'mapping-otherwise',
    { email: { at: '/mail', otherwise: 'park' } },
    {},
    '/fields/email/otherwise',
    'has no table',
  ],
  [
    'mapping-lossy',
    { name: { at: ['/last', '/first'], steps: [{ join: '' }] } },
    {},
    '/fields/name/steps/0',
    'no way back',
  ],
  [
    'mapping-lossy',
    { source: { at: '/first', steps: [{ constant: 'x' }] } },
    {},
    '/fields/source/steps/0',
    'constant',
  ],
  [
    'mapping-same-place',
    { source: { at: '/mail' } },
    {},
    '/fields/source/at',
    'source and email both write /mail',
  ],
  ['mapping-same-place', { source: { at: '/crosswalk_id' } }, {}, '/fields/source/at', 'source and anchor'],
  [
    'mapping-uncovered',
    { stage: { at: '/stage', steps: [{ table: { 线索: 'lead', 客户: 'customer' } }] } },
    {},
    '/fields/stage/steps',
    '"老客户", which shop (/stage) may hold',
  ],
  [
    'mapping-uncovered',
    {
      stage: {
        ...stageRule,
        flow: 'both',
        steps: [{ table: { 线索: 'lead', 客户: 'lead', 老客户: 'lead' } }],
      },
    },
    {},
    '/fields/stage/steps',
    '"customer", which entity thing may hold',
  ],
  [
    'mapping-uncovered',
    { stage: { at: '/stage', steps: [{ table: { 线索: 'lead' } }], otherwise: { in: 'pass', out: '客户' } } },
    {},
    '/fields/stage/steps',
    '"客户", which shop',
  ],
  [
    'mapping-outcome',
    { stage: { at: '/stage', steps: [{ table: { 线索: 'laed', 客户: 'customer', 老客户: 'customer' } }] } },
    {},
    '/fields/stage/steps',
    'makes "laed" of "线索", and entity thing does not take that (did you mean lead?)',
  ],
  [
    'mapping-outcome',
    {
      stage: {
        at: '/stage',
        steps: [{ table: { 新客户: 'customer', 线索: 'lead' } }],
        otherwise: { in: 'lead' },
      },
    },
    {},
    '/fields/stage/steps',
    'makes "新客户" of "customer", and shop (/stage) does not take that (did you mean 客户?)',
  ],
  [
    'mapping-otherwise',
    { stage: { ...stageRule, otherwise: 'kep' } },
    {},
    '/fields/stage/otherwise',
    'with "kep" when reading, which is not one of "lead", "customer" (did you mean keep?)',
  ],
  [
    'mapping-otherwise',
    { stage: { ...stageRule, otherwise: { out: '客' } } },
    {},
    '/fields/stage/otherwise',
    'with "客" when writing, which is not one of',
  ],
  [
    'mapping-types',
    { size: { at: '/more/seen', steps: [{ table: { '1': 'a' } }] }, seenAt: undefined },
    {},
    '/fields/size/steps/0',
    'write pairs: [[1, "a"], …]',
  ],
  [
    'mapping-same-place',
    {},
    {
      parts: {
        tags: { at: '/more', key: '/id', entity: 'thing', fields: { name: { at: '/last' } } },
      } as unknown as Json,
    },
    '/fields/seenAt/at',
    'The fields seenAt and tags both write /more/seen',
  ],
  [
    'mapping-example-fails',
    { stage: { ...stageRule, at: '/stage' } },
    { examples: [{ remote: { stage: '线索' }, entity: { stage: 'customer' } }] },
    '/examples/0/entity/stage',
    'reads as "lead"',
  ],
  [
    'mapping-example-fails',
    {},
    { examples: [{ remote: { size: 'many' }, entity: { size: 1 } }] },
    '/examples/0/entity/size',
    'does not read',
  ],
  [
    'mapping-example-fails',
    {},
    { examples: [{ remote: {}, entity: { size: 1 } }] },
    '/examples/0/entity/size',
    'is not read from that object',
  ],
  [
    'mapping-example-fails',
    {},
    {
      examples: [{ remote: { mail: `${'a'.repeat(30)}@x.cn` }, entity: { email: `${'a'.repeat(30)}@x.cn` } }],
    },
    '/examples/0/entity/email',
    'cannot be written',
  ],
  [
    'mapping-example-fails',
    { email: { at: '/mail', required: true } },
    { examples: [{ remote: { mail: '' }, entity: {} }] },
    '/examples/0/remote',
    'whole object park',
  ],
  [
    'mapping-field-unknown',
    {},
    { examples: [{ remote: {}, entity: { sise: 1 } }] },
    '/examples/0/entity/sise',
    'did you mean size?',
  ],
  [
    'mapping-round-trip',
    { email: { at: '/mail', remote: ['upper'] } },
    { examples: [{ remote: { mail: 'a@x.cn' }, entity: { email: 'a@x.cn' } }] },
    '/examples/0/entity/email',
    '"A@X.CN" was read',
  ],
  ['mapping-no-examples', {}, { examples: [] }, '', 'no examples'],
  [
    'mapping-example-gap',
    {},
    { examples: [{ remote: { size: '1' }, entity: { size: 1 } }] },
    '/fields/email',
    'No example shows field email',
  ],
  [
    'mapping-example-alike',
    { source: { at: '/last', flow: 'in' } },
    { examples: [{ remote: { last: 'a', first: null }, entity: { source: 'a', name: 'a' } }] },
    '/fields/source',
    'tells field source from field name',
  ],
  // The remote shows 30 characters of a mail, the entity takes any.
  [
    'mapping-limit',
    {},
    { overflow: undefined as unknown as Json },
    '/fields/email',
    '/mail takes at most 30 characters',
  ],
  ['mapping-limit', {}, { overflow: undefined as unknown as Json }, '/fields/size', 'numbers with minimum 0'],
  [
    'mapping-reference',
    { source: { at: '/last', reference: { to: 'thingg', by: 'id' } } },
    {},
    '/fields/source/reference/to',
    'did you mean thing?',
  ],
  [
    'mapping-reference',
    { source: { at: '/last', reference: { to: 'thing', by: 'nmae' } } },
    {},
    '/fields/source/reference/by',
    'did you mean name?',
  ],
  ['mapping-when', {}, { when: { at: '/stage', is: ['新'] } }, '/when/is/0', 'is not one of'],
  [
    'mapping-when',
    {},
    { when: { at: '/stage', is: ['客户'] } },
    '/examples/0/remote',
    'is not what it is for',
  ],
  [
    // What is read does not begin with x any more, which no example shows.
    'mapping-round-trip',
    { email: undefined, source: { at: '/mail', steps: [{ prefix: 'x' }, 'upper'] } },
    { examples: [{ remote: { size: '1' }, entity: { size: 1 } }] },
    '/fields/source',
    'does not come back',
  ],
];

test.each(bad)('%s: %j', (code, fields, rest, pointer, words) => {
  const document = sample(fields, rest);
  const found = check(document, { entity: thing, kind, entities: new Map([['thing', thing]]) });
  const match = found.find((one) => one.code === code && one.pointer === pointer);
  expect(match, JSON.stringify(found, null, 1)).toBeDefined();
  expect(match?.severity).toBe('error');
  expect(match?.message).toContain(words);
  expect(match?.message).not.toContain('?.');
  expect(match?.remedy).not.toMatch(/\{\w+\}/u);
  // The line is the one on which the last name of the pointer stands.
  const name = pointer.split('/').findLast((part) => !/^\d+$/u.test(part)) ?? '';
  const line = sampleText(fields, rest).split('\n')[(match?.line ?? 0) - 1] ?? '';
  if (
    ![
      'mapping-places',
      'mapping-step-unknown',
      'mapping-step-argument',
      'mapping-types',
      'mapping-lossy',
      'mapping-no-examples',
      'mapping-when',
    ].includes(code)
  ) {
    expect(line).toContain(`"${name}"`);
  }
  const first = found.find((one) => one.severity === 'error');
  expect(() => compile(document, thing, kind, new Map([['thing', thing]]))).toThrow(
    expect.objectContaining({ code: first?.code }),
  );
});

test('an expression inside of a list, where nobody computes it, is refused', () => {
  const fields = { name: { at: '/last', steps: [{ expression: '$' }], flow: 'in' } };
  const part = { at: '/more/tags', key: '/id', entity: 'thing', fields };
  const rows = { at: '/more/tags', flow: 'in', rows: { key: 'name', missing: 'keep', fields } };
  const against = { entity: thing, kind: null, entities: new Map([['thing', thing]]) };
  const places = (document: ReturnType<typeof sample>): readonly string[] =>
    check(document, against)
      .filter((one) => one.code === 'mapping-places' && one.message.includes('has an expression'))
      .map((one) => one.pointer);
  expect(places(sample({}, { parts: { tags: part } as unknown as JsonObject }))).toEqual([
    '/parts/tags/fields/name/steps/0',
  ]);
  const table = {
    ...thing,
    fields: new Map([...thing.fields, ['tags', { type: 'array', items: { type: 'object' } }]]),
  };
  expect(check(sample({ tags: rows }), { ...against, entity: table }).map((one) => one.pointer)).toContain(
    '/fields/tags/rows/fields/name/steps/0',
  );
});

test('the key of a table that goes both ways goes both ways', () => {
  const table = {
    ...thing,
    fields: new Map([
      ...thing.fields,
      ['tags', { type: 'array', items: { type: 'object', properties: { id: { type: 'string' } } } }],
    ]),
  };
  const told = (flow: string, key: string): readonly string[] =>
    check(
      sample({
        tags: {
          at: '/tags',
          flow,
          rows: { key: 'id', missing: 'keep', fields: { id: { at: '/id', flow: key } } },
        },
      }),
      { entity: table, kind: null },
    ).flatMap(({ code, pointer, message }) => (code === 'mapping-row-key' ? [pointer, message] : []));
  expect(told('both', 'in')).toEqual([
    '/fields/tags/rows/key',
    'The rows of field tags are told apart by id, and id is not written as they are.',
  ]);
  expect(told('both', 'out')[1]).toContain('is not read as they are');
  expect(told('in', 'out')[1]).toContain('is not read as they are');
  for (const [flow, key] of [
    ['both', 'both'],
    ['in', 'in'],
    ['in', 'both'],
    ['out', 'out'],
  ] as const)
    expect(told(flow, key), `${flow} ${key}`).toEqual([]);
});

test('a step is named by its own line', () => {
  const fields = { email: { at: '/mail', steps: ['trim', 'lowre'] } };
  const found = findings(fields)[0];
  expect(sampleText(fields).split('\n')[(found?.line ?? 0) - 1]).toContain('"lowre"');
});

const warned: [code: string, fields: Record<string, unknown>, rest: JsonObject, pointer: string][] = [
  ['mapping-unmapped', {}, { ignored: [] }, '/fields'],
  ['mapping-pointer-unknown', {}, { ignored: ['/id', '/gone'] }, '/ignored/1'],
  ['mapping-example-idle', { size: { at: '/size', steps: ['trim', 'integer'] } }, {}, '/fields/size/steps/0'],
];
test('an example that the kind could not show is told, but for what shows a limit', () => {
  const there = { ...kind, additionalProperties: false };
  const remote = { last: '王', frist: '小明', size: 12, mail: 'a'.repeat(40) };
  const found = check(sample({}, { examples: [{ remote, entity: {} }] }), { entity: thing, kind: there });
  expect(
    found
      .filter((one) => one.code === 'mapping-example-strange')
      .map((one) => [one.severity, one.pointer, one.message]),
  ).toEqual([
    [
      'warning',
      '/examples/0/remote/frist',
      expect.stringContaining('it has "frist", which means nothing here (did you mean "first"?)'),
    ],
    ['warning', '/examples/0/remote/size', expect.stringContaining('/size is 12, and must be text')],
  ]);
});

test.each(warned)('%s is a warning', (code, fields, rest, pointer) => {
  const found = findings(fields, rest);
  expect(found.find((one) => one.code === code && one.pointer === pointer)?.severity).toBe('warning');
  expect(found.filter((one) => one.severity === 'error')).toEqual([]);
  expect(compile(sample(fields, rest), thing, kind).name).toBe('sample');
});

test('a mapping for another entity is told so at once', () => {
  const found = check(sample(), { entity: entityOf('contact'), kind });
  expect(found.map((one) => one.code)).toEqual(['mapping-entity']);
});

test('every code about mappings has a sample here', () => {
  const shown = new Set([...bad.map(([code]) => code), ...warned.map(([code]) => code), 'mapping-entity']);
  // These are told while the text is read; document.test.ts has their samples.
  for (const code of ['mapping-unreadable', 'mapping-shape', 'mapping-pointer-hostile', 'mapping-twice'])
    shown.add(code);
  for (const code of ['mapping-kind-unknown', 'mapping-required', 'mapping-example-strange']) shown.add(code);
  // A table of its own entity, above.
  shown.add('mapping-row-key');
  // Those about routing tables are in routing.test.ts.
  for (const code of ['mapping-route', 'mapping-route-idle']) shown.add(code);
  const all = Object.keys(catalogue).filter((code) => code.startsWith('mapping-'));
  expect(all.filter((code) => !shown.has(code))).toEqual([]);
});

test('a named fallback covers what the table leaves out', () => {
  const steps = [{ table: { 线索: 'lead' } }];
  const covered = { stage: { at: '/stage', steps, otherwise: { in: 'customer', out: '客户' } } };
  expect(findings(covered).filter((one) => one.severity === 'error')).toEqual([]);
  // A bare value is an answer for reading only.
  const half = findings({ stage: { at: '/stage', steps, otherwise: 'customer' } });
  expect(half.map((one) => one.message).join()).toContain('which entity thing may hold');
});

test('to park what the table leaves out is an answer, and is still told', () => {
  const gaps = (otherwise: Json): readonly (readonly [string, string])[] =>
    findings({ stage: { at: '/stage', steps: [{ table: { 线索: 'lead' } }], otherwise } })
      .filter((one) => one.code === 'mapping-uncovered')
      .map((one) => [one.severity, one.message]);
  expect(gaps('park').map(([severity]) => severity)).toEqual(['warning', 'warning', 'warning']);
  const half = gaps({ in: 'park' });
  expect(half.filter(([severity]) => severity === 'error').join()).toContain('which entity thing may hold');
  expect(half.filter(([severity]) => severity === 'warning').join()).toContain(
    'which shop (/stage) may hold',
  );
  // The table names what the place does not take: parking would not make that right.
  const wrong = findings({
    stage: { at: '/stage', steps: [{ table: { 新: 'lead', 客户: 'customer' } }], otherwise: 'park' },
  });
  expect(wrong.find((one) => one.message.includes('"lead"'))?.severity).toBe('error');
});

test('what either side requires and no field fills is told', () => {
  const entity = { ...thing, schema: { ...thing.schema, required: ['name', 'source'] } };
  const there = {
    ...kind,
    required: ['id', 'mail', 'more', 'note'],
    properties: {
      ...(kind['properties'] as JsonObject),
      note: { type: 'string', default: '-' },
      more: {
        type: 'object',
        required: ['tags', 'colour'],
        properties: { tags: { type: 'string' }, seen: { type: 'integer' }, colour: { type: 'string' } },
      },
    },
  };
  const told = (fields: Record<string, unknown>): readonly string[] =>
    check(sample(fields, { ignored: ['/id', '/mail', '/note', '/more/colour'] }), { entity, kind: there })
      .filter((one) => one.code === 'mapping-required')
      .map((one) => `${one.severity}: ${one.message}`);
  // What the remote fills by itself, and what has a default, need no field.
  expect(told({ email: undefined })).toEqual([
    'warning: shop requires /mail in a thing, and no field writes it.',
    'warning: shop requires /more/colour in a thing, and no field writes it.',
    'warning: Entity thing requires source, and no field gives it.',
  ]);
  expect(told({ source: { at: '/more/colour' } })).toEqual([]);
});

test('in a row nothing is left out in silence either', () => {
  const lines = {
    type: 'array',
    items: { type: 'object', required: ['id'], properties: { id: {}, sku: {}, qty: {} } },
  };
  const entity = {
    ...thing,
    fields: new Map([...thing.fields, ['lines', lines]]),
    schema: { ...thing.schema, properties: { ...(thing.schema['properties'] as JsonObject), lines } },
  };
  const there = { ...kind, properties: { ...(kind['properties'] as JsonObject), lines } };
  const told = (rows: object): readonly (readonly string[])[] =>
    check(sample({ lines: { at: '/lines', rows } }), { entity, kind: there })
      .filter((one) => one.pointer.startsWith('/fields/lines/rows'))
      .map((one) => [one.code, one.severity, one.pointer, one.message]);
  const fields = { sku: { at: '/sku' } };
  expect(told({ key: 'sku', missing: 'keep', fields, ignored: ['/qyt'] })).toEqual([
    [
      'mapping-pointer-unknown',
      'warning',
      '/fields/lines/rows/ignored/0',
      expect.stringContaining('did you mean /qty?'),
    ],
    ['mapping-unmapped', 'warning', '/fields/lines/rows/fields', expect.stringContaining('/id')],
    ['mapping-unmapped', 'warning', '/fields/lines/rows/fields', expect.stringContaining('/qty')],
    ['mapping-required', 'warning', '/fields/lines/rows/fields', expect.stringContaining('/id in a thing')],
    ['mapping-required', 'warning', '/fields/lines/rows/fields', expect.stringContaining('requires id')],
  ]);
  const whole = { id: { at: '/id' }, sku: { at: '/sku' } };
  expect(told({ key: 'id', missing: 'keep', fields: whole, ignored: ['/qty'] })).toEqual([]);
});

test('a limit that the source keeps too is none', () => {
  const limits = (own: JsonObject, theirs: JsonObject): readonly string[] => {
    const size = { type: 'number', ...own };
    const entity = { ...thing, fields: new Map([...thing.fields, ['size', size]]) };
    const there = {
      ...kind,
      properties: { ...(kind['properties'] as JsonObject), size: { type: 'number', ...theirs } },
    };
    const document = sample(
      { size: { at: '/size', flow: 'in' } },
      { overflow: undefined as unknown as Json },
    );
    return check(document, { entity, kind: there })
      .filter((one) => one.code === 'mapping-limit' && one.pointer === '/fields/size')
      .map((one) => one.message);
  };
  expect(limits({ maximum: 100, minimum: 0 }, { maximum: 50, minimum: 1 })).toEqual([]);
  expect(limits({ multipleOf: 0.5 }, { multipleOf: 1 })).toEqual([]);
  expect(limits({ maximum: 100 }, { maximum: 200 }).join()).toContain('numbers with maximum 100');
  expect(limits({ multipleOf: 1 }, { multipleOf: 0.5 }).join()).toContain('numbers with multipleOf 1');
});

test('places are found in schemas that are put together with allOf', () => {
  const { properties, ...rest } = kind;
  const split: JsonObject = {
    ...rest,
    $defs: { base: { type: 'object', properties: properties ?? {} } },
    allOf: [{ $ref: '#/$defs/base' }, { properties: { extra: { type: 'string', maxLength: 5 } } }],
  };
  expect(
    check(sample({ source: { at: '/extra' } }), { entity: thing, kind: split }).map((one) => one.code),
  ).toEqual(['mapping-example-gap']);
});

test('without the remote’s schema the places are taken on trust', () => {
  const found = check(sample({ source: { at: '/anywhere' } }), { entity: thing, kind: null });
  expect(found.map((one) => [one.severity, one.code])).toEqual([
    ['warning', 'mapping-kind-unknown'],
    ['error', 'mapping-example-gap'],
  ]);
  const kinds = ['shop/thinng', 'shop/order'];
  const [hinted] = check(sample(), { entity: thing, kind: null, kinds });
  expect(hinted?.message).toContain('did you mean shop/thinng?');
  expect(hinted?.pointer).toBe('/remote');
});
