/**
 * The merge: what a look at a remote means for each field of its record. Pure.
 *
 * For a look at remote R: `theirs` is R's mapped value now, `shadow` R's value when last seen, `ours` the
 * record's value, and `moved` says whether the field has a newer version than R is known to have shown.
 *
 *   theirs = shadow | moved | verdict
 *   yes             | no    | same; where they differ the mapping has changed, or a restore is under way
 *   yes             | yes   | R is behind (see delta.ts)
 *   no              | no    | take theirs if R's role allows, else restore ours
 *   no              | yes   | conflict, unless theirs agrees with ours
 *   shadow unseen   | any   | agree: same; ours empty: take; theirs empty: behind; else conflict
 *
 * A field that was just written is judged first: seen as asked, or as asked after what the remote is known
 * to do, it is confirmed, now or later. Seen as before after an acknowledged write it was not taken. It is
 * tried again only where the guard proves that nothing happened at all; otherwise it parks, because a
 * person who put the old value back looks the same (the design's "tried once more" lost such edits in the
 * simulator). Any other value is a change on that side whose author may not have seen ours: a conflict.
 */
import type { Json, RemoteObject, Stamps } from '../connector.ts';
import type { FieldProblem, Fields, Lens } from '../mapping/lens.ts';
import { isPlaceholder } from './guard.ts';
import { leftThere, NOT_TAKEN, withoutLeft } from './left.ts';
import { noted } from './lineage.ts';
import type { FieldRule, Rules } from './policy.ts';
import {
  copyPlace,
  hashOf,
  isEmpty,
  overlay,
  same,
  type Entry,
  type FieldState,
  type Hold,
  type HoldReason,
  type LinkState,
  type RecordState,
  type Span,
  type Written,
} from './record.ts';

/** What was seen of a remote, and between which moments of our clock. */
export interface Sight {
  readonly object: RemoteObject;
  readonly from: number;
  readonly until: number;
}

export interface MergeInput {
  readonly record: RecordState;
  readonly link: LinkState;
  readonly sight: Sight;
  readonly lens: Lens;
  readonly rules: Rules;
  readonly holds: readonly Hold[];
  readonly stamps?: Stamps | undefined;
  readonly now: number;
}

export interface Merged {
  readonly record: RecordState;
  readonly link: LinkState;
  readonly held: readonly Hold[];
  /** Fields whose hold ended. */
  readonly released: readonly string[];
  readonly entries: readonly Entry[];
  /** Fields of the record that changed. */
  readonly changed: readonly string[];
  readonly problems: readonly FieldProblem[];
  /** True if this look confirmed writes of ours and brought nothing new. */
  readonly echo: boolean;
  /** Rows of the table above that were reached, for the simulator's coverage. */
  readonly rows: readonly string[];
}

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
  readonly rows: string[] = [];
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
    this.note({ field, verdict, theirs, rule, at: this.span });
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

/** The roles, protection and placeholders that come before any policy. Undefined: theirs may be taken. */
const bar = (rule: FieldRule, theirs: Json, ours: Json): string | undefined => {
  if (rule.key && isPlaceholder(theirs) && !isEmpty(theirs)) return 'placeholder';
  if (rule.role === 'reader') return 'role reader';
  if (rule.role === 'filler' && !isEmpty(ours)) return 'role filler';
  if (rule.protected && !isEmpty(ours)) return 'protected';
  return undefined;
};

const judgeChange = (judge: Judgement, field: string, theirs: Json, shadow: Json | undefined): void => {
  const rule = judge.input.rules(field);
  const barred = bar(rule, theirs, judge.ours(field));
  if (barred !== undefined) return judge.restore(field, theirs, 'restored', barred);
  if (isEmpty(theirs) && !isEmpty(shadow)) return judgeClearing(judge, field, rule);
  judge.take(field, theirs, 'changed there only');
};

const judgeClearing = (judge: Judgement, field: string, rule: FieldRule): void => {
  if (rule.clear === 'restore') judge.restore(field, null, 'overruled', 'clear restore');
  else if (rule.clear === 'ask') judge.hold(field, 'ask', null, 'asked', 'clear ask');
  else judge.take(field, null, 'clear take');
};

const judgeConflict = (judge: Judgement, field: string, theirs: Json, shadow: Json | undefined): void => {
  const rule = judge.input.rules(field);
  const ours = judge.ours(field);
  const barred = bar(rule, theirs, ours);
  if (barred !== undefined) return judge.restore(field, theirs, 'overruled', barred);
  if (isEmpty(theirs) && !isEmpty(shadow) && rule.clear !== 'take') return judgeClearing(judge, field, rule);
  switch (rule.conflict) {
    case 'owner':
      if (rule.role === 'owner') judge.take(field, theirs, 'owner');
      else judge.restore(field, theirs, 'overruled', 'owner');
      return;
    case 'keep':
      return judge.hold(field, 'kept', theirs, 'kept', 'keep');
    case 'ask':
      return judge.hold(field, 'ask', theirs, 'asked', 'ask');
    case 'newest': {
      const mine = judge.fields[field]?.at ?? { from: 0, to: 0 };
      if (judge.span.from >= mine.to) judge.take(field, theirs, 'newest');
      else if (mine.from >= judge.span.to) judge.restore(field, theirs, 'overruled', 'newest');
      else judge.hold(field, 'ask', theirs, 'asked', 'newest cannot tell');
    }
  }
};

/** Divergences that end when the remote changes; the others wait for a person, or for both sides to meet. */
const endsWithAChange: ReadonlySet<HoldReason> = new Set([
  'empty',
  'placeholder',
  'refused',
  'remapped',
  'own',
]);

