/** The wording of messages, pure: a template and a change become text that no value can turn into something else. */
import type { Json } from '../connector.ts';
import type { FieldState } from '../merge/record.ts';

/** A step of a field, as a message tells it. */
export interface Change {
  readonly record: string;
  readonly entity: string;
  readonly field: string;
  readonly before: Json;
  readonly after: Json;
  /** UTC ms. */
  readonly at: number;
  /** Empty if nobody knows. */
  readonly by: string;
}

/** What a message is worded by: the parts of a notice's configuration. */
export interface Wording {
  readonly text: string;
  readonly fallback: Readonly<Record<string, string>>;
  /** IANA name or offset of the zone in which times are told; default Asia/Shanghai. */
  readonly zone?: string;
}

export const defaultZone = 'Asia/Shanghai';
/** What stands in a message where nothing is known and no fallback is given. */
export const unknownWord = '(unknown)';
/** Characters of one value; more are cut and marked with …. */
const mostValue = 200;

/** Controls, among them those that reverse the direction of text; lone surrogates are repaired elsewhere. */
const CONTROLS = /[\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/gu;
/** Where markdown takes a value for a tag, a mention, a link or code: full-width look-alikes. */
const LOOKALIKE: Readonly<Record<string, string>> = { '<': '＜', '>': '＞', '[': '［', ']': '］', '`': '｀' };

/** One line without controls, tags, links and mentions, at most `most` characters long. */
export const harmless = (text: string, most = mostValue): string => {
  // Cut before the work, so that a huge value costs nothing; whole characters are cut again below.
  const line = text
    .slice(0, most * 4)
    .toWellFormed()
    .replace(/[\s\u2028\u2029]+/gu, ' ')
    .replace(CONTROLS, '')
    .replace(/[<>[\]`]/gu, (sign) => LOOKALIKE[sign] ?? '')
    .trim()
    .replace(/^#/u, '＃');
  const signs = [...line];
  if (signs.length <= most && text.length <= most * 4) return line;
  return `${signs.slice(0, most - 1).join('')}…`;
};

const formats = new Map<string, Intl.DateTimeFormat>();

const formatOf = (zone: string): Intl.DateTimeFormat => {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const digits = '2-digit';
  const made = new Intl.DateTimeFormat('en-US-u-ca-iso8601-nu-latn', {
    timeZone: zone,
    year: 'numeric',
    month: digits,
    day: digits,
    hour: digits,
    minute: digits,
    second: digits,
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  });
  formats.set(zone, made);
  return made;
};

/** `2026-03-01T17:30:00+08:00`; empty for a number that is no time. */
export const timeText = (at: number, zone: string): string => {
  if (!Number.isFinite(at) || Math.abs(at) > 8.64e15) return '';
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const { year = '', month, day, hour, minute, second, timeZoneName = '' } = parts;
  const offset = timeZoneName.replace('GMT', '') || '+00:00';
  return `${year.padStart(4, '0')}-${month}-${day}T${hour}:${minute}:${second}${offset}`;
};

/** Times in records are UTC; people read them in their own zone. */
const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/u;

const words = (value: Json, zone: string): string => {
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return UTC_TIME.test(value) ? timeText(Date.parse(value), zone) : value;
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value))
    return value
      .slice(0, 50)
      .map((item) => words(item, zone))
      .join(', ');
  return JSON.stringify(value);
};

const valueAt = (
  place: string,
  change: Change,
  fields: Readonly<Record<string, FieldState>>,
  zone: string,
): Json => {
  if (place === 'by' || place === 'record' || place === 'entity') return change[place];
  if (place === 'at') return timeText(change.at, zone);
  if (place === `before.${change.field}`) return change.before;
  if (place === `after.${change.field}`) return change.after;
  return Object.hasOwn(fields, place) ? (fields[place]?.value ?? null) : null;
};

/** The message about a change. A place that is empty shows its fallback, else `(unknown)`: never nothing. */
export const render = (
  { text, fallback, zone = defaultZone }: Wording,
  change: Change,
  fields: Readonly<Record<string, FieldState>>,
): string =>
  text.replaceAll(/\{\{([^{}]*)\}\}/gu, (_, inner: string) => {
    const place = inner.trim();
    const shown = harmless(words(valueAt(place, change, fields, zone), zone));
    if (shown !== '') return shown;
    return (Object.hasOwn(fallback, place) ? fallback[place] : undefined) || unknownWord;
  });

export const bytesOf = (text: string): number => Buffer.byteLength(text);

/** As much of a text, from a byte on, as fits into `most` bytes without cutting a character; and where the rest begins. */
export const pieceOf = (
  text: string,
  from: number,
  most: number,
): { readonly piece: string; readonly next: number } => {
  const bytes = Buffer.from(text);
  let end = Math.min(from + Math.max(most, 4), bytes.length);
  // 10xxxxxx goes on with a character that began before.
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return { piece: bytes.subarray(from, end).toString(), next: end };
};
