/** What may be said of a call at the moment when it reaches a remote. */
import { deletedField } from '../merge/deletion.ts';
import { recordOf, type CallItem } from '../sync/hub.ts';
import type { Joining } from './joining.ts';
import type { ToySystem } from './toy.ts';
import type { World } from './world.ts';

/** What waits for a person is not removed meanwhile. */
const removedWrongly = async (
  world: World,
  system: ToySystem,
  call: string,
  { record, object }: CallItem,
): Promise<string[]> => {
  const key = { record, field: deletedField, sync: system.traits.name, object };
  const held = await world.store.get('conflict', key);
  return held === undefined ? [] : [`deletion: ${call} removes ${object}, about which a person is asked`];
};

/** P2, doubles and what is made of deleted records: sentences; none is good. */
export const sentWrongly = async (
  world: World,
  joining: Joining,
  system: ToySystem,
  call: string,
): Promise<readonly string[]> => {
  const row = await world.store.get('call', { id: call });
  // Nothing waits for this look: where a store answers late the call may be done and gone by then. Its commit was seen.
  const known = world.options.store === undefined ? undefined : world.calls.get(call);
  const item = (row?.['item'] as CallItem | undefined) ?? known;
  if (item === undefined) return [`P2: ${call} was sent but is not on disk`];
  world.sent.set(call, item);
  if (item.op === 'remove') return removedWrongly(world, system, call, item);
  if (item.op !== 'create') return [];
  const doubled = await joining.doubled(system, item.fields['email'], world.store);
  const stored = await world.store.get('record', { id: item.record });
  const deletion = stored === undefined ? undefined : recordOf(stored).fields[deletedField];
  // What was deleted only after the call was on disk could not be known.
  const isDead = deletion !== undefined && deletion.value !== null && deletion.version <= item.version;
  return [
    ...(doubled === undefined ? [] : [doubled]),
    ...(isDead ? [`created for a deleted record: ${item.record} in ${system.traits.name} by ${call}`] : []),
  ];
};
