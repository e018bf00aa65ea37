/** Lookups that are kept: how long an answer serves, who waits for whom, and what ends it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../src/connector.ts';
import { Lookups, type Answer, type LookupOutcome, type LookupsOptions } from '../src/lookups.ts';

const stock = { keep: 900_000, stale: 60_000, absent: 5_000 };

/** A remote that counts what it is asked, and a clock that is set by hand. */
const bench = (
  options: Partial<LookupsOptions> = {},
): {
  readonly clock: { now: number };
  readonly told: LookupOutcome[];
  readonly failed: unknown[];
  readonly lookups: Lookups;
} => {
  const clock = { now: 1_000_000 };
  const told: LookupOutcome[] = [];
  const failed: unknown[] = [];
  const lookups = new Lookups({
    connector: 'erp',
    rules: { stock },
    now: () => clock.now,
    onLookup: (_, outcome) => told.push(outcome),
    onFailed: (_, error) => failed.push(error),
    ...options,
  });
  return { clock, told, failed, lookups };
};

/** Settles what is under way behind an answer that was given at once. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A shelf that processes share. */
const shelfOf = (): {
  readonly held: Map<string, Answer>;
  readonly shelf: NonNullable<LookupsOptions['shelf']>;
} => {
  const held = new Map<string, Answer>();
  const watching: ((key: string) => void)[] = [];
  return {
    held,
    shelf: {
      get: async (key) => held.get(key),
      put: async (key, answer) => void held.set(key, answer),
      remove: async (key) => {
        held.delete(key);
        for (const removed of watching) removed(key);
      },
      watch: (removed) => void watching.push(removed),
    },
  };
};

describe('an answer', () => {
  it('serves as long as its kind says, then while a newer one is on its way, then no more', async () => {
    const { clock, told, lookups } = bench();
    let left = 10;
    const load = async (): Promise<Json> => (left -= 1);
    expect(await lookups.get('stock', 'A-1', load)).toBe(9);
    clock.now += stock.keep - 1;
    expect(await lookups.get('stock', 'A-1', load)).toBe(9);
    clock.now += 1;
    expect(await lookups.get('stock', 'A-1', load), 'the older one at once').toBe(9);
    await turn();
    expect(await lookups.get('stock', 'A-1', load), 'the newer one').toBe(8);
    clock.now += stock.keep + stock.stale;
    expect(await lookups.get('stock', 'A-1', load), 'too old to serve').toBe(7);
    expect(told).toEqual(['loaded', 'fresh', 'stale', 'loaded', 'fresh', 'loaded']);
  });

  it('that there is nothing is kept for a shorter time', async () => {
    const { clock, lookups } = bench();
    let asked = 0;
    const load = async (): Promise<undefined> => void (asked += 1);
    for (const wait of [0, stock.absent - 1]) {
      clock.now += wait;
      expect(await lookups.get('stock', 'none', load)).toBeUndefined();
    }
    expect(asked).toBe(1);
    clock.now += stock.absent + stock.stale;
    await lookups.get('stock', 'none', load);
    expect(asked).toBe(2);
  });

  it('null is a value like any other', async () => {
    const { lookups } = bench();
    let asked = 0;
    const load = async (): Promise<Json> => {
      asked += 1;
      return null;
    };
    expect(await lookups.get('stock', 'n', load)).toBeNull();
    expect(await lookups.get('stock', 'n', load)).toBeNull();
    expect(asked).toBe(1);
  });

  it('goes by the rule of its name, which must be declared', async () => {
    const { clock, told, lookups } = bench({ rules: { rate: { keep: 10, stale: 0, absent: 10 }, stock } });
    const load = async (): Promise<Json> => 1;
    for (const name of ['rate', 'stock']) await lookups.get(name, 'EUR', load);
    clock.now += 10;
    for (const name of ['rate', 'stock']) await lookups.get(name, 'EUR', load);
    expect(told).toEqual(['loaded', 'loaded', 'loaded', 'fresh']);
    for (const name of ['rates', 'constructor'])
      await expect(lookups.get(name, 'EUR', load)).rejects.toThrow(
        `it looks up ${name}, which it does not declare`,
      );
  });
});

describe('who asks for the same', () => {
  it('waits for one call, and gets its failure; the next one asks again', async () => {
    const { lookups, told } = bench();
    let asked = 0;
    const load = async (): Promise<Json> => {
      asked += 1;
      await turn();
      if (asked === 1) throw new Error('away');
      return asked;
    };
    const all = await Promise.allSettled(Array.from({ length: 50 }, () => lookups.get('stock', 'A-1', load)));
    expect(all.every(({ status }) => status === 'rejected')).toBe(true);
    expect([asked, told]).toEqual([1, ['failed']]);
    expect(await Promise.all([lookups.get('stock', 'A-1', load), lookups.get('stock', 'A-1', load)])).toEqual(
      [2, 2],
    );
  });

  it('is served the older answer while the remote is away, and the failure is told', async () => {
    const { clock, failed, lookups } = bench();
    await lookups.get('stock', 'A-1', async () => 5);
    clock.now += stock.keep;
    const away = async (): Promise<Json> => {
      throw new Error('away');
    };
    expect(await lookups.get('stock', 'A-1', away)).toBe(5);
    await turn();
    expect(failed).toEqual([new Error('away')]);
    clock.now += stock.stale;
    await expect(lookups.get('stock', 'A-1', away)).rejects.toThrow('away');
  });
});

