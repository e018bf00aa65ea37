import type { Json } from '../connector.ts';
import type { Fields, Lens } from '../mapping/lens.ts';
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
    if (state === undefined || isHeld(holds, field, state.value)) continue;
    const expected = expectedOf(link, field, shown[field]);
    if (expected === undefined) {
      const behind =
        link === null || !lens.inward.has(field) ? state.version > (link?.seen[field] ?? 0) : true;
      if (behind && !isEmpty(state.value)) result[field] = state.value;
      continue;
    }
    if (same(expected, state.value)) continue;
    if (isEmpty(state.value)) {
      if (state.version > (link?.seen[field] ?? 0)) result[field] = null;
      continue;
    }
    if (!same(expected, lens.settle(field, state.value))) result[field] = state.value;
  }
  return result;
};

const expectedOf = (link: LinkState | null, field: string, shown: Json | undefined): Json | undefined => {
  const writing = link?.written[field];
  return writing !== undefined && writing.acked && !writing.confirmed ? writing.asked : shown;
};

/** A value that a mapping refused is tried again once it has changed. */
const isHeld = (holds: readonly Hold[], field: string, ours: Json): boolean =>
  holds.some((hold) => hold.field === field && (hold.why !== 'refused' || same(hold.ours, ours)));
