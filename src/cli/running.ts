/** serve, demo: what runs until it is stopped. */
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { CrosswalkError } from '../errors.ts';
import { Gateway } from '../gateway.ts';
import { placeWords, whereIs } from '../store/open.ts';
import { listen, type Listening } from '../http/app.ts';
import { createMetrics, tellingOf, type Metrics } from '../http/metrics.ts';
import { startTelemetry } from '../telemetry.ts';
import { traceFields } from '../trace.ts';
import { hold } from './holder.ts';
import { exits, json, say } from './output.ts';
import type { Common } from './program.ts';

export const demoVerb = async (options: Common & { once?: boolean; scenario?: string }): Promise<number> => {
  const { demo } = await import('./demo.ts');
  return demo({ once: options.once === true, json: options.json, scenario: options.scenario });
};

interface ServeOptions extends Common {
  readonly host?: string;
  readonly port?: string;
}

const loopback: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);

/** Where to listen; what the command line says is held to the same rule as the file. */
const addressOf = (gateway: Gateway, options: ServeOptions): { host: string; port: number } => {
  const { server } = gateway.installation.config;
  const port = options.port === undefined ? server.port : Number(options.port);
  if (options.port !== undefined && (!/^\d{1,5}$/u.test(options.port) || port > 65_535))
    throw new CrosswalkError('usage', { detail: '--port takes a number from 0 to 65535' });
  const host = options.host ?? server.host;
  if (!loopback.has(host) && server.tokenRef === undefined)
    throw new CrosswalkError('config-open-server', { host });
  return { host, port };
};

const listenAt = async (
  gateway: Gateway,
  address: { host: string; port: number },
  metrics: Metrics,
): Promise<Listening> => {
  try {
    return await listen(gateway, { ...address, metrics, environment: process.env });
  } catch (error) {
    const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
    if (syscall !== 'listen' && syscall !== 'getaddrinfo') throw error;
    throw new CrosswalkError('listen-refused', { ...address, detail: code ?? 'refused' }, {}, error);
  }
};

/** Resolves at the first SIGTERM or SIGINT; the second ends the process at once. */
const interrupted = (): Promise<void> =>
  new Promise((resolve) => {
    let signals = 0;
    const on = (): void => {
      signals += 1;
      if (signals > 1) process.exit(130);
      resolve();
    };
    process.on('SIGTERM', on);
    process.on('SIGINT', on);
  });

export const serve = async (options: ServeOptions): Promise<number> => {
  const level = process.env['LOG_LEVEL'] ?? 'info';
  const log = pino({ level, mixin: traceFields }, pino.destination(2));
  const metrics = createMetrics();
  const telemetry = await startTelemetry(process.env);
  const gateway = await Gateway.open(options.dir, {
    environment: process.env,
    log,
    ...tellingOf(metrics),
  });
  const where = whereIs(gateway.installation.config, process.env);
  let loseHold = (): void => undefined;
  const lost = new Promise<'lost'>((resolve) => (loseHold = () => resolve('lost')));
  let web: Listening | undefined;
  let isDrained = false;
  try {
    const address = addressOf(gateway, options);
    const held = await hold(where, 'serve', () => loseHold(), gateway.store);
    try {
      const stop = interrupted();
      web = await listenAt(gateway, address, metrics);
      await gateway.start();
      announce(gateway, web.url, options.json, log);
      const why = await Promise.race([stop, lost]);
      log.info('stopping: passes under way are finished first');
      isDrained = true;
      await drain(gateway, web, log);
      if (why === 'lost') throw new CrosswalkError('store-lost', { file: placeWords(where) });
      return exits.ok;
    } finally {
      await held.release();
      await telemetry?.stop();
    }
  } catch (error) {
    if (!isDrained) {
      await web?.close();
      await gateway.stop();
    }
    throw error;
  }
};

const announce = (gateway: Gateway, url: string, asJson: boolean, log: pino.Logger): void => {
  const planning = Object.values(gateway.installation.config.syncs)
    .filter((sync) => sync.direction !== 'in' && !gateway.switches.isLive(sync))
    .map((sync) => sync.name);
  if (asJson) json({ url, planning });
  else say(`Crosswalk serves at ${url}`);
  for (const sync of planning)
    log.warn(
      { sync },
      'ONLY PLANNING: this sync reads and merges, and writes nothing to its remote; give it mode: live',
    );
};

/** Ten seconds for passes under way; what is cut off then is on disk and goes on at the next start. */
const drain = async (gateway: Gateway, web: Listening, log: pino.Logger): Promise<void> => {
  const finished = web.close().then(() => gateway.stop());
  const late = await Promise.race([finished, sleep(9000, 'late' as const, { ref: false })]);
  if (late !== 'late') return;
  log.warn('some passes did not end in time; the next start goes on where they stopped');
  // The event loop would wait for them.
  setImmediate(() => process.exit(exits.ok));
};
