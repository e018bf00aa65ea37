import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Json } from '../connector.ts';
import { Misfit, wrongType, normal } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Steps for values that name one thing in the world: codes with a check digit, addresses on the net, keys. */

/** A step from text to text whose way back is itself; empty text is empty. */
const settlingText = (read: (text: string) => Outcome): Pick<Step, 'class' | 'takes' | 'gives' | 'bind'> => {
  const turn = (value: Json): Outcome => {
    if (typeof value !== 'string') return wrongType(value, ['string']);
    return value.trim() === '' ? null : read(value);
  };
  return {
    class: 'settling',
    takes: ['string'],
    gives: () => ['string'],
    bind: () => ({ forward: turn, backward: turn }),
  };
};

// ---------------------------------------------------------------- 统一社会信用代码

/** GB 32100-2015: the value of a character is its place here; I, O, S, V and Z do not occur. */
const CODE_LETTERS = '0123456789ABCDEFGHJKLMNPQRTUWXY';
const CODE = /^[0-9A-HJ-NPQRTUWXY]{2}\d{6}[0-9A-HJ-NPQRTUWXY]{10}$/u;

/** The 18th character: 31 less the sum of the values times 3^i, modulo 31. */
const checkLetter = (code: string): string => {
  let sum = 0;
  let weight = 1;
  for (const letter of code.slice(0, 17)) {
    sum += CODE_LETTERS.indexOf(letter) * weight;
    weight = (weight * 3) % 31;
  }
  return CODE_LETTERS[(31 - (sum % 31)) % 31] ?? '';
};

const creditCode: Step = {
  doc: 'Reads a 统一社会信用代码 (GB 32100-2015) in any width, case and grouping, and checks its last character.',
  ...settlingText((text) => {
    const code = normal(text)
      .replace(/[\s\u200b-\u200d\ufeff-]/gu, '')
      .toUpperCase();
    if (code.length !== 18)
      return new Misfit('format', `is no 统一社会信用代码: it has ${code.length} characters, not 18`, text);
    const never = /[IOSVZ]/u.exec(code)?.[0];
    if (never !== undefined)
      return new Misfit('format', `is no 统一社会信用代码: the letter ${never} never occurs in one`, text);
    if (!CODE.test(code))
      return new Misfit('format', `is no 统一社会信用代码: characters 3 to 8 are digits in one`, text);
    return checkLetter(code) === code[17]
      ? code
      : new Misfit('format', `is no 统一社会信用代码: its last character does not fit the others`, text);
  }),
  examples: [
    { remote: '91110000600037341L', entity: '91110000600037341L' },
    {
      remote: '９１１１００００６０００３７３４１ｌ',
      entity: '91110000600037341L',
      back: '91110000600037341L',
    },
    { remote: ' 9144 0300 7152 6726-xg ', entity: '9144030071526726XG', back: '9144030071526726XG' },
    { remote: '911522010783762860', entity: '911522010783762860' },
    { remote: '91310115MA1K3BTP2B', entity: '91310115MA1K3BTP2B' },
    { remote: '  ', entity: null },
    { remote: '91110000600037341N' },
    { remote: '9111000060003IOZSV' },
    { remote: 'A111000A600037341L' },
    { remote: '12345' },
  ],
};

// ---------------------------------------------------------------- on the net

/** One address, as browsers take it (HTML Living Standard), with a dot in its domain. */
const MAIL =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/u;

const eMail: Step = {
  doc: 'Reads one e-mail address in any width and case, and writes it in small letters.',
  ...settlingText((text) => {
    const made = normal(text).trim().toLowerCase();
    return made.length <= 254 && MAIL.test(made)
      ? made
      : new Misfit('format', `is not one e-mail address`, text);
  }),
  examples: [
    { remote: ' Ann.Smith@Huaxia.CN ', entity: 'ann.smith@huaxia.cn', back: 'ann.smith@huaxia.cn' },
    { remote: 'ａｎｎ＠ｘ．ｃｎ', entity: 'ann@x.cn', back: 'ann@x.cn' },
    { remote: '', entity: null },
    { remote: 'ann@x.cn; bob@x.cn' },
    { remote: 'ann@localhost' },
    { remote: 'Ann <ann@x.cn>' },
  ],
};

