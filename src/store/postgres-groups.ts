/**
 * What a transaction does, worked out here: which rows its conditions ask for, which groups hold, and what is left
 * to write once later groups have been laid over earlier ones. PostgreSQL is asked twice: for the rows (under
 * locks), and to write what came of them.
 */
import { hash } from 'node:crypto';
import { keyOf, tables, type Key, type Row, type TableName } from './schema.ts';
import type { Condition, Group, Operation } from './store.ts';
import { columnsOf, kindOf, textOut, wireOf, type Wire, type WireRow } from './postgres-values.ts';

/** One row that a transaction asks for or writes. */
export interface Slot {
  readonly table: TableName;
  readonly id: string;
  readonly key: readonly Wire[];
  /** True if anything is written to it; else it is only asked for. */
  written: boolean;
  /** Columns that conditions ask for; none if no condition names the row. */
  readonly asked: Set<string>;
  isAsked: boolean;
  /** As it was found. */
  found: WireRow | undefined;
  now: 'as found' | 'deleted' | 'put' | 'changed';
  row: WireRow;
  set: WireRow;
  add: Record<string, number>;
}

interface Test {
  readonly slot: Slot;
  readonly is: Readonly<Record<string, unknown>> | null;
}

type Write =
  | { readonly op: 'append'; readonly table: TableName; readonly row: WireRow }
  | { readonly op: 'put'; readonly slot: Slot; readonly row: WireRow }
  | { readonly op: 'set'; readonly slot: Slot; readonly row: WireRow }
  | { readonly op: 'add'; readonly slot: Slot; readonly row: Readonly<Record<string, number>> }
  | { readonly op: 'delete'; readonly slot: Slot };

interface Wired {
  readonly when: readonly Test[];
  readonly write: readonly Write[];
}

/** What each table is written. */
export interface Writes {
  readonly deletes: readonly Slot[];
  readonly puts: readonly WireRow[];
  /** By the columns that change. */
  readonly changes: readonly (readonly Slot[])[];
  readonly appends: readonly WireRow[];
}

const wireRow = (name: TableName, row: Row): WireRow =>
  Object.fromEntries(
    columnsOf(name)
      .filter(([column]) => column !== 'seq')
      .map(([column, kind]) => [column, wireOf(kind, row[column])]),
  );

const wireSome = (name: TableName, row: Row): WireRow =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, wireOf(kindOf(name, column), value)]),
  );

/** What a condition asks of a column, as it is found on the wire; a value of another type equals nothing. */
const wanted = (value: unknown): unknown => (typeof value === 'string' ? textOut(value) : value);

export class Transaction {
  readonly #slots = new Map<string, Slot>();
  readonly #commits: (readonly Wired[])[] = [];
  readonly #appends = new Map<TableName, WireRow[]>();
  readonly #fence: Test | undefined;
  #operations = 0;

  /** Nothing is written unless `fence` holds. */
  constructor(fence?: Condition) {
    this.#fence = fence === undefined ? undefined : this.#test(fence);
  }

  /** Rows that are named, and operations. */
  get size(): number {
    return this.#slots.size + this.#operations;
  }

