import type { Json, JsonSchema } from '../connector.ts';
import type { ReferenceRule } from './document.ts';
import { isObject } from './place.ts';
import { shown, typesOf } from './schema.ts';
import { Misfit, wrongType } from './step.ts';
import type { BoundStep, Outcome } from './step.ts';

/** References: fields that name another record. */

/** What the engine must know of a field that is a reference. */
export interface Reference {
  readonly to: readonly string[];
  readonly by: string;
}

export const referenceOf = ({ to, by }: ReferenceRule): Reference => ({
  to: typeof to === 'string' ? [to] : [...new Set(Object.values(to))],
  by,
});

const keyOf = (value: Json): Outcome => {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'string') return wrongType(value, ['string', 'integer']);
  return value.trim();
};

/** A key as the place holds it: digits as a number where the place holds numbers. */
const placed = (key: string, numbers: boolean): Outcome => {
  if (!numbers) return key;
  return /^(?:0|[1-9]\d{0,15})$/u.test(key) && Number.isSafeInteger(Number(key))
    ? Number(key)
    : new Misfit('reference', 'is no number, and the place holds ids that are numbers', key);
};

const simple = (numbers: boolean): BoundStep => ({
  forward: keyOf,
  backward: (value) => (typeof value === 'string' ? placed(value, numbers) : wrongType(value, ['string'])),
});

const polymorphic = (kinds: Readonly<Record<string, string>>, numbers: boolean): BoundStep => {
  const back = new Map(Object.entries(kinds).map(([kind, entity]) => [entity, kind]));
  return {
    forward: (value) => {
      const [id = null, kind = null] = Array.isArray(value) ? value : [];
      if (id === null) return null;
      const entity = typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
      if (entity === undefined)
        return new Misfit(
          'not-covered',
          `is none of the kinds ${Object.keys(kinds).map(shown).join(', ')}`,
          kind,
        );
      const key = keyOf(id);
      return typeof key === 'string' && key !== '' ? `${entity}/${key}` : key;
    },
    backward: (value) => {
      if (typeof value !== 'string') return wrongType(value, ['string']);
      const at = value.indexOf('/');
      const kind = back.get(value.slice(0, at));
      if (at < 1 || kind === undefined)
        return new Misfit('reference', `names none of the entities ${[...back.keys()].join(', ')}`, value);
      const key = placed(value.slice(at + 1), numbers);
      return key instanceof Misfit ? key : [key, kind];
    },
  };
};

/** The last step of a field that is a reference. `place` is the schema of the place that holds the key. */
export const referenceStep = ({ to }: ReferenceRule, place: JsonSchema | undefined): BoundStep => {
  const types = place === undefined ? [] : typesOf(place);
  const numbers = types.length > 0 && !types.includes('string') && types.some((type) => type !== 'array');
  return isObject(to) ? polymorphic(to as Record<string, string>, numbers) : simple(numbers);
};
