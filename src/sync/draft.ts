/**
 * A commit group in the making: one record's changes, their conditions, and the books that they move.
 * Everything that the engine writes goes through here, so that effects, lineage and counters cannot be
 * forgotten one by one.
 */
import type { FieldProblem } from '../mapping/lens.ts';
import type { ItemVerdict } from '../merge/books.ts';
import { deletedField, isStanding, lacksObject } from '../merge/deletion.ts';
import { keysOf } from '../merge/identify.ts';
import type { LineageRow } from '../merge/lineage.ts';
import { isOpen, type Entry, type Hold, type LinkState, type RecordState } from '../merge/record.ts';
import type { Key, Row, TableName } from '../store/schema.ts';
import type { Condition, Group, Operation } from '../store/store.ts';
import { raise } from './candidates.ts';
import { isUnwanted } from './deletion.ts';
import {
  effectOf,
  linkRow,
  linksOf,
  loadHolds,
  recordRow,
  syncsOfEntity,
  type EffectRow,
  type Hub,
  type Sync,
} from './hub.ts';
import { aliasKeys, noteClaim, releaseKey } from './keys.ts';
import { wakeSteps } from './evidence.ts';
import { claimOnes } from './one.ts';
import { arrivedLane, keyArrived, linkArrived } from './relations.ts';
import { forgetRoster } from './roster.ts';

/** What a draft answers to. */
export interface Origin {
  /** UTC ms at which the first hint of it arrived. */
  readonly at: number;
  /** W3C traceparent of the last hook. */
  readonly trace: string | undefined;
}

export class Draft {
  readonly hub: Hub;
  readonly run: string;
  readonly #origin: Origin | undefined;
  /** Effects that this draft confirms. */
  readonly #delivered: EffectRow[] = [];
  readonly #when: Condition[] = [];
  readonly #write: Operation[] = [];
  readonly #counts = new Map<string, Record<string, number>>();
  /** Effects as this draft will leave them (null: ended), so that two changes in one group coalesce. */
  readonly #effects = new Map<string, EffectRow | null>();
  readonly #nudges = new Set<string>();
  /** Entities whose records change. */
  readonly #entities = new Set<string>();

  constructor(hub: Hub, run: string, origin?: Origin) {
    this.hub = hub;
    this.run = run;
    this.#origin = origin;
  }

  expect(table: TableName, key: Key, is: Row | null): this {
    this.#when.push({ table, key, is });
    return this;
  }

  put(table: TableName, row: Row): this {
    this.#write.push({ op: 'put', table, row });
    return this;
  }

  append(table: TableName, row: Row): this {
    this.#write.push({ op: 'append', table, row });
    return this;
  }

  set(table: TableName, key: Key, row: Row): this {
    this.#write.push({ op: 'set', table, key, row });
    return this;
  }

  /** Adds to numbers of a row that is there. */
  add(table: TableName, key: Key, row: Readonly<Record<string, number>>): this {
    this.#write.push({ op: 'add', table, key, row });
    return this;
  }

  delete(table: TableName, key: Key): this {
    this.#write.push({ op: 'delete', table, key });
    return this;
  }

  nudge(lane: string): this {
    this.#nudges.add(lane);
    return this;
  }

  count(run: string, counts: Record<string, number>): this {
    const sums = this.#counts.get(run) ?? {};
    for (const [name, n] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + n;
    this.#counts.set(run, sums);
    return this;
  }

  /** `n` items of `run` end with `verdict`. */
  settleItems(run: string, verdict: ItemVerdict, n: number): this {
    if (this.hub.mutation === 'uncounted-echoes' && verdict === 'echo') return this;
    return this.count(run, { open: -n, [verdict]: n });
  }

  /** The link as it was read must still stand; writes its next generation. */
  link(before: LinkState | null, after: LinkState): this {
    const key = { sync: after.sync, object: after.object };
    this.expect('link', key, before === null ? null : { gen: before.gen, record: before.record });
    const isBack = before !== null && before.state !== 'live' && after.state === 'live';
    if (before === null || isBack) this.arrived(linkArrived(this.hub, after));
    return this.put('link', linkRow({ ...after, gen: (before?.gen ?? 0) + 1 }));
  }

  /** The record as it was read must still stand; `null` before means that it is new. Moves its strong keys. */
  async record(before: RecordState | null, after: RecordState, keys: 'held' | 'claim'): Promise<this> {
    this.#entities.add(after.entity);
    this.expect('record', { id: after.id }, before === null ? null : { version: before.version });
    // A link alone moves the version and nothing else.
    if (before !== null && before.fields === after.fields)
      this.set('record', { id: after.id }, { version: after.version });
    else this.put('record', recordRow(after));
    if (keys === 'claim') {
      await this.#claimKeys(before, after);
      await claimOnes(this, before, after);
    }
    return this;
  }

  /** Moves the strong keys of a record. One held by another stays with its holder and raises an exact candidate. */
  async #claimKeys(before: RecordState | null, after: RecordState): Promise<void> {
    const entity = this.hub.entities.get(after.entity);
    if (entity === undefined) return;
    const kept = (record: RecordState): RecordState =>
      this.hub.mutation === 'keys-of-deleted' ? undeleted(record) : record;
    const old = before === null ? [] : keysOf(entity.keys, kept(before));
    const now = keysOf(entity.keys, kept(after));
    for (const key of now.filter((one) => !old.includes(one))) {
      const at = { entity: entity.name, key };
      const holder = await this.hub.store.get('strong_key', at);
      if (holder === undefined) {
        this.expect('strong_key', at, null).put('strong_key', { ...at, record: after.id, origin: null });
        this.arrived(keyArrived(this.hub, entity.name, key, after.id));
      } else if (holder['record'] !== after.id) {
        await raise(this, entity.name, String(holder['record']), after.id, `same ${key}`);
        noteClaim(this, holder);
      }
    }
    for (const key of old.filter((one) => !now.includes(one))) await releaseKey(this, after, key);
    const isLiving = before === null || isStanding(before) === isStanding(after);
    if (!isLiving && this.hub.mutation !== 'keys-of-deleted') await aliasKeys(this, after);
  }

