/**
 * Runs JSONata expressions in a process of their own, so that none can hold up the program: JSONata's own limits are
 * looked at between its steps, and one step (a regular expression that backtracks, a text doubled thirty times) may
 * take for ever, or more memory than there is, which a thread would not survive alone. A process that does not answer
 * in time, or dies, is ended, and the next expression starts another. It sees no environment, and may neither
 * write a file nor start anything.
 */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Json, JsonObject } from './connector.ts';
import type { Evaluate } from './mapping/expressions.ts';

/** Ms without an answer after which the process is ended. JSONata's own limit is a quarter of it. */
const patience = 1000;
const mostMegabytes = 128;

const here = fileURLToPath(import.meta.url);
const file = path.join(
  path.dirname(here),
  here.endsWith('.ts') ? 'evaluator-process.ts' : 'evaluator-process.js',
);

/** What the process says once, when it can take a task: how long that takes is no expression's fault. */
const ready = 'ready';

interface Task {
  readonly text: string;
  readonly input: Json;
  readonly answer: (result: JsonObject) => void;
}

/** One process and what waits for it. Started when it is first needed; it keeps the program from ending only while it runs. */
class Evaluator {
  #process: ChildProcess | undefined;
  #isReady = false;
  readonly #waiting: Task[] = [];
  #running: Task | undefined;
  #timer: NodeJS.Timeout | undefined;

  run(text: string, input: Json): Promise<JsonObject> {
    return new Promise((answer) => {
      this.#waiting.push({ text, input, answer });
      this.#next();
    });
  }

  #next(): void {
    if (this.#running !== undefined) return;
    this.#running = this.#waiting.shift();
    if (this.#running === undefined) {
      this.#process?.channel?.unref();
      return;
    }
    this.#process ??= this.#start();
    this.#process.channel?.ref();
    if (this.#isReady) this.#send(this.#process, this.#running);
  }

  #send(to: ChildProcess, { text, input }: Task): void {
    this.#timer = setTimeout(() => this.#end(`was stopped after ${patience} ms`), patience);
    to.send({ text, input }, (error) => {
      if (error !== null && to === this.#process) this.#end('cannot be run');
    });
  }

  #start(): ChildProcess {
    this.#isReady = false;
    const made = fork(file, {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: {},
      execArgv: ['--permission', '--allow-fs-read=*', `--max-old-space-size=${mostMegabytes}`],
    });
    made.unref();
    made.on('message', (said) => {
      if (made !== this.#process) return;
      if (said !== ready) {
        this.#answer(said as JsonObject);
        return;
      }
      this.#isReady = true;
      if (this.#running !== undefined) this.#send(made, this.#running);
    });
    made.on('exit', () => {
      if (made === this.#process)
        this.#end(this.#isReady ? `needs more than ${mostMegabytes} MB` : 'cannot be run');
    });
    made.on('error', () => {
      if (made === this.#process) this.#end('cannot be run');
    });
    return made;
  }

  #answer(result: JsonObject): void {
    clearTimeout(this.#timer);
    this.#running?.answer(result);
    this.#running = undefined;
    this.#next();
  }

  #end(why: string): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
    this.#answer({ fault: `the expression ${why}` });
  }
}

const one = new Evaluator();

/** What an expression makes of an input: `{value}`, or `{fault}`, the rest of a sentence. Never rejects. */
export const evaluate: Evaluate = (text, input) => one.run(text, input);
