/** Records that may be one, as people look through them: the list, and one pair field by field. */
import { CrosswalkError } from '../errors.ts';
import type { Json } from '../connector.ts';
import { labelOf } from '../merge/record.ts';
import { isReserved } from '../merge/redirect.ts';
import type { Row } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { apartBy, pairOf } from '../sync/candidates.ts';
import { leadsTo } from '../sync/hub.ts';

/** One candidate. Times are ISO 8601 with offset. */
export interface CandidateReport {
  readonly entity: string;
  readonly a: string;
  readonly b: string;
  /** What each is known by: a name, an address, a number. */
  readonly labels: readonly [string, string];
  /** `same email=…`, `merged in crm`, `alike`. */
  readonly why: string;
  /** How likely they are one, from 0 to 1; null where a key or a system says so. */
  readonly score: number | null;
  readonly at: string;
}

export interface CandidateFilter {
  readonly entity?: string;
  /** At least so likely; what a key or a system says is always shown. */
  readonly score?: number;
  readonly sort?: 'score' | 'newest' | 'oldest';
  readonly limit: number;
}

interface Explained {
  readonly bits: number;
  readonly proof: string | null;
  readonly fields: readonly {
    readonly field: string;
    readonly level: string;
    readonly bits: readonly number[];
  }[];
}

/** One field of the two. */
export interface CandidateField {
  readonly field: string;
  readonly a: Json;
  readonly b: Json;
  /** How well they agree: `exact`, `close` …; null where the search did not compare them. */
  readonly level: string | null;
  /** What that says for their being one, in bits against strangers; null likewise. */
  readonly bits: number | null;
}

export interface PairReport extends CandidateReport {
  readonly fields: readonly CandidateField[];
  /** The field whose values prove the two to be different. */
  readonly proof: string | null;
  /** Who has said that they are not the same; null if nobody. */
  readonly apart: string | null;
}

const all = 1_000_000;

const scoreOf = (row: Row): number | null =>
  row['score'] === null || row['score'] === undefined ? null : Number(row['score']) / 1_000_000;

const labelIn = async (store: Store, id: string): Promise<string> => {
  const record = await leadsTo({ store }, id);
  return record === undefined ? id : labelOf(record.id, record.fields);
};

const reportOf = async (store: Store, row: Row): Promise<CandidateReport> => {
  const [a, b] = [String(row['a']), String(row['b'])];
  return {
    entity: String(row['entity']),
    a,
    b,
    labels: [await labelIn(store, a), await labelIn(store, b)],
    why: String(row['why']),
    score: scoreOf(row),
    at: new Date(Number(row['at'])).toISOString(),
  };
};

/** What a key or a system says counts as certain. */
const rank = (row: Row): number => scoreOf(row) ?? 1.1;

/** Candidates by a filter, and how many there are in all. */
export const candidatesReport = async (
  store: Store,
  { entity, score = 0, sort = 'score', limit }: CandidateFilter,
): Promise<{ readonly candidates: readonly CandidateReport[]; readonly of: number }> => {
  const rows =
    entity === undefined
      ? await store.list('candidate', 'at', { where: {}, limit: all })
      : await store.list('candidate', 'entity', { where: { entity }, limit: all });
  const found = rows.filter((row) => rank(row) >= score);
  const time = (row: Row): number => Number(row['at']);
  found.sort((x, y) => {
    if (sort === 'oldest') return time(x) - time(y);
    return (sort === 'score' ? rank(y) - rank(x) : 0) || time(y) - time(x);
  });
  const candidates: CandidateReport[] = [];
  for (const row of found.slice(0, limit)) candidates.push(await reportOf(store, row));
  return { candidates, of: found.length };
};

/** Two records field by field, whether they are a candidate or not. Throws CrosswalkError `not-there`, `merge-refused`. */
export const pairReport = async (store: Store, one: string, other: string): Promise<PairReport> => {
  const [first, second] = [await leadsTo({ store }, one), await leadsTo({ store }, other)];
  if (first === undefined) throw new CrosswalkError('not-there', { what: 'record', id: one });
  if (second === undefined) throw new CrosswalkError('not-there', { what: 'record', id: other });
  if (first.id === second.id)
    throw new CrosswalkError('merge-refused', {
      what: `${one} and ${other}`,
      detail: 'the two are one already',
    });
  const pair = pairOf(first.entity, first.id, second.id);
  const [a, b] = pair.a === first.id ? [first, second] : [second, first];
  const row = await store.get('candidate', { ...pair });
  const known = (row?.['explanation'] ?? null) as Explained | null;
  const by = await apartBy({ store }, a.id, b.id);
  const names = new Set(
    [...Object.keys(a.fields), ...Object.keys(b.fields)].filter((name) => !isReserved(name)),
  );
  const fields = [...names].map((field): CandidateField => {
    const told = known?.fields.find((each) => each.field === field);
    return {
      field,
      a: a.fields[field]?.value ?? null,
      b: b.fields[field]?.value ?? null,
      level: told?.level ?? null,
      bits: told?.bits[0] ?? null,
    };
  });
  return {
    ...(await reportOf(
      store,
      row ?? { ...pair, why: 'no candidate', at: Math.max(a.at, b.at), score: null },
    )),
    fields,
    proof: known?.proof ?? null,
    apart: by === undefined ? null : String(by['by']),
  };
};
