/** The floors: `node bare.ts express|http <sink url> <deliver yes|no>` answers, maps and delivers, and stores nothing. */
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import express from 'express';
import { Pool } from 'undici';

const [kind, sink = '', deliver = 'yes'] = process.argv.slice(2);
const pool = new Pool(sink, { connections: 25 });
type Event = Record<string, string>;

const map = (event: Event): Event => {
  const out: Event = {};
  for (let i = 1; i <= 12; i += 1) out[`out${i}`] = (event[`in${i}`] ?? '').trim();
  out['out2'] = out['out2']?.toLowerCase() ?? '';
  out['out3'] = out['out3']?.replace(/\s+/g, ' ') ?? '';
  out['out4'] = { a: 'alpha', b: 'beta' }[out['out4'] ?? ''] ?? out['out4'] ?? '';
  return out;
};

const handle = async (raw: Buffer, signature: string | undefined): Promise<number> => {
  if (createHmac('sha256', 'bench-secret').update(raw).digest('hex') !== signature) return 401;
  const event = map(JSON.parse(raw.toString()) as Event);
  if (deliver === 'yes')
    void pool
      .request({
        path: '/events',
        method: 'POST',
        body: JSON.stringify(event),
        headers: { 'content-type': 'application/json' },
      })
      .then(({ body }) => body.dump());
  return 200;
};

const ready = (port: number): void => void process.stdout.write(`${port}\n`);

if (kind === 'express') {
  const app = express();
  app.post('/hooks/source', express.raw({ type: () => true, limit: '1mb' }), (request, response) => {
    void handle(request.body as Buffer, request.get('x-signature')).then((status) =>
      response.status(status).end(),
    );
  });
  const server = app.listen(0, '127.0.0.1', () => ready((server.address() as { port: number }).port));
} else {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      response.statusCode = await handle(
        Buffer.concat(chunks),
        request.headers['x-signature'] as string | undefined,
      );
      response.end();
    });
  });
  server.listen(0, '127.0.0.1', () => ready((server.address() as { port: number }).port));
}
