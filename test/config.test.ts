import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig, readConfig } from '../src/config.ts';
import { rulesOf } from '../src/config-rules.ts';
import type { Config, Known } from '../src/config.ts';
import type { CrosswalkError } from '../src/errors.ts';

const known: Known = {
  mappings: new Map([
    ['jdy-contact', { entity: 'contact', connector: 'jiandaoyun', kind: 'contact' }],
    ['hubspot-contact', { entity: 'contact', connector: 'hubspot', kind: 'contact' }],
  ]),
  entities: new Map([
    ['contact', ['name', 'mobile', 'email', 'stage', 'customerId', 'main']],
    ['deal', ['title', 'amount']],
  ]),
  flags: new Map([['contact', ['main']]]),
  money: new Map([['contact', []]]),
  options: new Map([
    [
      'contact',
      new Map([
        ['stage', ['lead', 'qualified', 'customer']],
        ['name', []],
      ]),
    ],
  ]),
};

const good = `
connections:
  crm:     { connector: jiandaoyun, settings: { apiKey: "\${env:JDY_KEY}", app: 5f1e } }
  hubspot: { connector: hubspot }
  sales:   { connector: wecom }
entities:
  contact:
    keys: [[mobile, name], [email]]
    protect: { customerId: [crm, boss@x.cn], email: [] }
    owners: { stage: crm }
    conflict: { mobile: newest, "*": ask }
    clear: { name: restore, "*": take }
    transitions: { stage: { order: [lead, qualified], skip: ask, evidence: { customer: [customerId] } } }
    placeholders: ["13800138000"]
syncs:
  crm-contacts:     { connection: crm,     mapping: jdy-contact,     direction: both, create: true, mode: live, poll: 30s, sweep: "0 3 * * *" }
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, conflict: owner, roles: { email: filler, "*": reader, mobile: writer } }
notices:
  stage-moved: { entity: contact, when: { changed: stage }, to: sales, text: "{{name}}: {{ before.stage }} → {{after.stage}} ({{by}}, {{at}})", fallback: { name: somebody, before.stage: (none), after.stage: (none), by: someone } }
`;

const config = (text: string, environment = {}): Config => {
  const reading = readConfig(text, '/etc/cw/crosswalk.yaml', known, environment);
  expect(reading.faults.map((fault) => fault.message)).toEqual([]);
  if (reading.config === undefined) throw new Error('no config');
  return reading.config;
};

const faults = (text: string, environment = {}): readonly CrosswalkError[] => {
  const reading = readConfig(text, 'crosswalk.yaml', known, environment);
  expect(reading.config).toBeUndefined();
  return reading.faults;
};

/** `line code message` of each fault. */
const told = (text: string): string[] =>
  faults(text).map((fault) => `${fault.place.line} ${fault.code} ${fault.message}`);

