import { Cron } from 'croner';
import type { ErrorCode, ErrorParams } from './errors.ts';
import { checkBudgets, type BudgetSource } from './config-budget.ts';
import { checkDedupe } from './config-dedupe.ts';
import { checkNotices } from './config-notices.ts';
import { checkSecrets, isReference, type SourceConnection } from './config-secrets.ts';
import { checkTransitions, type TransitionsSource } from './config-transitions.ts';
import type { DedupeSource } from './identity/settings.ts';
import { nearest } from './mapping/nearest.ts';
import { pointerOf } from './mapping/place.ts';
import { deletedField } from './merge/deletion.ts';
import type { ClearPolicy, ConflictPolicy, DeletePolicy, Role } from './merge/policy.ts';

/** Whether a configuration of the right shape also makes sense: names that exist, owners, templates, times. */

/** When something is done: every so many ms, or by a cron expression (local time). */
export type Schedule = { readonly every: number } | { readonly cron: string };

/** What the mappings folder holds: told by whoever loaded it. */
export interface Known {
  /** By mapping name. */
  readonly mappings: ReadonlyMap<
    string,
    {
      readonly entity: string;
      readonly connector: string;
      readonly kind: string;
      /** By field: what tells the rows of a table apart, null for a field that is none. */
      readonly rowKeys?: ReadonlyMap<string, string | null>;
      /** Fields that name another record. */
      readonly references?: readonly {
        readonly field: string;
        readonly to: readonly string[];
        readonly by: string;
      }[];
    }
  >;
  /** Fields by entity name. */
  readonly entities: ReadonlyMap<string, readonly string[]>;
  /** Fields that are true or false, by entity name. */
  readonly flags?: ReadonlyMap<string, readonly string[]>;
  /** Fields that hold one text, by entity name, with the values that they may have; none listed: any. */
  readonly options?: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  /** Fields that hold money, by entity name. */
  readonly money?: ReadonlyMap<string, readonly string[]>;
  /** Fields that are filled in every whole record, by entity name. */
  readonly required?: ReadonlyMap<string, readonly string[]>;
}

/** The file as its schema lets it through. */
export interface Source {
  readonly connections?: Record<string, SourceConnection>;
  readonly entities?: Record<string, SourceEntity>;
  readonly syncs?: Record<string, SourceSync>;
  readonly notices?: Record<string, SourceNotice>;
  readonly alarms?: { to?: string };
  readonly server?: { host?: string; port?: number; publicUrl?: string; tokenRef?: string };
  readonly guards?: { idChanges?: number };
  readonly store?: { path?: string; schema?: string; reserve?: string };
  readonly keep?: { hooks?: string; lineage?: string };
  readonly backup?: { at: string; keep?: number; to: string };
  readonly allowInlineSecrets?: boolean;
  readonly keyRef?: string;
}

export interface SourceEntity {
  readonly keys?: string[][];
  readonly protect?: string[] | Record<string, string[]>;
  readonly one?: Record<string, string>;
  readonly owners?: Record<string, string>;
  readonly conflict?: ConflictPolicy | Record<string, ConflictPolicy>;
  readonly clear?: ClearPolicy | Record<string, ClearPolicy>;
  readonly placeholders?: string[];
  readonly dedupe?: DedupeSource;
  readonly transitions?: TransitionsSource;
}

export interface SourceSync {
  readonly connection: string;
  readonly mapping: string;
  readonly direction: 'in' | 'out' | 'both';
  readonly create?: boolean;
  readonly deletes?: DeletePolicy;
  readonly resurrect?: boolean;
  readonly conflict?: ConflictPolicy | Record<string, ConflictPolicy>;
  readonly roles?: Record<string, Role>;
  readonly mode?: 'live' | 'plan';
  readonly budget?: BudgetSource;
  readonly poll?: string;
  readonly sweep?: string;
  readonly promise?: string;
}

export interface SourceNotice {
  readonly entity: string;
  readonly when: { changed: string };
  readonly to: string;
  readonly text: string;
  readonly fallback?: Record<string, string>;
  readonly firstSeen?: boolean;
  readonly zone?: string;
}

