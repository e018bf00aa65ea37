/** Stores follow their tables from release to release: what is added, what is taken away, who may still work it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { presentSchema, type Schema } from '../../src/store/migrations.ts';
import { migrate as migratePostgres, statedIn as statedInPostgres } from '../../src/store/postgres-schema.ts';
import { PostgresStore } from '../../src/store/postgres.ts';
import { oldestSchema, schemaVersion, type Table } from '../../src/store/schema.ts';
import { migrate as migrateSqlite, statedIn as statedInSqlite } from '../../src/store/sqlite-schema.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import type { WholeStore } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { lacksPostgres, Postgres } from '../postgres.ts';
import { Pair } from '../sync/pair.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-migrations-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = (): string => path.join(folder, `${(files += 1)}.db`);

/** A store in one place, as releases see it. */
interface Place {
  open(): Promise<WholeStore>;
  migrate(to: Schema): Promise<void>;
  stated(): Promise<unknown>;
  sql(text: string): Promise<Record<string, unknown>[]>;
  at(table: string): string;
}

const sqlitePlace = async (): Promise<Place> => {
  const file = newFile();
  const using = <Result>(work: (db: Database.Database) => Result): Result => {
    const db = new Database(file);
    try {
      return work(db);
    } finally {
      db.close();
    }
  };
  return {
    open: async () => new SqliteStore({ file }),
    migrate: async (to) => using((db) => migrateSqlite(db, file, to)),
    stated: async () => using(statedInSqlite),
    sql: async (text) =>
      using((db) => {
        const statement = db.prepare(text);
        if (statement.reader) return statement.all() as Record<string, unknown>[];
        statement.run();
        return [];
      }),
    at: (table) => `"${table}"`,
  };
};

let server: Postgres | undefined;
beforeAll(async () => {
  if (!lacksPostgres) server = await Postgres.start(['fsync=off']);
});
afterAll(() => server?.end());

const postgresPlace = async (): Promise<Place> => {
  const url = (await server?.database()) ?? '';
  const using = async <Result>(work: (client: Client) => Promise<Result>): Promise<Result> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  };
  return {
    open: () => PostgresStore.open({ url }),
    migrate: (to) => using((client) => migratePostgres(client, 'crosswalk', url, to)),
    stated: () =>
      using(async (client) => {
        const { version, oldest } = (await statedInPostgres(client, 'crosswalk')) ?? {
          version: 0,
          oldest: 0,
        };
        return { version: Number(version), oldest: Number(oldest) };
      }),
    sql: (text) => using(async (client) => (await client.query<Record<string, unknown>>(text)).rows),
    at: (table) => `crosswalk."${table}"`,
  };
};

/** The next release adds a column that takes over from another, an index and a table; the one after takes away. */
const { tables, version, oldest } = presentSchema;
const columns: Table['columns'] = { ...tables['cursor']?.columns, position: 'text' };
const expanded: Schema = {
  ...presentSchema,
  version: version + 1,
  oldest,
  tables: {
    ...tables,
    cursor: { key: ['lane'], columns, indexes: { position: ['position'] } },
    novelty: { key: ['id'], columns: { id: 'text', body: 'json' }, indexes: {} },
  },
  migrations: [
    { version: version + 1, steps: [{ fill: '"page" || \'!\'', table: 'cursor', column: 'position' }] },
  ],
};
const rest = Object.fromEntries(Object.entries(columns).filter(([name]) => name !== 'page'));
const contracted: Schema = {
  ...expanded,
  version: version + 2,
  oldest: version + 1,
  tables: { ...expanded.tables, cursor: { key: ['lane'], columns: rest, indexes: {} } },
  migrations: [
    ...expanded.migrations,
    {
      version: version + 2,
      steps: [
        { drop: 'index', table: 'cursor', index: 'position' },
        { drop: 'column', table: 'cursor', column: 'page' },
        { drop: 'table', table: 'swept' },
      ],
    },
  ],
};

const faults = async (store: WholeStore): Promise<string[]> => {
  const found: string[] = [];
  const snapshot = await store.snapshot();
  await verifyStore(snapshot, ({ text }) => found.push(text));
  await snapshot.close();
  return found;
};

