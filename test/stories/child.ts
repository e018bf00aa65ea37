/** A gateway in a process of its own, for tests that kill it: `node child.ts <folder> <port>`. */
import pino from 'pino';
import { Gateway } from '../../src/gateway.ts';
import { listen } from '../../src/http/app.ts';

const [folder = '', port = '0'] = process.argv.slice(2);
const log = pino({ level: process.env['STORY_LOG'] ?? 'silent' }, pino.destination(2));
const gateway = await Gateway.open(folder, { environment: process.env, log });
await listen(gateway, { port: Number(port) });
await gateway.start();
process.stdout.write('ready\n');
