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
 *
 * A list goes the same way up to where both sides differ; from there its members are judged (see lists.ts).
 */
import type { Json, RemoteObject, Stamps } from '../connector.ts';
import type { FieldProblem, Lens } from '../mapping/lens.ts';
import { judgeList } from './judge-list.ts';
import { Judgement, type MergeRow } from './judgement.ts';
import { leftThere, NOT_TAKEN, withoutLeft } from './left.ts';
import { noted } from './lineage.ts';
import { showsList } from './lists.ts';
import type { Ones } from './one.ts';
import { bar, winnerOf, type FieldRule, type Rules } from './policy.ts';
import {
  copyPlace,
  isEmpty,
  overlay,
  same,
  type Entry,
  type Hold,
  type HoldReason,
  type LinkState,
  type RecordState,
  type Written,
} from './record.ts';
import type { TransitionRules } from './transition.ts';

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
  /** Of an entity with flags that at most one record has. */
  readonly ones?: Ones | undefined;
  /** Of an entity with fields whose steps are guarded. */
  readonly transitions?: TransitionRules | undefined;
  /** By field: the values that the remote has named since the last look, in order. */
  readonly steps?: ReadonlyMap<string, readonly Json[]> | undefined;
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
  readonly rows: readonly MergeRow[];
}

const judgeChange = (judge: Judgement, field: string, theirs: Json, shadow: Json | undefined): void => {
  const rule = judge.input.rules(field);
  const barred = bar(rule, theirs, judge.ours(field));
  if (barred !== undefined) return judge.restore(field, theirs, 'restored', barred);
  if (isEmpty(theirs) && !isEmpty(shadow)) return judgeClearing(judge, field, rule);
  takeOrContest(judge, field, theirs, 'changed there only', shadow);
};

/** Theirs is taken, unless it is a flag that another record has: that may contest it, though nobody disputes it on this one. */
const takeOrContest = (
  judge: Judgement,
  field: string,
  theirs: Json,
  by: string,
  shadow: Json | undefined,
): void => {
  const step = judge.step(field, theirs);
  if (step.does === 'ask') {
    judge.rows.push('step: waits');
    return judge.hold(field, 'transition', theirs, 'asked', step.why);
  }
  if (step.does === 'restore') {
    judge.rows.push('step: restored');
    return judge.restore(field, theirs, 'overruled', step.why);
  }
  if (step.does === 'alarm') judge.rows.push('step: back, alarm');
  const rival = judge.rival(field, theirs);
  if (rival === undefined) return judge.take(field, theirs, step.why === '' ? by : `${by}; ${step.why}`);
  const rule = judge.input.rules(field);
  const inPlace = `at most one: in place of ${rival.record}`;
  const barred = bar(rule, false, true);
  const isKnown = !rival.moved && shadow !== undefined;
  if (barred === undefined && isKnown) return judge.take(field, theirs, `${by}; ${inPlace}`);
  judge.rows.push('one: contested');
  const decided =
    barred === undefined ? winnerOf(rule, judge.span, rival.at) : { winner: 'ours', by: barred };
  if (decided.winner === 'theirs') return judge.take(field, theirs, `${decided.by}; ${inPlace}`);
  const why = `${decided.by}; at most one: ${rival.record} has it`;
  // What the record never had it has not from now on, so that the remote can be told.
  if (isEmpty(judge.ours(field))) judge.take(field, false, why, theirs);
  else if (decided.winner === 'ours') judge.restore(field, theirs, 'overruled', why);
  if (decided.winner === 'hold') holdBy(judge, field, theirs, decided.by, why);
};

/** Nobody wins: both keep what they have, or a person is asked. */
const holdBy = (judge: Judgement, field: string, theirs: Json, by: string, why = by): void => {
  if (by === 'keep') judge.hold(field, 'kept', theirs, 'kept', why);
  else judge.hold(field, 'ask', theirs, 'asked', why);
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
  const { winner, by } = winnerOf(rule, judge.span, judge.fields[field]?.at ?? { from: 0, to: 0 });
  if (winner === 'theirs') takeOrContest(judge, field, theirs, by, shadow);
  else if (winner === 'ours') judge.restore(field, theirs, 'overruled', by);
  else holdBy(judge, field, theirs, by);
};

/** Divergences that end when the remote changes; the others wait for a person, or for both sides to meet. */
const endsWithAChange: ReadonlySet<HoldReason> = new Set([
  'empty',
  'placeholder',
  'refused',
  'remapped',
  'own',
]);

