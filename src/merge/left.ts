import type { Json } from '../connector.ts';
import type { Fields } from '../mapping/lens.ts';
import type { Judgement } from './judgement.ts';
import { placeAt, same, type LinkState } from './record.ts';

/** Values that the mapping cannot read, or leaves alone, on the remote's side. */

export const NOT_TAKEN = 'the remote said yes and shows the old value';

/**
 * What the remote shows in these fields, which the mapping cannot take: they count as unseen in this look. A value that was
 * not there at the last look is an edit that may have known the record as it is, so that only a later change of
 * ours is written over it.
 */
export const leftThere = (
  judge: Judgement,
  fields: ReadonlySet<string>,
  before: Fields,
): Record<string, Json> => {
  const { lens, link, sight } = judge.input;
  const kept: Record<string, Json> = {};
  for (const field of fields) {
    const there = lens.pointers(field).map((pointer) => placeAt(sight.object.value, pointer));
    kept[field] = there;
    const writing = judge.written[field];
    const isOld = same(link.left?.[field] ?? null, there);
    if (!isOld) {
      judge.rows.push('left there');
      judge.seen[field] = judge.fieldVersion(field);
    }
    if (writing === undefined || writing.confirmed) continue;
    if (isOld && writing.acked) {
      judge.rows.push('not taken');
      judge.hold(field, 'not-taken', before[field] ?? null, 'not-taken', NOT_TAKEN);
    } else delete judge.written[field];
  }
  return kept;
};

export const withoutLeft = ({ left: _, ...link }: LinkState): LinkState => link;