const url: Step = {
  doc: 'Reads a web address, https where it says no scheme, without a lone slash at its end; http and https only.',
  ...settlingText((text) => {
    const given = text.trim();
    const wrong = new Misfit('format', `is not a web address`, text);
    const full = /^[a-z][a-z0-9+.-]*:\/\//iu.test(given) ? given : `https://${given}`;
    if (!URL.canParse(full) || /\s/u.test(given)) return wrong;
    const made = new URL(full);
    const isWeb = made.protocol === 'http:' || made.protocol === 'https:';
    // A name and a password in an address are secrets that do not belong into a record.
    if (!isWeb || !made.hostname.includes('.') || made.username !== '' || made.password !== '') return wrong;
    return made.pathname === '/' && made.search === '' && made.hash === '' ? made.origin : made.href;
  }),
  examples: [
    { remote: 'WWW.Huaxia.cn', entity: 'https://www.huaxia.cn', back: 'https://www.huaxia.cn' },
    { remote: 'http://x.cn:80/', entity: 'http://x.cn', back: 'http://x.cn' },
    { remote: 'https://x.cn/a?b=1', entity: 'https://x.cn/a?b=1' },
    { remote: 'javascript:alert(1)' },
    { remote: 'https://ann:secret@x.cn' },
    { remote: 'not an address' },
  ],
};

// ---------------------------------------------------------------- tax numbers

/** By country: the numbers of companies that the library checks, and what they are called there. */
const TAX_NUMBERS: Readonly<Record<string, string>> = {
  AT: 'uid',
  AU: 'abn',
  BE: 'vat',
  BR: 'cnpj',
  CA: 'bn',
  CH: 'uid',
  DE: 'vat',
  DK: 'cvr',
  ES: 'nif',
  FI: 'alv',
  FR: 'tva',
  GB: 'vat',
  IE: 'vat',
  IN: 'gstin',
  IT: 'iva',
  JP: 'cn',
  KR: 'brn',
  NL: 'btw',
  NO: 'mva',
  NZ: 'ird',
  PL: 'nip',
  PT: 'nif',
  SE: 'vat',
  SG: 'uen',
  TW: 'ubn',
  US: 'ein',
};

const taxId: Step = {
  doc:
    'Reads the tax number of a company, {"tax-id": "DE"}, without blanks and marks, and checks its check digits: ' +
    `${Object.keys(TAX_NUMBERS).join(', ')}. For China use credit-code.`,
  class: 'settling',
  arg: { enum: Object.keys(TAX_NUMBERS) },
  takes: ['string'],
  gives: () => ['string'],
  bind: (arg) => {
    // Loaded by the first mapping that asks for it: it takes 90 ms.
    const { stdnum } = createRequire(import.meta.url)('stdnum') as typeof import('stdnum');
    const country = String(arg);
    const check = stdnum[country]?.[TAX_NUMBERS[country] ?? ''];
    const turn = (value: Json): Outcome => {
      if (typeof value !== 'string') return wrongType(value, ['string']);
      const text = normal(value).trim();
      if (text === '') return null;
      const made = check?.validate(text.slice(0, 60));
      return made?.isValid === true
        ? made.compact
        : new Misfit(
            'format',
            `is no tax number of ${country}: its form or its check digits do not fit`,
            value,
          );
    };
    return { forward: turn, backward: turn };
  },
  examples: [
    { arg: 'AU', remote: '83 914 571 673', entity: '83914571673', back: '83914571673' },
    { arg: 'DE', remote: 'DE 136,695 976', entity: '136695976', back: '136695976' },
    { arg: 'DE', remote: '136695978' },
    { arg: 'AU', remote: 'ask Li' },
    { arg: 'GB', remote: '', entity: null },
  ],
};

// ---------------------------------------------------------------- keys

const hashKey: Step = {
  doc:
    'Makes one key (SHA-256, 64 hexadecimal digits) of several places, mobile and name for instance, whatever their ' +
    'case, width and blanks; none if one is empty. There is no way back.',
  class: 'lossy',
  takes: ['array'],
  gives: () => ['string'],
  places: 'any',
  bind: () => ({
    forward: (value) => {
      if (!Array.isArray(value)) return wrongType(value, ['array']);
      const parts: string[] = [];
      for (const part of value) {
        if (part === null) return null;
        if (typeof part !== 'string' && typeof part !== 'number')
          return wrongType(part, ['string', 'number']);
        const text = normal(String(part)).replace(/\s+/gu, '').toLowerCase();
        if (text === '') return null;
        parts.push(text);
      }
      // As JSON, so that ["ab", "c"] and ["a", "bc"] differ.
      return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
    },
  }),
  examples: [
    {
      remote: ['138 0000 1111', ' 王小明'],
      entity: '6104a68d1f50fb604b34e43eaa9ad4bacefc28fe3cee6aacb2f91b884e6a6601',
    },
    { remote: ['13800001111', null], entity: null },
    { remote: [true] },
  ],
};

export const identifierSteps: Readonly<Record<string, Step>> = {
  'credit-code': creditCode,
  'e-mail': eMail,
  url,
  'tax-id': taxId,
  'hash-key': hashKey,
};
