/**
 * Writing in batches of 100. HubSpot has no idempotency key and no version guard. What makes a create
 * repeatable is the anchor: a property with unique values that holds our record id. A batch of creates
 * first asks which anchors are there already (a former attempt got through: nothing is written again, so
 * an edit made since stands), then upserts the rest by the anchor, so that an attempt that lands late
 * meets the same object and not a second one.
 */
import {
  Trouble,
  type CreateItem,
  type ItemResult,
  type JsonObject,
  type RemoveItem,
  type UpdateItem,
  type Writer,
} from '../../src/connector.ts';
import { member, rowsOf, type Api } from './account.ts';
import {
  batchMost,
  idOf,
  isId,
  isWhole,
  lookAtEach,
  lookAtOne,
  objectOf,
  readRows,
  sentProperties,
  type ObjectType,
} from './record.ts';
import { categoryOf, existingIn, wordsOf } from './trouble.ts';

/** One item on its way: `trace` names it in errors, `name` is how the answer may name it otherwise. */
interface Sent {
  readonly trace: string;
  readonly name: string;
  readonly input: JsonObject;
}

const refusal = (words: string, code: string): ItemResult => {
  const existing = existingIn(words);
  return {
    is: 'refused',
    message: words === '' ? 'HubSpot refused this without saying why' : words,
    ...(code === '' ? {} : { code }),
    ...(existing === undefined ? {} : { existing }),
  };
};

/** What an entry of `errors` means for its item. */
const verdictOf = (error: JsonObject): ItemResult => {
  const code = categoryOf(error);
  const words = wordsOf(error);
  if (code === 'OBJECT_NOT_FOUND') return { is: 'gone' };
  // These say nothing about the input, and not surely that nothing was done.
  if (code === 'INTERNAL_ERROR' || code === 'RATE_LIMITS') return { is: 'unknown', message: words };
  return refusal(words, code);
};

const namesIn = (error: JsonObject, key: string): string[] => {
  const names = member(error['context'], key);
  return Array.isArray(names) ? names.map(String) : [];
};

const doneBy = (type: ObjectType, row: JsonObject): ItemResult => {
  const id = idOf(row);
  if (id === undefined) return { is: 'unknown', message: 'HubSpot answered an object without an id' };
  return { is: 'done', id, ...(isWhole(type, row) ? { object: objectOf(type, row) } : {}) };
};

/** Gives each sent item its row or error of the answer; `nameOf` is what a row without a trace is known by. */
const sortAnswer = (
  type: ObjectType,
  sent: readonly Sent[],
  answer: JsonObject,
  nameOf: (row: JsonObject) => string | undefined,
): ItemResult[] => {
  const byTrace = new Map<string, ItemResult>();
  const byName = new Map<string, ItemResult>();
  const stray: JsonObject[] = [];
  for (const error of rowsOf(answer['errors'])) {
    const traces = namesIn(error, 'objectWriteTraceId');
    const ids = [...namesIn(error, 'ids'), ...namesIn(error, 'id')];
    for (const trace of traces) byTrace.set(trace, verdictOf(error));
    for (const id of ids) byName.set(id, verdictOf(error));
    if (traces.length === 0 && ids.length === 0) stray.push(error);
  }
  for (const row of rowsOf(answer['results'])) {
    const trace = row['objectWriteTraceId'];
    const name = nameOf(row);
    if (typeof trace === 'string') byTrace.set(trace, doneBy(type, row));
    else if (name !== undefined) byName.set(name, doneBy(type, row));
  }
  const lost = sent.filter(({ trace, name }) => !byTrace.has(trace) && !byName.has(name));
  const [only] = stray;
  // One error without a name and one item without an answer belong together.
  const blame = lost.length === 1 && stray.length === 1 && only !== undefined ? verdictOf(only) : undefined;
  return sent.map(
    ({ trace, name }) =>
      byTrace.get(trace) ??
      byName.get(name) ??
      blame ?? { is: 'unknown', message: 'HubSpot did not say what became of this item' },
  );
};

/** A lone item that is refused as a whole call gets the id that holds its value; a batch is left to be halved. */
const alone = (error: unknown, items: number): ItemResult[] => {
  if (!(error instanceof Trouble)) throw error;
  const { message, code } = error.detail;
  if (error.kind === 'refused' && items === 1) return [refusal(message, code ?? '')];
  // A 404 for a batch names one of its items and says nothing of the others.
  if (error.kind === 'gone' && items > 1) throw new Trouble('refused', error.detail);
  throw error;
};

const post = async (
  api: Api,
  type: ObjectType,
  verb: 'create' | 'update' | 'upsert',
  sent: readonly Sent[],
  nameOf: (row: JsonObject) => string | undefined,
): Promise<ItemResult[]> => {
  if (sent.length === 0) return [];
  const body = { inputs: sent.map(({ input, trace }) => ({ ...input, objectWriteTraceId: trace })) };
  try {
    // Even an upsert is not sent again by the pipe: a repeat comes through `send`, which asks first what is there.
    const answer = await api.post(api.objects(type.path, `/batch/${verb}`), body, false);
    return sortAnswer(type, sent, answer, nameOf);
  } catch (error) {
    return alone(error, sent.length);
  }
};

/** HubSpot refuses a batch that names one thing twice: the second goes in a batch of its own. */
const rounds = <Item>(items: readonly Item[], nameOf: (item: Item) => string): Item[][] => {
  const batches: Item[][] = [];
  const times = new Map<string, number>();
  for (const item of items) {
    const nth = times.get(nameOf(item)) ?? 0;
    times.set(nameOf(item), nth + 1);
    (batches[nth] ??= []).push(item);
  }
  return batches;
};

