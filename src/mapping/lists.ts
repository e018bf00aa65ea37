import type { Json } from '../connector.ts';
import { isObject, member } from './place.ts';
import { schemaChecker, shown } from './schema.ts';
import { Misfit, wrongType } from './step.ts';
import type { BoundStep, Outcome, Step, StepPlace } from './step.ts';

/** Steps that work inside a list. */

/** The one step that is named by an argument: "trim", or {"phone": "CN"}. */
const innerOf = (arg: Json | undefined): { readonly name: string; readonly arg: Json | undefined } => {
  if (typeof arg === 'string') return { name: arg, arg: undefined };
  const [name = '', inner] = isObject(arg) ? (Object.entries(arg)[0] ?? []) : [];
  return { name, arg: inner };
};

/** Why a step cannot work on each item; null if it can. */
const innerFault = (step: Step | undefined, name: string, arg: Json | undefined): string | null => {
  if (step === undefined) return `names ${shown(name)}, which is no step`;
  if (step.places !== undefined || step.fills === true || name === 'list')
    return `names ${name}, which does not work on one item`;
  if (step.arg === undefined)
    return arg === undefined ? null : `gives ${name} an argument, and it takes none`;
  if (arg === undefined) return step.bare === true ? null : `names ${name} without its argument`;
  return schemaChecker(step.arg, false)(arg) ? (step.fault?.(arg) ?? null) : `gives ${name} ${shown(arg)}`;
};

/** Turns each item; the first that does not fit is named by its place in the list. */
const each = (turn: ((value: Json) => Outcome) | undefined, value: Json): Outcome => {
  if (!Array.isArray(value)) return wrongType(value, ['array']);
  if (turn === undefined) return new Misfit('step', 'there is no way back');
  const made: Json[] = [];
  for (const [index, item] of value.entries()) {
    const one = item === null ? null : turn(item);
    if (one instanceof Misfit) return one.inside(`item ${index + 1}`);
    if (one !== null) made.push(one);
  }
  return made;
};

/** `find` gives the steps of the table that this one is part of. */
const listStep = (find: (name: string) => Step | undefined): Step => ({
  doc: 'Does one step to each item of a list: {"list": "trim"}, {"list": {"phone": "CN"}}. Empty items are left out.',
  class: (arg) => {
    const inner = innerOf(arg);
    const own = find(inner.name)?.class ?? 'lossy';
    const made = typeof own === 'function' ? own(inner.arg) : own;
    return made === 'exact' ? 'settling' : made;
  },
  arg: {
    oneOf: [
      { type: 'string', minLength: 1 },
      { type: 'object', minProperties: 1, maxProperties: 1 },
    ],
  },
  fault: (arg) => {
    const inner = innerOf(arg);
    return innerFault(find(inner.name), inner.name, inner.arg);
  },
  takes: ['array'],
  gives: () => ['array'],
  bind: (arg, place: StepPlace): BoundStep => {
    const inner = innerOf(arg);
    const bound = find(inner.name)?.bind(inner.arg, place);
    return {
      forward: (value) => each(bound?.forward.bind(bound), value),
      backward: (value) => each(bound?.backward?.bind(bound), value),
    };
  },
  examples: [
    { arg: 'trim', remote: [' a', 'b ', null], entity: ['a', 'b'], back: ['a', 'b'] },
    { arg: { table: { 红: 'red', 蓝: 'blue' } }, remote: ['红', '蓝'], entity: ['red', 'blue'] },
    { arg: 'trim', remote: [], entity: [] },
    { arg: { table: { 红: 'red' } }, remote: ['红', '绿'] },
    { arg: 'trim', remote: 'a' },
  ],
});

const SCALAR = { type: ['string', 'number', 'boolean'] };

