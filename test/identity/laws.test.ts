/** What must hold whatever the records are. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clustersOf, usualThresholds } from '../../src/identity/clusters.ts';
import { readModel } from '../../src/identity/kept.ts';
import { learn } from '../../src/identity/learn.ts';
import { explain, prepare, type Model } from '../../src/identity/model.ts';
import { keysOf } from '../../src/identity/passes.ts';
import { survivorOf, type Standing } from '../../src/identity/survivor.ts';
import { madeUpCompanies, madeUpPeople, type MadeUp } from '../bench/doubles.ts';
import { pairList, search, tableOf } from './sample.ts';

const people = madeUpPeople(1500, 11);
const companies = madeUpCompanies(1500, 12);
const found = new Map([people, companies].map((made) => [made, search(tableOf(made.fields, made.rows))]));
const foundIn = (made: MadeUp): NonNullable<ReturnType<typeof found.get>> => {
  const one = found.get(made);
  if (one === undefined) throw new Error('not searched');
  return one;
};
const record = (made: MadeUp, row: readonly string[]): Record<string, string> =>
  Object.fromEntries(made.header.map((name, i) => [name, row[i] ?? '']));

describe.each([
  ['people', people],
  ['companies', companies],
])('among %s', (_, made) => {
  const { table, learnt, pairs } = foundIn(made);
  const { model, scorer } = learnt;
  const anyone = fc.nat({ max: made.rows.length - 1 });
  /** A record with values of several others in it. */
  const mixed = fc
    .array(fc.option(anyone, { nil: -1 }), { minLength: made.header.length, maxLength: made.header.length })
    .map((from) => from.map((row, i) => (row < 0 ? '' : (made.rows[row]?.[i] ?? ''))));
  const prepared = mixed.map((row) => prepare(model, record(made, row)));

  it('a score is the same either way round', () => {
    fc.assert(
      fc.property(anyone, anyone, prepared, prepared, (a, b, one, other) => {
        expect(scorer.bits(a, b)).toBeCloseTo(scorer.bits(b, a), 9);
        expect(explain(model, one, other).bits).toBeCloseTo(explain(model, other, one).bits, 9);
      }),
    );
  });

  it('no record is likelier to be another than itself', () => {
    fc.assert(
      fc.property(prepared, prepared, (one, other) => {
        const self = explain(model, one, one).bits;
        expect(self).toBeGreaterThanOrEqual(explain(model, one, other).bits - 1e-9);
        expect(self).toBeGreaterThanOrEqual(explain(model, other, one).bits - 1e-9);
      }),
    );
  });

  it('an explanation adds up to its score, level by level and rival by rival', () => {
    fc.assert(
      fc.property(anyone, anyone, (a, b) => {
        const told = scorer.explain(a, b);
        expect(told.bits).toBe(scorer.bits(a, b));
        const odds = told.against.map(({ prior }, i) =>
          told.fields.reduce((sum, one) => sum + (one.bits[i] ?? 0), prior),
        );
        for (const [i, sum] of odds.entries()) expect(told.against[i]?.bits).toBeCloseTo(sum, 9);
        expect(told.bits).toBeCloseTo(-Math.log2(odds.reduce((sum, one) => sum + 2 ** -one, 0)), 6);
        expect(told.probability).toBeCloseTo(1 / (1 + 2 ** -told.bits), 12);
        for (const one of told.fields)
          if (one.level === 'missing') expect(one.bits.every((bits) => bits === 0)).toBe(true);
      }),
    );
  });

  it('one record against another scores as both do in their table', () => {
    fc.assert(
      fc.property(fc.nat({ max: pairs.a.length - 1 }), (i) => {
        const [a, b] = [pairs.a[i] ?? 0, pairs.b[i] ?? 0];
        const [one, other] = [a, b].map((at) => prepare(model, record(made, made.rows[at] ?? [])));
        if (one === undefined || other === undefined) throw new Error('no record');
        const alone = explain(model, one, other);
        const inTable = scorer.explain(a, b);
        expect(alone.fields.map(({ level }) => level)).toEqual(inTable.fields.map(({ level }) => level));
        expect(alone.bits).toBeCloseTo(inTable.bits, 2);
      }),
      { numRuns: 200 },
    );
  });

  it('a limit to the score leaves out exactly what is below it', () => {
    fc.assert(
      fc.property(anyone, anyone, fc.double({ min: -30, max: 30, noNaN: true }), (a, b, least) => {
        const whole = scorer.bits(a, b);
        const cut = scorer.bits(a, b, least);
        if (whole >= least) expect(cut).toBe(whole);
        else expect(cut < least).toBe(true);
      }),
    );
  });

  it('every candidate shares a key with its other, and is met once', () => {
    const seen = new Set<string>();
    const keys = made.rows.map(
      (row) => new Set(keysOf(model.fields, model.passes, prepare(model, record(made, row)).values)),
    );
    learnt.blocks.each((a, b) => {
      expect(a).toBeLessThan(b);
      expect(seen.has(`${a} ${b}`)).toBe(false);
      seen.add(`${a} ${b}`);
      expect([...(keys[a] ?? [])].some((key) => keys[b]?.has(key))).toBe(true);
    });
    expect(seen.size).toBe(learnt.blocks.count());
    expect(learnt.blocks.reports.reduce((sum, one) => sum + one.pairs, 0)).toBe(seen.size);
  });

  it('clusters part the records, and hold the pairs at the threshold', () => {
    const clusters = clustersOf(table.size, pairs, scorer, { ...usualThresholds, automatic: 0.99 });
    const of = new Map<number, number>();
    for (const [i, { members }] of clusters.entries()) {
      expect(members.length).toBeGreaterThan(1);
      for (const member of members) {
        expect(of.has(member)).toBe(false);
        of.set(member, i);
      }
    }
    for (const [a, b] of pairList(pairs, usualThresholds.propose)) {
      expect(of.get(a)).toBeDefined();
      expect(of.get(a)).toBe(of.get(b));
    }
    // Nothing is put together that no chain of pairs connects.
    const joined = new Set(pairList(pairs, usualThresholds.propose).flat());
    expect(new Set(of.keys())).toEqual(joined);
    for (const { members, decision, pair } of clusters) {
      if (decision === 'review') continue;
      for (const [i, a] of members.entries())
        for (const b of members.subarray(i + 1))
          expect(scorer.bits(a, b)).toBeGreaterThanOrEqual(pair?.bits ?? 0);
    }
  });

  it('learning is the same each time, and what was learnt comes back from JSON', () => {
    const again = learn(tableOf(made.fields, made.rows));
    expect(again.model).toEqual(model);
    expect(readModel(JSON.stringify(model), 'model.json')).toEqual(JSON.parse(JSON.stringify(model)));
  });

  it('does not depend on where records stand', () => {
    const order = made.rows.map((_, i) => (i * 977) % made.rows.length);
    expect(new Set(order).size).toBe(made.rows.length);
    const moved = search(
      tableOf(
        made.fields,
        order.map((i) => made.rows[i] ?? []),
      ),
    );
    const { passes, share, against }: Model = moved.learnt.model;
    expect(passes).toEqual(model.passes);
    expect(share).toBeCloseTo(model.share, 12);
    for (const [rival, one] of against.entries())
      for (const [field, row] of one.bits.entries())
        for (const [level, bits] of row.entries())
          expect(bits).toBeCloseTo(model.against[rival]?.bits[field]?.[level] ?? 0, 9);
    const named = (list: [number, number][], name: (i: number) => number): string[] =>
      list.map(([a, b]) => [name(a), name(b)].sort((x, y) => x - y).join()).sort();
    expect(named(pairList(moved.pairs, 0.85), (i) => order[i] ?? 0)).toEqual(
      named(pairList(pairs, 0.85), (i) => i),
    );
  });
});

