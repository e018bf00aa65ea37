/** The mapping of a toy kind. */
import type { JsonObject } from '../connector.ts';
import { bind } from '../mapping/bind.ts';
import type { Fields, Lens, Reading } from '../mapping/lens.ts';
import { allFields, normalised, toyFields, type ToyTraits } from './toy.ts';
import { isListField } from './toy-lists.ts';

const entity: JsonObject = {
  type: 'object',
  properties: {
    tags: { type: 'array', uniqueItems: true, items: { type: 'string' } },
    lines: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          line: { type: 'string' },
          product: { type: 'string' },
          quantity: { type: 'number' },
        },
      },
    },
  },
};

const tooLong = { pointer: '/note', field: 'note', code: 'length', message: 'longer than the place there' };

/** Systems of the same habits share one: binding takes far longer than a look. */
const known = new Map<string, Lens>();

/** Reads and writes the lists as an installation's mapping would. */
const listLens = ({ normalise, missing }: ToyTraits): Lens => {
  const how = normalise?.declared === true ? normalise.how : undefined;
  const key = `${missing} ${how ?? ''}`;
  const lens = known.get(key) ?? bound(how, missing);
  known.set(key, lens);
  return lens;
};

const bound = (how: string | undefined, missing: ToyTraits['missing']): Lens =>
  bind(
    {
      file: 'toy.json',
      name: 'toy',
      remote: { connector: 'toy', kind: 'person' },
      entity: 'person',
      ignored: [],
      examples: [],
      lineOf: () => 1,
      fields: {
        tags: { at: '/tags', ...(how === undefined ? {} : { remote: [{ list: how }] }) },
        lines: {
          at: '/lines',
          rows: {
            key: 'line',
            missing,
            fields: {
              line: { at: '/no' },
              product: { at: '/sku', ...(how === undefined ? {} : { remote: [how] }) },
              quantity: { at: '/qty' },
            },
          },
        },
      },
    },
    entity,
    null,
  );

/** One place per field, the anchor where there is room, and the declared normaliser. */
export const toyLens = (traits: ToyTraits): Lens => {
  const fields = new Set(allFields);
  const lists = listLens(traits);
  const read = (value: JsonObject): Reading => {
    const { fields: told, problems } = lists.read(value);
    const result: Fields = {};
    for (const field of toyFields) if (Object.hasOwn(value, field)) result[field] = value[field] ?? null;
    const anchor = value['anchor'];
    return {
      fields: { ...result, ...told },
      problems,
      ...(traits.anchored && typeof anchor === 'string' ? { anchor } : {}),
    };
  };
  return {
    name: `toy-${traits.name}`,
    hash: 'toy',
    entity: 'person',
    connector: 'toy',
    kind: 'person',
    inward: fields,
    outward: fields,
    history: new Set(['stage']),
    references: new Map(),
    parts: new Map(),
    applies: () => true,
    ...(traits.anchored ? { anchor: '/anchor' } : {}),
    shape: (field) => lists.shape(field),
    pointers: (field) => [`/${field}`],
    read,
    write: (values, base, anchor) => {
      const own = Object.entries(values).filter(([field]) => !isListField(field));
      const { value, problems } = lists.write(values, base);
      const more: JsonObject = traits.anchored && anchor !== undefined ? { anchor } : {};
      const isLong = traits.narrow === true && String(values['note'] ?? '').length > 5;
      const all = isLong ? [...problems, tooLong] : problems;
      return { value: { ...Object.fromEntries(own), ...value, ...more }, problems: all };
    },
    settle: (field, value) => {
      if (isListField(field)) return lists.settle(field, value);
      return traits.normalise?.declared === true ? normalised(traits, field, value) : value;
    },
    shadow: (value) => ({
      ...Object.fromEntries(
        toyFields
          .filter((field) => Object.hasOwn(value, field))
          .map((field) => [field, value[field] ?? null]),
      ),
      ...lists.shadow(value),
    }),
  };
};
