/** What people decide about two records: that they are one, that they are not the same, that a merge was wrong. */
import { CrosswalkError } from '../errors.ts';
import { survivorOf, type Standing, type Survivor } from '../identity/survivor.ts';
import { isEmpty, type RecordState } from '../merge/record.ts';
import { isReserved } from '../merge/redirect.ts';
import { apartBy, drawApart, pairOf } from './candidates.ts';
import { commit, Draft } from './draft.ts';
import { leadsTo, linksOf, type Hub } from './hub.ts';
import { barError, drawMerge, planMerge, type Bar, type MergeHow, type MergePlan } from './join.ts';
import { drawUnmerge, planUnmerge, type UnmergePlan } from './part.ts';

const mostAttempts = 5;

/** What the rules of survival ask about a record. */
export const standingOf = async (hub: Hub, record: RecordState): Promise<Standing> => {
  const states = Object.entries(record.fields).filter(([field]) => !isReserved(field));
  const links = (await linksOf(hub, record.id)).filter(({ state }) => state === 'live');
  return {
    created: record.at,
    updated: states.reduce((last, [, { at }]) => Math.max(last, at.to), record.at),
    filled: states.filter(([, { value }]) => !isEmpty(value)).length,
    systems: links.map(({ sync }) => hub.syncs.get(sync)?.connection ?? sync),
    id: record.id,
  };
};

/** Two records, the survivor first; both as they are now, wherever their ids lead. Throws CrosswalkError `not-there`. */
export const ordered = async (
  hub: Hub,
  a: string,
  b: string,
  rule?: Survivor | { readonly record: string },
): Promise<[RecordState, RecordState]> => {
  const load = async (id: string): Promise<RecordState> => {
    const record = await leadsTo(hub, id);
    if (record === undefined) throw new CrosswalkError('not-there', { what: 'record', id });
    return record;
  };
  const [one, other] = [await load(a), await load(b)];
  if (typeof rule === 'object' && 'record' in rule) {
    const kept = await load(rule.record);
    if (kept.id !== one.id && kept.id !== other.id)
      throw new CrosswalkError('merge-refused', {
        what: `${a} and ${b}`,
        detail: `${rule.record} is neither of them and cannot survive`,
      });
    return kept.id === one.id ? [one, other] : [other, one];
  }
  const used = rule ?? hub.entities.get(one.entity)?.dedupe?.survivor ?? 'complete';
  const standings = [await standingOf(hub, one), await standingOf(hub, other)];
  return survivorOf(standings, used) === 0 ? [one, other] : [other, one];
};

export interface Merged {
  readonly survivor: string;
  readonly loser: string;
}

/**
 * Merges two records. Overtaken, it is tried again from fresh reads; what is under way must end first. Resolves with
 * the bar that stands against it.
 */
export const tryMerge = async (
  hub: Hub,
  pick: () => Promise<[RecordState, RecordState]>,
  how: MergeHow,
  run: string,
): Promise<Merged | Bar> => {
  for (let again = 0; again < mostAttempts; again += 1) {
    const [survivor, loser] = await pick();
    const draft = new Draft(hub, run);
    const bar = await drawMerge(draft, survivor, loser, how);
    if (bar !== null) return bar;
    if (how.overrules === true) {
      const row = await apartBy(hub, survivor.id, loser.id);
      if (row !== undefined) draft.delete('apart', { a: String(row['a']), b: String(row['b']) });
    }
    if (await commit(draft)) return { survivor: survivor.id, loser: loser.id };
  }
  return { is: 'busy', why: 'others are changing these records' };
};

/** What an unmerge of this record would do, or throws `merge-refused`. */
export const unmergePlan = async (hub: Hub, id: string, by: string): Promise<UnmergePlan> => {
  const plan = await planUnmerge(hub, id, by);
  if ('is' in plan) throw barError(plan, id);
  return plan;
};

/** What a merge of two records would do. Throws `merge-refused`. */
export const mergePlan = async (
  hub: Hub,
  [survivor, loser]: readonly [RecordState, RecordState],
  how: MergeHow,
): Promise<MergePlan> => {
  const plan = await planMerge(hub, survivor, loser, how);
  if ('is' in plan) throw barError(plan, `${survivor.id} and ${loser.id}`);
  return plan;
};

/** Takes a merged record out again; the bar that stands against it, or null once it is done. */
export const tryUnmerge = async (hub: Hub, id: string, by: string, run: string): Promise<Bar | null> => {
  for (let again = 0; again < mostAttempts; again += 1) {
    const draft = new Draft(hub, run);
    const bar = await drawUnmerge(draft, id, by);
    if (bar !== null) return bar;
    if (await commit(draft)) return null;
  }
  return { is: 'busy', why: 'others are changing these records' };
};

/** Says that two records are not the same, whether they were a candidate or not. Throws `not-there`, `merge-refused`. */
export const tellApart = async (hub: Hub, a: string, b: string, by: string, run: string): Promise<void> => {
  for (let again = 0; again < mostAttempts; again += 1) {
    const [one, other] = await ordered(hub, a, b);
    if (one.id === other.id)
      throw new CrosswalkError('merge-refused', {
        what: `${a} and ${b}`,
        detail: 'the two are one; take them apart with: crosswalk unmerge',
      });
    const draft = new Draft(hub, run);
    for (const { id, version } of [one, other]) draft.expect('record', { id }, { version });
    drawApart(draft, pairOf(one.entity, one.id, other.id), by, 'rejected');
    const body = { cause: `person:${by}`, version: 0, event: 'apart', entries: [] };
    draft.lineage(one.id, { ...body, other: other.id });
    draft.lineage(other.id, { ...body, other: one.id });
    if (await commit(draft)) return;
  }
  throw new CrosswalkError('merge-busy', {
    what: `${a} and ${b}`,
    detail: 'others are changing these records',
  });
};
