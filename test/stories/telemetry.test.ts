/** Spans from hook to call, as a collector receives them by OTLP over HTTP. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import type { SandboxRequest } from '../../src/connector.ts';
import { startTelemetry } from '../../src/telemetry.ts';
import { spanIdOf, takenOver, traceIdOf } from '../../src/trace.ts';
import { eventually, Story, usual } from '../story.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Span['attributes'] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Takes exports in; OTLP over HTTP, in JSON. */
const collect = async (): Promise<{ url: string; bodies: string[] }> => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      expect(request.url).toBe('/v1/traces');
      bodies.push(body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ends.push(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies };
};

it('a hook, the merge and the call that it causes are one trace, under the span of the sender', async () => {
  const { url, bodies } = await collect();
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = url;
  ends.push(() => delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT']);
  const telemetry = await startTelemetry(process.env);
  ends.push(() => telemetry?.stop());
  const sender = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const requests: SandboxRequest[] = [];
  const story = await Story.begin({
    config: usual.replaceAll('poll: 2s', 'poll: 1h'),
    hubspot: { hook: (request) => ({ ...request, headers: { ...request.headers, traceparent: sender } }) },
    crm: {
      intercept: (request, next) => {
        requests.push(request);
        return next();
      },
    },
  });
  ends.push(() => story.end());
  await story.open();
  await story.atRest();
  requests.length = 0;
  await story.fileContacts([{ email: 'span@story.cn', lastname: '跨度' }]);
  await eventually(async () => (await story.crmRows()).length === 1);
  await story.atRest();
  await telemetry?.stop();
  const exports = bodies
    .map((body) => JSON.parse(body) as Export)
    .flatMap(({ resourceSpans }) => resourceSpans);
  const spans = exports.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  const own = spans.filter(({ traceId }) => traceId === traceIdOf(sender));
  const hooks = own.filter(({ name }) => name === 'hook');
  expect(hooks.length).toBeGreaterThan(0);
  for (const hook of hooks) expect(hook).toMatchObject({ parentSpanId: spanIdOf(sender), kind: 2 });
  const ids = new Set(hooks.map(({ spanId }) => spanId));
  const merge = own.find(({ name }) => name === 'merge');
  expect(ids).toContain(merge?.parentSpanId);
  const calls = own.filter(({ name }) => name === 'call');
  // The other system was told the span of the call itself.
  const told = requests
    .map(({ headers }) => takenOver(headers['traceparent']))
    .filter((one) => one !== undefined);
  const write = calls.find(({ spanId }) => told.some((one) => spanIdOf(one) === spanId));
  expect(write).toMatchObject({ kind: 3 });
  expect(write?.attributes).toContainEqual({ key: 'connection', value: { stringValue: 'crm' } });
  expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(['intake', 'delivery']));
  expect(exports[0]?.resource.attributes).toContainEqual({
    key: 'service.name',
    value: { stringValue: 'crosswalk' },
  });
  expect(bodies.join()).not.toMatch(/span@story|跨度/u);
}, 90_000);

it('a collector that is away costs spans, and holds nothing up', async () => {
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = 'http://127.0.0.1:9';
  ends.push(() => delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT']);
  const telemetry = await startTelemetry(process.env);
  ends.push(() => telemetry?.stop());
  const story = await Story.begin();
  ends.push(() => story.end());
  await story.open();
  await story.fileContacts([{ email: 'away@story.cn', lastname: '走' }]);
  await eventually(async () => (await story.crmRows()).length === 1);
}, 90_000);

it('nothing of it is loaded where no endpoint is set', async () => {
  const at = (file: string): string => fileURLToPath(new URL(`../../src/${file}`, import.meta.url));
  const program = `
    import { registerHooks } from 'node:module';
    const seen = [];
    registerHooks({ resolve: (name, context, next) => (seen.push(name), next(name, context)) });
    const { startTelemetry } = await import(${JSON.stringify(at('telemetry.ts'))});
    await import(${JSON.stringify(at('cli/running.ts'))});
    // (prom-client asks for the API alone.)
    const before = await startTelemetry({});
    const without = seen.filter((name) => /opentelemetry.(?:sdk|exporter|resources|otlp)/u.test(name)).length;
    const after = await startTelemetry({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
    await after.stop();
    const having = seen.filter((name) => /opentelemetry.(?:sdk|exporter|resources|otlp)/u.test(name)).length;
    process.stdout.write(JSON.stringify({ isOff: before === undefined, without, isLoaded: having > 0 }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  expect(JSON.parse(stdout)).toEqual({ isOff: true, without: 0, isLoaded: true });
}, 60_000);
