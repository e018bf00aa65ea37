/**
 * The tables of the store, declared once: every adapter and migration derives from this.
 * `json` columns hold any JSON value, `int` columns integers (times are UTC ms), `blob` raw bytes.
 */
export type Column = 'text' | 'int' | 'json' | 'blob';
export type Value = unknown;
export type Row = Readonly<Record<string, Value>>;
export type Key = Readonly<Record<string, string | number>>;

export interface Table {
  readonly columns: Readonly<Record<string, Column>>;
  /** Primary key; absent for tables with an automatic ascending `seq`. */
  readonly key?: readonly string[];
  readonly indexes: Readonly<Record<string, readonly string[]>>;
}

/** Grows with every release that changes the tables. */
export const schemaVersion = 4;
/**
 * The schema of the oldest release that may work a store of this one. A release that adds leaves it; one that takes
 * away raises it to that of the release before, which no longer uses what goes.
 */
export const oldestSchema = 1;

export const tables = {
  /** Raw bodies of accepted hooks, kept for replay and pruned by age. */
  hook: {
    columns: { id: 'text', connection: 'text', at: 'int', url: 'text', headers: 'json', body: 'blob' },
    key: ['id'],
    indexes: { at: ['at'] },
  },
  /** One row per hint; coalesced per object when it is taken from the lane. */
  touch: {
    columns: { lane: 'text', object: 'text', due: 'int', at: 'int', run: 'text', hint: 'json' },
    indexes: { due: ['lane', 'due'], object: ['lane', 'object'] },
  },
  link: {
    columns: {
      sync: 'text',
      object: 'text',
      record: 'text',
      state: 'text',
      gen: 'int',
      call: 'text',
      body: 'json',
    },
    key: ['sync', 'object'],
    indexes: { record: ['record', 'sync', 'object'], sync: ['sync', 'object'] },
  },
  record: {
    // `merged`: the record that it was merged into; it stands in the fields too, where it has its history.
    columns: { id: 'text', entity: 'text', version: 'int', at: 'int', merged: 'text', fields: 'json' },
    key: ['id'],
    indexes: { entity: ['entity', 'id'], merged: ['merged', 'id'] },
  },
  /** `origin`: the record that brought it, where that was merged into `record`. `claims`: how often others wanted it. */
  strong_key: {
    columns: { entity: 'text', key: 'text', record: 'text', origin: 'text', claims: 'int' },
    key: ['entity', 'key'],
    indexes: { record: ['record'] },
  },
  effect: {
    columns: {
      sync: 'text',
      record: 'text',
      object: 'text',
      state: 'text',
      rev: 'int',
      wanted: 'int',
      sent: 'int',
      due: 'int',
      at: 'int',
      attempts: 'int',
      most: 'int',
      call: 'text',
      run: 'text',
      reason: 'json',
      /** W3C traceparent of what it was last opened for; empty for what no hook brought. */
      trace: 'text',
    },
    key: ['sync', 'record', 'object'],
    indexes: { due: ['sync', 'state', 'due'], record: ['record'], state: ['state', 'due'] },
  },
  /** One row per item of a call that is under way or whose outcome is unknown; gone once it is settled. */
  call: {
    columns: {
      id: 'text',
      call: 'text',
      pos: 'int',
      sync: 'text',
      op: 'text',
      state: 'text',
      at: 'int',
      item: 'json',
      trace: 'text',
    },
    key: ['id'],
    indexes: { sync: ['sync', 'op'], state: ['state', 'sync'], call: ['call', 'pos'] },
  },
  /** Fields held on a link: in `ask`, oscillating, not taken (open = 1), or a declared divergence (open = 0). */
  conflict: {
    columns: {
      record: 'text',
      field: 'text',
      sync: 'text',
      object: 'text',
      why: 'text',
      open: 'int',
      at: 'int',
      theirs: 'json',
      ours: 'json',
    },
    key: ['record', 'field', 'sync', 'object'],
    indexes: { record: ['record'], open: ['open', 'at'] },
  },
  transition: {
    columns: {
      record: 'text',
      entity: 'text',
      field: 'text',
      before: 'json',
      after: 'json',
      at: 'int',
      by: 'text',
      how: 'text',
    },
    indexes: { record: ['record'], entity: ['entity'] },
  },
  notice: {
    columns: {
      id: 'text',
      notice: 'text',
      connection: 'text',
      state: 'text',
      due: 'int',
      at: 'int',
      attempts: 'int',
      text: 'text',
      record: 'text',
      reason: 'json',
    },
    key: ['id'],
    indexes: { due: ['connection', 'state', 'due'], state: ['state', 'at'], record: ['record'] },
  },
  lineage: {
    columns: { record: 'text', at: 'int', run: 'text', body: 'json' },
    indexes: { record: ['record'], run: ['run'], at: ['at'], seq: ['seq'] },
  },
  /** A record as lineage up to `seq` tells it, written before that lineage is pruned; `at` is the time of its last row. */
  snapshot: {
    columns: { record: 'text', seq: 'int', at: 'int', hash: 'text', body: 'json' },
    key: ['record'],
    indexes: { record: ['record'], at: ['at'] },
  },
  /**
   * What a planned piece of work found and did, item by item; `plan` is its run. The item without a name is
   * its head: what was asked for, by whom, and how far it has come.
   */
  plan_item: {
    columns: {
      plan: 'text',
      item: 'text',
      kind: 'text',
      subject: 'text',
      state: 'text',
      body: 'json',
      at: 'int',
    },
    key: ['plan', 'item'],
    indexes: { plan: ['plan', 'item'], state: ['plan', 'state', 'item'] },
  },
  /** Items that wait for a person. */
  parked: {
    columns: {
      id: 'text',
      lane: 'text',
      object: 'text',
      at: 'int',
      code: 'text',
      message: 'text',
      input: 'json',
      run: 'text',
    },
    key: ['id'],
    indexes: { lane: ['lane', 'object'], at: ['at'] },
  },
  /**
   * Two records that may be one. Raised for a strong key: `why` tells it, `score` is empty. Found by likeness:
   * `score` in millionths, and the explanation by field, without values.
   */
  candidate: {
    columns: {
      entity: 'text',
      a: 'text',
      b: 'text',
      why: 'text',
      at: 'int',
      score: 'int',
      explanation: 'json',
    },
    key: ['entity', 'a', 'b'],
    indexes: { at: ['at'], entity: ['entity', 'a', 'b'], b: ['entity', 'b'] },
  },
  /** Keys under which records that may be alike are found, by the model that is kept for their entity. */
  likeness: {
    columns: { entity: 'text', key: 'text', record: 'text' },
    key: ['entity', 'key', 'record'],
    indexes: { key: ['entity', 'key', 'record'], record: ['record'] },
  },
  /** Two records of which a person has said that they are not the same. It outranks keys and scores. */
  apart: {
    columns: { a: 'text', b: 'text', entity: 'text', at: 'int', by: 'text', why: 'text' },
    key: ['a', 'b'],
    indexes: { a: ['a', 'b'], b: ['b', 'a'] },
  },
  /**
   * References that cannot be followed yet: a place that names an object nobody has seen, or a record that has no
   * object where it is to be named. `lane` is `in:<lane>` or `out:<sync>`; `want` says what is waited for.
   */
  awaited: {
    columns: { lane: 'text', object: 'text', record: 'text', field: 'text', want: 'text', at: 'int' },
    key: ['lane', 'object', 'record', 'field'],
    indexes: { want: ['want'], object: ['lane', 'object'], at: ['at'] },
  },
  cursor: {
    /** `pace`: how fast the reading under way goes. */
    columns: { lane: 'text', since: 'int', until: 'int', page: 'text', run: 'text', pace: 'json' },
    key: ['lane'],
    indexes: {},
  },
  /** What budgets and guards count, by hour (UTC ms of its start). */
  quota: {
    columns: { name: 'text', hour: 'int', used: 'int' },
    key: ['name', 'hour'],
    indexes: { name: ['name', 'hour'] },
  },
  /**
   * Objects that a running sweep has met, so that absence can be seen; emptied when it ends. A row a page: `object` is
   * the page's cursor.
   */
  swept: {
    columns: { lane: 'text', object: 'text', ids: 'json' },
    key: ['lane', 'object'],
    indexes: { lane: ['lane', 'object'] },
  },
  run: {
    columns: {
      id: 'text',
      kind: 'text',
      subject: 'text',
      state: 'text',
      at: 'int',
      ended: 'int',
      read: 'int',
      total: 'int',
      open: 'int',
      failed: 'int',
      parked: 'int',
      waiting: 'int',
      applied: 'int',
      echo: 'int',
      unchanged: 'int',
      filtered: 'int',
      e_opened: 'int',
      e_open: 'int',
      e_delivered: 'int',
      e_already: 'int',
      e_superseded: 'int',
      e_parked: 'int',
      note: 'text',
    },
    key: ['id'],
    indexes: { at: ['at'], state: ['state', 'kind'] },
  },
  /**
   * What remotes have issued to connections, sealed. `fence` grows with each one that is stored; `holder` renews it
   * until `until`; `begun`: a renewal began then whose outcome is not known. `expires` and `ends`: of the token, and of
   * what renews it.
   */
  credential: {
    columns: {
      connection: 'text',
      name: 'text',
      sealed: 'text',
      key: 'text',
      fence: 'int',
      expires: 'int',
      ends: 'int',
      holder: 'text',
      until: 'int',
      begun: 'int',
      at: 'int',
    },
    key: ['connection', 'name'],
    indexes: { connection: ['connection', 'name'], key: ['key', 'connection', 'name'] },
  },
  /** What people have switched at run time: paused connections, published syncs. */
  setting: {
    columns: { name: 'text', value: 'json', at: 'int', by: 'text' },
    key: ['name'],
    indexes: { name: ['name'] },
  },
} as const satisfies Record<string, Table>;

export type TableName = keyof typeof tables;

/** The columns that tell the rows of a table apart, in order. */
export const keyOf = (table: Table): readonly string[] => table.key ?? ['seq'];
