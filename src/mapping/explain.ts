import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { boundFields, partDocument, partKind } from './bind.ts';
import { partsOf, placesOf } from './document.ts';
import type {
  Entity,
  FieldRule,
  MappingDocument,
  Overflow,
  PartRule,
  ReferenceRule,
  StepUse,
  WhenRule,
} from './document.ts';
import type { BoundField } from './field.ts';
import type { Lens } from './lens.ts';
import { isObject, pointerOf, segmentsOf, valueAt } from './place.ts';
import { routeStory, type RouteStory } from './route-story.ts';
import { rowSchema } from './rows.ts';
import { propertiesOf, schemaAt, typesOf } from './schema.ts';
import { Misfit } from './step.ts';
import type { StepClass } from './step.ts';
import { classOf, stepNamed } from './steps.ts';

/** What a mapping does, field by field, as values for people to read. */

export interface StepStory {
  readonly name: string;
  readonly arg?: Json;
  readonly class: StepClass;
  /** What the step does, in a sentence. */
  readonly doc: string;
}

export interface FieldExample {
  /** What the remote's places hold: one value, a list of several places, null where there is none. */
  readonly remote: Json;
  readonly entity: Json;
  /** What is written back for the entity's value; absent where nothing is written. */
  readonly back?: Json;
}

/** A place of the remote, with what its schema says of it. */
export interface PlaceStory {
  readonly pointer: string;
  /** The place's title there, if it has one. */
  readonly title: string | null;
  /** Its types, `unknown` where the remote's schema is not known. */
  readonly type: string;
}

/** Which record a field names. */
export interface ReferenceStory {
  /** The other entities; where a place may name several kinds, each with the kind's name there. */
  readonly to: readonly { readonly entity: string; readonly kind?: string }[];
  /** `id`: the place holds the other object's id; else the field of the other entity whose value it holds. */
  readonly by: string;
}

export interface RowsStory {
  /** The row's field that tells it from the others. */
  readonly key: string;
  /** What becomes of the remote's rows that the record has not. */
  readonly missing: 'keep' | 'remove';
  readonly fields: readonly FieldStory[];
  /** Places of a row that are left as they are. */
  readonly ignored: readonly string[];
  /** Fields of a row of the entity that this mapping says nothing about. */
  readonly absent: readonly string[];
}

export interface FieldStory {
  readonly field: string;
  /** The field's title in the entity, if it has one; else its name. */
  readonly title: string;
  readonly type: string;
  readonly at: readonly string[];
  readonly places: readonly PlaceStory[];
  readonly flow: 'in' | 'out' | 'both';
  /** The weakest class of its steps and rows: what a round trip keeps. */
  readonly class: StepClass;
  readonly steps: readonly StepStory[];
  /** What the remote itself is known to do to what is written. */
  readonly remote: readonly StepStory[];
  readonly otherwise?: Json;
  /** What becomes of a value that is too long or too large, where the mapping says it. */
  readonly overflow?: Overflow;
  readonly reference?: ReferenceStory;
  readonly rows?: RowsStory;
  readonly required: boolean;
  readonly history: boolean;
  /** True if no sentence shows its values. */
  readonly personal: boolean;
  /** The document's first example that holds this field. */
  readonly example?: FieldExample;
}

/** Records of their own that one object carries. */
export interface PartStory {
  readonly part: string;
  /** The list, and the place in a row that holds its id. */
  readonly at: string;
  readonly key: string;
  readonly entity: string;
  readonly fields: readonly FieldStory[];
  readonly ignored: readonly string[];
  readonly absent: readonly string[];
}

export interface MappingStory {
  readonly mapping: string;
  readonly hash: string;
  readonly remote: { readonly connector: string; readonly kind: string };
  readonly entity: string;
  readonly anchor: string | null;
  /** Which objects of the kind the mapping is for; null: all. */
  readonly when: WhenRule | null;
  readonly fields: readonly FieldStory[];
  readonly parts: readonly PartStory[];
  /** Fields that tables decide where they are empty, in order. */
  readonly routes: readonly RouteStory[];
  /** Places that are left alone on purpose. */
  readonly ignored: readonly string[];
  /** Fields of the entity that this mapping says nothing about. */
  readonly absent: readonly string[];
}

