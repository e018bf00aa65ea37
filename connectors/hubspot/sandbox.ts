/**
 * A small HubSpot account: contacts and companies in both path styles, with its limits, lagging search,
 * multi-status batches, error bodies and signed v3 webhooks. Where the facts are not certain it plays the
 * worse reading. A call with the header `x-sandbox-actor: person:NAME` counts as made by a person in HubSpot.
 */
import {
  textOf,
  type Sandbox,
  type SandboxHook,
  type SandboxRequest,
  type SandboxResponse,
} from '../../src/connector.ts';
import {
  batchArchive,
  batchCreate,
  batchRead,
  batchUpdate,
  batchUpsert,
  writtenRow,
} from './sandbox/batch.ts';
import { properties, validations } from './sandbox/property.ts';
import { search } from './sandbox/search.ts';
import {
  answer,
  bodyOf,
  followedRow,
  holderKey,
  initialState,
  modifiedName,
  notFound,
  Refusal,
  shownRow,
  type Options,
  type State,
  type TypeName,
  type Visit,
} from './sandbox/state.ts';
import { archiveRow, checked, createRow, mergeRows, updateRow } from './sandbox/write.ts';
import { signatureV3 } from './signature.ts';

const typeNames: Readonly<Record<string, TypeName>> = {
  contacts: 'contacts',
  contact: 'contacts',
  '0-1': 'contacts',
  companies: 'companies',
  company: 'companies',
  '0-2': 'companies',
};
const hookMost = 100;

interface Route {
  readonly area: 'objects' | 'properties' | 'property-validations' | 'details';
  readonly type: string;
  /** What follows the type: '', '/123', '/batch/read'. */
  readonly rest: string;
}

const routeOf = (path: string): Route | undefined => {
  if (/^\/account-info\/(v3|20\d\d-\d\d)\/details$/u.test(path))
    return { area: 'details', type: '', rest: '' };
  const named =
    /^\/crm\/v3\/(?<area>objects|properties|property-validations)\/(?<type>[^/]+)(?<rest>\/.*)?$/u.exec(
      path,
    ) ??
    /^\/crm\/(?<area>objects|properties|property-validations)\/20\d\d-\d\d\/(?<type>[^/]+)(?<rest>\/.*)?$/u.exec(
      path,
    );
  const { area, type, rest } = named?.groups ?? {};
  if (type === undefined) return undefined;
  return { area: area as Route['area'], type, rest: rest ?? '' };
};

// ---------------------------------------------------------------- limits

const midnight = (now: number): number => now - (now % 86_400_000);

const tooMany = (policyName: string, message: string): Refusal =>
  new Refusal(429, 'RATE_LIMITS', message, { errorType: 'RATE_LIMIT', policyName });

/** Counts the call, or throws the 429; returns the headers that tell how much is left. */
const meter = (state: State, now: number, searching: boolean): Record<string, string> => {
  const { tenSecondLimit, searchLimit, dailyLimit } = state.options;
  if (state.day !== midnight(now)) Object.assign(state, { day: midnight(now), today: 0 });
  if (searching) {
    state.searches = state.searches.filter((at) => at > now - 1000);
    if (searchLimit > 0 && state.searches.length >= searchLimit)
      throw tooMany('SECONDLY', 'You have reached your secondly limit.');
    state.searches.push(now);
    return {};
  }
  state.calls = state.calls.filter((at) => at > now - 10_000);
  if (dailyLimit > 0 && state.today >= dailyLimit)
    throw tooMany('DAILY', 'You have reached your daily limit.');
  if (tenSecondLimit > 0 && state.calls.length >= tenSecondLimit) {
    throw tooMany('TEN_SECONDLY_ROLLING', 'You have reached your ten_secondly_rolling limit.');
  }
  state.calls.push(now);
  state.today += 1;
  return {
    'x-hubspot-ratelimit-max': String(tenSecondLimit),
    'x-hubspot-ratelimit-remaining': String(Math.max(0, tenSecondLimit - state.calls.length)),
    'x-hubspot-ratelimit-interval-milliseconds': '10000',
    'x-hubspot-ratelimit-daily': String(dailyLimit),
    'x-hubspot-ratelimit-daily-remaining': String(Math.max(0, dailyLimit - state.today)),
  };
};

