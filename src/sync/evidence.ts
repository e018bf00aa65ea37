/** Steps that wait for their evidence (see `merge/transition.ts`): they are looked at again when it arrives. */
import { isEmpty, type Entry, type RecordState } from '../merge/record.ts';
import { mayGoOn, stepVerdict } from '../merge/transition.ts';
import type { Draft } from './draft.ts';
import { linkOf, type Hub, type Sync } from './hub.ts';
import type { StoredHint } from './intake.ts';

/** Looks again at the objects whose step waits, where what has changed in their record may let it go on. */
export const wakeSteps = async (
  draft: Draft,
  record: RecordState,
  changed: readonly string[],
): Promise<void> => {
  const { hub } = draft;
  const { transitions } = hub.entities.get(record.entity) ?? {};
  if (transitions === undefined) return;
  if (!Object.keys(transitions).some((field) => mayGoOn(transitions, field, changed))) return;
  const rows = await hub.store.list('conflict', 'record', { where: { record: record.id }, limit: 1000 });
  const waiting = rows.filter(
    (row) => row['why'] === 'transition' && mayGoOn(transitions, String(row['field']), changed),
  );
  const objects = new Map(waiting.map((row) => [`${row['sync']}\n${row['object']}`, row]));
  for (const row of objects.values()) {
    const sync = hub.syncs.get(String(row['sync']));
    if (sync === undefined) continue;
    const object = String(row['object']);
    const hint: StoredHint = { cause: 'evidence', uncounted: true, ...(await asSeen(hub, sync, object)) };
    const due = hub.now();
    draft.append('touch', { lane: sync.lane, object, due, at: due, run: draft.run, hint });
    draft.nudge(`in:${sync.lane}`);
  }
};

/** Where an object cannot be read, what it showed last is what it shows. */
const asSeen = async (
  hub: Hub,
  { name, kind }: Sync,
  object: string,
): Promise<Pick<StoredHint, 'object'>> => {
  if (kind.read !== undefined) return {};
  const row = await hub.store.get('link', { sync: name, object });
  if (row === undefined) return {};
  const { shadow, guard } = linkOf(row);
  return { object: { id: object, value: shadow, ...(guard === null ? {} : { version: guard }) } };
};

/** An alarm for each step back that was taken all the same. */
export const tellSteps = (
  hub: Hub,
  { entity, name }: Sync,
  record: RecordState,
  entries: readonly Entry[],
): void => {
  const { transitions = {} } = hub.entities.get(entity) ?? {};
  for (const { field, verdict, before = null, after = null } of entries) {
    const rule = Object.hasOwn(transitions, field) ? transitions[field] : undefined;
    if (rule?.back !== 'alarm' || verdict !== 'took' || isEmpty(before)) continue;
    const { does, why } = stepVerdict(rule, before, after, (one) => record.fields[one]?.value ?? null);
    if (does === 'alarm')
      hub.alarm(
        `transition ${record.id}.${field}`,
        `${field} of record ${record.id}: ${why}, taken from ${name}; crosswalk record ${record.id} tells more`,
      );
  }
};
