/** HubSpot's webhooks: signed, thin, in no order, sometimes twice (developers.hubspot.com, "Webhooks API guide"). */
import {
  sameText,
  textOf,
  type HistoryEntry,
  type Hint,
  type HookRequest,
  type Hooks,
  type Json,
  type JsonObject,
  type Verdict,
} from '../../src/connector.ts';
import { isObject, member, type Settings } from './account.ts';
import type { ObjectType } from './record.ts';
import { signatureV1, signatureV2, signatureV3 } from './signature.ts';

/** How old a signature may be, and how far ahead a clock: ms. */
const signatureAge = 300_000;
/** Most events in one delivery. */
const eventMost = 100;

const no = (why: string): Verdict => ({ ok: false, why });

/** The URL that HubSpot called: behind a proxy the operator says it, and the query is the request's own. */
const calledUrl = (request: HookRequest, publicUrl: string | undefined): string => {
  if (publicUrl === undefined || publicUrl === '') return request.url;
  const query = request.url.indexOf('?');
  return publicUrl.includes('?') || query === -1 ? publicUrl : publicUrl + request.url.slice(query);
};

const verifyTimed = (
  secret: string,
  request: HookRequest,
  url: string,
  given: string,
  now: number,
): Verdict => {
  const timestamp = request.headers['x-hubspot-request-timestamp'] ?? '';
  if (!/^\d{10,16}$/u.test(timestamp))
    return no('the header X-HubSpot-Request-Timestamp is missing or is no time in ms');
  const age = now - Number(timestamp);
  if (age > signatureAge) return no('the request was signed more than 5 minutes ago');
  if (age < -signatureAge)
    return no('the request was signed more than 5 minutes in the future: check the clock of this machine');
  const wanted = signatureV3(secret, { method: request.method, url, body: request.body }, timestamp);
  return sameText(given, wanted)
    ? { ok: true }
    : no('the v3 signature does not fit: check the client secret and the public address');
};

const verifyUntimed = (secret: string, request: HookRequest, url: string, given: string): Verdict => {
  const version = request.headers['x-hubspot-signature-version'] ?? 'v1';
  if (version !== 'v1' && version !== 'v2') return no('the signature version is not known');
  const wanted =
    version === 'v2'
      ? signatureV2(secret, { method: request.method, url, body: request.body })
      : signatureV1(secret, request.body);
  return sameText(given, wanted)
    ? { ok: true }
    : no(`the ${version} signature does not fit: check the client secret`);
};

const verify = (secret: string, settings: Settings, request: HookRequest, now: number): Verdict => {
  const url = calledUrl(request, settings.publicUrl);
  const timed = request.headers['x-hubspot-signature-v3'];
  if (timed !== undefined) return verifyTimed(secret, request, url, timed, now);
  const untimed = request.headers['x-hubspot-signature'];
  if (untimed === undefined) return no('the header X-HubSpot-Signature-v3 is missing');
  if (settings.allowUntimedSignatures !== true)
    return no('only an old signature without a time (v1 or v2) was sent');
  return verifyUntimed(secret, request, url, untimed);
};

// ---------------------------------------------------------------- events

const eventsOf = (request: HookRequest): JsonObject[] => {
  let json: Json;
  try {
    json = JSON.parse(textOf(request.body)) as Json;
  } catch {
    throw new Error('The body of the HubSpot webhook is not JSON.');
  }
  if (!Array.isArray(json)) throw new Error('The body of a HubSpot webhook must be a list of events.');
  if (json.length > eventMost)
    throw new Error(`A HubSpot webhook holds at most ${eventMost} events; this one has ${json.length}.`);
  const events = json.filter(isObject);
  if (events.length < json.length) throw new Error('An event in the HubSpot webhook is not an object.');
  return events;
};

const idIn = (json: Json | undefined): string | undefined => {
  if (typeof json === 'number') return Number.isSafeInteger(json) && json > 0 ? String(json) : undefined;
  return typeof json === 'string' && /^\d{1,19}$/u.test(json) ? json : undefined;
};

/** Ids of the objects that an event touches. */
const idsIn = (event: JsonObject, what: string): string[] => {
  const merged = member(event, 'mergedObjectIds');
  const named =
    what === 'merge'
      ? [
          event['primaryObjectId'],
          event['newObjectId'],
          event['objectId'],
          ...(Array.isArray(merged) ? merged.slice(0, 250) : []),
        ]
      : [event['objectId']];
  return [...new Set(named.map(idIn).filter((id) => id !== undefined))];
};

const known = new Set(['creation', 'deletion', 'privacyDeletion', 'restore', 'merge', 'propertyChange']);

const plain = (json: Json | undefined): string =>
  typeof json === 'string' || typeof json === 'number' || typeof json === 'boolean' ? String(json) : '';

/** The value that a property change names. `eventId` alone is not unique, so that the key is made of six parts. */
const historyOf = (type: ObjectType, event: JsonObject): HistoryEntry | undefined => {
  const name = plain(event['propertyName']);
  const at = event['occurredAt'];
  if (!type.properties.includes(name) || typeof at !== 'number' || !Number.isSafeInteger(at))
    return undefined;
  // The value of a sensitive property is not told: it reads "REDACTED".
  if (event['isSensitive'] === true || !('propertyValue' in event)) return undefined;
  const value = plain(event['propertyValue']);
  const by = [event['changeSource'], event['sourceId']]
    .map(plain)
    .filter((part) => part !== '')
    .join(' ');
  const key = ['portalId', 'subscriptionId', 'eventId', 'occurredAt', 'objectId', 'propertyName'];
  return {
    pointer: `/properties/${name}`,
    value: value === '' ? null : value,
    at,
    ...(by === '' ? {} : { by }),
    event: key.map((part) => plain(event[part])).join(':'),
  };
};

const typeIn = (types: readonly ObjectType[], event: JsonObject, prefix: string): ObjectType | undefined =>
  types.find((type) => (prefix === 'object' ? type.id === event['objectTypeId'] : type.kind === prefix));

/** One hint an object; events of other types, accounts and objects are passed over. */
const hints = (types: readonly ObjectType[], settings: Settings, request: HookRequest): Hint[] => {
  const found = new Map<string, { kind: string; id: string; history: Map<string, HistoryEntry> }>();
  for (const event of eventsOf(request)) {
    const [prefix = '', what = ''] = plain(event['subscriptionType']).split('.');
    const type = typeIn(types, event, prefix);
    if (type === undefined || !known.has(what)) continue;
    if (settings.portalId !== undefined && settings.portalId !== plain(event['portalId'])) continue;
    for (const id of idsIn(event, what)) {
      const key = `${type.kind}:${id}`;
      const hint = found.get(key) ?? { kind: type.kind, id, history: new Map<string, HistoryEntry>() };
      found.set(key, hint);
      const entry = what === 'propertyChange' ? historyOf(type, event) : undefined;
      if (entry !== undefined) hint.history.set(entry.event, entry);
    }
  }
  return [...found.values()].map(({ kind, id, history }) =>
    history.size === 0
      ? { kind, id }
      : { kind, id, history: [...history.values()].sort((a, b) => a.at - b.at) },
  );
};

/** Hooks of a connection whose client secret is known. The answer is a bare 200, due within 5 s. */
export const hooksOf = (
  types: readonly ObjectType[],
  settings: Settings,
  secret: string,
  now: () => number,
): Hooks => ({
  verify: (request) => verify(secret, settings, request, now()),
  hints: (request) => hints(types, settings, request),
});
