import { existsSync, readdirSync } from 'node:fs';
import { evaluate } from '../../src/evaluator.ts';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/connector.ts';
import { check } from '../../src/mapping/check.ts';
import { parseMapping, readEntity } from '../../src/mapping/document.ts';
import { preparedExamples } from '../../src/mapping/expressions.ts';
import { mutantsOf, type Mutant } from './mutants.ts';
import { entityOf, root, textOf } from './sample.ts';

/**
 * Every single fault in every shipped mapping, and which of them `check` finds. What it cannot find is listed here by
 * name, so that a change that makes it blind to more shows.
 */

const entities = new Map(
  readdirSync(new URL('mappings/entities/', root)).map((file) => {
    const entity = entityOf(file.replace('.schema.json', ''));
    return [entity.name, entity] as const;
  }),
);

const shipped = readdirSync(new URL('mappings/', root), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'entities')
  .flatMap((entry) =>
    readdirSync(new URL(`mappings/${entry.name}/`, root)).map((file) => `${entry.name}/${file}`),
  )
  .filter((file) => !file.endsWith('.schema.json'));

const sidesOf = (file: string) => {
  const document = JSON.parse(textOf(`mappings/${file}`)) as JsonObject;
  const { connector, kind: name } = document['remote'] as Record<string, string>;
  const own = `connectors/${connector}/schema/${name}.json`;
  const path = existsSync(new URL(own, root)) ? own : `mappings/${connector}/${name}.schema.json`;
  const kind = JSON.parse(textOf(path)) as JsonObject;
  return { document, entity: structuredClone(entities.get(String(document['entity']))?.schema ?? {}), kind };
};

/** The codes of the errors that are found in a mutant. */
const codesOf = async ({
  document,
  entity,
  kind,
}: Omit<Mutant, 'sort' | 'what'>): Promise<readonly string[]> => {
  const read = parseMapping(JSON.stringify(document), 'mutant.json');
  const errors = read.findings.filter((one) => one.severity === 'error').map((one) => one.code);
  if (read.document === undefined || errors.length > 0) return errors;
  const own = readEntity(JSON.stringify(entity), 'mutant.schema.json');
  const prepared = await preparedExamples(read.document, evaluate);
  const known = new Map([...entities, [own.name, own]]);
  const against = { entity: own, kind, entities: known, ...(prepared === undefined ? {} : { prepared }) };
  return check(read.document, against)
    .filter((one) => one.severity === 'error')
    .map((one) => one.code);
};

/** Found by an example and by nothing else. */
const EXAMPLES = /^mapping-(?:example-|no-examples|round-trip)/u;

/**
 * What is not found, and why: that an object without a number parks is a wish that nothing else tells of; what an
 * expression takes is known only when it runs, and JSONata reads a number where a text stood.
 */
const BLIND: readonly string[] = [
  'jiandaoyun/order.json remove required: number: the mark',
  'kingdee/order.json remove required: number: the mark',
  'odoo/order.json change a type: amount: /amount_total there',
  'odoo/order.json change a type: amount: /currency_id there',
];

test('at least 99 of 100 faults are found, and those that are not are known', async () => {
  let found = 0;
  let byExamples = 0;
  const missed: string[] = [];
  const sorts = new Map<string, [found: number, all: number]>();
  for (const file of shipped) {
    for (const mutant of mutantsOf(sidesOf(file))) {
      const codes = await codesOf(mutant);
      const count = sorts.get(mutant.sort) ?? [0, 0];
      sorts.set(mutant.sort, [count[0] + (codes.length > 0 ? 1 : 0), count[1] + 1]);
      if (codes.length === 0) missed.push(`${file} ${mutant.sort}: ${mutant.what}`);
      else found += 1;
      if (codes.length > 0 && codes.every((code) => EXAMPLES.test(code))) byExamples += 1;
    }
  }
  const all = found + missed.length;
  process.stdout.write(
    `${found} of ${all} faults found (${((100 * found) / all).toFixed(2)} %), ${byExamples} by examples alone\n` +
      `${[...sorts].map(([sort, [a, b]]) => `  ${sort}: ${a} of ${b}`).join('\n')}\n${missed.join('\n')}\n`,
  );
  expect(found / all).toBeGreaterThanOrEqual(0.99);
  expect(missed.sort()).toEqual(BLIND);
}, 400_000);
