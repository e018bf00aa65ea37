/** What remotes say of their kinds, for `check --live` and `doctor`: each kind that has syncs is asked once. */
import type { Config } from '../config.ts';
import { closeConnections, openConnections, type ConnectorFolders } from '../connections.ts';
import { Trouble, type JsonSchema, type Session } from '../connector.ts';
import { CrosswalkError } from '../errors.ts';
import { askKind } from '../live-schemas.ts';
import { openSafe } from '../store/safe.ts';

/** What came of asking for one kind. */
export interface LiveKind {
  readonly connection: string;
  readonly kind: string;
  /** `<connection>/<kind>`. */
  readonly lane: string;
  readonly shipped: JsonSchema;
  /** What the remote said; null if it did not. */
  readonly live: JsonSchema | null;
  /** Why it did not; null for a kind that cannot be asked. */
  readonly trouble: Trouble | null;
}

/** Asks an open connection for all kinds of it that have syncs. */
export const askSession = (config: Config, connection: string, session: Session): Promise<LiveKind[]> => {
  const syncs = Object.values(config.syncs).filter((sync) => sync.connection === connection);
  const asking = [...new Set(syncs.map((sync) => sync.kind))].map(async (kind): Promise<LiveKind | null> => {
    const offered = session.kinds[kind];
    if (offered === undefined) return null;
    const lane = `${connection}/${kind}`;
    const of = { connection, kind, lane, shipped: offered.schema };
    try {
      return { ...of, live: (await askKind(offered, lane)) ?? null, trouble: null };
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      return { ...of, live: null, trouble: error };
    }
  });
  return Promise.all(asking).then((all) => all.filter((one) => one !== null));
};

/** Opens and asks every connection that has syncs; one that cannot be opened is left out, as whoever checks it tells. */
export const askLive = async (config: Config, connectors: ConnectorFolders): Promise<LiveKind[]> => {
  const names = new Set(Object.values(config.syncs).map((sync) => sync.connection));
  const sources = Object.values(config.connections).filter(({ name }) => names.has(name));
  const asked = sources.map(async (source): Promise<LiveKind[]> => {
    const { name } = source;
    const safe = openSafe(config, process.env);
    try {
      const only = { ...config, connections: { [name]: source } };
      const opened = await openConnections(only, connectors, {
        environment: process.env,
        now: Date.now,
        random: Math.random,
        log: () => undefined,
        safe,
      });
      const session = opened.get(name)?.session;
      try {
        return session === undefined ? [] : await askSession(config, name, session);
      } finally {
        await closeConnections(opened);
      }
    } catch (error) {
      if (error instanceof CrosswalkError) return [];
      throw error;
    } finally {
      await safe.close();
    }
  });
  return (await Promise.all(asked)).flat();
};
