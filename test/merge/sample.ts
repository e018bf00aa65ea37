/** One record, one link and one look, as small as the merge allows. */
import type { Json, JsonObject } from '../../src/connector.ts';
import type { Lens } from '../../src/mapping/lens.ts';
import { delta } from '../../src/merge/delta.ts';
import { merge, type Merged } from '../../src/merge/merge.ts';
import type { FieldRule } from '../../src/merge/policy.ts';
import type { FieldState, Hold, LinkState, RecordState, Span, Written } from '../../src/merge/record.ts';
import { toyLens } from '../../src/simulate/toy-lens.ts';
import type { ToyTraits } from '../../src/simulate/toy.ts';

const traits: ToyTraits = {
  name: 'A',
  guarded: false,
  answers: true,
  readable: true,
  find: null,
  keyed: false,
  anchored: false,
  polled: true,
  fullHooks: false,
  normalise: null,
  stamps: { resolution: 0, lateness: 0, skew: 0 },
  clock: 0,
  atomic: false,
  batch: 1,
  sorts: false,
  missing: 'remove',
};

export const plain: Lens = toyLens(traits);
/** A remote that is known to lower-case what it stores. */
export const lowering: Lens = toyLens({
  ...traits,
  normalise: { how: 'lower', when: 'at once', declared: true },
});

export const writer: FieldRule = {
  role: 'writer',
  conflict: 'ask',
  clear: 'restore',
  protected: false,
  key: false,
};

export interface Situation {
  /** The record's value; undefined: it has never had one. */
  readonly ours?: Json;
  /** When ours was made. */
  readonly at?: Span;
  /** The remote when last seen; undefined: this place was never seen. */
  readonly shadow?: Json;
  /** The remote now; undefined: not in this look. */
  readonly theirs?: Json;
  /** True if the record has a newer version than the remote has shown. */
  readonly moved?: boolean;
  readonly rule?: Partial<FieldRule>;
  readonly holds?: readonly Hold[];
  readonly written?: Partial<Written>;
  readonly lens?: Lens;
  /** When the look began and ended, and when the last one did. */
  readonly from?: number;
  readonly until?: number;
  readonly before?: number;
  readonly version?: string;
}

const only = (value: Json | undefined): JsonObject => (value === undefined ? {} : { name: value });

export const recordWith = (ours: Json | undefined, at: Span = { from: 0, to: 10 }): RecordState => {
  const field: FieldState | undefined =
    ours === undefined
      ? undefined
      : { value: ours, version: 5, at, source: 'B/b1', recent: [], returns: 0, chain: 0 };
  return {
    id: 'r1',
    entity: 'person',
    version: 7,
    at: 0,
    fields: field === undefined ? {} : { name: field },
  };
};

export const linkWith = (situation: Situation): LinkState => ({
  sync: 'A',
  object: 'a1',
  record: 'r1',
  state: 'live',
  gen: 3,
  call: null,
  shadow: only(situation.shadow),
  guard: null,
  lookedFrom: situation.before ?? 90,
  lookedUntil: situation.before ?? 95,
  seen: situation.shadow === undefined ? {} : { name: situation.moved === true ? 2 : 5 },
  written:
    situation.written === undefined
      ? {}
      : {
          name: {
            asked: situation.ours ?? null,
            settled: situation.ours ?? null,
            version: 5,
            acked: true,
            confirmed: false,
            guard: null,
            tries: 0,
            ...situation.written,
          },
        },
  restored: {},
  missingSince: null,
});

export interface Outcome {
  readonly merged: Merged;
  /** `took`, `restored` …; `-` if nothing was to be said. */
  readonly verdict: string;
  readonly value: Json | undefined;
  readonly hold: string;
  /** What the remote would be sent now; undefined: nothing. */
  readonly wants: Json | undefined;
}

export const look = (situation: Situation): Outcome => {
  const lens = situation.lens ?? plain;
  const holds = situation.holds ?? [];
  const merged = merge({
    record: recordWith(situation.ours, situation.at),
    link: linkWith(situation),
    sight: {
      object: {
        id: 'a1',
        value: only(situation.theirs),
        ...(situation.version === undefined ? {} : { version: situation.version }),
      },
      from: situation.from ?? 100,
      until: situation.until ?? 110,
    },
    lens,
    rules: () => ({ ...writer, ...situation.rule }),
    holds,
    now: 110,
  });
  const after = [
    ...holds.filter(
      (hold) => !merged.released.includes(hold.field) && !merged.held.some((one) => one.field === hold.field),
    ),
    ...merged.held,
  ];
  return {
    merged,
    verdict: merged.entries[0]?.verdict ?? '-',
    value: merged.record.fields['name']?.value,
    hold: after[0]?.why ?? '-',
    wants: delta(merged.record, merged.link, lens, after)['name'],
  };
};