/** Tells one fault, at a place in the file. */
export type Tell = (code: ErrorCode, pointer: string, params: ErrorParams) => void;

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30s`, `5m`, `1h`, `1d` (from 1s to 31d) or a cron expression; undefined if it is neither. */
export const scheduleOf = (text: string): Schedule | undefined => {
  const [, amount, unit = ''] = /^(\d{1,7})([smhd])$/u.exec(text.trim()) ?? [];
  if (amount !== undefined) {
    const every = Number(amount) * (UNITS[unit] ?? 0);
    return every >= 1000 && every <= 31 * 86_400_000 ? { every } : undefined;
  }
  try {
    // A pattern that never comes is as wrong as one that cannot be read.
    return new Cron(text, { paused: true }).nextRun() === null ? undefined : { cron: text };
  } catch {
    return undefined;
  }
};

/** ms between one time and the next; of a cron expression, as it comes next. */
export const spanOf = (schedule: Schedule): number => {
  if ('every' in schedule) return schedule.every;
  const [first, second] = new Cron(schedule.cron, { paused: true }).nextRuns(2);
  return first === undefined || second === undefined ? 0 : second.getTime() - first.getTime();
};

export class Check {
  readonly source: Source;
  readonly known: Known;
  readonly tell: Tell;
  constructor(source: Source, known: Known, tell: Tell) {
    this.source = source;
    this.known = known;
    this.tell = tell;
  }

  /** True if the name is known; tells it otherwise. */
  name(what: string, name: string, known: Iterable<string>, at: readonly string[], where = ''): boolean {
    const names = [...known];
    if (names.includes(name)) return true;
    const near = nearest(name, names);
    this.tell('config-unknown', pointerOf(at), {
      what,
      name: JSON.stringify(name),
      where,
      hint: near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`,
    });
    return false;
  }

  connection(name: string, at: readonly string[]): boolean {
    return this.name('connection', name, Object.keys(this.source.connections ?? {}), at);
  }

  /** `*` and the deletion of the record are fields only where `any` says so. */
  field(entity: string, field: string, at: readonly string[], any = false): boolean {
    const fields = this.known.entities.get(entity);
    if (fields === undefined || (any && (field === '*' || field === deletedField))) return true;
    return this.name('field', field, fields, at, ` in entity ${entity}`);
  }

  fields(entity: string, given: unknown, at: readonly string[], any = false): void {
    if (typeof given !== 'object' || given === null) return;
    for (const field of Object.keys(given)) this.field(entity, field, [...at, field], any);
  }
}

const syncsOf = (check: Check, entity: string) =>
  Object.entries(check.source.syncs ?? {}).filter(
    ([, sync]) => check.known.mappings.get(sync.mapping)?.entity === entity,
  );

/** The connections that own a field, with where that is said. */
const ownersOf = (check: Check, entity: string, field: string): Map<string, readonly string[]> => {
  const owners = new Map<string, readonly string[]>();
  const named = check.source.entities?.[entity]?.owners ?? {};
  const owner = Object.hasOwn(named, field) ? named[field] : undefined;
  if (owner !== undefined) owners.set(owner, ['entities', entity, 'owners', field]);
  for (const [name, { connection, roles = {} }] of syncsOf(check, entity)) {
    const key = Object.hasOwn(roles, field) ? field : '*';
    if (Object.hasOwn(roles, key) && roles[key] === 'owner')
      owners.set(connection, ['syncs', name, 'roles', key]);
  }
  return owners;
};

/** Policy `owner` needs an owner: of the field that it names, or of any field where it is for all. */
const checkPolicy = (check: Check, entity: string, given: unknown, at: readonly string[]): void => {
  const fields = check.known.entities.get(entity);
  if (fields === undefined) return;
  const policies = typeof given === 'string' ? { '*': given } : ((given ?? {}) as Record<string, unknown>);
  for (const [field, policy] of Object.entries(policies)) {
    if (policy !== 'owner') continue;
    const among = field === '*' ? fields : [field];
    if (among.some((each) => ownersOf(check, entity, each).size > 0)) continue;
    const where = typeof given === 'string' ? at : [...at, field];
    check.tell('config-no-owner', pointerOf(where), {
      field: field === '*' ? 'all fields' : `field ${field}`,
      entity,
    });
  }
};

