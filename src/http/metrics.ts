/**
 * Prometheus metrics of one gateway, in a registry of their own. Labels are names from the configuration and words of
 * ours, never ids and never what a person wrote: their number is known beforehand.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Gateway } from '../gateway.ts';
import { laneAges } from '../health/ages.ts';
import { figuresOf, mostCounted } from '../health/figures.ts';
import { schemasReport } from '../health/schemas.ts';
import { verdicts } from '../merge/books.ts';
import type { LookupOutcome } from '../lookups.ts';
import type { CallReport } from '../remote.ts';
import type { CommitReport } from '../store/measured.ts';
import { viewOf } from './api.ts';

export interface Metrics {
  readonly registry: Registry;
  onCall(call: CallReport): void;
  onLookup(connection: string, name: string, outcome: LookupOutcome): void;
  onAlarm(subject: string): void;
  onCommit(commit: CommitReport): void;
  onDelivered(sync: string, ms: number): void;
  /** `connection` must be a known name or `unknown`: labels come from us, never from a request. */
  onHook(connection: string, status: number): void;
  /** Sets the gauges, then writes all metrics as text. Costs a few short questions a sync, however much waits. */
  text(gateway: Gateway): Promise<string>;
}

/** What a gateway is given, so that it tells these metrics. */
export const tellingOf = ({ onCall, onLookup, onAlarm, onCommit, onDelivered }: Metrics): Telling => ({
  onCall,
  onLookup,
  onAlarm,
  onCommit,
  onDelivered,
});
type Telling = Pick<Metrics, 'onCall' | 'onLookup' | 'onAlarm' | 'onCommit' | 'onDelivered'>;

const callBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const commitBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const deliveryBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

const breakers = { closed: 0, 'half-open': 1, open: 2 } as const;
/** Columns of a run's books that only grow. */
const effectEnds = ['opened', 'delivered', 'already', 'superseded'] as const;
/** ms: what kinds are like is seldom asked for anew, and long to read. */
const everySchemas = 60_000;

const countersIn = (registers: Registry[]) => ({
  calls: new Counter({
    name: 'crosswalk_calls_total',
    help: 'Outbound calls by outcome: ok, or the trouble that it ended in',
    labelNames: ['connection', 'kind', 'outcome'],
    registers,
  }),
  attempts: new Counter({
    name: 'crosswalk_call_attempts_total',
    help: 'Requests sent or tried for outbound calls, repeats included',
    labelNames: ['connection'],
    registers,
  }),
  seconds: new Histogram({
    name: 'crosswalk_call_seconds',
    help: 'Outbound calls, waiting for their turn included',
    labelNames: ['connection', 'kind'],
    buckets: callBuckets,
    registers,
  }),
  lookups: new Counter({
    name: 'crosswalk_lookups_total',
    help: 'Lookups: fresh, stale or shared answers were kept; loaded and failed asked the remote',
    labelNames: ['connection', 'lookup', 'outcome'],
    registers,
  }),
  hooks: new Counter({
    name: 'crosswalk_hooks_total',
    help: 'Hooks by answer',
    labelNames: ['connection', 'status'],
    registers,
  }),
  delivery: new Histogram({
    name: 'crosswalk_delivery_seconds',
    help: 'From the arrival of a change until its write was confirmed',
    labelNames: ['sync'],
    buckets: deliveryBuckets,
    registers,
  }),
  commits: new Histogram({
    name: 'crosswalk_store_commit_seconds',
    help: 'Commits, from handing in until durable; of those that share a transaction the first',
    buckets: commitBuckets,
    registers,
  }),
  groups: new Counter({
    name: 'crosswalk_store_groups_total',
    help: 'Groups handed in: committed, or stale because they were overtaken',
    labelNames: ['outcome'],
    registers,
  }),
  read: new Counter({
    name: 'crosswalk_items_read_total',
    help: 'Items that arrived, as the books of runs count them',
    registers,
  }),
  items: new Counter({
    name: 'crosswalk_items_total',
    help: 'Items by verdict, as the books of runs count them',
    labelNames: ['verdict'],
    registers,
  }),
  ends: new Counter({
    name: 'crosswalk_effect_ends_total',
    help: 'Effects opened, and how they ended, as the books of runs count them',
    labelNames: ['end'],
    registers,
  }),
  alarms: new Counter({ name: 'crosswalk_alarms_total', help: 'Alarms raised', registers }),
});

