/** The settings of a connection, the paths of the API in either style, and the one way to call it. */
import { Trouble, type Host, type HttpResponse, type Json, type JsonObject } from '../../src/connector.ts';

export interface Settings {
  readonly token: string;
  readonly clientSecret?: string;
  readonly portalId?: string;
  readonly baseUrl?: string;
  readonly apiVersion?: string;
  readonly publicUrl?: string;
  readonly allowUntimedSignatures?: boolean;
  readonly anchorProperty?: string;
  readonly contactProperties?: readonly string[];
  readonly companyProperties?: readonly string[];
  readonly tenSecondLimit?: number;
  readonly dailyLimit?: number;
  readonly timeZone?: string;
}

export const defaults = {
  baseUrl: 'https://api.hubapi.com',
  apiVersion: 'v3',
  anchorProperty: 'crosswalk_id',
  /** Free and Starter, the smallest account. */
  tenSecondLimit: 100,
  dailyLimit: 250_000,
} as const;

/** Property names as HubSpot makes them; also keeps what is hostile out of URLs and pointers. */
export const propertyName = /^[a-z][a-z0-9_]{0,99}$/u;

export const anchorOf = (settings: Settings): string => settings.anchorProperty ?? defaults.anchorProperty;

/** Groups of limits: search has its own and is left out of the other, which has two windows. */
export const ordinary = ['calls'] as const;
export const searching = ['search'] as const;

/** `/crm/v3/objects/contacts/…` or `/crm/objects/2026-03/contacts/…`; bodies are the same. */
const versioned = (area: string, part: string, version: string, rest: string): string =>
  version === 'v3' ? `/${area}/v3${part}${rest}` : `/${area}${part}/${version}${rest}`;

export interface Api {
  readonly host: Host;
  readonly settings: Settings;
  /** URL of `/{type}{rest}` among the objects. */
  objects(type: string, rest: string): string;
  property(type: string, name: string): string;
  /** The definitions of all properties of a type. */
  properties(type: string, query: string): string;
  /** The account's own rules for values of a type, which is named by its id. */
  validations(typeId: string): string;
  details(): string;
  get(url: string): Promise<JsonObject>;
  /** `repeatable`: sending it twice does no harm. */
  post(url: string, body: JsonObject, repeatable: boolean): Promise<JsonObject>;
  search(type: string, body: JsonObject): Promise<JsonObject>;
  /** A call whose answer has no body. */
  tell(url: string, body: JsonObject): Promise<void>;
}

export const isObject = (json: Json | undefined): json is JsonObject =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** An own member of an object, if `json` is one. */
export const member = (json: Json | undefined, key: string): Json | undefined =>
  isObject(json) && Object.hasOwn(json, key) ? json[key] : undefined;

/** The objects in a list; nothing if it is no list. */
export const rowsOf = (json: Json | undefined): JsonObject[] =>
  Array.isArray(json) ? json.filter(isObject) : [];

const bodyOf = (response: HttpResponse): JsonObject => {
  const json = response.json();
  if (isObject(json)) return json;
  throw new Trouble('unknown', {
    message: 'HubSpot answered something other than an object',
    status: response.status,
  });
};

export const openApi = (settings: Settings, host: Host): Api => {
  const base = (settings.baseUrl ?? defaults.baseUrl).replace(/\/+$/u, '');
  const version = settings.apiVersion ?? defaults.apiVersion;
  return {
    host,
    settings,
    objects: (type, rest) => base + versioned('crm', '/objects', version, `/${type}${rest}`),
    property: (type, name) => base + versioned('crm', '/properties', version, `/${type}/${name}`),
    properties: (type, query) => base + versioned('crm', '/properties', version, `/${type}${query}`),
    validations: (typeId) => base + versioned('crm', '/property-validations', version, `/${typeId}`),
    details: () => base + versioned('account-info', '', version, '/details'),
    get: async (url) =>
      bodyOf(await host.request({ method: 'GET', url, repeatable: true, limits: ordinary })),
    post: async (url, body, repeatable) =>
      bodyOf(await host.request({ method: 'POST', url, body, repeatable, limits: ordinary })),
    search: async (type, body) => {
      const url = base + versioned('crm', '/objects', version, `/${type}/search`);
      return bodyOf(await host.request({ method: 'POST', url, body, repeatable: true, limits: searching }));
    },
    tell: async (url, body) => {
      await host.request({ method: 'POST', url, body, repeatable: true, limits: ordinary });
    },
  };
};