// ---------------------------------------------------------------- answers

const list = (visit: Visit, type: TypeName, query: URLSearchParams): SandboxResponse => {
  const limit = Number(query.get('limit') ?? '10');
  const after = Number(query.get('after') ?? '0');
  if (!(limit >= 1 && limit <= 100))
    throw new Refusal(400, 'VALIDATION_ERROR', 'limit must be between 1 and 100');
  if (!Number.isInteger(after)) throw new Refusal(400, 'VALIDATION_ERROR', 'after is not valid');
  const archived = query.get('archived') === 'true';
  const page = [];
  let next: string | null = null;
  for (const row of visit.state.rows[type].values()) {
    if (Number(row.id) < after || row.mergedInto !== null || (row.archivedAt !== null) !== archived) continue;
    if (page.length === limit) {
      next = row.id;
      break;
    }
    page.push(row);
  }
  const asked = (
    query.get('properties') ?? (type === 'contacts' ? 'firstname,lastname,email' : 'name,domain')
  ).split(',');
  return answer(200, {
    results: page.map((row) => shownRow(visit.state, row, asked)),
    ...(next === null ? {} : { paging: { next: { after: next, link: `?after=${next}` } } }),
  });
};

/** GET, PATCH and DELETE of one object; GET and PATCH also take ids that were merged away. */
const single = (
  visit: Visit,
  type: TypeName,
  id: string,
  request: SandboxRequest,
  query: URLSearchParams,
): SandboxResponse => {
  const { state } = visit;
  const by = query.get('idProperty');
  const own = by === null ? id : (state.holders.get(holderKey(type, by, id)) ?? '');
  const row = followedRow(state, type, own);
  if (request.method === 'DELETE') {
    if (row !== undefined && row.id === own) archiveRow(visit, row);
    return { status: 204, body: '' };
  }
  if (row === undefined) {
    const old = state.rows[type].get(own);
    if (
      request.method !== 'GET' ||
      query.get('archived') !== 'true' ||
      old === undefined ||
      old.archivedAt === null
    )
      throw notFound();
    return answer(200, shownRow(state, old, (query.get('properties') ?? '').split(',')));
  }
  if (request.method === 'GET')
    return answer(
      200,
      shownRow(state, row, (query.get('properties') ?? 'email,firstname,lastname,name,domain').split(',')),
    );
  if (request.method !== 'PATCH') throw new Refusal(405, 'METHOD_NOT_ALLOWED', 'Method not allowed');
  const body = bodyOf(request);
  return answer(
    200,
    writtenRow(visit, updateRow(visit, row, checked(state, type, body['properties'], row.id)), body),
  );
};

const post = (visit: Visit, type: TypeName, rest: string, request: SandboxRequest): SandboxResponse => {
  const body = bodyOf(request);
  switch (rest) {
    case '':
      return answer(
        201,
        writtenRow(visit, createRow(visit, type, checked(visit.state, type, body['properties'], null)), body),
      );
    case '/search':
      return search(visit, type, body, textOf(request.body));
    case '/merge': {
      const survivor = mergeRows(
        visit,
        type,
        String(body['primaryObjectId']),
        String(body['objectIdToMerge']),
      );
      return answer(200, shownRow(visit.state, survivor, ['hs_merged_object_ids', modifiedName(type)]));
    }
    case '/batch/read':
      return batchRead(visit, type, body);
    case '/batch/create':
      return batchCreate(visit, type, body);
    case '/batch/update':
      return batchUpdate(visit, type, body);
    case '/batch/upsert':
      return batchUpsert(visit, type, body);
    case '/batch/archive':
      return batchArchive(visit, type, body);
    default:
      throw notFound();
  }
};

