import type { Lens, Reading } from '../mapping/lens.ts';
import { shows } from '../merge/lists.ts';
import type { CallItem, CallRow } from './hub.ts';

/**
 * How much an object looks like what a create sent. With an anchor in the mapping this is certain either
 * way. Without: `all` sent fields equal, or some (a person may have edited it since), or none.
 */
export const likenessOf = (lens: Lens, reading: Reading, item: CallItem): 'all' | 'some' | 'none' => {
  if (lens.anchor !== undefined) return reading.anchor === item.record ? 'all' : 'none';
  // A reference is known by the other system's id there, and tells nothing about the object itself.
  const sent = Object.entries(item.fields).filter(
    ([field, value]) => value !== null && !lens.references.has(field),
  );
  if (sent.length === 0) return 'none';
  const equal = sent.filter(([field, value]) => {
    const theirs = reading.fields[field];
    return theirs !== undefined && shows(lens, field, theirs, value);
  });
  if (equal.length === sent.length) return 'all';
  return equal.length > 0 ? 'some' : 'none';
};

/** The cause of a touch whose object a search for this create has found. */
export const foundAfter = (call: CallRow): string => `found after create ${call.id}`;
