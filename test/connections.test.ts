import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import type { Config } from '../src/config.ts';
import { closeConnections, findConnectors, loadConnector, openConnections } from '../src/connections.ts';
import type { Connection, World } from '../src/connections.ts';
import type { Connector, JsonObject, JsonSchema } from '../src/connector.ts';
import { CrosswalkError } from '../src/errors.ts';
import { httpResponse } from '../src/exchange.ts';
import { readSettings, resolveText } from '../src/settings.ts';
import type { SettingsContext } from '../src/settings.ts';

const SECRET = 'hunter22-of-the-crm';
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'cw-connections-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): void => {
  mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
  writeFileSync(path.join(folder, name), text);
};

const toy = (name: string, more = ''): string => `
export default {
  name: '${name}',
  title: 'A toy',
  settings: {
    type: 'object', additionalProperties: false, required: ['token'],
    properties: {
      token: { type: 'string', secret: true, description: 'Token' },
      base: { type: 'string', description: 'Address', default: 'https://toy.example' },
    },
  },
  hosts: (settings) => [settings.base],
  open: (settings, host) => ({
    kinds: {},
    check: async () => {
      host.log('info', 'checking with ' + settings.token);
      const response = await host.request({ method: 'GET', url: settings.base + '/me', repeatable: true });
      return response.json().name;
    },
    authorize: (request) => ({ ...request, headers: { authorization: settings.token } }),
  }),
  ${more}
};
`;

describe('finding and loading', () => {
  test('finds folders with an entry, and an installation’s own stand in for built-in ones', async () => {
    write('builtin/alpha/index.ts', toy('alpha'));
    write('builtin/beta/index.js', toy('beta'));
    write('builtin/notes/README.md', 'none');
    write('home/connectors/beta/index.js', toy('beta', "sunset: 'mine',"));
    const folders = findConnectors(path.join(folder, 'home'), path.join(folder, 'builtin'));
    expect([...folders.keys()]).toEqual(['alpha', 'beta']);
    expect(folders.get('beta')).toBe(path.join(folder, 'home/connectors/beta'));
    expect((await loadConnector('alpha', folders)).title).toBe('A toy');
  });

  test('folders that are not there are no error', () => {
    expect(findConnectors(path.join(folder, 'nowhere'), path.join(folder, 'neither')).size).toBe(0);
  });

  test('an unknown name is told with the one that was meant, and what there is', async () => {
    write('builtin/hubspot/index.js', toy('hubspot'));
    const folders = findConnectors(undefined, path.join(folder, 'builtin'));
    const place = { file: 'crosswalk.yaml', line: 3 };
    const error = (await loadConnector('hubspt', folders, place).catch(
      (reason: unknown) => reason,
    )) as CrosswalkError;
    expect(error.message).toBe('crosswalk.yaml:3: There is no connector hubspt; did you mean hubspot?.');
    expect(error.remedy).toContain('hubspot');
  });

  test.each([
    ['broken', 'export default {', 'connector-broken', /cannot be loaded/u],
    ['empty', 'export const x = 1;', 'connector-broken', /no default export/u],
    ['renamed', toy('other'), 'connector-broken', /its name is other, and its folder is renamed/u],
    ['thrower', "throw new Error('at once');", 'connector-broken', /at once/u],
    [
      'bare',
      "export default { name: 'bare', title: 'B', settings: {} };",
      'connector-broken',
      /lacks hosts or open/u,
    ],
  ])('a connector that is %s', async (name, text, code, words) => {
    write(`builtin/${name}/index.js`, text);
    const folders = findConnectors(undefined, path.join(folder, 'builtin'));
    await expect(loadConnector(name, folders)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(words),
    });
  });
});

describe('references', () => {
  const at = (environment: Record<string, string>) => ({ environment, folder });

  test('environment and files are filled in, once, and a file’s last line break is left out', () => {
    write('secret.txt', 'from file\n');
    const text = '${env:A}-${file:secret.txt}-${env:A}';
    expect(resolveText(text, 'x', at({ A: '${env:B}$&', B: 'no' }))).toBe('${env:B}$&-from file-${env:B}$&');
    expect(resolveText('plain $5 ${other:x} ${}', 'x', at({}))).toBe('plain $5 ${other:x} ${}');
  });

  test.each([
    ['${env:NONE}', 'x: ${env:NONE} is not set'],
    ['${env:EMPTY}', 'x: ${env:EMPTY} is not set'],
    ['${env:toString}', 'x: ${env:toString} is not set'],
    ['${file:none.txt}', 'x: ${file:none.txt} cannot be read'],
    ['${file:empty.txt}', 'x: ${file:empty.txt} is empty'],
    ['${file:.}', 'x: ${file:.} cannot be read'],
  ])('%s', (text, words) => {
    write('empty.txt', '\n');
    expect(() => resolveText(text, 'x', at({ EMPTY: '' }))).toThrow(words);
  });
});

