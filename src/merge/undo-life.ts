/**
 * What undo does to the life of a record. Where it takes a deletion back, the objects that are still there stay; what
 * the gateway removed because of it is made anew, and so is what somebody deleted, where the sync makes such things anew.
 * Where it takes back what made the record, the record is withdrawn: what the gateway made of it elsewhere is removed,
 * after a look, and what people filed stays.
 */
import { deletedField, goneOf } from './deletion.ts';
import type { Creating, TargetUndo, TargetView } from './undo-target.ts';

/** Of several objects of a record in one system, the one that says whether it has any there: a live one, else the last that went. */
export const standingOf = (own: readonly TargetView[]): TargetView | undefined =>
  own.find(({ link }) => link.state === 'live') ??
  own
    .filter(({ link }) => link.state === 'gone')
    .sort((a, b) => goneOf(b.link).at.to - goneOf(a.link).at.to)[0];

const bySync = (targets: readonly TargetView[]): TargetView[] =>
  [...Map.groupBy(targets, ({ link }) => link.sync).values()].flatMap((own) => standingOf(own) ?? []);

const isMadeAnew = ({ link, silent, lost }: TargetView): boolean =>
  link.state === 'gone' && silent === undefined && lost === undefined;

/** The syncs in which an object is made anew for a record that is no longer deleted. */
export const anewIn = (targets: readonly TargetView[]): ReadonlySet<string> =>
  new Set(bySync(targets).flatMap((target) => (isMadeAnew(target) ? [target.link.sync] : [])));

/** The objects of a record whose deletion is taken back, one result a system. */
export const lifeTargets = (
  targets: readonly TargetView[],
  creates: readonly Pick<Creating, 'sync'>[],
): TargetUndo[] => [
  ...bySync(targets).map((target): TargetUndo => {
    const { sync, object, state, removal, call } = target.link;
    const at = { target: `${sync}/${object}`, sync, object };
    const anew = { target: `${sync}/`, sync, object: '', result: 'owed' as const };
    if (state === 'live' && removal === undefined && call === null) return { ...at, result: 'restored' };
    if (state === 'live')
      return { ...anew, why: 'its removal may be under way: if it is gone, it is made anew there' };
    if (isMadeAnew(target)) return { ...anew, why: 'it is made anew there' };
    return {
      ...at,
      result: 'impossible',
      why: target.silent ?? target.lost ?? 'the object is not there any more',
    };
  }),
  ...creates.map(({ sync }): TargetUndo => ({
    target: `${sync}/`,
    sync,
    object: '',
    result: 'owed',
    why: 'it is to be created there',
  })),
];

/** What has become of an object that was owed to a record whose deletion was taken back. */
export const lifeOutcome = (
  target: TargetView | undefined,
  parked: string | undefined,
): Pick<TargetUndo, 'result' | 'why'> => {
  const state = target?.link.state;
  if (state === 'live' && target?.link.removal === undefined) return { result: 'restored' };
  if (parked !== undefined) return { result: 'owed', why: `parked: ${parked}` };
  if (state === 'live') return { result: 'owed', why: 'its removal may be under way' };
  return {
    result: 'impossible',
    why: target?.silent ?? target?.lost ?? 'the promise to make it anew was given up',
  };
};

// ---------------------------------------------------------------- a record that is withdrawn

const isMade = ({ link }: TargetView): boolean => link.state === 'live' && link.made === true;

/** True if there is anything to withdraw: an object that the gateway made, and can remove. */
export const isWithdrawable = (targets: readonly TargetView[]): boolean =>
  targets.some((target) => isMade(target) && target.stuck === undefined);

/** The objects of a record that is withdrawn. */
export const withdrawTargets = (targets: readonly TargetView[]): TargetUndo[] =>
  targets.flatMap((target): TargetUndo[] => {
    const { sync, object, state } = target.link;
    if (state !== 'live') return [];
    const at = { target: `${sync}/${object}`, sync, object };
    if (!isMade(target)) return [{ ...at, result: 'kept', why: 'it was filed there, and stays' }];
    if (target.stuck !== undefined) return [{ ...at, result: 'impossible', why: target.stuck }];
    return [{ ...at, result: 'owed', why: 'it is removed there' }];
  });

/** What has become of an object that was to be removed. */
export const withdrawOutcome = (
  target: TargetView | undefined,
  parked: string | undefined,
): Pick<TargetUndo, 'result' | 'why'> => {
  if (target === undefined || target.link.state !== 'live') return { result: 'restored', why: 'removed' };
  if (parked !== undefined) return { result: 'owed', why: `parked: ${parked}` };
  if (target.link.removal !== undefined) return { result: 'owed', why: 'its removal has still to be seen' };
  if (target.holds.some(({ field }) => field === deletedField))
    return { result: 'kept', why: 'it was changed there meanwhile; crosswalk conflicts list' };
  return { result: 'impossible', why: target.stuck ?? 'its removal was given up' };
};