const propertyText = (row: JsonObject, name: string): string | undefined => {
  const value = member(row['properties'], name);
  return typeof value === 'string' && value !== '' ? value : undefined;
};

// ---------------------------------------------------------------- create

const createPlain = (api: Api, type: ObjectType, items: readonly CreateItem[]): Promise<ItemResult[]> => {
  const sent = items.map((item) => {
    const properties = sentProperties(item.value);
    return {
      trace: item.key,
      name: (properties['email'] ?? `key ${item.key}`).toLowerCase(),
      input: { properties },
    };
  });
  return post(api, type, 'create', sent, (row) => propertyText(row, 'email')?.toLowerCase());
};

const noAnchor = (anchor: string): ItemResult => ({
  is: 'refused',
  code: 'NO_ANCHOR',
  message: `this create carries no ${anchor}, so that it could not be repeated safely: give the mapping the anchor /properties/${anchor}, or clear the connection's anchorProperty`,
});

/** Rows that hold an anchor already. When this question fails, certainly nothing was written. */
const rowsThere = async (
  api: Api,
  type: ObjectType,
  anchors: readonly string[],
  anchor: string,
): Promise<Map<string, JsonObject>> => {
  try {
    const rows = await readRows(api, type, anchors, anchor);
    return new Map(rows.map((row) => [propertyText(row, anchor) ?? '', row]));
  } catch (error) {
    if (error instanceof Trouble && error.kind === 'unknown') throw new Trouble('unreachable', error.detail);
    throw error;
  }
};

/** Creates by the anchor: those that are there already are told as done, with how they look now. */
const createAnchored = async (
  api: Api,
  type: ObjectType,
  items: readonly CreateItem[],
  anchor: string,
): Promise<ItemResult[]> => {
  const results = new Map<string, ItemResult>();
  const named = items.map((item) => ({ item, properties: sentProperties(item.value) }));
  const ready = named.filter(({ properties }) => (properties[anchor] ?? '') !== '');
  const anchors = ready.map(({ properties }) => properties[anchor] ?? '');
  const there = await rowsThere(api, type, anchors, anchor);
  const fresh: Sent[] = [];
  for (const { item, properties } of ready) {
    const name = properties[anchor] ?? '';
    const row = there.get(name);
    if (row !== undefined) results.set(item.key, doneBy(type, row));
    else fresh.push({ trace: item.key, name, input: { idProperty: anchor, id: name, properties } });
  }
  for (const batch of rounds(fresh, ({ name }) => name)) {
    const answers = await post(api, type, 'upsert', batch, (row) => propertyText(row, anchor));
    for (const [i, { trace }] of batch.entries())
      results.set(trace, answers[i] ?? { is: 'unknown', message: 'no answer' });
  }
  return items.map((item) => results.get(item.key) ?? noAnchor(anchor));
};

export const creator = (api: Api, type: ObjectType, anchor: string): Writer<CreateItem> => ({
  most: batchMost,
  atomic: false,
  keyed: anchor !== '',
  send: (items) => (anchor === '' ? createPlain(api, type, items) : createAnchored(api, type, items, anchor)),
});

// ---------------------------------------------------------------- update and remove

/** A batch update does not know the old ids of merged objects; a single read does. */
const followGone = async (
  api: Api,
  type: ObjectType,
  items: readonly UpdateItem[],
  results: readonly ItemResult[],
): Promise<ItemResult[]> => {
  const missing = items
    .filter((item, i) => results[i]?.is === 'gone' && isId(item.id))
    .map((item) => item.id);
  const looks = await lookAtEach(api, type, missing);
  return results.map((result, i) => {
    const look = looks.get(items[i]?.id ?? '');
    return result.is === 'gone' && look?.is === 'moved' ? { is: 'gone', movedTo: look.to } : result;
  });
};

const update = async (api: Api, type: ObjectType, items: readonly UpdateItem[]): Promise<ItemResult[]> => {
  const results = new Map<string, ItemResult>();
  for (const batch of rounds(
    items.filter((item) => isId(item.id)),
    (item) => item.id,
  )) {
    const sent = batch.map((item) => ({
      trace: item.key,
      name: item.id,
      input: { id: item.id, properties: sentProperties(item.value) },
    }));
    const answers = await post(api, type, 'update', sent, idOf);
    for (const [i, { trace }] of sent.entries())
      results.set(trace, answers[i] ?? { is: 'unknown', message: 'no answer' });
  }
  const inOrder = items.map((item) => results.get(item.key) ?? { is: 'gone' as const });
  return followGone(api, type, items, inOrder);
};

export const updater = (api: Api, type: ObjectType): Writer<UpdateItem> => ({
  most: batchMost,
  atomic: false,
  keyed: false,
  send: async (items) => {
    try {
      return await update(api, type, items);
    } catch (error) {
      const [only] = items;
      if (!(error instanceof Trouble) || error.kind !== 'gone' || only === undefined || items.length > 1)
        throw error;
      const look = await lookAtOne(api, type, only.id);
      return [look.is === 'moved' ? { is: 'gone', movedTo: look.to } : { is: 'gone' }];
    }
  },
});

/** Archives: HubSpot keeps the object in its recycle bin for 90 days, and takes a repeat in silence. */
export const remover = (api: Api, type: ObjectType): Writer<RemoveItem> => ({
  most: batchMost,
  atomic: false,
  keyed: true,
  send: async (items) => {
    const ids = [...new Set(items.map((item) => item.id).filter(isId))];
    if (ids.length > 0)
      await api.tell(api.objects(type.path, '/batch/archive'), { inputs: ids.map((id) => ({ id })) });
    return items.map(({ id }) => (isId(id) ? { is: 'done', id } : { is: 'gone' }));
  },
});
