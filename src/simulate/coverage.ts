/**
 * What a run of the simulator can reach, in full lists, so that what was never reached shows as 0 and is not
 * merely absent; and the watch over commits that tells which guards were met.
 */
import { mergeRows } from '../merge/judgement.ts';
import type { HoldReason } from '../merge/record.ts';
import type { Group } from '../store/store.ts';
import { faultNames } from './faults.ts';

/** Rows of the merge table that toy systems cannot reach, and what holds them to the law instead. */
export const beyondRows: Readonly<Record<string, string>> = {
  remapped: 'the mapping of a toy never changes: test/sync/remap.test.ts',
  'one: contested': 'toys have no flag that only one of them has: test/sync/one.test.ts',
  'left there': 'the mapping of a toy leaves nothing alone: test/merge/left.test.ts',
};

const lives = (subject: string, verdicts: readonly string[]): string[] =>
  verdicts.map((verdict) => `${subject}: ${verdict}`);

/** What became of deletions and of objects that are there although their record is deleted. */
export const deletionNames: readonly string[] = [
  ...lives('gone', ['takes', 'overruled', 'ask', 'kept', 'stays']),
  ...lives('there, live', ['stays', 'took']),
  ...lives('there, live, unwanted', ['stays', 'took', 'asked', 'overruled', 'kept', 'not-taken']),
  ...lives('there, back', ['stays', 'took']),
  ...lives('there, back, unwanted', ['took', 'asked', 'overruled', 'kept']),
];

/** What became of the fields of an undo, of its objects, and of what cannot be undone. */
export const undoNames: readonly string[] = [
  ...lives('undo', ['restored', 'kept', 'owed']),
  ...lives('undo of a deletion', ['restored', 'kept', 'owed']),
  ...lives('undo, object', ['restored', 'kept', 'impossible', 'owed']),
  'undo, history: impossible',
  'undo: planned again',
];

const holds: Readonly<Record<Exclude<HoldReason, 'remapped'>, true>> = {
  ask: true,
  transition: true,
  oscillation: true,
  'not-taken': true,
  refused: true,
  kept: true,
  empty: true,
  placeholder: true,
  own: true,
};

/** Whatever kept a value from going its way, or a write from being made. */
export const guardNames: readonly string[] = [
  'placeholder',
  'protected',
  'role reader',
  'role filler',
  'clear restore',
  'clear ask',
  'budget',
  'id changes',
  'shrunken source',
  'version guard',
  'group overtaken',
  'first reading',
  'incomplete',
  'unknown outcome',
  'rival',
  'denied',
  ...Object.keys(holds).map((why) => `held: ${why}`),
];

/** The engine has these too, and toy systems have nothing that could meet them. */
export const beyondGuards: Readonly<Record<string, string>> = {
  'held: remapped': beyondRows['remapped'] ?? '',
  reference: 'toys do not refer to each other: test/sync/relations.test.ts',
  'route, unclaimed': 'no routing tables: test/sync/routing.test.ts',
  when: 'one entity a kind: test/mapping/place.test.ts',
  'too many attempts':
    'twelve failures of one write in a row are too rare here: the parking itself is "unknown outcome"',
};

/** The troubles of the design's table, and whether they spoke of a call or of one item of it. */
export const troubleNames: readonly string[] = [
  'unreachable',
  'unknown',
  'unknown, one item',
  'busy',
  'stale',
  'stale, one item',
  'gone',
  'gone, one item',
  'gone, at a look',
  'moved to',
  'refused',
  'refused, one item',
  'forbidden',
  'forbidden, one object',
  'cursor-lost',
];

/** Of the design's table and not in the contract between the engine and its connectors. */
export const beyondTroubles: Readonly<Record<string, string>> = {
  pending: 'the contract has no token to settle by (`settle`): a 202 without one counts as unknown',
};

/** Uses of a promise's named exceptions: none has to be reached. */
export const exceptionNames: readonly string[] = [
  'unguarded window',
  'kind without read or guard',
  'create edited beyond search',
  'create deleted while unsettled',
  'restored unseen where nothing can be read',
  'edit of what an undo left',
  'undone while a write was unsettled',
  'list: kind without read or guard',
  'list: unguarded window',
  'list: write without an answer',
  'list: of merged records',
  'list: put back after a write without an answer',
  'list: made by a create without an answer',
];

/** What became of merges and unmerges that people asked for. */
export const identityNames: readonly string[] = [
  ...lives('merge', ['done', 'busy', 'apart', 'refused']),
  ...lives('unmerge', ['done', 'busy', 'refused']),
];

/** Every list by its name in the result. */
export const lists = {
  faults: faultNames,
  rows: mergeRows.filter((row) => beyondRows[row] === undefined),
  deletions: deletionNames,
  undos: undoNames,
  identities: identityNames,
  guards: guardNames,
  troubles: troubleNames,
  exceptions: exceptionNames,
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type Section = keyof typeof lists;

export const sections = Object.keys(lists) as Section[];

/** Codes for which an effect waits or is parked, and the guards that they are of. */
const byCode: Readonly<Record<string, string>> = {
  'first-reading': 'first reading',
  incomplete: 'incomplete',
  'unknown-outcome': 'unknown outcome',
  rival: 'rival',
  denied: 'denied',
};

const rules: ReadonlySet<string> = new Set([
  'placeholder',
  'protected',
  'role reader',
  'role filler',
  'clear restore',
  'clear ask',
]);

interface LineageBody {
  readonly entries?: readonly { readonly rule?: string; readonly held?: string }[];
}

const codeOf = (value: unknown): string | undefined => (value as { code?: string } | null)?.code;

const coded = (code: string | undefined): string[] => {
  const name = byCode[code ?? ''];
  return name === undefined ? [] : [name];
};

/** The guards that a commit shows to have been met, one mention each. */
export const guardsIn = ({ write }: Group): string[] =>
  write.flatMap((one): string[] => {
    if (one.op !== 'put' && one.op !== 'append' && one.op !== 'set') return [];
    if (one.table === 'effect') return coded(codeOf(one.row['reason']));
    if (one.table === 'parked') return coded(String(one.row['code']));
    if (one.table !== 'lineage') return [];
    return ((one.row['body'] as LineageBody | undefined)?.entries ?? []).flatMap(({ rule = '', held }) => [
      ...[...rules].filter((name) => rule.startsWith(name)),
      ...(held === undefined ? [] : [`held: ${held}`]),
    ]);
  });
