import type { Json, JsonObject } from '../connector.ts';
import type { Reference } from './reference.ts';
import type { Router } from './routing.ts';

/**
 * A compiled mapping: reads a remote kind into an entity's fields and writes fields onto the kind.
 * Pure. All the engine knows of a mapping.
 */

/**
 * Values of an entity's fields. `null` is *empty* (known to hold none); a missing key is *unseen*
 * (its places were not in the object).
 */
export type Fields = Record<string, Json>;

export interface FieldProblem {
  /** Field of the entity; undefined if the object as a whole is at fault. */
  readonly field?: string;
  /** JSON pointer into the remote object. */
  readonly pointer: string;
  /** Short code: `type`, `not-covered`, `required`, `format`, `overflow`, `reference`, `placeholder`, `step`. */
  readonly code: string;
  /** One sentence naming the value and what was expected. */
  readonly message: string;
  /** The step that could not take the value. */
  readonly step?: string;
}

/** What became of a value that was taken, where a person should know: it was cut, or left where it is. */
export interface FieldNote {
  readonly field: string;
  readonly pointer: string;
  readonly message: string;
}

/** Records of their own that an object carries: the rows of a sub-form. */
export interface Part {
  readonly entity: string;
  /** The rows with their own ids, in order; a row without one, or a list that is none, is a problem. */
  rows(value: JsonObject): {
    readonly rows: readonly { readonly key: string; readonly value: JsonObject }[];
    readonly problems: readonly FieldProblem[];
  };
  /** Reads and writes one row. */
  readonly lens: Lens;
}

export interface Reading {
  readonly fields: Fields;
  /** A field with a problem is missing from `fields`. A problem without a field parks the whole object. */
  readonly problems: readonly FieldProblem[];
  /** Fields that keep what they have, as the mapping says of the values that were seen; missing from `fields`. */
  readonly left?: readonly string[];
  /** Our record id, if the remote carries it. */
  readonly anchor?: string;
  readonly notes?: readonly FieldNote[];
}

export interface Writing {
  /** Only the places to be changed, in the connector's shape; `null` clears a place. */
  readonly value: JsonObject;
  readonly problems: readonly FieldProblem[];
  /** Fields whose places stay as they are, as the mapping says of the values that were given. */
  readonly left?: readonly string[];
  readonly notes?: readonly FieldNote[];
}

/** A table: rows that are told apart by the value of one cell. */
export interface Table {
  /** The cell that tells a row from the others. */
  readonly key: string;
  /** `keep`: no row is ever taken away through this mapping, neither there nor here. */
  readonly missing: 'keep' | 'remove';
  /** Cells that are read from the remote, and cells that are written to it. */
  readonly inward: ReadonlySet<string>;
  readonly outward: ReadonlySet<string>;
}

/** What a field's value is made of: `value` is one thing, a set has elements, a table has rows. */
export type Shape = 'value' | 'set' | Table;

export interface Lens {
  /** The mapping's name. */
  readonly name: string;
  /** Hash of the document's meaning: equal hashes map alike. */
  readonly hash: string;
  readonly entity: string;
  readonly connector: string;
  readonly kind: string;
  /** Fields that are read from the remote. */
  readonly inward: ReadonlySet<string>;
  /** Fields that are written to the remote. */
  readonly outward: ReadonlySet<string>;
  /** Fields whose every change is a transition. */
  readonly history: ReadonlySet<string>;
  /** Pointer of the place that holds our record id, if there is one. */
  readonly anchor?: string;
  /** Fields that name another record; their values are the other object's keys in this remote's terms. */
  readonly references: ReadonlyMap<string, Reference>;
  /** Records that an object carries besides itself, by the part's name. */
  readonly parts: ReadonlyMap<string, Part>;
  /** Decides fields of the record by tables; absent where the mapping has none. */
  readonly router?: Router;
  /** False for an object of the kind that is another mapping's. */
  applies(value: JsonObject): boolean;
  /** What the field's value is made of, and so merges by. */
  shape(field: string): Shape;
  /** The pointers under which a field lives on the remote, in order. */
  pointers(field: string): readonly string[];
  /** Reads an object. Never throws for bad input: it tells problems. */
  read(value: JsonObject): Reading;
  /**
   * Writes some fields. `base` is the remote as last seen, for places that several fields share.
   * `anchor`, if given and the mapping has a place for it, is written too.
   */
  write(fields: Fields, base: JsonObject | null, anchor?: string): Writing;
  /**
   * Why the remote keeps what it has though the field holds this value, as a sentence; null where it is written.
   * Absent where the mapping writes whatever it can.
   */
  leaves?(field: string, value: Json): string | null;
  /** The value that the remote is expected to show for `field` after `value` was written to it: read ∘ remote ∘ write. */
  settle(field: string, value: Json): Json;
  /** The places that the mapping reads, canonical (sorted keys, no places beside): what a shadow keeps. */
  shadow(value: JsonObject): JsonObject;
}
