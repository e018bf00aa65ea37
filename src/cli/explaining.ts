/** explain: a mapping, field by field, both ways, with its rows, parts and references. */
import { evaluate } from '../evaluator.ts';
import {
  explain as explainMapping,
  type FieldStory,
  type MappingStory,
  type ReferenceStory,
  type StepStory,
} from '../mapping/explain.ts';
import type { RouteStory } from '../mapping/route-story.ts';
import { preparedExamples } from '../mapping/expressions.ts';
import { lineageEvents } from '../mapping/openlineage.ts';
import { drawing } from './drawing.ts';
import { mappingOf } from './one-mapping.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

const arrows = { in: '→', out: '←', both: '↔' } as const;

const cut = (text: string, most: number): string =>
  [...text].length > most ? `${[...text].slice(0, most - 1).join('')}…` : text;

const stepText = ({ name, arg }: StepStory): string =>
  arg === undefined ? name : `${name} ${cut(JSON.stringify(arg), 60)}`;

const value = (given: unknown): string => cut(JSON.stringify(given ?? null), 48);

const referenceText = ({ to, by }: ReferenceStory): string => {
  const names = to.map(({ entity, kind }) => (kind === undefined ? entity : `${entity} (${kind})`));
  return `names the ${names.join(' or the ')} by ${by}`;
};

const stepsText = ({ steps, reference, rows }: FieldStory): string => {
  const missing = rows?.missing === 'remove' ? 'are removed' : 'stay';
  const all = [
    ...steps.map(stepText),
    ...(reference === undefined ? [] : [referenceText(reference)]),
    ...(rows === undefined ? [] : [`rows by ${rows.key}; rows there that we lack ${missing}`]),
  ];
  return all.join(' · ') || 'as it is';
};

const counted = (given: unknown): string => (Array.isArray(given) ? `${given.length} rows` : value(given));

const exampleText = ({ at, example, flow, rows }: FieldStory): string => {
  if (example === undefined) return 'no example';
  const { remote, entity, back } = example;
  const word = rows === undefined ? value : counted;
  const read = at.length === 0 ? '' : `${word(remote)} `;
  const there = flow === 'out' ? '' : `${read}→ ${word(entity)}`;
  const again = back === undefined ? '' : `${there === '' ? word(entity) : ''} → ${word(back)}`;
  return `${there}${again}`;
};

/** `overflow` where it is said for all fields alike, and need not be said of each. */
const notes = (story: FieldStory, overflow: string | undefined): string =>
  [
    story.class,
    ...(story.required ? ['required'] : []),
    ...(story.history ? ['history'] : []),
    ...(story.personal ? ['personal'] : []),
    ...(story.otherwise === undefined ? [] : [`otherwise ${JSON.stringify(story.otherwise)}`]),
    ...(story.overflow === undefined || story.overflow === overflow ? [] : [`too long: ${story.overflow}`]),
    ...(story.remote.length === 0 ? [] : [`the remote does ${story.remote.map(stepText).join(', ')}`]),
  ].join(', ');

const fieldRows = (
  fields: readonly FieldStory[],
  overflow: string | undefined,
  indent = '',
): readonly (readonly string[])[] =>
  fields.flatMap((one) => [
    [
      indent + (one.at.join(' + ') || '(none)'),
      arrows[one.flow],
      indent + one.field,
      stepsText(one),
      notes(one, overflow),
      exampleText(one),
    ],
    ...fieldRows(one.rows?.fields ?? [], overflow, `${indent}  `),
  ]);

const listed = (what: string, names: readonly string[]): readonly string[] =>
  names.length === 0 ? [] : [`${what}: ${names.join(', ')}`];

const sayFields = (
  [there, here]: readonly [string, string],
  fields: readonly FieldStory[],
  overflow: string | undefined,
): void => {
  say(table([there, '', here, 'steps', 'how', 'there → here → there'], fieldRows(fields, overflow)));
  for (const { field, rows } of fields) {
    const left = [
      ...listed(`left alone in a row of ${field}`, rows?.ignored ?? []),
      ...listed(`not mapped in a row of ${field}`, rows?.absent ?? []),
    ];
    for (const line of left) say(line);
  }
};

