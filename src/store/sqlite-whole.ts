/** A SQLite store as a whole: one moment of it, filling an empty one, and how it is. */
import Database from 'better-sqlite3';
import { CrosswalkError } from '../errors.ts';
import { presentSchema, quoted as q } from './migrations.ts';
import { keyOf, tables, type Column, type Row, type Table, type TableName } from './schema.ts';
import { statedIn } from './sqlite-schema.ts';
import type { Health, Loading, Snapshot } from './store.ts';

const page = 500;

const columnsOf = (name: TableName): [string, Column][] => [
  ...(keyOf(tables[name])[0] === 'seq' ? [['seq', 'int'] as [string, Column]] : []),
  ...Object.entries<Column>(tables[name].columns),
];

const decode = (columns: readonly [string, Column][], row: Record<string, unknown>): Row => {
  for (const [name, kind] of columns)
    if (kind === 'json' && typeof row[name] === 'string') row[name] = JSON.parse(row[name]);
  return row;
};

async function* rowsOf(db: Database.Database, name: TableName, index?: string): AsyncGenerator<Row[]> {
  const columns = columnsOf(name);
  const table: Table = tables[name];
  const order = [...new Set([...(index === undefined ? [] : (table.indexes[index] ?? [])), ...keyOf(table)])];
  const sql = `SELECT ${columns.map(([column]) => q(column)).join(', ')} FROM ${q(name)} ORDER BY ${order.map(q).join(', ')}`;
  let rows: Row[] = [];
  for (const row of db.prepare(sql).iterate()) {
    if (rows.push(decode(columns, row as Record<string, unknown>)) < page) continue;
    yield rows;
    rows = [];
  }
  if (rows.length > 0) yield rows;
}

const sequencesOf = (db: Database.Database): Record<string, number> =>
  Object.fromEntries(
    (db.prepare('SELECT name, seq FROM sqlite_sequence').all() as { name: string; seq: number }[])
      .filter(({ name }) => Object.hasOwn(tables, name))
      .map(({ name, seq }) => [name, seq]),
  );

/** Reads on a connection of its own: the transaction sees one moment, and nobody waits for it. */
export const snapshotOf = async (db: Database.Database): Promise<Snapshot> => {
  const own = db.memory ? new Database(db.serialize()) : new Database(db.name, { readonly: true });
  own.pragma('busy_timeout = 5000');
  own.exec('BEGIN');
  own.prepare('SELECT count(*) FROM sqlite_master').get();
  return {
    rows: (table, index) => rowsOf(own, table, index),
    sequences: async () => sequencesOf(own),
    close: async () => void own.close(),
  };
};

export const loadingOf = async (db: Database.Database): Promise<Loading> => {
  db.exec('BEGIN IMMEDIATE');
  const abandon = async (): Promise<void> => {
    if (db.inTransaction) db.exec('ROLLBACK');
  };
  const filled = Object.keys(tables).find(
    (name) => db.prepare(`SELECT 1 FROM ${q(name)} LIMIT 1`).get() !== undefined,
  );
  if (filled !== undefined) {
    await abandon();
    throw new CrosswalkError('store-filled', { store: db.name, table: filled });
  }
  return {
    rows: (table, index) => rowsOf(db, table, index),
    sequences: async () => sequencesOf(db),
    write: async (name, rows) => {
      const columns = columnsOf(name);
      const statement = db.prepare(
        `INSERT INTO ${q(name)} (${columns.map(([column]) => q(column)).join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
      );
      for (const row of rows)
        statement.run(
          ...columns.map(([column, kind]) => {
            const value = row[column] ?? null;
            return kind === 'json' && value !== null ? JSON.stringify(value) : value;
          }),
        );
    },
    commit: async (sequences) => {
      for (const [name, seq] of Object.entries(sequences)) {
        db.prepare('DELETE FROM sqlite_sequence WHERE name = ?').run(name);
        db.prepare('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)').run(name, seq);
      }
      db.exec('COMMIT');
    },
    abandon,
  };
};

export const healthOf = async (db: Database.Database): Promise<Health> => {
  const faults: Health['faults'][number][] = [];
  const check = db.prepare('PRAGMA quick_check(1)').pluck().get();
  if (check !== 'ok')
    faults.push({
      text: `the file is damaged: ${String(check)}`,
      remedy: 'Stop the gateway, keep the file, and restore the last backup (crosswalk store restore).',
      grave: true,
    });
  const { version } = statedIn(db);
  if (version > presentSchema.version)
    faults.push({
      text: `a newer release has worked it (schema ${version}, ours is ${presentSchema.version})`,
      remedy: 'Finish the upgrade: run the newer release everywhere.',
      grave: false,
    });
  const size =
    Number(db.pragma('page_count', { simple: true })) * Number(db.pragma('page_size', { simple: true }));
  return {
    engine: `SQLite ${String(db.prepare('SELECT sqlite_version()').pluck().get())}`,
    schema: version,
    size,
    faults,
  };
};

/** A consistent copy of the store at `from`, also while others work on it. `to` must not exist. */
export const copyFile = (from: string, to: string): void => {
  const db = new Database(from, { readonly: true });
  try {
    db.pragma('busy_timeout = 5000');
    db.prepare('VACUUM INTO ?').run(to);
  } finally {
    db.close();
  }
};
