import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CrosswalkError } from '../../src/errors.ts';
import { parseMapping, readEntity, readKind, readMapping } from '../../src/mapping/document.ts';
import { readJson } from '../../src/mapping/text.ts';
import { entityOf, sample, sampleText } from './sample.ts';

const errorOf = (run: () => unknown): CrosswalkError => {
  try {
    run();
  } catch (error) {
    if (error instanceof CrosswalkError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('lines', () => {
  test('every member and item is named by its line', () => {
    const text = '{\n  "a": {\n    "b~/c": [1,\n      {"d": "x\\n\\"}"}\n    ]\n  },\n  "e": null\n}';
    const read = readJson(text);
    if (!('value' in read)) throw new Error(read.detail);
    expect(read.value).toEqual(JSON.parse(text));
    expect(read.lineOf('')).toBe(1);
    expect(read.lineOf('/a')).toBe(2);
    expect(read.lineOf('/a/b~0~1c')).toBe(3);
    expect(read.lineOf('/a/b~0~1c/0')).toBe(3);
    expect(read.lineOf('/a/b~0~1c/1/d')).toBe(4);
    expect(read.lineOf('/e')).toBe(7);
    expect(read.lineOf('/e/not/there')).toBe(7);
  });

  test('any pretty-printed JSON reads, and no pointer is lost', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value, null, 2);
        const read = readJson(text);
        if (!('value' in read)) throw new Error(read.detail);
        expect(JSON.stringify(read.value)).toBe(JSON.stringify(JSON.parse(text)));
        expect(read.lineOf('/nowhere')).toBe(1);
      }),
    );
  });

  test('a syntax error, and a name that stands twice, have their line', () => {
    expect(readJson('{\n "a": 1,\n "b" 2\n}')).toMatchObject({ line: 3 });
    expect(readJson('{\n "a": 1,\n')).toMatchObject({ line: 3 });
    expect(readJson('// no\n{}\n')).toEqual({ detail: "Unexpected token '/'", line: 1 });
    expect(readJson('{\n "a": name,\n "b": 1\n}')).toEqual({ detail: "Unexpected token 'a'", line: 2 });
    expect(readJson('{\n "a": 1\n}\n}')).toMatchObject({ line: 4 });
    expect(readJson('{\n "a": 1,\n "\\u0061": 2\n}')).toEqual({
      detail: '"a" stands twice in one object',
      line: 3,
    });
  });
});

describe('hostile text', () => {
  test('that is no UTF-8 is told so, whatever its letters', () => {
    const gbk = Buffer.from([0x7b, 0x22, 0xc9, 0xcf, 0xba, 0xa3, 0x22, 0x3a, 0x31, 0x7d]);
    for (const bytes of [gbk, Buffer.from('\ufeff{}', 'utf16le')]) {
      const error = errorOf(() => readMapping(bytes, 'm.json'));
      expect([error.code, error.message]).toEqual([
        'mapping-unreadable',
        'm.json:1: This is not JSON: its bytes are not UTF-8 (save it as UTF-8, not as GBK or UTF-16).',
      ]);
    }
    expect(readMapping(Buffer.from(`\ufeff${sampleText().replaceAll('\n', '\r\n')}`), 'm.json').name).toBe(
      'sample',
    );
  });

  test('that is nested deep, or has long names above many values, costs no more than its length', () => {
    const deep = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    expect(readJson(deep)).toEqual({ detail: 'it is nested more than 100 deep', line: 1 });
    const wide = readJson(`{"${'n'.repeat(1_000_000)}":[${'0,'.repeat(500_000)}\n0]}`);
    if (!('value' in wide)) throw new Error(wide.detail);
    expect(wide.lineOf(`/${'n'.repeat(1_000_000)}/500000`)).toBe(2);
  });

  test('with very many places is read in the time that its length asks for', () => {
    // Comparing each with each would take hours.
    const ignored = Array.from({ length: 100_000 }, (_, index) => `/place${index}`);
    const many = JSON.stringify({ ...JSON.parse(sampleText()), ignored });
    expect(readMapping(many, 'm.json').ignored).toHaveLength(100_000);
    const twice = JSON.stringify({ ...JSON.parse(sampleText()), ignored: ['/a', '/a'] });
    expect(errorOf(() => readMapping(twice, 'm.json')).message).toContain('duplicate');
  });

  test('has its lines counted with any ending of lines that editors write', () => {
    for (const end of ['\n', '\r\n'])
      expect(readJson(['{', ' "a": 1,', ' "a": 2', '}'].join(end))).toMatchObject({ line: 3 });
  });

  test('a name that is none is told as a name', () => {
    const text = sampleText().replace('"email":', '"__proto__":');
    expect(errorOf(() => readMapping(text, 'm.json')).message).toContain(
      'at /fields has the name "__proto__"',
    );
  });
});

