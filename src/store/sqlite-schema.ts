/** The tables in a SQLite file, and how it follows them from release to release. */
import type Database from 'better-sqlite3';
import {
  checkStated,
  isAhead,
  presentSchema,
  quoted as q,
  stepsFrom,
  stepSql,
  type Schema,
  type Stated,
} from './migrations.ts';
import { keyOf, type Column } from './schema.ts';

const sqlTypes: Readonly<Record<Column, string>> = {
  text: 'TEXT',
  int: 'INTEGER',
  json: 'TEXT',
  blob: 'BLOB',
};

/** Every table and index as SQL, by name. An index on a table's own key is none of its own. */
const schemaSql = ({ tables }: Schema): Map<string, string> => {
  const sql = new Map<string, string>();
  for (const [name, table] of Object.entries(tables)) {
    const columns = Object.entries(table.columns).map(([column, kind]) => `${q(column)} ${sqlTypes[kind]}`);
    const key = table.key === undefined ? [] : [`PRIMARY KEY (${table.key.map(q).join(', ')})`];
    const head = table.key === undefined ? ['seq INTEGER PRIMARY KEY AUTOINCREMENT'] : [];
    // Long rows make a clustered key shallow work: hooks delivered end to end went up by 15 % with a rowid.
    const long = Object.values(table.columns).some((kind) => kind === 'json' || kind === 'blob');
    const rowid = table.key === undefined || long ? '' : ' WITHOUT ROWID';
    const all = [...head, ...columns, ...key].join(', ');
    sql.set(name, `CREATE TABLE IF NOT EXISTS ${q(name)} (${all})${rowid}`);
    for (const [index, parts] of Object.entries(table.indexes)) {
      if (parts.join() === keyOf(table).join()) continue;
      const id = `${name}_${index}`;
      sql.set(id, `CREATE INDEX IF NOT EXISTS ${q(id)} ON ${q(name)} (${parts.map(q).join(', ')})`);
    }
  }
  return sql;
};

/** Columns that a release adds to a table that is there already, as SQL. */
const missingColumns = (db: Database.Database, { tables }: Schema): string[] => {
  const columns = db
    .prepare(
      'SELECT master.name AS "table", info.name AS "column" FROM sqlite_master AS master, pragma_table_info(master.name) AS info WHERE master.type = \'table\'',
    )
    .all() as { table: string; column: string }[];
  const there = new Set(columns.map(({ table, column }) => `${table} ${column}`));
  const known = new Set(columns.map(({ table }) => table));
  return Object.entries(tables)
    .filter(([name]) => known.has(name))
    .flatMap(([name, table]) =>
      Object.entries(table.columns)
        .filter(([column]) => !there.has(`${name} ${column}`))
        .map(([column, kind]) => `ALTER TABLE ${q(name)} ADD COLUMN ${q(column)} ${sqlTypes[kind]}`),
    );
};

const missingSql = (db: Database.Database, schema: Schema): string[] => {
  const there = new Set(db.prepare('SELECT name FROM sqlite_master').pluck().all());
  const created = [...schemaSql(schema)].filter(([name]) => !there.has(name)).map(([, sql]) => sql);
  return [...missingColumns(db, schema), ...created];
};

/**
 * What the file states; version 0 if it is new. `user_version` is the oldest schema that may work the file: programs
 * before there was a table `schema_version` refuse by it too.
 */
export const statedIn = (db: Database.Database): Stated => {
  const oldest = Number(db.pragma('user_version', { simple: true }));
  const has = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").get() !== undefined;
  const version = has ? Number(db.prepare('SELECT version FROM schema_version').pluck().get()) : oldest;
  return { version, oldest };
};

/**
 * Creates what is missing and takes the steps of the releases since; refuses a store that only newer releases may
 * use, and leaves alone one that is ahead and still lets us. In one transaction, which several processes that start
 * at once enter one after the other.
 */
export const migrate = (db: Database.Database, file: string, schema: Schema = presentSchema): void => {
  const isDone = (): boolean => {
    const stated = statedIn(db);
    checkStated(file, stated, schema);
    if (isAhead(stated, schema)) return true;
    return (
      stated.version === schema.version &&
      stated.oldest === schema.oldest &&
      missingSql(db, schema).length === 0
    );
  };
  if (isDone()) return;
  db.transaction(() => {
    // Looked at again: another process may have been quicker.
    if (isDone()) return;
    const stated = statedIn(db);
    for (const sql of missingSql(db, schema)) db.exec(sql);
    if (stated.version > 0) for (const step of stepsFrom(stated, schema)) db.exec(stepSql(step));
    db.exec(
      'CREATE TABLE IF NOT EXISTS schema_version (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER)',
    );
    db.prepare('INSERT OR REPLACE INTO schema_version (one, version) VALUES (1, ?)').run(schema.version);
    db.pragma(`user_version = ${schema.oldest}`);
  }).immediate();
};
