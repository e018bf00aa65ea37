/** A system that sends signed hooks with whole events and cannot be read. */
import { createHmac } from 'node:crypto';
import type { Connector, JsonObject } from '../../../../../src/connector.ts';
import schema from './schema.json' with { type: 'json' };

const connector: Connector<{ secret: string }> = {
  name: 'source',
  title: 'Benchmark source',
  settings: {
    type: 'object',
    additionalProperties: false,
    required: ['secret'],
    properties: { secret: { type: 'string', secret: true } },
  },
  hosts: () => [],
  open: ({ secret }) => ({
    kinds: { event: { schema: schema as JsonObject } },
    check: async () => 'ready',
    hooks: {
      verify: ({ headers, body }) =>
        createHmac('sha256', secret).update(body).digest('hex') === headers['x-signature']
          ? { ok: true }
          : { ok: false, why: 'signature' },
      hints: ({ body }) => {
        const { id, ...value } = JSON.parse(Buffer.from(body).toString()) as JsonObject;
        return [{ kind: 'event', id: String(id), object: { id: String(id), value } }];
      },
    },
  }),
};
export default connector;