/** True if the hold decides; false if the field goes on to the table. */
const judgeHeld = (judge: Judgement, field: string, theirs: Json): boolean => {
  const hold = judge.input.holds.find((one) => one.field === field);
  if (hold === undefined) return false;
  if (judge.still(field, theirs, hold.theirs)) return true;
  if (endsWithAChange.has(hold.why)) {
    judge.release(field);
    return false;
  }
  judge.held.set(field, { ...hold, theirs });
  judge.note({
    field,
    verdict: hold.why === 'kept' ? 'kept' : 'held',
    theirs,
    rule: hold.why,
    at: judge.span,
  });
  return true;
};

/** A write of ours that is not confirmed yet. True if that settles the field. */
const judgeWritten = (judge: Judgement, field: string, theirs: Json, shadow: Json | undefined): boolean => {
  const writing = judge.written[field];
  if (writing === undefined) return false;
  const guard = judge.input.sight.object.version;
  if (same(theirs, writing.asked) || same(theirs, writing.settled)) {
    if (!writing.confirmed) {
      judge.confirmed += 1;
      judge.rows.push('taken');
      judge.note({ field, verdict: 'confirmed', theirs, version: writing.version });
    }
    judge.written[field] = { ...writing, acked: true, confirmed: true };
    judge.seen[field] = Math.max(judge.seen[field] ?? 0, writing.version);
    return true;
  }
  if (writing.confirmed || shadow === undefined || !judge.still(field, theirs, shadow)) return false;
  if (!writing.acked) {
    delete judge.written[field];
    judge.rows.push('unknown write did not happen');
    return true;
  }
  judge.rows.push('not taken');
  if (guard !== undefined && guard === writing.guard && writing.tries === 0) {
    judge.written[field] = { ...writing, acked: false, tries: 1 };
    judge.note({ field, verdict: 'retry', theirs, rule: 'the remote said yes and did nothing' });
  } else judge.hold(field, 'not-taken', theirs, 'not-taken', NOT_TAKEN);
  return true;
};

const judgeField = (judge: Judgement, field: string, theirs: Json, shadow: Json | undefined): void => {
  if (judgeWritten(judge, field, theirs, shadow)) return;
  if (judge.agrees(field, theirs)) {
    const unchanged = shadow !== undefined && judge.still(field, theirs, shadow);
    if (!unchanged) judge.rows.push(shadow === undefined ? 'unseen, equal' : 'both moved, equal');
    else judge.rows.push('same');
    return judge.meet(field, theirs, 'met');
  }
  if (judgeHeld(judge, field, theirs)) {
    judge.rows.push('held');
    return;
  }
  const moved = judge.fieldVersion(field) > (judge.seen[field] ?? 0);
  if (shadow === undefined) {
    if (isEmpty(judge.ours(field))) {
      judge.rows.push('unseen, ours empty');
      return judgeChange(judge, field, theirs, shadow);
    }
    judge.rows.push(isEmpty(theirs) ? 'unseen, theirs empty' : 'unseen, conflict');
    return isEmpty(theirs) ? undefined : judgeConflict(judge, field, theirs, shadow);
  }
  if (judge.still(field, theirs, shadow)) {
    if (!moved && judge.isRemapped(field)) {
      judge.rows.push('remapped');
      return judge.hold(
        field,
        'remapped',
        theirs,
        'kept',
        'the mapping has changed; crosswalk remap plans it',
      );
    }
    judge.rows.push(moved ? 'behind' : 'restore pending');
    return;
  }
  judge.rows.push(moved ? 'conflict' : 'theirs changed');
  if (moved) judgeConflict(judge, field, theirs, shadow);
  else judgeChange(judge, field, theirs, shadow);
};

/** Merges one look into its record and link. */
export const merge = (input: MergeInput): Merged => {
  const { lens, link, sight, record } = input;
  const reading = lens.read(sight.object.value);
  const judge = new Judgement(input);
  for (const field of lens.inward) {
    const theirs = reading.fields[field];
    if (theirs !== undefined) judgeField(judge, field, theirs, judge.shown[field]);
  }
  // A place that could not be read does not move its shadow: once the mapping covers it, it still shows as changed.
  let shadow = overlay(link.shadow, lens.shadow(sight.object.value));
  const unmoved = new Set([...reading.problems.flatMap(({ field }) => field ?? []), ...(reading.left ?? [])]);
  for (const pointer of [...unmoved].flatMap((field) => lens.pointers(field)))
    shadow = copyPlace(shadow, link.shadow, pointer);
  const left = leftThere(judge, unmoved, judge.shown);
  return {
    record: judge.changed.length > 0 ? { ...record, version: judge.version, fields: judge.fields } : record,
    link: {
      ...withoutLeft(link),
      ...(Object.keys(left).length === 0 ? {} : { left }),
      shadow,
      guard: sight.object.version ?? null,
      lookedFrom: sight.from,
      lookedUntil: sight.until,
      seen: judge.seen,
      written: judge.written,
      restored: judge.restored,
      mapping: lens.hash,
      missingSince: null,
    },
    held: [...judge.held.values()],
    released: judge.released.filter((field) => !judge.held.has(field)),
    entries: [...judge.entries, ...noted(lens, reading, link, { shadow, left })],
    changed: judge.changed,
    problems: reading.problems,
    echo: judge.changed.length === 0 && judge.held.size === 0 && judge.confirmed > 0,
    rows: judge.rows,
  };
};
