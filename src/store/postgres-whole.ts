/** A PostgreSQL store as a whole: one moment of it, filling an empty one, and how it is. */
import type pg from 'pg';
import { CrosswalkError } from '../errors.ts';
import { presentSchema, quoted as q } from './migrations.ts';
import { statedIn } from './postgres-schema.ts';
import { orderBy, type Statements } from './postgres-sql.ts';
import { columnsOf, rowOf, wireOf, type WireRow } from './postgres-values.ts';
import { keyOf, tables, type Row, type Table, type TableName } from './schema.ts';
import type { Health, Loading, Snapshot } from './store.ts';

const page = 500;

/** Through a cursor of the server: a page at a time, whatever the table holds. */
const reader = (client: pg.Client, statements: Statements): Snapshot['rows'] => {
  let cursors = 0;
  return async function* rows(name: TableName, index?: string): AsyncGenerator<Row[]> {
    const table: Table = tables[name];
    const cursor = q(`crosswalk_${(cursors += 1)}`);
    const columns = columnsOf(name).map(([column]) => q(column));
    const order = orderBy(name, index === undefined ? [] : (table.indexes[index] ?? []));
    await client.query(
      `DECLARE ${cursor} NO SCROLL CURSOR FOR SELECT ${columns.join(', ')} FROM ${statements.at(name)}${order}`,
    );
    for (;;) {
      const { rows: found } = await client.query<WireRow>(`FETCH ${page} FROM ${cursor}`);
      if (found.length > 0) yield found.map((row) => rowOf(name, row));
      if (found.length < page) break;
    }
    await client.query(`CLOSE ${cursor}`);
  };
};

const numbered = (): TableName[] =>
  (Object.keys(tables) as TableName[]).filter((name) => keyOf(tables[name])[0] === 'seq');

const sequencesOf = async (client: pg.Client, statements: Statements): Promise<Record<string, number>> => {
  const found: Record<string, number> = {};
  for (const name of numbered()) {
    const { rows } = await client.query<{ last: number | null }>(
      "SELECT pg_sequence_last_value(pg_get_serial_sequence($1, 'seq')::regclass) AS last",
      [statements.at(name)],
    );
    const last = rows[0]?.last ?? null;
    if (last !== null) found[name] = last;
  }
  return found;
};

export const snapshotOf = async (
  client: pg.Client,
  statements: Statements,
  end: () => Promise<void>,
): Promise<Snapshot> => {
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // Pages are asked for as they are needed: whoever reads may take time over each, and a table takes its time.
    await client.query(
      'SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL enable_seqscan = on',
    );
    await client.query('SELECT count(*) FROM pg_catalog.pg_class WHERE false');
  } catch (error) {
    await end();
    throw error;
  }
  return { rows: reader(client, statements), sequences: () => sequencesOf(client, statements), close: end };
};

export const loadingOf = async (
  client: pg.Client,
  statements: Statements,
  place: string,
  end: () => Promise<void>,
): Promise<Loading> => {
  try {
    await client.query('BEGIN');
    await client.query(
      'SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL enable_seqscan = on',
    );
    await client.query('SELECT pg_advisory_xact_lock($1)::text', [statements.whole]);
    for (const name of Object.keys(tables)) {
      const { rows } = await client.query(`SELECT 1 FROM ${statements.at(name)} LIMIT 1`);
      if (rows.length > 0) throw new CrosswalkError('store-filled', { store: place, table: name });
    }
  } catch (error) {
    await end();
    throw error;
  }
  return {
    rows: reader(client, statements),
    sequences: () => sequencesOf(client, statements),
    write: async (name, rows) => {
      const wire = rows.map((row): WireRow =>
        Object.fromEntries(
          columnsOf(name).map(([column, kind]) => {
            const value = row[column] ?? null;
            return [column, value === null ? null : wireOf(kind, value)];
          }),
        ),
      );
      if (wire.length > 0)
        await client.query(statements.append(name, wire, keyOf(tables[name])[0] === 'seq'));
    },
    commit: async (sequences) => {
      for (const name of numbered())
        await client.query(`SELECT setval(pg_get_serial_sequence($1, 'seq')::regclass, $2, $3)`, [
          statements.at(name),
          Math.max(1, sequences[name] ?? 1),
          sequences[name] !== undefined,
        ]);
      await client.query('COMMIT');
      await client.query('ANALYZE').catch(() => undefined);
      await end();
    },
    abandon: end,
  };
};

interface Told {
  readonly version: string;
  readonly size: number;
  readonly fsync: string;
  readonly pages: string;
  readonly durable: string;
  readonly copy: boolean;
  readonly used: number;
  readonly most: number;
  readonly oldest: number;
  readonly long: number;
}

const question = `SELECT current_setting('server_version') AS version,
  (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r') AS size,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
  current_setting('synchronous_commit') AS durable, pg_is_in_recovery()::text = 'true' AS copy,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
  current_setting('max_connections')::bigint AS most,
  (SELECT coalesce(max(age(datfrozenxid)), 0)::bigint FROM pg_database) AS oldest,
  (SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::bigint FROM pg_stat_activity
    WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()) AS long`;

const faultsOf = (told: Told): Health['faults'][number][] => {
  const faults: Health['faults'][number][] = [];
  const fault = (is: boolean, grave: boolean, text: string, remedy: string): void => {
    if (is) faults.push({ text, remedy, grave });
  };
  fault(
    told.fsync !== 'on' || told.pages !== 'on',
    true,
    'fsync or full_page_writes is off: a power cut can lose or destroy what was acknowledged',
    'Set both to on in postgresql.conf and restart the server.',
  );
  fault(
    told.durable === 'off' || told.durable === 'local',
    true,
    `synchronous_commit is ${told.durable}, and this user may not set it`,
    'Let this user set it, or set it to on.',
  );
  fault(
    String(told.copy) === 't' || String(told.copy) === 'true',
    true,
    'this server is a copy that only reads',
    'Point DATABASE_URL at the primary.',
  );
  fault(
    told.used > told.most * 0.9,
    false,
    `${told.used} of ${told.most} connections are taken`,
    'Raise max_connections, or look for programs that keep connections open.',
  );
  fault(
    told.long > 600,
    false,
    `a transaction has been open for ${Math.round(told.long / 60)} minutes: nothing deleted since can be cleaned up`,
    'Find it in pg_stat_activity and end it, unless it is a backup.',
  );
  fault(
    told.oldest > 1_000_000_000,
    true,
    'the server has not been vacuumed for too long: it stops writing before its transaction numbers wrap',
    'Look why autovacuum cannot finish, and run VACUUM (FREEZE).',
  );
  return faults;
};

export const healthOf = async (client: pg.Client, schema: string): Promise<Health> => {
  const { rows } = await client.query<Told>(question, [schema]);
  const [told] = rows;
  if (told === undefined)
    throw new CrosswalkError('internal', { detail: 'PostgreSQL tells nothing of itself' });
  const stated = await statedIn(client, schema);
  const faults = faultsOf(told);
  const version = stated?.version ?? 0;
  if (version > presentSchema.version)
    faults.push({
      text: `a newer release has worked it (schema ${version}, ours is ${presentSchema.version})`,
      remedy: 'Finish the upgrade: run the newer release everywhere.',
      grave: false,
    });
  return { engine: `PostgreSQL ${told.version}`, schema: version, size: told.size, faults };
};
