import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../src/connector.ts';
import { check } from '../../src/mapping/check.ts';
import { conditionWords, covers, firstFailure } from '../../src/mapping/conditions.ts';
import type { Conditions, Test } from '../../src/mapping/conditions.ts';
import { parseMapping } from '../../src/mapping/document.ts';
import { sampleRecords } from '../../src/mapping/routing-sample.ts';
import { bindRoutes, trusting } from '../../src/mapping/routing.ts';
import type { Roster, RouteRule } from '../../src/mapping/routing.ts';
import { chosen, weightAt } from '../../src/mapping/share.ts';
import { generator } from '../../src/simulate/draw.ts';
import { entityOf, textOf } from './sample.ts';

const day = (text: string): number => Date.parse(`${text}T00:00:00+08:00`);

describe('conditions', () => {
  const cny = (amount: number): JsonObject => ({ amount, currency: 'CNY' });
  const cases: readonly (readonly [Test | readonly Json[], Json, boolean])[] = [
    [['浙江省'], '浙江省', true],
    [['ＣＲＭ'], ' crm', true],
    [['浙江省'], '江苏省', false],
    [['浙江省'], null, false],
    [['a', 'b'], ['c', 'b'], true],
    [{ not: ['lost'] }, 'new', true],
    [{ not: ['lost'] }, 'LOST', false],
    [{ not: ['lost'] }, null, true],
    [{ atLeast: 10 }, 10, true],
    [{ atLeast: 10 }, 9.99, false],
    [{ below: 10 }, 10, false],
    [{ atLeast: 1, below: 3 }, 2, true],
    [{ atLeast: 1 }, null, false],
    [{ atLeast: 1 }, '2', false],
    [{ atLeast: '2026-01-01' }, '2026-01-01', true],
    [{ below: '2026-01-01' }, '2025-12-31', true],
    [{ atLeast: cny(100) }, cny(100), true],
    [{ atLeast: cny(100) }, cny(99), false],
    [{ atLeast: cny(100) }, { amount: 5000, currency: 'USD' }, false],
    [{ startsWith: ['+86', '+852'] }, '+85212345678', true],
    [{ startsWith: ['+86'] }, '13800138001', false],
    [{ contains: ['医院'] }, '上海第一医院', true],
    [{ contains: ['医院'] }, 5, false],
    [{ empty: true }, null, true],
    [{ empty: true }, 'x', false],
    [{ empty: false }, null, false],
    [{ empty: false }, 0, true],
    [[true], true, true],
    [[0], false, false],
  ];
  it.each(cases)('%j of %j is %s', (test, value, holds) => {
    expect(firstFailure({ field: test }, { field: value }) === null).toBe(holds);
  });

  it('says which condition fails, and no personal value', () => {
    const conditions: Conditions = { province: ['浙江省'], mobile: { startsWith: ['+86'] } };
    const fields = { province: '浙江省', mobile: '+4917012345' };
    expect(firstFailure(conditions, fields)).toBe('mobile is "+4917012345", which does not begin with "+86"');
    expect(firstFailure(conditions, fields, new Set(['mobile']))).toBe(
      'mobile is another value, which does not begin with "+86"',
    );
    expect(conditionWords(conditions)).toBe('province is "浙江省", mobile begins with "+86"');
  });

  it('is not fooled by names that every object answers to', () => {
    expect(firstFailure({ toString: { empty: true } }, {})).toBeNull();
    expect(firstFailure({ constructor: { empty: false } }, {})).toBe('constructor is empty');
  });

  const word = fc.constantFrom<Json>('a', 'ab', 'B', 'c ', '');
  const number = fc.integer({ min: -2, max: 3 });
  const some = fc.array(word, { minLength: 1, maxLength: 3 });
  const texts = fc.array(fc.constantFrom('a', 'ab', 'b'), { minLength: 1, maxLength: 2 });
  const testArbitrary = fc.oneof(
    some.map((is) => ({ is })),
    fc.record({ not: some }),
    fc.record({ atLeast: number, below: number }, { requiredKeys: [] }),
    fc.record({ startsWith: texts, not: some }, { requiredKeys: ['startsWith'] }),
    fc.record({ contains: texts }),
    fc.record({ empty: fc.boolean() }),
    fc.record({ empty: fc.boolean(), atLeast: number }),
    fc.constant({ is: [1, 2] }),
  ) as fc.Arbitrary<Test>;
  const conditionsArbitrary = fc.dictionary(fc.constantFrom('x', 'y'), testArbitrary, { maxKeys: 2 });
  const valueArbitrary = fc.oneof(word, number, fc.constant(null)) as fc.Arbitrary<Json>;

  it('covers only what it really covers', () => {
    let covered = 0;
    fc.assert(
      fc.property(
        conditionsArbitrary,
        conditionsArbitrary,
        fc.array(fc.record({ x: valueArbitrary, y: valueArbitrary }), { minLength: 20, maxLength: 20 }),
        (wide, narrow, records) => {
          if (!covers(wide, narrow)) return true;
          covered += 1;
          return records.every(
            (one) => firstFailure(narrow, one) !== null || firstFailure(wide, one) === null,
          );
        },
      ),
      { numRuns: 5000, seed: 7 },
    );
    expect(covered).toBeGreaterThan(200);
  });

  it('covers itself', () => {
    fc.assert(fc.property(conditionsArbitrary, (one) => covers(one, one)));
  });
});

