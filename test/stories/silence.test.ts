/** Silence is impossible: for each thing that goes wrong, what is seen, where the item is, and that nothing else stopped. */
import { request as rawRequest } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import type { SandboxRequest, SandboxResponse } from '../../src/connector.ts';
import { loadSandbox } from '../../src/connections.ts';
import { serve, type Fault, type Served } from '../../src/simulate/serve.ts';
import { eventually, Story, usual } from '../story.ts';

let story: Story | undefined;
let group: Served<unknown> | undefined;
afterEach(async () => {
  await story?.end();
  await group?.close();
  story = undefined;
  group = undefined;
});

type Intercept = (request: SandboxRequest, next: () => SandboxResponse) => Fault;

const isWrite = (request: SandboxRequest): boolean =>
  /contacts\/batch\/(?:create|upsert|update)$/.test(request.path);
const byGateway = (request: SandboxRequest): boolean => request.headers['x-sandbox-actor'] === undefined;
const bodyText = (request: SandboxRequest): string => Buffer.from(request.body).toString();
const json = (status: number, body: unknown, headers: Record<string, string> = {}): SandboxResponse => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

const begin = async (intercept: Intercept, config = usual): Promise<Story> => {
  story = await Story.begin({
    config,
    hubspot: { intercept: (request, next) => (byGateway(request) ? intercept(request, next) : next()) },
  });
  await story.open();
  return story;
};

/** The same, with a WeCom group that hears the alarms. */
const beginHeard = async (intercept: Intercept): Promise<Story> => {
  group = await serve(await loadSandbox('wecom'), { options: { robotKey: 'story-robot' } });
  const sales = `  sales: { connector: wecom, settings: { robotKey: story-robot, baseUrl: "${group.url}" } }`;
  return begin(intercept, `${sales}\nalarms: { to: sales }\n${usual}`);
};

const heard = async (): Promise<string[]> => {
  const said = (await (await fetch(`${group?.url}/sandbox/messages`)).json()) as unknown;
  return (said as object[]).map((one) => JSON.stringify(one));
};

/** A person filed in the CRM: the gateway must write it to HubSpot. */
const fileInCrm = async (in_: Story, n: number, fields: Record<string, string> = {}): Promise<void> => {
  const data = { name: `Person ${n}`, email: `p${n}@silence.cn`, ...fields };
  await in_.inCrm('create', {
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, { value }])),
  });
};

const emails = async (in_: Story): Promise<string[]> =>
  (await in_.hubspotRows('email')).map((row) => String(row['email'])).sort();

const arrives = async (in_: Story, n: number, patience = 30_000): Promise<void> => {
  await eventually(async () => (await emails(in_)).includes(`p${n}@silence.cn`), patience);
};

const status = async (
  in_: Story,
): Promise<{ parked: number; open: number; alarms: string[]; pauses: string[] }> => {
  const { store, switches } = in_.gateway ?? {};
  if (store === undefined || switches === undefined) throw new Error('no gateway');
  await switches.refresh();
  const settings = await store.list('setting', 'name', { where: {}, limit: 1000 });
  return {
    parked:
      (await store.count('effect', 'state', { state: 'parked' })) + (await store.count('parked', 'at', {})),
    open:
      (await store.count('effect', 'state', { state: 'open' })) +
      (await store.count('effect', 'state', { state: 'unsettled' })),
    alarms: settings.map((row) => String(row['name'])).filter((name) => name.startsWith('alarm:')),
    pauses: switches.pauses().map((pause) => pause.name),
  };
};

