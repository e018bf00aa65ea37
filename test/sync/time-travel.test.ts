/** Time travel: at any time of a random history, lineage gives back what the store held then. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { recordThen } from '../../src/merge/history.ts';
import { hashOf } from '../../src/merge/record.ts';
import { faultNames } from '../../src/simulate/faults.ts';
import { Tally } from '../../src/simulate/tally.ts';
import { World } from '../../src/simulate/world.ts';
import type { Row } from '../../src/store/schema.ts';
import { holdOf, linkOf, recordOf } from '../../src/sync/hub.ts';
import { toldOf } from '../../src/sync/scope.ts';

const all = 1_000_000;

/** What a record is, or was: values with their versions and sources, links with their states, holds with their reasons. */
interface Shape {
  readonly fields: readonly string[];
  readonly links: readonly string[];
  readonly holds: readonly string[];
}

const shapeNow = async (world: World, row: Row): Promise<Shape> => {
  const { id, fields } = recordOf(row);
  const where = { record: id };
  const links = (await world.store.list('link', 'record', { where, limit: all })).map(linkOf);
  const held = await world.store.list('conflict', 'record', { where, limit: all });
  return {
    fields: Object.entries(fields)
      .map(([name, { value, version, source }]) => `${name} ${hashOf(value)} ${version} ${source}`)
      .sort(),
    links: links.map(({ sync, object, state }) => `${sync}/${object} ${state}`).sort(),
    holds: held
      .map((one) => `${one['sync']}/${one['object']}/${holdOf(one).field} ${holdOf(one).why}`)
      .sort(),
  };
};

const shapeThen = async (world: World, record: string, at: number): Promise<Shape> => {
  const rows = await world.store.list('lineage', 'record', { where: { record }, limit: all });
  const { fields, links, holds } = recordThen(rows.map(toldOf), { at });
  return {
    fields: Object.entries(fields)
      .map(([name, { value, version, source }]) => `${name} ${hashOf(value)} ${version} ${source}`)
      .sort(),
    links: links.map(({ sync, object, state }) => `${sync}/${object} ${state}`).sort(),
    holds: holds.map(({ sync, object, field, why }) => `${sync}/${object}/${field} ${why}`).sort(),
  };
};

it('gives back every field, link and hold of any moment', { timeout: 300_000 }, async () => {
  let compared = 0;
  let held = 0;
  const law = fc.asyncProperty(fc.nat(1_000_000), fc.integer({ min: 10, max: 120 }), async (seed, steps) => {
    const world = new World({ seed, steps, faults: new Set(faultNames), tally: new Tally() });
    const seen: { record: string; at: number; shape: Shape }[] = [];
    for (let step = 0; step < steps; step += 1) {
      await world.step();
      for (const row of await world.store.list('record', 'entity', {
        where: { entity: 'person' },
        limit: all,
      }))
        seen.push({ record: String(row['id']), at: world.time, shape: await shapeNow(world, row) });
      world.advance(1);
    }
    for (const { record, at, shape } of seen) {
      expect(await shapeThen(world, record, at), `${record} at ${at}`).toEqual(shape);
      compared += 1;
      held += shape.holds.length;
    }
    await world.store.close();
  });
  await fc.assert(law, { numRuns: 40 });
  expect(compared).toBeGreaterThan(500);
  expect(held).toBeGreaterThan(50);
});
