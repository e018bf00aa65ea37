import { describe, expect, test } from 'vitest';
import { redactor } from '../src/secrecy.ts';
import { pipe, start, troubleOf } from './pipe.ts';

describe('repeats', () => {
  test('each attempt is authorised anew, and a short Retry-After is honoured', async () => {
    const seen: (string | undefined)[] = [];
    const times: number[] = [];
    const base = await start((request, response) => {
      seen.push(request.headers['x-sign'] as string);
      times.push(Date.now());
      if (seen.length === 1) response.writeHead(429, { 'retry-after': '1' }).end();
      else response.end('{}');
    });
    let nonce = 0;
    const { get, calls } = pipe(
      base,
      {},
      {
        authorize: (request) => ({
          ...request,
          headers: { ...request.headers, 'x-sign': `n${(nonce += 1)}` },
        }),
      },
    );
    await get('/');
    expect(seen).toEqual(['n1', 'n2']);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
    expect(calls[0]).toMatchObject({ outcome: 'ok', attempts: 2 });
  });

  test('a long Retry-After is handed on, and meanwhile the connection stays quiet', async () => {
    let hits = 0;
    const base = await start((_, response) => {
      hits += 1;
      response.writeHead(429, { 'retry-after': '60' }).end();
    });
    const { get, remote } = pipe(base);
    expect((await troubleOf(get('/'))).detail.retryAfter).toBe(60_000);
    const second = await troubleOf(get('/'));
    expect(second.kind).toBe('busy');
    expect(second.detail.retryAfter).toBeGreaterThan(55_000);
    expect(hits).toBe(1);
    remote.resume();
    await troubleOf(get('/'));
    expect(hits).toBe(2);
  });

  test('a 500 is repeated for reads only, at most three times in all', async () => {
    let hits = 0;
    const base = await start((_, response) => {
      hits += 1;
      response.writeHead(500).end();
    });
    const { get } = pipe(base);
    await troubleOf(get('/'));
    expect(hits).toBe(3);
    await troubleOf(get('/', { method: 'POST', repeatable: false }));
    expect(hits).toBe(4);
  });
});

describe('the breaker', () => {
  test('opens on 5xx, sends nothing while open, and lets one through afterwards', async () => {
    let hits = 0;
    let status = 500;
    const base = await start((_, response) => {
      hits += 1;
      response.writeHead(status).end('{}');
    });
    const { get, remote } = pipe(base, { breaker: { failures: 3, resetMs: 200 } });
    for (let i = 0; i < 3; i += 1) await troubleOf(get('/', { repeatable: false }));
    expect(remote.state().breaker).toBe('open');
    const trouble = await troubleOf(get('/'));
    expect(trouble.kind).toBe('unreachable');
    expect(trouble.message).toContain('breaker is open');
    expect(trouble.detail.retryAfter).toBeGreaterThan(0);
    expect(hits).toBe(3);
    status = 200;
    await new Promise((done) => setTimeout(done, 260));
    expect(remote.state().breaker).toBe('half-open');
    expect((await get('/')).status).toBe(200);
    expect(remote.state().breaker).toBe('closed');
  });

  test('never opens on 4xx or 429', async () => {
    let status = 400;
    const base = await start((_, response) => {
      status = status === 400 ? 429 : 400;
      response.writeHead(status).end();
    });
    const { get, remote } = pipe(base, { breaker: { failures: 3 } });
    for (let i = 0; i < 10; i += 1) await troubleOf(get('/', { repeatable: false }));
    expect(remote.state().breaker).toBe('closed');
  });

  test('a pause stops calls in plain words, and resume lets them through', async () => {
    const base = await start((_, response) => response.end('{}'));
    const { get, remote } = pipe(base, { secrets: ['hunter22'] });
    remote.pause('credentials refused (hunter22)');
    const trouble = await troubleOf(get('/'));
    expect(trouble.kind).toBe('unreachable');
    expect(trouble.message).toContain('crm is paused: credentials refused (•••)');
    remote.resume();
    expect((await get('/')).status).toBe(200);
  });
});

