/** The process that takes one backup and tries it out: it takes its time and memory from nobody. */
import { mkdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';
import { writeBackup } from './backup.ts';
import type { BackupJob, BackupResult } from './backups.ts';
import { openStore } from './open.ts';
import { tryRestore } from './trial.ts';

const work = async ({ where, file, now }: BackupJob): Promise<BackupResult> => {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const store = await openStore(where, { mustExist: true });
  try {
    const backup = await writeBackup(store, file, now);
    return { backup, trial: await tryRestore(file, path.dirname(file)) };
  } finally {
    await store.close();
  }
};

process.on('message', (job: BackupJob) => {
  setPriority(10);
  work(job).then(
    (result) => process.send?.({ result }, () => process.exit(0)),
    (error: unknown) =>
      process.send?.({ fault: error instanceof Error ? error.message : String(error) }, () =>
        process.exit(1),
      ),
  );
});
process.on('disconnect', () => process.exit(1));
