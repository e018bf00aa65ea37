/**
 * The composition root: an installation, its connections and a store become a running gateway. Built in
 * order, started in order, stopped in reverse.
 */
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { callBook } from './call-book.ts';
import { closeConnections, openConnections, type Connection, type World } from './connections.ts';
import type { Environment, SyncConfig } from './config.ts';
import { Trouble, type HookReply, type HookRequest, type JsonSchema } from './connector.ts';
import { storedExpiries, watchExpiries } from './credentials/expiry.ts';
import { InProcessDispatcher } from './dispatch/in-process.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { CrosswalkError, invariant } from './errors.ts';
import { compileSync, hubEntities, loadInstallation, voiceless, type Installation } from './installation.ts';
import { knownSchemas, LiveSchemas, type KnownSchema } from './live-schemas.ts';
import { tellAlarm } from './notify/alarms.ts';
import { Room } from './health/room.ts';
import { Watch } from './health/watch.ts';
import type { CallReport } from './remote.ts';
import { Backups } from './store/backups.ts';
import { measured, type CommitReport } from './store/measured.ts';
import { isFleeting, openStore, whereIs } from './store/open.ts';
import { openSafe, type OpenSafe } from './store/safe.ts';
import type { WholeStore } from './store/store.ts';
import { accept } from './sync/accept.ts';
import type { Hub, Sync } from './sync/hub.ts';
import { forgiveIds } from './sync/ids.ts';
import { Lanes } from './sync/lanes.ts';
import { claimFormer } from './sync/one.ts';
import { tellRemapped } from './sync/remap.ts';
import { allWrites, readSwitches, type Switches } from './sync/switches.ts';
import { along, newTrace, pathNow, recordsSpans, spanning, takenOver } from './trace.ts';

export interface GatewayOptions {
  readonly environment: Environment;
  readonly log: Logger;
  /** Told of every outbound call. */
  onCall?(call: CallReport): void;
  /** Told of every lookup. */
  onLookup?: World['onLookup'];
  /** Told of every commit. */
  onCommit?(commit: CommitReport): void;
  /** Told of every write that was confirmed: how many ms after the change behind it arrived. */
  onDelivered?(sync: string, ms: number): void;
  /** Told of alarms, besides the log and the store. */
  onAlarm?(subject: string): void;
  now?(): number;
  /** The one of this process if absent. */
  readonly dispatcher?: Dispatcher;
  /** Path of a copy of the store to work in, for a plan: every sync counts as live, and nothing is sent that changes a remote. */
  readonly overlay?: string;
}

/** A gateway that is built but not started; `hub` serves one-off commands without any loop. */
export class Gateway {
  readonly installation: Installation;
  readonly connections: ReadonlyMap<string, Connection>;
  readonly store: WholeStore;
  readonly hub: Hub;
  readonly switches: Switches;
  readonly lanes: Lanes;
  readonly schemas: LiveSchemas;
  readonly room: Room;
  readonly watch: Watch;
  readonly #options: GatewayOptions;
  readonly #dispatcher: Dispatcher;
  readonly #runs = new Set<string>();
  /** Hooks being accepted: above the limit the sender is asked to come again. */
  #accepting = 0;
  /** When it was last told that hooks cannot be made durable. */
  #toldAt = 0;
  readonly #backups: Backups | undefined;
  readonly #safe: OpenSafe;
  #started = false;

