import * as fc from 'fast-check';
import { parsePhoneNumberFromString } from 'libphonenumber-js/min';
import { describe, expect, test } from 'vitest';
import type { Json, JsonSchema } from '../../src/connector.ts';
import { stepSchema } from '../../tools/step-schema.ts';
import { schemaChecker, schemaFault, typeFits, typeOfValue } from '../../src/mapping/schema.ts';
import { Misfit } from '../../src/mapping/step.ts';
import type { BoundStep } from '../../src/mapping/step.ts';
import { classOf, stepNamed, stepNames } from '../../src/mapping/steps.ts';
import { textOf } from './sample.ts';

const bound = (name: string, arg?: Json): BoundStep => {
  const step = stepNamed(name);
  if (step === undefined) throw new Error(`no step ${name}`);
  const places = typeof step.places === 'function' ? step.places(arg) : step.places;
  return step.bind(arg, { inward: 'park', outward: 'park', places: typeof places === 'number' ? places : 1 });
};

describe.each(stepNames)('step %s', (name) => {
  const step = stepNamed(name);
  test('is named in kebab-case, told in a sentence, and shown by examples', () => {
    expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/u);
    expect(step?.doc).toMatch(/\w.*[.\]]$/u);
    expect(step?.examples.length).toBeGreaterThan(0);
  });

  test.each(step?.examples ?? [])('holds for $remote', (example) => {
    const { forward, backward } = bound(name, example.arg);
    if (example.arg !== undefined) {
      expect(schemaChecker(step?.arg ?? {}, false)(example.arg)).toBe(true);
      expect(step?.fault?.(example.arg) ?? null).toBe(null);
    }
    const read = forward(example.remote);
    if (example.entity === undefined) {
      expect(read).toBeInstanceOf(Misfit);
      expect((read as Misfit).sentence(false).length).toBeGreaterThan(10);
      return;
    }
    expect(read).toEqual(example.entity);
    if (read !== null && !(read instanceof Misfit)) {
      const types = step?.gives(example.arg, step.takes) ?? [];
      expect(typeFits(typeOfValue(read), types)).toBe(true);
      if (example.entity !== null && step !== undefined && classOf(step, example.arg) !== 'lossy') {
        const written = backward?.(read);
        expect(written).toEqual(example.back === undefined ? example.remote : example.back);
        expect(forward(written as Json)).toEqual(example.entity);
      }
    }
  });
});

test('the published schema tells every step, and takes what the steps take', () => {
  const schema = JSON.parse(textOf('mappings/mapping.schema.json')) as { $defs: { step: JsonSchema } };
  expect(schema.$defs.step, 'run npm run docs').toEqual(JSON.parse(JSON.stringify(stepSchema())));
  const takes = schemaChecker(schema as unknown as JsonSchema, false);
  const mapping = (use: Json): Json => ({
    name: 'a',
    remote: { connector: 'c', kind: 'k' },
    entity: 'e',
    fields: { f: { at: '/f', steps: [use] } },
  });
  for (const name of stepNames)
    for (const { arg } of stepNamed(name)?.examples ?? [])
      expect(
        takes(mapping(arg === undefined ? name : { [name]: arg })),
        `${name} ${JSON.stringify(arg)}`,
      ).toBe(true);
  for (const wrong of [
    'phone',
    'trimm',
    { trim: 1 },
    { phone: 'china' },
    { truncate: 0 },
    { a: 1, b: 2 },
    7,
  ] as Json[])
    expect(takes(mapping(wrong)), JSON.stringify(wrong)).toBe(false);
});

test('the published schema describes everything that a mapping may say, and is itself one', () => {
  const schema = JSON.parse(textOf('mappings/mapping.schema.json')) as JsonSchema;
  expect(schemaFault(schema)).toBe(null);
  const bare: string[] = [];
  const defs = schema['$defs'] as Record<string, JsonSchema>;
  const walk = (at: Json | undefined, path: string): void => {
    if (typeof at !== 'object' || at === null) return;
    if (!Array.isArray(at))
      for (const [name, one] of Object.entries((at['properties'] ?? {}) as Record<string, JsonSchema>)) {
        const named = String(one['$ref'] ?? '').replace('#/$defs/', '');
        if (one['description'] === undefined && defs[named]?.['description'] === undefined)
          bare.push(`${path}/${name}`);
      }
    for (const [name, inner] of Object.entries(at)) walk(inner, `${path}/${name}`);
  };
  walk(schema, '');
  expect(bare).toEqual([]);
});

