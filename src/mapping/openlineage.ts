import type { JsonObject, JsonSchema } from '../connector.ts';
import type { Entity, FieldRule, MappingDocument } from './document.ts';
import { partsOf, placesOf } from './document.ts';
import { segmentsOf } from './place.ts';
import { schemaAt, typesOf } from './schema.ts';

/**
 * The declared lineage of a mapping, column by column, as OpenLineage job events (spec 2-0-2, facets 1-2-0): one for
 * reading, one for writing. https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet
 */

const SPEC = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent';
const COLUMNS = 'https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json';
const SCHEMA = 'https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json';
/** Names this program, not an address. */
const PRODUCER = 'https://crosswalk.invalid/mapping';

interface Dataset {
  readonly namespace: string;
  readonly name: string;
}

/** A column of one side, and those of the other that it is made of. */
interface Column {
  readonly name: string;
  readonly type: string;
  readonly from: readonly string[];
  readonly rule: FieldRule;
}

const facet = (url: string, own: JsonObject): JsonObject => ({
  _producer: PRODUCER,
  _schemaURL: url,
  ...own,
});

/** What a rule does to a value, in OpenLineage's words. */
const transformation = ({ steps = [] }: FieldRule): JsonObject => {
  const names = steps.map((use) => partsOf(use).name);
  return {
    type: 'DIRECT',
    subtype: names.length === 0 ? 'IDENTITY' : 'TRANSFORMATION',
    description: names.length === 0 ? 'as it is' : steps.map((use) => JSON.stringify(use)).join(' · '),
    masking: names.includes('hash-key'),
  };
};

const output = (
  target: Dataset,
  source: Dataset,
  columns: readonly Column[],
  filter: readonly string[],
): JsonObject => ({
  ...target,
  facets: {
    schema: facet(SCHEMA, { fields: columns.map(({ name, type }) => ({ name, type })) }),
    columnLineage: facet(COLUMNS, {
      fields: Object.fromEntries(
        columns.map(({ name, from, rule }) => [
          name,
          {
            inputFields: from.map((field) => ({ ...source, field, transformations: [transformation(rule)] })),
          },
        ]),
      ),
      // Which objects there are at all hangs on these places.
      dataset: filter.map((field) => ({
        ...source,
        field,
        transformations: [{ type: 'INDIRECT', subtype: 'FILTER', description: 'when', masking: false }],
      })),
    }),
  },
});

const typeOf = (schema: JsonSchema | undefined): string =>
  schema === undefined ? 'unknown' : typesOf(schema).join(' | ');

/** Where a mapping's remote is, for lineage: the connector's kinds are a namespace of their own. */
const remoteOf = ({ remote }: MappingDocument): Dataset => ({
  namespace: `crosswalk://${remote.connector}`,
  name: remote.kind,
});

/**
 * The events of a mapping, reading first; a direction in which no field goes has none. `now` is UTC ms. Parts and the
 * columns of rows are told as the list that holds them.
 */
export const lineageEvents = (
  document: MappingDocument,
  entity: Entity,
  kind: JsonSchema | null,
  now: number,
): readonly JsonObject[] => {
  const here: Dataset = { namespace: 'crosswalk://entities', name: document.entity };
  const there = remoteOf(document);
  const rules = Object.entries(document.fields);
  const event = (way: 'read' | 'write', input: Dataset, made: JsonObject): JsonObject => ({
    eventTime: new Date(now).toISOString(),
    producer: PRODUCER,
    schemaURL: SPEC,
    job: { namespace: 'crosswalk', name: `${document.name}.${way}` },
    inputs: [{ ...input }],
    outputs: [made],
  });
  const read = rules
    .filter(([, rule]) => rule.flow !== 'out')
    .map(([name, rule]) => ({ name, rule, type: typeOf(entity.fields.get(name)), from: placesOf(rule) }));
  const places = new Map<string, Column>();
  for (const [name, rule] of rules.filter(([, one]) => one.flow !== 'in'))
    for (const pointer of placesOf(rule)) {
      const place = kind === null ? undefined : schemaAt(kind, segmentsOf(pointer) ?? []);
      places.set(pointer, { name: pointer, rule, type: typeOf(place), from: [name] });
    }
  const filter = document.when === undefined ? [] : [document.when.at];
  return [
    ...(read.length === 0 ? [] : [event('read', there, output(here, there, read, filter))]),
    ...(places.size === 0 ? [] : [event('write', here, output(there, here, [...places.values()], []))]),
  ];
};
