/** Repairs: a value computed for selected records of an entity, as a planned run. */
import type { Json, JsonObject } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { firstFailure, type Conditions } from '../mapping/conditions.ts';
import type { Entity } from '../mapping/document.ts';
import type { Evaluate } from '../mapping/expressions.ts';
import { validatorOf } from '../mapping/schema.ts';
import { isPlaceholder } from '../merge/guard.ts';
import { hashIn } from '../merge/lists.ts';
import { same, type FieldState, type RecordState } from '../merge/record.ts';
import { spansAfter } from '../merge/spans.ts';
import { linksOf, listedOf, type Hub } from './hub.ts';
import type { Change, Planner } from './planned.ts';
import { isContested, valuesOf } from './route.ts';

/** What a repair is about: kept with its plan, so that an approval computes it anew. */
export interface Repair {
  readonly entity: string;
  readonly field: string;
  /** JSONata over the record's fields, its `id`, and `links`: by connection, the object's id there. */
  readonly expression: string;
  /** Which records. */
  readonly where: Conditions;
}

/** What an expression sees of a record. */
const inputOf = async (hub: Hub, record: RecordState): Promise<JsonObject> => {
  const links: JsonObject = {};
  for (const { sync, object, state } of await linksOf(hub, record.id)) {
    const connection = hub.syncs.get(sync)?.connection;
    if (connection !== undefined && state === 'live') links[connection] = object;
  }
  return { ...valuesOf(record), id: record.id, links };
};

/** Throws CrosswalkError `repair-value` where the expression fails, or gives what the field cannot hold. */
const computed = async (
  hub: Hub,
  entity: Entity,
  repair: Repair,
  record: RecordState,
  evaluate: Evaluate,
): Promise<Json> => {
  const result = await evaluate(repair.expression, await inputOf(hub, record));
  const refuse = (detail: string): CrosswalkError =>
    new CrosswalkError('repair-value', { record: record.id, field: repair.field, detail });
  const { fault, value = null } = result;
  if (typeof fault === 'string') throw refuse(fault);
  if (value === null) return null;
  const wrong = validatorOf(entity.fields.get(repair.field) ?? {}, entity.schema)(value);
  if (wrong !== null) throw refuse(`what it gives ${wrong.expected}`);
  return value;
};

/**
 * The planner of a repair. A record whose field waits for a person is left alone, and so is a value that is `guarded`:
 * a protected field is filled once; what stands there for "none" does not count.
 */
export const repairPlanner = (
  hub: Hub,
  entity: Entity,
  repair: Repair,
  guarded: boolean,
  evaluate: Evaluate,
): Planner => {
  const propose = async (record: RecordState): Promise<readonly Change[]> => {
    if (firstFailure(repair.where, valuesOf(record)) !== null) return [];
    if (await isContested(hub, record.id, repair.field)) return [];
    const before = record.fields[repair.field]?.value ?? null;
    if (guarded && !isPlaceholder(before)) return [];
    const after = await computed(hub, entity, repair, record, evaluate);
    // Nothing comes of an expression that gives nothing: a repair fills, it does not empty.
    if (after === null || same(before, after)) return [];
    return [{ field: repair.field, before, after, why: repair.expression }];
  };
  return {
    kind: 'repair',
    subject: JSON.stringify(repair),
    entity: repair.entity,
    propose,
    draw: async (draft, record, changes, cause) => {
      const version = record.version + 1;
      const now = hub.now();
      const at = { from: now - 1, to: now };
      const source = cause;
      const fields = { ...record.fields };
      const entries = changes.map(({ field, before, after, why }) => {
        const old = record.fields[field];
        const listed = listedOf(hub, record.entity, field);
        const state: FieldState = {
          value: after,
          version,
          at,
          source,
          recent: old === undefined ? [] : [...old.recent, hashIn(listed, old.value)].slice(-8),
          returns: 0,
          chain: 0,
          ...spansAfter(listed, old, after, at),
        };
        fields[field] = state;
        return {
          field,
          verdict: 'resolved' as const,
          before,
          after,
          rule: `computed: ${why}`,
          version,
          at,
          source,
        };
      });
      const after = { ...record, version, fields };
      await draft.record(record, after, 'claim');
      draft.lineage(record.id, { cause, version, entries });
      for (const { field, before, after: value } of changes)
        if (entity.history.has(field))
          draft.append('transition', {
            record: record.id,
            entity: record.entity,
            field,
            before,
            after: value,
            at: now,
            by: source,
            how: 'repaired',
          });
      await draft.promiseAll(
        after,
        changes.map(({ field }) => field),
        null,
      );
    },
  };
};
