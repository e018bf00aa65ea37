/** Who is asked what the kinds are like, when, and what follows for the syncs: without a network, with a clock of its own. */
import pino from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { SyncConfig } from '../src/config.ts';
import { Trouble, type Json, type JsonObject, type JsonSchema, type Kind } from '../src/connector.ts';
import {
  askKind,
  knownSchemas,
  LiveSchemas,
  servesOf,
  type LiveSchemasOptions,
} from '../src/live-schemas.ts';
import { compile } from '../src/mapping/compile.ts';
import type { MappingDocument } from '../src/mapping/document.ts';
import { SqliteStore } from '../src/store/sqlite.ts';
import type { Hub, Sync } from '../src/sync/hub.ts';
import { readSwitches, type Switches } from '../src/sync/switches.ts';
import { kind as shipped, sample, stageRule, thing } from './mapping/sample.ts';

const minute = 60_000;
const day = 86_400_000;

/** The sample kind of a shop, whose account may be changed. */
class Shop {
  now = Date.UTC(2026, 2, 1);
  live = structuredClone(shipped);
  asked = 0;
  /** Stands in for the answer. */
  answer: (() => Promise<JsonSchema>) | undefined;
  readonly alarms: string[] = [];
  readonly store = new SqliteStore({ file: ':memory:' });
  readonly syncs = new Map<string, Sync>();
  mapping: MappingDocument = sample();
  switches!: Switches;

  get places(): Record<string, JsonObject> {
    return this.live['properties'] as Record<string, JsonObject>;
  }

