/**
 * What a look means for a list, where the remote shows something else than the record: roles and emptiness first, as
 * for a value, then member by member (lists.ts). What nobody disputes is taken at once, whatever else is in question.
 *
 * A question about a list is an edit that waits: from `ours`, the record if ours wins, to `theirs`, the record if theirs
 * does. Both are whole lists and differ by nothing but what is disputed. Later looks move both along; whoever decides
 * for theirs applies that edit to the record as it is by then, and the question ends by itself where nothing is left of it.
 */
import type { Json } from '../connector.ts';
import { applied, combine, showsList, type Decide, type Listed, type Winner } from './lists.ts';
import { REMAPPED, type Judgement } from './judgement.ts';
import { bar, winnerOf, type FieldRule } from './policy.ts';
import { isEmpty, same, type Hold, type HoldReason } from './record.ts';
import { spanOfPaths } from './spans.ts';

/** The decisions of one look, and the rules that they were made by. */
interface Decided {
  readonly decide: Decide;
  readonly by: Readonly<Record<Winner, Set<string>>>;
}

const deciding = (judge: Judgement, field: string, rule: FieldRule, shadow: Json | undefined): Decided => {
  const by: Decided['by'] = { theirs: new Set(), ours: new Set(), hold: new Set() };
  const state = judge.fields[field];
  const moved = shadow === undefined || judge.fieldVersion(field) > (judge.seen[field] ?? 0);
  const told = (why: 'cleared' | 'conflict', winner: Winner, name: string): Winner => {
    by[winner].add(name);
    judge.rows.push(`list: ${why}, ${winner}`);
    return winner;
  };
  const clearing: Record<FieldRule['clear'], Winner> = { restore: 'ours', take: 'theirs', ask: 'hold' };
  const decide: Decide = (why, paths) => {
    if (why === 'missing') {
      by.ours.add('missing keep');
      judge.rows.push('list: missing');
      return 'ours';
    }
    if (why === 'cleared') return told(why, clearing[rule.clear], `clear ${rule.clear}`);
    // Ours is what was to be restored there: nobody here has changed it since.
    if (why === 'cell' && !moved) return told('conflict', 'theirs', 'changed there only');
    const decided = winnerOf(rule, judge.span, spanOfPaths(state, paths));
    return told('conflict', decided.winner, decided.by);
  };
  return { decide, by };
};

/** The rule by which a list was taken, for lineage. */
const takenBy = (isUnmoved: boolean, { by }: Decided): string =>
  [isUnmoved ? 'changed there only' : 'merged', ...by.theirs].join('; ');

const isKept = ({ shape }: Listed): boolean => shape !== 'set' && shape.missing === 'keep';

export const judgeList = (
  judge: Judgement,
  listed: Listed,
  field: string,
  theirs: Json,
  shadow: Json | undefined,
): void => {
  const { rules, holds, link } = judge.input;
  const rule = rules(field);
  const ours = judge.ours(field);
  const hold = holds.find((one) => one.field === field && judge.isStanding(field));
  if (shadow !== undefined && judge.still(field, theirs, shadow)) {
    judge.rows.push('list: as it was');
    const moved = judge.fieldVersion(field) > (judge.seen[field] ?? 0);
    if (hold !== undefined) {
      // A write that shows ends what was held before it, but no question.
      if (!endIfMet(judge, listed, hold) && judge.released.includes(field)) holdOn(judge, hold);
    } else if (!moved && judge.isRemapped(field) && !judge.hasAll(field, theirs))
      judge.holdRemapped(field, theirs);
    return;
  }
  if (judgeWhole(judge, listed, field, { theirs, shadow, hold, rule })) return;
  const writing = link.written[field];
  const asked =
    writing === undefined || writing.confirmed
      ? undefined
      : { value: writing.asked, acked: judge.written[field]?.acked === true };
  const decided = deciding(judge, field, rule, shadow);
  const { value, other, taken } = combine(listed, { base: shadow, theirs, ours, asked }, decided.decide);
  if (asked?.acked === true && taken) judge.confirm(field, theirs);
  if (!taken) judge.rows.push('list: not as asked');
  const changes = !same(value, ours);
  if (changes) {
    const isUnmoved = showsList(listed, shadow, ours, 'all');
    judge.rows.push(isUnmoved ? 'list: changed there only' : 'list: merged');
    judge.take(field, value, takenBy(isUnmoved, decided), theirs);
    if (judge.held.has(field)) return;
  } else if (judge.written[field]?.confirmed !== true) delete judge.written[field];
  // Of what a create of ours was asked for, that it is not there is news, too.
  if (!changes && decided.by.ours.size === 0 && same(value, other))
    nothingNew(judge, field, theirs, shadow ?? asked?.value);
  overrule(judge, field, theirs, changes, [...decided.by.ours].join('; '));
  const raised = same(value, other) ? undefined : [...decided.by.hold].join('; ');
  if (hold === undefined) {
    if (raised !== undefined && !judge.held.has(field)) ask(judge, field, { from: value, to: other, raised });
    return;
  }
  const from = combine(listed, { base: shadow, theirs, ours: hold.ours }, () => 'ours').value;
  const to = combine(listed, { base: shadow, theirs, ours: hold.theirs }, () => 'theirs').value;
  if (endIfMet(judge, listed, { ...hold, ours: from, theirs: to })) return;
  ask(judge, field, { from, to, raised, hold, changes });
};