const checkEntities = (check: Check): void => {
  for (const [entity, source] of Object.entries(check.source.entities ?? {})) {
    const at = ['entities', entity];
    if (!check.name('entity', entity, check.known.entities.keys(), at)) continue;
    for (const [index, key] of (source.keys ?? []).entries()) {
      for (const field of key) check.field(entity, field, [...at, 'keys', String(index)]);
    }
    for (const [field, owner] of Object.entries(source.owners ?? {})) {
      const here = [...at, 'owners', field];
      if (!check.field(entity, field, here) || !check.connection(owner, here)) continue;
      const spokes = syncsOf(check, entity).map(([, sync]) => sync.connection);
      if (spokes.length > 0)
        check.name('connection', owner, new Set(spokes), here, ` with a sync of ${entity}`);
    }
    checkProtect(check, entity, source.protect ?? []);
    checkOne(check, entity, source.one ?? {});
    for (const part of ['conflict', 'clear'] as const)
      check.fields(entity, source[part], [...at, part], true);
    checkPolicy(check, entity, source.conflict, [...at, 'conflict']);
  }
  for (const [entity, fields] of check.known.entities) {
    for (const field of [...fields, deletedField]) {
      const [one, other] = [...ownersOf(check, entity, field)];
      if (one === undefined || other === undefined) continue;
      check.tell('config-two-owners', pointerOf(other[1]), { field, entity, one: one[0], other: other[0] });
    }
  }
};

const checkProtect = (check: Check, entity: string, protect: string[] | Record<string, string[]>): void => {
  const at = ['entities', entity, 'protect'];
  if (Array.isArray(protect)) {
    for (const [index, field] of protect.entries()) check.field(entity, field, [...at, String(index)]);
    return;
  }
  for (const [field, who] of Object.entries(protect)) {
    check.field(entity, field, [...at, field]);
    for (const each of who) {
      const person = each.startsWith('person:') || each.includes('@');
      if (!person) check.connection(each, [...at, field]);
    }
  }
};

/** A flag is true or false, and what it is one of is another field. */
const checkOne = (check: Check, entity: string, one: Record<string, string>): void => {
  for (const [flag, by] of Object.entries(one)) {
    const at = ['entities', entity, 'one', flag];
    if (!check.field(entity, flag, at) || !check.field(entity, by, at)) continue;
    const flags = check.known.flags?.get(entity) ?? [];
    if (!flags.includes(flag) || flag === by)
      check.tell('config-one', pointerOf(at), { field: flag, entity });
  }
};

/** An id means something only in the connection that it came from, and a number only where it is a key. */
const checkReferences = (check: Check, name: string, { connection, mapping }: SourceSync): void => {
  for (const { field, to, by } of check.known.mappings.get(mapping)?.references ?? []) {
    for (const entity of to) {
      const spokes = syncsOf(check, entity).filter(([, other]) => other.connection === connection);
      const keys = check.source.entities?.[entity]?.keys ?? [];
      const isKey = keys.some((key) => key.length === 1 && key[0] === by);
      if (by === 'id' ? spokes.length > 0 : isKey) continue;
      const detail =
        by === 'id'
          ? `connection ${connection} has no sync of ${entity}, so that its ids mean nothing here`
          : `${by} is no key of ${entity}`;
      const instead =
        by === 'id'
          ? `Add a sync of ${entity} on connection ${connection}, or name it by a field of its own`
          : `Add [${by}] to entities.${entity}.keys`;
      check.tell('config-reference', pointerOf(['syncs', name, 'mapping']), {
        mapping,
        field,
        entity,
        detail,
        instead,
      });
    }
  }
};

/** Only a sync that creates can make anew what was deleted there. */
const checkResurrect = (check: Check, name: string, sync: SourceSync): void => {
  if (sync.resurrect !== true || (sync.create === true && sync.direction !== 'in')) return;
  const detail = sync.direction === 'in' ? 'writes nothing ("direction: in")' : 'creates nothing';
  check.tell('config-resurrect', pointerOf(['syncs', name, 'resurrect']), { sync: name, detail });
};

