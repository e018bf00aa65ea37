/** serve and sync as real processes over the sandboxes: one store, one worker, whatever dies. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort, Story } from '../story.ts';
import { Commands, type Ran, type Started } from './command.ts';

interface Run {
  readonly read: number;
  readonly state: string;
  readonly kind: string;
  readonly items: { readonly applied: number };
  readonly effects: { readonly delivered: number };
}

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

const start = (...args: string[]): Started => commands.start(...args);
const run = (...args: string[]): Promise<Ran> => commands.run(...args);

const people = (from: number): Record<string, string>[] =>
  [from, from + 1, from + 2].map((n) => ({
    firstname: 'Ann',
    lastname: `Smith${n}`,
    email: `ann${n}@example.org`,
  }));

describe('crosswalk serve and sync', () => {
  it('sync works alone: reads, takes in, delivers, closes its books', { timeout: 30_000 }, async () => {
    await story.fileContacts(people(1));
    const { code, out, err } = await run('sync', 'hubspot-contacts', '--full', '--json');
    expect(err).toBe('');
    const done = (JSON.parse(out) as { run: Run }).run;
    expect(done).toMatchObject({ kind: 'scan', state: 'closed', read: 3, items: { applied: 3 } });
    expect(done.effects.delivered).toBeGreaterThanOrEqual(3);
    expect(code).toBe(0);
    expect((await story.crmRows()).map((row) => row['email']).sort()).toEqual(
      people(1).map((one) => one['email']),
    );
  });

  it('tells a remote in trouble: exit 4, with what to do', { timeout: 30_000 }, async () => {
    await story.hubspot.close();
    const { code, out } = await run('sync', 'hubspot-contacts', '--full', '--json');
    expect(code).toBe(4);
    expect(JSON.parse(out)).toMatchObject({
      error: { code: 'remote-trouble', remedy: expect.stringContaining('doctor') },
    });
  });

  it('one gateway at a time; sync asks the one that runs; a dead one blocks nobody', async () => {
    const port = String(await freePort());
    const first = start('serve', '--port', port, '--json');
    expect(JSON.parse(await first.said)).toEqual({ url: `http://127.0.0.1:${port}`, planning: [] });
    const second = await run('serve', '--port', String(await freePort()), '--json');
    expect(second.code).toBe(5);
    expect(JSON.parse(second.out)).toMatchObject({ error: { code: 'store-held' } });
    expect(second.out).toContain(`process ${first.child.pid} `);

    await story.fileContacts(people(1));
    const asked = await run('sync', 'hubspot-contacts', '--full', '--json');
    expect(JSON.parse(asked.out)).toMatchObject({ run: { kind: 'scan', state: 'closed' } });
    expect(asked.code).toBe(0);
    expect(await story.crmRows()).toHaveLength(3);

    expect((await run('pause', 'hubspot', '--why', 'a test')).code).toBe(0);
    const paused = await run('sync', 'hubspot-contacts');
    expect(paused.code).toBe(1);
    expect(paused.err).toContain('crosswalk resume hubspot');
    expect((await run('resume', 'hubspot')).code).toBe(0);

    first.child.kill('SIGKILL');
    await first.ended;
    const next = start('serve', '--port', port);
    expect(await next.said).toBe(`Crosswalk serves at http://127.0.0.1:${port}\n`);
    next.child.kill('SIGTERM');
    const began = Date.now();
    expect((await next.ended).code).toBe(0);
    expect(Date.now() - began).toBeLessThan(10_000);
  }, 60_000);

  it('listens beyond this machine only with a token, whoever says so', async () => {
    const { code, err } = await run('serve', '--host', '0.0.0.0', '--port', String(await freePort()));
    expect(code).toBe(3);
    expect(err).toContain('without a token');
    const taken = await run('serve', '--port', new URL(story.crm.url).port);
    expect(taken.code).toBe(3);
    expect(taken.err).toContain('--port');
  }, 30_000);
});
