/**
 * Lists that merge by their members: a set by its elements, a table by its rows, and each row by its cells. Pure.
 *
 * For each member (and each cell of a row that all sides have), against what the remote showed last:
 *
 *   theirs              | ours                | result
 *   as it was           | any                 | ours
 *   changed             | as it was           | theirs
 *   changed             | changed alike       | same
 *   changed             | changed otherwise   | a clash: the field's policy decides
 *
 * To an element only two things can happen, so that two edits of one element never clash. To a row three can: added
 * on both sides it is merged by its cells; removed on one side and edited on the other it clashes as a whole. A cell
 * that was emptied there goes by the field's clear policy, as a field would.
 *
 * What the remote showed last is all that is needed to know who did what, and no version per member is kept: what
 * ours has beyond it is what the remote has not shown. Only a write that has not shown yet leaves two answers to "as
 * it was": the remote before it, and as it was asked. A member that the write touched and that shows as asked counts
 * from there. One that does not show was not written, if nobody has acknowledged the write; else it clashes: not
 * taken, made into something else, or taken back by a person. A member that shows for the first time in the same
 * look may be what the remote made of it, so that it shares the decision (else a remote that lower-cases tags would
 * give each record both spellings).
 *
 * Members are compared in the form in which the remote shows them, and without their order.
 */
import type { Json, JsonObject } from '../connector.ts';
import type { Lens, Table } from '../mapping/lens.ts';
import { hashOf, isEmpty, isObject, same } from './record.ts';

/** A field that is a set or a table, as one remote shows it. */
export interface Listed {
  readonly shape: 'set' | Table;
  /** A member as the remote shows it after it was written; undefined if it shows nothing of it. */
  form(member: Json): Json | undefined;
}

/** Null for a field that is one value. */
export const listedBy = (lens: Lens, field: string): Listed | null => {
  const shape = lens.shape(field);
  if (shape === 'value') return null;
  const form = (member: Json): Json | undefined => itemsOf(lens.settle(field, [member]))[0];
  return { shape, form };
};

export const itemsOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

/** The list with members; an empty one is empty, like any field. */
const listOf = (items: readonly Json[]): Json => (items.length === 0 ? null : [...items]);

/** A member with its form there, and the text by which it is known there. */
interface Member {
  readonly key: string;
  readonly value: Json;
  readonly form: Json | undefined;
}

const cellOf = (row: Json | undefined, cell: string): Json | undefined =>
  isObject(row) && Object.hasOwn(row, cell) ? row[cell] : undefined;

const membersOf = ({ shape, form }: Listed, list: Json | undefined): Member[] =>
  itemsOf(list).map((value) => {
    const there = form(value);
    const told = shape === 'set' ? there : (cellOf(there, shape.key) ?? cellOf(value, shape.key));
    // What the remote cannot show is nobody's but ours: no key of the remote's is like it.
    return { key: told === undefined ? `~${hashOf(value)}` : hashOf(told), value, form: there };
  });

const byKey = (members: readonly Member[]): Map<string, Member> =>
  new Map(members.map((one) => [one.key, one]));

/** The remote shows this cell of a member, or what it is known to make of it. */
const showsCell = (theirs: Member, ours: Member, cell: string): boolean => {
  const shown = cellOf(theirs.value, cell) ?? null;
  return (
    same(shown, cellOf(ours.value, cell) ?? null) ||
    (cellOf(ours.form, cell) !== undefined && same(shown, cellOf(ours.form, cell) ?? null))
  );
};

const showsRow = (theirs: Member, ours: Member, cells: Iterable<string>): boolean =>
  [...cells].every((cell) => showsCell(theirs, ours, cell));

/** Cells that are written, and can be seen to have been. */
const bothWays = ({ inward, outward }: Table): string[] => [...inward].filter((cell) => outward.has(cell));

/**
 * The remote shows this list, or what it is known to make of it, in whatever order. `written` asks only for cells
 * that are written there.
 */
