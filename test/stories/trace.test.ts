/** One id from the hook to the remote call: in the store, in log lines, on the wire. */
import { afterEach, describe, expect, it } from 'vitest';
import pino from 'pino';
import type { SandboxRequest } from '../../src/connector.ts';
import { newTrace, takenOver, traceFields, traceIdOf } from '../../src/trace.ts';
import { eventually, Story, usual } from '../story.ts';

const opened: Story[] = [];
afterEach(async () => {
  for (const story of opened.splice(0)) await story.end();
});

interface Line extends Record<string, unknown> {
  readonly msg: string;
  readonly traceId?: string;
}

/** A story whose polls find nothing before its hooks are through, with what the CRM is sent and what is logged. */
const begin = async (given: (attempt: number) => string | undefined) => {
  const requests: SandboxRequest[] = [];
  const lines: Line[] = [];
  let hooks = 0;
  const story = await Story.begin({
    config: usual.replaceAll('poll: 2s', 'poll: 1h'),
    hubspot: {
      hook: (request) => {
        const traceparent = given(hooks);
        hooks += 1;
        return traceparent === undefined
          ? request
          : { ...request, headers: { ...request.headers, traceparent } };
      },
    },
    crm: {
      intercept: (request, next) => {
        requests.push(request);
        return next();
      },
    },
  });
  opened.push(story);
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Line) };
  const gateway = await story.open({ log: pino({ level: 'debug', mixin: traceFields }, stream) });
  await story.atRest();
  requests.length = 0;
  const written = (): SandboxRequest[] => requests.filter(({ path }) => /create|update/u.test(path));
  return { story, gateway, lines, requests, written };
};

const traceOf = (request: SandboxRequest | undefined): string | undefined =>
  takenOver(request?.headers['traceparent']);

describe('a trace', () => {
  it("is the sender's, and goes with what its hook causes through touch, effect and call to the other system", async () => {
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const id = traceIdOf(trace);
    const { story, gateway, lines, written } = await begin(() => trace);
    await gateway.switches.pause('crm', 'to look', 'test', Date.now());
    await story.fileContacts([{ email: 'trace@story.cn', lastname: '踪迹' }]);
    const effect = await eventually(async () => {
      const [row] = await gateway.store.list('effect', 'state', { where: { state: 'open' }, limit: 1 });
      return row;
    });
    expect(effect['trace']).toBe(trace);
    await gateway.resume('crm');
    gateway.nudge('out:crm-contacts');
    await eventually(async () => written().length > 0);
    for (const request of written()) {
      const sent = traceOf(request) ?? '';
      expect(traceIdOf(sent)).toBe(id);
      // A span of our own, under the flags of the sender.
      expect(sent).not.toBe(trace);
      expect(sent.endsWith('-01')).toBe(true);
    }
    const of = (msg: string): Line[] => lines.filter((line) => line.msg === msg && line.traceId === id);
    expect(of('hook taken')[0]).toMatchObject({ connection: 'hubspot' });
    expect(of('called').map((line) => line['connection'])).toContain('crm');
    const { hook } = of('hook taken')[0] as { hook?: string };
    expect(await gateway.store.get('hook', { id: String(hook) })).toMatchObject({
      headers: { traceparent: trace },
    });
    // Nothing of the person went along.
    for (const line of of('called')) expect(JSON.stringify(line)).not.toMatch(/trace@story|踪迹/u);
  }, 60_000);

  it('is made where the sender gave none, or none that is one; each hook has its own', async () => {
    const bad = ['', 'x', '00-0-0-00', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, undefined];
    const { story, lines, written } = await begin((attempt) => bad[attempt % bad.length]);
    for (let i = 0; i < 5; i += 1) {
      await story.fileContacts([{ email: `made${i}@story.cn`, lastname: `客${i}` }]);
      await eventually(async () => written().length > i);
    }
    const taken = new Set(lines.filter(({ msg }) => msg === 'hook taken').map(({ traceId }) => traceId));
    const sent = written().map((request) => traceIdOf(traceOf(request) ?? ''));
    expect(new Set(sent).size).toBe(5);
    for (const each of sent) expect(taken).toContain(each);
  }, 60_000);

  it('of several hooks that one call answers is one of theirs', async () => {
    const given: string[] = [];
    const { story, gateway, written } = await begin(() => {
      given.push(newTrace());
      return given.at(-1);
    });
    await gateway.switches.pause('crm', 'to look', 'test', Date.now());
    const [id = ''] = await story.fileContacts([{ email: 'many@story.cn', lastname: '多' }]);
    for (const jobtitle of ['a', 'b'])
      await story.inHubspot('PATCH', `/crm/v3/objects/contacts/${id}`, { properties: { jobtitle } });
    await eventually(async () => given.length >= 3);
    await eventually(async () => (await gateway.store.count('touch', 'due', {})) === 0);
    await gateway.resume('crm');
    gateway.nudge('out:crm-contacts');
    await eventually(async () => written().length > 0);
    expect(given.map(traceIdOf)).toContain(traceIdOf(traceOf(written()[0]) ?? ''));
  }, 60_000);

  it('is nowhere on calls that no hook caused', async () => {
    const { story, gateway, requests } = await begin(() => undefined);
    await gateway.syncNow('crm-contacts', true);
    await eventually(async () => requests.length > 0);
    expect(requests.filter(({ headers }) => headers['traceparent'] !== undefined)).toEqual([]);
    expect(story.port).toBeGreaterThan(0);
  }, 60_000);
});
