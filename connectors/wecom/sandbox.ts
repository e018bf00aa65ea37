/**
 * A small WeCom group with a robot: 20 messages in any minute, errors inside HTTP 200, size limits. Over the
 * limit the message is dropped (the worse reading). `GET /sandbox/messages` shows what the group has seen.
 */
import { textOf, type Json, type Sandbox, type SandboxResponse } from '../../src/connector.ts';

export interface Options {
  readonly robotKey?: string;
  readonly perMinute?: number;
}

export interface State {
  readonly options: Options;
  readonly messages: { readonly at: number; readonly msgtype: string; readonly text: string }[];
}

const answer = (status: number, body: Json): SandboxResponse => ({
  status,
  headers: { 'content-type': 'application/json; charset=UTF-8' },
  body: JSON.stringify(body),
});
const refusal = (errcode: number, errmsg: string): SandboxResponse => answer(200, { errcode, errmsg });

const most: Readonly<Record<string, number>> = { text: 2048, markdown: 4096, markdown_v2: 4096 };

const contentOf = (body: Json): { msgtype: string; text: string } | undefined => {
  if (body === null || typeof body !== 'object' || Array.isArray(body)) return undefined;
  const { msgtype } = body;
  const part = typeof msgtype === 'string' ? body[msgtype] : undefined;
  if (typeof msgtype !== 'string' || part === null || typeof part !== 'object' || Array.isArray(part))
    return undefined;
  const { content } = part;
  return typeof content === 'string' ? { msgtype, text: content } : undefined;
};

const send = (state: State, key: string | null, raw: Uint8Array, now: number): SandboxResponse => {
  if (key !== (state.options.robotKey ?? 'robot-sandbox'))
    return refusal(93000, 'invalid webhook url, hint: [sandbox]');
  let body: Json;
  try {
    body = JSON.parse(textOf(raw)) as Json;
  } catch {
    return refusal(40008, 'invalid message type, Warning: wrong json format.');
  }
  const content = contentOf(body);
  const size = content === undefined ? undefined : most[content.msgtype];
  if (content === undefined || size === undefined) return refusal(40008, 'invalid message type');
  if (content.text === '') return refusal(44004, 'empty content');
  if (Buffer.byteLength(content.text) > size)
    return refusal(45002, `content exceed max length. invalid Request Parameter`);
  if (state.messages.filter((one) => one.at > now - 60_000).length >= (state.options.perMinute ?? 20))
    return refusal(45009, 'api freq out of limit');
  state.messages.push({ at: now, ...content });
  return answer(200, { errcode: 0, errmsg: 'ok' });
};

const sandbox: Sandbox<State, Options> = {
  name: 'wecom',
  initial: (options) => ({ options, messages: [] }),
  handle: (request, state, now) => {
    const url = new URL(request.path, 'http://localhost');
    const route = `${request.method} ${url.pathname}`;
    if (route === 'GET /sandbox/messages') return { response: answer(200, state.messages), state, hooks: [] };
    if (route !== 'POST /cgi-bin/webhook/send')
      return { response: { status: 404, body: '' }, state, hooks: [] };
    return { response: send(state, url.searchParams.get('key'), request.body, now), state, hooks: [] };
  },
};

export default sandbox;