/** A step that waits is judged again at each look: what it lacked may be there by now. */
const judgeWaiting = (judge: Judgement, hold: Hold, theirs: Json): void => {
  const { field } = hold;
  const isAsHeld = judge.still(field, theirs, hold.theirs);
  const { does, why } = judge.step(field, theirs);
  if (does === 'ask') {
    // Of a later edit the time is that of the look that showed it.
    if (!isAsHeld) judge.keep({ ...hold, theirs, at: judge.input.now }, 'held', why);
    return;
  }
  judge.rows.push('step: goes on');
  judge.release(field);
  const { span } = judge;
  // It was there when it was held: this look only tells it again.
  if (isAsHeld) judge.span = { from: 0, to: Math.min(hold.at, span.to) };
  const moved = judge.fieldVersion(field) > (judge.seen[field] ?? 0);
  if (moved && !isEmpty(judge.ours(field))) judgeConflict(judge, field, theirs, hold.theirs);
  else judgeChange(judge, field, theirs, hold.theirs);
  judge.span = span;
};

/** True if the hold decides; false if the field goes on to the table. */
const judgeHeld = (judge: Judgement, field: string, theirs: Json): boolean => {
  const hold = judge.input.holds.find((one) => one.field === field);
  if (hold === undefined) return false;
  if (hold.why === 'transition') {
    judgeWaiting(judge, hold, theirs);
    return true;
  }
  if (judge.still(field, theirs, hold.theirs)) return true;
  if (endsWithAChange.has(hold.why)) {
    judge.release(field);
    return false;
  }
  judge.keep({ ...hold, theirs }, hold.why === 'kept' ? 'kept' : 'held', hold.why);
  return true;
};

/** True for what a late hook tells once more, with the guard that the write was made on: it says nothing of the write. */
const isFromBefore = ({ input: { sight, link } }: Judgement, { guard }: Written): boolean =>
  guard !== null && sight.object.version === guard && sight.until <= link.lookedUntil;

/** A write of ours that is not confirmed yet. True if that settles the field. */
const judgeWritten = (judge: Judgement, field: string, theirs: Json, shadow: Json | undefined): boolean => {
  const writing = judge.written[field];
  if (writing === undefined) return false;
  if (!writing.confirmed && isFromBefore(judge, writing)) return true;
  const guard = judge.input.sight.object.version;
  const listed = judge.listed(field);
  const isShown =
    listed === null
      ? same(theirs, writing.asked) || same(theirs, writing.settled)
      : showsList(listed, theirs, writing.asked, 'written');
  if (isShown) {
    judge.confirm(field, theirs);
    // Cells that are only read may have changed all the same.
    return listed === null;
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

/**
 * A remote spells what we wrote in its own way, undeclared. It is a change on that side, but what it says is as old as
 * what was written: counted from the look, `newest` would let it win over what a person typed elsewhere before.
 */
const judgeRewritten = (judge: Judgement, field: string, theirs: Json, { asked, version }: Written): void => {
  const { span } = judge;
  const moved = judge.fieldVersion(field) > Math.max(judge.seen[field] ?? 0, version);
  const since = moved ? 0 : (judge.fields[field]?.at.from ?? 0);
  judge.span = { from: Math.min(span.from, since), to: span.to };
  judge.rows.push(moved ? 'conflict' : 'theirs changed');
  if (moved) judgeConflict(judge, field, theirs, asked);
  else judgeChange(judge, field, theirs, asked);
  judge.span = span;
};

const judgeField = (judge: Judgement, field: string, theirs: Json, shadow: Json | undefined): void => {
  if (judgeWritten(judge, field, theirs, shadow)) return;
  if (judge.agrees(field, theirs)) {
    const unchanged = shadow !== undefined && judge.still(field, theirs, shadow);
    if (!unchanged) judge.rows.push(shadow === undefined ? 'unseen, equal' : 'both moved, equal');
    else judge.rows.push('same');
    return judge.meet(field, theirs);
  }
  const listed = judge.listed(field);
  if (!(listed !== null && judge.isStanding(field)) && judgeHeld(judge, field, theirs)) {
    judge.rows.push('held');
    return;
  }
  if (listed !== null) return judgeList(judge, listed, field, theirs, shadow);
  const rewritten = judge.rewritten(field, theirs);
  if (rewritten !== undefined) return judgeRewritten(judge, field, theirs, rewritten);
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
    if (!moved && judge.isRemapped(field)) return judge.holdRemapped(field, theirs);
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
  for (const field of judge.order()) {
    const theirs = reading.fields[field];
    if (theirs === undefined) continue;
    judgeField(judge, field, theirs, judge.shown[field]);
    judge.tellReleased(field, theirs);
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
