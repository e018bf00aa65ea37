import type { Hub } from './hub.ts';

/** Who may change a protected field, in words; undefined if this person, or the system of this connection, may. */
export const protectedFrom = (
  hub: Hub,
  entity: string,
  field: string,
  by: { readonly person: string; readonly connection?: string | undefined },
): string | undefined => {
  const protect = hub.entities.get(entity)?.protect ?? {};
  const allowed = Object.hasOwn(protect, field) ? protect[field] : undefined;
  const names = [by.person, `person:${by.person}`, by.connection];
  if (allowed === undefined || allowed.some((one) => names.includes(one))) return undefined;
  return allowed.length === 0 ? 'nobody' : `only ${allowed.join(', ')}`;
};
