/** How long an installation keeps what its connectors look up. */
import type { LookupRule } from './connector.ts';

export type LookupTimes = Pick<LookupRule, 'keep' | 'stale' | 'absent'>;

/** As in the file: `30s`, `15m`, `1h`, `1d`. */
export type SourceLookups = Readonly<Record<string, Readonly<Partial<Record<keyof LookupTimes, string>>>>>;

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** In ms; the schema has checked its form. */
const spanOf = (text: string): number => Number(text.slice(0, -1)) * (units[text.slice(-1)] ?? 0);

export const lookupTimes = (given: SourceLookups = {}): [string, Partial<LookupTimes>][] =>
  Object.entries(given).map(([name, times]) => [
    name,
    Object.fromEntries(Object.entries(times).map(([time, text]) => [time, spanOf(text)])),
  ]);
