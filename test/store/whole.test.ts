/** A store as a whole, over both adapters: copies, backups, verification, pruning, and the engine itself on each. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { restoreBackup, writeBackup } from '../../src/store/backup.ts';
import { copyInto, differing, sumsOf } from '../../src/store/copy.ts';
import { PostgresStore } from '../../src/store/postgres.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { Snapshot, WholeStore } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { lacksPostgres, Postgres } from '../postgres.ts';
import { Pair } from '../sync/pair.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-whole-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let n = 0;
const newFile = (ending = 'db'): string => path.join(folder, `${(n += 1)}.${ending}`);

let server: Postgres | undefined;
beforeAll(async () => {
  if (!lacksPostgres) server = await Postgres.start(['fsync=off']);
});
afterAll(() => server?.end());

type Adapter = readonly [string, () => Promise<WholeStore>];
const sqlite: Adapter = ['SQLite', async () => new SqliteStore({ file: newFile() })];
const postgres: Adapter = [
  'PostgreSQL',
  async () => PostgresStore.open({ url: (await server?.database()) ?? '' }),
];
const adapters: readonly Adapter[] = lacksPostgres ? [sqlite] : [sqlite, postgres];
const ways = adapters.flatMap((from) => adapters.map((to) => [from[0], to[0], from[1], to[1]] as const));

const at = async <Result>(store: WholeStore, work: (one: Snapshot) => Promise<Result>): Promise<Result> => {
  const snapshot = await store.snapshot();
  try {
    return await work(snapshot);
  } finally {
    await snapshot.close();
  }
};

const faultsOf = async (store: WholeStore): Promise<string[]> => {
  const texts: string[] = [];
  await at(store, (snapshot) => verifyStore(snapshot, ({ text }) => texts.push(text)));
  return texts;
};

/** Two systems that have lived for a while: edits on both sides, a removal, a conflict, odd characters. */
const lived = async (store: WholeStore): Promise<Pair> => {
  const pair = new Pair({ store, rule: { conflict: 'ask' } });
  const people = ['Ann', '王小明', 'a\u0000b', 'é\ud800', '😀 "quoted" \\ {x}'].map((name, i) =>
    pair.file(pair.a, { name, email: `p${i}@example.cn`, note: `n${i}` }),
  );
  await pair.sync();
  for (const [i, person] of people.entries()) pair.edit(pair.a, person, { note: `later ${i}` });
  await pair.sync();
  const [first] = pair.b.objects.values();
  const [mine] = people;
  if (first !== undefined && mine !== undefined) {
    pair.edit(pair.a, mine, { note: 'here' });
    pair.edit(pair.b, first, { note: 'there' });
  }
  await pair.sync();
  const hostile = { id: '\u0000\u0001', connection: "o'c\\", at: 1, url: 'x', headers: { '': [null, 1e21] } };
  await store.commit([
    {
      when: [],
      write: [
        { op: 'put', table: 'hook', row: { ...hostile, body: Buffer.from([0, 255, 10]) } },
        { op: 'put', table: 'setting', row: { name: 'gateway', value: {}, at: 1, by: 'somebody' } },
      ],
    },
  ]);
  return pair;
};

