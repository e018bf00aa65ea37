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
    if (one instanceof Misfit) return new Misfit(one.code, `item ${index + 1}: ${one.message}`);
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
      where: { type: 'object', minProperties: 1, additionalProperties: SCALAR },
      take: { type: 'string', minLength: 1 },
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

export const listSteps = (find: (name: string) => Step | undefined): Readonly<Record<string, Step>> => ({
  list: listStep(find),
  pick,
});
