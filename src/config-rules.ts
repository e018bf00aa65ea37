import { entityConfig, type ByField, type Config, type EntityConfig, type SyncConfig } from './config.ts';
import { deletedField } from './merge/deletion.ts';
import type { Rules } from './merge/policy.ts';

const of = <Value>(by: ByField<Value>, field: string): Value | undefined => by[field] ?? by['*'];

const hasOwner = (config: Config, entity: EntityConfig, field: string): boolean =>
  entity.owners[field] !== undefined ||
  Object.values(config.syncs).some(
    (sync) => sync.entity === entity.name && of(sync.roles, field) === 'owner',
  );

/**
 * What the configuration says about each field in one sync. The role is the sync's own word on the field,
 * else `owner` where the entity names the connection, else the sync's `*`, else `writer`. `owner` as a policy
 * for all fields means `ask` for those that nobody owns. Of a deletion and an edit the `newest` wins where nothing else
 * is said.
 */
export const rulesOf = (config: Config, sync: SyncConfig): Rules => {
  const entity = config.entities[sync.entity] ?? entityConfig(sync.entity, {});
  const keys = new Set(entity.keys.flat());
  return (field) => {
    const owned = hasOwner(config, entity, field);
    const conflict =
      of(sync.conflict, field) ?? of(entity.conflict, field) ?? (field === deletedField ? 'newest' : 'owner');
    const mine = entity.owners[field] === sync.connection ? 'owner' : undefined;
    const mayChange = entity.protect[field];
    return {
      role: sync.roles[field] ?? mine ?? sync.roles['*'] ?? 'writer',
      conflict: conflict === 'owner' && !owned ? 'ask' : conflict,
      clear: of(entity.clear, field) ?? 'restore',
      protected: mayChange !== undefined && !mayChange.includes(sync.connection),
      // Keys and protected ids: where a placeholder would do the most harm.
      key: keys.has(field) || mayChange !== undefined,
    };
  };
};