describe.each(ways)('from %s to %s', (_, __, from, to) => {
  it('is copied whole, numbers go on, and who works it stays behind', async () => {
    const source = await from();
    await lived(source);
    const target = await to();
    const sums = await copyInto(source, target);
    expect(sums['record']?.rows).toBe(5);
    expect(differing(sums, await at(target, (one) => sumsOf(one)))).toEqual([]);
    expect(differing(sums, await at(source, (one) => sumsOf(one)))).toEqual([]);
    expect(await target.get('setting', { name: 'gateway' })).toBeUndefined();
    expect(await faultsOf(target)).toEqual([]);
    const before = Math.max(...Object.values(await at(source, (one) => one.sequences())));
    await target.commit([
      {
        when: [],
        write: [{ op: 'append', table: 'lineage', row: { record: 'x', at: 1, run: 'r', body: {} } }],
      },
    ]);
    const [row] = await target.list('lineage', 'record', { where: { record: 'x' }, limit: 1 });
    const given = (await at(source, (one) => one.sequences()))['lineage'] ?? 0;
    expect(Number(row?.['seq'])).toBeGreaterThan(given);
    expect(before).toBeGreaterThan(0);
    await expect(copyInto(source, target)).rejects.toMatchObject({ code: 'store-filled' });
    await Promise.all([source.close(), target.close()]);
  });

  it('a backup restores to the same, and works on', async () => {
    const source = await from();
    await lived(source);
    const file = newFile('backup');
    const made = await writeBackup(source, file, Date.UTC(2026, 0, 5));
    const target = await to();
    const restored = await restoreBackup(file, target);
    expect(restored).toEqual(made);
    expect(differing(made.tables, await at(target, (one) => sumsOf(one)))).toEqual([]);
    const again = newFile('backup');
    expect((await writeBackup(target, again, Date.UTC(2026, 0, 5))).sha256).toBe(made.sha256);
    await Promise.all([source.close(), target.close()]);
  });
});

describe.each(adapters)('%s', (_, open) => {
  let store: WholeStore;
  beforeEach(async () => {
    store = await open();
    return () => store.close();
  });

  it('is read at one moment, however long that takes and whatever is written', async () => {
    await lived(store);
    await at(store, async (snapshot) => {
      const before = await sumsOf(snapshot);
      await store.commit([{ when: [], write: [{ op: 'put', table: 'cursor', row: { lane: 'later' } }] }]);
      expect(differing(before, await sumsOf(snapshot))).toEqual([]);
    });
    expect(await store.get('cursor', { lane: 'later' })).toBeDefined();
  });

  it('tells every difference from its lineage, and nothing where there is none', async () => {
    await lived(store);
    expect(await faultsOf(store)).toEqual([]);
    const [record] = await store.list('record', 'entity', { where: { entity: 'person' }, limit: 1 });
    const id = String(record?.['id']);
    const fields = record?.['fields'] as Record<string, { value: unknown }>;
    const [link] = await store.list('link', 'record', { where: { record: id }, limit: 1 });
    await store.commit([
      {
        when: [],
        write: [
          {
            op: 'set',
            table: 'record',
            key: { id },
            row: { fields: { ...fields, name: { ...fields['name'], value: 'somebody else' } } },
          },
          {
            op: 'delete',
            table: 'link',
            key: { sync: String(link?.['sync']), object: String(link?.['object']) },
          },
          {
            op: 'put',
            table: 'conflict',
            row: {
              record: id,
              field: 'name',
              sync: 'A',
              object: 'x',
              why: 'asked',
              open: 1,
              at: 1,
              theirs: 1,
            },
          },
          { op: 'put', table: 'link', row: { ...link, object: 'lost', record: 'nowhere' } },
        ],
      },
    ]);
    const faults = await faultsOf(store);
    expect(faults).toHaveLength(4);
    expect(faults.join('\n')).toMatch(/field name: its value/u);
    expect(faults.join('\n')).toMatch(/lineage tells of it, the store has it not/u);
    expect(faults.join('\n')).toMatch(/name held on A\/x \(asked\): the store has it/u);
    expect(faults.join('\n')).toMatch(/1 links lead to it, and there is no such record/u);
    expect(faults.join('\n')).not.toContain('somebody else');
    await store.commit([{ when: [], write: [{ op: 'delete', table: 'record', key: { id } }] }]);
    expect((await faultsOf(store)).join('\n')).toContain(
      'lineage tells of its making, and there is no such record',
    );
  });

  it('comes to rest under the engine as it does in memory', async () => {
    const pair = await lived(store);
    const memory = await lived(new SqliteStore({ file: ':memory:', immediate: true }));
    const names = ({ a }: Pair): unknown[] =>
      Object.values(pair.shown(a))
        .map(({ name }) => name)
        .sort();
    expect(names(pair)).toEqual(names(memory));
    expect(pair.shown(pair.a)).toEqual(memory.shown(memory.a));
    expect(pair.shown(pair.b)).toEqual(memory.shown(memory.b));
    expect(await store.count('conflict', 'open', { open: 1 })).toBe(1);
    expect(await store.count('effect', 'state', { state: 'open' })).toBe(0);
  });

  it('says how it is', async () => {
    expect(await store.health()).toMatchObject({
      engine: expect.stringMatching(/^(?:SQLite|PostgreSQL) \d/u) as string,
      faults: store.place.startsWith('postgresql:') ? [{ grave: true }] : [],
    });
  });
});

