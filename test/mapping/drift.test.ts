import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Json, JsonObject, JsonSchema } from '../../src/connector.ts';
import { changesOf } from '../../src/mapping/changes.ts';
import type { ChangeSort } from '../../src/mapping/changes.ts';
import { check } from '../../src/mapping/check.ts';
import { readEntity, type MappingDocument } from '../../src/mapping/document.ts';
import { driftOf, touchWords, type Drift } from '../../src/mapping/drift.ts';
import { isObject } from '../../src/mapping/place.ts';
import { kind, sample, stageRule, thing } from './sample.ts';

/** What is told of a live schema that is not as the shipped one, and of the mappings and syncs that it touches. */

// ---------------------------------------------------------------- laws

const names = fc.constantFrom('a', 'b', 'c', '价格', 'x/y', 'q~r');
const text = fc.record(
  {
    type: fc.constantFrom<Json>('string', ['string', 'null']),
    maxLength: fc.integer({ min: 5, max: 50 }),
    minLength: fc.integer({ min: 1, max: 4 }),
    readOnly: fc.boolean(),
    title: fc.string(),
  },
  { requiredKeys: ['type'] },
) as fc.Arbitrary<JsonSchema>;
const amount = fc.record(
  {
    type: fc.constantFrom<Json>('number', 'integer'),
    minimum: fc.integer({ min: 0, max: 9 }),
    maximum: fc.integer({ min: 20, max: 99 }),
  },
  { requiredKeys: ['type'] },
) as fc.Arbitrary<JsonSchema>;
const choice = fc
  .uniqueArray(fc.constantFrom('线索', 'lead', 'x', 'y', 'z'), { minLength: 1, maxLength: 4 })
  .map((options): JsonSchema => ({ type: ['string', 'null'], enum: [...options, null] }));

const objectOf = (inner: fc.Arbitrary<JsonSchema>): fc.Arbitrary<JsonSchema> =>
  fc
    .dictionary(names, inner, { minKeys: 1, maxKeys: 4 })
    .chain((properties) =>
      fc
        .subarray(Object.keys(properties))
        .map((required): JsonSchema => ({ type: 'object', properties: { ...properties }, required })),
    );
const place = fc.letrec<{ place: JsonSchema; object: JsonSchema }>((tie) => ({
  place: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'place' },
    text,
    amount,
    choice,
    tie('object'),
    tie('object').map((items): JsonSchema => ({ type: 'array', items })),
  ),
  object: objectOf(tie('place')),
})).place;
const schemas = objectOf(place);

interface Spot {
  readonly pointer: string;
  readonly schema: JsonSchema;
  /** The object that has it, and its name there. */
  readonly above: JsonSchema;
  readonly name: string;
}

const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** Every place of a generated schema, to be changed where it stands. */
const spotsOf = (schema: JsonSchema, at = ''): Spot[] => {
  const properties = schema['properties'] as JsonObject | undefined;
  const own = Object.entries(properties ?? {}).flatMap(([name, inner]): Spot[] => {
    const below = inner as JsonSchema;
    const pointer = `${at}/${escaped(name)}`;
    return [{ pointer, schema: below, above: schema, name }, ...spotsOf(below, pointer)];
  });
  return isObject(schema['items']) ? [...own, ...spotsOf(schema['items'], `${at}/*`)] : own;
};

