/** What a search for duplicates found: as words, as JSON, and as two tables. */
import type { Cluster, Decision } from '../identity/clusters.ts';
import { bitsOf, type Explanation } from '../identity/model.ts';
import { levels } from '../identity/sort.ts';
import type { DedupeOptions, Outcome } from './dedupe.ts';
import { writeDelimited } from './delimited.ts';
import { json, say, table } from './output.ts';

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
const signed = (bits: number): string => `${bits < 0 ? '−' : '+'}${Math.abs(bits).toFixed(1)}`;

/** Pairs by number, the strongest first; equal ones in the order of their records. */
const strongestFirst = ({ pairs: { a, b, bits } }: Outcome): number[] =>
  [...bits.keys()].sort(
    (i, j) => (bits[j] ?? 0) - (bits[i] ?? 0) || (a[i] ?? 0) - (a[j] ?? 0) || (b[i] ?? 0) - (b[j] ?? 0),
  );

/** What is likeliest if the two are not one. */
const rivalOf = ({ against }: Explanation): number =>
  against.reduce((best, one, i) => (one.bits < (against[best]?.bits ?? 0) ? i : best), 0);

// ---------------------------------------------------------------- tables

function* pairRows(outcome: Outcome): Generator<(string | number)[]> {
  const { subject, pairs, decisions, learnt } = outcome;
  for (const i of strongestFirst(outcome)) {
    const [a, b] = [pairs.a[i] ?? 0, pairs.b[i] ?? 0];
    const told = learnt.scorer.explain(a, b);
    const rival = rivalOf(told);
    yield [
      subject.id(a),
      subject.id(b),
      round(told.probability, 6),
      decisions[i] ?? 'review',
      round(told.bits, 2),
      told.against[rival]?.is ?? '',
      round(told.against[rival]?.prior ?? 0, 2),
      told.proof ?? '',
      ...told.fields.flatMap((field) => [field.a, field.b, field.level, round(field.bits[rival] ?? 0, 2)]),
    ];
  }
}

function* clusterRows({ subject, clusters, survivor }: Outcome): Generator<(string | number)[]> {
  const { split } = subject.table;
  for (const [i, cluster] of clusters.entries()) {
    const survives = survivor(cluster);
    for (const record of cluster.members) {
      yield [
        subject.id(record),
        i + 1,
        record < split ? 1 : 2,
        cluster.decision,
        record === survives ? 'yes' : 'no',
        cluster.why ?? '',
      ];
    }
  }
}

/** Writes the tables that were asked for. */
export const writeResults = async (
  outcome: Outcome,
  { pairs, clusters }: Pick<DedupeOptions, 'pairs' | 'clusters'>,
): Promise<void> => {
  const names = outcome.subject.table.fields.flatMap(({ name }) =>
    ['a', 'b', 'how', 'bits'].map((part) => `${name}_${part}`),
  );
  const head = ['id_a', 'id_b', 'probability', 'decision', 'bits', 'against', 'prior', 'proof', ...names];
  if (pairs !== undefined) await writeDelimited(pairs, head, pairRows(outcome));
  if (clusters !== undefined)
    await writeDelimited(
      clusters,
      ['id', 'cluster', 'file', 'decision', 'survivor', 'why'],
      clusterRows(outcome),
    );
};

// ---------------------------------------------------------------- what was learnt

interface Weight {
  readonly level: string;
  readonly matches: number;
  readonly bits: number;
}

/** By field: how often matches show each level, and what that says against strangers; levels that are all but unknown are left out. */
const weightsOf = ({ learnt: { model } }: Outcome): { field: string; sort: string; weights: Weight[] }[] =>
  model.fields.map(({ name, sort }, i) => ({
    field: name,
    sort,
    weights: levels
      .map((level, at) => ({
        level,
        matches: model.rates[i]?.[at] ?? 0,
        bits: model.against[0]?.bits[i]?.[at] ?? 0,
      }))
      .filter(({ matches }, at) => at > 0 && matches >= 0.002)
      .reverse()
      .map(({ level, matches, bits }) => ({ level, matches: round(matches, 4), bits: round(bits, 2) })),
  }));

