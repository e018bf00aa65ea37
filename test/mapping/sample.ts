import { readFileSync } from 'node:fs';
import type { JsonObject, JsonSchema } from '../../src/connector.ts';
import { check } from '../../src/mapping/check.ts';
import { bind } from '../../src/mapping/bind.ts';
import { readEntity, readMapping } from '../../src/mapping/document.ts';
import type { Entity, FieldRule, Finding, MappingDocument } from '../../src/mapping/document.ts';
import type { Lens } from '../../src/mapping/lens.ts';

/** A small entity and kind with every sort of field, for tests of the mapping. */

export const root = new URL('../../', import.meta.url);
export const textOf = (path: string): string => readFileSync(new URL(path, root), 'utf8');
export const entityOf = (name: string): Entity => {
  const path = `mappings/entities/${name}.schema.json`;
  return readEntity(textOf(path), path);
};

export const thing: Entity = readEntity(
  JSON.stringify({
    $id: 'thing',
    type: 'object',
    properties: {
      name: { type: 'string' },
      email: { type: 'string', format: 'email' },
      size: { type: 'integer', minimum: 0 },
      stage: { type: 'string', enum: ['lead', 'customer'], history: 'every' },
      open: { type: 'boolean' },
      tags: { type: 'array', items: { type: 'string' } },
      source: { type: 'string' },
      seenAt: { type: 'string' },
    },
  }),
  'thing.schema.json',
);

export const kind: JsonSchema = {
  type: 'object',
  properties: {
    id: { type: 'string', readOnly: true },
    crosswalk_id: { type: ['string', 'null'] },
    last: { type: 'string' },
    first: { type: 'string' },
    mail: { type: 'string', maxLength: 30 },
    size: { type: 'string' },
    stage: { type: 'string', enum: ['线索', '客户', '老客户'] },
    open: { type: 'boolean' },
    more: { type: 'object', properties: { tags: { type: 'string' }, seen: { type: 'integer' } } },
  },
};

export const stageRule: FieldRule = {
  at: '/stage',
  steps: [{ table: { 线索: 'lead', 客户: 'customer', 老客户: 'customer' } }],
};

/** The text of a whole mapping of `kind`, with fields changed or taken away (undefined). */
export const sampleText = (fields: Record<string, unknown> = {}, rest: JsonObject = {}): string =>
  JSON.stringify(
    {
      name: 'sample',
      remote: { connector: 'shop', kind: 'thing' },
      entity: 'thing',
      anchor: '/crosswalk_id',
      overflow: 'park',
      fields: {
        name: { at: ['/last', '/first'], steps: ['person-name'] },
        email: { at: '/mail', steps: ['trim', 'lower'] },
        size: { at: '/size', steps: ['integer'] },
        stage: stageRule,
        open: { at: '/open' },
        tags: { at: '/more/tags', steps: [{ split: ';' }] },
        seenAt: { at: '/more/seen', steps: [{ time: 'epoch-s' }] },
        ...fields,
      },
      ignored: ['/id'],
      examples: [
        {
          remote: {
            last: '王',
            first: '小明',
            mail: ' A@X.cn ',
            size: '12',
            stage: '老客户',
            open: true,
            more: { tags: 'a;b', seen: 1_772_328_600 },
          },
          entity: {
            name: '王小明',
            email: 'a@x.cn',
            size: 12,
            stage: 'customer',
            open: true,
            tags: ['a', 'b'],
            seenAt: '2026-03-01T01:30:00.000Z',
          },
        },
        { remote: { stage: '线索' }, entity: { stage: 'lead' } },
        { remote: { stage: '客户' }, entity: { stage: 'customer' } },
      ],
      ...rest,
    },
    null,
    2,
  );

export const sample = (fields: Record<string, unknown> = {}, rest: JsonObject = {}): MappingDocument =>
  readMapping(sampleText(fields, rest), 'sample.json');

export const lensOf = (fields: Record<string, unknown> = {}, rest: JsonObject = {}): Lens =>
  bind(sample(fields, rest), thing.schema, kind);

export const findings = (fields: Record<string, unknown> = {}, rest: JsonObject = {}): readonly Finding[] =>
  check(sample(fields, rest), { entity: thing, kind });
