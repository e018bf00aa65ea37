/** Tables for tests, and what a search makes of them. */
import { learn, type Learnt } from '../../src/identity/learn.ts';
import { bitsOf } from '../../src/identity/model.ts';
import { findPairs, type Pairs } from '../../src/identity/score.ts';
import type { Field, SortName } from '../../src/identity/sorts.ts';
import { TableBuilder, type Table } from '../../src/identity/table.ts';

/** `name:person,mobile:phone` */
export const fieldsOf = (text: string): Field[] =>
  text.split(',').map((part) => {
    const [name = '', sort = 'text'] = part.split(':');
    return { name, sort: sort as SortName };
  });

export const tableOf = (
  fields: string,
  rows: readonly (readonly string[])[],
  second: readonly (readonly string[])[] = [],
): Table => {
  const builder = new TableBuilder(fieldsOf(fields));
  for (const row of rows) builder.add(row);
  if (second.length > 0) builder.second();
  for (const row of second) builder.add(row);
  return builder.end();
};

export interface Found {
  readonly table: Table;
  readonly learnt: Learnt;
  readonly pairs: Pairs;
}

export const search = (table: Table, least = 0.85): Found => {
  const learnt = learn(table);
  return { table, learnt, pairs: findPairs(learnt, bitsOf(least)) };
};

/** Precision, recall and F1 of pairs of `size` records; `truth` by record. */
export const quality = (
  pairs: Iterable<readonly [number, number]>,
  truth: readonly unknown[],
): { precision: number; recall: number; f1: number } => {
  let [right, found] = [0, 0];
  for (const [a, b] of pairs) {
    found += 1;
    if (truth[a] === truth[b]) right += 1;
  }
  const sizes = new Map<unknown, number>();
  for (const one of truth) sizes.set(one, (sizes.get(one) ?? 0) + 1);
  const there = [...sizes.values()].reduce((sum, size) => sum + (size * (size - 1)) / 2, 0);
  const [precision, recall] = [right / Math.max(1, found), right / there];
  return {
    precision,
    recall,
    f1: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
  };
};

export const pairList = ({ a, b, bits }: Pairs, least: number): [number, number][] =>
  [...a.keys()].flatMap((i): [number, number][] =>
    (bits[i] ?? 0) >= bitsOf(least) ? [[a[i] ?? 0, b[i] ?? 0]] : [],
  );