describe.each([
  ['SQLite', sqlitePlace] as const,
  ...(lacksPostgres ? [] : [['PostgreSQL', postgresPlace] as const]),
])('%s', (_, make) => {
  it('a new store states this release, and the oldest that may work it', async () => {
    const place = await make();
    await (await place.open()).close();
    expect(await place.stated()).toEqual({ version: schemaVersion, oldest: oldestSchema });
  });

  it('the next release adds, and this one works on beside it; the one after takes away, and this one is refused', async () => {
    const place = await make();
    const store = await place.open();
    const pair = new Pair({ store });
    pair.file(pair.a, { name: 'Ann', email: 'ann@example.cn' });
    await pair.sync();
    const cursor = (lane: string) =>
      ({ when: [], write: [{ op: 'put', table: 'cursor', row: { lane, since: 1, page: 'p' } }] }) as const;
    await store.commit([cursor('before')]);
    await place.migrate(expanded);
    expect(await place.stated()).toEqual({ version: version + 1, oldest });
    // It was open all the time, and is opened again.
    await store.commit([cursor('beside')]);
    const again = await place.open();
    expect(await again.many('cursor', [{ lane: 'before' }, { lane: 'beside' }])).toMatchObject([
      { page: 'p' },
      { page: 'p' },
    ]);
    expect(await place.stated()).toEqual({ version: version + 1, oldest });
    expect((await again.health()).faults.map(({ text }) => text).join()).toContain('a newer release');
    pair.file(pair.a, { name: 'Bo', email: 'bo@example.cn' });
    await pair.sync();
    expect(await faults(again)).toEqual([]);
    await Promise.all([store.close(), again.close()]);
    const rows = await place.sql(`SELECT lane, position FROM ${place.at('cursor')} ORDER BY lane`);
    expect(rows.filter(({ lane }) => lane === 'before' || lane === 'beside')).toEqual([
      { lane: 'before', position: 'p!' },
      { lane: 'beside', position: null },
    ]);
    await place.migrate(contracted);
    expect(await place.stated()).toEqual({ version: version + 2, oldest: version + 1 });
    await expect(place.open()).rejects.toMatchObject({
      code: 'store-newer',
      params: { found: version + 2, known: version },
    });
    await expect(place.sql(`SELECT page FROM ${place.at('cursor')}`)).rejects.toThrow();
    await expect(place.sql(`SELECT 1 FROM ${place.at('swept')}`)).rejects.toThrow();
    expect(await place.sql(`SELECT id FROM ${place.at('record')}`)).toHaveLength(2);
  });

  it('several that start at once do it once', async () => {
    const place = await make();
    await (await place.open()).close();
    await place.sql(`INSERT INTO ${place.at('cursor')} (lane, page) VALUES ('l', 'p')`);
    await Promise.all(Array.from({ length: 4 }, () => place.migrate(contracted)));
    expect(await place.sql(`SELECT position FROM ${place.at('cursor')}`)).toEqual([{ position: 'p!' }]);
    expect(await place.stated()).toEqual({ version: version + 2, oldest: version + 1 });
  });

  it('a step that fails leaves everything as it was', async () => {
    const place = await make();
    await (await place.open()).close();
    const broken: Schema = {
      ...expanded,
      migrations: [{ version: version + 1, steps: [{ drop: 'column', table: 'cursor', column: 'no_such' }] }],
    };
    await expect(place.migrate(broken)).rejects.toThrow();
    expect(await place.stated()).toEqual({ version, oldest });
    await expect(place.sql(`SELECT 1 FROM ${place.at('novelty')}`)).rejects.toThrow();
    await (await place.open()).close();
  });
});

describe('a file of schema 1', () => {
  it('is worked on by this release, with all its rows, and still by the one that made it', async () => {
    const file = newFile();
    const db = new Database(file);
    db.exec(readFileSync(new URL('schema-1.sql', import.meta.url), 'utf8'));
    const names = (
      db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[]
    ).filter((name) => !name.startsWith('sqlite_'));
    const count = (): number[] =>
      names.map((name) => Number(db.prepare(`SELECT count(*) FROM "${name}"`).pluck().get()));
    const before = count();
    expect(before.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(20);
    const store = new SqliteStore({ file });
    expect(count()).toEqual(before);
    expect(statedInSqlite(db)).toEqual({ version: schemaVersion, oldest: oldestSchema });
    expect(await faults(store)).toEqual([]);
    expect(await store.get('hook', { id: 'h1' })).toMatchObject({ headers: { a: [1] } });
    await store.close();
    // How the release of schema 1 decides whether it may open the file.
    expect(Number(db.pragma('user_version', { simple: true }))).toBe(1);
    db.close();
  });
});
