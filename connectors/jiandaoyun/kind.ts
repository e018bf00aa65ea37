import { createHash } from 'node:crypto';
import {
  Trouble,
  type CreateItem,
  type ItemResult,
  type Json,
  type JsonObject,
  type Kind,
  type Look,
  type Page,
  type RemoteObject,
  type Writer,
} from '../../src/connector.ts';
import { goneCodeUnverified, isObject, type Account, type Form } from './account.ts';
import { describe } from './describe.ts';

const pageMost = 100;

const timeOf = (value: Json | undefined): number | undefined => {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
};

/** A record in the symmetric shape: every alias that was asked for, empty as null. */
export const objectOf = (form: Form, data: JsonObject): RemoteObject => {
  const value: JsonObject = {};
  for (const alias of form.aliases) {
    const given = data[alias];
    value[alias] = given === undefined || given === '' ? null : given;
  }
  const modifiedAt = timeOf(data['updateTime']);
  return { id: String(data['_id']), value, ...(modifiedAt === undefined ? {} : { modifiedAt }) };
};

/** `{alias: {value}}`; `{}` clears a field. */
const wrapped = (value: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(value).map(([alias, one]) => [alias, (one === null ? {} : { value: one }) as JsonObject]),
  );

const rowsOf = (answer: JsonObject): JsonObject[] => {
  const { data } = answer;
  if (!Array.isArray(data)) throw new Trouble('unknown', { message: 'the answer has no list of data' });
  return data.filter(isObject);
};

export const kindOf = (account: Account, form: Form): Kind => {
  const fields = [...form.aliases];
  const list = async (body: JsonObject): Promise<JsonObject[]> =>
    rowsOf(await account.call('list', form, { limit: pageMost, fields, ...body }));
  return {
    schema: form.schema,
    describe: () => describe(account, form),
    stamps: { resolution: 1, lateness: 300_000, skew: 5000 },
    readMost: 30,
    read: (ids) => read(account, form, ids),
    scan: async (page) => pageOf(form, await list(page === null ? {} : { data_id: page })),
    ...(account.settings.changes === false
      ? {}
      : { changes: (window, page) => changes(form, list, window, page) }),
    create: account.anchor === '' ? createOne(account, form) : createMany(account, form, list),
    update: {
      most: 1,
      atomic: true,
      keyed: false,
      send: async ([item]) => (item === undefined ? [] : [await update(account, form, item)]),
    },
    remove: {
      most: 1,
      atomic: true,
      keyed: false,
      send: async ([item]) => (item === undefined ? [] : [await remove(account, form, item.id)]),
    },
    find: {
      // A read of the database itself, as far as is known (UNVERIFIED): some seconds of patience.
      lag: 5000,
      pointers: form.aliases.map((alias) => `/${alias}`),
      by: async (equals) => {
        const wanted = [...equals].map(([pointer, value]) => [pointer.slice(1), value] as const);
        const cond = wanted.map(([field, value]) => ({ field, method: 'eq', value: [value] }));
        const rows = await list({ filter: { rel: 'and', cond } });
        // A filter that the server does not understand matches everything: only rows that really match count.
        return rows
          .filter((row) => wanted.every(([field, value]) => row[field] === value))
          .map((row) => String(row['_id']));
      },
    },
  };
};

const pageOf = (form: Form, rows: readonly JsonObject[]): Page => ({
  objects: rows.map((row) => objectOf(form, row)),
  next: rows.length < pageMost ? null : String(rows.at(-1)?.['_id']),
});

/** By updateTime, paged by id inside the window; rows outside it are passed over. */
const changes = async (
  form: Form,
  list: (body: JsonObject) => Promise<JsonObject[]>,
  window: { readonly since: number; readonly until: number },
  page: string | null,
): Promise<Page> => {
  const value = [new Date(window.since).toISOString(), null];
  const filter = { rel: 'and', cond: [{ field: 'updateTime', method: 'range', value }] };
  const rows = await list({ filter, ...(page === null ? {} : { data_id: page }) });
  const { objects, next } = pageOf(form, rows);
  return {
    objects: objects.filter(
      ({ modifiedAt = window.since }) => modifiedAt >= window.since && modifiedAt < window.until,
    ),
    next,
  };
};

