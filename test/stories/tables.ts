/**
 * Two systems with big tables, and an installation with a connector of its own to them: real HTTP, a thousand
 * rows a request, so that a story about many thousands is told in seconds.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { JsonObject } from '../../src/connector.ts';

interface Row {
  readonly value: JsonObject;
  readonly modifiedAt: number;
}

export interface TableOptions {
  /** Rows a page of a scan. */
  readonly page?: number;
  /** Tells how many rows there are. */
  readonly total?: boolean;
}

/** One system: a table of rows behind a port. */
export class Table {
  readonly rows = new Map<string, Row>();
  /** Happens before a request is answered; what it gives is answered instead. */
  before: (
    url: string,
    body: Record<string, unknown>,
  ) => Promise<{ status: number; retryAfter: number } | void> = async () => undefined;
  readonly #options: TableOptions;
  /** Rows that were written over HTTP. */
  written = 0;
  #server: Server | undefined;
  url = '';

  constructor(options: TableOptions = {}) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', async () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
        const instead = await this.before(request.url ?? '', body);
        if (instead !== undefined) {
          response.statusCode = instead.status;
          response.setHeader('retry-after', String(instead.retryAfter));
          return response.end('{}');
        }
        response.setHeader('content-type', 'application/json');
        return response.end(JSON.stringify(this.#answer(request.url ?? '', body)));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  put(id: string, value: JsonObject): void {
    this.rows.set(id, { value, modifiedAt: Date.now() });
  }

  /** Everything that it holds, as text. */
  text(): string {
    const sorted = [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([id, { value }]) => `${id} ${JSON.stringify(value)}`).join('\n');
  }

  #show(id: string): object | null {
    const row = this.rows.get(id);
    return row === undefined ? null : { id, ...row };
  }

  #answer(url: string, body: Record<string, unknown>): unknown {
    if (url === '/scan') {
      const ids = [...this.rows.keys()].sort().filter((id) => id > String(body['after'] ?? ''));
      const { page = 1000, total = false } = this.#options;
      const objects = ids.slice(0, page).map((id) => this.#show(id));
      const next = ids.length > page ? ids[page - 1] : null;
      return { objects, next, ...(total ? { total: this.rows.size } : {}) };
    }
    if (url === '/read') return (body['ids'] as string[]).map((id) => this.#show(id));
    const items = body['items'] as { id?: string; value: JsonObject }[];
    return items.map(({ id = `n${String(this.rows.size + 1).padStart(6, '0')}`, value }) => {
      this.written += 1;
      this.put(id, { ...this.rows.get(id)?.value, ...value });
      return this.#show(id);
    });
  }
}

const places = ['name', 'email', 'customer_id'] as const;

const connector = `
const text = { type: ['string', 'null'] };
const schema = { type: 'object', properties: { ${places.map((place) => `${place}: text`).join(', ')} } };
export default {
  name: 'table',
  title: 'A table',
  settings: { type: 'object', additionalProperties: false, required: ['url'], properties: { url: { type: 'string', description: 'Where it is' } } },
  hosts: ({ url }) => [url],
  open: ({ url }, host) => {
    const ask = async (path, body) =>
      (await host.request({ method: 'POST', url: url + path, body, repeatable: path === '/scan' || path === '/read' })).json();
    const done = async (items) => (await ask('/write', { items })).map((object) => ({ is: 'done', id: object.id, object }));
    return {
      check: async () => 'it answers',
      kinds: {
        contact: {
          schema,
          readMost: 1000,
          scan: (page) => ask('/scan', page === null ? {} : { after: page }),
          read: async (ids) => {
            const objects = await ask('/read', { ids });
            return new Map(ids.map((id, i) => [id, objects[i] === null ? { is: 'gone' } : { is: 'object', object: objects[i] }]));
          },
          create: { most: 1000, atomic: false, keyed: false, send: (items) => done(items.map(({ value }) => ({ value }))) },
          update: { most: 1000, atomic: false, keyed: false, send: (items) => done(items.map(({ id, value }) => ({ id, value }))) },
        },
      },
    };
  },
};
`;

const mapping = {
  name: 'table-contact',
  remote: { connector: 'table', kind: 'contact' },
  entity: 'contact',
  overflow: 'park',
  fields: { name: { at: '/name' }, email: { at: '/email' }, customerId: { at: '/customer_id' } },
  ignored: [],
  examples: [
    {
      remote: { name: 'Ann', email: 'ann@x.cn', customer_id: 'KH-1' },
      entity: { name: 'Ann', email: 'ann@x.cn', customerId: 'KH-1' },
    },
  ],
};

/** The folder of an installation between two tables; `entity` is what it says about contacts. */
export const installTables = (a: Table, b: Table, entity: string): string => {
  const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-tables-'));
  mkdirSync(path.join(folder, 'mappings'));
  mkdirSync(path.join(folder, 'connectors', 'table'), { recursive: true });
  writeFileSync(path.join(folder, 'connectors', 'table', 'index.js'), connector);
  writeFileSync(path.join(folder, 'mappings', 'contact.json'), JSON.stringify(mapping));
  writeFileSync(
    path.join(folder, 'crosswalk.yaml'),
    `connections:
  crm: { connector: table, settings: { url: "${a.url}" } }
  erp: { connector: table, settings: { url: "${b.url}" } }
entities:
  contact: ${entity}
syncs:
  crm-contacts: { connection: crm, mapping: table-contact, direction: both, create: true, mode: live }
  erp-contacts: { connection: erp, mapping: table-contact, direction: both, create: true, mode: live }
`,
  );
  return folder;
};

export const removeFolder = (folder: string): void => rmSync(folder, { recursive: true, force: true });
