/**
 * A token server on loopback, and a connector to it: refresh tokens are good once, each renewal gives another. It counts
 * renewals, knows every secret that it has ever given, and can hold or lose its answers.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

export interface IssuerOptions {
  /** Seconds that an access token lives. */
  readonly life?: number;
  /** ms that a renewal takes. */
  readonly slow?: number;
}

export class Issuer {
  readonly first = `rt-0-${randomBytes(12).toString('hex')}`;
  /** Every token that it has given. */
  readonly secrets: string[] = [this.first];
  renewals = 0;
  refused = 0;
  calls = 0;
  /** Called with each renewal before it is worked; may hold it. */
  before: () => Promise<void> = async () => undefined;
  /** Called with each renewal after it is worked, before its answer; may hold it. */
  after: () => Promise<void> = async () => undefined;
  /** Answers of the token path that are cut off after they are worked. */
  cut = 0;
  #refresh = this.first;
  readonly #access = new Map<string, number>();
  readonly #options: IssuerOptions;
  readonly #server: Server;

  private constructor(options: IssuerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        const work =
          request.url === '/token'
            ? this.#token(body, response)
            : this.#me(request.headers.authorization, response);
        work.catch((error: unknown) => response.destroy(error as Error));
      });
    });
  }

  static async start(options: IssuerOptions = {}): Promise<Issuer> {
    const issuer = new Issuer(options);
    await new Promise<void>((done) => issuer.#server.listen(0, '127.0.0.1', done));
    return issuer;
  }

  get base(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Access tokens are no good any more; refresh tokens stay. */
  revoke(): void {
    this.#access.clear();
  }

  /** A person authorises anew: another chain of refresh tokens. */
  authorise(): string {
    this.#refresh = this.#make('rt');
    return this.#refresh;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #make(kind: string): string {
    const made = `${kind}-${this.renewals}-${randomBytes(12).toString('hex')}`;
    this.secrets.push(made);
    return made;
  }

  async #token(body: string, response: ServerResponse): Promise<void> {
    await this.before();
    const { refresh_token: given } = JSON.parse(body) as { refresh_token: string };
    if (given !== this.#refresh) {
      this.refused += 1;
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ error: 'invalid_grant', error_description: `unknown refresh token ${given}` }),
      );
      return;
    }
    this.renewals += 1;
    this.#refresh = this.#make('rt');
    const access = this.#make('at');
    const { life = 3600, slow = 0 } = this.#options;
    const answer = { access_token: access, refresh_token: this.#refresh, expires_in: life };
    await new Promise((done) => setTimeout(done, slow));
    this.#access.set(access, Date.now() + life * 1000);
    await this.after();
    if (this.cut > 0) {
      this.cut -= 1;
      response.destroy();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  }

  async #me(authorization: string | undefined, response: ServerResponse): Promise<void> {
    this.calls += 1;
    const access = (authorization ?? '').replace('Bearer ', '');
    const isGood = (this.#access.get(access) ?? 0) > Date.now();
    response.writeHead(isGood ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isGood ? { name: 'me' } : { error: `bad token ${access}` }));
  }
}

const connector = `export default {
  name: 'issuer',
  title: 'A token server',
  settings: {
    type: 'object', additionalProperties: false, required: ['base', 'refreshToken'],
    properties: {
      base: { type: 'string', description: 'Address' },
      refreshToken: { type: 'string', secret: true, description: 'The first refresh token' },
      certificate: { type: 'string', description: 'PEM' },
    },
  },
  hosts: (given) => [given.base],
  sunset: () => [{ what: 'API version v1', last: '2030-06-30', instead: 'Set the version to v2.' }],
  open: (given, host) => ({
    kinds: {},
    check: async () =>
      (await host.request({ method: 'GET', url: given.base + '/me', repeatable: true })).json().name,
    login: {
      seed: given.refreshToken,
      keeps: true,
      renew: async (refresh) => {
        const body = { refresh_token: refresh ?? given.refreshToken };
        const answer = await host.request({ method: 'POST', url: given.base + '/token', body, repeatable: false, login: true });
        const { access_token: access, refresh_token: next, expires_in: life } = answer.json();
        host.log('debug', 'renewed to ' + access + ' and ' + next);
        const now = host.now();
        return { access, refresh: next, expiresAt: now + life * 1000, refreshUntil: now + 90 * 86400000 };
      },
    },
    authorize: (request, grant) =>
      grant === undefined ? request : { ...request, headers: { authorization: 'Bearer ' + grant.access } },
  }),
};
`;

/** An installation with one connection to the issuer. */
export const installation = (folder: string, issuer: Issuer, more = '', settings = ''): void => {
  mkdirSync(path.join(folder, 'connectors/issuer'), { recursive: true });
  writeFileSync(path.join(folder, 'connectors/issuer/index.js'), connector);
  writeFileSync(
    path.join(folder, 'crosswalk.yaml'),
    `connections:
  partner:
    connector: issuer
    settings: { base: "${issuer.base}", refreshToken: "\${env:PARTNER_REFRESH}"${settings} }
${more}`,
  );
};
