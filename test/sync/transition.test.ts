/** Steps that are guarded, between two systems, over the real engine and store: they wait, go on by themselves, and are told. */
import { describe, expect, it } from 'vitest';
import { recordThen } from '../../src/merge/history.ts';
import { replayDifferences, type LineageRow, type ToldRow } from '../../src/merge/lineage.ts';
import type { TransitionRule } from '../../src/merge/transition.ts';
import type { ToyObject } from '../../src/simulate/toy.ts';
import { recordOf } from '../../src/sync/hub.ts';
import { resolveConflict, type Choice } from '../../src/sync/resolve.ts';
import { openUndo } from '../../src/sync/undo.ts';
import { Pair, type PairOptions } from './pair.ts';

const stage: TransitionRule = {
  order: ['lead', 'qualified', 'proposal', 'won'],
  skip: 'ask',
  back: 'alarm',
  evidence: { won: ['note'] },
};

interface Filed {
  readonly pair: Pair;
  readonly a: ToyObject;
  readonly b: ToyObject;
  readonly alarms: string[];
}

/** One deal in both systems, at `proposal`. */
const filed = async (rule: Partial<TransitionRule> = {}, options: PairOptions = {}): Promise<Filed> => {
  const transitions = { stage: { ...stage, ...rule } };
  const pair = new Pair({ ...options, entity: { transitions } });
  const alarms: string[] = [];
  Object.assign(pair.hub, { alarm: (subject: string, text: string) => alarms.push(`${subject}: ${text}`) });
  const a = pair.file(pair.a, { email: 'ann@x.cn', name: 'Acme', stage: 'proposal' });
  await pair.sync();
  const [b] = pair.b.objects.values();
  if (b === undefined) throw new Error('nothing was made in B');
  return { pair, a, b, alarms };
};

const stages = ({ a, b }: Filed): unknown[] => [a.value['stage'], b.value['stage']];

/** What waits, by system and field; lineage must tell the same, and replay to the record. */
const waiting = async ({ pair }: Filed): Promise<string[]> => {
  const [row] = await pair.records();
  const record = recordOf(row ?? {});
  const where = { record: record.id };
  const rows = (await pair.store.list('lineage', 'record', { where, limit: 1000 })).map(
    ({ body }) => body as LineageRow,
  );
  expect(replayDifferences(record, rows)).toEqual([]);
  const then = recordThen(rows.map((body, seq): ToldRow => ({ seq, at: 0, run: '', body })));
  const held = await pair.store.list('conflict', 'record', { where, limit: 100 });
  const stored = held.map((one) => `${String(one['sync'])} ${String(one['field'])} ${String(one['why'])}`);
  expect(then.holds.map(({ sync, field, why }) => `${sync} ${field} ${why}`).toSorted()).toEqual(
    stored.toSorted(),
  );
  expect(held.every(({ open }) => open === 1)).toBe(true);
  return stored;
};

const decide = async (one: Filed, choice: Choice): Promise<void> => {
  const [row] = await one.pair.store.list('conflict', 'open', { where: { open: 1 }, limit: 10 });
  const [record, field, sync, object] = ['record', 'field', 'sync', 'object'].map((name) =>
    String(row?.[name]),
  ) as [string, string, string, string];
  expect(await resolveConflict(one.pair.hub, { record, field, sync, object }, choice, 'lin', 'run')).toBe(
    true,
  );
  await one.pair.sync();
};

