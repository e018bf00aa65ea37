/** Grants through the pipe, in one process: over real HTTP, with a store in memory or none. */
import { describe, expect, it } from 'vitest';
import type { HttpRequest, Login, Session } from '../../src/connector.ts';
import type { Safe } from '../../src/credentials/credential.ts';
import { newKey, readKeys } from '../../src/credentials/keys.ts';
import type { RemoteOptions } from '../../src/remote.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { pipe, start, troubleOf, type Piped } from '../pipe.ts';

interface Server {
  readonly base: string;
  /** What the token path answers next: status and body. Default: another token. */
  readonly answers: [number, object][];
  logins: number;
  good: string;
  /** Refuses every token. */
  isShut: boolean;
  readonly seen: string[];
}

/** Issues `token-<n>`; the last one issued is good. */
const server = async (life = 3600): Promise<Server> => {
  const state: Omit<Server, 'base'> = { answers: [], logins: 0, good: '', isShut: false, seen: [] };
  const base = await start((request, response, body) => {
    const send = (status: number, json: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(json));
    };
    if (request.url === '/token') {
      state.logins += 1;
      state.seen.push(body);
      const [status, answer] = state.answers.shift() ?? [
        200,
        { access_token: `token-number-${state.logins}` },
      ];
      if (status === 200) state.good = (answer as { access_token: string }).access_token;
      return send(status, { expires_in: life, ...answer });
    }
    const given = request.headers.authorization ?? '';
    return !state.isShut && given === `Bearer ${state.good}`
      ? send(200, {})
      : send(401, { error: `bad ${given}` });
  });
  return Object.assign(state, { base });
};

const sessionOf = (
  { base }: Server,
  piped: () => Piped,
  more: Partial<Login> = {},
): Pick<Session, 'authorize' | 'login'> => ({
  authorize: (request: HttpRequest, grant) =>
    grant === undefined ? request : { ...request, headers: { authorization: `Bearer ${grant.access}` } },
  login: {
    seed: 'the secret of the app',
    keeps: false,
    renew: async (refresh) => {
      const { host } = piped().remote;
      const body = { refresh: refresh ?? null };
      const response = await host.request({
        method: 'POST',
        url: `${base}/token`,
        body,
        repeatable: true,
        login: true,
      });
      const {
        access_token: access,
        expires_in: life,
        refresh_token: next,
      } = response.json() as {
        access_token: string;
        expires_in: number;
        refresh_token?: string;
      };
      return {
        access,
        expiresAt: host.now() + life * 1000,
        ...(next === undefined ? {} : { refresh: next }),
      };
    },
    ...more,
  },
});

const piped = (remote: Server, options: Partial<RemoteOptions> = {}, more: Partial<Login> = {}): Piped => {
  const made: Piped = pipe(
    remote.base,
    options,
    sessionOf(remote, () => made, more),
  );
  return made;
};

const safeOf = (keys = newKey()): Safe & { readonly memory: SqliteStore } => {
  const memory = new SqliteStore({ file: ':memory:' });
  return { memory, store: async () => memory, keys: () => readKeys(keys, 'test') };
};

