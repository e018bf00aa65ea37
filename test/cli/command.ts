/** `crosswalk` as real processes over one installation. */
import { spawn, type ChildProcess } from 'node:child_process';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  /** What it has said once its first line is out. */
  readonly said: Promise<string>;
}

export class Commands {
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #children: ChildProcess[] = [];

  constructor(folder: string, environment: Readonly<Record<string, string>> = {}) {
    this.#folder = folder;
    this.#environment = environment;
  }

  start(...args: string[]): Started {
    const env = { PATH: process.env['PATH'] ?? '', LOG_LEVEL: 'fatal', ...this.#environment };
    const child = spawn(process.execPath, ['src/main.ts', ...args, '--dir', this.#folder], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    let out = '';
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const ended = new Promise<Ran>((resolve) => child.on('close', (code) => resolve({ code, out, err })));
    const said = new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
        if (out.includes('\n')) resolve(out);
      });
      child.on('close', () => reject(new Error(`it ended without a word: ${err}`)));
    });
    // Nobody waits for the first word of a command that only ends.
    said.catch(() => undefined);
    return { child, ended, said };
  }

  run(...args: string[]): Promise<Ran> {
    return this.start(...args).ended;
  }

  killAll(): void {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL');
  }
}
