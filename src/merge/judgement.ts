import type { Json } from '../connector.ts';
import type { Fields } from '../mapping/lens.ts';
import { normal } from '../mapping/step.ts';
import { changeText, hashIn, listedBy, shows, showsList, wantedThere, type Listed } from './lists.ts';
import { leavesHold } from './lineage.ts';
import { oneKey, type Rival } from './one.ts';
import type { MergeInput } from './merge.ts';
import { spansAfter } from './spans.ts';
import { byEvidence, stepVerdict, type StepVerdict } from './transition.ts';
import {
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
  'one: contested',
  'step: waits',
  'step: restored',
  'step: back, alarm',
  'step: goes on',
  'list: as it was',
  'list: changed there only',
  'list: merged',
  'list: nothing new',
  'list: not as asked',
  'list: barred',
  'list: emptied',
  'list: missing',
  'list: cleared, ours',
  'list: cleared, theirs',
  'list: cleared, hold',
  'list: conflict, ours',
  'list: conflict, theirs',
  'list: conflict, hold',
] as const;

export type MergeRow = (typeof mergeRows)[number];

/** What a merge has come to so far: what may be done to a field, and what is noted of it. `merge` says what is done when. */

/** Returns stop at the second, answers to our own writes at the eighth in a row, restores at the third. */
const mostReturns = 2;
const mostChain = 8;
const mostRestores = 2;

/** Divergences of a list that are about some of its members: the others go on. */
const standing: ReadonlySet<HoldReason> = new Set(['ask', 'kept', 'own', 'remapped']);

export const REMAPPED = 'the mapping has changed; crosswalk remap plans it';

/** The merge in progress: one field is judged after the other. */
export class Judgement {
  readonly input: MergeInput;
  readonly version: number;
  /** When what it shows was changed there. */
  span: Span;
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

  /** Whose a flag is must be known before it is judged, and the evidence before the step that needs it. */
  order(): Iterable<string> {
    const { lens, ones, transitions } = this.input;
    if (ones === undefined && transitions === undefined) return lens.inward;
    const isFlag = (field: string): boolean => ones !== undefined && Object.hasOwn(ones.rule, field);
    const fields = [...lens.inward].toSorted((a, b) => Number(isFlag(a)) - Number(isFlag(b)));
    return transitions === undefined ? fields : byEvidence(fields, transitions);
  }

  /** What becomes of the step that theirs would be. */
  step(field: string, theirs: Json): StepVerdict {
    const { transitions = {}, steps } = this.input;
    const rule = Object.hasOwn(transitions, field) ? transitions[field] : undefined;
    if (rule === undefined) return { does: 'take', why: '' };
    return stepVerdict(rule, this.ours(field), theirs, (one) => this.ours(one), steps?.get(field));
  }

  /** Who has the flag that theirs sets, if another record of the same does. */
  rival(field: string, theirs: Json): Rival | undefined {
    const { rule, rivals } = this.input.ones ?? {};
    const by = theirs === true && rule !== undefined && Object.hasOwn(rule, field) ? rule[field] : undefined;
    return by === undefined ? undefined : rivals?.get(oneKey(field, this.ours(by)));
  }

  listed(field: string): Listed | null {
    return listedBy(this.input.lens, field);
  }

  /** The remote shows what it showed, or what it is known to make of that. */
  still(field: string, theirs: Json, shadow: Json): boolean {
    return shows(this.input.lens, field, theirs, shadow);
  }

  /** The write of ours that theirs is another spelling of: the remote made it so, nobody has to have typed it. */
  rewritten(field: string, theirs: Json): Written | undefined {
    const writing = this.written[field];
    const isSpelling =
      writing !== undefined && this.listed(field) === null && isRespelled(writing.asked, theirs);
    return isSpelling ? writing : undefined;
  }

  agrees(field: string, theirs: Json): boolean {
    const ours = this.ours(field);
    if (shows(this.input.lens, field, theirs, ours)) return true;
    const listed = this.listed(field);
    // Rows of the remote's own that are left there are no difference, unless they are in question.
    if (listed === null || this.isStanding(field)) return false;
    return showsList(listed, theirs, wantedThere(listed, ours, this.shown[field], true), 'all');
  }

  /** The remote has rows more than the record, which its mapping leaves there, and nothing else. */
  differsByOwnRows(field: string, theirs: Json): boolean {
    const listed = this.listed(field);
    if (listed === null) return false;
    return showsList(listed, theirs, wantedThere(listed, this.ours(field), theirs, true), 'all');
  }

  /** The remote has all that would be written: nothing but emptiness could be written over it. */
  hasAll(field: string, theirs: Json): boolean {
    const listed = this.listed(field);
    if (listed === null || this.fieldVersion(field) > (this.seen[field] ?? 0)) return false;
    return showsList(listed, theirs, wantedThere(listed, this.ours(field), theirs, false), 'written');
  }

  /** What was found to differ stands: a person is to decide, or both sides keep what they have. */
  isStanding(field: string): boolean {
    return this.input.holds.some((one) => one.field === field && standing.has(one.why));
  }

  note(entry: Entry): void {
    this.entries.push(entry);
  }

  /** Both sides show the same: whatever was pending on this field is done. */
  meet(field: string, theirs: Json): void {
    this.seen[field] = this.fieldVersion(field);
    const writing = this.written[field];
    if (writing?.confirmed === false) return this.confirm(field, theirs);
    // Both sides have come to another value than we once wrote: should it come back there, that is a change.
    const isOld = writing !== undefined && !shows(this.input.lens, field, theirs, writing.asked);
    if (isOld && !same(theirs, writing.settled)) delete this.written[field];
    this.release(field);
  }