describe('shares', () => {
  const names = ['ann', 'bob', 'cai'].map((name, index) => ({ name, weight: index + 1 }));
  const keys = Array.from({ length: 12_000 }, (_, index) => `key-${index}`);

  it('fall in proportion to the weights', () => {
    const counts = new Map<string, number>();
    for (const key of keys) {
      const name = chosen(names, key, 0)?.name ?? '';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.get('ann')).toBeGreaterThan(1800);
    expect(counts.get('ann')).toBeLessThan(2200);
    expect(counts.get('bob')).toBeGreaterThan(3800);
    expect(counts.get('cai')).toBeGreaterThan(5700);
  });

  it('stay where they are when somebody else comes or goes, whatever the order', () => {
    const left = names.slice(0, 2).toReversed();
    for (const key of keys.slice(0, 2000)) {
      const before = chosen(names, key, 0)?.name;
      const after = chosen(left, key, 0)?.name;
      if (before !== 'cai') expect(after).toBe(before);
    }
  });

  it('fade by half in each half-life, and are nothing before the start', () => {
    const one = { name: 'ann', weight: 8, from: day('2026-03-01'), halvesIn: 10 };
    expect(weightAt(one, day('2026-02-28'))).toBe(0);
    expect(weightAt(one, day('2026-03-01'))).toBe(8);
    expect(weightAt(one, day('2026-03-31'))).toBe(1);
  });

  it('are nobody’s where nobody has a weight', () => {
    expect(chosen([], 'k', 0)).toBeNull();
    expect(chosen([{ name: 'ann', weight: 0 }], 'k', 0)).toBeNull();
  });
});

const owner: RouteRule = {
  among: { entity: 'employee', by: 'email' },
  spread: ['mobile'],
  table: [
    { name: 'vip', if: { tier: ['A'] }, to: ['ann@x.cn', { who: 'bob@x.cn', weight: 3 }] },
    { name: 'east', if: { province: ['浙江省'] }, to: [{ all: { department: ['east'] } }] },
  ],
  otherwise: ['desk@x.cn'],
  unclaimed: { after: '2d', while: { stage: ['new'] }, to: ['ann@x.cn', 'desk@x.cn'] },
};

const rosterOf = (employee: readonly JsonObject[], at = day('2026-06-01')): Roster => ({
  now: () => at,
  of: (entity) => (entity === 'employee' && employee.length > 0 ? employee : undefined),
});