describe('a good configuration', () => {
  test('is read whole, with defaults, and frozen', () => {
    const made = config(good);
    expect(made.connections['crm']).toEqual({
      name: 'crm',
      connector: 'jiandaoyun',
      lookups: {},
      settings: { apiKey: '${env:JDY_KEY}', app: '5f1e' },
    });
    expect(made.connections['hubspot']?.settings).toEqual({});
    expect(made.syncs['crm-contacts']).toMatchObject({
      entity: 'contact',
      kind: 'contact',
      create: true,
      deletes: 'ignore',
      mode: 'live',
      modeGiven: true,
      poll: { every: 30_000 },
      sweep: { cron: '0 3 * * *' },
    });
    expect(made.entities['contact']?.transitions).toEqual({
      stage: {
        order: ['lead', 'qualified'],
        skip: 'ask',
        back: 'take',
        evidence: { customer: ['customerId'] },
      },
    });
    expect(made.syncs['hubspot-contacts']).toMatchObject({
      create: false,
      mode: 'plan',
      modeGiven: false,
      poll: { every: 60_000 },
      sweep: { every: 86_400_000 },
    });
    expect(made.entities['contact']?.keys).toEqual([['mobile', 'name'], ['email']]);
    expect(made.entities['deal']).toMatchObject({ keys: [], owners: {} });
    expect(made.notices['stage-moved']).toMatchObject({ to: 'sales', when: { changed: 'stage' } });
    expect(made.server).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(made.store.path).toBe('/etc/cw/.crosswalk/crosswalk.db');
    expect(made.place('/syncs/crm-contacts/poll')).toEqual({
      file: '/etc/cw/crosswalk.yaml',
      line: 16,
      pointer: '/syncs/crm-contacts/poll',
    });
    expect(() => Object.assign(made.server, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(made.syncs['crm-contacts']?.roles ?? {}, { name: 'owner' })).toThrow(
      TypeError,
    );
    expect(made.connections['constructor']).toBeUndefined();
  });

  test('an empty file is a configuration with nothing in it', () => {
    expect(Object.keys(config('').syncs)).toEqual([]);
  });

  test('the environment stands above the file', () => {
    const made = config('server: { port: 1234, publicUrl: "https://a.cn/" }', {
      CROSSWALK_PORT: '99',
      CROSSWALK_STORE: ':memory:',
    });
    expect(made.server).toMatchObject({ port: 99, publicUrl: 'https://a.cn' });
    expect(made.store.path).toBe(':memory:');
    expect(faults('', { CROSSWALK_PORT: '99999' })[0]?.code).toBe('config-environment');
    expect(faults('', { CROSSWALK_HOST: '0.0.0.0' })[0]?.code).toBe('config-open-server');
  });

  test('rules: role, conflict, clear, protection and keys, per field and sync', () => {
    const made = config(good);
    const rules = (sync: string) => {
      const found = made.syncs[sync];
      if (found === undefined) throw new Error('no sync');
      return rulesOf(made, found);
    };
    const crm = rules('crm-contacts');
    expect(crm('stage')).toEqual({
      role: 'owner',
      conflict: 'ask',
      clear: 'take',
      protected: false,
      key: false,
    });
    expect(crm('mobile')).toEqual({
      role: 'writer',
      conflict: 'newest',
      clear: 'take',
      protected: false,
      key: true,
    });
    expect(crm('name')).toMatchObject({ conflict: 'ask', clear: 'restore', key: true });
    expect(crm('customerId').protected).toBe(false);
    expect(crm('email').protected).toBe(true);
    const hubspot = rules('hubspot-contacts');
    expect(hubspot('stage')).toMatchObject({ role: 'reader', conflict: 'owner' });
    // Policy owner for all fields asks where nobody owns the field.
    expect(hubspot('mobile')).toMatchObject({ role: 'writer', conflict: 'ask' });
    expect(hubspot('email').role).toBe('filler');
    expect(hubspot('customerId').protected).toBe(true);
  });

  test('without any policy the owner wins, and a person is asked where there is none', () => {
    const made = config(`
connections: { crm: { connector: jiandaoyun } }
entities: { contact: { owners: { stage: crm } } }
syncs: { a: { connection: crm, mapping: jdy-contact, direction: in } }`);
    const sync = made.syncs['a'];
    if (sync === undefined) throw new Error('no sync');
    expect(rulesOf(made, sync)('stage')).toMatchObject({
      role: 'owner',
      conflict: 'owner',
      clear: 'restore',
    });
    expect(rulesOf(made, sync)('name')).toMatchObject({ role: 'writer', conflict: 'ask' });
    // Of a deletion and an edit the newest wins, unless something else is said.
    expect(rulesOf(made, sync)('$deleted')).toMatchObject({ role: 'writer', conflict: 'newest' });
  });

  test('the deletion of a record has a role and a policy as fields have', () => {
    const made = config(`
connections: { crm: { connector: jiandaoyun }, hubspot: { connector: hubspot } }
entities: { contact: { conflict: { $deleted: owner } } }
syncs:
  a: { connection: crm, mapping: jdy-contact, direction: both, deletes: propagate, roles: { $deleted: owner } }
  b: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, deletes: archive, resurrect: true, roles: { "*": reader } }`);
    const [a, b] = [made.syncs['a'], made.syncs['b']];
    if (a === undefined || b === undefined) throw new Error('no sync');
    expect(rulesOf(made, a)('$deleted')).toMatchObject({ role: 'owner', conflict: 'owner' });
    expect(rulesOf(made, b)('$deleted')).toMatchObject({ role: 'reader', conflict: 'owner' });
    expect([a.deletes, a.resurrect, b.deletes, b.resurrect]).toEqual(['propagate', false, 'archive', true]);
  });
});

describe('faults of shape name their line', () => {
  test.each([
    ['a: [', /^\d+ config-unreadable/u],
    ['connections: {}\nconnections: {}', /^2 config-unreadable .*unique/iu],
    ['conections: {}', /^1 config-shape .*"conections".*did you mean "connections"/u],
    ['connections:\n  crm:\n    conector: x', /^3 config-shape .*did you mean "connector"/u],
    ['syncs:\n\n  a: { connection: crm, mapping: m }', /^3 config-shape .*lacks "direction"/u],
    [
      'syncs:\n  a:\n    connection: c\n    mapping: m\n    direction: up',
      /^5 config-shape .*"in", "out", "both"/u,
    ],
    ['entities:\n  contact:\n    conflict: newset', /^3 config-shape .*"owner", "newest"/u],
    ['entities:\n  contact:\n    conflict:\n      name: newset', /^4 config-shape .*"owner", "newest"/u],
    ['server: { port: 70000 }', /^1 config-shape/u],
    ['connections:\n  "a b": { connector: x }', /^\d config-shape .*"a b", which is not allowed/u],
    [
      'connections:\n  "__proto__": { connector: x }',
      /^\d config-shape .*"__proto__", which is not allowed/u,
    ],
    ['- a', /^1 config-shape .*an object/u],
    ['a: !!js/function "x"', /^1 config-unreadable/u],
  ])('%j', (text, expected) => {
    expect(
      told(text).some((fault) => expected.test(fault)),
      told(text).join('\n'),
    ).toBe(true);
  });

  test('aliases that multiply, and a file that is too large, are refused', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x,x]',
      ...'bcdefghi'
        .split('')
        .map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[i]}`).join(',')}]`),
    ];
    expect(faults(bomb.join('\n'))[0]?.code).toBe('config-unreadable');
    expect(faults('#'.repeat(1024 * 1024 + 1))[0]?.message).toContain('larger than 1 MiB');
  });

  test('no value that may be a secret is shown', () => {
    const texts = [
      'server: { tokenRef: hunter22 }',
      'server: { tokenRef: [hunter22] }',
      'connections: { crm: { connector: x, settings: hunter22 } }',
      'connections:\n  crm: { settings: { apiKey: "hunter22" }\n  x',
    ];
    for (const text of texts) {
      const all = JSON.stringify(
        faults(text).map((fault) => [fault.message, fault.remedy, fault.params, fault.stack]),
      );
      expect(all).not.toContain('hunter22');
    }
  });
});

