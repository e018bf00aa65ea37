import type { Json, JsonObject, JsonSchema } from '../connector.ts';
import type { ErrorCode, ErrorParams } from '../errors.ts';
import { bind } from './bind.ts';
import { checkSteps, checkTypes } from './chain.ts';
import type { Tell } from './chain.ts';
import { finding, partsOf, placesOf } from './document.ts';
import type { Entity, FieldRule, Finding, MappingDocument } from './document.ts';
import { bindField } from './field.ts';
import type { Lens } from './lens.ts';
import { nearest } from './nearest.ts';
import { pointerOf, putAt, sameValue, segmentsOf } from './place.ts';
import type { Segments } from './place.ts';
import { enumOf, propertiesOf, schemaAt, shown } from './schema.ts';
import { Misfit } from './step.ts';

/** What a mapping is checked against. `kind` is null where the remote's schema is not known. */
export interface Against {
  readonly entity: Entity;
  readonly kind: JsonSchema | null;
  /** The entities that it may name besides its own. Without them names are taken on trust. */
  readonly entities?: ReadonlyMap<string, Entity>;
}

/** A mapping under check, and where its findings go. */
interface Check extends Against {
  readonly document: MappingDocument;
  readonly found: Finding[];
  tell(code: ErrorCode, pointer: string, params: ErrorParams, severity?: Finding['severity']): void;
}

const hinted = (hint: string | undefined): string => (hint === undefined ? '' : ` (did you mean ${hint}?)`);

/** Every innermost place that a kind's schema names. */
const leavesOf = (schema: JsonSchema, root: JsonSchema, above: Segments = []): readonly Segments[] => {
  const inner = propertiesOf(schema, root);
  // A schema may refer to itself: eight levels are more than any real object has.
  if (inner.size === 0 || above.length >= 8) return above.length === 0 ? [] : [above];
  return [...inner].flatMap(([name, next]) => leavesOf(next, root, [...above, name]));
};

