/** Identity, judged against lineage and the store: where ids lead, whose keys are whose, and whose edits went with whom. */
import { strongKeys } from '../merge/identify.ts';
import type { LineageRow } from '../merge/lineage.ts';
import { same, type Entry } from '../merge/record.ts';
import { intoOf, mergedField } from '../merge/redirect.ts';
import type { Json } from '../connector.ts';
import type { Snapshot } from './checks.ts';
import { toyFields } from './toy.ts';
import type { World } from './world.ts';

const all = 1_000_000;

export const wrongIdentities = async (world: World, state: Snapshot): Promise<string[]> => [
  ...leading(state),
  ...(await stray(world, state)),
  ...(await keys(world, state)),
  ...(await joinedApart(world, state)),
  ...takenApart(state),
];

/** Every merged record leads to one that is not merged, and no link is with one that is. */
const leading = ({ records, links }: Snapshot): string[] => [
  ...[...records.values()].flatMap((record) => {
    const met = new Set<string>();
    let at: string | null = record.id;
    while (at !== null && !met.has(at)) {
      met.add(at);
      const next = records.get(at);
      if (next === undefined) return [`identity: ${record.id} leads to ${at}, which is not there`];
      at = intoOf(next);
    }
    return at === null ? [] : [`identity: ${record.id} leads round in a circle`];
  }),
  ...links.flatMap((link) => {
    const record = records.get(link.record);
    return record !== undefined && intoOf(record) !== null
      ? [`identity: ${link.object} is linked to ${link.record}, which was merged into ${intoOf(record)}`]
      : [];
  }),
];

/** Nothing is promised to, held for or waited for by a record that was merged into another. */
const stray = async ({ store }: World, { records }: Snapshot): Promise<string[]> => {
  const wrong: string[] = [];
  for (const record of records.values()) {
    if (intoOf(record) === null) continue;
    for (const table of ['effect', 'conflict', 'strong_key'] as const)
      for (const row of await store.list(table, 'record', { where: { record: record.id }, limit: all }))
        wrong.push(`identity: ${record.id} was merged, and has ${table} ${JSON.stringify(row)}`);
  }
  return wrong;
};

const valuesOf = (
  record: Snapshot['records'] extends Map<string, infer R> ? R : never,
): Record<string, Json> =>
  Object.fromEntries(Object.entries(record.fields).map(([field, { value }]) => [field, value]));

/** A key is with a record that has it, or into which one that had it was merged. */
const keys = async ({ store }: World, { records }: Snapshot): Promise<string[]> => {
  const rows = await store.list('strong_key', 'record', { where: {}, limit: all });
  return rows.flatMap((row) => {
    const record = records.get(String(row['record']));
    const origin = row['origin'] === null ? undefined : records.get(String(row['origin']));
    const has =
      record !== undefined && strongKeys([['email']], valuesOf(record)).includes(String(row['key']));
    const had = origin !== undefined && intoOf(origin) !== null;
    return has || had ? [] : [`identity: ${row['record']} holds ${row['key']}, which is not its own`];
  });
};

/** Records of which a person has said that they are not the same are two, whatever came after. */
const joinedApart = async ({ store }: World, { records }: Snapshot): Promise<string[]> => {
  const end = (id: string): string => {
    for (let at = id; ;) {
      const record = records.get(at);
      const next = record === undefined ? null : intoOf(record);
      if (next === null) return at;
      at = next;
    }
  };
  const rows = await store.list('apart', 'a', { where: {}, limit: all });
  return rows.flatMap((row) =>
    end(String(row['a'])) === end(String(row['b']))
      ? [`identity: ${row['a']} and ${row['b']} are one, and ${row['by']} has said that they are not`]
      : [],
  );
};

interface Step {
  readonly row: LineageRow;
  readonly entry: Entry;
}

const settingsOf = (rows: readonly LineageRow[], field: string): Step[] =>
  rows.flatMap((row) =>
    row.entries
      .filter(
        (entry) =>
          entry.field === field &&
          entry.version !== undefined &&
          entry.source !== undefined &&
          entry.verdict !== 'wrote' &&
          entry.verdict !== 'confirmed',
      )
      .map((entry) => ({ row, entry })),
  );

/** The object (`sync/id`) that brought a value; nothing where a merge, a person or a rule set it. A value that one record
 * was taken out with goes on with the object that had brought it, when another is taken out of that one in its turn. */
const broughtBy = ({ row: { sync, object }, entry: { verdict, source } }: Step): string =>
  verdict === 'took' || verdict === 'resolved'
    ? `${sync}/${object}`
    : verdict === 'unmerged'
      ? (source ?? '')
      : '';

/**
 * After an unmerge each edit that was made meanwhile is with the record whose link brought it: the loser has the last that
 * came from its own objects, or what it had before; the survivor has nothing of theirs.
 */
const takenApart = ({ records, lineage }: Snapshot): string[] =>
  [...lineage].flatMap(([loser, rows]) =>
    rows.flatMap((row, i) => {
      const survivor = row.other ?? '';
      if (row.event !== 'unmerged' || row.entries[0]?.field !== mergedField || !records.has(survivor))
        return [];
      const begin = rows.findLastIndex((one, n) => n < i && one.event === 'merged' && one.other === survivor);
      const back = rows.slice(0, i).filter((one) => one.event === 'joined' && one.other === survivor);
      const since = back.filter((one) => rows.indexOf(one) > begin);
      const objects = new Set(since.map(({ sync, object }) => `${sync}/${object}`));
      const theirs = lineage.get(survivor) ?? [];
      const to = theirs.findIndex(
        (one) =>
          one.event === 'unmerged' &&
          one.other === loser &&
          nth(theirs, one, loser, 'unmerged') === nth(rows, row, survivor, 'unmerged'),
      );
      const from = theirs.slice(0, to).findLastIndex((one) => one.event === 'merged' && one.other === loser);
      const meanwhile = theirs.slice(from, to);
      return toyFields.flatMap((field) => {
        const own = settingsOf(meanwhile, field).filter((one) => objects.has(broughtBy(one)));
        const before = settingsOf(rows.slice(0, i), field).at(-1)?.entry.after ?? null;
        const last = own.at(-1)?.entry;
        const expected = last === undefined ? before : (last.after ?? null);
        const got = settingsOf(rows.slice(0, i + 1), field).at(-1)?.entry.after ?? null;
        const wrong = same(got, expected)
          ? []
          : [
              `identity: ${loser}.${field} was taken out with ${JSON.stringify(got)}, not ${JSON.stringify(expected)}`,
            ];
        const kept = settingsOf(theirs.slice(0, to + 1), field).at(-1);
        const isTheirs =
          kept !== undefined && kept.entry.verdict !== 'resolved' && objects.has(broughtBy(kept));
        const isLate = kept !== undefined && theirs.indexOf(kept.row) >= from;
        return isTheirs && isLate
          ? [
              ...wrong,
              `identity: ${survivor}.${field} kept ${JSON.stringify(kept.entry.after)}, which came from an object of ${loser}`,
            ]
          : wrong;
      });
    }),
  );

/** The how-manieth row of its sort about another record. */
const nth = (rows: readonly LineageRow[], row: LineageRow, other: string, event: string): number =>
  rows.filter((one) => one.event === event && one.other === other).indexOf(row);
