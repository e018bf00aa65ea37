import { createHash } from 'node:crypto';
import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import type { MappingDocument, PartRule, WhenRule } from './document.ts';
import { bindField } from './field.ts';
import type { BoundField } from './field.ts';
import { fastReader } from './generate.ts';
import type { FieldNote, FieldProblem, Fields, Lens, Part, Reading, Writing } from './lens.ts';
import {
  pointerOf as placePointer,
  canonical,
  canonicalText,
  isObject,
  member,
  putAt,
  sameValue,
  segmentsOf,
  valueAt,
} from './place.ts';
import type { Segments } from './place.ts';
import { referenceOf } from './reference.ts';
import { bindRoutes } from './routing.ts';
import { rowSchema } from './rows.ts';
import { propertiesOf, schemaAt } from './schema.ts';
import { Misfit } from './step.ts';
import { STEPS_REVISION } from './steps.ts';

/** Binds a document's closures once and makes its lens. Nothing is checked here: `compile` does that first. */

/** The places that a mapping reads, as a tree in the order of their names; null marks a place. */
interface PlaceTree {
  readonly [segment: string]: PlaceTree | null;
}

const treeOf = (places: readonly Segments[]): PlaceTree => {
  const root: Record<string, PlaceTree | null> = {};
  for (const head of [...new Set(places.map((place) => place[0] ?? ''))].sort()) {
    const rest = places.filter((place) => place[0] === head).map((place) => place.slice(1));
    root[head] = rest.some((place) => place.length === 0) ? null : treeOf(rest);
  }
  return root;
};

const kept = (value: JsonObject, tree: PlaceTree): JsonObject => {
  const made: JsonObject = {};
  for (const [name, inner] of Object.entries(tree)) {
    const here = member(value, name);
    if (here === undefined) continue;
    if (inner === null || here === null) {
      const clean = canonical(here);
      if (clean !== undefined) made[name] = clean;
    } else if (isObject(here)) {
      const below = kept(here, inner);
      if (Object.keys(below).length > 0) made[name] = below;
    }
  }
  return made;
};

/** Titles and descriptions may change without anything mapping differently. */
const meaningOf = (schema: JsonSchema): JsonObject => {
  const { title: _, description: __, examples: ___, $comment: ____, ...rest } = schema;
  return rest;
};

const hashOf = (document: MappingDocument, fields: ReadonlyMap<string, JsonSchema>): string => {
  // A table's order decides which spelling is written, so steps are hashed as they are written.
  const rules = Object.entries(document.fields)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, rule]) => [name, canonicalText({ ...rule, steps: null }), JSON.stringify(rule.steps ?? [])]);
  const meaning = {
    revision: STEPS_REVISION,
    remote: document.remote,
    entity: document.entity,
    anchor: document.anchor ?? null,
    rules,
    ...(document.when === undefined ? {} : { when: document.when as unknown as Json }),
    ...(document.parts === undefined ? {} : { parts: JSON.stringify(document.parts) }),
    ...(document.overflow === undefined ? {} : { overflow: document.overflow }),
    ...(document.routes === undefined ? {} : { routes: JSON.stringify(document.routes) }),
    fields: Object.fromEntries(
      Object.keys(document.fields).map((name) => [name, meaningOf(fields.get(name) ?? {})]),
    ),
  };
  return createHash('sha256').update(canonicalText(meaning)).digest('hex').slice(0, 16);
};

/** What reading and writing find out besides values. */
interface Told {
  readonly problems: FieldProblem[];
  readonly notes: FieldNote[];
  /** Fields that are left as they are. */
  readonly left: string[];
}

const nothingTold = (): Told => ({ problems: [], notes: [], left: [] });

const pointerOf = (field: BoundField): string => field.pointers.join(' + ');

/** What is said of a value that the other side does not take, and keeps what it has. */
export const LEFT = 'It was not taken, as the mapping says.';

/** True if the mapping says that the other side keeps what it has rather than take this. */
export const isLeft = (field: BoundField, { code }: Misfit): boolean =>
  code === 'kept' || (code === 'overflow' && field.refuses);

const tellMisfit = (field: BoundField, misfit: Misfit, told: Told): void => {
  const { code, step } = misfit;
  const said = `${misfit.sentence(field.personal)}${step === undefined ? '' : ` (step ${step})`}.`;
  const at = { field: field.name, pointer: pointerOf(field) };
  if (isLeft(field, misfit)) {
    told.notes.push({ ...at, message: `${said} ${LEFT}` });
    told.left.push(field.name);
    return;
  }
  told.problems.push({ ...at, code, message: said, ...(step === undefined ? {} : { step }) });
};

const tellNotes = (field: BoundField, way: 'read' | 'write', given: JsonObject | Json, told: Told): void => {
  for (const note of field.notes(way, given))
    told.notes.push({ field: field.name, pointer: pointerOf(field), message: `The value ${note}.` });
};

