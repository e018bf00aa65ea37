import type { JsonObject, JsonSchema } from '../connector.ts';
import { partKind } from './bind.ts';
import { partsOf, placesOf } from './document.ts';
import type { Entity, FieldRule, MappingDocument } from './document.ts';
import { segmentsOf } from './place.ts';
import { referenceOf } from './reference.ts';
import { rowSchema } from './rows.ts';
import { propertiesOf, schemaAt, typesOf } from './schema.ts';

/**
 * The declared lineage of a mapping, column by column, as OpenLineage job events (spec 2-0-2, facets 1-2-0): one for
 * reading, one for writing. https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet
 *
 * The spec nests fields in schemas and names columns by one text, so that a column of a row is `lines[*].quantity` here
 * and `/lines[*]/qty` there. A part is a dataset of its own. What a reference names joins that entity.
 */

const SPEC = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent';
const COLUMNS = 'https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json';
const SCHEMA = 'https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json';
/** Names this program, not an address. */
const PRODUCER = 'https://crosswalk.invalid/mapping';
const ENTITIES = 'crosswalk://entities';

interface Dataset {
  readonly namespace: string;
  readonly name: string;
}

/** A column of one side, and those of the other that it is made of. */
interface Column {
  /** Within what holds it; `path` is from the dataset. */
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly from: readonly string[];
  readonly source: Dataset;
  readonly rule: FieldRule;
  readonly inner: readonly Column[];
}

/** Fields that are told together: those of an object, of a row, or of a part. */
interface Side {
  readonly rules: Readonly<Record<string, FieldRule>>;
  readonly entity: JsonSchema;
  readonly kind: JsonSchema | null;
  /** What stands before the names of its fields, and before its places. */
  readonly here: string;
  readonly there: string;
}

const facet = (url: string, own: JsonObject): JsonObject => ({
  _producer: PRODUCER,
  _schemaURL: url,
  ...own,
});

const indirect = (subtype: 'FILTER' | 'JOIN', description: string): JsonObject => ({
  type: 'INDIRECT',
  subtype,
  description,
  masking: false,
});

/** What a rule does to a value, in OpenLineage's words. */
const transformation = ({ steps = [], rows }: FieldRule): JsonObject => {
  const names = steps.map((use) => partsOf(use).name);
  const said = [
    ...steps.map((use) => JSON.stringify(use)),
    ...(rows === undefined ? [] : [`row by row, told apart by ${rows.key}`]),
  ];
  return {
    type: 'DIRECT',
    subtype: said.length === 0 ? 'IDENTITY' : 'TRANSFORMATION',
    description: said.length === 0 ? 'as it is' : said.join(' · '),
    masking: names.includes('hash-key'),
  };
};

/** The other entities that a rule names, each with the field by which it does. */
const joinsOf = ({ reference }: FieldRule): readonly (Dataset & { readonly field: string })[] => {
  if (reference === undefined) return [];
  const { to, by } = referenceOf(reference);
  return to.map((name) => ({ namespace: ENTITIES, name, field: by }));
};

const inputsOf = ({ from, source, rule }: Column): readonly JsonObject[] => [
  ...from.map((field) => ({ ...source, field, transformations: [transformation(rule)] })),
  ...joinsOf(rule).map(({ namespace, name, field }) => ({
    namespace,
    name,
    field,
    transformations: [indirect('JOIN', `names the ${name} by ${field}`)],
  })),
];

const allOf = (columns: readonly Column[]): readonly Column[] =>
  columns.flatMap((column) => [column, ...allOf(column.inner)]);

const schemaFields = (columns: readonly Column[]): readonly JsonObject[] =>
  columns.map(({ name, type, inner }) => ({
    name,
    type,
    ...(inner.length === 0 ? {} : { fields: [...schemaFields(inner)] }),
  }));

const output = (
  target: Dataset,
  columns: readonly Column[],
  filter: readonly (Dataset & { readonly field: string })[],
): JsonObject => ({
  ...target,
  facets: {
    schema: facet(SCHEMA, { fields: [...schemaFields(columns)] }),
    columnLineage: facet(COLUMNS, {
      fields: Object.fromEntries(
        allOf(columns).map((column) => [column.path, { inputFields: [...inputsOf(column)] }]),
      ),
      // Which objects there are at all hangs on these places.
      dataset: filter.map(({ namespace, name, field }) => ({
        namespace,
        name,
        field,
        transformations: [indirect('FILTER', 'when')],
      })),
    }),
  },
});

const typeOf = (schema: JsonSchema | undefined): string =>
  schema === undefined ? 'unknown' : typesOf(schema).join(' | ');

/** The rows of a field as a side of their own. */
const rowsSide = ({ entity, kind, here, there }: Side, name: string, rule: FieldRule): Side | null => {
  const [at = ''] = placesOf(rule);
  if (rule.rows === undefined) return null;
  return {
    rules: rule.rows.fields,
    entity: rowSchema(propertiesOf(entity, entity).get(name), entity) ?? {},
    kind: kind === null ? null : rowSchema(schemaAt(kind, segmentsOf(at) ?? []), kind),
    here: `${here}${name}[*].`,
    there: `${there}${at}[*]`,
  };
};

