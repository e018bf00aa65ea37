/**
 * The lists of a toy system: a set of tags, and a table of lines with a column that no mapping names. A system may
 * keep tags in its own order, and normalises tags and products as it does other text.
 */
import type { Json, JsonObject } from '../connector.ts';
import { isObject } from '../merge/record.ts';
import type { Dice } from './draw.ts';
import type { ToyTraits } from './toy.ts';

export const listFields = ['tags', 'lines'] as const;
export type ListField = (typeof listFields)[number];

export const isListField = (field: string): field is ListField =>
  (listFields as readonly string[]).includes(field);

const itemsOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);
const rowsOf = (value: Json | undefined): JsonObject[] => itemsOf(value).filter(isObject);
const listOf = (items: readonly Json[]): Json => (items.length === 0 ? null : [...items]);

/** A list whose texts a system has made its own by `turn`. */
export const turnedList = (field: ListField, value: Json, turn: (text: string) => string): Json => {
  const text = (one: Json | undefined): Json => (typeof one === 'string' ? turn(one) : (one ?? null));
  if (field === 'lines') return listOf(rowsOf(value).map((row) => ({ ...row, sku: text(row['sku']) })));
  return listOf([...new Set(itemsOf(value).map(text))].filter((tag) => tag !== ''));
};

/** The list as a system keeps it: tags in its own order, new rows with what its own column holds. */
export const keptList = (
  field: ListField,
  { name, sorts }: ToyTraits,
  value: Json,
  before: Json | undefined,
): Json => {
  if (field === 'tags') return sorts && Array.isArray(value) ? value.toSorted() : value;
  const known = new Set(rowsOf(before).map((row) => row['no']));
  return listOf(
    rowsOf(value).map((row) =>
      known.has(row['no']) ? row : { ...row, own: `${name} ${String(row['no'])}` },
    ),
  );
};

/** Rows whose own column is not what the system gave it when they came. */
export const strangeRows = ({ name }: ToyTraits, lines: Json | undefined): JsonObject[] =>
  rowsOf(lines).filter((row) => row['own'] !== `${name} ${String(row['no'])}`);

// ---------------------------------------------------------------- people

/** What people draw with: a number that was never used before, for values that can be followed. */
export interface Hand extends Dice {
  next(): number;
}

const tagOf = (hand: Hand): Json => {
  const tag = `Tag${hand.next()}`;
  return hand.chance(0.2) ? ` ${tag} ` : tag;
};

const rowOf = (hand: Hand): JsonObject => {
  const n = hand.next();
  // Now and then two people count to the same number.
  const no = hand.chance(0.15) ? `L${n % 5}` : `L${n}`;
  return { no, sku: `Sku${n}`, qty: n };
};

/** A list as somebody files it. */
export const filedList = (field: ListField, hand: Hand): Json => {
  const count = Math.floor(hand.random() * 3);
  const items = Array.from({ length: count }, () => (field === 'tags' ? tagOf(hand) : rowOf(hand)));
  return listOf(field === 'tags' ? items : distinct(items));
};

const distinct = (rows: readonly Json[]): Json[] => [
  ...new Map(rows.filter(isObject).map((row) => [row['no'], row])).values(),
];

const editedTags = (hand: Hand, tags: readonly Json[], former: readonly Json[]): readonly Json[] => {
  const roll = hand.random();
  const some = hand.pick(tags);
  const rest = tags.filter((tag) => tag !== some);
  if (roll < 0.05) return [];
  if (roll < 0.3) return rest;
  if (roll < 0.4) return [...rest, tagOf(hand)];
  const old = hand.pick(former);
  return roll < 0.5 && old !== undefined && !tags.includes(old) ? [...tags, old] : [...tags, tagOf(hand)];
};

const editedRows = (hand: Hand, rows: readonly JsonObject[], former: readonly Json[]): readonly Json[] => {
  const roll = hand.random();
  const some = hand.pick(rows);
  const change = (row: JsonObject): readonly Json[] => rows.map((one) => (one === some ? row : one));
  if (roll < 0.05) return [];
  if (some !== undefined && roll < 0.2) return rows.filter((row) => row !== some);
  if (some !== undefined && roll < 0.34) return change({ ...some, qty: hand.next() });
  if (some !== undefined && roll < 0.48) return change({ ...some, sku: `Sku${hand.next()}` });
  if (some !== undefined && roll < 0.64) return change({ ...some, qty: null });
  if (roll < 0.68) return rows.toReversed();
  const old = hand.pick(former);
  const more = roll < 0.73 && isObject(old) ? old : rowOf(hand);
  // A number that stands there already is nobody's to give again.
  return rows.some((row) => row['no'] === more['no']) ? rows : [...rows, more];
};

/** The list after somebody has worked on it; `former` are members that it once had. */
export const editedList = (field: ListField, hand: Hand, value: Json, former: readonly Json[]): Json =>
  listOf(
    field === 'tags'
      ? editedTags(hand, itemsOf(value), former.flatMap(itemsOf))
      : editedRows(hand, rowsOf(value), former.flatMap(itemsOf)),
  );
