/** Contacts and companies as HubSpot shows them and as Crosswalk holds them; reading them by id and by page. */
import {
  Trouble,
  type Json,
  type JsonObject,
  type JsonSchema,
  type Look,
  type Page,
  type RemoteObject,
} from '../../src/connector.ts';
import { anchorOf, isObject, member, propertyName, rowsOf, type Api, type Settings } from './account.ts';
import contactSchema from './schema/contact.json' with { type: 'json' };
import companySchema from './schema/company.json' with { type: 'json' };

/** Most objects in one batch call. */
export const batchMost = 100;
/** Singles asked for at a time, for ids that a batch did not show. */
const abreast = 5;

export interface ObjectType {
  readonly kind: 'contact' | 'company';
  readonly path: 'contacts' | 'companies';
  readonly id: '0-1' | '0-2';
  /** The property that holds the modification stamp. */
  readonly modified: string;
  readonly schema: JsonSchema;
  /** Every property that is asked for. */
  readonly properties: readonly string[];
}

const extended = (schema: JsonSchema, extra: readonly string[]): JsonSchema => {
  const inner = member(schema['properties'], 'properties');
  const known = member(inner, 'properties');
  if (!isObject(inner) || !isObject(known)) return schema;
  const own = extra
    .filter((name) => propertyName.test(name) && name !== 'constructor' && !Object.hasOwn(known, name))
    .map((name) => [
      name,
      { title: name, description: 'A property of this account.', type: ['string', 'null'] },
    ]);
  return {
    ...schema,
    properties: { properties: { ...inner, properties: { ...known, ...Object.fromEntries(own) } } },
  };
};

const typeOf = (
  base: Omit<ObjectType, 'schema' | 'properties'>,
  given: JsonSchema,
  settings: Settings,
  extra: readonly string[] = [],
): ObjectType => {
  const anchor = anchorOf(settings);
  const schema = extended(given, anchor === '' ? extra : [...extra, anchor]);
  const known = member(member(schema['properties'], 'properties'), 'properties');
  return { ...base, schema, properties: Object.keys(isObject(known) ? known : {}) };
};

/** The two object types, with the account's own properties. */
export const objectTypes = (settings: Settings): readonly ObjectType[] => [
  typeOf(
    { kind: 'contact', path: 'contacts', id: '0-1', modified: 'lastmodifieddate' },
    contactSchema,
    settings,
    settings.contactProperties,
  ),
  typeOf(
    { kind: 'company', path: 'companies', id: '0-2', modified: 'hs_lastmodifieddate' },
    companySchema,
    settings,
    settings.companyProperties,
  ),
];

// ---------------------------------------------------------------- shape

/** HubSpot has null and '' for empty; here empty is null. All else is text. */
const shownText = (value: Json | undefined): string | null =>
  value === undefined || value === null || value === ''
    ? null
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);

export const idOf = (row: Json | undefined): string | undefined => {
  const id = member(row, 'id');
  return typeof id === 'string'
    ? id
    : typeof id === 'number' && Number.isSafeInteger(id)
      ? String(id)
      : undefined;
};

/** A row as an object. A property that was asked for and is not there is empty. */
export const objectOf = (type: ObjectType, row: JsonObject): RemoteObject => {
  const id = idOf(row);
  if (id === undefined)
    throw new Trouble('unknown', { message: `HubSpot answered a ${type.kind} without an id` });
  const shown = member(row, 'properties');
  const properties = Object.fromEntries(
    type.properties.map((name) => [name, shownText(member(shown, name))]),
  );
  const stamp = Date.parse(String(member(row, 'updatedAt') ?? member(shown, type.modified)));
  return { id, value: { properties }, ...(Number.isNaN(stamp) ? {} : { modifiedAt: stamp }) };
};

/** True if the row shows every property: answers to writes show only some. */
export const isWhole = (type: ObjectType, row: JsonObject): boolean => {
  const shown = member(row, 'properties');
  return isObject(shown) && type.properties.every((name) => Object.hasOwn(shown, name));
};

