/**
 * Records to be compared, by column: each distinct text is kept once, normalised once, and is a number from
 * then on. A million records of six fields take some 250 MB.
 */
import { facetAt, type Facets, type Sort } from './sort.ts';
import { sortOf, type Field } from './sorts.ts';

// As a signed number, as what it becomes: the engine keeps both in a register.
const basis = 0x811c9dc5 | 0;

/** The state of a hash after a text, to be gone on with. */
export const hashState = (text: string, before = basis): number => {
  let hash = before;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
};

/** A hash of 32 bits (FNV-1a over UTF-16 units); never 0 but for the empty text. */
export const hashOf = (text: string): number => signedHashOf(text) >>> 0;

/** The same 32 bits as a signed number, of a text or of one that began with `before`. */
export const signedHashOf = (text: string, before?: number): number => {
  if (text === '') return 0;
  let hash = hashState(text, before);
  // The last letters would move the low bits only.
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  hash ^= hash >>> 12;
  return hash === 0 ? 1 : hash;
};

/** A list of numbers that grows: `new Numbers(Uint32Array)`. */
export class Numbers<List extends Int32Array | Uint32Array | Float64Array> {
  readonly #kind: new (length: number) => List;
  #list: List;
  length = 0;

  constructor(kind: new (length: number) => List) {
    this.#kind = kind;
    this.#list = new kind(1024);
  }

  push(value: number): void {
    if (this.length === this.#list.length) {
      const larger = new this.#kind(this.length * 2);
      larger.set(this.#list);
      this.#list = larger;
    }
    this.#list[this.length] = value;
    this.length += 1;
  }

  at(index: number): number {
    return this.#list[index] ?? 0;
  }

  end(): List {
    return this.#list.slice(0, this.length) as List;
  }
}

/** Distinct texts by number, from 0. A quarter of the memory of a Map of a million texts. */
export class Texts {
  readonly list: string[] = [];
  readonly #hashes = new Numbers(Int32Array);
  #slots = new Int32Array(1 << 14).fill(-1);

  id(text: string): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const hash = signedHashOf(text);
    let at = hash & mask;
    for (let id = slots[at] ?? -1; id >= 0; id = slots[at] ?? -1) {
      if (this.list[id] === text) return id;
      at = (at + 1) & mask;
    }
    const id = this.list.length;
    slots[at] = id;
    this.list.push(text);
    this.#hashes.push(hash);
    if (this.list.length * 2 > slots.length) this.#grow();
    return id;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 4).fill(-1);
    const mask = slots.length - 1;
    for (let id = 0; id < this.#hashes.length; id += 1) {
      let at = this.#hashes.at(id) & mask;
      while ((slots[at] ?? -1) >= 0) at = (at + 1) & mask;
      slots[at] = id;
    }
    this.#slots = slots;
  }
}

export interface Column {
  /** By record: the number of its text, and of the form that it is compared by; form 0 is no value. */
  readonly raw: Uint32Array;
  readonly form: Uint32Array;
  readonly texts: readonly string[];
  readonly facets: Facets;
  /** By form: how many records have it. */
  readonly counts: Uint32Array;
}

export interface Table {
  readonly fields: readonly Field[];
  readonly columns: readonly Column[];
  readonly size: number;
  /** Records from here on are of the second file, and are compared with those of the first only; else `size`. */
  readonly split: number;
}

/** One column in the making. */
class Growing {
  readonly #texts = new Texts();
  readonly #forms = new Texts();
  readonly #raw = new Numbers(Uint32Array);
  /** By number of text: its form. */
  readonly #formOf = new Numbers(Uint32Array);
  readonly #facets: string[][] = [];
  readonly #sort: Sort;

  constructor(field: Field) {
    this.#sort = sortOf(field.sort);
    this.#forms.id('');
  }

  add(text: string): void {
    const id = this.#texts.id(text);
    if (id === this.#formOf.length) this.#formOf.push(this.#form(text));
    this.#raw.push(id);
  }

  #form(text: string): number {
    const facets = text === '' ? null : this.#sort.facets(text);
    const main = facets?.[0] ?? '';
    if (facets === null || main === '') return 0;
    const id = this.#forms.id(main);
    for (let facet = 0; facet < facets.length; facet += 1) {
      const value = facets[facet] ?? '';
      const list = (this.#facets[facet] ??= ['']);
      // One text in memory where two facets are equal.
      if (id === list.length) list.push(value === main ? (this.#forms.list[id] ?? value) : value);
    }
    return id;
  }

  end(): Column {
    const raw = this.#raw.end();
    const formOf = this.#formOf.end();
    const form = new Uint32Array(raw.length);
    const counts = new Uint32Array(this.#forms.list.length);
    for (let record = 0; record < raw.length; record += 1) {
      const id = formOf[raw[record] ?? 0] ?? 0;
      form[record] = id;
      counts[id] = (counts[id] ?? 0) + 1;
    }
    return { raw, form, texts: this.#texts.list, facets: this.#facets, counts };
  }
}

/** Takes records one by one, each a list of texts in the order of the fields. */
export class TableBuilder {
  readonly fields: readonly Field[];
  readonly #columns: readonly Growing[];
  #size = 0;
  #split = -1;

  constructor(fields: readonly Field[]) {
    this.fields = fields;
    this.#columns = fields.map((field) => new Growing(field));
  }

  get size(): number {
    return this.#size;
  }

  add(texts: readonly string[]): void {
    for (let i = 0; i < this.#columns.length; i += 1) this.#columns[i]?.add(texts[i] ?? '');
    this.#size += 1;
  }

  /** What is added from here on is of the second file. */
  second(): void {
    this.#split = this.#size;
  }

  end(): Table {
    return {
      fields: this.fields,
      columns: this.#columns.map((column) => column.end()),
      size: this.#size,
      split: this.#split < 0 ? this.#size : this.#split,
    };
  }
}

/**
 * The records in an order that depends on what they say and not on where they stand, those of the first file
 * before those of the second; so that whatever is drawn from them is the same for the same records in any order.
 */
export const contentOrder = ({ columns, size, split }: Table): Uint32Array => {
  const joint = new Int32Array(size);
  for (const { counts, facets, form } of columns) {
    const hashes = new Int32Array(counts.length);
    for (let id = 0; id < hashes.length; id += 1) hashes[id] = signedHashOf(facetAt(facets, 0, id));
    for (let record = 0; record < size; record += 1) {
      const hash = joint[record] ?? 0;
      joint[record] = Math.imul(hash ^ (hashes[form[record] ?? 0] ?? 0), 0x2c1b3c6d) ^ (hash >>> 13);
    }
  }
  const keys = new Float64Array(size);
  for (let record = 0; record < size; record += 1) {
    const hash = joint[record] ?? 0;
    // 27 bits of hash, then the number: one sort of numbers, exact up to 67 million records.
    keys[record] = (hash >>> 5) * 2 ** 26 + record;
  }
  for (const part of [keys.subarray(0, split), keys.subarray(split)]) part.sort();
  const order = new Uint32Array(size);
  for (let at = 0; at < size; at += 1) order[at] = (keys[at] ?? 0) % 2 ** 26;
  return order;
};

/** What a record says in a field, as it was given. */
export const textAt = (table: Table, field: number, record: number): string => {
  const column = table.columns[field];
  return column?.texts[column.raw[record] ?? 0] ?? '';
};

/** How many pairs there are in a table: within it, or between its two files. */
export const allPairs = ({ size, split }: Table): number =>
  split < size ? split * (size - split) : (size * (size - 1)) / 2;
