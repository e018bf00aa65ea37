import { createServer as createSocketServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Trouble } from '../src/connector.ts';
import type { JsonObject, Session } from '../src/connector.ts';
import { httpResponse, parseExactly, retryAfterOf } from '../src/exchange.ts';
import { deadPort, open, pipe, start, troubleOf } from './pipe.ts';

describe('an exchange', () => {
  test('sends method, headers and JSON, and gives raw bytes, lower-case headers and JSON', async () => {
    const base = await start((request, response, body) => {
      response.setHeader('X-Seen', `${request.method} ${request.url} ${request.headers['x-a']}`);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ body: JSON.parse(body), type: request.headers['content-type'] }));
    });
    const { get, calls } = pipe(base);
    const answer = await get('/p?q=1', { method: 'POST', body: { n: 1 }, headers: { 'X-A': 'b' } });
    expect(answer.status).toBe(200);
    expect(answer.headers['x-seen']).toBe('POST /p?q=1 b');
    expect(answer.json()).toEqual({ body: { n: 1 }, type: 'application/json' });
    expect(Buffer.from(answer.bytes).toString()).toContain('"type"');
    expect(calls).toMatchObject([{ connection: 'crm', outcome: 'ok', attempts: 1 }]);
  });

  test('sends text as it is, with its own content type, and nothing where there is no body', async () => {
    const base = await start((request, response, body) => {
      response.end(JSON.stringify([body, request.headers['content-type'] ?? null]));
    });
    const { get } = pipe(base);
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    expect((await get('/', { method: 'POST', body: 'a=1', headers: form })).json()).toEqual([
      'a=1',
      'application/x-www-form-urlencoded',
    ]);
    expect((await get('/', { method: 'POST' })).json()).toEqual(['', null]);
  });

  test('unpacks gzip, and refuses a small body that unpacks into a flood', async () => {
    const base = await start((request, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(request.url === '/ok' ? '{"a":1}' : Buffer.alloc(30 * 1024 * 1024)));
    });
    const { get } = pipe(base);
    expect((await get('/ok')).json()).toEqual({ a: 1 });
    expect((await troubleOf(get('/bomb'))).detail.code).toBe('answer-too-large');
  });

  test('takes at most 20 MiB: refused for what may be repeated, unknown for a write', async () => {
    let hits = 0;
    const base = await start((_, response) => {
      hits += 1;
      response.end(Buffer.alloc(21 * 1024 * 1024));
    });
    const { get } = pipe(base);
    const read = await troubleOf(get('/'));
    expect(read.kind).toBe('refused');
    expect(read.message).toContain('more than 20 MiB');
    expect(hits).toBe(1);
    expect((await troubleOf(get('/', { method: 'POST', repeatable: false }))).kind).toBe('unknown');
  });

  test('an answer that is not JSON is a trouble that names type and start', async () => {
    const base = await start((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(
        `<html><body><h1>Maintenance</h1> token ${'s3cret-value'} ${'x'.repeat(500)}</body></html>`,
      );
    });
    const { get } = pipe(base, { secrets: ['s3cret-value'] });
    const answer = await get('/');
    const trouble = await troubleOf(Promise.resolve().then(() => answer.json()));
    expect(trouble.kind).toBe('unknown');
    expect(trouble.message).toContain('text/html');
    expect(trouble.message).toContain('Maintenance');
    expect(trouble.message).not.toContain('s3cret');
    expect(trouble.message.length).toBeLessThan(220);
  });
});

