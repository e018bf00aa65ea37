/** One record with a set and a table, one link and one look. */
import type { Json, JsonObject } from '../../src/connector.ts';
import { bind } from '../../src/mapping/bind.ts';
import type { Lens } from '../../src/mapping/lens.ts';
import { delta } from '../../src/merge/delta.ts';
import { merge, type Merged } from '../../src/merge/merge.ts';
import type { FieldRule } from '../../src/merge/policy.ts';
import type { FieldState, Hold, LinkState, RecordState, Span, Written } from '../../src/merge/record.ts';
import { writer } from './sample.ts';

const entity: JsonObject = {
  type: 'object',
  properties: {
    tags: { type: 'array', uniqueItems: true, items: { type: 'string' } },
    lines: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          line: { type: 'string' },
          product: { type: 'string' },
          quantity: { type: 'number' },
          price: { type: 'number' },
        },
      },
    },
  },
};

export interface LensOptions {
  readonly missing?: 'keep' | 'remove';
  /** What the remote is known to do to elements and products. */
  readonly remote?: 'lower';
  /** The cell price is there, and only read. */
  readonly price?: boolean;
}

const known = new Map<string, Lens>();

/** A remote with a set at /tags and a table at /lines: line, product, quantity, and columns of its own. */
export const lensOf = (options: LensOptions = {}): Lens => {
  const key = JSON.stringify(options);
  const lens = known.get(key) ?? bound(options);
  known.set(key, lens);
  return lens;
};

const bound = ({ missing = 'remove', remote, price = false }: LensOptions): Lens =>
  bind(
    {
      file: 'sample.json',
      name: 'sample',
      remote: { connector: 'toy', kind: 'order' },
      entity: 'order',
      ignored: [],
      examples: [],
      lineOf: () => 1,
      fields: {
        tags: { at: '/tags', ...(remote === undefined ? {} : { remote: [{ list: remote }] }) },
        lines: {
          at: '/lines',
          rows: {
            key: 'line',
            missing,
            fields: {
              line: { at: '/no' },
              product: { at: '/sku', ...(remote === undefined ? {} : { remote: [remote] }) },
              quantity: { at: '/qty' },
              ...(price ? { price: { at: '/price', flow: 'in' as const } } : {}),
            },
          },
        },
      },
    },
    entity,
    null,
  );

const there = (field: string, value: Json): JsonObject => {
  if (field === 'tags' || !Array.isArray(value)) return { [field]: value };
  const rows = value.map((row) => {
    const { line = null, product = null, quantity = null, ...rest } = row as JsonObject;
    return { no: line, sku: product, qty: quantity, ...rest };
  });
  return { [field]: rows };
};

export interface ListSituation {
  readonly field: 'tags' | 'lines';
  readonly ours?: Json;
  readonly state?: Partial<FieldState>;
  /** Undefined: never seen. */
  readonly shadow?: Json;
  readonly theirs: Json;
  readonly rule?: Partial<FieldRule>;
  readonly holds?: readonly Hold[];
  readonly written?: Partial<Written>;
  readonly lens?: Lens;
  /** When the last look began; this one is from 100 to 110. */
  readonly before?: number;
  /** The newest version that the remote has shown; ours is 5. */
  readonly seen?: number;
}

export interface ListOutcome {
  readonly merged: Merged;
  readonly record: RecordState;
  readonly link: LinkState;
  readonly holds: readonly Hold[];
  readonly value: Json | undefined;
  readonly verdicts: readonly string[];
  readonly rules: readonly string[];
  readonly hold: string;
  /** What the remote would be sent now; undefined: nothing. */
  readonly wants: Json | undefined;
}

export const recordOf = (field: string, ours: Json | undefined, state: Partial<FieldState>): RecordState => ({
  id: 'r1',
  entity: 'order',
  version: 7,
  at: 0,
  fields:
    ours === undefined
      ? {}
      : {
          [field]: {
            value: ours,
            version: 5,
            at: { from: 0, to: 10 } satisfies Span,
            source: 'B/b1',
            recent: [],
            returns: 0,
            chain: 0,
            ...state,
          },
        },
});

export const linkOf = ({ field, shadow, written, before = 90, seen = 2 }: ListSituation): LinkState => ({
  sync: 'A',
  object: 'a1',
  record: 'r1',
  state: 'live',
  gen: 3,
  call: null,
  shadow: shadow === undefined ? {} : there(field, shadow),
  guard: null,
  lookedFrom: before,
  lookedUntil: before,
  seen: shadow === undefined ? {} : { [field]: seen },
  written:
    written === undefined
      ? {}
      : {
          [field]: {
            asked: null,
            settled: null,
            version: 5,
            acked: true,
            confirmed: false,
            guard: null,
            tries: 0,
            ...written,
          },
        },
  restored: {},
  missingSince: null,
});

export const look = (situation: ListSituation): ListOutcome => {
  const { field, ours, state = {} } = situation;
  return again(recordOf(field, ours, state), linkOf(situation), situation);
};

/** A look at a record and a link as they are. */
export const again = (
  before: RecordState,
  from: LinkState,
  { field, theirs, rule, holds = [], lens = lensOf() }: ListSituation,
): ListOutcome => {
  const merged = merge({
    record: before,
    link: from,
    sight: { object: { id: 'a1', value: there(field, theirs) }, from: 100, until: 110 },
    lens,
    rules: () => ({ ...writer, ...rule }),
    holds,
    now: 110,
  });
  const after = [
    ...holds.filter(
      (hold) => !merged.released.includes(hold.field) && !merged.held.some((one) => one.field === hold.field),
    ),
    ...merged.held,
  ];
  const { record, link, entries } = merged;
  return {
    merged,
    record,
    link,
    holds: after,
    value: record.fields[field]?.value,
    verdicts: entries.map(({ verdict }) => verdict),
    rules: entries.flatMap(({ rule: one }) => one ?? []),
    hold: after[0]?.why ?? '-',
    wants: delta(record, link, lens, after)[field],
  };
};
