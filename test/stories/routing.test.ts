/** Routing as people meet it: tried on made-up records, decided in the gateway, explained, and planned anew. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/connector.ts';
import { Commands } from '../cli/command.ts';
import { eventually, Story, usual } from '../story.ts';

let story: Story | undefined;
afterEach(async () => {
  await story?.end();
  story = undefined;
});

/** The shipped mapping of HubSpot contacts, with a table that decides the owner by province. */
const own = (east: string): string => {
  const shipped = new URL('../../mappings/hubspot/contact.json', import.meta.url);
  const document = JSON.parse(readFileSync(shipped, 'utf8')) as JsonObject;
  document['name'] = 'own-contact';
  document['routes'] = {
    owner: {
      table: [{ name: 'east', if: { state: ['浙江省'] }, to: [east] }],
      otherwise: ['desk@example.cn'],
    },
  };
  for (const { remote, entity } of document['examples'] as { remote: JsonObject; entity: JsonObject }[]) {
    const { state } = remote['properties'] as JsonObject;
    entity['owner'] = typeof state === 'string' && state.trim() === '浙江省' ? east : 'desk@example.cn';
  }
  return JSON.stringify(document);
};

it('decides an owner once, says by which row, and moves nobody before the plan is approved', async () => {
  story = await Story.begin({ config: usual.replace('hubspot-contact,', 'own-contact,') });
  const { folder } = story;
  mkdirSync(`${folder}/mappings`);
  writeFileSync(`${folder}/mappings/own.json`, own('ann@example.cn'));
  const commands = new Commands(folder);
  const ids = await story.fileContacts([
    { lastname: '王一', mobilephone: '13800138001', state: '浙江省' },
    { lastname: '王二', mobilephone: '13800138002', state: '广东省' },
  ]);
  await story.open();
  const line = await eventually(async () => {
    const { out } = await commands.run('trace', `hubspot/contact/${ids[0]}`, '--field', 'owner');
    return out.includes('owner =') && out;
  });
  expect(line).toContain('owner = "ann@example.cn", was null: decided by the table of own-contact@');
  expect(line).toContain('(owner: east (state is "浙江省") gives "ann@example.cn")');
  expect(await story.atRest()).toBe(true);
  const calm = await commands.run('reroute', 'hubspot-contacts');
  expect(calm.out).toContain('each is where the tables would put it');
  // East is given to somebody else: who has it keeps it until a person approves the plan.
  await story.closeGateway();
  writeFileSync(`${folder}/mappings/own.json`, own('bob@example.cn'));
  await story.open();
  const { out } = await commands.run('reroute', 'hubspot-contacts', '--json');
  const { plan, proposed, looked } = JSON.parse(out) as {
    plan: string;
    proposed: JsonObject[];
    looked: number;
  };
  expect([proposed.length, looked]).toEqual([1, 2]);
  const ownerNow = async () => {
    const answer = await commands.run('trace', `hubspot/contact/${ids[0]}`, '--json');
    return (JSON.parse(answer.out) as { record: { fields: JsonObject } }).record.fields['owner'];
  };
  expect(await ownerNow()).toBe('ann@example.cn');
  const shown = await commands.run('plan', 'show', plan);
  expect(shown.out).toContain('"ann@example.cn" → "bob@example.cn"');
  const applied = await commands.run('plan', 'apply', plan, '--by', 'Lin');
  expect(applied).toMatchObject({ code: 0 });
  expect(applied.out).toContain('1 applied');
  expect(await ownerNow()).toBe('bob@example.cn');
  const told = await commands.run('trace', `hubspot/contact/${ids[0]}`, '--field', 'owner');
  expect(told.out).toContain('owner = "bob@example.cn", was "ann@example.cn"');
  expect((await commands.run('plan', 'show', 'plan_none')).code).toBe(1);
  await eventually(async () => {
    const runs = JSON.parse((await commands.run('runs', '--json')).out) as {
      runs: { id: string; state: string }[];
    };
    return runs.runs.find((one) => one.id === plan)?.state === 'closed';
  });
}, 90_000);

