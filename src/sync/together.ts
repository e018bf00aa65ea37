/** How many items of one pass are worked on at once: their commits share a transaction and its fsync. */
const width = 64;

/**
 * Works on all items, `width` at a time, and gives the results in their order. Only for work that waits for
 * nothing but the store; two items that touch one record are told apart by the conditions of their groups.
 * (One after the other, each commit would pay an fsync of its own.)
 */
export const together = async <Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> => {
  const results: Result[] = [];
  for (let i = 0; i < items.length; i += width) {
    results.push(...(await Promise.all(items.slice(i, i + width).map(work))));
  }
  return results;
};
