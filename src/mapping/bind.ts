import { createHash } from 'node:crypto';
import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import { propertiesOf } from './schema.ts';
import type { MappingDocument } from './document.ts';
import { bindField } from './field.ts';
import type { BoundField } from './field.ts';
import type { FieldProblem, Fields, Lens, Reading, Writing } from './lens.ts';
import { canonical, canonicalText, isObject, member, putAt, segmentsOf, valueAt } from './place.ts';
import type { Segments } from './place.ts';
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
    fields: Object.fromEntries(
      Object.keys(document.fields).map((name) => [name, meaningOf(fields.get(name) ?? {})]),
    ),
  };
  return createHash('sha256').update(canonicalText(meaning)).digest('hex').slice(0, 16);
};

const readOne = (field: BoundField, object: JsonObject, fields: Fields, problems: FieldProblem[]): void => {
  const value = field.read(object);
  if (typeof value === 'string' || (value !== undefined && value !== null && !(value instanceof Misfit))) {
    fields[field.name] = value;
    return;
  }
  const pointer = field.pointers.join(' + ');
  if (value instanceof Misfit) {
    problems.push({ field: field.name, pointer, code: value.code, message: `${value.message}.` });
    return;
  }
  if (field.required && (value === undefined || value === null)) {
    const how = value === undefined ? 'is missing' : 'is empty';
    problems.push({
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
  problems: FieldProblem[],
): void => {
  const made = field.write(value, base);
  if (made instanceof Misfit) {
    const pointer = field.pointers.join(' + ');
    problems.push({ field: field.name, pointer, code: made.code, message: `${made.message}.` });
    return;
  }
  field.segments.forEach((place, index) => putAt(target, place, canonical(made[index] ?? null) ?? null));
};

const readAll = (fields: readonly BoundField[], anchor: Segments | null, value: JsonObject): Reading => {
  const read: Fields = {};
  const problems: FieldProblem[] = [];
  for (const field of fields) if (field.inward) readOne(field, value, read, problems);
  const held = anchor === null ? undefined : valueAt(value, anchor);
  const id = typeof held === 'string' || typeof held === 'number' ? String(held).trim() : '';
  return id === '' ? { fields: read, problems } : { fields: read, problems, anchor: id };
};

const writeAll = (all: readonly BoundField[], fields: Fields, base: JsonObject | null): Writing => {
  const value: JsonObject = {};
  const problems: FieldProblem[] = [];
  for (const field of all) {
    if (!field.outward || !Object.hasOwn(fields, field.name)) continue;
    const wanted = fields[field.name];
    if (wanted !== undefined) writeOne(field, wanted, base, value, problems);
  }
  return { value, problems };
};

/** Binds a mapping that `check` has passed. */
export const bind = (document: MappingDocument, entity: JsonSchema, kind: JsonSchema | null): Lens => {
  const schemas = propertiesOf(entity, entity);
  const bound = new Map<string, BoundField>();
  for (const [name, rule] of Object.entries(document.fields)) {
    bound.set(name, bindField(name, rule, { field: schemas.get(name) ?? {}, entity, kind }));
  }
  const all = [...bound.values()];
  const anchor = document.anchor;
  const anchorPlace = anchor === undefined ? null : segmentsOf(anchor);
  const tree = treeOf([
    ...all.flatMap((field) => field.segments),
    ...(anchorPlace === null ? [] : [anchorPlace]),
  ]);
  const namesOf = (fields: readonly BoundField[]): ReadonlySet<string> =>
    new Set(fields.map((field) => field.name));
  return {
    name: document.name,
    hash: hashOf(document, schemas),
    entity: document.entity,
    connector: document.remote.connector,
    kind: document.remote.kind,
    inward: namesOf(all.filter((field) => field.inward)),
    outward: namesOf(all.filter((field) => field.outward)),
    history: namesOf(all.filter((field) => schemas.get(field.name)?.['history'] === 'every')),
    ...(anchor === undefined ? {} : { anchor }),
    pointers: (field) => bound.get(field)?.pointers ?? [],
    read: (value) => readAll(all, anchorPlace, value),
    write: (fields, base, id) => {
      const writing = writeAll(all, fields, base);
      if (id !== undefined && anchorPlace !== null) putAt(writing.value, anchorPlace, id);
      return writing;
    },
    settle: (field, value) => {
      const known = bound.get(field);
      return known === undefined ? value : known.settle(value);
    },
    shadow: (value) => kept(value, tree),
  };
};