describe('readKind', () => {
  test.each([
    ['{"type":"object",\n"properties":{"a":\n{"type":"intger"}}}', 'kind-shape', ':3 /properties/a/type: '],
    ['[]', 'kind-shape', 'must be an object'],
    ['{"type": "object",}', 'mapping-unreadable', 'not JSON'],
    [
      '{"type":"object","properties":{"a":{"$ref":"https://example.cn/a.json"}}}',
      'kind-shape',
      'resolve reference',
    ],
  ])('refuses %s', (text, code, words) => {
    const error = errorOf(() => readKind(text, 'person.schema.json'));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
  });
});

describe('readMapping', () => {
  test('reads a mapping and fills what may be left out', () => {
    const document = sample({}, { ignored: [], examples: [] });
    expect(document.name).toBe('sample');
    expect(document.file).toBe('sample.json');
    expect(
      readMapping(
        '{"name":"a","remote":{"connector":"b","kind":"c"},"entity":"d","fields":{"e":{"at":"/e"}}}',
        'f',
      ),
    ).toMatchObject({ ignored: [], examples: [] });
  });

  test('names file, line, pointer and the word that was meant', () => {
    const text = sampleText({ email: { at: '/mail', setps: ['trim'] } });
    const error = errorOf(() => readMapping(text, 'sample.json'));
    const line = text.slice(0, text.indexOf('setps')).split('\n').length;
    expect(error.code).toBe('mapping-shape');
    expect(error.place).toEqual({ file: 'sample.json', pointer: '/fields/email/setps', line });
    expect(error.message).toContain('did you mean "steps"?');
  });

  test('tells all faults at once', () => {
    const { document, findings } = parseMapping(
      sampleText({ email: { at: 'mail' }, size: { at: '/size', flow: 'up' } }, { name: 'Bad Name' }),
      'sample.json',
    );
    expect(document).toBe(undefined);
    expect(findings.map((one) => one.pointer).sort()).toEqual([
      '/fields/email/at',
      '/fields/size/flow',
      '/name',
    ]);
    expect(new Set(findings.map((one) => one.code))).toEqual(new Set(['mapping-shape']));
  });

  test('is no JSON', () => {
    const error = errorOf(() => readMapping('{\n  "name": "x"\n  "entity": "y"\n}', 'm.json'));
    expect(error.code).toBe('mapping-unreadable');
    expect(error.place).toEqual({ file: 'm.json', pointer: '', line: 3 });
  });

  test.each(['/__proto__/a', '/a/constructor', '/prototype', '/a/__proto__'])(
    'refuses the pointer %s',
    (pointer) => {
      for (const text of [
        sampleText({ email: { at: pointer } }),
        sampleText({ email: { at: ['/mail', pointer], steps: [{ join: '' }], flow: 'in' } }),
        sampleText({}, { anchor: pointer }),
        sampleText({}, { ignored: [pointer] }),
      ]) {
        const error = errorOf(() => readMapping(text, 'sample.json'));
        expect(error.code).toBe('mapping-pointer-hostile');
        expect(error.place.line).toBeGreaterThan(1);
      }
    },
  );

  test.each(['__proto__', 'a-b', '1a'])('refuses the field name %s', (name) => {
    const text = sampleText().replace('"email":', `"${name}":`);
    expect(errorOf(() => readMapping(text, 'sample.json')).code).toBe('mapping-shape');
  });
});

describe('readEntity', () => {
  test('reads the shipped entities', () => {
    const contact = entityOf('contact');
    expect(contact.name).toBe('contact');
    expect(contact.history).toEqual(new Set(['stage', 'owner']));
    expect([...contact.fields.keys()]).toContain('customerId');
    expect(entityOf('customer').name).toBe('customer');
  });

  test('every field has a title and a sentence', () => {
    for (const entity of [entityOf('contact'), entityOf('customer')]) {
      for (const schema of entity.fields.values()) {
        expect(schema['title']).toMatch(/^[A-Z]/u);
        expect(schema['description']).toMatch(/\.$/u);
      }
    }
  });

  test.each([
    ['{"type":"object","properties":{"a":{}}}', 'lacks "$id"'],
    ['{"$id":"a","type":"object","properties":{"a":{"type":"text"}}}', 'at /properties/a/type is "text"'],
    ['{"$id":"a","type":"object","properties":{"__proto__":{"type":"string"}}}', 'properties'],
    ['{"$id":"a","type":"object","properties":{"a":{"history":"all"}}}', '/properties/a/history'],
  ])('refuses %s', (text, words) => {
    const error = errorOf(() => readEntity(text, 'e.schema.json'));
    expect(error.code).toBe('entity-shape');
    expect(error.message).toContain(words);
  });
});
