import type { JsonSchema } from '../connector.ts';
import { bind } from './bind.ts';
import { check } from './check.ts';
import { errorOf } from './document.ts';
import type { Entity, MappingDocument } from './document.ts';
import type { Lens } from './lens.ts';

/**
 * Checks a mapping and binds it once. `kind` is the kind's schema, or null where it is not known
 * (what is known of the remote is then taken on trust); `entities` are those that it names besides its own.
 * Throws the first error that `check` finds.
 */
export const compile = (
  document: MappingDocument,
  entity: Entity,
  kind: JsonSchema | null,
  entities: ReadonlyMap<string, Entity> = new Map(),
): Lens => {
  const first = check(document, { entity, kind, entities }).find((finding) => finding.severity === 'error');
  if (first !== undefined) throw errorOf(first);
  const schemas = new Map([...entities].map(([name, one]) => [name, one.schema]));
  return bind(document, entity.schema, kind, { entities: schemas });
};