  /** Notes that somebody may have waited for this. */
  arrived(notes: readonly string[]): void {
    const now = this.hub.now();
    for (const object of notes) {
      const hint = { cause: 'arrived' };
      this.append('touch', { lane: arrivedLane, object, due: now, at: now, run: this.run, hint });
      this.nudge(arrivedLane);
    }
  }

  holds(
    record: string,
    link: Pick<LinkState, 'sync' | 'object'>,
    held: readonly Hold[],
    released: readonly string[],
  ): this {
    const at = { record, sync: link.sync, object: link.object };
    for (const { field, why, theirs, ours, at: when } of held) {
      this.put('conflict', { ...at, field, why, theirs, ours, at: when, open: isOpen(why) ? 1 : 0 });
    }
    for (const field of released) this.delete('conflict', { ...at, field });
    return this;
  }

  /** What was held before there was an object is held on the object that there is now. */
  async bornHolds(record: string, sync: string, object: string): Promise<void> {
    for (const hold of await loadHolds(this.hub, record, sync, '')) {
      this.delete('conflict', { record, field: hold.field, sync, object: '' });
      this.put('conflict', { ...hold, record, sync, object, open: isOpen(hold.why) ? 1 : 0 });
    }
  }

  lineage(record: string, row: LineageRow): this {
    if (this.hub.mutation === 'silent-polls' && row.cause.startsWith('poll ')) return this;
    return this.append('lineage', { record, at: this.hub.now(), run: this.run, body: row });
  }

  park(lane: string, object: string, problem: FieldProblem, input: Row): this {
    const id = `${lane}/${object}${problem.field === undefined ? '' : `#${problem.field}`}`;
    const { code, pointer, message } = problem;
    return this.put('parked', {
      id,
      lane,
      object,
      at: this.hub.now(),
      code,
      message: `${pointer}: ${message}`,
      input,
      run: this.run,
    });
  }

  /**
   * Opens effects towards everything that the change of these fields leaves behind. A new record has no links and no
   * effects yet. `known` is one of its links as this group leaves it; nothing is promised to its object.
   */
  async promiseAll(
    record: RecordState,
    changed: readonly string[],
    known: LinkState | null,
    isNew = false,
  ): Promise<void> {
    const stored = isNew ? [] : await linksOf(this.hub, record.id);
    if (!isNew) await wakeSteps(this, record, changed);
    const isKnown = (link: LinkState): boolean => link.sync === known?.sync && link.object === known.object;
    const links = [...stored.filter((link) => !isKnown(link)), ...(known === null ? [] : [known])];
    const isMoved = changed.includes(deletedField);
    for (const sync of syncsOfEntity(this.hub, record.entity)) {
      const isBehind = changed.some((field) => sync.lens.outward.has(field));
      if (!sync.outward || !(isBehind || isMoved)) continue;
      const own = links.filter((link) => link.sync === sync.name);
      this.#tellLeft(sync, record, changed, own, known);
      for (const link of own) {
        if (link.state !== 'live' || isKnown(link) || !(isBehind || isUnwanted(sync, record, link))) continue;
        await this.promise(sync.name, record, link.object);
      }
      if (lacksObject(record, own, sync)) await this.promise(sync.name, record, '', isNew);
    }
  }

