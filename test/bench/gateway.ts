/** The gateway of the benchmark in a process of its own: `node gateway.ts <folder> live|accept`. */
import pino from 'pino';
import { Gateway } from '../../src/gateway.ts';
import { listen } from '../../src/http/app.ts';
import { createMetrics, tellingOf } from '../../src/http/metrics.ts';
import { traceFields } from '../../src/trace.ts';

const [folder = '', mode] = process.argv.slice(2);
const metrics = createMetrics();
const gateway = await Gateway.open(folder, {
  environment: process.env,
  log: pino({ level: 'warn', mixin: traceFields }, pino.destination(2)),
  ...tellingOf(metrics),
});
const { url } = await listen(gateway, { port: 0, metrics });
if (mode !== 'accept') await gateway.start();
process.stdout.write(`${new URL(url).port}\n`);
