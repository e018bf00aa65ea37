/** A queue that stops can never look healthy: whoever looks is told, and the alarm does not need what stands still. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { alarmsOf, statusReport } from '../../src/health/reports.ts';
import { viewOf } from '../../src/http/api.ts';
import type { Gateway } from '../../src/gateway.ts';
import { eventually, Story, usual } from '../story.ts';

const opened: Story[] = [];
const begin = async (config: string): Promise<Story> => {
  const story = await Story.begin({ config });
  opened.push(story);
  return story;
};
afterEach(async () => {
  for (const story of opened.splice(0)) await story.end();
});

const promised = usual.replaceAll('poll: 2s', 'poll: 2s, promise: 2s');

/** It takes every nudge, and never runs a lane. */
const standstill: Dispatcher = {
  nudge: () => undefined,
  start: () => undefined,
  stop: async () => undefined,
};

const subjects = async ({ store }: Gateway): Promise<string[]> =>
  (await alarmsOf(store)).map(({ subject }) => subject).sort();

const ready = async (story: Story, query = ''): Promise<{ status: number; text: string }> => {
  const answer = await fetch(`http://127.0.0.1:${story.port}/readyz${query}`);
  return { status: answer.status, text: await answer.text() };
};

describe('a lane that is not worked', () => {
  it('is told as late by alarm, status, readiness and metrics, although hooks are taken; and not once it is', async () => {
    const story = await begin(promised);
    const told: string[] = [];
    await story.open({ dispatcher: standstill, onAlarm: (subject) => void told.push(subject) });
    const [id = ''] = await story.fileContacts([{ email: 'late@story.cn', lastname: '迟到' }]);
    const gateway = story.gateway as Gateway;
    await eventually(async () => (await subjects(gateway)).includes('late in:hubspot/contact'));
    // Once, however long it lasts.
    await new Promise((resolve) => setTimeout(resolve, 5000));
    expect(told.filter((subject) => subject === 'late in:hubspot/contact')).toHaveLength(1);
    const plain = await ready(story);
    expect(plain.status).toBe(200);
    expect(plain.text).toMatch(
      /^ready\nlate in:hubspot\/contact: its oldest item has waited \d+ s, and 2 s is promised/u,
    );
    expect((await ready(story, '?all')).status).toBe(503);
    const { lanes } = await statusReport(viewOf(gateway));
    expect(lanes.find(({ lane }) => lane === 'in:hubspot/contact')).toMatchObject({ state: 'late' });
    expect(lanes.find(({ lane }) => lane === 'out:crm-contacts')).toMatchObject({ state: 'well' });
    const metrics = await (await fetch(`http://127.0.0.1:${story.port}/metrics`)).text();
    expect(metrics).toContain('crosswalk_lane_late{lane="in:hubspot/contact"} 1');
    expect(metrics).toContain('crosswalk_lane_late{lane="out:crm-contacts"} 0');
    expect(metrics).toMatch(/^crosswalk_lane_oldest_seconds\{lane="in:hubspot\/contact"\} [1-9]/mu);

    await story.closeGateway();
    await story.open();
    const next = story.gateway as unknown as Gateway;
    await eventually(async () => !(await subjects(next)).includes('late in:hubspot/contact'));
    await eventually(async () => (await ready(story, '?all')).text === 'ready\n');
    await eventually(async () => (await story.crmRows()).length === 1);
    expect(id).not.toBe('');
  }, 60_000);

  it('is paused, not late, where somebody has paused it; planning, where it only plans', async () => {
    const story = await begin(promised.replace(/(crm-contacts:.*)mode: live/u, '$1mode: plan'));
    const gateway = await story.open();
    await gateway.switches.pause('hubspot', 'by hand', 'lin', Date.now());
    await story.fileContacts([{ email: 'wait@story.cn', lastname: '等' }]);
    await eventually(
      async () => (await gateway.store.count('touch', 'due', { lane: 'hubspot/contact' })) > 0,
    );
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(await subjects(gateway)).toEqual([]);
    const { lanes } = await statusReport(viewOf(gateway));
    expect(lanes).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ lane: 'in:hubspot/contact', state: 'paused', why: 'by hand' }),
        expect.objectContaining({ lane: 'out:crm-contacts', state: 'planning' }),
      ]),
    );
  }, 60_000);
});
