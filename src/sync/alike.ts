/**
 * Records that are like one another, found as they arrive. A model that `crosswalk dedupe --save` has learnt is kept in the
 * store, and with it an index: for each record the keys under which a few dozen others may be like it.
 *
 *   lineage since the last pass ─► each record that changed ─► its keys in the index ─► others with one of them ─► scored
 *        ─► from `review` on a candidate, explained ─► from `automatic` on, only if that is set, merged by itself
 *
 * Lineage tells what has changed, so that arriving records cost nothing more; a pass takes a few hundred of its rows.
 */
import { decide, type Decision } from '../identity/clusters.ts';
import { dedupeSettings } from '../identity/settings.ts';
import { explain, prepare, type Explanation, type Model, type Prepared } from '../identity/model.ts';
import { keysOf } from '../identity/passes.ts';
import { isStanding } from '../merge/deletion.ts';
import { isSetting, type LineageRow } from '../merge/lineage.ts';
import type { RecordState } from '../merge/record.ts';
import type { Json } from '../connector.ts';
import type { Row } from '../store/schema.ts';
import type { Operation, Store } from '../store/store.ts';
import { apartBy, candidatesOf, pairOf, raise } from './candidates.ts';
import { commit, Draft } from './draft.ts';
import { recordOf, type Hub } from './hub.ts';
import { ordered, tryMerge } from './identity.ts';
import { settingsUnder } from './switches.ts';

export const alikeLane = 'alike';

const prefix = 'model:';
/** Rows of lineage, or records to be put into the index, a pass. */
const page = 300;
/** Records under one key: where there are more the key tells nothing. */
const mostUnderKey = 100;
/** ms between two passes that found nothing to do; with and without a model. */
const pause = 5000;
const idle = 60_000;

/** A model as the store keeps it. */
export interface Kept {
  readonly entity: string;
  readonly model: Model;
  /** UTC ms when it was kept: keys of another model are another’s. */
  readonly at: number;
}

const cursorKey = (entity: string): { lane: string } => ({ lane: `${alikeLane}:${entity}` });

/** Where lineage ends now: what is told later has changed later. */
export const endOfLineage = async (store: Store): Promise<number> => {
  const [last] = await store.list('lineage', 'seq', { where: {}, newest: true, limit: 1 });
  return Number(last?.['seq'] ?? 0);
};

/** Keeps a model of the records as they were when lineage ended at `seq`: what changed since, and arrives, is compared by it. */
export const keepModel = async (
  store: Store,
  { entity, model, at }: Kept,
  seq: number,
  by: string,
): Promise<void> => {
  const row = { name: prefix + entity, value: model, at, by };
  const cursor = { ...cursorKey(entity), since: at, until: seq, page: '', run: null };
  await store.commit([
    {
      when: [],
      write: [
        { op: 'put', table: 'setting', row },
        { op: 'put', table: 'cursor', row: cursor },
      ],
    },
  ]);
};

/** What a field says as text, where it can be compared. */
export const textOf = (value: Json | undefined): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';

/** How two records agree, as a candidate keeps it: fields and levels, no values; the score in millionths. */
export const scored = ({ probability, bits, against, fields, proof }: Explanation): Row => ({
  score: Math.round(probability * 1_000_000),
  explanation: {
    bits,
    against,
    proof,
    fields: fields.map(({ field, sort, level, bits: each }) => ({ field, sort, level, bits: each })),
  },
});

const preparedOf = (model: Model, { fields }: RecordState): Prepared =>
  prepare(model, Object.fromEntries(model.fields.map(({ name }) => [name, textOf(fields[name]?.value)])));

const indexKeys = ({ model, at }: Kept, { values }: Prepared): string[] => [
  ...new Set(keysOf(model.fields, model.passes, values).map((key) => `${at.toString(36)}:${key}`)),
];

/** What the index must be given and lose so that it has a record as it is. */
const indexing = async (
  { store }: Hub,
  entity: string,
  record: string,
  keys: readonly string[],
): Promise<Operation[]> => {
  const rows = await store.list('likeness', 'record', { where: { record }, limit: 1000 });
  const known = new Set(rows.map((row) => String(row['key'])));
  return [
    ...[...known]
      .filter((key) => !keys.includes(key))
      .map((key): Operation => ({ op: 'delete', table: 'likeness', key: { entity, key, record } })),
    ...keys
      .filter((key) => !known.has(key))
      .map((key): Operation => ({ op: 'put', table: 'likeness', row: { entity, key, record } })),
  ];
};

