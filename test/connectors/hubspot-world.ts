/** The connector against its own sandbox, and what its tests ask of both. */
import hubspot from '../../connectors/hubspot/index.ts';
import sandbox from '../../connectors/hubspot/sandbox.ts';
import type { Options, State } from '../../connectors/hubspot/sandbox/state.ts';
import type { Settings } from '../../connectors/hubspot/account.ts';
import {
  Trouble,
  type Host,
  type HttpRequest,
  type HttpResponse,
  type Json,
  type JsonObject,
  type Kind,
  type Page,
  type SandboxHook,
  type Session,
} from '../../src/connector.ts';

export const secret = 'yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy';
export const uri = 'https://www.example.com/webhook_uri';
export const start = Date.UTC(2026, 2, 1, 10);

export const responseOf = (status: number, headers: Record<string, string>, body: string): HttpResponse => ({
  status,
  headers,
  bytes: Buffer.from(body),
  json: () => JSON.parse(body) as Json,
});

const dice = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
};

export interface World {
  now: number;
  readonly state: State;
  readonly session: Session;
  readonly contact: Kind;
  readonly company: Kind;
  readonly hooks: SandboxHook[];
  readonly sent: HttpRequest[];
  /** Called before each request; may throw or act. */
  before?: (request: HttpRequest) => void;
  /** Called after each request took effect; may throw. */
  after?: (request: HttpRequest) => void;
  /** A call as another client makes it. */
  call(
    method: string,
    path: string,
    body?: Json,
    person?: string,
  ): { status: number; body: JsonObject; headers: Readonly<Record<string, string>> };
}

export const world = (options: Options = {}, settings: Partial<Settings> = {}): World => {
  const state = sandbox.initial({
    token: 'pat-test',
    tenSecondLimit: 0,
    searchLimit: 0,
    searchLag: 0,
    ...options,
  });
  const random = dice(7);
  const handle = (
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string,
  ): HttpResponse => {
    const { response, hooks } = sandbox.handle(
      { method, path, headers, body: Buffer.from(body) },
      state,
      self.now,
      random,
    );
    self.hooks.push(...hooks);
    return responseOf(response.status, { ...response.headers }, response.body);
  };
  const host: Host = {
    now: () => self.now,
    random,
    lookup: (_name, _key, load) => load(),
    log: () => {},
    request: async (plain) => {
      const request = self.session.authorize?.(plain) ?? plain;
      self.sent.push(request);
      self.before?.(request);
      const url = new URL(request.url);
      const text = request.body === undefined ? '' : JSON.stringify(request.body);
      const response = handle(request.method, url.pathname + url.search, { ...request.headers }, text);
      self.after?.(request);
      const trouble = self.session.trouble?.(response, request);
      if (trouble !== undefined) throw trouble;
      if (response.status >= 400) throw new Trouble('refused', { message: `status ${response.status}` });
      return response;
    },
  };
  const session = hubspot.open({ token: 'pat-test', ...settings }, host);
  const kind = (name: string): Kind => {
    const found = session.kinds[name];
    if (found === undefined) throw new Error(`no kind ${name}`);
    return found;
  };
  const self: World = {
    now: start,
    state,
    session,
    contact: kind('contact'),
    company: kind('company'),
    hooks: [],
    sent: [],
    call(method, path, body, person) {
      const headers = {
        authorization: 'Bearer pat-test',
        ...(person === undefined ? {} : { 'x-sandbox-actor': `person:${person}` }),
      };
      const response = handle(method, path, headers, body === undefined ? '' : JSON.stringify(body));
      return {
        status: response.status,
        headers: response.headers,
        body: response.bytes.length === 0 ? {} : (response.json() as JsonObject),
      };
    },
  };
  return self;
};

export const add = (one: World, properties: JsonObject, type = 'contacts'): string => {
  const { body, status } = one.call('POST', `/crm/v3/objects/${type}`, { properties }, 'ann');
  if (status !== 201) throw new Error(JSON.stringify(body));
  return String(body['id']);
};

export const propertiesOf = (value: JsonObject): JsonObject => value['properties'] as JsonObject;

export const create = (one: World, items: JsonObject[], keys = items.map((_, i) => `k${i}`)) =>
  one.contact.create?.send(
    items.map((properties, i) => ({ key: keys[i] ?? '', value: { properties } })),
    { key: 'c' },
  );

export const update = (one: World, items: Record<string, JsonObject>) =>
  one.contact.update?.send(
    Object.entries(items).map(([id, properties]) => ({ key: `u${id}`, id, value: { properties } })),
    { key: 'c' },
  );

export const drain = async (
  one: World,
  since: number,
  until: number,
): Promise<{ ids: string[]; pages: number }> => {
  const ids: string[] = [];
  let page: string | null = null;
  let pages = 0;
  do {
    const got: Page | undefined = await one.contact.changes?.({ since, until }, page);
    ids.push(...(got?.objects ?? []).map((object) => object.id));
    page = got?.next ?? null;
    pages += 1;
    if (pages > 500) throw new Error('the cursor does not end');
  } while (page !== null);
  return { ids, pages };
};

export const troubleIn = async (act: Promise<unknown> | undefined): Promise<Trouble> => {
  try {
    await act;
  } catch (error) {
    if (error instanceof Trouble) return error;
    throw error;
  }
  throw new Error('no trouble came');
};

/** A host that really sends, for what nock plays. */
export const overHttp: Host = {
  now: () => start,
  random: () => 0,
  lookup: (_name, _key, load) => load(),
  log: () => {},
  request: async (plain) => {
    const request = hubspot.open({ token: 'pat-na1-x' }, overHttp).authorize?.(plain) ?? plain;
    const headers = { ...request.headers, 'content-type': 'application/json' };
    const response = await fetch(request.url, {
      method: request.method,
      headers,
      body: JSON.stringify(request.body),
    });
    return responseOf(response.status, {}, await response.text());
  },
};
