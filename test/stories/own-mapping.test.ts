/** A mapping of the installation's own: a computed field and one kind for several entities go through the whole engine. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import type { JsonObject } from '../../src/connector.ts';
import { parkedReport } from '../../src/health/reports.ts';
import { Story, usual } from '../story.ts';

let story: Story | undefined;
afterEach(async () => {
  await story?.end();
  story = undefined;
});

type Document = JsonObject & { fields: JsonObject; examples: { remote: JsonObject; entity: JsonObject }[] };

/** The shipped mapping of HubSpot contacts, changed. */
const own = (change: (document: Document) => void): string => {
  const shipped = new URL('../../mappings/hubspot/contact.json', import.meta.url);
  const document = JSON.parse(readFileSync(shipped, 'utf8')) as Document;
  document['name'] = 'own-contact';
  change(document);
  return JSON.stringify(document);
};

const begin = async (text: string): Promise<Story> => {
  story = await Story.begin({ config: usual.replace('hubspot-contact,', 'own-contact,') });
  mkdirSync(`${story.folder}/mappings`);
  writeFileSync(`${story.folder}/mappings/own.json`, text);
  return story;
};

const titleOf = { at: ['/properties/jobtitle', '/properties/company'], flow: 'in' };

it('computes an expression for what hooks, reads and scans show, and leaves alone what another mapping is for', async () => {
  const now = await begin(
    own((document) => {
      document.fields['title'] = {
        ...titleOf,
        steps: [{ expression: '$join([properties.jobtitle, properties.company], " @ ")' }],
      };
      document['when'] = { at: '/properties/lifecyclestage', is: ['lead', 'salesqualifiedlead'] };
      document.examples = document.examples.slice(0, 1);
      const [first] = document.examples;
      if (first !== undefined) first.entity['title'] = '采购经理 @ 上海示例有限公司';
    }),
  );
  const row = (name: string, mobilephone: string, lifecyclestage: string) => ({
    lastname: name,
    mobilephone,
    jobtitle: '经理',
    company: '甲公司',
    lifecyclestage,
  });
  const [, other] = await now.fileContacts([
    row('王一', '13800138001', 'lead'),
    row('王二', '13800138002', 'subscriber'),
  ]);
  await now.open();
  await expect
    .poll(async () => (await now.crmRows()).map((one) => one['title']), { timeout: 20_000 })
    .toEqual(['经理 @ 甲公司']);
  // Another look at the same changes nothing; a change there is computed anew; the other becomes this mapping's.
  const [first] = await now.hubspotRows('lastname');
  await now.inHubspot('PATCH', `/crm/v3/objects/contacts/${String(first?.['id'])}`, {
    properties: { jobtitle: '总经理' },
  });
  await now.inHubspot('PATCH', `/crm/v3/objects/contacts/${String(other)}`, {
    properties: { lifecyclestage: 'lead' },
  });
  await expect
    .poll(async () => (await now.crmRows()).map((one) => one['title']).sort(), { timeout: 20_000 })
    .toEqual(['总经理 @ 甲公司', '经理 @ 甲公司']);
});

it('says in the history what it cut and what it left, once, and goes on', async () => {
  const now = await begin(
    own((document) => {
      document.fields['title'] = { at: '/properties/jobtitle', steps: ['trim', { truncate: 4 }] };
      document.fields['company'] = { at: '/properties/company', steps: ['trim'], overflow: 'refuse' };
    }),
  );
  const company = '甲'.repeat(301);
  await now.fileContacts([
    { lastname: '王一', mobilephone: '13800138001', jobtitle: '采购部总经理', company },
  ]);
  const { store } = await now.open();
  await expect.poll(async () => (await now.crmRows()).length, { timeout: 20_000 }).toBe(1);
  expect(await now.atRest()).toBe(true);
  const [row] = await now.crmRows();
  expect([row?.['title'], row?.['company'] ?? null]).toEqual(['采购部总', null]);
  const link = await store.get('link', { sync: 'crm-contacts', object: String(row?.['_id']) });
  const where = { record: String(link?.['record']) };
  const bodies = (await store.list('lineage', 'record', { where, limit: 1000 })).map((one) =>
    JSON.stringify(one['body']),
  );
  const told = bodies.flatMap((body) =>
    [...body.matchAll(/"verdict":"noted","rule":"([^}]*)"/gu)].map((found) => found[1]),
  );
  expect(told).toEqual([
    'The value was cut from 6 to 4 characters.',
    expect.stringContaining('301 characters, and at most 300 fit. It was not taken'),
  ]);
  expect(await store.count('parked', 'lane', {})).toBe(0);
});

/** A table that names two stages of HubSpot, and keeps both sides as they are where a value is none of them. */
const keeping = own((document) => {
  document.fields['stage'] = {
    at: '/properties/lifecyclestage',
    steps: [{ table: { lead: 'lead', customer: 'customer' } }],
    otherwise: 'keep',
  };
  document.examples = [
    ...document.examples.slice(0, 2),
    { remote: { properties: { lifecyclestage: 'lead' } }, entity: { stage: 'lead' } },
    { remote: { properties: { lifecyclestage: 'customer' } }, entity: { stage: 'customer' } },
  ];
  delete document.examples[0]?.entity['stage'];
});

