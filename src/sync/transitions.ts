import type { Json } from '../connector.ts';
import type { Merged } from '../merge/merge.ts';
import { nestAt, same } from '../merge/record.ts';
import type { TransitionRules } from '../merge/transition.ts';
import type { Row } from '../store/schema.ts';
import type { LookInput } from './look.ts';

interface Step {
  readonly value: Json;
  readonly at: number;
  readonly by: string;
  readonly how: string;
}

/**
 * The transitions of one look: for each field with history whose value came from this remote, every step
 * that its hooks named, in order of time, and a last one `between looks` if the state went further than
 * they said. A step that changes nothing (a hook that came twice, our own write's echo) is none.
 */
export const transitionsOf = (input: LookInput, merged: Merged, now: number): Row[] => {
  const { sync, record, history = [] } = input;
  return [...sync.lens.history].flatMap((field) => {
    const took = merged.entries.find((entry) => entry.field === field && entry.verdict === 'took');
    if (took === undefined) return [];
    const final = took.after ?? null;
    const known = record.fields[field]?.at.to ?? 0;
    const steps = stepsOf(input, field, history).filter(
      (step) => step.at > input.link.lookedFrom || known === 0,
    );
    const last = steps.at(-1);
    if (last === undefined || !same(last.value, final)) {
      steps.push({
        value: final,
        at: took.at?.to ?? now,
        by: '',
        how: input.event === 'created' ? 'first seen' : 'between looks',
      });
    }
    let before: Json = record.fields[field]?.value ?? null;
    return steps.flatMap((step) => {
      if (same(step.value, before)) return [];
      const row = {
        record: record.id,
        entity: record.entity,
        field,
        before,
        after: step.value,
        at: step.at,
        by: step.by,
        how: step.how,
      };
      before = step.value;
      return [row];
    });
  });
};

/** By guarded field: the values that the remote's hooks have named since the last look, in order of time. */
export const stepsSeen = (
  input: LookInput,
  transitions: TransitionRules | undefined,
): ReadonlyMap<string, readonly Json[]> => {
  const { link, history = [] } = input;
  if (transitions === undefined || history.length === 0) return new Map();
  return new Map(
    Object.keys(transitions).map((field) => [
      field,
      stepsOf(input, field, history)
        .filter((step) => step.at > link.lookedFrom)
        .map(({ value }) => value),
    ]),
  );
};

const stepsOf = ({ sync }: LookInput, field: string, history: LookInput['history'] = []): Step[] => {
  const pointers = new Set(sync.lens.pointers(field));
  const events = new Set<string>();
  return history
    .filter((entry) => pointers.has(entry.pointer))
    .sort((a, b) => a.at - b.at)
    .flatMap((entry) => {
      if (events.has(entry.event)) return [];
      events.add(entry.event);
      const value = sync.lens.read(nestAt(entry.pointer, entry.value)).fields[field];
      return value === undefined ? [] : [{ value, at: entry.at, by: entry.by ?? '', how: 'hook' }];
    });
};
