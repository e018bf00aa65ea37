/** Re-routing: what the tables of a mapping would give now, for records that they decided before or that nobody has. */
import type { Fields } from '../mapping/lens.ts';
import type { Routed, Roster, Router } from '../mapping/routing.ts';
import { reachOf } from '../merge/deletion.ts';
import { isEmpty, type RecordState } from '../merge/record.ts';
import { CrosswalkError } from '../errors.ts';
import type { Hub, Sync } from './hub.ts';
import type { Planner } from './planned.ts';
import { rosterOf } from './roster.ts';
import { drawDecisions, isContested, valuesOf } from './route.ts';

/** True if whoever has it cannot look after it: no longer active, or not known at all. */
const isOrphaned = (router: Router, field: string, fields: Fields, roster: Roster): boolean => {
  const { among } = router.rule(field);
  const all = among === undefined ? undefined : roster.of(among.entity);
  if (among === undefined || all === undefined) return false;
  const found = all.filter((one) => one[among.by] === fields[field]);
  return !found.some((one) => one['active'] !== false);
};

/**
 * What a table decides anew: where nobody has it, where whoever has it cannot look after it, and where the table gave
 * it and would now give it to somebody else. What a person or another system has given, and what was passed on because
 * nobody claimed it, stays while that colleague is active.
 */
const isOpen = (
  router: Router,
  field: string,
  record: RecordState,
  fields: Fields,
  roster: Roster,
): boolean => {
  if (isEmpty(fields[field]) || isOrphaned(router, field, fields, roster)) return true;
  const source = record.fields[field]?.source ?? '';
  return source.startsWith('route:') && !source.endsWith('/unclaimed');
};

const decideAnew = async (
  hub: Hub,
  router: Router,
  record: RecordState,
  only: string | undefined,
): Promise<readonly Routed[]> => {
  const roster = await rosterOf(hub, router);
  if (reachOf(record) !== null) return [];
  const fields: Fields = { ...valuesOf(record) };
  const made: Routed[] = [];
  for (const field of router.fields) {
    if (only !== undefined && field !== only) continue;
    if (!isOpen(router, field, record, fields, roster)) continue;
    if (await isContested(hub, record.id, field)) continue;
    const one = router.decide(field, fields, roster);
    if (one.row === null || one.value === fields[field]) continue;
    made.push(one);
    fields[field] = one.value;
  }
  return made;
};

/** Throws CrosswalkError `usage` where the sync's mapping has no tables, or none for this field. */
export const reroutePlanner = (hub: Hub, sync: Sync, field?: string): Planner => {
  const { router } = sync.lens;
  if (router === undefined || (field !== undefined && !router.fields.includes(field))) {
    const what = field === undefined ? 'has no "routes"' : `has no table that decides ${field}`;
    throw new CrosswalkError('usage', { detail: `mapping ${sync.lens.name} of sync ${sync.name} ${what}` });
  }
  return {
    kind: 'reroute',
    subject: field === undefined ? sync.name : `${sync.name}#${field}`,
    entity: sync.entity,
    propose: async (record) =>
      (await decideAnew(hub, router, record, field)).map((one) => ({
        field: one.field,
        before: record.fields[one.field]?.value ?? null,
        after: one.value,
        why: one.path,
      })),
    draw: async (draft, record, changes, cause) => {
      const wanted = new Set(changes.map((one) => one.field));
      const made = (await decideAnew(hub, router, record, field)).filter((one) => wanted.has(one.field));
      await drawDecisions(draft, sync, record, made, cause, []);
    },
  };
};
