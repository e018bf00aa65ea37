/** What a gateway holds in memory while it reads two big tables for the first time, and while a remote is away. */
import { spawn } from 'node:child_process';
import { installTables, removeFolder, Table } from './tables.ts';

export interface Held {
  readonly objects: number;
  /** Resident memory at its most, in megabytes. */
  readonly peak: number;
  readonly seconds: number;
}

export interface MemoryStory {
  readonly load: Held;
  readonly outage: Held;
  readonly drained: Held;
  readonly problems: readonly string[];
}

/** Tells how much the process held at its most, on a pipe of its own, when it ends. */
const tells = `data:text/javascript,${encodeURIComponent(
  'import { writeFileSync } from "node:fs"; process.on("exit", () => writeFileSync(3, String(process.resourceUsage().maxRSS)))',
)}`;

/** One `crosswalk sync` with so many megabytes for what JavaScript keeps: whatever grows with the work would not fit. */
const synced = async (
  folder: string,
  heap: number,
  objects: number,
  ...args: string[]
): Promise<Held & { readonly code: number | null }> => {
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${heap}`, '--import', tells, 'src/main.ts', 'sync', ...args, '--dir', folder],
    {
      env: { PATH: process.env['PATH'] ?? '', LOG_LEVEL: 'fatal' },
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    },
  );
  let told = '';
  child.stdio[3]?.on('data', (chunk: Buffer) => (told += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const seconds = Math.round((performance.now() - began) / 1000);
  return { code, objects, peak: Math.round(Number(told) / 1024), seconds };
};

const nameOf = (n: number): string => String(n).padStart(6, '0');

const person = (n: number, name: string): Record<string, string> => ({
  name: `${name}${nameOf(n)}`,
  email: `p${nameOf(n)}@huaxia-med.cn`,
  customer_id: `KH-${nameOf(n)}`,
});

const without = ({ code: _, ...held }: Held & { readonly code: number | null }): Held => held;

/**
 * `people` in each of two systems, four of five in both, read for the first time; then each is edited in one while the
 * other takes nothing; then that is back. All of it within `heap` megabytes.
 */
export const memoryStory = async (people: number, heap: number): Promise<MemoryStory> => {
  const [crm, erp] = [new Table({ page: 200 }), new Table({ page: 200 })];
  await Promise.all([crm.open(), erp.open()]);
  const own = Math.floor(people / 5);
  for (let n = 0; n < people; n += 1) crm.put(`c${nameOf(n)}`, person(n, '欧阳小明'));
  for (let n = own; n < people + own; n += 1) erp.put(`e${nameOf(n)}`, person(n, '欧阳小明'));
  const folder = installTables(crm, erp, '{ keys: [[email]], conflict: newest }');
  const problems: string[] = [];
  const demand = (is: boolean, what: string): void => void (is || problems.push(what));
  const all = people + own;
  try {
    const load = await synced(folder, heap, 2 * people, 'crm-contacts', '--full');
    demand(load.code === 0, `the first load ended with ${load.code}`);
    demand(crm.rows.size === all && erp.rows.size === all, `there are ${crm.rows.size} and ${erp.rows.size}`);
    erp.before = async (url) => (url === '/write' ? { status: 503, retryAfter: 1 } : undefined);
    for (const [id, { value }] of crm.rows) crm.put(id, { ...value, name: `改${String(value['name'])}` });
    const outage = await synced(folder, heap, all, 'crm-contacts', '--full');
    demand(outage.code === 4, `the outage ended with ${outage.code}`);
    erp.before = async () => undefined;
    const drained = await synced(folder, heap, all, 'erp-contacts');
    demand(drained.code === 0, `what had waited ended with ${drained.code}`);
    const old = [...erp.rows.values()].filter(({ value }) => !String(value['name']).startsWith('改'));
    demand(old.length === 0, `${old.length} edits did not arrive`);
    return { load: without(load), outage: without(outage), drained: without(drained), problems };
  } finally {
    removeFolder(folder);
    await Promise.all([crm.close(), erp.close()]);
  }
};
