import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Gateway } from '../gateway.ts';
import type { Metrics } from './metrics.ts';

const mostBytes = 1024 * 1024;
/** Bytes of bodies in hand at once, above which senders are asked to come again: memory is bounded, whoever sends. */
const mostInHand = 64 * 1024 * 1024;

/** Takes one request under `/hooks/`. */
export type TakeHook = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Bodies that are being received or made durable. */
class Hands {
  bytes = 0;

  /** The raw body, counted until it is let go of; null if it is larger than 1 MiB, undefined if hands are full. */
  async receive(request: IncomingMessage): Promise<Buffer | null | undefined> {
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > mostBytes) return null;
    if (this.bytes + declared > mostInHand) return undefined;
    const chunks: Buffer[] = [];
    let size = 0;
    let outcome: Buffer | null | undefined;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.length;
        this.bytes += chunk.length;
        chunks.push(chunk);
        if (size > mostBytes) return null;
        if (this.bytes > mostInHand) return undefined;
      }
      outcome = Buffer.concat(chunks, size);
      return outcome;
    } finally {
      if (outcome == null) this.bytes -= size;
    }
  }
}

const turnAway = (response: ServerResponse, retryAfter: number): void => {
  // Whatever of the body is still to come is not read.
  response.writeHead(503, { 'retry-after': String(retryAfter), connection: 'close' }).end('busy\n');
};

/** Takes `/hooks/:connection`: the raw bytes, and the URL as the remote called it (behind a proxy: `publicUrl`). */
export const hookTaker = (gateway: Gateway, metrics: Metrics): TakeHook => {
  const hands = new Hands();
  const { publicUrl } = gateway.installation.config.server;
  return async (request, response) => {
    const { url: path = '/', method = 'GET' } = request;
    let held = 0;
    let known = 'unknown';
    const answered = (status: number): void => metrics.onHook(known, status);
    try {
      const name = decodeURIComponent(path.slice('/hooks/'.length).split(/[/?]/u, 1)[0] ?? '');
      if (gateway.connections.has(name)) known = name;
      const { short } = gateway.room;
      const body = short === null ? await hands.receive(request) : undefined;
      if (body === undefined) {
        turnAway(response, short === null ? 5 : 30);
        return answered(503);
      }
      if (body === null) {
        response.writeHead(413, { connection: 'close' }).end('too large\n');
        return answered(413);
      }
      held = body.length;
      const base = publicUrl ?? `http://${request.headers.host ?? 'localhost'}`;
      const headers: Record<string, string> = {};
      for (const [header, value] of Object.entries(request.headers))
        if (typeof value === 'string') headers[header] = value;
      const reply = await gateway.hook(name, { method, url: base + path, headers, body });
      answered(reply.status);
      response.writeHead(reply.status, { ...reply.headers }).end(reply.body ?? '');
    } catch {
      // Not durable: the sender must come again. What failed is in the log.
      if (!response.headersSent) response.writeHead(503, { 'retry-after': '5' });
      response.end();
      answered(503);
    } finally {
      hands.bytes -= held;
    }
  };
};
