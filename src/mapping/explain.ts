import type { Json } from '../connector.ts';
import { partsOf, placesOf } from './document.ts';
import type { Entity, FieldRule, MappingDocument, StepUse } from './document.ts';
import type { Lens } from './lens.ts';
import { segmentsOf, valueAt } from './place.ts';
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
  /** What the remote's places hold: one value, or a list of several places. */
  readonly remote: Json;
  readonly entity: Json;
  /** What is written back for the entity's value; absent where nothing is written. */
  readonly back?: Json;
}

export interface FieldStory {
  readonly field: string;
  /** The field's title in the entity, if it has one. */
  readonly title: string;
  readonly at: readonly string[];
  readonly flow: 'in' | 'out' | 'both';
  /** The weakest class of its steps: what a round trip keeps. */
  readonly class: StepClass;
  readonly steps: readonly StepStory[];
  /** What the remote itself is known to do to what is written. */
  readonly remote: readonly StepStory[];
  readonly otherwise?: Json;
  readonly required: boolean;
  readonly history: boolean;
  /** The document's first example that holds this field. */
  readonly example?: FieldExample;
}

export interface MappingStory {
  readonly mapping: string;
  readonly hash: string;
  readonly remote: { readonly connector: string; readonly kind: string };
  readonly entity: string;
  readonly anchor: string | null;
  readonly fields: readonly FieldStory[];
  /** Places that are left alone on purpose. */
  readonly ignored: readonly string[];
  /** Fields of the entity that this mapping says nothing about. */
  readonly absent: readonly string[];
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

const weakest = (steps: readonly StepStory[]): StepClass => {
  if (steps.some((step) => step.class === 'lossy')) return 'lossy';
  return steps.some((step) => step.class === 'settling') ? 'settling' : 'exact';
};

const exampleOf = (
  document: MappingDocument,
  lens: Lens,
  field: string,
  rule: FieldRule,
): FieldExample | undefined => {
  const pointers = placesOf(rule);
  const at = (value: Json): Json => {
    const places = pointers.map((pointer) => valueAt(value, segmentsOf(pointer) ?? []) ?? null);
    return places.length === 1 ? (places[0] ?? null) : places;
  };
  const found = document.examples.find(
    ({ remote, entity }) => Object.hasOwn(entity, field) || Object.hasOwn(lens.read(remote).fields, field),
  );
  if (found === undefined) return undefined;
  const value = lens.read(found.remote).fields[field] ?? found.entity[field] ?? null;
  const example = { remote: at(found.remote), entity: value };
  if (!lens.outward.has(field)) return example;
  // Onto nothing: over what is there, an equal value would keep the remote's own spelling.
  const written = lens.write({ [field]: value }, null);
  return written.problems.length > 0 ? example : { ...example, back: at(written.value) };
};

/** Tells a mapping that has been compiled. */
export const explain = (document: MappingDocument, entity: Entity, lens: Lens): MappingStory => ({
  mapping: document.name,
  hash: lens.hash,
  remote: document.remote,
  entity: document.entity,
  anchor: document.anchor ?? null,
  fields: Object.entries(document.fields).map(([field, rule]) => {
    const steps = (rule.steps ?? []).map(stepOf);
    const title = entity.fields.get(field)?.['title'];
    const example = exampleOf(document, lens, field, rule);
    return {
      field,
      title: typeof title === 'string' ? title : field,
      at: placesOf(rule),
      flow: rule.flow ?? 'both',
      class: weakest(steps),
      steps,
      remote: (rule.remote ?? []).map(stepOf),
      ...(rule.otherwise === undefined ? {} : { otherwise: rule.otherwise }),
      required: rule.required === true,
      history: entity.history.has(field),
      ...(example === undefined ? {} : { example }),
    };
  }),
  ignored: document.ignored,
  absent: [...entity.fields.keys()].filter((field) => !Object.hasOwn(document.fields, field)),
});
