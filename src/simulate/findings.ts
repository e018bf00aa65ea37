/** What a course of events over an installation showed, per sync and field, told from the store and the models. */
import { imbalances } from '../merge/books.ts';
import { deletedField, isStanding } from '../merge/deletion.ts';
import { replayDifferences, type LineageRow } from '../merge/lineage.ts';
import { same, type RecordState } from '../merge/record.ts';
import { linkOf, recordOf } from '../sync/hub.ts';
import { runOf } from '../sync/runs.ts';
import type { Row } from '../store/schema.ts';
import type { Installed, Side } from './installation.ts';

/** Counts of one field at one sync. */
export interface FieldFigures {
  /** Edits of people there. */
  edits: number;
  /** A person would be asked which value holds. */
  asked: number;
  /** An edit there was put back: a role, a protected field, a clearing that is restored. */
  restored: number;
  /** Values that the mapping or the remote refuses. */
  refused: number;
  /** Writes that the remote did not take. */
  notTaken: number;
  /** The value came back again and again, with no person between. */
  oscillated: number;
  /** Objects that showed another value than their record at rest, with nobody asked about it. */
  apart: number;
  /** Why one of them was refused. */
  refusal?: string;
  /** Writes there, and edits elsewhere, while each edit came to rest before the next. */
  writes: number;
  changes: number;
}

export interface SyncFigures {
  readonly fields: Record<string, FieldFigures>;
  /** By reason, with one of the messages. */
  readonly parked: Record<string, { count: number; message: string }>;
  writes: number;
  changes: number;
  doubled: number;
}

/** A field that does not settle: it goes back and forth, or one edit alone could not be brought to the others. */
export interface Fight {
  readonly field: string;
  /** Two, or one where a remote by itself undoes what is written to it. */
  readonly syncs: readonly string[];
  readonly why: keyof typeof whys;
}

export interface Findings {
  readonly syncs: Record<string, SyncFigures>;
  readonly fights: Fight[];
  /** What is wrong, in sentences, each once. */
  readonly wrong: Set<string>;
  /** Seeds that came to rest. */
  rested: number;
}

const all = 1_000_000;

export const noFindings = (): Findings => ({ syncs: {}, fights: [], wrong: new Set(), rested: 0 });

const syncIn = ({ syncs }: Findings, name: string): SyncFigures =>
  (syncs[name] ??= { fields: {}, parked: {}, writes: 0, changes: 0, doubled: 0 });

export const fieldIn = (findings: Findings, sync: string, field: string): FieldFigures =>
  (syncIn(findings, sync).fields[field] ??= {
    edits: 0,
    asked: 0,
    restored: 0,
    refused: 0,
    notTaken: 0,
    oscillated: 0,
    apart: 0,
    writes: 0,
    changes: 0,
  });

/** People have changed a field, or filed an object (`''`), at a sync: what that means to the other syncs of its entity. */
export const countChange = (findings: Findings, world: Installed, { sync }: Side, field: string): void => {
  for (const other of world.sides) {
    if (other.sync === sync || other.sync.entity !== sync.entity || !other.sync.outward) continue;
    if (field === '' ? !other.sync.create : !other.sync.lens.outward.has(field)) continue;
    syncIn(findings, other.sync.name).changes += 1;
    if (field !== '') fieldIn(findings, other.sync.name, field).changes += 1;
  }
};

const counted = {
  asked: 'asked',
  restored: 'restored',
  overruled: 'restored',
  oscillation: 'oscillated',
} as const;
const refusing = { refused: 'refused', problem: 'refused', 'not-taken': 'notTaken' } as const;
const figureOf: Readonly<Record<string, Exclude<keyof FieldFigures, 'refusal'>>> = {
  ...counted,
  ...refusing,
};

const whys = {
  oscillation: 'it goes back and forth',
  'not-taken': 'one edit alone was written, and did not stay',
  asked: 'one edit alone would ask a person',
} as const;

/** While one edit after the other comes to rest, none of these has a cause but the systems themselves. */
const isFight = (verdict: string): verdict is Fight['why'] => Object.hasOwn(whys, verdict);

const tellFight = (findings: Findings, field: string, syncs: readonly string[], why: Fight['why']): void => {
  const sides = syncs.toSorted();
  const text = `${field} never settles ${sides.length > 1 ? 'between' : 'in'} ${sides.join(' and ')}: ${whys[why]}`;
  if (!findings.wrong.has(text)) findings.fights.push({ field, syncs: sides, why });
  findings.wrong.add(text);
};

/** The story of one record. */
const tellRecord = (findings: Findings, rows: readonly Row[], calmUntil: number): void => {
  /** By field: which syncs brought its values, the last one last. */
  const brought = new Map<string, string[]>();
  for (const row of rows) {
    const { sync, entries } = row['body'] as LineageRow;
    if (sync === undefined) continue;
    for (const { field, verdict, rule } of entries) {
      if (verdict === 'took') brought.set(field, [...(brought.get(field) ?? []), sync]);
      const figure = figureOf[verdict];
      if (figure === undefined) continue;
      const own = fieldIn(findings, sync, field === deletedField ? 'deletion' : field);
      own[figure] += 1;
      if (figure === 'refused' && rule !== undefined) own.refusal = rule;
      if (field === deletedField || !isFight(verdict) || Number(row['at']) > calmUntil) continue;
      const other = brought.get(field)?.findLast((name) => name !== sync);
      tellFight(findings, field, other === undefined ? [sync] : [sync, other], verdict);
    }
  }
};

