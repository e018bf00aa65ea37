/**
 * Records that were merged into others. That a record leads to another is a field of it, `$merged`, with a value, a
 * version, a source and a time like any other: it replays and is told as they are. Its other fields stay as they were.
 */
import type { RecordState } from './record.ts';

/** No field of an entity can have this name. Its value is the id of the record that this one was merged into, or null. */
export const mergedField = '$merged';

/** Fields of the engine's own, which no mapping knows. */
export const isReserved = (field: string): boolean => field.startsWith('$');

/** The record that this one was merged into; null if it stands for itself. */
export const intoOf = ({ fields }: Pick<RecordState, 'fields'>): string | null => {
  const value = fields[mergedField]?.value;
  return typeof value === 'string' ? value : null;
};
