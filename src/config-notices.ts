import type { Check, SourceNotice } from './config-check.ts';
import { nearest } from './mapping/nearest.ts';
import { pointerOf } from './mapping/place.ts';

/** Whether the notices of a configuration make sense: their texts, and the places in them. */

/** Places of a notice's text, in order; or the rest of a sentence about what is wrong with it. */
const templatePlaces = (text: string): readonly string[] | string => {
  const places = [...text.matchAll(/\{\{([^{}]*)\}\}/gu)].map((match) => (match[1] ?? '').trim());
  const rest = text.replaceAll(/\{\{[^{}]*\}\}/gu, '');
  if (rest.includes('{{')) return 'opens a place that it does not close';
  if (rest.includes('}}')) return 'closes a place that it did not open';
  return places.includes('') ? 'has an empty place' : places;
};

/** A place that may turn out empty needs words to stand in for it. */
const checkFallback = (
  check: Check,
  notice: SourceNotice,
  places: readonly string[],
  at: readonly string[],
): void => {
  const required = check.known.required?.get(notice.entity) ?? [];
  const { changed } = notice.when;
  const never = new Set(['at', 'record', 'entity', ...required]);
  if (required.includes(changed)) {
    never.add(`after.${changed}`);
    if (notice.firstSeen !== true) never.add(`before.${changed}`);
  }
  const bare = [...new Set(places)].filter(
    (place) => !never.has(place) && !Object.hasOwn(notice.fallback ?? {}, place),
  );
  if (bare.length === 0) return;
  check.tell('config-fallback', pointerOf([...at, 'text']), {
    places: bare.map((place) => `{{${place}}}`).join(', '),
    example: bare.map((place) => `${place}: (unknown)`).join(', '),
  });
};

/** The places of a notice's text, if all of them are known. */
const checkTemplate = (
  check: Check,
  notice: SourceNotice,
  fields: readonly string[],
  at: readonly string[],
): readonly string[] | undefined => {
  const { changed } = notice.when;
  const tell = (detail: string, part: string[]): void =>
    check.tell('config-template', pointerOf([...at, ...part]), {
      detail,
      places: `{{field}}, {{before.${changed}}}, {{after.${changed}}}, {{by}}, {{at}}, {{record}}, {{entity}}`,
    });
  const places = templatePlaces(notice.text);
  if (typeof places === 'string') {
    tell(places, ['text']);
    return undefined;
  }
  const allowed = ['by', 'at', 'record', 'entity', ...fields, `before.${changed}`, `after.${changed}`];
  const strange = places.filter((place) => !allowed.includes(place));
  for (const place of strange) {
    const near = nearest(place, allowed);
    const [, field = ''] = /^(?:before|after)\.(.+)$/u.exec(place) ?? [];
    const detail = fields.includes(field)
      ? `has the place {{${place}}}, and tells of changes of ${changed} only`
      : `has the place {{${place}}}, which ${notice.entity} has not${near === undefined ? '' : `; did you mean {{${near}}}?`}`;
    tell(detail, ['text']);
  }
  for (const place of Object.keys(notice.fallback ?? {})) {
    if (!places.includes(place))
      tell(`has no place {{${place}}}, for which there is a fallback`, ['fallback', place]);
  }
  return strange.length === 0 ? places : undefined;
};

const isZone = (zone: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone }).format(0);
    return true;
  } catch {
    return false;
  }
};

/** The notices of a configuration: where they go, what they tell, and what stands in for what may be empty. */
export const checkNotices = (check: Check): void => {
  for (const [name, notice] of Object.entries(check.source.notices ?? {})) {
    const at = ['notices', name];
    check.connection(notice.to, [...at, 'to']);
    if (notice.zone !== undefined && !isZone(notice.zone)) {
      const detail = 'is not a time zone such as "Asia/Shanghai" or "+08:00"';
      check.tell('config-shape', pointerOf([...at, 'zone']), { detail });
    }
    const fields = check.known.entities.get(notice.entity);
    if (fields === undefined) {
      check.name('entity', notice.entity, check.known.entities.keys(), [...at, 'entity']);
      continue;
    }
    const isKnown = check.field(notice.entity, notice.when.changed, [...at, 'when', 'changed']);
    const places = isKnown ? checkTemplate(check, notice, fields, at) : undefined;
    if (places !== undefined) checkFallback(check, notice, places, at);
  }
};
