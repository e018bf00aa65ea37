import type { Json, JsonObject } from '../connector.ts';
import type { BoundField } from './field.ts';
import type { Reading } from './lens.ts';
import type { Segments } from './place.ts';
import { cleaned, emptied, isClean, isUnclean } from './run.ts';
import type { Link } from './run.ts';
import { Misfit } from './step.ts';
import type { Outcome } from './step.ts';

/**
 * Reads an object that has nothing unusual about it, with code generated for the one mapping; everything else goes
 * the long way, which is the one that says what reading means. A test holds both against each other.
 *
 * Why generated: closures alone read 0.8 records while JSON.parse reads one (test/bench), because each step is called
 * from one place in the code for all fields of all mappings, and because a record whose field names are only known at
 * run time becomes a dictionary. Each call gets a place of its own here, and the record is one literal.
 */

/** True if the name is neither inherited by plain objects nor could be written by a mapping to reach them. */
const isPlain = (name: string): boolean => !(name in Object.prototype);

/** Anything but text: the value in one form, emptied; undefined if the long way must look at it. */
const settledValue = (value: Outcome): Json | undefined => {
  if (value === null || typeof value === 'boolean') return value;
  if (value instanceof Misfit) return undefined;
  const clean = cleaned(value);
  return clean instanceof Misfit ? undefined : emptied(clean);
};

interface Source {
  readonly lines: string[];
  /** What the code refers to by name. */
  readonly names: string[];
  readonly values: unknown[];
}

const named = (source: Source, value: unknown): string => {
  const name = `k${source.names.length}`;
  source.names.push(name);
  source.values.push(value);
  return name;
};

/** Code that leaves through the long way. */
const LEAVE = 'return slow(o);';

/** `v` after one step: empty text is empty, and a misfit leaves. */
const stepCode = (source: Source, v: string, { bound, fills }: Link): string => {
  // A closure of its own for each step: one that is shared would know no step's code.
  const call = `${v} = ${named(source, bound.forward)}(${v});
    if (typeof ${v} === 'string') { if (${v} === '') ${v} = null; }
    else if (typeof ${v} !== 'number') { ${v} = settled(${v}); if (${v} === undefined) ${LEAVE} }
    else if (!isFinite(${v})) ${LEAVE}
    else ${v} += 0;`;
  if (bound.text !== undefined) {
    const quick = `${v} = ${named(source, bound.text)}(${v}); if (${v} === '') ${v} = null;`;
    return `if (typeof ${v} === 'string') { ${quick} } else if (${v} !== null) { ${call} }`;
  }
  return fills ? call : `if (${v} !== null) { ${call} }`;
};

/** Code that reads one place into `v`; objects on the way that are none leave. */
const placeCode = (source: Source, v: string, place: Segments, parents: Map<string, string>): void => {
  let from = 'o';
  place.slice(0, -1).forEach((segment, index) => {
    const path = JSON.stringify(place.slice(0, index + 1));
    const known = parents.get(path);
    if (known !== undefined) {
      from = known;
      return;
    }
    const name = `p${parents.size}`;
    parents.set(path, name);
    source.lines.push(
      `const ${name} = ${from}[${JSON.stringify(segment)}];
      if (typeof ${name} !== 'object' || ${name} === null || isArray(${name})) ${LEAVE}`,
    );
    from = name;
  });
  source.lines.push(`let ${v} = ${from}[${JSON.stringify(place.at(-1) ?? '')}];`);
};

/** The value at a place in the form that steps take; what was not seen leaves, unless a default stands in for it. */
const seenCode = (v: string, fills: boolean): string => `
    if (typeof ${v} === 'string') { if (${v} === '') ${v} = null; }
    else if (${v} === undefined) { ${fills ? `${v} = null;` : LEAVE} }
    else { ${v} = settled(${v}); if (${v} === undefined) ${LEAVE} }`;

const fieldCode = (source: Source, field: BoundField, v: string, parents: Map<string, string>): boolean => {
  const { chain, validate, listed } = field.reading;
  if (chain.notes) return false;
  const many = field.segments.map((place, index) => {
    const name = field.segments.length === 1 && !listed ? v : `${v}_${index}`;
    placeCode(source, name, place, parents);
    source.lines.push(seenCode(name, chain.fills));
    return name;
  });
  if (listed)
    source.lines.push(
      `let ${v} = ${many.map((name) => `${name} === null`).join(' && ')} ? null : [${many.join(', ')}];`,
    );
  for (const step of chain.steps) source.lines.push(stepCode(source, v, step));
  if (field.required) source.lines.push(`if (${v} === null) ${LEAVE}`);
  const unclean = `(typeof ${v} === 'string' ? !clean(${v}) : typeof ${v} === 'object' && unclean(${v}))`;
  const check = `if (${v} !== null && (${unclean} || ${named(source, validate)}(${v}) !== null)) ${LEAVE}`;
  const short = validate.text === Infinity ? '' : ` || ${v}.length > ${validate.text}`;
  source.lines.push(
    validate.text === undefined
      ? check
      : `if (typeof ${v} !== 'string'${short}) { ${check} } else if (!clean(${v})) ${LEAVE}`,
  );
  return true;
};

type Reader = (value: JsonObject) => Reading;

/**
 * The reader of a mapping. `slow` is the long way, `anchorOf` gives our record id that an object carries, or ''.
 * Where the mapping has something that only the long way knows, that is what is returned.
 */
export const fastReader = (
  all: readonly BoundField[],
  anchorOf: ((value: JsonObject) => string) | null,
  slow: Reader,
): Reader => {
  const fields = all.filter((field) => field.inward);
  const source: Source = { lines: [], names: [], values: [] };
  const parents = new Map<string, string>();
  for (const [index, field] of fields.entries()) {
    if (field.segments.length === 0 || !field.segments.flat().every(isPlain)) return slow;
    if (!fieldCode(source, field, `v${index}`, parents)) return slow;
  }
  const literal = fields.map(({ name }, index) => `${JSON.stringify(name)}: v${index}`).join(', ');
  const made = `fields: { ${literal} }, problems: []`;
  const body = `return (o) => {
    if (typeof o !== 'object' || o === null || isArray(o)) ${LEAVE}
    ${source.lines.join('\n')}
    ${anchorOf === null ? '' : `const anchor = anchorOf(o); if (anchor !== '') return { ${made}, anchor };`}
    return { ${made} };
  };`;
  try {
    // Nothing of a document gets into the code but names, as JSON; the mapping itself was checked before.
    const make = new Function(
      'slow',
      'settled',
      'isArray',
      'isFinite',
      'clean',
      'unclean',
      'anchorOf',
      ...source.names,
      body,
    ) as (...known: unknown[]) => Reader;
    return make(
      slow,
      settledValue,
      Array.isArray,
      Number.isFinite,
      isClean,
      isUnclean,
      anchorOf,
      ...source.values,
    );
  } catch {
    // A process that was started without code generation reads the long way.
    return slow;
  }
};
