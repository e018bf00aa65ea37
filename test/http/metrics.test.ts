/** What a gateway under traffic says to Prometheus: well-formed, bounded, and the same as its books. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verdicts } from '../../src/merge/books.ts';
import { runOf } from '../../src/sync/runs.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { figuresOf, mostCounted } from '../../src/health/figures.ts';
import type { Config } from '../../src/config.ts';
import { eventually, Story, usual } from '../story.ts';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const sampleShape = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/u;
const labelShape = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/uy;

const labelsOf = (text: string): Record<string, string> => {
  const labels: Record<string, string> = {};
  labelShape.lastIndex = 0;
  while (labelShape.lastIndex < text.length) {
    const at = labelShape.lastIndex;
    const [, name = '', value = ''] = labelShape.exec(text) ?? [];
    if (name === '') throw new Error(`labels are not well-formed at ${at}: ${text}`);
    if (name in labels) throw new Error(`label ${name} twice: ${text}`);
    labels[name] = value;
  }
  return labels;
};

const valueOf = (text: string): number => {
  if (/^nan$/iu.test(text)) return Number.NaN;
  const value = text === '+Inf' ? Number.POSITIVE_INFINITY : Number(text);
  if (Number.isNaN(value)) throw new Error(`no value: ${text}`);
  return value;
};

/** Prometheus' text format 0.0.4, taken strictly: every sample belongs to a family that was announced before. */
const parse = (text: string): Map<string, Family> => {
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let help = '';
  let family: Family | undefined;
  if (!text.endsWith('\n')) throw new Error('it does not end with a line feed');
  for (const line of text.split('\n')) {
    const [, kind = '', name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/u.exec(line) ?? [];
    if (kind === 'HELP') help = rest;
    else if (kind === 'TYPE') {
      if (families.has(name)) throw new Error(`${name} is announced twice`);
      family = { name, type: rest, help, samples: [] };
      families.set(name, family);
    } else if (line.startsWith('#') || line === '') continue;
    else {
      const [, sample = '', labels = '', value = ''] = sampleShape.exec(line) ?? [];
      const base = family?.type === 'histogram' ? sample.replace(/_(?:bucket|sum|count)$/u, '') : sample;
      const isOfSummary = family?.type === 'summary' && sample.startsWith(family.name);
      if (family === undefined || (base !== family.name && !isOfSummary))
        throw new Error(`${line} belongs to no family`);
      const series = `${sample}${JSON.stringify(Object.entries(labelsOf(labels)).sort())}`;
      if (seen.has(series)) throw new Error(`${series} is told twice`);
      seen.add(series);
      family.samples.push({ name: sample, labels: labelsOf(labels), value: valueOf(value) });
    }
  }
  return families;
};

const without = ({ le: _, ...labels }: Readonly<Record<string, string>>): string => JSON.stringify(labels);

/** Buckets grow, the last is the count, and there is a sum. */
const checkHistogram = ({ name, samples }: Family): void => {
  const groups = Map.groupBy(samples, ({ labels }) => without(labels));
  for (const [labels, own] of groups) {
    const buckets = own.filter((one) => one.name === `${name}_bucket`);
    const count = own.find((one) => one.name === `${name}_count`)?.value;
    const bounds = buckets.map(({ labels: { le = '' } }) => valueOf(le));
    expect(bounds, `${name} ${labels}`).toEqual(bounds.toSorted((a, b) => a - b));
    const values = buckets.map(({ value }) => value);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
    expect(buckets.at(-1)?.labels['le']).toBe('+Inf');
    expect(buckets.at(-1)?.value).toBe(count);
    expect(own.some((one) => one.name === `${name}_sum`)).toBe(true);
  }
};

let story: Story;
let refuse = 0;
beforeAll(async () => {
  story = await Story.begin({
    config: `${usual.replace('mode: live, poll: 2s }\n  crm', 'mode: live, poll: 2s, budget: { updates: 5000/day } }\n  crm')}`,
    crm: {
      intercept: (request, next) => {
        if (refuse === 0 || !request.path.includes('create')) return next();
        refuse -= 1;
        return { status: 503, headers: { 'retry-after': '6' }, body: 'busy' };
      },
    },
  });
  await story.open();
});
afterAll(() => story.end());

/** A socket of its own: one kept from long ago may just be closing. */
const fresh = { headers: { connection: 'close' } };

const scrape = async (): Promise<Map<string, Family>> =>
  parse(await (await fetch(`http://127.0.0.1:${story.port}/metrics`, fresh)).text());

const total = (
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number => {
  const family = families.get(name.replace(/_count$/u, '')) ?? families.get(name);
  return (family?.samples ?? [])
    .filter((one) => one.name === name)
    .filter((one) => Object.entries(labels).every(([label, value]) => one.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
};

describe('metrics', () => {
  it('are well-formed under traffic, and agree with the books once it is over', async () => {
    // Longer than a call waits by itself: it ends as busy, and the lane comes again.
    refuse = 1;
    const people = Array.from({ length: 40 }, (_, i) => ({ email: `m${i}@metrics.cn`, lastname: `客${i}` }));
    await story.fileContacts([...people, { email: 'parked@metrics.cn', mobilephone: 'no phone' }]);
    for (let i = 0; i < 5; i += 1) await scrape();
    await eventually(async () => (await story.crmRows()).length >= 40, 60_000);
    expect(await story.atRest()).toBe(true);
    const families = await scrape();
    for (const family of families.values()) {
      if (family.type === 'histogram') checkHistogram(family);
      if (!family.name.startsWith('crosswalk_')) continue;
      for (const { value } of family.samples) expect(value, family.name).not.toBeNaN();
      expect(family.help.length, family.name).toBeGreaterThan(10);
      expect(family.name.endsWith('_total'), `${family.name} is a ${family.type}`).toBe(
        family.type === 'counter',
      );
      expect(family.name).not.toMatch(/_(?:ms|millis|minutes|kb|mb)$/u);
    }

    const store = story.gateway?.store;
    const runs = (await store?.list('run', 'at', { where: {}, limit: 10_000 }))?.map(runOf) ?? [];
    const sum = (of: (run: (typeof runs)[number]) => number): number =>
      runs.reduce((n, run) => n + of(run), 0);
    expect(total(families, 'crosswalk_items_read_total')).toBe(sum(({ read }) => read));
    for (const verdict of verdicts)
      expect(total(families, 'crosswalk_items_total', { verdict }), verdict).toBe(
        sum(({ items }) => items[verdict]),
      );
    for (const end of ['opened', 'delivered', 'already', 'superseded'] as const)
      expect(total(families, 'crosswalk_effect_ends_total', { end }), end).toBe(
        sum(({ effects }) => effects[end]),
      );
    // Nothing is open any more: what was read has a verdict.
    expect(total(families, 'crosswalk_items_total')).toBe(total(families, 'crosswalk_items_read_total'));
    expect(total(families, 'crosswalk_delivery_seconds_count')).toBe(sum(({ effects }) => effects.delivered));
    expect(total(families, 'crosswalk_calls_total')).toBe(total(families, 'crosswalk_call_seconds_count'));
    expect(
      total(families, 'crosswalk_calls_total', { connection: 'crm', kind: 'contact', outcome: 'busy' }),
    ).toBeGreaterThan(0);
    expect(total(families, 'crosswalk_call_attempts_total')).toBeGreaterThanOrEqual(
      total(families, 'crosswalk_calls_total'),
    );
    expect(total(families, 'crosswalk_parked')).toBe(await store?.count('parked', 'at', {}));
    expect(total(families, 'crosswalk_touches')).toBe(0);
    expect(total(families, 'crosswalk_items_open')).toBe(0);
    expect(total(families, 'crosswalk_effects_open')).toBe(0);
    expect(total(families, 'crosswalk_breaker_state')).toBe(0);
    expect(total(families, 'crosswalk_budget_limit', { sync: 'hubspot-contacts', sort: 'updates' })).toBe(
      5000,
    );
    expect(total(families, 'crosswalk_store_commit_seconds_count')).toBeGreaterThan(10);
    expect(total(families, 'crosswalk_hooks_total', { status: '200' })).toBeGreaterThan(0);
    expect(total(families, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(total(families, 'process_resident_memory_bytes')).toBeGreaterThan(1e6);
  }, 90_000);

  it('have no more series however much happens, and no label that anybody else wrote', async () => {
    const series = (families: ReadonlyMap<string, Family>): number =>
      [...families.values()]
        .filter(({ name }) => name.startsWith('crosswalk_'))
        .reduce((n, { samples }) => n + samples.length, 0);
    for (const name of ['a"b', 'x\\y', 'someone@metrics.cn'])
      await fetch(`http://127.0.0.1:${story.port}/hooks/${encodeURIComponent(name)}`, {
        method: 'POST',
        body: '{}',
      });
    const before = await scrape();
    await story.fileContacts(
      Array.from({ length: 60 }, (_, i) => ({ email: `n${i}@metrics.cn`, lastname: `新${i}` })),
    );
    for (let i = 0; i < 50; i += 1)
      await fetch(`http://127.0.0.1:${story.port}/hooks/nobody${i}`, { method: 'POST', body: '{}' });
    await eventually(async () => (await story.crmRows()).length >= 100, 60_000);
    const after = await scrape();
    expect(series(after)).toBe(series(before));
    const values = [...after.values()]
      .filter(({ name }) => name.startsWith('crosswalk_'))
      .flatMap(({ samples }) => samples.flatMap(({ labels }) => Object.values(labels)));
    for (const value of values) expect(value).not.toMatch(/@|metrics\.cn|nobody|"|\\|客|新/u);
  }, 90_000);
});

describe('figures', () => {
  it('count no further than they say, however much waits', async () => {
    const store = new SqliteStore({ file: ':memory:', immediate: true });
    const config = {
      syncs: { a: { name: 'a', connection: 'crm', kind: 'contact' } },
    } as unknown as Config;
    const write = Array.from({ length: mostCounted + 500 }, (_, i) => ({
      op: 'append' as const,
      table: 'touch' as const,
      row: { lane: 'crm/contact', object: `o${i}`, due: i, at: i, run: 'r', hint: {} },
    }));
    await store.commit([{ when: [], write }]);
    const figures = await figuresOf({ store, config, now: () => 0 });
    expect(figures.syncs.get('a')?.touches).toBe(mostCounted);
    expect(await store.count('touch', 'due', { lane: 'crm/contact' }, 7)).toBe(7);
    expect(await store.count('touch', 'due', { lane: 'crm/contact' })).toBe(mostCounted + 500);
    await store.close();
  });
});
