/** The sandboxed account: its options, its properties and its objects, with the search index that lags behind them. */
import {
  textOf,
  type Json,
  type JsonObject,
  type SandboxRequest,
  type SandboxResponse,
} from '../../../src/connector.ts';
import { isObject, member } from '../account.ts';
import contactSchema from '../schema/contact.json' with { type: 'json' };
import companySchema from '../schema/company.json' with { type: 'json' };

/** All optional; times in ms. */
export interface Options {
  readonly token?: string;
  /** With `hookUrl`: signs the webhooks. */
  readonly clientSecret?: string;
  readonly hookUrl?: string;
  readonly portalId?: number | string;
  readonly appId?: number | string;
  /** The account's own text properties, besides those of the connector's schemas. */
  readonly properties?: { readonly contacts?: readonly string[]; readonly companies?: readonly string[] };
  /** A change shows up in search at most this much later. */
  readonly searchLag?: number;
  /** Webhooks leave about this long after the change. */
  readonly hookDelay?: number;
  /** 0: no limit. */
  readonly tenSecondLimit?: number;
  readonly searchLimit?: number;
  readonly dailyLimit?: number;
  /** False: one bad row fails its whole batch, whatever the trace ids. */
  readonly multiStatus?: boolean;
  /** True: the survivor of a merge keeps the primary's id. False: it gets a new one. */
  readonly mergeKeepsId?: boolean;
}

const standard: Required<Options> = {
  token: 'pat-sandbox',
  clientSecret: '',
  hookUrl: '',
  portalId: 44_237_313,
  appId: 4_210_286,
  properties: {},
  searchLag: 8000,
  hookDelay: 1500,
  tenSecondLimit: 100,
  searchLimit: 5,
  dailyLimit: 250_000,
  multiStatus: true,
  mergeKeepsId: false,
};

export type TypeName = 'contacts' | 'companies';

export interface Option {
  readonly value: string;
  readonly label: string;
  readonly hidden: boolean;
}

/** A rule that people of the account made for the values of a property: MAX_LENGTH, ["50"]. */
export interface Rule {
  readonly ruleType: string;
  readonly ruleArguments: readonly string[];
}

export interface Definition {
  readonly name: string;
  readonly label: string;
  readonly type: string;
  readonly fieldType: string;
  readonly options: readonly Option[];
  readonly readOnly: boolean;
  readonly unique: boolean;
  /** True for what comes with HubSpot: it cannot be archived. */
  readonly standard: boolean;
  readonly sensitivity: 'non_sensitive' | 'sensitive' | 'highly_sensitive';
  readonly rules: readonly Rule[];
}

/** An object as search knows it from `at` on; null once it is archived or merged away. */
interface Indexed {
  readonly at: number;
  readonly properties: Readonly<Record<string, string>> | null;
}

export interface Row {
  readonly id: string;
  readonly type: TypeName;
  properties: Record<string, string>;
  readonly createdAt: number;
  updatedAt: number;
  archivedAt: number | null;
  mergedInto: string | null;
  index: Indexed[];
}

export interface State {
  readonly options: Required<Options>;
  readonly definitions: Readonly<Record<TypeName, Map<string, Definition>>>;
  /** Properties that were archived: their values are not shown, and not lost. */
  readonly archived: Readonly<Record<TypeName, Map<string, Definition>>>;
  /** By id, in ascending order, as ids only grow. */
  readonly rows: Readonly<Record<TypeName, Map<string, Row>>>;
  /** Holder of each unique value: `contacts email a@x.example` → id. */
  readonly holders: Map<string, string>;
  nextId: number;
  calls: number[];
  searches: number[];
  day: number;
  today: number;
}

/** One request being answered. */
export interface Visit {
  readonly state: State;
  readonly now: number;
  readonly random: () => number;
  readonly by: { readonly changeSource: string; readonly sourceId: string };
  /** Webhook events that this request causes. */
  readonly events: JsonObject[];
}