test('the README tells every step', () => {
  const readme = textOf('mappings/README.md');
  expect(
    stepNames.filter((name) => !readme.includes(`| \`${name}\` |`)),
    'run npm run docs',
  ).toEqual([]);
});

const NAME_ALPHABET = [
  ...'王李欧阳司马小明修文김민수山たろうー ·AbcDé-\u3000',
  ' van ',
  ' de ',
  ' Jr.',
  'Ann ',
];
const nameText = fc
  .array(fc.constantFrom(...NAME_ALPHABET), { maxLength: 8 })
  .map((letters) => letters.join(''));

test.each([
  [undefined, 2],
  [{ places: ['given', 'family'] }, 2],
  [{ places: ['given', 'middle', 'family'] }, 3],
  [{ order: 'family-first' }, 2],
  [{ order: 'family-first', places: ['family', 'middle', 'given'] }, 3],
])('person-name %j comes back for any places', (arg, count) => {
  const { forward, backward } = bound('person-name', arg);
  fc.assert(
    fc.property(fc.array(nameText, { minLength: count, maxLength: count }), (places) => {
      const name = forward(places);
      if (name === null) return;
      const again = backward?.(name as Json);
      expect(forward(again as Json)).toEqual(name);
    }),
    { numRuns: 2000 },
  );
});

test('address comes back for any four places', () => {
  const { forward, backward } = bound('address');
  const part = fc.option(
    fc
      .array(
        fc.constantFrom('浙江省', '上海', '市', '区', '西湖', 'O', 'ᴼ', '\u0308', ' ', '１', 'a', '路'),
        { maxLength: 4 },
      )
      .map((letters) => letters.join('')),
  );
  fc.assert(
    fc.property(fc.tuple(part, part, part, part), (places) => {
      const line = forward(places);
      if (line === null) return;
      expect(forward(backward?.(line as Json) as Json)).toEqual(line);
    }),
    { numRuns: 5000 },
  );
});

test('names are parted as people would', () => {
  const { backward } = bound('person-name', { places: ['family', 'given', 'middle'] });
  for (const [name, ...parts] of [
    ['欧阳修', '欧阳', '修', null],
    ['欧陽修', '欧', '陽修', null],
    ['歐陽修', '歐陽', '修', null],
    ['赫连勃勃', '赫连', '勃勃', null],
    ['万俟卨', '万俟', '卨', null],
    ['司马', '司', '马', null],
    ['王', '王', null, null],
    ['김민수', '김', '민수', null],
    ['남궁민수', '남궁', '민수', null],
    ['山田 太郎', '山田', '太郎', null],
    ['山田 たろう', '山田', 'たろう', null],
    ['買買提·艾力', '買買提·艾力', null, null],
    ['Madonna', 'Madonna', null, null],
    ['Ann Smith', 'Smith', 'Ann', null],
    ['Ann Marie Jane Smith', 'Smith', 'Ann', 'Marie Jane'],
    ['Ludwig van Beethoven', 'van Beethoven', 'Ludwig', null],
    ['Jan Piet van der Berg', 'van der Berg', 'Jan', 'Piet'],
    ['María de los Ángeles', 'de los Ángeles', 'María', null],
    ['van Dyck', 'Dyck', 'van', null],
    ['Martin Luther King Jr.', 'King Jr.', 'Martin', 'Luther'],
    ['Ann III', 'III', 'Ann', null],
    ['小明 Wang', 'Wang', '小明', null],
  ] as const)
    expect(backward?.(name), name).toEqual(parts);
  expect(bound('person-name', { order: 'family-first' }).backward?.('Wang Xiao Ming')).toEqual([
    'Wang',
    'Xiao Ming',
  ]);
  expect(stepNamed('person-name')?.fault?.({ places: ['given', 'middle'] })).toContain('the family name');
});

test('settling steps are at rest after one turn', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    nameText,
    fc.constantFrom('１２', 'ＡＢ', 'İ', 'ß', ' a  b '),
  );
  for (const name of ['trim', 'lower', 'upper', 'collapse-space', 'half-width']) {
    const { forward } = bound(name);
    fc.assert(
      fc.property(texts, (text) => {
        expect(forward(forward(text) as Json)).toBe(forward(text));
      }),
    );
  }
});