describe('faults of sense', () => {
  const base = good.trim();
  const changed = (from: string, to: string): string[] => {
    expect(base).toContain(from);
    return told(base.replace(from, to));
  };

  test.each([
    ['connection: crm, ', 'connection: crn,', 'config-unknown', '"crn"; did you mean "crm"?'],
    ['mapping: jdy-contact, ', 'mapping: jdy-contcat,', 'config-unknown', 'did you mean "jdy-contact"?'],
    ['  contact:\n', '  contacts:\n', 'config-unknown', 'no entity "contacts"; did you mean "contact"?'],
    [
      '[mobile, name]',
      '[mobil, name]',
      'config-unknown',
      'field "mobil" in entity contact; did you mean "mobile"?',
    ],
    ['owners: { stage: crm }', 'owners: { stag: crm }', 'config-unknown', '"stag"'],
    [
      'owners: { stage: crm }',
      'owners: { stage: sales }',
      'config-unknown',
      '"sales" with a sync of contact',
    ],
    ['[crm, boss@x.cn]', '[crn]', 'config-unknown', 'did you mean "crm"?'],
    ['{ mobile: newest,', '{ mobil: newest,', 'config-unknown', '"mobil"'],
    ['{ mobile: newest,', '{ mobile: owner,', 'config-no-owner', 'field mobile'],
    ['{ email: filler,', '{ mail: filler,', 'config-unknown', 'did you mean "email"?'],
    ['{ email: filler,', '{ stage: owner,', 'config-two-owners', 'crm and hubspot'],
    ['mapping: hubspot-contact', 'mapping: jdy-contact', 'config-mismatch', 'is for connector jiandaoyun'],
    ['poll: 30s', 'poll: 30x', 'config-schedule', '"30x"'],
    ['poll: 30s', 'poll: 0s', 'config-schedule', '"0s"'],
    ['"0 3 * * *"', '"0 3 31 2 *"', 'config-schedule', '31 2'],
    ['mode: live', 'budget: { updates: 20%/week }', 'config-shape', '20%/week'],
    ['mode: live', 'budget: { writes: 5/day }', 'config-shape', 'writes'],
    ['mode: live', 'budget: { amount: 100/day }', 'config-shape', '100/day'],
    ['mode: live', 'budget: { amount: 1.005 CNY/day }', 'config-amount', 'more decimals than the 2 of CNY'],
    ['mode: live', 'budget: { amount: [1 CNY/day, 1.5 JPY/run] }', 'config-amount', 'the 0 of JPY'],
    ['mode: live', 'budget: { amount: 1 CNY/day }', 'config-amount', 'no field that holds money'],
    ['mode: live', 'budget: { amount: 1 XAU/day }', 'config-amount', 'nobody pays with'],
    ['create: true', 'resurrect: true', 'config-resurrect', 'creates nothing'],
    [
      'direction: both, create',
      'direction: in, resurrect: true, create',
      'config-resurrect',
      'writes nothing',
    ],
    ['{ email: filler,', '{ $delete: filler,', 'config-shape', '$delete'],
    ['conflict: { mobile: newest,', 'conflict: { $deleted: owner,', 'config-no-owner', 'field $deleted'],
    ['to: sales', 'to: sale', 'config-unknown', 'did you mean "sales"?'],
    ['transitions: { stage', 'transitions: { stag', 'config-unknown', 'did you mean "stage"?'],
    [
      'order: [lead, qualified]',
      'order: [lead, qualifed]',
      'config-unknown',
      '"qualifed" of field stage in entity contact; did you mean "qualified"?',
    ],
    ['evidence: { customer:', 'evidence: { custmer:', 'config-unknown', 'did you mean "customer"?'],
    ['customer: [customerId]', 'customer: [customerI]', 'config-unknown', 'did you mean "customerId"?'],
    ['customer: [customerId]', 'customer: [stage]', 'config-transition', 'no evidence of itself'],
    ['transitions: { stage', 'transitions: { main', 'config-transition', 'not texts'],
    ['order: [lead, qualified], ', '', 'config-shape', 'order'],
    ['skip: ask', 'skip: refuse', 'config-shape', '"restore", "take", "ask"'],
    ['skip: ask', 'back: alram', 'config-shape', 'alarm'],
    ['changed: stage', 'changed: stages', 'config-unknown', 'did you mean "stage"?'],
    ['{{after.stage}}', '{{after.stagee}}', 'config-template', 'did you mean {{after.stage}}?'],
    ['{{after.stage}}', '{{after.stage', 'config-template', 'does not close'],
    ['{{after.stage}}', 'after.stage}}', 'config-template', 'did not open'],
    ['fallback: { name: somebody', 'fallback: { mobile: somebody', 'config-template', 'no place {{mobile}}'],
  ])('%s → %s', (from, to, code, words) => {
    const found = changed(from, to);
    const line = base.slice(0, base.indexOf(from)).split('\n').length;
    expect(
      found.some(
        (fault) => fault.startsWith(`${line} ${code}`) && fault.toLowerCase().includes(words.toLowerCase()),
      ),
      found.join('\n'),
    ).toBe(true);
  });

  test('a budget of money is read in minor units of its currency', () => {
    const text = base.replace('mode: live', 'budget: { amount: [1000000.00 CNY/day, 500 JPY/run] }');
    const rich = { ...known, money: new Map([['contact', ['name']]]) };
    const { config: made } = readConfig(text, 'crosswalk.yaml', rich, {});
    expect(made?.syncs['crm-contacts']?.budget.amount).toEqual([
      { text: '1000000.00 CNY/day', per: 'day', currency: 'CNY', most: 100_000_000 },
      { text: '500 JPY/run', per: 'run', currency: 'JPY', most: 500 },
    ]);
  });

  test('policy owner for all fields needs at least one owner', () => {
    expect(changed('owners: { stage: crm }', 'owners: {}')[0]).toMatch(/config-no-owner .*all fields/u);
  });

  test.each([
    ['{ mian: customerId }', 'did you mean "main"?'],
    ['{ main: customer }', 'did you mean "customerId"?'],
    ['{ stage: customerId }', 'stage is not true or false'],
    ['{ main: main }', 'or names itself'],
    ['[main]', 'must be an object'],
  ])('one: %s', (text, words) => {
    const found = changed('    owners:', `    one: ${text}\n    owners:`);
    expect(found).toEqual([expect.stringContaining(words)]);
  });

  test('one: a flag and whose it is', () => {
    const text = good.replace('    owners:', '    one: { main: customerId }\n    owners:');
    expect(config(text).entities['contact']?.one).toEqual({ main: 'customerId' });
    expect(config(good).entities['contact']?.one).toEqual({});
  });

  test('two syncs of one connection through one mapping', () => {
    const twice = `${base.replace('notices:', '  again: { connection: crm, mapping: jdy-contact, direction: in }\nnotices:')}`;
    expect(told(twice)).toEqual([expect.stringMatching(/^17 config-same-sync .*crm-contacts and again/u)]);
  });

  test('all syncs of an entity know the rows of a table by the same key', () => {
    const rowKeys = (key: string | null) => ({ rowKeys: new Map([['lines', key]]) });
    const reading = (one: string | null, other: string | null) =>
      readConfig(
        good,
        'crosswalk.yaml',
        {
          ...known,
          mappings: new Map([
            ['jdy-contact', { entity: 'contact', connector: 'jiandaoyun', kind: 'contact', ...rowKeys(one) }],
            [
              'hubspot-contact',
              { entity: 'contact', connector: 'hubspot', kind: 'contact', ...rowKeys(other) },
            ],
          ]),
        },
        {},
      ).faults.map((fault) => fault.message);
    expect(reading('line', 'line')).toEqual([]);
    expect(reading('line', 'sku')).toEqual([
      'crosswalk.yaml:17 /syncs/hubspot-contacts/mapping: Mappings jdy-contact and hubspot-contact do not tell the rows of lines of entity contact apart alike: key line, and key sku.',
    ]);
    expect(reading('line', null)[0]).toContain('key line, and no rows');
  });

  test('a server beyond this machine needs a token, by reference', () => {
    expect(told('server:\n  host: 0.0.0.0')[0]).toMatch(/^2 config-open-server/u);
    expect(told('server:\n  port: 1\n  tokenRef: abc')[0]).toMatch(/^3 config-shape/u);
    expect(told('server:\n  publicUrl: "ftp://x"')[0]).toMatch(/^2 config-shape/u);
    config('server: { host: 0.0.0.0, tokenRef: "${env:TOKEN}", publicUrl: "https://gw.example.cn/cw" }');
  });

  test('every fault is told at once, in the order of the lines', () => {
    const found = told(
      base
        .replace('poll: 30s', 'poll: often')
        .replace('to: sales', 'to: nobody')
        .replace('[email]', '[mail]'),
    );
    expect(found.map((line) => line.split(' ', 1)[0])).toEqual(['7', '15', '18']);
  });
});

test('loadConfig takes the file or its folder, and tells one fault as it is and several as a list', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cw-config-'));
  try {
    const file = path.join(folder, 'crosswalk.yaml');
    expect(() => loadConfig(folder, known, {})).toThrow(/no configuration at/u);
    writeFileSync(file, good);
    expect(loadConfig(folder, known, {}).folder).toBe(folder);
    expect(loadConfig(file, known, {}).store.path).toBe(path.join(folder, '.crosswalk', 'crosswalk.db'));
    writeFileSync(file, 'server: { port: -1 }');
    expect(() => loadConfig(folder, known, {})).toThrow(expect.objectContaining({ code: 'config-shape' }));
    writeFileSync(file, 'server: { port: -1 }\nserve: 1');
    expect(() => loadConfig(folder, known, {})).toThrow(
      /2 faults:\n {2}.*crosswalk.yaml:1[^]*\n {2}.*crosswalk.yaml:2/u,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
