import { expect, test } from 'vitest';
import type { JsonSchema } from '../../src/connector.ts';
import { enumOf, propertiesOf, schemaAt, typesOf, validatorOf } from '../../src/mapping/schema.ts';

const root: JsonSchema = {
  type: 'object',
  $defs: {
    stage: { type: ['string', 'null'], enum: ['a', 'b', null] },
    circle: { $ref: '#/$defs/circle' },
    money: { type: 'object', properties: { minor: { type: 'integer' } } },
    'a/b ~': { type: 'boolean' },
  },
  properties: {
    stage: { $ref: '#/$defs/stage', readOnly: true },
    maybe: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/money' }] },
    circle: { $ref: '#/$defs/circle' },
    lost: { $ref: '#/$defs/nowhere' },
    open: { type: 'object', additionalProperties: { type: 'string' } },
    tagged: { oneOf: [{ const: 'x', title: 'X' }, { const: 'y' }] },
    'a/b': { type: 'number' },
    escaped: { $ref: '#/$defs/a~1b%20~0' },
  },
};

test('places are found through references, choices and open objects', () => {
  expect(schemaAt(root, ['stage'])).toEqual({
    type: ['string', 'null'],
    enum: ['a', 'b', null],
    readOnly: true,
  });
  expect(schemaAt(root, ['maybe', 'minor'])).toEqual({ type: 'integer' });
  expect(schemaAt(root, ['open', 'anything'])).toEqual({ type: 'string' });
  expect(schemaAt(root, ['a/b'])).toEqual({ type: 'number' });
  expect(schemaAt(root, ['open', 'anything', 'deeper'])).toBe(undefined);
  expect(schemaAt(root, ['escaped'])).toEqual({ type: 'boolean' });
  expect(schemaAt(root, ['toString'])).toBe(undefined);
  expect(propertiesOf(root, root).has('circle')).toBe(true);
});

test('types and enums leave null aside', () => {
  expect(typesOf(schemaAt(root, ['stage']) ?? {})).toEqual(['string']);
  expect(enumOf(schemaAt(root, ['stage']) ?? {})).toEqual(['a', 'b']);
  expect(enumOf(schemaAt(root, ['tagged']) ?? {})).toEqual(['x', 'y']);
  expect(typesOf(schemaAt(root, ['tagged']) ?? {})).toEqual(['string']);
  expect(enumOf({ type: 'string' })).toBe(null);
});

test('a validator tells what was expected', () => {
  expect(validatorOf({ type: 'integer' }, root)(1.5)).toEqual({
    code: 'type',
    expected: 'is not a whole number',
  });
  expect(validatorOf({ type: 'number' }, root)(1)).toBe(null);
  expect(validatorOf({ enum: ['a'] }, root)('b')).toEqual({
    code: 'not-covered',
    expected: 'is not one of "a"',
  });
  expect(validatorOf({ type: 'string', maxLength: 2 }, root)('abc')).toEqual({
    code: 'overflow',
    expected: 'has 3 characters, and at most 2 fit',
  });
  expect(validatorOf({ type: 'string', maxLength: 2 }, root)('👩👩')).toBe(null);
  expect(validatorOf({ type: 'number', multipleOf: 0.01 }, root)(1.005)?.code).toBe('overflow');
  expect(validatorOf({ type: 'array', items: { $ref: '#/$defs/stage' } }, root)(['a', 'c'])?.code).toBe(
    'not-covered',
  );
});