/** What somebody did there is so here already, or touches nothing that is here: lineage names it all the same. */
const nothingNew = (judge: Judgement, field: string, theirs: Json, before: Json | undefined): void => {
  judge.rows.push('list: nothing new');
  if (isEmpty(theirs) && isEmpty(before)) return;
  judge.note({ field, verdict: 'seen', theirs, rule: 'nothing in it is new', at: judge.span });
};

interface Look {
  readonly theirs: Json;
  readonly shadow: Json | undefined;
  readonly hold: Hold | undefined;
  readonly rule: FieldRule;
}

/** What is decided for the list as a whole: by the role, or because all of it is gone. */
const judgeWhole = (
  judge: Judgement,
  listed: Listed,
  field: string,
  { theirs, shadow, hold, rule }: Look,
): boolean => {
  const barred = bar(rule, theirs, judge.ours(field));
  const isEmptied = isEmpty(theirs) && !isEmpty(shadow) && rule.clear !== 'take' && !isKept(listed);
  if (barred === undefined && !isEmptied) return false;
  judge.rows.push(barred === undefined ? 'list: emptied' : 'list: barred');
  if (hold !== undefined) {
    holdOn(judge, { ...hold, theirs });
  } else if (barred !== undefined) {
    const isUnmoved = showsList(listed, shadow, judge.ours(field), 'all');
    judge.restore(field, theirs, isUnmoved ? 'restored' : 'overruled', barred);
  } else if (rule.clear === 'ask') judge.hold(field, 'ask', null, 'asked', 'clear ask');
  else judge.restore(field, null, 'overruled', 'clear restore');
  return true;
};

/** What of theirs lost is in lineage, and ours goes back there. */
const overrule = (judge: Judgement, field: string, theirs: Json, changes: boolean, rule: string): void => {
  if (rule === '') return;
  if (!changes) judge.restore(field, theirs, 'overruled', rule);
  else judge.note({ field, verdict: 'overruled', theirs, after: judge.ours(field), rule, at: judge.span });
};

/** True if nothing is left to decide. */
const endIfMet = (judge: Judgement, listed: Listed, hold: Hold): boolean => {
  const { field } = hold;
  const now = judge.ours(field);
  if (!same(applied(listed, hold.ours, hold.theirs, now), now)) return false;
  judge.release(field);
  return true;
};

interface Question {
  readonly from: Json;
  readonly to: Json;
  /** The rule that could not decide in this look. */
  readonly raised: string | undefined;
  readonly hold?: Hold;
  /** True if the record has just changed. */
  readonly changes?: boolean;
}

const ruleOf = (why: HoldReason): string =>
  why === 'own' ? 'own: the rest of it is left there' : why === 'remapped' ? REMAPPED : why;

/** What stood before stands. */
const holdOn = (judge: Judgement, hold: Hold): void =>
  judge.keep(hold, hold.why === 'ask' ? 'held' : 'kept', ruleOf(hold.why));

const ask = (judge: Judgement, field: string, { from, to, raised, hold, changes = true }: Question): void => {
  const why = raised === undefined ? (hold?.why ?? 'ask') : raised === 'keep' ? 'kept' : 'ask';
  delete judge.written[field];
  const isNew = hold === undefined || changes || raised !== undefined;
  const verdict = why !== 'ask' ? 'kept' : isNew ? 'asked' : 'held';
  const at = hold?.at ?? judge.input.now;
  judge.keep({ field, why, theirs: to, ours: from, at }, verdict, raised ?? ruleOf(why));
};