it('keeps what either side has where the table has no answer, says so once, and comes to rest', async () => {
  const now = await begin(keeping);
  const [id] = await now.fileContacts([
    { lastname: '王一', mobilephone: '13800138001', lifecyclestage: 'subscriber' },
  ]);
  const { store } = await now.open();
  await expect.poll(async () => (await now.crmRows()).length, { timeout: 20_000 }).toBe(1);
  const [row] = await now.crmRows();
  expect(row?.['stage'] ?? null).toBe(null);
  const inCrm = (stage: string) =>
    now.inCrm('update', { data_id: row?.['_id'], data: { stage: { value: stage } } });
  const stageThere = async () => (await now.hubspotRows('lifecyclestage'))[0]?.['lifecyclestage'];
  // Another field goes through; the stage there stays.
  await now.inHubspot('PATCH', `/crm/v3/objects/contacts/${String(id)}`, {
    properties: { jobtitle: '经理' },
  });
  await expect.poll(async () => (await now.crmRows())[0]?.['title'], { timeout: 20_000 }).toBe('经理');
  expect(await stageThere()).toBe('subscriber');
  // A stage that HubSpot has no word for stays here; one that it has is written.
  await inCrm('流失');
  await expect
    .poll(
      async () =>
        (await store.list('record', 'entity', { where: { entity: 'contact' }, limit: 9 })).map((one) =>
          JSON.stringify(one['fields'] ?? one['body']).includes('"lost"'),
        ),
      { timeout: 20_000 },
    )
    .toEqual([true]);
  expect(await now.atRest()).toBe(true);
  expect(await stageThere()).toBe('subscriber');
  await inCrm('客户');
  await expect.poll(stageThere, { timeout: 20_000 }).toBe('customer');
  expect(await now.atRest()).toBe(true);
  const link = await store.get('link', { sync: 'hubspot-contacts', object: String(id) });
  const where = { record: String(link?.['record']) };
  const bodies = (await store.list('lineage', 'record', { where, limit: 1000 })).map((one) =>
    JSON.stringify(one['body']),
  );
  const told = bodies.flatMap((body) =>
    [...body.matchAll(/"verdict":"noted","rule":"((?:[^"\\]|\\.)*)"/gu)].map((found) => found[1]),
  );
  expect(told).toEqual([
    expect.stringContaining('subscriber\\" is not in the table'),
    expect.stringContaining('lost\\" is not in the table'),
  ]);
  expect(await store.count('parked', 'lane', {})).toBe(0);
});

it('parks a value that does not fit, masked, with its place, step and remedy, while the rest goes on', async () => {
  const now = await begin(own((document) => void document));
  await now.fileContacts([
    { lastname: '王一', mobilephone: 'ask Li at 138', email: 'one@huaxia.cn' },
    { lastname: '王二', mobilephone: '13800138002', email: 'two@huaxia.cn' },
  ]);
  const { store } = await now.open();
  await expect
    .poll(async () => (await now.crmRows()).map((row) => row['name']).sort(), { timeout: 20_000 })
    .toEqual(['王一', '王二']);
  const [one, ...more] = await parkedReport({ store });
  expect(more).toEqual([]);
  expect(one).toMatchObject({
    code: 'format',
    message:
      '/properties/mobilephone: "ask••••••••38" is not a phone number that can be dialled from CN (step phone).',
  });
  expect(one?.remedy).toContain('Correct the value there, and the next look takes it');
  expect(one?.remedy).toContain(`crosswalk parked replay ${one?.id}`);
});

it('refuses two mappings that may both take an object of one kind', async () => {
  const now = await begin(
    own((document) => {
      document['when'] = { at: '/properties/lifecyclestage', is: ['lead', 'salesqualifiedlead'] };
      document.examples = document.examples.slice(0, 1);
    }),
  );
  const file = `${now.folder}/crosswalk.yaml`;
  const more =
    '  all-contacts: { connection: hubspot, mapping: hubspot-contact, direction: in, create: false, mode: live }\n';
  writeFileSync(file, readFileSync(file, 'utf8') + more);
  await expect(now.open()).rejects.toMatchObject({
    code: 'mapping-when',
    message: expect.stringContaining('mapping hubspot-contact of the same kind takes every object'),
  });
});

it('refuses a reference that could not be followed, before anything runs', async () => {
  const reference = (by: string) =>
    own((document) => {
      document.fields['customer'] = {
        at: '/properties/customer_id',
        steps: ['trim'],
        reference: { to: 'customer', by },
      };
    });
  const now = await begin(reference('customerId'));
  await expect(now.open()).rejects.toMatchObject({
    code: 'config-reference',
    message: expect.stringContaining(
      'Field customer of mapping own-contact names a customer, and customerId is no key',
    ),
  });
  writeFileSync(`${now.folder}/mappings/own.json`, reference('id'));
  await expect(now.open()).rejects.toMatchObject({
    code: 'config-reference',
    message: expect.stringContaining(
      'connection hubspot has no sync of customer, so that its ids mean nothing here',
    ),
  });
});