describe('numbers keep every digit', () => {
  test.each([
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', '9007199254740993'],
    ['-12345678901234567890', '-12345678901234567890'],
    ['1.10', 1.1],
    ['0.1', 0.1],
    ['0.30000000000000004', 0.30000000000000004],
    ['123456789012.123456789', '123456789012.123456789'],
    ['12345678901234.10', 12345678901234.1],
    ['1e3', 1000],
    ['1e400', '1e400'],
    ['1e-400', '1e-400'],
    ['100000000000000000000', '100000000000000000000'],
    ['0', 0],
    ['-0.0', -0],
  ])('%s', (source, expected) => {
    expect(parseExactly(`{"a":[${source}]}`)).toEqual({ a: [expected] });
  });

  test('digits in text stay text, and __proto__ is dropped however it is written', () => {
    expect(parseExactly('{"a":"12345678901234567890","b":1}')).toEqual({ a: '12345678901234567890', b: 1 });
    for (const name of ['__proto__', '\\u005f_proto__', '_\\u005Fproto__']) {
      const value = parseExactly(`{"${name}":{"admin":true},"b":{"${name}":1,"c":2}}`);
      expect(JSON.stringify(value)).toBe('{"b":{"c":2}}');
    }
  });

  test('a body nested without end is not JSON instead of a crash', async () => {
    const base = await start((_, response) => response.end('[1e400,' + '['.repeat(200_000)));
    const answer = await pipe(base).get('/');
    expect((await troubleOf(Promise.resolve().then(() => answer.json()))).kind).toBe('unknown');
  });
});

describe('the status table', () => {
  test.each([
    [401, 'forbidden'],
    [403, 'forbidden'],
    [404, 'gone'],
    [410, 'gone'],
    [408, 'unknown'],
    [409, 'stale'],
    [412, 'stale'],
    [429, 'busy'],
    [503, 'busy'],
    [500, 'unknown'],
    [502, 'unknown'],
    [504, 'unknown'],
    [400, 'refused'],
    [422, 'refused'],
    [302, 'refused'],
  ])('%i is %s', async (status, kind) => {
    const base = await start((_, response) => {
      response.writeHead(status, { location: 'http://127.0.0.1:1/elsewhere' });
      response.end('their own words');
    });
    const trouble = await troubleOf(pipe(base).get('/', { repeatable: false }));
    expect(trouble.kind).toBe(kind);
    expect(trouble.detail.status).toBe(status);
    if (status !== 302) expect(trouble.message).toContain('their own words');
  });

  test('the connector speaks first, and its own failure over a proxy page leaves the status', async () => {
    const base = await start((request, response) => {
      if (request.url === '/proxy') response.writeHead(404).end('<html>no json</html>');
      else response.end('{"code":99}');
    });
    const session: Pick<Session, 'trouble'> = {
      trouble: (response) =>
        (response.json() as JsonObject)['code'] === 99
          ? new Trouble('busy', { message: 'quota, token=abcdefghijkl', code: '99', retryAfter: 60_000 })
          : undefined,
    };
    const { get, remote } = pipe(base, {}, session);
    expect((await troubleOf(get('/proxy'))).kind).toBe('gone');
    const busy = await troubleOf(get('/'));
    expect(busy.kind).toBe('busy');
    expect(busy.detail).toMatchObject({ code: '99', retryAfter: 60_000 });
    expect(remote.state().quietUntil).toBeGreaterThan(Date.now() + 50_000);
  });

  test('Retry-After in seconds and as a date', () => {
    const now = Date.UTC(2026, 0, 1);
    expect(retryAfterOf('7', now)).toBe(7000);
    expect(retryAfterOf('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60_000);
    expect(retryAfterOf('Wed, 31 Dec 2025 00:01:00 GMT', now)).toBe(0);
    expect(retryAfterOf('soon', now)).toBeUndefined();
    expect(retryAfterOf(undefined, now)).toBeUndefined();
  });
});

describe('certainly never sent, or outcome unknown', () => {
  test('a refused connection and an unknown name are unreachable, tried three times even for writes', async () => {
    const base = await deadPort();
    const { get, calls } = pipe(base);
    const trouble = await troubleOf(get('/', { method: 'POST', repeatable: false, body: {} }));
    expect(trouble.kind).toBe('unreachable');
    expect(trouble.message).toContain('nothing accepts connections there (ECONNREFUSED)');
    expect(calls[0]).toMatchObject({ outcome: 'unreachable', attempts: 3 });
    const unknown = await troubleOf(pipe('http://nowhere.invalid').get('/'));
    expect(unknown.kind).toBe('unreachable');
  });

  test('a socket cut during the TLS handshake is unreachable', async () => {
    const server = createSocketServer((socket) => socket.destroy());
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    open.push(server);
    const base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await troubleOf(pipe(base).get('/', { repeatable: false }))).kind).toBe('unreachable');
  });

  test('a cut after sending is unknown: a write is not repeated, a read is', async () => {
    let hits = 0;
    const base = await start((request) => {
      hits += 1;
      request.socket.destroy();
    });
    const { get } = pipe(base);
    const trouble = await troubleOf(get('/', { method: 'POST', repeatable: false, body: {} }));
    expect(trouble.kind).toBe('unknown');
    expect(hits).toBe(1);
    hits = 0;
    expect((await troubleOf(get('/'))).kind).toBe('unknown');
    expect(hits).toBe(3);
  });

  test('half an answer is unknown', async () => {
    const base = await start((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"half":');
      setTimeout(() => response.destroy(), 20);
    });
    expect((await troubleOf(pipe(base).get('/', { repeatable: false }))).kind).toBe('unknown');
  });

  test('no answer within the deadline is unknown, and the call ends by then', async () => {
    const base = await start(() => {});
    const { get } = pipe(base);
    const began = Date.now();
    const trouble = await troubleOf(get('/', { deadline: 150 }));
    expect(trouble.kind).toBe('unknown');
    expect(trouble.message).toContain('in time');
    expect(Date.now() - began).toBeLessThan(1500);
  });

  test('a header that cannot be written is refused and nothing is sent', async () => {
    let hits = 0;
    const base = await start((_, response) => {
      hits += 1;
      response.end();
    });
    const trouble = await troubleOf(
      pipe(base).get('/', { method: 'POST', headers: { 'bad name': 'x' }, body: 'x' }),
    );
    expect(trouble.kind).toBe('refused');
    expect(hits).toBe(0);
  });
});