test('phone numbers and times come back', () => {
  const phone = bound('phone', 'CN');
  fc.assert(
    fc.property(fc.integer({ min: 13_000_000_000, max: 19_999_999_999 }), (digits) => {
      const read = phone.forward(` ${digits} `);
      expect(read).toBe(`+86${digits}`);
      expect(phone.forward(phone.backward?.(read as Json) as Json)).toBe(read);
    }),
  );
  for (const unit of ['iso', 'epoch-ms', 'epoch-s']) {
    const time = bound('time', unit);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        const iso = new Date(seconds * 1000).toISOString();
        expect(time.forward(time.backward?.(iso) as Json)).toBe(iso);
      }),
    );
  }
});

test('numbers never lose digits in silence', () => {
  const { forward } = bound('number');
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789.-+eE '), maxLength: 25 }), (text) => {
      const read = forward(text);
      if (read === null || read instanceof Misfit) return;
      expect(Math.abs(Number(read))).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
      expect(Object.is(read, -0)).toBe(false);
    }),
    { numRuns: 2000 },
  );
});

test('a table falls back as it is told', () => {
  const step = stepNamed('table');
  const arg = { lead: 'lead' };
  const kept = step?.bind(arg, { inward: 'keep', outward: { value: 'other' }, places: 1 });
  expect(kept?.forward('x')).toMatchObject({ code: 'kept', value: 'x' });
  expect(step?.bind(arg, { inward: 'pass', outward: 'pass', places: 1 }).forward('x')).toBe('x');
  expect(kept?.backward?.('gone')).toBe('other');
  const dropped = step?.bind(arg, { inward: 'null', outward: 'null', places: 1 });
  expect(dropped?.forward('x')).toBe(null);
});

test('a credit code with one character mistyped is never taken for another', () => {
  const { forward } = bound('credit-code');
  const letters = '0123456789ABCDEFGHJKLMNPQRTUWXY';
  // From the tests of others, with both check digits right.
  for (const code of [
    '91110000600037341L',
    '121200004013590816',
    '91340600MA2PBM9HXD',
    '91310115MA1K3BTP2B',
  ]) {
    expect(forward(code)).toBe(code);
    for (let at = 0; at < code.length; at += 1) {
      for (const letter of letters) {
        if (letter === code[at]) continue;
        const mistyped = code.slice(0, at) + letter + code.slice(at + 1);
        expect(forward(mistyped), mistyped).toBeInstanceOf(Misfit);
      }
    }
  }
});

test('every day of 400 years comes back in every pattern', () => {
  for (const pattern of ['iso', 'compact', 'slash', 'chinese']) {
    const { forward, backward } = bound('date', pattern);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 146_096 }), (days) => {
        const day = new Date(Date.UTC(1800, 0, 1 + days)).toISOString().slice(0, 10);
        expect(forward(backward?.(day) as Json)).toBe(day);
      }),
    );
  }
});

test('percent loses nothing that people write', () => {
  const { forward, backward } = bound('percent');
  fc.assert(
    fc.property(fc.integer({ min: -1_000_000, max: 1_000_000 }), (n) => {
      const text = `${n / 100}%`;
      const share = forward(text);
      expect(share).toBeCloseTo(n / 10_000, 12);
      expect(backward?.(share as Json)).toBe(text === '-0%' ? '0%' : text);
    }),
    { numRuns: 2000 },
  );
});

test('hash-key parts do not run into each other, and spelling does not matter', () => {
  const { forward } = bound('hash-key');
  expect(forward(['ab', 'c'])).not.toBe(forward(['a', 'bc']));
  expect(forward(['Ａb ', 1])).toBe(forward(['ab', '1']));
});

test('list names the item that does not fit, and refuses steps that work on more than one', () => {
  const { forward } = bound('list', { phone: 'CN' });
  expect(forward(['13800138000', '+8613900139000'])).toEqual(['+8613800138000', '+8613900139000']);
  expect((forward(['13800138000', 'ask Li']) as Misfit).sentence(false)).toContain('item 2: ');
  const fault = stepNamed('list')?.fault;
  for (const inner of [
    'trimm',
    'person-name',
    'list',
    'phone',
    { trim: 1 },
    { default: 'x' },
    { phone: 'china' },
  ])
    expect(fault?.(inner as Json), JSON.stringify(inner)).toEqual(expect.any(String));
  for (const inner of ['trim', { phone: 'CN' }, { table: { a: 'b' } }])
    expect(fault?.(inner as Json)).toBe(null);
});