  readonly #kind: Kind = {
    schema: shipped,
    describe: () => {
      this.asked += 1;
      return this.answer === undefined ? Promise.resolve(structuredClone(this.live)) : this.answer();
    },
  };

  /** As a process that has just started. */
  async start(): Promise<LiveSchemas> {
    this.switches = await readSwitches(this.store);
    const sync = { name: 's', connection: 'shop', kind: 'thing', mapping: 'sample', entity: 'thing' };
    const entities = new Map([['thing', thing]]);
    const hub: Partial<Hub> = {
      store: this.store,
      now: () => this.now,
      alarm: (subject, text) => void this.alarms.push(`${subject}: ${text}`),
    };
    const options = {
      installation: {
        config: { syncs: { s: sync } },
        mappings: new Map([['sample', this.mapping]]),
        entities,
      },
      connections: new Map([['shop', { session: { kinds: { thing: this.#kind } } }]]),
      switches: this.switches,
      hub,
      syncs: this.syncs,
      known: await knownSchemas(this.store),
      log: pino({ level: 'silent' }),
      compile: ({ name }: SyncConfig, schema: JsonSchema | null) => {
        const lens = compile(this.mapping, thing, schema, entities);
        return { name, lens, kind: { schema: schema ?? {} } } as Sync;
      },
    };
    return new LiveSchemas(options as unknown as LiveSchemasOptions);
  }

  get paused(): boolean {
    return this.switches.paused('s') !== undefined;
  }

  async serves(): Promise<string | undefined> {
    const known = (await knownSchemas(this.store)).get('shop/thing');
    return known === undefined ? undefined : servesOf(known);
  }
}

let shop: Shop;
const begin = async (): Promise<LiveSchemas> => {
  shop = new Shop();
  const schemas = await shop.start();
  await schemas.begin();
  return schemas;
};
afterEach(() => shop.store.close());

describe('asking', () => {
  it('is done at the start, then once a day, and whoever waits for it meets the sync paused', async () => {
    const schemas = await begin();
    expect([shop.asked, await shop.serves(), shop.paused]).toEqual([1, 'live', false]);
    delete shop.places['mail'];
    shop.now += day - 1;
    await schemas.ready('shop');
    expect([shop.asked, shop.paused]).toEqual([1, false]);
    shop.now += 1;
    await schemas.ready('shop');
    expect([shop.asked, shop.paused]).toEqual([2, true]);
    expect(shop.alarms).toHaveLength(1);
    expect(shop.alarms[0]).toContain('sync s: paused: shop/thing has changed in the remote system');
    expect(shop.alarms[0]).toContain('The place /mail is no longer there in shop/thing.');
  });

  it('is done before a sweep unless it was just done, and in any case before one that a person asked for', async () => {
    const schemas = await begin();
    await schemas.ready('shop', 'soon');
    expect(shop.asked).toBe(1);
    await schemas.ready('shop', 'anew');
    expect(shop.asked).toBe(2);
    shop.now += minute;
    await schemas.ready('shop', 'soon');
    expect(shop.asked).toBe(3);
  });

  it('is done once for all who wait at the same time', async () => {
    const schemas = await begin();
    await Promise.all([
      schemas.ready('shop', 'anew'),
      schemas.ready('shop', 'anew'),
      schemas.ready('shop', 'soon'),
    ]);
    expect(shop.asked).toBe(2);
  });

  it('that fails is done again after a quarter of an hour, and nobody waits for it', async () => {
    shop = new Shop();
    shop.answer = () => Promise.reject(new Trouble('unreachable', { message: 'no route' }));
    const schemas = await shop.start();
    await schemas.begin();
    expect([await shop.serves(), shop.paused]).toEqual(['shipped', false]);
    shop.now += 14 * minute;
    await schemas.ready('shop');
    expect(shop.asked).toBe(1);
    let tell: (schema: JsonSchema) => void = () => undefined;
    shop.answer = () => new Promise((resolve) => (tell = resolve));
    shop.now += minute;
    await schemas.ready('shop');
    expect([shop.asked, await shop.serves()]).toEqual([2, 'shipped']);
    tell(structuredClone(shipped));
    await schemas.ready('shop', 'anew');
    expect([shop.asked, await shop.serves()]).toEqual([2, 'live']);
  });

  it('is not done of a paused connection, and is made up for when it goes on', async () => {
    shop = new Shop();
    const schemas = await shop.start();
    await shop.switches.pause('shop', 'by hand', 'lin', shop.now);
    await schemas.begin();
    expect(shop.asked).toBe(0);
    await shop.switches.resume('shop');
    await schemas.ready('shop');
    expect(shop.asked).toBe(1);
  });

  it('keeps what was told for the next start, and takes the sync up again when it is told otherwise', async () => {
    await begin();
    delete shop.places['mail'];
    await (await shop.start()).begin();
    expect([await shop.serves(), shop.paused]).toEqual(['live', true]);
    shop.answer = () => Promise.reject(new Trouble('forbidden', { message: 'scope', scoped: true }));
    await (await shop.start()).begin();
    expect([await shop.serves(), shop.paused]).toEqual(['kept', true]);
    shop.answer = undefined;
    shop.live = structuredClone(shipped);
    const schemas = await shop.start();
    await schemas.begin();
    expect([await shop.serves(), shop.paused]).toEqual(['live', false]);
  });

  it('finds by itself, within a quarter of an hour, that what paused a sync is well again', async () => {
    const schemas = await begin();
    delete shop.places['mail'];
    await schemas.ready('shop', 'anew');
    expect(shop.paused).toBe(true);
    shop.live = structuredClone(shipped);
    shop.now += 15 * minute;
    await schemas.ready('shop');
    expect(shop.paused).toBe(false);
  });

  it('tells an alarm once for one drift, and again when it is another or was resumed in vain', async () => {
    const schemas = await begin();
    delete shop.places['mail'];
    await schemas.ready('shop', 'anew');
    await schemas.ready('shop', 'anew');
    expect(shop.alarms).toHaveLength(1);
    delete shop.places['size'];
    await schemas.ready('shop', 'anew');
    expect(shop.alarms).toHaveLength(2);
    await shop.switches.resume('s');
    await schemas.ready('shop');
    expect([shop.alarms.length, shop.paused]).toEqual([3, true]);
  });
});

/** A mapping that needs a place of this account's own. */
const owning = sample(
  { source: { at: '/own' } },
  {
    examples: [
      ...(JSON.parse(JSON.stringify(sample().examples)) as Json[]),
      { remote: { own: 'web' }, entity: { source: 'web' } },
    ],
  },
);

describe('a sync', () => {
  it('whose mapping never fitted is refused, not paused: that is no drift', async () => {
    shop = new Shop();
    shop.mapping = sample({ email: { at: '/mial' } });
    await expect(shop.start()).rejects.toMatchObject({ code: 'mapping-pointer-unknown' });
    shop.mapping = owning;
    const schemas = await shop.start();
    await expect(schemas.begin()).rejects.toMatchObject({ code: 'mapping-pointer-unknown' });
    expect([shop.paused, shop.alarms]).toEqual([false, []]);
  });

  it('whose mapping fits only what the account has is taken, and paused once the account has it no more', async () => {
    shop = new Shop();
    shop.mapping = owning;
    shop.places['own'] = { type: 'string' };
    await (await shop.start()).begin();
    expect(shop.paused).toBe(false);
    expect(shop.syncs.get('s')?.kind.schema).toEqual(shop.live);
    delete shop.places['own'];
    await (await shop.start()).begin();
    expect(shop.paused).toBe(true);
  });

  it('whose mapping fitted and was then written wrong is refused too', async () => {
    await begin();
    shop.mapping = owning;
    await expect((await shop.start()).begin()).rejects.toMatchObject({ code: 'mapping-pointer-unknown' });
    expect(shop.paused).toBe(false);
  });

  it('that a person paused stays theirs: drift neither takes the pause over nor ends it', async () => {
    const schemas = await begin();
    await shop.switches.pause('s', 'by hand', 'lin', shop.now);
    delete shop.places['mail'];
    await schemas.ready('shop', 'anew');
    expect(shop.switches.paused('s')).toMatchObject({ why: 'by hand', by: 'lin' });
    await schemas.ready('shop', 'anew');
    expect(shop.alarms).toHaveLength(1);
    expect(schemas.isUnfit('s')).toBe(true);
    shop.live = structuredClone(shipped);
    await schemas.ready('shop', 'anew');
    expect(shop.switches.paused('s')?.by).toBe('lin');
    expect(schemas.isUnfit('s')).toBe(false);
  });

  it('goes on with the live schema: what the account no longer takes is not written', async () => {
    shop = new Shop();
    shop.mapping = sample({ stage: { ...stageRule, otherwise: 'park' } });
    const schemas = await shop.start();
    await schemas.begin();
    const write = (): unknown => shop.syncs.get('s')?.lens.write({ email: 'a-long-one@x.cn' }, null).problems;
    expect(write()).toEqual([]);
    const { mail } = shop.places;
    if (mail !== undefined) mail['maxLength'] = 8;
    await schemas.ready('shop', 'anew');
    expect(shop.paused).toBe(false);
    expect(write()).toMatchObject([{ field: 'email', code: 'overflow' }]);
  });
});

describe('an answer', () => {
  const kindOf = (describe: () => Promise<unknown>): Kind => ({
    schema: shipped,
    describe: describe as () => Promise<JsonSchema>,
  });
  const troubleOf = async (describe: () => Promise<unknown>): Promise<string> => {
    try {
      await askKind(kindOf(describe), 'shop/thing', 30);
      return 'none';
    } catch (error) {
      return error instanceof Trouble ? `${error.kind}: ${error.detail.message}` : 'no trouble';
    }
  };

  it('is awaited for so long and no longer, and a kind that does not describe itself gives none', async () => {
    shop = new Shop();
    expect(await troubleOf(() => new Promise(() => undefined))).toBe('unknown: no answer in 0.03 s');
    expect(await askKind({ schema: shipped }, 'shop/thing')).toBeUndefined();
    expect(
      await askKind(
        kindOf(async () => shipped),
        'shop/thing',
      ),
    ).toBe(shipped);
  });

  it('that is no schema is the connector’s fault, and a trouble like another', async () => {
    shop = new Shop();
    const broke = 'unknown: Connector shop/thing broke its contract: ';
    expect(await troubleOf(async () => null)).toContain(broke);
    expect(await troubleOf(async () => ({ type: 'quantum' }))).toContain(broke);
    expect(await troubleOf(async () => ({ title: 'x'.repeat(2_000_001) }))).toContain('two million');
    expect(await troubleOf(async () => Promise.reject(new TypeError('oh')))).toBe(`${broke}oh.`);
    expect(await troubleOf(async () => Promise.reject(new Trouble('busy', { message: 'later' })))).toBe(
      'busy: later',
    );
  });
});
