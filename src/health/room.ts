/** What is left of the store's disk and of memory. Where it is short nothing new is taken in, before anything runs out. */
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';

export interface RoomOptions {
  /** The store's file; null where its disk cannot be seen from here. */
  readonly file: string | null;
  /** Bytes of the disk that are left free. */
  readonly reserve: number;
  /** NODE_OPTIONS of the environment: it may say how much memory there is. */
  readonly nodeOptions?: string | undefined;
}

/** Share of what old objects may take above which nothing new is taken in. */
const fullHeap = 0.9;
/** ms for which memory is as it was seen: hooks come by thousands. */
const freshHeap = 50;

/** Bytes that old objects may take. V8 tells it only together with what it keeps for young ones, which no old one can have. */
const oldLimit = (nodeOptions: string): number => {
  const given = [...nodeOptions.split(/\s+/u), ...process.execArgv];
  const megabytes = given
    .flatMap((one) => /^--max[-_]old[-_]space[-_]size=(\d+)$/u.exec(one)?.[1] ?? [])
    .at(-1);
  return megabytes === undefined ? getHeapStatistics().heap_size_limit : Number(megabytes) * 1024 ** 2;
};

const oldBytes = (): number =>
  getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !name.startsWith('new_'))
    .reduce((sum, { space_used_size: used }) => sum + used, 0);

export class Room {
  readonly #options: RoomOptions;
  #heapAt = Number.NEGATIVE_INFINITY;
  #heapFull = false;
  readonly #oldLimit: number;
  #looking: Promise<void> | undefined;
  /** Bytes free on the store's disk, as last seen; null where it cannot be seen. */
  free: number | null = null;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.#oldLimit = oldLimit(options.nodeOptions ?? '');
  }

  /** What is short now. Asked for each hook: costs no question to the disk. */
  get short(): 'disk' | 'memory' | null {
    if (this.free !== null && this.free < this.#options.reserve) return 'disk';
    const now = performance.now();
    if (now - this.#heapAt > freshHeap) {
      this.#heapAt = now;
      this.#heapFull = oldBytes() > this.#oldLimit * fullHeap;
    }
    return this.#heapFull ? 'memory' : null;
  }

  /** A disk that does not answer is asked once, not again each second. */
  look(): Promise<void> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  async #look(): Promise<void> {
    const { file } = this.#options;
    if (file === null) return;
    try {
      const { bavail, bsize } = await statfs(path.dirname(file));
      this.free = bavail * bsize;
    } catch {
      // What cannot be seen now says nothing about room; the store itself tells when it cannot write.
      this.free = null;
    }
  }

  /** In words, with what to do. */
  words(short: 'disk' | 'memory'): string {
    if (short === 'memory')
      return 'memory is nearly full: hooks are asked to come again, and nothing new is read. Give the process more (NODE_OPTIONS=--max-old-space-size=…), or report it: memory does not grow with the backlog';
    const { file, reserve } = this.#options;
    return `the disk of ${file ?? 'the store'} has ${megabytes(this.free ?? 0)} left, less than the reserve of ${megabytes(reserve)}: hooks are asked to come again, and nothing new is read. Make room; work goes on by itself`;
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(0)} MB`;
