/**
 * What people ask of an installation, as values: used by the commands and the API alike. Reads only, and
 * needs no gateway: a command in another process sees the same.
 */
import type { Config } from '../config.ts';
import type { Json } from '../connector.ts';
import { daysLeft, forecastOf } from '../credentials/expiry.ts';
import { CrosswalkError, type ErrorCode } from '../errors.ts';
import { imbalances } from '../merge/books.ts';
import { labelOf } from '../merge/record.ts';
import { stepVerdict } from '../merge/transition.ts';
import type { Row } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { idOf, idParts } from '../sync/decide.ts';
import { runOf, type Run } from '../sync/runs.ts';
import { allWrites, settingsUnder, type Pause, type Switches } from '../sync/switches.ts';
import { laneAges, type LaneAge } from './ages.ts';
import { quotasOf, type QuotaReport } from './quotas.ts';
import { readingsOf, type Reading } from './reading.ts';
import { schemasReport, type SchemaStatus } from './schemas.ts';

export interface View {
  readonly store: Store;
  readonly config: Config;
  readonly switches: Switches;
  now(): number;
}

export interface SyncStatus {
  readonly name: string;
  readonly connection: string;
  readonly kind: string;
  readonly entity: string;
  readonly direction: string;
  /** True: it reads and merges, and writes nothing to its remote. */
  readonly planning: boolean;
  readonly paused: Pause | null;
  readonly touches: number;
  /** ms since the oldest touch that waits arrived. */
  readonly oldest: number | null;
  readonly effects: { readonly open: number; readonly unsettled: number; readonly parked: number };
}

export interface Alarm {
  readonly subject: string;
  readonly text: string;
  readonly count: number;
  readonly first: number;
  readonly last: number;
}

export interface ExpiryStatus {
  readonly connection: string;
  readonly what: string;
  readonly ends: string;
  /** Rounded up; 0 and less: it is over. */
  readonly days: number;
}

export interface Status {
  readonly at: string;
  readonly connections: readonly {
    readonly name: string;
    readonly connector: string;
    readonly paused: Pause | null;
  }[];
  readonly syncs: readonly SyncStatus[];
  /** How long the oldest item of each lane has waited, and how long it may. */
  readonly lanes: readonly LaneAge[];
  readonly schemas: readonly SchemaStatus[];
  /** Full scans and polls that are under way. */
  readonly readings: readonly Reading[];
  /** Calls that a day allows, of connections that have such a quota. */
  readonly quotas: readonly QuotaReport[];
  readonly parked: number;
  readonly conflicts: number;
  readonly candidates: number;
  /** References that wait for what they name. */
  readonly awaited: number;
  readonly notices: { readonly open: number; readonly parked: number };
  readonly alarms: readonly Alarm[];
  /** What ends when, the soonest first, as a gateway has last seen it. */
  readonly expiries: readonly ExpiryStatus[];
  readonly runs: { readonly open: number; readonly failed: number };
}

const noticeCounts = async (store: Store): Promise<{ open: number; parked: number }> => {
  const open = await store.count('notice', 'state', { state: 'open' });
  const sending = await store.count('notice', 'state', { state: 'sending' });
  return { open: open + sending, parked: await store.count('notice', 'state', { state: 'parked' }) };
};

const syncStatus = async (view: View, sync: Config['syncs'][string]): Promise<SyncStatus> => {
  const { store, switches } = view;
  const lane = `${sync.connection}/${sync.kind}`;
  const [oldest] = await store.list('touch', 'due', { where: { lane }, limit: 1 });
  const count = (state: string): Promise<number> => store.count('effect', 'due', { sync: sync.name, state });
  return {
    name: sync.name,
    connection: sync.connection,
    kind: sync.kind,
    entity: sync.entity,
    direction: sync.direction,
    planning: sync.direction !== 'in' && !switches.isLive(sync),
    paused:
      switches.paused(sync.name) ?? switches.paused(sync.connection) ?? switches.paused(allWrites) ?? null,
    touches: await store.count('touch', 'due', { lane }),
    oldest: oldest === undefined ? null : view.now() - Number(oldest['at']),
    effects: {
      open: await count('open'),
      unsettled: await count('unsettled'),
      parked: await count('parked'),
    },
  };
};

export const alarmsOf = async (store: Store): Promise<Alarm[]> => {
  const rows = await settingsUnder(store, 'alarm:');
  return rows
    .map((row) => {
      const { text, count, first } = row['value'] as { text: string; count: number; first: number };
      return {
        subject: String(row['name']).slice('alarm:'.length),
        text,
        count,
        first,
        last: Number(row['at']),
      };
    })
    .sort((a, b) => b.last - a.last);
};

