/** The statements of the PostgreSQL store: each is built once for its shape and prepared under its name. */
import type { QueryConfig } from 'pg';
import { quoted as q } from './migrations.ts';
import { arrayTypes, columnsOf, kindOf, wireOf, type Wire, type WireRow } from './postgres-values.ts';
import { lockOf, type Slot, type Writes } from './postgres-groups.ts';
import { keyOf, tables, type Key, type Row, type Table, type TableName } from './schema.ts';
import type { ListOptions } from './store.ts';

export interface Statement {
  readonly name: string;
  readonly text: string;
}

const keys = (name: TableName): readonly string[] => keyOf(tables[name] as Table);

/** `unnest` of one array per column, as a table v with columns c0, c1 …. */
const arrays = (name: TableName, columns: readonly string[], ordinal = false): string => {
  const given = columns.map((column, i) => `$${i + 1}::${arrayTypes[kindOf(name, column)]}[]`);
  const named = [...columns.map((_, i) => `c${i}`), ...(ordinal ? ['n'] : [])];
  return `unnest(${given.join(', ')})${ordinal ? ' WITH ORDINALITY' : ''} AS v(${named.join(', ')})`;
};

const cast = (name: TableName, column: string, from: string): string =>
  kindOf(name, column) === 'json' ? `${from}::json` : from;

export class Statements {
  readonly #schema: string;
  readonly #known = new Map<string, Statement>();

  /** The lock that every transaction shares, and a large one takes for itself. */
  readonly whole: string;

  constructor(schema: string) {
    this.#schema = schema;
    this.whole = String(lockOf(schema, 'whole'));
  }

  at(name: string): string {
    return `${q(this.#schema)}.${q(name)}`;
  }

