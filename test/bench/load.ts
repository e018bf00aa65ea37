/**
 * `npm run bench -- load`: the first load of two systems that share most of their people, then a full scan of both in
 * which nothing has changed. The ratio of the two, what the store grew by, and peak memory as the load grows.
 */
import { spawn } from 'node:child_process';
import { installTables, removeFolder, Table } from '../stories/tables.ts';

interface Measured {
  readonly seconds: number;
  /** Of the process that worked, MB. */
  readonly peak: number;
  /** Seconds of CPU, and MB written to disk. */
  readonly cpu: number;
  readonly written: number;
}

const preload = `data:text/javascript,${encodeURIComponent(
  'process.on("exit",()=>{const u=process.resourceUsage();process.stderr.write("used "+[u.maxRSS,u.userCPUTime+u.systemCPUTime,u.fsWrite].join(" "))})',
)}`;

const crosswalk = (folder: string, ...verb: string[]): Promise<Measured> =>
  new Promise((resolve, reject) => {
    const began = performance.now();
    const args = ['--import', preload, 'src/main.ts', ...verb, '--json', '--dir', folder];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('close', (code) => {
      const [rss = 0, cpu = 0, blocks = 0] = (/used ([\d ]+)/u.exec(err)?.[1] ?? '').split(' ').map(Number);
      const seconds = (performance.now() - began) / 1000;
      if (code !== 0 || rss === 0) reject(new Error(`${verb.join(' ')} ended with ${code}: ${err}`));
      else resolve({ seconds, peak: Math.round(rss / 1024), cpu: cpu / 1e6, written: blocks / 2048 });
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
    const first = await crosswalk(folder, 'sync', 'crm-contacts', '--full');
    const start = await crosswalk(folder, 'runs');
    const again = [
      await crosswalk(folder, 'sync', 'crm-contacts', '--full'),
      await crosswalk(folder, 'sync', 'erp-contacts', '--full'),
    ];
    const sum = (of: (one: Measured) => number): number => again.reduce((all, one) => all + of(one), 0);
    // Without what any command takes to start.
    const cpu = [
      first.cpu - start.cpu,
      Math.max(
        0,
        sum((one) => one.cpu - start.cpu),
      ),
    ] as const;
    process.stdout.write(
      `load ${people} a side, ${crm.rows.size} in all: first ${first.seconds.toFixed(1)} s, ${cpu[0].toFixed(1)} s CPU, ${first.written.toFixed(1)} MB written, ${first.peak} MB at most; ` +
        `both scanned again ${sum((one) => one.seconds).toFixed(1)} s, ${cpu[1].toFixed(1)} s CPU (${(cpu[1] / cpu[0]).toFixed(2)} of the first), ` +
        `${sum((one) => one.written).toFixed(1)} MB written, ${Math.max(...again.map(({ peak }) => peak))} MB at most\n`,
    );
  } finally {
    await Promise.all([crm.close(), erp.close()]);
    removeFolder(folder);
  }
};

for (const people of [2000, 20_000]) await measure(people);
