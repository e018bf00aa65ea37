/** crosswalk store, and everything else over PostgreSQL: real processes over the sandboxes. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** The store of a gateway that has read the people, written them, and is closed. */
const filled = async (): Promise<void> => {
  await story.fileContacts(people);
  const { store } = await story.open();
  await eventually(
    async () => (await store.count('record', 'entity', { entity: 'contact' })) === people.length,
    60_000,
  );
  expect(await story.atRest()).toBe(true);
  await story.closeGateway();
};

describe('crosswalk store', () => {
  it('backs up, restores and verifies, also beside a running gateway', { timeout: 300_000 }, async () => {
    await filled();
    await commands.start('serve', '--port', '0').said;
    const file = path.join(story.folder, 'one.backup');
    const [made, restored, copied] = await Promise.all([
      commands.run('store', 'backup', file, '--verify', '--json'),
      commands.run('store', 'restore', file, '--json'),
      commands.run('store', 'copy', '--to', path.join(story.folder, 'copy.db'), '--json'),
    ]);
    expect(made.code).toBe(0);
    expect(parsed(made)).toMatchObject({ backup: { file }, verified: { records: 3, differences: 0 } });
    expect(restored.code).toBe(5);
    for (const held of [restored, copied])
      expect(parsed(held)).toMatchObject({ error: { code: 'store-held' } });
    const other = new Commands(story.folder, { CROSSWALK_STORE: path.join(story.folder, 'other.db') });
    const [again, first] = await Promise.all([
      commands.run('store', 'backup', file, '--json'),
      other.run('store', 'restore', file, '--json'),
    ]);
    expect(parsed(again)).toMatchObject({ error: { code: 'output-unwritable' } });
    expect(parsed(first)).toMatchObject({ restored: { tables: { record: { rows: 3 } } } });
    const [verified, second] = await Promise.all([
      other.run('store', 'verify'),
      other.run('store', 'restore', file, '--json'),
    ]);
    expect(verified.out).toContain('the store is what its lineage tells');
    expect(parsed(second)).toMatchObject({ error: { code: 'store-filled' } });
    other.killAll();
  });

  it('takes backups by schedule and says so', { timeout: 300_000 }, async () => {
    const config = path.join(story.folder, 'crosswalk.yaml');
    writeFileSync(
      config,
      `${readFileSync(config, 'utf8')}\nbackup: { at: "0 3 * * *", to: ./backups }\nkeep: { hooks: 3d, lineage: 400d }\n`,
    );
    await commands.start('serve', '--port', '0').said;
    await eventually(() => Promise.resolve(existsSync(path.join(story.folder, 'backups'))), 60_000);
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
    await filled();
    const url = (await server.database()).replace('crosswalk@', 'crosswalk:hush-hush@');
    const there = new Commands(story.folder, { DATABASE_URL: url });
    const copied = await commands.run('store', 'copy', '--to', url, '--json');
    expect(copied.out + copied.err).not.toContain('hush-hush');
    expect((parsed(copied) as { tables: Tables }).tables['record']?.rows).toBe(3);
    // One gateway at a time there too; one that was killed is succeeded.
    const gateway = there.start('serve', '--port', '0');
    await gateway.said;
    const [second, status, doctor] = await Promise.all([
      there.run('serve', '--port', '0', '--json'),
      there.run('status', '--json'),
      there.run('doctor', '--json'),
    ]);
    expect(parsed(second)).toMatchObject({ error: { code: 'store-held' } });
    expect(status.code).toBe(0);
    expect(doctor.out).toMatch(/postgresql:\/\/127\.0\.0\.1:\d+\/test1 can be written: PostgreSQL \d+/u);
    expect(doctor.out).not.toContain('hush-hush');
    gateway.child.kill('SIGKILL');
    await gateway.ended;
    // Read whole again: of those that it knows nothing has moved, so nothing is written.
    await story.fileContacts([{ firstname: 'Bo', lastname: 'Li', email: 'bo@example.org' }]);
    const more = parsed(await there.run('sync', 'hubspot-contacts', '--full', '--json'));
    expect(more).toMatchObject({ run: { state: 'closed', read: 4, items: { applied: 1, unchanged: 3 } } });
    expect((await story.crmRows()).map((row) => row['email'])).toContain('bo@example.org');
    const [plan, verified] = await Promise.all([
      there.run('sync', 'crm-contacts', '--plan', '--json'),
      there.run('store', 'verify', '--json'),
    ]);
    expect(plan.code).toBe(0);
    expect(parsed(verified)).toMatchObject({ records: 4, differences: 0 });
    const file = path.join(story.folder, '.crosswalk/crosswalk.db');
    rmSync(path.dirname(file), { recursive: true });
    const back = await there.run('store', 'copy', '--to', file, '--json');
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
    const elsewhere = new Commands(story.folder, { DATABASE_URL: 'mysql://x' });
    const [{ code, out }, doctor, wrong] = await Promise.all([
      lost.run('status', '--json'),
      lost.run('doctor', '--json'),
      elsewhere.run('status', '--json'),
    ]);
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({ error: { code: 'store-unusable' } });
    expect(doctor.out).toContain('Check DATABASE_URL');
    expect(wrong.out).toContain('config-environment');
  });
});
