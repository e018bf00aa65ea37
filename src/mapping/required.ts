import type { JsonSchema } from '../connector.ts';
import { placesOf } from './document.ts';
import type { Check } from './finding.ts';
import { member, pointerOf } from './place.ts';
import type { Segments } from './place.ts';
import { propertiesOf } from './schema.ts';

/** What either side requires of an object that is new to it. */

const requiredIn = (schema: JsonSchema): readonly string[] => {
  const said = member(schema, 'required');
  return Array.isArray(said) ? said.map(String) : [];
};

/** The places that a kind cannot do without, innermost where an object is required whose own members are. */
const requiredPlaces = (schema: JsonSchema, root: JsonSchema, above: Segments = []): readonly Segments[] => {
  const inner = propertiesOf(schema, root);
  const named = new Set([...requiredIn(schema), ...(above.length === 0 ? requiredIn(root) : [])]);
  return [...named].flatMap((name): readonly Segments[] => {
    const next = inner.get(name);
    // The remote fills these by itself.
    if (next === undefined || next['readOnly'] === true || next['default'] !== undefined) return [];
    const below = above.length < 8 ? requiredPlaces(next, root, [...above, name]) : [];
    return below.length > 0 ? below : [[...above, name]];
  });
};

const touch = (a: string, b: string): boolean => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);

/** Tells what is required on one side and filled by no field: an object that lacks it cannot be made there. */
export const checkRequired = (check: Check): void => {
  const { document, kind, entity, tell } = check;
  const rules = Object.entries(document.fields);
  const { connector, kind: name } = document.remote;
  const written = rules.filter(([, rule]) => rule.flow !== 'in').flatMap(([, rule]) => placesOf(rule));
  if (kind !== null && written.length > 0)
    for (const place of requiredPlaces(kind, kind)) {
      const pointer = pointerOf(place);
      const filled = document.anchor === undefined ? written : [...written, document.anchor];
      if (filled.some((one) => touch(one, pointer))) continue;
      const params = { who: connector, what: `${pointer} in a ${name}`, does: 'writes' };
      tell('mapping-required', '/fields', params, 'warning');
    }
  const given = new Set([
    ...rules.filter(([, rule]) => rule.flow !== 'out').map(([field]) => field),
    ...Object.keys(document.routes ?? {}),
  ]);
  if (given.size === 0) return;
  for (const field of requiredIn(entity.schema).filter((one) => !given.has(one)))
    tell(
      'mapping-required',
      '/fields',
      { who: `Entity ${entity.name}`, what: field, does: 'gives' },
      'warning',
    );
};
