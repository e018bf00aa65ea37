import type { JsonObject, JsonSchema } from '../connector.ts';
import { bind } from './bind.ts';
import { checkSteps, checkTypes } from './chain.ts';
import type { Tell } from './chain.ts';
import { finding, placesOf } from './document.ts';
import type { Entity, FieldRule, Finding, MappingDocument } from './document.ts';
import { checkExamples } from './examples.ts';
import { computedFields } from './expressions.ts';
import { hinted } from './finding.ts';
import type { Against, Check } from './finding.ts';
import { checkLimits } from './limits.ts';
import { rowSchema } from './rows.ts';
import { checkRequired } from './required.ts';
import { checkIdle } from './idle.ts';
import { checkCoverage, checkOtherwise } from './coverage.ts';
import { nearest } from './nearest.ts';
import { pointerOf, segmentsOf, valueAt } from './place.ts';
import type { Segments } from './place.ts';
import { referenceOf } from './reference.ts';
import { checkRoutes } from './routing-check.ts';
import { propertiesOf, schemaAt, shown, validatorOf } from './schema.ts';

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
  checkLimits(check, name, rule, schema);
  checkReference(check, at, rule);
  if (rule.rows !== undefined) checkRows(check, name, rule, schema);
  checkOtherwise(check, name, rule, schema);
};

/** That the other entity is known, and has the field by which it is named. */
const checkReference = ({ entities, tell }: Check, at: string, { reference }: FieldRule): void => {
  if (reference === undefined || entities === undefined) return;
  for (const name of referenceOf(reference).to) {
    const other = entities.get(name);
    if (other === undefined) {
      const hint = hinted(nearest(name, entities.keys()));
      tell('mapping-reference', `${at}/reference/to`, { detail: `there is no entity ${name}${hint}` });
    } else if (reference.by !== 'id' && !other.fields.has(reference.by)) {
      const hint = hinted(nearest(reference.by, other.fields.keys()));
      tell('mapping-reference', `${at}/reference/by`, {
        detail: `entity ${name} has no field ${reference.by}${hint}`,
      });
    }
  }
};

/** Expressions run over a whole object before it is mapped: inside of a list nobody would compute them. */
const refuseComputed = (check: Check, above: string, fields: MappingDocument['fields']): void => {
  for (const field of computedFields({ fields })) {
    const detail = 'has an expression, which only a field of the object itself may have';
    check.tell('mapping-places', `${above}/fields/${field}/steps/0`, { field, detail });
  }
};

/** A document without what is said of its objects as a whole, for what is inside of them. */
const plainOf = (document: MappingDocument): MappingDocument => {
  const { anchor: _, when: __, parts: ___, routes: ____, ...plain } = document;
  return plain;
};

/** What is read must be told apart when it is read, and what is written there. */
const checkRowKey = (check: Check, field: string, { rows, flow = 'both' }: FieldRule): void => {
  const own = rows?.fields[rows.key]?.flow ?? 'both';
  if (rows === undefined || own === 'both' || own === flow) return;
  const detail = own === 'in' ? 'written' : 'read';
  check.tell('mapping-row-key', `/fields/${field}/rows/key`, { field, key: rows.key, detail });
};

/** The fields of a row, as those of an object of their own. */
const checkRows = (check: Check, name: string, rule: FieldRule, schema: JsonSchema): void => {
  const rows = rule.rows;
  const row = rowSchema(schema, check.entity.schema);
  if (rows === undefined || row === null) return;
  const { kind } = check;
  const list = kind === null ? undefined : schemaAt(kind, segmentsOf(placesOf(rule)[0] ?? '') ?? []);
  const above = `/fields/${name}/rows`;
  const entity: Entity = {
    ...check.entity,
    name: `${check.entity.name}/${name}`,
    schema: row,
    fields: propertiesOf(row, row),
  };
  const inside: Check = {
    ...check,
    entity,
    kind: kind === null ? null : rowSchema(list, kind),
    document: { ...plainOf(check.document), fields: rows.fields, ignored: rows.ignored ?? [] },
    tell: (code, pointer, params, severity) => check.tell(code, above + pointer, params, severity),
  };
  if (!Object.hasOwn(rows.fields, rows.key)) {
    const hint = hinted(nearest(rows.key, Object.keys(rows.fields)));
    check.tell('mapping-field-unknown', `${above}/key`, { field: rows.key, entity: entity.name, hint });
  }
  refuseComputed(check, above, rows.fields);
  checkRowKey(check, name, rule);
  for (const [inner, own] of Object.entries(rows.fields)) checkField(inside, inner, own);
  checkSamePlace(inside);
  checkUnmapped(inside);
  checkRequired(inside);
};

