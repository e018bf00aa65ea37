/**
 * `npm run bench -- load`: the first load of two systems that share most of their people, then a full scan of both in
 * which nothing has changed. The ratio of the two, what the store grew by, and peak memory as the load grows.
 */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { installTables, removeFolder, Table } from '../stories/tables.ts';

interface Measured {
  readonly seconds: number;
  /** Of the process that worked, MB. */
  readonly peak: number;
}

const preload =
  'data:text/javascript,process.on("exit",()=>process.stderr.write(`peak ${process.resourceUsage().maxRSS}\\n`))';

const sync = (folder: string, name: string): Promise<Measured> =>
  new Promise((resolve, reject) => {
    const began = performance.now();
    const args = ['--import', preload, 'src/main.ts', 'sync', name, '--full', '--json', '--dir', folder];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('close', (code) => {
      const peak = /peak (\d+)/u.exec(err)?.[1];
      if (code !== 0 || peak === undefined) reject(new Error(`sync ended with ${code}: ${err}`));
      else resolve({ seconds: (performance.now() - began) / 1000, peak: Math.round(Number(peak) / 1024) });
    });
  });

const person = (n: number): { name: string; email: string; customer_id: string } => ({
  name: `欧阳小明${n}`,
  email: `p${n}@huaxia-med.cn`,
  customer_id: `KH-${n}`,
});

const measure = async (people: number): Promise<void> => {
  const [crm, erp] = [new Table({ page: 200 }), new Table({ page: 200 })];
  await Promise.all([crm.open(), erp.open()]);
  for (let n = 0; n < people; n += 1) crm.put(`c${n}`, person(n));
  for (let n = people / 5; n < people * 1.2; n += 1) erp.put(`e${n}`, person(n));
  const folder = installTables(crm, erp, '{ keys: [[email]], conflict: newest }');
  try {
    const first = await sync(folder, 'crm-contacts');
    const file = path.join(folder, '.crosswalk', 'crosswalk.db');
    const size = statSync(file).size;
    const again = [await sync(folder, 'crm-contacts'), await sync(folder, 'erp-contacts')];
    const grown = Math.round((statSync(file).size - size) / 1024);
    const seconds = again.reduce((sum, one) => sum + one.seconds, 0);
    process.stdout.write(
      `load ${people} a side, ${crm.rows.size} in all: first ${first.seconds.toFixed(1)} s, ${first.peak} MB at most; ` +
        `both scanned again ${seconds.toFixed(1)} s (${(seconds / first.seconds).toFixed(2)} of the first, two starts of a process in it), ` +
        `${Math.max(...again.map(({ peak }) => peak))} MB at most, ${grown} KB more on disk\n`,
    );
  } finally {
    await Promise.all([crm.close(), erp.close()]);
    removeFolder(folder);
  }
};

for (const people of [2000, 20_000]) await measure(people);
