/**
 * What the kinds of an installation are like now. Before data moves each connection is asked, and again before sweeps
 * and once a day; what it says replaces the schema that came with the connector, and is kept for when it cannot be
 * asked. A sync whose mapping no longer fits is paused, with an alarm; the others go on.
 *
 *   ask ──► told ──► kept in the store ──┐
 *    └─ trouble ──► what was kept, else ─┴─► compare, check ──► fits: compiled anew, and a pause by drift ends
 *                   what was shipped                       └──► does not: paused, until it does
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { SyncConfig } from './config.ts';
import type { Connection } from './connections.ts';
import { Trouble, type JsonSchema, type Kind } from './connector.ts';
import { CrosswalkError, invariant } from './errors.ts';
import type { Installation } from './installation.ts';
import { errorOf, type MappingDocument } from './mapping/document.ts';
import { driftOf, touchWords, type Drift, type DriftFinding, type Use } from './mapping/drift.ts';
import { canonicalText, isObject } from './mapping/place.ts';
import { schemaChecker } from './mapping/schema.ts';
import type { Row } from './store/schema.ts';
import type { Hub, Sync } from './sync/hub.ts';
import { settingsUnder, type Switches } from './sync/switches.ts';

/** ms that an asking may take. */
const patience = 20_000;
/** ms between two askings, and after one that failed or that left a sync paused. */
const interval = 86_400_000;
const retry = 900_000;
/** ms within which a sweep relies on the asking before it. */
const fresh = 60_000;
/** Longest schema that is taken, in characters of JSON. */
const mostText = 2_000_000;

// ---------------------------------------------------------------- asking

