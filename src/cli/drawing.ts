/** explain --html: a mapping as a picture, two columns with lines between, in one file that needs nothing else. */
import type { FieldStory, MappingStory } from '../mapping/explain.ts';

const row = 26;
const top = 64;
const left = 330;
const right = 690;

/** Text that cannot become markup. */
const safe = (value: string): string =>
  value.replace(/[&<>"']/gu, (letter) => `&#${letter.codePointAt(0) ?? 0};`);

const short = (value: string, most: number): string =>
  [...value].length > most ? `${[...value].slice(0, most - 1).join('')}…` : value;

const y = (index: number): number => top + index * row;

const stepsOf = ({ steps }: FieldStory): string =>
  steps.map(({ name, arg }) => (arg === undefined ? name : `${name} ${JSON.stringify(arg)}`)).join(' · ') ||
  'as it is';

/** Everything there is to say of a field, shown while the pointer rests on it. */
const tip = (story: FieldStory): string => {
  const { example, flow } = story;
  const lines = [
    `${story.at.join(' + ') || 'no place'} ${flow === 'in' ? '→' : flow === 'out' ? '←' : '↔'} ${story.field}`,
    `${story.class}${story.required ? ', required' : ''}${story.history ? ', every change is kept' : ''}`,
    ...story.steps.map((step) => `${step.name}: ${step.doc}`),
    ...(example === undefined
      ? []
      : [`for example ${JSON.stringify(example.remote)} is ${JSON.stringify(example.entity)}`]),
    ...(example?.back === undefined ? [] : [`and is written as ${JSON.stringify(example.back)}`]),
  ];
  return safe(lines.join('\n'));
};

const line = (story: FieldStory, from: number, to: number): string => {
  const heads = [
    ...(story.flow === 'out' ? [] : ['marker-end="url(#head)"']),
    ...(story.flow === 'in' ? [] : ['marker-start="url(#head)"']),
  ].join(' ');
  const [a, b] = [y(from) - 4, y(to) - 4];
  return `<path class="${story.class}" ${heads} d="M${left + 12},${a} C${left + 150},${a} ${right - 150},${b} ${right - 12},${b}"><title>${tip(story)}</title></path>`;
};

const style = `body{font:14px system-ui,sans-serif;margin:24px;color:#222}svg{font:13px ui-monospace,monospace}
path{fill:none;stroke-width:2}.exact{stroke:#1a7f37}.settling{stroke:#0969da}.lossy{stroke:#bc4c00;stroke-dasharray:5 4}
text.there{text-anchor:end}text.steps{fill:#666;font-size:11px}h1{font-size:20px}p{color:#555}
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}text{fill:#eee}text.steps,p{fill:#aaa;color:#aaa}}`;

/** The picture as a whole page. */
export const drawing = (story: MappingStory): string => {
  const places = [...new Set(story.fields.flatMap((one) => one.at))];
  const { connector, kind } = story.remote;
  const height = y(Math.max(places.length, story.fields.length)) + 10;
  const there = places.map(
    (place, index) => `<text class="there" x="${left}" y="${y(index)}">${safe(short(place, 42))}</text>`,
  );
  const here = story.fields.map(
    (one, index) =>
      `<g><title>${tip(one)}</title><text x="${right}" y="${y(index)}">${safe(one.field)}${one.required ? ' *' : ''}</text>` +
      `<text class="steps" x="${right + 170}" y="${y(index)}">${safe(short(stepsOf(one), 70))}</text></g>`,
  );
  const lines = story.fields.flatMap((one, index) =>
    one.at.map((place) => line(one, places.indexOf(place), index)),
  );
  const said = [
    ...(story.anchor === null ? [] : [`Our record’s id is kept at ${story.anchor}.`]),
    ...(story.ignored.length === 0 ? [] : [`Left alone there: ${story.ignored.join(', ')}.`]),
    ...(story.absent.length === 0 ? [] : [`Not mapped here: ${story.absent.join(', ')}.`]),
    'Green: exact, comes back as it was. Blue: settling, comes to rest after one turn. Dashed: lossy, no way back.',
  ];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${safe(story.mapping)}</title><style>${style}</style>
<h1>${safe(`${story.mapping} (${story.hash})`)}</h1>
<svg width="1320" height="${height}" viewBox="0 0 1320 ${height}" role="img" aria-label="${safe(story.mapping)}">
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0,0 L8,4 L0,8 z" style="fill:#888;stroke:none"/></marker></defs>
<text class="there" x="${left}" y="28">${safe(`${connector}/${kind}`)}</text><text x="${right}" y="28">${safe(story.entity)}</text>
${[...lines, ...there, ...here].join('\n')}
</svg>
${said.map((text) => `<p>${safe(text)}</p>`).join('\n')}
</html>
`;
};
