/** undo and record as real processes over the sandboxes, alone and beside a gateway. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RecordReport } from '../../src/health/record.ts';
import type { UndoReport } from '../../src/health/undo.ts';
import { eventually, freePort, Story } from '../story.ts';
import { Commands } from './command.ts';

let story: Story;
let commands: Commands;
beforeEach(async () => {
  story = await Story.begin();
  commands = new Commands(story.folder);
});
afterEach(async () => {
  commands.killAll();
  await story.end();
});

const people = [1, 2, 3].map((n) => ({
  lastname: `Smith${n}`,
  email: `ann${n}@huaxia-med.cn`,
  city: '上海',
}));

const asked = async (...args: string[]): Promise<{ code: number | null; report: UndoReport }> => {
  const { code, out, err } = await commands.run('undo', ...args, '--json');
  expect(err).toBe('');
  return { code, report: (JSON.parse(out) as { undo: UndoReport }).undo };
};

/** Reads HubSpot whole and delivers; the run. */
const sync = async (): Promise<string> => {
  const { out } = await commands.run('sync', 'hubspot-contacts', '--full', '--json');
  return (JSON.parse(out) as { run: { id: string } }).run.id;
};

const cities = async (): Promise<{ hubspot: unknown[]; crm: unknown[] }> => ({
  hubspot: (await story.hubspotRows('city')).map((row) => row['city']),
  crm: (await story.crmRows()).map((row) => row['suburb']),
});

const move = (ids: readonly string[], city: string): Promise<unknown> =>
  story.inHubspot('POST', '/crm/v3/objects/contacts/batch/update', {
    inputs: ids.map((id) => ({ id, properties: { city } })),
  });

const record = async (...args: string[]): Promise<RecordReport> => {
  const { out } = await commands.run('record', ...args, '--json');
  return JSON.parse(out) as RecordReport;
};

const suburb = ({ fields }: RecordReport): unknown => fields.find(({ field }) => field === 'suburb')?.value;