const timely = async (asking: Promise<JsonSchema>, most: number): Promise<JsonSchema> => {
  const ended = new AbortController();
  const late = sleep(most, undefined, { ref: false, signal: ended.signal }).then(() => {
    throw new Trouble('unknown', { message: `no answer in ${most / 1000} s` });
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([asking, late]);
  } finally {
    ended.abort();
  }
};

/**
 * The live schema of a kind, within `most` ms; undefined where it cannot be asked. Throws Trouble, also for a connector
 * that breaks its contract.
 */
export const askKind = async (
  kind: Kind,
  name: string,
  most: number = patience,
): Promise<JsonSchema | undefined> => {
  if (kind.describe === undefined) return undefined;
  try {
    const schema = await timely(kind.describe(), most);
    if (!isObject(schema) || JSON.stringify(schema).length > mostText)
      throw new Error('describe gave no schema, or one of more than two million characters');
    schemaChecker(schema, false);
    return schema;
  } catch (error) {
    if (error instanceof Trouble) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new Trouble('unknown', {
      message: new CrosswalkError('connector-contract', { connector: name, detail }).message,
    });
  }
};

// ---------------------------------------------------------------- keeping

/** What is known of a kind, as it stands in the store. */
export interface KnownSchema {
  /** `<connection>/<kind>`. */
  readonly lane: string;
  /** What the remote said last; null if it was never heard. */
  readonly schema: JsonSchema | null;
  /** UTC ms at which it said so last. */
  readonly told: number | null;
  /** Why the last asking failed; null if it did not. */
  readonly trouble: string | null;
  /** Mappings that fitted, by name, with the hash of their document. */
  readonly passed: Readonly<Record<string, string>>;
  /** How it differs from what was shipped. */
  readonly findings: readonly DriftFinding[];
  /** UTC ms of the last asking. */
  readonly asked: number;
}

const prefix = 'schema:';

const knownOf = (row: Row): KnownSchema => ({
  ...(row['value'] as Omit<KnownSchema, 'lane' | 'asked'>),
  lane: String(row['name']).slice(prefix.length),
  asked: Number(row['at']),
});

/** What the store knows of the kinds of an installation, by lane. */
export const knownSchemas = async (store: Hub['store']): Promise<ReadonlyMap<string, KnownSchema>> =>
  new Map((await settingsUnder(store, prefix)).map(knownOf).map((one) => [one.lane, one]));

/** Which schema serves a kind: the remote's own of today, the one that it told before, or the shipped one. */
export const servesOf = ({ schema, trouble }: KnownSchema): 'live' | 'kept' | 'shipped' =>
  schema === null ? 'shipped' : trouble === null ? 'live' : 'kept';

/** A document without where it stands: another one of the same content is the same mapping. */
const hashOf = ({ file: _, ...document }: MappingDocument): string =>
  createHash('sha256').update(JSON.stringify(document)).digest('hex').slice(0, 16);

// ---------------------------------------------------------------- drift

/** The syncs of a lane, by the mapping that they go through. */
export const usesOf = (
  { config, mappings, entities }: Pick<Installation, 'config' | 'mappings' | 'entities'>,
  lane: string,
): Use[] => {
  const syncs = Object.values(config.syncs).filter((sync) => `${sync.connection}/${sync.kind}` === lane);
  return [...new Set(syncs.map((sync) => sync.mapping))].flatMap((name): Use[] => {
    const mapping = mappings.get(name);
    const entity = mapping === undefined ? undefined : entities.get(mapping.entity);
    if (mapping === undefined || entity === undefined) return [];
    const through = syncs.filter((sync) => sync.mapping === name).map((sync) => sync.name);
    return [{ mapping, entity, entities, syncs: through }];
  });
};

const mostListed = 5;

/** What broke a mapping, for people: the changes that did, else what the check says. */
const faultWords = ({ findings, mappings }: Drift, mapping: string): string => {
  const broken = findings.filter(
    (one) => one.severity === 'error' && one.touches.some((touch) => touch.mapping === mapping),
  );
  const said = broken.map((one) => `${one.message} It touches ${touchWords(one)}`);
  const errors = mappings.find((one) => one.mapping === mapping)?.errors ?? [];
  const list = said.length > 0 ? said : errors.map((one) => errorOf(one).message.replace(/\.$/u, ''));
  const more = list.length > mostListed ? `. And ${list.length - mostListed} more` : '';
  return list.slice(0, mostListed).join('. ') + more;
};

const fitsIn = ({ mappings }: Drift, name: string): boolean =>
  mappings.every((one) => one.mapping !== name || one.errors.length === 0);

const isFresh = ({ mappings }: Drift, name: string): boolean =>
  mappings.some((one) => one.mapping === name && one.fresh.length > 0);

// ---------------------------------------------------------------- the kinds of a gateway

export interface LiveSchemasOptions {
  readonly installation: Installation;
  readonly connections: ReadonlyMap<string, Connection>;
  readonly switches: Switches;
  readonly hub: Hub;
  /** The hub's own syncs, to be filled and renewed. */
  readonly syncs: Map<string, Sync>;
  readonly known: ReadonlyMap<string, KnownSchema>;
  readonly log: Logger;
  /** Throws CrosswalkError if the mapping does not fit the schema. */
  compile(sync: SyncConfig, schema: JsonSchema | null): Sync;
}

interface Asked {
  /** UTC ms. */
  readonly at: number;
  readonly next: number;
  readonly failed: boolean;
}

export class LiveSchemas {
  readonly #options: LiveSchemasOptions;
  readonly #known: Map<string, KnownSchema>;
  readonly #asked = new Map<string, Asked>();
  readonly #asking = new Map<string, Promise<void>>();
  /** Syncs whose mapping does not fit what serves, with what people were told of it. */
  readonly #unfit = new Map<string, string>();
  /** By lane: what this process has logged of it. */
  readonly #logged = new Map<string, string>();
  #begun = false;

  /** Compiles every sync with what is known already; asks nobody. */
  constructor(options: LiveSchemasOptions) {
    this.#options = options;
    this.#known = new Map(options.known);
    for (const sync of this.#syncs()) options.syncs.set(sync.name, this.#compiled(sync));
  }

  #compiled(sync: SyncConfig): Sync {
    const { compile } = this.#options;
    const { kind, lane } = this.#kindOf(sync);
    try {
      return compile(sync, this.#serving(lane, kind));
    } catch (error) {
      const isMapping = error instanceof CrosswalkError && error.code.startsWith('mapping-');
      if (!isMapping || kind?.describe === undefined) throw error;
      this.#unfit.set(sync.name, '');
      try {
        // The account may have what the mapping needs: that is known once it was asked, before anything moves.
        return compile(sync, null);
      } catch {
        throw error;
      }
    }
  }

  /** True while a sync's mapping does not fit what serves: nothing may move through it, whoever paused it or did not. */
  isUnfit(sync: string): boolean {
    return this.#unfit.has(sync);
  }

  /** Asks all connections that have syncs. Throws CrosswalkError for a mapping that never fitted: that is no drift. */
  async begin(): Promise<void> {
    const names = [...new Set(this.#syncs().map((sync) => sync.connection))];
    await Promise.all(names.map((name) => this.ready(name, 'anew')));
    const { switches, compile } = this.#options;
    for (const sync of this.#syncs()) {
      if (!this.#unfit.has(sync.name) || switches.paused(sync.name)?.cause === 'drift') continue;
      const { kind, lane } = this.#kindOf(sync);
      compile(sync, this.#serving(lane, kind));
      invariant(false, `the mapping of sync ${sync.name} fits and does not`);
    }
    this.#begun = true;
  }

  /**
   * Asks a connection if it is time; `anew` in any case, `soon` unless that was just done. What is asked again after a
   * failure is not waited for: until it answers, what serves is what served before.
   */
  async ready(connection: string, when?: 'anew' | 'soon'): Promise<void> {
    const { hub, switches } = this.#options;
    const mine = this.#syncs().filter((sync) => sync.connection === connection);
    if (mine.length === 0 || switches.paused(connection) !== undefined) return;
    const { at, next, failed } = this.#asked.get(connection) ?? { at: 0, next: 0, failed: false };
    const now = hub.now();
    // Somebody resumed it: perhaps it fits again.
    const resumed = mine.some(({ name }) => this.#unfit.has(name) && switches.paused(name) === undefined);
    if (when !== 'anew' && !resumed && now < (when === 'soon' ? at + fresh : next)) return;
    let asking = this.#asking.get(connection);
    if (asking === undefined) {
      asking = this.#ask(connection, mine).finally(() => this.#asking.delete(connection));
      this.#asking.set(connection, asking);
    }
    if (!failed || resumed || when !== undefined) return asking;
    asking.catch((error: unknown) =>
      this.#options.log.error({ connection, why: String(error) }, 'asking failed'),
    );
  }

  async #ask(connection: string, mine: readonly SyncConfig[]): Promise<void> {
    const { hub } = this.#options;
    const lanes = [...new Set(mine.map((sync) => `${connection}/${sync.kind}`))];
    const told = await Promise.all(lanes.map((lane) => this.#askLane(lane)));
    const at = hub.now();
    const failed = told.includes(false);
    const wait = failed || mine.some(({ name }) => this.#unfit.has(name)) ? retry : interval;
    this.#asked.set(connection, { at, next: at + wait, failed });
  }

  /** True unless the asking failed. */
  async #askLane(lane: string): Promise<boolean> {
    const { hub } = this.#options;
    const sync = this.#syncs().find((one) => `${one.connection}/${one.kind}` === lane);
    const kind = sync === undefined ? undefined : this.#kindOf(sync).kind;
    if (kind?.describe === undefined) return true;
    const before = this.#known.get(lane) ?? {
      lane,
      schema: null,
      told: null,
      trouble: null,
      passed: {},
      findings: [],
      asked: 0,
    };
    let now: KnownSchema;
    try {
      const schema = (await askKind(kind, lane)) ?? null;
      now = { ...before, schema, told: hub.now(), trouble: null, asked: hub.now() };
    } catch (error) {
      const trouble = error instanceof Trouble ? `${error.kind}: ${error.detail.message}` : String(error);
      now = { ...before, trouble, asked: hub.now() };
    }
    await this.#judge(now, kind);
    return now.trouble === null;
  }

  /** Compares, checks, and settles for each sync of the lane whether it goes on. */
  async #judge(now: KnownSchema, kind: Kind): Promise<void> {
    const { installation } = this.#options;
    const serving = now.schema ?? kind.schema;
    const uses = usesOf(installation, now.lane);
    const drift = driftOf(now.lane, kind.schema, serving, uses);
    const passed: Record<string, string> = {};
    for (const { mapping } of uses) {
      const hash = hashOf(mapping);
      if (fitsIn(drift, mapping.name) || now.passed[mapping.name] === hash) passed[mapping.name] = hash;
    }
    const next = { ...now, passed, findings: drift.findings };
    this.#report(next);
    await this.#keep(next);
    for (const { mapping, syncs } of uses) {
      // What was wrong before the remote changed is for whoever wrote it, who is told at the start.
      const isDrift = this.#begun || passed[mapping.name] !== undefined || isFresh(drift, mapping.name);
      for (const name of syncs) {
        if (fitsIn(drift, mapping.name)) await this.#fit(name, serving);
        else if (isDrift) await this.#hold(name, now.lane, faultWords(drift, mapping.name));
        else this.#unfit.set(name, '');
      }
    }
  }

  /** Into the log, unless it stands there already. */
  #report(now: KnownSchema): void {
    const { log } = this.#options;
    const { lane, told, trouble, findings } = now;
    const serves = servesOf(now);
    const text = canonicalText([serves, trouble, findings]);
    if (this.#logged.get(lane) === text) return;
    this.#logged.set(lane, text);
    const since = told === null ? null : new Date(told).toISOString();
    const line = { schema: lane, serves, since };
    if (trouble === null) log.info(line, 'the live schema serves');
    else log.warn(line, new CrosswalkError('drift-unasked', { kind: lane, said: trouble }).message);
    for (const one of findings) {
      const level = one.severity === 'information' ? 'info' : one.severity === 'warning' ? 'warn' : 'error';
      const touched = touchWords(one);
      log[level]({ code: one.code, place: one.pointer, touched }, one.message);
    }
  }

  async #keep({ lane, asked, ...value }: KnownSchema): Promise<void> {
    this.#known.set(lane, { lane, asked, ...value });
    const row = { name: prefix + lane, value, at: asked, by: 'crosswalk' };
    await this.#options.hub.store.commit([{ when: [], write: [{ op: 'put', table: 'setting', row }] }]);
  }

  /** The sync goes on, with what is known now. */
  async #fit(name: string, serving: JsonSchema): Promise<void> {
    const { hub, syncs, compile, switches, log, installation } = this.#options;
    const config = installation.config.syncs[name];
    const old = syncs.get(name);
    if (config === undefined || old === undefined) return;
    const wasUnfit = this.#unfit.delete(name);
    if (wasUnfit || canonicalText(old.kind.schema) !== canonicalText(serving))
      syncs.set(name, compile(config, serving));
    if (wasUnfit) hub.clear?.(`sync ${name}`);
    if (switches.paused(name)?.cause !== 'drift') return;
    await switches.resume(name);
    log.info({ sync: name }, 'its mapping fits again: it goes on');
  }

  async #hold(name: string, lane: string, list: string): Promise<void> {
    const { hub, switches, installation } = this.#options;
    const mapping = installation.config.syncs[name]?.mapping ?? '';
    const said = new CrosswalkError('sync-drifted', { sync: name, kind: lane, mapping, list });
    const why = said.message.replace(/\.$/u, '');
    const pause = switches.paused(name);
    const isTold = pause !== undefined && this.#unfit.get(name) === why;
    this.#unfit.set(name, why);
    if (isTold) return;
    // A pause by a person stays theirs to end.
    if (pause === undefined || pause.cause === 'drift')
      await switches.pause(name, why, 'crosswalk', hub.now(), 'drift');
    hub.alarm(`sync ${name}`, `paused: ${said.message} ${said.remedy}`);
  }

  #syncs(): readonly SyncConfig[] {
    return Object.values(this.#options.installation.config.syncs);
  }

  #kindOf(sync: SyncConfig): { readonly kind: Kind | undefined; readonly lane: string } {
    const kind = this.#options.connections.get(sync.connection)?.session.kinds[sync.kind];
    return { kind, lane: `${sync.connection}/${sync.kind}` };
  }

  #serving(lane: string, kind: Kind | undefined): JsonSchema {
    return this.#known.get(lane)?.schema ?? kind?.schema ?? {};
  }
}
