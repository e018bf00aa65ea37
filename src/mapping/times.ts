import { DateTime, IANAZone } from 'luxon';
import type { Json } from '../connector.ts';
import { member } from './place.ts';
import { Misfit, wrongType, normal } from './step.ts';
import type { BoundStep, Outcome, Step } from './step.ts';

/** Instants and days. Inside, an instant is 2026-03-01T01:30:00.000Z and a day is 2026-03-01. */

const ISO = /^(\d{4})-(\d\d)-(\d\d)[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?\s?(?:[Zz]|[+-]\d\d:?\d\d)$/u;
const MOST_MS = 8.64e15;

const isoOf = (ms: number): Outcome =>
  Number.isFinite(ms) && Math.abs(ms) <= MOST_MS && ms >= -62_167_219_200_000 && ms < 253_402_300_800_000
    ? new Date(ms).toISOString()
    : new Misfit('format', `is not a time between the years 0 and 9999`, ms);

/** UTC ms of an ISO 8601 time that says its zone. */
const msOf = (value: Json): number | Misfit => {
  if (typeof value !== 'string') return wrongType(value, ['string']);
  const parts = ISO.exec(value.trim());
  const day = parts === null ? '' : `${parts[1]}-${parts[2]}-${parts[3]}`;
  // The engine rolls 30 February over to March; a day that does not exist is a mistake.
  const real = day !== '' && new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) === day;
  const text = value.trim().replace(' ', 'T').replace(/\s/gu, '').replace(',', '.').replace('z', 'Z');
  const ms = real ? Date.parse(text.replace(/([+-]\d\d)(\d\d)$/u, '$1:$2')) : Number.NaN;
  return Number.isFinite(ms)
    ? ms
    : new Misfit('format', `is not a time with a zone, such as 2026-03-01T09:30:00+08:00`, value);
};

// ---------------------------------------------------------------- patterns

const PATTERN =
  'How it is written: yyyy, MM, dd, HH, mm, ss, and other text in single quotation marks (tokens of Luxon).';
const ZONE = 'The zone in which it is meant: Asia/Shanghai, +08:00 or UTC.';

const isZone = (zone: string): boolean =>
  zone === 'UTC' || /^[+-]\d\d:\d\d$/u.test(zone) || (zone.includes('/') && IANAZone.isValidZone(zone));
/** Luxon's name of a zone: a plain offset is written UTC+08:00 there. */
const luxonZone = (zone: string): string => (/^[+-]/u.test(zone) ? `UTC${zone}` : zone);

const zoneFault = (zone: Json | undefined): string | null =>
  zone === undefined || isZone(String(zone))
    ? null
    : `names zone ${JSON.stringify(zone)}; zones are such as "Asia/Shanghai", "+08:00" or "UTC"`;

/** An instant that every pattern must be able to tell: its day is none of its month's other numbers. */
const PROBE = DateTime.fromISO('2026-11-23T13:45:00.000Z', { zone: 'UTC' });

/** Why a pattern cannot carry `what`; null if it can. */
const patternFault = (pattern: string, what: 'time' | 'date'): string | null => {
  const text = PROBE.toFormat(pattern);
  const back = DateTime.fromFormat(text, pattern, { zone: 'UTC' });
  const kept = back.isValid && (what === 'date' ? back.hasSame(PROBE, 'day') : +back === +PROBE);
  if (kept) return null;
  const needs = what === 'date' ? 'year, month and day' : 'year, month, day, hour and minute';
  return `has the pattern ${JSON.stringify(pattern)}, which does not say ${needs} (such as "yyyy-MM-dd${what === 'date' ? '' : ' HH:mm:ss'}")`;
};

