/** What can go wrong, by name: `--faults a,b` switches on just these. */
export const faultNames = [
  'unreachable',
  'busy',
  'read cut',
  'write cut before effect',
  'write cut after effect',
  'write lands late',
  'write ignored',
  'item refused',
  'hook lost',
  'hook doubled',
  'hook out of order',
  'hook before response',
  'meanwhile',
  'normalised late',
  'joined late',
  'undo',
  'scan shrunk',
  'read misses',
  'remove cut before effect',
  'remove cut after effect',
  'deletion hook late',
  'deletion hook doubled',
  'restored',
  'merged',
  'unmerged',
  'rejected',
  'merged there',
  'crash before commit',
  'crash after commit',
] as const;

export type Fault = (typeof faultNames)[number];

/** Counts how often each fault took effect and each row of the merge table was reached. */
export class Tally {
  readonly faults: Record<string, number> = Object.fromEntries(faultNames.map((name) => [name, 0]));
  readonly rows: Record<string, number> = {};
  /** Uses of a promise's named exceptions. */
  readonly exceptions: Record<string, number> = {};

  fault(name: Fault): void {
    this.faults[name] = (this.faults[name] ?? 0) + 1;
  }

  row(name: string): void {
    this.rows[name] = (this.rows[name] ?? 0) + 1;
  }

  exception(name: string): void {
    this.exceptions[name] = (this.exceptions[name] ?? 0) + 1;
  }

  add(other: Pick<Tally, 'faults' | 'rows' | 'exceptions'>): void {
    for (const part of ['faults', 'rows', 'exceptions'] as const) {
      for (const [name, n] of Object.entries(other[part])) this[part][name] = (this[part][name] ?? 0) + n;
    }
  }
}
