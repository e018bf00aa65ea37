/**
 * A small 简道云 enterprise: forms with data, its filter, limits, error bodies, transaction ids and signed data
 * push. Where the facts are not certain it plays the worse reading: single creates are never de-duplicated,
 * success_ids come in reverse order, options that the form does not know are dropped in silence.
 * A call with the header `x-sandbox-actor: person:NAME` counts as made by that person.
 */
import { createHash } from 'node:crypto';
import {
  textOf,
  type Json,
  type JsonObject,
  type Sandbox,
  type SandboxHook,
  type SandboxRequest,
  type SandboxResponse,
} from '../../src/connector.ts';
import { goneCodeUnverified, isObject } from './account.ts';
import { signature } from './hooks.ts';
import contactSchema from './schema/contact.json' with { type: 'json' };
import customerSchema from './schema/customer.json' with { type: 'json' };

export interface Options {
  readonly apiKey?: string;
  readonly hookSecret?: string;
  readonly hookUrl?: string;
  readonly app?: string;
  readonly entries?: { readonly contact?: string; readonly customer?: string };
  /** What the form does to text that it stores (the anchor is left alone). */
  readonly normalise?: readonly ('trim' | 'lower')[];
  readonly hookDelay?: number;
  /** False: no call is ever too many. */
  readonly limits?: boolean;
}

/** A field as the form's designer sees it. */
export interface Widget {
  /** Never changes while the field is there. */
  readonly widgetName: string;
  readonly label: string;
  readonly type: string;
  /** For a choice: what may be chosen. No call tells it. */
  readonly options?: readonly Json[];
}

interface Form {
  readonly entry: string;
  readonly name: string;
  /** By alias, in the form's order; people change it where forms are designed. */
  readonly widgets: Map<string, Widget>;
  readonly rows: Map<string, JsonObject>;
}

export interface State {
  readonly options: Options;
  readonly forms: Map<string, Form>;
  readonly transactions: Map<string, readonly string[]>;
  /** Times of the last second's calls. */
  calls: { readonly at: number; readonly path: string }[];
  serial: number;
}

const hex = (n: number, width: number): string => n.toString(16).padStart(width, '0');

const formOf = (entry: string, name: string, schema: { properties: Record<string, object> }): Form => ({
  entry,
  name,
  widgets: new Map(
    Object.entries(schema.properties).map(([alias, property], n): [string, Widget] => {
      const { enum: options, title = alias } = property as { enum?: readonly Json[]; title?: string };
      const type = options === undefined ? 'text' : 'combo';
      const widget = { widgetName: `_widget_${1_700_000_000_000 + n}`, label: title, type };
      return [alias, options === undefined ? widget : { ...widget, options }];
    }),
  ),
  rows: new Map(),
});

const initial = (options: Options): State => {
  const { contact, customer } = options.entries ?? { contact: 'c'.repeat(24), customer: 'd'.repeat(24) };
  const forms = new Map<string, Form>();
  if (contact !== undefined) forms.set(contact, formOf(contact, '联系人', contactSchema));
  if (customer !== undefined) forms.set(customer, formOf(customer, '客户', customerSchema));
  return { options, forms, transactions: new Map(), calls: [], serial: 0 };
};

