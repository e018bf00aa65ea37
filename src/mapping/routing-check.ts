import type { Json, JsonSchema } from '../connector.ts';
import { covers, namedIn, testOf } from './conditions.ts';
import type { Conditions, Test } from './conditions.ts';
import type { MappingExample } from './document.ts';
import { hinted } from './finding.ts';
import type { Check } from './finding.ts';
import type { Fields, Lens } from './lens.ts';
import { nearest } from './nearest.ts';
import { isObject } from './place.ts';
import { bindRoutes, durationOf, trusting } from './routing.ts';
import type { Roster, Router, RouteRule, TargetRule } from './routing.ts';
import { enumOf, lengthOf, shown, typeFits, typeOfValue, typesOf, typeWords } from './schema.ts';
import { startOfDay } from './share.ts';

/** Checks routing tables: that they ask what there is to ask, give what there is to give, and lead nowhere in silence. */

type TellRoute = (pointer: string, detail: string, severity?: 'error' | 'warning') => void;

interface Route {
  readonly field: string;
  readonly rule: RouteRule;
  readonly check: Check;
  readonly tell: TellRoute;
}

/** Fields whose values can be compared with a number, a day or an amount. */
const comparable = (schema: JsonSchema, value: Json): boolean =>
  typeof value === 'number' || typeof value === 'string' || (isObject(value) && 'currency' in value)
    ? typeFits(typeOfValue(value), typesOf(schema))
    : false;

const valueFault = (schema: JsonSchema, member: keyof Test, value: Json): string | null => {
  if (member === 'startsWith' || member === 'contains')
    return typesOf(schema).some((type) => type === 'string' || type === 'array') ? null : 'holds no text';
  if (member === 'atLeast' || member === 'below')
    return comparable(schema, value) ? null : `cannot be compared with ${shown(value)}`;
  const choices = enumOf(schema);
  // A list passes when one of its items does.
  if (typesOf(schema).includes('array') && !Array.isArray(value)) return null;
  if (choices !== null && !choices.includes(value)) {
    const near = nearest(
      String(value),
      choices.map((one) => String(one)),
    );
    return `can never be ${shown(value)}${hinted(near)}`;
  }
  return typeFits(typeOfValue(value), typesOf(schema))
    ? null
    : `is ${typeWords(typesOf(schema))}, and ${shown(value)} is not`;
};

/** The conditions of a row: fields that there are, and values that they can hold. */
const checkConditions = (
  at: string,
  conditions: Conditions,
  fields: ReadonlyMap<string, JsonSchema>,
  entity: string,
  tell: TellRoute,
): void => {
  for (const [field, given] of Object.entries(conditions)) {
    const schema = fields.get(field);
    const here = `${at}/${field}`;
    if (schema === undefined) {
      tell(
        here,
        `asks for ${field}, and entity ${entity} has no such field${hinted(nearest(field, fields.keys()))}`,
      );
      continue;
    }
    for (const [member, value] of namedIn(testOf(given))) {
      const fault = valueFault(schema, member, value);
      if (fault !== null) tell(here, `asks for ${field}, which ${fault}`);
    }
  }
};

/** What can be asked at this table: what the mapping reads, and what tables before this one decide. */
const checkAsked = ({ field, rule, check, tell }: Route, before: readonly string[]): void => {
  const { document } = check;
  const own = new Set(before);
  for (const [index, row] of rule.table.entries())
    for (const asked of Object.keys(row.if)) {
      const at = `/table/${index}/if/${asked}`;
      const later = Object.hasOwn(document.routes ?? {}, asked) && !own.has(asked);
      if (asked === field) tell(at, 'asks for the very field that it decides');
      else if (later && !Object.hasOwn(document.fields, asked))
        tell(at, `asks for ${asked}, which a table further down decides: put that one first`);
      else if (!Object.hasOwn(document.fields, asked) && !own.has(asked) && check.entity.fields.has(asked))
        tell(
          at,
          `asks for ${asked}, which this mapping does not read: only another system can fill it`,
          'warning',
        );
    }
};

