/** Debian's Chromium, for tests that look at real pages. */
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

const file = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** False where there is no browser: such tests are skipped then, except where CI must not pass without them. */
export const hasBrowser = existsSync(file) || process.env['CI'] === 'true';

export const openBrowser = (): Promise<Browser> => {
  if (!existsSync(file))
    throw new Error(
      `There is no browser at ${file}: apt-get install chromium fonts-noto-cjk, or set CHROMIUM.`,
    );
  return chromium.launch({ executablePath: file, args: ['--no-sandbox'] });
};
