import type { Json, JsonObject } from '../../src/connector.ts';

/** Single deliberate faults in a mapping's document or in the schemas on its two sides. */
export interface Mutant {
  readonly sort: string;
  readonly what: string;
  readonly document: JsonObject;
  readonly entity: JsonObject;
  readonly kind: JsonObject;
}

interface Sides {
  readonly document: JsonObject;
  readonly entity: JsonObject;
  readonly kind: JsonObject;
}

type Change = (sides: { document: JsonObject; entity: JsonObject; kind: JsonObject }) => void;

const at = (value: Json | undefined, path: readonly (string | number)[]): Json | undefined =>
  path.reduce<Json | undefined>((here, name) => (here as Record<string, Json> | undefined)?.[name], value);

const fieldsOf = (document: JsonObject): [string, JsonObject][] =>
  Object.entries(document['fields'] as JsonObject) as [string, JsonObject][];

const ruleOf = (document: JsonObject, name: string): JsonObject =>
  at(document, ['fields', name]) as JsonObject;

const stepsOf = (rule: JsonObject): Json[] => (rule['steps'] ?? []) as Json[];

const placesOf = (rule: JsonObject): string[] => [rule['at'] ?? []].flat() as string[];

/** Another type than the schema's, so that nothing of it fits any more. */
const otherType = (schema: JsonObject): void => {
  const types = [schema['type']].flat();
  schema['type'] =
    types.includes('string') || types.includes('integer') || types.includes('number') ? 'boolean' : 'string';
  delete schema['enum'];
};

const schemaOf = (kind: JsonObject, pointer: string): JsonObject | undefined =>
  pointer
    .slice(1)
    .split('/')
    .reduce<JsonObject | undefined>(
      (here, name) => at(here, ['properties', name]) as JsonObject | undefined,
      kind,
    );

type Named = readonly [sort: string, what: string, change: Change];

const onField = (name: string, rule: JsonObject, names: readonly string[]): Named[] => {
  const all: Named[] = [];
  const add = (sort: string, what: string, change: (own: JsonObject, sides: Sides) => void): void =>
    void all.push([sort, `${name}: ${what}`, (sides) => change(ruleOf(sides.document, name), sides)]);
  stepsOf(rule).forEach((step, index) => {
    const table = at(step, ['table']) as JsonObject | undefined;
    for (const row of Object.keys(table ?? {})) {
      add('drop an enum row', row, (own) => delete (at(own, ['steps', index, 'table']) as JsonObject)[row]);
      const next = Object.keys(table ?? {}).find((other) => table?.[other] !== table?.[row]);
      if (next !== undefined)
        add('change an enum row', `${row} to what ${next} is`, (own) => {
          (at(own, ['steps', index, 'table']) as JsonObject)[row] = table?.[next] ?? null;
        });
    }
    const most = at(step, ['truncate']);
    if (typeof most === 'number')
      add('widen a length', `truncate ${most}`, (own) => {
        (at(own, ['steps', index]) as JsonObject)['truncate'] = most * 2;
      });
    add('drop a step', JSON.stringify(step), (own) => void stepsOf(own).splice(index, 1));
  });
  for (const other of names.slice(names.indexOf(name) + 1))
    add('swap two fields', `its place with that of ${other}`, (own, { document }) => {
      const theirs = ruleOf(document, other);
      [own['at'], theirs['at']] = [theirs['at'] ?? null, own['at'] ?? null];
    });
  placesOf(rule).forEach((place, index) => {
    const cut = (own: JsonObject, to: string): void => {
      if (Array.isArray(own['at'])) own['at'][index] = to;
      else own['at'] = to;
    };
    add('cut a pointer', place, (own) => cut(own, place.slice(0, -1)));
    const above = place.slice(0, place.lastIndexOf('/'));
    if (above !== '') add('cut a pointer', `${place} to ${above}`, (own) => cut(own, above));
    add('change a type', `${place} there`, (_, { kind }) => otherType(schemaOf(kind, place) ?? {}));
  });
  add('change a type', 'here', (_, { entity }) => otherType(at(entity, ['properties', name]) as JsonObject));
  add('remove a field', 'the rule', (_, { document }) => delete (document['fields'] as JsonObject)[name]);
  add(
    'remove a field',
    'from the entity',
    (_, { entity }) => delete (entity['properties'] as JsonObject)[name],
  );
  if (rule['required'] === true) add('remove required', 'the mark', (own) => delete own['required']);
  const lossy = stepsOf(rule).some((step) =>
    /html-text|expression|join|hash-key|utm|pick|sum/u.test(JSON.stringify(step)),
  );
  if (rule['flow'] === 'in' && lossy) add('reverse a lossy step', 'flow both', (own) => delete own['flow']);
  return all;
};

interface RouteRow extends JsonObject {
  name: string;
  if: JsonObject;
  to: Json[];
}

/** Faults in a routing table. */
const onRoute = (field: string, route: JsonObject): Named[] => {
  const all: Named[] = [];
  const rows = route['table'] as RouteRow[];
  const add = (sort: string, what: string, change: (own: JsonObject, rows: RouteRow[]) => void): void =>
    void all.push([
      sort,
      `route ${field}: ${what}`,
      ({ document }) => {
        const own = at(document, ['routes', field]) as JsonObject;
        change(own, own['table'] as RouteRow[]);
      },
    ]);
  rows.forEach((row, index) => {
    add('drop a route row', row.name, (_, own) => void own.splice(index, 1));
    if (index > 0)
      add('swap two targets', `of ${row.name} and the row before`, (_, own) => {
        const [a, b] = [own[index - 1], own[index]];
        if (a !== undefined && b !== undefined) [a.to, b.to] = [b.to, a.to];
      });
    for (const [asked, test] of Object.entries(row.if)) {
      add('drop a condition', `${asked} of ${row.name}`, (_, own) => delete own[index]?.if[asked]);
      add('misspell a condition', `${asked} of ${row.name}`, (_, own) => {
        const conditions = own[index]?.if ?? {};
        conditions[`${asked}x`] = conditions[asked] ?? null;
        delete conditions[asked];
      });
      if (Array.isArray(test))
        test.forEach((value, place) =>
          add('drop a value of a condition', `${String(value)} of ${row.name}`, (_, own) => {
            const values = own[index]?.if[asked];
            if (Array.isArray(values)) values.splice(place, 1);
          }),
        );
    }
    row.to.forEach((target, place) => {
      add(
        'drop a target',
        `${JSON.stringify(target)} of ${row.name}`,
        (_, own) => void own[index]?.to.splice(place, 1),
      );
    });
  });
  add('remove the fallback', 'otherwise', (own) => delete own['otherwise']);
  if (route['spread'] !== undefined) add('remove the spread', 'spread', (own) => delete own['spread']);
  if (route['among'] !== undefined)
    add('misname the directory', 'among.by', (own) => {
      (own['among'] as JsonObject)['by'] = 'nickname';
    });
  return all;
};

export const mutantsOf = (sides: Sides): Mutant[] => {
  const names = fieldsOf(sides.document).map(([name]) => name);
  const routes = Object.entries((sides.document['routes'] ?? {}) as Record<string, JsonObject>);
  return [
    ...fieldsOf(sides.document).flatMap(([name, rule]) => onField(name, rule, names)),
    ...routes.flatMap(([field, route]) => onRoute(field, route)),
  ].map(([sort, what, change]) => {
    const copy = structuredClone(sides);
    change(copy);
    return { sort, what, ...copy };
  });
};
