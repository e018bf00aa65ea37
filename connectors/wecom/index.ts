/** 企业微信 WeCom: messages to a group through its robot (群机器人, 消息推送). */
import {
  defineConnector,
  Trouble,
  type HttpRequest,
  type HttpResponse,
  type Json,
  type JsonSchema,
} from '../../src/connector.ts';

interface Settings {
  readonly robotKey: string;
  readonly baseUrl?: string;
  readonly msgtype?: 'markdown' | 'text';
}

const standard = 'https://qyapi.weixin.qq.com';

const settings: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['robotKey'],
  properties: {
    robotKey: {
      title: 'Robot key',
      description: "What follows `key=` in the robot's webhook address.",
      type: 'string',
      minLength: 1,
      secret: true,
    },
    baseUrl: {
      title: 'Address',
      description: 'Where the API is.',
      type: 'string',
      pattern: '^https?://',
      default: standard,
    },
    msgtype: {
      title: 'Message type',
      description: 'How messages are shown: markdown (at most 4096 bytes) or text (2048).',
      enum: ['markdown', 'text'],
      default: 'markdown',
    },
  },
};

/** WeCom answers errors with HTTP 200: only `errcode` counts, never the text of `errmsg`. */
const outcome = (body: Json): Trouble | undefined => {
  const fields = body !== null && typeof body === 'object' && !Array.isArray(body) ? body : {};
  const { errcode, errmsg } = fields;
  if (errcode === 0) return undefined;
  if (typeof errcode !== 'number') return new Trouble('unknown', { message: 'the answer has no errcode' });
  const detail = {
    code: String(errcode),
    message: typeof errmsg === 'string' ? errmsg : `errcode ${errcode}`,
  };
  switch (errcode) {
    case 45009:
      // A packaged client waits 65 s; whether the minute slides is not documented.
      return new Trouble('busy', { ...detail, retryAfter: 65_000 });
    case 45033:
      return new Trouble('busy', { ...detail, retryAfter: 2000 });
    case -1:
      return new Trouble('busy', { ...detail, retryAfter: 5000 });
    case 93000:
      return new Trouble('forbidden', detail);
    default:
      return new Trouble('refused', detail);
  }
};

const troubleOf = (response: HttpResponse, _request: HttpRequest): Trouble | undefined =>
  response.status === 200 ? outcome(response.json()) : undefined;

export default defineConnector<Settings>({
  name: 'wecom',
  title: '企业微信 WeCom',
  settings,
  hosts: (given) => [new URL(given.baseUrl ?? standard).origin],
  open: (given, host) => {
    const msgtype = given.msgtype ?? 'markdown';
    const base = (given.baseUrl ?? standard).replace(/\/+$/u, '');
    return {
      kinds: {},
      trouble: troubleOf,
      check: async () => 'not tried: a robot has no call without a message',
      notify: {
        mostBytes: msgtype === 'text' ? 2048 : 4096,
        rate: { count: 20, per: 60_000 },
        send: async (content) => {
          const url = `${base}/cgi-bin/webhook/send?key=${encodeURIComponent(given.robotKey)}`;
          await host.request({
            method: 'POST',
            url,
            body: { msgtype, [msgtype]: { content } },
            repeatable: false,
          });
        },
      },
    };
  },
});
