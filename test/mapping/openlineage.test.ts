import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/connector.ts';
import { readMapping } from '../../src/mapping/document.ts';
import { lineageEvents } from '../../src/mapping/openlineage.ts';
import { entityOf, textOf } from './sample.ts';

/** The exported lineage is valid by the official schemas, and says what the mapping does. */

const official = (): ((event: JsonObject) => string) => {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  const read = (name: string): JsonObject =>
    JSON.parse(textOf(`test/mapping/openlineage/${name}`)) as JsonObject;
  ajv.addSchema(read('OpenLineage.json'));
  const columns = ajv.compile(read('ColumnLineageDatasetFacet.json'));
  const schema = ajv.compile(read('SchemaDatasetFacet.json'));
  const event = ajv.getSchema('https://openlineage.io/spec/2-0-2/OpenLineage.json');
  return (one) => {
    const faults = [event?.(one) === true ? '' : ajv.errorsText(event?.errors)];
    for (const { facets } of one['outputs'] as { facets: JsonObject }[]) {
      if (!columns({ columnLineage: facets['columnLineage'] })) faults.push(ajv.errorsText(columns.errors));
      if (!schema({ schema: facets['schema'] })) faults.push(ajv.errorsText(schema.errors));
    }
    return faults.join('');
  };
};

const eventsOf = (file: string, kindFile: string): readonly JsonObject[] => {
  const document = readMapping(textOf(`mappings/${file}`), file);
  const entities = new Map([['receipt', entityOf('receipt')]]);
  const kind = JSON.parse(textOf(kindFile)) as JsonObject;
  return lineageEvents(document, entityOf(document.entity), kind, 0, entities);
};

test.each([
  ['hubspot/contact.json', 'connectors/hubspot/schema/contact.json'],
  ['odoo/partner.json', 'mappings/odoo/partner.schema.json'],
  ['odoo/order.json', 'mappings/odoo/order.schema.json'],
  ['kingdee/order.json', 'mappings/kingdee/order.schema.json'],
  ['jiandaoyun/order.json', 'mappings/jiandaoyun/order.schema.json'],
])('%s is told both ways, valid by the official schemas', (file, kind) => {
  const faults = official();
  const events = eventsOf(file, kind);
  expect(events.map(faults)).toEqual(['', '']);
  // The schemas do look: without its job an event is none.
  const { job: _, ...bare } = events[0] ?? {};
  expect(faults(bare)).not.toBe('');
});

test('columns name the places that they are made of, and what is done on the way', () => {
  const [read, write] = eventsOf('odoo/partner.json', 'mappings/odoo/partner.schema.json');
  type Columns = { fields: Record<string, { inputFields: JsonObject[] }>; dataset: JsonObject[] };
  const lineage = (event: JsonObject | undefined): Columns => {
    const [made] = (event?.['outputs'] ?? []) as { facets: { columnLineage: unknown } }[];
    return made?.facets.columnLineage as Columns;
  };
  expect(lineage(read).fields['customerId']?.inputFields).toEqual([
    {
      namespace: 'crosswalk://odoo',
      name: 'partner',
      field: '/ref',
      transformations: [
        {
          type: 'DIRECT',
          subtype: 'TRANSFORMATION',
          description: '{"empty":[false]} · "trim"',
          masking: false,
        },
      ],
    },
  ]);
  expect(lineage(read).dataset[0]?.['field']).toBe('/is_company');
  expect(lineage(write).fields['/ref']?.inputFields[0]).toMatchObject({
    namespace: 'crosswalk://entities',
    name: 'customer',
    field: 'customerId',
  });
});

test('rows and parts are told column by column, and references as joins', () => {
  const [read, write] = eventsOf('jiandaoyun/order.json', 'mappings/jiandaoyun/order.schema.json');
  type Field = { name: string; type: string; fields?: Field[] };
  type Told = {
    name: string;
    facets: {
      schema: { fields: Field[] };
      columnLineage: { fields: Record<string, { inputFields: { name: string; field: string }[] }> };
    };
  };
  const outputs = (event: JsonObject | undefined): Told[] => event?.['outputs'] as unknown as Told[];
  const from = (told: Told | undefined, column: string): string[] =>
    (told?.facets.columnLineage.fields[column]?.inputFields ?? []).map(
      ({ name, field }) => `${name} ${field}`,
    );
  const [order, receipt] = outputs(read);
  expect([order?.name, receipt?.name]).toEqual(['order', 'receipt']);
  expect(from(order, 'lines[*].quantity')).toEqual(['order /lines[*]/qty']);
  expect(from(receipt, 'payer')).toEqual(['order /receipts[*]/payer']);
  expect(from(order, 'customer')).toEqual(['order /customer_no', 'customer customerId']);
  const lines = order?.facets.schema.fields.find((field) => field.name === 'lines');
  expect(lines?.fields?.map((field) => field.name)).toEqual(['line', 'product', 'quantity', 'amount']);
  expect(read?.['inputs']).toEqual([
    { namespace: 'crosswalk://jiandaoyun', name: 'order' },
    { namespace: 'crosswalk://entities', name: 'customer' },
    { namespace: 'crosswalk://entities', name: 'employee' },
  ]);
  const [there, ...more] = outputs(write);
  expect(more).toEqual([]);
  expect(from(there, '/lines[*]/sku')).toEqual(['order lines[*].product']);
  expect(from(there, '/receipts[*]/payer')).toEqual(['receipt payer']);
  expect(
    there?.facets.schema.fields
      .find((field) => field.name === '/receipts')
      ?.fields?.map((field) => field.name),
  ).toEqual(['/serial', '/sum', '/on', '/payer']);
  // What a reference is written as hangs on the other record too.
  expect(from(there, '/customer_no')).toEqual(['order customer', 'customer customerId']);
});
