import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, Story } from '../story.ts';

let story: Story;
let base = '';
beforeAll(async () => {
  story = await Story.begin();
  await story.open();
  base = `http://127.0.0.1:${story.port}`;
});
afterAll(async () => {
  await story.end();
});

const hook = (
  body: string,
  { secret = 'story-hubspot-secret', at = Date.now(), connection = 'hubspot' } = {},
): Promise<Response> => {
  const url = `${base}/hooks/${connection}`;
  const signature = createHmac('sha256', secret).update(`POST${url}${body}${at}`).digest('base64');
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

const events = (id: number): string =>
  JSON.stringify([
    {
      eventId: id,
      subscriptionId: 1,
      portalId: 44237313,
      occurredAt: Date.now(),
      subscriptionType: 'contact.propertyChange',
      attemptNumber: 0,
      objectId: id,
      propertyName: 'jobtitle',
      propertyValue: 'x',
    },
  ]);

describe('hooks', () => {
  it('answers 2xx once the touch is on disk', async () => {
    const answer = await hook(events(987654321));
    expect(answer.status).toBeLessThan(300);
    const { store } = story.gateway ?? {};
    expect(await store?.count('hook', 'at', {})).toBeGreaterThan(0);
  });

  it('gives everyone who is turned away the same answer', async () => {
    const answers = [
      await hook(events(1), { secret: 'wrong' }),
      await hook(events(1), { at: Date.now() - 6 * 60_000 }),
      await hook(events(1), { connection: 'nobody' }),
      await fetch(`${base}/hooks/__proto__`, { method: 'POST', body: '{}' }),
    ];
    const told = await Promise.all(answers.map(async (one) => `${one.status} ${await one.text()}`));
    expect(new Set(told)).toEqual(new Set(['401 rejected\n']));
  });

  it('refuses what is larger than 1 MiB', async () => {
    const answer = await fetch(`${base}/hooks/hubspot`, {
      method: 'POST',
      body: 'x'.repeat(1024 * 1024 + 1),
    }).catch(() => ({ status: 413 }));
    expect(answer.status).toBe(413);
  });

  it('says what is not understood without touching anything', async () => {
    expect((await hook('{"not": "a list"}')).status).toBe(400);
  });
});

describe('the rest', () => {
  it('is alive and ready', async () => {
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    expect((await fetch(`${base}/readyz`)).status).toBe(200);
  });

  it('shows metrics that Prometheus reads', async () => {
    const text = await (await fetch(`${base}/metrics`)).text();
    expect(text).toMatch(/^crosswalk_hooks_total\{connection="unknown",status="401"\} \d+$/m);
    expect(text).toMatch(/^crosswalk_touches\{sync="hubspot-contacts"\} \d+$/m);
    for (const line of text.split('\n')) expect(line).toMatch(/^(?:#.*|[a-zA-Z_:][\w:]*(?:\{.*\})? \S+|)$/);
  });

  it('answers problems from the catalogue, and keeps what is inside to itself', async () => {
    const answer = await fetch(`${base}/api/v1/trace?connection=hubspot&kind=contact&id=nothing`);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await answer.json()).toMatchObject({
      code: 'trace-nothing',
      detail: expect.stringContaining('hubspot/contact/nothing'),
      remedy: expect.any(String),
    });
    const broken = await fetch(`${base}/api/v1/conflicts/a%2Fb%2Fc%2Fd/resolve`, {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect(await broken.json()).toMatchObject({ code: 'request-shape' });
    const wrong = await fetch(`${base}/api/v1/syncs/nobody/pause`, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect(wrong.status).toBe(404);
  });

  it('takes no request under a foreign name, and no form post', async () => {
    const { request } = await import('node:http');
    const status = await new Promise((resolve, reject) => {
      request(`${base}/api/v1/status`, { headers: { host: 'evil.example' } }, (answer) =>
        resolve(answer.statusCode),
      )
        .on('error', reject)
        .end();
    });
    expect(status).toBe(401);
    const form = await fetch(`${base}/api/v1/connections/crm/pause`, { method: 'POST', body: 'why=x' });
    expect(form.status).toBe(400);
  });

  it('pauses, says so, resumes; traces an object; shows a page without markup from strangers', async () => {
    const post = (path: string, body: object): Promise<Response> =>
      fetch(`${base}/api/v1/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      });
    expect((await post('connections/crm/pause', { why: '<script>alert(1)</script>' })).status).toBe(200);
    const page = await (await fetch(`${base}/`)).text();
    expect(page).toContain('paused: &#60;script&#62;');
    expect(page).not.toContain('<script>');
    expect(await (await fetch(`${base}/api/v1/status`)).json()).toMatchObject({
      connections: expect.arrayContaining([
        {
          name: 'crm',
          connector: 'jiandaoyun',
          paused: expect.objectContaining({ why: '<script>alert(1)</script>' }),
        },
      ]),
    });
    expect((await post('connections/crm/resume', {})).status).toBe(200);
    const [id = ''] = await story.fileContacts([{ email: 'http@page.cn', lastname: '<b>Bold</b>' }]);
    const trace = await eventually(async () => {
      const answer = (await (
        await fetch(`${base}/api/v1/trace?connection=hubspot&kind=contact&id=${id}`)
      ).json()) as { lines?: { text: string }[] };
      return (
        answer.lines?.some((line) => line.text.includes('written to crm/contact')) === true && answer.lines
      );
    });
    expect(trace[0]?.text).toContain('created from hubspot/contact');
  });

  it("shows one run and one parked item by id, and says which id is nobody's", async () => {
    const get = async (path: string): Promise<Record<string, unknown>> =>
      (await (await fetch(`${base}/api/v1/${path}`)).json()) as Record<string, unknown>;
    await story.fileContacts([{ email: 'one@page.cn', mobilephone: 'no phone' }]);
    const parked = await eventually(async () => {
      const { parked: list } = (await get('parked')) as unknown as { parked: { id: string }[] };
      return list.find((one) => one.id.startsWith('item:'));
    });
    expect(await get(`parked/${encodeURIComponent(parked.id)}`)).toEqual(parked);
    const { runs } = (await get('runs')) as unknown as { runs: { id: string }[] };
    const id = runs[0]?.id ?? '';
    expect(await get(`runs/${encodeURIComponent(id)}`)).toMatchObject({ id, wrong: [] });
    for (const nobody of ['runs/none', 'parked/item:none', 'parked/effect:%25', 'parked/none'])
      expect(await get(nobody), nobody).toMatchObject({ code: 'not-there' });
  });
});
