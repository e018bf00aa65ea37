import type { Json } from '../connector.ts';
import { conditionWords, firstFailure } from './conditions.ts';
import type { Conditions } from './conditions.ts';
import type { Fields } from './lens.ts';
import { canonicalText, sameValue } from './place.ts';
import { masked, shown } from './schema.ts';
import { chosen, startOfDay, weightAt } from './share.ts';
import type { Share } from './share.ts';

/**
 * Routing tables: a mapping decides a field, such as the owner, the team or the region, by an ordered table of
 * conditions over the record. The first row whose conditions hold, and in which somebody can take it, decides; at the
 * end stands a fallback. Among several the record falls to one by weight, the same one each time.
 *
 * A decision is made once, for a field that is empty; it is the record's own from then on, with its path in the
 * history. Nobody is asked anew because the table, the directory or the day has changed: that is a planned run.
 */

/** Who or what a row may give: a value itself, or with a share of its own. */
export type TargetRule =
  | string
  | {
      /** The value; for a colleague or team, what `among.by` holds of them. */
      readonly who: string;
      readonly weight?: number;
      /** A day: nothing goes there before it. */
      readonly from?: string;
      /** Days in which the weight halves, counted from `from`. */
      readonly halvesIn?: number;
    }
  | {
      /** Everybody in the directory for whom this holds. */
      readonly all: Conditions;
      readonly weight?: number;
    };

export interface RowRule {
  /** What people know the row by. */
  readonly name: string;
  readonly if: Conditions;
  readonly to: readonly TargetRule[];
}

export interface RouteRule {
  /** The entity that the values name, and by which of its fields; absent where the values stand for themselves. */
  readonly among?: { readonly entity: string; readonly by: string };
  /** The fields that say to whom of several a record falls. */
  readonly spread?: readonly string[];
  readonly table: readonly RowRule[];
  /** The fallback. */
  readonly otherwise: readonly TargetRule[];
  /** Where the record goes if nobody has claimed it after a time: while these conditions still hold. */
  readonly unclaimed?: {
    /** `30m`, `12h`, `2d`. */
    readonly after: string;
    readonly while: Conditions;
    readonly to: readonly TargetRule[];
  };
  /** The zone in which days begin. Default Asia/Shanghai. */
  readonly zone?: string;
}

/** What is known of colleagues and teams. */
export interface Roster {
  /** UTC ms. */
  now(): number;
  /** The records of an entity; undefined where none is known at all, and names are taken on trust. */
  of(entity: string): readonly Fields[] | undefined;
}

/** Nobody is known: for mappings that are looked at by themselves. */
export const trusting = (now: () => number): Roster => ({ now, of: () => undefined });

/** One who might have got it, and why not if they could not. */
export interface Candidate {
  readonly who: string;
  /** As it counts now. */
  readonly weight: number;
  /** Their part of all weights in the row, 0 to 1. */
  readonly share: number;
  /** What the weight is made of, where it is not 1; or why nothing falls to them. */
  readonly note: string;
}

/** One decision and its path. */
export interface Routed {
  readonly field: string;
  /** The value; null if nobody could be found. */
  readonly value: Json;
  /** The row that decided; `otherwise` for the fallback, `unclaimed`; null if nobody could be found. */
  readonly row: string | null;
  /** Rows before it, each with why it was passed by. */
  readonly passed: readonly { readonly row: string; readonly why: string }[];
  readonly candidates: readonly Candidate[];
  /** The whole path in a sentence, without personal values. */
  readonly path: string;
}

export interface Router {
  /** The fields that are decided, in order: a later one may ask what an earlier one gave. */
  readonly fields: readonly string[];
  /** The rule of a field. */
  rule(field: string): RouteRule;
  /** Decides the fields that are empty in `fields`. */
  route(fields: Fields, roster: Roster): readonly Routed[];
  /** Decides one field, whatever it holds. */
  decide(field: string, fields: Fields, roster: Roster): Routed;
  /** Who gets it next after a time without a claim; `former` had it already. */
  pass(field: string, fields: Fields, former: readonly Json[], roster: Roster): Routed;
}

/** ms of `30m`, `12h`, `2d`; NaN for anything else. */
export const durationOf = (text: string): number => {
  const [, amount = '', unit = ''] = /^([1-9]\d{0,4})([mhd])$/u.exec(text) ?? [];
  return Number(amount) * ({ m: 60_000, h: 3_600_000, d: 86_400_000 }[unit] ?? Number.NaN);
};

const nameOf = (colleague: Fields, by: string): string | null => {
  const value = colleague[by];
  return typeof value === 'string' && value !== '' ? value : null;
};