  /** Takes in the groups of one commit. Throws TypeError for a value that no column holds; then nothing is taken in. */
  add(groups: readonly Group[]): void {
    const wired = groups.map(({ when, write }): Wired => ({
      when: when.map((condition) => this.#test(condition)),
      write: write.map((operation) => this.#write(operation)),
    }));
    this.#commits.push(wired);
  }

  /** Rows to be locked, in the one order that every transaction keeps, so that none waits for another in a circle. */
  locks(schema: string): { readonly keys: readonly string[]; readonly alone: readonly boolean[] } {
    const all = [...this.#slots.values()].map(({ id, written }) => ({ id, written }));
    // Numbers of rows that readers follow must become visible in their order.
    if (this.#commits.some((groups) => groups.some(({ write }) => write.some(isFollowed))))
      all.push({ id: 'followed', written: true });
    const numbered = all.map(({ id, written }) => ({ lock: lockOf(schema, id), written }));
    numbered.sort((a, b) => (a.lock < b.lock ? -1 : 1));
    return {
      keys: numbered.map(({ lock }) => String(lock)),
      alone: numbered.map(({ written }) => written),
    };
  }

  /** Rows that conditions ask for, by table. */
  asked(): Map<TableName, Slot[]> {
    const byTable = new Map<TableName, Slot[]>();
    for (const slot of this.#slots.values()) {
      if (!slot.isAsked) continue;
      const list = byTable.get(slot.table);
      if (list === undefined) byTable.set(slot.table, [slot]);
      else list.push(slot);
    }
    return byTable;
  }

  /** Lays the groups over the rows found, in order; one answer per group and commit. Undefined if the fence is down. */
  decide(): boolean[][] | undefined {
    for (const slot of this.#slots.values()) {
      slot.now = 'as found';
      slot.set = {};
      slot.add = {};
    }
    this.#appends.clear();
    if (this.#fence !== undefined && !holds(this.#fence)) return undefined;
    return this.#commits.map((groups) =>
      groups.map(({ when, write }) => {
        if (!when.every(holds)) return false;
        for (const one of write) this.#apply(one);
        return true;
      }),
    );
  }

  /** What is left to write, table by table in the order of the schema. */
  writes(): Map<TableName, Writes> {
    const found = new Map<TableName, Writes>();
    const slots = Map.groupBy(this.#slots.values(), ({ table }) => table);
    for (const name of Object.keys(tables) as TableName[]) {
      const own = slots.get(name) ?? [];
      const changed = own.filter(({ now }) => now === 'changed');
      const writes = {
        deletes: own.filter(({ now }) => now === 'deleted'),
        puts: own.filter(({ now }) => now === 'put').map(({ row }) => row),
        changes: [
          ...Map.groupBy(
            changed,
            ({ set, add }) => `${Object.keys(set).sort()} ${Object.keys(add).sort()}`,
          ).values(),
        ],
        appends: this.#appends.get(name) ?? [],
      };
      if (Object.values(writes).some((list) => list.length > 0)) found.set(name, writes);
    }
    return found;
  }

  #slot(table: TableName, key: Key | Row): Slot {
    const own = keyOf(tables[table]).map((column) => wireOf(kindOf(table, column), key[column]));
    const id = `${table} ${JSON.stringify(own)}`;
    const known = this.#slots.get(id);
    if (known !== undefined) return known;
    const slot: Slot = {
      table,
      id,
      key: own,
      written: false,
      asked: new Set(),
      isAsked: false,
      found: undefined,
      now: 'as found',
      row: {},
      set: {},
      add: {},
    };
    this.#slots.set(id, slot);
    return slot;
  }

  #test({ table, key, is }: Condition): Test {
    const slot = this.#slot(table, key);
    slot.isAsked = true;
    for (const column of Object.keys(is ?? {})) slot.asked.add(column);
    if (is === null) return { slot, is };
    return { slot, is: Object.fromEntries(Object.entries(is).map(([name, value]) => [name, wanted(value)])) };
  }

  #write(operation: Operation): Write {
    this.#operations += 1;
    const { op, table } = operation;
    if (op === 'append') return { op, table, row: wireRow(table, operation.row) };
    const slot = this.#slot(table, op === 'put' ? operation.row : operation.key);
    slot.written = true;
    if (op === 'put') return { op, slot, row: wireRow(table, operation.row) };
    if (op === 'set') return { op, slot, row: wireSome(table, operation.row) };
    if (op === 'add') return { op, slot, row: operation.row };
    return { op, slot };
  }

  #apply(write: Write): void {
    if (write.op === 'append') {
      const rows = this.#appends.get(write.table);
      if (rows === undefined) this.#appends.set(write.table, [write.row]);
      else rows.push(write.row);
      return;
    }
    const { slot } = write;
    if (write.op === 'put') {
      slot.now = 'put';
      slot.row = { ...write.row };
      return;
    }
    if (write.op === 'delete') {
      slot.now = 'deleted';
      return;
    }
    // What is not there is neither set nor counted.
    if (slot.now === 'deleted' || (slot.now === 'as found' && slot.isAsked && slot.found === undefined))
      return;
    if (slot.now === 'as found') slot.now = 'changed';
    if (write.op === 'set') {
      if (slot.now === 'put') Object.assign(slot.row, write.row);
      else Object.assign(slot.set, write.row);
      for (const column of Object.keys(write.row)) delete slot.add[column];
    } else for (const [column, n] of Object.entries(write.row)) count(slot, column, n);
  }
}

/** An empty column stays empty, as in SQL. */
const count = (slot: Slot, column: string, n: number): void => {
  const known = slot.now === 'put' ? slot.row : slot.set;
  if (slot.now === 'put' || Object.hasOwn(known, column)) {
    const was = known[column];
    if (typeof was === 'number') known[column] = was + n;
  } else slot.add[column] = (slot.add[column] ?? 0) + n;
};

/** Rows of this table are read on from the last number seen. */
const isFollowed = (write: Write): boolean =>
  write.op === 'append' && (write.table === 'transition' || write.table === 'lineage');

const holds = ({ slot, is }: Test): boolean => {
  const exists = slot.now === 'put' || (slot.now !== 'deleted' && slot.found !== undefined);
  if (is === null) return !exists;
  return exists && Object.entries(is).every(([column, value]) => valueOf(slot, column) === (value ?? null));
};

const valueOf = ({ now, row, set, add, found }: Slot, column: string): Wire => {
  if (now === 'put') return row[column] ?? null;
  if (now === 'changed' && Object.hasOwn(set, column)) return set[column] ?? null;
  const was = found?.[column] ?? null;
  return now === 'changed' && typeof was === 'number' ? was + (add[column] ?? 0) : was;
};

/** A lock's number in the database, where other schemas take locks too. */
export const lockOf = (schema: string, what: string): bigint =>
  hash('sha256', `crosswalk\n${schema}\n${what}`, 'buffer').readBigInt64BE(0);
