/** Drift: what people change in a remote system is told before data moves, and moves nothing wrong. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { SandboxRequest, SandboxResponse } from '../../src/connector.ts';
import { statusReport, type Status } from '../../src/health/reports.ts';
import { viewOf } from '../../src/http/api.ts';
import type { Fault } from '../../src/simulate/serve.ts';
import { eventually, Story } from '../story.ts';

let story: Story | undefined;
afterEach(async () => {
  await story?.end();
  story = undefined;
});

const config = `
entities:
  contact: { keys: [[email]], conflict: newest }
  customer: { keys: [[name]] }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live, poll: 1s, sweep: 1d }
  hubspot-companies: { connection: hubspot, mapping: hubspot-company, direction: in, poll: 1s, sweep: 1d }
  crm-contacts: { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true, mode: live, poll: 1s, sweep: 1d }
`;

interface Seen {
  readonly paths: string[];
  readonly writes: string[];
}

type Stand = (request: SandboxRequest, next: () => SandboxResponse) => Fault;

/** What the gateway sends to HubSpot, in order; `stand` may stand in the way. */
const begin = async (
  text = config,
  stand: Stand = (_, next) => next(),
): Promise<{ story: Story; seen: Seen }> => {
  const seen: Seen = { paths: [], writes: [] };
  story = await Story.begin({
    config: text,
    hubspot: {
      intercept: (request, next) => {
        if (request.headers['x-sandbox-actor'] !== undefined) return next();
        seen.paths.push(request.path.split('?')[0] ?? '');
        if (/\/batch\/(?:create|update|upsert|archive)$/u.test(request.path))
          seen.writes.push(`${request.path} ${Buffer.from(request.body).toString()}`);
        return stand(request, next);
      },
    },
  });
  return { story, seen };
};

const status = async (of: Story): Promise<Status> => {
  if (of.gateway === undefined) throw new Error('no gateway');
  return statusReport(viewOf(of.gateway));
};

interface Option {
  readonly value: string;
}

const rename = async (of: Story, from: string, to: string): Promise<void> => {
  const path = '/crm/v3/properties/contacts/lifecyclestage';
  const { options } = (await of.inHubspot('GET', path)) as unknown as { options: Option[] };
  const renamed = options.map((one) => ({ ...one, value: one.value === from ? to : one.value }));
  await of.inHubspot('PATCH', path, { options: renamed });
};
const restore = (of: Story, name: string): Promise<unknown> =>
  of.inHubspot('POST', '/crm/v3/properties/contacts', { name, label: name });
const archive = (of: Story, name: string): Promise<unknown> =>
  of.inHubspot('DELETE', `/crm/v3/properties/contacts/${name}`);

const fileInCrm = async (of: Story, data: Record<string, string>): Promise<void> => {
  const wrapped = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, { value }]));
  await of.inCrm('create', { data: wrapped });
};
const crmRow = async (of: Story, email: string): Promise<Record<string, unknown> | undefined> =>
  (await of.crmRows()).find((row) => row['email'] === email);
const hubspotRow = async (of: Story, email: string): Promise<Record<string, unknown> | undefined> =>
  (await of.hubspotRows('email,lifecyclestage,jobtitle')).find((row) => row['email'] === email);

const pausedSyncs = async (of: Story): Promise<string[]> =>
  (await status(of)).syncs.filter((sync) => sync.paused !== null).map((sync) => sync.name);
const records = (of: Story, entity: string): Promise<number> =>
  of.gateway?.store.count('record', 'entity', { entity }) ?? Promise.resolve(-1);

