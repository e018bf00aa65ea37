/** Which fields are compared, as what: as asked for, else as guessed. */
import { CrosswalkError } from '../errors.ts';
import { mostFields } from '../identity/evidence.ts';
import { guessSort } from '../identity/guess.ts';
import { isSort, sortNames, type Field, type SortName } from '../identity/sorts.ts';
import { nearest } from '../mapping/nearest.ts';
import type { Asked } from './dedupe.ts';

export interface Chosen {
  readonly fields: readonly Field[];
  readonly guessed: readonly string[];
  readonly leftOut: readonly string[];
}

const hint = (name: string, known: Iterable<string>): string => {
  const near = nearest(name, known);
  return near === undefined ? '' : `; did you mean ${near}?`;
};

export const requireColumn = (name: string, known: readonly string[], file: string): number => {
  const at = known.indexOf(name);
  if (at < 0)
    throw new CrosswalkError('table-column', {
      file,
      name,
      hint: hint(name, known),
      known: known.join(', '),
    });
  return at;
};

const requireSort = (name: string): SortName => {
  if (isSort(name)) return name;
  throw new CrosswalkError('field-sort', { name, hint: hint(name, sortNames), known: sortNames.join(', ') });
};

const checkCount = (fields: readonly Field[], detail: string): void => {
  if (fields.length === 0) throw new CrosswalkError('dedupe-nothing', { detail });
  if (fields.length > mostFields)
    throw new CrosswalkError('dedupe-nothing', {
      detail: `${fields.length} fields are more than the ${mostFields} that are compared at most`,
    });
};

/**
 * `known`: the columns that there are, in order. `guess` gives the sort of one that has none, or null. Throws
 * CrosswalkError `table-column`, `field-sort` or `dedupe-nothing`.
 */
export const chooseFields = (
  asked: readonly Asked[] | null,
  known: readonly string[],
  file: string,
  guess: (name: string, at: number) => SortName | null,
): Chosen => {
  if (asked === null) {
    const all = known.map((name, at) => ({ name, sort: guess(name, at) }));
    const fields = all.flatMap(({ name, sort }): Field[] => (sort === null ? [] : [{ name, sort }]));
    const leftOut = all.filter(({ sort }) => sort === null).map(({ name }) => name);
    checkCount(fields, 'no column tells by its name or values what it is');
    return { fields, guessed: fields.map(({ name }) => name), leftOut };
  }
  const guessed: string[] = [];
  const fields = asked.map(({ name, sort }): Field => {
    const at = requireColumn(name, known, file);
    if (sort !== null) return { name, sort: requireSort(sort) };
    guessed.push(name);
    return { name, sort: guess(name, at) ?? 'text' };
  });
  const twice = fields.find(({ name }, i) => fields.findIndex((one) => one.name === name) !== i);
  if (twice !== undefined)
    throw new CrosswalkError('usage', { detail: `--fields names ${twice.name} twice` });
  checkCount(fields, 'no field is named');
  return { fields, guessed, leftOut: [] };
};

/** Guesses from some rows of a table. */
export const guessFrom =
  (rows: readonly (readonly string[])[]) =>
  (name: string, at: number): SortName | null =>
    guessSort(
      name,
      rows.map((row) => row[at] ?? ''),
    );
