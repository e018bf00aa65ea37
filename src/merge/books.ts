/**
 * Closed books: every hint is counted where it arrives and again, once, by its verdict; every effect
 * where it is opened and once where it ends. A run whose books do not balance has failed.
 */

/** Worst first: an item that touched several fields or syncs counts by its worst verdict. */
export const verdicts = ['failed', 'parked', 'waiting', 'applied', 'echo', 'unchanged', 'filtered'] as const;
export type ItemVerdict = (typeof verdicts)[number];

export const worst = (a: ItemVerdict, b: ItemVerdict): ItemVerdict =>
  verdicts.indexOf(a) <= verdicts.indexOf(b) ? a : b;

/** The counters of a run, as stored. */
export interface Books {
  readonly read: number;
  readonly total: number | null;
  readonly open: number;
  readonly items: Readonly<Record<ItemVerdict, number>>;
  readonly effects: {
    readonly opened: number;
    readonly open: number;
    readonly delivered: number;
    readonly already: number;
    readonly superseded: number;
    readonly parked: number;
  };
}

/** Sentences that say where the books do not balance; none if they do. */
export const imbalances = (books: Books): string[] => {
  const counted = verdicts.reduce((sum, verdict) => sum + books.items[verdict], 0);
  const { opened, open, delivered, already, superseded, parked } = books.effects;
  const ended = delivered + already + superseded + parked + open;
  return [
    ...(books.read === counted + books.open
      ? []
      : [`${books.read} items were read, but ${counted} have a verdict and ${books.open} are open`]),
    ...(opened === ended ? [] : [`${opened} effects were opened, but ${ended} are accounted for`]),
    ...(books.open < 0 || open < 0 ? ['a counter fell below zero'] : []),
  ];
};
