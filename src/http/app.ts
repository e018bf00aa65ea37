/** The gateway's HTTP server: hooks on the hot path before anything heavier, then Express for the rest. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express } from 'express';
import type { Environment } from '../config.ts';
import { runsReport, statusReport } from '../health/reports.ts';
import type { Gateway } from '../gateway.ts';
import { api, problem, tokenOf, viewOf } from './api.ts';
import { hookTaker } from './hooks.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { statusPage } from './page.ts';

export interface Listening {
  readonly url: string;
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly host?: string;
  readonly port?: number;
  readonly metrics?: Metrics;
  /** Where the token's reference is looked up; nothing by default. */
  readonly environment?: Environment;
}

const application = (gateway: Gateway, metrics: Metrics, token: string | undefined): Express => {
  const app = express();
  const view = viewOf(gateway);
  app.disable('x-powered-by');
  app.use((_request, response, next) => {
    response.set({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    });
    next();
  });
  app.get('/healthz', (_request, response) => void response.type('text').send('alive\n'));
  // Ready: hooks are taken. What is late is told too, and with `?all` counts: turning hooks away would not help it.
  app.get('/readyz', (request, response) => {
    const { troubles } = gateway.watch;
    const answer = (ready: boolean): void => {
      const well = ready && (request.query['all'] === undefined || troubles.length === 0);
      const lines = [ready ? 'ready' : 'not ready', ...troubles].map((line) => `${line}\n`);
      response
        .status(well ? 200 : 503)
        .type('text')
        .send(lines.join(''));
    };
    gateway.ready().then(answer, () => answer(false));
  });
  app.get('/metrics', (_request, response, next) => {
    metrics.text(gateway).then((text) => response.type(metrics.registry.contentType).send(text), next);
  });
  app.get('/', (_request, response, next) => {
    Promise.all([statusReport(view), runsReport(view, 15)]).then(
      ([status, runs]) => response.type('html').send(statusPage(status, runs)),
      next,
    );
  });
  app.use('/api/v1', api(gateway, token));
  app.use(problem);
  return app;
};

/** Opens the port. */
export const listen = async (gateway: Gateway, options: ListenOptions = {}): Promise<Listening> => {
  const { server: config } = gateway.installation.config;
  const metrics = options.metrics ?? createMetrics();
  const app = application(gateway, metrics, tokenOf(gateway, options.environment ?? {}));
  const takeHook = hookTaker(gateway, metrics);
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.startsWith('/hooks/') === true) void takeHook(request, response);
    else app(request, response);
  };
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, handle);
  const host = options.host ?? config.host;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? config.port, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 2000).unref();
      await closed;
    },
  };
};
