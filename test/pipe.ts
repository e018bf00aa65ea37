import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createSocketServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, expect } from 'vitest';
import { Trouble } from '../src/connector.ts';
import type { HttpRequest, HttpResponse, JsonObject, Session } from '../src/connector.ts';
import { createRemote } from '../src/remote.ts';
import type { CallReport, Remote, RemoteOptions } from '../src/remote.ts';

/** A real server and the outbound pipe to it, for tests of the pipe. */

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** Closed after each test. */
export const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** A server on a free port; gives its address. */
export const start = async (handler: Handler): Promise<string> => {
  const server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => handler(request, response, body));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  open.push({ close: () => (server.closeAllConnections(), server.close()) });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

export interface Piped {
  readonly remote: Remote;
  readonly calls: CallReport[];
  readonly lines: { text: string; fields?: JsonObject }[];
  get(path: string, more?: Partial<HttpRequest>): Promise<HttpResponse>;
}

/** A pipe to an address, with what it reported and logged. */
export const pipe = (
  base: string,
  options: Partial<RemoteOptions> = {},
  session: Pick<Session, 'authorize' | 'trouble' | 'left'> = {},
): Piped => {
  const calls: CallReport[] = [];
  const lines: { text: string; fields?: JsonObject }[] = [];
  const remote = createRemote({
    connection: 'crm',
    connector: 'toy',
    hosts: [base],
    limits: [],
    secrets: [],
    now: () => Date.now(),
    random: () => 0,
    log: (_, text, fields) => lines.push(fields === undefined ? { text } : { text, fields }),
    onCall: (call) => calls.push(call),
    ...options,
  });
  remote.bind(session);
  open.push(remote);
  const get: Piped['get'] = (path, more) =>
    remote.host.request({ method: 'GET', url: base + path, repeatable: true, ...more });
  return { remote, calls, lines, get };
};

/** The trouble in which a call must end. */
export const troubleOf = async (call: Promise<unknown>): Promise<Trouble> => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Trouble);
  return error as Trouble;
};

/** An address at which nothing listens. */
export const deadPort = async (): Promise<string> => {
  const server = createSocketServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return `http://127.0.0.1:${port}`;
};
