import type { Host, Json, JsonObject, JsonSchema } from '../../src/connector.ts';
import contactSchema from './schema/contact.json' with { type: 'json' };
import customerSchema from './schema/customer.json' with { type: 'json' };

export interface Settings {
  readonly apiKey: string;
  readonly app: string;
  readonly entries: { readonly contact?: string; readonly customer?: string };
  readonly hookSecret?: string;
  readonly baseUrl?: string;
  readonly startTriggers?: boolean;
  readonly startWorkflow?: boolean;
  readonly timestampUnit?: 's' | 'ms';
  readonly changes?: boolean;
  readonly anchor?: string;
  readonly goneCodes?: readonly number[];
}

/** The error table could not be read; a setting overrides this guess, and the sandbox plays it. */
export const goneCodeUnverified = 4001;

export interface Form {
  readonly kind: string;
  readonly entry: string;
  readonly schema: JsonSchema;
  readonly aliases: readonly string[];
  /** Aliases whose every change is told. */
  readonly history: readonly string[];
}

/** The endpoints, and the limit groups that a call to each counts against. */
const endpoints = {
  list: { path: 'data/list', limits: ['read'], repeatable: true },
  get: { path: 'data/get', limits: ['read'], repeatable: true },
  create: { path: 'data/create', limits: ['write'], repeatable: false },
  update: { path: 'data/update', limits: ['write'], repeatable: false },
  remove: { path: 'data/delete', limits: ['write'], repeatable: false },
  widgets: { path: 'widget/list', limits: ['read'], repeatable: true },
  batchCreate: { path: 'data/batch_create', limits: ['batch'], repeatable: true },
} as const;

export interface Account {
  readonly settings: Settings;
  readonly forms: readonly Form[];
  readonly anchor: string;
  now(): number;
  call(endpoint: keyof typeof endpoints, form: Form, body: JsonObject): Promise<JsonObject>;
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const formOf = (kind: string, entry: string, schema: JsonSchema): Form => {
  const properties = schema['properties'] as Record<string, JsonObject>;
  const aliases = Object.keys(properties);
  return {
    kind,
    entry,
    schema,
    aliases,
    history: aliases.filter((alias) => properties[alias]?.['history'] === true),
  };
};

export const openAccount = (settings: Settings, host: Host): Account => {
  const { contact, customer } = settings.entries;
  const base = (settings.baseUrl ?? 'https://api.jiandaoyun.com/api').replace(/\/+$/u, '');
  return {
    settings,
    forms: [
      ...(contact === undefined ? [] : [formOf('contact', contact, contactSchema as JsonSchema)]),
      ...(customer === undefined ? [] : [formOf('customer', customer, customerSchema as JsonSchema)]),
    ],
    anchor: settings.anchor ?? 'crosswalk_id',
    now: () => host.now(),
    call: async (endpoint, form, body) => {
      const { path, limits, repeatable } = endpoints[endpoint];
      const response = await host.request({
        method: 'POST',
        url: `${base}/v5/app/entry/${path}`,
        body: { app_id: settings.app, entry_id: form.entry, ...body },
        repeatable,
        limits,
      });
      const answer = response.json();
      return isObject(answer) ? answer : {};
    },
  };
};