const readOne = (field: BoundField, object: JsonObject, fields: Fields, told: Told): void => {
  const value = field.read(object);
  tellNotes(field, 'read', object, told);
  if (typeof value === 'string' || (value !== undefined && value !== null && !(value instanceof Misfit))) {
    fields[field.name] = value;
    return;
  }
  if (value instanceof Misfit) {
    tellMisfit(field, value, told);
    return;
  }
  if (field.required) {
    const pointer = pointerOf(field);
    const how = value === undefined ? 'is missing' : 'is empty';
    told.problems.push({
      pointer,
      code: 'required',
      message: `The place ${pointer} ${how}, and ${field.name} is required.`,
    });
  }
  if (value !== undefined) fields[field.name] = value;
};

const writeOne = (
  field: BoundField,
  value: Json,
  base: JsonObject | null,
  target: JsonObject,
  told: Told,
): void => {
  const made = field.write(value, base);
  if (made instanceof Misfit) {
    tellMisfit(field, made, told);
    return;
  }
  tellNotes(field, 'write', value, told);
  field.segments.forEach((place, index) => putAt(target, place, canonical(made[index] ?? null) ?? null));
};

/** Notes are rare: most answers have neither member. */
const withNotes = <T extends object>(
  made: T,
  { notes, left }: Told,
): T & { notes?: readonly FieldNote[]; left?: readonly string[] } => {
  if (notes.length === 0) return made;
  return left.length === 0 ? { ...made, notes } : { ...made, notes, left };
};

/** Our record id at this place; '' where there is none. */
const anchorAt =
  (place: Segments): ((value: JsonObject) => string) =>
  (value) => {
    const held = valueAt(value, place);
    return typeof held === 'string' || typeof held === 'number' ? String(held).trim() : '';
  };

const readAll = (
  fields: readonly BoundField[],
  anchorOf: ((value: JsonObject) => string) | null,
  value: JsonObject,
): Reading => {
  const read: Fields = {};
  const told = nothingTold();
  for (const field of fields) if (field.inward) readOne(field, value, read, told);
  const id = anchorOf?.(value) ?? '';
  const made = { fields: read, problems: told.problems };
  return withNotes(id === '' ? made : { ...made, anchor: id }, told);
};

const writeAll = (all: readonly BoundField[], fields: Fields, base: JsonObject | null): Writing => {
  const value: JsonObject = {};
  const told = nothingTold();
  for (const field of all) {
    if (!field.outward || !Object.hasOwn(fields, field.name)) continue;
    const wanted = fields[field.name];
    if (wanted !== undefined) writeOne(field, wanted, base, value, told);
  }
  return withNotes({ value, problems: told.problems }, told);
};

/** The fields that may be left as they are when they are written; null where there are none. */
const leavesOf = (all: readonly BoundField[]): Lens['leaves'] | null => {
  const some = new Map(
    all.filter((field) => field.outward && field.keeps).map((field) => [field.name, field]),
  );
  if (some.size === 0) return null;
  return (name, value) => {
    const field = some.get(name);
    const made = field?.write(value, null);
    if (field === undefined || !(made instanceof Misfit) || !isLeft(field, made)) return null;
    return `${made.sentence(field.personal)}. ${LEFT}`;
  };
};

const appliesTo = (when: WhenRule | undefined): ((value: JsonObject) => boolean) => {
  if (when === undefined) return () => true;
  const place = segmentsOf(when.at) ?? [];
  return (value) => {
    const held = valueAt(value, place) ?? null;
    return when.is.some((one) => sameValue(one, held));
  };
};

/** A part as a mapping of its own, over a row of its list. */
export const partDocument = (document: MappingDocument, name: string, rule: PartRule): MappingDocument => ({
  file: document.file,
  name: `${document.name}/${name}`,
  remote: document.remote,
  entity: rule.entity,
  fields: rule.fields,
  ignored: rule.ignored ?? [],
  examples: [],
  lineOf: (pointer) => document.lineOf(`/parts/${name}${pointer}`),
  ...(document.overflow === undefined ? {} : { overflow: document.overflow }),
});

/** The schema of a row of a part's list. */
export const partKind = (rule: PartRule, kind: JsonSchema | null): JsonSchema | null =>
  kind === null ? null : rowSchema(schemaAt(kind, segmentsOf(rule.at) ?? []), kind);