/** What is read: the entity's columns. */
const readColumns = (side: Side, source: Dataset): readonly Column[] =>
  Object.entries(side.rules)
    .filter(([, rule]) => rule.flow !== 'out')
    .map(([name, rule]): Column => {
      const rows = rowsSide(side, name, rule);
      return {
        name,
        path: side.here + name,
        type: typeOf(propertiesOf(side.entity, side.entity).get(name)),
        from: placesOf(rule).map((pointer) => side.there + pointer),
        source,
        rule,
        inner: rows === null ? [] : readColumns(rows, source),
      };
    });

/** What is written: the remote's columns. */
const writtenColumns = (side: Side, source: Dataset): readonly Column[] =>
  Object.entries(side.rules)
    .filter(([, rule]) => rule.flow !== 'in')
    .flatMap(([name, rule]) =>
      placesOf(rule).map((pointer): Column => {
        const rows = rowsSide(side, name, rule);
        const place = side.kind === null ? undefined : schemaAt(side.kind, segmentsOf(pointer) ?? []);
        return {
          name: pointer,
          path: side.there + pointer,
          type: typeOf(place),
          from: [side.here + name],
          source,
          rule,
          inner: rows === null ? [] : writtenColumns(rows, source),
        };
      }),
    );

/** The columns of a part stand in the remote within its list. */
const listed = (path: string, source: Dataset, inner: readonly Column[]): readonly Column[] =>
  path === '' || inner.length === 0
    ? inner
    : [{ name: path, path, type: 'array', from: [], source, rule: {}, inner }];

/** A dataset once, with the columns that several parts give it. */
const together = (
  some: readonly { readonly target: Dataset; readonly columns: readonly Column[] }[],
): readonly { readonly target: Dataset; readonly columns: readonly Column[] }[] => {
  const found = new Map<string, { readonly target: Dataset; readonly columns: Column[] }>();
  for (const { target, columns } of some) {
    const known = found.get(target.name);
    if (known === undefined) found.set(target.name, { target, columns: [...columns] });
    else known.columns.push(...columns);
  }
  return [...found.values()].filter(({ columns }) => columns.length > 0);
};

const named = (datasets: readonly Dataset[]): JsonObject[] => [
  ...new Map(
    datasets.map(({ namespace, name }) => [`${namespace} ${name}`, { namespace, name }] as const),
  ).values(),
];

/**
 * The events of a mapping, reading first; a direction in which no field goes has none. `entities` are those of its
 * parts; `now` is UTC ms.
 */
export const lineageEvents = (
  document: MappingDocument,
  entity: Entity,
  kind: JsonSchema | null,
  now: number,
  entities: ReadonlyMap<string, Entity> = new Map(),
): readonly JsonObject[] => {
  const there: Dataset = {
    namespace: `crosswalk://${document.remote.connector}`,
    name: document.remote.kind,
  };
  const here = (name: string): Dataset => ({ namespace: ENTITIES, name });
  const sides = [
    {
      of: here(document.entity),
      list: '',
      side: { rules: document.fields, entity: entity.schema, kind, here: '', there: '' },
    },
    ...Object.values(document.parts ?? {}).map((part) => ({
      of: here(part.entity),
      list: part.at,
      side: {
        rules: part.fields,
        entity: entities.get(part.entity)?.schema ?? {},
        kind: partKind(part, kind),
        here: '',
        there: `${part.at}[*]`,
      },
    })),
  ];
  const event = (
    way: 'read' | 'write',
    inputs: readonly Dataset[],
    made: readonly { readonly target: Dataset; readonly columns: readonly Column[] }[],
  ): JsonObject[] => {
    if (made.length === 0) return [];
    const joined = made.flatMap(({ columns }) => allOf(columns).flatMap(({ rule }) => joinsOf(rule)));
    const filter =
      way === 'read' && document.when !== undefined ? [{ ...there, field: document.when.at }] : [];
    return [
      {
        eventTime: new Date(now).toISOString(),
        producer: PRODUCER,
        schemaURL: SPEC,
        job: { namespace: 'crosswalk', name: `${document.name}.${way}` },
        inputs: named([...inputs, ...joined]),
        outputs: made.map(({ target, columns }) => output(target, columns, filter)),
      },
    ];
  };
  const read = together(sides.map(({ of, side }) => ({ target: of, columns: readColumns(side, there) })));
  const written = sides.map(({ of, list, side }) => ({
    of,
    columns: listed(list, of, writtenColumns(side, of)),
  }));
  const sources = written.filter(({ columns }) => columns.length > 0).map(({ of }) => of);
  return [
    ...event('read', [there], read),
    ...event('write', sources, together(written.map(({ columns }) => ({ target: there, columns })))),
  ];
};