  /** The remote shows what was written, whatever else it shows: a hold from before the write is over. */
  confirm(field: string, theirs: Json): void {
    const writing = this.written[field];
    if (writing === undefined) return;
    if (!writing.confirmed) {
      this.confirmed += 1;
      this.rows.push('taken');
      this.release(field);
      this.note({ field, verdict: 'confirmed', theirs, version: writing.version });
    }
    this.written[field] = { ...writing, acked: true, confirmed: true };
    this.seen[field] = Math.max(this.seen[field] ?? 0, writing.version);
  }

  release(field: string): void {
    if (this.input.holds.some((hold) => hold.field === field)) this.released.push(field);
  }

  /** A hold that ended says so, unless what was told of the field does. */
  tellReleased(field: string, theirs: Json): void {
    if (!this.released.includes(field) || this.held.has(field)) return;
    if (this.entries.some((entry) => entry.field === field && !leavesHold(entry))) return;
    this.note({ field, verdict: 'met', theirs });
  }

  hold(field: string, why: HoldReason, theirs: Json, verdict: Entry['verdict'], rule: string): void {
    delete this.written[field];
    this.keep({ field, why, theirs, ours: this.ours(field), at: this.input.now }, verdict, rule);
  }

  /** The field is held on the link from then on, and lineage tells why. */
  keep(hold: Hold, verdict: Entry['verdict'], rule: string): void {
    const { field, why, theirs } = hold;
    this.held.set(field, hold);
    const first = this.shown[field] === undefined ? { first: true as const } : {};
    this.note({ field, verdict, theirs, rule, at: this.span, held: why, ...first });
  }

  holdRemapped(field: string, theirs: Json): void {
    this.rows.push('remapped');
    this.hold(field, 'remapped', theirs, 'kept', REMAPPED);
  }

  /** The record takes `value`: what the remote shows, or what a list makes of both. */
  take(field: string, value: Json, rule: string, theirs: Json = value): void {
    const old = this.fields[field];
    const listed = this.listed(field);
    const answer = this.written[field] !== undefined;
    const returned = answer && (old?.recent.includes(hashIn(listed, value)) ?? false);
    const returns = answer ? (old?.returns ?? 0) + (returned ? 1 : 0) : 0;
    // Two people may add to a list in turns for years: only what comes before our write has shown answers it.
    const counts = listed === null ? answer : this.input.link.written[field]?.confirmed === false;
    const chain = counts ? (old?.chain ?? 0) + 1 : 0;
    if (returns >= mostReturns || chain >= mostChain) {
      const why = returned ? 'value came back' : 'changed at each write';
      this.hold(field, 'oscillation', theirs, 'oscillation', why);
      return;
    }
    const source = `${this.input.link.sync}/${this.input.link.object}`;
    const recent = answer ? (old?.recent ?? []) : [];
    this.fields[field] = {
      value,
      version: this.version,
      at: this.span,
      source,
      recent: old === undefined ? [] : [...recent, hashIn(listed, old.value)].slice(-8),
      returns,
      chain,
      ...spansAfter(listed, old, value, this.span),
    };
    const isShown = same(theirs, value);
    if (isShown || this.agrees(field, theirs)) this.seen[field] = this.version;
    delete this.written[field];
    delete this.restored[field];
    this.release(field);
    this.changed.push(field);
    const before = old?.value ?? null;
    this.note({
      field,
      verdict: 'took',
      before,
      after: value,
      ...(listed === null ? {} : { change: changeText(listed.shape, before, value) }),
      ...(isShown ? {} : { theirs }),
      rule,
      version: this.version,
      at: this.span,
      source,
      ...(this.shown[field] === undefined ? { first: true as const } : {}),
    });
  }

  /** Ours stays and is written back; the value that lost is kept in lineage. */
  restore(field: string, theirs: Json, verdict: 'restored' | 'overruled', rule: string): void {
    const ours = this.ours(field);
    if (!isEmpty(theirs) && this.differsByOwnRows(field, theirs)) {
      const left = `${rule}; rows of its own are left there`;
      delete this.written[field];
      this.note({ field, verdict, theirs, after: ours, rule: left, at: this.span });
      return;
    }
    if (isEmpty(ours) || this.hasAll(field, theirs)) {
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
    this.note({ field, verdict, theirs, after: ours, rule, at: this.span });
  }
}

/** The same letters and digits: in other case, width or spacing, with other dashes or brackets. */
const isRespelled = (one: Json, other: Json): boolean =>
  typeof one === 'string' && typeof other === 'string' && one !== other && bare(one) === bare(other);

const bare = (text: string): string =>
  normal(text)
    .toLowerCase()
    .replaceAll(/[\s+\p{Pd}\p{Ps}\p{Pe}]/gu, '');

const spanOf = ({ sight, link, stamps }: MergeInput): Span => {
  const stamp = sight.object.modifiedAt;
  const slack = (stamps?.skew ?? 0) + (stamps?.resolution ?? 0);
  const to = stamp === undefined ? sight.until : Math.min(sight.until, stamp + slack);
  return { from: Math.min(link.lookedFrom - (stamps?.lateness ?? 0), to - 1), to };
};
