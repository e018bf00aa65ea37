/** Which schema serves each kind that has syncs, since when, and how it differs from the one that was shipped. */
import type { Config } from '../config.ts';
import { knownSchemas, servesOf } from '../live-schemas.ts';
import type { DriftFinding } from '../mapping/drift.ts';
import type { Store } from '../store/store.ts';

export interface SchemaStatus {
  readonly connection: string;
  readonly kind: string;
  /** `live`: as the remote told it last; `kept`: as it told it before, since it cannot be asked now; `shipped`: as the connector knows it. */
  readonly serves: 'live' | 'kept' | 'shipped';
  /** ISO 8601; when the remote said so last; null for what was shipped. */
  readonly since: string | null;
  /** Why the remote could not be asked; null where it was, or cannot be asked at all. */
  readonly trouble: string | null;
  readonly drift: readonly DriftFinding[];
}

export const schemasReport = async (store: Store, { syncs }: Config): Promise<SchemaStatus[]> => {
  const known = await knownSchemas(store);
  const lanes = new Map(
    Object.values(syncs).map(({ connection, kind }) => [`${connection}/${kind}`, { connection, kind }]),
  );
  return [...lanes].map(([lane, of]): SchemaStatus => {
    const one = known.get(lane);
    if (one === undefined) return { ...of, serves: 'shipped', since: null, trouble: null, drift: [] };
    const since = one.told === null ? null : new Date(one.told).toISOString();
    return { ...of, serves: servesOf(one), since, trouble: one.trouble, drift: one.findings };
  });
};