describe('crosswalk undo', () => {
  it(
    'shows a plan, carries it out in both systems, and tells what has become of it; record tells what was',
    { timeout: 300_000 },
    async () => {
      const ids = await story.fileContacts(people);
      await sync();
      await move(ids, '北京');
      const between = new Date().toISOString();
      const run = await sync();
      expect(await cities()).toEqual({ hubspot: ['北京', '北京', '北京'], crm: ['北京', '北京', '北京'] });

      const planned = await commands.run('undo', run);
      expect(planned.code).toBe(0);
      expect(planned.out).toContain(`PLAN to undo run ${run}: nothing was changed`);
      expect(planned.out).toContain('suburb "北京" → "上海"');
      expect(planned.out).toContain('crm-contacts: to write 3');
      expect(await cities()).toMatchObject({ crm: ['北京', '北京', '北京'] });

      const { code, report } = await asked(run, '--apply', '--by', '林');
      expect(report).toMatchObject({
        state: 'closed',
        by: '林',
        scope: `run ${run}`,
        fields: { restored: 3, kept: 0, impossible: 0, owed: 0 },
        targets: {
          record: { restored: 3 },
          'hubspot-contacts': { restored: 3 },
          'crm-contacts': { restored: 3 },
        },
      });
      expect(code).toBe(0);
      expect(await cities()).toEqual({ hubspot: ['上海', '上海', '上海'], crm: ['上海', '上海', '上海'] });
      expect((await asked('status', report.run ?? '')).report).toEqual(report);
      const told = await commands.run('undo', 'status', report.run ?? '');
      expect(told.out).toContain('approved by 林: closed');
      const trace = await commands.run('trace', `hubspot/contact/${ids[0]}`, '--field', 'suburb');
      expect(trace.out).toContain('undone by person:林');

      const now = await record(`hubspot/contact/${ids[0]}`);
      expect(suburb(now)).toBe('上海');
      expect(now.links.map((link) => `${link.connection}/${link.kind} ${link.state}`).sort()).toEqual([
        'crm/contact live',
        'hubspot/contact live',
      ]);
      expect(now.fields.find(({ field }) => field === 'suburb')).toMatchObject({
        from: 'person:林',
        rule: `undo of run ${run}`,
      });
      const before = (
        JSON.parse((await commands.run('runs', '--json')).out) as { runs: { id: string; ended: number }[] }
      ).runs;
      const ended = new Date(before.find((one) => one.id === run)?.ended ?? 0).toISOString();
      expect(suburb(await record(now.record.id, '--at', between))).toBe('上海');
      expect((await record(now.record.id, '--at', ended)).record.at).toBe(ended);
      const unborn = await commands.run('record', now.record.id, '--at', '2020-01-01 08:00');
      expect(unborn.code).toBe(1);
      expect(unborn.err).toContain(`Record ${now.record.id} did not exist yet at`);
      expect((await commands.run('record', now.record.id, '--at', 'yesterday')).code).toBe(2);
      const shown = await commands.run('record', now.record.id);
      expect(shown.out).toContain('person:林');

      const redo = await asked(report.run ?? '', '--apply', '--by', '林');
      expect(redo.report.fields).toMatchObject({ restored: 3 });
      expect(await cities()).toMatchObject({ crm: ['北京', '北京', '北京'] });
    },
  );

  it('says which scope is not clear, and that there is no such run', { timeout: 300_000 }, async () => {
    await story.fileContacts(people);
    const run = await sync();
    const refused = await commands.run('undo', run, '--connection', 'crm');
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('a run and something else besides');
    expect((await commands.run('undo', 'none')).err).toContain('run none is not there');
    expect((await commands.run('undo', '--from', '2026-01-05', '--to', 'soon')).code).toBe(2);
  });

  it('is carried out by a gateway that works the store, over HTTP too', { timeout: 300_000 }, async () => {
    const ids = await story.fileContacts(people);
    await sync();
    const from = new Date().toISOString();
    await move(ids, '北京');
    const run = await sync();
    const port = String(await freePort());
    const gateway = commands.start('serve', '--port', port, '--json');
    await gateway.said;
    const { code, report } = await asked(run, '--apply', '--by', 'lin');
    expect(report).toMatchObject({ state: 'closed', fields: { restored: 3, owed: 0 } });
    expect(code).toBe(0);
    expect(await cities()).toMatchObject({ crm: ['上海', '上海', '上海'] });

    const base = `http://127.0.0.1:${port}/api/v1`;
    const call = async (path: string, body?: object): Promise<Record<string, unknown>> => {
      const headers = { 'content-type': 'application/json' };
      const post = body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
      return (await (await fetch(base + path, post)).json()) as Record<string, unknown>;
    };
    const scope = { connection: 'hubspot', from, to: new Date().toISOString() };
    expect(await call('/undo', { run: report.run })).toMatchObject({ state: 'planned', fields: { owed: 3 } });
    expect(await call('/undo', { ...scope, from: '2026-01-05' })).toMatchObject({ code: 'request-shape' });
    expect(await call('/undo', { run: 'none' })).toMatchObject({ code: 'not-there' });
    expect(await call('/undo/apply', { run: report.run })).toMatchObject({ code: 'request-shape' });
    const { run: redo } = await call('/undo/apply', { run: report.run, by: 'wang' });
    await eventually(async () => (await call(`/undo/${String(redo)}?limit=1`))['state'] === 'closed');
    expect(await call(`/undo/${String(redo)}?limit=1`)).toMatchObject({
      by: 'wang',
      fields: { restored: 3 },
      more: 2,
    });
    expect(await cities()).toMatchObject({ crm: ['北京', '北京', '北京'] });
    const id = encodeURIComponent(`hubspot/contact/${ids[0]}`);
    expect(suburb((await call(`/records/${id}`)) as unknown as RecordReport)).toBe('北京');
    expect(
      suburb((await call(`/records/${id}?at=${encodeURIComponent(from)}`)) as unknown as RecordReport),
    ).toBe('上海');
    expect(await call(`/records/${id}?at=2020-01-01T00:00:00Z`)).toMatchObject({ code: 'record-unborn' });
    expect(await call(`/records/nobody`)).toMatchObject({ code: 'not-there' });
  });
});
