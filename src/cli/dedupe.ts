/** dedupe: which records of a file, of two files, or of the store may be one thing, and why. It merges nothing. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { CrosswalkError } from '../errors.ts';
import { clustersOf, decide, type Cluster, type Decision, type Thresholds } from '../identity/clusters.ts';
import type { Progress } from '../identity/evidence.ts';
import { learn, use, type Learnt } from '../identity/learn.ts';
import { bitsOf } from '../identity/model.ts';
import { findPairs, type Pairs } from '../identity/score.ts';
import { dedupeSettings, thresholdFault, type DedupeSettings } from '../identity/settings.ts';
import { survivorOf, type Standing, type Survivor } from '../identity/survivor.ts';
import type { Field } from '../identity/sorts.ts';
import type { Table } from '../identity/table.ts';
import { readFiles } from './dedupe-files.ts';
import { tell, writeResults } from './dedupe-telling.ts';
import { exits } from './output.ts';
import type { Common } from './program.ts';
import { Bar } from './progress.ts';

export interface DedupeOptions extends Common {
  readonly file?: string;
  readonly against?: string;
  readonly fields?: string;
  readonly id?: string;
  readonly pairs?: string;
  readonly clusters?: string;
  readonly threshold?: string;
  readonly review?: string;
  readonly automatic?: string;
  readonly survivor?: string;
  readonly model?: string;
  readonly explain?: string;
  readonly save?: boolean;
}

/** Where the records came from, as far as words about them need it. */
export interface Source {
  readonly what: string;
  readonly records: number;
  readonly encoding?: string;
  readonly delimiter?: string;
}

/** The records to be searched, wherever they came from. */
export interface Subject {
  readonly table: Table;
  readonly sources: readonly Source[];
  /** Names of the fields whose sort was guessed, and of what was left out because none fits. */
  readonly guessed: readonly string[];
  readonly leftOut: readonly string[];
  /** How people know a record. */
  id(record: number): string;
  standing(record: number): Standing;
}

/** What was found. */
export interface Outcome {
  readonly subject: Subject;
  readonly settings: DedupeSettings;
  readonly learnt: Learnt;
  readonly pairs: Pairs;
  /** By pair. */
  readonly decisions: readonly Decision[];
  readonly clusters: readonly Cluster[];
  readonly survivor: (cluster: Cluster) => number;
  /** `cpu`: of all threads, for both. */
  readonly seconds: { readonly reading: number; readonly searching: number; readonly cpu: number };
}

/** `name:person,mobile` as names and, where they are given, sorts. */
export interface Asked {
  readonly name: string;
  readonly sort: string | null;
}

const askedOf = (text: string | undefined): Asked[] | null => {
  if (text === undefined) return null;
  const asked = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const at = part.lastIndexOf(':');
      return at < 0
        ? { name: part, sort: null }
        : { name: part.slice(0, at).trim(), sort: part.slice(at + 1).trim() };
    });
  if (asked.length === 0) throw new CrosswalkError('dedupe-nothing', { detail: '--fields names none' });
  return asked;
};

const share = (name: string, text: string | undefined): Record<string, number> => {
  if (text === undefined) return {};
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value))
    throw new CrosswalkError('usage', { detail: `--${name} takes a probability such as 0.92, not ${text}` });
  return { [name === 'threshold' ? 'propose' : name]: value };
};

/** `complete`, `newest:created_at`, `updated:changed_at`, `system:source=crm`: the rule, and the column that it reads. */
export interface SurvivorRule {
  readonly rule: Survivor;
  readonly column: string | null;
}

const survivorRule = (text: string | undefined): SurvivorRule | null => {
  if (text === undefined) return null;
  const [, rule = '', column = '', system = ''] =
    /^(complete|newest|updated|system)(?::([^=]+)(?:=(.+))?)?$/u.exec(text) ?? [];
  if (rule === 'complete' && column === '') return { rule: 'complete', column: null };
  if ((rule === 'newest' || rule === 'updated') && system === '')
    return { rule, column: column === '' ? null : column };
  if (rule === 'system' && (system !== '' || column !== ''))
    return system === '' ? { rule: { system: column }, column: null } : { rule: { system }, column };
  throw new CrosswalkError('usage', {
    detail: `--survivor takes complete, newest:<column>, updated:<column> or system:<column>=<name>, not ${text}`,
  });
};

const settingsOf = (
  options: DedupeOptions,
  base: DedupeSettings,
  rule: SurvivorRule | null,
): DedupeSettings => {
  const given = {
    ...share('review', options.review),
    ...share('threshold', options.threshold),
    ...share('automatic', options.automatic),
  };
  const thresholds: Thresholds = { ...base.thresholds, ...given };
  // A lower threshold alone shows what it proposes.
  const review =
    options.review === undefined ? Math.min(thresholds.review, thresholds.propose) : thresholds.review;
  const made = { ...thresholds, review };
  const fault = thresholdFault(made);
  if (fault !== null) throw new CrosswalkError('usage', { detail: `the thresholds ${fault}` });
  return { ...base, thresholds: made, survivor: rule?.rule ?? base.survivor };
};