const isActive = (colleague: Fields): boolean => colleague['active'] !== false;

interface Tried extends Share {
  /** Why nothing falls to them. */
  readonly out?: string;
}

const numberOf = (value: Json | undefined, otherwise: number): number =>
  typeof value === 'number' && value >= 0 ? value : otherwise;

/** The later of two moments, either of which may be missing. */
const later = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);

/** The targets of one row for one roster. */
class Row {
  readonly #rule: RouteRule;
  readonly #roster: Roster;
  readonly #zone: string;

  constructor(rule: RouteRule, roster: Roster) {
    this.#rule = rule;
    this.#roster = roster;
    this.#zone = rule.zone ?? 'Asia/Shanghai';
  }

  #day(day: Json | undefined): number | undefined {
    return typeof day === 'string' ? startOfDay(day, this.#zone) : undefined;
  }

  /** A colleague with the share that the table gives them. */
  #known(name: string, colleague: Fields, own: { weight?: number; from?: string; halvesIn?: number }): Tried {
    const from = later(this.#day(own.from), this.#day(colleague['startsOn']));
    const halvesIn = own.halvesIn ?? numberOf(colleague['weightHalvesIn'], 0);
    return {
      name,
      weight: (own.weight ?? 1) * numberOf(colleague['weight'], 1),
      ...(from === undefined ? {} : { from }),
      ...(halvesIn > 0 ? { halvesIn } : {}),
      ...(isActive(colleague) ? {} : { out: 'is not active' }),
    };
  }

  #named(given: Exclude<TargetRule, { readonly all: Conditions }>): Tried {
    const own = typeof given === 'string' ? { who: given } : given;
    const { among } = this.#rule;
    const directory = among === undefined ? undefined : this.#roster.of(among.entity);
    if (among === undefined || directory === undefined) return this.#known(own.who, {}, own);
    // Two of one name: the one who works here.
    const all = directory.filter((one) => sameValue(nameOf(one, among.by), own.who));
    const colleague = all.find(isActive) ?? all[0];
    if (colleague === undefined)
      return { name: own.who, weight: 0, out: `is no ${among.entity} that is known` };
    return this.#known(own.who, colleague, own);
  }

  tried(targets: readonly TargetRule[]): readonly Tried[] {
    const all = new Map<string, Tried>();
    for (const target of targets) {
      if (typeof target === 'string' || 'who' in target) {
        const one = this.#named(target);
        all.set(one.name, one);
        continue;
      }
      const { entity = '', by = '' } = this.#rule.among ?? {};
      for (const colleague of this.#roster.of(entity) ?? []) {
        const name = nameOf(colleague, by);
        if (name === null || firstFailure(target.all, colleague) !== null) continue;
        const one = this.#known(
          name,
          colleague,
          target.weight === undefined ? {} : { weight: target.weight },
        );
        if (all.get(name) === undefined || one.out === undefined) all.set(name, one);
      }
    }
    return [...all.values()].map((one) => this.#outOf(one));
  }

  #outOf(one: Tried): Tried {
    if (one.out !== undefined) return one;
    const now = this.#roster.now();
    if (one.from !== undefined && now < one.from)
      return { ...one, out: `starts on ${new Date(one.from).toISOString()}` };
    return weightAt(one, now) > 0 ? one : { ...one, out: 'has weight 0' };
  }
}

const rounded = (value: number): number => Number(value.toPrecision(3));

const noteOf = (one: Tried, now: number): string => {
  if (one.out !== undefined) return one.out;
  const parts = [
    ...(one.weight === 1 ? [] : [`weight ${one.weight}`]),
    ...(one.from === undefined ? [] : [`since ${new Date(one.from).toISOString()}`]),
    ...(one.halvesIn === undefined || one.from === undefined
      ? []
      : [`halved every ${one.halvesIn} days: ${rounded(weightAt(one, now))} now`]),
  ];
  return parts.join(', ');
};

const candidatesOf = (tried: readonly Tried[], now: number): readonly Candidate[] => {
  const weights = tried.map((one) => (one.out === undefined ? weightAt(one, now) : 0));
  const sum = weights.reduce((a, b) => a + b, 0);
  return tried.map((one, index) => ({
    who: one.name,
    weight: rounded(weights[index] ?? 0),
    share: sum === 0 ? 0 : rounded((weights[index] ?? 0) / sum),
    note: noteOf(one, now),
  }));
};