describe('allowed addresses', () => {
  test.each([
    'http://evil.example/',
    'http://127.0.0.1:1/',
    'https://api.example.com:8443/',
    'http://user:pw@api.example.com/',
    'file:///etc/passwd',
    'ftp://api.example.com/',
    'http://api.example.com.evil.example/',
    'http://api.example.com@evil.example/',
    '/relative',
  ])('%s is refused', async (url) => {
    let sent = 0;
    const exchange = { send: () => ((sent += 1), Promise.reject(new Error('sent'))), close: async () => {} };
    const { remote } = pipe('http://unused.invalid', {
      hosts: ['api.example.com', 'https://login.example.com'],
      exchange,
    });
    const trouble = await troubleOf(remote.host.request({ method: 'GET', url, repeatable: true }));
    expect(trouble.kind).toBe('refused');
    expect(trouble.detail.code).toBe('host-not-allowed');
    expect(trouble.message).not.toContain('pw');
    expect(sent).toBe(0);
  });

  test('an origin binds the scheme, a bare host takes both', async () => {
    const exchange = { send: async () => httpResponse(200, {}, new Uint8Array()), close: async () => {} };
    const hosts = ['api.example.com', 'erp.local:8069', 'https://login.example.com'];
    const { remote } = pipe('http://unused.invalid', { hosts, exchange });
    const call = (url: string) => remote.host.request({ method: 'GET', url, repeatable: true });
    for (const url of [
      'https://api.example.com/x',
      'http://API.example.com/x',
      'http://erp.local:8069/jsonrpc',
      'https://login.example.com/',
    ]) {
      expect((await call(url)).status).toBe(200);
    }
    expect((await troubleOf(call('http://login.example.com/'))).kind).toBe('refused');
    expect((await troubleOf(call('http://erp.local/'))).kind).toBe('refused');
  });
});
