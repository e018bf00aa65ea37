/** The search call over the lagging index, with HubSpot's bounds: 200 a page, 10,000 in all, 3,000 characters. */
import type { Json, JsonObject, SandboxResponse } from '../../../src/connector.ts';
import { rowsOf } from '../account.ts';
import { listIn, textIn } from './batch.ts';
import {
  answer,
  modifiedName,
  Refusal,
  shownRow,
  type Definition,
  type Row,
  type TypeName,
  type Visit,
} from './state.ts';

const rowMost = 10_000;
const pageMost = 200;
const bodyMost = 3000;

type Values = Readonly<Record<string, string>>;
interface Hit {
  readonly row: Row;
  readonly values: Values;
}

const bad = (message: string): Refusal => new Refusal(400, 'VALIDATION_ERROR', message);

const digits = (text: string): string => text.replace(/\D/gu, '');

/** Numbers and times as numbers, other values as small letters, choices as they are. */
const comparable = ({ type }: Definition, value: string): number | string => {
  if (type === 'number') return Number(value);
  if (type === 'datetime') return /^\d+$/u.test(value) ? Number(value) : Date.parse(value);
  return type === 'enumeration' ? value : value.toLowerCase();
};

const equal = (definition: Definition, held: string, wanted: string): boolean => {
  if (definition.name !== 'phone' && definition.name !== 'mobilephone')
    return comparable(definition, held) === comparable(definition, wanted);
  // Country codes are ignored.
  const [a, b] = [digits(held).slice(-7), digits(wanted).slice(-7)];
  return a !== '' && a === b;
};

const compare = (definition: Definition, held: string, wanted: string): number => {
  const [a, b] = [comparable(definition, held), comparable(definition, wanted)];
  return a < b ? -1 : a > b ? 1 : 0;
};

const matches = (definition: Definition, filter: JsonObject, held: string): boolean => {
  const value = textIn(filter, 'value') ?? '';
  const values = listIn(filter, 'values');
  if (filter['operator'] === 'NOT_HAS_PROPERTY') return held === '';
  if (filter['operator'] === 'NEQ') return held === '' || !equal(definition, held, value);
  if (held === '') return false;
  switch (filter['operator']) {
    case 'HAS_PROPERTY':
      return true;
    case 'EQ':
      return equal(definition, held, value);
    case 'LT':
      return compare(definition, held, value) < 0;
    case 'LTE':
      return compare(definition, held, value) <= 0;
    case 'GT':
      return compare(definition, held, value) > 0;
    case 'GTE':
      return compare(definition, held, value) >= 0;
    case 'BETWEEN':
      return (
        compare(definition, held, value) >= 0 &&
        compare(definition, held, textIn(filter, 'highValue') ?? '') <= 0
      );
    case 'IN':
      return values.some((one) => equal(definition, held, one));
    case 'NOT_IN':
      return !values.some((one) => equal(definition, held, one));
    case 'CONTAINS_TOKEN':
      return held.toLowerCase().split(/\W+/u).includes(value.toLowerCase().replaceAll('*', ''));
    default:
      throw bad(`Unknown operator ${JSON.stringify(filter['operator'])}`);
  }
};

const groupsOf = (
  visit: Visit,
  type: TypeName,
  body: JsonObject,
): { definition: Definition; filter: JsonObject }[][] => {
  const groups = rowsOf(body['filterGroups']).map((group) => rowsOf(group['filters']));
  if (groups.length > 5 || groups.some((group) => group.length > 6) || groups.flat().length > 18)
    throw bad('Too many filters');
  return groups.map((group) =>
    group.map((filter) => {
      const definition = visit.state.definitions[type].get(textIn(filter, 'propertyName') ?? '');
      if (definition === undefined)
        throw bad(
          `There was a problem with the request: unknown property ${JSON.stringify(filter['propertyName'])}`,
        );
      return { definition, filter };
    }),
  );
};

const indexed = (visit: Visit, type: TypeName): Hit[] => {
  const hits: Hit[] = [];
  for (const row of visit.state.rows[type].values()) {
    const values = row.index.findLast((one) => one.at <= visit.now)?.properties;
    if (values !== undefined && values !== null) hits.push({ row, values });
  }
  return hits;
};

const sorted = (visit: Visit, type: TypeName, hits: Hit[], sorts: Json | undefined): Hit[] => {
  const rules = rowsOf(sorts);
  if (rules.length > 1) throw bad('Only one sort is allowed');
  const name = textIn(rules[0], 'propertyName') ?? 'hs_object_id';
  const definition = visit.state.definitions[type].get(name);
  if (definition === undefined) throw bad(`unknown property ${name}`);
  const sign = textIn(rules[0], 'direction') === 'DESCENDING' ? -1 : 1;
  return hits.sort((a, b) => sign * compare(definition, a.values[name] ?? '', b.values[name] ?? ''));
};

export const search = (visit: Visit, type: TypeName, body: JsonObject, text: string): SandboxResponse => {
  if (text.length > bodyMost) throw bad(`The request body is longer than ${bodyMost} characters`);
  const limit = Number(textIn(body, 'limit') ?? '10');
  const after = Number(textIn(body, 'after') ?? '0');
  if (!Number.isInteger(limit) || limit < 1 || limit > pageMost)
    throw bad(`limit must be between 1 and ${pageMost}`);
  if (!Number.isInteger(after) || after < 0 || after + limit > rowMost)
    throw bad(`Paging is limited to ${rowMost} results`);
  const groups = groupsOf(visit, type, body);
  const hits = indexed(visit, type).filter(
    ({ values }) =>
      groups.length === 0 ||
      groups.some((group) =>
        group.every(({ definition, filter }) => matches(definition, filter, values[definition.name] ?? '')),
      ),
  );
  const page = sorted(visit, type, hits, body['sorts']).slice(after, after + limit);
  const names = listIn(body, 'properties');
  const asked = names.length === 0 ? [modifiedName(type)] : names;
  const results = page.map(({ row, values }) => shownRow(visit.state, row, asked, values));
  const more: JsonObject =
    after + limit < hits.length ? { paging: { next: { after: String(after + limit) } } } : {};
  return answer(200, { total: hits.length, results, ...more });
};