describe('what a hook names', () => {
  it('is asked for anew, also where an answer was on its way: that may be from before', async () => {
    const { lookups } = bench();
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const before = lookups.get('stock', 'A-1', async () => {
      await gate;
      return 'before';
    });
    lookups.forget('stock', 'A-1');
    expect(await lookups.get('stock', 'A-1', async () => 'after')).toBe('after');
    release();
    expect(await before).toBe('before');
    expect(await lookups.get('stock', 'A-1', async () => 'never')).toBe('after');
    lookups.forget('stock', 'A-1');
    expect(await lookups.get('stock', 'A-1', async () => 'again')).toBe('again');
    expect(await lookups.get('stock', 'A-2', async () => 'other')).toBe('other');
  });
});

it('ends what is known by the id of an object that is touched, under every name that speaks of its kind', async () => {
  const rules = { stock: { ...stock, of: 'material' }, price: { ...stock, of: 'material' }, rate: stock };
  const { lookups, told } = bench({ rules });
  for (const name of ['stock', 'price', 'rate']) await lookups.get(name, 'A-1', async () => 1);
  lookups.touched('material', 'A-1');
  lookups.touched('customer', 'A-1');
  for (const name of ['stock', 'price', 'rate']) await lookups.get(name, 'A-1', async () => 2);
  expect(told).toEqual(['loaded', 'loaded', 'loaded', 'loaded', 'loaded', 'fresh']);
});

describe('processes that share a shelf', () => {
  it('ask once between them, and forget together', async () => {
    const { shelf, held } = shelfOf();
    const [one, two] = [bench({ shelf }), bench({ shelf })];
    expect(await one.lookups.get('stock', 'A-1', async () => 1)).toBe(1);
    expect(await two.lookups.get('stock', 'A-1', async () => 2)).toBe(1);
    expect(two.told).toEqual(['shared']);
    two.lookups.forget('stock', 'A-1');
    expect(held.size).toBe(0);
    expect(await one.lookups.get('stock', 'A-1', async () => 3), 'it was fresh until then').toBe(3);
    expect(await two.lookups.get('stock', 'A-1', async () => 4)).toBe(3);
  });

  it('do without it where it fails, and take nothing from it that is too old', async () => {
    const broken = async (): Promise<never> => {
      throw new Error('no shelf');
    };
    const { lookups } = bench({
      shelf: { get: broken, put: broken, remove: broken, watch: () => undefined },
    });
    expect(await lookups.get('stock', 'A-1', async () => 1)).toBe(1);
    lookups.forget('stock', 'A-1');
    expect(await lookups.get('stock', 'A-1', async () => 2)).toBe(2);
    const { shelf } = shelfOf();
    const [one, two] = [bench({ shelf }), bench({ shelf })];
    await one.lookups.get('stock', 'A-1', async () => 'old');
    two.clock.now += stock.keep;
    expect(await two.lookups.get('stock', 'A-1', async () => 'new')).toBe('new');
  });
});

it('gives nobody an answer older than its kind allows, whatever is asked, forgotten and failed in whatever order', async () => {
  const act = fc.oneof(
    fc.record({ does: fc.constant('get' as const), key: fc.constantFrom('a', 'b'), fails: fc.boolean() }),
    fc.record({ does: fc.constant('forget' as const), key: fc.constantFrom('a', 'b') }),
    fc.record({ does: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 60 }), fc.boolean(), async (acts, isShared) => {
      const rule = { keep: 20, stale: 15, absent: 5 };
      const { clock, lookups } = bench({
        rules: { '*': rule },
        ...(isShared ? { shelf: shelfOf().shelf } : {}),
      });
      const forgotten = new Map<string, number>();
      for (const one of acts) {
        if (one.does === 'wait') clock.now += one.ms;
        else if (one.does === 'forget') {
          lookups.forget('k', one.key);
          forgotten.set(one.key, clock.now);
        } else {
          const load = async (): Promise<Json> => {
            if (one.fails) throw new Error('away');
            return clock.now;
          };
          const got = await lookups.get('k', one.key, load).catch(() => undefined);
          await turn();
          if (typeof got !== 'number') continue;
          expect(clock.now - got).toBeLessThan(rule.keep + rule.stale);
          expect(got).toBeGreaterThanOrEqual(forgotten.get(one.key) ?? 0);
        }
      }
    }),
  );
});
