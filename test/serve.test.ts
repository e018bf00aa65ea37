import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Trouble } from '../src/connector.ts';
import type { Sandbox, SandboxRequest } from '../src/connector.ts';
import { createRemote } from '../src/remote.ts';
import { serve } from '../src/simulate/serve.ts';
import type { ServeOptions, Served } from '../src/simulate/serve.ts';

interface State {
  count: number;
  readonly hookUrl: string;
  readonly draws: number[];
}
type Options = { hookUrl: string };

/** Counts POSTs and tells of each by a hook. */
const counter: Sandbox<State, Options> = {
  name: 'counter',
  initial: ({ hookUrl }) => ({ count: 0, hookUrl, draws: [] }),
  handle(request: SandboxRequest, state, now, random) {
    if (request.path === '/crash') throw new Error('out of order');
    if (request.method !== 'POST') {
      const body = JSON.stringify({
        count: state.count,
        path: request.path,
        a: request.headers['x-a'] ?? null,
      });
      return {
        response: { status: 200, headers: { 'content-type': 'application/json' }, body },
        state,
        hooks: [],
      };
    }
    state.count += 1;
    state.draws.push(random());
    const body = JSON.stringify({ count: state.count, echo: Buffer.from(request.body).toString(), at: now });
    const hook = { method: 'POST', url: state.hookUrl, headers: { 'x-signature': `s${state.count}` }, body };
    return { response: { status: 201, body }, state, hooks: [{ after: 20, request: hook }] };
  },
};

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

const started = async (options: Partial<ServeOptions<Options>> = {}): Promise<Served<State>> => {
  const served = await serve(counter, { options: { hookUrl: 'http://127.0.0.1:1/' }, ...options });
  open.push(served);
  return served;
};

const listener = async (statuses: (number | 'cut')[]) => {
  const heard: { signature: unknown; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      heard.push({ signature: request.headers['x-signature'], body });
      const status = statuses.shift() ?? 200;
      if (status === 'cut') response.destroy();
      else response.writeHead(status).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  open.push({ close: () => (server.closeAllConnections(), server.close()) });
  return { heard, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks/x` };
};

const until = async (met: () => boolean): Promise<void> => {
  for (let i = 0; i < 300 && !met(); i += 1) await new Promise((done) => setTimeout(done, 10));
  expect(met()).toBe(true);
};

test('requests reach the sandbox with path, headers and raw body, and its answer comes back', async () => {
  const served = await started({ now: () => 42 });
  const got = await fetch(`${served.url}/a?b=1`, { headers: { 'X-A': 'c' } });
  expect(await got.json()).toEqual({ count: 0, path: '/a?b=1', a: 'c' });
  const posted = await fetch(served.url, { method: 'POST', body: '值' });
  expect(posted.status).toBe(201);
  expect(await posted.json()).toEqual({ count: 1, echo: '值', at: 42 });
  expect(served.state().count).toBe(1);
});

test('options may be made from the own URL, and equal seeds draw equal numbers', async () => {
  const draws = async (seed: number): Promise<number[]> => {
    const served = await started({ seed, options: (url) => ({ hookUrl: `${url}/self` }) });
    expect(served.state().hookUrl).toBe(`${served.url}/self`);
    await fetch(`${served.url}/x`, { method: 'POST' });
    return served.state().draws.slice(0, 1);
  };
  expect(await draws(7)).toEqual(await draws(7));
  expect(await draws(7)).not.toEqual(await draws(8));
});

test('a hook arrives after its time, and again until it is taken', async () => {
  const { heard, url } = await listener([500, 'cut', 200]);
  const served = await started({ options: { hookUrl: url }, backoff: () => 5 });
  await fetch(served.url, { method: 'POST', body: 'x' });
  expect(served.pending()).toBe(1);
  await until(() => served.pending() === 0);
  expect(heard.map((hook) => hook.signature)).toEqual(['s1', 's1', 's1']);
  expect(JSON.parse(heard[0]?.body ?? '')).toMatchObject({ count: 1, echo: 'x' });
  expect(served.lost()).toEqual([]);
});

test('a hook that nobody takes is given up after ten attempts, and seen to be lost', async () => {
  let attempts = 0;
  const hook: ServeOptions<Options>['hook'] = (request, attempt) => ((attempts = attempt), request);
  const served = await started({ backoff: () => 1, hook });
  await fetch(served.url, { method: 'POST' });
  await until(() => served.pending() === 0);
  expect(attempts).toBe(10);
  expect(served.lost()).toHaveLength(1);
});

test('hooks can be sent elsewhere or lost by a test', async () => {
  const { heard, url } = await listener([]);
  let seen = 0;
  const served = await started({
    hook: (request) => ((seen += 1) === 1 ? undefined : { ...request, url }),
  });
  await fetch(served.url, { method: 'POST' });
  await until(() => served.pending() === 0);
  await fetch(served.url, { method: 'POST' });
  await until(() => heard.length === 1);
  expect(heard[0]?.signature).toBe('s2');
});

test('faults come before the effect or after it, and the pipe names them rightly', async () => {
  let fault: ServeOptions<Options>['intercept'];
  const served = await started({ intercept: (request, next) => fault?.(request, next) ?? next() });
  const remote = createRemote({
    connection: 'counter',
    connector: 'counter',
    hosts: [served.url],
    limits: [],
    secrets: [],
    now: Date.now,
    random: () => 0,
    log: () => {},
  });
  open.push(remote);
  const post = async (): Promise<string> => {
    try {
      await remote.host.request({ method: 'POST', url: `${served.url}/`, body: 'x', repeatable: false });
      return 'ok';
    } catch (error) {
      remote.resume();
      return error instanceof Trouble ? error.kind : 'no trouble';
    }
  };
  const outcome = async (made: ServeOptions<Options>['intercept']): Promise<[string, number]> => {
    fault = made;
    const before = served.state().count;
    return [await post(), served.state().count - before];
  };
  expect(await outcome(undefined)).toEqual(['ok', 1]);
  expect(await outcome(() => ({ status: 429, headers: { 'retry-after': '9' }, body: '' }))).toEqual([
    'busy',
    0,
  ]);
  expect(await outcome(() => 'cut')).toEqual(['unknown', 0]);
  expect(await outcome((_, next) => (next(), 'cut'))).toEqual(['unknown', 1]);
  expect(await outcome((_, next) => (next(), { status: 500, body: '' }))).toEqual(['unknown', 1]);
  expect(await outcome(() => ({ status: 200, body: 'x'.repeat(21 * 1024 * 1024) }))).toEqual(['unknown', 0]);
  const slow = await outcome(async (_, next) => {
    await new Promise((done) => setTimeout(done, 30));
    return next();
  });
  expect(slow).toEqual(['ok', 1]);
});

test('a body above 10 MiB is not taken, and a sandbox that throws is seen', async () => {
  const served = await started();
  const large = await fetch(served.url, { method: 'POST', body: 'x'.repeat(11 * 1024 * 1024) });
  expect(large.status).toBe(413);
  expect(served.state().count).toBe(0);
  expect((await fetch(`${served.url}/crash`)).status).toBe(500);
  expect(String(served.faults()[0])).toContain('out of order');
});

test('closing drops hooks that are still to be sent and frees the port', async () => {
  const { heard, url } = await listener([]);
  const served = await serve(counter, { options: { hookUrl: url } });
  await fetch(served.url, { method: 'POST' });
  await served.close();
  await new Promise((done) => setTimeout(done, 60));
  expect(heard).toEqual([]);
  expect(served.pending()).toBe(0);
  await expect(fetch(served.url)).rejects.toThrow();
});
