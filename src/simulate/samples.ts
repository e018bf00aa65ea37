/** Made-up values for the fields of a mapping: spelled as its remote spells, readable, each new where it can be. */
import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { boundFields } from '../mapping/bind.ts';
import { partsOf, type FieldRule, type MappingDocument } from '../mapping/document.ts';
import { computedFields } from '../mapping/expressions.ts';
import type { BoundField } from '../mapping/field.ts';
import { putAt, sameValue, valueAt } from '../mapping/place.ts';
import { enumOf, schemaAt, typesOf } from '../mapping/schema.ts';
import { Misfit } from '../mapping/step.ts';
import { stepNamed } from '../mapping/steps.ts';
import type { Dice } from './draw.ts';

/** What a field's places may hold, in their order. */
type Places = readonly Json[];

export const hasTable = (rule: FieldRule | undefined): boolean =>
  (rule?.steps ?? []).some((use) => partsOf(use).name === 'table');

const objectOf = (field: BoundField, values: Places): JsonObject => {
  const made: JsonObject = {};
  field.segments.forEach((place, index) => putAt(made, place, values[index] ?? null));
  return made;
};

/** True if the field reads these values, and gets them back as it wrote them. */
const fits = (field: BoundField, values: Places): boolean => {
  const read = field.read(objectOf(field, values));
  if (read === undefined || read === null || read instanceof Misfit) return false;
  if (!field.outward) return true;
  const wrote = field.write(read, null);
  if (wrote instanceof Misfit) return false;
  const again = field.read(objectOf(field, wrote));
  return again !== undefined && !(again instanceof Misfit) && sameValue(again, read);
};

const characters = '甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥';

/** A few letters that stand nowhere else, in both cases, so that it shows what a remote makes of case. */
const token = (dice: Dice, text: string): string => {
  const some = (pool: string, count: number): string =>
    Array.from({ length: count }, () => dice.pick([...pool]) ?? '').join('');
  const latin = some('ABCDEFGHKMNPQRSTUVWXYZ', 1) + some('abcdefghkmnpqrstuvwxyz', 3);
  return /\p{Script=Han}/u.test(text) ? some(characters, 3) + (dice.chance(0.5) ? latin : '') : latin;
};

const digits = (dice: Dice, count: number): string =>
  Array.from({ length: count }, () => String(Math.floor(dice.random() * 10))).join('');

/** The same sort of value as one that is known, but another. */
const varied = (dice: Dice, known: Json): Json => {
  if (typeof known === 'number')
    return Number.isInteger(known)
      ? Math.floor(dice.random() * 100_000)
      : Math.floor(dice.random() * 1e7) / 100;
  if (typeof known === 'boolean') return dice.chance(0.5);
  if (typeof known !== 'string') return known;
  // Longer than some place of the other side may take.
  if (dice.chance(0.02)) return `${known}${token(dice, known)} `.repeat(40).trim();
  const run = /\d{2,}(?=\D*$)/u.exec(known);
  if (run !== null && dice.chance(0.6))
    return known.slice(0, run.index) + digits(dice, run[0].length) + known.slice(run.index + run[0].length);
  const more = token(dice, known);
  return dice.chance(0.5) ? known.trimEnd() + more : more + known.trimStart();
};

/** People leave blanks where none belong. */
const spelled = (dice: Dice, value: Json): Json =>
  typeof value === 'string' && dice.chance(0.15) ? ` ${value} ` : value;

const plain: Readonly<Record<string, readonly Json[]>> = {
  string: ['Text', '文字'],
  integer: [1],
  number: [1.5],
  boolean: [true, false],
};

/** Values that are known to be good: of the examples, of the remote's choices, of the steps, of the type. */
const knownOf = (document: MappingDocument, field: BoundField, kind: JsonSchema): readonly Places[] => {
  const [first] = field.segments;
  const one = field.segments.length === 1 && first !== undefined ? schemaAt(kind, first) : undefined;
  const shown = document.examples.flatMap(({ remote }): Places[] => {
    const values = field.segments.map((place) => valueAt(remote, place) ?? null);
    return values.every((value) => value === null) ? [] : [values];
  });
  const choices = (one === undefined ? null : enumOf(one)) ?? [];
  const steps = (document.fields[field.name]?.steps ?? []).flatMap(
    (use) => stepNamed(partsOf(use).name)?.examples.map(({ remote }): Places => [remote]) ?? [],
  );
  const good = [...shown, ...choices.map((choice): Places => [choice])].filter((values) =>
    fits(field, values),
  );
  if (good.length > 0) return good;
  const types = one === undefined ? [] : typesOf(one);
  const typed = (types.length === 0 ? ['string'] : types).flatMap((type) => plain[type] ?? []);
  return [...(field.segments.length === 1 ? steps : []), ...typed.map((value): Places => [value])].filter(
    (values) => fits(field, values),
  );
};

/** A field that people fill in, and what they fill in. */
export interface Sample {
  readonly field: string;
  /** Its places, filled with a value, new where the field takes more than a few. */
  filled(dice: Dice): JsonObject;
  /** Its places, empty. */
  readonly cleared: JsonObject;
}

const sampleOf = (document: MappingDocument, field: BoundField, kind: JsonSchema): Sample | null => {
  const known = knownOf(document, field, kind);
  if (known.length === 0) return null;
  const [first] = field.segments;
  const isChosen =
    hasTable(document.fields[field.name]) ||
    (first !== undefined && enumOf(schemaAt(kind, first) ?? {}) !== null);
  const filled = (dice: Dice): JsonObject => {
    const base = dice.pick(known) ?? [];
    const most = isChosen ? 0 : 12;
    for (let tries = 0; tries < most; tries += 1) {
      const last = base.length - 1;
      const values = base.map((value, index) => spelled(dice, index === last ? varied(dice, value) : value));
      if (fits(field, values)) return objectOf(field, values);
    }
    return objectOf(field, base);
  };
  return { field: field.name, filled, cleared: objectOf(field, []) };
};

/** The fields of a mapping that people fill in: what it reads, without references and what it computes. */
export const samplesOf = (
  document: MappingDocument,
  entity: JsonSchema,
  kind: JsonSchema,
): readonly Sample[] => {
  const computed = new Set(computedFields(document));
  return boundFields(document, entity, kind).flatMap((field) => {
    const rule = document.fields[field.name];
    if (!field.inward || field.segments.length === 0 || computed.has(field.name)) return [];
    if (rule?.reference !== undefined) return [];
    const sample = sampleOf(document, field, kind);
    return sample === null ? [] : [sample];
  });
};
