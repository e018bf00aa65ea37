import type { Json } from '../connector.ts';
import type { Fields } from '../mapping/lens.ts';
import type { MergeInput } from './merge.ts';
import {
  hashOf,
  isEmpty,
  same,
  type Entry,
  type FieldState,
  type Hold,
  type HoldReason,
  type Span,
  type Written,
} from './record.ts';

/** The rows of the merge's table, and what became of writes: every course through `merge` is one of them. */
export const mergeRows = [
  'same',
  'behind',
  'restore pending',
  'theirs changed',
  'both moved, equal',
  'conflict',
  'unseen, equal',
  'unseen, ours empty',
  'unseen, theirs empty',
  'unseen, conflict',
  'held',
  'remapped',
  'left there',
  'taken',
  'not taken',
  'unknown write did not happen',
] as const;

export type MergeRow = (typeof mergeRows)[number];

/** What a merge has come to so far: what may be done to a field, and what is noted of it. `merge` says what is done when. */

/** Returns stop at the second, answers to our own writes at the eighth in a row, restores at the third. */
const mostReturns = 2;
const mostChain = 8;
const mostRestores = 2;

/** The merge in progress: one field is judged after the other. */
export class Judgement {
  readonly input: MergeInput;
  readonly version: number;
  readonly span: Span;
  readonly fields: Record<string, FieldState>;
  /** What the remote showed when it was last seen; a missing field was never seen. */
  readonly shown: Fields;
  readonly seen: Record<string, number>;
  readonly written: Record<string, Written>;
  readonly restored: Record<string, { version: number; count: number }>;
  readonly held = new Map<string, Hold>();
  readonly released: string[] = [];
  readonly entries: Entry[] = [];
  readonly changed: string[] = [];
  readonly rows: MergeRow[] = [];
  confirmed = 0;

  constructor(input: MergeInput) {
    this.input = input;
    this.version = input.record.version + 1;
    this.span = spanOf(input);
    this.fields = { ...input.record.fields };
    // What a constant or a default gives is nothing that this remote has shown before it was looked at.
    this.shown = input.link.lookedUntil === 0 ? {} : input.lens.read(input.link.shadow).fields;
    this.seen = { ...input.link.seen };
    this.written = { ...input.link.written };
    this.restored = { ...input.link.restored };
  }

  ours(field: string): Json {
    return this.fields[field]?.value ?? null;
  }

  /** Both sides are as they were when they agreed, or had been told apart: only the mapping reads them otherwise now. */
  isRemapped(field: string): boolean {
    const { link, lens } = this.input;
    const changed = link.mapping !== undefined && link.mapping !== lens.hash;
    return changed && this.restored[field]?.version !== this.fieldVersion(field);
  }

  fieldVersion(field: string): number {
    return this.fields[field]?.version ?? 0;
  }

  /** The remote shows what it showed, or what it is known to make of that. */
  still(field: string, theirs: Json, shadow: Json): boolean {
    return same(theirs, shadow) || (!isEmpty(shadow) && same(theirs, this.input.lens.settle(field, shadow)));
  }

  agrees(field: string, theirs: Json): boolean {
    const ours = this.ours(field);
    return same(theirs, ours) || (!isEmpty(ours) && same(theirs, this.input.lens.settle(field, ours)));
  }

  note(entry: Entry): void {
    this.entries.push(entry);
  }

  /** Both sides show the same: whatever was pending on this field is done. */
  meet(field: string, theirs: Json, verdict: 'met' | 'confirmed'): void {
    const writing = this.written[field];
    this.seen[field] = this.fieldVersion(field);
    if (writing !== undefined && !writing.confirmed) {
      this.confirmed += 1;
      this.note({ field, verdict: 'confirmed', theirs, version: writing.version });
      this.written[field] = { ...writing, acked: true, confirmed: true };
    } else if (verdict === 'met' && this.release(field)) this.note({ field, verdict, theirs });
  }

  release(field: string): boolean {
    const held = this.input.holds.some((hold) => hold.field === field);
    if (held) this.released.push(field);
    return held;
  }

  hold(field: string, why: HoldReason, theirs: Json, verdict: Entry['verdict'], rule: string): void {
    delete this.written[field];
    this.held.set(field, { field, why, theirs, ours: this.ours(field), at: this.input.now });
    const first = this.shown[field] === undefined ? { first: true as const } : {};
    this.note({ field, verdict, theirs, rule, at: this.span, held: why, ...first });
  }

  take(field: string, theirs: Json, rule: string): void {
    const old = this.fields[field];
    const answer = this.written[field] !== undefined;
    const hash = hashOf(theirs);
    const returned = answer && (old?.recent.includes(hash) ?? false);
    const returns = answer ? (old?.returns ?? 0) + (returned ? 1 : 0) : 0;
    const chain = answer ? (old?.chain ?? 0) + 1 : 0;
    if (returns >= mostReturns || chain >= mostChain) {
      this.hold(
        field,
        'oscillation',
        theirs,
        'oscillation',
        returned ? 'value came back' : 'changed at each write',
      );
      return;
    }
    const source = `${this.input.link.sync}/${this.input.link.object}`;
    const recent = answer ? (old?.recent ?? []) : [];
    this.fields[field] = {
      value: theirs,
      version: this.version,
      at: this.span,
      source,
      recent: old === undefined ? [] : [...recent, hashOf(old.value)].slice(-8),
      returns,
      chain,
    };
    this.seen[field] = this.version;
    delete this.written[field];
    delete this.restored[field];
    this.release(field);
    this.changed.push(field);
    const before = old?.value ?? null;
    this.note({
      field,
      verdict: 'took',
      before,
      after: theirs,
      rule,
      version: this.version,
      at: this.span,
      source,
      ...(this.shown[field] === undefined ? { first: true as const } : {}),
    });
  }

  /** Ours stays and is written back; the value that lost is kept in lineage. */
  restore(field: string, theirs: Json, verdict: 'restored' | 'overruled', rule: string): void {
    if (isEmpty(this.ours(field))) {
      this.hold(
        field,
        rule === 'placeholder' ? 'placeholder' : 'empty',
        theirs,
        'kept',
        `${rule}; empty is not written over filled`,
      );
      return;
    }
    const version = this.fieldVersion(field);
    const before = this.restored[field];
    const count = before?.version === version ? before.count + 1 : 1;
    if (count > mostRestores) {
      this.hold(field, 'oscillation', theirs, 'oscillation', `restored ${mostRestores} times: ${rule}`);
      return;
    }
    this.restored[field] = { version, count };
    delete this.written[field];
    this.note({ field, verdict, theirs, after: this.ours(field), rule, at: this.span });
  }
}

const spanOf = ({ sight, link, stamps }: MergeInput): Span => {
  const stamp = sight.object.modifiedAt;
  const slack = (stamps?.skew ?? 0) + (stamps?.resolution ?? 0);
  const to = stamp === undefined ? sight.until : Math.min(sight.until, stamp + slack);
  return { from: Math.min(link.lookedFrom - (stamps?.lateness ?? 0), to - 1), to };
};
