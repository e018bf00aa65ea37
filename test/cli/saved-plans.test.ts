/** sync --plan --save: what would be written is kept, shown, and made item by item; what has moved is shown anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { form, Story, usual, app } from '../story.ts';
import { Commands } from './command.ts';

interface Item {
  readonly item: string;
  readonly state: string;
  readonly moved: boolean;
  readonly label: string;
  readonly changes: readonly { readonly field: string; readonly after: unknown; readonly why: string }[];
}

interface Applied {
  readonly outcomes: readonly { readonly item: string; readonly is: string }[];
  readonly proposed: readonly Item[];
}

let story: Story | undefined;
let commands: Commands | undefined;
afterEach(async () => {
  commands?.killAll();
  await story?.end();
});

const planning = usual.replace(/(crm-contacts:.*)mode: live/u, '$1mode: plan');

const begin = async (config = planning): Promise<{ story: Story; commands: Commands }> => {
  story = await Story.begin({ config });
  commands = new Commands(story.folder);
  return { story, commands };
};

const ann = (n: number, also: Record<string, string> = {}): Record<string, string> => ({
  firstname: 'Ann',
  lastname: `Smith${n}`,
  email: `ann${n}@huaxia-med.cn`,
  ...also,
});

const save = async (command: Commands, sync = 'hubspot-contacts'): Promise<string> => {
  const { out, err } = await command.run('sync', sync, '--plan', '--save', '--full', '--json');
  expect(err).toBe('');
  return (JSON.parse(out) as { saved: string }).saved;
};

const items = async (command: Commands, plan: string): Promise<readonly Item[]> =>
  (JSON.parse((await command.run('plan', 'show', plan, '--json')).out) as { items: Item[] }).items;

const apply = async (command: Commands, plan: string, ...more: string[]): Promise<Applied> => {
  const { out, err } = await command.run('plan', 'apply', plan, '--by', 'Lin', '--json', ...more);
  expect(err).toBe('');
  return JSON.parse(out) as Applied;
};

const emails = async (at: Story): Promise<unknown[]> =>
  (await at.crmRows()).map((row) => row['email']).toSorted();

describe('a saved plan', () => {
  it(
    'is made item by item, also where the sync only plans; then the rest',
    { timeout: 120_000 },
    async () => {
      const at = await begin();
      await at.story.fileContacts([ann(1), ann(2), ann(3)]);
      await at.story.inCrm('create', {
        app_id: app,
        entry_id: form,
        data: { email: { value: 'ann2@huaxia-med.cn' } },
      });
      const plan = await save(at.commands);
      const shown = await items(at.commands, plan);
      expect(shown.map(({ state }) => state)).toEqual(['proposed', 'proposed', 'proposed']);
      expect(shown.map(({ changes }) => changes[0]?.why.split(' ')[0]).toSorted()).toEqual([
        'create',
        'create',
        'update',
      ]);
      // Nothing was written, and the records are as they were.
      expect(await emails(at.story)).toEqual(['ann2@huaxia-med.cn']);
      const created = shown.find(({ changes }) => changes[0]?.why.startsWith('create'));
      const one = await apply(at.commands, plan, '--item', created?.item ?? '');
      expect(one.outcomes).toEqual([{ item: created?.item, is: 'applied' }]);
      expect(one.proposed).toHaveLength(2);
      expect(await emails(at.story)).toHaveLength(2);
      const rest = await apply(at.commands, plan);
      expect(rest.outcomes.map(({ is }) => is)).toEqual(['applied', 'applied']);
      expect(await emails(at.story)).toEqual([1, 2, 3].map((n) => `ann${n}@huaxia-med.cn`));
      expect((await at.story.crmRows()).every((row) => String(row['name']).includes('Smith'))).toBe(true);
      expect((await apply(at.commands, plan)).outcomes).toEqual([]);
      const { run } = JSON.parse((await at.commands.run('plan', 'show', plan, '--json')).out) as {
        run: { state: string; items: { applied: number } };
      };
      expect([run.state, run.items.applied]).toEqual(['closed', 3]);
    },
  );

  it(
    'shows anew what has moved, drops what is not needed, and makes the rest',
    { timeout: 120_000 },
    async () => {
      const at = await begin();
      const [first = '', second = ''] = await at.story.fileContacts([ann(1), ann(2), ann(3)]);
      const plan = await save(at.commands);
      await at.story.inHubspot('PATCH', `/crm/v3/objects/contacts/${first}`, {
        properties: { city: '上海' },
      });
      await at.story.inHubspot('DELETE', `/crm/v3/objects/contacts/${second}`);
      const refused = await at.commands.run('plan', 'apply', plan, '--json');
      const { outcomes, proposed } = JSON.parse(refused.out) as Applied;
      expect(refused.code).toBe(1);
      expect(outcomes.map(({ is }) => is).toSorted()).toEqual(['applied', 'dropped', 'moved']);
      expect(await emails(at.story)).toEqual(['ann3@huaxia-med.cn']);
      expect(proposed).toHaveLength(1);
      expect(proposed[0]?.moved).toBe(true);
      expect(JSON.stringify(proposed[0]?.changes)).toContain('上海');
      expect((await apply(at.commands, plan)).outcomes.map(({ is }) => is)).toEqual(['applied']);
      expect(await emails(at.story)).toEqual(['ann1@huaxia-med.cn', 'ann3@huaxia-med.cn']);
      expect(JSON.stringify(await at.story.crmRows())).toContain('上海');
    },
  );

  it('is refused as a whole once the configuration has changed', { timeout: 120_000 }, async () => {
    const at = await begin();
    await at.story.fileContacts([ann(1)]);
    const plan = await save(at.commands);
    const file = path.join(at.story.folder, 'crosswalk.yaml');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace(/(crm-contacts:.*)mode: plan/u, '$1deletes: archive, mode: plan'));
    const refused = await at.commands.run('plan', 'apply', plan);
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain('the configuration of its entity has changed since it was made');
    expect(refused.err).toContain('crosswalk sync hubspot-contacts --plan --save');
    expect(await emails(at.story)).toEqual([]);
    // Whether the sync is live by now changes nothing of what was approved.
    writeFileSync(file, text.replace(/(crm-contacts:.*)mode: plan/u, '$1mode: live'));
    expect((await apply(at.commands, plan)).outcomes.map(({ is }) => is)).toEqual(['applied']);
    expect(await emails(at.story)).toEqual(['ann1@huaxia-med.cn']);
  });

  it(
    'is refused as a whole where more would be written by now than was approved',
    { timeout: 120_000 },
    async () => {
      const at = await begin();
      const [id = ''] = await at.story.fileContacts([ann(1)]);
      await apply(at.commands, await save(at.commands));
      const [row] = await at.story.crmRows();
      await at.story.inCrm('update', { data_id: row?.['_id'], data: { title: { value: '经理' } } });
      const plan = await save(at.commands, 'crm-contacts');
      expect((await items(at.commands, plan)).map(({ changes }) => changes[0]?.after)).toEqual(['经理']);
      await at.story.inHubspot('PATCH', `/crm/v3/objects/contacts/${id}`, { properties: { city: '上海' } });
      const refused = await at.commands.run('plan', 'apply', plan);
      expect(refused.err).toContain('2 writes are needed by now for what was asked for, and 1 were approved');
      expect(refused.code).not.toBe(0);
      expect(JSON.stringify(await at.story.crmRows())).not.toContain('上海');
      expect((await items(at.commands, plan)).map(({ state }) => state)).toEqual(['proposed']);
    },
  );

  it(
    'is not worked beside a gateway, which says so; and nothing is lost by that',
    { timeout: 120_000 },
    async () => {
      const at = await begin();
      await at.story.fileContacts([ann(1)]);
      const plan = await save(at.commands);
      await at.commands.start('serve').said;
      const refused = await at.commands.run('plan', 'apply', plan);
      expect(refused.code).not.toBe(0);
      expect(refused.err).toMatch(/crosswalk serve \(process \d+/u);
      expect((await items(at.commands, plan)).map(({ state }) => state)).toEqual(['proposed']);
      expect(await emails(at.story)).toEqual([]);
    },
  );

  it('--save goes with --plan', { timeout: 30_000 }, async () => {
    const at = await begin();
    expect((await at.commands.run('sync', 'hubspot-contacts', '--save')).err).toContain(
      '--save goes with --plan',
    );
  });
});