/** An answer that is an error of the system. */
class Refusal extends Error {
  readonly status: number;
  readonly code: number;
  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Visit {
  readonly state: State;
  readonly form: Form;
  readonly body: JsonObject;
  readonly now: number;
  readonly random: () => number;
  readonly actor: string;
  readonly hooks: SandboxHook[];
}

const perSecond: Readonly<Record<string, number>> = {
  'data/list': 30,
  'data/get': 30,
  'data/create': 20,
  'data/update': 20,
  'data/delete': 20,
  'data/batch_create': 10,
  'widget/list': 30,
};

const limit = (state: State, path: string, now: number): void => {
  if (state.options.limits === false) return;
  state.calls = state.calls.filter((call) => call.at > now - 1000);
  const same = state.calls.filter((call) => call.path === path).length;
  if (state.calls.length >= 50 || same >= (perSecond[path] ?? 30))
    throw new Refusal(400, 8303, '超出请求频率限制');
  state.calls.push({ at: now, path });
};

// ---------------------------------------------------------------- rows

/** A text or choice as the form stores it; undefined where the form drops it in silence. */
const stored = ({ state, form }: Visit, alias: string, value: Json): Json | undefined => {
  const options = form.widgets.get(alias)?.options;
  if (value === null || value === '') return null;
  if (options !== undefined) return options.includes(value) ? value : undefined;
  if (typeof value !== 'string' || alias === 'crosswalk_id') return value;
  let text = value;
  for (const how of state.options.normalise ?? []) text = how === 'trim' ? text.trim() : text.toLowerCase();
  return text;
};

const write = (visit: Visit, row: JsonObject, data: Json | undefined): void => {
  if (!isObject(data)) throw new Refusal(400, 1, 'data is missing');
  for (const [alias, wrapped] of Object.entries(data)) {
    if (!visit.form.widgets.has(alias) || !isObject(wrapped)) continue;
    const value = stored(visit, alias, wrapped['value'] ?? null);
    if (value === null) delete row[alias];
    else if (value !== undefined) row[alias] = value;
  }
};

const person = (actor: string): JsonObject => ({
  username: actor,
  name: actor,
  status: 1,
  type: 0,
  departments: [],
});

const create = (visit: Visit, data: Json | undefined): JsonObject => {
  const { state, form, now, actor } = visit;
  state.serial += 1 + Math.floor(visit.random() * 3);
  const id = hex(Math.floor(now / 1000), 8) + hex(state.serial, 16);
  const at = new Date(now).toISOString();
  const row: JsonObject = {
    _id: id,
    appId: state.options.app ?? '',
    entryId: form.entry,
    formName: form.name,
    creator: person(actor),
    updater: person(actor),
    createTime: at,
    updateTime: at,
  };
  write(visit, row, data);
  form.rows.set(id, row);
  return row;
};

const found = ({ form, body }: Visit): JsonObject => {
  const row = form.rows.get(String(body['data_id']));
  if (row === undefined) throw new Refusal(400, goneCodeUnverified, '数据不存在');
  return row;
};

/** Reads give bare values; with `fields`, only these and the system's own. */
const shown = (form: Form, row: JsonObject, fields?: Json): JsonObject => {
  const system = ['_id', 'appId', 'entryId', 'formName', 'creator', 'updater', 'createTime', 'updateTime'];
  const asked = (key: string): boolean => !Array.isArray(fields) || fields.includes(key);
  // What stood in a field that was taken out of the form is not shown any more.
  return Object.fromEntries(
    Object.entries(row).filter(([key]) => system.includes(key) || (form.widgets.has(key) && asked(key))),
  );
};

// ---------------------------------------------------------------- filter

const holds = (row: JsonObject, cond: Json): boolean => {
  if (!isObject(cond)) return true;
  const { field, method, value } = cond;
  const is = row[String(field)] ?? null;
  // As seen in the field: a condition without the right keys is ignored, and everything matches.
  if (typeof method !== 'string') return true;
  if (method === 'empty') return is === null;
  if (method === 'not_empty') return is !== null;
  if (!Array.isArray(value)) return true;
  const [from, to] = value;
  switch (method) {
    case 'eq':
      return is === from;
    case 'ne':
      return is !== from;
    case 'in':
      return value.includes(is);
    case 'nin':
      return !value.includes(is);
    case 'like':
      return typeof is === 'string' && is.includes(String(from));
    case 'range':
      return (
        is !== null &&
        (from === null || from === undefined || is >= from) &&
        (to === null || to === undefined || is <= to)
      );
    default:
      return true;
  }
};

const matches = (row: JsonObject, filter: Json | undefined): boolean => {
  if (!isObject(filter) || !Array.isArray(filter['cond'])) return true;
  const each = filter['cond'].map((cond) => holds(row, cond));
  return filter['rel'] === 'or' ? each.includes(true) : !each.includes(false);
};

const list = ({ form, body }: Visit): Json => {
  const limitOf = typeof body['limit'] === 'number' ? Math.min(100, Math.max(1, body['limit'])) : 10;
  const after = typeof body['data_id'] === 'string' ? body['data_id'] : '';
  const rows = [...form.rows.values()]
    .filter((row) => String(row['_id']) > after && matches(row, body['filter']))
    .sort((a, b) => (String(a['_id']) < String(b['_id']) ? -1 : 1))
    .slice(0, limitOf);
  return { data: rows.map((row) => shown(form, row, body['fields'])) };
};

// ---------------------------------------------------------------- push

const push = ({ state, form, now, random, hooks }: Visit, op: string, row: JsonObject): void => {
  const { hookUrl = '', hookSecret = '', hookDelay = 500 } = state.options;
  if (hookUrl === '') return;
  const body = JSON.stringify({ data: shown(form, row), op, opTime: now });
  const timestamp = String(Math.floor(now / 1000));
  const nonce = hex(Math.floor(random() * 2 ** 32), 8);
  const delivery = createHash('sha1').update(`${op}${body}${nonce}`).digest('hex').slice(0, 24);
  const after = hookDelay * (0.5 + random());
  const headers = {
    'content-type': 'application/json',
    'x-jdy-signature': signature(nonce, Buffer.from(body), hookSecret, timestamp),
    'x-jdy-deliverid': delivery,
  };
  hooks.push({
    after,
    request: { method: 'POST', url: `${hookUrl}?timestamp=${timestamp}&nonce=${nonce}`, headers, body },
  });
};

// ---------------------------------------------------------------- endpoints

const batchCreate = (visit: Visit): Json => {
  const { body, state } = visit;
  const rows = body['data_list'];
  if (!Array.isArray(rows) || rows.length === 0 || rows.length > 100)
    throw new Refusal(400, 1, 'data_list must have 1 to 100 rows');
  const transaction = typeof body['transaction_id'] === 'string' ? body['transaction_id'] : undefined;
  const known = transaction === undefined ? undefined : state.transactions.get(transaction);
  let ids = known;
  if (ids === undefined) {
    ids = rows.map((data) => {
      const row = create(visit, data);
      push(visit, 'data_create', row);
      return String(row['_id']);
    });
    if (transaction !== undefined) state.transactions.set(transaction, ids);
  }
  return { status: 'success', success_count: ids.length, success_ids: ids.toReversed() };
};

/** When the form's data last changed; null for a form that was never used. */
const lastOf = ({ rows }: Form): Json =>
  [...rows.values()]
    .map((row) => String(row['updateTime']))
    .sort()
    .at(-1) ?? null;

const endpoints: Readonly<Record<string, (visit: Visit) => Json>> = {
  'data/list': list,
  'data/get': (visit) => ({ data: shown(visit.form, found(visit)) }),
  'data/create': (visit) => {
    const row = create(visit, visit.body['data']);
    push(visit, 'data_create', row);
    return { data: shown(visit.form, row) };
  },
  'data/batch_create': batchCreate,
  'data/update': (visit) => {
    const row = found(visit);
    write(visit, row, visit.body['data']);
    row['updateTime'] = new Date(visit.now).toISOString();
    row['updater'] = person(visit.actor);
    push(visit, 'data_update', row);
    return { data: shown(visit.form, row) };
  },
  'data/delete': (visit) => {
    const row = found(visit);
    visit.form.rows.delete(String(row['_id']));
    push(visit, 'data_remove', row);
    return { status: 'success' };
  },
  'widget/list': ({ form }) => ({
    widgets: [...form.widgets].map(([name, { widgetName, label, type }]) => ({
      name,
      widgetName,
      label,
      type,
    })),
    sysWidgets: ['creator', 'createTime', 'updater', 'updateTime'].map((name) => ({ name })),
    dataModifyTime: lastOf(form),
  }),
};

const visit = (
  request: SandboxRequest,
  state: State,
  now: number,
  random: () => number,
  hooks: SandboxHook[],
): Json => {
  const path = /^\/api\/v5\/app\/entry\/(data\/[a-z_]+|widget\/list)$/u.exec(
    request.path.split('?')[0] ?? '',
  )?.[1];
  const endpoint = path === undefined ? undefined : endpoints[path];
  if (path === undefined || endpoint === undefined || request.method !== 'POST')
    throw new Refusal(404, 0, 'not found');
  if (request.headers['authorization'] !== `Bearer ${state.options.apiKey ?? 'jdy-sandbox'}`)
    throw new Refusal(401, 8301, 'unauthorized');
  limit(state, path, now);
  let body: Json;
  try {
    body = JSON.parse(textOf(request.body)) as Json;
  } catch {
    throw new Refusal(400, 1, 'invalid JSON');
  }
  if (!isObject(body)) throw new Refusal(400, 1, 'invalid request');
  const form = state.forms.get(String(body['entry_id']));
  if (form === undefined || (state.options.app !== undefined && body['app_id'] !== state.options.app))
    throw new Refusal(400, 3000, '表单不存在');
  const actor = /^person:(.{1,80})$/u.exec(request.headers['x-sandbox-actor'] ?? '')?.[1] ?? 'api';
  return endpoint({ state, form, body, now, random, actor: decodeURIComponent(actor), hooks });
};

const answer = (status: number, body: Json): SandboxResponse => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: JSON.stringify(body),
});

const sandbox: Sandbox<State, Options> = {
  name: 'jiandaoyun',
  initial,
  handle: (request, state, now, random) => {
    const hooks: SandboxHook[] = [];
    try {
      return { response: answer(200, visit(request, state, now, random, hooks)), state, hooks };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { response: answer(error.status, { code: error.code, msg: error.message }), state, hooks: [] };
    }
  },
};

export default sandbox;