  private constructor(
    options: GatewayOptions,
    installation: Installation,
    connections: ReadonlyMap<string, Connection>,
    store: WholeStore,
    switches: Switches,
    known: ReadonlyMap<string, KnownSchema>,
    safe: OpenSafe,
  ) {
    this.#safe = safe;
    this.#options = options;
    this.#dispatcher = options.dispatcher ?? new InProcessDispatcher();
    this.installation = installation;
    this.connections = connections;
    this.store = store;
    this.switches = switches;
    const syncs = new Map<string, Sync>();
    this.hub = this.#hub(syncs);
    this.schemas = new LiveSchemas({
      installation,
      connections,
      switches,
      hub: this.hub,
      syncs,
      known,
      log: options.log,
      compile: (sync, schema) => this.#compile(sync, schema),
    });
    const { backup } = installation.config;
    const where = whereIs(installation.config, options.environment);
    if (backup !== undefined && !isFleeting(where)) this.#backups = new Backups(backup, where, this.hub);
    const isOnDisk = 'file' in where && !isFleeting(where);
    this.room = new Room({
      file: isOnDisk ? where.file : null,
      reserve: installation.config.store.reserve,
      nodeOptions: options.environment['NODE_OPTIONS'],
    });
    const backups = this.#backups;
    this.lanes = new Lanes({
      isShort: () => this.room.short !== null,
      chores: {
        ...(backups === undefined ? {} : { backup: () => backups.pass() }),
        expiry: () => this.#forecast(),
      },
      hub: this.hub,
      connections,
      notices: Object.values(installation.config.notices),
      alarmsTo: installation.config.alarms.to,
      syncs: Object.values(installation.config.syncs),
      switches,
      keep: installation.config.keep,
      idChanges: installation.config.guards.idChanges,
      log: options.log,
      before: (connection, when) => this.schemas.ready(connection, when),
    });
    this.watch = new Watch({
      store,
      switches,
      config: installation.config,
      lanes: this.lanes,
      remotes: new Map([...connections].map(([name, { remote }]) => [name, remote])),
      room: this.room,
      now: () => this.hub.now(),
      alarm: (subject, text) => this.hub.alarm(subject, text),
      clear: (subject) => this.hub.clear?.(subject),
    });
  }

  /** Builds everything and checks it; nothing is sent. `where` is the installation's folder or its crosswalk.yaml. */
  static async open(where: string, options: GatewayOptions): Promise<Gateway> {
    const installation = loadInstallation(where, options.environment);
    const { log } = options;
    let store: WholeStore | undefined;
    const safe = openSafe(installation.config, options.environment, () => {
      invariant(store !== undefined, 'what is issued is kept before there is a store');
      return store;
    });
    const connections = await openConnections(installation.config, installation.connectors, {
      environment: options.environment,
      now: options.now ?? Date.now,
      random: Math.random,
      log: (connection, level, text, fields) => log[level]({ connection, ...fields }, text),
      safe,
      book: (connection) =>
        callBook(() => {
          invariant(store !== undefined, 'calls are counted before there is a store');
          return store;
        }, connection),
      ...(options.onCall === undefined ? {} : { onCall: options.onCall.bind(options) }),
      ...(options.onLookup === undefined ? {} : { onLookup: options.onLookup.bind(options) }),
    });
    const [mute] = voiceless(installation.config, (to) => connections.get(to)?.session.notify !== undefined);
    if (mute !== undefined) {
      await closeConnections(connections);
      throw mute;
    }
    try {
      const { overlay } = options;
      store = await openStore(
        overlay === undefined ? whereIs(installation.config, options.environment) : { file: overlay },
      );
      if (options.onCommit !== undefined) store = measured(store, options.onCommit.bind(options));
      const switches = await readSwitches(store);
      const known = await knownSchemas(store);
      return new Gateway(options, installation, connections, store, switches, known, safe);
    } catch (error) {
      await closeConnections(connections);
      await safe.close();
      await store?.close();
      throw error;
    }
  }

  /** Asks what the kinds are like now, then starts the loops; returns once recovery is done. */
  async start(): Promise<void> {
    await this.schemas.begin();
    await tellRemapped(this.hub);
    await claimFormer(this.hub);
    await this.lanes.recover();
    await this.watch.start();
    this.#started = true;
    this.#dispatcher.start((lane) => this.lanes.work(lane), this.lanes.names());
  }

