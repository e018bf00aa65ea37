/**
 * candidates, merge, unmerge: which records may be one, and what people decide about them. A merge shows first what it
 * would do, to the records and to each system; with --apply it is done. A running gateway writes what follows from it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CrosswalkError } from '../errors.ts';
import { candidatesReport, pairReport, type CandidateFilter } from '../health/candidates.ts';
import { mergeReport, unmergeReport, type MergeReport } from '../health/merging.ts';
import { findId } from '../health/record.ts';
import type { View } from '../health/reports.ts';
import type { Survivor } from '../identity/survivor.ts';
import type { Hub } from '../sync/hub.ts';
import { mergePlan, ordered, tellApart, tryMerge, tryUnmerge, unmergePlan } from '../sync/identity.ts';
import { barError, type Bar } from '../sync/join.ts';
import { standingRun } from '../sync/runs.ts';
import { withView } from './asking.ts';
import { me } from './deciding.ts';
import { hubOf } from './hub.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

interface Deciding extends Common {
  readonly apply?: boolean;
  readonly by?: string;
  readonly wait?: string;
}

interface Merging extends Deciding {
  readonly survivor?: string;
  readonly overrule?: boolean;
}

interface Listing extends Common {
  readonly entity?: string;
  readonly score?: string;
  readonly sort?: string;
  readonly limit?: string;
}

const sorts = ['score', 'newest', 'oldest'] as const;

const filterOf = ({ entity, score, sort, limit }: Listing): CandidateFilter => {
  const least = score === undefined ? 0 : Number(score);
  if (!(least >= 0 && least <= 1))
    throw new CrosswalkError('usage', { detail: '--score takes a probability, such as 0.92' });
  const order = sorts.find((one) => one === (sort ?? 'score'));
  if (order === undefined) throw new CrosswalkError('usage', { detail: `--sort takes ${sorts.join(', ')}` });
  const most = Math.max(1, Number(limit ?? 50) || 50);
  return { score: least, sort: order, limit: most, ...(entity === undefined ? {} : { entity }) };
};

export const candidatesList = (options: Listing): Promise<number> =>
  withView(options, async ({ store }) => {
    const { candidates, of } = await candidatesReport(store, filterOf(options));
    if (options.json) {
      json({ candidates, of });
      return exits.ok;
    }
    if (candidates.length === 0) say('no candidates');
    else {
      const rows = candidates.map((one) => [
        one.entity,
        one.score === null ? 'certain key' : one.score.toFixed(4),
        `${one.labels[0]} (${one.a})`,
        `${one.labels[1]} (${one.b})`,
        one.why,
        one.at,
      ]);
      say(table(['entity', 'score', 'one', 'other', 'why', 'since'], rows));
      if (of > candidates.length) say(`… and ${of - candidates.length} more (--limit)`);
    }
    return exits.ok;
  });

const shown = (value: unknown): string => JSON.stringify(value ?? null);

export const candidatesShow = (options: Common, one: string, other: string): Promise<number> =>
  withView(options, async (view) => {
    const pair = await pairReport(view.store, await findId(view, one), await findId(view, other));
    if (options.json) {
      json(pair);
      return exits.ok;
    }
    const likely = pair.score === null ? '' : `, one thing with probability ${pair.score.toFixed(4)}`;
    say(`${pair.labels[0]} (${pair.a}) and ${pair.labels[1]} (${pair.b}): ${pair.why}${likely}`);
    if (pair.apart !== null) say(`${pair.apart} has said that they are not the same`);
    if (pair.proof !== null) say(`${pair.proof} proves that they are two`);
    const rows = pair.fields.map(({ field, a, b, level, bits }) => [
      field,
      shown(a),
      shown(b),
      level ?? '',
      bits === null ? '' : `${bits >= 0 ? '+' : ''}${bits.toFixed(1)}`,
    ]);
    say(table(['field', pair.a, pair.b, 'agree', 'bits'], rows));
    say(
      `merge them: crosswalk merge ${pair.a} ${pair.b}; tell them apart: crosswalk candidates reject ${pair.a} ${pair.b}`,
    );
    return exits.ok;
  });

export const candidatesReject = (options: Deciding, one: string, other: string): Promise<number> =>
  withView(options, async (view, installation) => {
    const hub = hubOf(view, installation);
    const [a, b] = [await findId(view, one), await findId(view, other)];
    await tellApart(hub, a, b, me(options), await people(hub));
    if (options.json) json({ ok: true });
    else say(`${a} and ${b} are not the same: no key and no score joins them from now on`);
    return exits.ok;
  });

const people = (hub: Hub): Promise<string> => standingRun(hub, 'upkeep', 'people', new Set());

const rules = ['newest', 'updated', 'complete'] as const;

/** `newest`, `updated`, `complete`, a connection, or one of the two records. */
const survivorRule = async (
  view: View,
  given: string | undefined,
): Promise<Survivor | { readonly record: string } | undefined> => {
  if (given === undefined) return undefined;
  const rule = rules.find((one) => one === given);
  if (rule !== undefined) return rule;
  if (Object.hasOwn(view.config.connections, given)) return { system: given };
  return { record: await findId(view, given) };
};

