/** crosswalk store, and everything else over PostgreSQL: real processes over the sandboxes. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lacksPostgres, Postgres } from '../postgres.ts';
import { eventually, Story } from '../story.ts';
import { Commands, type Ran } from './command.ts';

let story: Story;
let commands: Commands;
beforeEach(async () => {
  story = await Story.begin();
  commands = new Commands(story.folder);
});
afterEach(async () => {
  commands.killAll();
  await story.end();
});

const parsed = ({ out, err }: Ran): Record<string, unknown> => {
  if (out === '') throw new Error(`it said nothing: ${err}`);
  return JSON.parse(out) as Record<string, unknown>;
};
const people = [1, 2, 3].map((n) => ({ firstname: 'Ann', lastname: `王${n}`, email: `ann${n}@example.org` }));
type Tables = Record<string, { rows: number; sha256: string }>;

describe('crosswalk store', () => {
  it('backs up, restores and verifies, also beside a running gateway', { timeout: 300_000 }, async () => {
    await story.fileContacts(people);
    expect((await commands.run('sync', 'hubspot-contacts', '--full', '--json')).code).toBe(0);
    expect(parsed(await commands.run('store', 'verify', '--json'))).toMatchObject({
      records: 3,
      differences: 0,
    });
    await commands.start('serve', '--port', '0').said;
    const file = path.join(story.folder, 'one.backup');
    const made = await commands.run('store', 'backup', file, '--verify', '--json');
    expect(made.code).toBe(0);
    expect(parsed(made)).toMatchObject({ backup: { file }, verified: { records: 3, differences: 0 } });
    const again = await commands.run('store', 'backup', file, '--json');
    expect(parsed(again)).toMatchObject({ error: { code: 'output-unwritable' } });
    const filled = await commands.run('store', 'restore', file, '--json');
    expect(filled.code).toBe(5);
    expect(parsed(filled)).toMatchObject({ error: { code: 'store-held' } });
    const other = new Commands(story.folder, { CROSSWALK_STORE: path.join(story.folder, 'other.db') });
    expect(parsed(await other.run('store', 'restore', file, '--json'))).toMatchObject({
      restored: { tables: { record: { rows: 3 } } },
    });
    expect((await other.run('store', 'verify')).out).toContain('the store is what its lineage tells');
    expect(parsed(await other.run('store', 'restore', file, '--json'))).toMatchObject({
      error: { code: 'store-filled' },
    });
    other.killAll();
  });

  it('takes backups by schedule and says so', { timeout: 300_000 }, async () => {
    const config = path.join(story.folder, 'crosswalk.yaml');
    writeFileSync(
      config,
      `${readFileSync(config, 'utf8')}\nbackup: { at: "0 3 * * *", to: ./backups }\nkeep: { hooks: 3d, lineage: 400d }\n`,
    );
    await commands.start('serve', '--port', '0').said;
    const told = await eventually(async () => {
      const { findings } = parsed(await commands.run('doctor', '--json')) as {
        findings: { what: string; state: string; text: string }[];
      };
      const found = findings.find(({ what }) => what === 'backup');
      return found?.state === 'ok' && found;
    }, 60_000);
    expect(told.text).toContain('restored and verified');
    writeFileSync(config, `${readFileSync(config, 'utf8')}\n`.replace('"0 3 * * *"', 'never'));
    const wrong = await commands.run('check', '--json');
    expect(wrong.out + wrong.err).toContain('config-schedule');
  });
});

describe.skipIf(lacksPostgres)('crosswalk over PostgreSQL', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await Postgres.start();
  });
  afterAll(() => server.end());

  it('moves an installation there and back, and works on', { timeout: 600_000 }, async () => {
    await story.fileContacts(people);
    expect((await commands.run('sync', 'hubspot-contacts', '--full', '--json')).code).toBe(0);
    const url = (await server.database()).replace('crosswalk@', 'crosswalk:hush-hush@');
    const there = new Commands(story.folder, { DATABASE_URL: url });
    const serving = commands.start('serve', '--port', '0');
    await serving.said;
    const held = await commands.run('store', 'copy', '--to', url, '--json');
    expect(parsed(held)).toMatchObject({ error: { code: 'store-held' } });
    serving.child.kill('SIGTERM');
    await serving.ended;
    const copied = await commands.run('store', 'copy', '--to', url, '--json');
    expect(copied.out + copied.err).not.toContain('hush-hush');
    const { tables } = parsed(copied) as { tables: Tables };
    expect(tables['record']?.rows).toBe(3);
    // Read whole again: nothing has moved, so nothing is written.
    const again = parsed(await there.run('sync', 'hubspot-contacts', '--full', '--json'));
    expect(again).toMatchObject({ run: { state: 'closed', read: 3, items: { unchanged: 3 } } });
    const plan = await there.run('sync', 'crm-contacts', '--plan', '--json');
    expect(plan.code).toBe(0);
    expect((await there.run('status', '--json')).code).toBe(0);
    const doctor = await there.run('doctor', '--json');
    expect(doctor.out).toMatch(/postgresql:\/\/127\.0\.0\.1:\d+\/test1 can be written: PostgreSQL \d+/u);
    expect(doctor.out).not.toContain('hush-hush');
    expect(parsed(await there.run('store', 'verify', '--json'))).toMatchObject({
      records: 3,
      differences: 0,
    });
    // One gateway at a time there too; one that was killed is succeeded.
    const gateway = there.start('serve', '--port', '0');
    await gateway.said;
    expect(parsed(await there.run('serve', '--port', '0', '--json'))).toMatchObject({
      error: { code: 'store-held' },
    });
    gateway.child.kill('SIGKILL');
    await gateway.ended;
    await story.fileContacts([{ firstname: 'Bo', lastname: 'Li', email: 'bo@example.org' }]);
    const more = parsed(await there.run('sync', 'hubspot-contacts', '--full', '--json'));
    expect(more).toMatchObject({ run: { read: 4, items: { applied: 1 } } });
    expect((await story.crmRows()).map((row) => row['email'])).toContain('bo@example.org');
    rmSync(path.join(story.folder, '.crosswalk'), { recursive: true });
    const back = await there.run(
      'store',
      'copy',
      '--to',
      path.join(story.folder, '.crosswalk/crosswalk.db'),
      '--json',
    );
    expect(back.code).toBe(0);
    expect((parsed(back) as { tables: Tables }).tables['record']?.rows).toBe(4);
    expect(parsed(await commands.run('store', 'verify', '--json'))).toMatchObject({
      records: 4,
      differences: 0,
    });
    there.killAll();
  });

  it('says what is wrong where the database is not there', { timeout: 200_000 }, async () => {
    const lost = new Commands(story.folder, { DATABASE_URL: server.urlOf('nothing_here') });
    const { code, out } = await lost.run('status', '--json');
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'store-unusable' } });
    expect((await lost.run('doctor', '--json')).out).toContain('Check DATABASE_URL');
    const wrong = new Commands(story.folder, { DATABASE_URL: 'mysql://x' });
    expect((await wrong.run('status', '--json')).out).toContain('config-environment');
  });
});