  #once(shape: string, make: () => string): Statement {
    const known = this.#known.get(shape);
    if (known !== undefined) return known;
    const statement = { name: `crosswalk_${this.#known.size + 1}`, text: make() };
    this.#known.set(shape, statement);
    return statement;
  }

  lock(locks: { readonly keys: readonly string[]; readonly alone: readonly boolean[] }): QueryConfig {
    const statement = this.#once(
      'lock',
      () =>
        'SELECT count(CASE WHEN alone THEN pg_advisory_xact_lock(k)::text ELSE pg_advisory_xact_lock_shared(k)::text END) FROM unnest($1::bigint[], $2::boolean[]) AS v(k, alone)',
    );
    return { ...statement, values: [locks.keys, locks.alone] };
  }

  /** One row a key that is there: `n` is the place of the key, from 1. */
  find(name: TableName, wanted: readonly (readonly Wire[])[], columns: readonly string[]): QueryConfig {
    const own = keys(name);
    const statement = this.#once(`find ${name} ${columns.join()}`, () => {
      const on = own.map((column, i) => `t.${q(column)} = v.c${i}`).join(' AND ');
      const list = columns.map((column) => `, t.${q(column)}`).join('');
      return `SELECT v.n${list} FROM ${arrays(name, own, true)} JOIN ${this.at(name)} AS t ON ${on}`;
    });
    return { ...statement, values: own.map((_, i) => wanted.map((key) => key[i])) };
  }

  many(name: TableName, wanted: readonly Key[]): QueryConfig {
    const wire = wanted.map((key) => keys(name).map((column) => wireOf(kindOf(name, column), key[column])));
    return this.find(
      name,
      wire,
      columnsOf(name).map(([column]) => column),
    );
  }

  list(name: TableName, index: readonly string[], options: ListOptions): QueryConfig {
    const { where, upTo, after, limit } = options;
    const names = Object.keys(where);
    const next = index[names.length];
    const newest = options.newest === true;
    const from = after === undefined ? undefined : (next ?? keys(name)[0] ?? 'seq');
    const bound = upTo === undefined || next === undefined ? undefined : next;
    const empty = names.map((column) => (where[column] ?? null) === null);
    const shape = `list ${name} ${index.join()} ${names.join()} ${empty.join()} ${bound} ${from} ${newest}`;
    const statement = this.#once(shape, () => {
      let place = 0;
      const tests = [
        ...names.map((column, i) => (empty[i] ? `${q(column)} IS NULL` : `${q(column)} = $${(place += 1)}`)),
        ...(bound === undefined ? [] : [`${q(bound)} <= $${(place += 1)}`]),
        ...(from === undefined ? [] : [`${q(from)} ${newest ? '<' : '>'} $${(place += 1)}`]),
      ];
      const condition = tests.length > 0 ? ` WHERE ${tests.join(' AND ')}` : '';
      const order = orderBy(name, index.slice(names.length), newest);
      const columns = columnsOf(name).map(([column]) => q(column));
      return `SELECT ${columns.join(', ')} FROM ${this.at(name)}${condition}${order} LIMIT $${(place += 1)}::bigint`;
    });
    const wire = (column: string, value: unknown): Wire => wireOf(kindOf(name, column), value);
    const values = [
      ...names.filter((_, i) => empty[i] === false).map((column) => wire(column, where[column])),
      ...(bound === undefined ? [] : [wire(bound, upTo)]),
      ...(from === undefined ? [] : [wire(from, after)]),
      limit,
    ];
    return { ...statement, values };
  }

  /** Lists that differ only in the values asked for, at once: `n` is the place of each, from 1. */
  lists(name: TableName, index: readonly string[], all: readonly ListOptions[]): QueryConfig {
    const names = Object.keys(all[0]?.where ?? {});
    const statement = this.#once(`lists ${name} ${index.join()} ${names.join()}`, () => {
      const columns = columnsOf(name).map(([column]) => q(column));
      const tests = names.map((column, i) => `${q(column)} = v.c${i}`).join(' AND ');
      const order = orderBy(name, index.slice(names.length));
      const limit = `LIMIT $${names.length + 1}::bigint`;
      const inner = `SELECT ${columns.join(', ')} FROM ${this.at(name)} WHERE ${tests}${order} ${limit}`;
      const outer = order.replace('ORDER BY ', 'ORDER BY v.n, ');
      return `SELECT v.n, t.* FROM ${arrays(name, names, true)} CROSS JOIN LATERAL (${inner}) AS t${outer}`;
    });
    const values = names.map((column) => all.map(({ where }) => wireOf(kindOf(name, column), where[column])));
    return { ...statement, values: [...values, all[0]?.limit] };
  }

  count(name: TableName, where: Row, most?: number): QueryConfig {
    const names = Object.keys(where);
    const empty = names.map((column) => (where[column] ?? null) === null);
    const statement = this.#once(
      `count ${name} ${names.join()} ${empty.join()} ${most !== undefined}`,
      () => {
        let place = 0;
        const tests = names.map((column, i) =>
          empty[i] ? `${q(column)} IS NULL` : `${q(column)} = $${(place += 1)}`,
        );
        const rows = `${this.at(name)}${tests.length > 0 ? ` WHERE ${tests.join(' AND ')}` : ''}`;
        const limited = `(SELECT 1 FROM ${rows} LIMIT $${place + 1}::bigint) AS some`;
        return `SELECT count(*) AS n FROM ${most === undefined ? rows : limited}`;
      },
    );
    const given = names.filter((_, i) => empty[i] === false);
    const values = given.map((column) => wireOf(kindOf(name, column), where[column]));
    return { ...statement, values: [...values, ...(most === undefined ? [] : [most])] };
  }

  /** Everything that a transaction writes to one table. */
  *write(name: TableName, { deletes, puts, changes, appends }: Writes): Generator<QueryConfig> {
    if (deletes.length > 0) yield this.#delete(name, deletes);
    for (const slots of changes) yield this.#change(name, slots);
    if (puts.length > 0) yield this.#put(name, puts);
    if (appends.length > 0) yield this.append(name, appends);
  }

  #delete(name: TableName, slots: readonly Slot[]): QueryConfig {
    const own = keys(name);
    const statement = this.#once(`delete ${name}`, () => {
      const on = own.map((column, i) => `t.${q(column)} = v.c${i}`).join(' AND ');
      return `DELETE FROM ${this.at(name)} AS t USING ${arrays(name, own)} WHERE ${on}`;
    });
    return { ...statement, values: own.map((_, i) => slots.map(({ key }) => key[i])) };
  }

  #change(name: TableName, slots: readonly Slot[]): QueryConfig {
    const own = keys(name);
    const [first] = slots;
    const set = Object.keys(first?.set ?? {}).sort();
    const add = Object.keys(first?.add ?? {}).sort();
    const statement = this.#once(`change ${name} ${set.join()} ${add.join()}`, () => {
      const at = own.length;
      const parts = [
        ...set.map((column, i) => `${q(column)} = ${cast(name, column, `v.c${at + i}`)}`),
        ...add.map((column, i) => `${q(column)} = t.${q(column)} + v.c${at + set.length + i}`),
      ];
      const on = own.map((column, i) => `t.${q(column)} = v.c${i}`).join(' AND ');
      return `UPDATE ${this.at(name)} AS t SET ${parts.join(', ')} FROM ${arrays(name, [...own, ...set, ...add])} WHERE ${on}`;
    });
    const values = [
      ...own.map((_, i) => slots.map(({ key }) => key[i])),
      ...set.map((column) => slots.map((slot) => slot.set[column])),
      ...add.map((column) => slots.map((slot) => slot.add[column])),
    ];
    return { ...statement, values };
  }

  #put(name: TableName, rows: readonly WireRow[]): QueryConfig {
    const columns = Object.keys(tables[name].columns);
    const own = keys(name);
    const statement = this.#once(`put ${name}`, () => {
      const rest = columns.filter((column) => !own.includes(column));
      const set = rest.map((column) => `${q(column)} = EXCLUDED.${q(column)}`).join(', ');
      const clash = rest.length === 0 ? 'NOTHING' : `UPDATE SET ${set}`;
      return `${this.#insert(name, columns)} ON CONFLICT (${own.map(q).join(', ')}) DO ${clash}`;
    });
    return { ...statement, values: columns.map((column) => rows.map((row) => row[column])) };
  }

  /** Rows in their order, numbered by the table; with `numbered` they bring their own `seq`. */
  append(name: TableName, rows: readonly WireRow[], numbered = false): QueryConfig {
    const columns = [...(numbered ? ['seq'] : []), ...Object.keys(tables[name].columns)];
    const statement = this.#once(`append ${name} ${numbered}`, () => this.#insert(name, columns));
    return { ...statement, values: columns.map((column) => rows.map((row) => row[column])) };
  }

  #insert(name: TableName, columns: readonly string[]): string {
    const list = columns.map((column, i) => cast(name, column, `v.c${i}`)).join(', ');
    return `INSERT INTO ${this.at(name)} (${columns.map(q).join(', ')}) SELECT ${list} FROM ${arrays(name, columns, true)} ORDER BY v.n`;
  }
}

/** As SQLite has it: the bytes of texts decide, and empty columns come first. Columns of a key are never empty. */
export const orderBy = (name: TableName, columns: readonly string[], newest = false): string => {
  const own = keys(name);
  const order = [...new Set([...columns, ...own])].map((column) => {
    const empty = own.includes(column) ? '' : newest ? ' NULLS LAST' : ' NULLS FIRST';
    return `${q(column)}${newest ? ' DESC' : ''}${empty}`;
  });
  return ` ORDER BY ${order.join(', ')}`;
};
