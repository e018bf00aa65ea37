/** The gateway of the benchmark in a process of its own: `node gateway.ts <folder> live|accept`. */
import pino from 'pino';
import { Gateway } from '../../src/gateway.ts';
import { listen } from '../../src/http/app.ts';

const [folder = '', mode] = process.argv.slice(2);
const gateway = await Gateway.open(folder, {
  environment: process.env,
  log: pino({ level: 'warn' }, pino.destination(2)),
});
const { url } = await listen(gateway, { port: 0 });
if (mode !== 'accept') await gateway.start();
process.stdout.write(`${new URL(url).port}\n`);