describe('limits', () => {
  const timed = async (): Promise<{ base: string; times: Map<string, number[]> }> => {
    const times = new Map<string, number[]>();
    const base = await start((request, response) => {
      const path = request.url ?? '';
      times.set(path, [...(times.get(path) ?? []), Date.now()]);
      response.end('{}');
    });
    return { base, times };
  };

  const mostIn = (times: readonly number[], window: number): number =>
    Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + window).length));

  test('at most count calls in any window, and the burst goes out at once', async () => {
    const { base, times } = await timed();
    const { get } = pipe(base, { limits: [{ name: 'account', count: 3, per: 300 }] });
    await Promise.all(Array.from({ length: 8 }, () => get('/a')));
    const all = times.get('/a') ?? [];
    expect(all).toHaveLength(8);
    // Arrival times jitter a little against the times of sending.
    expect(mostIn(all, 280)).toBe(3);
    expect((all[2] ?? 0) - (all[0] ?? 0)).toBeLessThan(200);
    expect((all[7] ?? 0) - (all[0] ?? 0)).toBeGreaterThanOrEqual(590);
  });

  test('a narrow limit holds back only the calls that name it', async () => {
    const { base, times } = await timed();
    const limits = [
      { name: 'default', count: 100, per: 1000 },
      { name: 'search:second', count: 1, per: 300 },
    ];
    const { get } = pipe(base, { limits });
    const began = Date.now();
    await Promise.all([
      ...[1, 2].map(() => get('/search', { limits: ['search'] })),
      ...Array.from({ length: 10 }, () => get('/plain')),
    ]);
    const search = times.get('/search') ?? [];
    // Arrivals jitter: the ten others would take three seconds, were they held back too.
    expect((search[1] ?? 0) - began).toBeGreaterThanOrEqual(290);
    expect(Math.max(...(times.get('/plain') ?? [])) - began).toBeLessThan(2000);
  });

  test('a call whose turn does not come in time is busy and never sent', async () => {
    const { base, times } = await timed();
    const { get, remote } = pipe(base, { limits: [{ name: 'account', count: 1, per: 5000 }] });
    await get('/a');
    const waiting = troubleOf(get('/a', { deadline: 150 }));
    await new Promise((done) => setTimeout(done, 50));
    expect(remote.state().waiting).toBe(1);
    const trouble = await waiting;
    expect(trouble.kind).toBe('busy');
    expect(trouble.message).toContain('limit account');
    expect(times.get('/a')).toHaveLength(1);
    expect(remote.state().waiting).toBe(0);
  });

  test('a limit for large counts is a bucket that refills', async () => {
    const { base, times } = await timed();
    // The bucket holds 101 of the 1001; the rest comes in refills.
    const { get } = pipe(base, { limits: [{ name: 'account', count: 1001, per: 1000 }] });
    await Promise.all(Array.from({ length: 150 }, () => get('/a')));
    const all = times.get('/a') ?? [];
    expect(all).toHaveLength(150);
    expect((all[149] ?? 0) - (all[0] ?? 0)).toBeGreaterThan(150);
  });

  test('an unknown limit, and limits without sense, are the connector’s fault', async () => {
    const { base } = await timed();
    const { get } = pipe(base, { limits: [{ name: 'account', count: 1, per: 5000 }] });
    await expect(get('/', { limits: ['serach'] })).rejects.toMatchObject({ code: 'connector-contract' });
    expect(() => pipe(base, { limits: [{ name: 'a', count: 0, per: 1 }] })).toThrow(/limit a/u);
  });

  test('closing ends calls that wait', async () => {
    const { base } = await timed();
    const { get, remote } = pipe(base, { limits: [{ name: 'account', count: 1, per: 60_000 }] });
    await get('/a');
    const waiting = troubleOf(get('/a'));
    await new Promise((done) => setTimeout(done, 50));
    await remote.close();
    expect((await waiting).kind).toBe('unreachable');
    expect((await troubleOf(get('/a'))).kind).toBe('unreachable');
  });
});

describe('secrets', () => {
  test('no trouble, report or log shows a configured secret, a token that was sent, or a query', async () => {
    const base = await start((request, response) => {
      const token = String(request.headers['x-access-token']);
      response.writeHead(400);
      response.end(
        `bad ${token}; see https://x.example/cb?code=12345678 and ${encodeURIComponent('p@ss/word')}`,
      );
    });
    const { get, calls, remote, lines } = pipe(
      base,
      { secrets: ['p@ss/word'] },
      {
        authorize: (request) => ({ ...request, headers: { 'x-access-token': 'runtime-token-1' } }),
      },
    );
    const trouble = await troubleOf(get('/?access_token=abcdefgh12'));
    remote.host.log('info', 'with p@ss/word', { a: { b: ['p@ss/word'] } });
    const all = JSON.stringify([trouble.message, trouble.stack, trouble.detail, calls, lines]);
    for (const secret of ['runtime-token-1', 'p@ss/word', 'p%40ss', '12345678', 'abcdefgh12']) {
      expect(all).not.toContain(secret);
    }
    expect(trouble.message).toContain('status 400: bad');
  });

  test('an authorize that fails is told without the secret', async () => {
    const { get } = pipe(
      'http://unused.invalid',
      { secrets: ['p@ss/word'] },
      {
        authorize: () => {
          throw new Error('key p@ss/word is malformed');
        },
      },
    );
    await expect(get('/')).rejects.toThrow('its authorize failed: key ••• is malformed');
  });

  test('the redactor knows secrets in URLs, JSON and Base64, and leaves plain words alone', () => {
    const redact = redactor(['a"b c/d']);
    expect(redact('x a"b c/d a%22b%20c%2Fd a\\"b c/d YSJiIGMvZA== y')).toBe('x ••• ••• ••• ••• y');
    expect(redact('missing key: name; token expired')).toBe('missing key: name; token expired');
    expect(redact('{"client_secret":"xyz","a":1}')).toBe('{"client_secret":"•••","a":1}');
  });
});