describe('a step without its evidence', () => {
  it('parks as a field: the rest of the look goes on, and its item counts as parked', async () => {
    const one = await filed();
    one.pair.edit(one.pair.b, one.b, { stage: 'won', name: 'Acme Ltd' });
    const { b: run } = await one.pair.sync();
    expect(stages(one)).toEqual(['proposal', 'won']);
    expect(one.a.value['name']).toBe('Acme Ltd');
    expect(await waiting(one)).toEqual(['B stage transition']);
    expect((await one.pair.run(run)).items.parked).toBe(1);
    expect(one.pair.b.gatewayWrites).toBe(1);
  });

  it.each([{ readable: true }, { readable: false }])(
    'goes on by itself when another system brings the evidence (%j)',
    async (b) => {
      const one = await filed({}, { b });
      one.pair.edit(one.pair.b, one.b, { stage: 'won' });
      await one.pair.sync();
      expect(await waiting(one)).toEqual(['B stage transition']);
      one.pair.edit(one.pair.a, one.a, { note: 'C-1' });
      // Nothing of B is read or told anew: what it showed when it was held is enough.
      await one.pair.read(one.pair.a);
      await one.pair.work();
      expect(stages(one)).toEqual(['won', 'won']);
      expect(await waiting(one)).toEqual([]);
      const transitions = await one.pair.store.list('transition', 'entity', {
        where: { entity: 'person' },
        limit: 100,
      });
      expect(transitions.map(({ before, after }) => `${String(before)} → ${String(after)}`)).toEqual([
        'null → proposal',
        'proposal → won',
      ]);
    },
  );

  it('is none if the same look brings it', async () => {
    const one = await filed();
    one.pair.edit(one.pair.b, one.b, { stage: 'won', note: 'C-1' });
    await one.pair.sync();
    expect([...stages(one), one.a.value['note']]).toEqual(['won', 'won', 'C-1']);
  });

  it('is decided by a person, either way', async () => {
    const one = await filed();
    one.pair.edit(one.pair.b, one.b, { stage: 'won' });
    await one.pair.sync();
    await decide(one, 'theirs');
    expect(stages(one)).toEqual(['won', 'won']);
    expect(await waiting(one)).toEqual([]);

    const other = await filed();
    other.pair.edit(other.pair.b, other.b, { stage: 'won' });
    await other.pair.sync();
    await decide(other, 'ours');
    expect(stages(other)).toEqual(['proposal', 'proposal']);
    expect(await waiting(other)).toEqual([]);
  });

  it('keeps a new record without the field until the evidence is there', async () => {
    const one = await filed();
    const other = one.pair.file(one.pair.a, { email: 'bob@x.cn', stage: 'won' });
    await one.pair.sync();
    const made = [...one.pair.b.objects.values()].find(({ value }) => value['email'] === 'bob@x.cn');
    expect([made?.value['stage'], other.value['stage']]).toEqual([null, 'won']);
    one.pair.edit(one.pair.a, other, { note: 'C-9' });
    await one.pair.sync();
    expect([made?.value['stage'], other.value['stage']]).toEqual(['won', 'won']);
  });
});

describe('a step over values between', () => {
  it('waits, and goes on by itself once the step between is made', async () => {
    const one = await filed();
    one.pair.edit(one.pair.a, one.a, { stage: 'lead' });
    await one.pair.sync();
    one.pair.edit(one.pair.b, one.b, { stage: 'proposal' });
    await one.pair.sync();
    expect(stages(one)).toEqual(['lead', 'proposal']);
    expect(await waiting(one)).toEqual(['B stage transition']);
    one.pair.edit(one.pair.b, one.b, { stage: 'qualified' });
    await one.pair.sync();
    expect(stages(one)).toEqual(['qualified', 'qualified']);
    expect(await waiting(one)).toEqual([]);
  });

  it('is written back where the rule says restore', async () => {
    const one = await filed({ skip: 'restore', evidence: {} });
    one.pair.edit(one.pair.b, one.b, { stage: 'lead' });
    await one.pair.sync();
    one.pair.edit(one.pair.b, one.b, { stage: 'won' });
    await one.pair.sync();
    expect(stages(one)).toEqual(['lead', 'lead']);
    expect(await waiting(one)).toEqual([]);
  });
});

describe('a step back', () => {
  it('is applied and alarmed, once', async () => {
    const one = await filed();
    one.pair.edit(one.pair.b, one.b, { stage: 'lead' });
    await one.pair.sync();
    expect(stages(one)).toEqual(['lead', 'lead']);
    expect(one.alarms).toHaveLength(1);
    expect(one.alarms[0]).toMatch(
      /^transition r\S*\.stage: stage of record .* a step back from proposal to lead/u,
    );
    await one.pair.sync();
    expect(one.alarms).toHaveLength(1);
    expect(await waiting(one)).toEqual([]);
  });

  it('can be undone, and an undo is not held up by the guard', async () => {
    const one = await filed({ back: 'take', skip: 'restore' });
    one.pair.edit(one.pair.b, one.b, { stage: 'lead' });
    const { b: run } = await one.pair.sync();
    await openUndo(one.pair.hub, { run }, 'lin');
    await one.pair.sync();
    expect(stages(one)).toEqual(['proposal', 'proposal']);
  });
});
