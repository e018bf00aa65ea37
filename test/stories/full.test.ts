/** Disk and memory that run out: nothing acknowledged is lost, nobody is lied to, and it goes on by itself. */
import { createHmac } from 'node:crypto';
import { execFile } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { alarmsOf } from '../../src/health/reports.ts';
import { eventually, Story, usual } from '../story.ts';
import { Commands } from '../cli/command.ts';
import { lacksVolume, Volume } from '../volume.ts';

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const begin = async (megabytes: number, reserve: string): Promise<{ story: Story; volume: Volume }> => {
  const volume = new Volume(megabytes);
  ends.push(() => volume.end());
  const story = await Story.begin({
    config: `${usual}\nstore: { reserve: ${reserve} }`,
    environment: { CROSSWALK_STORE: path.join(volume.folder, 'store.db') },
    hubspot: { backoff: () => 300 },
  });
  ends.push(() => story.end());
  return { story, volume };
};

const hook = (story: Story, id: number): Promise<Response> => {
  const url = `http://127.0.0.1:${story.port}/hooks/hubspot`;
  const at = Date.now();
  const one = { eventId: id, subscriptionId: 1, portalId: 1, occurredAt: at, attemptNumber: 0, objectId: id };
  const body = JSON.stringify([
    { ...one, subscriptionType: 'contact.propertyChange', propertyName: 'jobtitle', propertyValue: 'x' },
  ]);
  const signature = createHmac('sha256', 'story-hubspot-secret')
    .update(`POST${url}${body}${at}`)
    .digest('base64');
  return fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'x-hubspot-signature-v3': signature,
      'x-hubspot-request-timestamp': String(at),
    },
  });
};

const contacts = (from: number, n: number): Record<string, string>[] =>
  Array.from({ length: n }, (_, i) => ({ email: `full${from + i}@story.cn`, lastname: `满${from + i}` }));

describe('a store that may not grow', () => {
  it('refuses a commit whole, says that the disk is full, and takes the next once there is room', async () => {
    const store = new SqliteStore({ file: ':memory:', mostPages: 300 });
    const write = (i: number): Promise<boolean[]> =>
      store.commit([
        {
          when: [],
          write: ['a', 'b'].map((half) => ({
            op: 'put' as const,
            table: 'setting' as const,
            row: { name: `${i}${half}`, value: 'x'.repeat(5000), at: i, by: 't' },
          })),
        },
      ]);
    let taken = 0;
    const refused = await (async () => {
      for (;;) {
        try {
          await write(taken);
          taken += 1;
        } catch (error) {
          return error;
        }
      }
    })();
    expect(refused).toMatchObject({ code: 'store-full', status: 503 });
    expect(taken).toBeGreaterThan(10);
    // Both halves of each that was taken, and neither of the one that was not.
    expect(await store.count('setting', 'name', {})).toBe(2 * taken);
    await expect(write(taken)).rejects.toMatchObject({ code: 'store-full' });
    const gone = Array.from({ length: 5 }, (_, i) => ({
      op: 'delete' as const,
      table: 'setting' as const,
      key: { name: `${i}a` },
    }));
    await store.commit([{ when: [], write: gone }]);
    expect(await write(taken)).toEqual([true]);
    await store.close();
  });
});