/** What is connected, waiting, parked, paused. */
export const statusReport = async (view: View): Promise<Status> => {
  const { store, config, switches } = view;
  await switches.refresh();
  const syncs = [];
  for (const sync of Object.values(config.syncs)) syncs.push(await syncStatus(view, sync));
  const notices = await noticeCounts(store);
  return {
    at: new Date(view.now()).toISOString(),
    connections: Object.values(config.connections).map(({ name, connector }) => ({
      name,
      connector,
      paused: switches.paused(name) ?? null,
    })),
    syncs,
    lanes: await laneAges(view),
    schemas: await schemasReport(store, config),
    readings: await readingsOf(
      store,
      syncs.map((sync) => `${sync.connection}/${sync.kind}`),
      view.now(),
    ),
    quotas: await quotasOf(store, Object.keys(config.connections), view.now()),
    parked:
      (await store.count('parked', 'at', {})) + (await store.count('effect', 'state', { state: 'parked' })),
    conflicts: await store.count('conflict', 'open', { open: 1 }),
    candidates: await store.count('candidate', 'at', {}),
    awaited: await store.count('awaited', 'at', {}),
    notices,
    alarms: await alarmsOf(store),
    expiries: (await forecastOf(store)).items
      .filter(({ connection }) => Object.hasOwn(config.connections, connection))
      .map((one) => ({
        connection: one.connection,
        what: one.what,
        ends: new Date(one.at).toISOString(),
        days: daysLeft(one, view.now()),
      })),
    runs: {
      open: await store.count('run', 'state', { state: 'open' }),
      failed: await store.count('run', 'state', { state: 'failed' }),
    },
  };
};

export interface RunReport extends Run {
  /** Sentences that say where the books do not balance. */
  readonly wrong: readonly string[];
}

/** The latest runs with their books. */
export const runsReport = async ({ store }: Pick<View, 'store'>, limit: number): Promise<RunReport[]> => {
  const rows = await store.list('run', 'at', { where: {}, newest: true, limit });
  return rows.map(runOf).map((run) => ({ ...run, wrong: imbalances(run) }));
};

/** One run. Throws CrosswalkError `not-there`. */
export const runReport = async ({ store }: Pick<View, 'store'>, id: string): Promise<RunReport> => {
  const row = await store.get('run', { id });
  if (row === undefined) throw new CrosswalkError('not-there', { what: 'run', id });
  const run = runOf(row);
  return { ...run, wrong: imbalances(run) };
};

// ---------------------------------------------------------------- what waits for a person

export interface ParkedReport {
  /** `item:…` (an object that could not be read in), `effect:…` (a write that was refused), `notice:…`. */
  readonly id: string;
  readonly what: 'item' | 'effect' | 'notice';
  readonly where: string;
  readonly code: string;
  readonly message: string;
  /** What to do. */
  readonly remedy: string;
  readonly at: number;
  readonly input: Json;
}

/** What is said of a parked thing by its code; the rest has a remedy of its own kind. */
const REMEDIES: Readonly<Record<string, ErrorCode>> = {
  'not-covered': 'parked-not-covered',
  type: 'parked-unfit',
  format: 'parked-unfit',
  step: 'parked-unfit',
  overflow: 'parked-overflow',
  required: 'parked-required',
  when: 'parked-when',
};

const withRemedy = (report: Omit<ParkedReport, 'remedy'>): ParkedReport => {
  const { id, code, message, what } = report;
  const own = what === 'item' && Object.hasOwn(REMEDIES, code) ? REMEDIES[code] : undefined;
  const { remedy } = new CrosswalkError(own ?? 'parked-other', { id, message });
  return { ...report, remedy };
};

const itemReport = (row: Row): ParkedReport =>
  withRemedy({
    id: `item:${row['id']}`,
    what: 'item',
    where: `${row['lane']}/${row['object']}`,
    code: String(row['code']),
    message: String(row['message']),
    at: Number(row['at']),
    input: row['input'] as Json,
  });

const effectReport = (row: Row): ParkedReport =>
  withRemedy({
    id: `effect:${idOf(String(row['sync']), String(row['record']), String(row['object']))}`,
    what: 'effect',
    where: `${row['sync']}/${row['object'] === '' ? '(to be created)' : row['object']} of ${row['record']}`,
    ...reasonOf(row),
    at: Number(row['at']),
    input: { record: String(row['record']), sync: String(row['sync']), object: String(row['object']) },
  });

