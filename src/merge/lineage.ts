import type { Json, JsonObject } from '../connector.ts';
import type { FieldNote, Lens } from '../mapping/lens.ts';
import { placeAt, same } from './record.ts';
import type { Entry, FieldState, RecordState } from './record.ts';

/** One packed row of lineage: what one commit saw, decided and wrote about one record, and because of what. */
export interface LineageRow {
  /** What caused it: `hook <id>`, `poll`, `scan`, `confirm`, `call <id>`, `person:<name>`, `undo <run>`. */
  readonly cause: string;
  /** The sync and object that it concerns, if one. */
  readonly sync?: string;
  readonly object?: string;
  /** `<mapping>@<hash>`. */
  readonly mapping?: string;
  /** The version of the record after this commit. */
  readonly version: number;
  /** `created`, `linked`, `revived`, `gone`, `detached`, `notified`, `dropped`, or nothing. */
  readonly event?: string;
  readonly entity?: string;
  /** The message that people were told by: `<seq of its transition>/<notice>`. */
  readonly notice?: string;
  readonly entries: readonly Entry[];
}

/** A row of lineage as it stands in the store. */
export interface ToldRow {
  readonly seq: number;
  /** UTC ms of the commit. */
  readonly at: number;
  readonly run: string;
  readonly body: LineageRow;
}

/** An entry that gave the record's field its value; the others tell what was seen, left, or written elsewhere. */
export type Setting = Entry & Required<Pick<Entry, 'version' | 'source'>>;

export const isSetting = (entry: Entry): entry is Setting =>
  (entry.verdict === 'took' || entry.verdict === 'resolved' || entry.verdict === 'undone') &&
  entry.version !== undefined &&
  entry.source !== undefined;

/** Values of a record as replayed from its lineage: equal to the store's, or something was written past it. */
export const replay = (
  rows: readonly LineageRow[],
): Record<string, { value: Json; version: number; source: string }> => {
  const fields: Record<string, { value: Json; version: number; source: string }> = {};
  for (const row of rows) {
    for (const entry of row.entries) {
      if (!isSetting(entry)) continue;
      fields[entry.field] = { value: entry.after ?? null, version: entry.version, source: entry.source };
    }
  }
  return fields;
};

/** The differences between a record and its replayed lineage, as sentences. */
export const replayDifferences = (record: RecordState, rows: readonly LineageRow[]): string[] => {
  const replayed = replay(rows);
  const names = new Set([...Object.keys(record.fields), ...Object.keys(replayed)]);
  return [...names].flatMap((name) => {
    const stored: FieldState | undefined = record.fields[name];
    const told = replayed[name];
    const equal =
      stored !== undefined &&
      told !== undefined &&
      JSON.stringify(stored.value) === JSON.stringify(told.value) &&
      stored.version === told.version &&
      stored.source === told.source;
    return equal
      ? []
      : [
          `${record.id}.${name}: store ${JSON.stringify(stored?.value)}, lineage ${JSON.stringify(told?.value)}`,
        ];
  });
};

/** What the mapping has to tell of values that this look shows anew: once, not at every look. */
export const noted = (
  lens: Lens,
  notes: readonly FieldNote[],
  former: JsonObject,
  shadow: JsonObject,
): Entry[] =>
  notes
    .filter(({ field }) =>
      lens.pointers(field).some((pointer) => !same(placeAt(former, pointer), placeAt(shadow, pointer))),
    )
    .map(({ field, message }) => ({ field, verdict: 'noted', rule: message }));