const checkWhen = (check: Check): void => {
  const { document, kind, tell } = check;
  if (document.when === undefined) return;
  checkPlace(check, '/when/at', document.when.at, 'error');
  const place = kind === null ? undefined : schemaAt(kind, segmentsOf(document.when.at) ?? []);
  if (place === undefined) return;
  const valid = validatorOf(place, kind ?? {});
  document.when.is.forEach((value, index) => {
    const wrong = value === null ? null : valid(value);
    if (wrong !== null)
      tell('mapping-when', `/when/is/${index}`, { detail: `${shown(value)} ${wrong.expected} there` });
  });
  document.examples.forEach(({ remote }, index) => {
    if (!bind(document, {}, null).applies(remote))
      tell('mapping-when', `/examples/${index}/remote`, { detail: 'the example is not what it is for' });
  });
};

/** Parts are mappings of their own over the rows of a list. */
const checkParts = (check: Check): void => {
  const { document, kind, entities } = check;
  for (const [name, part] of Object.entries(document.parts ?? {})) {
    const above = `/parts/${name}`;
    checkPlace(check, `${above}/at`, part.at, 'error');
    refuseComputed(check, above, part.fields);
    const entity = entities?.get(part.entity);
    if (entity === undefined) {
      const hint = entities === undefined ? '' : hinted(nearest(part.entity, entities.keys()));
      if (entities !== undefined)
        check.tell('mapping-reference', `${above}/entity`, {
          detail: `there is no entity ${part.entity}${hint}`,
        });
      continue;
    }
    const list = segmentsOf(part.at) ?? [];
    const there = kind === null ? null : rowSchema(schemaAt(kind, list), kind);
    const examples = document.examples.flatMap(({ remote, parts }) => {
      const rows = valueAt(remote, list);
      const told = parts?.[name] ?? [];
      return Array.isArray(rows)
        ? told.map((own, index) => ({ remote: rows[index] as JsonObject, entity: own }))
        : [];
    });
    const own: MappingDocument = {
      ...document,
      entity: part.entity,
      fields: part.fields,
      ignored: part.ignored ?? [],
      examples,
      lineOf: (pointer) => document.lineOf(pointer.startsWith('/examples') ? '/examples' : above + pointer),
    };
    const { anchor: _, when: __, parts: ___, routes: ____, ...plain } = own;
    for (const one of checkAll(plain, {
      entity,
      kind: there,
      ...(entities === undefined ? {} : { entities }),
    }))
      check.found.push({ ...one, pointer: above + one.pointer });
    if (there !== null && schemaAt(there, segmentsOf(part.key) ?? []) === undefined)
      check.tell('mapping-pointer-unknown', `${above}/key`, {
        pointer: part.key,
        ...document.remote,
        hint: '',
      });
  }
};

const checkSamePlace = (check: Check): void => {
  const { document } = check;
  const writers = Object.entries(document.fields)
    .filter(([, rule]) => outward(rule))
    .flatMap(([name, rule]) => placesOf(rule).map((pointer) => ({ name, pointer })));
  if (document.anchor !== undefined) writers.unshift({ name: 'anchor', pointer: document.anchor });
  for (const [name, part] of Object.entries(document.parts ?? {}))
    if (Object.values(part.fields).some(outward)) writers.unshift({ name, pointer: part.at });
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
    document.when?.at ?? [],
    ...Object.values(document.parts ?? {}).map((part) => part.at),
  ].flat();
  for (const leaf of leavesOf(kind, kind)) {
    const pointer = pointerOf(leaf);
    if (!said.some((one) => touch(one, pointer))) {
      check.tell('mapping-unmapped', '/fields', { pointer, ...document.remote }, 'warning');
    }
  }
};

/**
 * Everything that can be known of a mapping without a remote: pointers against the kind's schema, fields
 * against the entity's, types along the steps, enums covered both ways, ways back, places written twice
 * or not at all, and the examples. Errors come in the order of the document's parts.
 */
export const check = (document: MappingDocument, against: Against): readonly Finding[] => {
  const found = checkAll(document, against);
  if (against.kind !== null) return found;
  const { connector, kind } = document.remote;
  const hint = hinted(nearest(`${connector}/${kind}`, against.kinds ?? []));
  const at = { file: document.file, pointer: '/remote', line: document.lineOf('/remote') };
  return [finding('mapping-kind-unknown', 'warning', at, { connector, kind, hint }), ...found];
};

const checkAll = (document: MappingDocument, against: Against): readonly Finding[] => {
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
  checkRequired(whole);
  checkWhen(whole);
  checkParts(whole);
  checkRoutes(whole);
  // What follows runs the mapping, so it must be one.
  if (found.some((one) => one.severity === 'error')) return found;
  for (const [name, rule] of rules) checkCoverage(whole, name, rule);
  checkExamples(whole, bind(document, against.entity.schema, against.kind));
  for (const [name, rule] of rules) checkIdle(whole, name, rule);
  return found;
};