describe('a routing table', () => {
  const router = bindRoutes({ owner }, new Set(['owner']));
  const decide = (fields: JsonObject, employee: readonly JsonObject[] = []) =>
    router.decide('owner', fields, rosterOf(employee));

  it('takes the first row that holds; the fallback gets the rest', () => {
    expect(decide({ tier: 'A', mobile: '1' }).row).toBe('vip');
    expect(decide({ province: '广东省' })).toMatchObject({ row: 'otherwise', value: 'desk@x.cn' });
  });

  it('gives to those who are active, known and have started', () => {
    const desk = { email: 'desk@x.cn' };
    const ann = { email: 'ann@x.cn', active: false };
    const bob = { email: 'bob@x.cn', startsOn: '2026-06-02' };
    const one = decide({ tier: 'A', mobile: '1' }, [desk, ann, bob]);
    expect(one).toMatchObject({ row: 'otherwise', value: 'desk@x.cn' });
    expect(one.passed[0]?.why).toMatch(/ann.*|is not active/u);
    expect(one.path).toContain('is not active');
    expect(one.path).toContain('starts on 2026-06-01T16:00:00.000Z');
    const started = { ...bob, startsOn: '2026-06-01' };
    expect(decide({ tier: 'A', mobile: '1' }, [desk, ann, started])).toMatchObject({ value: 'bob@x.cn' });
    expect(decide({ tier: 'A', mobile: '1' }, [desk, started]).path).toContain(
      'is no employee that is known',
    );
  });

  it('finds everybody for whom something holds, by their own weights', () => {
    const all: readonly JsonObject[] = [
      { email: 'a@x.cn', department: 'east', weight: 0 },
      { email: 'b@x.cn', department: 'east', weight: 2, startsOn: '2026-05-02', weightHalvesIn: 30 },
      { email: 'c@x.cn', department: 'west' },
    ];
    const one = decide({ province: '浙江省', mobile: '1' }, all);
    expect(one.value).toBe('b@x.cn');
    expect(one.candidates).toEqual([
      { who: 'a@x.cn', weight: 0, share: 0, note: 'has weight 0' },
      {
        who: 'b@x.cn',
        weight: 1,
        share: 1,
        note: 'weight 2, since 2026-05-01T16:00:00.000Z, halved every 30 days: 1 now',
      },
    ]);
    expect(one.path).toContain('halved every 30 days: 1 now');
    expect(one.path).not.toContain('b@x.cn');
  });

  it('says so where nobody is left, and never gives a value then', () => {
    const one = decide({}, [{ email: 'desk@x.cn', active: false }]);
    expect(one).toMatchObject({ value: null, row: null });
    expect(one.path).toContain('nobody can take it');
  });

  it('passes on what nobody claimed, to each at most once', () => {
    const fields = { stage: 'new', mobile: '1' };
    const first = router.pass('owner', fields, ['ann@x.cn'], rosterOf([]));
    expect(first).toMatchObject({ row: 'unclaimed', value: 'desk@x.cn' });
    expect(router.pass('owner', fields, ['ann@x.cn', 'desk@x.cn'], rosterOf([]))).toMatchObject({
      row: null,
      value: null,
    });
  });

  it('leaves a field that is filled, and lets a later table ask what an earlier one gave', () => {
    const two = bindRoutes(
      {
        team: { table: [{ name: 'e', if: { province: ['浙江省'] }, to: ['east'] }], otherwise: ['desk'] },
        owner: { table: [{ name: 'e', if: { team: ['east'] }, to: ['ann'] }], otherwise: ['bob'] },
      },
      new Set(),
    );
    const roster = trusting(() => 0);
    expect(two.route({ province: '浙江省' }, roster).map(({ value }) => value)).toEqual(['east', 'ann']);
    expect(two.route({ province: '浙江省', team: 'west' }, roster)).toMatchObject([
      { field: 'owner', value: 'bob' },
    ]);
    expect(two.route({ team: 'x', owner: 'y' }, roster)).toEqual([]);
  });

  it('never ends in nothing: a value of the table, or nobody and why', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('tier', 'province', 'mobile', 'stage'), fc.string({ maxLength: 4 })),
        fc.array(
          fc.record({
            email: fc.constantFrom('ann@x.cn', 'bob@x.cn', 'desk@x.cn', 'eve@x.cn'),
            department: fc.constantFrom('east', 'west'),
            active: fc.boolean(),
          }),
        ),
        (fields, employee) => {
          const one = decide(fields, employee);
          const able = employee.filter((each) => each.active).map((each) => each.email);
          if (one.value === null)
            return one.path.includes('nobody can take it') && !able.includes('desk@x.cn');
          return employee.length === 0 || able.some((each) => each === one.value);
        },
      ),
      { numRuns: 500, seed: 3 },
    );
  });
});

