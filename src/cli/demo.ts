/**
 * `crosswalk demo`: the three sandboxes, a gateway between them, and a story told as it happens. Every step
 * is judged by reading the sandboxed systems over HTTP, never by the gateway's own account. A scenario may
 * play its story in one installation after the other.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { Gateway } from '../gateway.ts';
import { listen } from '../http/app.ts';
import { loadSandbox } from '../connections.ts';
import { serve, type Served } from '../simulate/serve.ts';
import { CrosswalkError } from '../errors.ts';
import { guarded, unguarded } from './demo-incident.ts';
import { story, type Step, type StepResult, type Systems } from './demo-story.ts';

export interface DemoOptions {
  /** Play the story once and leave; else the gateway goes on until Ctrl-C. */
  readonly once: boolean;
  readonly json: boolean;
  /** Which story; the usual one if absent. */
  readonly scenario?: string | undefined;
}

const app = '5f1e000000000000000000a1';
const form = '60a2000000000000000000b2';

/** A port that is free now. */
const freePort = async (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

const secret = 'demo-hubspot-client-secret';

/** One installation of a scenario: what its file says beyond the connections, and its story. */
interface Act {
  readonly title: string;
  readonly config: string;
  readonly steps: readonly Step[];
}

const usual = `entities:
  contact: { keys: [[mobile, name], [email]], protect: [customerId], owners: { stage: crm }, conflict: { title: ask, "*": newest } }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live, poll: 5s, roles: { stage: writer } }
  crm-contacts:     { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true, mode: live, poll: 5s }
notices:
  stage-moved:
    entity: contact
    when: { changed: stage }
    to: sales
    text: "{{name}}: {{before.stage}} → {{after.stage}} ({{by}}, {{at}})"
    fallback: { name: (no name), before.stage: (none), after.stage: (none), by: someone }
`;

const incident = (guards: string, protect: string): string => `alarms: { to: sales }
guards: { idChanges: ${guards} }
entities:
  contact: { keys: [[email]], ${protect}conflict: newest }
syncs:
  hubspot-contacts: { connection: hubspot, mapping: hubspot-contact, direction: both, create: true, mode: live, poll: 5s }
  crm-contacts:     { connection: crm, mapping: jiandaoyun-contact, direction: both, create: true, mode: live, poll: 5s }
`;

const scenarios: Readonly<Record<string, readonly Act[]>> = {
  usual: [{ title: '', config: usual, steps: story }],
  incident: [
    {
      title:
        'The old incident, with the guard: customerId is protected, and more than 20 changed ids a day stop all writing',
      config: incident('20', 'protect: [customerId], '),
      steps: guarded,
    },
    {
      title: 'The same with the guard off, in a second installation',
      config: incident('0', ''),
      steps: unguarded,
    },
  ],
};

const yaml = (
  hubspot: string,
  crm: string,
  wecom: string,
  port: number,
  config: string,
): string => `# The demo's installation: three sandboxes on this machine. Yours looks the same, with \${env:…} for secrets.
allowInlineSecrets: true
server: { port: ${port}, publicUrl: "http://127.0.0.1:${port}" }
connections:
  hubspot: { connector: hubspot, settings: { token: pat-sandbox, clientSecret: ${secret}, baseUrl: "${hubspot}" } }
  crm:     { connector: jiandaoyun, settings: { apiKey: demo-key, hookSecret: demo-hook, app: "${app}", entries: { contact: "${form}" }, baseUrl: "${crm}/api" } }
  sales:   { connector: wecom, settings: { robotKey: demo-robot, baseUrl: "${wecom}" } }
${config}`;

/** The three systems behind real ports, sending their signed hooks to the gateway. */
const serveAll = async (port: number): Promise<{ systems: Systems; served: Served<unknown>[] }> => {
  const hookUrl = `http://127.0.0.1:${port}/hooks`;
  let deaf = false;
  const hook = <Request>(request: Request): Request | undefined => (deaf ? undefined : request);
  const hubspot = await serve(await loadSandbox('hubspot'), {
    options: {
      token: 'pat-sandbox',
      clientSecret: secret,
      hookUrl: `${hookUrl}/hubspot`,
      hookDelay: 100,
      searchLag: 200,
    },
    hook,
  });
  const crm = await serve(await loadSandbox('jiandaoyun'), {
    options: {
      apiKey: 'demo-key',
      hookSecret: 'demo-hook',
      hookUrl: `${hookUrl}/crm`,
      app,
      entries: { contact: form },
      hookDelay: 100,
    },
    hook,
  });
  const wecom = await serve(await loadSandbox('wecom'), { options: { robotKey: 'demo-robot' } });
  const systems: Systems = {
    hubspot: { url: hubspot.url, token: 'pat-sandbox' },
    crm: { url: crm.url, key: 'demo-key', app, form },
    wecom: { url: wecom.url },
    gateway: `http://127.0.0.1:${port}`,
    deafen: (on) => (deaf = on),
  };
  return { systems, served: [hubspot, crm, wecom] };
};

const tell = (json: boolean, result: StepResult): void => {
  if (json) return;
  const mark = result.seen ? 'seen    ' : 'NOT SEEN';
  process.stdout.write(
    `\n${mark}  ${result.title}\n${result.lines.map((line) => `          ${line}\n`).join('')}`,
  );
};

/** One installation, running. */
interface Stage {
  readonly systems: Systems;
  readonly url: string;
  stop(): Promise<void>;
}

const open = async (config: string): Promise<Stage> => {
  const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-demo-'));
  const port = await freePort();
  const { systems, served } = await serveAll(port);
  const text = yaml(systems.hubspot.url, systems.crm.url, systems.wecom.url, port, config);
  writeFileSync(path.join(folder, 'crosswalk.yaml'), text);
  const log = pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }, pino.destination(2));
  const gateway = await Gateway.open(folder, { environment: process.env, log });
  const web = await listen(gateway, { port });
  await gateway.start();
  const stop = async (): Promise<void> => {
    await web.close();
    await gateway.stop();
    await Promise.all(served.map((one) => one.close()));
    rmSync(folder, { recursive: true, force: true });
  };
  return { systems, url: web.url, stop };
};