/** One call an id: there is no documented read of several. Five at a time. */
const read = async (
  account: Account,
  form: Form,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Look>> => {
  const looks = new Map<string, Look>();
  for (let i = 0; i < ids.length; i += 5) {
    const some = ids.slice(i, i + 5);
    const found = await Promise.all(some.map((id) => readOne(account, form, id)));
    some.forEach((id, n) => looks.set(id, found[n] ?? { is: 'gone' }));
  }
  return looks;
};

const readOne = async (account: Account, form: Form, id: string): Promise<Look> => {
  try {
    const { data } = await account.call('get', form, { data_id: id });
    return isObject(data) && typeof data['_id'] === 'string'
      ? { is: 'object', object: objectOf(form, data) }
      : { is: 'gone' };
  } catch (error) {
    if (isGone(account, error)) return { is: 'gone' };
    throw error;
  }
};

const isGone = (account: Account, error: unknown): boolean => {
  const codes = account.settings.goneCodes ?? [goneCodeUnverified];
  return error instanceof Trouble && error.kind === 'refused' && codes.includes(Number(error.detail.code));
};

const update = async (
  account: Account,
  form: Form,
  item: { readonly id: string; readonly value: JsonObject },
): Promise<ItemResult> => {
  const is_start_trigger = account.settings.startTriggers ?? false;
  try {
    const { data } = await account.call('update', form, {
      data_id: item.id,
      data: wrapped(item.value),
      is_start_trigger,
    });
    return {
      is: 'done',
      id: item.id,
      ...(isObject(data) && data['_id'] === item.id ? { object: objectOf(form, data) } : {}),
    };
  } catch (error) {
    if (isGone(account, error)) return { is: 'gone' };
    throw error;
  }
};

const remove = async (account: Account, form: Form, id: string): Promise<ItemResult> => {
  try {
    await account.call('remove', form, {
      data_id: id,
      is_start_trigger: account.settings.startTriggers ?? false,
    });
    return { is: 'done', id };
  } catch (error) {
    if (isGone(account, error)) return { is: 'gone' };
    throw error;
  }
};

/** A UUID that is the same for the same key. */
const transactionOf = (key: string): string => {
  const hex = createHash('sha256').update(key).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

const startOf = ({ settings }: Account): JsonObject => ({
  is_start_workflow: settings.startWorkflow ?? false,
});

/** Without an anchor: single creates. That a repeat is de-duplicated here is UNVERIFIED, so it is not relied on. */
const createOne = (account: Account, form: Form): Writer<CreateItem> => ({
  most: 1,
  atomic: true,
  keyed: false,
  send: async ([item]) => {
    if (item === undefined) return [];
    const is_start_trigger = account.settings.startTriggers ?? false;
    const { data } = await account.call('create', form, {
      data: wrapped(item.value),
      transaction_id: transactionOf(item.key),
      is_start_trigger,
      ...startOf(account),
    });
    if (!isObject(data) || typeof data['_id'] !== 'string')
      return [{ is: 'unknown', message: 'the answer names no record' }];
    return [{ is: 'done', id: data['_id'], object: objectOf(form, data) }];
  },
});

/**
 * With an anchor: batch_create, which is de-duplicated by its transaction_id [official]. The order of
 * success_ids is UNVERIFIED, so one list by the anchor afterwards tells which id is whose. Chosen over single
 * creates, which cost a call each at 20 a second and whose repeat might double.
 */
const createMany = (
  account: Account,
  form: Form,
  list: (body: JsonObject) => Promise<JsonObject[]>,
): Writer<CreateItem> => ({
  most: pageMost,
  atomic: true,
  keyed: true,
  send: async (items, { key }) => {
    const anchors = items.map((item) => item.value[account.anchor]);
    if (anchors.some((anchor) => typeof anchor !== 'string')) {
      throw new Trouble('refused', {
        message: `the mapping writes no ${account.anchor}; give it as the anchor, or set anchor: ""`,
        code: 'NO_ANCHOR',
      });
    }
    const data_list = items.map((item) => wrapped(item.value));
    await account.call('batchCreate', form, {
      data_list,
      transaction_id: transactionOf(key),
      ...startOf(account),
    });
    const filter = { rel: 'and', cond: [{ field: account.anchor, method: 'in', value: anchors as Json[] }] };
    const made = new Map<Json | undefined, JsonObject>();
    for (const row of await list({ filter })) made.set(row[account.anchor], row);
    return anchors.map((anchor): ItemResult => {
      const row = made.get(anchor);
      if (row === undefined)
        return { is: 'unknown', message: 'the record was accepted but is not listed yet' };
      return { is: 'done', id: String(row['_id']), object: objectOf(form, row) };
    });
  },
});