/** What a mapping is told against: what it was compiled from. */
export interface Told {
  readonly entity: Entity;
  readonly kind: JsonSchema | null;
  readonly entities: ReadonlyMap<string, Entity>;
  readonly lens: Lens;
  /** The examples' remote objects with their expressions computed, if the mapping has any. */
  readonly prepared?: readonly JsonObject[];
}

/** One object and the fields that it gives. */
interface Case {
  readonly remote: JsonObject;
  readonly entity: JsonObject;
}

/** The two sides that some fields are told against: those of an object, or of a row. */
interface Sides {
  readonly entity: JsonSchema;
  readonly kind: JsonSchema | null;
  readonly cases: readonly Case[];
}

const stepOf = (use: StepUse): StepStory => {
  const { name, arg } = partsOf(use);
  const step = stepNamed(name);
  return {
    name,
    ...(arg === undefined ? {} : { arg }),
    class: step === undefined ? 'lossy' : classOf(step, arg),
    doc: step?.doc ?? '',
  };
};

const weakest = (some: readonly { readonly class: StepClass }[]): StepClass => {
  if (some.some((one) => one.class === 'lossy')) return 'lossy';
  return some.some((one) => one.class === 'settling') ? 'settling' : 'exact';
};

const referenceOf = ({ to, by }: ReferenceRule): ReferenceStory => ({
  to:
    typeof to === 'string'
      ? [{ entity: to }]
      : Object.entries(to).map(([kind, entity]) => ({ kind, entity })),
  by,
});

const titleOf = (schema: JsonSchema | undefined): string | null => {
  const title = schema?.['title'];
  return typeof title === 'string' ? title : null;
};

const typeOf = (schema: JsonSchema | undefined): string => {
  const types = schema === undefined ? [] : typesOf(schema);
  return types.length === 0 || types.length === 6 ? 'unknown' : types.join(' | ');
};

/** The first case in which the field holds something; else one in which it is at least there. */
const exampleOf = (field: BoundField, cases: readonly Case[]): FieldExample | undefined => {
  let found: { readonly remote: JsonObject; readonly value: Json } | undefined;
  for (const { remote, entity } of cases) {
    const read = field.inward ? field.read(remote) : entity[field.name];
    if (read === undefined || read instanceof Misfit) continue;
    found ??= { remote, value: read };
    if (read === null) continue;
    found = { remote, value: read };
    break;
  }
  if (found === undefined) return undefined;
  const places = field.pointers.map((pointer) => valueAt(found.remote, segmentsOf(pointer) ?? []) ?? null);
  const one = (all: readonly Json[]): Json => (all.length > 1 ? [...all] : (all[0] ?? null));
  const example = { remote: one(places), entity: found.value };
  // Onto nothing: over what is there, an equal value would keep the remote's own spelling.
  const back = field.outward ? field.write(found.value, null) : undefined;
  return back === undefined || back instanceof Misfit ? example : { ...example, back: one(back) };
};

const rowsStory = (
  rule: FieldRule,
  { name, rows, segments }: BoundField,
  sides: Sides,
): RowsStory | undefined => {
  if (rule.rows === undefined || rows === null) return undefined;
  const { key, missing, fields } = rule.rows;
  const [at = []] = segments;
  const there = sides.kind === null ? null : rowSchema(schemaAt(sides.kind, at), sides.kind);
  const row = rowSchema(propertiesOf(sides.entity, sides.entity).get(name), sides.entity) ?? {};
  const rowsIn = (list: Json | undefined): readonly JsonObject[] =>
    Array.isArray(list) ? list.filter(isObject) : [];
  const cases = sides.cases.flatMap(({ remote, entity }) => {
    const told = rowsIn(entity[name]);
    return rowsIn(valueAt(remote, at)).map((one, index) => ({ remote: one, entity: told[index] ?? {} }));
  });
  const said = Object.values(fields).flatMap(placesOf);
  return {
    key,
    missing,
    fields: fieldStories(fields, rows.fields, { entity: row, kind: there, cases }),
    ignored: there === null ? [] : othersIn(there, said),
    absent: [...propertiesOf(row, row).keys()].filter((name) => !Object.hasOwn(fields, name)),
  };
};