/** A routing table, row by row. */
const sayRoute = ({ field, among, spread, rows, unclaimed }: RouteStory): void => {
  const whose = among === null ? '' : `, a value of which is the ${among.by} of an entity ${among.entity}`;
  const shared =
    spread.length === 0 ? '' : `; among several the record falls to one by ${spread.join(' and ')}`;
  say(`\n${field} is decided by a table where it is empty${whose}${shared}`);
  const all =
    unclaimed === null ? rows : [...rows, { ...unclaimed, name: `unclaimed after ${unclaimed.after}` }];
  say(
    table(
      ['row', 'if', 'gives'],
      all.map(({ name, when, to }) => [name, when || 'always', to.join(' | ')]),
    ),
  );
};

/** Each step of each field, with its whole argument and what it does. */
const sayDocs = (fields: readonly FieldStory[], above = ''): void => {
  for (const { field, steps, remote, rows } of fields) {
    for (const { name, arg, class: kind, doc } of [...steps, ...remote])
      say(`${above}${field}: ${name}${arg === undefined ? '' : ` ${JSON.stringify(arg)}`} (${kind}): ${doc}`);
    sayDocs(rows?.fields ?? [], `${above}${field}.`);
  }
};

const sayStory = (story: MappingStory): void => {
  const { connector, kind } = story.remote;
  const overflows = new Set(story.fields.map((one) => one.overflow));
  const overflow = overflows.size === 1 ? [...overflows][0] : undefined;
  say(`${story.mapping} (${story.hash}): ${connector}/${kind} ↔ ${story.entity}`);
  if (story.when !== null)
    say(
      `for objects whose ${story.when.at} is ${story.when.is.map((one) => JSON.stringify(one)).join(' or ')}`,
    );
  if (story.anchor !== null) say(`our record's id is kept at ${story.anchor}`);
  sayFields([`${connector}/${kind}`, story.entity], story.fields, overflow);
  for (const line of listed('left alone there', story.ignored)) say(line);
  for (const line of listed('not mapped here', story.absent)) say(line);
  for (const part of story.parts) {
    say(
      `\npart ${part.part}: each row of ${part.at} is a record of entity ${part.entity}, its id at ${part.key}`,
    );
    sayFields([`a row of ${part.at}`, part.entity], part.fields, overflow);
    for (const line of listed('left alone in a row', part.ignored)) say(line);
    for (const line of listed('not mapped here', part.absent)) say(line);
  }
  story.routes.forEach(sayRoute);
  if (overflow !== undefined)
    say(
      `too long or too large for the other side: ${overflow === 'park' ? 'a person is asked (park)' : 'it is not taken (refuse)'}`,
    );
  say('exact: comes back as it was; settling: comes to rest after one turn; lossy: no way back');
};

export const explain = async (
  options: Common & { openlineage?: boolean; html?: boolean; docs?: boolean },
  name: string,
): Promise<number> => {
  const mapping = await mappingOf(options.dir, name);
  const { document, entity, kind } = mapping;
  if (options.openlineage === true) {
    for (const event of lineageEvents(document, entity, kind, Date.now(), mapping.entities))
      say(JSON.stringify(event));
    return exits.ok;
  }
  const prepared = await preparedExamples(document, evaluate);
  const story = explainMapping(document, { ...mapping, ...(prepared === undefined ? {} : { prepared }) });
  if (options.html === true) {
    process.stdout.write(drawing(story));
    return exits.ok;
  }
  if (options.json) {
    json(story);
    return exits.ok;
  }
  sayStory(story);
  if (options.docs !== true) return exits.ok;
  say('');
  sayDocs(story.fields);
  for (const { part, fields } of story.parts) sayDocs(fields, `${part}: `);
  return exits.ok;
};
