/**
 * The old incident: a batch arrives in which every customer id is "0". Where the field is guarded nothing is
 * overwritten; where it is not, one command brings every id back.
 */
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { UndoReport } from '../../src/health/undo.ts';
import { SqliteStore } from '../../src/store/sqlite.ts';
import { Commands } from '../cli/command.ts';
import { installTables, removeFolder, Table } from './tables.ts';

const batch = 12_843;

let tables: Table[] = [];
let folder = '';
let commands: Commands | undefined;
afterEach(async () => {
  commands?.killAll();
  await Promise.all(tables.map((table) => table.close()));
  removeFolder(folder);
});

const begin = async (
  entity: string,
  people: number,
): Promise<{ crm: Table; erp: Table; command: Commands }> => {
  const crm = new Table();
  const erp = new Table();
  tables = [crm, erp];
  await Promise.all([crm.open(), erp.open()]);
  for (let n = 1; n <= people; n += 1) {
    const id = String(n).padStart(5, '0');
    crm.put(`c${id}`, { name: `王小明${id}`, email: `p${id}@huaxia-med.cn`, customer_id: `KH-2026-${id}` });
  }
  folder = installTables(crm, erp, entity);
  commands = new Commands(folder);
  const first = await commands.run('sync', 'crm-contacts', '--full', '--json');
  expect(first, first.out).toMatchObject({ code: 0, err: '' });
  expect(erp.rows.size).toBe(people);
  return { crm, erp, command: commands };
};

/** The batch: every id becomes "0". The run that brought it. */
const arrive = async (crm: Table, command: Commands): Promise<string> => {
  for (const [id, { value }] of crm.rows) crm.put(id, { ...value, customer_id: '0' });
  const { out } = await command.run('sync', 'crm-contacts', '--full', '--json');
  return (JSON.parse(out) as { run: { id: string } }).run.id;
};

/** Every value of every record, as text. */
const hub = async (): Promise<string> => {
  const store = new SqliteStore({ file: path.join(folder, '.crosswalk', 'crosswalk.db') });
  const rows = await store.list('record', 'entity', { where: { entity: 'contact' }, limit: 1_000_000 });
  await store.close();
  return rows
    .map((row) => {
      const fields = Object.entries(row['fields'] as Record<string, { value: unknown }>);
      return `${row['id']} ${JSON.stringify(fields.map(([name, { value }]) => [name, value]).sort())}`;
    })
    .join('\n');
};

const ids = (table: Table): Set<unknown> =>
  new Set([...table.rows.values()].map(({ value }) => value['customer_id']));

it('is refused by the guard of a protected field: nothing is overwritten', { timeout: 300_000 }, async () => {
  const { crm, erp, command } = await begin('{ keys: [[email]], protect: [customerId] }', 200);
  const [inHub, inErp, inCrm] = [await hub(), erp.text(), crm.text()];
  const written = erp.written;
  await arrive(crm, command);
  expect(await hub()).toBe(inHub);
  expect(erp.text()).toBe(inErp);
  expect(erp.written).toBe(written);
  // And the system that it came from has its ids back.
  expect(crm.text()).toBe(inCrm);
});

it(
  `is undone by one command where there was no guard: ${batch} ids, to the byte`,
  { timeout: 600_000 },
  async () => {
    const { crm, erp, command } = await begin('{ keys: [[email]], conflict: newest }', batch);
    const [inHub, inErp, inCrm] = [await hub(), erp.text(), crm.text()];
    const run = await arrive(crm, command);
    expect(ids(erp)).toEqual(new Set(['0']));
    const { code, out, err } = await command.run('undo', run, '--apply', '--by', 'lin', '--json');
    expect(err).toBe('');
    expect(code).toBe(0);
    const { undo } = JSON.parse(out) as { undo: UndoReport };
    const all = { restored: batch, kept: 0, impossible: 0, owed: 0 };
    expect(undo).toMatchObject({
      state: 'closed',
      fields: all,
      targets: { record: all, 'crm-contacts': all, 'erp-contacts': all },
    });
    expect(await hub()).toBe(inHub);
    expect(erp.text()).toBe(inErp);
    expect(crm.text()).toBe(inCrm);
  },
);
