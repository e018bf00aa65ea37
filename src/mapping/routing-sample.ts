import type { Json, JsonSchema } from '../connector.ts';
import { namedIn, passing, testOf } from './conditions.ts';
import type { Conditions } from './conditions.ts';
import type { Fields } from './lens.ts';
import { isObject } from './place.ts';
import type { RouteRule } from './routing.ts';
import { enumOf } from './schema.ts';

/** Made-up records for a mapping's routing tables: near the edges of their conditions, where tables go wrong. */

/** Values around one that a condition names. */
const around = (value: Json): readonly Json[] => {
  if (typeof value === 'number') return [value - 1, value, value + 1];
  if (typeof value === 'string') return [value, `${value} `, `un${value}`];
  if (!isObject(value)) return [value];
  const amount = Number(value['amount']);
  return [-1, 0, 1].map((step) => ({ ...value, amount: amount + step }));
};

const conditionsIn = (rule: RouteRule): readonly Conditions[] => [
  ...rule.table.map((row) => row.if),
  ...(rule.unclaimed === undefined ? [] : [rule.unclaimed.while]),
];

/** For each field that the tables ask for: the values worth trying, empty among them. */
const valuesOf = (
  routes: Readonly<Record<string, RouteRule>>,
  fields: ReadonlyMap<string, JsonSchema>,
): ReadonlyMap<string, readonly Json[]> => {
  const found = new Map<string, Json[]>();
  for (const rule of Object.values(routes))
    for (const conditions of conditionsIn(rule))
      for (const [field, given] of Object.entries(conditions)) {
        const values = found.get(field) ?? [null];
        found.set(field, values);
        for (const [, value] of namedIn(testOf(given))) values.push(...around(value));
      }
  for (const [field, values] of found) {
    const choices = enumOf(fields.get(field) ?? {});
    if (choices !== null) found.set(field, [null, ...choices]);
    else found.set(field, [...new Map(values.map((value) => [JSON.stringify(value), value])).values()]);
  }
  return found;
};

/**
 * `count` records, the same for the same `random` (in [0, 1)). Every second one is made to pass some row, the others
 * mix what the conditions name. Fields that the tables decide are left empty.
 */
export function* sampleRecords(
  routes: Readonly<Record<string, RouteRule>>,
  fields: ReadonlyMap<string, JsonSchema>,
  count: number,
  random: () => number,
): Generator<Fields> {
  const values = valuesOf(routes, fields);
  const rows = Object.values(routes).flatMap((rule) => rule.table);
  const spread = new Set(Object.values(routes).flatMap((rule) => rule.spread ?? []));
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  for (let index = 0; index < count; index += 1) {
    const made: Fields = {};
    for (const name of spread) made[name] = `${name}-${Math.floor(random() * 2 ** 40).toString(36)}`;
    for (const [name, all] of values) made[name] = pick(all) ?? null;
    const row = index % 2 === 0 ? pick(rows) : undefined;
    if (row !== undefined) Object.assign(made, passing(row.if, Math.floor(random() * 1000)));
    for (const name of Object.keys(routes)) delete made[name];
    yield made;
  }
}
