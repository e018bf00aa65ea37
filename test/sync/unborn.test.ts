/** A field that cannot be written, of a record that has no object there yet: the rest is created, the field waits in sight. */
import { expect, it } from 'vitest';
import type { Kind } from '../../src/connector.ts';
import type { Lens } from '../../src/mapping/lens.ts';
import { deliver } from '../../src/sync/deliver.ts';
import type { Hub, Sync } from '../../src/sync/hub.ts';
import { intake } from '../../src/sync/intake.ts';
import { standingRun } from '../../src/sync/runs.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { plain, writer } from '../merge/sample.ts';

const fussy: Lens = {
  ...plain,
  write: ({ note, ...fields }, base, anchor) => {
    const bad = note === 'too long';
    const writing = plain.write(bad || note === undefined ? fields : { ...fields, note }, base, anchor);
    const problem = { field: 'note', pointer: '/note', code: 'step', message: 'it does not fit' };
    return { ...writing, problems: bad ? [problem] : [] };
  },
};

const sent: unknown[] = [];
const silent: Kind = {
  schema: {},
  create: {
    most: 10,
    atomic: false,
    keyed: false,
    send: async (items) => {
      sent.push(...items.map((item) => item.value));
      return items.map(() => ({ is: 'done' as const, id: 'b1' }));
    },
  },
  update: {
    most: 10,
    atomic: false,
    keyed: false,
    send: async (items) => {
      sent.push(...items.map((item) => item.value));
      return items.map((item) => ({ is: 'done' as const, id: item.id }));
    },
  },
};

const syncOf = (name: string, kind: Kind, lens: Lens): Sync => ({
  name,
  connection: name,
  lane: `${name}/person`,
  kindName: 'person',
  kind,
  entity: 'person',
  lens,
  rules: () => writer,
  inward: true,
  outward: name === 'B',
  create: true,
  required: [],
});

it('keeps the hold on the object once it is created, and writes the field once its value has changed', async () => {
  const store = new SqliteStore({ file: ':memory:', immediate: true });
  let time = 1_000_000;
  let ids = 0;
  const a = syncOf('A', { schema: {} }, plain);
  const b = syncOf('B', silent, fussy);
  const hub: Hub = {
    store,
    syncs: new Map([
      ['A', a],
      ['B', b],
    ]),
    entities: new Map([['person', { name: 'person', keys: [] }]]),
    now: () => (time += 10),
    newId: (prefix) => `${prefix}${(ids += 1)}`,
    random: () => 0.5,
    nudge: () => undefined,
    alarm: (subject, text) => expect.fail(`${subject}: ${text}`),
  };
  const run = await standingRun(hub, 'upkeep', 'test', new Set());
  const shows = async (note: string): Promise<void> => {
    const at = hub.now();
    const object = { id: 'a1', value: { name: 'Ann', note } };
    const hint = { cause: 'hook h1', object, from: at, until: at, uncounted: true };
    const row = { lane: a.lane, object: 'a1', due: at, at, run, hint };
    await store.commit([{ when: [], write: [{ op: 'append', table: 'touch', row }] }]);
    await intake(hub, a.lane, run);
    await deliver(hub, b, run);
  };
  const held = async (): Promise<unknown[]> =>
    (await store.list('conflict', 'open', { where: { open: 1 }, limit: 10 })).map((row) => [
      row['field'],
      row['why'],
      row['object'],
    ]);
  await shows('too long');
  expect(sent).toEqual([{ name: 'Ann' }]);
  expect(await held()).toEqual([['note', 'refused', 'b1']]);
  await shows('fits');
  expect(sent).toEqual([{ name: 'Ann' }, { note: 'fits' }]);
  expect(await held()).toEqual([]);
  await store.close();
});
