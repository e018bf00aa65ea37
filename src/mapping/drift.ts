import type { Json, JsonSchema } from '../connector.ts';
import { CrosswalkError, placeText } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import { changesOf } from './changes.ts';
import type { Change, ChangeSort } from './changes.ts';
import { check } from './check.ts';
import { placesOf } from './document.ts';
import type { Entity, FieldRule, Finding, MappingDocument } from './document.ts';
import { isObject, segmentsOf } from './place.ts';
import { shown } from './schema.ts';

/**
 * Drift: how a remote's live schema differs from the one that is known of it, and what that means for the mappings
 * and syncs that use the kind. Whether a mapping is still right is `check`'s to say, against the live schema.
 */

/** A mapping of the kind, and the syncs that go through it. */
export interface Use {
  readonly mapping: MappingDocument;
  readonly entity: Entity;
  readonly entities: ReadonlyMap<string, Entity>;
  readonly syncs: readonly string[];
}

/** A mapping that a change touches. */
export interface Touched {
  readonly mapping: string;
  readonly file: string;
  readonly syncs: readonly string[];
  /** Its fields there, each with its pointer in the document; `anchor`, `when` and parts stand under their own names. */
  readonly fields: readonly { readonly field: string; readonly pointer: string; readonly line: number }[];
}

export interface DriftFinding {
  readonly code: ErrorCode;
  /** `error`: a mapping is wrong because of it. `warning`: it touches a mapping. `information`: it touches none. */
  readonly severity: 'error' | 'warning' | 'information';
  readonly pointer: string;
  /** As in `Change`. */
  readonly was: Json;
  readonly is: Json;
  readonly message: string;
  readonly remedy: string;
  readonly touches: readonly Touched[];
}

/** What the live schema makes of one mapping. */
export interface Judged {
  readonly mapping: string;
  readonly syncs: readonly string[];
  /** Errors of its check against the live schema. */
  readonly errors: readonly Finding[];
  /** Those of them that it has not against the known schema: they came with the drift. */
  readonly fresh: readonly Finding[];
}

export interface Drift {
  readonly findings: readonly DriftFinding[];
  readonly mappings: readonly Judged[];
}

const CODES: Readonly<Record<ChangeSort, ErrorCode>> = {
  gone: 'drift-gone',
  new: 'drift-new',
  type: 'drift-type',
  'option-gone': 'drift-option-gone',
  'option-new': 'drift-option-new',
  'read-only': 'drift-read-only',
  writable: 'drift-writable',
  required: 'drift-required',
  optional: 'drift-optional',
  narrower: 'drift-narrower',
  wider: 'drift-wider',
};

/** Which changes an error of the check comes from: of several at one place, those of these sorts are blamed. */
const CAUSES: Readonly<Partial<Record<ErrorCode, readonly ChangeSort[]>>> = {
  'mapping-pointer-unknown': ['gone'],
  'mapping-read-only': ['read-only'],
  'mapping-types': ['type'],
  'mapping-limit': ['narrower', 'wider'],
  'mapping-uncovered': ['option-gone', 'narrower'],
  'mapping-outcome': ['option-gone', 'narrower'],
  'mapping-otherwise': ['option-gone', 'narrower'],
  'mapping-when': ['option-gone', 'narrower'],
  'mapping-example-fails': ['gone', 'type', 'option-gone', 'narrower'],
};

/** A place that a mapping names, and where it does. */
interface Named {
  readonly place: string;
  readonly at: string;
  readonly name: string;
}

const placesIn = (fields: MappingDocument['fields'], above: string, below = ''): readonly Named[] =>
  Object.entries(fields).flatMap(([name, rule]: [string, FieldRule]): readonly Named[] => {
    const at = `${above}/fields/${name}`;
    const own = placesOf(rule).map((place) => ({ place: below + place, at, name }));
    const [list] = placesOf(rule);
    if (rule.rows === undefined || list === undefined) return own;
    return [...own, ...placesIn(rule.rows.fields, `${at}/rows`, `${below}${list}/*`)];
  });

