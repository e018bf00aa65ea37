/** `crosswalk` over one installation: as real processes, and one after another in a process that has read it already. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answered, Asked } from './warm.ts';

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

let warm: ChildProcess | undefined;
let isBusy = false;

/** What the process says next. */
const heard = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const gone = (code: number | null): void =>
      reject(new Error(`the process of the commands ended: ${code}`));
    child.once('exit', gone);
    child.once('message', (message) => {
      child.off('exit', gone);
      resolve(message);
    });
  });

const warmly = async (argv: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> => {
  isBusy = true;
  try {
    if (warm === undefined) {
      const file = fileURLToPath(new URL('warm.ts', import.meta.url));
      warm = fork(file, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
      await heard(warm);
    }
    const answer = heard(warm);
    warm.send({ argv, env } satisfies Asked);
    return (await answer) as Answered;
  } catch (error) {
    warm = undefined;
    throw error;
  } finally {
    isBusy = false;
  }
};
process.once('exit', () => warm?.kill('SIGKILL'));

export class Commands {
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #children: ChildProcess[] = [];

  constructor(folder: string, environment: Readonly<Record<string, string>> = {}) {
    this.#folder = folder;
    this.#environment = environment;
  }

  start(...args: string[]): Started {
    const env = this.#env();
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

  /** In the process that has read the program already; in one of its own if another command is under way there. */
  async run(...args: string[]): Promise<Ran> {
    return isBusy ? this.start(...args).ended : warmly([...args, '--dir', this.#folder], this.#env());
  }

  #env(): Record<string, string> {
    return { PATH: process.env['PATH'] ?? '', LOG_LEVEL: 'fatal', ...this.#environment };
  }

  killAll(): void {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL');
  }
}