/** A local time in words of the pattern. A time that the clocks jump over does not exist. */
const parsed = (value: Json, pattern: string, zone: string): DateTime | null | Misfit => {
  if (typeof value !== 'string') return wrongType(value, ['string']);
  const text = normal(value).trim();
  if (text === '') return null;
  const made = DateTime.fromFormat(text, pattern, { zone: luxonZone(zone) });
  if (!made.isValid)
    return new Misfit(
      'format',
      `is not a time such as ${PROBE.toFormat(pattern)} (pattern ${pattern})`,
      value,
    );
  const again = DateTime.fromFormat(made.toFormat(pattern), pattern, { zone: 'UTC' });
  const asked = DateTime.fromFormat(text, pattern, { zone: 'UTC' });
  // Left to itself the library takes the offset of today's season.
  const [first = made] = made.getPossibleOffsets().sort((a, b) => +a - +b);
  return +again === +asked
    ? first
    : new Misfit(
        'format',
        `is a time that does not exist in ${zone}, because the clocks jump over it`,
        value,
      );
};

// ---------------------------------------------------------------- time

const epoch = (unit: number): BoundStep => ({
  forward: (value) =>
    typeof value === 'number' ? isoOf(Math.floor(value) * unit) : wrongType(value, ['number']),
  backward: (value) => {
    const ms = msOf(value);
    return ms instanceof Misfit ? ms : Math.floor(ms / unit);
  },
});

const iso: BoundStep = {
  forward: (value) => {
    const ms = msOf(value);
    return ms instanceof Misfit ? ms : isoOf(ms);
  },
  backward: (value) => {
    const ms = msOf(value);
    return ms instanceof Misfit ? ms : isoOf(ms);
  },
};

const patterned = (pattern: string, zone: string): BoundStep => ({
  forward: (value) => {
    const made = parsed(value, pattern, zone);
    return made instanceof DateTime ? isoOf(made.toMillis()) : made;
  },
  backward: (value) => {
    const ms = msOf(value);
    return ms instanceof Misfit ? ms : DateTime.fromMillis(ms, { zone: luxonZone(zone) }).toFormat(pattern);
  },
});

export const time: Step = {
  doc:
    'Reads a time as 2026-03-01T01:30:00.000Z and writes it as the remote does: "iso" (ISO 8601 with a zone), ' +
    '"epoch-ms" or "epoch-s" (numbers since 1970; put "number" before it where they are text), or a local time by ' +
    '{"pattern": "yyyy-MM-dd HH:mm:ss", "zone": "Asia/Shanghai"}. Of an hour that comes twice the first is meant.',
  class: 'settling',
  arg: {
    type: ['string', 'object'],
    required: ['pattern', 'zone'],
    additionalProperties: false,
    properties: {
      pattern: { description: PATTERN, type: 'string', minLength: 1, maxLength: 60 },
      zone: { description: ZONE, type: 'string', minLength: 1, maxLength: 60 },
    },
  },
  fault: (arg) => {
    if (typeof arg === 'string')
      return arg === 'iso' || arg === 'epoch-ms' || arg === 'epoch-s'
        ? null
        : `is ${JSON.stringify(arg)}, and must be "iso", "epoch-ms", "epoch-s" or a pattern with its zone`;
    return zoneFault(member(arg, 'zone')) ?? patternFault(String(member(arg, 'pattern')), 'time');
  },
  takes: ['string', 'number'],
  gives: () => ['string'],
  writes: (arg) => [arg === 'epoch-ms' || arg === 'epoch-s' ? 'integer' : 'string'],
  bind: (arg) => {
    if (arg === 'iso') return iso;
    if (typeof arg === 'string') return epoch(arg === 'epoch-s' ? 1000 : 1);
    return patterned(String(member(arg, 'pattern')), String(member(arg, 'zone')));
  },
  examples: [
    { arg: 'iso', remote: '2026-03-01T01:30:00.000Z', entity: '2026-03-01T01:30:00.000Z' },
    {
      arg: 'iso',
      remote: '2026-03-01 09:30:00+0800',
      entity: '2026-03-01T01:30:00.000Z',
      back: '2026-03-01T01:30:00.000Z',
    },
    { arg: 'epoch-ms', remote: 1_772_328_600_000, entity: '2026-03-01T01:30:00.000Z' },
    { arg: 'epoch-s', remote: 1_772_328_600, entity: '2026-03-01T01:30:00.000Z' },
    {
      arg: { pattern: 'yyyy-MM-dd HH:mm:ss', zone: 'Asia/Shanghai' },
      remote: '2026-03-01 09:30:00',
      entity: '2026-03-01T01:30:00.000Z',
    },
    {
      arg: { pattern: 'd.M.yyyy H:mm', zone: 'Europe/Berlin' },
      remote: '1.7.2026 3:05',
      entity: '2026-07-01T01:05:00.000Z',
    },
    {
      arg: { pattern: 'yyyy-MM-dd HH:mm', zone: '+08:00' },
      remote: '2026-03-01 09:30',
      entity: '2026-03-01T01:30:00.000Z',
    },
    // 25 October 2026, 02:30 comes twice in Berlin: the first is meant.
    {
      arg: { pattern: 'yyyy-MM-dd HH:mm', zone: 'Europe/Berlin' },
      remote: '2026-10-25 02:30',
      entity: '2026-10-25T00:30:00.000Z',
    },
    // 29 March 2026, 02:30 is jumped over there.
    { arg: { pattern: 'yyyy-MM-dd HH:mm', zone: 'Europe/Berlin' }, remote: '2026-03-29 02:30' },
    { arg: 'iso', remote: '2026-02-30T00:00:00Z' },
    { arg: 'iso', remote: '2026-03-01T09:30:00' },
    { arg: 'epoch-s', remote: 1.5, entity: '1970-01-01T00:00:01.000Z', back: 1 },
    { arg: 'epoch-ms', remote: 1e300 },
    { arg: { pattern: 'yyyy-MM-dd HH:mm:ss', zone: 'UTC' }, remote: '2026-02-30 00:00:00' },
  ],
};