/** Tries until what is under way has ended, or the time is over. */
const patiently = async <Done>(
  { wait }: Deciding,
  what: string,
  attempt: () => Promise<Done | Bar>,
): Promise<Done> => {
  const seconds = Number(wait ?? 10);
  if (!Number.isFinite(seconds) || seconds < 0)
    throw new CrosswalkError('usage', { detail: '--wait takes a number of seconds' });
  for (const end = Date.now() + seconds * 1000; ;) {
    const outcome = await attempt();
    if (typeof outcome !== 'object' || outcome === null || !('is' in outcome)) return outcome;
    if (outcome.is !== 'busy' || Date.now() >= end) throw barError(outcome, what);
    await sleep(250);
  }
};

export const merge = (options: Merging, one: string, other: string): Promise<number> =>
  withView(options, async (view, installation) => {
    const hub = hubOf(view, installation);
    const by = `person:${me(options)}`;
    const [a, b] = [await findId(view, one), await findId(view, other)];
    const rule = await survivorRule(view, options.survivor);
    const how = { by, cause: by, overrules: options.overrule === true };
    const pick = (): ReturnType<typeof ordered> => ordered(hub, a, b, rule);
    const report = await mergeReport(hub, await mergePlan(hub, await pick(), how), 'planned');
    if (options.apply !== true) return tell(report, options);
    const run = await people(hub);
    await patiently(options, `${a} and ${b}`, () => tryMerge(hub, pick, how, run));
    return tell({ ...report, state: 'done' }, options);
  });

export const unmerge = (options: Deciding, one: string): Promise<number> =>
  withView(options, async (view, installation) => {
    const hub = hubOf(view, installation);
    const by = `person:${me(options)}`;
    const report = await unmergeReport(hub, await unmergePlan(hub, one, by), 'planned');
    if (options.apply !== true) return tell(report, options);
    const run = await people(hub);
    await patiently(options, one, () => tryUnmerge(hub, one, by, run));
    return tell({ ...report, state: 'done' }, options);
  });

const tell = (report: MergeReport, options: Common): number => {
  if (options.json) {
    json({ [report.what]: report });
    return exits.ok;
  }
  const { what, state, survivor, loser, labels, fields, writes, kept, links } = report;
  const verb = what === 'merge' ? 'into' : 'out of';
  const pair = `${labels[1]} (${loser}) ${verb} ${labels[0]} (${survivor})`;
  if (state === 'planned') say(`PLAN: ${pair}; nothing was changed; add --apply to do it`);
  else
    say(
      `${what}d: ${pair}${what === 'merge' ? `; take them apart with: crosswalk unmerge ${loser}` : '; they are told apart for good'}`,
    );
  const head = [
    'field',
    survivor,
    loser,
    ...(what === 'merge' ? ['after'] : [`${survivor} after`, `${loser} after`]),
    'why',
  ];
  const rows = fields.map((one) => [
    one.field,
    shown(one.survivor),
    shown(one.loser),
    shown(one.after),
    ...(what === 'merge' ? [] : [shown(one.loserAfter)]),
    one.rule,
  ]);
  say(table(head, rows));
  const to = what === 'merge' ? survivor : loser;
  for (const { sync, object } of links) say(`  ${sync}/${object} goes to ${to}`);
  for (const { sync, object, field, now, after } of writes)
    say(`  ${sync}/${object}: ${field} ${shown(now)} is to be written to ${shown(after)}`);
  for (const { sync, object, field, theirs, why } of kept)
    say(
      `  ${sync}/${object}: ${field} stays ${shown(theirs)} (${why === 'ask' ? 'a person must decide' : why})`,
    );
  if (writes.length === 0) say('  no system is written');
  return exits.ok;
};