const gaugesIn = (registers: Registry[]) => {
  const upTo = `, counted up to ${mostCounted}`;
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name: `crosswalk_${name}`, help, labelNames, registers });
  return {
    touches: gauge('touches', `Touches that wait${upTo}`, 'sync'),
    itemsOpen: gauge('items_open', 'Items that open runs have not taken in yet'),
    effectsOpen: gauge('effects_open', 'Effects that open runs have not brought about yet'),
    effects: gauge('effects', `Effects by state${upTo}`, 'sync', 'state'),
    oldest: gauge('lane_oldest_seconds', 'How long the oldest item of a lane has waited', 'lane'),
    promised: gauge('lane_promised_seconds', 'How long an item of a lane may wait', 'lane'),
    late: gauge('lane_late', '1: the oldest item has waited longer than is promised', 'lane'),
    watched: gauge('watch_age_seconds', 'Since all lanes were last looked at to the end'),
    troubles: gauge('watch_troubles', 'Lanes that are late, stand still or are short of room'),
    parked: gauge('parked', `Items and effects that wait for a person${upTo}`),
    conflicts: gauge('conflicts', `Fields that wait for a decision${upTo}`),
    candidates: gauge('candidates', `Pairs of records that may be one${upTo}`),
    awaited: gauge('awaited', `References that wait for what they name${upTo}`),
    notices: gauge('notices', `Messages by state${upTo}`, 'state'),
    runs: gauge('runs', `Runs by state${upTo}`, 'state'),
    paused: gauge('paused', '1: the connection is paused', 'connection'),
    breaker: gauge('breaker_state', '0: closed, 1: half open, 2: open', 'connection'),
    quiet: gauge('quiet_seconds', 'How long the remote has asked to be left alone', 'connection'),
    waiting: gauge('calls_waiting', 'Calls that wait for their turn under a limit', 'connection'),
    limitUsed: gauge('limit_used', 'Calls that count against a declared limit now', 'connection', 'limit'),
    limitCalls: gauge('limit_calls', 'Calls that a declared limit allows at once', 'connection', 'limit'),
    quotaLeft: gauge('quota_left', 'Calls that are left of a day quota', 'connection', 'quota'),
    quotaCalls: gauge('quota_calls', 'Calls that a day quota allows', 'connection', 'quota'),
    budgetUsed: gauge('budget_used', 'Written in the last 24 hours, of a budget', 'sync', 'sort'),
    budgetLimit: gauge('budget_limit', 'What a budget allows in 24 hours', 'sync', 'sort'),
    drift: gauge('drift', 'Differences of a kind from what is known of it', 'kind', 'severity'),
    free: gauge('store_disk_free_bytes', "Bytes free on the store's disk"),
    short: gauge('short', '1: so little is left that nothing new is taken in', 'resource'),
  };
};

type Counters = ReturnType<typeof countersIn>;
type Gauges = ReturnType<typeof gaugesIn>;

const setStored = async (gauges: Gauges, gateway: Gateway): Promise<void> => {
  const view = viewOf(gateway);
  const figures = await figuresOf(view);
  for (const [sync, { touches, effects }] of figures.syncs) {
    gauges.touches.set({ sync }, touches);
    for (const [state, n] of Object.entries(effects)) gauges.effects.set({ sync, state }, n);
  }
  gauges.itemsOpen.set(figures.open.items);
  gauges.effectsOpen.set(figures.open.effects);
  for (const { lane, oldest, promised, state } of await laneAges(view)) {
    gauges.oldest.set({ lane }, (oldest ?? 0) / 1000);
    gauges.promised.set({ lane }, promised / 1000);
    gauges.late.set({ lane }, state === 'late' ? 1 : 0);
  }
  for (const name of ['parked', 'conflicts', 'candidates', 'awaited'] as const)
    gauges[name].set(figures[name]);
  for (const [state, n] of Object.entries(figures.notices)) gauges.notices.set({ state }, n);
  for (const [state, n] of Object.entries(figures.runs)) gauges.runs.set({ state }, n);
  for (const { sync, sort, used, limit } of figures.budgets) {
    gauges.budgetUsed.set({ sync, sort }, used);
    if (limit !== null) gauges.budgetLimit.set({ sync, sort }, limit);
  }
};

