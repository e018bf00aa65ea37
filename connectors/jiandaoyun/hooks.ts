import { createHash } from 'node:crypto';
import {
  sameText,
  textOf,
  type Hint,
  type HistoryEntry,
  type HookRequest,
  type Hooks,
  type Json,
  type Verdict,
} from '../../src/connector.ts';
import { isObject, type Account, type Form } from './account.ts';
import { objectOf } from './kind.ts';

const window = 5 * 60_000;

/** `sha1_hex(nonce:body:secret:timestamp)` over the raw body [official receivers]. Not an HMAC, and nothing in it is fresh. */
export const signature = (nonce: string, body: Uint8Array, secret: string, timestamp: string): string =>
  createHash('sha1').update(`${nonce}:`).update(body).update(`:${secret}:${timestamp}`).digest('hex');

const queryOf = (url: string): URLSearchParams => {
  try {
    return new URL(url, 'http://localhost').searchParams;
  } catch {
    return new URLSearchParams();
  }
};

export const hooksOf = (account: Account, secret: string): Hooks => ({
  verify: (request) => verify(account, secret, request),
  hints: (request) => hintsOf(account, request),
  reply: () => ({ status: 200, body: 'success' }),
});

const verify = (account: Account, secret: string, { url, headers, body }: HookRequest): Verdict => {
  const query = queryOf(url);
  const nonce = query.get('nonce');
  const timestamp = query.get('timestamp');
  const given = headers['x-jdy-signature'];
  if (nonce === null || timestamp === null || given === undefined)
    return { ok: false, why: 'nonce, timestamp or signature is missing' };
  if (!sameText(given.toLowerCase(), signature(nonce, body, secret, timestamp)))
    return { ok: false, why: 'the signature is wrong' };
  const at = Number(timestamp) * (account.settings.timestampUnit === 'ms' ? 1 : 1000);
  if (!/^\d{1,16}$/u.test(timestamp) || Math.abs(account.now() - at) > window)
    return { ok: false, why: 'the timestamp is not of now' };
  return { ok: true };
};

const hintsOf = (account: Account, request: HookRequest): Hint[] => {
  let body: Json;
  try {
    body = JSON.parse(textOf(request.body)) as Json;
  } catch {
    throw new Error('the body is not JSON');
  }
  if (!isObject(body)) throw new Error('the body is not a JSON object');
  const { op, data, opTime } = body;
  if (typeof op !== 'string') throw new Error('the body has no op');
  if (!op.startsWith('data_') || op === 'data_test' || !isObject(data)) return [];
  const form = account.forms.find((one) => one.entry === data['entryId'] || one.entry === data['entry_id']);
  const id = data['_id'];
  if (form === undefined || typeof id !== 'string') return [];
  if (op === 'data_remove') return [{ kind: form.kind, id }];
  const object = objectOf(form, data);
  const at = typeof opTime === 'number' ? opTime : (object.modifiedAt ?? account.now());
  return [
    {
      kind: form.kind,
      id,
      object,
      history: historyOf(form, data, at, request.headers['x-jdy-deliverid'] ?? `${id}@${at}`),
    },
  ];
};

/** A push tells the whole record as it was: one step for each alias whose history matters. */
const historyOf = (form: Form, data: Record<string, Json>, at: number, delivery: string): HistoryEntry[] => {
  const updater = data['updater'];
  const by = isObject(updater) && typeof updater['name'] === 'string' ? updater['name'] : undefined;
  return form.history
    .filter((alias) => data[alias] !== undefined)
    .map((alias) => ({
      pointer: `/${alias}`,
      value: data[alias] === '' ? null : (data[alias] ?? null),
      at,
      ...(by === undefined ? {} : { by }),
      event: `${delivery}:${alias}`,
    }));
};
