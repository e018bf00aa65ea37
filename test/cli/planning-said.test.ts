/** A sync that only plans says so, and what to do, wherever somebody may wonder why nothing is written. */
import { afterEach, expect, it } from 'vitest';
import { freePort, Story } from '../story.ts';
import { Commands } from './command.ts';

let story: Story | undefined;
let commands: Commands | undefined;
afterEach(async () => {
  commands?.killAll();
  await story?.end();
});

it('is said by check, doctor, sync, status, trace, record, serve, HTTP and the page; and by none once it is published', async () => {
  story = await Story.begin({
    config: `
entities:
  contact: { keys: [[email]], conflict: newest }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live }
  crm-contacts: { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true }
`,
  });
  const command = (commands = new Commands(story.folder));
  const [id = ''] = await story.fileContacts([{ lastname: '王', firstname: '小明', email: 'w@huaxia.cn' }]);
  const object = `hubspot/contact/${id}`;
  const asks = [
    ['sync', 'hubspot-contacts', '--full'],
    ['check'],
    ['doctor'],
    ['status'],
    ['trace', object],
    ['record', object],
  ];
  const said = async (verbs: readonly (readonly string[])[]): Promise<string[]> => {
    const ran = await Promise.all(verbs.map(async (args) => ({ args, ...(await command.run(...args)) })));
    return ran.filter(({ out }) => /ONLY PLANNING/u.test(out)).map(({ args }) => args[0] ?? '');
  };
  const [first = [], ...rest] = asks;
  expect(await said([first])).toEqual(['sync']);
  expect(await said(rest)).toEqual(rest.map(([verb]) => verb));
  const { out } = await command.run('trace', object, '--json');
  expect((JSON.parse(out) as { planning: object[] }).planning).toEqual([
    { sync: 'crm-contacts', text: expect.stringContaining('crosswalk publish crm-contacts') },
  ]);
  const port = String(await freePort());
  const server = command.start('serve', '--port', port, '--json');
  expect(JSON.parse(await server.said)).toMatchObject({ planning: ['crm-contacts'] });
  const get = async (where: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}${where}`)).text();
  expect(await get('/')).toContain('only planning: writes nothing');
  expect(JSON.parse(await get('/api/v1/status'))).toMatchObject({
    syncs: [{ planning: false }, { name: 'crm-contacts', planning: true }],
  });
  expect(await get(`/api/v1/records/${encodeURIComponent(object)}`)).toContain('ONLY PLANNING');
  server.child.kill('SIGTERM');
  await server.ended;
  expect(await story.crmRows()).toEqual([]);
  expect((await command.run('publish', 'crm-contacts', '--by', 'Lin')).code).toBe(0);
  // The file alone does not know that it was published.
  expect(await said([first])).toEqual([]);
  expect(await said([['status'], ['trace', object], ['check']])).toEqual(['check']);
  expect(await story.crmRows()).toHaveLength(1);
}, 400_000);