describe('simulate-routing', () => {
  let folder = '';
  const crosswalk = (args: readonly string[], input = '') => {
    const env = { PATH: process.env['PATH'] ?? '' };
    const ran = spawnSync(process.execPath, ['src/main.ts', ...args, '--dir', folder], {
      env,
      input,
      encoding: 'utf8',
    });
    return { code: ran.status, out: ran.stdout, err: ran.stderr };
  };
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const given = (name: string, value: unknown): string => {
    const file = path.join(folder, name);
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
    return file;
  };

  it('says where given records land, which conditions never match, and who falls through', () => {
    folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-routing-'));
    const lines = [
      { mobile: '13800138001', province: '浙江省' },
      { mobile: '13800138002', province: '西藏' },
      { mobile: '13800138003', province: '上海市', budget: '600000' },
    ].map((one) => JSON.stringify(one));
    const file = given('leads.ndjson', `${lines.join('\n')}\nrubbish\n`);
    const roster = given('people.json', {
      employee: [
        { email: 'sun@example.cn', department: '华东销售部' },
        { email: 'lead.desk@example.cn', active: false },
        { email: 'zhao.lei@example.cn' },
      ],
    });
    const args = ['simulate-routing', 'webform-lead', '--file', file, '--roster', roster];
    const { code, out, err } = crosswalk([...args, '--json', '--at', '2026-06-01T09:00:00+08:00']);
    expect(code).toBe(1);
    expect(err).toContain('line 4 is not JSON');
    const { records, unreadable, fields } = JSON.parse(out) as {
      records: number;
      unreadable: number;
      fields: JsonObject[];
    };
    expect([records, unreadable]).toEqual([3, 1]);
    const [team, owner] = fields;
    expect(team?.['rows']).toEqual([
      { row: 'key accounts', count: 1 },
      { row: 'east', count: 1 },
      { row: 'south', count: 0 },
      { row: 'otherwise', count: 1 },
    ]);
    expect(team?.['neverMatched']).toEqual([{ row: 'south', field: 'province' }]);
    expect(owner?.['nobody']).toMatchObject({ count: 1, first: [{ record: 2 }] });
    expect(owner?.['targets']).toEqual([
      { who: 'sun@example.cn', count: 1 },
      { who: 'zhao.lei@example.cn', count: 1 },
    ]);
    const text = crosswalk(args).out;
    expect(text).toContain('no record passes what row south asks of province');
    expect(text).toContain('record 2 goes NOWHERE');
  });

  it('makes the same records up each time, and refuses what it cannot use', () => {
    folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-routing-'));
    const args = ['simulate-routing', 'webform-lead', '--count', '500', '--json'];
    const first = crosswalk(args);
    expect(first.code).toBe(0);
    expect(crosswalk(args).out).toBe(first.out);
    expect(crosswalk([...args, '--seed', '2']).out).not.toBe(first.out);
    const { fields } = JSON.parse(first.out) as { fields: { rows: { row: string; count: number }[] }[] };
    expect(fields[0]?.rows.every(({ count }) => count > 0)).toBe(true);
    expect(crosswalk(['simulate-routing', 'hubspot-contact']).err).toContain('has no "routes"');
    expect(crosswalk([...args, '--at', '2026-06-01']).out).toContain('--at takes a time with its zone');
    expect(crosswalk([...args, '--count', '0']).out).toContain('whole number');
    const bad = given('bad.json', '[1]');
    expect(crosswalk([...args, '--roster', bad]).out).toContain('holds no lists of colleagues by entity');
  });

  it('map --why tells the path of each decision', () => {
    folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-routing-'));
    const line = JSON.stringify({ mobile: '13800138001', province: '浙江省', budget: '100' });
    const { code, out } = crosswalk(['map', 'webform-lead', '--why'], line);
    expect(code).toBe(0);
    expect(out).toContain('team = "华东销售部"  ← by the table: not key accounts: budget is');
    const mapped = JSON.parse(crosswalk(['map', 'webform-lead'], line).out) as JsonObject;
    expect(mapped).toMatchObject({ team: '华东销售部', owner: 'lead.desk@example.cn' });
  });
});
