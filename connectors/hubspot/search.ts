/**
 * Search: what changed in a window, and who holds a value. Search answers come from an index that lags
 * behind the objects, so only ids are taken from it; the objects themselves are read.
 *
 * Pages are never asked for by offset. An object that is edited while the window is read leaves it, and
 * every row behind it would slip one place forward, past a page's edge and out of sight. Instead each page
 * starts at the stamp on which the former one ended and leaves out the ids that were given at that stamp;
 * this also keeps every query far from the 10,000 rows after which HubSpot refuses. When one stamp fills a
 * whole page (a bulk update), its rows are read by ascending id instead, then the window goes on behind it.
 */
import { Trouble, type Json, type JsonObject, type Page } from '../../src/connector.ts';
import { member, rowsOf, type Api } from './account.ts';
import { idOf, isId, readObjects, type ObjectType } from './record.ts';

const pageMost = 200;
/** The fewest of the published numbers of filters in a group. */
const filterMost = 3;

interface Cursor {
  /** Rows stamped from here on, ms. */
  readonly from: number;
  /** Ids stamped `from` that were given already; at most a page. */
  readonly skip: readonly string[];
  /** Set while the rows of `from` alone are read by id: the last id given. */
  readonly tie?: string;
}

interface Found {
  readonly id: string;
  readonly at: number;
}

const cursorOf = (page: string): Cursor => {
  try {
    const json = JSON.parse(page) as Json;
    const from = member(json, 'from');
    const skip = member(json, 'skip');
    const tie = member(json, 'tie');
    const ids = Array.isArray(skip) ? skip.filter((id) => typeof id === 'string') : [];
    if (
      typeof from === 'number' &&
      Number.isSafeInteger(from) &&
      Array.isArray(skip) &&
      ids.length === skip.length
    ) {
      if (tie === undefined) return { from, skip: ids };
      if (typeof tie === 'string' && isId(tie)) return { from, skip: ids, tie };
    }
  } catch {
    // Told below like any other cursor that is none.
  }
  throw new Trouble('cursor-lost', { message: 'this is no cursor of a HubSpot search' });
};

const filter = (propertyName: string, operator: string, value: string): JsonObject => ({
  propertyName,
  operator,
  value,
});

const query = (type: ObjectType, filters: JsonObject[], sortBy: string): JsonObject => ({
  filterGroups: [{ filters }],
  sorts: [{ propertyName: sortBy, direction: 'ASCENDING' }],
  properties: [type.modified, 'hs_object_id'],
  limit: pageMost,
});

const foundIn = (type: ObjectType, answer: JsonObject): Found[] =>
  rowsOf(answer['results']).map((row) => {
    const id = idOf(row);
    const at = Date.parse(String(member(member(row, 'properties'), type.modified) ?? row['updatedAt']));
    if (id === undefined || !isId(id) || Number.isNaN(at)) {
      throw new Trouble('unknown', {
        message: `HubSpot found a ${type.kind} without an id or without ${type.modified}`,
      });
    }
    return { id, at };
  });

const hasMore = (answer: JsonObject): boolean =>
  member(member(answer['paging'], 'next'), 'after') !== undefined;

/** The cursor behind a page of the window. */
const afterRange = (rows: readonly Found[], cursor: Cursor): Cursor => {
  const last = rows.at(-1);
  if (
    last === undefined ||
    rows.some((row, i) => i > 0 && row.at < (rows[i - 1]?.at ?? 0)) ||
    last.at < cursor.from
  ) {
    throw new Trouble('unknown', { message: 'HubSpot answered a search out of order' });
  }
  const same = rows.filter((row) => row.at === last.at).map((row) => row.id);
  return last.at > cursor.from ? { from: last.at, skip: same } : { from: last.at, skip: same, tie: '0' };
};

