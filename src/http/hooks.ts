import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Gateway } from '../gateway.ts';
import type { Metrics } from './metrics.ts';

const mostBytes = 1024 * 1024;

/** The raw body; null if it is larger than 1 MiB. */
const bodyOf = async (request: IncomingMessage): Promise<Buffer | null> => {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > mostBytes) return null;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** Takes `/hooks/:connection`: the raw bytes, and the URL as the remote called it (behind a proxy: `publicUrl`). */
export const takeHook = async (
  gateway: Gateway,
  metrics: Metrics,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  try {
    const body = await bodyOf(request);
    if (body === null) {
      response.writeHead(413, { connection: 'close' }).end('too large\n');
      return;
    }
    const { url: path = '/', method = 'GET' } = request;
    const base =
      gateway.installation.config.server.publicUrl ?? `http://${request.headers.host ?? 'localhost'}`;
    const name = decodeURIComponent(path.slice('/hooks/'.length).split(/[/?]/u, 1)[0] ?? '');
    const headers: Record<string, string> = {};
    for (const [header, value] of Object.entries(request.headers))
      if (typeof value === 'string') headers[header] = value;
    const known = gateway.connections.has(name) ? name : 'unknown';
    const reply = await gateway.hook(name, { method, url: base + path, headers, body });
    metrics.onHook(known, reply.status);
    response.writeHead(reply.status, { ...reply.headers }).end(reply.body ?? '');
  } catch {
    // Not durable: the sender must come again. What failed is in the log.
    if (!response.headersSent) response.writeHead(503, { 'retry-after': '5' });
    response.end();
  }
};
