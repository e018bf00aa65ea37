import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { fallbacksOf, partsOf, placesOf } from './document.ts';
import type { FieldRule, Finding } from './document.ts';
import { bindField } from './field.ts';
import { hinted } from './finding.ts';
import type { Check } from './finding.ts';
import { nearest } from './nearest.ts';
import { isObject, putAt, sameValue, segmentsOf } from './place.ts';
import { checkRounds } from './rounds.ts';
import { enumOf, schemaAt, shown, validatorOf } from './schema.ts';
import { Misfit } from './step.ts';

/** Every value that either side may hold has an answer, and every answer is one that the other side takes. */

/** Where a value comes from and goes to. */
interface Way {
  readonly way: 'in' | 'out';
  /** The side that may hold the value, and the one that is to take what is made of it. */
  readonly from: string;
  readonly to: string;
  /** The values that the taker knows; null where it takes others too. */
  readonly known: readonly Json[] | null;
}

/** To park what the table does not name is an answer, if the mapping says so; that it stands open is still told. */
const gapSeverity = ({ otherwise }: FieldRule, way: 'in' | 'out', { step }: Misfit): Finding['severity'] => {
  const said = isObject(otherwise) ? otherwise[way] : otherwise;
  return said === 'park' && step === 'table' ? 'warning' : 'error';
};

const takes = (known: readonly Json[] | null): string =>
  known === null
    ? ''
    : ` (it takes ${known.slice(0, 12).map(shown).join(', ')}${known.length > 12 ? ', …' : ''})`;

/** Tells what is `made` of a value, if it is no answer. */
const tellUncovered = (
  check: Check,
  [field, rule]: readonly [string, FieldRule],
  value: Json,
  made: unknown,
  { way, from, to, known }: Way,
): void => {
  // That the other side keeps what it has is an answer too.
  if (!(made instanceof Misfit) || made.code === 'kept') return;
  const at = `/fields/${field}/${rule.steps === undefined ? 'at' : 'steps'}`;
  const isAnswer =
    rule.steps !== undefined &&
    made.code === 'not-covered' &&
    made.step === undefined &&
    made.value !== undefined &&
    !sameValue(made.value, value);
  if (!isAnswer) {
    const severity = gapSeverity(rule, way, made);
    check.tell('mapping-uncovered', at, { field, value: shown(value), side: from }, severity);
    return;
  }
  const names = (known ?? []).map(String);
  check.tell('mapping-outcome', at, {
    field,
    made: shown(made.value),
    value: shown(value),
    side: to,
    hint: hinted(nearest(String(made.value), names)) || takes(known),
  });
};

/** Tries every value of a pick-list on either side; then values of every sort, there and back. */
export const checkCoverage = (check: Check, name: string, rule: FieldRule): void => {
  const { kind, entity } = check;
  const schema = entity.fields.get(name);
  if (schema === undefined) return;
  const field = bindField(name, rule, { field: schema, entity: entity.schema, kind });
  const place = field.segments.length === 1 ? field.segments[0] : undefined;
  const there = kind === null || place === undefined ? undefined : schemaAt(kind, place);
  const remote = `${check.document.remote.connector} (${field.pointers[0]})`;
  const own = `entity ${entity.name}`;
  if (field.inward && place !== undefined && there !== undefined) {
    for (const value of enumOf(there) ?? []) {
      const object: JsonObject = {};
      putAt(object, place, value);
      const way = { way: 'in', from: remote, to: own, known: enumOf(schema) } as const;
      tellUncovered(check, [name, rule], value, field.read(object), way);
    }
  }
  checkRounds(check, name, rule, field);
  if (!field.outward) return;
  const known = there === undefined ? null : enumOf(there);
  for (const value of enumOf(schema) ?? [])
    tellUncovered(check, [name, rule], value, field.write(value, null), {
      way: 'out',
      from: own,
      to: remote,
      known,
    });
};

const WORDS = ['park', 'null', 'keep', 'pass'];
const INSTEAD = 'Say "park", "null", "keep", "pass", or a value that the side may hold which is to take it.';

/** What `otherwise` names: a value that the other side takes, where a table is there to ask for it. */
export const checkOtherwise = (check: Check, name: string, rule: FieldRule, schema: JsonSchema): void => {
  if (rule.otherwise === undefined) return;
  const at = `/fields/${name}/otherwise`;
  const uses = (rule.steps ?? []).map((use) => partsOf(use).name);
  const inLists = (rule.steps ?? []).some((use) => JSON.stringify(use).startsWith('{"list":{"table"'));
  if (!uses.includes('table') && !inLists) {
    const instead = 'Take "otherwise" away, or add a table step.';
    check.tell('mapping-otherwise', at, { field: name, detail: 'and has no table', instead });
    return;
  }
  const { kind, entity } = check;
  const { inward, outward } = fallbacksOf(rule.otherwise);
  const [pointer, ...more] = placesOf(rule);
  const there =
    kind === null || pointer === undefined || more.length > 0
      ? undefined
      : schemaAt(kind, segmentsOf(pointer) ?? []);
  // What other steps make of it is for them to say.
  const sides = [
    { way: 'reading', fallback: inward, takes: schema, root: entity.schema, last: uses.at(-1) },
    { way: 'writing', fallback: outward, takes: there, root: kind ?? {}, last: uses[0] },
  ];
  for (const { way, fallback, takes, root, last } of sides) {
    if (typeof fallback === 'string' || takes === undefined || last !== 'table') continue;
    if ((way === 'writing') === (rule.flow === 'in') && rule.flow !== undefined && rule.flow !== 'both')
      continue;
    const wrong = validatorOf(takes, root)(fallback.value);
    if (wrong === null) continue;
    const hint = hinted(nearest(String(fallback.value), [...WORDS, ...(enumOf(takes) ?? []).map(String)]));
    const detail = `with ${shown(fallback.value)} when ${way}, which ${wrong.expected}${hint}`;
    check.tell('mapping-otherwise', at, { field: name, detail, instead: INSTEAD });
  }
};
