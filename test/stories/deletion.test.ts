/** What people delete in HubSpot or in the CRM, and what becomes of it in the other: by policy, and only once it is certain. */
import { afterEach, expect, it } from 'vitest';
import { deletedField } from '../../src/merge/deletion.ts';
import { traceReport } from '../../src/health/trace.ts';
import { goneGrace } from '../../src/sync/hub.ts';
import { eventually, Story } from '../story.ts';

let story: Story | undefined;
afterEach(async () => {
  await story?.end();
  story = undefined;
});

const config = (hubspot: string, crm: string): string => `
entities:
  contact: { keys: [[email]], conflict: newest }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live, poll: 1s, ${hubspot} }
  crm-contacts: { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true, mode: live, poll: 1s, ${crm} }
`;

/** A story whose clock a test may put forward, and the people in it: Wang, Li and Zhao, in both systems. */
const begin = async (hubspot: string, crm: string) => {
  let ahead = 0;
  const now = (): number => Date.now() + ahead;
  const told = await Story.begin({ config: config(hubspot, crm), now });
  story = told;
  const gateway = await told.open();
  const ids = await told.fileContacts(
    ['wang', 'li', 'zhao'].map((name) => ({
      email: `${name}@way.cn`,
      firstname: name,
      lastname: name,
      jobtitle: 'Engineer',
    })),
  );
  const hubspotId = new Map(ids.map((id, i) => [['wang', 'li', 'zhao'][i] ?? '', id]));
  const inCrm = async (name: string) =>
    (await told.crmRows()).find((row) => row['email'] === `${name}@way.cn`);
  const inHubspot = async (name: string) =>
    (await told.hubspotRows('email,jobtitle')).find((row) => row['email'] === `${name}@way.cn`);
  await eventually(async () => (await told.crmRows()).length === 3);
  expect(await told.atRest()).toBe(true);
  const later = (ms: number): void => {
    ahead += ms;
    for (const lane of ['hubspot/contact', 'crm/contact']) {
      gateway.lanes.due(`poll:${lane}`);
      gateway.hub.nudge(`in:${lane}`);
    }
  };
  /** The first look that misses it has been; the grace interval goes by, and what follows comes to rest. */
  const believed = async (): Promise<void> => {
    await eventually(async () =>
      (await gateway.store.list('touch', 'due', { where: {}, limit: 100 })).some(
        (touch) => (touch['hint'] as { cause?: string }).cause === 'not found',
      ),
    );
    later(goneGrace + 1000);
    expect(await told.atRest()).toBe(true);
  };
  const recordOf = async (name: string) => {
    const link = await gateway.store.get('link', {
      sync: 'hubspot-contacts',
      object: hubspotId.get(name) ?? '',
    });
    return gateway.store.get('record', { id: String(link?.['record']) });
  };
  return { told, gateway, hubspotId, inCrm, inHubspot, believed, recordOf };
};

const isMarked = (record: Awaited<ReturnType<Awaited<ReturnType<typeof begin>>['recordOf']>>): boolean => {
  const fields = record?.['fields'] as Record<string, { value: unknown } | undefined> | undefined;
  return (fields?.[deletedField]?.value ?? null) !== null;
};

it(
  'takes a deletion along to a sync that propagates it, not before it is certain, and tells who did it',
  { timeout: 120_000 },
  async () => {
    const { told, gateway, hubspotId, inCrm, inHubspot, believed } = await begin(
      'deletes: propagate',
      'deletes: propagate',
    );
    await told.inCrm('delete', { data_id: (await inCrm('wang'))?.['_id'] });
    await eventually(async () => (await gateway.store.count('touch', 'due', {})) > 0);
    expect(await inHubspot('wang'), 'one read that misses it proves nothing').toBeDefined();
    await believed();
    await eventually(async () => (await inHubspot('wang')) === undefined);
    expect(await inHubspot('li')).toBeDefined();
    await told.inHubspot('DELETE', `/crm/v3/objects/contacts/${hubspotId.get('li')}`);
    await believed();
    await eventually(async () => (await inCrm('li')) === undefined);
    expect((await told.crmRows()).map((row) => row['email'])).toEqual(['zhao@way.cn']);
    const { store, switches, installation, hub } = gateway;
    const trace = await traceReport(
      { store, config: installation.config, switches, now: hub.now },
      { connection: 'hubspot', kind: 'contact', id: hubspotId.get('wang') ?? '' },
    );
    const lines = JSON.stringify(trace);
    expect(lines).toContain('crm-contacts');
    expect(lines).toContain('removed');
  },
);

it(
  'leaves the other system alone where a deletion is only archived or ignored',
  { timeout: 120_000 },
  async () => {
    const { told, hubspotId, inCrm, inHubspot, believed, recordOf } = await begin(
      'deletes: archive',
      'deletes: ignore',
    );
    await told.inHubspot('DELETE', `/crm/v3/objects/contacts/${hubspotId.get('wang')}`);
    await believed();
    expect(isMarked(await recordOf('wang')), 'archived: the record is marked').toBe(true);
    expect(await inCrm('wang'), 'and the CRM keeps its object').toBeDefined();
    await told.inCrm('delete', { data_id: (await inCrm('li'))?.['_id'] });
    await believed();
    expect(isMarked(await recordOf('li')), 'ignored: the record is as it was').toBe(false);
    expect(await inHubspot('li')).toBeDefined();
    expect(await inCrm('li'), 'and nothing is made anew').toBeUndefined();
  },
);

it(
  'makes anew what somebody deleted, where the sync says so, once somebody edits it elsewhere later',
  { timeout: 120_000 },
  async () => {
    const { told, hubspotId, inCrm, believed } = await begin(
      'deletes: ignore',
      'deletes: ignore, resurrect: true',
    );
    const former = (await inCrm('zhao'))?.['_id'];
    await told.inCrm('delete', { data_id: former });
    await believed();
    expect(await inCrm('zhao')).toBeUndefined();
    await told.inHubspot('PATCH', `/crm/v3/objects/contacts/${hubspotId.get('zhao')}`, {
      properties: { jobtitle: 'Director' },
    });
    const anew = await eventually(async () => inCrm('zhao'));
    expect(anew['title']).toBe('Director');
    expect(anew['_id']).not.toBe(former);
    expect(await told.atRest()).toBe(true);
    expect((await told.crmRows()).filter((row) => row['email'] === 'zhao@way.cn')).toHaveLength(1);
  },
);
