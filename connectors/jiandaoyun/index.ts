/** 简道云 (Jiandaoyun) as a CRM: customers and contacts in two forms, addressed by field alias; signed data push. */
import { defineConnector, type JsonSchema, type Limit } from '../../src/connector.ts';
import { goneCodeUnverified, openAccount, type Settings } from './account.ts';
import { hooksOf } from './hooks.ts';
import { kindOf } from './kind.ts';
import { troubleOf } from './trouble.ts';

const id = '^[0-9a-f]{24}$';

const settings: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['apiKey', 'app', 'entries'],
  properties: {
    apiKey: {
      title: 'API key',
      description: 'Made at 开放平台 → 密钥管理.',
      type: 'string',
      minLength: 1,
      secret: true,
    },
    app: { title: 'Application', description: 'app_id, 24 hexadecimal digits.', type: 'string', pattern: id },
    entries: {
      title: 'Forms',
      description: 'entry_id of each form that is synced.',
      type: 'object',
      additionalProperties: false,
      minProperties: 1,
      properties: {
        contact: {
          title: 'Contacts',
          description: 'entry_id of the contact form.',
          type: 'string',
          pattern: id,
        },
        customer: {
          title: 'Customers',
          description: 'entry_id of the customer form.',
          type: 'string',
          pattern: id,
        },
      },
    },
    hookSecret: {
      title: 'Push secret',
      description: 'Secret of the data push (数据推送). Without it no push is taken.',
      type: 'string',
      minLength: 1,
      secret: true,
    },
    baseUrl: {
      title: 'Address',
      description: 'Where the API is; Jodoo and private installations have their own.',
      type: 'string',
      pattern: '^https?://',
      default: 'https://api.jiandaoyun.com/api',
    },
    startTriggers: {
      title: 'Run automations',
      description: 'Let our writes start 智能助手 automations.',
      type: 'boolean',
      default: false,
    },
    startWorkflow: {
      title: 'Start workflows',
      description: "Let our creates start the form's process.",
      type: 'boolean',
      default: false,
    },
    timestampUnit: {
      title: 'Unit of the push timestamp',
      description: 'UNVERIFIED: seconds in all samples seen.',
      enum: ['s', 'ms'],
      default: 's',
    },
    changes: {
      title: 'Poll by updateTime',
      description:
        'UNVERIFIED that updateTime can be filtered by: switch off where it cannot; pushes and sweeps remain.',
      type: 'boolean',
      default: true,
    },
    anchor: {
      title: 'Anchor field',
      description:
        'Alias of the text field that holds our record id; makes creates safe to repeat. "" if there is none.',
      type: 'string',
      pattern: '^$|^[a-z][a-z0-9_]{0,62}$',
      default: 'crosswalk_id',
    },
    goneCodes: {
      title: 'Codes of missing data',
      description: 'Error codes that mean that a record is not there (UNVERIFIED).',
      type: 'array',
      items: { type: 'integer' },
      default: [goneCodeUnverified],
    },
  },
};

/** 50 a second over all (`default` counts every call), and each endpoint group's own. */
const limits = (): Limit[] => [
  { name: 'default', count: 50, per: 1000 },
  { name: 'read', count: 30, per: 1000 },
  { name: 'write', count: 20, per: 1000 },
  { name: 'batch', count: 10, per: 1000 },
];

export default defineConnector<Settings>({
  name: 'jiandaoyun',
  title: '简道云 Jiandaoyun',
  settings,
  limits,
  hosts: (given) => [new URL(given.baseUrl ?? 'https://api.jiandaoyun.com/api').origin],
  open: (given, host) => {
    const account = openAccount(given, host);
    const kinds = Object.fromEntries(account.forms.map((form) => [form.kind, kindOf(account, form)]));
    return {
      kinds,
      ...(given.hookSecret === undefined ? {} : { hooks: hooksOf(account, given.hookSecret) }),
      authorize: (request) => ({
        ...request,
        headers: { ...request.headers, authorization: `Bearer ${given.apiKey}` },
      }),
      trouble: troubleOf,
      check: async () => {
        const names = [];
        for (const form of account.forms) {
          await account.call('list', form, { limit: 1 });
          names.push(form.kind);
        }
        return `the key reads ${names.join(' and ')}`;
      },
    };
  },
});
