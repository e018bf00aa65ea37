import type { Json } from '../connector.ts';
import type { Fields, Lens } from '../mapping/lens.ts';
import { listedBy, showsList, wantedThere } from './lists.ts';
import { isEmpty, same, type Hold, type LinkState, type RecordState } from './record.ts';

/**
 * The fields that a link is behind by: what its remote, as last seen or as acknowledged, shows otherwise
 * than the record. Held fields stay out; empty is written over filled only where the emptiness is newer
 * than what the remote has shown (otherwise it is a declared divergence).
 */
export const delta = (
  record: RecordState,
  link: LinkState | null,
  lens: Lens,
  holds: readonly Hold[],
): Fields => {
  const shown: Fields = link === null ? {} : lens.read(link.shadow).fields;
  const result: Fields = {};
  for (const field of lens.outward) {
    const state = record.fields[field];
    if (state === undefined || holdOn(holds, field, state.value) !== undefined) continue;
    const newer = state.version > (link?.seen[field] ?? 0);
    // Not one change of ours, but a changed mapping, may make them differ: that is written by a planned run only.
    if (!newer && isRemapped(link, lens, field, state.version)) continue;
    const expected = expectedOf(link, field, shown[field]);
    const listed = listedBy(lens, field);
    const wanted = listed === null ? state.value : wantedThere(listed, state.value, expected, newer);
    if (isBehind(lens, link, field, wanted, { newer, expected })) result[field] = wanted;
  }
  return result;
};

const isRemapped = (link: LinkState | null, lens: Lens, field: string, version: number): boolean =>
  link?.mapping !== undefined && link.mapping !== lens.hash && link.restored[field]?.version !== version;

const isBehind = (
  lens: Lens,
  link: LinkState | null,
  field: string,
  ours: Json,
  { newer, expected }: { readonly newer: boolean; readonly expected: Json | undefined },
): boolean => {
  if (expected !== undefined && same(expected, ours)) return false;
  // What the mapping cannot read there is written over by a later change of ours only.
  if (link?.left?.[field] !== undefined) return newer && isWritten(lens, field, ours);
  if (expected === undefined) {
    const unheard = link !== null && lens.inward.has(field);
    return (unheard || newer) && !isEmpty(ours) && isWritten(lens, field, ours);
  }
  if (isEmpty(ours)) return newer;
  return !isShown(lens, field, expected, ours) && isWritten(lens, field, ours);
};

const isShown = (lens: Lens, field: string, expected: Json, ours: Json): boolean => {
  const listed = listedBy(lens, field);
  if (listed === null) return same(expected, lens.settle(field, ours));
  return showsList(listed, expected, ours, 'written');
};

/** False if the mapping says that the remote keeps what it has rather than hold this value. */
const isWritten = (lens: Lens, field: string, value: Json): boolean =>
  (lens.leaves?.(field, value) ?? null) === null;

const expectedOf = (link: LinkState | null, field: string, shown: Json | undefined): Json | undefined => {
  const writing = link?.written[field];
  return writing !== undefined && writing.acked && !writing.confirmed ? writing.asked : shown;
};

/** Holds that are about the value that ours had: once it has another, that is written. */
const ofThatValue: ReadonlySet<Hold['why']> = new Set(['refused', 'remapped', 'placeholder']);

const stands = ({ why, ours: was }: Hold, ours: Json): boolean =>
  why === 'empty' ? isEmpty(ours) : !ofThatValue.has(why) || same(was, ours);

/**
 * What keeps a value from being written. What a mapping refused, or reads otherwise than it did, is tried again once ours
 * has changed; and what was not written because it was empty is written once it is not.
 */
export const holdOn = (holds: readonly Hold[], field: string, ours: Json): Hold | undefined =>
  holds.find((hold) => hold.field === field && stands(hold, ours));
