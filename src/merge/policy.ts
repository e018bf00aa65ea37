/** What a configuration may say about the fields of a sync, and what follows from it. */
import type { Json } from '../connector.ts';
import { isPlaceholder } from './guard.ts';
import { isEmpty, type Span } from './record.ts';

/** `owner` wins conflicts; `writer` may change; `filler` may only fill an empty field; `reader` never changes the record. */
export type Role = 'owner' | 'writer' | 'filler' | 'reader';

/**
 * Who wins when both sides changed: the field's `owner`; the `newest` (when the two times are certainly
 * apart, else `ask`); `keep` both as a declared divergence; `ask` a person.
 */
export type ConflictPolicy = 'owner' | 'newest' | 'keep' | 'ask';

/** What an emptied field on the remote does: `restore` ours, `take` the emptiness, or `ask`. */
export type ClearPolicy = 'restore' | 'take' | 'ask';

/**
 * What a deletion in this sync's system does, and whether this system takes part in deletions elsewhere: `ignore` (it
 * stays where it happened), `archive` (the record is marked), `propagate` (and its objects are removed in every system
 * that says so too).
 */
export type DeletePolicy = 'ignore' | 'archive' | 'propagate';

/** Everything that a merge must know of one field in one sync. */
export interface FieldRule {
  readonly role: Role;
  readonly conflict: ConflictPolicy;
  readonly clear: ClearPolicy;
  /** True: may be filled once and never changed through this sync. */
  readonly protected: boolean;
  /** True if values like `0`, `null`, `N/A` are placeholders here and refused. */
  readonly key: boolean;
}

export type Rules = (field: string) => FieldRule;

/** The roles, protection and placeholders that come before any policy. Undefined: theirs may be taken. */
export const bar = (rule: FieldRule, theirs: Json, ours: Json): string | undefined => {
  if (rule.key && isPlaceholder(theirs) && !isEmpty(theirs)) return 'placeholder';
  if (rule.role === 'reader') return 'role reader';
  if (rule.role === 'filler' && !isEmpty(ours)) return 'role filler';
  if (rule.protected && !isEmpty(ours)) return 'protected';
  return undefined;
};

/** Who wins where both sides changed, `theirs` and `ours` being when. `hold`: neither, or a person says. */
export const winnerOf = (
  { conflict, role }: FieldRule,
  theirs: Span,
  ours: Span,
): { readonly winner: 'theirs' | 'ours' | 'hold'; readonly by: string } => {
  if (conflict === 'owner') return { winner: role === 'owner' ? 'theirs' : 'ours', by: 'owner' };
  if (conflict !== 'newest') return { winner: 'hold', by: conflict };
  if (theirs.from >= ours.to) return { winner: 'theirs', by: 'newest' };
  if (ours.from >= theirs.to) return { winner: 'ours', by: 'newest' };
  return { winner: 'hold', by: 'newest cannot tell' };
};

/** One limit of a budget: so many, or a share (0 to 1) of the objects that are linked, in a run or in any 24 hours. */
export interface Amount {
  /** As it stands in the configuration. */
  readonly text: string;
  readonly per: 'run' | 'day';
  readonly most?: number;
  readonly share?: number;
}

/** So much money, in whole minor units, in a run or in any 24 hours. */
export interface MoneyAmount {
  /** As it stands in the configuration. */
  readonly text: string;
  readonly per: 'run' | 'day';
  readonly currency: string;
  readonly most: number;
}

/** How much a sync may write before a person is asked; no limit where a list is empty. */
export interface Budget {
  readonly creates: readonly Amount[];
  readonly updates: readonly Amount[];
  readonly removes: readonly Amount[];
  /** What may be written into fields that hold money; a currency that it does not name has none. */
  readonly amount?: readonly MoneyAmount[];
}
