import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import type { FieldRule, RowsRule } from './document.ts';
import type { BoundField, FieldSchemas } from './field.ts';
import type { Table } from './lens.ts';
import { isObject, member, putAt, sameValue } from './place.ts';
import { propertiesOf } from './schema.ts';
import { Misfit, wrongType } from './step.ts';
import type { Outcome } from './step.ts';

/** Fields that are tables. */

export interface BoundRows {
  readonly table: Table;
  readonly fields: readonly BoundField[];
  read(list: Json): Outcome;
  /** `base` is the list as last seen there: what the mapping does not name in a row stays as it is. */
  write(rows: Json, base: Json | undefined): Outcome;
  /** The rows as they are read after they were written: only cells that go both ways. */
  settle(rows: Json): Json;
}

/** The schema of one row of a list. */
export const rowSchema = (list: JsonSchema | undefined, root: JsonSchema): JsonSchema | null => {
  if (list === undefined) return null;
  // As a schema of its own, so that its references find their definitions.
  const items = propertiesOf({ properties: { items: member(list, 'items') ?? {} } }, root).get('items');
  const defs = member(root, '$defs');
  return items === undefined ? null : defs === undefined ? items : { ...items, $defs: defs };
};

const twice = (keys: readonly Json[]): number =>
  keys.findIndex((key, index) => keys.slice(0, index).some((other) => sameValue(key, other)));

/** What a row's field says of a value that is too large holds for the table, which has no place of its own for a row. */
const within = (field: BoundField, misfit: Misfit): Misfit => {
  const { code, said, value, where } = misfit;
  const own = code === 'overflow' && field.refuses ? new Misfit('kept', said, value, where) : misfit;
  return own.inside(field.name);
};

const readRow = (fields: readonly BoundField[], row: Json): JsonObject | Misfit => {
  if (!isObject(row)) return wrongType(row, ['object']);
  const made: JsonObject = {};
  for (const field of fields) {
    const value = field.inward ? field.read(row) : undefined;
    if (value instanceof Misfit) return within(field, value);
    if (value !== undefined && value !== null) made[field.name] = value;
    else if (field.required) return new Misfit('step', `${field.name} is empty, and every row needs it`);
  }
  return made;
};

const writeRow = (fields: readonly BoundField[], row: Json, base: JsonObject | null): JsonObject | Misfit => {
  if (!isObject(row)) return wrongType(row, ['object']);
  const made: JsonObject = base === null ? {} : structuredClone(base);
  for (const field of fields) {
    if (!field.outward) continue;
    const places = field.write(member(row, field.name) ?? null, base);
    if (places instanceof Misfit) return within(field, places);
    field.segments.forEach((place, index) => putAt(made, place, places[index] ?? null));
  }
  return made;
};

const settleRow = (fields: readonly BoundField[], row: JsonObject): JsonObject => {
  const made: JsonObject = {};
  for (const { name, inward, outward, settle } of fields) {
    const value = inward && outward ? (member(row, name) ?? null) : null;
    const after = value === null ? null : settle(value);
    if (after !== null) made[name] = after;
  }
  return made;
};

/** Runs `turn` over rows; the first that does not fit is named by its place. */
const each = (list: Json, turn: (row: Json) => JsonObject | Misfit): JsonObject[] | Misfit => {
  if (!Array.isArray(list)) return wrongType(list, ['array']);
  const made: JsonObject[] = [];
  for (const [index, row] of list.entries()) {
    const one = turn(row);
    if (one instanceof Misfit) return one.inside(`row ${index + 1}`);
    made.push(one);
  }
  return made;
};

/** `bind` binds a field of a row. */
export const bindRows = (
  rule: RowsRule,
  schemas: FieldSchemas & { readonly place: JsonSchema | undefined },
  bind: (name: string, rule: FieldRule, schemas: FieldSchemas) => BoundField,
): BoundRows => {
  const row = rowSchema(schemas.field, schemas.entity) ?? {};
  const there = schemas.kind === null ? null : rowSchema(schemas.place, schemas.kind);
  const known = propertiesOf(row, row);
  const fields = Object.entries(rule.fields).map(([name, own]) =>
    bind(name, own, { field: known.get(name) ?? {}, entity: row, kind: there }),
  );
  const keyOf = (value: JsonObject): Json => value[rule.key] ?? null;
  const read = (list: Json): JsonObject[] | Misfit => {
    const rows = each(list, (one) => readRow(fields, one));
    if (rows instanceof Misfit) return rows;
    const keys = rows.map(keyOf);
    const bare = keys.indexOf(null);
    if (bare >= 0)
      return new Misfit('step', `row ${bare + 1} has no ${rule.key}, by which rows are told apart`);
    const again = twice(keys);
    if (again < 0) return rows;
    return new Misfit(
      'step',
      `stands in two rows as their ${rule.key}, by which rows are told apart`,
      keys[again],
    );
  };
  const write = (rows: Json, base: Json | undefined): Outcome => {
    const old = new Map<string, JsonObject>();
    for (const one of Array.isArray(base) ? base : []) {
      const seen = readRow(fields, one);
      if (isObject(one) && !(seen instanceof Misfit)) old.set(JSON.stringify(keyOf(seen)), one);
    }
    const made = each(rows, (one) => {
      const key = JSON.stringify(isObject(one) ? keyOf(one) : null);
      const former = old.get(key) ?? null;
      old.delete(key);
      return writeRow(fields, one, former);
    });
    if (made instanceof Misfit || rule.missing === 'remove') return made;
    return [...made, ...old.values()];
  };
  const names = (some: readonly BoundField[]): Set<string> => new Set(some.map(({ name }) => name));
  const { key, missing } = rule;
  const [inward, outward] = [fields.filter((one) => one.inward), fields.filter((one) => one.outward)];
  return {
    table: { key, missing, inward: names(inward), outward: names(outward) },
    fields,
    read,
    write,
    settle: (rows) =>
      Array.isArray(rows) ? rows.map((one) => (isObject(one) ? settleRow(fields, one) : one)) : rows,
  };
};