/** One change a time: what it does to a place, and what must be told of it; undefined where it cannot be made. */
const edits: Readonly<Record<string, (spot: Spot) => ChangeSort | undefined>> = {
  remove: ({ above, name }) => {
    delete (above['properties'] as JsonObject)[name];
    above['required'] = (above['required'] as Json[]).filter((one) => one !== name);
    return 'gone';
  },
  retype: ({ schema }) => {
    if (schema['type'] === 'boolean') return undefined;
    schema['type'] = Array.isArray(schema['type']) ? ['boolean', 'null'] : 'boolean';
    delete schema['enum'];
    return 'type';
  },
  lose: ({ schema }) => {
    const options = schema['enum'];
    if (!Array.isArray(options) || options.length < 3) return undefined;
    schema['enum'] = options.slice(1);
    return 'option-gone';
  },
  gain: ({ schema }) => {
    if (!Array.isArray(schema['enum'])) return undefined;
    schema['enum'] = ['新', ...schema['enum']];
    return 'option-new';
  },
  close: ({ schema }) => {
    if (schema['readOnly'] === true) return undefined;
    schema['readOnly'] = true;
    return 'read-only';
  },
  open: ({ schema }) => {
    if (schema['readOnly'] !== true) return undefined;
    delete schema['readOnly'];
    return 'writable';
  },
  demand: ({ above, name }) => {
    const required = above['required'] as Json[];
    if (required.includes(name)) return undefined;
    above['required'] = [...required, name];
    return 'required';
  },
  relax: ({ above, name }) => {
    const required = above['required'] as Json[];
    if (!required.includes(name)) return undefined;
    above['required'] = required.filter((one) => one !== name);
    return 'optional';
  },
  fill: ({ schema }) => {
    if (!Array.isArray(schema['type']) || schema['enum'] !== undefined) return undefined;
    schema['type'] = 'string';
    return 'required';
  },
  empty: ({ schema }) => {
    if (schema['type'] !== 'string') return undefined;
    schema['type'] = ['string', 'null'];
    return 'optional';
  },
  shorten: ({ schema }) => {
    if (typeof schema['maxLength'] !== 'number') return undefined;
    schema['maxLength'] -= 1;
    return 'narrower';
  },
  lengthen: ({ schema }) => {
    if (typeof schema['maxLength'] !== 'number') return undefined;
    schema['maxLength'] += 1;
    return 'wider';
  },
  unlimit: ({ schema }) => {
    if (schema['maximum'] === undefined) return undefined;
    delete schema['maximum'];
    return 'wider';
  },
  raise: ({ schema }) => {
    if (typeof schema['minimum'] !== 'number') return undefined;
    schema['minimum'] += 1;
    return 'narrower';
  },
  lower: ({ schema }) => {
    if (typeof schema['minLength'] !== 'number') return undefined;
    schema['minLength'] -= 1;
    return 'wider';
  },
  pattern: ({ schema }) => {
    if (schema['type'] !== 'string') return undefined;
    schema['pattern'] = '^[a-z]*$';
    return 'narrower';
  },
  list: ({ schema }) => {
    if (schema['type'] !== 'string') return undefined;
    schema['enum'] = ['a', 'b'];
    return 'narrower';
  },
  unlist: ({ schema }) => {
    if (schema['enum'] === undefined) return undefined;
    delete schema['enum'];
    return 'wider';
  },
};

/** The same schema, written by somebody else. */
const rewritten = (schema: Json): Json => {
  if (Array.isArray(schema)) return schema.map(rewritten).toReversed();
  if (!isObject(schema)) return schema;
  const turned = Object.entries(schema)
    .toReversed()
    .map(([name, inner]): [string, Json] => [name, rewritten(inner)]);
  return Object.fromEntries(turned);
};

describe('changes', () => {
  test('there are none between a schema and itself, however it is written', () => {
    fc.assert(
      fc.property(schemas, (schema) => {
        expect(changesOf(schema, schema)).toEqual([]);
        const other = { ...(rewritten(schema) as JsonObject), title: 'Another', 'x-note': 1, $id: 'b' };
        expect(changesOf(schema, other)).toEqual([]);
        const referred = { $ref: '#/$defs/it', $defs: { it: schema } };
        expect(changesOf(schema, referred)).toEqual([]);
      }),
    );
  });

  const made = new Map<string, number>();
  test('every single one is told, by its name, at its place, and nothing else is', () => {
    fc.assert(
      fc.property(schemas, fc.constantFrom(...Object.keys(edits)), fc.nat(), (schema, edit, pick) => {
        const after = structuredClone(schema);
        const spots = spotsOf(after);
        const spot = spots[pick % spots.length] as Spot;
        const sort = edits[edit]?.(spot);
        fc.pre(sort !== undefined);
        made.set(edit, (made.get(edit) ?? 0) + 1);
        const told = changesOf(schema, after);
        expect(told.map((one) => [one.sort, one.pointer])).toEqual([[sort, spot.pointer]]);
        expect(told[0]?.was).not.toEqual(told[0]?.is);
        // Back again is another change of the same place.
        expect(changesOf(after, schema).map((one) => one.pointer)).toEqual(
          sort === 'gone' ? expect.arrayContaining([spot.pointer]) : [spot.pointer],
        );
      }),
      { numRuns: 1500 },
    );
    expect([...made.keys()].sort()).toEqual(Object.keys(edits).sort());
  });

  test('what is composed is looked into, and a schema that holds itself ends', () => {
    const loop = (most: number): JsonSchema => ({
      $ref: '#/$defs/node',
      $defs: {
        node: {
          type: 'object',
          properties: { up: { $ref: '#/$defs/node' }, name: { type: 'string', maxLength: most } },
        },
      },
    });
    expect(changesOf(loop(9), loop(9))).toEqual([]);
    const changed = changesOf(loop(9), loop(8));
    expect(changed).toContainEqual({
      sort: 'narrower',
      pointer: '/up/name',
      was: { maxLength: 9 },
      is: { maxLength: 8 },
    });
    expect(changed.length).toBeLessThan(10);
    const either = (...branches: Json[]): JsonSchema => ({ properties: { a: { anyOf: branches } } });
    const one: Json = { type: 'string' };
    expect(
      changesOf(either(one, { type: 'null' }), { properties: { a: { type: ['string', 'null'] } } }),
    ).toEqual([]);
    expect(changesOf(either(one, { type: 'null' }), either(one))).toMatchObject([
      { sort: 'required', pointer: '/a' },
    ]);
    const two = either(one, { type: 'number' });
    expect(changesOf(two, either(one, { type: 'boolean' }))).toMatchObject([
      { sort: 'narrower', pointer: '/a' },
    ]);
    const labelled = (...values: string[]): JsonSchema => ({
      properties: { a: { oneOf: values.map((value) => ({ const: value, title: value })) } },
    });
    expect(
      changesOf(labelled('a', 'b'), labelled('a', 'c')).map((each) => [each.sort, each.was, each.is]),
    ).toEqual([
      ['option-gone', 'b', null],
      ['option-new', null, 'c'],
    ]);
  });

  test('a rule that came is told even if it says null', () => {
    const free: JsonSchema = { properties: { a: { type: ['string', 'null'] } } };
    const fixed: JsonSchema = { properties: { a: { type: ['string', 'null'], const: null } } };
    expect(changesOf(free, fixed)).toContainEqual({
      sort: 'narrower',
      pointer: '/a',
      was: null,
      is: { const: null },
    });
  });

  test('an object that takes members which it does not name has lost none', () => {
    const named: JsonSchema = { type: 'object', properties: { a: { type: 'string' } } };
    const open: JsonSchema = { type: 'object', additionalProperties: { type: 'string' } };
    expect(changesOf(named, open)).toMatchObject([{ sort: 'wider', pointer: '' }]);
    expect(changesOf(open, named)).toMatchObject([{ sort: 'narrower', pointer: '' }]);
  });
});