  /** Lets passes under way finish, then closes connections and store. */
  async stop(): Promise<void> {
    this.#backups?.stop();
    await this.watch.stop();
    await this.#dispatcher.stop();
    await closeConnections(this.connections);
    await this.#safe.close();
    await this.store.close();
  }

  /** True once recovery is done, the store answers, and there is room for what arrives. */
  async ready(): Promise<boolean> {
    await this.store.get('setting', { name: 'ready' });
    return this.#started && this.room.short === null;
  }

  /** Ends a pause: of a connection, also what its pipe remembers of the trouble. */
  async resume(name: string): Promise<void> {
    await this.switches.resume(name);
    if (name === allWrites) await forgiveIds(this.hub, this.hub.syncs.keys());
    this.connections.get(name)?.remote.resume();
    this.lanes.forget(name);
  }

  /** Polls (or sweeps) the remote of a sync now, and delivers. */
  async syncNow(name: string, full: boolean): Promise<void> {
    const sync = this.hub.syncs.get(name);
    if (sync === undefined) return;
    const lane = `${full ? 'sweep' : 'poll'}:${sync.lane}`;
    this.lanes.due(lane);
    this.nudge(lane);
  }

  nudge(lane: string): void {
    this.#dispatcher.nudge(lane);
  }

  /**
   * Takes one hook. 2xx only once its touches are durable. Who is turned away gets one and the same answer,
   * whatever the reason; the log tells the reasons apart.
   */
  async hook(name: string, request: HookRequest): Promise<HookReply> {
    const rejected = { status: 401, body: 'rejected\n' };
    const connection = this.connections.get(name);
    const hooks = connection?.session.hooks;
    const { log } = this.#options;
    if (hooks === undefined) {
      log.warn(
        { connection: name.slice(0, 80) },
        connection === undefined ? 'hook for an unknown connection' : 'hook for a connection that takes none',
      );
      return rejected;
    }
    const handshake = hooks.handshake?.(request);
    if (handshake !== undefined) return handshake;
    const verdict = hooks.verify(request);
    if (!verdict.ok) {
      log.warn({ connection: name, why: verdict.why }, 'hook rejected');
      return rejected;
    }
    if (this.#accepting >= 2000) return { status: 503, headers: { 'retry-after': '5' }, body: 'busy\n' };
    this.#accepting += 1;
    try {
      const given = takenOver(request.headers['traceparent']) ?? (recordsSpans() ? undefined : newTrace());
      return await along({ trace: given }, () =>
        spanning('hook', { connection: name }, () => this.#accept(name, hooks, request)),
      );
    } catch (error) {
      // A store that is away or full fails each of thousands: once a second says as much.
      const now = this.hub.now();
      if (Math.abs(now - this.#toldAt) >= 1000)
        log.error({ connection: name, why: troubleText(error) }, 'hooks cannot be made durable');
      this.#toldAt = now;
      throw error;
    } finally {
      this.#accepting -= 1;
    }
  }

  async #accept(
    name: string,
    hooks: NonNullable<Connection['session']['hooks']>,
    request: HookRequest,
  ): Promise<HookReply> {
    let hints;
    try {
      hints = hooks.hints(request);
    } catch (error) {
      this.#options.log.warn(
        { connection: name, why: error instanceof Error ? error.message : String(error) },
        'hook not understood',
      );
      return { status: 400, body: 'not understood\n' };
    }
    const trace = pathNow()?.trace ?? newTrace();
    const kept = new Set(['content-type', 'user-agent']);
    const headers = {
      ...Object.fromEntries(Object.entries(request.headers).filter(([header]) => kept.has(header))),
      traceparent: trace,
    };
    const known = hints.filter((hint) => this.lanes.has(`in:${name}/${hint.kind}`));
    const { url, body } = request;
    const id = this.hub.newId('h');
    await accept(this.hub, { id, connection: name, url, headers, body, trace }, known, this.#runs);
    this.#options.log.debug({ connection: name, hook: id, hints: known.length }, 'hook taken');
    return hooks.reply?.(request) ?? { status: 200 };
  }

  async #keepAlarm(subject: string, text: string): Promise<void> {
    await this.switches.alarm(subject, text, this.hub.now());
    const { to } = this.installation.config.alarms;
    if (to !== undefined && (await tellAlarm(this.hub, to, subject, text))) this.nudge(`say:${to}`);
  }

  /** What ends when: alarms that are due, kept for `status`; looked at every ten minutes. */
  async #forecast(): Promise<number> {
    const stored = await storedExpiries(this.store, new Set(this.connections.keys()));
    const stated = [...this.connections.values()].flatMap(({ expiries }) => expiries);
    await watchExpiries(this.hub, [...stated, ...stored]);
    return 600_000;
  }

  #compile(sync: SyncConfig, schema: JsonSchema | null): Sync {
    const connection = this.connections.get(sync.connection);
    invariant(connection !== undefined, `connection ${sync.connection} is not open`);
    const isPlan = this.#options.overlay !== undefined;
    // Asked each time: a sync may be published while the gateway runs.
    const live = (): boolean => isPlan || this.switches.isLive(sync);
    const compiled = compileSync(this.installation, sync, connection, live, schema);
    return isPlan ? onlyPlanned(compiled) : compiled;
  }

