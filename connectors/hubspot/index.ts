/** HubSpot CRM: contacts and companies. Read, searched for changes, written in batches; signed webhooks. */
import {
  defineConnector,
  Trouble,
  type DayQuota,
  type HttpResponse,
  type JsonSchema,
  type Kind,
  type Limit,
  type Session,
} from '../../src/connector.ts';
import {
  anchorOf,
  defaults,
  member,
  openApi,
  ordinary,
  propertyName,
  searching,
  type Api,
  type Settings,
} from './account.ts';
import { describe } from './describe.ts';
import { hooksOf } from './hooks.ts';
import { batchMost, objectTypes, read, scan, type ObjectType } from './record.ts';
import { changes, find, searchable } from './search.ts';
import { troubleOf, untilMidnight } from './trouble.ts';
import { creator, remover, updater } from './write.ts';

const names = (of: string): JsonSchema => ({
  title: `Further properties of ${of}`,
  description: `Internal names of the account's own properties of ${of} that mappings use, besides those the schema knows.`,
  type: 'array',
  items: { type: 'string', pattern: propertyName.source },
  maxItems: 200,
});

const settings: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['token'],
  properties: {
    token: {
      title: 'Access token',
      description: 'Static access token of the app (pat-…) or a service key.',
      type: 'string',
      minLength: 1,
      secret: true,
    },
    clientSecret: {
      title: 'Client secret',
      description:
        "The app's client secret, by which its webhooks are signed. Without it no webhook is taken.",
      type: 'string',
      minLength: 1,
      secret: true,
    },
    portalId: {
      title: 'Account id',
      description:
        'Hub id of the account. If given, the token must belong to it, and webhooks of other accounts are passed over.',
      type: 'string',
      pattern: '^[0-9]{1,19}$',
    },
    baseUrl: {
      title: 'Address',
      description: 'Where the API is.',
      type: 'string',
      pattern: '^https?://',
      default: defaults.baseUrl,
    },
    apiVersion: {
      title: 'API version',
      description: '"v3", or the date of a release such as "2026-03".',
      type: 'string',
      pattern: '^(v3|20[0-9]{2}-(0[1-9]|1[0-2]))$',
      default: defaults.apiVersion,
    },
    publicUrl: {
      title: 'Public hook address',
      description:
        'The webhook target URL exactly as it stands in HubSpot, if a proxy changes it on the way here.',
      type: 'string',
      pattern: '^https?://',
    },
    allowUntimedSignatures: {
      title: 'Take old signatures',
      description:
        'Take webhooks that carry only a v1 or v2 signature. They cover no time: a copied one can be sent again.',
      type: 'boolean',
      default: false,
    },
    anchorProperty: {
      title: 'Anchor property',
      description:
        'Custom property with unique values that holds our record id; makes creates safe to repeat. "" if there is none.',
      type: 'string',
      pattern: `^$|${propertyName.source}`,
      default: defaults.anchorProperty,
    },
    contactProperties: names('contacts'),
    companyProperties: names('companies'),
    tenSecondLimit: {
      title: 'Calls in 10 seconds',
      description:
        '100 for Free and Starter, 190 for Professional and Enterprise, 250 with the API add-on, 110 for a public app.',
      type: 'integer',
      minimum: 1,
      default: defaults.tenSecondLimit,
    },
    dailyLimit: {
      title: 'Calls a day',
      description:
        'Of the whole account: 250000 Free and Starter, 625000 Professional, 1000000 Enterprise. 0: not counted here.',
      type: 'integer',
      minimum: 0,
      default: defaults.dailyLimit,
    },
    timeZone: {
      title: "Account's time zone",
      description:
        'As in HubSpot (Europe/Berlin): the daily limit starts anew at its midnight. Without it, a call an hour finds out.',
      type: 'string',
      pattern: '^[A-Za-z0-9_+/-]{1,64}$',
    },
  },
};

/** Where its day begins is known; else the limit above takes any 24 hours. */
const quotas = (given: Settings): DayQuota[] => {
  const { dailyLimit = defaults.dailyLimit, timeZone } = given;
  return dailyLimit === 0 || timeZone === undefined || untilMidnight(0, timeZone) === undefined
    ? []
    : [{ name: ordinary[0], count: dailyLimit, zone: timeZone }];
};