// ---------------------------------------------------------------- drift

type Edit = (places: Record<string, JsonObject>) => void;

const entities = new Map([[thing.name, thing]]);

/** The drift of the sample kind after an edit of its places. */
const drift = (edit: Edit, mapping: MappingDocument = sample(), known: JsonSchema = kind): Drift => {
  const live = structuredClone(known);
  edit(live['properties'] as Record<string, JsonObject>);
  return driftOf('shop/thing', known, live, [{ mapping, entity: thing, entities, syncs: ['s-1', 's-2'] }]);
};

const told = ({ findings }: Drift): unknown[] =>
  findings.map((one) => [
    one.severity,
    one.code,
    one.pointer,
    ...one.touches.flatMap((each) => each.fields.map(({ field }) => field)),
  ]);

describe('drift', () => {
  test('there is none where nothing changed', () => {
    expect(drift(() => undefined)).toEqual({
      findings: [],
      mappings: [{ mapping: 'sample', syncs: ['s-1', 's-2'], errors: [], fresh: [] }],
    });
  });

  test.each<[string, Edit, unknown[]]>([
    ['a mapped place went', (of) => delete of['mail'], ['error', 'drift-gone', '/mail', 'email']],
    ['a place of two went', (of) => delete of['last'], ['error', 'drift-gone', '/last', 'name']],
    [
      'the anchor went',
      (of) => delete of['crosswalk_id'],
      ['error', 'drift-gone', '/crosswalk_id', 'anchor'],
    ],
    ['what is ignored went', (of) => delete of['id'], ['information', 'drift-gone', '/id']],
    ['a place came', (of) => (of['new'] = { type: 'number' }), ['information', 'drift-new', '/new']],
    ['a type changed', (of) => (of['open'] = { type: 'number' }), ['error', 'drift-type', '/open', 'open']],
    [
      'it cannot be written',
      (of) => (of['size']!['readOnly'] = true),
      ['error', 'drift-read-only', '/size', 'size'],
    ],
    [
      'it is shorter',
      (of) => (of['mail']!['maxLength'] = 20),
      ['warning', 'drift-narrower', '/mail', 'email'],
    ],
    ['it is longer', (of) => delete of['mail']!['maxLength'], ['warning', 'drift-wider', '/mail', 'email']],
    ['all below went', (of) => delete of['more'], ['error', 'drift-gone', '/more', 'tags', 'seenAt']],
    [
      'an option came',
      (of) => (of['stage']!['enum'] = ['线索', '客户', '老客户', '新']),
      ['error', 'drift-option-new', '/stage', 'stage'],
    ],
    [
      'an option went',
      (of) => (of['stage']!['enum'] = ['客户', '老客户']),
      ['error', 'drift-option-gone', '/stage', 'stage'],
    ],
  ])('%s', (_, edit, wanted) => {
    expect(told(drift(edit))).toEqual([wanted]);
  });

  test('an option that the mapping says to park is a warning; its syncs go on', () => {
    const mapping = sample({ stage: { ...stageRule, otherwise: 'park' } });
    const { findings, mappings } = drift(
      (of) => (of['stage']!['enum'] = ['线索', '客户', '老客户', '新']),
      mapping,
    );
    expect(findings.map((one) => one.severity)).toEqual(['warning']);
    expect(mappings[0]?.errors).toEqual([]);
  });

  test('of a renamed option both halves are told, and the error is at the half that broke the mapping', () => {
    const mapping = sample({ stage: { ...stageRule, otherwise: 'park' } });
    const made = drift((of) => (of['stage']!['enum'] = ['潜客', '客户', '老客户']), mapping);
    expect(made.findings.map((one) => [one.severity, one.code, one.was, one.is])).toEqual([
      ['error', 'drift-option-gone', '线索', null],
      ['warning', 'drift-option-new', null, '潜客'],
    ]);
    expect(made.findings[0]?.message).toContain(
      'shop/thing no longer has the option "线索" (new there: "潜客")',
    );
    const line = mapping.lineOf('/fields/stage');
    expect(touchWords(made.findings[0]!)).toBe(
      `mapping sample: stage (sample.json:${line} /fields/stage), syncs s-1, s-2`,
    );
  });

  test('one wrong field does not hide another', () => {
    const made = drift((of) => {
      delete of['mail'];
      of['stage']!['enum'] = ['客户', '老客户'];
      of['first']!['readOnly'] = true;
      of['id']!['maxLength'] = 3;
    });
    expect(new Set(told(made))).toEqual(
      new Set([
        ['error', 'drift-gone', '/mail', 'email'],
        ['error', 'drift-option-gone', '/stage', 'stage'],
        ['error', 'drift-read-only', '/first', 'name'],
        ['information', 'drift-narrower', '/id'],
      ]),
    );
  });

  test('what the mapping had wrong before is no fault of the drift', () => {
    const mapping = sample({ email: { at: '/mial' } });
    const { findings, mappings } = drift((of) => (of['first']!['maxLength'] = 9), mapping);
    expect(findings.map((one) => one.severity)).toEqual(['warning']);
    expect(mappings[0]?.errors.map((one) => one.pointer)).toContain('/fields/email/at');
    expect(mappings[0]?.fresh).toEqual([]);
  });

  test('rows, parts and "when" are touched by what is in them', () => {
    const rows = readEntity(
      JSON.stringify({
        $id: 'order',
        type: 'object',
        properties: {
          no: { type: 'string' },
          lines: {
            type: 'array',
            items: { type: 'object', properties: { id: { type: 'string' }, sku: { type: 'string' } } },
          },
        },
      }),
      'order.schema.json',
    );
    const known: JsonSchema = {
      type: 'object',
      properties: {
        no: { type: 'string' },
        type: { type: 'string', enum: ['sale', 'return'] },
        lines: {
          type: 'array',
          items: {
            type: 'object',
            properties: { _id: { type: 'string' }, code: { type: 'string' }, unit: { type: 'string' } },
          },
        },
      },
    };
    const mapping = {
      ...sample(),
      entity: 'order',
      when: { at: '/type', is: ['sale'] },
      fields: {
        no: { at: '/no' },
        lines: {
          at: '/lines',
          rows: { key: 'id', missing: 'keep' as const, fields: { id: { at: '/_id' }, sku: { at: '/code' } } },
        },
      },
      ignored: ['/lines/unit'],
      examples: [
        {
          remote: { type: 'sale', no: 'n-1', lines: [{ _id: 'a', code: 'W-1' }] },
          entity: { no: 'n-1', lines: [{ id: 'a', sku: 'W-1' }] },
        },
      ],
    };
    delete (mapping as { anchor?: string }).anchor;
    const all = new Map([['order', rows]]);
    expect(
      check(mapping, { entity: rows, kind: known, entities: all }).filter((one) => one.severity === 'error'),
    ).toEqual([]);
    const live = structuredClone(known) as unknown as {
      properties: { type: { enum: string[] }; lines: { items: { properties: Record<string, JsonObject> } } };
    };
    live.properties.type.enum = ['order', 'return'];
    delete live.properties.lines.items.properties['code'];
    live.properties.lines.items.properties['unit']!['maxLength'] = 2;
    const made = driftOf('shop/order', known, live as unknown as JsonSchema, [
      { mapping, entity: rows, entities: all, syncs: ['orders'] },
    ]);
    expect(new Set(told(made))).toEqual(
      new Set([
        ['error', 'drift-option-gone', '/type', 'when'],
        ['warning', 'drift-option-new', '/type', 'when'],
        ['error', 'drift-gone', '/lines/*/code', 'lines', 'sku'],
        ['warning', 'drift-narrower', '/lines/*/unit', 'lines'],
      ]),
    );
  });
});