/** The key by which a record falls to one of several: the same values in any order of fields give the same key. */
const keyOf = (rule: RouteRule, fields: Fields): string =>
  canonicalText((rule.spread ?? []).map((name) => fields[name] ?? null));

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** The path of a decision, one clause a hop. */
const pathOf = (
  { field, value, row, passed, candidates }: Omit<Routed, 'path'>,
  rule: RouteRule,
  asked: string,
  hidden: boolean,
): string => {
  const name = hidden ? masked : shown;
  const before = passed.map((one) => `not ${one.row}: ${one.why}`);
  const able = candidates.filter((one) => one.weight > 0);
  const how = able.map(
    (one) => `${name(one.who)} ${percent(one.share)}${one.note === '' ? '' : ` (${one.note})`}`,
  );
  const unable = candidates.filter((one) => one.weight === 0).map((one) => `${name(one.who)} ${one.note}`);
  const end =
    row === null
      ? [`nobody can take it: ${unable.join(', ') || 'the fallback names nobody who is known'}`]
      : [
          `${row}${asked === '' ? '' : ` (${asked})`} gives ${name(value)}`,
          ...(able.length > 1
            ? [`shared by ${(rule.spread ?? []).join(' and ') || 'nothing'} among ${how.join(', ')}`]
            : (able[0]?.note ?? '') === ''
              ? []
              : how),
          ...unable,
        ];
  return [...before, `${field}: ${end.join('; ')}`].join('; ');
};

/** Binds the routing tables of a mapping. `personal` are fields whose values no sentence may show. */
export const bindRoutes = (
  routes: Readonly<Record<string, RouteRule>>,
  personal: ReadonlySet<string>,
): Router => {
  const names = Object.keys(routes);
  const ruleOf = (field: string): RouteRule => {
    const rule = Object.hasOwn(routes, field) ? routes[field] : undefined;
    if (rule === undefined) throw new Error(`no route decides ${field}`);
    return rule;
  };

  const decide = (field: string, fields: Fields, roster: Roster): Routed => {
    const rule = ruleOf(field);
    const row = new Row(rule, roster);
    const now = roster.now();
    const passed: { row: string; why: string }[] = [];
    let out: readonly Candidate[] = [];
    const fallback: RowRule = { name: 'otherwise', if: {}, to: rule.otherwise };
    for (const one of [...rule.table, fallback]) {
      const why = firstFailure(one.if, fields, personal);
      if (why !== null) {
        passed.push({ row: one.name, why });
        continue;
      }
      const tried = row.tried(one.to);
      const able = tried.filter((each) => each.out === undefined);
      const share = chosen(able, keyOf(rule, fields), now);
      const candidates = candidatesOf(tried, now);
      if (share !== null) {
        const made = { field, value: share.name, row: one.name, passed, candidates };
        return { ...made, path: pathOf(made, rule, conditionWords(one.if), personal.has(field)) };
      }
      out = candidates;
      if (one !== fallback) passed.push({ row: one.name, why: nobody(candidates, personal.has(field)) });
    }
    const made = { field, value: null, row: null, passed, candidates: out };
    return { ...made, path: pathOf(made, rule, '', personal.has(field)) };
  };

  return {
    fields: names,
    rule: ruleOf,
    decide,
    route: (given, roster) => {
      const fields: Fields = { ...given };
      const made: Routed[] = [];
      for (const name of names) {
        if ((fields[name] ?? null) !== null) continue;
        const one = decide(name, fields, roster);
        made.push(one);
        // A later table may ask what an earlier one gave.
        if (one.value !== null) fields[name] = one.value;
      }
      return made;
    },
    pass: (field, fields, former, roster) => {
      const rule = ruleOf(field);
      const now = roster.now();
      const tried = new Row(rule, roster)
        .tried(rule.unclaimed?.to ?? [])
        .map((one) =>
          former.some((had) => sameValue(had, one.name)) ? { ...one, out: 'had it already' } : one,
        );
      const able = tried.filter((one) => one.out === undefined);
      const share = chosen(able, keyOf(rule, fields), now);
      const candidates = candidatesOf(tried, now);
      const row = share === null ? null : 'unclaimed';
      const made = { field, value: share?.name ?? null, row, passed: [], candidates };
      const asked = `nobody claimed it in ${rule.unclaimed?.after ?? ''}`;
      return { ...made, path: pathOf(made, rule, asked, personal.has(field)) };
    },
  };
};

const nobody = (candidates: readonly Candidate[], hidden: boolean): string =>
  candidates.length === 0
    ? 'it names nobody who is known'
    : candidates.map((one) => `${(hidden ? masked : shown)(one.who)} ${one.note}`).join(', ');
