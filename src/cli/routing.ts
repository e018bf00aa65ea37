/** simulate-routing: where records would go by a mapping's tables, without a remote and without writing anything. */
import { CrosswalkError } from '../errors.ts';
import type { Json, JsonObject } from '../connector.ts';
import { firstFailure } from '../mapping/conditions.ts';
import type { Fields, Lens } from '../mapping/lens.ts';
import { sampleRecords } from '../mapping/routing-sample.ts';
import type { Routed, Router } from '../mapping/routing.ts';
import { generator } from '../simulate/draw.ts';
import { knownRoster, type DirectoryOptions } from './directory.ts';
import { inputOf, linesOf, mapLine } from './lines.ts';
import { mappingOf, type Mapping } from './one-mapping.ts';
import { exits, json, say, table, warn } from './output.ts';
import type { Common } from './program.ts';

interface Options extends Common, DirectoryOptions {
  readonly file?: string;
  readonly entity?: boolean;
  readonly count?: string;
  readonly seed?: string;
}

/** Records shown by example. */
const most = 5;

const wholeNumber = (text: string | undefined, name: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000_000)
    throw new CrosswalkError('usage', { detail: `--${name} takes a whole number from 1 to 10,000,000` });
  return value;
};

/** What many decisions on one field come to. */
class Tally {
  readonly field: string;
  readonly #router: Router;
  readonly rows = new Map<string, number>();
  readonly targets = new Map<string, number>();
  /** By row and field that it asks for: how many records passed that one condition. */
  readonly conditions = new Map<string, Map<string, number>>();
  readonly fell: { record: number; path: string }[] = [];
  readonly nobody: { record: number; path: string }[] = [];
  filled = 0;
  lost = 0;

  constructor(field: string, router: Router) {
    this.field = field;
    this.#router = router;
    for (const row of router.rule(field).table) {
      this.rows.set(row.name, 0);
      this.conditions.set(row.name, new Map(Object.keys(row.if).map((asked) => [asked, 0])));
    }
    this.rows.set('otherwise', 0);
  }

  add(record: number, fields: Fields, one: Routed | undefined): void {
    for (const row of this.#router.rule(this.field).table)
      for (const [asked, test] of Object.entries(row.if)) {
        const counts = this.conditions.get(row.name);
        if (firstFailure({ [asked]: test }, fields) === null)
          counts?.set(asked, (counts.get(asked) ?? 0) + 1);
      }
    if (one === undefined) this.filled += 1;
    else if (one.row === null) {
      this.lost += 1;
      if (this.nobody.length < most) this.nobody.push({ record, path: one.path });
    } else {
      this.rows.set(one.row, (this.rows.get(one.row) ?? 0) + 1);
      const who = String(one.value);
      this.targets.set(who, (this.targets.get(who) ?? 0) + 1);
      if (one.row === 'otherwise' && this.fell.length < most) this.fell.push({ record, path: one.path });
    }
  }

  /** Conditions that no record passed. */
  never(): { row: string; field: string }[] {
    return [...this.conditions].flatMap(([row, counts]) =>
      [...counts].filter(([, count]) => count === 0).map(([field]) => ({ row, field })),
    );
  }

  report(): JsonObject {
    const list = (counts: ReadonlyMap<string, number>, name: string): Json =>
      [...counts].sort(([, a], [, b]) => b - a).map(([key, count]) => ({ [name]: key, count }));
    return {
      field: this.field,
      rows: [...this.rows].map(([row, count]) => ({ row, count })),
      targets: list(this.targets, 'who'),
      neverMatched: this.never(),
      fellThrough: { count: this.rows.get('otherwise') ?? 0, first: this.fell },
      nobody: { count: this.lost, first: this.nobody },
      alreadyFilled: this.filled,
    };
  }
}

/** Records to be routed, numbered from 1: from a file, or made up. What cannot be read is told and left out. */
async function* recordsOf(
  options: Options,
  { document, entity, lens, prepare }: Mapping,
  bad: { count: number },
): AsyncGenerator<readonly [number, Fields]> {
  if (options.file === undefined) {
    const random = generator(wholeNumber(options.seed, 'seed'));
    let number = 0;
    const count = wholeNumber(options.count, 'count');
    for (const fields of sampleRecords(document.routes ?? {}, entity.fields, count, random))
      yield [(number += 1), fields];
    return;
  }
  for await (const line of linesOf(await inputOf(options.file))) {
    if (line.text?.trim() === '') continue;
    const { value, problems } = await mapLine(
      line,
      options.entity === true
        ? { document, lens: asItIs(lens) }
        : { document, lens, ...(prepare === undefined ? {} : { prepare }) },
      false,
    );
    for (const { pointer, message } of problems)
      warn(`line ${line.number} ${pointer === '' ? '' : `${pointer}: `}${message}`);
    if (value === undefined) bad.count += 1;
    else yield [line.number, value];
  }
}

/** Lines that hold an entity's fields already. */
const asItIs = (lens: Lens): Lens => ({
  ...lens,
  parts: new Map(),
  applies: () => true,
  read: (fields) => ({ fields, problems: [] }),
});

const percent = (count: number, all: number): string =>
  all === 0 ? '-' : `${((100 * count) / all).toFixed(1)} %`;

const tell = (tally: Tally, all: number): void => {
  say(`${tally.field}: where ${all} records land`);
  say(
    table(
      ['row', 'records', ''],
      [...tally.rows].map(([row, count]) => [row, String(count), percent(count, all)]),
    ),
  );
  say(
    table(
      ['to', 'records', ''],
      [...tally.targets]
        .sort(([, a], [, b]) => b - a)
        .map(([who, count]) => [who, String(count), percent(count, all)]),
    ),
  );
  for (const { row, field } of tally.never()) say(`no record passes what row ${row} asks of ${field}`);
  for (const { record, path } of tally.fell) say(`record ${record} falls through: ${path}`);
  for (const { record, path } of tally.nobody) say(`record ${record} goes NOWHERE: ${path}`);
  if (tally.lost > 0) say(`${tally.lost} records find nobody: each would wait for a person`);
};

export const simulateRouting = async (options: Options, name: string): Promise<number> => {
  const mapping = await mappingOf(options.dir, name);
  const { router } = mapping.lens;
  if (router === undefined) throw new CrosswalkError('usage', { detail: `mapping ${name} has no "routes"` });
  const roster = await knownRoster(options, router);
  const tallies = router.fields.map((field) => new Tally(field, router));
  const bad = { count: 0 };
  let all = 0;
  for await (const [record, fields] of recordsOf(options, mapping, bad)) {
    all += 1;
    const made = router.route(fields, roster);
    const whole: Fields = { ...fields };
    for (const tally of tallies) {
      const one = made.find(({ field }) => field === tally.field);
      tally.add(record, whole, one);
      if (one !== undefined && one.value !== null) whole[tally.field] = one.value;
    }
  }
  if (options.json)
    json({ mapping: name, records: all, unreadable: bad.count, fields: tallies.map((one) => one.report()) });
  else {
    for (const tally of tallies) tell(tally, all);
    if (bad.count > 0) say(`${bad.count} lines could not be read`);
  }
  return bad.count > 0 || tallies.some((one) => one.lost > 0) ? exits.wrong : exits.ok;
};
