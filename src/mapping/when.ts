import type { MappingDocument } from './document.ts';
import { sameValue } from './place.ts';
import { shown } from './schema.ts';

/** Mappings that share a kind: each object must be one mapping's at most. */

/**
 * Why two mappings of one kind may both take an object, as the rest of a sentence about the first; null if they cannot,
 * or if neither says which objects it is for (each then takes all, as two entities made of one object do).
 */
export const clashOf = (one: MappingDocument, other: MappingDocument): string | null => {
  if (one.when === undefined) return null;
  if (other.when === undefined) return `mapping ${other.name} of the same kind takes every object`;
  if (one.when.at !== other.when.at)
    return `mapping ${other.name} of the same kind decides by ${other.when.at}, so that both may take an object`;
  const theirs = other.when.is;
  const both = one.when.is.find((value) => theirs.some((their) => sameValue(value, their)));
  return both === undefined ? null : `mapping ${other.name} of the same kind takes ${shown(both)} too`;
};