// ---------------------------------------------------------------- one record

interface Partner {
  readonly record: RecordState;
  readonly told: Explanation;
  readonly decision: Decision | 'apart';
}

/** The records that may be like one, compared with it. */
const partnersOf = async (
  hub: Hub,
  kept: Kept,
  record: RecordState,
  keys: readonly string[],
): Promise<Partner[]> => {
  const { entity, model } = kept;
  const ids = new Set<string>();
  for (const key of keys) {
    const rows = await hub.store.list('likeness', 'key', { where: { entity, key }, limit: mostUnderKey + 2 });
    if (rows.length <= mostUnderKey + 1) for (const row of rows) ids.add(String(row['record']));
  }
  // Those that it was like before may be so no more.
  for (const { a, b, why } of await candidatesOf(hub, entity, record.id))
    if (why === 'alike') for (const id of [a, b]) ids.add(String(id));
  ids.delete(record.id);
  const rows = await hub.store.many(
    'record',
    [...ids].map((id) => ({ id })),
  );
  const own = preparedOf(model, record);
  const { thresholds } = hub.entities.get(entity)?.dedupe ?? dedupeSettings();
  return rows.flatMap((row): Partner[] => {
    const other = row === undefined ? undefined : recordOf(row);
    if (other === undefined || !isStanding(other)) return [];
    const told = explain(model, own, preparedOf(model, other));
    return [{ record: other, told, decision: decide(told.bits, told.proof !== null, thresholds) }];
  });
};

/** True if what may be merged by itself is no chain: all that are like the record are like one another, too. */
const isClose = (hub: Hub, { entity, model }: Kept, partners: readonly Partner[]): boolean => {
  const { thresholds } = hub.entities.get(entity)?.dedupe ?? dedupeSettings();
  return partners.every((one, i) =>
    partners.slice(i + 1).every((other) => {
      const { bits, proof } = explain(model, preparedOf(model, one.record), preparedOf(model, other.record));
      return proof === null && decide(bits, false, thresholds) !== 'apart';
    }),
  );
};

/** Keeps, changes and drops the candidates of a record by what the comparison says. */
const drawCandidates = async (
  draft: Draft,
  { entity }: Kept,
  { id, version }: RecordState,
  partners: readonly Partner[],
): Promise<void> => {
  const { store } = draft.hub;
  draft.expect('record', { id }, { version });
  for (const { record, told, decision } of partners) {
    const key = { ...pairOf(entity, id, record.id) };
    const row = await store.get('candidate', key);
    if (decision === 'apart') {
      if (row?.['why'] === 'alike') draft.delete('candidate', key);
    } else if (row !== undefined) draft.set('candidate', key, scored(told));
    else if ((await apartBy(draft.hub, id, record.id)) === undefined) {
      await raise(draft, entity, id, record.id, 'alike');
      draft.set('candidate', key, scored(told));
    }
  }
};

/** Looks for what is like a record, in the index as it is. False if it must be looked at again: others are at it. */
const lookAt = async (hub: Hub, kept: Kept, id: string, run: string): Promise<boolean> => {
  const row = await hub.store.get('record', { id });
  const record = row === undefined ? undefined : recordOf(row);
  if (record === undefined || record.entity !== kept.entity) return true;
  const keys = isStanding(record) ? indexKeys(kept, preparedOf(kept.model, record)) : [];
  const index = await indexing(hub, kept.entity, id, keys);
  if (index.length > 0) await hub.store.commit([{ when: [], write: index }]);
  if (!isStanding(record)) return true;
  const partners = await partnersOf(hub, kept, record, keys);
  const draft = new Draft(hub, run);
  await drawCandidates(draft, kept, record, partners);
  if (!(await commit(draft))) return false;
  const near = partners.filter(({ decision }) => decision === 'automatic' || decision === 'propose');
  const [best] = near
    .filter(({ decision }) => decision === 'automatic')
    .toSorted((a, b) => b.told.bits - a.told.bits);
  return best === undefined || !isClose(hub, kept, near) || mergeBest(hub, record, best, run);
};