/** The model of an earlier search if there is one for these fields, else what the table teaches. */
const learntFrom = async (table: Table, file: string | undefined, progress: Progress): Promise<Learnt> => {
  if (file === undefined) return learn(table, progress);
  if (!existsSync(file)) {
    const learnt = learn(table, progress);
    try {
      writeFileSync(file, `${JSON.stringify(learnt.model)}\n`);
    } catch (error) {
      throw new CrosswalkError('output-unwritable', { file, detail: (error as Error).message }, {}, error);
    }
    return learnt;
  }
  // What checks it takes a fifth of a second of processor time to load, and few bring a model.
  const { readModel } = await import('../identity/kept.ts');
  const model = readModel(readFileSync(file, 'utf8'), file);
  const words = (fields: readonly Field[]): string =>
    fields.map(({ name, sort }) => `${name}:${sort}`).join(',');
  if (words(model.fields) !== words(table.fields)) {
    const detail = `it is of the fields ${words(model.fields)}, and these are ${words(table.fields)}`;
    throw new CrosswalkError('model-shape', { detail }, { file });
  }
  return use(table, model);
};

/** When the work was begun, on the clock and in CPU time. */
interface Since {
  readonly at: number;
  readonly cpu: NodeJS.CpuUsage;
}

const search = async (
  subject: Subject,
  settings: DedupeSettings,
  options: DedupeOptions,
  since: Since,
  progress: Progress,
): Promise<Outcome> => {
  const began = performance.now();
  const { table } = subject;
  const { thresholds } = settings;
  const learnt = await learntFrom(table, options.model, progress);
  const { scorer } = learnt;
  const pairs = findPairs(learnt, bitsOf(thresholds.review), progress);
  const decisions = [...pairs.bits].map((bits, i): Decision => {
    const proof = scorer.comparer.proof(pairs.a[i] ?? 0, pairs.b[i] ?? 0) >= 0;
    const made = decide(bits, proof, thresholds);
    return made === 'apart' ? 'review' : made;
  });
  const clusters = clustersOf(table.size, pairs, scorer, thresholds);
  return {
    subject,
    settings,
    learnt,
    pairs,
    decisions,
    clusters,
    survivor: ({ members }) =>
      members[
        survivorOf(
          [...members].map((one) => subject.standing(one)),
          settings.survivor,
        )
      ] ?? 0,
    seconds: {
      reading: (began - since.at) / 1000,
      searching: (performance.now() - began) / 1000,
      cpu: (({ user, system }) => (user + system) / 1e6)(process.cpuUsage(since.cpu)),
    },
  };
};

/** How many pairs are explained: 0 without --explain. */
const explained = (text: string | undefined): number => {
  if (text === undefined) return 0;
  if (!/^\d{1,4}$/u.test(text))
    throw new CrosswalkError('usage', { detail: `--explain takes a number of pairs, not ${text}` });
  return Number(text);
};

export const dedupe = async (options: DedupeOptions, entity?: string): Promise<number> => {
  const began = { at: performance.now(), cpu: process.cpuUsage() };
  const asked = askedOf(options.fields);
  const rule = survivorRule(options.survivor);
  const many = explained(options.explain);
  const bar = new Bar(options.json);
  const progress: Progress = (what, done, of) => bar.show(done, of, what);
  const finish = async (subject: Subject, base: DedupeSettings): Promise<Outcome> => {
    const settings = settingsOf(options, base, rule);
    const outcome = await search(subject, settings, options, began, progress);
    bar.end();
    await writeResults(outcome, options);
    tell(outcome, options, many);
    return outcome;
  };
  try {
    if ((entity === undefined) === (options.file === undefined))
      throw new CrosswalkError('usage', { detail: 'name an entity, or a file with --file' });
    if (entity !== undefined) {
      if (options.against !== undefined || options.id !== undefined)
        throw new CrosswalkError('usage', { detail: '--against and --id are for files' });
      // The store, the engine and their libraries: four times what a search of a file loads.
      const { fromStore } = await import('./dedupe-store.ts');
      return await fromStore(entity, options, asked, finish);
    }
    if (options.save === true)
      throw new CrosswalkError('usage', { detail: '--save is for an entity of the store' });
    const base = dedupeSettings();
    settingsOf(options, base, rule);
    await finish(await readFiles(options, asked, rule, progress), base);
    return exits.ok;
  } finally {
    bar.end();
  }
};