/** An error answer; thrown to end a request or a batch's item. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: JsonObject;
  constructor(status: number, category: string, message: string, rest: JsonObject = {}) {
    super(message);
    this.status = status;
    this.body = { status: 'error', message, category, ...rest };
  }
}

export const modifiedName = (type: TypeName): string =>
  type === 'contacts' ? 'lastmodifieddate' : 'hs_lastmodifieddate';
export const word = (type: TypeName): 'contact' | 'company' => (type === 'contacts' ? 'contact' : 'company');

const numbers = new Set(['hs_object_id', 'numberofemployees', 'annualrevenue']);
const times = new Set(['createdate', 'lastmodifieddate', 'hs_lastmodifieddate']);
const custom = new Set(['customer_id', 'credit_code', 'crosswalk_id', 'date_of_birth']);

const definitionsOf = (
  type: TypeName,
  schema: JsonObject,
  extra: readonly string[],
): Map<string, Definition> => {
  const known = member(member(schema['properties'], 'properties'), 'properties');
  const own = Object.fromEntries(extra.map((name) => [name, { title: name }]));
  const all: JsonObject = { ...own, ...(isObject(known) ? known : {}) };
  return new Map(
    Object.entries(all).map(([name, one]): [string, Definition] => {
      const values = member(one, 'enum');
      const options = (Array.isArray(values) ? values : [])
        .filter((value) => typeof value === 'string')
        .map((value) => ({ value, label: value, hidden: false }));
      const [kind, fieldType] = numbers.has(name)
        ? ['number', 'number']
        : times.has(name)
          ? ['datetime', 'date']
          : options.length > 0
            ? ['enumeration', 'select']
            : ['string', 'text'];
      const definition: Definition = {
        name,
        label: String(member(one, 'title') ?? name),
        type: kind,
        fieldType,
        options,
        readOnly: member(one, 'readOnly') === true,
        unique: member(one, 'x-unique') === true || (type === 'contacts' && name === 'email'),
        standard: !extra.includes(name) && !custom.has(name),
        sensitivity: 'non_sensitive',
        rules: [],
      };
      return [name, definition];
    }),
  );
};

export const initialState = (given: Options): State => {
  const options = { ...standard, ...given };
  return {
    options,
    definitions: {
      contacts: definitionsOf('contacts', contactSchema, options.properties.contacts ?? []),
      companies: definitionsOf('companies', companySchema, options.properties.companies ?? []),
    },
    archived: { contacts: new Map(), companies: new Map() },
    rows: { contacts: new Map(), companies: new Map() },
    holders: new Map(),
    nextId: 101,
    calls: [],
    searches: [],
    day: 0,
    today: 0,
  };
};

// ---------------------------------------------------------------- objects

/** Ids grow by steps that cannot be foreseen. */
export const newId = (visit: Visit): string => {
  visit.state.nextId += 1 + Math.floor(visit.random() * 900);
  return String(visit.state.nextId);
};

/** A live object under its own id. */
export const liveRow = (state: State, type: TypeName, id: string): Row | undefined => {
  const row = state.rows[type].get(id);
  return row === undefined || row.archivedAt !== null || row.mergedInto !== null ? undefined : row;
};

/** As `liveRow`, also by an id that was merged away. */
export const followedRow = (state: State, type: TypeName, id: string): Row | undefined => {
  let row = state.rows[type].get(id);
  while (row !== undefined && row.mergedInto !== null) row = state.rows[type].get(row.mergedInto);
  return row === undefined ? undefined : liveRow(state, type, row.id);
};

export const holderKey = (type: TypeName, name: string, value: string): string =>
  `${type} ${name} ${value.toLowerCase()}`;

/** Lets search know the object as it is now, after a while. */
export const reindex = (visit: Visit, row: Row): void => {
  const { searchLag } = visit.state.options;
  const at = Math.max(row.index.at(-1)?.at ?? 0, visit.now + Math.floor(visit.random() * (searchLag + 1)));
  const shown = row.archivedAt !== null || row.mergedInto !== null ? null : { ...row.properties };
  const current = row.index.findLast((one) => one.at <= visit.now);
  row.index = [
    ...(current === undefined ? [] : [current]),
    ...row.index.filter((one) => one.at > visit.now),
    { at, properties: shown },
  ];
};

/** The row of an answer. Properties that were asked for and hold nothing are null; unknown ones are left out. */
export const shownRow = (
  state: State,
  row: Row,
  asked: readonly string[],
  values: Readonly<Record<string, string>> = row.properties,
): JsonObject => {
  const names = ['createdate', 'hs_object_id', modifiedName(row.type), ...asked];
  const properties = names
    .filter((name) => state.definitions[row.type].has(name))
    .map((name): [string, Json] => [
      name,
      values[name] === undefined || values[name] === '' ? null : values[name],
    ]);
  return {
    id: row.id,
    properties: Object.fromEntries(properties),
    createdAt: new Date(row.createdAt).toISOString(),
    updatedAt: values[modifiedName(row.type)] ?? new Date(row.updatedAt).toISOString(),
    archived: row.archivedAt !== null,
    ...(row.archivedAt === null ? {} : { archivedAt: new Date(row.archivedAt).toISOString() }),
  };
};

export const answer = (
  status: number,
  body: JsonObject,
  headers: Readonly<Record<string, string>> = {},
): SandboxResponse => ({
  status,
  headers: { 'content-type': 'application/json;charset=utf-8', ...headers },
  body: JSON.stringify(body),
});

export const notFound = (what = 'resource'): Refusal =>
  new Refusal(404, 'OBJECT_NOT_FOUND', `${what} not found`);

const bodyBytesMost = 5_000_000;

export const bodyOf = (request: SandboxRequest): JsonObject => {
  if (request.body.length > bodyBytesMost)
    throw new Refusal(413, 'VALIDATION_ERROR', 'The body is too large');
  try {
    const json = JSON.parse(textOf(request.body)) as Json;
    if (isObject(json)) return json;
  } catch {
    // Told below.
  }
  throw new Refusal(400, 'VALIDATION_ERROR', 'Invalid input JSON');
};