/** The cursor behind a page of rows that share one stamp. */
const afterTie = (rows: readonly Found[], cursor: Cursor, more: boolean): Cursor => {
  const last = rows.at(-1)?.id;
  if (!more || last === undefined) return { from: cursor.from + 1, skip: [] };
  if (BigInt(last) <= BigInt(cursor.tie ?? '0')) {
    throw new Trouble('unknown', { message: 'HubSpot answered a search out of order' });
  }
  return { ...cursor, tie: last };
};

export const changes = async (
  api: Api,
  type: ObjectType,
  window: { readonly since: number; readonly until: number },
  page: string | null,
): Promise<Page> => {
  const cursor = page === null ? { from: window.since, skip: [] } : cursorOf(page);
  if (cursor.from >= window.until) return { objects: [], next: null };
  const from = String(cursor.from);
  const body =
    cursor.tie === undefined
      ? query(
          type,
          [filter(type.modified, 'GTE', from), filter(type.modified, 'LT', String(window.until))],
          type.modified,
        )
      : query(
          type,
          [filter(type.modified, 'EQ', from), filter('hs_object_id', 'GT', cursor.tie)],
          'hs_object_id',
        );
  const answer = await api.search(type.path, body);
  const rows = foundIn(type, answer);
  const more = hasMore(answer);
  const skip = new Set(cursor.skip);
  const fresh = rows.map((row) => row.id).filter((id) => !skip.has(id));
  const next =
    cursor.tie === undefined ? (more ? afterRange(rows, cursor) : null) : afterTie(rows, cursor, more);
  const ended = next === null || next.from >= window.until;
  return { objects: await readObjects(api, type, fresh), next: ended ? null : JSON.stringify(next) };
};

// ---------------------------------------------------------------- exact search

const digits = (text: string): string => text.replace(/\D/gu, '');

/** Search is looser than asked for: it ignores case, and a phone's country code. */
const holds = (shown: Json | undefined, wanted: Json, name: string): boolean => {
  const text = typeof shown === 'string' ? shown : '';
  if (wanted === null || wanted === '') return text === '';
  const want = String(wanted);
  if (name === 'phone' || name === 'mobilephone')
    return text === want || (digits(want) !== '' && digits(text) === digits(want));
  if (name === 'email' || name === 'domain') return text.toLowerCase() === want.trim().toLowerCase();
  return text === want;
};

/** Properties by which an object may be searched for. */
export const searchable = (type: ObjectType, anchor: string): string[] => [
  ...(anchor === '' ? [] : [anchor]),
  ...(type.kind === 'contact'
    ? ['email', 'mobilephone', 'phone', 'customer_id', 'firstname', 'lastname', 'company']
    : ['domain', 'name', 'phone', 'credit_code', 'customer_id']),
];

const prefix = '/properties/';

/** Ids of objects that hold all values; at most a page of them: more than one decides nothing. */
export const find = async (
  api: Api,
  type: ObjectType,
  equals: ReadonlyMap<string, Json>,
): Promise<readonly string[]> => {
  const wanted = [...equals].map(([pointer, value]) => ({ name: pointer.slice(prefix.length), value }));
  if (wanted.length === 0 || [...equals.keys()].some((pointer) => !pointer.startsWith(prefix))) return [];
  // An empty value narrows the search least, so those come last.
  const narrow = [...wanted].sort((a, b) => Number(a.value === null) - Number(b.value === null));
  const filters = narrow
    .slice(0, filterMost)
    .map(({ name, value }) =>
      value === null || value === ''
        ? { propertyName: name, operator: 'NOT_HAS_PROPERTY' }
        : filter(name, 'EQ', String(value)),
    );
  const body = { ...query(type, filters, 'hs_object_id'), properties: wanted.map(({ name }) => name) };
  return rowsOf((await api.search(type.path, body))['results'])
    .filter((row) =>
      wanted.every(({ name, value }) => holds(member(member(row, 'properties'), name), value, name)),
    )
    .map(idOf)
    .filter((id) => id !== undefined);
};