export const showsList = (
  listed: Listed,
  theirs: Json | undefined,
  ours: Json,
  which: 'all' | 'written',
): boolean => {
  const shown = byKey(membersOf(listed, theirs));
  const wanted = byKey(membersOf(listed, ours).filter(({ form }) => form !== undefined));
  if (shown.size !== wanted.size) return false;
  const { shape } = listed;
  const cells = shape === 'set' ? [] : which === 'all' ? shape.inward : bothWays(shape);
  return [...wanted].every(([key, one]) => {
    const there = shown.get(key);
    return there !== undefined && showsRow(there, one, cells);
  });
};

/** The remote shows this value of a field, or what it is known to make of it. */
export const shows = (lens: Lens, field: string, theirs: Json, value: Json): boolean => {
  if (same(theirs, value)) return true;
  const listed = listedBy(lens, field);
  if (listed !== null) return showsList(listed, theirs, value, 'all');
  return !isEmpty(value) && same(theirs, lens.settle(field, value));
};

/** Text that is equal for equal values of a field; of a list, for all orders of the same members. */
export const hashIn = (listed: Listed | null, value: Json): string =>
  listed === null ? hashOf(value) : JSON.stringify(itemsOf(value).map(hashOf).sort());

/**
 * What the remote is to hold where ours is written: ours, with rows of its own where no row is to be taken away, and
 * with its own cells where ours are empty, unless the emptiness is `newer` than what it has shown.
 */
export const wantedThere = (listed: Listed, ours: Json, shown: Json | undefined, newer: boolean): Json => {
  const { shape } = listed;
  if (shape === 'set') return ours;
  const there = byKey(membersOf(listed, shown));
  const mine = membersOf(listed, ours).map(({ key, value }) => {
    const other = there.get(key)?.value;
    there.delete(key);
    if (newer || !isObject(value) || !isObject(other)) return value;
    const kept = bothWays(shape).filter((cell) => isEmpty(cellOf(value, cell)));
    return { ...value, ...Object.fromEntries(kept.flatMap((cell) => entryOf(other, cell))) };
  });
  const own = shape.missing === 'keep' ? [...there.values()].map(({ value }) => value) : [];
  return listOf([...mine, ...own]);
};

const entryOf = (row: JsonObject, cell: string): [string, Json][] => {
  const value = cellOf(row, cell);
  return value === undefined ? [] : [[cell, value]];
};

// ---------------------------------------------------------------- three ways

/** Who wins a clash; `hold` leaves ours and asks. */
export type Winner = 'theirs' | 'ours' | 'hold';

/**
 * `conflict`: both sides changed it. `cleared`: a cell was emptied there. `missing`: a row is not there, and rows are
 * not to be taken away. `paths` name what is decided (see `pathsOf`).
 */
export type Decide = (why: 'conflict' | 'cell' | 'cleared' | 'missing', paths: readonly string[]) => Winner;

export interface Sides {
  /** What the remote showed last. */
  readonly base: Json | undefined;
  readonly theirs: Json;
  readonly ours: Json;
  /** What was written there and has not shown yet, if something was; and whether the remote said that it took it. */
  readonly asked?: { readonly value: Json; readonly acked: boolean } | undefined;
}

export interface Combined {
  /** With everything that is decided; what is held is as ours has it. */
  readonly value: Json;
  /** The same, but what is held is as theirs has it. */
  readonly other: Json;
  /** True if nothing of what was asked and acknowledged is missing. */
  readonly taken: boolean;
}

/** One member or cell twice: as decided, and with theirs where it is held. */
type Both = readonly [Json | undefined, Json | undefined];

const pick = (winner: Winner, theirs: Json | undefined, ours: Json | undefined): Both => [
  winner === 'theirs' ? theirs : ours,
  winner === 'ours' ? ours : theirs,
];

/** The same member on all sides; undefined where a side does not have it. */
interface Four {
  readonly base: Member | undefined;
  readonly asked: Member | undefined;
  readonly theirs: Member | undefined;
  readonly ours: Member | undefined;
}

