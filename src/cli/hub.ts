/** What commands decide with: the engine's own syncs, which cannot reach anything from here. */
import { rulesOf } from '../config-rules.ts';
import { newId } from '../gateway.ts';
import type { View } from '../health/reports.ts';
import { hubEntities, type Installation } from '../installation.ts';
import { compile } from '../mapping/compile.ts';
import type { Hub, Sync } from '../sync/hub.ts';
import { warn } from './output.ts';

/** A hub for decisions: real syncs over kinds that can do nothing. Nothing is sent from here; the gateway does that. */
export const hubOf = (view: View, { config, mappings, entities }: Installation): Hub => {
  const syncs = Object.values(config.syncs).flatMap((sync): [string, Sync][] => {
    const document = mappings.get(sync.mapping);
    const entity = entities.get(sync.entity);
    if (document === undefined || entity === undefined) return [];
    const one: Sync = {
      name: sync.name,
      connection: sync.connection,
      lane: `${sync.connection}/${sync.kind}`,
      kindName: sync.kind,
      kind: { schema: {} },
      entity: sync.entity,
      lens: compile(document, entity, null, entities),
      rules: rulesOf(config, sync),
      inward: sync.direction !== 'out',
      outward: sync.direction !== 'in' && view.switches.isLive(sync),
      create: sync.create,
      budget: sync.budget,
      deletes: sync.deletes,
      resurrect: sync.resurrect,
      required: [],
    };
    return [[sync.name, one]];
  });
  return {
    store: view.store,
    syncs: new Map(syncs),
    entities: hubEntities(config, entities),
    now: Date.now,
    newId,
    random: Math.random,
    nudge: () => undefined,
    alarm: (subject, text) => warn(`${subject}: ${text}`),
  };
};