/** Fields of a record that a system shows otherwise than the record has them, though nobody is asked about it. */
const tellApart = async (findings: Findings, world: Installed, record: RecordState): Promise<void> => {
  const { store } = world;
  if (!isStanding(record)) return;
  const where = { record: record.id };
  const links = (await store.list('link', 'record', { where, limit: all })).map(linkOf);
  const held = await store.list('conflict', 'record', { where, limit: all });
  const effects = await store.list('effect', 'record', { where, limit: all });
  for (const link of links) {
    const side = world.sides.find(({ sync }) => sync.name === link.sync);
    const object = side?.model.objects.get(link.object);
    if (side === undefined || object === undefined || object.deleted || link.state !== 'live') continue;
    const { lens, outward, name } = side.sync;
    const of = { where: { lane: side.sync.lane, object: link.object }, limit: 1 };
    const isParked = effects.some((row) => row['sync'] === name && row['object'] === link.object);
    if (!outward || isParked || (await store.list('parked', 'lane', of)).length > 0) continue;
    const { fields } = lens.read(object.value);
    const isHeld = (field: string): boolean =>
      held.some((row) => row['field'] === field && row['sync'] === name && row['object'] === link.object);
    for (const field of lens.outward.intersection(lens.inward)) {
      const ours = record.fields[field]?.value ?? null;
      const theirs = fields[field] ?? null;
      if (same(ours, theirs) || same(lens.settle(field, ours), theirs) || lens.leaves?.(field, ours))
        continue;
      if (lens.references.has(field) || isHeld(field)) continue;
      fieldIn(findings, name, field).apart += 1;
      findings.wrong.add(`${field} in ${name} is not what the record has, and nobody is asked`);
    }
  }
};

/** Alive objects of one sync that the gateway has made for one record. */
const doubles = (findings: Findings, world: Installed): void => {
  for (const model of world.models.values()) {
    const made = new Map<string, number>();
    for (const { createdBy } of model.live()) {
      const record = createdBy === null ? undefined : world.creates.get(createdBy);
      if (record !== undefined) made.set(record, (made.get(record) ?? 0) + 1);
    }
    for (const count of made.values()) {
      if (count < 2) continue;
      const side = world.sides.find((one) => one.model === model);
      if (side === undefined) continue;
      syncIn(findings, side.sync.name).doubled += 1;
      findings.wrong.add(`${side.sync.name} got an object twice`);
    }
  }
};

const parked = async (findings: Findings, world: Installed): Promise<void> => {
  const park = (sync: string, code: string, message: string): void => {
    const own = (syncIn(findings, sync).parked[code] ??= { count: 0, message });
    own.count += 1;
  };
  for (const row of await world.store.list('effect', 'state', { where: { state: 'parked' }, limit: all })) {
    const reason = row['reason'] as { readonly code: string; readonly message: string } | null;
    park(String(row['sync']), reason?.code ?? 'parked', reason?.message ?? '');
  }
  for (const { sync, model } of world.sides) {
    const rows = await world.store.list('parked', 'lane', { where: { lane: model.lane }, limit: all });
    for (const row of rows) park(sync.name, String(row['code']), String(row['message']));
  }
};

const books = async (findings: Findings, world: Installed): Promise<void> => {
  const runs = await world.store.list('run', 'at', { where: {}, limit: all });
  for (const run of runs.map(runOf))
    for (const text of imbalances(run))
      findings.wrong.add(`the books of ${run.subject} do not balance: ${text}`);
};

/** Reads everything that a course has left behind; `rested` says whether it came to rest. */
export const tellInstalled = async (findings: Findings, world: Installed, rested: boolean): Promise<void> => {
  if (rested) findings.rested += 1;
  for (const { sync, edits, writes } of world.sides) {
    const own = syncIn(findings, sync.name);
    for (const [field, count] of edits) fieldIn(findings, sync.name, field).edits += count;
    for (const [field, count] of writes)
      if (field === '') own.writes += count;
      else fieldIn(findings, sync.name, field).writes += count;
  }
  const entities = new Set(world.sides.map(({ sync }) => sync.entity));
  for (const entity of entities) {
    const rows = await world.store.list('record', 'entity', { where: { entity }, limit: all });
    for (const record of rows.map(recordOf)) {
      const lineage = await world.store.list('lineage', 'record', {
        where: { record: record.id },
        limit: all,
      });
      const told = lineage.map((row) => row['body'] as LineageRow);
      tellRecord(findings, lineage, world.calmUntil);
      if (rested) await tellApart(findings, world, record);
      if (replayDifferences(record, told).length > 0)
        findings.wrong.add(`the lineage of a record of ${entity} does not lead to what is stored`);
    }
  }
  doubles(findings, world);
  await parked(findings, world);
  await books(findings, world);
};
