/** What HubSpot's statuses and error bodies mean (developers.hubspot.com, "Error handling" and "Usage guidelines"). */
import { Trouble, type HttpResponse, type Json, type TroubleDetail } from '../../src/connector.ts';
import { member, rowsOf } from './account.ts';

const hour = 3_600_000;
const day = 24 * hour;

const textAt = (json: Json | undefined, key: string): string => {
  const value = member(json, key);
  return typeof value === 'string' ? value : '';
};

/** The words of an error body, with what its parts add, cut to a length that people read. */
export const wordsOf = (error: Json | undefined): string => {
  const scopes =
    member(member(error, 'context'), 'requiredGranularScopes') ??
    member(member(error, 'context'), 'requiredScopes');
  const parts = [
    textAt(error, 'message'),
    ...rowsOf(member(error, 'errors')).map((one) => textAt(one, 'message')),
    Array.isArray(scopes) ? `needs the scope ${scopes.join(', ')}` : '',
  ];
  return [...new Set(parts)]
    .filter((part) => part !== '')
    .join('; ')
    .slice(0, 600);
};

export const categoryOf = (error: Json | undefined): string =>
  textAt(error, 'category') || textAt(error, 'errorType');

/** The id that a CONFLICT names: the object that holds the e-mail or unique value already. */
export const existingIn = (words: string): string | undefined =>
  /Existing ID: (\d{1,20})/iu.exec(words)?.[1] ?? /(\d{1,20}) already has that value/iu.exec(words)?.[1];

const bodyOf = (response: HttpResponse): Json => {
  try {
    return response.json();
  } catch {
    // An error page of a proxy on the way: the status alone speaks.
    return null;
  }
};

const secondsIn = (header: string | undefined): number | undefined =>
  header !== undefined && /^\d{1,6}$/u.test(header.trim()) ? Math.min(Number(header) * 1000, day) : undefined;

/** ms from `now` until the next midnight in `zone` (an hour off on a day when clocks change); undefined if there is no such zone. */
export const untilMidnight = (now: number, zone: string): number | undefined => {
  let text: string;
  try {
    const clock = {
      timeZone: zone,
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    } as const;
    text = new Intl.DateTimeFormat('en-GB', clock).format(now);
  } catch {
    return undefined;
  }
  const [hours = 0, minutes = 0, seconds = 0] = text.split(':').map(Number);
  return day - ((hours * 60 + minutes) * 60 + seconds) * 1000;
};

/** How long a 429 asks to wait. HubSpot does not promise Retry-After; the policy's name tells. */
const waitFor = (body: Json, header: number | undefined, now: number, zone: string | undefined): number => {
  const policy = textAt(body, 'policyName');
  if (policy === 'DAILY') {
    // Without the account's zone its midnight is not known: a call an hour finds out.
    const midnight = zone === undefined ? undefined : untilMidnight(now, zone);
    return midnight === undefined ? (header ?? hour) : Math.max(header ?? 0, midnight);
  }
  if (header !== undefined) return header;
  return policy === 'SECONDLY' || /secondly limit/iu.test(textAt(body, 'message').replace('ten_secondly', ''))
    ? 1000
    : 10_000;
};

/** The trouble that a response tells; undefined where the common table says the same. */
export const troubleOf = (
  response: HttpResponse,
  now: number,
  zone: string | undefined,
): Trouble | undefined => {
  const { status } = response;
  if (status < 400) return undefined;
  const body = bodyOf(response);
  const code = categoryOf(body);
  const header = secondsIn(response.headers['retry-after']);
  const detail: TroubleDetail = {
    message: wordsOf(body) || `HubSpot answered ${status}`,
    status,
    ...(code === '' ? {} : { code }),
  };
  switch (status) {
    case 400:
    case 409:
    case 414:
      // 409 names a value that another object holds. It is no version conflict: HubSpot has no versions.
      return new Trouble('refused', detail);
    case 401:
      return new Trouble('forbidden', detail);
    case 403:
      return new Trouble('forbidden', { ...detail, ...(code === 'MISSING_SCOPES' ? { scoped: true } : {}) });
    case 404:
      return new Trouble('gone', detail);
    case 423:
      return new Trouble('busy', { ...detail, retryAfter: Math.max(header ?? 0, 2000) });
    case 429:
      return new Trouble('busy', { ...detail, retryAfter: waitFor(body, header, now, zone) });
    case 477:
      // The account moves between data centres; up to a day.
      return new Trouble('busy', { ...detail, retryAfter: header ?? 5 * 60_000 });
    case 503:
      return new Trouble('busy', { ...detail, retryAfter: header ?? 5000 });
    case 500:
    case 502:
    case 504:
    case 521:
    case 522:
    case 523:
    case 524:
      return new Trouble('unknown', detail);
    case 525:
    case 526:
      // No handshake, so no request. Waiting does not mend it: it counts towards the breaker, which tells people.
      return new Trouble('unreachable', detail);
    default:
      return undefined;
  }
};
