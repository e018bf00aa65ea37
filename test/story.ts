/** Builds whole installations for end-to-end tests: sandboxes on real ports, a folder, a gateway, its HTTP server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { loadSandbox } from '../src/connections.ts';
import { Gateway, type GatewayOptions } from '../src/gateway.ts';
import { listen } from '../src/http/app.ts';
import { createMetrics, tellingOf } from '../src/http/metrics.ts';
import { traceFields } from '../src/trace.ts';
import { serve, type ServeOptions, type Served } from '../src/simulate/serve.ts';

export const app = '5f1e000000000000000000a1';
export const form = '60a2000000000000000000b2';
const clientSecret = 'story-hubspot-secret';

export const freePort = async (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

export interface StoryOptions {
  readonly hubspot?: Partial<ServeOptions<object>> & { readonly sandbox?: object };
  readonly crm?: Partial<ServeOptions<object>> & { readonly sandbox?: object };
  /** Text for `entities:` and `syncs:` (YAML); a usual pair of contact syncs if absent. */
  readonly config?: string;
  /** What the gateway finds in its environment: DATABASE_URL for a store in PostgreSQL. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Folder of mappings and the like, written into the installation before it opens. */
  readonly files?: Readonly<Record<string, string>>;
  /** The clock of the systems and of the gateway, UTC ms; the machine's if absent. */
  now?(): number;
}

/** How much longer everything is waited for, on a machine that others keep busy. */
const slowness = Number(process.env['STORY_PATIENCE'] ?? 1);

export const usual = `
entities:
  contact: { keys: [[mobile, name], [email]], protect: [customerId], conflict: newest }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live, poll: 2s }
  crm-contacts: { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true, mode: live, poll: 2s }
`;

/** Sandboxes and a folder; the gateway is opened apart, so that a test may kill and reopen it. */
export class Story {
  readonly folder: string;
  readonly port: number;
  readonly hubspot: Served<unknown>;
  readonly crm: Served<unknown>;
  readonly environment: Readonly<Record<string, string>>;
  gateway: Gateway | undefined;
  #web: { close(): Promise<void> } | undefined;
  readonly #clock: Pick<StoryOptions, 'now'>;

  private constructor(
    folder: string,
    port: number,
    systems: { readonly hubspot: Served<unknown>; readonly crm: Served<unknown> },
    options: {
      readonly clock: Pick<StoryOptions, 'now'>;
      readonly environment: Readonly<Record<string, string>>;
    },
  ) {
    this.environment = options.environment;
    this.folder = folder;
    this.port = port;
    this.hubspot = systems.hubspot;
    this.crm = systems.crm;
    this.#clock = options.clock;
  }

  static async begin(options: StoryOptions = {}): Promise<Story> {
    const port = await freePort();
    const hooks = `http://127.0.0.1:${port}/hooks`;
    const { sandbox: hubspotOptions, ...hubspotServe } = options.hubspot ?? {};
    const { sandbox: crmOptions, ...crmServe } = options.crm ?? {};
    const clock = options.now === undefined ? {} : { now: options.now };
    const hubspot = await serve(await loadSandbox('hubspot'), {
      ...clock,
      ...hubspotServe,
      options: {
        token: 'pat-story',
        clientSecret,
        hookUrl: `${hooks}/hubspot`,
        hookDelay: 50,
        searchLag: 100,
        tenSecondLimit: 0,
        searchLimit: 0,
        dailyLimit: 0,
        ...hubspotOptions,
      },
    });
    const crm = await serve(await loadSandbox('jiandaoyun'), {
      ...clock,
      ...crmServe,
      options: {
        apiKey: 'story-key',
        hookSecret: 'story-hook',
        hookUrl: `${hooks}/crm`,
        app,
        entries: { contact: form },
        hookDelay: 50,
        limits: false,
        ...crmOptions,
      },
    });
    const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-story-'));
    writeFileSync(
      path.join(folder, 'crosswalk.yaml'),
      `allowInlineSecrets: true
server: { port: ${port}, publicUrl: "http://127.0.0.1:${port}" }
connections:
  hubspot: { connector: hubspot, settings: { token: pat-story, clientSecret: ${clientSecret}, baseUrl: "${hubspot.url}" } }
  crm: { connector: jiandaoyun, settings: { apiKey: story-key, hookSecret: story-hook, app: "${app}", entries: { contact: "${form}" }, baseUrl: "${crm.url}/api" } }
${options.config ?? usual}`,
    );
    for (const [name, text] of Object.entries(options.files ?? {}))
      writeFileSync(path.join(folder, name), text);
    return new Story(folder, port, { hubspot, crm }, { clock, environment: options.environment ?? {} });
  }