/** Every place that a mapping reads or writes; what it ignores touches it not. */
const namedBy = ({ fields, anchor, when, parts }: MappingDocument): readonly Named[] => [
  ...placesIn(fields, ''),
  ...(anchor === undefined ? [] : [{ place: anchor, at: '/anchor', name: 'anchor' }]),
  ...(when === undefined ? [] : [{ place: when.at, at: '/when', name: 'when' }]),
  ...Object.entries(parts ?? {}).flatMap(([name, part]) => {
    const at = `/parts/${name}`;
    return [
      { place: part.at, at, name: `part ${name}` },
      { place: `${part.at}/*${part.key}`, at: `${at}/key`, name: `part ${name}` },
      ...placesIn(part.fields, at, `${part.at}/*`),
    ];
  }),
];

const within = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}/`);
const meet = (a: string, b: string): boolean => within(a, b) || within(b, a);

const sameFinding = (a: Finding, b: Finding): boolean =>
  a.code === b.code && a.pointer === b.pointer && a.message === b.message;

/** The field that an error is about; undefined where it is about none. */
const fieldOf = ({ pointer }: Finding): string | undefined => {
  const [part, name, below, field] = segmentsOf(pointer) ?? [];
  return part === 'fields' ? name : part === 'examples' && below === 'entity' ? field : undefined;
};

/** The mapping without some of its fields; its routing tables, which may ask for them, were checked with all of them. */
const without = (mapping: MappingDocument, names: ReadonlySet<string>): MappingDocument => {
  if (names.size === 0) return mapping;
  const { routes: _, ...plain } = mapping;
  const left = <Value>(all: Readonly<Record<string, Value>>): Record<string, Value> =>
    Object.fromEntries(Object.entries(all).filter(([name]) => !names.has(name)));
  const examples = mapping.examples.map((one) => ({ ...one, entity: left(one.entity) }));
  return { ...plain, fields: left(mapping.fields), examples };
};

/** Errors of the check, also those that others hide: a mapping with a wrong field is not tried further, so it is tried without. */
const errorsOf = ({ mapping, entity, entities }: Use, kind: JsonSchema): readonly Finding[] => {
  const found: Finding[] = [];
  const wrong = new Set<string>();
  for (;;) {
    const errors = check(without(mapping, wrong), { entity, kind, entities }).filter(
      (one) => one.severity === 'error',
    );
    found.push(...errors.filter((one) => !found.some((former) => sameFinding(former, one))));
    const before = wrong.size;
    for (const name of errors.flatMap((one) => fieldOf(one) ?? [])) wrong.add(name);
    if (wrong.size === before) return found;
  }
};

/** The option that a change takes or brings, as findings show it. */
const optionOf = ({ sort, was, is }: Change): string | undefined =>
  sort === 'option-gone' ? shown(was) : sort === 'option-new' ? shown(is) : undefined;

/** The option that an error is about: a value without an answer, or an answer that is not taken. */
const optionIn = ({ code, params }: Finding): unknown =>
  code === 'mapping-outcome' ? params['made'] : code === 'mapping-uncovered' ? params['value'] : undefined;

/** The changes that made these errors of one mapping. Where the places do not tell, every change of it is blamed. */
const blamed = (
  changes: readonly Change[],
  named: readonly Named[],
  errors: readonly Finding[],
): Set<Change> => {
  const guilty = new Set<Change>();
  const near = (at: (one: Named) => boolean): readonly Change[] =>
    changes.filter((change) => named.some((one) => at(one) && meet(one.place, change.pointer)));
  const isExample = (one: Finding): boolean => one.pointer.startsWith('/examples');
  const ordered = [...errors.filter((one) => !isExample(one)), ...errors.filter(isExample)];
  for (const error of ordered) {
    const { pointer, code } = error;
    const found = near((one) => within(pointer, one.at) || one.at === `/fields/${fieldOf(error) ?? ''}`);
    // An example only repeats what its field is told for.
    if (isExample(error) && found.some((change) => guilty.has(change))) continue;
    const likely = found.filter((change) => CAUSES[code]?.includes(change.sort) === true);
    const option = optionIn(error);
    const exact = found.filter((change) => option !== undefined && optionOf(change) === option);
    const touching = found.length > 0 ? found : near(() => true);
    const some = [exact, likely, touching].find((list) => list.length > 0) ?? changes;
    for (const change of some) guilty.add(change);
  }
  return guilty;
};

const said = (value: Json): string => {
  if (value === null) return 'without such a limit';
  const [[word, limit]] = isObject(value) ? (Object.entries(value) as [[string, Json]]) : [['', value]];
  if (word !== 'enum' || !Array.isArray(limit)) return word === '' ? shown(limit) : `${word} ${shown(limit)}`;
  const more = limit.length > 8 ? `, … (${limit.length} options)` : '';
  return `only ${limit.slice(0, 8).map(shown).join(', ')}${more}`;
};

/** What an option that went may have become: those that came there at the same time. */
const hintOf = (change: Change, changes: readonly Change[]): string => {
  if (change.sort !== 'option-gone') return '';
  const came = changes.filter((one) => one.sort === 'option-new' && one.pointer === change.pointer);
  return came.length === 0
    ? ''
    : ` (new there: ${came
        .slice(0, 3)
        .map((one) => shown(one.is))
        .join(', ')})`;
};

const paramsOf = (change: Change, kind: string, changes: readonly Change[]): Record<string, string> => {
  const { sort, pointer, was, is } = change;
  const rule = sort === 'narrower' || sort === 'wider';
  const words = (value: Json): string =>
    rule ? said(value) : sort === 'type' || sort === 'new' ? String(value) : shown(value);
  return {
    kind,
    pointer: pointer === '' ? '/' : pointer,
    was: words(was),
    is: words(is),
    hint: hintOf(change, changes),
  };
};

const touchedBy = (
  change: Change,
  uses: readonly (Use & { readonly named: readonly Named[] })[],
): Touched[] =>
  uses.flatMap(({ mapping, syncs, named }) => {
    const met = named.filter((one) => meet(one.place, change.pointer));
    const fields = new Map(met.map((one) => [one.at, one.name]));
    if (fields.size === 0) return [];
    return {
      mapping: mapping.name,
      file: mapping.file,
      syncs,
      fields: [...fields].map(([pointer, field]) => ({ field, pointer, line: mapping.lineOf(pointer) })),
    };
  });

/**
 * Compares the known schema of a kind with the live one. `kind` names it for people: `hubspot/contact`, by its
 * connection.
 */
export const driftOf = (kind: string, known: JsonSchema, live: JsonSchema, uses: readonly Use[]): Drift => {
  const changes = changesOf(known, live);
  const all = uses.map((use) => ({ ...use, named: namedBy(use.mapping) }));
  const guilty = new Set<Change>();
  const mappings = all.map((use): Judged => {
    const errors = errorsOf(use, live);
    const before = errors.length === 0 || changes.length === 0 ? errors : errorsOf(use, known);
    const fresh = errors.filter((one) => !before.some((other) => sameFinding(one, other)));
    for (const change of blamed(changes, use.named, fresh)) guilty.add(change);
    return { mapping: use.mapping.name, syncs: use.syncs, errors, fresh };
  });
  const findings = changes.map((change): DriftFinding => {
    const code = CODES[change.sort];
    const touches = touchedBy(change, all);
    const { message, remedy } = new CrosswalkError(code, paramsOf(change, kind, changes));
    const severity = guilty.has(change) ? 'error' : touches.length > 0 ? 'warning' : 'information';
    return {
      code,
      severity,
      pointer: change.pointer,
      was: change.was,
      is: change.is,
      message,
      remedy,
      touches,
    };
  });
  return { findings, mappings };
};

/** How many of each severity: `1 error, 2 warnings`; empty if there are none. */
export const driftCounts = (findings: readonly DriftFinding[]): string =>
  (['error', 'warning', 'information'] as const)
    .map((severity) => ({ severity, n: findings.filter((one) => one.severity === severity).length }))
    .filter(({ n }) => n > 0)
    .map(({ severity, n }) => `${n} ${severity}${n === 1 || severity === 'information' ? '' : 's'}`)
    .join(', ');

/** The rest of a sentence: which field of which mapping and which syncs a finding touches; empty if none. */
export const touchWords = ({ touches }: DriftFinding): string =>
  touches
    .map(({ mapping, file, syncs, fields }) => {
      const places = fields.map(
        ({ field, pointer, line }) => `${field} (${placeText({ file, line, pointer })})`,
      );
      const through =
        syncs.length === 0 ? '' : `, ${syncs.length === 1 ? 'sync' : 'syncs'} ${syncs.join(', ')}`;
      return `mapping ${mapping}: ${places.join(', ')}${through}`;
    })
    .join('; ');