const countOf = <Key extends string>(all: Iterable<Key>, keys: readonly Key[]): Record<Key, number> => {
  const counts = Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>;
  for (const one of all) counts[one] += 1;
  return counts;
};
const decided: readonly Decision[] = ['automatic', 'propose', 'review'];

/** The strongest pairs, and those nearest to the threshold on either side. */
const chosenPairs = (outcome: Outcome, many: number): { strongest: number[]; doubtful: number[] } => {
  const { bits } = outcome.pairs;
  const line = bitsOf(outcome.settings.thresholds.propose);
  const ordered = strongestFirst(outcome);
  const distance = (i: number): number => Math.abs((bits[i] ?? 0) - line);
  return {
    strongest: ordered.slice(0, many),
    doubtful: ordered.toSorted((i, j) => distance(i) - distance(j)).slice(0, many),
  };
};

const storyOf = ({ subject, pairs, learnt, decisions }: Outcome, i: number): object => {
  const [a, b] = [pairs.a[i] ?? 0, pairs.b[i] ?? 0];
  return { a: subject.id(a), b: subject.id(b), decision: decisions[i], ...learnt.scorer.explain(a, b) };
};

const heldOf = (clusters: readonly Cluster[]): Record<'chain' | 'proof' | 'large', number> =>
  countOf(
    clusters.flatMap(({ why }) => (why === null ? [] : [why])),
    ['chain', 'proof', 'large'],
  );

/** Most memory that the process has had, in MiB. */
const peakMb = (): number => Math.round(process.resourceUsage().maxRSS / 1024);

/** Processor time of the whole command so far, its start included, of all threads; in seconds. */
const cpuSoFar = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const asJson = (outcome: Outcome, options: DedupeOptions, many: number): object => {
  const { subject, settings, learnt, pairs, decisions, clusters, seconds } = outcome;
  const { strongest, doubtful } = chosenPairs(outcome, many);
  return {
    sources: subject.sources,
    records: subject.table.size,
    fields: weightsOf(outcome).map((one) => ({ ...one, guessed: subject.guessed.includes(one.field) })),
    leftOut: subject.leftOut,
    thresholds: settings.thresholds,
    pairs: { count: pairs.a.length, ...countOf(decisions, decided) },
    clusters: {
      count: clusters.length,
      records: clusters.reduce((sum, { members }) => sum + members.length, 0),
      ...countOf(
        clusters.map(({ decision }) => decision),
        decided,
      ),
      held: heldOf(clusters),
    },
    candidates: learnt.blocks.count(),
    passes: learnt.blocks.reports,
    learning:
      learnt.fit === null
        ? null
        : { rounds: learnt.fit.rounds, settled: learnt.fit.settled, held: learnt.fit.held },
    written: {
      pairs: options.pairs ?? null,
      clusters: options.clusters ?? null,
      model: options.model ?? null,
    },
    seconds: {
      reading: round(seconds.reading, 2),
      searching: round(seconds.searching, 2),
      cpu: round(seconds.cpu, 2),
      whole: round(cpuSoFar(), 2),
    },
    peakMb: peakMb(),
    ...(many === 0
      ? {}
      : {
          explained: {
            strongest: strongest.map((i) => storyOf(outcome, i)),
            doubtful: doubtful.map((i) => storyOf(outcome, i)),
          },
        }),
  };
};

// ---------------------------------------------------------------- words

const cut = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text);

const rivalWords = { stranger: 'strangers', kin: 'kin', namesake: 'namesakes' } as const;

const sayPair = ({ subject, pairs, learnt, decisions }: Outcome, i: number): void => {
  const [a, b] = [pairs.a[i] ?? 0, pairs.b[i] ?? 0];
  const told = learnt.scorer.explain(a, b);
  const rival = rivalOf(told);
  // Against strangers always, and against whatever is likelier.
  const shown = rival === 0 ? [0] : [0, rival];
  const bits = (of: (against: number) => number | undefined): string[] =>
    shown.map((one) => signed(of(one) ?? 0));
  say(`${subject.id(a)} ~ ${subject.id(b)}: ${(told.probability * 100).toFixed(2)} %, ${decisions[i]}`);
  if (told.proof !== null) say(`  for a person: ${told.proof} differs, which proves two things`);
  say(
    table(
      [
        '  field',
        'a',
        'b',
        'how',
        ...shown.map((one) => `against ${rivalWords[told.against[one]?.is ?? 'stranger']}`),
      ],
      [
        ['  (before)', '', '', '', ...bits((one) => told.against[one]?.prior)],
        ...told.fields.map((field) => [
          `  ${field.field}`,
          cut(field.a),
          cut(field.b),
          field.level,
          ...bits((one) => field.bits[one]),
        ]),
        ['  (sum)', '', '', '', ...bits((one) => told.against[one]?.bits)],
      ],
    ),
  );
};

