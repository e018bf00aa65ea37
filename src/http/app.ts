/** The gateway's HTTP server. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Gateway } from '../gateway.ts';
import { takeHook } from './hooks.ts';

export interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly host?: string;
  readonly port?: number;
}

/** Opens the port. Hooks are dispatched before anything heavier: they are the hot path. */
export const listen = async (gateway: Gateway, options: ListenOptions = {}): Promise<Listening> => {
  const { server: config } = gateway.installation.config;
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.startsWith('/hooks/') === true) void takeHook(gateway, request, response);
    else response.writeHead(request.url === '/healthz' ? 200 : 404).end();
  };
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, handle);
  const host = options.host ?? config.host;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? config.port, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host}:${port}`,
    close: async () => {
      server.closeIdleConnections();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      setTimeout(() => server.closeAllConnections(), 2000).unref();
      await closed;
    },
  };
};
