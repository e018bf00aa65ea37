import { createRequire } from 'node:module';
import type { Json } from '../connector.ts';
import { shown } from './schema.ts';
import { Misfit, textStep, wrongType } from './step.ts';
import type { Outcome, Step } from './step.ts';

/** Text to text. */

const halfWidth = (text: string): string =>
  text
    .replace(/[\uFF01-\uFF5E]/gu, (letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) - 0xfee0))
    .replaceAll('\u3000', ' ');

const prefix: Step = {
  doc: 'Puts this text before the remote value, and takes it off again.',
  class: 'exact',
  arg: { type: 'string', minLength: 1, maxLength: 100 },
  takes: ['string'],
  gives: () => ['string'],
  bind: (arg) => {
    const mark = String(arg);
    return {
      forward: (value) => (typeof value === 'string' ? mark + value : wrongType(value, ['string'])),
      backward: (value) => {
        if (typeof value !== 'string') return wrongType(value, ['string']);
        if (value.startsWith(mark) && value !== mark) return value.slice(mark.length);
        return new Misfit('step', `does not start with ${shown(mark)}`, value);
      },
    };
  },
  examples: [
    { arg: 'HS-', remote: '42', entity: 'HS-42' },
    { arg: 'HS-', remote: 42 },
  ],
};

// ---------------------------------------------------------------- longer texts

/** Larger pages are no field of a customer; parsing them is what an attacker would ask for. */
const MOST_HTML = 1_000_000;
/** Tags that are never closed nest, and each level costs the parser a look at all above it. */
const MOST_TAGS = 20_000;
const load = createRequire(import.meta.url);

const htmlText: Step = {
  doc: 'Reads HTML as the text that a person sees: tags go, blocks become lines, links keep their address in brackets.',
  class: 'lossy',
  takes: ['string'],
  gives: () => ['string'],
  bind: () => {
    // Loaded by the first mapping that asks for it: it takes longer to load than all the rest of this folder.
    const { convert } = load('html-to-text') as typeof import('html-to-text');
    const options = {
      wordwrap: false as const,
      limits: { maxInputLength: MOST_HTML, maxDepth: 100 },
      selectors: [{ selector: 'img', format: 'skip' }],
    };
    return {
      forward: (value): Outcome => {
        if (typeof value !== 'string') return wrongType(value, ['string']);
        if (value.length > MOST_HTML)
          return new Misfit(
            'overflow',
            `has ${value.length} characters of HTML, and ${MOST_HTML} are taken at most`,
            value,
          );
        const tags = value.split('<', MOST_TAGS + 2).length - 1;
        if (tags > MOST_TAGS)
          return new Misfit(
            'overflow',
            `has more than ${MOST_TAGS} tags of HTML, which are not looked at`,
            value,
          );
        const text = convert(value, options).trim();
        return text === '' ? null : text;
      },
    };
  },
  examples: [
    { remote: '<p>你好 &amp; <b>welcome</b></p><p>second</p>', entity: '你好 & welcome\n\nsecond' },
    { remote: '<ul><li>a</li><li>b</li></ul>', entity: '* a\n * b' },
    { remote: 'a<br>b<script>alert(1)</script>', entity: 'a\nb' },
    { remote: '1 < 2', entity: '1 < 2' },
    { remote: '<p> </p>', entity: null },
    { remote: 7 },
  ],
};

const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

/** At most so many code points (what a JSON Schema's maxLength counts), never half a character. */
const cut = (text: string, most: number): string => {
  // A code point is at most two units, so that most texts need no closer look.
  if (text.length <= most) return text;
  let made = '';
  let size = 0;
  for (const { segment } of graphemes.segment(text)) {
    size += [...segment].length;
    if (size > most) break;
    made += segment;
  }
  return made.trimEnd();
};

