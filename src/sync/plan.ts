/**
 * A plan: what would be written. The very same engine works up to the calls on disk, in an *overlay*, which is a
 * copy of the store that is thrown away afterwards: no remote is written, and no other sync sees what it made.
 */
import type { Json, Trouble } from '../connector.ts';
import { labelOf } from '../merge/record.ts';
import type { Operation } from '../store/store.ts';
import { prepare } from './deliver.ts';
import { effectOf, linkOf, loadRecord } from './hub.ts';
import type { CallItem, CallRow, EffectRow, Hub, Sync } from './hub.ts';
import { related } from './relations.ts';

/** One write that would go out. */
export interface Planned {
  readonly sync: string;
  readonly op: CallItem['op'];
  /** The object's id there; empty for a create. */
  readonly object: string;
  readonly record: string;
  /** A name, a number, an address: whatever the record is known by. */
  readonly label: string;
  readonly fields: readonly { readonly field: string; readonly before: Json; readonly after: Json }[];
}

/** Writes that would not go out. */
export interface Withheld {
  readonly sync: string;
  /** `already`: the remote has it all. `parked`: a person must look. `waiting`: until something else has happened. */
  readonly why: 'already' | 'parked' | 'waiting';
  readonly reason: string;
}

const page = 100;

/**
 * Every effect of a sync, prepared. Only over an overlay: effects end here without having been sent. Throws the
 * Trouble of a look or a search that failed.
 */
export async function* planOf(hub: Hub, sync: Sync, run: string): AsyncGenerator<Planned | Withheld> {
  for (;;) {
    const rows = await hub.store.list('effect', 'due', {
      where: { sync: sync.name, state: 'open' },
      limit: page,
    });
    if (rows.length === 0) return;
    const effects = rows.map(effectOf);
    const called = new Set<string>();
    let trouble: Trouble | undefined;
    for await (const part of prepare(hub, sync, effects, run)) {
      trouble = part.trouble ?? trouble;
      for (const { call } of part.calls) {
        called.add(keyText(call.item));
        yield await plannedOf(hub, sync, call);
      }
    }
    if (trouble !== undefined) throw trouble;
    for (const effect of effects) if (!called.has(keyText(effect))) yield await withheldOf(hub, sync, effect);
    const write = effects.map(({ sync: name, record, object }): Operation => ({
      op: 'delete',
      table: 'effect',
      key: { sync: name, record, object },
    }));
    await hub.store.commit([{ when: [], write }]);
  }
}

const keyText = ({ record, object }: { readonly record: string; readonly object: string }): string =>
  `${record}\n${object}`;

const plannedOf = async (hub: Hub, sync: Sync, { item }: CallRow): Promise<Planned> => {
  const row =
    item.object === '' ? undefined : await hub.store.get('link', { sync: sync.name, object: item.object });
  const record = await loadRecord(hub, item.record);
  const shadow = row === undefined ? {} : linkOf(row).shadow;
  const { sync: own } = await related(hub, sync, [shadow], record);
  const shown = row === undefined ? {} : own.lens.read(shadow).fields;
  const { fields } = record;
  return {
    sync: sync.name,
    op: item.op,
    object: item.object,
    record: item.record,
    label: labelOf(item.record, fields),
    fields: Object.entries(item.fields).map(([field, after]) => ({
      field,
      before: shown[field] ?? null,
      after,
    })),
  };
};

const withheldOf = async (hub: Hub, sync: Sync, { record, object }: EffectRow): Promise<Withheld> => {
  const row = await hub.store.get('effect', { sync: sync.name, record, object });
  if (row === undefined) return { sync: sync.name, why: 'already', reason: 'the remote has it already' };
  const { state, reason } = effectOf(row);
  return {
    sync: sync.name,
    why: state === 'parked' ? 'parked' : 'waiting',
    reason: reason?.message ?? 'something else is under way on this object',
  };
};