  async open(options: Partial<GatewayOptions> = {}): Promise<Gateway> {
    const level = process.env['STORY_LOG'] ?? 'silent';
    const log = pino({ level, mixin: traceFields }, pino.destination(2));
    const metrics = createMetrics();
    this.gateway = await Gateway.open(this.folder, {
      ...this.#clock,
      environment: this.environment,
      log,
      ...tellingOf(metrics),
      ...options,
    });
    this.#web = await listen(this.gateway, { port: this.port, metrics });
    await this.gateway.start();
    return this.gateway;
  }

  async closeGateway(): Promise<void> {
    await this.#web?.close();
    await this.gateway?.stop();
    this.gateway = undefined;
  }

  async end(): Promise<void> {
    await this.closeGateway();
    await Promise.all([this.hubspot.close(), this.crm.close()]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  // ------------------------------------------------------------ the systems, as a person sees them

  async inHubspot(method: string, url: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.hubspot.url + url, {
      method,
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer pat-story',
        'x-sandbox-actor': 'person:Lin',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok && response.status !== 207) throw new Error(`HubSpot ${response.status}: ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  }

  async inCrm(call: string, body: Record<string, unknown>): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.crm.url}/api/v5/app/entry/data/${call}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer story-key',
        'x-sandbox-actor': 'person:zhang',
      },
      body: JSON.stringify({ app_id: app, entry_id: form, ...body }),
    });
    if (!response.ok) throw new Error(`CRM ${response.status}: ${await response.text()}`);
    return (await response.json()) as Record<string, unknown>;
  }

  async fileContacts(rows: readonly Record<string, string>[]): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < rows.length; i += 100) {
      const inputs = rows.slice(i, i + 100).map((properties) => ({ properties }));
      const { results } = (await this.inHubspot('POST', '/crm/v3/objects/contacts/batch/create', {
        inputs,
      })) as { results: { id: string }[] };
      ids.push(...results.map((one) => one.id));
    }
    return ids;
  }

  async crmRows(): Promise<Record<string, unknown>[]> {
    const rows: Record<string, unknown>[] = [];
    for (;;) {
      const last = rows.at(-1)?.['_id'];
      const { data } = (await this.inCrm('list', {
        limit: 100,
        ...(last === undefined ? {} : { data_id: last }),
      })) as { data: Record<string, unknown>[] };
      rows.push(...data);
      if (data.length < 100) return rows;
    }
  }

  async hubspotRows(properties: string): Promise<Record<string, unknown>[]> {
    const rows: Record<string, unknown>[] = [];
    let after = '';
    for (;;) {
      const page = (await this.inHubspot(
        'GET',
        `/crm/v3/objects/contacts?limit=100&properties=${properties}${after}`,
      )) as {
        results: { id: string; properties: Record<string, unknown> }[];
        paging?: { next?: { after: string } };
      };
      rows.push(...page.results.map((one) => ({ id: one.id, ...one.properties })));
      if (page.paging?.next === undefined) return rows;
      after = `&after=${page.paging.next.after}`;
    }
  }

  /** Nothing is waiting in the gateway: no touches, no effects to deliver. */
  async atRest(patience = 60_000): Promise<boolean> {
    const end = Date.now() + patience * slowness;
    let calm = 0;
    while (Date.now() < end) {
      const store = this.gateway?.store;
      if (store === undefined) return false;
      const open =
        (await store.count('effect', 'state', { state: 'open' })) +
        (await store.count('effect', 'state', { state: 'unsettled' }));
      const touches = await store.count('touch', 'due', {});
      calm = open + touches === 0 && this.hubspot.pending() === 0 && this.crm.pending() === 0 ? calm + 1 : 0;
      if (calm >= 4) return true;
      await sleep(100);
    }
    return false;
  }
}

export const eventually = async <Found>(
  look: () => Promise<Found | undefined | false>,
  patience = 20_000,
): Promise<Found> => {
  const end = Date.now() + patience * slowness;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error('it was not seen in time');
    await sleep(50);
  }
};
