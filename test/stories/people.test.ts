import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { afterEach, describe, expect, it } from 'vitest';
import { traceReport } from '../../src/health/trace.ts';
import { viewOf } from '../../src/http/api.ts';
import { imbalances } from '../../src/merge/books.ts';
import { replayDifferences, type LineageRow } from '../../src/merge/lineage.ts';
import { recordOf } from '../../src/sync/hub.ts';
import { closeRuns, runOf } from '../../src/sync/runs.ts';
import { Story } from '../story.ts';

const input = new URL('../../../shared/data/linkage/febrl1/input.csv', import.meta.url);
const missing = existsSync(input) ? undefined : `the shared data folder is not here (${input.pathname})`;

interface Person {
  readonly id: string;
  readonly given_name: string;
  readonly surname: string;
  readonly street_number: string;
  readonly address_1: string;
  readonly suburb: string;
  readonly postcode: string;
  readonly state: string;
  readonly date_of_birth: string;
}

const people = (): Person[] => parse(readFileSync(input), { columns: true, bom: true });

const propertiesOf = (person: Person): Record<string, string> => ({
  firstname: person.given_name,
  lastname: person.surname,
  address: `${person.street_number} ${person.address_1}`.trim(),
  city: person.suburb,
  zip: person.postcode,
  state: person.state,
  date_of_birth: person.date_of_birth,
  jobtitle: person.id,
});

describe.skipIf(missing !== undefined)('1,000 people whom nobody here wrote', () => {
  let story: Story | undefined;
  afterEach(async () => {
    await story?.end();
    story = undefined;
  });

  it('all arrive, none parked, none merged, books balanced', { timeout: 180_000 }, async () => {
    story = await Story.begin();
    const gateway = await story.open();
    const rows = people();
    expect(rows).toHaveLength(1000);
    const ids = await story.fileContacts(rows.map(propertiesOf));
    expect(await story.atRest(150_000)).toBe(true);
    const there = await story.crmRows();
    expect(there).toHaveLength(1000);
    expect(new Set(there.map((row) => row['title']))).toEqual(new Set(rows.map((row) => row.id)));
    const { store } = gateway;
    expect(await store.count('parked', 'at', {})).toBe(0);
    expect(await store.count('effect', 'state', { state: 'parked' })).toBe(0);
    expect(await store.count('record', 'entity', { entity: 'contact' })).toBe(1000);
    await closeRuns(gateway.hub);
    for (const run of (await store.list('run', 'at', { where: {}, limit: 1000 })).map(runOf)) {
      expect(imbalances(run), run.id).toEqual([]);
      expect([run.open, run.effects.open], run.id).toEqual([0, 0]);
    }
    const link = await store.get('link', { sync: 'hubspot-contacts', object: ids[499] ?? '' });
    const record = recordOf((await store.get('record', { id: String(link?.['record']) })) ?? {});
    const lineage = await store.list('lineage', 'record', { where: { record: record.id }, limit: 1000 });
    expect(
      replayDifferences(
        record,
        lineage.map((row) => row['body'] as LineageRow),
      ),
    ).toEqual([]);
    expect(lineage.length).toBeGreaterThanOrEqual(2);
    for (const row of [there[0], there[499], there[999]]) {
      const id = ids[rows.findIndex((person) => person.id === row?.['title'])] ?? '';
      const view = viewOf(gateway);
      const here = await traceReport(view, { connection: 'hubspot', kind: 'contact', id });
      const far = await traceReport(view, { connection: 'crm', kind: 'contact', id: String(row?.['_id']) });
      expect(far).toEqual(here);
      expect(here.lines[0]?.text).toContain(`created from hubspot/contact ${id}`);
      expect(here.lines.some((line) => line.text.includes(`written to crm/contact ${row?.['_id']}`))).toBe(
        true,
      );
    }
  });

  it(
    'a second pass with every 50th row made invalid parks exactly those 20',
    { timeout: 180_000 },
    async () => {
      story = await Story.begin();
      const gateway = await story.open();
      const rows = people().map((person, i) => ({
        ...propertiesOf(person),
        ...(i % 50 === 49 ? { mobilephone: `not a phone ${i}` } : {}),
      }));
      const ids = await story.fileContacts(rows);
      expect(await story.atRest(150_000)).toBe(true);
      const parked = await gateway.store.list('parked', 'at', { where: {}, limit: 1000 });
      const expected = ids.filter((_, i) => i % 50 === 49);
      expect(new Set(parked.map((row) => row['object']))).toEqual(new Set(expected));
      expect(parked).toHaveLength(20);
      expect(String(parked[0]?.['message'])).toContain('/properties/mobilephone');
    },
  );
});