describe('drift', () => {
  it(
    'is told before data moves; the touched sync is paused, the others go on, and it is taken up again once repaired',
    { timeout: 120_000 },
    async () => {
      const { story: at, seen } = await begin();
      await at.open();
      await at.fileContacts([
        { email: 'ann@x.cn', lastname: 'Smith', firstname: 'Ann', lifecyclestage: 'lead' },
      ]);
      await eventually(async () => (await crmRow(at, 'ann@x.cn'))?.['stage'] === '线索');
      expect(await at.atRest()).toBe(true);
      expect(
        (await status(at)).schemas.map((one) => [one.connection, one.kind, one.serves, one.drift]),
      ).toEqual([
        ['hubspot', 'contact', 'live', []],
        ['hubspot', 'company', 'live', []],
        ['crm', 'contact', 'live', []],
      ]);
      await at.closeGateway();

      // While nobody looks: an option is renamed, a property goes, and people go on working on both sides.
      await rename(at, 'lead', 'prospect');
      await archive(at, 'customer_id');
      await fileInCrm(at, { name: 'Bo Li', email: 'bo@x.cn', stage: '线索' });
      await at.inHubspot('POST', '/crm/v3/objects/companies', { properties: { name: '上海示例有限公司' } });
      seen.paths.length = 0;
      seen.writes.length = 0;
      await at.open();

      expect(await pausedSyncs(at)).toEqual(['hubspot-contacts']);
      const objects = seen.paths.findIndex((path) => path.includes('/objects/'));
      expect(seen.paths.indexOf('/crm/v3/properties/contacts')).toBeGreaterThanOrEqual(0);
      expect(objects === -1 || objects > seen.paths.indexOf('/crm/v3/properties/contacts')).toBe(true);
      const alarm = await eventually(async () =>
        (await status(at)).alarms.find((one) => one.subject === 'sync hubspot-contacts'),
      );
      for (const word of [
        '/properties/lifecyclestage of hubspot/contact no longer has the option "lead" (new there: "prospect")',
        '/properties/customer_id is no longer there in hubspot/contact',
        'mapping hubspot-contact: stage (',
        'mapping hubspot-contact: customerId (',
        'hubspot/contact.json:',
        'crosswalk resume hubspot-contacts',
      ])
        expect(alarm.text).toContain(word);

      // The others go on: the CRM's contact is taken in, and HubSpot's company.
      await eventually(async () => (await records(at, 'contact')) === 2);
      await eventually(async () => (await records(at, 'customer')) === 1);
      // What is told by the paused side waits, and so does what would be written there.
      const ann = await hubspotRow(at, 'ann@x.cn');
      await at.inHubspot('PATCH', `/crm/v3/objects/contacts/${String(ann?.['id'])}`, {
        properties: { jobtitle: 'CEO' },
      });
      await eventually(
        async () => (await at.gateway?.store.count('touch', 'due', { lane: 'hubspot/contact' })) === 1,
      );
      const effects = { sync: 'hubspot-contacts', state: 'open' };
      await eventually(async () => (await at.gateway?.store.count('effect', 'due', effects)) === 1);
      expect(seen.writes).toEqual([]);

      // Taken up too early, it is asked again, and paused again.
      await at.gateway?.resume('hubspot-contacts');
      await eventually(async () => (await pausedSyncs(at)).includes('hubspot-contacts'));
      expect(seen.writes).toEqual([]);
      expect(await crmRow(at, 'ann@x.cn')).not.toHaveProperty('title');

      await rename(at, 'prospect', 'lead');
      await restore(at, 'customer_id');
      await at.gateway?.resume('hubspot-contacts');
      await eventually(async () => (await hubspotRow(at, 'bo@x.cn'))?.['lifecyclestage'] === 'lead');
      await eventually(async () => (await crmRow(at, 'ann@x.cn'))?.['title'] === 'CEO');
      expect(await at.atRest()).toBe(true);
      const after = await status(at);
      expect([after.alarms, after.parked, after.schemas.flatMap((one) => one.drift)]).toEqual([[], 0, []]);
      expect(await pausedSyncs(at)).toEqual([]);
      expect(seen.writes).toHaveLength(1);
      expect(at.hubspot.faults()).toEqual([]);
    },
  );

  it(
    'that appears while it runs is found by the next sweep, and a restart takes the sync up again once it is repaired',
    { timeout: 120_000 },
    async () => {
      const { story: at, seen } = await begin();
      const gateway = await at.open();
      await at.fileContacts([{ email: 'cy@x.cn', lastname: 'Wu', firstname: 'Cy' }]);
      await eventually(() => crmRow(at, 'cy@x.cn'));
      expect(await at.atRest()).toBe(true);
      const read = (): number => seen.paths.filter((path) => path === '/crm/v3/objects/contacts').length;
      const before = read();
      await archive(at, 'date_of_birth');
      await gateway.syncNow('hubspot-contacts', true);
      await eventually(async () => (await pausedSyncs(at)).includes('hubspot-contacts'));
      expect(read()).toBe(before);
      await at.closeGateway();
      await at.open();
      expect(await pausedSyncs(at)).toEqual(['hubspot-contacts']);
      await at.closeGateway();
      await restore(at, 'date_of_birth');
      await at.open();
      expect(await pausedSyncs(at)).toEqual([]);
      expect((await status(at)).alarms).toEqual([]);
      await at.fileContacts([
        { email: 'di@x.cn', lastname: 'Xu', firstname: 'Di', date_of_birth: '1988-08-18' },
      ]);
      await eventually(async () => (await crmRow(at, 'di@x.cn'))?.['date_of_birth'] === '1988-08-18');
    },
  );

  it(
    'that breaks no mapping is told and pauses nothing: a new option parks what holds it, the live options serve',
    { timeout: 120_000 },
    async () => {
      const { story: at, seen } = await begin();
      const path = '/crm/v3/properties/contacts/lifecyclestage';
      const { options } = (await at.inHubspot('GET', path)) as { options: object[] };
      await at.inHubspot('PATCH', path, {
        options: [...options, { value: 'vip', label: 'VIP', hidden: false }],
      });
      await at.inHubspot('PUT', '/crm/v3/property-validations/0-1/jobtitle/rule-type/MAX_LENGTH', {
        ruleArguments: ['5'],
      });
      await at.open();
      expect(await pausedSyncs(at)).toEqual([]);
      const [contact] = (await status(at)).schemas;
      expect(contact?.drift.map((one) => [one.severity, one.code, one.pointer])).toEqual([
        ['warning', 'drift-narrower', '/properties/jobtitle'],
        ['warning', 'drift-option-new', '/properties/lifecyclestage'],
      ]);
      await at.fileContacts([
        { email: 'ed@x.cn', lastname: 'Ma', firstname: 'Ed', lifecyclestage: 'vip' },
        { email: 'fe@x.cn', lastname: 'He', firstname: 'Fe', lifecyclestage: 'customer' },
      ]);
      await eventually(async () => (await crmRow(at, 'fe@x.cn'))?.['stage'] === '客户');
      // Longer than the account allows: that field waits for a person and is never sent, the rest is.
      await fileInCrm(at, { name: 'Gu Yi', email: 'gu@x.cn', title: '首席执行官兼总经理' });
      const row = await eventually(() => hubspotRow(at, 'gu@x.cn'));
      expect(row['jobtitle']).toBe(null);
      expect(seen.writes.join()).not.toContain('首席执行官');
      const held = await at.gateway?.store.list('conflict', 'open', { where: { open: 1 }, limit: 10 });
      expect(held?.map((one) => [one['sync'], one['field'], one['ours']])).toEqual([
        ['hubspot-contacts', 'title', '首席执行官兼总经理'],
      ]);
    },
  );

  it(
    'is not taken for what cannot be asked: what was told before serves, else what was shipped',
    { timeout: 120_000 },
    async () => {
      let denied = true;
      const { story: at } = await begin(config, (request, next) =>
        denied && request.path.includes('/properties/')
          ? {
              status: 403,
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify({ message: 'scope missing', category: 'MISSING_SCOPES' }),
            }
          : next(),
      );
      await at.open();
      const told = async (): Promise<unknown> => {
        const [one] = (await status(at)).schemas;
        return [one?.serves, one?.since === null, one?.trouble, one?.drift.length];
      };
      expect(await told()).toEqual(['shipped', true, 'forbidden: scope missing', 0]);
      expect(await pausedSyncs(at)).toEqual([]);
      await at.fileContacts([{ email: 'hu@x.cn', lastname: 'Hu', firstname: 'Ai' }]);
      await eventually(() => crmRow(at, 'hu@x.cn'));
      await at.closeGateway();

      denied = false;
      await archive(at, 'date_of_birth');
      await at.open();
      expect(await told()).toEqual(['live', false, null, 1]);
      await at.closeGateway();

      denied = true;
      await restore(at, 'date_of_birth');
      await at.open();
      // Repaired there, and not known here: it stays as it was told.
      expect(await told()).toEqual(['kept', false, 'forbidden: scope missing', 1]);
      expect(await pausedSyncs(at)).toEqual(['hubspot-contacts']);
    },
  );

  it(
    'of one mapping of a kind leaves the other at work; what the paused one missed is made up for',
    { timeout: 120_000 },
    async () => {
      const { story: at } = await begin(`
entities:
  contact: { keys: [[email]], conflict: newest }
syncs:
  chinese: { connection: hubspot, mapping: chinese, direction: in, poll: 1s, sweep: 1d }
  others: { connection: hubspot, mapping: others, direction: in, poll: 1s, sweep: 1d }
`);
      const shipped = JSON.parse(
        readFileSync(new URL('../../mappings/hubspot/contact.json', import.meta.url), 'utf8'),
      ) as {
        fields: Record<string, object>;
        ignored: string[];
        examples: { remote: { properties: object } }[];
      };
      mkdirSync(`${at.folder}/mappings`);
      for (const [name, country] of [
        ['chinese', 'CN'],
        ['others', 'AU'],
      ] as const) {
        const { customerId, ...fields } = shipped.fields;
        const examples = shipped.examples.map((one) => ({
          ...one,
          remote: { properties: { ...one.remote.properties, country } },
        }));
        for (const one of examples as unknown as { entity: Record<string, unknown> }[])
          if (name === 'others') delete one.entity['customerId'];
        const document = {
          ...shipped,
          name,
          when: { at: '/properties/country', is: [country] },
          ignored: shipped.ignored.filter((pointer) => pointer !== '/properties/country'),
          fields: name === 'chinese' ? { ...fields, customerId } : fields,
          examples,
        };
        if (name === 'others') document.ignored.push('/properties/customer_id');
        writeFileSync(`${at.folder}/mappings/${name}.json`, JSON.stringify(document));
      }
      await archive(at, 'customer_id');
      await at.open();
      expect(await pausedSyncs(at)).toEqual(['chinese']);
      await at.fileContacts([
        { email: 'li@x.cn', lastname: 'Li', country: 'CN' },
        { email: 'jo@x.au', lastname: 'Jo', country: 'AU' },
      ]);
      await eventually(async () => (await records(at, 'contact')) === 1);
      expect(await at.atRest()).toBe(true);
      expect(await records(at, 'contact')).toBe(1);
      await restore(at, 'customer_id');
      await at.gateway?.resume('chinese');
      await eventually(async () => (await records(at, 'contact')) === 2);
      await eventually(
        async () => (await at.gateway?.store.get('setting', { name: 'missed:chinese' })) === undefined,
      );
    },
  );
});
