/**
 * A process that has read the program once and runs one command after another in it, each with the words and the
 * environment that it is sent: reading the program is 1.5 s of processor time, and most commands are over at once.
 */
import { run } from '../../src/cli/program.ts';

export interface Asked {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Answered {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

// Each command adds its own, for the one process that it is used to have to itself.
process.setMaxListeners(0);
process.stdout.setMaxListeners(0);

/** Takes what is written to a stream from now on instead of the stream. */
const catching = (stream: NodeJS.WriteStream): (() => string) => {
  const written: string[] = [];
  stream.write = ((chunk: string | Uint8Array, ...more: unknown[]): boolean => {
    written.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    const done = more.find((one) => typeof one === 'function') as (() => void) | undefined;
    done?.();
    return true;
  }) as typeof stream.write;
  return () => written.join('');
};

process.on('message', async ({ argv, env }: Asked) => {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  const [out, err] = [catching(process.stdout), catching(process.stderr)];
  const code = await run([process.execPath, 'src/main.ts', ...argv]);
  const answer: Answered = { code, out: out(), err: err() };
  process.send?.(answer);
});
process.send?.('ready');
