/** A backup tried out: restored into a store of its own, which is verified and thrown away. */
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { restoreBackup } from './backup.ts';
import { openStore } from './open.ts';
import type { WholeStore } from './store.ts';
import { verifyStore, type Difference, type Verified } from './verify.ts';

/** Most differences that are told one by one; all are counted. */
const mostTold = 200;

export interface Trial extends Verified {
  readonly first: readonly Difference[];
}

/** One moment of a store, compared with its lineage. */
export const verifyWhole = async (
  store: WholeStore,
  tell: (difference: Difference) => void = () => undefined,
): Promise<Trial> => {
  const snapshot = await store.snapshot();
  const first: Difference[] = [];
  try {
    const verified = await verifyStore(snapshot, (one) => {
      if (first.length >= mostTold) return;
      first.push(one);
      tell(one);
    });
    return { ...verified, first };
  } finally {
    await snapshot.close();
  }
};

/** In a folder of its own below `beside`, where there is room for it. Throws as `restoreBackup` does. */
export const tryRestore = async (file: string, beside: string): Promise<Trial> => {
  const folder = mkdtempSync(path.join(beside, '.restore-'));
  try {
    const store = await openStore({ file: path.join(folder, 'restored.db') });
    try {
      await restoreBackup(file, store);
      return await verifyWhole(store);
    } finally {
      await store.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
