/** One customer who stands there twice: found, looked at, merged, and taken apart again, by commands beside a running gateway. */
import { afterEach, expect, it } from 'vitest';
import { Commands, type Ran } from '../cli/command.ts';
import { eventually, Story } from '../story.ts';

let story: Story | undefined;
let commands: Commands | undefined;
afterEach(async () => {
  commands?.killAll();
  await story?.end();
  story = undefined;
});

const told = <Report>(ran: Ran): Report => {
  expect(ran.code, ran.out + ran.err).toBe(0);
  return JSON.parse(ran.out) as Report;
};

interface Candidates {
  readonly candidates: readonly { readonly a: string; readonly b: string; readonly why: string }[];
}

interface Merge {
  readonly survivor: string;
  readonly loser: string;
  readonly writes: readonly { readonly sync: string; readonly field: string; readonly after: unknown }[];
}

it(
  'is found by a key, merged as it was planned, and taken apart with what was changed since',
  { timeout: 180_000 },
  async () => {
    story = await Story.begin({
      config: `
entities:
  contact: { keys: [[mobile], [email]], conflict: newest }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live, poll: 1s }
  crm-contacts: { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true, mode: live, poll: 1s }
`,
    });
    const { store } = await story.open();
    commands = new Commands(story.folder);
    const api = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
      const response = await fetch(`http://127.0.0.1:${story?.port}/api/v1${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return (await response.json()) as Record<string, unknown>;
    };
    const [first = '', second = ''] = await story.fileContacts([
      { lastname: '王', firstname: '小明', email: 'wang@acme.cn', mobilephone: '13912345678' },
      { lastname: '王', firstname: '晓明', email: 'xm.wang@acme.cn', jobtitle: 'CTO' },
    ]);
    expect(await story.atRest()).toBe(true);
    expect(await story.crmRows()).toHaveLength(2);
    // Somebody gives the second the number of the first.
    await story.inHubspot('PATCH', `/crm/v3/objects/contacts/${second}`, {
      properties: { mobilephone: '13912345678' },
    });
    await eventually(async () => (await store.count('candidate', 'at', {})) === 1);
    expect(await story.atRest()).toBe(true);

    const { candidates } = told<Candidates>(
      await commands.run('candidates', 'list', '--entity', 'contact', '--json'),
    );
    expect(candidates).toMatchObject([{ why: expect.stringContaining('same mobile') as unknown }]);
    const [{ a, b } = { a: '', b: '' }] = candidates;
    const shown = (await api('GET', `/candidates/${a}/${b}`)) as {
      fields?: { field: string; a: string; b: string }[];
    };
    const names = shown.fields?.find(({ field }) => field === 'name');
    expect([names?.a, names?.b].sort()).toEqual(['王小明', '王晓明'].sort());

    const pair = [`hubspot/contact/${first}`, `hubspot/contact/${second}`];
    const plan = await commands.run('merge', ...pair, '--survivor', pair[0] ?? '');
    expect(plan.out).toContain('nothing was changed; add --apply');
    expect(await store.count('candidate', 'at', {})).toBe(1);
    const asked = ['merge', ...pair, '--survivor', pair[0] ?? '', '--apply', '--by', 'lin', '--json'];
    const { merge } = told<{ merge: Merge }>(await commands.run(...asked));
    expect(merge.writes).toContainEqual(
      expect.objectContaining({ sync: 'crm-contacts', field: 'title', after: 'CTO' }),
    );
    expect(await story.atRest()).toBe(true);
    const rows = await story.crmRows();
    expect(rows.map((row) => row['title'])).toEqual(['CTO', 'CTO']);
    expect(new Set(rows.map((row) => row['name'])).size, 'both objects are alike').toBe(1);
    expect(await store.count('candidate', 'at', {})).toBe(0);

    const led = await commands.run('record', merge.loser);
    expect(led.out).toContain(`record ${merge.loser} was merged into it`);
    const trace = await api('GET', `/trace?connection=hubspot&kind=contact&id=${second}`);
    expect(JSON.stringify(trace)).toContain('merged with record');

    // Somebody edits the second one’s own object, then the two are taken apart.
    await story.inHubspot('PATCH', `/crm/v3/objects/contacts/${second}`, { properties: { city: '杭州' } });
    const valueOf = async (record: string, field: string): Promise<unknown> => {
      const report = (await api('GET', `/records/${record}`)) as {
        fields?: { field: string; value: unknown }[];
      };
      return report.fields?.find((one) => one.field === field)?.value;
    };
    await eventually(async () => (await valueOf(merge.survivor, 'suburb')) === '杭州');
    expect(await story.atRest()).toBe(true);
    const apart = await commands.run('unmerge', merge.loser, '--apply', '--by', 'lin');
    expect(apart.out).toContain('told apart for good');
    expect(await story.atRest()).toBe(true);
    const fieldsOf = async (record: string): Promise<unknown[]> =>
      Promise.all(['name', 'title', 'suburb'].map((field) => valueOf(record, field)));
    expect(await fieldsOf(merge.survivor)).toEqual(['王小明', null, null]);
    expect(await fieldsOf(merge.loser)).toEqual(['王晓明', 'CTO', '杭州']);
    const again = await story.hubspotRows('firstname,jobtitle,city');
    expect(again.find(({ id }) => id === first)).toMatchObject({ firstname: '小明' });
    expect(again.find(({ id }) => id === second)).toMatchObject({
      firstname: '晓明',
      jobtitle: 'CTO',
      city: '杭州',
    });

    expect(await api('GET', '/candidates?entity=contact')).toEqual({ candidates: [], of: 0 });
    expect(await api('GET', `/candidates/${a}/${b}`)).toMatchObject({ apart: 'lin', why: 'no candidate' });
    expect(await api('POST', '/merge', { a, b })).toMatchObject({
      detail: expect.stringContaining('lin has said that they are not the same') as unknown,
    });
    const over = { a, b, overrule: true, by: 'lin' };
    expect(await api('POST', '/merge', over)).toMatchObject({ state: 'planned' });
    const done = await api('POST', '/merge/apply', over);
    expect(done).toMatchObject({ state: 'done' });
    expect(await api('POST', '/unmerge/apply', { record: done['loser'], by: 'lin' })).toMatchObject({
      state: 'done',
    });
  },
);