test('money is exact: what is written and read again is the same to the last unit', () => {
  for (const currency of ['CNY', 'JPY', 'KWD', 'CLF']) {
    for (const as of ['decimal', 'minor']) {
      const { forward, backward } = bound('money', { currency, as });
      fc.assert(
        fc.property(fc.maxSafeInteger(), (amount) => {
          const written = backward?.({ amount, currency });
          expect(forward(written as Json)).toEqual({ amount: amount + 0, currency });
        }),
      );
    }
  }
  const { backward } = bound('money', { currency: 'CNY' });
  for (const wrong of [
    { amount: 1, currency: 'USD' },
    { amount: 1.5, currency: 'CNY' },
    12,
    null,
    { amount: '1' },
  ])
    expect(backward?.(wrong as Json), JSON.stringify(wrong)).toBeInstanceOf(Misfit);
  expect(stepNamed('money')?.fault?.({ currency: 'XAU' })).toContain('nobody pays');
});

test('the fast way for mainland mobile numbers says what the library says', () => {
  const { forward } = bound('phone', 'CN');
  for (let prefix = 130; prefix < 200; prefix += 1) {
    for (const rest of ['00000000', '12345678', '99999999', '13800138']) {
      const number = `${prefix}${rest}`;
      const told = parsePhoneNumberFromString(number, { defaultCountry: 'CN', extract: false });
      expect(told?.isPossible(), number).toBe(true);
      for (const text of [number, `+86${number}`, ` ${number} `])
        expect(forward(text), text).toBe(told?.number);
    }
  }
});

test('arguments that cannot mean anything are refused in words', () => {
  const wrong: readonly (readonly [string, Json, string])[] = [
    ['time', 'epoch', 'must be'],
    ['time', { pattern: 'yyyy-MM-dd', zone: 'Asia/Shanghai' }, 'does not say'],
    ['time', { pattern: 'yyyy-MM-dd HH:mm', zone: 'CST' }, 'zones are such as'],
    ['time', { pattern: 'yyyy-MM-dd HH:mm', zone: 'Asia/Shanghia' }, 'zones are such as'],
    ['date', 'german', 'must be one of'],
    ['date', { pattern: 'MM/yyyy' }, 'does not say'],
    ['date', { zone: 'Mars/Olympus' }, 'zones are such as'],
    ['phone', 'XX', 'no region'],
    ['sum', { currency: 'XAU', signs: '+-' }, 'nobody pays'],
  ];
  for (const [name, arg, words] of wrong) expect(stepNamed(name)?.fault?.(arg), name).toContain(words);
});

test('local times come back from every zone, but for the hour that comes twice', () => {
  for (const zone of [
    'Asia/Shanghai',
    'Europe/Berlin',
    'America/New_York',
    'Asia/Kolkata',
    '+08:00',
    'UTC',
  ]) {
    const { forward, backward } = bound('time', { pattern: 'yyyy-MM-dd HH:mm:ss', zone });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
        const iso = new Date(seconds * 1000).toISOString();
        const written = backward?.(iso) as Json;
        const again = forward(written);
        // The second of two equal hours is read as the first, and then stays.
        if (again !== iso) expect(Date.parse(iso) - Date.parse(String(again))).toBe(3_600_000);
        expect(backward?.(again as Json)).toBe(written);
      }),
      { numRuns: 300 },
    );
  }
});

test('addresses never lose a character, wherever they are cut', () => {
  const { forward, backward } = bound('address');
  const word = fc.constantFrom(
    '浙江省',
    '浙江',
    '上海市',
    '杭州市',
    '西湖区',
    '吉林省',
    '吉林市',
    '市中区',
    '文三路',
    '1号',
    '自治州',
    '香港特别行政区',
  );
  const text = fc.array(word, { minLength: 1, maxLength: 7 }).map((words) => words.join(''));
  fc.assert(
    fc.property(text, (line) => {
      const parts = backward?.(line) as Json[];
      const joined = forward(parts);
      // The name of a city under the central government stands once, however often it is written.
      expect(joined).toBe(line.replace(/^(上海市)\1+/u, '$1'));
      expect(backward?.(joined as Json)).toEqual(parts);
    }),
    { numRuns: 2000 },
  );
});

test('truncate counts what a schema counts, and tells what it cut', () => {
  const { forward, note } = bound('truncate', 5);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 12 }), (text) => {
      const made = forward(text) as string;
      expect([...made].length).toBeLessThanOrEqual(5);
      expect(text.startsWith(made)).toBe(true);
      expect(forward(made)).toBe(made);
      expect(note?.(text) === null).toBe(made === text);
    }),
  );
});