  #hub(syncs: ReadonlyMap<string, Sync>): Hub {
    const { config, entities } = this.installation;
    const { log, onAlarm, onDelivered } = this.#options;
    return {
      store: this.store,
      syncs,
      entities: hubEntities(config, entities),
      now: this.#options.now ?? Date.now,
      newId,
      random: Math.random,
      nudge: (lane) => this.#dispatcher.nudge(lane),
      touched: (lane, object) => {
        const [connection = '', kind = ''] = lane.split('/');
        this.connections.get(connection)?.lookups.touched(kind, object);
      },
      ...(onDelivered === undefined ? {} : { delivered: onDelivered }),
      isHeld: (sync) => this.schemas.isUnfit(sync),
      alarm: (subject, text) => {
        log.error({ subject }, text);
        onAlarm?.(subject);
        this.#keepAlarm(subject, text).catch((error: unknown) =>
          log.error({ subject, why: troubleText(error) }, 'the alarm could not be kept'),
        );
      },
      clear: (subject) => {
        this.switches
          .clear(subject)
          .catch((error: unknown) =>
            log.error({ subject, why: troubleText(error) }, 'the alarm could not be cleared'),
          );
      },
    };
  }
}

/** Random bytes drawn in one go: seven at a time cost 20 µs an id. */
let pool = '';

/** Ids sort by time of making: `<prefix>_<base36 ms><random>`. */
export const newId = (prefix: string): string => {
  if (pool.length < 14) pool = randomBytes(3500).toString('hex');
  const random = pool.slice(0, 14);
  pool = pool.slice(14);
  return `${prefix}_${Date.now().toString(36)}${random}`;
};

/** The sync of a plan: it counts as live, and cannot send. */
const onlyPlanned = (sync: Sync): Sync => {
  const { create, update, remove } = sync.kind;
  const send = (): Promise<never> => {
    throw new CrosswalkError('internal', { detail: `a plan was about to write to ${sync.lane}` });
  };
  const kind = {
    ...sync.kind,
    ...(create === undefined ? {} : { create: { ...create, send } }),
    ...(update === undefined ? {} : { update: { ...update, send } }),
    ...(remove === undefined ? {} : { remove: { ...remove, send } }),
  };
  return { ...sync, kind };
};

/** For a trouble that a one-off command meets: the same words as in the log. */
export const troubleText = (error: unknown): string =>
  error instanceof Trouble
    ? `${error.kind}: ${error.detail.message}`
    : error instanceof Error
      ? error.message
      : String(error);
