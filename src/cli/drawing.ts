/** explain --html: a mapping as a picture, in one page that needs nothing else: no script, no font, no network. */
import { isObject } from '../mapping/place.ts';
import type {
  FieldStory,
  MappingStory,
  PartStory,
  PlaceStory,
  ReferenceStory,
  RowsStory,
  StepStory,
} from '../mapping/explain.ts';
import type { RouteStory } from '../mapping/route-story.ts';
import { style } from './drawing-style.ts';

/** Text that cannot become markup, with what would turn or hide it made visible. */
const safe = (value: string): string =>
  value
    .replace(/[\p{Cc}\p{Cf}]/gu, (letter) =>
      letter === '\n' ? '\n' : `\\u${(letter.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
    )
    .replace(/[&<>"']/gu, (letter) => `&#${letter.codePointAt(0) ?? 0};`);

/** Text of any length: cut where it is long, and then whole in its tooltip. */
const text = (value: string, most = 120, tag = 'span', kind = ''): string => {
  const letters = [...value];
  const isLong = letters.length > most;
  const shown = isLong ? `${letters.slice(0, most - 1).join('')}…` : value;
  const told = isLong ? ` title="${safe(letters.slice(0, 4000).join(''))}"` : '';
  return `<${tag}${kind === '' ? '' : ` class="${kind}"`}${told}>${safe(shown)}</${tag}>`;
};

const json = (value: unknown): string => JSON.stringify(value ?? null);

const list = (kind: string, items: readonly string[]): string =>
  items.length === 0 ? '' : `<ul class="${kind}">${items.map((item) => `<li>${item}</li>`).join('')}</ul>`;

// ---------------------------------------------------------------- steps

/** The pairs of a table, remote value first. */
const pairsOf = (arg: unknown): readonly (readonly [unknown, unknown])[] => {
  if (Array.isArray(arg)) return arg.map((pair) => (Array.isArray(pair) ? [pair[0], pair[1]] : [pair, '']));
  return isObject(arg) ? Object.entries(arg) : [];
};

const word = (value: unknown): string => (typeof value === 'string' ? value : json(value));

const otherwiseText = (otherwise: unknown): string => {
  if (isObject(otherwise))
    return [
      ...(otherwise['in'] === undefined ? [] : [`read: ${word(otherwise['in'])}`]),
      ...(otherwise['out'] === undefined ? [] : [`written: ${word(otherwise['out'])}`]),
    ].join(', ');
  return word(otherwise);
};

/** More pairs than this are folded away. */
const openPairs = 8;

const tableBox = ({ arg, class: kind, doc }: StepStory, { otherwise, flow }: FieldStory): string => {
  const pairs = pairsOf(arg);
  const written = new Set<string>();
  const rows = pairs.map(([there, here]) => {
    // Of several that mean the same the first is written.
    const isFirst = !written.has(json(here));
    written.add(json(here));
    const arrow = flow === 'in' || !isFirst ? '→' : flow === 'out' ? '←' : '↔';
    return `<tr><td>${text(word(there), 60)}</td><td>${arrow}</td><td>${text(word(here), 60)}</td></tr>`;
  });
  const rest = otherwise === undefined ? 'park' : otherwiseText(otherwise);
  rows.push(`<tr class="rest"><td>anything else</td><td></td><td>${text(rest, 60)}</td></tr>`);
  const open = pairs.length <= openPairs ? ' open' : '';
  return `<details class="step ${kind}"${open}><summary title="${safe(doc)}">table of ${pairs.length}</summary><table>${rows.join('')}</table></details>`;
};

const stepBox = (step: StepStory, story: FieldStory): string => {
  const { name, arg, doc, class: kind } = step;
  if (name === 'table') return tableBox(step, story);
  const argument = arg === undefined ? '' : ` ${text(word(arg), 160, 'code')}`;
  return `<span class="step ${kind}" title="${safe(doc)}">${safe(name)}${argument}</span>`;
};

const referenceBox = ({ to, by }: ReferenceStory): string => {
  const names = to.map(
    ({ entity, kind }) => `<b>${safe(entity)}</b>${kind === undefined ? '' : ` (${safe(kind)})`}`,
  );
  const how = by === 'id' ? 'its id there' : safe(by);
  return `<span class="step link">names the ${names.join(' or the ')} by ${how}</span>`;
};

const rowsBox = ({ key, missing }: RowsStory): string =>
  `<span class="step rows">row by row, told apart by <b>${safe(key)}</b>; rows there that we lack ${missing === 'keep' ? 'stay' : 'are removed'}</span>`;

/** Letters of steps that fit beside each other. */
const mostBeside = 30;

const wireBoxes = (story: FieldStory): string => {
  const { steps, remote, reference, rows } = story;
  const boxes = [
    ...steps.map((step) => stepBox(step, story)),
    ...(reference === undefined ? [] : [referenceBox(reference)]),
    ...(rows === undefined ? [] : [rowsBox(rows)]),
  ];
  const habits = remote.map((step) => stepBox(step, story)).join(' ');
  const size = steps.reduce(
    (sum, { name, arg }) => sum + name.length + (arg === undefined ? 3 : json(arg).length),
    0,
  );
  // What would not fit beside each other stands below each other, so that the line is seen on both sides.
  const isTall = boxes.length > 1 && (size > mostBeside || reference !== undefined || rows !== undefined);
  const all = boxes.join(isTall ? '' : '<i class="then">›</i>');
  const own = all === '' ? '' : `<div class="steps${isTall ? ' tall' : ''}">${all}</div>`;
  return habits === '' ? own : `${own}<div class="steps habit">the remote itself does ${habits}</div>`;
};

// ---------------------------------------------------------------- places, wires, fields

const quoted = (value: unknown, what: string, isRows: boolean): string => {
  const shown = isRows && Array.isArray(value) ? `${value.length} rows` : json(value);
  return `<span class="example"><i>${what}</i> ${text(shown, 90)}</span>`;
};

/** What an example holds in the place of this index. */
const partOf = (value: unknown, index: number, count: number): unknown =>
  count === 1 ? value : Array.isArray(value) ? value[index] : null;

/** The other fields that each place feeds. */
type Shared = ReadonlyMap<string, readonly string[]>;

const sharedIn = (fields: readonly FieldStory[]): Shared => {
  const found = new Map<string, string[]>();
  for (const { field, at } of fields)
    for (const pointer of at) found.set(pointer, [...(found.get(pointer) ?? []), field]);
  return found;
};

const placeBox = (
  { pointer, title, type }: PlaceStory,
  index: number,
  story: FieldStory,
  shared: Shared,
): string => {
  const { example, at, flow, rows } = story;
  const isRows = rows !== undefined;
  const read = example === undefined ? undefined : partOf(example.remote, index, at.length);
  const back = example?.back === undefined ? undefined : partOf(example.back, index, at.length);
  const shown = [
    ...(example === undefined || flow === 'out' ? [] : [quoted(read, 'for example', isRows)]),
    ...(back === undefined || (flow !== 'out' && (isRows || json(back) === json(read)))
      ? []
      : [quoted(back, 'written', isRows)]),
  ];
  const also = (shared.get(pointer) ?? []).filter((field) => field !== story.field);
  const meta = [
    ...(title === null ? [] : [title]),
    ...(type === 'unknown' ? [] : [type]),
    ...(also.length === 0 ? [] : [`also for ${also.join(', ')}`]),
  ].join(' · ');
  return `<div class="box place">${text(pointer, 80, 'code', 'name')}${meta === '' ? '' : text(meta, 80, 'span', 'meta')}${shown.join('')}</div>`;
};

const badges = ({ required, history, personal, overflow, class: kind }: FieldStory): string =>
  list('badges', [
    kind,
    ...(required ? ['required'] : []),
    ...(history ? ['every change kept'] : []),
    ...(personal ? ['personal'] : []),
    ...(overflow === 'refuse' ? ['too long: not taken'] : []),
  ]);

const fieldBox = (story: FieldStory): string => {
  const { field, title, type, example, rows } = story;
  const meta = [title === field ? null : title, type === 'unknown' ? null : type].filter(
    (one) => one !== null,
  );
  const shown = example === undefined ? '' : quoted(example.entity, 'for example', rows !== undefined);
  return `<div class="box field">${text(field, 80, 'code', 'name')}${meta.length === 0 ? '' : text(meta.join(' · '), 80, 'span', 'meta')}${badges(story)}${shown}</div>`;
};

/** Lines from each place to the middle and on to the field; the picture is stretched to the height of its row. */
const lines = (count: number): string => {
  const from = Array.from({ length: count }, (_, index) => ((index + 0.5) / count) * 100);
  const paths = from.map((y) => (count === 1 ? 'M0,50 L100,50' : `M0,${y} C12,${y} 4,50 16,50 L100,50`));
  return `<svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">${paths.map((path) => `<path d="${path}"/>`).join('')}</svg>`;
};

const heads = ({ at, flow }: FieldStory): string => {
  const right = flow === 'out' ? '' : '<i class="head in"></i>';
  const left = (index: number): string =>
    `<i class="head out${index === 0 ? ' first' : ''}" style="top:${((index + 0.5) / at.length) * 100}%"></i>`;
  return `${right}${flow === 'in' ? '' : at.map((_, index) => left(index)).join('')}`;
};

const fieldRows = (fields: readonly FieldStory[]): string => {
  const shared = sharedIn(fields);
  return fields.map((story) => fieldRow(story, shared)).join('\n');
};

const fieldRow = (story: FieldStory, shared: Shared): string => {
  const { at, places, flow, class: kind, rows } = story;
  const there =
    places.length === 0
      ? '<div class="cell"><div class="box place none">no place</div></div>'
      : places
          .map((place, index) => `<div class="cell">${placeBox(place, index, story, shared)}</div>`)
          .join('');
  const row = `<div class="row ${kind} ${flow}"><div class="there">${there}</div><div class="wire">${lines(Math.max(1, at.length))}${heads(story)}<div class="boxes">${wireBoxes(story)}</div></div><div class="here"><div class="cell">${fieldBox(story)}</div></div></div>`;
  if (rows === undefined) return row;
  return `<div class="group">${row}<div class="inner">${fieldRows(rows.fields)}${leftOut(rows.ignored, rows.absent, 'in a row there', 'of a row')}</div></div>`;
};

const leftOut = (
  ignored: readonly string[],
  absent: readonly string[],
  there = 'there',
  here = 'here',
): string => {
  const names = (all: readonly string[]): string =>
    list(
      'names',
      all.map((name) => text(name, 80, 'code')),
    );
  const side = (kind: string, what: string, all: readonly string[]): string =>
    all.length === 0
      ? `<div class="${kind}"></div>`
      : `<div class="${kind}"><p>${what}</p>${names(all)}</div>`;
  if (ignored.length === 0 && absent.length === 0) return '';
  return `<div class="others">${side('there', `left alone ${there}`, ignored)}<div class="wire"></div>${side('here', `not mapped ${here}`, absent)}</div>`;
};

const sides = (there: string, here: string): string =>
  `<div class="sides"><h2 class="there">${text(there, 80)}</h2><div class="wire"></div><h2 class="here">${text(here, 80)}</h2></div>`;

const partSection = ({ part, at, key, entity, fields, ignored, absent }: PartStory): string =>
  `<section><p class="part">part <b>${safe(part)}</b>: each row of <code>${safe(at)}</code> is a record of its own, told by its <code>${safe(key)}</code></p>${sides(`a row of ${at}`, entity)}${fieldRows(fields)}${leftOut(ignored, absent)}</section>`;

/** A routing table: a card a row, in order. */
const routeSection = ({ field, among, spread, rows, unclaimed }: RouteStory): string => {
  const all =
    unclaimed === null ? rows : [...rows, { ...unclaimed, name: `unclaimed after ${unclaimed.after}` }];
  const cards = all.map(
    ({ name, when, to }) =>
      `<div class="route"><div>${text(name, 80, 'b')}</div><div>${when === '' ? '<span class="meta">always</span>' : text(when, 400)}</div><div>${list(
        'to',
        to.map((one) => text(one, 160)),
      )}</div></div>`,
  );
  const whose =
    among === null ? '' : `: the <code>${safe(among.by)}</code> of the <b>${safe(among.entity)}</b>`;
  const shared =
    spread.length === 0
      ? ''
      : `; among several a record falls to one by ${spread.map((name) => `<code>${safe(name)}</code>`).join(' and ')}`;
  return `<section><p class="part"><b>${safe(field)}</b> is decided by a table where it is empty${whose}${shared}. The first row that holds decides.</p>${cards.join('')}</section>`;
};

const legend = `<ul class="legend">
<li><span class="sample exact"></span><b>exact</b> comes back as it was</li>
<li><span class="sample settling"></span><b>settling</b> comes to rest after one turn</li>
<li><span class="sample lossy"></span><b>lossy</b> no way back</li>
<li><span class="key rows"></span>row by row</li>
<li><span class="key link"></span>names another record</li>
<li><b>▶</b> read from there, <b>◀</b> written there</li>
<li>steps run from left to right and from top to bottom, as read</li>
</ul>`;

/** The picture as a whole page. */
export const drawing = (story: MappingStory): string => {
  const { connector, kind } = story.remote;
  const facts = [
    ...(story.when === null
      ? []
      : [
          `for objects whose <code>${safe(story.when.at)}</code> is ${story.when.is.map((one) => `<b>${safe(json(one))}</b>`).join(' or ')}`,
        ]),
    ...(story.anchor === null ? [] : [`our record’s id is kept at <code>${safe(story.anchor)}</code>`]),
    ...(story.fields.some((one) => one.overflow === 'park')
      ? ['what is too long or too large for the other side waits for a person']
      : []),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${safe(story.mapping)}</title><style>${style}</style></head>
<body><header><h1>${text(story.mapping, 80)} <small>${safe(story.hash)}</small></h1>${list('facts', facts)}${legend}</header>
<main><section>${sides(`${connector}/${kind}`, story.entity)}${fieldRows(story.fields)}
${leftOut(story.ignored, story.absent)}</section>
${story.parts.map(partSection).join('\n')}
${story.routes.map(routeSection).join('\n')}</main></body></html>
`;
};
