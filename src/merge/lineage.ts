import type { Json } from '../connector.ts';
import type { Lens, Reading } from '../mapping/lens.ts';
import { placeAt, same } from './record.ts';
import type { Entry, FieldState, LinkState, RecordState } from './record.ts';

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
  /**
   * `created`, `linked`, `revived`, `gone`, `detached`, `notified`, `dropped`, or nothing. Two records become one and two
   * again: `merged`, `unmerged`; and their links come and go: `joined`, `parted`.
   */
  readonly event?: string;
  /** The other record of a merge, an unmerge, or a link that joined or parted. */
  readonly other?: string;
  /** Of a link that joined: the state that it came in. */
  readonly state?: LinkState['state'];
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
  /** It stands for rows that were pruned: what it says still holds, what was before is not known. */
  readonly condensed?: true;
}

/** Verdicts by which a record's value changed. */
const changes: ReadonlySet<Entry['verdict']> = new Set([
  'took',
  'resolved',
  'routed',
  'yielded',
  'undone',
  'merged',
  'unmerged',
]);

/** An entry that gave the record's field its value; the others tell what was seen, left, or written elsewhere. */
export type Setting = Entry & Required<Pick<Entry, 'version' | 'source'>>;

export const isSetting = (entry: Entry): entry is Setting =>
  changes.has(entry.verdict) && entry.version !== undefined && entry.source !== undefined;

/** Verdicts that leave a hold as it is. */
const leaving: ReadonlySet<Entry['verdict']> = new Set(['seen', 'noted', 'refused']);

/** False for an entry that ends what was held of its field on its link, unless it is held anew. */
export const leavesHold = ({ verdict, held }: Entry): boolean => held === undefined && leaving.has(verdict);

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
  { notes = [] }: Reading,
  former: Pick<LinkState, 'shadow' | 'left'>,
  now: Pick<LinkState, 'shadow' | 'left'>,
): Entry[] =>
  notes.flatMap(({ field, message }): Entry[] => {
    const left = now.left?.[field];
    const isNew =
      left === undefined
        ? lens
            .pointers(field)
            .some((pointer) => !same(placeAt(former.shadow, pointer), placeAt(now.shadow, pointer)))
        : !same(former.left?.[field] ?? null, left);
    if (!isNew) return [];
    // The value is nowhere else: the record has it not, and the shadow neither.
    return [
      { field, verdict: 'noted', rule: message, ...(left === undefined ? {} : { theirs: valueOf(left) }) },
    ];
  });

/** What stood at one place, or at several. */
const valueOf = (places: Json): Json =>
  Array.isArray(places) && places.length === 1 ? (places[0] ?? null) : places;
