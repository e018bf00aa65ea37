/** One process of several that call through the same connection. Told over IPC how many calls to make at once. */
import { loadConfig } from '../../src/config.ts';
import { closeConnections, findConnectors, openConnections } from '../../src/connections.ts';
import { openSafe } from '../../src/store/safe.ts';

export interface CallResult {
  readonly good: number;
  readonly errors: readonly string[];
  readonly log: readonly string[];
}

const folder = process.argv[2] ?? '.';
const config = loadConfig(folder, { mappings: new Map(), entities: new Map() }, process.env);
const log: string[] = [];
const safe = openSafe(config, process.env);
const opened = await openConnections(config, findConnectors(folder), {
  environment: process.env,
  now: Date.now,
  random: Math.random,
  log: (connection, level, text, fields) =>
    log.push(`${connection} ${level} ${text} ${JSON.stringify(fields ?? {})}`),
  safe,
});

process.on('message', (asked: { calls: number } | 'close') => {
  void (async () => {
    if (asked === 'close') {
      await closeConnections(opened);
      await safe.close();
      process.disconnect();
      return;
    }
    const session = opened.get('partner')?.session;
    const all = await Promise.allSettled(Array.from({ length: asked.calls }, () => session?.check()));
    const errors = all.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : []));
    process.send?.({ good: all.length - errors.length, errors, log: log.splice(0) } satisfies CallResult);
  })();
});
process.send?.('ready');
