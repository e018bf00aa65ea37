/** map --why: for each record, which value came from where and through what, row by row. */
import type { JsonObject } from '../connector.ts';
import { parseExactly } from '../exchange.ts';
import type { Lens } from '../mapping/lens.ts';
import { trusting, type Roster, type Routed } from '../mapping/routing.ts';
import { why, type Hop, type Why, type WhyField, type WhyRow } from '../mapping/why.ts';
import { knownRoster, type DirectoryOptions } from './directory.ts';
import { inputOf, linesOf, mapLine, write } from './lines.ts';
import type { Mapping } from './one-mapping.ts';
import { clean, exits, jsonLine, warn } from './output.ts';
import type { Common } from './program.ts';

const shortly = (value: unknown): string => {
  const text = value === undefined ? 'not sent' : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
};

const hopText = ({ step, value, note, reference }: Hop): string => {
  const what =
    reference === undefined ? step : `names the ${reference.to.join(' or the ')} by ${reference.by}`;
  return ` → ${what} ${shortly(value)}${note === undefined ? '' : ` (${note})`}`;
};

const rowLines = ({ row, key, fields }: WhyRow): readonly string[] => [
  `row ${row}${key === undefined ? '' : ` (${shortly(key)})`}`,
  ...(fields.length === 0 ? ['  is no object'] : fields.flatMap(fieldLines).map(indented)),
];

const indented = (line: string): string => `  ${line}`;

/** The value, from where, through what; the rows of a table below it. */
const fieldLines = ({ field, from, through, rows, value, problem }: WhyField): readonly string[] => {
  const places = from
    .map((one) => (rows === undefined ? `${one.pointer} ${shortly(one.value)}` : one.pointer))
    .join(' + ');
  const count = Array.isArray(value) && rows !== undefined ? `${value.length} rows` : shortly(value ?? null);
  const end = problem === undefined ? count : `nothing: ${problem}`;
  const first = `${field} = ${end}  ← ${places === '' ? 'no place' : places}${through.map(hopText).join('')}`;
  return [first, ...(rows ?? []).flatMap(rowLines).map(indented)];
};

const storyLines = ({ fields, parts }: Why): readonly string[] => [
  ...fields.flatMap(fieldLines),
  ...parts.flatMap(({ part, entity, at, rows, problems }) => [
    `part ${part}: ${rows.length} of entity ${entity}  ← ${at}`,
    ...rows.flatMap(rowLines).map(indented),
    ...problems.map(indented),
  ]),
];

const routedLine = ({ field, value, path: way }: Routed): string =>
  `${field} = ${shortly(value)}  ← by the table: ${way}`;

/** The path of each decision that a record's tables make. */
const routedOf = (lens: Lens, { fields }: Why, roster: Roster): readonly Routed[] => {
  const read = fields.flatMap(({ field, value }) => (value === undefined ? [] : [[field, value] as const]));
  return lens.router?.route(Object.fromEntries(read), roster) ?? [];
};

/** Says of each field of each record where its value came from. */
export const tellWhy = async (
  options: DirectoryOptions & Common & { file?: string },
  mapping: Mapping,
): Promise<number> => {
  const { document, entity, kind, entities, lens, prepare } = mapping;
  const roster = lens.router === undefined ? trusting(Date.now) : await knownRoster(options, lens.router);
  const storyOf = why(document, entity, kind, entities);
  let bad = 0;
  for await (const line of linesOf(await inputOf(options.file))) {
    if (line.text?.trim() === '') continue;
    const { problems } = await mapLine(line, mapping, false, roster);
    const whole = problems.find((one) => one.code === 'line');
    if (problems.length > 0) bad += 1;
    if (whole !== undefined) {
      if (options.json) await write(jsonLine({ line: line.number, problem: whole.message }));
      else warn(`line ${line.number} ${whole.message}`);
      continue;
    }
    const given = parseExactly(line.text ?? '{}') as JsonObject;
    const story = storyOf((await prepare?.(given)) ?? given);
    const routed = routedOf(lens, story, roster);
    if (options.json)
      await write(jsonLine({ line: line.number, ...story, ...(routed.length === 0 ? {} : { routed }) }));
    else {
      const lines = [...storyLines(story), ...routed.map(routedLine)].map(indented);
      await write(`line ${line.number}\n${lines.map(clean).join('\n')}\n`);
    }
  }
  return bad > 0 ? exits.wrong : exits.ok;
};