const checkTarget = ({ rule, check, tell, field }: Route, at: string, target: TargetRule): void => {
  const { among } = rule;
  if (typeof target !== 'string' && 'all' in target) {
    const other = among === undefined ? undefined : check.entities?.get(among.entity);
    if (among === undefined)
      tell(at, 'names everybody for whom something holds, and says nothing of "among"');
    else if (other !== undefined) checkConditions(`${at}/all`, target.all, other.fields, other.name, tell);
    return;
  }
  const { who, from, halvesIn, weight = 1 } = typeof target === 'string' ? { who: target } : target;
  const schema = check.entity.fields.get(field);
  const choices = schema === undefined ? null : enumOf(schema);
  if (choices !== null && !choices.includes(who))
    tell(at, `gives ${shown(who)}, which ${field} cannot hold${hinted(nearest(who, choices.map(String)))}`);
  else if (schema !== undefined && [...who].length > lengthOf(schema))
    tell(at, `gives ${shown(who)}, which is longer than ${field} may be`);
  if (from !== undefined && startOfDay(from, rule.zone ?? 'Asia/Shanghai') === undefined)
    tell(`${at}/from`, `says from ${shown(from)}, which is no day of the calendar`);
  if (halvesIn !== undefined && from === undefined && among === undefined)
    tell(`${at}/halvesIn`, 'says in how many days a weight halves, and not from which day');
  if (weight === 0)
    tell(`${at}/weight`, `gives ${shown(who)} weight 0, so that nothing ever falls there`, 'warning');
};

const checkTargets = (route: Route, at: string, targets: readonly TargetRule[]): void => {
  targets.forEach((target, index) => checkTarget(route, `${at}/${index}`, target));
  const names = targets.flatMap((one) => (typeof one === 'string' ? [one] : 'who' in one ? [one.who] : []));
  const again = names.findIndex((name, index) => names.indexOf(name) < index);
  if (again >= 0) route.tell(at, `names ${shown(names[again])} twice; give it a weight instead`);
  const many = targets.length > 1 || targets.some((one) => typeof one !== 'string' && 'all' in one);
  if (many && route.rule.spread === undefined)
    route.tell(
      at,
      'names several, and nothing says to whom of them a record falls: add "spread", the fields that decide it',
    );
};

/** Rows that can never decide, because a row before them takes whatever they ask for. */
const checkReach = ({ rule, tell }: Route): void => {
  rule.table.forEach((row, index) => {
    const before = rule.table.slice(0, index);
    const twin = before.find((one) => one.name === row.name);
    if (twin !== undefined) tell(`/table/${index}/name`, `has two rows named ${shown(row.name)}`);
    if (Object.keys(row.if).length === 0) {
      tell(`/table/${index}/if`, 'has a row without conditions: what takes all the rest is "otherwise"');
      return;
    }
    const first = before.find((one) => Object.keys(one.if).length > 0 && covers(one.if, row.if));
    if (first !== undefined)
      tell(
        `/table/${index}`,
        `never comes to row ${shown(row.name)}: row ${shown(first.name)} before it takes all that it asks for`,
      );
  });
};

const checkAmong = ({ rule, check, tell }: Route): void => {
  const { among } = rule;
  if (among === undefined || check.entities === undefined) return;
  const other = check.entities.get(among.entity);
  if (other === undefined)
    tell(
      '/among/entity',
      `is among ${among.entity}, and there is no such entity${hinted(nearest(among.entity, check.entities.keys()))}`,
    );
  else if (!other.fields.has(among.by))
    tell(
      '/among/by',
      `knows them by ${among.by}, and entity ${other.name} has no such field${hinted(nearest(among.by, other.fields.keys()))}`,
    );
};

const checkUnclaimed = (route: Route): void => {
  const { rule, check, tell } = route;
  if (rule.unclaimed === undefined) return;
  const { after, to, while: unless } = rule.unclaimed;
  if (Number.isNaN(durationOf(after)))
    tell('/unclaimed/after', `waits ${shown(after)}, which is no time such as "2d"`);
  checkConditions('/unclaimed/while', unless, check.entity.fields, check.entity.name, tell);
  checkTargets(route, '/unclaimed/to', to);
};

/** The directory that an example brings along; else names are taken on trust. The moment is one when all have started. */
export const rosterOf = (
  example: Pick<MappingExample, 'roster'>,
  routes: Readonly<Record<string, RouteRule>>,
): Roster => {
  const days = Object.values(routes).flatMap((rule) =>
    [...rule.table.flatMap((row) => row.to), ...rule.otherwise].flatMap((target) =>
      typeof target !== 'string' && 'who' in target && target.from !== undefined
        ? [startOfDay(target.from, rule.zone ?? 'Asia/Shanghai') ?? 0]
        : [],
    ),
  );
  const at = Math.max(0, ...days);
  const { roster } = example;
  if (roster === undefined) return trusting(() => at);
  return { now: () => at, of: (entity) => (Object.hasOwn(roster, entity) ? roster[entity] : undefined) };
};

/** What reading and routing give of an example. */
export const routedExample = (
  lens: Lens,
  example: MappingExample,
  read: Fields,
  routes: Readonly<Record<string, RouteRule>>,
): Fields => {
  const fields: Fields = { ...read };
  for (const one of lens.router?.route(read, rosterOf(example, routes)) ?? []) fields[one.field] = one.value;
  return fields;
};

interface Variant {
  readonly pointer: string;
  readonly what: string;
  readonly rule: RouteRule;
}

