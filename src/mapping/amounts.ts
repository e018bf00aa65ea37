import type { Json } from '../connector.ts';
import { member } from './place.ts';
import { Misfit, wrongType, normal } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Steps for amounts, exact to the last digit: money in whole minor units with its currency, and shares. */

/**
 * Decimals of a currency that has not two, by ISO 4217 (list of 2024-06-25). Not from `Intl`: its data says 0 for
 * HUF, IDR and a dozen others, where ISO has 2.
 */
const DECIMALS: ReadonlyMap<string, number> = new Map(
  [
    [0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'],
    [3, 'BHD IQD JOD KWD LYD OMR TND'],
    [4, 'CLF UYW'],
  ].flatMap(([digits, codes]) =>
    String(codes)
      .split(' ')
      .map((code): [string, number] => [code, Number(digits)]),
  ),
);
/** Metals, bonds and tests: no money that is paid with. */
const NO_MONEY = /^X(?:A[GU]|B[A-D]|DR|P[DT]|SU|TS|UA|XX)$/u;

const AMOUNT = /^([+-]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?$/u;

const safe = (text: string, value: Json): number | Misfit => {
  const made = Number(text);
  return Number.isSafeInteger(made)
    ? made + 0
    : new Misfit('format', `is more money than a record keeps exactly`, value);
};

/** The minor units of a decimal text. */
const unitsOf = (value: Json, currency: string, digits: number): number | null | Misfit => {
  if (typeof value !== 'string' && typeof value !== 'number') return wrongType(value, ['string', 'number']);
  const text = normal(String(value)).replace(/\s+/gu, '');
  if (text === '') return null;
  const [, sign = '', whole = '', part = ''] = AMOUNT.exec(text) ?? [];
  if (whole === '') return new Misfit('format', `is no amount such as 1234.50`, value);
  if (/[1-9]/u.test(part.slice(digits)))
    return new Misfit('format', `has more decimals than the ${digits} of ${currency}`, value);
  const units = whole.replaceAll(',', '') + part.slice(0, digits).padEnd(digits, '0');
  return safe(`${sign === '-' ? '-' : ''}${units}`, value);
};

const decimalOf = (units: number, digits: number): string => {
  const text = String(Math.abs(units)).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  return `${units < 0 ? '-' : ''}${whole}${digits === 0 ? '' : `.${text.slice(-digits)}`}`;
};

/** `1234.50 CNY`. */
export const amountText = (units: number, currency: string): string =>
  `${decimalOf(units, DECIMALS.get(currency) ?? 2)} ${currency}`;

/** The minor units that `1234.50` of a currency is; what is wrong with it as the rest of a sentence. */
export const minorUnits = (text: string, currency: string): number | string => {
  if (NO_MONEY.test(currency)) return `names ${currency}, which nobody pays with`;
  const units = unitsOf(text, currency, DECIMALS.get(currency) ?? 2);
  return units instanceof Misfit ? units.said : (units ?? 'is empty');
};

const minorOf = (value: Json): number | null | Misfit => {
  if (value === '') return null;
  if (typeof value !== 'number' && typeof value !== 'string') return wrongType(value, ['integer', 'string']);
  const text = String(value).trim();
  return /^-?\d+$/u.test(text)
    ? safe(text, value)
    : new Misfit('format', `is no whole number of minor units`, value);
};

const currencyOf = (arg: Json | undefined): string => String(member(arg, 'currency') ?? '');

const digitsOf = (arg: Json | undefined): number => {
  const told = member(arg, 'decimals');
  return typeof told === 'number' ? told : (DECIMALS.get(currencyOf(arg)) ?? 2);
};

/** The units of what a remote holds, as decimal text or as units already. */
const amountOf = (value: Json, isMinor: boolean, currency: string, digits: number): number | null | Misfit =>
  isMinor ? minorOf(value) : unitsOf(value, currency, digits);

/** The whole units of a money value, or what is wrong with it. */
const heldOf = (value: Json): { readonly amount: number; readonly currency: string } | Misfit => {
  const amount = member(value, 'amount');
  const currency = member(value, 'currency');
  return typeof amount === 'number' && Number.isSafeInteger(amount) && typeof currency === 'string'
    ? { amount, currency }
    : new Misfit('type', 'is no money: {"amount": whole minor units, "currency": code}', value);
};

const currencyFault = (arg: Json): string | null =>
  NO_MONEY.test(currencyOf(arg)) ? `names ${currencyOf(arg)}, which nobody pays with` : null;

/** The type that is written, where it is not text. */
const WRITTEN: Readonly<Record<string, 'number' | 'integer'>> = { number: 'number', minor: 'integer' };

const money: Step = {
  doc:
    'Reads an amount as {"amount": 123450, "currency": "CNY"}, whole minor units, exactly, and writes it as the remote ' +
    'does: decimal text ("1234.50"), with "as": "number" a number (1234.5), with "as": "minor" the units themselves. ' +
    '"decimals" where ISO 4217 is not followed.',
  class: 'settling',
  arg: {
    type: 'object',
    required: ['currency'],
    additionalProperties: false,
    properties: {
      currency: { description: 'The code of ISO 4217, such as CNY.', type: 'string', pattern: '^[A-Z]{3}$' },
      as: {
        description: 'How the place holds it: decimal text (default), a number, or whole minor units.',
        enum: ['decimal', 'number', 'minor'],
      },
      decimals: {
        description: 'Decimals of the currency, where ISO 4217 is not followed.',
        type: 'integer',
        minimum: 0,
        maximum: 6,
      },
    },
  },
  fault: currencyFault,
  takes: ['string', 'number'],
  gives: () => ['object'],
  writes: (arg) => [WRITTEN[String(member(arg, 'as'))] ?? 'string'],
  bind: (arg) => {
    const currency = currencyOf(arg);
    const digits = digitsOf(arg);
    const isMinor = member(arg, 'as') === 'minor';
    return {
      forward: (value): Outcome => {
        const amount = amountOf(value, isMinor, currency, digits);
        return typeof amount === 'number' ? { amount, currency } : amount;
      },
      backward: (value): Outcome => {
        const held = heldOf(value);
        if (held instanceof Misfit) return held;
        if (held.currency !== currency)
          return new Misfit('step', `is in ${held.currency}, and this place holds ${currency}`, value);
        if (isMinor) return held.amount;
        const text = decimalOf(held.amount, digits);
        if (member(arg, 'as') !== 'number') return text;
        // Fifteen digits are what a number keeps of any decimal.
        return text.replace(/\D/gu, '').length <= 15
          ? Number(text)
          : new Misfit('overflow', 'has more digits than a number keeps exactly', value);
      },
    };
  },
  examples: [
    { arg: { currency: 'CNY' }, remote: '1234.50', entity: { amount: 123_450, currency: 'CNY' } },
    {
      arg: { currency: 'CNY' },
      remote: ' １,２３４,５６７.8 ',
      entity: { amount: 123_456_780, currency: 'CNY' },
      back: '1234567.80',
    },
    { arg: { currency: 'CNY' }, remote: 0.07, entity: { amount: 7, currency: 'CNY' }, back: '0.07' },
    { arg: { currency: 'CNY' }, remote: '-0.01', entity: { amount: -1, currency: 'CNY' } },
    { arg: { currency: 'JPY' }, remote: '1200', entity: { amount: 1200, currency: 'JPY' } },
    { arg: { currency: 'HUF' }, remote: '12.30', entity: { amount: 1230, currency: 'HUF' } },
    { arg: { currency: 'KWD' }, remote: '1.234', entity: { amount: 1234, currency: 'KWD' } },
    { arg: { currency: 'CNY', as: 'minor' }, remote: 123_450, entity: { amount: 123_450, currency: 'CNY' } },
    { arg: { currency: 'CNY', as: 'number' }, remote: 1280.5, entity: { amount: 128_050, currency: 'CNY' } },
    { arg: { currency: 'MGA', decimals: 0 }, remote: '500', entity: { amount: 500, currency: 'MGA' } },
    { arg: { currency: 'CNY' }, remote: '', entity: null },
    { arg: { currency: 'CNY' }, remote: '1.005' },
    { arg: { currency: 'CNY' }, remote: '1,23.00' },
    { arg: { currency: 'CNY' }, remote: '12345678901234567.00' },
    { arg: { currency: 'CNY', as: 'minor' }, remote: 1.5 },
  ],
};

const CURRENCY = /^[A-Z]{3}$/u;
const AS = 'How the places hold amounts: decimal text (default) or whole minor units.';

const moneyPair: Step = {
  doc:
    'Makes money of two places, an amount and its currency’s code: "1234.50" + "CNY" is {"amount": 123450, "currency": ' +
    '"CNY"}. The amount is decimal text, or with "as": "minor" whole minor units.',
  class: 'settling',
  arg: {
    type: 'object',
    required: ['as'],
    additionalProperties: false,
    properties: { as: { description: AS, enum: ['decimal', 'minor'] } },
  },
  bare: true,
  takes: ['array'],
  gives: () => ['object'],
  places: 2,
  bind: (arg) => {
    const isMinor = member(arg, 'as') === 'minor';
    return {
      forward: (value): Outcome => {
        const [given = null, code = null] = Array.isArray(value) ? value : [];
        if (given === null) return null;
        const currency = typeof code === 'string' ? normal(code).trim().toUpperCase() : '';
        if (!CURRENCY.test(currency) || NO_MONEY.test(currency))
          return new Misfit('format', 'is no currency code such as CNY', code);
        const amount = amountOf(given, isMinor, currency, DECIMALS.get(currency) ?? 2);
        return typeof amount === 'number' ? { amount, currency } : amount;
      },
      backward: (value): Outcome => {
        const held = heldOf(value);
        if (held instanceof Misfit) return held;
        if (!CURRENCY.test(held.currency) || NO_MONEY.test(held.currency))
          return new Misfit('format', 'is no currency code such as CNY', held.currency);
        const digits = DECIMALS.get(held.currency) ?? 2;
        return [isMinor ? held.amount : decimalOf(held.amount, digits), held.currency];
      },
    };
  },
  examples: [
    { remote: ['1234.50', 'CNY'], entity: { amount: 123_450, currency: 'CNY' } },
    { remote: ['1200', ' jpy'], entity: { amount: 1200, currency: 'JPY' }, back: ['1200', 'JPY'] },
    { arg: { as: 'minor' }, remote: [1234, 'KWD'], entity: { amount: 1234, currency: 'KWD' } },
    { remote: [null, 'CNY'], entity: null },
    { remote: ['1.00', 'yuan'] },
    { remote: ['1.00', null] },
    { remote: ['1.00', 'XAU'] },
  ],
};

const sum: Step = {
  doc:
    'Adds and subtracts the amounts of several places, exactly: {"sum": {"currency": "CNY", "signs": "+-"}} is the first ' +
    'less the second. An empty place counts as nothing, unless all are empty. There is no way back.',
  class: 'lossy',
  arg: {
    type: 'object',
    required: ['currency', 'signs'],
    additionalProperties: false,
    properties: {
      currency: { description: 'The code of ISO 4217, such as CNY.', type: 'string', pattern: '^[A-Z]{3}$' },
      signs: {
        description: 'For each place in order: + adds it, - takes it off.',
        type: 'string',
        pattern: '^[+-]{2,10}$',
      },
      as: { description: AS, enum: ['decimal', 'minor'] },
      decimals: {
        description: 'Decimals of the currency, where ISO 4217 is not followed.',
        type: 'integer',
        minimum: 0,
        maximum: 6,
      },
    },
  },
  fault: currencyFault,
  takes: ['array'],
  gives: () => ['object'],
  places: (arg) => String(member(arg, 'signs') ?? '').length,
  bind: (arg) => {
    const currency = currencyOf(arg);
    const digits = digitsOf(arg);
    const isMinor = member(arg, 'as') === 'minor';
    const signs = String(member(arg, 'signs'));
    return {
      forward: (value): Outcome => {
        if (!Array.isArray(value)) return wrongType(value, ['array']);
        if (value.every((given) => given === null)) return null;
        let total = 0;
        for (const [index, given] of value.entries()) {
          const amount = given === null ? 0 : amountOf(given, isMinor, currency, digits);
          if (amount instanceof Misfit) return amount.inside(`amount ${index + 1}`);
          total += signs[index] === '-' ? -(amount ?? 0) : (amount ?? 0);
          if (!Number.isSafeInteger(total))
            return new Misfit('format', 'add up to more money than a record keeps exactly', value);
        }
        return { amount: total + 0, currency };
      },
    };
  },
  examples: [
    {
      arg: { currency: 'CNY', signs: '+-' },
      remote: ['100.00', '0.60'],
      entity: { amount: 9940, currency: 'CNY' },
    },
    {
      arg: { currency: 'CNY', signs: '++' },
      remote: ['0.10', '0.20'],
      entity: { amount: 30, currency: 'CNY' },
    },
    {
      arg: { currency: 'CNY', signs: '+-' },
      remote: ['100.00', null],
      entity: { amount: 10_000, currency: 'CNY' },
    },
    { arg: { currency: 'CNY', signs: '+-' }, remote: [null, null], entity: null },
    {
      arg: { currency: 'CNY', signs: '+-', as: 'minor' },
      remote: [5, 5],
      entity: { amount: 0, currency: 'CNY' },
    },
    { arg: { currency: 'CNY', signs: '+-' }, remote: ['100.00', 'free'] },
    { arg: { currency: 'CNY', signs: '++' }, remote: ['90071992547409.91', '0.01'] },
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
      const text = normal(String(value)).replace(/\s+/gu, '');
      if (text === '') return null;
      const made = shifted(text.replace(/%$/u, ''), -2);
      return made === undefined ? new Misfit('format', `is no percentage`, value) : Number(made);
    },
    backward: (value) => {
      if (typeof value !== 'number') return wrongType(value, ['number']);
      const made = shifted(String(value), 2);
      return made === undefined
        ? new Misfit('format', `is too small or too large a share`, value)
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

export const amountSteps: Readonly<Record<string, Step>> = { money, 'money-pair': moneyPair, sum, percent };
