/** A small disk of a test's own: a tmpfs, where this user may mount one. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const megabyte = 1024 ** 2;

export class Volume {
  readonly folder: string;

  constructor(megabytes: number) {
    this.folder = mkdtempSync(path.join(tmpdir(), 'crosswalk-volume-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=777`, 'tmpfs', this.folder]);
  }

  get free(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** Leaves about so many bytes. */
  fill(left = 0): void {
    const ballast = path.join(this.folder, 'ballast');
    rmSync(ballast, { force: true });
    const size = Math.max(0, this.free - left);
    try {
      for (let part = 0; part * megabyte < size; part += 1)
        writeFileSync(ballast, Buffer.alloc(Math.min(megabyte, size - part * megabyte)), { flag: 'a' });
    } catch (error) {
      // Meanwhile somebody else took what was left.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  empty(): void {
    rmSync(path.join(this.folder, 'ballast'), { force: true });
  }

  end(): void {
    spawnSync('umount', ['-l', this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** True where no disk can be mounted: those tests are skipped by name. */
export const lacksVolume = ((): boolean => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return true;
  try {
    new Volume(1).end();
    return false;
  } catch {
    return true;
  }
})();
