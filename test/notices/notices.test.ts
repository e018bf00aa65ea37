import { describe, expect, it } from 'vitest';
import { Trouble } from '../../src/connector.ts';
import { tellAlarm } from '../../src/notify/alarms.ts';
import { replayNotice } from '../../src/notify/notices.ts';
import { Desk, Killed, stage } from './desk.ts';

const unknown = (code?: string): Trouble =>
  new Trouble('unknown', { message: 'timed out', ...(code === undefined ? {} : { code }) });

describe('transitions become messages', () => {
  it('tells A → B → C within a second as two, with before, after, who and when', async () => {
    const desk = new Desk();
    await desk.name('r1', '王小明');
    await desk.move('r1', 'lead', 'opportunity');
    desk.time += 400;
    await desk.move('r1', 'opportunity', 'customer', { by: '' });
    await desk.run(3);
    expect(desk.texts()).toEqual([
      '王小明: lead → opportunity (Lin, 2026-03-01T17:30:00+08:00)',
      '王小明: opportunity → customer (someone, 2026-03-01T17:30:00+08:00)',
    ]);
  });

  it('tells nothing twice, no first value unless asked, and no past of a notice that is new', async () => {
    const desk = new Desk();
    await desk.move('old', 'lead', 'lost');
    desk.time += 11 * 60_000;
    await desk.move('r1', '', 'lead', { before: null, how: 'first seen' });
    await desk.run(5);
    await desk.run(5);
    expect(desk.texts()).toEqual([]);
    await desk.run(2, [{ ...stage, name: 'second', firstSeen: true }]);
    expect(desk.texts()).toEqual(['(no name): (unknown) → lead (Lin, 2026-03-01T17:41:00+08:00)']);
    await desk.run(2, [{ ...stage, name: 'second', firstSeen: true }]);
    expect(desk.texts()).toHaveLength(1);
  });

  it('shows a fallback for what is empty, and lets no value turn into markup or a mention', async () => {
    const desk = new Desk();
    await desk.name('r1', '<@all> [x](http://evil)\n# head `code` \u202etxt.exe');
    await desk.move('r1', '', 'x'.repeat(1_000_000), { before: null });
    await desk.run(2);
    const [text = ''] = desk.texts();
    expect(text).not.toMatch(/[<>[\]`\n\u202e]/u);
    expect(text).toContain('(unknown) → xxx');
    expect(text.length).toBeLessThan(500);
  });
});

describe('each is sent once', () => {
  const crash = async (n: number, when: 'before' | 'after'): Promise<Desk> => {
    const desk = new Desk();
    for (let i = 0; i < 5; i += 1) await desk.move(`r${i}`, 'lead', `s${i}`);
    desk.dieAt(n, when);
    await desk.run(8).catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
    });
    return desk;
  };

  it('whatever commit the process dies at; twice at most, and marked, where its answer was not on disk', async () => {
    let n = 0;
    for (let died = true; died;) {
      died = false;
      n += 1;
      for (const when of ['before', 'after'] as const) {
        const desk = await crash(n, when);
        died ||= !desk.survived;
        await desk.run(200);
        const rows = await desk.rows();
        expect(
          rows.map((row) => row.state),
          `${when} commit ${n}`,
        ).toEqual(['sent', 'sent', 'sent', 'sent', 'sent']);
        for (let i = 0; i < 5; i += 1) {
          const told = desk.texts().filter((text) => text.includes(`→ s${i} `)).length;
          const marked = rows.find((row) => row.record === `r${i}`)?.reason?.repeat === true;
          expect(told, `${when} commit ${n}: s${i}`).toBeGreaterThanOrEqual(1);
          expect(told, `${when} commit ${n}: s${i}`).toBeLessThanOrEqual(marked ? 2 : 1);
        }
      }
    }
    // Two commits a message and one for the page, at least.
    expect(n).toBeGreaterThan(10);
  });

  it('repeats an unknown outcome once, says so in lineage, and parks what nobody can tell twice', async () => {
    const desk = new Desk();
    desk.meets.push(unknown('lost'));
    await desk.move('r1', 'a', 'b');
    await desk.run(30);
    expect(desk.texts()).toHaveLength(1);
    const lineage = await desk.store.list('lineage', 'record', { where: { record: 'r1' }, limit: 10 });
    expect(lineage.map((row) => (row['body'] as { event: string }).event)).toEqual([
      'notified, may be a repeat',
    ]);

    desk.meets.push(unknown(), unknown());
    await desk.move('r2', 'a', 'c');
    await desk.run(60);
    expect(desk.texts().filter((text) => text.includes('→ c'))).toHaveLength(2);
    const [parked] = await desk.rows('parked');
    expect(parked?.reason?.code).toBe('unknown-outcome');
    expect(await desk.store.count('parked', 'at', {})).toBe(1);
    expect(await replayNotice(desk.hub(), parked?.id ?? '')).toBe(true);
    await desk.run(5);
    expect(await desk.rows('parked')).toEqual([]);
    expect(await desk.store.count('parked', 'at', {})).toBe(0);
  });
});

describe('limits and troubles', () => {
  it('more than the group takes becomes a digest: never over the limit, nothing left out', async () => {
    const desk = new Desk();
    for (let i = 0; i < 120; i += 1) {
      await desk.move(`r${i}`, 'lead', `s${i}`);
      if (i % 10 === 9) await desk.run(3);
    }
    await desk.run(300);
    expect(desk.busiest(60_000)).toBeLessThanOrEqual(20);
    expect((await desk.rows()).every((row) => row.state === 'sent')).toBe(true);
    for (let i = 0; i < 120; i += 1) {
      const told = desk.texts().filter((text) => text.includes(`→ s${i} `)).length;
      expect(told, `s${i}`).toBe(1);
    }
    expect(desk.texts().some((text) => /^\d+ changes\n/u.test(text))).toBe(true);
  });

  it('keeps the limit over a restart', async () => {
    const desk = new Desk();
    for (let i = 0; i < 20; i += 1) await desk.move(`r${i}`, 'lead', `s${i}`);
    await desk.run(2);
    for (let i = 20; i < 40; i += 1) await desk.move(`r${i}`, 'lead', `s${i}`);
    await desk.run(2);
    expect(desk.received).toHaveLength(20);
    await desk.run(120);
    expect(desk.busiest(60_000)).toBeLessThanOrEqual(20);
    expect((await desk.rows('sent')).length).toBe(40);
  });

  it('waits as long as it is asked to', async () => {
    const desk = new Desk();
    desk.meets.push(new Trouble('busy', { message: '45009', retryAfter: 30_000 }));
    await desk.move('r1', 'a', 'b');
    const began = desk.time;
    await desk.run(60);
    expect(desk.received).toHaveLength(1);
    expect((desk.received[0]?.at ?? 0) - began).toBeGreaterThanOrEqual(30_000);
  });

  it("parks what is refused with the remote's words, and halves a refused digest until it is found", async () => {
    const desk = new Desk();
    desk.rate = { count: 2, per: 60_000 };
    for (let i = 0; i < 8; i += 1) await desk.move(`r${i}`, 'lead', `s${i}`);
    const hub = desk.hub();
    const { send } = desk.notifier();
    const { collectNotices, sendNotices } = await import('../../src/notify/notices.ts');
    await collectNotices(hub, [stage]);
    const fussy = {
      mostBytes: 4096,
      rate: { count: 2, per: 60_000 },
      send: async (text: string): Promise<void> => {
        if (text.includes('→ s5 ')) throw new Trouble('refused', { message: 'content not allowed' });
        await send(text);
      },
    };
    for (let n = 0; n < 1200; n += 1) {
      await sendNotices(hub, 'sales', fussy);
      desk.time += 1000;
    }
    expect((await desk.rows('parked')).map((row) => [row.record, row.reason?.message])).toEqual([
      ['r5', 'content not allowed'],
    ]);
    expect(await desk.rows('sent')).toHaveLength(7);
  });

  it('loses nothing while the robot is gone or its key refused, and says so', async () => {
    const desk = new Desk();
    desk.meets.push(new Trouble('forbidden', { message: '93000 invalid webhook url' }));
    await desk.move('r1', 'a', 'b');
    await desk.run(5);
    expect(desk.alarms).toEqual(['notices to sales']);
    expect(desk.received).toEqual([]);
    await desk.run(120);
    expect(desk.received).toHaveLength(1);
  });

  it('cuts a long text on whole characters, and every piece arrives', async () => {
    const desk = new Desk();
    desk.mostBytes = 100;
    await desk.name('r1', '上海'.repeat(90));
    await desk.move('r1', 'a', 'b');
    await desk.run(30);
    expect(desk.received.length).toBeGreaterThan(3);
    for (const text of desk.texts()) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(100);
    expect(desk.texts().join('')).toContain('上海'.repeat(90));
  });
});

describe('alarms', () => {
  it('are told once an hour for one subject, with how often they came', async () => {
    const desk = new Desk();
    const alarm = (subject: string): Promise<boolean> =>
      tellAlarm(desk.hub(), 'sales', subject, 'paused: <b>401</b>. Then: crosswalk resume hubspot');
    expect(await alarm('connection hubspot')).toBe(true);
    for (let n = 0; n < 5; n += 1) expect(await alarm('connection hubspot')).toBe(false);
    desk.time += 3_600_000;
    expect(await alarm('connection hubspot')).toBe(true);
    await desk.run(5);
    expect(desk.texts()).toEqual([
      'ALARM connection hubspot: paused: ＜b＞401＜/b＞. Then: crosswalk resume hubspot',
      'ALARM connection hubspot: paused: ＜b＞401＜/b＞. Then: crosswalk resume hubspot (6 times in the last hour)',
    ]);
  });

  it('of the messenger itself are not sent through it', async () => {
    const desk = new Desk();
    expect(await tellAlarm(desk.hub(), 'sales', 'notices to sales', 'x')).toBe(false);
    expect(await tellAlarm(desk.hub(), 'sales', 'connection sales', 'x')).toBe(false);
    expect(await desk.rows()).toEqual([]);
  });
});