const partOf = (
  document: MappingDocument,
  name: string,
  rule: PartRule,
  entity: JsonSchema,
  kind: JsonSchema | null,
): Part => {
  const list = segmentsOf(rule.at) ?? [];
  const keyAt = segmentsOf(rule.key) ?? [];
  return {
    entity: rule.entity,
    lens: bind(partDocument(document, name, rule), entity, partKind(rule, kind)),
    rows: (value) => {
      const held = valueAt(value, list) ?? null;
      const problem = (pointer: string, message: string): FieldProblem => ({
        pointer,
        code: 'type',
        message,
      });
      if (held === null) return { rows: [], problems: [] };
      if (!Array.isArray(held))
        return { rows: [], problems: [problem(rule.at, `The place ${rule.at} holds no list of rows.`)] };
      const rows: { key: string; value: JsonObject }[] = [];
      const problems: FieldProblem[] = [];
      held.forEach((row, index) => {
        const key = valueAt(row, keyAt) ?? null;
        const at = `${rule.at}/${index}`;
        if (!isObject(row)) problems.push(problem(at, `Row ${index + 1} is no object.`));
        else if ((typeof key !== 'string' && typeof key !== 'number') || String(key).trim() === '')
          problems.push(problem(at + rule.key, `Row ${index + 1} has no id at ${rule.key}.`));
        else rows.push({ key: String(key).trim(), value: row });
      });
      return { rows, problems };
    },
  };
};

/** What a mapping is bound to besides its document. */
export interface Bound {
  /** The entities of its parts, by name. */
  readonly entities?: ReadonlyMap<string, JsonSchema>;
  /** False reads everything the long way: for the test that holds both ways against each other. */
  readonly generated?: boolean;
}

/** Fields with what the document says for all of them. */
const rulesOf = (document: MappingDocument): MappingDocument['fields'] => {
  const { overflow } = document;
  if (overflow === undefined) return document.fields;
  return Object.fromEntries(
    Object.entries(document.fields).map(([name, rule]) => [name, { overflow, ...rule }]),
  );
};

/** The fields of a mapping, each with its steps bound. */
export const boundFields = (
  document: MappingDocument,
  entity: JsonSchema,
  kind: JsonSchema | null,
): readonly BoundField[] => {
  const schemas = propertiesOf(entity, entity);
  return Object.entries(rulesOf(document)).map(([name, rule]) =>
    bindField(name, rule, { field: schemas.get(name) ?? {}, entity, kind, mapping: document.name }),
  );
};

/** Binds a mapping that `check` has passed. */
export const bind = (
  document: MappingDocument,
  entity: JsonSchema,
  kind: JsonSchema | null,
  { entities = new Map(), generated = true }: Bound = {},
): Lens => {
  const schemas = propertiesOf(entity, entity);
  const all = boundFields(document, entity, kind);
  const bound = new Map(all.map((field) => [field.name, field]));
  const anchor = document.anchor;
  const anchorPlace = anchor === undefined ? null : segmentsOf(anchor);
  const parts = Object.entries(document.parts ?? {});
  const tree = treeOf([
    ...all.flatMap((field) => field.segments),
    ...parts.map(([, part]) => segmentsOf(part.at) ?? []),
    ...(anchorPlace === null ? [] : [anchorPlace]),
  ]);
  const namesOf = (fields: readonly BoundField[]): ReadonlySet<string> =>
    new Set(fields.map((field) => field.name));
  const anchorOf = anchorPlace === null ? null : anchorAt(anchorPlace);
  const slow = (value: JsonObject): Reading => readAll(all, anchorOf, value);
  const personal = new Set(
    [...schemas].filter(([, schema]) => schema['personal'] === true).map(([name]) => name),
  );
  const leaves = leavesOf(all);
  return {
    name: document.name,
    hash: hashOf(document, schemas),
    entity: document.entity,
    connector: document.remote.connector,
    kind: document.remote.kind,
    inward: namesOf(all.filter((field) => field.inward)),
    outward: namesOf(all.filter((field) => field.outward)),
    history: new Set(
      [...bound.keys(), ...Object.keys(document.routes ?? {})].filter(
        (field) => schemas.get(field)?.['history'] === 'every',
      ),
    ),
    ...(anchor === undefined ? {} : { anchor }),
    references: new Map(
      Object.entries(document.fields).flatMap(([name, { reference }]) =>
        reference === undefined ? [] : [[name, referenceOf(reference)]],
      ),
    ),
    parts: new Map(
      parts.map(([name, rule]) => [
        name,
        partOf(document, name, rule, entities.get(rule.entity) ?? {}, kind),
      ]),
    ),
    ...(document.routes === undefined ? {} : { router: bindRoutes(document.routes, personal) }),
    applies: appliesTo(document.when),
    shape: (field) => bound.get(field)?.shape ?? 'value',
    pointers: (field) => bound.get(field)?.segments.map(placePointer) ?? [],
    read: generated ? fastReader(all, anchorOf, slow) : slow,
    write: (fields, base, id) => {
      const writing = writeAll(all, fields, base);
      if (id !== undefined && anchorPlace !== null) putAt(writing.value, anchorPlace, id);
      return writing;
    },
    ...(leaves === null ? {} : { leaves }),
    settle: (field, value) => {
      const known = bound.get(field);
      return known === undefined ? value : known.settle(value);
    },
    shadow: (value) => kept(value, tree),
  };
};