describe('without a key, what needs no keeping stays in memory', () => {
  it('many calls at once log in once', async () => {
    const remote = await server();
    const { get } = piped(remote);
    await Promise.all(Array.from({ length: 50 }, () => get('/me')));
    expect(remote.logins).toBe(1);
  });

  it('a token that the remote refuses is renewed once, and the calls that it was refused to go out again', async () => {
    const remote = await server();
    const { get, calls } = piped(remote);
    await get('/me');
    remote.good = 'somebody logged in elsewhere';
    await Promise.all(Array.from({ length: 20 }, () => get('/me', { method: 'POST', repeatable: false })));
    expect(remote.logins).toBe(2);
    expect(calls.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
  });

  it('a remote that refuses every token is asked for one more, and the call is forbidden', async () => {
    const remote = await server();
    const { get } = piped(remote);
    await get('/me');
    remote.isShut = true;
    const { kind } = await troubleOf(get('/me'));
    expect(kind).toBe('forbidden');
    expect(remote.logins).toBe(2);
  });

  it('near its end it is renewed beside the calls, and one that is over before them', async () => {
    const remote = await server(1000);
    let clock = 1_000_000_000_000;
    const { get } = piped(remote, { now: () => clock });
    await get('/me');
    clock += 700_000;
    await get('/me');
    expect(remote.logins).toBe(1);
    clock += 150_000;
    await get('/me').catch(() => undefined);
    await expect.poll(() => remote.logins).toBe(2);
    await get('/me');
    clock += 995_000;
    await get('/me');
    expect(remote.logins).toBe(3);
  });

  it('a token path that is down is unreachable, for writes too: nothing of them was sent', async () => {
    const remote = await server();
    remote.answers.push(...Array.from({ length: 20 }, (): [number, object] => [502, {}]));
    const { get, calls } = piped(remote, { breaker: { failures: 100 } });
    const { kind, message } = await troubleOf(get('/me', { method: 'POST', repeatable: false }));
    expect(kind).toBe('unreachable');
    expect(message).toContain('no token was issued');
    expect(calls.at(-1)?.outcome).toBe('unreachable');
  });

  it('an open breaker that lets one call through lets its login through too', async () => {
    const remote = await server();
    remote.answers.push(...Array.from({ length: 30 }, (): [number, object] => [500, {}]));
    const { get, remote: own } = piped(remote, { breaker: { failures: 2, resetMs: 50 } });
    while (own.state().breaker === 'closed') await troubleOf(get('/me'));
    remote.answers.length = 0;
    await expect.poll(() => own.state().breaker, { timeout: 5000 }).toBe('half-open');
    await get('/me');
    expect(own.state().breaker).toBe('closed');
  });

  it('secrets that are refused are forbidden, in the remote’s words', async () => {
    const remote = await server();
    remote.answers.push([400, { error: 'invalid_client' }]);
    const { kind, message } = await troubleOf(piped(remote).get('/me'));
    expect(kind).toBe('forbidden');
    expect(message).toMatch(/does not take the secrets of connection crm any more: .*invalid_client/u);
  });

  it('a login that must be kept is refused before anything is sent', async () => {
    const remote = await server();
    await expect(piped(remote, {}, { keeps: true }).get('/me')).rejects.toMatchObject({
      code: 'key-missing',
    });
    await expect(piped(remote, { safe: safeOf('') }, { keeps: true }).get('/me')).rejects.toMatchObject({
      code: 'key-missing',
    });
    expect(remote.logins).toBe(0);
  });

  it('a login that keeps nothing and gives what must be kept breaks the contract', async () => {
    const remote = await server();
    remote.answers.push([200, { access_token: 'token-one', refresh_token: 'refresh-one' }]);
    await expect(piped(remote).get('/me')).rejects.toMatchObject({ code: 'connector-contract' });
  });
});

describe('with a key', () => {
  it('a token is shared by all that use the store, until the settings change', async () => {
    const remote = await server();
    const safe = safeOf();
    await piped(remote, { safe }).get('/me');
    await piped(remote, { safe }).get('/me');
    expect(remote.logins).toBe(1);
    await piped(remote, { safe }, { seed: 'another secret' }).get('/me');
    expect(remote.logins).toBe(2);
  });

  it('a remote that gives no new refresh token leaves the one before in use', async () => {
    const remote = await server();
    const safe = safeOf();
    remote.answers.push([200, { access_token: 'token-one', refresh_token: 'refresh-one' }]);
    const { get } = piped(remote, { safe }, { keeps: true });
    await get('/me');
    for (let i = 0; i < 2; i += 1) {
      remote.good = 'nothing';
      await get('/me');
    }
    expect(remote.seen.map((body) => (JSON.parse(body) as { refresh: string }).refresh)).toEqual([
      null,
      'refresh-one',
      'refresh-one',
    ]);
  });

  it('a store that is away is waited for: the token is used once it is on disk', async () => {
    const remote = await server();
    const safe = safeOf();
    const { memory } = safe;
    let failures = 0;
    const flaky = new Proxy(memory, {
      get: (target, name) => {
        const own = Reflect.get(target, name) as unknown;
        if (typeof own !== 'function') return own;
        return async (...given: unknown[]) => {
          if (name === 'commit' && remote.logins > 0 && failures < 3) {
            failures += 1;
            throw new Error('no room on the disk');
          }
          return (own as (...all: unknown[]) => unknown).apply(target, given);
        };
      },
    });
    const { get, lines } = piped(remote, { safe: { ...safe, store: async () => flaky } });
    await get('/me');
    expect(failures).toBe(3);
    expect(remote.logins).toBe(1);
    expect(lines.map(({ text }) => text)).toContain(
      'a renewed token cannot be stored yet; it is tried again',
    );
    expect((await memory.get('credential', { connection: 'crm', name: 'login' }))?.['fence']).toBe(1);
  });

  it('a row that was changed opens for nobody, and nothing is sent', async () => {
    const remote = await server();
    const safe = safeOf();
    await piped(remote, { safe }).get('/me');
    const key = { connection: 'crm', name: 'login' };
    const sealed = String((await safe.memory.get('credential', key))?.['sealed']);
    const row = { sealed: sealed.replace(/.$/u, (last) => (last === 'A' ? 'B' : 'A')) };
    await safe.memory.commit([{ when: [], write: [{ op: 'set', table: 'credential', key, row }] }]);
    await expect(piped(remote, { safe }).get('/me')).rejects.toMatchObject({ code: 'seal-broken' });
    expect(remote.logins).toBe(1);
  });

  it('closing waits for a renewal under way, so that what comes is kept', async () => {
    const remote = await server();
    const safe = safeOf();
    const one = piped(remote, { safe });
    const call = one.get('/me').catch(() => undefined);
    await expect.poll(() => remote.logins).toBe(1);
    await one.remote.close();
    await call;
    expect((await safe.memory.get('credential', { connection: 'crm', name: 'login' }))?.['fence']).toBe(1);
  });

  it('no text shows a token: not what the connector logs of an answer, not what the remote repeats', async () => {
    const remote = await server();
    const safe = safeOf();
    const made = piped(remote, { safe });
    await made.get('/me');
    made.remote.host.log('info', 'have token-number-1', { again: 'token-number-1' });
    remote.good = 'nothing';
    remote.answers.push([400, { error: 'no more after token-number-1' }]);
    const trouble = await troubleOf(made.get('/me'));
    expect(JSON.stringify([made.lines, trouble.message, trouble.stack])).not.toContain('token-number');
  });
});
