/** The crash story: hooks are posted while the gateway is killed at random moments. Used by the test and the proof. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { imbalances } from '../../src/merge/books.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import { generator } from '../../src/simulate/draw.ts';
import { recordOf } from '../../src/sync/hub.ts';
import { closeRuns, runOf } from '../../src/sync/runs.ts';
import { Story } from '../story.ts';

export interface CrashResult {
  readonly hooks: number;
  readonly kills: number;
  readonly contacts: number;
  /** Sentences; none is good. */
  readonly problems: readonly string[];
}

const child = fileURLToPath(new URL('./child.ts', import.meta.url));
const secret = 'story-hubspot-secret';

const config = `
entities:
  contact: { keys: [[email]], conflict: newest }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live, poll: 31d, sweep: 31d }
  crm-contacts: { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true, mode: live, poll: 31d, sweep: 31d }
`;

class Victim {
  readonly #story: Story;
  #process: ChildProcess | undefined;
  kills = 0;

  constructor(story: Story) {
    this.#story = story;
  }

  async start(): Promise<void> {
    const process_ = spawn(process.execPath, [child, this.#story.folder, String(this.#story.port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env['PATH'], STORY_LOG: process.env['STORY_LOG'], ...this.#story.environment },
    });
    this.#process = process_;
    await new Promise<void>((resolve, reject) => {
      process_.stdout.once('data', () => resolve());
      process_.once('exit', (code) =>
        reject(new Error(`the gateway ended with ${code} before it was ready`)),
      );
    });
  }

  async kill(): Promise<void> {
    const dying = this.#process;
    if (dying === undefined) return;
    this.kills += 1;
    const gone = new Promise((resolve) => dying.once('exit', resolve));
    dying.removeAllListeners('exit');
    dying.once('exit', () => undefined);
    const over = dying.exitCode === null && dying.signalCode === null ? gone : Promise.resolve();
    dying.kill('SIGKILL');
    await Promise.race([over, sleep(2000)]);
  }
}

/** Posts one signed hook until it is acknowledged, as HubSpot would. */
const post = async (story: Story, id: string, property: string, value: string, n: number): Promise<void> => {
  const url = `http://127.0.0.1:${story.port}/hooks/hubspot`;
  const event = {
    eventId: n,
    subscriptionId: 1,
    portalId: 44237313,
    appId: 1,
    occurredAt: Date.now(),
    subscriptionType: 'contact.propertyChange',
    attemptNumber: 0,
    objectId: Number(id),
    changeSource: 'CRM_UI',
    propertyName: property,
    propertyValue: value,
  };
  const body = JSON.stringify([event]);
  for (;;) {
    const at = String(Date.now());
    const signature = createHmac('sha256', secret).update(`POST${url}${body}${at}`).digest('base64');
    const headers = {
      'content-type': 'application/json',
      'x-hubspot-signature-v3': signature,
      'x-hubspot-request-timestamp': at,
    };
    try {
      const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(5000) });
      if (response.ok) return;
      if (response.status < 500) throw new TypeError(`the hook was answered with ${response.status}`);
    } catch (error) {
      if (error instanceof TypeError && error.message.startsWith('the hook')) throw error;
    }
    await sleep(30);
  }
};

/** Where the store is, and what happens to it whenever the gateway is killed, and half way between. */
export interface CrashStore {
  readonly environment: Readonly<Record<string, string>>;
  /** The store itself goes away and comes back, under a gateway that works. */
  readonly shake?: () => Promise<void>;
}

/** Plays the story with a seed; `hooks` edits of `contacts` contacts, `kills` times kill -9. */
export const crashStory = async (
  seed: number,
  hooks: number,
  contacts: number,
  kills: number,
  { environment, shake }: CrashStore = { environment: {} },
): Promise<CrashResult> => {
  const random = generator(seed);
  const story = await Story.begin({
    config,
    environment,
    hubspot: { sandbox: { hookUrl: '' } },
    crm: { sandbox: { hookUrl: '' } },
  });
  const victim = new Victim(story);
  const problems: string[] = [];
  try {
    await victim.start();
    await sleep(300);
    const rows = Array.from({ length: contacts }, (_, i) => ({
      email: `c${seed}x${i}@crash.cn`,
      firstname: 'A',
      lastname: `P${i}`,
      jobtitle: 't0',
    }));
    const ids = await story.fileContacts(rows);
    const moments = new Set(Array.from({ length: kills }, () => Math.floor(random() * hooks)));
    const shakes = new Set(
      shake === undefined ? [] : Array.from({ length: kills }, () => Math.floor(random() * hooks)),
    );
    let next = 0;
    let restarting: Promise<void> = Promise.resolve();
    const worker = async (): Promise<void> => {
      for (let n = next++; n < hooks; n = next++) {
        const id = ids[n % contacts] ?? '';
        const title = `t${n}`;
        await story.inHubspot('PATCH', `/crm/v3/objects/contacts/${id}`, { properties: { jobtitle: title } });
        if (moments.has(n)) {
          restarting = restarting.then(async () => {
            await victim.kill();
            await victim.start();
          });
        }
        if (shakes.has(n)) restarting = restarting.then(shake);
        await post(story, id, 'jobtitle', title, n);
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    await restarting;
    await victim.kill();
    problems.push(...(await judge(story)));
    return { hooks, kills: victim.kills, contacts, problems };
  } finally {
    await victim.kill();
    await story.end();
  }
};

/** Opens the store once more, lets everything come to rest, and compares both systems. */
const judge = async (story: Story): Promise<string[]> => {
  const problems: string[] = [];
  const gateway = await story.open();
  if (!(await story.atRest(120_000))) problems.push('the gateway did not come to rest');
  const here = await story.hubspotRows('email,jobtitle');
  const there = await story.crmRows();
  const titles = new Map<unknown, unknown[]>();
  for (const row of there) titles.set(row['email'], [...(titles.get(row['email']) ?? []), row['title']]);
  for (const row of here) {
    const found = titles.get(row['email']) ?? [];
    if (found.length > 1) problems.push(`${row['email']} was created ${found.length} times`);
    if (found[0] !== row['jobtitle'])
      problems.push(`${row['email']}: HubSpot ${row['jobtitle']}, CRM ${found[0]}`);
  }
  if (there.length !== here.length) problems.push(`${here.length} in HubSpot, ${there.length} in the CRM`);
  const { store } = gateway;
  await closeRuns(gateway.hub);
  for (const run of (await store.list('run', 'at', { where: {}, limit: 100_000 })).map(runOf)) {
    const wrong = [
      ...imbalances(run),
      ...(run.open > 0 ? [`${run.open} open`] : []),
      ...(run.effects.open > 0 ? [`${run.effects.open} effects open`] : []),
    ];
    problems.push(...wrong.map((text) => `run ${run.id}: ${text}`));
  }
  for (const record of (
    await store.list('record', 'entity', { where: { entity: 'contact' }, limit: 100_000 })
  ).map(recordOf)) {
    const rows = await store.list('lineage', 'record', { where: { record: record.id }, limit: 100_000 });
    problems.push(
      ...replayDifferences(
        record,
        rows.map((row) => row['body'] as LineageRow),
      ),
    );
  }
  return problems;
};
