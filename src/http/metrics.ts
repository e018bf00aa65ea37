import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { statusReport, type View } from '../health/reports.ts';
import type { CallReport } from '../remote.ts';

/** Prometheus metrics of one gateway, in a registry of their own. */
export interface Metrics {
  readonly registry: Registry;
  onCall(call: CallReport): void;
  onAlarm(subject: string): void;
  /** `connection` must be a known name or `unknown`: labels come from us, never from a request. */
  onHook(connection: string, status: number): void;
  /** Sets the gauges from the store, then writes all metrics as text. */
  text(view: View): Promise<string>;
}

export const createMetrics = (): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const calls = new Counter({
    name: 'crosswalk_calls_total',
    help: 'Outbound calls by outcome',
    labelNames: ['connection', 'outcome'],
    registers,
  });
  const seconds = new Histogram({
    name: 'crosswalk_call_seconds',
    help: 'Outbound calls, waiting included',
    labelNames: ['connection'],
    registers,
  });
  const hooks = new Counter({
    name: 'crosswalk_hooks_total',
    help: 'Hooks by answer',
    labelNames: ['connection', 'status'],
    registers,
  });
  const alarms = new Counter({ name: 'crosswalk_alarms_total', help: 'Alarms raised', registers });
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
    new Gauge({ name, help, labelNames, registers });
  const touches = gauge('crosswalk_touches', 'Touches that wait', ['sync']);
  const oldest = gauge('crosswalk_oldest_touch_seconds', 'Age of the oldest touch that waits', ['sync']);
  const effects = gauge('crosswalk_effects', 'Effects by state', ['sync', 'state']);
  const parked = gauge('crosswalk_parked', 'Items, effects and notices that wait for a person');
  const conflicts = gauge('crosswalk_conflicts', 'Fields that wait for a decision');
  const paused = gauge('crosswalk_paused', 'Paused connections', ['connection']);
  const drift = gauge('crosswalk_drift', 'Differences of a kind from what is known of it', [
    'kind',
    'severity',
  ]);
  return {
    registry,
    onCall: ({ connection, outcome, ms }) => {
      calls.inc({ connection, outcome });
      seconds.observe({ connection }, ms / 1000);
    },
    onAlarm: () => alarms.inc(),
    onHook: (connection, status) => hooks.inc({ connection, status: String(status) }),
    text: async (view) => {
      const status = await statusReport(view);
      for (const sync of status.syncs) {
        touches.set({ sync: sync.name }, sync.touches);
        oldest.set({ sync: sync.name }, (sync.oldest ?? 0) / 1000);
        for (const [state, n] of Object.entries(sync.effects)) effects.set({ sync: sync.name, state }, n);
      }
      parked.set(status.parked);
      conflicts.set(status.conflicts);
      for (const one of status.connections) paused.set({ connection: one.name }, one.paused === null ? 0 : 1);
      for (const one of status.schemas)
        for (const severity of ['error', 'warning', 'information'])
          drift.set(
            { kind: `${one.connection}/${one.kind}`, severity },
            one.drift.filter((each) => each.severity === severity).length,
          );
      return registry.metrics();
    },
  };
};
