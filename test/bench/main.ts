/**
 * `npm run bench -- accept|w1|commit|mapping|dedupe|load [--pg] [--events N] [--connections C] [--rounds R]`: the gateway beside
 * bare Express and bare node:http, in turn, in the same run. `accept`: hooks made durable and answered. `w1`: hook
 * in → map → deliver to a loopback HTTP sink. `--pg`: the gateway over PostgreSQL too, on a server of the bench's own.
 * `commit`: rows that each store makes durable a second, alone and in groups. Read the ratios: the figures are one machine's.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { Postgres } from '../postgres.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    events: { type: 'string', default: '10000' },
    connections: { type: 'string', default: '25' },
    rounds: { type: 'string', default: '3' },
    pg: { type: 'boolean', default: false },
    million: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    seed: { type: 'string', default: '5' },
  },
});
const what = positionals[0];
if (what === 'mapping') {
  await import('./mapping.ts');
  process.exit(0);
}
if (what === 'commit') {
  await import('./commit.ts');
  process.exit(0);
}
if (what === 'dedupe') {
  await import('./dedupe.ts');
  process.exit(0);
}
if (what === 'load') {
  await import('./load.ts');
  process.exit(0);
}
if (what !== 'accept' && what !== 'w1') {
  process.stderr.write(
    'usage: npm run bench -- accept|w1|commit|mapping|dedupe|load [--pg] [--events N] [--connections C] [--rounds R] [--million] [--keep]\n',
  );
  process.exit(2);
}
const events = Number(values.events);
const connections = Number(values.connections);
const here = path.dirname(fileURLToPath(import.meta.url));

const server = values.pg ? await Postgres.start() : undefined;

interface Measured {
  readonly accepted: number;
  readonly delivered: number;
  readonly acceptMs: readonly number[];
  readonly endMs: readonly number[];
  readonly rss: number;
  readonly doubles: number;
}

const start = async (
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ child: ChildProcess; port: number }> => {
  const child = spawn(process.execPath, [path.join(here, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString().trim())));
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
  return { child, port };
};

const peak = (pid: number | undefined): number => {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(line?.[1] ?? 0) / 1024);
};

const filler = 'x'.repeat(700);

const load = async (
  port: number,
  tag: string,
): Promise<{ seconds: number; times: number[]; sent: Map<string, number> }> => {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections });
  const times: number[] = [];
  const sent = new Map<string, number>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < events; n = next++) {
      const name = `${tag}-${n}`;
      const body = JSON.stringify({
        id: name,
        in1: name,
        in2: ' MiXed ',
        in3: 'a  b',
        in4: n % 2 === 0 ? 'a' : 'b',
        in5: '5',
        in6: '6',
        in7: '7',
        in8: '8',
        in9: '9',
        in10: '10',
        in11: '11',
        in12: filler,
      });
      const signature = createHmac('sha256', 'bench-secret').update(body).digest('hex');
      const at = performance.now();
      sent.set(name, performance.timeOrigin + at);
      const answer = await pool.request({
        path: '/hooks/source',
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json', 'x-signature': signature },
      });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw new Error(`answered with ${answer.statusCode}`);
      times.push(performance.now() - at);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: connections }, worker));
  const seconds = (performance.now() - began) / 1000;
  await pool.close();
  return { seconds, times, sent };
};

const sinkCall = async (
  port: number,
  route: string,
  method = 'GET',
): Promise<{ count: number; doubles: number; times?: [string, number][] }> => {
  const response = await fetch(`http://127.0.0.1:${port}${route}`, { method });
  const text = await response.text();
  return text === '' ? { count: 0, doubles: 0 } : (JSON.parse(text) as { count: number; doubles: number });
};

const measure = async (peer: string, sink: number, tag: string): Promise<Measured> => {
  const url = `http://127.0.0.1:${sink}`;
  const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-bench-'));
  const env = {
    SINK_URL: url,
    CROSSWALK_STORE: path.join(folder, 'bench.db'),
    DATABASE_URL: peer === 'postgres' ? ((await server?.database()) ?? '') : '',
  };
  const { child, port } =
    peer === 'crosswalk' || peer === 'postgres'
      ? await start(
          'gateway.ts',
          [path.join(here, 'installation'), what === 'accept' ? 'accept' : 'live'],
          env,
        )
      : await start('bare.ts', [peer, url, what === 'w1' ? 'yes' : 'no']);
  try {
    await sinkCall(sink, '/', 'DELETE');
    const began = performance.now();
    const { seconds, times, sent } = await load(port, tag);
    let delivered = 0;
    let doubles = 0;
    const endMs: number[] = [];
    if (what === 'w1') {
      const deadline = Date.now() + 120_000;
      while ((await sinkCall(sink, '/')).count < events) {
        if (Date.now() > deadline)
          throw new Error(`${peer}: only ${(await sinkCall(sink, '/')).count} of ${events} arrived`);
        await sleep(5);
      }
      delivered = events / ((performance.now() - began) / 1000);
      const all = await sinkCall(sink, '/times');
      doubles = all.doubles;
      for (const [name, at] of all.times ?? []) endMs.push(at - (sent.get(name) ?? at));
    }
    return { accepted: events / seconds, delivered, acceptMs: times, endMs, rss: peak(child.pid), doubles };
  } finally {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
};

const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
const quantile = (list: readonly number[], q: number): number =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))] ?? 0;
const fixed = (n: number, digits = 1): string => n.toFixed(digits);

const peers = ['express', 'http', 'crosswalk', ...(values.pg ? ['postgres'] : [])];
const rounds = new Map<string, Measured[]>(peers.map((peer) => [peer, []]));
const { child: sinkChild, port: sink } = await start('sink.ts', []);
try {
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const peer of peers) {
      rounds.get(peer)?.push(await measure(peer, sink, `${peer}${round}`));
      process.stderr.write(`round ${round + 1}: ${peer}\n`);
    }
  }
} finally {
  await server?.end();
  sinkChild.removeAllListeners('exit');
  sinkChild.kill();
}

const base = rounds.get('express') ?? [];
const ratios = (peer: string, of: (one: Measured) => number): string =>
  fixed(
    median((rounds.get(peer) ?? []).map((one, i) => of(one) / (base[i] === undefined ? 1 : of(base[i])))),
    2,
  );
process.stdout.write(
  `${what}: ${events} events, ${connections} connections, ${values.rounds} rounds, medians; ratios are paired within a round, against express\n`,
);
for (const peer of peers) {
  const list = rounds.get(peer) ?? [];
  const accept = list.flatMap((one) => one.acceptMs);
  const end = list.flatMap((one) => one.endMs);
  const w1 =
    what === 'w1'
      ? ` | delivered/s ${fixed(median(list.map((one) => one.delivered)), 0)} (${ratios(peer, (one) => one.delivered)} x) | end p50 ${fixed(quantile(end, 0.5))} p99 ${fixed(quantile(end, 0.99))} ms | doubles ${list.reduce((sum, one) => sum + one.doubles, 0)}`
      : '';
  process.stdout.write(
    `${peer.padEnd(10)} accepted/s ${fixed(median(list.map((one) => one.accepted)), 0)} (${ratios(peer, (one) => one.accepted)} x) | accept p50 ${fixed(quantile(accept, 0.5))} p99 ${fixed(quantile(accept, 0.99))} ms${w1} | peak ${Math.max(...list.map((one) => one.rss))} MB\n`,
  );
}