describe.skipIf(lacksVolume)('a disk', () => {
  it('that is full turns hooks away and stops the lanes; with room again all that was acknowledged arrives, once', async () => {
    const { story, volume } = await begin(24, '0MB');
    const told: string[] = [];
    const gateway = await story.open({ onAlarm: (subject) => void told.push(subject) });
    await story.fileContacts(contacts(0, 20));
    await eventually(async () => (await story.crmRows()).length === 20, 60_000);
    // Some are under way while it fills.
    const filing = story.fileContacts(contacts(100, 30));
    volume.fill();
    await filing;
    const statuses: number[] = [];
    await eventually(async () => {
      const answer = await hook(story, 1000 + statuses.length);
      statuses.push(answer.status);
      if (answer.status === 503) expect(answer.headers.get('retry-after')).toBe('5');
      return answer.status === 503;
    }, 60_000);
    await eventually(async () => told.includes('store'), 60_000);
    const known = await gateway.store.count('hook', 'at', {});
    await sleep(3000);
    expect(await gateway.store.count('hook', 'at', {})).toBe(known);
    expect(told.filter((subject) => subject === 'store')).toHaveLength(1);
    volume.empty();
    await eventually(async () => (await story.crmRows()).length === 50, 90_000);
    expect(await story.atRest(60_000)).toBe(true);
    const emails = (await story.crmRows()).map((row) => row['email']);
    expect(new Set(emails).size).toBe(50);
    expect((await hook(story, 5)).status).toBe(200);
    await eventually(async () => !(await alarmsOf(gateway.store)).some(({ subject }) => subject === 'store'));
  }, 240_000);

  it('with less than the reserve turns hooks away before it is full, is not ready, and says so', async () => {
    const { story, volume } = await begin(32, '8MB');
    const gateway = await story.open();
    expect((await hook(story, 1)).status).toBe(200);
    volume.fill(5 * 1024 ** 2);
    const answer = await eventually(async () => {
      const one = await hook(story, 2);
      return one.status === 503 && one;
    });
    expect(answer.headers.get('retry-after')).toBe('30');
    const ready = await fetch(`http://127.0.0.1:${story.port}/readyz`);
    expect(ready.status).toBe(503);
    const metrics = await (await fetch(`http://127.0.0.1:${story.port}/metrics`)).text();
    expect(metrics).toContain('crosswalk_short{resource="disk"} 1');
    const alarm = await eventually(async () =>
      (await alarmsOf(gateway.store)).find(({ subject }) => subject === 'disk'),
    );
    expect(alarm.text).toContain('less than the reserve of 8 MB');
    // Nothing new is read either.
    const last = gateway.lanes.dueAt('poll:crm/contact');
    await sleep(4000);
    expect(gateway.lanes.dueAt('poll:crm/contact')).toBe(last);
    volume.empty();
    await eventually(async () => (await hook(story, 3)).status === 200);
    await eventually(async () => !(await alarmsOf(gateway.store)).some(({ subject }) => subject === 'disk'));
    await eventually(async () => gateway.lanes.dueAt('poll:crm/contact') !== last);
  }, 120_000);

  it('that is full for longer than a holder may be silent does not end the gateway', async () => {
    const { story, volume } = await begin(24, '0MB');
    const commands = new Commands(story.folder, story.environment);
    ends.push(() => commands.killAll());
    const serve = commands.start('serve', '--port', String(story.port));
    await serve.said;
    await story.fileContacts(contacts(0, 3));
    await eventually(async () => (await story.crmRows()).length === 3, 60_000);
    volume.fill();
    const ended = await Promise.race([serve.ended, sleep(15_000, 'runs' as const)]);
    expect(ended).toBe('runs');
    volume.empty();
    await story.fileContacts(contacts(10, 3));
    await eventually(async () => (await story.crmRows()).length === 6, 60_000);
  }, 240_000);
});

describe('memory', () => {
  it('that is nearly full is seen, before the process dies of it', async () => {
    const file = fileURLToPath(new URL('../../src/health/room.ts', import.meta.url));
    const program = `
      const { Room } = await import(${JSON.stringify(file)});
      const room = new Room({ file: null, reserve: 0 });
      const kept = [];
      const before = room.short;
      // Half a megabyte a step: what is left is never used up between two looks, however busy the machine.
      while (room.short === null) {
        for (let n = 0; n < 16; n += 1) kept.push(Array.from({ length: 1000 }, (_, i) => ({ i })));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      process.stdout.write(JSON.stringify({ before, short: room.short, words: room.words(room.short) }));`;
    const args = ['--max-old-space-size=160', '--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(JSON.parse(stdout)).toMatchObject({
      before: null,
      short: 'memory',
      words: expect.stringContaining('memory'),
    });
  });

  it('that bodies of hooks take is bounded: who comes above that is asked to come again', async () => {
    const story = await Story.begin();
    ends.push(() => story.end());
    await story.open();
    const size = 1024 * 1024;
    const answers: string[] = [];
    const sockets: Socket[] = [];
    ends.push(() => sockets.forEach((socket) => socket.destroy()));
    for (let i = 0; i < 80; i += 1) {
      const socket = connect(story.port, '127.0.0.1');
      socket.on('data', (text) => void answers.push(text.toString()));
      socket.on('error', () => undefined);
      socket.write(`POST /hooks/hubspot HTTP/1.1\r\nhost: x\r\ncontent-length: ${size}\r\n\r\n`);
      socket.write(Buffer.alloc(size - 1, 0x20));
      sockets.push(socket);
    }
    await eventually(async () => answers.length >= 10);
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: 5/iu);
    for (const socket of sockets) socket.destroy();
    await eventually(async () => (await hook(story, 2)).status === 200);
  }, 60_000);
});
