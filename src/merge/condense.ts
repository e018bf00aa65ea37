/**
 * Lineage made short: the fewest rows that replay to the same record. They stand for the rows that are pruned, so that
 * whoever replays a record needs to know of nothing else: its values with who gave them and why, its links, and what
 * is held on them. What was there before is gone with the rows.
 */
import type { RecordThen } from './history.ts';
import type { LineageRow, ToldRow } from './lineage.ts';
import type { Entry } from './record.ts';

/** Rows of the record as it was at `seq` (of its last row) and `at` (of the same; UTC ms). */
export const condense = (then: RecordThen, seq: number, at: number): ToldRow[] => {
  const row = (since: number, run: string, body: LineageRow): ToldRow => ({
    seq,
    at: since,
    run,
    body,
    condensed: true,
  });
  const { made, entity, version } = then;
  const first =
    made === null
      ? []
      : [
          row(made, '', {
            cause: 'pruned',
            version: 0,
            event: 'created',
            ...(entity === null ? {} : { entity }),
            entries: [],
          }),
        ];
  const links = then.links.map(({ sync, object, state, since }) =>
    row(since, '', {
      cause: 'pruned',
      sync,
      object,
      version: 0,
      event: state === 'live' ? 'linked' : state,
      entries: [],
    }),
  );
  const fields = Object.entries(then.fields).map(([field, one]) => {
    const entry: Entry = {
      field,
      verdict: one.verdict,
      after: one.value,
      version: one.version,
      source: one.source,
      ...(one.at === undefined ? {} : { at: one.at }),
      ...(one.rule === undefined ? {} : { rule: one.rule }),
      ...(one.of === undefined ? {} : { of: one.of }),
    };
    return row(one.since, one.run, {
      cause: one.cause,
      ...(one.mapping === undefined ? {} : { mapping: one.mapping }),
      version: one.version,
      entries: [entry],
    });
  });
  const holds = then.holds.map(({ field, sync, object, why, theirs, since }) => {
    const entry: Entry = { field, verdict: 'held', held: why, ...(theirs === undefined ? {} : { theirs }) };
    return row(since, '', { cause: 'pruned', sync, object, version: 0, entries: [entry] });
  });
  return [...first, ...links, ...fields, ...holds, row(at, '', { cause: 'pruned', version, entries: [] })];
};
