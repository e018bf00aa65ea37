import type { Json } from '../connector.ts';
import type { Fields } from '../mapping/lens.ts';
import { isStanding } from './deletion.ts';
import { isShared } from './guard.ts';
import { hashOf, type RecordState } from './record.ts';

/** A combination of fields that identifies one real thing: `['mobile', 'name']`, `['email']`. */
export type KeyFields = readonly string[];

/**
 * The strong keys of some values, as text. A combination with an empty, placeholder or shared value is no
 * key; text is compared without case, width and outer space.
 */
export const strongKeys = (keys: readonly KeyFields[], values: Fields): string[] =>
  keys.flatMap((fields) => {
    const parts = fields.map((field) => values[field] ?? null);
    if (parts.some(isShared)) return [];
    return [`${fields.join('+')}=${hashOf(parts.map(normal))}`];
  });

const normal = (value: Json): Json =>
  typeof value === 'string' ? value.normalize('NFKC').trim().toLowerCase() : value;

/**
 * The strong keys of a record. A deleted one has none: what is filed anew under them is something else; nor has one
 * that was merged into another, which holds them.
 */
export const keysOf = (keys: readonly KeyFields[], record: RecordState): string[] =>
  !isStanding(record)
    ? []
    : strongKeys(
        keys,
        Object.fromEntries(Object.entries(record.fields).map(([name, field]) => [name, field.value])),
      );