const respond = (
  visit: Visit,
  request: SandboxRequest,
  route: Route,
  query: URLSearchParams,
): SandboxResponse => {
  const { state } = visit;
  if (route.area === 'details') {
    const { portalId } = state.options;
    return answer(200, {
      portalId: Number(portalId),
      accountType: 'STANDARD',
      timeZone: 'UTC',
      companyCurrency: 'USD',
      utcOffset: '+00:00',
      utcOffsetMilliseconds: 0,
      uiDomain: 'app.hubspot.com',
      dataHostingLocation: 'na1',
    });
  }
  const type = Object.hasOwn(typeNames, route.type) ? typeNames[route.type] : undefined;
  if (type === undefined)
    throw new Refusal(400, 'VALIDATION_ERROR', `Unable to infer object type from: ${route.type}`);
  if (route.area === 'properties') return properties(state, type, route.rest.slice(1), request, query);
  if (route.area === 'property-validations') return validations(state, type, route.rest.slice(1), request);
  if (request.method === 'POST') return post(visit, type, route.rest, request);
  if (route.rest === '' && request.method === 'GET') return list(visit, type, query);
  return single(visit, type, decodeURIComponent(route.rest.slice(1)), request, query);
};

// ---------------------------------------------------------------- webhooks

const hooksOf = (visit: Visit): SandboxHook[] => {
  const { hookUrl, clientSecret, hookDelay } = visit.state.options;
  if (hookUrl === '' || clientSecret === '') return [];
  const hooks: SandboxHook[] = [];
  for (let at = 0; at < visit.events.length; at += hookMost) {
    const body = JSON.stringify(visit.events.slice(at, at + hookMost));
    const after = Math.round(hookDelay * (0.5 + visit.random()));
    const timestamp = String(visit.now + after);
    const headers = {
      'content-type': 'application/json',
      'x-hubspot-request-timestamp': timestamp,
      'x-hubspot-signature-v3': signatureV3(
        clientSecret,
        { method: 'POST', url: hookUrl, body: Buffer.from(body) },
        timestamp,
      ),
    };
    hooks.push({ after, request: { method: 'POST', url: hookUrl, headers, body } });
  }
  return hooks;
};

const uuid = (random: () => number): string =>
  'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/gu, () => Math.floor(random() * 16).toString(16));

const refused = (error: unknown, random: () => number): SandboxResponse => {
  if (!(error instanceof Refusal)) throw error;
  return answer(error.status, { ...error.body, correlationId: uuid(random) });
};

const handle = (visit: Visit, request: SandboxRequest): SandboxResponse => {
  const [path = '', query = ''] = request.path.split('?', 2);
  const { state, now, random } = visit;
  try {
    if (request.headers['authorization'] !== `Bearer ${state.options.token}`) {
      const words =
        'Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview';
      throw new Refusal(401, 'INVALID_AUTHENTICATION', words);
    }
    const route = routeOf(path);
    if (route === undefined) throw notFound();
    const headers = meter(state, now, route.area === 'objects' && route.rest === '/search');
    try {
      const response = respond(visit, request, route, new URLSearchParams(query));
      return { ...response, headers: { ...response.headers, ...headers } };
    } catch (error) {
      const response = refused(error, random);
      return { ...response, headers: { ...response.headers, ...headers } };
    }
  } catch (error) {
    return refused(error, random);
  }
};

const sandbox: Sandbox<State, Options> = {
  name: 'hubspot',
  initial: initialState,
  handle(request, state, now, random) {
    const person = /^person:(\S{1,100})$/u.exec(request.headers['x-sandbox-actor'] ?? '')?.[1];
    const by =
      person === undefined
        ? { changeSource: 'INTEGRATION', sourceId: String(state.options.appId) }
        : { changeSource: 'CRM_UI', sourceId: `userId:${person}` };
    const visit: Visit = { state, now, random, by, events: [] };
    const response = handle(visit, request);
    return { response, state, hooks: hooksOf(visit) };
  },
};

export default sandbox;
