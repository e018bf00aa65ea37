import type { Json } from '../connector.ts';
import { partsOf } from './document.ts';
import type { FieldRule, StepUse } from './document.ts';
import { bindField } from './field.ts';
import type { Check } from './finding.ts';
import { isObject, sameValue } from './place.ts';
import { shown } from './schema.ts';
import { Misfit } from './step.ts';

/** Steps and table rows that no example needs: were one of them lost, nobody would notice. */

interface Variant {
  /** Below the field's rule. */
  readonly pointer: string;
  readonly what: string;
  readonly rule: FieldRule;
}

const withSteps = (rule: FieldRule, steps: readonly StepUse[]): FieldRule => ({ ...rule, steps });

/** The rule with one step, or one row of a table, taken out. */
const variantsOf = (rule: FieldRule): Variant[] => {
  const steps = rule.steps ?? [];
  return steps.flatMap((use, index): Variant[] => {
    const { name, arg } = partsOf(use);
    const pointer = `/steps/${index}`;
    if (name === 'expression') return [];
    if (name !== 'table' || !isObject(arg))
      return [{ pointer, what: `step ${name}`, rule: withSteps(rule, steps.toSpliced(index, 1)) }];
    return Object.keys(arg).map((row) => {
      const { [row]: _, ...rest } = arg;
      return {
        pointer,
        what: `row ${shown(row)} of the table`,
        rule: withSteps(rule, steps.toSpliced(index, 1, { table: rest })),
      };
    });
  });
};

/** Tells what the examples do not need. */
export const checkIdle = (check: Check, name: string, rule: FieldRule): void => {
  const { kind, entity, document } = check;
  const field = entity.fields.get(name);
  if (rule.flow === 'out' || field === undefined || rule.at === undefined) return;
  const readings = (own: FieldRule): readonly (Json | undefined | Misfit)[] => {
    const bound = bindField(name, own, { field, entity: entity.schema, kind, mapping: document.name });
    return document.examples.map(({ remote }, index) => bound.read(check.prepared?.[index] ?? remote));
  };
  const whole = readings(rule);
  for (const { pointer, what, rule: without } of variantsOf(rule)) {
    const differs = readings(without).some((value, index) => {
      const was = whole[index];
      if (value instanceof Misfit || was instanceof Misfit)
        return !(value instanceof Misfit && was instanceof Misfit);
      return !sameValue(value ?? null, was ?? null);
    });
    if (!differs)
      check.tell('mapping-example-idle', `/fields/${name}${pointer}`, { field: name, what }, 'warning');
  }
};