class Combining {
  readonly shape: Listed['shape'];
  readonly decide: Decide;
  readonly acked: boolean;
  taken = true;
  /** What was decided of members that were asked for and do not show. */
  #unshown: Winner | undefined;

  constructor(shape: Listed['shape'], decide: Decide, acked: boolean) {
    this.shape = shape;
    this.decide = decide;
    this.acked = acked;
  }

  /** Decides once for all that does not show as asked. */
  unshown(paths: readonly string[]): void {
    if (paths.length === 0) return;
    this.taken = false;
    this.#unshown = this.decide('conflict', paths);
  }

  member(four: Four): Both {
    const { base, asked, theirs, ours } = four;
    const isTouched = (asked === undefined) !== (base === undefined);
    if (isTouched && (theirs === undefined) !== (asked === undefined))
      return pick(this.#unshown ?? 'hold', theirs?.value, ours?.value);
    const was = isTouched ? asked : base;
    if (theirs !== undefined && ours !== undefined) return this.#row({ ...four, base: was, theirs, ours });
    if (theirs !== undefined) return this.#onlyThere(was, theirs);
    return ours === undefined ? [undefined, undefined] : this.#onlyHere(was, ours);
  }

  #onlyThere(was: Member | undefined, theirs: Member): Both {
    if (was === undefined) {
      if (this.#unshown !== undefined) return pick(this.#unshown, theirs.value, undefined);
      return [theirs.value, theirs.value];
    }
    if (this.shape === 'set' || showsRow(theirs, was, this.shape.inward)) return [undefined, undefined];
    return pick(this.decide('conflict', [pathOf(this.shape, theirs.value)]), theirs.value, undefined);
  }

  #onlyHere(was: Member | undefined, ours: Member): Both {
    if (was === undefined) return [ours.value, ours.value];
    if (this.shape === 'set') return [undefined, undefined];
    const path = [pathOf(this.shape, ours.value)];
    if (this.shape.missing === 'keep') return pick(this.decide('missing', path), undefined, ours.value);
    if (showsRow(was, ours, this.shape.inward)) return [undefined, undefined];
    const cells = [...this.shape.inward].map((cell) => `${path[0] ?? ''} ${cell}`);
    return pick(this.decide('conflict', [...path, ...cells]), undefined, ours.value);
  }

  #row({ base, asked, theirs, ours }: Four & { readonly theirs: Member; readonly ours: Member }): Both {
    if (this.shape === 'set' || !isObject(ours.value)) return [ours.value, ours.value];
    const made: JsonObject = { ...ours.value };
    const other: JsonObject = { ...ours.value };
    for (const cell of this.shape.inward) {
      const both = this.#cell(cell, { base, asked, theirs, ours });
      [made, other].forEach((row, index) => {
        const value = both[index];
        if (isEmpty(value)) delete row[cell];
        else row[cell] = value ?? null;
      });
    }
    return [made, other];
  }

  #cell(
    cell: string,
    { base, asked, theirs, ours }: Four & { readonly theirs: Member; readonly ours: Member },
  ): Both {
    const shape = this.shape as Table;
    const there = cellOf(theirs.value, cell);
    const here = cellOf(ours.value, cell);
    const was = base ?? NOTHING;
    const isTouched =
      asked !== undefined &&
      shape.outward.has(cell) &&
      !showsCell(was, asked, cell) &&
      (this.acked || showsCell(theirs, asked, cell));
    if (isTouched ? showsCell(theirs, asked, cell) : showsCell(theirs, was, cell)) return [here, here];
    if (showsCell(theirs, ours, cell)) return [here, here];
    if (isTouched) this.taken = false;
    const path = [`${pathOf(shape, ours.value)} ${cell}`];
    const isCleared = isEmpty(there) && !isEmpty(cellOf(was.value, cell));
    const moved = isTouched || !showsCell(was, ours, cell);
    if (isCleared) {
      const winner = this.decide('cleared', path);
      // As for a field: what may be cleared is still a conflict where ours has moved.
      if (winner !== 'theirs' || !moved) return pick(winner, undefined, here);
    }
    return moved ? pick(this.decide('cell', path), there, here) : [there, there];
  }
}

