/** sync --plan: what would be written, and then is; going live catches up with what was only planned. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { form, Story, usual, app } from '../story.ts';
import { Commands } from './command.ts';

interface Plan {
  readonly totals: Record<string, Record<string, number>>;
  readonly planning: readonly string[];
  readonly writes: readonly {
    readonly sync: string;
    readonly op: string;
    readonly label: string;
    readonly fields: readonly { readonly field: string; readonly before: unknown; readonly after: unknown }[];
  }[];
  readonly parkedItems: readonly { readonly where: string; readonly why: string }[];
}

let story: Story | undefined;
let commands: Commands | undefined;
afterEach(async () => {
  commands?.killAll();
  await story?.end();
});

const begin = async (config = usual): Promise<{ story: Story; commands: Commands }> => {
  story = await Story.begin({ config });
  commands = new Commands(story.folder);
  return { story, commands };
};

const planned = async (command: Commands, sync: string, ...more: string[]): Promise<Plan> => {
  const { out, err } = await command.run('sync', sync, '--plan', '--json', ...more);
  expect(err).toBe('');
  return (JSON.parse(out) as { plan: Plan }).plan;
};

const ann = (n: number, also: Record<string, string> = {}): Record<string, string> => ({
  firstname: 'Ann',
  lastname: `Smith${n}`,
  email: `ann${n}@huaxia-med.cn`,
  ...also,
});

const inCrm = (at: Story, email: string): Promise<unknown> =>
  at.inCrm('create', { app_id: app, entry_id: form, data: { email: { value: email } } });

describe('crosswalk sync --plan', () => {
  it(
    'tells the creates that a sync then makes, writes nothing and keeps nothing',
    { timeout: 60_000 },
    async () => {
      const at = await begin();
      await at.story.fileContacts([ann(1), ann(2), ann(3), ann(4, { mobilephone: 'no phone' })]);
      await inCrm(at.story, 'ann2@huaxia-med.cn');
      const plan = await planned(at.commands, 'hubspot-contacts', '--full');
      expect(plan.totals['crm-contacts']).toMatchObject({ create: 3, update: 1 });
      expect(plan.parkedItems).toHaveLength(1);
      expect(plan.parkedItems[0]?.why).toContain('/properties/mobilephone');
      expect(await at.story.crmRows()).toHaveLength(1);
      expect(existsSync(path.join(at.story.folder, 'crosswalk.db'))).toBe(false);

      const { code } = await at.commands.run('sync', 'hubspot-contacts', '--full', '--json');
      expect(code).toBe(1);
      const rows = await at.story.crmRows();
      // The one who stood on both sides is one: creates waited for what the CRM held.
      expect(rows.map((row) => row['email']).sort()).toEqual(
        [1, 2, 3, 4].map((n) => `ann${n}@huaxia-med.cn`),
      );
      const again = await planned(at.commands, 'hubspot-contacts', '--full');
      expect(again.writes).toEqual([]);
    },
  );

  it('shows what would change, value by value', { timeout: 60_000 }, async () => {
    const at = await begin();
    const [id] = await at.story.fileContacts([ann(1)]);
    await at.commands.run('sync', 'hubspot-contacts', '--full');
    await at.story.inHubspot('PATCH', `/crm/v3/objects/contacts/${id}`, { properties: { city: '上海' } });
    const plan = await planned(at.commands, 'hubspot-contacts', '--full');
    expect(plan.writes).toHaveLength(1);
    expect(plan.writes[0]).toMatchObject({
      sync: 'crm-contacts',
      op: 'update',
      fields: [{ before: null, after: expect.stringContaining('上海') }],
    });
    const said = await at.commands.run('sync', 'hubspot-contacts', '--full', '--plan');
    expect(said.out).toContain('PLAN: nothing was written');
    expect(said.out).toContain('上海');
    expect(JSON.stringify(await at.story.crmRows())).not.toContain('上海');
  });

  it('a sync that goes live catches up with all that it only planned', { timeout: 60_000 }, async () => {
    const notLive = usual.replace(/(crm-contacts:.*)mode: live/u, '$1mode: plan');
    const at = await begin(notLive);
    await at.story.fileContacts([ann(1), ann(2)]);
    await at.commands.run('sync', 'hubspot-contacts', '--full');
    expect(await at.story.crmRows()).toEqual([]);
    const plan = await planned(at.commands, 'hubspot-contacts');
    expect(plan.totals['crm-contacts']).toMatchObject({ create: 2 });
    expect(plan.planning).toEqual(['crm-contacts']);
    const file = path.join(at.story.folder, 'crosswalk.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('mode: plan', 'mode: live'));
    expect((await at.commands.run('sync', 'hubspot-contacts')).code).toBe(0);
    expect(await at.story.crmRows()).toHaveLength(2);
  });

  it('plans beside a gateway that works, from one consistent copy', { timeout: 60_000 }, async () => {
    const at = await begin(usual.replace(/(crm-contacts:.*)mode: live/u, '$1mode: plan'));
    await at.story.open();
    await at.story.fileContacts([ann(1), ann(2), ann(3)]);
    const [plan] = await Promise.all([
      planned(at.commands, 'hubspot-contacts', '--full'),
      at.story.fileContacts([ann(4)]),
    ]);
    expect(plan.totals['crm-contacts']?.['create']).toBeGreaterThanOrEqual(3);
    expect(plan.planning).toEqual(['crm-contacts']);
    expect(await at.story.atRest()).toBe(true);
    expect(await at.story.crmRows()).toEqual([]);
    expect(await at.story.gateway?.store.count('effect', 'state', { state: 'open' })).toBe(0);
  });
});
