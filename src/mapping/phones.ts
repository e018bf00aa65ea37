import { isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/min';
import type { CountryCode } from 'libphonenumber-js/min';
import type { Json } from '../connector.ts';
import { member } from './place.ts';
import { Misfit, wrongType } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Phone numbers: one spelling inside, whatever the remote's. */

const EXTENSION = /\s*(?:转|轉|分机|ext\.?|x|#)\s*(\d{1,7})\s*$/iu;

/** What most people in China have: the library says the same of each, and takes 40 times as long. */
const MAINLAND_MOBILE = /^(?:\+86)?1[3-9]\d{9}$/u;

const MOST_TURNS = 3;

/** `+8613800138000`, with `;ext=801` (RFC 3966) behind a number with an extension. */
const phoneOf = (value: Json, region: string, turn = 0): Outcome => {
  if (typeof value !== 'string' && typeof value !== 'number') return wrongType(value, ['string']);
  const text = String(value).trim();
  if (text === '') return null;
  if (region === 'CN' && MAINLAND_MOBILE.test(text)) return text.length === 11 ? `+86${text}` : text;
  // Only a whole number counts: with `extract` the first of two numbers would be taken in silence.
  const made = parsePhoneNumberFromString(text.slice(0, 250).replace(EXTENSION, ';ext=$1'), {
    defaultCountry: regionOf(region),
    extract: false,
  });
  if (made === undefined || !made.isPossible()) {
    return new Misfit('format', `is not a phone number that can be dialled from ${region}`, value);
  }
  const number = made.ext === undefined ? made.number : `${made.number};ext=${made.ext}`;
  // Of a number with a zero too many the library takes off one at a time.
  return number === text || turn === MOST_TURNS ? number : phoneOf(number, region, turn + 1);
};

const regionOf = (region: string): CountryCode => region as CountryCode;

/** As people of the region dial it; numbers of other countries keep their country. */
const dialled = (value: Json, region: string): Outcome => {
  if (typeof value !== 'string') return wrongType(value, ['string']);
  const made = parsePhoneNumberFromString(value, { defaultCountry: regionOf(region), extract: false });
  if (made === undefined) return new Misfit('format', 'is no phone number', value);
  const own = made.country === region ? made.formatNational() : made.formatInternational();
  // The library writes an extension in English; read back it would be the same, and people know this one.
  const written = own.replace(/\s+ext\.\s+(\d+)$/u, region === 'CN' ? ' 转 $1' : ' x$1');
  // What would be read as another number is written with its country.
  return phoneOf(written, region) === value ? written : value;
};

const COUNTRY = { type: 'string', pattern: '^[A-Z]{2}$' };

export const phone: Step = {
  doc:
    'Reads a phone number of this region ("CN", "AU" …) in any spelling as +8613800138000 and writes it so, or with ' +
    '{"region": "CN", "write": "national"} as people there dial it.',
  class: 'settling',
  arg: {
    type: ['string', 'object'],
    pattern: '^[A-Z]{2}$',
    required: ['region', 'write'],
    additionalProperties: false,
    properties: {
      region: { description: 'The region of numbers without a country, such as CN.', ...COUNTRY },
      write: {
        description: 'e164: as +8613800138000. national: as people of the region dial it.',
        enum: ['e164', 'national'],
      },
    },
  },
  fault: (arg) => {
    const region = String(member(arg, 'region') ?? arg);
    return isSupportedCountry(region) ? null : `names ${region}, which is no region with phone numbers`;
  },
  takes: ['string', 'integer'],
  gives: () => ['string'],
  writes: () => ['string'],
  bind: (arg) => {
    const region = String(member(arg, 'region') ?? arg);
    const turn = (value: Json): Outcome => phoneOf(value, region);
    if (member(arg, 'write') !== 'national') return { forward: turn, backward: turn };
    return { forward: turn, backward: (value) => dialled(value, region) };
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
    {
      arg: { region: 'CN', write: 'national' },
      remote: '+8613800138000',
      entity: '+8613800138000',
      back: '138 0013 8000',
    },
    {
      arg: { region: 'CN', write: 'national' },
      remote: '010-62345678转801',
      entity: '+861062345678;ext=801',
      back: '010 6234 5678 转 801',
    },
    {
      arg: { region: 'AU', write: 'national' },
      remote: '+86 138 0013 8000',
      entity: '+8613800138000',
      back: '+86 138 0013 8000',
    },
    { arg: 'CN', remote: '13800138000 or 13900139000' },
    { arg: 'CN', remote: 'ask Li' },
  ],
};
