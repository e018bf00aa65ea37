/** The benchmark's target, in a process of its own: remembers when each event first arrived. `GET /` tells, `DELETE /` forgets. */
import { createServer } from 'node:http';

const seen = new Map<string, number>();
let doubles = 0;

const take = (event: { f1?: string; out1?: string }): void => {
  const name = String(event.f1 ?? event.out1);
  if (seen.has(name)) doubles += 1;
  else seen.set(name, performance.timeOrigin + performance.now());
};

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(
      JSON.stringify({
        count: seen.size,
        doubles,
        ...(request.url === '/times' ? { times: [...seen] } : {}),
      }),
    );
    return;
  }
  if (request.method === 'DELETE') {
    seen.clear();
    doubles = 0;
    response.end();
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as object | object[];
    for (const event of Array.isArray(body) ? body : [body]) take(event);
    response.end('{}');
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : 0}\n`);
});
