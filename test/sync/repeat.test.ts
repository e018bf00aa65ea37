/** A create without an answer is repeated with its key: while it is under way it is on disk, whatever a look finds. */
import { expect, it } from 'vitest';
import { Trouble } from '../../src/connector.ts';
import { deliver } from '../../src/sync/deliver.ts';
import { recordOf, type Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { standingRun } from '../../src/sync/runs.ts';
import { Pair } from './pair.ts';

it('lets no look end a create that is being repeated', async () => {
  const onDisk: unknown[] = [];
  let sends = 0;
  const pair: Pair = new Pair({
    b: { keyed: true },
    sync: (sync: Sync): Sync => {
      const { create } = sync.kind;
      if (sync.name !== 'B' || create === undefined) return sync;
      const send: typeof create.send = async (items, ...rest) => {
        const results = await create.send(items, ...rest);
        sends += 1;
        // The answer is lost: nobody knows whether it was made.
        if (sends === 1) throw new Trouble('unknown', { message: 'cut' });
        // What was made comes in by itself meanwhile, and looks like what was sent.
        const [made] = [...pair.b.objects.values()];
        if (made !== undefined) await pair.hear(pair.b, made);
        const run = await standingRun(pair.hub, 'upkeep', 'B/person', new Set());
        await intake(pair.hub, 'B/person', run);
        for (const { key } of items) onDisk.push((await pair.store.get('call', { id: key }))?.['state']);
        return results;
      };
      return { ...sync, kind: { ...sync.kind, create: { ...create, send } } };
    },
  });
  pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: null, note: null });
  await pair.read(pair.b);
  await pair.read(pair.a);
  await pair.work();
  pair.time += 3_600_000;
  await pair.work();
  expect(sends).toBe(2);
  expect(onDisk).toEqual(['sent']);
  await pair.sync();
  expect(pair.b.objects.size).toBe(1);
  expect(await pair.store.list('call', 'state', { where: {}, limit: 10 })).toEqual([]);
  const links = await pair.store.list('link', 'sync', { where: { sync: 'B' }, limit: 10 });
  expect(links).toMatchObject([{ state: 'live' }]);
});

it('searches for it instead where what it stands for has been restored: there is one object in the end', async () => {
  let sends = 0;
  const pair: Pair = new Pair({
    b: { keyed: true, find: { lag: 0 } },
    sync: (sync: Sync): Sync => {
      const { create } = sync.kind;
      if (sync.name !== 'B' || create === undefined) return { ...sync, deletes: 'ignore' };
      const send: typeof create.send = async (items, ...rest) => {
        sends += 1;
        if (sends !== 2) return create.send(items, ...rest);
        // Cut before it took effect, and nobody knows; meanwhile somebody takes the old one out of the bin.
        for (const old of pair.b.objects.values()) pair.b.live(old, false, 'person', pair.now());
        throw new Trouble('unknown', { message: 'cut' });
      };
      const kind = { ...sync.kind, create: { ...create, send } };
      return { ...sync, deletes: 'ignore', resurrect: true, kind };
    },
  });
  const ann = pair.file(pair.a, { email: 'ann@x.cn', name: 'Ann', stage: null, note: null });
  await pair.sync();
  const [made] = [...pair.b.objects.values()];
  if (made === undefined) throw new Error('nothing was created');
  await pair.live(pair.b, made, true);
  await pair.sync();
  await pair.sync();
  // Somebody works on it elsewhere: it is to be made anew, and that has no answer.
  pair.edit(pair.a, ann, { name: 'Anna' });
  await pair.sync();
  pair.time += 3_600_000;
  await pair.sync();
  expect(sends).toBe(2);
  expect(Object.values(pair.shown(pair.b))).toMatchObject([{ name: 'Anna' }]);
  expect(pair.b.objects.size).toBe(1);
});

it('claims to know no time of what may be somebody’s own: what it took for its create was typed whenever it was', async () => {
  const pair: Pair = new Pair({
    sync: (sync: Sync): Sync => {
      const { create } = sync.kind;
      if (sync.name !== 'B' || create === undefined) return sync;
      // Cut before it took effect, and nobody knows.
      const send: typeof create.send = async () => {
        throw new Trouble('unknown', { message: 'cut' });
      };
      return { ...sync, kind: { ...sync.kind, create: { ...create, send } } };
    },
  });
  const ann = { email: 'ann@x.cn', name: null, stage: null, note: null };
  await pair.read(pair.b);
  const typed = pair.now();
  const own = pair.file(pair.b, { ...ann, note: 'met in May' });
  pair.time += 3_600_000;
  pair.file(pair.a, ann);
  await pair.read(pair.a);
  const run = await standingRun(pair.hub, 'upkeep', 'people', new Set());
  await intake(pair.hub, 'A/person', run);
  const b = pair.hub.syncs.get('B');
  if (b !== undefined) await deliver(pair.hub, b, run);
  expect(await pair.store.list('call', 'state', { where: {}, limit: 10 })).toMatchObject([
    { state: 'unknown' },
  ]);
  await pair.hear(pair.b, own);
  await intake(pair.hub, 'B/person', run);
  const [record, ...others] = (await pair.records()).map(recordOf);
  expect(others).toEqual([]);
  expect(record?.fields['note']).toMatchObject({ value: 'met in May', source: `B/${own.id}` });
  expect(record?.fields['note']?.at.from).toBeLessThanOrEqual(typed);
});
