/**
 * Works on all items, `width` at a time, and gives the results in their order: commits made at once share a
 * transaction and its fsync. The usual width is for work that waits for nothing but the store; two items that touch one record are told apart by the conditions of their groups.
 * (One after the other, each commit would pay an fsync of its own.)
 */
export const together = async <Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
  width = 256,
): Promise<Result[]> => {
  const results: Result[] = [];
  for (let i = 0; i < items.length; i += width) {
    // All of them end before the first failure is passed on: no stray work goes on behind a pass that has failed.
    const settled = await Promise.allSettled(items.slice(i, i + width).map(work));
    for (const one of settled) {
      if (one.status === 'rejected') throw one.reason;
      results.push(one.value);
    }
  }
  return results;
};