describe('settings', () => {
  const schema: JsonSchema = {
    type: 'object',
    additionalProperties: false,
    required: ['apiKey'],
    properties: {
      apiKey: { type: 'string', minLength: 5, secret: true, description: 'Key' },
      region: { enum: ['cn', 'eu'], default: 'cn', description: 'Region' },
      base: { type: 'string', format: 'uri', description: 'Address' },
      port: { type: 'integer', description: 'Port' },
      nested: { $ref: '#/$defs/nested' },
      list: { type: 'array', items: { type: 'string', secret: true } },
      keys: { type: 'object', additionalProperties: { type: 'string', secret: true } },
    },
    $defs: {
      nested: {
        type: 'object',
        properties: { pin: { anyOf: [{ type: 'string', secret: true }, { type: 'null' }] } },
      },
    },
  };
  const connector = { name: 'toy', settings: schema } as unknown as Connector;

  const context = (more: Partial<SettingsContext> = {}): SettingsContext => ({
    connection: 'crm',
    environment: { KEY: SECRET, HOST: 'erp.example', PIN: 'pin-1234' },
    folder,
    allowInlineSecrets: false,
    place: (pointer) => ({ file: 'crosswalk.yaml', line: 7, pointer }),
    ...more,
  });

  const fault = (given: JsonObject, more?: Partial<SettingsContext>): CrosswalkError => {
    try {
      readSettings(connector, given, context(more));
    } catch (error) {
      expect(error).toBeInstanceOf(CrosswalkError);
      return error as CrosswalkError;
    }
    throw new Error('no fault');
  };

  test('resolves references, fills in defaults, lists secrets, and shows references instead of them', () => {
    const given = {
      apiKey: '${env:KEY}',
      base: 'https://${env:HOST}/api',
      nested: { pin: '${env:PIN}' },
      list: ['${env:PIN}'],
      keys: { a: '${env:PIN}' },
    };
    const { values, masked, secrets } = readSettings(connector, given, context());
    expect(values).toEqual({
      apiKey: SECRET,
      base: 'https://erp.example/api',
      region: 'cn',
      nested: { pin: 'pin-1234' },
      list: ['pin-1234'],
      keys: { a: 'pin-1234' },
    });
    expect(masked).toEqual(given);
    expect(secrets).toEqual([SECRET, 'pin-1234', 'pin-1234', 'pin-1234']);
  });

  test.each([
    ['apiKey', { apiKey: SECRET }],
    ['apiKey', { apiKey: `${SECRET}\${env:KEY}` }],
    ['nested.pin', { apiKey: '${env:KEY}', nested: { pin: SECRET } }],
    ['list.0', { apiKey: '${env:KEY}', list: [SECRET] }],
    ['keys.a', { apiKey: '${env:KEY}', keys: { a: SECRET } }],
  ])('a secret that stands inline at %s is refused without being shown', (setting, given) => {
    const error = fault(given);
    expect(error.code).toBe('setting-inline-secret');
    expect(error.message).toContain(
      `crosswalk.yaml:7 /${setting.replace('.', '/')}: Connection crm: ${setting} is a secret`,
    );
    expect(JSON.stringify([error.message, error.remedy, error.params, error.stack])).not.toContain(SECRET);
  });

  test('inline secrets may be allowed, and are blotted out all the same', () => {
    const { masked, secrets } = readSettings(
      connector,
      { apiKey: SECRET },
      context({ allowInlineSecrets: true }),
    );
    expect(masked).toEqual({ apiKey: '•••' });
    expect(secrets).toEqual([SECRET]);
  });

  test.each([
    [{ apiKey: '${env:KEY}', regoin: 'cn' }, 'regoin is no setting of it; did you mean region?'],
    [{}, 'apiKey is missing'],
    [{ apiKey: '${env:KEY}', region: 'us-private' }, 'region must be one of "cn", "eu"'],
    [{ apiKey: '${env:KEY}', port: 'p-private' }, 'port must be integer'],
    [{ apiKey: '${env:KEY}', base: 'not a private url' }, 'base must match format "uri"'],
    [{ apiKey: '${env:SHORT}' }, 'apiKey must NOT have fewer than 5 characters'],
  ])('%j', (given, words) => {
    const error = fault(given as JsonObject, { environment: { KEY: SECRET, SHORT: 'abcd' } });
    expect(error.code).toBe('settings-shape');
    expect(error.message).toContain(`Connection crm: ${words}`);
    expect(JSON.stringify([error.message, error.params])).not.toMatch(/private|abcd/u);
  });

  test('hostile names and depth', () => {
    const hostile = JSON.parse('{"apiKey":"${env:KEY}","__proto__":{"region":"eu"}}') as JsonObject;
    expect(fault(hostile).code).toBe('settings-shape');
    let deep: JsonObject = {};
    for (let i = 0; i < 5000; i += 1) deep = { deep };
    expect(fault({ apiKey: '${env:KEY}', nested: deep }).message).toContain('nested too deeply');
  });

  test('a settings schema with an unknown word is the connector’s fault', () => {
    const wrong = { name: 'toy', settings: { type: 'object', secrte: true } } as unknown as Connector;
    expect(() => readSettings(wrong, {}, context())).toThrow(/settings are no schema/u);
  });
});