const sayFields = (outcome: Outcome): void => {
  const { subject, learnt } = outcome;
  const shown = (weights: readonly Weight[]): string =>
    weights.map(({ level, bits }) => `${level} ${signed(bits)}`).join(', ');
  say(
    table(
      ['field', 'sort', 'what it says for a match, in bits'],
      weightsOf(outcome).map(({ field, sort, weights }) => [
        field,
        `${sort}${subject.guessed.includes(field) ? ' (guessed)' : ''}`,
        shown(weights),
      ]),
    ),
  );
  if (subject.leftOut.length > 0) say(`not compared: ${subject.leftOut.join(', ')}`);
  if (learnt.fit?.settled === false)
    say('the weights had not come to rest when learning was ended; look at the pairs before you trust them');
  if (learnt.fit !== null && learnt.fit.held.length > 0)
    say(`${learnt.fit.held.join(', ')} differed more often than is usual of one thing, and was held down`);
};

const sayBlocks = ({ learnt: { blocks } }: Outcome): void => {
  const split = blocks.reports.reduce((sum, one) => sum + one.split, 0);
  const dropped = blocks.reports.filter((one) => one.dropped > 0);
  say(`${blocks.count()} pairs were compared, found by ${blocks.reports.length} combinations of keys`);
  if (split > 0) say(`${split} groups were too large and were parted by further fields`);
  for (const one of dropped)
    say(
      `${one.fields.join(' + ')}: ${one.droppedRecords} records in ${one.dropped} groups share too much to be compared with each other by this`,
    );
};

/** Words for people, or one JSON document. */
export const tell = (outcome: Outcome, options: DedupeOptions, many: number): void => {
  if (options.json) return json(asJson(outcome, options, many));
  const { subject, settings, pairs, decisions, clusters, seconds } = outcome;
  for (const { what, records, encoding, delimiter } of subject.sources) {
    const mark = delimiter === '\t' ? 'tabs' : delimiter === ';' ? 'semicolons' : 'commas';
    say(`${what}: ${records} records${encoding === undefined ? '' : `, ${encoding}, separated by ${mark}`}`);
  }
  sayFields(outcome);
  sayBlocks(outcome);
  const { review, propose, automatic } = settings.thresholds;
  say(
    `thresholds: shown from ${review}, proposed from ${propose}, ${automatic === null ? 'nothing automatic' : `automatic from ${automatic}`}`,
  );
  const pairCounts = countOf(decisions, decided);
  say(
    `pairs: ${pairs.a.length} (automatic ${pairCounts.automatic}, proposed ${pairCounts.propose}, for a person ${pairCounts.review})`,
  );
  const counts = countOf(
    clusters.map(({ decision }) => decision),
    decided,
  );
  const members = clusters.reduce((sum, one) => sum + one.members.length, 0);
  say(
    `clusters: ${clusters.length} of ${members} records (automatic ${counts.automatic}, proposed ${counts.propose}, for a person ${counts.review})`,
  );
  const { chain, proof, large } = heldOf(clusters);
  if (chain > 0) say(`  ${chain} are chains: two of their records are not alike`);
  if (proof > 0) say(`  ${proof} hold two codes or ids that prove two things`);
  if (large > 0) say(`  ${large} have more than 100 records`);
  say(
    `${seconds.reading.toFixed(1)} s reading, ${seconds.searching.toFixed(1)} s searching, ${peakMb()} MB at most`,
  );
  for (const file of [options.pairs, options.clusters]) if (file !== undefined) say(`written: ${file}`);
  if (many === 0) return;
  const { strongest, doubtful } = chosenPairs(outcome, many);
  say('\nthe strongest pairs');
  for (const i of strongest) sayPair(outcome, i);
  say('\nthe doubtful pairs');
  for (const i of doubtful) sayPair(outcome, i);
};