const truncate: Step = {
  doc:
    'Cuts text to so many characters, both ways, and says so wherever it does. What was written cut is known to be the ' +
    'cut form of the longer value, which stays in the record.',
  class: 'settling',
  arg: { type: 'integer', minimum: 1, maximum: 1_000_000 },
  takes: ['string'],
  gives: () => ['string'],
  bind: (arg) => {
    const most = Number(arg);
    const turn = (value: Json): Outcome =>
      typeof value === 'string' ? cut(value, most) : wrongType(value, ['string']);
    return {
      forward: turn,
      backward: turn,
      note: (value) => {
        if (typeof value !== 'string' || cut(value, most) === value) return null;
        return `was cut from ${[...value].length} to ${most} characters`;
      },
    };
  },
  examples: [
    { arg: 4, remote: '世纪大道', entity: '世纪大道' },
    { arg: 4, remote: '世纪大道100号', entity: '世纪大道', back: '世纪大道' },
    { arg: 3, remote: 'ab 👩‍👩‍👧', entity: 'ab', back: 'ab' },
    { arg: 3, remote: 12 },
  ],
};

const UTM = ['campaign', 'source', 'medium', 'term', 'content', 'id'];

/** One parameter of a landing page's address, or of its bare query. */
const utmOf = (text: string, name: string): string | null => {
  const from = text.includes('?') ? text.slice(text.indexOf('?') + 1) : text;
  const found = new URLSearchParams(from.replace(/#.*$/su, '')).get(`utm_${name}`)?.trim() ?? '';
  return found === '' ? null : found;
};

const utm: Step = {
  doc:
    'Reads one of the utm parameters of a landing page’s address or query: {"utm": "campaign"}. A table after it turns ' +
    'the parameter into a campaign of yours. There is no way back.',
  class: 'lossy',
  arg: { enum: UTM },
  takes: ['string'],
  gives: () => ['string'],
  bind: (arg) => ({
    forward: (value) =>
      typeof value === 'string' ? utmOf(value, String(arg)) : wrongType(value, ['string']),
  }),
  examples: [
    {
      arg: 'campaign',
      remote: 'https://www.example.cn/a?utm_source=wechat&utm_campaign=%E6%98%A5%E5%AD%A3+2026#top',
      entity: '春季 2026',
    },
    { arg: 'source', remote: 'utm_source=baidu&utm_campaign=x', entity: 'baidu' },
    { arg: 'campaign', remote: 'https://www.example.cn/', entity: null },
    { arg: 'campaign', remote: 5 },
  ],
};

/** Control characters but for tabs and ends of lines, what has no width, and what turns the direction of text. */
const UNSEEN = /[[\p{Cc}--[\t\n\r]]\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gv;
const HALVES = /\p{Surrogate}/gu;

export const textSteps: Readonly<Record<string, Step>> = {
  clean: textStep(
    'Takes out what nobody sees: control characters, characters without width, marks that turn the direction of text, ' +
      'and halves of characters, as a cut emoji leaves them behind. Ends of lines and tabs stay.',
    (text) => text.replace(UNSEEN, '').replace(HALVES, ''),
    [
      { remote: 'a\u0000b\u202e\ufeff', entity: 'ab', back: 'ab' },
      { remote: '你好\ud83d', entity: '你好', back: '你好' },
      { remote: 'a\n👩\u200d👧', entity: 'a\n👩\u200d👧', back: 'a\n👩\u200d👧' },
    ],
  ),
  trim: textStep('Takes blanks off both ends.', (text) => text.trim(), [
    { remote: ' a ', entity: 'a', back: 'a' },
    { remote: 7 },
  ]),
  lower: textStep('Makes all letters small.', (text) => text.toLowerCase(), [
    { remote: 'A@X.CN', entity: 'a@x.cn', back: 'a@x.cn' },
  ]),
  upper: textStep('Makes all letters capital.', (text) => text.toUpperCase(), [
    { remote: 'nsw', entity: 'NSW', back: 'NSW' },
  ]),
  'collapse-space': textStep(
    'Makes one blank of several, and takes them off both ends.',
    (text) => text.trim().replace(/\s+/gu, ' '),
    [{ remote: ' a  b ', entity: 'a b', back: 'a b' }],
  ),
  'half-width': textStep(
    'Turns full-width letters, digits and blanks into ordinary ones: ＡＢ１ is AB1.',
    halfWidth,
    [{ remote: 'ＡＢ１　甲', entity: 'AB1 甲', back: 'AB1 甲' }],
  ),
  prefix,
  'html-text': htmlText,
  truncate,
  utm,
};