describe('check', () => {
  const lead = entityOf('lead');
  const entities = new Map(
    [lead, entityOf('employee'), entityOf('department')].map((one) => [one.name, one]),
  );
  const kind = JSON.parse(textOf('mappings/webform/lead.schema.json')) as JsonObject;
  const found = (change: (routes: Record<string, JsonObject>) => void): readonly string[] => {
    const document = JSON.parse(textOf('mappings/webform/lead.json')) as JsonObject;
    change(document['routes'] as Record<string, JsonObject>);
    const read = parseMapping(JSON.stringify(document), 'lead.json');
    const all =
      read.document === undefined ? read.findings : check(read.document, { entity: lead, kind, entities });
    return all.filter((one) => one.severity === 'error').map((one) => `${one.pointer} ${one.message}`);
  };
  const rows = (route: JsonObject | undefined): JsonObject[] => (route?.['table'] ?? []) as JsonObject[];
  type Change = (routes: Record<string, JsonObject>) => void;
  const cases: readonly (readonly [string, Change, string])[] = [
    [
      'a condition on a field that is not there',
      ({ team }) => Object.assign(rows(team)[1] ?? {}, { if: { provinse: ['x'] } }),
      '/routes/team/table/1/if/provinse The table that decides field team asks for provinse, and entity lead has no such field (did you mean province?).',
    ],
    [
      'a value that a pick-list has not',
      ({ owner: one }) => Object.assign(one?.['unclaimed'] as JsonObject, { while: { stage: ['neww'] } }),
      'asks for stage, which can never be "neww" (did you mean new?)',
    ],
    [
      'a number where there is money',
      ({ team }) => Object.assign(rows(team)[0] ?? {}, { if: { budget: { atLeast: 500000 } } }),
      'asks for budget, which cannot be compared with 500000',
    ],
    [
      'a row that no record reaches',
      ({ team }) =>
        rows(team).push({ name: 'late', if: { province: ['上海市'], product: ['x'] }, to: ['y'] }),
      '/routes/team/table/3 The table that decides field team never comes to row "late": row "east" before it takes all that it asks for.',
    ],
    [
      'several without a spread',
      ({ owner: one }) => delete one?.['spread'],
      'names several, and nothing says to whom of them a record falls: add "spread"',
    ],
    [
      'a table that asks a later one',
      (routes) => {
        const { team, owner: one } = routes;
        delete routes['team'];
        delete routes['owner'];
        Object.assign(routes, { owner: one, team });
      },
      'asks for team, which a table further down decides: put that one first',
    ],
    ['no fallback', ({ team }) => delete team?.['otherwise'], 'lacks "otherwise"'],
    [
      'a directory that does not know them so',
      ({ owner: one }) => Object.assign(one?.['among'] as JsonObject, { by: 'mail' }),
      'knows them by mail, and entity employee has no such field (did you mean email?)',
    ],
    [
      'a day that is none',
      ({ owner: one }) => Object.assign(rows(one)[0] ?? {}, { to: [{ who: 'a', from: '2026-02-30' }] }),
      'says from "2026-02-30", which is no day of the calendar',
    ],
    [
      'a row without conditions',
      ({ team }) => Object.assign(rows(team)[2] ?? {}, { if: {} }),
      'has a row without conditions: what takes all the rest is "otherwise"',
    ],
  ];
  it.each(cases)('tells of %s', (_, change, sentence) => {
    expect(found(change).join('\n')).toContain(sentence);
  });

  it('warns of what no example needs', () => {
    const document = JSON.parse(textOf('mappings/webform/lead.json')) as JsonObject & {
      examples: JsonObject[];
    };
    document.examples = document.examples.slice(0, 1);
    const read = parseMapping(JSON.stringify(document), 'lead.json');
    if (read.document === undefined) throw new Error('it does not read');
    const idle = check(read.document, { entity: lead, kind, entities }).filter(
      (one) => one.code === 'mapping-route-idle',
    );
    expect(idle.every((one) => one.severity === 'warning')).toBe(true);
    expect(idle.map((one) => one.pointer)).toContain('/routes/team/table/2');
    expect(idle.map((one) => one.pointer)).toContain('/routes/owner/otherwise');
    expect(idle[0]?.message).toMatch(/^No example needs .* in the table that decides field team/u);
  });

  it('finds nothing in the shipped table, and made-up records reach every row of it', () => {
    expect(found(() => undefined)).toEqual([]);
    const { routes } = JSON.parse(textOf('mappings/webform/lead.json')) as {
      routes: Record<string, RouteRule>;
    };
    const { team } = routes;
    const router = bindRoutes({ team: team as RouteRule }, new Set());
    const reached = new Set<string | null>();
    const records = [...sampleRecords(routes, lead.fields, 400, generator(1))];
    for (const fields of records)
      for (const one of router.route(
        fields,
        trusting(() => 0),
      ))
        reached.add(one.row);
    expect([...reached].sort()).toEqual(['east', 'key accounts', 'otherwise', 'south']);
    expect([...sampleRecords(routes, lead.fields, 400, generator(1))]).toEqual(records);
  });
});