/** Rows merge by their key, so that all syncs of an entity must know them by the same. */
const checkRowKeys = (check: Check): void => {
  const known = new Map<string, { readonly mapping: string; readonly key: string | null }>();
  for (const [name, { mapping }] of Object.entries(check.source.syncs ?? {})) {
    const { entity = '', rowKeys = new Map<string, null>() } = check.known.mappings.get(mapping) ?? {};
    for (const [field, key] of rowKeys) {
      const first = known.get(`${entity} ${field}`);
      if (first === undefined) known.set(`${entity} ${field}`, { mapping, key });
      if (first === undefined || first.key === key) continue;
      const words = (one: string | null): string => (one === null ? 'no rows' : `key ${one}`);
      const keys = { oneKey: words(first.key), otherKey: words(key) };
      const params = { one: first.mapping, other: mapping, field, entity, ...keys };
      check.tell('config-row-key', pointerOf(['syncs', name, 'mapping']), params);
    }
  }
};

const checkSyncs = (check: Check): void => {
  checkRowKeys(check);
  const seen = new Map<string, string>();
  const { connections = {} } = check.source;
  for (const [name, sync] of Object.entries(check.source.syncs ?? {})) {
    const at = ['syncs', name];
    const { connection, mapping } = sync;
    const linked = check.connection(connection, [...at, 'connection']);
    const mapped = check.name('mapping', mapping, check.known.mappings.keys(), [...at, 'mapping']);
    checkResurrect(check, name, sync);
    for (const part of ['poll', 'sweep', 'promise'] as const) {
      const text = sync[part];
      if (text === undefined || scheduleOf(text) !== undefined) continue;
      check.tell('config-schedule', pointerOf([...at, part]), { value: JSON.stringify(text) });
    }
    const target = check.known.mappings.get(mapping);
    if (!mapped || target === undefined) continue;
    for (const part of ['conflict', 'roles'] as const) {
      check.fields(target.entity, sync[part], [...at, part], true);
    }
    checkPolicy(check, target.entity, sync.conflict, [...at, 'conflict']);
    if (!linked) continue;
    checkReferences(check, name, sync);
    const found = connections[connection]?.connector;
    if (found !== target.connector) {
      const params = { mapping, wanted: target.connector, connection, found };
      check.tell('config-mismatch', pointerOf([...at, 'mapping']), params);
    }
    const other = seen.get(`${connection}\n${mapping}`);
    seen.set(`${connection}\n${mapping}`, name);
    if (other !== undefined)
      check.tell('config-same-sync', pointerOf(at), { one: other, other: name, connection, mapping });
  }
};

const checkAlarms = (check: Check): void => {
  const { to } = check.source.alarms ?? {};
  if (to !== undefined) check.connection(to, ['alarms', 'to']);
};

const checkBackup = (check: Check): void => {
  const { at } = check.source.backup ?? {};
  if (at !== undefined && scheduleOf(at) === undefined)
    check.tell('config-schedule', '/backup/at', { value: JSON.stringify(at) });
};

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);

const checkServer = (check: Check): void => {
  const { host = '127.0.0.1', publicUrl, tokenRef } = check.source.server ?? {};
  // The value is not shown: an inline token would be in it.
  if (tokenRef !== undefined && !isReference(tokenRef)) {
    const detail = 'is not a reference such as "${env:CROSSWALK_TOKEN}" or "${file:token.txt}"';
    check.tell('config-shape', '/server/tokenRef', { detail });
  }
  if (publicUrl !== undefined && !/^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/u.test(publicUrl)) {
    const detail = 'is not an address that starts with https:// or http:// and ends before ? and #';
    check.tell('config-shape', '/server/publicUrl', { detail });
  }
  if (!LOOPBACK.has(host) && tokenRef === undefined) {
    check.tell('config-open-server', '/server/host', { host });
  }
};

/** Tells everything in a configuration that does not make sense. */
export const findFaults = (source: Source, known: Known, tell: Tell): void => {
  const check = new Check(source, known, tell);
  checkEntities(check);
  checkDedupe(check);
  checkTransitions(check);
  checkBudgets(check);
  checkSyncs(check);
  checkNotices(check);
  checkAlarms(check);
  checkBackup(check);
  checkServer(check);
  checkSecrets(check);
};