const within = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}/`);
const touch = (a: string, b: string): boolean => within(a, b) || within(b, a);

const checkPlace = (check: Check, at: string, pointer: string, severity: Finding['severity']): void => {
  const { kind, document } = check;
  if (kind === null || schemaAt(kind, segmentsOf(pointer) ?? []) !== undefined) return;
  const hint = hinted(nearest(pointer, leavesOf(kind, kind).map(pointerOf)));
  check.tell('mapping-pointer-unknown', at, { pointer, ...document.remote, hint }, severity);
};

const outward = (rule: FieldRule): boolean => rule.flow !== 'in' && rule.at !== undefined;

const checkField = (check: Check, name: string, rule: FieldRule): void => {
  const at = `/fields/${name}`;
  const schema = check.entity.fields.get(name);
  if (schema === undefined) {
    const hint = hinted(nearest(name, check.entity.fields.keys()));
    check.tell('mapping-field-unknown', at, { field: name, entity: check.entity.name, hint });
    return;
  }
  for (const pointer of placesOf(rule)) {
    checkPlace(check, `${at}/at`, pointer, 'error');
    const place = check.kind === null ? undefined : schemaAt(check.kind, segmentsOf(pointer) ?? []);
    if (outward(rule) && place?.['readOnly'] === true) {
      check.tell('mapping-read-only', `${at}/at`, { pointer, field: name });
    }
  }
  const tell: Tell = (code, below, params) => check.tell(code, at + below, params);
  if (checkSteps(name, rule, tell)) checkTypes(name, rule, schema, check.kind, tell);
  const uses = [...(rule.steps ?? [])].map((use) => partsOf(use).name);
  if (rule.otherwise !== undefined && !uses.includes('table')) {
    check.tell('mapping-otherwise', `${at}/otherwise`, { field: name });
  }
};

const checkSamePlace = (check: Check): void => {
  const { document } = check;
  const writers = Object.entries(document.fields)
    .filter(([, rule]) => outward(rule))
    .flatMap(([name, rule]) => placesOf(rule).map((pointer) => ({ name, pointer })));
  if (document.anchor !== undefined) writers.unshift({ name: 'anchor', pointer: document.anchor });
  writers.forEach(({ name, pointer }, index) => {
    const other = writers
      .slice(0, index)
      .find((former) => former.name !== name && touch(former.pointer, pointer));
    if (other !== undefined) {
      check.tell('mapping-same-place', `/fields/${name}/at`, { field: name, other: other.name, pointer });
    }
  });
};

const checkUnmapped = (check: Check): void => {
  const { document, kind } = check;
  if (document.anchor !== undefined) checkPlace(check, '/anchor', document.anchor, 'error');
  document.ignored.forEach((pointer, index) => checkPlace(check, `/ignored/${index}`, pointer, 'warning'));
  if (kind === null) return;
  const said = [
    ...Object.values(document.fields).flatMap(placesOf),
    ...document.ignored,
    document.anchor ?? [],
  ].flat();
  for (const leaf of leavesOf(kind, kind)) {
    const pointer = pointerOf(leaf);
    if (!said.some((one) => touch(one, pointer))) {
      check.tell('mapping-unmapped', '/fields', { pointer, ...document.remote }, 'warning');
    }
  }
};

/** Every value that either side may hold has an answer. */
const checkCoverage = (check: Check, name: string, rule: FieldRule): void => {
  const { kind, entity } = check;
  const schema = entity.fields.get(name);
  if (schema === undefined) return;
  const field = bindField(name, rule, { field: schema, entity: entity.schema, kind });
  const place = field.segments.length === 1 ? field.segments[0] : undefined;
  const at = `/fields/${name}/${rule.steps === undefined ? 'at' : 'steps'}`;
  const there = kind === null || place === undefined ? undefined : schemaAt(kind, place);
  if (field.inward && place !== undefined && there !== undefined) {
    for (const value of enumOf(there) ?? []) {
      const object: JsonObject = {};
      putAt(object, place, value);
      const side = `${check.document.remote.connector} (${field.pointers[0]})`;
      if (field.read(object) instanceof Misfit) {
        check.tell('mapping-uncovered', at, { field: name, value: shown(value), side });
      }
    }
  }
  if (!field.outward) return;
  for (const value of enumOf(schema) ?? []) {
    if (field.write(value, null) instanceof Misfit) {
      check.tell('mapping-uncovered', at, {
        field: name,
        value: shown(value),
        side: `entity ${entity.name}`,
      });
    }
  }
};

const checkExampleField = (
  check: Check,
  lens: Lens,
  at: string,
  field: string,
  wanted: Json,
  got: Json,
): void => {
  if (!sameValue(got, wanted)) {
    const detail = `reads as ${shown(got)}, and the example says ${shown(wanted)}`;
    check.tell('mapping-example-fails', at, { field, detail });
    return;
  }
  if (!lens.outward.has(field)) return;
  const problem = lens.write({ [field]: wanted }, null).problems[0];
  const back = lens.settle(field, wanted);
  if (problem !== undefined) {
    check.tell('mapping-example-fails', at, {
      field,
      detail: `cannot be written: ${problem.message.slice(0, -1)}`,
    });
  } else if (!sameValue(back, wanted)) {
    check.tell('mapping-round-trip', at, { field, wrote: shown(wanted), read: shown(back) });
  }
};

const checkExamples = (check: Check, lens: Lens): void => {
  const { document, entity } = check;
  const exercised = new Set<string>();
  document.examples.forEach((example, index) => {
    const { fields, problems } = lens.read(example.remote);
    for (const problem of problems.filter((one) => one.field === undefined)) {
      const detail = `makes the whole object park: ${problem.message.slice(0, -1)}`;
      check.tell('mapping-example-fails', `/examples/${index}/remote`, { field: problem.pointer, detail });
    }
    for (const [field, wanted] of Object.entries(example.entity)) {
      const at = `/examples/${index}/entity/${field}`;
      const problem = problems.find((one) => one.field === field);
      if (wanted !== null) exercised.add(field);
      if (!entity.fields.has(field)) {
        const hint = hinted(nearest(field, entity.fields.keys()));
        check.tell('mapping-field-unknown', at, { field, entity: entity.name, hint });
      } else if (problem !== undefined) {
        check.tell('mapping-example-fails', at, {
          field,
          detail: `does not read: ${problem.message.slice(0, -1)}`,
        });
      } else if (fields[field] === undefined) {
        check.tell('mapping-example-fails', at, { field, detail: 'is not read from that object' });
      } else checkExampleField(check, lens, at, field, wanted, fields[field]);
    }
  });
  if (document.examples.length === 0) {
    check.tell('mapping-no-examples', '', {}, 'warning');
    return;
  }
  for (const field of lens.inward) {
    if (!exercised.has(field)) check.tell('mapping-example-gap', `/fields/${field}`, { field }, 'warning');
  }
};

/**
 * Everything that can be known of a mapping without a remote: pointers against the kind's schema, fields
 * against the entity's, types along the steps, enums covered both ways, ways back, places written twice
 * or not at all, and the examples. Errors come in the order of the document's parts.
 */
export const check = (document: MappingDocument, against: Against): readonly Finding[] => {
  const found: Finding[] = [];
  const whole: Check = {
    ...against,
    document,
    found,
    tell: (code, pointer, params, severity = 'error') => {
      found.push(
        finding(code, severity, { file: document.file, pointer, line: document.lineOf(pointer) }, params),
      );
    },
  };
  if (document.entity !== against.entity.name) {
    whole.tell('mapping-entity', '/entity', { wanted: document.entity, found: against.entity.name });
    return found;
  }
  const rules = Object.entries(document.fields);
  for (const [name, rule] of rules) checkField(whole, name, rule);
  checkSamePlace(whole);
  checkUnmapped(whole);
  // What follows runs the mapping, so it must be one.
  if (found.some((one) => one.severity === 'error')) return found;
  for (const [name, rule] of rules) checkCoverage(whole, name, rule);
  checkExamples(whole, bind(document, against.entity.schema, against.kind));
  return found;
};
