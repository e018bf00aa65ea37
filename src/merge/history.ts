/** A record as it was: replayed from its lineage, row by row in the order of their commits. */
import type { Json } from '../connector.ts';
import { isSetting, leavesHold, type ToldRow } from './lineage.ts';
import type { Entry, HoldReason, LinkState, Span } from './record.ts';

/** One field of a record as it was, and who made it so. */
export interface FieldThen {
  readonly value: Json;
  /** Version of the record at which the field got this value. */
  readonly version: number;
  /** UTC ms of the commit that gave it the value. */
  readonly since: number;
  /** When the change was made, as far as it is known. */
  readonly at?: Span;
  /** `<sync>/<object>` or `person:<name>`. */
  readonly source: string;
  /** `poll …`, `hook …`, `person:…`, `undo …`. */
  readonly cause: string;
  readonly run: string;
  readonly verdict: Entry['verdict'];
  /** The rule that decided: `newest`, `owner`, `decided by …`. */
  readonly rule?: string;
  readonly mapping?: string;
  /** The record that it came with, where that was merged into this one. */
  readonly of?: string;
}

export interface LinkThen {
  readonly sync: string;
  readonly object: string;
  readonly state: LinkState['state'];
  /** UTC ms of the commit that brought it into this state. */
  readonly since: number;
}

export interface HoldThen {
  readonly field: string;
  readonly sync: string;
  readonly object: string;
  readonly why: HoldReason;
  /** The remote's value; undefined where lineage does not tell it. */
  readonly theirs?: Json;
  readonly since: number;
}

export interface RecordThen {
  readonly version: number;
  /** UTC ms of its making; null if it had not been made by then. */
  readonly made: number | null;
  readonly entity: string | null;
  readonly fields: Readonly<Record<string, FieldThen>>;
  readonly links: readonly LinkThen[];
  readonly holds: readonly HoldThen[];
}

/** Until when, inclusive: a time (UTC ms) or a version of the record; neither means until now. */
export interface Until {
  readonly at?: number;
  readonly version?: number;
}

class Replay {
  version = 0;
  made: number | null = null;
  entity: string | null = null;
  readonly fields: Record<string, FieldThen> = {};
  readonly links = new Map<string, LinkThen>();
  readonly holds = new Map<string, HoldThen>();

  take({ at, run, body }: ToldRow): void {
    if (body.version > 0) this.version = Math.max(this.version, body.version);
    if (body.event === 'created') {
      this.made ??= at;
      this.entity ??= body.entity ?? null;
    }
    this.#link(at, body);
    for (const entry of body.entries) {
      this.#hold(at, body, entry);
      if (!isSetting(entry)) continue;
      this.fields[entry.field] = {
        value: entry.after ?? null,
        version: entry.version,
        since: at,
        ...(entry.at === undefined ? {} : { at: entry.at }),
        source: entry.source,
        cause: body.cause,
        run,
        verdict: entry.verdict,
        ...(entry.rule === undefined ? {} : { rule: entry.rule }),
        ...(body.mapping === undefined ? {} : { mapping: body.mapping }),
        ...(entry.of === undefined ? {} : { of: entry.of }),
      };
    }
  }

  #link(at: number, { sync, object = '', event, state = 'live' }: ToldRow['body']): void {
    if (sync === undefined || object === '') return;
    const key = `${sync}/${object}`;
    if (event === 'gone' || event === 'detached') {
      this.links.set(key, { sync, object, state: event, since: at });
      this.#free(sync, object);
    } else if (event === 'parted') {
      this.links.delete(key);
      this.#free(sync, object);
    } else if (event === 'joined') this.links.set(key, { sync, object, state, since: at });
    else if (event === 'revived' || !this.links.has(key)) {
      this.links.set(key, { sync, object, state: 'live', since: at });
      this.#born(sync, object);
    }
  }

  /** Nothing is held any more on an object that has gone. */
  #free(sync: string, object: string): void {
    for (const [id, hold] of this.holds)
      if (hold.sync === sync && hold.object === object) this.holds.delete(id);
  }

  /** What was held before there was an object is held on the object that there is now. */
  #born(sync: string, object: string): void {
    for (const [id, hold] of this.holds) {
      if (hold.sync !== sync || hold.object !== '') continue;
      this.holds.delete(id);
      this.holds.set(holdKey(sync, object, hold.field), { ...hold, object });
    }
  }

  #hold(at: number, { sync, object = '' }: ToldRow['body'], entry: Entry): void {
    if (sync === undefined) return;
    const key = holdKey(sync, object, entry.field);
    const why = entry.held;
    const old = this.holds.get(key);
    const theirs = entry.theirs === undefined ? {} : { theirs: entry.theirs };
    if (why !== undefined) {
      const since = old?.why === why ? old.since : at;
      this.holds.set(key, { field: entry.field, sync, object, why, ...theirs, since });
    } else if (!leavesHold(entry)) this.holds.delete(key);
  }
}

const holdKey = (sync: string, object: string, field: string): string => `${sync}\n${object}\n${field}`;

/** The record of these rows (all of its lineage, in order) as it was. */
export const recordThen = (rows: readonly ToldRow[], until: Until = {}): RecordThen => {
  const replay = new Replay();
  for (const row of rows) {
    if (row.at > (until.at ?? Number.POSITIVE_INFINITY)) continue;
    if (row.body.version > (until.version ?? Number.POSITIVE_INFINITY)) continue;
    replay.take(row);
  }
  const { version, made, entity, fields } = replay;
  return {
    version,
    made,
    entity,
    fields,
    links: [...replay.links.values()],
    holds: [...replay.holds.values()],
  };
};
