import { parsePhoneNumberFromString } from 'libphonenumber-js/min';
import type { CountryCode } from 'libphonenumber-js/min';
import type { Json } from '../connector.ts';
import { shown } from './schema.ts';
import { Misfit, wrongType } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Steps for values that the world spells in many ways: phone numbers, times and days. */

const EXTENSION = /\s*(?:转|轉|分机|ext\.?|x|#)\s*(\d{1,7})\s*$/iu;

/** What most people in China have: the library says the same of each, and takes 40 times as long. */
const MAINLAND_MOBILE = /^(?:\+86)?(1[3-9]\d{9})$/u;

/** `+8613800138000`, with `;ext=801` (RFC 3966) behind a number with an extension. */
const phoneOf = (value: Json, region: string): Outcome => {
  if (typeof value !== 'string' && typeof value !== 'number') return wrongType(value, ['string']);
  const text = String(value).trim();
  if (text === '') return null;
  const mobile = region === 'CN' ? MAINLAND_MOBILE.exec(text)?.[1] : undefined;
  if (mobile !== undefined) return `+86${mobile}`;
  // Only a whole number counts: with `extract` the first of two numbers would be taken in silence.
  const made = parsePhoneNumberFromString(text.slice(0, 250).replace(EXTENSION, ';ext=$1'), {
    defaultCountry: regionOf(region),
    extract: false,
  });
  if (made === undefined || !made.isPossible()) {
    return new Misfit('format', `${shown(value)} is not a phone number that can be dialled from ${region}`);
  }
  return made.ext === undefined ? made.number : `${made.number};ext=${made.ext}`;
};

const regionOf = (region: string): CountryCode => region as CountryCode;

const phone: Step = {
  doc: 'Reads a phone number of this region ("CN", "AU" …) in any spelling as +8613800138000 and writes it so.',
  class: 'settling',
  arg: { type: 'string', pattern: '^[A-Z]{2}$' },
  takes: ['string', 'integer'],
  gives: () => ['string'],
  writes: () => ['string'],
  bind: (arg) => {
    const turn = (value: Json): Outcome => phoneOf(value, String(arg));
    return { forward: turn, backward: turn };
  },
  examples: [
    { arg: 'CN', remote: '138 0013 8000', entity: '+8613800138000', back: '+8613800138000' },
    { arg: 'CN', remote: '１３８００１３８０００', entity: '+8613800138000', back: '+8613800138000' },
    {
      arg: 'CN',
      remote: '010-62345678 转 801',
      entity: '+861062345678;ext=801',
      back: '+861062345678;ext=801',
    },
    { arg: 'AU', remote: '(02) 9999 9999', entity: '+61299999999', back: '+61299999999' },
    { arg: 'CN', remote: '+1 415 555 2671', entity: '+14155552671', back: '+14155552671' },
    { arg: 'CN', remote: '13800138000 or 13900139000' },
    { arg: 'CN', remote: 'ask Li' },
  ],
};

const ISO = /^(\d{4})-(\d\d)-(\d\d)[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?\s?(?:[Zz]|[+-]\d\d:?\d\d)$/u;
const MOST_MS = 8.64e15;

const isoOf = (ms: number): Outcome =>
  Number.isFinite(ms) && Math.abs(ms) <= MOST_MS && ms >= -62_167_219_200_000 && ms < 253_402_300_800_000
    ? new Date(ms).toISOString()
    : new Misfit('format', `${shown(ms)} is not a time between the years 0 and 9999`);

/** UTC ms of an ISO 8601 time that says its zone. */
const msOf = (value: Json): number | Misfit => {
  if (typeof value !== 'string') return wrongType(value, ['string']);
  const parts = ISO.exec(value.trim());
  const day = parts === null ? '' : `${parts[1]}-${parts[2]}-${parts[3]}`;
  // The engine rolls 30 February over to March; a day that does not exist is a mistake.
  const real = parts !== null && new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) === day;
  const text = value.trim().replace(/[ t]/u, 'T').replace(' ', '').replace(',', '.').replace('z', 'Z');
  const ms = real ? Date.parse(text.replace(/([+-]\d\d)(\d\d)$/u, '$1:$2')) : Number.NaN;
  return Number.isFinite(ms)
    ? ms
    : new Misfit('format', `${shown(value)} is not a time with a zone, such as 2026-03-01T09:30:00+08:00`);
};

const time: Step = {
  doc:
    'Reads a time as 2026-03-01T01:30:00.000Z and writes it as the remote does: "iso" (ISO 8601 with a zone), ' +
    '"epoch-ms" or "epoch-s" (numbers since 1970; put "number" before it where they are text).',
  class: 'settling',
  arg: { enum: ['iso', 'epoch-ms', 'epoch-s'] },
  takes: ['string', 'number'],
  gives: () => ['string'],
  writes: (arg) => [arg === 'iso' ? 'string' : 'integer'],
  bind: (arg) => {
    const unit = arg === 'epoch-s' ? 1000 : 1;
    return {
      forward: (value) => {
        if (arg !== 'iso')
          return typeof value === 'number' ? isoOf(Math.floor(value * unit)) : wrongType(value, ['number']);
        const ms = msOf(value);
        return ms instanceof Misfit ? ms : isoOf(ms);
      },
      backward: (value) => {
        const ms = msOf(value);
        if (ms instanceof Misfit) return ms;
        return arg === 'iso' ? isoOf(ms) : Math.floor(ms / unit);
      },
    };
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
    { arg: 'iso', remote: '2026-02-30T00:00:00Z' },
    { arg: 'iso', remote: '2026-03-01T09:30:00' },
    { arg: 'epoch-ms', remote: 1e300 },
  ],
};

const two = (text: string | undefined): string => (text ?? '').padStart(2, '0');

/** How each pattern is read, and written from year, month and day. */
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
  const text = value.normalize('NFKC').replace(/\s+/gu, '');
  if (text === '') return null;
  const parts = DAYS[pattern]?.read.exec(text);
  const day = parts === null || parts === undefined ? '' : `${parts[1]}-${two(parts[2])}-${two(parts[3])}`;
  // A day that does not exist would be rolled over to the next month.
  const real = day !== '' && new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) === day;
  const like = DAYS[pattern]?.write('2026', '03', '01') ?? '';
  return real ? day : new Misfit('format', `${shown(value)} is not a day such as ${like}`);
};

