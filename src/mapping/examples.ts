import type { Json } from '../connector.ts';
import { hinted } from './finding.ts';
import type { Check } from './finding.ts';
import { computedFields } from './expressions.ts';
import type { Fields, Lens } from './lens.ts';
import { nearest } from './nearest.ts';
import { pointerOf, sameValue } from './place.ts';
import { checkIdleRows, routedExample } from './routing-check.ts';
import { faultWords, schemaChecker, shown } from './schema.ts';

/** The examples of a mapping: that they hold, go round, and would tell if the mapping were another. */

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

/** Keywords that say what an object is; others, such as lengths, an example may pass by to show what becomes of that. */
const SHAPE: ReadonlySet<string> = new Set(['type', 'additionalProperties']);

/** Tells what an example holds that the kind does not: a misspelt place would show nothing. */
const tellStrange = (check: Check): void => {
  const { document, kind, tell } = check;
  if (kind === null) return;
  const fits = schemaChecker(kind, true);
  document.examples.forEach(({ remote }, index) => {
    if (fits(remote)) return;
    for (const error of fits.errors?.filter((one) => SHAPE.has(one.keyword)) ?? []) {
      const extra = error.params['additionalProperty'] as string | undefined;
      const pointer = error.instancePath + pointerOf(extra === undefined ? [] : [extra]);
      const detail = `${error.instancePath === '' ? 'it' : error.instancePath} ${faultWords(error)}`;
      tell(
        'mapping-example-strange',
        `/examples/${index}/remote${pointer}`,
        { ...document.remote, detail },
        'warning',
      );
    }
  });
};

/** Runs the examples, there and back. */
export const checkExamples = (check: Check, lens: Lens): void => {
  const { document, entity } = check;
  const exercised = new Map<string, Json[]>();
  const computed = new Set(check.prepared === undefined ? computedFields(document) : []);
  const seen: Fields[] = [];
  const reading: Fields[] = [];
  document.examples.forEach((example, index) => {
    const { fields: read, problems } = lens.read(check.prepared?.[index] ?? example.remote);
    reading.push(read);
    const fields = routedExample(lens, example, read, document.routes ?? {});
    seen.push({ ...fields, ...(computed.size === 0 ? {} : example.entity) });
    for (const problem of problems.filter((one) => one.field === undefined)) {
      const detail = `makes the whole object park: ${problem.message.slice(0, -1)}`;
      check.tell('mapping-example-fails', `/examples/${index}/remote`, { field: problem.pointer, detail });
    }
    for (const [field, wanted] of Object.entries(example.entity)) {
      const at = `/examples/${index}/entity/${field}`;
      const problem = problems.find((one) => one.field === field);
      if (wanted !== null) exercised.set(field, [...(exercised.get(field) ?? []), wanted]);
      if (!entity.fields.has(field)) {
        const hint = hinted(nearest(field, entity.fields.keys()));
        check.tell('mapping-field-unknown', at, { field, entity: entity.name, hint });
      } else if (computed.has(field)) {
        // Nobody has computed it here.
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
    check.tell('mapping-no-examples', '', {});
    return;
  }
  tellStrange(check);
  const given = new Set([...lens.inward, ...(lens.router?.fields ?? [])]);
  for (const field of given) {
    if (!exercised.has(field)) check.tell('mapping-example-gap', `/fields/${field}`, { field });
  }
  tellAlike(
    check,
    [...given].filter((field) => exercised.has(field)),
    seen,
  );
  checkIdleRows(check, lens, reading);
};

/** Fields that no example tells apart: were one mapped where the other belongs, nobody would notice. */
const tellAlike = (check: Check, fields: readonly string[], seen: readonly Fields[]): void => {
  fields.forEach((field, index) => {
    const other = fields
      .slice(0, index)
      .find((former) => seen.every((one) => sameValue(one[former] ?? null, one[field] ?? null)));
    if (other !== undefined) check.tell('mapping-example-alike', `/fields/${field}`, { field, other });
  });
};