describe('the survivor', () => {
  const standing = fc.record<Standing>({
    created: fc.constantFrom(Number.NaN, 1, 2, 3),
    updated: fc.constantFrom(Number.NaN, 1, 2, 3),
    filled: fc.constantFrom(1, 2, 3),
    systems: fc.constantFrom([], ['crm'], ['erp'], ['crm', 'erp']),
    id: fc.uuid(),
  });
  const rule = fc.constantFrom('newest' as const, 'updated' as const, 'complete' as const, { system: 'crm' });

  it('is the best by the rule, and the same in any order', () => {
    fc.assert(
      fc.property(fc.array(standing, { minLength: 1, maxLength: 6 }), rule, (all, by) => {
        const best = all[survivorOf(all, by)];
        expect(all.toReversed()[survivorOf(all.toReversed(), by)]?.id).toBe(best?.id);
        const known = (list: readonly number[]): number =>
          Math.max(...list.map((one) => (Number.isNaN(one) ? -1 : one)));
        if (by === 'complete') expect(best?.filled).toBe(Math.max(...all.map((one) => one.filled)));
        else if (by === 'newest')
          expect(known([best?.created ?? 0])).toBe(known(all.map((one) => one.created)));
        else if (by === 'updated')
          expect(known([best?.updated ?? 0])).toBe(known(all.map((one) => one.updated)));
        else expect(best?.systems.includes('crm')).toBe(all.some((one) => one.systems.includes('crm')));
      }),
    );
  });
});