  /** Says in the history which of the changes a remote will not be sent, because the mapping leaves its places alone. */
  #tellLeft(
    sync: Sync,
    record: RecordState,
    changed: readonly string[],
    links: readonly LinkState[],
    except: LinkState | null,
  ): void {
    const { lens } = sync;
    const entries = changed.flatMap((field): Entry[] => {
      const value = record.fields[field]?.value ?? null;
      const why = lens.outward.has(field) ? (lens.leaves?.(field, value) ?? null) : null;
      return why === null ? [] : [{ field, verdict: 'noted', rule: why }];
    });
    if (entries.length === 0) return;
    for (const { object } of links.filter((link) => link.state === 'live' && link.object !== except?.object))
      this.lineage(record.id, {
        cause: 'delivery',
        sync: sync.name,
        object,
        mapping: `${lens.name}@${lens.hash}`,
        version: record.version,
        entries,
      });
  }

  /** Opens one effect, or raises what an open one wants. */
  async promise(sync: string, record: RecordState, object: string, isNew = false): Promise<void> {
    const key = { sync, record: record.id, object };
    const old = isNew ? undefined : await this.#effect(key);
    // A create whose outcome nobody could tell is for a person: a later change must not create again.
    const undecided = old?.state === 'parked' && object === '' && old.reason?.code === 'unknown-outcome';
    this.count(this.run, { e_opened: 1, [undecided ? 'e_parked' : 'e_open']: 1 });
    if (old !== undefined)
      this.count(old.run, { e_superseded: 1, [old.state === 'parked' ? 'e_parked' : 'e_open']: -1 });
    const isFresh = old === undefined || old.state === 'parked';
    const busy = old !== undefined && (old.call !== null || old.state === 'unsettled');
    this.effect(old, {
      ...key,
      state: undecided ? 'parked' : busy ? old.state : 'open',
      rev: 0,
      wanted: record.version,
      sent: old?.sent ?? 0,
      due: busy ? old.due : this.hub.now(),
      // Since when the object has been behind: a value that changes every minute must not make a stopped lane look young.
      at: isFresh ? (this.#origin?.at ?? this.hub.now()) : old.at,
      attempts: busy ? old.attempts : 0,
      most: old?.most ?? 0,
      call: old?.call ?? null,
      run: this.run,
      reason: undecided || busy ? old.reason : null,
      trace: this.#origin?.trace ?? (isFresh ? null : (old.trace ?? null)),
    });
    this.nudge(`out:${sync}`);
  }

  /** Writes an effect under the condition that it still is as it was read. */
  effect(before: EffectRow | undefined, after: EffectRow): this {
    this.#expectEffect(before, after);
    // Random, not counted: an effect that ended and came back must not look like the one that was read.
    const row = { ...after, rev: Math.floor(this.hub.random() * 2 ** 48) };
    this.#effects.set(effectKey(after), row);
    return this.put('effect', { ...row });
  }

  /** Ends an effect in the books of the run that opened it. */
  close(effect: EffectRow, how: 'delivered' | 'already' | 'superseded'): this {
    this.#expectEffect(effect, effect);
    this.count(effect.run, { [effect.state === 'parked' ? 'e_parked' : 'e_open']: -1, [`e_${how}`]: 1 });
    if (how === 'delivered') this.#delivered.push(effect);
    const { sync, record, object } = effect;
    this.#effects.set(effectKey(effect), null);
    return this.delete('effect', { sync, record, object });
  }

  /** True if this draft ends the effect. */
  ended(effect: EffectRow): boolean {
    return this.#effects.get(effectKey(effect)) === null;
  }

  #expectEffect(before: EffectRow | undefined, { sync, record, object }: EffectRow): void {
    if (this.#effects.has(effectKey({ sync, record, object }))) return;
    this.expect('effect', { sync, record, object }, before === undefined ? null : { rev: before.rev });
  }

  async #effect(key: { sync: string; record: string; object: string }): Promise<EffectRow | undefined> {
    const own = this.#effects.get(effectKey(key));
    if (own !== undefined) return own ?? undefined;
    const row = await this.hub.store.get('effect', key);
    return row === undefined ? undefined : effectOf(row);
  }

  group(): Group {
    const counts = [...this.#counts].map(([id, row]): Operation => ({
      op: 'add',
      table: 'run',
      key: { id },
      row,
    }));
    const when = this.hub.mutation === 'commit-unconditionally' ? [] : this.#when;
    return { when, write: [...this.#write, ...counts] };
  }

  /** Tells the lanes, once the group is durable. */
  nudgeAll(): void {
    for (const lane of this.#nudges) this.hub.nudge(lane);
    for (const { sync, at } of this.#delivered) this.hub.delivered?.(sync, this.hub.now() - at);
    for (const entity of this.#entities) forgetRoster(this.hub.store, entity);
  }
}

/** What a mutation takes a deleted record for. */
const undeleted = ({ fields: { [deletedField]: _, ...fields }, ...record }: RecordState): RecordState => ({
  ...record,
  fields,
});

const effectKey = (key: { sync: string; record: string; object: string }): string =>
  `${key.sync}\n${key.record}\n${key.object}`;

/** Commits one draft; true if its conditions held. */
export const commit = async (draft: Draft): Promise<boolean> => {
  const [done] = await draft.hub.store.commit([draft.group()]);
  if (done === true) draft.nudgeAll();
  return done === true;
};
