/**
 * Remapping: a changed mapping reads what a remote shows otherwise than the record has it, though nobody has edited
 * anything. Nothing of that moves by itself, in either direction; it is planned. Where the value came from this remote the
 * record takes it as it reads now; where it came from elsewhere the remote is written as the mapping writes it now.
 */
import type { Json } from '../connector.ts';
import type { Lens } from '../mapping/lens.ts';
import { applied, hashIn, listedBy, shows } from '../merge/lists.ts';
import { isEmpty, type FieldState, type LinkState, type RecordState } from '../merge/record.ts';
import { spansAfter } from '../merge/spans.ts';
import { linksOf, loadHolds, type Hub, type Sync } from './hub.ts';
import type { Change, Planner } from './planned.ts';
import { related } from './relations.ts';

interface Remapped extends Change {
  readonly link: LinkState;
  /** True: the record takes what the remote reads as. False: the remote is written. */
  readonly taken: boolean;
}

/** True if the field's value was brought by this link. */
const isFrom = (state: FieldState | undefined, link: LinkState): boolean =>
  state?.source === `${link.sync}/${link.object}`;

/** What the remote reads as, with what a list has besides: cells that this mapping does not read. */
const readOver = (lens: Lens, field: string, theirs: Json, ours: Json): Json => {
  const listed = listedBy(lens, field);
  return listed === null ? theirs : applied(listed, lens.settle(field, ours), theirs, ours);
};

const remappedOf = async (hub: Hub, sync: Sync, record: RecordState): Promise<readonly Remapped[]> => {
  const all: Remapped[] = [];
  for (const link of await linksOf(hub, record.id)) {
    if (link.sync !== sync.name || link.state !== 'live' || link.call !== null) continue;
    const holds = await loadHolds(hub, record.id, sync.name, link.object);
    const { sync: own } = await related(hub, sync, [link.shadow], record);
    const shown = own.lens.read(link.shadow).fields;
    const isOld = link.mapping !== undefined && link.mapping !== sync.lens.hash;
    for (const field of own.lens.inward) {
      const theirs: Json | undefined = shown[field];
      const state = record.fields[field];
      const ours = state?.value ?? null;
      const hold = holds.find((one) => one.field === field);
      // Held by a look that saw it, or not looked at yet under this mapping.
      if (hold === undefined ? !isOld : hold.why !== 'remapped') continue;
      if (theirs === undefined || isEmpty(theirs) || shows(own.lens, field, theirs, ours)) continue;
      if ((state?.version ?? 0) > (link.seen[field] ?? 0) && !isEmpty(ours)) continue;
      const taken = isEmpty(ours) || isFrom(state, link);
      if (!taken && (!own.outward || !own.lens.outward.has(field))) continue;
      const where = `${sync.connection}/${sync.kindName} ${link.object}`;
      all.push(
        taken
          ? {
              link,
              taken,
              field,
              before: ours,
              after: readOver(own.lens, field, theirs, ours),
              why: `as ${where} reads now`,
            }
          : {
              link,
              taken,
              field,
              before: theirs,
              after: ours,
              why: `written to ${where}, which reads otherwise now`,
            },
      );
    }
  }
  return all;
};

/** The planner of a sync's changed mapping. */
export const remapPlanner = (hub: Hub, sync: Sync): Planner => ({
  kind: 'remap',
  subject: sync.name,
  entity: sync.entity,
  propose: async (record) =>
    (await remappedOf(hub, sync, record)).map(({ field, before, after, why }) => ({
      field,
      before,
      after,
      why,
    })),
  draw: async (draft, record, changes, cause) => {
    const wanted = new Set(changes.map((one) => `${one.field}\n${one.why}`));
    const made = (await remappedOf(hub, sync, record)).filter((one) =>
      wanted.has(`${one.field}\n${one.why}`),
    );
    const version = record.version + 1;
    const now = hub.now();
    const at = { from: now - 1, to: now };
    const fields = { ...record.fields };
    const seen = new Map<LinkState, Record<string, number>>();
    const entries = made.map(({ field, before, after, why, taken, link }) => {
      const source = `${link.sync}/${link.object}`;
      draft.delete('conflict', { record: record.id, field, sync: link.sync, object: link.object });
      const versions = seen.get(link) ?? { ...link.seen };
      seen.set(link, versions);
      if (!taken) {
        // Behind again: what the remote was known to have seen is what the old mapping wrote.
        versions[field] = Math.min(versions[field] ?? 0, (record.fields[field]?.version ?? 1) - 1);
        return { field, verdict: 'overruled' as const, theirs: before, after, rule: why, at };
      }
      const old = record.fields[field];
      const listed = listedBy(sync.lens, field);
      const recent = old === undefined ? [] : [...old.recent, hashIn(listed, old.value)].slice(-8);
      const spans = spansAfter(listed, old, after, at);
      fields[field] = { value: after, version, at, source, recent, returns: 0, chain: 0, ...spans };
      versions[field] = version;
      return { field, verdict: 'resolved' as const, before, after, rule: why, version, at, source };
    });
    const next = { ...record, version, fields };
    await draft.record(record, next, 'claim');
    const mapping = `${sync.lens.name}@${sync.lens.hash}`;
    for (const [link, versions] of seen) {
      draft.link(link, { ...link, seen: versions });
      const own = entries.filter((_, i) => made[i]?.link === link);
      draft.lineage(record.id, {
        cause,
        sync: sync.name,
        object: link.object,
        mapping,
        version,
        entries: own,
      });
    }
    const taken = made.filter((one) => one.taken).map(({ field }) => field);
    if (taken.length > 0) await draft.promiseAll(next, taken, made.find((one) => one.taken)?.link ?? null);
    for (const link of new Set(made.filter((one) => !one.taken).map((one) => one.link)))
      await draft.promise(sync.name, next, link.object);
  },
});

/** Tells, once, of mappings that have changed since the store was last worked. */
export const tellRemapped = async (hub: Hub): Promise<void> => {
  for (const { name, lens } of hub.syncs.values()) {
    const key = { name: `mapping:${name}` };
    const before = (await hub.store.get('setting', key))?.['value'];
    if (before === lens.hash) continue;
    const row = { ...key, value: lens.hash, at: hub.now(), by: 'crosswalk' };
    await hub.store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
    if (before === undefined) continue;
    const text = `mapping ${lens.name} has changed: what it reads otherwise than before moves nothing until it is planned and approved: crosswalk remap ${name}`;
    hub.alarm(`mapping ${name}`, text);
  }
};