const NOTHING: Member = { key: '', value: {}, form: {} };

/** Merges one look at a list into ours. */
export const combine = (listed: Listed, sides: Sides, decide: Decide): Combined => {
  const { shape } = listed;
  const base = byKey(membersOf(listed, sides.base));
  const asked = sides.asked === undefined ? base : byKey(membersOf(listed, sides.asked.value));
  const acked = sides.asked?.acked === true;
  const theirs = byKey(membersOf(listed, sides.theirs));
  const ours = membersOf(listed, sides.ours);
  const combining = new Combining(shape, decide, acked);
  const unshown = [...new Set([...base.keys(), ...asked.keys()])].filter(
    (key) => base.has(key) !== asked.has(key) && theirs.has(key) !== asked.has(key),
  );
  const pathAt = (key: string): string => pathOf(shape, (asked.get(key) ?? base.get(key) ?? NOTHING).value);
  if (acked) combining.unshown(unshown.map(pathAt));
  const four = (key: string, mine: Member | undefined): Both =>
    combining.member({
      base: base.get(key),
      asked: (!acked && unshown.includes(key) ? base : asked).get(key),
      theirs: theirs.get(key),
      ours: mine,
    });
  const known = new Set(ours.map(({ key }) => key));
  const both = [
    ...ours.map((one) => four(one.key, one)),
    ...[...theirs.keys()].filter((key) => !known.has(key)).map((key) => four(key, undefined)),
  ];
  const chosen = (index: 0 | 1): Json => listOf(both.flatMap((one) => one[index] ?? []));
  return { value: chosen(0), other: chosen(1), taken: combining.taken };
};

/** `now` with what leads from one list to the other: what a question about a list is about. */
export const applied = (listed: Listed, from: Json, to: Json, now: Json): Json =>
  combine({ ...listed, shape: removing(listed.shape) }, { base: from, theirs: to, ours: now }, () => 'theirs')
    .value;

const removing = (shape: Listed['shape']): Listed['shape'] =>
  shape === 'set' ? shape : { ...shape, missing: 'remove' };

// ---------------------------------------------------------------- what changed

/** The text that names a member whatever the remote makes of it. */
const pathOf = (shape: Listed['shape'], member: Json): string =>
  hashOf(shape === 'set' ? member : (cellOf(member, shape.key) ?? null));

interface ListChange {
  /** The member's text; for a cell also its name. */
  readonly path: string;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
}

/** Members that came or went, and cells that changed, in the order in which they stand. */
export const changesOf = (shape: Listed['shape'], before: Json, after: Json): ListChange[] => {
  const old = new Map(itemsOf(before).map((one) => [pathOf(shape, one), one]));
  const now = new Map(itemsOf(after).map((one) => [pathOf(shape, one), one]));
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((path): ListChange[] => {
    const [a, b] = [old.get(path), now.get(path)];
    if (a === undefined || b === undefined) return [{ path, before: a, after: b }];
    if (!isObject(a) || !isObject(b)) return [];
    return [...new Set([...Object.keys(a), ...Object.keys(b)])]
      .filter((cell) => !same(a[cell] ?? null, b[cell] ?? null))
      .map((cell) => ({ path: `${path} ${cell}`, before: a[cell], after: b[cell] }));
  });
};

const most = 8;

/** What came, what went and what changed, in one line: `+"vip", −"old"`, `−"L2", "L1" quantity: 2 → 3`. */
export const changeText = (shape: Listed['shape'], before: Json, after: Json): string => {
  const all = changesOf(shape, before, after).map(({ path, before: a, after: b }) =>
    shape !== 'set' && (a === undefined || !isObject(a)) && (b === undefined || !isObject(b))
      ? `${path}: ${JSON.stringify(a ?? null)} → ${JSON.stringify(b ?? null)}`
      : `${a === undefined ? '+' : '−'}${path}`,
  );
  const more = all.length - most;
  return [...all.slice(0, most), ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
};
