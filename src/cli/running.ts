/** serve, sync, doctor, demo: what runs. */
import { accessSync, constants, mkdirSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { Trouble } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { Gateway, troubleText } from '../gateway.ts';
import { listen } from '../http/app.ts';
import { createMetrics } from '../http/metrics.ts';
import { deliver } from '../sync/deliver.ts';
import { intake } from '../sync/intake.ts';
import { closeRuns, runOf, standingRun } from '../sync/runs.ts';
import { poll, sweep } from '../sync/sweep.ts';
import { demo } from './demo.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

const logger = (): pino.Logger => pino({ level: process.env['LOG_LEVEL'] ?? 'info' }, pino.destination(2));

export const demoVerb = (options: Common & { once?: boolean }): Promise<number> =>
  demo({ once: options.once === true, json: options.json });

export const serve = async (options: Common & { host?: string; port?: string }): Promise<number> => {
  const log = logger();
  const metrics = createMetrics();
  const gateway = await Gateway.open(options.dir, {
    environment: process.env,
    log,
    onCall: metrics.onCall,
    onAlarm: metrics.onAlarm,
  });
  const where = {
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: Number(options.port) }),
  };
  const web = await listen(gateway, { ...where, metrics, environment: process.env });
  await gateway.start();
  const planning = [...gateway.hub.syncs.values()]
    .filter((sync) => !sync.outward && sync.create)
    .map((sync) => sync.name);
  if (options.json) json({ url: web.url, planning });
  else say(`Crosswalk serves at ${web.url}`);
  for (const sync of Object.values(gateway.installation.config.syncs)) {
    if (sync.direction !== 'in' && !gateway.switches.isLive(sync))
      log.warn(
        { sync: sync.name },
        'ONLY PLANNING: this sync reads and merges, and writes nothing to its remote; give it mode: live',
      );
  }
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      process.once('SIGINT', () => process.exit(130));
      resolve();
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  });
  log.info('stopping: passes under way are finished first');
  await web.close();
  await Promise.race([gateway.stop(), sleep(10_000)]);
  return exits.ok;
};

/** In this process: reads what changed (or everything), takes it in, and delivers until nothing is due. */
export const sync = async (
  options: Common & { full?: boolean; plan?: boolean },
  name: string,
): Promise<number> => {
  if (options.plan === true) throw new CrosswalkError('not-yet', { what: 'sync --plan' });
  const gateway = await Gateway.open(options.dir, {
    environment: process.env,
    log: pino({ level: 'warn' }, pino.destination(2)),
  });
  try {
    const one = gateway.hub.syncs.get(name);
    if (one === undefined) throw new CrosswalkError('not-there', { what: 'sync', id: name });
    const { hub } = gateway;
    const read =
      options.full === true || one.kind.changes === undefined
        ? await sweep(hub, one.lane)
        : await poll(hub, one.lane);
    await work(gateway, options.json);
    await closeRuns(hub);
    const row = read.run === null ? undefined : await gateway.store.get('run', { id: read.run });
    const run = row === undefined ? null : runOf(row);
    if (options.json) json({ read: read.read, run });
    else if (run === null) say('nothing has changed there');
    else
      say(
        table(
          ['read', 'applied', 'unchanged', 'parked', 'failed', 'effects', 'delivered'],
          [
            [
              run.read,
              run.items.applied,
              run.items.unchanged,
              run.items.parked,
              run.items.failed,
              run.effects.opened,
              run.effects.delivered,
            ].map(String),
          ],
        ),
      );
    return run !== null && run.items.parked + run.items.failed > 0 ? exits.wrong : exits.ok;
  } finally {
    await gateway.stop();
  }
};

const work = async ({ hub, store }: Gateway, quiet: boolean): Promise<void> => {
  const run = await standingRun(hub, 'upkeep', 'command', new Set());
  let moved = 1;
  while (moved > 0) {
    moved = 0;
    for (const one of hub.syncs.values()) {
      moved += (await intake(hub, one.lane, run)).taken;
      if (one.outward) moved += (await deliver(hub, one, run)).taken;
    }
    if (!quiet && process.stderr.isTTY) {
      const left =
        (await store.count('touch', 'due', {})) + (await store.count('effect', 'state', { state: 'open' }));
      process.stderr.write(`\r${left} to do   `);
    }
  }
  if (!quiet && process.stderr.isTTY) process.stderr.write('\r                \r');
};

// ---------------------------------------------------------------- doctor

interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
}

export const doctor = async (options: Common): Promise<number> => {
  const findings: Finding[] = [{ what: 'Node.js', state: 'ok', text: process.versions.node }];
  const note = (what: string, state: Finding['state'], text: string): void =>
    void findings.push({ what, state, text });
  let gateway: Gateway | undefined;
  try {
    gateway = await Gateway.open(options.dir, { environment: process.env, log: pino({ level: 'silent' }) });
    note('configuration', 'ok', gateway.installation.config.file);
    await examine(gateway, note);
  } catch (error) {
    note('configuration', 'fail', troubleText(error));
  } finally {
    await gateway?.stop();
  }
  const failed = findings.some((one) => one.state === 'fail');
  if (options.json) json({ ok: !failed, findings });
  else
    say(
      table(
        ['', 'what', ''],
        findings.map((one) => [one.state, one.what, one.text]),
      ),
    );
  return failed ? exits.wrong : exits.ok;
};

const examine = async (
  gateway: Gateway,
  note: (what: string, state: Finding['state'], text: string) => void,
): Promise<void> => {
  const { config } = gateway.installation;
  const folder = path.dirname(config.store.path);
  if (config.store.path !== ':memory:') {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    const free = Math.round((bavail * bsize) / 1024 ** 3);
    note('store', 'ok', config.store.path);
    note('disk', free < 2 ? 'warn' : 'ok', `${free} GB free`);
  }
  note(
    'public address',
    config.server.publicUrl === undefined ? 'warn' : 'ok',
    config.server.publicUrl ??
      'server.publicUrl is not set: remotes can send hooks here only if they reach this machine by its own name',
  );
  for (const { name, session } of gateway.connections.values()) {
    try {
      note(`connection ${name}`, 'ok', await session.check());
    } catch (error) {
      note(`connection ${name}`, 'fail', error instanceof Trouble ? troubleText(error) : troubleText(error));
    }
  }
};