const pick: Step = {
  doc:
    'Takes one value out of a list of objects: {"where": {"type": "mobile"}, "take": "value"} gives the value of the ' +
    'first that matches, nothing if none does. There is no way back.',
  class: 'lossy',
  arg: {
    type: 'object',
    required: ['take'],
    additionalProperties: false,
    properties: {
      where: {
        description:
          'What the object must hold: a value for each of these members. Absent: the first object is taken.',
        type: 'object',
        minProperties: 1,
        additionalProperties: SCALAR,
      },
      take: { description: 'The member whose value is taken.', type: 'string', minLength: 1 },
    },
  },
  takes: ['array'],
  gives: () => ['string', 'number', 'boolean', 'object', 'array'],
  bind: (arg) => {
    const where = Object.entries(member(arg, 'where') ?? {});
    const take = String(member(arg, 'take'));
    return {
      forward: (value) => {
        if (!Array.isArray(value)) return wrongType(value, ['array']);
        const found = value.find((item) => where.every(([name, wanted]) => member(item, name) === wanted));
        return member(found, take) ?? null;
      },
    };
  },
  examples: [
    {
      arg: { where: { type: 'mobile' }, take: 'value' },
      remote: [
        { type: 'fax', value: '1' },
        { type: 'mobile', value: '2' },
      ],
      entity: '2',
    },
    { arg: { take: 'name' }, remote: [{ name: 'Ann' }, { name: 'Bob' }], entity: 'Ann' },
    {
      arg: { where: { type: 'mobile' }, take: 'value' },
      remote: [{ type: 'fax', value: '1' }],
      entity: null,
    },
    { arg: { take: '__proto__' }, remote: [{}], entity: null },
    { arg: { take: 'name' }, remote: { name: 'Ann' } },
  ],
};

const item: Step = {
  doc:
    'Takes the item at this place of a list, counted from 0: {"item": 0} reads 57 of [57, "Germany"], as Odoo shows a ' +
    'link, and writes 57. A value that is no list stands for itself.',
  class: 'settling',
  arg: { type: 'integer', minimum: 0, maximum: 100 },
  takes: ['array', 'string', 'number', 'boolean'],
  gives: () => ['string', 'number', 'integer', 'boolean'],
  bind: (arg) => ({
    forward: (value) => {
      const found = Array.isArray(value) ? (value[Number(arg)] ?? null) : value;
      return typeof found === 'object' && found !== null ? wrongType(found, ['string', 'number']) : found;
    },
    backward: (value) => value,
  }),
  examples: [
    { arg: 0, remote: [57, 'Germany'], entity: 57, back: 57 },
    { arg: 1, remote: [57, 'Germany'], entity: 'Germany', back: 'Germany' },
    { arg: 0, remote: 57, entity: 57 },
    { arg: 5, remote: [57, 'Germany'], entity: null },
    { arg: 0, remote: [[1]] },
  ],
};

/** Odoo's command that replaces all: [6, 0, ids]. */
const REPLACE = 6;

const commands: Step = {
  doc:
    'Reads the ids of a many-to-many place as Odoo shows them, [3, 8], and writes the command that makes it hold just ' +
    'these: [[6, 0, [3, 8]]]. The ids come sorted, each once.',
  class: 'settling',
  takes: ['array'],
  gives: () => ['array'],
  bind: () => {
    const sorted = (value: Json): Outcome => {
      if (!Array.isArray(value)) return wrongType(value, ['array']);
      const [first] = value;
      const list =
        value.length === 1 && Array.isArray(first) && first[0] === REPLACE && Array.isArray(first[2])
          ? first[2]
          : value;
      const bad = list.find((id) => typeof id !== 'number' || !Number.isSafeInteger(id));
      if (bad !== undefined) return wrongType(bad, ['integer']);
      return [...new Set(list.map(Number))].sort((a, b) => a - b);
    };
    return {
      forward: sorted,
      backward: (value) => {
        const ids = sorted(value);
        return ids instanceof Misfit ? ids : [[REPLACE, 0, ids]];
      },
    };
  },
  examples: [
    { remote: [8, 3], entity: [3, 8], back: [[6, 0, [3, 8]]] },
    { remote: [[6, 0, [3, 8, 3]]], entity: [3, 8], back: [[6, 0, [3, 8]]] },
    { remote: ['a'] },
    { remote: 3 },
  ],
};

export const listSteps = (find: (name: string) => Step | undefined): Readonly<Record<string, Step>> => ({
  list: listStep(find),
  pick,
  item,
  commands,
});