const noticeReport = (row: Row): ParkedReport =>
  withRemedy({
    id: `notice:${row['id']}`,
    what: 'notice',
    where: `${row['notice']} to ${row['connection']}`,
    ...reasonOf(row),
    at: Number(row['at']),
    input: { text: String(row['text']) },
  });

/** One thing that waits for a person, by the id that `parkedReport` gave it. Throws CrosswalkError `not-there`. */
export const parkedOne = async ({ store }: Pick<View, 'store'>, id: string): Promise<ParkedReport> => {
  const at = id.indexOf(':');
  const [what, rest] = [id.slice(0, at), id.slice(at + 1)];
  const [sync = '', record = '', object = ''] = what === 'effect' ? idParts(rest) : [];
  const found =
    what === 'item'
      ? await store.get('parked', { id: rest })
      : what === 'effect'
        ? await store.get('effect', { sync, record, object })
        : await store.get('notice', { id: rest });
  const waits = found !== undefined && (what === 'item' || found['state'] === 'parked');
  if (!waits) throw new CrosswalkError('not-there', { what: 'parked item', id });
  return what === 'item' ? itemReport(found) : what === 'effect' ? effectReport(found) : noticeReport(found);
};

export const parkedReport = async ({ store }: Pick<View, 'store'>, limit = 500): Promise<ParkedReport[]> => {
  const items = await store.list('parked', 'at', { where: {}, newest: true, limit });
  const effects = await store.list('effect', 'state', { where: { state: 'parked' }, limit });
  const notices = await store.list('notice', 'state', { where: { state: 'parked' }, limit });
  return [
    // A parked message stands in both tables; it is listed as a notice.
    ...items.filter((row) => !String(row['lane']).startsWith('say:')).map(itemReport),
    ...effects.map(effectReport),
    ...notices.map(noticeReport),
  ].sort((a, b) => b.at - a.at);
};

const reasonOf = (row: Row): { code: string; message: string } => {
  const { code, message } = (row['reason'] ?? {}) as { code?: string; message?: string };
  return { code: code ?? 'parked', message: message ?? '' };
};

export interface ConflictReport {
  readonly id: string;
  readonly record: string;
  /** A name, a number, an address: whatever the record is known by. */
  readonly label: string;
  readonly field: string;
  readonly sync: string;
  readonly object: string;
  readonly why: string;
  readonly ours: Json;
  readonly theirs: Json;
  readonly at: number;
  /** Of a step that waits: what was skipped or is missing, and what to do. */
  readonly message?: string;
  readonly remedy?: string;
}

/** What a step that waits is told by, as the record is now. */
const waitingStep = (
  { entities }: Config,
  entity: string,
  fields: Readonly<Record<string, { readonly value: Json }>>,
  held: Pick<ConflictReport, 'id' | 'record' | 'field' | 'sync' | 'object' | 'theirs'>,
): Pick<ConflictReport, 'message' | 'remedy'> => {
  const { id, record, field, sync, object, theirs } = held;
  const rule = entities[entity]?.transitions[field];
  const valueOf = (name: string): Json => fields[name]?.value ?? null;
  const why = rule === undefined ? '' : stepVerdict(rule, valueOf(field), theirs, valueOf).why;
  const detail = why === '' ? 'no rule forbids it any more; the next look at it takes it' : why;
  const { message, remedy } = new CrosswalkError('transition-waits', {
    id,
    record,
    field,
    sync,
    object,
    detail,
  });
  return { message, remedy };
};

/** Fields that wait for a decision; with `all`, declared divergences too. */
export const conflictsReport = async (
  { store, config }: Pick<View, 'store' | 'config'>,
  all = false,
  limit = 500,
): Promise<ConflictReport[]> => {
  const open = await store.list('conflict', 'open', { where: { open: 1 }, limit });
  const declared = all ? await store.list('conflict', 'open', { where: { open: 0 }, limit }) : [];
  const found: ConflictReport[] = [];
  for (const row of [...open, ...declared]) {
    const [record, field, sync, object] = ['record', 'field', 'sync', 'object'].map((name) =>
      String(row[name]),
    ) as [string, string, string, string];
    const stored = await store.get('record', { id: record });
    const fields = (stored?.['fields'] ?? {}) as Record<string, { value: Json }>;
    const held = { id: idOf(record, field, sync, object), record, field, sync, object };
    const theirs = row['theirs'] as Json;
    found.push({
      ...held,
      label: labelOf(record, fields),
      why: String(row['why']),
      ours: fields[field]?.value ?? null,
      theirs,
      at: Number(row['at']),
      ...(row['why'] === 'transition'
        ? waitingStep(config, String(stored?.['entity']), fields, { ...held, theirs })
        : {}),
    });
  }
  return found;
};