const date: Step = {
  doc:
    'Reads a day as 2026-03-01 and writes it as the remote does: "iso" (2026-03-01), "compact" (20260301), ' +
    '"slash" (2026/03/01) or "chinese" (2026年3月1日). A day has no zone.',
  class: 'settling',
  arg: { enum: Object.keys(DAYS) },
  takes: ['string'],
  gives: () => ['string'],
  bind: (arg) => {
    const pattern = String(arg);
    return {
      forward: (value) => dayOf(value, pattern),
      backward: (value) => {
        const day = dayOf(value, 'iso');
        if (typeof day !== 'string') return day;
        const [y = '', m = '', d = ''] = day.split('-');
        return DAYS[pattern]?.write(y, m, d) ?? day;
      },
    };
  },
  examples: [
    { arg: 'iso', remote: '2026-03-01', entity: '2026-03-01' },
    { arg: 'iso', remote: '2026-3-1', entity: '2026-03-01', back: '2026-03-01' },
    { arg: 'compact', remote: '20260301', entity: '2026-03-01' },
    { arg: 'slash', remote: '2026/3/1', entity: '2026-03-01', back: '2026/03/01' },
    { arg: 'chinese', remote: '２０２６年３月１日', entity: '2026-03-01', back: '2026年3月1日' },
    { arg: 'iso', remote: ' ', entity: null },
    { arg: 'iso', remote: '2026-02-30' },
    { arg: 'compact', remote: '2026-03-01' },
    { arg: 'slash', remote: 20260301 },
  ],
};

export const formatSteps: Readonly<Record<string, Step>> = { phone, time, date };