// ---------------------------------------------------------------- date

const two = (text: string | undefined): string => (text ?? '').padStart(2, '0');

/** How each named pattern is read, and written from year, month and day. */
const DAYS: Readonly<
  Record<string, { readonly read: RegExp; write(y: string, m: string, d: string): string }>
> = {
  iso: { read: /^(\d{4})-(\d{1,2})-(\d{1,2})$/u, write: (y, m, d) => `${y}-${m}-${d}` },
  compact: { read: /^(\d{4})(\d{2})(\d{2})$/u, write: (y, m, d) => `${y}${m}${d}` },
  slash: { read: /^(\d{4})\/(\d{1,2})\/(\d{1,2})$/u, write: (y, m, d) => `${y}/${m}/${d}` },
  chinese: {
    read: /^(\d{4})年(\d{1,2})月(\d{1,2})日?$/u,
    write: (y, m, d) => `${y}年${Number(m)}月${Number(d)}日`,
  },
};

const dayOf = (value: Json, pattern: string): Outcome => {
  if (typeof value !== 'string') return wrongType(value, ['string']);
  const text = normal(value).replace(/\s+/gu, '');
  if (text === '') return null;
  const parts = DAYS[pattern]?.read.exec(text);
  const day = parts === null || parts === undefined ? '' : `${parts[1]}-${two(parts[2])}-${two(parts[3])}`;
  // A day that does not exist would be rolled over to the next month.
  const real = day !== '' && new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) === day;
  const like = DAYS[pattern]?.write('2026', '03', '01') ?? '';
  return real ? day : new Misfit('format', `is not a day such as ${like}`, value);
};

/** Days by one of the names, or by a pattern. */
const namedDay = (name: string): BoundStep => ({
  forward: (value) => dayOf(value, name),
  backward: (value) => {
    const day = dayOf(value, 'iso');
    if (typeof day !== 'string') return day;
    const [y = '', m = '', d = ''] = day.split('-');
    return DAYS[name]?.write(y, m, d) ?? day;
  },
});

