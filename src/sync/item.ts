import type { Fields } from '../mapping/lens.ts';
import type { Hold, LinkState, RecordState } from '../merge/record.ts';
import type { Draft } from './draft.ts';
import type { CallItem, CallRow, EffectRow, Hub, Sync } from './hub.ts';

/** The item of a call; fields that the mapping cannot write are held, with the reason, and the rest goes. */
export const writable = (
  draft: Draft,
  sync: Sync,
  record: RecordState,
  link: LinkState | null,
  wanted: Fields,
): CallItem | undefined => {
  const fields = { ...wanted };
  let writing = sync.lens.write(fields, link?.shadow ?? null, link === null ? record.id : undefined);
  const bad = new Set(writing.problems.map((problem) => problem.field ?? ''));
  if (bad.size > 0) {
    const now = draft.hub.now();
    const held = [...bad]
      .filter((field) => field !== '')
      .map((field) => ({
        field,
        why: 'refused' as const,
        theirs: link === null ? null : (sync.lens.read(link.shadow).fields[field] ?? null),
        ours: record.fields[field]?.value ?? null,
        at: now,
      }));
    const at = link ?? { sync: sync.name, object: '' };
    for (const hold of held) {
      draft.put('conflict', { ...hold, record: record.id, sync: at.sync, object: at.object, open: 1 });
      delete fields[hold.field];
    }
    const entries = writing.problems.map((problem) => ({
      field: problem.field ?? '',
      verdict: 'problem' as const,
      rule: problem.message,
      ...(problem.field === undefined ? {} : { held: 'refused' as const }),
    }));
    draft.lineage(record.id, {
      cause: 'delivery',
      sync: sync.name,
      object: at.object,
      version: record.version,
      entries,
    });
    writing = sync.lens.write(fields, link?.shadow ?? null, link === null ? record.id : undefined);
  }
  if (Object.keys(fields).length === 0) return undefined;
  if (writing.notes !== undefined)
    draft.lineage(record.id, {
      cause: 'delivery',
      sync: sync.name,
      object: link?.object ?? '',
      version: record.version,
      entries: writing.notes.map(({ field, message }) => ({
        field,
        verdict: 'noted' as const,
        rule: message,
      })),
    });
  const versions = Object.fromEntries(
    Object.keys(fields).map((field) => [field, record.fields[field]?.version ?? 0]),
  );
  return {
    op: link === null ? 'create' : 'update',
    record: record.id,
    object: link?.object ?? '',
    version: record.version,
    fields,
    versions,
    value: writing.value,
    guard: link?.guard ?? null,
    sentAt: draft.hub.now(),
  };
};

/** What was held of these fields at another value (refused, read otherwise) is over: this item tries it anew. */
export const tryAnew = (
  draft: Draft,
  link: Pick<LinkState, 'sync' | 'object'>,
  holds: readonly Hold[],
  { record, version, fields }: CallItem,
): void => {
  const over = holds.filter(({ field }) => Object.hasOwn(fields, field));
  if (over.length === 0) return;
  const { sync, object } = link;
  const entries = over.map(({ field, theirs }) => ({
    field,
    verdict: 'retry' as const,
    theirs,
    rule: 'another value is tried',
  }));
  const released = over.map(({ field }) => field);
  draft.holds(record, link, [], released);
  draft.lineage(record, { cause: 'delivery', sync, object, version, entries });
};

export const callRow = (hub: Hub, sync: Sync, item: CallItem, effect: EffectRow): CallRow => {
  const id = hub.newId('c');
  const { trace = null } = effect;
  return { id, call: id, pos: 0, sync: sync.name, op: item.op, state: 'sent', at: hub.now(), item, trace };
};
