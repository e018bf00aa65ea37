/** A model as it is read back from where it was kept. */
import type { JsonObject } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { faultWords, schemaChecker } from '../mapping/schema.ts';
import { mostFields } from './evidence.ts';
import type { Model } from './model.ts';
import { levelCount, rivalNames } from './rivals.ts';
import { sortNames, sortOf } from './sorts.ts';

const number = { type: 'number' };
const whole = { type: 'integer', minimum: 0 };
const list = (items: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'array', items, ...more });
const row = list(number, { minItems: levelCount, maxItems: levelCount });
const piece: JsonObject = {
  type: 'object',
  required: ['field', 'key'],
  additionalProperties: false,
  properties: { field: whole, key: whole },
};

const schema: JsonObject = {
  type: 'object',
  required: ['version', 'fields', 'records', 'share', 'passes', 'rates', 'against', 'common', 'rare'],
  additionalProperties: false,
  properties: {
    version: { const: 1 },
    fields: list(
      {
        type: 'object',
        required: ['name', 'sort'],
        additionalProperties: false,
        properties: { name: { type: 'string' }, sort: { enum: [...sortNames] } },
      },
      { minItems: 1, maxItems: mostFields },
    ),
    records: whole,
    share: number,
    passes: list(list(piece, { minItems: 1 })),
    rates: list(row),
    against: list(
      {
        type: 'object',
        required: ['is', 'prior', 'bits', 'byChance'],
        additionalProperties: false,
        properties: {
          is: { enum: [...rivalNames] },
          prior: number,
          bits: list(row),
          byChance: list({ type: 'boolean' }),
        },
      },
      { minItems: 1 },
    ),
    common: list({ type: 'object', additionalProperties: number }),
    rare: list(number),
  },
};

/** Reads a model from JSON. Throws CrosswalkError `model-shape`; `file` is where it stands, for people. */
export const readModel = (text: string, file: string): Model => {
  const refuse = (detail: string): CrosswalkError => new CrosswalkError('model-shape', { detail }, { file });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('it is not JSON');
  }
  const check = schemaChecker(schema, false);
  if (!check(value)) {
    const [error] = check.errors ?? [];
    throw refuse(
      error === undefined ? 'it does not fit' : `${error.instancePath || 'it'} ${faultWords(error)}`,
    );
  }
  const model = value as unknown as Model;
  const width = model.fields.length;
  const lists = [
    model.rates,
    model.common,
    model.rare,
    ...model.against.flatMap((one) => [one.bits, one.byChance]),
  ];
  if (lists.some((one) => one.length !== width))
    throw refuse('its lists are not as long as its fields are many');
  const isKnown = model.passes.flat().every(({ field, key }) => {
    const sort = model.fields[field]?.sort;
    return sort !== undefined && key < sortOf(sort).keys.length;
  });
  if (!isKnown) throw refuse('it looks for candidates by keys that there are not');
  return model;
};