const limits = (given: Settings): Limit[] => {
  const daily = given.dailyLimit ?? defaults.dailyLimit;
  const [calls] = ordinary;
  return [
    { name: `${calls}:ten-seconds`, count: given.tenSecondLimit ?? defaults.tenSecondLimit, per: 10_000 },
    { name: searching[0], count: 5, per: 1000 },
    ...(daily === 0 || quotas(given).length > 0
      ? []
      : [{ name: `${calls}:day`, count: daily, per: 86_400_000 }]),
  ];
};

/** Told with every answer but those of searches, and not to public apps. */
const left = ({ headers }: HttpResponse): { name: string; left: number } | undefined => {
  const told = headers['x-hubspot-ratelimit-daily-remaining'];
  return told === undefined || !/^\d+$/u.test(told) ? undefined : { name: ordinary[0], left: Number(told) };
};

/** What people should know of the anchor of one type, or '' if all is well. */
const anchorWords = async (api: Api, type: ObjectType, anchor: string): Promise<string> => {
  const what = `${type.path}: the property ${anchor}`;
  try {
    const property = await api.get(api.property(type.path, anchor));
    return property['hasUniqueValue'] === true
      ? ''
      : `${what} does not require unique values, so creates will be refused`;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    if (error.kind === 'gone') return `${what} does not exist yet, so creates will be refused`;
    if (error.kind === 'forbidden' && error.detail.scoped === true) {
      return `${what} could not be checked (the token lacks crm.schemas.${type.path}.read)`;
    }
    throw error;
  }
};

const check = async (api: Api, types: readonly ObjectType[]): Promise<string> => {
  const details = await api.get(api.details());
  const portal = String(details['portalId'] ?? '');
  const { portalId } = api.settings;
  if (portalId !== undefined && portalId !== portal) {
    throw new Trouble('refused', {
      message: `the token belongs to account ${portal}, and the settings name ${portalId}`,
    });
  }
  const anchor = anchorOf(api.settings);
  const words = [];
  if (anchor !== '') for (const type of types) words.push(await anchorWords(api, type, anchor));
  const zone = member(details, 'timeZone');
  const kind = member(details, 'accountType');
  const facts = [kind, zone].filter((fact) => typeof fact === 'string').join(', ');
  return [
    `HubSpot account ${portal}${facts === '' ? '' : ` (${facts})`}`,
    ...words.filter((one) => one !== ''),
  ].join('; ');
};

const kindOf = (api: Api, type: ObjectType): Kind => {
  const anchor = anchorOf(api.settings);
  return {
    schema: type.schema,
    describe: () => describe(api, type),
    // The lag of the search index has no published bound; minutes are seen after bulk changes.
    stamps: { resolution: 1, lateness: 15 * 60_000, skew: 5000 },
    readMost: batchMost,
    read: (ids) => read(api, type, ids),
    scan: (page) => scan(api, type, page),
    changes: (window, page) => changes(api, type, window, page),
    create: creator(api, type, anchor),
    update: updater(api, type),
    remove: remover(api, type),
    find: {
      lag: 60_000,
      pointers: searchable(type, anchor).map((name) => `/properties/${name}`),
      by: (equals) => find(api, type, equals),
    },
  };
};

export default defineConnector<Settings>({
  name: 'hubspot',
  title: 'HubSpot CRM',
  settings,
  limits,
  quotas,
  hosts: (given) => [new URL(given.baseUrl ?? defaults.baseUrl).origin],
  open: (given, host): Session => {
    const api = openApi(given, host);
    const types = objectTypes(given);
    return {
      check: () => check(api, types),
      left,
      kinds: Object.fromEntries(types.map((type) => [type.kind, kindOf(api, type)])),
      // A hook that cannot be checked is none: without the secret the account is polled.
      ...(given.clientSecret === undefined
        ? {}
        : { hooks: hooksOf(types, given, given.clientSecret, () => host.now()) }),
      authorize: (request) => ({
        ...request,
        headers: { ...request.headers, authorization: `Bearer ${given.token}` },
      }),
      trouble: (response) => troubleOf(response, host.now(), given.timeZone),
    };
  },
});
