/** Tables that nobody here wrote, whose duplicates are known. The floors are a little below what is reached. */
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { clustersOf, usualThresholds } from '../../src/identity/clusters.ts';
import { guessSort } from '../../src/identity/guess.ts';
import { madeUpCompanies, madeUpPeople } from '../bench/doubles.ts';
import { pairList, quality, search, tableOf } from './sample.ts';

const folder = new URL('../../../shared/data/linkage/', import.meta.url);
const missing = existsSync(folder) ? undefined : `the shared data folder is not here (${folder.pathname})`;

const febrl =
  'given_name:given,surname:family,street_number:code,address_1:address,address_2:address,suburb:place,postcode:postcode,state:place,' +
  'date_of_birth:date,soc_sec_id:code';
const sets: readonly (readonly [name: string, fields: string, pairs: number, clusters: number])[] = [
  ['febrl1', febrl, 0.995, 0.995],
  ['febrl2', febrl, 0.995, 0.995],
  ['fodors-zagats', 'name:company,addr:address,phone:phone,city:place,type:text', 0.96, 0.95],
  ['splink-fake1000', 'first_name:given,surname:family,dob:date,city:place,email:email', 0.9, 0.97],
];

const read = (name: string, file: string): Record<string, string>[] =>
  parse(readFileSync(new URL(`${name}/${file}`, folder)), { columns: true, bom: true });

describe.skipIf(missing !== undefined)('duplicates that are known', () => {
  it.each(sets)('%s', { timeout: 120_000 }, (name, fields, pairFloor, clusterFloor) => {
    const rows = read(name, 'input.csv');
    const cluster = new Map(read(name, 'truth_clusters.csv').map((row) => [row['id'], row['cluster']]));
    const truth = rows.map((row) => cluster.get(row['id']));
    const names = fields.split(',').map((one) => one.split(':')[0] ?? '');
    const { table, learnt, pairs } = search(
      tableOf(
        fields,
        rows.map((row) => names.map((one) => row[one] ?? '')),
      ),
    );
    const alone = quality(pairList(pairs, usualThresholds.propose), truth);
    expect(alone.precision).toBeGreaterThan(0.96);
    expect(alone.f1).toBeGreaterThan(pairFloor);
    const clusters = clustersOf(table.size, pairs, learnt.scorer, usualThresholds);
    const together = clusters.flatMap(({ members }) =>
      [...members].flatMap((a, i) => [...members.subarray(i + 1)].map((b): [number, number] => [a, b])),
    );
    expect(quality(together, truth).f1).toBeGreaterThan(clusterFloor);
  });

  it('guesses what their columns are', () => {
    const guessed = (name: string): Record<string, string | null> => {
      const rows = read(name, 'input.csv');
      const columns = Object.keys(rows[0] ?? {});
      return Object.fromEntries(
        columns.map((one) => [
          one,
          guessSort(
            one,
            rows.slice(0, 500).map((row) => row[one] ?? ''),
          ),
        ]),
      );
    };
    expect(guessed('febrl1')).toEqual({
      id: null,
      ...Object.fromEntries(febrl.split(',').map((one) => one.split(':') as [string, string])),
    });
    expect(guessed('splink-fake1000')).toEqual({
      id: null,
      first_name: 'given',
      surname: 'family',
      dob: 'date',
      city: 'place',
      email: 'email',
    });
    expect(guessed('fodors-zagats')).toMatchObject({
      name: 'person',
      addr: 'address',
      phone: 'phone',
      city: 'place',
    });
  });
});

describe('made-up doubles, with twins, colleagues and namesakes among them', () => {
  it.each([
    ['people', madeUpPeople, 0.985, 0.99],
    ['companies', madeUpCompanies, 0.95, 0.99],
  ] as const)('%s', { timeout: 120_000 }, (_, make, floor, precision) => {
    const { fields, rows, truth } = make(4000, 3);
    const { pairs } = search(tableOf(fields, rows));
    const made = quality(pairList(pairs, usualThresholds.propose), [...truth]);
    expect(made.precision).toBeGreaterThan(precision);
    expect(made.f1).toBeGreaterThan(floor);
  });
});
