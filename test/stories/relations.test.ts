/** A contact names its company by HubSpot's id (in a property of one's own); the CRM shows the customer's number; whichever comes first. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import type { JsonObject } from '../../src/connector.ts';
import { app, eventually, form, Story } from '../story.ts';

let story: Story | undefined;
afterEach(async () => {
  await story?.end();
  story = undefined;
});

const customers = '60a2000000000000000000c3';

const config = `
entities:
  contact: { keys: [[mobile, name]], conflict: newest }
  customer: { keys: [[customerId]], conflict: newest }
syncs:
  hubspot-companies: { connection: hubspot, mapping: hubspot-company, direction: both, create: false, mode: live, poll: 1s }
  hubspot-contacts: { connection: hubspot, mapping: own-contact, direction: both, create: false, mode: live, poll: 1s }
  crm-contacts: { connection: crm, mapping: crm-contact, direction: both, create: true, mode: live, poll: 1s }
`;

/** A shipped mapping under another name, with the customer as a reference. */
const named = (file: string, name: string, rule: JsonObject, place: string, shown: string): string => {
  const shipped = new URL(`../../mappings/${file}`, import.meta.url);
  const document = JSON.parse(readFileSync(shipped, 'utf8')) as JsonObject & {
    fields: JsonObject;
    examples: { remote: JsonObject; entity: JsonObject }[];
  };
  document['name'] = name;
  delete document.fields['customerId'];
  document.fields['customer'] = rule;
  for (const { entity } of document.examples) delete entity['customerId'];
  const first = document.examples[0];
  const [, ...path] = place.split('/');
  const at = path.length > 1 ? (first?.remote[path[0] ?? ''] as JsonObject) : first?.remote;
  if (first === undefined || at === undefined) throw new Error(`${file} has no example`);
  at[path.at(-1) ?? ''] = shown;
  first.entity['customer'] = shown;
  return JSON.stringify(document);
};

it('follows a contact’s company into the CRM, though the company is read in later', async () => {
  story = await Story.begin({
    config,
    crm: { sandbox: { entries: { contact: form, customer: customers } } },
  });
  const { folder } = story;
  const yaml = readFileSync(`${folder}/crosswalk.yaml`, 'utf8');
  writeFileSync(
    `${folder}/crosswalk.yaml`,
    yaml.replace(
      `entries: { contact: "${form}" }`,
      `entries: { contact: "${form}", customer: "${customers}" }`,
    ),
  );
  mkdirSync(`${folder}/mappings`);
  writeFileSync(
    `${folder}/mappings/own.json`,
    named(
      'hubspot/contact.json',
      'own-contact',
      { at: '/properties/customer_id', reference: { to: 'customer', by: 'id' }, flow: 'in' },
      '/properties/customer_id',
      '5017',
    ),
  );
  writeFileSync(
    `${folder}/mappings/crm.json`,
    named(
      'jiandaoyun/contact.json',
      'crm-contact',
      { at: '/customer_id', steps: ['trim'], reference: { to: 'customer', by: 'customerId' } },
      '/customer_id',
      'KH-1',
    ),
  );
  const gateway = await story.open();
  const company = await story.inHubspot('POST', '/crm/v3/objects/companies', {
    properties: { name: '甲公司' },
  });
  await story.fileContacts([
    { lastname: '王一', mobilephone: '13800138001', customer_id: String(company['id']) },
  ]);
  const [row] = await eventually(async () => {
    const rows = await story?.crmRows();
    return rows?.length === 1 && rows;
  }, 30_000);
  expect([row?.['name'], row?.['customer_id'] ?? null]).toEqual(['王一', null]);
  // The company gets its number: the contact in the CRM shows it.
  await story.inHubspot('PATCH', `/crm/v3/objects/companies/${String(company['id'])}`, {
    properties: { customer_id: 'KH-0042' },
  });
  await eventually(async () => {
    const rows = (await story?.crmRows()) ?? [];
    return rows[0]?.['customer_id'] === 'KH-0042';
  }, 30_000);
  expect(await story.atRest()).toBe(true);
  expect(await gateway.store.count('awaited', 'at', {})).toBe(0);
  expect(await gateway.store.count('parked', 'at', {})).toBe(0);
  expect(app).toBeDefined();
}, 90_000);