describe('silence is impossible', () => {
  it('429: waits as asked, loses nothing, parks nothing', { timeout: 60_000 }, async () => {
    let left = 3;
    const in_ = await begin((request, next) => {
      if (isWrite(request) && left > 0) {
        left -= 1;
        return json(
          429,
          {
            status: 'error',
            message: 'You have reached your ten_secondly_rolling limit.',
            policyName: 'TEN_SECONDLY_ROLLING',
          },
          { 'retry-after': '1' },
        );
      }
      return next();
    });
    await fileInCrm(in_, 1);
    await arrives(in_, 1);
    expect(left).toBe(0);
    expect((await status(in_)).parked).toBe(0);
  });

  it(
    '5xx before the effect: the outcome is looked up, then it is sent again, once',
    { timeout: 120_000 },
    async () => {
      let failed = 0;
      const in_ = await begin((request, next) => {
        if (isWrite(request) && failed < 1) {
          failed += 1;
          return json(502, { status: 'error', message: 'bad gateway' });
        }
        return next();
      });
      await fileInCrm(in_, 2);
      await arrives(in_, 2, 90_000);
      expect(await in_.atRest(90_000)).toBe(true);
      expect(await emails(in_)).toEqual(['p2@silence.cn']);
    },
  );

  it('a time-out after the write took effect doubles nothing', { timeout: 120_000 }, async () => {
    let cut = 0;
    const in_ = await begin((request, next) => {
      if (isWrite(request) && cut < 1) {
        cut += 1;
        next();
        return 'cut';
      }
      return next();
    });
    await fileInCrm(in_, 3);
    await arrives(in_, 3);
    expect(await in_.atRest(90_000)).toBe(true);
    expect(cut).toBe(1);
    expect(await emails(in_)).toEqual(['p3@silence.cn']);
    expect((await status(in_)).parked).toBe(0);
  });

  it(
    'an expired token: one alarm, the connection pauses, the other goes on, resume delivers',
    { timeout: 60_000 },
    async () => {
      let expired = true;
      const in_ = await beginHeard((_request, next) =>
        expired
          ? json(401, {
              status: 'error',
              category: 'EXPIRED_AUTHENTICATION',
              message: 'The token has expired',
            })
          : next(),
      );
      await fileInCrm(in_, 4);
      await eventually(async () => (await status(in_)).pauses.includes('hubspot'));
      await eventually(async () => (await status(in_)).alarms.includes('alarm:connection hubspot'));
      expect((await status(in_)).alarms).toEqual(['alarm:connection hubspot']);
      await eventually(async () => (await heard()).length === 1);
      expect((await heard())[0]).toContain('crosswalk resume hubspot');
      await fileInCrm(in_, 5);
      await eventually(
        async () => (await in_.gateway?.store.count('record', 'entity', { entity: 'contact' })) === 2,
      );
      expired = false;
      await in_.gateway?.switches.resume('hubspot');
      expect((await status(in_)).alarms).toEqual([]);
      await arrives(in_, 4);
      await arrives(in_, 5);
    },
  );

  it(
    "400 on one item of a batch parks that item, with the remote's words; the others arrive",
    { timeout: 60_000 },
    async () => {
      const in_ = await begin((request, next) => {
        if (isWrite(request) && bodyText(request).includes('p7@silence.cn')) {
          return json(400, {
            status: 'error',
            category: 'VALIDATION_ERROR',
            message: 'Property values were not valid: p7 is on the deny list',
          });
        }
        return next();
      });
      for (const n of [6, 7, 8]) await fileInCrm(in_, n);
      await arrives(in_, 6);
      await arrives(in_, 8);
      const parked = await eventually(async () => {
        const rows =
          (await in_.gateway?.store.list('effect', 'state', { where: { state: 'parked' }, limit: 10 })) ?? [];
        return rows.length === 1 && rows[0];
      });
      expect((parked['reason'] as { message: string }).message).toContain('deny list');
      expect(await emails(in_)).toEqual(['p6@silence.cn', 'p8@silence.cn']);
    },
  );

  it(
    'JSON that is not an object is an unknown outcome, looked up before anything is repeated',
    { timeout: 120_000 },
    async () => {
      let odd = 0;
      const in_ = await begin((request, next) => {
        if (isWrite(request) && odd < 1) {
          odd += 1;
          next();
          return json(200, 'ok');
        }
        return next();
      });
      await fileInCrm(in_, 9);
      await arrives(in_, 9);
      expect(await in_.atRest(90_000)).toBe(true);
      expect(await emails(in_)).toEqual(['p9@silence.cn']);
    },
  );

  it(
    'an enum value that no table covers parks that field; the others go on',
    { timeout: 60_000 },
    async () => {
      const in_ = await begin((request, next) => {
        const answer = next();
        return /batch\/read|contacts\?/.test(request.path)
          ? {
              ...answer,
              body: answer.body.replaceAll('"lifecyclestage":"lead"', '"lifecyclestage":"galactic"'),
            }
          : answer;
      });
      await in_.fileContacts([
        { email: 'enum@silence.cn', lastname: 'Enum', jobtitle: 'Boss', lifecyclestage: 'lead' },
      ]);
      const row = await eventually(async () =>
        (await in_.crmRows()).find((one) => one['email'] === 'enum@silence.cn'),
      );
      expect(row['title']).toBe('Boss');
      expect(row['stage'] ?? null).toBeNull();
      const parked = (await in_.gateway?.store.list('parked', 'at', { where: {}, limit: 10 })) ?? [];
      expect(parked.map((one) => one['message'])).toEqual([expect.stringContaining('galactic')]);
      expect(String(parked[0]?.['message'])).toContain('/properties/lifecyclestage');
    },
  );

  it('a 20 MB answer is refused in plain words and stops nothing', { timeout: 60_000 }, async () => {
    let huge = 0;
    const in_ = await begin((request, next) => {
      if (request.path.includes('contacts') && huge > 0) {
        huge -= 1;
        return {
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: `"${'x'.repeat(21 * 1024 * 1024)}"`,
        };
      }
      return next();
    });
    huge = 1;
    await in_.fileContacts([{ email: 'huge@silence.cn', lastname: 'Huge' }]);
    await eventually(
      async () => (await in_.crmRows()).find((one) => one['email'] === 'huge@silence.cn'),
      40_000,
    );
    expect(huge).toBe(0);
  });

  it('a 20 MB hook is turned away at the edge', { timeout: 30_000 }, async () => {
    const in_ = await begin((_request, next) => next());
    const code = await new Promise((resolve, reject) => {
      const sent = rawRequest(
        {
          host: '127.0.0.1',
          port: in_.port,
          path: '/hooks/hubspot',
          method: 'POST',
          headers: { 'content-length': 20 * 1024 * 1024 },
        },
        (response) => {
          resolve(response.statusCode);
          sent.destroy();
        },
      );
      sent.on('error', reject);
      sent.write('x'.repeat(1000));
    });
    expect(code).toBe(413);
    await fileInCrm(in_, 10);
    await arrives(in_, 10);
  });
});
