/** How often everything that a run can reach was reached. */
import { deletionNames, lists, sections, undoNames, type Section } from './coverage.ts';
import type { Fault } from './faults.ts';

type Counts = Record<string, number>;

export type Counted = Readonly<Record<Section, Readonly<Counts>>>;

const deletions: ReadonlySet<string> = new Set(deletionNames);
const undos: ReadonlySet<string> = new Set(undoNames);

const sectionOf = (name: string): Section => {
  if (name.startsWith('merge: ') || name.startsWith('unmerge: ')) return 'identities';
  return undos.has(name) || name.startsWith('undo') ? 'undos' : 'rows';
};

export class Tally implements Counted {
  readonly faults: Counts = {};
  readonly rows: Counts = {};
  readonly deletions: Counts = {};
  readonly undos: Counts = {};
  readonly identities: Counts = {};
  readonly guards: Counts = {};
  readonly troubles: Counts = {};
  readonly exceptions: Counts = {};

  constructor() {
    for (const section of sections) for (const name of lists[section]) this[section][name] = 0;
  }

  fault(name: Fault): void {
    this.#add('faults', name, 1);
  }

  /** A row of the merge table, of the one for deletions, or a result of an undo or a merge of records. */
  row(name: string): void {
    const isLife = deletions.has(name) || name.startsWith('gone: ') || name.startsWith('there, ');
    this.#add(isLife ? 'deletions' : sectionOf(name), name, 1);
  }

  guard(name: string): void {
    this.#add('guards', name, 1);
  }

  trouble(name: string): void {
    this.#add('troubles', name, 1);
  }

  /** A use of a promise's named exceptions. */
  exception(name: string): void {
    this.#add('exceptions', name, 1);
  }

  add(other: Counted): void {
    for (const section of sections)
      for (const [name, n] of Object.entries(other[section])) this.#add(section, name, n);
  }

  #add(section: Section, name: string, n: number): void {
    this[section][name] = (this[section][name] ?? 0) + n;
  }

  /** What was reached and is in no list. */
  unlisted(): string[] {
    return sections.flatMap((section) =>
      Object.keys(this[section]).filter((name) => !(lists[section] as readonly string[]).includes(name)),
    );
  }

  /** What was reached less than so often; named exceptions need not be. */
  below(least: number): string[] {
    return sections
      .filter((section) => section !== 'exceptions')
      .flatMap((section) =>
        Object.entries(this[section])
          .filter(([, n]) => n < least)
          .map(([name, n]) => `${name}: ${n}`),
      );
  }
}
