import { conditionWords } from './conditions.ts';
import type { RouteRule, TargetRule } from './routing.ts';
import { shown } from './schema.ts';

/** What a routing table does, in words for people. */

/** A row: what it asks, and whom or what it gives. */
export interface RowStory {
  readonly name: string;
  /** Empty where it asks nothing. */
  readonly when: string;
  readonly to: readonly string[];
}

export interface RouteStory {
  /** The field that is decided where it is empty. */
  readonly field: string;
  /** Whom its values name, by which field; null where they stand for themselves. */
  readonly among: { readonly entity: string; readonly by: string } | null;
  /** The fields that say to whom of several a record falls. */
  readonly spread: readonly string[];
  /** In order; the last is the fallback. */
  readonly rows: readonly RowStory[];
  /** Where it goes if nobody has claimed it after a time. */
  readonly unclaimed: (RowStory & { readonly after: string }) | null;
}

const targetWords = (target: TargetRule, entity: string): string => {
  if (typeof target === 'string') return target;
  const weight = target.weight === undefined ? [] : [`weight ${target.weight}`];
  if ('all' in target) return [`every ${entity} whose ${conditionWords(target.all)}`, ...weight].join(', ');
  return [
    target.who,
    ...weight,
    ...(target.from === undefined ? [] : [`from ${target.from}`]),
    ...(target.halvesIn === undefined ? [] : [`halved every ${target.halvesIn} days`]),
  ].join(', ');
};

export const routeStory = (field: string, rule: RouteRule): RouteStory => {
  const { among = null, spread = [], table, otherwise, unclaimed } = rule;
  const words = (to: readonly TargetRule[]): readonly string[] =>
    to.map((target) => targetWords(target, among?.entity ?? shown(field)));
  return {
    field,
    among,
    spread,
    rows: [
      ...table.map(({ name, if: asked, to }) => ({ name, when: conditionWords(asked), to: words(to) })),
      { name: 'otherwise', when: '', to: words(otherwise) },
    ],
    unclaimed:
      unclaimed === undefined
        ? null
        : {
            name: 'unclaimed',
            after: unclaimed.after,
            when: conditionWords(unclaimed.while),
            to: words(unclaimed.to),
          },
  };
};
