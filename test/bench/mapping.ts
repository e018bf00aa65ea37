/**
 * `npm run bench -- mapping`: a mapping of 11 fields (nested, with a table, a join and a number; a phone apart) over 744-character
 * records, beside `JSON.parse` of the same records, the same mapping written by hand, in JSONata, and ajv alone; in turn, in one run.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import jsonata from 'jsonata';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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

const lensWith = (more: object): ReturnType<typeof compile> => {
  const document = { name: 'bench', remote: { connector: 'bench', kind: 'bench' }, entity: 'bench' };
  const phone = 'mobile' in more ? { mobile: '+8613810000001' } : {};
  const example = { remote: record(1, true), entity: { ...byHand(record(1, true)), ...phone } };
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

/** The same in JSONata; `$trim` there also makes one blank of several, which these records have nowhere. */
const inJsonata = jsonata(`properties.{
  "name": $join([first, last][$trim($) != ""], " "),
  "email": $lowercase($trim(email)), "city": $trim(address.city), "street": $trim(address.street),
  "title": $trim(title), "company": $trim(company), "source": $trim(source), "note": $trim(note),
  "code": $uppercase($trim(code)), "stage": $lookup({"线索": "lead", "成交": "won", "流失": "lost"}, stage),
  "size": $number($trim(size))
}`);

const count = 20_000;
/** JSONata reads a fraction of them in a round: it is that much slower, and its rate is told per record. */
const few = 1000;
const rounds = 7;
const records = Array.from({ length: count }, (_, n) => record(n, true));
const texts = records.map((one) => JSON.stringify(one));
const lens = lensWith({});
const withPhone = lensWith({ mobile: at('phone', [{ phone: 'CN' }]) });
const valid = new Ajv2020({ strict: false }).compile(kind);

const peers: Readonly<Record<string, () => void | Promise<void>>> = {
  'JSON.parse': () => texts.forEach((one) => JSON.parse(one) as unknown),
  'by hand': () => records.forEach((one) => byHand(one)),
  ajv: () => records.forEach((one) => valid(one)),
  crosswalk: () => records.forEach((one) => lens.read(one)),
  'with a phone': () => records.forEach((one) => withPhone.read(one)),
  JSONata: async () => {
    for (const one of records.slice(0, few)) await inJsonata.evaluate(one);
  },
};

const wrong = lens.read(records[7] ?? {});
if (wrong.problems.length > 0 || wrong.fields['stage'] !== 'won' || wrong.fields['size'] !== 7)
  throw new Error(`the mapping does not hold: ${JSON.stringify(wrong)}`);

for (const one of [records[7] ?? {}, records[8] ?? {}]) {
  const told: unknown = await inJsonata.evaluate(one);
  for (const other of [byHand(one), lens.read(one).fields])
    if (JSON.stringify(other) !== JSON.stringify(told))
      throw new Error(`two ways differ: ${JSON.stringify(other)} and ${JSON.stringify(told)}`);
}

const times = new Map<string, number[]>(Object.keys(peers).map((name) => [name, []]));
for (let round = 0; round < rounds; round += 1) {
  for (const [name, work] of Object.entries(peers)) {
    const began = performance.now();
    await work();
    const share = name === 'JSONata' ? count / few : 1;
    times.get(name)?.push((performance.now() - began) * share);
  }
}
const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;
const base = times.get('JSON.parse') ?? [];
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
collect();
const heapBefore = process.memoryUsage().heapUsed;
for (let round = 0; round < 5; round += 1) for (const one of records) lens.read(one);
collect();
const grown = (process.memoryUsage().heapUsed - heapBefore) / 1_048_576;
process.stdout.write(
  `mapping: 11 fields (12 with a phone), ${texts[0]?.length ?? 0} characters a record, ${count} records, ${rounds} rounds in turn, medians; ratios against JSON.parse\n`,
);
for (const [name, list] of times) {
  const ratio = median(list.map((ms, i) => (base[i] ?? 0) / ms));
  process.stdout.write(
    `${name.padEnd(14)} ${String(Math.round(count / median(list))).padStart(6)} k/s  ${ratio.toFixed(2)} x\n`,
  );
}
const ratioOf = (name: string): number =>
  median(times.get(name) ?? []) / median(times.get('crosswalk') ?? []);
process.stdout.write(
  `crosswalk against JSONata ${ratioOf('JSONata').toFixed(0)} x; heap after ${5 * count} more records ${grown > 0 ? '+' : ''}${grown.toFixed(1)} MB\n`,
);
