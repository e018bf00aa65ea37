import type { Check } from './config-check.ts';
import { dedupeSettings, thresholdFault } from './identity/settings.ts';
import { pointerOf } from './mapping/place.ts';

/** Whether what a configuration says about the search for duplicates makes sense: fields, thresholds, the system that survives. */
export const checkDedupe = (check: Check): void => {
  for (const [entity, { dedupe }] of Object.entries(check.source.entities ?? {})) {
    if (dedupe === undefined) continue;
    const at = ['entities', entity, 'dedupe'];
    check.fields(entity, dedupe.fields, [...at, 'fields']);
    const { thresholds, survivor } = dedupeSettings(dedupe);
    const fault = thresholdFault(thresholds);
    if (fault !== null) check.tell('config-shape', pointerOf([...at, 'thresholds']), { detail: fault });
    if (typeof survivor === 'object') check.connection(survivor.system, [...at, 'survivor', 'system']);
  }
};
