import type { Json } from '../connector.ts';
import { member } from './place.ts';
import { shown } from './schema.ts';
import { Misfit, wrongType } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Steps for what people write in words: truth, shares, days. */

// ---------------------------------------------------------------- truth

const wordList = {
  type: 'array',
  minItems: 1,
  maxItems: 50,
  uniqueItems: true,
  items: { type: 'string', minLength: 1, maxLength: 50 },
};

const plain = (text: string): string => text.normalize('NFKC').trim().toLowerCase();

const wordsOf = (arg: Json | undefined, which: 'true' | 'false'): readonly string[] => {
  const list = member(arg, which);
  return Array.isArray(list) ? list.map(String) : [];
};

const boolWords: Step = {
  doc: 'Reads any of these words as true or false, whatever their case and width, and writes the first of them.',
  class: 'settling',
  arg: {
    type: 'object',
    required: ['true', 'false'],
    additionalProperties: false,
    properties: { true: wordList, false: wordList },
  },
  fault: (arg) => {
    const yes = new Set(wordsOf(arg, 'true').map(plain));
    const both = wordsOf(arg, 'false').find((word) => yes.has(plain(word)));
    return both === undefined ? null : `has ${shown(both)} for true and for false`;
  },
  takes: ['string', 'boolean'],
  gives: () => ['boolean'],
  writes: () => ['string'],
  bind: (arg) => {
    const known = new Map<string, boolean>();
    for (const word of wordsOf(arg, 'true')) known.set(plain(word), true);
    for (const word of wordsOf(arg, 'false')) known.set(plain(word), false);
    const [yes = 'true'] = wordsOf(arg, 'true');
    const [no = 'false'] = wordsOf(arg, 'false');
    return {
      forward: (value) => {
        if (typeof value === 'boolean') return value;
        if (typeof value !== 'string') return wrongType(value, ['string', 'boolean']);
        if (value.trim() === '') return null;
        return (
          known.get(plain(value)) ??
          new Misfit(
            'not-covered',
            `${shown(value)} is none of the words for yes and no (${[...known.keys()].join(', ')})`,
          )
        );
      },
      backward: (value) => (typeof value === 'boolean' ? (value ? yes : no) : wrongType(value, ['boolean'])),
    };
  },
  examples: [
    { arg: { true: ['是', 'yes', 'Y'], false: ['否', 'no', 'N'] }, remote: '是', entity: true },
    { arg: { true: ['是', 'yes', 'Y'], false: ['否', 'no', 'N'] }, remote: ' Ｙ ', entity: true, back: '是' },
    { arg: { true: ['是', 'yes', 'Y'], false: ['否', 'no', 'N'] }, remote: 'NO', entity: false, back: '否' },
    { arg: { true: ['是'], false: ['否'] }, remote: '', entity: null },
    { arg: { true: ['是'], false: ['否'] }, remote: '也许' },
  ],
};

// ---------------------------------------------------------------- shares

const DECIMAL = /^([+-]?)(\d{1,15})(?:\.(\d{1,15}))?$/u;

/** A decimal text with its point moved: exact, where multiplying by 100 would make 7.000000000000001 of 0.07. */
const shifted = (text: string, by: 2 | -2): string | undefined => {
  const [, sign = '', whole = '', part = ''] = DECIMAL.exec(text) ?? [];
  if (whole === '') return undefined;
  const digits = `000${whole}${part}00`;
  const point = 3 + whole.length + by;
  const left = digits.slice(0, point).replace(/^0+(?=\d)/u, '');
  const right = digits.slice(point).replace(/0+$/u, '');
  const made = right === '' ? left : `${left}.${right}`;
  return sign === '-' && /[1-9]/u.test(made) ? `-${made}` : made;
};

const percent: Step = {
  doc: 'Reads "12.5%" as the share 0.125, exactly, and writes it so. A number without the sign is taken for per cent too.',
  class: 'settling',
  takes: ['string', 'number'],
  gives: () => ['number'],
  writes: () => ['string'],
  bind: () => ({
    forward: (value) => {
      if (typeof value !== 'string' && typeof value !== 'number')
        return wrongType(value, ['string', 'number']);
      const text = String(value).normalize('NFKC').replace(/\s+/gu, '');
      if (text === '') return null;
      const made = shifted(text.replace(/%$/u, ''), -2);
      return made === undefined ? new Misfit('format', `${shown(value)} is no percentage`) : Number(made);
    },
    backward: (value) => {
      if (typeof value !== 'number') return wrongType(value, ['number']);
      const made = shifted(String(value), 2);
      return made === undefined
        ? new Misfit('format', `${shown(value)} is too small or too large a share`)
        : `${made}%`;
    },
  }),
  examples: [
    { remote: '12.5%', entity: 0.125 },
    { remote: '7%', entity: 0.07 },
    { remote: ' 100 ％', entity: 1, back: '100%' },
    { remote: '-0.5%', entity: -0.005 },
    { remote: '013.10', entity: 0.131, back: '13.1%' },
    { remote: 6, entity: 0.06, back: '6%' },
    { remote: 'half' },
    { remote: '1e3%' },
  ],
};

// ---------------------------------------------------------------- days

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

export const wordSteps: Readonly<Record<string, Step>> = { 'bool-words': boolWords, percent, date };
