import Bottleneck from 'bottleneck';
import type { HttpRequest, Limit } from './connector.ts';
import { CrosswalkError } from './errors.ts';

/** The limits that an account declares, kept by one Bottleneck each. */

/** The longest that setTimeout can wait; it fires at once for more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Waits; ends early, and quietly, when the signal does. `idle`: it keeps no process alive. */
export const sleep = (ms: number, signal: AbortSignal, idle = false): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted || ms <= 0) return resolve();
    const timer = setTimeout(done, Math.min(ms, LONGEST_TIMER_MS));
    if (idle) timer.unref();
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });

interface Gate {
  readonly limit: Limit;
  readonly queue: Bottleneck;
  /** Resolves when it is this call's turn. `sent` tells, later, whether the call went out. */
  turn(sent: Promise<boolean>): Promise<void>;
  used(): Promise<number>;
}

const MOST_SLOTS = 1000;
const TICK_MS = 250;

/** Each call holds one of `count` slots until `per` ms after it was sent: never more in any window. */
const slotGate = (limit: Limit, closing: AbortSignal): Gate => {
  const queue = new Bottleneck({ maxConcurrent: limit.count });
  let held = 0;
  const turn = (sent: Promise<boolean>): Promise<void> =>
    new Promise((granted, refused) => {
      const hold = async (): Promise<void> => {
        granted();
        held += 1;
        if (await sent) await sleep(limit.per, closing, true);
        held -= 1;
      };
      queue.schedule(hold).catch(refused);
    });
  return { limit, queue, turn, used: async () => held };
};

/** For large counts, where a timer a call would cost memory: a bucket that refills in small steps. */
const bucketGate = (limit: Limit): Gate => {
  const most = Math.floor(limit.count * 0.9);
  const interval = Math.max(1, Math.ceil(limit.per / (most - 1) / TICK_MS)) * TICK_MS;
  // A window may see one refill more than fits in it; bucket and refills together stay within the count.
  const refills = Math.ceil(limit.per / interval) + 1;
  const amount = Math.max(1, Math.floor(most / refills));
  const bucket = limit.count - amount * refills;
  const queue = new Bottleneck({
    reservoir: bucket,
    reservoirIncreaseAmount: amount,
    reservoirIncreaseInterval: interval,
    reservoirIncreaseMaximum: bucket,
  });
  const left = async (): Promise<number> => (await queue.currentReservoir()) ?? bucket;
  return {
    limit,
    queue,
    turn: () => queue.schedule(() => Promise.resolve()),
    used: async () => bucket - (await left()),
  };
};

const createGate = (limit: Limit, closing: AbortSignal): Gate =>
  limit.count <= MOST_SLOTS ? slotGate(limit, closing) : bucketGate(limit);

const groupOf = (limit: Limit): string => limit.name.split(':', 1)[0] ?? '';

const checkLimits = (limits: readonly Limit[], connector: string): void => {
  const names = new Set<string>();
  for (const { name, count, per } of limits) {
    const sound = Number.isInteger(count) && count > 0 && per > 0;
    const fault = names.has(name) ? 'twice' : sound ? null : 'without a whole count and a time above 0';
    if (fault !== null) {
      throw new CrosswalkError('connector-contract', {
        connector,
        detail: `it declares limit ${name} ${fault}`,
      });
    }
    names.add(name);
  }
};

export interface LimitUse {
  readonly name: string;
  /** Calls that count now. */
  readonly used: number;
  readonly count: number;
}

export interface Gates {
  /**
   * Waits for the call's turn under every limit that it counts against (see `Limit`). Resolves with the
   * limits under which it waited in vain, if the signal ended first; with none when it is its turn.
   */
  pass(request: HttpRequest, signal: AbortSignal): Promise<readonly Limit[]>;
  /** How far each limit is used up now; of a large one, how far its bucket is empty. */
  used(): Promise<LimitUse[]>;
  /** Ends all waiting calls with a BottleneckError. */
  close(): Promise<void>;
}

/** Throws CrosswalkError `connector-contract` for limits that make no sense. */
export const createGates = (limits: readonly Limit[], connector: string): Gates => {
  checkLimits(limits, connector);
  const closing = new AbortController();
  const gates = limits.map((limit) => createGate(limit, closing.signal));
  const groups = new Set(limits.map(groupOf));
  const chosen = (request: HttpRequest): readonly Gate[] => {
    const named = new Set(request.limits);
    for (const name of named) {
      if (groups.has(name)) continue;
      const detail = `a request names the limit ${name}, which it does not declare`;
      throw new CrosswalkError('connector-contract', { connector, detail });
    }
    const counts = (group: string): boolean => groups.size === 1 || group === 'default' || named.has(group);
    return gates.filter((gate) => counts(groupOf(gate.limit)));
  };
  return {
    async pass(request, signal) {
      const mine = chosen(request);
      if (mine.length === 0) return [];
      // Slots are held from the turn under the last limit, so that a wait there cannot free one too early.
      let tell: (sent: boolean) => void = () => {};
      const sent = new Promise<boolean>((resolve) => (tell = resolve));
      try {
        const turns = Promise.all(mine.map((gate) => gate.turn(sent))).then(() => 'granted');
        const won = await Promise.race([turns, ended(signal)]);
        if (won === 'late' || signal.aborted) return mine.map((gate) => gate.limit);
        tell(true);
        return [];
      } finally {
        tell(false);
      }
    },
    used: () =>
      Promise.all(
        gates.map(async ({ limit: { name, count }, used }) => ({ name, count, used: await used() })),
      ),
    async close() {
      closing.abort();
      await Promise.allSettled(gates.map((gate) => gate.queue.stop({ dropWaitingJobs: true })));
    },
  };
};

const ended = (signal: AbortSignal): Promise<'late'> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve('late');
    signal.addEventListener('abort', () => resolve('late'), { once: true });
  });