describe('a backup', () => {
  let file = '';
  beforeAll(async () => {
    const store = new SqliteStore({ file: newFile() });
    await lived(store);
    file = newFile('backup');
    await writeBackup(store, file, 1);
    await store.close();
  });

  const restoring = async (broken: Buffer): Promise<unknown> => {
    const copy = newFile('backup');
    writeFileSync(copy, broken);
    const target = new SqliteStore({ file: newFile() });
    try {
      await restoreBackup(copy, target);
      return undefined;
    } catch (error) {
      expect(await target.count('record', 'entity', {})).toBe(0);
      expect(
        await target.commit([{ when: [], write: [{ op: 'put', table: 'cursor', row: { lane: 'l' } }] }]),
      ).toEqual([true]);
      return error;
    } finally {
      await target.close();
    }
  };
  const lines = (): string[] => gunzipSync(readFileSync(file)).toString('utf8').split('\n');
  const packed = (all: readonly string[]): Buffer => gzipSync(all.join('\n'));

  it('is refused whole where it is cut off, at whatever byte', async () => {
    const whole = readFileSync(file);
    for (const share of [0, 0.3, 0.9]) {
      const error = await restoring(whole.subarray(0, Math.floor(whole.length * share)));
      expect(error).toMatchObject({ code: 'backup-broken' });
    }
    for (const drop of [1, 2, 5]) {
      const error = await restoring(packed([...lines().slice(0, -1 - drop), '']));
      expect(error).toMatchObject({ code: 'backup-broken' });
    }
  });

  it('is refused where a row was changed, taken out or put in, naming the table', async () => {
    const all = lines();
    const row = all.findIndex((line) => line.includes('later 1') && line.startsWith('["'));
    expect(row).toBeGreaterThan(0);
    const changes: (readonly string[])[] = [
      all.with(row, (all[row] ?? '').replace('later 1', 'later 2')),
      all.toSpliced(row, 1),
      all.toSpliced(row, 0, (all[row] ?? '').replace('["', '["x')),
    ];
    for (const changed of changes)
      expect(await restoring(packed(changed))).toMatchObject({ code: 'backup-broken' });
    const begin = all.findIndex((line) => line.startsWith('{"table":"record"'));
    const end = all.findIndex((line, i) => i > begin && line.startsWith('{"rows"'));
    expect(await restoring(packed(all.toSpliced(begin, end - begin + 1)))).toMatchObject({
      code: 'backup-broken',
    });
  });

  it('of a newer release is refused, of an older one restored', async () => {
    const all = lines();
    const head = JSON.parse(all[0] ?? '') as Record<string, unknown>;
    const newer = JSON.stringify({ ...head, schema: 99, oldest: 99 });
    expect(await restoring(packed(all.with(0, newer)))).toMatchObject({ code: 'store-newer' });
    expect(await restoring(packed(['{"hello":"world"}', '']))).toMatchObject({ code: 'backup-broken' });
    expect(await restoring(Buffer.from('not gzip at all'))).toMatchObject({ code: 'backup-broken' });
  });

  it('leaves no half file behind where it cannot be written', async () => {
    const store = new SqliteStore({ file: newFile() });
    const nowhere = path.join(folder, 'none', 'x.backup');
    await expect(writeBackup(store, nowhere, 1)).rejects.toMatchObject({ code: 'output-unwritable' });
    await store.close();
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});