describe('opening', () => {
  const known = { mappings: new Map(), entities: new Map() };
  const config = (text: string): Config => {
    const reading = readConfig(text, path.join(folder, 'crosswalk.yaml'), known, {});
    if (reading.config === undefined) throw reading.faults[0];
    return reading.config;
  };
  const lines: unknown[] = [];
  const sent: unknown[] = [];
  const world = (): World => ({
    environment: { TOKEN: SECRET },
    now: Date.now,
    random: () => 0,
    log: (connection, level, text) => lines.push([connection, level, text]),
    exchange: {
      send: async (request) => {
        sent.push(request);
        return httpResponse(200, {}, new TextEncoder().encode('{"name":"Li"}'));
      },
      close: async () => {},
    },
  });
  const open = (text: string): Promise<ReadonlyMap<string, Connection>> =>
    openConnections(config(text), findConnectors(folder, path.join(folder, 'none')), world());

  test('a session reaches the remote through its pipe, authorised, and its log shows no secret', async () => {
    write('connectors/toy/index.js', toy('toy'));
    const connections = await open(
      'connections: { crm: { connector: toy, settings: { token: "${env:TOKEN}" } } }',
    );
    const crm = connections.get('crm');
    expect(await crm?.session.check()).toBe('Li');
    expect(sent).toMatchObject([{ url: 'https://toy.example/me', headers: { authorization: SECRET } }]);
    expect(lines).toEqual([
      ['crm', 'info', 'checking with •••'],
      ['crm', 'debug', 'called'],
    ]);
    expect(crm?.settings).toEqual({ token: '${env:TOKEN}' });
    expect(crm?.remote.state().breaker).toBe('closed');
    await closeConnections(connections);
    await expect(crm?.session.check()).rejects.toMatchObject({ kind: 'unreachable' });
  });

  test('faults name file and line', async () => {
    write('connectors/toy/index.js', toy('toy'));
    await expect(open('connections:\n  crm:\n    connector: toi')).rejects.toThrow(
      /crosswalk.yaml:3 .*did you mean toy/u,
    );
    const missing = 'connections:\n  crm:\n    connector: toy\n    settings:\n      token: "${env:NOPE}"';
    await expect(open(missing)).rejects.toThrow(
      /crosswalk.yaml:5 .*setting token: \$\{env:NOPE\} is not set/u,
    );
    const inline = missing.replace('${env:NOPE}', SECRET);
    await expect(open(inline)).rejects.toThrow(/crosswalk.yaml:5 .*token is a secret/u);
    const allowed = await open(`${inline}\nallowInlineSecrets: true`);
    expect(allowed.get('crm')?.settings).toEqual({ token: '•••' });
    await closeConnections(allowed);
  });

  test('what a connector looks up is kept as it declares, or as long as the installation says', async () => {
    write(
      'connectors/stock/index.js',
      toy(
        'stock',
        `lookups: { stock: { keep: 900000, stale: 0, absent: 1000, of: 'material' } },
         open: (settings, host) => ({ kinds: {}, check: () => host.lookup('stock', 'A-1', async () =>
           (await host.request({ method: 'GET', url: 'https://toy.example/stock/A-1' })).json()) }),`,
      ),
    );
    const text = (lookups: string): string =>
      `connections: { erp: { connector: stock, settings: { token: "\${env:TOKEN}" }${lookups} } }`;
    const before = sent.length;
    let clock = 0;
    const told: unknown[] = [];
    const opened = async (lookups: string): Promise<Connection | undefined> =>
      (
        await openConnections(config(text(lookups)), findConnectors(folder, path.join(folder, 'none')), {
          ...world(),
          now: () => clock,
          onLookup: (...one) => told.push(one),
        })
      ).get('erp');
    const usual = await opened('');
    await Promise.all([usual?.session.check(), usual?.session.check()]);
    clock = 899_999;
    await usual?.session.check();
    expect(sent.length - before).toBe(1);
    usual?.lookups.touched('material', 'A-1');
    expect(await usual?.session.check()).toEqual({ name: 'Li' });
    expect(sent.length - before).toBe(2);
    const short = await opened(', lookups: { stock: { keep: 30s, stale: 0s } }');
    await short?.session.check();
    clock += 30_000;
    await short?.session.check();
    expect(sent.length - before).toBe(4);
    expect(told).toEqual(
      ['loaded', 'fresh', 'loaded', 'loaded', 'loaded'].map((outcome) => ['erp', 'stock', outcome]),
    );
    await expect(opened(', lookups: { stok: { keep: 30s } }')).rejects.toThrow(
      /lookups\.stok is nothing that stock looks up; did you mean stock\?/u,
    );
  });

  test('a connector that cannot be opened is told without secrets', async () => {
    write(
      'connectors/picky/index.js',
      toy('picky', "open: (settings) => { throw new Error('bad key ' + settings.token); },"),
    );
    const text = 'connections: { crm: { connector: picky, settings: { token: "${env:TOKEN}" } } }';
    await expect(open(text)).rejects.toThrow(
      'Connection crm cannot be opened with these settings: bad key •••.',
    );
  });
});
