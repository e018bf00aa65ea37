/** A system that takes events in batches of 100 and tells repeats by their key. */
import type { Connector, JsonObject } from '../../../../../src/connector.ts';
import schema from './schema.json' with { type: 'json' };

const connector: Connector<{ baseUrl: string }> = {
  name: 'sink',
  title: 'Benchmark sink',
  settings: {
    type: 'object',
    additionalProperties: false,
    required: ['baseUrl'],
    properties: { baseUrl: { type: 'string' } },
  },
  hosts: ({ baseUrl }) => [new URL(baseUrl).origin],
  open: ({ baseUrl }, host) => ({
    kinds: {
      event: {
        schema: schema as JsonObject,
        create: {
          most: 100,
          atomic: true,
          keyed: true,
          send: async (items) => {
            const body = items.map((item) => item.value);
            await host.request({ method: 'POST', url: `${baseUrl}/events`, body, repeatable: true });
            return items.map((item) => ({ is: 'done' as const, id: item.key }));
          },
        },
      },
    },
    check: async () => 'ready',
  }),
};
export default connector;