/** Plays the demo; resolves with the exit code: 0 if every step was seen. Throws CrosswalkError `usage` for an unknown scenario. */
export const demo = async ({ once, json, scenario = 'usual' }: DemoOptions): Promise<number> => {
  const acts = Object.hasOwn(scenarios, scenario) ? scenarios[scenario] : undefined;
  if (acts === undefined)
    throw new CrosswalkError('usage', {
      detail: `--scenario takes ${Object.keys(scenarios).join(' or ')}, not ${JSON.stringify(scenario)}`,
    });
  const say = (text: string): void => void (json || process.stdout.write(`${text}\n`));
  const results: StepResult[] = [];
  let url = '';
  for (const [index, act] of acts.entries()) {
    const stage = await open(act.config);
    try {
      url = stage.url;
      say(
        `Crosswalk demo: HubSpot, 简道云 (the CRM) and a WeCom group, each a sandbox on a real port, and a gateway at ${url}`,
      );
      if (act.title !== '') say(`\n${act.title}`);
      for (const step of act.steps) {
        const result = await step(stage.systems);
        results.push(result);
        tell(json, result);
      }
      if (index === acts.length - 1) await epilogue(results, url, { once, json });
    } finally {
      await stage.stop();
    }
  }
  return results.every((result) => result.seen) ? 0 : 1;
};

const epilogue = async (
  results: readonly StepResult[],
  url: string,
  { once, json }: DemoOptions,
): Promise<void> => {
  const say = (text: string): void => void (json || process.stdout.write(`${text}\n`));
  const unseen = results.filter((result) => !result.seen).length;
  if (json) process.stdout.write(`${JSON.stringify({ ok: unseen === 0, url, steps: results })}\n`);
  else
    say(
      unseen === 0
        ? `\nAll ${results.length} steps were seen in the systems themselves.`
        : `\n${unseen} of ${results.length} steps were not seen.`,
    );
  if (once) return;
  say(
    `The gateway goes on at ${url} (open it in a browser). Ctrl-C ends it and removes its temporary folder.`,
  );
  await interrupted();
};

const interrupted = async (): Promise<void> =>
  new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