/** The members of a row that no field names. */
const othersIn = (there: JsonSchema, said: readonly string[]): readonly string[] =>
  [...propertiesOf(there, there).keys()]
    .map((name) => pointerOf([name]))
    .filter((pointer) => !said.some((one) => one === pointer || one.startsWith(`${pointer}/`)));

const fieldStories = (
  rules: Readonly<Record<string, FieldRule>>,
  bound: readonly BoundField[],
  sides: Sides,
): readonly FieldStory[] => {
  const schemas = propertiesOf(sides.entity, sides.entity);
  return bound.map((field): FieldStory => {
    const rule = rules[field.name] ?? {};
    const schema = schemas.get(field.name);
    const steps = (rule.steps ?? []).map(stepOf);
    const rows = rowsStory(rule, field, sides);
    const example = exampleOf(field, sides.cases);
    const at = placesOf(rule);
    const { kind } = sides;
    return {
      field: field.name,
      title: titleOf(schema) ?? field.name,
      type: typeOf(schema),
      at,
      places: at.map((pointer) => {
        const place = kind === null ? undefined : schemaAt(kind, segmentsOf(pointer) ?? []);
        return { pointer, title: titleOf(place), type: typeOf(place) };
      }),
      flow: rule.flow ?? 'both',
      class: weakest([...steps, ...(rows?.fields ?? [])]),
      steps,
      remote: (rule.remote ?? []).map(stepOf),
      ...(rule.otherwise === undefined ? {} : { otherwise: rule.otherwise }),
      ...(field.overflow === undefined ? {} : { overflow: field.overflow }),
      ...(rule.reference === undefined ? {} : { reference: referenceOf(rule.reference) }),
      ...(rows === undefined ? {} : { rows }),
      required: rule.required === true,
      history: schema?.['history'] === 'every',
      personal: field.personal,
      ...(example === undefined ? {} : { example }),
    };
  });
};

const absentOf = (entity: JsonSchema, fields: Readonly<Record<string, unknown>>): readonly string[] =>
  [...propertiesOf(entity, entity).keys()].filter((name) => !Object.hasOwn(fields, name));

const partStory = (
  document: MappingDocument,
  part: string,
  rule: PartRule,
  { kind, entities, prepared }: Told,
): PartStory => {
  const own = partDocument(document, part, rule);
  const entity = entities.get(rule.entity)?.schema ?? {};
  const there = partKind(rule, kind);
  const cases = document.examples.flatMap(({ remote, parts }, index) => {
    const list = valueAt(prepared?.[index] ?? remote, segmentsOf(rule.at) ?? []);
    const rows = Array.isArray(list) ? list.filter(isObject) : [];
    return rows.map((row, at) => ({ remote: row, entity: parts?.[part]?.[at] ?? {} }));
  });
  return {
    part,
    at: rule.at,
    key: rule.key,
    entity: rule.entity,
    fields: fieldStories(rule.fields, boundFields(own, entity, there), { entity, kind: there, cases }),
    ignored: rule.ignored ?? [],
    absent: absentOf(entity, rule.fields),
  };
};

/** Tells a mapping that has been compiled. */
export const explain = (document: MappingDocument, told: Told): MappingStory => {
  const { entity, kind, lens, prepared } = told;
  const cases = document.examples.map((one, index) => ({
    remote: prepared?.[index] ?? one.remote,
    entity: one.entity,
  }));
  return {
    mapping: document.name,
    hash: lens.hash,
    remote: document.remote,
    entity: document.entity,
    anchor: document.anchor ?? null,
    when: document.when ?? null,
    fields: fieldStories(document.fields, boundFields(document, entity.schema, kind), {
      entity: entity.schema,
      kind,
      cases,
    }),
    parts: Object.entries(document.parts ?? {}).map(([part, rule]) => partStory(document, part, rule, told)),
    routes: Object.entries(document.routes ?? {}).map(([field, rule]) => routeStory(field, rule)),
    ignored: document.ignored,
    absent: absentOf(entity.schema, { ...document.routes, ...document.fields }),
  };
};