/** A test without one of the values that it lists; none where it is the only one. */
const shorterTests = (test: Test): readonly (readonly [Json, Test])[] =>
  (['is', 'not', 'startsWith', 'contains'] as const).flatMap((member) => {
    const values: readonly Json[] = test[member] ?? [];
    if (values.length < 2) return [];
    return values.map((value, index) => [value, { ...test, [member]: values.toSpliced(index, 1) }] as const);
  });

const without = (conditions: Conditions, field: string): Conditions =>
  Object.fromEntries(Object.entries(conditions).filter(([name]) => name !== field));

/** The rule with one row, one condition, one value of a condition, or one target taken out. */
const variantsOf = (rule: RouteRule): readonly Variant[] =>
  rule.table.flatMap((row, index): Variant[] => {
    const at = `/table/${index}`;
    const name = shown(row.name);
    const made = (pointer: string, what: string, own: Partial<typeof row>): Variant => ({
      pointer: at + pointer,
      what,
      rule: { ...rule, table: rule.table.with(index, { ...row, ...own }) },
    });
    return [
      { pointer: at, what: `row ${name}`, rule: { ...rule, table: rule.table.toSpliced(index, 1) } },
      ...Object.entries(row.if).flatMap(([field, given]) => [
        made(`/if/${field}`, `what row ${name} asks of ${field}`, { if: without(row.if, field) }),
        ...shorterTests(testOf(given)).map(([value, test]) =>
          made(`/if/${field}`, `${shown(value)} among what row ${name} asks of ${field}`, {
            if: { ...row.if, [field]: test },
          }),
        ),
      ]),
      ...(row.to.length < 2
        ? []
        : row.to.map((target, place) =>
            made(`/to/${place}`, `${shown(target)} in row ${name}`, { to: row.to.toSpliced(place, 1) }),
          )),
    ];
  });

/** Parts of the tables that no example needs: were one of them lost, nobody would notice. `read` is what the examples read as. */
export const checkIdleRows = (check: Check, lens: Lens, read: readonly Fields[]): void => {
  const { document } = check;
  const { routes } = document;
  const { router } = lens;
  if (routes === undefined || router === undefined) return;
  const landed = (own: Router): readonly string[] =>
    document.examples.map((example, index) =>
      JSON.stringify(
        own.route(read[index] ?? {}, rosterOf(example, routes)).map(({ field, value }) => [field, value]),
      ),
    );
  const whole = landed(router);
  const tell = (field: string, pointer: string, what: string): void =>
    check.tell('mapping-route-idle', `/routes/${field}${pointer}`, { field, what }, 'warning');
  const decided = document.examples.flatMap((example, index) =>
    router.route(read[index] ?? {}, rosterOf(example, routes)).map(({ field, row }) => `${field}\n${row}`),
  );
  for (const [field, rule] of Object.entries(routes)) {
    for (const { pointer, what, rule: own } of variantsOf(rule)) {
      const other = landed(bindRoutes({ ...routes, [field]: own }, new Set()));
      if (other.every((one, index) => one === whole[index])) tell(field, pointer, what);
    }
    if (!decided.includes(`${field}\notherwise`)) tell(field, '/otherwise', 'the fallback');
  }
};

/** Everything about routing tables that can be known without running them. */
export const checkRoutes = (check: Check): void => {
  const before: string[] = [];
  for (const [field, rule] of Object.entries(check.document.routes ?? {})) {
    const tell: TellRoute = (pointer, detail, severity = 'error') =>
      check.tell('mapping-route', `/routes/${field}${pointer}`, { field, detail }, severity);
    const route: Route = { field, rule, check, tell };
    const schema = check.entity.fields.get(field);
    if (schema === undefined) {
      const hint = hinted(nearest(field, check.entity.fields.keys()));
      check.tell('mapping-field-unknown', `/routes/${field}`, { field, entity: check.entity.name, hint });
      continue;
    }
    if (!typesOf(schema).includes('string'))
      tell('', `is ${typeWords(typesOf(schema))}, and a table gives text`);
    checkAmong(route);
    checkAsked(route, before);
    for (const [index, row] of rule.table.entries()) {
      checkConditions(`/table/${index}/if`, row.if, check.entity.fields, check.entity.name, tell);
      checkTargets(route, `/table/${index}/to`, row.to);
    }
    checkTargets(route, '/otherwise', rule.otherwise);
    for (const name of rule.spread ?? [])
      if (!check.entity.fields.has(name))
        tell(
          '/spread',
          `is spread by ${name}, and the entity has no such field${hinted(nearest(name, check.entity.fields.keys()))}`,
        );
    checkReach(route);
    checkUnclaimed(route);
    before.push(field);
  }
};