/** Merges by itself: by the same way as a person's merge, told in lineage and to people. */
const mergeBest = async (
  hub: Hub,
  record: RecordState,
  { record: other, told }: Partner,
  run: string,
): Promise<boolean> => {
  const likely = told.probability.toFixed(4);
  const said = told.fields.filter(({ level }) => level !== 'missing' && level !== 'differs');
  const how = {
    by: 'merge:automatic',
    cause: `alike with ${likely}: ${said.map(({ field, level }) => `${field} ${level}`).join(', ')}`,
  };
  const outcome = await tryMerge(hub, () => ordered(hub, record.id, other.id), how, run);
  if ('is' in outcome) return outcome.is !== 'busy';
  const { survivor, loser } = outcome;
  hub.alarm(
    `merge ${record.entity}`,
    `record ${loser} was merged into ${survivor} by itself, alike with ${likely}; take it apart with: crosswalk unmerge ${loser}`,
  );
  return true;
};

// ---------------------------------------------------------------- passes

const readModels = new WeakMap<Store, Map<string, Kept>>();

const modelsOf = async ({ store }: Hub): Promise<Kept[]> => {
  const known = readModels.get(store) ?? new Map<string, Kept>();
  readModels.set(store, known);
  const rows = await settingsUnder(store, prefix);
  return rows.map((row) => {
    const entity = String(row['name']).slice(prefix.length);
    const at = Number(row['at']);
    const held = known.get(entity);
    const kept = held?.at === at ? held : { entity, at, model: row['value'] as Model };
    known.set(entity, kept);
    return kept;
  });
};

/** One pass over every entity that has a model. Resolves with the ms until the next. */
export const passAlike = async (hub: Hub, run: string): Promise<number> => {
  const models = await modelsOf(hub);
  let next = models.length === 0 ? idle : pause;
  for (const kept of models) if (await passModel(hub, kept, run)) next = 0;
  return next;
};

const passModel = async (hub: Hub, kept: Kept, run: string): Promise<boolean> => {
  const row = await hub.store.get('cursor', cursorKey(kept.entity));
  if (row === undefined) return false;
  return row['page'] === null ? passChanged(hub, kept, row, run) : passIndex(hub, kept, row);
};

/** Puts a page of the records that were there before the model into the index; they have been compared already. */
const passIndex = async (hub: Hub, kept: Kept, cursor: Row): Promise<boolean> => {
  const where = { entity: kept.entity };
  const after = String(cursor['page']);
  const rows = await hub.store.list('record', 'entity', { where, after, limit: page });
  const write: Operation[] = [];
  for (const record of rows.map(recordOf)) {
    const keys = isStanding(record) ? indexKeys(kept, preparedOf(kept.model, record)) : [];
    write.push(...(await indexing(hub, kept.entity, record.id, keys)));
  }
  const last = rows.length === page ? String(rows.at(-1)?.['id']) : null;
  write.push({ op: 'set', table: 'cursor', key: cursorKey(kept.entity), row: { page: last } });
  await hub.store.commit([{ when: [], write }]);
  return true;
};

const isChange = ({ event, entries }: LineageRow): boolean =>
  entries.some(isSetting) || event === 'merged' || event === 'unmerged' || event === 'created';

/** Looks at what has changed since the last pass. */
const passChanged = async (hub: Hub, kept: Kept, cursor: Row, run: string): Promise<boolean> => {
  const after = Number(cursor['until']);
  const rows = await hub.store.list('lineage', 'seq', { where: {}, after, limit: page });
  const last = rows.at(-1);
  if (last === undefined) return false;
  const changed = rows.filter((row) => isChange(row['body'] as LineageRow));
  for (const id of new Set(changed.map((row) => String(row['record']))))
    if (!(await lookAt(hub, kept, id, run))) return false;
  const row = { until: Number(last['seq']) };
  await hub.store.commit([
    { when: [], write: [{ op: 'set', table: 'cursor', key: cursorKey(kept.entity), row }] },
  ]);
  return true;
};
