import type { Hint } from '../connector.ts';
import type { Operation } from '../store/store.ts';
import type { Row } from '../store/schema.ts';
import type { Hub } from './hub.ts';
import type { StoredHint } from './intake.ts';
import { standingRun } from './runs.ts';

/** A hook that has passed verification. */
export interface AcceptedHook {
  readonly id: string;
  readonly connection: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** W3C traceparent of the request, or one that it was given. */
  readonly trace?: string;
}

/**
 * Makes a hook durable: its raw body, and one touch per object that it names. Only when this resolves may
 * the sender be answered with 2xx.
 */
export const accept = async (
  hub: Hub,
  { trace, ...hook }: AcceptedHook,
  hints: readonly Hint[],
  runs: Set<string>,
): Promise<void> => {
  const at = hub.now();
  const body = Buffer.from(hook.body);
  const then: Operation[] = [{ op: 'put', table: 'hook', row: { ...hook, body, at } satisfies Row }];
  const counts = new Map<string, number>();
  for (const { kind, id, object, history } of hints) {
    const lane = `${hook.connection}/${kind}`;
    const run = await standingRun(hub, 'hooks', lane, runs);
    const hint: StoredHint = {
      cause: `hook ${hook.id}`,
      ...(object === undefined ? {} : { object, from: 0, until: at }),
      ...(history === undefined ? {} : { history }),
      ...(trace === undefined ? {} : { trace }),
    };
    then.push({ op: 'append', table: 'touch', row: { lane, object: id, due: at, at, run, hint } });
    counts.set(run, (counts.get(run) ?? 0) + 1);
  }
  for (const [id, n] of counts)
    then.push({ op: 'add', table: 'run', key: { id }, row: { read: n, open: n } });
  const group = { when: [], write: then };
  if (hub.mutation === 'ack-before-commit') {
    hub.store.commit([group]).catch(() => undefined);
    return;
  }
  await hub.store.commit([group]);
  for (const lane of new Set(hints.map((hint) => `${hook.connection}/${hint.kind}`))) hub.nudge(`in:${lane}`);
};