const patternDay = (pattern: string): BoundStep => ({
  forward: (value) => {
    const made = parsed(value, pattern, 'UTC');
    return made instanceof DateTime ? made.toFormat('yyyy-MM-dd') : made;
  },
  backward: (value) => {
    const day = dayOf(value, 'iso');
    return typeof day === 'string' ? DateTime.fromISO(day, { zone: 'UTC' }).toFormat(pattern) : day;
  },
});

/** Days that the remote keeps as the instant at which they begin in its zone. */
const zonedDay = (zone: string): BoundStep => ({
  forward: (value) => {
    if (value === '') return null;
    const ms = msOf(value);
    return ms instanceof Misfit
      ? ms
      : DateTime.fromMillis(ms, { zone: luxonZone(zone) }).toFormat('yyyy-MM-dd');
  },
  backward: (value) => {
    const day = dayOf(value, 'iso');
    if (typeof day !== 'string') return day;
    return isoOf(
      DateTime.fromISO(day, { zone: luxonZone(zone) })
        .startOf('day')
        .toMillis(),
    );
  },
});

export const date: Step = {
  doc:
    'Reads a day as 2026-03-01 and writes it as the remote does: "iso" (2026-03-01), "compact" (20260301), ' +
    '"slash" (2026/03/01) or "chinese" (2026年3月1日), {"pattern": "dd.MM.yyyy"}, or {"zone": "Asia/Shanghai"} where ' +
    'the remote keeps the instant at which the day begins there. A day itself has no zone.',
  class: 'settling',
  arg: {
    type: ['string', 'object'],
    minProperties: 1,
    maxProperties: 1,
    additionalProperties: false,
    properties: {
      pattern: { description: PATTERN, type: 'string', minLength: 1, maxLength: 60 },
      zone: { description: ZONE, type: 'string', minLength: 1, maxLength: 60 },
    },
  },
  fault: (arg) => {
    if (typeof arg === 'string')
      return Object.hasOwn(DAYS, arg)
        ? null
        : `is ${JSON.stringify(arg)}, and must be one of ${Object.keys(DAYS).join(', ')}, or a pattern or zone`;
    const pattern = member(arg, 'pattern');
    return pattern === undefined ? zoneFault(member(arg, 'zone')) : patternFault(String(pattern), 'date');
  },
  takes: ['string'],
  gives: () => ['string'],
  bind: (arg) => {
    if (typeof arg === 'string') return namedDay(arg);
    const pattern = member(arg, 'pattern');
    return pattern === undefined ? zonedDay(String(member(arg, 'zone'))) : patternDay(String(pattern));
  },
  examples: [
    { arg: 'iso', remote: '2026-03-01', entity: '2026-03-01' },
    { arg: 'iso', remote: '2026-3-1', entity: '2026-03-01', back: '2026-03-01' },
    { arg: 'compact', remote: '20260301', entity: '2026-03-01' },
    { arg: 'slash', remote: '2026/3/1', entity: '2026-03-01', back: '2026/03/01' },
    { arg: 'chinese', remote: '２０２６年３月１日', entity: '2026-03-01', back: '2026年3月1日' },
    { arg: { pattern: 'dd.MM.yyyy' }, remote: '01.03.2026', entity: '2026-03-01' },
    { arg: { pattern: "yyyy-MM-dd'T'00:00:00" }, remote: '2026-01-02T00:00:00', entity: '2026-01-02' },
    // What a form shows as 3 January in Shanghai.
    { arg: { zone: 'Asia/Shanghai' }, remote: '2026-01-02T16:00:00.000Z', entity: '2026-01-03' },
    { arg: 'iso', remote: ' ', entity: null },
    { arg: 'iso', remote: '2026-02-30' },
    { arg: 'compact', remote: '2026-03-01' },
    { arg: 'slash', remote: 20260301 },
  ],
};