/** What HubSpot is sent: text, and '' to clear. */
export const sentProperties = (value: JsonObject): Record<string, string> => {
  const properties = member(value, 'properties');
  if (!isObject(properties)) return {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, one]) => [
      name,
      one === null ? '' : typeof one === 'string' ? one : JSON.stringify(one),
    ]),
  );
};

// ---------------------------------------------------------------- reading

/** HubSpot refuses a whole batch for one id that is no number; such an object cannot exist. */
export const isId = (id: string): boolean => /^\d{1,19}$/u.test(id);

/** Rows of one batch read; what is missing from the answer is missing there. */
export const readRows = async (
  api: Api,
  type: ObjectType,
  ids: readonly string[],
  idProperty?: string,
): Promise<JsonObject[]> => {
  if (ids.length === 0) return [];
  const body = {
    inputs: [...new Set(ids)].map((id) => ({ id })),
    properties: [...type.properties],
    ...(idProperty === undefined ? {} : { idProperty }),
  };
  const answer = await api.post(api.objects(type.path, '/batch/read'), body, true);
  return rowsOf(answer['results']).filter((row) => row['archived'] !== true);
};

/** Objects by id, whatever their number; ids that are not there are left out. */
export const readObjects = async (
  api: Api,
  type: ObjectType,
  ids: readonly string[],
): Promise<RemoteObject[]> => {
  const objects: RemoteObject[] = [];
  for (let at = 0; at < ids.length; at += batchMost) {
    const rows = await readRows(api, type, ids.slice(at, at + batchMost));
    objects.push(...rows.map((row) => objectOf(type, row)));
  }
  return objects;
};

/** One object by an id that may be old: only this call tells a merge from a deletion. */
export const lookAtOne = async (api: Api, type: ObjectType, id: string): Promise<Look> => {
  const query = new URLSearchParams({ properties: type.properties.join(',') });
  try {
    const row = await api.get(api.objects(type.path, `/${id}?${query.toString()}`));
    if (row['archived'] === true) return { is: 'gone' };
    const object = objectOf(type, row);
    return object.id === id ? { is: 'object', object } : { is: 'moved', to: object.id };
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (error.kind === 'gone') return { is: 'gone' };
    if (error.kind === 'forbidden' && error.detail.scoped === true)
      return { is: 'denied', why: error.detail.message };
    throw error;
  }
};

/** Looks at ids one by one, a few at a time. */
export const lookAtEach = async (
  api: Api,
  type: ObjectType,
  ids: readonly string[],
): Promise<Map<string, Look>> => {
  const looks = new Map<string, Look>();
  for (let at = 0; at < ids.length; at += abreast) {
    const some = ids.slice(at, at + abreast);
    const found = await Promise.all(some.map((id) => lookAtOne(api, type, id)));
    for (const [i, id] of some.entries()) looks.set(id, found[i] ?? { is: 'gone' });
  }
  return looks;
};

/** A look at each id: one batch read, then a single read for each id that it did not show (at most `batchMost`). */
export const read = async (
  api: Api,
  type: ObjectType,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Look>> => {
  const asked = [...new Set(ids)];
  const real = asked.filter(isId);
  const looks = new Map<string, Look>();
  for (const object of await readObjects(api, type, real)) looks.set(object.id, { is: 'object', object });
  const followed = await lookAtEach(
    api,
    type,
    real.filter((id) => !looks.has(id)),
  );
  return new Map(asked.map((id) => [id, looks.get(id) ?? followed.get(id) ?? { is: 'gone' }]));
};

/** Everything once by the list call, which is ordered by id and has no end at 10,000 as search has. */
export const scan = async (api: Api, type: ObjectType, page: string | null): Promise<Page> => {
  const query = new URLSearchParams({ limit: String(batchMost), properties: type.properties.join(',') });
  if (page !== null) query.set('after', page);
  const answer = await api.get(api.objects(type.path, `?${query.toString()}`));
  const after = member(member(answer['paging'], 'next'), 'after');
  const next = typeof after === 'string' || typeof after === 'number' ? String(after) : null;
  if (next !== null && next === page)
    throw new Trouble('unknown', { message: 'HubSpot answered the same page twice' });
  const rows = rowsOf(answer['results']).filter((row) => row['archived'] !== true);
  return { objects: rows.map((row) => objectOf(type, row)), next };
};
