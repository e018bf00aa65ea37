/** explain: a mapping, field by field, both ways. */
import { explain as explainMapping, type FieldStory, type StepStory } from '../mapping/explain.ts';
import { lineageEvents } from '../mapping/openlineage.ts';
import { drawing } from './drawing.ts';
import { mappingOf } from './mapping.ts';
import { exits, json, say, table } from './output.ts';
import type { Common } from './program.ts';

const arrows = { in: '→', out: '←', both: '↔' } as const;

const stepText = ({ name, arg }: StepStory): string => {
  if (arg === undefined) return name;
  const text = JSON.stringify(arg);
  return `${name} ${text.length > 60 ? `${text.slice(0, 59)}…` : text}`;
};

const value = (given: unknown): string => {
  const text = JSON.stringify(given ?? null);
  return text.length > 48 ? `${text.slice(0, 47)}…` : text;
};

const example = ({ example: one, flow }: FieldStory): string => {
  if (one === undefined) return 'no example';
  const { remote, entity, back } = one;
  const there = flow === 'out' ? '' : `${value(remote)} → ${value(entity)}`;
  const again = back === undefined ? '' : `${there === '' ? value(entity) : ''} → ${value(back)}`;
  return `${there}${again}`;
};

const notes = (story: FieldStory): string =>
  [
    story.class,
    ...(story.required ? ['required'] : []),
    ...(story.history ? ['history'] : []),
    ...(story.otherwise === undefined ? [] : [`otherwise ${JSON.stringify(story.otherwise)}`]),
    ...(story.remote.length === 0 ? [] : [`the remote does ${story.remote.map(stepText).join(', ')}`]),
  ].join(', ');

export const explain = async (
  options: Common & { openlineage?: boolean; html?: boolean },
  name: string,
): Promise<number> => {
  const mapping = await mappingOf(options.dir, name);
  const { document, entity, lens } = mapping;
  if (options.openlineage === true) {
    for (const event of lineageEvents(document, entity, mapping.kind, Date.now())) say(JSON.stringify(event));
    return exits.ok;
  }
  const story = explainMapping(document, entity, lens);
  if (options.html === true) {
    process.stdout.write(drawing(story));
    return exits.ok;
  }
  if (options.json) {
    json(story);
    return exits.ok;
  }
  const { connector, kind } = story.remote;
  say(`${story.mapping} (${story.hash}): ${connector}/${kind} ↔ ${story.entity}`);
  if (story.anchor !== null) say(`our record's id is kept at ${story.anchor}`);
  say(
    table(
      [`${connector}/${kind}`, '', story.entity, 'steps', 'how', 'there → here → there'],
      story.fields.map((one) => [
        one.at.join(' + ') || '(none)',
        arrows[one.flow],
        one.field,
        one.steps.map(stepText).join(' · ') || 'as it is',
        notes(one),
        example(one),
      ]),
    ),
  );
  if (story.ignored.length > 0) say(`left alone there: ${story.ignored.join(', ')}`);
  if (story.absent.length > 0) say(`not mapped here: ${story.absent.join(', ')}`);
  say('exact: comes back as it was; settling: comes to rest after one turn; lossy: no way back');
  return exits.ok;
};