test('a masked sentence shows no more than the ends of a value', () => {
  const misfit = bound('phone', 'CN').forward('ask Li about it') as Misfit;
  expect(misfit.sentence(false)).toContain('"ask Li about it"');
  expect(misfit.sentence(true)).toBe('"ask••••••••••it" is not a phone number that can be dialled from CN');
  expect(new Misfit('format', 'is odd', '王小明').sentence(true)).toBe('"王••" is odd');
  expect(new Misfit('format', 'is odd', { a: '王小明' }).sentence(true)).toBe('{•••} is odd');
});

/** Texts made of the letters and words of a step's own examples, and of letters that change with their neighbours. */
const likeExamples = (values: readonly Json[]): fc.Arbitrary<string> => {
  const texts = values
    .flat(3)
    .filter((value) => typeof value === 'string' || typeof value === 'number')
    .map(String);
  const pieces = [
    ...texts,
    ...texts.flatMap((text) => [...text]),
    ' ',
    '\u3000',
    '\u0308',
    '１',
    'Ａ',
    'İ',
    'ß',
    '·',
    '，',
  ];
  return fc.array(fc.constantFrom(...pieces), { maxLength: 6 }).map((all) => all.join(''));
};

describe('what is read, written and read again is the same', () => {
  const withWayBack = stepNames.flatMap((name) => {
    const step = stepNamed(name);
    const args = new Map((step?.examples ?? []).map(({ arg }) => [JSON.stringify(arg) ?? '', arg]));
    return [...args.values()]
      .filter((arg) => step !== undefined && classOf(step, arg) !== 'lossy')
      .map((arg) => [name, arg] as const);
  });
  test.each(withWayBack)('%s %j', (name, arg) => {
    const step = stepNamed(name);
    const { forward, backward } = bound(name, arg);
    const said = typeof step?.places === 'function' ? step.places(arg) : step?.places;
    const text = likeExamples((step?.examples ?? []).map((one) => one.remote));
    const one: fc.Arbitrary<Json> =
      typeof said === 'number'
        ? fc.array(fc.option(text), { minLength: said, maxLength: said })
        : fc.oneof(
            text,
            fc.array(text, { maxLength: 3 }),
            fc.constantFrom<Json>(...(step?.examples ?? []).map((each) => each.remote)),
          );
    fc.assert(
      fc.property(one, (remote) => {
        const read = forward(remote);
        if (read instanceof Misfit || read === null || read === '') return;
        const written = backward?.(read);
        // A value that the place cannot hold is told, and not written as another.
        if (written === undefined || written instanceof Misfit) return;
        expect(forward(written)).toEqual(read);
      }),
      { numRuns: 1500 },
    );
  });
});

describe('what strangers send', () => {
  const units = [
    'a',
    '1',
    ' ',
    '中',
    '<a>',
    '</p>',
    '&#',
    '1,',
    '.a',
    'a@',
    'x1',
    '省市',
    '·',
    'たあ',
    'ﷺ',
    '\u0000',
    '\ud83d',
    '👩\u200d',
    '-',
    '"',
  ];
  // A pattern that backtracks would not end within the time that a test has.
  test.each(stepNames.filter((name) => name !== 'expression'))(
    '%s takes long text of any sort, or says no',
    (name) => {
      const step = stepNamed(name);
      for (const { arg } of step?.examples.slice(0, 3) ?? []) {
        const said = typeof step?.places === 'function' ? step.places(arg) : step?.places;
        const count = said === 'any' ? 2 : said;
        const { forward, backward } = bound(name, arg);
        for (const unit of units) {
          const text = `${unit.repeat(Math.ceil(20_000 / unit.length))}!`;
          const value = count === undefined ? text : Array.from({ length: count }, () => text);
          for (const made of [forward(value), forward([text]), backward?.(text), backward?.([text])])
            if (made !== undefined && !(made instanceof Misfit))
              expect(JSON.stringify(made)).toBeTypeOf('string');
        }
      }
    },
  );

  test('a page that nests its tags by the thousand is not looked at', () => {
    const { forward } = bound('html-text');
    expect(forward('<a>'.repeat(20_001))).toMatchObject({ code: 'overflow' });
    expect(forward(`<p>${'x'.repeat(900_000)}</p>`)).toHaveLength(900_000);
  });

  test('text that would grow when it is brought into ordinary width stays as it is', () => {
    expect((bound('credit-code').forward('ﷺ'.repeat(10_001)) as Misfit).said).toContain(
      'it has 10001 characters',
    );
    expect(bound('hash-key').forward(['ﷺ'.repeat(20_000), 'a'])).toMatch(/^[0-9a-f]{64}$/u);
  });
});
