import { append, pointerSegments } from '@hyperjump/json-pointer';
import type { Json, JsonObject } from '../connector.ts';

/**
 * Places in a remote object: JSON pointers (RFC 6901), read and written by their library. Three things are meant
 * otherwise, since a place is where a field lives: it is never the whole document nor under an empty name (both are
 * slips of the pen far more often than wishes), it leads through objects and never into lists, whose items come and go,
 * and below what is known to be empty everything is.
 */

export type Segments = readonly string[];

const HOSTILE: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
/** Deeper values are not taken: a value that deep is an attack, not a field. */
const MOST_DEPTH = 64;

/** The names along a pointer, or null if the text is no pointer to a place. */
export const segmentsOf = (pointer: string): Segments | null => {
  try {
    const segments = [...pointerSegments(pointer)];
    return segments.length === 0 || segments.includes('') ? null : segments;
  } catch {
    return null;
  }
};

/** The pointer made of these names. */
export const pointerOf = (segments: Segments): string =>
  segments.reduce((pointer, segment) => append(segment, pointer), '');

/** True if a name along the pointer would reach into JavaScript's own objects. */
export const isHostile = (segments: Segments): boolean => segments.some((part) => HOSTILE.has(part));

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The own member of an object, or undefined. */
export const member = (value: unknown, name: string): Json | undefined =>
  isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;

/**
 * What stands at a place: undefined where it was not seen. Below a place that is known to be empty
 * everything is known to be empty.
 */
export const valueAt = (value: Json, segments: Segments): Json | undefined => {
  let here: Json | undefined = value;
  for (const segment of segments) {
    if (here === null) return null;
    here = member(here, segment);
    if (here === undefined) return undefined;
  }
  return here;
};

/** A name that plain objects answer to without holding it: `toString` and its like. */
const isInherited = (name: string): boolean => name in Object.prototype;

/** As `valueAt`, bound to one place: what is asked a million times a second. */
export const getterOf = (segments: Segments): ((value: Json) => Json | undefined) => {
  const [first, second, ...more] = segments;
  if (first === undefined || more.length > 0 || segments.some(isInherited))
    return (value) => valueAt(value, segments);
  // No name is inherited, so that asking the object is enough.
  if (second === undefined)
    return (value) => (isObject(value) ? value[first] : value === null ? null : undefined);
  return (value) => {
    if (!isObject(value)) return value === null ? null : undefined;
    const below = value[first];
    return isObject(below) ? below[second] : below === null ? null : undefined;
  };
};

/** Puts a value at a place, making the objects on the way. */
export const putAt = (target: JsonObject, segments: Segments, value: Json): void => {
  let here = target;
  segments.forEach((segment, index) => {
    if (index === segments.length - 1) {
      here[segment] = value;
      return;
    }
    const next = member(here, segment);
    const inner: JsonObject = isObject(next) ? next : {};
    here[segment] = inner;
    here = inner;
  });
};

/**
 * The value with sorted keys and without what JSON cannot hold; undefined if it holds a number that is
 * none, or is nested beyond reason. Keys that reach into JavaScript's own objects are left out.
 */
export const canonical = (value: unknown, depth = 0): Json | undefined => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : undefined;
  if (typeof value !== 'object' || depth > MOST_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => canonical(item, depth + 1));
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  const sorted: JsonObject = {};
  for (const [key, inner] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (inner === undefined || HOSTILE.has(key)) continue;
    const made = canonical(inner, depth + 1);
    if (made === undefined) return undefined;
    sorted[key] = made;
  }
  return sorted;
};

/** One text for equal values, whatever the order of their keys. */
export const canonicalText = (value: unknown): string => JSON.stringify(canonical(value) ?? null);

export const sameValue = (a: Json, b: Json): boolean => a === b || canonicalText(a) === canonicalText(b);
