/**
 * `npm run bench -- mapping`: a mapping of 11 fields (nested, with a table, a join and a number; a phone apart) over 1 KB records,
 * beside `JSON.parse` of the same records, the same mapping written by hand, and ajv alone; in turn, in one run.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonObject, JsonSchema } from '../../src/connector.ts';
import { compile } from '../../src/mapping/compile.ts';
import { readEntity, readMapping } from '../../src/mapping/document.ts';

const text = { type: 'string' };
const names = ['name', 'email', 'city', 'street', 'title', 'company', 'source', 'note', 'code'];
const entity = readEntity(
  JSON.stringify({
    $id: 'bench',
    type: 'object',
    properties: {
      ...Object.fromEntries(names.map((name) => [name, text])),
      stage: { type: 'string', enum: ['lead', 'won', 'lost'] },
      size: { type: 'number' },
      mobile: text,
    },
  }),
  'bench.schema.json',
);

const kind: JsonSchema = {
  type: 'object',
  properties: {
    properties: {
      type: 'object',
      properties: {
        ...Object.fromEntries(
          ['first', 'last', 'email', 'title', 'company', 'source', 'note', 'code', 'size', 'phone'].map(
            (name) => [name, text],
          ),
        ),
        stage: { type: 'string', enum: ['线索', '成交', '流失'] },
        address: { type: 'object', properties: { city: text, street: text } },
      },
    },
  },
};

const at = (name: string, steps: readonly unknown[] = ['trim']): object => ({
  at: `/properties/${name}`,
  steps,
});
const fields = {
  name: { at: ['/properties/first', '/properties/last'], steps: [{ join: ' ' }], flow: 'in' },
  email: at('email', ['trim', 'lower']),
  city: at('address/city'),
  street: at('address/street'),
  title: at('title'),
  company: at('company'),
  source: at('source'),
  note: at('note'),
  code: at('code', ['trim', 'upper']),
  stage: at('stage', [{ table: { 线索: 'lead', 成交: 'won', 流失: 'lost' } }]),
  size: at('size', ['number']),
};

const record = (n: number, mobile: boolean): JsonObject => ({
  properties: {
    first: '小明',
    last: `王${n}`,
    email: ` User${n}@Huaxia.CN `,
    title: '采购经理',
    company: '上海示例有限公司',
    source: 'web',
    note: `每年三月招标 ${n} ${'x'.repeat(500)}`,
    code: `ab-${n}`,
    stage: ['线索', '成交', '流失'][n % 3] ?? '线索',
    size: String(n),
    address: { city: '上海市', street: `世纪大道 ${n} 号` },
    ...(mobile ? { phone: `138${String(10_000_000 + n)}` } : {}),
  },
});

const lensWith = (more: object): ReturnType<typeof compile> => {
  const document = { name: 'bench', remote: { connector: 'bench', kind: 'bench' }, entity: 'bench' };
  const example = { remote: record(1, true), entity: {} };
  const file = 'bench.json';
  const read = (examples: readonly unknown[]): ReturnType<typeof readMapping> =>
    readMapping(
      JSON.stringify({
        ...document,
        fields: { ...fields, ...more },
        ignored: 'mobile' in more ? [] : ['/properties/phone'],
        examples,
      }),
      file,
    );
  return compile(read([example]), entity, kind);
};

const stages: Readonly<Record<string, string>> = { 线索: 'lead', 成交: 'won', 流失: 'lost' };
const byHand = (given: JsonObject): JsonObject => {
  const from = given['properties'] as Record<string, string> & { address: Record<string, string> };
  return {
    name: [from['first'], from['last']].filter((one) => (one ?? '').trim() !== '').join(' '),
    email: (from['email'] ?? '').trim().toLowerCase(),
    city: (from.address['city'] ?? '').trim(),
    street: (from.address['street'] ?? '').trim(),
    title: (from['title'] ?? '').trim(),
    company: (from['company'] ?? '').trim(),
    source: (from['source'] ?? '').trim(),
    note: (from['note'] ?? '').trim(),
    code: (from['code'] ?? '').trim().toUpperCase(),
    stage: stages[from['stage'] ?? ''] ?? null,
    size: Number((from['size'] ?? '').trim()),
  };
};

const count = 20_000;
const rounds = 7;
const records = Array.from({ length: count }, (_, n) => record(n, true));
const texts = records.map((one) => JSON.stringify(one));
const lens = lensWith({});
const withPhone = lensWith({ mobile: at('phone', [{ phone: 'CN' }]) });
const valid = new Ajv2020({ strict: false }).compile(kind);

const peers: Readonly<Record<string, () => void>> = {
  'JSON.parse': () => texts.forEach((one) => JSON.parse(one) as unknown),
  'by hand': () => records.forEach((one) => byHand(one)),
  ajv: () => records.forEach((one) => valid(one)),
  crosswalk: () => records.forEach((one) => lens.read(one)),
  'with a phone': () => records.forEach((one) => withPhone.read(one)),
};

const wrong = lens.read(records[7] ?? {});
if (wrong.problems.length > 0 || wrong.fields['stage'] !== 'won' || wrong.fields['size'] !== 7)
  throw new Error(`the mapping does not hold: ${JSON.stringify(wrong)}`);

const times = new Map<string, number[]>(Object.keys(peers).map((name) => [name, []]));
for (let round = 0; round < rounds; round += 1) {
  for (const [name, work] of Object.entries(peers)) {
    const began = performance.now();
    work();
    times.get(name)?.push(performance.now() - began);
  }
}
const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
const base = times.get('JSON.parse') ?? [];
process.stdout.write(
  `mapping: 11 fields (12 with a phone), ${texts[0]?.length ?? 0} characters a record, ${count} records, ${rounds} rounds in turn, medians; ratios against JSON.parse\n`,
);
for (const [name, list] of times) {
  const ratio = median(list.map((ms, i) => (base[i] ?? 0) / ms));
  process.stdout.write(
    `${name.padEnd(14)} ${String(Math.round(count / median(list))).padStart(6)} k/s  ${ratio.toFixed(2)} x\n`,
  );
}
