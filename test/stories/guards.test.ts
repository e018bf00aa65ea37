/** What stops before harm is done: budgets, the guard of ids, syncs that only plan until they are published. */
import { afterEach, expect, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { Commands } from '../cli/command.ts';
import { eventually, Story } from '../story.ts';

let story: Story | undefined;
afterEach(async () => {
  await story?.end();
  story = undefined;
});

const configOf = (crm: string, more = '') => `
entities:
  contact: { keys: [[mobile, name]], protect: [customerId], conflict: newest }
${more}
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: false, mode: live, poll: 1s }
  crm-contacts: { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true, ${crm} poll: 1s }
`;

const people = (count: number, more: (n: number) => Record<string, string> = () => ({})) =>
  Array.from({ length: count }, (_, n) => ({
    lastname: `王${'一二三四五六七八九'.charAt(n)}`,
    mobilephone: `1380013800${n + 1}`,
    ...more(n),
  }));

const statusOf = async (commands: Commands) =>
  JSON.parse((await commands.run('status', '--json')).out) as {
    syncs: { name: string; planning: boolean; paused: { why: string } | null; effects: { open: number } }[];
    alarms: { subject: string; text: string }[];
  };

it('stops a sync before the first write that its budget does not allow, and asks', async () => {
  story = await Story.begin({ config: configOf('mode: live, budget: { creates: 5/day },') });
  const commands = new Commands(story.folder);
  await story.fileContacts(people(8));
  await story.open();
  const paused = await eventually(async () => {
    const { syncs, alarms } = await statusOf(commands);
    const one = syncs.find(({ name }) => name === 'crm-contacts');
    return one?.paused != null && { one, alarms };
  }, 30_000);
  expect(paused.one.paused?.why).toMatch(
    /8 creates are wanted, 0 were made in the last 24 hours, and the budget is 5\/day/u,
  );
  expect(paused.alarms.map(({ subject }) => subject)).toContain('sync crm-contacts');
  expect(await story.crmRows()).toEqual([]);
  // Starting it again as it is stops it again; a person allows what waits.
  await commands.run('resume', 'crm-contacts');
  await eventually(async () => (await statusOf(commands)).syncs.some(({ paused: why }) => why !== null));
  expect(await story.crmRows()).toEqual([]);
  const allowed = await commands.run('resume', 'crm-contacts', '--over-budget', '--by', 'Lin');
  expect(allowed.out).toContain('8 creates and 0 updates above its budget');
  await eventually(async () => (await story?.crmRows())?.length === 8, 30_000);
  expect(await story.atRest()).toBe(true);
  // What was allowed is used up: five more are within the budget, six are not.
  await story.fileContacts(people(6).map((one) => ({ ...one, lastname: `李${one.lastname}` })));
  await eventually(
    async () => (await statusOf(commands)).syncs.some(({ paused: why }) => why !== null),
    30_000,
  );
  expect((await story.crmRows()).length).toBe(8);
}, 120_000);

it('holds a stage back until its evidence is there, says what is missing, and goes on by itself', async () => {
  const guard =
    '{ stage: { order: [lead, qualified, opportunity, customer], skip: ask, evidence: { customer: [customerId] } } }';
  const config = configOf('mode: live,').replace('protect: [customerId]', `transitions: ${guard}`);
  story = await Story.begin({ config });
  const commands = new Commands(story.folder);
  const [id = ''] = await story.fileContacts(people(1, () => ({ lifecyclestage: 'opportunity' })));
  await story.open();
  await eventually(async () => (await story?.crmRows())?.length === 1, 30_000);
  expect(await story.atRest()).toBe(true);
  const change = (properties: Record<string, string>) =>
    story?.inHubspot('POST', '/crm/v3/objects/contacts/batch/update', { inputs: [{ id, properties }] });
  const before = (await story.crmRows())[0]?.['stage'];
  await change({ lifecyclestage: 'customer', jobtitle: '经理' });
  const list = async () =>
    (JSON.parse((await commands.run('conflicts', 'list', '--json')).out) as { conflicts: Row[] }).conflicts;
  interface Row {
    readonly why: string;
    readonly field: string;
    readonly theirs: string;
    readonly message: string;
    readonly remedy: string;
  }
  const [waits] = await eventually(async () => {
    const found = await list();
    return found.length > 0 && found;
  }, 30_000);
  expect(waits).toMatchObject({ why: 'transition', field: 'stage', theirs: 'customer' });
  expect(waits?.message).toContain('was not taken from hubspot-contacts');
  expect(waits?.message).toContain('customer needs customerId');
  expect(waits?.remedy).toContain('it is taken by itself');
  const said = (await commands.run('conflicts', 'list')).out;
  expect(said).toContain('customer needs customerId');
  // The rest of the edit has gone on.
  await eventually(async () => (await story?.crmRows())?.[0]?.['title'] === '经理', 30_000);
  expect((await story.crmRows())[0]?.['stage']).toBe(before);
  await change({ customer_id: 'KH-7' });
  await eventually(async () => (await story?.crmRows())?.[0]?.['stage'] !== before, 30_000);
  expect(await list()).toEqual([]);
}, 120_000);

it('only plans until it is published, and again once that is withdrawn', async () => {
  story = await Story.begin({ config: configOf('') });
  const commands = new Commands(story.folder);
  await story.fileContacts(people(2));
  await story.open();
  const planning = async () =>
    (await statusOf(commands)).syncs.find(({ name }) => name === 'crm-contacts')?.planning;
  await eventually(
    async () => (await story?.gateway?.store.count('link', 'sync', { sync: 'hubspot-contacts' })) === 2,
  );
  expect(await planning()).toBe(true);
  expect(await story.crmRows()).toEqual([]);
  expect((await commands.run('publish', 'hubspot-contacts')).err).toContain('says "mode: live" in its file');
  expect((await commands.run('publish', 'crm-contacts')).out).toContain('is live');
  await eventually(async () => (await story?.crmRows())?.length === 2, 30_000);
  expect(await planning()).toBe(false);
  expect((await commands.run('publish', 'crm-contacts', '--withdraw')).code).toBe(0);
  await sleep(1500);
  await story.fileContacts([{ lastname: '张三', mobilephone: '13900139001' }]);
  await eventually(
    async () => (await story?.gateway?.store.count('link', 'sync', { sync: 'hubspot-contacts' })) === 3,
  );
  await sleep(1500);
  expect((await story.crmRows()).length).toBe(2);
}, 90_000);

it('overwrites no id with a placeholder, stops all writing when many come, and names the source', async () => {
  story = await Story.begin({ config: configOf('mode: live,', 'guards: { idChanges: 4 }') });
  const commands = new Commands(story.folder);
  const ids = await story.fileContacts(people(6, (n) => ({ customer_id: `KH-${n + 1}` })));
  await story.open();
  await eventually(async () => (await story?.crmRows())?.length === 6, 30_000);
  expect(await story.atRest()).toBe(true);
  const before = (await story.crmRows()).map((row) => row['customer_id']).toSorted();
  await story.inHubspot('POST', '/crm/v3/objects/contacts/batch/update', {
    inputs: ids.map((id) => ({ id, properties: { customer_id: '0', jobtitle: '经理' } })),
  });
  const alarm = await eventually(async () =>
    (await statusOf(commands)).alarms.find(({ subject }) => subject === 'ids'),
  );
  expect(alarm.text).toMatch(
    /all writing is stopped: [56] ids .* 4 are allowed: [56] from sync hubspot-contacts \(connection hubspot\)/u,
  );
  await sleep(2000);
  expect((await story.crmRows()).map((row) => row['customer_id']).toSorted()).toEqual(before);
  expect((await commands.run('sync', 'crm-contacts')).code).not.toBe(0);
  expect((await commands.run('resume', 'all')).out).toContain('all goes on');
  await eventually(async () => (await story?.crmRows())?.every((row) => row['title'] === '经理'), 30_000);
  expect((await story.crmRows()).map((row) => row['customer_id']).toSorted()).toEqual(before);
  await eventually(async () => {
    const rows = await story?.hubspotRows('customer_id');
    return rows?.every((row) => String(row['customer_id']).startsWith('KH-'));
  }, 30_000);
}, 120_000);

it('fills missing numbers as a planned run, and leaves those that there are', async () => {
  story = await Story.begin({ config: configOf('mode: live,') });
  const commands = new Commands(story.folder);
  await story.fileContacts(
    people(3, (n): Record<string, string> => (n === 0 ? { customer_id: 'KH-1' } : {})),
  );
  await story.open();
  await eventually(async () => (await story?.crmRows())?.length === 3, 30_000);
  expect(await story.atRest()).toBe(true);
  const args = ['repair', 'contact', '--field', 'customerId', '--expression'];
  const bad = await commands.run(...args, '1 +', '--json');
  expect(bad.out).toContain('is no JSONata');
  expect((await commands.run(...args, '7', '--json')).out).toContain('what it gives is not text');
  expect((await commands.run(...args, '"x"', '--where', '{"custmerId":["0"]}')).err).toContain(
    'did you mean customerId?',
  );
  expect((await commands.run(...args, '"x"', '--where', '{"name":{"like":"x"}}')).err).toContain(
    'has the test "like"',
  );
  const made = JSON.parse((await commands.run(...args, '"CUST_" & links.hubspot', '--json')).out) as {
    plan: string;
    items: number;
    looked: number;
  };
  // The number that is there is protected.
  expect([made.items, made.looked]).toEqual([2, 3]);
  expect((await story.crmRows()).filter((row) => row['customer_id'] != null)).toHaveLength(1);
  expect((await commands.run('plan', 'apply', made.plan, '--by', 'Lin')).out).toContain('2 applied');
  await eventually(async () => (await story?.crmRows())?.every((row) => row['customer_id'] != null), 30_000);
  expect(await story.atRest()).toBe(true);
  const here = await story.hubspotRows('customer_id');
  expect(here.map((row) => row['customer_id']).toSorted()).toEqual(
    [
      'KH-1',
      ...here.filter((row) => row['customer_id'] !== 'KH-1').map((row) => `CUST_${String(row['id'])}`),
    ].toSorted(),
  );
  expect(here.every((row) => /^(?:KH-1|CUST_\d+)$/u.test(String(row['customer_id'])))).toBe(true);
}, 90_000);
