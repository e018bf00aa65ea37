import type { Check } from './config-check.ts';
import { pointerOf } from './mapping/place.ts';
import type { StepPolicy, TransitionRule, TransitionRules } from './merge/transition.ts';

/** The guards of transitions, as the file gives them: by field. */
export type TransitionsSource = Readonly<
  Record<
    string,
    {
      readonly order?: readonly string[];
      readonly skip?: StepPolicy;
      readonly back?: StepPolicy | 'alarm';
      readonly evidence?: Readonly<Record<string, readonly string[]>>;
    }
  >
>;

/** What is not said of a field is not guarded: steps over values and against the order are taken. */
export const transitionRules = (source: TransitionsSource = {}): TransitionRules =>
  Object.fromEntries(
    Object.entries(source).map(([field, given]): [string, TransitionRule] => [
      field,
      { order: [], skip: 'take', back: 'take', evidence: {}, ...given },
    ]),
  );

/** Whether guards of transitions make sense: fields that are there, values that they may have, evidence that is another field. */
export const checkTransitions = (check: Check): void => {
  for (const [entity, { transitions = {} }] of Object.entries(check.source.entities ?? {})) {
    for (const [field, { order = [], evidence = {} }] of Object.entries(transitions)) {
      const at = ['entities', entity, 'transitions', field];
      if (!check.field(entity, field, at)) continue;
      const options = check.known.options?.get(entity)?.get(field);
      if (options === undefined && check.known.options?.has(entity) === true)
        check.tell('config-transition', pointerOf(at), { field, entity, detail: 'its values are not texts' });
      const where = ` of field ${field} in entity ${entity}`;
      const value = (name: string, place: readonly string[]): void => {
        if (options !== undefined && options.length > 0) check.name('value', name, options, place, where);
      };
      for (const [index, name] of order.entries()) value(name, [...at, 'order', String(index)]);
      for (const [name, needs] of Object.entries(evidence)) {
        value(name, [...at, 'evidence', name]);
        for (const need of needs) {
          const here = [...at, 'evidence', name];
          if (!check.field(entity, need, here) || need !== field) continue;
          check.tell('config-transition', pointerOf(here), {
            field,
            entity,
            detail: 'a field is no evidence of itself',
          });
        }
      }
    }
  }
};
