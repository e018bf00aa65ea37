import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { generator } from '../../src/simulate/draw.ts';
import { Story } from '../story.ts';

let story: Story | undefined;
afterEach(async () => {
  await story?.end();
  story = undefined;
});

/** The usual CRM mapping, told what this CRM does to text. */
const told = (text: string): string => {
  const document = JSON.parse(text) as {
    name: string;
    fields: Record<string, { remote?: string[]; steps?: unknown[] }>;
  };
  document.name = 'crm-contact';
  for (const field of ['name', 'title', 'company', 'street'])
    document.fields[field] = { ...document.fields[field], remote: ['trim', 'lower'] };
  return JSON.stringify(document);
};

const config = `
entities:
  contact: { keys: [[email]], conflict: newest }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live, poll: 1s, sweep: 1d }
  crm-contacts: { connection: crm, mapping: crm-contact, direction: both, create: true, mode: live, poll: 1s, sweep: 1d }
`;

it(
  'agrees with a CRM that trims and lower-cases, keeps the other spelling, and writes no echo',
  { timeout: 180_000 },
  async () => {
    const { readFileSync } = await import('node:fs');
    const document = told(
      readFileSync(new URL('../../mappings/jiandaoyun/contact.json', import.meta.url), 'utf8'),
    );
    let crmWrites = 0;
    let hubspotWrites = 0;
    story = await Story.begin({
      config,
      crm: {
        sandbox: { normalise: ['trim', 'lower'] },
        intercept: (request, next) => {
          if (request.path.includes('/update') || request.path.includes('create')) crmWrites += 1;
          return next();
        },
      },
      hubspot: {
        intercept: (request, next) => {
          if (
            /batch\/(?:update|create|upsert)/.test(request.path) &&
            request.headers['x-sandbox-actor'] === undefined
          )
            hubspotWrites += 1;
          return next();
        },
      },
    });
    const { mkdirSync, writeFileSync } = await import('node:fs');
    mkdirSync(`${story.folder}/mappings`);
    writeFileSync(`${story.folder}/mappings/crm-contact.json`, document);
    await story.open();
    const random = generator(7);
    const ids = await story.fileContacts(
      Array.from({ length: 20 }, (_, i) => ({
        email: `two${i}@way.cn`,
        firstname: 'Ada',
        lastname: `Love Lace${i}`,
        jobtitle: `Chief Engineer ${i}`,
        company: 'ACME Ltd',
      })),
    );
    expect(await story.atRest()).toBe(true);
    for (let round = 0; round < 40; round += 1) {
      const n = Math.floor(random() * ids.length);
      if (random() < 0.5) {
        await story.inHubspot('PATCH', `/crm/v3/objects/contacts/${ids[n]}`, {
          properties: { jobtitle: `Boss ${round}`, company: `Firm No ${round}` },
        });
      } else {
        const row = (await story.crmRows()).find((one) => one['email'] === `two${n}@way.cn`);
        await story.inCrm('update', {
          data_id: row?.['_id'],
          data: { street: { value: `Main Street ${round} ` } },
        });
      }
      await sleep(random() * 150);
    }
    await sleep(1500);
    expect(await story.atRest()).toBe(true);
    const there = new Map((await story.crmRows()).map((row) => [row['email'], row]));
    const here = await story.hubspotRows('email,jobtitle,company,address,lastname,firstname');
    for (const row of here) {
      const other = there.get(row['email']);
      for (const [ours, theirs] of [
        ['jobtitle', 'title'],
        ['company', 'company'],
        ['address', 'street'],
      ] as const) {
        expect(String(other?.[theirs] ?? ''), `${row['email']} ${ours}`).toBe(
          String(row[ours] ?? '')
            .trim()
            .toLowerCase(),
        );
      }
    }
    expect(
      here.some((row) => /^Boss \d+$/.test(String(row['jobtitle']))),
      'the spelling of HubSpot is kept',
    ).toBe(true);
    expect(
      here.every((row) => String(row['company']).startsWith('Firm No') || row['company'] === 'ACME Ltd'),
    ).toBe(true);
    const before = [crmWrites, hubspotWrites];
    for (const lane of ['crm/contact', 'hubspot/contact']) story.gateway?.lanes.due(`sweep:${lane}`);
    await sleep(3000);
    expect(await story.atRest()).toBe(true);
    expect([crmWrites, hubspotWrites], 'a further pass writes nothing').toEqual(before);
    expect(await story.gateway?.store.count('conflict', 'open', { open: 1 })).toBe(0);
  },
);
