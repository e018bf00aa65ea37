/**
 * How long the oldest item of each lane has waited, against the age that is promised for it. Read from the store and
 * from nothing else: neither the dispatcher nor a lane has a say in whether it is late.
 */
import type { Config, SyncConfig } from '../config.ts';
import type { Row } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { arrivedLane } from '../sync/relations.ts';
import { allWrites, type Pause, type Switches } from '../sync/switches.ts';

export interface LaneAge {
  /** `in:<connection>/<kind>`, `out:<sync>`, `say:<connection>`, `arrived`. */
  readonly lane: string;
  /** ms that its oldest item has waited; null if nothing waits. */
  readonly oldest: number | null;
  /** ms that an item may wait. */
  readonly promised: number;
  /** `paused` and `planning` lanes wait because somebody wants them to: they are not late. */
  readonly state: 'well' | 'late' | 'paused' | 'planning';
  /** Of a pause; or what the oldest item says that it waits for. */
  readonly why: string | null;
}

export interface AgesView {
  readonly store: Store;
  readonly config: Config;
  readonly switches: Switches;
  now(): number;
}

/** Messages and references have no sync that promises anything. */
const otherPromise = 15 * 60_000;
/** What is due later than this waits on purpose. */
const soon = 10_000;
/** Rows that are looked at from the front of a lane. A touch may hold a whole object, an effect holds none. */
const mostTouches = 10;
const mostEffects = 50;

/** Effects that wait for a first reading, or for what a reference names, wait on purpose. */
const onPurpose: ReadonlySet<string> = new Set(['first-reading', 'reference']);

interface Oldest {
  readonly at: number;
  readonly why: string | null;
}

const oldestOf = (rows: readonly Row[]): Oldest | null =>
  rows.reduce<Oldest | null>((oldest, row) => {
    const { code = '', message = null } = (row['reason'] ?? {}) as { code?: string; message?: string };
    // What waits on purpose is to be looked at again at its time: it is as old as that is overdue.
    const at = Number(row[onPurpose.has(code) ? 'due' : 'at']);
    return oldest === null || at < oldest.at ? { at, why: message } : oldest;
  }, null);

/** The front of a lane by due time: whatever stands still comes there, and stays there. */
const oldestTouch = async ({ store, now }: AgesView, lane: string): Promise<Oldest | null> => {
  const rows = await store.list('touch', 'due', { where: { lane }, upTo: now() + soon, limit: mostTouches });
  return oldestOf(rows);
};

const oldestEffect = async ({ store }: AgesView, sync: string): Promise<Oldest | null> => {
  const rows: Row[] = [];
  for (const state of ['open', 'unsettled'])
    rows.push(...(await store.list('effect', 'due', { where: { sync, state }, limit: mostEffects })));
  return oldestOf(rows);
};

const oldestMessage = async ({ store }: AgesView, connection: string): Promise<Oldest | null> =>
  oldestOf(await store.list('notice', 'due', { where: { connection, state: 'open' }, limit: 1 }));

const ageOf = (
  view: AgesView,
  lane: string,
  promised: number,
  oldest: Oldest | null,
  pause: Pause | undefined,
): LaneAge => {
  const age = oldest === null ? null : Math.max(0, view.now() - oldest.at);
  if (pause !== undefined) return { lane, oldest: age, promised, state: 'paused', why: pause.why };
  const state = age !== null && age > promised ? 'late' : 'well';
  return { lane, oldest: age, promised, state, why: oldest?.why ?? null };
};

/** A lane is paused with its connection, or where every sync of it is held because its mapping does not fit. */
const pauseOfLane = ({ switches }: AgesView, syncs: readonly SyncConfig[]): Pause | undefined => {
  const held = syncs.map(({ name }) => switches.paused(name)).filter((pause) => pause?.cause === 'drift');
  return switches.paused(syncs[0]?.connection ?? '') ?? (held.length === syncs.length ? held[0] : undefined);
};

const inward = async (view: AgesView): Promise<LaneAge[]> => {
  const lanes = new Map<string, SyncConfig[]>();
  for (const sync of Object.values(view.config.syncs)) {
    const lane = `${sync.connection}/${sync.kind}`;
    lanes.set(lane, [...(lanes.get(lane) ?? []), sync]);
  }
  const ages: LaneAge[] = [];
  for (const [lane, syncs] of lanes) {
    const promised = Math.min(...syncs.map(({ promise }) => promise));
    const oldest = await oldestTouch(view, lane);
    ages.push(ageOf(view, `in:${lane}`, promised, oldest, pauseOfLane(view, syncs)));
  }
  return ages;
};

const outward = async (view: AgesView): Promise<LaneAge[]> => {
  const { switches, config } = view;
  const ages: LaneAge[] = [];
  for (const sync of Object.values(config.syncs)) {
    if (sync.direction === 'in') continue;
    const lane = `out:${sync.name}`;
    const pause =
      switches.paused(sync.name) ?? switches.paused(sync.connection) ?? switches.paused(allWrites);
    const age = ageOf(view, lane, sync.promise, await oldestEffect(view, sync.name), pause);
    const isPlanning = pause === undefined && !switches.isLive(sync);
    ages.push(isPlanning ? { ...age, state: 'planning', why: null } : age);
  }
  return ages;
};

/** Every lane in which something can wait. Costs a few short questions for each. */
export const laneAges = async (view: AgesView): Promise<LaneAge[]> => {
  const { config, switches } = view;
  const ages = [...(await inward(view)), ...(await outward(view))];
  const { to } = config.alarms;
  const speakers = new Set([
    ...Object.values(config.notices).map((notice) => notice.to),
    ...(to ? [to] : []),
  ]);
  for (const name of speakers) {
    const oldest = await oldestMessage(view, name);
    ages.push(ageOf(view, `say:${name}`, otherPromise, oldest, switches.paused(name)));
  }
  const arrived = await oldestTouch(view, arrivedLane);
  if (arrived !== null) ages.push(ageOf(view, arrivedLane, otherPromise, arrived, undefined));
  return ages;
};

const span = (ms: number): string =>
  ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;

/** In words, for a lane that is late. */
export const lateWords = ({ lane, oldest, promised, why }: LaneAge): string =>
  `its oldest item has waited ${span(oldest ?? 0)}, and ${span(promised)} is promised${why === null ? '' : ` (${why})`}. ${lateRemedy(lane)}`;

/** What to do about a late lane. */
export const lateRemedy = (lane: string): string => {
  const [what = '', name = ''] = lane.split(':');
  const connection = name.split('/')[0] ?? '';
  if (what === 'out')
    return `See its alarms and what the remote answers: crosswalk status, crosswalk doctor. If the remote is only slow, raise syncs.${name}.promise`;
  if (what === 'in' || what === 'poll')
    return `See what ${connection} answers and whether the gateway keeps up: crosswalk status, crosswalk doctor`;
  return 'See whether the gateway runs and what its alarms say: crosswalk status, crosswalk doctor';
};
