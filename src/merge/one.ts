/**
 * At most one: of the records that name the same other one in a field (the contacts of a customer), at most one has a
 * flag set (the main contact). Pure.
 *
 *   the flag is set on a remote, and another record has it
 *     that remote was shown that, and has the object since before    taken; the other gives way
 *     it was not, or shows the flag for the first time               conflict, by the policy of the flag
 *   a record that has the flag comes to where another has it         it gives way itself
 */
import { reachOf } from './deletion.ts';
import { hashOf, isEmpty, type FieldState, type RecordState, type Span } from './record.ts';

/** By flag: the field that names whose it is. */
export type OneRule = Readonly<Record<string, string>>;

/** Another record that has the flag. */
export interface Rival {
  readonly record: string;
  /** When it got it. */
  readonly at: Span;
  /** True if the looked-at remote has not been shown that. */
  readonly moved: boolean;
}

/** What a merge must know of flags: who has each, by key. */
export interface Ones {
  readonly rule: OneRule;
  readonly rivals: ReadonlyMap<string, Rival>;
}

/** The text under which the one record is kept that has this flag; a field's name has no blank, so that no strong key is like it. */
export const oneKey = (flag: string, named: FieldState['value']): string => `one ${flag}=${hashOf(named)}`;

/** The flags that a record has set, with their keys. A deleted one has none. */
export const onesOf = (
  rule: OneRule,
  record: RecordState,
): { readonly flag: string; readonly key: string }[] =>
  reachOf(record) !== null
    ? []
    : Object.entries(rule).flatMap(([flag, by]) => {
        const named = record.fields[by]?.value;
        if (record.fields[flag]?.value !== true || named === undefined || isEmpty(named)) return [];
        return [{ flag, key: oneKey(flag, named) }];
      });

/** The record without a flag that another has now. */
export const givenWay = (
  record: RecordState,
  flag: string,
  to: { readonly record: string; readonly version: number; readonly at: Span; readonly source: string },
) => {
  const { version, at, source } = to;
  const recent = [hashOf(true)];
  const state: FieldState = { value: false, version, at, source, recent, returns: 0, chain: 0 };
  const rule = `at most one: ${to.record} has it`;
  return {
    record: { ...record, version, fields: { ...record.fields, [flag]: state } },
    entry: {
      field: flag,
      verdict: 'yielded' as const,
      before: true,
      after: false,
      rule,
      version,
      at,
      source,
    },
  };
};
