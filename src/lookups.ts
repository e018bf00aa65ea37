/**
 * What a connector looks up by a key and may keep for a while: a stock level, a rate, a registered name. (What the engine
 * reads to merge is never kept: a look is a look.) An answer counts as fresh for `keep`; after that it still serves for
 * `stale` while a newer one is on its way, and where the remote is away; that there is nothing is kept for `absent`. Who
 * asks for the same at the same time waits for one call. What a hook, poll or sweep names is forgotten.
 */
import { LRUCache } from 'lru-cache';
import type { Json, LookupRule } from './connector.ts';
import { CrosswalkError } from './errors.ts';

/** `fresh` and `stale` were kept here, `shared` by another process; `loaded` and `failed` asked the remote. */
export type LookupOutcome = 'fresh' | 'stale' | 'shared' | 'loaded' | 'failed';

/** An answer as it is kept; `value` is absent where there was nothing. */
export interface Answer {
  readonly value?: Json;
  /** UTC ms at which it was asked for. */
  readonly at: number;
}

/** Where processes share their answers. Whatever fails there is no more than an answer that was not kept. */
export interface Shelf {
  get(key: string): Promise<Answer | undefined>;
  /** `ms`: for so long it is of use. */
  put(key: string, answer: Answer, ms: number): Promise<void>;
  /** Takes it away, and tells every process that watches. */
  remove(key: string): Promise<void>;
  /** Tells, from now on, of each key that a process has removed. */
  watch(removed: (key: string) => void): void;
}

export interface LookupsOptions {
  readonly connector: string;
  /** By name. */
  readonly rules: Readonly<Record<string, LookupRule>>;
  now(): number;
  /** Answers kept in this process; the least used go first. */
  readonly most?: number;
  readonly shelf?: Shelf | undefined;
  /** Told of every question. */
  onLookup?(name: string, outcome: LookupOutcome): void;
  /** Told of a refresh that failed while an older answer served. */
  onFailed?(name: string, error: unknown): void;
}

const MOST = 10_000;

/** `load` asks the remote; undefined if it has nothing by that key. */
export type Load = () => Promise<Json | undefined>;

interface Flight {
  readonly answer: Promise<Answer>;
}

export class Lookups {
  readonly #options: LookupsOptions;
  readonly #kept: LRUCache<string, Answer>;
  readonly #underWay = new Map<string, Flight>();

  constructor(options: LookupsOptions) {
    this.#options = options;
    this.#kept = new LRUCache({ max: options.most ?? MOST });
    options.shelf?.watch((place) => this.#drop(place));
  }

  /** The value by this key; undefined if the remote has none. Throws what `load` throws, where no older answer serves. */
  async get(name: string, key: string, load: Load): Promise<Json | undefined> {
    const rule = this.#ruleOf(name);
    const place = placeOf(name, key);
    const kept = this.#kept.get(place);
    if (kept === undefined) return (await this.#ask(name, place, load)).value;
    const over = this.#options.now() - kept.at - freshFor(kept, rule);
    if (over >= 0) {
      const newer = this.#ask(name, place, load);
      if (over >= rule.stale) return (await newer).value;
      newer.catch((error: unknown) => this.#options.onFailed?.(name, error));
    }
    this.#options.onLookup?.(name, over < 0 ? 'fresh' : 'stale');
    return kept.value;
  }

  /** A hook, poll or sweep names an object: what is known by its id serves no more. */
  touched(kind: string, id: string): void {
    for (const [name, { of }] of Object.entries(this.#options.rules)) if (of === kind) this.forget(name, id);
  }

  /** What is known of this key, here and on the shelf, serves no more; nor does an answer that is still on its way. */
  forget(name: string, key: string): void {
    const place = placeOf(name, key);
    this.#drop(place);
    this.#options.shelf?.remove(place).catch(() => undefined);
  }

  #drop(place: string): void {
    this.#kept.delete(place);
    this.#underWay.delete(place);
  }

  #ruleOf(name: string): LookupRule {
    const { connector, rules } = this.#options;
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule !== undefined) return rule;
    const detail = `it looks up ${name}, which it does not declare`;
    throw new CrosswalkError('connector-contract', { connector, detail });
  }

  /** One question at a time for each key. */
  #ask(name: string, place: string, load: Load): Promise<Answer> {
    const asked = this.#underWay.get(place);
    if (asked !== undefined) return asked.answer;
    const isOwn = (): boolean => this.#underWay.get(place) === flight;
    const answer = this.#answer(name, place, load, isOwn).finally(() => {
      if (isOwn()) this.#underWay.delete(place);
    });
    const flight: Flight = { answer };
    this.#underWay.set(place, flight);
    return answer;
  }

  /** `isOwn`: false once the key was forgotten: the answer serves those who wait for it, and is not kept. */
  async #answer(name: string, place: string, load: Load, isOwn: () => boolean): Promise<Answer> {
    const { now, shelf, onLookup } = this.#options;
    const rule = this.#ruleOf(name);
    const shared = await shelf?.get(place).catch(() => undefined);
    if (shared !== undefined && now() - shared.at < freshFor(shared, rule)) {
      onLookup?.(name, 'shared');
      if (isOwn()) this.#kept.set(place, shared);
      return shared;
    }
    const at = now();
    try {
      const value = await load();
      const answer: Answer = value === undefined ? { at } : { value, at };
      onLookup?.(name, 'loaded');
      if (!isOwn()) return answer;
      this.#kept.set(place, answer);
      // The others are told by the way: nobody waits for it.
      shelf?.put(place, answer, freshFor(answer, rule)).catch(() => undefined);
      return answer;
    } catch (error) {
      onLookup?.(name, 'failed');
      throw error;
    }
  }
}

const freshFor = ({ value }: Answer, { keep, absent }: LookupRule): number =>
  value === undefined ? absent : keep;

const placeOf = (name: string, key: string): string => `${name}\n${key}`;