const setRemotes = async (gauges: Gauges, { connections, switches, hub }: Gateway): Promise<void> => {
  for (const [connection, { remote }] of connections) {
    const { breaker, quietUntil, waiting } = remote.state();
    gauges.paused.set({ connection }, switches.paused(connection) === undefined ? 0 : 1);
    gauges.breaker.set({ connection }, breakers[breaker]);
    gauges.quiet.set({ connection }, Math.max(0, (quietUntil ?? 0) - hub.now()) / 1000);
    gauges.waiting.set({ connection }, waiting);
    for (const { name, left, count } of await remote.quotas()) {
      gauges.quotaLeft.set({ connection, quota: name }, left);
      gauges.quotaCalls.set({ connection, quota: name }, count);
    }
    for (const { name, used, count } of await remote.limits()) {
      gauges.limitUsed.set({ connection, limit: name }, used);
      gauges.limitCalls.set({ connection, limit: name }, count);
    }
  }
};

const setDrift = async ({ drift }: Gauges, { store, installation }: Gateway): Promise<void> => {
  for (const one of await schemasReport(store, installation.config))
    for (const severity of ['error', 'warning', 'information'])
      drift.set(
        { kind: `${one.connection}/${one.kind}`, severity },
        one.drift.filter((each) => each.severity === severity).length,
      );
};

const setOwn = (gauges: Gauges, { watch, room }: Gateway): void => {
  gauges.watched.set(watch.staleness / 1000);
  gauges.troubles.set(watch.troubles.length);
  if (room.free !== null) gauges.free.set(room.free);
  for (const resource of ['disk', 'memory']) gauges.short.set({ resource }, room.short === resource ? 1 : 0);
};

const countSums = ({ groups, read, items, ends }: Counters, sums: Map<string, number>): void => {
  for (const outcome of ['committed', 'stale']) groups.inc({ outcome }, sums.get(outcome) ?? 0);
  read.inc(sums.get('read') ?? 0);
  for (const verdict of verdicts) items.inc({ verdict }, sums.get(verdict) ?? 0);
  for (const end of effectEnds) ends.inc({ end }, sums.get(`e_${end}`) ?? 0);
  sums.clear();
};

export const createMetrics = (): Metrics => {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = countersIn([registry]);
  const gauges = gaugesIn([registry]);
  let schemasAt = Number.NEGATIVE_INFINITY;
  let scraping: Promise<string> | undefined;
  // Commits come by thousands a second: what they count is added up here, and told when somebody asks.
  const sums = new Map<string, number>();
  const add = (name: string, n: number): void => {
    if (n > 0) sums.set(name, (sums.get(name) ?? 0) + n);
  };
  const scrape = async (gateway: Gateway): Promise<string> => {
    countSums(counters, sums);
    await setStored(gauges, gateway);
    await setRemotes(gauges, gateway);
    setOwn(gauges, gateway);
    if (performance.now() - schemasAt > everySchemas) {
      schemasAt = performance.now();
      await setDrift(gauges, gateway);
    }
    return registry.metrics();
  };
  return {
    registry,
    onCall: ({ connection, kind = 'none', outcome, ms, attempts }) => {
      counters.calls.inc({ connection, kind, outcome });
      counters.seconds.observe({ connection, kind }, ms / 1000);
      counters.attempts.inc({ connection }, attempts);
    },
    onAlarm: () => counters.alarms.inc(),
    onLookup: (connection, lookup, outcome) => counters.lookups.inc({ connection, lookup, outcome }),
    onHook: (connection, status) => counters.hooks.inc({ connection, status: String(status) }),
    onDelivered: (sync, ms) => counters.delivery.observe({ sync }, Math.max(0, ms) / 1000),
    onCommit: ({ ms, committed, stale, books }) => {
      if (ms !== null) counters.commits.observe(ms / 1000);
      add('committed', committed);
      add('stale', stale);
      for (const [column, n] of books) add(column, n);
    },
    // Who scrapes at once gets the same answer.
    text: (gateway) => (scraping ??= scrape(gateway).finally(() => (scraping = undefined))),
  };
};
